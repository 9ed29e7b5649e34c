//! Objects that somebody brings from elsewhere (`?import`): a stream as other products write them, of which each object is
//! told whether it is new, was there, or cannot be stored (docs/decisions/0036).

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use futures_util::future::try_join_all;
use tokio::task::yield_now;

use crate::{
    caldav::{
        form::Form,
        import::{is_over, measured},
        put::content_type,
        storing::{Shelf, Understood, understood},
        told::{Told, tell},
    },
    config::Settings,
    dav::{
        Cx, Error, Refusal, Result,
        access::{self, Household},
        condition::{
            HAS_OCCURRENCE, MAX_RESOURCES, NO_UID_CONFLICT, QUOTA_NOT_EXCEEDED, SUPPORTED_CALENDAR_DATA,
            VALID_CALENDAR_DATA, VALID_CALENDAR_OBJECT_RESOURCE,
        },
        guard::{Guard, Touch},
        header::Prefer,
        locks,
        multistatus::{Multistatus, propstat},
        seen,
    },
    db::Tx,
    front::{Response, Status},
    ical::{
        gather::{from_stream, said},
        pieces::{Pieces, Scanner},
    },
    model::{Components, Privilege, SyncToken},
    store::{
        Calendar,
        object::{self, Before},
    },
};

use super::{
    MOST_RESOURCES, batch::GROWTH, failed, fresh_name, member, most_octets, shelf, state, stored, too_many,
    with_tag,
};

/// Objects that are written at once.
const AT_ONCE: usize = 64;
/// What stands where nothing does.
const NOTHING: Before = Before { object: None, twin: None };

/// One object of the stream.
struct Item {
    uid: Option<String>,
    object: Result<Understood, Refusal>,
}

/// What became of an object.
enum Fate {
    /// It was not there; what its sender reads of it, if that is something else.
    Made(Option<Understood>),
    /// The same octets were there, under that path.
    Unchanged(String),
    /// It is not stored.
    Refused(Refusal),
}

/// Stores the objects of a stream that are not there yet.
pub async fn run(cx: &Cx, octets: Bytes) -> Result<Response> {
    if content_type(&cx.headers)? != Form::Ical {
        return Err(SUPPORTED_CALENDAR_DATA.into());
    }
    let guard = locks::guard(cx).await?;
    let house = access::household(cx).await?;
    let items = items(&cx.settings, &octets).await?;
    drop(octets);
    let (all, guard, house) = (&items, &guard, &house);
    let ((fates, state), (calendar, told)) =
        cx.pool.transaction(async |tx: Arc<Tx>| put_all(cx, &tx, house, all, guard).await).await?;
    tell(cx, &calendar, &told).await;
    measured(&cx.pool, items.len()).await;
    let mut answer = Multistatus::new(Prefer::default());
    for (item, fate) in items.iter().zip(&fates) {
        match (&item.object, fate) {
            (Ok(object), Fate::Made(other)) => {
                let object = other.as_ref().unwrap_or(object);
                let href = member(cx, &object.put.name)?.own_href();
                answer.other(&href, |w| propstat(Status::OK, w, |w| stored(object, false, w)));
            }
            (_, Fate::Unchanged(href)) => answer.status(href, Status::NOT_MODIFIED),
            (Err(refusal), _) | (_, Fate::Refused(refusal)) => {
                answer.other("", |w| failed(refusal, item.uid.as_deref(), w));
            }
        }
    }
    Ok(with_tag(answer.finish(), state))
}

/// The objects of a stream, in the order in which they begin. Others get their turn in between.
async fn items(settings: &Settings, octets: &Bytes) -> Result<Vec<Item>> {
    let found = scanned(octets)?;
    let (mut items, mut room) = (Vec::new(), GROWTH * most_octets(settings));
    for pieces in found.objects() {
        let made = from_stream(octets, &found, pieces);
        let object = match made {
            Ok(made) => {
                room = room.checked_sub(made.octets.len()).ok_or_else(|| {
                    Refusal::plain(
                        Status::PAYLOAD_TOO_LARGE,
                        "the objects are too long, each with its time zones",
                    )
                })?;
                let uid = said(&made.octets, "UID");
                (uid, understood(settings, &fresh_name(), Form::Ical, made.octets))
            }
            Err(fault) => (None, Err(VALID_CALENDAR_DATA.because(fault.to_string()))),
        };
        items.push(Item { uid: object.0, object: object.1 });
        yield_now().await;
    }
    Ok(items)
}

fn scanned(octets: &Bytes) -> Result<Pieces, Refusal> {
    let mut scanner = Scanner::default();
    scanner.feed(octets);
    let found = scanner.finish();
    match found.objects().count() {
        0 => Err(VALID_CALENDAR_OBJECT_RESOURCE.because("there is no object in it")),
        count if count > MOST_RESOURCES => Err(too_many()),
        _ => Ok(found),
    }
}

