//! Calendars of others in one's own home: what can be done with them there, what is told of them, and what they cost.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use server::{Answer, Client, Server, event};
use tokio::sync::Mutex;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const WORK: &str = "/dav/calendars/alice/work/";
const SEEN: &str = "/dav/calendars/bob/work/";
const HOME: &str = "/dav/calendars/bob/";

/// Statements that were sent to the database for requests: what the server does of itself comes when it comes.
static STATEMENTS: AtomicUsize = AtomicUsize::new(0);
/// Held by each test, for the statements of all are counted.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Count;

impl<S: tracing::Subscriber> Layer<S> for Count {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, within: Context<'_, S>) {
        let asked = span.metadata().name() == "statement" && within.current_span().id().is_some();
        STATEMENTS.fetch_add(usize::from(asked), Relaxed);
    }
}

async fn someone(server: &Server, name: &str) -> Client {
    let mut client = server.client(name).await;
    assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    client
}

/// Alice grants these to somebody on a resource of hers, and nothing to anybody else.
async fn grant(alice: &mut Client, path: &str, who: &str, privileges: &[&str]) {
    let grants = [(who, privileges)];
    list(alice, path, if privileges.is_empty() { &[] } else { &grants }).await;
}

/// Alice grants these, each to somebody.
async fn list(alice: &mut Client, path: &str, grants: &[(&str, &[&str])]) {
    let ace = |&(who, privileges): &(&str, &[&str])| {
        let each = privileges.iter().map(|name| format!("<D:privilege><{name}/></D:privilege>"));
        format!(
            "<D:ace><D:principal><D:href>/dav/principals/{who}/</D:href></D:principal><D:grant>{}</D:grant></D:ace>",
            each.collect::<String>()
        )
    };
    let list = format!("<D:acl {NAMESPACES}>{}</D:acl>", grants.iter().map(ace).collect::<String>());
    let answer = alice.ask(&format!("ACL {path}"), &[], list).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Alice's calendar with an event in it, which bob sees in his home and may do this with.
async fn shared(server: &Server, privileges: &[&str]) -> (Client, Client) {
    let (mut alice, bob) = (someone(server, "alice").await, someone(server, "bob").await);
    assert_eq!(alice.ask(&format!("MKCALENDAR {WORK}"), &[], "").await.status, 201);
    assert_eq!(alice.ask(&format!("PUT {WORK}a.ics"), &[], event("a", "hers")).await.status, 201);
    grant(&mut alice, WORK, "bob", privileges).await;
    server.bind("alice", "work", "bob").await;
    (alice, bob)
}

const NAMESPACES: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" \
    xmlns:CS=\"http://calendarserver.org/ns/\" xmlns:I=\"http://apple.com/ns/ical/\" xmlns:X=\"urn:x\"";

/// The property as the resource has it, its content as text; nothing where it does not.
async fn property(client: &mut Client, path: &str, name: &str) -> Option<String> {
    let body = format!("<D:propfind {NAMESPACES}><D:prop><{name}/></D:prop></D:propfind>");
    let answer = client.ask(&format!("PROPFIND {path}"), &[("Depth", "0")], body).await;
    assert_eq!(answer.status, 207, "{path}: {}", answer.text());
    let text = answer.text();
    let inside = text.split("<D:prop>").nth(1)?.split("</D:prop>").next()?;
    text.contains("200 OK").then(|| inside.to_owned())
}

/// Sets a property, or removes it.
async fn patch(client: &mut Client, path: &str, set: bool, property: &str) -> Answer {
    let act = if set { "set" } else { "remove" };
    let body = format!(
        "<D:propertyupdate {NAMESPACES}><D:{act}><D:prop>{property}</D:prop></D:{act}></D:propertyupdate>"
    );
    client.ask(&format!("PROPPATCH {path}"), &[], body).await
}

async fn done(client: &mut Client, path: &str, set: bool, property: &str) {
    let answer = patch(client, path, set, property).await;
    assert!(answer.status == 207 && answer.text().contains("200 OK"), "{property}: {}", answer.text());
}

#[tokio::test]
async fn what_is_somebody_else_s_is_read_as_if_it_lay_there() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = shared(&server, &["D:read", "D:write"]).await;
    let types = property(&mut bob, SEEN, "D:resourcetype").await.unwrap();
    assert!(types.contains("<CS:shared/>"), "{types}");
    let types = property(&mut alice, WORK, "D:resourcetype").await.unwrap();
    assert!(!types.contains("CS:shared/"), "{types}");
    for path in [SEEN.to_owned(), format!("{SEEN}a.ics")] {
        let owner = property(&mut bob, &path, "D:owner").await.unwrap();
        assert!(owner.contains("/dav/principals/alice/"), "{owner}");
    }
    assert_eq!(
        property(&mut bob, SEEN, "D:sync-token").await,
        property(&mut alice, WORK, "D:sync-token").await
    );
    // The home lists it.
    let names: Vec<String> = bob.collections(HOME).await.into_iter().map(|(path, _)| path).collect();
    assert!(names.contains(&SEEN.to_owned()), "{names:?}");
    // What is in it, by every way.
    let (theirs, hers) = (
        bob.ask(&format!("GET {SEEN}a.ics"), &[], "").await,
        alice.ask(&format!("GET {WORK}a.ics"), &[], "").await,
    );
    assert_eq!((theirs.status, &theirs.body, theirs.header("etag")), (200, &hers.body, hers.header("etag")));
    assert_eq!(bob.ask(&format!("HEAD {SEEN}a.ics"), &[], "").await.status, 200);
    let part = bob.ask(&format!("GET {SEEN}a.ics"), &[("Range", "bytes=0-14")], "").await;
    assert_eq!((part.status, part.text().as_str()), (206, "BEGIN:VCALENDAR"));
    assert!(bob.ask(&format!("GET {SEEN}?export"), &[], "").await.text().contains("SUMMARY:hers"));
    assert_eq!(bob.members(SEEN).await.len(), 1);
    let filter = "<C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">\
        <C:time-range start=\"20260301T000000Z\" end=\"20260302T000000Z\"/></C:comp-filter></C:comp-filter></C:filter>";
    let window = "<C:time-range start=\"20260301T000000Z\" end=\"20260302T000000Z\"/>";
    for (report, inside, told) in [
        ("C:calendar-query", format!("<D:prop><C:calendar-data/></D:prop>{filter}"), "SUMMARY:hers"),
        (
            "C:calendar-multiget",
            format!("<D:prop><C:calendar-data/></D:prop><D:href>{SEEN}a.ics</D:href>"),
            "SUMMARY:hers",
        ),
        (
            "D:sync-collection",
            "<D:sync-token/><D:sync-level>1</D:sync-level><D:prop/>".to_owned(),
            "/bob/work/a.ics",
        ),
        ("C:free-busy-query", window.to_owned(), "FBTYPE=BUSY:20260301T090000Z"),
        (
            "D:expand-property",
            "<D:property name=\"owner\"><D:property name=\"principal-URL\"/></D:property>".to_owned(),
            "/alice/",
        ),
    ] {
        let answer = bob
            .ask(&format!("REPORT {SEEN}"), &[], format!("<{report} {NAMESPACES}>{inside}</{report}>"))
            .await;
        assert!(answer.is_done() && answer.text().contains(told), "{report}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_home_tells_whose_it_is_and_the_same_of_itself_with_it_and_alone() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (_alice, mut bob) = shared(&server, &["D:read", "D:write"]).await;
    for (name, told) in [
        ("D:owner", "/dav/principals/alice/"),
        ("CS:shared-url", WORK),
        ("CS:invite", "<CS:organizer><D:href>/dav/principals/alice/</D:href>"),
    ] {
        let body = format!("<D:propfind {NAMESPACES}><D:prop><{name}/></D:prop></D:propfind>");
        let answer = bob.ask(&format!("PROPFIND {HOME}"), &[("Depth", "1")], body).await.text();
        assert_eq!(answer.matches(told).count(), 1, "{name}: {answer}");
    }
    // Its own state is the same, whether it is told with what is in it or by itself.
    for name in ["CS:getctag", "D:sync-token"] {
        let alone = property(&mut bob, HOME, name).await.unwrap();
        let body = format!("<D:propfind {NAMESPACES}><D:prop><{name}/></D:prop></D:propfind>");
        let answer = bob.ask(&format!("PROPFIND {HOME}"), &[("Depth", "1")], body).await.text();
        assert!(
            answer.contains(&format!("<D:href>{HOME}</D:href><D:propstat><D:prop>{alone}</D:prop>")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_is_changed_here_is_changed_there() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = shared(&server, &["D:read", "D:write"]).await;
    assert_eq!(bob.ask(&format!("PUT {SEEN}b.ics"), &[], event("b", "his")).await.status, 201);
    assert!(alice.ask(&format!("GET {WORK}b.ics"), &[], "").await.text().contains("SUMMARY:his"));
    assert_eq!(bob.ask(&format!("DELETE {SEEN}a.ics"), &[], "").await.status, 204);
    assert_eq!(alice.ask(&format!("GET {WORK}a.ics"), &[], "").await.status, 404);
    let batch =
        bob.ask(&format!("POST {SEEN}"), &[("Content-Type", "text/calendar")], event("c", "batch")).await;
    assert!(batch.status == 207 && batch.text().contains("/bob/work/"), "{}", batch.text());
    assert_eq!(
        batch.header("ctag"),
        alice
            .collections("/dav/calendars/alice/")
            .await
            .iter()
            .find(|(path, _)| path == WORK)
            .map(|(_, tag)| tag.as_str())
    );
    assert_eq!(alice.members(WORK).await.len(), 2);
    // It is taken out by no MOVE, and put in by both.
    let to = |path: &'static str| [("Destination", path)];
    let out = bob.ask(&format!("MOVE {SEEN}b.ics"), &to("/dav/calendars/bob/calendar/b.ics"), "").await;
    assert_eq!((out.status, alice.members(WORK).await.len()), (403, 2));
    assert_eq!(
        bob.ask(&format!("COPY {SEEN}b.ics"), &to("/dav/calendars/bob/calendar/b.ics"), "").await.status,
        201
    );
    assert_eq!(
        bob.ask(&format!("MOVE {SEEN}b.ics"), &to("/dav/calendars/bob/work/c.ics"), "").await.status,
        201
    );
    bob.ask("PUT /dav/calendars/bob/calendar/d.ics", &[], event("d", "own")).await;
    assert_eq!(
        bob.ask("MOVE /dav/calendars/bob/calendar/d.ics", &to("/dav/calendars/bob/work/d.ics"), "")
            .await
            .status,
        201
    );
    assert!(alice.ask(&format!("GET {WORK}d.ics"), &[], "").await.text().contains("SUMMARY:own"));
    assert_eq!(bob.ask("GET /dav/calendars/bob/calendar/d.ics", &[], "").await.status, 404);
}

#[tokio::test]
async fn what_is_said_of_it_is_one_s_own() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = shared(&server, &["D:read"]).await;
    for value in [
        "<D:displayname>Hers</D:displayname>",
        "<I:calendar-color>#111111</I:calendar-color>",
        "<X:note>hers</X:note>",
        "<C:schedule-calendar-transp><C:opaque/></C:schedule-calendar-transp>",
        "<C:calendar-timezone-id>Europe/Paris</C:calendar-timezone-id>",
    ] {
        done(&mut alice, WORK, true, value).await;
    }
    // Until something is said, what the owner says of it, but for what is hers alone.
    assert!(property(&mut bob, SEEN, "D:displayname").await.unwrap().contains(">Hers<"));
    assert!(property(&mut bob, SEEN, "I:calendar-color").await.unwrap().contains("#111111"));
    assert_eq!(property(&mut bob, SEEN, "X:note").await, None);
    assert!(property(&mut bob, SEEN, "C:schedule-calendar-transp").await.unwrap().contains("C:transparent"));
    assert!(property(&mut bob, SEEN, "C:calendar-timezone-id").await.unwrap().contains("Europe/Paris"));
    // To read it is enough to say something else.
    for (value, name) in [
        ("<D:displayname>His</D:displayname>", "D:displayname"),
        ("<X:note>his</X:note>", "X:note"),
        ("<C:calendar-description>His</C:calendar-description>", "C:calendar-description"),
        ("<I:calendar-order>7</I:calendar-order>", "I:calendar-order"),
    ] {
        done(&mut bob, SEEN, true, value).await;
        assert!(
            property(&mut bob, SEEN, name)
                .await
                .unwrap()
                .to_ascii_lowercase()
                .contains(&value.split(['<', '>']).nth(2).unwrap().to_ascii_lowercase()),
            "{name}"
        );
        assert!(!property(&mut alice, WORK, name).await.unwrap_or_default().contains("is</D"), "{name}");
    }
    assert!(property(&mut alice, WORK, "D:displayname").await.unwrap().contains(">Hers<"));
    assert!(property(&mut alice, WORK, "X:note").await.unwrap().contains("hers"));
    let listing = bob
        .ask(
            &format!("PROPFIND {HOME}"),
            &[("Depth", "1")],
            format!(
                "<D:propfind {NAMESPACES}><D:prop><D:displayname/><I:calendar-color/></D:prop></D:propfind>"
            ),
        )
        .await
        .text();
    assert!(listing.contains(">His</D:displayname>") && listing.contains("#111111"), "{listing}");
    // A zone is one thing in two forms.
    let zone = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
        TZOFFSETFROM:+0000\r\nTZOFFSETTO:+0000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n";
    done(&mut bob, SEEN, true, &format!("<C:calendar-timezone>{zone}</C:calendar-timezone>")).await;
    assert!(!property(&mut bob, SEEN, "C:calendar-timezone-id").await.unwrap().contains("Paris"));
    done(&mut bob, SEEN, false, "<D:displayname/>").await;
    assert!(property(&mut bob, SEEN, "D:displayname").await.unwrap().contains("Hers"));
    // Thunderbird would take it for leave to write.
    let privileges = property(&mut bob, SEEN, "D:current-user-privilege-set").await.unwrap();
    assert!(!privileges.contains("write"), "{privileges}");
    // What is in it is not one's own.
    assert_eq!(patch(&mut bob, &format!("{SEEN}a.ics"), true, "<X:note>his</X:note>").await.status, 403);
    assert_eq!(patch(&mut bob, WORK, true, "<D:displayname>His</D:displayname>").await.status, 403);
    assert_eq!(bob.ask(&format!("PUT {SEEN}a.ics"), &[], event("a", "his")).await.status, 403);
}

#[tokio::test]
async fn it_makes_nobody_busy_until_they_say_so() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (_alice, mut bob) = shared(&server, &["D:read"]).await;
    let mut carol = someone(&server, "carol").await;
    grant(&mut bob, HOME, "carol", &["C:read-free-busy"]).await;
    let path = format!("GET {HOME}freebusy?start=20260301T000000Z&end=20260302T000000Z");
    assert!(!carol.ask(&path, &[], "").await.text().contains("FBTYPE="));
    let transparency =
        |local| format!("<C:schedule-calendar-transp><C:{local}/></C:schedule-calendar-transp>");
    done(&mut bob, SEEN, true, &transparency("opaque")).await;
    assert!(carol.ask(&path, &[], "").await.text().contains("FBTYPE=BUSY:20260301T090000Z"));
    done(&mut bob, SEEN, true, &transparency("transparent")).await;
    assert!(!carol.ask(&path, &[], "").await.text().contains("FBTYPE="));
}

#[tokio::test]
async fn whoever_leaves_takes_nothing_along_and_hears_of_it_once() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = shared(&server, &["D:read"]).await;
    let tag = "CS:getctag";
    let mut tags = vec![property(&mut bob, HOME, tag).await];
    let first = bob.sync_home(HOME, "", "infinite", None).await.unwrap();
    assert!(first.changed.iter().any(|(path, _)| *path == format!("{SEEN}a.ics")), "{:?}", first.changed);
    let mut token = first.token;
    // A change of what is in it is a change of the home.
    alice.ask(&format!("PUT {WORK}b.ics"), &[], event("b", "x")).await;
    tags.push(property(&mut bob, HOME, tag).await);
    let page = bob.sync_home(HOME, &token, "infinite", None).await.unwrap();
    let paths: Vec<&str> = page.changed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!((paths, page.gone.len()), (vec![SEEN, "/dav/calendars/bob/work/b.ics"], 0));
    token = page.token;
    // Another name for it is one's own affair.
    let moved = bob.ask(&format!("MOVE {SEEN}"), &[("Destination", "/dav/calendars/bob/hers/")], "").await;
    assert_eq!(moved.status, 201, "{}", moved.text());
    tags.push(property(&mut bob, HOME, tag).await);
    assert_eq!(bob.ask(&format!("GET {SEEN}a.ics"), &[], "").await.status, 404);
    assert_eq!(bob.ask("GET /dav/calendars/bob/hers/a.ics", &[], "").await.status, 200);
    assert_eq!(alice.ask(&format!("GET {WORK}a.ics"), &[], "").await.status, 200);
    let page = bob.sync_home(HOME, &token, "1", None).await.unwrap();
    assert_eq!((page.changed.len(), &page.gone[..]), (1, &[SEEN.to_owned()][..]));
    token = page.token;
    // Its name is taken, and it is not copied as a whole.
    assert_eq!(bob.ask("MKCALENDAR /dav/calendars/bob/hers/", &[], "").await.status, 405);
    assert_eq!(
        bob.ask("COPY /dav/calendars/bob/hers/", &[("Destination", "/dav/calendars/bob/copy/")], "")
            .await
            .status,
        403
    );
    done(&mut bob, "/dav/calendars/bob/hers/", true, "<D:displayname>His</D:displayname>").await;
    // A lock of the owner is about what is in it, and not about its name here.
    let lock = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>";
    assert_eq!(alice.ask(&format!("LOCK {WORK}"), &[], lock).await.status, 200);
    assert_eq!(bob.ask("DELETE /dav/calendars/bob/hers/", &[], "").await.status, 204);
    tags.push(property(&mut bob, HOME, tag).await);
    assert_eq!(alice.members(WORK).await.len(), 2);
    let page = bob.sync_home(HOME, &token, "infinite", None).await.unwrap();
    assert_eq!((page.changed.len(), &page.gone[..]), (0, &["/dav/calendars/bob/hers/".to_owned()][..]));
    assert_eq!(bob.ask("GET /dav/calendars/bob/hers/a.ics", &[], "").await.status, 404);
    // It comes anew, with nothing that was said of it before; and goes with what it leads to.
    server.bind("alice", "work", "bob").await;
    tags.push(property(&mut bob, HOME, tag).await);
    assert_eq!(property(&mut bob, SEEN, "D:displayname").await, None);
    token = bob.sync_home(HOME, &page.token, "infinite", None).await.unwrap().token;
    assert_eq!(alice.ask("MKCALENDAR /dav/calendars/alice/other/", &[], "").await.status, 201);
    let locked = alice.ask(&format!("DELETE {WORK}"), &[], "").await;
    assert_eq!(locked.status, 423, "{}", locked.text());
    let over = alice.ask("MOVE /dav/calendars/alice/other/", &[("Destination", WORK)], "").await;
    assert_eq!(over.status, 423);
    let held = property(&mut alice, WORK, "D:lockdiscovery").await.unwrap();
    let held = format!("<urn:uuid:{}>", held.split("urn:uuid:").nth(1).unwrap().split('<').next().unwrap());
    assert_eq!(alice.ask(&format!("DELETE {WORK}"), &[("If", &format!("({held})"))], "").await.status, 204);
    tags.push(property(&mut bob, HOME, tag).await);
    let page = bob.sync_home(HOME, &token, "infinite", None).await.unwrap();
    assert_eq!((page.changed.len(), &page.gone[..]), (0, &[SEEN.to_owned()][..]));
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 6, "no tag of the home comes twice");
}

#[tokio::test]
async fn nobody_gets_further_by_the_home_of_another() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = shared(&server, &["D:read"]).await;
    let mut carol = someone(&server, "carol").await;
    let mut asks = async |what: &str| carol.ask(&format!("{what}a.ics"), &[], "").await.status;
    // Who may do something in one of the two homes alone.
    grant(&mut bob, HOME, "carol", &["D:all"]).await;
    assert_eq!(asks(&format!("GET {SEEN}")).await, 403);
    grant(&mut bob, HOME, "carol", &[]).await;
    list(&mut alice, WORK, &[("bob", &["D:read"]), ("carol", &["D:all"])]).await;
    assert_eq!(asks(&format!("GET {SEEN}")).await, 403);
    assert_eq!(asks(&format!("DELETE {SEEN}")).await, 403);
    // Who may do something in both may do what they may in both.
    grant(&mut bob, HOME, "carol", &["D:read"]).await;
    assert_eq!(asks(&format!("GET {SEEN}")).await, 200);
    assert_eq!(asks(&format!("DELETE {SEEN}")).await, 403);
    let listed = |client: Vec<(String, String)>| client.iter().any(|(path, _)| path == SEEN);
    assert!(listed(carol.collections(HOME).await));
    assert_eq!(patch(&mut carol, SEEN, true, "<D:displayname>Whose</D:displayname>").await.status, 403);
    grant(&mut bob, HOME, "carol", &["D:read", "D:write"]).await;
    assert_eq!(carol.ask(&format!("DELETE {SEEN}a.ics"), &[], "").await.status, 204);
    // Who lost what they had sees the name no more, which goes; where it stays, as of whom a group let in, it is not told.
    grant(&mut alice, WORK, "carol", &[]).await;
    assert_eq!(bob.ask(&format!("PROPFIND {SEEN}"), &[("Depth", "0")], "").await.status, 404);
    server.bind("alice", "work", "bob").await;
    assert!(!listed(carol.collections(HOME).await) && !listed(bob.collections(HOME).await));
    assert_eq!(bob.ask(&format!("PROPFIND {SEEN}"), &[("Depth", "0")], "").await.status, 403);
    assert_eq!(bob.ask(&format!("DELETE {SEEN}"), &[], "").await.status, 204);
}

