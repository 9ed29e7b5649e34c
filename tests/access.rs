//! Rights, walked through: every method and report of the tables, on every kind of resource, by somebody who was granted one
//! privilege, against a small oracle that knows nothing of the server. A row that the oracle does not know is a failure.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeSet;

use kalends::caldav::registry::{METHODS, REPORTS};
use kalends::config::{Audience, HeaderName, Settings};
use kalends::model::Kind;
use kalends::xml::{Element, Name};
use server::{Answer, Client, Server};

/// The privileges that can be granted, and what each is made of (RFC 3744 §3, RFC 4791 §6.1.1).
const TREE: &[(&str, &[&str])] = &[
    (
        "D:all",
        &[
            "D:read",
            "C:read-free-busy",
            "D:write",
            "D:write-properties",
            "D:write-content",
            "D:bind",
            "D:unbind",
            "D:unlock",
            "D:read-acl",
            "D:write-acl",
            "K:read-private",
        ],
    ),
    ("D:read", &["C:read-free-busy"]),
    ("C:read-free-busy", &[]),
    ("D:write", &["D:write-properties", "D:write-content", "D:bind", "D:unbind"]),
    ("D:write-properties", &[]),
    ("D:write-content", &[]),
    ("D:bind", &[]),
    ("D:unbind", &[]),
    ("D:unlock", &[]),
    ("D:read-acl", &[]),
    ("D:write-acl", &[]),
    ("K:read-private", &[]),
];

/// What the owner, and so anybody, may do at most with the collections that the server fills.
const TENDED: &[&str] = &["D:read", "C:read-free-busy", "D:write-properties", "D:unbind", "D:read-acl"];

/// The same with a subscription, in which nothing lies.
const MARKED: &[&str] =
    &["D:read", "C:read-free-busy", "D:write-properties", "D:write-content", "D:unlock", "D:read-acl"];

/// What everybody may do with what is nobody's.
const LOOK: &[&str] = &["D:read", "C:read-free-busy"];

/// Where a privilege was granted to bob.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Nowhere,
    Home,
    Calendar,
}

/// The resource on which a privilege is needed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum On {
    Itself,
    /// What an object or a calendar is a member of.
    Parent,
    /// The calendar, or the home, that it comes into.
    There,
}

/// A resource of alice's.
#[derive(Clone, Copy, Debug)]
struct Place {
    kind: Kind,
    path: &'static str,
    there: bool,
}

const PLACES: &[Place] = &[
    place(Kind::Root, "/dav/"),
    place(Kind::Principals, "/dav/principals/"),
    place(Kind::Principal, "/dav/principals/alice/"),
    place(Kind::Group, "/dav/principals/groups/team/"),
    place(Kind::Delegates, "/dav/principals/alice/calendar-proxy-read/"),
    place(Kind::Homes, "/dav/calendars/"),
    place(Kind::Home, "/dav/calendars/alice/"),
    place(Kind::Calendar, "/dav/calendars/alice/work/"),
    place(Kind::Inbox, "/dav/calendars/alice/inbox/"),
    place(Kind::Outbox, "/dav/calendars/alice/outbox/"),
    place(Kind::Notifications, "/dav/calendars/alice/notifications/"),
    place(Kind::Subscribed, "/dav/calendars/alice/feed/"),
    place(Kind::Notification, "/dav/calendars/alice/notifications/a.xml"),
    place(Kind::Trash, "/dav/calendars/alice/trash/"),
    place(Kind::DeletedObject, "/dav/calendars/alice/trash/900000001.ics"),
    place(Kind::DeletedCalendar, "/dav/calendars/alice/trash/calendar-900000001"),
    place(Kind::Object, "/dav/calendars/alice/work/a.ics"),
    Place { kind: Kind::Object, path: "/dav/calendars/alice/work/new.ics", there: false },
    // Alice's calendar as bob sees it in his home.
    place(Kind::Calendar, "/dav/calendars/bob/work/"),
    place(Kind::Object, "/dav/calendars/bob/work/a.ics"),
    Place { kind: Kind::Object, path: "/dav/calendars/bob/work/new.ics", there: false },
];

const LOCKINFO: &str = "<D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
    <D:locktype><D:write/></D:locktype></D:lockinfo>";

