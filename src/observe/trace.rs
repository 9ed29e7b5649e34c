//! Traces: what the rooms tell of a request and its statements. `gather` puts it together, `export` hands it to a collector.
//!
//! It is told as events and spans of `tracing` under one target. Where traces are off nothing listens to that target,
//! and telling costs one look at a number; no field is made into text. `db` tells its statements by the target's name.

use std::time::Instant;

use tracing::{Level, Span};

/// The target of all that is told for traces.
pub(super) const TARGET: &str = "kalends::trace";

/// Whether anybody gathers traces.
#[must_use]
pub fn is_on() -> bool {
    tracing::enabled!(target: TARGET, Level::TRACE)
}

/// What is known of a request when it begins.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// The method, or "other".
    pub method: &'static str,
    /// Its id in the log.
    pub id: &'a str,
    /// Whose it is; told on only where the settings say so.
    pub user: &'a str,
    /// When its headers were there.
    pub started: Instant,
    /// `traceparent`, where the peer is believed.
    pub parent: Option<&'a str>,
    /// `tracestate` beside it.
    pub state: &'a str,
}

impl Beginning<'_> {
    /// The request of this span begins.
    pub fn tell(&self, span: &Span) {
        let method = if self.method == "other" { "_OTHER" } else { self.method };
        let age = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or_default();
        tracing::event!(
            target: TARGET, parent: span, Level::TRACE, http.request.method = method, kalends.request.id = self.id,
            user.name = self.user, traceparent = self.parent, tracestate = self.state, age
        );
    }
}

/// The request is for a resource of this kind.
pub fn kind(kind: &'static str) {
    tracing::event!(target: TARGET, Level::TRACE, http.route = kind);
}

/// The request asks for this report.
pub fn report(report: &'static str) {
    tracing::event!(target: TARGET, Level::TRACE, kalends.report = report);
}

/// This precondition refused the request.
pub fn refused(condition: &'static str) {
    tracing::event!(target: TARGET, Level::TRACE, kalends.condition = condition);
}

/// The request of this span is over: with a status if there was an answer, whole or not, of so many bytes.
pub fn answered(span: &Span, status: Option<u16>, whole: bool, bytes: u64) {
    let fault = match status {
        None => Some("client_gone"),
        Some(_) if !whole => Some("cut_off"),
        Some(500..) => Some("server_fault"),
        Some(_) => None,
    };
    tracing::event!(
        target: TARGET, parent: span, Level::TRACE, http.response.status_code = status,
        http.response.body.size = bytes, "error.type" = fault
    );
}
