//! How texts are compared in searches.
//! RFC 4790, RFC 5051, RFC 4791 §7.5, §9.7.5.

use std::borrow::Cow;

use memchr::memmem;
use unicode_normalization::UnicodeNormalization;

/// A rule by which two texts count as the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collation {
    /// i;ascii-casemap: the case of ASCII letters does not matter.
    #[default]
    AsciiCasemap,
    /// i;octet: octet for octet.
    Octet,
    /// i;unicode-casemap: the case of no letter matters, nor whether it is composed.
    UnicodeCasemap,
}

impl Collation {
    /// Every collation, in the order in which it is offered.
    pub const ALL: [Self; 3] = [Self::AsciiCasemap, Self::Octet, Self::UnicodeCasemap];

    /// The identifier of RFC 4790.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AsciiCasemap => "i;ascii-casemap",
            Self::Octet => "i;octet",
            Self::UnicodeCasemap => "i;unicode-casemap",
        }
    }

    /// The collation of that identifier; "default" is i;ascii-casemap (RFC 4791 §7.5).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        if name == "default" {
            return Some(Self::default());
        }
        Self::ALL.into_iter().find(|collation| collation.name() == name)
    }

    fn key(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::AsciiCasemap => Cow::Owned(text.to_ascii_lowercase()),
            Self::Octet => Cow::Borrowed(text),
            Self::UnicodeCasemap => {
                // RFC 5051 §2: the one case, then the parts of composed characters.
                Cow::Owned(text.chars().map(titlecase).nfkd().collect())
            }
        }
    }
}

/// The one character that UnicodeData.txt has as the title case of another; where that is several characters, as of ß, it
/// has none (RFC 5051 §2, step 2a).
fn titlecase(c: char) -> char {
    let moved = |by: u32| char::from_u32(c as u32 + by).unwrap_or(c);
    match c {
        // The digraphs DŽ, LJ, NJ and DZ stand in threes, upper, title and lower case.
        '\u{1c4}' | '\u{1c7}' | '\u{1ca}' | '\u{1f1}' => moved(1),
        '\u{1c6}' => '\u{1c5}',
        '\u{1c9}' => '\u{1c8}',
        '\u{1cc}' => '\u{1cb}',
        '\u{1f3}' => '\u{1f2}',
        // Those of title case are their own; Georgian has capitals, and titles are not written with them.
        '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}' | '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => {
            c
        }
        // Greek vowels with the iota below, which full title case would write beside them.
        '\u{1f80}'..='\u{1faf}' => char::from_u32(c as u32 | 8).unwrap_or(c),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => moved(9),
        _ => {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(one), None) => one,
                _ => c,
            }
        }
    }
}

/// Where in a value the text must stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchKind {
    /// Anywhere; the only kind that RFC 4791 knows.
    #[default]
    Contains,
    /// It is the whole value.
    Equals,
    /// At its start.
    StartsWith,
    /// At its end.
    EndsWith,
}

/// A search for a text (RFC 4791 §9.7.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextMatch {
    /// What is searched for.
    pub text: String,
    /// How it is compared.
    pub collation: Collation,
    /// Whether the values without it are wanted.
    pub negate: bool,
    /// Where it must stand.
    pub kind: MatchKind,
}

impl TextMatch {
    /// Whether a value is wanted.
    #[must_use]
    pub fn accepts(&self, value: &str) -> bool {
        let (value, text) = (self.collation.key(value), self.collation.key(&self.text));
        let found = match self.kind {
            MatchKind::Contains => memmem::find(value.as_bytes(), text.as_bytes()).is_some(),
            MatchKind::Equals => value == text,
            MatchKind::StartsWith => value.starts_with(&*text),
            MatchKind::EndsWith => value.ends_with(&*text),
        };
        found != self.negate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters_as_the_collation_says() {
        let accepts = |collation, text: &str, value| {
            TextMatch { text: text.into(), collation, ..TextMatch::default() }.accepts(value)
        };
        assert!(accepts(Collation::AsciiCasemap, "GO s", "Let's go steelers"));
        assert!(!accepts(Collation::AsciiCasemap, "É", "été"));
        assert!(!accepts(Collation::Octet, "go", "Go"));
        assert!(accepts(Collation::UnicodeCasemap, "STRASSE É", "strasse e\u{301}"));
    }

    #[test]
    fn unicode_casemap_prepares_as_its_rfc_says() {
        let key = |text| Collation::UnicodeCasemap.key(text).into_owned();
        // The example of RFC 5051 §2: of both codepoints, and of the small letter too.
        for digraph in ["\u{1c4}", "\u{1c5}", "\u{1c6}"] {
            assert_eq!(key(digraph), "Dz\u{30c}");
        }
        assert_eq!(key("\u{1f3}"), "Dz");
        assert_eq!(key("aä\u{17f}"), "AA\u{308}S");
        // Nothing in UnicodeData.txt makes two letters of ß, and the Kelvin sign is a K.
        assert_eq!((key("ß"), key("\u{212a}")), ("ß".to_owned(), "K".to_owned()));
        assert_eq!(key("ა"), "ა");
        assert_eq!(key("\u{1f83}"), key("\u{1f8b}"));
        assert_eq!(key("\u{1fb3}"), "Α\u{345}");
        assert_eq!(key("\u{1f52}"), "υ\u{313}\u{300}");
    }

    #[test]
    fn ascii_casemap_and_octet_are_those_of_rfc_4790() {
        let equal = |collation: Collation, a: &str, b: &str| collation.key(a) == collation.key(b);
        let ascii: String = ('\0'..='\u{7f}').collect();
        assert!(equal(Collation::AsciiCasemap, &ascii, &ascii.to_ascii_uppercase()));
        // §9.2.1: letters beyond ASCII, and what stands between Z and a, are left alone.
        assert!(!equal(Collation::AsciiCasemap, "[", "{") && !equal(Collation::AsciiCasemap, "ä", "Ä"));
        assert!(!equal(Collation::Octet, "a", "A") && !equal(Collation::Octet, "ä", "a\u{308}"));
    }

    #[test]
    fn kinds_and_negation() {
        let search = |kind, negate| TextMatch { text: "ab".into(), kind, negate, ..TextMatch::default() };
        assert!(search(MatchKind::StartsWith, false).accepts("ABc"));
        assert!(search(MatchKind::EndsWith, false).accepts("cab"));
        assert!(search(MatchKind::Equals, false).accepts("ab"));
        assert!(!search(MatchKind::Equals, false).accepts("abc"));
        assert!(!search(MatchKind::Contains, true).accepts("cabc"));
    }
}
