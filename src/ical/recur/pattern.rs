//! Which days of a year a rule selects: the rows of the table of RFC 5545 §3.3.10 as set operations on the year's days.

use super::calendar::{self, Days, LAST_YEAR, Year};
use super::rule::{Frequency, Signed, Skip, Weekdays};

/// The day parts of a rule, completed from DTSTART, with the INTERVAL of periods of a day or longer.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Of the periods that the interval counts: at most daily.
    pub(super) cadence: Frequency,
    pub(super) interval: i64,
    /// The number of the period that holds DTSTART.
    pub(super) origin: i64,
    pub(super) week_start: i64,
    pub(super) skip: Skip,
    pub(super) months: u64,
    pub(super) weeks: Signed,
    pub(super) yeardays: Vec<i16>,
    pub(super) monthdays: Signed,
    pub(super) weekdays: Weekdays,
}

impl Pattern {
    /// The selected days, counted from the first of January; BYSETPOS is not looked at.
    pub(super) fn days(&self, number: i64) -> Days {
        if !(-LAST_YEAR..=LAST_YEAR).contains(&number) {
            return Days::default();
        }
        let year = &Year::new(number);
        let mut days = match (self.monthdays.is_empty(), self.yeardays.is_empty()) {
            (true, true) => self.months(year, |month| self.visits(year, month)),
            (false, true) => self.by_month_day(year),
            (true, false) => self.by_year_day(year).and(self.months(year, |month| self.selects(month))),
            (false, false) => self.by_month_day(year).and(self.by_year_day(year)),
        };
        if !self.weeks.is_empty() {
            days = days.and(self.by_week(year));
        }
        if !self.weekdays.is_empty() {
            days = days.and(self.by_weekday(year));
        }
        match self.cadence {
            Frequency::Weekly if self.interval > 1 => days.and(self.every_week(year)),
            Frequency::Daily if self.interval > 1 => days.and(self.every_day(year)),
            _ => days,
        }
    }

    /// Whether BYMONTH lets a month in.
    fn selects(&self, month: i64) -> bool {
        self.months == 0 || self.months & (1 << month) != 0
    }

    /// Whether the interval falls on that period.
    fn on_beat(&self, period: i64) -> bool {
        (period - self.origin).rem_euclid(self.interval) == 0
    }

    /// Whether the interval falls on a year; it always does where it does not count years.
    fn visits_year(&self, year: i64) -> bool {
        self.cadence != Frequency::Yearly || self.on_beat(year)
    }

    /// Whether both BYMONTH and the interval let a month in.
    fn visits(&self, year: &Year, month: i64) -> bool {
        let beat = match self.cadence {
            Frequency::Monthly => self.on_beat(year.number * 12 + month - 1),
            _ => self.visits_year(year.number),
        };
        beat && self.selects(month)
    }

    fn months(&self, year: &Year, is_in: impl Fn(i64) -> bool) -> Days {
        if self.months == 0 && self.cadence != Frequency::Monthly {
            return if is_in(1) { Days::span(0, year.len) } else { Days::default() };
        }
        let mut days = Days::default();
        for month in (1..=12).filter(|month| is_in(*month)) {
            let (start, len) = year.month(month);
            days.insert_span(start, len);
        }
        days
    }

    fn by_month_day(&self, year: &Year) -> Days {
        let Signed { plus, minus } = self.monthdays;
        let mut days = Days::default();
        for month in (1..=12).filter(|month| self.visits(year, *month)) {
            let (start, len) = year.month(month);
            days.insert_bits(start, plus >> 1 | minus.reverse_bits() >> (63 - len), len);
            // Bits of days that the month lacks; January and December lack none, so that no day leaves the year.
            let (after, before) = (plus >> (len + 1) != 0, minus >> (len + 1) != 0);
            match self.skip {
                Skip::Forward if after && before => days.insert_bits(start, 1 << len | 1, len + 1),
                Skip::Forward if after => days.insert(start + len),
                Skip::Forward if before => days.insert(start),
                Skip::Backward if after && before => days.insert_bits(start - 1, 1 << len | 1, len + 1),
                Skip::Backward if after => days.insert(start + len - 1),
                Skip::Backward if before => days.insert(start - 1),
                _ => {}
            }
        }
        days
    }

