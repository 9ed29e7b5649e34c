//! Any XML as a filter of calendar-query, asked of an event, a to-do and an alarm.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use kalends::{
    caldav::reports::filter,
    ical::{self, Budget, Calendar, Zone},
    xml,
};
use libfuzzer_sys::fuzz_target;

static OBJECTS: LazyLock<Vec<Calendar>> = LazyLock::new(|| {
    let objects = [&include_bytes!("../../tests/ical/thunderbird.ics")[..], include_bytes!("../../tests/ical/todo.ics")];
    objects.map(|text| Calendar::parse(Bytes::from_static(text)).expect("the samples are right")).into()
});

fuzz_target!(|data: &[u8]| {
    let Ok(root) = xml::parse(data) else { return };
    let _ = root.fragment();
    let Ok(filter) = filter::read(&root) else { return };
    let bounds = filter::bounds(&filter);
    for calendar in OBJECTS.iter() {
        let found = ical::matches(calendar, &filter, &Zone::utc(), &Budget::new(200_000));
        if bounds.exact && bounds.time.is_none() && bounds.uid.is_none() && found == Ok(false) {
            let kind = calendar.components().find_map(|component| component.kind());
            assert!(kind.is_none_or(|kind| !bounds.kinds.has(kind)), "SQL would say yes");
        }
    }
});
