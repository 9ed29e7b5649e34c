//! The private PostgreSQL: made, started, stopped, killed in every way, and never left behind.
//!
//! What is to be killed with its kalends runs in a process of its own: this program again, running `hold`.

#![allow(clippy::unwrap_used)]

mod support;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use kalends::cluster::{Cluster, Error};
use kalends::config;
use kalends::db::{Pool, chain};
use rustix::process::{Pid, Signal, geteuid, getpgid, getpgrp, kill_process};
use support::{settings, sql};
use tokio::sync::OnceCell;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cluster-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = support::directory().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// One with a cluster in it: a copy, for making one takes seconds.
    async fn made() -> Self {
        static FIRST: OnceCell<PathBuf> = OnceCell::const_new();
        let first = FIRST.get_or_init(|| async {
            let first = support::directory().join(format!("first-{}", std::process::id()));
            forget_old();
            start(&first).await.unwrap().stop().await;
            first
        });
        let (from, dir) = (first.await.join("data"), Self::new());
        let copied = Command::new("cp").arg("-a").arg(from).arg(&dir.0).status().unwrap();
        assert!(copied.success());
        dir
    }

    async fn start(&self) -> Result<Cluster, Error> {
        start(&self.0).await
    }

    /// The server's process, as its file says.
    fn server(&self) -> Pid {
        let text = fs::read_to_string(self.0.join("data/postmaster.pid")).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
    }
}

/// Removes what earlier runs copied from: nothing ends with a process but the process.
fn forget_old() {
    for entry in fs::read_dir(support::directory()).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.strip_prefix("first-").is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn start(data_dir: &Path) -> Result<Cluster, Error> {
    let settings = config::Cluster { data_dir: data_dir.to_owned(), ..config::Cluster::default() };
    Cluster::start(&settings, |_| {}).await
}

/// Another process that runs a cluster there until it is killed.
fn hold(dir: &Path, path: Option<&Path>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "holds_a_cluster", "--ignored", "--nocapture"]);
    command.env("KALENDS_TEST_HOLD", dir).stdout(Stdio::piped());
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("holding")), "it did not start");
    child
}

#[tokio::test]
#[ignore = "the other process of tests that kill it"]
async fn holds_a_cluster() {
    let Some(dir) = env::var_os("KALENDS_TEST_HOLD") else { return };
    let cluster = start(Path::new(&dir)).await.unwrap();
    write(&cluster).await;
    println!("\nholding");
    std::future::pending::<()>().await;
}

fn pool(cluster: &Cluster) -> Pool {
    Pool::new(&settings(cluster.url())).unwrap()
}

async fn write(cluster: &Cluster) {
    let client = pool(cluster).client().await.unwrap();
    client.batch("CREATE TABLE IF NOT EXISTS kept (id bigint); INSERT INTO kept VALUES (1)").await.unwrap();
}

