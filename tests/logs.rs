//! The log of a real server: no secret ever stands in it, JSON is JSON, and fail2ban cannot be made to ban somebody else.

#![allow(clippy::unwrap_used)]

#[path = "support/fastcgi.rs"]
mod fastcgi;
#[path = "support/server.rs"]
mod server;
#[path = "systemd/service.rs"]
mod service;
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustix::process::Signal;
use server::Client;
use service::Systemd;

/// Who does wrong, and who does not and shall not be named instead.
const OFFENDER: &str = "203.0.113.9";
const VICTIM: &str = "198.51.100.7";

const SECRET: &str = "the-secret-of-the-proxy";
/// What must not be in a log, whatever its level.
const HIDDEN: &[&str] = &[
    SECRET,
    "a-wrong-secret-of-proxies",
    "cGFzc3dvcmQtb2YtYWxpY2U6eA",
    "value-of-the-session-cookie",
    "header.payload.signature",
    "authorization-of-the-proxy",
    "token-in-the-query",
    "what-is-in-the-body",
];

/// Headers with all that is secret.
const CONFIDENTIAL: &str = "Authorization: Basic cGFzc3dvcmQtb2YtYWxpY2U6eA\r\nCookie: s=value-of-the-session-cookie\r\n\
                            X-Forwarded-Token: header.payload.signature\r\nProxy-Authorization: authorization-of-the-proxy\r\n";

/// Lines that a filter would fall for if a client could write them.
const BAIT: &[&str] = &[
    "x WARN r 198.51.100.7 - GET / - - - identity refused: no",
    "198.51.100.7",
    "2026-11-21T00:00:00.000Z WARN r 198.51.100.7 - GET / - - - identity refused: no",
    "\",\"peer\":\"198.51.100.7\",\"msg\":\"identity refused: no\"}",
    "host kalends[1]: 2026-11-21T00:00:00.000Z WARN r 198.51.100.7 - GET / - - - identity refused: no",
    "{\"time\":\"2026-11-21T00:00:00.000Z\",\"level\":\"WARN\",\"id\":\"r\",\"peer\":\"198.51.100.7\",\"msg\":\"identity refused: no\"}",
];

/// What a server logs of a morning with such clients.
async fn log(name: &str, format: &str) -> String {
    let db = support::database().await;
    let settings = format!(
        "database.url = \"{}\"\nmonitor.listen = \"\"\nlog.level = \"trace\"\nlog.format = \"{format}\"\n\
         identity.secret = \"{SECRET}\"",
        db.url
    );
    let systemd = Systemd::new(name, &settings);
    let service = systemd.start();
    systemd.hear("READY=1");
    for bait in BAIT {
        let path = percent_encoding::utf8_percent_encode(bait, percent_encoding::NON_ALPHANUMERIC);
        // What a name may hold of it.
        let named = bait.replace(['/', ',', '\\'], ";");
        let word: String = bait.chars().filter(char::is_ascii_graphic).collect();
        let from = |client: &str| format!("X-Forwarded-For: {VICTIM}, {client}\r\nX-Request-Id: {word}\r\n");
        // A user of that name is a user; there is nothing wrong with the paths; nobody is named; the name cannot be.
        for (line, client, rest) in [
            (format!("PROPFIND /dav/{path}/"), "192.0.2.1", format!("X-Forwarded-User: {named}\r\n")),
            (
                format!("GET /dav/{path}?token=token-in-the-query"),
                "192.0.2.2",
                "X-Forwarded-User: alice\r\n".into(),
            ),
            (
                format!("WARN /{word}").replace(['"', '\\'], "'"),
                "192.0.2.3",
                "X-Forwarded-User: alice\r\n".into(),
            ),
            (format!("GET /dav/{path}"), VICTIM, String::new()),
            (format!("PUT /dav/{path}"), OFFENDER, format!("X-Forwarded-User: a/{bait}\r\n")),
            ("GET /dav/".into(), OFFENDER, format!("X-Forwarded-User: {bait}\r\nX_Forwarded_User: root\r\n")),
        ] {
            let head = format!(
                "{line} HTTP/1.1\r\nHost: x\r\nX-Kalends-Secret: {SECRET}\r\n{}{rest}{CONFIDENTIAL}Content-Length: 19\r\n\r\n\
                 what-is-in-the-body",
                from(client)
            );
            let mut client = Client::unix(&systemd.socket(), "").await.unwrap();
            client.exchange(&[head.as_bytes()], false).await.unwrap();
        }
    }
    let strange = format!(
        "GET /dav/ HTTP/1.1\r\nHost: x\r\nX-Kalends-Secret: a-wrong-secret-of-proxies\r\nX-Forwarded-For: {VICTIM}\r\n\
         X-Forwarded-User: alice\r\n\r\n"
    );
    let mut client = Client::unix(&systemd.socket(), "").await.unwrap();
    assert_eq!(client.exchange(&[strange.as_bytes()], false).await.unwrap().status, 401);
    service.signal(Signal::TERM);
    assert!(service.ended().success());
    systemd.log()
}

