//! Setting properties: PROPPATCH, and the DAV:set of the methods that make collections (RFC 4918 §9.2, RFC 5689 §3).

use std::sync::Arc;

use crate::{
    db::Tx,
    front::{Response, Status, header},
    model::{Component, Kind, Privilege},
    store::{self, Property, Subject, history::Action, property},
    xml::{Element, Name, QName, Writer, parse},
};

use super::{
    Cx, Given, Prop, Refusal, Result, Tables, Target,
    access::{self, Household},
    ask::MOST_NAMES,
    chosen,
    condition::{CANNOT_MODIFY_PROTECTED_PROPERTY, QUOTA_NOT_EXCEEDED},
    delegates, facts,
    guard::{Guard, Now, Touch},
    header::Prefer,
    locks,
    multistatus::{Multistatus, propstat},
    prop::{Facts, NOTIFY, Needs},
    seen,
};

/// How many properties are kept of one resource, and how many octets they may take.
const MOST: (i64, i64) = (1000, 1 << 20);
/// Octets that all of a home may take: a listing holds what the members keep.
const MOST_OF_HOME: i64 = 16 << 20;
/// Octets of the local name of a property that is kept: the index takes no longer ones.
const LONGEST_NAME: usize = 1024;

/// Changes properties: all of them or none.
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let root = given.xml.filter(|root| root.is(Name::dav("propertyupdate")));
    let root = root.ok_or_else(|| Refusal::bad_request("the body of a PROPPATCH is a DAV:propertyupdate"))?;
    if let Target::Delegates(_, rank) = &cx.located.target {
        return delegates::change(&cx, *rank, &root).await;
    }
    let own = is_own(&root) && cx.located.target.kind() == Kind::Calendar;
    let wanted = |own| if own { Privilege::Read } else { Privilege::WriteProperties };
    let facts = facts::of_target_for(&cx, Needs::NONE, wanted(own)).await?;
    let privilege = wanted(own && facts.kind() == Kind::Calendar);
    access::need(facts.rights, privilege, || facts.href.clone())?;
    let guard = locks::guard(&cx).await?;
    let mut orders = orders(&root, cx.tables, facts.kind(), Moment::Later)?;
    chosen::judge(&cx, &facts, &mut orders).await?;
    let prefer = Prefer::of(&cx.headers);
    let acceptable = !orders.is_empty() && orders.iter().all(|order| order.refusal.is_none());
    if !acceptable {
        guard.holds(&facts)?;
    }
    if let (Some(subject), true) = (facts::subject(&facts), acceptable) {
        let (guard, orders, facts) = (&guard, &orders, &facts);
        cx.pool
            .transaction(async |tx: Arc<Tx>| {
                still_there(&cx, &tx, (facts, subject), (guard, privilege)).await?;
                keep(&cx, &tx, (facts, subject), orders).await
            })
            .await?;
        if prefer.minimal {
            let done = Response::new(Status::OK).with(header::VARY, "Brief, Prefer");
            return Ok(prefer.with_root().told(done));
        }
    }
    // What was not done is told in full.
    let mut answer = Multistatus::new(Prefer::default());
    answer.other(&facts.href, |w| report(&orders, w));
    Ok(answer.finish())
}

/// Does what is ordered: what each viewer has for themselves, what the home keeps, and what is kept as it was sent.
async fn keep(cx: &Cx, tx: &Tx, (facts, subject): (&Facts, Subject), orders: &[Order]) -> Result<()> {
    let of_viewer = |order: &&Order| order.name == NOTIFY && facts.kind() == Kind::Calendar;
    let (own, others): (Vec<&Order>, Vec<&Order>) = orders.iter().partition(of_viewer);
    if let Some(calendar) = &facts.calendar {
        watch(cx, tx, calendar.kept(), &own).await?;
    }
    let (chosen, others): (Vec<&Order>, Vec<&Order>) =
        others.into_iter().partition(|order| order.chooses.is_some());
    chosen::carry_out(tx, subject.home_id, &chosen).await?;
    carry_out(tx, subject, others).await
}

