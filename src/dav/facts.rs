//! Loads what is to be known of a resource and its members: one statement a kind, one more where a calendar is kept in another
//! home, and one more each where stored properties, locks or access control lists are asked for, whatever the number of members.

use std::{collections::HashMap, slice, sync::Arc};

use uuid::Uuid;

use crate::{
    db::{Row, Rows, Tx},
    model::{Kind, Lock, Privilege, Privileges},
    store::{
        self, Ace, Calendar, Home, Invite, Lens, Principal, Property, Subject,
        object::{Which, With},
        principal::Search,
        property,
    },
};

use super::{
    Cx, Error, Refusal, Result, Target,
    access::{self, Household, On, household},
    chosen,
    condition::SUPPORTED_REPORT,
    delegates::{self, Charge},
    prop::{Facts, NOTIFY, Needs},
    seen,
    target::{member, push_member},
    trash,
};

/// The principal to whom a home or principal URL belongs; nobody is made by being looked up.
pub async fn owner(cx: &Cx, user: &str) -> Result<Principal> {
    if user == cx.viewer.principal.name {
        return Ok(cx.viewer.principal.clone());
    }
    let found = store::principal::by_name(&cx.pool, user).await?;
    Ok(found.ok_or_else(Refusal::not_found)?)
}

/// The owner of the home in the request's URL; refused unless the viewer holds `privilege` on the home.
pub async fn home_owner(cx: &Cx, privilege: Privilege) -> Result<Principal> {
    let house = household(cx).await?;
    house.need(cx, privilege)?;
    Ok(house.owner)
}

/// The name of the collection in the request's URL.
fn collection_name(cx: &Cx) -> Result<&str, Refusal> {
    match &cx.located.target {
        Target::Collection(_, name) | Target::Object(_, name, _) => Ok(name),
        _ => Err(Refusal::not_found()),
    }
}

/// The collection in the request's URL, or the one that its object lies in; refused unless the viewer holds `privilege`.
pub async fn collection(cx: &Cx, privilege: Privilege) -> Result<Calendar> {
    let house = household(cx).await?;
    let found = store::calendar::by_name(&cx.pool, &cx.viewer, house.owner.id, collection_name(cx)?).await?;
    Ok(house.admit(cx, found, On::Resource, privilege)?)
}

/// The same collection, locked; refused unless the viewer holds `privilege` there.
pub async fn locked(cx: &Cx, tx: &Tx, house: &Household, on: On, privilege: Privilege) -> Result<Calendar> {
    let found = store::calendar::lock(tx, &cx.viewer, house.owner.id, collection_name(cx)?).await?;
    Ok(house.admit(cx, found, on, privilege)?)
}

/// The collection that a report searches: the one in the request's URL, or the one of an object that is there.
pub async fn searched(cx: &Cx) -> Result<Calendar> {
    let calendar = with_objects(collection(cx, Privilege::Read).await?)?;
    if let Target::Object(.., name) = &cx.located.target {
        let object = seen::named(cx, &calendar, name, false).await?;
        object.ok_or_else(Refusal::not_found)?;
    }
    Ok(calendar)
}

/// The collection, if there can be objects in it.
pub fn with_objects(calendar: Calendar) -> Result<Calendar, Refusal> {
    if calendar.kind == Kind::Subscribed { Err(SUPPORTED_REPORT.into()) } else { Ok(calendar) }
}

/// What is at the URL of the request, if the viewer may read it; else what its path says.
pub async fn kind(cx: &Cx) -> Result<Kind> {
    let said = cx.located.target.kind();
    if said != Kind::Calendar {
        return Ok(said);
    }
    match collection(cx, Privilege::Read).await {
        Ok(calendar) => Ok(calendar.kind),
        Err(Error::Refused(_)) => Ok(said),
        Err(fault) => Err(fault),
    }
}

/// The facts of the request's own resource, if it is there and the viewer may read it.
pub async fn of_target(cx: &Cx, needs: Needs) -> Result<Facts> {
    of_target_for(cx, needs, Privilege::Read).await
}

