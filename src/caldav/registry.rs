//! THE TABLES: methods, reports, properties and features, the server on one page.

use std::sync::Arc;

use crate::{
    dav::{
        self, Cx, Error, Feature, Given, Method, Prop, Report, Result, Run, Tables, Takes, acl, acl_props,
        condition::{CALENDAR_COLLECTION_LOCATION_OK, SUPPORTED_CALENDAR_DATA},
        lock, options, propfind, proppatch, props,
        reports::{self as webdav, audit, expand_property, principals, search, sync_collection},
        sharing, unlock,
    },
    front::{Response, Status},
    model::{Kind, Kinds},
    xml::{Element, Name},
};

use super::{
    get, mkcalendar, post,
    props::PROPS,
    put,
    reports::{
        data, freebusy,
        history::{self, HISTORY},
        multiget, query,
    },
    seen, told, transfer, trash,
};

const CALENDAR: Kinds = Kind::Calendar.only();
const OBJECT: Kinds = Kind::Object.only();
const HOME_AND_CALENDAR: Kinds = CALENDAR.or(Kind::Home.only());
const MADE: Kinds = CALENDAR.or(OBJECT);
/// What has a name that people gave it.
const NAMED: Kinds = MADE.or(Kind::Subscribed.only());
const FREE_BUSY: Kinds = Kind::FreeBusy.only();
/// What a DELETE takes away.
const GOING: Kinds = NAMED.or(Kind::Notification.only()).or(Kinds::DELETED);
/// What a MOVE takes elsewhere.
const MOVING: Kinds = NAMED.or(Kinds::DELETED);
const READ: Kinds = MADE.or(Kind::Notification.only()).or(Kind::DeletedObject.only()).or(FREE_BUSY);
const WITH_OBJECTS: Kinds = MADE.or(Kind::Inbox.only());
/// What is done to the rights of others is done there.
const AUDITED: Kinds = CALENDAR.or(Kind::Principal.only()).or(Kind::Principals.only());
const OWNED: Kinds = Kinds::HOMELY.or(OBJECT).or(Kind::Principal.only()).or(Kind::Delegates.only());

/// The methods.
pub const METHODS: &[Method] = &[
    row(
        "OPTIONS",
        Kinds::ANY.or(FREE_BUSY),
        Takes::Nothing,
        |c, g| Box::pin(options::run(c, g)),
        "RFC 9110 §9.3.7",
    ),
    row("GET", READ, Takes::Nothing, |c, g| Box::pin(get::run(c, g)), "RFC 9110 §9.3.1"),
    row("HEAD", READ, Takes::Nothing, |c, g| Box::pin(get::run(c, g)), "RFC 9110 §9.3.2"),
    row("PUT", OBJECT, Takes::Content, |c, g| Box::pin(put::run(c, g)), "RFC 4791 §5.3.2"),
    row("POST", HOME_AND_CALENDAR, Takes::Batch, |c, g| Box::pin(post::run(c, g)), "RFC 5995 §3.1"),
    row("DELETE", GOING, Takes::Nothing, |c, g| Box::pin(told::delete(c, g)), "RFC 4918 §9.6"),
    row("COPY", NAMED, Takes::Nothing, |c, g| Box::pin(transfer::copy(c, g)), "RFC 4918 §9.8"),
    row("MOVE", MOVING, Takes::Nothing, |c, g| Box::pin(transfer::relocate(c, g)), "RFC 4918 §9.9"),
    row("PROPFIND", Kinds::ANY, Takes::Xml, |c, g| Box::pin(propfind::run(c, g)), "RFC 4918 §9.1"),
    row("PROPPATCH", OWNED, Takes::Xml, |c, g| Box::pin(proppatch::run(c, g)), "RFC 4918 §9.2"),
    placed(row(
        "MKCALENDAR",
        CALENDAR,
        Takes::Xml,
        |c, g| Box::pin(mkcalendar::mkcalendar(c, g)),
        "RFC 4791 §5.3.1",
    )),
    placed(row("MKCOL", CALENDAR, Takes::Xml, |c, g| Box::pin(mkcalendar::mkcol(c, g)), "RFC 5689 §3")),
    row("ACL", CALENDAR.or(Kind::Home.only()), Takes::Xml, |c, g| Box::pin(acl::run(c, g)), "RFC 3744 §8.1"),
    row("REPORT", Kinds::ANY, Takes::Xml, |c, g| Box::pin(webdav::run(c, g)), "RFC 3253 §3.6"),
    row("LOCK", NAMED, Takes::Xml, |c, g| Box::pin(lock::run(c, g)), "RFC 4918 §9.10"),
    row("UNLOCK", NAMED, Takes::Nothing, |c, g| Box::pin(unlock::run(c, g)), "RFC 4918 §9.11"),
];

const fn row(
    verb: &'static str,
    on: Kinds,
    body: Takes,
    run: fn(Arc<Cx>, Given) -> Run,
    rfc: &'static str,
) -> Method {
    Method { verb, on, body, elsewhere: None, run, rfc }
}

/// A method that makes calendars, which lie directly in a home.
const fn placed(method: Method) -> Method {
    Method { elsewhere: Some(CALENDAR_COLLECTION_LOCATION_OK), ..method }
}

