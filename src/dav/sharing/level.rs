//! The levels of a share: what they are called in each vocabulary, and which privileges they are (caldav-sharing §5.5.1).

use crate::{
    model::{Privilege, Privileges},
    xml::{Element, Name, Writer},
};

/// What somebody may do with a calendar that is shared with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// See when time is taken.
    FreeBusy,
    /// See everything.
    Read,
    /// Change everything.
    ReadWrite,
    /// And say who else may.
    Administrator,
}

const FREE_BUSY: Name = Name::own("free-busy");
const ADMINISTRATOR: Name = Name::own("administrator");
/// What a web front end of the field says beside CS:read or CS:read-write, where those say less than they mean.
const BESIDE: (&str, &str) = ("http://lasuite.numerique.gouv.fr/ns/", "share-access");

impl Level {
    /// The privileges it is.
    #[must_use]
    pub fn privileges(self) -> Privileges {
        let all: &[Privilege] = match self {
            Self::FreeBusy => &[Privilege::ReadFreeBusy],
            Self::Read => &[Privilege::Read],
            Self::ReadWrite => &[Privilege::Read, Privilege::Write],
            Self::Administrator => {
                &[Privilege::Read, Privilege::Write, Privilege::ReadAcl, Privilege::WriteAcl]
            }
        };
        all.iter().copied().collect()
    }

    /// The highest one that is among these privileges; who sees nothing has none.
    #[must_use]
    pub fn of(privileges: Privileges) -> Option<Self> {
        let has = |privilege| privileges.has(privilege);
        let reads = has(Privilege::Read);
        match () {
            () if Self::Administrator.privileges().iter().all(has) => Some(Self::Administrator),
            () if reads && has(Privilege::WriteContent) => Some(Self::ReadWrite),
            () if reads => Some(Self::Read),
            () if has(Privilege::ReadFreeBusy) => Some(Self::FreeBusy),
            () => None,
        }
    }

    /// The one that an element of a CS:set names. One that is said beside it for who knows it may be less or more, and where that is
    /// not known here, nothing is.
    #[must_use]
    pub fn in_set(set: &Element) -> Option<Self> {
        let plain = Self::named(set, Name::cs("read-write"), Name::cs("read"));
        let beside =
            set.children().find(|child| (child.name().ns.as_ref(), child.name().local.as_ref()) == BESIDE);
        match beside.map_or("", |level| level.text().trim()) {
            "" => plain,
            "freebusy" => Some(Self::FreeBusy),
            "admin" => Some(Self::Administrator),
            _ => None,
        }
    }

    /// The one that a DAV:share-access names.
    #[must_use]
    pub fn in_share_access(access: &Element) -> Option<Self> {
        Self::named(access, Name::dav("read-write"), Name::dav("read"))
    }

    /// Our own levels say more than what stands beside them for others.
    fn named(of: &Element, read_write: Name, read: Name) -> Option<Self> {
        let levels = [
            (ADMINISTRATOR, Self::Administrator),
            (FREE_BUSY, Self::FreeBusy),
            (read_write, Self::ReadWrite),
            (read, Self::Read),
        ];
        levels.into_iter().find(|(name, _)| of.child(*name).is_some()).map(|(_, level)| level)
    }

    /// The element of CS:access, where there is room for one.
    #[must_use]
    pub const fn name(self) -> Name {
        match self {
            Self::FreeBusy => FREE_BUSY,
            Self::Read => Name::cs("read"),
            Self::ReadWrite | Self::Administrator => Name::cs("read-write"),
        }
    }

    /// Writes the content of CS:access.
    pub fn write_access(self, w: &mut Writer) {
        self.write(Name::cs("read-write"), Name::cs("read"), w);
    }

    /// Writes the content of DAV:share-access.
    pub fn write_share_access(self, w: &mut Writer) {
        self.write(Name::dav("read-write"), Name::dav("read"), w);
    }

    fn write(self, read_write: Name, read: Name, w: &mut Writer) {
        match self {
            Self::FreeBusy => w.empty(FREE_BUSY),
            Self::Read => w.empty(read),
            Self::ReadWrite => w.empty(read_write),
            Self::Administrator => {
                w.empty(read_write);
                w.empty(ADMINISTRATOR);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Level; 4] = [Level::FreeBusy, Level::Read, Level::ReadWrite, Level::Administrator];

    #[test]
    fn a_level_is_known_by_its_privileges_and_by_what_it_writes() {
        for level in ALL {
            assert_eq!(Level::of(level.privileges()), Some(level));
            for (write, read) in [
                (
                    Level::write_access as fn(Level, &mut Writer),
                    Level::in_set as fn(&Element) -> Option<Level>,
                ),
                (Level::write_share_access, Level::in_share_access),
            ] {
                let mut w = Writer::new(Name::dav("x"));
                write(level, &mut w);
                assert_eq!(read(&crate::xml::parse(&w.finish()).unwrap()), Some(level));
            }
        }
    }

    #[test]
    fn other_privileges_are_the_level_they_contain() {
        let of = |all: &[Privilege]| Level::of(all.iter().copied().collect());
        assert_eq!(of(&[Privilege::All]), Some(Level::Administrator));
        assert_eq!(of(&[Privilege::Read, Privilege::WriteContent]), Some(Level::ReadWrite));
        assert_eq!(of(&[Privilege::Read, Privilege::WriteAcl]), Some(Level::Read));
        assert_eq!(of(&[Privilege::Write]), None);
        assert_eq!(of(&[]), None);
    }
}
