//! Objects that somebody spoilt in the database: every way to read a calendar says of all the others what it said before,
//! the broken ones are named, and can be replaced and deleted.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::process::Command;

use kalends::xml::{self, Element, Name};
use server::{Answer, Client, Server};
use support::sql;

const CALENDAR: &str = "/dav/calendars/alice/calendar/";

/// An event that nobody touches, of the days in June.
fn good(number: usize) -> String {
    let rule = match number % 3 {
        0 => "RRULE:FREQ=DAILY\r\n",
        1 => "RRULE:FREQ=WEEKLY;COUNT=3\r\n",
        _ => "",
    };
    object(&format!("good-{number}"), &format!("202606{:02}", 10 + number), rule)
}

/// One that will be spoilt, on the second of June.
fn victim(number: usize) -> String {
    object(
        &format!("victim-{number}"),
        "20260602",
        if number.is_multiple_of(2) { "RRULE:FREQ=YEARLY\r\n" } else { "" },
    )
}

fn object(uid: &str, day: &str, rule: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:{day}T090000Z\r\nDTEND:{day}T100000Z\r\n{rule}SUMMARY:Frühstück <&> 早餐\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// What the octets of an object become, and whether they can be read then.
fn corruptions() -> Vec<(Vec<u8>, bool)> {
    let with = |from: &str, to: &[u8], good: &str| {
        let (before, after) = good.split_once(from).unwrap();
        [before.as_bytes(), to, after.as_bytes()].concat()
    };
    let text = |number: usize| victim(number);
    let half = |good: &str| good.as_bytes()[..good.len() / 2].to_vec();
    let garbage: Vec<u8> = (0..4000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    let utf16: Vec<u8> = text(0).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let in_summary = |octets: &'static [u8]| with("Frühstück", octets, &text(0));
    let broken: Vec<Vec<u8>> = vec![
        vec![],
        b"\r\n \r\n".to_vec(),
        b"BEGIN:VCALENDAR\r\n".to_vec(),
        half(&text(0)),
        text(0).as_bytes()[..=text(0).find('ü').unwrap()].to_vec(),
        text(0).trim_end().trim_end_matches("VCALENDAR").into(),
        in_summary(b"a\0b"),
        in_summary(b"a\x01\x0b\x1fb"),
        in_summary(b"Fr\xfchst\xfcck"),
        in_summary(b"\xff\xfe\xc3"),
        in_summary(b"\xed\xa0\x80"),
        in_summary("a\u{ffff}b".as_bytes()),
        in_summary(b"\xc3\r\n b"),
        with("SUMMARY:", b"SUMMARY ", &text(0)),
        with("END:VEVENT", b"END:VTODO", &text(0)),
        with("END:VEVENT\r\n", b"", &text(0)),
        text(0).replace("\r\n", "").into(),
        (text(0) + &text(2)).into(),
        "BEGIN:A\r\n".repeat(5000).into(),
        garbage.clone(),
        [text(0).as_bytes(), &garbage].concat(),
        vec![b'A'; 3 << 20],
        vec![0; 100_000],
        utf16,
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec(),
        b"<html><body>502 Bad Gateway</body></html>".to_vec(),
        b"]]></C:calendar-data></D:prop><D:status>HTTP/1.1 200 OK</D:status>".to_vec(),
        b"[\"vcalendar\",[],[]]".to_vec(),
        b"NULL".to_vec(),
    ];
    let odd: Vec<Vec<u8>> = vec![
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_vec(),
        with("BEGIN:VEVENT", b"BEGIN:X-THING", &text(0).replace("END:VEVENT", "END:X-THING")),
        with("DTSTART:20260602T090000Z\r\n", b"", &text(0)),
        with("20260602T090000Z", b"tomorrow", &text(0)),
        with("20260602T100000Z", b"99999999T999999Z", &text(0)),
        with("FREQ=YEARLY", b"FREQ=SOMETIMES;COUNT=-1", &text(0)),
        with("RRULE:", b"RECURRENCE-ID:", &text(0)),
        object("another", "20260602", "").into(),
        with("UID:victim-0\r\n", b"", &text(0)),
        with("SUMMARY:", b"SUMMARY;X=\"]]>\":", &text(0)),
        text(0).replace("\r\n", "\r\r\n").into(),
    ];
    broken
        .into_iter()
        .map(|octets| (octets, false))
        .chain(odd.into_iter().map(|octets| (octets, true)))
        .collect()
}

const DATA: &str = "<D:prop><D:getetag/><C:calendar-data/></D:prop>";
const JUNE: &str = "<C:time-range start=\"20260601T000000Z\" end=\"20260701T000000Z\"/>";

fn report(name: &str, content: &str) -> (String, String) {
    let namespaces = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"";
    (format!("REPORT {CALENDAR}"), format!("<{name} {namespaces}>{content}</{name}>"))
}

fn query(prop: &str, filter: &str) -> (String, String) {
    let filter = format!(
        "<C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">{filter}</C:comp-filter></C:comp-filter>"
    );
    report("C:calendar-query", &format!("{prop}<C:filter>{filter}</C:filter>"))
}

fn data(content: &str) -> String {
    format!("<D:prop><D:getetag/><C:calendar-data{content}</D:prop>")
}

fn hrefs(names: &[String]) -> String {
    names.iter().flat_map(|name| ["<D:href>", CALENDAR, name, "</D:href>"]).collect()
}

/// Every way to ask for what is in a calendar.
fn questions(names: &[String]) -> Vec<(String, String)> {
    let window = "start=\"20260601T000000Z\" end=\"20260701T000000Z\"/>";
    let jcal = data(" content-type=\"application/calendar+json\" version=\"2.0\"/>");
    let xcal = data(" content-type=\"application/calendar+xml\"/>");
    let expanded = data(&format!("><C:expand {window}</C:calendar-data>"));
    let limited = data(&format!("><C:limit-recurrence-set {window}</C:calendar-data>"));
    let partial = data(
        "><C:comp name=\"VCALENDAR\"><C:comp name=\"VEVENT\"><C:prop name=\"SUMMARY\"/></C:comp></C:comp></C:calendar-data>",
    );
    let hrefs = hrefs(names);
    let sync = |prop: &str| {
        report("D:sync-collection", &format!("<D:sync-token/><D:sync-level>1</D:sync-level>{prop}"))
    };
    let summary = "<C:prop-filter name=\"SUMMARY\"><C:text-match>stück</C:text-match></C:prop-filter>";
    let mut all = vec![
        (format!("PROPFIND {CALENDAR}"), String::new()),
        (
            format!("PROPFIND {CALENDAR}"),
            "<D:propfind xmlns:D=\"DAV:\" xmlns:K=\"urn:x-kalends\"><D:prop><D:getetag/><D:getcontenttype/><K:unreadable/>\
             </D:prop></D:propfind>"
                .to_owned(),
        ),
        sync("<D:prop><D:getetag/></D:prop>"),
        query(DATA, ""),
        query(DATA, JUNE),
        query(DATA, summary),
        query("<D:prop><D:getetag/></D:prop>", JUNE),
        query(&expanded, JUNE),
        query(&expanded, summary),
        query(&jcal, JUNE),
        query(&xcal, ""),
        report("C:free-busy-query", JUNE),
    ];
    for prop in [DATA, &jcal, &xcal, &expanded, &limited, &partial] {
        all.push(sync(prop));
        all.push(report("C:calendar-multiget", &format!("{prop}{hrefs}")));
    }
    for form in ["ical", "jcal", "xcal"] {
        for more in [
            "",
            "&start=1780272000&end=1782864000",
            "&start=1780272000&end=1782864000&expand=1",
            "&componentType=VEVENT",
        ] {
            all.push((format!("GET {CALENDAR}?export&accept={form}{more}"), String::new()));
        }
    }
    all.push((format!("GET {CALENDAR}"), String::new()));
    all
}

/// What an answer says of each object, by its path or UID.
fn told(answer: &Answer, question: &str) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    if answer.status == 207 {
        let root = answer.xml().unwrap_or_else(|| panic!("{question}: no XML\n{}", answer.text()));
        for response in root.all(Name::dav("response")) {
            let href = response.child(Name::dav("href")).unwrap().text();
            told.entry(href.to_owned()).or_default().push(response.fragment());
        }
        return told;
    }
    assert_eq!(answer.status, 200, "{question}: {}", answer.text());
    let mut say = |part: String| {
        let uid =
            part.split("good-").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect());
        told.entry(uid.unwrap_or_else(|| "victim".to_owned())).or_default().push(part);
    };
    if kind.starts_with("application/calendar+json") {
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        json[2].as_array().unwrap().iter().for_each(|part| say(part.to_string()));
    } else if kind.starts_with("application/calendar+xml") {
        fn parts<'a>(element: &'a Element, out: &mut Vec<&'a Element>) {
            if element.name().local == "vevent" {
                out.push(element);
            }
            element.children().for_each(|child| parts(child, out));
        }
        let (root, mut found) = (xml::parse(&answer.body).unwrap(), vec![]);
        parts(&root, &mut found);
        for part in found {
            say(part.fragment());
        }
    } else {
        let text = String::from_utf8(answer.body.clone()).unwrap();
        assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{question}");
        let calendar = kalends::ical::Calendar::parse(text.clone().into()).unwrap();
        for part in calendar.components().filter(|part| !part.is("VFREEBUSY")) {
            say(String::from_utf8_lossy(part.raw()).into_owned());
        }
        // Busy times of the days that are the others'.
        let busy = text.replace("\r\n ", "");
        for line in busy.lines().filter(|line| line.starts_with("FREEBUSY")) {
            for period in line.rsplit(':').next().unwrap().split(',').filter(|p| !p.starts_with("20260602")) {
                told.entry("busy".to_owned()).or_default().push(period.to_owned());
            }
        }
    }
    told
}

