//! Who changes what, what is kept of it, and for how long. The twin of sql/caldav/history.sql.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    db::{Error, Pool, Row, Rows, Tx},
    model::Components,
};

use super::{Calendar, handover};

crate::queries!("caldav/history.sql":
    KEPT = "kept",
    LIGHTEN = "lighten",
    DISCARD = "discard",
    OLD = "old",
    FORGET = "forget",
    FORGET_CALENDARS = "forget_calendars",
    LOG = "log",
    TRASH = "trash",
    LYING = "lying",
    TAKE_BACK = "take_back",
    ERASE = "erase",
    ERASE_CALENDARS = "erase_calendars",
    EMPTY = "empty",
    EMPTY_CALENDARS = "empty_calendars",
    REVIVE = "revive",
    STATE = "state",
    LAST_STATE = "last_state",
    AS_OF = "as_of",
);

/// Who changes something, and with which program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The principal; nobody where it is the server itself, or whoever runs it.
    pub principal_id: Option<i64>,
    /// What the program calls itself, in a word or two.
    pub client: String,
    /// What is kept of it.
    pub keep: Keep,
}

/// What is kept of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Who changed what, and what was there before.
    pub versions: bool,
    /// What is deleted.
    pub trash: bool,
    /// Seconds in which what the same hands change again is one change.
    pub fold: i32,
    /// Octets that it may take in a home; 0 is no limit.
    pub most: i64,
}

impl Keep {
    /// Whether anything is.
    #[must_use]
    pub const fn anything(self) -> bool {
        self.versions || self.trash
    }

    /// For how long what the same hands change again is one change, if changes are kept.
    pub(super) fn folded(self) -> Option<i32> {
        self.versions.then_some(self.fold)
    }
}

/// What was done to a calendar or an object, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was made.
    Made,
    /// It was overwritten.
    Changed,
    /// It was deleted.
    Deleted,
    /// It went to another name or calendar.
    Left,
    /// It came from another name or calendar.
    Arrived,
    /// A calendar got another name.
    Renamed,
    /// Properties of a calendar were set.
    Described,
    /// The access control list of a calendar was set.
    Opened,
    /// A calendar was taken out of the trash.
    Restored,
}

impl Action {
    /// Every action, each at the place of its number.
    pub const ALL: [Self; 9] = [
        Self::Made,
        Self::Changed,
        Self::Deleted,
        Self::Left,
        Self::Arrived,
        Self::Renamed,
        Self::Described,
        Self::Opened,
        Self::Restored,
    ];

    /// Its word, which stays as it is.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::Left => "moved-away",
            Self::Arrived => "moved-here",
            Self::Renamed => "renamed",
            Self::Described => "described",
            Self::Opened => "access-changed",
            Self::Restored => "restored",
        }
    }

    /// The one of that number.
    fn of(code: i16) -> Self {
        Self::ALL.into_iter().find(|action| action.code() == code).unwrap_or(Self::Changed)
    }

    /// The number the database keeps of it.
    pub(super) const fn code(self) -> i16 {
        self as i16
    }
}

/// One write in so many looks whether a home keeps too much: more than is written in between is never too much.
const LOOKS: u128 = 16;
/// Of a hundred octets that may be kept, how many are left when it was too much.
const LEFT: i64 = 90;
/// Deleted calendars that a home keeps.
const MOST_CALENDARS: i64 = 250;

/// Looks, now and then, whether the home of a calendar that was written to keeps more than it may, and then forgets what is
/// oldest.
pub(super) async fn bound(tx: &Tx, calendar: &Calendar, keep: Keep) -> Result<(), Error> {
    if !keep.anything() || !Uuid::new_v4().as_u128().is_multiple_of(LOOKS) {
        return Ok(());
    }
    lighten(tx, calendar.home_id, keep).await
}

/// Forgets what is oldest, where a home keeps more than it may.
pub async fn lighten(tx: &Tx, home_id: i64, keep: Keep) -> Result<(), Error> {
    let kept: i64 = tx.row(&KEPT, &[&home_id]).await?.at(0)?;
    if keep.most == 0 || kept <= keep.most {
        return Ok(());
    }
    let over = kept - keep.most / 100 * LEFT;
    tx.execute(&LIGHTEN, &[&home_id, &over]).await.map(drop)
}

/// Erases the oldest of the deleted calendars of a home, where they are too many or take too much, however long that takes.
pub async fn discard(pool: &Pool, home_id: i64, keep: Keep) -> Result<(), Error> {
    let most = if keep.most == 0 { i64::MAX } else { keep.most };
    pool.transaction(async |tx: Arc<Tx>| {
        handover::patience(&tx).await?;
        tx.execute(&DISCARD, &[&home_id, &most, &MOST_CALENDARS]).await.map(drop)
    })
    .await
}

/// For how many days something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// Former states, and who did what.
    pub versions: i32,
    /// What was deleted.
    pub trash: i32,
}

/// Homes in which something is older than that, as so many of the oldest tell.
pub async fn old(pool: &Pool, days: Days, most: i64) -> Result<Vec<i64>, Error> {
    pool.rows(&OLD, &[&days.versions, &days.trash, &most]).await?.iter().map(|row| row.at(0)).collect()
}

