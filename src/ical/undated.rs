//! When components happen that no instances can be made of: free-busy time, and to-dos without dates.
//! RFC 4791 §9.9.

use std::ops::Range;

use crate::ical::calendar::{Component, Property};
use crate::ical::value::{DateValue, Duration, PeriodEnd, PeriodValue, seconds};
use crate::model;

/// The open ends of time, far from overflow; the row of what has no dates reaches from one to the other.
pub const ALWAYS: Range<i64> = i64::MIN / 4..i64::MAX / 4;

/// When such a component may match a time range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// In no range.
    Never,
    /// In every range.
    Always,
    /// In ranges that end after this moment.
    After(i64),
    /// In ranges that touch this span, both its ends included.
    Touching(i64, i64),
    /// In ranges that start not after the end of this span and end after its start.
    Within(i64, i64),
    /// In ranges that overlap one of these spans.
    Periods(Vec<(i64, i64)>),
}

impl Extent {
    /// Of a component that [`crate::ical::series::Shape`] knows no dates of.
    pub fn of(component: Component<'_>) -> Self {
        match component.kind() {
            Some(model::Component::Vtodo) => todo(component),
            Some(model::Component::Vfreebusy) => freebusy(component),
            Some(model::Component::Vevent | model::Component::Vjournal) | None => Self::Never,
            Some(model::Component::Vavailability) => Self::Always,
        }
    }

    /// Whether it overlaps a time range in the sense of RFC 4791 §9.9.
    pub fn overlaps(&self, range: &Range<i64>) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::After(moment) => range.end > *moment,
            Self::Touching(first, last) => range.start <= *last && range.end >= *first,
            Self::Within(first, last) => range.start <= *last && range.end > *first,
            Self::Periods(periods) => periods.iter().any(|(s, e)| range.start < *e && range.end > *s),
        }
    }

    /// The span that it matches nothing outside of; none if it never matches.
    pub fn bounds(&self) -> Option<Range<i64>> {
        match self {
            Self::Never => None,
            Self::Always => Some(ALWAYS),
            Self::After(moment) => Some(*moment..ALWAYS.end),
            Self::Touching(first, last) => Some(first.saturating_sub(1)..last.saturating_add(1)),
            Self::Within(first, last) => Some(*first..last.saturating_add(1)),
            Self::Periods(periods) => {
                let first = periods.iter().map(|(s, _)| *s).min()?;
                Some(first..periods.iter().map(|(_, e)| *e).max()?)
            }
        }
    }
}

/// The rows of the table without DTSTART and DUE.
fn todo(component: Component<'_>) -> Extent {
    let moment = |name| component.date(name).map(|date| utc(&date));
    match (moment("COMPLETED"), moment("CREATED")) {
        (Some(completed), Some(created)) => Extent::Touching(created.min(completed), created.max(completed)),
        (Some(completed), None) => Extent::Touching(completed, completed),
        (None, Some(created)) => Extent::After(created),
        (None, None) => Extent::Always,
    }
}

fn freebusy(component: Component<'_>) -> Extent {
    let moment = |name| component.date(name).map(|date| utc(&date));
    if let (Some(start), Some(end)) = (moment("DTSTART"), moment("DTEND")) {
        return Extent::Within(start, end.max(start));
    }
    let periods: Vec<_> =
        component.properties("FREEBUSY").flat_map(Property::periods).map(|p| utc_period(&p)).collect();
    if periods.is_empty() { Extent::Never } else { Extent::Periods(periods) }
}

/// The moment of a value that must be in UTC; another form is read as if it were.
pub(super) fn utc(value: &DateValue<'_>) -> i64 {
    seconds(value.civil())
}

/// Start and end of a period that must be in UTC.
pub(super) fn utc_period(period: &PeriodValue<'_>) -> (i64, i64) {
    let start = utc(&period.start);
    let end = match &period.end {
        PeriodEnd::At(end) => utc(end),
        PeriodEnd::After(duration) => start.saturating_add(Duration::rough(*duration)),
    };
    (start, end.max(start))
}
