//! What was answered with success is there after any death: of the server, of PostgreSQL, of both, and after a stop.
//!
//! Real processes: the `kalends` program with its private cluster, killed under load and started again.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use server::{Client, Gone, event};
use tokio::task::JoinHandle;
use tokio::time::sleep;

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const WRITERS: usize = 6;

/// Longer than any start takes, recovery included.
const PATIENCE: Duration = Duration::from_mins(1);

// ---- the processes ----

/// A `kalends up` in a directory of its own, which goes with this.
struct Kalends {
    dir: PathBuf,
    child: Child,
}

impl Kalends {
    async fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("durability-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let dir = support::directory().join(name);
        fs::create_dir_all(&dir).unwrap();
        let at = dir.display();
        let settings = format!(
            "server.listen = [\"unix:{at}/http.sock\"]\nmonitor.listen = \"\"\nlog.level = \"warn\"\n\
             cluster.data_dir = \"{at}/cluster\"\napi.listen = \"unix:{at}/api.sock\"\n"
        );
        fs::write(dir.join("settings.toml"), settings).unwrap();
        let child = spawn(&dir);
        let mut kalends = Self { dir, child };
        kalends.ready().await;
        kalends
    }

    async fn restart(&mut self) {
        assert!(!self.is_alive());
        self.child = spawn(&self.dir);
        self.ready().await;
    }

