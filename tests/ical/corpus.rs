//! Foreign calendar data, in ../shared/corpus beside the repository; skipped by name where that is absent.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use kalends::ical::{ALWAYS, Calendar, Recurrence, Selection, Zone, object, occurrences, select, utc_stamp};

use super::{LIMITS, at, budget, parse, span, starts};

/// The folders, and how many files each has: what is missing is not passed over.
const FOLDERS: [(&str, usize); 5] = [
    ("compat-testdata", 6),
    ("examples-testdata", 7),
    ("testdata", 39),
    ("parsing-testdata-valid", 20),
    ("parsing-testdata-invalid", 16),
];

/// The files of a folder of the corpus; none, and a word about it, in a plain clone.
pub fn corpus(folder: &str) -> Vec<(PathBuf, Bytes)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !root.exists() {
        println!("skipped: no {}", root.display());
        return vec![];
    }
    let entries = std::fs::read_dir(root.join("ics").join(folder)).expect(folder);
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let (_, count) = FOLDERS.iter().find(|(name, _)| *name == folder).expect(folder);
    assert_eq!(files.len(), *count, "{folder}");
    files.into_iter().map(|path| (path.clone(), Bytes::from(std::fs::read(path).expect("a file")))).collect()
}

/// Makes a stored object of a feed: without METHOD, and with the components of one UID alone.
fn first_object(feed: &Calendar) -> Calendar {
    let uid = feed.components().find_map(|c| c.property("UID")).map(|p| p.value().into_owned());
    let mut text = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n".to_vec();
    for component in feed.components() {
        let its = component.property("UID").map(|p| p.value().into_owned());
        if component.is("VTIMEZONE") || its == uid {
            text.extend_from_slice(component.raw());
            text.extend_from_slice(b"\r\n");
        }
    }
    text.extend_from_slice(b"END:VCALENDAR\r\n");
    parse(text)
}

/// The objects of the folders whose files are whole.
fn objects() -> Vec<(PathBuf, Calendar)> {
    let files = ["compat-testdata", "examples-testdata", "testdata"].into_iter().flat_map(corpus);
    let feeds = files.filter_map(|(path, octets)| Some((path, Calendar::parse(octets).ok()?)));
    feeds.map(|(path, feed)| (path, first_object(&feed))).collect()
}

#[test]
fn what_products_write_wrong_is_taken() {
    for folder in ["compat-testdata", "examples-testdata", "testdata"] {
        for (path, octets) in corpus(folder) {
            let Ok(feed) = Calendar::parse(octets.clone()) else {
                assert!(octets.is_empty(), "{}", path.display());
                continue;
            };
            assert_eq!(feed.bytes(), &octets);
            let verdict = object(&first_object(&feed), &LIMITS);
            let nothing = feed.components().all(|c| c.is("VTIMEZONE"));
            let twice = path.ends_with("todo-invalid-dtstart-tzid.ics");
            assert!(verdict.is_ok() || nothing || twice, "{}: {verdict:?}", path.display());
        }
    }
}

#[test]
fn valid_lines_are_read() {
    for (path, octets) in corpus("parsing-testdata-valid") {
        let bare = !octets.starts_with(b"BEGIN:VCALENDAR");
        let octets = if bare {
            [b"BEGIN:VCALENDAR\n", octets.as_ref(), b"\nEND:VCALENDAR\n"].concat()
        } else {
            octets.to_vec()
        };
        let read = Calendar::parse(octets.clone().into());
        assert_eq!(read.as_ref().map(|read| read.bytes().to_vec()), Ok(octets), "{}", path.display());
    }
}

#[test]
fn invalid_lines_are_refused() {
    for (path, octets) in corpus("parsing-testdata-invalid") {
        assert!(Calendar::parse(octets.clone()).is_err(), "{}", path.display());
        let inside = [b"BEGIN:VCALENDAR\n", octets.as_ref(), b"\nEND:VCALENDAR\n"].concat();
        assert!(Calendar::parse(inside.into()).is_err(), "{}", path.display());
    }
}

#[test]
fn compat_times_are_right() {
    let expected = [
        ("calendar_labs_same_day_dtend.ics", "20251208T000000Z", "20251209T000000Z", 1),
        ("google_dtstart_until_mismatch.ics", "20231005T130000Z", "20231005T140000Z", 13),
        ("office_356_custom_timezone.ics", "20240502T090000Z", "20240502T100000Z", 1),
        ("office_360_nz_tz.ics", "20251007T200000Z", "20251007T203000Z", 1),
        ("office_365_extended_timezone.ics", "20240426T120000Z", "20240426T130000Z", 1),
        ("office_365_invalid_timezone.ics", "20240426T140000Z", "20240426T150000Z", 1),
    ];
    for (path, octets) in corpus("compat-testdata") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some((_, start, end, count)) = expected.iter().find(|row| row.0 == name) else {
            panic!("no expectation for {name}");
        };
        let calendar = first_object(&Calendar::parse(octets).unwrap());
        let found = occurrences(&calendar, ALWAYS, &Zone::utc(), &budget()).unwrap();
        let first = (utc_stamp(found[0].start), utc_stamp(found[0].end), found.len());
        assert_eq!(first, ((*start).to_owned(), (*end).to_owned(), *count), "{name}");
    }
}

