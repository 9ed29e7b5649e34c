//! The object that is edited: its series, and which of its instances have components of their own.

use jiff::civil::DateTime;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::clock::{Clock, When};
use crate::ical::edit::Fault;
use crate::ical::edit::form::Form;
use crate::ical::recur::{Budget, Exhausted, Set};
use crate::ical::series::{Repetition, Shape};
use crate::ical::value::{DateValue, PeriodValue};
use crate::ical::zone::{Zone, Zones};
use crate::model;

/// What is read of an object before it is edited.
pub(super) struct Subject<'a> {
    pub calendar: &'a Calendar,
    pub zones: Zones<'a>,
    pub master: Option<Master<'a>>,
    pub exceptions: Vec<Exception<'a>>,
    pub budget: &'a Budget,
}

/// The component without RECURRENCE-ID.
pub(super) struct Master<'a> {
    pub component: Component<'a>,
    /// When it happens; none for a to-do without dates.
    pub dated: Option<Dated<'a>>,
}

/// When the master happens.
pub(super) struct Dated<'a> {
    pub shape: Shape<'a>,
    /// DTSTART, or DUE where there is none.
    pub anchor: Property<'a>,
    pub form: Form,
    /// None for what happens once.
    pub set: Option<Set>,
}

/// A component that replaces an instance.
pub(super) struct Exception<'a> {
    pub component: Component<'a>,
    /// Where that instance stands on the clock of the master; without a master, on its own.
    pub place: DateTime,
    pub clock: Clock,
    /// RANGE=THISANDFUTURE.
    pub ranges: bool,
}

/// The instance that an edit is about.
pub(super) enum Found {
    /// What happens once.
    Single,
    /// The exception of that number.
    Exception(usize),
    /// An instance of the rule at that place.
    Instance(DateTime),
}

