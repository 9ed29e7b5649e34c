//! Homes and the collections in them. The twin of sql/caldav/calendar.sql.

use std::{sync::Arc, time::SystemTime};

use uuid::Uuid;

use crate::{
    db::{Error, Params, Pool, Row, Tx},
    model::{Component, Components, HomeToken, Kind, Part, Privileges, SyncToken},
};

use super::{
    Author, Viewer, ace,
    history::{self, Action},
    share::{self, Bind, Bound},
};

crate::queries!("caldav/calendar.sql":
    HOME = "home",
    ALL_OF_HOME = "all",
    BY_NAME = "by_name",
    LOCK = "lock",
    LOCK_HOME = "lock_home",
    COUNT = "count",
    OCTETS = "octets",
    CREATE = "create",
    DELETE = "delete",
    TRASH = "trash",
    CHANGE = "change",
    TOUCH = "touch",
    BEGIN_ANEW = "begin_anew",
    TOUCH_HOME = "touch_home",
    CHOSEN = "chosen",
    CHOOSE = "choose",
);

/// What a home says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Its identity, and the revision of what happened to itself: collections made and gone.
    pub state: SyncToken,
    /// The lowest revision that a token is still answered for.
    pub floor: i64,
    /// Its collections and those of others that it tells of, in the order of their numbers.
    pub collections: Vec<Held>,
}

/// What a home says of one of its collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub id: i64,
    /// Its revision.
    pub revision: i64,
    /// Octets that its objects take of the home.
    pub octets: i64,
}

impl Home {
    /// What changes with everything in it and never comes back, as CS:getctag has it.
    #[must_use]
    pub fn tag(&self) -> String {
        let inside: i64 = self.collections.iter().map(|held| held.revision).sum();
        tag(SyncToken { revision: self.state.revision + inside, ..self.state })
    }

    /// The sync token of one who has seen all of it.
    #[must_use]
    pub fn token(&self, outline: u32) -> HomeToken {
        let parts = self.collections.iter().map(|held| (held.id, Part::whole(held.revision))).collect();
        HomeToken { key: self.state.key, outline, revision: self.state.revision, parts }
    }

    /// Octets that all objects in it take.
    #[must_use]
    pub fn octets(&self) -> i64 {
        self.collections.iter().map(|held| held.octets).sum()
    }

    /// A home that was looked at [by itself](home_alone), with what is kept elsewhere of the collections that it tells the viewer
    /// of. For whoever is here for some of them nothing else is there.
    #[must_use]
    pub fn telling<'a>(self, viewer: &Viewer, of: impl Iterator<Item = &'a Calendar>) -> Self {
        let told: Vec<&Calendar> = of.collect();
        let elsewhere = told.iter().filter(|calendar| calendar.bound.is_some());
        let seen =
            elsewhere.map(|calendar| Held { id: calendar.id, revision: calendar.state.revision, octets: 0 });
        let mut home = with_seen(self, seen.collect());
        if viewer.is_confined() {
            home.collections.retain(|held| told.iter().any(|calendar| calendar.id == held.id));
        }
        home
    }
}

/// A collection in a home, as the home sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The home it is kept in.
    pub home_id: i64,
    /// Its number.
    pub id: i64,
    /// Its name in the home that it was looked for in.
    pub name: String,
    /// Calendar, subscription, inbox, outbox or notifications.
    pub kind: Kind,
    /// Its identity and the revision of its last change.
    pub state: SyncToken,
    /// The lowest revision that a token is still answered for.
    pub floor: i64,
    /// Octets that its objects take.
    pub octets: i64,
    /// What it may hold.
    pub components: Components,
    /// When it was made.
    pub created: SystemTime,
    /// When it or a member last changed.
    pub modified: SystemTime,
    /// Whether it or a member may be locked; where not, nobody needs to look.
    pub locked: bool,
    /// Whether anybody is invited to it, so that it may be seen in other homes; where not, nobody needs to look.
    pub shared: bool,
    /// Whether somebody may want to be told of changes; where not, nobody needs to look.
    pub watched: bool,
    /// What the viewer may do with it and with what is in it.
    pub rights: Privileges,
    /// Where it was looked for in another home than it is kept in: what that home says of it.
    pub bound: Option<Arc<Bound>>,
}

