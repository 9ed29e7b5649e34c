//! Times as a web page writes them, and as lines of iCalendar say them (RFC 3339, RFC 5545 §3.3.4, §3.3.5).

use std::borrow::Cow;

use jiff::civil::DateTime;

use crate::ical::{Component, DateValue, Zone, parse_moment, recur::Until, utc_stamp};

use super::input::Change;

/// The time that a text says: a day, a time on some clock, or one in UTC, in the spelling of iCalendar or of RFC 3339.
#[must_use]
pub fn read(text: &str) -> Option<DateValue<'static>> {
    let text = text.trim();
    let mut plain = text.to_owned();
    // Fractions of a second, which browsers write, are nothing here.
    if let Some(dot) = text.find('.') {
        let rest = text[dot + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
        plain = [&text[..dot], rest].concat();
    }
    let clock = plain.split_once(['T', 't']).map_or("", |(_, clock)| clock);
    if clock.contains(['Z', 'z', '+', '-']) {
        return DateValue::parse(&utc_stamp(parse_moment(&plain)?), None);
    }
    let digits = plain.replace(['-', ':'], "");
    let digits = if clock.len() == 5 { digits + "00" } else { digits };
    DateValue::parse(&digits, None)
}

/// On what clock something is, and on what clock it is to be.
pub struct Clock<'a> {
    /// The time it has now, which what says nothing keeps to.
    pub own: Option<DateValue<'a>>,
    /// The zone that is asked for; none at all where that is cleared.
    pub zone: Change<String>,
    /// Whether it is about whole days.
    pub all_day: Option<bool>,
    /// The instance of a series that times are said of, where they are meant for all of it.
    pub from: Option<DateValue<'static>>,
}

impl<'a> Clock<'a> {
    /// That of an event or to-do.
    #[must_use]
    pub fn of(component: Option<Component<'a>>, zone: Change<String>, all_day: Option<bool>) -> Self {
        let own = component.and_then(|one| one.date("DTSTART").or_else(|| one.date("DUE")));
        Self { own, zone, all_day, from: None }
    }

    /// The instance that a text names.
    #[must_use]
    pub fn instance(&self, text: &str) -> Option<DateValue<'static>> {
        Some(match (read(text)?, &self.own) {
            (DateValue::Floating(local), Some(DateValue::Zoned(_, zone))) => {
                DateValue::Zoned(local, Cow::Owned(zone.clone().into_owned()))
            }
            (DateValue::Floating(local), Some(DateValue::Utc(_))) => DateValue::Utc(local),
            (read, _) => read,
        })
    }

    /// The line that says that time; none where the day or the time lacks.
    #[must_use]
    pub fn line(&self, name: &str, value: &DateValue<'_>) -> Option<String> {
        let stamp = |local: DateTime| self.first(local).strftime("%Y%m%dT%H%M%S").to_string();
        let local = value.civil();
        if value.is_date() || self.all_day == Some(true) {
            let day = self.first(local).date().strftime("%Y%m%d");
            return (self.all_day != Some(false)).then(|| format!("{name};VALUE=DATE:{day}"));
        }
        let zone = match (&self.zone, &self.own) {
            (Change::Set(zone), _) => Some(zone.as_str()),
            (Change::Kept, Some(DateValue::Zoned(_, zone))) => Some(zone.as_ref()),
            _ => None,
        };
        if let DateValue::Utc(_) = value {
            let known = zone.and_then(|zone| Some((zone, Zone::named(zone)?)));
            return Some(match known {
                Some((tzid, zone)) => {
                    format!("{name};TZID={}:{}", quoted(tzid), stamp(local_in(&zone, local)?))
                }
                None => format!("{name}:{}Z", stamp(local)),
            });
        }
        Some(match (zone, &self.zone, &self.own) {
            (Some(zone), ..) => format!("{name};TZID={}:{}", quoted(zone), stamp(local)),
            (None, Change::Kept, Some(DateValue::Utc(_))) => format!("{name}:{}Z", stamp(local)),
            _ => format!("{name}:{}", stamp(local)),
        })
    }

    /// The time of the first instance, where this one is said of another: as far from it as the two are from each other.
    fn first(&self, local: DateTime) -> DateTime {
        let (Some(from), Some(own)) = (&self.from, &self.own) else { return local };
        let from = match (from, own) {
            (DateValue::Utc(at), DateValue::Zoned(_, zone)) => {
                Zone::named(zone).and_then(|zone| local_in(&zone, *at)).unwrap_or(*at)
            }
            (from, own) if own.is_date() => from.civil().date().at(0, 0, 0, 0),
            (from, _) => from.civil(),
        };
        local.saturating_add(from.duration_until(own.civil()))
    }
}

