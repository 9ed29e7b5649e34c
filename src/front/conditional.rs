//! Conditional requests: entity tags as clients and proxies really send them, and what they ask for.
//! RFC 9110 §8.8.3 and §13.

use std::fmt;
use std::time::SystemTime;

use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderName};

/// The headers If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    matches: Option<Tags>,
    none_matches: Option<Tags>,
    modified_since: Option<SystemTime>,
    unmodified_since: Option<SystemTime>,
}

/// An entity tag without its quotes. What a compressing proxy adds (`W/`, `-gzip`) is taken off, for it tells of
/// the form in which the thing was sent, and the thing is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag(String);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Tags {
    Any,
    These(Vec<EntityTag>),
}

/// What the conditions say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Proceed,
    /// 304: the client has what it asks for.
    NotModified,
    /// 412.
    Failed,
}

/// A header of conditions that cannot be read: 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCondition(pub HeaderName);

impl std::error::Error for BadCondition {}

impl fmt::Display for BadCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the header {} cannot be read", self.0)
    }
}

impl Conditions {
    /// Reads them. A date that cannot be read counts as not there (RFC 9110 §13.1.3); a list of tags that cannot is
    /// an error, for the client meant to protect something.
    pub fn parse(headers: &HeaderMap) -> Result<Self, BadCondition> {
        let date = |name: HeaderName| {
            let mut values = headers.get_all(name).iter();
            let date = values.next()?.to_str().ok().and_then(|text| httpdate::parse_http_date(text).ok());
            if values.next().is_some() { None } else { date }
        };
        Ok(Self {
            matches: tags(headers, IF_MATCH)?,
            none_matches: tags(headers, IF_NONE_MATCH)?,
            modified_since: date(IF_MODIFIED_SINCE),
            unmodified_since: date(IF_UNMODIFIED_SINCE),
        })
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Holds them against a resource, in the order of RFC 9110 §13.2.2: `etag` is its tag without quotes, or none
    /// when there is no resource; `modified` when it last changed; `reading` whether the method is GET or HEAD.
    #[must_use]
    pub fn check(&self, etag: Option<&str>, modified: Option<SystemTime>, reading: bool) -> Verdict {
        let later = |than: SystemTime| modified.map(whole_seconds).is_some_and(|modified| modified > than);
        let stale = match (&self.matches, self.unmodified_since) {
            (Some(tags), _) => !tags.hold(etag, reading),
            (None, Some(date)) => later(date),
            (None, None) => false,
        };
        if stale {
            return Verdict::Failed;
        }
        match (&self.none_matches, self.modified_since) {
            (Some(tags), _) if tags.hold(etag, reading) && reading => Verdict::NotModified,
            (Some(tags), _) if tags.hold(etag, reading) => Verdict::Failed,
            (None, Some(date)) if reading && modified.is_some() && !later(date) => Verdict::NotModified,
            _ => Verdict::Proceed,
        }
    }
}

impl EntityTag {
    /// Reads one tag from the start of `text` and gives what is left.
    fn take(text: &str) -> Option<(Self, &str)> {
        let text = text.strip_prefix("W/").or_else(|| text.strip_prefix("w/")).unwrap_or(text);
        // A client that quotes what is quoted already sends \"x\", with or without quotes around it.
        for (open, close) in [("\"\\\"", "\\\"\""), ("\\\"", "\\\""), ("\"", "\"")] {
            if let Some(inner) = text.strip_prefix(open)
                && let Some((tag, rest)) = inner.split_once(close)
            {
                return is_tag(tag).then(|| (Self::plain(tag), rest));
            }
        }
        // Some send the bare tag, which cannot have a comma in it then.
        let (tag, _) = text.split_once(',').unwrap_or((text, ""));
        let bare = tag.trim_end_matches([' ', '\t']);
        let known = !bare.is_empty() && is_tag(bare) && !bare.contains([' ', '\t', '*']);
        known.then(|| (Self::plain(bare), &text[tag.len()..]))
    }

    fn plain(tag: &str) -> Self {
        let bare = ["-gzip", "-br", "-zstd", "-deflate", ";gzip", "--gzip"];
        Self(bare.iter().find_map(|suffix| tag.strip_suffix(suffix)).unwrap_or(tag).to_owned())
    }
}

impl Tags {
    fn hold(&self, etag: Option<&str>, reading: bool) -> bool {
        match (self, etag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(tags), Some(etag)) => tags.iter().any(|tag| is_tag_of(&tag.0, etag, reading)),
        }
    }
}

/// Whether a client that has `given` knows the state whose tag is `etag`. What follows a `+` names the form in which it was
/// given: to be read, it must be that form; to be changed, any form of the state will do.
#[must_use]
pub fn is_tag_of(given: &str, etag: &str, reading: bool) -> bool {
    given == etag
        || (!reading && given.split_once('+').is_some_and(|(state, form)| state == etag && !form.is_empty()))
}

/// The tags of all headers of one name; a star among them means any.
fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, BadCondition> {
    let mut found = None;
    for value in headers.get_all(&name) {
        let mut text = value.to_str().map_err(|_| BadCondition(name.clone()))?;
        loop {
            text = text.trim_start_matches([' ', '\t', ',']);
            if text.is_empty() {
                break;
            }
            if let Some(rest) = text.strip_prefix('*') {
                // `*` stands alone (RFC 9110 §13.1.1).
                if found.as_ref().is_some_and(|found| *found != Tags::Any) {
                    return Err(BadCondition(name));
                }
                found = Some(Tags::Any);
                text = rest;
                continue;
            }
            let (tag, rest) = EntityTag::take(text).ok_or_else(|| BadCondition(name.clone()))?;
            match &mut found {
                Some(Tags::Any) => return Err(BadCondition(name)),
                Some(Tags::These(tags)) => tags.push(tag),
                None => found = Some(Tags::These(vec![tag])),
            }
            text = rest;
        }
    }
    if found.is_none() && headers.contains_key(&name) {
        return Err(BadCondition(name));
    }
    Ok(found)
}