#[tokio::test]
async fn who_may_decide_decides_for_the_owner() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = shared(&server, &["D:read", "D:read-acl", "D:write-acl"]).await;
    someone(&server, "carol").await;
    let list = property(&mut bob, SEEN, "D:acl").await.unwrap();
    assert!(list.contains("/dav/principals/bob/"), "{list}");
    grant(&mut bob, SEEN, "carol", &["D:read"]).await;
    let list = property(&mut alice, WORK, "D:acl").await.unwrap();
    assert!(list.contains("/dav/principals/carol/") && !list.contains("/dav/principals/bob/"), "{list}");
    // Who takes themselves out of the list is not there any more; what they have by the home's list, they may see.
    assert_eq!(bob.ask(&format!("PROPFIND {SEEN}"), &[("Depth", "0")], "").await.status, 404);
    grant(&mut alice, "/dav/calendars/alice/", "bob", &["D:all"]).await;
    server.bind("alice", "work", "bob").await;
    let list = property(&mut bob, SEEN, "D:acl").await.unwrap();
    assert!(list.contains("<D:inherited><D:href>/dav/calendars/alice/</D:href></D:inherited>"), "{list}");
}

/// How many statements a request takes at least, once all is prepared: now and then one looks as well how much is kept.
async fn cost(client: &mut Client, line: &str, headers: &[(&str, &str)], body: &str) -> usize {
    client.ask(line, headers, body).await;
    let mut least = usize::MAX;
    for _ in 0..4 {
        let sent = STATEMENTS.load(Relaxed);
        let answer = client.ask(line, headers, body).await;
        assert!(answer.is_done(), "{line}: {}", answer.text());
        least = least.min(STATEMENTS.load(Relaxed) - sent);
    }
    least
}

