//! Many at once: whoever wins, exactly one does, nobody waits for nobody, and a syncer hears of everything.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kalends::caldav::index;
use kalends::config::{HeaderName, Settings};
use kalends::db::Pool;
use kalends::{ical, store};
use server::{Answer, Client, Server, event};
use support::sql;
use tokio::time::timeout;

const CALENDAR: &str = "/dav/calendars/alice/calendar/";

/// Sends this from as many connections at once; gives the answers.
async fn at_once(server: &Server, count: usize, ask: impl AsyncFn(usize, Client) -> Answer) -> Vec<Answer> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(server.client("alice").await);
    }
    join_all(clients.into_iter().enumerate().map(|(nth, client)| ask(nth, client))).await
}

fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

async fn number(pool: &Pool, text: &'static str) -> i64 {
    pool.row(&sql(text), &[]).await.unwrap().at(0).unwrap()
}

async fn alice(server: &Server) -> Client {
    let mut alice = server.client("alice").await;
    let answer = alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    assert_eq!(answer.status, 207, "{}", answer.text());
    alice
}

// ---- first sight ----

/// What there is of one person who came for the first time, however often at once.
async fn assert_one_home(pool: &Pool) {
    assert_eq!(number(pool, "SELECT count(*) FROM principal").await, 1);
    assert_eq!(number(pool, "SELECT count(*) FROM home").await, 1);
    assert_eq!(number(pool, "SELECT count(*) FROM home_state").await, 1);
    assert_eq!(number(pool, "SELECT count(*) FROM calendar").await, 5);
    assert_eq!(number(pool, "SELECT count(*) FROM bind").await, 5);
    assert_eq!(number(pool, "SELECT count(*) FROM property").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_first_requests_of_one_user_make_one_home() {
    let server = Server::start(|_| ()).await;
    let answers = at_once(&server, 50, async |_, mut client| {
        client.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "1")], "").await
    });
    let answers = answers.await;
    assert_eq!(statuses(&answers), BTreeMap::from([(207, 50)]));
    for answer in &answers {
        assert_eq!(answer.text().matches("<D:response>").count(), 6, "the home and five collections");
    }
    assert_one_home(&server.db.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_first_requests_of_one_subject_make_one_home() {
    let server = Server::start(|s| s.identity.subject_header = HeaderName::named("X-Forwarded-Sub")).await;
    let answers = at_once(&server, 50, async |_, client| {
        let mut client = client.always("X-Forwarded-Sub", "f3a1");
        client.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "1")], "").await
    });
    assert_eq!(statuses(&answers.await), BTreeMap::from([(207, 50)]));
    assert_one_home(&server.db.pool).await;
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM principal WHERE subject = 'f3a1'").await, 1);
}

/// A name that passes from one person to another in this very moment: neither ever gets the other's home.
#[tokio::test(flavor = "multi_thread")]
async fn two_subjects_of_one_name_stay_two_people() {
    let server = Server::start(|s| s.identity.subject_header = HeaderName::named("X-Forwarded-Sub")).await;
    let answers = at_once(&server, 20, async |nth, client| {
        let mut client = client.always("X-Forwarded-Sub", ["f3a1", "9c0e"][nth % 2]);
        client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await
    });
    assert_eq!(statuses(&answers.await), BTreeMap::from([(207, 20)]));
    let pool = &server.db.pool;
    assert_eq!(number(pool, "SELECT count(*) FROM principal").await, 2);
    assert_eq!(number(pool, "SELECT count(DISTINCT subject) FROM principal").await, 2);
    assert_eq!(number(pool, "SELECT count(*) FROM calendar").await, 10);
}

/// A person whose name changed, coming by many connections at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_name_at_once_by_many_connections_is_one_person() {
    let server = Server::start(|s| s.identity.subject_header = HeaderName::named("X-Forwarded-Sub")).await;
    let mut before = server.client("alice-before").await.always("X-Forwarded-Sub", "f3a1");
    assert_eq!(before.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    let answers = at_once(&server, 30, async |_, client| {
        let mut client = client.always("X-Forwarded-Sub", "f3a1");
        client.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "1")], "").await
    });
    assert_eq!(statuses(&answers.await), BTreeMap::from([(207, 30)]));
    assert_one_home(&server.db.pool).await;
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM principal WHERE name = 'alice'").await, 1);
}

// ---- exactly one wins ----

