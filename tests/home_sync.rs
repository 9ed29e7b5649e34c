//! A home is synchronised as a whole while many write in it, and after what was deleted has been forgotten.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use futures_util::future::join_all;
use kalends::boot::upkeep::forget;
use server::{Client, Page, Server, event};
use support::sql;

const HOME: &str = "/dav/calendars/alice/";

// ---- nothing is lost ----

/// What a syncer believes to be in the home: collections and objects, with their tags.
type State = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Kind {
    level: &'static str,
    /// Whether a calendar may come back under a name that one had before.
    names_return: bool,
}

struct Storm {
    kind: Kind,
    writers: usize,
    operations: usize,
    done: AtomicUsize,
    over: AtomicBool,
    /// How many calendars were made, where names do not return.
    made: AtomicU64,
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const PATCH: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x xmlns=\"urn:x\">1</x></D:prop></D:set></D:propertyupdate>";

/// Makes, changes, copies, moves and deletes objects and the calendars that they are in, all of them fought for with the other
/// writers.
async fn write(storm: Arc<Storm>, mut client: Client, nth: usize) {
    let mut dice = Dice(nth as u64);
    for turn in 0..storm.operations / storm.writers {
        let (which, of) = (dice.roll(20), dice.roll(4));
        // Where names do not return, each calendar that is made has the next number, and what happens to the last four.
        let fresh = || storm.made.fetch_add(1, Relaxed);
        let last = |of: u64| (storm.made.load(Relaxed) + 3 - of).saturating_sub(4);
        let number = match which {
            _ if storm.kind.names_return => of,
            0 => fresh(),
            _ => last(of),
        };
        let other = match which {
            _ if storm.kind.names_return => (of + 1 + dice.roll(3)) % 4,
            6 | 7 => fresh(),
            _ => last((of + 1 + dice.roll(3)) % 4),
        };
        let calendar = format!("{HOME}c{number}/");
        let destination = format!("{HOME}c{other}/");
        let name = format!("o{}", dice.roll(12));
        let (object, body) = (format!("{calendar}{name}.ics"), event(&name, &format!("{nth}.{turn}")));
        let answer = match which {
            0 => client.ask(&format!("MKCALENDAR {calendar}"), &[], "").await,
            1 => client.ask(&format!("DELETE {calendar}"), &[], "").await,
            2 => client.ask(&format!("PROPPATCH {calendar}"), &[], PATCH).await,
            3..=5 => client.ask(&format!("DELETE {object}"), &[], "").await,
            6 => client.ask(&format!("MOVE {calendar}"), &[("Destination", &destination)], "").await,
            7 => client.ask(&format!("COPY {calendar}"), &[("Destination", &destination)], "").await,
            8 | 9 => {
                let destination = format!("{destination}{name}.ics");
                let method = if which == 8 { "MOVE" } else { "COPY" };
                client.ask(&format!("{method} {object}"), &[("Destination", &destination)], "").await
            }
            _ => client.ask(&format!("PUT {object}"), &[], &body).await,
        };
        let known = matches!(answer.status, 201 | 204 | 207 | 404 | 405 | 409);
        // Early on all of the last calendars are the same one, and one that is just called otherwise is found by both names.
        let same = answer.status == 403 && (8..=9).contains(&which);
        assert!(known || same, "{which} {object}: {}", answer.text());
        storm.done.fetch_add(1, Relaxed);
    }
}

struct Syncer {
    client: Client,
    kind: Kind,
    state: State,
    token: String,
    /// How often it had to start anew.
    refused: usize,
}

impl Syncer {
    fn new(client: Client, kind: Kind) -> Self {
        Self { client, kind, state: State::new(), token: String::new(), refused: 0 }
    }

    /// Reads one page, which must be within its limit and name nothing twice; whether there is more.
    async fn turn(&mut self) -> bool {
        match self.client.sync_home(HOME, &self.token, self.kind.level, Some(7)).await {
            Ok(page) => self.take(page),
            Err(answer) => {
                assert_eq!(answer.condition().as_deref(), Some("D:valid-sync-token"), "{}", answer.text());
                self.state.clear();
                self.token.clear();
                self.refused += 1;
                true
            }
        }
    }

