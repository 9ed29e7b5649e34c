//! What a change of an access control list is to those who keep watch: an entry granted, or revoked.

use crate::{
    model::Privileges,
    store::{
        Ace, Grantee, Principal,
        audit::{Action, Deed, Party, Place},
    },
};

use super::access;

/// What was done where the list `before` of a collection (of the home, where `place` is empty) became `after`.
#[must_use]
pub fn of_lists(
    actor: &Principal,
    (owner, place): (&Principal, &str),
    before: &[Ace],
    after: &[Ace],
) -> Vec<Deed> {
    let deed = |action, ace: &Ace, privileges: Privileges| Deed {
        actor: actor.into(),
        action,
        owner: owner.into(),
        place: Place { id: Some(ace.calendar_id).filter(|id| *id > 0), name: place.to_owned() },
        whom: party(&ace.grantee),
        detail: spelt(privileges),
    };
    let same = |ace: &Ace, list: &[Ace]| list.iter().any(|other| other.grantee == ace.grantee);
    let granted = after.iter().filter(|ace| !before.contains(ace));
    let revoked = before.iter().filter(|ace| !same(ace, after));
    let granted = granted.map(|ace| deed(Action::Granted, ace, ace.privileges));
    granted.chain(revoked.map(|ace| deed(Action::Revoked, ace, ace.privileges))).collect()
}

fn party(grantee: &Grantee) -> Party {
    match grantee {
        Grantee::Principal(id, name) => Party { id: Some(*id), name: name.clone() },
        Grantee::Group(name) => Party::named(&format!("group {name}")),
        Grantee::Authenticated => Party::named("(authenticated)"),
        Grantee::All => Party::named("(all)"),
        Grantee::Owner => Party::named("(owner)"),
    }
}

/// The privileges, aggregates for all that they hold.
fn spelt(privileges: Privileges) -> String {
    let names = privileges.top().filter(|p| !p.is_abstract()).map(|p| access::name(p).to_string());
    names.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Privilege;

    #[test]
    fn what_is_new_or_says_more_is_granted_and_what_is_gone_revoked() {
        let who = |id, name: &str| Principal { id, name: name.to_owned(), ..Principal::default() };
        let ace = |grantee, privilege: Privilege| Ace {
            calendar_id: 1,
            grantee,
            privileges: privilege.with_parts(),
        };
        let bob = || Grantee::Principal(2, "bob".to_owned());
        let staff = || Grantee::Group("staff".to_owned());
        let before =
            [ace(bob(), Privilege::Read), ace(staff(), Privilege::Read), ace(Grantee::All, Privilege::Bind)];
        let after = [ace(bob(), Privilege::All), ace(Grantee::All, Privilege::Bind)];
        let alice = who(1, "alice");
        let deeds = of_lists(&alice, (&alice, "work"), &before, &after);
        let told: Vec<_> =
            deeds.iter().map(|d| (d.action.word(), d.whom.name.as_str(), d.detail.as_str())).collect();
        assert_eq!(told, [("granted", "bob", "D:all"), ("revoked", "group staff", "D:read")]);
        assert_eq!(of_lists(&alice, (&alice, ""), &after, &after), []);
    }
}
