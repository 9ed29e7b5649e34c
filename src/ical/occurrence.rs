//! When an object happens: its instances, with the overridden ones in their place.
//! RFC 5545 §3.8.4.4, §3.8.5; RFC 4791 §9.9.

use std::collections::HashSet;
use std::ops::{ControlFlow, Range};

use jiff::civil::{Date, DateTime};

use crate::ical::calendar::{Calendar, Component};
use crate::ical::clock::When;
use crate::ical::recur::{Budget, Exhausted};
use crate::ical::series::{Ends, Length, Override, Repetition, Shape, later};
use crate::ical::value::{DAY, DateValue, seconds};
use crate::ical::zone::{Zone, Zones};
use crate::model::{self, Busy};

/// One instance of an event, a to-do or a journal entry.
#[derive(Clone, Debug)]
pub struct Occurrence<'a> {
    /// The component that describes it: the recurring one, or the one that overrides this instance.
    pub component: Component<'a>,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub start: i64,
    /// The second after its last one; never before `start`.
    pub end: i64,
    /// Whether it is in the zone of whoever looks.
    pub floating: bool,
    /// Whether it is of whole days.
    pub all_day: bool,
    /// How it counts in free-busy time.
    pub busy: Busy,
    pub(super) kind: model::Component,
    pub(super) ends: Ends,
    /// The wall clock at its start.
    pub(super) local: DateTime,
    /// Of a floating one: how long it lasts on the wall clock.
    pub(super) wall: i64,
    /// Of a recurring one: which instance it is.
    pub(super) id: Option<When>,
}

impl Occurrence<'_> {
    /// Whether it overlaps a time range in the sense of RFC 4791 §9.9.
    #[must_use]
    pub fn overlaps(&self, range: &Range<i64>) -> bool {
        let (start, end) = (self.start, self.end);
        let point = range.start <= start && range.end > start;
        match (self.kind, self.ends) {
            (model::Component::Vtodo, Ends::Both) => {
                (range.start < end || range.start <= start) && (range.end > start || range.end >= end)
            }
            (model::Component::Vtodo, Ends::Lasting) => {
                range.start <= end && (range.end > start || range.end >= end)
            }
            (model::Component::Vtodo, Ends::Due) => range.start < end && range.end >= end,
            (model::Component::Vtodo, Ends::Start) => point,
            _ if end > start => range.start < end && range.end > start,
            _ => point,
        }
    }
}

/// The instances of an object that overlap a window of UTC seconds, in the order of their start.
///
/// `floating` is the zone of whoever looks.
///
/// # Errors
/// If the budget is spent before all are found.
pub fn occurrences<'a>(
    calendar: &'a Calendar,
    window: Range<i64>,
    floating: &Zone,
    budget: &Budget,
) -> Result<Vec<Occurrence<'a>>, Exhausted> {
    budget.next_object();
    overlapping(calendar, &View { window, floating, budget })
}

/// How many instances of one object an answer may hold, for memory is no part of the budget.
const MAX_FOUND: usize = 20_000;

/// The instances that overlap the window of a view, in the order of their start.
pub(super) fn overlapping<'a>(
    calendar: &'a Calendar,
    view: &View<'_>,
) -> Result<Vec<Occurrence<'a>>, Exhausted> {
    let mut found = vec![];
    let walked = visit(calendar, view, &|_| true, &mut |occurrence| {
        if found.len() == MAX_FOUND {
            return ControlFlow::Break(());
        }
        if occurrence.overlaps(&view.window) {
            found.push(occurrence);
        }
        ControlFlow::Continue(())
    })?;
    if walked.is_break() {
        return Err(Exhausted);
    }
    found.sort_by_key(|occurrence| (occurrence.start, occurrence.end));
    Ok(found)
}

/// Units of the budget for an instance: for its moments in its zone, and for the search among the overrides.
const SHOWN: u64 = 1;
const SHOWN_BUT_FOR_OTHERS: u64 = 8;

