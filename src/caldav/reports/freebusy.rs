//! C:free-busy-query: when the owner of a calendar is busy (RFC 4791 §7.10).

use std::{
    ops::Range,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt;
use tokio::task::coop::consume_budget;

use crate::{
    dav::{Cx, Refusal, Result, condition::MAX_INSTANCES, facts},
    db::Pool,
    front::{Response, Status},
    ical::{self, Budget, Zone, freebusy::Period},
    model::{Component, Privilege},
    store::{
        self,
        object::{Candidates, candidates, read_candidate},
    },
    xml::{Element, Name},
};

use super::{
    super::{form::Form, quarantine},
    range,
};

/// The busy periods of the window, as a VFREEBUSY.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let asked = root.child(Name::cal("time-range"));
    let asked = asked.ok_or_else(|| Refusal::bad_request("a C:free-busy-query has a C:time-range"))?;
    let window = range::window(asked)?;
    let calendar = facts::collection(&cx, Privilege::ReadFreeBusy).await?;
    let zone = range::zone(&cx, &root, &calendar).await?;
    let mut budget = Budget::new(super::BUDGET);
    let periods = busy(&cx.pool, &calendar, &window, &zone, &mut budget).await?;
    Ok(answer(window, periods))
}

/// The busy periods of a calendar.
pub async fn busy(
    pool: &Pool,
    calendar: &store::Calendar,
    window: &Range<i64>,
    zone: &Zone,
    budget: &mut Budget,
) -> Result<Vec<Period>> {
    let floating = range::floating(window, zone);
    let kinds = [Component::Vevent, Component::Vfreebusy].into_iter().collect();
    let of = Candidates { kinds, window: Some((window.clone(), floating)), uid: None, body: true };
    let mut rows = candidates(pool, calendar, &of).await?;
    let mut periods = Vec::new();
    while let Some(row) = rows.next().await {
        let (object, _) = read_candidate(&row?)?;
        let Ok(calendar) = quarantine::read(&object) else { continue };
        let more = ical::freebusy::periods(&calendar, window.clone(), zone, budget);
        periods.extend(more.map_err(|_| MAX_INSTANCES)?);
        consume_budget().await;
    }
    Ok(periods)
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
