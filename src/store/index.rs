//! The time-range index, kept up to date in the background. The twin of sql/caldav/index.sql.

use bytes::Bytes;

use crate::{
    db::{Error, Pool, Tx},
    model::Index,
};

use super::object::Columns;

crate::queries!("caldav/index.sql": HOMES = "homes", WAITS = "waits", DUE = "due", RENEW = "renew", LEAVE = "leave",
    UNKNOWN = "unknown", MEASURE = "measure");

/// An object whose rows end at an earlier horizon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its number.
    pub id: i64,
    /// The fingerprint of its rows.
    pub times: i64,
    /// Its octets.
    pub body: Bytes,
}

/// Lets the planner know how large the tables are, where it has never been told: in a database that is filled for the first time
/// it would go on looking objects up by walking along all of a home, until the autovacuum has passed.
pub async fn measure(pool: &Pool) -> Result<bool, Error> {
    let unknown: bool = pool.row(&UNKNOWN, &[]).await?.at("unknown")?;
    if unknown {
        pool.client().await?.execute(&MEASURE, &[]).await?;
    }
    Ok(unknown)
}

/// The homes after that one, a thousand of them; none after the last.
pub async fn homes(pool: &Pool, after: i64) -> Result<Vec<i64>, Error> {
    pool.rows(&HOMES, &[&after]).await?.iter().map(|row| row.at(0)).collect()
}

/// Whether rows of some object in the home end before `horizon`, or it is not known who may see it.
pub async fn waits(pool: &Pool, home_id: i64, horizon: i64) -> Result<bool, Error> {
    pool.row(&WAITS, &[&home_id, &horizon]).await?.at(0)
}

/// At most `most` of those objects, in calendars that nobody else writes to until the transaction ends.
pub async fn due(tx: &Tx, home_id: i64, horizon: i64, most: i64) -> Result<Vec<Due>, Error> {
    let rows = tx.rows(&DUE, &[&home_id, &horizon, &most]).await?;
    let due = |row: &crate::db::Row| {
        let body: &[u8] = row.at("body")?;
        Ok(Due { id: row.at("id")?, times: row.at("times")?, body: Bytes::copy_from_slice(body) })
    };
    rows.iter().map(due).collect()
}

/// What is derived of the octets of an object.
#[derive(Clone, Debug)]
pub struct Derived {
    /// When it happens.
    pub index: Index,
    /// The fingerprint of that.
    pub times: i64,
    /// Who may see it besides its owner, as [`super::personal::Beside`] has it.
    pub access: i16,
}

/// Gives an object its place in the index; without one, what cannot be read any more keeps
/// the rows it has.
pub async fn renew(tx: &Tx, home_id: i64, due: &Due, place: Option<&Derived>) -> Result<(), Error> {
    let Some(Derived { index, times, access }) = place else {
        return tx.execute(&LEAVE, &[&home_id, &due.id]).await.map(drop);
    };
    let columns = Columns::of(index);
    let changed = due.times != *times;
    tx.execute(
        &RENEW,
        &[
            &home_id,
            &due.id,
            times,
            &index.tail,
            &columns.pattern,
            &index.horizon,
            &changed,
            &columns.starts,
            &columns.ends,
            &columns.floating,
            &columns.busy,
            access,
        ],
    )
    .await
    .map(drop)
}