impl Calendar {
    /// The tag of this state of it, as CS:getctag and the entity tag of its whole content have it.
    #[must_use]
    pub fn tag(&self) -> String {
        tag(self.state)
    }
}

/// The tag of a state of a collection.
#[must_use]
pub fn tag(state: SyncToken) -> String {
    format!("{}-{}", state.key.simple(), state.revision)
}

/// The state of a home.
pub async fn home(pool: &Pool, viewer: &Viewer, home_id: i64) -> Result<Option<Home>, Error> {
    let Some(row) = pool.optional(&HOME, &[&home_id]).await? else { return Ok(None) };
    let (home, seen) = read_home(&row)?;
    if viewer.is_confined() {
        let there = all(pool, viewer, home_id, false).await?;
        return Ok(Some(home.telling(viewer, there.iter().filter(|calendar| calendar.is_listed()))));
    }
    Ok(Some(with_seen(home, share::held(pool, viewer, &seen).await?)))
}

/// The same, as a transaction sees it.
pub async fn home_in(tx: &Tx, viewer: &Viewer, home_id: i64) -> Result<Option<Home>, Error> {
    let Some(row) = tx.optional(&HOME, &[&home_id]).await? else { return Ok(None) };
    let (home, seen) = read_home(&row)?;
    Ok(Some(with_seen(home, share::held_in(tx, viewer, &seen).await?)))
}

/// The same, but for what is kept elsewhere: enough to tell what room is taken.
pub async fn home_alone(pool: &Pool, home_id: i64) -> Result<Option<Home>, Error> {
    let row = pool.optional(&HOME, &[&home_id]).await?;
    row.map(|row| Ok(read_home(&row)?.0)).transpose()
}

/// A home, and what it sees that is kept elsewhere: where, and its number.
fn read_home(row: &Row) -> Result<(Home, Vec<(i64, i64)>), Error> {
    let (ids, revisions): (Vec<i64>, Vec<i64>) = (row.at("ids")?, row.at("revisions")?);
    let octets: Vec<i64> = row.at("octets")?;
    let held = |((id, revision), octets)| Held { id, revision, octets };
    let home = Home {
        state: SyncToken { key: row.at("key")?, revision: row.at("revision")? },
        floor: row.at("floor")?,
        collections: ids.into_iter().zip(revisions).zip(octets).map(held).collect(),
    };
    let (owners, bound): (Vec<i64>, Vec<i64>) = (row.at("owners")?, row.at("bound")?);
    Ok((home, owners.into_iter().zip(bound).collect()))
}

fn with_seen(mut home: Home, seen: Vec<Held>) -> Home {
    home.collections.extend(seen);
    home.collections.sort_unstable_by_key(|held| held.id);
    home
}

/// The collections of a home and those of others that are seen in it, by name; whose these are, if that is asked for.
pub async fn all(pool: &Pool, viewer: &Viewer, home_id: i64, origins: bool) -> Result<Vec<Calendar>, Error> {
    let who = &viewer.principal;
    let rows = pool.rows(&ALL_OF_HOME, &[&home_id, &who.id, &who.groups]).await?;
    let (mut all, mut binds) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in &rows {
        if !viewer.sees(home_id, row.at("name")?) {
            continue;
        }
        match read(row, viewer, home_id)? {
            Seen::Kept(calendar) => all.push(*calendar),
            Seen::Bound(bind) => binds.push(bind),
        }
    }
    if !binds.is_empty() {
        all.extend(share::calendars(pool, viewer, &binds, origins).await?);
        all.sort_by(|one, other| one.name.cmp(&other.name));
    }
    Ok(all)
}

