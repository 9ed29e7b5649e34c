//! What an admin does to people and groups by the command line, against a server that runs: who is in a group by whose word,
//! and what is kept of it.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::process::Command;

use kalends::config::{HeaderName, Settings};
use kalends::db::Query;
use server::{Client, Server, event, notice};
use support::sql;

const GROUPS: &str = "X-Forwarded-Groups";

fn site(settings: &mut Settings) {
    settings.identity.groups_header = HeaderName::named(GROUPS);
}

/// What `kalends` says to these words, and whether it went well.
async fn kalends(server: &Server, words: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
    command.args(words).env("KALENDS__DATABASE__URL", &server.db.url).env("SUDO_USER", "root");
    command.env_remove("KALENDS_CONFIG");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), said)
}

async fn well(server: &Server, words: &[&str]) -> String {
    let (well, said) = kalends(server, words).await;
    assert!(well, "{words:?}: {said}");
    said
}

/// Somebody who has been here.
async fn person(server: &Server, name: &str) -> Client {
    let mut client = server.client(name).await;
    assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    client
}

/// Alice with an event, which her list grants to the group.
async fn granted_to(server: &Server, group: &str) -> Client {
    let mut alice = person(server, "alice").await;
    let put = alice.ask("PUT /dav/calendars/alice/calendar/a.ics", &[], event("a", "hers")).await;
    assert_eq!(put.status, 201);
    let list = format!(
        "<D:acl xmlns:D=\"DAV:\"><D:ace><D:principal><D:href>/dav/principals/groups/{group}/</D:href></D:principal><D:grant>\
         <D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>"
    );
    let set = alice.ask("ACL /dav/calendars/alice/calendar/", &[], list).await;
    assert_eq!(set.status, 200, "{}", set.text());
    alice
}

async fn reads(client: &mut Client, told: &[(&str, &str)]) -> bool {
    client.ask("GET /dav/calendars/alice/calendar/a.ics", told, "").await.status == 200
}

