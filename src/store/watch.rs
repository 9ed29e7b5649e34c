//! Who is told of changes in a calendar. The twin of sql/caldav/watch.sql.

use crate::{
    db::{Error, Pool, Row, Tx},
    model::{Privilege, Privileges},
};

use super::Calendar;

crate::queries!("caldav/watch.sql":
    SET = "set",
    OF = "of",
    CALLED = "called",
);

/// Somebody who is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// Their number, and that of their home.
    pub id: i64,
    /// Their user name.
    pub name: String,
    /// The groups they are in.
    pub groups: Vec<String>,
    /// Whether the calendar is kept in their own home.
    pub owns: bool,
}

/// People who are told of one change.
const MOST: i64 = 50;

/// Remembers whether somebody wants to be told of changes in a calendar.
pub async fn set(tx: &Tx, (home_id, calendar_id): (i64, i64), who: i64, wanted: bool) -> Result<(), Error> {
    tx.execute(&SET, &[&home_id, &calendar_id, &who, &wanted]).await.map(drop)
}

/// Those who want to be told and may read the calendar, but for `author`.
pub async fn of(pool: &Pool, calendar: &Calendar, author: i64) -> Result<Vec<Watcher>, Error> {
    let home = calendar.home_id;
    let rows = pool.rows(&OF, &[&home, &calendar.id, &author, &MOST]).await?;
    let read = |row: &Row| {
        let id: i64 = row.at("id")?;
        let granted = Privileges::from_bits(row.at::<Option<i32>>("granted")?.unwrap_or_default());
        let watcher = Watcher { id, name: row.at("name")?, groups: row.at("groups")?, owns: id == home };
        Ok((watcher.owns || granted.has(Privilege::Read)).then_some(watcher))
    };
    rows.iter().filter_map(|row| read(row).transpose()).collect()
}

/// What a calendar that is kept elsewhere is called in a home, if it appears there.
pub async fn called(tx: &Tx, home_id: i64, calendar: &Calendar) -> Result<Option<String>, Error> {
    let row = tx.optional(&CALLED, &[&home_id, &calendar.home_id, &calendar.id]).await?;
    row.map(|row| row.at("name")).transpose()
}
