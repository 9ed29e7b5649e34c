//! The values that tell time: dates, durations, periods, offsets from UTC.
//! RFC 5545 §3.3.4, §3.3.5, §3.3.6, §3.3.9, §3.3.14; read as real products write them.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime, Time};

/// A DATE or DATE-TIME as written (RFC 5545 §3.3.4, §3.3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateValue<'a> {
    /// A whole day.
    Date(Date),
    /// The wall clock of whoever looks.
    Floating(DateTime),
    /// UTC.
    Utc(DateTime),
    /// The wall clock of the zone of this TZID.
    Zoned(DateTime, Cow<'a, str>),
}

impl<'a> DateValue<'a> {
    /// Reads one value; `tzid` is its TZID parameter, which only a local time heeds.
    #[must_use]
    pub fn parse(text: &str, tzid: Option<&Cow<'a, str>>) -> Option<Self> {
        let text = text.trim_ascii();
        if text.len() == 8 {
            return date(text.as_bytes()).map(Self::Date);
        }
        let (clock, utc) = match text.strip_suffix(['Z', 'z']) {
            Some(clock) => (clock, true),
            None => (text, false),
        };
        let (day, time) = clock.split_once(['T', 't'])?;
        let local = date(day.as_bytes())?.to_datetime(time_of_day(time.as_bytes())?);
        Some(match tzid {
            _ if utc => Self::Utc(local),
            Some(tzid) if !tzid.is_empty() => Self::Zoned(local, tzid.clone()),
            _ => Self::Floating(local),
        })
    }

    /// The digits on the wall clock; of a date, its midnight.
    #[must_use]
    pub fn civil(&self) -> DateTime {
        match self {
            Self::Date(date) => date.to_datetime(Time::midnight()),
            Self::Floating(local) | Self::Utc(local) | Self::Zoned(local, _) => *local,
        }
    }

    /// Whether it is a whole day.
    #[must_use]
    pub fn is_date(&self) -> bool {
        matches!(self, Self::Date(_))
    }
}

fn date(text: &[u8]) -> Option<Date> {
    if text.len() != 8 {
        return None;
    }
    Date::new(number(&text[..4])?, small(&text[4..6])?, small(&text[6..])?).ok()
}

/// Of six digits, or of four, which some products write; a leap second is read as the second before it.
fn time_of_day(text: &[u8]) -> Option<Time> {
    let second = match text.len() {
        6 => small(&text[4..]).filter(|second| *second <= 60)?.min(59),
        4 => 0,
        _ => return None,
    };
    Time::new(small(&text[..2])?, small(&text[2..4])?, second, 0).ok()
}

/// The number that at most four digits make.
fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i16::from(digit - b'0')))
}

fn small(digits: &[u8]) -> Option<i8> {
    number(digits)?.try_into().ok()
}

/// A DURATION (RFC 5545 §3.3.6): days are nominal, seconds exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Duration {
    /// Days of the calendar, which a change of the clock makes longer or shorter.
    pub days: i64,
    /// Seconds that pass.
    pub seconds: i64,
}

/// No duration is longer than this, so that no sum of times can overflow.
const MAX_DAYS: i64 = 4_000_000;

impl Duration {
    /// Reads one value; the T that some products leave out (`P1H`) is not missed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        let (sign, rest) = match text.as_bytes().first()? {
            b'-' => (-1, &text[1..]),
            b'+' => (1, &text[1..]),
            _ => (1, text),
        };
        let mut duration = Self::default();
        let mut number: Option<i64> = None;
        let mut timely = false;
        for unit in rest.strip_prefix(['P', 'p'])?.bytes() {
            if unit.is_ascii_digit() {
                let next = number.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(unit - b'0'))?;
                number = Some(next);
                continue;
            }
            if unit.eq_ignore_ascii_case(&b'T') && number.is_none() && !timely {
                timely = true;
                continue;
            }
            duration.add(sign * number.take()?, unit)?;
        }
        (number.is_none() && duration.is_sane()).then_some(duration)
    }

    fn add(&mut self, number: i64, unit: u8) -> Option<()> {
        let (total, each) = match unit.to_ascii_uppercase() {
            b'W' => (&mut self.days, 7),
            b'D' => (&mut self.days, 1),
            b'H' => (&mut self.seconds, 3_600),
            b'M' => (&mut self.seconds, 60),
            b'S' => (&mut self.seconds, 1),
            _ => return None,
        };
        *total = total.checked_add(number.checked_mul(each)?)?;
        Some(())
    }

    fn is_sane(self) -> bool {
        self.days.abs() <= MAX_DAYS && self.seconds.abs() <= MAX_DAYS * DAY
    }

    /// Its length where every day has 24 hours.
    #[must_use]
    pub fn rough(self) -> i64 {
        self.days * DAY + self.seconds
    }
}