/// The facts of the request's own resource, if it is there and the viewer holds `privilege`.
pub async fn of_target_for(cx: &Cx, needs: Needs, privilege: Privilege) -> Result<Facts> {
    if cx.located.target.kind().is_trash() {
        return trash::of_target(cx, needs, privilege).await;
    }
    let target = cx.located.target.clone();
    let href = cx.located.own_href();
    let facts = match &target {
        Target::Root | Target::Principals | Target::Homes => bare(cx, target, href),
        Target::Principal(user) => {
            let who = owner(cx, user).await?;
            if !access::may_know(cx, &who) {
                return Err(Refusal::not_found().into());
            }
            let charges = charges_if(cx, needs, &who).await?;
            Facts { charges, key: key_if(cx, needs, &who).await?, ..of_principal(cx, who, href) }
        }
        Target::Delegates(_, rank) => delegates::of_target(cx, *rank, needs).await?,
        Target::Group(name) => {
            of_groups(cx, slice::from_ref(name), needs).await?.pop().ok_or_else(Refusal::not_found)?
        }
        Target::Home(_) => {
            let house = household(cx).await?;
            house.need(cx, privilege)?;
            of_home(cx, &house, href, needs).await?
        }
        Target::Collection(user, _) => {
            let calendar = collection(cx, privilege).await?;
            let locks = locks_if(cx, needs, &calendar).await?;
            // What is left to its owner is not told of somebody else's.
            let own = if calendar.bound.is_none() { needs } else { Needs::NONE };
            let home = home(cx, calendar.home_id, own, Needs::QUOTA).await?;
            let shares = shares_if(cx, needs, &[&calendar]).await?.remove(&calendar.id).unwrap_or_default();
            let count = counts_if(cx, needs, slice::from_ref(&calendar)).await?.remove(&calendar.id);
            Facts { locks: on(&locks, None), home, shares, count, ..of_collection(user, calendar, href) }
        }
        Target::Object(.., name) => {
            let calendar = collection(cx, privilege).await?;
            let body = needs.has(Needs::BODY);
            let found = seen::named(cx, &calendar, name, body).await?;
            let locks = locks_if(cx, needs, &calendar).await?;
            // Of a name that only a lock reserves there is nothing else to tell.
            let reserved = found.is_none() && locks.iter().any(|lock| lock.reserves(name));
            let facts = Facts::bare(target.clone(), href, calendar.rights);
            let bound = calendar.bound.clone();
            let facts = Facts { locks: on(&locks, Some(name)), bound, ..facts };
            if reserved {
                return Ok(facts);
            }
            let object = found.ok_or_else(Refusal::not_found)?;
            Facts { calendar: Some(calendar), object: Some(object), ..facts }
        }
    };
    access::need(facts.rights, privilege, || facts.href.clone())?;
    kept_of(cx, facts, needs).await
}

/// The facts with what is kept of the resource beside it.
async fn kept_of(cx: &Cx, mut facts: Facts, needs: Needs) -> Result<Facts> {
    // What somebody keeps at their principal is not for others.
    let theirs = facts.kind() == Kind::Principal && !facts.rights.has(Privilege::WriteProperties);
    let Some(subject) = subject(&facts).filter(|_| !theirs) else { return Ok(facts) };
    facts.stored = stored_beside(cx, &facts, needs, subject).await?;
    own(cx, slice::from_mut(&mut facts), needs).await?;
    chosen::load(cx, slice::from_mut(&mut facts), needs).await?;
    if facts.kind() != Kind::Principal {
        let kept = facts.calendar.as_ref().map_or(subject, Subject::calendar);
        facts.acl = acl_if(cx, needs, kept).await?;
    }
    Ok(facts)
}

/// Puts what the viewer keeps of calendars, where they are seen in the home of somebody else, in the place of what that keeps.
async fn own(cx: &Cx, all: &mut [Facts], needs: Needs) -> Result<()> {
    let me = cx.viewer.principal.id;
    let elsewhere = |facts: &Facts| {
        let calendar = facts.calendar.as_ref().filter(|_| facts.kind() == Kind::Calendar);
        calendar.filter(|calendar| calendar.seen_in() != me).map(|calendar| (me, calendar.id))
    };
    let keepers: Vec<(i64, i64)> = all.iter().filter_map(elsewhere).collect();
    if !needs.has(Needs::OWN) || keepers.is_empty() {
        return Ok(());
    }
    let kept = property::of_calendars(&cx.pool, &keepers).await?;
    for facts in all {
        let Some(keeper) = elsewhere(facts) else { continue };
        facts.stored.retain(|property| property.name != NOTIFY);
        let own = kept.get(&keeper).into_iter().flatten().filter(|property| property.name == NOTIFY);
        facts.stored.extend(own.cloned());
    }
    Ok(())
}