const SUBSCRIPTION: &str = "<D:mkcol xmlns:D=\"DAV:\" xmlns:CS=\"http://calendarserver.org/ns/\"><D:set><D:prop><D:resourcetype><D:collection/>\
    <CS:subscribed/></D:resourcetype><CS:source><D:href>https://x/</D:href></CS:source></D:prop></D:set></D:mkcol>";

impl Place {
    /// Whether it is seen in bob's home.
    fn is_seen(&self) -> bool {
        self.path.starts_with("/dav/calendars/bob/")
    }

    /// Its path in the home that it is kept in.
    fn kept(&self) -> String {
        self.path.replace("/calendars/bob/", "/calendars/alice/")
    }
}

const fn place(kind: Kind, path: &'static str) -> Place {
    Place { kind, path, there: true }
}

/// THE ORACLE: what a method needs (RFC 3744 Appendix B, RFC 4791 Appendix A); nothing is needed for what is `None`.
fn needed(verb: &str, place: Place) -> Vec<(On, &'static str)> {
    let one = match verb {
        "OPTIONS" => return Vec::new(),
        // Where it goes to is bob's own calendar, or for a calendar the home that it is in.
        "COPY" if matches!(place.kind, Kind::Calendar | Kind::Subscribed) => {
            return vec![(On::Itself, "D:read"), (On::Parent, "D:bind")];
        }
        "MOVE" if matches!(place.kind, Kind::Calendar | Kind::Subscribed) => {
            return vec![(On::Parent, "D:unbind"), (On::Parent, "D:bind")];
        }
        "MOVE" if place.kind.is_deleted() => {
            return vec![(On::Parent, "D:unbind"), (On::Itself, "D:read"), (On::There, "D:bind")];
        }
        "MOVE" => return vec![(On::Parent, "D:unbind"), (On::Itself, "D:read")],
        "GET" | "HEAD" | "PROPFIND" | "COPY" => (On::Itself, "D:read"),
        "PUT" if place.there => (On::Itself, "D:write-content"),
        "DELETE" => (On::Parent, "D:unbind"),
        "PROPPATCH" => (On::Itself, "D:write-properties"),
        "PUT" | "MKCALENDAR" | "MKCOL" => (On::Parent, "D:bind"),
        "POST" => (On::Itself, "D:bind"),
        "ACL" => (On::Itself, "D:write-acl"),
        "LOCK" => (On::Itself, "D:write-content"),
        "UNLOCK" => (On::Itself, "D:unlock"),
        unknown => panic!("the oracle does not know the method {unknown}: say what it needs"),
    };
    vec![one]
}

/// The same of a report.
fn needed_to_report(report: &str, kind: Kind) -> (On, &'static str) {
    let privilege = match report {
        "C:calendar-multiget"
        | "C:calendar-query"
        | "D:sync-collection"
        | "D:expand-property"
        | "D:principal-match"
        | "D:principal-property-search"
        | "D:principal-search-property-set"
        | "CS:calendarserver-principal-search" => "D:read",
        "C:free-busy-query" => "C:read-free-busy",
        "K:history" => "D:all",
        "K:audit" if kind == Kind::Calendar => "D:all",
        // Of people only those hear of the second who know all, which nobody can grant.
        "D:acl-principal-prop-set" | "K:audit" => "D:read-acl",
        unknown => panic!("the oracle does not know the report {unknown}: say what it needs"),
    };
    (On::Itself, privilege)
}

/// What bob holds on a resource, all that aggregates hold included.
fn held(level: Level, granted: &str, kind: Kind) -> BTreeSet<&'static str> {
    let (own, parts) = TREE.iter().find(|(name, _)| *name == granted).unwrap();
    let all: BTreeSet<&str> = parts.iter().chain([own]).copied().collect();
    let reaches = match kind {
        Kind::Root | Kind::Principals | Kind::Principal | Kind::Group | Kind::Homes => {
            return LOOK.iter().copied().collect();
        }
        // They are the home's list, seen another way.
        Kind::Delegates => {
            let home = held(level, granted, Kind::Home);
            let listed = home.contains("D:read-acl").then_some("D:read-acl");
            let decided = listed.filter(|_| home.contains("D:write-acl")).map(|_| "D:write-properties");
            return LOOK.iter().copied().chain(listed).chain(decided).collect();
        }
        Kind::Calendar | Kind::Object => level != Level::Nowhere,
        Kind::Home
        | Kind::FreeBusy
        | Kind::Inbox
        | Kind::Outbox
        | Kind::Notifications
        | Kind::Subscribed
        | Kind::Notification
        | Kind::Trash
        | Kind::DeletedObject
        | Kind::DeletedCalendar => level == Level::Home,
    };
    let all = if reaches { all } else { BTreeSet::new() };
    match kind {
        Kind::Subscribed => all.into_iter().filter(|name| MARKED.contains(name)).collect(),
        Kind::Inbox
        | Kind::Outbox
        | Kind::Notifications
        | Kind::Notification
        | Kind::Trash
        | Kind::DeletedObject
        | Kind::DeletedCalendar => all.into_iter().filter(|name| TENDED.contains(name)).collect(),
        _ => all,
    }
}

