//! Objects as somebody sees them who does not own them, and what they keep of their own. The twin of sql/caldav/personal.sql.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    db::{Error, Params, Pool, Row, Rows, Tx},
    model::Components,
};

use super::{
    Calendar, Object,
    object::{self, Candidates, Which, With},
};

crate::queries!("caldav/personal.sql":
    ALL_OF_CALENDAR = "all",
    BY_NAMES = "by_names",
    BY_NAME = "by_name",
    FIRST = "first",
    SINCE = "since",
    SINCE_IN = "since_in",
    BETWEEN = "between",
    BUSY = "busy",
    MATCHING = "matching",
    TOUCH = "touch",
    KEEP = "keep",
    FORGET = "forget",
);

/// How a viewer sees what is in a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lens {
    /// Whose eyes these are.
    pub viewer: i64,
    /// Whether it is all as it lies there: the collection is the viewer's own.
    pub own: bool,
    /// Whether what is private is seen as well.
    pub private: bool,
}

/// What of an object depends on who looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Who may see it besides its owner: the number of [`crate::ical::Access`], and [`OWN`]; none where that is not known.
    pub access: Option<i16>,
    /// What the viewer keeps of their own.
    pub personal: Option<Bytes>,
}

/// The bit of an object that holds what is its owner's own.
pub const OWN: i16 = 4;

impl Beside {
    /// That of a row.
    pub fn of(row: &Row) -> Result<Self, Error> {
        let personal: Option<&[u8]> = row.at("personal")?;
        Ok(Self { access: row.at("access")?, personal: personal.map(Bytes::copy_from_slice) })
    }
}

/// The object of a row of these statements, with its octets where they are there.
pub fn read(row: &Row) -> Result<Object, Error> {
    let body: Option<&[u8]> = row.at("body")?;
    Ok(Object { body: body.map(Bytes::copy_from_slice), ..object::read(row)? })
}

/// The objects of a calendar, as they come.
pub async fn stream(
    pool: &Pool,
    calendar: &Calendar,
    lens: Lens,
    which: Which<'_>,
    with: &With,
) -> Result<Rows<'static>, Error> {
    let (home, id) = (&calendar.home_id, &calendar.id);
    match which {
        Which::All => {
            pool.stream(&ALL_OF_CALENDAR, &[home, id, &with.stored, &lens.viewer, &with.body]).await
        }
        Which::Named(names) => {
            pool.stream(&BY_NAMES, &[home, id, &with.stored, &lens.viewer, &with.body, &names]).await
        }
    }
}

/// The object of that name, and what of it depends on the viewer.
pub async fn by_name(
    pool: &Pool,
    calendar: &Calendar,
    viewer: i64,
    name: &str,
) -> Result<Option<(Object, Beside)>, Error> {
    let row = pool.optional(&BY_NAME, &[&calendar.home_id, &calendar.id, &name, &viewer]).await?;
    row.map(|row| Ok((read(&row)?, Beside::of(&row)?))).transpose()
}

/// The same, the calendar being locked.
pub async fn by_name_in(
    tx: &Tx,
    calendar: &Calendar,
    viewer: i64,
    name: &str,
) -> Result<Option<(Object, Beside)>, Error> {
    let row = tx.optional(&BY_NAME, &[&calendar.home_id, &calendar.id, &name, &viewer]).await?;
    row.map(|row| Ok((read(&row)?, Beside::of(&row)?))).transpose()
}

/// When the time of the owner of the home that a calendar is seen in is not free, as [`object::taken`] has it.
pub async fn taken(
    pool: &Pool,
    calendar: &Calendar,
    (at, floating): (&Range<i64>, &Range<i64>),
) -> Result<Rows<'static>, Error> {
    let (home, id, who) = (&calendar.home_id, &calendar.id, calendar.seen_in());
    pool.stream(&BUSY, &[home, id, &at.start, &at.end, &floating.start, &floating.end, &who]).await
}

