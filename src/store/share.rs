//! Calendars that are seen in other homes than the one they are kept in. The twin of sql/caldav/share.sql.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use crate::{
    db::{Error, Params, Pool, Row, Tx},
    model::{Privilege, Privileges},
};

use super::{
    Answer, Calendar, Held, Viewer, ace,
    calendar::kept,
    invite,
    object::{Found, read_whole},
    personal::Beside,
};

crate::queries!("caldav/share.sql":
    OF = "of",
    LISTED = "listed",
    HELD = "held",
    LOCK = "lock",
    OBJECT = "object",
    HOMES = "homes",
    LOCK_HOMES = "lock_homes",
    BIND = "bind",
    UNBIND = "unbind",
    MARK = "mark",
);

/// What the viewer's side says of a calendar that is kept in another home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The home that it is seen in, which keeps what is the viewer's own of it.
    pub home_id: i64,
    /// What the viewer may do with what is in that home.
    pub through: Privileges,
    /// Whose it is; of what a list tells, only where that was asked for.
    pub origin: Option<Origin>,
}

/// Whose a calendar is that is seen in another home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The user name of its owner.
    pub owner: String,
    /// What the owner is called.
    pub owner_name: Option<String>,
    /// The owner's e-mail address.
    pub owner_email: Option<String>,
    /// Its name at its owner's.
    pub name: String,
}

/// A name in a home that leads to a calendar which is kept in another one.
#[derive(Clone, Debug)]
pub(super) struct Bind {
    /// The home.
    pub home_id: i64,
    /// The name.
    pub name: String,
    /// Where the calendar is kept, and its number.
    pub kept: (i64, i64),
    /// What the viewer may do with what is in the home.
    pub through: Privileges,
}

impl Bind {
    /// The bind of a row of what is in a home, if it is one.
    pub fn read(row: &Row, home_id: i64, through: Privileges) -> Result<Option<Self>, Error> {
        match elsewhere(row, home_id)? {
            Some(kept) => Ok(Some(Self { home_id, name: row.at("name")?, kept, through })),
            None => Ok(None),
        }
    }

    /// The calendar that it leads to, of which that is granted. Nobody can do more with it by this way than with what is in the
    /// home, or than by its owner's.
    fn calendar(&self, row: &Row, granted: Privileges, origin: Option<Origin>) -> Result<Calendar, Error> {
        let &Self { home_id, ref name, kept: (owner_home_id, _), through } = self;
        let calendar = kept(row, (owner_home_id, name.clone()), granted.and(through))?;
        Ok(Calendar { bound: Some(Arc::new(Bound { home_id, through, origin })), ..calendar })
    }
}

impl Origin {
    fn read(row: &Row) -> Result<Self, Error> {
        Ok(Self {
            owner: row.at("owner")?,
            owner_name: row.at("owner_name")?,
            owner_email: row.at("owner_email")?,
            name: row.at("called")?,
        })
    }
}

/// Where the calendar of a row is kept, and its number, if that is another home.
pub(super) fn elsewhere(row: &Row, home_id: i64) -> Result<Option<(i64, i64)>, Error> {
    let kept: (i64, i64) = (row.at("owner_home_id")?, row.at("calendar_id")?);
    Ok(Some(kept).filter(|kept| kept.0 != home_id))
}

/// The calendars that these lead to; whose they are, if that is asked for.
pub(super) async fn calendars(
    pool: &Pool,
    viewer: &Viewer,
    binds: &[Bind],
    origins: bool,
) -> Result<Vec<Calendar>, Error> {
    if binds.is_empty() {
        return Ok(Vec::new());
    }
    let ((homes, ids), who) = (columns(binds), &viewer.principal);
    let rows = pool.rows(if origins { &OF } else { &LISTED }, &[&homes, &ids, &who.id, &who.groups]).await?;
    let by_kept: HashMap<(i64, i64), &Bind> = binds.iter().map(|bind| (bind.kept, bind)).collect();
    let mut calendars = Vec::with_capacity(rows.len());
    for row in &rows {
        let kept: (i64, i64) = (row.at("home_id")?, row.at("id")?);
        if let Some(bind) = by_kept.get(&kept) {
            let origin = if origins { Some(Origin::read(row)?) } else { None };
            calendars.push(bind.calendar(row, viewer.rights(kept.0, row.at("granted")?), origin)?);
        }
    }
    Ok(calendars)
}

