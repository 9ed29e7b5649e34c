//! What the calendar room costs: reading an object, its place in the index, a window deep in a series.

use std::ops::Range;

use bytes::Bytes;
use divan::{Bencher, black_box};
use kalends::ical::{self, Budget, Calendar, CompFilter, CompTest, Filter, Limits, TimeRange, Zone};

const THUNDERBIRD: &[u8] = include_bytes!("../tests/ical/thunderbird.ics");
/// A week of November 2026, in seconds.
const WEEK: Range<i64> = 1_795_392_000..1_795_996_800;

fn main() {
    divan::main();
}

/// An object that recurs by `rule` since 1990.
fn series(rule: &str) -> Calendar {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//\r\nBEGIN:VEVENT\r\nUID:series\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:19900101T090000\r\nDURATION:PT1H\r\n\
         RRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    Calendar::parse(Bytes::from(text)).expect("the object is right")
}

fn thunderbird() -> Calendar {
    Calendar::parse(Bytes::from_static(THUNDERBIRD)).expect("the sample is right")
}

#[divan::bench]
fn scan(bencher: Bencher<'_, '_>) {
    let counter = divan::counter::BytesCount::new(THUNDERBIRD.len());
    bencher.counter(counter).bench(|| Calendar::parse(black_box(Bytes::from_static(THUNDERBIRD))));
}

#[divan::bench]
fn check(bencher: Bencher<'_, '_>) {
    let (calendar, limits) = (thunderbird(), Limits { max_instances: 3000, max_attendees: 100 });
    bencher.bench(|| ical::object(black_box(&calendar), &limits));
}

#[divan::bench]
fn index(bencher: Bencher<'_, '_>) {
    let calendar = thunderbird();
    bencher.bench(|| ical::index(black_box(&calendar), WEEK.end, 1000, &Budget::new(1_000_000)));
}

#[divan::bench(args = ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,WE,FR", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=HOURLY", "FREQ=DAILY;COUNT=20000"])]
fn seek(bencher: Bencher<'_, '_>, rule: &str) {
    let (calendar, zone) = (series(rule), Zone::utc());
    bencher.bench(|| {
        ical::occurrences(black_box(&calendar), WEEK, &zone, &Budget::new(1_000_000)).map(|found| found.len())
    });
}

#[divan::bench]
fn filter(bencher: Bencher<'_, '_>) {
    let (calendar, zone) = (series("FREQ=DAILY"), Zone::utc());
    let time_range = Some(TimeRange { start: Some(WEEK.start), end: Some(WEEK.end) });
    let event = CompFilter {
        name: "VEVENT".to_owned(),
        test: CompTest::Defined { time_range, props: Vec::new(), comps: Vec::new() },
    };
    let filter = Filter(CompFilter {
        name: "VCALENDAR".to_owned(),
        test: CompTest::Defined { time_range: None, props: Vec::new(), comps: vec![event] },
    });
    bencher.bench(|| ical::matches(black_box(&calendar), &filter, &zone, &Budget::new(1_000_000)));
}
