//! Edits and deletes one instance: an override, or an EXDATE, and never both.

use bytes::Bytes;
use jiff::civil::DateTime;

use crate::ical::calendar::Component;
use crate::ical::edit::form::with_values;
use crate::ical::edit::patch::Patch;
use crate::ical::edit::splice::{Fate, Wanted, component, object, whole};
use crate::ical::edit::subject::{Found, Subject, bare, has};
use crate::ical::edit::{Fault, all, revise};
use crate::ical::series::later;
use crate::ical::value::{DateValue, seconds};

/// The object after an edit of the instance that `id` names.
pub(super) fn edit(
    subject: &mut Subject<'_>,
    id: &DateValue<'_>,
    patch: &Patch,
    stamp: i64,
) -> Result<Bytes, Fault> {
    let place = match subject.find(id)? {
        Found::Single => return all::edit(subject, patch, stamp, None),
        _ if patch.recurs() => return Err(Fault::Recurrence),
        Found::Exception(number) => return exception(subject, number, patch, stamp),
        Found::Instance(place) => place,
    };
    let Some((base, local)) = described(subject, place) else { return Err(Fault::Instance) };
    let mut wanted = revise::component(subject, (base, Some(local)), patch, stamp)?;
    for name in ["RRULE", "RDATE", "EXDATE", "EXRULE"] {
        wanted.set(name, vec![]);
    }
    let Some(dated) = subject.dated_master() else { return Err(Fault::Instance) };
    wanted.line("RECURRENCE-ID", dated.form.line("RECURRENCE-ID", place));
    Ok(object(subject.calendar, &[], &[component(subject.calendar, base, &wanted)]))
}

/// The component that describes the instance at a place, and where its clock stands then.
fn described<'a>(subject: &Subject<'a>, place: DateTime) -> Option<(Component<'a>, DateTime)> {
    let ranged = subject.exceptions.iter().filter(|one| one.ranges && one.place <= place);
    match ranged.max_by_key(|one| one.place) {
        Some(one) => {
            let start = one.component.date("DTSTART").or_else(|| one.component.date("DUE"))?;
            Some((one.component, later(start.civil(), seconds(place) - seconds(one.place))))
        }
        None => Some((subject.master.as_ref()?.component, place)),
    }
}

/// Edits an override that is there; an EXDATE that contradicts it goes.
fn exception(subject: &mut Subject<'_>, number: usize, patch: &Patch, stamp: i64) -> Result<Bytes, Fault> {
    let one = &subject.exceptions[number];
    let (its, place) = (one.component, one.place);
    if one.ranges {
        return Err(Fault::Range);
    }
    let wanted = revise::component(subject, (its, None), patch, stamp)?;
    let mut fates = vec![(its, Fate::Revised(wanted))];
    let excluded = subject.listed("EXDATE")?;
    if let Some(master) = &subject.master
        && excluded.iter().any(|(_, places)| places.contains(&place))
    {
        let kept = excluded.iter().filter_map(|(line, places)| with_values(*line, |at| places[at] != place));
        let mut wanted = Wanted::default();
        wanted.set("EXDATE", kept.collect());
        revise::bump(master.component, &mut wanted, stamp);
        fates.push((master.component, Fate::Revised(wanted)));
    }
    Ok(object(subject.calendar, &fates, &[]))
}

/// The object without the instance that `id` names; none if that was all of it.
pub(super) fn delete(
    subject: &mut Subject<'_>,
    id: &DateValue<'_>,
    stamp: i64,
) -> Result<Option<Bytes>, Fault> {
    let mut fates = vec![];
    let place = match subject.find(id)? {
        Found::Single => return Ok(None),
        Found::Instance(place) => place,
        Found::Exception(number) => {
            let one = &subject.exceptions[number];
            if one.ranges {
                return Err(Fault::Range);
            }
            fates.push((one.component, Fate::Dropped));
            one.place
        }
    };
    if subject.master.is_some() {
        let mut wanted = without(subject, place)?;
        if let Some(master) = &subject.master {
            revise::bump(master.component, &mut wanted, stamp);
            fates.push((master.component, Fate::Revised(wanted)));
        }
    } else if fates.len() == subject.exceptions.len() {
        return Ok(None);
    }
    Ok(Some(object(subject.calendar, &fates, &[])))
}

/// The master without the instance at a place: an RDATE is taken back, what a rule gives is excluded.
fn without(subject: &mut Subject<'_>, place: DateTime) -> Result<Wanted, Fault> {
    let mut wanted = Wanted::default();
    let added = subject.listed("RDATE")?;
    let excluded = subject.listed("EXDATE")?;
    let (Some(master), Some(dated)) = (&subject.master, subject.dated_master()) else {
        return Err(Fault::Instance);
    };
    let Some(set) = &dated.set else { return Err(Fault::Instance) };
    if added.iter().any(|(_, places)| places.contains(&place)) {
        let kept = added.iter().filter_map(|(line, places)| with_values(*line, |at| places[at] != place));
        wanted.set("RDATE", kept.collect());
    }
    let mut rest = bare(set);
    rest.rdates.retain(|date| *date != place);
    let is_excluded = excluded.iter().any(|(_, places)| places.contains(&place));
    if !is_excluded && has(&rest, place, subject.budget)? {
        let mut lines: Vec<_> = master.component.properties("EXDATE").map(whole).collect();
        lines.push(dated.form.line("EXDATE", place));
        wanted.set("EXDATE", lines);
    }
    Ok(wanted)
}
