//! When somebody is busy, in one answer for all their calendars, at a URL of its own that needs no report to be read (the
//! words are those of the Freebusy Read URL of `CalConnect`; what counts is told in RFC 4791 §7.10 and RFC 6638 §9.1).

use std::ops::Range;

use percent_encoding::percent_decode_str;

use crate::{
    config::Settings,
    dav::{Cx, Refusal, Result, Space, Target, facts},
    db::Pool,
    front::{Request, Response, header},
    ical::{self, Budget, Duration},
    model::{Component, Kind, Privilege},
    store::{self, Calendar, Principal, Property, Viewer, property},
    xml::{Name, parse},
};

use super::reports::{
    BUDGET,
    freebusy::{answer, busy, now, within_room},
    range,
};

const DAY: i64 = 86_400;
/// How far it reaches where the query does not say.
const USUAL: i64 = 42 * DAY;

/// The free-busy time of the home in the request's URL, for who may know it.
pub async fn run(cx: &Cx) -> Result<Response> {
    // It tells of all calendars.
    if cx.viewer.is_confined() {
        return Err(Refusal::not_found().into());
    }
    if cx.settings.calendar.public_freebusy {
        let owner = facts::owner(cx, cx.located.target.user().ok_or_else(Refusal::not_found)?).await?;
        // What is published of nobody may still be shared.
        if !owner.disabled {
            return of_home(&cx.pool, &cx.settings, owner, &cx.query).await;
        }
    }
    let owner = facts::home_owner(cx, Privilege::ReadFreeBusy).await?;
    of_home(&cx.pool, &cx.settings, owner, &cx.query).await
}

/// Whose free-busy time a request wants that may go without a sign-in.
pub fn wanted(settings: &Settings, space: &Space, request: &Request) -> Option<String> {
    if !settings.calendar.public_freebusy || !matches!(request.method.as_str(), "GET" | "HEAD") {
        return None;
    }
    let target = space.locate(&request.path).ok()?.target;
    match (target.kind(), target) {
        (Kind::FreeBusy, Target::Collection(user, _)) => Some(user),
        _ => None,
    }
}

/// The same for nobody in particular; none where there is no such person.
pub async fn published(
    pool: &Pool,
    settings: &Settings,
    user: &str,
    query: &str,
) -> Result<Option<Response>> {
    match store::principal::by_name(pool, user).await?.filter(|who| !who.disabled) {
        Some(who) => of_home(pool, settings, who, query).await.map(Some),
        None => Ok(None),
    }
}

/// Whoever sees it at all sees what the owner knows to make them busy.
async fn of_home(pool: &Pool, settings: &Settings, owner: Principal, query: &str) -> Result<Response> {
    let window = window(query, now())?;
    let (home_id, viewer) = (owner.id, Viewer::of(owner));
    let calendars = store::calendar::all(pool, &viewer, home_id, false).await?;
    // What somebody else keeps counts by what the owner of the home says of it.
    let kept: Vec<(i64, i64)> = calendars.iter().map(|calendar| (home_id, calendar.id)).collect();
    let mut stored = property::of_calendars(pool, &kept).await?;
    let (mut budget, mut periods) = (Budget::new(BUDGET), Vec::new());
    let counts = |c: &&Calendar| c.kind == Kind::Calendar && c.rights.has(Privilege::ReadFreeBusy);
    for calendar in calendars.iter().filter(counts) {
        let own = stored.remove(&(home_id, calendar.id)).unwrap_or_default();
        let timely = [Component::Vevent, Component::Vfreebusy].iter().any(|c| calendar.components.has(*c));
        if timely && !is_transparent(calendar, &own) {
            let zone = range::zone_among(&own, settings);
            periods.extend(busy(pool, calendar, &window, &zone, &mut budget).await?);
            periods = within_room(periods)?;
        }
    }
    // It changes with every event, and whose it is depends on who asks.
    Ok(answer(window, periods).with(header::CACHE_CONTROL, "private, no-cache"))
}

/// Whether the calendar is none of those that make the owner of the home busy: what they said of it (RFC 6638 §9.1), else
/// whether it is somebody else's (caldav-sharing §5.5.5).
fn is_transparent(calendar: &Calendar, stored: &[Property]) -> bool {
    let said = stored.iter().find(|property| property.name == Name::cal("schedule-calendar-transp"));
    said.and_then(|property| parse(property.value.as_bytes()).ok())
        .map_or(calendar.bound.is_some(), |value| value.child(Name::cal("transparent")).is_some())
}

/// What a query asks for, in seconds since 1970: from `start`, or the beginning of this day, to `end` or for a `period`.
fn window(query: &str, now: i64) -> std::result::Result<Range<i64>, Refusal> {
    let (mut start, mut end, mut period) = (None, None, None);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy();
        let time = || {
            let why = || format!("{value:?} is no time, as 20261121T080000Z or 2026-11-21T08:00:00Z");
            ical::parse_moment(&value).ok_or_else(|| Refusal::bad_request(why()))
        };
        match name {
            "start" => start = Some(time()?),
            "end" => end = Some(time()?),
            "period" => {
                let length = Duration::parse(&value).map(Duration::rough).filter(|length| *length > 0);
                let why = || format!("{value:?} is no period, as P6W or PT8H");
                period = Some(length.ok_or_else(|| Refusal::bad_request(why()))?);
            }
            _ => {}
        }
    }
    let start = start.unwrap_or(now - now.rem_euclid(DAY));
    match (end, period) {
        (Some(_), Some(_)) => Err(Refusal::bad_request("the query has an end and a period")),
        (Some(end), None) if end <= start => Err(Refusal::bad_request("the query ends before it starts")),
        (end, period) => Ok(start..end.unwrap_or(start.saturating_add(period.unwrap_or(USUAL)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_query_asks_for() {
        const NOW: i64 = 1_795_248_000 + 3_661;
        const START: i64 = 1_795_219_200;
        for (query, wanted) in [
            ("", START..START + USUAL),
            ("start=20261121T080000Z&end=20261122T080000Z", NOW - 3_661..NOW - 3_661 + DAY),
            ("start=2026-11-21T08:00:00Z&period=PT1H", NOW - 3_661..NOW - 61),
            ("start=2026-11-21T09%3A00%3A00%2B01:00&period=P1D&token=x", NOW - 3_661..NOW - 3_661 + DAY),
            ("end=2026-11-22", START..START + DAY),
        ] {
            assert_eq!(window(query, NOW), Ok(wanted), "{query}");
        }
        for wrong in [
            "start=noon",
            "start=",
            "period=1h",
            "period=-PT1H",
            "end=20261122T080000Z&period=PT1H",
            "start=20261122T080000Z&end=20261122T080000Z",
        ] {
            assert!(window(wrong, NOW).is_err(), "{wrong}");
        }
    }
}
