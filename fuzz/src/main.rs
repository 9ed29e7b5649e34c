//! Runs the target of tests/fuzz that KALENDS_FUZZ names with whatever libFuzzer makes up; what costs too much is a fault too.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;

use fuzz::{TARGETS, Target};

#[path = "../../tests/fuzz/mod.rs"]
mod fuzz;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("KALENDS_FUZZ").expect("KALENDS_FUZZ names a target");
    TARGETS.iter().find(|target| target.name == name).expect("a target of tests/fuzz/mod.rs")
});

/// Octets that may cost so many MiB and milliseconds, in an instrumented build; a whole object is asked many things.
const USUAL: usize = 8192;

fuzz_target!(|octets: &[u8]| {
    let (room, time) = if TARGET.name == "object" { (96, 1000) } else { (8, 300) };
    let start = Instant::now();
    let cheap = run(octets) <= room << 20 && start.elapsed() <= Duration::from_millis(time);
    if cheap || octets.len() > USUAL {
        return;
    }
    // The first run may have read a table, or waited for a processor.
    let before = on_processor();
    let (used, took) = (run(octets) >> 20, (on_processor() - before).as_millis());
    assert!(used <= room && took <= time.into(), "{} octets cost {used} MiB and {took} ms", octets.len());
});

/// The most memory that was in use.
fn run(octets: &[u8]) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    (TARGET.run)(octets);
    PEAK.load(Relaxed).saturating_sub(before)
}

/// How long this thread has been on a processor.
fn on_processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has schedstat");
    let nanoseconds = stat.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("it begins with nanoseconds"))
}

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    PEAK.fetch_max(LIVE.fetch_add(by, Relaxed) + by, Relaxed);
}

/// The system's allocator, counted.
struct Counted;

#[global_allocator]
static COUNTED: Counted = Counted;

// SAFETY: each call is the system allocator's own.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}