/// What a clock in a zone shows when it is that in UTC.
fn local_in(zone: &Zone, utc: DateTime) -> Option<DateTime> {
    Some(zone.local(parse_moment(&utc.strftime("%Y%m%dT%H%M%SZ").to_string())?))
}

/// The end of a rule in the type that its start has: that of the line of DTSTART, or else the own one (RFC 5545 §3.3.10). None
/// where it has that already, or there is no start.
#[must_use]
pub fn until(until: Until, start: Option<&str>, own: Option<&DateValue<'_>>) -> Option<String> {
    let said = start.and_then(|line| {
        let (head, value) = line.rsplit_once(':')?;
        let tzid = head.split_once(";TZID=").map(|(_, tzid)| Cow::Owned(tzid.trim_matches('"').to_owned()));
        DateValue::parse(value, tzid.as_ref()).map(|value| match value {
            DateValue::Zoned(local, tzid) => DateValue::Zoned(local, Cow::Owned(tzid.into_owned())),
            DateValue::Date(day) => DateValue::Date(day),
            DateValue::Floating(local) => DateValue::Floating(local),
            DateValue::Utc(local) => DateValue::Utc(local),
        })
    });
    let local = |until: DateTime| until.strftime("%Y%m%dT%H%M%S").to_string();
    let start = said.as_ref().or(own)?;
    let (last, utc) = match until {
        Until::Date(day) => (day.at(23, 59, 59, 0), false),
        Until::Local(last) => (last, false),
        Until::Utc(last) => (last, true),
    };
    match (start, until) {
        (DateValue::Date(_), Until::Date(_))
        | (DateValue::Floating(_), Until::Local(_))
        | (DateValue::Utc(_) | DateValue::Zoned(..), Until::Utc(_)) => None,
        (DateValue::Date(_), _) => Some(last.date().strftime("%Y%m%d").to_string()),
        (DateValue::Floating(_), _) => Some(local(last)),
        (DateValue::Zoned(_, tzid), _) if !utc => {
            let zone = Zone::named(tzid)?;
            Some(utc_stamp(zone.instant(last)))
        }
        _ => Some(local(last) + "Z"),
    }
}

