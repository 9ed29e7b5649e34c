//! Requests that are wrong in their outer form: the message, its headers, its path.

use super::{CALENDAR, Case, HOME, case, raw};
use crate::server::event;

pub(crate) fn cases() -> Vec<Case> {
    [messages(), identities(), headers(), paths()].into_iter().flatten().collect()
}

fn message(name: &str, line: &str, headers: &str) -> Case {
    raw(name, format!("{line}\r\nHost: x\r\nX-Forwarded-User: alice\r\n{headers}\r\n"))
}

fn messages() -> Vec<Case> {
    vec![
        raw("no HTTP at all", "GARBAGE\r\n\r\n").is(400),
        raw("TLS to a port without", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec())
            .is(400),
        raw("no Host", "OPTIONS /dav/ HTTP/1.1\r\nX-Forwarded-User: alice\r\n\r\n").is(400),
        message("two Hosts", "OPTIONS /dav/ HTTP/1.1", "Host: y\r\n").is(400),
        message("a header without a colon", "OPTIONS /dav/ HTTP/1.1", "Depth 0\r\n").is(400),
        message("a header with a space in its name", "OPTIONS /dav/ HTTP/1.1", "De pth: 0\r\n").is(400),
        message("NUL in a header", "OPTIONS /dav/ HTTP/1.1", "Depth: \0\r\n").is(400),
        message("two lengths", "PROPFIND /dav/ HTTP/1.1", "Content-Length: 1\r\nContent-Length: 2\r\n")
            .is(400),
        message("a negative length", "PROPFIND /dav/ HTTP/1.1", "Content-Length: -1\r\n").is(400),
        message("a length in words", "PROPFIND /dav/ HTTP/1.1", "Content-Length: ten\r\n").is(400),
        message("a coding that is none", "PROPFIND /dav/ HTTP/1.1", "Transfer-Encoding: zip\r\n").is(400),
        message(
            "a chunk that is none",
            "PROPFIND /dav/ HTTP/1.1",
            "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        )
        .is(400),
        message("a body beyond all limits", "PROPFIND /dav/ HTTP/1.1", "Content-Length: 99999999\r\n")
            .is(413),
        message("many headers", "OPTIONS /dav/ HTTP/1.1", &"X: y\r\n".repeat(200)).is(431),
        message("a long header", "OPTIONS /dav/ HTTP/1.1", &format!("X: {}\r\n", "y".repeat(64 << 10)))
            .is(431),
        message("a long path", &format!("OPTIONS /dav/{} HTTP/1.1", "y".repeat(60 << 10)), "").is(431),
        message("a method nobody knows", "BREW /dav/ HTTP/1.1", "").is(405),
        message("TRACE", "TRACE /dav/ HTTP/1.1", "").is(405),
        message("CONNECT", "CONNECT evil.example:25 HTTP/1.1", "").is(400),
        message("a whole URL", "OPTIONS http://evil.example/dav/ HTTP/1.1", "").is(200),
        message("the server itself", "OPTIONS * HTTP/1.1", "").is(200),
        message("something on the server itself", "PROPFIND * HTTP/1.1", "Depth: 0\r\n").is(400),
    ]
}

fn identities() -> Vec<Case> {
    let of = |name: &str, lines: &str| {
        raw(name, format!("PROPFIND /dav/ HTTP/1.1\r\nHost: x\r\nDepth: 0\r\n{lines}\r\n"))
    };
    vec![
        of("nobody", "").is(401),
        of("an empty name", "X-Forwarded-User: \r\n").is(401),
        of("two names", "X-Forwarded-User: alice\r\nX-Forwarded-User: root\r\n").is(403),
        of("a look-alike", "X-Forwarded-User: alice\r\nX_Forwarded_User: root\r\n").is(403),
        of("a path for a name", "X-Forwarded-User: ../admin\r\n").is(403),
        of("a name that runs backwards", "X-Forwarded-User: al\u{202e}ice\r\n").is(403),
        of("a name of two", "X-Forwarded-User: alice,bob\r\n").is(403),
        of("a long name", &format!("X-Forwarded-User: {}\r\n", "a".repeat(300))).is(403),
    ]
}

fn headers() -> Vec<Case> {
    let depth =
        |value: &str| case(&format!("Depth: {value}"), &format!("PROPFIND {HOME}"), "").with("Depth", value);
    let put = |name: &str| case(name, &format!("PUT {CALENDAR}h.ics"), event("h", "x"));
    vec![
        depth("2").is(400),
        depth("-1").is(400),
        depth("0, 1").is(400),
        depth("one").is(400),
        depth("\u{e9}").is(400),
        depth("0").with("Depth", "1").is(400),
        depth("infinity").refused(403, "D:propfind-finite-depth"),
        case("no Depth", &format!("PROPFIND {HOME}"), "").refused(403, "D:propfind-finite-depth"),
        put("a tag that is never closed").with("If-Match", "\"x").is(400),
        put("a star among tags").with("If-Match", "*, \"x\"").is(400),
        put("a weak nothing").with("If-None-Match", "W/").is(400),
        put("a tag of what is not there").with("If-Match", "\"x\"").is(412),
        put("any of what is not there").with("If-Match", "*").is(412),
        put("a thousand tags").with("If-Match", vec!["\"x\""; 1000].join(", ")).is(412),
        put("a part of an object").with("Content-Range", "bytes 0-1/2").is(400),
        put("a page for an object")
            .with("Content-Type", "text/html")
            .refused(403, "C:supported-calendar-data"),
        put("no type at all").with("Content-Type", "///;;=").refused(403, "C:supported-calendar-data"),
        put("dates that are none").with("If-Unmodified-Since", "yesterday").is(201),
        case("MOVE to nonsense", &format!("MOVE {CALENDAR}h.ics"), "")
            .with("Destination", "::://%zz")
            .is(400),
        case("COPY to elsewhere", &format!("COPY {CALENDAR}h.ics"), "")
            .with("Destination", "http://evil.example/")
            .is(502),
        case("preferences without end", &format!("PROPFIND {HOME}"), "")
            .with("Depth", "0")
            .with("Prefer", "return=minimal,".repeat(1500))
            .is(207),
    ]
}

fn paths() -> Vec<Case> {
    let at = |path: &str, status| {
        case(&format!("the path {}", &path[..path.len().min(60)]), &format!("PROPFIND {path}"), "")
            .with("Depth", "0")
            .is(status)
    };
    let put = |path: &str| {
        case(&format!("PUT of {}", &path[..path.len().min(60)]), &format!("PUT {path}"), event("p", "x"))
    };
    vec![
        at("/dav/calendars/alice/../bob/", 400),
        at("/dav/calendars/alice/%2e%2e/bob/", 400),
        at("/dav/calendars/alice/%2E/", 400),
        at("/dav/calendars%2Falice/", 400),
        at("/dav/calendars/a%5Cb/", 400),
        at("/dav/calendars/alice/%00/", 400),
        at("/dav/calendars/alice/%0d%0aX:%20y/", 400),
        at("/dav/calendars/alice/%ff/", 400),
        at("/dav/calendars/alice/%c0%af/", 400),
        at("/dav/calendars/alice/%ed%a0%80/", 400),
        at("/dav/calendars/alice/%zz/", 400),
        at("/dav/calendars/alice/%2/", 400),
        at("/dav/calendars/alice/%", 400),
        at("/dav/calendars/\u{e9}/", 400),
        at("//dav/", 400),
        at("/dav//calendars/alice/", 400),
        at(&format!("/dav/calendars/alice/{}/", "n".repeat(300)), 400),
        at(&format!("/dav/{}", "a/".repeat(1000)), 404),
        at("/etc/passwd", 400),
        at("/dav/calendars/nobody/", 404),
        at("/dav/principals/nobody/", 404),
        at("/dav/calendars/alice/nothing/", 404),
        at("/dav/calendars/alice/calendar/nothing.ics", 404),
        at("/dav/?a=%00", 207),
        put("/dav/calendars/alice/nothing/p.ics").is(409),
        put("/dav/calendars/alice/calendar/").is(405),
        put("/dav/calendars/alice/inbox/p.ics").refused(403, "D:need-privileges"),
        put("/dav/calendars/nobody/calendar/p.ics").is(404),
        put("/dav/calendars/alice/calendar/a/b.ics").is(404),
        case("MKCALENDAR of a long name", &format!("MKCALENDAR {HOME}{}/", "n".repeat(300)), "").is(400),
        case("MKCALENDAR of what is there", &format!("MKCALENDAR {CALENDAR}"), "")
            .refused(405, "D:resource-must-be-null"),
        case("MKCALENDAR in a calendar", &format!("MKCALENDAR {CALENDAR}in/"), "")
            .refused(403, "C:calendar-collection-location-ok"),
        case("DELETE of an inbox", &format!("DELETE {HOME}inbox/"), "").is(405),
        case("DELETE of a home", &format!("DELETE {HOME}"), "").is(405),
    ]
}
