//! Calendar objects. The twin of sql/caldav/object.sql.

use std::{
    collections::HashMap,
    ops::Range,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use crate::{
    db::{Error, Params, Pool, Row, Rows, Tx},
    model::{Busy, Component, Components, Index, Instance, Privileges},
};

use super::{
    Author, Calendar, Viewer, history,
    personal::Beside,
    property::Wanted,
    share::{self, elsewhere},
};

crate::queries!("caldav/object.sql":
    ALL_OF_CALENDAR = "all",
    ALL_WITH_BODY = "all_with_body",
    TAGS = "tags",
    TAGGED_BODIES = "tagged_bodies",
    BY_NAME = "by_name",
    BY_NAME_WITH_BODY = "by_name_with_body",
    BY_PATH_WITH_BODY = "by_path_with_body",
    BY_NAMES = "by_names",
    BY_NAMES_WITH_BODY = "by_names_with_body",
    OF_HOME = "of_home",
    BEFORE_PUT = "before_put",
    STANDING = "standing",
    COUNT = "count",
    COUNTS = "counts",
    PUT = "put",
    DELETE = "delete",
    BETWEEN = "between",
    BUSY = "busy",
    MATCHING = "matching",
);

/// A calendar object, with or without its octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its number.
    pub id: i64,
    /// Its name in the calendar.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The kind of its components.
    pub component: Components,
    /// The entity tag of its octets, without quotes.
    pub etag: String,
    /// The calendar's revision at its last change.
    pub revision: i64,
    /// Octets.
    pub size: i32,
    /// When it was made.
    pub created: SystemTime,
    /// When it last changed.
    pub modified: SystemTime,
    /// The octets, where they were asked for.
    pub body: Option<Bytes>,
    /// Whether a part of it is not for the viewer, so that it is not here.
    pub cut: bool,
}

/// What comes along with the rows of objects.
#[derive(Clone, Debug, Default)]
pub struct With {
    /// Their octets.
    pub body: bool,
    /// Stored properties.
    pub stored: Wanted,
    /// Whether of the objects themselves the name, the entity tag and the octets are enough.
    pub brief: bool,
}

impl With {
    /// Their octets alone.
    #[must_use]
    pub const fn body() -> Self {
        Self { body: true, stored: None, brief: false }
    }
}

/// How a row is read.
pub type Read = fn(&Row) -> Result<Object, Error>;

/// Which objects of a calendar are asked for.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// Those of these names.
    Named(&'a [String]),
}

/// What is there before a PUT.
#[derive(Clone, Debug)]
pub struct Before {
    /// The object that has the name now, and the fingerprint of its times.
    pub object: Option<(Object, i64)>,
    /// The name of another object with the same UID.
    pub twin: Option<String>,
}

impl Before {
    /// Octets of the object that is there.
    #[must_use]
    pub fn octets(&self) -> i64 {
        self.object.as_ref().map_or(0, |(object, _)| object.size.into())
    }
}

/// An object as it is to be stored.
#[derive(Clone, Debug)]
pub struct Put {
    /// Its name in the calendar.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The kind of its components.
    pub component: Component,
    /// The entity tag of `body`, without quotes.
    pub etag: String,
    /// The octets.
    pub body: Bytes,
    /// When it happens.
    pub index: Index,
    /// The fingerprint of `index`.
    pub times: i64,
    /// Who may see it besides its owner, as [`super::personal::Beside`] has it.
    pub access: i16,
}

impl Put {
    /// Octets of the object.
    #[must_use]
    pub fn octets(&self) -> i64 {
        i64::try_from(self.body.len()).unwrap_or(i64::MAX)
    }
}

/// The objects of a calendar, as they come: the answer is never held whole.
pub async fn stream(
    pool: &Pool,
    calendar: &Calendar,
    which: Which<'_>,
    with: &With,
) -> Result<Rows<'static>, Error> {
    let (home, id, stored) = (&calendar.home_id, &calendar.id, &with.stored);
    match (which, with.body) {
        (Which::All, false) => pool.stream(&ALL_OF_CALENDAR, &[home, id, stored]).await,
        (Which::All, true) => pool.stream(&ALL_WITH_BODY, &[home, id, stored]).await,
        (Which::Named(names), false) => pool.stream(&BY_NAMES, &[home, id, &names, stored]).await,
        (Which::Named(names), true) => pool.stream(&BY_NAMES_WITH_BODY, &[home, id, &names, stored]).await,
    }
}

