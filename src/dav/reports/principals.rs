//! DAV:acl-principal-prop-set: who is in an access control list; DAV:principal-match: what is the viewer's (RFC 3744 §9.2
//! and §9.3).

use std::{collections::HashMap, sync::Arc};

use crate::{
    front::{Response, Status},
    model::{Kind, Privilege, Privileges},
    store::{self, Calendar, Grantee, Principal},
    xml::{Element, Name, QName, Writer, parse},
};

use crate::dav::{
    Cx, Refusal, Result, Target,
    ask::Ask,
    condition::NUMBER_OF_MATCHES_WITHIN_LIMITS,
    delegates, facts,
    header::Prefer,
    multistatus::Multistatus,
    prop::{Facts, Needs},
    seen,
    target::is_ours,
};

use super::search::flat;

/// The properties of each principal that the resource's list names by a path, or as its owner; each once.
pub async fn acl_principal_prop_set(cx: Arc<Cx>, root: Element) -> Result<Response> {
    flat(&cx)?;
    let of = facts::of_target_for(&cx, Needs::ACL, Privilege::ReadAcl).await?;
    let ask = Ask::of_report(&root, cx.tables)?;
    let needs = ask.needs(cx.tables);
    let (mut people, mut groups) = (Vec::new(), Vec::new());
    if let Some(user) = of.owner().filter(|_| of.kind() != Kind::Principal) {
        people.push(facts::owner(&cx, user).await?);
    }
    let (mut ids, mut named) = (Vec::new(), Vec::new());
    for ace in of.acl.iter().flat_map(|list| list.iter()) {
        match &ace.grantee {
            Grantee::Principal(id, name) => {
                ids.push(*id);
                named.push(name.clone());
            }
            Grantee::Group(name) if !groups.contains(name) => groups.push(name.clone()),
            _ => {}
        }
    }
    if !ids.is_empty() {
        let others = store::principal::by_ids(&cx.pool, &ids).await?;
        let owner = people.first().map(|owner: &Principal| owner.id);
        people.extend(others.into_iter().filter(|who| Some(who.id) != owner));
    }
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    let known = facts::of_principals(&cx, people, needs).await?;
    for facts in &known {
        answer.response(facts, &ask, &cx);
    }
    // Whom the viewer may not know is in the list all the same.
    for href in named.into_iter().map(|name| cx.href(&Target::Principal(name))) {
        if known.iter().all(|facts| facts.href != href) {
            answer.status(&href, Status::NOT_FOUND);
        }
    }
    let known = facts::of_groups(&cx, &groups, needs).await?;
    for target in groups.into_iter().map(Target::Group) {
        match known.iter().find(|facts| facts.target == target) {
            Some(facts) => answer.response(facts, &ask, &cx),
            None => answer.status(&cx.href(&target), Status::NOT_FOUND),
        }
    }
    Ok(answer.finish())
}

/// How many resources are told of.
const MOST: usize = 500;

/// The members, at any depth, that stand for the viewer, or of which a property points to the viewer.
pub async fn principal_match(cx: Arc<Cx>, root: Element) -> Result<Response> {
    flat(&cx)?;
    let property = match (root.child(Name::dav("self")), root.child(Name::dav("principal-property"))) {
        (Some(_), None) => None,
        (None, Some(element)) => {
            let named = element.children().next().map(|child| child.name().clone());
            Some(named.ok_or_else(|| Refusal::bad_request("a DAV:principal-property names a property"))?)
        }
        _ => {
            let why = "a DAV:principal-match has either DAV:self or DAV:principal-property";
            return Err(Refusal::bad_request(why).into());
        }
    };
    let ask = Ask::of_report(&root, cx.tables)?;
    let wanted = property.as_ref().and_then(|name| cx.tables.prop(name)).map_or(Needs::NONE, |p| p.needs);
    let needs = ask.needs(cx.tables).or(wanted);
    let top = facts::of_target(&cx, needs).await?;
    let mut matching: Vec<Facts> = match &property {
        None => of_viewer(&cx, top, needs).await?,
        Some(name) => {
            let all = below(&cx, top, needs).await?;
            all.into_iter().filter(|facts| points_to_viewer(facts, name, &cx)).collect()
        }
    };
    let cut = matching.len() > MOST;
    matching.truncate(MOST);
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    let plain = root.child(Name::dav("prop")).is_none();
    for facts in &matching {
        if plain {
            answer.status(&facts.href, Status::OK);
        } else {
            answer.response(facts, &ask, &cx);
        }
    }
    if cut {
        answer.refused(&cx.located.own_href(), &NUMBER_OF_MATCHES_WITHIN_LIMITS.into());
    }
    Ok(answer.finish())
}

