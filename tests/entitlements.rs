//! Who may have calendars of their own is what another service says: a real one, over HTTP, that answers, refuses, is slow, says
//! what nobody understands, and is gone. What must be known is refused when nobody can tell; what pages show is not.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kalends::config::{HeaderName, Settings, Span};
use rest::{Json, Rest};
use serde_json::{Value, json};
use server::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The service that knows: what it says of whom (of others nothing), and what it was asked.
#[derive(Clone)]
struct Accounts {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    says: HashMap<String, String>,
    /// What it does whoever is asked after.
    mood: Mood,
    asked: Vec<String>,
}

#[derive(Clone, Default)]
enum Mood {
    #[default]
    Well,
    /// It answers that, to the letter.
    Says(String),
    /// It takes that long.
    Slow(Duration),
    /// It ends the connection.
    Gone,
}

const YES: &str = r#"{"entitlements": {"can_access": true}}"#;
const NO: &str = r#"{"entitlements": {"can_access": false}}"#;
const TTL: Duration = Duration::from_millis(600);

impl Accounts {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accounts = Self { port, state: Arc::default() };
        let own = accounts.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match socket.read_u8().await {
                            Ok(octet) => head.push(octet),
                            Err(_) => return,
                        }
                    }
                    let answer = own.answer(String::from_utf8(head).unwrap()).await;
                    let _ = socket.write_all(answer.as_bytes()).await;
                });
            }
        });
        accounts
    }

    async fn answer(&self, head: String) -> String {
        let of = head.split("account_email=").nth(1).and_then(|rest| rest.split([' ', '&']).next());
        let of = of.unwrap_or_default().replace("%40", "@").replace("%2E", ".");
        let (said, mood) = {
            let mut state = self.state.lock().unwrap();
            state.asked.push(head);
            (state.says.get(&of).cloned(), state.mood.clone())
        };
        let body = said.unwrap_or_else(|| "{}".to_owned());
        let well = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        match mood {
            Mood::Well => well,
            Mood::Says(answer) => answer,
            Mood::Slow(time) => {
                tokio::time::sleep(time).await;
                well
            }
            Mood::Gone => String::new(),
        }
    }

    fn say(&self, user: &str, answer: &str) {
        self.state.lock().unwrap().says.insert(format!("{user}@example.org"), answer.to_owned());
    }

    fn mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// What it was asked since it was asked this last.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    fn settings(&self) -> impl Fn(&mut Settings) + use<> {
        let url = format!("http://127.0.0.1:{}/v1?service_id=7", self.port);
        move |settings| {
            let identity = &mut settings.identity;
            identity.email_header = HeaderName::named(identity.email_header.usual());
            settings.entitlements.url = Some(url.parse().unwrap());
            settings.entitlements.token = "abc-123".to_owned().into();
            settings.entitlements.ttl = Span(TTL);
            settings.entitlements.timeout = Span(Duration::from_millis(400));
        }
    }
}

/// Somebody with an address, at both services.
async fn person(rest: &Rest, user: &str) -> (Json, Client) {
    let mail = format!("{user}@example.org");
    let say = |client: Client| client.always("X-Forwarded-Email", &mail);
    (Json(say(rest.client(user).await.0)), say(rest.caldav.client(user).await))
}

async fn shown(pages: &mut Json) -> bool {
    let (status, me) = pages.get("users/me/").await;
    assert_eq!(status, 200, "{me}");
    me["can_access"].as_bool().unwrap()
}

const COLLECTION: &str = "<D:mkcol xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:set><D:prop><D:resourcetype>\
    <D:collection/><C:calendar/></D:resourcetype></D:prop></D:set></D:mkcol>";

/// What comes of making a calendar on each road: by REST, MKCALENDAR, extended MKCOL, and COPY.
async fn roads(pages: &mut Json, dav: &mut Client, user: &str) -> [u16; 4] {
    let (rest, told) = pages.call("POST", "calendars/", json!({ "name": "Work" })).await;
    if rest == 403 {
        assert_eq!(
            (&told["type"], &told["errors"][0]["code"]),
            (&json!("client_error"), &json!("permission_denied"))
        );
    }
    let name = uuid::Uuid::new_v4();
    let home = format!("/dav/calendars/{user}/");
    let made = dav.ask(&format!("MKCALENDAR {home}{name}-a/"), &[], "").await.status;
    let xml = [("Content-Type", "application/xml")];
    let extended = dav.ask(&format!("MKCOL {home}{name}-b/"), &xml, COLLECTION).await.status;
    let to = format!("{home}{name}-c/");
    let copied = dav.ask(&format!("COPY {home}calendar/"), &[("Destination", &to)], "").await.status;
    [rest, made, extended, copied]
}