/// The value of a parameter (RFC 5545 §3.2).
fn quoted(text: &str) -> Cow<'_, str> {
    if text.contains([':', ';', ',']) { Cow::Owned(format!("\"{text}\"")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(own: &str, tzid: Option<&str>, zone: Change<String>, all_day: Option<bool>) -> Clock<'static> {
        let tzid = tzid.map(|tzid| Cow::Owned(tzid.to_owned()));
        Clock { own: DateValue::parse(own, tzid.as_ref()), zone, all_day, from: None }
    }

    fn line(clock: &Clock<'_>, text: &str) -> Option<String> {
        clock.line("DTSTART", &read(text).unwrap())
    }

    #[test]
    fn times_are_read_in_both_spellings() {
        for (text, same) in [
            ("2026-03-01", "20260301"),
            ("2026-03-01T09:00:00", "20260301T090000"),
            ("2026-03-01T09:00", "20260301T090000"),
            ("2026-03-01T09:00:00.000Z", "20260301T090000Z"),
            ("2026-03-01T10:00:00+01:00", "20260301T090000Z"),
        ] {
            assert_eq!(read(text), DateValue::parse(same, None), "{text}");
            assert!(read(text).is_some(), "{text}");
        }
        for bad in ["", "x", "2026", "2026-13-01", "2026-03-01T25:00:00", "T", "2026-03-01T09:00:00+x", "."] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_stays_on_its_clock_unless_another_is_asked_for() {
        let set = |zone: &str| Change::Set(zone.to_owned());
        let paris = || clock("20260301T090000", Some("Europe/Paris"), Change::Kept, None);
        let told = |clock: &Clock<'_>, text: &str| line(clock, text).unwrap_or_default();
        assert_eq!(told(&paris(), "2026-07-01T10:00"), "DTSTART;TZID=Europe/Paris:20260701T100000");
        assert_eq!(told(&paris(), "2026-07-01T10:00Z"), "DTSTART;TZID=Europe/Paris:20260701T120000");
        let tokyo = clock("20260301T090000Z", None, set("Asia/Tokyo"), None);
        assert_eq!(told(&tokyo, "2026-07-01T10:00"), "DTSTART;TZID=Asia/Tokyo:20260701T100000");
        let utc = clock("20260301T090000Z", None, Change::Kept, None);
        assert_eq!(told(&utc, "2026-07-01T10:00"), "DTSTART:20260701T100000Z");
        let floating = clock("20260301T090000Z", None, Change::Cleared, None);
        assert_eq!(told(&floating, "2026-07-01T10:00"), "DTSTART:20260701T100000");
        let days = clock("20260301T090000Z", None, Change::Kept, Some(true));
        assert_eq!(told(&days, "2026-07-01T10:00"), "DTSTART;VALUE=DATE:20260701");
        let timed = clock("20260301", None, Change::Kept, Some(false));
        assert_eq!(line(&timed, "2026-07-01"), None);
        let odd = clock("20260301T090000", Some("(GMT+1): Paris"), Change::Kept, None);
        assert_eq!(told(&odd, "2026-07-01T10:00"), "DTSTART;TZID=\"(GMT+1): Paris\":20260701T100000");
    }
    #[test]
    fn of_another_instance_than_the_first_the_difference_is_meant() {
        let told = |own: &str, tzid, from: &str, text: &str| {
            let mut clock = clock(own, tzid, Change::Kept, None);
            clock.from = clock.instance(from);
            line(&clock, text).unwrap_or_default()
        };
        let paris = Some("Europe/Paris");
        let expected = "DTSTART;TZID=Europe/Paris:20260302T110000";
        // The clocks change between the two, and it stays eleven.
        for (from, text) in [
            ("2026-04-06T09:00:00", "2026-04-06T11:00:00"),
            ("2026-04-06T07:00:00Z", "2026-04-06T11:00:00"),
            ("2026-04-06T09:00:00", "2026-04-06T09:00:00Z"),
        ] {
            assert_eq!(told("20260302T090000", paris, from, text), expected, "{from} {text}");
        }
        assert_eq!(told("20260302", None, "2026-03-09", "2026-03-10"), "DTSTART;VALUE=DATE:20260303");
        assert_eq!(
            told("20260302T090000Z", None, "2026-03-09T09:00", "2026-03-09T08:00Z"),
            "DTSTART:20260302T080000Z"
        );
    }

    #[test]
    fn the_end_of_a_rule_is_of_the_type_of_its_start() {
        let day: jiff::civil::Date = "2026-04-01".parse().unwrap();
        let time = day.at(9, 0, 0, 0);
        let zoned = "DTSTART;TZID=Europe/Paris:20260302T090000";
        for (end, start, expected) in [
            (Until::Date(day), "DTSTART;VALUE=DATE:20260302", None),
            (Until::Utc(time), "DTSTART;VALUE=DATE:20260302", Some("20260401")),
            (Until::Date(day), "DTSTART:20260302T090000", Some("20260401T235959")),
            (Until::Utc(time), "DTSTART:20260302T090000", Some("20260401T090000")),
            (Until::Date(day), "DTSTART:20260302T090000Z", Some("20260401T235959Z")),
            (Until::Local(time), "DTSTART:20260302T090000Z", Some("20260401T090000Z")),
            (Until::Date(day), zoned, Some("20260401T215959Z")),
            (Until::Local(time), zoned, Some("20260401T070000Z")),
            (Until::Utc(time), zoned, None),
        ] {
            assert_eq!(until(end, Some(start), None).as_deref(), expected, "{end:?} {start}");
        }
        let own = DateValue::parse("20260302", None);
        assert_eq!(until(Until::Local(time), None, own.as_ref()).as_deref(), Some("20260401"));
        assert_eq!(until(Until::Local(time), None, None), None);
    }
}
