//! The calendar room from outside: foreign data, our own samples of what products write, and the questions of RFC 4791.

#[allow(dead_code)] // a part of what is fuzzed
#[path = "fuzz/forms.rs"]
mod agree;
#[path = "ical/corpus.rs"]
mod corpus;
#[path = "recur/dice.rs"]
mod dice;
#[path = "ical/edits.rs"]
mod edits;
#[path = "ical/forms.rs"]
mod forms;
#[path = "ical/overlap.rs"]
mod overlap;
#[path = "ical/reference.rs"]
mod reference;
#[path = "ical/rows.rs"]
mod rows;
#[path = "ical/times.rs"]
mod times;

use std::path::Path;

use bytes::Bytes;
use kalends::ical::filter::{CompFilter, CompTest, Filter, ParamFilter, ParamTest, PropFilter, PropTest};
use kalends::ical::freebusy::{Period, periods};
use kalends::ical::{
    ALWAYS, Budget, Calendar, CompSelection, Fault, Limits, Merge, Place, PropSelection, Recurrence,
    Selection, TextMatch, TimeRange, ValueTest, Zone, edit, index, jcal, matches, object, occurrences,
    parse_utc, select, utc_stamp, xcal,
};
use kalends::model::{Busy, Component};
use proptest::prelude::*;

const LIMITS: Limits = Limits { max_instances: 3_000, max_attendees: 100 };

fn budget() -> Budget {
    Budget::new(1_000_000)
}

fn parse(text: impl Into<Vec<u8>>) -> Calendar {
    Calendar::parse(Bytes::from(text.into())).expect("a calendar")
}

fn at(stamp: &str) -> i64 {
    parse_utc(stamp).expect("a date with UTC time")
}

fn span(start: &str, end: &str) -> std::ops::Range<i64> {
    at(start)..at(end)
}

fn own(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ical").join(name);
    Bytes::from(std::fs::read(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())))
}

const SAMPLES: [&str; 5] = ["apple.ics", "thunderbird.ics", "google.ics", "exchange.ics", "todo.ics"];

#[test]
fn samples_keep_their_octets_and_are_valid() {
    for name in SAMPLES {
        let octets = own(name);
        let calendar = Calendar::parse(octets.clone()).unwrap();
        assert_eq!(calendar.bytes(), &octets, "{name}");
        assert_eq!(calendar.text().as_bytes(), octets, "{name}");
        assert!(object(&calendar, &LIMITS).is_ok(), "{name}");
        let whole = select(&calendar, &Selection::default(), &Zone::utc(), &budget()).unwrap();
        let octets = String::from_utf8(octets.to_vec()).unwrap();
        assert_eq!(whole.replace("\r\n", "\n"), octets.replace("\r\n", "\n"), "{name}");
    }
}

fn starts(calendar: &Calendar, window: std::ops::Range<i64>) -> Vec<String> {
    let found = occurrences(calendar, window, &Zone::utc(), &budget()).expect("within the budget");
    found.iter().map(|o| utc_stamp(o.start)).collect()
}

#[test]
fn instances_of_the_samples() {
    let apple = Calendar::parse(own("apple.ics")).unwrap();
    // The zone changes on 8 March; the 9th is left out, the 16th moved to the 17th.
    assert_eq!(
        starts(&apple, ALWAYS),
        ["20260302T143000Z", "20260317T153000Z", "20260323T133000Z", "20260330T133000Z"]
    );
    let google = Calendar::parse(own("google.ics")).unwrap();
    assert_eq!(starts(&google, ALWAYS), [5, 6, 9, 10, 11, 12].map(|day| format!("202601{day:02}T080000Z")));
    let exchange = Calendar::parse(own("exchange.ics")).unwrap();
    assert_eq!(starts(&exchange, ALWAYS), ["20260706T120000Z"]);
    let todo = Calendar::parse(own("todo.ics")).unwrap();
    assert_eq!(starts(&todo, span("20260409T000000Z", "20260411T000000Z")), ["20260410T000000Z"]);
}

#[test]
fn own_time_zone_is_evaluated_to_the_second() {
    let calendar = Calendar::parse(own("thunderbird.ics")).unwrap();
    let (tzid, zone) = Zone::of(&calendar).unwrap();
    let berlin = Zone::named("europe/berlin").unwrap();
    assert_eq!(tzid, "Old Clock of Berlin");
    let (mut moment, end) = (at("19000101T000000Z"), at("20370101T000000Z"));
    while moment < end {
        let local = berlin.local(moment);
        assert_eq!(zone.local(moment), local, "{}", utc_stamp(moment));
        assert_eq!(zone.instant(local), berlin.instant(local), "{local}");
        moment += 1_793;
    }
}

