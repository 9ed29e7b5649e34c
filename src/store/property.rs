//! Properties that are kept as they were sent. The twin of sql/caldav/property.sql.

use std::collections::HashMap;

use crate::{
    db::{Error, Pool, Row, Tx},
    xml::QName,
};

use super::{Calendar, grouped};

crate::queries!("caldav/property.sql":
    OF = "of",
    OF_CALENDARS = "of_calendars",
    SET = "set",
    REMOVE = "remove",
    SIZE = "size",
    SIZE_OF_HOME = "size_of_home",
);

/// What a property belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The home it is kept in.
    pub home_id: i64,
    /// The calendar's number, 0 for the home itself, -1 for the principal.
    pub calendar_id: i64,
    /// The object's number, 0 for the collection itself.
    pub object_id: i64,
}

impl Subject {
    /// The principal of that number.
    #[must_use]
    pub const fn principal(id: i64) -> Self {
        Self { home_id: id, calendar_id: -1, object_id: 0 }
    }

    /// The home of that number.
    #[must_use]
    pub const fn home(home_id: i64) -> Self {
        Self { home_id, calendar_id: 0, object_id: 0 }
    }

    /// A collection in the home that it is kept in.
    #[must_use]
    pub const fn calendar(calendar: &Calendar) -> Self {
        Self { home_id: calendar.home_id, calendar_id: calendar.id, object_id: 0 }
    }

    /// What the home keeps of a collection that is seen in it: its own, or what the viewer says of somebody else's.
    #[must_use]
    pub fn seen(calendar: &Calendar) -> Self {
        Self { home_id: calendar.seen_in(), ..Self::calendar(calendar) }
    }

    /// A member of a collection.
    #[must_use]
    pub const fn object(calendar: &Calendar, object_id: i64) -> Self {
        Self { object_id, ..Self::calendar(calendar) }
    }
}

/// A stored property: its name, and the whole element as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: QName,
    /// The element, with all that it needs to stand by itself.
    pub value: String,
}

/// Which stored properties come along with the rows of a statement about many objects: none at all; all, where the list is
/// empty; or those of these [keys](key).
pub type Wanted = Option<Vec<String>>;

/// What stands between the parts of a stored property in a row: no text of an XML document has it.
const SEPARATOR: char = '\u{1}';

/// A property as [`Wanted`] names it.
#[must_use]
pub fn key(name: &QName) -> String {
    format!("{}{SEPARATOR}{}", name.ns, name.local)
}

/// The stored properties that came along with a row.
pub fn along(row: &Row) -> Result<Vec<Property>, Error> {
    let stored: Option<Vec<&str>> = row.at("stored")?;
    let read = |text: &str| {
        let mut parts = text.splitn(3, SEPARATOR);
        let mut next = || parts.next().unwrap_or_default();
        Property { name: QName::new(next(), next()), value: next().to_owned() }
    };
    Ok(stored.unwrap_or_default().into_iter().map(read).collect())
}

/// The stored properties of one resource.
pub async fn of(pool: &Pool, subject: Subject) -> Result<Vec<Property>, Error> {
    let rows = pool.rows(&OF, &[&subject.home_id, &subject.calendar_id, &subject.object_id]).await?;
    rows.iter().map(read).collect()
}

/// The same, in a transaction.
pub async fn of_in(tx: &Tx, subject: Subject) -> Result<Vec<Property>, Error> {
    let rows = tx.rows(&OF, &[&subject.home_id, &subject.calendar_id, &subject.object_id]).await?;
    rows.iter().map(read).collect()
}

/// The stored properties of collections, each told by the home that keeps them and its number; by both.
pub async fn of_calendars(
    pool: &Pool,
    of: &[(i64, i64)],
) -> Result<HashMap<(i64, i64), Vec<Property>>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = of.iter().copied().unzip();
    let rows = pool.rows(&OF_CALENDARS, &[&homes, &ids]).await?;
    let mut kept = grouped(&rows, |row| Ok(((row.at("home_id")?, row.at("calendar_id")?), read(row)?)))?;
    // Many short lists, which the index gives in this order anyway.
    for properties in kept.values_mut() {
        properties.sort_by(|one: &Property, other| one.name.cmp(&other.name));
    }
    Ok(kept)
}

/// Sets properties.
pub async fn set(tx: &Tx, subject: Subject, properties: &[Property]) -> Result<(), Error> {
    let namespaces: Vec<&str> = properties.iter().map(|p| &*p.name.ns).collect();
    let locals: Vec<&str> = properties.iter().map(|p| &*p.name.local).collect();
    let values: Vec<&str> = properties.iter().map(|p| &*p.value).collect();
    let Subject { home_id, calendar_id, object_id } = subject;
    tx.execute(&SET, &[&home_id, &calendar_id, &object_id, &namespaces, &locals, &values]).await.map(drop)
}

/// Removes properties; those that are not there are no matter.
pub async fn remove(tx: &Tx, subject: Subject, names: &[QName]) -> Result<(), Error> {
    let namespaces: Vec<&str> = names.iter().map(|n| &*n.ns).collect();
    let locals: Vec<&str> = names.iter().map(|n| &*n.local).collect();
    let Subject { home_id, calendar_id, object_id } = subject;
    tx.execute(&REMOVE, &[&home_id, &calendar_id, &object_id, &namespaces, &locals]).await.map(drop)
}

/// How many properties a resource has, and how many octets they take.
pub async fn size(tx: &Tx, subject: Subject) -> Result<(i64, i64), Error> {
    let row = tx.row(&SIZE, &[&subject.home_id, &subject.calendar_id, &subject.object_id]).await?;
    Ok((row.at("number")?, row.at("octets")?))
}

/// How many octets all properties of a home take.
pub async fn size_of_home(tx: &Tx, home_id: i64) -> Result<i64, Error> {
    tx.row(&SIZE_OF_HOME, &[&home_id]).await?.at(0)
}

fn read(row: &Row) -> Result<Property, Error> {
    let (namespace, local): (&str, &str) = (row.at("namespace")?, row.at("local")?);
    Ok(Property { name: QName::new(namespace, local), value: row.at("value")? })
}
