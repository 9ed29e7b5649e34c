//! What is kept of changes: who made them, what was there before, what was deleted; how it is brought back, and how it goes.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::time::Duration;

use std::process::Command;

use kalends::boot::upkeep::erase;
use kalends::config::{Settings, Shown, Size};
use kalends::store::history::Days;
use server::{Client, Server, event};
use support::sql;

const WORK: &str = "/dav/calendars/alice/work/";

/// A server, and somebody with a calendar on it.
async fn site(change: impl FnOnce(&mut Settings)) -> (Server, Client) {
    let server = Server::start(change).await;
    let mut alice = server.client("alice").await;
    assert_eq!(alice.ask(&format!("MKCALENDAR {WORK}"), &[], "").await.status, 201);
    (server, alice)
}

async fn put(client: &mut Client, name: &str, (uid, what): (&str, &str), with: &str) {
    let answer = client.ask(&format!("PUT {WORK}{name}"), &[("User-Agent", with)], event(uid, what)).await;
    assert!(answer.is_done(), "{name} {what}: {}", answer.text());
}

async fn delete(client: &mut Client, path: &str) {
    assert_eq!(client.ask(&format!("DELETE {path}"), &[("User-Agent", "phone/1")], "").await.status, 204);
}

/// What is at the path, if anything.
async fn get(client: &mut Client, path: &str) -> Option<String> {
    let answer = client.ask(&format!("GET {path}"), &[], "").await;
    answer.is_done().then(|| answer.text())
}

