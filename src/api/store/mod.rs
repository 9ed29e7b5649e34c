//! What the REST service asks of its own schema; each file is the twin of one under sql/api.

pub mod feed;
pub mod follow;
pub mod password;
pub mod person;

use crate::db::Query;

/// Every statement, file by file, for the tests that prepare them all.
pub const ALL: &[(&str, &[Query])] =
    &[("feed", feed::ALL), ("follow", follow::ALL), ("password", password::ALL), ("person", person::ALL)];
