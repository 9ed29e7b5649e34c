//! What differs between two states of an object, component by component, and what is to be said of one that goes
//! (caldav-notifications §5.3.2 and §5.3.3).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::clock::When;
use crate::ical::occurrence::{Occurrence, occurrences};
use crate::ical::recur::Budget;
use crate::ical::value::{date_stamp, local_stamp, utc_stamp};
use crate::ical::zone::{Zone, Zones};

/// What became of the component that describes a series or one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Which instance: its RECURRENCE-ID, in UTC unless it floats or is a day; `None` is the series, or what does not recur.
    pub instance: Option<String>,
    /// Whether it was not there before.
    pub added: bool,
    /// Whether it is there no more.
    pub removed: bool,
    /// The properties that differ, and of each the parameters, where its values are the same.
    pub properties: BTreeMap<String, BTreeSet<String>>,
}

/// Changed components that are told of; where there are more, none is.
const MOST: usize = 100;
/// What changes with every change.
const ALWAYS: [&str; 3] = ["DTSTAMP", "LAST-MODIFIED", "SEQUENCE"];
/// What only a series has, or every override has otherwise.
const OF_SERIES: [&str; 10] =
    ["RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID", "DTSTART", "DTEND", "DUE", "DURATION", "CREATED"];
/// What looking at the times of an object may cost, in units of [`Budget`].
const COST: u64 = 100_000;

/// What differs between two states of an object; nothing where that cannot be told within bounds.
#[must_use]
pub fn changes(before: &Calendar, after: &Calendar) -> Vec<Changed> {
    let (old, new) = (instances(before), instances(after));
    let ids: BTreeSet<&Option<String>> = old.keys().chain(new.keys()).collect();
    let master = |all: &BTreeMap<Option<String>, Component<'_>>| all.contains_key(&None);
    let mut found = Vec::new();
    for id in ids {
        let (was, is) = (old.get(id).copied(), new.get(id).copied());
        let (added, removed) = (was.is_none(), is.is_none());
        let properties = match (was, is) {
            (Some(was), Some(is)) => differing(was, is, &[]),
            // An override differs from what the series would be there.
            (None, Some(is)) if id.is_some() && master(&old) => {
                new.get(&None).map_or_else(BTreeMap::new, |series| differing(*series, is, &OF_SERIES))
            }
            _ => BTreeMap::new(),
        };
        if added || removed || !properties.is_empty() {
            found.push(Changed { instance: id.clone(), added, removed, properties });
        }
    }
    if found.len() > MOST { Vec::new() } else { found }
}

/// The components of an object by the instance that they describe.
fn instances(calendar: &Calendar) -> BTreeMap<Option<String>, Component<'_>> {
    let budget = Budget::new(COST);
    budget.next_object();
    let mut zones = Zones::new(calendar);
    let described = calendar.components().filter(|component| component.kind().is_some());
    described.map(|component| (instance(component, &mut zones, &budget), component)).collect()
}

fn instance(component: Component<'_>, zones: &mut Zones<'_>, budget: &Budget) -> Option<String> {
    let id = component.property("RECURRENCE-ID")?;
    let as_written = || id.value().into_owned();
    let Some(date) = id.date() else { return Some(as_written()) };
    if date.is_date() {
        return Some(date_stamp(date.civil().date()));
    }
    let Ok(when) = When::of(&date, zones, budget) else { return Some(as_written()) };
    Some(if when.clock.floats() { local_stamp(when.local) } else { utc_stamp(when.instant(&Zone::utc())) })
}

/// The properties that differ, but for these and those that always do.
fn differing(was: Component<'_>, is: Component<'_>, but: &[&str]) -> BTreeMap<String, BTreeSet<String>> {
    let (old, new) = (by_name(was), by_name(is));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let counted =
        names.into_iter().filter(|name| !ALWAYS.contains(&name.as_str()) && !but.contains(&name.as_str()));
    let nothing = Vec::new();
    counted
        .filter_map(|name| {
            let of = |all| BTreeMap::get(all, name).unwrap_or(&nothing);
            Some((name.clone(), parameters(of(&old), of(&new))?))
        })
        .collect()
}