/// The facts of the members of a resource that is no collection of objects: they are few.
pub async fn of_members(cx: &Cx, of: &Facts, needs: Needs) -> Result<Vec<Facts>> {
    let me = cx.viewer.principal.name.clone();
    Ok(match of.kind() {
        Kind::Root => [Target::Principals, Target::Homes]
            .into_iter()
            .map(|target| bare(cx, target.clone(), cx.href(&target)))
            .collect(),
        // Nobody is told who else is there, unless the settings say so.
        Kind::Principals if cx.settings.privacy.listing => {
            let within = access::searchable(cx);
            let everybody = Search { tests: Vec::new(), any: false, within, most: MOST_PRINCIPALS };
            let people = store::principal::search(&cx.pool, &cx.viewer, &everybody).await?;
            of_principals(cx, people, needs).await?
        }
        Kind::Principals => of_principals(cx, vec![cx.viewer.principal.clone()], needs).await?,
        Kind::Homes => {
            let href = cx.href(&Target::Home(me));
            let owner = cx.viewer.principal.clone();
            let rights = cx.viewer.scoped(owner.id, Privileges::ALL);
            let house = Household { owner, rights };
            let mut facts = of_home(cx, &house, href, needs).await?;
            facts.stored = stored_if(cx, needs, Subject::home(house.owner.id)).await?;
            facts.acl = acl_if(cx, needs, Subject::home(house.owner.id)).await?;
            vec![facts]
        }
        Kind::Home => of_collections(cx, of, needs).await?.0,
        Kind::Principal => match &of.principal {
            Some(who) => delegates::of_principal(cx, who, needs).await?,
            None => Vec::new(),
        },
        _ => Vec::new(),
    })
}

/// The facts of the home in the request's URL, and of what is in it: what both are made of is loaded once.
pub async fn of_home_and_members(cx: &Cx, needs: Needs) -> Result<(Facts, Vec<Facts>)> {
    let state = if needs.has(Needs::HOME) { Needs::QUOTA } else { Needs::NONE };
    let alone = needs.without(Needs::HOME.or(Needs::STORED)).or(state);
    let mut home = of_target(cx, alone).await?;
    let (members, stored) = of_collections(cx, &home, needs).await?;
    home.stored = stored;
    if needs.has(Needs::HOME) {
        let told = members.iter().filter_map(|facts| facts.calendar.as_ref());
        home.home = home.home.map(|state| Arc::new(Home::clone(&state).telling(&cx.viewer, told)));
    }
    Ok((home, members))
}

/// How the rows of a collection's objects become facts: one after the other, for they may be many, in one place where all that
/// they have in common stays.
pub struct Members {
    cx: Arc<Cx>,
    calendar: Calendar,
    /// The path of the collection.
    path: String,
    locks: Vec<Lock>,
    /// How the viewer sees them.
    lens: Lens,
    /// Whether stored properties come along with the rows.
    along: bool,
    /// Those of the last member.
    facts: Facts,
}

impl Members {
    /// Of the objects in the collection; what is needed of all of them is loaded.
    pub async fn of(cx: Arc<Cx>, calendar: Calendar, needs: Needs) -> Result<Self> {
        let locks = locks_if(&cx, needs, &calendar).await?;
        let acl = acl_if(&cx, needs, Subject::calendar(&calendar)).await?;
        Ok(Self::with(cx, calendar, locks, acl, needs))
    }

    /// The same, where the locks in the collection and its list are loaded already.
    #[must_use]
    pub fn with(
        cx: Arc<Cx>,
        calendar: Calendar,
        locks: Vec<Lock>,
        acl: Option<Arc<[Ace]>>,
        needs: Needs,
    ) -> Self {
        let user = cx.located.target.user().unwrap_or_default().to_owned();
        let path = cx.href(&Target::Collection(user.clone(), calendar.name.clone()));
        let target = Target::Object(user, calendar.name.clone(), String::new());
        let (bound, lens) = (calendar.bound.clone(), seen::of(&cx, &calendar));
        let facts = Facts { bound, acl, ..Facts::bare(target, path.clone(), calendar.rights) };
        Self { cx, calendar, path, locks, lens, along: needs.has(Needs::STORED), facts }
    }

