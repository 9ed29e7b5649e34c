//! ACL: who may do what with a home or a calendar besides its owner (RFC 3744 §8.1).

use std::sync::Arc;

use crate::{
    db::Tx,
    front::{Response, Status, header},
    model::{Privilege, Privileges},
    store::{self, Ace, Calendar, Grantee, Principal},
    xml::{Element, Name},
};

use super::{
    Cx, Error, Given, Refusal, Result, Target,
    access::{self, Household, On},
    condition::{
        ALLOWED_PRINCIPAL, DENY_BEFORE_GRANT, GRANT_ONLY, LIMITED_NUMBER_OF_ACES, NO_ABSTRACT,
        NO_ACE_CONFLICT, NO_INHERITED_ACE_CONFLICT, NO_INVERT, NO_PROTECTED_ACE_CONFLICT,
        NOT_SUPPORTED_PRIVILEGE, RECOGNIZED_PRINCIPAL,
    },
    deeds, facts,
    guard::{Now, Touch},
    locks, sharing,
    target::is_ours,
};

/// Puts the entries of the body in place of those that the resource has of its own.
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let root = given.xml.filter(|root| root.is(Name::dav("acl")));
    let root = root.ok_or_else(|| Refusal::bad_request("the body of an ACL is a DAV:acl"))?;
    let guard = locks::guard(&cx).await?;
    let most = cx.settings.sharing.max_sharees as usize;
    let entries = read(&cx, &root, most)?;
    let house = access::household(&cx).await?;
    let (entries, guard, house) = (&entries, &guard, &house);
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            sharing::alone(&tx).await?;
            let (calendar, rights) = if matches!(cx.located.target, Target::Home(_)) {
                let house = house.held(&cx, &tx).await?;
                house.need(&cx, Privilege::WriteAcl)?;
                guard.unchanged(Some(""), None)?;
                (None, house.rights)
            } else {
                let calendar = facts::locked(&cx, &tx, house, On::Resource, Privilege::WriteAcl).await?;
                let locks = store::lock::of_in(&tx, &calendar).await?;
                guard
                    .permits(&Now { calendar: &calendar, object: None, locks: &locks }, &[Touch::Calendar])?;
                let rights = calendar.rights;
                (Some(calendar), rights)
            };
            let (home_id, calendar_id) = calendar.as_ref().map_or((house.owner.id, 0), Calendar::kept);
            let there = store::ace::of_in(&tx, home_id, calendar_id).await?;
            let (mut own, inherited): (Vec<Ace>, Vec<Ace>) =
                there.into_iter().partition(|ace| ace.calendar_id == calendar_id);
            let before = own.clone();
            // Who cannot see the list adds to it (RFC 3744 §8.1).
            if rights.has(Privilege::ReadAcl) {
                own.clear();
            }
            let named = entries.iter().filter_map(Entry::target);
            let mut known = Known::of(&cx, &tx, named).await?;
            if rights.has(Privilege::ReadAcl) {
                known.listed = before.iter().map(|ace| ace.grantee.clone()).collect();
            }
            let owner = &owner_of(&tx, house, home_id).await?;
            let after = judge(entries, Around { calendar_id, owner, own, inherited, most }, &known)?;
            if !rights.has(Privilege::ReadPrivate) && discloses(&before, &after) {
                return Err(Refusal::need(cx.located.own_href(), Privilege::ReadPrivate).into());
            }
            let place = calendar.as_ref().map_or("", Calendar::name_at_home);
            let deeds = deeds::of_lists(&cx.viewer.principal, (owner, place), &before, &after);
            if let Some(calendar) = &calendar {
                sharing::list(&cx, &tx, calendar, before, after).await?;
            } else {
                sharing::home(&tx, home_id, &before, &after).await?;
            }
            Ok::<_, Error>(store::audit::record(&tx, &deeds).await?)
        })
        .await?;
    Ok(Response::new(Status::OK).with(header::CONTENT_LENGTH, "0"))
}

/// Whose something is that was found in a home, and may be kept in another.
pub async fn owner_of(tx: &Tx, house: &Household, home_id: i64) -> Result<Principal> {
    if home_id == house.owner.id {
        return Ok(house.owner.clone());
    }
    Ok(store::principal::by_id_in(tx, home_id).await?.ok_or_else(Refusal::not_found)?)
}

