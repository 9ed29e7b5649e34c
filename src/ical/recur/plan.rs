//! A rule made ready to be walked from one DTSTART: what it leaves open is filled in, and short periods become long ones
//! wherever that changes nothing.

use jiff::civil::{DateTime, Time};

use super::Moment;
use super::calendar;
use super::clock::{self, Clock};
use super::pattern::Pattern;
use super::rule::{Frequency, Rule, Skip, Until};

/// A rule from one DTSTART.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) start: DateTime,
    /// The last time that may be yielded.
    pub(super) end: DateTime,
    pub(super) count: Option<u64>,
    /// What is walked: periods of this length, `step` of them at a time, from number `origin` on.
    ///
    /// Without BYSETPOS the borders of periods do not matter: everything from DAILY up is walked by years.
    pub(super) period: Frequency,
    pub(super) step: i64,
    pub(super) origin: i64,
    pub(super) week_start: i64,
    pub(super) clock: Clock,
    pub(super) pattern: Pattern,
    /// BYSETPOS; empty for all.
    pub(super) positions: Vec<i16>,
    /// Whether it is plain from the start that nothing matches.
    pub(super) is_void: bool,
}

impl Plan {
    /// Completes a rule from DTSTART.
    pub(super) fn new(rule: &Rule, start: Moment) -> Self {
        let begin = start.first_second();
        let mut clock = clock_of(rule, start);
        let (frequency, interval) = lengthen(rule, begin.time(), &mut clock);
        let pattern = Pattern {
            cadence: frequency.min(Frequency::Daily),
            interval: if frequency > Frequency::Daily { 1 } else { interval },
            origin: period_of(frequency.min(Frequency::Daily), begin, rule.week_start),
            ..pattern_of(rule, begin)
        };
        let (period, step) = match frequency {
            _ if frequency > Frequency::Daily || !rule.positions.is_empty() => (frequency, interval),
            Frequency::Yearly if rule.skip == Skip::Omit => (Frequency::Yearly, interval),
            _ => (Frequency::Yearly, 1),
        };
        let mut plan = Self {
            start: begin,
            end: end_of(rule),
            count: rule.count,
            period,
            step,
            origin: period_of(period, begin, rule.week_start),
            week_start: rule.week_start,
            clock,
            pattern,
            positions: rule.positions.clone(),
            is_void: false,
        };
        let most = plan.most_candidates();
        plan.positions.retain(|position| u64::from(position.unsigned_abs()) <= most);
        plan.is_void = clock.len() == 0 || rule.positions.is_empty() != plan.positions.is_empty();
        plan
    }

    /// The number of the period that holds a time.
    pub(super) fn period_of(&self, time: DateTime) -> i64 {
        period_of(self.period, time, self.week_start)
    }

    /// The first period on the beat that is not before `period`.
    pub(super) fn beat_from(&self, period: i64) -> i64 {
        period + (self.origin - period).rem_euclid(self.step)
    }

    /// No period has more candidates than this.
    fn most_candidates(&self) -> u64 {
        let Clock { minutes, seconds, .. } = self.clock;
        match self.period {
            Frequency::Yearly => 366 * self.clock.len(),
            Frequency::Monthly => 31 * self.clock.len(),
            Frequency::Weekly => clock::count(self.pattern.weekdays.every) * self.clock.len(),
            Frequency::Daily => self.clock.len(),
            Frequency::Hourly => clock::count(minutes) * clock::count(seconds),
            Frequency::Minutely => clock::count(seconds),
            Frequency::Secondly => 1,
        }
    }
}

/// The number of the period of some length that holds a time; periods of one length have numbers in a row.
fn period_of(length: Frequency, time: DateTime, week_start: i64) -> i64 {
    let day = calendar::day_number(time.date());
    let hour = day * 24 + i64::from(time.hour());
    let minute = hour * 60 + i64::from(time.minute());
    match length {
        Frequency::Yearly => i64::from(time.year()),
        Frequency::Monthly => i64::from(time.year()) * 12 + i64::from(time.month()) - 1,
        Frequency::Weekly => calendar::week(day, week_start),
        Frequency::Daily => day,
        Frequency::Hourly => hour,
        Frequency::Minutely => minute,
        Frequency::Secondly => minute * 60 + i64::from(time.second()),
    }
}

