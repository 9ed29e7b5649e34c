//! Calendars shared in other ways than by default: by invitation, among people who may not know each other, with a large group;
//! and what a share costs (caldav-sharing §5.3 and §5.4).

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use kalends::config::{Accept, Audience, HeaderName, Settings};
use server::{Answer, Client, Server};
use support::sql;

const CALENDAR: &str = "/dav/calendars/alice/calendar/";

fn telling(settings: &mut Settings) {
    let identity = &mut settings.identity;
    identity.email_header = HeaderName::named(identity.email_header.usual());
    identity.groups_header = HeaderName::named(identity.groups_header.usual());
}

/// Somebody who has signed in, with an address, in that group.
async fn person(server: &Server, user: &str, group: &str) -> Client {
    let client = server.client(user).await.always("X-Forwarded-Email", &format!("{user}@example.org"));
    let mut client = client.always("X-Forwarded-Groups", group);
    assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    client
}

/// A server on which whom something is shared with is asked.
async fn by_invitation() -> Server {
    Server::start(|settings| {
        telling(settings);
        settings.sharing.accept = Accept::Invitation;
    })
    .await
}

fn cs(content: &str) -> String {
    format!("<CS:share xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'>{content}</CS:share>")
}

fn set(href: &str, access: &str) -> String {
    cs(&format!("<CS:set><D:href>{href}</D:href><CS:summary>Ours</CS:summary><CS:{access}/></CS:set>"))
}

fn remove(href: &str) -> String {
    cs(&format!("<CS:remove><D:href>{href}</D:href></CS:remove>"))
}

async fn post(client: &mut Client, path: &str, body: String) -> Answer {
    client.ask(&format!("POST {path}"), &[("Content-Type", "application/xml")], body).await
}

async fn share(alice: &mut Client, body: String) {
    assert_eq!(post(alice, CALENDAR, body).await.status, 200);
}

/// The paths of what is in a collection, without its own.
async fn inside(client: &mut Client, path: &str) -> Vec<String> {
    let body = "<D:propfind xmlns:D='DAV:'><D:prop><D:resourcetype/></D:prop></D:propfind>";
    let answer = client.ask(&format!("PROPFIND {path}"), &[("Depth", "1")], body).await;
    let text = answer.text();
    let hrefs = text.split("<D:href>").skip(1).filter_map(|rest| rest.split("</D:href>").next());
    hrefs.filter(|href| *href != path).map(str::to_owned).collect()
}

/// Whether the calendar that is shared is in the home.
async fn has_it(client: &mut Client, user: &str) -> bool {
    let home = format!("/dav/calendars/{user}/");
    inside(client, &home).await.contains(&format!("{home}calendar-2/"))
}

/// The only notification of a home, if there is one.
async fn told(client: &mut Client, user: &str) -> Option<String> {
    let paths = inside(client, &format!("/dav/calendars/{user}/notifications/")).await;
    assert!(paths.len() <= 1, "{paths:?}");
    let answer = client.ask(&format!("GET {}", paths.first()?), &[], "").await;
    Some(answer.text())
}

async fn forget(client: &mut Client, user: &str) {
    for path in inside(client, &format!("/dav/calendars/{user}/notifications/")).await {
        assert_eq!(client.ask(&format!("DELETE {path}"), &[], "").await.status, 204);
    }
}

fn within<'a>(text: &'a str, element: &str) -> &'a str {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    text.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(inside, _)| inside)
}

fn reply(uid: &str, word: &str) -> String {
    format!(
        "<CS:invite-reply xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'>\
         <D:href>mailto:bob@example.org</D:href><CS:invite-{word}/><CS:hosturl><D:href>{CALENDAR}</D:href></CS:hosturl>\
         <CS:in-reply-to>{uid}</CS:in-reply-to></CS:invite-reply>"
    )
}

async fn invites(alice: &mut Client) -> String {
    let body = "<D:propfind xmlns:D='DAV:'><D:prop><CS:invite xmlns:CS='http://calendarserver.org/ns/'/></D:prop></D:propfind>";
    alice.ask(&format!("PROPFIND {CALENDAR}"), &[("Depth", "0")], body).await.text()
}

