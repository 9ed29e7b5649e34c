//! Events that are brought in over REST, by a form as pages send it and as a stream, against a real CalDAV listener.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use std::fmt::Write as _;
use std::time::Instant;

use rest::{Json, Rest, both};
use serde_json::{Value, json};
use server::{Answer, Client, event};

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const PATH: &str = "/calendars/alice/calendar/";

/// Somebody at both services.
async fn person(rest: &Rest, user: &str) -> (Json, Client) {
    let mut dav = rest.caldav.client(user).await;
    assert_eq!(dav.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    (rest.client(user).await, dav)
}

fn told(answer: &Answer) -> (u16, Value) {
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

/// A form of these fields.
async fn form(who: &mut Json, fields: &[(&str, &str)]) -> (u16, Value) {
    let mut body = String::new();
    for (name, content) in fields {
        let file = if *name == "file" { "; filename=\"a.ics\"\r\nContent-Type: text/calendar" } else { "" };
        write!(body, "--b0\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{content}\r\n")
            .unwrap();
    }
    body += "--b0--\r\n";
    let media = [("Content-Type", "multipart/form-data; boundary=b0")];
    told(&who.ask("POST /api/v1.0/calendars/import-events/", &media, body).await)
}

async fn stream(who: &mut Json, calendar: &str, body: &str) -> (u16, Value) {
    let line = format!("POST /api/v1.0/calendars/{calendar}/import/");
    told(&who.ask(&line, &[("Content-Type", "text/calendar")], body).await)
}

/// A stream of so many events, of which every so many-th is broken.
fn events(count: usize, broken: usize) -> String {
    let mut out = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//test//EN\r\n".to_owned();
    let text = "a line of a description that is as long as those of people are, more or less, and ".repeat(3);
    for number in 0..count {
        let dated = if broken > 0 && number % broken == 0 {
            ""
        } else {
            "DTSTART;TZID=Europe/Paris:20260301T090000\r\n"
        };
        write!(
            out,
            "BEGIN:VEVENT\r\nUID:{number}@test\r\nDTSTAMP:20260101T000000Z\r\n{dated}DURATION:PT1H\r\n\
             SUMMARY:Event {number}\r\nDESCRIPTION:{text}\r\nEND:VEVENT\r\n"
        )
        .unwrap();
    }
    out + "END:VCALENDAR\r\n"
}

#[tokio::test]
async fn a_form_is_answered_in_the_words_that_pages_know() {
    both(async |rest: Rest| {
        let (mut alice, mut dav) = person(&rest, "alice").await;
        let one = event("own@test", "Lunch");
        for path in [PATH, "/api/v1.0/caldav/calendars/ALICE/calendar", "/dav/calendars/alice/calendar/"] {
            let (status, answer) = form(&mut alice, &[("caldav_path", path), ("file", &one)]).await;
            let fresh = u64::from(path == PATH);
            let expected = json!({ "total_events": 1, "imported_count": fresh, "duplicate_count": 1 - fresh, "skipped_count": 0 });
            assert_eq!((status, answer), (200, expected), "{path}");
        }
        assert_eq!(dav.members(CALENDAR).await.len(), 1);
        let (_, answer) = form(&mut alice, &[("caldav_path", PATH), ("file", &events(24, 2))]).await;
        let counts = ["total_events", "imported_count", "duplicate_count", "skipped_count"].map(|key| answer[key].as_u64().unwrap());
        assert_eq!(counts, [24, 12, 0, 12], "{answer}");
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!((errors.len(), errors[0].as_str()), (10, Some("Event 0")));

        let error = |why: &str| json!({ "error": why });
        let stranger = error("You don't have access to this calendar");
        assert_eq!(form(&mut alice, &[("file", &one)]).await, (400, error("caldav_path is required")));
        assert_eq!(form(&mut alice, &[("caldav_path", PATH)]).await, (400, error("No file provided")));
        let large = "x".repeat((10 << 20) + 1);
        let expected = (400, error("File too large. Maximum size is 10 MB."));
        assert_eq!(form(&mut alice, &[("caldav_path", PATH), ("file", &large)]).await, expected);
        for path in ["/calendars/bob/calendar/", "/calendars/alice/other/", "calendar", "/calendars/alice/../"] {
            assert_eq!(form(&mut alice, &[("caldav_path", path), ("file", &one)]).await, (403, stranger.clone()), "{path}");
        }
        let (mut bob, _) = person(&rest, "bob").await;
        assert_eq!(form(&mut bob, &[("caldav_path", PATH), ("file", &one)]).await, (403, stranger));
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_told_of_line_by_line_and_the_same_again_changes_nothing() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    let text = events(1000, 100) + &event("own@test", "Mine");
    let (status, answer) = stream(&mut alice, "calendar", &text).await;
    let counts = |answer: &Value| {
        ["total", "imported", "unchanged", "kept", "skipped", "failed"]
            .map(|key| answer[key].as_u64().unwrap())
    };
    assert_eq!((status, counts(&answer)), (200, [1001, 991, 0, 0, 0, 10]), "{answer}");
    let items = answer["items"].as_array().unwrap();
    let first = json!({ "line": 4, "uid": "0@test", "summary": "Event 0", "outcome": "failed", "why": items[0]["why"] });
    assert_eq!((items.len(), &items[0]), (10, &first));
    let before = dav.members(CALENDAR).await;
    assert_eq!(before.len(), 991);
    let (_, again) = stream(&mut alice, "calendar", &text).await;
    assert_eq!(counts(&again), [1001, 0, 991, 0, 0, 10]);
    let (_, other) = stream(&mut alice, "calendar", &event("own@test", "Yours")).await;
    assert_eq!((counts(&other), other["items"][0]["outcome"].as_str()), ([1, 0, 0, 1, 0, 0], Some("kept")));
    assert_eq!(dav.members(CALENDAR).await, before);

    let (_, nothing) = stream(&mut alice, "calendar", "rubbish").await;
    assert_eq!(counts(&nothing), [1, 0, 0, 0, 0, 1]);
    assert_eq!(stream(&mut alice, "nowhere", "rubbish").await.0, 404);
    let json = alice
        .ask("POST /api/v1.0/calendars/calendar/import/", &[("Content-Type", "application/json")], "{}")
        .await;
    assert_eq!(json.status, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_events_the_broken_ones_are_told_and_a_second_run_changes_nothing() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let text = events(10_000, 100);
    let counts = |answer: &Value| {
        ["total", "imported", "unchanged", "failed"].map(|key| answer[key].as_u64().unwrap())
    };
    let since = Instant::now();
    let (status, answer) = stream(&mut alice, "calendar", &text).await;
    println!("{} octets: {:?}", text.len(), since.elapsed());
    assert_eq!((status, counts(&answer)), (200, [10_000, 9_900, 0, 100]));
    let items = answer["items"].as_array().unwrap();
    assert_eq!(items.len(), 100);
    for (nth, item) in items.iter().enumerate() {
        let (uid, title) = (format!("{}@test", nth * 100), format!("Event {}", nth * 100));
        let told = (item["uid"].as_str(), item["summary"].as_str(), item["outcome"].as_str());
        assert_eq!(told, (Some(uid.as_str()), Some(title.as_str()), Some("failed")), "{item}");
        assert!(item["line"].as_u64() > Some(3) && !item["why"].as_str().unwrap().is_empty(), "{item}");
    }
    let before = state(&rest).await;
    assert_eq!(before.0, 9_900);
    let since = Instant::now();
    let (_, again) = stream(&mut alice, "calendar", &text).await;
    println!("again: {:?}", since.elapsed());
    assert_eq!(counts(&again), [10_000, 0, 9_900, 100]);
    assert_eq!(state(&rest).await, before);
}

/// How many objects there are, and what changes with each change of any of them.
async fn state(rest: &Rest) -> (i64, i64) {
    let sum =
        support::sql("SELECT (SELECT count(*) FROM object), (SELECT sum(revision)::bigint FROM calendar)");
    let row = rest.caldav.db.pool.row(&sum, &[]).await.unwrap();
    (row.at(0).unwrap(), row.at(1).unwrap())
}

/// The numbers in a line.
fn numbers(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// What tests/import says of `kalends import` is true of what people bring, by the same words of the same files.
#[tokio::test(flavor = "multi_thread")]
async fn each_case_goes_in_as_it_does_by_the_command_line() {
    let rest = Rest::start(|settings| settings.api.requests_per_minute = 0).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    let files = std::fs::read_dir("tests/import/cases").unwrap().map(|entry| entry.unwrap().path());
    let (mut cases, mut failures) = (0, String::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (head, body): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("# "));
        let given: String = body.iter().flat_map(|line| [line, "\r\n"]).collect();
        assert_eq!(dav.ask("MKCALENDAR /dav/calendars/alice/case/", &[], "").await.status, 201);
        let (_, first) = stream(&mut alice, "case", &given).await;
        let (_, again) = stream(&mut alice, "case", &given).await;
        let bodies: Vec<String> =
            objects(&rest).await.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect();
        let counts = |told: &Value| {
            ["imported", "unchanged", "kept", "skipped", "failed"].map(|key| told[key].as_u64().unwrap())
        };
        for line in head {
            let (key, value) = line[2..].split_once(": ").unwrap();
            let right = match (key, &numbers(value)[..]) {
                ("sum", [_, imported, 0, unchanged, kept, skipped, failed, doubles]) => {
                    counts(&first) == [*imported, *unchanged, *kept, *skipped, *failed]
                        && first["doubles"].as_u64() == Some(*doubles)
                }
                ("again", [imported, replaced, unchanged, kept, skipped, failed, ..]) => {
                    counts(&again) == [*imported, *unchanged, replaced + kept, *skipped, *failed]
                }
                ("has", _) => bodies.iter().any(|body| body.contains(value)),
                ("lacks", _) => !bodies.iter().any(|body| body.contains(value)),
                ("about" | "told", _) => true,
                other => panic!("{}: what is {other:?}?", file.display()),
            };
            if !right {
                writeln!(failures, "{}: {line}: {first} {again}", file.display()).unwrap();
            }
        }
        assert_eq!(dav.ask("DELETE /dav/calendars/alice/case/", &[], "").await.status, 204);
        cases += 1;
    }
    assert!(cases >= 38, "only {cases} cases");
    assert!(failures.is_empty(), "{failures}");
}

/// The objects of alice's calendar, by their UIDs.
async fn objects(rest: &Rest) -> Vec<(String, Vec<u8>)> {
    let all = support::sql(
        "SELECT uid, body FROM object JOIN principal p ON p.id = home_id WHERE p.name = 'alice' AND component <> 0 ORDER BY uid",
    );
    let rows = rest.caldav.db.pool.rows(&all, &[]).await.unwrap();
    rows.iter().map(|row| (row.at("uid").unwrap(), row.at("body").unwrap())).collect()
}

#[tokio::test]
async fn what_is_exported_makes_the_same_octets_on_an_empty_server() {
    let mut given = events(3, 0).replace("-//test//test//EN", "-//kalends//kalends//EN");
    let series = event("series@test", "Weekly")
        .replace("DTSTART", "RRULE:FREQ=WEEKLY;COUNT=4\r\nX-ODD;A=\"b:c\":fol\r\n ded\r\nDTSTART");
    let over = event("series@test", "Moved")
        .replace("DTSTART:20260301", "RECURRENCE-ID:20260308T090000Z\r\nDTSTART:20260309");
    // The override comes long before its series.
    given = given.replacen("BEGIN:VEVENT", &(inner(&over) + "BEGIN:VEVENT"), 1);
    given = given.replace("END:VCALENDAR\r\n", &(inner(&series) + "END:VCALENDAR\r\n"));
    let (one, other) = (Rest::start(|_| ()).await, Rest::start(|_| ()).await);
    let (mut alice, _) = person(&one, "alice").await;
    assert_eq!(stream(&mut alice, "calendar", &given).await.1["imported"], 4);
    let export = alice.0.ask("GET /api/v1.0/calendars/calendar/export/", &[], "").await.text();
    let (mut again, _) = person(&other, "alice").await;
    let (status, told) = stream(&mut again, "calendar", &export).await;
    assert_eq!((status, &told["imported"], &told["failed"]), (200, &json!(4), &json!(0)), "{told}");
    let (first, second) = (objects(&one).await, objects(&other).await);
    assert_eq!(first.len(), 4);
    for ((uid, octets), (same, others)) in first.iter().zip(&second) {
        assert_eq!((uid, String::from_utf8_lossy(octets)), (same, String::from_utf8_lossy(others)));
    }
    assert_eq!(
        again.0.ask("GET /api/v1.0/calendars/calendar/export/", &[], "").await.text().len(),
        export.len()
    );
}

/// The event of an object.
fn inner(object: &str) -> String {
    let (begin, end) = (object.find("BEGIN:VEVENT").unwrap(), object.find("END:VCALENDAR").unwrap());
    object[begin..end].to_owned()
}

#[tokio::test]
async fn limits_and_rights_hold_for_what_is_imported_and_nobody_is_invited() {
    let rest = Rest::start(|settings| {
        settings.calendar.max_resources = 5;
        settings.history.trash_days = 30;
    })
    .await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    let (_, told) = stream(&mut alice, "calendar", &events(7, 0)).await;
    assert_eq!((&told["imported"], &told["failed"]), (&json!(5), &json!(2)), "{told}");
    assert!(told["items"][0]["why"].as_str().unwrap().contains("max-resources"), "{told}");
    let meeting = event("meeting@test", "Meeting").replace(
        "SUMMARY",
        "ORGANIZER:mailto:alice@example.org\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bob@example.org\r\nSUMMARY",
    );
    let (_, made) = alice.call("POST", "calendars/", json!({ "name": "Two" })).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let (status, told) = stream(&mut alice, &id, &meeting).await;
    assert_eq!((status, &told["imported"]), (200, &json!(1)), "{told}");
    for who in ["alice", "bob"] {
        let mut theirs = rest.caldav.client(who).await;
        for box_of in ["inbox", "notifications"] {
            assert_eq!(
                theirs.members(&format!("/dav/calendars/{who}/{box_of}/")).await.len(),
                0,
                "{who} {box_of}"
            );
        }
    }
    // Who only reads brings nothing in; who may write does, one object after the other.
    let share = format!("calendars/{id}/shares/");
    assert!(alice.call("POST", &share, json!({ "user": "bob", "role": "reader" })).await.0 < 300);
    assert_eq!(stream(&mut bob, &id, &event("b@test", "His")).await.0, 403);
    assert!(alice.call("POST", &share, json!({ "user": "bob", "role": "editor" })).await.0 < 300);
    let (status, told) = stream(&mut bob, &id, &(event("b@test", "His") + &meeting)).await;
    assert_eq!((status, &told["imported"], &told["unchanged"]), (200, &json!(1), &json!(1)), "{told}");
    assert_eq!(dav.members(&format!("/dav{}", made["caldav_path"].as_str().unwrap())).await.len(), 2);
}

#[tokio::test]
async fn a_quota_is_not_outdone_by_an_import() {
    let rest = Rest::start(|settings| settings.calendar.quota = kalends::config::Size(1_500)).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (_, told) = stream(&mut alice, "calendar", &events(10, 0)).await;
    let imported = told["imported"].as_u64().unwrap();
    assert!((1..10).contains(&imported) && told["failed"] == 10 - imported, "{told}");
    assert!(told["items"][0]["why"].as_str().unwrap().contains("quota"), "{told}");
}

/// Told with `--nocapture`; a bound that holds in a build that is slow, too.
#[tokio::test(flavor = "multi_thread")]
async fn eight_thousand_events_are_in_within_seconds() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let text = events(8000, 0);
    let since = Instant::now();
    let (status, answer) = form(&mut alice, &[("caldav_path", PATH), ("file", &text)]).await;
    let first = since.elapsed();
    assert_eq!((status, answer["imported_count"].as_u64()), (200, Some(8000)));
    let since = Instant::now();
    let (_, again) = form(&mut alice, &[("caldav_path", PATH), ("file", &text)]).await;
    assert_eq!(again["duplicate_count"].as_u64(), Some(8000));
    println!("{} octets: {first:?}, again {:?}", text.len(), since.elapsed());
    assert!(first.as_secs() < 60, "{first:?}");
}

/// So many octets of events, each with as many as people write at most.
fn long(octets: usize) -> String {
    let text = "a line that is folded as all of them are\r\n ".repeat(1400);
    let mut out = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//test//EN\r\n".to_owned();
    for number in 0.. {
        if out.len() >= octets {
            break;
        }
        write!(
            out,
            "BEGIN:VEVENT\r\nUID:{number}@long\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260301T090000Z\r\nDURATION:PT1H\r\n\
             SUMMARY:Event {number}\r\nDESCRIPTION:{text}\r\nEND:VEVENT\r\n"
        )
        .unwrap();
    }
    out + "END:VCALENDAR\r\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_mebibytes_come_in_and_take_less_memory_than_they_are_long() {
    let rest = Rest::process("", |_| ()).await;
    let (mut alice, _) = person(&rest, "alice").await;
    assert_eq!(stream(&mut alice, "calendar", &event("first@test", "First")).await.0, 200);
    let text = long(60 << 20);
    let before = rest.most_memory().unwrap();
    let since = Instant::now();
    let (status, told) = stream(&mut alice, "calendar", &text).await;
    let took = rest.most_memory().unwrap() - before;
    println!("{} octets in {:?}, {took} octets of memory", text.len(), since.elapsed());
    let count = text.matches("BEGIN:VEVENT").count();
    assert_eq!((status, told["imported"].as_u64()), (200, Some(count as u64)), "{told}");
    assert_eq!(state(&rest).await.0, 1 + i64::try_from(count).unwrap());
    assert!(took < 40 << 20, "{took} octets of memory");
}

/// What is answered to a request of which the body is only told of, or comes in drops, one each quarter of a second.
async fn dripped(rest: &Rest, head: &str, drops: usize) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut reader, mut writer) = tokio::net::TcpStream::connect(rest.address).await.unwrap().into_split();
    writer
        .write_all(format!("{head}\r\nHost: x\r\nContent-Type: text/calendar\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let dripping = tokio::spawn(async move {
        for _ in 0..drops {
            if writer.write_all(b"BEGIN:VCALENDAR\r\n").await.is_err() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
        writer
    });
    let mut answer = vec![0; 64];
    let length = reader.read(&mut answer).await.unwrap();
    dripping.abort();
    String::from_utf8_lossy(&answer[..length]).chars().take(12).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_is_signed_in_sends_much_and_nobody_forever() {
    let rest = Rest::start(|settings| {
        settings.api.import_bytes = kalends::config::Size(64 << 20);
        settings.limits.body_bytes = kalends::config::Size(16 << 20);
        settings.limits.body_time = kalends::config::Span::seconds(1);
    })
    .await;
    let (mut alice, _) = person(&rest, "alice").await;
    let import = "POST /api/v1.0/calendars/calendar/import/ HTTP/1.1";
    for (line, user, octets, status) in [
        (import, "", 32 << 20, "413"),
        (import, "", 1 << 20, "401"),
        (import, "alice", 65 << 20, "413"),
        ("POST /api/v1.0/calendars/ HTTP/1.1", "alice", 32 << 20, "413"),
        ("PUT /api/v1.0/calendars/calendar/import/ HTTP/1.1", "alice", 32 << 20, "413"),
        ("POST /api/v1.0/calendars/nowhere/import/ HTTP/1.1", "alice", 32 << 20, "404"),
    ] {
        let head = format!("{line}\r\nX-Forwarded-User: {user}\r\nContent-Length: {octets}");
        assert_eq!(dripped(&rest, &head, 0).await, format!("HTTP/1.1 {status}"), "{line} {user} {octets}");
    }
    // There is something all the time, and never much.
    let head = format!("{import}\r\nX-Forwarded-User: alice\r\nContent-Length: {}", 1 << 20);
    assert_eq!(dripped(&rest, &head, 100).await, "HTTP/1.1 408");
    // Without a length it is counted as it comes.
    let chunked = ("Transfer-Encoding", "chunked");
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", 65 << 20, "x".repeat(65 << 20));
    let head = format!(
        "{import}\r\nHost: x\r\nX-Forwarded-User: alice\r\nContent-Type: text/calendar\r\n{}: {}\r\n\r\n",
        chunked.0, chunked.1
    );
    let answer = alice.0.exchange(&[head.as_bytes(), body.as_bytes()], false).await.unwrap();
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn what_somebody_has_locked_is_not_written() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    for name in ["a", "b"] {
        let put = dav.ask(&format!("PUT {CALENDAR}{name}.ics"), &[], event(name, "x")).await;
        assert!(put.is_done(), "{put:?}");
    }
    assert!(dav.ask(&format!("DELETE {CALENDAR}b.ics"), &[], "").await.is_done());
    let (_, trash) = alice.get("trash/").await;
    let restore = format!("trash/{}/restore/", trash["results"][0]["id"].as_str().unwrap());
    let lock = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>";
    let xml = [("Content-Type", "application/xml")];
    assert_eq!(dav.ask(&format!("LOCK {CALENDAR}"), &xml, lock).await.status, 200);
    let new = events(1, 0);
    let edit = json!({ "scope": "all", "changes": { "summary": "y" } });
    for (status, told) in [
        alice.call("POST", "calendars/calendar/events/a/edit/", edit).await,
        alice.call("POST", &restore, json!({})).await,
        form(&mut alice, &[("caldav_path", PATH), ("file", &new)]).await,
        stream(&mut alice, "calendar", &new).await,
    ] {
        assert_eq!((status, &told["errors"][0]["code"]), (423, &json!("locked")), "{told}");
    }
}
