//! Changes of events over REST, one instance or many, and the way out and back: exports and the trash.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use rest::{Json, Rest, both};
use serde_json::{Value, json};
use server::{Client, event};

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const EDIT: &str = "calendars/calendar/events/a%2Fb@test/edit/";
const UID: &str = "a/b@test";

async fn person(rest: &Rest, user: &str) -> (Json, Client) {
    let mut dav = rest.caldav.client(user).await;
    assert_eq!(dav.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    (rest.client(user).await, dav)
}

/// A meeting on ten Mondays in Paris.
fn series() -> String {
    event(UID, "Weekly").replace(
        "DTSTART:20260301T090000Z\r\nDTEND:20260301T100000Z\r\n",
        "DTSTART;TZID=Europe/Paris:20260302T090000\r\nDTEND;TZID=Europe/Paris:20260302T100000\r\nRRULE:FREQ=WEEKLY;COUNT=10\r\n",
    )
}

async fn put(dav: &mut Client, name: &str, text: &str) {
    let media = [("Content-Type", "text/calendar")];
    let answer = dav.ask(&format!("PUT {CALENDAR}{name}"), &media, text).await;
    assert!(answer.is_done(), "{}", answer.text());
}

async fn text(dav: &mut Client, path: &str) -> String {
    dav.ask(&format!("GET {path}"), &[], "").await.text()
}

fn code(answer: &(u16, Value)) -> (u16, String, String) {
    let error = &answer.1["errors"][0];
    let say = |key: &str| error[key].as_str().unwrap_or("-").to_owned();
    (answer.0, say("code"), say("attr"))
}

#[tokio::test]
async fn one_instance_or_the_later_ones_or_all_are_changed() {
    both(async |rest: Rest| {
        let (mut alice, mut dav) = person(&rest, "alice").await;
        put(&mut dav, "a.ics", &series()).await;
        let path = format!("{CALENDAR}a.ics");
        let one = json!({ "scope": "this", "recurrence_id": "2026-03-09T09:00:00",
            "changes": { "summary": "Later, once", "start": "2026-03-09T10:00:00.000Z", "end": "2026-03-09T11:30" } });
        let (status, told) = alice.call("POST", EDIT, one).await;
        assert_eq!((status, told["objects"][0]["href"].as_str()), (200, Some(path.as_str())), "{told}");
        let now = text(&mut dav, &path).await;
        for line in [
            "RECURRENCE-ID;TZID=Europe/Paris:20260309T090000",
            "DTSTART;TZID=Europe/Paris:20260309T110000",
            "DTEND;TZID=Europe/Paris:20260309T113000",
            "SUMMARY:Later\\, once",
            "RRULE:FREQ=WEEKLY;COUNT=10",
        ] {
            assert!(now.contains(line), "{line} is not in {now}");
        }
        let later = json!({ "scope": "this_and_future", "recurrence_id": "2026-04-06T07:00:00Z", "changes": { "location": "Room 2" } });
        let (status, told) = alice.call("POST", EDIT, later).await;
        let objects = told["objects"].as_array().unwrap();
        assert_eq!((status, objects.len(), objects[0]["uid"].as_str()), (200, 2, Some(UID)), "{told}");
        let second = text(&mut dav, objects[1]["href"].as_str().unwrap()).await;
        assert!(second.contains("LOCATION:Room 2") && second.contains("COUNT=5"), "{second}");
        assert!(text(&mut dav, &path).await.contains("COUNT=5"));
        assert_eq!(dav.members(CALENDAR).await.len(), 2);

        let all = json!({ "scope": "all", "changes": { "summary": "All", "status": "tentative", "description": null } });
        assert_eq!(alice.call("POST", EDIT, all).await.0, 200);
        let now = text(&mut dav, &path).await;
        assert!(now.contains("SUMMARY:All\r\n") && now.contains("STATUS:TENTATIVE"), "{now}");
        let gone = json!({ "scope": "this", "recurrence_id": "20260316T090000", "delete": true });
        assert_eq!(alice.call("POST", EDIT, gone.clone()).await.0, 200);
        assert!(text(&mut dav, &path).await.contains("EXDATE;TZID=Europe/Paris:20260316T090000"));
        assert_eq!(code(&alice.call("POST", EDIT, gone).await), (404, "not_found".into(), "-".into()));
        let (_, told) = alice.call("POST", EDIT, json!({ "scope": "all", "delete": true })).await;
        assert_eq!(told, json!({ "objects": [], "deleted": [path] }));
        assert_eq!(dav.members(CALENDAR).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_changed_is_said_precisely() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    put(&mut dav, "a.ics", &series()).await;
    let changes = |changes: Value| json!({ "scope": "all", "changes": changes });
    for (body, status, what, attr) in [
        (json!({}), 400, "required", "scope"),
        (json!({ "scope": "some" }), 400, "invalid_choice", "scope"),
        (json!({ "scope": "all" }), 400, "required", "changes"),
        (json!({ "scope": "all", "delete": true, "changes": {} }), 400, "required", "changes"),
        (json!({ "scope": "this", "delete": true }), 400, "required", "recurrence_id"),
        (
            json!({ "scope": "this", "delete": true, "recurrence_id": "soon" }),
            400,
            "invalid",
            "recurrence_id",
        ),
        (
            json!({ "scope": "this", "delete": true, "recurrence_id": "2026-03-03T09:00" }),
            404,
            "not_found",
            "-",
        ),
        (changes(json!({ "start": "x" })), 400, "invalid", "start"),
        (changes(json!({ "start": "2026-03-02" })), 400, "required", "end"),
        (changes(json!({ "tz": "Asia/Tokyo" })), 400, "required", "start"),
        (changes(json!({ "tz": "Mars", "start": "2026-03-02T09:00" })), 400, "invalid_choice", "tz"),
        (changes(json!({ "rrule": "FREQ=NEVER" })), 400, "invalid", "rrule"),
        (changes(json!({ "status": "x" })), 400, "invalid_choice", "status"),
        (changes(json!({ "end": "2026-03-01T09:00" })), 400, "invalid", "end"),
        (
            json!({ "scope": "this", "recurrence_id": "2026-03-09", "changes": { "rrule": "FREQ=DAILY" } }),
            400,
            "invalid",
            "rrule",
        ),
    ] {
        let answer = alice.call("POST", EDIT, body.clone()).await;
        assert_eq!(code(&answer), (status, what.to_owned(), attr.to_owned()), "{body}: {answer:?}");
    }
    let unknown = alice.call("POST", "calendars/calendar/events/b@test/edit/", changes(json!({}))).await;
    assert_eq!(unknown.0, 404);
    let old = alice.raw("POST", EDIT, &[("If-Match", "\"x\"")], changes(json!({ "summary": "x" }))).await;
    assert_eq!(old.status, 412);
    let tag = dav.ask(&format!("GET {CALENDAR}a.ics"), &[], "").await.header("etag").unwrap().to_owned();
    let new = alice.raw("POST", EDIT, &[("If-Match", &tag)], changes(json!({ "summary": "x" }))).await;
    assert_eq!(new.status, 200);
    assert!(text(&mut dav, &format!("{CALENDAR}a.ics")).await.contains("SUMMARY:x\r\n"));
}

/// A series with all that a series can have, in lines as no two products write them.
fn grown() -> String {
    let text = event(UID, "Weekly").replace(
        "DTSTART:20260301T090000Z\r\nDTEND:20260301T100000Z\r\n",
        "DTSTART;TZID=Europe/Paris:20260302T090000\r\nDTEND;TZID=Europe/Paris:20260302T100000\r\n\
         RRULE:FREQ=WEEKLY;UNTIL=20260504T070000Z\r\nEXDATE;TZID=Europe/Paris:20260316T090000,20260420T090000\r\n\
         x-odd;x=\"a:b\":fol\r\n ded  \r\n",
    );
    let over = "BEGIN:VEVENT\r\nUID:a/b@test\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;TZID=Europe/Paris:20260323T090000\r\n\
        DTSTART;TZID=Europe/Paris:20260324T150000\r\nDTEND;TZID=Europe/Paris:20260324T160000\r\nSUMMARY:Elsewhere\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nUID:a/b@test\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;TZID=Europe/Paris:20260427T090000\r\n\
        DTSTART;TZID=Europe/Paris:20260427T090000\r\nDTEND;TZID=Europe/Paris:20260427T100000\r\nSUMMARY:Other\r\nEND:VEVENT\r\n";
    text.replace("END:VCALENDAR\r\n", &format!("{over}END:VCALENDAR\r\n"))
}

#[tokio::test]
async fn a_series_that_moves_takes_its_exceptions_along() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    put(&mut dav, "a.ics", &grown()).await;
    // Of the third instance it is said when it happens, and all are meant.
    let body = json!({ "scope": "all", "recurrence_id": "2026-04-06T07:00:00Z",
        "changes": { "start": "2026-04-07T10:00:00", "end": "2026-04-07T11:30:00" } });
    let (status, told) = alice.call("POST", EDIT, body).await;
    assert_eq!(status, 200, "{told}");
    let now = text(&mut dav, &format!("{CALENDAR}a.ics")).await;
    for line in [
        "DTSTART;TZID=Europe/Paris:20260303T100000\r\n",
        "DTEND;TZID=Europe/Paris:20260303T113000\r\n",
        // In May it is summer, in March it was not.
        "RRULE:FREQ=WEEKLY;UNTIL=20260505T080000Z\r\n",
        "EXDATE;TZID=Europe/Paris:20260317T100000,20260421T100000\r\n",
        // What was elsewhere stays there; what was where its series was goes along.
        "RECURRENCE-ID;TZID=Europe/Paris:20260324T100000\r\n",
        "DTSTART;TZID=Europe/Paris:20260324T150000\r\n",
        "RECURRENCE-ID;TZID=Europe/Paris:20260428T100000\r\n",
        "DTSTART;TZID=Europe/Paris:20260428T100000\r\n",
        "x-odd;x=\"a:b\":fol\r\n ded  \r\n",
    ] {
        assert!(now.contains(line), "{line} is not in {now}");
    }
    let bad =
        json!({ "scope": "all", "recurrence_id": "soon", "changes": { "start": "2026-04-07T10:00:00" } });
    assert_eq!(code(&alice.call("POST", EDIT, bad).await), (400, "invalid".into(), "recurrence_id".into()));
}

#[tokio::test]
async fn a_series_is_cut_with_all_that_belongs_to_each_half() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    put(&mut dav, "a.ics", &grown()).await;
    let body = json!({ "scope": "this_and_future", "recurrence_id": "2026-04-06T09:00:00", "changes": { "summary": "Later" } });
    let (status, told) = alice.call("POST", EDIT, body).await;
    assert_eq!((status, told["objects"].as_array().unwrap().len()), (200, 2), "{told}");
    let first = text(&mut dav, told["objects"][0]["href"].as_str().unwrap()).await;
    let second = text(&mut dav, told["objects"][1]["href"].as_str().unwrap()).await;
    let uid = told["objects"][1]["uid"].as_str().unwrap();
    for (line, earlier, later) in [
        ("UNTIL=20260330T070000Z", true, false),
        ("UNTIL=20260504T070000Z", false, true),
        ("EXDATE;TZID=Europe/Paris:20260316T090000\r\n", true, false),
        ("EXDATE;TZID=Europe/Paris:20260420T090000\r\n", false, true),
        ("RECURRENCE-ID;TZID=Europe/Paris:20260323T090000", true, false),
        ("RECURRENCE-ID;TZID=Europe/Paris:20260427T090000", false, true),
        ("DTSTART;TZID=Europe/Paris:20260406T090000\r\n", false, true),
        ("SUMMARY:Weekly", true, false),
        ("SUMMARY:Later", false, true),
        ("SUMMARY:Elsewhere", true, false),
        ("SUMMARY:Other", false, true),
        ("x-odd;x=\"a:b\":fol\r\n ded  \r\n", true, true),
        (&format!("UID:{uid}\r\n"), false, true),
    ] {
        assert_eq!(
            (first.contains(line), second.contains(line)),
            (earlier, later),
            "{line}\n{first}\n{second}"
        );
    }
    // An end of another type than the start has becomes one of its own (RFC 5545 §3.3.10).
    let rule = json!({ "scope": "all", "changes": { "rrule": "FREQ=DAILY;UNTIL=20260310" } });
    assert_eq!(alice.call("POST", EDIT, rule).await.0, 200);
    let first = text(&mut dav, told["objects"][0]["href"].as_str().unwrap()).await;
    assert!(first.contains("RRULE:FREQ=DAILY;UNTIL=20260310T225959Z\r\n"), "{first}");
}

#[tokio::test]
async fn octets_that_an_edit_is_not_about_stay_as_they_are() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    let (path, before) = (format!("{CALENDAR}a.ics"), grown());
    put(&mut dav, "a.ics", &before).await;
    let body =
        json!({ "scope": "this", "recurrence_id": "2026-03-09T09:00:00", "changes": { "summary": "Once" } });
    assert_eq!(alice.call("POST", EDIT, body).await.0, 200);
    let now = text(&mut dav, &path).await;
    let place = now.find("SUMMARY:Once").unwrap();
    let (begin, end) =
        (now[..place].rfind("BEGIN:VEVENT").unwrap(), now[place..].find("END:VEVENT\r\n").unwrap());
    let without = [&now[..begin], &now[place + end + "END:VEVENT\r\n".len()..]].concat();
    assert_eq!(without, before);
    // To say what is there already is a change of its time stamps and nothing else.
    let same = json!({ "scope": "all", "changes": { "summary": "Weekly" } });
    assert_eq!(alice.call("POST", EDIT, same).await.0, 200);
    let after = text(&mut dav, &path).await;
    let stamps = ["DTSTAMP", "SEQUENCE", "LAST-MODIFIED"];
    let plain = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !stamps.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(plain(&after), plain(&now));
}

#[tokio::test]
async fn an_edit_keeps_what_is_each_ones_own_and_needs_the_right() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    let (mut bob, mut bobs) = person(&rest, "bob").await;
    let alarm = |minutes: u32| {
        format!(
            "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT{minutes}M\r\nEND:VALARM\r\nEND:VEVENT"
        )
    };
    put(&mut dav, "a.ics", &series().replace("END:VEVENT", &alarm(5))).await;
    put(&mut dav, "p.ics", &event("secret", "Doctor").replace("END:VEVENT", "CLASS:PRIVATE\r\nEND:VEVENT"))
        .await;
    let share = async |alice: &mut Json, role: &str| {
        let told =
            alice.call("POST", "calendars/calendar/shares/", json!({ "user": "bob", "role": role })).await;
        assert!(told.0 < 300, "{told:?}");
    };
    share(&mut alice, "reader").await;
    let theirs = EDIT.replace("calendars/calendar", "calendars/calendar-2");
    let body = json!({ "scope": "all", "changes": { "summary": "By bob" } });
    assert_eq!(
        code(&bob.call("POST", &theirs, body.clone()).await),
        (403, "permission_denied".into(), "-".into())
    );
    share(&mut alice, "editor").await;
    let path = "/dav/calendars/bob/calendar-2/a.ics";
    let own = text(&mut bobs, path).await.replace("END:VEVENT", &alarm(30));
    assert!(bobs.ask(&format!("PUT {path}"), &[("Content-Type", "text/calendar")], own).await.is_done());
    assert_eq!(bob.call("POST", &theirs, body.clone()).await.0, 200);
    let (hers, his) = (text(&mut dav, &format!("{CALENDAR}a.ics")).await, text(&mut bobs, path).await);
    for (text, trigger, other) in
        [(&hers, "TRIGGER:-PT5M", "TRIGGER:-PT30M"), (&his, "TRIGGER:-PT30M", "TRIGGER:-PT5M")]
    {
        assert!(text.contains("SUMMARY:By bob") && text.contains(trigger) && !text.contains(other), "{text}");
    }
    // What is private is not there for him.
    let private = "calendars/calendar-2/events/secret/edit/";
    assert_eq!(bob.call("POST", private, body).await.0, 404);
    assert!(text(&mut dav, &format!("{CALENDAR}p.ics")).await.contains("SUMMARY:Doctor"));
}