/// What the viewer keeps of the object whose octets are in such a row.
pub fn beside_taken(row: &Row) -> Result<Option<Bytes>, Error> {
    let personal: Option<&[u8]> = row.at(5)?;
    Ok(personal.map(Bytes::copy_from_slice))
}

/// The first `most` objects of these collections, each told by the home that it is kept in and its number; each with that.
pub async fn first(
    pool: &Pool,
    of: &[(i64, i64)],
    viewer: i64,
    most: i64,
) -> Result<Vec<(i64, Object, Beside)>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = of.iter().copied().unzip();
    let rows = pool.rows(&FIRST, &[&homes, &ids, &most, &viewer]).await?;
    rows.iter().map(|row| Ok((row.at("calendar_id")?, read(row)?, Beside::of(row)?))).collect()
}

/// The changes after `revision`, as [`super::change::since`] has them.
pub async fn since(
    pool: &Pool,
    calendar: &Calendar,
    lens: Lens,
    (revision, limit): (i64, i64),
    with: &With,
) -> Result<Rows<'static>, Error> {
    let (home, id) = (&calendar.home_id, &calendar.id);
    let who: (&i64, &bool) = (&lens.viewer, &lens.private);
    let params: Params<'_> = &[home, id, &revision, &limit, &with.stored, who.0, who.1, &with.body];
    pool.stream(&SINCE, params).await
}

/// The changes in several collections, as [`super::change::since_in`] has them, each seen in its own way.
pub async fn since_in(
    pool: &Pool,
    seen: &[((i64, i64), i64, Lens)],
    limit: i64,
    with: &With,
) -> Result<Rows<'static>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = seen.iter().map(|(kept, ..)| *kept).unzip();
    let revisions: Vec<i64> = seen.iter().map(|(_, revision, _)| *revision).collect();
    let private: Vec<bool> = seen.iter().map(|(.., lens)| lens.private).collect();
    let own: Vec<bool> = seen.iter().map(|(.., lens)| lens.own).collect();
    let viewer = seen.first().map_or(0, |(.., lens)| lens.viewer);
    let params: Params<'_> =
        &[&homes, &ids, &revisions, &limit, &with.stored, &viewer, &private, &with.body, &own];
    pool.stream(&SINCE_IN, params).await
}

/// The candidates of a query, as [`object::candidates`] has them.
pub async fn candidates(
    pool: &Pool,
    calendar: &Calendar,
    lens: Lens,
    of: &Candidates,
) -> Result<Rows<'static>, Error> {
    let kinds: Vec<i16> = of.kinds.iter().map(|kind| Components::default().with(kind).bits()).collect();
    let (home, id, viewer) = (&calendar.home_id, &calendar.id, &lens.viewer);
    let (body, stored) = (&of.with.body, &of.with.stored);
    let Some((at, floating)) = &of.window else {
        let params: Params<'_> = &[home, id, &kinds, &of.uid, body, stored, viewer];
        return pool.stream(&MATCHING, params).await;
    };
    let (starts, ends) = ((&at.start, &floating.start), (&at.end, &floating.end));
    let params: Params<'_> = &[home, id, starts.0, ends.0, starts.1, ends.1, &kinds, body, stored, viewer];
    pool.stream(&BETWEEN, params).await
}

/// Counts a change of what somebody sees of an object, the calendar being locked.
pub async fn touch(tx: &Tx, calendar: &Calendar, object: i64) -> Result<(), Error> {
    tx.execute(&TOUCH, &[&calendar.home_id, &calendar.id, &object]).await.map(drop)
}

/// Keeps of a viewer what is their own of the object of that name, or that it is nothing.
pub async fn keep(
    tx: &Tx,
    calendar: &Calendar,
    name: &str,
    viewer: i64,
    data: Option<&[u8]>,
) -> Result<(), Error> {
    let (home, id) = (&calendar.home_id, &calendar.id);
    match data {
        Some(data) => tx.execute(&KEEP, &[home, id, &name, &viewer, &data]).await.map(drop),
        None => tx.execute(&FORGET, &[home, id, &name, &viewer]).await.map(drop),
    }
}