    fn take(&mut self, page: Page) -> bool {
        let mut named: Vec<&String> = page.changed.iter().map(|(href, _)| href).chain(&page.gone).collect();
        let count = named.len();
        assert!(count <= 7 && (!page.cut || count == 7), "{count} in a page of 7: {page:?}");
        named.sort();
        named.dedup();
        assert_eq!(named.len(), count, "{page:?}");
        for (href, tag) in page.changed {
            self.state.insert(href, tag);
        }
        for gone in &page.gone {
            // With a collection goes what is in it.
            self.state.retain(|href, _| href != gone && !(gone.ends_with('/') && href.starts_with(gone)));
        }
        self.token = page.token;
        page.cut
    }

    async fn finish(mut self) -> Self {
        while self.turn().await {}
        self
    }
}

/// Follows the home until the writers are done, and keeps what it believed at some moments on the way.
async fn follow(storm: Arc<Storm>, mut syncer: Syncer) -> (Syncer, Vec<(State, String)>) {
    let (mut stops, mut kept) = (Vec::new(), 0);
    while !storm.over.load(Relaxed) {
        syncer.turn().await;
        if storm.done.load(Relaxed) >= kept {
            stops.push((syncer.state.clone(), syncer.token.clone()));
            kept += storm.operations / 10;
        }
    }
    (syncer.finish().await, stops)
}

async fn everything(client: &mut Client, kind: Kind) -> State {
    let collections = client.collections(HOME).await;
    let mut all: State = collections.clone().into_iter().collect();
    for (href, _) in collections.iter().filter(|_| kind.level == "infinite") {
        all.extend(client.members(href).await);
    }
    all
}

/// What is there and was not heard of, and what was heard of and is not there.
fn missing<'a>(heard: &'a State, there: &'a State) -> (Vec<Entry<'a>>, Vec<Entry<'a>>) {
    let beyond =
        |one: &'a State, other: &State| one.iter().filter(|(k, v)| other.get(*k) != Some(*v)).collect();
    (beyond(there, heard), beyond(heard, there))
}

type Entry<'a> = (&'a String, &'a String);

