//! Locks among many and over time: of those who ask at once one is given, every node knows them, they outlive restarts and
//! end by the database's clock.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use kalends::boot::Running;
use kalends::config::{Listen, Settings};
use kalends::db::Pool;
use server::{Answer, Client, Server, event};
use support::sql;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const A: &str = "/dav/calendars/alice/calendar/a.ics";

fn info(scope: &str) -> String {
    format!(
        "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>"
    )
}

async fn lock(client: &mut Client, url: &str, headers: &[(&str, &str)]) -> Answer {
    client.ask(&format!("LOCK {url}"), headers, info("exclusive")).await
}

fn token(answer: &Answer) -> String {
    assert!(answer.is_done(), "{} {}", answer.status, answer.text());
    answer.header("lock-token").expect("a token").to_owned()
}

/// A server on which alice has the object `a`.
async fn with_object() -> (Server, Client) {
    let server = Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    assert_eq!(alice.ask(&format!("PUT {A}"), &[], event("a", "x")).await.status, 201);
    (server, alice)
}

async fn number(pool: &Pool, text: &'static str) -> i64 {
    pool.row(&sql(text), &[]).await.unwrap().at(0).unwrap()
}

async fn run(pool: &Pool, script: &str) {
    pool.client().await.unwrap().batch(script).await.unwrap();
}

/// Another node on the same database, with a connection of alice.
async fn node(server: &Server) -> (Running, Client) {
    let mut settings = Settings { database: support::settings(&server.db.url), ..Settings::default() };
    settings.server.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
    settings.monitor.listen = None;
    let running = Running::start(settings).await.unwrap();
    let socket = TcpStream::connect(running.addresses[0]).await.unwrap();
    (running, Client::new(socket, "alice"))
}

// ---- at once ----

/// Sends requests from as many connections at once; gives how often each status came.
async fn at_once(
    server: &Server,
    count: usize,
    ask: impl AsyncFn(usize, &mut Client) -> Answer,
) -> BTreeMap<u16, usize> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(server.client("alice").await);
    }
    let ask = &ask;
    let asking =
        clients.into_iter().enumerate().map(|(nth, mut client)| async move { ask(nth, &mut client).await });
    let mut counts = BTreeMap::new();
    for answer in join_all(asking).await {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_locks_at_once_exactly_one_is_given() {
    let (server, mut alice) = with_object().await;
    for round in 0..5 {
        let name = format!("{CALENDAR}new-{round}.ics");
        assert_eq!(
            at_once(&server, 20, async |_, c| lock(c, A, &[]).await).await,
            [(200, 1), (423, 19)].into()
        );
        assert_eq!(
            at_once(&server, 20, async |_, c| lock(c, &name, &[]).await).await,
            [(201, 1), (423, 19)].into()
        );
        // On the whole, and on members of it.
        run(&server.db.pool, "DELETE FROM lock").await;
        let whole = async |nth: usize, c: &mut Client| {
            let url =
                if nth.is_multiple_of(2) { CALENDAR.to_owned() } else { format!("{CALENDAR}{nth}.ics") };
            lock(c, &url, &[]).await
        };
        let counts = at_once(&server, 20, whole).await;
        let members = counts.get(&201).copied().unwrap_or(0);
        let calendars = counts.get(&200).copied().unwrap_or(0);
        assert!((members, calendars) == (0, 1) || (members > 0 && calendars == 0), "{counts:?}");
        run(&server.db.pool, "DELETE FROM lock").await;
    }
    let shared =
        at_once(&server, 20, async |_, c| c.ask(&format!("LOCK {A}"), &[], info("shared")).await).await;
    assert_eq!(shared, [(200, 20)].into());
    assert_eq!(alice.ask(&format!("PUT {A}"), &[], event("a", "y")).await.status, 423);
}

/// A writer that has to wait for somebody who takes a lock meets that lock.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waited_for_a_lock_meets_it() {
    let (server, mut alice) = with_object().await;
    for (method, body) in [("PUT", event("a", "y")), ("DELETE", String::new())] {
        let tx = server.db.pool.begin().await.unwrap();
        tx.batch(
            "UPDATE calendar SET locked = now() + interval '1 minute' WHERE id = (SELECT calendar_id FROM bind WHERE name = 'calendar');
             INSERT INTO lock (home_id, calendar_id, token, principal_id, shared, infinite, owner, seconds, expires)
             SELECT home_id, calendar_id, gen_random_uuid(), home_id, false, true, '', 60, now() + interval '1 minute'
             FROM bind WHERE name = 'calendar'",
        )
        .await
        .unwrap();
        let line = format!("{method} {A}");
        let mut waiting = Box::pin(alice.ask(&line, &[], body));
        assert!(timeout(Duration::from_millis(300), &mut waiting).await.is_err(), "{method} does not wait");
        tx.commit().await.unwrap();
        assert_eq!(waiting.await.status, 423, "{method}");
        run(&server.db.pool, "DELETE FROM lock; UPDATE calendar SET locked = NULL").await;
    }
    assert_eq!(alice.ask(&format!("PUT {A}"), &[], event("a", "y")).await.status, 204);
}

