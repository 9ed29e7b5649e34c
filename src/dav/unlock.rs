//! UNLOCK: gives a lock back (RFC 4918 §9.11).

use std::sync::Arc;

use crate::{
    db::Tx,
    front::{HeaderMap, Response, Status},
    model::Privilege,
    store,
};

use super::{
    Cx, Error, Given, Refusal, Result, access, condition::LOCK_TOKEN_MATCHES_REQUEST_URI, guard::Now,
    if_header::coded, lock::Place, locks,
};

/// Who may do one of these in a calendar may know what is there.
const TOUCHED: [Privilege; 4] =
    [Privilege::Unlock, Privilege::WriteContent, Privilege::Bind, Privilege::Read];

/// Removes the lock of the Lock-Token header, for whoever took it and for who may remove those of others (RFC 3744 §3.5).
pub async fn run(cx: Arc<Cx>, _: Given) -> Result<Response> {
    let token = token(&cx.headers).ok_or_else(|| {
        Refusal::bad_request("an UNLOCK has one header Lock-Token, with a token as <urn:uuid:…>")
    })?;
    let guard = locks::guard(&cx).await?;
    let place = Place::of(&cx).await?;
    let (place, guard) = (&place, &guard);
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            let calendar = place.calendar(&cx, &tx, &TOUCHED).await?.ok_or_else(Refusal::not_found)?;
            let object = place.object(&cx, &tx, &calendar).await?;
            let locks = store::lock::of_in(&tx, &calendar).await?;
            guard.expects(&Now { calendar: &calendar, object: object.as_ref(), locks: &locks })?;
            let member = place.member.as_deref();
            let lock = locks.iter().find(|lock| lock.urn() == token && lock.covers(member));
            let lock = lock.ok_or(LOCK_TOKEN_MATCHES_REQUEST_URI)?;
            if lock.principal_id != cx.viewer.principal.id {
                access::need(calendar.rights, Privilege::Unlock, || cx.located.own_href())?;
            }
            store::lock::release(&tx, &calendar, lock).await?;
            Ok::<_, Error>(())
        })
        .await?;
    Ok(Response::new(Status::NO_CONTENT))
}

/// The token of the Lock-Token header (RFC 4918 §10.5).
fn token(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("lock-token").iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    let (token, after) = coded(value.trim().strip_prefix('<')?)?;
    after.is_empty().then(|| token.to_owned())
}
