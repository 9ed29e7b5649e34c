//! The walk through one rule: period by period, each a number line of candidates that are counted and picked, not listed.

use jiff::ToSpan;
use jiff::civil::DateTime;

use super::calendar::{self, Days, Year};
use super::clock::{self, Clock};
use super::plan::Plan;
use super::rule::Frequency;
use super::{Budget, Exhausted};

/// What the days of one year cost, in units of the budget.
const YEAR_COST: u64 = 8;

/// The times that one rule yields, in ascending order, without end where the rule has none before the year 10000.
#[derive(Clone, Debug)]
pub struct Occurrences<'b> {
    plan: Plan,
    budget: &'b Budget,
    /// How many more COUNT allows.
    left: Option<u64>,
    /// Nothing before this is yielded; what is passed over still counts.
    floor: DateTime,
    /// The next period to look into.
    next: i64,
    here: Walk,
    year: (i64, Days),
    /// Whether DTSTART has still to be counted as the first of COUNT, whatever the rule says.
    counts_start: bool,
}

/// One period and the candidates in it.
#[derive(Clone, Copy, Debug)]
struct Period {
    number: i64,
    /// The day number that `days` count from.
    first: i64,
    days: Days,
    clock: Clock,
}

/// What of a period is yielded, and how far it has been walked.
#[derive(Clone, Debug)]
struct Walk {
    period: Period,
    /// The ranks that BYSETPOS picks; `None` for all.
    picks: Option<Vec<u64>>,
    at: u64,
    len: u64,
}

impl<'b> Occurrences<'b> {
    pub(super) fn new(plan: Plan, budget: &'b Budget) -> Self {
        let nothing = Period { number: i64::MIN, first: 0, days: Days::default(), clock: plan.clock };
        Self {
            budget,
            left: plan.count,
            floor: plan.start,
            next: plan.origin,
            here: Walk { period: nothing, picks: None, at: 0, len: 0 },
            year: (i64::MIN, Days::default()),
            counts_start: false,
            plan,
        }
    }

    /// DTSTART is the first of COUNT even where the rule does not yield it (RFC 5545 §3.3.10).
    #[must_use]
    pub fn counting_start(mut self) -> Self {
        self.counts_start = true;
        self
    }

    /// Passes over what is before `from`; never goes back. This takes no time: without COUNT the walk jumps, with COUNT
    /// the next step counts what it passes over, a whole period at a time.
    pub fn seek(&mut self, from: DateTime) {
        if from <= self.floor {
            return;
        }
        self.floor = from;
        let period = self.plan.period_of(from);
        if self.left.is_some() || period <= self.here.period.number {
            self.here.pass(from, &mut self.left);
        } else {
            self.here.len = 0;
            self.next = self.next.max(self.plan.beat_from(period));
        }
    }

    /// Ends the walk: `to` and what is after it is neither yielded nor looked for. A window needs this, for a walk that is
    /// only left off at the first time behind it has to find that time, if there is one.
    pub fn stop_before(&mut self, to: DateTime) {
        match to.checked_sub(1.second()) {
            Ok(end) => self.plan.end = self.plan.end.min(end),
            Err(_) => self.plan.is_void = true,
        }
    }

    fn step(&mut self) -> Result<Option<DateTime>, Exhausted> {
        if self.plan.is_void {
            return Ok(None);
        }
        loop {
            if self.left == Some(0) {
                return Ok(None);
            }
            if self.here.at < self.here.len {
                self.budget.spend(1)?;
                let Some(time) = self.here.nth(self.here.at) else { return Ok(None) };
                if time > self.plan.end {
                    return Ok(None);
                }
                self.here.at += 1;
                self.left = self.left.map(|left| left - 1);
                if time >= self.floor {
                    return Ok(Some(time));
                }
            } else if !self.enter_next()? {
                return Ok(None);
            }
        }
    }

    /// Enters the next period; false after the last one.
    fn enter_next(&mut self) -> Result<bool, Exhausted> {
        self.budget.spend(1)?;
        let Some(period) = self.period_from(self.next)? else { return Ok(false) };
        self.next = period.number + self.plan.step;
        let here = &mut self.here;
        here.enter(period, &self.plan.positions);
        if period.number == self.plan.origin {
            here.at = here.rank(self.plan.start);
        }
        if self.counts_start && here.at < here.len {
            self.counts_start = false;
            if here.nth(here.at) != Some(self.plan.start) {
                self.left = self.left.map(|left| left.saturating_sub(1));
            }
        }
        here.pass(self.floor, &mut self.left);
        Ok(true)
    }

    /// The first period from `number` on that may have candidates.
    fn period_from(&mut self, number: i64) -> Result<Option<Period>, Exhausted> {
        if number > self.plan.period_of(self.plan.end) {
            return Ok(None);
        }
        let (number, first, days) = match self.plan.period {
            Frequency::Yearly => (number, Year::new(number).first, self.days_of(number)?),
            Frequency::Monthly => {
                let year = Year::new(number.div_euclid(12));
                let (start, len) = year.month(number.rem_euclid(12) + 1);
                (number, year.first, self.days_of(year.number)?.and(Days::span(start, len)))
            }
            Frequency::Weekly => {
                let first = calendar::week_first(number, self.plan.week_start);
                (number, first, self.week_from(first)?)
            }
            Frequency::Daily => {
                let Some(day) = self.day_from(number)? else { return Ok(None) };
                (day, day, Days::span(0, 1))
            }
            Frequency::Hourly => return self.unit_from(number, 3600),
            Frequency::Minutely => return self.unit_from(number, 60),
            Frequency::Secondly => return self.unit_from(number, 1),
        };
        Ok(Some(Period { number, first, days, clock: self.plan.clock }))
    }

