//! Web pages: which may read an answer, and which are kept from changing anything, whatever becomes of the request.

use super::*;

const PAGE: &str = "Origin: https://app.example.org\r\n";

fn granted(settings: &mut Settings) {
    settings.server.cors_origins = vec!["https://app.example.org".parse().expect("an origin")];
}

#[tokio::test]
async fn a_granted_page_reads_the_servers_own_refusals_too() {
    let server = Server::start(|settings| {
        granted(settings);
        settings.limits.request_time = SHORT;
        settings.limits.body_bytes = Size(1024);
    });
    for (line, headers, status) in [
        ("GET /panic", "", 500),
        ("GET /wait", "", 503),
        ("GET /%zz", "", 400),
        ("PUT /body", "Content-Length: 5000\r\n", 413),
        ("GET /who", "", 401),
        ("GET /who", "X-Forwarded-User: a/b\r\n", 403),
        ("GET /who", "X-Forwarded-User: alice\r\n", 200),
    ] {
        let mut wire = server.connect().await;
        wire.send(format!("{line} HTTP/1.1\r\nHost: x\r\n{PAGE}{headers}\r\n")).await;
        let answer = wire.answer().await;
        let told = ["access-control-allow-origin", "access-control-allow-credentials", "vary"];
        let told = told.map(|name| answer.header(name));
        assert_eq!(answer.status, status, "{line}");
        let varies = if status == 200 { "Accept-Encoding, Origin" } else { "Origin" };
        assert_eq!(told, [Some("https://app.example.org"), Some("true"), Some(varies)], "{line}");
    }
}

#[tokio::test]
async fn a_granted_page_reads_that_there_was_no_room() {
    let server = Server::start(|settings| {
        granted(settings);
        settings.limits.requests = 1;
    });
    let mut first = server.connect().await;
    first.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| server.echo.waiting.load(Ordering::SeqCst) == 1).await;
    let answer = ask(&server, "/id", PAGE).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin").is_some()), (503, true));
    server.echo.go.notify_one();
}

#[tokio::test]
async fn a_preflight_never_reaches_the_service() {
    let server = Server::start(granted);
    for (lines, status) in [
        (format!("{PAGE}Access-Control-Request-Method: PUT\r\n"), 204),
        (format!("{PAGE}Access-Control-Request-Method: PUT\r\nX-Forwarded-User: alice\r\n"), 204),
        (PAGE.to_owned(), 404),
        ("Access-Control-Request-Method: PUT\r\n".to_owned(), 404),
        ("Origin: https://evil.example\r\nAccess-Control-Request-Method: PUT\r\n".to_owned(), 404),
    ] {
        let mut wire = server.connect().await;
        wire.send(format!("OPTIONS /panics HTTP/1.1\r\nHost: x\r\n{lines}\r\n")).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.body.is_empty()), (status, status == 204), "{lines}");
    }
}

#[tokio::test]
async fn a_site_that_names_no_pages_tells_nothing_and_still_refuses_forgery() {
    let server =
        Server::start(|settings| settings.server.public_url = "https://cal.example.org".parse().ok());
    let answer = ask(&server, "/who", &format!("{PAGE}X-Forwarded-User: alice\r\n")).await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin"), answer.header("vary")),
        (200, None, Some("Accept-Encoding"))
    );
    for (origin, status) in [
        ("https://app.example.org", 403),
        ("null", 403),
        ("https://cal.example.org", 200),
        ("https://other.name:444", 200),
    ] {
        let mut wire = server.connect().await;
        let lines = format!("Host: other.name:444\r\nOrigin: {origin}\r\nX-Forwarded-User: alice\r\n");
        wire.send(format!("POST /who HTTP/1.1\r\n{lines}Content-Length: 0\r\n\r\n")).await;
        assert_eq!(wire.answer().await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn a_reload_takes_over_the_pages() {
    let server = Server::start(|_| ());
    let mut settings = Settings::default();
    assert_eq!(ask(&server, "/id", PAGE).await.header("access-control-allow-origin"), None);
    granted(&mut settings);
    server.front.reload(&settings).unwrap();
    assert!(ask(&server, "/id", PAGE).await.header("access-control-allow-origin").is_some());
}
