//! Secret links to calendars. The twin of sql/api/feed.sql.

use std::time::SystemTime;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::db::{Error, Params, Pool, Row};

crate::queries!("api/feed.sql":
    OF_PERSON = "of_person", BY_TOKEN = "by_token", ADD = "add", CHANGE = "change", CONVERT = "convert",
    REMOVE = "remove", CALLED = "called", MOVED = "moved", USED = "used");

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its number, which is no secret.
    pub id: Uuid,
    /// Whose it is.
    pub person: Uuid,
    /// The user name that they were last seen with.
    pub name: String,
    /// What stays of the calendar whatever it is called.
    pub calendar: Uuid,
    /// Its name in the home, as last seen.
    pub place: String,
    /// Whether times are all that it shows.
    pub busy_only: bool,
    /// The secret.
    pub token: String,
    /// What the file is called.
    pub calendar_name: String,
    /// What its owner calls it.
    pub label: String,
    /// Whether it leads anywhere.
    pub active: bool,
    /// When it was made.
    pub created: SystemTime,
    /// When it was last used.
    pub used: Option<SystemTime>,
}

/// Those of somebody, the oldest first.
pub async fn of(pool: &Pool, person: Uuid) -> Result<Vec<Feed>, Error> {
    pool.rows(&OF_PERSON, &[&person]).await?.iter().map(read).collect()
}

/// The one of that secret, if it leads anywhere.
pub async fn by_token(pool: &Pool, token: &str) -> Result<Option<Feed>, Error> {
    let hash = Sha256::digest(token).to_vec();
    pool.optional(&BY_TOKEN, &[&hash]).await?.as_ref().map(read).transpose()
}

/// Keeps a new one, unless there is one of that calendar and kind, or its owner has enough of them; whether it did.
pub async fn add(pool: &Pool, new: &Feed) -> Result<bool, Error> {
    let Feed { id, person, name, calendar, place, busy_only, token, calendar_name, label, active, .. } = new;
    let params: Params<'_> =
        &[id, person, name, calendar, place, busy_only, token, calendar_name, label, active];
    Ok(pool.client().await?.execute(&ADD, params).await? == 1)
}

/// What is to be changed of one; what is none stays as it is at that moment, and not as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What the file is called.
    pub calendar_name: Option<String>,
    /// What its owner calls it.
    pub label: Option<String>,
    /// Whether it leads anywhere.
    pub active: Option<bool>,
}

/// Changes that of one, if it is there; what it is then.
pub async fn change(pool: &Pool, person: Uuid, id: Uuid, new: &Changes) -> Result<Option<Feed>, Error> {
    let Changes { calendar_name, label, active } = new;
    let params: Params<'_> = &[&person, &id, calendar_name, label, active];
    pool.optional(&CHANGE, params).await?.as_ref().map(read).transpose()
}

/// Makes one show more, or less, unless there is another that does; whether it did.
pub async fn convert(pool: &Pool, person: Uuid, id: Uuid, busy_only: bool) -> Result<bool, Error> {
    match pool.client().await?.execute(&CONVERT, &[&person, &id, &busy_only]).await {
        // The other came in the same moment.
        Err(Error::Unique(_)) => Ok(false),
        done => Ok(done? == 1),
    }
}

/// Ends these; how many there were.
pub async fn remove(pool: &Pool, person: Uuid, ids: &[Uuid]) -> Result<u64, Error> {
    pool.client().await?.execute(&REMOVE, &[&person, &ids]).await
}

/// Keeps the user name that somebody has now.
pub async fn called(pool: &Pool, person: Uuid, name: &str) -> Result<(), Error> {
    pool.client().await?.execute(&CALLED, &[&person, &name]).await.map(drop)
}

/// Keeps the name that the calendar has now.
pub async fn moved(pool: &Pool, id: Uuid, place: &str) -> Result<(), Error> {
    pool.client().await?.execute(&MOVED, &[&id, &place]).await.map(drop)
}

/// Keeps when these were last used.
pub async fn used(pool: &Pool, uses: &[(Uuid, SystemTime)]) -> Result<(), Error> {
    let (ids, times): (Vec<Uuid>, Vec<SystemTime>) = uses.iter().copied().unzip();
    pool.client().await?.execute(&USED, &[&ids, &times]).await.map(drop)
}

fn read(row: &Row) -> Result<Feed, Error> {
    Ok(Feed {
        id: row.at("id")?,
        person: row.at("person")?,
        name: row.at("name")?,
        calendar: row.at("calendar")?,
        place: row.at("place")?,
        busy_only: row.at("busy_only")?,
        token: row.at("token")?,
        calendar_name: row.at("calendar_name")?,
        label: row.at("label")?,
        active: row.at("active")?,
        created: row.at("created")?,
        used: row.at("used")?,
    })
}
