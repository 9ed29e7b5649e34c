//! What one recurrence rule says, as values that are already right (RFC 5545 §3.3.10).

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};

use super::engine::Occurrences;
use super::plan::Plan;
use super::{Budget, Exhausted, Moment, parse};

/// The FREQ of a rule, the longest period first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Frequency {
    /// FREQ=YEARLY
    Yearly,
    /// FREQ=MONTHLY
    Monthly,
    /// FREQ=WEEKLY
    Weekly,
    /// FREQ=DAILY
    Daily,
    /// FREQ=HOURLY
    Hourly,
    /// FREQ=MINUTELY
    Minutely,
    /// FREQ=SECONDLY
    Secondly,
}

/// The last moment that a rule may yield, in the form it was written; the moment itself belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To the end of that day.
    Date(Date),
    /// On the wall clock of DTSTART.
    Local(DateTime),
    /// In UTC: compared as an instant, see [`Rule::localised`].
    Utc(DateTime),
}

/// Where a day that a month or a year lacks goes (RFC 7529 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    Omit,
    Backward,
    Forward,
}

/// A recurrence rule that keeps to the grammar and to the table of RFC 5545 §3.3.10.
///
/// An empty BY part means that the part is absent. A mask has bit n for the value n.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) frequency: Frequency,
    pub(super) interval: u64,
    pub(super) count: Option<u64>,
    pub(super) until: Option<Until>,
    pub(super) week_start: i64,
    pub(super) skip: Skip,
    pub(super) months: u64,
    pub(super) weeks: Signed,
    pub(super) yeardays: Vec<i16>,
    pub(super) monthdays: Signed,
    pub(super) weekdays: Weekdays,
    pub(super) hours: u64,
    pub(super) minutes: u64,
    pub(super) seconds: u64,
    pub(super) positions: Vec<i16>,
}

impl Rule {
    /// Reads the value of an RRULE or EXRULE property.
    ///
    /// Small letters, blanks around values, empty parts, parts whose name starts with `X-`, and COUNT next to UNTIL (the
    /// first to end it wins) are accepted; BYSECOND=60 is read as 59, for a civil minute has no such second.
    ///
    /// # Errors
    /// When the text breaks the grammar, repeats a part, breaks the table of RFC 5545, or asks for a calendar other than
    /// the Gregorian one.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        parse::rule(text)
    }

    /// The FREQ.
    #[must_use]
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    /// The INTERVAL, at least 1.
    #[must_use]
    pub fn interval(&self) -> u64 {
        self.interval
    }

    /// The COUNT, at least 1.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.count
    }

    /// The UNTIL, as it was written.
    #[must_use]
    pub fn until(&self) -> Option<Until> {
        self.until
    }

    /// Whether the rule says nothing about its end.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.count.is_none() && self.until.is_none()
    }

    /// The rule with an UNTIL in UTC put on the wall clock of DTSTART's zone.
    ///
    /// `local` gets the UTC time and gives the last local time whose instant is not after it; inside an hour that occurs
    /// twice, that is the last second of the hour as soon as the second pass has begun. Without this call the digits of
    /// a UTC time are taken for local ones, which is right for a DTSTART in UTC only.
    #[must_use]
    pub fn localised(mut self, local: impl FnOnce(DateTime) -> DateTime) -> Self {
        if let Some(Until::Utc(utc)) = self.until {
            self.until = Some(Until::Local(local(utc)));
        }
        self
    }

    /// The times that this rule yields from `start` on; `start` itself only where the rule yields it.
    #[must_use]
    pub fn occurrences<'b>(&self, start: Moment, budget: &'b Budget) -> Occurrences<'b> {
        Occurrences::new(Plan::new(self, start), budget)
    }

    /// The last time that this rule yields before `at`, COUNT aside.
    ///
    /// # Errors
    /// If the budget is spent before it is found.
    pub fn last_before(
        &self,
        start: Moment,
        at: DateTime,
        budget: &Budget,
    ) -> Result<Option<DateTime>, Exhausted> {
        let endless = Self { count: None, ..self.clone() };
        let mut days = 1;
        loop {
            let from = at.saturating_sub(SignedDuration::from_hours(24 * days));
            let mut times = endless.occurrences(start, budget);
            times.seek(from);
            times.stop_before(at);
            if let Some(last) = times.try_fold(None, |_, time| time.map(Some))? {
                return Ok(Some(last));
            }
            if from <= start.first_second() {
                return Ok(None);
            }
            days *= 4;
        }
    }

    /// How much of COUNT is used up before `at`; `start` counts, whether this rule yields it or not.
    ///
    /// # Errors
    /// If the budget is spent before all are counted.
    pub fn count_before(&self, start: Moment, at: DateTime, budget: &Budget) -> Result<u64, Exhausted> {
        let first = start.first_second();
        let mut times = self.occurrences(start, budget).counting_start();
        times.stop_before(at);
        let mut count = 0;
        let mut yields_start = false;
        for time in times {
            yields_start |= time? == first;
            count += 1;
        }
        Ok(count + u64::from(!yields_start && first < at))
    }
}

/// Ordinals from either end: bit n of `plus` for n, bit n of `minus` for -n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) plus: u64,
    pub(super) minus: u64,
}

impl Signed {
    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self.plus | self.minus == 0
    }

    /// Adds a number of at most ±63.
    pub(super) fn insert(&mut self, number: i16) {
        let bit = 1 << (number.unsigned_abs() & 63);
        if number > 0 {
            self.plus |= bit;
        } else {
            self.minus |= bit;
        }
    }
}

/// BYDAY: weekdays from Monday = 0, plain ones and numbered ones, which are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weekdays {
    pub(super) every: u64,
    pub(super) nth: [Signed; 7],
}

impl Weekdays {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.every == 0 && !self.is_numbered()
    }

    /// Whether one has a number, as in `-1FR`.
    pub(super) fn is_numbered(&self) -> bool {
        self.nth.iter().any(|n| !n.is_empty())
    }
}

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleError {
    fault: Fault,
    part: &'static str,
    reason: &'static str,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Against the grammar.
    Malformed,
    /// Parts that must not stand together.
    Forbidden,
    /// Legal, but not served.
    Unsupported,
}

impl RuleError {
    pub(super) const fn new(fault: Fault, part: &'static str, reason: &'static str) -> Self {
        Self { fault, part, reason }
    }

    /// The kind of refusal.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recurrence rule: {} {}", self.part, self.reason)
    }
}

impl std::error::Error for RuleError {}