/// Forgets in a home what is older than that, so much of it at most; says of how many calendars it was something.
pub async fn forget(pool: &Pool, home_id: i64, days: Days, most: i64) -> Result<u64, Error> {
    let client = pool.client().await?;
    let entries = client.execute(&FORGET, &[&home_id, &days.versions, &days.trash, &most]).await?;
    let calendars: i64 = client.row(&FORGET_CALENDARS, &[&home_id, &days.trash, &most]).await?.at(0)?;
    Ok(entries + u64::try_from(calendars).unwrap_or_default())
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in the log.
    pub id: i64,
    /// The name of the calendar, or what it was when it was deleted.
    pub calendar: String,
    /// The name of the object; empty where it is about the calendar itself.
    pub name: String,
    /// The revision that the calendar had with the change.
    pub revision: i64,
    /// When it was.
    pub at: SystemTime,
    /// Who did it, by their user name; nobody where it was the server, whoever runs it, or somebody who is no more.
    pub author: Option<String>,
    /// Whether somebody had signed in for it.
    pub signed: bool,
    /// With which program.
    pub client: String,
    /// What was done.
    pub action: Action,
    /// Of a calendar: the name that it had.
    pub detail: Option<String>,
    /// Whether it can be taken back from the trash.
    pub trashed: bool,
    /// What the object was before, if it was kept and is not long.
    pub body: Option<Bytes>,
    /// What it was afterwards, likewise.
    pub next: Option<Bytes>,
}

/// Which entries are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slice<'a> {
    /// Those of a calendar, by its number.
    pub calendar: Option<i64>,
    /// Those of the object of that name in it.
    pub object: Option<&'a str>,
    /// Those before that place in the log.
    pub before: Option<i64>,
    /// So many of them.
    pub most: i64,
}

/// The last entries of a home, oldest first.
pub async fn log(pool: &Pool, home_id: i64, slice: &Slice<'_>) -> Result<Vec<Entry>, Error> {
    let Slice { calendar, object, before, most } = slice;
    let (calendar, before) = (calendar.unwrap_or_default(), before.unwrap_or(i64::MAX));
    pool.rows(&LOG, &[&home_id, &calendar, object, most, &before]).await?.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        id: row.at("id")?,
        calendar: row.at("calendar")?,
        name: row.at("name")?,
        revision: row.at("revision")?,
        at: row.at("at")?,
        author: row.at("author")?,
        signed: row.at("signed")?,
        client: row.at("client")?,
        action: Action::of(row.at("action")?),
        detail: row.at("detail")?,
        trashed: row.at("trashed")?,
        body: octets(row, "body")?,
        next: octets(row, "next")?,
    })
}

fn octets(row: &Row, column: &str) -> Result<Option<Bytes>, Error> {
    Ok(row.at::<Option<&[u8]>>(column)?.map(Bytes::copy_from_slice))
}

/// Whoever deleted something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleter {
    /// Their number.
    pub id: i64,
    /// Their user name.
    pub name: String,
    /// The groups that they are in.
    pub groups: Vec<String>,
}

/// Something that lies in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed {
    /// Whether it is a calendar.
    pub whole: bool,
    /// The number of the calendar, or that of the deletion in the log.
    pub id: i64,
    /// The number of the calendar that it is, or lay in.
    pub calendar_id: i64,
    /// Its name.
    pub calendar: String,
    /// The name of the object in it.
    pub name: String,
    /// When it was deleted.
    pub at: SystemTime,
    /// By whom.
    pub author: Option<Deleter>,
    /// With which program.
    pub client: String,
    /// Octets.
    pub octets: i64,
    /// Whether their number is for whoever looks at it to know.
    pub counted: bool,
    /// Of an object: the entity tag of its octets.
    pub etag: Option<String>,
    /// The kind of an object, or those that a calendar takes.
    pub component: Components,
    /// Of a calendar: its DAV:displayname, as it was set.
    pub label: Option<String>,
    /// Of an object: its octets, where they were asked for.
    pub body: Option<Bytes>,
}

/// What lies in the trash of a home, so much of it at most, the last deleted first.
pub async fn trash(pool: &Pool, home_id: i64, most: i64) -> Result<Vec<Trashed>, Error> {
    trash_before(pool, home_id, later(), most).await
}

/// All that lies there, whatever clock it was deleted by.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_hours(24)
}

/// All that lies there, as it comes, with the octets of objects if they are wanted: read each with [`read_trashed`].
pub async fn trash_stream(pool: &Pool, home_id: i64, body: bool) -> Result<Rows<'static>, Error> {
    pool.stream(&TRASH, &[&home_id, &i64::MAX, &later(), &body]).await
}

/// What of it was deleted by then.
pub async fn trash_before(
    pool: &Pool,
    home_id: i64,
    time: SystemTime,
    most: i64,
) -> Result<Vec<Trashed>, Error> {
    pool.rows(&TRASH, &[&home_id, &most, &time, &false]).await?.iter().map(read_trashed).collect()
}

