//! Edits and deletes of events and to-dos: one instance, one and all later ones, or all; lines that are not about it stay
//! octet for octet.
//!
//! An instance is edited by an override and deleted by an EXDATE, never by both. From an instance on, a series is cut in two
//! objects, the later one with a UID of its own (RFC 5545 §3.8.4.4 knows RANGE, which few clients read). SEQUENCE, DTSTAMP
//! and LAST-MODIFIED are those of a new revision in each component that changes (§3.8.7).

mod all;
mod definitions;
mod following;
mod form;
mod patch;
mod repair;
mod revise;
mod sanitize;
pub(super) mod splice;
mod subject;
mod this;

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::edit::subject::Subject;
use crate::ical::recur::{Budget, Exhausted};
use crate::ical::valid;
use crate::ical::value::{DAY, DateValue};
use crate::ical::vtimezone::vtimezone;
use crate::ical::zone::Zone;

pub use definitions::{with_missing, without_standard};
pub use patch::Patch;
pub use repair::{Repaired, repair};
pub use sanitize::{Sanitizer, sanitize};

/// Which instances an edit is about; one is named as its RECURRENCE-ID names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope<'s> {
    /// All of the object.
    All,
    /// One instance.
    This(DateValue<'s>),
    /// One instance and all later ones.
    Following(DateValue<'s>),
}

/// What an edit needs to know of the world.
#[derive(Clone, Copy, Debug)]
pub struct Revision<'r> {
    /// Now, in seconds since 1970-01-01T00:00:00Z.
    pub stamp: i64,
    /// A new UID, for the later half of a series that is cut in two.
    pub uid: &'r str,
}

/// What an edit leaves.
#[derive(Clone, Debug)]
pub struct Edited {
    /// The object; none if it is to be deleted.
    pub kept: Option<Calendar>,
    /// A new object: the later half of a series that was cut in two.
    pub split: Option<Calendar>,
}

/// Why an edit is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The object has nothing that could be edited.
    Kind,
    /// The object has two components without RECURRENCE-ID, or two UIDs.
    Ambiguous,
    /// There is no such instance.
    Instance,
    /// What does not recur, or one instance, has no rule.
    Recurrence,
    /// An override for all later instances (RANGE=THISANDFUTURE) stands in the way.
    Range,
    /// A line that is no content line.
    Line,
    /// UID, RECURRENCE-ID, SEQUENCE, DTSTAMP, LAST-MODIFIED and CREATED are not the caller's.
    Kept,
    /// A start of another type, or none, needs its end.
    End,
    /// The series cannot be cut at this instance.
    Split,
    /// What would come out is no calendar object.
    Invalid(valid::Fault),
    /// The recurrence takes too many steps.
    Exhausted,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Kind => "no event, to-do or journal entry to edit",
            Self::Ambiguous => "two components without RECURRENCE-ID, or two UIDs",
            Self::Instance => "the series has no such instance",
            Self::Recurrence => "only a whole series, or its later part, has a rule",
            Self::Range => {
                "the series has an override for all later instances, which is edited as a whole only"
            }
            Self::Line => "not one content line",
            Self::Kept => "this property is kept by the server",
            Self::End => "a start of another type needs an end of that type",
            Self::Split => "the later part of this series cannot be told by a rule of its own",
            Self::Invalid(fault) => return fault.fmt(out),
            Self::Exhausted => return Exhausted.fmt(out),
        })
    }
}

impl std::error::Error for Fault {}

