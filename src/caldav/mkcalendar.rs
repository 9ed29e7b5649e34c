//! Making calendars: MKCALENDAR (RFC 4791 §5.3.1) and extended MKCOL (RFC 5689 §3).

use std::sync::Arc;

use crate::{
    dav::{
        Cx, Given, Refusal, Result, Target, access,
        condition::{MAX_CALENDARS, RESOURCE_MUST_BE_NULL, VALID_RESOURCETYPE},
        facts,
        guard::{CTAG_HEADER, Guard, State, tokens_of_home},
        header::Prefer,
        locks, mkcol as answer,
        prop::NOTIFY,
        proppatch::{Moment, Order, carry_out, orders, watch},
    },
    db::Tx,
    front::{HeaderName, Response},
    model::{Component, Components, Kind, Privilege},
    store::{self, Held, Home, Principal, Subject},
    xml::{Element, Name},
};

use super::props::{SOURCE, components_of};

const RESOURCETYPE: Name = Name::dav("resourcetype");

/// The header that tells the home's new tag (calendarserver-bulk-change §8.3).
const HOME_CTAG: HeaderName = HeaderName::from_static("home-ctag");

/// Makes a calendar, with the properties that the body sets.
pub async fn mkcalendar(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let root = given.xml;
    if root.as_ref().is_some_and(|root| !root.is(Name::cal("mkcalendar"))) {
        return Err(Refusal::bad_request("the body of a MKCALENDAR is a C:mkcalendar").into());
    }
    let wanted =
        root.as_ref().map_or(Some(Kind::Calendar), |root| types(root).map_or(Some(Kind::Calendar), made_of));
    let orders = match &root {
        Some(root) => judged(root, &cx, wanted)?,
        None => Vec::new(),
    };
    if orders.iter().any(|order| order.refusal.is_some()) {
        return Ok(answer::calendar_not_made(&cx.located.own_href(), &orders));
    }
    make(&cx, root.as_ref(), wanted.unwrap_or(Kind::Calendar), orders).await
}

/// The same in the words of extended MKCOL; calendars and subscriptions are made here, and no other kind of collection.
pub async fn mkcol(cx: Arc<Cx>, given: Given) -> Result<Response> {
    // Whether something is there comes before what was sent (RFC 4918 §9.3.1).
    vacant(&cx).await?;
    let root = given.xml.ok_or(VALID_RESOURCETYPE)?;
    if !root.is(Name::dav("mkcol")) {
        return Err(Refusal::bad_request("the body of a MKCOL is a DAV:mkcol").into());
    }
    let wanted = types(&root).and_then(made_of);
    let orders = judged(&root, &cx, wanted)?;
    if orders.iter().any(|order| order.refusal.is_some()) {
        return Ok(answer::not_made(&orders));
    }
    make(&cx, Some(&root), wanted.ok_or(VALID_RESOURCETYPE)?, orders).await
}

/// The DAV:resourcetype that a body sets.
fn types(root: &Element) -> Option<&Element> {
    set_values(root).find(|value| value.is(RESOURCETYPE))
}

/// Which kind of collection has that type, if one that is made.
fn made_of(types: &Element) -> Option<Kind> {
    let whole = |kind: Name| {
        let known = |t: &Element| t.is(Name::dav("collection")) || t.is(kind);
        types.children().all(known) && types.child(kind).is_some()
    };
    let kinds = [(Name::cal("calendar"), Kind::Calendar), (Name::cs("subscribed"), Kind::Subscribed)];
    kinds.into_iter().find(|(name, _)| whole(*name)).map(|(_, kind)| kind)
}

/// What a body sets, each with why it cannot be; a subscription without a source leads nowhere.
fn judged(root: &Element, cx: &Cx, wanted: Option<Kind>) -> Result<Vec<Order>, Refusal> {
    let mut orders = orders(root, cx.tables, wanted.unwrap_or(Kind::Calendar), Moment::Creation)?;
    let leads = orders.iter().any(|order| order.name == SOURCE && order.value.is_some());
    let made = wanted.is_some_and(|kind| kind == Kind::Calendar || leads);
    for order in orders.iter_mut().filter(|order| order.name == RESOURCETYPE) {
        order.refusal = (!made).then(|| VALID_RESOURCETYPE.into());
    }
    Ok(orders)
}