#[tokio::test]
async fn what_was_deleted_is_listed_and_comes_back() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    put(&mut dav, "a.ics", &event("a", "Lunch")).await;
    put(&mut dav, "b.ics", &event("b", "Supper")).await;
    for name in ["a.ics", "b.ics"] {
        assert_eq!(
            dav.ask(&format!("DELETE {CALENDAR}{name}"), &[("User-Agent", "Test/1")], "").await.status,
            204
        );
    }
    let (status, all) = alice.get("calendars/calendar/trash/").await;
    let titles: Vec<_> =
        all["results"].as_array().unwrap().iter().map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!((status, titles), (200, vec!["Supper", "Lunch"]), "{all}");
    let lunch = &all["results"][1];
    let told = ["kind", "deleted_by", "deleted_from"].map(|key| lunch[key].as_str().unwrap());
    assert_eq!(told, ["object", "alice", &format!("{CALENDAR}a.ics")]);
    let restore = format!("trash/{}/restore/", lunch["id"].as_str().unwrap());
    put(&mut dav, "a.ics", &event("c", "Something else")).await;
    assert_eq!(code(&alice.call("POST", &restore, json!({})).await), (409, "conflict".into(), "-".into()));
    let (status, back) = alice.call("POST", &restore, json!({ "name": "lunch.ics" })).await;
    assert_eq!((status, back["name"].as_str()), (200, Some("lunch.ics")), "{back}");
    assert!(text(&mut dav, &format!("{CALENDAR}lunch.ics")).await.contains("SUMMARY:Lunch"));
    let other = format!("trash/{}/", all["results"][0]["id"].as_str().unwrap());
    // Of what lies there nobody else knows, and no name leads out of the home.
    let (mut bob, _) = person(&rest, "bob").await;
    for (method, path) in [("DELETE", other.clone()), ("POST", format!("{other}restore/"))] {
        assert_eq!(bob.call(method, &path, json!({})).await.0, 404, "{method}");
    }
    assert_eq!(bob.get("trash/").await.1["count"], 0);
    for name in ["..", ".", "../../bob/calendar/x.ics", "a/b.ics"] {
        let (status, told) = alice.call("POST", &format!("{other}restore/"), json!({ "name": name })).await;
        let inside = told["href"]
            .as_str()
            .is_some_and(|href| href.starts_with(CALENDAR) && !href[CALENDAR.len()..].contains('/'));
        assert!(status == 400 || status == 403 || (status == 200 && inside), "{name}: {status} {told}");
        assert_ne!(status, 200, "{name}: {told}");
    }
    assert_eq!(
        alice.call("POST", &format!("{other}restore/"), json!({ "calendar": "nowhere" })).await.0,
        404
    );
    assert_eq!(alice.call("DELETE", &other, Value::Null).await.0, 204);
    assert_eq!(alice.get("trash/").await.1["count"], 0);
    for path in ["trash/x/", "trash/1%2F2/", "trash/999999/", "trash/calendar-x/", "trash/..%2F1/"] {
        assert_eq!(alice.call("DELETE", path, Value::Null).await.0, 404, "{path}");
    }
    let (_, made) = alice.call("POST", "calendars/", json!({ "name": "Work" })).await;
    let one = format!("calendars/{}/", made["id"].as_str().unwrap());
    assert_eq!(alice.call("DELETE", &one, Value::Null).await.0, 204);
    let (_, all) = alice.get("trash/").await;
    assert_eq!((all["count"].as_u64(), all["results"][0]["kind"].as_str()), (Some(1), Some("calendar")));
    let restore = format!("trash/{}/restore/", all["results"][0]["id"].as_str().unwrap());
    assert_eq!(alice.call("POST", &restore, json!({})).await.0, 200);
    let (_, all) = alice.get("calendars/").await;
    assert!(all["results"].as_array().unwrap().iter().any(|one| one["name"] == "Work"), "{all}");
}