fn parent(kind: Kind) -> Kind {
    match kind {
        Kind::Object => Kind::Calendar,
        Kind::Notification => Kind::Notifications,
        Kind::DeletedObject | Kind::DeletedCalendar => Kind::Trash,
        _ => Kind::Home,
    }
}

/// What it comes into that is taken out of the trash.
fn there(kind: Kind) -> Kind {
    if kind == Kind::DeletedObject { Kind::Calendar } else { Kind::Home }
}

fn may(level: Level, granted: &str, place: Place, (on, privilege): (On, &str)) -> bool {
    let kind = match on {
        On::Itself => place.kind,
        On::Parent => parent(place.kind),
        On::There => there(place.kind),
    };
    // The home is bob's own, and so is what he says of a calendar that he may read.
    let seen = place.is_seen() && place.kind == Kind::Calendar;
    let privilege = match (on, privilege) {
        (On::Parent, _) if seen => return true,
        (On::Itself, "D:write-properties") if seen && held(level, granted, kind).contains("D:read") => {
            "D:read"
        }
        (_, other) => other,
    };
    held(level, granted, kind).contains(privilege)
}

/// The two, and a calendar between them.
struct Stage<'a> {
    server: &'a Server,
    alice: Client,
    bob: Client,
    level: Level,
    granted: &'static str,
}

