//! The tables against what stands beside them: names are unique, every row is seen in a transcript, the printed pages are
//! those of the tables, and the server does on each kind of resource what the tables say.
//!
//! `KALENDS_BLESS=1` prints the pages anew.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;
#[allow(dead_code)]
#[path = "canon/transcript.rs"]
mod transcript;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use kalends::boot;
use kalends::caldav::listing;
use kalends::caldav::registry::{ALL_PROPS, FEATURES, METHODS, REPORTS};
use kalends::config::{HeaderName, Settings};
use kalends::dav::Prop;
use kalends::dav::condition::{self, BY_CONSTRAINT};
use kalends::model::{Kind, Kinds};
use kalends::xml::{self, Element, Name, Ns, QName};
use server::{Client, Server};
use transcript::{Body, Transcript};

fn unique<T: Ord + std::fmt::Debug>(of: &str, names: impl Iterator<Item = T>) {
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(!seen.contains(&name), "{of}: {name:?} has two rows");
        seen.insert(name);
    }
    assert!(!seen.is_empty(), "{of}: no rows");
}

#[test]
fn a_name_has_one_row() {
    unique("methods", METHODS.iter().map(|row| row.verb));
    unique("reports", REPORTS.iter().map(|row| row.name.to_string()));
    unique("properties", ALL_PROPS.iter().copied().flatten().map(|row| row.name.to_string()));
    unique("conditions", condition::ALL.iter().map(|row| row.name.to_string()));
    unique("features", FEATURES.iter().map(|row| row.token));
    unique("constraints", BY_CONSTRAINT.iter().map(|(name, _)| *name));
}

#[test]
fn every_row_is_on_something_and_says_where_it_is_defined() {
    let props = ALL_PROPS.iter().copied().flatten();
    let on_something = |row: &&Prop| row.on != Kinds::NONE || row.is_protected(Kind::Home);
    let idle: Vec<String> =
        props.clone().filter(|row| !on_something(row)).map(|row| row.name.to_string()).collect();
    assert!(idle.is_empty(), "neither there nor kept from being made up: {idle:?}");
    assert!(
        METHODS.iter().all(|row| row.on != Kinds::NONE) && REPORTS.iter().all(|row| row.on != Kinds::NONE)
    );
    let defined = props.map(|row| row.rfc).chain(METHODS.iter().map(|row| row.rfc));
    let defined =
        defined.chain(REPORTS.iter().map(|row| row.rfc)).chain(condition::ALL.iter().map(|row| row.rfc));
    assert!(defined.clone().all(|rfc| !rfc.is_empty()), "{:?}", defined.collect::<Vec<_>>());
}

#[tokio::test]
async fn every_constraint_that_is_a_condition_is_one_of_the_schema() {
    let db = support::database().await;
    let text =
        "SELECT relname::text FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid WHERE indisunique";
    let rows = db.pool.rows(&support::sql(text), &[]).await.unwrap();
    let names: Vec<String> = rows.iter().map(|row| row.at(0).unwrap()).collect();
    for (begin, condition) in BY_CONSTRAINT {
        assert!(names.iter().any(|name| name.starts_with(begin)), "{begin} ({})", condition.name);
    }
}

// ---- transcripts ----

/// What all transcripts say.
#[derive(Default)]
struct Heard {
    methods: BTreeSet<String>,
    /// Roots of the bodies of REPORT.
    reports: BTreeSet<QName>,
    /// Everything in a DAV:prop of an answer.
    props: BTreeSet<QName>,
    /// Everything in a DAV:error of an answer.
    conditions: BTreeSet<QName>,
}

impl Heard {
    fn of_all() -> Self {
        let mut heard = Self::default();
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut paths = Vec::new();
        gather(&tests.join("wire"), &mut paths);
        gather(&tests.join("clients"), &mut paths);
        for transcript in paths.iter().filter_map(|path| Transcript::read(path).ok()) {
            for exchange in transcript.exchanges {
                if exchange.method == "REPORT" {
                    heard.reports.extend(xml_of(&exchange.body).map(|root| root.name().clone()));
                }
                heard.methods.insert(exchange.method);
                if let Some(root) = xml_of(&exchange.expected.body) {
                    heard.listen(&root);
                }
            }
        }
        heard
    }

    fn listen(&mut self, element: &Element) {
        let names = element.children().map(|child| child.name().clone());
        if element.is(Name::dav("prop")) {
            self.props.extend(names);
        } else if element.is(Name::dav("error")) {
            self.conditions.extend(names);
        }
        element.children().for_each(|child| self.listen(child));
    }
}

