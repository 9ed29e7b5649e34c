//! A database elsewhere: over TLS, whose certificate may be wrong in every usual way, and behind a PgBouncer.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kalends::cluster::Cluster;
use kalends::config::{self, Tls};
use kalends::db::{Error, Pool, chain, migrate};
use support::{settings, sql};
use tokio::time::{sleep, timeout};

/// A directory and the processes in it; both go with the test.
struct Remote {
    dir: PathBuf,
    owner: (u32, u32),
    processes: Vec<Child>,
}

impl Remote {
    /// With a cluster that is not running.
    async fn new(name: &str) -> Self {
        let dir = support::directory().join(format!("{name}-{}", std::process::id()));
        let settings = config::Cluster { data_dir: dir.clone(), ..config::Cluster::default() };
        Cluster::start(&settings, |_| {}).await.unwrap().stop().await;
        let data = fs::metadata(dir.join("data")).unwrap();
        Self { dir, owner: (data.uid(), data.gid()), processes: Vec::new() }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.join(name);
        fs::write(&path, text).unwrap();
        self.hand_over(&path);
        path
    }

    fn hand_over(&self, path: &Path) {
        chown(path, Some(self.owner.0), Some(self.owner.1)).unwrap();
    }

    fn run(&mut self, program: &Path, arguments: &[&str]) {
        let log = fs::File::create(self.dir.join("test.log")).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(log).current_dir("/");
        if rustix::process::geteuid().is_root() {
            command.uid(self.owner.0).gid(self.owner.1);
        }
        self.processes.push(command.spawn().unwrap());
    }

