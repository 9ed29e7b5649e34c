//! Loads what is to be known of a resource and its members: one statement a kind, and one more where stored properties
//! are asked for, whatever the number of members.

use std::{collections::HashMap, sync::Arc};

use crate::{
    db::{Row, Rows},
    model::{Kind, Lock, Privilege, Privileges},
    store::{self, Calendar, Principal, Property, Subject, object::Which, property},
};

use super::{
    Cx, Refusal, Result, Target, access,
    prop::{Facts, Needs},
};

/// The principal to whom a home or principal URL belongs; nobody is made by being looked up.
pub async fn owner(cx: &Cx, user: &str) -> Result<Principal> {
    if user == cx.viewer.principal.name {
        return Ok(cx.viewer.principal.clone());
    }
    let found = store::principal::by_name(&cx.pool, user).await?;
    Ok(found.ok_or_else(Refusal::not_found)?)
}

/// The owner of the home in the request's URL, to whom the viewer's rights there belong; refused unless the viewer holds
/// `privilege`.
pub async fn home_owner(cx: &Cx, privilege: Privilege) -> Result<Principal> {
    let user = cx.located.target.user().ok_or_else(Refusal::not_found)?;
    let owner = owner(cx, user).await?;
    access::need(cx.viewer.rights(owner.id), privilege, || cx.located.own_href())?;
    Ok(owner)
}

/// The collection in the request's URL, or the one that its object lies in; refused unless the viewer holds `privilege`.
pub async fn collection(cx: &Cx, privilege: Privilege) -> Result<Calendar> {
    let owner = home_owner(cx, privilege).await?;
    let (Target::Collection(_, name) | Target::Object(_, name, _)) = &cx.located.target else {
        return Err(Refusal::not_found().into());
    };
    let found = store::calendar::by_name(&cx.pool, owner.id, name).await?;
    Ok(found.ok_or_else(Refusal::not_found)?)
}

/// The collection that a report searches: the one in the request's URL, or the one of an object that is there.
pub async fn searched(cx: &Cx) -> Result<Calendar> {
    let calendar = collection(cx, Privilege::Read).await?;
    if let Target::Object(.., name) = &cx.located.target {
        let object = store::object::by_name(&cx.pool, &calendar, name, false).await?;
        object.ok_or_else(Refusal::not_found)?;
    }
    Ok(calendar)
}

/// The facts of the request's own resource, if it is there and the viewer may read it.
pub async fn of_target(cx: &Cx, needs: Needs) -> Result<Facts> {
    let target = cx.located.target.clone();
    let href = cx.located.own_href();
    let mut facts = match &target {
        Target::Root | Target::Principals | Target::Homes => return Ok(bare(cx, target, href)),
        Target::Principal(user) => {
            let who = owner(cx, user).await?;
            of_principal(cx, who, href)
        }
        Target::Home(_) => {
            let owner = home_owner(cx, Privilege::Read).await?;
            of_home(cx, &owner, href, needs).await?
        }
        Target::Collection(user, _) => {
            let calendar = collection(cx, Privilege::Read).await?;
            let locks = locks_if(cx, needs, &calendar).await?;
            Facts { locks: on(&locks, None), ..of_collection(cx, user, calendar, href) }
        }
        Target::Object(.., name) => {
            let calendar = collection(cx, Privilege::Read).await?;
            let body = needs.has(Needs::BODY);
            let found = store::object::by_name(&cx.pool, &calendar, name, body).await?;
            let locks = locks_if(cx, needs, &calendar).await?;
            let rights = cx.viewer.rights(calendar.home_id);
            // Of a name that only a lock reserves there is nothing else to tell.
            let reserved = found.is_none() && locks.iter().any(|lock| lock.reserves(name));
            let facts = Facts { locks: on(&locks, Some(name)), ..Facts::bare(target.clone(), href, rights) };
            if reserved {
                return Ok(facts);
            }
            let object = found.ok_or_else(Refusal::not_found)?;
            Facts { calendar: Some(calendar), object: Some(object), ..facts }
        }
    };
    // What somebody keeps at their principal is not for others.
    let theirs = facts.kind() == Kind::Principal && !facts.rights.has(Privilege::WriteProperties);
    if needs.has(Needs::STORED)
        && !theirs
        && let Some(subject) = subject(&facts)
    {
        facts.stored = property::of(&cx.pool, subject).await?;
    }
    Ok(facts)
}

