//! The secret between proxy and server: no start where it is named and not there, no service without it, and no word of it
//! in anything the server says, at the most talkative level.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use server::{Client, event};

const NOW: &str = "first-hush-0123456789";
const BEFORE: &str = "second-hush-0123456789";
/// What a client tries, which is nobody's business either: it may be nearly right.
const WRONG: &str = "first-hush-0123456780";

/// A folder that goes with this.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = support::directory().join(format!("secret-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn kalends(command: &str, variables: &[(&str, &str)]) -> Command {
    let mut kalends = Command::new(env!("CARGO_BIN_EXE_kalends"));
    kalends.arg(command).envs(variables.iter().copied()).env("KALENDS__MONITOR__LISTEN", "127.0.0.1:0");
    kalends
}

/// A server that is stopped at the end; everything it says goes to the file.
struct Server {
    child: Child,
    socket: PathBuf,
    said: PathBuf,
}

impl Server {
    fn start(folder: &Path, format: &str, url: &str) -> Self {
        let (socket, said) = (folder.join(format!("{format}.sock")), folder.join(format!("{format}.log")));
        fs::write(folder.join("before"), BEFORE).unwrap();
        let listen = format!("unix:{}", socket.display());
        let mut command = kalends(
            "serve",
            &[
                ("KALENDS__SERVER__LISTEN", &listen),
                ("KALENDS__DATABASE__URL", url),
                ("KALENDS__LOG__LEVEL", "trace"),
                ("KALENDS__LOG__FORMAT", format),
                ("KALENDS__IDENTITY__SECRET", NOW),
                ("KALENDS__IDENTITY__PREVIOUS_SECRET_FILE", "before"),
                ("CREDENTIALS_DIRECTORY", folder.to_str().unwrap()),
                ("RUST_LOG", "trace"),
            ],
        );
        let out = fs::File::create(&said).unwrap();
        let child = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        let server = Self { child, socket, said };
        let began = Instant::now();
        while !server.told().contains("kalends is listening") {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", server.told());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn told(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    async fn status(&self, secrets: &[&str]) -> u16 {
        let mut client = Client::unix(&self.socket, "alice").await.unwrap();
        for secret in secrets {
            client = client.always("X-Kalends-Secret", secret);
        }
        client.ask("PUT /dav/calendars/alice/calendar/a.ics", &[], event("a", "x")).await.status
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_secret_is_asked_for_and_never_told() {
    for format in ["line", "json"] {
        let (folder, db) = (Folder::new(format), support::database().await);
        let server = Server::start(&folder.0, format, &db.url);
        assert_eq!(server.status(&[NOW]).await, 201);
        assert_eq!(server.status(&[BEFORE]).await, 204);
        let (longer, shorter) = (format!("{NOW}0"), &NOW[..NOW.len() - 1]);
        for wrong in [
            &[][..],
            &[WRONG],
            &[""],
            &[&longer],
            &[shorter],
            &[NOW, NOW],
            &[NOW, WRONG],
            &["FIRST-HUSH-0123456789"],
        ] {
            assert_eq!(server.status(wrong).await, 401, "{wrong:?}");
        }
        // Read again, with faults and without: a reload speaks of settings.
        server.signal(Signal::HUP);
        fs::write(folder.0.join("before"), "short-hush").unwrap();
        server.signal(Signal::HUP);
        let began = Instant::now();
        while !server.told().contains("the settings stay as they were") {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", server.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(server.status(&[NOW]).await, 204);
        server.signal(Signal::TERM);
        let began = Instant::now();
        while !server.told().contains("stopped") {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", server.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let told = server.told();
        assert!(told.contains("the secret is missing") && told.contains("the secret is wrong"), "{told}");
        assert!(!told.to_lowercase().contains("hush"), "{told}");
    }
}

#[test]
fn there_is_no_start_without_the_secret_that_is_named() {
    let folder = Folder::new("start");
    let file = |name: &str, text: &str| {
        fs::write(folder.0.join(name), text).unwrap();
        folder.0.join(name).to_str().unwrap().to_owned()
    };
    let (empty, short) = (file("empty", "\n"), file("short", "hush-012345"));
    let nowhere = folder.0.join("nowhere").to_str().unwrap().to_owned();
    let url = ("KALENDS__DATABASE__URL", "postgresql://nobody@127.0.0.1:1/nothing");
    for (variable, value, why) in [
        ("KALENDS__IDENTITY__SECRET", "", "identity.secret is set and empty"),
        ("KALENDS__IDENTITY__SECRET", "hush-012345", "identity.secret is too short"),
        ("KALENDS__IDENTITY__SECRET", "hush 0123456789 hush", "characters that a header cannot carry"),
        ("KALENDS__IDENTITY__SECRET_FILE", &empty, "which is empty"),
        ("KALENDS__IDENTITY__SECRET_FILE", &short, "identity.secret is too short"),
        ("KALENDS__IDENTITY__SECRET_FILE", &nowhere, "No such file"),
        ("KALENDS__IDENTITY__SECRET_FILE", folder.0.to_str().unwrap(), "Is a directory"),
        ("KALENDS__IDENTITY__PREVIOUS_SECRET", "hush-0123456789-hush", "is set without identity.secret"),
        ("KALENDS_IDENTITY_SECRET", "hush-0123456789-hush", "single underscores"),
    ] {
        for command in ["serve", "check"] {
            let Output { status, stdout, stderr } =
                kalends(command, &[url, (variable, value)]).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
            assert!(
                !status.success() && said.contains(why) && !said.contains("hush"),
                "{variable}={value}: {said}"
            );
        }
    }
}