impl Stage<'_> {
    /// Bob holds this there, and nothing else anywhere.
    async fn grant(&mut self, level: Level, granted: &'static str) {
        (self.level, self.granted) = (level, granted);
        self.set().await;
    }

    /// Puts everything in its place again.
    async fn set(&mut self) {
        let list = |here: bool| {
            let ace = format!(
                "<D:ace><D:principal><D:href>/dav/principals/bob/</D:href></D:principal><D:grant><D:privilege><{}/></D:privilege></D:grant></D:ace>",
                self.granted
            );
            let ace = if here { ace.as_str() } else { "" };
            format!(
                "<D:acl xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:K=\"urn:x-kalends\">{ace}</D:acl>"
            )
        };
        let lists = [
            ("/dav/calendars/alice/", list(self.level == Level::Home)),
            ("/dav/calendars/alice/work/", list(self.level == Level::Calendar)),
        ];
        self.alice.ask("MKCALENDAR /dav/calendars/alice/work/", &[], "").await;
        self.alice.ask("DELETE /dav/calendars/alice/work/new.ics", &[], "").await;
        self.alice.ask("DELETE /dav/calendars/alice/other/", &[], "").await;
        self.alice.ask("DELETE /dav/calendars/alice/work/back.ics", &[], "").await;
        self.bob.ask("DELETE /dav/calendars/bob/calendar/new.ics", &[], "").await;
        let put = self.alice.ask("PUT /dav/calendars/alice/work/a.ics", &[], server::event("a", "x")).await;
        assert!(put.is_done(), "{}", put.text());
        self.server.notify("alice", "a.xml").await;
        self.server.delete("alice", "work", 900_000_001).await;
        self.bob.ask("DELETE /dav/calendars/bob/other/", &[], "").await;
        self.alice.ask("MKCOL /dav/calendars/alice/feed/", &[], SUBSCRIPTION).await;
        for (path, list) in lists {
            let answer = self.alice.ask(&format!("ACL {path}"), &[], list).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
        // A list that lets bob see nothing takes it out of his home: there it is all the same.
        self.server.bind("alice", "work", "bob").await;
    }

    /// The token of a lock that alice takes there.
    async fn alices_lock(&mut self, place: Place) -> String {
        let answer = self.alice.ask(&format!("LOCK {}", place.kept()), &[("Depth", "0")], LOCKINFO).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("lock-token").unwrap().to_owned()
    }

    /// What is wrong with how bob's request is answered.
    async fn fault(&mut self, verb: &str, place: Place, body: &str, needs: &[(On, &str)]) -> Option<String> {
        let lock = if verb == "UNLOCK" { self.alices_lock(place).await } else { String::new() };
        let to = match place.kind {
            Kind::Calendar if place.is_seen() => "/dav/calendars/bob/other/",
            Kind::Calendar | Kind::Subscribed | Kind::DeletedCalendar => "/dav/calendars/alice/other/",
            Kind::DeletedObject => "/dav/calendars/alice/work/back.ics",
            _ => "/dav/calendars/bob/calendar/new.ics",
        };
        let depth = if ["COPY", "MOVE"].contains(&verb) { "infinity" } else { "0" };
        let headers = [("Depth", depth), ("Destination", to), ("Lock-Token", &lock)];
        let sent = if verb == "UNLOCK" { &headers[..] } else { &headers[..2] };
        let answer = self.bob.ask(&format!("{verb} {}", place.path), sent, body).await;
        let lacking: Vec<_> =
            needs.iter().copied().filter(|need| !may(self.level, self.granted, place, *need)).collect();
        let allowed = lacking.is_empty();
        if let Some(lock) =
            answer.header("lock-token").map(str::to_owned).or(Some(lock)).filter(|l| !l.is_empty())
        {
            self.alice.ask(&format!("UNLOCK {}", place.kept()), &[("Lock-Token", &lock)], "").await;
        }
        let hidden = body.contains("free-busy-query");
        let holds = |privilege: &str| held(self.level, self.granted, place.kind).contains(privilege);
        // What was done is undone.
        let changed = allowed && !["OPTIONS", "GET", "HEAD", "PROPFIND", "REPORT"].contains(&verb);
        let right = match (allowed, lacking.first().copied()) {
            (true, _) => {
                answer.status < 500 && !is_refused(&answer) && (answer.status != 404 || !place.there)
            }
            (false, _) if hidden => answer.status == 404,
            (false, _) if verb == "HEAD" => answer.status == 403,
            // Who may neither look nor write is not told whether it is there.
            (false, Some(_)) if verb == "PUT" && place.there && !holds("D:read") && !holds("D:bind") => {
                names(&answer, place, On::Parent, "D:bind")
            }
            (false, Some(_)) => lacking.iter().any(|(on, privilege)| names(&answer, place, *on, privilege)),
            (false, None) => false,
        };
        if changed {
            self.set().await;
        }
        let who = format!("{} on {:?}", self.granted, self.level);
        (!right)
            .then(|| format!("{verb} {} ({who}): {} {}\n{}", place.path, answer.status, body, answer.text()))
    }
}

fn is_refused(answer: &Answer) -> bool {
    answer.condition().as_deref() == Some("D:need-privileges")
}

/// Whether the refusal names the resource and the privilege.
fn names(answer: &Answer, place: Place, on: On, privilege: &str) -> bool {
    let path = match (on, place.kind) {
        (On::Itself, _) => place.path,
        (On::Parent, Kind::Object) if place.is_seen() => "/dav/calendars/bob/work/",
        (On::Parent, Kind::Object) | (On::There, Kind::DeletedObject) => "/dav/calendars/alice/work/",
        (On::Parent, Kind::Notification) => "/dav/calendars/alice/notifications/",
        (On::Parent, Kind::DeletedObject | Kind::DeletedCalendar) => "/dav/calendars/alice/trash/",
        (On::Parent | On::There, _) => "/dav/calendars/alice/",
    };
    let Some(root) = answer.xml().filter(|_| answer.status == 403 && is_refused(answer)) else {
        return false;
    };
    let resource =
        root.child(Name::dav("need-privileges")).and_then(|need| need.child(Name::dav("resource")));
    let said = |name| resource.and_then(|resource| resource.child(Name::dav(name)));
    let lacking = said("privilege").and_then(|privilege| privilege.children().next());
    said("href").is_some_and(|href| href.text() == path)
        && lacking.is_some_and(|lacking| lacking.name().local == privilege[2..])
}

