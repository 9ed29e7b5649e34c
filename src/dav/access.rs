//! Rights: how privileges are spelt, and whether a viewer has the one that is needed (RFC 3744 §3 and §5).

use crate::{
    model::{Privilege, Privileges},
    xml::{Name, Writer},
};

use super::condition::Refusal;

/// The element that names a privilege.
#[must_use]
pub const fn name(privilege: Privilege) -> Name {
    match privilege {
        Privilege::All => Name::dav("all"),
        Privilege::Read => Name::dav("read"),
        Privilege::ReadFreeBusy => Name::cal("read-free-busy"),
        Privilege::Write => Name::dav("write"),
        Privilege::WriteProperties => Name::dav("write-properties"),
        Privilege::WriteContent => Name::dav("write-content"),
        Privilege::Bind => Name::dav("bind"),
        Privilege::Unbind => Name::dav("unbind"),
        Privilege::Unlock => Name::dav("unlock"),
        Privilege::ReadAcl => Name::dav("read-acl"),
        Privilege::ReadCurrentUserPrivilegeSet => Name::dav("read-current-user-privilege-set"),
        Privilege::WriteAcl => Name::dav("write-acl"),
    }
}

/// Refuses unless `rights` hold `privilege` on the resource at `href`.
pub fn need(rights: Privileges, privilege: Privilege, href: impl Fn() -> String) -> Result<(), Refusal> {
    if rights.has(privilege) { Ok(()) } else { Err(Refusal::need(href(), privilege)) }
}

/// Writes the privileges of DAV:current-user-privilege-set.
pub fn write(rights: Privileges, w: &mut Writer) {
    for privilege in rights.iter() {
        w.inside(Name::dav("privilege"), |w| w.empty(name(privilege)));
    }
}
