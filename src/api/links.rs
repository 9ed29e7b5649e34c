//! Secret links to calendars, as their owners manage them: made, listed, called something, ended.

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Value, json as object};
use uuid::Uuid;

use crate::front::{Response, Status, spell};

use super::{
    caldav::{decoded, segment},
    calendars::{Calendar, Home},
    check::fresh,
    error::{Error, Refusal, Result},
    feeds,
    input::{Change, Faults},
    service::{Call, json},
    store::feed::{self, Changes, Feed},
    users::User,
};

/// Characters of a path, of the name of a file, and of a label.
const LONGEST_PATH: usize = 512;
const LONGEST_NAME: usize = 255;
const LONGEST_LABEL: usize = 100;

const FULL: &str = "full";
const BUSY: &str = "busy";

/// The parameters of `subscription-tokens/by-path/`.
pub const BY_PATH: &[(&str, &str)] = &[
    ("caldav_path", "The path of the calendar, with or without the base path of CalDAV."),
    ("mode", "`full` or `busy`; without it the link that shows everything goes first, and DELETE ends both."),
];

/// Whoever asks, and their home: what they may make links to.
struct Owner {
    user: User,
    home: Home,
    feeds: Vec<Feed>,
}

impl Owner {
    async fn asking(call: &Call) -> Result<Self> {
        // A password of a program makes no links, which would live on when it is revoked.
        if call.identity()?.scope.is_some() {
            return Err(Refusal::forbidden().into());
        }
        let (user, pool) = (User::asking(call).await?, &call.shared.pool);
        let mut feeds = feed::of(pool, user.id).await?;
        // Looked at afterwards: a calendar that is not there then does not come back, whoever makes links meanwhile.
        let home = Home::of(call).await?;
        let own = |feed: &Feed| home.calendars().iter().any(|one| one.id == feed.calendar && one.is_own());
        let gone: Vec<Uuid> = feeds.iter().filter(|feed| !own(feed)).map(|feed| feed.id).collect();
        feeds.retain(own);
        let read_only = call.shared.settings.server.read_only;
        if !gone.is_empty() && !read_only {
            feed::remove(pool, user.id, &gone).await?;
        }
        if feeds.iter().any(|feed| feed.name != user.name) && !read_only {
            feed::called(pool, user.id, &user.name).await?;
        }
        Ok(Self { user, home, feeds })
    }

    /// The calendar of a path that a client wrote, which must be in the own home, and the own one.
    fn calendar(&self, call: &Call, path: &str) -> Result<&Calendar> {
        let invalid = || Error::field("caldav_path", "invalid", "Write it as /calendars/user/calendar/.");
        let (user, name) = named(call, path).ok_or_else(invalid)?;
        let user = spell(&call.shared.caldav.identity(), &user).unwrap_or(user);
        if user != self.user.name {
            return Err(Refusal::forbidden().into());
        }
        let found = self.home.calendars().iter().find(|calendar| calendar.name() == name);
        let calendar = found.ok_or_else(Error::not_found)?;
        if calendar.is_own() { Ok(calendar) } else { Err(Refusal::forbidden().into()) }
    }

    /// The calendar of a link, as it is now; none when it is gone.
    fn calendar_of(&self, feed: &Feed) -> Option<&Calendar> {
        let own = |calendar: &&Calendar| calendar.id == feed.calendar && calendar.is_own();
        self.home.calendars().iter().find(own)
    }

    fn find(&self, id: &str) -> Result<&Feed> {
        let id: Option<Uuid> = id.parse().ok();
        self.feeds.iter().find(|feed| Some(feed.id) == id).ok_or_else(Error::not_found)
    }

    fn shown(&self, call: &Call, feed: &Feed) -> Value {
        let time = |time: SystemTime| Timestamp::try_from(time).map(|time| time.to_string()).ok();
        let calendar = self.calendar_of(feed);
        let called = || calendar.and_then(|calendar| calendar.shown["name"].as_str()).unwrap_or_default();
        let path = calendar.map_or_else(
            || format!("/calendars/{}/{}/", segment(&self.user.name), segment(&feed.place)),
            |calendar| calendar.shown["caldav_path"].as_str().unwrap_or_default().to_owned(),
        );
        object!({
            "id": feed.id.to_string(),
            "token": feed.token,
            "url": feeds::url(&call.shared.settings, &feed.token),
            "caldav_path": path,
            "calendar_name": if feed.calendar_name.is_empty() { called() } else { &feed.calendar_name },
            "label": feed.label,
            "mode": if feed.busy_only { BUSY } else { FULL },
            "is_active": feed.active && calendar.is_some(),
            "last_accessed_at": feed.used.and_then(time),
            "created_at": time(feed.created),
        })
    }
}

