//! The rows of the time-range index that one object has.
//! RFC 4791 §7.4, §9.9: exact for events, a superset for all else.

use std::ops::ControlFlow;

use crate::ical::calendar::{Calendar, Component};
use crate::ical::occurrence::{Occurrence, Series, View};
use crate::ical::recur::Budget;
use crate::ical::series::Shape;
pub use crate::ical::undated::ALWAYS;
use crate::ical::undated::Extent;
use crate::ical::zone::{Zone, Zones};
use crate::model::{self, Busy, Index, Instance};

/// The instances of an object that start before `horizon`, at most `max_rows` of a recurrence.
///
/// Rows of events are their instances. The row of a to-do or journal entry holds every moment at which a time range may
/// match it, so its object must be asked; one without any date has the row [`ALWAYS`]. What has no row, be it beyond
/// the horizon, the number of rows or the budget, is in the tail.
#[must_use]
pub fn index(calendar: &Calendar, horizon: i64, max_rows: usize, budget: &Budget) -> Index {
    // Floating times are kept as if they were in UTC.
    let floating = Zone::utc();
    let view = View { window: ALWAYS, floating: &floating, budget };
    let mut index = Index::default();
    let mut zones = Zones::new(calendar);
    for component in calendar.components() {
        match Shape::of(component, &mut zones, budget) {
            Ok(Some(_)) => {}
            Ok(None) => index.instances.extend(undated(component)),
            Err(_) => index.tail = Some(ALWAYS.start),
        }
    }
    match Series::all(calendar, budget) {
        Ok(all) => all.iter().for_each(|series| add(&mut index, series, &view, (horizon, max_rows))),
        Err(_) => index.tail = Some(ALWAYS.start),
    }
    if let Some(tail) = index.tail {
        index.instances.retain(|row| row.starts < tail);
    }
    index.instances.sort_by_key(|row| (row.starts, row.ends));
    index
}

/// Adds the rows of one series; where they stop early, the tail begins.
fn add(index: &mut Index, series: &Series<'_>, view: &View<'_>, (horizon, max_rows): (i64, usize)) {
    let _all = series.walk_overrides(view, &mut |occurrence| {
        index.instances.push(row(&occurrence));
        ControlFlow::Continue(())
    });
    // A later place on the rule may still mean an earlier moment, by so much.
    let (_, slack) = series.reach();
    let fixed = index.instances.len();
    let mut latest = ALWAYS.start;
    let walked = series.walk(view, &mut |occurrence| {
        latest = occurrence.start;
        let moved = occurrence.start.saturating_sub(slack);
        if series.repeats() && (moved >= horizon || index.instances.len() - fixed >= max_rows) {
            return ControlFlow::Break(());
        }
        index.instances.push(row(&occurrence));
        ControlFlow::Continue(())
    });
    if !matches!(walked, Ok(ControlFlow::Continue(()))) {
        let tail = latest.saturating_sub(slack).max(ALWAYS.start);
        index.tail = Some(index.tail.map_or(tail, |other| other.min(tail)));
    }
}

fn row(occurrence: &Occurrence<'_>) -> Instance {
    // The ranges of to-dos may end with the first moment and start with the last.
    let margin = i64::from(occurrence.kind != model::Component::Vevent);
    Instance {
        starts: occurrence.start.saturating_sub(margin),
        ends: occurrence.end.saturating_add(margin),
        floating: occurrence.floating,
        busy: occurrence.busy,
    }
}

/// The row of a component without dates.
fn undated(component: Component<'_>) -> Option<Instance> {
    let bounds = Extent::of(component).bounds()?;
    Some(Instance { starts: bounds.start, ends: bounds.end, floating: false, busy: Busy::Free })
}