/// Counts the change, holds off whoever would delete the resource meanwhile, and refuses where somebody has.
async fn still_there(
    cx: &Cx,
    tx: &Tx,
    (facts, subject): (&Facts, Subject),
    (guard, privilege): (&Guard, Privilege),
) -> Result<()> {
    let Some(loaded) = &facts.calendar else {
        if let (Kind::Home, Some(owner)) = (facts.kind(), facts.principal.clone()) {
            let house = Household { owner, rights: facts.rights };
            house.held(cx, tx).await?.need(cx, privilege)?;
        }
        // It is there, and has no tag.
        guard.unchanged(Some(""), None)?;
        return Ok(store::calendar::touch_home(tx, subject.home_id).await?);
    };
    let now = store::calendar::lock(tx, &cx.viewer, loaded.seen_in(), &loaded.name).await?;
    let calendar = now.filter(|now| now.id == loaded.id).ok_or_else(Refusal::not_found)?;
    let rights = if facts.object.is_none() { calendar.rights_on_itself() } else { calendar.rights };
    access::need(rights, privilege, || facts.href.clone())?;
    let locks = store::lock::of_in(tx, &calendar).await?;
    let now = Now { calendar: &calendar, object: None, locks: &locks };
    match &facts.object {
        None => guard.permits(&now, &[Touch::Calendar])?,
        Some(object) => {
            let same = seen::named_in(cx, tx, &calendar, &object.name).await?.object();
            let same = same.filter(|same| same.id == object.id).ok_or_else(Refusal::not_found)?;
            guard.permits(&Now { object: Some(&same), ..now }, &[Touch::Member(&same.name)])?;
            // What is seen in part is not changed (caldav-privateevents §4.2.4).
            if same.cut {
                return Err(Refusal::need(facts.href.clone(), Privilege::ReadPrivate).into());
            }
        }
    }
    // What somebody wants to be told is their own affair.
    if facts.object.is_some() || privilege == Privilege::Read {
        return Ok(store::calendar::touch(tx, &calendar).await?);
    }
    Ok(store::calendar::change(tx, &calendar, Action::Described, &cx.author()).await?)
}

/// Whether a request is about what each viewer has for themselves, and nothing else.
fn is_own(root: &Element) -> bool {
    let mut named =
        root.children().flat_map(|i| i.all(Name::dav("prop"))).flat_map(Element::children).peekable();
    named.peek().is_some() && named.all(|value| value.is(NOTIFY))
}

/// Keeps in the viewer's home whether they want to be told of changes in a calendar, and in the calendar's that they do.
pub async fn watch(cx: &Cx, tx: &Tx, (home_id, calendar_id): (i64, i64), own: &[&Order]) -> Result<()> {
    let Some(order) = own.last() else { return Ok(()) };
    let me = cx.viewer.principal.id;
    let value = order.value.as_deref().and_then(|value| parse(value.as_bytes()).ok());
    let wanted = value.is_some_and(|value| value.child(Name::cs("true")).is_some());
    store::watch::set(tx, (home_id, calendar_id), me, wanted).await?;
    carry_out(tx, Subject { calendar_id, ..Subject::home(me) }, own.iter().copied()).await
}

/// Whether a resource is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It is being made: what may only be given then may be given.
    Creation,
    /// It is there.
    Later,
}

/// One property to set or to remove.
#[derive(Debug)]
pub struct Order {
    /// Its name.
    pub name: QName,
    /// The element to keep; `None` removes.
    pub value: Option<String>,
    /// The other form of the same property.
    pub twin: Option<Name>,
    /// Where it names the calendar that what is new of such a component goes to.
    pub chooses: Option<Component>,
    /// The number of that calendar; none where there is to be none.
    pub choice: Option<i64>,
    /// Why that cannot be done.
    pub refusal: Option<Refusal>,
}

