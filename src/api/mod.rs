//! The REST room: calendars, people and shares as JSON, beside CalDAV and never past it: what CalDAV knows is asked of it over
//! HTTP, in the name of who is asking.
//!
//! [`service`] has the table of routes and the road of a request; each file beside it is a subject.

pub mod caldav;
pub mod calendars;
pub mod check;
pub mod error;
pub mod input;
pub mod manual;
pub mod openapi;
pub mod page;
pub mod passwords;
pub mod route;
pub mod schema;
pub mod service;
pub mod shares;
pub mod site;
pub mod store;
pub mod throttle;
pub mod users;