// ---- over time ----

#[tokio::test(flavor = "multi_thread")]
async fn every_node_knows_a_lock_and_it_outlives_all_of_them() {
    let (server, mut alice) = with_object().await;
    let token = token(&lock(&mut alice, A, &[("Timeout", "Second-600")]).await);
    let submitted = format!("({token})");
    for _ in 0..2 {
        let (running, mut other) = node(&server).await;
        assert_eq!(other.ask(&format!("PUT {A}"), &[], event("a", "y")).await.status, 423);
        assert_eq!(lock(&mut other, A, &[]).await.status, 423);
        assert_eq!(other.ask(&format!("PUT {A}"), &[("If", &submitted)], event("a", "y")).await.status, 204);
        drop(other);
        running.stop().await.unwrap();
    }
    let (_running, mut other) = node(&server).await;
    assert_eq!(other.ask(&format!("UNLOCK {A}"), &[("Lock-Token", &token)], "").await.status, 204);
    assert_eq!(alice.ask(&format!("PUT {A}"), &[], event("a", "z")).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_by_the_clock_of_the_database() {
    let (server, mut alice) = with_object().await;
    let new = format!("{CALENDAR}new.ics");
    // One that goes on beside those that end.
    let other = format!("{CALENDAR}other.ics");
    assert_eq!(lock(&mut alice, &other, &[("Timeout", "Second-600")]).await.status, 201);
    let first = token(&lock(&mut alice, A, &[("Timeout", "Second-2")]).await);
    assert_eq!(lock(&mut alice, &new, &[("Timeout", "Second-2")]).await.status, 201);
    assert_eq!(alice.ask(&format!("PUT {A}"), &[], event("a", "y")).await.status, 423);
    assert_eq!(alice.ask(&format!("GET {new}"), &[], "").await.status, 204);
    sleep(Duration::from_millis(2100)).await;
    assert_eq!(alice.ask(&format!("PUT {A}"), &[], event("a", "y")).await.status, 204);
    assert_eq!(alice.ask(&format!("GET {new}"), &[], "").await.status, 404);
    assert_eq!(alice.ask(&format!("UNLOCK {A}"), &[("Lock-Token", &first)], "").await.status, 409);
    assert_eq!(alice.ask(&format!("LOCK {A}"), &[("If", &format!("({first})"))], "").await.status, 412);
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM lock").await, 3);
    assert_eq!(lock(&mut alice, A, &[]).await.status, 200);
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM lock").await, 2, "what has run out is trimmed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_refreshed_in_time_goes_on() {
    let (_server, mut alice) = with_object().await;
    let token = token(&lock(&mut alice, A, &[("Timeout", "Second-2")]).await);
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(alice.ask(&format!("LOCK {A}"), &[("If", &format!("({token})"))], "").await.status, 200);
    }
    assert_eq!(alice.ask(&format!("PUT {A}"), &[], event("a", "y")).await.status, 423);
}

// ---- bounds ----

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_lasts_no_longer_than_the_settings_allow() {
    let server = Server::start(|s| s.limits.lock_timeout = kalends::config::Span::seconds(90)).await;
    let mut alice = server.client("alice").await;
    for wish in ["Infinite", "Second-4100000000", "nonsense"] {
        let given = lock(&mut alice, &format!("{CALENDAR}{wish}.ics"), &[("Timeout", wish)]).await;
        assert!(given.text().contains("<D:timeout>Second-90</D:timeout>"), "{wish}: {}", given.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_has_at_most_a_hundred_locks() {
    let (server, mut alice) = with_object().await;
    let mut last = String::new();
    for nth in 0..100 {
        let scope = info("shared");
        last = token(&alice.ask(&format!("LOCK {CALENDAR}{}.ics", nth / 10), &[], scope).await);
    }
    let full = lock(&mut alice, A, &[]).await;
    assert_eq!(
        (full.status, full.condition().as_deref()),
        (507, Some("D:quota-not-exceeded")),
        "{}",
        full.text()
    );
    let released = alice.ask(&format!("UNLOCK {CALENDAR}9.ics"), &[("Lock-Token", &last)], "").await;
    assert_eq!(released.status, 204, "{}", released.text());
    assert_eq!(lock(&mut alice, A, &[]).await.status, 200);
    // Another calendar has room of its own, and what goes takes its locks along.
    assert_eq!(alice.ask("MKCALENDAR /dav/calendars/alice/work/", &[], "").await.status, 201);
    let work = token(&lock(&mut alice, "/dav/calendars/alice/work/", &[]).await);
    let submitted = format!("({work})");
    assert_eq!(alice.ask("DELETE /dav/calendars/alice/work/", &[("If", &submitted)], "").await.status, 204);
    assert_eq!(number(&server.db.pool, "SELECT count(*) FROM lock").await, 100);
}

/// Without the table of locks everything goes on where there are none: nobody looks at it.
#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_locked_nobody_asks_for_locks() {
    const PATCH: &str = "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><D:displayname>x</D:displayname>\
        </D:prop></D:set></D:propertyupdate>";
    let (server, mut alice) = with_object().await;
    assert_eq!(alice.ask("MKCALENDAR /dav/calendars/alice/work/", &[], "").await.status, 201);
    run(&server.db.pool, "ALTER TABLE lock RENAME TO away").await;
    let b = format!("{CALENDAR}b.ics");
    for (line, body, status) in [
        (format!("PUT {A}"), event("a", "y"), 204),
        (format!("PUT {b}"), event("b", "y"), 201),
        (format!("PROPPATCH {A}"), PATCH.to_owned(), 207),
        (format!("PROPPATCH {CALENDAR}"), PATCH.to_owned(), 207),
        (format!("PROPFIND {CALENDAR}"), String::new(), 207),
        ("PROPFIND /dav/calendars/alice/".to_owned(), String::new(), 207),
        (format!("GET {A}"), String::new(), 200),
        (format!("GET {CALENDAR}none.ics"), String::new(), 404),
        (format!("DELETE {b}"), String::new(), 204),
        (format!("UNLOCK {A}"), String::new(), 409),
        (format!("LOCK {A}"), info("shared"), 500),
    ] {
        let token = "<urn:uuid:00000000-0000-0000-0000-000000000000>";
        let answer = alice
            .ask(
                &line,
                &[("Depth", "1"), ("Lock-Token", token)][usize::from(line.starts_with("LOCK"))..],
                body,
            )
            .await;
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
    }
}

/// What is not locked costs its writers nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_is_marked_only_while_there_are_locks() {
    let (server, mut alice) = with_object().await;
    let marked = "SELECT count(*) FROM calendar WHERE locked > now()";
    assert_eq!(number(&server.db.pool, marked).await, 0);
    let one = token(&lock(&mut alice, A, &[]).await);
    let two = token(&lock(&mut alice, &format!("{CALENDAR}b.ics"), &[]).await);
    assert_eq!(number(&server.db.pool, marked).await, 1);
    alice.ask(&format!("UNLOCK {A}"), &[("Lock-Token", &one)], "").await;
    assert_eq!(number(&server.db.pool, marked).await, 1);
    alice.ask(&format!("UNLOCK {CALENDAR}b.ics"), &[("Lock-Token", &two)], "").await;
    assert_eq!(number(&server.db.pool, marked).await, 0);
}
