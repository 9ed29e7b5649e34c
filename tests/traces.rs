//! Traces: a real server hands them to a real collector of this test, and minds neither a collector that is away nor one that
//! never answers.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use server::{Client, event};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "the-secret-of-the-proxy";
const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What no trace may hold: who asked, for what, and what was sent.
const HIDDEN: &[&str] =
    &[SECRET, "alice", "word-of-the-query", "name-of-the-object", "summary-of-the-event", "192.0.2.7"];

/// A collector: what was handed to it, and where.
struct Collector {
    port: u16,
    documents: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self { port: listener.local_addr().unwrap().port(), documents: Arc::default() };
        let documents = Arc::clone(&collector.documents);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let document = take(socket).await;
                documents.lock().unwrap().push(document);
            }
        });
        collector
    }

    fn spans(&self) -> Vec<Span> {
        self.documents.lock().unwrap().iter().flat_map(|document| spans(document)).collect()
    }
}

/// Takes one document as OTLP over HTTP has it.
async fn take(socket: TcpStream) -> String {
    let mut socket = BufReader::new(socket);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(socket.read_line(&mut head).await.unwrap() > 0, "{head}");
    }
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\ncontent-type: application/json\r\n") && head.contains("\r\nhost: 127.0.0.1:"),
        "{head}"
    );
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    socket.read_exact(&mut body).await.unwrap();
    socket
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
        .await
        .unwrap();
    String::from_utf8(body).unwrap()
}

/// A span, as the collector reads it.
#[derive(Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    state: String,
    name: String,
    kind: u64,
    failed: bool,
    time: (u128, u128),
    attributes: BTreeMap<String, String>,
}

