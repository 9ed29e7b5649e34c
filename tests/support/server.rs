//! A server in this process with a database of its own, and a client that stays on one connection as a proxy does and
//! tells a whole answer from half of one.
#![allow(dead_code)] // each test program uses its own part

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use kalends::boot::Running;
use kalends::config::{Level, Listen, Settings};
use kalends::observe;
use kalends::share::{self, notification::Reply};
use kalends::store::{self, Notification, Viewer, calendar, notification, principal};
use kalends::xml::{self, Element, Name};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::support::{self, Db};

/// Longer than anything takes that works.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Why a server in this process failed is told from now on; panics of tests stay what they are.
pub fn tell_errors() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        let hook = std::panic::take_hook();
        let mut settings = Settings::default();
        settings.log.level = Level::Error;
        let _ = observe::init(&settings);
        std::panic::set_hook(hook);
    });
}

/// A server and its database, both gone with this.
pub struct Server {
    pub address: SocketAddr,
    /// Of the REST service, where the settings have one.
    pub rest: Option<SocketAddr>,
    pub db: Db,
    settings: Settings,
    running: Running,
}

impl Server {
    /// A server of these settings, on a port of its own.
    pub async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let db = support::database().await;
        let mut settings = Settings { database: support::settings(&db.url), ..Settings::default() };
        settings.server.listen = vec![Listen::Tcp(([127, 0, 0, 1], 0).into())];
        settings.monitor.listen = None;
        change(&mut settings);
        let running = Running::start(settings.clone()).await.expect("a server");
        Self { address: running.addresses[0], rest: running.rest_address, db, settings, running }
    }

    /// The settings are read again, and say something else by now; what they say is returned.
    pub fn reload(&self, change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = self.settings.clone();
        change(&mut settings);
        self.running.reload(&settings).expect("sound settings");
        settings
    }

    /// Puts a notification into a home.
    pub async fn notify(&self, user: &str, name: &str) {
        let owner = principal::by_name(&self.db.pool, user).await.expect("an answer").expect("a user");
        let tx = self.db.pool.begin().await.expect("a transaction");
        notification::put(&tx, owner.id, &notice(name, name)).await.expect("a notification");
        tx.commit().await.expect("a commit");
    }

    /// Puts an object of a calendar into the trash of its home, and a whole calendar, each under that number.
    pub async fn delete(&self, owner: &str, calendar: &str, number: i64) {
        let body = event("gone", "x").replace('\n', "\\n").replace('\r', "\\r");
        let text = format!(
            "DELETE FROM bind WHERE calendar_id = {number}; DELETE FROM calendar WHERE id = {number}; DELETE FROM history WHERE id = {number};
             INSERT INTO calendar (home_id, id, components, trashed, former)
                 SELECT id, {number}, 1, now(), 'gone' FROM principal WHERE name = '{owner}';
             INSERT INTO history (home_id, calendar_id, name, id, revision, client, action, trashed, uid, component, etag, size, body)
                 OVERRIDING SYSTEM VALUE
                 SELECT b.home_id, b.calendar_id, 'gone.ics', {number}, 1, '', 2, true, 'gone', 1, 'x', 1, convert_to(E'{body}', 'UTF8')
                 FROM bind b JOIN principal p ON p.id = b.home_id WHERE p.name = '{owner}' AND b.name = '{calendar}'"
        );
        self.db.pool.client().await.expect("a connection").batch(&text).await.expect("a deletion");
    }

    /// Lets the calendar of that name in somebody's home be seen in another one.
    pub async fn bind(&self, owner: &str, calendar: &str, sharee: &str) {
        let pool = &self.db.pool;
        let found = async |name| principal::by_name(pool, name).await.expect("an answer").expect("a user");
        let (owner, sharee) = (found(owner).await, found(sharee).await);
        let viewer = Viewer::of(owner);
        let tx = pool.begin().await.expect("a transaction");
        let kept = calendar::lock(&tx, &viewer, viewer.principal.id, calendar).await.expect("an answer");
        store::share::bind(&tx, &kept.expect("a calendar"), &[sharee.id]).await.expect("a bind");
        tx.commit().await.expect("a commit");
    }

    /// A connection of that user.
    pub async fn client(&self, user: &str) -> Client {
        let socket = TcpStream::connect(self.address).await.expect("a connection");
        socket.set_nodelay(true).expect("an option");
        Client::new(socket, user)
    }
}

/// A notification that says nothing but its summary.
pub fn notice(name: &str, summary: &str) -> Notification {
    let reply =
        Reply { sharee: "mailto:b@x", accepted: true, host: "/", in_reply_to: "u", summary: Some(summary) };
    share::notification::reply(name, "2026-01-01T00:00:00Z".parse().expect("a time"), &reply)
}

/// What bytes go through.
pub trait Socket: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Socket for T {}

