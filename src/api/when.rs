//! Times as a web page writes them, and as lines of iCalendar say them (RFC 3339, RFC 5545 §3.3.4, §3.3.5).

use std::borrow::Cow;

use crate::ical::{Component, DateValue, Zone, parse_moment, utc_stamp};

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
}

impl<'a> Clock<'a> {
    /// That of an event or to-do.
    #[must_use]
    pub fn of(component: Option<Component<'a>>, zone: Change<String>, all_day: Option<bool>) -> Self {
        let own = component.and_then(|one| one.date("DTSTART").or_else(|| one.date("DUE")));
        Self { own, zone, all_day }
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
        let local = value.civil();
        let stamp = || local.strftime("%Y%m%dT%H%M%S").to_string();
        if value.is_date() || self.all_day == Some(true) {
            let day = local.date().strftime("%Y%m%d");
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
                    let local = zone.local(parse_moment(&(stamp() + "Z"))?);
                    format!("{name};TZID={}:{}", quoted(tzid), local.strftime("%Y%m%dT%H%M%S"))
                }
                None => format!("{name}:{}Z", stamp()),
            });
        }
        Some(match (zone, &self.zone, &self.own) {
            (Some(zone), ..) => format!("{name};TZID={}:{}", quoted(zone), stamp()),
            (None, Change::Kept, Some(DateValue::Utc(_))) => format!("{name}:{}Z", stamp()),
            _ => format!("{name}:{}", stamp()),
        })
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
        Clock { own: DateValue::parse(own, tzid.as_ref()), zone, all_day }
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
}
