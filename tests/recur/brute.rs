//! Made-up rules against an expander that lists every second a period could mean and keeps those that the rule lets in:
//! slow, and obviously right.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, ToSpan};

use kalends::ical::recur::{Budget, Moment, Rule};

use super::dice::Dice;

const NAMES: [&str; 7] = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"];
const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// Some numbers between two, none of them 0 unless `low` is.
fn some(dice: &mut Dice, low: i64, high: i64) -> Vec<i64> {
    let numbers: BTreeSet<_> = (0..=dice.below(3)).map(|_| dice.from(low, high)).collect();
    numbers.into_iter().filter(|n| *n != 0 || low == 0).collect()
}

/// A rule as numbers; an empty list is a part that is not there. Weekdays count from Monday = 0, with 0 for "every".
#[derive(Clone, Debug, Default)]
struct Model {
    freq: usize,
    interval: i64,
    count: Option<usize>,
    until: Option<DateTime>,
    wkst: i64,
    month: Vec<i64>,
    weekno: Vec<i64>,
    yearday: Vec<i64>,
    monthday: Vec<i64>,
    day: Vec<(i64, i64)>,
    hour: Vec<i64>,
    minute: Vec<i64>,
    second: Vec<i64>,
    setpos: Vec<i64>,
}

impl Model {
    fn throw(dice: &mut Dice) -> Self {
        let mut rule = Self {
            freq: usize::try_from(dice.below(7)).expect("small"),
            interval: *dice.pick(&[1, 1, 1, 2, 3, 4, 5, 7, 10, 36]),
            wkst: *dice.pick(&[0, 0, 6, 3]),
            ..Self::default()
        };
        let freq = rule.freq;
        let mut maybe = |one_in: u64, low: i64, high: i64| {
            if dice.one_in(one_in) { some(dice, low, high) } else { vec![] }
        };
        rule.month = maybe(4, 1, 12);
        rule.weekno = if freq == 0 { maybe(6, -53, 53) } else { vec![] };
        rule.yearday = if freq == 0 || freq > 3 { maybe(8, -366, 366) } else { vec![] };
        rule.monthday = if freq == 2 { vec![] } else { maybe(4, -31, 31) };
        rule.hour = maybe(4, 0, 23);
        rule.minute = maybe(4, 0, 59);
        rule.second = maybe(4, 0, 59);
        rule.setpos = maybe(5, -5, 5);
        if dice.one_in(3) {
            let numbered = freq < 2 && rule.weekno.is_empty();
            let some = some(dice, 0, 6);
            rule.day = some
                .into_iter()
                .map(|day| {
                    (if numbered && dice.one_in(2) { *dice.pick(&[1, 2, 3, 5, -1, -2, -5]) } else { 0 }, day)
                })
                .collect();
        }
        if dice.one_in(4) {
            rule.count = Some(usize::try_from(dice.from(1, 40)).expect("small"));
        }
        rule
    }

    fn text(&self) -> String {
        let mut text = format!("FREQ={}", NAMES[self.freq]);
        let mut part = |name: &str, list: &[String]| {
            if !list.is_empty() {
                let _ = write!(text, ";{name}={}", list.join(","));
            }
        };
        let numbers = |list: &[i64]| list.iter().map(i64::to_string).collect::<Vec<_>>();
        part("INTERVAL", &if self.interval > 1 { vec![self.interval.to_string()] } else { vec![] });
        part("COUNT", &self.count.iter().map(usize::to_string).collect::<Vec<_>>());
        let until = self.until.map(|until| until.strftime("%Y%m%dT%H%M%S").to_string());
        part("UNTIL", &until.into_iter().collect::<Vec<_>>());
        part("BYMONTH", &numbers(&self.month));
        part("BYWEEKNO", &numbers(&self.weekno));
        part("BYYEARDAY", &numbers(&self.yearday));
        part("BYMONTHDAY", &numbers(&self.monthday));
        let weekday = |day: i64| WEEKDAYS[usize::try_from(day).expect("a weekday")];
        let days = self.day.iter().map(|(n, day)| match n {
            0 => weekday(*day).to_owned(),
            n => format!("{n}{}", weekday(*day)),
        });
        part("BYDAY", &days.collect::<Vec<_>>());
        part("BYHOUR", &numbers(&self.hour));
        part("BYMINUTE", &numbers(&self.minute));
        part("BYSECOND", &numbers(&self.second));
        part("BYSETPOS", &numbers(&self.setpos));
        part("WKST", &if self.wkst == 0 { vec![] } else { vec![weekday(self.wkst).to_owned()] });
        text
    }

    /// Whether nothing in it is shorter than a day.
    fn is_of_days(&self) -> bool {
        self.freq < 4 && self.hour.is_empty() && self.minute.is_empty() && self.second.is_empty()
    }

