//! kalends, a lean CalDAV server. The rooms, lowest first: a room may use only rooms that stand before it here
//! (tests/rooms.rs holds the exact drawing; docs/architecture.md tells the story).

pub mod config;
pub mod observe;

pub mod model;
pub mod xml;

pub mod db;
pub mod front;
pub mod ical;

pub mod store;

pub mod share;

pub mod dav;

pub mod caldav;

pub mod api;

pub mod cluster;
pub mod probe;

pub mod boot;