#[tokio::test(flavor = "multi_thread")]
async fn of_many_updates_of_one_state_exactly_one_is_made() {
    let server = Server::start(|_| ()).await;
    let mut alice = alice(&server).await;
    let made = alice.ask(&format!("PUT {CALENDAR}a.ics"), &[], event("a", "0")).await;
    let mut etag = made.header("etag").expect("a tag").to_owned();
    for round in 0..5 {
        let tag = &etag;
        let answers = at_once(&server, 20, async |nth, mut client| {
            let body = event("a", &format!("{round}-{nth}"));
            client.ask(&format!("PUT {CALENDAR}a.ics"), &[("If-Match", tag)], body).await
        });
        let answers = answers.await;
        assert_eq!(statuses(&answers), BTreeMap::from([(204, 1), (412, 19)]));
        let winner = answers.iter().find(|a| a.status == 204).expect("one");
        let now = alice.ask(&format!("GET {CALENDAR}a.ics"), &[], "").await;
        assert_eq!(now.header("etag"), winner.header("etag"));
        etag = winner.header("etag").expect("a tag").to_owned();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_creations_of_one_object_exactly_one_is_made() {
    let server = Server::start(|_| ()).await;
    alice(&server).await;
    for round in 0..5 {
        let answers = at_once(&server, 20, async |nth, mut client| {
            let body = event(&format!("{round}-{nth}"), "x");
            client.ask(&format!("PUT {CALENDAR}{round}.ics"), &[("If-None-Match", "*")], body).await
        });
        assert_eq!(statuses(&answers.await), BTreeMap::from([(201, 1), (412, 19)]));
    }
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM object").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_objects_of_one_uid_exactly_one_is_made() {
    let server = Server::start(|_| ()).await;
    alice(&server).await;
    for round in 0..5 {
        let answers = at_once(&server, 20, async |nth, mut client| {
            client.ask(&format!("PUT {CALENDAR}{round}-{nth}.ics"), &[], event(&round.to_string(), "x")).await
        });
        let answers = answers.await;
        assert_eq!(statuses(&answers), BTreeMap::from([(201, 1), (409, 19)]));
        for refused in answers.iter().filter(|a| a.status == 409) {
            assert_eq!(refused.condition().as_deref(), Some("C:no-uid-conflict"));
            assert!(refused.text().contains(&format!("<D:href>{CALENDAR}{round}-")), "{}", refused.text());
        }
    }
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM object").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_calendars_of_one_name_exactly_one_is_made() {
    let server = Server::start(|_| ()).await;
    alice(&server).await;
    let answers = at_once(&server, 20, async |_, mut client| {
        client.ask("MKCALENDAR /dav/calendars/alice/work/", &[], "").await
    });
    assert_eq!(statuses(&answers.await), BTreeMap::from([(201, 1), (405, 19)]));
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM calendar").await, 6);
}

/// Whoever makes a calendar only in a home as they know it (RFC 6578 §5): the first changes it, and no other knew that.
#[tokio::test(flavor = "multi_thread")]
async fn one_calendar_is_made_in_one_state_of_a_home() {
    let ask = "<propfind xmlns=\"DAV:\"><prop><sync-token/></prop></propfind>";
    let server = Server::start(|_| ()).await;
    let told =
        alice(&server).await.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "0")], ask).await.text();
    let token = told.split("sync-token>").nth(1).unwrap().trim_end_matches("</D:");
    let known = format!("</dav/calendars/alice/> (<{token}>)");
    let answers = at_once(&server, 20, async |nth, mut client| {
        client.ask(&format!("MKCALENDAR /dav/calendars/alice/work-{nth}/"), &[("If", &known)], "").await
    });
    assert_eq!(statuses(&answers.await), BTreeMap::from([(201, 1), (412, 19)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_never_has_more_calendars_than_it_may() {
    let server = Server::start(|s| s.calendar.max_collections = 5).await;
    alice(&server).await;
    let answers = at_once(&server, 20, async |nth, mut client| {
        client.ask(&format!("MKCALENDAR /dav/calendars/alice/work-{nth}/"), &[], "").await
    });
    // Two are there from the start.
    assert_eq!(statuses(&answers.await), BTreeMap::from([(201, 3), (403, 17)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_never_has_more_objects_than_it_may() {
    let server = Server::start(|s| s.calendar.max_resources = 7).await;
    alice(&server).await;
    let answers = at_once(&server, 20, async |nth, mut client| {
        client.ask(&format!("PUT {CALENDAR}{nth}.ics"), &[], event(&nth.to_string(), "x")).await
    });
    assert_eq!(statuses(&answers.await), BTreeMap::from([(201, 7), (403, 13)]));
}

/// Property changes, writes and the end of the calendar, all at once, and over again: each has a plain answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_goes_while_it_is_written_gives_plain_answers() {
    const PATCH: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>x</D:displayname>\
        <x xmlns=\"urn:x\">1</x></D:prop></D:set></D:propertyupdate>";
    let server = Server::start(|_| ()).await;
    alice(&server).await;
    let work = "/dav/calendars/alice/work/";
    for _ in 0..5 {
        let answers = at_once(&server, 24, async |nth, mut client| match nth % 4 {
            0 => client.ask(&format!("MKCALENDAR {work}"), &[], "").await,
            1 => client.ask(&format!("PROPPATCH {work}"), &[], PATCH).await,
            2 => client.ask(&format!("PUT {work}{nth}.ics"), &[], event(&nth.to_string(), "x")).await,
            _ => client.ask(&format!("DELETE {work}"), &[], "").await,
        });
        for answer in answers.await {
            assert!(answer.status < 500, "{} {}", answer.status, answer.text());
        }
    }
    // What is left of calendars that are gone would come back with the next calendar of their number, or never leave.
    let orphans = "SELECT count(*) FROM property p WHERE p.calendar_id > 0 AND NOT EXISTS \
                   (SELECT FROM calendar c WHERE c.home_id = p.home_id AND c.id = p.calendar_id)";
    assert_eq!(number(&server.db.pool, orphans).await, 0);
}

/// Moves in both directions, renames of the calendars and copies of them in between: none waits for ever, nothing is lost or
/// there twice.
#[tokio::test(flavor = "multi_thread")]
async fn moves_that_cross_lose_and_double_nothing() {
    let server = Server::start(|_| ()).await;
    let mut first = alice(&server).await;
    let homes = ["/dav/calendars/alice/calendar/", "/dav/calendars/alice/work/"];
    assert_eq!(first.ask(&format!("MKCALENDAR {}", homes[1]), &[], "").await.status, 201);
    for nth in 0..8 {
        let line = format!("PUT {}{nth}.ics", homes[nth % 2]);
        assert_eq!(first.ask(&line, &[], event(&nth.to_string(), "x")).await.status, 201);
    }
    let answers = at_once(&server, 10, async |nth, mut client| {
        let mut last = None;
        for round in nth..nth + 20 {
            let (from, to) = (homes[round % 2], homes[(round + 1) % 2]);
            let (line, to) = match nth {
                8 => (format!("MOVE {from}"), "/dav/calendars/alice/aside/".to_owned()),
                9 => (format!("COPY {from}"), "/dav/calendars/alice/copy/".to_owned()),
                _ => (format!("MOVE {from}{nth}.ics"), format!("{to}{nth}.ics")),
            };
            let answer = client.ask(&line, &[("Destination", &to)], "").await;
            assert!(answer.status < 500, "{line} {to}: {} {}", answer.status, answer.text());
            if nth == 8 && answer.status < 300 {
                let back = client.ask(&format!("MOVE {to}"), &[("Destination", from)], "").await;
                assert!(back.status < 300, "{} {}", back.status, back.text());
            }
            last = Some(answer);
        }
        last.unwrap()
    });
    answers.await;
    let objects =
        "SELECT count(*) FROM object o JOIN bind b ON b.calendar_id = o.calendar_id WHERE b.name <> 'copy'";
    assert_eq!(number(&server.db.pool, objects).await, 8);
    let strays = "SELECT count(*) FROM instance i JOIN object o ON o.id = i.object_id \
                  WHERE i.calendar_id <> o.calendar_id";
    assert_eq!(number(&server.db.pool, strays).await, 0);
}

// ---- nobody waits for nobody ----

/// More readers than there are connections to the database: none may hold one while it waits for another.
/// Whoever waits for a calendar means what has the name when the waiting is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_was_moved_meanwhile_is_not_taken_for_what_has_its_name() {
    const OTHER: &str = "/dav/calendars/alice/other/";
    let server = Server::start(|_| ()).await;
    let mut alice = alice(&server).await;
    let away = "UPDATE bind SET name = 'away' WHERE name = 'work'";
    let replaced = "DELETE FROM calendar WHERE id = (SELECT calendar_id FROM bind WHERE name = 'work');
         DELETE FROM bind WHERE name = 'work'; UPDATE bind SET name = 'work' WHERE name = 'third'";
    for (line, to, meanwhile, status) in [
        ("DELETE", "", away, 404),
        ("MOVE", "/dav/calendars/alice/fourth/", away, 404),
        ("PROPPATCH", "", away, 404),
        ("DELETE", "", replaced, 204),
        ("PUT", "", replaced, 201),
    ] {
        for name in ["work", "third", "other", "away", "fourth"] {
            alice.ask(&format!("DELETE /dav/calendars/alice/{name}/"), &[], "").await;
        }
        for name in ["work", "third"] {
            alice.ask(&format!("MKCALENDAR /dav/calendars/alice/{name}/"), &[], "").await;
        }
        let (path, body) = match line {
            "PUT" => ("/dav/calendars/alice/work/a.ics", event("a", "x")),
            "PROPPATCH" => (
                "/dav/calendars/alice/work/",
                "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x/></D:prop></D:set></D:propertyupdate>"
                    .to_owned(),
            ),
            _ => ("/dav/calendars/alice/work/", String::new()),
        };
        let answer = while_held(&server, &mut alice, meanwhile, (&format!("{line} {path}"), to, body)).await;
        assert_eq!(answer.status, status, "{line} {meanwhile}: {}", answer.text());
        if meanwhile == away {
            let moved = alice.ask("PROPFIND /dav/calendars/alice/away/", &[("Depth", "0")], "").await;
            assert_eq!(moved.status, 207, "{line} took what was moved");
        }
    }
    // The place of a MOVE is free when what was there has gone elsewhere.
    for name in ["work", "other"] {
        alice.ask(&format!("MKCALENDAR /dav/calendars/alice/{name}/"), &[], "").await;
    }
    alice.ask("DELETE /dav/calendars/alice/away/", &[], "").await;
    let line = format!("MOVE {OTHER}");
    let answer =
        while_held(&server, &mut alice, away, (&line, "/dav/calendars/alice/work/", String::new())).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let moved = alice.ask("PROPFIND /dav/calendars/alice/away/", &[("Depth", "0")], "").await;
    assert_eq!(moved.status, 207, "MOVE replaced what was moved");
}

/// Whoever waits for a calendar does with it what they may when the waiting is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waited_for_a_change_of_rights_meets_it() {
    const LIST: &str = "<D:acl xmlns:D=\"DAV:\"><D:ace><D:principal><D:href>/dav/principals/bob/</D:href></D:principal>\
        <D:grant><D:privilege><D:write/></D:privilege></D:grant></D:ace></D:acl>";
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = (alice(&server).await, server.client("bob").await);
    assert_eq!(bob.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    assert_eq!(alice.ask("MKCALENDAR /dav/calendars/alice/work/", &[], "").await.status, 201);
    assert_eq!(alice.ask("ACL /dav/calendars/alice/work/", &[], LIST).await.status, 200);
    let line = "PUT /dav/calendars/alice/work/a.ics";
    let answer = while_held(&server, &mut bob, "DELETE FROM ace", (line, "", event("a", "x"))).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
}

/// Whoever waits for a home does with it what they may when the waiting is over: nobody who was taken out of its list puts
/// themselves back.
#[tokio::test(flavor = "multi_thread")]
async fn who_waited_for_a_home_that_was_closed_to_them_does_nothing_with_it() {
    const HOME: &str = "/dav/calendars/alice/";
    const LIST: &str = "<D:acl xmlns:D=\"DAV:\"><D:ace><D:principal><D:href>/dav/principals/dave/</D:href></D:principal>\
        <D:grant><D:privilege><D:all/></D:privilege></D:grant></D:ace></D:acl>";
    const MEMBERS: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:group-member-set>\
        <D:href>/dav/principals/dave/</D:href></D:group-member-set></D:prop></D:set></D:propertyupdate>";
    const PATCH: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x xmlns=\"urn:x\">1</x></D:prop></D:set>\
        </D:propertyupdate>";
    let server = Server::start(|_| ()).await;
    let (mut alice, mut dave) = (alice(&server).await, server.client("dave").await);
    assert_eq!(dave.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    for name in ["work", "old"] {
        assert_eq!(alice.ask(&format!("MKCALENDAR {HOME}{name}/"), &[], "").await.status, 201);
    }
    assert_eq!(alice.ask(&format!("PUT {HOME}work/a.ics"), &[], event("a", "x")).await.status, 201);
    assert_eq!(alice.ask(&format!("DELETE {HOME}work/a.ics"), &[], "").await.status, 204);
    assert_eq!(alice.ask(&format!("DELETE {HOME}old/"), &[], "").await.status, 204);
    let find = "<propfind xmlns=\"DAV:\"><prop><resourcetype/></prop></propfind>";
    let lying = alice.ask(&format!("PROPFIND {HOME}trash/"), &[("Depth", "1")], find).await.text();
    let paths = || lying.split("<D:href>").skip(1).filter_map(|part| part.split('<').next());
    let entry = |ending: &str| paths().find(|path| path.ends_with(ending)).unwrap().to_owned();
    let old = paths().find(|path| path.contains("calendar-")).unwrap().to_owned();
    let homes =
        "SELECT FROM home_state WHERE home_id = (SELECT id FROM principal WHERE name = 'alice') FOR UPDATE";
    let kept = "SELECT FROM calendar WHERE id = (SELECT calendar_id FROM bind WHERE name = 'work') FOR NO KEY UPDATE";
    let there = format!("{HOME}there/");
    for (hold, line, to, body) in [
        (homes, format!("ACL {HOME}"), "", LIST),
        (homes, "PROPPATCH /dav/principals/alice/calendar-proxy-write/".to_owned(), "", MEMBERS),
        (homes, format!("PROPPATCH {HOME}"), "", PATCH),
        (homes, format!("MKCALENDAR {HOME}new/"), "", ""),
        (homes, format!("DELETE {HOME}work/"), "", ""),
        (homes, format!("MOVE {HOME}work/"), &there, ""),
        (homes, format!("MOVE {old}"), &there, ""),
        (kept, format!("POST {HOME}?action=emptytrash"), "", ""),
        (kept, format!("DELETE {}", entry(".ics")), "", ""),
    ] {
        assert_eq!(alice.ask(&format!("ACL {HOME}"), &[], LIST).await.status, 200);
        let before = number(&server.db.pool, "SELECT max(revision) FROM home_state").await;
        let request = (line.as_str(), to, body.to_owned());
        let answer = while_locked(&server, &mut dave, (hold, "DELETE FROM ace"), request).await;
        let refused =
            answer.status == 403 || answer.text().contains("<D:status>HTTP/1.1 403 Forbidden</D:status>");
        assert!(refused && answer.text().contains("<D:need-privileges>"), "{line}: {}", answer.text());
        assert_eq!(number(&server.db.pool, "SELECT count(*) FROM ace").await, 0, "{line}");
        assert_eq!(number(&server.db.pool, "SELECT max(revision) FROM home_state").await, before, "{line}");
        assert_eq!(number(&server.db.pool, "SELECT count(*) FROM history WHERE trashed").await, 1, "{line}");
    }
}

/// Sends a request while somebody holds the calendar `work`, who then does something and lets go.
async fn while_held(
    server: &Server,
    client: &mut Client,
    meanwhile: &str,
    request: (&str, &str, String),
) -> Answer {
    let hold = "SELECT FROM calendar WHERE id = (SELECT calendar_id FROM bind WHERE name = 'work') FOR NO KEY UPDATE";
    while_locked(server, client, (hold, meanwhile), request).await
}

/// The same of what that statement holds.
async fn while_locked(
    server: &Server,
    client: &mut Client,
    (hold, meanwhile): (&str, &str),
    (line, to, body): (&str, &str, String),
) -> Answer {
    let tx = server.db.pool.begin().await.unwrap();
    tx.batch(hold).await.unwrap();
    let headers = [("Destination", to)];
    let mut waiting = Box::pin(client.ask(line, &headers[usize::from(to.is_empty())..], body));
    assert!(timeout(Duration::from_millis(300), &mut waiting).await.is_err(), "{line} does not wait");
    tx.batch(meanwhile).await.unwrap();
    tx.commit().await.unwrap();
    waiting.await
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_do_not_wait_for_each_other() {
    let server = Server::start(|s| s.database.pool_size = 4).await;
    let mut alice = alice(&server).await;
    for nth in 0..50 {
        alice.ask(&format!("PUT {CALENDAR}{nth}.ics"), &[], event(&nth.to_string(), "x")).await;
    }
    let all = "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token/><D:sync-level>1</D:sync-level>\
               <D:prop><D:displayname/></D:prop></D:sync-collection>";
    let query = "<C:calendar-query xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:allprop/>\
                 <C:filter><C:comp-filter name=\"VCALENDAR\"/></C:filter></C:calendar-query>";
    let multiget = format!(
        "<C:calendar-multiget xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:allprop/>\
         <D:href>{CALENDAR}1.ics</D:href></C:calendar-multiget>"
    );
    let reading = at_once(&server, 64, async |nth, mut client| match nth % 4 {
        0 => client.ask(&format!("PROPFIND {CALENDAR}"), &[("Depth", "1")], "").await,
        1 => client.ask(&format!("REPORT {CALENDAR}"), &[], all).await,
        2 => client.ask(&format!("REPORT {CALENDAR}"), &[], query).await,
        _ => client.ask(&format!("REPORT {CALENDAR}"), &[], &multiget).await,
    });
    let answers = timeout(Duration::from_secs(15), reading).await.expect("they end");
    assert_eq!(statuses(&answers), BTreeMap::from([(207, 64)]));
}

// ---- nothing is lost, nothing is doubled ----

/// What a syncer believes to be in the calendar.
type State = BTreeMap<String, String>;

/// What a writer knows of the objects that only it writes: the octets, or that there is nothing.
type Own = HashMap<String, Option<String>>;

struct Storm {
    writers: usize,
    operations: usize,
    done: AtomicUsize,
    over: AtomicBool,
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Makes, changes and deletes objects: half of them its own, the rest fought for with the other writers.
async fn write(storm: Arc<Storm>, mut client: Client, nth: usize) -> Own {
    let mut dice = Dice(nth as u64);
    let mut own = Own::new();
    for turn in 0..storm.operations / storm.writers {
        let mine = dice.roll(2) == 0;
        let name =
            if mine { format!("own-{nth}-{}", dice.roll(12)) } else { format!("shared-{}", dice.roll(40)) };
        let url = format!("{CALENDAR}{name}.ics");
        let body = event(&name, &format!("{nth}.{turn}"));
        let answer = match dice.roll(8) {
            0..=1 => client.ask(&format!("PUT {url}"), &[("If-None-Match", "*")], &body).await,
            2..=4 => client.ask(&format!("PUT {url}"), &[], &body).await,
            5 => {
                let there = client.ask(&format!("HEAD {url}"), &[], "").await;
                let tag = there.header("etag").unwrap_or("\"none\"").to_owned();
                client.ask(&format!("PUT {url}"), &[("If-Match", &tag)], &body).await
            }
            _ => client.ask(&format!("DELETE {url}"), &[], "").await,
        };
        match answer.status {
            201 | 204 if mine && answer.header("etag").is_some() => drop(own.insert(url, Some(body))),
            204 if mine => drop(own.insert(url, None)),
            201 | 204 | 404 | 412 => {}
            other => panic!("{url}: {other} {}", answer.text()),
        }
        let done = storm.done.fetch_add(1, Relaxed) + 1;
        if done.is_multiple_of(5000) {
            eprintln!("{done} of {} operations", storm.operations);
        }
    }
    own
}

/// Reads one page; a page must be within its limit, and name nothing twice.
async fn turn(client: &mut Client, state: &mut State, token: &mut String) -> bool {
    let page = client.sync(CALENDAR, token, Some(7)).await;
    let mut named: Vec<&String> = page.changed.iter().map(|(href, _)| href).chain(&page.gone).collect();
    let count = named.len();
    assert!(count <= 7, "{count} in a page of 7");
    assert!(!page.cut || count == 7, "{count} in a page that is not the last");
    named.sort();
    named.dedup();
    assert_eq!(named.len(), count, "{page:?}");
    assert!(count > 0 || page.token == *token || token.is_empty(), "a new token for nothing: {page:?}");
    for (href, tag) in page.changed {
        state.insert(href, tag);
    }
    for href in &page.gone {
        state.remove(href);
    }
    *token = page.token;
    page.cut
}

/// Follows the calendar until the writers are done, and keeps what it believed at some moments on the way.
async fn follow(storm: Arc<Storm>, mut client: Client) -> (State, String, Vec<(State, String)>) {
    let (mut state, mut token, mut stops) = (State::new(), String::new(), Vec::new());
    let mut kept = 0;
    while !storm.over.load(Relaxed) {
        turn(&mut client, &mut state, &mut token).await;
        if storm.done.load(Relaxed) >= kept {
            stops.push((state.clone(), token.clone()));
            kept += storm.operations / 10;
        }
    }
    while turn(&mut client, &mut state, &mut token).await {}
    (state, token, stops)
}

async fn storm(writers: usize, operations: usize) {
    let server = Server::start(|_| ()).await;
    alice(&server).await;
    let storm = Storm { writers, operations, done: AtomicUsize::new(0), over: AtomicBool::new(false) };
    let storm = Arc::new(storm);
    let follower = tokio::spawn(follow(Arc::clone(&storm), server.client("alice").await));
    let mut writing = Vec::new();
    for nth in 0..writers {
        writing.push(tokio::spawn(write(Arc::clone(&storm), server.client("alice").await, nth)));
    }
    let began = Instant::now();
    let owned: Vec<Own> = join_all(writing).await.into_iter().map(|own| own.expect("a writer")).collect();
    eprintln!("{} operations in {:?}", storm.done.load(Relaxed), began.elapsed());
    storm.over.store(true, Relaxed);
    let (heard, token, stops) = follower.await.expect("the syncer");

    // A connection that idled all the while would be closed by now.
    let mut alice = server.client("alice").await;
    let members: State = alice.members(CALENDAR).await.into_iter().collect();
    assert_eq!(heard, members, "what the syncer heard is what there is");
    let after = alice.sync(CALENDAR, &token, Some(7)).await;
    assert!(after.changed.is_empty() && after.gone.is_empty() && after.token == token, "{after:?}");
    assert!(stops.len() > 5, "the syncer was there all the time: {}", stops.len());
    for (mut state, mut token) in stops {
        while turn(&mut alice, &mut state, &mut token).await {}
        assert_eq!(state, members, "every token leads to where the others do");
    }
    for (url, octets) in owned.into_iter().flatten() {
        let there = alice.ask(&format!("GET {url}"), &[], "").await;
        match octets {
            Some(octets) => assert_eq!((there.status, there.text()), (200, octets), "{url}"),
            None => assert_eq!(there.status, 404, "{url}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paging_syncer_hears_of_everything_that_sixteen_writers_do() {
    storm(16, 3200).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make soak"]
async fn a_hundred_thousand_operations_lose_and_double_nothing() {
    storm(16, 100_000).await;
}

// ---- the index ----

#[tokio::test]
async fn a_put_that_changes_no_times_writes_no_row_of_the_index() {
    let server = Server::start(|_| ()).await;
    let mut client = alice(&server).await;
    let rows = async || {
        let text = "SELECT count(*)::bigint AS number, min(xmin::text::bigint) AS first, max(xmin::text::bigint) AS last, \
                    min(ctid)::text AS place FROM instance";
        let row = server.db.pool.row(&sql(text), &[]).await.unwrap();
        let numbers: (i64, i64, i64) =
            (row.at("number").unwrap(), row.at("first").unwrap(), row.at("last").unwrap());
        (numbers, row.at::<String>("place").unwrap())
    };
    let daily = event("daily", "one").replace("SUMMARY", "RRULE:FREQ=MONTHLY\r\nSUMMARY");
    let line = format!("PUT {CALENDAR}daily.ics");
    assert_eq!(client.ask(&line, &[], &daily).await.status, 201);
    let before = rows().await;
    assert!(before.0.0 > 1, "{before:?}");
    assert_eq!(client.ask(&line, &[], daily.replace("one", "another")).await.status, 204);
    assert_eq!(rows().await, before, "another summary writes rows");
    assert_eq!(client.ask(&line, &[], daily.replace("T090000Z", "T091500Z")).await.status, 204);
    assert_ne!(rows().await, before, "another time writes none");
}

#[tokio::test]
async fn the_index_is_moved_on_by_any_number_of_nodes_and_answers_are_right_meanwhile() {
    let server = Server::start(|_| ()).await;
    let mut client = alice(&server).await;
    for number in 0..130 {
        let monthly = event(&format!("m{number}"), "one").replace("SUMMARY", "RRULE:FREQ=MONTHLY\r\nSUMMARY");
        let stored = client.ask(&format!("PUT {CALENDAR}m{number}.ics"), &[], monthly).await;
        assert_eq!(stored.status, 201);
    }
    let pool = &server.db.pool;
    let state = async || {
        let text = "SELECT (SELECT count(*) FROM instance)::bigint AS rows, \
                    (SELECT coalesce(sum(starts), 0) FROM instance)::bigint AS sum, \
                    (SELECT count(*) FROM object WHERE horizon > 1 AND pattern IS NOT NULL) AS done, \
                    (SELECT md5(string_agg(revision::text || modified, ',' ORDER BY id)) FROM object) AS seen";
        let row = pool.row(&sql(text), &[]).await.unwrap();
        let numbers: [i64; 3] = [row.at("rows"), row.at("sum"), row.at("done")].map(Result::unwrap);
        (numbers, row.at::<String>("seen").unwrap())
    };
    let query = "<C:calendar-query xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><prop><getetag/></prop><C:filter>\
                 <C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\"><C:time-range start=\"20270101T000000Z\" \
                 end=\"20270201T000000Z\"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>";
    let before = state().await;
    assert!(before.0[0] > 130 * 20 && before.0[2] == 130, "{before:?}");
    let spoil =
        "DELETE FROM instance; UPDATE object SET horizon = 1, tail = -4000000000, pattern = NULL, times = 0";
    pool.client().await.unwrap().batch(spoil).await.unwrap();
    let answer = client.ask(&format!("REPORT {CALENDAR}"), &[("Depth", "1")], query).await;
    assert_eq!(answer.text().matches("getetag>\"").count(), 130, "{}", answer.text());
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let nodes = [(), ()]
        .map(|()| tokio::spawn(index::keep(pool.clone(), Arc::new(Settings::default()), stopping.clone())));
    for _ in 0..600 {
        if state().await.0[2] == 130 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.send_replace(true);
    for node in nodes {
        node.await.unwrap();
    }
    assert_eq!(state().await, before, "rows are lost, doubled, or others are told of a change");
    let answer = client.ask(&format!("REPORT {CALENDAR}"), &[("Depth", "1")], query).await;
    assert_eq!(answer.text().matches("getetag>\"").count(), 130);
}

/// What a node does to an object whose rows end too early, up to the moment before it is committed.
async fn half_renewed(pool: &Pool) -> kalends::db::Tx {
    let home = number(pool, "SELECT id FROM principal").await;
    let tx = pool.begin().await.unwrap();
    let due = store::index::due(&tx, home, i64::MAX, 10).await.unwrap();
    for object in &due {
        let calendar = ical::Calendar::parse(object.body.clone()).unwrap();
        let (index, times) = index::place(&Settings::default(), &calendar);
        let derived = store::index::Derived { index, times, access: 0 };
        store::index::renew(&tx, home, object, Some(&derived)).await.unwrap();
    }
    assert_eq!(due.len(), 1);
    tx
}

#[tokio::test]
async fn an_event_that_is_moved_while_the_index_moves_on_is_no_longer_found_where_it_was() {
    let server = Server::start(|_| ()).await;
    let mut client = alice(&server).await;
    let pool = &server.db.pool;
    let monthly = event("m", "one").replace("SUMMARY", "RRULE:FREQ=MONTHLY\r\nSUMMARY");
    assert_eq!(client.ask(&format!("PUT {CALENDAR}m.ics"), &[], &*monthly).await.status, 201);
    assert_eq!(client.ask("MKCALENDAR /dav/calendars/alice/other/", &[], "").await.status, 201);
    let spoil = "UPDATE object SET horizon = 1, times = 0";
    let elsewhere = "SELECT count(*) FROM instance i JOIN object o ON o.id = i.object_id WHERE i.calendar_id <> o.calendar_id";

    pool.client().await.unwrap().batch(spoil).await.unwrap();
    let node = half_renewed(pool).await;
    let path = format!("PUT {CALENDAR}m.ics");
    let later = monthly.replace("20260301", "20260315");
    let put = async { client.ask(&path, &[], later).await.status };
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        node.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(put, commit).0, 204);
    let old = "SELECT count(*) FROM instance WHERE (starts - 1772355600) % 86400 = 0 AND extract(day FROM to_timestamp(starts)) = 1";
    assert_eq!(number(pool, old).await, 0, "rows of times that the event no longer has");

    pool.client().await.unwrap().batch(spoil).await.unwrap();
    let node = half_renewed(pool).await;
    let path = format!("MOVE {CALENDAR}m.ics");
    let to = [("Destination", "/dav/calendars/alice/other/m.ics")];
    let moved = async { client.ask(&path, &to, "").await.status };
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        node.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(moved, commit).0, 201);
    assert_eq!(number(pool, elsewhere).await, 0, "the calendar it has left still finds it");
}
