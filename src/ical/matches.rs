//! Whether a calendar object passes the filter of a query.
//! RFC 4791 §7.4, §9.7–9.9; draft-daboo-caldav-extensions §3.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::ops::{ControlFlow, Range};

use crate::ical::alarm::Alarm;
use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::clock::When;
use crate::ical::filter::{
    CompFilter, CompTest, Filter, ParamFilter, ParamTest, PropFilter, PropTest, TimeRange, ValueTest,
};
use crate::ical::occurrence::{Occurrence, View, visit};
use crate::ical::recur::{Budget, Exhausted};
use crate::ical::series::{Ends, Shape};
use crate::ical::undated::{ALWAYS, Extent};
use crate::ical::zone::{Zone, Zones};
use crate::model;

/// Whether the object passes the filter.
///
/// `floating` is the zone of whoever asks. Of a recurring component every instance is tried: the range, the dates and
/// the alarms of one comp-filter must all be those of the same instance.
///
/// # Errors
/// If the budget is spent before the answer is known.
pub fn matches(
    calendar: &Calendar,
    filter: &Filter,
    floating: &Zone,
    budget: &Budget,
) -> Result<bool, Exhausted> {
    budget.next_object();
    let query = Query { calendar, floating, budget, alarms: RefCell::default() };
    query.is(&filter.0.name, &filter.0.test)
}

/// Whether a filter asks when something happens.
fn is_timed(test: &CompTest) -> bool {
    match test {
        CompTest::NotDefined => false,
        CompTest::AnyOf(tests) => tests.iter().any(is_timed),
        CompTest::Defined { time_range, .. } => time_range.is_some(),
    }
}

/// Whether a component has the name that a filter gives.
fn is_named(component: Component<'_>, name: &str) -> bool {
    name == "*" || component.is(name)
}

/// Octets that are read while a candidate of a recurrence is looked at.
const OCTETS_A_UNIT: usize = 32;

/// One question to one object.
struct Query<'q> {
    calendar: &'q Calendar,
    floating: &'q Zone,
    budget: &'q Budget,
    alarms: RefCell<HashMap<Component<'q>, Option<Alarm>>>,
}

impl<'q> Query<'q> {
    /// The filter of the VCALENDAR itself.
    fn is(&self, name: &str, test: &CompTest) -> Result<bool, Exhausted> {
        let root = self.calendar.root();
        match test {
            CompTest::NotDefined => Ok(!is_named(root, name)),
            CompTest::AnyOf(tests) => any(tests, |test| self.is(name, test)),
            CompTest::Defined { time_range, props, comps } => {
                let props: Vec<_> = props.iter().collect();
                if !is_named(root, name) || !self.has_properties(root, &props, None)? {
                    return Ok(false);
                }
                if let Some(range) = time_range
                    && !self.happens(*range)?
                {
                    return Ok(false);
                }
                all(comps, |comp| self.has_component(&comp.name, &comp.test))
            }
        }
    }

    /// Whether any component happens in the range.
    fn happens(&self, range: TimeRange) -> Result<bool, Exhausted> {
        let window = range.window();
        if self.any_undated(|component| Ok(Extent::of(component).overlaps(&window)))? {
            return Ok(true);
        }
        self.any_instance(window.clone(), &|_| true, |occurrence| Ok(occurrence.overlaps(&window)))
    }

