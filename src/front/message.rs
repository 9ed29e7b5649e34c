//! The shapes of a request and its answer, and the one trait between HTTP and what is served.

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::sync::mpsc;

use crate::front::body::Body;
use crate::front::coding::Coded;
use crate::front::fastcgi::Question;
use crate::front::identity::{Denial, Identity};

/// How long a feeder waits for a client that takes nothing.
const STALL: Duration = Duration::from_mins(1);

/// What answers requests.
pub trait Service: Send + Sync + 'static {
    /// Answers one. The future is dropped when the client goes away or the time for the answer is over.
    fn call(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// The answer where something is wrong that it is not asked about, or that it did not come to tell.
    fn wrong(&self, status: StatusCode, why: &'static str) -> Response {
        Response::new(status).body("text/plain; charset=utf-8", why)
    }

    /// What is told of a path in logs: all of it, unless a part of it is a secret.
    fn told<'a>(&self, path: &'a str) -> &'a str {
        path
    }

    /// Whether a proxy asks there about somebody whom it does not know yet, so that to name nobody is no news.
    fn asks(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// What a request to that path may take, where `usual` is what any may. It is not asked of strangers, who have no more than that.
    fn room(&self, method: &Method, path: &str, usual: Room) -> Room {
        let _ = (method, path);
        usual
    }

    /// The methods it knows, as a list in a header: what web pages may send, where the settings let them.
    fn methods(&self) -> String {
        String::new()
    }
}

/// What a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Octets of its body.
    pub octets: usize,
    /// The time from its last header to the first octet of the answer.
    pub time: Duration,
}

/// A request whose outer form is right: the path and query are visible ASCII with whole percent-encodings.
#[derive(Debug)]
pub struct Request {
    /// The id that names it in logs and in the answer's X-Request-Id.
    pub id: String,
    /// The method, in the letters that were sent.
    pub method: Method,
    /// The path, raw: percent-encoded, never decoded; begins with a slash, or is `*`.
    pub path: String,
    /// What follows the question mark.
    pub query: Option<String>,
    /// The headers, without all those that could tell of somebody's identity.
    pub headers: HeaderMap,
    /// Who is asking, or why that is not known.
    pub identity: Result<Identity, Denial>,
    /// What the proxy said of who is asking, to be said again in the same words; only of a front that relays.
    pub said: Option<Said>,
    /// The password that came along, which whoever trusts the peer may check; only of a front that relays.
    pub question: Option<Question>,
    /// Where the client is, as far as that is known.
    pub client: Option<IpAddr>,
    /// The body, not yet read.
    pub body: Body,
}

/// The headers of an identity, as they came. No log shows them.
#[derive(Clone)]
pub struct Said(HeaderMap);

impl Said {
    /// The headers, which whoever trusts this process believes.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0
    }
}

impl From<HeaderMap> for Said {
    fn from(headers: HeaderMap) -> Self {
        Self(headers)
    }
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers; Date, Content-Length and X-Request-Id come by themselves.
    pub headers: HeaderMap,
    /// Its body.
    pub payload: Payload,
}

impl Response {
    /// An answer without headers and body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), payload: Payload::Empty }
    }

    /// The same with one header more. A value that no header can carry (control characters, line ends) leaves the
    /// header out, for what is computed from stored data must not split an answer in two.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl AsRef<[u8]>) -> Self {
        if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
            self.headers.append(name, value);
        }
        self
    }

    /// The same with a body and its type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.payload = Payload::Full(bytes.into());
        self
    }

    /// The same with a body that comes piece by piece.
    #[must_use]
    pub fn stream(mut self, content_type: &'static str, feed: Feed) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.payload = Payload::Stream(feed);
        self
    }
}

/// Says that an answer depends on that header, too; in one line, for there are readers of the first one alone.
pub(super) fn vary(headers: &mut HeaderMap, on: &str) {
    let mut names: Vec<&str> = headers.get_all(VARY).iter().filter_map(|name| name.to_str().ok()).collect();
    names.push(on);
    if let Ok(all) = HeaderValue::from_str(&names.join(", ")) {
        headers.insert(VARY, all);
    }
}

/// The body of an answer.
#[derive(Debug)]
pub enum Payload {
    /// None.
    Empty,
    /// All of it.
    Full(Bytes),
    /// Piece by piece, as the client takes it.
    Stream(Feed),
    /// The same, coded on its way; made by the front.
    Coded(Box<Coded>),
}

impl Payload {
    /// The two ends of a streamed body; `depth` pieces wait between them at most.
    #[must_use]
    pub fn stream(depth: usize) -> (Feeder, Feed) {
        let (sender, receiver) = mpsc::channel(depth.max(1));
        let whole = Arc::new(AtomicBool::new(false));
        (Feeder { sender, stall: STALL, whole: Arc::clone(&whole) }, Feed { receiver, whole })
    }
}

/// The writing end of a streamed body. Dropped before [`Feeder::finish`] (an error, a panic, a task that was
/// cancelled) it cuts the connection: a half answer must not look whole.
#[derive(Debug)]
pub struct Feeder {
    sender: mpsc::Sender<Bytes>,
    stall: Duration,
    whole: Arc<AtomicBool>,
}

impl Feeder {
    /// Hands over a piece, waiting while the client is slow; fails when it has gone or takes nothing for a minute.
    pub async fn send(&self, piece: Bytes) -> Result<(), Gone> {
        self.sender.send_timeout(piece, self.stall).await.map_err(|_| Gone)
    }

    /// Says that the body is whole.
    pub fn finish(self) {
        self.whole.store(true, Ordering::Release);
    }
}

/// The reading end of a streamed body.
#[derive(Debug)]
pub struct Feed {
    receiver: mpsc::Receiver<Bytes>,
    whole: Arc<AtomicBool>,
}

impl Feed {
    /// The next piece; none at a whole body's end, [`Aborted`] at any other.
    pub async fn next(&mut self) -> Option<Result<Bytes, Aborted>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        self.receiver.poll_recv(cx).map(|piece| match piece {
            Some(piece) => Some(Ok(piece)),
            None if self.whole.load(Ordering::Acquire) => None,
            None => Some(Err(Aborted)),
        })
    }
}

/// A streamed body ended before it was whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aborted;

impl std::error::Error for Aborted {}

impl std::fmt::Display for Aborted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer was cut off")
    }
}

/// Nobody takes what is sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_whole_only_when_its_feeder_says_so() {
        let (feeder, mut feed) = Payload::stream(2);
        feeder.send(Bytes::from_static(b"a")).await.unwrap();
        feeder.finish();
        assert_eq!(feed.next().await, Some(Ok(Bytes::from_static(b"a"))));
        assert_eq!(feed.next().await, None);

        let (feeder, mut feed) = Payload::stream(2);
        drop(feeder);
        assert_eq!(feed.next().await, Some(Err(Aborted)));
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut feeder, _feed) = Payload::stream(1);
        feeder.stall = Duration::from_millis(10);
        feeder.send(Bytes::from_static(b"a")).await.unwrap();
        assert_eq!(feeder.send(Bytes::from_static(b"b")).await, Err(Gone));
    }

    #[test]
    fn a_value_with_a_line_end_is_left_out() {
        let answer = Response::new(StatusCode::OK).with(http::header::LOCATION, "/a\r\nSet-Cookie: x");
        assert!(answer.headers.is_empty());
    }
}