fn by_name(component: Component<'_>) -> BTreeMap<String, Vec<Property<'_>>> {
    let mut all: BTreeMap<String, Vec<Property<'_>>> = BTreeMap::new();
    for property in component.lines() {
        all.entry(property.name().to_ascii_uppercase()).or_default().push(property);
    }
    all
}

/// Whether properties of one name differ, and where that is by their parameters alone, by which.
fn parameters(old: &[Property<'_>], new: &[Property<'_>]) -> Option<BTreeSet<String>> {
    let read = |all: &[Property<'_>]| {
        let mut read: Vec<(String, BTreeMap<String, String>)> =
            all.iter().map(|p| (p.value().into_owned(), of(*p))).collect();
        read.sort();
        read
    };
    let (old, new) = (read(old), read(new));
    if old == new {
        return None;
    }
    let mut differing = BTreeSet::new();
    if old.iter().map(|(value, _)| value).eq(new.iter().map(|(value, _)| value)) {
        for ((_, before), (_, after)) in old.iter().zip(&new) {
            let names = before.keys().chain(after.keys());
            differing.extend(names.filter(|name| before.get(*name) != after.get(*name)).cloned());
        }
    }
    Some(differing)
}

fn of(property: Property<'_>) -> BTreeMap<String, String> {
    property.parameters().map(|p| (p.name.to_ascii_uppercase(), p.list().to_owned())).collect()
}

/// What is said of an object that goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Farewell {
    /// The name of its components.
    pub component: String,
    /// The SUMMARY of the next instance, or where none is to come, of what is there.
    pub summary: String,
    /// When that would have been as the object has it, and the TZID of that.
    pub next: Option<(String, Option<String>)>,
    /// Whether more would have followed.
    pub more: bool,
}

/// How far ahead an instance is looked for.
const AHEAD: i64 = 2 * 366 * 86_400;

/// What is to be said of an object that goes at that second.
#[must_use]
pub fn farewell(calendar: &Calendar, now: i64) -> Farewell {
    let Some(first) = calendar.components().find(|component| component.kind().is_some()) else {
        return Farewell::default();
    };
    let found = occurrences(calendar, now..now + AHEAD, &Zone::utc(), &Budget::new(COST));
    let mut coming = found.unwrap_or_default().into_iter().filter(|occurrence| occurrence.start >= now);
    let next = coming.next();
    let shown = next.as_ref().map_or(first, |occurrence| occurrence.component);
    Farewell {
        component: first.name().to_ascii_uppercase(),
        summary: shown.property("SUMMARY").map(|property| property.text().into_owned()).unwrap_or_default(),
        next: next.as_ref().map(start),
        more: coming.next().is_some(),
    }
}

