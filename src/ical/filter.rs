//! The filters of queries as values: what a report asks of a calendar object.
//! RFC 4791 §9.7, §9.9; draft-daboo-caldav-extensions §3 for what is asked in other words than all of it.

use std::ops::Range;

use crate::ical::collation::TextMatch;

/// CALDAV:filter (RFC 4791 §9.7): what is asked of the VCALENDAR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(pub CompFilter);

/// CALDAV:comp-filter (§9.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompFilter {
    /// The name of the component, or `*` for any.
    pub name: String,
    /// What is asked of it.
    pub test: CompTest,
}

/// What a comp-filter asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompTest {
    /// That there is no such component.
    NotDefined,
    /// That one has an instance that passes all of these.
    Defined {
        /// When it happens.
        time_range: Option<TimeRange>,
        /// What properties it has.
        props: Vec<PropFilter>,
        /// What components it has.
        comps: Vec<CompFilter>,
    },
    /// That one of these is so.
    AnyOf(Vec<CompTest>),
}

/// CALDAV:prop-filter (§9.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PropFilter {
    /// The name of the property.
    pub name: String,
    /// What is asked of it.
    pub test: PropTest,
}

/// What a prop-filter asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropTest {
    /// That there is no such property.
    NotDefined,
    /// That one passes all of these.
    Defined {
        /// What its value is.
        value: Option<ValueTest>,
        /// What parameters it has.
        params: Vec<ParamFilter>,
    },
    /// That one of these is so.
    AnyOf(Vec<PropTest>),
}

/// What is asked of the value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueTest {
    /// That its moment is in a range.
    Time(TimeRange),
    /// That it has a text.
    Text(TextMatch),
}

/// CALDAV:param-filter (§9.7.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamFilter {
    /// The name of the parameter.
    pub name: String,
    /// What is asked of it.
    pub test: ParamTest,
}

/// What a param-filter asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamTest {
    /// That there is no such parameter.
    NotDefined,
    /// That there is one.
    Defined,
    /// That one of its values has a text.
    Text(TextMatch),
}

/// CALDAV:time-range (§9.9), in seconds since 1970-01-01T00:00:00Z; an end that is missing is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first second.
    pub start: Option<i64>,
    /// The second after the last one.
    pub end: Option<i64>,
}

impl CompTest {
    /// Where one of the conditions is enough: each of them by itself. That some component meets one or the other is that some
    /// meets the one, or some the other.
    #[must_use]
    pub fn or(self) -> Self {
        let Self::Defined { time_range, props, comps } = self else { return self };
        let one = |time_range, props, comps| Self::Defined { time_range, props, comps };
        let mut tests = Vec::with_capacity(1 + props.len() + comps.len());
        tests.extend(time_range.map(|range| one(Some(range), vec![], vec![])));
        tests.extend(props.into_iter().map(|prop| one(None, vec![prop], vec![])));
        tests.extend(comps.into_iter().map(|comp| one(None, vec![], vec![comp])));
        match tests.len() {
            0 => one(None, vec![], vec![]),
            1 => tests.remove(0),
            _ => Self::AnyOf(tests),
        }
    }
}

impl PropTest {
    /// Where one of the conditions is enough: each of them by itself.
    #[must_use]
    pub fn or(self) -> Self {
        let Self::Defined { value, params } = self else { return self };
        let one = |value, params| Self::Defined { value, params };
        let mut tests = Vec::with_capacity(1 + params.len());
        tests.extend(value.map(|value| one(Some(value), vec![])));
        tests.extend(params.into_iter().map(|param| one(None, vec![param])));
        match tests.len() {
            0 => one(None, vec![]),
            1 => tests.remove(0),
            _ => Self::AnyOf(tests),
        }
    }
}

impl TimeRange {
    /// The range with its open ends at the ends of time.
    #[must_use]
    pub fn window(self) -> Range<i64> {
        self.start.unwrap_or(i64::MIN)..self.end.unwrap_or(i64::MAX)
    }
}
