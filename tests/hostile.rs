//! What no honest client sends, each with the answer that it must get; the server neither falls nor grows by any of it.
//!
//! A real `kalends serve`, so that its memory is its own, and sockets. `KALENDS_HOSTILE=word` runs the cases whose names
//! have that word in them.

#![allow(clippy::unwrap_used)]

#[path = "hostile/batches.rs"]
mod batches;
#[path = "hostile/bombs.rs"]
mod bombs;
#[path = "hostile/documents.rs"]
mod documents;
#[path = "hostile/forms.rs"]
mod forms;
#[path = "hostile/locks.rs"]
mod locks;
#[path = "hostile/objects.rs"]
mod objects;
#[path = "hostile/reports.rs"]
mod reports;
#[path = "support/server.rs"]
mod server;
mod support;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use server::{Answer, Client, Gone};
use support::Db;
use tokio::time::sleep;

/// The home of the one who asks.
const HOME: &str = "/dav/calendars/alice/";
/// A calendar in it.
const CALENDAR: &str = "/dav/calendars/alice/calendar/";

/// What the server's memory may grow by while it answers one request, and by all of them together, in KiB.
const GROWTH: u64 = 64 << 10;

/// The most time of a processor that one may take, in a build for debugging.
const SLOWEST: Duration = Duration::from_secs(10);

/// One request, and the answer it must get.
struct Case {
    name: String,
    request: Request,
    status: u16,
    condition: Option<&'static str>,
}

/// Stands for any answer that is not the server's fault: no specification says how much is too much, and what counts is
/// that it costs little.
const CHEAP: u16 = 0;

