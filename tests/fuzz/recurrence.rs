//! Any text as a recurrence rule, and any octets as the body of a VTIMEZONE.

use bytes::Bytes;
use jiff::civil::date;
use kalends::ical::recur::{Budget, Moment, Rule};
use kalends::ical::{self, Calendar, Limits, Zone};

/// What a rule yields is in order, not before its start, and what seeking finds is what walking finds.
pub fn rule(octets: &[u8]) {
    let Some(rule) = std::str::from_utf8(octets).ok().and_then(|text| Rule::parse(text).ok()) else { return };
    let start = date(2020, 2, 29).at(9, 30, 0, 0);
    let (walked, sought) = (Budget::new(100_000), Budget::new(100_000));
    let walk: Vec<_> =
        rule.occurrences(Moment::Time(start), &walked).map_while(Result::ok).take(300).collect();
    assert!(walk.iter().all(|found| *found >= start), "nothing comes before the start");
    assert!(walk.windows(2).all(|pair| pair[0] < pair[1]), "in order, and each once");
    let from = date(2020, 6, 1).at(0, 0, 0, 0);
    let Some(last) = walk.last().copied() else { return };
    let mut seeking = rule.occurrences(Moment::Time(start), &sought);
    seeking.seek(from);
    let seek: Vec<_> = seeking.map_while(Result::ok).take_while(|found| *found <= last).take(300).collect();
    if sought.left() > 0 && walked.left() > 0 {
        let expected: Vec<_> = walk.into_iter().filter(|found| *found >= from).collect();
        assert_eq!(seek, expected);
    }
}

/// An event in the zone has times, and the zone turns each instant that it tells of back into that instant.
pub fn zone(octets: &[u8]) {
    let mut text =
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//fuzz//\r\nBEGIN:VTIMEZONE\r\nTZID:Nowhere\r\n".to_vec();
    text.extend_from_slice(octets);
    text.extend_from_slice(
        b"\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:zone\r\nDTSTAMP:20260101T000000Z\r\n\
          DTSTART;TZID=Nowhere:20200301T023000\r\nDURATION:PT1H\r\nRRULE:FREQ=DAILY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    );
    let Ok(calendar) = Calendar::parse(Bytes::from(text)) else { return };
    let _verdict = ical::object(&calendar, &Limits::default());
    let _found = ical::occurrences(&calendar, MONTH, &Zone::utc(), &Budget::new(200_000));
    let Ok((_, zone)) = Zone::of(&calendar) else { return };
    for instant in [0, MONTH.start, MONTH.end, 4_102_444_800] {
        let local = zone.local(instant);
        let again = zone.instant(local);
        // Of two instants with the same wall clock the first is meant (RFC 5545 §3.3.5).
        assert!(again <= instant && zone.local(again) == local, "{local} at {instant} is {again}");
    }
}

/// November 2026.
const MONTH: std::ops::Range<i64> = 1_793_491_200..1_796_083_200;
