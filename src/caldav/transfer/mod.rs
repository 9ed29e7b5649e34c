//! COPY and MOVE of objects and calendars (RFC 4918 §9.8 and §9.9, RFC 4791 §5.3.2).

mod calendar;
mod object;

use std::sync::Arc;

use crate::{
    dav::{
        Cx, Given, Refusal, Result, Target,
        condition::{CALENDAR_COLLECTION_LOCATION_OK, NOT_IN_TRASH},
        destination::Destination,
    },
    db::Tx,
    front::{Response, Status, header},
    model::Kind,
    store::{self, Calendar},
};

use super::trash;

/// Whether what is transferred stays where it was, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Copy,
    Move,
}

/// COPY: what the URL names is at the Destination, too.
pub async fn copy(cx: Arc<Cx>, _: Given) -> Result<Response> {
    run(&cx, Way::Copy).await
}

/// MOVE: what the URL names is at the Destination, and no longer here.
pub async fn relocate(cx: Arc<Cx>, _: Given) -> Result<Response> {
    run(&cx, Way::Move).await
}

async fn run(cx: &Cx, way: Way) -> Result<Response> {
    let to = Destination::of(cx)?;
    let ends = (&cx.located.target, &to.located.target);
    if ends.0 == ends.1 {
        return Err(it_is_there().into());
    }
    if to.located.target.kind().is_trash() {
        return Err(NOT_IN_TRASH.because("what is deleted goes there").into());
    }
    let replaced = match ends {
        _ if cx.located.target.kind().is_deleted() => trash::restore(cx, &to).await?,
        (Target::Object(..), Target::Object(..)) => object::transfer(cx, &to, way).await?,
        (Target::Collection(..), Target::Collection(..)) if to.located.target.kind() == Kind::Calendar => {
            calendar::transfer(cx, &to, way).await?
        }
        // RFC 4791 §5.3.2.1: the condition of a MKCALENDAR there.
        (Target::Collection(..), _) => return Err(CALENDAR_COLLECTION_LOCATION_OK.into()),
        _ => return Err(forbidden("an object lies in a calendar").into()),
    };
    if replaced {
        return Ok(Response::new(Status::NO_CONTENT));
    }
    let place = cx.href(&to.located.target);
    Ok(Response::new(Status::CREATED).with(header::LOCATION, place))
}

fn it_is_there() -> Refusal {
    forbidden("it is there already")
}

fn forbidden(why: &str) -> Refusal {
    Refusal::plain(Status::FORBIDDEN, why)
}

/// The collection at either end, which nobody else changes until the transaction ends. Whoever locks two takes them in one
/// order, that of where they are kept and not of what they are called in somebody's home, so that two transfers that cross do
/// not wait for each other.
async fn lock_ends(
    cx: &Cx,
    tx: &Tx,
    from: (i64, &str),
    to: (i64, &str),
) -> Result<(Option<Calendar>, Option<Calendar>)> {
    if from == to {
        let both = store::calendar::lock(tx, &cx.viewer, from.0, from.1).await?;
        return Ok((both.clone(), both));
    }
    store::transfer::hold(tx, [from, to]).await?;
    let left = store::calendar::lock(tx, &cx.viewer, from.0, from.1).await?;
    let met = store::calendar::lock(tx, &cx.viewer, to.0, to.1).await?;
    Ok((left, met))
}