    /// The rows of the members with what comes along, and how they are read. Whoever has begun to read rows holds a
    /// connection, and must not wait for another: all else is loaded before.
    pub async fn rows(&self, which: Which<'_>, with: &With) -> Result<(Rows<'static>, store::object::Read)> {
        seen::members(&self.cx, &self.calendar, which, with).await
    }

    /// The collection they are in.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Goes on to an object, and to what came along with its row, if it is there for the viewer; whether it is.
    pub fn load(&mut self, object: store::Object, row: &Row) -> Result<bool> {
        match seen::of_row(&self.cx, self.lens, object, row)? {
            Some(object) => self.load_seen(object, row).map(|()| true),
            None => Ok(false),
        }
    }

    /// The same with what the viewer sees of the object.
    pub fn load_seen(&mut self, object: store::Object, row: &Row) -> Result<()> {
        self.name(&object.name);
        if self.along {
            // Nobody is told what is kept beside something that they see a part of.
            self.facts.stored = if object.cut { Vec::new() } else { property::along(row)? };
        }
        self.facts.object = Some(object);
        Ok(())
    }

    /// The facts of the object that was gone on to last.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What follows from the name of a member.
    fn name(&mut self, name: &str) {
        if let Target::Object(.., last) = &mut self.facts.target {
            name.clone_into(last);
        }
        self.facts.href.truncate(self.path.len());
        push_member(&mut self.facts.href, name);
        self.facts.locks = on(&self.locks, Some(name));
    }