/// How far these are, each told by the home that it is kept in and its number, of which the viewer may know.
pub(super) async fn held(pool: &Pool, viewer: &Viewer, kept: &[(i64, i64)]) -> Result<Vec<Held>, Error> {
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let ((homes, ids), who) = (apart(kept), &viewer.principal);
    listed(&pool.rows(&HELD, &[&homes, &ids, &who.id, &who.groups]).await?, viewer)
}

/// The same in a transaction.
pub(super) async fn held_in(tx: &Tx, viewer: &Viewer, kept: &[(i64, i64)]) -> Result<Vec<Held>, Error> {
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let ((homes, ids), who) = (apart(kept), &viewer.principal);
    listed(&tx.rows(&HELD, &[&homes, &ids, &who.id, &who.groups]).await?, viewer)
}

fn apart(kept: &[(i64, i64)]) -> (Vec<i64>, Vec<i64>) {
    kept.iter().copied().unzip()
}

/// What is kept elsewhere takes no room here.
fn listed(rows: &[Row], viewer: &Viewer) -> Result<Vec<Held>, Error> {
    let held = |row: &Row| {
        let seen = viewer.rights(row.at("home_id")?, row.at("granted")?).has(Privilege::Read);
        Ok(seen.then_some(Held { id: row.at("id")?, revision: row.at("revision")?, octets: 0 }))
    };
    rows.iter().filter_map(|row| held(row).transpose()).collect()
}

fn columns(binds: &[Bind]) -> (Vec<i64>, Vec<i64>) {
    binds.iter().map(|bind| bind.kept).unzip()
}

/// The calendar that a bind leads to, which nobody else changes until the transaction ends.
pub(super) async fn lock(tx: &Tx, viewer: &Viewer, mut bind: Bind) -> Result<Option<Calendar>, Error> {
    let (home_id, id) = bind.kept;
    let Some(row) = tx.optional(&LOCK, &[&home_id, &id]).await? else { return Ok(None) };
    let through = ace::on(tx, viewer, bind.home_id, 0).await?;
    bind.through = viewer.scoped_to((bind.home_id, &bind.name), through);
    let granted = ace::on(tx, viewer, home_id, id).await?;
    bind.calendar(&row, granted, Some(Origin::read(&row)?)).map(Some)
}

/// The object of that name in a calendar that is kept there, with its octets, and what the viewer may do with it who may do
/// that with what is in the home.
pub(super) async fn object(
    pool: &Pool,
    viewer: &Viewer,
    ((home_id, id), through): ((i64, i64), Privileges),
    name: &str,
) -> Result<Option<Found>, Error> {
    let who = &viewer.principal;
    let params: Params<'_> = &[&home_id, &id, &name, &who.id, &who.groups];
    let Some(row) = pool.optional(&OBJECT, params).await? else { return Ok(None) };
    let rights = viewer.rights(home_id, row.at("granted")?).and(through);
    Ok(Some(Found { object: read_whole(&row)?, beside: Beside::of(&row)?, home_id, rights }))
}

/// Lets a calendar, which is locked, be seen in these homes as well; gives the names it has there now, in those where it was not
/// seen before. The calendar changes by that, and each of these homes.
pub async fn bind(tx: &Tx, calendar: &Calendar, homes: &[i64]) -> Result<Vec<(i64, String)>, Error> {
    lock_homes(tx, homes).await?;
    let names = names(calendar.name_at_home());
    let rows = tx.rows(&BIND, &[&homes, &calendar.home_id, &calendar.id, &names]).await?;
    tx.execute(&MARK, &[&calendar.home_id, &calendar.id]).await?;
    rows.iter().map(|row| Ok((row.at("home_id")?, row.at("name")?))).collect()
}

