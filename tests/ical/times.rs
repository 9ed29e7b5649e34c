//! When things happen that products write wrong, name oddly, or leave to whoever looks: our own objects, one a symptom.

use kalends::ical::{ALWAYS, Calendar, Zone, object, occurrences, utc_stamp};

use super::{LIMITS, budget, parse};

/// An object of these components, each with its lines between spaces.
fn calendar(head: &str, events: &[&str]) -> Calendar {
    let event = |lines: &&str| {
        let lines = lines.replace(' ', "\r\n") + "\r\n";
        format!("BEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n{lines}END:VEVENT\r\n")
    };
    let events: String = events.iter().map(event).collect();
    parse(format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sample//EN\r\n{head}{events}END:VCALENDAR\r\n"
    ))
}

/// The instances as somebody in that zone sees them, as start, end and summary.
fn seen(calendar: &Calendar, zone: &str) -> Vec<String> {
    let zone = Zone::named(zone).expect(zone);
    let found = occurrences(calendar, ALWAYS, &zone, &budget()).expect("within the budget");
    let summary =
        |o: &kalends::ical::Occurrence<'_>| o.component.property("SUMMARY").map(|p| p.text().into_owned());
    found
        .iter()
        .map(|o| [utc_stamp(o.start), "/".into(), utc_stamp(o.end), summary(o).unwrap_or_default()].concat())
        .collect()
}

#[test]
fn what_products_write_wrong_has_its_times() {
    for (symptom, lines, expected) in [
        (
            "an end on the day of the start",
            "DTSTART;VALUE=DATE:20251208 DTEND;VALUE=DATE:20251208",
            &["20251208T000000Z/20251209T000000Z"] as &[_],
        ),
        (
            "UNTIL as a date for a series of times: to the end of that day where the event is",
            "DTSTART;TZID=America/New_York:20231229T200000 DTEND;TZID=America/New_York:20231229T210000 RRULE:FREQ=DAILY;UNTIL=20231231",
            &[
                "20231230T010000Z/20231230T020000Z",
                "20231231T010000Z/20231231T020000Z",
                "20240101T010000Z/20240101T020000Z",
            ],
        ),
        (
            "UNTIL as a time for a series of days",
            "DTSTART;VALUE=DATE:20220802 RRULE:FREQ=DAILY;UNTIL=20220803T070000Z",
            &["20220802T000000Z/20220803T000000Z", "20220803T000000Z/20220804T000000Z"],
        ),
        (
            "a date with a time behind it",
            "DTSTART;VALUE=DATE:20260105T000000 DTEND;VALUE=DATE:20260107T000000",
            &["20260105T000000Z/20260107T000000Z"],
        ),
        (
            "a duration without its T",
            "DTSTART:20260105T100000Z DURATION:P1H",
            &["20260105T100000Z/20260105T110000Z"],
        ),
        (
            "an end and a duration",
            "DTSTART:20260105T100000Z DTEND:20260105T103000Z DURATION:PT1H",
            &["20260105T100000Z/20260105T103000Z"],
        ),
        (
            "EXDATE as times for a series of days",
            "DTSTART;VALUE=DATE:20260105 RRULE:FREQ=DAILY;COUNT=3 EXDATE:20260106T080000",
            &["20260105T000000Z/20260106T000000Z", "20260107T000000Z/20260108T000000Z"],
        ),
    ] {
        let calendar = calendar("", &[lines]);
        assert!(object(&calendar, &LIMITS).is_ok(), "{symptom}");
        assert_eq!(seen(&calendar, "UTC"), expected, "{symptom}");
    }
}

/// A zone of that name, as Exchange defines it, of one hour or two ahead of UTC.
fn defined(tzid: &str) -> String {
    format!(
        "BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\n\
         TZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\n\
         DTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
         RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n"
    )
}

