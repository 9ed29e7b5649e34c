//! DELETE of objects and collections (RFC 4918 §9.6).

use std::sync::Arc;

use crate::{
    db::Tx,
    front::{Response, Status},
    model::Privilege,
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
                return Err(Error::from(Refusal::not_found()));
            };
            let calendar =
                store::calendar::lock(&tx, owner.id, collection).await?.ok_or_else(Refusal::not_found)?;
            let Target::Object(.., name) = &cx.located.target else {
                guard.unchanged(Some(&calendar.tag()), Some(calendar.modified))?;
                return Ok(store::calendar::delete(&tx, &calendar).await?);
            };
            let object = object::by_name_in(&tx, &calendar, name).await?.ok_or_else(Refusal::not_found)?;
            guard.unchanged(Some(&object.etag), Some(object.modified))?;
            Ok(object::delete(&tx, &calendar, object.id).await?)
        })
        .await?;
    Ok(Response::new(Status::NO_CONTENT))
}
