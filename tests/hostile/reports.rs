//! Bodies of XML that are none, or ask what cannot be asked.

use super::{CALENDAR, Case, HOME, case, pieces};

/// A query for every object and its octets.
pub(crate) const ALL_DATA: &str = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:prop>\
    <C:calendar-data/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\"/></C:filter></C:calendar-query>";

/// `xmlns` for D and C.
pub(crate) const XMLNS: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"";

pub(crate) fn cases() -> Vec<Case> {
    [entities(), documents(), bounds(), propfinds(), proppatches(), queries(), others(), syncs()]
        .into_iter()
        .flatten()
        .collect()
}

fn propfind(name: &str, body: impl Into<Vec<u8>>) -> Case {
    case(name, &format!("PROPFIND {HOME}"), body).with("Depth", "0")
}

/// A PROPFIND with this in its DAV:prop.
fn prop(name: &str, inside: &str) -> Case {
    propfind(name, format!("<D:propfind {XMLNS}><D:prop>{inside}</D:prop></D:propfind>"))
}

fn entities() -> Vec<Case> {
    let laughs = pieces(9, |n| format!("<!ENTITY l{} \"{}\">", n + 1, format!("&l{n};").repeat(10)));
    let doctype = |inside: &str, text: &str| {
        format!(
            "<!DOCTYPE x [{inside}]><D:propfind xmlns:D=\"DAV:\"><D:prop><D:x>{text}</D:x></D:prop></D:propfind>"
        )
    };
    vec![
        propfind("a billion laughs", doctype(&format!("<!ENTITY l0 \"ha\">{laughs}"), "&l9;")).is(400),
        propfind("a file of the server", doctype("<!ENTITY f SYSTEM \"file:///etc/passwd\">", "&f;")).is(400),
        propfind(
            "a file of another server",
            doctype("<!ENTITY % p SYSTEM \"http://192.0.2.1/x.dtd\"> %p;", ""),
        )
        .is(400),
        propfind("an outer DTD", "<!DOCTYPE x SYSTEM \"http://192.0.2.1/\"><x/>").is(400),
        prop("an entity of HTML", "<D:x>&nbsp;</D:x>").is(400),
    ]
}

fn documents() -> Vec<Case> {
    let utf16: Vec<u8> = "\u{feff}<D:propfind xmlns:D=\"DAV:\"><D:allprop/></D:propfind>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    vec![
        propfind("UTF-16 that ends within a unit", utf16[..utf16.len() - 1].to_vec()).is(400),
        propfind("UTF-16 without its mark", utf16[2..].to_vec()).is(400),
        propfind(
            "Latin-1 octets",
            b"<D:propfind xmlns:D=\"DAV:\"><D:prop><D:x>\xe9</D:x></D:prop></D:propfind>".to_vec(),
        )
        .is(400),
        propfind("Latin-1 by its word", "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><x/>").is(400),
        prop("NUL", "\0").is(400),
        prop("a reference to NUL", "&#0;").is(400),
        prop("half a surrogate", "&#xD800;").is(400),
        prop("a number without end", &format!("&#{};", "9".repeat(100_000))).is(400),
        propfind("no XML", "{\"propfind\": {}}").is(400),
        propfind("half of a body", "<D:propfind xmlns:D=\"DAV:\"><D:prop>").is(400),
        propfind("two roots", "<a/><b/>").is(400),
        propfind("tags that cross", "<a><b></a></b>").is(400),
        prop("an attribute twice", "<D:x a=\"1\" a=\"2\"/>").is(400),
        prop("an attribute twice by two prefixes", "<D:x xmlns:E=\"DAV:\" D:a=\"1\" E:a=\"2\"/>").is(400),
        prop("a prefix of nobody", "<Z:x/>").is(400),
        prop("a prefix for nothing", "<Z:x xmlns:Z=\"\"/>").is(400),
        prop("the prefix xml for another", "<D:x xmlns:xml=\"urn:x\"/>").is(400),
        prop("a name of two colons", "<D:a:b/>").is(400),
        prop("]]> in text", "<D:x>]]></D:x>").is(400),
        prop("a long name", &format!("<D:{}/>", "x".repeat(100_000))).is(207),
        prop("a comment in a comment", "<!-- a -- b -->").is(400),
        propfind("white space alone", " \r\n\t ").is(207),
    ]
}