#[tokio::test]
async fn all_of_it_can_be_taken_along() {
    let rest = Rest::start(|_| ()).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    put(&mut dav, "a.ics", &event("a", "Lunch")).await;
    let answer = alice.raw("GET", "calendars/calendar/export/", &[], Value::Null).await;
    assert_eq!(answer.header("content-type"), Some("text/calendar; charset=utf-8"));
    assert!(
        answer.header("content-disposition").unwrap().starts_with("attachment; filename=\"Calendar.ics\"")
    );
    assert!(answer.text().contains("SUMMARY:Lunch"));
    let later = alice.raw("GET", "calendars/calendar/export/?start=20270101T000000Z", &[], Value::Null).await;
    assert!(later.status == 200 && !later.text().contains("SUMMARY:Lunch"));
    assert_eq!(alice.raw("GET", "calendars/calendar/export/?start=x", &[], Value::Null).await.status, 400);
    let mut bob = rest.client("bob").await;
    let id = alice.get("calendars/calendar/").await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(bob.get(&format!("calendars/{id}/export/")).await.0, 404);

    let zip = alice.raw("GET", "account/export/", &[], Value::Null).await;
    assert_eq!((zip.status, zip.header("content-type")), (200, Some("application/zip")));
    assert!(zip.body.starts_with(b"PK\x03\x04"));
    let text = zip.text();
    for part in ["person.json", "calendars.json", &format!("{id}.ics"), "SUMMARY:Lunch"] {
        assert!(text.contains(part), "{part}");
    }
    // What others write reads it: the list at the end says where each file is.
    let file = std::env::temp_dir().join(format!("kalends-export-{}.zip", std::process::id()));
    std::fs::write(&file, &zip.body).unwrap();
    let tested = std::process::Command::new("python3").args(["-m", "zipfile", "-t"]).arg(&file).output();
    std::fs::remove_file(&file).unwrap();
    let said = tested.expect("python3, which the tests of clients need as well");
    assert!(
        said.status.success() && String::from_utf8_lossy(&said.stdout).contains("Done testing"),
        "{said:?}"
    );
}