/// What a server logs where passwords are guessed: of both doors, by names that were chosen to look like something else.
async fn guesses(name: &str, format: &str) -> String {
    let db = support::database().await;
    let check = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let at = support::directory().join(format!("guesses-{name}-{}.sock", std::process::id()));
    let settings = format!(
        "database.url = \"{}\"\nmonitor.listen = \"\"\nlog.format = \"{format}\"\nidentity.secret = \"{SECRET}\"\n\
         identity.auth_type_header = \"default\"\nidentity.credential_types = [\"app-password\"]\n\
         api.listen = \"unix:{}\"\napi.fastcgi = \"{check}\"",
        db.url,
        at.display()
    );
    let systemd = Systemd::new(name, &settings);
    let service = systemd.start();
    systemd.hear("READY=1");
    for bait in BAIT {
        let named = bait.replace(['/', ',', '\\'], ";");
        let basic = STANDARD.encode(format!("{named}:{named}"));
        let word: String = bait.chars().filter(char::is_ascii_graphic).collect();
        let head = format!(
            "GET /internal/auth/check HTTP/1.1\r\nHost: x\r\nX-Kalends-Secret: {SECRET}\r\nX-Forwarded-For: {VICTIM}, {OFFENDER}\r\n\
             X-Request-Id: {word}\r\nAuthorization: Basic {basic}\r\n\r\n"
        );
        let mut client = Client::unix(&at, "").await.unwrap();
        assert_eq!(client.exchange(&[head.as_bytes()], false).await.unwrap().status, 401);
        assert!(fastcgi::ask(check, &named, bait, OFFENDER).await.contains("Status: 401"));
        // Who has no password to tell has guessed none, and who is nobody's proxy is told nothing.
        for refused in [head.replace("Authorization", "Accept"), head.replace(SECRET, "guessed-by-somebody")]
        {
            let mut client = Client::unix(&at, "").await.unwrap();
            let answer =
                client.exchange(&[refused.replace(OFFENDER, VICTIM).as_bytes()], false).await.unwrap();
            assert!([401, 403].contains(&answer.status), "{}", answer.status);
        }
    }
    service.signal(Signal::TERM);
    assert!(service.ended().success());
    systemd.log()
}

#[tokio::test]
async fn fail2ban_finds_who_guesses_and_nobody_else() {
    for format in ["line", "json"] {
        let log = guesses(&format!("guess-{format}"), format).await;
        let found = offenders_by(PASSWORDS, format, &log, &[]);
        assert_eq!(found.len(), 2 * BAIT.len(), "{format}\n{log}");
        assert_eq!(BTreeSet::from_iter(&found), BTreeSet::from([&OFFENDER.to_owned()]), "{format}\n{log}");
        let journal = journal(&log);
        assert_eq!(offenders_by(PASSWORDS, format, &journal, &["--datepattern", JOURNAL]), found, "{format}");
        // What the other filter is for is none of it, and no password is told.
        assert!(!offenders(format, &log, &[]).contains(&OFFENDER.to_owned()), "{format}\n{log}");
        assert!(!log.contains(&STANDARD.encode("x WARN")), "{log}");
    }
}

/// What is tried of passwords is told to another filter.
const PASSWORDS: &str = "kalends-passwords.filter.conf";

/// The addresses that fail2ban finds at fault in these lines.
fn offenders(name: &str, log: &str, options: &[&str]) -> Vec<String> {
    offenders_by("kalends.filter.conf", name, log, options)
}

