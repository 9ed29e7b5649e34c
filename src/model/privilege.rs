//! The privileges and their tree (RFC 3744 §3, RFC 4791 §6.1).

/// One privilege a viewer may hold on a resource. The database keeps one bit for each, by this order: new ones come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privilege {
    /// DAV:all
    All,
    /// DAV:read
    Read,
    /// CALDAV:read-free-busy
    ReadFreeBusy,
    /// DAV:write
    Write,
    /// DAV:write-properties
    WriteProperties,
    /// DAV:write-content
    WriteContent,
    /// DAV:bind
    Bind,
    /// DAV:unbind
    Unbind,
    /// DAV:unlock
    Unlock,
    /// DAV:read-acl
    ReadAcl,
    /// DAV:read-current-user-privilege-set
    ReadCurrentUserPrivilegeSet,
    /// DAV:write-acl
    WriteAcl,
    /// kalends' own: whoever holds it sees private objects whole (docs/decisions/0026).
    ReadPrivate,
}

impl Privilege {
    /// Every privilege, aggregates before their parts.
    pub const ALL: [Self; 13] = [
        Self::All,
        Self::Read,
        Self::ReadFreeBusy,
        Self::ReadCurrentUserPrivilegeSet,
        Self::Write,
        Self::WriteProperties,
        Self::WriteContent,
        Self::Bind,
        Self::Unbind,
        Self::Unlock,
        Self::ReadAcl,
        Self::WriteAcl,
        Self::ReadPrivate,
    ];

    /// THE TREE: what this one is made of (RFC 3744 §3.12).
    #[must_use]
    pub const fn parts(self) -> &'static [Self] {
        match self {
            Self::All => {
                &[Self::Read, Self::Write, Self::Unlock, Self::ReadAcl, Self::WriteAcl, Self::ReadPrivate]
            }
            Self::Read => &[Self::ReadFreeBusy, Self::ReadCurrentUserPrivilegeSet],
            Self::Write => &[Self::WriteProperties, Self::WriteContent, Self::Bind, Self::Unbind],
            _ => &[],
        }
    }

    /// Whether it comes with another one only and is not granted by itself (RFC 3744 §5.3).
    #[must_use]
    pub const fn is_abstract(self) -> bool {
        matches!(self, Self::ReadCurrentUserPrivilegeSet)
    }

    /// What it is for, in English.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::All => "Anything",
            Self::Read => "Read content and properties",
            Self::ReadFreeBusy => "See when somebody is busy",
            Self::ReadCurrentUserPrivilegeSet => "See one's own privileges",
            Self::Write => "Change content, properties and members",
            Self::WriteProperties => "Change properties",
            Self::WriteContent => "Change content",
            Self::Bind => "Add members",
            Self::Unbind => "Remove members",
            Self::Unlock => "Remove a lock of somebody else",
            Self::ReadAcl => "See who has which privileges",
            Self::WriteAcl => "Decide who has which privileges",
            Self::ReadPrivate => "See what is private or confidential",
        }
    }

    /// The privileges that this one contains, itself included.
    #[must_use]
    pub const fn with_parts(self) -> Privileges {
        WITH_PARTS[self as usize]
    }

    const fn gathered(self) -> Privileges {
        let (mut all, parts, mut at) = (Privileges(1 << self as u32), self.parts(), 0);
        while at < parts.len() {
            all = all.or(parts[at].gathered());
            at += 1;
        }
        all
    }
}

/// What each contains: it is asked for many times of each collection in a listing.
const WITH_PARTS: [Privileges; Privilege::ALL.len()] = {
    let (mut all, mut at) = ([Privileges::NONE; Privilege::ALL.len()], 0);
    while at < all.len() {
        all[Privilege::ALL[at] as usize] = Privilege::ALL[at].gathered();
        at += 1;
    }
    all
};

/// What a viewer may do with a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges(u32);

impl Privileges {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Privilege::All.with_parts();

    /// What everybody who signed in may do with what is nobody's own.
    pub const LOOK: Self = Privilege::Read.with_parts();

    /// What there is to be read, what is private included.
    pub const READ_ALL: Self = Self::LOOK.or(Privilege::ReadPrivate.with_parts());