/// Who looks, at which stretch of time.
pub(super) struct View<'v> {
    /// Instances that only touch an end of it count.
    pub window: Range<i64>,
    pub floating: &'v Zone,
    pub budget: &'v Budget,
}

/// What a walk calls with each instance.
pub(super) type Visitor<'f, 'a> = dyn FnMut(Occurrence<'a>) -> ControlFlow<()> + 'f;

/// Walks the instances of an object that touch the window, until the visitor breaks off; no series is walked that shows
/// none of the components that are looked for.
pub(super) fn visit<'a>(
    calendar: &'a Calendar,
    view: &View<'_>,
    sought: &dyn Fn(Component<'a>) -> bool,
    visitor: &mut Visitor<'_, 'a>,
) -> Result<ControlFlow<()>, Exhausted> {
    for series in Series::all(calendar, view.budget)? {
        if series.shown().any(sought) && series.walk(view, visitor)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if series.walk_overrides(view, visitor).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The overriding components that have to do with the window: they happen in it, or what they replace would, or what
/// comes after (RFC 4791 §9.6.6).
pub(super) fn impacting<'a>(
    calendar: &'a Calendar,
    view: &View<'_>,
) -> Result<HashSet<Component<'a>>, Exhausted> {
    let mut kept = HashSet::new();
    for series in Series::all(calendar, view.budget)? {
        let impacting = series.overrides.iter().filter(|one| series.impacts(one, view));
        kept.extend(impacting.map(|one| one.shape.component));
    }
    Ok(kept)
}

/// A component, how it repeats, and what overrides its instances.
pub(super) struct Series<'a> {
    master: Option<Shape<'a>>,
    repetition: Option<Repetition>,
    overrides: Vec<Replacement<'a>>,
    /// The overrides with RANGE=THISANDFUTURE, by the instance they start at.
    futures: Vec<(DateTime, Shape<'a>)>,
    times: HashSet<DateTime>,
    days: HashSet<Date>,
}

/// An override and the instance it stands for.
struct Replacement<'a> {
    shape: Shape<'a>,
    id: When,
    /// Where the instance stands on the rule that it is taken out of.
    place: Option<DateTime>,
    future: bool,
}

impl<'a> Series<'a> {
    /// The series of an object: one for each component without RECURRENCE-ID, and one for overrides without such.
    pub fn all(calendar: &'a Calendar, budget: &Budget) -> Result<Vec<Self>, Exhausted> {
        let mut zones = Zones::new(calendar);
        let (mut masters, mut overrides) = (vec![], vec![]);
        for component in calendar.components() {
            let Some(shape) = Shape::of(component, &mut zones, budget)? else { continue };
            match Override::of(shape) {
                Ok(one) => overrides.push(Some(one)),
                Err(shape) => masters.push(shape),
            }
        }
        let mut all = Vec::with_capacity(masters.len() + 1);
        for master in masters {
            let uid = master.component.uid();
            let mut series = Self::of(master, &mut zones, budget)?;
            for slot in &mut overrides {
                let same = |one: &mut Override<'a>| one.shape.component.uid() == uid;
                if let Some(one) = slot.take_if(same) {
                    series.replace(one, &mut zones, budget)?;
                }
            }
            series.futures.sort_by_key(|(from, _)| *from);
            all.push(series);
        }
        let mut orphans = Self::empty();
        for one in overrides.into_iter().flatten() {
            orphans.replace(one, &mut zones, budget)?;
        }
        all.extend((!orphans.overrides.is_empty()).then_some(orphans));
        Ok(all)
    }

    fn empty() -> Self {
        Self {
            master: None,
            repetition: None,
            overrides: vec![],
            futures: vec![],
            times: HashSet::new(),
            days: HashSet::new(),
        }
    }

    fn of(master: Shape<'a>, zones: &mut Zones<'_>, budget: &Budget) -> Result<Self, Exhausted> {
        let repetition = Repetition::of(&master, zones, budget)?;
        Ok(Self { master: Some(master), repetition, ..Self::empty() })
    }