/// The root of a body on paper, where prefixes need no declaration.
fn xml_of(body: &Body) -> Option<Element> {
    let text = match body {
        Body::None => return None,
        Body::Text(text) => text.clone(),
        Body::File(octets) => String::from_utf8_lossy(octets).into_owned(),
    };
    let text = text.trim_start();
    let text = if text.starts_with("<?") { text.split_once("?>")?.1 } else { text };
    let declared = Ns::ALL.map(|ns| format!(" xmlns:{}=\"{}\"", ns.prefix(), ns.uri())).concat();
    // The wrapping is passed over; what cannot be read asks for nothing.
    let wrapped = xml::parse(format!("<paper{declared}>{text}</paper>").as_bytes()).ok()?;
    let alone = xml::parse(wrapped.children().next()?.fragment().as_bytes());
    alone.ok()
}

fn gather(dir: &Path, out: &mut Vec<PathBuf>) {
    for path in fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            gather(&path, out);
        } else if path.extension().is_some_and(|x| x == "txt") {
            out.push(path);
        }
    }
}

#[test]
fn every_row_is_seen_in_a_transcript() {
    let heard = Heard::of_all();
    let is_in = |set: &BTreeSet<QName>, name: Name| set.iter().any(|other| *other == name);
    let mut missing = Vec::new();
    let methods = METHODS.iter().filter(|row| !heard.methods.contains(row.verb));
    missing.extend(methods.map(|row| format!("method {}", row.verb)));
    let reports = REPORTS.iter().filter(|row| !is_in(&heard.reports, row.name));
    missing.extend(reports.map(|row| format!("report {}", row.name)));
    let props = ALL_PROPS.iter().copied().flatten().filter(|row| !is_in(&heard.props, row.name));
    missing.extend(props.map(|row| format!("property {}", row.name)));
    let conditions = condition::ALL.iter().filter(|row| !is_in(&heard.conditions, row.name));
    missing.extend(conditions.map(|row| format!("condition {}", row.name)));
    assert!(
        missing.is_empty(),
        "no transcript in tests/wire or tests/clients has\n  {}\n",
        missing.join("\n  ")
    );
}

// ---- pages ----

