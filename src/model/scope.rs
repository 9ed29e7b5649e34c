//! What a credential may be used for besides being somebody, and how that is spelt in one value with the user's name: who
//! leaves out the one leaves out the other (docs/decisions/0033 and 0042).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use uuid::Uuid;

use super::{Privilege, Privileges};

/// Octets of a value: the answer of a check is a head that proxies have little room for.
const LONGEST: usize = 2048;
/// Octets of the name of a calendar, as a path has them.
const LONGEST_NAME: usize = 255;
/// What a name is spelt with as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stands in the place of names where all calendars are meant; a name is spelt otherwise.
const ALL: &str = "*";
const READS: &str = "ro";
const WRITES: &str = "rw";

/// How far a credential reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose the credential is, whatever they are called now: DAV:resource-id of their home.
    pub person: Uuid,
    /// What the credential is called in logs; nothing secret.
    pub credential: String,
    /// Whether nothing can be changed with it.
    pub read_only: bool,
    /// The names of the calendars in the own home that it is for; `None` is everything that the user may.
    pub calendars: Option<Vec<String>>,
}

impl Scope {
    /// The value that names the user and this: `alice/PERSON/k7/ro/work/tasks`, or `alice/PERSON/k7/rw/*`. No user's name has a
    /// slash in it. None where it cannot be spelt.
    #[must_use]
    pub fn spell(&self, user: &str) -> Option<String> {
        let may = if self.read_only { READS } else { WRITES };
        let mut value = format!("{user}/{}/{}/{may}", self.person, self.credential);
        match &self.calendars {
            None => value.extend(["/", ALL]),
            Some(names) => names.iter().for_each(|name| {
                value.push('/');
                value.extend(utf8_percent_encode(name, PLAIN));
            }),
        }
        // What would be read as something else was not spelt.
        Self::read(&value).is_ok_and(|read| read == (user, self.clone())).then_some(value)
    }

    /// The user's name, which is not looked at, and the scope of a value; else what is wrong with it.
    pub fn read(value: &str) -> Result<(&str, Self), &'static str> {
        if value.len() > LONGEST {
            return Err("a credential that is too long");
        }
        let mut parts = value.split('/');
        let (Some(user), Some(person), Some(credential), Some(may)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("a credential that is not said whole");
        };
        let known = person.parse::<Uuid>().ok().filter(|known| known.to_string() == person);
        let person = known.ok_or("a credential of which is not said whose it is")?;
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
        if !(1..=64).contains(&credential.len()) || !credential.bytes().all(plain) {
            return Err("a credential without a name");
        }
        let read_only = match may {
            READS => true,
            WRITES => false,
            _ => return Err("a credential of which is not said whether it may write"),
        };
        let names: Vec<&str> = parts.collect();
        let calendars = match names[..] {
            [] => return Err("a credential of which is not said what it is for"),
            [ALL] => None,
            _ => Some(names.into_iter().map(name).collect::<Result<_, _>>()?),
        };
        Ok((user, Self { person, credential: credential.to_owned(), read_only, calendars }))
    }

    /// Whether it is for some calendars alone, and all else is not there.
    #[must_use]
    pub const fn is_confined(&self) -> bool {
        self.calendars.is_some()
    }

    /// Whether what has that name in a home, which is the user's `own` or not, is there at all.
    #[must_use]
    pub fn shows(&self, own: bool, name: &str) -> bool {
        self.calendars.as_ref().is_none_or(|names| own && names.iter().any(|listed| listed == name))
    }

    /// What of a user's rights on a home, or on what stands for a person, is left.
    #[must_use]
    pub fn on_home(&self, own: bool, rights: Privileges) -> Privileges {
        match (&self.calendars, own) {
            (None, _) => self.left(rights),
            (Some(_), true) => rights.and(Privileges::LOOK),
            (Some(_), false) => Privileges::NONE,
        }
    }

    /// What of a user's rights on what has that name in a home is left.
    #[must_use]
    pub fn on_member(&self, own: bool, name: &str, rights: Privileges) -> Privileges {
        if self.shows(own, name) { self.left(rights) } else { Privileges::NONE }
    }

    fn left(&self, rights: Privileges) -> Privileges {
        let content = Privilege::Write.with_parts().or(Privilege::Unlock.with_parts());
        match (self.read_only, &self.calendars) {
            (false, None) => rights,
            (true, None) => rights.and(Privileges::READ_ALL.or(Privilege::ReadAcl.with_parts())),
            (false, Some(_)) => rights.and(Privileges::READ_ALL.or(content)),
            (true, Some(_)) => rights.and(Privileges::READ_ALL),
        }
    }
}

