//! PostgreSQL as our child: how it is started, kept running and stopped, and how nothing of it outlives us.
//!
//! A thread of its own starts the server and waits for it. `setpriv` makes the kernel stop the server when that thread
//! ends, which is when the process ends, kill -9 included. Where there is no such `setpriv`, a server left behind is
//! stopped by the next start.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, test_kill_process, waitid};
use tokio::time::sleep;

use crate::cluster::Error;
use crate::cluster::launch::Launch;
use crate::cluster::place::{Place, fault};

/// How to ask it to stop: "fast", which ends sessions and writes a checkpoint; then "immediate"; then without asking.
/// And how long each is given.
const STOPPING: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// What a killed server leaves behind for a moment: its file, itself until it is reaped, the memory of its sessions.
const PASSING: [&str; 2] =
    ["lock file \"postmaster.pid\" already exists", "pre-existing shared memory block"];

/// Pause before a server that ended by itself is started again: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A server that is kept running until this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    shared: Arc<Shared>,
    /// Dropped, it tells the thread to start nothing more.
    keep: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// There only while it is not reaped, so that no signal goes to another process of the same number.
    pid: Mutex<Option<Pid>>,
    /// What it said when it ended last.
    complaint: Mutex<Option<String>>,
}

impl Server {
    pub(super) fn start(launch: Launch) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let (keep, stop) = channel();
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || supervise(&launch, &state, &stop));
        let thread = thread.map_err(|error| Error(format!("no thread for PostgreSQL: {error}")))?;
        Ok(Self { shared, keep: Some(keep), thread: Some(thread) })
    }

    /// What the server said when it ended by itself, once each time.
    pub(super) fn complaint(&self) -> Option<String> {
        lock(&self.shared.complaint).take()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.keep = None;
        for (signal, patience) in STOPPING {
            let until = Instant::now() + patience;
            let mut sent = None;
            while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
                // The thread may just have started one.
                let pid = *lock(&self.shared.pid);
                if pid.is_some() && pid != sent {
                    self.shared.signal(signal);
                    sent = pid;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        if self.thread.take().is_some_and(|thread| thread.is_finished() && thread.join().is_ok()) {
            return;
        }
        tracing::error!("PostgreSQL could not be stopped");
    }
}

impl Shared {
    fn signal(&self, signal: Signal) {
        let pid = lock(&self.pid);
        if let Some(Err(error)) = pid.map(|pid| kill_process(pid, signal)) {
            tracing::warn!(%error, "PostgreSQL could not be told to stop");
        }
    }

    // Waits for the child's end, and says what it was.
    fn attend(&self, mut child: Child) -> String {
        let pid = Pid::from_child(&child);
        *lock(&self.pid) = Some(pid);
        // Only seen, not reaped: until `pid` is cleared under its lock the number must stay the child's.
        let seen = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let mut running = lock(&self.pid);
        let end = seen.map_err(std::io::Error::from).and_then(|_| child.wait());
        *running = None;
        end.map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

/// Whether a start that failed for this reason may succeed a moment later.
pub(super) fn is_passing(complaint: &str) -> bool {
    PASSING.iter().any(|words| complaint.contains(words))
}

/// Stops a server that an earlier kalends left running, and clears its traces; the lock of the directory says that no
/// kalends is there now.
pub(super) async fn end_left_over(place: &Place, progress: &impl Fn(&str)) -> Result<(), Error> {
    let file = place.data.join("postmaster.pid");
    let first = fs::read_to_string(&file).ok().and_then(|text| text.lines().next()?.parse().ok());
    if let Some(pid) = first.and_then(Pid::from_raw) {
        if works_in(pid, &place.data) {
            progress("Stopping the PostgreSQL that a kalends left behind.");
            end(pid, &place.data).await?;
        }
        // The number may be a stranger's, in containers soon, or not be reaped; the server would take it for its own.
        if test_kill_process(pid) != Err(Errno::SRCH) {
            remove(&file)?;
        }
    }
    place.socket_files().iter().try_for_each(|file| remove(file))
}

async fn end(pid: Pid, data: &Path) -> Result<(), Error> {
    for (signal, patience) in STOPPING {
        let until = Instant::now() + patience;
        // Gone already is what is wanted.
        let _ = kill_process(pid, signal);
        while Instant::now() < until {
            if !works_in(pid, data) {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
    Err(Error(format!("a PostgreSQL (process {pid}) runs in {} and does not stop", data.display())))
}

fn remove(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fault(file, &error)),
        _ => Ok(()),
    }
}

// Starts the server, waits for its end, and starts it again, until `stop` is closed.
fn supervise(launch: &Launch, shared: &Shared, stop: &Receiver<()>) {
    let mut pause = PAUSES.0;
    loop {
        let began = Instant::now();
        let complaint = match launch.spawn() {
            Ok(child) => {
                let end = shared.attend(child);
                format!("{} ({end})", launch.complaint())
            }
            Err(error) => error.to_string(),
        };
        pause = if began.elapsed() > PAUSES.1 { PAUSES.0 } else { (pause * 2).min(PAUSES.1) };
        *lock(&shared.complaint) = Some(complaint.clone());
        if stop.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        tracing::warn!(complaint, "PostgreSQL ended by itself; it is started again");
    }
}

// A thread that panicked leaves nothing half done here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// The server makes its data directory its own working directory.
fn works_in(pid: Pid, data: &Path) -> bool {
    let dir = fs::read_link(format!("/proc/{pid}/cwd"));
    matches!((dir, fs::canonicalize(data)), (Ok(dir), Ok(data)) if dir == data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_waited_for() {
        assert!(is_passing("lock file \"postmaster.pid\" already exists"));
        assert!(is_passing("pre-existing shared memory block (key 1, ID 2) is still in use"));
        assert!(!is_passing("could not create lock file: Permission denied"));
    }
}