/// The collection of that name.
pub async fn by_name(
    pool: &Pool,
    viewer: &Viewer,
    home_id: i64,
    name: &str,
) -> Result<Option<Calendar>, Error> {
    if !viewer.sees(home_id, name) {
        return Ok(None);
    }
    let who = &viewer.principal;
    let row = pool.optional(&BY_NAME, &[&home_id, &name, &who.id, &who.groups]).await?;
    match row.map(|row| read(&row, viewer, home_id)).transpose()? {
        Some(Seen::Kept(calendar)) => Ok(Some(*calendar)),
        Some(Seen::Bound(bind)) => Ok(share::calendars(pool, viewer, &[bind], true).await?.pop()),
        None => Ok(None),
    }
}

/// Whether the home has a collection of that name.
pub async fn is_taken(tx: &Tx, home_id: i64, name: &str) -> Result<bool, Error> {
    let nobody: [&str; 0] = [];
    Ok(tx.optional(&BY_NAME, &[&home_id, &name, &home_id, &&nobody[..]]).await?.is_some())
}

/// The collection of that name, which nobody else changes until the transaction ends.
pub async fn lock(tx: &Tx, viewer: &Viewer, home_id: i64, name: &str) -> Result<Option<Calendar>, Error> {
    if !viewer.sees(home_id, name) {
        return Ok(None);
    }
    let mut row = tx.optional(&LOCK, &[&home_id, &name]).await?;
    if row.is_none() {
        // What was waited for may have gone, and another come in its place.
        row = tx.optional(&LOCK, &[&home_id, &name]).await?;
    }
    let Some(row) = row else { return Ok(None) };
    if let Some(bind) = Bind::read(&row, home_id, Privileges::NONE)? {
        return share::lock(tx, viewer, bind).await;
    }
    // A statement that waits for a row sees of all others what was before.
    let rights = ace::on(tx, viewer, home_id, row.at("id")?).await?;
    let rights = viewer.scoped_to((home_id, name), rights);
    kept(&row, (home_id, row.at("name")?), rights).map(Some)
}

/// Lets nobody else make calendars in the home until the transaction ends. The home of somebody who is erased goes meanwhile.
pub async fn lock_home(tx: &Tx, home_id: i64) -> Result<(), Error> {
    let row = tx.optional(&LOCK_HOME, &[&home_id]).await?;
    row.map(drop).ok_or_else(|| Error::Foreign("home_state".to_owned()))
}

/// What the calendars of a home are called that what is new goes to, each with the component it is for.
pub async fn chosen(pool: &Pool, home_id: i64) -> Result<Vec<(Component, String)>, Error> {
    let Some(row) = pool.optional(&CHOSEN, &[&home_id]).await? else { return Ok(Vec::new()) };
    let (event, task): (Option<String>, Option<String>) = (row.at("event")?, row.at("task")?);
    let named = [(Component::Vevent, event), (Component::Vtodo, task)];
    Ok(named.into_iter().filter_map(|(component, name)| Some((component, name?))).collect())
}

/// Lets what is new of that component go to the calendar of that number in the home, or to none.
pub async fn choose(tx: &Tx, home_id: i64, component: Component, id: Option<i64>) -> Result<(), Error> {
    tx.execute(&CHOOSE, &[&home_id, &(component == Component::Vtodo), &id]).await.map(drop)
}

/// How many calendars and subscriptions the home has.
pub async fn count(tx: &Tx, home_id: i64) -> Result<i64, Error> {
    tx.row(&COUNT, &[&home_id]).await?.at(0)
}

/// Octets that all objects of the home take.
pub async fn octets(tx: &Tx, home_id: i64) -> Result<i64, Error> {
    tx.row(&OCTETS, &[&home_id]).await?.at(0)
}

/// Makes a calendar or a subscription; gives its number.
pub async fn create(
    tx: &Tx,
    home_id: i64,
    name: &str,
    (kind, components): (Kind, Components),
    author: &Author,
) -> Result<i64, Error> {
    let (who, client, told) = (&author.principal_id, &author.client, author.keep.versions);
    let params: Params<'_> = &[&home_id, &name, &components.bits(), &code(kind), who, client, &told];
    tx.row(&CREATE, params).await?.at(0)
}