    /// The first hour, minute or second (`unit` is its length in seconds) on the beat that the rule lets in.
    fn unit_from(&mut self, mut number: i64, unit: i64) -> Result<Option<Period>, Exhausted> {
        let Clock { hours, minutes, seconds } = self.plan.clock;
        let last = self.plan.period_of(self.plan.end);
        while number <= last {
            self.budget.spend(1)?;
            let second = number * unit;
            let (day, second) = (second.div_euclid(86_400), second.rem_euclid(86_400));
            let Some(good_day) = self.day_from(day)? else { return Ok(None) };
            if good_day > day {
                number = self.plan.beat_from(good_day * (86_400 / unit));
                continue;
            }
            let mut clock = Clock { hours: 1 << (second / 3600), minutes, seconds };
            let mut good = next_field(hours, second, 3600, 86_400);
            if unit < 3600 && good == second {
                clock.minutes = 1 << (second / 60 % 60);
                good = next_field(minutes, second, 60, 3600);
            }
            if unit < 60 && good == second {
                clock.seconds = 1 << (second % 60);
                good = next_field(seconds, second, 1, 60);
            }
            if good == second {
                return Ok(Some(Period { number, first: day, days: Days::span(0, 1), clock }));
            }
            number = self.plan.beat_from((day * 86_400 + good).div_euclid(unit));
        }
        Ok(None)
    }

    /// The first selected day that is not before `day`.
    fn day_from(&mut self, day: i64) -> Result<Option<i64>, Exhausted> {
        let last = i64::from(self.plan.end.year());
        let mut year = Year::of(day);
        while year.number <= last {
            if let Some(found) = self.days_of(year.number)?.next(day - year.first) {
                return Ok(Some(year.first + found));
            }
            year = Year::new(year.number + 1);
        }
        Ok(None)
    }

    /// The selected days of a week, which may lie in two years.
    fn week_from(&mut self, first: i64) -> Result<Days, Exhausted> {
        let mut days = Days::default();
        for year in [Year::of(first), Year::of(first + 6)] {
            days.insert_bits(0, self.days_of(year.number)?.week(first - year.first), 7);
        }
        Ok(days)
    }

    /// The selected days of a year; the last year asked for is kept.
    fn days_of(&mut self, year: i64) -> Result<Days, Exhausted> {
        if self.year.0 != year {
            self.budget.spend(YEAR_COST)?;
            self.year = (year, self.plan.pattern.days(year));
        }
        Ok(self.year.1)
    }
}

impl Iterator for Occurrences<'_> {
    type Item = Result<DateTime, Exhausted>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl Period {
    /// How many candidates there are.
    fn len(&self) -> u64 {
        self.days.len() * self.clock.len()
    }

    /// The candidate that has `n` others before it.
    fn nth(&self, n: u64) -> Option<DateTime> {
        let a_day = self.clock.len();
        let day = self.days.nth(n.checked_div(a_day)?)?;
        Some(calendar::date(self.first + day)?.to_datetime(self.clock.nth(n % a_day)?))
    }

    /// How many candidates are before `time`.
    fn rank(&self, time: DateTime) -> u64 {
        let day = calendar::day_number(time.date()) - self.first;
        let today = if self.days.has(day) { self.clock.rank(time.time()) } else { 0 };
        self.days.rank(day) * self.clock.len() + today
    }
}

impl Walk {
    /// Starts a period, of which BYSETPOS picks some.
    fn enter(&mut self, period: Period, positions: &[i16]) {
        let candidates = period.len();
        (self.period, self.picks, self.at, self.len) = (period, None, 0, candidates);
        if !positions.is_empty() {
            let rank = |&position: &i16| {
                let distance = u64::from(position.unsigned_abs());
                let rank =
                    if position > 0 { distance.checked_sub(1) } else { candidates.checked_sub(distance) };
                rank.filter(|rank| *rank < candidates)
            };
            let mut picks: Vec<u64> = positions.iter().filter_map(rank).collect();
            picks.sort_unstable();
            picks.dedup();
            self.len = picks.len() as u64;
            self.picks = Some(picks);
        }
    }

    /// The time that has `n` picked ones before it.
    fn nth(&self, n: u64) -> Option<DateTime> {
        match &self.picks {
            None => self.period.nth(n),
            Some(picks) => self.period.nth(*picks.get(usize::try_from(n).ok()?)?),
        }
    }

    /// How many picked times are before `time`.
    fn rank(&self, time: DateTime) -> u64 {
        let rank = self.period.rank(time);
        match &self.picks {
            None => rank,
            Some(picks) => picks.partition_point(|pick| *pick < rank) as u64,
        }
    }

    /// Passes over what is before `floor`, counting it.
    fn pass(&mut self, floor: DateTime, left: &mut Option<u64>) {
        let at = self.rank(floor).clamp(self.at, self.len.max(self.at));
        *left = left.map(|left| left.saturating_sub(at - self.at));
        self.at = at;
    }
}

/// `second` itself where the mask has the value that its field has then; else the second at which the field next has such
/// a value, or starts anew. The field counts in units of `length` within a cycle, all in seconds.
fn next_field(mask: u64, second: i64, length: i64, cycle: i64) -> i64 {
    let (start, value) = (second - second % cycle, second % cycle / length);
    match clock::next(mask, value) {
        Some(next) if next == value => second,
        Some(next) => start + next * length,
        None => start + cycle,
    }
}
