//! The definitions of time zones in an object: taken out where every reader has them, put in where they lack.
//! RFC 7809 §3.1.3; all other octets stay as they are.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use crate::ical::calendar::{Calendar, Component};
use crate::ical::edit::splice::{self, Fate};
use crate::ical::value::{DAY, seconds};
use crate::ical::vtimezone::{LATER, vtimezone};
use crate::ical::zone::Zone;

/// The object without a VTIMEZONE whose TZID is, letter for letter, a name of the IANA database; none if it has no such.
#[must_use]
pub fn without_standard(calendar: &Calendar) -> Option<Bytes> {
    let standard = |c: &Component<'_>| tzid(*c).is_some_and(|tzid| Zone::is_standard(&tzid));
    let fates: Vec<_> = calendar.components().filter(standard).map(|c| (c, Fate::Dropped)).collect();
    (!fates.is_empty()).then(|| splice::object(calendar, &fates, &[]))
}

/// The object with a VTIMEZONE for each TZID that it names, does not define, and that means a zone of the database; none
/// if it lacks none.
#[must_use]
pub fn with_missing(calendar: &Calendar) -> Option<Bytes> {
    let mut named = BTreeMap::new();
    calendar.components().filter(|c| !c.is("VTIMEZONE")).for_each(|c| gather(c, &mut named));
    for defined in calendar.components().filter_map(tzid) {
        named.remove(&defined);
    }
    let written = |(tzid, span): (&String, &Range<i64>)| {
        let span = span.start.saturating_sub(DAY)..span.end.saturating_add(366 * DAY).max(LATER);
        vtimezone(tzid, &Zone::named(tzid)?, span)
    };
    let added: Vec<String> = named.iter().filter_map(written).collect();
    (!added.is_empty()).then(|| splice::with_first(calendar, &added))
}

/// What a VTIMEZONE defines.
fn tzid(component: Component<'_>) -> Option<String> {
    component.property("TZID").filter(|_| component.is("VTIMEZONE")).map(|p| p.text().into_owned())
}

/// The TZIDs of a component and those in it, each with the span of its times. The depth of the object bounds the recursion.
fn gather(component: Component<'_>, named: &mut BTreeMap<String, Range<i64>>) {
    for line in component.lines() {
        let Some(tzid) = line.parameter("TZID") else { continue };
        for date in line.dates() {
            let at = seconds(date.civil());
            let span = named.entry(tzid.clone().into_owned()).or_insert(at..at);
            *span = span.start.min(at)..span.end.max(at);
        }
    }
    component.components().for_each(|inner| gather(inner, named));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(zones: &str, tzid: &str) -> Calendar {
        let text = format!(
            "BEGIN:VCALENDAR\nX-A:1\n{zones}BEGIN:VEVENT\nUID:1\nDTSTART;TZID={tzid}:20260701T090000\n\
             X-B: kept \nEND:VEVENT\nEND:VCALENDAR\n"
        );
        Calendar::parse(text.into()).unwrap()
    }

    fn zone(tzid: &str) -> String {
        format!(
            "BEGIN:VTIMEZONE\nTZID:{tzid}\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0300\n\
             TZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE\n"
        )
    }

    #[test]
    fn a_definition_goes_only_where_everybody_has_it() {
        let gone = without_standard(&calendar(&zone("Europe/Berlin"), "Europe/Berlin")).unwrap();
        assert_eq!(&gone, calendar("", "Europe/Berlin").bytes());
        for own in ["Here", "/example.org/Europe/Berlin", "W. Europe Standard Time", "europe/berlin"] {
            assert_eq!(without_standard(&calendar(&zone(own), own)), None, "{own}");
        }
        assert_eq!(without_standard(&calendar("", "Europe/Berlin")), None);
        let mixed = [zone("Here"), zone("Asia/Tokyo")].concat();
        assert_eq!(
            without_standard(&calendar(&mixed, "Here")).unwrap(),
            calendar(&zone("Here"), "Here").bytes()
        );
    }

    #[test]
    fn a_definition_comes_where_it_lacks() {
        let full = Calendar::parse(with_missing(&calendar("", "Europe/Berlin")).unwrap()).unwrap();
        let (tzid, _) = Zone::of(&full).unwrap();
        assert_eq!(tzid, "Europe/Berlin");
        assert!(!full.bytes().contains(&b'\r'), "line ends are those of the object");
        assert_eq!(without_standard(&full).unwrap(), calendar("", "Europe/Berlin").bytes());
        assert_eq!(with_missing(&full), None);
        assert_eq!(with_missing(&calendar("", "Nowhere")), None);
        assert_eq!(with_missing(&calendar(&zone("Here"), "Here")), None);
    }
}
