//! The Gregorian calendar as day numbers (from 1970-01-01 = 0), and sets of days.

use jiff::civil::Date;

use super::clock;

/// The last year of any answer, the last that iCalendar can write.
pub(super) const LAST_YEAR: i64 = 9999;

/// One year, and where its days lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Year {
    pub(super) number: i64,
    /// The day number of the first of January.
    pub(super) first: i64,
    /// 365 or 366.
    pub(super) len: i64,
}

impl Year {
    pub(super) fn new(number: i64) -> Self {
        Self { number, first: first_day(number), len: first_day(number + 1) - first_day(number) }
    }

    /// The year that holds a day.
    pub(super) fn of(day: i64) -> Self {
        // The mean year is 365.2425 days long: this is right, or one too many or too few around new year.
        let near = Self::new(1970 + (day * 400).div_euclid(146_097));
        if day < near.first {
            Self::new(near.number - 1)
        } else if day >= near.first + near.len {
            Self::new(near.number + 1)
        } else {
            near
        }
    }

    /// The first day, counted from the first of January, and the length of a month from 1 to 12.
    pub(super) fn month(&self, month: i64) -> (i64, i64) {
        const STARTS: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
        let leap = self.len - 365;
        let start = |index: i64| {
            let days = usize::try_from(index).ok().and_then(|index| STARTS.get(index));
            days.copied().unwrap_or(0) + if index > 1 { leap } else { 0 }
        };
        (start(month - 1), start(month) - start(month - 1))
    }

    /// Where week 1 starts, counted from the first of January: it is the first week with four days in this year.
    pub(super) fn first_week(&self, week_start: i64) -> i64 {
        let into = (weekday(self.first) - week_start).rem_euclid(7);
        if into <= 3 { -into } else { 7 - into }
    }
}

/// The number of a day.
pub(super) fn day_number(date: Date) -> i64 {
    first_day(i64::from(date.year())) + i64::from(date.day_of_year()) - 1
}

/// The day of that number; none beyond the year 9999.
pub(super) fn date(day: i64) -> Option<Date> {
    let year = Year::of(day);
    let mut of_year = day - year.first;
    // No month is longer than 31 days: the guess is right or one too low.
    let mut month = of_year / 31 + 1;
    let (start, len) = year.month(month);
    of_year -= start;
    if of_year >= len {
        of_year -= len;
        month += 1;
    }
    let (year, month, day) = (year.number.try_into(), month.try_into(), (of_year + 1).try_into());
    Date::new(year.ok()?, month.ok()?, day.ok()?).ok()
}

/// The weekday of a day, from Monday = 0.
pub(super) fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The number of the week that holds a day.
pub(super) fn week(day: i64, week_start: i64) -> i64 {
    (day + 3 - week_start).div_euclid(7)
}

/// The first day of a week of that number.
pub(super) fn week_first(week: i64, week_start: i64) -> i64 {
    week * 7 - 3 + week_start
}

fn first_day(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) - 719_162
}

/// A set of days, counted from some first day; it has room for a year.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Days([u64; 6]);

impl Days {
    /// The days of a span; what has no room is left out.
    pub(super) fn span(from: i64, len: i64) -> Self {
        let mut days = Self::default();
        days.insert_bits(from, u64::MAX, len);
        days
    }

    /// Adds one day; what has no room is left out.
    pub(super) fn insert(&mut self, day: i64) {
        self.insert_bits(day, 1, 1);
    }

    /// Adds a span.
    pub(super) fn insert_span(&mut self, from: i64, len: i64) {
        self.insert_bits(from, u64::MAX, len);
    }

    /// Adds, of `len` days from `from` on, those whose bit is set; the bits repeat after 64 days.
    pub(super) fn insert_bits(&mut self, from: i64, bits: u64, len: i64) {
        let mut base = 0;
        for word in &mut self.0 {
            let (low, high) = ((from - base).clamp(0, 64), (from + len - base).clamp(0, 64));
            if low < high {
                let span = (u64::MAX << low) & (u64::MAX >> (64 - high));
                let shift = u32::try_from((from - base).rem_euclid(64)).unwrap_or(0);
                *word |= bits.rotate_left(shift) & span;
            }
            base += 64;
        }
    }

