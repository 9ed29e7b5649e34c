//! Writes the VTIMEZONE of a zone of the database, as short as its rules allow.
//! RFC 5545 §3.6.5.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::ical::decode;
use crate::ical::merge::PRODID;
use crate::ical::value::{DAY, civil, local_stamp, utc_stamp};
use crate::ical::write::Writer;
use crate::ical::zone::Zone;

/// A VTIMEZONE that says under the name `tzid` what `zone` says about the span of UTC seconds.
///
/// Rules that go on after the span have no end, so that what recurs for ever is right for ever. None for a zone that came
/// out of a VTIMEZONE: it has its definition.
#[must_use]
pub fn vtimezone(tzid: &str, zone: &Zone, span: Range<i64>) -> Option<String> {
    let zone = zone.of_database()?;
    let (start, end) = (bounded(span.start), bounded(span.end));
    let known = changes(zone, start, end.saturating_add(TAIL));
    let mut observances: Vec<Observance<'_>> = vec![];
    for group in groups(&known) {
        observances.extend(observe(group, start..end, known.last().map(|last| last.at)));
    }
    if !known.iter().any(|change| change.at <= start) {
        observances.push(Observance::always(zone, start));
    }
    observances.sort_by_key(|one| one.first.at);
    let mut out = Writer::default();
    out.line("BEGIN:VTIMEZONE");
    out.pieces(&["TZID:", &decode::escaped(tzid)]);
    for observance in &observances {
        observance.write(&mut out);
    }
    out.line("END:VTIMEZONE");
    Some(out.finish())
}

/// An object that holds nothing but the VTIMEZONE of that name, from 1970 on: what CALDAV:calendar-timezone has where only the
/// name was given (RFC 7809 §3.1.5). None for a name that no zone has.
#[must_use]
pub fn definition(tzid: &str) -> Option<String> {
    let text = vtimezone(tzid, &Zone::named(tzid)?, 0..LATER)?;
    let head = ["BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:", PRODID, "\r\n"].concat();
    Some([&head, &*text, "END:VCALENDAR\r\n"].concat())
}

/// 2038: up to here a definition says all that is known, for whatever recurs; behind it, the rules that go on.
pub(super) const LATER: i64 = 2_145_916_800;

/// How far behind the span its rules are looked at: all places of a date in the week come by in 28 years, or 40 around a
/// year that is no leap year.
const TAIL: i64 = 41 * 366 * DAY;

/// No change is looked for outside these seconds: the years 1800 to 2500.
fn bounded(moment: i64) -> i64 {
    moment.clamp(-5_364_662_400, 16_725_225_600)
}

/// A moment at which the offset changes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    at: i64,
    before: i64,
    after: i64,
    name: String,
    /// Whether the clock goes forward for a season, or comes back from one.
    forward: bool,
}

impl Change {
    /// The day and time that the clock shows, as if it had not changed.
    fn onset(&self) -> (Date, Time) {
        let local = civil(self.at + self.before);
        (local.date(), local.time())
    }

    /// What all onsets of one observance have in common.
    fn effect(&self) -> (i64, i64, &str, bool) {
        (self.before, self.after, &self.name, self.forward)
    }
}

/// The changes of the offset from the last one that is not after `start` to `end`.
fn changes(zone: &TimeZone, start: i64, end: i64) -> Vec<Change> {
    let moment = |at: i64| Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let info = |at: i64| zone.to_offset_info(moment(at));
    // A change may be of the name alone: the next one counts then.
    let differs = |at: i64| info(at).offset() != info(at - 1).offset();
    let seconds = |change: jiff::tz::TimeZoneTransition<'_>| change.timestamp().as_second();
    let last = zone.preceding(moment(start + 1)).map(seconds).find(|at| differs(*at));
    let ahead = zone.following(moment(start)).map(seconds).take_while(|at| *at < end);
    let of = |at: i64| {
        let (before, after) = (info(at - 1), info(at));
        let seasonal = before.dst().is_dst() || after.dst().is_dst();
        Change {
            at,
            before: before.offset().seconds().into(),
            after: after.offset().seconds().into(),
            name: after.abbreviation().to_owned(),
            forward: seasonal && after.offset() > before.offset(),
        }
    };
    last.into_iter().chain(ahead.filter(|at| differs(*at))).map(of).collect()
}

