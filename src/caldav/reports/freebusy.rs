//! C:free-busy-query: when the owner of a calendar is busy (RFC 4791 §7.10).

use std::{
    ops::Range,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::task::coop::consume_budget;

use crate::{
    dav::{Cx, Error, Refusal, Result, condition::MAX_INSTANCES, facts},
    db::Pool,
    front::{Response, Status},
    ical::{
        self, Budget, Zone,
        freebusy::{Period, merge, period},
    },
    model::Privilege,
    store::{
        self,
        object::{Taken, read_taken, taken},
        personal,
    },
    xml::{Element, Name},
};

use super::{super::form::Form, range};

/// Periods that are held before those that meet are put together, and how many of them there may be after that: memory is no
/// part of the budget.
const ROOM: Range<usize> = 10_000..500_000;

/// The busy periods of the window, as a VFREEBUSY.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let asked = root.child(Name::cal("time-range"));
    let asked = asked.ok_or_else(|| Refusal::bad_request("a C:free-busy-query has a C:time-range"))?;
    let window = range::window(asked)?;
    // Who may not see it is not told whether it is there (RFC 4791 §7.10).
    let hidden = |error| match error {
        Error::Refused(_) => Refusal::not_found().into(),
        other => other,
    };
    let calendar = facts::collection(&cx, Privilege::ReadFreeBusy).await.map_err(hidden)?;
    let calendar = facts::with_objects(calendar)?;
    let zone = range::zone(&cx, &root, &calendar).await?;
    let mut budget = Budget::new(super::BUDGET);
    let periods = busy(&cx.pool, &calendar, &window, &zone, &mut budget).await?;
    Ok(answer(window, periods))
}

/// The busy periods of a calendar; of one that is seen in another home, those of the owner of that.
pub async fn busy(
    pool: &Pool,
    calendar: &store::Calendar,
    window: &Range<i64>,
    zone: &Zone,
    budget: &mut Budget,
) -> Result<Vec<Period>> {
    let floating = range::floating(window, zone);
    let theirs = calendar.bound.is_some();
    let mut rows = if theirs {
        personal::taken(pool, calendar, (window, &floating)).await?
    } else {
        taken(pool, calendar, (window, &floating)).await?
    };
    let (mut periods, mut most) = (Vec::new(), ROOM.start);
    while let Some(row) = rows.next().await {
        let row = row?;
        match read_taken(&row)? {
            Taken::Span(span) => periods.push(period(&span, zone)),
            Taken::Octets(octets) => {
                let own = if theirs { personal::beside_taken(&row)? } else { None };
                // What cannot be read any more takes no time.
                let Ok(calendar) = as_theirs(octets, own) else { continue };
                let more = ical::freebusy::periods(&calendar, window.clone(), zone, budget);
                periods.extend(more.map_err(|_| MAX_INSTANCES)?);
            }
        }
        if periods.len() > most {
            periods = within_room(periods)?;
            most = ROOM.start.max(2 * periods.len());
        }
        consume_budget().await;
    }
    Ok(periods)
}

/// An object, with what somebody keeps of their own in the place of its owner's.
fn as_theirs(octets: Bytes, own: Option<Bytes>) -> Result<ical::Calendar, ical::Invalid> {
    let calendar = ical::Calendar::parse(octets)?;
    match own {
        Some(own) => ical::Calendar::parse(ical::personal::seen(&calendar, Some(&own))),
        None => Ok(calendar),
    }
}

/// The same time with as few periods as can be, where they are many.
pub fn within_room(periods: Vec<Period>) -> Result<Vec<Period>> {
    if periods.len() <= ROOM.start {
        return Ok(periods);
    }
    let merged = merge(periods);
    if merged.len() > ROOM.end { Err(MAX_INSTANCES.into()) } else { Ok(merged) }
}

/// The answer that lists the periods.
pub fn answer(window: Range<i64>, periods: Vec<Period>) -> Response {
    let text = ical::freebusy::reply(window, periods, now());
    Response::new(Status::OK).body(Form::Ical.content_type(), text)
}

/// This moment, in seconds since 1970.
pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed())
}
