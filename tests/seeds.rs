//! The octets that fuzzing has found worth keeping (tests/fuzz), each run by the very function that was fuzzed.

mod fuzz;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::thread;

use fuzz::{TARGETS, Target};

#[test]
fn every_seed_passes() {
    let failed: Vec<String> = thread::scope(|scope| {
        let runs: Vec<_> = TARGETS.iter().map(|target| scope.spawn(|| failed(target))).collect();
        runs.into_iter().flat_map(|run| run.join().expect("each panic is caught")).collect()
    });
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// The seeds of a target that break it.
fn failed(target: &Target) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(target.name);
    let seeds = fs::read_dir(&folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let seeds: Vec<_> = seeds.map(|seed| seed.expect("an entry").path()).collect();
    assert!(seeds.len() > 20, "{} has lost its seeds", folder.display());
    let breaks = |octets: Vec<u8>| catch_unwind(|| (target.run)(&octets)).is_err();
    let failed = seeds.into_iter().filter(|seed| breaks(fs::read(seed).expect("a file")));
    failed.map(|seed| seed.display().to_string()).collect()
}
