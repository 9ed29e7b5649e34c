//! Homes and the collections in them. The twin of sql/caldav/calendar.sql.

use std::time::SystemTime;

use uuid::Uuid;

use crate::{
    db::{Error, Pool, Row, Tx},
    model::{Components, HomeToken, Kind, Part, Privileges, SyncToken},
};

use super::{Viewer, ace};

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
    TOUCH = "touch",
    TOUCH_HOME = "touch_home",
);

/// What a home says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Its identity, and the revision of what happened to itself: collections made and gone.
    pub state: SyncToken,
    /// The lowest revision that a token is still answered for.
    pub floor: i64,
    /// Its collections, in the order of their numbers.
    pub collections: Vec<Held>,
}

/// What a home says of one of its collections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub id: i64,
    /// Its revision.
    pub revision: i64,
    /// Octets that its objects take.
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
}

/// A collection in a home, as the home sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The home it is kept in.
    pub home_id: i64,
    /// Its number.
    pub id: i64,
    /// Its name in the home that looks.
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
    /// What the viewer may do with it and with what is in it.
    pub rights: Privileges,
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
pub async fn home(pool: &Pool, home_id: i64) -> Result<Option<Home>, Error> {
    pool.optional(&HOME, &[&home_id]).await?.as_ref().map(read_home).transpose()
}

/// The same, as a transaction sees it.
pub async fn home_in(tx: &Tx, home_id: i64) -> Result<Option<Home>, Error> {
    tx.optional(&HOME, &[&home_id]).await?.as_ref().map(read_home).transpose()
}

fn read_home(row: &Row) -> Result<Home, Error> {
    let (ids, revisions): (Vec<i64>, Vec<i64>) = (row.at("ids")?, row.at("revisions")?);
    let octets: Vec<i64> = row.at("octets")?;
    let held = |((id, revision), octets)| Held { id, revision, octets };
    Ok(Home {
        state: SyncToken { key: row.at("key")?, revision: row.at("revision")? },
        floor: row.at("floor")?,
        collections: ids.into_iter().zip(revisions).zip(octets).map(held).collect(),
    })
}

/// The collections of a home, by name.
pub async fn all(pool: &Pool, viewer: &Viewer, home_id: i64) -> Result<Vec<Calendar>, Error> {
    let who = &viewer.principal;
    let rows = pool.rows(&ALL_OF_HOME, &[&home_id, &who.id, &who.groups]).await?;
    rows.iter().map(|row| read(row, viewer, home_id)).collect()
}

/// The collection of that name.
pub async fn by_name(
    pool: &Pool,
    viewer: &Viewer,
    home_id: i64,
    name: &str,
) -> Result<Option<Calendar>, Error> {
    let who = &viewer.principal;
    let row = pool.optional(&BY_NAME, &[&home_id, &name, &who.id, &who.groups]).await?;
    row.map(|row| read(&row, viewer, home_id)).transpose()
}

/// Whether the home has a collection of that name.
pub async fn is_taken(tx: &Tx, home_id: i64, name: &str) -> Result<bool, Error> {
    let nobody: [&str; 0] = [];
    Ok(tx.optional(&BY_NAME, &[&home_id, &name, &home_id, &&nobody[..]]).await?.is_some())
}

/// The collection of that name, which nobody else changes until the transaction ends.
pub async fn lock(tx: &Tx, viewer: &Viewer, home_id: i64, name: &str) -> Result<Option<Calendar>, Error> {
    let mut row = tx.optional(&LOCK, &[&home_id, &name]).await?;
    if row.is_none() {
        // What was waited for may have gone, and another come in its place.
        row = tx.optional(&LOCK, &[&home_id, &name]).await?;
    }
    let Some(row) = row else { return Ok(None) };
    // A statement that waits for a row sees of all others what was before.
    let rights = ace::on(tx, viewer, home_id, row.at("id")?).await?;
    with_rights(&row, home_id, rights).map(Some)
}

/// Lets nobody else make calendars in the home until the transaction ends.
pub async fn lock_home(tx: &Tx, home_id: i64) -> Result<(), Error> {
    tx.row(&LOCK_HOME, &[&home_id]).await.map(drop)
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
) -> Result<i64, Error> {
    tx.row(&CREATE, &[&home_id, &name, &components.bits(), &code(kind)]).await?.at(0)
}

/// Deletes a calendar and all that is in it.
pub async fn delete(tx: &Tx, calendar: &Calendar) -> Result<(), Error> {
    tx.execute(&DELETE, &[&calendar.home_id, &calendar.id]).await.map(drop)
}

/// Counts a change of the collection itself.
pub async fn touch(tx: &Tx, calendar: &Calendar) -> Result<(), Error> {
    tx.execute(&TOUCH, &[&calendar.home_id, &calendar.id]).await.map(drop)
}

/// Counts a change of the home itself.
pub async fn touch_home(tx: &Tx, home_id: i64) -> Result<(), Error> {
    tx.execute(&TOUCH_HOME, &[&home_id]).await.map(drop)
}

fn read(row: &Row, viewer: &Viewer, home_id: i64) -> Result<Calendar, Error> {
    with_rights(row, home_id, viewer.rights(home_id, row.at("granted")?))
}

fn with_rights(row: &Row, home_id: i64, rights: Privileges) -> Result<Calendar, Error> {
    let key: Uuid = row.at("key")?;
    let kind = kind(row.at("kind")?);
    Ok(Calendar {
        home_id,
        id: row.at("id")?,
        name: row.at("name")?,
        kind,
        state: SyncToken { key, revision: row.at("revision")? },
        floor: row.at("floor")?,
        octets: row.at("octets")?,
        components: Components::from_bits(row.at("components")?),
        created: row.at("created")?,
        modified: row.at("modified")?,
        locked: row.at("locked")?,
        rights: ace::capped(rights, kind),
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
