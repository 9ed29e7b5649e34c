//! What Linux tells of this process, under the names that every exporter of Prometheus gives it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use metrics::{counter, describe_counter, describe_gauge, gauge};

/// Ticks of a second in /proc, on every Linux of today.
const TICKS: u64 = 100;

/// Says what is measured, and since when.
pub(super) fn describe() {
    describe_gauge!("process_start_time_seconds", "When the process started, as Unix time.");
    describe_gauge!("process_resident_memory_bytes", "Memory in use.");
    describe_gauge!("process_open_fds", "Open files and sockets.");
    describe_counter!("process_cpu_seconds_total", "Time of processors used.");
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    gauge!("process_start_time_seconds").set(started.as_secs_f64());
}

/// Measures now; what cannot be read is left as it was.
pub(super) fn sample() {
    if let Some(kilobytes) = resident() {
        gauge!("process_resident_memory_bytes").set(kilobytes * 1024.0);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        gauge!("process_open_fds").set(f64::from(u32::try_from(files.count()).unwrap_or(u32::MAX)));
    }
    if let Some(ticks) = ticks() {
        counter!("process_cpu_seconds_total").absolute(ticks / TICKS);
    }
}

fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Of user and of system: the 14th and 15th field, counted behind the name in parentheses, which may hold anything.
fn ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(|field| field.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}
