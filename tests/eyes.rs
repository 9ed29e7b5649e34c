//! Nothing of what somebody does not see is in any answer: every method and every report of the tables, on every resource that could
//! tell, by who sees busy times alone, by who sees a calendar but not what is private in it, and by a delegate.

#![allow(clippy::unwrap_used)]

#[path = "support/asks.rs"]
mod asks;
#[path = "support/server.rs"]
mod server;
mod support;

use asks::{Ask, sent};
use server::{Answer, Client, Server};

/// A word that stands in whatever must not be seen, and in nothing else.
const HIDDEN: &str = "qzveil";
const CALENDAR: &str = "/dav/calendars/alice/team/";

/// What is behind the question mark of an export.
const EXPORTS: [&str; 4] = [
    "?export",
    "?export&accept=jcal",
    "?export&accept=xcal&componentType=VEVENT",
    "?export&expand=1&start=1767225600&end=1798761600",
];

/// An object of that kind; `open` is for who sees a part of it, and the rest has the word in it.
fn object(kind: &str, uid: &str, head: &str, open: &str) -> String {
    let hidden = format!(
        "DESCRIPTION:{HIDDEN}\r\nCOMMENT:{HIDDEN}\r\nCATEGORIES:{HIDDEN}\r\nURL:https://{HIDDEN}/\r\nCONTACT:{HIDDEN}\r\n\
         ATTENDEE;CN={HIDDEN}:mailto:{HIDDEN}@x\r\nX-{HIDDEN}:x\r\n"
    );
    let lasts = if kind == "VJOURNAL" { "" } else { "DURATION:PT1H\r\n" };
    let alarm = if kind == "VJOURNAL" {
        String::new()
    } else {
        format!(
            "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:{HIDDEN}\r\nX-{HIDDEN}:x\r\nEND:VALARM\r\n"
        )
    };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{head}BEGIN:{kind}\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260601T090000Z\r\n{lasts}{open}{hidden}{alarm}END:{kind}\r\nEND:VCALENDAR\r\n"
    )
}

async fn done(client: &mut Client, line: &str, headers: &[(&str, &str)], body: &str) {
    let answer = client.ask(line, headers, body).await;
    assert!(answer.is_done(), "{line}: {} {}", answer.status, answer.text());
}

/// Alice's calendar with objects of every kind and level, some of them thrown away, and what she keeps beside them. Its name and
/// those of what may be known of are no secret.
async fn stage(server: &Server, of_all: bool) -> Client {
    let mut alice = server.client("alice").await;
    done(&mut alice, &format!("MKCALENDAR {CALENDAR}"), &[], "").await;
    let title = format!("SUMMARY:{HIDDEN}\r\nLOCATION:{HIDDEN}\r\n");
    let plain = "SUMMARY:open\r\n";
    for (nth, kind) in ["VEVENT", "VTODO", "VJOURNAL"].into_iter().enumerate() {
        let access = |level: &str| format!("X-CALENDARSERVER-ACCESS:{level}\r\n");
        let mut all = vec![
            (
                format!("{HIDDEN}{nth}"),
                format!("{HIDDEN}{nth}"),
                String::new(),
                format!("{title}CLASS:PRIVATE\r\n"),
            ),
            (format!("c{nth}"), format!("c{nth}"), String::new(), format!("{title}CLASS:CONFIDENTIAL\r\n")),
            (format!("d{nth}"), format!("d{nth}"), access("CONFIDENTIAL"), title.clone()),
            (format!("r{nth}"), format!("r{nth}"), access("RESTRICTED"), plain.to_owned()),
        ];
        if of_all {
            all.push((format!("{HIDDEN}p{nth}"), format!("{HIDDEN}p{nth}"), String::new(), title.clone()));
        }
        for (name, uid, head, open) in &all {
            let body = object(kind, uid, head, open);
            // Once to be thrown away, and once to stay.
            done(&mut alice, &format!("PUT {CALENDAR}{name}.ics"), &[], &body).await;
            done(&mut alice, &format!("DELETE {CALENDAR}{name}.ics"), &[], "").await;
            done(&mut alice, &format!("PUT {CALENDAR}{name}.ics"), &[], &body).await;
            let keep = format!(
                "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><note xmlns=\"urn:x\">{HIDDEN}</note></D:prop></D:set></D:propertyupdate>"
            );
            done(&mut alice, &format!("PROPPATCH {CALENDAR}{name}.ics"), &[], &keep).await;
        }
    }
    alice
}

async fn grant(alice: &mut Client, at: &str, who: &str, privilege: &str) {
    let body = format!(
        "<D:acl xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:ace><D:principal><D:href>/dav/principals/{who}/</D:href>\
         </D:principal><D:grant><D:privilege><{privilege}/></D:privilege></D:grant></D:ace></D:acl>"
    );
    done(alice, &format!("ACL {at}"), &[], &body).await;
}

