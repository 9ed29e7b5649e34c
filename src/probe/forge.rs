//! What attackers send: names, lines, paths and bodies that a proxy must not hand on.

use super::known::{Known, NOBODY};
use super::message::{Framing, Message, Version};
use super::sends::{SYNC, Talk, talk, together};
use super::site::Via;
use crate::config::Listen;

/// A forgery: what it is called, and its header lines.
type Forgery = (String, Vec<Vec<u8>>);

fn line(name: &str, value: &str) -> Vec<u8> {
    format!("{name}: {value}").into_bytes()
}

/// The name as it is, in every spelling that means the same in HTTP.
fn plainly(name: &str, value: &str) -> Vec<Forgery> {
    let (lower, upper) = (name.to_ascii_lowercase(), name.to_ascii_uppercase());
    vec![
        (name.to_owned(), vec![line(name, value)]),
        (format!("{lower} in lower case"), vec![line(&lower, value)]),
        (format!("{upper} in capitals"), vec![line(&upper, value)]),
        (format!("{name} twice"), vec![line(name, value), line(name, value)]),
        (format!("{name} empty, then again"), vec![line(name, ""), line(&lower, value)]),
    ]
}

/// Names that gateways and careless readers take for this one.
fn alike(name: &str, value: &str) -> Vec<Forgery> {
    let names = [name.replace('-', "_"), name.replace('-', ".")];
    names.into_iter().map(|name| (name.clone(), vec![line(&name, value)])).collect()
}

/// More of them, which no list of names can hold.
fn nearly_alike(name: &str, value: &str) -> Vec<Forgery> {
    let at = name.find('-').unwrap_or_default();
    let last = name.rfind('-').unwrap_or_default();
    let names = [
        format!("{}_{}", &name[..last], &name[last + 1..]),
        format!("{}.{}", &name[..at], &name[at + 1..]),
        name.replace('-', "~"),
        name.replace('-', ""),
        format!("HTTP_{}", name.to_uppercase().replace('-', "_")),
    ];
    names.into_iter().map(|name| (name.clone(), vec![line(&name, value)])).collect()
}

/// Lines that are no HTTP, and that some parser reads all the same.
fn bent(name: &str, value: &str) -> Vec<Forgery> {
    let row = |what: &str, text: String| (format!("{name} {what}"), vec![text.into_bytes()]);
    vec![
        row("with a space before the colon", format!("{name} : {value}")),
        row("with a tab before the colon", format!("{name}\t: {value}")),
        row("after a leading space", format!(" {name}: {value}")),
        row("after a leading tab", format!("\t{name}: {value}")),
        row("folded", format!("{name}:\r\n {value}")),
        row("in a folded line", format!("X-Check: a\r\n\t{name}: {value}")),
        row("behind a bare CR", format!("X-Check: a\r{name}: {value}")),
        row("behind a bare LF", format!("X-Check: a\n{name}: {value}")),
        row("behind a NUL", format!("X-Check: a\0{name}: {value}")),
        row("with a NUL in the name", format!("{name}\0: {value}")),
        row("with a NUL in the value", format!("{name}: {value}\0")),
        row("with a tab in the value", format!("{name}:\t{value}\t")),
        row("with a vertical tab in front", format!("\u{b}{name}: {value}")),
    ]
}

/// Names under which other proxies and modules hand a user on.
const OTHERS: &[&str] = &[
    "Remote-User",
    "Remote_User",
    "X-Remote-User",
    "X-Auth-User",
    "X-Auth-Request-User",
    "X-Forwarded-Preferred-Username",
    "X-Authenticated-User",
    "X-WEBAUTH-USER",
    "OIDC_CLAIM_preferred_username",
    "OIDC-CLAIM-preferred-username",
    "OIDC_CLAIM_sub",
    "OIDC_CLAIM_email",
    "OIDC_access_token",
    "X-Forwarded-Token",
    "X-SSL-Client-CN",
    "Proxy-Authorization",
];