/// The day parts; where none is given that names a day, DTSTART names it. The cadence is still to be filled in.
fn pattern_of(rule: &Rule, start: DateTime) -> Pattern {
    let mut pattern = Pattern {
        cadence: rule.frequency,
        interval: 1,
        origin: 0,
        week_start: rule.week_start,
        skip: if rule.frequency <= Frequency::Monthly { rule.skip } else { Skip::Omit },
        months: rule.months,
        weeks: rule.weeks,
        yeardays: rule.yeardays.clone(),
        monthdays: rule.monthdays,
        weekdays: rule.weekdays,
    };
    let names_day = !(rule.yeardays.is_empty() && rule.monthdays.is_empty() && rule.weekdays.is_empty());
    let weekday = 1 << calendar::weekday(calendar::day_number(start.date()));
    match rule.frequency {
        _ if names_day => {}
        Frequency::Yearly if !rule.weeks.is_empty() => pattern.weekdays.every = weekday,
        Frequency::Weekly => pattern.weekdays.every = weekday,
        Frequency::Yearly | Frequency::Monthly => {
            pattern.monthdays.insert(i16::from(start.day()));
            if rule.frequency == Frequency::Yearly && rule.months == 0 {
                pattern.months = 1 << start.month();
            }
        }
        _ => {}
    }
    pattern
}

/// The times of day: a part that the frequency does not count through comes from DTSTART where it is not given.
fn clock_of(rule: &Rule, start: Moment) -> Clock {
    let Moment::Time(start) = start else {
        // The instances of a DATE are days; midnight stands for them.
        return Clock { hours: 1, minutes: 1, seconds: 1 };
    };
    let or = |given: u64, counted: Frequency, all: u64, own: i8| match given {
        0 if rule.frequency >= counted => (1 << all) - 1,
        0 => 1 << own,
        given => given,
    };
    Clock {
        hours: or(rule.hours, Frequency::Hourly, 24, start.hour()),
        minutes: or(rule.minutes, Frequency::Minutely, 60, start.minute()),
        seconds: or(rule.seconds, Frequency::Secondly, 60, start.second()),
    }
}

/// Turns a sub-daily frequency into the longest one that yields the same, narrowing the clock instead: every 15 minutes
/// is every hour at four minutes. Gives that frequency and its interval.
fn lengthen(rule: &Rule, start: Time, clock: &mut Clock) -> (Frequency, i64) {
    let mut interval = signed(rule.interval);
    let mut frequency = rule.frequency;
    loop {
        let (mask, cycle, own, longer) = match frequency {
            Frequency::Secondly => (&mut clock.seconds, 60, start.second(), Frequency::Minutely),
            Frequency::Minutely => (&mut clock.minutes, 60, start.minute(), Frequency::Hourly),
            Frequency::Hourly => (&mut clock.hours, 24, start.hour(), Frequency::Daily),
            _ => return (frequency, interval),
        };
        // Only values that differ from DTSTART's by a multiple of this are ever reached.
        let stride = common_divisor(interval, cycle);
        let reached = (0..cycle).filter(|value| (value - i64::from(own)) % stride == 0);
        *mask &= reached.fold(0, |mask, value| mask | 1 << value);
        if !rule.positions.is_empty() {
            return (frequency, interval);
        }
        (frequency, interval) = match stride {
            _ if stride == interval => (longer, 1),
            _ if stride == cycle => (longer, interval / cycle),
            _ => return (frequency, interval),
        };
    }
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// The last time that UNTIL and the calendar let through.
fn end_of(rule: &Rule) -> DateTime {
    let last_second = Time::constant(23, 59, 59, 0);
    let ever = jiff::civil::date(9999, 12, 31).to_datetime(last_second);
    match rule.until {
        None => ever,
        Some(Until::Date(date)) => date.to_datetime(last_second),
        Some(Until::Local(time) | Until::Utc(time)) => time.min(ever),
    }
}

fn signed(interval: u64) -> i64 {
    i64::try_from(interval).unwrap_or(i64::MAX).max(1)
}