/// The members that the group's principal shows.
async fn members(client: &mut Client, group: &str) -> Vec<String> {
    let body = "<propfind xmlns='DAV:'><prop><group-member-set/></prop></propfind>";
    let line = format!("PROPFIND /dav/principals/groups/{group}/");
    let text = client.ask(&line, &[("Depth", "0")], body).await.text();
    let set = text.split("group-member-set").nth(1).unwrap_or_default();
    let hrefs = set.split("href>").filter_map(|part| part.strip_prefix("/dav/principals/"));
    hrefs.map(|part| part.split('/').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_group_is_what_the_proxy_tells_and_what_is_kept_here() {
    let server = Server::start(site).await;
    let (mut bob, mut carla) = (person(&server, "bob").await, person(&server, "carla").await);
    let (failed, said) = kalends(&server, &["group", "show", "staff"]).await;
    assert!(!failed && said.contains("nobody is in staff"), "{said}");
    assert!(well(&server, &["group", "add", "staff", "bob"]).await.contains("bob is in staff from"));
    let mut alice = granted_to(&server, "staff").await;
    // Kept, by no word of the proxy; told, and kept by nobody; neither.
    assert!(reads(&mut bob, &[]).await);
    assert!(reads(&mut carla, &[(GROUPS, "staff,other")]).await);
    assert_eq!(members(&mut alice, "staff").await, ["bob", "carla"]);
    let list = well(&server, &["group", "list"]).await;
    assert_eq!(
        list,
        "GROUP  MEMBERS  BY THE PROXY  BY AN ADMIN\nother  1        1             0\nstaff  2        1             1\n"
    );
    let show = "NAME   TOLD BY  STATE\nbob    admin    active\ncarla  proxy    active\n";
    assert_eq!(well(&server, &["group", "show", "staff"]).await, show);
    // What the proxy says comes and goes; what is kept stays, told or not.
    assert!(reads(&mut bob, &[(GROUPS, "staff")]).await && reads(&mut bob, &[]).await);
    assert!(!reads(&mut carla, &[(GROUPS, "other")]).await);
    assert!(well(&server, &["group", "add", "staff", "carla"]).await.contains("carla is in staff from"));
    assert!(reads(&mut carla, &[(GROUPS, "other")]).await && reads(&mut carla, &[(GROUPS, "staff")]).await);
    assert!(well(&server, &["group", "remove", "staff", "carla", "bob"]).await.contains("as before"));
    assert!(reads(&mut carla, &[(GROUPS, "staff")]).await);
    assert!(!reads(&mut bob, &[]).await && !reads(&mut carla, &[]).await);
    assert_eq!(members(&mut alice, "staff").await, [""; 0]);
}

#[tokio::test]
async fn a_group_that_is_deleted_keeps_nobody() {
    let server = Server::start(site).await;
    let (mut bob, mut carla) = (person(&server, "bob").await, person(&server, "carla").await);
    well(&server, &["group", "add", "staff", "bob", "carla"]).await;
    granted_to(&server, "staff").await;
    assert!(reads(&mut bob, &[]).await && reads(&mut carla, &[(GROUPS, "staff")]).await);
    let said = well(&server, &["group", "delete", "staff"]).await;
    assert!(said.contains("2 were") && said.contains("The proxy says that 1 are in it"), "{said}");
    assert!(!reads(&mut bob, &[]).await && reads(&mut carla, &[(GROUPS, "staff")]).await);
    // Nobody is left: who makes a group of that name later inherits nothing.
    assert!(!reads(&mut carla, &[]).await);
    assert!(well(&server, &["group", "delete", "staff"]).await.contains("in no access control list"));
    well(&server, &["group", "add", "staff", "bob"]).await;
    assert!(!reads(&mut bob, &[]).await);
    for (words, why) in [
        (&["group", "add", "staff", "nobody"][..], "nobody is called nobody"),
        (&["group", "add", "", "bob"], "cannot be a group"),
        (&["group", "add", "a\u{202e}b", "bob"], "cannot be a group"),
    ] {
        let (well, said) = kalends(&server, words).await;
        assert!(!well && said.contains(why), "{said}");
    }
}

#[tokio::test]
async fn who_did_what_to_whom_is_kept() {
    let server = Server::start(site).await;
    let mut bob = person(&server, "bob").await;
    well(&server, &["group", "add", "staff", "bob"]).await;
    let mut alice = granted_to(&server, "staff").await;
    bob.ask("PROPFIND /dav/", &[("Depth", "0"), (GROUPS, "others")], "").await;
    alice.ask("ACL /dav/calendars/alice/calendar/", &[], "<acl xmlns='DAV:'/>").await;
    well(&server, &["principal", "disable", "bob"]).await;
    well(&server, &["user", "enable", "bob"]).await;
    well(&server, &["principal", "rename", "bob", "robert"]).await;
    let told = well(&server, &["audit"]).await;
    let lines: Vec<String> = told
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        lines,
        [
            "(operator root) joined bob - staff",
            "alice granted group staff alice/calendar D:read",
            "(proxy) joined bob - others",
            "alice revoked group staff alice/calendar D:read",
            "(operator root) disabled bob - -",
            "(operator root) enabled bob - -",
            "(operator root) renamed bob - robert",
        ]
    );
    let about = well(&server, &["audit", "--of", "robert", "--days", "1"]).await;
    assert_eq!(about.lines().count(), 6, "{about}");
    let old = sql("UPDATE audit SET at = now() - interval '400 days' WHERE id <= 2");
    server.db.pool.client().await.unwrap().execute(&old, &[]).await.unwrap();
    assert_eq!(kalends::boot::upkeep::forget_deeds(&server.db.pool, 365).await.unwrap(), 2);
    assert_eq!(well(&server, &["audit", "--days", "100000"]).await.lines().count(), 6);
}

// ---- who is who, and what becomes of what they had ----

const LOCK: &str = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype>\
    <D:owner>Zaphod</D:owner></D:lockinfo>";

fn list(grants: &[(&str, &str)]) -> String {
    let ace = |(who, what): &(&str, &str)| {
        format!(
            "<ace><principal><href>/dav/principals/{who}/</href></principal><grant><privilege><{what}/></privilege></grant></ace>"
        )
    };
    format!("<acl xmlns='DAV:'>{}</acl>", grants.iter().map(ace).collect::<String>())
}

fn property(name: &str, value: &str) -> String {
    format!("<propertyupdate xmlns='DAV:'><set><prop><{name}>{value}</{name}></prop></set></propertyupdate>")
}

async fn done(client: &mut Client, line: &str, body: &str) -> server::Answer {
    let answer = client.ask(line, &[("Depth", "0")], body).await;
    assert!(answer.is_done(), "{line}: {} {}", answer.status, answer.text());
    answer
}

async fn run(server: &Server, query: Query) -> u64 {
    server.db.pool.client().await.unwrap().execute(&query, &[]).await.unwrap()
}

async fn sync_home(client: &mut Client, home: &str, token: &str) -> server::Page {
    client.sync_home(home, token, "1", None).await.unwrap()
}

#[tokio::test]
async fn a_name_that_is_used_again_inherits_nothing() {
    let server = Server::start(site).await;
    let mut bob = person(&server, "bob").await;
    let mut alice = person(&server, "alice").await;
    done(&mut alice, "PUT /dav/calendars/alice/calendar/a.ics", &event("a", "hers")).await;
    done(&mut alice, "ACL /dav/calendars/alice/", &list(&[("bob", "read")])).await;
    well(&server, &["group", "add", "staff", "alice"]).await;
    well(&server, &["principal", "rename", "alice", "alice2"]).await;
    let mut new = person(&server, "alice").await;
    assert_eq!(new.ask("GET /dav/calendars/alice/calendar/a.ics", &[], "").await.status, 404);
    assert_eq!(new.ask("GET /dav/calendars/alice2/calendar/a.ics", &[], "").await.status, 403);
    assert_eq!(members(&mut new, "staff").await, ["alice2"]);
    assert_eq!(bob.ask("GET /dav/calendars/alice2/calendar/a.ics", &[], "").await.status, 200);
    assert_eq!(bob.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "0")], "").await.status, 403);
    let show = well(&server, &["principal", "show", "alice"]).await;
    assert!(
        show.contains("2 calendars with 0 objects") && show.contains("none by the proxy's word, none kept"),
        "{show}"
    );
    let show = well(&server, &["principal", "show", "alice2"]).await;
    assert!(show.contains("2 calendars with 1 objects") && show.contains("staff kept here"), "{show}");
    assert!(show.contains("gives       1 entries"), "{show}");
    // Who is disabled is out, and what they shared is not.
    well(&server, &["principal", "disable", "alice2"]).await;
    let mut gone = server.client("alice2").await;
    assert_eq!(gone.ask("GET /dav/calendars/alice2/calendar/a.ics", &[], "").await.status, 403);
    assert_eq!(bob.ask("GET /dav/calendars/alice2/calendar/a.ics", &[], "").await.status, 200);
    well(&server, &["principal", "enable", "alice2"]).await;
    assert_eq!(gone.ask("GET /dav/calendars/alice2/calendar/a.ics", &[], "").await.status, 200);
}

