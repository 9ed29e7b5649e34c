//! The sync token: which collection, and up to which of its revisions (RFC 6578 §3.2).

use std::{fmt, str::FromStr};

use uuid::Uuid;

const PREFIX: &str = "urn:kalends:sync:";

/// A state of a collection, as a URI that no other collection ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncToken {
    /// The collection's identity: a collection made anew under an old name has another.
    pub key: Uuid,
    /// The last revision that the token's holder has seen.
    pub revision: i64,
}

/// Text that is no sync token of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl fmt::Display for SyncToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}", self.key.simple(), self.revision)
    }
}

impl FromStr for SyncToken {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let (key, revision) =
            text.trim().strip_prefix(PREFIX).and_then(|rest| rest.split_once(':')).ok_or(NoToken)?;
        let key = Uuid::try_parse(key).map_err(|_| NoToken)?;
        let digits = !revision.is_empty() && revision.bytes().all(|b| b.is_ascii_digit());
        let revision = if digits { revision.parse().map_err(|_| NoToken)? } else { return Err(NoToken) };
        Ok(Self { key, revision })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was_and_nothing_else_is_one() {
        let token = SyncToken { key: Uuid::from_u128(7), revision: 42 };
        assert_eq!(token.to_string().parse(), Ok(token));
        for text in [
            "",
            "42",
            "urn:kalends:sync:",
            "urn:kalends:sync:x:1",
            "urn:kalends:sync:00000000000000000000000000000007:-1",
        ] {
            assert_eq!(text.parse::<SyncToken>(), Err(NoToken), "{text}");
        }
    }
}
