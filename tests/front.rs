//! The HTTP room from outside, by raw sockets: who may say who somebody is, what a connection may cost, and that
//! nothing a client does harms another one. Each trap of hyper that was found by experiment is closed by a test here.

#[path = "front/echo.rs"]
mod echo;
#[path = "front/pages.rs"]
mod pages;
#[path = "front/pki.rs"]
mod pki;
#[path = "front/targets.rs"]
mod targets;
#[path = "front/tls.rs"]
mod tls;
#[path = "front/token.rs"]
mod token;
#[path = "front/wire.rs"]
mod wire;

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use echo::{Server, until};
use kalends::config::{Listen, Secret, Settings, Size, Span};
use kalends::front::{Drained, Front, Listener, Monitor, monitor, open};
use kalends::observe::{health::Health, metrics::Exporter};
use tokio::net::{TcpStream, UnixStream};
use wire::{Answer, PATIENCE, Wire};

const SHORT: Span = Span(Duration::from_millis(200));

/// Answers to one request of HTTP/1.1 with these header lines.
async fn ask(server: &Server, target: &str, lines: &str) -> Answer {
    let mut wire = server.connect().await;
    wire.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n{lines}\r\n")).await;
    wire.answer().await
}

// ---- identity ----

#[tokio::test]
async fn the_header_names_the_user() {
    let server = Server::start(|_| ());
    let answer = ask(&server, "/who", "X-Forwarded-User: Alice\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "alice"));
    assert_eq!(ask(&server, "/who", "x-fOrWaRdEd-uSeR: bob\r\n").await.body, "bob");
}

#[tokio::test]
async fn whatever_is_wrong_with_the_header_is_nobody() {
    let server = Server::start(|_| ());
    for (lines, status) in [
        ("", 401),
        ("X-Forwarded-User:\r\n", 401),
        ("X-Forwarded-User: \r\n", 401),
        ("X-Remote-User: alice\r\nRemote-User: alice\r\nAuthorization: Basic YWxpY2U6eA==\r\n", 401),
        ("Connection: X-Forwarded-User\r\n", 401),
        ("X-Forwarded-User: alice\r\nX-Forwarded-User: root\r\n", 403),
        ("X-Forwarded-User: alice\r\nx-forwarded-user: alice\r\n", 403),
        ("X-Forwarded-User:\r\nX-Forwarded-User: root\r\n", 403),
        ("X-Forwarded-User: alice\r\nX_Forwarded_User: root\r\n", 403),
        ("X-Forwarded-User: alice\r\nX.Forwarded.User: root\r\n", 403),
        ("X_Forwarded_User: root\r\n", 403),
        ("X-Forwarded-User: alice, root\r\n", 403),
        ("X-Forwarded-User: ../root\r\n", 403),
        ("X-Forwarded-User: ..\r\n", 403),
        ("X-Forwarded-User: a\\b\r\n", 403),
        ("X-Forwarded-User: a\tb\r\n", 403),
        ("X-Forwarded-User: a\u{202e}b\r\n", 403),
        ("X-Forwarded-User: a\u{200b}b\r\n", 403),
        ("X-Forwarded-User : root\r\n", 400),
        ("X-Forwarded-User: alice\r\n root\r\n", 400),
        ("X-Forwarded-User: a\0b\r\n", 400),
    ] {
        assert_eq!(ask(&server, "/who", lines).await.status, status, "{lines:?}");
    }
    let long = format!("X-Forwarded-User: {}\r\n", "a".repeat(256));
    assert_eq!(ask(&server, "/who", &long).await.status, 403);

    let mut wire = server.connect().await;
    wire.send(b"GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: andr\xe9\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 403);
}

#[tokio::test]
async fn two_users_on_one_connection_stay_two() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    for (line, status, user) in [
        ("X-Forwarded-User: alice\r\n", 200, "alice"),
        ("X-Forwarded-User: bob\r\n", 200, "bob"),
        ("", 401, ""),
    ] {
        wire.send(format!("GET /who HTTP/1.1\r\nHost: x\r\n{line}\r\n")).await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (status, user));
    }
}

#[tokio::test]
async fn the_service_sees_nothing_of_the_identity() {
    let server = Server::start(|_| ());
    let lines = "X-Forwarded-User: alice\r\nX-Kalends-Secret: s\r\nX-Forwarded-Email: a@b\r\nX-Forwarded-For: 1.2.3.4\r\n\
                 X_Forwarded_Groups: g\r\nAuthorization: x\r\nCookie: x\r\nForwarded: for=x\r\nDepth: 1\r\n";
    assert_eq!(ask(&server, "/headers", lines).await.body, "host depth");
}