/// The user and the name of the calendar in a path, with or without the site and the base path of CalDAV.
fn named(call: &Call, path: &str) -> Option<(String, String)> {
    let server = &call.shared.settings.server;
    let origin = server.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
    let path = path.strip_prefix(origin.trim_end_matches('/')).unwrap_or(path);
    let based = server.base_paths.iter().find_map(|base| path.strip_prefix(base.as_str()));
    let rest = based.or_else(|| path.strip_prefix('/'))?.strip_prefix("calendars/")?;
    let (user, name) = rest.strip_suffix('/').unwrap_or(rest).split_once('/')?;
    let plain = |name: &str| {
        let bad = |c: char| matches!(c, '/' | '\\' | '?' | '#') || c.is_control();
        (!name.is_empty() && name != "." && name != ".." && !name.contains(bad)).then(|| name.to_owned())
    };
    Some((plain(&decoded(user))?, plain(&decoded(name))?))
}

fn mode(text: &str) -> std::result::Result<bool, (&'static str, String)> {
    match text {
        BUSY => Ok(true),
        FULL => Ok(false),
        _ => Err(("invalid_choice", format!("\"{text}\" is not a valid choice."))),
    }
}

/// What is wanted of a link.
struct Wish {
    busy_only: Option<bool>,
    changes: Changes,
}

impl Wish {
    fn read(call: &Call, faults: &mut Faults) -> Self {
        let said = call.input.parsed("mode", faults, mode);
        let flag = call.input.flag("busy_only", faults);
        let busy_only = match said {
            Change::Set(busy_only) => {
                if flag.is_some_and(|flag| flag != busy_only) {
                    faults.add("busy_only", "invalid", "It says something else than mode.");
                }
                Some(busy_only)
            }
            Change::Kept | Change::Cleared => flag,
        };
        let mut text = |name, longest| match call.input.text(name, longest, faults) {
            Change::Kept => None,
            Change::Cleared => Some(String::new()),
            Change::Set(text) => Some(text),
        };
        let (calendar_name, label) = (text("calendar_name", LONGEST_NAME), text("label", LONGEST_LABEL));
        let active = call.input.flag("is_active", faults);
        Self { busy_only, changes: Changes { calendar_name, label, active } }
    }
}

/// `GET subscription-tokens/`
pub async fn list(call: &Call) -> Result<Response> {
    let owner = Owner::asking(call).await?;
    Ok(json(Status::OK, &owner.feeds.iter().map(|feed| owner.shown(call, feed)).collect()))
}

/// The path of the calendar that a link is wanted to.
fn path_of(call: &Call, faults: &mut Faults) -> String {
    match call.input.text("caldav_path", LONGEST_PATH, faults) {
        Change::Set(path) => path,
        Change::Cleared => {
            faults.add("caldav_path", "blank", "This field may not be blank.");
            String::new()
        }
        Change::Kept => {
            if !call.input.has("caldav_path") {
                faults.add("caldav_path", "required", "This field is required.");
            }
            String::new()
        }
    }
}

/// `POST subscription-tokens/`: the link of that calendar and kind, made where there is none.
pub async fn create(call: &Call) -> Result<Response> {
    let mut faults = Faults::default();
    let path = path_of(call, &mut faults);
    let wish = Wish::read(call, &mut faults);
    faults.none()?;
    let mut owner = Owner::asking(call).await?;
    let calendar = owner.calendar(call, &path)?;
    let busy_only = wish.busy_only.unwrap_or_default();
    let same = |feed: &&Feed| feed.calendar == calendar.id && feed.busy_only == busy_only;
    if let Some(feed) = owner.feeds.iter().find(same) {
        let (pool, changes) = (&call.shared.pool, &wish.changes);
        let now = if *changes == Changes::default() {
            Some(feed.clone())
        } else {
            feed::change(pool, owner.user.id, feed.id, changes).await?
        };
        // What somebody has ended meanwhile is made anew.
        if let Some(now) = now {
            return Ok(json(Status::OK, &owner.shown(call, &now)));
        }
    }
    let Changes { calendar_name, label, active } = wish.changes;
    let new = Feed {
        id: Uuid::new_v4(),
        person: owner.user.id,
        name: owner.user.name.clone(),
        calendar: calendar.id,
        place: calendar.name(),
        busy_only,
        token: fresh().0.replace('-', ""),
        calendar_name: calendar_name.unwrap_or_default(),
        label: label.unwrap_or_default(),
        active: active.unwrap_or(true),
        created: SystemTime::now(),
        used: None,
    };
    feeds::rehearse(call, &new).await?;
    let made = feed::add(&call.shared.pool, &new).await?;
    // Somebody may have made the same at the same time.
    owner.feeds = feed::of(&call.shared.pool, owner.user.id).await?;
    let (id, calendar) = (new.id, new.calendar);
    let there = owner.feeds.iter().find(|feed| feed.calendar == calendar && feed.busy_only == busy_only);
    let Some(feed) = there else {
        let detail = "There are as many links as one person may have: end one first.";
        return Err(Refusal::new(Status::BAD_REQUEST, "limit_reached", detail).into());
    };
    if made {
        tracing::info!(feed = %id, busy_only, "a link to a calendar was made");
    }
    let status = if made { Status::CREATED } else { Status::OK };
    Ok(json(status, &owner.shown(call, feed)))
}

