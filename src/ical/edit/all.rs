//! Edits a whole series: its overrides and its excluded dates move with it, and what has no instance any more goes.

use bytes::Bytes;
use jiff::civil::DateTime;

use crate::ical::calendar::{Component, Property};
use crate::ical::clock::Clock;
use crate::ical::edit::form::{Form, moved, with_end, with_values};
use crate::ical::edit::patch::Patch;
use crate::ical::edit::revise::{self, Start};
use crate::ical::edit::splice::{Fate, Wanted, object, whole};
use crate::ical::edit::subject::{Exception, Subject, UNREADABLE, bare};
use crate::ical::edit::{Fault, read};
use crate::ical::recur::{Frequency, Rule, Until};
use crate::ical::series::later;
use crate::ical::value::{PeriodEnd, PeriodValue, seconds};
use crate::ical::zone::Zone;

/// The object after an edit of all of it. The override at `forced` says what the patch says, whatever it said before.
pub(super) fn edit(
    subject: &mut Subject<'_>,
    patch: &Patch,
    stamp: i64,
    forced: Option<DateTime>,
) -> Result<Bytes, Fault> {
    let Some(master) = subject.master.as_ref().map(|master| master.component) else {
        return overrides_alone(subject, patch, stamp);
    };
    let mut wanted = revise::component(subject, (master, None), patch, stamp)?;
    let shift = Shift::of(subject, patch)?;
    if let Some(shift) = &shift {
        for name in ["EXDATE", "RDATE"] {
            if wanted.of(name).is_none() {
                wanted.set(name, shift.list(name, subject)?);
            }
        }
        if wanted.of("RRULE").is_none() {
            wanted.set("RRULE", master.properties("RRULE").map(|rule| shift.rule(rule)).collect());
        }
    }
    let mut fates = vec![(master, Fate::Revised(wanted))];
    let exceptions = std::mem::take(&mut subject.exceptions);
    for one in &exceptions {
        let forced = forced == Some(one.place);
        if forced && patch.moves() {
            fates.push((one.component, Fate::Dropped));
        } else if let Some(wanted) = follow(subject, (master, one), (patch, forced), shift.as_ref())? {
            fates.push((one.component, Fate::Revised(with_stamp(one.component, wanted, stamp))));
        }
    }
    let text = object(subject.calendar, &fates, &[]);
    if shift.is_some() || patch.recurs() { prune(text) } else { Ok(text) }
}

/// An object without a master: each override says what the patch says.
fn overrides_alone(subject: &mut Subject<'_>, patch: &Patch, stamp: i64) -> Result<Bytes, Fault> {
    if patch.moves() || patch.recurs() {
        return Err(Fault::Recurrence);
    }
    let components: Vec<_> = subject.exceptions.iter().map(|one| one.component).collect();
    let mut fates = vec![];
    for component in components {
        fates.push((component, Fate::Revised(revise::component(subject, (component, None), patch, stamp)?)));
    }
    Ok(object(subject.calendar, &fates, &[]))
}

fn with_stamp(component: Component<'_>, mut wanted: Wanted, stamp: i64) -> Wanted {
    revise::bump(component, &mut wanted, stamp);
    wanted
}

/// What an override shall say: what it had from its series it has from it still; what is its own stays.
fn follow(
    subject: &mut Subject<'_>,
    (master, one): (Component<'_>, &Exception<'_>),
    (patch, forced): (&Patch, bool),
    shift: Option<&Shift>,
) -> Result<Option<Wanted>, Fault> {
    let mut wanted = Wanted::default();
    let lines =
        |component: Component<'_>, name: &str| component.properties(name).map(whole).collect::<Vec<_>>();
    for name in patch.wanted().names().filter(|name| Patch::is_plain(name)) {
        if forced || lines(master, name) == lines(one.component, name) {
            wanted.set(name, patch.wanted().of(name).unwrap_or_default().to_vec());
        }
    }
    let alarms = |component: Component<'_>| {
        component.components().filter(|c| c.is("VALARM")).map(|c| c.raw().to_vec()).collect::<Vec<_>>()
    };
    if forced || alarms(master) == alarms(one.component) {
        wanted.parts.clone_from(&patch.wanted().parts);
    }
    if let Some(shift) = shift {
        let range = if one.ranges { "RECURRENCE-ID;RANGE=THISANDFUTURE" } else { "RECURRENCE-ID" };
        let place = shift.place(one.place);
        wanted.line("RECURRENCE-ID", shift.to.form.line(range, place));
        if let Some(anchor) = revise::anchor(one.component)
            && let Some(first) = Start::of(anchor, subject)?
            && (&first.form, first.local) == (&shift.from.form, one.place)
        {
            let name = anchor.name().to_ascii_uppercase();
            let start = Start { local: place, ..shift.to.clone() };
            wanted.line(&name, start.form.line(&name, place));
            if first.form.is_alike(&start.form) {
                revise::end(subject, one.component, (&first, &start), &mut wanted)?;
            } else {
                shift.lasts(place, patch, subject, &mut wanted)?;
            }
        }
    }
    let says = wanted.names().next().is_some() || wanted.parts.is_some();
    Ok(says.then_some(wanted))
}

/// How the start of a series moves, and with it each of its instances.
struct Shift {
    from: Start,
    to: Start,
}

impl Shift {
    /// None if the patch leaves the start where it is.
    fn of(subject: &mut Subject<'_>, patch: &Patch) -> Result<Option<Self>, Fault> {
        let Some(anchor) = subject.dated_master().map(|dated| dated.anchor) else { return Ok(None) };
        let Some(from) = Start::of(anchor, subject)? else { return Ok(None) };
        let to = revise::patched(patch, &anchor.name().to_ascii_uppercase(), subject)?;
        Ok(to.filter(|to| (to.local, &to.form) != (from.local, &from.form)).map(|to| Self { from, to }))
    }

