//! Delegates: the groups of those whom somebody lets into their home as a whole, which are entries of its access control list
//! seen another way (caldav-proxy §5.2).

use std::sync::Arc;

use crate::{
    db::Tx,
    front::{Response, Status, header},
    model::{Kind, Privilege, Privileges, Rank},
    store::{self, Ace, Grantee, Principal},
    xml::{Element, Name, parse},
};

use super::{
    Cx, Error, Refusal, Result, Target,
    access::{self, household},
    acl::{Known, too_many},
    condition::{ALLOWED_PRINCIPAL, CANNOT_MODIFY_PROTECTED_PROPERTY, RECOGNIZED_PRINCIPAL},
    deeds, facts,
    guard::Guard,
    header::Prefer,
    locks,
    multistatus::Multistatus,
    prop::{Facts, Needs},
    proppatch::{Moment, Order, orders, report},
    sharing,
    target::is_ours,
};

const MEMBERS: Name = Name::dav("group-member-set");

/// A home that somebody may use as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose it is.
    pub owner: String,
    /// How far.
    pub rank: Rank,
    /// Whether they are named in person, and not by a group.
    pub direct: bool,
}

/// The homes that are open to a principal, to the groups, or to both.
pub async fn charges(cx: &Cx, who: Option<i64>, groups: &[String]) -> Result<Vec<Charge>> {
    if cx.viewer.is_confined() {
        return Ok(Vec::new());
    }
    let entries = store::ace::on_homes(&cx.pool, who, groups).await?;
    let charge = |(owner, ace): (String, Ace)| {
        Some(Charge { owner, rank: rank(&ace)?, direct: matches!(ace.grantee, Grantee::Principal(..)) })
    };
    Ok(entries.into_iter().filter_map(charge).collect())
}

/// Those whose homes are open at that rank and no higher one, each once, in the order of their names.
#[must_use]
pub fn owners(charges: &[Charge], rank: Rank) -> Vec<&str> {
    let highest = |owner: &str| charges.iter().filter(|c| c.owner == owner).map(|c| c.rank).max();
    let mut owners: Vec<&str> = charges.iter().map(|charge| charge.owner.as_str()).collect();
    owners.dedup();
    owners.retain(|owner| highest(owner) == Some(rank));
    owners
}

/// The facts of the group in the request's URL.
pub async fn of_target(cx: &Cx, rank: Rank, needs: Needs) -> Result<Facts> {
    let house = household(cx).await?;
    if cx.viewer.is_confined() || !access::may_know(cx, &house.owner) {
        return Err(Refusal::not_found().into());
    }
    let entries = if needs.has(Needs::MEMBERS) { list(cx, house.owner.id).await? } else { Vec::new() };
    Ok(group(cx, (&house.owner, house.rights), rank, &entries))
}

/// The facts of both groups of somebody.
pub async fn of_principal(cx: &Cx, owner: &Principal, needs: Needs) -> Result<Vec<Facts>> {
    if cx.viewer.is_confined() {
        return Ok(Vec::new());
    }
    let rights = store::ace::on_home(&cx.pool, &cx.viewer, owner.id).await?;
    let entries = if needs.has(Needs::MEMBERS) { list(cx, owner.id).await? } else { Vec::new() };
    Ok(Rank::ALL.into_iter().map(|rank| group(cx, (owner, rights), rank, &entries)).collect())
}

async fn list(cx: &Cx, home_id: i64) -> Result<Vec<Ace>> {
    Ok(store::ace::of(&cx.pool, home_id, 0).await?)
}