    fn replace(
        &mut self,
        one: Override<'a>,
        zones: &mut Zones<'_>,
        budget: &Budget,
    ) -> Result<(), Exhausted> {
        let id = When::of(&one.id, zones, budget)?;
        let mut place = None;
        if let Some(master) = &self.master {
            let local = master.anchor.clock.shows(&one.id, zones, budget)?;
            place = Some(local);
            if master.anchor.clock.is_date() || matches!(one.id, DateValue::Date(_)) {
                self.days.insert(local.date());
            } else {
                self.times.insert(local);
            }
            if one.future {
                self.futures.push((local, one.shape.clone()));
            }
        }
        self.overrides.push(Replacement { shape: one.shape, id, place, future: one.future });
        Ok(())
    }

    /// The component that repeats, if the object has it.
    pub fn component(&self) -> Option<Component<'a>> {
        self.master.as_ref().map(|master| master.component)
    }

    /// The components that describe instances which are not overridden one by one.
    fn shown(&self) -> impl Iterator<Item = Component<'a>> {
        self.master.iter().chain(self.futures.iter().map(|(_, shape)| shape)).map(|shape| shape.component)
    }

    /// Whether its component says that it repeats.
    pub fn repeats(&self) -> bool {
        self.repetition.is_some()
    }

    /// Whether its rule has times after a moment.
    pub fn goes_on(&self, moment: i64, view: &View<'_>) -> bool {
        let (Some(master), Some(repetition)) = (&self.master, &self.repetition) else { return false };
        let mut instances = repetition.set.instances(view.budget);
        instances.seek(master.anchor.clock.local(moment, view.floating));
        matches!(instances.next(), Some(Ok(_)))
    }

    /// Whether it ends by itself, but only after so many instances; what cannot be counted is longer.
    pub fn is_longer_than(&self, limit: usize, budget: &Budget) -> bool {
        let Some(set) = self.repetition.as_ref().map(|r| &r.set) else { return false };
        !set.is_endless() && set.instances(budget).nth(limit).is_some()
    }

    /// Walks the instances that are not overridden, in the order of the wall clock.
    pub fn walk(&self, view: &View<'_>, visitor: &mut Visitor<'_, 'a>) -> Result<ControlFlow<()>, Exhausted> {
        let Some(master) = &self.master else { return Ok(ControlFlow::Continue(())) };
        let Some(repetition) = &self.repetition else {
            return Ok(self.offer(master, (master.anchor.local, master.length), view, visitor));
        };
        let clock = &master.anchor.clock;
        let (back, ahead) = self.reach();
        let mut instances = repetition.set.instances(view.budget);
        instances.seek(later(clock.local(view.window.start, view.floating), -back));
        let last = later(clock.local(view.window.end, view.floating), ahead);
        instances.stop_before(later(last, 1));
        let cost = if self.overrides.is_empty() { SHOWN } else { SHOWN_BUT_FOR_OTHERS };
        for local in instances {
            let local = local?;
            view.budget.spend(cost)?;
            if local > last {
                break;
            }
            let length = repetition.lengths.get(&local).copied().unwrap_or(master.length);
            if self.offer(master, (local, length), view, visitor).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Walks the overriding components themselves.
    pub fn walk_overrides(&self, view: &View<'_>, visitor: &mut Visitor<'_, 'a>) -> ControlFlow<()> {
        for one in &self.overrides {
            let (shape, id) = (&one.shape, Some(one.id.clone()));
            show(shape, (shape.anchor.local, shape.length), id, view, visitor)?;
        }
        ControlFlow::Continue(())
    }

    fn impacts(&self, one: &Replacement<'a>, view: &View<'_>) -> bool {
        let mut found = false;
        let mut visitor = |occurrence: Occurrence<'a>| {
            found |= occurrence.overlaps(&view.window);
            ControlFlow::Continue(())
        };
        let _now = show(&one.shape, (one.shape.anchor.local, one.shape.length), None, view, &mut visitor);
        if let (Some(master), Some(place)) = (&self.master, one.place) {
            let _before = show(master, (place, master.length), None, view, &mut visitor);
            found |= one.future && master.anchor.clock.instant(place, view.floating) < view.window.end;
        }
        found
    }

    /// How much earlier than its place on the rule, and how much later, an instance may touch the window.
    fn reach(&self) -> (i64, i64) {
        let lengths = self.repetition.iter().flat_map(|r| r.lengths.values().copied());
        let futures = self.futures.iter().map(|(_, shape)| shape.length);
        let own = self.master.iter().map(|master| master.length);
        let longest = lengths.chain(futures).chain(own).map(Length::bound).max().unwrap_or(0);
        let (earlier, later) = self.shifts();
        (longest.saturating_add(later).saturating_add(DAY), DAY - earlier)
    }

    /// How much sooner than an instance one may happen that has a later place on the rule.
    pub fn slack(&self) -> i64 {
        let (earlier, later) = self.shifts();
        later - earlier + DAY
    }

    /// How far from their places instances are, at most: to the past and to the future.
    fn shifts(&self) -> (i64, i64) {
        let shifts = || self.futures.iter().map(|(from, shape)| seconds(shape.anchor.local) - seconds(*from));
        (shifts().min().unwrap_or(0).min(0), shifts().max().unwrap_or(0).max(0))
    }

    /// Shows the instance of the rule at `local`, unless it is overridden.
    fn offer(
        &self,
        master: &Shape<'a>,
        (local, length): (DateTime, Length),
        view: &View<'_>,
        visitor: &mut Visitor<'_, 'a>,
    ) -> ControlFlow<()> {
        if self.is_overridden(master, local, view.floating) {
            return ControlFlow::Continue(());
        }
        let repeats = self.repetition.is_some();
        let id = repeats.then(|| When { local, clock: master.anchor.clock.clone() });
        let future = self.futures.partition_point(|(from, _)| *from <= local).checked_sub(1);
        match future.map(|last| &self.futures[last]) {
            Some((from, shape)) => {
                let moved = later(shape.anchor.local, seconds(local) - seconds(*from));
                show(shape, (moved, shape.length), id, view, visitor)
            }
            None => show(master, (local, length), id, view, visitor),
        }
    }

    fn is_overridden(&self, master: &Shape<'_>, local: DateTime, floating: &Zone) -> bool {
        if self.times.is_empty() && self.days.is_empty() {
            return false;
        }
        // An instance in a skipped hour may be named by the time that the clock does show.
        let clock = &master.anchor.clock;
        let shown = || clock.local(clock.instant(local, floating), floating);
        self.times.contains(&local) || self.days.contains(&local.date()) || self.times.contains(&shown())
    }
}

