//! DELETE of objects and collections (RFC 4918 §9.6).

use std::sync::Arc;

use crate::{
    db::Tx,
    front::{Conditions, Response, Status, Verdict},
    model::{Kind, Privilege},
    store::{self, object},
};

use super::{Cx, Error, Given, Refusal, Result, Target, access, facts};

/// Deletes what the URL names; a deleted object leaves a tombstone, a deleted calendar nothing.
pub async fn run(cx: Arc<Cx>, _: Given) -> Result<Response> {
    let conditions = conditions(&cx)?;
    let owner = facts::home_owner(&cx, Privilege::Read).await?;
    let rights = cx.viewer.rights(owner.id);
    access::need(rights, Privilege::Unbind, || cx.located.own_href())?;
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            let (Target::Collection(_, collection) | Target::Object(_, collection, _)) = &cx.located.target
            else {
                return Err(Refusal::not_found().into());
            };
            let calendar =
                store::calendar::lock(&tx, owner.id, collection).await?.ok_or_else(Refusal::not_found)?;
            let Target::Object(.., name) = &cx.located.target else {
                return collection_gone(&tx, &calendar).await;
            };
            let before = object::before_put(&tx, &calendar, name, "").await?;
            let (object, _) = before.object.ok_or_else(Refusal::not_found)?;
            if conditions.check(Some(&object.etag), Some(object.modified), false) != Verdict::Proceed {
                return Err(Refusal::plain(Status::PRECONDITION_FAILED, "the resource has changed").into());
            }
            Ok(object::delete(&tx, &calendar, object.id).await?)
        })
        .await?;
    Ok(Response::new(Status::NO_CONTENT))
}

/// The conditional headers of the request.
pub fn conditions(cx: &Cx) -> Result<Conditions> {
    Conditions::parse(&cx.headers)
        .map_err(|fault| Refusal::bad_request(format!("the header {} cannot be read", fault.0)).into())
}

async fn collection_gone(tx: &Tx, calendar: &store::Calendar) -> std::result::Result<(), Error> {
    if calendar.kind != Kind::Calendar {
        let why = "the scheduling and notification collections stay";
        return Err(Refusal::plain(Status::FORBIDDEN, why).into());
    }
    Ok(store::calendar::delete(tx, calendar).await?)
}
