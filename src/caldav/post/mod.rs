//! POST on a calendar: one object to its add-member URL, many at once to its own, and to whom it is shared; on a home what is
//! answered to that (RFC 5995, calendarserver-bulk-change, caldav-sharing).

mod add;
mod batch;
mod crud;
mod import;

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    config::Settings,
    dav::{
        Cx, Given, Located, Refusal, Result, Target, access::Household, facts, guard::CTAG_HEADER,
        multistatus::line, prop::Facts, sharing,
    },
    db::Tx,
    front::{HeaderMap, Response, Status, header},
    ical::Calendar,
    model::{Kind, Privilege, SyncToken},
    store,
    xml::{self, Element, Name, Writer},
};

use super::{
    erase,
    get::quoted,
    provision,
    storing::{Shelf, Understood},
    trash,
};

/// What stands behind the question mark of an add-member URL.
pub const ADD_MEMBER: &str = "add-member";
/// The same of what is brought from elsewhere.
pub const IMPORT: &str = "import";
/// Resources in one batch.
const MOST_RESOURCES: usize = 500;
/// Octets of a batch, where the settings do not say less.
const MOST_OCTETS: usize = 10 << 20;

/// Carries out what is sent: what it is its type tells.
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    if cx.located.target.kind() == Kind::Home {
        return to_home(&cx, given.bytes).await;
    }
    match cx.query.as_str() {
        ADD_MEMBER => add::run(&cx, given.bytes).await,
        "" if is_xml(&cx.headers) => document(&cx, given.bytes).await,
        "" => batch::run(&cx, given.bytes).await,
        IMPORT => import::run(&cx, given.bytes).await,
        _ => Err(Refusal::not_found().into()),
    }
}

/// What is sent to a home answers an invitation, empties the trash, or erases whose it is.
async fn to_home(cx: &Cx, octets: Bytes) -> Result<Response> {
    match cx.query.as_str() {
        "" => {}
        ADD_MEMBER => {
            return Err(Refusal { status: Status::METHOD_NOT_ALLOWED, ..Refusal::not_found() }.into());
        }
        other => return trash::empty(cx, trash::asked(other)?, &octets).await,
    }
    let owner = facts::home_owner(cx, Privilege::Bind).await?;
    let unknown = || Refusal::bad_request("what is POSTed to a home is a CS:invite-reply or a K:erase");
    if !is_xml(&cx.headers) {
        return Err(unknown().into());
    }
    let root = xml::parse(&octets).map_err(|fault| Refusal::bad_request(fault.to_string()))?;
    if erase::is_wish(&root) {
        return erase::themselves(cx, &owner, &root).await;
    }
    if !sharing::answer::is_reply(&root) {
        return Err(unknown().into());
    }
    sharing::answer::reply(cx, &owner, &root).await
}

/// Carries out a document: its root tells what it is.
async fn document(cx: &Cx, octets: Bytes) -> Result<Response> {
    let root = xml::parse(&octets).map_err(|fault| Refusal::bad_request(fault.to_string()))?;
    drop(octets);
    if sharing::is_share(&root) { share(cx, &root).await } else { crud::run(cx, &root).await }
}

/// Whom the settings let be made when they are mentioned is here before the calendar is shared with them.
async fn share(cx: &Cx, root: &Element) -> Result<Response> {
    let orders = sharing::orders(root)?;
    let added = orders.iter().filter(|order| order.level.is_some());
    let local: Vec<String> = added
        .filter_map(|order| sharing::address(&order.href))
        .filter(|address| provision::is_local(&cx.settings, address))
        .collect();
    if !local.is_empty() {
        facts::collection(cx, Privilege::WriteAcl).await?;
        provision::mention(cx, &local).await?;
    }
    sharing::share(cx, &orders).await
}

/// How many octets a batch may have.
pub fn most_octets(settings: &Settings) -> usize {
    settings.limits.body_bytes.0.min(MOST_OCTETS)
}

/// Writes the content of DAV:add-member (RFC 5995 §3.2.1).
#[allow(clippy::unnecessary_wraps)] // as the table has it
pub fn add_member(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.element(Name::dav("href"), &format!("{}?{ADD_MEMBER}", facts.href));
    Some(())
}

/// Writes the content of MM:bulk-requests (calendarserver-bulk-change §5.1).
#[allow(clippy::unnecessary_wraps)] // as the table has it
pub fn bulk_requests(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let octets = most_octets(&cx.settings);
    for kind in ["simple", "crud"] {
        // The property's element declares the prefix.
        w.raw(&format!(
            "<MM:{kind}><MM:max-resources>{MOST_RESOURCES}</MM:max-resources>\
             <MM:max-bytes>{octets}</MM:max-bytes></MM:{kind}>"
        ));
    }
    Some(())
}