/// Depths and numbers beyond what is read.
fn bounds() -> Vec<Case> {
    let nested = |depth: usize| format!("{}{}", "<D:x>".repeat(depth), "</D:x>".repeat(depth));
    vec![
        prop("nested too deep", &nested(70)).is(400),
        prop("nested beyond all measure", &nested(100_000)).is(400),
        prop("opened and never closed", &"<D:x>".repeat(100_000)).is(400),
        prop("more elements than anyone needs", &"<D:x/>".repeat(200_001)).is(400),
        prop("a thousand attributes", &format!("<D:x{}/>", pieces(1000, |n| format!(" a{n}=\"\"")))).is(400),
        prop("a thousand namespaces", &format!("<D:x{}/>", pieces(1000, |n| format!(" xmlns:a{n}=\"u\""))))
            .is(400),
    ]
}

fn propfinds() -> Vec<Case> {
    vec![
        propfind("another root", "<D:propertyupdate xmlns:D=\"DAV:\"/>").is(400),
        propfind("the right root in the wrong namespace", "<propfind xmlns=\"urn:x\"><prop/></propfind>")
            .is(400),
        propfind("two wishes at once", "<D:propfind xmlns:D=\"DAV:\"><D:allprop/><D:propname/></D:propfind>")
            .is(400),
        propfind("no wish at all", "<D:propfind xmlns:D=\"DAV:\"/>").is(400),
        prop("no property", "").is(207),
        prop("a property a thousand times", &"<D:displayname/>".repeat(1000)).is(207),
    ]
}

fn proppatches() -> Vec<Case> {
    let patch = |name: &str, inside: &str| {
        case(
            name,
            &format!("PROPPATCH {CALENDAR}"),
            format!("<D:propertyupdate {XMLNS}>{inside}</D:propertyupdate>"),
        )
    };
    let set = |inside: &str| format!("<D:set><D:prop>{inside}</D:prop></D:set>");
    let many = |from: usize| pieces(600, |n| format!("<x{} xmlns=\"urn:x\"/>", from + n));
    let long = |name: &str, octets| format!("<{name} xmlns=\"urn:y\">{}</{name}>", "x".repeat(octets));
    vec![
        case("PROPPATCH without a body", &format!("PROPPATCH {CALENDAR}"), "").is(400),
        patch("PROPPATCH of nothing", "").is(207),
        patch("a long property", &set(&long("a", 700_000))).is(207),
        patch("a second long property", &set(&long("b", 700_000))).refused(507, "D:quota-not-exceeded"),
        patch("the first one, gone", "<D:remove><D:prop><a xmlns=\"urn:y\"/></D:prop></D:remove>").is(207),
        patch("many properties", &set(&many(0))).is(207),
        patch("as many again", &set(&many(600))).refused(507, "D:quota-not-exceeded"),
        patch("a body beyond all properties", &set(&long("c", 5 << 20))).is(413),
        patch(
            "a time zone without end",
            &set(&format!("<C:calendar-timezone>{}</C:calendar-timezone>", "BEGIN:X\n".repeat(9999))),
        )
        .is(207),
    ]
}

fn query(name: &str, inside: &str) -> Case {
    case(
        name,
        &format!("REPORT {CALENDAR}"),
        format!("<C:calendar-query {XMLNS}>{inside}</C:calendar-query>"),
    )
    .with("Depth", "1")
}

fn filter(name: &str, inside: &str) -> Case {
    query(
        name,
        &format!(
            "<D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">{inside}</C:comp-filter></C:filter>"
        ),
    )
}

fn events(name: &str, inside: &str) -> Case {
    filter(name, &format!("<C:comp-filter name=\"VEVENT\">{inside}</C:comp-filter>"))
}

fn queries() -> Vec<Case> {
    let range = |name: &str, attributes: &str| events(name, &format!("<C:time-range {attributes}/>"));
    let deep = format!("{}{}", "<C:comp-filter name=\"X-A\">".repeat(50), "</C:comp-filter>".repeat(50));
    let text = |name: &str, attributes: &str| {
        events(
            name,
            &format!(
                "<C:prop-filter name=\"SUMMARY\"><C:text-match {attributes}>x</C:text-match></C:prop-filter>"
            ),
        )
    };
    vec![
        query("no filter", "<D:prop/>").refused(403, "C:valid-filter"),
        query("an empty filter", "<C:filter/>").refused(403, "C:valid-filter"),
        query("a filter of events alone", "<C:filter><C:comp-filter name=\"VEVENT\"/></C:filter>").refused(403, "C:valid-filter"),
        filter("a filter without a name", "<C:comp-filter/>").refused(403, "C:valid-filter"),
        events("an event in an event", "<C:comp-filter name=\"VEVENT\"/>").refused(403, "C:valid-filter"),
        filter("filters in filters in filters", &deep).is(207),
        range("a range of nothing", "").refused(403, "C:valid-filter"),
        range("a range that ends before it begins", "start=\"20260102T000000Z\" end=\"20260101T000000Z\"")
            .refused(403, "C:valid-filter"),
        range("a range in words", "start=\"tomorrow\"").refused(403, "C:valid-filter"),
        range("a range of local time", "start=\"20260101T000000\"").refused(403, "C:valid-filter"),
        range("a range of the 45th of May", "start=\"20260545T000000Z\"").refused(403, "C:valid-filter"),
        range("all time", "start=\"00010101T000000Z\" end=\"99991231T235959Z\"").is(207),
        text("a collation nobody knows", "collation=\"i;klingon\"").refused(403, "C:supported-collation"),
        text("a match nobody knows", "match-type=\"sounds-like\"").refused(403, "C:valid-filter"),
        query("a data type nobody has", "<D:prop><C:calendar-data content-type=\"text/html\"/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\"/></C:filter>")
            .refused(403, "C:supported-calendar-data"),
        query("a time zone nobody knows", "<C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"><C:time-range start=\"20260101T000000Z\"/></C:comp-filter></C:comp-filter></C:filter><C:timezone-id>Mars/Olympus</C:timezone-id>")
            .refused(403, "C:valid-timezone"),
    ]
}

