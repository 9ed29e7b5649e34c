//! What becomes of an object that somebody stores in a calendar of somebody else: what is for all is stored, what is their own
//! is kept beside it, and what they do not see they do not write over (caldav-privateevents §4.2, docs/decisions/0026).

use bytes::Bytes;

use crate::{
    dav::{
        Refusal, Result,
        condition::{MAX_RESOURCE_SIZE, NO_UID_CONFLICT, VALID_ACCESS_RESTRICTION_CHANGE},
        guard::{Guard, Touch},
        seen::{self, Sight},
    },
    ical::{Access, Calendar, personal},
    model::{Components, Privilege},
    store::{self, Lens, Object, object::Before},
};

use super::{
    form::Form,
    limits,
    seen::code,
    storing::{Done, Shelf, Stored, Understood, etag, understood},
    told::Told,
};

/// Octets of what one keeps for oneself of an object of somebody else's; they are in nobody's quota.
const MOST_OWN: usize = 64 << 10;

/// What is in the place of the object, all of it, if it can be read.
pub(super) struct There {
    id: i64,
    calendar: Option<Calendar>,
    /// Whether something is kept of it that is the sender's own.
    own: bool,
}

impl Shelf<'_> {
    /// Stores what somebody sent who does not own the calendar.
    pub(super) async fn store_theirs(
        &self,
        sent: &Understood,
        guard: &Guard,
        before: &Before,
        lens: Lens,
    ) -> Result<Done> {
        let (put, calendar) = (&sent.put, self.calendar());
        let found = store::personal::by_name_in(self.tx(), calendar, lens.viewer, &put.name).await?;
        let sight = match &found {
            Some((object, beside)) => {
                seen::through(self.cx(), lens, object.clone(), beside).map_or(Sight::Hidden, Sight::There)
            }
            None => Sight::Nothing,
        };
        self.may_take(&sight, guard, &put.name)?;
        let view = sight.object();
        self.fits(Components::default().with(put.component), &put.name)?;
        self.no_conflict(before, &put.uid).await?;
        may_hide(put.access, lens)?;
        self.owner_organizes(put, before).await?;
        if view.is_none() {
            self.room().await?;
        }
        // What is hidden was refused.
        let there = found.map(|(object, beside)| There {
            id: object.id,
            calendar: Calendar::parse(object.body.unwrap_or_default()).ok(),
            own: beside.personal.is_some(),
        });
        self.divide(sent, before, there).await
    }

    /// Refuses to store over what is not there for the sender, over what they see a part of, and against the conditions of the
    /// request: what is hidden is taken for a name that is free until nothing else is wrong.
    pub(super) fn may_take(&self, sight: &Sight, guard: &Guard, name: &str) -> Result<(), Refusal> {
        let there = if let Sight::There(object) = sight { Some(object) } else { None };
        self.may_store(name, there.is_some())?;
        guard.permits(&self.now(there), self.touched(&[Touch::Member(name), Touch::Calendar], there))?;
        let href = || self.href(name);
        match sight {
            Sight::Hidden => Err(Refusal::need(href(), Privilege::WriteContent)),
            Sight::There(object) => whole(object, href),
            Sight::Nothing => Ok(()),
        }
    }

    /// As one's own: a UID is one object's. What has it is not told to those for whom that is not there.
    pub(super) async fn no_conflict(&self, before: &Before, uid: &str) -> Result<()> {
        if let Some(twin) = &before.twin {
            return Err(match seen::named_in(self.cx(), self.tx(), self.calendar(), twin).await? {
                Sight::Hidden => NO_UID_CONFLICT.into(),
                _ => self.conflict(twin).into(),
            });
        }
        match &before.object {
            Some((object, _)) if object.uid != uid => Err(self.conflict(&object.name).into()),
            _ => Ok(()),
        }
    }

    /// Stores what is for all, if that was changed, and keeps what is the sender's own.
    pub(super) async fn divide(
        &self,
        sent: &Understood,
        before: &Before,
        there: Option<There>,
    ) -> Result<Done> {
        let (cx, tx, calendar, name) = (self.cx(), self.tx(), self.calendar(), &sent.put.name);
        let Ok(given) = Calendar::parse(sent.put.body.clone()) else {
            return Err(Refusal::not_found().into());
        };
        let whole = there.as_ref().and_then(|there| there.calendar.as_ref());
        let apart = personal::apart(whole, &given);
        if apart.own.as_ref().is_some_and(|own| own.len() > MOST_OWN) {
            let why =
                format!("what is yours alone of an object of somebody else's has at most {MOST_OWN} octets");
            return Err(MAX_RESOURCE_SIZE.because(why).into());
        }
        let shared = match (apart.shared, whole) {
            (Some(octets), _) => {
                let put = understood(&cx.settings, name, Form::Ical, octets)?.put;
                let more = put.octets() - before.octets();
                limits::in_quota(cx, tx, calendar.home_id, more).await?;
                store::object::put(tx, calendar, &put, before, self.author()).await?;
                if calendar.watched {
                    self.note(Told::stored(name, whole.map(Calendar::bytes), &put.body));
                }
                put.body
            }
            (None, Some(whole)) => {
                store::personal::touch(tx, calendar, there.as_ref().map_or(0, |there| there.id)).await?;
                whole.bytes().clone()
            }
            (None, None) => sent.put.body.clone(),
        };
        let viewer = cx.viewer.principal.id;
        if apart.own.is_some() || there.as_ref().is_some_and(|there| there.own) {
            store::personal::keep(tx, calendar, name, viewer, apart.own.as_deref()).await?;
        }
        let stored = if there.is_none() { Stored::Made } else { Stored::Replaced };
        Ok(Done { stored, other: Some(read_back(sent, shared, apart.own.as_deref())) })
    }
}

/// Refuses what would not be there, or not whole, for whoever stores it (§4.2.2.1).
pub fn may_hide(access: i16, lens: Lens) -> Result<(), Refusal> {
    let level = Access::from_code(access & !store::personal::OWN);
    if level == Access::Public || lens.private {
        return Ok(());
    }
    let why = "who does not see what is private here makes nothing private";
    Err(VALID_ACCESS_RESTRICTION_CHANGE.because(why))
}

/// What the sender reads from now on.
fn read_back(sent: &Understood, shared: Bytes, own: Option<&[u8]>) -> Understood {
    let body = match Calendar::parse(shared.clone()) {
        Ok(calendar) if own.is_some() || code(&calendar) & store::personal::OWN != 0 => {
            personal::seen(&calendar, own)
        }
        _ => shared,
    };
    let as_sent = sent.as_sent && body == sent.put.body;
    Understood { put: store::Put { etag: etag(&body), body, ..sent.put.clone() }, as_sent }
}

/// Refuses to change what is seen in part.
pub fn whole(object: &Object, href: impl Fn() -> String) -> Result<(), Refusal> {
    if object.cut { Err(Refusal::need(href(), Privilege::ReadPrivate)) } else { Ok(()) }
}
