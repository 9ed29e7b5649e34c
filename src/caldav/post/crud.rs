//! The batch of orders: members made, changed and deleted, each by itself (calendarserver-bulk-change §4).

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use crate::{
    caldav::{
        form::Form,
        get::quoted,
        storing::{Shelf, Understood, understood},
        theirs::whole,
        told::{Told, tell},
    },
    dav::{
        Cx, Error, Located, Refusal, Result, Target,
        access::{self, Household},
        condition::SUPPORTED_CALENDAR_DATA,
        delete,
        guard::{Guard, Touch},
        header::Prefer,
        locks,
        multistatus::{Multistatus, propstat},
        proppatch::{Moment, Order, carry_out, orders, report},
        seen,
        target::is_ours,
    },
    db::Tx,
    front::{Response, Status},
    ical::Split,
    model::{Kind, Privilege, SyncToken},
    store::{self, Calendar, Subject, object},
    xml::{Element, Name},
};

use super::{MOST_RESOURCES, failed, fresh_name, member, of_uid, shelf, state, stored, too_many};
use super::{wants_changed, with_tag};

const DATA: Name = Name::cal("calendar-data");

/// Carries out what the document orders, one resource after the other.
pub async fn run(cx: &Cx, root: &Element) -> Result<Response> {
    if !mine(root, "multiput") {
        let why = "XML that is POSTed to a calendar is an MM:multiput, a CS:share or a DAV:share-resource";
        return Err(Refusal::bad_request(why).into());
    }
    let resources: Vec<&Element> = root.children().filter(|child| mine(child, "resource")).collect();
    if resources.is_empty() {
        return Err(Refusal::bad_request("the MM:multiput names no MM:resource").into());
    }
    if resources.len() > MOST_RESOURCES {
        return Err(too_many().into());
    }
    let guard = locks::guard(cx).await?;
    let house = access::household(cx).await?;
    let (expects, inside) = (&guard, &house);
    let left = cx
        .pool
        .transaction(async |tx: Arc<Tx>| {
            let shelf = shelf(cx, &tx, inside).await?;
            expects.expects(&shelf.now(None))?;
            Ok::<_, Error>(shelf.calendar().state)
        })
        .await?;
    let (seen, answer) = (BTreeSet::new(), Multistatus::new(Prefer::default()));
    let mut batch =
        Batch { cx, house, guard, left, seen, answer, calendar: None, told: Vec::new(), away: false };
    for resource in resources {
        batch.resource(resource).await;
    }
    // Once of all of them: each who is told has one document about the calendar.
    if let Some(calendar) = &batch.calendar {
        tell(cx, calendar, &batch.told).await;
    }
    Ok(with_tag(batch.answer.finish(), batch.left))
}

/// Whether it is the element of that name, which servers in the field have in the one namespace or in the other.
fn mine(element: &Element, local: &'static str) -> bool {
    element.is(Name::mm(local)) || element.is(Name::cs(local))
}

fn within<'a>(element: &'a Element, local: &'static str) -> Option<&'a Element> {
    element.children().find(|child| mine(child, local))
}

/// A batch, and how far it has come.
struct Batch<'a> {
    cx: &'a Cx,
    house: Household,
    guard: Guard,
    /// The state in which the last resource left the calendar: if it is another, somebody else was there.
    left: SyncToken,
    seen: BTreeSet<String>,
    answer: Multistatus,
    /// The calendar as it was when it was last written to, and what others are to be told.
    calendar: Option<Calendar>,
    told: Vec<Told>,
    /// Whether the database was away, so that nothing more is tried.
    away: bool,
}

/// What is ordered of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Make,
    Change,
    Delete,
}

/// A resource, and all that can be known of it before anything is written.
struct Wanted {
    act: Act,
    name: String,
    href: String,
    guard: Guard,
    object: Option<Understood>,
    /// What is to be set and removed; the data are among it until nothing is refused.
    orders: Vec<Order>,
    /// Whose data they are.
    uid: Option<String>,
}

impl Wanted {
    /// The path that a failure is told of: what was not made has none.
    fn tried(&self) -> &str {
        if self.act == Act::Make { "" } else { &self.href }
    }

    /// What a failure is known by that has no path.
    fn uid(&self) -> Option<&str> {
        self.uid.as_deref().filter(|_| self.act == Act::Make)
    }
}