    /// Adds every seventh day of a span, starting with its first.
    pub(super) fn insert_weekly(&mut self, first: i64) {
        const EVERY_SEVENTH: u64 = 0x8102_0408_1020_4081;
        let mut first = first;
        for word in &mut self.0 {
            *word |= EVERY_SEVENTH << first;
            // 64 days are nine weeks and a day.
            first = (first - 1).rem_euclid(7);
        }
    }

    /// Keeps what is in both.
    pub(super) fn and(mut self, other: Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word &= other;
        }
        self
    }

    /// The seven days from `from` on, as bits.
    pub(super) fn week(&self, from: i64) -> u64 {
        let into = from.rem_euclid(64);
        let (low, high) = (self.word(from).unwrap_or(0), self.word(from + 64).unwrap_or(0));
        let high = if into == 0 { 0 } else { high << (64 - into) };
        (low >> into | high) & 0x7F
    }

    /// Whether a day is in the set.
    pub(super) fn has(&self, day: i64) -> bool {
        self.word(day).is_some_and(|word| word & (1 << (day & 63)) != 0)
    }

    /// How many days there are.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().copied().map(clock::count).sum()
    }

    /// How many of the days are before `day`.
    pub(super) fn rank(&self, day: i64) -> u64 {
        self.and(Self::span(0, day.clamp(0, 384))).len()
    }

    /// The day that has `n` others before it.
    pub(super) fn nth(&self, mut n: u64) -> Option<i64> {
        let mut base = 0;
        for word in self.0 {
            let here = clock::count(word);
            if n < here {
                return Some(base + i64::from(clock::nth_bit(word, n)));
            }
            n -= here;
            base += 64;
        }
        None
    }

    /// The first day that is not before `from`.
    pub(super) fn next(&self, from: i64) -> Option<i64> {
        if self.has(from) { Some(from) } else { self.nth(self.rank(from)) }
    }

    fn word(&self, day: i64) -> Option<u64> {
        usize::try_from(day.div_euclid(64)).ok().and_then(|index| self.0.get(index)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_has_its_number() {
        let mut day = day_number(Date::new(-1, 1, 1).unwrap());
        for date in Date::new(-1, 1, 1).unwrap().series(jiff::Span::new().days(1)) {
            assert_eq!((day_number(date), super::date(day)), (day, Some(date)));
            assert_eq!(weekday(day), i64::from(date.weekday().to_monday_zero_offset()), "{date}");
            day += 1;
        }
        assert_eq!(super::date(day), None, "after the year 9999");
    }

    #[test]
    fn weeks_are_numbered_as_iso_8601_does() {
        for number in 1900..2300 {
            let first = Date::new(number, 1, 4).unwrap().iso_week_date().first_of_week().unwrap().date();
            let year = Year::new(i64::from(number));
            assert_eq!(year.first + year.first_week(0), day_number(first), "{number}");
        }
    }

    #[test]
    fn days_are_counted_and_picked() {
        let mut days = Days::span(60, 10);
        days.insert(0);
        days.insert(383);
        days.insert(384);
        days.insert(-1);
        assert_eq!(days.len(), 12);
        let all: Vec<_> = (0..).map_while(|n| days.nth(n)).collect();
        assert_eq!(all, [0, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 383]);
        for (n, day) in (0..).zip(all) {
            assert_eq!((days.rank(day), days.rank(day + 1)), (n, n + 1));
        }
        assert_eq!((days.next(1), days.next(384), days.week(62)), (Some(60), None, 0x7F));
        assert_eq!((days.week(-3), days.week(67)), (0b1000, 0b111));
    }
}
