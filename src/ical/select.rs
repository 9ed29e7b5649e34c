//! The part of a calendar object that a report asks for.
//! RFC 4791 §9.6; what is copied is copied octet for octet, but for line breaks.

use std::ops::Range;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::expand::expand;
use crate::ical::occurrence::{View, impacting};
use crate::ical::recur::{Budget, Exhausted};
use crate::ical::undated::utc_period;
use crate::ical::value::PeriodValue;
use crate::ical::write::Writer;
use crate::ical::zone::Zone;

/// What CALDAV:calendar-data asks for (RFC 4791 §9.6); by default the whole object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Which parts of VCALENDAR; none is all.
    pub comp: Option<CompSelection>,
    /// What becomes of recurrence.
    pub recurrence: Option<Recurrence>,
    /// CALDAV:limit-freebusy-set (§9.6.7): only the FREEBUSY periods that overlap these UTC seconds.
    pub freebusy: Option<Range<i64>>,
}

impl Selection {
    /// Whether it is the whole object, which needs no writing anew.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }
}

/// What becomes of recurring components, in UTC seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recurrence {
    /// CALDAV:expand (§9.6.5): each instance that overlaps the range by itself, in UTC.
    Expand(Range<i64>),
    /// CALDAV:limit-recurrence-set (§9.6.6): only the overrides that have to do with the range.
    Limit(Range<i64>),
}

/// CALDAV:comp (§9.6.1). One that names neither properties nor components, as `<comp name="VTIMEZONE"/>`, means all of
/// both, as in the example of §7.8.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompSelection {
    /// The name of the component.
    pub name: String,
    /// Its properties; none is all.
    pub props: Option<Vec<PropSelection>>,
    /// Its components; none is all.
    pub comps: Option<Vec<CompSelection>>,
}

/// CALDAV:prop (§9.6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropSelection {
    /// The name of the property.
    pub name: String,
    /// Whether only its name and parameters are wanted.
    pub novalue: bool,
}

/// Writes the part of an object that is asked for.
///
/// `floating` is the zone of whoever asks.
///
/// # Errors
/// If the budget is spent before all instances are found.
pub fn select(
    calendar: &Calendar,
    selection: &Selection,
    floating: &Zone,
    budget: &Budget,
) -> Result<String, Exhausted> {
    budget.next_object();
    let root = calendar.root();
    let wanted = Wanted(selection.comp.as_ref().filter(|comp| root.is(&comp.name)));
    let freebusy = selection.freebusy.as_ref();
    let mut out = Writer::default();
    out.line("BEGIN:VCALENDAR");
    for property in root.lines() {
        wanted.write(property, &mut out);
    }
    let view = |window: &Range<i64>| View { window: window.clone(), floating, budget };
    match &selection.recurrence {
        Some(Recurrence::Expand(range)) => expand(calendar, &view(range), (wanted, freebusy), &mut out)?,
        Some(Recurrence::Limit(range)) => {
            let kept = impacting(calendar, &view(range))?;
            for component in calendar.components() {
                let overrides = component.property("RECURRENCE-ID").is_some();
                if !overrides || kept.contains(&component) {
                    copy(component, wanted, freebusy, &mut out);
                }
            }
        }
        None => calendar.components().for_each(|component| copy(component, wanted, freebusy, &mut out)),
    }
    out.line("END:VCALENDAR");
    Ok(out.finish())
}

/// Which parts of one component are wanted; none is all.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'s>(Option<&'s CompSelection>);

impl Wanted<'_> {
    /// Which parts of a component inside this one; none if it is not wanted at all.
    pub fn part(self, component: Component<'_>) -> Option<Self> {
        match self.0.and_then(|comp| comp.comps.as_deref()) {
            None => Some(Self(None)),
            Some(comps) => comps.iter().find(|comp| component.is(&comp.name)).map(|comp| Self(Some(comp))),
        }
    }

    /// How the property of that name is wanted: with its value or without; none if not at all.
    pub fn property(self, name: &str) -> Option<bool> {
        match self.0.and_then(|comp| comp.props.as_deref()) {
            None => Some(true),
            Some(props) => {
                props.iter().find(|prop| prop.name.eq_ignore_ascii_case(name)).map(|prop| !prop.novalue)
            }
        }
    }

    /// Writes a property as far as it is wanted.
    pub fn write(self, property: Property<'_>, out: &mut Writer) {
        match self.0.and(self.0.and_then(|comp| comp.props.as_ref())) {
            None => out.raw(property.raw()),
            Some(_) => match self.property(&property.name()) {
                Some(true) => out.raw(property.raw()),
                Some(false) => out.pieces(&[&property.head(), ":"]),
                None => {}
            },
        }
    }

    fn is_all(self) -> bool {
        self.0.is_none_or(|comp| comp.props.is_none() && comp.comps.is_none())
    }
}

/// Writes the wanted parts of a component of `parent`, of a VFREEBUSY only the periods of a window.
pub(super) fn copy(
    component: Component<'_>,
    parent: Wanted<'_>,
    freebusy: Option<&Range<i64>>,
    out: &mut Writer,
) {
    let Some(wanted) = parent.part(component) else { return };
    let freebusy = freebusy.filter(|_| component.is("VFREEBUSY"));
    if wanted.is_all() && freebusy.is_none() {
        return out.raw(component.raw());
    }
    let name = component.name();
    out.pieces(&["BEGIN:", &name]);
    for property in component.lines() {
        match freebusy {
            Some(window) if property.is("FREEBUSY") => limited(property, wanted, window, out),
            _ => wanted.write(property, out),
        }
    }
    component.components().for_each(|part| copy(part, wanted, None, out));
    out.pieces(&["END:", &name]);
}

/// Writes the periods of a FREEBUSY that overlap a window.
fn limited(property: Property<'_>, wanted: Wanted<'_>, window: &Range<i64>, out: &mut Writer) {
    let value = property.value();
    let overlaps = |text: &&str| {
        PeriodValue::parse(text, None).is_some_and(|period| {
            let (start, end) = utc_period(&period);
            window.start < end && window.end > start
        })
    };
    let kept: Vec<_> = value.split(',').filter(overlaps).collect();
    match wanted.property("FREEBUSY") {
        Some(true) if !kept.is_empty() => out.pieces(&[&property.head(), ":", &kept.join(",")]),
        Some(false) if !kept.is_empty() => out.pieces(&[&property.head(), ":"]),
        _ => {}
    }
}
