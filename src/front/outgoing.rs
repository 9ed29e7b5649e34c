//! An answer on its way out: its body as hyper takes it, and the one log line when it is done.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tracing::Span;

use crate::front::ending::InFlight;
use crate::front::message::{Aborted, Payload};
use crate::observe::{metrics, trace};

/// What is told of a request when its answer is out, cut off, or nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) span: Span,
    pub(super) started: Instant,
    /// The method's label in the metrics.
    pub(super) method: &'static str,
    /// None before there is an answer.
    pub(super) status: Option<u16>,
    pub(super) sent: u64,
    pub(super) whole: bool,
    /// Told only when somebody debugs, and not counted.
    pub(super) quiet: bool,
}

/// The status that stands in the metrics for an answer nobody waited for, as nginx has it.
const CLIENT_GONE: u16 = 499;

impl Drop for Record {
    fn drop(&mut self) {
        let time = self.started.elapsed();
        if !self.quiet {
            metrics::answered(self.method, self.status.unwrap_or(CLIENT_GONE), time);
            trace::answered(&self.span, self.status, self.whole, self.sent);
        }
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let outcome = match (self.status, self.whole) {
            (None, _) => "the client went away",
            (Some(_), false) => "cut off",
            (Some(_), true) => "answered",
        };
        let status = self.status.unwrap_or(CLIENT_GONE);
        self.span.in_scope(|| {
            if self.quiet {
                tracing::debug!(status, ms = milliseconds, bytes = self.sent, "{outcome}");
            } else {
                tracing::info!(status, ms = milliseconds, bytes = self.sent, "{outcome}");
            }
        });
    }
}

/// The body of an answer. It holds its request's place among those in flight until it is done.
#[derive(Debug)]
pub(super) struct Outgoing {
    payload: Payload,
    record: Record,
    _place: Option<Place>,
    in_flight: Option<InFlight>,
}

/// A request's place among those in flight, for as long as it is held.
pub(super) type Place = (OwnedSemaphorePermit, metrics::Live);

impl Outgoing {
    pub(super) fn new(payload: Payload, mut record: Record, place: Option<Place>) -> Self {
        // A HEAD's body is dropped before it is read, and nothing is missing then.
        record.whole = matches!(payload, Payload::Empty) || record.method == "HEAD";
        Self { payload, record, _place: place, in_flight: None }
    }

    /// Keeps the connection from ending before the body is out.
    pub(super) fn hold(&mut self, in_flight: InFlight) {
        self.in_flight = Some(in_flight);
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let this = self.get_mut();
        let piece = match &mut this.payload {
            Payload::Empty => return Poll::Ready(None),
            Payload::Full(_) => {
                let Payload::Full(bytes) = std::mem::replace(&mut this.payload, Payload::Empty) else {
                    return Poll::Ready(None);
                };
                this.record.whole = true;
                Some(Ok(bytes))
            }
            Payload::Stream(feed) => std::task::ready!(feed.poll_next(cx)),
            Payload::Coded(coded) => std::task::ready!(coded.poll_next(cx)),
        };
        match &piece {
            None => this.record.whole = true,
            Some(Ok(bytes)) => this.record.sent += bytes.len() as u64,
            Some(Err(Aborted)) => {}
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.payload, Payload::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.payload {
            Payload::Empty => SizeHint::with_exact(0),
            Payload::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Payload::Stream(_) | Payload::Coded(_) => SizeHint::default(),
        }
    }
}