/// How many rows of every table that has a home still name calendars of alice's there that have been bob's.
async fn left_behind(server: &Server) -> Vec<String> {
    let tables = "SELECT a.table_name::text FROM information_schema.columns a JOIN information_schema.columns b USING (table_schema, table_name)
        WHERE a.column_name = 'home_id' AND b.column_name = 'calendar_id' AND a.table_name <> 'home_tombstone'";
    let mut left = Vec::new();
    for row in server.db.pool.rows(&sql(tables), &[]).await.unwrap() {
        let table: String = row.at(0).unwrap();
        let text = format!(
            "SELECT count(*) FROM {table} t WHERE t.home_id = 1 AND t.calendar_id IN (SELECT id FROM calendar WHERE home_id <> 1)"
        );
        let count: i64 = server.db.pool.row(&sql(text.leak()), &[]).await.unwrap().at(0).unwrap();
        if count > 0 {
            left.push(table);
        }
    }
    left
}

/// Alice's calendars with all that can belong to them, bob who sees one of them and carla who sees another; the entity tag of
/// an object, and a token from before another one was deleted.
async fn full(server: &Server) -> (Client, Client, Client, String, String) {
    let mut alice = person(server, "alice").await;
    let (bob, carla) = (person(server, "bob").await, person(server, "carla").await);
    let tag = done(&mut alice, "PUT /dav/calendars/alice/calendar/a.ics", &event("a", "hers")).await;
    let tag = tag.header("etag").unwrap().to_owned();
    done(&mut alice, "MKCALENDAR /dav/calendars/alice/seen/", "").await;
    done(&mut alice, "PUT /dav/calendars/alice/calendar/b.ics", &event("b", "gone")).await;
    let token = alice.sync("/dav/calendars/alice/calendar/", "", None).await.token;
    done(&mut alice, "DELETE /dav/calendars/alice/calendar/b.ics", "").await;
    done(&mut alice, "PROPPATCH /dav/calendars/alice/calendar/", &property("displayname", "Hers")).await;
    done(&mut alice, "PROPPATCH /dav/calendars/alice/calendar/a.ics", &property("x", "y")).await;
    done(&mut alice, "LOCK /dav/calendars/alice/calendar/a.ics", LOCK).await;
    for (place, grants) in
        [("calendar/", [("carla", "read"), ("bob", "read")]), ("", [("carla", "bind"), ("bob", "bind")])]
    {
        done(&mut alice, &format!("ACL /dav/calendars/alice/{place}"), &list(&grants)).await;
    }
    // Bob and carla see what is shared with them; he sees another one under a name and with a property of his own.
    for bind in [
        sql("INSERT INTO bind SELECT 2, 'from-alice', 1, calendar_id FROM bind WHERE home_id = 1 AND name = 'seen'"),
        sql("UPDATE bind SET name = 'from-alice' WHERE home_id = 3 AND owner_home_id = 1"),
        sql("INSERT INTO property SELECT 2, calendar_id, 0, 'DAV:', 'displayname', '<displayname xmlns=\"DAV:\">His</displayname>'
            FROM bind WHERE home_id = 1 AND name = 'seen'"),
        // What the owner needs no entry for, may stand in the list all the same.
        sql("INSERT INTO ace (home_id, calendar_id, place, grantee, principal_id, privileges)
            SELECT 1, calendar_id, 99, 0, 1, 2 FROM bind WHERE home_id = 1 AND name = 'calendar'"),
    ] {
        assert_eq!(run(server, bind).await, 1);
    }
    for own in [
        sql(
            "INSERT INTO personal (home_id, object_id, principal_id, data) SELECT 1, id, 2, '' FROM object WHERE name = 'a.ics'",
        ),
        sql(
            "INSERT INTO personal (home_id, object_id, principal_id, data) SELECT 1, id, 3, '' FROM object WHERE name = 'a.ics'",
        ),
    ] {
        assert_eq!(run(server, own).await, 1);
    }
    (alice, bob, carla, tag, token)
}

/// What of the log is in the new home and can be taken back, and whose own and whose invitations are where.
async fn followed(server: &Server) -> String {
    let moved = sql(
        "SELECT concat_ws(' ', (SELECT string_agg(name, ',') FROM history WHERE home_id = 2 AND trashed),
            (SELECT string_agg(home_id || ':' || principal_id, ',') FROM personal),
            (SELECT string_agg(home_id || ':' || principal_id, ',') FROM invite))",
    );
    server.db.pool.row(&moved, &[]).await.unwrap().at(0).unwrap()
}

#[tokio::test]
async fn calendars_are_handed_over_with_all_that_belongs_to_them() {
    let server = Server::start(site).await;
    let (mut alice, mut bob, mut carla, tag, token) = full(&server).await;
    let (hers, his) = (
        sync_home(&mut alice, "/dav/calendars/alice/", "").await.token,
        sync_home(&mut bob, "/dav/calendars/bob/", "").await.token,
    );
    let said = well(&server, &["principal", "transfer", "alice", "bob"]).await;
    for line in [
        "calendar is bob/calendar-2 now",
        "tasks is bob/tasks-2 now",
        "seen is bob/from-alice now",
        "3 calendars are bob's",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let got = bob.ask("GET /dav/calendars/bob/calendar-2/a.ics", &[], "").await;
    assert_eq!((got.status, got.header("etag")), (200, Some(tag.as_str())));
    let body = "<propfind xmlns='DAV:'><prop><displayname/><x/><lockdiscovery/></prop></propfind>";
    let told = done(&mut bob, "PROPFIND /dav/calendars/bob/calendar-2/", body).await.text();
    assert!(told.contains(">Hers<") && !told.contains("Zaphod"), "{told}");
    let told = done(&mut bob, "PROPFIND /dav/calendars/bob/calendar-2/a.ics", body).await.text();
    assert!(told.contains(">y<") && !told.contains("Zaphod"), "{told}");
    let told = done(&mut bob, "PROPFIND /dav/calendars/bob/from-alice/", body).await.text();
    assert!(told.contains(">His<"), "{told}");
    // Who had seen the calendar hears of what happened since, and of nothing else.
    let page = bob.sync("/dav/calendars/bob/calendar-2/", &token, None).await;
    assert_eq!(
        (page.changed.len(), page.gone.as_slice()),
        (0, &["/dav/calendars/bob/calendar-2/b.ics".to_owned()][..])
    );
    let page = sync_home(&mut alice, "/dav/calendars/alice/", &hers).await;
    assert_eq!(page.gone.len(), 3, "{page:?}");
    let page = sync_home(&mut bob, "/dav/calendars/bob/", &his).await;
    let news: Vec<&str> = page.changed.iter().map(|(href, _)| href.as_str()).collect();
    let there = |name| news.contains(&format!("/dav/calendars/bob/{name}/").as_str());
    assert!(["calendar-2", "tasks-2", "from-alice"].into_iter().all(there), "{news:?}");
    // Shares followed, what the old home granted did not, and the old owner has nothing.
    assert_eq!(carla.ask("GET /dav/calendars/bob/calendar-2/a.ics", &[], "").await.status, 200);
    assert_eq!(carla.ask("PUT /dav/calendars/bob/calendar-2/c.ics", &[], event("c", "x")).await.status, 403);
    assert_eq!(alice.ask("GET /dav/calendars/bob/calendar-2/a.ics", &[], "").await.status, 403);
    assert_eq!(alice.ask("GET /dav/calendars/alice/calendar/a.ics", &[], "").await.status, 404);
    done(&mut bob, "PUT /dav/calendars/bob/calendar-2/c.ics", &event("c", "x")).await;
    let seen =
        sql("SELECT count(*) FROM bind WHERE home_id = 3 AND name = 'from-alice' AND owner_home_id = 2");
    assert_eq!(server.db.pool.row(&seen, &[]).await.unwrap().at::<i64>(0).unwrap(), 1);
    assert_eq!(left_behind(&server).await, [""; 0]);
    assert_eq!(followed(&server).await, "b.ics 2:3 2:3");
    let told = well(&server, &["audit", "--of", "bob"]).await;
    assert_eq!(told.matches("transferred").count(), 3, "{told}");
    // One by one, back again, and what is not there.
    assert!(
        well(&server, &["principal", "transfer", "bob", "alice", "--calendar", "calendar-2"])
            .await
            .contains("1 calendars")
    );
    assert_eq!(alice.ask("GET /dav/calendars/alice/calendar-2/a.ics", &[], "").await.status, 200);
    for (words, why) in [
        (["bob", "alice", "--calendar=none"], "has no calendar none"),
        (["bob", "bob", "--calendar=tasks"], "already"),
    ] {
        let (well, said) = kalends(&server, &[&["principal", "transfer"], &words[..]].concat()).await;
        assert!(!well && said.contains(why), "{said}");
    }
}

/// The tables in which one of these texts stands, as text or as octets.
async fn traces(server: &Server, marks: &[&str]) -> Vec<String> {
    let tables = sql("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'");
    let mut found = Vec::new();
    for row in server.db.pool.rows(&tables, &[]).await.unwrap() {
        let table: String = row.at(0).unwrap();
        for mark in marks {
            let digits = mark.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
            let octets: String = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
            let text = format!(
                "SELECT count(*) FROM {table} t WHERE strpos(lower(t::text), '{mark}') > 0 OR strpos(t::text, '{octets}') > 0"
            );
            let count: i64 = server.db.pool.row(&sql(text.leak()), &[]).await.unwrap().at(0).unwrap();
            if count > 0 {
                found.push(format!("{table}: {mark}"));
            }
        }
    }
    found
}

/// A proxy that tells everything.
fn telling(settings: &mut Settings) {
    site(settings);
    let identity = &mut settings.identity;
    for header in [&mut identity.email_header, &mut identity.name_header, &mut identity.subject_header] {
        *header = HeaderName::named(header.usual());
    }
}

/// Zaphod, who has left his mark wherever there is room for it, and alice, whose home is one of these places.
async fn marked() -> (Server, Client, Client) {
    let server = Server::start(telling).await;
    let mut alice = server.client("alice").await.always("X-Forwarded-Sub", "s-1");
    done(&mut alice, "PROPFIND /dav/", "").await;
    let told = [
        ("X-Forwarded-Sub", "betelgeuse"),
        (GROUPS, "presidents"),
        ("X-Forwarded-Email", "zaphod@galaxy.example"),
        ("X-Forwarded-Name", "Zaphod B."),
    ];
    let zaphod = server.client("zaphod").await;
    let mut zaphod = told.iter().fold(zaphod, |client, (name, value)| client.always(name, value));
    done(&mut zaphod, "PROPFIND /dav/", "").await;
    done(&mut alice, "ACL /dav/calendars/alice/calendar/", &list(&[("zaphod", "all")])).await;
    done(&mut alice, "ACL /dav/calendars/alice/", &list(&[("zaphod", "read")])).await;
    done(&mut alice, "PUT /dav/calendars/alice/calendar/a.ics", &event("a", "x")).await;
    done(
        &mut zaphod,
        "PUT /dav/calendars/zaphod/calendar/heartofgold.ics",
        &event("heartofgold", "heartofgold"),
    )
    .await;
    done(&mut zaphod, "DELETE /dav/calendars/zaphod/calendar/heartofgold.ics", "").await;
    done(&mut zaphod, "PUT /dav/calendars/zaphod/calendar/again.ics", &event("heartofgold", "heartofgold"))
        .await;
    done(&mut zaphod, "MKCALENDAR /dav/calendars/zaphod/heartofgold/", "").await;
    done(
        &mut zaphod,
        "PROPPATCH /dav/calendars/zaphod/heartofgold/",
        &property("displayname", "heartofgold"),
    )
    .await;
    done(&mut zaphod, "ACL /dav/calendars/zaphod/heartofgold/", &list(&[("alice", "read")])).await;
    done(&mut zaphod, "LOCK /dav/calendars/alice/calendar/a.ics", LOCK).await;
    done(&mut zaphod, "DELETE /dav/calendars/zaphod/heartofgold/", "").await;
    done(&mut zaphod, "MKCALENDAR /dav/calendars/zaphod/heartofgold/", "").await;
    for nth in 0..9 {
        let value = property("displayname", &format!("heartofgold {nth}"));
        done(&mut zaphod, "PROPPATCH /dav/calendars/zaphod/heartofgold/", &value).await;
    }
    well(&server, &["group", "add", "staff", "zaphod"]).await;
    mark_rows(&server).await;
    (server, alice, zaphod)
}

/// The marks that he leaves in rows that no request of his makes.
async fn mark_rows(server: &Server) {
    for name in ["n.xml", "m.xml"] {
        let tx = server.db.pool.begin().await.unwrap();
        let summary =
            if name == "n.xml" { "/dav/principals/zaphod/" } else { "mailto:zaphod@galaxy.example" };
        kalends::store::notification::put(&tx, 1, &notice(name, summary)).await.unwrap();
        tx.commit().await.unwrap();
    }
    server.notify("alice", "stays.xml").await;
    for bind in [
        sql("INSERT INTO bind SELECT 1, 'shared', 2, calendar_id FROM bind WHERE home_id = 2 AND name = 'heartofgold'"),
        sql("INSERT INTO property SELECT 1, calendar_id, 0, 'DAV:', 'displayname', '<displayname xmlns=\"DAV:\">heartofgold</displayname>'
            FROM bind WHERE home_id = 2 AND name = 'heartofgold'"),
        // She calls him something, awaits him elsewhere, and he keeps something of his own in her calendar.
        sql("UPDATE invite SET common_name = 'Zaphod', summary = 'heartofgold' WHERE home_id = 1 AND principal_id = 2"),
        sql("INSERT INTO invite (home_id, calendar_id, address, common_name, status)
            SELECT 1, calendar_id, 'Zaphod@galaxy.example', 'Zaphod', 0 FROM bind WHERE home_id = 1 AND name = 'tasks'"),
        sql("INSERT INTO personal (home_id, object_id, principal_id, data)
            SELECT 1, id, 2, convert_to('zaphod', 'UTF8') FROM object WHERE home_id = 1 AND name = 'a.ics'"),
        sql("INSERT INTO watch (home_id, calendar_id, principal_id, wanted)
            SELECT 1, calendar_id, 2, true FROM bind WHERE home_id = 1 AND name = 'calendar'"),
    ] {
        assert_eq!(run(server, bind).await, 1);
    }
}

/// How far alice's home is, by its tag.
async fn tag_of_home(alice: &mut Client) -> u64 {
    let body =
        "<propfind xmlns='DAV:'><prop><getctag xmlns='http://calendarserver.org/ns/'/></prop></propfind>";
    let home = "PROPFIND /dav/calendars/alice/";
    let told = alice.ask(home, &[("Depth", "0")], body).await.text();
    let tag = told.split("getctag>").nth(1).unwrap().split('<').next().unwrap();
    tag.rsplit_once('-').unwrap().1.parse().unwrap()
}

/// What else there is in somebody's home than what it started with.
async fn more(client: &mut Client, user: &str) -> Vec<String> {
    let start = ["calendar", "tasks", "inbox", "outbox", "notifications"];
    let start = start.map(|name| format!("/dav/calendars/{user}/{name}/"));
    let all = client.collections(&format!("/dav/calendars/{user}/")).await;
    all.into_iter().map(|(path, _)| path).filter(|path| !start.contains(path)).collect()
}

#[tokio::test]
async fn who_comes_back_meets_what_a_group_was_given_meanwhile() {
    let server = Server::start(site).await;
    for name in ["alice", "bob", "carol"] {
        drop(person(&server, name).await);
    }
    well(&server, &["group", "add", "staff", "alice", "bob", "carol"]).await;
    well(&server, &["principal", "disable", "bob"]).await;
    let mut alice = granted_to(&server, "staff").await;
    let (mut bob, mut carol) = (server.client("bob").await, server.client("carol").await);
    assert_eq!(more(&mut carol, "carol").await, ["/dav/calendars/carol/calendar-2/"]);
    well(&server, &["principal", "enable", "bob"]).await;
    assert_eq!(more(&mut bob, "bob").await, ["/dav/calendars/bob/calendar-2/"]);
    // Who had a calendar and is in a group that it is shared with, has it as the others in the group have it.
    well(&server, &["principal", "transfer", "alice", "bob", "--calendar", "calendar"]).await;
    let hers = more(&mut alice, "alice").await;
    assert_eq!((hers.len(), more(&mut carol, "carol").await.len()), (1, 1), "{hers:?}");
    let event_of = |method| format!("{method} {}a.ics", hers[0]);
    assert_eq!(alice.ask(&event_of("GET"), &[], "").await.status, 200);
    assert_eq!(alice.ask(&event_of("PUT"), &[], event("a", "x")).await.status, 403);
    well(&server, &["group", "delete", "staff"]).await;
    let (hers, carols) = (more(&mut alice, "alice").await, more(&mut carol, "carol").await);
    assert!(hers.is_empty() && carols.is_empty(), "{hers:?} {carols:?}");
    assert_eq!(more(&mut bob, "bob").await, ["/dav/calendars/bob/calendar-2/"]);
}

#[tokio::test]
async fn who_is_erased_leaves_nothing() {
    let (server, mut alice, mut zaphod) = marked().await;
    let marks = ["zaphod", "betelgeuse", "heartofgold", "presidents"];
    let before = traces(&server, &marks).await;
    assert!(before.len() > 12, "{before:?}");
    let token = sync_home(&mut alice, "/dav/calendars/alice/", "").await.token;
    let notes = alice.sync("/dav/calendars/alice/notifications/", "", None).await.token;
    let tag = tag_of_home(&mut alice).await;
    // Told, not done.
    let said = well(&server, &["principal", "purge", "zaphod"]).await;
    assert!(said.contains("Nothing was changed") && said.contains("3 calendars with 1 objects"), "{said}");
    assert!(
        said.contains("2 entries in the lists of others") && said.contains("1 times a calendar is seen"),
        "{said}"
    );
    assert_eq!(traces(&server, &marks).await, before);
    let said = well(&server, &["principal", "purge", "zaphod", "--yes"]).await;
    assert!(said.contains("All of this is erased"), "{said}");
    // What names are gone from the homes of others, these homes know as long as of all others.
    assert_eq!(traces(&server, &marks).await, ["home_tombstone: heartofgold"]);
    let aged =
        sql("UPDATE home_tombstone SET buried = buried - interval '9 years' WHERE name = 'heartofgold'");
    assert_eq!(run(&server, aged).await, 1);
    let trimmed = kalends::store::change::trim(&server.db.pool, 1, 365, 99).await.unwrap();
    assert_eq!((trimmed, traces(&server, &marks).await), (1, Vec::new()));
    assert!(tag_of_home(&mut alice).await > tag, "no tag of a home comes again");
    let orphans = sql("SELECT (SELECT count(*) FROM property p WHERE object_id > 0 AND NOT EXISTS (SELECT FROM object o WHERE o.id = p.object_id))
                           + (SELECT count(*) FROM watch) + (SELECT count(*) FROM invite)");
    assert_eq!(server.db.pool.row(&orphans, &[]).await.unwrap().at::<i64>(0).unwrap(), 0);
    // Others have what they had, and hear of what went.
    assert_eq!(alice.ask("GET /dav/calendars/alice/calendar/a.ics", &[], "").await.status, 200);
    done(&mut alice, "PUT /dav/calendars/alice/calendar/a.ics", &event("a", "y")).await;
    let page = sync_home(&mut alice, "/dav/calendars/alice/", &token).await;
    assert!(page.gone == ["/dav/calendars/alice/shared/"], "{page:?}");
    let page = alice.sync("/dav/calendars/alice/notifications/", &notes, None).await;
    assert_eq!((page.changed.len(), page.gone.len()), (0, 2), "{page:?}");
    let told = well(&server, &["audit"]).await;
    assert!(told.contains("(number 2)") && told.contains("purged"), "{told}");
    // Who comes by the name is somebody new.
    done(&mut zaphod, "PROPFIND /dav/", "").await;
    let show = well(&server, &["principal", "show", "zaphod"]).await;
    assert!(show.contains("number      3") && show.contains("2 calendars with 0 objects"), "{show}");
}

/// Notifications that name somebody else, whose address ends as that of who is erased does, are theirs to keep; an address that is
/// written otherwise in a URL is found all the same.
#[tokio::test]
async fn what_names_somebody_else_stays_where_who_is_erased_is_named_no_more() {
    let server = Server::start(telling).await;
    let mut alice = person(&server, "alice").await;
    for (name, email) in [("n", "n@example.org"), ("odd", "a&b%c@example.org")] {
        let who = server.client(name).await.always("X-Forwarded-Sub", name);
        done(&mut who.always("X-Forwarded-Email", email), "PROPFIND /dav/", "").await;
    }
    for (name, summary) in [
        ("n.xml", "mailto:n@example.org"),
        ("jean.xml", "mailto:jean@example.org"),
        ("odd.xml", "mailto:a&b%25c@example.org"),
    ] {
        let tx = server.db.pool.begin().await.unwrap();
        kalends::store::notification::put(&tx, 1, &notice(name, summary)).await.unwrap();
        tx.commit().await.unwrap();
    }
    for name in ["n", "odd"] {
        well(&server, &["principal", "purge", name, "--yes"]).await;
    }
    let left = alice.members("/dav/calendars/alice/notifications/").await;
    assert_eq!(
        left.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        ["/dav/calendars/alice/notifications/jean.xml"]
    );
    // They counted to nobody's quota, and what goes gives nobody more.
    let counted = sql("SELECT count(*) FROM calendar WHERE kind = 3 AND octets <> 0");
    assert_eq!(server.db.pool.row(&counted, &[]).await.unwrap().at::<i64>(0).unwrap(), 0);
}

/// What others have of who is erased is looked for when they are gone, and nobody waits for that: neither who signs in for the first
/// time, nor whoever takes over when it was interrupted.
#[tokio::test]
async fn nobody_waits_until_what_others_have_of_who_is_erased_is_gone() {
    const WISH: &str = "<K:erase xmlns:K='urn:x-kalends'><K:name>zaphod</K:name></K:erase>";
    let (server, mut alice, mut zaphod) = marked().await;
    let held = server.db.pool.begin().await.unwrap();
    held.batch("SELECT FROM calendar WHERE home_id = 1 AND kind = 3 FOR NO KEY UPDATE").await.unwrap();
    let wish = zaphod.ask("POST /dav/calendars/zaphod/", &[("Content-Type", "application/xml")], WISH);
    let mut wish = Box::pin(wish);
    let gone = async |pool: &kalends::db::Pool| {
        let row = pool.row(&sql("SELECT count(*) FROM principal WHERE name = 'zaphod'"), &[]).await.unwrap();
        row.at::<i64>(0).unwrap() == 0
    };
    let mut tries = 0;
    while tokio::time::timeout(std::time::Duration::from_millis(100), &mut wish).await.is_err()
        && !gone(&server.db.pool).await
    {
        tries += 1;
        assert!(tries < 100, "they are still there");
    }
    let first = tokio::time::timeout(std::time::Duration::from_secs(5), person(&server, "trillian")).await;
    assert!(first.is_ok(), "who comes for the first time waits");
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(300), &mut wish).await.is_err(),
        "what alice was told is gone while she deals with it"
    );
    // They go away, and the rest is done by whoever looks for it.
    drop(wish);
    drop(zaphod);
    drop(held);
    kalends::caldav::erase::wipe(&server.db.pool).await.unwrap();
    let marks = ["zaphod", "betelgeuse", "presidents"];
    assert_eq!(traces(&server, &marks).await, Vec::<String>::new());
    assert_eq!(alice.members("/dav/calendars/alice/notifications/").await.len(), 1);
}