fn with_groups(settings: &mut Settings) {
    settings.identity.groups_header = HeaderName::named(settings.identity.groups_header.usual());
}

async fn stage(server: &Server) -> Stage<'_> {
    let mut alice = server.client("alice").await.always("X-Forwarded-Groups", "team");
    let mut bob = server.client("bob").await;
    alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    bob.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    Stage { server, alice, bob, level: Level::Nowhere, granted: "D:all" }
}

/// How often something was tried, and what was wrong.
#[derive(Default)]
struct Tried {
    times: usize,
    faults: Vec<String>,
}

impl Tried {
    fn add(&mut self, fault: Option<String>) {
        self.times += 1;
        self.faults.extend(fault);
    }

    /// Nothing was wrong, of more than so many.
    fn assert_right(&self, more_than: usize) {
        let (Self { times, faults }, wrong) = (self, self.faults.len());
        assert!(*times > more_than && wrong == 0, "{times} tried, {wrong} wrong:\n{}", faults.join("\n"));
    }
}

/// Each privilege at each level, and none at all.
fn grants() -> impl Iterator<Item = (Level, &'static str)> {
    let each = |level| TREE.iter().map(move |(name, _)| (level, *name));
    [(Level::Nowhere, "D:all")].into_iter().chain(each(Level::Home)).chain(each(Level::Calendar))
}

#[tokio::test]
async fn no_method_forgets_a_right() {
    let server = Server::start(with_groups).await;
    let mut stage = stage(&server).await;
    let mut tried = Tried::default();
    for (level, granted) in grants() {
        stage.grant(level, granted).await;
        for row in METHODS.iter().filter(|row| row.verb != "REPORT") {
            for place in PLACES.iter().filter(|place| row.on.has(place.kind)) {
                // What is not there can only be made.
                if !place.there && row.verb != "PUT" {
                    continue;
                }
                let posted = format!("posted-{}", tried.times);
                let uid = if place.there { "a" } else { "new" };
                let event = server::event(if row.verb == "POST" { &posted } else { uid }, "y");
                let body = match row.verb {
                    "PUT" | "POST" => event.as_str(),
                    "PROPPATCH" => {
                        "<D:propertyupdate xmlns:D=\"DAV:\"><D:set><D:prop><x xmlns=\"urn:x\"/></D:prop></D:set></D:propertyupdate>"
                    }
                    "ACL" => "<D:acl xmlns:D=\"DAV:\"/>",
                    "LOCK" => LOCKINFO,
                    _ => "",
                };
                tried.add(stage.fault(row.verb, *place, body, &needed(row.verb, *place)).await);
            }
        }
    }
    tried.assert_right(700);
}

#[tokio::test]
async fn no_report_forgets_a_right() {
    let server = Server::start(with_groups).await;
    let mut stage = stage(&server).await;
    let mut tried = Tried::default();
    for (level, granted) in grants() {
        stage.grant(level, granted).await;
        for report in REPORTS {
            let name = report.name.to_string();
            let inside = match report.name.local {
                "free-busy-query" => "<C:time-range start=\"20260101T000000Z\" end=\"20260201T000000Z\"/>",
                "calendar-query" => "<C:filter><C:comp-filter name=\"VCALENDAR\"/></C:filter>",
                "principal-match" => "<D:self/>",
                "principal-property-search" => {
                    "<D:property-search><D:prop><D:displayname/></D:prop><D:match>x</D:match></D:property-search>"
                }
                "calendarserver-principal-search" => "<CS:search-token>x</CS:search-token>",
                "sync-collection" => "<D:sync-token/><D:sync-level>1</D:sync-level>",
                _ => "<D:prop><D:displayname/></D:prop>",
            };
            let body = format!(
                "<{name} xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:CS=\"http://calendarserver.org/ns/\" xmlns:K=\"urn:x-kalends\">{inside}</{name}>"
            );
            for place in PLACES.iter().filter(|place| place.there && report.on.has(place.kind)) {
                tried.add(stage.fault("REPORT", *place, &body, &[needed_to_report(&name, place.kind)]).await);
            }
        }
    }
    tried.assert_right(1000);
}

