//! Serving: connections are taken while there is room, watched while they live, and given time to end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Version};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::config::{Fault, Limits, Server, Settings, Token, exposure};
use crate::front::ending::Ending;
use crate::front::exchange;
use crate::front::identity::Policy;
use crate::front::listen::Listener;
use crate::front::message::Service;
use crate::front::origin::Origins;
use crate::front::socket::{Socket, Stream};
use crate::front::spelling::Names;
use crate::front::tls::Tls;
use crate::front::trust::Peer;
use crate::observe::metrics::{self, Live};

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// How often a silent HTTP/2 connection is asked whether it lives, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// Pause after the system had no room for a connection.
const BREATH: Duration = Duration::from_millis(100);
/// How long connections without a request stay open when the server stops: a proxy that writes just then is answered,
/// and told that the connection ends.
const GRACE: Duration = Duration::from_millis(300);
/// The least that hyper reads into.
const LEAST_BUFFER: usize = 8192;
/// The number of headers up to which hyper needs no allocation.
const USUAL_HEADERS: usize = 100;

/// The rules and the places of one service; for one call of [`serve`].
#[derive(Debug)]
pub struct Front {
    rules: RwLock<Arc<Rules>>,
    /// Where it is listened; a reload must not open these to strangers.
    addresses: OnceLock<Vec<SocketAddr>>,
    connections: Arc<Semaphore>,
    most_connections: u32,
    pub(super) requests: Arc<Semaphore>,
    /// The same of requests by which a proxy asks about somebody: all programs wait for those, so no others take their places.
    pub(super) questions: Arc<Semaphore>,
    pub(super) quiet: bool,
    /// Whether requests keep what the proxy said, for a service that asks another one in their name.
    pub(super) relays: bool,
}

/// What a reload may change.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) policy: Policy,
    pub(super) origins: Origins,
    pub(super) limits: Limits,
    /// Clients that are shut out.
    pub(super) rejected: Names,
    /// Whether answers may be compressed.
    pub(super) compress: bool,
    tls: Option<Tls>,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were not done in time and were cut.
    pub cut: usize,
}

/// The life of the server, as connections need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// What comes on open connections is answered as their last request.
    Draining,
    /// Connections without a request end.
    Closing,
    Over,
}

impl Front {
    /// The front that the settings describe; to be called within the runtime.
    pub fn new(settings: &Settings) -> Result<Self, Fault> {
        Ok(Self {
            rules: RwLock::new(Arc::new(Rules::new(settings, None)?)),
            addresses: OnceLock::new(),
            connections: Arc::new(Semaphore::new(settings.limits.connections as usize)),
            most_connections: settings.limits.connections,
            requests: Arc::new(Semaphore::new(settings.limits.requests as usize)),
            questions: Arc::new(Semaphore::new(settings.limits.requests as usize)),
            quiet: false,
            relays: false,
        })
    }

    /// The same for a service that asks another one in the name of who is asking.
    pub fn relaying(settings: &Settings) -> Result<Self, Fault> {
        Ok(Self { relays: true, ..Self::new(settings)? })
    }

    /// The same for the monitor, whose requests are neither logged nor counted, and which nobody signs in at.
    pub fn quiet(settings: &Settings) -> Result<Self, Fault> {
        let server = Server {
            tls_certificate: PathBuf::new(),
            tls_key: PathBuf::new(),
            tls_client_ca: PathBuf::new(),
            reject_agents: Vec::new(),
            compress: false,
            ..settings.server.clone()
        };
        let plain = Settings { server, token: Token::default(), ..settings.clone() };
        Ok(Self { quiet: true, ..Self::new(&plain)? })
    }

    /// How many keys the identity provider shows to check tokens with, fetched anew; none where tokens are off.
    pub async fn keys(&self) -> Result<Option<usize>, Fault> {
        self.rules().policy.keys().await
    }

