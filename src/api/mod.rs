//! The REST room: calendars, people and shares as JSON, beside CalDAV and never past it: what CalDAV knows is asked of it over
//! HTTP, in the name of who is asking.
//!
//! [`service`] has the table of routes and the road of a request; each file beside it is a subject.

pub mod account;
pub mod caldav;
pub mod calendars;
pub mod check;
pub mod edit;
pub mod error;
pub mod export;
pub mod feeds;
pub mod form;
pub mod import;
pub mod input;
pub mod links;
pub mod manual;
pub mod openapi;
pub mod page;
pub mod passwords;
pub mod records;
pub mod route;
pub mod schema;
pub mod service;
pub mod shares;
pub mod site;
pub mod spelled;
pub mod spool;
pub mod store;
pub mod throttle;
pub mod trash;
pub mod users;
pub mod when;
pub mod zip;
