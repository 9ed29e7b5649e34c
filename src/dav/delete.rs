//! DELETE of objects and collections (RFC 4918 §9.6).

use std::sync::Arc;

use crate::{
    db::Tx,
    front::{Response, Status},
    model::{Kind, Privilege},
    store::{self, object},
};

use super::{Cx, Error, Given, Refusal, Result, Target, facts, guard::Guard};

/// Deletes what the URL names; a deleted object leaves a tombstone, a deleted calendar nothing.
pub async fn run(cx: Arc<Cx>, _: Given) -> Result<Response> {
    let guard = Guard::of(&cx)?;
    let owner = facts::home_owner(&cx, Privilege::Unbind).await?;
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            let (Target::Collection(_, collection) | Target::Object(_, collection, _)) = &cx.located.target
            else {
                return Err(Refusal::not_found().into());
            };
            let calendar =
                store::calendar::lock(&tx, owner.id, collection).await?.ok_or_else(Refusal::not_found)?;
            let Target::Object(.., name) = &cx.located.target else {
                guard.unchanged(Some(&calendar.tag()), Some(calendar.modified))?;
                return collection_gone(&tx, &calendar).await;
            };
            let before = object::before_put(&tx, &calendar, name, "").await?;
            let (object, _) = before.object.ok_or_else(Refusal::not_found)?;
            guard.unchanged(Some(&object.etag), Some(object.modified))?;
            Ok(object::delete(&tx, &calendar, object.id).await?)
        })
        .await?;
    Ok(Response::new(Status::NO_CONTENT))
}

async fn collection_gone(tx: &Tx, calendar: &store::Calendar) -> std::result::Result<(), Error> {
    if calendar.kind != Kind::Calendar {
        let why = "the scheduling and notification collections stay";
        return Err(Refusal::plain(Status::FORBIDDEN, why).into());
    }
    Ok(store::calendar::delete(tx, calendar).await?)
}
