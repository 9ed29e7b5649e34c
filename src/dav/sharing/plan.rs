//! What becomes of a calendar's list and of its invites, whichever vocabulary asks for it: the list is the truth, and an invite is
//! there for each of its entries that lets a person or a group see something (RFC 3744 §8.1, caldav-sharing §5.3.2).

use uuid::Uuid;

use crate::store::{Ace, Answer, Grantee, Guest, Invite, Sharee};

use super::level::Level;

/// A calendar's own entries and its invites.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// The entries, without those of the home.
    pub aces: Vec<Ace>,
    /// The invites.
    pub invites: Vec<Invite>,
}

/// Whom a wish is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A principal or a group.
    Known(Grantee),
    /// Whoever will have the address.
    Stranger,
}

/// What is wanted of one sharee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Who.
    pub whom: Whom,
    /// The mail address by which they are called, if by one.
    pub address: Option<String>,
    /// What the sharer calls them.
    pub common_name: Option<String>,
    /// What the sharer calls the calendar.
    pub summary: Option<String>,
    /// What they shall be able to do; nothing takes everything away.
    pub level: Option<Level>,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The entries as they shall be.
    pub aces: Vec<Ace>,
    /// Who is invited, or of whom something else is said.
    pub guests: Vec<Guest>,
    /// Invites that go.
    pub gone: Vec<Uuid>,
    /// Who has an entry before and after, another one.
    pub changed: Vec<Grantee>,
    /// Whether the entries are others.
    pub relisted: bool,
}

impl Plan {
    /// How many are awaited afterwards.
    #[must_use]
    pub fn strangers(&self, before: &Before) -> usize {
        let is_new = |guest: &&Guest| {
            guest.who.is_none()
                && !before.invites.iter().any(|one| is_stranger(one) && one.address == guest.address)
        };
        let stay = before.invites.iter().filter(|one| is_stranger(one) && !self.gone.contains(&one.uid));
        stay.count() + self.guests.iter().filter(is_new).count()
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.relisted && self.guests.is_empty() && self.gone.is_empty()
    }
}

/// What makes this list the calendar's, whose owner has that number.
#[must_use]
pub fn of_list(before: &Before, owner: i64, aces: Vec<Ace>) -> Plan {
    with_guests(before, owner, aces, Vec::new(), Vec::new())
}

/// What these wishes come to, one after the other.
#[must_use]
pub fn of_wishes(before: &Before, (owner, calendar_id): (i64, i64), wishes: &[Wish]) -> Plan {
    let (mut aces, mut guests, mut gone) = (before.aces.clone(), Vec::new(), Vec::new());
    for wish in wishes {
        match (&wish.whom, wish.level) {
            (Whom::Known(who), Some(level)) => {
                grant(&mut aces, calendar_id, who, level);
                say(before, wish, &mut guests);
                gone.extend(awaited(before, wish));
            }
            // They may have been awaited by the address by somebody who may not know them.
            (Whom::Known(who), None) => {
                revoke(&mut aces, who, &mut guests);
                guests.retain(|guest| guest.who.is_some() || guest.address != wish.address);
                gone.extend(awaited(before, wish));
            }
            (Whom::Stranger, Some(_)) => {
                gone.retain(|uid| {
                    !before.invites.iter().any(|one| one.uid == *uid && one.address == wish.address)
                });
                say(before, wish, &mut guests);
            }
            (Whom::Stranger, None) => {
                guests.retain(|guest| guest.who.is_some() || guest.address != wish.address);
                // Who has another address by now was invited by this one.
                for invite in before.invites.iter().filter(|invite| invite.address == wish.address) {
                    match grantee(invite) {
                        Some(who) => revoke(&mut aces, &who, &mut guests),
                        None => gone.push(invite.uid),
                    }
                }
            }
        }
    }
    with_guests(before, owner, aces, guests, gone)
}

/// The invite of whoever will have the address that a wish names.
fn awaited(before: &Before, wish: &Wish) -> Option<Uuid> {
    let by_address =
        |one: &&Invite| is_stranger(one) && wish.address.is_some() && one.address == wish.address;
    before.invites.iter().find(by_address).map(|one| one.uid)
}

