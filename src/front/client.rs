//! A client of another HTTP service that is asked again and again: connections stay open and are lent out one at a time, and
//! size and time are bounded.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::config::{Fault, Listen};
use crate::front::fetch::{Setting, connector};

/// Connections that wait for work.
const IDLE: usize = 32;
/// How long they do: less than any server keeps one open that is silent.
const STALE: Duration = Duration::from_secs(15);

type Sender = SendRequest<Full<Bytes>>;

/// Where the other service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// An address and port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// How TLS is spoken with it, and by which name it must be known.
#[derive(Clone)]
struct Secure(TlsConnector, ServerName<'static>);

/// The client. A clone shares its connections.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    /// None where it is spoken to in the clear.
    tls: Option<Secure>,
    host: HeaderValue,
    patience: Duration,
    idle: Mutex<Vec<(Sender, Instant)>>,
}

/// Why there is no answer; the text is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The service never saw the request: it may be sent again.
    Unsent(String),
    /// It may have seen it.
    Lost(String),
    /// It did not answer in time, and may do yet what was asked.
    Late,
    /// Its answer is longer than was wanted.
    TooLong,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Path and query, encoded.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An answer, whose body is still to come.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    lent: Option<Sender>,
    client: Client,
}

impl Client {
    /// A client of the service that listens there, which is given `patience` for each answer's head and each piece of its body.
    #[must_use]
    pub fn of(listen: &Listen, patience: Duration) -> Option<Self> {
        let place = match listen {
            Listen::Tcp(address) => {
                let ip = address.ip();
                let here = if !ip.is_unspecified() {
                    ip.to_string()
                } else if ip.is_ipv4() {
                    "127.0.0.1".to_owned()
                } else {
                    "::1".to_owned()
                };
                Place::Tcp(here, address.port())
            }
            Listen::Unix(path) => Place::Unix(path.clone()),
            Listen::Systemd => return None,
        };
        Some(Self::at(place, None, patience))
    }

    /// The same of a place in the settings: `http://host:port` or `unix:/path`.
    pub fn new(key: &str, place: &str, patience: Duration) -> Result<Self, Fault> {
        let fault =
            |why: &str| Fault::new(key, format!("is {place:?}, {why}: write http://host:port or unix:/path"));
        if let Some(path) = place.strip_prefix("unix:") {
            return match path {
                path if path.starts_with('/') => Ok(Self::at(Place::Unix(path.into()), None, patience)),
                _ => Err(fault("a path that does not begin with a slash")),
            };
        }
        let uri: Uri = place.parse().map_err(|_| fault("which is no address"))?;
        match (uri.scheme_str(), uri.host(), uri.path()) {
            (Some("http"), Some(host), "/" | "") => {
                let host = host.trim_matches(['[', ']']).to_owned();
                Ok(Self::at(Place::Tcp(host, uri.port_u16().unwrap_or(80)), None, patience))
            }
            _ => Err(fault("which is not the address of a service without TLS")),
        }
    }

    /// One of the same service with that much patience, and connections of its own.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self::at(self.0.place.clone(), self.0.tls.clone(), patience)
    }

    /// A client of a server somewhere else, at `http://host` or `https://host`; its certificate comes from the authorities in a
    /// file, or the system's when that is not named.
    pub fn elsewhere(
        url: Setting<'_, str>,
        ca_file: Setting<'_, Path>,
        patience: Duration,
    ) -> Result<Self, Fault> {
        let fault = |why: &dyn std::fmt::Display| Fault::new(url.0, format!("is no address: {why}"));
        let uri: Uri = url.1.parse().map_err(|error| fault(&error))?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let (usual, tls) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|error| fault(&error))?;
                (443, Some(Secure(connector(ca_file)?, name)))
            }
            _ => return Err(fault(&"it begins with neither https:// nor http://")),
        };
        Ok(Self::at(Place::Tcp(host, uri.port_u16().unwrap_or(usual)), tls, patience))
    }

    fn at(place: Place, tls: Option<Secure>, patience: Duration) -> Self {
        let usual = if tls.is_some() { 443 } else { 80 };
        let host = match &place {
            Place::Tcp(host, port) if *port == usual && !host.contains(':') => host.clone(),
            Place::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp(host, port) => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        };
        let host = HeaderValue::from_str(&host).unwrap_or(HeaderValue::from_static("localhost"));
        Self(Arc::new(Inner { place, tls, host, patience, idle: Mutex::default() }))
    }

    /// Asks. What a connection never took, because it had ended meanwhile, is sent once more on a new one; so is, where asking
    /// twice does no harm, what may have been lost on the way.
    pub async fn ask(&self, ask: &Ask, harmless: bool) -> Result<Answered, Unanswered> {
        match self.once(ask, true).await {
            Err(Unanswered::Unsent(_)) => self.once(ask, false).await,
            Err(Unanswered::Lost(_)) if harmless => self.once(ask, false).await,
            other => other,
        }
    }

    async fn once(&self, ask: &Ask, used: bool) -> Result<Answered, Unanswered> {
        let asked = async {
            let sender = match self.idle().filter(|_| used) {
                Some(sender) => sender,
                None => self.connect().await.map_err(Unanswered::Unsent)?,
            };
            self.send(sender, ask).await
        };
        tokio::time::timeout(self.0.patience, asked).await.unwrap_or(Err(Unanswered::Late))
    }

    async fn send(&self, mut sender: Sender, ask: &Ask) -> Result<Answered, Unanswered> {
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() =
            ask.target.parse().map_err(|_| Unanswered::Lost("the target is no URI".into()))?;
        *request.headers_mut() = ask.headers.clone();
        request.headers_mut().insert(HOST, self.0.host.clone());
        sender.ready().await.map_err(|error| Unanswered::Unsent(error.to_string()))?;
        let answer = sender.try_send_request(request).await.map_err(|mut error| {
            let unsent = error.take_message().is_some();
            let why = error.into_error().to_string();
            if unsent { Unanswered::Unsent(why) } else { Unanswered::Lost(why) }
        })?;
        let (head, body) = answer.into_parts();
        Ok(Answered {
            status: head.status,
            headers: head.headers,
            body,
            lent: Some(sender),
            client: self.clone(),
        })
    }

    async fn connect(&self) -> Result<Sender, String> {
        match &self.0.place {
            Place::Tcp(host, port) => {
                let tcp =
                    TcpStream::connect((host.as_str(), *port)).await.map_err(|error| error.to_string())?;
                tcp.set_nodelay(true).map_err(|error| error.to_string())?;
                let Some(Secure(connector, name)) = &self.0.tls else { return greet(tcp).await };
                greet(connector.connect(name.clone(), tcp).await.map_err(|error| error.to_string())?).await
            }
            Place::Unix(path) => {
                greet(UnixStream::connect(path).await.map_err(|error| error.to_string())?).await
            }
        }
    }

    /// A connection that waits for work, the one used last.
    fn idle(&self) -> Option<Sender> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((sender, since)) = idle.pop() {
            if since.elapsed() > STALE {
                idle.clear();
            } else if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn give_back(&self, sender: Sender) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !sender.is_closed() && idle.len() < IDLE {
            idle.push((sender, Instant::now()));
        }
    }
}

