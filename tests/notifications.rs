//! What the server puts into a home for somebody to read: bounded, heard of by every device, and gone for all when one has dealt with it.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use futures_util::future::join_all;
use kalends::boot::{notify, upkeep};
use kalends::caldav::fullness;
use kalends::config::{Settings, Size};
use kalends::store::notification::{self, MOST, MOST_OCTETS};
use kalends::store::{Notification, principal};
use server::{Server, notice};

const PLACE: &str = "/dav/calendars/alice/notifications/";

async fn arrive(server: &Server) -> (server::Client, i64) {
    let mut alice = server.client("alice").await;
    alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    let who = principal::by_name(&server.db.pool, "alice").await.unwrap().unwrap();
    (alice, who.id)
}

async fn put(server: &Server, home: i64, all: &[Notification]) {
    let tx = server.db.pool.begin().await.unwrap();
    for one in all {
        notification::put(&tx, home, one).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn one_is_listed_by_its_kind_read_and_deleted_and_nobody_writes_it() {
    let server = Server::start(|_| {}).await;
    let (mut alice, home) = arrive(&server).await;
    let first = alice.sync(PLACE, "", None).await;
    let told = notice("a.xml", "Work");
    put(&server, home, std::slice::from_ref(&told)).await;
    let ask = "<D:propfind xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:prop><D:resourcetype/><D:getetag/>\
               <D:getcontenttype/><D:getlastmodified/><D:getcontentlength/><CS:notificationtype/></D:prop></D:propfind>";
    let list = alice.ask(&format!("PROPFIND {PLACE}"), &[("Depth", "1")], ask).await.text();
    for part in [
        "<D:resourcetype></D:resourcetype>",
        "<D:getcontenttype>application/xml; charset=utf-8</D:getcontenttype>",
        "<CS:invite-reply/></CS:notificationtype>",
        "<D:resourcetype><D:collection/><CS:notification/><CS:notifications/></D:resourcetype>",
    ] {
        assert!(list.contains(part), "{part} in {list}");
    }
    let path = format!("{PLACE}a.xml");
    let got = alice.ask(&format!("GET {path}"), &[], "").await;
    assert_eq!((got.status, &got.body), (200, &told.body.to_vec()));
    assert!(list.contains(got.header("etag").unwrap()), "{list}");
    let tag = got.header("etag").unwrap().to_owned();
    assert_eq!(alice.ask(&format!("GET {path}"), &[("If-None-Match", &tag)], "").await.status, 304);
    assert_eq!(alice.ask(&format!("HEAD {path}"), &[], "").await.status, 200);
    for name in ["a.xml", "new.xml"] {
        let answer = alice.ask(&format!("PUT {PLACE}{name}"), &[], server::event("a", "x")).await;
        assert_eq!((answer.status, answer.condition().as_deref()), (403, Some("D:need-privileges")));
    }
    let to = [("Destination", "/dav/calendars/alice/notifications/b.xml"), ("Depth", "0")];
    let from = [("Destination", "/dav/calendars/alice/calendar/b.ics"), ("Depth", "0")];
    assert_eq!(
        alice.ask("PUT /dav/calendars/alice/calendar/o.ics", &[], server::event("o", "x")).await.status,
        201
    );
    for verb in ["COPY", "MOVE"] {
        assert_eq!(
            alice.ask(&format!("{verb} /dav/calendars/alice/calendar/o.ics"), &to, "").await.status,
            403
        );
        assert_eq!(alice.ask(&format!("{verb} {path}"), &from, "").await.status, 405);
    }
    for verb in ["PROPPATCH", "LOCK", "POST", "ACL"] {
        let answer = alice.ask(&format!("{verb} {path}"), &[], "").await;
        assert_eq!(answer.status, 405, "{verb}");
        assert!(!answer.header("allow").unwrap().contains("PUT"));
    }
    let changed = alice.sync(PLACE, &first.token, None).await;
    assert_eq!(changed.changed, [(path.clone(), tag)]);
    assert_eq!(alice.ask(&format!("DELETE {path}"), &[("If-Match", "\"other\"")], "").await.status, 412);
    assert_eq!(alice.ask(&format!("DELETE {path}"), &[], "").await.status, 204);
    assert_eq!(alice.ask(&format!("GET {path}"), &[], "").await.status, 404);
    assert_eq!(alice.sync(PLACE, &changed.token, None).await.gone, [path]);
    let home = alice.ask(&format!("DELETE {PLACE}b.xml"), &[], "").await;
    assert_eq!(home.status, 404);
}

#[tokio::test]
async fn a_home_is_told_of_them_without_calendar_data() {
    let server = Server::start(|_| {}).await;
    let (mut alice, home) = arrive(&server).await;
    put(&server, home, &[notice("a.xml", "x")]).await;
    let body = "<D:sync-collection xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:sync-token/>\
                <D:sync-level>infinite</D:sync-level><D:prop><D:getetag/><C:calendar-data/></D:prop></D:sync-collection>";
    let answer = alice.ask("REPORT /dav/calendars/alice/", &[], body).await;
    assert_eq!(answer.status, 207);
    let text = answer.text();
    let of_it = text.split("<D:response>").find(|part| part.contains("a.xml")).unwrap();
    assert!(of_it.contains("<D:getetag>") && of_it.contains("404 Not Found"), "{of_it}");
    // What somebody is told takes nothing of what they may keep.
    let ask = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:quota-used-bytes/></D:prop></D:propfind>";
    let used = alice.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "0")], ask).await.text();
    assert!(used.contains("<D:quota-used-bytes>0</D:quota-used-bytes>"), "{used}");
}

