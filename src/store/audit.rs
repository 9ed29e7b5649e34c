//! Who did what to whose rights: kept beside what was done, in the same transaction. The twin of sql/caldav/audit.sql.

use std::time::SystemTime;

use crate::db::{Error, Pool, Row, Tx};

use super::Principal;

crate::queries!("caldav/audit.sql":
    RECORD = "record",
    SINCE = "since",
    PAGE = "page",
    OF_CALENDAR = "of_calendar",
    OF_PLACE = "of_place",
    TRIM = "trim",
);

/// Who a deed is of, or about: a principal with its number, or a name alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The principal's number.
    pub id: Option<i64>,
    /// What they were called then; of nobody, empty.
    pub name: String,
}

impl Party {
    /// The proxy, by whose word people are renamed and come into groups.
    #[must_use]
    pub fn proxy() -> Self {
        Self::named("(proxy)")
    }

    /// Who has no number: a group, or somebody at the command line.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { id: None, name: name.to_owned() }
    }
}

impl From<&Principal> for Party {
    fn from(who: &Principal) -> Self {
        Self { id: Some(who.id), name: who.name.clone() }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident $word:literal;)+) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $variant,)+
        }

        impl Action {
            /// Its word, which stays as it is.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

actions! {
    /// An entry of an access control list is there, or says something else than before.
    Granted "granted";
    /// It is there no longer.
    Revoked "revoked";
    /// Somebody came into a group.
    Joined "joined";
    /// Somebody left one.
    Left "left";
    /// Somebody is called otherwise.
    Renamed "renamed";
    /// Nobody gets in as them any more.
    Disabled "disabled";
    /// They get in again.
    Enabled "enabled";
    /// A calendar is in the home of somebody else.
    Transferred "transferred";
    /// Somebody is erased.
    Purged "purged";
}

/// A collection that something was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its number, which it has whatever it is called and wherever it is kept; none of the home itself.
    pub id: Option<i64>,
    /// What it was called then; of the home, empty.
    pub name: String,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// By whom.
    pub actor: Party,
    /// What.
    pub action: Action,
    /// In whose home, if it is about one.
    pub owner: Party,
    /// The collection there, or the home.
    pub place: Place,
    /// To whom.
    pub whom: Party,
    /// What else there is to say: privileges, a group, another name.
    pub detail: String,
}

/// The same, as it is read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub id: i64,
    /// When.
    pub at: SystemTime,
    /// By whom, what, in whose home, where, to whom, and what else.
    pub words: [String; 6],
}

/// Keeps what was done.
pub async fn record(tx: &Tx, deeds: &[Deed]) -> Result<(), Error> {
    if deeds.is_empty() {
        return Ok(());
    }
    let ids = |of: fn(&Deed) -> &Party| deeds.iter().map(|deed| of(deed).id).collect::<Vec<Option<i64>>>();
    let texts = |of: fn(&Deed) -> &str| deeds.iter().map(of).collect::<Vec<&str>>();
    tx.execute(
        &RECORD,
        &[
            &ids(|deed| &deed.actor),
            &texts(|deed| &deed.actor.name),
            &texts(|deed| deed.action.word()),
            &ids(|deed| &deed.owner),
            &texts(|deed| &deed.owner.name),
            &texts(|deed| &deed.place.name),
            &ids(|deed| &deed.whom),
            &texts(|deed| &deed.whom.name),
            &texts(|deed| &deed.detail),
            &deeds.iter().map(|deed| deed.place.id).collect::<Vec<Option<i64>>>(),
        ],
    )
    .await
    .map(drop)
}

/// What was done in the last so many days, oldest first; by, to or in the home of that principal, where one is named.
pub async fn since(pool: &Pool, days: i32, of: Option<i64>) -> Result<Vec<Entry>, Error> {
    pool.rows(&SINCE, &[&days, &of]).await?.iter().map(entry).collect()
}

/// A collection that something was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The one of that number, whatever it was called then.
    Calendar(i64),
    /// Whatever had that name in the home.
    Place(i64, String),
}

/// Which entries are wanted.
#[derive(Clone, Debug, Default)]
pub struct Slice {
    /// What that principal did, what was done to them, or in their home.
    pub of: Option<i64>,
    /// What was done to that.
    pub about: Option<About>,
    /// From then on.
    pub since: Option<SystemTime>,
    /// Before then.
    pub until: Option<SystemTime>,
    /// Before that place.
    pub before: Option<i64>,
    /// So many of them.
    pub most: i64,
}

/// Those entries, the latest first.
pub async fn page(pool: &Pool, slice: &Slice) -> Result<Vec<Entry>, Error> {
    let Slice { of, about, since, until, before, most } = slice;
    let rows = match about {
        None => pool.rows(&PAGE, &[before, since, until, of, most]).await?,
        Some(About::Calendar(id)) => pool.rows(&OF_CALENDAR, &[before, since, until, of, most, id]).await?,
        Some(About::Place(home, name)) => {
            pool.rows(&OF_PLACE, &[before, since, until, of, most, home, name]).await?
        }
    };
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry, Error> {
    let word = |name| row.at::<String>(name);
    Ok(Entry {
        id: row.at("id")?,
        at: row.at("at")?,
        words: [
            word("actor")?,
            word("action")?,
            word("owner")?,
            word("place")?,
            word("whom")?,
            word("detail")?,
        ],
    })
}

/// Forgets what was done longer ago than so many days, so much of it at most; says how much that was.
pub async fn trim(pool: &Pool, days: i32, most: i64) -> Result<u64, Error> {
    pool.client().await?.execute(&TRIM, &[&days, &most]).await
}