#[tokio::test]
async fn by_invitation_a_calendar_appears_when_it_is_accepted() {
    let server = by_invitation().await;
    let mut alice = person(&server, "alice", "").await;
    let mut bob = person(&server, "bob", "").await;
    share(&mut alice, set("mailto:bob@example.org", "read-write")).await;
    assert!(!has_it(&mut bob, "bob").await);
    let invitation = told(&mut bob, "bob").await.unwrap();
    assert!(
        invitation.contains("<CS:invite-noresponse/><CS:access><CS:read-write/></CS:access>"),
        "{invitation}"
    );
    assert_eq!(within(within(&invitation, "CS:hosturl"), "D:href"), CALENDAR);
    assert_eq!(within(within(&invitation, "CS:organizer"), "D:href"), "mailto:alice@example.org");
    let uid = within(&invitation, "CS:uid").to_owned();
    // Nobody else answers it, and nothing else is answered.
    let mut carol = person(&server, "carol", "").await;
    assert_eq!(post(&mut carol, "/dav/calendars/carol/", reply(&uid, "accepted")).await.status, 404);
    assert_eq!(post(&mut carol, "/dav/calendars/bob/", reply(&uid, "accepted")).await.status, 403);
    assert_eq!(post(&mut bob, "/dav/calendars/bob/", reply("x", "accepted")).await.status, 400);
    assert_eq!(post(&mut bob, "/dav/calendars/bob/", reply(&uid, "maybe")).await.status, 400);
    // It is declined, and then wanted.
    assert_eq!(post(&mut bob, "/dav/calendars/bob/", reply(&uid, "declined")).await.status, 204);
    assert!(invites(&mut alice).await.contains("<CS:invite-declined/>"));
    let answered = told(&mut alice, "alice").await.unwrap();
    assert!(answered.contains("<CS:invite-declined/>") && answered.contains(&uid), "{answered}");
    assert_eq!(told(&mut bob, "bob").await, None, "what was answered");
    let accepted = post(&mut bob, "/dav/calendars/bob/", reply(&uid, "accepted")).await;
    assert_eq!(accepted.status, 200);
    assert_eq!(within(&accepted.text(), "D:href"), "/dav/calendars/bob/calendar-2/");
    assert!(accepted.text().contains("<CS:shared-as "));
    assert!(has_it(&mut bob, "bob").await);
    assert!(told(&mut alice, "alice").await.unwrap().contains("<CS:invite-accepted/>"));
    // The same again is no other answer.
    assert_eq!(post(&mut bob, "/dav/calendars/bob/", reply(&uid, "accepted")).await.status, 200);
    // What changes is told, and that it is over.
    share(&mut alice, set("mailto:bob@example.org", "read")).await;
    let changed = told(&mut bob, "bob").await.unwrap();
    assert!(changed.contains("<CS:invite-accepted/><CS:access><CS:read/></CS:access>"), "{changed}");
    assert!(has_it(&mut bob, "bob").await);
    forget(&mut bob, "bob").await;
    share(&mut alice, set("mailto:bob@example.org", "read")).await;
    assert_eq!(told(&mut bob, "bob").await, None, "nothing is new");
    share(&mut alice, remove("mailto:bob@example.org")).await;
    assert!(told(&mut bob, "bob").await.unwrap().contains("<CS:invite-deleted/>"));
    assert!(!has_it(&mut bob, "bob").await);
}

/// What changed in a home since the token: what is there, what is gone, and the token of now, which hears of nothing more.
async fn since(client: &mut Client, home: &str, token: &str) -> (Vec<String>, Vec<String>, String) {
    let page = client.sync_home(home, token, "1", None).await.unwrap();
    let again = client.sync_home(home, &page.token, "1", None).await.unwrap();
    assert!(again.changed.is_empty() && again.gone.is_empty() && again.token == page.token, "{again:?}");
    (page.changed.into_iter().map(|(href, _)| href).collect(), page.gone, page.token)
}

