//! What a calendar object resource must be before it is stored.
//! RFC 4791 §4.1, §5.3.2.1; where real products are wrong but clear, they are right here.

use std::borrow::Cow;
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
    Resource(Invalid),
    /// CALDAV:supported-calendar-component; the name of the component
    Component(Place, String),
    /// CALDAV:supported-rscale (RFC 7529 §10)
    Rscale(Place),
    /// CALDAV:max-instances; the limit
    Instances(Place, usize),
    /// CALDAV:max-attendees-per-instance; the limit
    Attendees(Place, usize),
}

/// Where a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1, folded lines one by one.
    pub line: usize,
    /// In octets, counted from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}", self.line, self.column)
    }
}

impl Place {
    fn of(component: Component<'_>) -> Self {
        component.invalid("").into()
    }
}

impl From<Invalid> for Place {
    fn from(Invalid { line, column, .. }: Invalid) -> Self {
        Self { line, column }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(invalid) | Self::Resource(invalid) => invalid.fmt(out),
            Self::Component(at, name) => write!(out, "{at}: no calendar object can be made of {name}"),
            Self::Rscale(at) => {
                write!(out, "{at}: a recurrence rule counts in a calendar other than the Gregorian")
            }
            Self::Instances(at, limit) => write!(out, "{at}: the recurrence has more than {limit} instances"),
            Self::Attendees(at, limit) => write!(out, "{at}: a component has more than {limit} attendees"),
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
    let mut mastered = false;
    for component in calendar.components() {
        nested(component)?;
        let Some(kind) = kind(component)? else { continue };
        let uid = uid(component)?;
        let resource = |reason| Err(Fault::Resource(component.invalid(reason)));
        match &object {
            None => object = Some(Object { uid, component: kind }),
            Some(first) if first.component != kind => {
                return resource("components of two kinds in one object");
            }
            Some(first) if first.uid != uid => return resource("components with two UIDs in one object"),
            Some(_) => {}
        }
        let master = component.property("RECURRENCE-ID").is_none();
        if master && mastered {
            return resource("two components of one UID without RECURRENCE-ID");
        }
        mastered |= master;
        once(component)?;
        dates(component, kind)?;
        if limits.max_attendees > 0 && component.properties("ATTENDEE").count() > limits.max_attendees {
            return Err(Fault::Attendees(Place::of(component), limits.max_attendees));
        }
    }
    let object = object.ok_or_else(|| nothing(calendar))?;
    instances(calendar, limits.max_instances)?;
    Ok(object)
}

/// What says whose a component is and when it happens, it says once. A line that comes again word for word does no harm.
fn once(component: Component<'_>) -> Result<(), Fault> {
    const ONCE: [&str; 6] = ["UID", "RECURRENCE-ID", "DTSTART", "DTEND", "DUE", "DURATION"];
    let mut seen: [Option<Property<'_>>; 6] = [None; 6];
    for property in component.lines() {
        let Some(at) = ONCE.iter().position(|name| property.is(name)) else { continue };
        match seen[at] {
            None => seen[at] = Some(property),
            Some(first) if (first.value(), first.head()) == (property.value(), property.head()) => {}
            Some(_) => {
                return Err(property.invalid("this property stands there twice and says two things").into());
            }
        }
    }
    Ok(())
}

/// No event, to-do, time zone … is part of another component, however deep.
fn nested(component: Component<'_>) -> Result<(), Fault> {
    component.components().try_for_each(|part| {
        if part.kind().is_some() || part.is("VTIMEZONE") || part.is("VCALENDAR") {
            return Err(part.invalid("this component cannot be inside another").into());
        }
        nested(part)
    })
}

/// What VCALENDAR itself says.
fn envelope(calendar: &Calendar) -> Result<(), Fault> {
    if let Some(method) = calendar.property("METHOD") {
        let why = "METHOD belongs into messages, not into stored objects";
        return Err(Fault::Resource(method.invalid(why)));
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
        None => Err(Fault::Component(Place::of(component), component.name().into_owned())),
    }
}

/// The fault of an object without any component that counts.
fn nothing(calendar: &Calendar) -> Fault {
    match calendar.components().find(|c| !c.is("VTIMEZONE")) {
        Some(other) => Fault::Component(Place::of(other), other.name().into_owned()),
        None => Fault::Resource(calendar.root().invalid("no event, to-do or journal entry in the object")),
    }
}

fn uid(component: Component<'_>) -> Result<String, Fault> {
    let uid = component.uid().filter(|uid| !uid.is_empty());
    uid.map(Cow::into_owned).ok_or_else(|| Fault::Resource(component.invalid("a component without UID")))
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
            recur::Fault::Unsupported => Fault::Rscale(property.invalid("").into()),
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
    let Ok(all) = Series::all(calendar, &budget) else {
        let why = "its time zones change too often, or its rules are too many";
        return Err(Fault::Resource(calendar.root().invalid(why)));
    };
    match all.iter().find(|series| limit > 0 && series.is_longer_than(limit, &budget)) {
        Some(long) => {
            let at = long.component().map_or_else(|| Place::of(calendar.root()), Place::of);
            Err(Fault::Instances(at, limit))
        }
        None => Ok(()),
    }
}