/// The orders of a DAV:propertyupdate, or of a request that makes a collection, in document order; a later order on a name
/// takes the place of an earlier one.
pub fn orders(root: &Element, tables: &Tables, kind: Kind, moment: Moment) -> Result<Vec<Order>, Refusal> {
    let mut orders: Vec<Order> = Vec::new();
    for instruction in root.children() {
        let set = instruction.is(Name::dav("set"));
        if !set && !instruction.is(Name::dav("remove")) {
            continue;
        }
        for value in instruction.all(Name::dav("prop")).flat_map(Element::children) {
            if orders.len() == MOST_NAMES {
                return Err(QUOTA_NOT_EXCEEDED.into());
            }
            orders.retain(|order| order.name != *value.name());
            let prop = tables.prop(value.name());
            orders.push(Order {
                name: value.name().clone(),
                value: set.then(|| value.fragment()),
                twin: prop.and_then(|prop| prop.twin),
                chooses: prop.filter(|prop| prop.on.has(kind)).and_then(|prop| prop.chooses),
                choice: None,
                refusal: too_long(value.name()).or_else(|| refusal(prop, set.then_some(value), kind, moment)),
            });
        }
    }
    Ok(orders)
}

fn too_long(name: &QName) -> Option<Refusal> {
    (name.local.len() > LONGEST_NAME).then(|| QUOTA_NOT_EXCEEDED.into())
}

fn refusal(prop: Option<&Prop>, value: Option<&Element>, kind: Kind, moment: Moment) -> Option<Refusal> {
    // What no row knows is a dead property.
    let prop = prop?;
    if prop.is_protected(kind) && !(prop.at_creation && moment == Moment::Creation) {
        return Some(CANNOT_MODIFY_PROTECTED_PROPERTY.into());
    }
    prop.check?(value?).err()
}

/// Writes the orders to the database.
pub async fn carry_out(tx: &Tx, subject: Subject, orders: impl IntoIterator<Item = &Order>) -> Result<()> {
    let orders: Vec<&Order> = orders.into_iter().collect();
    // Of two forms of one property, the later order counts.
    let counts = |(at, order): &(usize, &&Order)| {
        order.twin.is_none_or(|twin| orders[at + 1..].iter().all(|later| later.name != twin))
    };
    let orders: Vec<&Order> = orders.iter().enumerate().filter(counts).map(|(_, order)| *order).collect();
    let set: Vec<Property> = orders
        .iter()
        .filter_map(|order| Some(Property { name: order.name.clone(), value: order.value.clone()? }))
        .collect();
    let twins = orders.iter().filter_map(|o| o.twin).map(QName::from);
    let gone: Vec<QName> =
        orders.iter().filter(|o| o.value.is_none()).map(|o| o.name.clone()).chain(twins).collect();
    if !gone.is_empty() {
        property::remove(tx, subject, &gone).await?;
    }
    if !set.is_empty() {
        property::set(tx, subject, &set).await?;
        room(tx, subject).await?;
    }
    Ok(())
}

/// Refuses where more properties were set on a resource than are kept of it, or of all in its home.
pub async fn room(tx: &Tx, subject: Subject) -> Result<()> {
    let (number, octets) = property::size(tx, subject).await?;
    let of_home = property::size_of_home(tx, subject.home_id).await?;
    if number > MOST.0 || octets > MOST.1 || of_home > MOST_OF_HOME {
        return Err(QUOTA_NOT_EXCEEDED.into());
    }
    Ok(())
}

/// Writes the propstats of orders: 200 of all, or the reasons, and 424 of those that were only held back by them.
pub fn report(orders: &[Order], w: &mut Writer) {
    let (good, bad): (Vec<&Order>, Vec<&Order>) = orders.iter().partition(|o| o.refusal.is_none());
    let status = if bad.is_empty() { Status::OK } else { Status::FAILED_DEPENDENCY };
    if !good.is_empty() || bad.is_empty() {
        propstat(status, w, |w| good.iter().for_each(|o| w.empty_owned(&o.name)));
    }
    for order in bad {
        let Some(refusal) = &order.refusal else { continue };
        w.inside(Name::dav("propstat"), |w| {
            w.inside(Name::dav("prop"), |w| w.empty_owned(&order.name));
            w.element(Name::dav("status"), &super::multistatus::line(refusal.status));
            if refusal.condition.is_some() {
                w.inside(Name::dav("error"), |w| refusal.write(w));
            }
        });
    }
}