/// What `kalends` says, and whether it went well.
fn kalends(server: &Server, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
    let output = command.args(arguments).env("KALENDS__DATABASE__URL", &server.db.url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

fn done(server: &Server, arguments: &[&str]) -> String {
    let (well, said) = kalends(server, arguments);
    assert!(well, "{arguments:?}: {said}");
    said
}

async fn number(server: &Server, query: &'static str) -> i64 {
    server.db.pool.row(&sql(query), &[]).await.unwrap().at(0).unwrap()
}

/// How many calendars say something else of their history than there is.
async fn miskept(server: &Server) -> i64 {
    let query = "SELECT count(*) FROM calendar c WHERE kept <>
                 (SELECT coalesce(sum(size + 256), 0) FROM history h WHERE h.home_id = c.home_id AND h.calendar_id = c.id)";
    number(server, query).await
}

/// Makes all that was done so far look older.
async fn age(server: &Server, by: &str) {
    let text = format!(
        "UPDATE history SET at = at - interval '{by}'; UPDATE calendar SET trashed = trashed - interval '{by}'"
    );
    server.db.pool.client().await.unwrap().batch(&text).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_known_who_changed_what_and_an_object_comes_back_as_it_was() {
    let (server, mut alice) = site(|_| ()).await;
    put(&mut alice, "a.ics", ("a", "One"), "DAVx5/4.3 (x)").await;
    let one = get(&mut alice, &format!("{WORK}a.ics")).await;
    put(&mut alice, "a.ics", ("a", "Two"), "Mozilla/5.0 (X11) Thunderbird/128").await;
    let two = get(&mut alice, &format!("{WORK}a.ics")).await;
    delete(&mut alice, &format!("{WORK}a.ics")).await;
    let told = done(&server, &["history", "alice", "work"]);
    let lines: Vec<&str> = told.lines().collect();
    for (line, wanted) in lines.iter().zip([
        "0  alice  -  work: made",
        "1  alice  DAVx5/4.3  work/a.ics: made \"One\"",
        "2  alice  Thunderbird/128  work/a.ics: changed \"Two\": SUMMARY",
        "3  alice  phone/1  work/a.ics: deleted \"Two\", in the trash",
    ]) {
        assert!(line.ends_with(wanted), "{told}");
    }
    assert_eq!(lines.len(), 4, "{told}");
    assert!(done(&server, &["trash", "alice"]).contains("alice  phone/1  work/a.ics  "));
    assert!(done(&server, &["restore", "alice", "work", "a.ics"]).contains("work/a.ics is there again"));
    assert_eq!(get(&mut alice, &format!("{WORK}a.ics")).await, two);
    assert!(done(&server, &["trash", "alice"]).contains("empty"));
    done(&server, &["restore", "alice", "work", "a.ics", "--revision", "1"]);
    assert_eq!(get(&mut alice, &format!("{WORK}a.ics")).await, one);
    assert!(done(&server, &["history", "alice", "work", "a.ics"]).contains("(operator)  kalends restore"));
    // Twice is once.
    assert!(done(&server, &["restore", "alice", "work", "a.ics", "--revision", "1"]).contains("already"));
    assert_eq!(miskept(&server).await, 0);
    for (arguments, why) in [
        (&["restore", "alice", "work", "b.ics"][..], "nothing is kept"),
        (&["restore", "alice", "nowhere", "b.ics"], "no calendar"),
        (&["restore", "alice", "work"], "is there"),
        (&["restore", "alice", "work", "a.ics", "--revision", "0"], "was no object"),
        (&["restore", "alice", "work", "a.ics", "--at", "yesterday"], "a time is written"),
        (&["history", "nobody"], "nobody is called"),
    ] {
        let (well, said) = kalends(&server, arguments);
        assert!(!well && said.contains(why), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_uid_and_name_are_free_and_what_comes_back_finds_its_place() {
    let (server, mut alice) = site(|_| ()).await;
    put(&mut alice, "a.ics", ("a", "Old"), "x/1").await;
    let old = get(&mut alice, &format!("{WORK}a.ics")).await;
    delete(&mut alice, &format!("{WORK}a.ics")).await;
    // The same event under another name is the one that becomes what it was.
    put(&mut alice, "b.ics", ("a", "New"), "x/1").await;
    assert!(done(&server, &["restore", "alice", "work", "a.ics"]).contains("work/b.ics is again"));
    assert_eq!(get(&mut alice, &format!("{WORK}b.ics")).await, old);
    assert_eq!(get(&mut alice, &format!("{WORK}a.ics")).await, None);
    done(&server, &["restore", "alice", "work", "b.ics"]);
    assert!(get(&mut alice, &format!("{WORK}b.ics")).await.unwrap().contains("New"), "nothing is lost by it");
    // Where another event has the name, it gets a new one.
    delete(&mut alice, &format!("{WORK}b.ics")).await;
    put(&mut alice, "b.ics", ("other", "Other"), "x/1").await;
    assert!(done(&server, &["restore", "alice", "work", "b.ics"]).contains("work/b-2.ics is there again"));
    assert!(get(&mut alice, &format!("{WORK}b-2.ics")).await.unwrap().contains("UID:a"));
    assert!(get(&mut alice, &format!("{WORK}b.ics")).await.unwrap().contains("Other"));
    assert_eq!(miskept(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_calendar_is_out_of_sight_and_comes_back_with_all_in_it() {
    let (server, mut alice) = site(|settings| settings.calendar.max_collections = 3).await;
    put(&mut alice, "a.ics", ("a", "One"), "x/1").await;
    let one = get(&mut alice, &format!("{WORK}a.ics")).await;
    let token = async |alice: &mut Client| {
        let asks = "<propfind xmlns='DAV:'><prop><sync-token/></prop></propfind>";
        let answer = alice.ask(&format!("PROPFIND {WORK}"), &[("Depth", "0")], asks).await.text();
        answer.split_once("sync-token>").unwrap().1.split_once('<').unwrap().0.to_owned()
    };
    let before = token(&mut alice).await;
    delete(&mut alice, WORK).await;
    assert!(
        !alice.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "1")], "").await.text().contains("work")
    );
    // The name, the UID and the place are free.
    assert_eq!(alice.ask(&format!("MKCALENDAR {WORK}"), &[], "").await.status, 201);
    put(&mut alice, "a.ics", ("a", "Two"), "x/1").await;
    delete(&mut alice, WORK).await;
    let told = done(&server, &["trash", "alice"]);
    assert_eq!(told.matches("calendar work").count(), 2, "{told}");
    assert!(done(&server, &["history", "alice", "work"]).contains("work: deleted"));
    done(&server, &["restore", "alice", "work"]);
    assert!(get(&mut alice, &format!("{WORK}a.ics")).await.unwrap().contains("Two"), "the last one");
    assert!(done(&server, &["restore", "alice", "work"]).contains("work-2"));
    assert_eq!(get(&mut alice, "/dav/calendars/alice/work-2/a.ics").await, one);
    let sync = "<sync-collection xmlns='DAV:'><sync-token>TOKEN</sync-token><sync-level>1</sync-level><prop/></sync-collection>";
    let asked = sync.replace("TOKEN", &before);
    let stale = alice.ask("REPORT /dav/calendars/alice/work-2/", &[], asked).await;
    assert_eq!(
        stale.condition().as_deref(),
        Some("D:valid-sync-token"),
        "it is new for whoever synchronises it"
    );
    delete(&mut alice, WORK).await;
    assert!(done(&server, &["trash", "alice", "--empty"]).starts_with("1 "));
    assert!(!kalends(&server, &["restore", "alice", "work"]).0);
    assert_eq!(number(&server, "SELECT count(*) FROM calendar WHERE trashed IS NOT NULL").await, 0);
    assert_eq!(miskept(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_calendar_becomes_what_it_was_at_a_time() {
    let (server, mut alice) = site(|_| ()).await;
    for (name, uid) in [("a.ics", "a"), ("b.ics", "b"), ("c.ics", "c"), ("d.ics", "d")] {
        put(&mut alice, name, (uid, "Then"), "x/1").await;
    }
    let names = ["a.ics", "b.ics", "c.ics", "d.ics", "e.ics", "f.ics"];
    let mut then = Vec::new();
    for name in names {
        then.push(get(&mut alice, &format!("{WORK}{name}")).await);
    }
    age(&server, "2 hours").await;
    put(&mut alice, "a.ics", ("a", "Changed"), "x/1").await;
    delete(&mut alice, &format!("{WORK}b.ics")).await;
    put(&mut alice, "e.ics", ("b", "The UID of another"), "x/1").await;
    delete(&mut alice, &format!("{WORK}c.ics")).await;
    put(&mut alice, "c.ics", ("z", "The name of another"), "x/1").await;
    let moved =
        alice.ask(&format!("MOVE {WORK}d.ics"), &[("Destination", &format!("{WORK}f.ics"))], "").await;
    assert!(moved.is_done());
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let said = done(&server, &["restore", "alice", "work", "--at", &at.to_string()]);
    assert!(
        said.contains("2 objects are there again, 2 are what they were, 2 that were not there are gone"),
        "{said}"
    );
    for (name, then) in names.iter().zip(then) {
        assert_eq!(get(&mut alice, &format!("{WORK}{name}")).await, then, "{name}");
    }
    assert_eq!(miskept(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_same_hands_change_again_is_one_change() {
    let (server, mut alice) = site(|_| ()).await;
    for nth in 0..5 {
        put(&mut alice, "a.ics", ("a", &format!("{nth}")), "x/1").await;
    }
    let entries = "SELECT count(*) FROM history WHERE name <> ''";
    assert_eq!(number(&server, entries).await, 1);
    put(&mut alice, "a.ics", ("a", "other hands"), "y/1").await;
    put(&mut alice, "a.ics", ("a", "once more"), "x/1").await;
    put(&mut alice, "a.ics", ("a", "once more"), "z/1").await;
    assert_eq!(number(&server, entries).await, 3, "the same octets are no change");
    age(&server, "6 minutes").await;
    put(&mut alice, "a.ics", ("a", "later"), "x/1").await;
    assert_eq!(number(&server, entries).await, 4);
    assert_eq!(miskept(&server).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_in_a_loop_does_not_fill_the_disk() {
    let limit = 64 << 10;
    let (server, mut alice) = site(|settings| settings.history.home_bytes = Size(limit)).await;
    let long = "x".repeat(4000);
    for nth in 0..200 {
        put(&mut alice, &format!("{nth}.ics"), ("a", &long), "x/1").await;
        delete(&mut alice, &format!("{WORK}{nth}.ics")).await;
    }
    let kept = number(&server, "SELECT sum(kept)::bigint FROM calendar").await;
    // One write in sixteen looks.
    assert!(kept < 400_000, "{kept}");
    assert_eq!(miskept(&server).await, 0);
    for nth in 0..5 {
        let path = format!("/dav/calendars/alice/c{nth}/");
        assert_eq!(alice.ask(&format!("MKCALENDAR {path}"), &[], "").await.status, 201);
        for object in 0..5 {
            let event = event(&format!("{object}"), &long);
            assert!(alice.ask(&format!("PUT {path}{object}.ics"), &[], event).await.is_done());
        }
        delete(&mut alice, &path).await;
    }
    // Whoever deletes does not wait for it.
    for left in (0..200).rev() {
        let told = done(&server, &["trash", "alice"]);
        assert!(told.contains("calendar c4"), "{told}");
        if !told.contains("calendar c0") {
            break;
        }
        assert!(left > 0, "{told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_erased_and_off_keeps_nothing() {
    let (server, mut alice) = site(|_| ()).await;
    put(&mut alice, "a.ics", ("a", "secret-before"), "x/1").await;
    put(&mut alice, "a.ics", ("a", "secret-after"), "y/1").await;
    delete(&mut alice, &format!("{WORK}a.ics")).await;
    put(&mut alice, "b.ics", ("b", "in a calendar"), "y/1").await;
    delete(&mut alice, WORK).await;
    let days = Days { versions: 30, trash: 10 };
    assert_eq!(erase(&server.db.pool, days).await.unwrap(), 0);
    age(&server, "11 days").await;
    assert!(erase(&server.db.pool, days).await.unwrap() > 0);
    let left = "SELECT (SELECT count(*) FROM history) + (SELECT count(*) FROM object)
                + (SELECT count(*) FROM calendar WHERE trashed IS NOT NULL)";
    assert_eq!(number(&server, left).await, 0);
    let (server, mut alice) = site(|settings| {
        (settings.history.versions_days, settings.history.trash_days) = (0, 0);
    })
    .await;
    put(&mut alice, "a.ics", ("a", "x"), "x/1").await;
    put(&mut alice, "a.ics", ("a", "y"), "y/1").await;
    delete(&mut alice, &format!("{WORK}a.ics")).await;
    delete(&mut alice, WORK).await;
    assert_eq!(number(&server, left).await, 0);
    // Without a trash what is deleted is gone, with all that it was.
    let (server, mut alice) = site(|settings| settings.history.trash_days = 0).await;
    put(&mut alice, "a.ics", ("a", "x"), "x/1").await;
    put(&mut alice, "a.ics", ("a", "y"), "y/1").await;
    delete(&mut alice, &format!("{WORK}a.ics")).await;
    assert_eq!(number(&server, "SELECT count(*) FROM history WHERE body IS NOT NULL").await, 0);
    assert!(done(&server, &["history", "alice"]).contains("a.ics: deleted"));
    assert_eq!(miskept(&server).await, 0);
}

const TRASH: &str = "/dav/calendars/alice/trash/";

/// What a listing of the trash tells of where things were, the last deleted first, each with its path there.
async fn lying(client: &mut Client) -> Vec<(String, String)> {
    let asks = "<propfind xmlns='DAV:'><prop><deleted-from xmlns='urn:x-kalends'/></prop></propfind>";
    let headers = [("Depth", "1"), ("Prefer", "depth-noroot")];
    let text = client.ask(&format!("PROPFIND {TRASH}"), &headers, asks).await.text();
    let hrefs: Vec<&str> =
        text.split("<D:href>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    hrefs.chunks(2).map(|pair| (pair[1].to_owned(), pair[0].to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_and_purged_over_http_leaves_the_books_right() {
    let (server, mut alice) = site(|_| ()).await;
    for nth in 0..40 {
        put(&mut alice, &format!("{nth}.ics"), (&format!("{nth}"), "x"), "x/1").await;
        delete(&mut alice, &format!("{WORK}{nth}.ics")).await;
    }
    let all = lying(&mut alice).await;
    let wanted: Vec<String> = (0..40).rev().map(|nth| format!("{WORK}{nth}.ics")).collect();
    assert_eq!(all.iter().map(|(was, _)| was.as_str()).collect::<Vec<_>>(), wanted);
    // Of two who take it back at once one does.
    let mut other = server.client("alice").await;
    for (was, path) in &all[..10] {
        let twin = format!("{WORK}twin.ics");
        let (headers, second) = ([("Destination", was.as_str())], [("Destination", twin.as_str())]);
        let line = format!("MOVE {path}");
        let (one, two) = tokio::join!(alice.ask(&line, &headers, ""), other.ask(&line, &second, ""));
        let mut both = [one.status, two.status];
        both.sort_unstable();
        assert!(both == [201, 404] || both == [201, 409], "{both:?}");
        let back = if one.status == 201 { was } else { &twin };
        delete(&mut alice, back).await;
    }
    assert_eq!(lying(&mut alice).await.len(), 40);
    assert_eq!(miskept(&server).await, 0);
    for (_, path) in &all[20..30] {
        delete(&mut alice, path).await;
    }
    assert_eq!(lying(&mut alice).await.len(), 30);
    let empty = async |alice: &mut Client, query: &str| {
        let line = format!("POST /dav/calendars/alice/?action=emptytrash{query}");
        assert_eq!(alice.ask(&line, &[], "").await.status, 204);
        lying(alice).await.len()
    };
    age(&server, "8 days").await;
    put(&mut alice, "new.ics", ("new", "x"), "x/1").await;
    delete(&mut alice, &format!("{WORK}new.ics")).await;
    put(&mut alice, "kept.ics", ("kept", "x"), "x/1").await;
    assert_eq!(empty(&mut alice, "&days=9").await, 31);
    assert_eq!(empty(&mut alice, "&days=7").await, 1);
    assert_eq!(miskept(&server).await, 0);
    delete(&mut alice, WORK).await;
    // What lies in a deleted calendar goes with it.
    assert_eq!(lying(&mut alice).await.len(), 1);
    assert_eq!(empty(&mut alice, "").await, 0);
    let left = "SELECT (SELECT count(*) FROM history) + (SELECT count(*) FROM calendar WHERE trashed IS NOT NULL)
                + (SELECT count(*) FROM property WHERE calendar_id > 0 AND calendar_id NOT IN (SELECT id FROM calendar))";
    assert_eq!(number(&server, left).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trash_is_listed_where_the_settings_say_so_and_never_synchronised() {
    for shown in [Shown::Hidden, Shown::Listed] {
        let (_server, mut alice) = site(|settings| settings.history.trash_collection = shown).await;
        put(&mut alice, "a.ics", ("a", "x"), "x/1").await;
        delete(&mut alice, &format!("{WORK}a.ics")).await;
        let home = "/dav/calendars/alice/";
        let listed = alice.ask(&format!("PROPFIND {home}"), &[("Depth", "1")], "").await.text();
        assert_eq!(listed.contains(TRASH), shown == Shown::Listed, "{listed}");
        for level in ["1", "infinite"] {
            let page = alice.sync_home(home, "", level, None).await.ok().unwrap();
            assert!(!page.changed.iter().any(|(path, _)| path.contains("trash")), "{level}");
        }
        assert_eq!(lying(&mut alice).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_restores_and_who_writes_do_not_lose_each_others_states() {
    let (server, mut alice) = site(|settings| settings.history.fold_minutes = 0).await;
    put(&mut alice, "a.ics", ("a", "0"), "x/1").await;
    for round in 1..6 {
        delete(&mut alice, &format!("{WORK}a.ics")).await;
        let what = format!("round {round}");
        let writing = put(&mut alice, "a.ics", ("a", &what), "x/1");
        let restoring = async {
            tokio::task::block_in_place(|| kalends(&server, &["restore", "alice", "work", "a.ics"]))
        };
        let ((), (_, said)) = tokio::join!(writing, restoring);
        assert!(said.contains("work/a.ics is") || said.contains("nothing is kept"), "{said}");
        assert_eq!(number(&server, "SELECT count(*) FROM object").await, 1);
        assert_eq!(miskept(&server).await, 0);
    }
}

#[tokio::test]
async fn a_calendar_that_is_brought_back_is_its_owner_s_alone() {
    let (server, mut alice) = site(|_| ()).await;
    let mut bob = server.client("bob").await;
    assert_eq!(bob.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    let list = "<D:acl xmlns:D='DAV:'><D:ace><D:principal><D:href>/dav/principals/bob/</D:href></D:principal><D:grant>\
                <D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>";
    let shares = "SELECT 100 * (SELECT count(*) FROM bind WHERE owner_home_id <> home_id) + 10 * (SELECT count(*) FROM invite)
                         + (SELECT count(*) FROM calendar WHERE shared)";
    assert_eq!(alice.ask(&format!("ACL {WORK}"), &[], list).await.status, 200);
    assert_eq!(number(&server, shares).await, 111);
    let token = bob.sync_home("/dav/calendars/bob/", "", "1", None).await.unwrap().token;
    delete(&mut alice, WORK).await;
    assert_eq!(number(&server, shares).await, 0);
    done(&server, &["restore", "alice", "work"]);
    assert_eq!(number(&server, shares).await, 0);
    let page = bob.sync_home("/dav/calendars/bob/", &token, "1", None).await.unwrap();
    assert_eq!((page.changed.len(), &page.gone[..]), (0, &["/dav/calendars/bob/work/".to_owned()][..]));
    assert_eq!(alice.ask(&format!("ACL {WORK}"), &[], list).await.status, 200);
    assert_eq!(number(&server, shares).await, 111);
}
