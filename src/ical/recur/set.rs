//! All that makes a recurrence set, joined in order: DTSTART, RRULE, RDATE less EXDATE, EXRULE (RFC 5545 §3.8.5).

use jiff::civil::{Date, DateTime};

use super::engine::Occurrences;
use super::rule::Rule;
use super::{Budget, Exhausted, Moment};

/// The recurrence properties of one component, all on the wall clock of its DTSTART.
///
/// DTSTART is an instance even where no rule yields it; it is then the first of every COUNT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// DTSTART; when it is a date, the instances are the midnights of their days.
    pub start: Moment,
    /// RRULE.
    pub rules: Vec<Rule>,
    /// RDATE, in any order; of periods the starts.
    pub rdates: Vec<DateTime>,
    /// EXDATE, in any order: a date takes away all instances of its day; with a date for a DTSTART a time does so too.
    pub exdates: Vec<Moment>,
    /// EXRULE (RFC 2445 §4.8.5.2).
    pub exrules: Vec<Rule>,
}

impl Set {
    /// A set of DTSTART alone.
    #[must_use]
    pub fn new(start: Moment) -> Self {
        Self { start, rules: Vec::new(), rdates: Vec::new(), exdates: Vec::new(), exrules: Vec::new() }
    }

    /// Whether a rule says nothing about its end.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.rules.iter().any(Rule::is_endless)
    }

    /// The instances, in ascending order, each once.
    #[must_use]
    pub fn instances<'b>(&self, budget: &'b Budget) -> Instances<'b> {
        let whole_days = matches!(self.start, Moment::Date(_));
        let start = self.start.first_second();
        let on_day =
            |time: &DateTime| if whole_days { Moment::Date(time.date()).first_second() } else { *time };
        let mut dates: Vec<_> = self.rdates.iter().map(on_day).chain([start]).collect();
        dates.sort_unstable();
        dates.dedup();
        let (mut days, mut times) = (Vec::new(), Vec::new());
        for exdate in &self.exdates {
            match *exdate {
                Moment::Date(day) => days.push(day),
                Moment::Time(time) if whole_days => days.push(time.date()),
                Moment::Time(time) => times.push(time),
            }
        }
        days.sort_unstable();
        times.sort_unstable();
        let rule = |rule: &Rule| Source::new(rule.occurrences(self.start, budget).counting_start());
        let exrule = |rule: &Rule| Source::new(rule.occurrences(self.start, budget));
        Instances {
            budget,
            dates,
            at: 0,
            rules: self.rules.iter().map(rule).collect(),
            days,
            times,
            exrules: self.exrules.iter().map(exrule).collect(),
        }
    }
}

/// The instances of a [`Set`].
#[derive(Clone, Debug)]
pub struct Instances<'b> {
    budget: &'b Budget,
    /// DTSTART and RDATE, sorted; those before `at` are done.
    dates: Vec<DateTime>,
    at: usize,
    rules: Vec<Source<'b>>,
    /// EXDATE, sorted.
    days: Vec<Date>,
    times: Vec<DateTime>,
    exrules: Vec<Source<'b>>,
}

impl Instances<'_> {
    /// Passes over what is before `from`; never goes back (see [`Occurrences::seek`]).
    pub fn seek(&mut self, from: DateTime) {
        self.at = self.at.max(self.dates.partition_point(|date| *date < from));
        for rule in &mut self.rules {
            rule.seek(from);
        }
    }

    /// Ends the walk before `to` (see [`Occurrences::stop_before`]).
    pub fn stop_before(&mut self, to: DateTime) {
        self.dates.truncate(self.dates.partition_point(|date| *date < to));
        for rule in self.rules.iter_mut().chain(&mut self.exrules) {
            rule.stop_before(to);
        }
    }

    fn step(&mut self) -> Result<Option<DateTime>, Exhausted> {
        while let Some(time) = self.join()? {
            if !self.is_excluded(time)? {
                return Ok(Some(time));
            }
        }
        Ok(None)
    }

    /// The earliest time of any source, taken from every source that has it.
    fn join(&mut self) -> Result<Option<DateTime>, Exhausted> {
        let mut earliest = self.dates.get(self.at).copied();
        self.budget.spend(u64::from(earliest.is_some()) + self.rules.len() as u64 / AT_ONCE)?;
        for rule in &mut self.rules {
            earliest = earliest.into_iter().chain(rule.head()?).min();
        }
        if let Some(time) = earliest {
            self.at += usize::from(self.dates.get(self.at) == Some(&time));
            self.rules.iter_mut().for_each(|rule| rule.take(time));
        }
        Ok(earliest)
    }

    fn is_excluded(&mut self, time: DateTime) -> Result<bool, Exhausted> {
        if self.days.is_empty() && self.times.is_empty() && self.exrules.is_empty() {
            return Ok(false);
        }
        self.budget.spend(1 + self.exrules.len() as u64 / AT_ONCE)?;
        if self.days.binary_search(&time.date()).is_ok() || self.times.binary_search(&time).is_ok() {
            return Ok(true);
        }
        for rule in &mut self.exrules {
            if rule.head_from(time)? == Some(time) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Iterator for Instances<'_> {
    type Item = Result<DateTime, Exhausted>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// How many rules can be asked for a time that is known, for one unit of the budget.
const AT_ONCE: u64 = 8;

/// A rule's walk with its next time looked up.
#[derive(Clone, Debug)]
struct Source<'b> {
    times: Occurrences<'b>,
    /// The next time, none after the last one; only right when it has been looked up.
    head: Option<DateTime>,
    is_looked_up: bool,
}

impl<'b> Source<'b> {
    fn new(times: Occurrences<'b>) -> Self {
        Self { times, head: None, is_looked_up: false }
    }

    fn head(&mut self) -> Result<Option<DateTime>, Exhausted> {
        if !self.is_looked_up {
            self.head = self.times.next().transpose()?;
            self.is_looked_up = true;
        }
        Ok(self.head)
    }

    /// The next time that is not before `from`. Often it is the very next one: a jump costs more than a step.
    fn head_from(&mut self, from: DateTime) -> Result<Option<DateTime>, Exhausted> {
        for _ in 0..2 {
            match self.head()? {
                Some(head) if head < from => self.is_looked_up = false,
                head => return Ok(head),
            }
        }
        self.seek(from);
        self.head()
    }

    /// Takes the head off where it is at `time`.
    fn take(&mut self, time: DateTime) {
        if self.head == Some(time) {
            self.is_looked_up = false;
        }
    }

    fn stop_before(&mut self, to: DateTime) {
        self.times.stop_before(to);
        self.head = self.head.filter(|head| *head < to);
    }

    fn seek(&mut self, from: DateTime) {
        self.times.seek(from);
        if self.head.is_some_and(|head| head < from) {
            self.is_looked_up = false;
        }
    }
}
