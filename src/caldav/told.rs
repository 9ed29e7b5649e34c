//! Who is told of what others did in a calendar: found out while it is written, told when it is (caldav-notifications §5.3,
//! docs/decisions/0030).

use std::sync::Arc;

use jiff::Timestamp;

use bytes::Bytes;

use crate::{
    dav::{Cx, Given, Result, Target, delete, target, trash},
    db::Tx,
    front::{Response, Status},
    ical,
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
    /// An object was stored in place of what was there.
    pub fn stored(name: &str, before: Option<&Bytes>, after: &Bytes) -> Self {
        let read = |octets: &Bytes| ical::Calendar::parse(octets.clone()).ok();
        let (was, is) = (before.and_then(read), read(after));
        let public = [&was, &is].into_iter().flatten().all(ical::changes::is_public);
        let what = match (before, was, is) {
            (None, ..) => What::Created,
            (_, Some(was), Some(is)) => What::Updated(ical::changes::changes(&was, &is)),
            // What cannot be read any more differs in everything.
            _ => What::Updated(Vec::new()),
        };
        Self { name: name.to_owned(), what, public }
    }

    /// An object went.
    pub fn gone(name: &str, octets: &Bytes) -> Self {
        let read = ical::Calendar::parse(octets.clone()).ok();
        let public = read.as_ref().is_some_and(ical::changes::is_public);
        let farewell = read.map(|calendar| ical::changes::farewell(&calendar, now())).unwrap_or_default();
        Self { name: name.to_owned(), what: What::Deleted(farewell), public }
    }
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

/// Tells those who want to know. What was done is done: that somebody cannot be told is logged and no more.
pub async fn tell(cx: &Cx, calendar: &Calendar, all: &[Told]) {
    if all.is_empty() {
        return;
    }
    if let Err(error) = tell_all(cx, calendar, all).await {
        tracing::warn!(?error, "not everybody was told of a change");
    }
}

async fn tell_all(cx: &Cx, calendar: &Calendar, all: &[Told]) -> Result<()> {
    let watchers = store::watch::of(&cx.pool, calendar, cx.viewer.principal.id).await?;
    let owner = match &watchers[..] {
        [] => return Ok(()),
        _ => store::principal::by_ids(&cx.pool, &[calendar.home_id]).await?.pop(),
    };
    let Some(owner) = owner else { return Ok(()) };
    let whole = Watcher { id: owner.id, name: owner.name, owns: true };
    for watcher in &watchers {
        // Each home by itself: whoever writes to a calendar waits for none of them.
        cx.pool
            .transaction(async |tx: Arc<Tx>| tell_one(cx, &tx, (calendar, &whole, watcher), all).await)
            .await?;
    }
    Ok(())
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
