//! Bringing back what was there: one object, all that a calendar was at a time, or a deleted calendar
//! (docs/decisions/0027).

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use crate::{
    config::Settings,
    dav::{Refusal, Result},
    db::{self, Pool, Tx},
    front::Status,
    store::{
        self, Author, Calendar, Viewer,
        history::{self, Difference, When},
        object,
    },
};

pub use crate::dav::Error as Fault;

use super::{form::Form, storing::understood};

/// What bringing something back did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It is there again, under this name.
    Made(String),
    /// What has this name is again what it was.
    Changed(String),
    /// What has this name is that already.
    Same(String),
}

/// What bringing a whole calendar back did, in numbers of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Those that are there again.
    pub made: usize,
    /// Those that are again what they were.
    pub changed: usize,
    /// Those that were not there then.
    pub deleted: usize,
}

/// How many names are tried.
const MOST_NAMES: u32 = 1000;

/// Brings an object of a calendar, which is locked, back to what it was.
pub async fn object(
    tx: &Tx,
    settings: &Settings,
    calendar: &Calendar,
    (name, when): (&str, When),
    author: &Author,
) -> Result<Restored> {
    let former = history::state(tx, calendar, name, when).await?;
    let Some(former) = former else {
        return match object::by_name_in(tx, calendar, name).await? {
            Some(_) => Ok(Restored::Same(name.to_owned())),
            None => Err(no(format!("nothing is kept of an object {name:?}"))),
        };
    };
    if !former.there {
        return Err(no(format!("there was no object {name:?} then")));
    }
    let octets = former.body.ok_or_else(|| no(format!("what {name:?} was then is not kept")))?;
    let restored = octets_of(tx, settings, calendar, (name, octets), author).await?;
    if let Some(deletion) = former.deletion {
        history::take_back(tx, calendar.home_id, deletion).await?;
    }
    Ok(restored)
}

/// Brings octets back. A UID is one object's: where it is there, under whatever name, it becomes what it was, and what it
/// has been since is a version of it; else it comes under its name, or another where that is taken.
async fn octets_of(
    tx: &Tx,
    settings: &Settings,
    calendar: &Calendar,
    (name, octets): (&str, Bytes),
    author: &Author,
) -> Result<Restored> {
    let mut put = understood(settings, name, Form::Ical, octets)?.put;
    if !calendar.components.has(put.component) {
        return Err(no(format!("the calendar takes no {}", put.component.name())));
    }
    let mut before = object::before_put(tx, calendar, name, &put.uid).await?;
    let others = before.object.as_ref().is_some_and(|(there, _)| there.uid != put.uid);
    if let Some(twin) = before.twin.take() {
        put.name = twin;
    } else if others {
        put.name = free(tx, calendar, name).await?;
    }
    if put.name != name {
        before = object::before_put(tx, calendar, &put.name, &put.uid).await?;
    }
    let there = before.object.as_ref().map(|(there, _)| there);
    if there.is_some_and(|there| there.etag == put.etag) {
        return Ok(Restored::Same(put.name));
    }
    if there.is_some() && !author.keep.versions {
        let why = format!(
            "it is there as {:?}, and what that is now would be lost: history.versions_days is 0",
            put.name
        );
        return Err(no(why));
    }
    object::put(tx, calendar, &put, &before, author).await?;
    Ok(if there.is_some() { Restored::Changed(put.name) } else { Restored::Made(put.name) })
}

/// A name like that one which no object of the calendar has.
async fn free(tx: &Tx, calendar: &Calendar, name: &str) -> Result<String> {
    for nth in 2..MOST_NAMES {
        let other = numbered(name, nth);
        if object::by_name_in(tx, calendar, &other).await?.is_none() {
            return Ok(other);
        }
    }
    Err(no(format!("every name like {name:?} is taken")))
}

/// The name with a number, before what it ends in.
fn numbered(name: &str, nth: u32) -> String {
    match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() => format!("{stem}-{nth}.{end}"),
        _ => format!("{name}-{nth}"),
    }
}

/// Makes a calendar, which is locked, what it was at a second: all of it or, where something was not kept, nothing.
pub async fn calendar_at(
    tx: &Tx,
    settings: &Settings,
    calendar: &Calendar,
    second: i64,
    author: &Author,
) -> Result<Sum> {
    let differences = history::as_of(tx, calendar, second).await?;
    if let Some(lost) = differences.iter().find(|d| d.then.there && d.then.body.is_none()) {
        return Err(no(format!("what {:?} was then is not kept", lost.name)));
    }
    let mut sum = Sum::default();
    // What goes, and what has another UID now, goes first: a UID may have gone from one name to another.
    for Difference { then, now, same, .. } in &differences {
        if let Some(object) = now.filter(|_| !then.there || !same) {
            object::delete(tx, calendar, object, author).await?;
            sum.deleted += usize::from(!then.there);
        }
    }
    for Difference { name, then, now, .. } in differences {
        let Some(octets) = then.body else { continue };
        octets_of(tx, settings, calendar, (&name, octets), author).await?;
        if let Some(deletion) = then.deletion {
            history::take_back(tx, calendar.home_id, deletion).await?;
        }
        if now.is_some() { sum.changed += 1 } else { sum.made += 1 }
    }
    Ok(sum)
}

/// Takes a calendar out of the trash, under the name that is wanted, or another where that is taken; gives the name.
pub async fn calendar(tx: &Tx, viewer: &Viewer, (id, name): (i64, &str), author: &Author) -> Result<String> {
    let home_id = viewer.principal.id;
    store::calendar::lock_home(tx, home_id).await?;
    let mut free = name.to_owned();
    for nth in 2..MOST_NAMES {
        if !store::calendar::is_taken(tx, home_id, &free).await? {
            break;
        }
        free = format!("{name}-{nth}");
    }
    if history::revive(tx, home_id, id, &free, author).await? {
        Ok(free)
    } else {
        Err(no("it lies in the trash no longer".to_owned()))
    }
}

/// Erases what has lain in the trash of a home for so many days, so much at once; says how much that was.
pub async fn empty(pool: &Pool, home_id: i64, days: u32, at_once: i64) -> Result<usize, db::Error> {
    let since = SystemTime::now().checked_sub(Duration::from_secs(86_400 * u64::from(days)));
    let Some(since) = since else { return Ok(0) };
    let mut erased = 0;
    loop {
        let all = history::trash_before(pool, home_id, since, at_once).await?;
        if all.is_empty() {
            return Ok(erased);
        }
        erased += all.len();
        let ids = |whole| all.iter().filter(|t| t.whole == whole).map(|t| t.id).collect::<Vec<i64>>();
        let (deletions, calendars) = (&ids(false), &ids(true));
        let work = async |tx: Arc<Tx>| history::erase(&tx, home_id, deletions, calendars).await;
        pool.transaction(work).await?;
    }
}

/// What is answered where that cannot be.
#[must_use]
pub fn no(why: String) -> Fault {
    Refusal::plain(Status::CONFLICT, why).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_before_the_ending() {
        assert_eq!(numbered("a.ics", 2), "a-2.ics");
        assert_eq!(numbered("a.b.ics", 3), "a.b-3.ics");
        assert_eq!(numbered("a", 2), "a-2");
        assert_eq!(numbered(".ics", 2), ".ics-2");
    }
}
