//! Whether an answer brings the definitions of time zones: the CalDAV-Timezones header (RFC 7809 §3.1.3 and §7.1).

use bytes::Bytes;

use crate::{
    front::HeaderMap,
    ical::{Calendar, edit},
};

/// The header of a request.
const HEADER: &str = "CalDAV-Timezones";

/// What an answer does about VTIMEZONEs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timezones {
    /// Nothing: octets come as they lie there.
    AsStored,
    /// `T`: those that lack are put in.
    All,
    /// `F`: those of the IANA database are left out.
    OnlyOwn,
}

impl Timezones {
    /// What a request asks for; a value that is none asks for nothing.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(HEADER).map(|value| value.as_bytes().trim_ascii()) {
            Some(b"T" | b"t") => Self::All,
            Some(b"F" | b"f") => Self::OnlyOwn,
            _ => Self::AsStored,
        }
    }

    /// The octets of an object in that form; none where they are as they should be, or cannot be read.
    pub fn change(self, body: &Bytes) -> Option<Bytes> {
        let change = match self {
            Self::AsStored => return None,
            Self::All => edit::with_missing,
            Self::OnlyOwn => edit::without_standard,
        };
        change(&Calendar::parse(body.clone()).ok()?)
    }
}
