//! What changed in a collection or a home since a revision. The twin of sql/caldav/change.sql.

use crate::db::{Error, Pool, Row, Rows};

use super::{
    Calendar, Object,
    object::{self, With},
};

crate::queries!("caldav/change.sql":
    INITIAL_TAGS = "initial_tags",
    INITIAL = "initial",
    SINCE = "since",
    SINCE_WITH_BODY = "since_with_body",
    SINCE_IN = "since_in",
    GONE_FROM_HOME = "gone_from_home",
    OLD = "old",
    TRIM = "trim",
    TRIM_HOME = "trim_home",
);

/// One change: the member as it is now, or the name of one that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Made or changed.
    Member(Object),
    /// Deleted, at that revision.
    Gone(String, i64),
}

impl Change {
    /// The revision of the change.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        match self {
            Self::Member(object) => object.revision,
            Self::Gone(_, revision) => *revision,
        }
    }
}

/// A name under which a home no longer has what it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grave {
    /// The home's revision when it went.
    pub revision: i64,
    /// The name.
    pub name: String,
    /// The number of the collection.
    pub calendar_id: i64,
}

/// How a row of changes is read.
pub type Read = fn(&Row) -> Result<Change, Error>;

/// The changes after `revision`, oldest first, `limit` at most, and how they are read; to one who has seen nothing (-1), nothing
/// is gone.
pub async fn since(
    pool: &Pool,
    calendar: &Calendar,
    revision: i64,
    limit: i64,
    with: &With,
) -> Result<(Rows<'static>, Read), Error> {
    let (home, id) = (&calendar.home_id, &calendar.id);
    if revision < 0 && with.brief && !with.body {
        let rows = pool.stream(&INITIAL_TAGS, &[home, id, &limit]).await?;
        return Ok((rows, |row| {
            Ok(Change::Member(Object { revision: row.at(2)?, ..object::read_tag(row)? }))
        }));
    }
    if revision < 0 {
        let rows = pool.stream(&INITIAL, &[home, id, &limit, &with.body, &with.stored]).await?;
        let read: Read = if with.body {
            |row| object::read_whole(row).map(Change::Member)
        } else {
            |row| object::read(row).map(Change::Member)
        };
        return Ok((rows, read));
    }
    let query = if with.body { &SINCE_WITH_BODY } else { &SINCE };
    let read: Read = if with.body { |row| read(row, true) } else { |row| read(row, false) };
    Ok((pool.stream(query, &[home, id, &revision, &limit, &with.stored]).await?, read))
}

/// The change of a row.
pub fn read(row: &Row, body: bool) -> Result<Change, Error> {
    if row.at("gone")? {
        return Ok(Change::Gone(row.at("name")?, row.at("revision")?));
    }
    if body { super::personal::read(row) } else { object::read(row) }.map(Change::Member)
}

/// The changes in several collections, each told by the home that it is kept in and its number, with the revision after which
/// they are; collection by collection.
pub async fn since_in(
    pool: &Pool,
    seen: &[((i64, i64), i64)],
    limit: i64,
    with: &With,
) -> Result<Rows<'static>, Error> {
    let (kept, revisions): (Vec<(i64, i64)>, Vec<i64>) = seen.iter().copied().unzip();
    let (homes, ids): (Vec<i64>, Vec<i64>) = kept.into_iter().unzip();
    pool.stream(&SINCE_IN, &[&homes, &ids, &revisions, &limit, &with.body, &with.stored]).await
}

/// What names went from a home after that revision, oldest first, `limit` at most.
pub async fn gone_from_home(
    pool: &Pool,
    home_id: i64,
    revision: i64,
    limit: i64,
) -> Result<Vec<Grave>, Error> {
    let rows = pool.rows(&GONE_FROM_HOME, &[&home_id, &revision, &limit]).await?;
    let grave = |row: &Row| {
        Ok(Grave {
            revision: row.at("revision")?,
            name: row.at("name")?,
            calendar_id: row.at("calendar_id")?,
        })
    };
    rows.iter().map(grave).collect()
}

/// Homes in which something was deleted longer ago than so many days, as so many of the oldest deletions tell.
pub async fn old(pool: &Pool, days: i32, most: i64) -> Result<Vec<i64>, Error> {
    pool.rows(&OLD, &[&days, &most]).await?.iter().map(|row| row.at(0)).collect()
}

/// Forgets in a home what was deleted longer ago than so many days, so much of it at most; says how much that was.
pub async fn trim(pool: &Pool, home_id: i64, days: i32, most: i64) -> Result<u64, Error> {
    let client = pool.client().await?;
    let members = client.execute(&TRIM, &[&home_id, &days, &most]).await?;
    Ok(members + client.execute(&TRIM_HOME, &[&home_id, &days, &most]).await?)
}
