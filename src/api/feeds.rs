//! What is answered to who has a secret link to a calendar and nothing else: the calendar, as far as the link shows it. It is
//! read in its owner's name, by an identity that reads this one calendar (docs/decisions/0035).

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::{sync::Semaphore, time::timeout};
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    config::{Settings, Unpublic},
    front::{
        Answered, Conditions, Feeder, Gone, HeaderName, HeaderValue, Method, Payload, Response, Status,
        Verdict, header,
    },
    ical::feed::{self as cut, Cutter, Shows},
    model::Scope,
    xml::Name,
};

use super::{
    caldav::{As, Resource, decoded, segment},
    error::{Error, Refusal, Result},
    export::attachment,
    service::{Call, Shared},
    store::feed::{self, Feed},
    throttle::{Rate, place},
    users,
};

/// The path that links stand under.
pub const PATH: &str = "/ical/";

const ICALENDAR: &str = "text/calendar; charset=utf-8";
/// The whole calendar, with what its objects say of who may see them.
const EXPORT: &str = "?export&access=1";
const KIND: Name = Name::dav("resourcetype");
const TAG: Name = Name::dav("getetag");
/// Requests by one link from one place in a minute: programs ask every few minutes, and several may have it.
const BY_LINK: u32 = 60;
/// Pieces that wait for a slow client.
const WAITING: usize = 8;
/// How long a stranger may take nothing before they count as slow: sooner than CalDAV counts this service so.
const PATIENCE: Duration = Duration::from_secs(1);
/// Slow strangers who may each hold a long answer of CalDAV: fewer than that has places for, so that people find one.
static SLOW: Semaphore = Semaphore::const_new(1);
/// How often it is written down which links were used, and how many are remembered until then.
const NOTED: Duration = Duration::from_secs(10);
const MOST: usize = 20_000;

/// Links that were used, and when.
#[derive(Debug, Default)]
pub struct Uses(Mutex<HashMap<Uuid, SystemTime>>);

impl Uses {
    fn add(&self, id: Uuid) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MOST || all.contains_key(&id) {
            all.insert(id, SystemTime::now());
        }
    }

    fn take(&self) -> Vec<(Uuid, SystemTime)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}

/// Writes down from time to time which links were used, as long as somebody holds what all requests share.
pub async fn note(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(NOTED).await;
        let Some(shared) = shared.upgrade() else { return };
        let used = shared.uses.take();
        if used.is_empty() || shared.settings.server.read_only {
            continue;
        }
        if let Err(error) = feed::used(&shared.pool, &used).await {
            tracing::warn!(%error, "it could not be written down which links were used");
        }
    }
}

/// What logs are told of a path: never the secret, and be the path spelt so that it leads nowhere.
#[must_use]
pub fn told(path: &str) -> &str {
    let plain = decoded(path).to_ascii_lowercase();
    if plain.trim_start_matches('/').starts_with("ical") { PATH } else { path }
}

/// The link of a secret.
#[must_use]
pub fn url(settings: &Settings, token: &str) -> String {
    let origin = settings.server.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{}{PATH}{token}.ics", origin.trim_end_matches('/'))
}

/// `GET /ical/{token}.ics`: whatever is wrong with it, it is not there.
pub async fn get(call: &Call) -> Result<Response> {
    let shared = &call.shared;
    let every = |most| [Rate { most, window: Duration::from_mins(1) }];
    let from = call.client.map(|client| place(client).to_string()).unwrap_or_default();
    if let (false, most @ 1..) = (from.is_empty(), shared.settings.feeds.requests_per_minute) {
        shared.throttle.count("feeds", &from, &every(most)).map_err(Error::Throttled)?;
    }
    let token = &call.parts[0];
    if token.len() > 64 || !token.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
        return Err(Error::not_found());
    }
    let mut feed = feed::by_token(&shared.pool, token).await?.ok_or_else(Error::not_found)?;
    // Whoever has it, too, uses it up for nobody else.
    shared
        .throttle
        .count("feed", &format!("{} {from}", feed.id), &every(BY_LINK))
        .map_err(Error::Throttled)?;
    let shows = shows(&shared.settings, feed.busy_only);
    // A list that cannot be read protects nothing here.
    let conditions = Conditions::parse(&call.headers).unwrap_or_default();
    if call.head || !conditions.is_empty() {
        let state = state(call, &mut feed).await?;
        let tag = tag(&feed, &state, shows);
        shared.uses.add(feed.id);
        match conditions.check(Some(&tag), None, true) {
            Verdict::NotModified => return Ok(head(Status::NOT_MODIFIED, &tag)),
            Verdict::Failed => {
                let detail = "The calendar has changed.";
                return Err(Refusal::new(Status::PRECONDITION_FAILED, "precondition_failed", detail).into());
            }
            Verdict::Proceed if call.head => {
                let (feeder, stream) = Payload::stream(1);
                feeder.finish();
                return Ok(whole(&feed, &tag).stream(ICALENDAR, stream));
            }
            Verdict::Proceed => {}
        }
    }
    let answered = open(call, &mut feed).await?;
    shared.uses.add(feed.id);
    let tag = tag(&feed, &state_of(&answered).unwrap_or_default(), shows);
    let (feeder, stream) = Payload::stream(WAITING);
    let cutter = Cutter::new(shows, feed.id.as_bytes());
    tokio::spawn(relay(answered, cutter, feeder).in_current_span());
    Ok(whole(&feed, &tag).stream(ICALENDAR, stream))
}

