//! From error to answer: the one place of status codes and DAV:error bodies (RFC 4918 §16).

use crate::{
    db,
    front::{BodyError, Response, Status, header},
    xml::{Name, Writer},
};

use super::condition::{BY_CONSTRAINT, Refusal};

/// The content type of every XML answer.
pub const XML: &str = "application/xml; charset=utf-8";

/// Seconds after which somebody may come again whom the server refuses for the time being.
const LATER: &str = "300";

/// Why a request was not carried out.
#[derive(Debug)]
pub enum Error {
    /// The client must change something.
    Refused(Refusal),
    /// The server is too busy, or its database away for a moment: the same request may succeed later.
    Busy(db::Error),
    /// The server is at fault.
    Fault(db::Error),
}

/// What the rooms of the protocol give back.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<super::condition::Condition> for Error {
    fn from(condition: super::condition::Condition) -> Self {
        Self::Refused(condition.into())
    }
}

/// What is said of what was there a moment ago.
const GONE: &str = "What this is about has just gone.";

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        match &error {
            db::Error::Unique(constraint) => BY_CONSTRAINT
                .iter()
                .find(|(name, _)| constraint.starts_with(name))
                .map_or_else(|| Self::Fault(error), |(_, condition)| Self::Refused((*condition).into())),
            // Somebody was erased, or something, while the request was on its way.
            db::Error::Foreign(_) => Self::Refused(Refusal::plain(Status::CONFLICT, GONE)),
            db::Error::Busy(_) | db::Error::Lost(_) => Self::Busy(error),
            _ => Self::Fault(error),
        }
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        Self::Refused(match error {
            BodyError::TooLarge => Refusal::plain(Status::PAYLOAD_TOO_LARGE, "the body is too long"),
            BodyError::Slow => Refusal::plain(Status::REQUEST_TIMEOUT, "the body did not come in time"),
            BodyError::Broken => Refusal::bad_request("the body broke off"),
        })
    }
}

impl Error {
    /// The answer to the client. What went wrong inside of the server is not for it.
    #[must_use]
    pub fn response(&self) -> Response {
        match self {
            Self::Refused(refusal) => refused(refusal),
            Self::Busy(_) => Response::new(Status::SERVICE_UNAVAILABLE)
                .with(header::RETRY_AFTER, "5")
                .body("text/plain; charset=utf-8", "The server is busy. Please try again.\n"),
            Self::Fault(_) => Response::new(Status::INTERNAL_SERVER_ERROR)
                .body("text/plain; charset=utf-8", "The server failed. The log has the reason.\n"),
        }
    }
}

fn refused(refusal: &Refusal) -> Response {
    let response = Response::new(refusal.status);
    let later = refusal.status == Status::SERVICE_UNAVAILABLE;
    let response = if later { response.with(header::RETRY_AFTER, LATER) } else { response };
    if refusal.condition.is_some() {
        let mut w = Writer::new(Name::dav("error"));
        refusal.write(&mut w);
        return response.body(XML, w.finish());
    }
    match refusal.reason() {
        Some(why) => response.body("text/plain; charset=utf-8", format!("{why}\n")),
        None => response,
    }
}
