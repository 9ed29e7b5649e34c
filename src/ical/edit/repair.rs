//! What products write that contradicts itself, and what it says without the contradiction.

use crate::ical::calendar::{Calendar, Component};
use crate::ical::edit::form::with_values;
use crate::ical::edit::splice::{Fate, Wanted, object, whole};
use crate::ical::edit::subject::{Subject, UNREADABLE, bare, has};
use crate::ical::edit::{Fault, read};
use crate::ical::recur::Budget;

/// An object without its contradictions.
#[derive(Clone, Debug)]
pub struct Repaired {
    /// What may be stored in its place.
    pub calendar: Calendar,
    /// What was wrong, for the log.
    pub reasons: Vec<&'static str>,
}

/// An object that says without contradiction what it is taken to say anyway; none if it has none.
///
/// An EXDATE goes that names an overridden instance, or a time before the series; an override that replaces no instance gets
/// an RDATE; of alarms that say the same the first stays. All other lines stay octet for octet, and nobody's SEQUENCE
/// changes. A client that has PUT the object must get no entity tag (RFC 4791 §5.3.4).
///
/// # Errors
/// If it cannot be told.
pub fn repair(calendar: &Calendar, budget: &Budget) -> Result<Option<Repaired>, Fault> {
    let mut subject = match Subject::read(calendar, budget) {
        Err(Fault::Kind | Fault::Ambiguous | Fault::Instance) => return Ok(None),
        subject => subject?,
    };
    let mut reasons = vec![];
    let mut wanted = Wanted::default();
    exdates(&mut subject, &mut wanted, &mut reasons)?;
    rdates(&subject, &mut wanted, &mut reasons)?;
    let mut fates = vec![];
    if let Some(master) = subject.master.as_ref().filter(|_| wanted.names().next().is_some()) {
        fates.push((master.component, Fate::Revised(wanted)));
    }
    let twins: Vec<_> = calendar.components().flat_map(twins).collect();
    if !twins.is_empty() {
        reasons.push("an alarm stands there twice");
        fates.extend(twins.into_iter().map(|twin| (twin, Fate::Dropped)));
    }
    if reasons.is_empty() {
        return Ok(None);
    }
    let (calendar, _) = read(object(calendar, &fates, &[]))?;
    Ok(Some(Repaired { calendar, reasons }))
}

/// The EXDATEs that take nothing away.
fn exdates(
    subject: &mut Subject<'_>,
    wanted: &mut Wanted,
    reasons: &mut Vec<&'static str>,
) -> Result<(), Fault> {
    let listed = subject.listed("EXDATE")?;
    let Some(dated) = subject.dated_master() else { return Ok(()) };
    let start = dated.shape.anchor.local;
    let (mut overridden, mut early) = (false, false);
    let mut lines = vec![];
    for (line, places) in &listed {
        let gone: Vec<bool> = places
            .iter()
            .map(|place| {
                let replaced = subject.exceptions.iter().any(|one| one.place == *place);
                let before = *place < start && *place != UNREADABLE;
                overridden |= replaced;
                early |= before;
                replaced || before
            })
            .collect();
        lines.extend(with_values(*line, |at| !gone[at]));
    }
    if overridden || early {
        wanted.set("EXDATE", lines);
    }
    reasons.extend(overridden.then_some("an EXDATE names an overridden instance"));
    reasons.extend(early.then_some("an EXDATE is before the series"));
    Ok(())
}

/// An RDATE for each override that replaces nothing.
fn rdates(subject: &Subject<'_>, wanted: &mut Wanted, reasons: &mut Vec<&'static str>) -> Result<(), Fault> {
    let Some((master, dated)) = subject.master.as_ref().and_then(|m| Some((m, m.dated.as_ref()?))) else {
        return Ok(());
    };
    let Some(set) = dated.set.as_ref().map(bare) else { return Ok(()) };
    let mut lines: Vec<_> = master.component.properties("RDATE").map(whole).collect();
    let known = lines.len();
    for one in subject.exceptions.iter().filter(|one| !one.ranges) {
        if !has(&set, one.place, subject.budget)? {
            let line = dated.form.line("RDATE", one.place);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if lines.len() > known {
        wanted.set("RDATE", lines);
        reasons.push("an override replaces no instance");
    }
    Ok(())
}

/// The alarms of a component that say what one before them says.
fn twins(component: Component<'_>) -> Vec<Component<'_>> {
    let says = |alarm: Component<'_>| {
        let own = alarm.lines().filter(|line| !line.is("UID") && !line.is("X-WR-ALARMUID"));
        let mut lines: Vec<_> = own.map(whole).collect();
        lines.extend(alarm.components().map(|part| String::from_utf8_lossy(part.raw()).into_owned()));
        lines
    };
    let mut seen: Vec<Vec<String>> = vec![];
    let alarms = component.components().filter(|part| part.is("VALARM"));
    alarms
        .filter(|alarm| {
            let lines = says(*alarm);
            let twice = seen.contains(&lines);
            seen.push(lines);
            twice
        })
        .collect()
}
