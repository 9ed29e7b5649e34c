//! Calendar objects that are none, and recurrences that never end or never begin.

use super::{CALENDAR, Case, case, pieces};

pub(crate) fn cases() -> Vec<Case> {
    [streams(), contents(), rules()].into_iter().flatten().enumerate().map(|(nth, make)| make(nth)).collect()
}

/// A case that is told its number, for each goes to a name and has a UID of its own.
type Make = Box<dyn FnOnce(usize) -> Case>;

const DATA: &str = "C:valid-calendar-data";
const RESOURCE: &str = "C:valid-calendar-object-resource";
const INSTANCES: &str = "C:max-instances";

fn put(name: &'static str, octets: impl Into<Vec<u8>>, judge: impl FnOnce(Case) -> Case + 'static) -> Make {
    let octets = octets.into();
    Box::new(move |nth| judge(case(name, &format!("PUT {CALENDAR}{nth}.ics"), octets)))
}

/// Octets that are no object, for this condition.
fn refused(name: &'static str, octets: impl Into<Vec<u8>>, condition: &'static str) -> Make {
    put(name, octets, move |case| case.refused(403, condition))
}

/// An event with these lines, its UID made of the name.
fn event(name: &str, lines: &str) -> String {
    let uid = name.replace(' ', "-");
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn started(name: &str, lines: &str) -> String {
    event(name, &format!("DTSTART:20260101T000000Z\r\n{lines}"))
}

fn streams() -> Vec<Make> {
    let nested = |depth: usize| {
        started("n", &format!("{}{}", "BEGIN:X-A\r\n".repeat(depth), "END:X-A\r\n".repeat(depth)))
    };
    vec![
        refused("nothing", "", DATA),
        refused("a page", "<html/>", DATA),
        refused("a card", "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\nEND:VCARD\r\n", DATA),
        refused("an object that is never closed", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n", DATA),
        refused(
            "components that cross",
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\nEND:VEVENT\r\n",
            DATA,
        ),
        refused("an end alone", "END:VCALENDAR\r\n", DATA),
        refused("components nested too deep", nested(40), DATA),
        refused("components nested beyond all measure", nested(40_000), DATA),
        refused("components that only open", "BEGIN:VCALENDAR\r\n".repeat(50_000), DATA),
        refused("more lines than anyone needs", started("l", &"X:1\r\n".repeat(100_001)), DATA),
        refused("NUL", started("z", "SUMMARY:a\0b"), DATA),
        refused("a control character", started("c", "SUMMARY:a\x08b"), DATA),
        refused(
            "octets that are not UTF-8",
            [started("u", "SUMMARY:").into_bytes(), b"\xff\xfe".to_vec()].concat(),
            DATA,
        ),
        refused("a line without a colon", started("w", "SUMMARY"), DATA),
        refused("a line without a name", started("w", ":x"), DATA),
        refused("a quote that never ends", started("q", "SUMMARY;X=\"a:b"), DATA),
        put(
            "a line of 900,000 octets",
            started("long line", &format!("SUMMARY:{}", "x".repeat(900_000))),
            |c| c.is(201),
        ),
        put(
            "a fold at every octet",
            started("folds", &format!("SUMMARY:{}", "\r\n x".repeat(200_000))),
            |c| c.is(201),
        ),
        put(
            "ten thousand parameters",
            started("params", &format!("X-A{}:1", ";B=\"c\"".repeat(10_000))),
            |c| c.is(201),
        ),
        put("two mebibytes", started("2m", &format!("SUMMARY:{}", "x".repeat(2 << 20))), |c| {
            c.refused(403, "C:max-resource-size")
        }),
        put("thirty mebibytes", vec![b'x'; 30 << 20], |c| c.is(413)),
    ]
}

fn contents() -> Vec<Make> {
    let attendees = pieces(101, |n| format!("ATTENDEE:mailto:{n}@x\r\n"));
    let two = started("one", "").replace("END:VCALENDAR\r\n", "")
        + &started("two", "").replace("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n", "");
    let mixed = started("one", "").replace(
        "END:VCALENDAR\r\n",
        "BEGIN:VTODO\r\nUID:one\r\nDTSTAMP:20260101T000000Z\r\nEND:VTODO\r\nEND:VCALENDAR\r\n",
    );
    let zone = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:x\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n";
    vec![
        refused("a message", started("m", "").replace("PRODID:x", "PRODID:x\r\nMETHOD:REQUEST"), RESOURCE),
        refused("two UIDs", two, RESOURCE),
        refused("two kinds", mixed, RESOURCE),
        refused("no UID", started("x", "").replace("UID:x\r\n", ""), RESOURCE),
        refused("no event", zone, RESOURCE),
        put("a task in a calendar of events", started("t", "").replace("VEVENT", "VTODO"), |c| {
            c.refused(403, "C:supported-calendar-component")
        }),
        put("a component nobody knows", started("k", "").replace("VEVENT", "VPOLL"), |c| {
            c.refused(403, "C:supported-calendar-component")
        }),
        refused("another version", started("v", "").replace("VERSION:2.0", "VERSION:1.0"), DATA),
        refused("no start", event("s", ""), DATA),
        refused("a start in words", event("s", "DTSTART:tomorrow"), DATA),
        refused("the 31st of February", event("s", "DTSTART:20260231T000000Z"), DATA),
        refused("a start in the year 12026", event("s", "DTSTART:120260101T000000Z"), DATA),
        refused("a duration in words", started("d", "DURATION:long"), DATA),
        put("a duration beyond all time", started("longest", "DURATION:P99999999999999999999W"), |c| {
            c.refused(403, DATA)
        }),
        put(
            "the last second there is",
            event("last second", "DTSTART:99991231T235959Z\r\nDURATION:P9999W\r\nRRULE:FREQ=DAILY"),
            |c| c.is(201),
        ),
        put(
            "the first day there is",
            event("first day", "DTSTART;VALUE=DATE:00010101\r\nRRULE:FREQ=YEARLY"),
            |c| c.is(201),
        ),
        put("a hundred and one attendees", started("a", &attendees), |c| {
            c.refused(403, "C:max-attendees-per-instance")
        }),
        put("a time zone nobody has", event("no zone", "DTSTART;TZID=Mars/Olympus:20260101T000000"), |c| {
            c.is(201)
        }),
    ]
}

/// A daily event of which every day is changed.
fn overridden() -> String {
    let overrides = pieces(3000, |n| {
        let day = format!("{}{:02}{:02}T000000Z", 2026 + n / 336, n / 28 % 12 + 1, n % 28 + 1);
        format!(
            "BEGIN:VEVENT\r\nUID:many\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:{day}\r\nDTSTART:{day}\r\nEND:VEVENT\r\n"
        )
    });
    started("many", "RRULE:FREQ=DAILY").replace("END:VCALENDAR\r\n", &overrides) + "END:VCALENDAR\r\n"
}

fn rules() -> Vec<Make> {
    let ruled = |rule: &str| started(rule, &format!("RRULE:{rule}"));
    let all = |n: std::ops::Range<u8>| n.map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let every = format!(
        "BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR={};BYMINUTE={};BYSECOND={}",
        all(0..24),
        all(0..60),
        all(0..60)
    );
    let taken = |rule: &'static str| put(rule, ruled(rule), |c| c.is(201));
    let dates = |name: &str, count: u32| {
        let date = |n| format!("{}T{:02}{:02}00Z", 20_260_101 + n / 1440 % 28, n / 60 % 24, n % 60);
        started("dates", &format!("{name}:{}", (0..count).map(date).collect::<Vec<_>>().join(",")))
    };
    vec![
        taken("FREQ=SECONDLY"),
        taken("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"),
        taken("FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30"),
        taken("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        taken("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300"),
        taken("FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYSETPOS=-366"),
        taken("FREQ=SECONDLY;BYYEARDAY=366;BYHOUR=23;BYMINUTE=59;BYSECOND=59"),
        put("every second of every year", ruled(&format!("FREQ=YEARLY;{every}")), |c| c.is(201)),
        put("a hundred thousand of them", ruled(&format!("FREQ=YEARLY;{every};COUNT=100000")), |c| {
            c.refused(403, INSTANCES)
        }),
        put("the last of them", ruled(&format!("FREQ=YEARLY;{every};BYSETPOS=-1")), |c| c.is(201)),
        put("too many days", ruled("FREQ=DAILY;COUNT=4000000000"), |c| c.refused(403, INSTANCES)),
        put("seconds until the end of time", ruled("FREQ=SECONDLY;UNTIL=99991231T235959Z"), |c| {
            c.refused(403, INSTANCES)
        }),
        put("too many dates", dates("RDATE", 40_000), |c| c.refused(403, INSTANCES)),
        put(
            "forty thousand exceptions",
            dates("EXDATE", 40_000).replace("EXDATE", "RRULE:FREQ=MINUTELY\r\nEXDATE"),
            |c| c.is(201),
        ),
        put("three thousand changed days", overridden(), |c| c.is(201)),
        refused("a weekday of many octets", ruled("FREQ=MONTHLY;BYDAY=1TH,9M\u{e9}O"), DATA),
        refused("a weekday of one picture", ruled("FREQ=MONTHLY;BYDAY=\u{1f4c5}"), DATA),
        refused("no frequency", ruled("COUNT=3"), DATA),
        refused("a frequency nobody knows", ruled("FREQ=FORTNIGHTLY"), DATA),
        put("two ends, of which the first counts", ruled("FREQ=DAILY;COUNT=3;UNTIL=20270101T000000Z"), |c| {
            c.is(201)
        }),
        refused("an interval of nothing", ruled("FREQ=DAILY;INTERVAL=0"), DATA),
        refused("a count of nothing", ruled("FREQ=DAILY;COUNT=0"), DATA),
        refused("a count below nothing", ruled("FREQ=DAILY;COUNT=-1"), DATA),
        refused("the 400th day", ruled("FREQ=YEARLY;BYYEARDAY=400"), DATA),
        refused("the hour 24", ruled("FREQ=DAILY;BYHOUR=24"), DATA),
        refused("a part twice", ruled("FREQ=DAILY;FREQ=WEEKLY"), DATA),
        refused("a rule of commas", ruled(&format!("FREQ=DAILY;BYHOUR={}", ",".repeat(100_000))), DATA),
        put("another calendar", ruled("RSCALE=HEBREW;FREQ=YEARLY"), |c| c.refused(403, "C:supported-rscale")),
    ]
}
