//! COPY and MOVE of a calendar: another name for it in the home, or another one like it beside it.

use std::sync::Arc;

use crate::{
    dav::{
        Cx, Error, Refusal, Result, Target,
        access::{self, On},
        condition::MAX_CALENDARS,
        delete::{discard, remove},
        destination::Destination,
        guard::{Now, Touch},
        header::{Depth, depth},
        locks,
        prop::NOTIFY,
        proppatch::room,
        sharing,
    },
    db::Tx,
    model::{Kind, Privilege},
    store::{self, Calendar, Property, Subject, property},
};

use super::{super::limits::in_quota, Way, forbidden, lock_ends};

/// Brings the calendar of the request's URL to the destination; says whether it replaced another one.
pub async fn transfer(cx: &Cx, to: &Destination, way: Way) -> Result<bool> {
    let with_members = with_members(cx, way)?;
    let (Target::Collection(user, name), Target::Collection(other, new)) =
        (&cx.located.target, &to.located.target)
    else {
        return Err(Refusal::not_found().into());
    };
    let guard = locks::guard(cx).await?;
    let house = access::household(cx).await?;
    // Of a move, the home loses a member and gains one (RFC 3744 Appendix B).
    let (on, needed) =
        if way == Way::Move { (On::Home, Privilege::Unbind) } else { (On::Resource, Privilege::Read) };
    if user != other {
        house.need(cx, needed)?;
        return Err(forbidden("a calendar stays in its home").into());
    }
    let (house, owner) = (&house, &house.owner);
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            // What is replaced may be seen by others, or be theirs: before any calendar and any home is held.
            sharing::alone(&tx).await?;
            // What was found by its name has it still when it is locked.
            let house = house.held(cx, &tx).await?;
            let (from, there) = lock_ends(cx, &tx, (owner.id, name), (owner.id, new)).await?;
            let from = house.admit(cx, from, on, needed)?;
            house.need(cx, Privilege::Bind)?;
            let left = store::lock::of_in(&tx, &from).await?;
            let goes = way == Way::Move && from.bound.is_none();
            let touched: &[Touch] = if goes { &[Touch::All] } else { &[] };
            guard.permits(&Now { calendar: &from, object: None, locks: &left }, touched)?;
            to.may_replace(there.is_some())?;
            fits(way, &from, there.as_ref())?;
            let own = there.as_ref().filter(|replaced| replaced.bound.is_none());
            if there.is_some() {
                house.need(cx, Privilege::Unbind)?;
            }
            if let Some(replaced) = own {
                let met = store::lock::of_in(&tx, replaced).await?;
                let now = Now { calendar: replaced, object: None, locks: &met };
                guard.at(&to.located).unlocked(&now, &[Touch::All])?;
            }
            // Locks on what is somebody else's are about more than the name here.
            if way == Way::Move && from.bound.is_none() {
                store::lock::hand_over(&tx, &from, own).await?;
            }
            if way == Way::Copy && with_members {
                let before = own.map_or(0, |replaced| replaced.octets);
                in_quota(cx, &tx, owner.id, from.octets - before).await?;
            }
            if let Some(replaced) = &there {
                remove(cx, &tx, replaced).await?;
            }
            match way {
                Way::Move => store::transfer::rename(&tx, &from, new, &cx.author()).await?,
                Way::Copy => copy(cx, &tx, &from, new, with_members).await?,
            }
            Ok::<_, Error>(there.is_some())
        })
        .await
        .inspect(|_| discard(cx, owner.id))
}

/// Refuses what stays where it is.
fn fits(way: Way, from: &Calendar, there: Option<&Calendar>) -> Result<(), Refusal> {
    if way == Way::Copy && from.bound.is_some() {
        return Err(forbidden("a calendar that is somebody else's is not copied as a whole"));
    }
    let fixed = |c: &Calendar| !matches!(c.kind, Kind::Calendar | Kind::Subscribed);
    if fixed(from) || there.is_some_and(fixed) {
        return Err(forbidden("only a calendar takes the place of a calendar"));
    }
    Ok(())
}

/// RFC 4918 §9.8.3 and §9.9.2: what is moved is moved with all in it.
fn with_members(cx: &Cx, way: Way) -> Result<bool, Refusal> {
    match (depth(&cx.headers)?, way) {
        (None | Some(Depth::Infinity), _) => Ok(true),
        (Some(Depth::Zero), Way::Copy) => Ok(false),
        (Some(Depth::Zero | Depth::One), Way::Move) => {
            Err(Refusal::bad_request("a calendar moves with all that is in it: Depth is infinity"))
        }
        (Some(Depth::One), Way::Copy) => Err(Refusal::bad_request("Depth is 0 or infinity")),
    }
}

async fn copy(cx: &Cx, tx: &Tx, from: &Calendar, name: &str, with_members: bool) -> Result<()> {
    let most = i64::from(cx.settings.calendar.max_collections);
    if store::calendar::count(tx, from.home_id).await? >= most {
        return Err(MAX_CALENDARS.into());
    }
    let (what, author) = ((from.kind, from.components), &cx.author());
    let made = store::calendar::create(tx, from.home_id, name, what, author).await?;
    let properties = property::of_in(tx, Subject::calendar(from)).await?;
    let subject = Subject { calendar_id: made, ..Subject::calendar(from) };
    property::set(tx, subject, &properties).await?;
    let told = |p: &Property| p.name == NOTIFY && p.value.contains("true");
    if properties.iter().any(told) {
        store::watch::set(tx, (from.home_id, made), from.home_id, true).await?;
    }
    if with_members {
        store::transfer::copy_members(tx, from, made).await?;
    }
    room(tx, subject).await
}
