//! Edits and deletes an instance and all later ones: the series ends before it, and what goes on is an object of its own.

use bytes::Bytes;
use jiff::civil::DateTime;

use crate::ical::calendar::Component;
use crate::ical::clock::Clock;
use crate::ical::edit::form::{with_end, with_values};
use crate::ical::edit::patch::Patch;
use crate::ical::edit::splice::{Fate, Wanted, object, whole};
use crate::ical::edit::subject::{Found, Subject};
use crate::ical::edit::{Fault, Revision, all, read, revise, this};
use crate::ical::recur::{Exhausted, Moment, Rule, Set};
use crate::ical::value::{DateValue, seconds, utc_stamp};

/// How many instances on either side of a cut are compared with those of the whole.
const COMPARED: usize = 500;

/// Where a series is cut.
enum Cut {
    /// Before its first instance.
    Whole,
    /// It is no series, or not one with a master.
    One,
    Before(DateTime),
}

fn cut(subject: &mut Subject<'_>, id: &DateValue<'_>) -> Result<Cut, Fault> {
    let place = match subject.find(id)? {
        Found::Single => return Ok(Cut::Whole),
        Found::Exception(number) => subject.exceptions[number].place,
        Found::Instance(place) => place,
    };
    if subject.exceptions.iter().any(|one| one.ranges) {
        return Err(Fault::Range);
    }
    let Some(set) = subject.dated_master().and_then(|dated| dated.set.as_ref()) else { return Ok(Cut::One) };
    let first = set.instances(subject.budget).next().transpose()?;
    let earlier = subject.exceptions.iter().any(|one| one.place < place);
    let is_first = first.is_none_or(|first| first >= place) && !earlier;
    Ok(if is_first { Cut::Whole } else { Cut::Before(place) })
}

/// The series up to the instance, and the later ones after the edit.
pub(super) fn edit(
    subject: &mut Subject<'_>,
    id: &DateValue<'_>,
    patch: &Patch,
    revision: &Revision<'_>,
) -> Result<(Bytes, Option<Bytes>), Fault> {
    let stamp = revision.stamp;
    let place = match cut(subject, id)? {
        Cut::Whole => return Ok((all::edit(subject, patch, stamp, None)?, None)),
        Cut::One => return Ok((this::edit(subject, id, patch, stamp)?, None)),
        Cut::Before(place) => place,
    };
    let earlier = before(subject, place, stamp)?;
    let later = from(subject, place, revision)?;
    let (left, left_budget) = read(earlier.clone())?;
    let (right, budget) = read(later)?;
    let mut rest = Subject::read(&right, &budget)?;
    let left = Subject::read(&left, &left_budget)?;
    if !adds_up(subject, &left, &rest, place)? {
        return Err(Fault::Split);
    }
    Ok((earlier, Some(all::edit(&mut rest, patch, stamp, Some(place))?)))
}

/// The series up to the instance; none if nothing is left.
pub(super) fn delete(
    subject: &mut Subject<'_>,
    id: &DateValue<'_>,
    stamp: i64,
) -> Result<Option<Bytes>, Fault> {
    match cut(subject, id)? {
        Cut::Whole => Ok(None),
        Cut::One => this::delete(subject, id, stamp),
        Cut::Before(place) => before(subject, place, stamp).map(Some),
    }
}

/// The object up to a place.
fn before(subject: &mut Subject<'_>, place: DateTime, stamp: i64) -> Result<Bytes, Fault> {
    let mut wanted = Wanted::default();
    wanted.set("RRULE", rules(subject, place, Half::Before)?);
    dates(subject, &mut wanted, |date| date < place)?;
    half(subject, wanted, |at| at < place, |component, wanted| revise::bump(component, wanted, stamp))
}

/// The object from a place on, as one with a new UID.
fn from(subject: &mut Subject<'_>, place: DateTime, revision: &Revision<'_>) -> Result<Bytes, Fault> {
    let Some(master) = subject.master.as_ref().map(|master| master.component) else {
        return Err(Fault::Instance);
    };
    let mut wanted = revise::component(subject, (master, Some(place)), &Patch::new(), revision.stamp)?;
    wanted.set("RRULE", rules(subject, place, Half::From)?);
    dates(subject, &mut wanted, |date| date > place)?;
    half(
        subject,
        wanted,
        |at| at >= place,
        |component, wanted| {
            revise::bump(component, wanted, revision.stamp);
            wanted.line("UID", ["UID:", revision.uid].concat());
            wanted.line("SEQUENCE", "SEQUENCE:0".to_owned());
            wanted.line("CREATED", ["CREATED:", &utc_stamp(revision.stamp)].concat());
        },
    )
}