#[test]
fn zones_by_the_names_of_windows_and_exchange() {
    let at = |head: &str, tzid: &str, local: &str| {
        let calendar = calendar(head, &[&format!("DTSTART;TZID={}:{local}", tzid.replace(' ', "~"))]);
        let text = String::from_utf8(calendar.bytes().to_vec()).unwrap().replace('~', " ");
        seen(&parse(text), "America/New_York")[0][..16].to_owned()
    };
    for (tzid, head, local, utc) in [
        // A name of Windows, defined or not.
        ("New Zealand Standard Time", String::new(), "20251008T090000", "20251007T200000Z"),
        (
            "New Zealand Standard Time",
            defined("New Zealand Standard Time"),
            "20251008T090000",
            "20251007T200000Z",
        ),
        ("W. Europe Standard Time", String::new(), "20240426T140000", "20240426T120000Z"),
        ("Central European Standard Time", String::new(), "20240502T110000", "20240502T090000Z"),
        // A name that Exchange gives to whatever has none: as it is defined, or else the time of whoever looks.
        ("Customized Time Zone", defined("Customized Time Zone"), "20240426T140000", "20240426T120000Z"),
        ("Customized Time Zone", String::new(), "20240426T140000", "20240426T180000Z"),
        (
            "tzone://Microsoft/Custom",
            defined("tzone://Microsoft/Custom"),
            "20240126T140000",
            "20240126T130000Z",
        ),
        ("tzone://Microsoft/Utc", String::new(), "20240426T140000", "20240426T140000Z"),
        // A name that the object says where it lies.
        ("Nowhere", "X-WR-TIMEZONE:Asia/Tokyo\r\n".into(), "20240426T140000", "20240426T050000Z"),
        // A definition that contradicts the database.
        ("Asia/Tokyo", defined("Asia/Tokyo"), "20240426T140000", "20240426T050000Z"),
    ] {
        let tzid_param = if tzid.contains(':') { format!("\"{tzid}\"") } else { tzid.to_owned() };
        assert_eq!(at(&head, &tzid_param, local), utc, "{tzid} {local}");
    }
}

#[test]
fn hours_that_the_clock_skips_and_repeats() {
    // The law of RFC 5545 §3.3.5, in zones of the database and in one that the object defines.
    for (tzid, head) in [("Europe/Berlin", String::new()), ("Here", defined("Here"))] {
        let first = |local: &str| {
            let calendar = calendar(&head, &[&format!("DTSTART;TZID={tzid}:{local}")]);
            seen(&calendar, "UTC")[0][..16].to_owned()
        };
        assert_eq!(first("20260329T015959"), "20260329T005959Z", "{tzid}");
        assert_eq!(first("20260329T023000"), "20260329T013000Z", "{tzid}: skipped");
        assert_eq!(first("20260329T030000"), "20260329T010000Z", "{tzid}");
        assert_eq!(first("20261025T015959"), "20261024T235959Z", "{tzid}");
        assert_eq!(first("20261025T023000"), "20261025T003000Z", "{tzid}: the first of two");
        assert_eq!(first("20261025T030000"), "20261025T020000Z", "{tzid}");
    }
}

#[test]
fn the_order_is_that_of_the_viewer_s_clock() {
    // Of one series: on a zone's clock, in UTC, on anybody's clock, and a whole day.
    let mixed = calendar(
        "",
        &[
            "DTSTART;TZID=Europe/Berlin:20260310T090000 DURATION:PT1H RRULE:FREQ=DAILY;COUNT=4 SUMMARY:zoned",
            "RECURRENCE-ID;TZID=Europe/Berlin:20260311T090000 DTSTART:20260310T120000Z DURATION:PT1H SUMMARY:utc",
            "RECURRENCE-ID;TZID=Europe/Berlin:20260312T090000 DTSTART:20260310T073000 DURATION:PT1H SUMMARY:floating",
            "RECURRENCE-ID;TZID=Europe/Berlin:20260313T090000 DTSTART;VALUE=DATE:20260310 SUMMARY:day",
        ],
    );
    let order =
        |zone: &str| -> Vec<String> { seen(&mixed, zone).iter().map(|line| line[33..].to_owned()).collect() };
    assert_eq!(order("UTC"), ["day", "floating", "zoned", "utc"]);
    assert_eq!(order("Asia/Tokyo"), ["day", "floating", "zoned", "utc"]);
    assert_eq!(order("Europe/Berlin"), ["day", "floating", "zoned", "utc"]);
    // In New York the day begins before, and half past seven is after noon in London.
    assert_eq!(order("America/New_York"), ["day", "zoned", "floating", "utc"]);
    assert_eq!(order("Pacific/Honolulu"), ["zoned", "day", "utc", "floating"]);
    let days = seen(&mixed, "America/New_York");
    // New York's clock had changed two days before.
    assert_eq!(days[0], "20260310T040000Z/20260311T040000Zday");
    assert_eq!(days[2], "20260310T113000Z/20260310T123000Zfloating");
}
