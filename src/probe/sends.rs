//! What is sent on a client's behalf: names and paths come from what is known of the site, nothing from an answer.

use super::known::Known;
use super::message::{Framing, Message};
use super::site::Via;

/// Requests that belong together.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    pub(super) via: Via,
    /// Whether they must stay on one connection, and what comes on it unasked is listened to.
    pub(super) together: bool,
    pub(super) messages: Vec<Message>,
}

/// Requests to the proxy, on as many connections as they take.
pub(super) fn talk(messages: Vec<Message>) -> Vec<Talk> {
    vec![Talk { via: Via::Proxy, together: false, messages }]
}

/// Requests to the proxy on one connection.
pub(super) fn together(messages: Vec<Message>) -> Talk {
    Talk { via: Via::Proxy, together: true, messages }
}

/// A name that holds an encoded slash: kalends refuses it by its own words if it comes as it was sent.
pub(super) fn encoded_slash(known: &Known) -> Vec<Talk> {
    talk(vec![Message::who(known.home("kalends%2Fcheck/")).signed()])
}

/// A name with a percent sign, a space, a semicolon and a letter beyond ASCII.
pub(super) const ODD_NAME: &str = "a%2540b%20c%3B%C3%A9.ics";

/// An object under that name, and what the calendar then lists.
pub(super) fn encoded_names(known: &Known) -> Vec<Talk> {
    let list = Message::new("PROPFIND", known.tried("")).line("Depth: 1").xml(ETAGS).signed();
    talk(vec![
        put(known, ODD_NAME, "odd").body(Framing::Length, event("odd", 0)),
        list,
        Message::new("DELETE", known.tried(ODD_NAME)).signed(),
    ])
}

/// A query that kalends refuses if it comes as it was sent.
pub(super) fn query(known: &Known) -> Vec<Talk> {
    talk(vec![Message::who(format!("{}?kalends=%zz", known.base())).signed()])
}

/// Every base path, by its owner.
pub(super) fn base_paths(known: &Known) -> Vec<Talk> {
    talk(known.bases.iter().map(|base| Message::who(base).signed()).collect())
}

/// Where the discovery leads.
pub(super) fn discovery(_: &Known) -> Vec<Talk> {
    let ask = |path: &str| Message::who(path).called("Apple, Thunderbird, DAVx5");
    talk(vec![
        ask("/.well-known/caldav"),
        ask("/.well-known/caldav/"),
        Message::new("GET", "/.well-known/caldav").called("python-caldav"),
        Message::who("/.well-known/caldav").signed().called("vdirsyncer, tsdav"),
    ])
}

/// What Apple's clients ask for first, signed in.
pub(super) fn roots(_: &Known) -> Vec<Talk> {
    talk(["/", "/principals/"].map(|path| Message::who(path).signed().called("Apple")).into())
}

/// Collections by their proper URLs.
pub(super) fn collections(known: &Known) -> Vec<Talk> {
    let paths = [known.base().to_owned(), known.principal(), known.home(""), known.home("calendar/")];
    talk(paths.into_iter().map(|path| Message::who(path).signed()).collect())
}

/// Every method that clients use, at a place where there is nothing to lose.
pub(super) const METHODS: &[&str] = &[
    "OPTIONS",
    "GET",
    "HEAD",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
    "PUT",
    "DELETE",
    "MKCALENDAR",
    "MKCOL",
    "POST",
    "COPY",
    "MOVE",
    "ACL",
];

/// All of them.
pub(super) fn methods(known: &Known) -> Vec<Talk> {
    let path = known.home("kalends-check-nothing/nothing.ics");
    let ask = |method: &&'static str| {
        match *method {
        "PROPFIND" => Message::who(&path),
        "REPORT" => Message::new("REPORT", &path).line("Depth: 1").xml(SYNC),
        "PROPPATCH" => Message::new("PROPPATCH", &path).xml(
            r#"<propertyupdate xmlns="DAV:"><set><prop><displayname>x</displayname></prop></set></propertyupdate>"#,
        ),
        "PUT" => Message::new("PUT", &path)
            .line("Content-Type: text/calendar; charset=utf-8")
            .body(Framing::Length, event("nothing", 0)),
        method => Message::new(method, &path),
    }
    };
    talk(METHODS.iter().map(|method| ask(method).signed()).collect())
}