/// Where something could be told: the calendar by each of its names, with what is in it, its home, and what tells of it there.
async fn places(alice: &mut Client, who: &str) -> Vec<String> {
    let mut all: Vec<String> =
        ["/dav/", "/dav/principals/", "/dav/principals/alice/", "/dav/calendars/alice/"]
            .map(str::to_owned)
            .into();
    all.extend([format!("/dav/calendars/{who}/"), format!("/dav/calendars/{who}/notifications/")]);
    all.extend(
        ["inbox/", "notifications/", "trash/", "freebusy"].map(|name| format!("/dav/calendars/alice/{name}")),
    );
    for calendar in [CALENDAR.to_owned(), format!("/dav/calendars/{who}/team/")] {
        all.extend(EXPORTS.map(|query| format!("{calendar}{query}")));
        let of_each =
            ["c0", "r1"].map(str::to_owned).into_iter().chain([format!("{HIDDEN}0"), format!("{HIDDEN}2")]);
        all.extend(of_each.map(|name| format!("{calendar}{name}.ics")));
        all.push(calendar);
    }
    // Numbers are no secret: what lies in the trash is guessed.
    let find = "<propfind xmlns=\"DAV:\"><prop><displayname/></prop></propfind>";
    let headers = [("Depth", "1"), ("Prefer", "depth-noroot")];
    let listed = alice.ask("PROPFIND /dav/calendars/alice/trash/", &headers, find).await.text();
    assert!(listed.contains(HIDDEN), "{listed}");
    all.extend(
        listed.split("<D:href>").skip(1).filter_map(|part| part.split('<').next()).take(5).map(str::to_owned),
    );
    all
}

/// What an answer says, headers and all, but for the path that was asked for and those that were named in the request.
fn said(answer: &Answer, path: &str, hrefs: &[String]) -> String {
    let headers: Vec<String> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    let mut text = headers.concat() + &answer.text();
    for named in hrefs.iter().map(String::as_str).chain([path.split('?').next().unwrap()]) {
        text = text.replace(named, "");
    }
    text
}

/// Somebody asks everything, everywhere; in how many answers the word is.
async fn everything(client: &mut Client, who: &str, places: &[String]) -> (usize, Vec<String>) {
    let own = format!("/dav/calendars/{who}/team/");
    let to = [format!("/dav/calendars/{who}/calendar/copy.ics"), format!("{CALENDAR}copy.ics")];
    let hrefs: Vec<String> = [CALENDAR, &own]
        .iter()
        .flat_map(|calendar| {
            [format!("{calendar}{HIDDEN}0.ics"), format!("{calendar}c1.ics"), format!("{calendar}r2.ics")]
        })
        .collect();
    let named: Vec<&str> = hrefs.iter().map(String::as_str).collect();
    let asks = asks::all(&to.each_ref().map(String::as_str), &named);
    let (mut asked, mut faults) = (0, Vec::new());
    for ask in &asks {
        for path in places {
            // The share stays, and the query is for who reads.
            if !worth(ask, path, &own) {
                continue;
            }
            let answer = sent(client, ask, path).await;
            assert!(answer.status < 500, "{who}: {} {path}: {}", ask.verb, answer.text());
            asked += 1;
            let said = said(&answer, path, &hrefs);
            if said.contains(HIDDEN) {
                faults.push(format!(
                    "{who}: {} {path} {:?}: {}\n{said}\n",
                    ask.verb, ask.headers, answer.status
                ));
            }
        }
    }
    (asked, faults)
}

fn worth(ask: &Ask, path: &str, own: &str) -> bool {
    let leaves = path == own && ["DELETE", "MOVE"].contains(&ask.verb);
    let exports = path.contains('?') && !["GET", "HEAD"].contains(&ask.verb);
    !leaves && !exports
}

#[tokio::test]
async fn who_sees_busy_times_alone_is_told_no_word_by_any_method_and_report() {
    let server = Server::start(|_| ()).await;
    let mut alice = stage(&server, true).await;
    let mut bob = server.client("bob").await;
    done(&mut bob, "PROPFIND /dav/", &[("Depth", "0")], "").await;
    grant(&mut alice, CALENDAR, "bob", "C:read-free-busy").await;
    let places = places(&mut alice, "bob").await;
    let (asked, faults) = everything(&mut bob, "bob", &places).await;
    assert!(faults.is_empty() && asked > 700, "{asked}: {}", faults.concat());
    // That times are taken is told, and nothing else.
    let busy = "<C:free-busy-query xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><C:time-range start=\"20260601T000000Z\" end=\"20260602T000000Z\"/>\
        </C:free-busy-query>";
    let told = bob.ask(&format!("REPORT {CALENDAR}"), &[], busy).await;
    assert_eq!((told.status, told.text().contains("\nFREEBUSY")), (200, true), "{}", told.text());
}

#[tokio::test]
async fn who_reads_a_calendar_or_the_home_is_told_no_word_of_what_is_private() {
    let server = Server::start(|_| ()).await;
    let mut alice = stage(&server, false).await;
    for (who, at) in [("carol", CALENDAR), ("dave", "/dav/calendars/alice/")] {
        let mut client = server.client(who).await;
        done(&mut client, "PROPFIND /dav/", &[("Depth", "0")], "").await;
        grant(&mut alice, at, who, "D:read").await;
        let places = places(&mut alice, who).await;
        let (asked, faults) = everything(&mut client, who, &places).await;
        assert!(faults.is_empty() && asked > 700, "{asked}: {}", faults.concat());
        // What came into their own home by a COPY is what they saw.
        let own = client.ask(&format!("GET /dav/calendars/{who}/calendar/?export"), &[], "").await;
        assert!(
            own.is_done() && own.text().contains("BEGIN:VEVENT") && !own.text().contains(HIDDEN),
            "{}",
            own.text()
        );
        let read = client.ask(&format!("GET {CALENDAR}r0.ics"), &[], "").await;
        assert!(read.text().contains("SUMMARY:open"), "{}", read.text());
    }
    // A test that finds nothing could not be looking: its owner is told it all over the place.
    let places: Vec<String> = places(&mut alice, "alice").await;
    let (_, found) = everything(&mut alice, "alice", &places).await;
    assert!(found.len() > 40, "{}", found.len());
}