/// The changes of one effect, in the order of time.
fn groups(changes: &[Change]) -> Vec<Vec<&Change>> {
    let mut groups: Vec<Vec<&Change>> = vec![];
    for change in changes {
        match groups.iter_mut().find(|group| group[0].effect() == change.effect()) {
            Some(group) => group.push(change),
            None => groups.push(vec![change]),
        }
    }
    groups
}

/// The observances of one effect: a rule for what is regular for three years or more, and one with dates for the rest.
fn observe(changes: Vec<&Change>, span: Range<i64>, latest: Option<i64>) -> Vec<Observance<'_>> {
    let mut regular = vec![];
    let mut rest: Vec<&Change> = vec![];
    let mut kinds: Vec<Vec<&Change>> = vec![];
    let kind = |change: &Change| {
        let (date, time) = change.onset();
        (date.month(), date.weekday(), time)
    };
    for change in changes {
        match kinds.iter_mut().find(|known| kind(known[0]) == kind(change)) {
            Some(known) => known.push(change),
            None => kinds.push(vec![change]),
        }
    }
    let end = latest.map_or(0, |at| i64::from(civil(at).year()));
    for kind in kinds {
        let mut at = 0;
        while at < kind.len() {
            let (days, length) = longest(&kind[at..]);
            let run = &kind[at..at + length];
            let goes_on = at + length == kind.len() && days.holds(run, end) && run[length - 1].at >= span.end;
            at += length;
            if run[0].at >= span.end {
                break;
            }
            if length < 3 {
                rest.extend(run.iter().filter(|change| change.at < span.end));
            } else {
                let until = (!goes_on).then(|| run[length - 1].at);
                regular.push(Observance { first: run[0].clone(), rule: Some((days, until)), dates: vec![] });
            }
        }
    }
    rest.sort_by_key(|change| change.at);
    if let Some((first, dates)) = rest.split_first() {
        regular.push(Observance { first: (*first).clone(), rule: None, dates: dates.to_vec() });
    }
    regular
}

/// On which days of a month, of those that are the same weekday.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    Nth(i8),
    Last,
    /// From one day of the month to another.
    Within(i8, i8),
}

impl Days {
    /// All that can be written, what people say first.
    fn all() -> impl Iterator<Item = Self> {
        let weeks = (2..=24).map(|first| Self::Within(first, first + 6));
        let edges = (1..=6).flat_map(|n| [Self::Within(1, n), Self::Within(31 - n, 31)]);
        [Self::Last].into_iter().chain((1..=4).map(Self::Nth)).chain(weeks).chain(edges)
    }

    fn has(self, date: Date) -> bool {
        let day = date.day();
        match self {
            Self::Nth(n) => (day - 1) / 7 + 1 == n,
            Self::Last => day + 7 > date.days_in_month(),
            Self::Within(first, last) => (first..=last).contains(&day),
        }
    }

    /// Whether the changes are all there are from the first of them to the end of a year.
    fn holds(self, run: &[&Change], year: i64) -> bool {
        let mut dates = run.iter().map(|change| change.onset().0);
        let first = run[0].onset().0;
        let all = (first.year()..=i16::try_from(year).unwrap_or(first.year())).flat_map(|year| {
            let (month, weekday) = (first.month(), first.weekday());
            let days = (1..=31).filter_map(move |day| Date::new(year, month, day).ok());
            days.filter(move |date| date.weekday() == weekday && self.has(*date) && *date >= first)
        });
        all.eq(dates.by_ref())
    }
}