    /// Waits until it answers a request that needs the database.
    async fn ready(&mut self) {
        let began = Instant::now();
        loop {
            if let Ok(mut client) = self.client().await
                && let Ok(answer) = client.try_ask("PROPFIND /dav/", &[("Depth", "0")], "").await
                && answer.is_done()
            {
                return;
            }
            assert!(self.is_alive() && began.elapsed() < PATIENCE, "it does not start:\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn client(&self) -> std::io::Result<Client> {
        Client::unix(&self.dir.join("http.sock"), "alice").await
    }

    fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    fn signal(&self, signal: Signal) {
        send(self.child.id().cast_signed(), signal);
    }

    async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// PostgreSQL's first process, and all its others.
    fn postgres(&self) -> Vec<i32> {
        let file = self.dir.join("cluster/data/postmaster.pid");
        let text = fs::read_to_string(file).unwrap_or_default();
        let Some(first) = text.lines().next().and_then(|line| line.parse().ok()) else { return Vec::new() };
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let others = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        std::iter::once(first).chain(others.filter(|pid| parent(*pid) == Some(first))).collect()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Kalends {
    fn drop(&mut self) {
        let postgres = self.postgres();
        let _ = self.child.kill();
        let _ = self.child.wait();
        postgres.into_iter().filter(|pid| is_postgres(*pid)).for_each(|pid| send(pid, Signal::KILL));
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn spawn(dir: &Path) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
    command.args(["up", "--config"]).arg(dir.join("settings.toml"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn send(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // Gone already is what is wanted.
        let _ = kill_process(pid, signal);
    }
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Whether it runs, and is PostgreSQL and no stranger of the same number.
fn is_postgres(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.contains("(postgres)") && !stat.contains(") Z ")
}

async fn all_gone(pids: &[i32]) {
    let began = Instant::now();
    while pids.iter().any(|pid| is_postgres(*pid)) {
        assert!(began.elapsed() < Duration::from_secs(15), "PostgreSQL outlives its kalends: {pids:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

// ---- the writers ----

/// What may be in an object: one possibility where it is known, more where a request had no answer. None: nothing is there.
type Ledger = HashMap<String, Vec<Option<String>>>;

/// What went on.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    /// Requests answered with success.
    done: AtomicUsize,
    /// Answers that broke off.
    halves: AtomicUsize,
}

/// Writes and deletes without pause, on a new connection where the old one is gone, until it is over.
async fn write(load: Arc<Load>, socket: PathBuf, nth: usize, mut ledger: Ledger) -> Ledger {
    let mut turn = load.done.load(Relaxed) * 7 + nth;
    while !load.over.load(Relaxed) {
        let Ok(mut client) = Client::unix(&socket, "alice").await else {
            sleep(Duration::from_millis(2)).await;
            continue;
        };
        while !load.over.load(Relaxed) {
            turn += 1;
            let name = format!("{nth}-{}", turn % 23);
            let url = format!("{CALENDAR}{name}.ics");
            let octets = (!turn.is_multiple_of(5))
                .then(|| event(&name, &format!("{turn} {}", "x".repeat(turn % 3000))));
            let possible = ledger.entry(url.clone()).or_insert_with(|| vec![None]);
            let before = possible.clone();
            possible.push(octets.clone());
            let outcome = match &octets {
                Some(octets) => client.try_ask(&format!("PUT {url}"), &[], octets).await,
                None => client.try_ask(&format!("DELETE {url}"), &[], "").await,
            };
            match outcome.map(|answer| answer.status) {
                Ok(201 | 204) => *possible = vec![octets],
                Ok(404) if octets.is_none() && before.contains(&None) => *possible = vec![None],
                // The database is away: it may have been done, and the answer lost.
                Ok(503) => sleep(Duration::from_millis(5)).await,
                Ok(other) => panic!("{other} for {url}, which was {before:?}"),
                Err(gone) => {
                    load.halves.fetch_add(usize::from(gone == Gone::Half), Relaxed);
                    assert_ne!(gone, Gone::Hung);
                    break;
                }
            }
            load.done.fetch_add(usize::from(possible.len() == 1), Relaxed);
        }
    }
    ledger
}

/// The writers at work, each with what it knows.
struct Work {
    load: Arc<Load>,
    writers: Vec<JoinHandle<Ledger>>,
}

impl Work {
    fn start(kalends: &Kalends, ledgers: Vec<Ledger>) -> Self {
        let load = Arc::new(Load::default());
        let writers = ledgers.into_iter().enumerate().map(|(nth, ledger)| {
            tokio::spawn(write(Arc::clone(&load), kalends.dir.join("http.sock"), nth, ledger))
        });
        Self { writers: writers.collect(), load }
    }

    /// Waits for so many more successes.
    async fn goes_on(&self, count: usize) {
        let (began, enough) = (Instant::now(), self.load.done.load(Relaxed) + count);
        while self.load.done.load(Relaxed) < enough {
            assert!(began.elapsed() < PATIENCE, "the writers get nowhere");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends it: what the writers know, and how many answers broke off.
    async fn end(self) -> (Vec<Ledger>, usize) {
        self.load.over.store(true, Relaxed);
        let ledgers = join_all(self.writers).await.into_iter().map(|ledger| ledger.expect("a writer"));
        (ledgers.collect(), self.load.halves.load(Relaxed))
    }
}

// ---- what must hold ----

/// A client that was away during it all.
#[derive(Default)]
struct Syncer {
    state: BTreeMap<String, String>,
    token: String,
}

impl Syncer {
    async fn catch_up(&mut self, client: &mut Client) {
        loop {
            let page = client.sync(CALENDAR, &self.token, Some(50)).await;
            for href in &page.gone {
                self.state.remove(href);
            }
            self.state.extend(page.changed);
            self.token = page.token;
            if !page.cut {
                return;
            }
        }
    }
}

/// Every success is there to the octet, every deletion is, and the syncer's token leads to what there is.
async fn assert_nothing_lost(kalends: &Kalends, ledgers: &mut [Ledger], syncer: &mut Syncer) {
    let mut client = kalends.client().await.unwrap();
    for (url, possible) in ledgers.iter_mut().flatten() {
        let answer = client.ask(&format!("GET {url}"), &[], "").await;
        let there = match answer.status {
            200 => Some(answer.text()),
            404 => None,
            other => panic!("{url}: {other}"),
        };
        assert!(possible.contains(&there), "{url}: {there:?}, not one of {possible:?}");
        *possible = vec![there];
    }
    syncer.catch_up(&mut client).await;
    let members: BTreeMap<String, String> = client.members(CALENDAR).await.into_iter().collect();
    assert_eq!(syncer.state, members);
    let there = ledgers.iter().flatten().filter(|(_, possible)| possible[0].is_some()).count();
    assert_eq!(members.len(), there);
}

/// Who dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    Server,
    Postgres,
    All,
}

/// Kills, and brings back what does not come back by itself.
async fn strike(kalends: &mut Kalends, death: Death, work: &Work) {
    let postgres = kalends.postgres();
    assert!(postgres.len() > 3, "{postgres:?}");
    match death {
        Death::Server => kalends.signal(Signal::KILL),
        Death::Postgres => send(postgres[0], Signal::KILL),
        Death::All => {
            kalends.signal(Signal::KILL);
            for pid in &postgres {
                send(*pid, Signal::KILL);
            }
        }
    }
    if matches!(death, Death::Postgres) {
        all_gone(&postgres).await;
        work.goes_on(20).await;
        assert!(kalends.is_alive());
        assert_ne!(kalends.postgres().first(), postgres.first());
    } else {
        assert_eq!(kalends.ended().await.signal(), Some(9));
        all_gone(&postgres).await;
        kalends.restart().await;
        work.goes_on(20).await;
    }
}

async fn rounds(count: usize) {
    let mut kalends = Kalends::start().await;
    let mut syncer = Syncer::default();
    let mut ledgers = vec![Ledger::new(); WRITERS];
    for round in 0..count {
        let death = [Death::Server, Death::Postgres, Death::All][round % 3];
        let work = Work::start(&kalends, ledgers);
        work.goes_on(60 + round % 7 * 13).await;
        strike(&mut kalends, death, &work).await;
        (ledgers, _) = work.end().await;
        assert_nothing_lost(&kalends, &mut ledgers, &mut syncer).await;
        let written: usize = ledgers.iter().map(HashMap::len).sum();
        eprintln!("round {} of {count}: {death:?} died, {written} objects were written", round + 1);
    }
    let log = kalends.log();
    assert!(!log.contains("panic"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_every_death() {
    rounds(3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make soak"]
async fn what_was_answered_survives_fifty_deaths() {
    rounds(50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_cuts_no_answer_and_leaves_nothing_behind() {
    let mut kalends = Kalends::start().await;
    let mut syncer = Syncer::default();
    let mut ledgers = vec![Ledger::new(); WRITERS];
    for _ in 0..2 {
        let work = Work::start(&kalends, ledgers);
        work.goes_on(100).await;
        let postgres = kalends.postgres();
        kalends.signal(Signal::TERM);
        let status = kalends.ended().await;
        assert!(status.success(), "{status}\n{}", kalends.log());
        assert!(!postgres.iter().any(|pid| is_postgres(*pid)), "PostgreSQL outlives its kalends");
        assert!(!kalends.dir.join("cluster/data/postmaster.pid").exists());
        let halves;
        (ledgers, halves) = work.end().await;
        assert_eq!(halves, 0, "answers broke off");
        kalends.restart().await;
        assert_nothing_lost(&kalends, &mut ledgers, &mut syncer).await;
    }
}