    /// The first and the last day of the period that holds a day; of what is shorter than a day, that day.
    fn days_of_period(&self, day: Date) -> (Date, Date) {
        match self.freq {
            0 => (day.first_of_year(), day.last_of_year()),
            1 => (day.first_of_month(), day.last_of_month()),
            2 => {
                let first = day - weekday_from(day, self.wkst).days();
                (first, first + 6.days())
            }
            _ => (day, day),
        }
    }

    /// The start of the period `n` intervals after that of `start`.
    fn period(&self, start: DateTime, n: i64) -> DateTime {
        let n = n * self.interval;
        let first = self.days_of_period(start.date()).0.at(0, 0, 0, 0);
        match self.freq {
            0 => first + n.years(),
            1 => first + n.months(),
            2 => first + n.weeks(),
            3 => first + n.days(),
            4 => start.date().at(start.hour(), 0, 0, 0) + SignedDuration::from_hours(n),
            5 => start.date().at(start.hour(), start.minute(), 0, 0) + SignedDuration::from_mins(n),
            _ => start + SignedDuration::from_secs(n),
        }
    }

    /// Whether the parts that name days let a day in.
    fn has_day(&self, day: Date, start: DateTime) -> bool {
        let month_len = i64::from(day.days_in_month());
        let in_month = i64::from(day.day());
        let in_year = i64::from(day.day_of_year());
        let year_len = i64::from(day.days_in_year());
        let signed = |list: &[i64], n: i64, len: i64| {
            list.is_empty() || list.contains(&n) || list.contains(&(n - len - 1))
        };
        let weekday = weekday_from(day, 0);
        // The place of the day among the days of its weekday: in the month, or in the whole year.
        let of_year = self.freq == 0 && self.month.is_empty();
        let (at, len) = if of_year { (in_year, year_len) } else { (in_month, month_len) };
        let (nth, nth_last) = ((at - 1) / 7 + 1, -((len - at) / 7 + 1));
        let by_day = |(n, day): &(i64, i64)| *day == weekday && (*n == 0 || *n == nth || *n == nth_last);
        let named = (self.month.is_empty() || self.month.contains(&i64::from(day.month())))
            && self.has_week(day)
            && signed(&self.yearday, in_year, year_len)
            && signed(&self.monthday, in_month, month_len)
            && (self.day.is_empty() || self.day.iter().any(by_day));
        named && (self.names_days() || self.is_day_of_start(day, start))
    }

    fn has_week(&self, day: Date) -> bool {
        if self.weekno.is_empty() {
            return true;
        }
        let (week, weeks) = week_number(day, self.wkst);
        self.weekno.contains(&week) || self.weekno.contains(&(week - weeks - 1))
    }

    fn names_days(&self) -> bool {
        !(self.yearday.is_empty() && self.monthday.is_empty() && self.day.is_empty())
    }

    /// What DTSTART says where no part names a day.
    fn is_day_of_start(&self, day: Date, start: DateTime) -> bool {
        let same_weekday = weekday_from(day, 0) == weekday_from(start.date(), 0);
        match self.freq {
            0 if !self.weekno.is_empty() => same_weekday,
            0 => day.day() == start.day() && (!self.month.is_empty() || day.month() == start.month()),
            1 => day.day() == start.day(),
            2 => same_weekday,
            _ => true,
        }
    }

    /// Every time of the period that starts at `period`, in order.
    fn candidates(&self, period: DateTime, start: DateTime) -> Vec<DateTime> {
        let (first, last) = self.days_of_period(period.date());
        let own = |n: i8| vec![i64::from(n)];
        // The fields that are longer than the period are those of the period, shorter ones those of DTSTART.
        let field = |list: &[i64], finest: usize, of_period: i8, of_start: i8| {
            if self.freq >= finest {
                let here = i64::from(of_period);
                if list.is_empty() || list.contains(&here) { vec![here] } else { vec![] }
            } else if list.is_empty() {
                own(of_start)
            } else {
                list.to_vec()
            }
        };
        let hours = field(&self.hour, 4, period.hour(), start.hour());
        let minutes = field(&self.minute, 5, period.minute(), start.minute());
        let seconds = field(&self.second, 6, period.second(), start.second());
        let mut all = vec![];
        let mut day = first;
        loop {
            if self.has_day(day, start) {
                for hour in &hours {
                    for minute in &minutes {
                        for second in &seconds {
                            let small = |n: i64| i8::try_from(n).expect("a field of a time");
                            let time =
                                Time::new(small(*hour), small(*minute), small(*second), 0).expect("a time");
                            all.push(day.to_datetime(time));
                        }
                    }
                }
            }
            if day == last {
                break;
            }
            day = day.tomorrow().expect("a day");
        }
        all.sort_unstable();
        if self.setpos.is_empty() {
            return all;
        }
        let len = i64::try_from(all.len()).expect("small");
        let place = |n: i64| if n > 0 { n - 1 } else { len + n };
        let places: BTreeSet<_> =
            self.setpos.iter().map(|n| place(*n)).filter(|n| (0..len).contains(n)).collect();
        places.into_iter().map(|n| all[usize::try_from(n).expect("small")]).collect()
    }

