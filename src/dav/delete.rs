//! DELETE of objects and collections (RFC 4918 §9.6).

use std::sync::Arc;

use crate::{
    db::Tx,
    model::{Kind, Privilege},
    store::{self, Calendar, Object, history, object},
};

use super::{
    Cx, Error, Refusal, Result, Target,
    access::{self, On},
    facts,
    guard::{Guard, Now, Touch},
    locks, seen, sharing,
};

/// Deletes what the URL names; a deleted object or calendar leaves a tombstone, and a name that only a lock reserved leaves
/// nothing. Gives the object with its octets, where somebody may want to be told.
pub async fn run(cx: &Cx) -> Result<Option<(Calendar, Object)>> {
    let guard = locks::guard(cx).await?;
    let house = access::household(cx).await?;
    // What is removed is a member of what it lies in (RFC 3744 §3.10).
    let on = if matches!(cx.located.target, Target::Object(..)) { On::Collection } else { On::Home };
    let deleted = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            if on == On::Home {
                // Others may see it, or it is theirs: before any calendar and any home is held.
                sharing::alone(&tx).await?;
            }
            // While it is held nothing is called otherwise: what was found by its name has it still.
            let house = if on == On::Home { &house.held(cx, &tx).await? } else { &house };
            let calendar = facts::locked(cx, &tx, house, on, Privilege::Unbind).await?;
            let locks = store::lock::of_in(&tx, &calendar).await?;
            let now = Now { calendar: &calendar, object: None, locks: &locks };
            let Target::Object(.., name) = &cx.located.target else {
                // Locks on what is somebody else's are about more than its name here.
                let all: &[Touch] = if calendar.bound.is_none() { &[Touch::All] } else { &[] };
                guard.permits(&now, all)?;
                remove(cx, &tx, &calendar).await?;
                return Ok::<_, Error>(None);
            };
            let whole = if calendar.watched { object::whole_in(&tx, &calendar, name).await? } else { None };
            member(cx, &tx, &now, name, &guard).await?;
            Ok(whole.map(|object| (calendar.clone(), object)))
        })
        .await?;
    if on == On::Home {
        discard(cx, house.owner.id);
    }
    Ok(deleted)
}

/// Erases of the trash of a home what it has no more room for, when calendars went there; nobody waits for it.
pub fn discard(cx: &Cx, home_id: i64) {
    let (pool, keep) = (cx.pool.clone(), cx.author().keep);
    if !keep.trash {
        return;
    }
    tokio::spawn(async move {
        if let Err(error) = history::discard(&pool, home_id, keep).await {
            tracing::warn!(%error, "what the trash has no room for could not be erased");
        }
    });
}

/// Removes a calendar, which is locked, from the home that it is seen in: what is kept there is no more, what is kept elsewhere
/// stays, and its owner is told (caldav-sharing §5.4.2).
pub async fn remove(cx: &Cx, tx: &Tx, calendar: &Calendar) -> Result<()> {
    if calendar.bound.is_none() {
        return Ok(store::calendar::delete(tx, calendar, &cx.author()).await?);
    }
    store::share::leave(tx, calendar).await?;
    sharing::note::answered(cx, tx, calendar, calendar.seen_in()).await
}

/// Deletes the member of that name, or what reserves it, the calendar being locked.
pub async fn member(cx: &Cx, tx: &Tx, now: &Now<'_>, name: &str, guard: &Guard) -> Result<()> {
    let object = seen::named_in(cx, tx, now.calendar, name).await?.object();
    if object.is_none() && !now.locks.iter().any(|lock| lock.reserves(name)) {
        return Err(Refusal::not_found().into());
    }
    guard.permits(&Now { object: object.as_ref(), ..*now }, &[Touch::Member(name), Touch::Calendar])?;
    if let Some(object) = object {
        match now.calendar.kind {
            Kind::Notifications => store::notification::delete(tx, now.calendar, name).await?,
            _ => object::delete(tx, now.calendar, object.id, &cx.author()).await?,
        }
    }
    Ok(store::lock::clear(tx, now.calendar, name).await?)
}
