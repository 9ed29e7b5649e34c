//! The rows of the properties of CalDAV and of what its clients ask for beside it (RFC 4791 §5.2 and §6.2, RFC 6638 §2,
//! caldav-ctag, caldav-notifications).

// Every getter has the signature of the table, whether it can lack an answer or not.
#![allow(clippy::unnecessary_wraps)]

use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    dav::{
        Cx, Prop, Refusal, Target,
        condition::{SUPPORTED_CALENDAR_COMPONENT, VALID_CALENDAR_DATA, VALID_TIMEZONE},
        error::XML,
        prop::{Facts, NOTIFY, Needs},
    },
    front::Status,
    ical::{self, Collation, Zone, recur::RSCALES},
    model::{Component, Components, Kind, Kinds, Privilege},
    store::{Calendar, Home},
    xml::{Element, Name, Writer, parse},
};

use super::{
    form::{Form, VERSION},
    post, quarantine,
};

const CALENDAR: Kinds = Kind::Calendar.only();
const OBJECT: Kinds = Kind::Object.only();
const SUBSCRIBED: Kinds = Kind::Subscribed.only();
const SHOWN: Kinds = CALENDAR.or(SUBSCRIBED);
const NOTIFICATION: Kinds = Kind::Notification.only();
const PRINCIPAL: Kinds = Kind::Principal.only();
const HOME: Kinds = Kind::Home.only();
const HOLDS_OBJECTS: Kinds = CALENDAR.or(Kind::Inbox.only());

const TIMEZONE: Name = Name::cal("calendar-timezone");
const TIMEZONE_ID: Name = Name::cal("calendar-timezone-id");

/// Where a subscription comes from.
pub const SOURCE: Name = Name::cs("source");
/// Octets that such an address may have.
const LONGEST_SOURCE: usize = 2048;