async fn written(cluster: &Cluster) -> i64 {
    let began = Instant::now();
    loop {
        match pool(cluster).row(&sql("SELECT count(*) FROM kept"), &[]).await {
            Ok(row) => return row.at(0).unwrap(),
            Err(error) if began.elapsed() > Duration::from_secs(20) => panic!("{}", chain(&error)),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Whether the process runs; one that only waits to be reaped does not.
fn runs(pid: Pid) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok()
}

/// Whether the process ends within the time.
fn ends(pid: Pid, patience: Duration) -> bool {
    let began = Instant::now();
    while runs(pid) {
        if began.elapsed() > patience {
            return false;
        }
        sleep(Duration::from_millis(10));
    }
    true
}

#[tokio::test]
async fn what_is_written_is_there_at_the_next_start() {
    let dir = Dir::new();
    let cluster = dir.start().await.unwrap();
    write(&cluster).await;
    let server = dir.server();
    cluster.stop().await;
    assert!(!runs(server), "it has ended when stop returns");
    assert!(!dir.0.join("data/postmaster.pid").exists());
    let cluster = dir.start().await.unwrap();
    assert_eq!(written(&cluster).await, 1);
    let server = dir.server();
    drop(cluster);
    assert!(!runs(server), "it has ended when it is dropped");
}

#[tokio::test]
async fn it_is_private_and_safe() {
    let dir = Dir::made().await;
    let cluster = dir.start().await.unwrap();
    let query = sql("SELECT name, setting FROM pg_settings WHERE name = ANY ($1) ORDER BY name");
    let names = [
        "data_checksums",
        "fsync",
        "full_page_writes",
        "listen_addresses",
        "server_encoding",
        "synchronous_commit",
    ];
    let rows = pool(&cluster).rows(&query, &[&names.as_slice()]).await.unwrap();
    let found: Vec<&str> = rows.iter().map(|row| row.at("setting").unwrap()).collect();
    assert_eq!(found, ["on", "on", "on", "", "UTF8", "on"]);
    for private in ["data", "log", "socket"] {
        let found = fs::metadata(dir.0.join(private)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o700, "{private}");
        assert_ne!(found.uid(), 0, "PostgreSQL is not root");
    }
    let server = dir.server();
    assert_ne!(getpgid(Some(server)).unwrap(), getpgrp(), "Ctrl-C in a terminal is not for PostgreSQL");
    cluster.stop().await;
}

#[tokio::test]
async fn two_cannot_have_one_directory() {
    let dir = Dir::made().await;
    let cluster = dir.start().await.unwrap();
    let refused = dir.start().await.unwrap_err().to_string();
    assert!(refused.contains(&format!("another kalends (process {})", std::process::id())), "{refused}");
    write(&cluster).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_server_is_started_again() {
    let dir = Dir::made().await;
    let cluster = dir.start().await.unwrap();
    for count in 1..=3 {
        write(&cluster).await;
        let server = dir.server();
        kill_process(server, Signal::KILL).unwrap();
        assert_eq!(written(&cluster).await, count);
        assert_ne!(dir.server(), server);
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_kalends_leaves_nothing_behind() {
    let dir = Dir::made().await;
    let mut holder = hold(&dir.0, None);
    let server = dir.server();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(ends(server, Duration::from_secs(2)), "PostgreSQL goes with its kalends");
    let cluster = dir.start().await.unwrap();
    assert_eq!(written(&cluster).await, 1);
    cluster.stop().await;
}

#[tokio::test]
async fn everything_killed_at_once_comes_back() {
    let dir = Dir::made().await;
    for count in 1..=3 {
        let mut holder = hold(&dir.0, None);
        let server = dir.server();
        holder.kill().unwrap();
        // It may have gone with its kalends already.
        let _ = kill_process(server, Signal::KILL);
        holder.wait().unwrap();
        let cluster = dir.start().await.unwrap();
        assert_eq!(written(&cluster).await, count);
        cluster.stop().await;
    }
}

#[tokio::test]
async fn what_a_killed_kalends_left_running_is_taken_over() {
    let dir = Dir::made().await;
    // Where there is no setpriv, nobody stops the server.
    let programs = dir.0.join("programs");
    fs::create_dir(&programs).unwrap();
    symlink("/usr/bin/id", programs.join("id")).unwrap();
    let mut holder = hold(&dir.0, Some(&programs));
    let server = dir.server();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(!ends(server, Duration::from_millis(500)), "this test needs one that is left running");
    let cluster = dir.start().await.unwrap();
    assert_eq!(written(&cluster).await, 1);
    assert_ne!(dir.server(), server);
    cluster.stop().await;
}

#[tokio::test]
async fn a_strangers_process_number_is_not_waited_for() {
    let dir = Dir::made().await;
    // After a crash of the machine, the number in the file may be anybody's.
    let file = dir.0.join("data/postmaster.pid");
    fs::write(&file, format!("{}\n/elsewhere\n", std::process::id())).unwrap();
    let began = Instant::now();
    let cluster = dir.start().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    cluster.stop().await;
}

#[tokio::test]
async fn a_start_cut_short_is_made_anew() {
    let dir = Dir::new();
    let unfinished = dir.0.join("data.unfinished");
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("PG_VERSION"), "15\n").unwrap();
    dir.start().await.unwrap().stop().await;
    assert!(!unfinished.exists());
}

#[tokio::test]
async fn a_cluster_of_another_version_is_refused_with_both_ways_out() {
    let dir = Dir::made().await;
    fs::write(dir.0.join("data/PG_VERSION"), "9\n").unwrap();
    let refused = dir.start().await.unwrap_err().to_string();
    for part in ["was made by PostgreSQL 9", "apt install postgresql-9", "pg_dump", "pg_restore"] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
}

#[tokio::test]
async fn a_long_path_works_too() {
    let dir = Dir::new();
    let deep = dir.0.join("x".repeat(60)).join("y".repeat(60));
    let cluster = start(&deep).await.unwrap();
    write(&cluster).await;
    let socket = cluster.url().to_owned();
    cluster.stop().await;
    assert!(socket.contains("kalends%2D"), "{socket}");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let dir = Dir::made().await;
    fs::write(dir.0.join("data/postgresql.auto.conf"), "shared_buffers = nonsense\n").unwrap();
    let refused = dir.start().await.unwrap_err().to_string();
    assert!(refused.contains("shared_buffers"), "{refused}");
}

#[tokio::test]
async fn programs_that_are_not_there_are_explained() {
    let dir = Dir::new();
    let settings =
        config::Cluster { data_dir: dir.0.clone(), bin_dir: "/usr/share".into(), user: String::new() };
    let refused = Cluster::start(&settings, |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("/usr/share"), "{refused}");
}

/// Only root can be refused for a user that is not there, and try on a user id without a name.
#[tokio::test]
async fn whom_root_cannot_become_is_explained() {
    if !geteuid().is_root() {
        return;
    }
    let dir = Dir::new();
    let settings = config::Cluster {
        data_dir: dir.0.clone(),
        user: "nobody-knows".into(),
        ..config::Cluster::default()
    };
    let refused = Cluster::start(&settings, |_| {}).await.unwrap_err().to_string();
    assert!(refused.contains("useradd --system nobody-knows"), "{refused}");

    let program = dir.0.join("program");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut nameless = Command::new("setpriv");
    nameless.args(["--reuid=54321", "--regid=54321", "--clear-groups"]).arg(&program);
    nameless
        .args(["--exact", "holds_a_cluster", "--ignored", "--nocapture"])
        .env("KALENDS_TEST_HOLD", &dir.0);
    let output = nameless.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("user id 54321 has no name"), "{said}");

    let closed = dir.0.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let refused = start(&closed.join("in")).await.unwrap_err().to_string();
    assert!(refused.contains("may not pass through"), "{refused}");
}
