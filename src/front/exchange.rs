//! One request and its answer: names it, judges its form and its sender, and lets the service answer within its
//! time, whatever becomes of the service.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::FutureExt;
use http::header::{self, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, RETRY_AFTER, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use hyper::body::Incoming;
use tracing::Instrument;

use crate::front::body::Body;
use crate::front::coding::Accepted;
use crate::front::fastcgi::Question;
use crate::front::identity::{Denial, Identity, Judgement};
use crate::front::message::{Request, Response, Room, Said, Service};
use crate::front::origin::is_safe;
use crate::front::outgoing::{Outgoing, Place, Record};
use crate::front::range::Wanted;
use crate::front::serve::{Front, Rules};
use crate::front::trust::Peer;
use crate::front::{forwarded, hygiene};
use crate::observe::{metrics, trace};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What every answer says unless it says something else under that name: what people wrote is never run, framed or guessed
/// at by a browser that shows it, tells nobody where it was seen, and is kept by no cache.
const SAFE: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Seconds after which a client that found no room may come again.
const COME_AGAIN: &str = "1";

/// What a web page of another site is told, and the operator who sees it there.
const FORGED: &str =
    "A web page of another site cannot change anything here; server.cors_origins names those that may.\n";

/// What a person is told who uses a program that the operator has shut out.
const REJECTED: &str =
    "This program is not let in here, because it harms the service. Please update it, or ask the operator.\n";

/// Answers one request.
pub(super) async fn answer<S: Service>(
    front: &Front,
    service: &S,
    peer: Peer,
    request: http::Request<Incoming>,
) -> http::Response<Outgoing> {
    let started = Instant::now();
    let rules = front.rules();
    let fault = hygiene::fault(&request);
    let (mut head, incoming) = request.into_parts();
    let (id, client) = (forwarded::id(&head.headers), forwarded::client(&head.headers));
    let grant = rules.origins.grant(&head.headers);
    let told = front.relays.then(|| (rules.policy.said(&head.headers), basic(&head.headers)));
    let judgement = rules.policy.judge(&peer, &mut head.headers).await;
    let id = id.filter(|_| judgement.trusted).unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let client = client.filter(|_| judgement.trusted).map_or(peer, Peer::Tcp);
    let user = judgement.identity.as_ref().map_or("", |identity| identity.user.as_str());
    let called = judgement.identity.as_ref().map(Identity::called).unwrap_or_default();
    let path = head.uri.path();
    let usual = Room { octets: *rules.limits.body_bytes, time: *rules.limits.request_time };
    let room = if judgement.identity.is_ok() { service.room(&head.method, path, usual) } else { usual };
    let (method, path, asks) = (head.method.as_str(), service.told(path), service.asks(path));
    let span =
        tracing::error_span!(target: "kalends", "request", id, peer = %client, user = &*called, method, path);
    let label = label(&head.method);
    let quiet = front.quiet;
    if !quiet && trace::is_on() {
        let (parent, state) =
            if judgement.trusted { forwarded::trace(&head.headers) } else { (None, String::new()) };
        let told = trace::Beginning { method: label, id: &id, user, started, parent, state: &state };
        told.tell(&span);
    }
    let mut record =
        Record { span: span.clone(), started, method: label, status: None, sent: 0, whole: false, quiet };

    let mut place = None;
    let form = Form::of(&head, &rules, grant.is_refused(&head.headers));
    let answer = async {
        // Made at once, so that it is taken in even if nobody reads it.
        let body = Body::wire(incoming, &head.headers, &rules, room);
        // A browser asks this before it signs in.
        let preflight = rules.origins.preflight(&head, || service.methods());
        if let Some(answer) = preflight.filter(|_| fault.is_none()) {
            return answer;
        }
        if !quiet {
            tell_of_denial(&judgement, asks);
        }
        if let Some((status, why)) = refusal(&head, &rules, room, fault) {
            return service.wrong(status, why);
        }
        let places = if asks { &front.questions } else { &front.requests };
        let Ok(permit) = Arc::clone(places).try_acquire_owned() else {
            metrics::overloaded();
            return service
                .wrong(StatusCode::SERVICE_UNAVAILABLE, "too many requests at once")
                .with(RETRY_AFTER, COME_AGAIN);
        };
        place = Some((permit, metrics::Live::request()));
        let request = shape(&id, head, judgement, Told { relayed: told, client }, body);
        form.apply(run(service, room, request).await)
    };
    let answer = answer.instrument(span).await;
    record.status = Some(answer.status.as_u16());
    let mut dressed = dress(answer, &id, record, place);
    grant.dress(dressed.headers_mut());
    dressed
}

/// Why a request is not even looked at.
fn refusal(
    head: &Parts,
    rules: &Rules,
    room: Room,
    fault: Option<&'static str>,
) -> Option<(StatusCode, &'static str)> {
    if let Some(fault) = fault {
        return Some((StatusCode::BAD_REQUEST, fault));
    }
    if !hygiene::is_met(head.version, &head.headers) {
        return Some((StatusCode::EXPECTATION_FAILED, "nothing can be expected but 100-continue"));
    }
    let agent = head.headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    if let Some(agent) = agent.filter(|_| !rules.rejected.is_empty())
        && rules.rejected.hold(&agent.to_ascii_lowercase())
    {
        metrics::denied("agent");
        tracing::info!(%agent, "a client of server.reject_agents was refused");
        return Some((StatusCode::FORBIDDEN, REJECTED));
    }
    if rules.origins.is_forged(head) {
        metrics::denied("cross-site");
        tracing::warn!(origin = ?head.headers.get(ORIGIN), "a page of another site was refused");
        return Some((StatusCode::FORBIDDEN, FORGED));
    }
    let large = declared(head) > room.octets as u64;
    large.then_some((StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))
}

/// In which form a client would like the answer: which parts of it, in which coding.
struct Form {
    reading: bool,
    parts: Option<Wanted>,
    accepted: Accepted,
}

impl Form {
    fn of(head: &Parts, rules: &Rules, foreign: bool) -> Self {
        let accepted = if rules.compress { Accepted::of(&head.headers) } else { Accepted::PLAIN };
        let reading = is_safe(head.method.as_str());
        Self { reading, parts: Wanted::of(head), accepted: accepted.guarded(foreign) }
    }

    fn apply(&self, answer: Response) -> Response {
        let answer = match &self.parts {
            Some(parts) => parts.apply(answer),
            None => answer,
        };
        self.accepted.apply(answer, self.reading)
    }
}

/// Lets the service answer in its time; a panic in it ends the request and nothing else.
async fn run<S: Service>(service: &S, room: Room, request: Request) -> Response {
    let answer = AssertUnwindSafe(tokio::time::timeout(room.time, service.call(request)));
    match answer.catch_unwind().await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            tracing::error!("no answer within {} s", room.time.as_secs());
            service.wrong(StatusCode::SERVICE_UNAVAILABLE, "no answer in time").with(RETRY_AFTER, COME_AGAIN)
        }
        // Told by the hook that observe has set.
        Err(_) => {
            metrics::panicked();
            service.wrong(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        }
    }
}

