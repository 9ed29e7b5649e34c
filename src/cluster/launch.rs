//! How the server is started: its command, its settings for this machine, and what it said when it could not.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::available_parallelism;

use crate::cluster::Error;
use crate::cluster::find::Programs;
use crate::cluster::owner::Owner;
use crate::cluster::place::{Place, fault};

/// Everything needed to start the server, again and again.
#[derive(Debug)]
pub(super) struct Launch {
    programs: Programs,
    place: Place,
    owner: Owner,
    settings: PathBuf,
    dies_with_us: bool,
}

impl Launch {
    pub(super) fn new(programs: Programs, place: Place, owner: Owner) -> Result<Self, Error> {
        let settings = place.home.join("postgresql.conf");
        let ours = tuning(&place.data, memory());
        fs::write(&settings, ours).map_err(|error| fault(&settings, &error))?;
        let dies_with_us = can_die_with_us();
        if !dies_with_us {
            tracing::warn!(
                "no setpriv of util-linux here: if kalends is killed, its PostgreSQL runs on until the next start"
            );
        }
        Ok(Self { programs, place, owner, settings, dies_with_us })
    }

    /// The server, started.
    pub(super) fn spawn(&self) -> Result<Child, Error> {
        let program = self.programs.path("postgres");
        let path = self.start_log();
        let log = File::create(&path).map_err(|error| fault(&path, &error))?;
        let again = log.try_clone().map_err(|error| fault(&path, &error))?;
        let mut command = if self.dies_with_us {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--pdeathsig", "INT"]).arg(&program);
            setpriv
        } else {
            Command::new(&program)
        };
        command.arg("-D").arg(&self.place.data);
        for setting in self.fixed() {
            command.arg("-c").arg(setting);
        }
        // A group of its own: Ctrl-C in a terminal is for us, who let the requests in flight finish first.
        command.process_group(0).current_dir("/").env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(log).stderr(again);
        if self.owner.other {
            command.uid(self.owner.uid).gid(self.owner.gid);
        }
        command.spawn().map_err(|error| fault(&program, &error))
    }

    /// What nobody may change, for we depend on it.
    fn fixed(&self) -> Vec<String> {
        let quoted = |path: &Path| format!("\"{}\"", path.display().to_string().replace('"', "\"\""));
        vec![
            format!("config_file={}", self.settings.display()),
            "listen_addresses=".to_owned(),
            "port=5432".to_owned(),
            format!("unix_socket_directories={}", quoted(&self.place.socket)),
            "unix_socket_permissions=0700".to_owned(),
            "logging_collector=on".to_owned(),
            format!("log_directory={}", self.place.log.display()),
        ]
    }

    fn start_log(&self) -> PathBuf {
        self.place.home.join("start.log")
    }

    /// What it said last: on standard error until its logs are open, then in those.
    pub(super) fn complaint(&self) -> String {
        let early = words(&self.start_log(), &["LOG:", "FATAL:", "PANIC:", "DETAIL:"]);
        let logs = fs::read_dir(&self.place.log).into_iter().flatten().flatten().map(|entry| entry.path());
        let newest = logs.max_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok());
        let late = newest.and_then(|path| words(&path, &["FATAL:", "PANIC:"]).pop());
        match late.filter(|_| early.iter().any(|line| line.contains("logging collector"))) {
            Some(late) => late,
            None => early.join("; "),
        }
    }
}

/// What is said in a log under these marks, without the marks and what stands before them.
fn words(log: &Path, marks: &[&str]) -> Vec<String> {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let said = text.lines().filter_map(|line| marks.iter().find_map(|mark| line.split_once(mark)));
    said.map(|(_, words)| words.trim().to_owned()).collect()
}

fn can_die_with_us() -> bool {
    let tried = Command::new("setpriv").args(["--pdeathsig", "INT", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Bytes of memory this machine, or container, has.
fn memory() -> u64 {
    let limit =
        fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    });
    limit.unwrap_or(u64::MAX).min(machine.unwrap_or(1 << 30))
}

/// What suits the machine; ALTER SYSTEM overrules it.
fn tuning(data: &Path, memory: u64) -> String {
    let megabytes = memory >> 20;
    let buffers = (megabytes / 8).clamp(64, 1024);
    let cores = available_parallelism().map_or(2, std::num::NonZero::get);
    format!(
        "# Written by kalends at each start. To change a setting: ALTER SYSTEM SET … = …\n\
         include = '{}'\n\
         shared_buffers = {buffers}MB\n\
         effective_cache_size = {}MB\n\
         max_connections = {}\n\
         random_page_cost = 1.1\n\
         jit = off\n\
         wal_compression = on\n\
         log_filename = 'postgresql-%a.log'\n\
         log_truncate_on_rotation = on\n\
         log_rotation_age = 1d\n\
         log_rotation_size = 0\n\
         log_lock_waits = on\n",
        data.join("postgresql.conf").display().to_string().replace('\'', "''"),
        megabytes / 2,
        100 + 8 * cores,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_suit_the_machine_within_bounds() {
        let small = tuning(Path::new("/it's"), 256 << 20);
        assert!(
            small.contains("shared_buffers = 64MB") && small.contains("include = '/it''s/postgresql.conf'")
        );
        assert!(tuning(Path::new("/x"), 4 << 30).contains("shared_buffers = 512MB"));
        assert!(tuning(Path::new("/x"), 256 << 30).contains("shared_buffers = 1024MB"));
    }
}
