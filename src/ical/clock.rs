//! A wall clock and what it hangs on: a day, nothing, UTC, or a zone.
//! RFC 5545 §3.3.4, §3.3.5; RFC 4791 §7.3.

use std::sync::Arc;

use jiff::civil::DateTime;

use crate::ical::recur::{Budget, Exhausted};
use crate::ical::value::{DateValue, civil, seconds};
use crate::ical::zone::{Zone, Zones};

/// What a wall clock hangs on.
#[derive(Clone, Debug)]
pub(super) enum Clock {
    /// Whole days, in the zone of whoever looks.
    Date,
    /// The zone of whoever looks.
    Floating,
    Utc,
    /// A zone and its TZID.
    Zone(Zone, Arc<str>),
}

impl Clock {
    /// The moment at which this clock shows `local`.
    pub fn instant(&self, local: DateTime, floating: &Zone) -> i64 {
        match self {
            Self::Date | Self::Floating => floating.instant(local),
            Self::Utc => seconds(local),
            Self::Zone(zone, _) => zone.instant(local),
        }
    }

    /// What this clock shows at a moment.
    pub fn local(&self, instant: i64, floating: &Zone) -> DateTime {
        match self {
            Self::Date | Self::Floating => floating.local(instant),
            Self::Utc => civil(instant),
            Self::Zone(zone, _) => zone.local(instant),
        }
    }

    /// Whether its moments depend on whoever looks.
    pub fn floats(&self) -> bool {
        matches!(self, Self::Date | Self::Floating)
    }

    pub fn is_date(&self) -> bool {
        matches!(self, Self::Date)
    }

    /// The digits that this clock shows when `value` comes. Where one of the two floats, the digits are the same.
    pub fn shows(
        &self,
        value: &DateValue<'_>,
        zones: &mut Zones<'_>,
        budget: &Budget,
    ) -> Result<DateTime, Exhausted> {
        let other = match (self, value) {
            (Self::Date | Self::Floating, _) | (_, DateValue::Date(_) | DateValue::Floating(_)) => None,
            (Self::Zone(_, own), DateValue::Zoned(_, tzid)) if **own == **tzid => None,
            _ => Some(When::of(value, zones, budget)?),
        };
        Ok(match other {
            Some(when) if !when.clock.floats() => self.local(when.instant(&Zone::utc()), &Zone::utc()),
            _ => value.civil(),
        })
    }
}

/// A DATE or DATE-TIME whose zone is known.
#[derive(Clone, Debug)]
pub(super) struct When {
    pub local: DateTime,
    pub clock: Clock,
}

impl When {
    /// Looks up the zone of a value; an unknown TZID floats.
    pub fn of(value: &DateValue<'_>, zones: &mut Zones<'_>, budget: &Budget) -> Result<Self, Exhausted> {
        let clock = match value {
            DateValue::Date(_) => Clock::Date,
            DateValue::Floating(_) => Clock::Floating,
            DateValue::Utc(_) => Clock::Utc,
            DateValue::Zoned(_, tzid) => match zones.find(tzid, budget)? {
                Some(zone) => Clock::Zone(zone, Arc::from(&**tzid)),
                None => Clock::Floating,
            },
        };
        Ok(Self { local: value.civil(), clock })
    }

    /// The moment, seen from the zone of whoever looks.
    pub fn instant(&self, floating: &Zone) -> i64 {
        self.clock.instant(self.local, floating)
    }
}