fn page(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
    if env::var_os("KALENDS_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(text.lines()).position(|(a, b)| a != b);
    let line = differs.unwrap_or_else(|| there.lines().count().min(text.lines().count())) + 1;
    assert!(there == text, "docs/{file}:{line} is not what the tables say: `make docs` prints it");
}

#[test]
fn the_page_of_compliance_is_that_of_the_tables() {
    page("compliance.md", &listing::print(None));
}

#[test]
fn the_page_of_settings_is_that_of_the_table() {
    page("settings.md", &listing::print(Some("settings")));
}

#[test]
fn the_page_of_the_rest_service_is_that_of_its_tables() {
    page("rest.md", &boot::list(Some("rest")));
}

#[test]
fn every_listing_has_its_rows() {
    assert!(listing::NAMES.iter().all(|name| boot::TABLES.contains(name)));
    for name in boot::TABLES {
        assert!(boot::list(Some(name)).lines().count() > 5, "{name}");
    }
    assert_eq!(listing::print(Some("weather")), "");
}

// ---- what is done ----

/// The number of what is deleted.
const DELETED: i64 = 900_000_001;

/// A resource of each kind, of a user that nobody else is.
fn path(kind: Kind, user: &str) -> String {
    match kind {
        Kind::Root => "/dav/".to_owned(),
        Kind::Principals => "/dav/principals/".to_owned(),
        Kind::Principal => format!("/dav/principals/{user}/"),
        Kind::Homes => "/dav/calendars/".to_owned(),
        Kind::Home => format!("/dav/calendars/{user}/"),
        Kind::Calendar => format!("/dav/calendars/{user}/calendar/"),
        Kind::Inbox => format!("/dav/calendars/{user}/inbox/"),
        Kind::Outbox => format!("/dav/calendars/{user}/outbox/"),
        Kind::Notifications => format!("/dav/calendars/{user}/notifications/"),
        Kind::Object => format!("/dav/calendars/{user}/calendar/a.ics"),
        Kind::FreeBusy => format!("/dav/calendars/{user}/freebusy"),
        Kind::Subscribed => format!("/dav/calendars/{user}/feed/"),
        Kind::Notification => format!("/dav/calendars/{user}/notifications/a.xml"),
        Kind::Group => "/dav/principals/groups/team/".to_owned(),
        Kind::Delegates => format!("/dav/principals/{user}/calendar-proxy-read/"),
        Kind::Trash => format!("/dav/calendars/{user}/trash/"),
        Kind::DeletedObject => format!("/dav/calendars/{user}/trash/{DELETED}.ics"),
        Kind::DeletedCalendar => format!("/dav/calendars/{user}/trash/calendar-{DELETED}"),
    }
}

const SUBSCRIPTION: &str = "<D:mkcol xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:set><D:prop><D:resourcetype><D:collection/>\
    <CS:subscribed/></D:resourcetype><CS:source><D:href>https://x/</D:href></CS:source></D:prop></D:set></D:mkcol>";

fn with_groups(settings: &mut Settings) {
    settings.identity.groups_header = HeaderName::named(settings.identity.groups_header.usual());
}

/// A user who is in the group that there is.
async fn member(server: &Server, user: &str) -> Client {
    server.client(user).await.always("X-Forwarded-Groups", "team")
}

fn tokens(list: &str) -> BTreeSet<&str> {
    list.split(',').map(str::trim).filter(|token| !token.is_empty()).collect()
}

#[tokio::test]
async fn every_kind_allows_what_the_tables_say_and_nothing_else() {
    let others = ["PATCH", "SEARCH", "TRACE", "BREW"];
    let server = Server::start(with_groups).await;
    let mut wrong = Vec::new();
    for kind in Kind::ALL {
        if kind == Kind::Subscribed {
            let made = member(&server, "alice")
                .await
                .ask("MKCOL /dav/calendars/alice/feed/", &[], SUBSCRIPTION)
                .await;
            assert_eq!(made.status, 201, "{}", made.text());
        }
        let options =
            member(&server, "alice").await.ask(&format!("OPTIONS {}", path(kind, "alice")), &[], "").await;
        // What makes something is for where nothing is.
        let rows = METHODS.iter().filter(|row| row.on.has(kind) && row.elsewhere.is_none());
        let allowed = rows.map(|row| row.verb).collect();
        assert_eq!(options.status, 200);
        assert_eq!(tokens(options.header("allow").unwrap_or_default()), allowed, "{kind:?}");
        let features = FEATURES.iter().filter(|row| row.on.has(kind)).map(|row| row.token).collect();
        assert_eq!(tokens(options.header("dav").unwrap_or_default()), features, "{kind:?}");
        for verb in METHODS.iter().map(|row| row.verb).chain(others) {
            let user = format!("{}-{}", kind.name(), verb.to_lowercase());
            let mut client = member(&server, &user).await;
            let body = if verb == "PUT" { server::event("a", "x") } else { String::new() };
            client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
            if kind == Kind::Object {
                client.ask(&format!("PUT {}", path(kind, &user)), &[], server::event("a", "x")).await;
            }
            if kind == Kind::Subscribed {
                client.ask(&format!("MKCOL {}", path(kind, &user)), &[], SUBSCRIPTION).await;
            }
            if kind == Kind::Notification {
                server.notify(&user, "a.xml").await;
            }
            if kind.is_deleted() {
                server.delete(&user, "calendar", DELETED).await;
            }
            let answer = client.ask(&format!("{verb} {}", path(kind, &user)), &[("Depth", "0")], body).await;
            // Where a calendar cannot be, the refusal says so; where one is already, another cannot be made.
            let judged = answer.condition().is_some();
            if answer.status >= 500 || (answer.status == 405 && !judged) == allowed.contains(verb) && !judged
            {
                wrong.push(format!("{verb} on {}: {}", kind.name(), answer.status));
            }
            if answer.status == 405 && answer.header("allow").map(tokens).as_ref() != Some(&allowed) {
                wrong.push(format!("{verb} on {}: 405 with Allow {:?}", kind.name(), answer.header("allow")));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let vacant = server.client("alice").await.ask("OPTIONS /dav/calendars/alice/new/", &[], "").await;
    let all = METHODS.iter().filter(|row| row.on.has(Kind::Calendar)).map(|row| row.verb).collect();
    assert_eq!(tokens(vacant.header("allow").unwrap_or_default()), all);
}

/// What a resource says of its reports is what it does with them.
#[tokio::test]
async fn every_kind_answers_the_reports_it_names() {
    let server = Server::start(with_groups).await;
    let mut client = member(&server, "alice").await;
    client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    client.ask(&format!("PUT {}", path(Kind::Object, "alice")), &[], server::event("a", "x")).await;
    server.notify("alice", "a.xml").await;
    server.delete("alice", "calendar", DELETED).await;
    client.ask("MKCOL /dav/calendars/alice/feed/", &[], SUBSCRIPTION).await;
    for kind in Kinds::ANY.iter() {
        for report in REPORTS {
            let (prefix, uri) = (report.name.ns.prefix(), report.name.ns.uri());
            let body = format!("<{} xmlns:{prefix}=\"{uri}\"/>", report.name);
            let answer = client.ask(&format!("REPORT {}", path(kind, "alice")), &[], body).await;
            let refused = answer.condition().as_deref() == Some("D:supported-report");
            assert_eq!(refused, !report.on.has(kind), "{} on {}", report.name, kind.name());
        }
    }
}