enum Request {
    Whole(String, Vec<(&'static str, String)>, Vec<u8>),
    /// Octets that no client library would send.
    Raw(Vec<u8>),
}

/// A request that is well-formed HTTP; `line` is `METHOD /path`.
fn case(name: &str, line: &str, body: impl Into<Vec<u8>>) -> Case {
    Case {
        name: name.to_owned(),
        request: Request::Whole(line.to_owned(), Vec::new(), body.into()),
        status: 0,
        condition: None,
    }
}

/// Octets as they are.
fn raw(name: &str, octets: impl Into<Vec<u8>>) -> Case {
    Case { name: name.to_owned(), request: Request::Raw(octets.into()), status: 0, condition: None }
}

/// The pieces for these numbers, one after the other.
fn pieces(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect::<Vec<_>>().concat()
}

impl Case {
    /// With this header.
    fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        if let Request::Whole(_, headers, _) = &mut self.request {
            headers.push((header, value.into()));
        }
        self
    }

    /// Must get this status.
    fn is(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// May be carried out or refused, but at little cost.
    fn cheap(self) -> Self {
        self.is(CHEAP)
    }

    /// Must get this status, and a DAV:error with this element.
    fn refused(mut self, status: u16, condition: &'static str) -> Self {
        (self.status, self.condition) = (status, Some(condition));
        self
    }

    async fn run(&self, served: &Served) -> Result<Answer, Gone> {
        let mut client = served.client("http.sock").await;
        match &self.request {
            Request::Whole(line, headers, body) => {
                let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
                client.try_ask(line, &headers, body).await
            }
            Request::Raw(octets) => client.exchange(&[octets], false).await,
        }
    }

    fn judge(&self, outcome: &Result<Answer, Gone>) -> Option<String> {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(gone) => return Some(format!("{gone:?}, {} is expected", self.status)),
        };
        let is_xml = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/xml"));
        if is_xml && answer.body.len() < 1 << 20 && answer.xml().is_none() {
            return Some(format!("{} with XML that is none: {}", answer.status, answer.text()));
        }
        let right = match self.status {
            CHEAP => answer.status < 500 || answer.status == 507,
            status => answer.status == status,
        };
        if right && (self.condition.is_none() || answer.condition().as_deref() == self.condition) {
            return None;
        }
        let text: String = answer.text().chars().take(300).collect();
        let expected = self.condition.unwrap_or_default();
        Some(format!("{} {text:?}, {} {expected} is expected", answer.status, self.status))
    }
}

/// A server with a database, both gone with this.
struct Served {
    dir: PathBuf,
    child: Child,
    db: Db,
}

impl Served {
    async fn start(name: &str) -> Self {
        let db = support::database().await;
        let dir = support::directory().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let at = dir.display();
        let settings = format!(
            "server.listen = [\"unix:{at}/http.sock\"]\nmonitor.listen = \"unix:{at}/monitor.sock\"\n\
             log.level = \"warn\"\ndatabase.url = \"{}\"\n",
            db.url
        );
        fs::write(dir.join("settings.toml"), settings).unwrap();
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
        command.args(["serve", "--config"]).arg(dir.join("settings.toml"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let served = Self { dir, child, db };
        for _ in 0..1000 {
            if served.dir.join("http.sock").exists() {
                return served;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not start:\n{}", served.log());
    }

    async fn client(&self, socket: &str) -> Client {
        let client = Client::unix(&self.dir.join(socket), "alice").await;
        client.unwrap_or_else(|error| panic!("the server is gone: {error}\n{}", self.log()))
    }

    async fn panics(&self) -> String {
        let figures = self.client("monitor.sock").await.ask("GET /metrics", &[], "").await.text();
        let some = |line: &&str| line.starts_with("kalends_panics_total") && !line.ends_with(" 0");
        figures.lines().filter(some).collect()
    }

    /// A line of the process' status, in KiB: `VmRSS`, or `VmHWM` for the most that it was.
    fn memory(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|text| text.starts_with(line)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// How long a processor was busy with it.
    fn busy(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
        // Linux counts in hundredths of a second.
        Duration::from_millis(fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10)
    }

    /// What is held now is the most there was.
    fn forget_most(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").expect("the process is ours");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Everything that is wrong with how the server took one case.
async fn faults(case: &Case, served: &Served) -> Vec<String> {
    let mut faults = Vec::new();
    served.forget_most();
    let (began, before) = (served.busy(), served.memory("VmRSS"));
    let outcome = case.run(served).await;
    faults.extend(case.judge(&outcome));
    drop(outcome);
    let busy = served.busy().saturating_sub(began);
    if busy > SLOWEST {
        faults.push(format!("it took {busy:?}"));
    }
    let most = served.memory("VmHWM").saturating_sub(before);
    if most > GROWTH {
        faults.push(format!("memory grew by {} MiB", most >> 10));
    }
    let after = served.client("http.sock").await.try_ask("OPTIONS /dav/", &[], "").await;
    if !after.is_ok_and(|answer| answer.status == 200) {
        faults.push("the next request has no answer".to_owned());
    }
    faults.into_iter().map(|fault| format!("{}: {fault}", case.name)).collect()
}

async fn assert_all(name: &str, cases: Vec<Case>) {
    let only = env::var("KALENDS_HOSTILE").unwrap_or_default();
    let served = Served::start(name).await;
    let mut client = served.client("http.sock").await;
    assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    let before = served.memory("VmRSS");
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        wrong.extend(faults(case, &served).await);
    }
    let growth = served.memory("VmRSS").saturating_sub(before);
    if growth > GROWTH {
        wrong.push(format!("after all of them {} MiB more are held", growth >> 10));
    }
    wrong.extend(Some(served.panics().await).filter(|panics| !panics.is_empty()));
    wrong.extend(Some(served.log()).filter(|log| log.contains("panic")));
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_paths_and_headers() {
    assert_all("forms", forms::cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_xml_and_reports() {
    assert_all("reports", reports::cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_objects_and_endless_recurrences() {
    assert_all("objects", objects::cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_and_xml_of_objects() {
    assert_all("documents", documents::cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_locks_and_tokens() {
    assert_all("locks", locks::cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_orders_without_measure() {
    assert_all("batches", batches::cases()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn small_requests_that_want_much() {
    assert_all("bombs", bombs::cases()).await;
}

/// Clients that ask for much and take none of it: they hold no one else up.
#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_hold_nobody_up() {
    let served = Served::start("stalled").await;
    let mut client = served.client("http.sock").await;
    for nth in 0..300 {
        let body = server::event(&nth.to_string(), &"x".repeat(10_000));
        assert_eq!(client.ask(&format!("PUT {CALENDAR}{nth}.ics"), &[], body).await.status, 201);
    }
    let mut stalled = Vec::new();
    for _ in 0..12 {
        let mut client = served.client("http.sock").await;
        client.start(&format!("REPORT {CALENDAR}"), reports::ALL_DATA).await;
        stalled.push(client);
    }
    // None of them has asked for more than it could take in a moment.
    sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let answer = client.try_ask(&format!("PROPFIND {HOME}"), &[("Depth", "1")], "").await;
    let status = answer.as_ref().map(|answer| answer.status);
    assert_eq!(status, Ok(207), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

/// Fills alice's calendar with so many objects, each with octets of its own and three properties that clients have set.
const MANY: &str = "
    INSERT INTO object (home_id, calendar_id, name, uid, component, etag, revision, size, times, body)
    SELECT home_id, id, 'o' || n || '.ics', 'uid-' || n, 1, 'e' || n, n, 600, 1, convert_to(repeat('0123456789' || n, 50), 'UTF8')
    FROM calendar, generate_series(1, COUNT) n WHERE id = (SELECT calendar_id FROM bind WHERE name = 'calendar');
    INSERT INTO property (home_id, calendar_id, object_id, namespace, local, value)
    SELECT home_id, calendar_id, id, 'urn:x', 'p' || n, '<p' || n || ' xmlns=\"urn:x\">' || repeat('x', 500) || '</p' || n || '>'
    FROM object, generate_series(1, 3) n;
    UPDATE calendar SET revision = COUNT WHERE id = (SELECT calendar_id FROM bind WHERE name = 'calendar');
    ANALYZE";

/// What a whole calendar makes the server hold does not depend on how much is in it.
async fn big(count: usize) {
    let served = Served::start(&format!("big-{count}")).await;
    let mut client = served.client("http.sock").await;
    assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    let seed = MANY.replace("COUNT", &count.to_string());
    served.db.pool.client().await.unwrap().batch(&seed).await.unwrap();
    let sync = |props: &str| {
        format!(
            "<D:sync-collection {}><D:sync-token/><D:sync-level>infinite</D:sync-level><D:prop>{props}</D:prop></D:sync-collection>",
            reports::XMLNS
        )
    };
    let (listing, report) = (format!("PROPFIND {CALENDAR}"), format!("REPORT {CALENDAR}"));
    let home = format!("REPORT {HOME}");
    let etags = format!("<D:propfind {}><D:prop><D:getetag/></D:prop></D:propfind>", reports::XMLNS);
    let mut faults = Vec::new();
    for (name, line, body) in [
        ("a listing of tags", &listing, etags.clone()),
        ("a listing of everything", &listing, String::new()),
        ("a sync report", &report, sync("<D:getetag/><p1 xmlns=\"urn:x\"/>")),
        ("a sync report of the home", &home, sync("<D:getetag/><p1 xmlns=\"urn:x\"/><C:calendar-data/>")),
        ("a query of all octets", &report, reports::ALL_DATA.to_owned()),
    ] {
        // What a connection and its statements hold once is held by now.
        client.ask(&listing, &[("Depth", "0")], &etags).await;
        served.forget_most();
        let before = served.memory("VmRSS");
        let answer = client.ask(line, &[("Depth", "1")], &body).await;
        let responses = answer.text().matches("<D:response>").count();
        let most = served.memory("VmHWM").saturating_sub(before);
        eprintln!("{name}: {} KiB of an answer, {most} KiB", answer.body.len() >> 10);
        if answer.status != 207 || responses < count || most > 16 << 10 {
            faults.push(format!("{name}: {}, {responses} responses, {} MiB", answer.status, most >> 10));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_of_ten_thousand_objects_is_told_in_little_memory() {
    big(10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make soak"]
async fn a_calendar_of_a_hundred_thousand_objects_is_told_in_little_memory() {
    big(100_000).await;
}
