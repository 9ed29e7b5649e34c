//! Write locks. The twin of sql/caldav/lock.sql.

use std::collections::HashMap;

use crate::{
    db::{Error, Pool, Row, Tx},
    model::Lock,
};

use super::{Calendar, grouped};

crate::queries!("caldav/lock.sql":
    OF = "of",
    OF_CALENDARS = "of_calendars",
    TAKE = "take",
    REFRESH = "refresh",
    RELEASE = "release",
    HAND_OVER = "hand_over",
    CLEAR = "clear",
);

/// The locks on a calendar and on its members, oldest first; without a statement where there is none.
pub async fn of(pool: &Pool, calendar: &Calendar) -> Result<Vec<Lock>, Error> {
    if !calendar.locked {
        return Ok(Vec::new());
    }
    pool.rows(&OF, &[&&[calendar.home_id][..], &&[calendar.id][..]]).await?.iter().map(read).collect()
}

/// The same, the calendar being locked.
pub async fn of_in(tx: &Tx, calendar: &Calendar) -> Result<Vec<Lock>, Error> {
    if !calendar.locked {
        return Ok(Vec::new());
    }
    tx.rows(&OF, &[&&[calendar.home_id][..], &&[calendar.id][..]]).await?.iter().map(read).collect()
}

/// All in these calendars, each told by the home that it is kept in and its number; by number.
pub async fn of_several(pool: &Pool, of: &[(i64, i64)]) -> Result<HashMap<i64, Vec<Lock>>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = of.iter().copied().unzip();
    grouped(&pool.rows(&OF, &[&homes, &ids]).await?, |row| Ok((row.at("calendar_id")?, read(row)?)))
}

/// The same of the locks on calendars themselves.
pub async fn of_calendars(pool: &Pool, of: &[(i64, i64)]) -> Result<HashMap<i64, Vec<Lock>>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = of.iter().copied().unzip();
    grouped(&pool.rows(&OF_CALENDARS, &[&homes, &ids]).await?, |row| Ok((row.at("calendar_id")?, read(row)?)))
}

/// Takes a lock, the calendar being locked.
pub async fn take(tx: &Tx, calendar: &Calendar, lock: &Lock) -> Result<(), Error> {
    tx.execute(
        &TAKE,
        &[
            &calendar.home_id,
            &calendar.id,
            &lock.token,
            &lock.member,
            &lock.principal_id,
            &lock.shared,
            &lock.infinite,
            &lock.owner,
            &lock.seconds,
        ],
    )
    .await
    .map(drop)
}

/// Lets a lock last for so many seconds from now, the calendar being locked.
pub async fn refresh(tx: &Tx, calendar: &Calendar, lock: &Lock, seconds: i32) -> Result<(), Error> {
    tx.execute(&REFRESH, &[&calendar.home_id, &calendar.id, &lock.token, &seconds]).await.map(drop)
}

/// Removes a lock, the calendar being locked.
pub async fn release(tx: &Tx, calendar: &Calendar, lock: &Lock) -> Result<(), Error> {
    tx.execute(&RELEASE, &[&calendar.home_id, &calendar.id, &lock.token]).await.map(drop)
}

/// Frees a calendar that moves of its locks, and brings it under those of the one whose place it takes, both being locked.
pub async fn hand_over(tx: &Tx, moved: &Calendar, replaced: Option<&Calendar>) -> Result<(), Error> {
    if !moved.locked && !replaced.is_some_and(|replaced| replaced.locked) {
        return Ok(());
    }
    let replaced = replaced.map_or(0, |replaced| replaced.id);
    tx.execute(&HAND_OVER, &[&moved.home_id, &moved.id, &replaced]).await.map(drop)
}

/// Removes the locks whose root is a member that is no more, the calendar being locked (RFC 4918 §6.1).
pub async fn clear(tx: &Tx, calendar: &Calendar, member: &str) -> Result<(), Error> {
    if !calendar.locked {
        return Ok(());
    }
    tx.execute(&CLEAR, &[&calendar.home_id, &calendar.id, &member]).await.map(drop)
}

fn read(row: &Row) -> Result<Lock, Error> {
    Ok(Lock {
        token: row.at("token")?,
        member: row.at("member")?,
        principal_id: row.at("principal_id")?,
        shared: row.at("shared")?,
        infinite: row.at("infinite")?,
        owner: row.at("owner")?,
        seconds: row.at("seconds")?,
        remaining: row.at("remaining")?,
        vacant: row.at("vacant")?,
        veiled: row.at("veiled")?,
    })
}
