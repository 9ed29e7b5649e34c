//! How the dates of a component are written: as days, on a clock of its own, or in UTC.

use jiff::civil::DateTime;

use crate::ical::calendar::Property;
use crate::ical::clock::Clock;
use crate::ical::edit::splice::whole;
use crate::ical::value::{DateValue, date_stamp, local_stamp, utc_stamp};

/// The form of a DATE or DATE-TIME property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Date,
    /// With this TZID as it is written, quotes and all; none floats.
    Local(Option<String>),
    Utc,
}

impl Form {
    /// The form in which a property is written; none if it has no date.
    pub fn of(property: Property<'_>) -> Option<Self> {
        let tzid = || property.parameters().find(|p| p.name.eq_ignore_ascii_case("TZID"));
        Some(match property.date()? {
            DateValue::Date(_) => Self::Date,
            DateValue::Floating(_) => Self::Local(None),
            DateValue::Utc(_) => Self::Utc,
            DateValue::Zoned(..) => Self::Local(tzid().map(|p| p.list().to_owned())),
        })
    }

    /// A line of that name with that time on the clock of this form.
    pub fn line(&self, name: &str, local: DateTime) -> String {
        let value = self.value(local);
        match self {
            Self::Date => [name, ";VALUE=DATE:", &value].concat(),
            Self::Local(Some(tzid)) => [name, ";TZID=", tzid, ":", &value].concat(),
            Self::Local(None) | Self::Utc => [name, ":", &value].concat(),
        }
    }

    /// The value alone.
    pub fn value(&self, local: DateTime) -> String {
        match self {
            Self::Date => date_stamp(local.date()),
            Self::Local(_) => local_stamp(local),
            Self::Utc => local_stamp(local) + "Z",
        }
    }

    /// The UNTIL that ends a rule with the instance at `last` (RFC 5545 §3.3.10: in UTC where DTSTART has a zone).
    pub fn until(&self, last: DateTime, clock: &Clock) -> String {
        match (self, clock) {
            (Self::Local(Some(_)), Clock::Zone(zone, _)) => utc_stamp(zone.instant(last)),
            _ => self.value(last),
        }
    }

    /// Whether values of both forms can be subtracted.
    pub fn is_alike(&self, other: &Self) -> bool {
        (*self == Self::Date) == (*other == Self::Date)
    }
}

/// A rule's line with another end, given as `COUNT=…` or `UNTIL=…`, or with none.
pub(super) fn with_end(rule: Property<'_>, end: Option<&str>) -> String {
    let value = rule.value();
    let is_end = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default().trim();
        name.eq_ignore_ascii_case("COUNT") || name.eq_ignore_ascii_case("UNTIL")
    };
    let parts: Vec<_> = value.split(';').filter(|part| !is_end(part)).chain(end).collect();
    [&rule.head(), ":", &parts.join(";")].concat()
}

/// The line of a weekly rule with each of its weekdays so many days later.
pub(super) fn moved(line: &str, days: i64) -> String {
    const WEEK: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let (head, value) = line.split_once(':').unwrap_or((line, ""));
    let later = |day: &str| {
        let place = WEEK.iter().position(|known| known.eq_ignore_ascii_case(day.trim()));
        place.map_or(day, |place| WEEK[(place + usize::try_from(days).unwrap_or(0)) % 7]).to_owned()
    };
    let part = |part: &str| match part.split_once('=') {
        Some((name, list)) if name.trim().eq_ignore_ascii_case("BYDAY") => {
            [name, "=", &list.split(',').map(later).collect::<Vec<_>>().join(",")].concat()
        }
        _ => part.to_owned(),
    };
    [head, ":", &value.split(';').map(part).collect::<Vec<_>>().join(";")].concat()
}

/// A line of a list of dates with only those of its values that are kept; none if that is none of them.
pub(super) fn with_values(property: Property<'_>, keep: impl Fn(usize) -> bool) -> Option<String> {
    let value = property.value();
    let kept: Vec<_> = value.split(',').enumerate().filter(|(at, _)| keep(*at)).map(|(_, one)| one).collect();
    let all = kept.len() == value.split(',').count();
    match () {
        () if all => Some(whole(property)),
        () if kept.is_empty() => None,
        () => Some([&property.head(), ":", &kept.join(",")].concat()),
    }
}