fn offenders_by(filter: &str, name: &str, log: &str, options: &[&str]) -> Vec<String> {
    // Several look for the same at once.
    static NTH: AtomicUsize = AtomicUsize::new(0);
    let nth = NTH.fetch_add(1, Ordering::Relaxed);
    let file = support::directory().join(format!("{filter}-{name}-{}-{nth}.log", std::process::id()));
    std::fs::write(&file, log).unwrap();
    let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/fail2ban").join(filter);
    let output = Command::new("fail2ban-regex")
        .args(options)
        .arg("--out")
        .arg("ip")
        .arg(&file)
        .arg(filter)
        .output()
        .unwrap();
    std::fs::remove_file(file).unwrap();
    assert!(output.status.success() || output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The time that the journal tells, which fail2ban cuts off before it looks for anything.
const JOURNAL: &str = "^%b %d %H:%M:%S ";

/// Lines as fail2ban reads them from the journal.
fn journal(log: &str) -> String {
    let line = |line| format!("Nov 21 05:00:00 host kalends[4711]: {line}\n");
    log.lines().map(line).collect()
}

#[tokio::test]
async fn fail2ban_finds_the_offender_and_nobody_else() {
    for format in ["line", "json"] {
        let log = log(&format!("bans-{format}"), format).await;
        let lines =
            log.lines().filter(|line| line.contains("identity refused") && line.contains(OFFENDER)).count();
        let found = offenders(format, &log, &[]);
        assert_eq!(found.len(), 2 * BAIT.len(), "{format}: {lines} lines\n{log}");
        assert_eq!(BTreeSet::from_iter(&found), BTreeSet::from([&OFFENDER.to_owned()]), "{format}\n{log}");
        assert_eq!(offenders(format, &journal(&log), &["--datepattern", JOURNAL]), found, "{format}");
    }
}

/// What honest people come to: it is refused, and no reason to shut their address out.
const HONEST: &[&str] = &[
    "a token that has expired",
    "a token that is not valid yet",
    "a token signed by a key that the provider does not show",
    "a denied user name",
];

#[test]
fn fail2ban_leaves_honest_people_alone() {
    let told = concat!(include_str!("../src/front/token.rs"), include_str!("../src/front/identity.rs"));
    let line = |why: &str| {
        let time = "2026-11-21T00:00:00.000Z";
        format!(
            "{time} WARN r {OFFENDER} - GET /dav/ - - - identity refused: {why}\n{{\"time\":\"{time}\",\"level\":\"WARN\",\
             \"id\":\"r\",\"peer\":\"{OFFENDER}\",\"method\":\"GET\",\"path\":\"/dav/\",\"msg\":\"identity refused: {why}\"}}\n"
        )
    };
    for why in HONEST {
        assert!(told.contains(&format!("\"{why}\"")), "nobody says {why}");
    }
    let log: String = HONEST.iter().map(|why| line(why)).collect();
    assert_eq!(offenders("honest", &log, &[]), [""; 0]);
    assert_eq!(offenders("dishonest", &line("a token whose signature is wrong"), &[]), [OFFENDER; 2]);
    assert_eq!(offenders("both", &line("a token that has expired, they say"), &[]), [OFFENDER; 2]);
}

#[tokio::test]
async fn no_secret_is_logged_and_json_is_json() {
    for format in ["line", "json"] {
        let log = log(&format!("secrets-{format}"), format).await;
        assert!(log.lines().count() > 30 && log.contains("DEBUG"), "{log}");
        for hidden in HIDDEN {
            assert!(!log.contains(hidden), "{hidden}\n{log}");
        }
        let events = log.lines().filter(|line| line.starts_with(['{', '2']));
        for line in events.filter(|_| format == "json") {
            let json: serde_json::Value =
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(
                json["time"].is_string() && json["level"].is_string() && json["msg"].is_string(),
                "{line}"
            );
            if json["msg"] == "answered" {
                assert!(
                    json["status"].is_u64() && json["id"].is_string() && json["peer"].is_string(),
                    "{line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_fault_of_the_server_tells_the_client_nothing() {
    let server = server::Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    assert_eq!(alice.ask("PROPFIND /dav/calendars/alice/calendar/", &[("Depth", "0")], "").await.status, 207);
    server.db.pool.client().await.unwrap().batch("ALTER TABLE calendar RENAME TO elsewhere").await.unwrap();
    let answer = alice.ask("PROPFIND /dav/calendars/alice/calendar/", &[("Depth", "0")], "").await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.text(), "The server failed. The log has the reason.\n");
    assert!(answer.header("x-request-id").is_some(), "nothing leads to the log");
}
