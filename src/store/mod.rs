//! What the CalDAV side asks of PostgreSQL: each file here is the twin of one file in sql/caldav.

pub mod ace;
pub mod audit;
pub mod calendar;
pub mod change;
pub mod erasure;
pub mod handover;
pub mod history;
pub mod index;
pub mod invite;
pub mod lock;
pub mod notification;
pub mod object;
pub mod personal;
pub mod principal;
pub mod property;
pub mod share;
pub mod transfer;
pub mod watch;

pub use ace::{Ace, Grantee, Viewer};
pub use calendar::{Calendar, Held, Home};
pub use history::Author;
pub use invite::{Answer, Guest, Invite, Sharee};
pub use notification::Notification;
pub use object::{Object, Put};
pub use personal::Lens;
pub use principal::{Known, Principal};
pub use property::{Property, Subject};
pub use share::{Bound, Origin};

use std::{collections::HashMap, hash::Hash};

use crate::db::{Error, Query, Row};

/// Every statement, file by file, for the tests that prepare them all.
pub const ALL: &[(&str, &[Query])] = &[
    ("principal", principal::ALL),
    ("calendar", calendar::ALL),
    ("object", object::ALL),
    ("personal", personal::ALL),
    ("change", change::ALL),
    ("erasure", erasure::ALL),
    ("history", history::ALL),
    ("index", index::ALL),
    ("property", property::ALL),
    ("transfer", transfer::ALL),
    ("watch", watch::ALL),
    ("lock", lock::ALL),
    ("notification", notification::ALL),
    ("ace", ace::ALL),
    ("audit", audit::ALL),
    ("share", share::ALL),
    ("handover", handover::ALL),
    ("invite", invite::ALL),
];

/// What `read` makes of rows about many things, gathered by what each is about.
fn grouped<K: Eq + Hash, T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<(K, T), Error>,
) -> Result<HashMap<K, Vec<T>>, Error> {
    let mut groups: HashMap<K, Vec<T>> = HashMap::new();
    for row in rows {
        let (key, thing) = read(row)?;
        groups.entry(key).or_default().push(thing);
    }
    Ok(groups)
}
