//! Secret links to calendars, from the REST route that makes them to what a stranger reads who has one: against a real CalDAV
//! listener, with passwords of programs set up and without.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use kalends::boot::{Part, Running};
use kalends::config::{HeaderName, Listen, Settings, Unpublic};
use rest::{Json, Rest};
use serde_json::{Value, json};
use server::{Answer, Client};
use sha2::{Digest, Sha256};
use support::sql;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KIND: &str = "X-Forwarded-Auth-Type";
const CALENDAR: &str = "/calendars/alice/calendar/";

fn public(settings: &mut Settings) {
    settings.server.public_url = Some("https://cal.example.org".parse().unwrap());
}

fn with_kinds(settings: &mut Settings) {
    public(settings);
    settings.identity.auth_type_header = HeaderName::named(KIND);
    settings.identity.credential_types = vec!["app-password".into()];
    settings.identity.subject_header = HeaderName::named("X-Forwarded-Sub");
}

struct Play {
    rest: Rest,
    alice: Json,
    dav: Client,
    stranger: Json,
}

impl Play {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::of(Rest::start(change).await).await
    }

    async fn of(rest: Rest) -> Self {
        let known = |client: Client| client.always(KIND, "session").always("X-Forwarded-Sub", "alice-1");
        let (alice, dav) = (known(rest.client("alice").await.0), known(rest.caldav.client("alice").await));
        let stranger = rest.client("").await;
        let mut play = Self { rest, alice: Json(alice), dav, stranger };
        play.put("a", &server::event("a", "Lunch")).await;
        play
    }

    async fn put(&mut self, name: &str, body: &str) {
        let line = format!("PUT /dav/calendars/alice/calendar/{name}.ics");
        let put = self.dav.ask(&line, &[("Content-Type", "text/calendar")], body).await;
        assert!(put.is_done(), "{put:?}");
    }

    async fn link(&mut self, wish: Value) -> Value {
        let (status, made) = self.alice.call("POST", "subscription-tokens/", wish).await;
        assert_eq!(status, 201, "{made}");
        made
    }

    /// What a stranger is answered who follows the link.
    async fn follow(&mut self, link: &Value, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", link, headers).await
    }

    async fn ask(&mut self, method: &str, link: &Value, headers: &[(&str, &str)]) -> Answer {
        let target = format!("{method} /ical/{}.ics", link["token"].as_str().unwrap());
        self.stranger.ask(&target, headers, "").await
    }
}

/// Changes what the database has behind the server's back.
async fn update(play: &Play, text: &'static str) -> u64 {
    play.rest.caldav.db.pool.client().await.unwrap().execute(&sql(text), &[]).await.unwrap()
}

