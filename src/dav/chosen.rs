//! The calendars of a home that new events and new tasks go to: properties of the inbox, each of which names a calendar that is kept in the
//! home and nobody else's (RFC 6638 §9.2, caldav-sharing §5.5.5). The home keeps its number, so that it may be called otherwise.

use crate::{
    db::Tx,
    model::{Component, Kind},
    store,
    xml::{Element, Name, Writer, parse},
};

use super::{
    Cx, Prop, Refusal, Result, Target,
    condition::{VALID_DEFAULT_CALENDAR, VALID_DEFAULT_TASKS},
    prop::{Facts, Needs},
    proppatch::Order,
    target::is_ours,
};

/// The rows.
pub const PROPS: &[Prop] = &[
    Prop::chosen(
        Name::cal("schedule-default-calendar-URL"),
        |facts, cx, w| tell(facts, cx, w, Component::Vevent),
        Component::Vevent,
        "RFC 6638 §9.2",
    ),
    Prop::chosen(
        Name::cs("schedule-default-tasks-URL"),
        |facts, cx, w| tell(facts, cx, w, Component::Vtodo),
        Component::Vtodo,
        "calendarserver",
    ),
];

fn tell(facts: &Facts, cx: &Cx, w: &mut Writer, component: Component) -> Option<()> {
    let (_, name) = facts.chosen.iter().find(|(of, _)| *of == component)?;
    let user = facts.target.user()?.to_owned();
    w.element(Name::dav("href"), &cx.href(&Target::Collection(user, name.clone())));
    Some(())
}

/// A value holds one address, or none: then there is no such calendar.
pub fn check(value: &Element) -> Result<(), Refusal> {
    if value.all(Name::dav("href")).count() < 2 {
        return Ok(());
    }
    Err(Refusal::bad_request("there is one calendar for what is new"))
}

/// Puts what each inbox among these needs to tell which calendars were chosen.
pub async fn load(cx: &Cx, all: &mut [Facts], needs: Needs) -> Result<()> {
    if !needs.has(Needs::CHOSEN) {
        return Ok(());
    }
    for facts in all.iter_mut().filter(|facts| facts.kind() == Kind::Inbox) {
        if let Some(inbox) = &facts.calendar {
            facts.chosen = store::calendar::chosen(&cx.pool, inbox.home_id).await?;
        }
    }
    Ok(())
}

/// Finds the calendars that these orders name, and refuses those that cannot be chosen.
pub async fn judge(cx: &Cx, facts: &Facts, orders: &mut [Order]) -> Result<()> {
    for order in orders.iter_mut().filter(|order| order.chooses.is_some() && order.refusal.is_none()) {
        let Some(component) = order.chooses else { continue };
        let value = order.value.as_deref().and_then(|value| parse(value.as_bytes()).ok());
        let href =
            value.and_then(|value| value.child(Name::dav("href")).map(|href| href.text().trim().to_owned()));
        let Some(href) = href else { continue };
        order.choice = found(cx, facts, &href, component).await?;
        if order.choice.is_none() {
            order.refusal = Some(
                if component == Component::Vtodo { VALID_DEFAULT_TASKS } else { VALID_DEFAULT_CALENDAR }
                    .into(),
            );
        }
    }
    Ok(())
}

/// The number of the calendar at that address, if it is kept in this home and takes that component.
async fn found(cx: &Cx, inbox: &Facts, href: &str, component: Component) -> Result<Option<i64>> {
    let (Some(user), Some(inbox)) = (inbox.target.user(), &inbox.calendar) else { return Ok(None) };
    let Some(Target::Collection(owner, name)) = is_ours(cx, href).map(|located| located.target) else {
        return Ok(None);
    };
    if owner != user {
        return Ok(None);
    }
    let calendar = store::calendar::by_name(&cx.pool, &cx.viewer, inbox.home_id, &name).await?;
    let fits = calendar.filter(|calendar| {
        calendar.kind == Kind::Calendar && calendar.bound.is_none() && calendar.components.has(component)
    });
    Ok(fits.map(|calendar| calendar.id))
}

/// Keeps what these orders choose.
pub async fn carry_out(tx: &Tx, home_id: i64, orders: &[&Order]) -> Result<()> {
    for order in orders {
        if let Some(component) = order.chooses {
            store::calendar::choose(tx, home_id, component, order.choice).await?;
        }
    }
    Ok(())
}