const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sample//EN\r\n";

/// Five rehearsals at noon in New York; the third and the fifth are two hours late.
fn rehearsals() -> Calendar {
    let event = |id: &str, start: &str, more: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:rehearsals\r\nDTSTAMP:20060101T000000Z\r\nDTSTART;TZID=US/Eastern:{start}\r\nDURATION:PT1H\r\n{id}{more}SUMMARY:Rehearsal\r\nEND:VEVENT\r\n"
        )
    };
    let zone = "BEGIN:VTIMEZONE\r\nTZID:US/Eastern\r\nBEGIN:STANDARD\r\nDTSTART:20001026T020000\r\nTZOFFSETFROM:-0400\r\nTZOFFSETTO:-0500\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    let id = |stamp: &str| format!("RECURRENCE-ID;TZID=US/Eastern:{stamp}\r\n");
    parse(
        [
            HEAD,
            zone,
            &event("", "20060102T120000", "RRULE:FREQ=DAILY;COUNT=5\r\n"),
            &event(&id("20060104T120000"), "20060104T140000", "X-LATE:1\r\n"),
            &event(&id("20060106T120000"), "20060106T140000", "X-LATE:2\r\n"),
            "END:VCALENDAR\r\n",
        ]
        .concat(),
    )
}

/// A meeting with two people.
fn meeting() -> Calendar {
    parse(
        [
            HEAD,
            "BEGIN:VEVENT\r\nUID:meeting\r\nDTSTART;TZID=US/Eastern:20060104T100000\r\nDURATION:PT1H\r\n",
            "ATTENDEE;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:chair@sample.example\r\n",
            "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:guest@sample.example\r\n",
            "STATUS:TENTATIVE\r\nSUMMARY:Meeting\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        ]
        .concat(),
    )
}

fn todo(lines: &str) -> Calendar {
    parse(
        [
            HEAD,
            "BEGIN:VTODO\r\nUID:todo\r\nDTSTAMP:20060101T000000Z\r\n",
            lines,
            "END:VTODO\r\nEND:VCALENDAR\r\n",
        ]
        .concat(),
    )
}

fn comp(name: &str, range: Option<TimeRange>, props: Vec<PropFilter>, comps: Vec<CompFilter>) -> CompFilter {
    CompFilter { name: name.into(), test: CompTest::Defined { time_range: range, props, comps } }
}

fn asks(inner: CompFilter) -> Filter {
    Filter(comp("VCALENDAR", None, vec![], vec![inner]))
}

fn prop(name: &str, test: PropTest) -> PropFilter {
    PropFilter { name: name.into(), test }
}

fn range(start: &str, end: &str) -> TimeRange {
    TimeRange { start: parse_utc(start), end: parse_utc(end) }
}

fn has_text(text: &str, negate: bool, params: Vec<ParamFilter>) -> PropTest {
    let text = TextMatch { text: text.into(), negate, ..TextMatch::default() };
    PropTest::Defined { value: Some(ValueTest::Text(text)), params }
}

fn passes(calendar: &Calendar, filter: &Filter) -> bool {
    let zone = Zone::named("US/Eastern").expect("a zone");
    matches(calendar, filter, &zone, &budget()).expect("within the budget")
}

#[test]
fn query_by_time_range_sees_every_instance() {
    let event = |start, end| asks(comp("VEVENT", Some(range(start, end)), vec![], vec![]));
    let calendar = rehearsals();
    for (start, end, expected) in [
        ("20060104T000000Z", "20060105T000000Z", true),
        // The third is at 19:00 UTC, not at 17:00.
        ("20060104T170000Z", "20060104T180000Z", false),
        ("20060104T180000Z", "20060104T190000Z", false),
        ("20060104T190000Z", "20060104T190001Z", true),
        ("20060106T195959Z", "", true),
        ("20060106T200000Z", "", false),
        ("", "20060102T170000Z", false),
        ("", "20060102T170001Z", true),
    ] {
        assert_eq!(passes(&calendar, &event(start, end)), expected, "{start} to {end}");
    }
    assert!(passes(&meeting(), &event("20060104T000000Z", "20060105T000000Z")));
    assert!(!passes(&meeting(), &asks(comp("VTODO", None, vec![], vec![]))));
    let late = |number| prop("X-LATE", has_text(number, false, vec![]));
    let third = |number| {
        asks(comp("VEVENT", Some(range("20060104T000000Z", "20060105T000000Z")), vec![late(number)], vec![]))
    };
    assert!(passes(&calendar, &third("1")));
    assert!(!passes(&calendar, &third("2")), "the range and the property must be of one instance");
}

#[test]
fn an_open_range_does_not_walk_a_series_that_lacks_what_else_is_asked() {
    let daily = "DTSTART:20260101T080000Z\r\nRRULE:FREQ=DAILY\r\nSUMMARY:Rehearsal\r\n";
    let alarm =
        "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER;VALUE=DATE-TIME:20260101T070000Z\r\nEND:VALARM\r\n";
    let calendar = todo(&[daily, alarm].concat());
    let open = Some(range("20260201T000000Z", ""));
    let text = |text| vec![prop("SUMMARY", has_text(text, false, vec![]))];
    let few = |filter: CompFilter| matches(&calendar, &asks(filter), &Zone::utc(), &Budget::new(1_000));
    assert_eq!(few(comp("VTODO", open, text("rehearsal"), vec![])), Ok(true));
    assert_eq!(few(comp("VTODO", open, text("concert"), vec![])), Ok(false));
    assert_eq!(few(comp("VEVENT", open, vec![], vec![])), Ok(false));
    assert_eq!(few(comp("VTODO", open, vec![], vec![comp("VALARM", open, vec![], vec![])])), Ok(false));
}

#[test]
fn query_by_property_and_parameter() {
    let partstat = |value: &str| ParamFilter {
        name: "PARTSTAT".into(),
        test: ParamTest::Text(TextMatch { text: value.into(), ..TextMatch::default() }),
    };
    let guest =
        |value| prop("ATTENDEE", has_text("mailto:GUEST@sample.example", false, vec![partstat(value)]));
    assert!(passes(&meeting(), &asks(comp("VEVENT", None, vec![guest("needs-action")], vec![]))));
    assert!(!passes(&meeting(), &asks(comp("VEVENT", None, vec![guest("accepted")], vec![]))));
    let uid = prop("UID", has_text("meet", false, vec![]));
    assert!(passes(&meeting(), &asks(comp("VEVENT", None, vec![uid], vec![]))));
    let pending = asks(comp(
        "VTODO",
        None,
        vec![prop("COMPLETED", PropTest::NotDefined), prop("STATUS", has_text("CANCELLED", true, vec![]))],
        vec![],
    ));
    assert!(passes(&todo("STATUS:NEEDS-ACTION\r\n"), &pending));
    assert!(!passes(&todo("STATUS:CANCELLED\r\n"), &pending));
    assert!(!passes(&todo("STATUS:COMPLETED\r\nCOMPLETED:20060101T000000Z\r\n"), &pending));
}

#[test]
fn query_by_alarm() {
    let alarm = comp("VALARM", Some(range("20060106T100000Z", "20060107T100000Z")), vec![], vec![]);
    let filter = asks(comp("VTODO", None, vec![], vec![alarm]));
    let trigger = "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER;RELATED=START:-PT10M\r\nEND:VALARM\r\n";
    assert!(passes(&todo(&format!("DUE;TZID=US/Eastern:20060106T120000\r\n{trigger}")), &filter));
    assert!(!passes(&todo(&format!("DUE;TZID=US/Eastern:20060107T120000\r\n{trigger}")), &filter));
    // Midnight in New York is 05:00 UTC, and ten minutes before that is too early.
    assert!(!passes(&todo(&format!("DUE;VALUE=DATE:20060106\r\n{trigger}")), &filter));
    let absolute = "BEGIN:VALARM\r\nTRIGGER;VALUE=DATE-TIME:20060106T120000Z\r\nEND:VALARM\r\n";
    assert!(passes(&todo(absolute), &filter));
}

#[test]
fn todo_table() {
    let window = |start, end| asks(comp("VTODO", Some(range(start, end)), vec![], vec![]));
    let cases = [
        ("DUE:20060105T000000Z\r\n", "20060105T000000Z", "", false),
        ("DUE:20060105T000000Z\r\n", "20060104T235959Z", "20060105T000000Z", true),
        ("DTSTART:20060105T000000Z\r\n", "20060105T000000Z", "20060105T000001Z", true),
        ("DTSTART:20060105T000000Z\r\nDURATION:PT1H\r\n", "20060105T010000Z", "", true),
        ("DTSTART:20060105T000000Z\r\nDUE:20060105T010000Z\r\n", "20060105T010000Z", "", false),
        ("COMPLETED:20060105T000000Z\r\n", "20060105T000000Z", "20060106T000000Z", true),
        ("COMPLETED:20060105T000000Z\r\n", "20060105T000001Z", "", false),
        ("CREATED:20060105T000000Z\r\n", "", "20060105T000000Z", false),
        ("CREATED:20060105T000000Z\r\n", "20300105T000000Z", "", true),
        ("", "20300105T000000Z", "20300105T000001Z", true),
    ];
    for (lines, start, end, expected) in cases {
        let calendar = todo(lines);
        assert_eq!(passes(&calendar, &window(start, end)), expected, "{lines} {start} {end}");
        if expected {
            let rows = index(&calendar, at("20400101T000000Z"), 1_000, &budget()).instances;
            let window = range(start, end).window();
            assert!(rows.iter().any(|row| row.starts < window.end && row.ends > window.start), "{lines}");
        }
    }
}

#[test]
fn partial_retrieval() {
    let part = |name: &str, props: Option<&[&str]>, comps| CompSelection {
        name: name.into(),
        props: props.map(|names| {
            names.iter().map(|name| PropSelection { name: (*name).into(), novalue: *name == "UID" }).collect()
        }),
        comps,
    };
    let comps =
        vec![part("VEVENT", Some(&["SUMMARY", "UID", "RRULE"]), Some(vec![])), part("VTIMEZONE", None, None)];
    let comp = part("VCALENDAR", Some(&["VERSION"]), Some(comps));
    let selection = Selection { comp: Some(comp), ..Selection::default() };
    let text = select(&rehearsals(), &selection, &Zone::utc(), &budget()).unwrap();
    assert!(text.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:US/Eastern\r\n"));
    assert!(
        text.contains(
            "BEGIN:VEVENT\r\nUID:\r\nRRULE:FREQ=DAILY;COUNT=5\r\nSUMMARY:Rehearsal\r\nEND:VEVENT\r\n"
        )
    );
    assert!(!text.contains("DTSTAMP") && !text.contains("PRODID"));
}

#[test]
fn expanded_retrieval() {
    let window = span("20060103T000000Z", "20060105T000000Z");
    let selection = Selection { recurrence: Some(Recurrence::Expand(window)), ..Selection::default() };
    let text = select(&rehearsals(), &selection, &Zone::utc(), &budget()).unwrap();
    let instance = |start: &str, more: &str, id: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:rehearsals\r\nDTSTAMP:20060101T000000Z\r\nDTSTART:{start}\r\nDURATION:PT1H\r\n{more}SUMMARY:Rehearsal\r\nRECURRENCE-ID:{id}\r\nEND:VEVENT\r\n"
        )
    };
    let expected = [
        HEAD,
        &instance("20060103T170000Z", "", "20060103T170000Z"),
        &instance("20060104T190000Z", "X-LATE:1\r\n", "20060104T170000Z"),
        "END:VCALENDAR\r\n",
    ];
    assert_eq!(text, expected.concat());
}