/// The object with the overrides of one half.
fn half(
    subject: &Subject<'_>,
    wanted: Wanted,
    keeps: impl Fn(DateTime) -> bool,
    marks: impl Fn(Component<'_>, &mut Wanted),
) -> Result<Bytes, Fault> {
    let Some(master) = subject.master.as_ref().map(|master| master.component) else {
        return Err(Fault::Instance);
    };
    let mut wanted = wanted;
    marks(master, &mut wanted);
    let renamed = wanted.of("UID").is_some();
    let mut fates = vec![(master, Fate::Revised(wanted))];
    for one in &subject.exceptions {
        if !keeps(one.place) {
            fates.push((one.component, Fate::Dropped));
        } else if renamed {
            let mut own = Wanted::default();
            marks(one.component, &mut own);
            fates.push((one.component, Fate::Revised(own)));
        }
    }
    Ok(object(subject.calendar, &fates, &[]))
}

/// The EXDATE and RDATE of one half.
fn dates(
    subject: &mut Subject<'_>,
    wanted: &mut Wanted,
    keeps: impl Fn(DateTime) -> bool,
) -> Result<(), Fault> {
    for name in ["EXDATE", "RDATE"] {
        let listed = subject.listed(name)?;
        let kept = listed.iter().filter_map(|(line, places)| with_values(*line, |at| keeps(places[at])));
        wanted.set(name, kept.collect());
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Before,
    From,
}

/// The rules of one half: COUNT is what is left of it, UNTIL the last instance before the place.
fn rules(subject: &Subject<'_>, place: DateTime, half: Half) -> Result<Vec<String>, Fault> {
    let (Some(master), Some(dated)) = (&subject.master, subject.dated_master()) else { return Ok(vec![]) };
    let (clock, budget) = (&dated.shape.anchor.clock, subject.budget);
    let start = if clock.is_date() {
        Moment::Date(dated.shape.anchor.local.date())
    } else {
        Moment::Time(dated.shape.anchor.local)
    };
    let mut lines = vec![];
    for property in master.component.properties("RRULE") {
        let Ok(rule) = Rule::parse(&property.value()) else { continue };
        let rule = match clock {
            Clock::Zone(zone, _) => rule.localised(|utc| zone.last_local(seconds(utc))),
            Clock::Date | Clock::Floating | Clock::Utc => rule,
        };
        let mut rest = rule.occurrences(start, budget).counting_start();
        rest.seek(place);
        let goes_on = rest.next().transpose()?.is_some();
        let last = rule.last_before(start, place, budget)?;
        let counted = match rule.count() {
            Some(count) if goes_on => Some((count, rule.count_before(start, place, budget)?)),
            _ => None,
        };
        lines.extend(match (half, last, counted) {
            (Half::Before, None, _) => None,
            (Half::Before, _, _) if !goes_on => Some(whole(property)),
            (Half::Before, _, Some((_, past))) => Some(with_end(property, Some(&format!("COUNT={past}")))),
            (Half::Before, Some(last), None) => {
                let until = ["UNTIL=", &dated.form.until(last, clock)].concat();
                Some(with_end(property, Some(&until)))
            }
            (Half::From, _, _) if !goes_on => None,
            (Half::From, _, Some((count, past))) => {
                Some(with_end(property, Some(&format!("COUNT={}", count.saturating_sub(past)))))
            }
            (Half::From, _, None) => Some(whole(property)),
        });
    }
    Ok(lines)
}

/// Whether the halves have the instances of the whole: a rule that is off its beat, or that depends on where it starts in
/// some other way, cannot be cut.
fn adds_up(
    whole: &Subject<'_>,
    left: &Subject<'_>,
    right: &Subject<'_>,
    place: DateTime,
) -> Result<bool, Exhausted> {
    let times = |subject: &Subject<'_>, from: DateTime, to: DateTime| {
        let Some(dated) = subject.dated_master() else { return Ok(vec![]) };
        let once = Set::new(Moment::Time(dated.shape.anchor.local));
        let set = dated.set.as_ref().unwrap_or(&once);
        let mut instances = set.instances(subject.budget);
        instances.seek(from);
        instances.stop_before(to);
        instances.take(COMPARED).collect::<Result<Vec<_>, _>>()
    };
    let (first, last) = (DateTime::MIN, DateTime::MAX);
    Ok(times(whole, first, place)? == times(left, first, place)?
        && times(left, place, last)?.is_empty()
        && times(whole, place, last)? == times(right, first, last)?)
}
