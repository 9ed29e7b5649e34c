//! GET and HEAD: an object octet for octet, a calendar as one iCalendar stream (RFC 4791 §5, RFC 9110 §9.3.1).

use std::sync::Arc;

use futures_util::StreamExt;

use crate::{
    dav::{Cx, Error, Given, Refusal, Result, Target, facts, guard::Guard, prop::Needs},
    db::{Row, Rows},
    front::{Feeder, Payload, Response, Status, Verdict, header},
    ical::{Calendar, Merge},
    model::Privilege,
    store::{self, Object, object::Which},
    xml::parse,
};

/// The content type of iCalendar.
pub const CALENDAR: &str = "text/calendar; charset=utf-8";

/// The content of what the URL names.
pub async fn run(cx: Arc<Cx>, _: Given) -> Result<Response> {
    match &cx.located.target {
        Target::Object(_, collection, name) => object(&cx, collection, name).await,
        _ => collection(&cx).await,
    }
}

async fn object(cx: &Cx, collection: &str, name: &str) -> Result<Response> {
    let owner = facts::home_owner(cx, Privilege::Read).await?;
    let found = store::object::by_path(&cx.pool, owner.id, collection, name).await?;
    let object = found.ok_or_else(Refusal::not_found)?;
    match Guard::of(cx)?.verdict(Some(&object.etag), Some(object.modified), true) {
        Verdict::Failed => {
            Err(Refusal::plain(Status::PRECONDITION_FAILED, "the resource has changed").into())
        }
        Verdict::NotModified => Ok(validators(Response::new(Status::NOT_MODIFIED), &object)),
        Verdict::Proceed => {
            let body = object.body.clone().unwrap_or_default();
            Ok(validators(Response::new(Status::OK), &object).body(CALENDAR, body))
        }
    }
}

/// Adds what tells one state of an object from another.
pub fn validators(response: Response, object: &Object) -> Response {
    response
        .with(header::ETAG, quoted(&object.etag))
        .with(header::LAST_MODIFIED, httpdate::fmt_http_date(object.modified))
}

/// An entity tag as headers carry it.
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

async fn collection(cx: &Cx) -> Result<Response> {
    let facts = facts::of_target(cx, Needs::STORED).await?;
    let calendar = facts.calendar.as_ref().ok_or_else(Refusal::not_found)?;
    let tag = calendar.tag();
    let answer = |status| Response::new(status).with(header::ETAG, format!("W/{}", quoted(&tag)));
    match Guard::of(cx)?.verdict(Some(&tag), Some(calendar.modified), true) {
        Verdict::Failed => {
            return Err(Refusal::plain(Status::PRECONDITION_FAILED, "the calendar has changed").into());
        }
        Verdict::NotModified => return Ok(answer(Status::NOT_MODIFIED)),
        Verdict::Proceed => {}
    }
    let label = facts.stored.iter().find(|p| p.name.local == "displayname" && p.name.ns == "DAV:");
    let label = label.and_then(|p| parse(p.value.as_bytes()).ok()).map(|e| e.text().to_owned());
    let merge = Merge::new(label.as_deref());
    let rows = store::object::stream(&cx.pool, calendar, Which::All, true).await?;
    stream(answer(Status::OK), merge, rows).await
}

/// Octets after which a piece of a long answer is sent, and pieces that wait for a slow client.
const PIECES: (usize, usize) = (64 << 10, 64);

/// The objects as one iCalendar stream: whole where it is short, else as it grows, cut off where the database fails.
async fn stream(answer: Response, mut merge: Merge, mut rows: Rows<'static>) -> Result<Response> {
    while let Some(row) = rows.next().await {
        add(&mut merge, &row?)?;
        if merge.len() > PIECES.0 {
            let (feeder, feed) = Payload::stream(PIECES.1);
            tokio::spawn(rest(merge, rows, feeder));
            return Ok(answer.stream(CALENDAR, feed));
        }
    }
    Ok(answer.body(CALENDAR, merge.finish()))
}

async fn rest(mut merge: Merge, mut rows: Rows<'static>, feeder: Feeder) {
    loop {
        if merge.len() > PIECES.0 && feeder.send(merge.take().into()).await.is_err() {
            return;
        }
        let step = match rows.next().await {
            Some(row) => row.map_err(Error::from).and_then(|row| add(&mut merge, &row)),
            None => break,
        };
        if let Err(error) = step {
            tracing::error!(?error, "an answer was cut off");
            return;
        }
    }
    if feeder.send(merge.finish().into()).await.is_ok() {
        feeder.finish();
    }
}

fn add(merge: &mut Merge, row: &Row) -> Result<()> {
    let object = store::object::read_whole(row)?;
    // What was taken in can be read; should it not be, the rest of the calendar still can.
    if let Ok(object) = Calendar::parse(object.body.unwrap_or_default()) {
        merge.add(&object);
    }
    Ok(())
}
