//! Batches: what a hundred events at once cost, that of two which expect the same state one is carried out, and that what
//! comes in between fails the rest of one that does.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::future::join_all;
use kalends::xml::{Element, Name};
use server::{Answer, Client, Server, event};
use tokio::sync::Mutex;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const ICALENDAR: (&str, &str) = ("Content-Type", "text/calendar; charset=utf-8");
const XML: (&str, &str) = ("Content-Type", "application/xml");

/// Statements that were sent to the database.
static STATEMENTS: AtomicUsize = AtomicUsize::new(0);
/// Held by each test, for the statements of all are counted.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Count;

impl<S: tracing::Subscriber> Layer<S> for Count {
    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        STATEMENTS.fetch_add(usize::from(span.metadata().name() == "statement"), Relaxed);
    }
}

async fn alice(server: &Server) -> Client {
    let mut alice = server.client("alice").await;
    assert_eq!(alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    alice
}

/// A stream of events with the numbers in this range.
fn stream(numbers: std::ops::Range<usize>) -> String {
    let mut out = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//test//EN\r\n".to_owned();
    for number in numbers {
        let whole = event(&format!("{number}@test"), "x");
        out += &whole[whole.find("BEGIN:VEVENT").unwrap()..whole.find("END:VCALENDAR").unwrap()];
    }
    out + "END:VCALENDAR\r\n"
}

/// A batch that makes events with the numbers in this range.
fn orders(numbers: std::ops::Range<usize>) -> String {
    let mut out = "<MM:multiput xmlns:MM=\"http://me.com/_namespace/\" xmlns:D=\"DAV:\" \
                   xmlns:C=\"urn:ietf:params:xml:ns:caldav\">"
        .to_owned();
    for number in numbers {
        let event = event(&format!("{number}@test"), "x");
        let set = format!("<D:set><D:prop><C:calendar-data>{event}</C:calendar-data></D:prop></D:set>");
        write!(out, "<MM:resource>{set}</MM:resource>").unwrap();
    }
    out + "</MM:multiput>"
}

/// The path, UID and status of each response.
fn told(answer: &Answer) -> Vec<(String, String, String)> {
    assert_eq!(answer.status, 207, "{}", answer.text());
    let text = |element: &Element, names: &[Name]| {
        let found = names.iter().try_fold(element, |element, name| element.child(*name));
        found.map(|element| element.text().to_owned()).unwrap_or_default()
    };
    let one = |response: &Element| {
        let stored = response.child(Name::dav("propstat"));
        let uid = match stored {
            Some(propstat) => text(propstat, &[Name::dav("prop"), Name::cs("uid")]),
            None => text(response, &[Name::dav("error"), Name::cs("uid")]),
        };
        let status = text(stored.unwrap_or(response), &[Name::dav("status")]);
        (text(response, &[Name::dav("href")]), uid, status)
    };
    answer.xml().unwrap().all(Name::dav("response")).map(one).collect()
}

fn assert_all_stored(answer: &Answer, count: usize) {
    let told = told(answer);
    let paths: BTreeSet<&String> = told.iter().map(|(path, ..)| path).collect();
    assert_eq!((told.len(), paths.len()), (count, count));
    for (number, (path, uid, status)) in told.iter().enumerate() {
        assert!(path.starts_with(CALENDAR) && status == "HTTP/1.1 200 OK", "{path} {status}");
        // In the order in which they were sent.
        assert_eq!(*uid, format!("{number}@test"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_events_at_once_cost_a_few_statements_each() {
    let _alone = ALONE.lock().await;
    // Another test of this program may have set it.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Count));
    let server = Server::start(|_| ()).await;
    let mut alice = alice(&server).await;
    let ctag = |answer: &Answer| answer.header("ctag").unwrap().to_owned();
    // Once, so that all that is prepared is prepared.
    let before = ctag(&alice.ask(&format!("POST {CALENDAR}"), &[ICALENDAR], stream(1000..1001)).await);

    let sent = STATEMENTS.load(Relaxed);
    let answer = alice.ask(&format!("POST {CALENDAR}"), &[ICALENDAR], stream(0..100)).await;
    let cost = STATEMENTS.load(Relaxed) - sent;
    assert_all_stored(&answer, 100);
    assert_ne!(ctag(&answer), before);
    assert!((200..=310).contains(&cost), "{cost} statements for a hundred events");
    assert_eq!(alice.members(CALENDAR).await.len(), 101);
    // A syncer that knew the calendar before hears of all of them.
    let token = |ctag: &str| {
        let (key, revision) = ctag.split_once('-').unwrap();
        format!("urn:kalends:sync:{key}:{revision}")
    };
    let page = alice.sync(CALENDAR, &token(&before), None).await;
    assert_eq!((page.changed.len(), page.token), (100, token(&ctag(&answer))));

    // The same as orders, each in a transaction of its own.
    let answer = alice.ask(&format!("DELETE {CALENDAR}"), &[], "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(alice.ask(&format!("MKCALENDAR {CALENDAR}"), &[], "").await.status, 201);
    let sent = STATEMENTS.load(Relaxed);
    let answer = alice.ask(&format!("POST {CALENDAR}"), &[XML], orders(0..100)).await;
    let cost = STATEMENTS.load(Relaxed) - sent;
    assert_all_stored(&answer, 100);
    assert!(cost <= 1010, "{cost} statements for a hundred orders");
    assert_eq!(alice.members(CALENDAR).await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_batches_that_expect_one_state_one_is_carried_out() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let mut alice = alice(&server).await;
    let first = alice.ask(&format!("POST {CALENDAR}"), &[ICALENDAR], stream(1000..1001)).await;
    let condition = format!("(<http://me.com/_namespace/ctag/{}>)", first.header("ctag").unwrap());
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(server.client("alice").await);
    }
    let answers = join_all(clients.into_iter().enumerate().map(async |(nth, mut client)| {
        let numbers = nth * 10..nth * 10 + 10;
        let (kind, body) = if nth % 2 == 0 { (ICALENDAR, stream(numbers)) } else { (XML, orders(numbers)) };
        client.ask(&format!("POST {CALENDAR}"), &[kind, ("If", &condition)], body).await
    }))
    .await;
    // Orders that began before another was done may each fail on the way, but none is carried out beside it.
    let stored = |answer: &Answer| answer.text().matches("200 OK").count();
    let won: usize = answers.iter().filter(|answer| answer.status == 207).map(stored).sum();
    assert!(answers.iter().all(|answer| matches!(answer.status, 207 | 412)));
    assert_eq!(won, 10, "{:?}", answers.iter().map(Answer::text).collect::<Vec<_>>());
    assert_eq!(alice.members(CALENDAR).await.len(), 11);
}

/// A refused batch leaves nothing, a partly refused one the rest; nobody waits for ever.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_batch_many_times_at_once_stores_each_event_once() {
    let _alone = ALONE.lock().await;
    let server = Server::start(|_| ()).await;
    let mut alice = alice(&server).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(server.client("alice").await);
    }
    let answers = join_all(clients.into_iter().enumerate().map(async |(nth, mut client)| {
        let (kind, body) = if nth % 2 == 0 { (ICALENDAR, stream(0..20)) } else { (XML, orders(0..20)) };
        client.ask(&format!("POST {CALENDAR}"), &[kind], body).await
    }))
    .await;
    let all: Vec<_> = answers.iter().flat_map(told).collect();
    assert_eq!(all.len(), 160);
    let stored = all.iter().filter(|(.., status)| status == "HTTP/1.1 200 OK");
    let uids: BTreeSet<&String> = stored.clone().map(|(_, uid, _)| uid).collect();
    assert_eq!((stored.count(), uids.len()), (20, 20));
    let refused = all.iter().filter(|(path, _, status)| path.is_empty() && status == "HTTP/1.1 409 Conflict");
    assert_eq!(refused.count(), 140);
    assert_eq!(alice.members(CALENDAR).await.len(), 20);
}