#[tokio::test]
async fn the_oldest_go_where_there_are_too_many_and_every_device_hears_of_it() {
    let server = Server::start(|_| {}).await;
    let (mut alice, home) = arrive(&server).await;
    let all: Vec<Notification> = (0..=MOST).map(|n| notice(&format!("{n}.xml"), "x")).collect();
    put(&server, home, &all).await;
    let first = alice.sync(PLACE, "", None).await;
    assert_eq!(i64::try_from(first.changed.len()).unwrap(), MOST + 1);
    put(&server, home, &[notice("one-more.xml", "x")]).await;
    let then = alice.sync(PLACE, &first.token, None).await;
    assert_eq!((then.changed.len(), then.gone), (1, vec![format!("{PLACE}0.xml")]));
    // Two that take all the room there is, told page by page.
    let length = usize::try_from(MOST_OCTETS).unwrap() / 2 - 600;
    let long = |n: u8| notice(&format!("long-{n}.xml"), &"x".repeat(length));
    put(&server, home, &[long(0), long(1)]).await;
    assert_eq!(alice.members(PLACE).await.len(), 2);
    let (mut token, mut gone, mut pages) = (then.token, 0, 0);
    loop {
        let page = alice.sync(PLACE, &token, Some(7)).await;
        (gone, pages, token) = (gone + page.gone.len(), pages + 1, page.token);
        if !page.cut {
            break;
        }
    }
    assert!(gone > 190 && pages > 20, "{gone} on {pages} pages");
    put(&server, home, &[long(2)]).await;
    assert_eq!(alice.members(PLACE).await.len(), 2);
}

#[tokio::test]
async fn many_that_come_at_once_are_all_told() {
    let server = Server::start(|_| {}).await;
    let (mut alice, home) = arrive(&server).await;
    let tell = |n: i64| {
        let server = &server;
        async move {
            for turn in 0..5 {
                put(server, home, &[notice(&format!("{}.xml", n % 3), &format!("{n} {turn}"))]).await;
            }
        }
    };
    let mut token = alice.sync(PLACE, "", None).await.token;
    let mut heard = std::collections::BTreeMap::new();
    let watch = async {
        loop {
            let page = alice.sync(PLACE, &token, Some(1)).await;
            token = page.token;
            heard.extend(page.changed);
            if !page.cut && heard.len() == 3 {
                let listed = alice.members(PLACE).await.into_iter().collect();
                if heard == listed {
                    return;
                }
            }
        }
    };
    tokio::join!(join_all((0..6).map(tell)), watch);
    let last = alice.sync(PLACE, &token, None).await;
    heard.extend(last.changed);
    assert_eq!(heard, alice.members(PLACE).await.into_iter().collect());
}

#[tokio::test]
async fn a_message_is_read_and_what_is_old_is_forgotten_once() {
    let server = Server::start(|_| {}).await;
    let (mut alice, _) = arrive(&server).await;
    let everybody = principal::all(&server.db.pool).await.unwrap();
    notify::tell(&server.db.pool, &everybody, "high", "Down at 8").await.unwrap();
    let heard = alice.sync(PLACE, "", None).await;
    let message = alice.ask(&format!("GET {}", heard.changed[0].0), &[], "").await.text();
    assert!(message.contains("<CS:systemstatus type=\"high\">"), "{message}");
    assert_eq!(upkeep::forget_told(&server.db.pool, 1).await.unwrap(), 0);
    let client = server.db.pool.client().await.unwrap();
    client
        .batch("UPDATE object SET modified = modified - interval '2 days' WHERE component = 0")
        .await
        .unwrap();
    assert_eq!(upkeep::forget_told(&server.db.pool, 1).await.unwrap(), 1);
    let then = alice.sync(PLACE, &heard.token, None).await;
    assert_eq!((then.changed, then.gone), (Vec::new(), vec![heard.changed[0].0.clone()]));
    assert_eq!(upkeep::forget_told(&server.db.pool, 1).await.unwrap(), 0);
}