#[test]
fn expanded_todos_keep_their_days() {
    let calendar = Calendar::parse(own("todo.ics")).unwrap();
    let window = span("20260407T000000Z", "20260409T000000Z");
    let selection = Selection { recurrence: Some(Recurrence::Expand(window)), ..Selection::default() };
    let text = select(&calendar, &selection, &Zone::utc(), &budget()).unwrap();
    let head = "DTSTART;VALUE=DATE:20260407\r\nDUE;VALUE=DATE:20260408\r\nSUMMARY:";
    assert!(text.contains(head) && text.contains("RECURRENCE-ID;VALUE=DATE:20260407\r\n"), "{text}");
    assert_eq!(text.matches("BEGIN:VTODO").count(), 1);
    assert!(!text.contains("RRULE"));
}

#[test]
fn limited_retrieval() {
    let window = span("20060103T000000Z", "20060105T000000Z");
    let selection = Selection { recurrence: Some(Recurrence::Limit(window)), ..Selection::default() };
    let text = select(&rehearsals(), &selection, &Zone::utc(), &budget()).unwrap();
    assert!(text.contains("RRULE") && text.contains("VTIMEZONE") && text.contains("X-LATE:1"));
    assert!(!text.contains("X-LATE:2"));
    let freebusy = [
        HEAD,
        "BEGIN:VFREEBUSY\r\nUID:busy\r\nFREEBUSY:20060101T100000Z/PT2H,20060102T100000Z/PT1H\r\nFREEBUSY;FBTYPE=BUSY-TENTATIVE:20060103T100000Z/PT1H\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n",
    ];
    let window = span("20060102T000000Z", "20060103T000000Z");
    let selection = Selection { freebusy: Some(window), ..Selection::default() };
    let text = select(&parse(freebusy.concat()), &selection, &Zone::utc(), &budget()).unwrap();
    let expected = "BEGIN:VFREEBUSY\r\nUID:busy\r\nFREEBUSY:20060102T100000Z/PT1H\r\nEND:VFREEBUSY\r\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn busy_time() {
    let window = span("20060104T140000Z", "20060105T220000Z");
    let zone = Zone::utc();
    let mut busy = periods(&rehearsals(), window.clone(), &zone, &budget()).unwrap();
    busy.extend(periods(&meeting(), window, &zone, &budget()).unwrap());
    let period = |start, end, busy| Period { start: at(start), end: at(end), busy };
    assert_eq!(
        busy,
        [
            period("20060104T190000Z", "20060104T200000Z", Busy::Busy),
            period("20060105T170000Z", "20060105T180000Z", Busy::Busy),
            period("20060104T150000Z", "20060104T160000Z", Busy::Tentative),
        ]
    );
}

