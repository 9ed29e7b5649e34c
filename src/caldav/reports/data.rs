//! C:calendar-data: what of an object a report gives (RFC 4791 §9.6).

use std::{
    str::from_utf8,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

use crate::{
    dav::{
        Cx, Refusal, Result,
        ask::{MOST_NAMES, elements},
        condition::{MAX_INSTANCES, SUPPORTED_CALENDAR_DATA},
        facts,
        multistatus::{Render, Rendered},
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
        parsed, quarantine,
        storing::etag,
        timezones::Timezones,
    },
    range,
};

const DATA: Name = Name::cal("calendar-data");

/// How the report in `root` renders C:calendar-data; `None` where it does not ask for it. `zone` is that of floating times,
/// where it is known already.
pub async fn rendering(cx: &Cx, root: &Element, zone: Option<&Zone>) -> Result<Option<Box<Render>>> {
    let Some(asked) = root.child(Name::dav("prop")).and_then(|prop| prop.child(DATA)) else {
        return Ok(None);
    };
    let form = form(asked)?;
    let selection = selection(asked)?;
    let zones = Timezones::of(&cx.headers);
    if selection.is_whole() {
        return Ok(Some(Box::new(move |facts, w| {
            if form == Form::Ical
                && zones == Timezones::AsStored
                && let Some(text) = as_stored(facts)
            {
                return Ok(whole(text, w));
            }
            Ok(match read(facts, zones) {
                Ok(calendar) if form == Form::Ical => whole(&calendar.text(), w),
                Ok(calendar) => written(form, calendar.bytes(), w),
                Err(instead) => instead,
            })
        })));
    }
    let zone = match zone {
        Some(zone) => zone.clone(),
        None => range::zone(cx, root, &facts::collection(cx, Privilege::Read).await?).await?,
    };
    let budget = Mutex::new(Budget::new(super::BUDGET));
    Ok(Some(Box::new(move |facts, w| {
        let calendar = match read(facts, zones) {
            Ok(calendar) => calendar,
            Err(instead) => return Ok(instead),
        };
        let budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
        let part = ical::select(&calendar, &selection, &zone, &budget).map_err(|_| MAX_INSTANCES)?;
        if form == Form::Ical {
            w.inside(DATA, |w| w.lines(&part));
            return Ok(Rendered::Given);
        }
        Ok(written(form, &part.into(), w))
    })))
}

/// An object, with the definitions of time zones that the client wants, or what is told in its place.
fn read(facts: &Facts, zones: Timezones) -> Result<Arc<Calendar>, Rendered> {
    let Some(object) = facts.object.as_ref().filter(|object| object.body.is_some()) else {
        return Err(Rendered::Absent);
    };
    let calendar = parsed::calendar(object).map_err(|why| Rendered::Refused(quarantine::refusal(why)))?;
    let changed =
        zones.change(calendar.bytes()).and_then(|octets| Calendar::parse(octets).ok()).map(Arc::new);
    Ok(changed.unwrap_or(calendar))
}

/// The text of an object that lies there as it was stored: it was read then, and need not be read again. It is none where a
/// line is folded in the middle of a character.
fn as_stored(facts: &Facts) -> Option<&str> {
    let object = facts.object.as_ref()?;
    let body = object.body.as_ref()?;
    from_utf8(body).ok().filter(|_| etag(body) == object.etag)
}

/// The text as it is, but for the mark of the encoding, which is for files.
fn whole(text: &str, w: &mut Writer) -> Rendered {
    w.inside(DATA, |w| w.lines(text.trim_start_matches('\u{feff}')));
    Rendered::Given
}

/// Octets in another form than they are kept in, which the element says then (RFC 4791 §9.6).
fn written(form: Form, body: &Bytes, w: &mut Writer) -> Rendered {
    let Some(octets) = form.write(body) else { return Rendered::Absent };
    let Ok(text) = from_utf8(&octets) else { return Rendered::Absent };
    w.open_with(DATA, &[("content-type", form.media()), ("version", VERSION)]);
    w.text(text);
    w.close(DATA);
    Rendered::Given
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
