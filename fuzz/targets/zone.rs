//! Any octets as the body of a VTIMEZONE: an event in it has times, within the budget.
#![no_main]

use bytes::Bytes;
use kalends::ical::{self, Budget, Calendar, Limits, Zone};
use libfuzzer_sys::fuzz_target;

const MONTH: std::ops::Range<i64> = 1_793_491_200..1_796_083_200;

fuzz_target!(|data: &[u8]| {
    let mut text = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//fuzz//\r\nBEGIN:VTIMEZONE\r\nTZID:Nowhere\r\n".to_vec();
    text.extend_from_slice(data);
    text.extend_from_slice(
        b"\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:zone\r\nDTSTAMP:20260101T000000Z\r\n\
          DTSTART;TZID=Nowhere:20200301T023000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    );
    let Ok(calendar) = Calendar::parse(Bytes::from(text)) else { return };
    let _ = ical::object(&calendar, &Limits::default());
    let _ = ical::occurrences(&calendar, MONTH, &Zone::utc(), &Budget::new(200_000));
    let Ok((_, zone)) = Zone::of(&calendar) else { return };
    for instant in [0, MONTH.start, MONTH.end, 4_102_444_800] {
        let _ = zone.instant(zone.local(instant));
    }
});