#[tokio::test]
async fn strangers_are_not_believed() {
    let server = Server::start(|settings| settings.identity.trusted = vec!["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(ask(&server, "/who", "X-Forwarded-User: alice\r\n").await.status, 401);
}

#[tokio::test]
async fn the_secret_is_needed_where_it_is_set_and_can_be_changed() {
    let secret = |text: &str| Secret::from(text.to_owned());
    let server = Server::start(|settings| settings.identity.secret = secret("first-secret-0123"));
    let with = |text: &str| format!("X-Forwarded-User: alice\r\nX-Kalends-Secret: {text}\r\n");
    assert_eq!(ask(&server, "/who", &with("first-secret-0123")).await.status, 200);
    assert_eq!(ask(&server, "/who", "X-Forwarded-User: alice\r\n").await.status, 401);
    assert_eq!(ask(&server, "/who", &with("first-secret-0124")).await.status, 401);
    let twice = format!("{}X-Kalends-Secret: first-secret-0123\r\n", with("first-secret-0123"));
    assert_eq!(ask(&server, "/who", &twice).await.status, 401);

    let mut settings = Settings::default();
    settings.identity.secret = secret("second-secret-012");
    settings.identity.previous_secret = secret("first-secret-0123");
    server.front.reload(&settings).unwrap();
    assert_eq!(ask(&server, "/who", &with("first-secret-0123")).await.status, 200);
    assert_eq!(ask(&server, "/who", &with("second-secret-012")).await.status, 200);
    settings.identity.previous_secret = Secret::default();
    server.front.reload(&settings).unwrap();
    assert_eq!(ask(&server, "/who", &with("first-secret-0123")).await.status, 401);
}

#[tokio::test]
async fn a_unix_peer_is_known_by_its_user_id() {
    let folder = folder("unix");
    let path = folder.join("http.sock");
    // What a killed server leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut settings = Settings::default();
    settings.server.listen = vec![Listen::Unix(path.clone())];
    settings.server.unix_mode = "0600".into();
    for (uids, status) in [(vec![], 200), (vec![4_000_000_000], 401)] {
        settings.identity.trusted_uids = uids;
        let server = Server::with(&settings, open(&settings).unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut wire = Wire::new(UnixStream::connect(&path).await.unwrap());
        wire.send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
        assert_eq!(wire.answer().await.status, status);
        assert!(open(&settings).unwrap_err().to_string().contains("another server listens there"));
        assert_eq!(server.stop().await.unwrap(), Drained { cut: 0 });
        assert!(!path.exists());
    }
    std::fs::write(&path, "precious").unwrap();
    assert!(open(&settings).unwrap_err().to_string().contains("no socket"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_proxy_may_name_the_request_and_strangers_may_not() {
    let server = Server::start(|_| ());
    let answer = ask(&server, "/id", "X-Request-Id: abc-123\r\n").await;
    assert_eq!((answer.header("x-request-id"), answer.body.as_str()), (Some("abc-123"), "abc-123"));
    for lines in ["", "X-Request-Id: a b\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n"] {
        let answer = ask(&server, "/id", lines).await;
        assert_eq!(answer.header("x-request-id").unwrap(), answer.body);
        assert_eq!(answer.body.len(), 36, "{lines:?}");
    }
    let closed = Server::start(|settings| settings.identity.trusted = vec!["192.0.2.0/24".parse().unwrap()]);
    assert_ne!(ask(&closed, "/id", "X-Request-Id: abc-123\r\n").await.body, "abc-123");
}

// ---- the form of requests ----

#[tokio::test]
async fn targets_and_hosts_are_checked() {
    let server = Server::start(|_| ());
    for (head, status) in [
        ("GET /a HTTP/1.1\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /a HTTP/1.0\r\n\r\n", 404),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a% HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a?b=%4 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eA==\r\nAuthorization: Basic eQ==\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    ] {
        let mut wire = server.connect().await;
        wire.send(head).await;
        assert_eq!(wire.answer().await.status, status, "{head:?}");
    }
}

#[tokio::test]
async fn paths_and_methods_reach_the_service_as_they_were_sent() {
    let server = Server::start(|_| ());
    for (line, seen) in [
        ("PROPFIND /a%40b%2Fc/../d//e?x=%41", "PROPFIND /a%40b%2Fc/../d//e?x=%41"),
        ("propfind /a", "propfind /a?"),
        ("GET http://other.example/a%20b?q", "GET /a%20b?q"),
        ("GET /{a}|b", "GET /{a}|b?"),
    ] {
        let mut wire = server.connect().await;
        wire.send(format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(wire.answer().await.body, seen);
    }
}

#[tokio::test]
async fn what_cannot_be_framed_is_refused_and_the_connection_closed() {
    let server = Server::start(|_| ());
    let twice = "PUT /body HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd";
    let mut wire = server.connect().await;
    wire.send(twice).await;
    assert_eq!(wire.answer().await.status, 400);
    assert!(wire.closes().await);

    // Whether it is answered or not, what follows the chunks must not be taken for a request.
    let both = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: root\r\n\r\n";
    let mut wire = server.connect().await;
    wire.send(both).await;
    let mut answers = Vec::new();
    while let Some(answer) = wire.try_answer().await {
        answers.push(answer.body);
    }
    assert!(answers.len() <= 1 && !answers.contains(&"root".to_owned()), "{answers:?}");
}

// ---- limits ----

#[tokio::test]
async fn too_many_or_too_large_headers_are_answered_431() {
    let server = Server::start(|settings| settings.limits.headers = 20);
    let many = "X-Header: y\r\n".repeat(30);
    assert_eq!(ask(&server, "/who", &many).await.status, 431);
    let large = format!("X-Large: {}\r\n", "y".repeat(40 << 10));
    let mut wire = server.connect().await;
    wire.try_send(format!("GET /who HTTP/1.1\r\nHost: x\r\n{large}\r\n")).await;
    assert_eq!(wire.answer().await.status, 431);
}

#[tokio::test]
async fn bodies_are_bounded_whether_they_declare_their_length_or_not() {
    let server = Server::start(|settings| settings.limits.body_bytes = Size(1024));
    let mut wire = server.connect().await;
    wire.send("PUT /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1025\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 413);

    let mut wire = server.connect().await;
    let chunk = format!("200\r\n{}\r\n", "y".repeat(512));
    wire.send(format!("PUT /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}"))
        .await;
    wire.try_send("1\r\ny\r\n0\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 413);

    let mut wire = server.connect().await;
    wire.send(format!(
        "PUT /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    ))
    .await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "1024"));
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = Server::start(|settings| settings.limits.header_time = SHORT);
    // Nothing; the start of what may become HTTP/2; the start of a request; an idle connection after a request.
    for start in ["", "PRI * HT", "GET / HTTP/1.1\r\nHost:"] {
        let mut wire = server.connect().await;
        wire.send(start).await;
        assert!(wire.closes().await, "{start:?}");
    }
    let mut wire = server.connect().await;
    wire.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 200);
    assert!(wire.closes().await);
}

#[tokio::test]
async fn headers_that_trickle_are_cut_off() {
    let server = Server::start(|settings| settings.limits.header_time = SHORT);
    let mut wire = server.connect().await;
    wire.send("GET / HTTP/1.1\r\n").await;
    let trickle = async {
        loop {
            wire.try_send("X-A: b\r\n").await;
            if tokio::time::timeout(Duration::from_millis(20), wire.exactly(1)).await == Ok(None) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, trickle).await.expect("the server closes");
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let server = Server::start(|settings| settings.limits.body_time = SHORT);
    let mut wire = server.connect().await;
    wire.send("PUT /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").await;
    assert_eq!(wire.answer().await.status, 408);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up() {
    let server = Server::start(|settings| settings.limits.request_time = SHORT);
    let mut wire = server.connect().await;
    wire.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(server.echo.dropped.load(Ordering::SeqCst), 1);
    wire.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 200);
}

#[tokio::test]
async fn requests_beyond_the_limit_are_sent_away_at_once() {
    let server = Server::start(|settings| settings.limits.requests = 1);
    let mut first = server.connect().await;
    first.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| server.echo.waiting.load(Ordering::SeqCst) == 1).await;
    let answer = ask(&server, "/id", "").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.header("x-request-id").is_some());
    server.echo.go.notify_one();
    assert_eq!(first.answer().await.body, "waited");
    assert_eq!(ask(&server, "/id", "").await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let server = Server::start(|settings| settings.limits.connections = 1);
    let mut first = server.connect().await;
    first.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = server.connect().await;
    second.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let early = tokio::time::timeout(Duration::from_millis(200), second.exactly(1)).await;
    assert!(early.is_err(), "the second was served beside the first");
    drop(first);
    assert_eq!(second.answer().await.status, 200);
}

// ---- what browsers may do with answers ----

#[tokio::test]
async fn every_answer_tells_browsers_to_leave_it_alone() {
    let server = Server::start(|settings| settings.limits.body_bytes = Size(1024));
    let large = "X-Forwarded-User: alice\r\nContent-Length: 1025\r\n";
    for (target, lines, status) in [
        ("/who", "X-Forwarded-User: alice\r\n", 200),
        ("/who", "", 401),
        ("/who", "X-Forwarded-User: a/b\r\n", 403),
        ("/nothing", "X-Forwarded-User: alice\r\n", 404),
        ("/%zz", "X-Forwarded-User: alice\r\n", 400),
        ("/body", large, 413),
        ("/panic", "X-Forwarded-User: alice\r\n", 500),
    ] {
        let answer = ask(&server, target, lines).await;
        assert_eq!(answer.status, status, "{target} {lines:?}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{target} {lines:?}");
        }
    }
}

// ---- faults, pipelines, streams ----

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_lives() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    for _ in 0..2 {
        wire.send("GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (500, "internal error"));
        assert!(answer.header("x-request-id").is_some());
    }
    wire.send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
    assert_eq!(wire.answer().await.body, "alice");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order_and_a_broken_one_400() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    let who = |user: &str| format!("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: {user}\r\n\r\n");
    wire.send(format!("{}{}{}", who("alice"), who("bob"), "broken\r\n\r\n")).await;
    assert_eq!(wire.answer().await.body, "alice");
    assert_eq!(wire.answer().await.body, "bob");
    assert_eq!(wire.answer().await.status, 400);
    assert!(wire.closes().await);
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_go_on_only_when_its_body_is_read() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    wire.send("PUT /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 100);
    wire.send("abc").await;
    assert_eq!(wire.answer().await.body, "3");

    let mut wire = server.connect().await;
    wire.send("PUT /early HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    assert_eq!(wire.answer().await.status, 412);
}

#[tokio::test]
async fn what_else_is_expected_is_refused_before_the_body_is_sent() {
    let server = Server::start(|_| ());
    for (version, lines, status) in [
        ("1.1", "Expect: tea\r\n", 417),
        ("1.1", "Expect: 100-continue\r\nExpect: tea\r\n", 417),
        ("1.1", "Expect: 100-continue, \"tea\"\r\n", 417),
        // RFC 9110 §10.1.1: what comes by HTTP/1.0 expects nothing.
        ("1.0", "Expect: tea\r\n", 412),
        ("1.1", "Expect: 100-Continue\r\n", 412),
        ("1.1", "Expect:\r\n", 412),
    ] {
        let mut wire = server.connect().await;
        wire.send(format!("PUT /early HTTP/{version}\r\nHost: x\r\n{lines}Content-Length: 3\r\n\r\n")).await;
        assert_eq!(wire.answer().await.status, status, "{version} {lines:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_shut_out_is_told_so_until_the_settings_say_otherwise() {
    let agents = |agents: &[&str]| agents.iter().map(|agent| (*agent).to_owned()).collect::<Vec<_>>();
    let server = Server::start(|settings| settings.server.reject_agents = agents(&["Broken-*/1.*", "curl"]));
    for (agent, status) in [
        ("User-Agent: broken-client/1.4 (x86)\r\n", 403),
        ("User-Agent: Broken-Client/2.0\r\n", 404),
        ("User-Agent: curl\r\n", 403),
        ("User-Agent: curl/8.0\r\n", 404),
        ("", 404),
    ] {
        let answer = ask(&server, "/nothing", agent).await;
        assert_eq!(answer.status, status, "{agent:?}");
        assert_eq!(answer.body.contains("not let in"), status == 403, "{}", answer.body);
    }
    server.front.reload(&Settings::default()).unwrap();
    assert_eq!(ask(&server, "/nothing", "User-Agent: curl\r\n").await.status, 404);
}

#[tokio::test]
async fn a_coded_stream_that_breaks_off_does_not_look_whole() {
    let server = Server::start(|_| ());
    for coding in ["gzip", "br", "zstd"] {
        let mut wire = server.connect().await;
        for (path, whole) in [("/stream", true), ("/half", false)] {
            wire.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n")).await;
            let head = wire.head().await.to_ascii_lowercase();
            assert!(head.contains(&format!("content-encoding: {coding}\r\n")), "{head}");
            assert_eq!(wire.chunks().await.is_some(), whole, "{coding} {path}");
        }
    }
    let plain = Server::start(|settings| settings.server.compress = false);
    let mut wire = plain.connect().await;
    wire.send("GET /stream HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, *;q=0\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("vary")), ("piece;piece;piece;", None));
}

#[tokio::test]
async fn a_slow_reader_slows_the_feeder_of_a_coded_stream_too() {
    let server = Server::start(|settings| settings.limits.body_time = Span::seconds(1));
    let mut wire = server.connect().await;
    // All the same octet: what goes out is thousands of times less than what is fed.
    wire.send("GET /endless HTTP/1.1\r\nHost: x\r\nAccept-Encoding: zstd\r\n\r\n").await;
    assert!(wire.exactly(100).await.is_some());
    let mut other = server.connect().await;
    for _ in 0..20 {
        let asked = std::time::Instant::now();
        other.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(other.answer().await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "others wait for the coding");
    }
    drop(wire);
    until(|| server.echo.gone.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn an_answer_to_a_body_that_nobody_read_arrives() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    let body = "y".repeat(5 << 20);
    for _ in 0..2 {
        wire.send(format!("PUT /early HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            .await;
        assert_eq!(wire.answer().await.status, 412);
    }
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_taken_in_before_the_connection_is_used_again() {
    let server = Server::start(|settings| settings.limits.body_bytes = Size(64 << 10));
    for expects in ["", "Expect: 100-continue\r\n"] {
        let mut wire = server.connect().await;
        let head = "PUT /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n";
        wire.send(format!("{head}{expects}\r\n")).await;
        if !expects.is_empty() {
            assert_eq!(wire.answer().await.status, 100);
        }
        let piece = format!("10000\r\n{}\r\n", "y".repeat(0x10000));
        wire.send(format!("{piece}{piece}{piece}0\r\n\r\n")).await;
        assert_eq!(wire.answer().await.status, 413, "{expects:?}");
        wire.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(wire.answer().await.status, 200, "{expects:?}");
    }
}

#[tokio::test]
async fn a_half_answer_does_not_look_whole() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    wire.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(wire.answer().await.body, "piece;piece;piece;");
    wire.send("GET /half HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(wire.try_answer().await.is_none());
}

#[tokio::test]
async fn a_head_of_a_stream_has_no_body_and_stops_its_feeder() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    wire.send("HEAD /endless HTTP/1.1\r\nHost: x\r\n\r\nGET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(wire.answer().await.body.len(), 36);
    until(|| server.echo.gone.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn a_slow_reader_slows_its_feeder_and_is_cut_off_when_it_stops() {
    let server = Server::start(|settings| settings.limits.body_time = Span::seconds(1));
    let mut wire = server.connect().await;
    wire.send("GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(wire.exactly(100).await.is_some());
    // Nothing more is read, and the connection stays open on this side.
    until(|| server.echo.gone.load(Ordering::SeqCst) == 1).await;
    let held = server.echo.pieces.load(Ordering::SeqCst) * (64 << 10);
    assert!(held < 64 << 20, "{held} bytes went out to somebody who reads nothing");
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    wire.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| server.echo.waiting.load(Ordering::SeqCst) == 1).await;
    drop(wire);
    until(|| server.echo.dropped.load(Ordering::SeqCst) == 1).await;
}

// ---- HTTP/2, the end, the monitor ----

#[tokio::test]
async fn http_2_is_spoken_where_it_is_spoken_first() {
    let server = Server::start(|_| ());
    let mut wire = server.connect().await;
    let literal =
        |index: u8, text: &str| [&[index, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    // GET, http, /who, authority x, and a new name with its value.
    let head = [
        vec![0x82, 0x86],
        literal(4, "/who"),
        literal(1, "x"),
        literal(0, "x-forwarded-user"),
        literal(5, "alice")[1..].to_vec(),
    ];
    let head = head.concat();
    let frame = |kind: u8, flags: u8, stream: u8, body: &[u8]| {
        [&[0, 0, u8::try_from(body.len()).unwrap(), kind, flags, 0, 0, 0, stream], body].concat()
    };
    wire.send(
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[]), frame(1, 5, 1, &head)].concat(),
    )
    .await;
    let mut status = 0;
    let body = loop {
        let start = wire.exactly(9).await.expect("a frame");
        let length = u32::from_be_bytes([0, start[0], start[1], start[2]]) as usize;
        let body = wire.exactly(length).await.expect("a whole frame");
        match (start[3], start[8]) {
            (0, 1) => break body,
            (1, 1) => status = body[0],
            _ => {}
        }
    };
    assert_eq!((status, body.as_slice()), (0x88, &b"alice"[..]), "0x88 is the status 200");
}

#[tokio::test]
async fn the_end_waits_for_requests_in_flight_and_for_nothing_else() {
    let server = Server::start(|_| ());
    let (echo, address) = (server.echo.clone(), server.address.unwrap());
    let (mut idle, mut silent, mut busy) =
        (server.connect().await, server.connect().await, server.connect().await);
    idle.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(idle.answer().await.status, 200);
    busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| echo.waiting.load(Ordering::SeqCst) == 1).await;
    let end = server.stop();
    assert!(idle.closes().await && silent.closes().await);
    assert!(TcpStream::connect(address).await.is_err(), "it still takes connections");
    assert!(!end.is_finished());
    echo.go.notify_one();
    let answer = busy.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("waited", Some("close")));
    assert_eq!(end.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn what_comes_on_an_open_connection_while_the_server_stops_is_answered_as_its_last() {
    let server = Server::start(|_| ());
    let echo = server.echo.clone();
    let (mut used, mut fresh, mut busy) =
        (server.connect().await, server.connect().await, server.connect().await);
    for wire in [&mut used, &mut busy] {
        wire.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(wire.answer().await.header("connection"), None);
    }
    busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| echo.waiting.load(Ordering::SeqCst) == 1).await;
    let end = server.stop();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for wire in [&mut used, &mut fresh] {
        wire.send("GET /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let answer = wire.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(wire.closes().await);
    }
    echo.go.notify_one();
    assert_eq!(busy.answer().await.body, "waited");
    assert_eq!(end.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let server = Server::start(|settings| settings.limits.drain_time = SHORT);
    let echo = server.echo.clone();
    let mut busy = server.connect().await;
    busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n").await;
    until(|| echo.waiting.load(Ordering::SeqCst) == 1).await;
    assert_eq!(server.stop().await.unwrap(), Drained { cut: 1 });
    assert!(busy.try_answer().await.is_none());
}

#[tokio::test]
async fn the_monitor_tells_of_health_and_figures_and_of_nothing_else() {
    let settings = Settings::default();
    let listener = Listener::open(&Listen::Tcp(([127, 0, 0, 1], 0).into()), &settings).unwrap();
    let address = listener.address().unwrap();
    let health = Arc::new(Health::new(|| async { Ok(()) }));
    let shown = Monitor { health: Arc::clone(&health), exporter: Exporter::install() };
    let front = Arc::new(Front::quiet(&settings).unwrap());
    tokio::spawn(monitor(listener, shown, front, std::future::pending()));

    let server = Server::start(|_| ());
    let mut made_up = server.connect().await;
    made_up.send("FOO1 /id HTTP/1.1\r\nHost: x\r\n\r\n").await;
    made_up.answer().await;

    let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
    for (target, status, part) in [
        ("/livez", 200, "ok"),
        ("/readyz", 200, "ok"),
        ("/healthz", 200, "version"),
        ("/metrics", 200, "kalends_requests_total{method=\"other\",status=\"200\"}"),
        ("/dav/", 404, ""),
    ] {
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.body.contains(part) && !answer.body.contains("FOO1"), "{target}: {}", answer.body);
    }
    health.drain();
    for (target, status) in [("/livez", 200), ("/readyz", 503), ("/healthz", 503)] {
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!(wire.answer().await.status, status, "{target}");
    }
}

#[tokio::test]
async fn systemd_hands_over_its_socket() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The shell puts the socket where systemd would, for only exec keeps the process id it has to name.
    let mut child = Command::new("/bin/sh")
        .args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" --exact --ignored started_by_systemd 3<&0"])
        .arg(std::env::current_exe().unwrap())
        .stdin(OwnedFd::from(listener))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut wire = Wire::new(TcpStream::connect(address).await.unwrap());
    wire.send("GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: alice\r\n\r\n").await;
    let answer = wire.answer().await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.body, "alice");
}

/// The other process of the test above.
#[tokio::test]
#[ignore = "runs only as the child of systemd_hands_over_its_socket"]
async fn started_by_systemd() {
    let mut settings = Settings::default();
    settings.server.listen = vec![Listen::Systemd];
    let _server = Server::with(&settings, open(&settings).unwrap());
    tokio::time::sleep(PATIENCE).await;
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("kalends-front-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder of its own");
    folder
}