/// `GET subscription-tokens/by-path/`
pub async fn by_path(call: &Call) -> Result<Response> {
    let owner = Owner::asking(call).await?;
    let found = at_path(call, &owner)?;
    let feed = found.iter().min_by_key(|feed| feed.busy_only).ok_or_else(Error::not_found)?;
    Ok(json(Status::OK, &owner.shown(call, feed)))
}

/// `DELETE subscription-tokens/by-path/`
pub async fn remove_by_path(call: &Call) -> Result<Response> {
    let owner = Owner::asking(call).await?;
    let ids: Vec<Uuid> = at_path(call, &owner)?.iter().map(|feed| feed.id).collect();
    removed(call, &owner, &ids).await
}

/// The links of the calendar that the query names, of the kind that it names.
fn at_path<'a>(call: &Call, owner: &'a Owner) -> Result<Vec<&'a Feed>> {
    let path = call.param("caldav_path").filter(|path| !path.trim().is_empty());
    let required = || Error::field("caldav_path", "required", "This field is required.");
    let path = path.ok_or_else(required)?;
    if path.chars().count() > LONGEST_PATH {
        return Err(Error::field("caldav_path", "max_length", "This path is too long."));
    }
    let wanted = call.param("mode").map(|text| mode(&text)).transpose();
    let wanted = wanted.map_err(|(code, detail)| Error::field("mode", code, detail))?;
    let calendar = owner.calendar(call, path.trim())?;
    let fits = |feed: &&Feed| {
        feed.calendar == calendar.id && wanted.is_none_or(|busy_only| feed.busy_only == busy_only)
    };
    Ok(owner.feeds.iter().filter(fits).collect())
}

/// `GET subscription-tokens/{id}/`
pub async fn retrieve(call: &Call) -> Result<Response> {
    let owner = Owner::asking(call).await?;
    Ok(json(Status::OK, &owner.shown(call, owner.find(&call.parts[0])?)))
}

/// `PATCH subscription-tokens/{id}/`: what it is called, what it shows, and whether it leads anywhere; the secret stays.
pub async fn update(call: &Call) -> Result<Response> {
    let mut faults = Faults::default();
    let wish = Wish::read(call, &mut faults);
    faults.none()?;
    let owner = Owner::asking(call).await?;
    let feed = owner.find(&call.parts[0])?;
    let (pool, id) = (&call.shared.pool, feed.id);
    if let Some(busy_only) = wish.busy_only.filter(|wish| *wish != feed.busy_only)
        && !feed::convert(pool, owner.user.id, id, busy_only).await?
    {
        let detail = "Another link to this calendar shows that already.";
        return Err(Error::field("mode", "unique", detail));
    }
    let now = feed::change(pool, owner.user.id, id, &wish.changes).await?.ok_or_else(Error::not_found)?;
    Ok(json(Status::OK, &owner.shown(call, &now)))
}

/// `DELETE subscription-tokens/{id}/`
pub async fn remove(call: &Call) -> Result<Response> {
    let owner = Owner::asking(call).await?;
    let id = owner.find(&call.parts[0])?.id;
    removed(call, &owner, &[id]).await
}

async fn removed(call: &Call, owner: &Owner, ids: &[Uuid]) -> Result<Response> {
    if feed::remove(&call.shared.pool, owner.user.id, ids).await? == 0 {
        return Err(Error::not_found());
    }
    for id in ids {
        tracing::info!(feed = %id, "a link to a calendar was ended");
    }
    Ok(Response::new(Status::NO_CONTENT))
}
