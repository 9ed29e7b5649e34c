//! PUT of a calendar object (RFC 4791 §5.3.2): load, decide, write, top to bottom.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    dav::{Cx, Error, Given, Refusal, Result, Target, access, header::Prefer, locks},
    db::Tx,
    front::{HeaderMap, HeaderName, Response, Status, header},
    store::Put,
};

use super::{
    form::Form,
    get::{VARY, as_it_is, quoted, weak},
    storing::{Done, Shelf, Stored, Understood, understood},
    timezones::Timezones,
    told::tell,
};

/// Stores the object that comes, if it is one that the calendar takes.
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    stored(&cx, &cx, given.bytes).await
}

/// Stores octets as the object that `there` is about, and answers of it; the conditions are those of `cx`.
pub async fn stored(cx: &Cx, there: &Cx, octets: Bytes) -> Result<Response> {
    let Target::Object(.., name) = &there.located.target else { return Err(Refusal::not_found().into()) };
    let guard = locks::guard(cx).await?;
    let object = understood(&cx.settings, name, content_type(&cx.headers)?, octets)?;
    let house = &access::household(cx).await?;
    let (guard, sent) = (&guard, &object);
    let stored = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            let shelf = Shelf::lock(cx, &tx, house).await?;
            let stored = shelf.store(sent, guard).await?;
            Ok::<_, Error>((stored, shelf.told()))
        })
        .await;
    match stored {
        Err(Error::Refused(why)) if why.status == Status::PRECONDITION_FAILED => failed(there, why).await,
        done => {
            let (Done { stored, other }, (calendar, told)) = done?;
            tell(cx, &calendar, &told).await;
            Ok(answer(there, other.as_ref().unwrap_or(&object), stored))
        }
    }
}

/// What is there now, for one who wants to know; else that it is not what the request expects.
async fn failed(cx: &Cx, why: Refusal) -> Result<Response> {
    let now = if Prefer::of(&cx.headers).representation { as_it_is(cx).await.ok() } else { None };
    Ok(now.ok_or(why)?)
}

/// The form of what is sent.
pub fn content_type(headers: &HeaderMap) -> Result<Form, Refusal> {
    // A part of a resource is not the resource (RFC 9110 §14.5).
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Refusal::bad_request("Content-Range is not for what is stored"));
    }
    Form::given(headers)
}

/// The object in the form that the client takes, for one that asked for it.
fn representation(cx: &Cx, put: &Put, stored: Stored) -> Response {
    let changed = Timezones::of(&cx.headers).change(&put.body);
    let body = changed.as_ref().unwrap_or(&put.body);
    let mut wanted = Form::accepted(&cx.headers).into_iter();
    let given = wanted.find_map(|form| Some((form, form.write(body)?)));
    let (form, body) = given.unwrap_or_else(|| (Form::Ical, body.clone()));
    let tag = form.tag(&put.etag);
    Response::new(if stored == Stored::Made { Status::CREATED } else { Status::OK })
        .with(header::ETAG, if changed.is_some() { weak(&tag) } else { quoted(&tag) })
        .with(header::VARY, VARY)
        .with(header::VARY, "Prefer")
        .with(HeaderName::from_static("preference-applied"), "return=representation")
        .with(header::CONTENT_LOCATION, cx.located.own_href())
        .body(form.content_type(), body)
}

fn answer(cx: &Cx, object: &Understood, stored: Stored) -> Response {
    let put = &object.put;
    if Prefer::of(&cx.headers).representation {
        return representation(cx, put, stored);
    }
    let made = stored == Stored::Made;
    let answer = Response::new(if made { Status::CREATED } else { Status::NO_CONTENT });
    let answer = Prefer::of(&cx.headers).with_root().told(answer);
    // RFC 4791 §5.3.4: a tag would say that what is stored is what was sent.
    let answer = if object.as_sent { answer.with(header::ETAG, quoted(&put.etag)) } else { answer };
    // Some clients look nowhere else for the name of what they made.
    let canonical = cx.located.own_href();
    let elsewhere = made && cx.path != canonical;
    cx.named(if elsewhere { answer.with(header::LOCATION, canonical) } else { answer })
}
