//! COPY and MOVE of one object: what may be PUT there may come there, and it is the same octets.

use std::sync::Arc;

use crate::{
    dav::{
        Cx, Error, Refusal, Result, Target,
        access::{self, Household, On},
        condition::{NO_UID_CONFLICT, SHAREE_PRIVILEGE_NEEDED},
        destination::Destination,
        guard::{Guard, Now, Touch},
        locks,
        proppatch::room,
        seen::{self, Sight},
    },
    db::Tx,
    model::{Lock, Privilege, Privileges},
    store::{
        self, Calendar, Object, Subject,
        object::{self, Before},
        property,
    },
};

use super::{
    super::{
        form::Form,
        limits::in_quota,
        storing::{Shelf, understood},
        theirs::{may_hide, whole},
    },
    Way, it_is_there, lock_ends,
};

/// Both ends of a transfer, locked.
struct Ends<'a> {
    from: Calendar,
    left: Vec<Lock>,
    object: Object,
    to: Shelf<'a>,
    name: &'a str,
    before: Before,
    /// Whether what is there is not for the viewer to know of, and whether what has the UID there is not.
    veiled: (bool, bool),
    /// Whether the viewer has what is moved because it was shared with them.
    sharee: bool,
}

/// Brings the object of the request's URL to the destination; says whether it replaced another one.
pub async fn transfer(cx: &Cx, to: &Destination, way: Way) -> Result<bool> {
    let there = cx.at(to.located.clone());
    let guard = locks::guard(cx).await?;
    let houses = (access::household(cx).await?, access::household(&there).await?);
    let houses = &houses;
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            let ends = ends((cx, &there), &tx, houses, way).await?;
            // A calendar that just came under another name was found by both.
            if ends.to.calendar().id == ends.from.id && ends.name == ends.object.name {
                return Err(it_is_there().into());
            }
            ends.may_leave(way)?;
            ends.permitted(&guard, &there, way)?;
            let replaced = ends.there();
            to.may_replace(replaced.is_some())?;
            ends.may_arrive(way)?;
            ends.to.fits(ends.object.component, ends.name)?;
            ends.no_uid_conflict(way)?;
            let (to, author) = (ends.to.calendar(), ends.to.author());
            let within = way == Way::Move && ends.from.home_id == to.home_id;
            if !within {
                let more = i64::from(ends.object.size) - ends.before.octets();
                in_quota(cx, &tx, to.home_id, more).await?;
            }
            match replaced {
                Some(object) => object::delete(&tx, to, object.id, author).await?,
                None if to.id == ends.from.id && way == Way::Move => {}
                None => ends.to.room().await?,
            }
            if within {
                store::transfer::relocate(&tx, &ends.from, &ends.object, (to, ends.name), author).await?;
            } else {
                copy(cx, &tx, &ends).await?;
                if way == Way::Move {
                    object::delete(&tx, &ends.from, ends.object.id, author).await?;
                }
            }
            if way == Way::Move {
                store::lock::clear(&tx, &ends.from, &ends.object.name).await?;
            }
            Ok::<_, Error>(replaced.is_some())
        })
        .await
}

async fn ends<'a>(
    (cx, there): (&Cx, &'a Cx),
    tx: &'a Tx,
    houses: &(Household, Household),
    way: Way,
) -> Result<Ends<'a>> {
    let (Target::Object(_, source, old), Target::Object(_, destination, name)) =
        (&cx.located.target, &there.located.target)
    else {
        return Err(Refusal::not_found().into());
    };
    let (from, to) = (&houses.0, &houses.1);
    let found = lock_ends(cx, tx, (from.owner.id, source), (to.owner.id, destination)).await?;
    let from = match way {
        Way::Copy => from.admit(cx, found.0, On::Resource, Privilege::Read)?,
        // Who may not read it learns nothing by moving it to where they may.
        Way::Move => {
            let from = from.admit(cx, found.0, On::Collection, Privilege::Unbind)?;
            access::need_in(&from, Privilege::Read, || cx.located.own_href())?;
            from
        }
    };
    let object = seen::whole_in(cx, tx, &from, old).await?.object().ok_or_else(Refusal::not_found)?;
    let to = Shelf::of(there, tx, to, found.1).await?;
    if way == Way::Move && (from.home_id != to.calendar().home_id || seen::of(there, to.calendar()).private) {
        // What is not seen would be lost, or come to be seen.
        whole(&object, || cx.located.own_href())?;
    }
    let sharee = way == Way::Move && is_sharee(cx, tx, (&from, houses.0.rights)).await?;
    let before = object::before_put(tx, to.calendar(), name, &object.uid).await?;
    let veiled = veiled(there, tx, &to, (&before, name)).await?;
    let same = to.calendar().id == from.id;
    let left = if same { to.locks().to_vec() } else { store::lock::of_in(tx, &from).await? };
    Ok(Ends { from, left, object, to, name, before, veiled, sharee })
}

/// Whether the viewer has the calendar because it was shared with them, and not the home as a whole.
async fn is_sharee(cx: &Cx, tx: &Tx, (calendar, of_home): (&Calendar, Privileges)) -> Result<bool> {
    let other = calendar.shared && !cx.viewer.owns(calendar.home_id) && !of_home.has(Privilege::Unbind);
    Ok(calendar.bound.is_some()
        || other && store::invite::name_in(tx, cx.viewer.principal.id, calendar).await?.is_some())
}