impl Answered {
    /// The whole body, if it has `limit` bytes or less.
    pub async fn read(mut self, limit: usize) -> Result<Bytes, Unanswered> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if whole.len() + piece.len() > limit {
                return Err(Unanswered::TooLong);
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// The next piece of the body; none at its end. Read to its end, its connection serves others.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Unanswered> {
        loop {
            let frame = tokio::time::timeout(self.client.0.patience, self.body.frame()).await;
            match frame.map_err(|_| Unanswered::Late)? {
                None => {
                    if let Some(sender) = self.lent.take() {
                        self.client.give_back(sender);
                    }
                    return Ok(None);
                }
                Some(Err(error)) => return Err(Unanswered::Lost(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }
}

async fn greet<S>(stream: S) -> Result<Sender, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TLS with {:?}", self.1)
    }
}

/// What somebody with a password shows (RFC 7617 §2); it stays out of logs.
///
/// # Panics
/// Never: its letters can stand in a header.
#[must_use]
pub fn basic(user: &str, password: &str) -> HeaderValue {
    let told = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
    let mut value = HeaderValue::try_from(told).expect("letters");
    value.set_sensitive(true);
    value
}

impl std::error::Error for Unanswered {}

impl std::fmt::Display for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsent(why) => write!(f, "it cannot be reached: {why}"),
            Self::Lost(why) => write!(f, "the connection broke: {why}"),
            Self::Late => f.write_str("it does not answer in time"),
            Self::TooLong => f.write_str("its answer is too long"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_an_address_without_tls_or_a_socket() {
        let place = |text: &str| Client::new("api.caldav", text, STALE).map(|client| client.0.place.clone());
        let tcp = |host: &str, port| Ok(Place::Tcp(host.to_owned(), port));
        assert_eq!(place("http://127.0.0.1:8008"), tcp("127.0.0.1", 8008));
        assert_eq!(place("http://[::1]:8008/"), tcp("::1", 8008));
        assert_eq!(place("http://calendars"), tcp("calendars", 80));
        assert_eq!(place("unix:/run/k.sock"), Ok(Place::Unix("/run/k.sock".into())));
        for bad in ["", "x", "unix:k.sock", "https://calendars", "http://calendars/dav/", "http:///"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_elsewhere_is_called_as_its_certificate_calls_it() {
        let none = ("--ca", Path::new(""));
        let client = |url: &str| Client::elsewhere(("--from", url), none, STALE).map(|client| client.0);
        let https = client("https://cal.example.org/dav/").unwrap();
        assert!(https.tls.is_some() && https.place == Place::Tcp("cal.example.org".into(), 443));
        assert_eq!(https.host, "cal.example.org");
        assert_eq!(client("http://[::1]:8008").unwrap().host, "[::1]:8008");
        for bad in ["ftp://x", "x", "https://"] {
            assert!(client(bad).is_err(), "{bad}");
        }
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }

    #[test]
    fn what_listens_everywhere_is_asked_here() {
        let place = |text: &str| Client::of(&text.parse().unwrap(), STALE).unwrap().0.place.clone();
        assert_eq!(place("0.0.0.0:1"), Place::Tcp("127.0.0.1".into(), 1));
        assert_eq!(place("[::]:1"), Place::Tcp("::1".into(), 1));
        assert_eq!(place("10.1.2.3:1"), Place::Tcp("10.1.2.3".into(), 1));
    }
}