async fn make(cx: &Cx, root: Option<&Element>, kind: Kind, orders: Vec<Order>) -> Result<Response> {
    let Target::Collection(_, name) = &cx.located.target else { return Err(Refusal::not_found().into()) };
    let house = access::household(cx).await?;
    house.need(cx, Privilege::Bind)?;
    let owner = &house.owner;
    let components = root.map_or_else(|| Ok(standard()), components)?;
    let guard = &locks::guard(cx).await?;
    let kept: Vec<Order> = orders.into_iter().filter(|order| !is_structure(order)).collect();
    let tags = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            house.held(cx, &tx).await?.need(cx, Privilege::Bind)?;
            if store::calendar::is_taken(&tx, owner.id, name).await? {
                return Err(RESOURCE_MUST_BE_NULL.into());
            }
            if store::calendar::count(&tx, owner.id).await? >= i64::from(cx.settings.calendar.max_collections)
            {
                return Err(MAX_CALENDARS.into());
            }
            let before = expected(cx, &tx, owner, guard.clone()).await?;
            let (what, author) = ((kind, components), &cx.author());
            let id = store::calendar::create(&tx, owner.id, name, what, author).await?;
            let subject = Subject { calendar_id: id, ..Subject::home(owner.id) };
            let (own, others): (Vec<&Order>, Vec<&Order>) =
                kept.iter().partition(|order| order.name == NOTIFY && kind == Kind::Calendar);
            watch(cx, &tx, (owner.id, id), &own).await?;
            carry_out(&tx, subject, others).await?;
            match before {
                Some(before) => tags(cx, &tx, owner, name, before).await,
                None => Ok(None),
            }
        })
        .await?;
    let made = cx.named(answer::made(Prefer::of(&cx.headers)));
    Ok(match tags {
        Some([home, calendar]) => made.with(HOME_CTAG, home).with(CTAG_HEADER, calendar),
        None => made,
    })
}

/// Refuses where the home, or another resource, is not in the state that the request expects; gives the home's, where that is
/// told by its tag. The home is locked, so what a token says of it is held against what it is now.
async fn expected(cx: &Cx, tx: &Tx, owner: &Principal, mut guard: Guard) -> Result<Option<Home>> {
    if guard.tokens().is_empty() {
        guard.unchanged(None, None)?;
        return Ok(None);
    }
    let home = store::calendar::home_in(tx, &cx.viewer, owner.id).await?;
    if let Some(home) = &home {
        let tokens = tokens_of_home(home, cx.outline).into();
        guard.learn(Target::Home(owner.name.clone()), State { etag: None, tokens });
    }
    guard.unchanged(None, None)?;
    Ok(home.filter(|_| guard.names_ctag()))
}

/// The new tags of the home and of the calendar in it. What others changed meanwhile the client has not seen, and so it is not
/// in the home's.
async fn tags(
    cx: &Cx,
    tx: &Tx,
    owner: &Principal,
    name: &str,
    mut home: Home,
) -> Result<Option<[String; 2]>> {
    let made = store::calendar::lock(tx, &cx.viewer, owner.id, name).await?.ok_or_else(Refusal::not_found)?;
    home.state.revision += 1;
    home.collections.push(Held { id: made.id, revision: made.state.revision, octets: made.octets });
    Ok(Some([home.tag(), made.tag()]))
}

async fn vacant(cx: &Cx) -> Result<()> {
    let Target::Collection(_, name) = &cx.located.target else { return Err(Refusal::not_found().into()) };
    let owner = facts::home_owner(cx, Privilege::Bind).await?;
    match store::calendar::by_name(&cx.pool, &cx.viewer, owner.id, name).await? {
        Some(_) => Err(RESOURCE_MUST_BE_NULL.into()),
        None => Ok(()),
    }
}

/// What a calendar holds of which nothing else is said.
fn standard() -> Components {
    [Component::Vevent, Component::Vtodo, Component::Vjournal].into_iter().collect()
}

fn components(root: &Element) -> Result<Components> {
    let given = set_values(root).find(|value| value.is(Name::cal("supported-calendar-component-set")));
    Ok(given.map_or_else(|| Ok(standard()), components_of)?)
}

/// The values of the properties that a body sets.
fn set_values(root: &Element) -> impl Iterator<Item = &Element> {
    root.all(Name::dav("set")).flat_map(|set| set.all(Name::dav("prop"))).flat_map(Element::children)
}

/// Whether it says what the collection is, which is kept otherwise.
fn is_structure(order: &Order) -> bool {
    order.name == RESOURCETYPE || order.name == Name::cal("supported-calendar-component-set")
}