/// The facts of the members of a resource that is no collection of objects: they are few.
pub async fn of_members(cx: &Cx, of: &Facts, needs: Needs) -> Result<Vec<Facts>> {
    let me = cx.viewer.principal.name.clone();
    Ok(match of.kind() {
        Kind::Root => [Target::Principals, Target::Homes]
            .into_iter()
            .map(|target| bare(cx, target.clone(), cx.href(&target)))
            .collect(),
        // Nobody is told who else is there.
        Kind::Principals => {
            let href = cx.viewer_href();
            let mut facts = of_principal(cx, cx.viewer.principal.clone(), href);
            facts.stored = stored_if(cx, needs, Subject::principal(cx.viewer.principal.id)).await?;
            vec![facts]
        }
        Kind::Homes => {
            let href = cx.href(&Target::Home(me));
            let mut facts = of_home(cx, &cx.viewer.principal, href, needs).await?;
            facts.stored = stored_if(cx, needs, Subject::home(cx.viewer.principal.id)).await?;
            vec![facts]
        }
        Kind::Home => of_collections(cx, of, needs).await?,
        _ => Vec::new(),
    })
}

/// How the rows of a collection's objects become facts.
pub struct Members {
    cx: Arc<Cx>,
    calendar: Calendar,
    user: String,
    stored: HashMap<i64, Vec<Property>>,
    locks: Vec<Lock>,
}

impl Members {
    /// Of the objects in the collection that `target` names or lies in.
    pub async fn of(cx: Arc<Cx>, calendar: Calendar, needs: Needs) -> Result<Self> {
        let mut stored: HashMap<i64, Vec<Property>> = HashMap::new();
        if needs.has(Needs::STORED) {
            for (object, property) in property::of_members(&cx.pool, &calendar).await? {
                stored.entry(object).or_default().push(property);
            }
        }
        let locks = locks_if(&cx, needs, &calendar).await?;
        let user = cx.located.target.user().unwrap_or_default().to_owned();
        Ok(Self { cx, calendar, user, stored, locks })
    }

    /// The rows of the members with or without their octets, and how they are read. Whoever has begun to read rows holds
    /// a connection, and must not wait for another: all else is loaded before.
    pub async fn rows(&self, which: Which<'_>, needs: Needs) -> Result<(Rows<'static>, store::object::Read)> {
        let body = needs.has(Needs::BODY);
        let rows = store::object::stream(&self.cx.pool, &self.calendar, which, body).await?;
        Ok((rows, if body { store::object::read_whole } else { store::object::read }))
    }

    /// The collection they are in.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The facts of a row, read by `read`.
    pub fn facts(&mut self, row: &Row, read: store::object::Read) -> Result<Facts> {
        Ok(self.of_object(read(row)?))
    }

    /// The facts of an object.
    pub fn of_object(&mut self, object: store::Object) -> Facts {
        let target = self.target(&object.name);
        let href = self.cx.href(&target);
        let stored = self.stored.remove(&object.id).unwrap_or_default();
        let rights = self.cx.viewer.rights(self.calendar.home_id);
        let locks = on(&self.locks, Some(&object.name));
        Facts { object: Some(object), stored, locks, ..Facts::bare(target, href, rights) }
    }

