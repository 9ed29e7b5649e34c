//! Who is told of what others did in a calendar: found out while it is written, told when it is (caldav-notifications §5.3,
//! docs/decisions/0030).

use std::sync::Arc;

use jiff::Timestamp;

use bytes::Bytes;

use crate::{
    config::Audience,
    dav::{Cx, Given, Result, Target, delete, target, trash},
    db::Tx,
    front::{Response, Status},
    ical::{self, Access, personal},
    share::notification::{self, Change, Person, What},
    store::{self, Calendar, watch::Watcher},
};

use super::reports::freebusy::now;

/// What became of an object.
#[derive(Clone, Debug)]
pub struct Told {
    name: String,
    what: What,
    /// Whether everybody who may read the calendar may hear of it.
    public: bool,
}

impl Told {
    /// An object was stored in place of what was there; nothing where only what is its owner's own is another.
    pub fn stored(name: &str, before: Option<&Bytes>, after: &Bytes) -> Option<Self> {
        let read = |octets: &Bytes| ical::Calendar::parse(octets.clone()).ok();
        let (was, is) = (before.and_then(read), read(after));
        let public = (before.is_none() || is_public(was.as_ref())) && is_public(is.as_ref());
        let what = match (before, was, is) {
            (None, ..) => What::Created,
            (_, Some(was), Some(is)) if personal::apart(Some(&was), &is).shared.is_none() => return None,
            (_, Some(was), Some(is)) => {
                let seen = |calendar| read(&personal::seen(calendar, None));
                let both = seen(&was).zip(seen(&is));
                What::Updated(both.map_or_else(Vec::new, |(was, is)| ical::changes::changes(&was, &is)))
            }
            // What cannot be read any more differs in everything.
            _ => What::Updated(Vec::new()),
        };
        Some(Self { name: name.to_owned(), what, public })
    }

    /// An object went.
    pub fn gone(name: &str, octets: &Bytes) -> Self {
        let read = ical::Calendar::parse(octets.clone()).ok();
        let public = is_public(read.as_ref());
        let farewell = read.map(|calendar| ical::changes::farewell(&calendar, now())).unwrap_or_default();
        Self { name: name.to_owned(), what: What::Deleted(farewell), public }
    }
}

/// Whether everybody who may read a calendar sees all of an object in it; what cannot be read may hold anything.
fn is_public(calendar: Option<&ical::Calendar>) -> bool {
    calendar.is_some_and(|calendar| Access::of(calendar) == Access::Public)
}

/// DELETE, of which others are told.
pub async fn delete(cx: Arc<Cx>, _: Given) -> Result<Response> {
    if cx.located.target.kind().is_deleted() {
        trash::purge(&cx).await?;
    } else if let Some((calendar, object)) = delete::run(&cx).await? {
        let gone = Told::gone(&object.name, &object.body.unwrap_or_default());
        tell(&cx, &calendar, &[gone]).await;
    }
    Ok(Response::new(Status::NO_CONTENT))
}

/// Tells those who want to know. What was done is done: that somebody cannot be told is logged and no more; and whoever did it
/// and hangs up does not keep others from being told.
pub async fn tell(cx: &Cx, calendar: &Calendar, all: &[Told]) {
    if all.is_empty() {
        return;
    }
    let (cx, calendar, all) = (cx.clone(), calendar.clone(), all.to_vec());
    let telling = tokio::spawn(async move {
        if let Err(error) = tell_all(&cx, &calendar, &all).await {
            tracing::warn!(?error, "not everybody was told of a change");
        }
    });
    // It has no other end than its own.
    drop(telling.await);
}

async fn tell_all(cx: &Cx, calendar: &Calendar, all: &[Told]) -> Result<()> {
    let watchers = store::watch::of(&cx.pool, calendar, cx.viewer.principal.id).await?;
    let owner = match &watchers[..] {
        [] => return Ok(()),
        _ => store::principal::by_ids(&cx.pool, &[calendar.home_id]).await?.pop(),
    };
    let Some(owner) = owner else { return Ok(()) };
    let whole = Watcher { id: owner.id, name: owner.name, groups: owner.groups, owns: true };
    for watcher in &watchers {
        // Each home by itself: whoever writes to a calendar waits for none of them.
        cx.pool
            .transaction(async |tx: Arc<Tx>| tell_one(cx, &tx, (calendar, &whole, watcher), all).await)
            .await?;
    }
    Ok(())
}

/// Whether whoever makes the request may be known to somebody who is told of it.
fn known_to(cx: &Cx, watcher: &Watcher) -> bool {
    match cx.settings.privacy.principals {
        Audience::Everyone => true,
        Audience::Groups => watcher.groups.iter().any(|group| cx.viewer.principal.groups.contains(group)),
        Audience::Nobody => false,
    }
}

async fn tell_one(
    cx: &Cx,
    tx: &Tx,
    (calendar, owner, watcher): (&Calendar, &Watcher, &Watcher),
    all: &[Told],
) -> Result<()> {
    let own = store::watch::called(tx, watcher.id, calendar).await?.map(|name| (watcher, name));
    let seen = match own {
        Some(seen) => Some(seen),
        None => store::watch::called(tx, owner.id, calendar).await?.map(|name| (owner, name)),
    };
    let Some((home, called)) = seen else { return Ok(()) };
    let base = cx.space.base();
    let collection = target::href(base, &Target::Collection(home.name.clone(), called));
    let who = &cx.viewer.principal;
    let author = target::href(base, &Target::Principal(who.name.clone()));
    let by = Person { href: &author, name: Some(who.display_name.as_deref().unwrap_or(&who.name)) };
    // Whom somebody may not know they do not come to know by it; the owner of the calendar and they know each other.
    let known = watcher.owns || cx.viewer.owns(calendar.home_id) || known_to(cx, watcher);
    let by = known.then_some(by);
    let name = format!("changes-{}.xml", calendar.id);
    let at = Timestamp::now();
    let first = store::notification::whole(tx, watcher.id, &name).await?;
    let mut now = first.clone();
    let mut last = None;
    for told in all.iter().filter(|told| told.public || watcher.owns) {
        let href = target::member(&collection, &told.name);
        let change = Change { collection: &collection, href: &href, what: &told.what, by };
        last = notification::change(&name, at, now.as_deref(), &change);
        now = last.as_ref().map(|notification| notification.body.clone());
    }
    match last {
        Some(notification) if now != first => {
            Ok(store::notification::put(tx, watcher.id, &notification).await?)
        }
        None if now.is_none() && first.is_some() => {
            Ok(store::notification::remove(tx, watcher.id, &name).await?)
        }
        _ => Ok(()),
    }
}