const ETAGS: &str = r#"<propfind xmlns="DAV:"><prop><getetag/></prop></propfind>"#;
/// A sync from the beginning.
pub(super) const SYNC: &str = concat!(
    r#"<sync-collection xmlns="DAV:"><sync-token/><sync-level>1</sync-level>"#,
    "<prop><getetag/></prop></sync-collection>"
);

/// An event whose description has so many letters.
fn event(uid: &str, filling: usize) -> String {
    let line = "DESCRIPTION:".to_owned() + &"x".repeat(60);
    let description: String =
        std::iter::repeat_n(format!("\r\n {}", "x".repeat(70)), filling.div_ceil(73)).collect();
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//kalends//check//EN\r\nBEGIN:VEVENT\r\nUID:kalends-check-{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20260301T090000Z\r\nDTEND:20260301T100000Z\r\nSUMMARY:kalends check\r\n\
         {line}{description}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn put(known: &Known, name: &str, uid: &str) -> Message {
    Message::new("PUT", known.tried(name))
        .signed()
        .line("Content-Type: text/calendar; charset=utf-8")
        .body(Framing::Length, event(uid, 0))
}

/// The calendar that writing is tried in, made as Apple does.
pub(super) fn mkcalendar(known: &Known) -> Vec<Talk> {
    let body = concat!(
        r#"<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>"#,
        "<D:displayname>kalends check</D:displayname></D:prop></D:set></C:mkcalendar>"
    );
    talk(vec![Message::new("MKCALENDAR", known.tried("")).signed().xml(body)])
}

/// The way back: the calendar with all in it.
pub(super) fn clean_up(known: &Known) -> Message {
    Message::new("DELETE", known.tried("")).signed()
}

/// What lies in the trash, and where it came from.
pub(super) fn trash(known: &Known) -> Message {
    let body = r#"<propfind xmlns="DAV:"><prop><deleted-from xmlns="urn:x-kalends"/></prop></propfind>"#;
    Message::new("PROPFIND", known.home("trash/")).signed().line("Depth: 1").xml(body)
}

/// An object, whole.
pub(super) fn put_object(known: &Known) -> Vec<Talk> {
    talk(vec![put(known, "object.ics", "object").line("If-None-Match: *")])
}

/// No octets at all.
pub(super) fn put_nothing(known: &Known) -> Vec<Talk> {
    talk(vec![put(known, "empty.ics", "empty").body(Framing::Length, "")])
}

/// The largest object that kalends takes, nearly.
pub(super) fn put_most(known: &Known) -> Vec<Talk> {
    let most = most_object(known);
    talk(vec![put(known, "large.ics", "large").body(Framing::Length, event("large", most - 1024))])
}

/// One that it does not take.
pub(super) fn put_too_much(known: &Known) -> Vec<Talk> {
    let most = most_object(known);
    talk(vec![put(known, "larger.ics", "larger").body(Framing::Length, event("larger", most + (64 << 10)))])
}

fn most_object(known: &Known) -> usize {
    known.settings.calendar.max_resource_size.0.min(known.settings.limits.body_bytes.0).clamp(4096, 8 << 20)
}

/// An XML body of nearly 2 MiB: a multiget of a large calendar.
pub(super) fn xml_most(known: &Known) -> Vec<Talk> {
    let most = (2 << 20).min(known.settings.limits.body_bytes.0) - 1024;
    let body = super::message::WHO.to_owned() + &" ".repeat(most);
    talk(vec![Message::new("PROPFIND", known.base()).line("Depth: 0").xml(body).signed()])
}

/// A body in chunks.
pub(super) fn put_chunked(known: &Known) -> Vec<Talk> {
    talk(vec![put(known, "chunked.ics", "chunked").body(Framing::Chunked, event("chunked", 100_000))])
}

/// A body that waits to be asked for.
pub(super) fn put_expecting(known: &Known) -> Vec<Talk> {
    talk(vec![put(known, "expecting.ics", "expecting").body(Framing::Expecting, event("expecting", 100_000))])
}

/// An Authorization header as long as tokens with many groups are.
pub(super) fn long_token(known: &Known) -> Vec<Talk> {
    let header = format!("Authorization: Bearer {}", "x".repeat(6000));
    talk(vec![Message::who(known.base()).line(header).called("a token of 6,000 characters")])
}

/// An object's entity tag as a property, and as a header of a compressed and of a plain answer.
pub(super) fn entity_tags(known: &Known) -> Vec<Talk> {
    let path = known.tried("object.ics");
    let get = || Message::new("GET", &path).signed();
    talk(vec![
        Message::new("PROPFIND", &path).line("Depth: 0").xml(ETAGS).signed(),
        get().line("Accept-Encoding: gzip, deflate, br"),
        get(),
    ])
}

/// Conditions that do not hold: each must be refused.
pub(super) fn conditions(known: &Known) -> Vec<Talk> {
    let ask = |line: &str| put(known, "object.ics", "object").line(line).called(line);
    let mut messages = vec![ask("If-Match: \"kalends-check-stale\""), ask("If-None-Match: *")];
    messages.push(
        Message::new("DELETE", known.tried("object.ics")).signed().line("If: ([\"kalends-check-stale\"])"),
    );
    talk(messages)
}

/// Depth, told by how much comes.
pub(super) fn depths(known: &Known) -> Vec<Talk> {
    let ask = |depth: &str| {
        Message::new("PROPFIND", known.home(""))
            .signed()
            .line(format!("Depth: {depth}"))
            .xml(ETAGS)
            .called(depth)
    };
    talk(vec![ask("0"), ask("1")])
}

/// Prefer, told by what is left out.
pub(super) fn prefer(known: &Known) -> Vec<Talk> {
    let body = r#"<propfind xmlns="DAV:"><prop><resourcetype/><kalends-check/></prop></propfind>"#;
    let ask = |line: &str| {
        Message::new("PROPFIND", known.base()).signed().line("Depth: 0").line(line).xml(body).called(line)
    };
    talk(vec![ask("Prefer: return=minimal"), ask("Brief: t")])
}

/// An object asked for by its whole public URL.
pub(super) fn public_names(known: &Known) -> Vec<Talk> {
    let scheme = known.scheme;
    let body = format!(
        r#"<C:calendar-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><getetag/></prop><href>{scheme}://{}{}</href></C:calendar-multiget>"#,
        known.authority,
        known.tried("object.ics")
    );
    let moved = format!("Destination: {scheme}://{}{}", known.authority, known.tried("moved.ics"));
    talk(vec![
        Message::new("REPORT", known.tried("")).signed().line("Depth: 1").xml(body),
        put(known, "moving.ics", "moving"),
        Message::new("MOVE", known.tried("moving.ics")).signed().line(moved).line("Overwrite: F"),
    ])
}

/// Whether the site answers without TLS.
pub(super) fn without_tls(known: &Known) -> Vec<Talk> {
    let messages = || vec![Message::who(known.base()), Message::who("/.well-known/caldav")];
    known
        .plain
        .map(|port| Talk { via: Via::Plain(port), together: false, messages: messages() })
        .into_iter()
        .collect()
}

/// What is for the operator alone.
pub(super) fn monitor(_: &Known) -> Vec<Talk> {
    talk(["/metrics", "/healthz", "/readyz"].map(|path| Message::new("GET", path)).into())
}

/// A plain question, to look at its answer.
pub(super) fn plain_question(known: &Known) -> Vec<Talk> {
    talk(vec![Message::who(known.base()).signed(), Message::who(known.base())])
}
