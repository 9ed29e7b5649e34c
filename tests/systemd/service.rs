//! The program as systemd runs it: it is handed its socket, which this process holds, and tells what it does.
#![allow(dead_code)] // each test program uses its own part

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::support;

/// What systemd is for a service: the holder of its socket, and whom it tells.
pub struct Systemd {
    pub dir: PathBuf,
    listener: UnixListener,
    told: Mutex<Receiver<String>>,
}

/// A running service.
pub struct Service(Child);

impl Systemd {
    /// In a folder of its own, with these settings besides the usual.
    pub fn new(name: &str, settings: &str) -> Self {
        let dir = support::directory().join(format!("systemd-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let uid = rustix::process::geteuid().as_raw();
        // 33 is www-data: the workers of an Apache that root started.
        let all =
            format!("server.listen = [\"systemd\"]\nidentity.trusted_uids = [0, 33, {uid}]\n{settings}\n");
        std::fs::write(dir.join("kalends.toml"), all).unwrap();
        let listener = UnixListener::bind(dir.join("kalends.sock")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(dir.join("kalends.sock"), open).unwrap();
        let heard = UnixDatagram::bind(dir.join("notify")).unwrap();
        let (ear, told) = channel();
        std::thread::spawn(move || listen(&heard, &ear));
        Self { dir, listener, told: Mutex::new(told) }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("kalends.sock")
    }

    /// Starts the service; its log goes on in `DIR/log`.
    pub fn start(&self) -> Service {
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        // The shell puts the socket where systemd would, for only exec keeps the process id it has to name.
        let child = Command::new("/bin/sh")
            .args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ WATCHDOG_PID=$$ exec \"$0\" serve --config \"$1\" 3<&0"])
            .arg(Path::new(env!("CARGO_BIN_EXE_kalends")))
            .arg(self.dir.join("kalends.toml"))
            .env("NOTIFY_SOCKET", self.dir.join("notify"))
            .env("WATCHDOG_USEC", "400000")
            .stdin(OwnedFd::from(self.listener.try_clone().unwrap()))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Service(child)
    }

    /// Waits until the service tells this, and gives all of the message.
    pub fn hear(&self, what: &str) -> String {
        let told = self.told.lock().unwrap();
        loop {
            let message = told.recv_timeout(Duration::from_mins(2)).unwrap_or_else(|error| {
                panic!("{what} is not told: {error}\n{}", self.log());
            });
            if message.lines().any(|line| line == what) {
                return message;
            }
        }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

/// Takes each message when it comes, as systemd does: whoever tells waits where ten lie there.
fn listen(heard: &UnixDatagram, ear: &Sender<String>) {
    let mut buffer = [0; 4096];
    while let Ok(count) = heard.recv(&mut buffer) {
        if ear.send(String::from_utf8_lossy(&buffer[..count]).into_owned()).is_err() {
            return;
        }
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Service {
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    pub fn ended(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