/// The rows.
pub const PROPS: &[Prop] = &[
    // What clients read to find their way.
    Prop::live(Name::cal("calendar-home-set"), PRINCIPAL, home_set, "RFC 4791 §6.2.1"),
    Prop::live(Name::cal("calendar-user-address-set"), PRINCIPAL, addresses, "RFC 6638 §2.4.1"),
    Prop::live(Name::cal("calendar-user-type"), PRINCIPAL, user_type, "RFC 6638 §2.4.2"),
    Prop::live(Name::cal("schedule-inbox-URL"), PRINCIPAL, inbox, "RFC 6638 §2.2.1"),
    Prop::live(Name::cal("schedule-outbox-URL"), PRINCIPAL, outbox, "RFC 6638 §2.1.1"),
    Prop::live(Name::cs("notification-URL"), PRINCIPAL, notifications, "caldav-notifications §4.1"),
    Prop::stored(Name::cs("notificationtype"), NOTIFICATION, "caldav-notifications §4.2.1")
        .protected_on(Kinds::ANY),
    Prop::live(Name::cs("email-address-set"), PRINCIPAL, emails, "calendarserver"),
    Prop::live(Name::cal("timezone-service-set"), HOME, timezone_services, "RFC 7809 §5.1"),
    // What a calendar is.
    Prop::live(Name::cal("supported-calendar-component-set"), HOLDS_OBJECTS, components, "RFC 4791 §5.2.3")
        .check(|value| components_of(value).map(drop))
        .at_creation(),
    Prop::live(Name::cal("supported-calendar-data"), HOLDS_OBJECTS, data_types, "RFC 4791 §5.2.4"),
    Prop::live(Name::cal("supported-collation-set"), HOLDS_OBJECTS, collations, "RFC 4791 §7.5.1"),
    Prop::live(Name::cal("supported-rscale-set"), HOLDS_OBJECTS, rscales, "RFC 7529 §10.1"),
    Prop::live(Name::cal("max-resource-size"), HOLDS_OBJECTS, max_resource_size, "RFC 4791 §5.2.5"),
    Prop::live(Name::cal("max-instances"), HOLDS_OBJECTS, max_instances, "RFC 4791 §5.2.8"),
    Prop::live(Name::cal("max-attendees-per-instance"), HOLDS_OBJECTS, max_attendees, "RFC 4791 §5.2.9"),
    Prop::live(Name::cal("min-date-time"), HOLDS_OBJECTS, min_date_time, "RFC 4791 §5.2.6"),
    Prop::live(Name::cal("max-date-time"), HOLDS_OBJECTS, max_date_time, "RFC 4791 §5.2.7"),
    Prop::live(Name::cs("max-resources"), CALENDAR, max_resources, "calendarserver"),
    Prop::live(Name::cs("max-collections"), HOME, max_collections, "calendarserver"),
    Prop::live(
        Name::cal("supported-calendar-component-sets"),
        HOME,
        nothing,
        "draft-daboo-caldav-extensions §4.1",
    ),
    Prop::live(Name::dav("add-member"), CALENDAR, post::add_member, "RFC 5995 §3.2.1"),
    Prop::live(Name::mm("bulk-requests"), CALENDAR, post::bulk_requests, "calendarserver-bulk-change §5.1"),
    Prop::live(Name::cs("getctag"), Kinds::HOMELY, ctag, "caldav-ctag §4.1").needs(Needs::HOME),
    Prop::live(Name::own("object-count"), CALENDAR, object_count, "decision 44")
        .needs(Needs::COUNT)
        .guarded(Privilege::Read),
    // What people set.
    Prop::stored(Name::cal("calendar-description"), SHOWN, "RFC 4791 §5.2.1").inherited(),
    Prop::stored(TIMEZONE, CALENDAR, "RFC 4791 §5.2.2")
        .or(definition)
        .twin(TIMEZONE_ID)
        .check(timezone)
        .inherited(),
    Prop::stored(TIMEZONE_ID, CALENDAR, "RFC 7809 §5.2")
        .or(defined)
        .twin(TIMEZONE)
        .check(timezone_id)
        .inherited(),
    Prop::stored(Name::cal("schedule-calendar-transp"), CALENDAR, "RFC 6638 §9.1")
        .or(usual_transparency)
        .check(transparency),
    Prop::stored(Name::apple("calendar-color"), SHOWN, "Apple").inherited(),
    Prop::stored(Name::apple("calendar-order"), SHOWN, "Apple").inherited(),
    Prop::stored(NOTIFY, CALENDAR, "caldav-notifications §5.3.4").needs(Needs::OWN).or(untold).check(notify),
    Prop::stored(SOURCE, SHOWN, "calendarserver").check(source).inherited(),
    Prop::stored(Name::apple("refreshrate"), SUBSCRIBED, "Apple").inherited(),
    Prop::stored(Name::cs("subscribed-strip-alarms"), SUBSCRIBED, "calendarserver").inherited(),
    Prop::stored(Name::cs("subscribed-strip-attachments"), SUBSCRIBED, "calendarserver").inherited(),
    Prop::stored(Name::cs("subscribed-strip-todos"), SUBSCRIBED, "calendarserver").inherited(),
    // What scheduling will give, and nobody sets.
    Prop::absent(Name::cal("schedule-tag"), "RFC 6638 §3.2.10"),
    // What an object is.
    Prop::live(
        Name::dav("getcontenttype"),
        OBJECT.or(NOTIFICATION).or(Kind::DeletedObject.only()),
        content_type,
        "RFC 4918 §15.5",
    )
    .needs(Needs::DETAIL)
    .allprop(),
    Prop::data(Name::cal("calendar-data"), "RFC 4791 §9.6"),
    Prop::live(Name::own("unreadable"), OBJECT, unreadable, "decision 21").needs(Needs::BODY),
];

/// What of an address is escaped in a URL: what is no printable ASCII, and what means something else there (RFC 6068 §2).
const ADDRESS: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'<').add(b'>').add(b'"');

fn href(path: &str, w: &mut Writer) {
    w.element(Name::dav("href"), path);
}

fn home_set(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    href(&cx.href(&Target::Home(facts.target.user()?.to_owned())), w);
    Some(())
}

fn addresses(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let who = facts.principal.as_ref()?;
    if let Some(email) = &who.email {
        href(&format!("mailto:{}", utf8_percent_encode(email, ADDRESS)), w);
    }
    href(&cx.href(&Target::Principal(who.name.clone())), w);
    Some(())
}

