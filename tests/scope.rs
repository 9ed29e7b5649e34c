//! App passwords that do not reach as far as their owner: every method and report on every kind of resource, and made-up
//! requests, hold against what is outside. Nothing of it is told, and nothing of it changes.

#![allow(clippy::unwrap_used)]

#[path = "support/asks.rs"]
mod asks;
#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;

use asks::{Ask, proppatch, sent};
use kalends::config::{HeaderName, Settings};
use server::{Answer, Client, Server, event};
use support::sql;
use uuid::Uuid;

/// A word that stands in whatever is outside of the calendar `work`, and in nothing else.
const OUTSIDE: &str = "qzveil";

/// How far the passwords reach.
const SCOPES: &[(&str, bool, bool)] =
    &[("ro/*", true, false), ("ro/work", true, true), ("rw/work", false, true), ("rw/seen", false, true)];

const PLACES: &[&str] = &[
    "/dav/",
    "/dav/principals/",
    "/dav/principals/alice/",
    "/dav/principals/bob/",
    "/dav/principals/groups/team/",
    "/dav/principals/alice/calendar-proxy-write/",
    "/dav/principals/bob/calendar-proxy-write/",
    "/dav/calendars/",
    "/dav/calendars/alice/",
    "/dav/alice/",
    "/dav/calendars/bob/",
    "/dav/calendars/alice/work/",
    "/dav/calendars/alice/work/a.ics",
    "/dav/calendars/alice/work/new.ics",
    "/dav/calendars/alice/qzveil/",
    "/dav/calendars/alice/%71zveil/",
    "/dav/calendars/alice/qzveil/q.ics",
    "/dav/calendars/alice/qzveil/new.ics",
    "/dav/calendars/alice/calendar/",
    "/dav/calendars/alice/new/",
    "/dav/calendars/alice/feed/",
    "/dav/calendars/alice/inbox/",
    "/dav/calendars/alice/outbox/",
    "/dav/calendars/alice/notifications/",
    "/dav/calendars/alice/notifications/n.xml",
    "/dav/calendars/alice/freebusy",
    "/dav/calendars/alice/seen/",
    "/dav/calendars/alice/seen/s.ics",
    "/dav/calendars/bob/seen/",
    "/dav/calendars/bob/seen/s.ics",
    "/dav/calendars/bob/open/",
    "/dav/calendars/bob/open/o.ics",
    "/dav/calendars/bob/calendar/",
];

fn with_passwords(settings: &mut Settings) {
    settings.identity.auth_type_header = HeaderName::named("X-Forwarded-Auth-Type");
    settings.identity.groups_header = HeaderName::named("X-Forwarded-Groups");
    settings.identity.credential_types = vec!["password".into()];
    // An admin is none by a password that does not reach so far.
    settings.identity.admins = vec!["alice".into()];
}

async fn signed_in(server: &Server, user: &str) -> Client {
    let client = server.client(user).await.always("X-Forwarded-Auth-Type", "session");
    client.always("X-Forwarded-Groups", "team")
}

async fn by_password(server: &Server, scope: &str) -> Client {
    let person = key(server, "alice").await;
    server.client(&format!("alice/{person}/k7/{scope}")).await.always("X-Forwarded-Auth-Type", "password")
}

/// What stays of somebody, or what nobody has.
async fn key(server: &Server, name: &str) -> Uuid {
    let find = sql("SELECT key FROM home_state JOIN principal ON id = home_id WHERE name = $1");
    let row = server.db.pool.optional(&find, &[&name]).await.unwrap();
    row.map_or(Uuid::nil(), |row| row.at(0).unwrap())
}

