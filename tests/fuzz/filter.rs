//! Any XML as a filter of calendar-query, asked of events, a to-do and an alarm.

use std::sync::LazyLock;

use bytes::Bytes;
use kalends::caldav::filter;
use kalends::ical::{self, Budget, Calendar, Component, Zone};
use kalends::xml;

static OBJECTS: LazyLock<Vec<Calendar>> = LazyLock::new(|| {
    let objects = [&include_bytes!("../ical/thunderbird.ics")[..], include_bytes!("../ical/todo.ics")];
    objects.map(|text| Calendar::parse(Bytes::from_static(text)).expect("the samples are right")).into()
});

/// What the index says yes to without a look at the object passes the filter.
pub fn run(octets: &[u8]) {
    let Ok(root) = xml::parse(octets) else { return };
    let Ok(filter) = filter::read(&root) else { return };
    let bounds = filter::bounds(&filter);
    for calendar in OBJECTS.iter() {
        let found = ical::matches(calendar, &filter, &Zone::utc(), &Budget::new(200_000));
        if bounds.exact && bounds.time.is_none() && bounds.uid.is_none() && found == Ok(false) {
            let kind = calendar.components().find_map(Component::kind);
            assert!(kind.is_none_or(|kind| !bounds.kinds.has(kind)), "SQL would say yes");
        }
        if found == Ok(true) {
            let kind = calendar.components().find_map(Component::kind);
            assert!(kind.is_some_and(|kind| bounds.kinds.has(kind)), "SQL would say no");
        }
    }
}
