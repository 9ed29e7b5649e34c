//! Runs the target of tests/fuzz that KALENDS_FUZZ names with whatever libFuzzer makes up; what costs too much is a fault too.
#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

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
    let within = |(used, took): (usize, u128)| octets.len() > USUAL || (used <= room << 20 && took <= time);
    let mut cost = run(octets);
    // The first run may have read a table, or waited for a processor.
    for _ in 0..3 {
        if !within(cost) {
            cost = run(octets);
        }
    }
    assert!(within(cost), "{} octets cost {} KiB and {} ms", octets.len(), cost.0 >> 10, cost.1);
});

/// The most memory that was in use, and how many milliseconds it took.
fn run(octets: &[u8]) -> (usize, u128) {
    let (before, start) = (LIVE.load(Relaxed), Instant::now());
    PEAK.store(before, Relaxed);
    (TARGET.run)(octets);
    (PEAK.load(Relaxed).saturating_sub(before), start.elapsed().as_millis())
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
