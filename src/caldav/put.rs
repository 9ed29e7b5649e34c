//! PUT of a calendar object (RFC 4791 §5.3.2): load, decide, write, top to bottom.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use crate::{
    config::Settings,
    dav::{
        Cx, Given, Refusal, Result, Target, access,
        condition::{
            MAX_ATTENDEES_PER_INSTANCE, MAX_INSTANCES, MAX_RESOURCE_SIZE, MAX_RESOURCES, NO_UID_CONFLICT,
            SUPPORTED_CALENDAR_COMPONENT, SUPPORTED_RSCALE, VALID_CALENDAR_DATA,
            VALID_CALENDAR_OBJECT_RESOURCE,
        },
        facts,
        guard::{Now, Touch},
        header::Prefer,
        locks,
    },
    db::Tx,
    front::{HeaderMap, HeaderName, Response, Status, header},
    ical::{self, Budget, Fault, Limits},
    model::{Component, Components, Index, Kind, Privilege},
    store::{
        self, Calendar, Put,
        object::{self, Before},
    },
};

use super::{
    form::Form,
    get::{VARY, quoted, weak},
    timezones::Timezones,
};

/// Stores the octets as they came, if they are a calendar object that the calendar takes.
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let Target::Object(user, collection, name) = &cx.located.target else {
        return Err(Refusal::not_found().into());
    };
    let guard = locks::guard(&cx).await?;
    let form = content_type(&cx.headers)?;
    let put = understood(&cx.settings, name, form, given)?;
    let owner = facts::home_owner(&cx, Privilege::Bind).await?;
    let rights = cx.viewer.rights(owner.id);
    let put = &put;
    let made = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            let calendar =
                store::calendar::lock(&tx, owner.id, collection).await?.ok_or_else(no_collection)?;
            let before = object::before_put(&tx, &calendar, name, &put.uid).await?;
            let needed = if before.object.is_some() { Privilege::WriteContent } else { Privilege::Bind };
            access::need(rights, needed, || cx.located.own_href())?;
            let there = before.object.as_ref().map(|(object, _)| object);
            let locks = store::lock::of_in(&tx, &calendar).await?;
            let touched = [Touch::Member(name), Touch::Calendar];
            let new = there.is_none() && !locks.iter().any(|lock| lock.reserves(name));
            guard.permits(
                &Now { calendar: &calendar, object: there, locks: &locks },
                &touched[..=usize::from(new)],
            )?;
            fits(&cx, &calendar, Components::default().with(put.component))?;
            no_uid_conflict(&before, put, |name| {
                cx.href(&Target::Object(user.clone(), collection.clone(), name.to_owned()))
            })?;
            if before.object.is_none() {
                room(&cx, &tx, &calendar).await?;
            }
            object::put(&tx, &calendar, put, &before).await?;
            Ok::<_, crate::dav::Error>(before.object.is_none())
        })
        .await?;
    Ok(answer(&cx, put, form, made))
}

/// The object that the octets are, with its place in the index; nothing of this needs the database.
pub(super) fn understood(settings: &Settings, name: &str, form: Form, given: Given) -> Result<Put> {
    let limits = &settings.calendar;
    let refused = |fault: Fault| {
        let condition = match &fault {
            Fault::Data(_) => VALID_CALENDAR_DATA,
            Fault::Resource(_) => VALID_CALENDAR_OBJECT_RESOURCE,
            Fault::Component(..) => SUPPORTED_CALENDAR_COMPONENT,
            Fault::Instances(..) => MAX_INSTANCES,
            Fault::Rscale(_) => SUPPORTED_RSCALE,
            Fault::Attendees(..) => MAX_ATTENDEES_PER_INSTANCE,
        };
        condition.because(fault.to_string())
    };
    let calendar = form.read(given.bytes)?;
    if calendar.bytes().len() > limits.max_resource_size.0 {
        return Err(MAX_RESOURCE_SIZE.because("as iCalendar it is too long").into());
    }
    let most =
        Limits { max_instances: limits.max_instances as usize, max_attendees: limits.max_attendees as usize };
    let about = ical::object(&calendar, &most).map_err(refused)?;
    if about.uid.len() > LONGEST_UID {
        let why = format!("a UID has at most {LONGEST_UID} octets");
        return Err(VALID_CALENDAR_OBJECT_RESOURCE.because(why).into());
    }
    let index = ical::index(&calendar, horizon(settings), MAX_ROWS, &Budget::new(PER_OBJECT));
    let body = calendar.bytes().clone();
    Ok(Put {
        name: name.to_owned(),
        uid: about.uid,
        component: about.component,
        etag: etag(&body),
        times: fingerprint(&index),
        index,
        body,
    })
}

/// Octets of a UID: the index that keeps it unique takes no longer ones. RFC 7986 §5.3 makes them of 255 at most.
const LONGEST_UID: usize = 1024;
/// What indexing one object may cost, in units of [`Budget`]; beyond it the index ends early, which is no fault.
const PER_OBJECT: u64 = 200_000;
/// Rows that one object may have in the index.
const MAX_ROWS: usize = 1000;
const DAY: i64 = 86_400;