/// Alice has work and what is nobody else's affair, and sees a calendar of bob's; he has more that is open to her.
async fn stage(server: &Server) {
    let mut alice = signed_in(server, "alice").await;
    let mut bob = signed_in(server, "bob").await;
    let subscription = "<D:mkcol xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:set><D:prop><D:resourcetype><D:collection/>\
        <CS:subscribed/></D:resourcetype><CS:source><D:href>https://qzveil/</D:href></CS:source></D:prop></D:set></D:mkcol>";
    for (line, body) in [
        ("MKCALENDAR /dav/calendars/alice/work/", String::new()),
        ("MKCALENDAR /dav/calendars/alice/qzveil/", String::new()),
        ("MKCOL /dav/calendars/alice/feed/", subscription.to_owned()),
        ("PUT /dav/calendars/alice/work/a.ics", event("a", "of work")),
        ("PUT /dav/calendars/alice/qzveil/q.ics", event("q", OUTSIDE)),
        ("PROPPATCH /dav/calendars/alice/qzveil/", proppatch(OUTSIDE)),
        ("PROPPATCH /dav/calendars/alice/calendar/", proppatch(OUTSIDE)),
    ] {
        let answer = alice.ask(line, &[], body).await;
        assert!(answer.is_done(), "{line}: {} {}", answer.status, answer.text());
    }
    let open = "<D:acl xmlns:D=\"DAV:\"><D:ace><D:principal><D:href>/dav/principals/alice/</D:href></D:principal><D:grant>\
        <D:privilege><D:all/></D:privilege></D:grant></D:ace></D:acl>";
    for (line, body) in [
        ("MKCALENDAR /dav/calendars/bob/seen/", String::new()),
        ("MKCALENDAR /dav/calendars/bob/open/", String::new()),
        ("PUT /dav/calendars/bob/seen/s.ics", event("s", "of seen")),
        ("PUT /dav/calendars/bob/open/o.ics", event("o", OUTSIDE)),
        ("PROPPATCH /dav/calendars/bob/open/", proppatch(OUTSIDE)),
        ("ACL /dav/calendars/bob/seen/", open.to_owned()),
        ("ACL /dav/calendars/bob/open/", open.to_owned()),
        ("ACL /dav/calendars/bob/", open.to_owned()),
    ] {
        let answer = bob.ask(line, &[], body).await;
        assert!(answer.is_done(), "{line}: {} {}", answer.status, answer.text());
    }
    server.bind("bob", "seen", "alice").await;
    server.notify("alice", "n.xml").await;
}

/// What is asked, with what leads to what is outside.
fn asks() -> Vec<Ask> {
    let to = [
        "/dav/calendars/alice/qzveil/x.ics",
        "/dav/calendars/alice/qzveil/q.ics",
        "/dav/calendars/alice/other/",
        "/dav/calendars/alice/qzveil/",
        "/dav/calendars/bob/open/x.ics",
        "/dav/calendars/bob/seen/x.ics",
        "/dav/calendars/alice/work/x.ics",
    ];
    let hrefs = [
        "/dav/calendars/alice/qzveil/q.ics",
        "/dav/calendars/bob/open/o.ics",
        "/dav/calendars/alice/work/../qzveil/q.ics",
        "/dav/calendars/alice/work/a.ics",
    ];
    asks::all(&to, &hrefs)
}

/// All that is kept, table by table and row by row, except what is kept of the calendars of that name in alice's home, if it
/// is one.
async fn kept(server: &Server, but: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let pool = &server.db.pool;
    let tables = sql(
        "select c.table_name::text, bool_or(c.column_name = 'calendar_id'), c.table_schema::text
         from information_schema.columns c
         join information_schema.tables t using (table_schema, table_name)
         where t.table_type = 'BASE TABLE' and c.table_schema not in ('pg_catalog', 'information_schema')
         and not exists (select from pg_catalog.pg_inherits where inhrelid = format('%I.%I', c.table_schema, c.table_name)::regclass)
         group by 1, 3 order by 1",
    );
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in pool.rows(&tables, &[]).await.unwrap() {
        let (table, has, schema): (String, bool, String) =
            (row.at(0).unwrap(), row.at(1).unwrap(), row.at(2).unwrap());
        let column = match table.as_str() {
            "calendar" => "id",
            _ if has => "calendar_id",
            _ => "-1",
        };
        let text = format!(
            "select t::text from \"{schema}\".{table} t where $1::text is null or {column} not in (select calendar_id from bind where name = $1) order by 1"
        );
        let query = sql(Box::leak(text.into_boxed_str()));
        let rows = pool.rows(&query, &[&but]).await.unwrap();
        all.insert(table, rows.iter().map(|row| row.at(0).unwrap()).collect());
    }
    assert!(all.len() > 10 && all["object"].len() > 1, "{:?}", all.keys());
    all
}