    /// The facts of the names that only locks reserve, where locks are needed.
    #[must_use]
    pub fn reserved(&self) -> Vec<Facts> {
        let mut names: Vec<&str> =
            self.locks.iter().filter(|lock| lock.vacant).filter_map(|lock| lock.member.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let target = |name: &str| {
            let user = self.facts.target.user().unwrap_or_default();
            Target::Object(user.to_owned(), self.calendar.name.clone(), name.to_owned())
        };
        let facts = names.into_iter().map(|name| {
            let facts = Facts::bare(target(name), self.href(name), self.calendar.rights);
            Facts { locks: on(&self.locks, Some(name)), bound: self.calendar.bound.clone(), ..facts }
        });
        facts.collect()
    }

    /// How the viewer sees them.
    #[must_use]
    pub fn lens(&self) -> Lens {
        self.lens
    }

    /// The path of the member of that name.
    #[must_use]
    pub fn href(&self, name: &str) -> String {
        member(&self.path, name)
    }

    /// The request.
    #[must_use]
    pub fn cx(&self) -> &Cx {
        &self.cx
    }
}

/// What the stored properties of a resource are kept under.
#[must_use]
pub fn subject(facts: &Facts) -> Option<Subject> {
    match (&facts.principal, &facts.calendar, &facts.object) {
        (_, Some(calendar), Some(object)) => Some(Subject::object(calendar, object.id)),
        (_, Some(calendar), None) => Some(Subject::seen(calendar)),
        (Some(who), None, None) if facts.kind() == Kind::Home => Some(Subject::home(who.id)),
        (Some(who), None, None) => Some(Subject::principal(who.id)),
        _ => None,
    }
}

fn bare(cx: &Cx, target: Target, href: String) -> Facts {
    let read = if cx.viewer.admin { Privileges::ALL } else { Privileges::LOOK };
    Facts::bare(target, href, read)
}

/// How many principals are told of at once.
pub const MOST_PRINCIPALS: i64 = 500;

/// The facts of those of these principals whom the viewer may know.
pub async fn of_principals(cx: &Cx, people: Vec<Principal>, needs: Needs) -> Result<Vec<Facts>> {
    let known = people.into_iter().filter(|who| access::may_know(cx, who));
    let mut all: Vec<Facts> = known
        .map(|who| {
            let href = cx.href(&Target::Principal(who.name.clone()));
            of_principal(cx, who, href)
        })
        .collect();
    keys_if(cx, needs, &mut all).await?;
    // What others keep at their principals is not for the viewer.
    let me = cx.viewer.principal.id;
    if let Some(own) = all.iter_mut().find(|facts| facts.principal.as_ref().is_some_and(|who| who.id == me)) {
        own.stored = stored_if(cx, needs, Subject::principal(me)).await?;
        own.charges = charges_if(cx, needs, &cx.viewer.principal).await?;
    }
    Ok(all)
}

/// What somebody does for others is for themselves to know.
async fn charges_if(cx: &Cx, needs: Needs, who: &Principal) -> Result<Vec<Charge>> {
    if !needs.has(Needs::CHARGES) || !cx.viewer.owns(who.id) {
        return Ok(Vec::new());
    }
    delegates::charges(cx, Some(who.id), &who.groups).await
}

/// What stays of somebody whatever they are called: the key of their home.
async fn key_if(cx: &Cx, needs: Needs, who: &Principal) -> Result<Option<Uuid>> {
    let keys = if needs.any(Needs::HOME) {
        store::principal::keys(&cx.pool, &[who.id]).await?
    } else {
        HashMap::new()
    };
    Ok(keys.get(&who.id).copied())
}

/// The same of several.
async fn keys_if(cx: &Cx, needs: Needs, people: &mut [Facts]) -> Result<()> {
    if !needs.any(Needs::HOME) || people.is_empty() {
        return Ok(());
    }
    let id = |facts: &Facts| facts.principal.as_ref().map(|who| who.id);
    let ids: Vec<i64> = people.iter().filter_map(id).collect();
    let keys = store::principal::keys(&cx.pool, &ids).await?;
    for facts in people {
        facts.key = id(facts).and_then(|id| keys.get(&id).copied());
    }
    Ok(())
}

fn of_principal(cx: &Cx, who: Principal, href: String) -> Facts {
    let rights = if cx.viewer.owns(who.id) { Privileges::PERSONAL } else { Privileges::LOOK };
    let rights = cx.viewer.scoped(who.id, rights);
    let target = Target::Principal(who.name.clone());
    Facts { principal: Some(who), ..Facts::bare(target, href, rights) }
}

/// How many members of a group are told.
const MOST_MEMBERS: i64 = 500;

/// The facts of those of these groups that somebody is in and the viewer may know, in their order.
pub async fn of_groups(cx: &Cx, names: &[String], needs: Needs) -> Result<Vec<Facts>> {
    let known: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| access::may_know_group(cx, name)).collect();
    let there =
        if known.is_empty() { Vec::new() } else { store::principal::groups(&cx.pool, &known).await? };
    let mut all = Vec::with_capacity(there.len());
    for name in known.into_iter().filter(|name| there.iter().any(|group| group == name)) {
        let target = Target::Group(name.to_owned());
        let facts = Facts::bare(target.clone(), cx.href(&target), Privileges::LOOK);
        let members = if needs.has(Needs::MEMBERS) { members(cx, name).await? } else { Vec::new() };
        let inside = cx.viewer.admin || cx.viewer.principal.groups.iter().any(|group| group == name);
        let charges = if needs.has(Needs::CHARGES) && inside {
            delegates::charges(cx, None, &[name.to_owned()]).await?
        } else {
            Vec::new()
        };
        all.push(Facts { members, charges, ..facts });
    }
    Ok(all)
}

/// Those in a group whom the viewer may know, as far as so many are told of.
async fn members(cx: &Cx, group: &str) -> Result<Vec<Target>> {
    let members = store::principal::members(&cx.pool, group, MOST_MEMBERS).await?;
    let known = members.into_iter().filter(|who| access::may_know(cx, who));
    Ok(known.map(|who| Target::Principal(who.name)).collect())
}

async fn of_home(cx: &Cx, house: &Household, href: String, needs: Needs) -> Result<Facts> {
    let owner = house.owner.clone();
    let home = home(cx, owner.id, needs, Needs::HOME.or(Needs::QUOTA)).await?;
    let facts = Facts::bare(Target::Home(owner.name.clone()), href, house.rights);
    Ok(Facts { principal: Some(owner), home, ..facts })
}

