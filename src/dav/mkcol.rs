//! Making collections: what MKCALENDAR and extended MKCOL have in common (RFC 5689 §3, RFC 4791 §5.3.1).

use crate::{
    front::{Response, Status, header},
    xml::{Name, Writer},
};

use super::{
    error::XML,
    proppatch::{Order, report},
};

/// The answer to a request that made a collection.
#[must_use]
pub fn made() -> Response {
    Response::new(Status::CREATED).with(header::CACHE_CONTROL, "no-cache")
}

/// The answer to a request of whose properties some cannot be set: nothing was made (RFC 5689 §3, RFC 4791 §5.3.1.2).
#[must_use]
pub fn refused(root: Name, orders: &[Order]) -> Response {
    let mut w = Writer::new(root);
    report(orders, &mut w);
    Response::new(Status::FORBIDDEN).body(XML, w.finish())
}
