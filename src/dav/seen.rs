//! What a viewer sees of the members of a collection that is not theirs: some are not there for them, of some there is less,
//! and some have other octets (docs/decisions/0026). What it is that they see, the table says.

use crate::{
    db::{Row, Rows, Tx},
    model::{Kind, Privilege, Privileges},
    store::{
        self, Calendar, Lens, Object, change,
        object::{self, Candidates, Which, With},
        personal::{self, Beside},
    },
};

use super::{Cx, Result};

/// What somebody sees of an object who does not own it; none where it is not there for them. An object without its octets has
/// nothing that would not be for everybody.
pub type Seen = fn(Lens, Object, &Beside) -> Option<Object>;

/// A name, as a viewer sees it.
#[derive(Clone, Debug)]
pub enum Sight {
    /// There is nothing of it.
    Nothing,
    /// What is there is not for the viewer to know of.
    Hidden,
    /// This is there.
    There(Object),
}

impl Sight {
    /// What is there, as far as the viewer may know.
    #[must_use]
    pub fn object(self) -> Option<Object> {
        match self {
            Self::There(object) => Some(object),
            Self::Nothing | Self::Hidden => None,
        }
    }
}

/// How the viewer sees what is in a collection.
#[must_use]
pub fn of(cx: &Cx, calendar: &Calendar) -> Lens {
    let lens = lens(cx, calendar.home_id, calendar.rights);
    // What somebody is told is for them alone, whatever the settings say of objects (docs/decisions/0030).
    Lens { private: lens.private && (lens.own || calendar.kind != Kind::Notifications), ..lens }
}

/// How the viewer, who has these rights, sees what is kept in that home.
#[must_use]
pub fn lens(cx: &Cx, home_id: i64, rights: Privileges) -> Lens {
    // Who reads everything, as a backup does, and writes nothing, reads it as it lies there.
    let writes = rights.has(Privilege::Bind) || rights.has(Privilege::WriteContent);
    let own = cx.viewer.owns(home_id) || (cx.viewer.reader && !writes);
    let private = own || !cx.settings.privacy.objects || rights.has(Privilege::ReadPrivate);
    Lens { viewer: cx.viewer.principal.id, own, private }
}

/// What the viewer sees of an object that is there.
#[must_use]
pub fn through(cx: &Cx, lens: Lens, object: Object, beside: &Beside) -> Option<Object> {
    if lens.own { Some(object) } else { (cx.tables.seen)(lens, object, beside) }
}

/// What the viewer sees of the object of a row.
pub fn of_row(cx: &Cx, lens: Lens, object: Object, row: &Row) -> Result<Option<Object>> {
    if lens.own { Ok(Some(object)) } else { Ok(through(cx, lens, object, &Beside::of(row)?)) }
}

/// What the viewer sees under a name; with its octets, if they are asked for.
pub async fn named(cx: &Cx, calendar: &Calendar, name: &str, body: bool) -> Result<Option<Object>> {
    let lens = of(cx, calendar);
    if lens.own {
        return Ok(object::by_name(&cx.pool, calendar, name, body).await?);
    }
    let found = personal::by_name(&cx.pool, calendar, lens.viewer, name).await?;
    Ok(found.and_then(|(object, beside)| through(cx, lens, object, &beside)))
}

/// What the viewer sees under a name, the calendar being locked.
pub async fn named_in(cx: &Cx, tx: &Tx, calendar: &Calendar, name: &str) -> Result<Sight> {
    let lens = of(cx, calendar);
    if lens.own {
        let found = object::by_name_in(tx, calendar, name).await?;
        return Ok(found.map_or(Sight::Nothing, Sight::There));
    }
    whole_in(cx, tx, calendar, name).await
}

/// The same, with its octets.
pub async fn whole_in(cx: &Cx, tx: &Tx, calendar: &Calendar, name: &str) -> Result<Sight> {
    let lens = of(cx, calendar);
    if lens.own {
        return Ok(object::whole_in(tx, calendar, name).await?.map_or(Sight::Nothing, Sight::There));
    }
    let Some((object, beside)) = personal::by_name_in(tx, calendar, lens.viewer, name).await? else {
        return Ok(Sight::Nothing);
    };
    Ok(through(cx, lens, object, &beside).map_or(Sight::Hidden, Sight::There))
}

/// The rows of the members of a collection, and how they are read.
pub async fn members(
    cx: &Cx,
    calendar: &Calendar,
    which: Which<'_>,
    with: &With,
) -> Result<(Rows<'static>, object::Read)> {
    let lens = of(cx, calendar);
    if !lens.own {
        return Ok((personal::stream(&cx.pool, calendar, lens, which, with).await?, personal::read));
    }
    if with.brief {
        return Ok(object::brief(&cx.pool, calendar, which, with).await?);
    }
    let rows = object::stream(&cx.pool, calendar, which, with).await?;
    Ok((rows, if with.body { object::read_whole } else { object::read }))
}

/// The rows of those that a query may find.
pub async fn candidates(cx: &Cx, calendar: &Calendar, which: &Candidates) -> Result<Rows<'static>> {
    let lens = of(cx, calendar);
    if lens.own {
        return Ok(store::object::candidates(&cx.pool, calendar, which).await?);
    }
    Ok(personal::candidates(&cx.pool, calendar, lens, which).await?)
}

/// The rows of what changed since a revision.
pub async fn since(
    cx: &Cx,
    calendar: &Calendar,
    since: (i64, i64),
    with: &With,
) -> Result<(Rows<'static>, change::Read)> {
    let lens = of(cx, calendar);
    if lens.own {
        return Ok(change::since(&cx.pool, calendar, since.0, since.1, with).await?);
    }
    Ok((personal::since(&cx.pool, calendar, lens, since, with).await?, |row| change::read(row, true)))
}

/// The rows of what changed in several collections, each since a revision of its own.
pub async fn since_in(
    cx: &Cx,
    seen: &[((i64, i64), i64, Lens)],
    limit: i64,
    with: &With,
) -> Result<Rows<'static>> {
    if seen.iter().all(|(.., lens)| lens.own) {
        let seen: Vec<((i64, i64), i64)> =
            seen.iter().map(|(kept, revision, _)| (*kept, *revision)).collect();
        return Ok(change::since_in(&cx.pool, &seen, limit, with).await?);
    }
    Ok(personal::since_in(&cx.pool, seen, limit, with).await?)
}