/// Whether a list lets somebody see what is private whom the one before it did not: only who sees it themselves may do that.
#[must_use]
pub fn discloses(before: &[Ace], after: &[Ace]) -> bool {
    shown(before, after).next().is_some()
}

/// The entries by which somebody sees what is private whom the list before did not let.
fn shown<'a>(before: &'a [Ace], after: &'a [Ace]) -> impl Iterator<Item = &'a Ace> {
    let shows = |ace: &&Ace| ace.privileges.has(Privilege::ReadPrivate);
    let was = move |ace: &Ace| before.iter().filter(shows).any(|old| old.grantee == ace.grantee);
    after.iter().filter(shows).filter(move |ace| !was(ace))
}

/// Whether somebody who reads a calendar before and after the change of its list comes to see what is private there, or ceases to:
/// what they have of it is then another whole, and no change tells them so.
#[must_use]
pub fn turns(before: &[Ace], after: &[Ace], inherited: &[Ace]) -> bool {
    let same = |one: &Ace, other: &Ace| match (&one.grantee, &other.grantee) {
        (Grantee::Principal(one, _), Grantee::Principal(other, _)) => one == other,
        // A person may be in any group.
        _ => true,
    };
    let read = |ace: &Ace, list: &[Ace]| {
        list.iter().chain(inherited).any(|other| other.privileges.has(Privilege::Read) && same(ace, other))
    };
    shown(before, after).any(|ace| read(ace, before)) || shown(after, before).any(|ace| read(ace, after))
}

/// Whom an entry of a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// A path; nothing where it is none of this server's.
    Href(Option<Target>),
    All,
    Authenticated,
    Owner,
    /// DAV:unauthenticated, DAV:self, and properties that are not DAV:owner.
    Other,
}

/// An entry of a request, of which nothing is known but that it is one.
#[derive(Clone, Debug)]
struct Entry {
    who: Who,
    /// Why it can be in no list.
    unfit: Option<Refusal>,
    denies: bool,
    /// `None` where there is no such privilege.
    privileges: Vec<Option<Privilege>>,
}

impl Entry {
    /// What it names by its path.
    fn target(&self) -> Option<&Target> {
        if let Who::Href(target) = &self.who { target.as_ref() } else { None }
    }
}

fn read(cx: &Cx, root: &Element, most: usize) -> Result<Vec<Entry>, Refusal> {
    let elements: Vec<&Element> = root.all(Name::dav("ace")).collect();
    if elements.len() > most {
        return Err(too_many(most));
    }
    elements.into_iter().map(|element| entry(cx, element)).collect()
}

/// More entries than a list may have.
#[must_use]
pub fn too_many(most: usize) -> Refusal {
    LIMITED_NUMBER_OF_ACES.because(format!("a list has at most {most} entries"))
}

fn entry(cx: &Cx, element: &Element) -> Result<Entry, Refusal> {
    let malformed = || Refusal::bad_request("a DAV:ace has one principal, and one DAV:grant or DAV:deny");
    let one = |names: [&'static str; 2]| {
        let mut found = element.children().filter(|child| names.iter().any(|name| child.is(Name::dav(name))));
        found.next().filter(|_| found.next().is_none()).ok_or_else(malformed)
    };
    let (whom, what) = (one(["principal", "invert"])?, one(["grant", "deny"])?);
    let principal =
        if whom.is(Name::dav("invert")) { whom.child(Name::dav("principal")) } else { Some(whom) };
    let principal = principal.ok_or_else(malformed)?;
    // The RFC's own examples leave DAV:privilege out (§8.1.4).
    let listed = |child: &Element| -> Vec<Option<Privilege>> {
        if child.is(Name::dav("privilege")) {
            child.children().map(|name| access::named(name.name())).collect()
        } else {
            vec![access::named(child.name())]
        }
    };
    let privileges: Vec<Option<Privilege>> = what.children().flat_map(listed).collect();
    if privileges.is_empty() {
        return Err(Refusal::bad_request("a DAV:grant or DAV:deny names a privilege"));
    }
    Ok(Entry {
        who: who(cx, principal).ok_or_else(malformed)?,
        unfit: unfit(element),
        denies: what.is(Name::dav("deny")),
        privileges,
    })
}

