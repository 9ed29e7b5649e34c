//! The first requests of real clients, before they have sent a password and after, as they were seen on the wire.

use super::known::Known;
use super::message::Message;
use super::sends::Talk;
use super::site::Via;

/// Where a request goes.
#[derive(Clone, Copy)]
enum Place {
    WellKnown,
    Root,
    Principals,
    Base,
    Principal,
    Home,
    Calendar,
}

impl Place {
    fn path(self, known: &Known) -> String {
        match self {
            Self::WellKnown => "/.well-known/caldav".into(),
            Self::Root => "/".into(),
            Self::Principals => "/principals/".into(),
            Self::Base => known.base().into(),
            Self::Principal => known.principal(),
            Self::Home => known.home(""),
            Self::Calendar => known.home("calendar/"),
        }
    }
}

/// Client, method, place, and the header lines it is told by.
type First = (&'static str, &'static str, Place, &'static [&'static str]);

const APPLE: &[&str] = &[
    "User-Agent: macOS/26.1 (25B78) accountsd/1.0",
    "Accept: */*",
    "Depth: 0",
    "Brief: t",
    "Prefer: return-minimal",
];
const THUNDERBIRD: &[&str] = &[
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.0",
    "Accept: text/xml",
    "Accept-Charset: utf-8,*;q=0.1",
    "Depth: 0",
];
const DAVX5: &[&str] = &[
    "User-Agent: DAVx5/4.5 (2026/01/01; dav4jvm; okhttp/5.1) Android/16",
    "Accept-Language: en",
    "Depth: 0",
];
const EVOLUTION: &[&str] =
    &["User-Agent: Evolution/3.56.0", "Accept: */*", "Cache-Control: no-cache", "Depth: 0"];
const GNOME: &[&str] = &["User-Agent: gnome-online-accounts/3.54", "Accept: */*"];
const KDE: &[&str] = &[
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) KIO/6.0 akonadi_davgroupware",
    "Accept: text/html, text/*;q=0.9, image/jpeg;q=0.9, */*;q=0.5",
    "Depth: 0",
];
const OUTLOOK: &[&str] = &["User-Agent: CalDavSynchronizer/4.5", "Accept: */*"];
const VDIRSYNCER: &[&str] = &["User-Agent: vdirsyncer/0.19.3", "Accept: */*", "Depth: 1"];
const TSDAV: &[&str] = &["User-Agent: tsdav/2.1", "Accept: */*"];
const FETCH: &[&str] = &[
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept: */*",
    "Sec-Fetch-Mode: cors",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-Dest: empty",
    "X-Requested-With: XMLHttpRequest",
    "Depth: 0",
];

/// What comes before a password was sent.
const UNSIGNED: &[First] = &[
    ("Apple", "PROPFIND", Place::WellKnown, APPLE),
    ("Apple", "PROPFIND", Place::Root, APPLE),
    ("Apple", "PROPFIND", Place::Principals, APPLE),
    ("Apple", "PROPFIND", Place::Principal, APPLE),
    ("Thunderbird", "PROPFIND", Place::WellKnown, THUNDERBIRD),
    ("Thunderbird", "PROPFIND", Place::Base, THUNDERBIRD),
    ("Thunderbird", "PROPFIND", Place::Calendar, THUNDERBIRD),
    ("DAVx5", "PROPFIND", Place::Base, DAVX5),
    ("DAVx5", "OPTIONS", Place::Principal, DAVX5),
    ("Evolution", "OPTIONS", Place::Base, EVOLUTION),
    ("Evolution", "PROPFIND", Place::Calendar, EVOLUTION),
    ("GNOME Online Accounts", "OPTIONS", Place::Base, GNOME),
    ("KDE", "PROPFIND", Place::Base, KDE),
    ("KDE", "REPORT", Place::Calendar, KDE),
    ("Outlook CalDav Synchronizer", "OPTIONS", Place::Calendar, OUTLOOK),
];

/// What a page of the site's own sends.
const PAGES: &[First] = &[
    ("a web page (fetch)", "PROPFIND", Place::Base, FETCH),
    ("a web page (fetch)", "GET", Place::Calendar, FETCH),
    ("a web page (fetch)", "REPORT", Place::Calendar, FETCH),
];

/// What comes with a password. `REPORT` is a sync-collection, without Depth where the lines have none.
const SIGNED: &[First] = &[
    ("Apple", "PROPFIND", Place::Principal, APPLE),
    ("Thunderbird", "PROPFIND", Place::Calendar, THUNDERBIRD),
    ("Thunderbird", "OPTIONS", Place::Home, THUNDERBIRD),
    ("DAVx5", "OPTIONS", Place::Principal, DAVX5),
    ("DAVx5", "PROPFIND", Place::Home, DAVX5),
    ("Evolution", "OPTIONS", Place::Calendar, EVOLUTION),
    ("Evolution", "PROPFIND", Place::Calendar, EVOLUTION),
    ("GNOME Online Accounts", "OPTIONS", Place::Base, GNOME),
    ("KDE", "PROPFIND", Place::Calendar, KDE),
    ("Outlook CalDav Synchronizer", "OPTIONS", Place::Calendar, OUTLOOK),
    ("vdirsyncer", "PROPFIND", Place::Root, VDIRSYNCER),
    ("vdirsyncer", "PROPFIND", Place::Calendar, VDIRSYNCER),
    ("tsdav", "PROPFIND", Place::Home, &["User-Agent: tsdav/2.1", "Depth: 1"]),
    ("tsdav", "REPORT", Place::Calendar, TSDAV),
    ("a web page (fetch)", "REPORT", Place::Calendar, FETCH),
];

/// Without a password.
pub(super) fn unsigned(known: &Known) -> Vec<Talk> {
    talk(UNSIGNED.iter().map(|first| message(known, *first)).collect())
}

/// From a web page without a session.
pub(super) fn pages(known: &Known) -> Vec<Talk> {
    talk(PAGES.iter().map(|first| message(known, *first)).collect())
}

/// With a password.
pub(super) fn signed(known: &Known) -> Vec<Talk> {
    talk(SIGNED.iter().map(|first| message(known, *first).signed()).collect())
}

fn talk(messages: Vec<Message>) -> Vec<Talk> {
    vec![Talk { via: Via::Proxy, together: false, messages }]
}

fn message(known: &Known, (client, method, place, lines): First) -> Message {
    let asked = match method {
        "PROPFIND" => Message::new(method, place.path(known)).xml(super::message::WHO),
        "REPORT" => Message::new(method, place.path(known)).xml(super::sends::SYNC),
        _ => Message::new(method, place.path(known)),
    };
    lines.iter().fold(asked, Message::line).called(client)
}