fn head(status: Status, tag: &str) -> Response {
    Response::new(status)
        .with(header::ETAG, format!("W/\"{tag}\""))
        .with(header::CACHE_CONTROL, "no-store, private")
        .with(header::REFERRER_POLICY, "no-referrer")
        .with(HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive")
}

fn whole(feed: &Feed, tag: &str) -> Response {
    head(Status::OK, tag).with(header::CONTENT_DISPOSITION, attachment(&feed.calendar_name, "ics"))
}

/// Whether the calendar of a new link can be read as it will be; told to its owner before there is a link that leads nowhere.
pub async fn rehearse(call: &Call, feed: &Feed) -> Result<()> {
    match state(call, &mut feed.clone()).await {
        Ok(_) => Ok(()),
        Err(Error::Refused(_)) => {
            tracing::error!(
                "no calendar can be read in its owner's absence: links need identity.auth_type_header and \
                 identity.credential_types, as app passwords do"
            );
            let detail = "Links to calendars are not set up here.";
            Err(Refusal::new(Status::FORBIDDEN, "not_available", detail).into())
        }
        Err(other) => Err(other),
    }
}

/// The state of the calendar of a link, in a word that never comes back.
async fn state(call: &Call, feed: &mut Feed) -> Result<String> {
    if let Some(state) = state_at(call, feed, &feed.place).await? {
        return Ok(state);
    }
    let place = elsewhere(call, feed).await?;
    let state = state_at(call, feed, &place).await?.ok_or_else(Error::not_found)?;
    moved(call, feed, place).await?;
    Ok(state)
}

/// The whole of it, to be cut.
async fn open(call: &Call, feed: &mut Feed) -> Result<Answered> {
    if let Some(answered) = open_at(call, feed, &feed.place).await? {
        return Ok(answered);
    }
    let place = elsewhere(call, feed).await?;
    let answered = open_at(call, feed, &place).await?.ok_or_else(Error::not_found)?;
    moved(call, feed, place).await?;
    Ok(answered)
}

/// The state of what is called so in the owner's home, if it is the calendar of the link.
async fn state_at(call: &Call, feed: &Feed, place: &str) -> Result<Option<String>> {
    let (caldav, path) = at(call, feed, place)?;
    let found = caldav.glance(&path, 0, &[KIND, users::RESOURCE_ID, TAG]).await?;
    let calendar = found.iter().find(|one| is_own(one) && users::id(one) == Some(feed.calendar));
    Ok(calendar.and_then(|calendar| calendar.text(TAG)).map(bare))
}

/// All of it, in the same way.
async fn open_at(call: &Call, feed: &Feed, place: &str) -> Result<Option<Answered>> {
    let (caldav, path) = at(call, feed, place)?;
    let more = vec![(header::ACCEPT, HeaderValue::from_static("text/calendar"))];
    let answered = caldav.open(Method::GET, path + EXPORT, more).await?;
    refused(answered.status)?;
    // The state of a calendar begins with its id: so nothing else is taken for it that has come to have its name.
    let id = feed.calendar.simple().to_string();
    let is_it = state_of(&answered).is_some_and(|state| state.split('-').next() == Some(id.as_str()));
    Ok(Some(answered).filter(|answered| answered.status.is_success() && is_it))
}

/// CalDAV as who reads what is called so, and its path.
fn at<'a>(call: &'a Call, feed: &Feed, place: &str) -> Result<(As<'a>, String)> {
    let shared = &call.shared;
    let scope = scope(feed, Some(place));
    let caldav = shared.caldav.reading(&feed.name, &scope, &call.id)?;
    Ok((caldav, format!("{}{}/", shared.caldav.home(&feed.name), segment(place))))
}