const MADE: [u16; 4] = [201; 4];
const REFUSED: [u16; 4] = [403; 4];

#[tokio::test]
async fn without_such_a_service_everybody_is_entitled() {
    let rest = Rest::start(|_| ()).await;
    let (mut pages, mut dav) = person(&rest, "alice").await;
    assert!(shown(&mut pages).await);
    assert_eq!(roads(&mut pages, &mut dav, "alice").await, MADE);
}

#[tokio::test]
async fn its_word_decides_on_every_road_in_one_process_and_in_two() {
    for apart in [false, true] {
        let accounts = Accounts::start().await;
        accounts.say("alice", YES);
        accounts.say("bob", NO);
        let rest = if apart {
            Rest::apart(accounts.settings()).await
        } else {
            Rest::start(accounts.settings()).await
        };
        let (mut pages, mut dav) = person(&rest, "alice").await;
        assert!(shown(&mut pages).await);
        assert_eq!(roads(&mut pages, &mut dav, "alice").await, MADE);
        let (mut pages, mut dav) = person(&rest, "bob").await;
        assert!(!shown(&mut pages).await);
        assert_eq!(roads(&mut pages, &mut dav, "bob").await, REFUSED);
        // Of carol nothing is said, which is no.
        let (mut pages, mut dav) = person(&rest, "carol").await;
        assert!(!shown(&mut pages).await);
        assert_eq!(roads(&mut pages, &mut dav, "carol").await, REFUSED);
    }
}

#[tokio::test]
async fn it_is_asked_in_these_words() {
    let accounts = Accounts::start().await;
    let rest = Rest::start(accounts.settings()).await;
    let (mut pages, _) = person(&rest, "Alice").await;
    shown(&mut pages).await;
    let asked = accounts.asked();
    assert_eq!(asked.len(), 1);
    let line = "GET /v1?service_id=7&account_email=alice%40example%2Eorg HTTP/1.1\r\n";
    assert!(asked[0].starts_with(line), "{}", asked[0]);
    let lower = asked[0].to_lowercase();
    assert!(lower.contains("\r\nx-service-auth: bearer abc-123\r\n"), "{lower}");
    assert!(lower.contains(&format!("\r\nhost: 127.0.0.1:{}\r\n", accounts.port)), "{lower}");
    assert!(!lower.contains("authorization") && !lower.contains("x-forwarded"), "{lower}");
    // Of whom no address is told, the name is asked after.
    shown(&mut rest.client("dave").await).await;
    assert!(accounts.asked()[0].contains("account_email=dave HTTP"));
    let bare = Rest::start(|settings| {
        accounts.settings()(settings);
        settings.entitlements.token = String::new().into();
    })
    .await;
    shown(&mut person(&bare, "alice").await.0).await;
    assert!(!accounts.asked()[0].to_lowercase().contains("x-service-auth"));
}

#[tokio::test]
async fn a_program_that_tells_no_address_is_the_same_person() {
    for apart in [false, true] {
        let accounts = Accounts::start().await;
        accounts.say("alice", YES);
        let settings = |settings: &mut Settings| {
            accounts.settings()(settings);
            settings.identity.email_domain = "elsewhere.example.com".into();
        };
        let rest = if apart { Rest::apart(settings).await } else { Rest::start(settings).await };
        let (mut pages, _) = person(&rest, "alice").await;
        assert!(shown(&mut pages).await);
        let (mut pages, mut dav) = (rest.client("alice").await, rest.caldav.client("alice").await);
        assert!(shown(&mut pages).await);
        assert_eq!(roads(&mut pages, &mut dav, "alice").await, MADE);
        for asked in accounts.asked() {
            assert!(asked.contains("account_email=alice%40example%2Eorg HTTP"), "{asked}");
        }
    }
}

