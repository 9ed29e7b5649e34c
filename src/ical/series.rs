//! What one component says about when it happens: its anchor, its length, how it repeats, which instance it replaces.
//! RFC 5545 §3.6.1–3.6.3, §3.8.2, §3.8.4.4, §3.8.5.

use std::collections::HashMap;

use jiff::SignedDuration;
use jiff::civil::DateTime;

use crate::ical::calendar::{Component, Property};
use crate::ical::clock::{Clock, When};
use crate::ical::recur::{self, Budget, Exhausted, Moment, Rule};
use crate::ical::value::{DAY, DateValue, Duration, PeriodEnd, seconds};
use crate::ical::zone::{Zone, Zones};
use crate::model::{self, Busy};

/// How long an instance lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many seconds on the wall clock of whoever looks.
    Wall(i64),
    /// So many seconds.
    Exact(i64),
    /// So many days of the calendar, then seconds.
    Nominal(Duration),
}

impl Length {
    /// At most so many seconds, whatever the clocks do.
    pub fn bound(self) -> i64 {
        match self {
            Self::Wall(seconds) | Self::Exact(seconds) => seconds.saturating_add(DAY),
            Self::Nominal(duration) => duration.rough().saturating_add(DAY),
        }
    }
}

/// Which ends of an instance a component names (RFC 4791 §9.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// A start, and an end by DTEND or DUE or the rule for events.
    Both,
    /// A start and a DURATION.
    Lasting,
    /// Only DTSTART.
    Start,
    /// Only DUE.
    Due,
}

/// When a component happens, but for repetition.
#[derive(Clone, Debug)]
pub(super) struct Shape<'a> {
    pub component: Component<'a>,
    pub kind: model::Component,
    pub anchor: When,
    pub length: Length,
    pub ends: Ends,
    pub busy: Busy,
}

impl<'a> Shape<'a> {
    /// Reads a VEVENT, VTODO or VJOURNAL; none if it has no readable date.
    pub fn of(
        component: Component<'a>,
        zones: &mut Zones<'_>,
        budget: &Budget,
    ) -> Result<Option<Self>, Exhausted> {
        let Some(kind) = component.kind() else { return Ok(None) };
        let until = match kind {
            model::Component::Vevent => Some("DTEND"),
            model::Component::Vtodo => Some("DUE"),
            model::Component::Vjournal => None,
            model::Component::Vfreebusy | model::Component::Vavailability => return Ok(None),
        };
        let (start, end) = (component.date("DTSTART"), until.and_then(|name| component.date(name)));
        let lasts = until.and(component.property("DURATION")).and_then(Property::duration);
        let ends = match (&start, &end, lasts) {
            (None, None, _) => return Ok(None),
            (None, Some(_), _) => Ends::Due,
            (Some(_), None, Some(_)) => Ends::Lasting,
            (Some(_), None, None) if kind == model::Component::Vtodo => Ends::Start,
            (Some(_), Some(_) | None, _) => Ends::Both,
        };
        let Some(first) = start.as_ref().or(end.as_ref()) else { return Ok(None) };
        let anchor = When::of(first, zones, budget)?;
        let length = match (ends, end, lasts) {
            (Ends::Both, Some(end), _) => between(&anchor, &end, kind, zones, budget)?,
            (Ends::Lasting, _, Some(lasts)) => lasting(&anchor.clock, lasts),
            (Ends::Both, None, _) if anchor.clock.is_date() => Length::Wall(DAY),
            _ => Length::Wall(0),
        };
        Ok(Some(Self { component, kind, anchor, length, ends, busy: busy(component, kind) }))
    }

    /// Start and end of the instance that starts at `local`.
    pub fn span(&self, local: DateTime, length: Length, floating: &Zone) -> (i64, i64) {
        let clock = &self.anchor.clock;
        let start = clock.instant(local, floating);
        let end = match length {
            Length::Wall(0) => start,
            Length::Exact(seconds) => start.saturating_add(seconds),
            Length::Wall(seconds) => clock.instant(later(local, seconds), floating),
            Length::Nominal(Duration { days, seconds }) => {
                clock.instant(later(local, days * DAY), floating).saturating_add(seconds)
            }
        };
        (start, end.max(start))
    }
}

/// The wall clock so many seconds later; it stops at the years -9999 and 9999.
pub(super) fn later(local: DateTime, seconds: i64) -> DateTime {
    local.saturating_add(SignedDuration::from_secs(seconds))
}