#[test]
fn what_no_object_may_be() {
    let event =
        |lines: &str| format!("BEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260101T000000Z\r\n{lines}END:VEVENT\r\n");
    let verdict = |body: &str| object(&parse([HEAD, body, "END:VCALENDAR\r\n"].concat()), &LIMITS);
    assert_eq!(verdict(&event("")).unwrap().component, Component::Vevent);
    let resource = |body: &str| matches!(verdict(body), Err(Fault::Resource(_)));
    assert!(resource(""));
    assert!(resource(&format!("METHOD:PUBLISH\r\n{}", event(""))));
    assert!(resource(&event("").replace("UID:a\r\n", "")));
    assert!(resource(&[event(""), event("")].concat()), "two masters");
    assert!(resource(&[event(""), event("").replace("UID:a", "UID:b")].concat()), "two UIDs");
    assert!(resource(&[event(""), event("").replace("VEVENT", "VTODO")].concat()), "two kinds");
    let place = Place { line: 4, column: 1 };
    assert_eq!(
        verdict("BEGIN:VPOLL\r\nUID:a\r\nEND:VPOLL\r\n"),
        Err(Fault::Component(place, "VPOLL".into()))
    );
    assert_eq!(verdict("BEGIN:X-A\r\nUID:a\r\nEND:X-A\r\n"), Err(Fault::Component(place, "X-A".into())));
    let data = |body: &str| matches!(verdict(body), Err(Fault::Data(_)));
    assert!(data("BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\n"));
    assert!(data(&event("").replace("20260101T", "20261301T")));
    assert!(data(&event("RRULE:FREQ=SOMETIMES\r\n")));
    assert!(verdict(&event("RRULE:FREQ=DAILY\r\n")).is_ok());
    assert_eq!(verdict(&event("RRULE:FREQ=DAILY;COUNT=3001\r\n")), Err(Fault::Instances(place, 3_000)));
    assert_eq!(verdict(&event(&"ATTENDEE:mailto:a@b\r\n".repeat(101))), Err(Fault::Attendees(place, 100)));
    let Err(Fault::Data(invalid)) = verdict(&event("DTEND:soon\r\n")) else { panic!("a DTEND that is none") };
    assert_eq!((invalid.line, invalid.column), (7, 1));
}