const fn report(name: Name, on: Kinds, run: fn(Arc<Cx>, Element) -> Run, rfc: &'static str) -> Report {
    Report { name, on, run, rfc }
}

/// The reports.
pub const REPORTS: &[Report] = &[
    report(
        Name::cal("calendar-multiget"),
        WITH_OBJECTS,
        |c, e| Box::pin(multiget::run(c, e)),
        "RFC 4791 §7.9",
    ),
    report(Name::cal("calendar-query"), WITH_OBJECTS, |c, e| Box::pin(query::run(c, e)), "RFC 4791 §7.8"),
    report(Name::cal("free-busy-query"), CALENDAR, |c, e| Box::pin(freebusy::run(c, e)), "RFC 4791 §7.10"),
    report(Name::dav("sync-collection"), Kinds::HOMELY, |c, e| Box::pin(sync(c, e)), "RFC 6578 §3"),
    report(
        Name::dav("expand-property"),
        Kinds::ANY,
        |c, e| Box::pin(expand_property::run(c, e)),
        "RFC 3253 §3.8",
    ),
    report(
        Name::dav("acl-principal-prop-set"),
        Kinds::ANY,
        |c, e| Box::pin(principals::acl_principal_prop_set(c, e)),
        "RFC 3744 §9.2",
    ),
    report(
        Name::dav("principal-match"),
        Kinds::ANY,
        |c, e| Box::pin(principals::principal_match(c, e)),
        "RFC 3744 §9.3",
    ),
    report(
        Name::dav("principal-property-search"),
        Kinds::ANY,
        |c, e| Box::pin(search::property_search(c, e)),
        "RFC 3744 §9.4",
    ),
    report(
        Name::dav("principal-search-property-set"),
        Kinds::ANY,
        |c, e| Box::pin(search::search_property_set(c, e)),
        "RFC 3744 §9.5",
    ),
    report(
        Name::cs("calendarserver-principal-search"),
        Kinds::ANY,
        |c, e| Box::pin(search::calendarserver(c, e)),
        "calendarserver",
    ),
    report(HISTORY, HOME_AND_CALENDAR, |c, e| Box::pin(history::run(c, e)), "decision 41"),
    report(audit::AUDIT, AUDITED, |c, e| Box::pin(audit::run(c, e)), "decision 41"),
];

async fn sync(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let of_home = cx.located.target.kind() == Kind::Home;
    // Parts of objects are cut in the zone of their calendar, which a whole home has none of.
    let in_parts = |error| match error {
        Error::Refused(refusal) if refusal.status == Status::NOT_FOUND && of_home => {
            SUPPORTED_CALENDAR_DATA.because("of a whole home only whole objects are given").into()
        }
        other => other,
    };
    let render = data::rendering(&cx, &root, None).await.map_err(in_parts)?;
    sync_collection::run(cx, root, render).await
}

/// The tokens of the DAV header.
pub const FEATURES: &[Feature] = &[
    Feature { token: "1", on: Kinds::ANY, rfc: "RFC 4918 §18.1" },
    Feature { token: "2", on: NAMED, rfc: "RFC 4918 §18.2" },
    Feature { token: "3", on: Kinds::ANY, rfc: "RFC 4918 §18.3" },
    Feature { token: "access-control", on: Kinds::ANY, rfc: "RFC 3744 §7.2" },
    Feature { token: "extended-mkcol", on: Kinds::ANY, rfc: "RFC 5689 §3.1" },
    Feature { token: "server-info", on: Kinds::ANY, rfc: "draft-douglass-server-info" },
    Feature { token: "calendarserver-principal-property-search", on: Kinds::ANY, rfc: "calendarserver" },
    Feature { token: "calendarserver-principal-search", on: Kinds::ANY, rfc: "calendarserver" },
    Feature { token: "calendar-proxy", on: Kinds::ANY, rfc: "caldav-proxy §5.1" },
    Feature { token: "calendar-access", on: Kinds::ANY, rfc: "RFC 4791 §5.1" },
    Feature { token: "calendar-no-timezone", on: HOME_AND_CALENDAR, rfc: "RFC 7809 §3.1.1" },
    Feature { token: "calendar-query-extended", on: Kinds::ANY, rfc: "draft-daboo-caldav-extensions §3" },
    Feature { token: "calendarserver-sharing", on: HOME_AND_CALENDAR, rfc: "caldav-sharing §5.1" },
    Feature { token: "calendarserver-group-sharee", on: HOME_AND_CALENDAR, rfc: "calendarserver" },
    Feature { token: "resource-sharing", on: HOME_AND_CALENDAR, rfc: "draft-pot-webdav-resource-sharing" },
    Feature {
        token: "calendarserver-private-events",
        on: Kind::Home.only().or(WITH_OBJECTS),
        rfc: "caldav-privateevents §4.2.1",
    },
    Feature { token: "calendarserver-home-sync", on: Kind::Home.only(), rfc: "calendarserver" },
];

/// The properties, room by room.
pub const ALL_PROPS: &[&[Prop]] =
    &[props::PROPS, acl_props::PROPS, sharing::props::PROPS, dav::trash::PROPS, dav::chosen::PROPS, PROPS];

/// All tables.
pub static TABLES: Tables = Tables {
    methods: METHODS,
    reports: REPORTS,
    props: ALL_PROPS,
    features: FEATURES,
    seen: seen::seen,
    title: trash::title,
};
