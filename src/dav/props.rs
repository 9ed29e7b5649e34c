//! The rows of the properties that WebDAV defines (RFC 4918 §15, RFC 3253 §3.1, RFC 6578).

// Every getter has the signature of the table, whether it can lack an answer or not.
#![allow(clippy::unnecessary_wraps)]

use std::time::SystemTime;

use jiff::Timestamp;

use crate::{
    model::{Kind, Kinds, Privilege},
    xml::{Name, Writer},
};

use super::{
    Cx, Target,
    header::http_date,
    locks,
    prop::{Facts, Needs, Prop, Source},
    sharing, trash,
};

const PRINCIPAL: Kinds = Kind::Principal.only();
const OBJECT: Kinds = Kind::Object.only();
/// What lies in a collection, one row each.
const MEMBER: Kinds = OBJECT.or(Kind::Notification.only());
const DELETED_OBJECT: Kinds = Kind::DeletedObject.only();
const TRASHED: Kinds = Kind::Trash.only().or(Kinds::DELETED);
/// What GET gives.
const TAGGED: Kinds = MEMBER.or(Kind::Calendar.only()).or(DELETED_OBJECT);
const LOCKABLE: Kinds = Kind::Calendar.only().or(Kind::Subscribed.only()).or(OBJECT);
const PRINCIPALS: Kinds = PRINCIPAL.or(Kind::Group.only()).or(Kind::Delegates.only());
const NAMED: Kinds = Kinds::HOMELY.or(OBJECT).or(PRINCIPALS).or(TRASHED);

/// The rows.
pub const PROPS: &[Prop] = &[
    Prop::live(Name::dav("resourcetype"), Kinds::ANY, resourcetype, "RFC 4918 §15.9").at_creation().allprop(),
    Prop::stored(Name::dav("displayname"), NAMED, "RFC 4918 §15.2")
        .or(own_name)
        .protected_on(PRINCIPALS.or(TRASHED))
        .inherited()
        .allprop(),
    Prop::live(Name::dav("creationdate"), Kinds::IN_HOME.or(MEMBER), creationdate, "RFC 4918 §15.1")
        .needs(Needs::DETAIL)
        .allprop(),
    Prop::live(
        Name::dav("getlastmodified"),
        Kinds::IN_HOME.or(MEMBER).or(Kinds::DELETED),
        modified,
        "RFC 4918 §15.7",
    )
    .needs(Needs::DETAIL)
    .allprop(),
    Prop::live(Name::dav("getetag"), TAGGED, etag, "RFC 4918 §15.6").allprop(),
    Prop::live(Name::dav("getcontentlength"), MEMBER.or(Kinds::DELETED), length, "RFC 4918 §15.4")
        .needs(Needs::DETAIL)
        .allprop(),
    Prop::live(Name::dav("supported-report-set"), Kinds::ANY, reports, "RFC 3253 §3.1.5"),
    Prop::live(Name::dav("sync-token"), Kinds::HOMELY, sync_token, "RFC 6578 §4").needs(Needs::HOME),
    Prop::live(Name::dav("lockdiscovery"), LOCKABLE, locks::discovery, "RFC 4918 §15.8")
        .needs(Needs::LOCKS)
        .allprop(),
    Prop::live(Name::dav("supportedlock"), LOCKABLE, locks::supported, "RFC 4918 §15.10").allprop(),
    Prop::live(Name::dav("quota-available-bytes"), Kinds::HOMELY, available, "RFC 4331 §3")
        .needs(Needs::QUOTA),
    Prop::live(Name::dav("quota-used-bytes"), Kinds::HOMELY, used, "RFC 4331 §4").needs(Needs::QUOTA),
    Prop::live(Name::dav("resource-id"), Kinds::HOMELY.or(PRINCIPAL), resource_id, "RFC 5842 §3.1")
        .needs(Needs::HOME),
    Prop::live(Name::dav("supported-method-set"), Kinds::ANY, methods, "RFC 3253 §3.1.3"),
    Prop::live(Name::dav("supported-live-property-set"), Kinds::ANY, live_properties, "RFC 3253 §3.1.4"),
];

fn resourcetype(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let kind = facts.kind();
    if kind.is_collection() {
        w.empty(Name::dav("collection"));
    }
    match kind {
        Kind::Principal | Kind::Group => w.empty(Name::dav("principal")),
        Kind::Delegates => {
            w.empty(Name::dav("principal"));
            if let Target::Delegates(_, rank) = &facts.target {
                w.empty(Name::cs(rank.name()));
            }
        }
        Kind::Calendar => {
            w.empty(Name::cal("calendar"));
            sharing::props::write_kind(facts, w);
        }
        Kind::Subscribed => w.empty(Name::cs("subscribed")),
        Kind::Inbox => w.empty(Name::cal("schedule-inbox")),
        Kind::Outbox => w.empty(Name::cal("schedule-outbox")),
        // The one name is that of caldav-sharing §4, which clients look for, the other that of caldav-notifications §4.
        Kind::Notifications => {
            w.empty(Name::cs("notification"));
            w.empty(Name::cs("notifications"));
        }
        Kind::Root
        | Kind::Principals
        | Kind::Homes
        | Kind::Home
        | Kind::Object
        | Kind::FreeBusy
        | Kind::Notification
        | Kind::DeletedObject
        | Kind::DeletedCalendar => {}
        Kind::Trash => w.empty(Name::own("trash")),
    }
    // caldav-sharing §5.2.1: it is somebody else's.
    if kind == Kind::Calendar && facts.bound.is_some() {
        w.empty(Name::cs("shared"));
    }
    Some(())
}

