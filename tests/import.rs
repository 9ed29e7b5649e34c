//! What comes from other servers: what goes in, what is told of the rest, that a second time changes nothing, and the way out
//! and back in.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
#[path = "import/site.rs"]
mod site;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use server::{Client, Server};
use site::{Folder, get, kalends, lying, revisions, site};
use support::sql;

const WORK: &str = "/dav/calendars/alice/work/";

/// So many events in one stream, of which each hundredth is broken, in ten ways.
fn big(count: usize) -> String {
    let mut text = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nMETHOD:PUBLISH\r\n");
    text += "BEGIN:VTIMEZONE\r\nTZID:Somewhere\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\n\
             TZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
    for nth in 0..count {
        let (uid, day) = (format!("event-{nth}@example.org"), 1 + nth % 28);
        let start = format!("DTSTART;TZID=Somewhere:202603{day:02}T090000");
        let plain = format!("UID:{uid}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Number {nth}\r\n");
        let lines = match (nth % 100, nth / 100 % 8) {
            (50, 0) => plain,
            (50, 1) => format!("{plain}DTSTART:tomorrow\r\n"),
            (50, 2) => format!("{plain}{start}\r\nno colon in this line\r\n"),
            (50, 3) => format!("{plain}{start}\r\nDTSTART:20260101T000000Z\r\n"),
            (50, 4) => format!("{plain}{start}\r\nSUMMARY:bell \u{7}\r\n"),
            (50, 5) => format!("{plain}{start}\r\nBEGIN:VALARM\r\n"),
            (50, 6) => format!("{plain}{start}\r\nRRULE:FREQ=SOMETIMES\r\n"),
            (50, _) => format!("{plain}{start}\r\nDURATION:long\r\n"),
            _ => format!("{plain}{start}\r\nDURATION:PT1H\r\n"),
        };
        let _ = write!(text, "BEGIN:VEVENT\r\n{lines}END:VEVENT\r\n");
    }
    text + "END:VCALENDAR\r\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_events_the_broken_ones_are_told_and_a_second_run_changes_nothing() {
    let (server, _) = site().await;
    let folder = Folder::new("big");
    let file = folder.write("big.ics", &big(10_000));
    let (code, said) = kalends(&server, &["import", "alice", "work", &file], None);
    assert_eq!(code, 1, "{said}");
    let sum = "10000 objects: 9900 imported, 0 replaced, 0 unchanged, 0 kept as they were, 0 skipped, 100 failed; 0 duplicates";
    assert!(said.contains(sum), "{}", &said[said.len().saturating_sub(2000)..]);
    let told: Vec<&str> = said.lines().filter(|line| line.starts_with(&file)).collect();
    assert_eq!(told.len(), 100);
    assert!(told[0].contains(": event-50@example.org \"Number 50\": "), "{}", told[0]);
    let before = (lying(&server, "alice").await, revisions(&server).await);
    assert_eq!(before.0.len(), 9900);
    let (code, said) = kalends(&server, &["import", "alice", "work", &file], None);
    assert_eq!(code, 1);
    assert!(
        said.contains("0 imported, 0 replaced, 9900 unchanged, 0 kept as they were, 0 skipped, 100 failed"),
        "{said}"
    );
    assert_eq!((lying(&server, "alice").await, revisions(&server).await), before);
}

/// What a case of tests/import says of itself: its lines before the stream that begin with `#`.
fn expected(text: &str) -> (Vec<(String, String)>, String) {
    let (head, body): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("# "));
    let told = head.iter().filter_map(|line| line[2..].split_once(": "));
    let told = told.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    (told, body.iter().fold(String::new(), |text, line| text + line + "\r\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_case_goes_in_as_it_says() {
    let (server, mut alice) = site().await;
    let mut files: Vec<PathBuf> =
        fs::read_dir("tests/import/cases").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 30, "only {} cases", files.len());
    let mut failures = String::new();
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let (told, stream) = expected(&fs::read_to_string(&file).unwrap());
        let (_, said) = kalends(&server, &["import", "alice", "case", "-"], Some(&stream));
        let mut wrong = |what: String| {
            let _ = write!(failures, "{name}: {what}\n{said}\n");
        };
        for (key, value) in told {
            let all = lying(&server, "alice").await;
            let bodies: Vec<_> =
                all.values().map(|body| String::from_utf8_lossy(body).into_owned()).collect();
            match key.as_str() {
                "sum" if !said.contains(&value) => wrong(format!("not {value:?}")),
                "told" if !said.contains(&value) => wrong(format!("does not tell {value:?}")),
                "has" if !bodies.iter().any(|body| body.contains(&value)) => {
                    wrong(format!("nothing has {value:?}"));
                }
                "lacks" if bodies.iter().any(|body| body.contains(&value)) => {
                    wrong(format!("something has {value:?}"));
                }
                "again" => {
                    let again = kalends(&server, &["import", "alice", "case", "-"], Some(&stream)).1;
                    if !again.contains(&value) {
                        wrong(format!("the second time is not {value:?}: {again}"));
                    }
                }
                "sum" | "told" | "has" | "lacks" | "about" => {}
                other => panic!("{name}: what is {other}?"),
            }
        }
        let gone = alice.ask("DELETE /dav/calendars/alice/case/", &[], "").await;
        assert!(gone.is_done() || gone.status == 404, "{}", gone.text());
    }
    assert!(failures.is_empty(), "{failures}");
}

