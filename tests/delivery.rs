//! What settings make of answers: compressed ones of every length, a server on which nothing is changed, and the document that
//! tells what the server is.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::io::Read;

use kalends::boot::Running;
use kalends::config::{Listen, Settings};
use server::{Answer, Client, Server, event};
use tokio::net::TcpStream;

/// A second server on the database of the first.
async fn beside(server: &Server, change: impl FnOnce(&mut Settings)) -> (Running, Client) {
    let mut settings = Settings { database: support::settings(&server.db.url), ..Settings::default() };
    settings.server.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
    settings.monitor.listen = None;
    change(&mut settings);
    let running = Running::start(settings).await.unwrap();
    let client = client(&running, "alice").await;
    (running, client)
}

async fn client(running: &Running, user: &str) -> Client {
    Client::new(TcpStream::connect(running.addresses[0]).await.unwrap(), user)
}

fn undone(answer: &Answer) -> Vec<u8> {
    let (octets, mut out) = (&answer.body[..], Vec::new());
    match answer.header("content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(octets).read_to_end(&mut out).unwrap(),
        Some("br") => brotli::Decompressor::new(octets, 4096).read_to_end(&mut out).unwrap(),
        Some("zstd") => zstd::stream::read::Decoder::new(octets).unwrap().read_to_end(&mut out).unwrap(),
        other => panic!("{other:?}"),
    };
    out
}

const TAGS: &str = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:getetag/></D:prop></D:propfind>";

#[tokio::test]
async fn what_is_compressed_is_what_is_said_otherwise() {
    let server = Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    for n in 0..120 {
        let body = event(&format!("{n}"), &"long ".repeat(300));
        let put = alice.ask(&format!("PUT /dav/calendars/alice/calendar/{n}.ics"), &[], body).await;
        assert_eq!(put.status, 201);
    }
    // Some hundred octets, some thousand, and so many that they come as a stream.
    for (line, body, streamed) in [
        ("PROPFIND /dav/calendars/alice/", TAGS, false),
        ("PROPFIND /dav/calendars/alice/calendar/", TAGS, false),
        ("GET /dav/calendars/alice/calendar/", "", true),
    ] {
        let plain = alice.ask(line, &[("Depth", "1")], body).await;
        assert!(plain.is_done() && plain.header("content-encoding").is_none());
        assert_eq!(plain.header("content-length").is_none(), streamed, "{line}");
        for coding in ["gzip", "br", "zstd"] {
            let headers = [("Depth", "1"), ("Accept-Encoding", coding)];
            let coded = alice.ask(line, &headers, body).await;
            assert_eq!(undone(&coded), plain.body, "{line} {coding}");
            assert!(coded.body.len() < plain.body.len() / 2, "{line} {coding}");
            assert_eq!(coded.header("etag"), plain.header("etag"), "{line} {coding}");
            let head = line.replace("GET", "HEAD");
            if head != line {
                let head = alice.ask(&head, &headers, "").await;
                for name in ["content-encoding", "content-length", "content-type", "etag"] {
                    assert_eq!(head.header(name), coded.header(name), "{name} of {coding}");
                }
            }
        }
    }
    let (_running, mut plain) = beside(&server, |settings| settings.server.compress = false).await;
    let answer = plain.ask("GET /dav/calendars/alice/calendar/", &[("Accept-Encoding", "gzip")], "").await;
    assert!(answer.is_done() && answer.header("content-encoding").is_none());
}

#[tokio::test]
async fn where_nothing_is_changed_everything_can_be_read() {
    let server = Server::start(|_| ()).await;
    let mut before = server.client("alice").await;
    let object = "/dav/calendars/alice/calendar/a.ics";
    assert_eq!(before.ask(&format!("PUT {object}"), &[], event("a", "x")).await.status, 201);
    let (running, mut alice) = beside(&server, |settings| {
        settings.server.read_only = true;
        settings.identity.name_header = kalends::config::HeaderName::named("X-Forwarded-Name");
    })
    .await;
    // What the proxy tells anew is not kept, and keeps nobody out.
    let named = [("X-Forwarded-Name", "Alice"), ("Depth", "0")];
    assert_eq!(alice.ask(&format!("GET {object}"), &named, "").await.status, 200);
    assert_eq!(alice.ask("PROPFIND /dav/calendars/alice/", &named, TAGS).await.status, 207);
    assert_eq!(alice.ask(&format!("OPTIONS {object}"), &[], "").await.status, 200);
    let page = alice.sync("/dav/calendars/alice/calendar/", "", None).await;
    assert_eq!(page.changed.len(), 1);
    for method in kalends::caldav::registry::METHODS.iter().map(|row| row.verb) {
        let at = match method {
            "MKCALENDAR" | "MKCOL" => "/dav/calendars/alice/new/",
            "ACL" | "POST" => "/dav/calendars/alice/calendar/",
            _ => object,
        };
        let answer = alice.ask(&format!("{method} {at}"), &[("Depth", "0")], "").await;
        let writes = !kalends::front::is_safe(method);
        assert_eq!(answer.status == 503, writes, "{method}: {}", answer.status);
        assert_eq!(answer.header("retry-after").is_some(), writes, "{method}");
        assert_eq!(answer.text().contains("Nothing can be changed"), writes, "{method}");
    }
    // Nobody new is made, and what was there is there.
    let mut bob = client(&running, "bob").await;
    assert_eq!(bob.ask("PROPFIND /dav/", &[("Depth", "0")], TAGS).await.status, 503);
    let mut after = server.client("alice").await;
    assert_eq!(after.ask("PROPFIND /dav/principals/bob/", &[("Depth", "0")], TAGS).await.status, 404);
    assert_eq!(after.ask(&format!("GET {object}"), &[], "").await.text(), event("a", "x"));
    assert_eq!(after.ask(&format!("DELETE {object}"), &[], "").await.status, 204);
}

#[tokio::test]
async fn the_token_of_the_server_changes_with_its_settings_and_with_nothing_else() {
    let server = Server::start(|_| ()).await;
    let mut tokens = Vec::new();
    for change in [
        (|_| ()) as fn(&mut Settings),
        |_| (),
        |settings| settings.calendar.max_instances = 7,
        |settings| settings.server.read_only = true,
        |settings| settings.calendar.max_resources = 5,
    ] {
        server.client("alice").await.ask("OPTIONS /dav/", &[], "").await;
        let (_running, mut alice) = beside(&server, change).await;
        let page = alice.ask("GET /dav/server-info", &[], "").await;
        let link = alice.ask("OPTIONS /dav/calendars/alice/", &[], "").await;
        let token = page.header("etag").unwrap().trim_matches('"').to_owned();
        assert!(link.header("link").unwrap().contains(&token));
        let root = page.xml().unwrap();
        let told = root.child(kalends::xml::Name::dav("token")).unwrap();
        assert_eq!(told.text(), token.as_str());
        tokens.push(token);
    }
    assert_eq!(tokens[0], tokens[1]);
    tokens.dedup();
    assert_eq!(tokens.len(), 4, "{tokens:?}");
}