/// Lets a calendar, which is locked, be seen in these homes no more, with all that they kept of it. The calendar changes by that,
/// and each of these homes.
pub async fn unbind(tx: &Tx, calendar: &Calendar, homes: &[i64]) -> Result<(), Error> {
    forget(tx, calendar, homes).await?;
    super::calendar::touch(tx, calendar).await
}

/// The viewer no longer wants to see a calendar of somebody else, which is locked, in their home; its owner sees that.
pub async fn leave(tx: &Tx, calendar: &Calendar) -> Result<(), Error> {
    invite::answer(tx, calendar, calendar.seen_in(), Answer::Declined).await?;
    unbind(tx, calendar, &[calendar.seen_in()]).await
}

/// Lets a calendar, which is locked, be seen in no other home than its own, before it goes.
pub async fn withdraw(tx: &Tx, calendar: &Calendar) -> Result<(), Error> {
    if !calendar.shared {
        return Ok(());
    }
    let homes = homes(tx, calendar).await?;
    forget(tx, calendar, &homes).await
}

/// The homes that a calendar is seen in besides its own.
pub async fn homes(tx: &Tx, calendar: &Calendar) -> Result<Vec<i64>, Error> {
    tx.rows(&HOMES, &[&calendar.home_id, &calendar.id]).await?.iter().map(|row| row.at(0)).collect()
}

/// Lets nobody else give names in these homes until the transaction ends.
pub(super) async fn lock_homes(tx: &Tx, homes: &[i64]) -> Result<(), Error> {
    tx.rows(&LOCK_HOMES, &[&homes]).await.map(drop)
}

async fn forget(tx: &Tx, calendar: &Calendar, homes: &[i64]) -> Result<(), Error> {
    if homes.is_empty() {
        return Ok(());
    }
    lock_homes(tx, homes).await?;
    let params: Params<'_> = &[&homes, &calendar.home_id, &calendar.id, &calendar.state.revision];
    tx.execute(&UNBIND, params).await.map(drop)
}

/// The names that a calendar may come to have in another home, the best first; the last one nothing has.
fn names(own: &str) -> Vec<String> {
    let numbered = (2..10).map(|number| format!("{own}-{number}"));
    let names = [own.to_owned()].into_iter().chain(numbered).filter(|name| name.len() <= LONGEST);
    names.chain([Uuid::new_v4().to_string()]).collect()
}

/// Octets of a name in a URL.
const LONGEST: usize = 255;

impl Calendar {
    /// The home in which it has its name: that of the request that found it.
    #[must_use]
    pub fn seen_in(&self) -> i64 {
        self.bound.as_ref().map_or(self.home_id, |bound| bound.home_id)
    }

    /// Its name in the home that it is kept in; of what is not listed.
    #[must_use]
    pub fn name_at_home(&self) -> &str {
        let origin = self.bound.as_ref().and_then(|bound| bound.origin.as_ref());
        origin.map_or(&self.name, |origin| &origin.name)
    }

    /// The home that it is kept in, and its number.
    #[must_use]
    pub const fn kept(&self) -> (i64, i64) {
        (self.home_id, self.id)
    }

    /// Whether a home that has it tells of it: what is of somebody else, to who may read it.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.bound.is_none() || self.rights.has(Privilege::Read)
    }

    /// What the viewer may do with the collection itself, apart from what is in it: of what is somebody else's, its properties
    /// are the viewer's own, whatever else may be done with it (caldav-sharing §5.5.3).
    #[must_use]
    pub fn rights_on_itself(&self) -> Privileges {
        let own = Privilege::WriteProperties;
        let through = self.bound.as_ref().map_or(Privileges::NONE, |bound| bound.through);
        let theirs = through.has(own) && self.rights.has(Privilege::Read);
        if theirs { self.rights.or(own.with_parts()) } else { self.rights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_keeps_its_name_where_it_is_free_and_always_gets_one() {
        let of = names("work");
        assert_eq!(of[..3], ["work", "work-2", "work-3"]);
        assert!(Uuid::try_parse(of.last().unwrap()).is_ok());
        assert_eq!(names(&"x".repeat(LONGEST)).len(), 2);
        assert!(names(&"x".repeat(LONGEST)).iter().all(|name| name.len() <= LONGEST));
    }
}
