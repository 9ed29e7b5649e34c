//! What is fuzzed: what each target asserts of any octets. `make fuzz` looks for octets that break one, tests/seeds.rs runs
//! those that are kept in the folder of its name.

mod dump;
mod filter;
mod forms;
mod object;
mod recurrence;
mod tree;

/// What is done with any octets.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

pub const TARGETS: [Target; 8] = [
    Target { name: "object", run: object::run },
    Target { name: "rule", run: recurrence::rule },
    Target { name: "zone", run: recurrence::zone },
    Target { name: "filter", run: filter::run },
    Target { name: "jcal", run: forms::jcal },
    Target { name: "xcal", run: forms::xcal },
    Target { name: "tree", run: tree::run },
    Target { name: "dump", run: dump::run },
];
