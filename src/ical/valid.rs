//! What a calendar object resource must be before it is stored.
//! RFC 4791 §4.1, §5.3.2.1; where real products are wrong but clear, they are right here.

use std::fmt;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::occurrence::Series;
use crate::ical::recur::{self, Budget, Rule};
use crate::ical::text::Invalid;
use crate::model;

/// How large an object may be in ways that octets do not show; 0 is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Instances of a recurrence that ends by itself (RFC 4791 §5.2.8).
    pub max_instances: usize,
    /// ATTENDEE properties of one component (RFC 4791 §5.2.9).
    pub max_attendees: usize,
}

/// What a valid object is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The UID that all its components share.
    pub uid: String,
    /// Their kind.
    pub component: model::Component,
}

/// The precondition that an object fails (RFC 4791 §5.3.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// CALDAV:valid-calendar-data
    Data(Invalid),
    /// CALDAV:valid-calendar-object-resource
    Resource(&'static str),
    /// CALDAV:supported-calendar-component; the name of the component
    Component(String),
    /// CALDAV:supported-rscale (RFC 7529 §7)
    Rscale,
    /// CALDAV:max-instances; the limit
    Instances(usize),
    /// CALDAV:max-attendees-per-instance; the limit
    Attendees(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(invalid) => invalid.fmt(out),
            Self::Resource(reason) => out.write_str(reason),
            Self::Component(name) => write!(out, "no calendar object can be made of {name}"),
            Self::Rscale => out.write_str("a recurrence rule counts in a calendar other than the Gregorian"),
            Self::Instances(limit) => write!(out, "the recurrence has more than {limit} instances"),
            Self::Attendees(limit) => write!(out, "a component has more than {limit} attendees"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::Data(invalid)
    }
}

/// Whether a calendar object resource can be made of `calendar`, and what it is about.
///
/// # Errors
/// The first precondition that fails.
pub fn object(calendar: &Calendar, limits: &Limits) -> Result<Object, Fault> {
    envelope(calendar)?;
    let mut object: Option<Object> = None;
    let mut masters = 0;
    for component in calendar.components() {
        let Some(kind) = kind(component)? else { continue };
        let uid = uid(component)?;
        masters += usize::from(component.property("RECURRENCE-ID").is_none());
        match &object {
            None => object = Some(Object { uid, component: kind }),
            Some(first) if first.component != kind => {
                return Err(Fault::Resource("components of two kinds in one object"));
            }
            Some(first) if first.uid != uid => {
                return Err(Fault::Resource("components with two UIDs in one object"));
            }
            Some(_) => {}
        }
        dates(component, kind)?;
        if limits.max_attendees > 0 && component.properties("ATTENDEE").count() > limits.max_attendees {
            return Err(Fault::Attendees(limits.max_attendees));
        }
    }
    let object = object.ok_or_else(|| nothing(calendar))?;
    if masters > 1 {
        return Err(Fault::Resource("two components of one UID without RECURRENCE-ID"));
    }
    instances(calendar, limits.max_instances)?;
    Ok(object)
}

/// What VCALENDAR itself says.
fn envelope(calendar: &Calendar) -> Result<(), Fault> {
    if calendar.property("METHOD").is_some() {
        return Err(Fault::Resource("METHOD belongs into messages, not into stored objects"));
    }
    let other = |name, value: &str| {
        calendar.property(name).filter(|p| !p.value().trim_ascii().eq_ignore_ascii_case(value))
    };
    if let Some(version) = other("VERSION", "2.0") {
        return Err(version.invalid("VERSION must be 2.0").into());
    }
    if let Some(scale) = other("CALSCALE", "GREGORIAN") {
        return Err(scale.invalid("CALSCALE must be GREGORIAN").into());
    }
    Ok(())
}

/// The kind of a component of VCALENDAR; none for what merely goes with an object.
fn kind(component: Component<'_>) -> Result<Option<model::Component>, Fault> {
    match component.kind() {
        Some(kind) => Ok(Some(kind)),
        None if component.is("VTIMEZONE") || component.name().starts_with(['X', 'x']) => Ok(None),
        None => Err(Fault::Component(component.name().into_owned())),
    }
}

/// The fault of an object without any component that counts.
fn nothing(calendar: &Calendar) -> Fault {
    match calendar.components().find(|c| !c.is("VTIMEZONE")) {
        Some(other) => Fault::Component(other.name().into_owned()),
        None => Fault::Resource("no event, to-do or journal entry in the object"),
    }
}

fn uid(component: Component<'_>) -> Result<String, Fault> {
    let uid = component.property("UID").map(|p| p.text().trim_ascii().to_owned()).unwrap_or_default();
    if uid.is_empty() { Err(Fault::Resource("a component without UID")) } else { Ok(uid) }
}

/// The dates of a component must be readable, for else nobody could find it.
fn dates(component: Component<'_>, kind: model::Component) -> Result<(), Fault> {
    if kind == model::Component::Vevent && component.property("DTSTART").is_none() {
        return Err(component.invalid("an event without DTSTART").into());
    }
    for property in component.lines() {
        let is_any = |names: &[&str]| names.iter().any(|name| property.is(name));
        if is_any(&["DTSTART", "DTEND", "DUE", "RECURRENCE-ID"]) && property.date().is_none() {
            return Err(property.invalid("neither a date nor a time").into());
        }
        if property.is("DURATION") && property.duration().is_none() {
            return Err(property.invalid("not a duration").into());
        }
        if is_any(&["RRULE", "EXRULE"]) {
            rule(property)?;
        }
    }
    Ok(())
}

fn rule(property: Property<'_>) -> Result<(), Fault> {
    match Rule::parse(&property.value()) {
        Ok(_) => Ok(()),
        Err(fault) => Err(match fault.fault() {
            recur::Fault::Unsupported => Fault::Rscale,
            recur::Fault::Malformed => property.invalid("not a recurrence rule").into(),
            recur::Fault::Forbidden => {
                property.invalid("a recurrence rule with parts that exclude each other").into()
            }
        }),
    }
}

/// How much work it may be to count the instances of one object.
const COUNT_BUDGET: u64 = 500_000;

/// A recurrence that ends by itself must end in time; one without end is never stored as its instances.
fn instances(calendar: &Calendar, limit: usize) -> Result<(), Fault> {
    let budget = Budget::new(COUNT_BUDGET);
    let too_many = match Series::all(calendar, &budget) {
        Ok(all) => limit > 0 && all.iter().any(|series| series.is_longer_than(limit, &budget)),
        Err(_) => return Err(Fault::Resource("the time zones of the object change too often")),
    };
    if too_many { Err(Fault::Instances(limit)) } else { Ok(()) }
}