impl Span {
    fn is(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

fn spans(document: &str) -> Vec<Span> {
    let document: Value = serde_json::from_str(document).unwrap();
    let resource = &document["resourceSpans"][0];
    assert_eq!(attributes(&resource["resource"]["attributes"])["service.name"], "kalends");
    resource["scopeSpans"][0]["spans"].as_array().unwrap().iter().map(span).collect()
}

fn span(span: &Value) -> Span {
    let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
    let time = |key: &str| text(key).parse::<u128>().unwrap();
    Span {
        trace: text("traceId"),
        id: text("spanId"),
        parent: text("parentSpanId"),
        state: text("traceState"),
        name: text("name"),
        kind: span["kind"].as_u64().unwrap(),
        failed: span["status"]["code"] == 2,
        time: (time("startTimeUnixNano"), time("endTimeUnixNano")),
        attributes: attributes(&span["attributes"]),
    }
}

fn attributes(list: &Value) -> BTreeMap<String, String> {
    let value =
        |value: &Value| value.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
    let pair = |pair: &Value| (pair["key"].as_str().unwrap().to_owned(), value(&pair["value"]));
    list.as_array().unwrap().iter().map(pair).collect()
}

/// The program, with a folder and a database of its own.
struct Kalends {
    dir: PathBuf,
    child: Child,
    _db: support::Db,
}

impl Kalends {
    /// One with these settings besides the usual; it listens.
    async fn start(name: &str, settings: &str) -> Self {
        let db = support::database().await;
        let dir = support::directory().join(format!("traces-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let all = format!(
            "server.listen = [\"unix:{}\"]\ndatabase.url = \"{}\"\nidentity.secret = \"{SECRET}\"\n{settings}",
            dir.join("sock").display(),
            db.url
        );
        std::fs::write(dir.join("kalends.toml"), all).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_kalends"))
            .args(["serve", "--config"])
            .arg(dir.join("kalends.toml"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let kalends = Self { dir, child, _db: db };
        let until = Instant::now() + server::PATIENCE;
        while kalends.connect().await.is_none() {
            assert!(Instant::now() < until, "{}", kalends.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        kalends
    }

    async fn connect(&self) -> Option<Client> {
        Client::unix(&self.dir.join("sock"), "alice").await.ok()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// Asks it to stop, and waits until it has.
    fn stop(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let until = Instant::now() + server::PATIENCE;
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => return status,
                None => assert!(Instant::now() < until, "{}", self.log()),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Kalends {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// The proxy, on behalf of alice.
async fn proxy(kalends: &Kalends) -> Client {
    let client = kalends.connect().await.unwrap();
    client.always("X-Kalends-Secret", SECRET).always("X-Forwarded-For", "192.0.2.7")
}

/// The span of the request that the proxy gave that id.
fn of<'a>(spans: &'a [Span], id: &str) -> &'a Span {
    let found: Vec<_> = spans.iter().filter(|span| span.is("kalends.request.id") == id).collect();
    assert_eq!(found.len(), 1, "{id}: {spans:#?}");
    found[0]
}

/// What a server is asked of a morning, by the proxy and by somebody who is not.
async fn ask(kalends: &Kalends) {
    let mut alice = proxy(kalends).await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers =
        [("X-Request-Id", "r1"), ("traceparent", &parent), ("tracestate", "a=1,b=2"), ("Depth", "1")];
    let path = format!("PROPFIND {CALENDAR}?q=word-of-the-query");
    assert_eq!(alice.ask(&path, &headers, "").await.status, 207);
    let object = format!("PUT {CALENDAR}name-of-the-object.ics");
    for (id, status) in [("r2", 201), ("r3", 412)] {
        let headers = [("X-Request-Id", id), ("If-None-Match", "*")];
        let event = event("name-of-the-object", "summary-of-the-event");
        assert_eq!(alice.ask(&object, &headers, event).await.status, status);
    }
    let sync =
        "<sync-collection xmlns='DAV:'><sync-token/><sync-level>1</sync-level><prop/></sync-collection>";
    assert_eq!(alice.ask(&format!("REPORT {CALENDAR}"), &[("X-Request-Id", "r4")], sync).await.status, 207);
    // The proxy has decided against it.
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    let headers = [("X-Request-Id", "r5"), ("traceparent", unsampled.as_str())];
    assert_eq!(alice.ask("OPTIONS /dav/", &headers, "").await.status, 200);
    // Somebody who is not the proxy.
    let mut eve = kalends.connect().await.unwrap();
    let headers = [("X-Request-Id", "r6"), ("traceparent", parent.as_str()), ("tracestate", "eve=1")];
    assert_eq!(eve.ask("BREW /dav/", &headers, "").await.status, 401);
}

/// The statements of a request, which lie within it.
fn statements<'a>(spans: &'a [Span], id: &str) -> Vec<&'a Span> {
    let span = of(spans, id);
    let inner: Vec<_> = spans.iter().filter(|inner| inner.parent == span.id).collect();
    assert!(inner.len() > 1, "{id}: {spans:#?}");
    for inner in &inner {
        assert_eq!((inner.kind, &inner.trace, inner.is("db.system.name")), (3, &span.trace, "postgresql"));
        assert_eq!(inner.name, inner.is("db.query.summary"));
        assert!(span.time.0 <= inner.time.0 && inner.time.0 <= inner.time.1 && inner.time.1 <= span.time.1);
    }
    inner
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_a_span_with_its_statements() {
    let collector = Collector::start().await;
    // Traces do not hang on what is logged.
    let settings = format!(
        "monitor.listen = \"\"\nlog.level = \"error\"\ntrace.endpoint = \"http://127.0.0.1:{}/v1/traces\"",
        collector.port
    );
    let mut kalends = Kalends::start("traces", &settings).await;
    ask(&kalends).await;
    // What is left is handed over at the end.
    assert!(kalends.stop().success());

    let spans = collector.spans();
    let requests: Vec<_> = spans.iter().filter(|span| span.kind == 2).collect();
    assert_eq!(requests.len(), 5, "{spans:#?}");
    let first = of(&spans, "r1");
    assert_eq!(
        (first.trace.as_str(), first.parent.as_str(), first.state.as_str()),
        (TRACE, PARENT, "a=1,b=2")
    );
    let expected = [
        ("r1", "PROPFIND calendar", "207", "", ""),
        ("r2", "PUT object", "201", "", ""),
        ("r3", "PUT object", "412", "", "none"),
        ("r4", "REPORT calendar", "207", "sync-collection", ""),
    ];
    for (id, name, status, report, condition) in expected {
        let span = of(&spans, id);
        assert_eq!(span.name, name);
        assert_eq!(span.name, format!("{} {}", span.is("http.request.method"), span.is("http.route")));
        assert_eq!(span.is("http.response.status_code"), status);
        assert_eq!(
            (span.is("kalends.report"), span.is("kalends.condition"), span.failed),
            (report, condition, false)
        );
        statements(&spans, id);
    }
    let put = statements(&spans, "r2");
    for name in ["caldav/object.sql: put", "COMMIT"] {
        assert!(put.iter().any(|span| span.name == name), "{name}: {put:#?}");
    }
    let stranger = requests.iter().find(|span| span.is("http.response.status_code") == "401").unwrap();
    assert_eq!(
        (stranger.name.as_str(), stranger.parent.as_str(), stranger.state.as_str()),
        ("_OTHER", "", "")
    );
    assert_ne!(stranger.trace, TRACE);
    assert!(!spans.iter().any(|span| ["r5", "r6"].contains(&span.is("kalends.request.id"))));
    let told = collector.documents.lock().unwrap().concat();
    for hidden in HIDDEN {
        assert!(!told.contains(hidden), "{hidden}\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_decides_how_many_and_whether_they_name_users() {
    let collector = Collector::start().await;
    let settings = format!(
        "monitor.listen = \"\"\nlog.level = \"trace\"\ntrace.sample = 0\ntrace.user = true\n\
         trace.endpoint = \"http://127.0.0.1:{}/v1/traces\"",
        collector.port
    );
    let mut kalends = Kalends::start("sampled", &settings).await;
    let mut alice = proxy(&kalends).await;
    for _ in 0..20 {
        assert_eq!(alice.ask("OPTIONS /dav/", &[], "").await.status, 200);
    }
    let parent = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(alice.ask("OPTIONS /dav/", &[("traceparent", &parent)], "").await.status, 200);
    // It does not wait for the end.
    let until = Instant::now() + server::PATIENCE;
    while collector.spans().is_empty() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let spans = collector.spans();
    let requests: Vec<_> = spans.iter().filter(|span| span.kind == 2).collect();
    assert_eq!(requests.len(), 1, "{spans:#?}");
    assert_eq!((requests[0].parent.as_str(), requests[0].is("user.name")), (PARENT, "alice"));
    assert!(kalends.stop().success());
    // What is told for traces is no line of the log.
    assert!(!kalends.log().contains("traceparent") && !kalends.log().contains("db.query.summary"));
}

/// The figure of that name.
async fn figure(monitor: std::net::SocketAddr, name: &str) -> f64 {
    let mut prometheus = Client::new(TcpStream::connect(monitor).await.unwrap(), "");
    let shown = prometheus.ask("GET /metrics", &[], "").await.text();
    let value = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{name}\n{shown}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_or_hangs_costs_nothing() {
    // One refuses, the other takes connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (name, collector) in [("refused", refusing), ("silent", silent.local_addr().unwrap())] {
        let monitor = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = format!(
            "monitor.listen = \"{monitor}\"\nlog.level = \"warn\"\nlimits.drain_time = \"1s\"\n\
             trace.endpoint = \"http://{collector}/v1/traces\""
        );
        let mut kalends = Kalends::start(name, &settings).await;
        let mut alice = proxy(&kalends).await;
        let mut memory = Vec::new();
        for _ in 0..2 {
            for _ in 0..2000 {
                let answer = alice.ask(&format!("PROPFIND {CALENDAR}"), &[("Depth", "0")], "").await;
                assert_eq!(answer.status, 207);
            }
            memory.push(figure(monitor, "process_resident_memory_bytes").await);
        }
        let grown = memory[1] - memory[0];
        println!("{name}: {:.1} MB, then {:.1} kB more", memory[0] / 1e6, grown / 1e3);
        assert!(grown < f64::from(4 << 20), "{name}: {memory:?}");
        assert!(figure(monitor, "kalends_traces_total{outcome=\"lost\"}").await >= 1000.0, "{name}");
        assert!(figure(monitor, "kalends_traces_total{outcome=\"sent\"}").await < 1.0, "{name}");
        let asked = Instant::now();
        assert!(kalends.stop().success());
        assert!(asked.elapsed() < Duration::from_secs(5), "{name}: {:?}", asked.elapsed());
        let complaints = kalends.log().matches("trace.endpoint takes no traces").count();
        assert!(complaints <= 1, "{name}: {}", kalends.log());
    }
}