    /// The facts of the names that only locks reserve, where locks are needed.
    #[must_use]
    pub fn reserved(&self) -> Vec<Facts> {
        let mut names: Vec<&str> =
            self.locks.iter().filter(|lock| lock.vacant).filter_map(|lock| lock.member.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let rights = self.cx.viewer.rights(self.calendar.home_id);
        let facts = names.into_iter().map(|name| {
            let facts = Facts::bare(self.target(name), self.href(name), rights);
            Facts { locks: on(&self.locks, Some(name)), ..facts }
        });
        facts.collect()
    }

    /// The path of the member of that name.
    #[must_use]
    pub fn href(&self, name: &str) -> String {
        self.cx.href(&self.target(name))
    }

    /// The request.
    #[must_use]
    pub fn cx(&self) -> &Cx {
        &self.cx
    }

    fn target(&self, name: &str) -> Target {
        Target::Object(self.user.clone(), self.calendar.name.clone(), name.to_owned())
    }
}

/// What the stored properties of a resource are kept under.
#[must_use]
pub fn subject(facts: &Facts) -> Option<Subject> {
    match (&facts.principal, &facts.calendar, &facts.object) {
        (_, Some(calendar), Some(object)) => Some(Subject::object(calendar, object.id)),
        (_, Some(calendar), None) => Some(Subject::calendar(calendar)),
        (Some(who), None, None) if facts.kind() == Kind::Home => Some(Subject::home(who.id)),
        (Some(who), None, None) => Some(Subject::principal(who.id)),
        _ => None,
    }
}

fn bare(cx: &Cx, target: Target, href: String) -> Facts {
    let read = if cx.viewer.admin { Privileges::ALL } else { Privileges::LOOK };
    Facts::bare(target, href, read)
}

fn of_principal(cx: &Cx, who: Principal, href: String) -> Facts {
    let own = cx.viewer.admin || who.id == cx.viewer.principal.id;
    let rights = if own { Privileges::ALL } else { Privileges::LOOK };
    let target = Target::Principal(who.name.clone());
    Facts { principal: Some(who), ..Facts::bare(target, href, rights) }
}

async fn of_home(cx: &Cx, owner: &Principal, href: String, needs: Needs) -> Result<Facts> {
    let home = if needs.has(Needs::HOME) { store::calendar::home(&cx.pool, owner.id).await? } else { None };
    let facts = Facts::bare(Target::Home(owner.name.clone()), href, cx.viewer.rights(owner.id));
    Ok(Facts { principal: Some(owner.clone()), home, ..facts })
}

fn of_collection(cx: &Cx, user: &str, calendar: Calendar, href: String) -> Facts {
    let target = Target::Collection(user.to_owned(), calendar.name.clone());
    let rights = cx.viewer.rights(calendar.home_id);
    let rights = if calendar.kind == Kind::Calendar { rights } else { rights.and(Privileges::TEND) };
    Facts { calendar: Some(calendar), ..Facts::bare(target, href, rights) }
}

async fn of_collections(cx: &Cx, home: &Facts, needs: Needs) -> Result<Vec<Facts>> {
    let Some(owner) = &home.principal else { return Ok(Vec::new()) };
    let calendars = store::calendar::all(&cx.pool, owner.id).await?;
    let mut stored: HashMap<i64, Vec<Property>> = HashMap::new();
    if needs.has(Needs::STORED) {
        let ids: Vec<i64> = calendars.iter().map(|c| c.id).collect();
        for (calendar, property) in property::of_calendars(&cx.pool, owner.id, &ids).await? {
            stored.entry(calendar).or_default().push(property);
        }
    }
    let mut locks: HashMap<i64, Vec<Lock>> = HashMap::new();
    let locked: Vec<i64> = calendars.iter().filter(|c| c.locked).map(|c| c.id).collect();
    if needs.has(Needs::LOCKS) && !locked.is_empty() {
        for (calendar, lock) in store::lock::of_calendars(&cx.pool, owner.id, &locked).await? {
            locks.entry(calendar).or_default().push(lock);
        }
    }
    let facts = calendars.into_iter().map(|calendar| {
        let stored = stored.remove(&calendar.id).unwrap_or_default();
        let locks = locks.remove(&calendar.id).unwrap_or_default();
        let href = cx.href(&Target::Collection(owner.name.clone(), calendar.name.clone()));
        Facts { stored, locks, ..of_collection(cx, &owner.name, calendar, href) }
    });
    Ok(facts.collect())
}

async fn locks_if(cx: &Cx, needs: Needs, calendar: &Calendar) -> Result<Vec<Lock>> {
    if needs.has(Needs::LOCKS) { Ok(store::lock::of(&cx.pool, calendar).await?) } else { Ok(Vec::new()) }
}

/// Those that are on the member of that name, or on the collection itself.
fn on(locks: &[Lock], member: Option<&str>) -> Vec<Lock> {
    locks.iter().filter(|lock| lock.covers(member)).cloned().collect()
}

async fn stored_if(cx: &Cx, needs: Needs, subject: Subject) -> Result<Vec<Property>> {
    if needs.has(Needs::STORED) { Ok(property::of(&cx.pool, subject).await?) } else { Ok(Vec::new()) }
}
