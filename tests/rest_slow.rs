//! Strangers who take their time at the doors of the REST service: they are cut off, and who is not slow is answered.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use kalends::config::{HeaderName, Listen, Span};
use rest::Rest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
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
