//! Sync tokens: which collection or home, and up to which of its revisions (RFC 6578 §3.2).

use std::{collections::BTreeMap, fmt, str::FromStr};

use uuid::Uuid;

const PREFIX: &str = "urn:kalends:sync:";
const HOME: &str = "urn:kalends:home:";
/// Collections that a home's token may tell of: more than any home has.
const MOST: usize = 10_000;

/// A state of a collection, as a URI that no other collection ever has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncToken {
    /// The collection's identity: a collection made anew under an old name has another.
    pub key: Uuid,
    /// The last revision that the token's holder has seen.
    pub revision: i64,
}

/// A state of a home and of each collection in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeToken {
    /// The home's identity.
    pub key: Uuid,
    /// What the server says of itself, in a number: where that changes, the properties of collections may have.
    pub outline: u32,
    /// The last revision of the home itself that the token's holder has seen.
    pub revision: i64,
    /// What the holder has seen of its collections, by their numbers.
    pub parts: BTreeMap<i64, Part>,
}

/// What the holder of a home's token has seen of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The revision up to which they heard of its members; `None` of nothing.
    pub members: Option<i64>,
    /// The revision at which they heard of itself.
    pub itself: Option<i64>,
}

impl Part {
    /// Everything up to that revision.
    #[must_use]
    pub const fn whole(revision: i64) -> Self {
        Self { members: Some(revision), itself: Some(revision) }
    }
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

impl fmt::Display for HomeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HOME}{}:{:x}:{:x}:", self.key.simple(), self.outline, self.revision)?;
        for (nth, (id, part)) in self.parts.iter().enumerate() {
            let comma = if nth > 0 { "," } else { "" };
            write!(f, "{comma}{id:x}.{}", Shown(part.members))?;
            // What most have seen of most collections is one state.
            if part.itself != part.members {
                write!(f, ".{}", Shown(part.itself))?;
            }
        }
        Ok(())
    }
}

impl FromStr for HomeToken {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let mut fields = text.trim().strip_prefix(HOME).ok_or(NoToken)?.split(':');
        let mut next = || fields.next().ok_or(NoToken);
        let key = Uuid::try_parse(next()?).map_err(|_| NoToken)?;
        let outline = u32::try_from(number(next()?)?).map_err(|_| NoToken)?;
        let revision = number(next()?)?;
        let list = next()?;
        let all = list.split(',').filter(|_| !list.is_empty()).take(MOST).map(part);
        let parts = all.collect::<Result<BTreeMap<i64, Part>, NoToken>>()?;
        if fields.next().is_some() { Err(NoToken) } else { Ok(Self { key, outline, revision, parts }) }
    }
}

/// A revision, or `n` for none.
struct Shown(Option<i64>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(revision) => write!(f, "{revision:x}"),
            None => f.write_str("n"),
        }
    }
}

fn part(text: &str) -> Result<(i64, Part), NoToken> {
    let seen = |text: &str| if text == "n" { Ok(None) } else { number(text).map(Some) };
    let (id, rest) = text.split_once('.').ok_or(NoToken)?;
    let (members, itself) = rest.split_once('.').unwrap_or((rest, rest));
    Ok((number(id)?, Part { members: seen(members)?, itself: seen(itself)? }))
}

fn number(text: &str) -> Result<i64, NoToken> {
    // No sign.
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    if digits { i64::from_str_radix(text, 16).map_err(|_| NoToken) } else { Err(NoToken) }
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

    #[test]
    fn a_token_of_a_home_tells_of_each_collection_and_comes_back_as_it_was() {
        let halfway = Part { members: Some(3), itself: Some(17) };
        let parts = [(1, Part::whole(255)), (2, halfway), (30, Part { members: None, itself: Some(0) })];
        let token =
            HomeToken { key: Uuid::from_u128(7), outline: u32::MAX, revision: 26, parts: parts.into() };
        let text = "urn:kalends:home:00000000000000000000000000000007:ffffffff:1a:1.ff,2.3.11,1e.n.0";
        assert_eq!(token.to_string(), text);
        assert_eq!(text.parse(), Ok(token.clone()));
        let empty = HomeToken { parts: BTreeMap::new(), ..token };
        assert_eq!(empty.to_string().parse(), Ok(empty));
    }

    #[test]
    fn what_is_no_token_of_a_home_is_none() {
        let key = "00000000000000000000000000000007";
        for rest in [
            "",
            "0:0",
            "0:0:1",
            "0:0:1.",
            "0:0:1.-1",
            "0:0:.1",
            "0:-1:",
            "100000000:0:",
            "0:0:1.1:",
            "0:0:1.1,",
            "é:0:",
        ] {
            let text = format!("urn:kalends:home:{key}:{rest}");
            assert_eq!(text.parse::<HomeToken>(), Err(NoToken), "{text}");
        }
        assert_eq!(format!("urn:kalends:sync:{key}:1").parse::<HomeToken>(), Err(NoToken));
    }
}
