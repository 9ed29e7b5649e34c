//! The rows of the time-range index that one object has.
//! RFC 4791 §7.4, §9.9: exact for events, a superset for all else.

use std::ops::ControlFlow;

use crate::ical::calendar::{Calendar, Component};
use crate::ical::freebusy::stored;
use crate::ical::occurrence::{Occurrence, Series, View};
use crate::ical::recur::Budget;
use crate::ical::series::Shape;
pub use crate::ical::undated::ALWAYS;
use crate::ical::undated::Extent;
use crate::ical::value::DAY;
use crate::ical::write::Writer;
use crate::ical::zone::{Zone, Zones};
use crate::model::{self, Busy, Index, Instance};

/// The instances of an object that start before `horizon`, at most `max_rows` of a recurrence.
///
/// A series that happens often, and goes on beyond the horizon, has no rows at all: it is in most windows, and to look into
/// its pattern costs less than to keep a row for each of its days.
///
/// Rows of events are their instances. The row of a to-do or journal entry holds every moment at which a time range may
/// match it, so its object must be asked; one without any date has the row [`ALWAYS`]. What has no row, be it beyond
/// the horizon, the number of rows or the budget, is in the tail.
#[must_use]
pub fn index(calendar: &Calendar, horizon: i64, max_rows: usize, budget: &Budget) -> Index {
    budget.next_object();
    // Floating times are kept as if they were in UTC.
    let floating = Zone::utc();
    let view = View { window: ALWAYS, floating: &floating, budget };
    let mut index = Index::default();
    let mut zones = Zones::new(calendar);
    for component in calendar.components() {
        match Shape::of(component, &mut zones, budget) {
            Ok(Some(_)) => {}
            Ok(None) => {
                index.instances.extend(undated(component));
                taken(&mut index, component, max_rows);
            }
            Err(_) => index.tail = Some(ALWAYS.start),
        }
    }
    match Series::all(calendar, budget) {
        Ok(all) => all.iter().for_each(|series| add(&mut index, series, &view, (horizon, max_rows))),
        Err(_) => index.tail = Some(ALWAYS.start),
    }
    if let Some(tail) = index.tail {
        index.instances.retain(|row| row.starts < tail);
        index.pattern = pattern(calendar);
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
    let slack = series.slack();
    let fixed = index.instances.len();
    let (mut first, mut latest, mut often, mut far) = (None, ALWAYS.start, false, false);
    let walked = series.walk(view, &mut |occurrence| {
        latest = occurrence.start;
        let (first, rows) = (*first.get_or_insert(latest), index.instances.len() - fixed);
        far = latest.saturating_sub(slack) >= horizon;
        often = rows == OFTEN.0 && latest - first < OFTEN.1 && series.goes_on(horizon, view);
        if series.repeats() && (often || far || rows >= max_rows) {
            return ControlFlow::Break(());
        }
        index.instances.push(row(&occurrence));
        ControlFlow::Continue(())
    });
    if let (true, Some(first)) = (often, first) {
        index.instances.truncate(fixed);
        latest = first;
    }
    if !matches!(walked, Ok(ControlFlow::Continue(()))) {
        index.horizon = index.horizon.or(far.then_some(horizon));
        let tail = latest.saturating_sub(slack).max(ALWAYS.start);
        index.tail = Some(index.tail.map_or(tail, |other| other.min(tail)));
    }
}

/// So many instances in less than so many seconds: every third week, or more often.
const OFTEN: (usize, i64) = (32, 32 * 22 * DAY);

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

/// Adds the periods that a stored VFREEBUSY says are not free.
fn taken(index: &mut Index, component: Component<'_>, max_rows: usize) {
    if !component.is("VFREEBUSY") {
        return;
    }
    let periods = stored(component).filter(|period| period.busy != Busy::Free && period.start < period.end);
    for (rows, period) in periods.enumerate() {
        if rows == max_rows {
            index.tail = Some(ALWAYS.start);
            return;
        }
        let (starts, ends, busy) = (period.start, period.end, period.busy);
        index.instances.push(Instance { starts, ends, floating: false, busy });
    }
}

/// What of an object of events its times depend on; none where that is no less to read than the object.
fn pattern(calendar: &Calendar) -> Option<String> {
    const TIMES: [&str; 10] = [
        "DTSTART",
        "DTEND",
        "DURATION",
        "RRULE",
        "RDATE",
        "EXDATE",
        "EXRULE",
        "RECURRENCE-ID",
        "STATUS",
        "TRANSP",
    ];
    let mut out = Writer::default();
    out.line("BEGIN:VCALENDAR");
    calendar.property("X-WR-TIMEZONE").into_iter().for_each(|zone| out.raw(zone.raw()));
    for component in calendar.components() {
        if component.is("VTIMEZONE") {
            // A name that is known is not looked up here (decision 0004).
            let known = component.property("TZID").is_some_and(|tzid| Zone::named(&tzid.text()).is_some());
            if !known {
                out.raw(component.raw());
            }
        } else if component.is("VEVENT") {
            out.line("BEGIN:VEVENT");
            let times = component.lines().filter(|line| TIMES.iter().any(|name| line.is(name)));
            times.for_each(|line| out.raw(line.raw()));
            out.line("END:VEVENT");
        } else if component.kind().is_some() {
            return None;
        }
        if out.len() > MAX_PATTERN {
            return None;
        }
    }
    out.line("END:VCALENDAR");
    Some(out.finish())
}

/// Octets of a pattern: it lies in the row of its object, which must stay short.
const MAX_PATTERN: usize = 1500;