async fn storm(kind: Kind, writers: usize, operations: usize) {
    let server = Server::start(|s| s.calendar.max_collections = 5000).await;
    let mut alice = server.client("alice").await;
    assert_eq!(alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    let storm = Storm {
        kind,
        writers,
        operations,
        done: AtomicUsize::new(0),
        over: AtomicBool::new(false),
        made: AtomicU64::new(1),
    };
    let storm = Arc::new(storm);
    let follower = Syncer::new(server.client("alice").await, kind);
    let follower = tokio::spawn(follow(Arc::clone(&storm), follower));
    let mut writing = Vec::new();
    for nth in 0..writers {
        writing.push(tokio::spawn(write(Arc::clone(&storm), server.client("alice").await, nth)));
    }
    join_all(writing).await.into_iter().for_each(|writer| writer.expect("a writer"));
    storm.over.store(true, Relaxed);
    assert_eq!(miscounted(&server).await, 0, "calendars whose octets were miscounted");
    let (syncer, stops) = follower.await.expect("the syncer");
    let there = everything(&mut server.client("alice").await, kind).await;
    assert_eq!(missing(&syncer.state, &there), (vec![], vec![]), "unheard of, and no longer there");
    // Only where names return, and only of what is in them, may something be beyond telling.
    let exact = kind.level == "1" || !kind.names_return;
    assert!(!exact || syncer.refused == 0, "{} times", syncer.refused);
    assert!(stops.len() > 5, "the syncer was there all the time: {}", stops.len());
    for (state, token) in stops {
        let behind = Syncer { state, token, ..Syncer::new(server.client("alice").await, kind) };
        let heard = behind.finish().await;
        assert_eq!(
            missing(&heard.state, &there),
            (vec![], vec![]),
            "every token leads to where the others do"
        );
        assert!(!exact || heard.refused == 0);
    }
    let again =
        server.client("alice").await.sync_home(HOME, &syncer.token, kind.level, Some(7)).await.unwrap();
    assert!(again.changed.is_empty() && again.gone.is_empty() && again.token == syncer.token, "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paging_syncer_of_a_home_hears_of_everything_that_sixteen_writers_do() {
    storm(Kind { level: "infinite", names_return: false }, 16, 3200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paging_syncer_of_a_home_with_names_that_return_ends_up_with_what_there_is() {
    storm(Kind { level: "infinite", names_return: true }, 16, 1600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_syncer_of_collections_alone_hears_of_each_that_was_touched() {
    storm(Kind { level: "1", names_return: true }, 16, 1600).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make soak"]
async fn fifty_thousand_operations_in_a_home_lose_nothing() {
    storm(Kind { level: "infinite", names_return: false }, 16, 50_000).await;
}

// ---- what it takes is counted ----

/// How many calendars take more or less than they say.
async fn miscounted(server: &Server) -> i64 {
    let wrong = "SELECT count(*) FROM calendar c WHERE octets <> \
                 (SELECT coalesce(sum(size), 0) FROM object o WHERE o.home_id = c.home_id AND o.calendar_id = c.id)";
    server.db.pool.row(&sql(wrong), &[]).await.unwrap().at(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn octets_are_counted_whatever_becomes_of_an_object() {
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = (server.client("alice").await, server.client("bob").await);
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    }
    let bobs = "/dav/calendars/bob/calendar/";
    let all = "<D:acl xmlns:D=\"DAV:\"><D:ace><D:principal><D:href>/dav/principals/alice/</D:href></D:principal>\
               <D:grant><D:privilege><D:all/></D:privilege></D:grant></D:ace></D:acl>";
    assert_eq!(bob.ask(&format!("ACL {bobs}"), &[], all).await.status, 200);
    let at = |path: &str| format!("{HOME}{path}");
    let steps = [
        ("PUT", at("calendar/a.ics"), String::from("short"), 201),
        ("PUT", at("calendar/a.ics"), "x".repeat(300), 204),
        ("PUT", at("calendar/a.ics"), "x".repeat(30), 204),
        ("MKCALENDAR", at("work/"), String::new(), 201),
        ("MOVE", at("calendar/a.ics"), at("calendar/b.ics"), 201),
        ("MOVE", at("calendar/b.ics"), at("work/b.ics"), 201),
        ("COPY", at("work/b.ics"), at("calendar/a.ics"), 201),
        ("PUT", at("work/b.ics"), "x".repeat(700), 204),
        ("COPY", at("calendar/a.ics"), at("work/b.ics"), 204),
        ("PUT", at("calendar/a.ics"), "x".repeat(900), 204),
        ("MOVE", at("calendar/a.ics"), at("work/b.ics"), 204),
        ("COPY", at("work/b.ics"), format!("{bobs}a.ics"), 201),
        ("MOVE", at("work/b.ics"), format!("{bobs}a.ics"), 204),
        ("MOVE", format!("{bobs}a.ics"), at("work/c.ics"), 403),
        ("COPY", format!("{bobs}a.ics"), at("work/c.ics"), 201),
        ("COPY", at("work/"), at("twin/"), 201),
        ("PUT", at("twin/c.ics"), "x".repeat(5), 204),
        ("COPY", at("work/"), at("twin/"), 204),
        ("MOVE", at("twin/"), at("third/"), 201),
        ("MOVE", at("third/"), at("work/"), 204),
    ];
    for (method, url, with, status) in steps {
        let line = format!("{method} {url}");
        let answer = match method {
            "PUT" => alice.ask(&line, &[], event("a", &with)).await,
            "MKCALENDAR" => alice.ask(&line, &[], "").await,
            _ => alice.ask(&line, &[("Destination", &with)], "").await,
        };
        assert_eq!(answer.status, status, "{line} {with}: {}", answer.text());
        assert_eq!(miscounted(&server).await, 0, "after {line} {with}");
    }
    assert!(octets(&server).await > 900);
    for url in [at("work/c.ics"), format!("{bobs}a.ics")] {
        assert_eq!(alice.ask(&format!("DELETE {url}"), &[], "").await.status, 204);
    }
    assert_eq!((octets(&server).await, miscounted(&server).await), (0, 0));
}

/// What all calendars say they take.
async fn octets(server: &Server) -> i64 {
    let sum = "SELECT sum(octets)::bigint FROM calendar WHERE trashed IS NULL";
    server.db.pool.row(&sql(sum), &[]).await.unwrap().at(0).unwrap()
}

// ---- nothing is remembered for ever ----

/// Makes all that was deleted so far look as if that had been so many days ago.
async fn age(server: &Server, days: u32) {
    let client = server.db.pool.client().await.unwrap();
    for table in ["tombstone", "home_tombstone"] {
        client.batch(&format!("UPDATE {table} SET buried = buried - interval '{days} days'")).await.unwrap();
    }
}

async fn tombstones(server: &Server) -> i64 {
    let count = "SELECT (SELECT count(*) FROM tombstone) + (SELECT count(*) FROM home_tombstone)";
    server.db.pool.row(&sql(count), &[]).await.unwrap().at(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_long_ago_is_forgotten_and_tokens_from_before_are_refused() {
    let server = Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    let calendar = format!("{HOME}calendar/");
    alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    for nth in 0..30 {
        let url = format!("{calendar}{nth}.ics");
        assert_eq!(alice.ask(&format!("PUT {url}"), &[], event(&nth.to_string(), "x")).await.status, 201);
    }
    for name in ["a", "b"] {
        assert_eq!(alice.ask(&format!("MKCALENDAR {HOME}{name}/"), &[], "").await.status, 201);
    }
    let old = alice.sync(&calendar, "", None).await.token;
    let old_home = alice.sync_home(HOME, "", "infinite", None).await.unwrap().token;
    for nth in 0..20 {
        assert_eq!(alice.ask(&format!("DELETE {calendar}{nth}.ics"), &[], "").await.status, 204);
    }
    assert_eq!(alice.ask(&format!("DELETE {HOME}a/"), &[], "").await.status, 204);
    let middle = alice.sync(&calendar, &old, None).await.token;
    let middle_home = alice.sync_home(HOME, &old_home, "infinite", None).await.unwrap().token;
    age(&server, 31).await;
    for nth in 20..25 {
        assert_eq!(alice.ask(&format!("DELETE {calendar}{nth}.ics"), &[], "").await.status, 204);
    }
    assert_eq!(alice.ask(&format!("DELETE {HOME}b/"), &[], "").await.status, 204);
    assert_eq!(tombstones(&server).await, 27);

    // Two nodes at once; one of them does it.
    let (one, two) = tokio::join!(forget(&server.db.pool, 30), forget(&server.db.pool, 30));
    assert_eq!(one.unwrap() + two.unwrap(), 21);
    assert_eq!(tombstones(&server).await, 6);

    let since = |token: &str| {
        format!(
            "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level><D:prop/></D:sync-collection>"
        )
    };
    let refused = alice.ask(&format!("REPORT {calendar}"), &[], since(&old)).await;
    assert_eq!((refused.status, refused.condition().as_deref()), (403, Some("D:valid-sync-token")));
    for level in ["1", "infinite"] {
        let refused = alice.sync_home(HOME, &old_home, level, None).await.unwrap_err();
        assert_eq!((refused.status, refused.condition().as_deref()), (403, Some("D:valid-sync-token")));
    }
    // Who has heard of what is forgotten goes on.
    let page = alice.sync(&calendar, &middle, None).await;
    assert_eq!((page.changed.len(), page.gone.len()), (0, 5));
    let page = alice.sync_home(HOME, &middle_home, "infinite", None).await.unwrap();
    assert_eq!((page.changed.len(), page.gone.len()), (1, 6), "{page:?}");
    assert_eq!(alice.sync(&calendar, "", None).await.changed.len(), 5);
}

/// A home whose own memory reaches back, and that of a calendar in it does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_home_is_refused_only_where_something_would_be_missed() {
    let server = Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    let object = format!("{HOME}calendar/a.ics");
    assert_eq!(alice.ask(&format!("PUT {object}"), &[], event("a", "x")).await.status, 201);
    let token = alice.sync_home(HOME, "", "infinite", None).await.unwrap().token;
    assert_eq!(alice.ask(&format!("DELETE {object}"), &[], "").await.status, 204);
    age(&server, 31).await;
    assert_eq!(forget(&server.db.pool, 30).await.unwrap(), 1);
    assert_eq!(alice.sync_home(HOME, &token, "infinite", None).await.unwrap_err().status, 403);
    let page = alice.sync_home(HOME, &token, "1", None).await.unwrap();
    assert_eq!(page.changed.len(), 1, "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_forgets_by_itself() {
    let server = Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    let object = format!("{HOME}calendar/a.ics");
    assert_eq!(alice.ask(&format!("PUT {object}"), &[], event("a", "x")).await.status, 201);
    assert_eq!(alice.ask(&format!("DELETE {object}"), &[], "").await.status, 204);
    age(&server, 3).await;
    let second = |days: u32| {
        let mut settings =
            kalends::config::Settings { database: support::settings(&server.db.url), ..Default::default() };
        settings.server.listen = vec![kalends::config::Listen::Tcp(([127, 0, 0, 1], 0).into())];
        settings.monitor.listen = None;
        settings.calendar.sync_retention_days = days;
        kalends::boot::Running::start(settings)
    };
    let forever = second(0).await.unwrap();
    forever.stop().await.unwrap();
    assert_eq!(tombstones(&server).await, 1);
    let node = second(2).await.unwrap();
    let started = std::time::Instant::now();
    while tombstones(&server).await > 0 {
        assert!(started.elapsed() < server::PATIENCE, "it is still there");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    node.stop().await.unwrap();
}
