//! Passwords for single programs, from the REST route that makes them through both doors at which proxies ask to what CalDAV
//! lets them do.

#![allow(clippy::unwrap_used)]

#[path = "support/fastcgi.rs"]
mod fastcgi;
#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use kalends::boot::{Part, Running};
use kalends::config::{HeaderName, Listen, Settings};
use rest::{Json, Rest};
use serde_json::{Value, json};
use server::Answer;
use support::sql;
use tokio::net::TcpStream;

const KIND: &str = "X-Forwarded-Auth-Type";

fn with_passwords(settings: &mut Settings) {
    settings.identity.auth_type_header = HeaderName::named(KIND);
    settings.identity.credential_types = vec!["app-password".into()];
}

async fn alice(rest: &Rest) -> Json {
    Json(rest.client("alice").await.0.always(KIND, "session"))
}

/// What nginx is told of a name and a password by a client at that address.
async fn check(proxy: &mut Json, user: &str, secret: &str, address: &str) -> Answer {
    let both = format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
    let headers = [("Authorization", both.as_str()), ("X-Forwarded-For", address)];
    proxy.0.ask("GET /internal/auth/check", &headers, "").await
}

fn value(answer: &Answer) -> Option<&str> {
    answer.header("x-auth-user").filter(|_| answer.status == 204)
}

/// What stays of whoever is signed in, whatever they are called.
async fn person(someone: &mut Json) -> String {
    someone.get("users/me/").await.1["id"].as_str().unwrap().to_owned()
}