/// From DTSTART to DTEND or DUE; an event of whole days that ends when it starts, as some products write it, is one day.
fn between(
    anchor: &When,
    end: &DateValue<'_>,
    kind: model::Component,
    zones: &mut Zones<'_>,
    budget: &Budget,
) -> Result<Length, Exhausted> {
    let end = When::of(end, zones, budget)?;
    let wall = seconds(end.local) - seconds(anchor.local);
    Ok(if anchor.clock.is_date() {
        let least = if kind == model::Component::Vevent { DAY } else { 0 };
        Length::Wall((wall - wall.rem_euclid(DAY)).max(least))
    } else if anchor.clock.floats() || end.clock.floats() {
        Length::Wall(wall.max(0))
    } else {
        let utc = Zone::utc();
        Length::Exact((end.instant(&utc) - anchor.instant(&utc)).max(0))
    })
}

fn lasting(clock: &Clock, duration: Duration) -> Length {
    if clock.floats() || duration.rough() < 0 {
        Length::Wall(duration.rough().max(0))
    } else {
        Length::Nominal(duration)
    }
}

/// How a component counts in free-busy time (RFC 4791 §7.10).
fn busy(component: Component<'_>, kind: model::Component) -> Busy {
    let says = |name, value: &str| {
        component.property(name).is_some_and(|p| p.value().trim_ascii().eq_ignore_ascii_case(value))
    };
    if kind != model::Component::Vevent || says("TRANSP", "TRANSPARENT") || says("STATUS", "CANCELLED") {
        Busy::Free
    } else if says("STATUS", "TENTATIVE") {
        Busy::Tentative
    } else {
        Busy::Busy
    }
}

/// How a component repeats.
pub(super) struct Repetition {
    pub set: recur::Set,
    /// The lengths of the instances that RDATE gives as periods, by their start.
    pub lengths: HashMap<DateTime, Length>,
}

impl Repetition {
    /// Reads RRULE, RDATE, EXDATE and EXRULE; what cannot be read is left out. None if the component happens once.
    pub fn of(shape: &Shape<'_>, zones: &mut Zones<'_>, budget: &Budget) -> Result<Option<Self>, Exhausted> {
        let mut read = Self { set: recur::Set::new(moment(shape)), lengths: HashMap::new() };
        let mut repeats = false;
        for property in shape.component.lines() {
            let rules = read.set.rules.len() + read.set.exrules.len();
            if rules > FEW && (property.is("RRULE") || property.is("EXRULE")) {
                budget.spend(RULE_COST)?;
            }
            if property.is("RRULE") {
                read.set.rules.extend(rule(&property.value(), &shape.anchor.clock));
            } else if property.is("EXRULE") {
                read.set.exrules.extend(rule(&property.value(), &shape.anchor.clock));
            } else if property.is("EXDATE") {
                for date in property.dates() {
                    read.set.exdates.push(match date {
                        DateValue::Date(day) => Moment::Date(day),
                        time => Moment::Time(shape.anchor.clock.shows(&time, zones, budget)?),
                    });
                }
            } else if property.is("RDATE") {
                for date in property.dates() {
                    read.set.rdates.push(shape.anchor.clock.shows(&date, zones, budget)?);
                }
                for period in property.periods() {
                    let start = shape.anchor.clock.shows(&period.start, zones, budget)?;
                    let first = When { local: start, clock: shape.anchor.clock.clone() };
                    let length = match period.end {
                        PeriodEnd::After(lasts) => lasting(&first.clock, lasts),
                        PeriodEnd::At(end) => between(&first, &end, shape.kind, zones, budget)?,
                    };
                    read.lengths.insert(start, length);
                }
            } else {
                continue;
            }
            repeats = true;
        }
        Ok(repeats.then_some(read))
    }
}

/// Rules of a component that cost nothing: others have one. Beyond them each has its price, for each takes half a KiB.
const FEW: usize = 8;
const RULE_COST: u64 = 100;

/// DTSTART as the recurrence engine takes it.
fn moment(shape: &Shape<'_>) -> Moment {
    if shape.anchor.clock.is_date() {
        Moment::Date(shape.anchor.local.date())
    } else {
        Moment::Time(shape.anchor.local)
    }
}

fn rule(text: &str, clock: &Clock) -> Option<Rule> {
    let rule = Rule::parse(text).ok()?;
    Some(match clock {
        Clock::Zone(zone, _) => rule.localised(|utc| zone.last_local(seconds(utc))),
        Clock::Date | Clock::Floating | Clock::Utc => rule,
    })
}

/// A component that replaces one instance, or that one and all later ones (RFC 5545 §3.8.4.4).
pub(super) struct Override<'a> {
    pub shape: Shape<'a>,
    /// The RECURRENCE-ID.
    pub id: DateValue<'a>,
    pub future: bool,
}

impl<'a> Override<'a> {
    /// Reads a component with a RECURRENCE-ID; none if it has none that is readable, or no date.
    pub fn of(shape: Shape<'a>) -> Result<Self, Shape<'a>> {
        let Some(property) = shape.component.property("RECURRENCE-ID") else { return Err(shape) };
        let Some(id) = property.date() else { return Err(shape) };
        let range = property.parameter("RANGE");
        let future = range.is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
        Ok(Self { shape, id, future })
    }
}
