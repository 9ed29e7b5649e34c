//! How the text of a recurrence rule is read (RFC 5545 §3.3.10, RFC 7529 §4).

use jiff::civil::{Date, DateTime};

use super::rule::{Fault, Frequency, Rule, RuleError, Signed, Skip, Until, Weekdays};

/// Longer intervals all mean the same, "not again before the year 10000", even when counted in seconds.
const LONGEST_INTERVAL: u64 = 1_000_000_000_000;

const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];

/// Reads one part into the draft, or says what is wrong with it.
type Reader = fn(&mut Draft, &str) -> Result<(), &'static str>;

const PARTS: [(&str, Reader); 16] = [
    ("FREQ", frequency),
    ("INTERVAL", |d, v| whole(v).map(|n| d.rule.interval = n.min(LONGEST_INTERVAL))),
    ("COUNT", |d, v| whole(v).map(|n| d.rule.count = Some(n))),
    ("UNTIL", |d, v| until(v).map(|end| d.rule.until = Some(end)).ok_or("is neither a date nor a time")),
    ("BYSECOND", |d, v| mask(v, 0, 60).map(|set| d.rule.seconds = leap_second_less(set))),
    ("BYMINUTE", |d, v| mask(v, 0, 59).map(|set| d.rule.minutes = set)),
    ("BYHOUR", |d, v| mask(v, 0, 23).map(|set| d.rule.hours = set)),
    ("BYDAY", |d, v| weekdays(v).map(|set| d.rule.weekdays = set)),
    ("BYMONTHDAY", |d, v| signed(v, 31).map(|set| d.rule.monthdays = set)),
    ("BYYEARDAY", |d, v| numbers(v, 366).map(|list| d.rule.yeardays = list)),
    ("BYWEEKNO", |d, v| signed(v, 53).map(|set| d.rule.weeks = set)),
    ("BYMONTH", |d, v| mask(v, 1, 12).map(|set| d.rule.months = set)),
    ("BYSETPOS", |d, v| numbers(v, 366).map(|list| d.rule.positions = list)),
    ("WKST", |d, v| weekday(v).map(|day| d.rule.week_start = day)),
    ("RSCALE", rscale),
    ("SKIP", skip),
];

struct Draft {
    rule: Rule,
    has_frequency: bool,
    has_rscale: bool,
}

/// Reads the value of an RRULE.
pub(super) fn rule(text: &str) -> Result<Rule, RuleError> {
    let mut draft = Draft { rule: blank(), has_frequency: false, has_rscale: false };
    let mut seen = 0_u32;
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let malformed = |name, reason| RuleError::new(Fault::Malformed, name, reason);
        let (name, value) = part.split_once('=').ok_or(malformed("a part", "has no value"))?;
        let (name, value) = (name.trim(), value.trim());
        if name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("X-")) {
            continue;
        }
        let index = PARTS.iter().position(|(known, _)| known.eq_ignore_ascii_case(name));
        let unknown = RuleError::new(Fault::Unsupported, "a part", "has an unknown name");
        let index = index.ok_or(unknown)?;
        let (name, read) = PARTS[index];
        if seen & (1 << index) != 0 {
            return Err(malformed(name, "stands there twice"));
        }
        seen |= 1 << index;
        read(&mut draft, value).map_err(|reason| match name {
            "RSCALE" => RuleError::new(Fault::Unsupported, name, reason),
            _ => malformed(name, reason),
        })?;
    }
    conform(draft)
}

/// A rule that says nothing yet.
fn blank() -> Rule {
    Rule {
        frequency: Frequency::Daily,
        interval: 1,
        count: None,
        until: None,
        week_start: 0,
        skip: Skip::Omit,
        months: 0,
        weeks: Signed::default(),
        yeardays: Vec::new(),
        monthdays: Signed::default(),
        weekdays: Weekdays::default(),
        hours: 0,
        minutes: 0,
        seconds: 0,
        positions: Vec::new(),
    }
}

/// Checks what no part can know alone: the notes under the table of RFC 5545 §3.3.10.
fn conform(draft: Draft) -> Result<Rule, RuleError> {
    use Frequency::{Daily, Monthly, Weekly, Yearly};
    let rule = draft.rule;
    if !draft.has_frequency {
        return Err(RuleError::new(Fault::Malformed, "FREQ", "is missing"));
    }
    let frequency = rule.frequency;
    let numbered = rule.weekdays.is_numbered();
    let forbidden = [
        (!rule.weeks.is_empty() && frequency != Yearly, "BYWEEKNO", "is for FREQ=YEARLY only"),
        (
            !rule.yeardays.is_empty() && matches!(frequency, Daily | Weekly | Monthly),
            "BYYEARDAY",
            "is not for FREQ=DAILY, WEEKLY or MONTHLY",
        ),
        (!rule.monthdays.is_empty() && frequency == Weekly, "BYMONTHDAY", "is not for FREQ=WEEKLY"),
        (numbered && frequency > Monthly, "BYDAY", "has numbers, which are for FREQ=MONTHLY and YEARLY only"),
        (numbered && !rule.weeks.is_empty(), "BYDAY", "has numbers, which do not go with BYWEEKNO"),
        (rule.skip != Skip::Omit && !draft.has_rscale, "SKIP", "does not go without RSCALE"),
    ];
    if let Some((_, part, reason)) = forbidden.into_iter().find(|(broken, ..)| *broken) {
        return Err(RuleError::new(Fault::Forbidden, part, reason));
    }
    if rule.skip != Skip::Omit && !rule.positions.is_empty() {
        return Err(RuleError::new(Fault::Unsupported, "SKIP", "with BYSETPOS is not served"));
    }
    Ok(rule)
}

