//! To whom a calendar is shared, by whichever vocabulary: CalendarServer's sharing, WebDAV ACL, WebDAV resource sharing.
//! docs/decisions/0025 says why they are one (caldav-sharing, draft-pot-webdav-resource-sharing).

pub mod answer;
mod level;
pub mod note;
mod plan;
pub mod props;
mod read;
mod sharee;

use std::sync::Arc;

use crate::{
    config::{Accept, Settings},
    db::Tx,
    front::{Response, Status, header},
    model::Privilege,
    store::{
        self, Ace, Answer, Calendar, Grantee,
        history::Action,
        invite::{self, First},
    },
};

use super::{
    Cx, Error, Result,
    access::{self, On},
    acl, deeds, facts,
    guard::{Now, Touch},
    locks,
};

pub use read::{Order, is_share, orders};
pub use sharee::address;

use plan::{Before, Plan};

/// Shares the calendar in the request's URL as the orders say: all of them, or none (caldav-sharing §5.3.2).
pub async fn share(cx: &Cx, orders: &[Order]) -> Result<Response> {
    let most = cx.settings.sharing.max_sharees as usize;
    if orders.len() > most {
        return Err(acl::too_many(most).into());
    }
    let guard = locks::guard(cx).await?;
    let house = access::household(cx).await?;
    let (guard, house) = (&guard, &house);
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            alone(&tx).await?;
            let calendar = facts::locked(cx, &tx, house, On::Resource, Privilege::WriteAcl).await?;
            let locks = store::lock::of_in(&tx, &calendar).await?;
            guard.permits(&Now { calendar: &calendar, object: None, locks: &locks }, &[Touch::Calendar])?;
            let aces = store::ace::of_in(&tx, calendar.home_id, calendar.id).await?;
            let aces = aces.into_iter().filter(|ace| ace.calendar_id == calendar.id).collect();
            let before = Before { aces, invites: invite::of_in(&tx, &calendar).await? };
            let nobody = Before::default();
            let seen = if calendar.rights.has(Privilege::ReadAcl) { &before } else { &nobody };
            let wishes = match sharee::wishes(cx, &tx, (calendar.home_id, seen), orders).await? {
                Ok(wishes) => wishes,
                Err(refused) => return Ok::<_, Error>(refused),
            };
            let plan = plan::of_wishes(&before, (calendar.home_id, calendar.id), &wishes);
            if plan.aces.len() + plan.strangers(&before) > most {
                return Err(acl::too_many(most).into());
            }
            if !plan.is_empty() {
                carry_out(cx, &tx, &calendar, &before, &plan).await?;
                let owner = &acl::owner_of(&tx, house, calendar.home_id).await?;
                let kept = (owner, calendar.name_at_home());
                let deeds = deeds::of_lists(&cx.viewer.principal, kept, &before.aces, &plan.aces);
                store::audit::record(&tx, &deeds).await?;
            }
            Ok(done(Status::OK))
        })
        .await
}

/// Makes this list the calendar's, and invites of its entries; nobody else changes it, and it is changed in any case.
pub async fn list(cx: &Cx, tx: &Tx, calendar: &Calendar, before: Vec<Ace>, aces: Vec<Ace>) -> Result<()> {
    let invites = if calendar.shared { invite::of_in(tx, calendar).await? } else { Vec::new() };
    let before = Before { aces: before, invites };
    let plan = plan::of_list(&before, calendar.home_id, aces);
    if calendar.shared || !plan.guests.is_empty() {
        return carry_out(cx, tx, calendar, &before, &plan).await;
    }
    store::ace::set(tx, calendar.home_id, calendar.id, &plan.aces).await?;
    store::calendar::change(tx, calendar, Action::Opened, &cx.author()).await?;
    turned(tx, calendar, &before.aces, &plan.aces).await
}

/// Makes this list the home's, which is held; nobody comes, and nobody shares anything, meanwhile.
pub async fn home(tx: &Tx, home_id: i64, before: &[Ace], after: &[Ace]) -> Result<()> {
    store::ace::set(tx, home_id, 0, after).await?;
    if acl::discloses(before, after) || acl::discloses(after, before) {
        store::calendar::begin_anew(tx, home_id, None).await?;
    }
    Ok(store::calendar::touch_home(tx, home_id).await?)
}

/// Lets who synchronises a calendar begin anew, where its list changes who sees what is private in it.
async fn turned(tx: &Tx, calendar: &Calendar, before: &[Ace], after: &[Ace]) -> Result<()> {
    if acl::discloses(before, after) || acl::discloses(after, before) {
        let inherited = store::ace::of_in(tx, calendar.home_id, 0).await?;
        if acl::turns(before, after, &inherited) {
            store::calendar::begin_anew(tx, calendar.home_id, Some(calendar.id)).await?;
        }
    }
    Ok(())
}

/// Lets nobody come, and nobody share anything, until the transaction ends: so who comes with an address finds what it is invited
/// to, and who shares with a group meets all who are in it. It is taken before any calendar is.
pub async fn alone(tx: &Tx) -> Result<()> {
    Ok(store::principal::one_at_a_time(tx).await?)
}

/// Does what is planned, and tells those whom it concerns, where they are asked.
async fn carry_out(cx: &Cx, tx: &Tx, calendar: &Calendar, before: &Before, plan: &Plan) -> Result<()> {
    if plan.relisted {
        store::ace::set(tx, calendar.home_id, calendar.id, &plan.aces).await?;
    }
    let first = first(&cx.settings);
    invite::change(tx, calendar, &plan.guests, &plan.gone, first.answer).await?;
    let (mut people, mut groups) = (Vec::new(), Vec::new());
    for who in &plan.changed {
        match who {
            Grantee::Principal(id, _) => people.push(*id),
            Grantee::Group(name) => groups.push(name.as_str()),
            Grantee::Authenticated | Grantee::All | Grantee::Owner => {}
        }
    }
    invite::settle(tx, calendar, first, (&people, &groups)).await?;
    if plan.relisted {
        turned(tx, calendar, &before.aces, &plan.aces).await?;
    }
    note::changes(cx, tx, calendar, &before.invites).await
}

/// What an invite is answered with before anybody has.
#[must_use]
pub fn first(settings: &Settings) -> First {
    let answer = match settings.sharing.accept {
        Accept::Automatic => Answer::Accepted,
        Accept::Invitation => Answer::None,
    };
    First {
        answer,
        most: Some(settings.sharing.max_automatic).filter(|most| *most > 0).map_or(i64::MAX, i64::from),
    }
}

/// Who answers an invite is not asked again, whatever they have.
#[must_use]
pub fn answered(settings: &Settings) -> First {
    First { most: i64::MAX, ..first(settings) }
}

/// The answer without a body, which is nobody's to keep.
fn done(status: Status) -> Response {
    Response::new(status).with(header::CACHE_CONTROL, "no-cache").with(header::CONTENT_LENGTH, "0")
}