/// Whoever may see the list of the home sees who is in the group, and whoever may change it as well, changes it here.
fn group(cx: &Cx, (owner, rights): (&Principal, Privileges), rank: Rank, entries: &[Ace]) -> Facts {
    let mut held = Privileges::LOOK;
    if rights.has(Privilege::ReadAcl) {
        held = held.or(Privilege::ReadAcl.with_parts());
        if rights.has(Privilege::WriteAcl) {
            held = held.or(Privilege::WriteProperties.with_parts());
        }
    }
    let target = Target::Delegates(owner.name.clone(), rank);
    let href = cx.href(&target);
    let members = entries.iter().filter(|ace| self::rank(ace) == Some(rank)).filter_map(member).collect();
    Facts { members, ..Facts::bare(target, href, held) }
}

/// What an entry of a home's list makes of whom it is about.
fn rank(ace: &Ace) -> Option<Rank> {
    member(ace)?;
    Rank::of(ace.privileges)
}

fn member(ace: &Ace) -> Option<Target> {
    match &ace.grantee {
        Grantee::Principal(_, name) => Some(Target::Principal(name.clone())),
        Grantee::Group(name) => Some(Target::Group(name.clone())),
        Grantee::Authenticated | Grantee::All | Grantee::Owner => None,
    }
}

/// PROPPATCH of such a group: its members are all that can be set of it, all of them or none.
pub async fn change(cx: &Arc<Cx>, rank: Rank, root: &Element) -> Result<Response> {
    let facts = facts::of_target_for(cx, Needs::NONE, Privilege::WriteProperties).await?;
    let guard = locks::guard(cx).await?;
    let mut orders = orders(root, cx.tables, Kind::Delegates, Moment::Later)?;
    for order in orders.iter_mut().filter(|order| order.name != MEMBERS) {
        order.refusal = Some(CANNOT_MODIFY_PROTECTED_PROPERTY.into());
    }
    let prefer = Prefer::of(&cx.headers);
    match &mut orders[..] {
        [order] if order.refusal.is_none() => match set(cx, &guard, rank, order).await {
            Ok(()) if prefer.minimal => {
                let done = Response::new(Status::OK).with(header::VARY, "Brief, Prefer");
                return Ok(prefer.with_root().told(done));
            }
            Ok(()) => {}
            Err(Error::Refused(refusal)) if refusal.condition.is_some() => order.refusal = Some(refusal),
            Err(other) => return Err(other),
        },
        _ => guard.holds(&facts)?,
    }
    let mut answer = Multistatus::new(Prefer::default());
    answer.other(&facts.href, |w| report(&orders, w));
    Ok(answer.finish())
}

/// Puts the members of the order in place of those that there are.
async fn set(cx: &Arc<Cx>, guard: &Guard, rank: Rank, order: &Order) -> Result<()> {
    let house = household(cx).await?;
    let (owner, home_id) = (&house.owner, house.owner.id);
    let targets = &targets(cx, order)?;
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            sharing::alone(&tx).await?;
            let rights = house.held(cx, &tx).await?.rights;
            let group = group(cx, (owner, rights), rank, &[]);
            access::need(group.rights, Privilege::WriteProperties, || group.href.clone())?;
            guard.unchanged(Some(""), None)?;
            let before = store::ace::of_in(&tx, home_id, 0).await?;
            let known = Known::of(cx, &tx, targets).await?;
            // Whoever is there already may be named again, known or not.
            let there = |target: &Target| before.iter().find(|ace| member(ace).as_ref() == Some(target));
            let find = |target| there(target).map(|ace| ace.grantee.clone()).or_else(|| known.find(target));
            let wanted: Option<Vec<Grantee>> = targets.iter().map(find).collect();
            let wanted = wanted.ok_or(RECOGNIZED_PRINCIPAL)?;
            if wanted.iter().any(|grantee| matches!(grantee, Grantee::Principal(id, _) if *id == home_id)) {
                return Err(ALLOWED_PRINCIPAL.because("nobody is their own delegate").into());
            }
            let after = appoint(&before, rank, &wanted);
            let most = cx.settings.sharing.max_sharees as usize;
            if after.len() > most {
                return Err(too_many(most).into());
            }
            sharing::home(&tx, home_id, &before, &after).await?;
            let deeds = deeds::of_lists(&cx.viewer.principal, (owner, ""), &before, &after);
            Ok(store::audit::record(&tx, &deeds).await?)
        })
        .await
}

