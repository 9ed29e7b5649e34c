//! kalends as a service of systemd: its units, what it tells systemd, and that a restart under load loses no request.

#![allow(clippy::unwrap_used)]

#[path = "support/fastcgi.rs"]
mod fastcgi;
#[path = "support/server.rs"]
mod server;
#[path = "systemd/service.rs"]
mod service;
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use server::{Client, event};
use service::Systemd;
use tokio::net::TcpStream;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd").join(name)
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

// ---- the files of deploy/systemd ----

const UNITS: [&str; 4] = ["kalends.service", "kalends.socket", "kalends-api.socket", "kalends-check.socket"];

#[test]
fn the_units_are_sound() {
    let dir = support::directory().join(format!("units-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let verify = |change: &dyn Fn(String) -> String| {
        for unit in UNITS {
            // The programs need not be installed where the units are looked at.
            let text = std::fs::read_to_string(deploy(unit)).unwrap();
            let text = text.replace("/usr/local/bin/kalends ", "/bin/sh ").replace("/bin/kill ", "/bin/sh ");
            std::fs::write(dir.join(unit), change(text)).unwrap();
        }
        let units: Vec<String> = UNITS.map(|name| dir.join(name).to_str().unwrap().to_owned()).into();
        let words = ["verify", "--recursive-errors=no", "--man=no"].into_iter();
        run("systemd-analyze", &words.chain(units.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    let output = verify(&|text| text);
    assert!(output.status.success() && words(&output).is_empty(), "{}", words(&output));
    let output = verify(&|text| text.replace("Backlog=", "Backlogs="));
    assert!(!output.status.success() && words(&output).contains("Backlogs"), "a fault is not seen");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_service_can_do_little() {
    let security = |most: &str| {
        let unit = deploy("kalends.service");
        let threshold = format!("--threshold={most}");
        run("systemd-analyze", &["security", "--offline=true", &threshold, unit.to_str().unwrap()])
    };
    // In tenths: the exposure is at most 1.5, and it is not 0.
    let output = security("15");
    assert!(output.status.success(), "{}", words(&output));
    assert!(!security("1").status.success());
}

#[test]
fn the_service_sees_by_which_user_a_proxy_runs() {
    // In a user namespace of its own the kernel tells every other user as 65534, and `trusted_uids` fits nobody.
    let unit = std::fs::read_to_string(deploy("kalends.service")).unwrap();
    for namespace in ["PrivateUsers=yes", "PrivateUsers=true", "PrivateUsers=self"] {
        assert!(!unit.lines().any(|line| line == namespace), "{namespace}");
    }
    let settings = std::fs::read_to_string(deploy("kalends.toml")).unwrap();
    assert!(settings.lines().any(|line| line.starts_with("trusted_uids = [33]")), "{settings}");
}

#[test]
fn the_example_of_settings_is_read_with_the_credentials_of_the_unit() {
    let dir = support::directory().join(format!("credentials-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let unit = std::fs::read_to_string(deploy("kalends.service")).unwrap();
    for credential in unit.lines().filter_map(|line| line.strip_prefix("LoadCredential=")) {
        let name = credential.split(':').next().unwrap();
        std::fs::write(dir.join(name), "postgresql://nobody@127.0.0.1:1/none\n").unwrap();
    }
    let check = |credentials: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
        command.arg("check").arg("--config").arg(deploy("kalends.toml"));
        words(&command.env("CREDENTIALS_DIRECTORY", credentials).output().unwrap())
    };
    let said = check(&dir);
    assert!(said.contains("The settings are sound") && !said.contains("Mind"), "{said}");
    assert!(check(Path::new("/nonexistent")).contains("database-url"));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_rest_service_may_use_the_socket_of_calendars() {
    // It is the same process, and asks for calendars as any other would.
    let user = |unit: &str| {
        let text = std::fs::read_to_string(deploy(unit)).unwrap();
        let of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        of("User=").or_else(|| of("SocketUser="))
    };
    assert_eq!(user("kalends.socket"), user("kalends.service"));
}

/// Calendars, the REST service and Apache's questions come in by sockets of one process, which their names tell apart.
#[tokio::test(flavor = "multi_thread")]
async fn each_socket_of_systemd_leads_to_its_service() {
    let db = support::database().await;
    let dir = support::directory().join(format!("sockets-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let settings = format!(
        "server.listen = [\"systemd\"]\napi.listen = \"systemd\"\napi.fastcgi = \"systemd\"\nmonitor.listen = \"\"\n\
         identity.auth_type_header = \"default\"\nidentity.credential_types = [\"app-password\"]\ndatabase.url = \"{}\"\n",
        db.url
    );
    std::fs::write(dir.join("kalends.toml"), settings).unwrap();
    let check = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = |name: &str| dir.join(name);
    // As the units call them, in an order that says nothing.
    let mut child = Command::new("systemd-socket-activate")
        .args(["--fdname=check:kalends.socket:api", "-l", &check.to_string(), "-l"])
        .arg(socket("kalends.sock"))
        .arg("-l")
        .arg(socket("api.sock"))
        .args([env!("CARGO_BIN_EXE_kalends"), "serve", "--config"])
        .arg(dir.join("kalends.toml"))
        .stderr(std::fs::File::create(dir.join("log")).unwrap())
        .spawn()
        .unwrap();
    let log = || std::fs::read_to_string(dir.join("log")).unwrap();
    let connected = async |name: &str| loop {
        match Client::unix(&dir.join(name), "alice").await {
            Ok(client) => break client.always("X-Forwarded-Auth-Type", "session"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let mut rest = tokio::time::timeout(Duration::from_mins(1), connected("api.sock")).await.unwrap();
    let me = rest.ask("GET /api/v1.0/users/me/", &[], "").await;
    assert_eq!(me.status, 200, "{} {}", me.text(), log());
    let mut calendars = connected("kalends.sock").await;
    assert_eq!(calendars.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207, "{}", log());
    assert_ne!(calendars.ask("GET /api/v1.0/users/me/", &[], "").await.status, 200);
    let told = fastcgi::ask(check, "alice", "wrong", "192.0.2.1").await;
    assert!(told.contains("Status: 401"), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();
    // What is missing is named.
    let output = Command::new(env!("CARGO_BIN_EXE_kalends"))
        .args(["api", "--config"])
        .arg(dir.join("kalends.toml"))
        .env("KALENDS__API__CALDAV", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert!(
        !output.status.success() && words(&output).contains("FileDescriptorName=api"),
        "{}",
        words(&output)
    );
    std::fs::remove_dir_all(dir).unwrap();
}

// ---- what systemd is told ----

#[tokio::test]
async fn systemd_is_told_what_the_service_does() {
    let db = support::database().await;
    let systemd = Systemd::new("told", &format!("database.url = \"{}\"\nmonitor.listen = \"\"", db.url));
    let service = systemd.start();
    let ready = systemd.hear("READY=1");
    assert!(ready.contains("STATUS=kalends is listening on systemd"), "{ready}");
    let started = Instant::now();
    for _ in 0..3 {
        systemd.hear("WATCHDOG=1");
    }
    assert!(started.elapsed() < Duration::from_secs(2), "too slow for WatchdogSec=");
    service.signal(Signal::HUP);
    let reloading = systemd.hear("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    systemd.hear("READY=1");
    service.signal(Signal::TERM);
    systemd.hear("STOPPING=1");
    assert!(service.ended().success(), "{}", systemd.log());
}

// ---- restarts ----

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const WORKERS: usize = 4;
/// Between two requests of a worker.
const PAUSE: Duration = Duration::from_millis(12);

/// A way to the service.
#[derive(Clone, Debug)]
enum Way {
    Socket(PathBuf),
    /// By its port.
    Proxy(u16),
}

impl Way {
    async fn client(&self) -> Client {
        match self {
            Self::Socket(path) => Client::unix(path, "alice").await.unwrap(),
            Self::Proxy(port) => {
                Client::new(TcpStream::connect(("127.0.0.1", *port)).await.unwrap(), "alice")
            }
        }
    }
}

/// What a worker has seen: answers, those that were lost, and the longest wait.
#[derive(Debug, Default)]
struct Seen {
    answers: usize,
    lost: Vec<String>,
    longest: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_lose_no_request() {
    restarts(5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the same for longer, in `make soak`"]
async fn many_restarts_under_load_lose_no_request() {
    restarts(60).await;
}

async fn restarts(times: u32) {
    let db = support::database().await;
    let settings = format!("database.url = \"{}\"\nmonitor.listen = \"\"\nlog.level = \"warn\"", db.url);
    let systemd = Systemd::new("restart", &settings);
    let mut service = systemd.start();
    systemd.hear("READY=1");
    let proxies = [Proxy::start("nginx", &systemd), Proxy::start("apache", &systemd)];
    let ways = proxies.iter().map(|proxy| Way::Proxy(proxy.port));
    let over = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for way in ways.chain([Way::Socket(systemd.socket())]) {
        for number in 0..WORKERS {
            workers.push((way.clone(), tokio::spawn(work(way.clone(), number, Arc::clone(&over)))));
        }
    }
    let started = Instant::now();
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(400)).await;
        service.signal(Signal::TERM);
        assert!(tokio::task::block_in_place(|| service.ended()).success(), "{}", systemd.log());
        service = systemd.start();
        tokio::task::block_in_place(|| systemd.hear("READY=1"));
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    over.store(true, Relaxed);
    let (mut answers, mut lost) = (0, Vec::new());
    for (way, worker) in workers {
        let seen = worker.await.unwrap();
        println!("{way:?}: {} answers, longest {} ms", seen.answers, seen.longest.as_millis());
        assert!(seen.answers > 5, "{way:?} did not take part: {seen:?}");
        answers += seen.answers;
        lost.extend(seen.lost.into_iter().map(|what| format!("{way:?}: {what}")));
    }
    println!("{answers} answers in {:.1} s, {} lost", started.elapsed().as_secs_f32(), lost.len());
    assert!(lost.is_empty(), "{lost:#?}\n{}", systemd.log());
}

async fn work(way: Way, number: usize, over: Arc<AtomicBool>) -> Seen {
    let mut client = way.client().await;
    let mut seen = Seen::default();
    let object = format!("{CALENDAR}{number}.ics");
    for turn in number.. {
        if over.load(Relaxed) {
            break;
        }
        let (line, headers, body, right): (String, &[(&str, &str)], String, &[u16]) = match turn % 4 {
            0 => (
                format!("PUT {object}"),
                &[("Content-Type", "text/calendar")],
                event(&object, "x"),
                &[201, 204],
            ),
            1 => (format!("GET {object}"), &[], String::new(), &[200, 404]),
            2 => (format!("PROPFIND {CALENDAR}"), &[("Depth", "1")], String::new(), &[207]),
            _ => (format!("REPORT {CALENDAR}"), &[], SYNC.to_owned(), &[207]),
        };
        let asked = Instant::now();
        let answer = client.try_ask(&line, headers, body).await;
        seen.longest = seen.longest.max(asked.elapsed());
        seen.answers += 1;
        match &answer {
            Ok(answer) if right.contains(&answer.status) => {}
            Ok(answer) => seen.lost.push(format!("{line}: {} {}", answer.status, answer.text())),
            Err(gone) => seen.lost.push(format!("{line}: {gone:?}")),
        }
        if !answer.is_ok_and(|answer| answer.header("connection") != Some("close")) {
            client = way.client().await;
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
}

const SYNC: &str = "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token/><D:sync-level>1</D:sync-level>\
                    <D:prop><D:getetag/></D:prop></D:sync-collection>";

/// A real proxy in front of the socket, for which everybody is alice.
struct Proxy {
    name: &'static str,
    dir: PathBuf,
    port: u16,
}

impl Proxy {
    fn start(name: &'static str, systemd: &Systemd) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let proxy = Self { name, dir: systemd.dir.join(name), port };
        let upstream = format!("http://unix:{}", systemd.socket().display());
        proxy.script(&["start", proxy.dir.to_str().unwrap(), &port.to_string(), &upstream]);
        proxy
    }

    fn script(&self, arguments: &[&str]) {
        let script = format!("{}/tests/tools/{}.sh", env!("CARGO_MANIFEST_DIR"), self.name);
        let mut command = Command::new(script);
        let status = command.args(arguments).env("NGINX_AS", "alice").env("APACHE_AS", "alice").status();
        assert!(status.unwrap().success(), "{} {arguments:?}", self.name);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.script(&["stop", self.dir.to_str().unwrap()]);
    }
}
