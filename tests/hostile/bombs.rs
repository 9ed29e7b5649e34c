//! Requests whose answer, or the way to it, is much larger than they are.

use super::reports::{ALL_DATA, XMLNS};
use super::{CALENDAR, Case, HOME, case, pieces};
use crate::server::event;

pub(crate) fn cases() -> Vec<Case> {
    [names(), recurrences(), masses()].into_iter().flatten().collect()
}

fn propfind(name: &str, declared: &str, inside: &str) -> Case {
    let body = format!("<D:propfind {XMLNS} {declared}><D:prop>{inside}</D:prop></D:propfind>");
    case(name, &format!("PROPFIND {HOME}"), body).with("Depth", "1")
}

fn proppatch(name: &str, declared: &str, inside: &str) -> Case {
    let body = format!(
        "<D:propertyupdate {XMLNS} {declared}><D:set><D:prop>{inside}</D:prop></D:set></D:propertyupdate>"
    );
    case(name, &format!("PROPPATCH {CALENDAR}"), body)
}

/// Names that are long, or many.
fn names() -> Vec<Case> {
    let long = format!("xmlns:L=\"urn:{}\"", "l".repeat(256 << 10));
    let many = |prefix: &str, count: usize| pieces(count, |n| format!("<{prefix}:p{n}/>"));
    let filters = pieces(30_000, |n| format!("<C:prop-filter name=\"X-{n}\"/>"));
    let filters = format!(
        "<C:calendar-query {XMLNS}><C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">{filters}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
    );
    vec![
        propfind("a long namespace of a thousand names", &long, &many("L", 1000)).cheap(),
        proppatch("a long namespace of a thousand properties", &long, &many("L", 1000)).cheap(),
        case(
            "a long namespace outside of properties",
            &format!("REPORT {CALENDAR}"),
            format!("<D:expand-property {XMLNS} {long}>{}</D:expand-property>", many("L", 20_000)),
        )
        .cheap(),
        propfind("a thousand names a collection", "", &many("D", 1000)).cheap(),
        propfind("a hundred thousand names", "", &many("D", 100_000)).cheap(),
        proppatch("a hundred thousand properties", "", &many("D", 100_000)).cheap(),
        propfind("an attribute of ten mebibytes", &format!("x=\"{}\"", "x".repeat(10 << 20)), "").cheap(),
        propfind("text of ten mebibytes", "", &"x".repeat(10 << 20)).cheap(),
        case("a query of thirty thousand filters", &format!("REPORT {CALENDAR}"), filters).cheap(),
    ]
}

const AGES: &str = "start=\"00010101T000000Z\" end=\"99991231T235959Z\"";
const DAY: &str = "start=\"20260301T000000Z\" end=\"20260302T000000Z\"";
const YEARS: &str = "start=\"20260101T000000Z\" end=\"20300101T000000Z\"";

/// What recurs for ever, looked at for ever.
fn recurrences() -> Vec<Case> {
    let put = |name: &str, lines: &str| {
        let body = event(name, "x").replace("END:VEVENT", &format!("{lines}\r\nEND:VEVENT"));
        case(&format!("storing {name}"), &format!("PUT {CALENDAR}{name}.ics"), body).is(201)
    };
    let query = |name: &str, data: &str, filter: &str| {
        let body = format!(
            "<C:calendar-query {XMLNS}><D:prop>{data}</D:prop><C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">{filter}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        case(name, &format!("REPORT {CALENDAR}"), body).with("Depth", "1")
    };
    let gone =
        |name: &str| case(&format!("removing {name}"), &format!("DELETE {CALENDAR}{name}.ics"), "").is(204);
    let day = &format!("<C:time-range {DAY}/>");
    let expand = |range: &str| format!("<C:calendar-data><C:expand {range}/></C:calendar-data>");
    let never = "<C:time-range start=\"21000101T000000Z\" end=\"21000102T000000Z\"/>";
    let free = format!("<C:free-busy-query {XMLNS}><C:time-range {AGES}/></C:free-busy-query>");
    vec![
        put("secondly", "RRULE:FREQ=SECONDLY"),
        query("every second of ten thousand years", &expand(AGES), &format!("<C:time-range {AGES}/>")).refused(403, "C:max-instances"),
        query("every second of ten thousand years, but for the filter", &expand(AGES), "").refused(403, "C:max-instances"),
        case("free-busy time of ten thousand years", &format!("REPORT {CALENDAR}"), free).refused(403, "C:max-instances"),
        gone("secondly"),
        put("never", "RRULE:FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30"),
        query("a second that never comes", "<D:getetag/>", never).is(207),
        gone("never"),
        case("storing mad", &format!("PUT {CALENDAR}mad.ics"), restless()).is(201),
        query("a day with a time zone that changes every second", "<D:getetag/>", day).is(207),
        query("the same, expanded", &expand(DAY), day).is(207),
        gone("mad"),
        put("heavy", &format!("RRULE:FREQ=DAILY\r\nDESCRIPTION:{}", "x".repeat(900_000))),
        query("a heavy event, day by day", &expand(YEARS), "").refused(403, "C:max-instances"),
        gone("heavy"),
        put("alarms", &format!("RRULE:FREQ=DAILY\r\n{}", "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-P1D\r\nREPEAT:99999999\r\nDURATION:PT1S\r\nEND:VALARM\r\n".repeat(1000))),
        query("alarms without end", "<D:getetag/>", &format!("<C:comp-filter name=\"VALARM\"><C:time-range {YEARS}/></C:comp-filter>")).is(207),
        gone("alarms"),
    ]
}

/// A calendar that is larger than what a request may take.
fn masses() -> Vec<Case> {
    let body = |nth: usize| event(&format!("mass-{nth}"), &"x".repeat(1_000_000));
    let store = |nth| {
        case(&format!("storing mass {nth}"), &format!("PUT {CALENDAR}mass-{nth}.ics"), body(nth)).is(201)
    };
    let mut cases: Vec<Case> = (0..80).map(store).collect();
    cases.push(case("every mass by a query", &format!("REPORT {CALENDAR}"), ALL_DATA).is(207));
    cases.push(case("every mass as one stream", &format!("GET {CALENDAR}"), "").is(200));
    cases
}

/// An event in a time zone whose clock changes every second.
fn restless() -> String {
    let zone = "BEGIN:VTIMEZONE\r\nTZID:Mad\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n\
        TZOFFSETTO:+0200\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT";
    let zoned = event("mad", "x").replace("BEGIN:VEVENT", zone);
    zoned.replace("DTSTART:20260301T090000Z", "DTSTART;TZID=Mad:20260301T090000\r\nRRULE:FREQ=DAILY")
}