/// The seconds of a day of 24 hours.
pub(super) const DAY: i64 = 86_400;

/// One PERIOD (RFC 5545 §3.3.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodValue<'a> {
    /// When it begins.
    pub start: DateValue<'a>,
    /// When it ends.
    pub end: PeriodEnd<'a>,
}

/// The two ways to write the end of a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeriodEnd<'a> {
    /// The moment itself.
    At(DateValue<'a>),
    /// So long after the start.
    After(Duration),
}

impl<'a> PeriodValue<'a> {
    /// Reads one value, `start/end` or `start/duration`.
    #[must_use]
    pub fn parse(text: &str, tzid: Option<&Cow<'a, str>>) -> Option<Self> {
        let (start, end) = text.split_once('/')?;
        let start = DateValue::parse(start, tzid)?;
        let end = match DateValue::parse(end, tzid) {
            Some(end) => PeriodEnd::At(end),
            None => PeriodEnd::After(Duration::parse(end)?),
        };
        Some(Self { start, end })
    }
}

/// The seconds of a UTC-OFFSET (RFC 5545 §3.3.14), `+hhmm` or `+hhmmss`.
pub(super) fn offset(text: &str) -> Option<i64> {
    let text = text.trim_ascii().as_bytes();
    let sign = match text.first()? {
        b'-' => -1,
        b'+' => 1,
        _ => return None,
    };
    let time = time_of_day(&text[1..])?;
    Some(sign * (i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second())))
}

