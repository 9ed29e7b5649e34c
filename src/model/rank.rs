//! What somebody may do in the home of another as a whole: the ranks of delegates (caldav-proxy §5.2).

use super::{Privilege, Privileges};

/// The rank of a delegate, which the proxies of the specification are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Reads all calendars.
    Read,
    /// Reads and writes all calendars.
    Write,
}

impl Rank {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The name of the group of such delegates, in URLs and as an element.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "calendar-proxy-read",
            Self::Write => "calendar-proxy-write",
        }
    }

    /// The rank of which the group has that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| rank.name() == name)
    }

    /// What such a delegate is granted on the home (§5.4): no list is theirs to see or to change.
    #[must_use]
    pub fn privileges(self) -> Privileges {
        let read = Privilege::Read.with_parts();
        if self == Self::Write { read.or(Privilege::Write.with_parts()) } else { read }
    }

    /// The rank of somebody to whom the home grants that much.
    #[must_use]
    pub fn of(granted: Privileges) -> Option<Self> {
        let held = |rank: &Self| granted.and(rank.privileges()) == rank.privileges();
        Self::ALL.into_iter().rev().find(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_what_the_home_grants() {
        for rank in Rank::ALL {
            assert_eq!((Rank::of(rank.privileges()), Rank::named(rank.name())), (Some(rank), Some(rank)));
            assert!(
                !rank.privileges().has(Privilege::ReadAcl) && !rank.privileges().has(Privilege::WriteAcl)
            );
        }
        assert_eq!(Rank::of(Privileges::ALL), Some(Rank::Write));
        assert_eq!(Rank::of(Privilege::Write.with_parts()), None, "who cannot read is nobody's delegate");
        assert_eq!(Rank::of(Privilege::Read.with_parts().or(Privilege::Bind.with_parts())), Some(Rank::Read));
    }
}
