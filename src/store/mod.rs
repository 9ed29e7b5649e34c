//! What the CalDAV side asks of PostgreSQL: each file here is the twin of one file in sql/caldav.

pub mod ace;
pub mod audit;
pub mod calendar;
pub mod change;
pub mod index;
pub mod lock;
pub mod notification;
pub mod object;
pub mod principal;
pub mod property;
pub mod transfer;

pub use ace::{Ace, Grantee, Viewer};
pub use calendar::{Calendar, Held, Home};
pub use notification::Notification;
pub use object::{Object, Put};
pub use principal::{Known, Principal};
pub use property::{Property, Subject};

use crate::db::Query;

/// Every statement, file by file, for the tests that prepare them all.
pub const ALL: &[(&str, &[Query])] = &[
    ("principal", principal::ALL),
    ("calendar", calendar::ALL),
    ("object", object::ALL),
    ("change", change::ALL),
    ("index", index::ALL),
    ("property", property::ALL),
    ("transfer", transfer::ALL),
    ("lock", lock::ALL),
    ("notification", notification::ALL),
    ("ace", ace::ALL),
    ("audit", audit::ALL),
];