impl Batch<'_> {
    async fn resource(&mut self, resource: &Element) {
        let href = resource.child(Name::dav("href")).map(|href| href.text().trim());
        let mut wanted = match self.wanted(resource, href) {
            Ok(wanted) => wanted,
            Err(refusal) => {
                return self.answer.other(href.unwrap_or_default(), |w| failed(&refusal, None, w));
            }
        };
        if wanted.orders.iter().any(|order| order.refusal.is_some()) {
            return self.unfit(&wanted);
        }
        wanted.orders.retain(|order| order.name != DATA);
        let outcome = if self.away { Ok(None) } else { self.carried_out(&wanted).await.map(Some) };
        match outcome {
            Ok(Some((left, written))) => {
                self.left = left;
                self.done(&wanted, &written);
            }
            Ok(None) => self.answer.status(wanted.tried(), Status::SERVICE_UNAVAILABLE),
            Err(Error::Refused(refusal)) => {
                self.answer.other(wanted.tried(), |w| failed(&refusal, wanted.uid(), w));
            }
            Err(Error::Busy(why)) => {
                tracing::warn!(%why, "busy");
                self.away = true;
                self.answer.status(wanted.tried(), Status::SERVICE_UNAVAILABLE);
            }
            Err(Error::Fault(why)) => {
                tracing::error!(error = ?why, "failed");
                self.answer.status(wanted.tried(), Status::INTERNAL_SERVER_ERROR);
            }
        }
    }

    fn wanted(&mut self, resource: &Element, href: Option<&str>) -> Result<Wanted, Refusal> {
        let changes =
            [Name::dav("set"), Name::dav("remove")].iter().any(|name| resource.child(*name).is_some());
        let (act, name) = match (href, within(resource, "delete").is_some()) {
            (Some(href), true) if !changes => (Act::Delete, self.own(href)?),
            (Some(href), false) if changes => (Act::Change, self.own(href)?),
            (None, false) if changes => (Act::Make, fresh_name()),
            _ => {
                return Err(Refusal::bad_request(
                    "an MM:resource has a DAV:set, or a DAV:href and MM:delete",
                ));
            }
        };
        let located = member(self.cx, &name)?;
        let tag = within(resource, "if-match").map(|wanted| {
            let tag = wanted.child(Name::dav("getetag")).map(|tag| tag.text().trim());
            tag.filter(|tag| !tag.is_empty())
                .ok_or_else(|| Refusal::bad_request("an MM:if-match has a DAV:getetag"))
        });
        let guard = self.guard.of_member(&located, tag.transpose()?)?;
        let orders = orders(resource, self.cx.tables, Kind::Object, Moment::Later)?;
        let href = located.own_href();
        let mut wanted = Wanted { act, name, href, guard, object: None, orders, uid: None };
        self.data(resource, &mut wanted)?;
        Ok(wanted)
    }

    /// The name of the member of this calendar that a path names, which nothing before it did.
    fn own(&mut self, href: &str) -> Result<String, Refusal> {
        let (
            Some(Located { target: Target::Object(user, calendar, name), .. }),
            Target::Collection(whose, here),
        ) = (is_ours(self.cx, href), &self.cx.located.target)
        else {
            return Err(no_member());
        };
        if (&user, &calendar) != (whose, here) {
            return Err(no_member());
        }
        if !self.seen.insert(name.clone()) {
            return Err(Refusal::plain(Status::CONFLICT, "the batch names it before"));
        }
        Ok(name)
    }

    /// Reads the object that is to be stored, if one is.
    fn data(&self, resource: &Element, wanted: &mut Wanted) -> Result<(), Refusal> {
        let order = wanted.orders.iter_mut().find(|order| order.name == DATA && order.value.is_some());
        let values = resource.all(Name::dav("set")).flat_map(|set| set.all(Name::dav("prop")));
        let values = values.flat_map(Element::children).filter(|value| value.is(DATA));
        let (Some(order), Some(data)) = (order, values.last()) else {
            let lacks = wanted.act == Act::Make;
            return if lacks {
                Err(Refusal::bad_request("a new resource has C:calendar-data"))
            } else {
                Ok(())
            };
        };
        let form = data.attribute("content-type").map_or(Some(Form::Ical), Form::of_type);
        let Some(form) = form else {
            order.refusal = Some(SUPPORTED_CALENDAR_DATA.into());
            return Ok(());
        };
        // They are long, and are in the document already.
        order.value = Some(String::new());
        // XML has but one kind of line end (XML 1.0 §2.11), and iCalendar the other.
        let text: String = data.text().trim().lines().flat_map(|line| [line, "\r\n"]).collect();
        let text = Bytes::from(text);
        match understood(&self.cx.settings, &wanted.name, form, text.clone()) {
            Ok(object) => {
                order.refusal = None;
                wanted.uid = Some(object.put.uid.clone());
                wanted.object = Some(object);
            }
            Err(refusal) => {
                order.refusal = Some(refusal);
                let calendar = form.read(text).ok();
                wanted.uid =
                    calendar.and_then(|c| Split::of(&c).parts().iter().find_map(|part| part.uid.clone()));
            }
        }
        Ok(())
    }

    /// Carries out one of them, wholly or not at all; gives the state of the calendar, and what was written.
    async fn carried_out(&mut self, wanted: &Wanted) -> Result<(SyncToken, Written)> {
        let (cx, house, known, guard) = (self.cx, &self.house, self.left, &self.guard);
        let (done, (calendar, told)) = cx
            .pool
            .transaction(async |tx: Arc<Tx>| {
                let held = shelf(cx, &tx, house).await?;
                if held.calendar().state != known {
                    guard.expects(&held.now(None))?;
                }
                let written = write(&tx, &held, wanted).await?;
                let state = state(cx, &tx, &held).await?;
                Ok::<_, Error>(((state, written), held.told()))
            })
            .await?;
        self.calendar = Some(calendar);
        self.told.extend(told);
        Ok(done)
    }

    /// Tells what was done.
    fn done(&mut self, wanted: &Wanted, written: &Written) {
        if wanted.act == Act::Delete {
            return self.answer.status(&wanted.href, Status::OK);
        }
        let changed = wants_changed(&self.cx.headers);
        self.answer.other(&wanted.href, |w| {
            propstat(Status::OK, w, |w| {
                match (written.other.as_ref().or(wanted.object.as_ref()), &written.before) {
                    (Some(object), _) => stored(object, changed, w),
                    (None, Some(etag)) => w.element(Name::dav("getetag"), &quoted(etag)),
                    (None, None) => {}
                }
                wanted.orders.iter().for_each(|order| w.empty_owned(&order.name));
            });
        });
    }

    /// Tells what cannot be set; where that is the data alone, it is as if it had been PUT.
    fn unfit(&mut self, wanted: &Wanted) {
        self.answer.other(wanted.tried(), |w| match &wanted.orders[..] {
            [Order { name, refusal: Some(refusal), .. }] if *name == DATA => failed(refusal, wanted.uid(), w),
            orders => {
                report(orders, w);
                if wanted.uid().is_some() {
                    w.inside(Name::dav("error"), |w| of_uid(wanted.uid(), w));
                }
            }
        });
    }
}