/// A connection on which a user's requests go one after the other.
pub struct Client {
    reader: ReadHalf<Box<dyn Socket + Unpin>>,
    writer: WriteHalf<Box<dyn Socket + Unpin>>,
    /// What was read beyond the last answer.
    left: Vec<u8>,
    /// The header lines that every request has.
    standing: String,
}

/// One answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How a request ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The connection closed before the first byte.
    Unanswered,
    /// The connection closed in the middle of an answer.
    Half,
    /// Nothing came for a long time.
    Hung,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether what was asked for was done.
    pub fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as XML, where it is.
    pub fn xml(&self) -> Option<Element> {
        xml::parse(&self.body).ok()
    }

    /// The element that names the condition in a DAV:error, as `D:valid-sync-token`.
    pub fn condition(&self) -> Option<String> {
        let root = self.xml().filter(|root| root.is(Name::dav("error")))?;
        let name = root.children().next()?.name();
        let prefix = xml::Ns::of(&name.ns).map_or("?", xml::Ns::prefix);
        Some(format!("{prefix}:{}", name.local))
    }
}

impl Client {
    pub fn new(socket: impl Socket + Unpin + 'static, user: &str) -> Self {
        let socket: Box<dyn Socket + Unpin> = Box::new(socket);
        let (reader, writer) = split(socket);
        let standing = format!("Host: test\r\nX-Forwarded-User: {user}\r\n");
        Self { reader, writer, left: Vec::new(), standing }
    }

    /// A connection to the socket at that path.
    pub async fn unix(path: &Path, user: &str) -> std::io::Result<Self> {
        Ok(Self::new(UnixStream::connect(path).await?, user))
    }

    /// Sends this header with every request.
    pub fn always(mut self, name: &str, value: &str) -> Self {
        self.standing.extend([name, ": ", value, "\r\n"]);
        self
    }

    /// The answer to a request; there must be one.
    pub async fn ask(&mut self, line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        self.try_ask(line, headers, body).await.unwrap_or_else(|gone| panic!("{line}: {gone:?}"))
    }