#[tokio::test]
async fn each_step_of_an_invitation_is_one_change_to_who_synchronises() {
    let server = by_invitation().await;
    let mut alice = person(&server, "alice", "").await;
    let mut bob = person(&server, "bob", "").await;
    let (hers, his) = ("/dav/calendars/alice/", "/dav/calendars/bob/");
    let (kept, seen) = (format!("{hers}calendar/"), format!("{his}calendar-2/"));
    let (notices, told_to_her) = (format!("{his}notifications/"), format!("{hers}notifications/"));
    let (_, _, mut at_hers) = since(&mut alice, hers, "").await;
    let (_, _, mut at_his) = since(&mut bob, his, "").await;
    let mut heard =
        async |alice: &mut Client, bob: &mut Client, of_hers: &[&str], of_his: &[&str], gone: &[&str]| {
            let (changed, lost, token) = since(alice, hers, &at_hers).await;
            assert_eq!((changed, lost), (of_hers.iter().map(ToString::to_string).collect(), vec![]));
            at_hers = token;
            let (changed, lost, token) = since(bob, his, &at_his).await;
            let owned = |paths: &[&str]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!((changed, lost), (owned(of_his), owned(gone)));
            at_his = token;
        };
    // Asked: the owner's calendar is another, and the sharee has a notification.
    share(&mut alice, set("mailto:bob@example.org", "read")).await;
    heard(&mut alice, &mut bob, &[&kept], &[&notices], &[]).await;
    let uid = within(&told(&mut bob, "bob").await.unwrap(), "CS:uid").to_owned();
    // As a web front end answers: the number of the invitation, and nothing else of it.
    let answer = |word: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<CS:invite-reply xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\">\n  \
             <CS:in-reply-to>{uid}</CS:in-reply-to>\n  <CS:invite-{word}/>\n</CS:invite-reply>"
        )
    };
    // Accepted: it is there, and the notification gone; the owner is told.
    let accepted = post(&mut bob, his, answer("accepted")).await;
    assert_eq!((accepted.status, within(&accepted.text(), "D:href")), (200, seen.as_str()));
    heard(&mut alice, &mut bob, &[&kept, &told_to_her], &[&seen, &notices], &[]).await;
    // The same answer once more is none.
    assert_eq!(post(&mut bob, his, answer("accepted")).await.status, 200);
    heard(&mut alice, &mut bob, &[], &[], &[]).await;
    // Up: one change of the calendar, and a notification.
    share(&mut alice, set("mailto:bob@example.org", "read-write")).await;
    heard(&mut alice, &mut bob, &[&kept], &[&seen, &notices], &[]).await;
    // What says nothing new is no change.
    share(&mut alice, set("mailto:bob@example.org", "read-write")).await;
    heard(&mut alice, &mut bob, &[], &[], &[]).await;
    // Declined: gone from the one home, known in the other.
    assert_eq!(post(&mut bob, his, answer("declined")).await.status, 204);
    heard(&mut alice, &mut bob, &[&kept, &told_to_her], &[&notices], &[&seen]).await;
    // Accepted after all, then left by deleting it.
    assert_eq!(post(&mut bob, his, answer("accepted")).await.status, 200);
    heard(&mut alice, &mut bob, &[&kept, &told_to_her], &[&seen], &[]).await;
    assert_eq!(bob.ask(&format!("DELETE {seen}"), &[], "").await.status, 204);
    heard(&mut alice, &mut bob, &[&kept, &told_to_her], &[], &[&seen]).await;
    // Removed: the owner's calendar is another, and the sharee told.
    share(&mut alice, remove("mailto:bob@example.org")).await;
    heard(&mut alice, &mut bob, &[&kept], &[&notices], &[]).await;
}

#[tokio::test]
async fn by_invitation_who_comes_is_asked_and_who_leaves_has_declined() {
    let server = by_invitation().await;
    let mut alice = person(&server, "alice", "").await;
    drop(person(&server, "dave", "team").await);
    share(&mut alice, set("mailto:bob@example.org", "read")).await;
    share(&mut alice, set("/dav/principals/groups/team/", "read-write")).await;
    let mut bob = person(&server, "bob", "").await;
    let mut carol = person(&server, "carol", "team").await;
    for (client, user, access) in [(&mut bob, "bob", "read"), (&mut carol, "carol", "read-write")] {
        let invitation = told(client, user).await.unwrap();
        assert!(invitation.contains(&format!("<CS:access><CS:{access}/></CS:access>")), "{invitation}");
        let uid = within(&invitation, "CS:uid").to_owned();
        let home = format!("/dav/calendars/{user}/");
        assert_eq!(post(client, &home, reply(&uid, "accepted")).await.status, 200);
        assert!(has_it(client, user).await);
        forget(&mut alice, "alice").await;
        assert_eq!(client.ask(&format!("DELETE {home}calendar-2/"), &[], "").await.status, 204);
        let left = told(&mut alice, "alice").await.unwrap();
        assert!(left.contains("<CS:invite-declined/>") && left.contains(&uid), "{left}");
    }
    assert_eq!(invites(&mut alice).await.matches("<CS:invite-declined/>").count(), 2);
}