/// Whom the order names.
fn targets(cx: &Cx, order: &Order) -> Result<Vec<Target>, Refusal> {
    let Some(value) = &order.value else { return Ok(Vec::new()) };
    let value = parse(value.as_bytes()).map_err(|fault| Refusal::bad_request(fault.to_string()))?;
    let target = |href: &Element| match is_ours(cx, href.text().trim()).map(|located| located.target) {
        Some(target @ (Target::Principal(_) | Target::Group(_))) => Ok(target),
        Some(Target::Delegates(..)) => {
            Err(ALLOWED_PRINCIPAL.because("delegates are people and groups of people"))
        }
        _ => Err(RECOGNIZED_PRINCIPAL.into()),
    };
    value.all(Name::dav("href")).map(target).collect()
}

/// The home's list when these are the delegates of that rank: who had it and is not among them is in the list no longer, who
/// had it stays as they are, and all others are granted what the rank has and nothing else.
fn appoint(before: &[Ace], rank: Rank, wanted: &[Grantee]) -> Vec<Ace> {
    let stays = |ace: &&Ace| self::rank(ace) != Some(rank) || wanted.contains(&ace.grantee);
    let entry =
        |grantee: &Grantee| Ace { calendar_id: 0, grantee: grantee.clone(), privileges: rank.privileges() };
    let moved = |ace: &Ace| wanted.contains(&ace.grantee) && self::rank(ace) != Some(rank);
    let mut after: Vec<Ace> = before
        .iter()
        .filter(stays)
        .map(|ace| if moved(ace) { entry(&ace.grantee) } else { ace.clone() })
        .collect();
    for grantee in wanted {
        if after.iter().all(|ace| ace.grantee != *grantee) {
            after.push(entry(grantee));
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ace(grantee: Grantee, privileges: Privileges) -> Ace {
        Ace { calendar_id: 0, grantee, privileges }
    }

    fn person(id: i64) -> Grantee {
        Grantee::Principal(id, id.to_string())
    }

    #[test]
    fn who_is_named_is_a_delegate_and_nobody_else() {
        let (read, write) = (Rank::Read.privileges(), Rank::Write.privileges());
        let busy = Privilege::ReadFreeBusy.with_parts();
        let staff = || Grantee::Group("staff".to_owned());
        let before = [
            ace(person(1), read),
            ace(person(2), Privileges::ALL),
            ace(person(3), write),
            ace(Grantee::Authenticated, read),
            ace(staff(), busy),
        ];
        // One goes down, one goes, one comes, and what others are granted stays.
        let after = appoint(&before, Rank::Read, &[person(3), person(4), person(4), staff()]);
        assert_eq!(
            after,
            [
                ace(person(2), Privileges::ALL),
                ace(person(3), read),
                ace(Grantee::Authenticated, read),
                ace(staff(), read),
                ace(person(4), read),
            ]
        );
        // Who has more than the rank, keeps it.
        let after = appoint(&before, Rank::Write, &[person(2), person(1)]);
        let wanted = [(person(1), write), (person(2), Privileges::ALL)].map(|(who, all)| ace(who, all));
        assert_eq!(after[..2], wanted);
        assert_eq!(after.len(), 4);
        assert_eq!(appoint(&[], Rank::Write, &[]), []);
    }

    #[test]
    fn the_higher_rank_counts() {
        let charge = |owner: &str, rank, direct| Charge { owner: owner.to_owned(), rank, direct };
        let all = [
            charge("alice", Rank::Read, true),
            charge("alice", Rank::Write, false),
            charge("bob", Rank::Read, false),
            charge("bob", Rank::Read, true),
        ];
        assert_eq!((owners(&all, Rank::Read), owners(&all, Rank::Write)), (vec!["bob"], vec!["alice"]));
    }
}