#[test]
fn every_refusal_has_a_place() {
    let event =
        |lines: &str| format!("BEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260101T000000Z\r\n{lines}END:VEVENT\r\n");
    let limits = Limits { max_instances: 5, max_attendees: 1 };
    let said = |body: &str| {
        object(&parse([HEAD, body, "END:VCALENDAR\r\n"].concat()), &limits).unwrap_err().to_string()
    };
    let long = "SUMMARY:one\r\n two\r\n";
    for (body, place) in [
        (String::new(), "line 1, column 1: "),
        ("METHOD:PUBLISH\r\n".to_owned() + &event(""), "line 4, column 1: "),
        (event("").replace("UID:a\r\n", ""), "line 4, column 1: "),
        (event("") + &event(""), "line 8, column 1: "),
        (event("") + &event("").replace("UID:a", "UID:b"), "line 8, column 1: "),
        (event("") + &event("").replace("VEVENT", "VTODO"), "line 8, column 1: "),
        (event(&[long, "DTSTART:20270101T000000Z\r\n"].concat()), "line 9, column 1: "),
        (event(&[long, "UID:b\r\n"].concat()), "line 9, column 1: "),
        (event("RECURRENCE-ID:20260101T000000Z\r\nRECURRENCE-ID:20260102T000000Z\r\n"), "line 8, column 1: "),
        (event("DTSTART;X=1:20260101T000000Z\r\n"), "line 7, column 1: "),
        (event(&event("")), "line 7, column 1: "),
        (event(&["BEGIN:VALARM\r\n", &event(""), "END:VALARM\r\n"].concat()), "line 8, column 1: "),
        ("BEGIN:VTIMEZONE\r\n".to_owned() + &event("") + "END:VTIMEZONE\r\n", "line 5, column 1: "),
        (event("BEGIN:VTIMEZONE\r\nTZID:x\r\nEND:VTIMEZONE\r\n"), "line 7, column 1: "),
        (event("RRULE:FREQ=DAILY;COUNT=9\r\n"), "line 4, column 1: "),
        (event("RRULE:FREQ=DAILY;RSCALE=HEBREW\r\n"), "line 7, column 1: "),
        (event("ATTENDEE:a:b\r\nATTENDEE:a:c\r\n"), "line 4, column 1: "),
        ("BEGIN:VPOLL\r\nUID:a\r\nEND:VPOLL\r\n".to_owned(), "line 4, column 1: "),
    ] {
        assert!(said(&body).starts_with(place), "{body}\n{}", said(&body));
    }
    // The same thing twice is one thing.
    let twice = [HEAD, &event("UID:a\r\nDTSTART:20260101T000000Z\r\n"), "END:VCALENDAR\r\n"].concat();
    assert!(object(&parse(twice), &limits).is_ok());
}

