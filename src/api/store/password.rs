//! Passwords for single programs. The twin of sql/api/password.sql.

use std::time::SystemTime;

use uuid::Uuid;

use crate::db::{Error, Params, Pool, Row};

crate::queries!("api/password.sql":
    OF_PERSON = "of_person", BY_HASH = "by_hash", ADD = "add", CALLED = "called", LABEL = "label", REVOKE = "revoke", USED = "used");

/// On this channel is told that one was revoked.
pub const REVOKED: &str = "kalends_revoked";

/// What one is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// Its number.
    pub id: Uuid,
    /// The user name that its owner was last seen with.
    pub name: String,
    /// What its owner calls it.
    pub label: String,
    /// Whether nothing can be changed with it.
    pub read_only: bool,
    /// The names of the calendars that it is for; none is all.
    pub calendars: Option<Vec<String>>,
    /// When it ends.
    pub expires: Option<SystemTime>,
    /// When it was made.
    pub created: SystemTime,
    /// When it was last used, and from which address.
    pub used: Option<(SystemTime, String)>,
}

/// What a check finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub id: Uuid,
    /// Whose it is: DAV:resource-id of their home.
    pub person: Uuid,
    /// The user name that they were last seen with.
    pub name: String,
    /// Whether nothing can be changed with it.
    pub read_only: bool,
    /// The names of the calendars that it is for; none is all.
    pub calendars: Option<Vec<String>>,
    /// When it ends.
    pub expires: Option<SystemTime>,
}

/// Those of somebody, the oldest first.
pub async fn of(pool: &Pool, person: Uuid) -> Result<Vec<Password>, Error> {
    pool.rows(&OF_PERSON, &[&person]).await?.iter().map(read).collect()
}

/// The one of that hash that has not ended.
pub async fn by_hash(pool: &Pool, hash: &[u8]) -> Result<Option<Found>, Error> {
    let found = |row: &Row| {
        let (id, person, name) = (row.at("id")?, row.at("person")?, row.at("name")?);
        let (read_only, calendars) = (row.at("read_only")?, row.at("calendars")?);
        Ok(Found { id, person, name, read_only, calendars, expires: row.at("expires")? })
    };
    pool.optional(&BY_HASH, &[&hash.to_vec()]).await?.as_ref().map(found).transpose()
}

/// Keeps a new one; gives when it was made, or nothing where its owner has enough of them.
pub async fn add(
    pool: &Pool,
    person: Uuid,
    new: &Password,
    hash: &[u8],
) -> Result<Option<SystemTime>, Error> {
    let Password { id, name, label, read_only, calendars, expires, .. } = new;
    let hash = hash.to_vec();
    let params: Params<'_> = &[id, &person, name, label, &hash, read_only, calendars, expires];
    pool.client().await?.optional(&ADD, params).await?.map(|row| row.at(0)).transpose()
}

/// Calls one otherwise; whether it is there.
pub async fn label(pool: &Pool, person: Uuid, id: Uuid, label: &str) -> Result<bool, Error> {
    Ok(pool.client().await?.execute(&LABEL, &[&person, &id, &label]).await? == 1)
}

/// Keeps what somebody is called now.
pub async fn called(pool: &Pool, person: Uuid, name: &str) -> Result<(), Error> {
    pool.client().await?.execute(&CALLED, &[&person, &name]).await.map(drop)
}

/// Ends one, and the database tells every node of it; whether it was there.
pub async fn revoke(pool: &Pool, person: Uuid, id: Uuid) -> Result<bool, Error> {
    Ok(pool.client().await?.execute(&REVOKE, &[&person, &id]).await? == 1)
}

/// Keeps when these were last used, and from where.
pub async fn used(pool: &Pool, uses: &[(Uuid, SystemTime, String)]) -> Result<(), Error> {
    let ids: Vec<Uuid> = uses.iter().map(|(id, ..)| *id).collect();
    let times: Vec<SystemTime> = uses.iter().map(|(_, at, _)| *at).collect();
    let places: Vec<&str> = uses.iter().map(|(.., from)| from.as_str()).collect();
    pool.client().await?.execute(&USED, &[&ids, &times, &places]).await.map(drop)
}

fn read(row: &Row) -> Result<Password, Error> {
    let (used, from): (Option<SystemTime>, Option<String>) = (row.at("used")?, row.at("used_from")?);
    Ok(Password {
        id: row.at("id")?,
        name: row.at("name")?,
        label: row.at("label")?,
        read_only: row.at("read_only")?,
        calendars: row.at("calendars")?,
        expires: row.at("expires")?,
        created: row.at("created")?,
        used: used.map(|used| (used, from.unwrap_or_default())),
    })
}