fn report(name: &str, body: &str) -> Case {
    case(name, &format!("REPORT {CALENDAR}"), body.to_owned())
}

fn others() -> Vec<Case> {
    let multiget = |name: &str, hrefs: &str| {
        report(
            name,
            &format!(
                "<C:calendar-multiget {XMLNS}><D:prop><D:getetag/></D:prop>{hrefs}</C:calendar-multiget>"
            ),
        )
    };
    let expand = |name: &str, inside: &str| {
        report(name, &format!("<D:expand-property {XMLNS}>{inside}</D:expand-property>"))
    };
    let deep = format!("{}{}", "<D:property name=\"owner\">".repeat(9), "</D:property>".repeat(9));
    let nonsense = [
        "",
        "..",
        "/etc/passwd",
        "http://evil.example",
        "::",
        "%zz",
        "/dav/calendars/bob/calendar/a.ics",
        "&#9;",
    ];
    let nonsense: String = nonsense.map(|href| format!("<D:href>{href}</D:href>")).concat();
    let hrefs = |count| pieces(count, |n| format!("<D:href>{CALENDAR}{n}.ics</D:href>"));
    vec![
        report("REPORT without a body", "").is(400),
        report("a report nobody knows", "<D:x xmlns:D=\"DAV:\"/>").refused(403, "D:supported-report"),
        multiget("hrefs of nonsense", &nonsense).is(207),
        multiget("one href too many", &hrefs(5001)).refused(403, "D:number-of-matches-within-limits"),
        multiget("as many hrefs as may be", &hrefs(5000)).is(207),
        expand("properties behind properties without end", &deep).is(400),
        expand("a property without a name", "<D:property/>").is(400),
        expand("a property whose name is XML", "<D:property name=\"x/>&lt;evil\"/>").is(400),
        expand("a namespace that is XML", "<D:property name=\"x\" namespace=\"&quot;>&lt;evil\"/>").is(207),
        report("free-busy time of no time", &format!("<C:free-busy-query {XMLNS}/>")).is(400),
        case("MKCALENDAR with another body", &format!("MKCALENDAR {HOME}m/"), "<x/>").is(400),
        case("MKCOL without a body", &format!("MKCOL {HOME}m/"), "").refused(403, "D:valid-resourcetype"),
    ]
}

fn syncs() -> Vec<Case> {
    let sync = |name: &str, inside: &str| {
        report(
            name,
            &format!(
                "<D:sync-collection {XMLNS}>{inside}<D:sync-level>1</D:sync-level><D:prop/></D:sync-collection>"
            ),
        )
    };
    let limit = |n: &str| {
        sync(
            &format!("a limit of {n}"),
            &format!("<D:sync-token/><D:limit><D:nresults>{n}</D:nresults></D:limit>"),
        )
    };
    vec![
        sync("a token of another server", "<D:sync-token>http://example.com/1</D:sync-token>")
            .refused(403, "D:valid-sync-token"),
        sync(
            "a token of the future",
            "<D:sync-token>urn:kalends:sync:00000000000000000000000000000000:9</D:sync-token>",
        )
        .refused(403, "D:valid-sync-token"),
        sync("a long token", &format!("<D:sync-token>{}</D:sync-token>", "9".repeat(100_000)))
            .refused(403, "D:valid-sync-token"),
        limit("0").is(400),
        limit("-1").is(400),
        limit("many").is(400),
        limit("99999999999999999999").is(400),
    ]
}
