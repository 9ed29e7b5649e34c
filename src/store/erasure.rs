//! Who was erased is taken out of the calendars of others. The twin of sql/caldav/erasure.sql.

use bytes::Bytes;

use crate::db::{Error, Pool, Row, Tx};

crate::queries!("caldav/erasure.sql":
    ASK = "ask",
    TAKE = "take",
    PASS = "pass",
    FINISH = "finish",
    HOMES = "homes",
    HOLD = "hold",
    OBJECTS = "objects",
    PAST = "past",
    OWN = "own",
    REWORD = "reword",
    REWORD_PAST = "reword_past",
    REWORD_OWN = "reword_own",
);

/// That somebody be taken out everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its number.
    pub id: i64,
    /// What they are known by, in small letters.
    pub marks: Vec<String>,
    /// The last home that was looked through.
    pub done: i64,
}

/// Where texts are kept that may name somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Objects.
    Objects,
    /// What they were, deleted ones among them.
    Past,
    /// What those keep of their own who see them.
    Own,
}

/// A text that names somebody, or what it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The calendar that its object lies in.
    pub calendar_id: i64,
    /// The number of the object, or of the entry of the log.
    pub id: i64,
    /// Whose own it is; 0 where it is the object's.
    pub whose: i64,
    /// The name of the object.
    pub name: String,
    /// Its octets.
    pub octets: Bytes,
}

/// Keeps the wish; gives its number.
pub async fn ask(tx: &Tx, marks: &[String]) -> Result<i64, Error> {
    tx.row(&ASK, &[&marks]).await?.at("id")
}

/// The next wish that nobody is at.
pub async fn take(pool: &Pool) -> Result<Option<Wish>, Error> {
    let wish = |row: &Row| Ok(Wish { id: row.at("id")?, marks: row.at("marks")?, done: row.at("done")? });
    pool.client().await?.optional(&TAKE, &[]).await?.as_ref().map(wish).transpose()
}

/// All homes up to that one are done.
pub async fn pass(tx: &Tx, wish: &Wish, done: i64) -> Result<(), Error> {
    tx.execute(&PASS, &[&wish.id, &done]).await.map(drop)
}

/// It is done.
pub async fn finish(pool: &Pool, wish: &Wish) -> Result<(), Error> {
    pool.client().await?.execute(&FINISH, &[&wish.id]).await.map(drop)
}

/// The next homes behind that one, and whether one of the marks is in what is kept there.
pub async fn homes(tx: &Tx, after: i64, marks: &[String], most: i64) -> Result<Vec<(i64, bool)>, Error> {
    let rows = tx.rows(&HOMES, &[&after, &marks, &most]).await?;
    rows.iter().map(|row| Ok((row.at("home_id")?, row.at("named")?))).collect()
}

/// Holds the calendars of a home until the transaction ends.
pub async fn hold(tx: &Tx, home_id: i64) -> Result<(), Error> {
    tx.rows(&HOLD, &[&home_id]).await.map(drop)
}

/// The texts on a shelf of a home behind that number and, of what is people's own, that person, so many at most.
pub async fn texts(
    tx: &Tx,
    (shelf, home_id): (Shelf, i64),
    (after, whose): (i64, i64),
    marks: &[String],
    most: i64,
) -> Result<Vec<Text>, Error> {
    let rows = match shelf {
        Shelf::Objects => tx.rows(&OBJECTS, &[&home_id, &after, &marks, &most]).await?,
        Shelf::Past => tx.rows(&PAST, &[&home_id, &after, &marks, &most]).await?,
        Shelf::Own => tx.rows(&OWN, &[&home_id, &after, &whose, &marks, &most]).await?,
    };
    rows.iter().map(text).collect()
}

fn text(row: &Row) -> Result<Text, Error> {
    Ok(Text {
        calendar_id: row.at("calendar_id")?,
        id: row.at("id")?,
        whose: row.at("whose")?,
        name: row.at("name")?,
        octets: Bytes::copy_from_slice(row.at("body")?),
    })
}

/// Puts these octets, each with its tag, in the place of those on the shelf; they are of one calendar, which is held.
pub async fn reword(
    tx: &Tx,
    (shelf, home_id): (Shelf, i64),
    calendar_id: i64,
    new: &[(&Text, String)],
) -> Result<(), Error> {
    let ids: Vec<i64> = new.iter().map(|(text, _)| text.id).collect();
    let bodies: Vec<&[u8]> = new.iter().map(|(text, _)| &text.octets[..]).collect();
    let tags: Vec<&str> = new.iter().map(|(_, tag)| tag.as_str()).collect();
    match shelf {
        Shelf::Objects => tx.execute(&REWORD, &[&home_id, &calendar_id, &ids, &bodies, &tags]).await,
        Shelf::Past => {
            let names: Vec<&str> = new.iter().map(|(text, _)| text.name.as_str()).collect();
            tx.execute(&REWORD_PAST, &[&home_id, &calendar_id, &ids, &bodies, &tags, &names]).await
        }
        Shelf::Own => {
            let whose: Vec<i64> = new.iter().map(|(text, _)| text.whose).collect();
            tx.execute(&REWORD_OWN, &[&home_id, &calendar_id, &ids, &bodies, &whose]).await
        }
    }
    .map(drop)
}
