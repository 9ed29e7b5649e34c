//! What is kept of people follows what becomes of them. The twin of sql/api/follow.sql.

use uuid::Uuid;

use crate::db::{Error, Tx};

crate::queries!("api/follow.sql":
    IS_THERE = "is_there", CALLED = "called", YIELD = "yield", HAND_OVER = "hand_over", KEPT = "kept", FORGET = "forget");

/// Whether anything is kept in this database.
pub async fn is_there(tx: &Tx) -> Result<bool, Error> {
    tx.row(&IS_THERE, &[]).await?.at("there")
}

/// Somebody has another name: their passwords are checked with it, and their links lead to where their calendars are.
pub async fn called(tx: &Tx, person: Uuid, name: &str) -> Result<(), Error> {
    tx.rows(&CALLED, &[&person, &name]).await.map(drop)
}

/// Calendars of one are another's, each under that name: links to them go along.
pub async fn hand_over(
    tx: &Tx,
    from: Uuid,
    (to, name): (Uuid, &str),
    places: &[(Uuid, String)],
) -> Result<(), Error> {
    let calendars: Vec<Uuid> = places.iter().map(|(calendar, _)| *calendar).collect();
    let names: Vec<&str> = places.iter().map(|(_, place)| place.as_str()).collect();
    tx.execute(&YIELD, &[&from, &to, &calendars]).await?;
    tx.execute(&HAND_OVER, &[&from, &to, &name, &calendars, &names]).await.map(drop)
}

/// Of whom there is anything: some of them, those after `after` in the order of their numbers.
pub async fn kept(tx: &Tx, after: Uuid) -> Result<Vec<Uuid>, Error> {
    tx.rows(&KEPT, &[&after]).await?.iter().map(|row| row.at("person")).collect()
}

/// Somebody is erased: nothing is kept, and no node takes a password of theirs any more.
pub async fn forget(tx: &Tx, person: Uuid) -> Result<(), Error> {
    tx.rows(&FORGET, &[&person]).await.map(drop)
}
