//! Any octets as a calendar object: scanned, judged, indexed, expanded, cut, put into other forms and merged, within the
//! budget of a request.

use std::ops::Range;

use bytes::Bytes;
use kalends::ical::{self, Budget, Calendar, Limits, Recurrence, Selection, Zone};
use kalends::model;

use super::forms::there_and_back;

/// November 2026.
const MONTH: Range<i64> = 1_793_491_200..1_796_083_200;

pub fn run(octets: &[u8]) {
    let bytes = Bytes::copy_from_slice(octets);
    let Ok(calendar) = Calendar::parse(bytes.clone()) else { return };
    assert_eq!(calendar.bytes(), &bytes, "octets are kept");
    let verdict = ical::object(&calendar, &Limits { max_instances: 3000, max_attendees: 100 });
    let index = ical::index(&calendar, MONTH.end, 2000, &Budget::new(200_000));
    assert!(index.instances.iter().all(|row| row.starts <= row.ends), "no instance ends before it starts");
    let zone = Zone::named("Europe/Berlin").expect("a zone of the database");
    if verdict.is_ok_and(|object| object.component == model::Component::Vevent) {
        tells_its_times(&calendar, &index);
    }
    if let Ok(found) = ical::occurrences(&calendar, MONTH, &zone, &Budget::new(200_000)) {
        assert!(found.is_sorted_by_key(|one| one.start), "instances come in order");
    }
    for recurrence in [Recurrence::Expand(MONTH), Recurrence::Limit(MONTH)] {
        let selection = Selection { recurrence: Some(recurrence), ..Selection::default() };
        if let Ok(text) = ical::select(&calendar, &selection, &zone, &Budget::new(200_000)) {
            // An object whose every instance lasts for decades is longer when expanded than any that is taken.
            if text.lines().count() <= 100_000 {
                Calendar::parse(Bytes::from(text)).expect("what is written can be read");
            }
        }
    }
    if let Ok(periods) = ical::freebusy::periods(&calendar, MONTH, &zone, &Budget::new(200_000)) {
        let merged = ical::freebusy::merge(periods);
        assert!(merged.iter().all(|one| one.start < one.end), "no period is empty");
    }
    there_and_back("the object", &calendar);
}

/// The rows of events are their instances, up to the tail, and a pattern has the instances of its object.
fn tells_its_times(calendar: &Calendar, index: &model::Index) {
    let times = |calendar: &Calendar| {
        let found = ical::occurrences(calendar, MONTH, &Zone::utc(), &Budget::new(200_000)).ok()?;
        let mut found: Vec<_> =
            found.iter().map(|one| (one.start, one.end, one.floating, one.busy)).collect();
        found.sort_unstable_by_key(|one| (one.0, one.1, one.2, one.3.code()));
        Some(found)
    };
    let Some(mut expected) = times(calendar) else { return };
    if let Some(pattern) = &index.pattern {
        let pattern = Calendar::parse(Bytes::from(pattern.clone())).expect("a pattern can be read");
        // The budget may not suffice where a zone has to be evaluated that was known before.
        if let Some(found) = times(&pattern) {
            assert_eq!(found, expected, "the pattern");
        }
    }
    if index.tail.is_none_or(|tail| tail >= MONTH.end) {
        let rows = index.instances.iter().map(|row| (row.starts, row.ends, row.floating, row.busy));
        let mut rows: Vec<_> = rows.filter(|row| row.0 < MONTH.end && row.1 > MONTH.start).collect();
        rows.sort_unstable_by_key(|one| (one.0, one.1, one.2, one.3.code()));
        // Those that take no time lie in a range by other rules.
        rows.retain(|row| row.0 < row.1);
        expected.retain(|one| one.0 < one.1);
        assert_eq!(rows, expected, "the index");
    }
}