    /// What people may do with the resource that stands for them.
    pub const PERSONAL: Self =
        Self::LOOK.or(Privilege::WriteProperties.with_parts()).or(Privilege::ReadAcl.with_parts());

    /// What the owner may do with a collection that has no members.
    pub const MARK: Self =
        Self::PERSONAL.or(Privilege::WriteContent.with_parts()).or(Privilege::Unlock.with_parts());

    /// What the owner may do with a collection that only the server fills.
    pub const TEND: Self = Self::PERSONAL.or(Privilege::Unbind.with_parts());

    /// The set that the database keeps as these bits: those of an aggregate and not of its parts count for all of it,
    /// also of parts that it got later.
    #[must_use]
    pub fn from_bits(bits: i32) -> Self {
        let named = Self(bits.cast_unsigned());
        Privilege::ALL
            .into_iter()
            .filter(|p| named.names(*p))
            .fold(Self::NONE, |all, p| all.or(p.with_parts()))
    }

    /// One bit a privilege.
    #[must_use]
    pub const fn bits(self) -> i32 {
        self.0.cast_signed()
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// These and those.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `privilege` and all its parts are held.
    #[must_use]
    pub const fn has(self, privilege: Privilege) -> bool {
        let wanted = privilege.with_parts().0;
        self.0 & wanted == wanted
    }

    /// Whether nothing is held.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The privileges held, aggregates first.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL.into_iter().filter(move |p| self.has(*p))
    }

    /// The privileges that say it all: of what an aggregate contains, the aggregate.
    pub fn top(self) -> impl Iterator<Item = Privilege> {
        let within = move |p: Privilege| self.iter().any(|other| other.parts().contains(&p));
        self.iter().filter(move |p| !within(*p))
    }

    const fn names(self, privilege: Privilege) -> bool {
        self.0 & 1 << privilege as u32 != 0
    }
}

impl FromIterator<Privilege> for Privileges {
    fn from_iter<I: IntoIterator<Item = Privilege>>(all: I) -> Self {
        all.into_iter().fold(Self::NONE, |all, p| all.or(p.with_parts()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aggregate_holds_its_parts_and_parts_do_not_make_more() {
        assert!(Privileges::ALL.iter().eq(Privilege::ALL));
        let write = Privilege::Write.with_parts();
        assert!(write.has(Privilege::Bind) && !write.has(Privilege::Read) && !write.has(Privilege::All));
        assert!(!Privilege::ReadFreeBusy.with_parts().has(Privilege::Read));
        assert!(Privilege::Read.with_parts().has(Privilege::ReadFreeBusy));
    }

    #[test]
    fn the_tree_holds_each_privilege_once_and_keeps_what_must_be_apart() {
        let mut seen = vec![Privilege::All];
        for privilege in Privilege::ALL {
            seen.extend(privilege.parts());
        }
        assert_eq!(seen.len(), Privilege::ALL.len());
        assert!(Privilege::ALL.iter().all(|p| seen.contains(p)));
        // RFC 3744 §3.12
        for (outer, inner) in [
            (Privilege::ReadAcl, Privilege::Read),
            (Privilege::WriteAcl, Privilege::ReadAcl),
            (Privilege::WriteAcl, Privilege::Read),
            (Privilege::Write, Privilege::Read),
            (Privilege::Write, Privilege::ReadAcl),
            (Privilege::Read, Privilege::WriteProperties),
        ] {
            assert!(!outer.with_parts().has(inner), "{outer:?} {inner:?}");
        }
    }

    #[test]
    fn bits_come_back_and_an_aggregate_says_it_all() {
        let some = Privileges::from_iter([Privilege::Read, Privilege::Bind]);
        assert_eq!(Privileges::from_bits(some.bits()), some);
        assert!(some.top().eq([Privilege::Read, Privilege::Bind]));
        assert!(Privileges::ALL.top().eq([Privilege::All]));
        assert_eq!(Privileges::from_bits(1), Privileges::ALL, "of a time when it had fewer parts");
        assert_eq!(Privileges::from_bits(1 << 30), Privileges::NONE, "of a time to come");
    }
}
