//! What the calendar room costs: reading an object, its place in the index, a window deep in a series, other forms, edits.

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

/// What most objects are: one event of a dozen lines.
#[divan::bench]
fn scan_small(bencher: Bencher<'_, '_>) {
    let octets = series("FREQ=DAILY").bytes().clone();
    let counter = divan::counter::BytesCount::new(octets.len());
    bencher.counter(counter).bench(|| Calendar::parse(black_box(octets.clone())));
}

/// A calendar of 2,000 events in one object, as imports bring them.
#[divan::bench]
fn scan_large(bencher: Bencher<'_, '_>) {
    let event = "BEGIN:VEVENT\r\nUID:0123456789abcdef@example.org\r\nDTSTAMP:20260101T000000Z\r\n\
                 DTSTART;TZID=Europe/Berlin:20260101T090000\r\nDTEND;TZID=Europe/Berlin:20260101T100000\r\n\
                 SUMMARY:A meeting about many things\r\nDESCRIPTION:A text that is long enough to be folded onc\r\n e \
                 and says nothing.\r\nATTENDEE;CN=Alice;PARTSTAT=ACCEPTED:mailto:alice@example.org\r\nEND:VEVENT\r\n";
    let octets = Bytes::from(format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", event.repeat(2_000)));
    let counter = divan::counter::BytesCount::new(octets.len());
    bencher.counter(counter).bench(|| Calendar::parse(black_box(octets.clone())).expect("an object"));
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

/// Reading, judging and indexing: what a PUT does here, of one event and of series.
#[divan::bench(args = ["X-NONE:", "RRULE:FREQ=DAILY;COUNT=10", "RRULE:FREQ=DAILY"])]
fn put(bencher: Bencher<'_, '_>, rule: &str) {
    let octets = Bytes::from(format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//\r\nBEGIN:VEVENT\r\nUID:series\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20261101T090000\r\nDURATION:PT1H\r\n\
         {rule}\r\nSUMMARY:A meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ));
    let limits = Limits { max_instances: 3000, max_attendees: 100 };
    bencher.bench(|| {
        let calendar = Calendar::parse(black_box(octets.clone())).expect("an object");
        let object = ical::object(&calendar, &limits);
        (object, ical::index(&calendar, WEEK.end + 366 * 86_400, 1000, &Budget::new(200_000)))
    });
}

/// Four weeks of 1,000 weekly series, read before.
#[divan::bench]
fn month_of_thousand(bencher: Bencher<'_, '_>) {
    let days = ["MO", "TU", "WE", "TH", "FR"];
    let all: Vec<_> = (0..1_000).map(|n| series(&format!("FREQ=WEEKLY;BYDAY={}", days[n % 5]))).collect();
    let zone = Zone::utc();
    let window = WEEK.start..WEEK.start + 28 * 86_400;
    bencher.bench(|| {
        let of = |calendar| ical::occurrences(calendar, window.clone(), &zone, &Budget::new(1_000_000));
        let found: usize = all.iter().map(|calendar| of(calendar).map_or(0, |found| found.len())).sum();
        assert_eq!(found, 4_000);
    });
}

/// One instance of a long series gets another summary.
#[divan::bench]
fn edit(bencher: Bencher<'_, '_>) {
    let calendar = series("FREQ=DAILY");
    let patch = ical::edit::Patch::new().line("SUMMARY:Lunch").expect("a line");
    let id = ical::DateValue::parse("20261121T080000Z", None).expect("a date");
    let revision = ical::edit::Revision { stamp: WEEK.start, uid: "later" };
    bencher.bench(|| {
        let scope = ical::edit::Scope::This(id.clone());
        ical::edit::edit(black_box(&calendar), &scope, &patch, &revision, &Budget::new(1_000_000))
            .expect("an edit")
    });
}

#[divan::bench(args = ["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Asia/Tokyo"])]
fn vtimezone(bencher: Bencher<'_, '_>, name: &str) {
    let zone = Zone::named(name).expect("a zone");
    bencher.bench(|| ical::vtimezone(name, black_box(&zone), WEEK));
}

#[divan::bench]
fn jcal(bencher: Bencher<'_, '_>) {
    let calendar = thunderbird();
    let json = ical::jcal::write(&calendar);
    bencher.bench(|| {
        (
            ical::jcal::write(black_box(&calendar)),
            ical::jcal::read(black_box(json.as_bytes())).expect("an object"),
        )
    });
}

#[divan::bench]
fn xcal(bencher: Bencher<'_, '_>) {
    let calendar = thunderbird();
    let xml = ical::xcal::write(&calendar).expect("names of elements");
    bencher.bench(|| {
        (
            ical::xcal::write(black_box(&calendar)),
            ical::xcal::read(black_box(xml.as_bytes())).expect("an object"),
        )
    });
}

/// Finding a window in an object whose zone only its own VTIMEZONE knows, of 5 KB: the first time, and then again.
#[divan::bench(args = ["first", "again"])]
fn own_zone(bencher: Bencher<'_, '_>, time: &str) {
    let name = "Europe/Berlin";
    let zone =
        ical::vtimezone(name, &Zone::named(name).expect("a zone"), i64::MIN..WEEK.end).expect("a definition");
    let mut made = 0;
    let object = |n: u32| {
        let zone = zone.replace(name, &format!("Own {n}"));
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//\r\n{zone}BEGIN:VEVENT\r\nUID:one\r\n\
             DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Own {n}:20261121T090000\r\nDURATION:PT1H\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        Calendar::parse(Bytes::from(text)).expect("the object is right")
    };
    bencher
        .with_inputs(|| {
            made += u32::from(time == "first");
            object(made)
        })
        .bench_local_values(|calendar| {
            ical::occurrences(&calendar, WEEK, &Zone::utc(), &Budget::new(1_000_000)).map(|found| found.len())
        });
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