    /// PostgreSQL on a TCP port, with that certificate or none.
    fn serve(&mut self, certificate: Option<&str>) -> u16 {
        let port = free_port();
        let (data, socket) = (self.dir.join("data"), self.dir.join("socket"));
        let hba = self.file("hba", "host all all 127.0.0.1/32 trust\n");
        // How it was started last says where the program is.
        let started = fs::read_to_string(data.join("postmaster.opts")).unwrap();
        let program = started.split(' ').next().unwrap();
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        let mut set = |setting: String| arguments.extend(["-c".to_owned(), setting]);
        set("listen_addresses=127.0.0.1".to_owned());
        set(format!("port={port}"));
        set(format!("unix_socket_directories={}", socket.display()));
        set(format!("hba_file={}", hba.display()));
        if let Some(name) = certificate {
            set("ssl=on".to_owned());
            set(format!("ssl_cert_file={}", self.dir.join(format!("{name}.pem")).display()));
            set(format!("ssl_key_file={}", self.dir.join(format!("{name}.key")).display()));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run(Path::new(program), &arguments);
        port
    }

    /// A certificate for the names, signed by `authority` or by itself.
    fn certificate(&self, name: &str, names: &str, authority: Option<&str>) {
        let path = |ending: &str| self.dir.join(format!("{name}.{ending}")).display().to_string();
        let (key, certificate, names) = (path("key"), path("pem"), format!("subjectAltName={names}"));
        let (subject, curve) = (format!("/CN={name}"), "ec_paramgen_curve:prime256v1");
        let mut arguments =
            vec!["req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-days", "2", "-subj"];
        arguments.extend([&*subject, "-addext", &*names, "-keyout", &*key, "-out", &*certificate]);
        let signer = authority
            .map(|name| ["pem", "key"].map(|e| self.dir.join(format!("{name}.{e}")).display().to_string()));
        if let Some([signer, signer_key]) = &signer {
            arguments.extend([
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-CA",
                signer,
                "-CAkey",
                signer_key,
            ]);
        }
        let made = Command::new("openssl").args(arguments).stderr(Stdio::null()).status().unwrap();
        assert!(made.success());
        self.hand_over(Path::new(&key));
    }

    fn stop(&mut self) {
        for mut process in self.processes.drain(..).rev() {
            let pid = rustix::process::Pid::from_child(&process);
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn pool(url: &str, tls: Tls, ca_file: PathBuf) -> Pool {
    Pool::new(&config::Database { tls, ca_file, ..settings(url) }).unwrap()
}

/// Tries until the server has come up.
async fn answers(pool: &Pool) -> Result<(), Error> {
    let began = Instant::now();
    loop {
        match pool.ping().await {
            Err(Error::Lost(_)) if began.elapsed() < Duration::from_secs(20) => {
                sleep(Duration::from_millis(50)).await;
            }
            outcome => return outcome,
        }
    }
}

async fn leaves_in_the_middle(pool: &Pool) {
    let query = sql("SELECT pg_sleep(60)");
    assert!(timeout(Duration::from_millis(300), pool.rows(&query, &[])).await.is_err());
    sleep(Duration::from_secs(1)).await;
}

async fn sleepers(pool: &Pool) -> i64 {
    let query =
        sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'");
    pool.row(&query, &[]).await.unwrap().at(0).unwrap()
}

#[tokio::test]
async fn certificates_are_checked_as_far_as_the_setting_says() {
    let mut remote = Remote::new("tls").await;
    remote.certificate("authority", "DNS:authority", None);
    remote.certificate("server", "DNS:localhost", Some("authority"));
    remote.certificate("alone", "DNS:localhost", None);
    let (authority, alone) = (remote.dir.join("authority.pem"), remote.dir.join("alone.pem"));

    let port = remote.serve(Some("server"));
    let url = format!("postgresql://kalends@localhost:{port}/kalends");
    let by_number = format!("postgresql://kalends@127.0.0.1:{port}/kalends");
    for good in [
        pool(&url, Tls::VerifyFull, authority.clone()),
        pool(&by_number, Tls::Require, PathBuf::new()),
        pool(&by_number, Tls::Prefer, PathBuf::new()),
    ] {
        answers(&good).await.unwrap();
        let row =
            good.row(&sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"), &[]).await.unwrap();
        assert!(row.at::<bool>("ssl").unwrap());
    }
    let says = async |pool: Pool| pool.ping().await.unwrap_err().to_string();
    let nameless = says(pool(&by_number, Tls::VerifyFull, authority.clone())).await;
    assert!(nameless.contains("name the host as the certificate does"), "{nameless}");
    let unknown = says(pool(&url, Tls::VerifyFull, PathBuf::new())).await;
    assert!(unknown.contains("set database.ca_file"), "{unknown}");
    leaves_in_the_middle(&pool(&url, Tls::VerifyFull, authority)).await;
    assert_eq!(sleepers(&pool(&url, Tls::Require, PathBuf::new())).await, 0);
    remote.stop();

    let port = remote.serve(Some("alone"));
    let url = format!("postgresql://kalends@localhost:{port}/kalends");
    answers(&pool(&url, Tls::Require, PathBuf::new())).await.unwrap();
    let itself = says(pool(&url, Tls::VerifyFull, alone)).await;
    assert!(itself.contains("it signed itself"), "{itself}");
    remote.stop();

    let port = remote.serve(None);
    let url = format!("postgresql://kalends@localhost:{port}/kalends");
    answers(&pool(&url, Tls::Prefer, PathBuf::new())).await.unwrap();
    let none = says(pool(&url, Tls::Require, PathBuf::new())).await;
    assert!(none.contains("offers no TLS"), "{none}");
}

#[test]
fn a_ca_file_that_would_not_be_used_is_refused() {
    let settings = config::Database {
        tls: Tls::Require,
        ca_file: "/etc/ca.pem".into(),
        ..settings("postgresql://a@b/c")
    };
    let refused = Pool::new(&settings).unwrap_err().to_string();
    assert!(refused.contains("set database.tls = \"verify-full\""), "{refused}");
}

/// Needs the program: `apt install pgbouncer`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pgbouncer"]
async fn behind_a_pgbouncer_in_transaction_mode() {
    let mut remote = Remote::new("pgbouncer").await;
    let (server, port) = (remote.serve(None), free_port());
    let users = remote.file("users", "\"kalends\" \"\"\n");
    let ini = format!(
        "[databases]\nkalends = host=127.0.0.1 port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
         default_pool_size = 3\n",
        users.display()
    );
    let ini = remote.file("pgbouncer.ini", &ini);
    remote.run(Path::new("pgbouncer"), &[ini.to_str().unwrap()]);
    let mut settings = settings(&format!("postgresql://kalends@127.0.0.1:{port}/kalends"));
    settings.pgbouncer = true;
    let through = Pool::new(&settings).unwrap();
    answers(&through).await.unwrap();
    assert!(!migrate::migrate(&through, migrate::CALDAV).await.unwrap().is_empty());

    let many = (0..300_i64).map(|n| {
        let pool = through.clone();
        tokio::spawn(async move {
            let query = &sql("SELECT $1 + 1");
            let by_itself: i64 = pool.row(query, &[&n]).await?.at(0)?;
            let in_transaction =
                pool.transaction(|tx| async move { tx.row(query, &[&n]).await?.at::<i64>(0) }).await?;
            Ok::<_, Error>((by_itself, in_transaction) == (n + 1, n + 1))
        })
    });
    for one in futures_util::future::join_all(many).await {
        assert!(one.unwrap().unwrap());
    }
    settings.pgbouncer = false;
    let refused = Pool::new(&settings).unwrap().ping().await.unwrap_err();
    assert!(chain(&refused).contains("pgbouncer = true"), "{}", chain(&refused));
}
