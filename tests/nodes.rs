//! Passwords for single programs on several nodes: processes of their own that lose the connection by which they hear what is
//! revoked; and strangers who guess, and learn nothing by it.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use kalends::config::{HeaderName, Settings};
use rest::{Json, Rest};
use serde_json::{Value, json};
use server::{Answer, Client, Server};
use support::sql;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const KIND: &str = "X-Forwarded-Auth-Type";
/// Longer than any start takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// Held by each test, for the statements of all are counted.
static ALONE: Mutex<()> = Mutex::const_new(());
static STATEMENTS: AtomicUsize = AtomicUsize::new(0);

struct Count;

impl<S: tracing::Subscriber> Layer<S> for Count {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, within: Context<'_, S>) {
        let asked = span.metadata().name() == "statement" && within.current_span().id().is_some();
        STATEMENTS.fetch_add(usize::from(asked), Relaxed);
    }
}

fn with_passwords(settings: &mut Settings) {
    settings.identity.auth_type_header = HeaderName::named(KIND);
    settings.identity.credential_types = vec!["app-password".into()];
}

/// A `kalends api` of its own; gone with this.
struct Node {
    dir: PathBuf,
    child: Child,
}

impl Node {
    async fn start(name: &str, database: &str, caldav: &Server) -> Self {
        let dir = support::directory().join(format!("node-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let settings = format!(
            "monitor.listen = \"\"\nlog.level = \"warn\"\ndatabase.url = \"{database}\"\n\
             identity.auth_type_header = \"default\"\nidentity.credential_types = [\"app-password\"]\n\
             api.listen = \"unix:{}/api.sock\"\napi.caldav = \"http://{}\"\n",
            dir.display(),
            caldav.address
        );
        fs::write(dir.join("settings.toml"), settings).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_kalends"))
            .args(["api", "--config"])
            .arg(dir.join("settings.toml"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let node = Self { dir, child };
        let up = async {
            while Client::unix(&node.socket(), "").await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let log = || fs::read_to_string(node.dir.join("log")).unwrap();
        timeout(PATIENCE, up).await.unwrap_or_else(|_| panic!("{}", log()));
        node
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("api.sock")
    }

    async fn check(&self, secret: &str) -> u16 {
        check(&mut self.client("").await, "alice", secret).await.status
    }

    async fn client(&self, user: &str) -> Client {
        Client::unix(&self.socket(), user).await.unwrap()
    }

    /// Alice there, signed in.
    async fn alice(&self) -> Json {
        Json(self.client("alice").await.always(KIND, "session"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

async fn check(proxy: &mut Client, user: &str, secret: &str) -> Answer {
    let both = format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
    let headers = [("Authorization", both.as_str()), ("X-Forwarded-For", "192.0.2.1")];
    proxy.ask("GET /internal/auth/check", &headers, "").await
}

async fn made(alice: &mut Json) -> (String, String) {
    let (status, made) = alice.call("POST", "app-passwords/", json!({ "label": "Phone" })).await;
    assert_eq!(status, 201, "{made}");
    (format!("app-passwords/{}/", made["id"].as_str().unwrap()), made["secret"].as_str().unwrap().to_owned())
}

/// Waits until that many listen for what is revoked.
async fn heard_by(caldav: &Server, nodes: i64) {
    let count = sql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    );
    let all = async {
        while caldav.db.pool.row(&count, &[]).await.unwrap().at::<i64>(0).unwrap() != nodes {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, all).await.expect("who listens");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_of_no_use_on_a_node_that_was_cut_off() {
    let _alone = ALONE.lock().await;
    let caldav = Server::start(with_passwords).await;
    let url = caldav.db.url.clone();
    let (one, two) = (Node::start("one", &url, &caldav).await, Node::start("two", &url, &caldav).await);
    let mut alice = one.alice().await;
    heard_by(&caldav, 2).await;
    let client = caldav.db.pool.client().await.unwrap();
    for round in 0..3 {
        let (path, secret) = made(&mut alice).await;
        for _ in 0..3 {
            assert_eq!((one.check(&secret).await, two.check(&secret).await), (204, 204));
        }
        // Both lose their ears; what they do not hear now they are not told later.
        client
            .batch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
            .await
            .unwrap();
        heard_by(&caldav, 0).await;
        assert_eq!(alice.call("DELETE", &path, Value::Null).await.0, 204);
        assert_eq!(one.check(&secret).await, 401);
        let told = async { while two.check(&secret).await == 204 {} };
        timeout(Duration::from_secs(10), told).await.unwrap_or_else(|_| panic!("round {round}"));
        // They look each time while they hear nothing, and hear again.
        let (path, secret) = made(&mut alice).await;
        assert_eq!((one.check(&secret).await, two.check(&secret).await), (204, 204));
        assert_eq!(alice.call("DELETE", &path, Value::Null).await.0, 204);
        assert_eq!((one.check(&secret).await, two.check(&secret).await), (401, 401));
        heard_by(&caldav, 2).await;
        let (path, secret) = made(&mut alice).await;
        assert_eq!((one.check(&secret).await, two.check(&secret).await), (204, 204));
        assert_eq!(alice.call("DELETE", &path, Value::Null).await.0, 204);
        let told = async { while two.check(&secret).await == 204 {} };
        timeout(Duration::from_secs(10), told).await.unwrap_or_else(|_| panic!("round {round}"));
    }
}

/// Between a node and the database: once it is told so, the connection that listens carries nothing more, and nobody learns it.
fn between(dir: &Path, server: PathBuf, deaf: Arc<AtomicBool>) {
    fs::create_dir_all(dir).unwrap();
    let listener = UnixListener::bind(dir.join(".s.PGSQL.5432")).unwrap();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = UnixStream::connect(&server).await.unwrap();
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let listens = Arc::new(AtomicBool::new(false));
            tokio::spawn(carry(near_in, far_out, Arc::clone(&listens), Arc::clone(&deaf)));
            tokio::spawn(carry(far_in, near_out, listens, Arc::clone(&deaf)));
        }
    });
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    listens: Arc<AtomicBool>,
    deaf: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if buffer[..count].windows(7).any(|word| word == b"LISTEN ") {
            listens.store(true, Relaxed);
        }
        if !(listens.load(Relaxed) && deaf.load(Relaxed)) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute, in `make soak`"]
async fn what_is_revoked_is_of_no_use_after_a_minute_on_a_node_that_does_not_know_that_it_is_deaf() {
    let _alone = ALONE.lock().await;
    let caldav = Server::start(with_passwords).await;
    let url = caldav.db.url.clone();
    let (before, rest) = url.split_once("host=").expect("a socket");
    let (place, after) =
        rest.split_once('&').map_or((rest, String::new()), |(at, more)| (at, format!("&{more}")));
    let place = percent_encoding::percent_decode_str(place).decode_utf8().unwrap().into_owned();
    let dir = support::directory().join(format!("between-{}", std::process::id()));
    let deaf = Arc::new(AtomicBool::new(false));
    between(&dir, Path::new(&place).join(".s.PGSQL.5432"), Arc::clone(&deaf));
    let through = format!("{before}host={}{after}", dir.display());
    let (one, two) = (Node::start("near", &url, &caldav).await, Node::start("far", &through, &caldav).await);
    let mut alice = one.alice().await;
    heard_by(&caldav, 2).await;
    let (path, secret) = made(&mut alice).await;
    assert_eq!((one.check(&secret).await, two.check(&secret).await), (204, 204));
    deaf.store(true, Relaxed);
    assert_eq!(alice.call("DELETE", &path, Value::Null).await.0, 204);
    assert_eq!(one.check(&secret).await, 401);
    let (revoked, mut believed) = (Instant::now(), 0);
    while two.check(&secret).await == 204 {
        assert!(revoked.elapsed() < Duration::from_secs(61), "it lives on");
        believed += 1;
        sleep(Duration::from_millis(100)).await;
    }
    println!("believed {believed} times, for {:.1} s", revoked.elapsed().as_secs_f32());
    assert!(believed > 0, "the test cut off nothing");
    let _ = fs::remove_dir_all(dir);
}

/// Neither what is answered nor what is asked of the database tells whether there is somebody of that name.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_has_and_a_wrong_password_are_the_same() {
    let _alone = ALONE.lock().await;
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Count));
    let rest = Rest::start(with_passwords).await;
    let mut alice = Json(rest.client("alice").await.0.always(KIND, "session"));
    let (_, secret) = made(&mut alice).await;
    let mut proxy = rest.client("").await.0;
    // What is told of each, and how often the database is asked at least.
    let mut cost = async |user: &str, secret: &str| {
        let (mut least, mut told) = (usize::MAX, String::new());
        for _ in 0..2 {
            let before = STATEMENTS.load(Relaxed);
            let answer = check(&mut proxy, user, secret).await;
            least = least.min(STATEMENTS.load(Relaxed) - before);
            let headers =
                answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
            told = format!("{} {:?} {:?}", answer.status, headers.collect::<Vec<_>>(), answer.body);
        }
        (least, told)
    };
    let wrong = cost("alice", "guess").await;
    assert_eq!(wrong.0, 1, "one statement");
    assert_eq!(cost("nobody-of-that-name", "guess").await, wrong);
    // It is the password that is looked up, so the right one is, whoever is named.
    assert_eq!(cost("nobody-of-that-name", &secret[1..]).await, wrong);
    for n in 0..6 {
        check(&mut proxy, "alice", &format!("guess-{n}")).await;
        check(&mut proxy, "nobody-of-that-name", &format!("guess-{n}")).await;
    }
    let wait = |answer: &Answer| answer.header("retry-after").is_some();
    let known = check(&mut proxy, "alice", "guess").await;
    let unknown = check(&mut proxy, "nobody-of-that-name", "guess").await;
    assert!(wait(&known) && wait(&unknown), "{known:?} {unknown:?}");
    assert_eq!(check(&mut proxy, "alice", &secret).await.status, 204);
}