    /// The times of the first periods, and the moment up to which these are all.
    fn expand(&self, start: DateTime, periods: i64) -> (Vec<DateTime>, DateTime) {
        let all = (0..periods).flat_map(|n| self.candidates(self.period(start, n), start));
        let until = self.until.unwrap_or(DateTime::MAX);
        let times = all.filter(|time| *time >= start && *time <= until);
        (times.take(self.count.unwrap_or(usize::MAX)).collect(), self.period(start, periods))
    }
}

/// How many days into its week a day is, when that starts on `first`.
fn weekday_from(day: Date, first: i64) -> i64 {
    (i64::from(day.weekday().to_monday_zero_offset()) - first).rem_euclid(7)
}

/// The number of the week of a day, and how many weeks its year has. The first week has four days in its year.
fn week_number(day: Date, first: i64) -> (i64, i64) {
    let week = day - weekday_from(day, first).days();
    // The year that has four days of this week.
    let year = (week + 3.days()).year();
    let first_week = |year: i16| {
        let fourth = Date::new(year, 1, 4).expect("a date");
        fourth - weekday_from(fourth, first).days()
    };
    let weeks = |from: Date, to: Date| i64::from((to - from).get_days()) / 7;
    (weeks(first_week(year), week) + 1, weeks(first_week(year), first_week(year + 1)))
}

/// A start on which many rules fall.
fn start(dice: &mut Dice) -> DateTime {
    let (year, month) = (dice.from(1990, 2040), dice.from(1, 12));
    let first = Date::new(i16::try_from(year).expect("small"), i8::try_from(month).expect("small"), 1)
        .expect("a date");
    let day = *dice.pick(&[0, 0, 14, 27, 28, 29, 30]);
    let day = first + day.min(i64::from(first.days_in_month()) - 1).days();
    let time = |n: i64| i8::try_from(n).expect("small");
    day.at(time(dice.from(0, 23)), time(dice.from(0, 59)), time(dice.from(0, 59)), 0)
}

/// How many periods are listed: of short ones, more.
const PERIODS: [i64; 7] = [6, 24, 40, 120, 200, 200, 200];

fn compare(seed: u64, rules: usize) {
    let mut dice = Dice(seed);
    let (mut done, mut times) = (0, 0);
    while done < rules {
        let mut model = Model::throw(&mut dice);
        let whole_day = model.is_of_days() && dice.one_in(3);
        let start = start(&mut dice);
        let start = if whole_day { start.date().at(0, 0, 0, 0) } else { start };
        let moment = if whole_day { Moment::Date(start.date()) } else { Moment::Time(start) };
        let periods = PERIODS[model.freq];
        if model.count.is_none() && dice.one_in(4) {
            let (all, _) = model.expand(start, periods);
            model.until = (!all.is_empty()).then(|| *dice.pick(&all)).or(model.until);
        }
        let text = model.text();
        // The table of RFC 5545 forbids some of what is thrown.
        let Ok(rule) = Rule::parse(&text) else { continue };
        done += 1;
        let (want, end) = model.expand(start, periods);
        let budget = Budget::new(10_000_000);
        let mut walk = rule.occurrences(moment, &budget);
        walk.stop_before(end);
        let got: Vec<_> = walk.map(|time| time.expect(&text)).collect();
        assert_eq!(got, want, "{text} from {start}, seed {seed}");
        times += want.len();
        if let Some(from) = want.get(want.len() / 2) {
            let mut jump = rule.occurrences(moment, &budget);
            jump.seek(*from);
            jump.stop_before(end);
            let got: Vec<_> = jump.map(|time| time.expect(&text)).collect();
            assert_eq!(got, want[want.len() / 2..], "{text} from {start} at {from}, seed {seed}");
        }
    }
    assert!(times > rules * 5, "{times} times of {rules} rules are too few to tell anything");
}

#[test]
fn made_up_rules_give_what_listing_gives() {
    compare(0x5EED, 5_000);
}

#[test]
#[ignore = "takes minutes: make soak"]
fn many_made_up_rules_give_what_listing_gives() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    compare(now.as_secs() | 1, 500_000);
}