/// What an answer tells that it must not: what is outside, where the request did not say it itself.
fn told(answer: &Answer, line: &str) -> Option<String> {
    // A path that was named is named in what is said of it, and nothing else of it is.
    let echo = |text: &str| {
        text.replace("/dav/calendars/alice/qzveil/", "")
            .replace("/../qzveil/", "")
            .replace("/dav/calendars/bob/open/", "")
    };
    let headers: Vec<String> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text = echo(&headers.join("\n")) + "\n" + &echo(&answer.text());
    text.contains(OUTSIDE).then(|| format!("{line}: {}\n{text}", answer.status))
}

#[tokio::test]
async fn no_method_and_no_report_leaves_the_scope() {
    let server = Server::start(with_passwords).await;
    stage(&server).await;
    let asks = asks();
    let mut tried = 0;
    for &(scope, read_only, confined) in SCOPES {
        let mine = scope.split_once('/').unwrap().1;
        let mut client = by_password(&server, scope).await;
        // Whoever comes first is taken down as having come.
        client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
        let but = confined.then_some(mine).filter(|_| !read_only);
        let before = kept(&server, but).await;
        for ask in &asks {
            for path in PLACES {
                let answer = sent(&mut client, ask, path).await;
                let line = format!("{scope}: {} {path} {:?}", ask.verb, ask.headers);
                assert!(answer.status < 500, "{line}: {}", answer.text());
                let within = path.starts_with(&format!("/dav/calendars/alice/{mine}/"));
                let homely = [
                    "/dav/",
                    "/dav/principals/",
                    "/dav/principals/alice/",
                    "/dav/calendars/",
                    "/dav/calendars/alice/",
                    "/dav/alice/",
                ];
                if confined {
                    assert_eq!(told(&answer, &line), None);
                    if !within && !homely.contains(path) && ask.verb != "OPTIONS" {
                        assert!(
                            [404, 405].contains(&answer.status),
                            "{line}: {} {}",
                            answer.status,
                            answer.text()
                        );
                    }
                }
                let reads = ["OPTIONS", "GET", "HEAD", "PROPFIND", "REPORT"].contains(&ask.verb);
                assert!(reads || !answer.is_done() || (within && !read_only), "{line}: {}", answer.status);
                tried += 1;
            }
            let after = kept(&server, but).await;
            for (table, rows) in &before {
                // The revisions of a home go up with what is in it.
                let changed: Vec<_> = after[table].iter().filter(|row| !rows.contains(row)).collect();
                assert!(
                    changed.is_empty() && after[table].len() == rows.len(),
                    "{scope}: {} {:?}: {table} {changed:?}",
                    ask.verb,
                    ask.headers
                );
            }
        }
    }
    assert!(tried > 3000, "{tried}");
}

#[tokio::test]
async fn what_is_within_is_as_it_is_for_the_owner() {
    let server = Server::start(with_passwords).await;
    stage(&server).await;
    let mut alice = signed_in(&server, "alice").await;
    let (mut whole, mut part) = (by_password(&server, "rw/*").await, by_password(&server, "rw/work").await);
    for ask in asks().iter().filter(|ask| ["GET", "REPORT"].contains(&ask.verb)) {
        for path in ["/dav/calendars/alice/work/", "/dav/calendars/alice/work/a.ics"] {
            let (one, other) = (sent(&mut alice, ask, path).await, sent(&mut part, ask, path).await);
            let lists = ask.body.contains("principal") || ask.body.contains("expand");
            assert!(
                lists || (one.status, one.text()) == (other.status, other.text()),
                "{} {}\n{}",
                ask.body,
                one.text(),
                other.text()
            );
        }
    }
    // One that reaches everything is its owner.
    for path in PLACES {
        for ask in asks().iter().filter(|ask| ["GET", "PROPFIND"].contains(&ask.verb)) {
            let (one, other) = (sent(&mut alice, ask, path).await, sent(&mut whole, ask, path).await);
            assert_eq!((one.status, one.text()), (other.status, other.text()), "{} {path}", ask.verb);
        }
    }
    // What is listed is what is there.
    let home = part.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "1")], "").await.text();
    assert!(
        home.contains("/dav/calendars/alice/work/") && !home.contains("inbox") && !home.contains("seen"),
        "{home}"
    );
    // It is written to as ever, and somebody else's that is seen in the home as well.
    assert_eq!(part.ask("PUT /dav/calendars/alice/work/b.ics", &[], event("b", "x")).await.status, 201);
    assert_eq!(part.ask("DELETE /dav/calendars/alice/work/b.ics", &[], "").await.status, 204);
    let mut seen = by_password(&server, "rw/seen").await;
    assert_eq!(seen.ask("PUT /dav/calendars/alice/seen/b.ics", &[], event("b", "x")).await.status, 201);
    assert_eq!(alice.ask("GET /dav/calendars/bob/seen/b.ics", &[], "").await.status, 200);
}