fn is_xml(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = given.split(';').next().unwrap_or_default().trim();
    ["application/xml", "text/xml", "application/davsharing+xml"]
        .iter()
        .any(|xml| media.eq_ignore_ascii_case(xml))
}

/// A name for a member that nothing has.
fn fresh_name() -> String {
    format!("{}.ics", Uuid::new_v4())
}

/// The member of that name of the calendar that the request is about.
fn member(cx: &Cx, name: &str) -> Result<Located, Refusal> {
    let Target::Collection(user, calendar) = &cx.located.target else { return Err(Refusal::not_found()) };
    let target = Target::Object(user.clone(), calendar.clone(), name.to_owned());
    Ok(Located { target, ..cx.located.clone() })
}

/// The calendar that the request is about, locked.
async fn shelf<'a>(cx: &'a Cx, tx: &'a Tx, house: &Household) -> Result<Shelf<'a>> {
    let Target::Collection(_, name) = &cx.located.target else { return Err(Refusal::not_found().into()) };
    let found = store::calendar::lock(tx, &cx.viewer, house.owner.id, name).await?;
    if house.lacks(found.as_ref()) {
        return Err(Refusal::not_found().into());
    }
    Shelf::of(cx, tx, house, found).await
}

/// The state that a transaction leaves the calendar in.
async fn state(cx: &Cx, tx: &Tx, shelf: &Shelf<'_>) -> Result<SyncToken> {
    let calendar = shelf.calendar();
    let after = store::calendar::lock(tx, &cx.viewer, calendar.seen_in(), &calendar.name).await?;
    Ok(after.ok_or_else(Refusal::not_found)?.state)
}

/// The answer to a batch, with the calendar's new tag (calendarserver-bulk-change §6).
fn with_tag(answer: Response, state: SyncToken) -> Response {
    answer.with(CTAG_HEADER, store::calendar::tag(state))
}

fn too_many() -> Refusal {
    Refusal::plain(Status::PAYLOAD_TOO_LARGE, format!("a batch has at most {MOST_RESOURCES} resources"))
}

/// Whether the client wants the octets of what was changed before it was stored (§8.1).
fn wants_changed(headers: &HeaderMap) -> bool {
    let values = headers.get_all("x-mobileme-dav-options").iter().filter_map(|value| value.to_str().ok());
    let mut options = values.flat_map(|value| value.split(','));
    options.any(|option| option.trim().eq_ignore_ascii_case("return-changed-data"))
}

/// Writes the properties that tell how an object was stored (§3): a tag says that whoever sent it knows its octets.
fn stored(object: &Understood, changed: bool, w: &mut Writer) {
    let (put, changed) = (&object.put, changed && !object.as_sent);
    if object.as_sent || changed {
        w.element(Name::dav("getetag"), &quoted(&put.etag));
    }
    w.element(Name::cs("uid"), &put.uid);
    if changed && let Ok(calendar) = Calendar::parse(put.body.clone()) {
        w.inside(Name::cal("calendar-data"), |w| w.lines(&calendar.text()));
    }
}

/// Writes what a response tells of a resource for which nothing was done.
fn failed(refusal: &Refusal, uid: Option<&str>, w: &mut Writer) {
    w.element(Name::dav("status"), &line(refusal.status));
    if refusal.condition.is_some() || uid.is_some() {
        w.inside(Name::dav("error"), |w| {
            refusal.write(w);
            of_uid(uid, w);
        });
    }
    if refusal.condition.is_none()
        && let Some(why) = refusal.reason()
    {
        w.element(Name::dav("responsedescription"), why);
    }
}

/// Writes whose object it was.
fn of_uid(uid: Option<&str>, w: &mut Writer) {
    if let Some(uid) = uid {
        w.element(Name::cs("uid"), uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn a_type_is_xml_whatever_its_parameters() {
        for (value, xml) in [
            ("application/xml", true),
            ("application/davsharing+xml; charset=utf-8", true),
            ("Text/XML; charset=\"utf-8\"", true),
            ("application/calendar+xml", false),
            ("text/calendar", false),
            ("", false),
        ] {
            assert_eq!(is_xml(&of("content-type", value)), xml, "{value}");
        }
        assert!(!is_xml(&HeaderMap::new()));
    }

    #[test]
    fn options_are_a_list() {
        for (value, wanted) in [
            ("return-changed-data", true),
            ("Test=True, Return-Changed-Data", true),
            ("return-changed", false),
        ] {
            assert_eq!(wants_changed(&of("x-mobileme-dav-options", value)), wanted, "{value}");
        }
    }
}