#[tokio::test]
async fn who_is_not_entitled_does_all_else_and_it_is_not_asked() {
    let accounts = Accounts::start().await;
    accounts.say("alice", YES);
    accounts.say("bob", NO);
    let rest = Rest::start(accounts.settings()).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (mut pages, mut dav) = person(&rest, "bob").await;
    assert!(!shown(&mut pages).await);
    let (_, team) = alice.call("POST", "calendars/", json!({ "name": "Team" })).await;
    let shares = format!("calendars/{}/shares/", team["id"].as_str().unwrap());
    let wish = json!({ "email": "bob@example.org", "role": "editor" });
    assert_eq!(alice.call("POST", &shares, wish).await.0, 201);
    let (_, all) = pages.get("calendars/").await;
    let theirs = all["results"].as_array().unwrap().iter().find(|one| one["id"] == team["id"]).unwrap();
    let path = format!("/dav{}", theirs["caldav_path"].as_str().unwrap());
    accounts.asked();
    tokio::time::sleep(TTL).await;
    let media = [("Content-Type", "text/calendar")];
    let query = "<C:calendar-query xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop><D:getetag/></D:prop>\
        <C:filter><C:comp-filter name='VCALENDAR'/></C:filter></C:calendar-query>";
    let named = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:displayname>x</D:displayname></D:prop></D:set></D:propertyupdate>";
    for place in [path.as_str(), "/dav/calendars/bob/calendar/"] {
        let uid = place.len().to_string();
        for (line, headers, body, status) in [
            (format!("PUT {place}a.ics"), &media[..], server::event(&uid, "x"), 201),
            (format!("GET {place}a.ics"), &[], String::new(), 200),
            (format!("PROPFIND {place}"), &[("Depth", "1")], String::new(), 207),
            (format!("REPORT {place}"), &[("Depth", "1")], query.to_owned(), 207),
            (format!("PROPPATCH {place}"), &[], named.to_owned(), 207),
            (format!("DELETE {place}a.ics"), &[], String::new(), 204),
            (format!("OPTIONS {place}"), &[], String::new(), 200),
        ] {
            assert_eq!(dav.ask(&line, headers, body).await.status, status, "{line}");
        }
    }
    let (status, me) = pages.get("calendars/").await;
    assert_eq!((status, accounts.asked().len()), (200, 0), "{me}");
}

