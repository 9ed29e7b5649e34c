//! What sharees answer: CS:invite-reply to their own home (caldav-sharing §5.4).

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    dav::{Cx, Error, Refusal, Result, Target, error::XML},
    db::Tx,
    front::{Response, Status, header},
    store::{self, Answer, Principal, invite},
    xml::{Element, Name, Writer},
};

use super::{alone, answered, done, note};

/// Whether a body is such an answer.
#[must_use]
pub fn is_reply(root: &Element) -> bool {
    root.is(Name::cs("invite-reply"))
}

/// Accepts or declines an invite of the owner of a home; who accepts is told where the calendar is now.
pub async fn reply(cx: &Cx, owner: &Principal, root: &Element) -> Result<Response> {
    let (uid, answer) = read(root)?;
    let name = cx
        .pool
        .transaction(async |tx: Arc<Tx>| accept_or_decline(cx, &tx, owner.id, uid, answer).await)
        .await?;
    let Some(name) = name else { return Ok(done(Status::NO_CONTENT)) };
    let mut w = Writer::new(Name::cs("shared-as"));
    w.element(Name::dav("href"), &cx.href(&Target::Collection(owner.name.clone(), name)));
    Ok(Response::new(Status::OK).with(header::CACHE_CONTROL, "no-cache").body(XML, w.finish()))
}

async fn accept_or_decline(cx: &Cx, tx: &Tx, who: i64, uid: Uuid, answer: Answer) -> Result<Option<String>> {
    alone(tx).await?;
    let no_invite = || Refusal::plain(Status::NOT_FOUND, "there is no such invitation");
    let place = invite::place(tx, who, uid).await?.ok_or_else(no_invite)?;
    let calendar = store::calendar::lock(tx, &cx.viewer, place.home_id, &place.name).await?;
    let calendar = calendar.filter(|calendar| calendar.id == place.calendar_id).ok_or_else(no_invite)?;
    if invite::answer(tx, &calendar, who, answer).await? {
        invite::settle(tx, &calendar, answered(&cx.settings), (&[], &[])).await?;
        store::notification::remove(tx, who, &format!("{uid}.xml")).await?;
        note::answered(cx, tx, &calendar, who).await?;
    }
    let name = invite::name_in(tx, who, &calendar).await?;
    Ok::<_, Error>(name.filter(|_| answer == Answer::Accepted))
}

/// Which invite it is about, and whether it is accepted.
fn read(root: &Element) -> Result<(Uuid, Answer), Refusal> {
    let says = |local| root.child(Name::cs(local)).is_some();
    let answer = match (says("invite-accepted"), says("invite-declined")) {
        (true, false) => Answer::Accepted,
        (false, true) => Answer::Declined,
        _ => return Err(Refusal::bad_request("a CS:invite-reply accepts or declines")),
    };
    let uid = root.child(Name::cs("in-reply-to")).map_or("", |element| element.text().trim());
    let uid =
        uid.parse().map_err(|_| Refusal::bad_request("CS:in-reply-to is the CS:uid of an invitation"))?;
    Ok((uid, answer))
}
