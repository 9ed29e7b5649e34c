//! What is answered to who has a secret link to a calendar and nothing else: the calendar, as far as the link shows it. It is
//! read in its owner's name, by an identity that reads this one calendar (docs/decisions/0035).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use tracing::Instrument;
use uuid::Uuid;

use crate::{
    config::{Settings, Unpublic},
    front::{Answered, Feeder, HeaderName, HeaderValue, Method, Payload, Response, Status, header},
    ical::feed::{self as cut, Cutter, Shows},
    model::Scope,
    xml::{Element, Name},
};

use super::{
    caldav::{As, segment},
    error::{Error, Refusal, Result},
    service::{Call, Shared},
    store::feed::{self, Feed},
    throttle::Rate,
    users,
};

/// The path that links stand under.
pub const PATH: &str = "/ical/";

const ICALENDAR: &str = "text/calendar; charset=utf-8";
/// The whole calendar, with what its objects say of who may see them.
const EXPORT: &str = "?export&access=1";
/// Requests by one link in a minute: programs ask every few minutes, and several may have it.
const BY_LINK: u32 = 60;
/// Pieces that wait for a slow client.
const WAITING: usize = 8;
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
    if let (Some(address), most @ 1..) = (call.client, shared.settings.feeds.requests_per_minute) {
        let counted = shared.throttle.count("feeds", &address.to_string(), &every(most));
        counted.map_err(Error::Throttled)?;
    }
    let token = &call.parts[0];
    if token.len() > 64 || !token.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
        return Err(Error::not_found());
    }
    let feed = feed::by_token(&shared.pool, token).await?.ok_or_else(Error::not_found)?;
    let id = feed.id.to_string();
    shared.throttle.count("feed", &id, &every(BY_LINK)).map_err(Error::Throttled)?;
    let shows = shows(&shared.settings, feed.busy_only);
    let form = form(shows);
    let method = if call.head { Method::HEAD } else { Method::GET };
    let answered = open(call, &feed, method, known(call, &form)).await?;
    shared.uses.add(feed.id);
    let tag = tag_of(&answered).unwrap_or_default();
    let head = |status| {
        Response::new(status)
            .with(header::ETAG, format!("W/\"{tag}.{form}\""))
            .with(header::CACHE_CONTROL, "no-store, private")
            .with(header::REFERRER_POLICY, "no-referrer")
            .with(HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive")
    };
    if answered.status == Status::NOT_MODIFIED {
        // Its connection serves others.
        answered.read(0).await?;
        return Ok(head(Status::NOT_MODIFIED));
    }
    let head = head(Status::OK).with(header::CONTENT_DISPOSITION, disposition(&feed.calendar_name));
    let (feeder, stream) = Payload::stream(WAITING);
    if call.head {
        answered.read(0).await?;
        feeder.finish();
        return Ok(head.stream(ICALENDAR, stream));
    }
    let cutter = Cutter::new(shows, feed.token.as_bytes());
    tokio::spawn(relay(answered, cutter, feeder).in_current_span());
    Ok(head.stream(ICALENDAR, stream))
}