/// As [`stream`], but of each object only its name, its entity tag and its octets with its revision, and how that is read.
pub async fn brief(
    pool: &Pool,
    calendar: &Calendar,
    which: Which<'_>,
    with: &With,
) -> Result<(Rows<'static>, Read), Error> {
    let (home, id) = (&calendar.home_id, &calendar.id);
    match (which, with.body) {
        (Which::All, false) => Ok((pool.stream(&TAGS, &[home, id]).await?, read_tag)),
        (Which::Named(names), true) => {
            Ok((pool.stream(&TAGGED_BODIES, &[home, id, &names]).await?, read_tagged_body))
        }
        // What hardly anybody asks for.
        (_, true) => Ok((stream(pool, calendar, which, with).await?, read_whole)),
        (_, false) => Ok((stream(pool, calendar, which, with).await?, read)),
    }
}

/// The object of that name.
pub async fn by_name(
    pool: &Pool,
    calendar: &Calendar,
    name: &str,
    body: bool,
) -> Result<Option<Object>, Error> {
    let (query, read) =
        if body { (&BY_NAME_WITH_BODY, read_whole as Read) } else { (&BY_NAME, read as Read) };
    pool.optional(query, &[&calendar.home_id, &calendar.id, &name]).await?.as_ref().map(read).transpose()
}

/// The object of that name in the collection of that name, with its octets and what depends on the viewer, and what they may
/// do with it.
pub async fn by_path(
    pool: &Pool,
    viewer: &Viewer,
    home_id: i64,
    (calendar, name): (&str, &str),
) -> Result<Option<Found>, Error> {
    if !viewer.sees(home_id, calendar) {
        return Ok(None);
    }
    let who = &viewer.principal;
    let params: Params<'_> = &[&home_id, &calendar, &name, &who.id, &who.groups];
    let Some(row) = pool.optional(&BY_PATH_WITH_BODY, params).await? else { return Ok(None) };
    let rights = viewer.scoped_to((home_id, calendar), viewer.rights(home_id, row.at("granted")?));
    if let Some(kept) = elsewhere(&row, home_id)? {
        return share::object(pool, viewer, (kept, rights), name).await;
    }
    let there: Option<i64> = row.at("id")?;
    if there.is_none() {
        return Ok(None);
    }
    Ok(Some(Found { object: read_whole(&row)?, beside: Beside::of(&row)?, home_id, rights }))
}

/// An object that was found by a path.
#[derive(Clone, Debug)]
pub struct Found {
    /// The object as it lies there, with its octets.
    pub object: Object,
    /// What of it depends on the viewer.
    pub beside: Beside,
    /// The home that it is kept in, whatever the path says.
    pub home_id: i64,
    /// What the viewer may do with it.
    pub rights: Privileges,
}

/// An object as it lies in its home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lying {
    /// Its number.
    pub id: i64,
    /// The name of its calendar in the home.
    pub calendar: String,
    /// Its name in the calendar.
    pub name: String,
    /// The entity tag that its octets are said to have.
    pub etag: String,
    /// Its octets.
    pub body: Bytes,
}

/// The objects of a home whose numbers are above `after`, in their order, so many at most, as they come: read each with
/// [`read_lying`].
pub async fn of_home(pool: &Pool, home_id: i64, after: i64, most: i64) -> Result<Rows<'static>, Error> {
    pool.stream(&OF_HOME, &[&home_id, &after, &most]).await
}

/// The object of a row of [`of_home`].
pub fn read_lying(row: &Row) -> Result<Lying, Error> {
    let body: &[u8] = row.at("body")?;
    Ok(Lying {
        id: row.at("id")?,
        calendar: row.at("calendar")?,
        name: row.at("name")?,
        etag: row.at("etag")?,
        body: Bytes::copy_from_slice(body),
    })
}

/// The object of that name, the calendar being locked.
pub async fn by_name_in(tx: &Tx, calendar: &Calendar, name: &str) -> Result<Option<Object>, Error> {
    tx.optional(&BY_NAME, &[&calendar.home_id, &calendar.id, &name]).await?.as_ref().map(read).transpose()
}

/// The object of that name with its octets, the calendar being locked.
pub async fn whole_in(tx: &Tx, calendar: &Calendar, name: &str) -> Result<Option<Object>, Error> {
    let row = tx.optional(&BY_NAME_WITH_BODY, &[&calendar.home_id, &calendar.id, &name]).await?;
    row.as_ref().map(read_whole).transpose()
}