#[tokio::test]
async fn its_word_is_remembered_for_its_time_for_each_person() {
    let accounts = Accounts::start().await;
    accounts.say("alice", YES);
    let rest = Rest::start(|settings| {
        accounts.settings()(settings);
        settings.entitlements.ttl = Span(Duration::from_secs(3));
    })
    .await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    let began = Instant::now();
    for _ in 0..3 {
        assert!(shown(&mut alice).await);
    }
    assert_eq!(dav.ask("MKCALENDAR /dav/calendars/alice/x/", &[], "").await.status, 201);
    assert_eq!(accounts.asked().len(), 1, "both services remember together");
    assert!(!shown(&mut bob).await);
    assert_eq!(accounts.asked().len(), 1, "of everybody it is asked");
    accounts.say("alice", NO);
    accounts.say("bob", YES);
    if began.elapsed() < Duration::from_secs(2) {
        assert!(shown(&mut alice).await && !shown(&mut bob).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!shown(&mut alice).await && shown(&mut bob).await);
    assert_eq!(accounts.asked().len(), 2);
}

#[tokio::test]
async fn while_nobody_can_tell_nothing_is_made_and_pages_are_open() {
    let ok = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let status = |line: &str| format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\n\r\n{YES}", YES.len());
    let moods = [
        Mood::Gone,
        Mood::Slow(Duration::from_mins(1)),
        Mood::Says(status("500 Internal Server Error")),
        Mood::Says(status("401 Unauthorized")),
        Mood::Says(status("404 Not Found")),
        Mood::Says(status("302 Found\r\nLocation: /v2")),
        Mood::Says(ok("")),
        Mood::Says(ok("yes")),
        Mood::Says(ok("true")),
        Mood::Says(ok("[]")),
        Mood::Says(ok(&format!("{{\"x\": \"{}\", {}", "x".repeat(2 << 20), &YES[1..]))),
        Mood::Says("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}".to_owned()),
        Mood::Says("nonsense\r\n\r\n".to_owned()),
    ];
    let accounts = Accounts::start().await;
    let rest = Rest::start(|settings| {
        accounts.settings()(settings);
        settings.calendar.max_collections = 100;
    })
    .await;
    for (number, mood) in moods.into_iter().enumerate() {
        let user = format!("user{number}");
        accounts.say(&user, YES);
        accounts.mood(mood);
        // Who has just waited in vain spares others the time.
        tokio::time::sleep(TTL).await;
        accounts.asked();
        let (mut pages, mut dav) = person(&rest, &user).await;
        let began = Instant::now();
        assert!(shown(&mut pages).await, "{number}");
        assert_eq!(roads(&mut pages, &mut dav, &user).await, REFUSED, "{number}");
        assert!(!accounts.asked().is_empty(), "{number}");
        assert!(began.elapsed() < Duration::from_secs(20), "{number}");
    }
    // Nobody listens at all.
    let nobody = Rest::start(|settings| {
        accounts.settings()(settings);
        settings.entitlements.url = Some("http://127.0.0.1:9/".parse().unwrap());
    })
    .await;
    let (mut pages, mut dav) = person(&nobody, "alice").await;
    assert!(shown(&mut pages).await);
    assert_eq!(roads(&mut pages, &mut dav, "alice").await, REFUSED);
}

#[tokio::test]
async fn its_last_word_outlives_its_time_while_it_is_silent() {
    let accounts = Accounts::start().await;
    accounts.say("alice", YES);
    accounts.say("bob", NO);
    let rest = Rest::start(accounts.settings()).await;
    let (mut alice, mut alices) = person(&rest, "alice").await;
    let (mut bob, mut bobs) = person(&rest, "bob").await;
    assert!(shown(&mut alice).await && !shown(&mut bob).await);
    accounts.asked();
    accounts.mood(Mood::Gone);
    for _ in 0..4 {
        tokio::time::sleep(TTL * 2).await;
        assert!(shown(&mut alice).await && !shown(&mut bob).await);
        assert_eq!(
            alices
                .ask(&format!("MKCALENDAR /dav/calendars/alice/{}/", uuid::Uuid::new_v4()), &[], "")
                .await
                .status,
            201
        );
        assert_eq!(bobs.ask("MKCALENDAR /dav/calendars/bob/x/", &[], "").await.status, 403);
    }
    let asked = accounts.asked().len();
    assert!((8..=32).contains(&asked), "it was asked again each time, and not with each request: {asked}");
    assert_eq!(roads(&mut alice, &mut alices, "alice").await, MADE);
    assert_eq!(roads(&mut bob, &mut bobs, "bob").await, REFUSED);
    // When it is back, its new word counts.
    accounts.say("alice", NO);
    accounts.say("bob", YES);
    accounts.mood(Mood::Well);
    tokio::time::sleep(TTL * 2).await;
    assert!(!shown(&mut alice).await && shown(&mut bob).await);
    assert_eq!(roads(&mut alice, &mut alices, "alice").await, REFUSED);
    assert_eq!(roads(&mut bob, &mut bobs, "bob").await, MADE);
}

#[tokio::test]
async fn a_silent_service_holds_nobody_up_again_and_again() {
    let accounts = Accounts::start().await;
    accounts.mood(Mood::Slow(Duration::from_mins(1)));
    let rest = Rest::start(|settings| {
        accounts.settings()(settings);
        settings.entitlements.ttl = Span::seconds(300);
    })
    .await;
    let (mut pages, _) = person(&rest, "alice").await;
    for _ in 0..20 {
        assert!(shown(&mut pages).await);
    }
    assert_eq!(accounts.asked().len(), 1);
    // Nor does everybody wait for it in turn.
    assert!(shown(&mut person(&rest, "bob").await.0).await);
    assert_eq!(accounts.asked().len(), 0);
    let nothing = pages.call("DELETE", "calendars/nothing/", Value::Null).await;
    assert_eq!(nothing.0, 404);
}

#[tokio::test]
async fn of_one_person_it_is_asked_once_at_a_time() {
    let accounts = Accounts::start().await;
    accounts.say("alice", YES);
    accounts.mood(Mood::Slow(Duration::from_millis(200)));
    let rest = Rest::start(|settings| {
        accounts.settings()(settings);
        settings.entitlements.ttl = Span::seconds(300);
        settings.entitlements.timeout = Span::seconds(60);
    })
    .await;
    let mut pages = Vec::new();
    for _ in 0..10 {
        pages.push(person(&rest, "alice").await.0);
    }
    let told = futures_util::future::join_all(pages.iter_mut().map(shown)).await;
    assert_eq!((told, accounts.asked().len()), (vec![true; 10], 1));
}

#[tokio::test]
async fn who_is_not_entitled_brings_nothing_in() {
    let accounts = Accounts::start().await;
    accounts.say("alice", YES);
    accounts.say("bob", NO);
    let rest = Rest::start(accounts.settings()).await;
    for (user, status) in [("alice", 200), ("bob", 403), ("carol", 403)] {
        let (mut pages, mut dav) = person(&rest, user).await;
        let event = server::event("a", "Lunch");
        let form = format!(
            "--x\r\nContent-Disposition: form-data; name=caldav_path\r\n\r\n/calendars/{user}/calendar/\r\n\
             --x\r\nContent-Disposition: form-data; name=file\r\n\r\n{event}\r\n--x--\r\n"
        );
        let parts = [("Content-Type", "multipart/form-data; boundary=x")];
        let answer = pages.ask("POST /api/v1.0/calendars/import-events/", &parts, form).await;
        assert_eq!(answer.status, status, "{user}");
        let media = [("Content-Type", "text/calendar")];
        let answer = pages.ask("POST /api/v1.0/calendars/calendar/import/", &media, event).await;
        assert_eq!(answer.status, status, "{user}");
        let there = dav.members(&format!("/dav/calendars/{user}/calendar/")).await.len();
        assert_eq!(there, usize::from(status == 200), "{user}");
    }
}