/// The same without what is said of objects that are not whole any more, in an order of its own.
fn rest(mut told: BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    told.retain(|name, _| !name.contains("victim"));
    for parts in told.values_mut() {
        parts.sort();
    }
    told
}

async fn ask(client: &mut Client, (line, body): &(String, String)) -> BTreeMap<String, Vec<String>> {
    let answer = client.ask(line, &[("Depth", "1"), ("Prefer", "depth-noroot")], body).await;
    told(&answer, &format!("{line} {}", &body[..body.len().min(400)]))
}

fn check(server: &Server) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
    command.args(["check", "--objects"]).env("KALENDS__DATABASE__URL", &server.db.url);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// A calendar with good objects and those that are spoilt afterwards, and what was told of the good ones before.
struct Scene {
    server: Server,
    client: Client,
    names: Vec<String>,
    before: Vec<BTreeMap<String, Vec<String>>>,
}

impl Scene {
    async fn new(victims: usize) -> Self {
        let server = Server::start(|_| ()).await;
        let mut client = server.client("alice").await;
        client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
        let mut names = vec![];
        for (prefix, count, make) in [("good", 9, good as fn(usize) -> String), ("victim", victims, victim)] {
            for number in 0..count {
                let name = format!("{prefix}-{number}.ics");
                let put = client.ask(&format!("PUT {CALENDAR}{name}"), &[], make(number)).await;
                assert_eq!(put.status, 201);
                names.push(name);
            }
        }
        let mut before = vec![];
        for question in questions(&names) {
            let told = rest(ask(&mut client, &question).await);
            // 9 good ones, all of them in June; busy times are one list.
            assert!(told.len() == 9 || told.keys().eq(["busy"]), "{question:?}: {told:?}");
            before.push(told);
        }
        Self { server, client, names, before }
    }