impl<'a> Subject<'a> {
    pub fn read(calendar: &'a Calendar, budget: &'a Budget) -> Result<Self, Fault> {
        let mut subject =
            Self { calendar, zones: Zones::new(calendar), master: None, exceptions: vec![], budget };
        let edited = |c: &Component<'_>| {
            matches!(
                c.kind(),
                Some(model::Component::Vevent | model::Component::Vtodo | model::Component::Vjournal)
            )
        };
        let mut uids = calendar.components().filter(edited).map(Component::uid);
        let first = uids.next();
        if uids.any(|uid| Some(&uid) != first.as_ref()) {
            return Err(Fault::Ambiguous);
        }
        for component in calendar.components().filter(edited) {
            if component.property("RECURRENCE-ID").is_none() {
                let dated = subject.dated(component)?;
                if subject.master.replace(Master { component, dated }).is_some() {
                    return Err(Fault::Ambiguous);
                }
            }
        }
        for component in calendar.components().filter(edited) {
            if let Some(id) = component.property("RECURRENCE-ID") {
                let date = id.date().ok_or(Fault::Instance)?;
                let when = When::of(&date, &mut subject.zones, budget)?;
                let clock = subject.clock().cloned().unwrap_or(when.clock);
                let place = subject.place(&date, &clock)?;
                let range = id.parameter("RANGE");
                let ranges = range.is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE"));
                subject.exceptions.push(Exception { component, place, clock, ranges });
            }
        }
        if subject.master.is_none() && subject.exceptions.is_empty() { Err(Fault::Kind) } else { Ok(subject) }
    }

    fn dated(&mut self, component: Component<'a>) -> Result<Option<Dated<'a>>, Fault> {
        let anchor = component.property("DTSTART").or_else(|| component.property("DUE"));
        let shape = Shape::of(component, &mut self.zones, self.budget)?;
        let (Some(shape), Some(anchor)) = (shape, anchor) else { return Ok(None) };
        let Some(form) = Form::of(anchor) else { return Ok(None) };
        let set = Repetition::of(&shape, &mut self.zones, self.budget)?.map(|repetition| repetition.set);
        Ok(Some(Dated { shape, anchor, form, set }))
    }

    /// The dates of the master, if it has some.
    pub fn dated_master(&self) -> Option<&Dated<'a>> {
        self.master.as_ref()?.dated.as_ref()
    }

    fn clock(&self) -> Option<&Clock> {
        Some(&self.dated_master()?.shape.anchor.clock)
    }

    /// Where a RECURRENCE-ID, an RDATE or an EXDATE stands on a clock; a day stands for the first instance on it.
    fn place(&mut self, date: &DateValue<'_>, clock: &Clock) -> Result<DateTime, Exhausted> {
        let place = clock.shows(date, &mut self.zones, self.budget)?;
        let set = self.dated_master().and_then(|dated| dated.set.as_ref());
        if let (true, false, Some(set)) = (date.is_date(), clock.is_date(), set) {
            let mut instances = bare(set).instances(self.budget);
            instances.seek(place);
            let first = instances.next().transpose()?;
            return Ok(first.filter(|first| first.date() == place.date()).unwrap_or(place));
        }
        Ok(if clock.is_date() { place.date().at(0, 0, 0, 0) } else { place })
    }

    /// The instance that a RECURRENCE-ID names.
    pub fn find(&mut self, id: &DateValue<'_>) -> Result<Found, Fault> {
        let when = When::of(id, &mut self.zones, self.budget)?;
        let clock = self.clock().cloned().unwrap_or(when.clock);
        let place = self.place(id, &clock)?;
        let named = |one: &Exception<'_>| {
            let utc = Zone::utc();
            one.place == place
                || (!clock.floats() && one.clock.instant(one.place, &utc) == clock.instant(place, &utc))
        };
        if let Some(number) = self.exceptions.iter().position(named) {
            return Ok(Found::Exception(number));
        }
        let Some(dated) = self.dated_master() else { return Err(Fault::Instance) };
        let Some(set) = &dated.set else {
            return if place == dated.shape.anchor.local { Ok(Found::Single) } else { Err(Fault::Instance) };
        };
        let utc = Zone::utc();
        let mut instances = set.instances(self.budget);
        instances.seek(place.date().at(0, 0, 0, 0));
        for instance in instances {
            let instance = instance?;
            // In an hour that the clock skips, an instance may be named by the time that is shown.
            if instance == place || clock.local(clock.instant(instance, &utc), &utc) == place {
                return Ok(Found::Instance(instance));
            }
            if instance.date() > place.date() {
                break;
            }
        }
        Err(Fault::Instance)
    }

    /// The values of the EXDATE or RDATE of the master, each with its place.
    pub fn listed(&mut self, name: &str) -> Result<Vec<(Property<'a>, Vec<DateTime>)>, Fault> {
        let (Some(master), Some(clock)) = (&self.master, self.clock().cloned()) else { return Ok(vec![]) };
        let mut found = vec![];
        for property in master.component.properties(name).collect::<Vec<_>>() {
            let tzid = property.parameter("TZID");
            let mut places = vec![];
            for one in property.value().split(',') {
                let date = DateValue::parse(one, tzid.as_ref());
                let date = date.or_else(|| PeriodValue::parse(one, tzid.as_ref()).map(|period| period.start));
                places.push(match date {
                    Some(date) => self.place(&date, &clock)?,
                    None => UNREADABLE,
                });
            }
            found.push((property, places));
        }
        Ok(found)
    }
}

/// The place of a value that cannot be read.
pub(super) const UNREADABLE: DateTime = DateTime::MIN;

/// A set without what is taken out of it.
pub(super) fn bare(set: &Set) -> Set {
    Set { exdates: vec![], exrules: vec![], ..set.clone() }
}

/// Whether a set has an instance at a place.
pub(super) fn has(set: &Set, place: DateTime, budget: &Budget) -> Result<bool, Exhausted> {
    let mut instances = set.instances(budget);
    instances.seek(place);
    Ok(instances.next().transpose()? == Some(place))
}
