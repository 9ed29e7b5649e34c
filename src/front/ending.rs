//! How a connection comes to its end when the server stops, so that no request is lost on it.
//!
//! Closing a connection races with whoever writes to it at that moment. So first every answer says `Connection: close`,
//! which ends the connections in use; then the reading side of idle ones is shut, which fails later writers before they
//! have sent anything (over a Unix socket) and still lets what was written before be read and answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// The state of one connection that its socket, its requests and the server share.
#[derive(Debug, Default)]
pub(super) struct Ending {
    requests: AtomicUsize,
    announced: AtomicBool,
    due: AtomicBool,
    http2: AtomicBool,
}

impl Ending {
    /// From now on answers tell that the connection ends.
    pub(super) fn announce(&self) {
        self.announced.store(true, SeqCst);
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced.load(SeqCst)
    }

    /// From now on the connection ends as soon as it has no request.
    pub(super) fn let_go(&self) {
        self.due.store(true, SeqCst);
    }

    /// Whether nothing more shall be read than what is there already.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(SeqCst) && self.requests.load(SeqCst) == 0
    }

    /// It has turned out to speak HTTP/2, which has a way of its own to end.
    pub(super) fn speaks_http2(&self) {
        self.http2.store(true, SeqCst);
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(SeqCst)
    }

    /// A request has begun; it lasts as long as what is given back.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, SeqCst);
        InFlight(Arc::clone(self))
    }
}

/// A request of the connection whose answer is not out.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Ending>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, SeqCst);
    }
}
