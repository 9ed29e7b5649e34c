//! When a recurring component happens, on the wall clock of its DTSTART (RFC 5545 §3.3.10 and §3.8.5, RFC 7529).
//!
//! [`Rule::parse`] reads one rule; [`Rule::occurrences`] walks it lazily; [`Set`] joins DTSTART, RRULE, RDATE, EXDATE and
//! EXRULE. Time here is civil time: zones, the hours that daylight saving skips or repeats, and durations are for the
//! caller. Every walk spends from a [`Budget`], and a spent budget is an error, never a shorter answer.

mod calendar;
mod clock;
mod engine;
mod parse;
mod pattern;
mod plan;
mod rule;
mod set;

use std::cell::Cell;
use std::fmt;

use jiff::civil::{Date, DateTime, Time};

pub use engine::Occurrences;
pub use rule::{Fault, Frequency, Rule, RuleError, Until};
pub use set::{Instances, Set};

/// The calendars that rules may count in (RFC 7529 §5).
pub const RSCALES: [&str; 1] = ["GREGORIAN"];

/// A DATE or a DATE-TIME, on the wall clock of DTSTART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A whole day.
    Date(Date),
    /// A second of a day.
    Time(DateTime),
}

impl Moment {
    /// The first second of it.
    #[must_use]
    pub fn first_second(self) -> DateTime {
        match self {
            Self::Date(date) => date.to_datetime(Time::midnight()),
            Self::Time(time) => time,
        }
    }
}

/// How much more one request may look for, shared by all the walks it makes.
///
/// A unit is about one candidate looked at, some tens of nanoseconds.
#[derive(Debug)]
pub struct Budget {
    left: Cell<u64>,
    /// What the object that is looked at leaves for the others.
    kept: Cell<u64>,
}

/// What one object may spend, so that none takes longer than 50 ms.
const ONE_OBJECT: u64 = 500_000;

impl Budget {
    /// A budget of so many units; a million is enough for any honest request.
    #[must_use]
    pub fn new(units: u64) -> Self {
        Self { left: Cell::new(units), kept: Cell::new(0) }
    }

    /// The units not yet spent.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left.get()
    }

    /// Another object is looked at: of what is left it may have its share.
    pub(super) fn next_object(&self) {
        self.kept.set(self.left.get().saturating_sub(ONE_OBJECT));
    }

    /// Takes units, or, where there are too few, takes the rest and says so.
    pub(super) fn spend(&self, units: u64) -> Result<(), Exhausted> {
        let left = self.left.get().checked_sub(units).filter(|left| *left >= self.kept.get());
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or(Exhausted)
    }
}

/// The budget ran out before the answer was known: there may be more instances, and there may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the recurrence takes more steps than one request may spend")
    }
}

impl std::error::Error for Exhausted {}