fn frequency(draft: &mut Draft, value: &str) -> Result<(), &'static str> {
    use Frequency::{Daily, Hourly, Minutely, Monthly, Secondly, Weekly, Yearly};
    const NAMES: [(&str, Frequency); 7] = [
        ("YEARLY", Yearly),
        ("MONTHLY", Monthly),
        ("WEEKLY", Weekly),
        ("DAILY", Daily),
        ("HOURLY", Hourly),
        ("MINUTELY", Minutely),
        ("SECONDLY", Secondly),
    ];
    let named = NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    draft.rule.frequency = named.ok_or("is unknown")?.1;
    draft.has_frequency = true;
    Ok(())
}

fn rscale(draft: &mut Draft, value: &str) -> Result<(), &'static str> {
    draft.has_rscale = true;
    let known = super::RSCALES.iter().any(|known| known.eq_ignore_ascii_case(value));
    if known { Ok(()) } else { Err("is not GREGORIAN") }
}

fn skip(draft: &mut Draft, value: &str) -> Result<(), &'static str> {
    const NAMES: [(&str, Skip); 3] =
        [("OMIT", Skip::Omit), ("BACKWARD", Skip::Backward), ("FORWARD", Skip::Forward)];
    let named = NAMES.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    draft.rule.skip = named.ok_or("is unknown")?.1;
    Ok(())
}

/// A positive number; one too long to hold is as good as the longest.
fn whole(value: &str) -> Result<u64, &'static str> {
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return Err("is not a number");
    }
    match value.parse().unwrap_or(u64::MAX) {
        0 => Err("is 0"),
        number => Ok(number),
    }
}

/// The values of a list; an empty one is an absent part, as some products write it.
fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(move |_| !value.is_empty())
}

fn number(value: &str, low: i16, high: i16) -> Result<i16, &'static str> {
    let number: i16 = value.parse().map_err(|_| "has a value that is not a number")?;
    if (low..=high).contains(&number) { Ok(number) } else { Err("has a value out of range") }
}

fn mask(value: &str, low: i16, high: i16) -> Result<u64, &'static str> {
    list(value).try_fold(0, |mask, item| Ok(mask | 1 << number(item, low, high)?))
}

/// Without second 60, which becomes 59.
fn leap_second_less(seconds: u64) -> u64 {
    const LEAP: u64 = 1 << 60;
    if seconds & LEAP == 0 { seconds } else { seconds & !LEAP | LEAP >> 1 }
}

/// A number from either end, never 0.
fn ordinal(value: &str, limit: i16) -> Result<i16, &'static str> {
    match number(value, -limit, limit)? {
        0 => Err("has the value 0"),
        number => Ok(number),
    }
}

fn signed(value: &str, limit: i16) -> Result<Signed, &'static str> {
    let mut set = Signed::default();
    for item in list(value) {
        set.insert(ordinal(item, limit)?);
    }
    Ok(set)
}

fn numbers(value: &str, limit: i16) -> Result<Vec<i16>, &'static str> {
    let mut numbers = list(value).map(|item| ordinal(item, limit)).collect::<Result<Vec<_>, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// The number of a weekday, from Monday = 0.
fn weekday(value: &str) -> Result<i64, &'static str> {
    let named = (0..).zip(WEEKDAYS).find(|(_, name)| name.eq_ignore_ascii_case(value));
    named.map(|(day, _)| day).ok_or("names an unknown weekday")
}

fn weekdays(value: &str) -> Result<Weekdays, &'static str> {
    let mut set = Weekdays::default();
    for item in list(value) {
        let name = item.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let (number, name) = item.split_at(item.len() - name.len());
        let day = weekday(name)?;
        if number.is_empty() {
            set.every |= 1 << day;
        } else {
            let number = ordinal(number.trim(), 53)?;
            (0..).zip(&mut set.nth).filter(|(d, _)| *d == day).for_each(|(_, set)| set.insert(number));
        }
    }
    Ok(set)
}

/// `19970714`, `19970714T133000` or `19970714T133000Z`.
fn until(value: &str) -> Option<Until> {
    let digits = |from: usize, to: usize| -> Option<i16> {
        let field = value.get(from..to)?;
        field.bytes().all(|b| b.is_ascii_digit()).then(|| field.parse().ok())?
    };
    let small = |from, to| digits(from, to).and_then(|n| i8::try_from(n).ok());
    let date = Date::new(digits(0, 4)?, small(4, 6)?, small(6, 8)?).ok()?;
    let time = || -> Option<DateTime> {
        let second = small(13, 15)?;
        let second = if second == 60 { 59 } else { second };
        DateTime::new(date.year(), date.month(), date.day(), small(9, 11)?, small(11, 13)?, second, 0).ok()
    };
    match (value.len(), value.as_bytes().get(8), value.as_bytes().get(15)) {
        (8, ..) => Some(Until::Date(date)),
        (15, Some(b'T' | b't'), _) => time().map(Until::Local),
        (16, Some(b'T' | b't'), Some(b'Z' | b'z')) => time().map(Until::Utc),
        _ => None,
    }
}
