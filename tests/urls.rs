//! What URLs an answer is made of: the address comes from the settings, the path from the request, and nothing from a
//! header that a client or a proxy may fill.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use server::{Answer, Server, event};

const PUBLIC: &str = "https://cal.example.org";

/// Everything a request can say of where it was sent to.
const LIES: &str = "Host: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: gopher\r\n\
    X-Forwarded-Prefix: /evil\r\nX-Forwarded-Port: 666\r\nForwarded: host=evil.example;proto=gopher\r\n\
    X-Original-URL: /evil\r\nX-Rewrite-URL: /evil\r\nX-Original-Host: evil.example\r\nX-HTTP-Method-Override: DELETE\r\n";

async fn site(public: Option<&str>) -> Server {
    Server::start(|settings| settings.server.public_url = public.map(|url| url.parse().unwrap())).await
}

/// The answer to alice, who says `lines` besides.
async fn ask(server: &Server, line: &str, lines: &str, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nX-Forwarded-User: alice\r\nDepth: 1\r\n{lines}Content-Length: {length}\r\n\r\n"
    );
    server.client("").await.exchange(&[(head + body).as_bytes()], false).await.unwrap()
}

#[tokio::test]
async fn no_header_finds_its_way_into_a_url() {
    for public in [None, Some(PUBLIC)] {
        let server = site(public).await;
        let object = event("a", "x");
        let everything = "<propfind xmlns='DAV:'><allprop/><include><current-user-principal/><principal-URL/><owner/>\
            <c:calendar-home-set xmlns:c='urn:ietf:params:xml:ns:caldav'/>\
            <c:schedule-inbox-URL xmlns:c='urn:ietf:params:xml:ns:caldav'/>\
            <c:calendar-user-address-set xmlns:c='urn:ietf:params:xml:ns:caldav'/></include></propfind>";
        let multiget = "<c:calendar-multiget xmlns:c='urn:ietf:params:xml:ns:caldav' xmlns='DAV:'><prop><getetag/></prop>\
            <href>/dav/alice/calendar/a.ics</href></c:calendar-multiget>";
        for (line, body) in [
            ("PUT /dav/alice/calendar/a.ics", object.as_str()),
            ("GET /dav/alice/calendar/a.ics", ""),
            ("GET /.well-known/caldav", ""),
            ("PROPFIND /.well-known/caldav/", ""),
            ("MKCALENDAR /dav/alice/work/", ""),
            ("PROPFIND /", everything),
            ("PROPFIND /dav/", everything),
            ("PROPFIND /dav/principals/alice/", everything),
            ("PROPFIND /dav/calendars/alice/", everything),
            ("REPORT /dav/calendars/alice/calendar/", multiget),
            ("GET /dav/calendars/bob/", ""),
            ("GET http://evil.example/dav/alice/calendar/a.ics", ""),
        ] {
            let answer = ask(&server, line, LIES, body).await;
            let all = format!("{:?}{}", answer.headers, answer.text());
            assert!(answer.status < 500 && !all.contains("evil") && !all.contains("gopher"), "{line}: {all}");
            assert!(!all.contains("<D:href>http"), "{line}: {all}");
            for name in ["location", "content-location"] {
                let Some(url) = answer.header(name) else { continue };
                let base = if answer.status == 301 { public.unwrap_or_default() } else { "" };
                let path = url.strip_prefix(base).unwrap();
                assert!(path.starts_with("/dav/"), "{line}: {name}: {url}");
            }
        }
    }
}

#[tokio::test]
async fn a_url_of_the_public_address_names_what_lies_here_and_one_of_another_does_not() {
    let server = site(Some(PUBLIC)).await;
    let (line, object) = ("PUT /dav/calendars/alice/calendar/a.ics", event("a", "x"));
    assert_eq!(ask(&server, line, "Host: 127.0.0.1:8008\r\n", &object).await.status, 201);
    for (url, found) in [
        ("https://cal.example.org/dav/calendars/alice/calendar/a.ics", true),
        ("https://CAL.example.org/dav/calendars/alice/calendar/a.ics", true),
        ("http://127.0.0.1:8008/dav/calendars/alice/calendar/a.ics", true),
        ("/api/v1.0/caldav/alice/calendar/a.ics", true),
        ("https://evil.example/dav/calendars/alice/calendar/a.ics", false),
        ("https://cal.example.org.evil.example/dav/calendars/alice/calendar/a.ics", false),
        ("https://evil.example@cal.example.org/dav/calendars/alice/calendar/a.ics", false),
        ("https://cal.example.org/dav/calendars/alice/calendar/../calendar/a.ics", false),
    ] {
        let body = format!(
            "<c:calendar-multiget xmlns:c='urn:ietf:params:xml:ns:caldav' xmlns='DAV:'><prop><getetag/></prop><href>{url}</href>\
             </c:calendar-multiget>"
        );
        let lines = "Host: 127.0.0.1:8008\r\nX-Forwarded-Host: evil.example\r\n";
        let answer = ask(&server, "REPORT /dav/calendars/alice/calendar/", lines, &body).await;
        assert_eq!(
            (answer.status, answer.text().contains("200 OK")),
            (207, found),
            "{url}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn over_http_2_a_whole_url_with_the_name_of_the_server_is_its_own() {
    let server = Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    let path = "/dav/calendars/alice/calendar/a.ics";
    assert_eq!(alice.ask(&format!("PUT {path}"), &[], event("a", "x")).await.status, 201);
    let socket = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(connection);
    for (host, status) in [("cal.example.org", 201), ("other.example.org", 502)] {
        let request = http::Request::builder()
            .method("COPY")
            .uri(format!("http://cal.example.org{path}"))
            .header("x-forwarded-user", "alice")
            .header("destination", format!("http://{host}/dav/calendars/alice/copied/a.ics"))
            .body(())
            .unwrap();
        alice.ask("MKCALENDAR /dav/calendars/alice/copied/", &[], "").await;
        let (answer, _) = sender.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status().as_u16(), status, "{host}");
    }
}