/// The principals within `top` that are the viewer: the own one, and the groups.
async fn of_viewer(cx: &Cx, top: Facts, needs: Needs) -> Result<Vec<Facts>> {
    let me = &cx.viewer.principal;
    match &top.target {
        Target::Principal(user) => Ok(if *user == me.name { vec![top] } else { Vec::new() }),
        Target::Group(name) => Ok(if me.groups.contains(name) { vec![top] } else { Vec::new() }),
        Target::Delegates(..) => {
            let mine = delegates_of(cx).await?.any(|facts| facts.target == top.target);
            Ok(if mine { vec![top] } else { Vec::new() })
        }
        Target::Root | Target::Principals => {
            let mut all = facts::of_principals(cx, vec![me.clone()], needs).await?;
            let groups = &me.groups[..me.groups.len().min(MOST)];
            all.extend(facts::of_groups(cx, groups, needs).await?);
            all.extend(delegates_of(cx).await?);
            Ok(all)
        }
        _ => Ok(Vec::new()),
    }
}

/// The delegates that the viewer is among; who else is, is not for them to know.
async fn delegates_of(cx: &Cx) -> Result<impl Iterator<Item = Facts>> {
    let me = &cx.viewer.principal;
    let mut targets: Vec<Target> = Vec::new();
    for charge in delegates::charges(cx, Some(me.id), &me.groups).await? {
        let target = Target::Delegates(charge.owner, charge.rank);
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    Ok(targets.into_iter().map(|target| Facts::bare(target.clone(), cx.href(&target), Privileges::LOOK)))
}

/// All that lies below `top` and is the viewer's to see, as far as so many are told of.
async fn below(cx: &Cx, top: Facts, needs: Needs) -> Result<Vec<Facts>> {
    let (mut all, mut next) = (Vec::new(), vec![top]);
    while let Some(of) = next.pop() {
        if of.object.is_some() {
            continue;
        }
        if of.calendar.is_some() {
            all.extend(objects(cx, std::slice::from_ref(&of)).await?);
            continue;
        }
        let members = facts::of_members(cx, &of, needs).await?;
        if of.kind() == Kind::Home {
            all.extend(objects(cx, &members).await?);
        } else {
            next.extend(members.iter().filter(|member| member.kind() != Kind::Principal).cloned());
        }
        all.extend(members);
    }
    Ok(all)
}

/// The first objects in these collections that are seen in a home.
async fn objects(cx: &Cx, collections: &[Facts]) -> Result<Vec<Facts>> {
    let calendars = || collections.iter().filter_map(|facts| facts.calendar.as_ref());
    let known: HashMap<i64, &Calendar> = calendars().map(|calendar| (calendar.id, calendar)).collect();
    let user = collections.first().and_then(|facts| facts.target.user()).unwrap_or_default();
    let kept: Vec<(i64, i64)> = calendars().map(Calendar::kept).collect();
    let most = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let found = store::personal::first(&cx.pool, &kept, cx.viewer.principal.id, most).await?;
    let facts = found.into_iter().filter_map(|(id, object, beside)| {
        let calendar = *known.get(&id)?;
        let object = seen::through(cx, seen::of(cx, calendar), object, &beside)?;
        let target = Target::Object(user.to_owned(), calendar.name.clone(), object.name.clone());
        let facts = Facts::bare(target.clone(), cx.href(&target), calendar.rights);
        Some(Facts { object: Some(object), bound: calendar.bound.clone(), ..facts })
    });
    Ok(facts.collect())
}

/// Whether the property of the resource has the path of the viewer's principal, or of a group of the viewer's.
fn points_to_viewer(facts: &Facts, name: &QName, cx: &Cx) -> bool {
    let Some(prop) = cx.tables.prop(name) else { return false };
    let mut w = Writer::new(Name::dav("prop"));
    if prop.write(facts, cx, &mut w).is_none() {
        return false;
    }
    let Ok(root) = parse(&w.finish()) else { return false };
    let me = &cx.viewer.principal;
    root.children().flat_map(|property| property.all(Name::dav("href"))).any(|href| {
        match is_ours(cx, href.text().trim()).map(|located| located.target) {
            Some(Target::Principal(user)) => user == me.name,
            Some(Target::Group(group)) => me.groups.contains(&group),
            _ => false,
        }
    })
}
