//! The request headers that WebDAV adds: Depth, Prefer, Brief, Destination's relatives (RFC 4918 §10, RFC 7240, RFC 8144).

use std::time::{SystemTime, UNIX_EPOCH};

use crate::front::{HeaderMap, HeaderName, Response};

use super::Refusal;

/// How far below the resource a request reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The resource itself.
    Zero,
    /// And its members.
    One,
    /// And all below.
    Infinity,
}

/// The Depth header; `None` where there is none.
pub fn depth(headers: &HeaderMap) -> Result<Option<Depth>, Refusal> {
    let mut values = headers.get_all("depth").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let depth = match value.as_bytes() {
        b"0" => Depth::Zero,
        b"1" => Depth::One,
        v if v.eq_ignore_ascii_case(b"infinity") => Depth::Infinity,
        _ => return Err(Refusal::bad_request("Depth is 0, 1 or infinity")),
    };
    if values.next().is_some() {
        return Err(Refusal::bad_request("Depth is given twice"));
    }
    Ok(Some(depth))
}

/// What the client would like the answer to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefer {
    /// return=minimal, or `Brief: t`: no propstat for what is not there.
    pub minimal: bool,
    /// return=representation: the new state of what was written.
    pub representation: bool,
    /// depth-noroot: the members without the resource itself.
    pub no_root: bool,
}

impl Prefer {
    /// The preferences of a request; unknown ones are passed over.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let values = headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok());
        for preference in values.flat_map(|v| outside_quotes(v, ',')) {
            let word = outside_quotes(preference, ';').next().unwrap_or_default();
            match word.replace([' ', '\t', '"'], "").to_ascii_lowercase().as_str() {
                "return=minimal" | "return-minimal" => prefer.minimal = true,
                "return=representation" | "return-representation" => prefer.representation = true,
                "depth-noroot" => prefer.no_root = true,
                _ => {}
            }
        }
        // Who asks for both is taken to have asked for neither (RFC 7240 §4.2).
        if prefer.minimal && prefer.representation {
            (prefer.minimal, prefer.representation) = (false, false);
        }
        prefer.minimal |= headers.get("brief").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"t"));
        prefer
    }

    /// The same for an answer that is not about members beside their collection.
    #[must_use]
    pub const fn with_root(self) -> Self {
        Self { no_root: false, ..self }
    }

    /// The answer, which says that return=minimal was followed where it was asked for.
    #[must_use]
    pub fn told(self, answer: Response) -> Response {
        match self.applied() {
            Some(applied) => answer.with(HeaderName::from_static("preference-applied"), applied),
            None => answer,
        }
    }

    /// The value of Preference-Applied for those that an answer follows by what it leaves out.
    #[must_use]
    pub const fn applied(self) -> Option<&'static str> {
        match (self.minimal, self.no_root) {
            (true, true) => Some("return=minimal, depth-noroot"),
            (true, false) => Some("return=minimal"),
            (false, true) => Some("depth-noroot"),
            (false, false) => None,
        }
    }
}

/// A moment as headers have it (RFC 9110 §5.6.7), where it is of the years 1970 to 9999.
#[must_use]
pub fn http_date(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    (seconds < 253_402_300_800).then(|| httpdate::fmt_http_date(time))
}

/// The parts of a header between the separators that stand in no quoted string.
fn outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let plain = !std::mem::take(&mut escaped);
        quoted ^= c == '"' && plain;
        escaped = c == '\\' && plain && quoted;
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn depth_is_one_of_three() {
        assert_eq!(depth(&headers(&[])), Ok(None));
        assert_eq!(depth(&headers(&[("depth", "Infinity")])), Ok(Some(Depth::Infinity)));
        assert!(depth(&headers(&[("depth", "2")])).is_err());
        assert!(depth(&headers(&[("depth", "0"), ("depth", "1")])).is_err());
    }

    #[test]
    fn preferences_come_in_every_spelling_seen_in_the_field() {
        let both = Prefer { minimal: true, no_root: true, representation: false };
        assert_eq!(Prefer::of(&headers(&[("prefer", "return=minimal, depth-noroot;x=1")])), both);
        assert!(Prefer::of(&headers(&[("prefer", "return-minimal")])).minimal);
        assert!(Prefer::of(&headers(&[("brief", "t")])).minimal);
        assert!(Prefer::of(&headers(&[("prefer", "return = \"representation\"")])).representation);
        assert_eq!(Prefer::of(&headers(&[("prefer", "wait=10")])), Prefer::default());
        assert!(Prefer::of(&headers(&[("prefer", "foo"), ("prefer", "Return = Minimal ; a=b")])).minimal);
        for none in [
            "return=minimal, return=representation",
            "foo=\"a, return=minimal\"",
            "foo=\"a\\\", return=minimal\"",
            "foo; return=minimal",
            "return",
            "return=",
        ] {
            assert_eq!(Prefer::of(&headers(&[("prefer", none)])), Prefer::default(), "{none}");
        }
    }
}