/// What the server tells of rights is what it does.
#[tokio::test]
async fn what_is_told_of_rights_is_what_is_held() {
    let server = Server::start(with_groups).await;
    let mut stage = stage(&server).await;
    let ask = "<D:propfind xmlns:D=\"DAV:\"><D:prop><D:current-user-privilege-set/></D:prop></D:propfind>";
    let mut told_of = 0;
    for (level, granted) in grants() {
        stage.grant(level, granted).await;
        for place in PLACES.iter().filter(|place| place.there) {
            let held = held(level, granted, place.kind);
            let answer = stage.bob.ask(&format!("PROPFIND {}", place.path), &[("Depth", "0")], ask).await;
            if !held.contains("D:read") {
                assert_eq!(answer.status, 403, "{} with {granted} on {level:?}", place.path);
                continue;
            }
            let (text, mut told) = (answer.text(), BTreeSet::new());
            for part in text.split("<D:privilege><").skip(1) {
                told.insert(part.split('/').next().unwrap().to_owned());
            }
            // What they may say for themselves of what they see in their home is not told as a right.
            let held: BTreeSet<String> = held.into_iter().map(str::to_owned).collect();
            assert_eq!(told, held, "{} with {granted} on {level:?}", place.path);
            told_of += 1;
        }
    }
    assert!(told_of > 100);
}

#[tokio::test]
async fn who_reads_everything_writes_nothing() {
    let (server, mut alice) = three(|settings| {
        settings.identity.readers = vec!["backup".to_owned()];
        settings.privacy.principals = Audience::Nobody;
    })
    .await;
    let path = "/dav/calendars/alice/calendar/a.ics";
    assert_eq!(alice.ask(&format!("PUT {path}"), &[], server::event("a", "x")).await.status, 201);
    let mut backup = server.client("backup").await;
    assert_eq!(backup.ask(&format!("GET {path}"), &[], "").await.status, 200);
    for (place, status) in
        [("calendars/alice/", 207), ("calendars/carla/inbox/", 207), ("principals/carla/", 207)]
    {
        let line = format!("PROPFIND /dav/{place}");
        assert_eq!(backup.ask(&line, &[("Depth", "1")], "").await.status, status, "{line}");
    }
    for line in
        [format!("PUT {path}"), format!("DELETE {path}"), "MKCALENDAR /dav/calendars/alice/x/".to_owned()]
    {
        let event = server::event("a", "y");
        let body = if line.starts_with("PUT") { event.as_str() } else { "" };
        let answer = backup.ask(&line, &[], body).await;
        assert!(is_refused(&answer), "{line}: {}", answer.status);
    }
    assert_eq!(people(&mut backup, SEARCH, EVERYBODY).await, ["alice", "backup", "carla", "dan"]);
}

// ---- who may know whom ----

/// The people in the answer to a request, by their user names.
async fn people(client: &mut Client, line: &str, body: &str) -> Vec<String> {
    let answer =
        client.ask(line, &[("Depth", if line.starts_with("PROPFIND") { "1" } else { "0" })], body).await;
    assert_eq!(answer.status, 207, "{line}: {}", answer.text());
    let root = answer.xml().unwrap();
    let hrefs = root.all(Name::dav("response")).filter_map(|response| response.child(Name::dav("href")));
    let name =
        |href: &Element| Some(href.text().strip_prefix("/dav/principals/")?.trim_end_matches('/').to_owned());
    // What lies below them is not them.
    let of_people = |name: &String| !name.is_empty() && !name.contains('/');
    let mut names: Vec<String> = hrefs.filter_map(name).filter(of_people).collect();
    names.sort();
    names
}

const EVERYBODY: &str = "<D:principal-property-search xmlns:D=\"DAV:\"><D:property-search><D:prop><D:displayname/></D:prop>\
    <D:match>a</D:match></D:property-search><D:prop><D:displayname/></D:prop></D:principal-property-search>";

/// Alice and dan are in one group, carla is in none.
async fn three(change: impl Fn(&mut Settings)) -> (Server, Client) {
    let server = Server::start(|settings| {
        with_groups(settings);
        settings.identity.admins = vec!["admin".to_owned()];
        change(settings);
    })
    .await;
    for (user, groups) in [("dan", "team"), ("carla", "others")] {
        let mut client = server.client(user).await.always("X-Forwarded-Groups", groups);
        client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    }
    let mut alice = server.client("alice").await.always("X-Forwarded-Groups", "team");
    alice.ask("PROPFIND /dav/", &[("Depth", "0")], "").await;
    (server, alice)
}

