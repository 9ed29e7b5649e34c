//! Write locks: what one covers, and which exclude each other (RFC 4918 §6 and §7).

use uuid::Uuid;

/// A write lock on a calendar or on one of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // each is one column
pub struct Lock {
    /// What its token is made of.
    pub token: Uuid,
    /// The name of the member whose URL is its root; `None` is the calendar itself.
    pub member: Option<String>,
    /// The principal that took it.
    pub principal_id: i64,
    /// Whether others may have one beside it.
    pub shared: bool,
    /// Whether it is on the calendar's members as well.
    pub infinite: bool,
    /// The DAV:owner as it was sent; empty where there was none.
    pub owner: String,
    /// Seconds for which it was granted last.
    pub seconds: i32,
    /// Seconds that are left.
    pub remaining: i64,
    /// Whether nothing lies at its root: the name is reserved.
    pub vacant: bool,
    /// Whether what lies at its root is private: not everybody who may read the calendar is told of it.
    pub veiled: bool,
}

impl Lock {
    /// Its token, as a URI (RFC 4918 §6.5).
    #[must_use]
    pub fn urn(&self) -> String {
        self.token.urn().to_string()
    }

    /// Whether the member of that name, or the calendar itself, is in its scope.
    #[must_use]
    pub fn covers(&self, member: Option<&str>) -> bool {
        self.member.as_deref() == member || (self.member.is_none() && self.infinite)
    }

    /// Whether the two cannot be there at once (RFC 4918 §9.10.5).
    #[must_use]
    pub fn excludes(&self, other: &Self) -> bool {
        let meet = self.covers(other.member.as_deref()) || other.covers(self.member.as_deref());
        meet && !(self.shared && other.shared)
    }

    /// Whether it reserves the name of a member that is not there.
    #[must_use]
    pub fn reserves(&self, name: &str) -> bool {
        self.vacant && self.member.as_deref() == Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(member: Option<&str>, shared: bool, infinite: bool) -> Lock {
        Lock {
            token: Uuid::from_u128(7),
            member: member.map(str::to_owned),
            principal_id: 1,
            shared,
            infinite,
            owner: String::new(),
            seconds: 60,
            remaining: 60,
            vacant: false,
            veiled: false,
        }
    }

    #[test]
    fn a_lock_covers_its_root_and_with_infinity_what_is_in_it() {
        let (one, flat, deep) =
            (lock(Some("a"), false, false), lock(None, false, false), lock(None, false, true));
        for (lock, covered) in
            [(&one, [false, true, false]), (&flat, [true, false, false]), (&deep, [true, true, true])]
        {
            let places = [None, Some("a"), Some("b")];
            assert_eq!(places.map(|place| lock.covers(place)), covered, "{lock:?}");
        }
        assert_eq!(one.urn(), "urn:uuid:00000000-0000-0000-0000-000000000007");
    }

    #[test]
    fn an_exclusive_lock_is_alone_where_it_is() {
        let places = [(Some("a"), false), (Some("b"), false), (None, false), (None, true)];
        // Whether what lies at one place meets what lies at the other.
        let meets =
            [[true, false, false, true], [false, true, false, true], [false, false, true, true], [true; 4]];
        for (x, row) in places.iter().zip(meets) {
            for (y, meets) in places.iter().zip(row) {
                for (mine, theirs) in [(false, false), (false, true), (true, false), (true, true)] {
                    let (one, other) = (lock(x.0, mine, x.1), lock(y.0, theirs, y.1));
                    assert_eq!(one.excludes(&other), meets && !(mine && theirs), "{one:?} {other:?}");
                }
            }
        }
    }
}