/// A name and a password.
type Basic = (Vec<u8>, Vec<u8>);

/// The name and the password of a request that has them (RFC 7617 §2).
fn basic(headers: &HeaderMap) -> Option<Basic> {
    let (scheme, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let both = STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = both.iter().position(|octet| *octet == b':')?;
    Some((both[..colon].to_vec(), both[colon + 1..].to_vec()))
}

/// What is passed on to a service that relays.
struct Told {
    relayed: Option<(Said, Option<Basic>)>,
    client: Peer,
}

fn shape(id: &str, head: Parts, judgement: Judgement, told: Told, body: Body) -> Request {
    let (said, basic) = told.relayed.unzip();
    let client = told.client.address();
    let basic = basic.flatten().filter(|_| judgement.trusted);
    let question = basic.map(|(user, password)| Question { user, password, address: client });
    let path = head.uri.path().to_owned();
    let query = head.uri.query().map(str::to_owned);
    let (method, mut headers, identity) = (head.method, head.headers, judgement.identity);
    // HTTP/2 says it in another place (RFC 9113 §8.3.1).
    if let Some(host) = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        headers.entry(HOST).or_insert(host);
    }
    let said = said.filter(|_| identity.is_ok());
    Request { id: id.to_owned(), method, path, query, headers, identity, said, question, client, body }
}

fn dress(answer: Response, id: &str, record: Record, place: Option<Place>) -> http::Response<Outgoing> {
    let Response { status, headers, payload } = answer;
    let mut dressed = http::Response::new(Outgoing::new(payload, record, place));
    *dressed.status_mut() = status;
    *dressed.headers_mut() = headers;
    for (name, value) in SAFE {
        dressed.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        dressed.headers_mut().insert(REQUEST_ID, id);
    }
    dressed
}

/// To name nobody is no news where the proxy asks who somebody is.
fn tell_of_denial(judgement: &Judgement, asks: bool) {
    let Err(denial) = &judgement.identity else { return };
    if asks && *denial == Denial::Absent {
        return;
    }
    let reason = judgement.doubt.unwrap_or_default();
    metrics::denied(match denial {
        Denial::Absent => "absent",
        Denial::Untrusted => "untrusted",
        Denial::Malformed(_) => "malformed",
        Denial::Undecided(_) => "undecided",
    });
    match denial {
        // What the proxy lets through unsigned (discovery) is no news.
        Denial::Absent => tracing::info!("no identity: {reason}"),
        Denial::Untrusted | Denial::Malformed(_) => tracing::warn!("identity refused: {reason}"),
        Denial::Undecided(_) => tracing::warn!("identity undecided: {reason}"),
    }
}

fn declared(head: &Parts) -> u64 {
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// The methods that the metrics tell apart; what clients make up is "other", or memory would be theirs.
const LABELS: &[&str] = &[
    "OPTIONS",
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "REPORT",
    "MKCALENDAR",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "ACL",
    "SEARCH",
    "PATCH",
    "TRACE",
];

fn label(method: &Method) -> &'static str {
    LABELS.iter().find(|label| **label == method.as_str()).copied().unwrap_or("other")
}
