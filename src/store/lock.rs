//! Write locks. The twin of sql/caldav/lock.sql.

use crate::{
    db::{Error, Pool, Row, Tx},
    model::Lock,
};

use super::Calendar;

crate::queries!("caldav/lock.sql":
    OF = "of",
    OF_CALENDARS = "of_calendars",
    TAKE = "take",
    REFRESH = "refresh",
    RELEASE = "release",
    CLEAR = "clear",
);

/// The locks on a calendar and on its members, oldest first; without a statement where there is none.
pub async fn of(pool: &Pool, calendar: &Calendar) -> Result<Vec<Lock>, Error> {
    if !calendar.locked {
        return Ok(Vec::new());
    }
    pool.rows(&OF, &[&calendar.home_id, &calendar.id]).await?.iter().map(read).collect()
}

/// The same, the calendar being locked.
pub async fn of_in(tx: &Tx, calendar: &Calendar) -> Result<Vec<Lock>, Error> {
    if !calendar.locked {
        return Ok(Vec::new());
    }
    tx.rows(&OF, &[&calendar.home_id, &calendar.id]).await?.iter().map(read).collect()
}

/// The locks on calendars themselves, each with the number of its calendar.
pub async fn of_calendars(pool: &Pool, home_id: i64, ids: &[i64]) -> Result<Vec<(i64, Lock)>, Error> {
    let rows = pool.rows(&OF_CALENDARS, &[&home_id, &ids]).await?;
    rows.iter().map(|row| Ok((row.at("calendar_id")?, read(row)?))).collect()
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

/// Removes the locks whose root is no more, the calendar being locked (RFC 4918 §6.1): those of a member, or where the calendar
/// is called otherwise now, all of them.
pub async fn clear(tx: &Tx, calendar: &Calendar, member: Option<&str>) -> Result<(), Error> {
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
    })
}