#[tokio::test]
async fn a_link_is_followed_by_anybody_and_told_in_these_words() {
    for apart in [false, true] {
        let rest = if apart { Rest::apart(with_kinds).await } else { Rest::start(with_kinds).await };
        let mut play = Play::of(rest).await;
        let link = play
            .link(json!({ "caldav_path": CALENDAR, "calendar_name": "B\u{fc}ro", "label": "Fridge" }))
            .await;
        let keys: Vec<&str> = link.as_object().unwrap().keys().map(String::as_str).collect();
        let expected = [
            "caldav_path",
            "calendar_name",
            "created_at",
            "id",
            "is_active",
            "label",
            "last_accessed_at",
            "mode",
            "token",
            "url",
        ];
        assert_eq!(keys, expected);
        let token = link["token"].as_str().unwrap();
        assert!(token.len() == 28 && token.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
        assert_eq!(link["url"], format!("https://cal.example.org/ical/{token}.ics"));
        assert_eq!(
            (&link["is_active"], &link["mode"], &link["caldav_path"]),
            (&json!(true), &json!("full"), &json!(CALENDAR))
        );
        assert_eq!((&link["last_accessed_at"], &link["label"]), (&Value::Null, &json!("Fridge")));

        let answer = play.follow(&link, &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for (name, value) in [
            ("content-type", "text/calendar; charset=utf-8"),
            ("content-disposition", "attachment; filename=\"B_ro.ics\"; filename*=UTF-8''B%C3%BCro.ics"),
            ("cache-control", "no-store, private"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex, nofollow, noarchive"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let text = answer.text();
        assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
        assert!(text.contains("SUMMARY:Lunch\r\n"), "{text}");
        let head = play.ask("HEAD", &link, &[]).await;
        assert_eq!((head.status, head.header("etag"), head.body.len()), (200, answer.header("etag"), 0));
        assert_eq!(play.ask("POST", &link, &[]).await.status, 405);
    }
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let mut play = Play::start(with_kinds).await;
    let full = play.link(json!({ "caldav_path": CALENDAR })).await;
    let busy = play.link(json!({ "caldav_path": CALENDAR, "mode": "busy" })).await;
    let tag = |answer: Answer| answer.header("etag").unwrap().to_owned();
    let (one, other) = (tag(play.follow(&full, &[]).await), tag(play.follow(&busy, &[]).await));
    assert_ne!(one, other);
    let same = play.follow(&full, &[("If-None-Match", &one)]).await;
    assert_eq!((same.status, same.header("etag"), same.body.len()), (304, Some(one.as_str()), 0));
    assert_eq!(same.header("cache-control"), Some("no-store, private"));
    assert_eq!(play.follow(&full, &[("If-None-Match", &format!("\"x\", {one}"))]).await.status, 304);
    assert_eq!(play.follow(&full, &[("If-None-Match", "*")]).await.status, 304);
    assert_eq!(play.follow(&full, &[("If-None-Match", "\"")]).await.status, 200);
    assert_eq!(play.follow(&full, &[("If-Match", "\"x\"")]).await.status, 412);
    assert_eq!(play.follow(&full, &[("Range", "bytes=0-3")]).await.status, 200);
    assert_eq!(play.follow(&full, &[("If-None-Match", &other)]).await.status, 200);
    assert_eq!(play.ask("HEAD", &busy, &[("If-None-Match", &other)]).await.status, 304);
    play.put("b", &server::event("b", "Supper")).await;
    let changed = play.follow(&full, &[("If-None-Match", &one)]).await;
    assert!(changed.status == 200 && changed.text().contains("Supper"));
    let (two, body) = (
        tag(changed),
        "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:displayname>Renamed</D:displayname></D:prop></D:set></D:propertyupdate>",
    );
    assert_eq!(play.dav.ask("PROPPATCH /dav/calendars/alice/calendar/", &[], body).await.status, 207);
    let named = play.follow(&full, &[("If-None-Match", &two)]).await;
    assert!(named.status == 200 && named.text().contains("Renamed"));
}

#[tokio::test]
async fn strangers_learn_nothing_by_numbers() {
    let mut play = Play::start(with_kinds).await;
    let id: uuid::Uuid =
        play.alice.get("calendars/calendar/").await.1["id"].as_str().unwrap().parse().unwrap();
    let full = play.link(json!({ "caldav_path": CALENDAR })).await;
    let busy = play.link(json!({ "caldav_path": CALENDAR, "mode": "busy" })).await;
    for link in [&full, &busy] {
        let answer = play.follow(link, &[]).await;
        let told = format!("{:?} {}", answer.headers, answer.text());
        for number in [id.simple().to_string(), id.to_string(), link["id"].as_str().unwrap().to_owned()] {
            assert!(!told.contains(&number), "{number}\n{told}");
        }
    }
    // Nor, who guesses an UID, whether it is there.
    let text = play.follow(&busy, &[]).await.text();
    let token = busy["token"].as_str().unwrap();
    let guess = Sha256::digest(format!("{token}\0a"));
    let guess = guess[..16].iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().concat();
    assert!(text.contains("UID:") && !text.contains(&guess) && !text.contains("UID:a\r\n"), "{text}");
}

#[tokio::test]
async fn what_was_deleted_has_lost_its_links_also_when_it_comes_back() {
    let mut play = Play::start(with_kinds).await;
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    assert!(play.dav.ask("DELETE /dav/calendars/alice/calendar/", &[], "").await.is_done());
    assert_eq!(play.follow(&link, &[]).await.status, 404);
    let (_, trash) = play.alice.get("trash/").await;
    let restore = format!("trash/{}/restore/", trash["results"][0]["id"].as_str().unwrap());
    assert_eq!(play.alice.call("POST", &restore, json!({})).await.0, 200);
    assert_eq!(play.follow(&link, &[]).await.status, 404);
    assert_eq!(play.alice.get("subscription-tokens/").await, (200, json!([])));
    // What nobody sees does not count towards what one may have.
    assert_eq!(update(&play, "DELETE FROM kalends_api.feed").await, 0);
    let fresh = play.link(json!({ "caldav_path": CALENDAR })).await;
    assert!(fresh["token"] != link["token"] && play.follow(&fresh, &[]).await.text().contains("Lunch"));
}

#[tokio::test]
async fn what_others_share_is_not_exported_for_strangers() {
    let mut play = Play::start(with_kinds).await;
    let say = |client: Client| client.always(KIND, "session").always("X-Forwarded-Sub", "bob-1");
    let (mut bob, mut bobs) =
        (Json(say(play.rest.client("bob").await.0)), say(play.rest.caldav.client("bob").await));
    assert_eq!(bob.get("users/me/").await.0, 200);
    let wish = json!({ "user": "bob", "role": "administrator" });
    assert_eq!(play.alice.call("POST", "calendars/calendar/shares/", wish).await.0, 201);
    let (_, all) = bob.get("calendars/").await;
    let shared =
        all["results"].as_array().unwrap().iter().find(|one| one["role"] != "owner").unwrap().clone();
    let path = shared["caldav_path"].as_str().unwrap();
    assert_eq!(bob.call("POST", "subscription-tokens/", json!({ "caldav_path": path })).await.0, 403);
    assert_eq!(bobs.ask(&format!("GET /dav{path}?export"), &[], "").await.status, 200);
    assert_eq!(bobs.ask(&format!("GET /dav{path}?export&access=1"), &[], "").await.status, 404);
    assert_eq!(play.dav.ask("GET /dav/calendars/alice/calendar/?export&access=1", &[], "").await.status, 200);
}

/// A CalDAV service that answers that to everything, and hangs up.
async fn saying(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(octet) = socket.read_u8().await else { break };
                head.push(octet);
            }
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn what_breaks_off_is_not_taken_for_the_whole() {
    let mut play = Play::start(with_kinds).await;
    let id: uuid::Uuid =
        play.alice.get("calendars/calendar/").await.1["id"].as_str().unwrap().parse().unwrap();
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    let target = format!("GET /ical/{}.ics", link["token"].as_str().unwrap());
    let half = &server::event("a", "Lunch")[..80];
    let tag = format!("ETag: W/\"{}-1+2\"\r\nTransfer-Encoding: chunked\r\n", id.simple());
    let part = format!("HTTP/1.1 200 OK\r\n{tag}\r\n50\r\n{half}\r\n");
    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let fault = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
    for (said, expected) in [
        (part, None),
        (refusal.to_owned(), Some(502)),
        (fault.to_owned(), Some(502)),
        ("nonsense\r\n\r\n".to_owned(), Some(502)),
    ] {
        let mut settings =
            Settings { database: support::settings(&play.rest.caldav.db.url), ..Settings::default() };
        with_kinds(&mut settings);
        settings.server.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
        settings.monitor.listen = None;
        settings.api.listen = Some(Listen::Tcp(([127, 0, 0, 1], 0).into()));
        settings.api.caldav = saying(said.clone()).await;
        let running = Running::start_part(settings, Part::Rest).await.unwrap();
        let socket = TcpStream::connect(running.rest_address.unwrap()).await.unwrap();
        let told = Client::new(socket, "").try_ask(&target, &[], "").await;
        assert_eq!(told.ok().map(|answer| answer.status), expected, "{said}");
    }
}

#[tokio::test]
async fn there_is_one_link_of_a_kind_and_its_successor_is_another() {
    let mut play = Play::start(with_kinds).await;
    let first = play.link(json!({ "caldav_path": CALENDAR })).await;
    for path in [
        CALENDAR,
        "/dav/calendars/alice/calendar/",
        "/api/v1.0/caldav/calendars/Alice/calendar",
        "https://cal.example.org/dav/calendars/alice/calendar/",
    ] {
        let (status, again) =
            play.alice.call("POST", "subscription-tokens/", json!({ "caldav_path": path })).await;
        assert_eq!((status, &again["token"]), (200, &first["token"]), "{path}");
    }
    let named = json!({ "caldav_path": CALENDAR, "calendar_name": "Other" });
    let (status, again) = play.alice.call("POST", "subscription-tokens/", named).await;
    assert_eq!((status, &again["calendar_name"], &again["token"]), (200, &json!("Other"), &first["token"]));
    let by_path = format!("subscription-tokens/by-path/?caldav_path={CALENDAR}");
    assert_eq!(play.alice.get(&by_path).await, (200, again));
    // Two at once make one.
    let busy = json!({ "caldav_path": CALENDAR, "busy_only": true });
    let mut other =
        Json(play.rest.client("alice").await.0.always(KIND, "session").always("X-Forwarded-Sub", "alice-1"));
    let both = tokio::join!(
        play.alice.call("POST", "subscription-tokens/", busy.clone()),
        other.call("POST", "subscription-tokens/", busy)
    );
    assert_eq!(both.0.1["token"], both.1.1["token"]);
    assert_ne!(both.0.1["token"], first["token"]);
    assert_eq!(play.alice.get("subscription-tokens/").await.1.as_array().unwrap().len(), 2);
    // One kind alone, then all that is left.
    assert_eq!(play.alice.call("DELETE", &format!("{by_path}&mode=busy"), Value::Null).await.0, 204);
    assert_eq!(play.follow(&both.0.1, &[]).await.status, 404);
    assert_eq!(play.follow(&first, &[]).await.status, 200);
    assert_eq!(play.alice.call("DELETE", &by_path, Value::Null).await.0, 204);
    assert_eq!(play.follow(&first, &[]).await.status, 404);
    assert_eq!(play.alice.get(&by_path).await.0, 404);
    assert_eq!(play.alice.call("DELETE", &by_path, Value::Null).await.0, 404);
    let second = play.link(json!({ "caldav_path": CALENDAR })).await;
    assert_ne!(second["token"], first["token"]);
    assert_eq!(play.follow(&second, &[]).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_others_links_are_not_there() {
    let mut play = Play::start(with_kinds).await;
    let mut bob =
        Json(play.rest.client("bob").await.0.always(KIND, "session").always("X-Forwarded-Sub", "bob-1"));
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    for (wish, attr) in [
        (json!({}), "caldav_path"),
        (json!({ "caldav_path": "" }), "caldav_path"),
        (json!({ "caldav_path": 7 }), "caldav_path"),
        (json!({ "caldav_path": "calendar" }), "caldav_path"),
        (json!({ "caldav_path": "/calendars/alice/" }), "caldav_path"),
        (json!({ "caldav_path": "/calendars/alice/../bob/" }), "caldav_path"),
        (json!({ "caldav_path": "/calendars/alice/%2e%2e/" }), "caldav_path"),
        (json!({ "caldav_path": "/calendars/alice/a%2fb/" }), "caldav_path"),
        (json!({ "caldav_path": "/principals/alice/calendar/" }), "caldav_path"),
        (json!({ "caldav_path": format!("/calendars/alice/{}/", "x".repeat(600)) }), "caldav_path"),
        (json!({ "caldav_path": CALENDAR, "calendar_name": "x".repeat(256) }), "calendar_name"),
        (json!({ "caldav_path": CALENDAR, "mode": "all" }), "mode"),
        (json!({ "caldav_path": CALENDAR, "busy_only": "yes" }), "busy_only"),
    ] {
        let (status, told) = play.alice.call("POST", "subscription-tokens/", wish.clone()).await;
        assert_eq!((status, &told["errors"][0]["attr"]), (400, &json!(attr)), "{wish}: {told}");
    }
    let of = |path: &str| json!({ "caldav_path": path });
    for (path, status) in [
        ("/calendars/bob/calendar/", 403),
        ("/calendars/nobody/calendar/", 403),
        ("/calendars/alice/nothing/", 404),
        ("/calendars/alice/inbox/", 404),
    ] {
        assert_eq!(play.alice.call("POST", "subscription-tokens/", of(path)).await.0, status, "{path}");
        let by_path = format!("subscription-tokens/by-path/?caldav_path={path}");
        assert_eq!(play.alice.get(&by_path).await.0, status, "{path}");
        assert_eq!(play.alice.call("DELETE", &by_path, Value::Null).await.0, status, "{path}");
    }
    assert_eq!(play.alice.get("subscription-tokens/by-path/").await.0, 400);
    assert_eq!(bob.call("POST", "subscription-tokens/", of(CALENDAR)).await.0, 403);
    assert_eq!(bob.get(&format!("subscription-tokens/by-path/?caldav_path={CALENDAR}")).await.0, 403);
    let path = format!("subscription-tokens/{}/", link["id"].as_str().unwrap());
    for method in ["GET", "PATCH", "DELETE"] {
        assert_eq!(bob.call(method, &path, json!({})).await.0, 404, "{method}");
        let answer = play.stranger.raw(method, &path, &[], json!({})).await;
        assert_eq!(answer.status, 401, "{method}");
    }
    assert_eq!(bob.get("subscription-tokens/").await, (200, json!([])));
    // What is shared with somebody is not theirs to publish.
    play.rest.caldav.bind("alice", "calendar", "bob").await;
    let (_, seen) = bob.get("calendars/").await;
    let all = seen["results"].as_array().unwrap().clone();
    if let Some(shared) = all.iter().find(|one| one["role"] != "owner") {
        assert_eq!(
            bob.call("POST", "subscription-tokens/", of(shared["caldav_path"].as_str().unwrap())).await.0,
            403
        );
    }
    // No password of a program makes any.
    let value = "alice/00000000-0000-4000-8000-000000000000/k7/rw/*";
    let mut program = Json(play.rest.client(value).await.0.always(KIND, "app-password"));
    assert_eq!(program.call("POST", "subscription-tokens/", of(CALENDAR)).await.0, 403);
}

#[tokio::test]
async fn what_leads_nowhere_is_the_same_whatever_the_reason() {
    let mut play = Play::start(with_kinds).await;
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    let path = format!("subscription-tokens/{}/", link["id"].as_str().unwrap());
    let token = link["token"].as_str().unwrap().to_owned();
    let (status, told) = play.alice.call("PATCH", &path, json!({ "is_active": false })).await;
    assert_eq!((status, &told["is_active"]), (200, &json!(false)));
    let stopped = play.follow(&link, &[]).await;
    assert_eq!(stopped.status, 404);
    for other in [
        "x",
        "00000000-0000-4000-8000-000000000000",
        "a%2fb",
        "%00",
        &"x".repeat(100),
        &token.to_uppercase(),
        &token[1..],
    ] {
        let answer = play.follow(&json!({ "token": other }), &[]).await;
        assert_eq!((answer.status, &answer.body), (404, &stopped.body), "{other}");
    }
    assert_eq!(play.alice.call("PATCH", &path, json!({ "is_active": true })).await.0, 200);
    assert_eq!(play.follow(&link, &[]).await.status, 200);

    // A disabled owner.
    update(&play, "UPDATE principal SET disabled = now() WHERE name = 'alice'").await;
    let answer = play.follow(&link, &[]).await;
    assert_eq!((answer.status, answer.body), (404, stopped.body.clone()));
    update(&play, "UPDATE principal SET disabled = NULL WHERE name = 'alice'").await;
    assert_eq!(play.follow(&link, &[]).await.status, 200);

    // A calendar that is gone, also when another has its name.
    assert!(play.dav.ask("DELETE /dav/calendars/alice/calendar/", &[], "").await.is_done());
    let answer = play.follow(&link, &[]).await;
    assert_eq!((answer.status, answer.body), (404, stopped.body.clone()));
    assert_eq!(play.alice.get("subscription-tokens/").await, (200, json!([])));
    assert!(play.dav.ask("MKCALENDAR /dav/calendars/alice/calendar/", &[], "").await.is_done());
    play.put("c", &server::event("c", "New")).await;
    assert_eq!(play.follow(&link, &[]).await.status, 404);
    let fresh = play.link(json!({ "caldav_path": CALENDAR })).await;
    assert!(play.follow(&fresh, &[]).await.text().contains("SUMMARY:New"));
    assert_eq!(play.follow(&link, &[]).await.status, 404);
}

#[tokio::test]
async fn a_calendar_that_is_called_otherwise_is_still_there() {
    let mut play = Play::start(with_kinds).await;
    let make = async |play: &mut Play, uid: &str, summary: &str| {
        assert!(play.dav.ask("MKCALENDAR /dav/calendars/alice/work/", &[], "").await.is_done());
        let body = server::event(uid, summary);
        assert!(play.dav.ask("PUT /dav/calendars/alice/work/x.ics", &[], body).await.is_done());
    };
    make(&mut play, "x", "Meeting").await;
    let link = play.link(json!({ "caldav_path": "/calendars/alice/work/" })).await;
    let to = [("Destination", "/dav/calendars/alice/office/")];
    assert!(play.dav.ask("MOVE /dav/calendars/alice/work/", &to, "").await.is_done());
    make(&mut play, "y", "Secret").await;
    for _ in 0..2 {
        let answer = play.follow(&link, &[]).await;
        let text = answer.text();
        assert!(answer.status == 200 && text.contains("Meeting") && !text.contains("Secret"), "{text}");
    }
    let (_, listed) = play.alice.get("subscription-tokens/").await;
    assert_eq!(listed[0]["caldav_path"], "/calendars/alice/office/");
    // So is one whose owner is called otherwise, once they were seen with that name.
    update(&play, "UPDATE principal SET name = 'alicia' WHERE name = 'alice'").await;
    let known = |client: Client| client.always(KIND, "session").always("X-Forwarded-Sub", "alice-1");
    let mut alicia = Json(known(play.rest.client("alicia").await.0));
    assert_eq!(alicia.get("subscription-tokens/").await.1[0]["token"], link["token"]);
    assert_eq!(play.follow(&link, &[]).await.status, 200);
}

const PRIVATE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:secret-p\r\nDTSTAMP:20260101T000000Z\r\n\
    DTSTART:20260302T090000Z\r\nDTEND:20260302T100000Z\r\nSUMMARY:secret-doctor\r\nCLASS:PRIVATE\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
const CONFIDENTIAL: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nX-CALENDARSERVER-ACCESS:CONFIDENTIAL\r\nBEGIN:VEVENT\r\n\
    UID:secret-c\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260303T090000Z\r\nDTEND:20260303T100000Z\r\nSUMMARY:secret-bank\r\n\
    END:VEVENT\r\nEND:VCALENDAR\r\n";
const RICH: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:secret-r\r\nDTSTAMP:20260101T000000Z\r\n\
    DTSTART:20260304T090000Z\r\nDURATION:PT1H\r\nRRULE:FREQ=WEEKLY;COUNT=3\r\nSUMMARY:secret-x\r\nLOCATION:secret-place\r\n\
    ORGANIZER:mailto:secret@example.org\r\nATTENDEE;CN=secret:mailto:secret-b@example.org\r\nX-SECRET-NAME:secret\r\n\
    CATEGORIES:secret-k\r\nTRANSP:TRANSPARENT\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:secret-ring\r\nTRIGGER:-PT5M\r\n\
    END:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[tokio::test]
async fn what_a_link_shows_is_what_it_is_for() {
    for (unpublic, full, busy) in [
        (Unpublic::Busy, [0, 0, 4], [0, 0, 4]),
        (Unpublic::Hidden, [0, 0, 3], [0, 0, 3]),
        (Unpublic::Full, [1, 1, 4], [0, 0, 4]),
    ] {
        let mut play = Play::start(|settings| {
            with_kinds(settings);
            settings.feeds.private = unpublic;
        })
        .await;
        for (name, body) in [("p", PRIVATE), ("c", CONFIDENTIAL), ("r", RICH)] {
            play.put(name, body).await;
        }
        let link = play.link(json!({ "caldav_path": CALENDAR })).await;
        let times = play.link(json!({ "caldav_path": CALENDAR, "mode": "busy" })).await;
        let (text, left) = (play.follow(&link, &[]).await.text(), play.follow(&times, &[]).await.text());
        for (text, expected) in [(&text, full), (&left, busy)] {
            let count = |what: &str| text.matches(what).count();
            assert_eq!(
                [count("secret-doctor"), count("secret-bank"), count("BEGIN:VEVENT")],
                expected,
                "{unpublic:?}\n{text}"
            );
            assert_eq!((count("VALARM"), count("X-CALENDARSERVER-ACCESS")), (0, 0), "{text}");
        }
        assert!(text.contains("LOCATION:secret-place") && text.contains("ORGANIZER:"), "{text}");
        for word in ["secret", "SECRET", "Lunch", "ATTENDEE", "ORGANIZER", "NAME"] {
            assert!(!left.contains(word), "{word}\n{left}");
        }
        for kept in ["DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=3", "TRANSP:TRANSPARENT", "SUMMARY:Busy"] {
            assert!(left.contains(kept), "{kept}\n{left}");
        }
        // What it shows is its owner's to change, and its secret stays.
        let path = format!("subscription-tokens/{}/", times["id"].as_str().unwrap());
        assert_eq!(play.alice.call("PATCH", &path, json!({ "mode": "full" })).await.0, 400, "there is one");
        assert_eq!(
            play.alice
                .call(
                    "DELETE",
                    &format!("subscription-tokens/{}/", link["id"].as_str().unwrap()),
                    Value::Null
                )
                .await
                .0,
            204
        );
        let (status, told) = play.alice.call("PATCH", &path, json!({ "mode": "full", "label": "All" })).await;
        assert_eq!(
            (status, &told["mode"], &told["token"], &told["label"]),
            (200, &json!("full"), &times["token"], &json!("All"))
        );
        assert!(play.follow(&times, &[]).await.text().contains("Lunch"));
    }
}

#[tokio::test]
async fn a_large_calendar_comes_in_pieces_and_whole() {
    let mut play = Play::start(with_kinds).await;
    let long = "x".repeat(60_000);
    for number in 0..40 {
        let name = format!("n{number}");
        play.put(&name, &server::event(&name, &format!("{long}{number}"))).await;
    }
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    let answer = play.follow(&link, &[]).await;
    let text = answer.text();
    assert_eq!((answer.status, text.matches("BEGIN:VEVENT").count()), (200, 41));
    assert!(text.len() > 2_400_000 && text.ends_with("END:VCALENDAR\r\n"), "{}", text.len());
}

#[tokio::test]
async fn it_is_written_down_when_a_link_was_used_and_too_much_is_refused() {
    let mut play = Play::start(|settings| {
        with_kinds(settings);
        settings.feeds.requests_per_minute = 100;
    })
    .await;
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    let path = format!("subscription-tokens/{}/", link["id"].as_str().unwrap());
    for _ in 0..60 {
        let answer = play.ask("HEAD", &link, &[("X-Forwarded-For", "192.0.2.1")]).await;
        assert_eq!(answer.status, 200);
    }
    let late = play.follow(&link, &[("X-Forwarded-For", "192.0.2.1")]).await;
    assert!(late.status == 429 && late.header("retry-after").is_some(), "{late:?}");
    // One who has it uses it up for nobody else.
    assert_eq!(play.follow(&link, &[("X-Forwarded-For", "192.0.2.2")]).await.status, 200);
    for number in 61..100 {
        let answer = play.follow(&json!({ "token": "x" }), &[("X-Forwarded-For", "192.0.2.1")]).await;
        assert_eq!(answer.status, 404, "{number}");
    }
    assert_eq!(play.follow(&json!({ "token": "x" }), &[("X-Forwarded-For", "192.0.2.1")]).await.status, 429);
    assert_eq!(play.follow(&json!({ "token": "x" }), &[("X-Forwarded-For", "192.0.2.3")]).await.status, 404);
    let noted = async {
        while play.alice.get(&path).await.1["last_accessed_at"].is_null() {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(server::PATIENCE, noted).await.unwrap();
}

#[tokio::test]
async fn where_no_passwords_are_set_up_the_name_has_to_do_or_there_are_no_links() {
    let mut play = Play::start(public).await;
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    assert_eq!(play.follow(&link, &[]).await.status, 200);
    // A name alone is not believed of somebody who is known by a subject, and would take somebody out of their groups.
    let subject = |settings: &mut Settings| {
        settings.identity.subject_header = HeaderName::named("X-Forwarded-Sub");
    };
    let groups = |settings: &mut Settings| {
        settings.identity.groups_header = HeaderName::named("X-Forwarded-Groups");
    };
    for more in [subject as fn(&mut Settings), groups] {
        let mut play = Play::start(|settings| {
            public(settings);
            more(settings);
        })
        .await;
        let wish = json!({ "caldav_path": CALENDAR });
        let (status, told) = play.alice.call("POST", "subscription-tokens/", wish).await;
        assert_eq!((status, &told["errors"][0]["code"]), (403, &json!("not_available")));
        assert_eq!(play.alice.get("subscription-tokens/").await, (200, json!([])));
    }
}

/// Says that to the service while somebody else does this to the row, and has done it first.
async fn meanwhile(play: &mut Play, other: &'static str, ask: (&str, &str, Value)) -> (u16, Value) {
    let pool = play.rest.caldav.db.pool.clone();
    let tx = pool.begin().await.unwrap();
    assert_eq!(tx.execute(&sql(other), &[]).await.unwrap(), 1);
    let waiting = sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    let first = async {
        while pool.row(&waiting, &[]).await.unwrap().at::<i64>(0).unwrap() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        tx.commit().await.unwrap();
    };
    let (method, path, body) = ask;
    tokio::join!(play.alice.call(method, path, body), first).0
}

#[tokio::test]
async fn a_link_that_is_stopped_or_ended_meanwhile_stays_so() {
    let mut play = Play::start(with_kinds).await;
    let link = play.link(json!({ "caldav_path": CALENDAR })).await;
    let path = format!("subscription-tokens/{}/", link["id"].as_str().unwrap());
    let (stop, end) =
        ("UPDATE kalends_api.feed SET active = false, label = 'x'", "DELETE FROM kalends_api.feed");
    let named = json!({ "caldav_path": CALENDAR, "calendar_name": "Home" });
    for (method, place, body) in [
        ("PATCH", &*path, json!({ "calendar_name": "Home" })),
        ("POST", "subscription-tokens/", named.clone()),
    ] {
        update(&play, "UPDATE kalends_api.feed SET active = true, label = '', calendar_name = ''").await;
        let (status, told) = meanwhile(&mut play, stop, (method, place, body)).await;
        assert_eq!((status, &told["is_active"], &told["label"]), (200, &json!(false), &json!("x")), "{told}");
        assert_eq!(told["calendar_name"], "Home");
        assert_eq!(play.follow(&link, &[]).await.status, 404);
    }
    let (status, told) = meanwhile(&mut play, end, ("POST", "subscription-tokens/", named)).await;
    assert!(status == 201 && told["token"] != link["token"], "{status} {told}");
    assert_eq!(play.follow(&told, &[]).await.status, 200);
    let path = format!("subscription-tokens/{}/", told["id"].as_str().unwrap());
    let (status, _) = meanwhile(&mut play, end, ("PATCH", &path, json!({ "label": "y" }))).await;
    assert_eq!(status, 404);
    // One that is made to lead nowhere yet does not.
    let idle = play.link(json!({ "caldav_path": CALENDAR, "is_active": false })).await;
    assert_eq!((play.follow(&idle, &[]).await.status, &idle["is_active"]), (404, &json!(false)));
}