/// Lines that move a request elsewhere, with the path they name.
const ELSEWHERE: &[&str] = &["X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-HTTP-Method-Override"];

fn each(forgeries: &[Forgery], ask: impl Fn() -> Message) -> Vec<Message> {
    forgeries.iter().map(|(label, lines)| ask().lines(lines).called(label)).collect()
}

/// Without credentials, everywhere.
pub(super) fn nobody(known: &Known) -> Vec<Talk> {
    let places = known.places();
    let mut messages: Vec<Message> = places.iter().map(Message::who).collect();
    for base in &known.bases {
        let home = format!("{base}calendars/{}/", known.segment());
        messages.push(Message::new("REPORT", format!("{home}calendar/")).line("Depth: 1").xml(SYNC));
        messages.push(Message::new("GET", format!("{home}calendar/")).line("Accept: text/calendar"));
        messages.push(Message::new("MKCALENDAR", format!("{home}{}/", known.calendar)));
    }
    talk(messages)
}

/// The user header itself, without credentials everywhere and besides them.
pub(super) fn user_header(known: &Known) -> Vec<Talk> {
    let name = known.user_header();
    let free = plainly(name, known.victim());
    let besides = plainly(name, NOBODY);
    let places = known.places();
    let mut messages: Vec<Message> =
        places.iter().flat_map(|place| each(&free, || Message::who(place))).collect();
    for base in &known.bases {
        messages.extend(each(&besides, || Message::who(base).signed()));
    }
    talk(messages)
}

/// Names that look like those of identity headers.
pub(super) fn lookalikes(known: &Known) -> Vec<Talk> {
    let mut messages = Vec::new();
    let mut free = alike(known.user_header(), known.victim());
    free.extend(OTHERS.iter().map(|other| ((*other).to_owned(), vec![line(other, known.victim())])));
    for place in known.places() {
        messages.extend(each(&free, || Message::who(&place)));
    }
    for name in known.identity_headers() {
        messages.extend(each(&alike(name, NOBODY), || Message::who(known.base()).signed()));
    }
    talk(messages)
}

/// Names that are nearly those.
pub(super) fn near_lookalikes(known: &Known) -> Vec<Talk> {
    let free = nearly_alike(known.user_header(), known.victim());
    let mut messages = Vec::new();
    for base in &known.bases {
        messages.extend(each(&free, || Message::who(base)));
    }
    for name in known.identity_headers() {
        messages.extend(each(&nearly_alike(name, NOBODY), || Message::who(known.base()).signed()));
    }
    talk(messages)
}