fn user_type(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.text("INDIVIDUAL");
    Some(())
}

fn in_home(facts: &Facts, cx: &Cx, name: &str, w: &mut Writer) -> Option<()> {
    href(&cx.href(&Target::Collection(facts.target.user()?.to_owned(), name.to_owned())), w);
    Some(())
}

fn inbox(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    in_home(facts, cx, "inbox", w)
}

fn outbox(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    in_home(facts, cx, "outbox", w)
}

fn notifications(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    in_home(facts, cx, "notifications", w)
}

fn emails(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.element(Name::cs("email-address"), facts.principal.as_ref()?.email.as_deref()?);
    Some(())
}

fn timezone_services(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let services = &cx.settings.calendar.timezone_services;
    for page in services {
        href(page.as_str(), w);
    }
    (!services.is_empty()).then_some(())
}

/// What was stored under that name, read.
fn stored(facts: &Facts, name: Name) -> Option<Element> {
    let property = facts.stored.iter().find(|property| property.name == name)?;
    parse(property.value.as_bytes()).ok()
}

/// C:calendar-timezone, where the calendar's zone was set by its name (RFC 7809 §3.1.5).
fn definition(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.lines(&crate::ical::definition(stored(facts, TIMEZONE_ID)?.text().trim())?);
    Some(())
}

/// C:calendar-timezone-id, where the calendar's zone was set by its definition.
fn defined(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.text(&zone_of(&stored(facts, TIMEZONE)?).ok()?);
    Some(())
}

fn components(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    for component in facts.calendar.as_ref()?.components.iter() {
        w.empty_with(Name::cal("comp"), &[("name", component.name())]);
    }
    Some(())
}

fn data_types(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    for form in Form::all() {
        let attributes = [("content-type", form.media()), ("version", VERSION)];
        w.empty_with(Name::cal("calendar-data"), &attributes);
    }
    Some(())
}

fn collations(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    for collation in Collation::ALL {
        w.element(Name::cal("supported-collation"), collation.name());
    }
    Some(())
}

fn number(number: usize, w: &mut Writer) -> Option<()> {
    w.text(&number.to_string());
    Some(())
}

fn rscales(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    for name in RSCALES {
        w.element(Name::cal("supported-rscale"), name);
    }
    Some(())
}

fn max_resource_size(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    number(cx.settings.calendar.max_resource_size.0, w)
}

fn max_instances(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    number(cx.settings.calendar.max_instances as usize, w)
}

fn max_attendees(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    number(cx.settings.calendar.max_attendees as usize, w)
}

fn min_date_time(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    w.text(&cx.settings.calendar.min_date_time?.stamp());
    Some(())
}

fn max_date_time(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    w.text(&cx.settings.calendar.max_date_time?.stamp());
    Some(())
}

fn max_resources(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let most = cx.settings.calendar.max_resources;
    if most > 0 { number(most as usize, w) } else { None }
}

fn max_collections(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    number(cx.settings.calendar.max_collections as usize, w)
}

/// Of kinds of components every combination is taken: there is no restriction to tell.
fn nothing(_: &Facts, _: &Cx, _: &mut Writer) -> Option<()> {
    Some(())
}

fn ctag(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let calendar = facts.calendar.as_ref().map(Calendar::tag);
    w.text(&calendar.or_else(|| facts.home.as_deref().map(Home::tag))?);
    Some(())
}

/// How many objects in it the viewer sees.
fn object_count(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.text(&facts.count?.to_string());
    Some(())
}

/// What is somebody else's makes nobody busy until they say so (caldav-sharing §5.5.5).
fn usual_transparency(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.empty(Name::cal(if facts.bound.is_some() { "transparent" } else { "opaque" }));
    Some(())
}

fn content_type(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    if facts.kind() == Kind::Notification {
        w.text(XML);
        return Some(());
    }
    let component = facts.object.as_ref()?.component.iter().next()?;
    w.text("text/calendar; charset=utf-8; component=");
    w.text(&component.name().to_ascii_lowercase());
    Some(())
}