/// What a PUT of that name and UID meets.
pub async fn before_put(tx: &Tx, calendar: &Calendar, name: &str, uid: &str) -> Result<Before, Error> {
    let row = tx.row(&BEFORE_PUT, &[&calendar.home_id, &calendar.id, &name, &uid]).await?;
    let there: Option<i64> = row.at("id")?;
    let object = match there {
        Some(_) => Some((read(&row)?, row.at("times")?)),
        None => None,
    };
    Ok(Before { object, twin: row.at("twin")? })
}

/// The objects of these names and those of these UIDs, each with the fingerprint of its times; the calendar is locked.
pub async fn standing(
    tx: &Tx,
    calendar: &Calendar,
    names: &[&str],
    uids: &[&str],
) -> Result<Vec<(Object, i64)>, Error> {
    let rows = tx.rows(&STANDING, &[&calendar.home_id, &calendar.id, &names, &uids]).await?;
    rows.iter().map(|row| Ok((read(row)?, row.at("times")?))).collect()
}

/// How many objects there are in these collections, by number: each is told by the home that it is kept in, its number, and whether
/// private ones count.
pub async fn counts(pool: &Pool, of: &[(i64, i64, bool)]) -> Result<HashMap<i64, i64>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = of.iter().map(|(home, id, _)| (*home, *id)).unzip();
    let private: Vec<bool> = of.iter().map(|(.., private)| *private).collect();
    let rows = pool.rows(&COUNTS, &[&homes, &ids, &private]).await?;
    rows.iter().map(|row| Ok((row.at("calendar_id")?, row.at("number")?))).collect()
}

/// How many objects the calendar has.
pub async fn count(tx: &Tx, calendar: &Calendar) -> Result<i64, Error> {
    tx.row(&COUNT, &[&calendar.home_id, &calendar.id]).await?.at(0)
}

/// What an object has in the index, as a statement takes it.
pub(super) struct Columns<'a> {
    pub starts: Vec<i64>,
    pub ends: Vec<i64>,
    pub floating: Vec<bool>,
    pub busy: Vec<i16>,
    pub pattern: Option<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub fn of(index: &'a Index) -> Self {
        let rows = &index.instances;
        Self {
            starts: rows.iter().map(|row| row.starts).collect(),
            ends: rows.iter().map(|row| row.ends).collect(),
            floating: rows.iter().map(|row| row.floating).collect(),
            busy: rows.iter().map(|row| row.busy.code()).collect(),
            pattern: index.pattern.as_deref().map(str::as_bytes),
        }
    }
}

/// Stores an object in place of `before`, the calendar being locked; its rows in the index are written only where its
/// times are other than those of `before`.
pub async fn put(
    tx: &Tx,
    calendar: &Calendar,
    put: &Put,
    before: &Before,
    author: &Author,
) -> Result<(), Error> {
    let columns = Columns::of(&put.index);
    let replaced = before.object.as_ref().map(|(object, _)| object.id);
    let changed = before.object.as_ref().is_none_or(|(_, times)| *times != put.times);
    let component = Components::default().with(put.component).bits();
    tx.execute(
        &PUT,
        &[
            &calendar.home_id,
            &calendar.id,
            &put.name,
            &put.uid,
            &component,
            &put.etag,
            &&put.body[..],
            &put.times,
            &put.index.tail,
            &changed,
            &replaced,
            &columns.starts,
            &columns.ends,
            &columns.floating,
            &columns.busy,
            &columns.pattern,
            &put.index.horizon,
            &before.octets(),
            &author.principal_id,
            &author.client,
            &author.keep.folded(),
            &put.access,
        ],
    )
    .await?;
    history::bound(tx, calendar, author.keep).await
}

/// Deletes an object and leaves a tombstone, the calendar being locked; what it was lies in the trash, if there is one.
pub async fn delete(tx: &Tx, calendar: &Calendar, object: i64, author: &Author) -> Result<(), Error> {
    let (who, keep) = ((&author.principal_id, &author.client), author.keep);
    let params: Params<'_> =
        &[&calendar.home_id, &calendar.id, &object, who.0, who.1, &keep.anything(), &keep.trash];
    tx.execute(&DELETE, params).await?;
    history::bound(tx, calendar, keep).await
}

