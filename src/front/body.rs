//! The body of a request: read within bounds of size and time, or not at all.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use crate::front::message::Room;
use crate::front::serve::Rules;

/// How long, at most, what nobody reads of a body is taken in and thrown away, so that its sender comes to read the
/// answer and finds no reset connection.
const LINGER: Duration = Duration::from_secs(5);

/// How many times the size of the largest body is thrown away: proxies send all of a body before they pass an answer on,
/// and where that breaks off their own page takes the answer's place.
const LEFTOVERS: usize = 4;

/// A body that has not been read yet.
#[derive(Debug)]
pub struct Body(Source);

#[derive(Debug)]
enum Source {
    Wire(Wire),
    Whole(Bytes),
}

/// A body on a connection.
#[derive(Debug)]
struct Wire {
    /// None once it has been read.
    incoming: Option<Incoming>,
    /// Time between two pieces.
    idle: Duration,
    /// Bytes that the server takes at all, and those that came.
    most: usize,
    taken: usize,
    /// Whether the sender waits to be told to go on: then there is nothing to throw away.
    waits: bool,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It exceeds the limit: 413.
    TooLarge,
    /// It stopped coming: 408.
    Slow,
    /// The connection broke, or its framing is wrong: 400, which nobody may see.
    Broken,
}

impl Body {
    pub(super) fn wire(incoming: Incoming, headers: &HeaderMap, rules: &Rules, room: Room) -> Self {
        let (idle, waits) = (*rules.limits.body_time, headers.contains_key(EXPECT));
        Self(Source::Wire(Wire { incoming: Some(incoming), idle, most: room.octets, taken: 0, waits }))
    }

    /// Whether it is known to be empty without reading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Wire(wire) => wire.incoming.as_ref().is_none_or(Incoming::is_end_stream),
            Source::Whole(bytes) => bytes.is_empty(),
        }
    }

    /// All of it, if it has `limit` bytes or less (and no more than the server takes at all). One that declares to
    /// be larger is not waited for.
    pub async fn read(self, limit: usize) -> Result<Bytes, BodyError> {
        match self.0 {
            Source::Whole(bytes) if bytes.len() > limit => Err(BodyError::TooLarge),
            Source::Whole(bytes) => Ok(bytes),
            Source::Wire(mut wire) => wire.read(limit).await,
        }
    }

    /// The next piece of it, in the same way; none at its end.
    pub async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        match &mut self.0 {
            Source::Whole(bytes) if bytes.len() > limit => Err(BodyError::TooLarge),
            Source::Whole(bytes) => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
            Source::Wire(wire) => wire.next(limit).await,
        }
    }
}

impl Wire {
    async fn next(&mut self, limit: usize) -> Result<Option<Bytes>, BodyError> {
        let left = limit.min(self.most).saturating_sub(self.taken);
        let Some(incoming) = &mut self.incoming else { return Ok(None) };
        if incoming.size_hint().lower() > left as u64 {
            return Err(BodyError::TooLarge);
        }
        // Whoever waited is told to go on by the first read, so there is something to throw away from here on.
        self.waits = false;
        loop {
            let frame = match tokio::time::timeout(self.idle, incoming.frame()).await {
                Err(_) => return Err(BodyError::Slow),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(BodyError::Broken),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers mean nothing here.
            let Ok(piece) = frame.into_data() else { continue };
            if piece.len() > left {
                return Err(BodyError::TooLarge);
            }
            self.taken += piece.len();
            return Ok(Some(piece));
        }
        self.incoming = None;
        Ok(None)
    }

    async fn read(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let mut whole = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(piece) = self.next(limit).await? {
            // Most bodies come in one piece, which need not be copied.
            if whole.is_empty() && joined.is_empty() {
                whole = piece;
            } else {
                joined.extend_from_slice(&std::mem::take(&mut whole));
                joined.extend_from_slice(&piece);
            }
        }
        Ok(if joined.is_empty() { whole } else { joined.freeze() })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(|incoming| !self.waits && !incoming.is_end_stream());
        if let (Some(incoming), Ok(runtime)) = (unread, tokio::runtime::Handle::try_current()) {
            runtime
                .spawn(tokio::time::timeout(LINGER, discard(incoming, self.most.saturating_mul(LEFTOVERS))));
        }
    }
}

/// Reads what is left of a body, no more than `most` bytes of it, and keeps nothing.
async fn discard(mut incoming: Incoming, mut most: usize) {
    while let Some(Ok(frame)) = incoming.frame().await {
        match most.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(less) => most = less,
            None => return,
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Whole(bytes))
    }
}

impl std::error::Error for BodyError {}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is too large",
            Self::Slow => "the body stopped coming",
            Self::Broken => "the body broke off",
        })
    }
}