/// What the calendar of a link is called now that it is not called what it was.
async fn elsewhere(call: &Call, feed: &Feed) -> Result<String> {
    let shared = &call.shared;
    let caldav = shared.caldav.reading(&feed.name, &scope(feed, None), &call.id)?;
    let home = shared.caldav.home(&feed.name);
    let found = caldav.glance(&home, 1, &[KIND, users::RESOURCE_ID]).await?;
    let calendar = found.iter().find(|one| users::id(one) == Some(feed.calendar) && is_own(one));
    calendar.map(Resource::name).filter(|place| *place != feed.place).ok_or_else(Error::not_found)
}

/// Keeps what it is called.
async fn moved(call: &Call, feed: &mut Feed, place: String) -> Result<()> {
    if !call.shared.settings.server.read_only {
        feed::moved(&call.shared.pool, feed.id, &place).await?;
    }
    feed.place = place;
    Ok(())
}

/// An identity that reads: this one calendar, or to find it all of them.
fn scope(feed: &Feed, place: Option<&str>) -> Scope {
    let calendars = place.map(|place| vec![place.to_owned()]);
    Scope { person: feed.person, credential: feed.id.to_string(), read_only: true, calendars }
}

/// Whether it is a calendar that is kept in the home in which it is seen.
fn is_own(resource: &Resource) -> bool {
    resource.prop(KIND).is_some_and(|kinds| {
        kinds.child(Name::cal("calendar")).is_some() && kinds.child(Name::cs("shared")).is_none()
    })
}

/// What CalDAV says instead of the calendar: as a rule that there is none for whoever asks.
fn refused(status: Status) -> Result<()> {
    match status {
        Status::UNAUTHORIZED => Err(Error::Upstream("it does not believe this service".into())),
        Status::TOO_MANY_REQUESTS | Status::SERVICE_UNAVAILABLE => Err(Error::Busy("CalDAV is".into())),
        status if status.is_server_error() => Err(Error::Upstream(format!("it answered {status}"))),
        _ => Ok(()),
    }
}

/// The state that an answer is of; what it was made of besides follows the plus.
fn state_of(answered: &Answered) -> Option<String> {
    let tag = bare(answered.headers.get(header::ETAG)?.to_str().ok()?);
    Some(tag.split('+').next().unwrap_or_default().to_owned())
}

/// A tag without its quotes.
fn bare(tag: &str) -> String {
    tag.trim_start_matches("W/").trim_matches('"').to_owned()
}

/// What strangers know a state by: it tells nothing but that it is another, neither of the calendar nor of how much goes on in
/// it, and what is cut otherwise has another.
fn tag(feed: &Feed, state: &str, shows: Shows) -> String {
    let hash = Sha256::digest(format!("{} {state} {shows:?}", feed.id));
    hash[..16].iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

fn shows(settings: &Settings, busy_only: bool) -> Shows {
    let unpublic = match settings.feeds.private {
        Unpublic::Busy => cut::Unpublic::Busy,
        Unpublic::Hidden => cut::Unpublic::Hidden,
        Unpublic::Full => cut::Unpublic::Full,
    };
    Shows { busy_only, unpublic }
}

/// Hands the calendar on as it comes. A feeder that is dropped before it is finished cuts the answer off.
async fn relay(mut answered: Answered, mut cutter: Cutter, feeder: Feeder) {
    loop {
        let piece = match answered.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(error) => {
                return tracing::error!(%error, "a calendar was cut off on its way to who has a link");
            }
        };
        let Ok(left) = cutter.feed(&piece) else {
            return tracing::error!("an object has no end");
        };
        if !left.is_empty() && send(&feeder, left).await.is_err() {
            return;
        }
    }
    if feeder.send(cutter.finish()).await.is_ok() {
        feeder.finish();
    }
}

async fn send(feeder: &Feeder, piece: Bytes) -> std::result::Result<(), Gone> {
    if let Ok(sent) = timeout(PATIENCE, feeder.send(piece.clone())).await {
        return sent;
    }
    let Ok(_place) = SLOW.try_acquire() else {
        tracing::warn!("a calendar was cut off: who has the link takes nothing, and others do so already");
        return Err(Gone);
    };
    feeder.send(piece).await
}

/// Begins to write down what is used.
pub fn start(shared: &Arc<Shared>) {
    tokio::spawn(note(Arc::downgrade(shared)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_log_has_a_secret() {
        for path in
            ["/ical/x.ics", "//ical/x.ics", "/ical//x.ics/", "/%69cal/x.ics", "/ICAL/x.ics", "/ical%2Fx.ics"]
        {
            assert_eq!(told(path), PATH, "{path}");
        }
        for path in ["/", "/api/v1.0/calendars/ical/", "/x"] {
            assert_eq!(told(path), path);
        }
    }
}