#[test]
fn index_rows_and_tail() {
    let rows = index(&rehearsals(), at("20300101T000000Z"), 1_000, &budget());
    assert_eq!(rows.tail, None);
    let found: Vec<_> = rows.instances.iter().map(|row| utc_stamp(row.starts)).collect();
    assert_eq!(found, starts(&rehearsals(), ALWAYS));
    assert_eq!((rows.pattern, rows.horizon), (None, None));
    let recurs = |rule: &str| {
        let lines =
            ["BEGIN:VEVENT\r\nUID:a\r\nDTSTART;VALUE=DATE:20260101\r\nRRULE:", rule, "\r\nEND:VEVENT\r\n"]
                .concat();
        parse([HEAD, &lines, "END:VCALENDAR\r\n"].concat())
    };
    // What happens often and goes on has no rows; what ends, or comes once a month, has.
    for (rule, rows_until) in [
        ("FREQ=DAILY", None),
        ("FREQ=WEEKLY;INTERVAL=3", None),
        ("FREQ=DAILY;UNTIL=99991231", None),
        ("FREQ=DAILY;COUNT=900", Some(900)),
        ("FREQ=WEEKLY;INTERVAL=4", Some(80)),
        ("FREQ=YEARLY;BYMONTH=1,2", Some(13)),
    ] {
        let found = index(&recurs(rule), at("20320101T000000Z"), 1_000, &budget());
        assert!(
            rows_until.is_none_or(|count| found.instances.len().abs_diff(count) < 3),
            "{rule}: {found:?}"
        );
        assert_eq!(found.instances.is_empty(), rows_until.is_none(), "{rule}");
        assert_eq!(found.tail.is_some(), !rule.contains("COUNT"), "{rule}");
        assert_eq!(found.horizon.is_some(), found.tail.is_some() && rows_until.is_some(), "{rule}");
    }
    let monthly = recurs("FREQ=MONTHLY");
    for (horizon, most) in [("20300101T000000Z", 1_000), ("20300101T000000Z", 30)] {
        let rows = index(&monthly, at(horizon), most, &budget());
        let tail = rows.tail.unwrap();
        let expected = occurrences(&monthly, ALWAYS.start..tail, &Zone::utc(), &budget()).unwrap();
        assert!(
            rows.instances.len() > 25 && rows.instances.iter().all(|row| row.floating && row.starts < tail)
        );
        let pairs: Vec<_> = rows.instances.iter().map(|row| (row.starts, row.ends)).collect();
        assert_eq!(pairs, expected.iter().map(|o| (o.start, o.end)).collect::<Vec<_>>());
    }
}