#[tokio::test]
async fn a_group_of_fifty_has_it_at_once_and_loses_it_at_once() {
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice", "").await;
    for nth in 0..50 {
        drop(person(&server, &format!("member-{nth}"), "team").await);
    }
    share(&mut alice, set("/dav/principals/groups/team/", "read")).await;
    let bound = sql("SELECT count(*) FROM bind WHERE owner_home_id <> home_id");
    let count = async || server.db.pool.row(&bound, &[]).await.unwrap().at::<i64>(0).unwrap();
    assert_eq!(count().await, 50);
    // What is kept of member-7: the invite, what is asked for, what was said of it.
    let rows = sql("SELECT (SELECT count(*) FROM invite i WHERE i.principal_id = p.id)
                         + (SELECT count(*) FROM watch w WHERE w.principal_id = p.id)
                         + (SELECT count(*) FROM property o WHERE o.home_id = p.id AND o.calendar_id <> -1 AND o.local = 'notify-changes')
                    FROM principal p WHERE p.name = 'member-7'");
    let kept = async || server.db.pool.row(&rows, &[]).await.unwrap().at::<i64>(0).unwrap();
    let mut one = person(&server, "member-7", "team").await;
    assert!(has_it(&mut one, "member-7").await);
    let wish = "<D:propertyupdate xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'><D:set><D:prop>\
                <CS:notify-changes><CS:true/></CS:notify-changes></D:prop></D:set></D:propertyupdate>";
    let wished = one.ask("PROPPATCH /dav/calendars/member-7/calendar-2/", &[], wish).await;
    assert_eq!((wished.status, kept().await), (207, 3));
    let mut one = person(&server, "member-7", "").await;
    assert!(!has_it(&mut one, "member-7").await);
    assert_eq!(kept().await, 0);
    assert_eq!(one.ask("GET /dav/calendars/member-7/calendar-2/", &[], "").await.status, 404);
    assert_eq!(one.ask(&format!("GET {CALENDAR}"), &[], "").await.status, 403);
    let mut late = person(&server, "late", "team").await;
    assert!(has_it(&mut late, "late").await);
    assert_eq!(count().await, 50);
    share(&mut alice, remove("/dav/principals/groups/team/")).await;
    assert_eq!(count().await, 0);
    assert!(!invites(&mut alice).await.contains("<CS:user>"));
}

#[tokio::test]
async fn who_shares_what_somebody_else_owns_is_logged_where_it_is_kept() {
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice", "").await;
    let mut bob = person(&server, "bob", "").await;
    drop(person(&server, "carol", "").await);
    let body =
        "<CS:set><D:href>/dav/principals/bob/</D:href><K:administrator xmlns:K='urn:x-kalends'/></CS:set>";
    share(&mut alice, cs(body)).await;
    let seen = "/dav/calendars/bob/calendar-2/";
    assert_eq!(post(&mut bob, seen, set("/dav/principals/carol/", "read")).await.status, 200);
    let list = "<D:acl xmlns:D='DAV:'><D:ace><D:principal><D:href>/dav/principals/bob/</D:href></D:principal>\
                <D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>";
    assert_eq!(bob.ask(&format!("ACL {seen}"), &[], list).await.status, 200);
    let all = sql(
        "SELECT actor || ' ' || action || ' ' || owner || '/' || place || ' ' || whom FROM audit WHERE place <> '' ORDER BY id",
    );
    let all = server.db.pool.rows(&all, &[]).await.unwrap();
    let all: Vec<String> = all.iter().map(|row| row.at(0).unwrap()).collect();
    assert!(all.iter().all(|line| line.contains(" alice/calendar ")), "{all:?}");
    assert_eq!(all.iter().filter(|line| line.starts_with("bob ")).count(), 3, "{all:?}");
}

#[tokio::test]
async fn a_stranger_is_named_only_to_whom_they_may_be_known() {
    for (audience, group, named) in [
        (Audience::Everyone, "", true),
        (Audience::Groups, "", false),
        (Audience::Groups, "team", true),
        (Audience::Nobody, "team", false),
    ] {
        let server = Server::start(|settings| {
            telling(settings);
            settings.privacy.principals = audience;
            settings.identity.local_domains = vec!["elsewhere.example".to_owned()];
        })
        .await;
        let mut alice = person(&server, "alice", group).await;
        share(&mut alice, set("mailto:bob@example.org", "read")).await;
        let mut bob = person(&server, "bob", group).await;
        assert_eq!(has_it(&mut bob, "bob").await, named, "{audience:?} {group}");
        // Who is here already is no better known.
        share(&mut alice, remove("mailto:bob@example.org")).await;
        share(&mut alice, set("mailto:bob@example.org", "read")).await;
        assert_eq!(has_it(&mut bob, "bob").await, named, "{audience:?} {group}");
        assert_eq!(invites(&mut alice).await.contains("<CS:invite-invalid/>"), !named);
        // Whether somebody is here is not told by what cannot be taken back.
        share(&mut alice, remove("mailto:bob@example.org")).await;
        assert!(!invites(&mut alice).await.contains("<CS:user>"), "{audience:?} {group}");
        // And nobody is made by being mentioned where nobody would see them.
        share(&mut alice, set("mailto:carol@elsewhere.example", "read")).await;
        let made = sql("SELECT count(*) FROM principal WHERE email = 'carol@elsewhere.example'");
        let made: i64 = server.db.pool.row(&made, &[]).await.unwrap().at(0).unwrap();
        assert_eq!(made, i64::from(audience == Audience::Everyone));
    }
}

#[tokio::test]
async fn who_is_invited_can_be_given_less_by_who_may_not_know_them_any_more() {
    let server = Server::start(|settings| {
        telling(settings);
        settings.privacy.principals = Audience::Groups;
    })
    .await;
    let mut alice = person(&server, "alice", "team").await;
    drop(person(&server, "bob", "team").await);
    drop(person(&server, "carol", "team").await);
    share(&mut alice, set("mailto:bob@example.org", "read-write")).await;
    share(&mut alice, set("/dav/principals/carol/", "read-write")).await;
    let mut bob = person(&server, "bob", "").await;
    drop(person(&server, "carol", "").await);
    let put = async |bob: &mut Client, name: &str| {
        bob.ask(&format!("PUT {CALENDAR}{name}.ics"), &[], server::event(name, "x")).await.status
    };
    assert_eq!(put(&mut bob, "a").await, 201);
    // By the address of the invitation, by the path that the list tells; and the list comes back as it was told.
    share(&mut alice, set("mailto:bob@example.org", "read")).await;
    share(&mut alice, set("/dav/principals/carol/", "read")).await;
    assert_eq!(put(&mut bob, "b").await, 403);
    let told = invites(&mut alice).await;
    assert_eq!(
        (told.matches("<CS:user>").count(), told.matches("<CS:read-write/>").count()),
        (2, 0),
        "{told}"
    );
    let ace = |who: &str| {
        format!(
            "<D:ace><D:principal><D:href>/dav/principals/{who}/</D:href></D:principal><D:grant><D:privilege><D:read/>\
             </D:privilege></D:grant></D:ace>"
        )
    };
    let list = |who: &[&str]| {
        format!("<D:acl xmlns:D='DAV:'>{}</D:acl>", who.iter().map(|who| ace(who)).collect::<String>())
    };
    assert_eq!(alice.ask(&format!("ACL {CALENDAR}"), &[], list(&["bob", "carol"])).await.status, 200);
    assert_eq!(alice.ask(&format!("ACL {CALENDAR}"), &[], list(&["carol"])).await.status, 200);
    // Who is not there any more is unknown again.
    let again = alice.ask(&format!("ACL {CALENDAR}"), &[], list(&["bob", "carol"])).await;
    assert_eq!(again.condition().as_deref(), Some("D:recognized-principal"));
    assert_eq!(post(&mut alice, CALENDAR, set("/dav/principals/bob/", "read")).await.status, 207);
}

#[tokio::test]
async fn an_entry_of_a_list_and_a_share_that_come_at_once_are_one_after_the_other() {
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice", "").await;
    drop(person(&server, "bob", "").await);
    let mut tasks = Vec::new();
    for nth in 0..12 {
        let mut client = person(&server, "alice", "").await;
        tasks.push(tokio::spawn(async move {
            let body = match nth % 3 {
                0 => set("/dav/principals/bob/", "read-write"),
                1 => remove("/dav/principals/bob/"),
                _ => set(&format!("mailto:stranger-{nth}@example.org"), "read"),
            };
            post(&mut client, CALENDAR, body).await.status
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    // Whatever came last: entries, invites and what is seen say the same.
    let same = sql("SELECT (SELECT count(*) FROM ace) = (SELECT count(*) FROM invite WHERE principal_id IS NOT NULL)
                       AND (SELECT count(*) FROM ace) = (SELECT count(*) FROM bind WHERE owner_home_id <> home_id)");
    assert!(server.db.pool.row(&same, &[]).await.unwrap().at::<bool>(0).unwrap());
    assert_eq!(invites(&mut alice).await.matches("<CS:invite-invalid/>").count(), 4);
}

#[tokio::test]
async fn who_leaves_a_group_is_told_of_changes_no_more() {
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice", "").await;
    drop(person(&server, "carol", "team").await);
    let mut dave = person(&server, "dave", "team").await;
    share(&mut alice, set("/dav/principals/groups/team/", "read")).await;
    let wish = "<D:propertyupdate xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'><D:set><D:prop>\
                <CS:notify-changes><CS:true/></CS:notify-changes></D:prop></D:set></D:propertyupdate>";
    let asked = dave.ask("PROPPATCH /dav/calendars/dave/calendar-2/", &[], wish).await;
    assert!(asked.text().contains("200 OK"), "{}", asked.text());
    let watching = sql("SELECT count(*) FROM watch");
    let count = async || server.db.pool.row(&watching, &[]).await.unwrap().at::<i64>(0).unwrap();
    assert_eq!(count().await, 1);
    assert!(!has_it(&mut person(&server, "dave", "").await, "dave").await);
    assert_eq!(count().await, 0);
}

#[tokio::test]
async fn who_has_enough_is_asked() {
    let server = Server::start(|settings| {
        telling(settings);
        settings.sharing.max_automatic = 2;
    })
    .await;
    let mut alice = person(&server, "alice", "").await;
    let mut bob = person(&server, "bob", "team").await;
    let body = |of: &str| set(&format!("mailto:{of}@example.org"), "read");
    for (nth, comes) in [(0, true), (1, true), (2, false), (3, false)] {
        let path = format!("/dav/calendars/alice/c{nth}/");
        assert_eq!(alice.ask(&format!("MKCALENDAR {path}"), &[], "").await.status, 201);
        // One by name, the others by the group.
        let to = if nth == 0 { body("bob") } else { set("/dav/principals/groups/team/", "read") };
        assert_eq!(post(&mut alice, &path, to).await.status, 200);
        let home = inside(&mut bob, "/dav/calendars/bob/").await;
        assert_eq!(home.contains(&format!("/dav/calendars/bob/c{nth}/")), comes, "{home:?}");
    }
    // What waits is an invitation like any other: to be accepted, to be taken back, to be asked again.
    let waiting = "/dav/calendars/bob/notifications/";
    let asked = inside(&mut bob, waiting).await;
    assert_eq!(asked.len(), 2);
    let told = bob.ask(&format!("GET {}", asked[0]), &[], "").await.text();
    assert!(told.contains("<CS:invite-noresponse/>"), "{told}");
    let uid = within(&told, "CS:uid").to_owned();
    let accepted = post(&mut bob, "/dav/calendars/bob/", reply(&uid, "accepted")).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
    assert_eq!(inside(&mut bob, waiting).await.len(), 1);
    let home = inside(&mut bob, "/dav/calendars/bob/").await;
    assert_eq!(home.iter().filter(|path| path.contains("/bob/c")).count(), 3 + 1, "{home:?}");
    // What is there already stays, whatever else is said of it.
    assert_eq!(
        post(&mut alice, "/dav/calendars/alice/c0/", set("/dav/principals/bob/", "read-write")).await.status,
        200
    );
    assert!(inside(&mut bob, "/dav/calendars/bob/").await.contains(&"/dav/calendars/bob/c0/".to_owned()));
    // Who comes with all of it has no more of it at once.
    for nth in 0..4 {
        assert_eq!(
            post(&mut alice, &format!("/dav/calendars/alice/c{nth}/"), body("late")).await.status,
            200
        );
    }
    let mut late = person(&server, "late", "").await;
    let home = inside(&mut late, "/dav/calendars/late/").await;
    assert_eq!(
        home.iter().filter(|path| path.contains("/late/c") && !path.ends_with("/calendar/")).count(),
        2,
        "{home:?}"
    );
    assert_eq!(inside(&mut late, "/dav/calendars/late/notifications/").await.len(), 2);
}

#[tokio::test]
async fn a_name_that_is_as_long_as_can_be_is_not_made_longer() {
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice", "").await;
    let mut bob = person(&server, "bob", "").await;
    drop(person(&server, "carol", "team").await);
    let name = "x".repeat(254);
    for (client, user) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let made = client.ask(&format!("MKCALENDAR /dav/calendars/{user}/{name}/"), &[], "").await;
        assert_eq!(made.status, 201);
    }
    let path = format!("/dav/calendars/alice/{name}/");
    let shared = post(&mut alice, &path, set("/dav/principals/groups/team/", "read")).await;
    assert_eq!(shared.status, 200);
    // Who comes into the group finds it, under a name that can be asked for.
    let mut bob = person(&server, "bob", "team").await;
    let (home, mut theirs) = (inside(&mut bob, "/dav/calendars/bob/").await, 0);
    for path in home {
        let body = "<D:propfind xmlns:D='DAV:'><D:prop><D:owner/></D:prop></D:propfind>";
        let answer = bob.ask(&format!("PROPFIND {path}"), &[("Depth", "0")], body).await;
        assert_eq!(answer.status, 207, "{path}");
        theirs += usize::from(answer.text().contains("/principals/alice/"));
    }
    assert_eq!(theirs, 1);
}

#[tokio::test]
async fn what_one_keeps_for_oneself_has_an_end() {
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice", "").await;
    let mut bob = person(&server, "bob", "").await;
    let event = |alarm: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:20260301T090000Z\r\nSUMMARY:Lunch\r\n{alarm}END:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let alarm = |octets: usize| {
        format!(
            "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:{}\r\nEND:VALARM\r\n",
            "x".repeat(octets)
        )
    };
    assert_eq!(alice.ask(&format!("PUT {CALENDAR}a.ics"), &[], event("")).await.status, 201);
    share(&mut alice, set("mailto:bob@example.org", "read-write")).await;
    let line = "PUT /dav/calendars/bob/calendar-2/a.ics";
    let long = bob.ask(line, &[], event(&alarm(70_000))).await;
    assert!(long.status == 403 && long.text().contains("max-resource-size"), "{}", long.text());
    assert_eq!(bob.ask(line, &[], event(&alarm(60_000))).await.status, 204);
    assert!(!alice.ask(&format!("GET {CALENDAR}a.ics"), &[], "").await.text().contains("VALARM"));
}

#[tokio::test]
async fn who_puts_another_in_its_place_does_not_want_it() {
    let server = by_invitation().await;
    let mut alice = person(&server, "alice", "").await;
    let mut bob = person(&server, "bob", "").await;
    share(&mut alice, set("mailto:bob@example.org", "read")).await;
    let uid = within(&told(&mut bob, "bob").await.unwrap(), "CS:uid").to_owned();
    assert_eq!(post(&mut bob, "/dav/calendars/bob/", reply(&uid, "accepted")).await.status, 200);
    forget(&mut alice, "alice").await;
    assert_eq!(bob.ask("MKCALENDAR /dav/calendars/bob/own/", &[], "").await.status, 201);
    let there = [("Destination", "/dav/calendars/bob/calendar-2/")];
    assert_eq!(bob.ask("MOVE /dav/calendars/bob/own/", &there, "").await.status, 204);
    assert!(told(&mut alice, "alice").await.unwrap().contains("<CS:invite-declined/>"));
    assert!(invites(&mut alice).await.contains("<CS:invite-declined/>"));
}

/// Who comes to see what is private, or ceases to, has another calendar than before: a token from before is refused once, and so all
/// of it is told. Others do not notice who comes and goes.
#[tokio::test]
async fn who_comes_to_see_what_is_private_or_ceases_to_begins_anew() {
    const HERS: &str = "/dav/calendars/alice/";
    const SEEN: &str = "/dav/calendars/bob/calendar-2/";
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice", "").await;
    let (mut bob, mut carol) = (person(&server, "bob", "").await, person(&server, "carol", "").await);
    drop(person(&server, "dora", "").await);
    let (open, private) =
        (server::event("a", "x"), server::event("b", "x").replace("SUMMARY", "CLASS:PRIVATE\r\nSUMMARY"));
    for (name, body) in [("a.ics", open), ("b.ics", private)] {
        assert_eq!(alice.ask(&format!("PUT {CALENDAR}{name}"), &[], body).await.status, 201);
    }
    let list = |grants: &[(&str, &str)]| {
        let entry = |(who, what): &(&str, &str)| {
            format!(
                "<D:ace><D:principal><D:href>/dav/principals/{who}/</D:href></D:principal><D:grant><D:privilege>\
                 <D:{what}/></D:privilege></D:grant></D:ace>"
            )
        };
        format!("<D:acl xmlns:D='DAV:'>{}</D:acl>", grants.iter().map(entry).collect::<String>())
    };
    let mut grant = async |place: &str, grants: &[(&str, &str)]| {
        assert_eq!(alice.ask(&format!("ACL {place}"), &[], list(grants)).await.status, 200);
    };
    grant(CALENDAR, &[("bob", "read")]).await;
    grant(HERS, &[("carol", "read")]).await;
    let (his, hers) = ("/dav/calendars/bob/", CALENDAR);
    let (mut at_his, mut at_hers) = (String::new(), String::new());
    // What each sees, and a token of it; a token from before is refused, or good.
    for (place, grants, refused, number) in [
        (CALENDAR, &[("bob", "all")][..], (true, true), (2, 1)),
        (CALENDAR, &[("bob", "all"), ("dora", "all")], (false, false), (2, 1)),
        (CALENDAR, &[("bob", "read")], (true, true), (1, 1)),
        (HERS, &[("carol", "all")], (true, true), (1, 2)),
        (HERS, &[("carol", "read")], (true, true), (1, 1)),
        (CALENDAR, &[("bob", "read"), ("dora", "read")], (false, false), (1, 1)),
    ] {
        if at_his.is_empty() {
            (at_his, at_hers) =
                (token(&mut bob, SEEN, "").await.unwrap().0, token(&mut carol, hers, "").await.unwrap().0);
        }
        let of_home = bob.sync_home(his, "", "infinite", None).await.unwrap().token;
        grant(place, grants).await;
        let (heard, other) = (token(&mut bob, SEEN, &at_his).await, token(&mut carol, hers, &at_hers).await);
        assert_eq!((heard.is_err(), other.is_err()), refused, "{place} {grants:?}");
        let at_home = bob.sync_home(his, &of_home, "infinite", None).await;
        assert_eq!(
            at_home.as_ref().err().map(|answer| answer.status),
            refused.0.then_some(403),
            "{grants:?}"
        );
        let (first, second) =
            (token(&mut bob, SEEN, "").await.unwrap(), token(&mut carol, hers, "").await.unwrap());
        assert_eq!((first.1, second.1), number, "{place} {grants:?}");
        (at_his, at_hers) = (first.0, second.0);
    }
}

/// The token that a calendar has now, and how many changes are told since that one; the condition, where it is refused.
async fn token(client: &mut Client, path: &str, since: &str) -> Result<(String, usize), String> {
    let body = format!(
        "<D:sync-collection xmlns:D='DAV:'><D:sync-token>{since}</D:sync-token><D:sync-level>1</D:sync-level>\
         <D:prop><D:getetag/></D:prop></D:sync-collection>"
    );
    let answer = client.ask(&format!("REPORT {path}"), &[], body).await;
    if answer.status != 207 {
        assert_eq!(answer.condition().as_deref(), Some("D:valid-sync-token"), "{}", answer.text());
        return Err(answer.text());
    }
    let text = answer.text();
    Ok((within(&text, "D:sync-token").to_owned(), text.matches("<D:response>").count()))
}
