//! Names of elements: those the server knows, which are constants, and any name the wire may bring.
//!
//! Namespaces in XML 1.0 §2; RFC 4918 §14, RFC 4791 §9.

use std::borrow::Cow;
use std::fmt;

use super::strict::{Fault, ncname};

/// A namespace the server writes, under a prefix of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ns {
    /// The base, RFC 4918 §21.1
    Dav,
    /// Of calendars, RFC 4791 §4
    CalDav,
    /// The extensions first published with Apple's server: getctag, sharing, notifications.
    CalendarServer,
    /// Colour and order of calendars, as Apple's clients first wrote them.
    Apple,
    /// Our own.
    Kalends,
    /// Requests in bulk, as Apple first had them: so rare that each element declares it.
    MobileMe,
}

impl Ns {
    /// Every namespace that the root of an answer declares, in that order.
    pub const ALL: [Self; 5] = [Self::Dav, Self::CalDav, Self::CalendarServer, Self::Apple, Self::Kalends];

    /// The name of the namespace.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Dav => "DAV:",
            Self::CalDav => "urn:ietf:params:xml:ns:caldav",
            Self::CalendarServer => "http://calendarserver.org/ns/",
            Self::Apple => "http://apple.com/ns/ical/",
            Self::Kalends => "urn:x-kalends",
            Self::MobileMe => "http://me.com/_namespace/",
        }
    }

    /// The prefix it has in every answer.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        self.opening().trim_matches(['<', ':'])
    }

    /// How a start tag of it begins: there are many in a long answer.
    pub(super) const fn opening(self) -> &'static str {
        match self {
            Self::Dav => "<D:",
            Self::CalDav => "<C:",
            Self::CalendarServer => "<CS:",
            Self::Apple => "<A:",
            Self::Kalends => "<K:",
            Self::MobileMe => "<MM:",
        }
    }

    /// How an end tag of it begins.
    pub(super) const fn closing(self) -> &'static str {
        match self {
            Self::Dav => "</D:",
            Self::CalDav => "</C:",
            Self::CalendarServer => "</CS:",
            Self::Apple => "</A:",
            Self::Kalends => "</K:",
            Self::MobileMe => "</MM:",
        }
    }

    /// The namespace of that name, if the root of an answer declares it.
    #[must_use]
    pub fn of(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ns| ns.uri() == uri)
    }
}

/// A name the server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Its namespace.
    pub ns: Ns,
    /// Its local part.
    pub local: &'static str,
}

impl Name {
    /// `D:local`
    #[must_use]
    pub const fn dav(local: &'static str) -> Self {
        Self { ns: Ns::Dav, local }
    }

    /// `C:local`
    #[must_use]
    pub const fn cal(local: &'static str) -> Self {
        Self { ns: Ns::CalDav, local }
    }

    /// `CS:local`
    #[must_use]
    pub const fn cs(local: &'static str) -> Self {
        Self { ns: Ns::CalendarServer, local }
    }

    /// `A:local`
    #[must_use]
    pub const fn apple(local: &'static str) -> Self {
        Self { ns: Ns::Apple, local }
    }

    /// `K:local`
    #[must_use]
    pub const fn own(local: &'static str) -> Self {
        Self { ns: Ns::Kalends, local }
    }

    /// `MM:local`
    #[must_use]
    pub const fn mm(local: &'static str) -> Self {
        Self { ns: Ns::MobileMe, local }
    }
}

impl fmt::Display for Name {
    /// As it stands in an answer: `D:displayname`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ns.prefix(), self.local)
    }
}

/// Any name the wire may bring. Known namespaces cost no allocation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QName {
    /// The name of its namespace; empty when it has none.
    pub ns: Cow<'static, str>,
    /// Its local part: an `NCName`, so it needs no escapes.
    pub local: Cow<'static, str>,
}

impl QName {
    /// The name `local` in the namespace `ns`; empty = in none.
    #[must_use]
    pub fn new(ns: &str, local: &str) -> Self {
        let ns = Ns::of(ns).map_or_else(|| Cow::Owned(ns.to_owned()), |known| Cow::Borrowed(known.uri()));
        Self { ns, local: Cow::Owned(local.to_owned()) }
    }
}

impl QName {
    /// The name `local` in the namespace `ns`, of which it is not known that it is one.
    pub fn checked(ns: &str, local: &str) -> Result<Self, Fault> {
        ncname(local)?;
        Ok(Self::new(ns, local))
    }
}

impl From<Name> for QName {
    fn from(name: Name) -> Self {
        Self { ns: Cow::Borrowed(name.ns.uri()), local: Cow::Borrowed(name.local) }
    }
}

impl PartialEq<Name> for QName {
    fn eq(&self, name: &Name) -> bool {
        self.local == name.local && self.ns == name.ns.uri()
    }
}

impl PartialEq<QName> for Name {
    fn eq(&self, name: &QName) -> bool {
        name == self
    }
}

impl fmt::Display for QName {
    /// `{namespace}local`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}{}", self.ns, self.local)
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Ns, QName};

    #[test]
    fn a_name_from_the_wire_equals_the_known_one_by_namespace_not_by_prefix() {
        assert_eq!(QName::new("DAV:", "getetag"), Name::dav("getetag"));
        assert_ne!(QName::new("evil:", "getetag"), Name::dav("getetag"));
        assert_ne!(QName::new("", "getetag"), Name::dav("getetag"));
        assert_eq!(QName::from(Name::cs("getctag")), QName::new("http://calendarserver.org/ns/", "getctag"));
    }

    #[test]
    fn every_namespace_is_found_by_its_uri() {
        for ns in Ns::ALL {
            assert_eq!(Ns::of(ns.uri()), Some(ns));
        }
        assert_eq!(Ns::of("dav:"), None);
    }
}