#[test]
fn many_become_one() {
    let mut merge = Merge::new(kalends::ical::Syntax::Ical, None, None);
    for name in SAMPLES {
        merge.add(&Calendar::parse(own(name)).unwrap());
    }
    let whole = parse(merge.finish());
    assert_eq!(whole.components().filter(|c| c.is("VTIMEZONE")).count(), 3);
    assert_eq!(whole.components().filter(|c| c.property("UID").is_some()).count(), 6);
}

/// Series that are hard to look into from the middle.
fn series() -> Vec<Calendar> {
    let event =
        |lines: &str| format!("BEGIN:VEVENT\r\nUID:a\r\n{}\r\nEND:VEVENT\r\n", lines.replace(' ', "\r\n"));
    let calendars = [
        vec![
            "DTSTART;TZID=America/New_York:20200101T233000 DTEND;TZID=Europe/Berlin:20200104T090000 RRULE:FREQ=WEEKLY;BYDAY=MO,TH",
        ],
        vec![
            "DTSTART;VALUE=DATE:20240229 RRULE:FREQ=YEARLY DURATION:P400D",
            "RECURRENCE-ID;VALUE=DATE:20280229 DTSTART:20260301T120000Z",
        ],
        vec![
            "DTSTART:20260101T090000 RRULE:FREQ=DAILY;COUNT=200 RDATE;VALUE=PERIOD:20260601T000000Z/P30D EXDATE:20260203T090000",
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20260301T090000 DTSTART:20260201T100000 DTEND:20260202T100000",
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20260401T090000 DTSTART:20260601T100000",
            "RECURRENCE-ID:20260402T090000 DTSTART:20261201T090000 DURATION:PT3H",
        ],
        vec!["DTSTART;TZID=Europe/Berlin:20260301T003000 RRULE:FREQ=HOURLY;INTERVAL=5 DURATION:PT45M"],
    ];
    let text = |events: &Vec<&str>| {
        [HEAD, &events.iter().map(|lines| event(lines)).collect::<String>(), "END:VCALENDAR\r\n"].concat()
    };
    let samples = SAMPLES.iter().map(|name| Calendar::parse(own(name)).expect("a sample"));
    calendars.iter().map(|events| parse(text(events))).chain(samples).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_window_shows_what_the_whole_has(start in 0..500_i64, hours in 1..2_000_i64, shift in 0..3_600_i64) {
        let from = at("20251001T000000Z") + start * 86_400 + shift;
        let window = from..from + hours * 3_600;
        let horizon = at("20280101T000000Z");
        for (number, calendar) in series().iter().enumerate() {
            let zone = Zone::utc();
            let whole = occurrences(calendar, ALWAYS.start..horizon, &zone, &budget()).unwrap();
            let expected: Vec<_> = whole.iter().filter(|o| o.overlaps(&window)).map(|o| (o.start, o.end)).collect();
            let found = occurrences(calendar, window.clone(), &zone, &budget()).unwrap();
            let found: Vec<_> = found.iter().map(|o| (o.start, o.end)).collect();
            prop_assert_eq!(&found, &expected, "series {}", number);
            let rows = index(calendar, horizon, 5_000, &budget());
            if let Some(pattern) = rows.pattern.map(parse) {
                let shown = |calendar| {
                    let found = occurrences(calendar, window.clone(), &zone, &budget()).unwrap();
                    found.iter().map(|o| (o.start, o.end, o.floating, o.busy)).collect::<Vec<_>>()
                };
                prop_assert_eq!(shown(&pattern), shown(calendar), "pattern of series {}", number);
            }
            if rows.tail.is_some_and(|tail| tail < window.end) {
                prop_assert!(rows.instances.iter().all(|row| row.starts < rows.tail.unwrap()));
                continue;
            }
            let mut rows: Vec<_> = rows.instances.iter().map(|row| (row.starts, row.ends)).collect();
            rows.retain(|(starts, ends)| *starts < window.end && *ends > window.start);
            if calendar.components().any(|c| c.is("VEVENT")) {
                rows.retain(|(starts, ends)| ends > starts);
                let lasting: Vec<_> = expected.iter().copied().filter(|(start, end)| end > start).collect();
                prop_assert_eq!(rows, lasting, "rows of series {}", number);
            } else {
                prop_assert!(rows.len() >= expected.len());
            }
        }
    }
}

