//! `kalends check --proxy` against a real nginx in front of a real server: a good configuration has no finding, and each
//! fault that is seeded into a copy of it has the one that names it.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kalends::config::{HeaderName, Settings};
use kalends::probe::{self, Plan, Report};
use server::Server;
use tokio::net::TcpStream;
use tokio::time::sleep;

const SECRET: &str = "the-secret-of-the-tests";
const FAULTS: &str = include_str!("sso/faults/nginx");

/// A fault that is seeded, and the checks of which one must name it.
struct Fault {
    name: &'static str,
    checks: Vec<&'static str>,
    script: &'static str,
}

fn faults() -> Vec<Fault> {
    let blocks = FAULTS.split("\n== ").skip(1);
    let read = |block: &'static str| {
        let (head, script) = block.split_once('\n').unwrap();
        let (name, checks) = head.split_once(": ").unwrap();
        // What stands in brackets is for people, and for runs against other configurations.
        let name = name.split(' ').next().unwrap();
        Fault { name, checks: checks.split(", ").collect(), script }
    };
    blocks.map(read).collect()
}

/// An nginx in a directory; both go with this.
struct Nginx {
    dir: PathBuf,
    port: u16,
    http: u16,
}

impl Nginx {
    /// One in front of `upstream`, its configuration changed by a script of sed.
    async fn start(name: &str, upstream: &str, script: Option<&str>) -> Self {
        let dir = support::directory().join(format!("probe-{}-{name}", std::process::id()));
        fs::create_dir_all(dir.join("tmp")).unwrap();
        let nginx = Self { port: free_port(), http: free_port(), dir };
        certificate(&nginx.dir);
        let hashed = output(Command::new("openssl").args(["passwd", "-apr1", "alice-secret"]));
        fs::write(nginx.dir.join("htpasswd"), format!("alice:{hashed}\n")).unwrap();
        let mut changed = script.is_none();
        for file in ["nginx.conf", "headers.conf"] {
            let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe").join(file);
            let (path, good) = (nginx.dir.join(file), fs::read_to_string(template).unwrap());
            fs::write(&path, &good).unwrap();
            if let Some(script) = script {
                output(Command::new("sed").args(["-E", "-i", "-e", script]).arg(&path));
                changed |= fs::read_to_string(&path).unwrap() != good;
            }
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, nginx.filled(&text, upstream)).unwrap();
        }
        assert!(changed, "{name} changes nothing");
        output(nginx.command().stderr(Stdio::inherit()));
        nginx.answers().await;
        nginx
    }

    fn filled(&self, text: &str, upstream: &str) -> String {
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let (port, http) = (self.port.to_string(), self.http.to_string());
        [
            ("@DIR@", self.dir.to_str().unwrap()),
            ("@USER@", user),
            ("@UPSTREAM@", upstream),
            ("@SECRET@", SECRET),
            ("@PORT@", &port),
            ("@HTTP@", &http),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn command(&self) -> Command {
        let mut command = Command::new("nginx");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin")).arg("-p").arg(&self.dir);
        command.arg("-e").arg(self.dir.join("error.log")).arg("-c").arg(self.dir.join("nginx.conf"));
        command
    }

    async fn answers(&self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "nginx does not answer");
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            url: format!("https://localhost:{}", self.port),
            user: Some("alice".into()),
            password: Some("alice-secret".into()),
            ca: Some(self.dir.join("ca.pem")),
            resolve: Some(format!("localhost:{}:127.0.0.1", self.port)),
            http_port: Some(self.http),
            ..Plan::default()
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.command().args(["-s", "stop"]).status();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An authority and a certificate for localhost that it signed.
fn certificate(dir: &Path) {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let make = |name: &str, more: &[&str]| {
        let (key, certificate) = (path(&format!("{name}.key")), path(&format!("{name}.pem")));
        let subject = format!("/CN={name}");
        let mut arguments =
            vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        arguments.extend(["-days", "2", "-subj", &subject, "-keyout", &key, "-out", &certificate]);
        arguments.extend(more);
        output(Command::new("openssl").args(arguments).stderr(Stdio::null()));
    };
    make("ca", &[]);
    let (ca, key) = (path("ca.pem"), path("ca.key"));
    let names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
    make("site", &[names.as_slice(), &["-CA", &ca, "-CAkey", &key]].concat());
}

fn settings(settings: &mut Settings) {
    let identity = &mut settings.identity;
    identity.secret = SECRET.to_owned().into();
    identity.email_header = HeaderName::named("X-Forwarded-Email");
    identity.name_header = HeaderName::named("X-Forwarded-Name");
    identity.subject_header = HeaderName::named("X-Forwarded-Sub");
    identity.groups_header = HeaderName::named("X-Forwarded-Groups");
}

/// The settings as the operator has them, of a server that is running.
fn known(server: &Server) -> Settings {
    let mut known = Settings::default();
    settings(&mut known);
    known.server.listen = vec![kalends::config::Listen::Tcp(server.address)];
    known
}

async fn tried(server: &Server, plan: &Plan) -> Report {
    probe::run(plan, known(server), true, &mut |_| ()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_has_no_finding_and_leaves_no_trace() {
    let server = Server::start(settings).await;
    let nginx = Nginx::start("good", &server.address.to_string(), None).await;
    let mut asked = Vec::new();
    let report = probe::run(&nginx.plan(), known(&server), true, &mut |line| asked.push(line.to_owned()))
        .await
        .unwrap();
    let text = report.to_string();
    assert!(report.is_clean(), "{text}");
    assert!(!text.contains("not checked"), "{text}");
    assert!(text.contains("(Nginx), signed in as alice"), "{text}");
    assert!(asked.len() > 600, "{}", asked.len());
    let told = |word: &str| asked.iter().any(|line| line.contains(word)) || text.contains(word);
    assert!(!["alice-secret", "YWxpY2U6", SECRET].into_iter().any(told), "credentials are told");
    let names = support::sql("SELECT string_agg(name, ' ') FROM principal");
    let names: Option<String> = server.db.pool.row(&names, &[]).await.unwrap().at(0).unwrap();
    assert_eq!(names.as_deref(), Some("alice"));
    // What it made for the trial is not in the trash either.
    for (query, expected) in [
        ("SELECT count(*) FROM calendar WHERE trashed IS NULL", 5),
        ("SELECT count(*) FROM calendar WHERE trashed IS NOT NULL", 0),
        ("SELECT count(*) FROM history WHERE trashed", 0),
    ] {
        let left: i64 = server.db.pool.row(&support::sql(query), &[]).await.unwrap().at(0).unwrap();
        assert_eq!(left, expected, "what everybody has, and no more: {query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_seeded_fault_is_named() {
    let faults = faults();
    assert!(faults.len() >= 30, "{}", faults.len());
    // As many at once as processors would have to do.
    let missed = futures_util::stream::iter(faults).map(missed).buffer_unordered(4);
    let missed: Vec<String> = missed.filter_map(|missed| async { missed }).collect().await;
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// What was found instead, if nothing names the fault.
async fn missed(fault: Fault) -> Option<String> {
    let server = Server::start(settings).await;
    let nginx = Nginx::start(fault.name, &server.address.to_string(), Some(fault.script)).await;
    let only = fault.checks.iter().map(|check| (*check).to_owned()).collect();
    let report = tried(&server, &Plan { only, ..nginx.plan() }).await;
    let found = report.findings();
    let named = fault.checks.iter().any(|check| found.contains(check));
    (!named).then(|| format!("{} ({}) gives {found:?}\n{report}", fault.name, fault.checks.join(", ")))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_says_what_it_did_not_check() {
    let server = Server::start(settings).await;
    let nginx = Nginx::start("nobody", &server.address.to_string(), None).await;
    let report = tried(&server, &Plan { user: None, ..nginx.plan() }).await;
    let text = report.to_string();
    assert!(report.is_clean(), "{text}");
    assert!(text.contains("entity-tags: not checked: no credentials were given"), "{text}");
    assert!(text.contains("ok      forged-user"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!((&json["clean"], &json["kind"]), (&true.into(), &"nginx".into()));
}

#[tokio::test]
async fn what_could_not_be_asked_does_not_hold() {
    // A site that shuts its visitor out after the first answer, as fail2ban would.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let site = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        let (mut first, _) = listener.accept().unwrap();
        let mut asked = [0; 4096];
        assert!(first.read(&mut asked).unwrap() > 0);
        first
            .write_all(b"HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let plan = Plan { url, ..Plan::default() };
    let report = probe::run(&plan, Settings::default(), false, &mut |_| ()).await.unwrap();
    site.join().unwrap();
    let told = report.to_string();
    assert!(!told.contains("\n  ok ") && told.contains("requests could not reach the proxy"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kalends_itself_is_tried_without_the_proxy() {
    let server =
        Server::start(|settings| settings.identity.email_header = HeaderName::named("X-Forwarded-Email"))
            .await;
    let nginx = Nginx::start("bare", &server.address.to_string(), None).await;
    let mut known = known(&server);
    known.identity.secret = String::new().into();
    known.server.public_url = Some("https://cal.example.org".parse().unwrap());
    let report = probe::run(&nginx.plan(), known, true, &mut |_| ()).await.unwrap();
    let text = report.to_string();
    assert!(report.findings().contains(&"own-listeners"), "{text}");
    assert!(text.contains("BREAKS  public-names: server.public_url is https://cal.example.org"), "{text}");
}

#[test]
fn exit_codes_tell_apart_what_was_found_and_what_could_not_be_tried() {
    let check = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
        command.arg("check").args(arguments).env_remove("KALENDS_CONFIG").output().unwrap()
    };
    let nobody = check(&["--proxy", &format!("http://127.0.0.1:{}", free_port())]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("cannot be reached"));
    assert_eq!(check(&["--proxy", "http://127.0.0.1:1", "--user", "alice"]).status.code(), Some(2));
    let listens = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listens.local_addr().unwrap());
    assert_eq!(check(&["--proxy", &url, "--only", "no-such-check"]).status.code(), Some(2));
    assert_eq!(check(&["--user", "alice"]).status.code(), Some(2));
}