async fn made(alice: &mut Json, wish: Value) -> (String, String) {
    let (status, made) = alice.call("POST", "app-passwords/", wish).await;
    assert_eq!(status, 201, "{made}");
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_password_is_shown_once_and_opens_what_it_is_for() {
    let rest = Rest::start(with_passwords).await;
    let mut alice = alice(&rest).await;
    let mut proxy = rest.client("").await;
    let wish =
        json!({ "label": "Phone", "read_only": true, "calendars": ["/dav/calendars/alice/calendar/"] });
    let (id, secret) = made(&mut alice, wish).await;
    let told = format!("alice/{}/{id}/ro/calendar", person(&mut alice).await);
    let (_, listed) = alice.get("app-passwords/").await;
    assert!(!listed.to_string().contains(&secret));
    assert_eq!((&listed[0]["id"], &listed[0]["calendars"]), (&json!(id), &json!(["calendar"])));
    assert_eq!(listed[0]["last_used_at"], Value::Null);
    for (user, secret) in [("alice", secret.clone()), ("Alice", secret.replace('-', ""))] {
        let answer = check(&mut proxy, user, &secret, "192.0.2.1").await;
        assert_eq!(value(&answer), Some(told.as_str()), "{answer:?}");
    }
    for (user, secret) in [("bob", secret.as_str()), ("alice", "wrong"), ("alice", ""), ("", &secret)] {
        let answer = check(&mut proxy, user, secret, "192.0.2.1").await;
        assert_eq!((answer.status, value(&answer)), (401, None), "{user}");
        let asks: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
        assert_eq!(asks.len(), 1);
    }
    assert_eq!(proxy.0.ask("GET /internal/auth/check", &[], "").await.status, 401);
    // What was told is what CalDAV believes, and nothing less.
    let mut phone = rest.caldav.client(&told).await.always(KIND, "app-password");
    assert_eq!(phone.ask("PROPFIND /dav/calendars/alice/calendar/", &[("Depth", "0")], "").await.status, 207);
    assert_eq!(phone.ask("PROPFIND /dav/calendars/alice/tasks/", &[("Depth", "0")], "").await.status, 404);
    let event = server::event("a", "x");
    assert_eq!(phone.ask("PUT /dav/calendars/alice/calendar/a.ics", &[], event).await.status, 403);
    let mut bare = rest.caldav.client("alice").await.always(KIND, "app-password");
    assert_eq!(bare.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 403);
    // It makes no others, and is no way to the rest of the service.
    let mut program = Json(rest.client(&told).await.0.always(KIND, "app-password"));
    assert_eq!(program.get("users/me/").await.0, 403);
    let (whole, _) = made(&mut alice, json!({ "label": "All" })).await;
    let value = format!("alice/{}/{whole}/rw/*", person(&mut alice).await);
    let mut program = Json(rest.client(&value).await.0.always(KIND, "app-password"));
    assert_eq!(program.get("users/me/").await.0, 200);
    assert_eq!(program.call("POST", "app-passwords/", json!({ "label": "x" })).await.0, 403);
}

#[tokio::test]
async fn a_revoked_one_is_of_no_use_on_any_node() {
    let rest = Rest::start(with_passwords).await;
    let mut settings = Settings { database: support::settings(&rest.caldav.db.url), ..Settings::default() };
    settings.monitor.listen = None;
    settings.api.listen = Some(Listen::Tcp(([127, 0, 0, 1], 0).into()));
    settings.api.caldav = format!("http://{}", rest.caldav.address);
    with_passwords(&mut settings);
    let node = Running::start_part(settings, Part::Rest).await.unwrap();
    let other = async |address: Option<SocketAddr>| {
        Json(server::Client::new(TcpStream::connect(address.unwrap()).await.unwrap(), ""))
    };
    let (mut one, mut other) = (rest.client("").await, other(node.rest_address).await);
    let mut alice = alice(&rest).await;
    for _ in 0..20 {
        let (id, secret) = made(&mut alice, json!({ "label": "Laptop" })).await;
        // What is right is remembered by both, once they hear what is told.
        for _ in 0..3 {
            assert_eq!(check(&mut one, "alice", &secret, "192.0.2.1").await.status, 204);
            assert_eq!(check(&mut other, "alice", &secret, "192.0.2.1").await.status, 204);
        }
        assert_eq!(alice.call("DELETE", &format!("app-passwords/{id}/"), Value::Null).await.0, 204);
        assert_eq!(check(&mut one, "alice", &secret, "192.0.2.1").await.status, 401);
        // The database tells the others when it has committed, which is at once and not before.
        let told = async { while check(&mut other, "alice", &secret, "192.0.2.9").await.status == 204 {} };
        tokio::time::timeout(Duration::from_secs(1), told).await.unwrap();
        assert_eq!(alice.call("DELETE", &format!("app-passwords/{id}/"), Value::Null).await.0, 404);
    }
    node.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_locks_a_victim_out() {
    let rest = Rest::start(with_passwords).await;
    let (mut alice, mut proxy) = (alice(&rest).await, rest.client("").await);
    let (_, secret) = made(&mut alice, json!({ "label": "Phone" })).await;
    for _ in 0..5 {
        assert_eq!(check(&mut proxy, "alice", "guess", "192.0.2.66").await.header("retry-after"), None);
    }
    let late = check(&mut proxy, "alice", "guess", "192.0.2.66").await;
    assert!(late.status == 401 && late.header("retry-after").is_some(), "{late:?}");
    // From elsewhere nothing has happened; nor to others who come from there.
    assert_eq!(check(&mut proxy, "alice", "guess", "192.0.2.1").await.header("retry-after"), None);
    assert_eq!(check(&mut proxy, "bob", "guess", "192.0.2.66").await.header("retry-after"), None);
    // Who is right gets in from the same place, by a password that nobody has seen before, whatever was guessed there.
    let all = (0..60).map(|n| check_alone(&rest, format!("name-{n}"), "guess", "192.0.2.66"));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.status, 401);
    }
    let late = check(&mut proxy, "carol", "guess", "192.0.2.66").await;
    assert!(late.status == 401 && late.header("retry-after").is_some(), "{late:?}");
    assert_eq!(check(&mut proxy, "alice", &secret, "192.0.2.66").await.status, 204);
    let (_, second) = made(&mut alice, json!({ "label": "Laptop" })).await;
    assert_eq!(check(&mut proxy, "alice", &second, "192.0.2.66").await.status, 204);
}

async fn check_alone(rest: &Rest, user: String, secret: &str, address: &str) -> Answer {
    check(&mut rest.client("").await, &user, secret, address).await
}

