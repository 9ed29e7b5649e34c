//! What one component shall say after an edit: the lines of the patch, and those that follow from them.

use jiff::civil::DateTime;

use crate::ical::calendar::{Component, Property};
use crate::ical::clock::{Clock, When};
use crate::ical::edit::Fault;
use crate::ical::edit::form::Form;
use crate::ical::edit::patch::Patch;
use crate::ical::edit::splice::Wanted;
use crate::ical::edit::subject::Subject;
use crate::ical::series::{Shape, later};
use crate::ical::value::{seconds, utc_stamp};
use crate::ical::zone::Zone;

/// A start: what the clock shows, and how that is written.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub local: DateTime,
    pub clock: Clock,
    pub form: Form,
}

impl Start {
    /// The start that a property says.
    pub fn of(property: Property<'_>, subject: &mut Subject<'_>) -> Result<Option<Self>, Fault> {
        let (Some(date), Some(form)) = (property.date(), Form::of(property)) else { return Ok(None) };
        let When { local, clock } = When::of(&date, &mut subject.zones, subject.budget)?;
        Ok(Some(Self { local, clock, form }))
    }

    /// The seconds to another start: those that pass, or those on the wall where one of the two floats.
    fn until(&self, other: &Self) -> i64 {
        if self.clock.floats() || other.clock.floats() {
            return seconds(other.local) - seconds(self.local);
        }
        let utc = Zone::utc();
        other.clock.instant(other.local, &utc) - self.clock.instant(self.local, &utc)
    }

    /// So many seconds later on the same clock.
    fn plus(&self, lasts: i64) -> Self {
        let utc = Zone::utc();
        let local = if self.clock.floats() {
            later(self.local, lasts)
        } else {
            self.clock.local(self.clock.instant(self.local, &utc).saturating_add(lasts), &utc)
        };
        Self { local, ..self.clone() }
    }
}

/// DTSTART of a component, or DUE where there is none.
pub(super) fn anchor(component: Component<'_>) -> Option<Property<'_>> {
    component.property("DTSTART").or_else(|| component.property("DUE"))
}

/// The start that the patch gives to components whose start has this name.
pub(super) fn patched(patch: &Patch, name: &str, subject: &mut Subject<'_>) -> Result<Option<Start>, Fault> {
    if patch.wanted().of(name).is_none_or(<[String]>::is_empty) {
        return Ok(None);
    }
    let lines = patch.read()?;
    let line = lines.components().next().and_then(|lines| lines.property(name)).ok_or(Fault::End)?;
    Start::of(line, subject)?.ok_or(Fault::Line).map(Some)
}

/// What the component shall say: the patch, and the times of the instance at `local` moved by it.
pub(super) fn component(
    subject: &mut Subject<'_>,
    (component, local): (Component<'_>, Option<DateTime>),
    patch: &Patch,
    stamp: i64,
) -> Result<Wanted, Fault> {
    let mut wanted = patch.wanted().clone();
    let shape = Shape::of(component, &mut subject.zones, subject.budget)?;
    if let (Some(shape), Some(anchor)) = (shape, anchor(component))
        && let Some(first) = Start::of(anchor, subject)?
    {
        let own = Start { local: local.unwrap_or(shape.anchor.local), ..first.clone() };
        let name = anchor.name().to_ascii_uppercase();
        let start = patched(patch, &name, subject)?.unwrap_or_else(|| own.clone());
        if patch.wanted().of(&name).is_none() && own.local != first.local {
            wanted.line(&name, own.form.line(&name, own.local));
        }
        end(subject, component, (&first, &start), &mut wanted)?;
    }
    excluding(&mut wanted);
    if component.is("VTODO") {
        done(component, &mut wanted, stamp);
    }
    bump(component, &mut wanted, stamp);
    Ok(wanted)
}

/// Moves DTEND or DUE with the start, unless the patch says the end.
pub(super) fn end(
    subject: &mut Subject<'_>,
    component: Component<'_>,
    (first, start): (&Start, &Start),
    wanted: &mut Wanted,
) -> Result<(), Fault> {
    if ["DTEND", "DUE", "DURATION"].iter().any(|name| wanted.of(name).is_some_and(|lines| !lines.is_empty()))
    {
        return Ok(());
    }
    if !first.form.is_alike(&start.form) {
        let lasting = ["DTEND", "DUE", "DURATION"].iter().any(|name| component.property(name).is_some());
        return if lasting { Err(Fault::End) } else { Ok(()) };
    }
    let named = if component.is("VTODO") { "DUE" } else { "DTEND" };
    let (Some(property), Some(_)) = (component.property(named), component.property("DTSTART")) else {
        return Ok(());
    };
    let Some(end) = Start::of(property, subject)? else { return Ok(()) };
    let moved =
        if end.form == first.form { start.plus(first.until(&end)) } else { end.plus(first.until(start)) };
    if moved.local != end.local || moved.form != end.form {
        wanted.line(named, moved.form.line(named, moved.local));
    }
    Ok(())
}

/// An end and a length exclude each other (RFC 5545 §3.6.1, §3.6.2).
fn excluding(wanted: &mut Wanted) {
    let says = |name: &str, wanted: &Wanted| wanted.of(name).is_some_and(|lines| !lines.is_empty());
    if says("DTEND", wanted) || says("DUE", wanted) {
        wanted.set("DURATION", vec![]);
    } else if says("DURATION", wanted) {
        for name in ["DTEND", "DUE"] {
            wanted.set(name, vec![]);
        }
    }
}

/// COMPLETED and PERCENT-COMPLETE follow the STATUS of a to-do (RFC 5545 §3.8.1.11, §3.8.2.1).
fn done(component: Component<'_>, wanted: &mut Wanted, stamp: i64) {
    let Some(lines) = wanted.of("STATUS") else { return };
    let value = lines.first().and_then(|line| line.rsplit(':').next()).unwrap_or_default();
    let is_done = value.trim().eq_ignore_ascii_case("COMPLETED");
    if wanted.of("COMPLETED").is_none() {
        let line = is_done.then(|| ["COMPLETED:", &utc_stamp(stamp)].concat());
        wanted.set("COMPLETED", line.into_iter().collect());
    }
    let whole = component.property("PERCENT-COMPLETE").is_some_and(|p| p.value().trim() == "100");
    if wanted.of("PERCENT-COMPLETE").is_none() && is_done != whole {
        wanted.set(
            "PERCENT-COMPLETE",
            is_done.then(|| "PERCENT-COMPLETE:100".to_owned()).into_iter().collect(),
        );
    }
}

/// A new revision of the component (RFC 5545 §3.8.7).
pub(super) fn bump(component: Component<'_>, wanted: &mut Wanted, stamp: i64) {
    let sequence = component.property("SEQUENCE").and_then(|p| p.value().trim().parse::<u32>().ok());
    wanted.line("SEQUENCE", format!("SEQUENCE:{}", sequence.unwrap_or(0).saturating_add(1)));
    for name in ["DTSTAMP", "LAST-MODIFIED"] {
        wanted.line(name, [name, ":", &utc_stamp(stamp)].concat());
    }
}