/// What happens elsewhere in the home is nothing that tags and tokens tell.
#[tokio::test]
async fn the_home_moves_with_what_is_within() {
    let server = Server::start(with_passwords).await;
    stage(&server).await;
    let (mut alice, mut part) = (signed_in(&server, "alice").await, by_password(&server, "ro/work").await);
    let ask = "<D:propfind xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:prop><CS:getctag/><D:sync-token/><D:quota-used-bytes/></D:prop></D:propfind>";
    let mut state = async || part.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "0")], ask).await.text();
    let first = state().await;
    assert!(first.contains("<CS:getctag>") && first.contains("<D:sync-token>"), "{first}");
    alice.ask("PUT /dav/calendars/alice/qzveil/r.ics", &[], event("r", "x")).await;
    assert_eq!(state().await, first);
    alice.ask("PUT /dav/calendars/alice/work/r.ics", &[], event("r", "x")).await;
    assert_ne!(state().await, first);
}

/// Conditions on what is outside tell nothing of it.
#[tokio::test]
async fn no_condition_asks_what_is_outside() {
    let server = Server::start(with_passwords).await;
    stage(&server).await;
    let (mut alice, mut part) = (signed_in(&server, "alice").await, by_password(&server, "rw/work").await);
    let path = "/dav/calendars/alice/qzveil/q.ics";
    let tag = alice.ask(&format!("GET {path}"), &[], "").await.header("etag").unwrap().to_owned();
    let right = format!("<{path}> ([{tag}])");
    let line = "PUT /dav/calendars/alice/work/a.ics";
    let theirs = alice.ask(line, &[("If", &right)], event("a", "x")).await;
    let mine = part.ask(line, &[("If", &right)], event("a", "y")).await;
    assert_eq!((theirs.is_done(), mine.status), (true, 412));
}

#[tokio::test]
async fn nobody_is_made_by_a_password() {
    let server = Server::start(with_passwords).await;
    let mut alice = by_password(&server, "rw/*").await;
    assert_eq!(alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 403);
    stage(&server).await;
    assert_eq!(alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 403, "of nobody's");
    let mut alice = by_password(&server, "rw/*").await;
    assert_eq!(alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
}

/// A credential is a person's, not a name's.
#[tokio::test]
async fn whoever_has_the_name_next_has_not_the_credential() {
    let server = Server::start(with_passwords).await;
    stage(&server).await;
    let (alice, bob) = (key(&server, "alice").await, key(&server, "bob").await);
    let status = async |name: &str, person: Uuid| {
        let client = server.client(&format!("{name}/{person}/k7/rw/*")).await;
        let mut client = client.always("X-Forwarded-Auth-Type", "password");
        client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status
    };
    assert_eq!((status("alice", alice).await, status("alice", bob).await), (207, 403));
    assert_eq!((status("bob", alice).await, status("carol", alice).await), (403, 403));
    let client = server.db.pool.client().await.unwrap();
    client.batch("UPDATE principal SET name = 'alice.2019' WHERE name = 'alice'").await.unwrap();
    assert_eq!((status("alice", alice).await, status("alice.2019", alice).await), (403, 207));
    signed_in(&server, "alice").await.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    assert_ne!(key(&server, "alice").await, alice, "somebody new");
    assert_eq!((status("alice", alice).await, status("alice.2019", alice).await), (403, 207));
    // Nothing of what came with a password is kept, and who is disabled has none.
    client.batch("UPDATE principal SET disabled = now() WHERE name = 'alice.2019'").await.unwrap();
    assert_eq!(status("alice.2019", alice).await, 403);
}
