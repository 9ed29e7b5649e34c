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
    told(&who.0.ask("POST /api/v1.0/calendars/import-events/", &media, body).await)
}

async fn stream(who: &mut Json, calendar: &str, body: &str) -> (u16, Value) {
    let line = format!("POST /api/v1.0/calendars/{calendar}/import/");
    told(&who.0.ask(&line, &[("Content-Type", "text/calendar")], body).await)
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
        .0
        .ask("POST /api/v1.0/calendars/calendar/import/", &[("Content-Type", "application/json")], "{}")
        .await;
    assert_eq!(json.status, 415);
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