/// Alice is called otherwise, and her old name is given to somebody else: her passwords are hers.
#[tokio::test]
async fn a_password_is_a_person_s_and_not_a_name_s() {
    let rest = Rest::start(with_passwords).await;
    let (mut first, mut proxy) = (alice(&rest).await, rest.client("").await);
    let (id, secret) = made(&mut first, json!({ "label": "Phone" })).await;
    let person = person(&mut first).await;
    let status = async |value: &str| {
        let mut phone = rest.caldav.client(value).await.always(KIND, "app-password");
        phone.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status
    };
    let (old, new) = (format!("alice/{person}/{id}/rw/*"), format!("alice.2019/{person}/{id}/rw/*"));
    let asked = async |proxy: &mut Json, name: &str| {
        let answer = check(proxy, name, &secret, "192.0.2.1").await;
        (answer.status, answer.header("x-auth-user").map(str::to_owned))
    };
    assert_eq!(asked(&mut proxy, "alice").await, (204, Some(old.clone())));
    assert_eq!(asked(&mut proxy, "alice.2019").await, (401, None), "a name that nobody has");
    let client = rest.caldav.db.pool.client().await.unwrap();
    client.batch("UPDATE principal SET name = 'alice.2019' WHERE name = 'alice'").await.unwrap();
    let mut second = alice(&rest).await;
    assert_eq!(second.get("app-passwords/").await, (200, json!([])), "somebody new has none");
    // Whatever is still remembered: calendars are not opened by it.
    assert_eq!((status(&old).await, status(&new).await), (403, 207));
    assert_eq!(asked(&mut proxy, "alice.2019").await, (204, Some(new.clone())));
    assert_eq!(asked(&mut proxy, "alice").await, (401, None), "whose it is not");
    assert_eq!(asked(&mut proxy, "bob").await, (401, None));
    // She sees and ends it by her new name.
    let mut first = Json(rest.client("alice.2019").await.0.always(KIND, "session"));
    let path = format!("app-passwords/{id}/");
    assert_eq!(second.call("DELETE", &path, Value::Null).await.0, 404);
    assert_eq!(first.get("app-passwords/").await.1[0]["id"], json!(id));
    assert_eq!(first.call("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(asked(&mut proxy, "alice.2019").await, (401, None));
}

/// Whatever ends a password is told to every node: an operator's own statement, too.
#[tokio::test]
async fn what_is_taken_out_of_the_database_is_of_no_use_at_once() {
    let rest = Rest::start(with_passwords).await;
    let (mut alice, mut proxy) = (alice(&rest).await, rest.client("").await);
    let client = rest.caldav.db.pool.client().await.unwrap();
    for statement in [
        "UPDATE kalends_api.app_password SET expires = now() - interval '1 second'",
        "DELETE FROM kalends_api.app_password",
        "TRUNCATE kalends_api.app_password",
    ] {
        let (_, secret) = made(&mut alice, json!({ "label": "Phone" })).await;
        for _ in 0..3 {
            assert_eq!(check(&mut proxy, "alice", &secret, "192.0.2.1").await.status, 204);
        }
        client.batch(statement).await.unwrap();
        let told = async { while check(&mut proxy, "alice", &secret, "192.0.2.9").await.status == 204 {} };
        tokio::time::timeout(Duration::from_secs(1), told).await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_what_is_somebody_elses_is_not_there() {
    let rest = Rest::start(with_passwords).await;
    let mut alice = alice(&rest).await;
    let mut bob = Json(rest.client("bob").await.0.always(KIND, "session"));
    for (wish, attr) in [
        (json!({}), "label"),
        (json!({ "label": " " }), "label"),
        (json!({ "label": "x", "read_only": "yes" }), "read_only"),
        (json!({ "label": "x", "calendars": [] }), "calendars"),
        (json!({ "label": "x", "calendars": ["nothing"] }), "calendars"),
        (json!({ "label": "x", "calendars": ["inbox"] }), "calendars"),
        (json!({ "label": "x", "calendars": [7] }), "calendars"),
        (json!({ "label": "x", "expires_at": "2001-01-01T00:00:00Z" }), "expires_at"),
    ] {
        let (status, told) = alice.call("POST", "app-passwords/", wish.clone()).await;
        assert_eq!((status, &told["errors"][0]["attr"]), (400, &json!(attr)), "{wish}: {told}");
    }
    let (id, _) = made(&mut alice, json!({ "label": "x", "expires_at": "2999-01-01T00:00:00Z" })).await;
    let path = format!("app-passwords/{id}/");
    assert_eq!(bob.call("PATCH", &path, json!({ "label": "mine" })).await.0, 404);
    assert_eq!(bob.call("DELETE", &path, Value::Null).await.0, 404);
    assert_eq!(bob.get("app-passwords/").await, (200, json!([])));
    let (status, told) = alice.call("PATCH", &path, json!({ "label": "y" })).await;
    assert_eq!(
        (status, &told["label"], &told["expires_at"]),
        (200, &json!("y"), &json!("2999-01-01T00:00:00Z"))
    );
    assert_eq!(alice.call("DELETE", "app-passwords/x/", Value::Null).await.0, 404);
}

#[tokio::test]
async fn apache_is_told_the_same() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let rest = Rest::start(|settings| {
        with_passwords(settings);
        settings.api.fastcgi = Some(Listen::Tcp(port));
    })
    .await;
    let mut alice = alice(&rest).await;
    let (id, secret) = made(&mut alice, json!({ "label": "Phone", "read_only": true })).await;
    let person = person(&mut alice).await;
    let right = fastcgi::ask(port, "alice", &secret, "192.0.2.5").await;
    assert!(
        right.contains(&format!(
            "Status: 200 OK\r\nVariable-KALENDS_PRINCIPAL: alice/{person}/{id}/ro/*\r\n\r\n"
        )),
        "{right}"
    );
    for (user, secret) in [("bob", secret.as_str()), ("alice", "wrong"), ("alice", "")] {
        let wrong = fastcgi::ask(port, user, secret, "192.0.2.5").await;
        assert!(wrong.contains("Status: 401 Unauthorized\r\n\r\n"), "{wrong}");
    }
    // Of all that it could be told Apache takes this alone for a fault and no verdict.
    let gone = sql("ALTER TABLE kalends_api.app_password RENAME TO elsewhere");
    rest.caldav.db.pool.client().await.unwrap().execute(&gone, &[]).await.unwrap();
    let unknown = fastcgi::ask(port, "alice", "unknown", "192.0.2.5").await;
    assert!(unknown.contains("Status: 500 Internal Server Error\r\n\r\n"), "{unknown}");
}

#[tokio::test]
async fn the_secret_is_changed_without_a_gap() {
    let (old, new) = ("the-secret-of-yesterday", "the-secret-of-today");
    let with_secret = |settings: &mut Settings| {
        with_passwords(settings);
        settings.identity.secret = old.to_owned().into();
    };
    for rest in [Rest::start(with_secret).await, Rest::apart(with_secret).await] {
        let client = async |user, secret| {
            let client = rest.client(user).await.0.always(KIND, "session");
            Json(client.always("X-Kalends-Secret", secret))
        };
        let mut alice = client("alice", old).await;
        let (_, secret) = made(&mut alice, json!({ "label": "Phone" })).await;
        let wish = json!({ "caldav_path": "/calendars/alice/calendar/" });
        let (status, link) = alice.call("POST", "subscription-tokens/", wish).await;
        assert_eq!(status, 201, "{link}");
        let both = async |proxy: &mut Json| {
            // Nobody asks here, so who reads the calendar and who looks for a new name does so by the secret.
            let asked = format!("GET /ical/{}.ics", link["token"].as_str().unwrap());
            assert_eq!(proxy.0.ask(&asked, &[], "").await.status, 200);
            assert_eq!(check(proxy, "nobody", &secret, "192.0.2.1").await.status, 401);
        };
        both(&mut client("", old).await).await;
        rest.reload(|settings| {
            settings.identity.secret = new.to_owned().into();
            settings.identity.previous_secret = old.to_owned().into();
        });
        both(&mut client("", old).await).await;
        both(&mut client("", new).await).await;
        rest.reload(|settings| settings.identity.secret = new.to_owned().into());
        both(&mut client("", new).await).await;
        assert_eq!(client("alice", old).await.get("users/me/").await.0, 401);
    }
}