/// Why what is stored cannot be read any more.
fn unreadable(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let object = facts.object.as_ref().filter(|object| object.body.is_some())?;
    w.text(&quarantine::read(object).err()?.to_string());
    Some(())
}

/// The kinds that a C:supported-calendar-component-set names.
pub fn components_of(value: &Element) -> Result<Components, Refusal> {
    let mut components = Components::default();
    for comp in value.all(Name::cal("comp")) {
        let name = comp.attribute("name").unwrap_or_default();
        let known = Component::named(name);
        let refused =
            || SUPPORTED_CALENDAR_COMPONENT.because(format!("{name} is no component that is kept here"));
        components = components.with(known.ok_or_else(refused)?);
    }
    if components.is_empty() {
        return Err(SUPPORTED_CALENDAR_COMPONENT.because("the set names no component"));
    }
    Ok(components)
}

fn timezone(value: &Element) -> Result<(), Refusal> {
    zone_of(value).map(drop).map_err(|fault| VALID_CALENDAR_DATA.because(fault.to_string()))
}

/// The TZID of a C:calendar-timezone: one VCALENDAR with one VTIMEZONE (RFC 4791 §5.2.2).
fn zone_of(value: &Element) -> Result<String, crate::ical::Invalid> {
    let octets = Bytes::copy_from_slice(value.text().trim().as_bytes());
    Ok(Zone::of(&ical::Calendar::parse(octets)?)?.0)
}

fn timezone_id(value: &Element) -> Result<(), Refusal> {
    match Zone::named(value.text().trim()) {
        Some(_) => Ok(()),
        None => Err(VALID_TIMEZONE.because("no time zone of that name is known")),
    }
}

fn transparency(value: &Element) -> Result<(), Refusal> {
    let one = |local| value.child(Name::cal(local)).is_some();
    if one("opaque") || one("transparent") {
        return Ok(());
    }
    Err(Refusal::plain(Status::CONFLICT, "C:schedule-calendar-transp holds C:opaque or C:transparent"))
}

/// Who does not say so is not told.
fn untold(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.empty(Name::cs("false"));
    Some(())
}

fn notify(value: &Element) -> Result<(), Refusal> {
    let one = |local| value.child(Name::cs(local)).is_some();
    if one("true") != one("false") {
        return Ok(());
    }
    Err(Refusal::plain(Status::CONFLICT, "CS:notify-changes holds CS:true or CS:false"))
}

/// An address from which a client can fetch a calendar. The server never does.
fn source(value: &Element) -> Result<(), Refusal> {
    let address = value.child(Name::dav("href")).map_or("", |href| href.text().trim());
    let (scheme, rest) = address.split_once("://").unwrap_or_default();
    let known = ["http", "https", "webcal", "webcals"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let plain = address.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&b));
    if known && plain && !host.is_empty() && address.len() <= LONGEST_SOURCE {
        return Ok(());
    }
    let why = format!(
        "CS:source holds the http, https or webcal address of a calendar, of {LONGEST_SOURCE} octets at most"
    );
    Err(Refusal::plain(Status::CONFLICT, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_an_address_that_clients_can_fetch() {
        let judged = |address: &str| {
            let mut w = Writer::new(SOURCE);
            w.element(Name::dav("href"), address);
            source(&parse(&w.finish()).unwrap()).is_ok()
        };
        let long = |octets: usize| format!("https://x/{}", "a".repeat(octets - "https://x/".len()));
        for good in
            ["https://x", "HTTP://x.org:80/a?b=c&d#e", " webcal://x/a.ics\n", "webcals://[::1]/", &long(2048)]
        {
            assert!(judged(good), "{good}");
        }
        for bad in [
            "",
            "x",
            "https://",
            "https:///a",
            "ftp://x/a",
            "file:///etc/passwd",
            "javascript://x/%0aalert(1)",
            "//x/a",
            "https://x/a b",
            "https://x/\u{e9}",
            "https://x/<",
            &long(2049),
        ] {
            assert!(!judged(bad), "{bad}");
        }
        assert!(
            source(&parse(b"<source xmlns='http://calendarserver.org/ns/'>https://x</source>").unwrap())
                .is_err()
        );
    }
}
