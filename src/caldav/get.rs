//! GET and HEAD: an object octet for octet or in the form that is asked for, a calendar as one iCalendar stream (RFC 4791 §5, RFC 9110 §9.3.1).

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    dav::{
        Cx, Given, Refusal, Result, Target, facts,
        guard::Guard,
        prop::Needs,
        stream::{self, Growing},
    },
    db::Row,
    front::{Response, Status, Verdict, header},
    ical::{Calendar, Merge},
    model::Privilege,
    store::{self, Object, object::Which},
    xml::parse,
};

use super::form::{Form, not_acceptable};

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
    let body = object.body.clone().unwrap_or_default();
    let made = Form::accepted(&cx.headers).into_iter().find_map(|form| Some((form, form.write(&body)?)));
    let (form, body) = made.ok_or_else(not_acceptable)?;
    match Guard::of(cx)?.verdict(Some(&form.tag(&object.etag)), Some(object.modified), true) {
        Verdict::Failed => {
            Err(Refusal::plain(Status::PRECONDITION_FAILED, "the resource has changed").into())
        }
        Verdict::NotModified => Ok(validators(Response::new(Status::NOT_MODIFIED), &object, form)),
        Verdict::Proceed => {
            Ok(validators(Response::new(Status::OK), &object, form).body(form.content_type(), body))
        }
    }
}

/// Adds what tells one state of an object, in one form, from another.
fn validators(response: Response, object: &Object, form: Form) -> Response {
    private(response)
        .with(header::ETAG, quoted(&form.tag(&object.etag)))
        .with(header::LAST_MODIFIED, httpdate::fmt_http_date(object.modified))
        .with(header::VARY, "Accept")
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

async fn collection(cx: &Cx) -> Result<Response> {
    let facts = facts::of_target(cx, Needs::STORED).await?;
    let calendar = facts.calendar.as_ref().ok_or_else(Refusal::not_found)?;
    let tag = calendar.tag();
    let answer = |status| private(Response::new(status)).with(header::ETAG, format!("W/{}", quoted(&tag)));
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
    stream::answer(answer(Status::OK), Form::Ical.content_type(), Whole(merge), rows).await
}

/// The objects of a calendar as one iCalendar stream.
struct Whole(Merge);

impl Growing for Whole {
    fn row(&mut self, row: &Row) -> Result<()> {
        let object = store::object::read_whole(row)?;
        // What was taken in can be read; should it not be, the rest of the calendar still can.
        if let Ok(object) = Calendar::parse(object.body.unwrap_or_default()) {
            self.0.add(&object);
        }
        Ok(())
    }

    fn written(&self) -> usize {
        self.0.len()
    }

    fn take(&mut self) -> Bytes {
        self.0.take().into()
    }

    fn finish(self) -> Result<Bytes> {
        Ok(self.0.finish().into())
    }
}
