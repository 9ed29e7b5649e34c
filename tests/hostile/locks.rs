//! Locks, tokens and If headers that are none, or are too much of what they are.

use super::{CALENDAR, Case, case, pieces};

const SCOPE: &str = "<D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>";

pub(crate) fn cases() -> Vec<Case> {
    [wishes(), headers(), tokens()].into_iter().flatten().collect()
}

/// A LOCK of a name that nothing else has.
fn lock(name: &str, body: impl Into<Vec<u8>>) -> Case {
    case(name, &format!("LOCK {CALENDAR}{}.ics", name.replace(' ', "-")), body)
}

fn info(owner: &str) -> String {
    format!("<D:lockinfo xmlns:D=\"DAV:\">{SCOPE}{owner}</D:lockinfo>")
}

fn wishes() -> Vec<Case> {
    let nested = format!("<D:owner>{}{}</D:owner>", "<a>".repeat(50), "</a>".repeat(50));
    let deep = format!("<D:owner>{}{}</D:owner>", "<a>".repeat(500), "</a>".repeat(500));
    let names = format!("<D:owner{}/>", pieces(45, |n| format!(" xmlns:n{n}=\"urn:{n}\"")));
    let entity = "<!DOCTYPE x [<!ENTITY a \"b\">]><D:lockinfo xmlns:D=\"DAV:\">&a;</D:lockinfo>";
    vec![
        lock("no XML", "\u{1}").is(400),
        lock("nothing to lock with", "<x/>").is(400),
        lock("an entity of its own", entity).is(400),
        lock("an owner beyond measure", info(&format!("<D:owner>{}</D:owner>", "x".repeat(1 << 20)))).is(413),
        lock("owners in owners", info(&nested)).is(201),
        lock("owners in owners without end", info(&deep)).is(400),
        lock("an owner of many names", info(&names)).is(201),
        lock("scopes without end", info(&SCOPE.repeat(10_000))).is(400),
        lock("many owners", info(&"<D:owner>x</D:owner>".repeat(20_000))).is(201),
        lock("a depth that is none", info("")).with("Depth", "-1").is(400),
        lock("a time beyond time", info(""))
            .with("Timeout", format!("Second-{}", "9".repeat(20_000)))
            .is(201),
        lock("times without end", info("")).with("Timeout", "Extend,".repeat(4000)).is(201),
        lock("a time that is none", info("")).with("Timeout", "Second--1, Second-0x7").is(201),
    ]
}

fn headers() -> Vec<Case> {
    let put = |name: &str, header: String| {
        case(name, &format!("PUT {CALENDAR}if.ics"), crate::server::event("if", "x")).with("If", header)
    };
    vec![
        put("lists that only open", "(".repeat(20_000)).is(400),
        put("tokens without end", format!("({})", "<x:y>".repeat(5000))).is(412),
        put("lists without end", "(<x:y>)".repeat(4000)).is(412),
        put("nots without end", format!("({} <x:y>)", "Not ".repeat(5000))).is(400),
        put("one resource many times", format!("<{CALENDAR}if.ics> (<x:y>) ").repeat(400)).is(412),
        put("many resources", pieces(400, |n| format!("<{CALENDAR}{n}.ics> (<x:y>) "))).is(400),
        put("many servers", pieces(400, |n| format!("<http://{n}.example.com/> (<x:y>) "))).is(412),
        put("a resource that is none", "<::%zz> (Not <x:y>)".to_owned()).is(201),
        put("a tag of quotes", "([\"\"\"])".to_owned()).is(412),
        put("a line in a token", "(<x:\u{7f}>)".to_owned()).is(400),
    ]
}

fn tokens() -> Vec<Case> {
    let unlock = |name: &str, header: String| {
        case(name, &format!("UNLOCK {CALENDAR}if.ics"), "").with("Lock-Token", header)
    };
    let matches = "D:lock-token-matches-request-uri";
    vec![
        unlock("a token of many letters", format!("<{}>", "x".repeat(20_000))).refused(409, matches),
        unlock("a token of another scheme", "<javascript:alert(1)>".to_owned()).refused(409, matches),
        unlock("a token in capitals", "<URN:UUID:00000000-0000-0000-0000-000000000000>".to_owned())
            .refused(409, matches),
        unlock("a token that only opens", "<urn:uuid:".to_owned()).is(400),
        unlock("a token of nothing", "<>".to_owned()).is(400),
        unlock("two tokens", "<a:b>, <c:d>".to_owned()).is(400),
    ]
}