/// Refuses to take the place of what the viewer sees a part of; says whether what is there, and what has the UID, is hidden from
/// them.
async fn veiled(cx: &Cx, tx: &Tx, to: &Shelf<'_>, (before, name): (&Before, &str)) -> Result<(bool, bool)> {
    if seen::of(cx, to.calendar()).own {
        return Ok((false, false));
    }
    let sight = seen::named_in(cx, tx, to.calendar(), name).await?;
    if let Sight::There(object) = &sight {
        whole(object, || to.href(name))?;
    }
    let hidden = matches!(sight, Sight::Hidden);
    let Some(twin) = &before.twin else { return Ok((hidden, false)) };
    Ok((hidden, matches!(seen::named_in(cx, tx, to.calendar(), twin).await?, Sight::Hidden)))
}

impl Ends<'_> {
    /// What is at the destination, as far as the viewer may know.
    fn there(&self) -> Option<&Object> {
        self.before.object.as_ref().map(|(object, _)| object).filter(|_| !self.veiled.0)
    }

    /// The conditions of the request are about its source; locks are at both ends (RFC 4918 §7.5).
    fn permitted(&self, guard: &Guard, there: &Cx, way: Way) -> Result<(), Refusal> {
        let now = Now { calendar: &self.from, object: Some(&self.object), locks: &self.left };
        let leaves = [Touch::Member(&self.object.name), Touch::Calendar];
        guard.permits(&now, if way == Way::Move { &leaves } else { &[] })?;
        let object = self.there();
        // Nobody is told that what they do not see is locked.
        let name = if self.veiled.0 { Touch::Calendar } else { Touch::Member(self.name) };
        let arrives = [name, Touch::Calendar];
        guard.at(&there.located).unlocked(&self.to.now(object), self.to.touched(&arrives, object))
    }

    /// caldav-sharing §5.5.5: what is in a calendar that is shared with somebody is moved out of it by no URL of it.
    fn may_leave(&self, way: Way) -> Result<(), Refusal> {
        if way == Way::Move && self.sharee && self.to.calendar().id != self.from.id {
            let why = "what is in a calendar of somebody else's stays there: COPY it";
            return Err(SHAREE_PRIVILEGE_NEEDED.because(why));
        }
        Ok(())
    }

    /// RFC 3744 Appendix B: what is replaced by a COPY is changed, and by a MOVE removed. What is hidden is taken for a name that
    /// is free until nothing else is wrong.
    fn may_arrive(&self, way: Way) -> Result<(), Refusal> {
        match (self.there(), way) {
            (None, _) => {
                self.to.need(None, &[Privilege::Bind])?;
                let hidden = || Refusal::need(self.to.href(self.name), Privilege::WriteContent);
                if self.veiled.0 { Err(hidden()) } else { Ok(()) }
            }
            (Some(_), Way::Copy) => {
                self.to.need(Some(self.name), &[Privilege::WriteContent, Privilege::WriteProperties])
            }
            (Some(_), Way::Move) => self.to.need(None, &[Privilege::Bind, Privilege::Unbind]),
        }
    }

    /// RFC 4791 §5.3.2.1: a UID is one object's, and what is replaced has the same one.
    fn no_uid_conflict(&self, way: Way) -> Result<(), Refusal> {
        let within = way == Way::Move && self.from.id == self.to.calendar().id;
        match (&self.before.twin, &self.before.object) {
            (Some(_), _) if self.veiled.1 => Err(NO_UID_CONFLICT.into()),
            (Some(twin), _) if !(within && *twin == self.object.name) => Err(self.to.conflict(twin)),
            (_, Some((object, _))) if object.uid != self.object.uid => Err(self.to.conflict(&object.name)),
            _ => Ok(()),
        }
    }
}

/// Stores the octets there as a PUT would, and the properties with them.
async fn copy(cx: &Cx, tx: &Tx, ends: &Ends<'_>) -> Result<()> {
    let (to, octets) = (ends.to.calendar(), ends.object.body.clone().unwrap_or_default());
    let object = understood(&cx.settings, ends.name, Form::Ical, octets)?;
    ends.to.owner_organizes(&object.put, &ends.before).await?;
    let nothing = Before { object: None, twin: None };
    let lens = seen::of(ends.to.cx(), to);
    if lens.own {
        object::put(tx, to, &object.put, &nothing, ends.to.author()).await?;
    } else {
        may_hide(object.put.access, lens)?;
        ends.to.divide(&object, &nothing, None).await?;
    }
    // Of what is seen in part, what is kept beside it is not seen.
    if ends.object.cut {
        return Ok(());
    }
    let properties = property::of_in(tx, Subject::object(&ends.from, ends.object.id)).await?;
    if properties.is_empty() {
        return Ok(());
    }
    let made = object::by_name_in(tx, to, ends.name).await?.ok_or_else(Refusal::not_found)?;
    let subject = Subject::object(to, made.id);
    property::set(tx, subject, &properties).await?;
    room(tx, subject).await
}
