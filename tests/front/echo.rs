//! A service that says what it was asked, and a server around it.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kalends::config::{Listen, Settings};
use kalends::front::{
    BodyError, Denial, Drained, Front, Identity, Listener, Payload, Request, Response, Service, Status,
    header, serve,
};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::wire::{PATIENCE, Wire};

/// The service; all its clones are one.
#[derive(Clone, Default)]
pub struct Echo(Arc<State>);

/// What tests and the service tell each other.
#[derive(Default)]
pub struct State {
    /// Lets `/wait` answer.
    pub go: Notify,
    /// How many requests are in `/wait`.
    pub waiting: AtomicUsize,
    /// How many of them were dropped before their answer.
    pub dropped: AtomicUsize,
    /// How many pieces `/endless` got rid of.
    pub pieces: AtomicUsize,
    /// How many feeders found that nobody takes their pieces.
    pub gone: AtomicUsize,
}

impl Deref for Echo {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

impl Service for Echo {
    async fn call(&self, request: Request) -> Response {
        match request.path.as_str() {
            "/who" => who(&request),
            "/headers" => text(Status::OK, names(&request)),
            "/id" => text(Status::OK, request.id),
            "/body" => body(request).await,
            "/early" => text(Status::PRECONDITION_FAILED, "not read".into()),
            "/panic" => panic!("as asked"),
            "/wait" => self.wait().await,
            "/stream" => streamed(true),
            "/half" => streamed(false),
            "/endless" => self.endless(),
            _ => text(
                Status::NOT_FOUND,
                format!("{} {}?{}", request.method, request.path, request.query.unwrap_or_default()),
            ),
        }
    }
}

impl Echo {
    async fn wait(&self) -> Response {
        struct Dropped<'a>(&'a State);
        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.dropped.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let dropped = Dropped(self);
        self.go.notified().await;
        std::mem::forget(dropped);
        text(Status::OK, "waited".into())
    }

    fn endless(&self) -> Response {
        let (feeder, feed) = Payload::stream(1);
        let echo = self.clone();
        tokio::spawn(async move {
            while feeder.send(Bytes::from(vec![b'x'; 64 << 10])).await.is_ok() {
                echo.pieces.fetch_add(1, Ordering::SeqCst);
            }
            echo.gone.fetch_add(1, Ordering::SeqCst);
        });
        Response::new(Status::OK).stream("text/plain", feed)
    }
}

fn who(request: &Request) -> Response {
    match &request.identity {
        Ok(identity) if request.query.as_deref() == Some("all") => text(Status::OK, all(identity)),
        Ok(identity) => text(Status::OK, identity.user.clone()),
        Err(Denial::Absent | Denial::Untrusted) => text(Status::UNAUTHORIZED, String::new()),
        Err(Denial::Undecided(reason)) => text(Status::SERVICE_UNAVAILABLE, (*reason).to_owned()),
        Err(Denial::Malformed(reason)) => text(Status::FORBIDDEN, (*reason).to_owned()),
    }
}

fn all(identity: &Identity) -> String {
    format!("{} {} {}", identity.user, identity.subject.as_deref().unwrap_or("-"), identity.proven)
}

fn names(request: &Request) -> String {
    request.headers.keys().map(header::HeaderName::as_str).collect::<Vec<_>>().join(" ")
}

async fn body(request: Request) -> Response {
    match request.body.read(1 << 20).await {
        Ok(bytes) => text(Status::OK, bytes.len().to_string()),
        Err(BodyError::TooLarge) => text(Status::PAYLOAD_TOO_LARGE, String::new()),
        Err(BodyError::Slow) => text(Status::REQUEST_TIMEOUT, String::new()),
        Err(BodyError::Broken) => text(Status::BAD_REQUEST, String::new()),
    }
}

fn streamed(whole: bool) -> Response {
    let (feeder, feed) = Payload::stream(2);
    tokio::spawn(async move {
        for _ in 0..3 {
            feeder.send(Bytes::from_static(b"piece;")).await.expect("somebody takes it");
        }
        if whole {
            feeder.finish();
        }
    });
    Response::new(Status::OK).stream("text/plain", feed)
}

fn text(status: Status, text: String) -> Response {
    Response::new(status).body("text/plain", text)
}

/// A running server.
pub struct Server {
    pub address: Option<SocketAddr>,
    pub echo: Echo,
    pub front: Arc<Front>,
    stop: oneshot::Sender<()>,
    run: JoinHandle<Drained>,
}

impl Server {
    /// One on a free port of loopback, with the settings changed.
    pub fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let listen = Listen::Tcp(([127, 0, 0, 1], 0).into());
        let listener = Listener::open(&listen, &settings).expect("a free port");
        Self::with(&settings, vec![listener])
    }

    pub fn with(settings: &Settings, listeners: Vec<Listener>) -> Self {
        let address = listeners.iter().find_map(Listener::address);
        let echo = Echo::default();
        let front = Arc::new(Front::new(settings).expect("settings that are right"));
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let run = tokio::spawn(serve(listeners, Arc::new(echo.clone()), Arc::clone(&front), shutdown));
        Self { address, echo, front, stop, run }
    }

    pub async fn connect(&self) -> Wire<TcpStream> {
        let address = self.address.expect("a TCP listener");
        Wire::new(TcpStream::connect(address).await.expect("the server takes connections"))
    }

    /// Tells it to stop and gives what becomes of it.
    pub fn stop(self) -> JoinHandle<Drained> {
        self.stop.send(()).expect("the server runs");
        self.run
    }
}

/// Waits until something is so.
pub async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it becomes so");
}
