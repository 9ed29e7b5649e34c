//! RFC 4791 and the service: the registry of all tables, the road of a request, and what is CalDAV's own.

pub mod changes;
pub mod erase;
pub mod everywhere;
mod export;
mod form;
mod freebusy;
pub mod fullness;
mod get;
pub mod import;
pub mod index;
mod info;
pub mod limits;
pub mod listing;
pub mod membership;
mod mkcalendar;
mod parsed;
mod post;
mod props;
mod provision;
mod put;
pub mod quarantine;
pub mod registry;
mod reports;
pub mod restore;
mod seen;
pub mod service;
mod storing;
mod theirs;
mod timezones;
mod told;
mod transfer;
mod trash;

use crate::{
    dav::{Target, target},
    store::Principal,
};

pub use provision::{found, meet};
pub use reports::{BUDGET, filter};

pub use crate::dav::author::{days, keep};

/// What names a person in the texts of others: the path of their principal, as URLs spell it or as it is, and the address.
#[must_use]
pub fn marks(who: &Principal) -> Vec<String> {
    let path = target::href("/", &Target::Principal(who.name.clone()));
    let mut marks = vec![format!("/principals/{}/", who.name), path];
    marks.extend(who.email.clone());
    marks
}

/// A time as RFC 3339 has it, in UTC, to the second.
#[must_use]
pub fn stamp(time: std::time::SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