/// What something is called that nobody has named.
fn own_name(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    match &facts.target {
        _ if facts.kind().is_trash() => {
            w.text(&trash::label(facts, cx));
            return Some(());
        }
        Target::Group(name) => {
            w.text(name);
            return Some(());
        }
        Target::Delegates(user, rank) => {
            w.text(&format!("{user} {}", rank.name()));
            return Some(());
        }
        _ => {}
    }
    let who = facts.principal.as_ref()?;
    w.text(who.display_name.as_deref().unwrap_or(&who.name));
    Some(())
}

fn creationdate(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let object = facts.object.as_ref().map(|o| o.created);
    let time = object.or(facts.calendar.as_ref().map(|c| c.created))?;
    w.text(&second(time)?);
    Some(())
}

/// A time as DAV:creationdate has it.
pub(super) fn second(time: SystemTime) -> Option<String> {
    Some(Timestamp::try_from(time).ok()?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn modified(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let object = facts.object.as_ref().map(|o| o.modified);
    let gone = facts.trashed.as_ref().map(|trashed| trashed.at);
    let time = object.or(facts.calendar.as_ref().map(|c| c.modified)).or(gone)?;
    w.text(&http_date(time)?);
    Some(())
}

fn etag(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    match (&facts.object, &facts.calendar) {
        (Some(object), _) => {
            w.text("\"");
            w.text(&object.etag);
        }
        // In which order a calendar gives its objects is nobody's promise.
        (None, Some(calendar)) => {
            w.text("W/\"");
            w.text(&calendar.tag());
        }
        // A name that only a lock reserves has none.
        (None, None) => return None,
    }
    w.text("\"");
    Some(())
}

fn length(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let object = facts.object.as_ref().map(|object| object.size.into());
    w.text(
        &object
            .or(facts.trashed.as_ref().filter(|trashed| trashed.counted).map(|trashed| trashed.octets))?
            .to_string(),
    );
    Some(())
}

fn reports(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    for report in cx.tables.reports.iter().filter(|r| r.on.has(facts.kind())) {
        w.inside(Name::dav("supported-report"), |w| w.inside(Name::dav("report"), |w| w.empty(report.name)));
    }
    Some(())
}

fn sync_token(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let calendar = facts.calendar.as_ref().map(|calendar| calendar.state.to_string());
    let home = || facts.home.as_ref().map(|home| home.token(cx.outline).to_string());
    w.text(&calendar.or_else(home)?);
    Some(())
}

/// What is left of the home's quota, wherever in it one asks; none where there is no quota.
fn available(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let quota =
        i64::try_from(*cx.settings.calendar.quota).ok().filter(|quota| *quota > 0 && counts(facts, cx))?;
    w.text(&(quota - facts.home.as_ref()?.octets()).max(0).to_string());
    Some(())
}

/// Whether the viewer may know what all that is there takes: what is private counts as well.
fn counts(facts: &Facts, cx: &Cx) -> bool {
    let home = facts.calendar.as_ref().map(|calendar| calendar.home_id);
    let home = home.or(facts.principal.as_ref().map(|owner| owner.id));
    let owns = home.is_some_and(|home| cx.viewer.owns(home));
    owns || facts.rights.has(Privilege::ReadPrivate) || !cx.settings.privacy.objects
}

/// What the objects in the collection, or in the whole home, take of it.
fn used(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let facts = Some(facts).filter(|facts| counts(facts, cx))?;
    let calendar = facts.calendar.as_ref().map(|calendar| calendar.octets);
    let home = || facts.home.as_ref().map(|home| home.octets());
    w.text(&calendar.or_else(home)?.to_string());
    Some(())
}

fn resource_id(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let calendar = facts.calendar.as_ref().map(|calendar| calendar.state.key);
    let key = calendar.or(facts.home.as_ref().map(|home| home.state.key)).or(facts.key)?;
    w.element(Name::dav("href"), &key.urn().to_string());
    Some(())
}

fn methods(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    for method in cx.tables.methods.iter().filter(|m| m.on.has(facts.kind()) && m.elsewhere.is_none()) {
        w.empty_with(Name::dav("supported-method"), &[("name", method.verb)]);
    }
    Some(())
}

fn live_properties(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let data = |prop: &&Prop| !matches!(prop.source, Source::Data);
    for prop in cx.tables.props.iter().copied().flatten().filter(|p| p.on.has(facts.kind())).filter(data) {
        w.inside(Name::dav("supported-live-property"), |w| {
            w.inside(Name::dav("prop"), |w| w.empty(prop.name));
        });
    }
    Some(())
}
