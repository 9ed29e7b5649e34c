//! The answers of the methods that make collections (RFC 5689 §3, RFC 4791 §5.3.1).

use crate::{
    front::{Response, Status, header},
    xml::{Name, Writer},
};

use super::{
    error::XML,
    header::Prefer,
    multistatus::Multistatus,
    proppatch::{Order, report},
};

/// The answer to a request that made a collection; there is nothing in it that could be left out (RFC 8144 §2.3).
#[must_use]
pub fn made(prefer: Prefer) -> Response {
    prefer.with_root().told(Response::new(Status::CREATED).with(header::CACHE_CONTROL, "no-cache"))
}

/// The answer to an extended MKCOL of whose properties some cannot be set: nothing was made (RFC 5689 §3).
#[must_use]
pub fn not_made(orders: &[Order]) -> Response {
    let mut w = Writer::new(Name::dav("mkcol-response"));
    report(orders, &mut w);
    Response::new(Status::FORBIDDEN).body(XML, w.finish())
}

/// The answer to such a MKCALENDAR (RFC 4791 §5.3.1.1).
#[must_use]
pub fn calendar_not_made(href: &str, orders: &[Order]) -> Response {
    let mut answer = Multistatus::new(Prefer::default());
    answer.other(href, |w| report(orders, w));
    answer.finish()
}