impl From<Exhausted> for Fault {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// Makes instances say what the patch says.
///
/// # Errors
/// If it cannot be done, or would not leave a valid object.
pub fn edit(
    calendar: &Calendar,
    scope: &Scope<'_>,
    patch: &Patch,
    revision: &Revision<'_>,
    budget: &Budget,
) -> Result<Edited, Fault> {
    let mut subject = Subject::read(calendar, budget)?;
    let texts = match scope {
        Scope::All => (all::edit(&mut subject, patch, revision.stamp, None)?, None),
        Scope::This(id) => (this::edit(&mut subject, id, patch, revision.stamp)?, None),
        Scope::Following(id) => following::edit(&mut subject, id, patch, revision)?,
    };
    let kept = finish(texts.0, patch, calendar)?;
    let split = texts.1.map(|text| finish(text, patch, calendar)).transpose()?;
    Ok(Edited { kept: Some(kept), split })
}

/// Takes instances away.
///
/// # Errors
/// If it cannot be done.
pub fn delete(
    calendar: &Calendar,
    scope: &Scope<'_>,
    revision: &Revision<'_>,
    budget: &Budget,
) -> Result<Edited, Fault> {
    let mut subject = Subject::read(calendar, budget)?;
    let text = match scope {
        Scope::All => None,
        Scope::This(id) => this::delete(&mut subject, id, revision.stamp)?,
        Scope::Following(id) => following::delete(&mut subject, id, revision.stamp)?,
    };
    let kept = text.map(|text| finish(text, &Patch::new(), calendar)).transpose()?;
    let kept = match kept {
        Some(kept) if is_over(&kept)? => None,
        kept => kept,
    };
    Ok(Edited { kept, split: None })
}

/// Whether no instance is left.
fn is_over(calendar: &Calendar) -> Result<bool, Fault> {
    let budget = Budget::new(BUDGET);
    let subject = Subject::read(calendar, &budget)?;
    let Some(set) = subject.dated_master().and_then(|dated| dated.set.as_ref()) else { return Ok(false) };
    Ok(subject.exceptions.is_empty() && set.instances(&budget).next().transpose()?.is_none())
}

/// What reading an edited object again may cost.
const BUDGET: u64 = 500_000;

fn read(text: Bytes) -> Result<(Calendar, Budget), Fault> {
    let calendar = Calendar::parse(text).map_err(|fault| Fault::Invalid(fault.into()))?;
    Ok((calendar, Budget::new(BUDGET)))
}

/// The object, with the time zones that the patch has brought, if it is valid.
fn finish(text: Bytes, patch: &Patch, before: &Calendar) -> Result<Calendar, Fault> {
    let (mut calendar, _) = read(text)?;
    let zones = zones(patch, before)?;
    if !zones.is_empty() {
        calendar = read(splice::with_first(&calendar, &zones))?.0;
    }
    valid::object(&calendar, &valid::Limits::default()).map_err(Fault::Invalid)?;
    Ok(calendar)
}

/// A VTIMEZONE for each zone of the database that the patch names and the object did not know.
fn zones(patch: &Patch, before: &Calendar) -> Result<Vec<String>, Fault> {
    fn tzids<'a>(lines: impl Iterator<Item = Property<'a>>) -> impl Iterator<Item = (String, i64)> {
        lines.filter_map(|line| {
            let from = line.date().map_or(0, |date| crate::ical::value::seconds(date.civil()));
            Some((line.parameter("TZID")?.into_owned(), from))
        })
    }
    let known: BTreeSet<String> = before
        .components()
        .flat_map(|c| {
            let own = c.property("TZID").filter(|_| c.is("VTIMEZONE")).map(|p| p.text().into_owned());
            tzids(c.lines()).map(|(tzid, _)| tzid).chain(own)
        })
        .collect();
    let lines = patch.read()?;
    let mut added: Vec<(String, i64)> =
        lines.components().flat_map(|c: Component<'_>| tzids(c.lines())).collect();
    added.sort();
    added.dedup_by(|a, b| a.0 == b.0);
    added.retain(|(tzid, _)| !known.contains(tzid));
    let written = |(tzid, from): &(String, i64)| {
        vtimezone(tzid, &Zone::named(tzid)?, from.saturating_sub(DAY)..from.saturating_add(366 * DAY))
    };
    Ok(added.iter().filter_map(written).collect())
}
