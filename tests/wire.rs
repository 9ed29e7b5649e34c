//! The server as its clients see it: plays every transcript of tests/wire and tests/clients/replay over a socket.
//!
//! `KALENDS_WIRE=put/` plays those whose path has that in it; `KALENDS_BLESS=1` rewrites what they expect.

mod canon;
mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::{env, fs, process};

use kalends::boot::Running;
use kalends::config::{HeaderName, Listen, Settings, Size, Span};
use tokio::sync::oneshot;

use canon::cast::Cast;
use canon::play::{bless, check, play};
use canon::transcript::Transcript;

const HOMES: [&str; 2] = ["tests/wire", "tests/clients/replay"];

#[test]
fn every_transcript_can_be_played() {
    let faults: Vec<String> = transcripts("")
        .iter()
        .filter_map(|path| {
            let transcript = Transcript::read(path).and_then(|t| check(&t).map(|()| t));
            match transcript {
                Ok(t) if t.title.contains(" §") => None,
                Ok(_) => Some(format!("{}:1: the title names no section (RFC §)", path.display())),
                Err(fault) => Some(fault),
            }
        })
        .collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_transcript_holds() {
    let paths = transcripts(&env::var("KALENDS_WIRE").unwrap_or_default());
    let (server, blessing) = (Server::start(1), env::var_os("KALENDS_BLESS").is_some());
    hold(&paths, |nth, path| run(path, &server.nodes, nth, blessing));
}

/// Two nodes on one database, asked by turns: neither knows anything that the other does not.
#[test]
fn every_transcript_holds_on_two_nodes() {
    let paths = transcripts(&env::var("KALENDS_WIRE").unwrap_or_default());
    let server = Server::start(2);
    hold(&paths, |nth, path| run(path, &server.nodes, TURNS + nth, false));
}

/// What sets the people of the second play apart from those of the first.
const TURNS: usize = 5_000;

fn hold(paths: &[PathBuf], run: impl Fn(usize, &Path) -> Result<(), String>) {
    let faults: Vec<String> =
        paths.iter().enumerate().filter_map(|(nth, path)| run(nth, path).err()).collect();
    assert!(
        faults.is_empty(),
        "{} of {} transcripts:\n\n{}\n",
        faults.len(),
        paths.len(),
        faults.join("\n\n")
    );
}

fn run(path: &Path, nodes: &[SocketAddr], nth: usize, blessing: bool) -> Result<(), String> {
    let transcript = Transcript::read(path)?;
    // The server may have been played against before: the process tells this time from the others, always in nine digits.
    let cast = Cast::new(100_000_000 + u64::from(process::id() % 80_000) * 10_000 + nth as u64);
    if !blessing {
        return play(&transcript, nodes, &cast);
    }
    let text = bless(&transcript, nodes[0], &cast)?;
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The transcripts whose path has `only` in it; there are some.
fn transcripts(only: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for home in HOMES {
        gather(&root.join(home), &mut paths);
    }
    paths.retain(|path| path.to_string_lossy().contains(only));
    assert!(!paths.is_empty(), "no transcript has {only:?} in its path");
    paths
}

/// Every transcript below `home`, in the order of their paths.
fn gather(home: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            gather(&path, out);
        } else if path.extension().is_some_and(|x| x == "txt") {
            out.push(path);
        }
    }
}

/// The server to play against, with a database of its own; `KALENDS_WIRE_SERVER=address:port` names a running one.
struct Server {
    nodes: Vec<SocketAddr>,
    own: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Server {
    fn start(nodes: usize) -> Self {
        if let Ok(address) = env::var("KALENDS_WIRE_SERVER") {
            let address = address.parse().expect("KALENDS_WIRE_SERVER is address:port");
            return Self { nodes: vec![address], own: None };
        }
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let database = support::database().await;
                let mut running = Vec::new();
                for _ in 0..nodes {
                    running.push(Running::start(settings(&database)).await.expect("a server"));
                }
                let addresses = running.iter().map(|node| node.addresses[0]).collect();
                tell.send(addresses).expect("a test that waits");
                let _ = stopped.await;
                for node in running {
                    node.stop().await.expect("a server that stops");
                }
            });
        });
        Self { nodes: told.recv().expect("a server that starts"), own: Some((stop, thread)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.own.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

/// Everything a proxy can tell is believed, as if this test were one.
fn settings(database: &support::Db) -> Settings {
    let mut settings = Settings { database: support::settings(&database.url), ..Settings::default() };
    settings.server.listen = vec![Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))];
    settings.monitor.listen = None;
    settings.server.public_url = Some("https://calendar.example.com".parse().expect("an address"));
    settings.server.cors_origins = vec!["https://app.example.com".parse().expect("an origin")];
    settings.limits.drain_time = Span::seconds(1);
    // Small enough for a transcript to reach.
    settings.calendar.max_collections = 10;
    settings.calendar.max_resources = 12;
    settings.calendar.timezone_services = vec!["https://zones.example.com/".parse().expect("an address")];
    settings.calendar.quota = Size(2 << 20);
    settings.calendar.min_date_time = Some("1500-01-01T00:00:00Z".parse().expect("a time"));
    settings.calendar.max_date_time = Some("2600-01-01T00:00:00Z".parse().expect("a time"));
    let identity = &mut settings.identity;
    identity.trusted = vec!["127.0.0.1/32".parse().expect("a network")];
    identity.email_header = HeaderName::named(identity.email_header.usual());
    identity.name_header = HeaderName::named(identity.name_header.usual());
    identity.subject_header = HeaderName::named(identity.subject_header.usual());
    identity.groups_header = HeaderName::named(identity.groups_header.usual());
    identity.admins = vec!["admin".to_owned()];
    identity.local_domains = vec!["example.com".to_owned()];
    settings
}