const SEARCH: &str = "REPORT /dav/principals/";
const LIST: &str = "PROPFIND /dav/principals/";

#[tokio::test]
async fn people_find_whom_the_settings_let_them_find() {
    for (audience, found) in [
        (Audience::Everyone, vec!["alice", "carla", "dan"]),
        (Audience::Groups, vec!["alice", "dan"]),
        (Audience::Nobody, vec!["alice"]),
    ] {
        let (server, mut alice) = three(|s| s.privacy.search = audience).await;
        assert_eq!(people(&mut alice, SEARCH, EVERYBODY).await, found, "{audience}");
        assert_eq!(people(&mut alice, LIST, "").await, ["alice"], "{audience}");
        // Who is known can still be read.
        assert_eq!(people(&mut alice, "PROPFIND /dav/principals/carla/", "").await, ["carla"]);
        drop(server);
        let (server, mut alice) = three(|s| (s.privacy.search, s.privacy.listing) = (audience, true)).await;
        assert_eq!(people(&mut alice, LIST, "").await, found, "{audience}");
        let mut admin = server.client("admin").await;
        assert_eq!(people(&mut admin, SEARCH, EVERYBODY).await, ["admin", "alice", "carla", "dan"]);
    }
}

#[tokio::test]
async fn no_more_than_five_hundred_are_found_by_name_or_by_address() {
    let (server, mut alice) = three(|_| ()).await;
    let many = "INSERT INTO principal (name, display_name, email)
        SELECT 'many-' || n, 'Many ' || n, 'many-' || n || '@example.org' FROM generate_series(1, 510) n";
    server.db.pool.client().await.unwrap().batch(many).await.unwrap();
    let (name, address) = ("<D:displayname/>", "<C:calendar-user-address-set/>");
    for (by, text, found, cut) in [
        (name, "many", 500, true),
        (name, "many 50", 11, false),
        (address, "many-", 500, true),
        (address, "mailto:many-7@example.org", 1, false),
    ] {
        let body = format!(
            "<D:principal-property-search xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\"><D:property-search><D:prop>{by}</D:prop>\
             <D:match>{text}</D:match></D:property-search><D:prop><D:displayname/></D:prop></D:principal-property-search>"
        );
        assert_eq!(people(&mut alice, SEARCH, &body).await.len(), found, "{text}");
        let told = alice.ask(SEARCH, &[("Depth", "0")], &body).await.text();
        assert_eq!(told.contains("507 Insufficient Storage"), cut, "{text}");
    }
}

#[tokio::test]
async fn who_may_not_be_known_is_not_there() {
    let grant = |user: &str| {
        format!(
            "<D:acl xmlns:D=\"DAV:\"><D:ace><D:principal><D:href>/dav/principals/{user}/</D:href></D:principal><D:grant>\
             <D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>"
        )
    };
    for (audience, known) in [(Audience::Groups, vec!["alice", "dan"]), (Audience::Nobody, vec!["alice"])] {
        let (server, mut alice) =
            three(|s| (s.privacy.principals, s.privacy.listing) = (audience, true)).await;
        assert_eq!(people(&mut alice, SEARCH, EVERYBODY).await, known, "{audience}");
        assert_eq!(people(&mut alice, LIST, "").await, known, "{audience}");
        for user in ["alice", "dan", "carla", "nobody"] {
            let there = known.contains(&user);
            for line in
                [format!("PROPFIND /dav/principals/{user}/"), format!("PROPFIND /dav/calendars/{user}/")]
            {
                let status = alice.ask(&line, &[("Depth", "0")], "").await.status;
                let closed = if user == "alice" { 207 } else { 403 };
                let expected = if line.contains("calendars") { closed } else { 207 };
                assert_eq!(status, if there { expected } else { 404 }, "{line}, {audience}");
            }
            // The home of somebody unknown tells nothing, whatever is asked of it.
            for line in ["GET", "DELETE", "MKCALENDAR", "PROPFIND"] {
                let line = format!("{line} /dav/calendars/{user}/calendar/");
                let status =
                    if there { continue } else { alice.ask(&line, &[("Depth", "0")], "").await.status };
                assert_eq!(status, 404, "{line}, {audience}");
            }
            let acl = alice.ask("ACL /dav/calendars/alice/calendar/", &[], grant(user)).await;
            assert_eq!(acl.status, if there { 200 } else { 403 }, "{user}, {audience}: {}", acl.text());
        }
        let team = alice.ask("PROPFIND /dav/principals/groups/team/", &[("Depth", "0")], "").await;
        let others = alice.ask("PROPFIND /dav/principals/groups/others/", &[("Depth", "0")], "").await;
        assert_eq!((team.status, others.status), (207, 404));
        let mut admin = server.client("admin").await;
        assert_eq!(people(&mut admin, SEARCH, EVERYBODY).await, ["admin", "alice", "carla", "dan"]);
    }
}

