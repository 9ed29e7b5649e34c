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
                Cow::Owned(text.chars().flat_map(char::to_uppercase).nfkd().collect())
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
        assert!(accepts(Collation::UnicodeCasemap, "STRASSE É", "straße é"));
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
