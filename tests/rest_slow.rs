//! Strangers who take their time at the doors of the REST service: they are cut off, and who is not slow is answered.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use kalends::config::{HeaderName, Listen, Span};
use rest::{Json, Rest};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

const CHECK: &str = "GET /internal/auth/check HTTP/1.1\r\nHost: x\r\n";
/// Longer than anybody is waited for here.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is answered, until the connection is closed, to who sends this and then a drop now and then.
async fn dripping(address: SocketAddr, head: &str, drop: &str) -> String {
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    writer.write_all(head.as_bytes()).await.unwrap();
    let drop = drop.to_owned();
    let drips = tokio::spawn(async move {
        // Whoever is cut off is told so by a reset.
        while writer.write_all(drop.as_bytes()).await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    let (mut told, mut part) = (Vec::new(), [0; 1024]);
    let end = async {
        while let Ok(length @ 1..) = reader.read(&mut part).await {
            told.extend_from_slice(&part[..length]);
        }
    };
    timeout(PATIENCE, end).await.expect("nobody cut them off");
    drips.abort();
    String::from_utf8_lossy(&told).into_owned()
}

/// The status of each answer.
fn statuses(told: &str) -> Vec<&str> {
    told.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_finishes_asking_holds_no_place() {
    let rest = Rest::start(|settings| {
        settings.limits.connections = 4;
        (settings.limits.header_time, settings.limits.body_time) = (Span::seconds(1), Span::seconds(1));
    })
    .await;
    let address = rest.address;
    let slow: Vec<_> = (0..4).map(|_| tokio::spawn(dripping(address, CHECK, "X-A: b\r\n"))).collect();
    let silent = tokio::spawn(dripping(address, "G", ""));
    // Every place is taken, and whoever asks as one should is answered all the same.
    let mut proxy = rest.client("").await;
    let asked = timeout(PATIENCE, proxy.0.ask("GET /internal/auth/check", &[], "")).await.unwrap();
    assert_eq!((asked.status, asked.header("www-authenticate")), (401, Some("Basic realm=\"kalends\"")));
    for one in slow {
        let told = statuses(&one.await.unwrap()).concat();
        assert!(["", "408"].contains(&told.as_str()), "{told}");
    }
    silent.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_wants_is_not_waited_for() {
    let rest = Rest::start(|settings| {
        (settings.limits.header_time, settings.limits.body_time) = (Span::seconds(1), Span::seconds(1));
    })
    .await;
    let all = [
        ("GET /internal/auth/check", "401"),
        ("POST /internal/auth/check", "401"),
        ("POST /api/v1.0/calendars/", "401"),
        ("POST /api/v1.0/calendars/calendar/import/", "401"),
        ("DELETE /api/v1.0/config/", "405"),
        ("POST /ical/x.ics", "405"),
    ]
    .map(|(line, answer)| {
        let head = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
        let asked = tokio::spawn(async move { dripping(rest.address, &head, "x").await });
        (line, answer, asked)
    });
    for (line, answer, asked) in all {
        let told = asked.await.unwrap();
        assert_eq!(statuses(&told), [answer], "{line}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_question_of_apache_is_not_waited_for() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let _rest = Rest::start(|settings| {
        settings.identity.auth_type_header = HeaderName::named("X-Forwarded-Auth-Type");
        settings.identity.credential_types = vec!["app-password".into()];
        settings.api.fastcgi = Some(Listen::Tcp(address));
    })
    .await;
    // A beginning, and of the parameters a length that never comes; or nothing that could be a record.
    let heads = ["\u{1}\u{1}\0\u{1}\0\u{8}\0\0\0\u{2}\0\0\0\0\0\0\u{1}\u{4}\0\u{1}\u{7f}\u{7f}\0\0", "\u{1}"];
    let told = heads.map(|head| tokio::spawn(dripping(address, head, "\u{1}")));
    for one in told {
        assert_eq!(one.await.unwrap(), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_sign_in_while_pages_have_all_places() {
    let rest = Rest::start(|settings| {
        settings.identity.auth_type_header = HeaderName::named("X-Forwarded-Auth-Type");
        settings.identity.credential_types = vec!["app-password".into()];
        settings.limits.requests = 1;
    })
    .await;
    let mut alice = Json(rest.client("alice").await.0.always("X-Forwarded-Auth-Type", "session"));
    let (_, made) = alice.call("POST", "app-passwords/", json!({ "label": "Phone" })).await;
    let head = "POST /api/v1.0/calendars/calendar/import/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\
                X-Forwarded-Auth-Type: session\r\nContent-Type: text/calendar\r\nContent-Length: 100\r\n\r\n";
    let _slow = loop {
        let mut slow = TcpStream::connect(rest.address).await.unwrap();
        slow.write_all(head.as_bytes()).await.unwrap();
        sleep(Duration::from_millis(100)).await;
        if rest.client("").await.get("config/").await.0 == 503 {
            break slow;
        }
    };
    let mut proxy = rest.client("").await;
    for (secret, status) in [(made["secret"].as_str().unwrap(), 204), ("wrong", 401)] {
        let both = format!("Basic {}", STANDARD.encode(format!("alice:{secret}")));
        let answer = proxy.0.ask("GET /internal/auth/check", &[("Authorization", &both)], "").await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_more_along_at_once_than_they_can_take() {
    let rest = Rest::start(|_| ()).await;
    let mut dav = rest.caldav.client("alice").await;
    for number in 0..24 {
        let uid = format!("long-{number}");
        let text = server::event(&uid, &"long ".repeat(100_000));
        let media = [("Content-Type", "text/calendar")];
        let put = dav.ask(&format!("PUT /dav/calendars/alice/calendar/{uid}.ics"), &media, text).await;
        assert!(put.is_done(), "{}", put.text());
    }
    let paths = ["calendars/calendar/export/", "account/export/"];
    let mut taking = Vec::new();
    for path in paths {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut slow = socket.connect(rest.address).await.unwrap();
        let head = format!("GET /api/v1.0/{path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n");
        slow.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        slow.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        taking.push(slow);
    }
    let mut alice = rest.client("alice").await;
    for path in paths {
        let refused = alice.raw("GET", path, &[], Value::Null).await;
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
        assert_eq!(rest.client("bob").await.raw("GET", path, &[], Value::Null).await.status, 200);
    }
    drop(taking);
    while alice.raw("GET", paths[0], &[], Value::Null).await.status == 429 {
        sleep(Duration::from_millis(20)).await;
    }
}