/// Whether the calendar of a new link can be read as it will be; told to its owner before there is a link that leads nowhere.
pub async fn rehearse(call: &Call, feed: &Feed) -> Result<()> {
    match open(call, feed, Method::HEAD, None).await {
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

/// The calendar of a link at CalDAV: under the name that it had, and if it is not that one any more, wherever it is now.
async fn open(call: &Call, feed: &Feed, method: Method, known: Option<HeaderValue>) -> Result<Answered> {
    let shared = &call.shared;
    let ask = async |place: &str| {
        let caldav =
            shared.caldav.reading(&shared.settings, &feed.name, &scope(feed, Some(place)), &call.id)?;
        let path = format!("{}{}/{EXPORT}", shared.caldav.home(&feed.name), segment(place));
        let mut more = vec![(header::ACCEPT, HeaderValue::from_static("text/calendar"))];
        more.extend(known.clone().map(|known| (header::IF_NONE_MATCH, known)));
        caldav.open(method.clone(), path, more).await
    };
    let is_it = |answered: &Answered| {
        let shown = answered.status.is_success() || answered.status == Status::NOT_MODIFIED;
        // The tag of a calendar begins with its id: so nothing else is taken for it that has come to have its name.
        let id = feed.calendar.simple().to_string();
        shown && tag_of(answered).is_some_and(|tag| tag.split('-').next() == Some(id.as_str()))
    };
    let first = ask(&feed.place).await?;
    if is_it(&first) {
        return Ok(first);
    }
    refused(first.status)?;
    let caldav = shared.caldav.reading(&shared.settings, &feed.name, &scope(feed, None), &call.id)?;
    let place = place(&caldav, feed).await?.filter(|place| *place != feed.place);
    let place = place.ok_or_else(Error::not_found)?;
    let second = ask(&place).await?;
    if !is_it(&second) {
        refused(second.status)?;
        return Err(Error::not_found());
    }
    if !shared.settings.server.read_only {
        feed::moved(&shared.pool, feed.id, &place).await?;
    }
    Ok(second)
}

/// An identity that reads: this one calendar, or to find it all of them.
fn scope(feed: &Feed, place: Option<&str>) -> Scope {
    let calendars = place.map(|place| vec![place.to_owned()]);
    Scope { person: feed.person, credential: feed.id.to_string(), read_only: true, calendars }
}

/// What the calendar of a link is called now in its owner's home.
async fn place(caldav: &As<'_>, feed: &Feed) -> Result<Option<String>> {
    const KIND: Name = Name::dav("resourcetype");
    let home = caldav.service().home(&feed.name);
    let found = match caldav.propfind(&home, 1, &[KIND, users::RESOURCE_ID]).await {
        Err(Error::Refused(_)) => return Ok(None),
        other => other?,
    };
    let own = |kinds: &Element| {
        kinds.child(Name::cal("calendar")).is_some() && kinds.child(Name::cs("shared")).is_none()
    };
    let calendar =
        found.iter().find(|one| users::id(one) == Some(feed.calendar) && one.prop(KIND).is_some_and(own));
    Ok(calendar.map(super::caldav::Resource::name))
}

/// What CalDAV says instead of the calendar: as a rule that there is none for whoever asks.
fn refused(status: Status) -> Result<()> {
    match status {
        Status::UNAUTHORIZED => Err(Error::Upstream("it does not believe this service".into())),
        Status::TOO_MANY_REQUESTS | Status::SERVICE_UNAVAILABLE => Err(Error::Busy("CalDAV is".into())),
        status if status.is_server_error() => Err(Error::Upstream(format!("it answered {status}"))),
        Status::FORBIDDEN => Err(Error::not_found()),
        _ => Ok(()),
    }
}

/// The tag of an answer, without quotes.
fn tag_of(answered: &Answered) -> Option<String> {
    let tag = answered.headers.get(header::ETAG)?.to_str().ok()?;
    Some(tag.trim_start_matches("W/").trim_matches('"').to_owned())
}

fn shows(settings: &Settings, busy_only: bool) -> Shows {
    let unpublic = match settings.feeds.private {
        Unpublic::Busy => cut::Unpublic::Busy,
        Unpublic::Hidden => cut::Unpublic::Hidden,
        Unpublic::Full => cut::Unpublic::Full,
    };
    Shows { busy_only, unpublic }
}

/// What a tag has besides CalDAV's: what was cut.
fn form(shows: Shows) -> String {
    let kind = if shows.busy_only { "busy" } else { "full" };
    format!("{kind}-{}", shows.unpublic as u8)
}

/// What CalDAV is told that the client has: tags of this form, as CalDAV gave them.
fn known(call: &Call, form: &str) -> Option<HeaderValue> {
    let sent = call.headers.get(header::IF_NONE_MATCH)?.to_str().ok()?;
    let suffix = format!(".{form}");
    let ours = sent.split(',').filter(|tag| tag.contains(&suffix)).map(|tag| tag.replace(&suffix, ""));
    let tags = ours.collect::<Vec<_>>().join(",");
    HeaderValue::from_str(tags.trim()).ok().filter(|tags| !tags.is_empty())
}

/// The name of the file, in letters that every program takes, and in its own (RFC 6266 §4.3).
fn disposition(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control() && !r#"/\:*?"<>|"#.contains(*c)).collect();
    let name = Some(name.trim().trim_matches('.')).filter(|name| !name.is_empty()).unwrap_or("calendar");
    let plain: String = name.chars().map(|c| if c.is_ascii() && c != '%' { c } else { '_' }).collect();
    let whole =
        if plain == name { String::new() } else { format!("; filename*=UTF-8''{}.ics", segment(name)) };
    format!("attachment; filename=\"{plain}.ics\"{whole}")
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
        if !left.is_empty() && feeder.send(left).await.is_err() {
            return;
        }
    }
    if feeder.send(cutter.finish()).await.is_ok() {
        feeder.finish();
    }
}

/// Begins to write down what is used.
pub fn start(shared: &Arc<Shared>) {
    tokio::spawn(note(Arc::downgrade(shared)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_that_every_program_takes() {
        for (name, header) in [
            ("", "attachment; filename=\"calendar.ics\""),
            ("Work", "attachment; filename=\"Work.ics\""),
            ("../a\"b\r\nX: y", "attachment; filename=\"abX y.ics\""),
            ("B\u{fc}ro", "attachment; filename=\"B_ro.ics\"; filename*=UTF-8''B%C3%BCro.ics"),
            ("50%", "attachment; filename=\"50_.ics\"; filename*=UTF-8''50%25.ics"),
        ] {
            assert_eq!(disposition(name), header, "{name}");
        }
    }
}