/// The second up to which recurrences are indexed. It moves in steps of a month, so that an object that is stored again
/// with the same times has the same rows.
fn horizon(settings: &Settings) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed());
    let month = 30 * DAY;
    now - now % month + month + i64::from(settings.calendar.horizon_days) * DAY
}

/// The entity tag of octets: the same octets have the same tag, wherever they lie.
fn etag(body: &[u8]) -> String {
    Sha256::digest(body)[..16].iter().fold(String::with_capacity(32), |mut tag, octet| {
        for nibble in [octet >> 4, octet & 15] {
            tag.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        tag
    })
}

fn fingerprint(index: &Index) -> i64 {
    let mut hash = Sha256::new();
    for instance in &index.instances {
        hash.update(instance.starts.to_be_bytes());
        hash.update(instance.ends.to_be_bytes());
        hash.update([u8::from(instance.floating), instance.busy.code().to_be_bytes()[1]]);
    }
    hash.update(index.tail.unwrap_or(i64::MAX).to_be_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(first)
}

/// The form of what is sent.
fn content_type(headers: &HeaderMap) -> std::result::Result<Form, Refusal> {
    // A part of a resource is not the resource (RFC 9110 §14.5).
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Refusal::bad_request("Content-Range is not for PUT"));
    }
    // What is stored is what GET gives, and that says nothing of a coding.
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let why = "send the object without Content-Encoding";
        return Err(Refusal::plain(Status::UNSUPPORTED_MEDIA_TYPE, why));
    }
    Form::given(headers)
}

/// RFC 4918 §9.7.1: no collection comes into being on the way.
pub(super) fn no_collection() -> Refusal {
    Refusal::plain(Status::CONFLICT, "there is no such calendar")
}

pub(super) fn fits(cx: &Cx, calendar: &Calendar, component: Components) -> std::result::Result<(), Refusal> {
    if calendar.kind != Kind::Calendar {
        return Err(Refusal::need(cx.located.own_href(), Privilege::Bind));
    }
    let lacking: Vec<&str> =
        component.iter().filter(|kind| !calendar.components.has(*kind)).map(Component::name).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = calendar.components.iter().map(Component::name).collect();
    let why = format!("this calendar takes {} and no {}", kinds.join(", "), lacking.join(", "));
    Err(SUPPORTED_CALENDAR_COMPONENT.because(why))
}

/// RFC 4791 §5.3.2.1: a UID is one object's, and an object keeps the one it has.
fn no_uid_conflict(
    before: &Before,
    put: &Put,
    href: impl Fn(&str) -> String,
) -> std::result::Result<(), Refusal> {
    if let Some(twin) = &before.twin {
        return Err(NO_UID_CONFLICT.at(href(twin)));
    }
    match &before.object {
        Some((object, _)) if object.uid != put.uid => Err(NO_UID_CONFLICT.at(href(&object.name))),
        _ => Ok(()),
    }
}

pub(super) async fn room(cx: &Cx, tx: &Tx, calendar: &Calendar) -> Result<()> {
    let most = i64::from(cx.settings.calendar.max_resources);
    if most > 0 && object::count(tx, calendar).await? >= most {
        return Err(MAX_RESOURCES.into());
    }
    Ok(())
}

/// The object in the form that the client takes, for one that asked for it.
fn representation(cx: &Cx, put: &Put, made: bool) -> Response {
    let changed = Timezones::of(&cx.headers).change(&put.body);
    let body = changed.as_ref().unwrap_or(&put.body);
    let mut wanted = Form::accepted(&cx.headers).into_iter();
    let given = wanted.find_map(|form| Some((form, form.write(body)?)));
    let (form, body) = given.unwrap_or_else(|| (Form::Ical, body.clone()));
    let tag = form.tag(&put.etag);
    Response::new(if made { Status::CREATED } else { Status::OK })
        .with(header::ETAG, if changed.is_some() { weak(&tag) } else { quoted(&tag) })
        .with(header::VARY, VARY)
        .with(HeaderName::from_static("preference-applied"), "return=representation")
        .with(header::CONTENT_LOCATION, cx.located.own_href())
        .body(form.content_type(), body)
}

fn answer(cx: &Cx, put: &Put, form: Form, made: bool) -> Response {
    if Prefer::of(&cx.headers).representation {
        return representation(cx, put, made);
    }
    let answer = Response::new(if made { Status::CREATED } else { Status::NO_CONTENT });
    // RFC 4791 §5.3.4: a tag would say that what is stored is what was sent.
    let answer = if form == Form::Ical { answer.with(header::ETAG, quoted(&put.etag)) } else { answer };
    // Some clients look nowhere else for the name of what they made.
    let canonical = cx.located.own_href();
    let elsewhere = made && cx.path != canonical;
    cx.named(if elsewhere { answer.with(header::LOCATION, canonical) } else { answer })
}