/// Calls the visitor with the instance of `shape` at `local` if it touches the window.
fn show<'a>(
    shape: &Shape<'a>,
    (local, length): (DateTime, Length),
    id: Option<When>,
    view: &View<'_>,
    visitor: &mut Visitor<'_, 'a>,
) -> ControlFlow<()> {
    let (start, end) = shape.span(local, length, view.floating);
    if start > view.window.end || end < view.window.start {
        return ControlFlow::Continue(());
    }
    let clock = &shape.anchor.clock;
    let wall = if let Length::Wall(wall) = length { wall } else { 0 };
    visitor(Occurrence {
        component: shape.component,
        start,
        end,
        floating: clock.floats(),
        all_day: clock.is_date(),
        busy: shape.busy,
        kind: shape.kind,
        ends: shape.ends,
        local,
        wall,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ical::calendar::Property;
    use crate::ical::value::utc_stamp;

    /// The instances of events with these lines, as `start/end` and what their SUMMARY says.
    fn instances(events: &[&str]) -> Vec<String> {
        let event = |lines: &&str| format!("BEGIN:VEVENT\nUID:a\n{}\nEND:VEVENT\n", lines.replace(' ', "\n"));
        let events: String = events.iter().map(event).collect();
        let text = format!("BEGIN:VCALENDAR\n{events}END:VCALENDAR\n");
        let calendar = Calendar::parse(text.into()).unwrap();
        let zone = Zone::named("America/New_York").unwrap();
        let found = occurrences(&calendar, 0..4_000_000_000, &zone, &Budget::new(100_000)).unwrap();
        let show = |o: &Occurrence<'_>| {
            let summary = o.component.property("SUMMARY").map(Property::value).unwrap_or_default();
            format!("{}/{}{summary}", utc_stamp(o.start), utc_stamp(o.end))
        };
        found.iter().map(show).collect()
    }

    #[test]
    fn lengths() {
        assert_eq!(instances(&["DTSTART:20260101T100000Z"]), ["20260101T100000Z/20260101T100000Z"]);
        assert_eq!(instances(&["DTSTART;VALUE=DATE:20260101"]), ["20260101T050000Z/20260102T050000Z"]);
        // The night of 8 March has 23 hours in New York: a day of the calendar is shorter, 24 hours are not.
        let start = "DTSTART;TZID=America/New_York:20260307T120000";
        assert_eq!(instances(&[&format!("{start} DURATION:P1D")]), ["20260307T170000Z/20260308T160000Z"]);
        assert_eq!(instances(&[&format!("{start} DURATION:PT24H")]), ["20260307T170000Z/20260308T170000Z"]);
        let days = "DTSTART;VALUE=DATE:20260307 DTEND;VALUE=DATE:20260309";
        assert_eq!(instances(&[days]), ["20260307T050000Z/20260309T040000Z"]);
        assert_eq!(
            instances(&["DTSTART;TZID=Europe/Berlin:20260101T100000 DTEND;TZID=Asia/Tokyo:20260101T200000"]),
            ["20260101T090000Z/20260101T110000Z"]
        );
        assert_eq!(
            instances(&["DTSTART:20260101T100000Z DTEND:20251231T100000Z"]),
            ["20260101T100000Z/20260101T100000Z"]
        );
    }

    #[test]
    fn dates_added_and_taken_away() {
        let daily = "DTSTART;TZID=Europe/Berlin:20260101T090000 DURATION:PT1H RRULE:FREQ=DAILY;COUNT=4";
        let more =
            "RDATE;VALUE=PERIOD:20260110T080000Z/PT3H EXDATE:20260102T080000Z EXDATE;VALUE=DATE:20260103";
        assert_eq!(
            instances(&[&format!("{daily} {more}")]),
            [
                "20260101T080000Z/20260101T090000Z",
                "20260104T080000Z/20260104T090000Z",
                "20260110T080000Z/20260110T110000Z"
            ]
        );
        let days = "DTSTART;VALUE=DATE:20260601 RRULE:FREQ=DAILY;COUNT=3 EXDATE:20260602T080000";
        assert_eq!(
            instances(&[days]),
            ["20260601T040000Z/20260602T040000Z", "20260603T040000Z/20260604T040000Z"]
        );
        // A DTSTART off the rule is an instance.
        let off = "DTSTART:20260101T090000Z RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=2";
        assert_eq!(instances(&[off])[0], "20260101T090000Z/20260101T090000Z");
    }

    #[test]
    fn overrides_in_any_form() {
        let daily = "DTSTART;TZID=Europe/Berlin:20260101T090000 RRULE:FREQ=DAILY;COUNT=2";
        for id in [
            "RECURRENCE-ID;TZID=Europe/Berlin:20260102T090000",
            "RECURRENCE-ID;TZID=America/New_York:20260102T030000",
            "RECURRENCE-ID:20260102T080000Z",
            "RECURRENCE-ID:20260102T090000",
            "RECURRENCE-ID;VALUE=DATE:20260102",
        ] {
            let moved = format!("{id} DTSTART:20270101T000000Z SUMMARY:moved");
            assert_eq!(
                instances(&[daily, &moved]),
                ["20260101T080000Z/20260101T080000Z", "20270101T000000Z/20270101T000000Zmoved"],
                "{id}"
            );
        }
        let alone = "RECURRENCE-ID:20260102T080000Z DTSTART:20260102T100000Z";
        assert_eq!(instances(&[alone]), ["20260102T100000Z/20260102T100000Z"]);
    }

    #[test]
    fn this_and_future() {
        let daily = "DTSTART;TZID=Europe/Berlin:20260327T090000 RRULE:FREQ=DAILY;COUNT=5";
        let later = "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20260328T090000 DTSTART;TZID=Europe/Berlin:20260328T103000 DURATION:PT1H SUMMARY:l";
        let one = "RECURRENCE-ID;TZID=Europe/Berlin:20260330T090000 DTSTART:20260330T120000Z SUMMARY:o";
        assert_eq!(
            instances(&[daily, later, one]),
            [
                "20260327T080000Z/20260327T080000Z",
                "20260328T093000Z/20260328T103000Zl",
                "20260329T083000Z/20260329T093000Zl",
                "20260330T120000Z/20260330T120000Zo",
                "20260331T083000Z/20260331T093000Zl"
            ]
        );
    }

    #[test]
    fn skipped_and_repeated_hours() {
        let daily = "DTSTART;TZID=America/New_York:20260307T023000 RRULE:FREQ=DAILY;COUNT=3";
        let moved = "RECURRENCE-ID:20260308T073000Z DTSTART:20260308T120000Z SUMMARY:m";
        assert_eq!(instances(&[daily])[1], "20260308T073000Z/20260308T073000Z");
        assert_eq!(instances(&[daily, moved]).len(), 3);
        let autumn = "DTSTART;TZID=America/New_York:20261101T013000";
        assert_eq!(instances(&[autumn]), ["20261101T053000Z/20261101T053000Z"]);
        // UNTIL is in the second half past one; the first one is not after it.
        let until = "DTSTART;TZID=America/New_York:20261031T014500 RRULE:FREQ=DAILY;UNTIL=20261101T063000Z";
        assert_eq!(instances(&[until]).len(), 2);
    }

    #[test]
    fn an_override_whose_uid_is_written_otherwise_is_no_second_event() {
        let event = |uid: &str, lines: &str| format!("BEGIN:VEVENT\nUID:{uid}\n{lines}\nEND:VEVENT\n");
        let daily = event("a\\,b", "DTSTART:20260101T100000Z\nRRULE:FREQ=DAILY;COUNT=3");
        for uid in ["a,b", "a\\,b ", " a,b"] {
            let moved = event(uid, "RECURRENCE-ID:20260102T100000Z\nDTSTART:20260102T120000Z");
            let calendar = Calendar::parse(format!("BEGIN:VCALENDAR\n{daily}{moved}END:VCALENDAR\n").into());
            let calendar = calendar.unwrap();
            assert!(crate::ical::object(&calendar, &crate::ical::Limits::default()).is_ok());
            let found = occurrences(&calendar, 0..4_000_000_000, &Zone::utc(), &Budget::new(1_000)).unwrap();
            assert_eq!(found.len(), 3, "{uid:?}");
        }
    }

    #[test]
    fn far_into_an_endless_series_without_walking_there() {
        let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:19000101T000000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\nEND:VCALENDAR\n";
        let calendar = Calendar::parse(text.into()).unwrap();
        let budget = Budget::new(200);
        let found = occurrences(&calendar, 3_000_000_000..3_000_604_800, &Zone::utc(), &budget).unwrap();
        assert_eq!(found.len(), 7);
        // A rule without any instance is not looked through to the year 9999.
        let never = text.replace("FREQ=DAILY", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30");
        let calendar = Calendar::parse(never.into()).unwrap();
        let found =
            occurrences(&calendar, 1_800_000_000..1_802_419_200, &Zone::utc(), &Budget::new(50)).unwrap();
        assert_eq!(found.len(), 0);
    }
}