    /// Takes over new rules of identity, new keys and certificates, new times and sizes; the numbers of connections and
    /// requests stay. Connections that are open keep their certificate, and are held against the new names.
    pub fn reload(&self, settings: &Settings) -> Result<(), Fault> {
        let mut open = self.addresses.get().into_iter().flatten();
        if let Some(fault) = open.find_map(|address| exposure(*address, settings)) {
            return Err(fault);
        }
        let rules = Arc::new(Rules::new(settings, Some(&self.rules()))?);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Rules {
    fn new(settings: &Settings, before: Option<&Self>) -> Result<Self, Fault> {
        let policy = Policy::new(settings, before.map(|before| &before.policy))?;
        let (origins, tls) = (Origins::new(&settings.server), Tls::new(&settings.server)?);
        let (rejected, compress) = (Names::agents(&settings.server.reject_agents), settings.server.compress);
        Ok(Self { policy, origins, limits: settings.limits.clone(), rejected, compress, tls })
    }
}

/// Serves until `shutdown`, then lets requests in flight finish within `limits.drain_time` and cuts the rest. What was
/// accepted is served: a connection that has no request yet is given [`GRACE`] to bring one.
pub fn serve<S: Service>(
    listeners: Vec<Listener>,
    service: Arc<S>,
    front: Arc<Front>,
    shutdown: impl Future<Output = ()>,
) -> impl Future<Output = Drained> {
    if !front.quiet {
        // Set once, for a front is for one call; and at once, for a reload may come before the first connection.
        let _ = front.addresses.set(listeners.iter().filter_map(Listener::address).collect());
    }
    async move {
        let (phase, watching) = watch::channel(Phase::Serving);
        for listener in listeners {
            let (front, service, phase) = (Arc::clone(&front), Arc::clone(&service), watching.clone());
            tokio::spawn(Door { front, service, phase }.accept(listener));
        }
        drop(watching);
        shutdown.await;
        drain(&front, &phase).await
    }
}

async fn drain(front: &Front, phase: &watch::Sender<Phase>) -> Drained {
    // A receiver is always there while a connection lives, and none needs to be told when none does.
    let _ = phase.send(Phase::Draining);
    let all = front.most_connections;
    let drain_time = *front.rules().limits.drain_time;
    let drained = {
        let mut done = pin!(tokio::time::timeout(drain_time, front.connections.acquire_many(all)));
        tokio::select! {
            drained = &mut done => drained,
            () = tokio::time::sleep(GRACE) => {
                let _ = phase.send(Phase::Closing);
                done.await
            }
        }
    };
    let open = if drained.is_ok() { 0 } else { all as usize - front.connections.available_permits() };
    drop(drained);
    let _ = phase.send(Phase::Over);
    phase.closed().await;
    Drained { cut: open }
}

/// Where connections of one listener come in.
struct Door<S> {
    front: Arc<Front>,
    service: Arc<S>,
    phase: watch::Receiver<Phase>,
}

impl<S: Service> Door<S> {
    async fn accept(mut self, listener: Listener) {
        loop {
            let place = Arc::clone(&self.front.connections).acquire_owned();
            let accepted = async { (place.await, listener.accept().await) };
            let (place, accepted) = tokio::select! {
                accepted = accepted => accepted,
                _ = self.phase.changed() => break,
            };
            // The semaphore is never closed.
            let Ok(place) = place else { return };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer, place),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!("{listener} takes no connection: {error}");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
        // Those who wait at a socket that ends with this process are served, too; systemd keeps its own.
        while !listener.outlives_us()
            && let Ok(place) = Arc::clone(&self.front.connections).try_acquire_owned()
            && let Some(Ok((stream, peer))) = listener.accept().now_or_never()
        {
            self.admit(stream, peer, place);
        }
    }

    fn admit(&self, stream: Stream, peer: Peer, place: OwnedSemaphorePermit) {
        let (front, service) = (Arc::clone(&self.front), Arc::clone(&self.service));
        let phase = self.phase.clone();
        let live = (!front.quiet).then(Live::connection);
        tokio::spawn(async move {
            connection(stream, peer, front, service, phase).await;
            drop((place, live));
        });
    }
}

async fn connection<S: Service>(
    stream: Stream,
    peer: Peer,
    front: Arc<Front>,
    service: Arc<S>,
    mut phase: watch::Receiver<Phase>,
) {
    let Some((stream, peer)) = secured(stream, peer, &front, &mut phase).await else { return };
    let limits = front.rules().limits.clone();
    let from = peer.clone();
    let ending = Arc::new(Ending::default());
    let of_handler = Arc::clone(&ending);
    let handler = service_fn(move |request| {
        let (front, service, peer) = (Arc::clone(&front), Arc::clone(&service), from.clone());
        let ending = Arc::clone(&of_handler);
        async move {
            let (in_flight, http1) = (ending.begin(), request.version() < Version::HTTP_2);
            let mut answer = exchange::answer(&front, &*service, peer, request).await;
            answer.body_mut().hold(in_flight);
            if http1 && ending.is_announced() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let builder = builder(&limits);
    let socket = Socket::new(stream, *limits.header_time, *limits.body_time, Arc::clone(&ending));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), handler));
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!("connection of {peer} ended: {error}");
                }
                return;
            }
            changed = phase.changed() => {
                let now = *phase.borrow_and_update();
                match (changed, now) {
                    (Ok(()), Phase::Serving) => {}
                    (Ok(()), Phase::Draining | Phase::Closing) => {
                        ending.announce();
                        if now == Phase::Closing {
                            ending.let_go();
                        }
                        if ending.is_http2() {
                            connection.as_mut().graceful_shutdown();
                        }
                    }
                    (Ok(()), Phase::Over) | (Err(_), _) => return,
                }
            }
        }
    }
}

/// The handshake, where TLS is spoken at addresses: in the time of headers, and given up when the server stops.
async fn secured(
    stream: Stream,
    peer: Peer,
    front: &Front,
    phase: &mut watch::Receiver<Phase>,
) -> Option<(Stream, Peer)> {
    let rules = front.rules();
    let (tcp, address, tls) = match (stream, peer, &rules.tls) {
        (Stream::Tcp(tcp), Peer::Tcp(address), Some(tls)) => (tcp, address, tls),
        (stream, peer, _) => return Some((stream, peer)),
    };
    let secured = tokio::select! {
        secured = tokio::time::timeout(*rules.limits.header_time, tls.accept(tcp)) => secured,
        // What was accepted before the end is served; whoever has not even greeted by now is not.
        _ = phase.wait_for(|phase| matches!(phase, Phase::Closing | Phase::Over)) => return None,
    };
    // The wait has seen what the connection must hear of.
    phase.mark_changed();
    let why = match secured {
        Ok(Ok((stream, shown))) => return Some((Stream::Tls(Box::new(stream)), Peer::Tls(address, shown))),
        Ok(Err(why)) => why,
        Err(_) => "it took longer than limits.header_time".into(),
    };
    metrics::denied("handshake");
    tracing::warn!(peer = %address, "no TLS handshake: {why}");
    None
}

/// HTTP/1.1, or HTTP/2 by its preface. Without a timer hyper has no time limits. `pipeline_flush` stays off, for it
/// swallows hyper's own 400 and 431.
fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let header_bytes = (*limits.header_bytes).max(LEAST_BUFFER);
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(*limits.header_time).max_buf_size(header_bytes);
    if limits.headers as usize != USUAL_HEADERS {
        http1.max_headers(limits.headers as usize);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(header_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    builder
}

/// Errors of one connection that went away before it was taken; all others are of the listener or the system.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