/// What lies there, of a row.
pub fn read_trashed(row: &Row) -> Result<Trashed, Error> {
    Ok(Trashed {
        whole: row.at("whole")?,
        id: row.at("id")?,
        calendar_id: row.at("calendar_id")?,
        calendar: row.at::<Option<String>>("calendar")?.unwrap_or_default(),
        name: row.at("name")?,
        at: row.at("at")?,
        author: match row.at("author_id")? {
            Some(id) => Some(Deleter { id, name: row.at("author")?, groups: row.at("author_groups")? }),
            None => None,
        },
        client: row.at::<Option<String>>("client")?.unwrap_or_default(),
        octets: row.at("octets")?,
        counted: true,
        etag: row.at("etag")?,
        component: Components::from_bits(row.at::<Option<i16>>("component")?.unwrap_or_default()),
        label: row.at("label")?,
        body: octets(row, "body")?,
    })
}

/// The calendar of that number as it lies there, or the deletion of an object of that number with its octets.
pub async fn lying(pool: &Pool, home_id: i64, (whole, id): (bool, i64)) -> Result<Option<Trashed>, Error> {
    pool.optional(&LYING, &[&home_id, &id, &whole]).await?.as_ref().map(read_trashed).transpose()
}

/// Takes a deletion out of the trash; whether it lay there.
pub async fn take_back(tx: &Tx, home_id: i64, id: i64) -> Result<bool, Error> {
    Ok(tx.execute(&TAKE_BACK, &[&home_id, &id]).await? > 0)
}

/// Erases what lies in the trash: deletions with all that these objects had been, and whole calendars.
pub async fn erase(tx: &Tx, home_id: i64, deletions: &[i64], calendars: &[i64]) -> Result<(), Error> {
    if !deletions.is_empty() {
        tx.execute(&ERASE, &[&home_id, &deletions]).await?;
    }
    if !calendars.is_empty() {
        tx.execute(&ERASE_CALENDARS, &[&home_id, &calendars]).await?;
    }
    Ok(())
}

/// Erases all that was deleted in a home by then, in two statements.
pub async fn empty(tx: &Tx, home_id: i64, time: SystemTime) -> Result<(), Error> {
    tx.execute(&EMPTY, &[&home_id, &time]).await?;
    tx.execute(&EMPTY_CALENDARS, &[&home_id, &time]).await.map(drop)
}

/// Takes a calendar out of the trash, under a name that is free, the home being locked; whether it lay there.
pub async fn revive(tx: &Tx, home_id: i64, id: i64, name: &str, author: &Author) -> Result<bool, Error> {
    let told = author.keep.versions;
    Ok(tx.execute(&REVIVE, &[&home_id, &id, &name, &author.principal_id, &author.client, &told]).await? > 0)
}

/// When something was as it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before it was last changed or deleted.
    Before,
    /// With that revision of the calendar.
    Revision(i64),
    /// At that second since 1970-01-01T00:00:00Z.
    Second(i64),
}

/// What an object was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// The deletion that took it away, if it still lies in the trash.
    pub deletion: Option<i64>,
    /// Whether it was there at all.
    pub there: bool,
    /// Its octets, if they were kept.
    pub body: Option<Bytes>,
}

/// What the object of that name was; none where it has been as it is now.
pub async fn state(tx: &Tx, calendar: &Calendar, name: &str, when: When) -> Result<Option<Former>, Error> {
    let (home, id, none) = (&calendar.home_id, &calendar.id, &None::<i64>);
    let row = match when {
        When::Before => tx.optional(&LAST_STATE, &[home, id, &name]).await?,
        When::Revision(revision) => tx.optional(&STATE, &[home, id, &name, &Some(revision), none]).await?,
        When::Second(second) => tx.optional(&STATE, &[home, id, &name, none, &Some(second)]).await?,
    };
    row.as_ref().map(former).transpose()
}

fn former(row: &Row) -> Result<Former, Error> {
    let deletion = if row.at("trashed")? { Some(row.at("id")?) } else { None };
    let there = row.at::<Option<&str>>("etag")?.is_some();
    Ok(Former { deletion, there, body: octets(row, "body")? })
}

/// An object that was another at some time than it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// What it was.
    pub then: Former,
    /// The number of the object that has the name now.
    pub now: Option<i64>,
    /// Whether that has the same UID.
    pub same: bool,
}

/// What of a calendar was another at that second, the calendar being locked.
pub async fn as_of(tx: &Tx, calendar: &Calendar, second: i64) -> Result<Vec<Difference>, Error> {
    let rows = tx.rows(&AS_OF, &[&calendar.home_id, &calendar.id, &second]).await?;
    let difference = |row: &Row| {
        let uids: (Option<&str>, Option<&str>) = (row.at("uid")?, row.at("uid_now")?);
        Ok(Difference {
            name: row.at("name")?,
            then: former(row)?,
            now: row.at("object")?,
            same: uids.0 == uids.1,
        })
    };
    rows.iter().map(difference).collect()
}