/// Stores what can be stored; gives what became of each, and the state that the calendar is in then.
async fn put_all(
    cx: &Cx,
    tx: &Tx,
    house: &Household,
    items: &[Item],
    guard: &Guard,
) -> Result<((Vec<Fate>, SyncToken), (Calendar, Vec<Told>))> {
    let shelf = shelf(cx, tx, house).await?;
    shelf.may_add()?;
    // What is said of the calendar is said of the whole request.
    guard.permits(&shelf.now(None), &[Touch::Calendar])?;
    let fates = if seen::of(cx, shelf.calendar()).own {
        put_own(&shelf, items).await?
    } else {
        put_theirs(&shelf, items, guard).await?
    };
    let state = state(cx, tx, &shelf).await?;
    Ok(((fates, state), shelf.told()))
}

/// What can be said of an object before it is looked for.
fn judged(item: &Item) -> Result<&Understood, Refusal> {
    match &item.object {
        Err(refusal) => Err(refusal.clone()),
        Ok(object) if is_over(&object.put) => Err(HAS_OCCURRENCE.because("none of its occurrences is left")),
        Ok(object) => Ok(object),
    }
}

/// In a calendar of somebody else what becomes of an object depends on what is seen of it: one after the other.
async fn put_theirs(shelf: &Shelf<'_>, items: &[Item], guard: &Guard) -> Result<Vec<Fate>> {
    let mut fates = Vec::with_capacity(items.len());
    for item in items {
        fates.push(match judged(item) {
            Err(refusal) => Fate::Refused(refusal),
            Ok(object) => match shelf.store(object, guard).await {
                Ok(done) => Fate::Made(done.other),
                Err(Error::Refused(refusal)) if refusal.condition == Some(NO_UID_CONFLICT) => {
                    twin(shelf, object, refusal).await?
                }
                Err(Error::Refused(refusal)) => Fate::Refused(refusal),
                Err(fault) => return Err(fault),
            },
        });
    }
    Ok(fates)
}

/// In one's own calendar what stands there, and how much room is left, is looked up once for all of them, and what is new is
/// written without waiting for one before the next is sent. Their names nothing has.
async fn put_own(shelf: &Shelf<'_>, items: &[Item]) -> Result<Vec<Fate>> {
    let (tx, calendar) = (shelf.tx(), shelf.calendar());
    let uids: Vec<&str> =
        items.iter().filter_map(|item| judged(item).ok()).map(|o| o.put.uid.as_str()).collect();
    let standing = object::standing(tx, calendar, &[], &uids).await?;
    let mut there: HashMap<&str, (&str, &str)> =
        standing.iter().map(|(o, _)| (o.uid.as_str(), (o.name.as_str(), o.etag.as_str()))).collect();
    let (mut places, mut octets) = shelf.left().await?;
    let (mut fates, mut writes) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        let object = match judged(item) {
            Err(refusal) => {
                fates.push(Fate::Refused(refusal));
                continue;
            }
            Ok(object) => object,
        };
        let put = &object.put;
        let fits = shelf.fits(Components::default().with(put.component), &put.name);
        fates.push(match (fits, there.get(put.uid.as_str())) {
            (Err(refusal), _) => Fate::Refused(refusal),
            (_, Some((name, tag))) if *tag == put.etag => Fate::Unchanged(shelf.href(name)),
            (_, Some((name, _))) => Fate::Refused(shelf.conflict(name)),
            (_, None) if places == 0 => Fate::Refused(MAX_RESOURCES.into()),
            (_, None) if octets < put.octets() => Fate::Refused(QUOTA_NOT_EXCEEDED.into()),
            (_, None) => {
                (places, octets) = (places - 1, octets - put.octets());
                there.insert(&put.uid, (&put.name, &put.etag));
                writes.push(put);
                Fate::Made(None)
            }
        });
    }
    for some in writes.chunks(AT_ONCE) {
        let written = some.iter().map(|put| object::put(tx, calendar, put, &NOTHING, shelf.author()));
        try_join_all(written).await?;
        yield_now().await;
    }
    if calendar.watched {
        for put in writes {
            shelf.note(Told::stored(&put.name, None, &put.body));
        }
    }
    Ok(fates)
}

/// What another object of that UID makes of it: whoever may read that is told whether it is the same as what they see of it, so
/// that nobody tries what they do not see (docs/decisions/0026).
async fn twin(shelf: &Shelf<'_>, sent: &Understood, refusal: Refusal) -> Result<Fate> {
    let (calendar, put) = (shelf.calendar(), &sent.put);
    if !calendar.rights.has(Privilege::Read) {
        return Ok(Fate::Refused(refusal));
    }
    for (twin, _) in object::standing(shelf.tx(), calendar, &[], &[&put.uid]).await? {
        let seen = seen::named_in(shelf.cx(), shelf.tx(), calendar, &twin.name).await?.object();
        if seen.is_some_and(|seen| seen.etag == put.etag) {
            return Ok(Fate::Unchanged(shelf.href(&twin.name)));
        }
    }
    Ok(Fate::Refused(refusal))
}