/// The state of a home, if one of these needs it.
async fn home(cx: &Cx, home_id: i64, needs: Needs, these: Needs) -> Result<Option<Arc<Home>>> {
    let home = match (needs.has(Needs::HOME), these.has(Needs::HOME)) {
        (true, true) => store::calendar::home(&cx.pool, &cx.viewer, home_id).await?,
        // What room is taken is a matter of what is kept there.
        _ if needs.any(these) => store::calendar::home_alone(&cx.pool, home_id).await?,
        _ => None,
    };
    Ok(home.map(Arc::new))
}

fn of_collection(user: &str, calendar: Calendar, href: String) -> Facts {
    let target = Target::Collection(user.to_owned(), calendar.name.clone());
    let facts = Facts::bare(target, href, calendar.rights_on_itself());
    Facts { bound: calendar.bound.clone(), calendar: Some(calendar), ..facts }
}

/// What is in a home; and the stored properties of the home itself, if any are needed.
async fn of_collections(cx: &Cx, home: &Facts, needs: Needs) -> Result<(Vec<Facts>, Vec<Property>)> {
    let Some(owner) = &home.principal else { return Ok((Vec::new(), Vec::new())) };
    let origins = needs.has(Needs::ORIGIN);
    let mut calendars = store::calendar::all(&cx.pool, &cx.viewer, owner.id, origins).await?;
    calendars.retain(Calendar::is_listed);
    let mut stored = if needs.has(Needs::STORED) {
        let home = Subject::home(owner.id);
        let kept = [(home.home_id, home.calendar_id)].into_iter().chain(keepers(&calendars));
        property::of_calendars(&cx.pool, &kept.collect::<Vec<_>>()).await?
    } else {
        HashMap::new()
    };
    let of_home = stored.remove(&(owner.id, 0)).unwrap_or_default();
    let locked: Vec<(i64, i64)> = calendars.iter().filter(|c| c.locked).map(Calendar::kept).collect();
    let mut locks = if needs.has(Needs::LOCKS) && !locked.is_empty() {
        store::lock::of_calendars(&cx.pool, &locked).await?
    } else {
        HashMap::new()
    };
    let mut lists =
        if needs.has(Needs::ACL) { lists(cx, owner.id, &calendars).await? } else { HashMap::new() };
    let mut shares = shares_if(cx, needs, &calendars.iter().collect::<Vec<_>>()).await?;
    let mut counts = counts_if(cx, needs, &calendars).await?;
    let path = cx.href(&Target::Home(owner.name.clone()));
    let facts = calendars.into_iter().map(|calendar| {
        let shares = shares.remove(&calendar.id).unwrap_or_default();
        let count = counts.remove(&calendar.id);
        let stored = seen(cx, &calendar, |keeper| stored.remove(&keeper).unwrap_or_default());
        let locks = locks.remove(&calendar.id).unwrap_or_default();
        let acl = needs.has(Needs::ACL).then(|| lists.remove(&calendar.id).unwrap_or_default().into());
        let mut href = member(&path, &calendar.name);
        href.push('/');
        let home = home.home.clone().filter(|_| calendar.bound.is_none());
        Facts { home, stored, locks, acl, shares, count, ..of_collection(&owner.name, calendar, href) }
    });
    let mut all: Vec<Facts> = facts.collect();
    own(cx, &mut all, needs).await?;
    chosen::load(cx, &mut all, needs).await?;
    all.extend(trash::listed(cx, home, needs).await?);
    Ok((all, of_home))
}

/// The lists of these collections as seen in that home, each with what it inherits, by number.
async fn lists(cx: &Cx, home_id: i64, calendars: &[Calendar]) -> Result<HashMap<i64, Vec<Ace>>> {
    let bound: Vec<(i64, i64)> = calendars.iter().filter(|c| c.bound.is_some()).map(Calendar::kept).collect();
    let mut lists =
        if bound.is_empty() { HashMap::new() } else { store::ace::of_bound(&cx.pool, &bound).await? };
    let all = store::ace::of_all(&cx.pool, home_id).await?;
    for calendar in calendars.iter().filter(|calendar| calendar.bound.is_none()) {
        let about = |ace: &&Ace| ace.calendar_id == calendar.id || ace.calendar_id == 0;
        lists.insert(calendar.id, all.iter().filter(about).cloned().collect());
    }
    Ok(lists)
}