    /// Where an instance comes to stand.
    fn place(&self, place: DateTime) -> DateTime {
        let moved = later(place, seconds(self.to.local) - seconds(self.from.local));
        if self.to.form == Form::Date { moved.date().at(0, 0, 0, 0) } else { moved }
    }

    /// The end of an instance that has become one of another type: as long after its start as that of the series.
    fn lasts(
        &self,
        place: DateTime,
        patch: &Patch,
        subject: &mut Subject<'_>,
        wanted: &mut Wanted,
    ) -> Result<(), Fault> {
        for name in ["DTEND", "DUE"] {
            let end = revise::patched(patch, name, subject)?.filter(|_| wanted.of(name).is_none());
            wanted.set(
                name,
                end.iter()
                    .map(|end| {
                        let lasts = seconds(end.local) - seconds(self.to.local);
                        end.form.line(name, later(place, lasts))
                    })
                    .collect(),
            );
        }
        wanted.set("DURATION", patch.wanted().of("DURATION").unwrap_or_default().to_vec());
        Ok(())
    }

    /// The lines of EXDATE or RDATE for the instances where they come to stand.
    fn list(&self, name: &str, subject: &mut Subject<'_>) -> Result<Vec<String>, Fault> {
        let listed = subject.listed(name)?;
        let lines = listed.iter().filter_map(|(line, places)| {
            let tzid = line.parameter("TZID");
            let value = line.value();
            let period = value.contains('/');
            let readable = value.split(',').zip(places).filter(|(_, place)| **place != UNREADABLE);
            let values = readable.map(|(one, place)| {
                let start = self.to.form.value(self.place(*place));
                let length = PeriodValue::parse(one, tzid.as_ref()).map(|period| match period.end {
                    PeriodEnd::After(lasts) => lasts.rough(),
                    PeriodEnd::At(end) => seconds(end.civil()) - seconds(period.start.civil()),
                });
                length.map_or_else(|| start.clone(), |length| format!("{start}/PT{length}S"))
            });
            let values: Vec<_> = values.collect();
            if values.is_empty() {
                return None;
            }
            let named = if period { [name, ";VALUE=PERIOD"].concat() } else { name.to_owned() };
            let head = self.to.form.line(&named, DateTime::MIN);
            Some([head.rsplit_once(':')?.0, ":", &values.join(",")].concat())
        });
        Ok(lines.collect())
    }

    /// A rule whose last instance is still its last one, and whose weeks have moved along.
    fn rule(&self, property: Property<'_>) -> String {
        let Ok(rule) = Rule::parse(&property.value()) else { return whole(property) };
        let line = self.until(property, &rule);
        let days =
            (self.to.local.date().duration_since(self.from.local.date()).as_hours() / 24).rem_euclid(7);
        if rule.frequency() == Frequency::Weekly && days != 0 { moved(&line, days) } else { line }
    }

    fn until(&self, property: Property<'_>, rule: &Rule) -> String {
        let last = match (rule.until(), &self.from.clock) {
            (None, _) => return whole(property),
            (Some(Until::Date(day)), Clock::Date) => day.at(0, 0, 0, 0),
            (Some(Until::Date(day)), _) => day.at(23, 59, 59, 0),
            (Some(Until::Utc(utc)), Clock::Zone(zone, _)) => zone.last_local(seconds(utc)),
            (Some(Until::Utc(local) | Until::Local(local)), _) => local,
        };
        let until = self.to.form.until(self.place(last), &self.to.clock);
        with_end(property, Some(&["UNTIL=", &until].concat()))
    }
}

/// The object without the overrides and EXDATEs that have no instance any more.
pub(super) fn prune(text: Bytes) -> Result<Bytes, Fault> {
    let (calendar, budget) = read(text)?;
    let mut subject = Subject::read(&calendar, &budget)?;
    let excluded = subject.listed("EXDATE")?;
    let Some(dated) = subject.dated_master() else { return Ok(calendar.bytes().clone()) };
    let mut places: Vec<_> = excluded.iter().flat_map(|(_, places)| places).copied().collect();
    places.extend(subject.exceptions.iter().map(|one| one.place));
    let mut standing = vec![];
    if let Some(set) = dated.set.as_ref().map(bare) {
        let (clock, utc) = (&dated.shape.anchor.clock, Zone::utc());
        for place in places {
            let mut instances = set.instances(subject.budget);
            instances.seek(place.date().at(0, 0, 0, 0));
            for instance in instances {
                let instance = instance?;
                let shown = clock.local(clock.instant(instance, &utc), &utc);
                if instance == place || shown == place {
                    standing.push(place);
                }
                if instance >= place {
                    break;
                }
            }
        }
    }
    let overridden = |place: &DateTime| subject.exceptions.iter().any(|one| one.place == *place);
    let kept = excluded.iter().filter_map(|(line, places)| {
        with_values(*line, |at| standing.contains(&places[at]) && !overridden(&places[at]))
    });
    let mut wanted = Wanted::default();
    wanted.set("EXDATE", kept.collect());
    let mut fates: Vec<_> =
        subject.master.iter().map(|master| (master.component, Fate::Revised(wanted.clone()))).collect();
    let gone = subject.exceptions.iter().filter(|one| !standing.contains(&one.place));
    fates.extend(gone.map(|one| (one.component, Fate::Dropped)));
    Ok(object(&calendar, &fates, &[]))
}
