//! What a client has of the trash beside reading it: taking something back, and emptying it (docs/decisions/0027).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use crate::{
    dav::{
        Cx, Error, Refusal, Result, Target,
        access::{self, Household},
        condition::{CALENDAR_COLLECTION_LOCATION_OK, MAX_CALENDARS},
        destination::Destination,
        locks,
        prop::Facts,
        trash::leaving,
    },
    db::Tx,
    front::{Response, Status},
    model::{Kind, Privilege},
    store::{self, Object, history},
};

use super::{
    form::Form,
    limits::in_quota,
    parsed,
    storing::{Shelf, understood},
    theirs::whole,
    told::tell,
};

/// What stands behind the question mark of the URL that empties the trash.
const EMPTY: &str = "action=emptytrash";
/// Days that a time can be moved by.
const MOST_DAYS: u32 = 36_500;

/// What an object is called in its first component that is called anything.
pub fn title(object: &Object) -> Option<String> {
    object.body.as_ref()?;
    let calendar = parsed::calendar(object).ok()?;
    let summary = calendar.components().find_map(|component| component.property("SUMMARY"))?;
    Some(summary.text().into_owned()).filter(|title| !title.trim().is_empty())
}

/// MOVE of an entry out of the trash: an object into a calendar of the same home, under the name and by the rules of the
/// destination; a calendar back into the home. Says whether it took the place of something.
pub async fn restore(cx: &Cx, to: &Destination) -> Result<bool> {
    let there = cx.at(to.located.clone());
    let (house, at) = (access::household(cx).await?, access::household(&there).await?);
    let facts = leaving(cx, &house, true).await?;
    locks::guard(cx).await?.holds(&facts)?;
    if at.owner.id != house.owner.id {
        return Err(another_home().into());
    }
    match (&facts.object, to.located.target.kind()) {
        (Some(object), Kind::Object) => {
            whole(object, || cx.located.own_href())?;
            object_to(cx, (&there, &at), to, &facts).await
        }
        (Some(_), _) => Err(forbidden("an object comes back into a calendar").into()),
        (None, Kind::Calendar) if matches!(to.located.target, Target::Collection(..)) => {
            calendar_to(cx, &at, to, &facts).await.map(|()| false)
        }
        (None, _) => Err(CALENDAR_COLLECTION_LOCATION_OK.into()),
    }
}

/// Stores the octets that were deleted, all of them, as a PUT would; the entry is then none of the trash.
async fn object_to(
    cx: &Cx,
    (there, house): (&Cx, &Household),
    to: &Destination,
    facts: &Facts,
) -> Result<bool> {
    let (Some(trashed), Target::Object(.., name)) = (&facts.trashed, &to.located.target) else {
        return Err(Refusal::not_found().into());
    };
    let octets = trashed.body.clone().ok_or_else(Refusal::not_found)?;
    let object = &understood(&cx.settings, name, Form::Ical, octets)?;
    // The conditions of the request were about what lies in the trash; its locks are about where it goes.
    let guard = &locks::guard(cx).await?.of_member(&to.located, None)?;
    let (replaced, (calendar, told)) = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            let shelf = Shelf::lock(there, &tx, house).await?;
            if shelf.calendar().home_id != house.owner.id {
                return Err(another_home().into());
            }
            let replaced = shelf.restore(object, guard, to).await?;
            if !history::take_back(&tx, house.owner.id, trashed.id).await? {
                return Err(Refusal::not_found().into());
            }
            Ok::<_, Error>((replaced, shelf.told()))
        })
        .await?;
    tell(there, &calendar, &told).await;
    Ok(replaced)
}

/// Gives a deleted calendar a name again, if that is free and the home has room.
async fn calendar_to(cx: &Cx, house: &Household, to: &Destination, facts: &Facts) -> Result<()> {
    let (Some(trashed), Target::Collection(_, name)) = (&facts.trashed, &to.located.target) else {
        return Err(Refusal::not_found().into());
    };
    house.need(cx, Privilege::Bind)?;
    let home = house.owner.id;
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            house.held(cx, &tx).await?.need(cx, Privilege::Bind)?;
            if store::calendar::is_taken(&tx, home, name).await? {
                to.may_replace(true)?;
                return Err(forbidden("a calendar comes back under a name that is free").into());
            }
            if store::calendar::count(&tx, home).await? >= i64::from(cx.settings.calendar.max_collections) {
                return Err(MAX_CALENDARS.into());
            }
            in_quota(cx, &tx, home, trashed.octets).await?;
            if history::revive(&tx, home, trashed.id, name, &cx.author()).await? {
                Ok::<_, Error>(())
            } else {
                Err(Refusal::not_found().into())
            }
        })
        .await
}

/// For how many days what is erased must have lain there, if a query of the home's URL asks to empty the trash.
pub fn asked(query: &str) -> Result<u32, Refusal> {
    let rest = query.strip_prefix(EMPTY).ok_or_else(Refusal::not_found)?;
    if rest.is_empty() {
        return Ok(0);
    }
    let days = rest.strip_prefix("&days=").ok_or_else(Refusal::not_found)?;
    let days: Option<u32> = days.parse().ok().filter(|days| *days <= MOST_DAYS);
    days.ok_or_else(|| Refusal::bad_request(format!("days is a number up to {MOST_DAYS}")))
}

/// POST that empties the trash: what was deleted so many days ago or earlier is erased, with all that it had been before.
pub async fn empty(cx: &Cx, days: u32, octets: &Bytes) -> Result<Response> {
    if !octets.is_empty() {
        return Err(Refusal::plain(Status::UNSUPPORTED_MEDIA_TYPE, "emptying the trash takes no body").into());
    }
    let house = access::household(cx).await?;
    house.need(cx, Privilege::Unbind)?;
    // What is deleted while it goes on stays.
    let since = SystemTime::now().checked_sub(Duration::from_secs(86_400 * u64::from(days)));
    let (home, since) = (house.owner.id, since.unwrap_or(SystemTime::UNIX_EPOCH));
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            history::empty(&tx, home, since).await?;
            // It may have waited for who writes to a calendar.
            Ok::<_, Error>(house.now(cx, &tx).await?.need(cx, Privilege::Unbind)?)
        })
        .await?;
    Ok(Response::new(Status::NO_CONTENT))
}

fn another_home() -> Refusal {
    forbidden("what was deleted comes back into the home that it was deleted in")
}

fn forbidden(why: &str) -> Refusal {
    Refusal::plain(Status::FORBIDDEN, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trash_is_emptied_of_what_is_so_many_days_old() {
        for (query, days) in [
            ("action=emptytrash", Some(0)),
            ("action=emptytrash&days=7", Some(7)),
            ("action=emptytrash&days=36500", Some(36_500)),
            ("action=emptytrash&days=36501", None),
            ("action=emptytrash&days=-1", None),
            ("action=emptytrash&days=", None),
            ("action=emptytrash2", None),
            ("action=split", None),
            ("", None),
        ] {
            assert_eq!(asked(query).ok(), days, "{query}");
        }
    }
}