/// Who keeps the stored properties of these collections, each with the number of one: the home that it is seen in, and that
/// which it is kept in.
fn keepers(calendars: &[Calendar]) -> impl Iterator<Item = (i64, i64)> {
    calendars.iter().flat_map(|calendar| {
        let owners = calendar.bound.is_some().then(|| calendar.kept());
        [(calendar.seen_in(), calendar.id)].into_iter().chain(owners)
    })
}

/// The stored properties of a collection, as it is seen.
pub async fn stored_of(cx: &Cx, calendar: &Calendar) -> Result<Vec<Property>> {
    if calendar.bound.is_none() {
        return Ok(property::of(&cx.pool, Subject::calendar(calendar)).await?);
    }
    let kept: Vec<(i64, i64)> = keepers(slice::from_ref(calendar)).collect();
    let mut both = property::of_calendars(&cx.pool, &kept).await?;
    Ok(seen(cx, calendar, |keeper| both.remove(&keeper).unwrap_or_default()))
}

/// What is stored of a collection as it is seen: what the home that it is seen in keeps, and where that says nothing what its
/// owner's says of what is inherited.
fn seen(cx: &Cx, calendar: &Calendar, mut kept_by: impl FnMut((i64, i64)) -> Vec<Property>) -> Vec<Property> {
    let own = kept_by((calendar.seen_in(), calendar.id));
    if calendar.bound.is_none() {
        return own;
    }
    cx.tables.inherited(own, kept_by(calendar.kept()))
}

async fn locks_if(cx: &Cx, needs: Needs, calendar: &Calendar) -> Result<Vec<Lock>> {
    if needs.has(Needs::LOCKS) { Ok(store::lock::of(&cx.pool, calendar).await?) } else { Ok(Vec::new()) }
}

/// Those that are on the member of that name, or on the collection itself.
fn on(locks: &[Lock], member: Option<&str>) -> Vec<Lock> {
    locks.iter().filter(|lock| lock.covers(member)).cloned().collect()
}

/// Who is invited to these calendars, if that is needed; without a statement where nobody is.
async fn shares_if(cx: &Cx, needs: Needs, calendars: &[&Calendar]) -> Result<HashMap<i64, Vec<Invite>>> {
    let mut shares: HashMap<i64, Vec<Invite>> = HashMap::new();
    let told = calendars.iter().filter(|calendar| calendar.shared);
    let told: Vec<(i64, i64)> = told.map(|calendar| calendar.kept()).collect();
    if needs.has(Needs::SHARES) && !told.is_empty() {
        for (calendar, invite) in store::invite::of(&cx.pool, &told).await? {
            shares.entry(calendar).or_default().push(invite);
        }
    }
    Ok(shares)
}

/// How many objects the viewer sees in these calendars, if that is needed; nothing of those that they do not read.
async fn counts_if(cx: &Cx, needs: Needs, calendars: &[Calendar]) -> Result<HashMap<i64, i64>> {
    let read = calendars.iter().filter(|one| one.kind == Kind::Calendar && one.rights.has(Privilege::Read));
    let told: Vec<(i64, i64, bool)> =
        read.map(|one| (one.home_id, one.id, seen::of(cx, one).private)).collect();
    if !needs.has(Needs::COUNT) || told.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(store::object::counts(&cx.pool, &told).await?)
}

/// What is kept of a resource; nobody is told what is kept beside something that they see a part of.
async fn stored_beside(cx: &Cx, facts: &Facts, needs: Needs, subject: Subject) -> Result<Vec<Property>> {
    match (&facts.calendar, &facts.object) {
        (Some(calendar), None) if needs.has(Needs::STORED) => stored_of(cx, calendar).await,
        (_, Some(object)) if object.cut => Ok(Vec::new()),
        _ => stored_if(cx, needs, subject).await,
    }
}

async fn stored_if(cx: &Cx, needs: Needs, subject: Subject) -> Result<Vec<Property>> {
    if needs.has(Needs::STORED) { Ok(property::of(&cx.pool, subject).await?) } else { Ok(Vec::new()) }
}

/// The access control list of what is kept there, if it is needed.
pub async fn acl_if(cx: &Cx, needs: Needs, of: Subject) -> Result<Option<Arc<[Ace]>>> {
    if !needs.has(Needs::ACL) {
        return Ok(None);
    }
    Ok(Some(store::ace::of(&cx.pool, of.home_id, of.calendar_id).await?.into()))
}
