//! Making calendars: MKCALENDAR (RFC 4791 §5.3.1) and extended MKCOL (RFC 5689 §3).

use std::sync::Arc;

use crate::{
    dav::{
        Cx, Given, Refusal, Result, Target,
        condition::{MAX_CALENDARS, RESOURCE_MUST_BE_NULL, VALID_RESOURCETYPE},
        facts,
        guard::{CTAG_HEADER, Guard, State, tokens_of_home},
        header::Prefer,
        locks, mkcol as answer,
        proppatch::{Moment, Order, carry_out, orders},
    },
    db::Tx,
    front::{HeaderName, Response},
    model::{Component, Components, Kind, Privilege},
    store::{self, Held, Home, Principal, Subject},
    xml::{Element, Name},
};

use super::props::components_of;

/// The header that tells the home's new tag (calendarserver-bulk-change §8.3).
const HOME_CTAG: HeaderName = HeaderName::from_static("home-ctag");

/// Makes a calendar, with the properties that the body sets.
pub async fn mkcalendar(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let root = given.xml;
    if root.as_ref().is_some_and(|root| !root.is(Name::cal("mkcalendar"))) {
        return Err(Refusal::bad_request("the body of a MKCALENDAR is a C:mkcalendar").into());
    }
    let orders = match &root {
        Some(root) => orders(root, cx.tables, Kind::Calendar, Moment::Creation)?,
        None => Vec::new(),
    };
    if orders.iter().any(|order| order.refusal.is_some()) {
        return Ok(answer::calendar_not_made(&cx.located.own_href(), &orders));
    }
    make(&cx, root.as_ref(), orders).await
}

/// The same in the words of extended MKCOL; no other kind of collection is made here.
pub async fn mkcol(cx: Arc<Cx>, given: Given) -> Result<Response> {
    // Whether something is there comes before what was sent (RFC 4918 §9.3.1).
    vacant(&cx).await?;
    let root = given.xml.ok_or(VALID_RESOURCETYPE)?;
    if !root.is(Name::dav("mkcol")) {
        return Err(Refusal::bad_request("the body of a MKCOL is a DAV:mkcol").into());
    }
    let wanted = set_values(&root).find(|value| value.is(Name::dav("resourcetype")));
    let types: Vec<&Element> = wanted.map(|t| t.children().collect()).unwrap_or_default();
    let of_calendar = |t: &&Element| t.is(Name::dav("collection")) || t.is(Name::cal("calendar"));
    let is_calendar = types.iter().all(of_calendar) && types.iter().any(|t| t.is(Name::cal("calendar")));
    let mut orders = orders(&root, cx.tables, Kind::Calendar, Moment::Creation)?;
    for order in orders.iter_mut().filter(|order| order.name == Name::dav("resourcetype")) {
        order.refusal = if is_calendar { None } else { Some(VALID_RESOURCETYPE.into()) };
    }
    if orders.iter().any(|order| order.refusal.is_some()) {
        return Ok(answer::not_made(&orders));
    }
    if !is_calendar {
        return Err(VALID_RESOURCETYPE.into());
    }
    make(&cx, Some(&root), orders).await
}

async fn make(cx: &Cx, root: Option<&Element>, orders: Vec<Order>) -> Result<Response> {
    let Target::Collection(_, name) = &cx.located.target else { return Err(Refusal::not_found().into()) };
    let owner = facts::home_owner(cx, Privilege::Bind).await?;
    let components = root.map_or_else(|| Ok(standard()), components)?;
    let guard = &locks::guard(cx).await?;
    let kept: Vec<Order> = orders.into_iter().filter(|order| !is_structure(order)).collect();
    let tags = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            store::calendar::lock_home(&tx, owner.id).await?;
            if store::calendar::is_taken(&tx, owner.id, name).await? {
                return Err(RESOURCE_MUST_BE_NULL.into());
            }
            if store::calendar::count(&tx, owner.id).await? >= i64::from(cx.settings.calendar.max_collections)
            {
                return Err(MAX_CALENDARS.into());
            }
            let before = expected(cx, &tx, &owner, guard.clone()).await?;
            let id = store::calendar::create(&tx, owner.id, name, components).await?;
            let subject = Subject { calendar_id: id, ..Subject::home(owner.id) };
            carry_out(&tx, subject, &kept).await?;
            match before {
                Some(before) => tags(cx, &tx, &owner, name, before).await,
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
    let home = store::calendar::home_in(tx, owner.id).await?;
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
    order.name == Name::dav("resourcetype") || order.name == Name::cal("supported-calendar-component-set")
}
