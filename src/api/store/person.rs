//! How people want to be talked to. The twin of sql/api/person.sql.

use std::collections::HashMap;

use uuid::Uuid;

use crate::db::{Error, Pool, Row};

crate::queries!("api/person.sql": BY_ID = "by_id", BY_IDS = "by_ids", SET = "set");

/// What is known of somebody beside what CalDAV knows; nothing of who never said anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The language, as `fr-fr`.
    pub language: Option<String>,
    /// The time zone that pages show times in, as `Europe/Paris`.
    pub timezone: Option<String>,
}

/// Of one.
pub async fn of(pool: &Pool, id: Uuid) -> Result<Person, Error> {
    let row = pool.optional(&BY_ID, &[&id]).await?;
    row.as_ref().map(read).transpose().map(Option::unwrap_or_default)
}

/// Of several, by their ids.
pub async fn of_all(pool: &Pool, ids: &[Uuid]) -> Result<HashMap<Uuid, Person>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    pool.rows(&BY_IDS, &[&ids]).await?.iter().map(|row| Ok((row.at("id")?, read(row)?))).collect()
}

/// Keeps what is new; what is nothing stays as it was.
pub async fn set(pool: &Pool, (id, name): (Uuid, &str), new: &Person) -> Result<(), Error> {
    pool.client().await?.execute(&SET, &[&id, &name, &new.language, &new.timezone]).await.map(drop)
}

fn read(row: &Row) -> Result<Person, Error> {
    Ok(Person { language: row.at("language")?, timezone: row.at("timezone")? })
}