    /// The answer to a request, `line` being `METHOD /path`.
    pub async fn try_ask(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Result<Answer, Gone> {
        let mut head = format!("{line} HTTP/1.1\r\n{}", self.standing);
        for &(name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !body.as_ref().is_empty() || line.starts_with("PUT") {
            head.extend(["Content-Length: ", &body.as_ref().len().to_string(), "\r\n"]);
        }
        self.exchange(&[(head + "\r\n").as_bytes(), body.as_ref()], line.starts_with("HEAD")).await
    }

    /// Sends a request and leaves it at that.
    pub async fn start(&mut self, line: &str, body: &str) {
        let head = format!("{line} HTTP/1.1\r\n{}Content-Length: {}\r\n\r\n", self.standing, body.len());
        self.writer.write_all((head + body).as_bytes()).await.expect("the server takes bytes");
    }

    /// The answer to these bytes. A server may answer before it has read all of them.
    pub async fn exchange(&mut self, pieces: &[&[u8]], headless: bool) -> Result<Answer, Gone> {
        let writer = &mut self.writer;
        let mut sending = std::pin::pin!(async move {
            for piece in pieces {
                if writer.write_all(piece).await.is_err() {
                    return;
                }
            }
        });
        let mut reading =
            std::pin::pin!(timeout(PATIENCE, answer(&mut self.reader, &mut self.left, headless)));
        let mut sent = false;
        loop {
            tokio::select! {
                () = &mut sending, if !sent => sent = true,
                read = &mut reading => return read.unwrap_or(Err(Gone::Hung)),
            }
        }
    }
}

async fn answer(
    reader: &mut (impl AsyncRead + Unpin),
    left: &mut Vec<u8>,
    headless: bool,
) -> Result<Answer, Gone> {
    let head = loop {
        if let Some(end) = find(left, b"\r\n\r\n") {
            break left.drain(..end + 4).collect::<Vec<u8>>();
        }
        if !more(reader, left).await {
            return Err(if left.is_empty() { Gone::Unanswered } else { Gone::Half });
        }
    };
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    if !headless {
        answer.body = match answer.header("content-length").map(|length| length.parse().expect("a length")) {
            Some(length) => exactly(reader, left, length).await?,
            None if answer.header("transfer-encoding") == Some("chunked") => chunks(reader, left).await?,
            None => Vec::new(),
        };
    }
    Ok(answer)
}

async fn chunks(reader: &mut (impl AsyncRead + Unpin), left: &mut Vec<u8>) -> Result<Vec<u8>, Gone> {
    let mut body = Vec::new();
    loop {
        let line = loop {
            if let Some(end) = find(left, b"\r\n") {
                break left.drain(..end + 2).collect::<Vec<u8>>();
            }
            if !more(reader, left).await {
                return Err(Gone::Half);
            }
        };
        let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).expect("a chunk's size");
        body.extend(exactly(reader, left, size).await?);
        exactly(reader, left, 2).await?;
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn exactly(
    reader: &mut (impl AsyncRead + Unpin),
    left: &mut Vec<u8>,
    count: usize,
) -> Result<Vec<u8>, Gone> {
    while left.len() < count {
        if !more(reader, left).await {
            return Err(Gone::Half);
        }
    }
    Ok(left.drain(..count).collect())
}

async fn more(reader: &mut (impl AsyncRead + Unpin), left: &mut Vec<u8>) -> bool {
    left.reserve(16 << 10);
    matches!(reader.read_buf(left).await, Ok(count) if count > 0)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// An event as small as they come.
pub fn event(uid: &str, summary: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20260301T090000Z\r\nDTEND:20260301T100000Z\r\nSUMMARY:{summary}\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

/// A page of a sync report.
#[derive(Debug)]
pub struct Page {
    /// Members with their entity tags.
    pub changed: Vec<(String, String)>,
    pub gone: Vec<String>,
    pub token: String,
    /// Whether the server says that there is more.
    pub cut: bool,
}

impl Client {
    /// What changed in the collection since the token, `limit` members at most.
    pub async fn sync(&mut self, collection: &str, token: &str, limit: Option<u32>) -> Page {
        let limit =
            limit.map_or(String::new(), |n| format!("<D:limit><D:nresults>{n}</D:nresults></D:limit>"));
        let body = format!(
            "<D:sync-collection xmlns:D=\"DAV:\"><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>\
             {limit}<D:prop><D:getetag/></D:prop></D:sync-collection>"
        );
        let answer = self.ask(&format!("REPORT {collection}"), &[], body).await;
        assert_eq!(answer.status, 207, "{}", answer.text());
        page(&answer, collection)
    }

    /// What changed in a home since the token, `limit` responses at most; the answer, where the token is refused.
    pub async fn sync_home(
        &mut self,
        home: &str,
        token: &str,
        level: &str,
        limit: Option<u32>,
    ) -> Result<Page, Answer> {
        let limit =
            limit.map_or(String::new(), |n| format!("<D:limit><D:nresults>{n}</D:nresults></D:limit>"));
        let body = format!(
            "<D:sync-collection xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:sync-token>{token}</D:sync-token>\
             <D:sync-level>{level}</D:sync-level>{limit}<D:prop><D:getetag/><CS:getctag/></D:prop></D:sync-collection>"
        );
        let answer = self.ask(&format!("REPORT {home}"), &[("Prefer", "return=minimal")], body).await;
        if answer.status == 207 { Ok(page(&answer, home)) } else { Err(answer) }
    }

    /// The collections in a home with their tags.
    pub async fn collections(&mut self, home: &str) -> Vec<(String, String)> {
        let body = "<D:propfind xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:prop><CS:getctag/></D:prop></D:propfind>";
        let headers = [("Depth", "1"), ("Prefer", "depth-noroot")];
        let answer = self.ask(&format!("PROPFIND {home}"), &headers, body).await;
        assert_eq!(answer.status, 207, "{}", answer.text());
        page(&answer, home).changed
    }

    /// The members of the collection with their entity tags.
    pub async fn members(&mut self, collection: &str) -> Vec<(String, String)> {
        let body = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:getetag/></D:prop></D:propfind>";
        let headers = [("Depth", "1"), ("Prefer", "depth-noroot")];
        let answer = self.ask(&format!("PROPFIND {collection}"), &headers, body).await;
        assert_eq!(answer.status, 207, "{}", answer.text());
        page(&answer, collection).changed
    }
}

fn page(answer: &Answer, collection: &str) -> Page {
    let root = answer.xml().expect("a multistatus");
    let text = |element: &Element, name| element.child(Name::dav(name)).map(|e| e.text().trim().to_owned());
    let token = text(&root, "sync-token").unwrap_or_default();
    let mut page = Page { changed: Vec::new(), gone: Vec::new(), token, cut: false };
    for response in root.all(Name::dav("response")) {
        let href = text(response, "href").expect("an href");
        match text(response, "status").as_deref() {
            Some("HTTP/1.1 507 Insufficient Storage") if href == collection => page.cut = true,
            Some("HTTP/1.1 404 Not Found") => page.gone.push(href),
            Some(other) => panic!("{href}: {other}"),
            None => {
                let propstat = response.child(Name::dav("propstat")).expect("a propstat");
                let prop = propstat.child(Name::dav("prop")).expect("a prop");
                let ctag = prop.child(Name::cs("getctag")).map(|tag| tag.text().to_owned());
                page.changed.push((href, ctag.or_else(|| text(prop, "getetag")).expect("a tag")));
            }
        }
    }
    page
}
