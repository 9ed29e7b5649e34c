//! Writes each instance of an object as a component of its own, in UTC.
//! RFC 4791 §9.6.5.

use std::collections::HashMap;
use std::ops::Range;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::clock::When;
use crate::ical::occurrence::{Occurrence, View, overlapping};
use crate::ical::recur::{Budget, Exhausted};
use crate::ical::select::{Wanted, copy};
use crate::ical::series::{Ends, Shape, later};
use crate::ical::undated::Extent;
use crate::ical::value::{Duration, date_stamp, local_stamp, utc_stamp};
use crate::ical::write::Writer;
use crate::ical::zone::{Zone, Zones};

/// Writes the instances that overlap the window, and the components without dates that match it; no time zones.
pub(super) fn expand(
    calendar: &Calendar,
    view: &View<'_>,
    (wanted, freebusy): (Wanted<'_>, Option<&Range<i64>>),
    out: &mut Writer,
) -> Result<(), Exhausted> {
    let mut zones = Zones::new(calendar);
    for component in calendar.components().filter(|c| !c.is("VTIMEZONE")) {
        let extent = Extent::of(component);
        let counts = component.kind().is_none() || extent.overlaps(&view.window);
        if counts && Shape::of(component, &mut zones, view.budget)?.is_none() {
            copy(component, wanted, freebusy, out);
        }
    }
    let mut parts: HashMap<Component<'_>, Parts<'_>> = HashMap::new();
    for occurrence in &overlapping(calendar, view)? {
        let component = occurrence.component;
        if let Some(wanted) = wanted.part(component) {
            let parts = parts.entry(component).or_insert_with(|| Parts::of(component, wanted));
            view.budget.spend(parts.cost)?;
            Instance { occurrence, parts, wanted, budget: view.budget }.write(&mut zones, out)?;
            if out.len() > MAX_OCTETS {
                return Err(Exhausted);
            }
        }
    }
    Ok(())
}

/// How long the answer about one object may be, for memory is no part of the budget.
const MAX_OCTETS: usize = 32 << 20;

/// What an instance has of its component: all that is wanted but what makes it recur.
struct Parts<'a> {
    lines: Vec<Property<'a>>,
    components: Vec<Component<'a>>,
    /// What it costs to write them, in units of the budget.
    cost: u64,
}

impl<'a> Parts<'a> {
    fn of(component: Component<'a>, wanted: Wanted<'_>) -> Self {
        const RECURRENCE: [&str; 5] = ["RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"];
        let recurs = |line: &Property<'_>| RECURRENCE.iter().any(|name| line.is(name));
        let is_wanted = |line: &Property<'_>| wanted.property(&line.name()).is_some();
        let lines: Vec<_> = component.lines().filter(|line| !recurs(line) && is_wanted(line)).collect();
        let components: Vec<_> = component.components().filter(|part| wanted.part(*part).is_some()).collect();
        let octets: usize = lines.iter().map(|line| line.raw().len()).sum();
        let inside: usize = components.iter().map(|part| part.raw().len()).sum();
        let cost = 1 + lines.len() / 2 + octets / 128 + inside / 32;
        Self { lines, components, cost: cost as u64 }
    }
}

struct Instance<'e, 'a> {
    occurrence: &'e Occurrence<'a>,
    parts: &'e Parts<'a>,
    wanted: Wanted<'e>,
    budget: &'e Budget,
}

impl<'a> Instance<'_, 'a> {
    fn write(&self, zones: &mut Zones<'_>, out: &mut Writer) -> Result<(), Exhausted> {
        let component = self.occurrence.component;
        let name = component.name();
        out.pieces(&["BEGIN:", &name]);
        for property in &self.parts.lines {
            self.property(*property, zones, out)?;
        }
        if let Some(id) = &self.occurrence.id {
            out.pieces(&["RECURRENCE-ID", &stamp(id)]);
        }
        self.parts.components.iter().for_each(|part| copy(*part, self.wanted, None, out));
        out.pieces(&["END:", &name]);
        Ok(())
    }

    /// Writes one property with the dates that this instance has.
    fn property(
        &self,
        property: Property<'a>,
        zones: &mut Zones<'_>,
        out: &mut Writer,
    ) -> Result<(), Exhausted> {
        let Some(true) = self.wanted.property(&property.name()) else {
            self.wanted.write(property, out);
            return Ok(());
        };
        let o = self.occurrence;
        let starts = property.is("DTSTART") || (property.is("DUE") && o.ends == Ends::Due);
        if starts {
            dated(property, &self.moment(o.start, 0), out);
        } else if property.is("DTEND") || property.is("DUE") {
            dated(property, &self.moment(o.end, o.wall), out);
        } else if property.is("DURATION") && o.ends == Ends::Lasting {
            let lasts = if o.floating { o.wall } else { o.end - o.start };
            if property.duration().map(Duration::rough) == Some(lasts) {
                out.raw(property.raw());
            } else {
                out.pieces(&[&property.name(), ":PT", &lasts.to_string(), "S"]);
            }
        } else if property.parameter("TZID").is_some() {
            self.other(property, zones, out)?;
        } else {
            out.raw(property.raw());
        }
        Ok(())
    }

    /// A property with a TZID that is not about this instance: the same moments in UTC.
    fn other(
        &self,
        property: Property<'a>,
        zones: &mut Zones<'_>,
        out: &mut Writer,
    ) -> Result<(), Exhausted> {
        let Some(date) = property.date() else {
            out.pieces(&[&head(property, &["TZID"]), ":", &property.value()]);
            return Ok(());
        };
        let when = When::of(&date, zones, self.budget)?;
        dated(property, &stamp(&when), out);
        Ok(())
    }

    /// The moment so many seconds after the start on the wall clock, as far as the clock matters.
    fn moment(&self, instant: i64, wall: i64) -> String {
        let local = later(self.occurrence.local, wall);
        if self.occurrence.all_day {
            [";VALUE=DATE:", &date_stamp(local.date())].concat()
        } else if self.occurrence.floating {
            [":", &local_stamp(local)].concat()
        } else {
            [":", &utc_stamp(instant)].concat()
        }
    }
}

/// Writes a date property with another date, given as the end of its line.
fn dated(property: Property<'_>, stamp: &str, out: &mut Writer) {
    out.pieces(&[&head(property, &["TZID", "VALUE", "RANGE"]), stamp]);
}

/// Name and parameters of a property without the parameters of those names.
fn head(property: Property<'_>, without: &[&str]) -> String {
    let mut head = property.name().into_owned();
    for parameter in property.parameters() {
        if !without.iter().any(|name| parameter.name.eq_ignore_ascii_case(name)) {
            head.extend([";", &parameter.name, "=", parameter.list()]);
        }
    }
    head
}

/// A moment as the end of a content line, with the colon.
fn stamp(when: &When) -> String {
    if when.clock.is_date() {
        [";VALUE=DATE:", &date_stamp(when.local.date())].concat()
    } else if when.clock.floats() {
        [":", &local_stamp(when.local)].concat()
    } else {
        [":", &utc_stamp(when.instant(&Zone::utc()))].concat()
    }
}
