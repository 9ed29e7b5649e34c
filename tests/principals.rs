//! What an admin does to people and groups by the command line, against a server that runs: who is in a group by whose word,
//! and what is kept of it.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::process::Command;

use kalends::config::{HeaderName, Settings};
use server::{Client, Server, event};

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
    let old = support::sql("UPDATE audit SET at = now() - interval '400 days' WHERE id <= 2");
    server.db.pool.client().await.unwrap().execute(&old, &[]).await.unwrap();
    assert_eq!(kalends::boot::upkeep::forget_deeds(&server.db.pool, 365).await.unwrap(), 2);
    assert_eq!(well(&server, &["audit", "--days", "100000"]).await.lines().count(), 6);
}
