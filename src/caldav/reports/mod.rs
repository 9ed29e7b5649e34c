//! The reports of RFC 4791.

pub mod data;
pub mod filter;
pub mod freebusy;
pub mod history;
pub mod multiget;
pub mod query;
pub mod range;

/// What one request may spend on recurrences, in units of [`crate::ical::Budget`].
pub const BUDGET: u64 = 2_000_000;
