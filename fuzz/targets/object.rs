//! Any octets as a calendar object: scanned, judged, indexed, expanded, cut and merged within the budget of a request.
#![no_main]

use bytes::Bytes;
use kalends::ical::{self, Budget, Calendar, Limits, Recurrence, Selection, Zone};
use libfuzzer_sys::fuzz_target;

/// November 2026.
const MONTH: std::ops::Range<i64> = 1_793_491_200..1_796_083_200;

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(calendar) = Calendar::parse(bytes.clone()) else { return };
    assert_eq!(calendar.bytes(), &bytes, "octets are kept");
    let _ = ical::object(&calendar, &Limits { max_instances: 3000, max_attendees: 100 });
    let zone = Zone::named("Europe/Berlin").expect("a zone of the database");
    let index = ical::index(&calendar, MONTH.end, 2000, &Budget::new(200_000));
    assert!(index.instances.iter().all(|row| row.starts <= row.ends), "no instance ends before it starts");
    let found = ical::occurrences(&calendar, MONTH, &zone, &Budget::new(200_000));
    if let Ok(found) = &found {
        assert!(found.windows(2).all(|pair| pair[0].start <= pair[1].start), "instances come in order");
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
    let _ = ical::freebusy::periods(&calendar, MONTH, &zone, &Budget::new(200_000)).map(ical::freebusy::merge);
});