/// Deletes a calendar and all that is in it, wherever it is seen, the home being locked; where there is a trash, it lies there,
/// and what that has no more room for is [discarded](history::discard) when others need not wait for it.
pub async fn delete(tx: &Tx, calendar: &Calendar, author: &Author) -> Result<(), Error> {
    share::withdraw(tx, calendar).await?;
    let (home, id) = (&calendar.home_id, &calendar.id);
    if !author.keep.trash {
        return tx.execute(&DELETE, &[home, id]).await.map(drop);
    }
    tx.execute(&TRASH, &[home, id, &author.principal_id, &author.client]).await.map(drop)
}

/// Counts a change of the collection itself, and who did what.
pub async fn change(tx: &Tx, calendar: &Calendar, what: Action, author: &Author) -> Result<(), Error> {
    let (who, folded) = ((&author.principal_id, &author.client), author.keep.folded());
    let params: Params<'_> = &[&calendar.home_id, &calendar.id, who.0, who.1, &what.code(), &folded];
    tx.execute(&CHANGE, params).await?;
    history::bound(tx, calendar, author.keep).await
}

/// Counts a change of the collection itself, of which nobody needs to know more.
pub async fn touch(tx: &Tx, calendar: &Calendar) -> Result<(), Error> {
    tx.execute(&TOUCH, &[&calendar.home_id, &calendar.id]).await.map(drop)
}

/// Lets whoever synchronises the calendar of that number in the home, or any of its calendars, begin anew: others see what is private
/// there than did. Where it is all of them, nobody else changes lists meanwhile.
pub async fn begin_anew(tx: &Tx, home_id: i64, id: Option<i64>) -> Result<(), Error> {
    tx.execute(&BEGIN_ANEW, &[&home_id, &id]).await.map(drop)
}

/// Counts a change of the home itself.
pub async fn touch_home(tx: &Tx, home_id: i64) -> Result<(), Error> {
    tx.execute(&TOUCH_HOME, &[&home_id]).await.map(drop)
}

/// What a name in a home leads to.
enum Seen {
    Kept(Box<Calendar>),
    Bound(Bind),
}

fn read(row: &Row, viewer: &Viewer, home_id: i64) -> Result<Seen, Error> {
    let rights = viewer.scoped_to((home_id, row.at("name")?), viewer.rights(home_id, row.at("granted")?));
    if let Some(bind) = Bind::read(row, home_id, rights)? {
        return Ok(Seen::Bound(bind));
    }
    kept(row, (home_id, row.at("name")?), rights).map(Box::new).map(Seen::Kept)
}

/// The collection of a row that has all of it, in the home that it is kept in, under that name.
pub(super) fn kept(row: &Row, (home_id, name): (i64, String), rights: Privileges) -> Result<Calendar, Error> {
    let key: Uuid = row.at("key")?;
    let kind = kind(row.at("kind")?);
    Ok(Calendar {
        home_id,
        id: row.at("id")?,
        name,
        kind,
        state: SyncToken { key, revision: row.at("revision")? },
        floor: row.at("floor")?,
        octets: row.at("octets")?,
        components: Components::from_bits(row.at("components")?),
        created: row.at("created")?,
        modified: row.at("modified")?,
        locked: row.at("locked")?,
        shared: row.at("shared")?,
        watched: row.at("watched")?,
        rights: ace::capped(rights, kind),
        bound: None,
    })
}

/// The number the database keeps of what a collection is.
pub(super) const fn code(kind: Kind) -> i16 {
    match kind {
        Kind::Inbox => 1,
        Kind::Outbox => 2,
        Kind::Notifications => 3,
        Kind::Subscribed => 4,
        _ => 0,
    }
}

const fn kind(code: i16) -> Kind {
    match code {
        1 => Kind::Inbox,
        2 => Kind::Outbox,
        3 => Kind::Notifications,
        4 => Kind::Subscribed,
        _ => Kind::Calendar,
    }
}
