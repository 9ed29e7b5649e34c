//! What is kept of a person, over REST: taken along whole, erased so that nothing is left, followed where names change; and who
//! did what, told to those whom it is about.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use kalends::boot::upkeep;
use kalends::config::{HeaderName, Settings, Span};
use rest::{Json, Rest};
use serde_json::{Value, json};
use server::{Answer, Client, Server, event};
use support::sql;

const KIND: &str = "X-Forwarded-Auth-Type";

/// A site that knows people's addresses, and passwords of programs.
fn site(settings: &mut Settings) {
    let identity = &mut settings.identity;
    for header in [&mut identity.email_header, &mut identity.auth_type_header] {
        *header = HeaderName::named(header.usual());
    }
    identity.credential_types = vec!["app-password".into()];
    identity.admins = vec!["root".into()];
}

/// Somebody at both services.
async fn person(rest: &Rest, user: &str) -> (Json, Client) {
    let mail = format!("{user}@example.org");
    let say = |client: Client| client.always("X-Forwarded-Email", &mail).always(KIND, "session");
    let mut dav = say(rest.caldav.client(user).await);
    assert_eq!(dav.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    (Json(say(rest.client(user).await.0)), dav)
}

async fn done(client: &mut Client, line: &str, body: &str) {
    let media = [("Content-Type", if body.starts_with('<') { "application/xml" } else { "text/calendar" })];
    let answer = client.ask(line, &media, body).await;
    assert!(answer.is_done(), "{line}: {}", answer.text());
}

/// Where it is written that somebody was there: tables of both services in which one of these texts stands.
async fn traces(server: &Server, marks: &[&str]) -> Vec<String> {
    let tables = sql(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'kalends_api')",
    );
    let mut found = Vec::new();
    for row in server.db.pool.rows(&tables, &[]).await.unwrap() {
        let table: String = row.at(0).unwrap();
        for mark in marks {
            let octets = mark.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
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

/// What `kalends` says where it does what it is told.
async fn well(rest: &Rest, words: &[&str]) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kalends"));
    command.args(words).env("KALENDS__DATABASE__URL", &rest.caldav.db.url);
    let output = command.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    said.into_owned()
}

/// What nginx is told of a name and a password.
async fn check(proxy: &mut Json, user: &str, secret: &str) -> Answer {
    let both = format!("Basic {}", STANDARD.encode(format!("{user}:{secret}")));
    proxy.0.ask("GET /internal/auth/check", &[("Authorization", both.as_str())], "").await
}

/// A password and a link of somebody: the secret, and where the link leads.
async fn doors(who: &mut Json, calendar: &str) -> (String, String) {
    let (status, made) = who.call("POST", "app-passwords/", json!({ "label": "trillian" })).await;
    assert_eq!(status, 201, "{made}");
    let secret = made["secret"].as_str().unwrap().to_owned();
    let wish = json!({ "caldav_path": calendar, "calendar_name": "trillian", "label": "trillian" });
    let (status, made) = who.call("POST", "subscription-tokens/", wish).await;
    assert_eq!(status, 201, "{made}");
    let url = made["url"].as_str().unwrap();
    (secret, url[url.find("/ical/").unwrap()..].to_owned())
}

/// Zaphod, of whom something is kept wherever there is room for it, and bob, with whom he shares.
async fn marked(rest: &Rest) -> (Json, Client, Json, Client, (String, String)) {
    let (mut zaphod, mut dav) = person(rest, "zaphod").await;
    let (bob, mut bobs) = person(rest, "bob").await;
    done(&mut dav, "PUT /dav/calendars/zaphod/calendar/a.ics", &event("a", "heart of gold")).await;
    done(&mut dav, "PUT /dav/calendars/zaphod/calendar/b.ics", &event("b", "magrathea")).await;
    done(&mut dav, "DELETE /dav/calendars/zaphod/calendar/b.ics", "").await;
    let (status, share) = zaphod
        .call("POST", "calendars/calendar/shares/", json!({ "email": "bob@example.org", "role": "editor" }))
        .await;
    assert_eq!(status, 201, "{share}");
    done(&mut bobs, "PUT /dav/calendars/bob/calendar-2/c.ics", &event("c", "By bob")).await;
    let mine = format!("users/{}/", zaphod.get("users/me/").await.1["id"].as_str().unwrap());
    assert_eq!(zaphod.call("PATCH", &mine, json!({ "timezone": "Europe/Paris" })).await.0, 200);
    let doors = doors(&mut zaphod, "/calendars/zaphod/calendar/").await;
    (zaphod, dav, bob, bobs, doors)
}

/// The files of an archive, by a program that others wrote.
fn unpacked(archive: &[u8]) -> Vec<(String, String)> {
    let path = support::directory().join(format!("archive-{}-{}.zip", std::process::id(), archive.len()));
    fs::write(&path, archive).unwrap();
    let script = "import json, sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  print(json.dumps([[n, z.read(n).decode()] for n in z.namelist()]))";
    let output =
        Command::new("python3").args(["-c", script]).arg(&path).stderr(Stdio::inherit()).output().unwrap();
    fs::remove_file(&path).unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn all_that_is_kept_of_a_person_is_in_the_archive() {
    let rest = Rest::start(site).await;
    let (mut zaphod, ..) = marked(&rest).await;
    let answer = zaphod.0.ask("GET /api/v1.0/account/export/", &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/zip")));
    let files = unpacked(&answer.body);
    let file = |name: &str| files.iter().find(|(found, _)| found == name).map(|(_, text)| text.as_str());
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let read = |name: &str| {
        serde_json::from_str::<Value>(file(name).unwrap_or_else(|| panic!("{names:?}"))).unwrap()
    };
    assert_eq!(read("person.json")["timezone"], "Europe/Paris");
    assert_eq!(read("app-passwords.json")[0]["label"], "trillian");
    assert_eq!(read("links.json")[0]["label"], "trillian");
    let calendars = read("calendars.json");
    let own =
        calendars.as_array().unwrap().iter().find(|one| one["caldav_path"] == "/calendars/zaphod/calendar/");
    let id = own.unwrap()["id"].as_str().unwrap();
    assert_eq!(read("shares.json")[id][1]["email"], "bob@example.org");
    assert!(file(&format!("{id}.ics")).unwrap().contains("SUMMARY:heart of gold"));
    let changes = read("history.json");
    let told: Vec<_> =
        changes.as_array().unwrap().iter().map(|one| (one["by"].as_str(), one["action"].as_str())).collect();
    assert!(
        told.contains(&(Some("bob"), Some("made"))) && told.contains(&(Some("zaphod"), Some("deleted"))),
        "{told:?}"
    );
    assert_eq!(read("audit.json")[0]["to"], "bob");
    assert!(file("home.xml").unwrap().contains("multistatus"));
    let deleted = files.iter().find(|(name, _)| name.starts_with("trash/")).unwrap();
    assert!(deleted.1.contains("SUMMARY:magrathea"), "{names:?}");
}

#[tokio::test]
async fn who_erases_themselves_leaves_nothing() {
    let test = async |rest: Rest| {
        let (mut zaphod, mut dav, mut bob, mut bobs, (secret, link)) = marked(&rest).await;
        let (mut proxy, mut stranger) = (rest.client("").await, rest.client("").await);
        assert_eq!(check(&mut proxy, "zaphod", &secret).await.status, 204);
        assert_eq!(stranger.0.ask(&format!("GET {link}"), &[], "").await.status, 200);
        let marks = ["zaphod", "heart of gold", "magrathea", "trillian"];
        let before = traces(&rest.caldav, &marks).await;
        assert!(before.len() > 8, "{before:?}");
        // Not by accident.
        for (body, code) in [
            (json!({}), "required"),
            (json!({ "confirm": "bob" }), "invalid"),
            (json!({ "confirm": "Zaphod" }), "invalid"),
        ] {
            let (status, told) = zaphod.call("DELETE", "account/", body).await;
            assert_eq!((status, &told["errors"][0]["code"]), (400, &json!(code)), "{told}");
        }
        // A password of a program is not the person.
        let value = check(&mut proxy, "zaphod", &secret).await.header("x-auth-user").unwrap().to_owned();
        let mut program = Json(rest.client(&value).await.0.always(KIND, "app-password"));
        assert_eq!(program.call("DELETE", "account/", json!({ "confirm": "zaphod" })).await.0, 403);
        let mut program = rest.caldav.client(&value).await.always(KIND, "app-password");
        let wish = "<K:erase xmlns:K='urn:x-kalends'><K:name>zaphod</K:name></K:erase>";
        let media = [("Content-Type", "application/xml")];
        assert_eq!(program.ask("POST /dav/calendars/zaphod/", &media, wish).await.status, 403);
        assert_eq!(traces(&rest.caldav, &marks).await, before);

        assert_eq!(
            zaphod.call("DELETE", "account/", json!({ "confirm": "zaphod" })).await,
            (204, Value::Null)
        );
        assert_eq!(check(&mut proxy, "zaphod", &secret).await.status, 401);
        assert_eq!(stranger.0.ask(&format!("GET {link}"), &[], "").await.status, 404);
        assert_eq!(bob.get("calendars/").await.1["count"], 2);
        assert_eq!(
            bobs.ask("PROPFIND /dav/calendars/bob/calendar-2/", &[("Depth", "0")], "").await.status,
            404
        );
        assert_eq!(traces(&rest.caldav, &marks).await, [""; 0]);
        // Who comes by the name is somebody new.
        assert_eq!(zaphod.get("app-passwords/").await, (200, json!([])));
        assert_eq!(dav.members("/dav/calendars/zaphod/calendar/").await.len(), 0);
    };
    test(Rest::start(site).await).await;
    test(Rest::apart(site).await).await;
}

/// Somebody's rows at the REST service.
async fn rows(rest: &Rest) -> Vec<String> {
    let all = traces(&rest.caldav, &["trillian", "zaphod", "europe/paris"]).await;
    all.into_iter().filter(|one| one.starts_with("kalends_api.")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_has_the_time_that_it_takes_and_goes_on_when_nobody_waits() {
    let change = |settings: &mut Settings| {
        site(settings);
        settings.limits.request_time = Span::seconds(2);
        settings.api.caldav_time = Span::seconds(1);
    };
    for (rest, waits) in [(Rest::start(change).await, true), (Rest::apart(change).await, false)] {
        let (mut zaphod, ..) = marked(&rest).await;
        assert!(rows(&rest).await.len() > 2);
        let tx = rest.caldav.db.pool.begin().await.unwrap();
        tx.execute(&sql("LOCK TABLE home IN EXCLUSIVE MODE"), &[]).await.unwrap();
        let asked = async move { zaphod.call("DELETE", "account/", json!({ "confirm": "zaphod" })).await.0 };
        let told = if waits {
            let asked = tokio::spawn(asked);
            tokio::time::sleep(Duration::from_secs(3)).await;
            tx.commit().await.unwrap();
            Some(asked.await.unwrap())
        } else {
            assert!(tokio::time::timeout(Duration::from_secs(1), asked).await.is_err());
            tx.commit().await.unwrap();
            None
        };
        assert!(told.is_none_or(|status| status == 204), "{told:?}");
        let since = Instant::now();
        while !rows(&rest).await.is_empty() {
            assert!(since.elapsed() < Duration::from_secs(20), "{:?}", rows(&rest).await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(traces(&rest.caldav, &["heart of gold"]).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_want_to_be_erased_are_in_nobodys_way() {
    let rest = Rest::start(|settings| {
        site(settings);
        settings.privacy.erasure = false;
        settings.database.pool_size = 2;
    })
    .await;
    let (mut asked, since) = (Vec::new(), Instant::now());
    for number in 0..12 {
        let name = format!("p{number}");
        let (mut person, _) = person(&rest, &name).await;
        asked.push(async move { person.call("DELETE", "account/", json!({ "confirm": name })).await.0 });
    }
    let all: Vec<_> = asked.into_iter().map(tokio::spawn).collect();
    for one in all {
        assert_eq!(one.await.unwrap(), 403);
    }
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
}

#[tokio::test]
async fn what_is_left_of_who_is_no_more_is_found() {
    let rest = Rest::start(site).await;
    let (_, mut dav, mut bob, ..) = marked(&rest).await;
    let (secret, link) = doors(&mut bob, "/calendars/bob/calendar/").await;
    let theirs = rows(&rest).await;
    // By a client of CalDAV, of which the REST service hears nothing.
    let wish = "<K:erase xmlns:K='urn:x-kalends'><K:name>zaphod</K:name></K:erase>";
    done(&mut dav, "POST /dav/calendars/zaphod/", wish).await;
    assert_eq!(rows(&rest).await, theirs);
    assert_eq!(upkeep::sweep(&rest.caldav.db.pool).await.unwrap(), 1);
    assert_eq!(traces(&rest.caldav, &["zaphod"]).await, [""; 0]);
    assert_eq!(upkeep::sweep(&rest.caldav.db.pool).await.unwrap(), 0);
    assert_eq!(check(&mut rest.client("").await, "bob", &secret).await.status, 204);
    assert_eq!(rest.client("").await.0.ask(&format!("GET {link}"), &[], "").await.status, 200);
}

#[tokio::test]
async fn whoever_runs_it_may_keep_that_for_themselves() {
    let rest = Rest::start(|settings| {
        site(settings);
        settings.privacy.erasure = false;
    })
    .await;
    let (mut zaphod, .., (secret, _)) = marked(&rest).await;
    let (status, told) = zaphod.call("DELETE", "account/", json!({ "confirm": "zaphod" })).await;
    assert_eq!((status, &told["errors"][0]["code"]), (403, &json!("permission_denied")), "{told}");
    assert_eq!(check(&mut rest.client("").await, "zaphod", &secret).await.status, 204);
    assert_eq!(zaphod.get("calendars/calendar/shares/").await.1["count"], 2);
    // The command line erases what the REST service keeps as well.
    well(&rest, &["principal", "purge", "zaphod", "--yes"]).await;
    assert_eq!(traces(&rest.caldav, &["zaphod", "heart of gold", "trillian"]).await, [""; 0]);
    assert_eq!(check(&mut rest.client("").await, "zaphod", &secret).await.status, 401);
}

#[tokio::test]
async fn passwords_and_links_follow_who_is_renamed_and_open_nothing_of_who_has_the_name_then() {
    let rest = Rest::start(site).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    done(&mut dav, "PUT /dav/calendars/alice/calendar/a.ics", &event("a", "Hers")).await;
    let (secret, link) = doors(&mut alice, "/calendars/alice/calendar/").await;
    let (mut proxy, mut stranger) = (rest.client("").await, rest.client("").await);
    assert_eq!(check(&mut proxy, "alice", &secret).await.status, 204);
    well(&rest, &["principal", "rename", "alice", "alicia"]).await;
    // Another alice comes.
    let mut other = rest.caldav.client("alice").await.always(KIND, "session");
    done(&mut other, "PUT /dav/calendars/alice/calendar/b.ics", &event("b", "Another's")).await;
    let mut waited = 0;
    while check(&mut proxy, "alicia", &secret).await.status != 204 {
        waited += 1;
        assert!(waited < 100, "a node was not told");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(check(&mut proxy, "alice", &secret).await.status, 401);
    let feed = stranger.0.ask(&format!("GET {link}"), &[], "").await;
    assert!(feed.status == 200 && feed.text().contains("SUMMARY:Hers"), "{}", feed.text());
}

#[tokio::test]
async fn a_link_goes_along_with_the_calendar_that_is_handed_over() {
    let rest = Rest::start(site).await;
    let (mut alice, mut dav) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    done(&mut dav, "PUT /dav/calendars/alice/calendar/a.ics", &event("a", "Ours")).await;
    let (_, link) = doors(&mut alice, "/calendars/alice/calendar/").await;
    well(&rest, &["principal", "transfer", "alice", "bob", "--calendar", "calendar"]).await;
    let feed = rest.client("").await.0.ask(&format!("GET {link}"), &[], "").await;
    assert!(feed.status == 200 && feed.text().contains("SUMMARY:Ours"), "{}", feed.text());
    let (_, theirs) = bob.get("subscription-tokens/").await;
    assert_eq!((theirs.as_array().unwrap().len(), &theirs[0]["label"]), (1, &json!("trillian")));
    assert_eq!(alice.get("subscription-tokens/").await.1, json!([]));
    let one = format!("subscription-tokens/{}/", theirs[0]["id"].as_str().unwrap());
    assert_eq!(bob.call("DELETE", &one, Value::Null).await.0, 204);
    assert_eq!(rest.client("").await.0.ask(&format!("GET {link}"), &[], "").await.status, 404);
}

/// Of each of the results these fields.
fn shown<const N: usize>(told: &Value, fields: [&str; N]) -> Vec<[String; N]> {
    let all = told["results"].as_array().unwrap_or_else(|| panic!("{told}"));
    all.iter().map(|one| fields.map(|field| one[field].as_str().unwrap_or("-").to_owned())).collect()
}

#[tokio::test]
async fn owners_read_who_changed_what_in_their_calendars() {
    let test = async |rest: Rest| {
        let (mut alice, mut dav) = person(&rest, "alice").await;
        let (_, mut bobs) = person(&rest, "bob").await;
        let wish = json!({ "user": "bob", "role": "editor" });
        assert_eq!(alice.call("POST", "calendars/calendar/shares/", wish).await.0, 201);
        let agent = |program| [("Content-Type", "text/calendar"), ("User-Agent", program)];
        let (path, text) = ("PUT /dav/calendars/bob/calendar-2/a.ics", event("a", "Lunch, late"));
        assert_eq!(bobs.ask(path, &agent("One/1"), text).await.status, 201);
        let (path, text) = ("PUT /dav/calendars/alice/calendar/a.ics", event("a", "Supper"));
        assert_eq!(dav.ask(path, &agent("Two/2"), text).await.status, 204);
        done(&mut dav, "DELETE /dav/calendars/alice/calendar/a.ics", "").await;
        let (status, told) = alice.get("calendars/calendar/history/").await;
        let all = shown(&told, ["action", "by", "with", "object", "title"]);
        assert_eq!((status, &told["next"]), (200, &Value::Null));
        for row in [
            ["made", "bob", "One/1", "a.ics", "Lunch, late"],
            ["changed", "alice", "Two/2", "a.ics", "Supper"],
        ] {
            assert!(all.contains(&row.map(str::to_owned)), "{row:?} {all:?}");
        }
        assert_eq!(all[0][..2], ["deleted", "alice"]);
        let (mut pages, mut next) =
            (Vec::new(), "calendars/calendar/history/?object=a.ics&limit=1".to_owned());
        while pages.len() < 9 {
            let (_, page) = alice.get(&next).await;
            pages.extend(page["results"].as_array().unwrap().clone());
            let Some(link) = page["next"].as_str() else { break };
            link["/api/v1.0/".len()..].clone_into(&mut next);
        }
        let of_object = told["results"].as_array().unwrap().iter().filter(|one| one["object"] == "a.ics");
        assert_eq!(pages, of_object.cloned().collect::<Vec<_>>());
    };
    test(Rest::start(site).await).await;
    test(Rest::apart(site).await).await;
}

#[tokio::test]
async fn owners_read_who_was_given_what_and_nobody_else_does() {
    let rest = Rest::start(site).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    let wish = json!({ "user": "bob", "role": "reader" });
    let (_, share) = alice.call("POST", "calendars/calendar/shares/", wish).await;
    let one = format!("calendars/calendar/shares/{}/", share["id"].as_str().unwrap());
    assert_eq!(alice.call("DELETE", &one, Value::Null).await.0, 204);
    let (status, told) = alice.get("calendars/calendar/audit/").await;
    let all = shown(&told, ["action", "by", "to", "calendar"]);
    let expected = [["revoked", "alice", "bob", "calendar"], ["granted", "alice", "bob", "calendar"]];
    assert_eq!((status, all), (200, expected.map(|row| row.map(str::to_owned)).to_vec()));
    for path in ["history/?limit=0", "history/?before=x", "audit/?since=x"] {
        assert_eq!(alice.get(&format!("calendars/calendar/{path}")).await.0, 400, "{path}");
    }
    assert_eq!(bob.get("calendars/calendar-2/history/").await.0, 404);
    assert_eq!(bob.get("audit/").await.0, 403);
}

#[tokio::test]
async fn who_administers_a_calendar_is_not_its_owner() {
    let rest = Rest::start(site).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    let wish = json!({ "user": "bob", "role": "administrator" });
    assert_eq!(alice.call("POST", "calendars/calendar/shares/", wish).await.0, 201);
    for path in ["calendars/calendar-2/history/", "calendars/calendar-2/audit/"] {
        assert_eq!(bob.get(path).await.0, 403, "{path}");
    }
}

#[tokio::test]
async fn admins_read_what_was_done_to_everybody() {
    let rest = Rest::start(site).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    let (mut root, _) = person(&rest, "root").await;
    for (who, with) in [(&mut alice, "bob"), (&mut bob, "alice")] {
        let wish = json!({ "user": with, "role": "reader" });
        assert_eq!(who.call("POST", "calendars/calendar/shares/", wish).await.0, 201);
    }
    well(&rest, &["principal", "rename", "bob", "bobby"]).await;
    let told = async |root: &mut Json, query: &str| {
        let (status, told) = root.get(&format!("audit/{query}")).await;
        assert_eq!(status, 200, "{query}: {told}");
        let all = told["results"].as_array().unwrap();
        let word = |one: &Value, key: &str| one[key].as_str().unwrap_or("-").to_owned();
        all.iter().map(|one| (word(one, "action"), word(one, "by"), word(one, "to"))).collect::<Vec<_>>()
    };
    let all = told(&mut root, "").await;
    assert_eq!((all.len(), all[0].0.as_str(), all[0].2.as_str()), (3, "renamed", "bob"), "{all:?}");
    assert!(all[0].1.starts_with("(operator"), "{all:?}");
    let granted = |by: &str, to: &str| ("granted".to_owned(), by.to_owned(), to.to_owned());
    assert_eq!(told(&mut root, "?calendar=/calendars/alice/calendar/").await, [granted("alice", "bob")]);
    assert_eq!(told(&mut root, "?person=alice&limit=1").await, [granted("bob", "alice")]);
    assert_eq!(told(&mut root, "?person=alice").await.len(), 2);
    assert_eq!(told(&mut root, "?until=2026-01-01T00:00:00Z").await, []);
    assert_eq!(told(&mut root, "?since=2026-01-01T00:00:00Z").await.len(), 3);
    assert_eq!(root.get("audit/?person=nobody").await.0, 404);
    for bad in ["?calendar=x", "?calendar=/calendars/alice/", "?since=x", "?limit=-1"] {
        assert_eq!(root.get(&format!("audit/{bad}")).await.0, 400, "{bad}");
    }
    assert_eq!(alice.get("audit/?person=alice").await.0, 403);
    assert_eq!(rest.client("").await.get("audit/").await.0, 401);
}

/// All that a dump of the database tells: octets as the text that they are, lines without their folds, in small letters.
async fn dumped(server: &Server) -> String {
    let mut dump = tokio::process::Command::new("pg_dump");
    let output = dump.arg("--dbname").arg(&server.db.url).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success());
    let (mut all, mut pieces) = (String::new(), std::str::from_utf8(&output.stdout).unwrap().split("\\\\x"));
    all.push_str(pieces.next().unwrap());
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(piece.len());
        let octets = (0..end / 2).map(|at| u8::from_str_radix(&piece[2 * at..2 * at + 2], 16).unwrap());
        all.push_str(&String::from_utf8_lossy(&octets.collect::<Vec<u8>>()));
        all.push_str(&piece[end..]);
    }
    all.replace("\r\n ", "").to_lowercase()
}

/// The lines in which it stands.
fn told(dump: &str, mark: &str) -> String {
    dump.lines().filter(|line| line.contains(mark)).collect::<Vec<_>>().join("\n")
}

/// A meeting of these people, with what else there is to say of it.
fn meeting(uid: &str, organizer: &str, others: &[&str], more: &str) -> String {
    let who = |address: &str| match address {
        "zaphod" => ("Zaphod Beeblebrox", "mailto:Zaphod@exam\r\n ple.org"),
        "bob" => ("Bob", "mailto:bob@example.org"),
        _ => ("Dave", "mailto:dave@example.org"),
    };
    let (name, address) = who(organizer);
    let mut lines = format!("ORGANIZER;CN={name}:{address}\r\n");
    for other in others {
        let (name, address) = who(other);
        write!(lines, "ATTENDEE;CN=\"{name}\";PARTSTAT=ACCEPTED:{address}\r\n").unwrap();
    }
    event(uid, "Meeting").replace("SUMMARY", &format!("{lines}{more}SUMMARY"))
}

/// What calendars say of how much is in them, where that is not what is in them.
async fn miscounted(server: &Server) -> i64 {
    let wrong = "SELECT count(*) FROM calendar c
        WHERE octets <> coalesce((SELECT sum(size) FROM object o WHERE o.home_id = c.home_id AND o.calendar_id = c.id), 0)
           OR kept <> coalesce((SELECT sum(size + 256) FROM history h WHERE h.home_id = c.home_id AND h.calendar_id = c.id), 0)
           OR EXISTS (SELECT FROM object o WHERE o.home_id = c.home_id AND o.calendar_id = c.id AND o.size <> octet_length(o.body))";
    server.db.pool.row(&sql(wrong), &[]).await.unwrap().at(0).unwrap()
}

const BOBS: &str = "/dav/calendars/bob/calendar/";

/// Zaphod, who is named all over bob's calendar, which carol sees as well.
async fn named_by_others(rest: &Rest) -> (Json, Json, Client, Client) {
    let (zaphod, dav) = person(rest, "zaphod").await;
    let mut dav = dav.always("X-Forwarded-Name", "Zaphod Beeblebrox");
    done(&mut dav, "PUT /dav/calendars/zaphod/calendar/a.ics", &meeting("a", "zaphod", &["bob"], "")).await;
    let (mut bob, mut bobs) = person(rest, "bob").await;
    let (_, mut carols) = person(rest, "carol").await;
    let mail = "DESCRIPTION:Ask zaphod@example.org\r\nX-MS-OLK-SENDER:mailto:zaphod@example.org\r\n";
    for (name, text) in [
        ("attended", meeting("attended", "bob", &["zaphod", "dave"], mail)),
        ("organised", meeting("organised", "zaphod", &["bob"], "")),
        ("changed", meeting("changed", "zaphod", &["bob"], "")),
        ("deleted", meeting("deleted", "zaphod", &["bob"], "")),
        ("other", meeting("other", "dave", &["bob"], "")),
    ] {
        done(&mut bobs, &format!("PUT {BOBS}{name}.ics"), &text).await;
    }
    done(&mut bobs, &format!("PUT {BOBS}changed.ics"), &meeting("changed", "dave", &["bob"], "")).await;
    done(&mut bobs, &format!("DELETE {BOBS}deleted.ics"), "").await;
    done(&mut bobs, "MKCALENDAR /dav/calendars/bob/gone/", "").await;
    done(&mut bobs, "PUT /dav/calendars/bob/gone/a.ics", &meeting("gone", "zaphod", &["bob"], "")).await;
    done(&mut bobs, "DELETE /dav/calendars/bob/gone/", "").await;
    let wish = json!({ "email": "carol@example.org", "role": "editor" });
    assert_eq!(bob.call("POST", "calendars/calendar/shares/", wish).await.0, 201);
    let alarm = "BEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER:-PT5M\r\nSUMMARY:x\r\nDESCRIPTION:x\r\n\
                 ATTENDEE:mailto:zaphod@example.org\r\nEND:VALARM\r\nEND:VEVENT";
    let own = meeting("other", "dave", &["bob"], "").replace("END:VEVENT", alarm);
    done(&mut carols, "PUT /dav/calendars/carol/calendar-2/other.ics", &own).await;
    (zaphod, bob, bobs, carols)
}

/// Erases zaphod everywhere, by his own wish or an operator's, and waits until that is done.
async fn erased_everywhere(rest: &Rest, zaphod: &mut Json, by_themselves: bool) {
    if by_themselves {
        let wish = json!({ "confirm": "zaphod", "everywhere": true });
        assert_eq!(zaphod.call("DELETE", "account/", wish).await, (204, Value::Null));
    } else {
        let said = well(rest, &["principal", "purge", "zaphod", "--everywhere", "--yes"]).await;
        assert!(said.contains("6 objects of others"), "{said}");
    }
    let left = sql("SELECT count(*) FROM erasure");
    while rest.caldav.db.pool.row(&left, &[]).await.unwrap().at::<i64>(0).unwrap() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_is_erased_everywhere_is_in_no_dump() {
    let test = async |rest: Rest, by_themselves: bool| {
        let (mut zaphod, mut bob, mut bobs, mut carols) = named_by_others(&rest).await;
        let (mut before, since) = (bobs.members(BOBS).await, bobs.sync(BOBS, "", None).await.token);
        let dump = dumped(&rest.caldav).await;
        for mark in ["zaphod@example.org", "zaphod beeblebrox"] {
            assert!(dump.matches(mark).count() > 6, "{mark}: {}", told(&dump, mark));
        }
        assert_eq!(miscounted(&rest.caldav).await, 0);

        erased_everywhere(&rest, &mut zaphod, by_themselves).await;
        let dump = dumped(&rest.caldav).await;
        for mark in ["zaphod", "beeblebrox"] {
            assert!(!dump.contains(mark), "{}", told(&dump, mark));
        }
        assert_eq!(miscounted(&rest.caldav).await, 0);
        // What is about others is as it was, and who synchronises hears of what is not.
        let changed = bobs.sync(BOBS, &since, None).await;
        let mut names: Vec<&str> = changed.changed.iter().map(|(href, _)| &href[BOBS.len()..]).collect();
        names.sort_unstable();
        assert_eq!((names, changed.gone.len()), (vec!["attended.ics", "organised.ics", "other.ics"], 0));
        let mut after = bobs.members(BOBS).await;
        before.sort_unstable();
        after.sort_unstable();
        for (old, new) in before.iter().zip(&after) {
            let same = ["other.ics", "changed.ics"].iter().any(|name| old.0.ends_with(name));
            assert_eq!((&old.0, old.1 == new.1), (&new.0, same), "{old:?} {new:?}");
        }
        let attended = bobs.ask(&format!("GET {BOBS}attended.ics"), &[], "").await.text();
        let left = (attended.matches("ATTENDEE").count(), attended.matches("CN=\"Dave\"").count());
        assert!(
            left == (1, 1) && attended.contains("DESCRIPTION:Ask erased@erased.invalid\r\n"),
            "{attended}"
        );
        let organised = bobs.ask(&format!("GET {BOBS}organised.ics"), &[], "").await.text();
        let nobody = "ORGANIZER:mailto:erased@erased.invalid\r\nATTENDEE;CN=\"Bob\"";
        assert!(organised.contains(nobody), "{organised}");
        let own = carols.ask("GET /dav/calendars/carol/calendar-2/other.ics", &[], "").await.text();
        assert!(own.contains("ATTENDEE:mailto:erased@erased.invalid\r\nEND:VALARM"), "{own}");
        // What was thrown away can be taken back.
        let (_, trash) = bob.get("trash/").await;
        let deleted = trash["results"].as_array().unwrap().iter().find(|one| one["kind"] == "object");
        let id = deleted.unwrap_or_else(|| panic!("{trash}"))["id"].as_str().unwrap();
        assert_eq!(bob.call("POST", &format!("trash/{id}/restore/"), json!({})).await.0, 200);
        let (mut root, _) = person(&rest, "root").await;
        let (_, audit) = root.get("audit/").await;
        let purged = audit["results"].as_array().unwrap().iter().find(|one| one["action"] == "purged");
        assert_eq!(purged.unwrap()["detail"], "everywhere", "{audit}");
    };
    test(Rest::start(naming).await, true).await;
    test(Rest::apart(naming).await, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_erase_themselves_at_once_do_not_wait_for_each_other_in_vain() {
    let rest = Rest::start(|settings| {
        site(settings);
        (settings.database.pool_size, settings.database.wait_time) = (2, kalends::config::Span::seconds(5));
    })
    .await;
    let mut all = Vec::new();
    for number in 0..6 {
        let name = format!("somebody-{number}");
        let (mut somebody, _) = person(&rest, &name).await;
        all.push(async move { somebody.call("DELETE", "account/", json!({ "confirm": name })).await });
    }
    for done in futures_util::future::join_all(all).await {
        assert_eq!(done, (204, Value::Null));
    }
}

/// The same site, which is also told what people are called, and keeps each change.
fn naming(settings: &mut Settings) {
    site(settings);
    settings.history.fold_minutes = 0;
    settings.identity.name_header = HeaderName::named(settings.identity.name_header.usual());
}