/// What other software believes, besides credentials.
pub(super) fn other_names(known: &Known) -> Vec<Talk> {
    let others =
        OTHERS.iter().chain(&["X-Forwarded-For", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Prefix"]);
    let besides: Vec<Forgery> =
        others.map(|other| ((*other).to_owned(), vec![line(other, NOBODY)])).collect();
    let mut messages = Vec::new();
    for base in &known.bases {
        messages.extend(each(&besides, || Message::who(base).signed()));
    }
    for name in ELSEWHERE {
        let lines = [line(name, known.base()), line(known.user_header(), known.victim())];
        for place in ["/.well-known/caldav", "/", "/favicon.ico"] {
            messages.push(Message::who(place).lines(&lines).called(*name));
        }
    }
    talk(messages)
}

/// Header lines that are no HTTP.
pub(super) fn bent_lines(known: &Known) -> Vec<Talk> {
    let (free, besides) = (bent(known.user_header(), known.victim()), bent(known.user_header(), NOBODY));
    let mut messages = Vec::new();
    for base in known.bases.iter().map(String::as_str).chain(["/", "/.well-known/caldav"]) {
        messages.extend(each(&free, || Message::who(base)));
    }
    messages.extend(each(&besides, || Message::who(known.base()).signed()));
    talk(messages)
}

/// `Connection` naming the headers that the proxy adds.
pub(super) fn connection(known: &Known) -> Vec<Talk> {
    let names = known.identity_headers();
    let lists = names.iter().map(|name| (*name).to_owned()).chain([names.join(", "), "Authorization".into()]);
    let mut messages = Vec::new();
    for list in lists {
        for first in ["close", "keep-alive"] {
            let connection = format!("Connection: {first}, {list}");
            let forged = line(known.user_header(), NOBODY);
            let ask = || Message::who(known.base()).line(&connection).called(&connection);
            messages.extend([ask().signed(), ask().signed().line(&forged), ask().line(&forged)]);
        }
    }
    talk(messages)
}

/// The old protocol.
pub(super) fn http10(known: &Known) -> Vec<Talk> {
    let name = known.user_header();
    let ask = |place: &str| Message::who(place).over(Version::One0).called("HTTP/1.0");
    let mut messages = Vec::new();
    for base in &known.bases {
        messages.push(ask(base));
        messages.push(ask(base).line(line(name, known.victim())));
        messages.push(ask(base).line(line(name, known.victim())).hostless());
        messages.push(ask(base).line(line(name, NOBODY)).signed());
    }
    talk(messages)
}

/// The new protocol, whose header names come in lower case.
pub(super) fn http2(known: &Known) -> Vec<Talk> {
    let lower = known.user_header().to_ascii_lowercase();
    let ask = |place: &str| Message::who(place).over(Version::Two).called("HTTP/2");
    let mut messages = Vec::new();
    for place in known.places() {
        messages.push(ask(&place));
        messages.push(ask(&place).line(line(&lower, known.victim())));
    }
    for base in &known.bases {
        for (_, lines) in plainly(&lower, NOBODY).into_iter().chain(alike(&lower, NOBODY)) {
            messages.push(ask(base).lines(&lines).signed());
        }
        let twice = [line(&lower, known.victim()), line(&lower, NOBODY)];
        messages.push(ask(base).lines(&twice));
    }
    talk(messages)
}

/// Somebody, and then nobody, on one connection.
pub(super) fn kept_alive(known: &Known) -> Vec<Talk> {
    let after = |message: Message| together(vec![Message::who(known.base()).signed(), message]);
    let last = || Message::who(known.base()).called("after a signed-in request on the same connection");
    vec![
        after(last()),
        after(last().line(line(known.user_header(), NOBODY))),
        after(last().line("Authorization: Basic")),
        after(last().line("Authorization: Bearer x")),
    ]
}

/// A token that nobody signed (`{"alg":"none"}`, `{"preferred_username":"kalends-check","aud":"kalends"}`).
const UNSIGNED: &str =
    "eyJhbGciOiJub25lIn0.eyJwcmVmZXJyZWRfdXNlcm5hbWUiOiJrYWxlbmRzLWNoZWNrIiwiYXVkIjoia2FsZW5kcyJ9.";

/// Tokens that are none.
pub(super) fn bearer(known: &Known) -> Vec<Talk> {
    let mut messages = Vec::new();
    for base in &known.bases {
        for token in ["kalends-check", UNSIGNED, "", "x, Basic eDp4"] {
            let header = format!("Authorization: Bearer {token}");
            messages.push(Message::who(base).line(header).called("a Bearer token that is none"));
        }
    }
    talk(messages)
}

/// A password that is none (`kalends-check:wrong`), everywhere: a place that asks for none believes the name all the same.
pub(super) fn password(known: &Known) -> Vec<Talk> {
    let basic = "Authorization: Basic a2FsZW5kcy1jaGVjazp3cm9uZw==";
    let ask = |place: String| Message::who(place).line(basic).called("a wrong password");
    talk(known.places().into_iter().map(ask).collect())
}

/// Two Authorization headers: the good one and one that is none.
pub(super) fn two_credentials(known: &Known) -> Vec<Talk> {
    let ask = || Message::who(known.base()).signed().called("a second Authorization");
    talk(vec![
        ask().line("Authorization: Bearer x"),
        ask().line("Authorization: Basic a2FsZW5kcy1jaGVjazp3cm9uZw=="),
    ])
}

const TOLD: &str = concat!(
    r#"<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop>"#,
    "<displayname/><C:calendar-user-address-set/><current-user-principal/></prop></propfind>"
);

/// What the operator's principal is told of them.
pub(super) fn told(known: &Known) -> Message {
    Message::new("PROPFIND", known.principal()).line("Depth: 0").xml(TOLD).signed()
}

/// The address that is forged.
pub(super) const FORGED_MAIL: &str = "kalends-check@example.invalid";

/// A forged address and name, looked for in the principal; the second request puts back what was there, by the same hole.
pub(super) fn mail_and_name(known: &Known) -> Vec<Talk> {
    let identity = &known.settings.identity;
    let (mail, name) = (Known::header(&identity.email_header), Known::header(&identity.name_header));
    let forged = told(known).line(line(mail, FORGED_MAIL)).line(line(name, NOBODY)).called(mail);
    let mut back = told(known).called("put back");
    if let Some(was) = &known.mail {
        back = back.line(line(mail, was));
    }
    if let Some(was) = &known.shown {
        back = back.line(line(name, was));
    }
    talk(vec![forged, back])
}

/// A forged key and groups, in a value (a zero-width space) that kalends refuses: one that it took would stay.
pub(super) fn key_and_groups(known: &Known) -> Vec<Talk> {
    let identity = &known.settings.identity;
    let names = [Known::header(&identity.subject_header), Known::header(&identity.groups_header)];
    let ask = |name: &str| {
        Message::who(known.base()).signed().line(line(name, "kalends\u{200b}check")).called(name)
    };
    talk(names.into_iter().map(ask).collect())
}

/// A wrong secret besides the proxy's own.
pub(super) fn secret(known: &Known) -> Vec<Talk> {
    let name = Known::header(&known.settings.identity.secret_header);
    let ask = || Message::who(known.base()).line(line(name, "kalends-check-kalends-check"));
    talk(vec![
        ask().signed().called(name),
        ask().line(line(known.user_header(), known.victim())).called(name),
    ])
}

/// An id for the log.
pub(super) fn request_id(known: &Known) -> Vec<Talk> {
    talk(vec![Message::who(known.base()).signed().line("X-Request-Id: kalends-check-id")])
}

/// Bodies that end in two places, with a second request in what is left.
pub(super) fn smuggled(known: &Known) -> Vec<Talk> {
    let inner = Message::who(known.base()).line(line(known.user_header(), known.victim()));
    let mut hidden = inner.head(&known.authority, None);
    hidden.extend(&inner.body);
    let chunked = [b"0\r\n\r\n".as_slice(), &hidden].concat();
    let length = |length: usize| format!("Content-Length: {length}");
    let ask = |lines: &[String], body: &[u8]| {
        let message = Message::new("PROPFIND", known.base()).signed().line("Depth: 0");
        let message = lines.iter().fold(message, Message::line);
        together(vec![message.body(Framing::Bare, body).called(lines.join(", "))])
    };
    let te = || "Transfer-Encoding: chunked".to_owned();
    vec![
        ask(&[length(chunked.len()), te()], &chunked),
        ask(&[te(), length(chunked.len())], &chunked),
        ask(&[length(chunked.len()), "Transfer-Encoding: xchunked".into()], &chunked),
        ask(&[length(chunked.len()), "Transfer-Encoding : chunked".into()], &chunked),
        ask(&[length(0), length(hidden.len())], &hidden),
    ]
}

/// Whether the request comes back.
pub(super) fn trace(known: &Known) -> Vec<Talk> {
    talk(vec![
        Message::new("TRACE", known.base()).signed().line("X-Check: kalends-check-trace"),
        Message::new("TRACE", "/").line("X-Check: kalends-check-trace"),
    ])
}

/// An object read by its owner, and by nobody.
pub(super) fn cached(known: &Known) -> Vec<Talk> {
    let get = || Message::new("GET", known.tried("object.ics"));
    talk(vec![get().signed(), get().signed(), get()])
}

/// Without the proxy: kalends' own listeners, with a forged name and no secret.
pub(super) fn own_listeners(known: &Known) -> Vec<Talk> {
    let forged = || Message::who(known.base()).line(line(known.user_header(), known.victim()));
    let own = known.settings.server.listen.iter().filter(|listen| **listen != Listen::Systemd);
    own.map(|listen| Talk {
        via: Via::Own(listen.clone()),
        together: false,
        messages: vec![forged().called(listen.to_string())],
    })
    .collect()
}

/// The port of kalends on the proxy's host, from here.
pub(super) fn bare_port(known: &Known) -> Vec<Talk> {
    let near = ["localhost", "127.0.0.1", "[::1]"].contains(&known.host.as_str());
    let ports = known.settings.server.listen.iter().filter_map(|listen| match listen {
        Listen::Tcp(address) if !(near && address.ip().is_loopback()) => Some(address.port()),
        _ => None,
    });
    let forged = || Message::who(known.base()).line(line(known.user_header(), known.victim()));
    ports
        .map(|port| Talk {
            via: Via::Plain(port),
            together: false,
            messages: vec![forged().called(format!("{}:{port}", known.host))],
        })
        .collect()
}

/// Paths that one reads as an open place and another as a calendar.
pub(super) fn confusion(known: &Known) -> Vec<Talk> {
    let base = known.base().trim_matches('/');
    let opens = ["/.well-known", "/ical", "/public", "/static", "/oidc", "/api/v1.0", ""];
    let mut targets = Vec::new();
    let up = "..%2f".repeat(base.split('/').count());
    for open in opens {
        for step in ["..%2f", "..%2F", "%2e%2e/", "%2e%2e%2f", "../", "..;/", "..%5c", "..%00/"] {
            targets.push(format!("{open}/{step}{base}/"));
        }
        // nginx takes this for the open place, and hands it on as it stands.
        targets.push(format!("/{base}/{up}{}/x", open.trim_start_matches('/')));
        targets.push(format!("{open}/%2f{base}/"));
        targets.push(format!("{open}/kalends-check/"));
    }
    let dav = format!("/{base}");
    targets.extend([
        format!("/{dav}/"),
        format!("//{dav}//"),
        format!("/.{dav}/"),
        format!("/%64{}/", &dav[2..]),
        format!("{dav}%2f"),
        format!("{dav}/%00"),
        format!("{dav}/%0d%0aX-Forwarded-User:%20{NOBODY}"),
        format!("{dav};a=b/"),
        format!("{dav}/%252f"),
        dav.to_uppercase() + "/",
        format!("{dav}/?x=/public/"),
        format!("{dav}/#/public/"),
        format!("/public/?/..{dav}/"),
        dav,
    ]);
    let mut messages = Vec::new();
    for target in targets {
        messages.push(Message::who(&target));
        messages.push(Message::who(&target).line(line(known.user_header(), known.victim())));
    }
    talk(messages)
}

/// Whole URLs as the target, and hosts that are not the site's.
pub(super) fn foreign_hosts(known: &Known) -> Vec<Talk> {
    let (base, header) = (known.base(), line(known.user_header(), known.victim()));
    let whole = |host: &str| Message::who(format!("http://{host}{base}"));
    let hosts = |lines: &[&str]| {
        lines
            .iter()
            .fold(Message::who(base).hostless(), |message, host| message.line(format!("Host: {host}")))
    };
    let site = known.authority.as_str();
    let messages = vec![
        whole(site).called("absolute form"),
        whole("evil.example").called("absolute form of another host"),
        hosts(&["evil.example"]).called("Host: evil.example"),
        hosts(&["localhost"]).called("Host: localhost"),
        hosts(&["127.0.0.1"]).called("Host: 127.0.0.1"),
        hosts(&[""]).called("an empty Host"),
        hosts(&[]).called("no Host"),
        hosts(&[site, "evil.example"]).called("two Hosts"),
        hosts(&["evil.example", site]).called("two Hosts"),
    ];
    let forged = messages.iter().map(|message| message.clone().line(&header)).collect::<Vec<_>>();
    talk(messages.into_iter().chain(forged).collect())
}