/// The days that describe most of the changes from the first on, and how many these are.
fn longest(changes: &[&Change]) -> (Days, usize) {
    let mut best = (Days::Last, 1);
    for days in Days::all() {
        let fits = changes.iter().take_while(|change| days.has(change.onset().0)).count();
        let year = |length: usize| i64::from(changes[length - 1].onset().0.year());
        let held = (best.1 + 1..=fits).rev().find(|length| days.holds(&changes[..*length], year(*length)));
        if let Some(length) = held {
            best = (days, length);
        }
    }
    best
}

/// A STANDARD or DAYLIGHT.
struct Observance<'c> {
    first: Change,
    /// The days of its rule, and the last moment of it.
    rule: Option<(Days, Option<i64>)>,
    dates: Vec<&'c Change>,
}

impl Observance<'_> {
    /// What is so before anything changes.
    fn always(zone: &TimeZone, start: i64) -> Self {
        let info = zone.to_offset_info(Timestamp::from_second(start).unwrap_or(Timestamp::UNIX_EPOCH));
        let offset = i64::from(info.offset().seconds());
        let name = info.abbreviation().to_owned();
        let first = Change { at: start, before: offset, after: offset, name, forward: false };
        Self { first, rule: None, dates: vec![] }
    }

    fn write(&self, out: &mut Writer) {
        let name = if self.first.forward { "DAYLIGHT" } else { "STANDARD" };
        let local = |change: &Change| local_stamp(civil(change.at + change.before));
        out.pieces(&["BEGIN:", name]);
        out.pieces(&["DTSTART:", &local(&self.first)]);
        if let Some((days, until)) = self.rule {
            out.line(&rule(&self.first, days, until));
        }
        for date in &self.dates {
            out.pieces(&["RDATE:", &local(date)]);
        }
        out.pieces(&["TZNAME:", &self.first.name]);
        out.pieces(&["TZOFFSETFROM:", &offset(self.first.before)]);
        out.pieces(&["TZOFFSETTO:", &offset(self.first.after)]);
        out.pieces(&["END:", name]);
    }
}

fn rule(first: &Change, days: Days, until: Option<i64>) -> String {
    const WEEKDAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let (date, _) = first.onset();
    let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    let weekday = WEEKDAYS[weekday % 7];
    let day = match days {
        Days::Nth(n) => format!("BYDAY={n}{weekday}"),
        Days::Last => format!("BYDAY=-1{weekday}"),
        Days::Within(first, last) => {
            let days: Vec<_> = (first..=last).map(|day| day.to_string()).collect();
            format!("BYMONTHDAY={};BYDAY={weekday}", days.join(","))
        }
    };
    let end = until.map(|until| [";UNTIL=", &utc_stamp(until)].concat()).unwrap_or_default();
    format!("RRULE:FREQ=YEARLY;BYMONTH={};{day}{end}", date.month())
}

