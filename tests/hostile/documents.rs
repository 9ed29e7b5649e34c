//! JSON and XML that are no calendar objects, or larger inside than they look.

use super::{CALENDAR, Case, case, pieces};

const DATA: &str = "C:valid-calendar-data";
const HEAD: &str = r#"["version",{},"text","2.0"],["prodid",{},"text","x"]"#;

pub(crate) fn cases() -> Vec<Case> {
    [json(), values(), markup(), made()].into_iter().flatten().collect()
}

fn put(name: &str, kind: &str, body: impl Into<Vec<u8>>) -> Case {
    let at = name.replace(' ', "-");
    case(name, &format!("PUT {CALENDAR}{at}.ics"), body)
        .with("Content-Type", format!("application/calendar+{kind}"))
}

/// A jCal event with these properties beside those that it needs.
fn event(name: &str, properties: &str) -> String {
    let uid = name.replace(' ', "-");
    format!(
        r#"["vcalendar",[{HEAD}],[["vevent",[["uid",{{}},"text","{uid}"],["dtstamp",{{}},"date-time","2026-01-01T00:00:00Z"],["dtstart",{{}},"date","2026-01-01"]{properties}],[]]]]"#
    )
}

fn json() -> Vec<Case> {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let components =
        |depth: usize| format!("{}[\"x\",[],[]]{}", "[\"x\",[],[".repeat(depth), "]]".repeat(depth));
    vec![
        put("no octets of JSON", "json", "").refused(403, DATA),
        put("iCalendar for JSON", "json", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n").refused(403, DATA),
        put("half of JSON", "json", r#"["vcalendar",["#).refused(403, DATA),
        put("JSON that is not UTF-8", "json", b"[\"vcalendar\xFF\",[],[]]".to_vec()).refused(403, DATA),
        put("half a surrogate", "json", r#"["vcalendar\ud800",[],[]]"#).refused(403, DATA),
        put("arrays in arrays", "json", nested(500_000)).refused(403, DATA),
        put("arrays that only open", "json", "[".repeat(1 << 20)).refused(403, DATA),
        put("components in components", "json", components(40)).refused(403, DATA),
        put("a million nothings", "json", format!("[{}0]", "0,".repeat(500_000))).refused(403, DATA),
        put("an object of a hundred thousand keys", "json", {
            format!("{{{}\"k\":0}}", pieces(90_000, |n| format!("\"{n}\":0,")))
        })
        .refused(403, DATA),
        put("two documents", "json", r#"["vcalendar",[],[]]["vcalendar",[],[]]"#).refused(403, DATA),
        put("JSON beyond the limit", "json", format!("[\"{}\"]", "x".repeat(2 << 20)))
            .refused(403, "C:max-resource-size"),
    ]
}

fn values() -> Vec<Case> {
    let with = |name: &str, property: &str| put(name, "json", event(name, &format!(",{property}")));
    let many = ",[\"x\",{},\"text\",\"\"]".repeat(45_000);
    vec![
        with("a line in a value", r#"["url",{},"uri","x\r\nEND:VEVENT\r\nBEGIN:VALARM"]"#).refused(403, DATA),
        with("a line in a name", r#"["x\r\nEND:VEVENT",{},"text","x"]"#).refused(403, DATA),
        with("a line in a parameter", r#"["x",{"x\r\nend":"y"},"text","x"]"#).refused(403, DATA),
        with("a NUL in a URI", r#"["url",{},"uri","x\u0000"]"#).refused(403, DATA),
        with("a number beyond measure", r#"["sequence",{},"integer",1e999]"#).refused(403, DATA),
        with("a number of three hundred digits", r#"["priority",{},"integer",1e300]"#).refused(403, DATA),
        with("a property without a type", r#"["summary",{}]"#).refused(403, DATA),
        with("a rule that is a number", r#"["rrule",{},"recur",3]"#).refused(403, DATA),
        put("very many properties", "json", event("very many properties", &many)).cheap(),
    ]
}

fn markup() -> Vec<Case> {
    const OPEN: &str = "<icalendar xmlns=\"urn:ietf:params:xml:ns:icalendar-2.0\"><vcalendar>";
    const CLOSE: &str = "</vcalendar></icalendar>";
    let laughs = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    let file = "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>";
    let inside =
        |text: &str| format!("{OPEN}<properties><version><text>{text}</text></version></properties>{CLOSE}");
    let deep = |depth: usize| format!("{OPEN}{}{}{CLOSE}", "<x>".repeat(depth), "</x>".repeat(depth));
    vec![
        put("no octets of XML", "xml", "").refused(403, DATA),
        put("another document", "xml", "<html/>").refused(403, DATA),
        put("half of XML", "xml", OPEN).refused(403, DATA),
        put("entities that grow", "xml", format!("{laughs}{}", inside("&b;"))).refused(403, DATA),
        put("a file of the server", "xml", format!("{file}{}", inside("&f;"))).refused(403, DATA),
        put("elements in elements", "xml", deep(100_000)).refused(403, DATA),
        put("elements beside elements", "xml", format!("{OPEN}{}{CLOSE}", "<x/>".repeat(250_000)))
            .refused(403, DATA),
        put(
            "a name that is none",
            "xml",
            format!("{OPEN}<properties><a.b><text>x</text></a.b></properties>{CLOSE}"),
        )
        .refused(403, DATA),
    ]
}

/// What is small as it is stored, and asked for in another form.
fn made() -> Vec<Case> {
    let lines = "X:\r\n".repeat(90_000);
    let dense = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:dense\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let get = |name: &str, accept: String| {
        case(name, &format!("GET {CALENDAR}dense.ics"), "").with("Accept", accept)
    };
    let export = |name: &str, query: &str| case(name, &format!("GET {CALENDAR}?export&{query}"), "");
    vec![
        case("an object of many lines", &format!("PUT {CALENDAR}dense.ics"), dense).is(201),
        get("many lines as jCal", "application/calendar+json".into()).is(200),
        get("many lines as xCal", "application/calendar+xml".into()).is(200),
        export("everything as jCal", "accept=jcal").is(200),
        export("everything as xCal", "accept=xcal").is(200),
        export("all time", "start=-62135596800&end=253402300799&expand=1").cheap(),
        export("a time beyond all", "start=9223372036854775807").is(400),
        export("half an escape", "accept=%e9%a&start=").is(400),
        export("a thousand starts", &vec!["start=1"; 1000].join("&")).is(200),
        get("a thousand ranges", vec!["text/html;q=0.001"; 1000].join(",")).is(406),
        get("ranges of nothing", ",;,/,*;q=,".into()).is(200),
    ]
}
