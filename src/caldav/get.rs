//! GET and HEAD: an object octet for octet or in the form that is asked for, a calendar as one object (RFC 4791 §5, RFC 9110 §9.3.1).

use std::sync::Arc;

use crate::{
    dav::{Cx, Given, Refusal, Result, Target, facts, header::http_date, locks, prop::Needs, stream},
    front::{Response, Status, Verdict, header},
    model::{Kind, Privilege},
    store::{self, Object},
};

use super::{
    export::{Export, Look},
    form::{Form, not_acceptable},
    freebusy, quarantine,
    timezones::Timezones,
};

/// What of a request the octets of calendar data depend on, beside the URL.
pub const VARY: &str = "Accept, CalDAV-Timezones";

/// The content of what the URL names.
pub async fn run(cx: Arc<Cx>, _: Given) -> Result<Response> {
    match &cx.located.target {
        Target::Object(_, collection, name) => object(&cx, collection, name).await,
        other if other.kind() == Kind::FreeBusy => freebusy::run(&cx).await,
        _ => collection(&cx).await,
    }
}

async fn object(cx: &Cx, collection: &str, name: &str) -> Result<Response> {
    let owner = facts::home_owner(cx, Privilege::Read).await?;
    let found = store::object::by_path(&cx.pool, owner.id, collection, name).await?;
    let Some(object) = found else {
        // Only a lock may reserve the name: then it is there, and empty (RFC 4918 §9.10.4).
        facts::of_target(cx, Needs::LOCKS).await?;
        return Ok(private(Response::new(Status::NO_CONTENT)));
    };
    let stored = object.body.clone().unwrap_or_default();
    let changed = Timezones::of(&cx.headers).change(&stored);
    let body = changed.as_ref().unwrap_or(&stored);
    let made = Form::accepted(&cx.headers).into_iter().find_map(|form| Some((form, form.write(body)?)));
    let (form, body) = made.ok_or_else(|| match quarantine::read(&object) {
        Err(why) => Refusal::plain(Status::NOT_ACCEPTABLE, quarantine::unreadable(why)),
        Ok(_) => not_acceptable(),
    })?;
    let tag = form.tag(&object.etag);
    match locks::guard(cx).await?.verdict(Some(&tag), Some(object.modified), true) {
        Verdict::Failed => {
            Err(Refusal::plain(Status::PRECONDITION_FAILED, "the resource has changed").into())
        }
        Verdict::NotModified => Ok(validators(Response::new(Status::NOT_MODIFIED), &object, quoted(&tag))),
        Verdict::Proceed => {
            // Not the octets that this tag is of; it still serves to write over them, or not to read again.
            let shown = if changed.is_some() { weak(&tag) } else { quoted(&tag) };
            Ok(validators(Response::new(Status::OK), &object, shown).body(form.content_type(), body))
        }
    }
}

/// Adds what tells one state of an object, in one form, from another.
fn validators(response: Response, object: &Object, tag: String) -> Response {
    let response = private(response).with(header::ETAG, tag).with(header::VARY, VARY);
    match http_date(object.modified) {
        Some(date) => response.with(header::LAST_MODIFIED, date),
        None => response,
    }
}

/// Keeps what is one person's out of caches that others are served from: with Last-Modified alone, a cache before the proxy
/// might guess how long it is fresh (RFC 9111 §3 and §4.2.2).
fn private(response: Response) -> Response {
    response.with(header::CACHE_CONTROL, "private, no-cache")
}

/// An entity tag as headers carry it.
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// The tag of another form of what has that tag.
pub fn weak(etag: &str) -> String {
    format!("W/{}", quoted(etag))
}

async fn collection(cx: &Cx) -> Result<Response> {
    let export = Export::of(&cx.query)?;
    let facts = facts::of_target(cx, Needs::STORED).await?;
    let calendar = facts.calendar.as_ref().ok_or_else(Refusal::not_found)?;
    let form = export.form.or_else(|| Form::accepted(&cx.headers).first().copied());
    let form = form.ok_or_else(not_acceptable)?;
    let look = Look::of(&facts);
    let tag = look.tag(&calendar.tag(), &export, form);
    let answer =
        |status| private(Response::new(status)).with(header::ETAG, weak(&tag)).with(header::VARY, VARY);
    // Last-Modified is not given: the name and the color change without it.
    match locks::guard(cx).await?.verdict(Some(&tag), None, true) {
        Verdict::Failed => {
            return Err(Refusal::plain(Status::PRECONDITION_FAILED, "the calendar has changed").into());
        }
        Verdict::NotModified => return Ok(answer(Status::NOT_MODIFIED)),
        Verdict::Proceed => {}
    }
    let (rows, exporting) = export.rows(cx, calendar, look.merge(form)).await?;
    stream::answer(answer(Status::OK), form.content_type(), exporting, rows).await
}