async fn look(client: &mut Client, path: &str) -> (Option<String>, Option<String>) {
    let body = "<propfind xmlns='DAV:'><prop><displayname/><c:calendar-color xmlns:c='http://apple.com/ns/ical/'/></prop></propfind>";
    let text = client.ask(&format!("PROPFIND {path}"), &[("Depth", "0")], body).await.text();
    let between = |from: &str, to: &str| {
        let (_, rest) = text.split_once(from)?;
        Some(rest.split_once(to)?.0.rsplit('>').next().unwrap().to_owned())
    };
    (between("displayname", "</"), between("calendar-color", "</"))
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_other_servers_keep_their_names_and_colors() {
    let (server, mut alice) = site().await;
    for (tree, calendar, name, color, objects) in [
        ("vdirsyncer", "private", "Privates", "#0E61B9", 2),
        ("radicale/alice", "5c9c1f2e-calendar", "Team & Projekte", "#ff8c00ff", 2),
        ("xandikos", "garden", "Garten", "#009900", 1),
        ("takeout", "Family", "", "", 2),
    ] {
        let folder = format!("tests/import/trees/{tree}");
        let (code, said) = kalends(&server, &["import", "alice", "--from", &folder, "--dry-run"], None);
        assert!(code == 0 && said.contains("Nothing was written"), "{tree}: {said}");
        assert!(lying(&server, "alice").await.keys().all(|(place, _)| place != calendar), "{tree}: {said}");
        let (code, said) = kalends(&server, &["import", "alice", "--from", &folder], None);
        assert_eq!(code, 0, "{tree}: {said}");
        let all = lying(&server, "alice").await;
        assert_eq!(all.keys().filter(|(place, _)| place == calendar).count(), objects, "{tree}: {said}");
        if !name.is_empty() {
            let seen = look(&mut alice, &format!("/dav/calendars/alice/{calendar}/")).await;
            let name = name.replace('&', "&amp;");
            assert_eq!(seen, (Some(name), Some(color.to_owned())), "{tree}");
        }
        let before = revisions(&server).await;
        assert_eq!(kalends(&server, &["import", "alice", "--from", &folder], None).0, 0);
        assert_eq!(revisions(&server).await, before, "{tree}: a second time changes something");
    }
    let there = get(&mut alice, "/dav/calendars/alice/private/lunch.ics").await.unwrap();
    assert_eq!(there, fs::read_to_string("tests/import/trees/vdirsyncer/private/lunch.ics").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_unless_it_is_told_or_what_comes_is_newer() {
    let (server, mut alice) = site().await;
    assert_eq!(alice.ask(&format!("MKCALENDAR {WORK}"), &[], "").await.status, 201);
    let event = |what: &str, sequence: u32| {
        server::event("a", what).replace("SUMMARY", &format!("SEQUENCE:{sequence}\r\nSUMMARY"))
    };
    assert!(alice.ask(&format!("PUT {WORK}mine.ics"), &[], event("Here", 1)).await.is_done());
    for (arguments, comes, sum, there) in [
        (&[][..], event("Other", 1), "1 kept", "Here"),
        (&[], event("Older", 0), "1 kept", "Here"),
        (&[], event("Newer", 2), "1 replaced", "Newer"),
        (&["--existing", "keep"], event("Kept", 9), "1 kept", "Newer"),
        (&["--existing", "replace", "--dry-run"], event("Trial", 0), "1 replaced", "Newer"),
        (&["--existing", "replace"], event("Replaced", 0), "1 replaced", "Replaced"),
    ] {
        let all = [&["import", "alice", "work", "-"], arguments].concat();
        let (code, said) = kalends(&server, &all, Some(&comes));
        assert!(code == 0 && said.contains(sum), "{arguments:?} {comes}: {said}");
        let body = get(&mut alice, &format!("{WORK}mine.ics")).await.unwrap();
        assert!(body.contains(&format!("SUMMARY:{there}\r")), "{body}");
    }
    assert_eq!(lying(&server, "alice").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said() {
    let (server, _) = site().await;
    for (arguments, code, wanted) in [
        (&["import", "nobody", "work", "-"][..], 2, "--create"),
        (&["import", "alice", "--from", "tests/import/cases/none"], 2, "No such file"),
        (&["import", "alice", "work", "none.ics"], 2, "none.ics"),
        (&["import", "alice"], 2, "say a user"),
        (&["import", "alice", "inbox", "-"], 2, "not a calendar of their own"),
        (&["import", "bob", "work", "-", "--create"], 1, "no VCALENDAR"),
        (&["export", "/"], 1, "File exists"),
    ] {
        let (was, said) = kalends(&server, arguments, Some("rubbish"));
        assert!(was == code && said.contains(wanted), "{arguments:?}: {was} {said}");
    }
}

async fn share(client: &mut Client, who: &str) {
    let body = format!(
        "<CS:share xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'><CS:set><D:href>{who}</D:href>\
         <CS:common-name>Them</CS:common-name><CS:read-write/></CS:set></CS:share>"
    );
    let answer = client.ask(&format!("POST {WORK}"), &[("Content-Type", "application/xml")], body).await;
    assert!(answer.is_done(), "{}", answer.text());
}

/// What people see of the calendar, and who may see it.
async fn seen(server: &Server) -> (BTreeMap<(String, String), Vec<u8>>, Vec<String>) {
    let query = sql(
        "SELECT 'property ' || coalesce(b.name, '-') || ' ' || p.local || ' ' || p.value AS what FROM property p
           JOIN principal w ON w.id = p.home_id AND w.name = 'alice'
           LEFT JOIN bind b ON b.home_id = p.home_id AND b.owner_home_id = p.home_id AND b.calendar_id = p.calendar_id
         UNION ALL SELECT 'invite ' || b.name || ' ' || coalesce(w.name, i.group_name, i.address, '') || ' ' || i.member
           || coalesce(i.common_name, '') || i.status FROM invite i
           JOIN bind b ON b.home_id = i.home_id AND b.owner_home_id = i.home_id AND b.calendar_id = i.calendar_id
           LEFT JOIN principal w ON w.id = i.principal_id
         UNION ALL SELECT 'ace ' || b.name || ' ' || coalesce(w.name, a.group_name, '') || ' ' || a.privileges FROM ace a
           JOIN bind b ON b.home_id = a.home_id AND b.owner_home_id = a.home_id AND b.calendar_id = a.calendar_id
           LEFT JOIN principal w ON w.id = a.principal_id
         UNION ALL SELECT 'bind ' || w.name || ' ' || b.name FROM bind b JOIN principal w ON w.id = b.home_id
         ORDER BY what",
    );
    let rows = server.db.pool.rows(&query, &[]).await.unwrap();
    (lying(server, "alice").await, rows.iter().map(|row| row.at("what").unwrap()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_makes_the_same_again_on_an_empty_server() {
    let (server, mut alice) = site().await;
    server.client("bob").await.ask("PROPFIND /dav/calendars/bob/", &[("Depth", "0")], "").await;
    let body = "<C:mkcalendar xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><set><prop><displayname>W &amp; \
                Co</displayname><c:calendar-color xmlns:c='http://apple.com/ns/ical/'>#123456FF</c:calendar-color>\
                <x:odd xmlns:x='urn:x'><x:in a='1'/></x:odd></prop></set></C:mkcalendar>";
    assert_eq!(alice.ask(&format!("MKCALENDAR {WORK}"), &[], body).await.status, 201);
    for (name, text) in [
        ("a.ics", server::event("a", "One")),
        ("calendar.json", server::event("b", "Named like a file of ours").replace("\r\n", "\n")),
        (
            "odd%20name%C3%A4",
            server::event("c", "x").replace("SUMMARY:x", "SUMMARY:x\r\n  folded\r\nX-ODD;A=\"b\":c"),
        ),
    ] {
        assert!(alice.ask(&format!("PUT {WORK}{name}"), &[], text).await.is_done(), "{name}");
    }
    share(&mut alice, "/dav/principals/bob/").await;
    share(&mut alice, "mailto:stranger@example.org").await;
    let folder = Folder::new("export");
    let (code, said) = kalends(&server, &["export", &folder.path("all")], None);
    assert_eq!(code, 0, "{said}");
    let fresh = Server::start(|_| ()).await;
    let (code, said) = kalends(&fresh, &["import", "--from", &folder.path("all")], None);
    assert_eq!(code, 0, "{said}");
    let (one, other) = (seen(&server).await, seen(&fresh).await);
    assert_eq!(one.0.len(), 3);
    assert_eq!(one, other);
    // What one person has, under the name of another.
    let (code, said) = kalends(&server, &["export", &folder.path("one"), "--user", "alice"], None);
    assert_eq!(code, 0, "{said}");
    let (code, said) = kalends(&fresh, &["import", "carol", "--from", &folder.path("one"), "--create"], None);
    assert_eq!(code, 0, "{said}");
    assert_eq!(lying(&fresh, "carol").await, one.0);
    assert!(Path::new(&folder.path("all/alice/work/a.ics")).is_file());
}
