//! Calendars handed over to somebody else, and people erased. The twin of sql/caldav/handover.sql.

use crate::db::{Error, Pool, Row, Tx};

crate::queries!("caldav/handover.sql":
    PATIENCE = "patience",
    HOLD = "hold",
    HOLD_HOMES = "hold_homes",
    KEPT = "kept",
    NAMES = "names",
    HAND_OVER = "hand_over",
    FOLLOW = "follow",
    REVOKE = "revoke",
    UNSHARE = "unshare",
    UNLOCK = "unlock",
    DISINVITE = "disinvite",
    CLEAR = "clear",
    DEMOLISH = "demolish",
    ERASE = "erase",
    REMEMBER = "remember",
    REMEMBERED = "remembered",
    ANONYMISE = "anonymise",
    FORGET = "forget",
    NAMED = "named",
    FORGOTTEN = "forgotten",
    HOLDINGS = "holdings",
);

/// A calendar that goes to another home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// Its number.
    pub id: i64,
    /// Its name where it was.
    pub from: String,
    /// Its name where it goes, unless it is seen there already.
    pub to: String,
}

/// What a home sees: its name there, whose it is, its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The name in the home.
    pub name: String,
    /// The home that it is kept in.
    pub owner: i64,
    /// Its number.
    pub id: i64,
}

/// Lets the statements of the transaction take as long as they need.
pub async fn patience(tx: &Tx) -> Result<(), Error> {
    tx.row(&PATIENCE, &[]).await.map(drop)
}

/// The calendars of a home by number and name, which nobody changes until the transaction ends.
pub async fn kept(tx: &Tx, home_id: i64) -> Result<Vec<(i64, String)>, Error> {
    tx.rows(&KEPT, &[&home_id]).await?.iter().map(|row| Ok((row.at("id")?, row.at("name")?))).collect()
}

/// All that is seen in a home.
pub async fn names(tx: &Tx, home_id: i64) -> Result<Vec<Seen>, Error> {
    let seen = |row: &Row| {
        Ok(Seen { name: row.at("name")?, owner: row.at("owner_home_id")?, id: row.at("calendar_id")? })
    };
    tx.rows(&NAMES, &[&home_id]).await?.iter().map(seen).collect()
}

/// Moves calendars from one home to another; both are locked, and the names are free.
pub async fn hand_over(tx: &Tx, from: i64, to: i64, parcels: &[Parcel]) -> Result<(), Error> {
    let ids: Vec<i64> = parcels.iter().map(|parcel| parcel.id).collect();
    let old: Vec<&str> = parcels.iter().map(|parcel| parcel.from.as_str()).collect();
    let new: Vec<&str> = parcels.iter().map(|parcel| parcel.to.as_str()).collect();
    tx.execute(&HAND_OVER, &[&from, &to, &ids, &old, &new]).await?;
    tx.execute(&FOLLOW, &[&from, &to, &ids]).await.map(drop)
}

/// Holds all that is about to change with a person, or with a group: calendars, then homes.
async fn hold(tx: &Tx, id: Option<i64>, group: Option<&str>) -> Result<(), Error> {
    tx.rows(&HOLD, &[&id, &group]).await?;
    tx.rows(&HOLD_HOMES, &[&id, &group]).await.map(drop)
}

/// Takes a group out of all lists.
pub async fn revoke_group(tx: &Tx, group: &str) -> Result<(), Error> {
    hold(tx, None, Some(group)).await?;
    tx.execute(&REVOKE, &[&None::<i64>, &Some(group)]).await.map(drop)
}

/// Erases a person: their home and all in it, and what they were granted. What is kept elsewhere of what they did, and the
/// notifications of others in which one of the marks stands, are [remembered] to be looked for behind the commit: nobody waits for
/// that.
pub async fn purge(tx: &Tx, id: i64, marks: &[String]) -> Result<(), Error> {
    hold(tx, Some(id), None).await?;
    tx.rows(&KEPT, &[&id]).await?;
    tx.execute(&REVOKE, &[&Some(id), &None::<&str>]).await?;
    for query in [&UNSHARE, &UNLOCK, &DISINVITE, &CLEAR, &DEMOLISH, &ERASE] {
        tx.execute(query, &[&id]).await?;
    }
    tx.execute(&REMEMBER, &[&id, &marks]).await.map(drop)
}

/// Those who are no more, and of whom there may be something left, each with the marks.
pub async fn remembered(pool: &Pool) -> Result<Vec<(i64, Vec<String>)>, Error> {
    let rows = pool.rows(&REMEMBERED, &[]).await?;
    rows.iter().map(|row| Ok((row.at("principal_id")?, row.at("marks")?))).collect()
}

/// Lets so much of what they changed have been changed by nobody, and as much of what was done by them or to them be forgotten;
/// says how much that was.
pub async fn anonymise(tx: &Tx, id: i64, most: i64) -> Result<u64, Error> {
    Ok(tx.execute(&ANONYMISE, &[&id, &most]).await? + tx.execute(&FORGET, &[&id, &most]).await?)
}

/// The next so many homes behind that one, and whether one of the marks stands in a notification there.
pub async fn named(pool: &Pool, after: i64, most: i64, marks: &[String]) -> Result<Vec<(i64, bool)>, Error> {
    let rows = pool.rows(&NAMED, &[&after, &most, &marks]).await?;
    rows.iter().map(|row| Ok((row.at("home_id")?, row.at("named")?))).collect()
}

/// There is nothing left of them.
pub async fn forgotten(tx: &Tx, id: i64) -> Result<(), Error> {
    tx.execute(&FORGOTTEN, &[&id]).await.map(drop)
}

/// What there is of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Calendars in their home.
    pub calendars: i64,
    /// Objects in these.
    pub objects: i64,
    /// Octets of these.
    pub octets: i64,
    /// Entries in the lists of their home.
    pub given: i64,
    /// Entries about them in the lists of others.
    pub held: i64,
    /// Places in which others see a calendar of theirs.
    pub seen: i64,
    /// Calendars of others that they see.
    pub sees: i64,
}

/// Counts what there is of a person.
pub async fn holdings(tx: &Tx, id: i64) -> Result<Holdings, Error> {
    let row = tx.row(&HOLDINGS, &[&id]).await?;
    Ok(Holdings {
        calendars: row.at("calendars")?,
        objects: row.at("objects")?,
        octets: row.at("octets")?,
        given: row.at("given")?,
        held: row.at("held")?,
        seen: row.at("seen")?,
        sees: row.at("sees")?,
    })
}