fn no_member() -> Refusal {
    Refusal::plain(Status::FORBIDDEN, "it is no member of this calendar")
}

/// What one of them did.
#[derive(Default)]
struct Written {
    /// The tag of what was there.
    before: Option<String>,
    /// What the sender reads of the object, if that is not what was sent.
    other: Option<Understood>,
}

/// Writes one of them to the database.
async fn write(tx: &Tx, shelf: &Shelf<'_>, wanted: &Wanted) -> Result<Written> {
    let (calendar, name, guard) = (shelf.calendar(), &wanted.name, &wanted.guard);
    let need = |privilege| access::need_in(calendar, privilege, || wanted.href.clone());
    if wanted.act == Act::Delete {
        access::need_in(calendar, Privilege::Unbind, || shelf.own_href())?;
        shelf.going(name).await?;
        delete::member(shelf.cx(), tx, &shelf.now(None), name, guard).await?;
        return Ok(Written::default());
    }
    let there = seen::named_in(shelf.cx(), tx, calendar, name).await?.object();
    if wanted.act == Act::Change {
        let there = there.as_ref().ok_or_else(Refusal::not_found)?;
        if !wanted.orders.is_empty() {
            need(Privilege::WriteProperties)?;
            whole(there, || wanted.href.clone())?;
        }
        if wanted.object.is_none() {
            guard.permits(&shelf.now(Some(there)), &[Touch::Member(name)])?;
            store::calendar::touch(tx, calendar).await?;
        }
    }
    let mut other = None;
    if let Some(object) = &wanted.object {
        other = shelf.store(object, guard).await?.other;
    }
    if !wanted.orders.is_empty() {
        let object = object::by_name_in(tx, calendar, name).await?.ok_or_else(Refusal::not_found)?;
        carry_out(tx, Subject::object(calendar, object.id), &wanted.orders).await?;
    }
    Ok(Written { before: there.map(|there| there.etag), other })
}