    async fn change(&self, statement: &'static str, params: kalends::db::Params<'_>) {
        let client = self.server.db.pool.client().await.unwrap();
        assert!(client.execute(&sql(statement), params).await.unwrap() > 0);
    }

    async fn nothing_else_changed(&mut self) {
        for (question, before) in questions(&self.names).iter().zip(&self.before) {
            let after = rest(ask(&mut self.client, question).await);
            assert_eq!(&after, before, "{question:?}");
        }
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_read_stands_in_nobodys_way() {
    let corruptions = corruptions();
    let mut scene = Scene::new(corruptions.len()).await;
    assert_eq!(check(&scene.server).0, Some(0));
    for (number, (octets, _)) in corruptions.iter().enumerate() {
        let name = format!("victim-{number}.ics");
        scene.change("UPDATE object SET body = $2 WHERE name = $1", &[&name, octets]).await;
    }
    scene.nothing_else_changed().await;
    reads_tell_of_it(&mut scene, &corruptions).await;
    let (code, said) = check(&scene.server);
    assert_eq!(code, Some(1));
    assert_eq!(said.lines().count(), corruptions.len() + 1, "{said}");
    for (number, (_, readable)) in corruptions.iter().enumerate() {
        let why = if *readable { "can be read, but is not what was stored" } else { "cannot be read: line " };
        assert!(said.contains(&format!("alice/calendar/victim-{number}.ics: {why}")), "{number}: {said}");
    }
    mended(&mut scene, corruptions.len()).await;
}

/// Each broken object is there, with why its data are not, and can be had as it lies there.
async fn reads_tell_of_it(scene: &mut Scene, corruptions: &[(Vec<u8>, bool)]) {
    let hrefs = hrefs(&scene.names);
    let wanted = "<D:prop xmlns:K=\"urn:x-kalends\"><D:getetag/><C:calendar-data/><K:unreadable/></D:prop>";
    let (line, body) = report("C:calendar-multiget", &format!("{wanted}{hrefs}"));
    let answer = scene.client.ask(&line, &[("Prefer", "return=minimal")], body).await.xml().unwrap();
    let mut seen = 0;
    for response in answer.all(Name::dav("response")) {
        let href = response.child(Name::dav("href")).unwrap().text();
        let Some(number) = href.split("victim-").nth(1).map(|rest| rest.trim_end_matches(".ics")) else {
            continue;
        };
        let (octets, readable) = &corruptions[number.parse::<usize>().unwrap()];
        seen += 1;
        let under = |status: &str| {
            let mut found = response.all(Name::dav("propstat"));
            found.find(|stat| stat.child(Name::dav("status")).unwrap().text().contains(status))
        };
        let prop = under("200").unwrap().child(Name::dav("prop")).unwrap();
        assert!(prop.child(Name::dav("getetag")).is_some());
        assert_eq!(prop.child(Name::cal("calendar-data")).is_some(), *readable, "{href}");
        assert_eq!(prop.child(Name::own("unreadable")).is_none(), *readable, "{href}");
        assert_eq!(under("500").is_none(), *readable, "{href}");
        if let Some(refused) = under("500") {
            let why = refused.child(Name::dav("responsedescription")).unwrap().text();
            assert!(why.contains(prop.child(Name::own("unreadable")).unwrap().text()), "{why}");
            assert!(
                refused.child(Name::dav("error")).unwrap().child(Name::cal("valid-calendar-data")).is_some()
            );
            assert!(refused.child(Name::dav("prop")).unwrap().child(Name::cal("calendar-data")).is_some());
        }
        let got = scene.client.ask(&format!("GET {href}"), &[], "").await;
        assert_eq!((got.status, &got.body), (200, octets), "{href}");
        let jcal =
            scene.client.ask(&format!("GET {href}"), &[("Accept", "application/calendar+json")], "").await;
        assert_eq!(jcal.status, if *readable { 200 } else { 406 }, "{href}");
    }
    assert_eq!(seen, corruptions.len());
}

/// Broken objects are written over, or deleted, as any other.
async fn mended(scene: &mut Scene, count: usize) {
    let tags: BTreeMap<String, String> = scene.client.members(CALENDAR).await.into_iter().collect();
    for number in 0..count {
        let href = format!("{CALENDAR}victim-{number}.ics");
        let guard = [("If-Match", tags[&href].as_str())];
        let (status, line) = if number % 2 == 0 { (204, "PUT") } else { (204, "DELETE") };
        let body = if number % 2 == 0 { victim(number) } else { String::new() };
        assert_eq!(scene.client.ask(&format!("{line} {href}"), &guard, body).await.status, status, "{href}");
    }
    scene.nothing_else_changed().await;
    let (code, said) = check(&scene.server);
    assert_eq!(code, Some(0), "{said}");
    let left = scene.client.ask(&format!("GET {CALENDAR}"), &[], "").await.text();
    assert_eq!(left.matches("UID:victim-").count(), count.div_ceil(2));
}

/// What stands beside the octets is wrong: the rest of the calendar is not touched by that either.
#[tokio::test]
async fn nonsense_beside_the_octets_harms_nobody() {
    let columns = [
        "UPDATE object SET component = 0 WHERE name = $1",
        "UPDATE object SET component = -1 WHERE name = $1",
        "UPDATE object SET size = -7 WHERE name = $1",
        "UPDATE object SET etag = E'a\"\\n\\x01<b>&' WHERE name = $1",
        "UPDATE object SET etag = '' WHERE name = $1",
        "UPDATE object SET uid = E'<&>\\x02\\r\\n' WHERE name = $1",
        "UPDATE object SET times = 0, tail = NULL WHERE name = $1",
        "UPDATE object SET tail = 0 WHERE name = $1",
        "UPDATE object SET tail = -9223372036854775808 WHERE name = $1",
        "UPDATE object SET name = E'victim <&>\"\\x01\\n/..' WHERE name = $1",
        "UPDATE object SET created = '-infinity', modified = 'infinity' WHERE name = $1",
        "DELETE FROM instance USING object WHERE object_id = id AND name = $1",
        "UPDATE instance SET starts = -9223372036854775000, ends = -9223372036854774000 FROM object WHERE object_id = id AND name = $1",
    ];
    let mut scene = Scene::new(columns.len()).await;
    for (number, statement) in columns.into_iter().enumerate() {
        scene.change(statement, &[&format!("victim-{number}.ics")]).await;
        scene.nothing_else_changed().await;
    }
}