/// The start of an instance as its object has it.
fn start(occurrence: &Occurrence<'_>) -> (String, Option<String>) {
    let named = ["DTSTART", "DUE"].into_iter().find_map(|name| occurrence.component.property(name));
    let tzid = named.and_then(|property| property.parameter("TZID")).map(Cow::into_owned);
    if occurrence.all_day {
        return (date_stamp(occurrence.local.date()), None);
    }
    if tzid.is_some() || occurrence.floating {
        return (local_stamp(occurrence.local), tzid);
    }
    (utc_stamp(occurrence.start), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(components: &[&str]) -> Calendar {
        let event = |lines: &&str| {
            ["BEGIN:VEVENT\r\nUID:a\r\n", &lines.replace('|', "\r\n"), "\r\nEND:VEVENT\r\n"].concat()
        };
        let all: String = components.iter().map(event).collect();
        Calendar::parse(format!("BEGIN:VCALENDAR\r\n{all}END:VCALENDAR\r\n").into()).unwrap()
    }

    fn told(before: &[&str], after: &[&str]) -> Vec<String> {
        let found = changes(&calendar(before), &calendar(after));
        let words = |changed: &Changed| {
            let mut words = vec![changed.instance.clone().unwrap_or_else(|| "master".to_owned())];
            words.extend(changed.added.then(|| "added".to_owned()));
            words.extend(changed.removed.then(|| "removed".to_owned()));
            let one = |(name, of): (&String, &BTreeSet<String>)| {
                of.iter().fold(name.clone(), |all, p| all + ";" + p)
            };
            words.extend(changed.properties.iter().map(one));
            words.join(" ")
        };
        found.iter().map(words).collect()
    }

    const ONE: &str = "DTSTART:20260101T100000Z|SUMMARY:x|ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:b@x";
    const SERIES: &str = "DTSTART;TZID=Europe/Berlin:20260101T100000|RRULE:FREQ=DAILY|SUMMARY:x";
    const SAME: &str = "RECURRENCE-ID;TZID=Europe/Berlin:20260102T100000|DTSTART;TZID=Europe/Berlin:20260102T100000|SUMMARY:x";

    #[test]
    fn properties_and_parameters_are_named() {
        assert_eq!(told(&[ONE], &[ONE]), [""; 0]);
        let stamped = ONE.replace("SUMMARY:x", "SUMMARY:x|DTSTAMP:20260101T000000Z|SEQUENCE:2");
        assert_eq!(told(&[ONE], &[&stamped]), [""; 0], "what changes every time");
        let other = ONE.replace("SUMMARY:x", "SUMMARY:y").replace("T10", "T11");
        assert_eq!(told(&[ONE], &[&other]), ["master DTSTART SUMMARY"]);
        let answered = ONE.replace("NEEDS-ACTION", "ACCEPTED") + "|TRANSP:OPAQUE";
        assert_eq!(told(&[ONE], &[&answered]), ["master ATTENDEE;PARTSTAT TRANSP"]);
        let more = ONE.to_owned() + "|ATTENDEE:mailto:c@x";
        assert_eq!(told(&[ONE], &[&more]), ["master ATTENDEE"]);
        let turned = "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:b@x|SUMMARY:x|DTSTART:20260101T100000Z";
        assert_eq!(told(&[ONE], &[turned]), [""; 0], "another order");
    }

    /// caldav-notifications §5.3.2.1
    #[test]
    fn overrides_are_added_changed_and_removed() {
        let changed = SAME.replace("SUMMARY:x", "SUMMARY:y");
        assert_eq!(told(&[SERIES], &[SERIES, SAME]), ["20260102T090000Z added"]);
        assert_eq!(told(&[SERIES], &[SERIES, &changed]), ["20260102T090000Z added SUMMARY"]);
        assert_eq!(told(&[SERIES, SAME], &[SERIES, &changed]), ["20260102T090000Z SUMMARY"]);
        assert_eq!(told(&[SERIES, SAME], &[SERIES]), ["20260102T090000Z removed"]);
        let without = SERIES.to_owned() + "|EXDATE;TZID=Europe/Berlin:20260102T100000";
        assert_eq!(told(&[SERIES, SAME], &[&without]), ["master EXDATE", "20260102T090000Z removed"]);
        let other = "RECURRENCE-ID;VALUE=DATE:20260105|DTSTART;VALUE=DATE:20260105|SUMMARY:z";
        assert_eq!(told(&[other], &[other, SAME]), ["20260102T090000Z added"], "without a master");
        assert_eq!(told(&[other, SAME], &[SAME]), ["20260105 removed"]);
    }

    #[test]
    fn of_too_many_changes_none_is_told() {
        let days = |summary: &str| -> Vec<String> {
            (0..=MOST)
                .map(|n| {
                    format!(
                        "RECURRENCE-ID:{}T100000Z|DTSTART:20260101T100000Z|SUMMARY:{summary}",
                        20_260_000 + n
                    )
                })
                .collect()
        };
        let (before, after) = (days("x"), days("y"));
        let all = |list: &[String]| -> Vec<String> {
            told(&list.iter().map(String::as_str).collect::<Vec<_>>(), &["SUMMARY:q"])
        };
        assert_eq!(all(&before), [""; 0]);
        assert_eq!(before.len(), after.len());
    }

    #[test]
    fn who_goes_is_told_of_by_the_next_instance() {
        let now = crate::ical::parse_utc("20260105T000000Z").unwrap();
        let berlin = farewell(&calendar(&[SERIES]), now);
        let next = Some(("20260105T100000".to_owned(), Some("Europe/Berlin".to_owned())));
        assert_eq!((berlin.next, berlin.more, berlin.summary.as_str()), (next, true, "x"));
        let past = farewell(&calendar(&[ONE]), now);
        assert_eq!(
            past,
            Farewell { component: "VEVENT".into(), summary: "x".into(), next: None, more: false }
        );
        let day = farewell(&calendar(&["DTSTART;VALUE=DATE:20260106"]), now);
        assert_eq!(day.next, Some(("20260106".to_owned(), None)));
    }
}
