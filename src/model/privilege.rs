//! The privileges and their tree (RFC 3744 §3, RFC 4791 §6.1).

/// One privilege a viewer may hold on a resource.
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
}

impl Privilege {
    /// Every privilege, aggregates before their parts.
    pub const ALL: [Self; 12] = [
        Self::All,
        Self::Read,
        Self::ReadFreeBusy,
        Self::Write,
        Self::WriteProperties,
        Self::WriteContent,
        Self::Bind,
        Self::Unbind,
        Self::Unlock,
        Self::ReadAcl,
        Self::ReadCurrentUserPrivilegeSet,
        Self::WriteAcl,
    ];

    /// The privileges that this one contains, itself included.
    #[must_use]
    pub const fn with_parts(self) -> Privileges {
        let own = Privileges(1 << self as u16);
        match self {
            Self::All => Privileges(0xfff),
            Self::Read => own.or(Self::ReadFreeBusy.with_parts()),
            Self::Write => own
                .or(Self::WriteProperties.with_parts())
                .or(Self::WriteContent.with_parts())
                .or(Self::Bind.with_parts())
                .or(Self::Unbind.with_parts()),
            _ => own,
        }
    }
}

/// What a viewer may do with a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges(u16);

impl Privileges {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Privilege::All.with_parts();

    /// What everybody who signed in may do with what is nobody's own.
    pub const LOOK: Self =
        Privilege::Read.with_parts().or(Privilege::ReadCurrentUserPrivilegeSet.with_parts());

    /// What the owner may do with a collection that only the server fills.
    pub const TEND: Self =
        Self::LOOK.or(Privilege::WriteProperties.with_parts()).or(Privilege::ReadAcl.with_parts());

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

    /// The privileges held, aggregates first.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL.into_iter().filter(move |p| self.has(*p))
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
    }
}