    fn by_year_day(&self, year: &Year) -> Days {
        let mut days = Days::default();
        if self.visits_year(year.number) {
            for &number in &self.yeardays {
                let number = i64::from(number);
                let day = if number > 0 { number - 1 } else { year.len + number };
                if (0..year.len).contains(&day) {
                    days.insert(day);
                }
            }
        }
        self.skip_year_day(year, &mut days);
        days
    }

    /// Adds the day that stands for day 366, from either end, of a year that has no such day.
    fn skip_year_day(&self, year: &Year, days: &mut Days) {
        let lacks = |number: i64| Year::new(number).len == 365 && self.visits_year(number);
        let (after, before) = (self.yeardays.contains(&366), self.yeardays.contains(&-366));
        let number = year.number;
        let (first, last) = match self.skip {
            Skip::Omit => (false, false),
            Skip::Forward => (after && lacks(number - 1) || before && lacks(number), false),
            Skip::Backward => (false, after && lacks(number) || before && lacks(number + 1)),
        };
        if first {
            days.insert(0);
        }
        if last {
            days.insert(year.len - 1);
        }
    }

    /// The days of the numbered weeks; the edges of the year may belong to weeks of its neighbours.
    fn by_week(&self, year: &Year) -> Days {
        let has = |number: i64, of: i64| {
            self.weeks.plus & (1 << number) != 0 || self.weeks.minus & (1 << (of + 1 - number)) != 0
        };
        let weeks = |number: i64| {
            let (here, next) = (Year::new(number), Year::new(number + 1));
            (here.len + next.first_week(self.week_start) - here.first_week(self.week_start)) / 7
        };
        let start = year.first_week(self.week_start);
        let len = weeks(year.number);
        let mut days = Days::default();
        for week in (1..=len).filter(|week| has(*week, len)) {
            days.insert_span(start + (week - 1) * 7, 7);
        }
        let (before, after) = (weeks(year.number - 1), weeks(year.number + 1));
        if has(before, before) {
            days.insert_span(0, start);
        }
        if has(1, after) {
            days.insert_span(start + len * 7, 7);
        }
        days.and(Days::span(0, year.len))
    }

    fn by_weekday(&self, year: &Year) -> Days {
        let mut days = Days::default();
        let first = calendar::weekday(year.first);
        for weekday in (0..7).filter(|weekday| self.weekdays.every & (1 << weekday) != 0) {
            days.insert_weekly((weekday - first).rem_euclid(7));
        }
        if self.weekdays.is_numbered() {
            if self.cadence == Frequency::Monthly || self.months != 0 {
                for month in (1..=12).filter(|month| self.visits(year, *month)) {
                    let (start, len) = year.month(month);
                    self.insert_nth(&mut days, first, start, len);
                }
            } else {
                self.insert_nth(&mut days, first, 0, year.len);
            }
        }
        days.and(Days::span(0, year.len))
    }

    /// Adds the numbered weekdays of a span in a year that starts with weekday `first`.
    fn insert_nth(&self, days: &mut Days, first: i64, start: i64, len: i64) {
        for (weekday, numbers) in (0..).zip(self.weekdays.nth).filter(|(_, numbers)| !numbers.is_empty()) {
            let earliest = start + (weekday - first - start).rem_euclid(7);
            let count = (start + len - earliest + 6) / 7;
            for number in 1..=count {
                if numbers.plus & (1 << number) != 0 || numbers.minus & (1 << (count + 1 - number)) != 0 {
                    days.insert(earliest + (number - 1) * 7);
                }
            }
        }
    }

    fn every_week(&self, year: &Year) -> Days {
        let mut days = Days::default();
        let mut week = self.beat_from(calendar::week(year.first, self.week_start));
        loop {
            let start = calendar::week_first(week, self.week_start) - year.first;
            if start >= year.len {
                return days;
            }
            days.insert_span(start, 7);
            week += self.interval;
        }
    }

    fn every_day(&self, year: &Year) -> Days {
        let mut days = Days::default();
        let mut day = self.beat_from(year.first);
        while day < year.first + year.len {
            days.insert(day - year.first);
            day += self.interval;
        }
        days
    }

    /// The first period on the beat that is not before `period`.
    fn beat_from(&self, period: i64) -> i64 {
        period + (self.origin - period).rem_euclid(self.interval)
    }
}