/// The seconds of a wall clock read as if it were UTC.
pub(super) fn seconds(local: DateTime) -> i64 {
    let days = local.date().duration_since(EPOCH).as_hours() / 24;
    let time = local.time();
    days * DAY + i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

const EPOCH: Date = Date::constant(1970, 1, 1);

/// The wall clock of UTC at a moment; what is beyond the years -9999 to 9999 is cut to them.
pub(super) fn civil(seconds: i64) -> DateTime {
    let time = i32::try_from(seconds.rem_euclid(DAY)).unwrap_or(0);
    let days =
        i32::try_from(seconds.div_euclid(DAY)).unwrap_or(if seconds < 0 { i32::MIN } else { i32::MAX });
    let span = jiff::SignedDuration::from_hours(i64::from(days) * 24);
    let clock = |part: i32| i8::try_from(part).unwrap_or(0);
    let time = Time::constant(clock(time / 3_600), clock(time / 60 % 60), clock(time % 60), 0);
    EPOCH.saturating_add(span).to_datetime(time)
}

/// A moment as a DATE-TIME in UTC, `20260102T030405Z`.
#[must_use]
pub fn utc_stamp(seconds: i64) -> String {
    let mut text = local_stamp(civil(seconds));
    text.push('Z');
    text
}

/// A wall clock as a DATE-TIME without zone, `20260102T030405`.
pub(super) fn local_stamp(local: DateTime) -> String {
    let (date, time) = (local.date(), local.time());
    format!("{}T{:02}{:02}{:02}", date_stamp(date), time.hour(), time.minute(), time.second())
}

/// A DATE, `20260102`; years before 0 have no form and become 0.
pub(super) fn date_stamp(date: Date) -> String {
    format!("{:04}{:02}{:02}", date.year().max(0), date.month(), date.day())
}

/// The moment of a "date with UTC time", as the attributes of reports have it (RFC 4791 §9.9); a bare date, which some
/// clients send, is its midnight.
#[must_use]
pub fn parse_utc(text: &str) -> Option<i64> {
    match DateValue::parse(text, None)? {
        DateValue::Utc(local) => Some(seconds(local)),
        DateValue::Date(date) => Some(seconds(date.to_datetime(Time::midnight()))),
        DateValue::Floating(_) | DateValue::Zoned(..) => None,
    }
}

/// The moment of a "date with UTC time" or of a date, spelled as in iCalendar or as in RFC 3339, there with its offset.
#[must_use]
pub fn parse_moment(text: &str) -> Option<i64> {
    let Some((day, rest)) = text.split_once(['T', 't']) else { return parse_utc(&text.replace('-', "")) };
    let (clock, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-'])?);
    let ahead = if zone.eq_ignore_ascii_case("Z") { 0 } else { offset(&zone.replace(':', ""))? };
    let utc = [&day.replace('-', ""), "T", &clock.replace(':', ""), "Z"].concat();
    Some(parse_utc(&utc)? - ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_products_write_them() {
        let tzid = Cow::Borrowed("Europe/Berlin");
        let local = jiff::civil::datetime(2026, 2, 28, 23, 59, 59, 0);
        assert_eq!(DateValue::parse("20260228", None), Some(DateValue::Date(local.date())));
        assert_eq!(DateValue::parse("20260228T235960", None), Some(DateValue::Floating(local)));
        assert_eq!(DateValue::parse("20260228T235959Z", Some(&tzid)), Some(DateValue::Utc(local)));
        assert_eq!(
            DateValue::parse("20260228T235959", Some(&tzid)),
            Some(DateValue::Zoned(local, tzid.clone()))
        );
        for wrong in [
            "",
            "20260230",
            "2026-02-28",
            "20260228T",
            "20260228T250000",
            "20260228T235961",
            "20260228T235999é",
            "é",
        ] {
            assert_eq!(DateValue::parse(wrong, None), None, "{wrong}");
        }
    }

    #[test]
    fn durations() {
        let exact = |seconds| Some(Duration { days: 0, seconds });
        assert_eq!(Duration::parse("-PT15M"), exact(-900));
        assert_eq!(Duration::parse("P1H"), exact(3_600));
        assert_eq!(Duration::parse("P15DT5H0M20S"), Some(Duration { days: 15, seconds: 18_020 }));
        assert_eq!(Duration::parse("+P7W"), Some(Duration { days: 49, seconds: 0 }));
        assert_eq!(Duration::parse("PT0S"), exact(0));
        for wrong in ["", "P", "-", "1H", "PT", "PT5", "P99999999999999999999D", "P5000000D", "PTéH"] {
            assert!(Duration::parse(wrong).is_none_or(|d| d == Duration::default()), "{wrong}");
        }
    }

    #[test]
    fn offsets_and_stamps() {
        assert_eq!(offset("+005328"), Some(3_208));
        assert_eq!(offset("-0500"), Some(-18_000));
        assert_eq!(offset("0500"), None);
        for moment in [0, -1, 1_136_214_245, -62_167_219_200, 253_402_300_799] {
            assert_eq!(seconds(civil(moment)), moment);
        }
        assert_eq!(utc_stamp(1_136_214_245), "20060102T150405Z");
        assert_eq!(parse_utc("20060102T150405Z"), Some(1_136_214_245));
        assert_eq!(parse_utc("20060102T150405"), None);
        for same in
            ["20060102T150405Z", "2006-01-02T15:04:05Z", "2006-01-02T16:04:05+01:00", "20060102T100405-0500"]
        {
            assert_eq!(parse_moment(same), Some(1_136_214_245), "{same}");
        }
        assert_eq!(parse_moment("2006-01-02"), parse_moment("20060102T000000Z"));
        assert_eq!(
            (parse_moment("2006-01-02T15:04:05"), parse_moment("T+"), parse_moment("")),
            (None, None, None)
        );
        assert_eq!(civil(i64::MAX).date().year(), 9999);
        assert_eq!(civil(i64::MIN).date().year(), -9999);
    }
}
