//! Objects and calendars under another name, or twice. The twin of sql/caldav/transfer.sql.

use crate::db::{Error, Tx};

use super::{Author, Calendar, Object, history};

crate::queries!("caldav/transfer.sql":
    HOLD = "hold",
    LEAVE = "leave",
    ARRIVE = "arrive",
    RENAME = "rename",
    COPY_MEMBERS = "copy_members",
);

/// Lets nobody else change the calendars of these names, each in its home, until the transaction ends.
pub async fn hold(tx: &Tx, ends: [(i64, &str); 2]) -> Result<(), Error> {
    let (homes, names) = (ends.map(|(home, _)| home), ends.map(|(_, name)| name));
    tx.rows(&HOLD, &[&&homes[..], &&names[..]]).await.map(drop)
}

/// Moves an object to a free name in a calendar of the same home, both calendars being locked: the old name gets a tombstone,
/// the new one a revision, and each name is in the next synchronization once.
pub async fn relocate(
    tx: &Tx,
    from: &Calendar,
    object: &Object,
    (to, name): (&Calendar, &str),
    author: &Author,
) -> Result<(), Error> {
    let (who, client, told) = (&author.principal_id, &author.client, author.keep.versions);
    tx.execute(&LEAVE, &[&from.home_id, &from.id, &object.name, who, client, &told]).await?;
    tx.execute(&ARRIVE, &[&to.home_id, &to.id, &object.id, &name, who, client, &told]).await?;
    history::bound(tx, from, author.keep).await
}

/// Calls a calendar otherwise in the home that it is seen in, where the name is free; the home takes a revision, at which the old name went.
pub async fn rename(tx: &Tx, calendar: &Calendar, name: &str, author: &Author) -> Result<(), Error> {
    let (who, client, told) = (&author.principal_id, &author.client, author.keep.versions);
    let (seen, kept) = (calendar.seen_in(), &calendar.home_id);
    tx.execute(&RENAME, &[&seen, &calendar.id, &name, &calendar.name, kept, who, client, &told]).await?;
    history::bound(tx, calendar, author.keep).await
}

/// Copies all objects of a calendar into the empty one with the number `copy` in the same home.
pub async fn copy_members(tx: &Tx, from: &Calendar, copy: i64) -> Result<(), Error> {
    tx.execute(&COPY_MEMBERS, &[&from.home_id, &from.id, &copy]).await.map(drop)
}