/// A UTC-OFFSET (RFC 5545 §3.3.14).
fn offset(seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (all, second) = (seconds.abs() / 60, seconds.abs() % 60);
    let tail = if second == 0 { String::new() } else { format!("{second:02}") };
    format!("{sign}{:02}{:02}{tail}", all / 60, all % 60)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZoneDatabase;

    use super::*;
    use crate::ical::calendar::Calendar;
    use crate::ical::value::parse_utc;

    fn years(from: &str, to: &str) -> Range<i64> {
        let new_year = |year: &str| parse_utc(&format!("{year}0101T000000Z")).unwrap();
        new_year(from)..new_year(to)
    }

    fn written(name: &str, span: Range<i64>) -> String {
        vtimezone("Sample", &Zone::named(name).unwrap(), span).unwrap()
    }

    /// Where the zone that is written and read again has another offset than the zone itself.
    fn differs(name: &str, span: Range<i64>) -> Option<String> {
        let text = written(name, span.clone());
        let object = format!("BEGIN:VCALENDAR\r\n{text}END:VCALENDAR\r\n");
        let (_, own) = Zone::of(&Calendar::parse(object.into()).unwrap()).unwrap();
        let zone = Zone::named(name).unwrap();
        let changes = changes(zone.of_database().unwrap(), span.start, span.end);
        let edges = changes.iter().flat_map(|change| [change.at - 1, change.at, change.at + 1]);
        let steps = (span.start..span.end).step_by(40 * 86_400);
        let mut moments = edges.chain(steps).filter(|at| span.contains(at));
        let wrong = moments.find(|at| own.local(*at) != zone.local(*at))?;
        Some(format!("{name} at {}:\n{text}", utc_stamp(wrong)))
    }

    #[test]
    fn a_zone_of_today_has_two_rules() {
        let text = written("America/New_York", years("2026", "2027"));
        let expected = "BEGIN:VTIMEZONE\r\nTZID:Sample\r\n\
            BEGIN:STANDARD\r\nDTSTART:20251102T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\n\
            TZNAME:EST\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nEND:STANDARD\r\n\
            BEGIN:DAYLIGHT\r\nDTSTART:20260308T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\n\
            TZNAME:EDT\r\nTZOFFSETFROM:-0500\r\nTZOFFSETTO:-0400\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";
        assert_eq!(text, expected);
        assert_eq!(written("Europe/Berlin", years("2026", "2027")).matches("RRULE").count(), 2);
        assert_eq!(written("Asia/Tokyo", years("2026", "2027")).matches("BEGIN:STANDARD").count(), 1);
        assert!(written("UTC", years("2026", "2027")).contains("DTSTART:20260101T000000\r\nTZNAME:UTC\r\n"));
    }

    #[test]
    fn what_goes_on_has_no_end() {
        let far = years("2090", "2091");
        for name in ["Europe/Berlin", "Asia/Jerusalem", "Africa/Cairo", "America/Nuuk", "America/Santiago"] {
            let text = written(name, years("2026", "2027"));
            let object = format!("BEGIN:VCALENDAR\r\n{text}END:VCALENDAR\r\n");
            let (_, own) = Zone::of(&Calendar::parse(object.into()).unwrap()).unwrap();
            let zone = Zone::named(name).unwrap();
            for at in far.clone().step_by(3_600) {
                assert_eq!(own.local(at), zone.local(at), "{name}: {}\n{text}", utc_stamp(at));
            }
        }
    }

    #[test]
    fn what_is_written_says_the_same() {
        let names = [
            "Africa/Cairo",
            "Africa/Casablanca",
            "Africa/El_Aaiun",
            "Africa/Monrovia",
            "America/Argentina/San_Luis",
            "America/New_York",
            "America/Nuuk",
            "America/Santiago",
            "America/Sao_Paulo",
            "Antarctica/Troll",
            "Asia/Amman",
            "Asia/Gaza",
            "Asia/Jerusalem",
            "Asia/Kathmandu",
            "Asia/Tehran",
            "Australia/Lord_Howe",
            "Europe/Berlin",
            "Europe/Dublin",
            "Europe/London",
            "Europe/Moscow",
            "Europe/Volgograd",
            "Pacific/Apia",
            "Pacific/Norfolk",
            "UTC",
        ];
        let faults: Vec<_> = names.iter().filter_map(|name| differs(name, years("1970", "2037"))).collect();
        assert!(faults.is_empty(), "{}", faults.concat());
    }

    #[test]
    #[ignore = "all zones: make soak"]
    fn what_is_written_says_the_same_for_every_zone() {
        let mut count = 0;
        for name in TimeZoneDatabase::bundled().available() {
            if let Some(zone) = Zone::named(name.as_str()) {
                assert!(zone.of_database().is_some());
                assert_eq!(differs(name.as_str(), years("1970", "2037")), None);
                assert_eq!(differs(name.as_str(), years("1900", "2037")), None);
                count += 1;
            }
        }
        assert!(count > 400, "{count}");
    }
}