    /// A comp-filter on the components of VCALENDAR.
    fn has_component(&self, name: &str, test: &CompTest) -> Result<bool, Exhausted> {
        let (time_range, props, comps) = match test {
            CompTest::Defined { time_range, props, comps } => (time_range, props, comps),
            CompTest::AnyOf(tests) => return any(tests, |test| self.has_component(name, test)),
            CompTest::NotDefined => return Ok(!self.calendar.components().any(|c| is_named(c, name))),
        };
        let passes = |component: Component<'q>, occurrence: Option<&Occurrence<'_>>| {
            // What all instances have in common was asked before. For the rest each reads its component anew.
            let of_all = occurrence.is_none();
            let own: Vec<_> = props.iter().filter(|prop| of_all || is_about_instances(prop)).collect();
            let timed: Vec<_> = comps.iter().filter(|comp| of_all || is_timed(&comp.test)).collect();
            let read = component.raw().len() / OCTETS_A_UNIT * (own.len() + timed.len());
            self.budget.spend(read as u64)?;
            Ok(self.has_properties(component, &own, occurrence)?
                && timed.iter().all(|comp| self.has_part(component, comp, occurrence)))
        };
        let Some(window) = self.window(name, test) else {
            return any(self.calendar.components().filter(|c| is_named(*c, name)), |c| passes(c, None));
        };
        // An alarm at a fixed time goes off once, whatever the instances.
        let alarms_alone = time_range.is_none() && !props.iter().any(is_about_instances);
        let named = || self.calendar.components().filter(|c| is_named(*c, name));
        if alarms_alone && any(named(), |c| passes(c, None))? {
            return Ok(true);
        }
        let range = time_range.map(TimeRange::window);
        let in_undated = |component: Component<'q>| {
            let happens = range.as_ref().is_none_or(|range| Extent::of(component).overlaps(range));
            Ok(is_named(component, name) && happens && passes(component, None)?)
        };
        if self.any_undated(in_undated)? {
            return Ok(true);
        }
        // What all instances have in common is asked once, lest an endless series be walked to the end of time for it.
        let mut able = HashSet::new();
        for component in named() {
            if self.can_pass(component, props, comps)? {
                able.insert(component);
            }
        }
        self.any_instance(window, &|component| able.contains(&component), |occurrence| {
            Ok(able.contains(&occurrence.component)
                && range.as_ref().is_none_or(|range| occurrence.overlaps(range))
                && passes(occurrence.component, Some(occurrence))?)
        })
    }

    /// Whether a component has all that a filter asks of every instance alike.
    fn can_pass(
        &self,
        component: Component<'q>,
        props: &[PropFilter],
        comps: &[CompFilter],
    ) -> Result<bool, Exhausted> {
        let goes_off = |comp: &CompFilter| {
            let parts = || component.components().filter(|part| is_named(*part, &comp.name));
            is_timed(&comp.test) && parts().filter_map(Alarm::of).any(|alarm| alarm.reach().is_some())
        };
        self.budget.spend((props.len() + comps.len()) as u64)?;
        let alike = props.iter().filter(|prop| !is_about_instances(prop));
        Ok(all(alike, |prop| self.has_property(component, prop, None))?
            && comps.iter().all(|comp| goes_off(comp) || self.has_part(component, comp, None)))
    }

    /// Where to look for the instances that a filter needs; none if it asks nothing of instances.
    fn window(&self, name: &str, test: &CompTest) -> Option<Range<i64>> {
        let CompTest::Defined { time_range, props, comps } = test else { return None };
        let of_dates =
            props.iter().filter(|prop| is_about_instances(prop)).find_map(|prop| match &prop.test {
                PropTest::Defined { value: Some(ValueTest::Time(range)), .. } => Some(range.window()),
                // What else is enough may be so of any instance.
                PropTest::AnyOf(_) => Some(ALWAYS),
                _ => None,
            });
        let of_alarms = || {
            let range = ringing(comps)?;
            let components = self.calendar.components().filter(|c| is_named(*c, name));
            let alarms = components.flat_map(Component::components).filter_map(Alarm::of);
            let reach = alarms.filter_map(|alarm| alarm.reach()).max().unwrap_or(0);
            let window = range.window();
            Some(window.start.saturating_sub(reach)..window.end.saturating_add(reach))
        };
        time_range.map(TimeRange::window).or(of_dates).or_else(of_alarms)
    }

    /// Whether any instance that touches the window passes; of no other components than those that are able to.
    fn any_instance(
        &self,
        window: Range<i64>,
        able: &dyn Fn(Component<'q>) -> bool,
        passes: impl Fn(&Occurrence<'q>) -> Result<bool, Exhausted>,
    ) -> Result<bool, Exhausted> {
        let view = View { window, floating: self.floating, budget: self.budget };
        let mut answer = Ok(false);
        let _broken = visit(self.calendar, &view, able, &mut |occurrence| {
            answer = passes(&occurrence);
            if matches!(answer, Ok(false)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        answer
    }

    /// Whether any component that no instances can be made of passes.
    fn any_undated(
        &self,
        passes: impl Fn(Component<'q>) -> Result<bool, Exhausted>,
    ) -> Result<bool, Exhausted> {
        let mut zones = Zones::new(self.calendar);
        any(self.calendar.components(), |component| {
            Ok(Shape::of(component, &mut zones, self.budget)?.is_none() && passes(component)?)
        })
    }

    fn has_properties(
        &self,
        component: Component<'q>,
        filters: &[&PropFilter],
        occurrence: Option<&Occurrence<'_>>,
    ) -> Result<bool, Exhausted> {
        self.budget.spend(filters.len() as u64)?;
        all(filters, |filter| self.has_property(component, filter, occurrence))
    }

    fn has_property(
        &self,
        component: Component<'q>,
        filter: &PropFilter,
        occurrence: Option<&Occurrence<'_>>,
    ) -> Result<bool, Exhausted> {
        self.passes(component, (&filter.name, &filter.test), occurrence)
    }

    fn passes(
        &self,
        component: Component<'q>,
        (name, test): (&str, &PropTest),
        occurrence: Option<&Occurrence<'_>>,
    ) -> Result<bool, Exhausted> {
        let (value, params) = match test {
            PropTest::Defined { value, params } => (value, params),
            PropTest::AnyOf(tests) => {
                return any(tests, |test| self.passes(component, (name, test), occurrence));
            }
            PropTest::NotDefined => return Ok(component.property(name).is_none()),
        };
        if let (Some(ValueTest::Time(range)), Some(occurrence)) = (value, occurrence)
            && let Some(moment) = moment_of_instance(name, occurrence)
        {
            let own = component.property(name);
            let window = range.window();
            let has_params = match own {
                Some(own) => params.iter().all(|param| has_parameter(own, param)),
                None => params.is_empty(),
            };
            return Ok(window.start <= moment && window.end > moment && has_params);
        }
        any(component.properties(name), |property| {
            let has_value = match value {
                None => true,
                Some(ValueTest::Text(wanted)) => wanted.accepts(&property.text()),
                Some(ValueTest::Time(range)) => self.is_within(property, *range)?,
            };
            Ok(has_value && params.iter().all(|param| has_parameter(property, param)))
        })
    }

    /// A comp-filter inside the filter of a component: alarms, but also parts of any other kind.
    fn has_part(&self, parent: Component<'q>, filter: &CompFilter, at: Option<&Occurrence<'_>>) -> bool {
        self.has_such_part(parent, (&filter.name, &filter.test), at)
    }

    fn has_such_part(
        &self,
        parent: Component<'q>,
        (name, test): (&str, &CompTest),
        at: Option<&Occurrence<'_>>,
    ) -> bool {
        let mut parts = parent.components().filter(|part| is_named(*part, name));
        let (time_range, props, comps) = match test {
            CompTest::Defined { time_range, props, comps } => (time_range, props, comps),
            CompTest::AnyOf(tests) => {
                return tests.iter().any(|test| self.has_such_part(parent, (name, test), at));
            }
            CompTest::NotDefined => return parts.next().is_none(),
        };
        parts.any(|part| {
            let happens = time_range.is_none_or(|range| {
                self.alarm(part).is_some_and(|alarm| alarm.overlaps(&range.window(), at))
            });
            happens
                && props.iter().all(|prop| has_plain_property(part, &prop.name, &prop.test))
                && comps.iter().all(|comp| self.has_part(part, comp, None))
        })
    }

    /// A VALARM, read once for all the instances that it is asked about.
    fn alarm(&self, part: Component<'q>) -> Option<Alarm> {
        let mut alarms = self.alarms.borrow_mut();
        *alarms.entry(part).or_insert_with(|| Alarm::of(part).filter(|_| part.is("VALARM")))
    }

    fn is_within(&self, property: Property<'q>, range: TimeRange) -> Result<bool, Exhausted> {
        let window = range.window();
        let mut zones = Zones::new(self.calendar);
        any(property.dates(), |date| {
            let moment = When::of(&date, &mut zones, self.budget)?.instant(self.floating);
            Ok(window.start <= moment && window.end > moment)
        })
    }
}

/// Whether a prop-filter has a range that is about each instance, not about the component that describes it.
fn is_about_instances(filter: &PropFilter) -> bool {
    let timed = |test: &PropTest| matches!(test, PropTest::Defined { value: Some(ValueTest::Time(_)), .. });
    let timed = match &filter.test {
        PropTest::AnyOf(tests) => tests.iter().any(timed),
        test => timed(test),
    };
    timed && ["DTSTART", "DTEND", "DUE"].iter().any(|date| date.eq_ignore_ascii_case(&filter.name))
}

/// The effective date of an instance: its own, even where its component has only a DURATION (RFC 4791 §9.9).
fn moment_of_instance(name: &str, occurrence: &Occurrence<'_>) -> Option<i64> {
    let is = |date: &str| name.eq_ignore_ascii_case(date);
    let todo = occurrence.kind == model::Component::Vtodo;
    match occurrence.ends {
        Ends::Both | Ends::Lasting | Ends::Start if is("DTSTART") => Some(occurrence.start),
        Ends::Both | Ends::Lasting if is(if todo { "DUE" } else { "DTEND" }) => {
            (occurrence.kind != model::Component::Vjournal).then_some(occurrence.end)
        }
        Ends::Due if is("DUE") => Some(occurrence.start),
        Ends::Both | Ends::Lasting | Ends::Start | Ends::Due => None,
    }
}

/// When the alarms go off that these filters want, where one says so. Where another condition than the time is enough of one,
/// and more is asked for besides, that is any time.
fn ringing(comps: &[CompFilter]) -> Option<TimeRange> {
    comps.iter().find_map(|comp| match &comp.test {
        CompTest::Defined { time_range, .. } => *time_range,
        CompTest::AnyOf(tests) => {
            let range = tests.iter().find_map(|test| match test {
                CompTest::Defined { time_range, .. } => *time_range,
                CompTest::AnyOf(_) | CompTest::NotDefined => None,
            });
            if comps.len() == 1 { range } else { range.map(|_| TimeRange::default()) }
        }
        CompTest::NotDefined => None,
    })
}

/// A prop-filter on a part, whose dates are in UTC or need no zone.
fn has_plain_property(part: Component<'_>, name: &str, test: &PropTest) -> bool {
    let (value, params) = match test {
        PropTest::Defined { value, params } => (value, params),
        PropTest::AnyOf(tests) => return tests.iter().any(|test| has_plain_property(part, name, test)),
        PropTest::NotDefined => return part.property(name).is_none(),
    };
    part.properties(name).any(|property| {
        let has_value = match value {
            None => true,
            Some(ValueTest::Text(wanted)) => wanted.accepts(&property.text()),
            Some(ValueTest::Time(range)) => property.dates().iter().any(|date| {
                let (window, moment) = (range.window(), crate::ical::undated::utc(date));
                window.start <= moment && window.end > moment
            }),
        };
        has_value && params.iter().all(|param| has_parameter(property, param))
    })
}

fn has_parameter(property: Property<'_>, filter: &ParamFilter) -> bool {
    let found = property.parameters().find(|p| p.name.eq_ignore_ascii_case(&filter.name));
    match (&filter.test, found) {
        (ParamTest::NotDefined, found) => found.is_none(),
        (_, None) => false,
        (ParamTest::Defined, Some(_)) => true,
        (ParamTest::Text(text), Some(parameter)) => parameter.values().any(|value| text.accepts(&value)),
    }
}

fn all<T>(
    items: impl IntoIterator<Item = T>,
    mut test: impl FnMut(T) -> Result<bool, Exhausted>,
) -> Result<bool, Exhausted> {
    for item in items {
        if !test(item)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn any<T>(
    items: impl IntoIterator<Item = T>,
    mut test: impl FnMut(T) -> Result<bool, Exhausted>,
) -> Result<bool, Exhausted> {
    for item in items {
        if test(item)? {
            return Ok(true);
        }
    }
    Ok(false)
}
