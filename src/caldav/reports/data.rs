//! C:calendar-data: what of an object a report gives (RFC 4791 §9.6).

use std::{
    str::from_utf8,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;

use crate::{
    dav::{
        Cx, Refusal, Result,
        ask::{MOST_NAMES, elements},
        condition::{MAX_INSTANCES, SUPPORTED_CALENDAR_DATA},
        facts,
        multistatus::Render,
        prop::Facts,
    },
    front::Status,
    ical::{self, Budget, Calendar, CompSelection, PropSelection, Recurrence, Selection, Zone},
    model::Privilege,
    xml::{Element, Name, Writer},
};

use super::{
    super::{
        form::{Form, VERSION},
        timezones::Timezones,
    },
    range,
};

const DATA: Name = Name::cal("calendar-data");

/// How the report in `root` renders C:calendar-data; `None` where it does not ask for it.
pub async fn rendering(cx: &Cx, root: &Element) -> Result<Option<Box<Render>>> {
    let Some(asked) = root.child(Name::dav("prop")).and_then(|prop| prop.child(DATA)) else {
        return Ok(None);
    };
    let form = form(asked)?;
    let selection = selection(asked)?;
    let zones = Timezones::of(&cx.headers);
    if selection.is_whole() {
        return Ok(Some(match form {
            Form::Ical => Box::new(move |facts, w| Ok(whole(facts, zones, w).is_some())),
            form => Box::new(move |facts, w| {
                Ok(body(facts, zones).and_then(|body| written(form, &body, w)).is_some())
            }),
        }));
    }
    let calendar = facts::collection(cx, Privilege::Read).await?;
    let zone = range::zone(cx, root, &calendar).await?;
    let budget = Mutex::new(Budget::new(super::BUDGET));
    Ok(Some(Box::new(move |facts, w| {
        let Some(body) = body(facts, zones) else { return Ok(false) };
        let Some(part) = selected(body, &selection, &zone, &budget)? else { return Ok(false) };
        if form == Form::Ical {
            w.inside(DATA, |w| w.lines(&part));
            return Ok(true);
        }
        Ok(written(form, &part.into(), w).is_some())
    })))
}

/// The octets of an object, with the definitions of time zones that the client wants.
fn body(facts: &Facts, zones: Timezones) -> Option<Bytes> {
    let body = facts.object.as_ref()?.body.as_ref()?;
    Some(zones.change(body).unwrap_or_else(|| body.clone()))
}

/// The octets as they lie there: they were checked when they came.
fn whole(facts: &Facts, zones: Timezones, w: &mut Writer) -> Option<()> {
    let body = body(facts, zones)?;
    if let Ok(text) = from_utf8(&body) {
        // The mark of the encoding is for files.
        w.inside(DATA, |w| w.lines(text.trim_start_matches('\u{feff}')));
    } else {
        // A line may be folded in the middle of a character.
        let calendar = Calendar::parse(body).ok()?;
        w.inside(DATA, |w| w.lines(&calendar.text()));
    }
    Some(())
}

/// Octets in another form than they are kept in, which the element says then (RFC 4791 §9.6).
fn written(form: Form, body: &Bytes, w: &mut Writer) -> Option<()> {
    let octets = form.write(body)?;
    w.open_with(DATA, &[("content-type", form.media()), ("version", VERSION)]);
    w.text(from_utf8(&octets).ok()?);
    w.close(DATA);
    Some(())
}

fn selected(
    body: Bytes,
    selection: &Selection,
    zone: &Zone,
    budget: &Mutex<Budget>,
) -> Result<Option<String>, Refusal> {
    // What cannot be read any more is not there.
    let Ok(calendar) = Calendar::parse(body) else { return Ok(None) };
    let budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Some(ical::select(&calendar, selection, zone, &budget).map_err(|_| MAX_INSTANCES)?))
}

fn form(asked: &Element) -> Result<Form, Refusal> {
    let form = asked.attribute("content-type").map_or(Some(Form::Ical), Form::of_type);
    let known = form.filter(|_| asked.attribute("version").is_none_or(|version| version == VERSION));
    known.ok_or_else(|| SUPPORTED_CALENDAR_DATA.into())
}

fn selection(asked: &Element) -> Result<Selection, Refusal> {
    if elements(asked) > MOST_NAMES {
        return Err(Refusal::plain(Status::PAYLOAD_TOO_LARGE, "too many parts at once"));
    }
    let one = |local| asked.child(Name::cal(local));
    let recurrence = match (one("expand"), one("limit-recurrence-set")) {
        (Some(_), Some(_)) => {
            return Err(Refusal::bad_request("C:expand and C:limit-recurrence-set exclude each other"));
        }
        (Some(expand), None) => Some(Recurrence::Expand(range::window(expand)?)),
        (None, Some(limit)) => Some(Recurrence::Limit(range::window(limit)?)),
        (None, None) => None,
    };
    Ok(Selection {
        comp: one("comp").map(component),
        recurrence,
        freebusy: one("limit-freebusy-set").map(range::window).transpose()?,
    })
}

/// RFC 4791 §9.6.1; an empty C:comp is the whole component (§7.8.1). The depth of the XML bounds the recursion.
fn component(comp: &Element) -> CompSelection {
    let name = |e: &Element| e.attribute("name").unwrap_or_default().to_owned();
    let all = |local| comp.child(Name::cal(local)).is_some() || comp.children().next().is_none();
    let prop = |p: &Element| PropSelection { name: name(p), novalue: p.attribute("novalue") == Some("yes") };
    CompSelection {
        name: name(comp),
        props: (!all("allprop")).then(|| comp.all(Name::cal("prop")).map(prop).collect()),
        comps: (!all("allcomp")).then(|| comp.all(Name::cal("comp")).map(component).collect()),
    }
}