fn with_guests(
    before: &Before,
    owner: i64,
    aces: Vec<Ace>,
    mut guests: Vec<Guest>,
    mut gone: Vec<Uuid>,
) -> Plan {
    let shares = |ace: &&Ace| is_share(ace, owner);
    for ace in aces.iter().filter(shares) {
        let invited = before.invites.iter().any(|invite| !invite.member && is_for(invite, &ace.grantee));
        if !invited
            && !guests.iter().any(|guest| guest.who.as_ref().is_some_and(|who| same(who, &ace.grantee)))
        {
            guests.push(Guest {
                who: Some(ace.grantee.clone()),
                address: None,
                common_name: None,
                summary: None,
                privileges: ace.privileges,
            });
        }
    }
    let known = before.invites.iter().filter(|invite| !invite.member && invite.sharee != Sharee::Stranger);
    let left = known.filter(|invite| !aces.iter().filter(shares).any(|ace| is_for(invite, &ace.grantee)));
    gone.extend(left.map(|invite| invite.uid));
    let changed = aces.iter().filter(|ace| {
        before.aces.iter().any(|old| same(&old.grantee, &ace.grantee) && old.privileges != ace.privileges)
    });
    let changed = changed.map(|ace| ace.grantee.clone()).collect();
    Plan { relisted: aces != before.aces, aces, guests, gone, changed }
}

/// An entry by which a person other than the owner, or a group, sees something.
fn is_share(ace: &Ace, owner: i64) -> bool {
    let shared = match &ace.grantee {
        Grantee::Principal(id, _) => *id != owner,
        Grantee::Group(_) => true,
        Grantee::Authenticated | Grantee::All | Grantee::Owner => false,
    };
    shared && Level::of(ace.privileges).is_some()
}

/// An entry of that level already stays as it is, whatever else it grants.
fn grant(aces: &mut Vec<Ace>, calendar_id: i64, who: &Grantee, level: Level) {
    let privileges = level.privileges();
    match aces.iter_mut().find(|ace| same(&ace.grantee, who)) {
        Some(ace) if Level::of(ace.privileges) == Some(level) => {}
        Some(ace) => ace.privileges = privileges,
        None => aces.push(Ace { calendar_id, grantee: who.clone(), privileges }),
    }
}

fn revoke(aces: &mut Vec<Ace>, who: &Grantee, guests: &mut Vec<Guest>) {
    aces.retain(|ace| !same(&ace.grantee, who));
    guests.retain(|guest| !guest.who.as_ref().is_some_and(|guest| same(guest, who)));
}

/// Says of a guest what is new: what is known already is no change.
fn say(before: &Before, wish: &Wish, guests: &mut Vec<Guest>) {
    let (who, Some(level)) = (known(&wish.whom), wish.level) else { return };
    let about = |guest: &Guest| match (&guest.who, who) {
        (Some(one), Some(other)) => same(one, other),
        (None, None) => guest.address == wish.address,
        _ => false,
    };
    guests.retain(|guest| !about(guest));
    let found = before.invites.iter().find(|invite| match who {
        Some(who) => !invite.member && is_for(invite, who),
        None => invite.sharee == Sharee::Stranger && invite.address == wish.address,
    });
    let told = |new: &Option<String>, old: &Option<String>| new.is_none() || new == old;
    let known = found.is_some_and(|invite| {
        told(&wish.address, &invite.address)
            && told(&wish.common_name, &invite.common_name)
            && told(&wish.summary, &invite.summary)
            && invite.answer != Answer::Declined
            && (who.is_some() || Level::of(invite.privileges) == Some(level))
    });
    if !known {
        guests.push(Guest {
            who: who.cloned(),
            address: wish.address.clone(),
            common_name: wish.common_name.clone(),
            summary: wish.summary.clone(),
            privileges: level.privileges(),
        });
    }
}

const fn known(whom: &Whom) -> Option<&Grantee> {
    match whom {
        Whom::Known(who) => Some(who),
        Whom::Stranger => None,
    }
}

fn is_stranger(invite: &Invite) -> bool {
    invite.sharee == Sharee::Stranger
}

/// Whom an entry about the sharee of an invite is about.
#[must_use]
pub fn grantee(invite: &Invite) -> Option<Grantee> {
    match &invite.sharee {
        Sharee::Person(id, name, _) => Some(Grantee::Principal(*id, name.clone())),
        Sharee::Group(name) => Some(Grantee::Group(name.clone())),
        Sharee::Stranger => None,
    }
}

fn is_for(invite: &Invite, who: &Grantee) -> bool {
    grantee(invite).is_some_and(|one| same(&one, who))
}

