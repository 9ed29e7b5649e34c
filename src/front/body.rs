//! The body of a request: read within bounds of size and time, or not at all.

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use crate::front::serve::Rules;

/// A body that has not been read yet.
#[derive(Debug)]
pub struct Body(Source);

#[derive(Debug)]
enum Source {
    /// From a connection, which may be `idle` so long between two pieces and may bring `most` bytes.
    Wire {
        incoming: Incoming,
        idle: Duration,
        most: usize,
    },
    Whole(Bytes),
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
    pub(super) fn wire(incoming: Incoming, rules: &Rules) -> Self {
        Self(Source::Wire { incoming, idle: *rules.limits.body_time, most: *rules.limits.body_bytes })
    }

    /// Whether it is known to be empty without reading.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Wire { incoming, .. } => incoming.is_end_stream(),
            Source::Whole(bytes) => bytes.is_empty(),
        }
    }

    /// All of it, if it has `limit` bytes or less (and no more than the server takes at all). One that declares to
    /// be larger is not waited for.
    pub async fn read(self, limit: usize) -> Result<Bytes, BodyError> {
        let (mut incoming, idle, limit) = match self.0 {
            Source::Whole(bytes) if bytes.len() > limit => return Err(BodyError::TooLarge),
            Source::Whole(bytes) => return Ok(bytes),
            Source::Wire { incoming, idle, most } => (incoming, idle, limit.min(most)),
        };
        if incoming.size_hint().lower() > limit as u64 {
            return Err(BodyError::TooLarge);
        }
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        loop {
            let frame = match tokio::time::timeout(idle, incoming.frame()).await {
                Err(_) => return Err(BodyError::Slow),
                Ok(None) => break,
                Ok(Some(Err(_))) => return Err(BodyError::Broken),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers mean nothing here.
            let Ok(piece) = frame.into_data() else { continue };
            if first.len() + rest.len() + piece.len() > limit {
                return Err(BodyError::TooLarge);
            }
            // Most bodies come in one piece, which need not be copied.
            match (first.is_empty(), rest.is_empty()) {
                (true, true) => first = piece,
                (false, _) => {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                    rest.extend_from_slice(&piece);
                }
                (true, false) => rest.extend_from_slice(&piece),
            }
        }
        Ok(if first.is_empty() { rest.freeze() } else { first })
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
