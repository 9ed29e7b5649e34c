//! Notifications, which the server puts into homes and people take out. The twin of sql/caldav/notification.sql.

use bytes::Bytes;

use crate::{
    db::{Error, Params, Pool, Row, Tx},
    xml::Ns,
};

use super::Calendar;

crate::queries!("caldav/notification.sql":
    LOCK = "lock",
    WHOLE = "whole",
    PUT = "put",
    DELETE = "delete",
    OLD = "old",
    EXPIRE = "expire",
    FULLNESS = "fullness",
    TOLD = "told",
);

/// Notifications that a home keeps beside a new one: the oldest go.
pub const MOST: i64 = 199;
/// Octets that they take together, if one alone does not take more.
pub const MOST_OCTETS: i64 = 1 << 20;

/// A notification as it is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its name in the collection; what has the name already is replaced.
    pub name: String,
    /// Its CS:notificationtype, a whole element.
    pub kind: String,
    /// The document.
    pub body: Bytes,
    /// Whether it is for the owner of the home alone.
    pub private: bool,
}

/// A home that is fuller or emptier than its owner was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Its number.
    pub id: i64,
    /// Its owner's name.
    pub name: String,
    /// What it holds.
    pub octets: i64,
    /// How many of the limits that is not below.
    pub level: i16,
}

/// Homes whose owners were told otherwise than that they hold as many octets as these two limits, or fewer: so many at most.
pub async fn fullness(pool: &Pool, levels: [i64; 2], most: i64) -> Result<Vec<Home>, Error> {
    let home = |row: &Row| {
        Ok(Home {
            id: row.at("home_id")?,
            name: row.at("name")?,
            octets: row.at("octets")?,
            level: row.at("level")?,
        })
    };
    pool.rows(&FULLNESS, &[&levels[0], &levels[1], &most]).await?.iter().map(home).collect()
}

/// Notes what the owner of a home is about to be told; whether nobody else did so meanwhile.
pub async fn level_told(tx: &Tx, home: &Home) -> Result<bool, Error> {
    Ok(tx.execute(&TOLD, &[&home.id, &home.level]).await? > 0)
}

/// Puts a notification into a home. It takes the row of the collection until the transaction ends: who puts some into several
/// homes does so last of all, in the order of the homes' numbers.
pub async fn put(tx: &Tx, home_id: i64, notification: &Notification) -> Result<(), Error> {
    let Some(id) = lock(tx, home_id).await? else { return Ok(()) };
    let Notification { name, kind, body, private } = notification;
    let ns = Ns::CalendarServer.uri();
    let params: Params<'_> = &[&home_id, &id, name, kind, &&body[..], &ns, &MOST, &MOST_OCTETS, private];
    tx.execute(&PUT, params).await.map(drop)
}

/// The document of that name, which nobody else changes until the transaction ends.
pub async fn whole(tx: &Tx, home_id: i64, name: &str) -> Result<Option<Bytes>, Error> {
    let Some(id) = lock(tx, home_id).await? else { return Ok(None) };
    let row = tx.optional(&WHOLE, &[&home_id, &id, &name]).await?;
    row.map(|row| row.at::<&[u8]>("body").map(Bytes::copy_from_slice)).transpose()
}

/// Takes the notification of that name out of a home, if it is there.
pub async fn remove(tx: &Tx, home_id: i64, name: &str) -> Result<(), Error> {
    let Some(id) = lock(tx, home_id).await? else { return Ok(()) };
    tx.execute(&DELETE, &[&home_id, &id, &name]).await.map(drop)
}

/// Deletes the notification of that name, the collection being locked.
pub async fn delete(tx: &Tx, calendar: &Calendar, name: &str) -> Result<(), Error> {
    tx.execute(&DELETE, &[&calendar.home_id, &calendar.id, &name]).await.map(drop)
}

/// Homes in which something was told longer ago than so many days, as so many of the oldest notifications tell.
pub async fn old(pool: &Pool, days: i32, most: i64) -> Result<Vec<i64>, Error> {
    pool.rows(&OLD, &[&days, &most]).await?.iter().map(|row| row.at(0)).collect()
}

/// Forgets in a home what was told longer ago than so many days; says how much that was.
pub async fn expire(tx: &Tx, home_id: i64, days: i32) -> Result<u64, Error> {
    let Some(id) = lock(tx, home_id).await? else { return Ok(0) };
    let nothing: [String; 0] = [];
    tx.execute(&EXPIRE, &[&home_id, &id, &Some(days), &&nothing[..]]).await
}

/// Forgets in a home those in which one of these texts stands.
pub async fn silence(tx: &Tx, home_id: i64, marks: &[String]) -> Result<(), Error> {
    let Some(id) = lock(tx, home_id).await? else { return Ok(()) };
    tx.execute(&EXPIRE, &[&home_id, &id, &None::<i32>, &marks]).await.map(drop)
}

/// The collection for them in a home, locked; a home that is being taken apart may have none.
async fn lock(tx: &Tx, home_id: i64) -> Result<Option<i64>, Error> {
    tx.optional(&LOCK, &[&home_id]).await?.map(|row| row.at("id")).transpose()
}