/// Runs everything there is on an object; nothing may panic, and no budget may be overdrawn.
fn exercise(octets: Vec<u8>) {
    let Ok(calendar) = Calendar::parse(octets.into()) else { return };
    let zone = Zone::named("America/New_York").expect("a zone");
    let _verdict = object(&calendar, &LIMITS);
    let _text = calendar.text();
    let budget = Budget::new(50_000);
    let _rows = index(&calendar, at("20280101T000000Z"), 500, &budget);
    let window = span("20260101T000000Z", "20270101T000000Z");
    let budget = Budget::new(50_000);
    let _periods = periods(&calendar, window.clone(), &zone, &budget);
    let alarm = comp("VALARM", Some(range("20260106T100000Z", "20260107T100000Z")), vec![], vec![]);
    for name in ["VEVENT", "VTODO"] {
        let props = vec![prop("SUMMARY", has_text("o", false, vec![]))];
        let filter = asks(comp(name, None, props, vec![alarm.clone()]));
        let _passes = matches(&calendar, &filter, &zone, &Budget::new(50_000));
    }
    exercise_edits(&calendar);
    let json = jcal::write(&calendar);
    if let Err(fault) = jcal::read(json.as_bytes()) {
        panic!("{fault}\n{json}");
    }
    if let Some(xml) = xcal::write(&calendar) {
        let _read = xcal::read(xml.as_bytes());
    }
    for recurrence in [Recurrence::Expand(window.clone()), Recurrence::Limit(window)] {
        let selection = Selection { recurrence: Some(recurrence), ..Selection::default() };
        if let Ok(text) = select(&calendar, &selection, &zone, &Budget::new(50_000)) {
            // An answer may have more lines than an object.
            assert!(text.len() > 1 << 20 || Calendar::parse(text.clone().into()).is_ok(), "{text}");
        }
    }
}

/// Edits the first instance of an object in every way there is; what comes out is an object.
fn exercise_edits(calendar: &Calendar) {
    let all = edit::Sanitizer { inline: true, description: 24, summary: 16, attendees: true };
    if let Some(clean) = edit::sanitize(calendar, &all) {
        assert!(edit::sanitize(&clean, &all).is_none(), "{}", clean.text());
        assert_eq!(object(&clean, &Limits::default()).is_ok(), object(calendar, &Limits::default()).is_ok());
        assert_eq!(starts_of(&clean), starts_of(calendar), "{}", calendar.text());
    }
    let budget = Budget::new(50_000);
    if let Ok(Some(repaired)) = edit::repair(calendar, &budget) {
        assert_eq!(starts_of(&repaired.calendar), starts_of(calendar), "{}", calendar.text());
    }
    let all = calendar.components().flat_map(kalends::ical::Component::lines);
    let ids = all.filter(|line| line.is("DTSTART") || line.is("RECURRENCE-ID") || line.is("EXDATE"));
    let patch = edit::Patch::new().line("DTSTART:20270101T000000Z").and_then(|p| p.line("SUMMARY:x"));
    let patch = patch.expect("two lines");
    let revision = edit::Revision { stamp: 0, uid: "u" };
    for id in ids.filter_map(kalends::ical::Property::date).take(6) {
        for scope in [edit::Scope::All, edit::Scope::This(id.clone()), edit::Scope::Following(id)] {
            let _edited = edit::edit(calendar, &scope, &patch, &revision, &Budget::new(50_000));
            let _deleted = edit::delete(calendar, &scope, &revision, &Budget::new(50_000));
        }
    }
}

/// The first starts of an object, if they can be told.
fn starts_of(calendar: &Calendar) -> Option<Vec<i64>> {
    let window = span("20250101T000000Z", "20280101T000000Z");
    let found = occurrences(calendar, window, &Zone::utc(), &Budget::new(50_000)).ok()?;
    Some(found.iter().map(|o| o.start).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_samples_do_no_harm(
        sample in 0..SAMPLES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..6_u8), 1..12),
    ) {
        let mut octets = own(SAMPLES[sample]).to_vec();
        for (place, octet, edit) in edits {
            let at = place.index(octets.len());
            match edit {
                0 => octets[at] = octet,
                1 => octets[at] = b"0123456789"[usize::from(octet) % 10],
                2 => { octets.remove(at); }
                3 => octets.insert(at, b";:,=-+PTZ\"\\^\r\n A"[usize::from(octet) % 16]),
                4 => { let end = (at + usize::from(octet)).min(octets.len()); let copy = octets[at..end].to_vec(); octets.splice(at..at, copy); }
                _ => { let end = (at + usize::from(octet % 16)).min(octets.len()); octets.drain(at..end); }
            }
            if octets.is_empty() {
                octets.push(b'B');
            }
        }
        exercise(octets);
    }
}
