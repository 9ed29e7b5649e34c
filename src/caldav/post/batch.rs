//! The simple batch: a stream of many objects, each of which is stored or refused (calendarserver-bulk-change §3).

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::yield_now;

use crate::{
    caldav::{
        form::Form,
        put::content_type,
        storing::{Understood, understood},
        told::{Told, tell},
    },
    config::Settings,
    dav::{
        Cx, Error, Refusal, Result,
        access::{self, Household},
        condition::VALID_CALENDAR_OBJECT_RESOURCE,
        guard::{Guard, Touch},
        header::Prefer,
        locks,
        multistatus::{Multistatus, propstat},
    },
    db::Tx,
    front::{Response, Status},
    ical::Split,
    model::SyncToken,
    store::Calendar,
};

use super::{MOST_RESOURCES, failed, fresh_name, member, most_octets, shelf, state, stored, too_many};
use super::{wants_changed, with_tag};

/// Of how many times its octets a stream may be, taken apart: what its objects share, each of them has.
pub const GROWTH: usize = 2;

/// One object of the stream.
struct Item {
    uid: Option<String>,
    object: Result<Understood, Refusal>,
}

/// Stores the objects of a stream, all that can be in one transaction.
pub async fn run(cx: &Cx, octets: Bytes) -> Result<Response> {
    let form = content_type(&cx.headers)?;
    let guard = locks::guard(cx).await?;
    let house = access::household(cx).await?;
    let items = items(&cx.settings, form, octets).await?;
    let (all, guard, house) = (&items, &guard, &house);
    let ((outcomes, state), (calendar, told)) =
        cx.pool.transaction(async |tx: Arc<Tx>| put_all(cx, &tx, house, all, guard).await).await?;
    tell(cx, &calendar, &told).await;
    let (mut answer, changed) = (Multistatus::new(Prefer::default()), wants_changed(&cx.headers));
    for (item, outcome) in items.iter().zip(&outcomes) {
        match (&item.object, outcome) {
            (Ok(object), Ok(other)) => {
                let object = other.as_ref().unwrap_or(object);
                let href = member(cx, &object.put.name)?.own_href();
                answer.other(&href, |w| propstat(Status::OK, w, |w| stored(object, changed, w)));
            }
            (Err(refusal), _) | (_, Err(refusal)) => {
                answer.other("", |w| failed(refusal, item.uid.as_deref(), w));
            }
        }
    }
    Ok(with_tag(answer.finish(), state))
}

/// The objects of a stream, as they may be stored; nothing of this needs the database. Others get their turn in between.
async fn items(settings: &Settings, form: Form, octets: Bytes) -> Result<Vec<Item>> {
    let stream = form.read(octets)?;
    let split = Split::of(&stream);
    if split.parts().is_empty() {
        return Err(VALID_CALENDAR_OBJECT_RESOURCE.because("there is no object in it").into());
    }
    if split.parts().len() > MOST_RESOURCES {
        return Err(too_many().into());
    }
    let (mut items, mut room) = (Vec::with_capacity(split.parts().len()), GROWTH * most_octets(settings));
    for part in split.parts() {
        let octets = split.octets(part);
        room = room.checked_sub(octets.len()).ok_or_else(|| {
            Refusal::plain(Status::PAYLOAD_TOO_LARGE, "the objects are too long, each with its time zones")
        })?;
        let object = understood(settings, &fresh_name(), Form::Ical, octets);
        let object =
            object.map(|object| Understood { as_sent: object.as_sent && form == Form::Ical, ..object });
        items.push(Item { uid: part.uid.clone(), object });
        yield_now().await;
    }
    Ok(items)
}

/// What became of an object: what its sender reads of it, if that is something else.
type Outcome = Result<Option<Understood>, Refusal>;

/// Stores what can be stored; gives what became of each, and the state that the calendar is in then.
async fn put_all(
    cx: &Cx,
    tx: &Tx,
    house: &Household,
    items: &[Item],
    guard: &Guard,
) -> Result<((Vec<Outcome>, SyncToken), (Calendar, Vec<Told>))> {
    let shelf = shelf(cx, tx, house).await?;
    shelf.may_add()?;
    // What is said of the calendar is said of the whole request.
    guard.permits(&shelf.now(None), &[Touch::Calendar])?;
    let mut outcomes = Vec::with_capacity(items.len());
    for item in items {
        let Ok(object) = &item.object else {
            outcomes.push(Ok(None));
            continue;
        };
        outcomes.push(match shelf.store(object, guard).await {
            Ok(done) => Ok(done.other),
            Err(Error::Refused(refusal)) => Err(refusal),
            Err(fault) => return Err(fault),
        });
    }
    let state = state(cx, tx, &shelf).await?;
    Ok(((outcomes, state), shelf.told()))
}