#[tokio::test(flavor = "multi_thread")]
async fn one_s_own_costs_no_more_and_somebody_else_s_one_statement() {
    let _alone = ALONE.lock().await;
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Count));
    let server = Server::start(|_| ()).await;
    let (_alice, mut bob) = shared(&server, &["D:read", "D:write"]).await;
    let own = "/dav/calendars/bob/calendar/";
    bob.ask(&format!("PUT {own}a.ics"), &[], event("a", "x")).await;
    let named = format!(
        "<D:propfind {NAMESPACES}><D:prop><D:resourcetype/><D:displayname/><CS:getctag/></D:prop></D:propfind>"
    );
    let filter = "<C:filter><C:comp-filter name=\"VCALENDAR\"/></C:filter>";
    let query =
        format!("<C:calendar-query {NAMESPACES}><D:prop><D:getetag/></D:prop>{filter}</C:calendar-query>");
    let put = event("a", "y");
    for (method, member, depth, body, more) in [
        ("GET", "a.ics", "0", "", 1),
        ("PROPFIND", "", "0", named.as_str(), 1),
        ("PROPFIND", "", "1", named.as_str(), 1),
        ("PROPFIND", "a.ics", "0", named.as_str(), 1),
        ("REPORT", "", "1", query.as_str(), 1),
        // Whoever writes to what is somebody else's has their rights looked up when they hold it, and what is there is read:
        // what is their own of it is taken apart.
        ("PUT", "a.ics", "0", put.as_str(), 3),
    ] {
        let here = cost(&mut bob, &format!("{method} {own}{member}"), &[("Depth", depth)], body).await;
        let there = cost(&mut bob, &format!("{method} {SEEN}{member}"), &[("Depth", depth)], body).await;
        assert!(here > 0);
        assert_eq!(there, here + more, "{method} {member}");
    }
    // However many there are, of however many owners, and whatever of the home is made of them.
    let mut carol = someone(&server, "carol").await;
    let home = "PROPFIND /dav/calendars/carol/";
    let plain = named.replace("<CS:getctag/>", "");
    let whose = named.replace("<CS:getctag/>", "<CS:getctag/><D:owner/><CS:shared-url/>");
    let mut costs = async || {
        let mut all = Vec::new();
        for (depth, body) in [("1", &plain), ("1", &named), ("1", &whose), ("0", &plain), ("0", &named)] {
            all.push(cost(&mut carol, home, &[("Depth", depth)], body).await);
        }
        all
    };
    let without = costs().await;
    for nth in 0..50 {
        let owner = format!("owner-{nth}");
        let mut client = someone(&server, &owner).await;
        let calendar = format!("/dav/calendars/{owner}/calendar/");
        grant(&mut client, &calendar, "carol", &["D:read"]).await;
        server.bind(&owner, "calendar", "carol").await;
    }
    let with = costs().await;
    let more: Vec<usize> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
    assert_eq!(more, [1, 1, 1, 0, 1], "{without:?} {with:?}");
    assert_eq!(carol.collections("/dav/calendars/carol/").await.len(), 55);
}
