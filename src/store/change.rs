//! What changed in a collection since a revision. The twin of sql/caldav/change.sql.

use crate::db::{Error, Pool, Row, Rows};

use super::{Calendar, Object, object};

crate::queries!("caldav/change.sql":
    SINCE = "since",
    SINCE_WITH_BODY = "since_with_body",
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

/// The changes after `revision`, oldest first, `limit` at most, with or without their octets; to one who has seen nothing,
/// nothing is gone.
pub async fn since(
    pool: &Pool,
    calendar: &Calendar,
    revision: i64,
    limit: i64,
    body: bool,
) -> Result<Rows<'static>, Error> {
    let query = if body { &SINCE_WITH_BODY } else { &SINCE };
    pool.stream(query, &[&calendar.home_id, &calendar.id, &revision, &limit]).await
}

/// The change of a row of [`since`].
pub fn read(row: &Row, body: bool) -> Result<Change, Error> {
    if row.at("gone")? {
        return Ok(Change::Gone(row.at("name")?, row.at("revision")?));
    }
    if body { object::read_whole(row) } else { object::read(row) }.map(Change::Member)
}