#[tokio::test]
async fn who_uses_up_their_quota_is_told_once_a_level() {
    let server = Server::start(|settings| settings.calendar.quota = Size(1000)).await;
    let (mut alice, _) = arrive(&server).await;
    let mut settings = Settings::default();
    settings.calendar.quota = Size(1000);
    let tell = async || fullness::tell(&server.db.pool, &settings).await.unwrap();
    let object = |length: usize| {
        let event = server::event("a", "");
        server::event("a", &"x".repeat(length - event.len()))
    };
    let path = "/dav/calendars/alice/calendar/a.ics";
    let quota = format!("{PLACE}quota.xml");
    assert_eq!(alice.ask(&format!("PUT {path}"), &[], object(799)).await.status, 201);
    assert_eq!(tell().await, 0);
    for (length, level, percent) in [(800, "warning", 80), (1000, "exceeded", 100)] {
        assert_eq!(alice.ask(&format!("PUT {path}"), &[], object(length)).await.status, 204);
        let token = alice.sync(PLACE, "", None).await.token;
        assert_eq!((tell().await, tell().await), (1, 0), "{level}");
        let told = alice.ask(&format!("GET {quota}"), &[], "").await.text();
        assert!(told.contains(&format!(
            "<CS:quota-status><CS:quota type=\"{level}\"><CS:quota-type><D:quota-used-bytes/></CS:quota-type>\
             <CS:quota-percent-used>{percent}</CS:quota-percent-used><D:href>/dav/calendars/alice/</D:href></CS:quota>"
        )), "{told}");
        assert_eq!(alice.sync(PLACE, &token, None).await.changed.len(), 1);
    }
    // What somebody has read and deleted is not told again; what is no more so is not told any more.
    assert_eq!(alice.ask(&format!("DELETE {quota}"), &[], "").await.status, 204);
    assert_eq!(tell().await, 0);
    assert_eq!(alice.ask(&format!("PUT {path}"), &[], object(900)).await.status, 204);
    assert_eq!(tell().await, 1);
    assert_eq!(alice.ask(&format!("GET {quota}"), &[], "").await.status, 200);
    assert_eq!(alice.ask(&format!("DELETE {path}"), &[], "").await.status, 204);
    assert_eq!(tell().await, 1);
    assert_eq!(alice.ask(&format!("GET {quota}"), &[], "").await.status, 404);
}

/// What somebody is told of calendars of others is for them, also where the settings let everybody see what is private.
#[tokio::test]
async fn a_delegate_reads_nothing_of_what_was_told_of_calendars_of_others() {
    const HIS: &str = "/dav/calendars/bob/notifications/";
    let server = Server::start(|settings| settings.privacy.objects = false).await;
    let (mut alice, mut bob, mut dave) =
        (server.client("alice").await, server.client("bob").await, server.client("dave").await);
    for client in [&mut alice, &mut bob, &mut dave] {
        assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    }
    let list = |who: &str| {
        format!(
            "<D:acl xmlns:D=\"DAV:\"><D:ace><D:principal><D:href>/dav/principals/{who}/</D:href></D:principal>\
             <D:grant><D:privilege><D:all/></D:privilege></D:grant></D:ace></D:acl>"
        )
    };
    let watch = "<D:propertyupdate xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:set><D:prop>\
                 <CS:notify-changes><CS:true/></CS:notify-changes></D:prop></D:set></D:propertyupdate>";
    let calendar = "/dav/calendars/alice/calendar/";
    assert_eq!(alice.ask(&format!("ACL {calendar}"), &[], list("bob")).await.status, 200);
    assert_eq!(bob.ask("ACL /dav/calendars/bob/", &[], list("dave")).await.status, 200);
    assert_eq!(bob.ask(&format!("PROPPATCH {calendar}"), &[], watch).await.status, 207);
    server.notify("bob", "open.xml").await;
    let started = dave.sync(HIS, "", None).await;
    assert_eq!(alice.ask(&format!("PUT {calendar}a.ics"), &[], server::event("a", "x")).await.status, 201);
    let of_his = bob.members(HIS).await;
    let told = of_his.iter().find(|(path, _)| path.contains("changes-")).expect("a change").0.clone();
    assert_eq!(bob.ask(&format!("GET {told}"), &[], "").await.status, 200);
    // The others of them he reads, and hears no name of this one, while it is there or when it is gone.
    let seen = dave.members(HIS).await;
    assert_eq!(seen.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), [format!("{HIS}open.xml")]);
    assert_eq!(dave.ask(&format!("GET {told}"), &[], "").await.status, 404);
    let page = dave.sync(HIS, &started.token, None).await;
    assert!(page.changed.is_empty() && page.gone.is_empty(), "{page:?}");
    let of_home = dave.sync_home("/dav/calendars/bob/", "", "infinite", None).await.unwrap();
    assert!(of_home.changed.iter().all(|(path, _)| *path != told), "{of_home:?}");
}
