//! What others wrote goes in and comes back octet for octet, and what is no calendar data is refused as such: our own lines,
//! the samples of tests/ical, and, where ../shared lies beside the repository, its corpus and what real clients sent.

#![allow(clippy::unwrap_used)]

#[path = "foreign/lines.rs"]
mod lines;
#[path = "support/server.rs"]
mod server;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kalends::ical::Calendar;
use lines::{INVALID, VALID};
use serde_json::Value;
use server::{Client, Server};

const ROOM: &str = "/dav/calendars/alice/foreign/";

/// A server, and somebody with a calendar for everything there is.
async fn server() -> (Server, Client) {
    let server = Server::start(|settings| settings.calendar.max_attendees = 0).await;
    let mut client = server.client("alice").await;
    let kinds = ["VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"].map(|kind| format!("<C:comp name=\"{kind}\"/>"));
    let body = format!(
        "<C:mkcalendar xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:set><D:prop>\
         <C:supported-calendar-component-set>{}</C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>",
        kinds.concat()
    );
    let made = client.ask(&format!("MKCALENDAR {ROOM}"), &[], body).await;
    assert_eq!(made.status, 201);
    (server, client)
}

/// Sends octets to a name of their own; they must come back as they are.
async fn keeps(client: &mut Client, what: &str, nth: usize, octets: &[u8]) {
    let path = format!("{ROOM}{nth}.ics");
    let put = client.ask(&format!("PUT {path}"), &[("Content-Type", "text/calendar")], octets).await;
    assert!(put.is_done(), "{what}: {} {}", put.status, put.text());
    let tag = put.header("etag").map(str::to_owned);
    let got = client.ask(&format!("GET {path}"), &[], "").await;
    assert!(got.status == 200 && got.body == octets, "{what}: {}", got.text());
    assert!(tag.is_some() && tag.as_deref() == got.header("etag"), "{what}: {tag:?}");
    // The same UID may come again.
    assert!(client.ask(&format!("DELETE {path}"), &[], "").await.is_done(), "{what}");
}

async fn refuses(client: &mut Client, what: &str, octets: &[u8]) {
    let put = client.ask(&format!("PUT {ROOM}no.ics"), &[("Content-Type", "text/calendar")], octets).await;
    assert_eq!((put.status, put.condition().as_deref()), (403, Some("C:valid-calendar-data")), "{what}");
    let text = put.text();
    assert!(text.contains("line ") && text.contains("column "), "{what}: where? {text}");
}

fn event(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sample//EN\r\nBEGIN:VEVENT\r\nUID:a\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:19960403T020000Z\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// A folder or file beside the repository; none, and a word about it, in a plain clone.
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !path.exists() {
        println!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}

fn files(folder: &Path) -> Vec<(String, Bytes)> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(&path).unwrap().into())).collect()
}

#[tokio::test]
async fn our_own_lines() {
    let (_server, mut client) = server().await;
    for (nth, (what, lines)) in VALID.iter().enumerate() {
        keeps(&mut client, what, nth, event(lines).as_bytes()).await;
        // The same with the line breaks that some programs write.
        keeps(&mut client, what, nth, event(lines).replace("\r\n", "\n").as_bytes()).await;
    }
    // A fold may cut a character into its octets.
    let cut = [event("SUMMARY:Gr").trim_end().as_bytes(), b""].concat();
    let at = cut.windows(2).position(|two| two == b"Gr").unwrap() + 2;
    let whole = [&cut[..at], b"\xc3\r\n \xbc\xc3\x9fe", &cut[at..], b"\r\n"].concat();
    keeps(&mut client, "a fold inside of a character", 0, &whole).await;
    for (what, lines) in INVALID {
        refuses(&mut client, what, event(lines).as_bytes()).await;
    }
    let samples = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ical"));
    let samples: Vec<_> =
        samples.iter().filter(|(path, _)| Path::new(path).extension().is_some_and(|x| x == "ics")).collect();
    assert!(samples.len() >= 5, "samples of what products write");
    for (nth, (path, octets)) in samples.into_iter().enumerate() {
        keeps(&mut client, path, nth, octets).await;
    }
}