/// What others than grants to somebody are; the last two come from lists that were read and are sent back whole.
fn unfit(element: &Element) -> Option<Refusal> {
    let has = |name| element.child(Name::dav(name)).is_some();
    if has("invert") {
        return Some(NO_INVERT.into());
    }
    if has("protected") {
        return Some(NO_PROTECTED_ACE_CONFLICT.because("a protected entry stays as it is: send the others"));
    }
    has("inherited")
        .then(|| NO_INHERITED_ACE_CONFLICT.because("an inherited entry is the home's: send the others"))
}

fn who(cx: &Cx, principal: &Element) -> Option<Who> {
    let mut children = principal.children();
    let child = children.next().filter(|_| children.next().is_none())?;
    let is = |name| child.is(Name::dav(name));
    if is("href") {
        return Some(Who::Href(is_ours(cx, child.text().trim()).map(|located| located.target)));
    }
    let named = ["unauthenticated", "self", "property"].into_iter().any(is);
    match () {
        () if is("all") => Some(Who::All),
        () if is("authenticated") => Some(Who::Authenticated),
        () if is("property") && child.child(Name::dav("owner")).is_some() => Some(Who::Owner),
        () => named.then_some(Who::Other),
    }
}

/// The principals among those that are named, as far as the viewer may know them.
#[derive(Default)]
pub struct Known {
    people: Vec<Principal>,
    groups: Vec<String>,
    /// Those of the list that is there, if the viewer sees it: it can be sent back, whoever is in it.
    listed: Vec<Grantee>,
}

impl Known {
    /// Looks up those that these paths name.
    pub async fn of(cx: &Cx, tx: &Tx, named: impl IntoIterator<Item = &Target>) -> Result<Self> {
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        for target in named {
            match target {
                Target::Principal(user) => users.push(user.as_str()),
                Target::Group(name) => groups.push(name.as_str()),
                _ => {}
            }
        }
        let mut known = Self::default();
        if !users.is_empty() {
            known.people = store::principal::by_names_in(tx, &users).await?;
            known.people.retain(|who| access::may_know(cx, who));
        }
        if !groups.is_empty() {
            known.groups = store::principal::groups_in(tx, &groups).await?;
            known.groups.retain(|name| access::may_know_group(cx, name));
        }
        Ok(known)
    }

    /// Whom the path names.
    #[must_use]
    pub fn find(&self, target: &Target) -> Option<Grantee> {
        let is = |grantee: &&Grantee| match (grantee, target) {
            (Grantee::Principal(_, name), Target::Principal(user)) => name == user,
            (Grantee::Group(name), Target::Group(group)) => name == group,
            _ => false,
        };
        if let Some(there) = self.listed.iter().find(is) {
            return Some(there.clone());
        }
        match target {
            Target::Principal(user) => {
                let found = self.people.iter().find(|who| who.name == *user);
                found.map(|who| Grantee::Principal(who.id, who.name.clone()))
            }
            Target::Group(name) => self.groups.contains(name).then(|| Grantee::Group(name.clone())),
            _ => None,
        }
    }

    fn grantee(&self, who: &Who) -> Result<Grantee, Refusal> {
        let found = match who {
            Who::All => Some(Grantee::All),
            Who::Authenticated => Some(Grantee::Authenticated),
            Who::Owner => Some(Grantee::Owner),
            Who::Href(target) => target.as_ref().and_then(|target| self.find(target)),
            Who::Other => {
                let why = "only people, groups, the owner and all who signed in can be granted something";
                return Err(ALLOWED_PRINCIPAL.because(why));
            }
        };
        found.ok_or_else(|| RECOGNIZED_PRINCIPAL.into())
    }
}

/// What a list is judged by.
struct Around<'a> {
    calendar_id: i64,
    owner: &'a Principal,
    /// The entries that stay, because the viewer does not see them.
    own: Vec<Ace>,
    /// Those of the home.
    inherited: Vec<Ace>,
    /// How many entries it may have.
    most: usize,
}