/// A trash names nobody whom the viewer may not know, and does not tell how much went with a calendar to whom private objects in it
/// were nothing; its owner is told all of that.
#[tokio::test]
async fn a_trash_tells_nothing_that_was_not_told_before() {
    const HOME: &str = "/dav/calendars/alice/";
    const FIND: &str = "<D:propfind xmlns:D=\"DAV:\" xmlns:K=\"urn:x-kalends\"><D:prop><K:deleted-by/><D:getcontentlength/></D:prop>\
        </D:propfind>";
    let (server, mut alice) = three(|s| s.privacy.principals = Audience::Nobody).await;
    let mut admin = server.client("admin").await;
    let (mut dan, mut carla) = (server.client("dan").await, server.client("carla").await);
    let entry = |user: &str, what: &str| {
        format!(
            "<D:ace><D:principal><D:href>/dav/principals/{user}/</D:href></D:principal><D:grant>\
             <D:privilege><D:read/></D:privilege><D:privilege><D:{what}/></D:privilege></D:grant></D:ace>"
        )
    };
    let list = |carla: &str| {
        format!("<D:acl xmlns:D=\"DAV:\">{}{}</D:acl>", entry("dan", "write"), entry("carla", carla))
    };
    assert_eq!(admin.ask(&format!("ACL {HOME}"), &[], list("read")).await.status, 200);
    let private = server::event("p", "x").replace("SUMMARY", "CLASS:PRIVATE\r\nSUMMARY");
    assert_eq!(alice.ask(&format!("MKCALENDAR {HOME}old/"), &[], "").await.status, 201);
    for (path, body) in [
        ("old/p.ics", private),
        ("calendar/a.ics", server::event("a", "x")),
        ("calendar/b.ics", server::event("b", "x")),
    ] {
        assert_eq!(alice.ask(&format!("PUT {HOME}{path}"), &[], body).await.status, 201);
    }
    for (user, path) in [("dan", "old/"), ("alice", "calendar/a.ics"), ("dan", "calendar/b.ics")] {
        let client = if user == "dan" { &mut dan } else { &mut alice };
        assert_eq!(client.ask(&format!("DELETE {HOME}{path}"), &[], "").await.status, 204);
    }
    let told = async |client: &mut Client| {
        let text = client
            .ask(&format!("PROPFIND {HOME}trash/"), &[("Depth", "1"), ("Prefer", "depth-noroot")], FIND)
            .await
            .text();
        let within = |part: &str, name: &str| {
            let inside = part.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
            Some(inside.trim_start_matches("<D:href>").trim_end_matches("</D:href>").to_owned())
        };
        let entries = text.split("<D:response>").skip(1);
        let entries =
            entries.map(|part| (within(part, "K:deleted-by"), within(part, "D:getcontentlength").is_some()));
        entries.collect::<Vec<_>>()
    };
    let by = |user: &str| Some(format!("/dav/principals/{user}/"));
    // The last one deleted first: an object, another, and the calendar.
    assert_eq!(told(&mut alice).await, [(by("dan"), true), (by("alice"), true), (by("dan"), true)]);
    assert_eq!(told(&mut dan).await, [(by("dan"), true), (by("alice"), true), (by("dan"), false)]);
    assert_eq!(told(&mut carla).await, [(None, true), (by("alice"), true), (None, false)]);
    assert_eq!(admin.ask(&format!("ACL {HOME}"), &[], list("all")).await.status, 200);
    assert_eq!(told(&mut carla).await, [(None, true), (by("alice"), true), (None, true)]);
}
