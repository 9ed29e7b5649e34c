//! Busy time: the periods of an object, periods of many objects put together, and the answer that lists them.
//! RFC 4791 §7.10; RFC 5545 §3.6.4, §3.8.2.6.

use std::ops::Range;

use icalendar::Property;

use crate::ical::calendar::{Calendar, Component};
use crate::ical::merge::PRODID;
use crate::ical::occurrence::occurrences;
use crate::ical::recur::{Budget, Exhausted};
use crate::ical::undated::utc_period;
use crate::ical::value::{civil, utc_stamp};
use crate::ical::zone::Zone;
use crate::model::{Busy, Instance};

/// A stretch of time that is not free, in seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first second.
    pub start: i64,
    /// The second after the last one.
    pub end: i64,
    /// How it counts.
    pub busy: Busy,
}

/// The period of a row of the index; `floating` is the zone of whoever looks.
#[must_use]
pub fn period(row: &Instance, floating: &Zone) -> Period {
    let moment = |at| if row.floating { floating.instant(civil(at)) } else { at };
    Period { start: moment(row.starts), end: moment(row.ends), busy: row.busy }
}

/// The periods of one object that are not free, cut to the window.
///
/// # Errors
/// If the budget is spent before all are found.
pub fn periods(
    calendar: &Calendar,
    window: Range<i64>,
    floating: &Zone,
    budget: &Budget,
) -> Result<Vec<Period>, Exhausted> {
    let mut found: Vec<_> = occurrences(calendar, window.clone(), floating, budget)?
        .iter()
        .map(|o| Period { start: o.start, end: o.end, busy: o.busy })
        .collect();
    found.extend(calendar.components().filter(|c| c.is("VFREEBUSY")).flat_map(stored));
    Ok(found.into_iter().filter_map(|period| clip(period, &window)).collect())
}

/// The periods of a VFREEBUSY, by their FBTYPE (RFC 5545 §3.2.9).
pub(super) fn stored(component: Component<'_>) -> impl Iterator<Item = Period> {
    component.properties("FREEBUSY").flat_map(|property| {
        let kind = property.parameter("FBTYPE");
        let is = |name: &str| kind.as_ref().is_some_and(|kind| kind.eq_ignore_ascii_case(name));
        let busy = match () {
            () if is("FREE") => Busy::Free,
            () if is("BUSY-TENTATIVE") => Busy::Tentative,
            () if is("BUSY-UNAVAILABLE") => Busy::Unavailable,
            () => Busy::Busy,
        };
        property.periods().into_iter().map(move |period| {
            let (start, end) = utc_period(&period);
            Period { start, end, busy }
        })
    })
}

/// The part of a period inside the window; none if that is nothing, or free.
fn clip(period: Period, window: &Range<i64>) -> Option<Period> {
    let (start, end) = (period.start.max(window.start), period.end.min(window.end));
    (start < end && period.busy != Busy::Free).then_some(Period { start, end, ..period })
}

/// The same time with as few periods as can be: those of one type that overlap or meet become one. Ordered by start.
#[must_use]
pub fn merge(mut periods: Vec<Period>) -> Vec<Period> {
    periods.sort_by_key(|period| (period.busy.code(), period.start));
    let mut merged: Vec<Period> = Vec::with_capacity(periods.len());
    for period in periods {
        match merged.last_mut() {
            Some(last) if last.busy == period.busy && period.start <= last.end => {
                last.end = last.end.max(period.end);
            }
            _ => merged.push(period),
        }
    }
    merged.sort_by_key(|period| (period.start, period.end, period.busy.code()));
    merged
}

/// The calendar object that answers CALDAV:free-busy-query: one VFREEBUSY with the periods, made at `stamp`.
///
/// Of the `icalendar` crate only the properties are used: its components would invent a UID at random, and it knows no
/// VFREEBUSY.
#[must_use]
pub fn reply(window: Range<i64>, periods: Vec<Period>, stamp: i64) -> String {
    let moments = [stamp, window.start, window.end].map(utc_stamp);
    let [made, start, end] = &moments;
    let head = [
        Property::new("BEGIN", "VCALENDAR"),
        Property::new("VERSION", "2.0"),
        Property::new("PRODID", PRODID),
        Property::new("BEGIN", "VFREEBUSY"),
        Property::new("UID", [&moments.join("-"), "@kalends"].concat()),
        Property::new("DTSTAMP", made),
        Property::new("DTSTART", start),
        Property::new("DTEND", end),
    ];
    let clipped = periods.into_iter().filter_map(|period| clip(period, &window)).collect();
    let end = ["VFREEBUSY", "VCALENDAR"].map(|name| Property::new("END", name));
    // One after the other: as properties all of them would be ten times as large as their text.
    let lines = head.into_iter().chain(merge(clipped).into_iter().map(freebusy)).chain(end);
    lines.filter_map(|line| TryInto::<String>::try_into(line).ok()).collect()
}

/// FREEBUSY of one period.
fn freebusy(period: Period) -> Property {
    let mut line =
        Property::new("FREEBUSY", [&utc_stamp(period.start), "/", &utc_stamp(period.end)].concat());
    let kind = match period.busy {
        Busy::Free => "FREE",
        Busy::Busy => "BUSY",
        Busy::Tentative => "BUSY-TENTATIVE",
        Busy::Unavailable => "BUSY-UNAVAILABLE",
    };
    line.add_parameter("FBTYPE", kind);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_of_one_type_become_one() {
        let period = |start, end, busy| Period { start, end, busy };
        let merged = merge(vec![
            period(50, 60, Busy::Busy),
            period(10, 20, Busy::Busy),
            period(15, 30, Busy::Tentative),
            period(20, 25, Busy::Busy),
            period(12, 14, Busy::Busy),
        ]);
        assert_eq!(
            merged,
            [period(10, 25, Busy::Busy), period(15, 30, Busy::Tentative), period(50, 60, Busy::Busy)]
        );
    }

    #[test]
    fn the_reply_is_a_valid_object() {
        let busy = |start, end| Period { start, end, busy: Busy::Busy };
        let text = reply(0..86_400, vec![busy(-5, 3_600), busy(3_600, 7_200), busy(90_000, 90_001)], 86_400);
        let calendar = Calendar::parse(text.into()).unwrap();
        let object = crate::ical::object(&calendar, &crate::ical::Limits::default()).unwrap();
        assert_eq!(object.component, crate::model::Component::Vfreebusy);
        let freebusy = calendar.components().next().unwrap();
        let found: Vec<_> = freebusy.properties("FREEBUSY").map(crate::ical::Property::value).collect();
        assert_eq!(found, ["19700101T000000Z/19700101T020000Z"]);
        assert_eq!(freebusy.property("DTEND").unwrap().value(), "19700102T000000Z");
    }
}
