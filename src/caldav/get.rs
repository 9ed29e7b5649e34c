//! GET and HEAD: an object octet for octet or in the form that is asked for, a calendar as one object (RFC 4791 §5, RFC 9110 §9.3.1).

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    dav::{
        Cx, Given, Refusal, Result, Target, error::XML, facts, header::http_date, locks, prop::Needs, seen,
        stream,
    },
    front::{HeaderName, Response, Status, Verdict, header},
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
        other if other.kind() == Kind::Notification => as_it_lies(&cx, XML).await,
        other if other.kind().is_deleted() => as_it_lies(&cx, Form::Ical.content_type()).await,
        Target::Object(_, collection, name) => object(&cx, collection, name).await,
        other if other.kind() == Kind::FreeBusy => freebusy::run(&cx).await,
        _ => collection(&cx).await,
    }
}

/// An object as it is shown to a client.
struct Shown {
    object: Object,
    form: Form,
    body: Bytes,
    /// The tag of this form, without quotes.
    tag: String,
    /// Whether the body is what the tag is of, octet for octet.
    exact: bool,
}

/// What the viewer may read of that name, in the form that the client likes best; none where there is no object.
async fn load(cx: &Cx, collection: &str, name: &str) -> Result<Option<Shown>> {
    let Some(user) = cx.located.target.user() else { return Ok(None) };
    let owner = facts::owner(cx, user).await?;
    let found = store::object::by_path(&cx.pool, &cx.viewer, owner.id, (collection, name)).await?;
    let found = found.filter(|found| found.rights.has(Privilege::Read)).and_then(|found| {
        seen::through(cx, seen::lens(cx, found.home_id, found.rights), found.object, &found.beside)
    });
    let Some(object) = found else {
        // Who may not read the calendar is not told whether the object is there.
        facts::collection(cx, Privilege::Read).await?;
        return Ok(None);
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
    Ok(Some(Shown { object, form, body, tag, exact: changed.is_none() }))
}

/// The object as it is, for one who wanted to change it from another state and to be told (RFC 8144 §3.2).
pub async fn as_it_is(cx: &Cx) -> Result<Response> {
    let Target::Object(_, collection, name) = &cx.located.target else {
        return Err(Refusal::not_found().into());
    };
    let shown = load(cx, collection, name).await?.ok_or_else(Refusal::not_found)?;
    let answer = Response::new(Status::PRECONDITION_FAILED)
        .with(header::CONTENT_LOCATION, cx.located.own_href())
        .with(HeaderName::from_static("preference-applied"), "return=representation")
        .with(header::VARY, "Prefer");
    Ok(shown.validators(answer).body(shown.form.content_type(), shown.body))
}

async fn object(cx: &Cx, collection: &str, name: &str) -> Result<Response> {
    let Some(shown) = load(cx, collection, name).await? else {
        // Only a lock may reserve the name: then it is there, and empty (RFC 4918 §9.10.4).
        facts::of_target(cx, Needs::LOCKS).await?;
        return Ok(private(Response::new(Status::NO_CONTENT)));
    };
    match locks::guard(cx).await?.verdict(Some(&shown.tag), Some(shown.object.modified), true) {
        Verdict::Failed => {
            Err(Refusal::plain(Status::PRECONDITION_FAILED, "the resource has changed").into())
        }
        Verdict::NotModified => Ok(shown.validators(Response::new(Status::NOT_MODIFIED))),
        Verdict::Proceed => {
            let answer = shown.validators(Response::new(Status::OK));
            // What is made for the answer may be made otherwise by the next version of the server.
            let stored = shown.form == Form::Ical && shown.exact;
            let answer = if stored { answer.with(header::ACCEPT_RANGES, "bytes") } else { answer };
            Ok(answer.body(shown.form.content_type(), shown.body))
        }
    }
}

/// What nobody changes, as it lies there: it has one form.
async fn as_it_lies(cx: &Cx, content_type: &'static str) -> Result<Response> {
    let object = facts::of_target(cx, Needs::BODY).await?.object.ok_or_else(Refusal::not_found)?;
    let dated = http_date(object.modified);
    let answer = |status| {
        let tagged = private(Response::new(status)).with(header::ETAG, quoted(&object.etag));
        dated.iter().fold(tagged, |answer, date| answer.with(header::LAST_MODIFIED, date))
    };
    match locks::guard(cx).await?.verdict(Some(&object.etag), Some(object.modified), true) {
        Verdict::Failed => {
            Err(Refusal::plain(Status::PRECONDITION_FAILED, "what is there is another").into())
        }
        Verdict::NotModified => Ok(answer(Status::NOT_MODIFIED)),
        Verdict::Proceed => Ok(answer(Status::OK).body(content_type, object.body.unwrap_or_default())),
    }
}

impl Shown {
    /// Adds what tells one state of the object, in one form, from another.
    fn validators(&self, response: Response) -> Response {
        // The tag of other octets still serves to write over them, or not to read again.
        let not_modified = response.status == Status::NOT_MODIFIED;
        let tag = if self.exact || not_modified { quoted(&self.tag) } else { weak(&self.tag) };
        let answer = private(response).with(header::ETAG, tag).with(header::VARY, VARY);
        match http_date(self.object.modified) {
            Some(date) => answer.with(header::LAST_MODIFIED, date),
            None => answer,
        }
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
    if calendar.kind == Kind::Subscribed {
        let why = "what is subscribed to lies elsewhere";
        return Err(Refusal::plain(Status::METHOD_NOT_ALLOWED, why).into());
    }
    // What somebody else shares is not for its sharees to show.
    if export.is_for_others() && calendar.home_id != cx.viewer.principal.id {
        return Err(Refusal::not_found().into());
    }
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
