//! COPY and MOVE of one object: what may be PUT there may come there, and it is the same octets.

use std::sync::Arc;

use crate::{
    dav::{
        Cx, Error, Given, Refusal, Result, Target, access,
        condition::NO_UID_CONFLICT,
        destination::Destination,
        facts,
        guard::{Guard, Now, Touch},
        locks,
    },
    db::Tx,
    model::{Lock, Privilege},
    store::{
        self, Calendar, Object, Subject,
        object::{self, Before},
        property,
    },
};

use super::{
    super::{form::Form, put},
    Way, lock_ends,
};

/// Both ends of a transfer, locked.
struct Ends<'a> {
    from: Calendar,
    left: Vec<Lock>,
    object: Object,
    to: Calendar,
    met: Vec<Lock>,
    name: &'a str,
    before: Before,
}

/// Brings the object of the request's URL to the destination; says whether it replaced another one.
pub async fn transfer(cx: &Cx, to: &Destination, way: Way) -> Result<bool> {
    let there = cx.at(to.located.clone());
    let guard = locks::guard(cx).await?;
    let here = if way == Way::Move { Privilege::Unbind } else { Privilege::Read };
    let from = facts::home_owner(cx, here).await?.id;
    let home = facts::home_owner(&there, Privilege::Bind).await?.id;
    let (from, home) = (&from, &home);
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            let ends = ends(cx, &there, &tx, (*from, *home)).await?;
            ends.permitted(&guard, &there, way)?;
            let replaced = ends.before.object.as_ref().map(|(object, _)| object);
            to.may_replace(replaced.is_some())?;
            let needed = if replaced.is_some() { Privilege::WriteContent } else { Privilege::Bind };
            access::need(cx.viewer.rights(ends.to.home_id), needed, || there.located.own_href())?;
            put::fits(&there, &ends.to, ends.object.component)?;
            no_uid_conflict(&there, &ends, way)?;
            match replaced {
                Some(object) => object::delete(&tx, &ends.to, object.id).await?,
                None if ends.to.id == ends.from.id && way == Way::Move => {}
                None => put::room(&there, &tx, &ends.to).await?,
            }
            if way == Way::Move && ends.from.home_id == ends.to.home_id {
                store::transfer::relocate(&tx, &ends.from, &ends.object, &ends.to, ends.name).await?;
            } else {
                copy(cx, &tx, &ends).await?;
                if way == Way::Move {
                    object::delete(&tx, &ends.from, ends.object.id).await?;
                }
            }
            if way == Way::Move {
                store::lock::clear(&tx, &ends.from, &ends.object.name).await?;
            }
            Ok::<_, Error>(replaced.is_some())
        })
        .await
}

async fn ends<'a>(cx: &Cx, there: &'a Cx, tx: &Tx, homes: (i64, i64)) -> Result<Ends<'a>> {
    let (Target::Object(_, source, old), Target::Object(_, destination, name)) =
        (&cx.located.target, &there.located.target)
    else {
        return Err(Refusal::not_found().into());
    };
    let (from, to) = lock_ends(tx, (homes.0, source), (homes.1, destination)).await?;
    let from = from.ok_or_else(Refusal::not_found)?;
    let object = object::whole_in(tx, &from, old).await?.ok_or_else(Refusal::not_found)?;
    let to = to.ok_or_else(put::no_collection)?;
    let before = object::before_put(tx, &to, name, &object.uid).await?;
    let left = store::lock::of_in(tx, &from).await?;
    let met = if to.id == from.id { left.clone() } else { store::lock::of_in(tx, &to).await? };
    Ok(Ends { from, left, object, to, met, name, before })
}

impl Ends<'_> {
    /// The conditions of the request are about its source; locks are at both ends (RFC 4918 §7.5).
    fn permitted(&self, guard: &Guard, there: &Cx, way: Way) -> Result<(), Refusal> {
        let now = Now { calendar: &self.from, object: Some(&self.object), locks: &self.left };
        let leaves = [Touch::Member(&self.object.name), Touch::Calendar];
        guard.permits(&now, if way == Way::Move { &leaves } else { &[] })?;
        let object = self.before.object.as_ref().map(|(object, _)| object);
        let known = object.is_some() || self.met.iter().any(|lock| lock.reserves(self.name));
        let arrives = [Touch::Member(self.name), Touch::Calendar];
        let now = Now { calendar: &self.to, object, locks: &self.met };
        guard.at(&there.located).unlocked(&now, &arrives[..=usize::from(!known)])
    }
}

/// RFC 4791 §5.3.2.1. What is replaced goes first (RFC 4918 §9.9.4), so its UID is free.
fn no_uid_conflict(there: &Cx, ends: &Ends<'_>, way: Way) -> Result<(), Refusal> {
    let Some(twin) = &ends.before.twin else { return Ok(()) };
    if way == Way::Move && ends.from.id == ends.to.id && *twin == ends.object.name {
        return Ok(());
    }
    let Target::Object(user, calendar, _) = &there.located.target else { return Err(Refusal::not_found()) };
    let twin = Target::Object(user.clone(), calendar.clone(), twin.clone());
    Err(NO_UID_CONFLICT.at(there.href(&twin)))
}

/// Stores the octets there as a PUT would, and the properties with them.
async fn copy(cx: &Cx, tx: &Tx, ends: &Ends<'_>) -> Result<()> {
    let bytes = ends.object.body.clone().unwrap_or_default();
    let put = put::understood(&cx.settings, ends.name, Form::Ical, Given { bytes, xml: None })?;
    object::put(tx, &ends.to, &put, &Before { object: None, twin: None }).await?;
    let properties = property::of_in(tx, Subject::object(&ends.from, ends.object.id)).await?;
    if properties.is_empty() {
        return Ok(());
    }
    let made = object::by_name_in(tx, &ends.to, ends.name).await?.ok_or_else(Refusal::not_found)?;
    Ok(property::set(tx, Subject::object(&ends.to, made.id), &properties).await?)
}