/// RFC 9110 §8.8.3: visible characters but the quote.
fn is_tag(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'!' || (b'#'..=b'~').contains(&byte) || byte == b' ')
}

/// HTTP's dates have no parts of seconds.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn conditions(headers: &[(&'static str, &str)]) -> Result<Conditions, BadCondition> {
        let map =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Conditions::parse(&map)
    }

    fn check(headers: &[(&'static str, &str)], etag: Option<&str>, reading: bool) -> Verdict {
        conditions(headers).unwrap().check(etag, None, reading)
    }

    #[test]
    fn a_tag_is_known_in_every_form_that_clients_and_proxies_send() {
        for form in [
            "\"x1\"",
            "W/\"x1\"",
            "w/\"x1\"",
            "\"x1-gzip\"",
            "W/\"x1-gzip\"",
            "\\\"x1\\\"",
            "\"\\\"x1\\\"\"",
            "x1",
            "\"a\", \"x1\"",
            "\"a\",W/\"x1\" , \"b\"",
            ", \"x1\",",
            "*",
            "\"x1-br\"",
            "a, x1",
        ] {
            assert_eq!(check(&[("if-match", form)], Some("x1"), false), Verdict::Proceed, "{form}");
            assert_eq!(check(&[("if-match", form)], None, false), Verdict::Failed, "{form}");
            assert_eq!(check(&[("if-none-match", form)], Some("x1"), true), Verdict::NotModified, "{form}");
            assert_eq!(check(&[("if-none-match", form)], Some("x1"), false), Verdict::Failed, "{form}");
            assert_eq!(check(&[("if-none-match", form)], None, false), Verdict::Proceed, "{form}");
        }
    }

    #[test]
    fn other_tags_do_not_match() {
        for form in ["\"x2\"", "\"X1\"", "W/\"x\"", "\"x1 \"", "\"x1x\"", "\"\"", "\"x1,\""] {
            assert_eq!(check(&[("if-match", form)], Some("x1"), false), Verdict::Failed, "{form}");
            assert_eq!(check(&[("if-none-match", form)], Some("x1"), true), Verdict::Proceed, "{form}");
        }
        assert_eq!(check(&[("if-match", "\"a,b\"")], Some("a,b"), false), Verdict::Proceed);
    }

    #[test]
    fn what_was_read_in_another_form_can_be_changed() {
        for form in ["\"x1+jcal\"", "W/\"x1+xcal-gzip\"", "x1+jcal"] {
            assert_eq!(check(&[("if-match", form)], Some("x1"), false), Verdict::Proceed, "{form}");
            assert_eq!(check(&[("if-match", form)], Some("x2"), false), Verdict::Failed, "{form}");
            assert_eq!(check(&[("if-none-match", form)], Some("x1"), true), Verdict::Proceed, "{form}");
        }
        assert_eq!(check(&[("if-match", "\"x1+\"")], Some("x1"), false), Verdict::Failed);
        assert_eq!(check(&[("if-none-match", "\"x+a\"")], Some("x+a"), true), Verdict::NotModified);
        assert_eq!(check(&[("if-none-match", "\"x\"")], Some("x+a"), true), Verdict::Proceed);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for form in ["\"x1", "", ",", "x 1", "\"a\"b c\"", "\u{7f}"] {
            let Ok(value) = http::HeaderValue::from_str(form) else { continue };
            let map = HeaderMap::from_iter([(IF_MATCH, value)]);
            assert_eq!(Conditions::parse(&map), Err(BadCondition(IF_MATCH)), "{form}");
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let both = [("if-match", "\"a\""), ("if-match", "\"b\"")];
        assert_eq!(check(&both, Some("b"), false), Verdict::Proceed);
        assert!(conditions(&[("if-match", "\"a\""), ("if-match", "*")]).is_err());
    }

    #[test]
    fn dates_count_where_no_tags_are() {
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let check = |headers: &[(&'static str, &str)], modified, reading| {
            conditions(headers).unwrap().check(Some("x"), Some(modified), reading)
        };
        let (half, later) = (then + Duration::from_millis(500), then + Duration::from_secs(1));
        assert_eq!(check(&[("if-modified-since", date)], half, true), Verdict::NotModified);
        assert_eq!(check(&[("if-modified-since", date)], later, true), Verdict::Proceed);
        assert_eq!(check(&[("if-modified-since", date)], then, false), Verdict::Proceed);
        assert_eq!(check(&[("if-unmodified-since", date)], half, false), Verdict::Proceed);
        assert_eq!(check(&[("if-unmodified-since", date)], later, false), Verdict::Failed);
        assert_eq!(check(&[("if-modified-since", "yesterday")], then, true), Verdict::Proceed);
        assert_eq!(
            check(&[("if-modified-since", date), ("if-none-match", "\"y\"")], then, true),
            Verdict::Proceed
        );
        assert_eq!(
            check(&[("if-unmodified-since", date), ("if-match", "\"x\"")], later, false),
            Verdict::Proceed
        );
    }
}
