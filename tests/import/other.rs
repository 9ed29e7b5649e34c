//! Other servers: one that stands before a kalends and asks for a password, as its proxy does, and one that says what it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::site::PASSWORD;

/// A request: its head, and what follows.
pub struct Asked {
    pub head: String,
    pub body: Vec<u8>,
}

impl Asked {
    /// Method and path.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap().trim_end_matches(" HTTP/1.1")
    }

    fn is_by(&self, user: &str) -> bool {
        let credentials =
            format!("authorization: basic {}", BASE64_STANDARD.encode(format!("{user}:{PASSWORD}")));
        self.head.lines().any(|line| line.to_lowercase() == credentials.to_lowercase())
    }
}

/// What is done with a request.
pub enum Reply {
    /// This is said, as it stands here.
    Says(Vec<u8>),
    /// It is passed on there, in the name of that user.
    Passes(SocketAddr, &'static str),
}

/// A multistatus with that in it.
pub fn multistatus(inside: &str) -> Reply {
    let body =
        format!("<multistatus xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>{inside}</multistatus>");
    says("207 Multi-Status", "Content-Type: application/xml\r\n", &body)
}

/// An answer.
pub fn says(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Says(
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .into(),
    )
}

/// A server, and what it was asked.
pub struct Other {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Other {
    /// One that answers so.
    pub async fn start(
        tls: Option<TlsAcceptor>,
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let (told, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (tls, told, answer) = (tls.clone(), Arc::clone(&told), Arc::clone(&answer));
                tokio::spawn(async move {
                    let served = |asked: &Asked| {
                        told.lock().unwrap().push(asked.line().to_owned());
                        answer(asked)
                    };
                    match tls {
                        None => serve(socket, served).await,
                        Some(tls) => match tls.accept(socket).await {
                            Ok(socket) => serve(socket, served).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// One that lets `user` in with the password, and passes on to a kalends what is asked then.
    pub async fn before(kalends: SocketAddr, user: &'static str, tls: Option<TlsAcceptor>) -> Self {
        Self::start(tls, move |asked| {
            if asked.is_by(user) {
                Reply::Passes(kalends, user)
            } else {
                says("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "")
            }
        })
        .await
    }

    /// How many requests of that method came since this was asked last.
    pub fn asked(&self, method: &str) -> usize {
        let all = std::mem::take(&mut *self.asked.lock().unwrap());
        all.iter().filter(|line| line.split(' ').next() == Some(method)).count()
    }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl Fn(&Asked) -> Reply,
) -> Option<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while read.len() < end + length.unwrap_or(0) {
        if socket.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
    let asked = Asked { head, body: read.split_off(end) };
    match answer(&asked) {
        Reply::Says(octets) => socket.write_all(&octets).await.ok()?,
        Reply::Passes(to, user) => {
            let mut upstream = TcpStream::connect(to).await.ok()?;
            let (line, rest) = asked.head.split_once("\r\n")?;
            let rest: String = rest
                .lines()
                .filter(|line| !line.to_lowercase().starts_with("authorization:"))
                .fold(String::new(), |all, line| all + line + "\r\n");
            let head = format!("{line}\r\nX-Forwarded-User: {user}\r\nConnection: close\r\n{rest}");
            upstream.write_all(head.as_bytes()).await.ok()?;
            upstream.write_all(&asked.body).await.ok()?;
            let _ = tokio::io::copy(&mut upstream, &mut socket).await;
        }
    }
    socket.shutdown().await.ok()
}
