//! Streams and lists of orders that are sent to a calendar by POST, and cost more than they look.

use super::{CALENDAR, Case, case, pieces};

const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n";

pub(crate) fn cases() -> Vec<Case> {
    [streams(), orders()].into_iter().flatten().collect()
}

fn stream(name: &str, content: &str) -> Case {
    let octets = format!("{HEAD}{content}END:VCALENDAR\r\n");
    case(name, &format!("POST {CALENDAR}"), octets).with("Content-Type", "text/calendar")
}

fn events(count: usize, batch: &str, lines: &str) -> String {
    pieces(count, |n| {
        format!("BEGIN:VEVENT\r\nUID:{batch}-{n}\r\nDTSTAMP:20260101T000000Z\r\n{lines}\r\nEND:VEVENT\r\n")
    })
}

fn streams() -> Vec<Case> {
    let zone = |octets| {
        format!(
            "BEGIN:VTIMEZONE\r\nTZID:x\r\nX-LONG:{}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
            "x".repeat(octets)
        )
    };
    let zoned = "DTSTART;TZID=x:20260101T000000";
    let rule = |rule| format!("DTSTART;TZID=Europe/Paris:20260101T090000\r\nRRULE:{rule}");
    vec![
        stream("five hundred rules that never hold", &events(500, "never", &rule("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30")))
            .is(207),
        stream("five hundred rules that always hold", &events(500, "always", &rule("FREQ=SECONDLY"))).is(207),
        stream("one object more than are taken", &events(501, "more", "DTSTART:20260101T000000Z")).is(413),
        stream("components without UID beyond all measure", &"BEGIN:VEVENT\r\nEND:VEVENT\r\n".repeat(40_000)).is(413),
        stream("a zone that all objects have", &(zone(400_000) + &events(45, "zone", zoned))).is(207),
        stream("a zone that too many objects have", &(zone(400_000) + &events(55, "zones", zoned))).is(413),
        stream("a head that all objects have", &("VERSION:2.0\r\n".repeat(90_000) + &events(500, "head", zoned)))
            .is(413),
        stream("a head that none has", &("X-HEAD:2.0\r\n".repeat(90_000) + &events(500, "none", zoned))).cheap(),
        stream("ten mebibytes of one object", &events(1, "ten", &format!("DTSTART:20260101T000000Z\r\nSUMMARY:{}", "x".repeat(10_000_000))))
            .is(207),
        stream("an object of ten thousand exceptions", &pieces(10_000, |n| {
            format!("BEGIN:VEVENT\r\nUID:one\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:20260101T{n:06}Z\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\n")
        }))
        .cheap(),
    ]
}

fn batch(name: &str, content: &str) -> Case {
    let root = "MM:multiput xmlns:MM=\"http://me.com/_namespace/\" xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"";
    let body = format!("<{root}>{content}</MM:multiput>");
    case(name, &format!("POST {CALENDAR}"), body).with("Content-Type", "application/xml")
}

fn data(octets: &str) -> String {
    format!(
        "<MM:resource><D:set><D:prop><C:calendar-data>{octets}</C:calendar-data></D:prop></D:set></MM:resource>"
    )
}

fn orders() -> Vec<Case> {
    let event = |n: usize| {
        format!("{HEAD}{}END:VCALENDAR\r\n", events(1, &format!("order-{n}"), "DTSTART:20260101T000000Z"))
    };
    let delete =
        |n: usize| format!("<MM:resource><D:href>{CALENDAR}no-{n}.ics</D:href><MM:delete/></MM:resource>");
    let names = pieces(40_000, |n| format!("<p{n} xmlns=\"x\"/>"));
    vec![
        batch("five hundred orders", &pieces(500, |n| data(&event(n)))).is(207),
        batch("five hundred orders for what is not there", &pieces(500, delete)).is(207),
        batch("orders beyond all measure", &pieces(10_000, delete)).is(413),
        batch("an order of ten mebibytes", &data(&"x".repeat(10_000_000))).is(207),
        batch("an order of nothing but references", &data(&"&amp;".repeat(2_000_000))).is(207),
        batch(
            "an order of forty thousand properties",
            &format!("<MM:resource><D:set><D:prop>{names}</D:prop></D:set></MM:resource>"),
        )
        .is(207),
        batch(
            "a path of a mebibyte",
            &format!("<MM:resource><D:href>/{}</D:href><MM:delete/></MM:resource>", "x/".repeat(1 << 19)),
        )
        .is(207),
        batch(
            "a tag that no header can carry",
            &delete(1).replace(
                "<MM:delete/>",
                "<MM:if-match><D:getetag>\"é\n\"</D:getetag></MM:if-match><MM:delete/>",
            ),
        )
        .is(207),
        batch(
            "resources in resources",
            &format!("{}{}", "<MM:resource>".repeat(60), "</MM:resource>".repeat(60)),
        )
        .is(207),
    ]
}