/// A name of a calendar, in its one spelling.
fn name(spelt: &str) -> Result<String, &'static str> {
    const NONE: &str = "a credential for a calendar whose name is none";
    let name = percent_decode_str(spelt).decode_utf8().map_err(|_| NONE)?;
    let whole = (1..=LONGEST_NAME).contains(&name.len()) && name != "." && name != "..";
    let plain = !name.contains(['/', '\\']) && !name.chars().any(char::is_control);
    let same = utf8_percent_encode(&name, PLAIN).to_string() == spelt;
    if whole && plain && same { Ok(name.into_owned()) } else { Err(NONE) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERSON: &str = "00000000-0000-4000-8000-00000000000a";

    fn scope(read_only: bool, calendars: Option<&[&str]>) -> Scope {
        let calendars = calendars.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        Scope { person: PERSON.parse().unwrap(), credential: "k7".to_owned(), read_only, calendars }
    }

    #[test]
    fn user_and_scope_are_one_value() {
        for (value, one) in [
            ("alice/k7/rw/*", scope(false, None)),
            ("alice/k7/ro/*", scope(true, None)),
            ("alice/k7/ro/work/tasks", scope(true, Some(&["work", "tasks"]))),
            ("alice/k7/rw/%2A", scope(false, Some(&["*"]))),
            ("alice/k7/rw/B%C3%BCro%2C%20oben", scope(false, Some(&["B\u{fc}ro, oben"]))),
        ] {
            let value = value.replace("/k7", &format!("/{PERSON}/k7"));
            assert_eq!(one.spell("alice"), Some(value.clone()));
            assert_eq!(Scope::read(&value), Ok(("alice", one)));
        }
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        for bad in [
            "alice",
            "alice/",
            "alice/k7",
            "alice/k7/",
            "alice/k7/ro",
            "alice/k7/ro/",
            "alice/k7/rx/*",
            "alice//ro/*",
            "alice/k7/ro/*/work",
            "alice/k7/ro/work/*",
            "alice/k7/ro/work/",
            "alice/k7/ro//work",
            "alice/k7/ro/.",
            "alice/k7/ro/..",
            "alice/k7/ro/a%2Fb",
            "alice/k7/ro/a%5cb",
            "alice/k7/ro/%77ork",
            "alice/k7/ro/a%00",
            "alice/k7/ro/%ff",
            "alice/k7/ro/a b",
            "alice/k 7/ro/*",
            "alice/k7/RO/*",
            "alice/k7/ro/%2a",
        ] {
            let said = bad.replacen("alice", &format!("alice/{PERSON}"), 1);
            assert!(Scope::read(bad).is_err() && Scope::read(&said).is_err(), "{bad}");
        }
        for whose in ["", "7", "00000000000040008000000000000007", &PERSON.to_uppercase(), &PERSON[1..]] {
            assert!(Scope::read(&format!("alice/{whose}/k7/ro/*")).is_err(), "{whose}");
        }
        assert!(Scope::read("alice/k7/ro/*").is_err(), "of which is not said whose it is");
        assert_eq!(scope(true, Some(&[])).spell("alice"), None);
        assert_eq!(scope(true, Some(&["a/b"])).spell("alice"), None);
        assert_eq!(scope(true, None).spell("alice/12"), None, "whose name was given to another");
        let many = vec!["x".repeat(200); 11];
        assert_eq!(Scope { calendars: Some(many), ..scope(true, None) }.spell("alice"), None);
    }

    proptest! {
        #[test]
        fn what_is_spelt_is_read(user in "[^/]{1,20}", id in "[a-z0-9-]{1,36}", read_only: bool,
                                 names in prop::option::of(prop::collection::vec("\\PC{1,30}", 1..4))) {
            let scope = Scope { credential: id, calendars: names, ..scope(read_only, None) };
            match scope.spell(&user) {
                Some(value) => {
                    prop_assert_eq!(Scope::read(&value), Ok((user.as_str(), scope)));
                    let listed = value.split_once('/').unwrap().1;
                    prop_assert!(listed.is_ascii() && !listed.contains(','), "a value that is one in a header: {}", value);
                }
                None => prop_assert!(scope.calendars.iter().flatten().any(|name| name.contains(['/', '\\']) || name == "." || name == "..")),
            }
        }

        #[test]
        fn what_is_read_is_spelt_so_alone(value in "[a-z]{1,3}/[k7]{1,2}/(ro|rw)/[a-c*%24A/.]{0,12}") {
            let value = value.replacen('/', &format!("/{PERSON}/"), 1);
            if let Ok((user, scope)) = Scope::read(&value) {
                prop_assert_eq!(scope.spell(user), Some(value.clone()));
            }
        }

        #[test]
        fn nothing_is_added_and_what_only_reads_changes_nothing(bits: i32, own: bool, read_only: bool, some: bool, name in "work|home") {
            let (rights, scope) = (Privileges::from_bits(bits), scope(read_only, some.then_some(&["work"][..])));
            let changes = [Privilege::WriteProperties, Privilege::WriteContent, Privilege::Bind, Privilege::Unbind,
                Privilege::Unlock, Privilege::WriteAcl];
            let member = scope.on_member(own, &name, rights);
            for left in [member, scope.on_home(own, rights)] {
                prop_assert_eq!(left.or(rights), rights);
                prop_assert!(!read_only || changes.iter().all(|change| !left.has(*change)));
                prop_assert!(!some || !left.has(Privilege::WriteAcl) && !left.has(Privilege::ReadAcl));
            }
            prop_assert!(!some || changes.iter().all(|change| !scope.on_home(own, rights).has(*change)));
            prop_assert!(!some || (own && name == "work") || member.is_empty());
            prop_assert!(some || read_only || member == rights);
        }
    }
}
