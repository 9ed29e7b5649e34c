//! Windows of time as requests give them, and the zone that floating times are read in (RFC 4791 §7.3 and §9.9).

use std::ops::Range;

use bytes::Bytes;

use crate::{
    config::Settings,
    dav::{
        Cx, Refusal, Result,
        condition::{VALID_CALENDAR_DATA, VALID_TIMEZONE},
        facts,
    },
    ical::{self, Calendar, TimeRange, Zone},
    store::{self, Property},
    xml::{Element, Name, parse},
};

/// A second before and one after all that calendars hold: the ends of a window that has none.
pub const FOREVER: Range<i64> = -300_000_000_000..300_000_000_000;

/// The window of a C:time-range, which may lack one end (RFC 4791 §9.9).
pub fn time_range(element: &Element) -> Result<TimeRange, Refusal> {
    let end = |which| element.attribute(which).map(utc).transpose();
    let range = TimeRange { start: end("start")?, end: end("end")? };
    match (range.start, range.end) {
        (None, None) => Err(Refusal::bad_request("a C:time-range has a start, an end or both")),
        (Some(start), Some(end)) if end <= start => {
            Err(Refusal::bad_request("a C:time-range ends after its start"))
        }
        _ => Ok(range),
    }
}

/// The window of an element that must have both ends.
pub fn window(element: &Element) -> Result<Range<i64>, Refusal> {
    match time_range(element)? {
        TimeRange { start: Some(start), end: Some(end) } => Ok(start..end),
        _ => Err(Refusal::bad_request(format!("{} needs a start and an end", element.name().local))),
    }
}

fn utc(text: &str) -> Result<i64, Refusal> {
    ical::parse_utc(text)
        .ok_or_else(|| Refusal::bad_request(format!("{text:?} is no time in UTC, as 20261121T080000Z")))
}

/// The same window on the wall clock of a zone, read as if that were UTC: what floating instances are indexed by.
pub fn floating(window: &Range<i64>, zone: &Zone) -> Range<i64> {
    zone.wall(window.start)..zone.wall(window.end)
}

/// Whether a request says itself in which zone it reads floating times.
pub fn names_zone(root: &Element) -> bool {
    ["timezone", "timezone-id"].iter().any(|local| root.child(Name::cal(local)).is_some())
}

/// The zone in which a request reads floating times: its own C:timezone or C:timezone-id, the calendar's, or the site's.
pub async fn zone(cx: &Cx, root: &Element, calendar: &store::Calendar) -> Result<Zone> {
    if let Some(element) = root.child(Name::cal("timezone")) {
        return Ok(zone_of(element.text())
            .ok_or_else(|| VALID_CALENDAR_DATA.because("C:timezone has no VTIMEZONE"))?);
    }
    if let Some(element) = root.child(Name::cal("timezone-id")) {
        let id = element.text().trim();
        return Ok(
            Zone::named(id).ok_or_else(|| VALID_TIMEZONE.because(format!("no time zone {id:?} is known")))?
        );
    }
    own_zone(cx, calendar).await
}

/// The zone of a calendar, or the site's.
pub async fn own_zone(cx: &Cx, calendar: &store::Calendar) -> Result<Zone> {
    Ok(zone_among(&facts::stored_of(cx, calendar).await?, &cx.settings))
}

/// The zone that the properties of a calendar name, or the site's.
pub fn zone_among(stored: &[Property], settings: &Settings) -> Zone {
    let text = |local| {
        let property = stored.iter().find(|p| p.name == Name::cal(local))?;
        parse(property.value.as_bytes()).ok().map(|e| e.text().to_owned())
    };
    let by_id = text("calendar-timezone-id").and_then(|id| Zone::named(id.trim()));
    let own = by_id.or_else(|| zone_of(&text("calendar-timezone")?));
    own.or_else(|| Zone::named(&settings.calendar.timezone)).unwrap_or_else(Zone::utc)
}

fn zone_of(text: &str) -> Option<Zone> {
    let calendar = Calendar::parse(Bytes::copy_from_slice(text.trim().as_bytes())).ok()?;
    Zone::of(&calendar).ok().map(|(_, zone)| zone)
}
