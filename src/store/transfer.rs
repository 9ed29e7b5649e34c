//! Objects and calendars under another name, or twice. The twin of sql/caldav/transfer.sql.

use crate::db::{Error, Params, Tx};

use super::{Calendar, Object};

crate::queries!("caldav/transfer.sql":
    LEAVE = "leave",
    ARRIVE = "arrive",
    RENAME = "rename",
    COPY_MEMBERS = "copy_members",
);

/// Moves an object to a free name in a calendar of the same home, both calendars being locked: the old name gets a tombstone,
/// the new one a revision, and each name is in the next synchronization once.
pub async fn relocate(
    tx: &Tx,
    from: &Calendar,
    object: &Object,
    to: &Calendar,
    name: &str,
) -> Result<(), Error> {
    tx.execute(&LEAVE, &[&from.home_id, &from.id, &object.name]).await?;
    tx.execute(&ARRIVE, &[&to.home_id, &to.id, &object.id, &name]).await.map(drop)
}

/// Calls a calendar otherwise in the home that it is seen in, where the name is free; the home takes a revision, at which the old name went.
pub async fn rename(tx: &Tx, calendar: &Calendar, name: &str) -> Result<(), Error> {
    let params: Params<'_> = &[&calendar.seen_in(), &calendar.id, &name, &calendar.name, &calendar.home_id];
    tx.execute(&RENAME, params).await.map(drop)
}

/// Copies all objects of a calendar into the empty one with the number `copy` in the same home.
pub async fn copy_members(tx: &Tx, from: &Calendar, copy: i64) -> Result<(), Error> {
    tx.execute(&COPY_MEMBERS, &[&from.home_id, &from.id, &copy]).await.map(drop)
}
