//! When the alarms of a component go off.
//! RFC 5545 §3.6.6, §3.8.6; RFC 4791 §9.9.

use std::ops::Range;

use crate::ical::calendar::{Component, Property};
use crate::ical::occurrence::Occurrence;
use crate::ical::undated::utc;
use crate::ical::value::{DAY, Duration};

/// The triggers of one VALARM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alarm {
    trigger: Trigger,
    /// How often it is repeated, and after how many seconds.
    repeat: i64,
    every: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    At(i64),
    FromStart(Duration),
    FromEnd(Duration),
}

impl Alarm {
    /// Reads a VALARM; none if it has no readable TRIGGER.
    pub fn of(alarm: Component<'_>) -> Option<Self> {
        let property = alarm.property("TRIGGER")?;
        let from_end = || property.parameter("RELATED").is_some_and(|r| r.eq_ignore_ascii_case("END"));
        let trigger = match property.duration() {
            Some(offset) if from_end() => Trigger::FromEnd(offset),
            Some(offset) => Trigger::FromStart(offset),
            None => Trigger::At(utc(&property.date()?)),
        };
        let repeat = alarm.property("REPEAT").and_then(|p| p.value().trim_ascii().parse::<u32>().ok());
        let every = alarm.property("DURATION").and_then(Property::duration).map_or(0, Duration::rough);
        Some(Self { trigger, repeat: repeat.map_or(0, i64::from), every })
    }

    /// Whether it goes off in the range, for that instance of its component.
    pub fn overlaps(&self, range: &Range<i64>, occurrence: Option<&Occurrence<'_>>) -> bool {
        let from = |moment: i64, offset: Duration| moment.saturating_add(offset.rough());
        let first = match (self.trigger, occurrence) {
            (Trigger::At(moment), _) => moment,
            (Trigger::FromStart(offset), Some(occurrence)) => from(occurrence.start, offset),
            (Trigger::FromEnd(offset), Some(occurrence)) => from(occurrence.end, offset),
            (Trigger::FromStart(_) | Trigger::FromEnd(_), None) => return false,
        };
        if range.start <= first && range.end > first {
            return true;
        }
        if self.every == 0 || self.repeat == 0 {
            return false;
        }
        // The repetition nearest to the edge of the range that they come from.
        let edge = if self.every > 0 { range.start } else { range.end.saturating_sub(1) };
        let steps = (i128::from(edge) - i128::from(first)).div_euclid(i128::from(self.every));
        [steps, steps + 1].into_iter().any(|step| {
            let moment = i128::from(first) + step * i128::from(self.every);
            (1..=i128::from(self.repeat)).contains(&step)
                && i128::from(range.start) <= moment
                && i128::from(range.end) > moment
        })
    }

    /// How far from its instance it may go off at most; none for an alarm that has nothing to do with it.
    pub fn reach(&self) -> Option<i64> {
        match self.trigger {
            Trigger::At(_) => None,
            Trigger::FromStart(offset) | Trigger::FromEnd(offset) => {
                let repeats = self.every.saturating_mul(self.repeat).saturating_abs();
                Some(offset.rough().saturating_abs().saturating_add(repeats).saturating_add(DAY))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_alarms() {
        let alarm = |every, repeat| Alarm { trigger: Trigger::At(1_000), repeat, every };
        assert!(alarm(100, 4).overlaps(&(1_390..1_401), None));
        assert!(!alarm(100, 4).overlaps(&(1_401..5_000), None));
        assert!(!alarm(100, 4).overlaps(&(1_301..1_400), None));
        assert!(alarm(100, 4).overlaps(&(1_001..5_000), None));
        assert!(alarm(-100, 4).overlaps(&(600..601), None));
        assert!(!alarm(-100, 4).overlaps(&(0..600), None));
        assert!(!alarm(0, 4).overlaps(&(0..1_000), None));
        assert!(alarm(i64::MAX, i64::from(u32::MAX)).overlaps(&(i64::MIN..i64::MAX), None));
    }
}