/// The new list, or the precondition that it does not meet (RFC 3744 §8.1.1).
fn judge(entries: &[Entry], around: Around<'_>, known: &Known) -> Result<Vec<Ace>, Refusal> {
    let (mut aces, mut granting) = (around.own, false);
    for entry in entries {
        if let Some(refusal) = &entry.unfit {
            return Err(refusal.clone());
        }
        let privileges = privileges(entry)?;
        let grantee = known.grantee(&entry.who)?;
        if entry.denies {
            return Err(denial(&grantee, privileges, around.owner, &around.inherited, granting));
        }
        granting = true;
        if aces.iter().any(|ace| ace.grantee == grantee) {
            return Err(NO_ACE_CONFLICT.because("one entry says all that is granted to one principal"));
        }
        aces.push(Ace { calendar_id: around.calendar_id, grantee, privileges });
    }
    if aces.len() > around.most {
        return Err(too_many(around.most));
    }
    Ok(aces)
}

fn privileges(entry: &Entry) -> Result<Privileges, Refusal> {
    let each = entry.privileges.iter().map(|privilege| match privilege {
        None => Err(NOT_SUPPORTED_PRIVILEGE.into()),
        Some(privilege) if privilege.is_abstract() => Err(NO_ABSTRACT.into()),
        Some(privilege) => Ok(*privilege),
    });
    each.collect()
}