/// Whether two are one: of a person the number counts.
fn same(one: &Grantee, other: &Grantee) -> bool {
    match (one, other) {
        (Grantee::Principal(one, _), Grantee::Principal(other, _)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Privilege, Privileges};

    const OWNER: i64 = 1;

    fn bob() -> Grantee {
        Grantee::Principal(2, "bob".to_owned())
    }

    fn staff() -> Grantee {
        Grantee::Group("staff".to_owned())
    }

    fn ace(grantee: Grantee, privileges: Privileges) -> Ace {
        Ace { calendar_id: 7, grantee, privileges }
    }

    fn invite(nth: u128, sharee: Sharee, privileges: Privileges) -> Invite {
        Invite {
            uid: Uuid::from_u128(nth),
            address: None,
            sharee,
            member: false,
            common_name: None,
            summary: None,
            answer: Answer::Accepted,
            privileges,
        }
    }

    fn invited_bob() -> Before {
        let read = Level::Read.privileges();
        let sharee = Sharee::Person(2, "bob".to_owned(), None);
        Before { aces: vec![ace(bob(), read)], invites: vec![invite(1, sharee, read)] }
    }

    fn wish(whom: Whom, address: Option<&str>, level: Option<Level>) -> Wish {
        Wish { whom, address: address.map(str::to_owned), common_name: None, summary: None, level }
    }

    fn planned(before: &Before, wishes: &[Wish]) -> Plan {
        of_wishes(before, (OWNER, 7), wishes)
    }

    #[test]
    fn an_entry_that_shows_something_is_an_invite_and_none_without_one() {
        let owner = Grantee::Principal(OWNER, "alice".to_owned());
        let read = Level::Read.privileges();
        let list = vec![
            ace(owner, read),
            ace(bob(), Privilege::WriteAcl.with_parts()),
            ace(staff(), Privilege::ReadFreeBusy.with_parts()),
            ace(Grantee::All, read),
        ];
        let plan = of_list(&Before::default(), OWNER, list.clone());
        let who: Vec<Option<Grantee>> = plan.guests.iter().map(|guest| guest.who.clone()).collect();
        assert_eq!((who, plan.gone, plan.relisted), (vec![Some(staff())], vec![], true));
        // Of bob the list says nothing that he sees any more.
        let plan = of_list(&invited_bob(), OWNER, list);
        assert_eq!(plan.gone, [Uuid::from_u128(1)]);
        assert_eq!(plan.changed, [bob()]);
        assert!(of_list(&invited_bob(), OWNER, invited_bob().aces).is_empty());
    }

    #[test]
    fn a_wish_that_says_nothing_new_is_none() {
        let before = invited_bob();
        let known = |level| wish(Whom::Known(bob()), None, level);
        assert!(planned(&before, &[known(Some(Level::Read))]).is_empty());
        let upgraded = planned(&before, &[known(Some(Level::ReadWrite))]);
        assert_eq!(upgraded.aces, [ace(bob(), Level::ReadWrite.privileges())]);
        assert_eq!((upgraded.changed, upgraded.guests.len()), (vec![bob()], 0));
        let removed = planned(&before, &[known(None)]);
        assert_eq!((removed.aces.len(), removed.gone.len()), (0, 1));
        // One after the other: the last word counts.
        assert!(planned(&before, &[known(None), known(Some(Level::Read))]).gone.is_empty());
        assert!(planned(&Before::default(), &[known(Some(Level::Read)), known(None)]).is_empty());
    }

    #[test]
    fn who_declined_is_asked_again_and_a_custom_entry_of_the_level_stays() {
        let mut before = invited_bob();
        before.invites[0].answer = Answer::Declined;
        let again = wish(Whom::Known(bob()), None, Some(Level::Read));
        assert_eq!(planned(&before, std::slice::from_ref(&again)).guests.len(), 1);
        let custom = [Privilege::Read, Privilege::Unlock].into_iter().collect();
        before.aces[0].privileges = custom;
        let plan = planned(&before, &[again]);
        assert_eq!((plan.aces, plan.relisted), (vec![ace(bob(), custom)], false));
    }

    #[test]
    fn strangers_are_kept_by_their_address_until_they_are_not_wanted() {
        let set = wish(Whom::Stranger, Some("x@y"), Some(Level::Read));
        let plan = planned(&Before::default(), &[set.clone(), set.clone()]);
        assert_eq!((plan.guests.len(), plan.relisted), (1, false));
        let stranger = Invite {
            address: Some("x@y".to_owned()),
            ..invite(3, Sharee::Stranger, Level::Read.privileges())
        };
        let before = Before { aces: Vec::new(), invites: vec![stranger] };
        assert!(planned(&before, std::slice::from_ref(&set)).is_empty());
        let gone = wish(Whom::Stranger, Some("x@y"), None);
        assert_eq!(planned(&before, std::slice::from_ref(&gone)).gone, [Uuid::from_u128(3)]);
        assert!(planned(&before, &[gone.clone(), set]).gone.is_empty());
        // Somebody who was here all the time, and may be known now, or may not.
        for level in [None, Some(Level::Read)] {
            let plan = planned(&before, &[wish(Whom::Known(bob()), Some("x@y"), level)]);
            assert_eq!(plan.gone, [Uuid::from_u128(3)]);
        }
        // Somebody who was invited by that address, which is theirs no more.
        let mut before = invited_bob();
        before.invites[0].address = Some("x@y".to_owned());
        assert_eq!(planned(&before, &[gone]).gone, [Uuid::from_u128(1)]);
    }
}