/// The objects of a feed, each by itself, with all zones of the feed.
fn objects(feed: &Calendar) -> Vec<Vec<u8>> {
    let uid = |c: &kalends::ical::Component<'_>| c.property("UID").map(|p| p.value().into_owned());
    let mut uids: Vec<_> = feed.components().filter(|c| !c.is("VTIMEZONE")).map(|c| uid(&c)).collect();
    uids.dedup();
    let object = |wanted: &Option<String>| {
        let its = feed.components().filter(|c| c.is("VTIMEZONE") || uid(c) == *wanted);
        let parts = its.flat_map(|c| [c.raw(), b"\r\n"].concat());
        [b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n".to_vec(), parts.collect(), b"END:VCALENDAR\r\n".to_vec()]
            .concat()
    };
    uids.iter().map(object).collect()
}

#[tokio::test]
async fn the_corpus() {
    let Some(corpus) = shared("corpus/ics") else { return };
    let (_server, mut client) = server().await;
    let (mut kept, mut refused) = (0, 0);
    for folder in ["compat-testdata", "examples-testdata", "testdata"] {
        for (path, octets) in files(&corpus.join(folder)) {
            let zone_alone = path.ends_with("timezone_ny.ics");
            // One file has two to-dos of one UID, one nothing but a zone, one nothing at all.
            if path.ends_with("todo-invalid-dtstart-tzid.ics") || zone_alone || octets.is_empty() {
                continue;
            }
            for object in objects(&Calendar::parse(octets).expect(&path)) {
                keeps(&mut client, &path, kept, &object).await;
                kept += 1;
            }
        }
    }
    let valid = files(&corpus.join("parsing-testdata-valid"));
    assert_eq!(valid.len(), 20);
    for (path, octets) in valid {
        for object in made_whole(&octets) {
            keeps(&mut client, &path, kept, &object).await;
            kept += 1;
        }
    }
    for (path, octets) in files(&corpus.join("parsing-testdata-invalid")) {
        refuses(&mut client, &path, &octets).await;
        refused += 1;
    }
    assert_eq!((kept, refused), (202, 16));
}

/// The objects of a file that may be the inside of one: its lines are those of an event then.
fn made_whole(octets: &[u8]) -> Vec<Vec<u8>> {
    let bare = !octets.starts_with(b"BEGIN:VCALENDAR");
    let wrapped = [b"BEGIN:VCALENDAR\r\n", octets, b"\r\nEND:VCALENDAR\r\n"].concat();
    let feed = Calendar::parse(if bare { wrapped.into() } else { octets.to_vec().into() }).unwrap();
    if feed.components().any(|c| c.property("UID").is_some()) {
        return objects(&feed);
    }
    let inner = feed.components().next().unwrap_or_else(|| feed.root());
    let lines: Vec<_> = inner.lines().map(|line| String::from_utf8(line.raw().to_vec()).unwrap()).collect();
    let event = event(&lines.join("\r\n"));
    let named = inner.property("UID").is_some();
    vec![if named { event.replacen("UID:a\r\n", "", 1).into() } else { event.into() }]
}

/// What each client sent, and how many objects of it there are.
const RECORDED: [(&str, usize); 6] = [
    ("evolution-data-server-3.46", 10),
    ("python-caldav-3.6.0", 6),
    ("thunderbird-153-scheduling-server", 12),
    ("thunderbird-153", 12),
    ("tsdav-2.3.4", 6),
    ("vdirsyncer-0.21", 9),
];

#[tokio::test]
async fn what_real_clients_sent() {
    let Some(folder) = shared("rig/transcripts/raw") else { return };
    let (_server, mut client) = server().await;
    for (name, count) in RECORDED {
        let text = fs::read_to_string(folder.join(format!("{name}.jsonl"))).unwrap();
        let exchanges = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let puts: Vec<_> = exchanges.filter(|exchange| exchange["method"] == "PUT").collect();
        for (nth, exchange) in puts.iter().enumerate() {
            keeps(&mut client, name, nth, exchange["body"].as_str().unwrap().as_bytes()).await;
        }
        assert_eq!(puts.len(), count, "{name}");
    }
}