#[test]
fn times_of_other_files_are_right() {
    let expected: [(&str, &[&str]); 6] = [
        // Three weeks before it begins to four after: its zone is its own, and it is summer there.
        ("datetime_vtimezone.ics", &["20230313T011210Z"]),
        // A zone of the database, with rules that are not its own.
        ("datetime_vtimezone_plus.ics", &["20230312T171210Z"]),
        ("rrule-rdate-period.ics", &["19960403T020000Z", "19960404T010000Z"]),
        ("rrule-exdate-mismatch.ics", &["20231224T000000Z", "20231230T000000Z", "20231231T000000Z"]),
        ("recurring_with_single_change.ics", &[]),
        ("rrule-until-mismatch.ics", &[]),
    ];
    let all = objects();
    for (name, starting) in expected.iter().filter(|_| !all.is_empty()) {
        let (_, calendar) = all.iter().find(|(path, _)| path.ends_with(name)).expect(name);
        let found = starts(calendar, span("19700101T000000Z", "20240101T000000Z"));
        assert!(starting.is_empty() || found == *starting, "{name}: {found:?}");
        let mut once = found.clone();
        once.dedup();
        assert_eq!(once, found, "{name}: nothing twice");
    }
    for (name, count) in [("recurring_with_single_change.ics", None), ("rrule-until-mismatch.ics", Some(34))]
    {
        let Some((_, calendar)) = all.iter().find(|(path, _)| path.ends_with(name)) else { continue };
        let found = starts(calendar, span("19700101T000000Z", "20300101T000000Z"));
        let overrides = calendar.components().filter(|c| c.property("RECURRENCE-ID").is_some()).count();
        assert!(count.map_or(overrides == 1, |count| found.len() == count), "{name}: {found:?}");
    }
    if let Some((_, calendar)) = all.iter().find(|(path, _)| path.ends_with("rrule-rdate-period.ics")) {
        let found = occurrences(calendar, ALWAYS, &Zone::utc(), &budget()).unwrap();
        assert_eq!(found[1].end - found[1].start, 3 * 3_600, "the second lasts three hours");
    }
    let zone = all.iter().find(|(path, _)| path.ends_with("timezone_ny.ics"));
    if let Some((_, calendar)) = zone {
        let (tzid, zone) = Zone::of(calendar).unwrap();
        assert_eq!(
            (tzid.as_str(), zone.wall(at("20260701T120000Z"))),
            ("America/New_York", at("20260701T080000Z"))
        );
    }
}

#[test]
fn a_window_shows_what_the_whole_has() {
    let horizon = at("20300101T000000Z");
    for (path, calendar) in objects() {
        for zone in ["UTC", "Asia/Tokyo"] {
            let zone = Zone::named(zone).unwrap();
            let whole = occurrences(&calendar, ALWAYS.start..horizon, &zone, &budget()).unwrap();
            // What has no date is in every expansion.
            let Some(first) = whole.first().map(|o| o.start) else { continue };
            for (from, to) in [(-1, 1), (0, 7), (7, 40), (300, 400), (1, 2_000)] {
                let window = first + from * 86_400..(first + to * 86_400).min(horizon);
                let times = |found: &[kalends::ical::Occurrence<'_>]| -> Vec<(i64, i64)> {
                    found.iter().filter(|o| o.overlaps(&window)).map(|o| (o.start, o.end)).collect()
                };
                let found = occurrences(&calendar, window.clone(), &zone, &budget()).unwrap();
                assert_eq!(times(&found), times(&whole), "{} {window:?}", path.display());
                let selection = Selection {
                    recurrence: Some(Recurrence::Expand(window.clone())),
                    ..Selection::default()
                };
                let text = select(&calendar, &selection, &zone, &budget()).unwrap();
                let shown = ["VEVENT", "VTODO", "VJOURNAL"]
                    .map(|kind| text.matches(&format!("BEGIN:{kind}\r\n")).count());
                assert_eq!(shown.iter().sum::<usize>(), found.len(), "{} {window:?}\n{text}", path.display());
            }
        }
    }
}

#[test]
fn an_object_made_of_a_feed_is_one() {
    let feed = parse(
        "BEGIN:VCALENDAR\nMETHOD:PUBLISH\nBEGIN:VEVENT\nUID:a\nDTSTART:20260101\nEND:VEVENT\nBEGIN:VEVENT\nUID:b\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    assert!(object(&first_object(&feed), &LIMITS).is_ok());
}