/// Which objects a query may find: what the index can say, the rest is the query's own.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// The kinds of components.
    pub kinds: Components,
    /// With an instance in this window of seconds, or floating and in that one: the same window on the wall clock of
    /// whoever asks.
    pub window: Option<(Range<i64>, Range<i64>)>,
    /// With this in the UID, in any case of letters.
    pub uid: Option<String>,
    /// What comes along. An object whose recurrence goes on where the index ends comes with its octets anyway, or with its
    /// pattern.
    pub with: With,
}

/// The candidates of a query, as they come.
pub async fn candidates(pool: &Pool, calendar: &Calendar, of: &Candidates) -> Result<Rows<'static>, Error> {
    let kinds: Vec<i16> = of.kinds.iter().map(|kind| Components::default().with(kind).bits()).collect();
    let (home, id) = (&calendar.home_id, &calendar.id);
    match &of.window {
        Some((at, floating)) => {
            let spans = (&at.start, &at.end, &floating.start, &floating.end);
            let params: Params<'_> =
                &[home, id, spans.0, spans.1, spans.2, spans.3, &kinds, &of.with.body, &of.with.stored];
            pool.stream(&BETWEEN, params).await
        }
        None => pool.stream(&MATCHING, &[home, id, &kinds, &of.uid, &of.with.body, &of.with.stored]).await,
    }
}

/// What a query may have found.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The object.
    pub object: Object,
    /// Whether its recurrence goes on where the index ends: then only its octets tell whether it was found.
    pub open: bool,
    /// Of an open one: an object that happens when it does, if there is one.
    pub pattern: Option<Bytes>,
}

/// The candidate of a row.
pub fn read_candidate(row: &Row) -> Result<Candidate, Error> {
    let octets = |column| row.at(column).map(|octets: Option<&[u8]>| octets.map(Bytes::copy_from_slice));
    let object = Object { body: octets("body")?, ..read(row)? };
    Ok(Candidate { object, open: row.at("open")?, pattern: octets("pattern")? })
}

/// Time that is not free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// This span.
    Span(Instance),
    /// What the object of these octets says.
    Octets(Bytes),
}

/// When time is not free in a window, and in that of floating time, as [`Candidates::window`] has them; in any order.
pub async fn taken(
    pool: &Pool,
    calendar: &Calendar,
    (at, floating): (&Range<i64>, &Range<i64>),
) -> Result<Rows<'static>, Error> {
    let (home, id) = (&calendar.home_id, &calendar.id);
    pool.stream(&BUSY, &[home, id, &at.start, &at.end, &floating.start, &floating.end]).await
}

/// The taken time of a row; by the places of its columns, for the rows are many.
pub fn read_taken(row: &Row) -> Result<Taken, Error> {
    if let Some(octets) = row.at::<Option<&[u8]>>(4)? {
        return Ok(Taken::Octets(Bytes::copy_from_slice(octets)));
    }
    let busy = Busy::from_code(row.at(3)?);
    Ok(Taken::Span(Instance { starts: row.at(0)?, ends: row.at(1)?, floating: row.at(2)?, busy }))
}

/// The object of a row that has its octets.
pub fn read_whole(row: &Row) -> Result<Object, Error> {
    let body: &[u8] = row.at("body")?;
    Ok(Object { body: Some(Bytes::copy_from_slice(body)), ..read(row)? })
}

/// The name, the entity tag and the octets of an object, and which state of which it is.
fn read_tagged_body(row: &Row) -> Result<Object, Error> {
    let body: &[u8] = row.at(2)?;
    let body = Some(Bytes::copy_from_slice(body));
    Ok(Object { id: row.at(3)?, revision: row.at(4)?, body, ..read_tag(row)? })
}

/// The name and the entity tag of an object, and nothing else.
pub(super) fn read_tag(row: &Row) -> Result<Object, Error> {
    Ok(Object {
        id: 0,
        name: row.at(0)?,
        uid: String::new(),
        component: Components::default(),
        etag: row.at(1)?,
        revision: 0,
        size: 0,
        created: UNIX_EPOCH,
        modified: UNIX_EPOCH,
        body: None,
        cut: false,
    })
}

/// The object of a row, without its octets.
pub fn read(row: &Row) -> Result<Object, Error> {
    Ok(Object {
        id: row.at("id")?,
        name: row.at("name")?,
        uid: row.at("uid")?,
        component: Components::from_bits(row.at("component")?),
        etag: row.at("etag")?,
        revision: row.at("revision")?,
        size: row.at("size")?,
        created: row.at("created")?,
        modified: row.at("modified")?,
        body: None,
        cut: false,
    })
}