/// Nothing can be denied; the refusal says what would be in the way even if it could.
fn denial(
    grantee: &Grantee,
    privileges: Privileges,
    owner: &Principal,
    inherited: &[Ace],
    granting: bool,
) -> Refusal {
    let of_owner = match grantee {
        Grantee::Principal(id, _) => *id == owner.id,
        Grantee::Group(name) => owner.groups.contains(name),
        Grantee::Authenticated | Grantee::All | Grantee::Owner => true,
    };
    let overlaps = |ace: &Ace| ace.grantee == *grantee && !ace.privileges.and(privileges).is_empty();
    if of_owner {
        NO_PROTECTED_ACE_CONFLICT.because("the owner may do everything")
    } else if inherited.iter().any(overlaps) {
        NO_INHERITED_ACE_CONFLICT.because("the home grants it")
    } else if granting {
        DENY_BEFORE_GRANT.into()
    } else {
        GRANT_ONLY.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dav::condition::Condition;

    fn principal(id: i64, name: &str) -> Principal {
        Principal { id, name: name.to_owned(), groups: vec!["staff".to_owned()], ..Principal::default() }
    }

    fn grant(who: Who, privilege: Privilege) -> Entry {
        Entry { who, unfit: None, denies: false, privileges: vec![Some(privilege)] }
    }

    fn deny(who: Who, privilege: Privilege) -> Entry {
        Entry { denies: true, ..grant(who, privilege) }
    }

    fn person(name: &str) -> Who {
        Who::Href(Some(Target::Principal(name.to_owned())))
    }

    fn group(name: &str) -> Who {
        Who::Href(Some(Target::Group(name.to_owned())))
    }

    fn ace(grantee: Grantee, privilege: Privilege) -> Ace {
        Ace { calendar_id: 0, grantee, privileges: privilege.with_parts() }
    }

    fn judged(entries: &[Entry], own: Vec<Ace>) -> Result<Vec<Ace>, Refusal> {
        let known = Known {
            people: vec![principal(1, "alice"), principal(2, "bob")],
            groups: vec!["staff".to_owned(), "guests".to_owned()],
            listed: Vec::new(),
        };
        let inherited = vec![ace(Grantee::Group("guests".to_owned()), Privilege::Read)];
        let owner = &principal(1, "alice");
        judge(entries, Around { calendar_id: 0, owner, own, inherited, most: 250 }, &known)
    }

    #[test]
    fn a_denial_is_refused_for_the_reason_that_says_most() {
        let read = Privilege::Read;
        let cases: [(Vec<Entry>, Condition); 8] = [
            (vec![deny(person("alice"), read)], NO_PROTECTED_ACE_CONFLICT),
            (vec![deny(group("staff"), read)], NO_PROTECTED_ACE_CONFLICT),
            (vec![deny(Who::All, read)], NO_PROTECTED_ACE_CONFLICT),
            (vec![deny(group("guests"), Privilege::ReadFreeBusy)], NO_INHERITED_ACE_CONFLICT),
            (vec![deny(group("guests"), Privilege::Bind)], GRANT_ONLY),
            (vec![deny(person("bob"), read)], GRANT_ONLY),
            (vec![grant(Who::All, read), deny(person("bob"), read)], DENY_BEFORE_GRANT),
            (vec![deny(person("bob"), read), grant(Who::All, read)], GRANT_ONLY),
        ];
        for (entries, condition) in cases {
            let refusal = judged(&entries, Vec::new()).unwrap_err();
            assert_eq!(refusal.condition, Some(condition), "{entries:?}");
        }
    }

    #[test]
    fn what_is_granted_stays_in_its_order_and_what_is_not_seen_stays_too() {
        let entries = [grant(person("bob"), Privilege::Write), grant(Who::Owner, Privilege::All)];
        let bob = Grantee::Principal(2, "bob".to_owned());
        let wanted = [ace(bob.clone(), Privilege::Write), ace(Grantee::Owner, Privilege::All)];
        assert_eq!(judged(&entries, Vec::new()).unwrap(), wanted);
        let unseen = ace(Grantee::All, Privilege::Read);
        let both = judged(&entries, vec![unseen.clone()]).unwrap();
        assert_eq!(both, [vec![unseen], wanted.to_vec()].concat());
        let twice = judged(&entries, vec![ace(bob, Privilege::Read)]).unwrap_err();
        assert_eq!(twice.condition, Some(NO_ACE_CONFLICT));
    }

    #[test]
    fn who_and_what_is_unknown_is_refused() {
        for (entry, condition) in [
            (grant(person("nobody"), Privilege::Read), RECOGNIZED_PRINCIPAL),
            (grant(group("nobodies"), Privilege::Read), RECOGNIZED_PRINCIPAL),
            (grant(Who::Href(None), Privilege::Read), RECOGNIZED_PRINCIPAL),
            (grant(Who::Href(Some(Target::Home("bob".to_owned()))), Privilege::Read), RECOGNIZED_PRINCIPAL),
            (grant(Who::Other, Privilege::Read), ALLOWED_PRINCIPAL),
            (grant(person("bob"), Privilege::ReadCurrentUserPrivilegeSet), NO_ABSTRACT),
            (
                Entry { privileges: vec![None], ..grant(person("bob"), Privilege::Read) },
                NOT_SUPPORTED_PRIVILEGE,
            ),
        ] {
            assert_eq!(judged(&[entry], Vec::new()).unwrap_err().condition, Some(condition));
        }
    }

    #[test]
    fn a_list_turns_for_who_reads_before_and_after() {
        let (all, read) = (Privilege::All, Privilege::Read);
        let bob = |privilege| ace(Grantee::Principal(2, "bob".to_owned()), privilege);
        let carol = |privilege| ace(Grantee::Principal(3, "carol".to_owned()), privilege);
        let staff = |privilege| ace(Grantee::Group("staff".to_owned()), privilege);
        for (before, after, inherited, turned) in [
            (vec![bob(read)], vec![bob(all)], vec![], true),
            (vec![bob(all)], vec![bob(read)], vec![], true),
            // Who comes has nothing yet, who goes keeps nothing.
            (vec![carol(read)], vec![carol(read), bob(all)], vec![], false),
            (vec![carol(read), bob(all)], vec![carol(read)], vec![], false),
            // Unless they read it by something else.
            (vec![staff(read)], vec![staff(read), bob(all)], vec![], true),
            (vec![], vec![bob(all)], vec![bob(read)], true),
            (vec![bob(all)], vec![], vec![staff(read)], true),
            (vec![bob(read)], vec![bob(Privilege::Write)], vec![], false),
            (vec![bob(all), carol(all)], vec![carol(all), bob(all)], vec![], false),
        ] {
            assert_eq!(turns(&before, &after, &inherited), turned, "{before:?} {after:?}");
        }
    }
}
