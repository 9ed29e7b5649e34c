//! No path leaks: made-up objects of every level, made-up rights, and requests by every way to read, against a model that knows
//! of each word in each object for whose eyes it is. A word too many in an answer is a failure, and so is one too few.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // of the dice of others
#[path = "recur/dice.rs"]
mod dice;
#[path = "support/server.rs"]
mod server;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use dice::Dice;
use server::{Answer, Client, Server};

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const NS: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:K=\"urn:x-kalends\"";
const OTHERS: [&str; 2] = ["bob", "carol"];

/// What somebody may do in the calendar.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rights {
    None,
    FreeBusy,
    Read,
    Write,
    Trusted,
    All,
}

impl Rights {
    const ALL: [Self; 6] = [Self::None, Self::FreeBusy, Self::Read, Self::Write, Self::Trusted, Self::All];

    fn privileges(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::FreeBusy => &["C:read-free-busy"],
            Self::Read => &["D:read"],
            Self::Write => &["D:read", "D:write"],
            Self::Trusted => &["D:read", "K:read-private"],
            Self::All => &["D:all"],
        }
    }

    fn reads(self) -> bool {
        !matches!(self, Self::None | Self::FreeBusy)
    }

    fn writes(self) -> bool {
        matches!(self, Self::Write | Self::All)
    }

    fn sees_all(self) -> bool {
        matches!(self, Self::Trusted | Self::All)
    }
}

/// How much others see of an object: in words of the document, not of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Public,
    Restricted,
    Confidential,
    Private,
}

/// How an object says its level.
const SAID: [(&str, &str, &str, Level); 9] = [
    ("", "", "", Level::Public),
    ("", "CLASS:PUBLIC\r\n", "", Level::Public),
    ("", "CLASS:PRIVATE\r\n", "", Level::Private),
    ("", "cla\r\n ss;X-A=b:PRI\r\n VATE\r\n", "", Level::Private),
    ("", "", "CLASS:PRIVATE\r\n", Level::Private),
    ("", "CLASS:CONFIDENTIAL\r\n", "", Level::Confidential),
    ("X-CALENDARSERVER-ACCESS:CONFIDENTIAL\r\n", "", "", Level::Confidential),
    ("X-CALENDARSERVER-ACCESS:RESTRICTED\r\n", "CLASS:PUBLIC\r\n", "", Level::Restricted),
    ("X-CALENDARSERVER-ACCESS:PRIVATE\r\n", "", "", Level::Private),
];

#[derive(Clone, Debug)]
struct Thing {
    level: Level,
    octets: String,
    day: u64,
    series: bool,
    /// The words of its owner, each of one kind.
    number: u64,
    /// The words in the alarms of each who has one.
    alarms: BTreeMap<String, String>,
    /// Whether anybody else ever saw that it is there.
    was_seen: bool,
}

fn word(kind: &str, number: u64) -> String {
    format!("m.{kind}.{number}.m")
}

/// All such words in a text.
fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("m.") {
        let Some(end) = text[at + 2..].find(".m") else { continue };
        let inside = &text[at + 2..at + 2 + end];
        if let Some((kind, number)) = inside.split_once('.')
            && kind.bytes().all(|b| b.is_ascii_lowercase())
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
        {
            found.insert(format!("m.{inside}.m"));
        }
    }
    found
}

impl Thing {
    /// THE REFERENCE: the words of it that somebody may know; none where it is not there for them.
    fn seen(&self, name: &str, who: &str, rights: Rights) -> Option<BTreeSet<String>> {
        let owner = who == "alice";
        if !owner && !rights.reads() {
            return None;
        }
        let whole = owner || rights.sees_all() || self.level == Level::Public;
        let mut words = BTreeSet::from([name.to_owned()]);
        if whole || self.level == Level::Restricted {
            words.extend(["title", "place"].map(|kind| word(kind, self.number)));
        } else if self.level == Level::Private {
            return None;
        }
        if whole {
            words.extend(["words", "guest", "other"].map(|kind| word(kind, self.number)));
            words.extend(self.alarms.get(who).cloned());
        }
        Some(words)
    }

    fn on(&self, day: u64) -> bool {
        self.day == day || self.series && (self.day..self.day + 3).contains(&day)
    }
}

fn alarm(text: &str) -> String {
    format!("BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:{text}\r\nEND:VALARM\r\n")
}

/// The object with this alarm in its first event, and none elsewhere.
fn with_alarm(octets: &str, text: &str) -> String {
    let mut pieces = octets.split("BEGIN:VALARM");
    let mut bare = pieces.next().unwrap().to_owned();
    pieces.for_each(|piece| bare += piece.split_once("END:VALARM\r\n").unwrap().1);
    bare.replacen("END:VEVENT", &format!("{}END:VEVENT", alarm(text)), 1)
}

fn made(dice: &mut Dice, name: &str, number: u64, may_hide: bool) -> Thing {
    let (head, class, in_override, level) = if may_hide { *dice.pick(&SAID) } else { SAID[0] };
    let series = dice.one_in(2) || !in_override.is_empty();
    let (day, mut alarms) = (dice.below(20) + 1, BTreeMap::new());
    if dice.one_in(2) {
        alarms.insert("alice".to_owned(), word("alarm", number));
    }
    let text = alarms.get("alice").map(|text| alarm(text)).unwrap_or_default();
    let lines = format!(
        "LOCATION:{}\r\nDESCRIPTION:{}\r\nATTENDEE;CN=x:mailto:{}@x\r\n",
        word("place", number),
        word("words", number),
        word("guest", number)
    );
    let event = |when: &str, lines: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:{name}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:{}\r\n{when}{lines}END:VEVENT\r\n",
            word("title", number)
        )
    };
    let rule = if series { "RRULE:FREQ=DAILY;COUNT=3\r\n" } else { "" };
    let times = format!("DTSTART:202606{day:02}T090000Z\r\nDTEND:202606{day:02}T100000Z\r\n{rule}");
    let other = format!("COMMENT:{}\r\n", word("other", number));
    let mut events = event(&times, &format!("{class}{lines}{other}{text}"));
    if series {
        let next = day + 1;
        let id = format!(
            "RECURRENCE-ID:202606{next:02}T090000Z\r\nDTSTART:202606{next:02}T110000Z\r\nDURATION:PT1H\r\n"
        );
        events += &event(&id, &format!("{in_override}{other}{text}"));
    }
    let octets = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{head}{events}END:VCALENDAR\r\n");
    Thing { level, octets, day, series, number, alarms, was_seen: false }
}

struct World {
    dice: Dice,
    clients: BTreeMap<String, Client>,
    rights: BTreeMap<String, Rights>,
    things: BTreeMap<String, Thing>,
    /// What each who synchronises has: the token, and the names.
    replicas: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Names of objects that nobody but the owner has ever seen.
    never_seen: BTreeSet<String>,
    count: u64,
    requests: u64,
}

fn path(calendar: &str, name: &str) -> String {
    format!("{calendar}{name}.ics")
}

impl World {
    async fn new(server: &Server, seed: u64) -> Self {
        let mut clients = BTreeMap::new();
        for who in ["alice", "bob", "carol"] {
            let mut client = server.client(who).await;
            assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
            clients.insert(who.to_owned(), client);
        }
        let rights = OTHERS.map(|who| (who.to_owned(), Rights::None)).into();
        let (things, replicas) = (BTreeMap::new(), BTreeMap::new());
        let never_seen = BTreeSet::new();
        Self { dice: Dice(seed), clients, rights, things, replicas, never_seen, count: 0, requests: 0 }
    }

    async fn ask(&mut self, who: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.requests += 1;
        let answer = self.clients.get_mut(who).unwrap().ask(line, headers, body).await;
        assert!(answer.status < 500, "{who} {line}\n{body}\n{}", answer.text());
        answer
    }

    fn rights(&self, who: &str) -> Rights {
        self.rights.get(who).copied().unwrap_or(Rights::All)
    }

    fn seen(&self, name: &str, who: &str) -> Option<BTreeSet<String>> {
        self.things.get(name)?.seen(name, who, self.rights(who))
    }

    fn names(&self, who: &str) -> BTreeSet<String> {
        self.things.keys().filter(|name| self.seen(name, who).is_some()).cloned().collect()
    }

    /// The calendar as somebody names it: at its owner's or, where they see it there, in their own home.
    fn at(&mut self, who: &str) -> String {
        let bound = who != "alice" && self.rights(who).reads() && self.dice.one_in(2);
        if bound { format!("/dav/calendars/{who}/calendar-2/") } else { CALENDAR.to_owned() }
    }

    fn someone(&mut self) -> String {
        (*self.dice.pick(&["alice", "bob", "bob", "carol", "carol"])).to_owned()
    }

    fn some_name(&mut self) -> Option<String> {
        let names: Vec<String> = self.things.keys().cloned().collect();
        if names.is_empty() { None } else { Some(self.dice.pick(&names).clone()) }
    }

    fn remember(&mut self) {
        let seen: Vec<String> = OTHERS.iter().flat_map(|who| self.names(who)).collect();
        for name in seen {
            self.never_seen.remove(&name);
            self.things.get_mut(&name).unwrap().was_seen = true;
        }
    }

    // ---- what changes ----

    async fn owner_acts(&mut self) {
        let act = self.dice.below(10);
        if act == 0 {
            return self.grant().await;
        }
        self.count += 1;
        let known = self.some_name();
        if act <= 2 && self.things.len() > 3 || self.things.len() > 10 {
            let name = known.unwrap();
            assert_eq!(
                self.ask("alice", &format!("DELETE {}", path(CALENDAR, &name)), &[], "").await.status,
                204
            );
            self.things.remove(&name);
            return;
        }
        let name = match known {
            Some(name) if act <= 5 => name,
            _ => word("name", self.count),
        };
        let new = made(&mut self.dice, &name, self.count, true);
        let answer = self.ask("alice", &format!("PUT {}", path(CALENDAR, &name)), &[], &new.octets).await;
        assert!(answer.is_done(), "{}\n{}", answer.text(), new.octets);
        assert!(answer.header("etag").is_some());
        let before = self.things.remove(&name);
        if before.is_none() {
            self.never_seen.insert(name.clone());
        }
        let mut new = new;
        if let Some(before) = before {
            new.was_seen = before.was_seen;
            let theirs = before.alarms.into_iter().filter(|(who, _)| who != "alice");
            new.alarms.extend(theirs);
        }
        self.things.insert(name, new);
        self.remember();
    }

    async fn grant(&mut self) {
        let mut aces = String::new();
        for who in OTHERS {
            let rights = *self.dice.pick(&Rights::ALL);
            self.rights.insert(who.to_owned(), rights);
            if !rights.reads() {
                // What is not seen in their home any more, nothing is kept of.
                self.things.values_mut().for_each(|thing| drop(thing.alarms.remove(who)));
            }
            // Tokens do not tell of rights: who has others begins anew.
            self.replicas.remove(who);
            let granted: Vec<String> = rights
                .privileges()
                .iter()
                .map(|privilege| format!("<D:privilege><{privilege}/></D:privilege>"))
                .collect();
            if !granted.is_empty() {
                write!(
                    aces,
                    "<D:ace><D:principal><D:href>/dav/principals/{who}/</D:href></D:principal><D:grant>{}</D:grant></D:ace>",
                    granted.concat()
                )
                .unwrap();
            }
        }
        let body = format!("<D:acl {NS}>{aces}</D:acl>");
        assert_eq!(self.ask("alice", &format!("ACL {CALENDAR}"), &[], &body).await.status, 200);
        self.remember();
    }

    /// Somebody puts an alarm of their own into what they read, and what they may not write over stays.
    async fn other_writes(&mut self, who: &str) {
        let Some(name) = self.some_name() else { return };
        let calendar = self.at(who);
        let (line, rights) = (format!("PUT {}", path(&calendar, &name)), self.rights(who));
        self.count += 1;
        let thing = self.things[&name].clone();
        let text = word("alarm", self.count);
        let octets = match self.ask(who, &format!("GET {}", path(&calendar, &name)), &[], "").await {
            answer if answer.status == 200 => answer.text(),
            _ => thing.octets.clone(),
        };
        let sent = with_alarm(&octets, &text);
        let whole = rights.sees_all() || thing.level == Level::Public;
        let answer = self.ask(who, &line, &[], &sent).await;
        if !(rights.writes() && whole) {
            assert!([403, 404].contains(&answer.status), "{who} {rights:?} {line}: {}", answer.status);
            let told = words(&answer.text());
            let known = thing.seen(&name, who, rights).unwrap_or_default();
            let own = BTreeSet::from([name.clone()]);
            assert!(told.is_subset(&known) || told.is_subset(&own), "{who} {line}: {}", answer.text());
            return;
        }
        assert_eq!(answer.status, 204, "{who} {rights:?} {line}: {}", answer.text());
        let told = answer.header("etag").map(str::to_owned);
        let now = self.ask(who, &format!("GET {}", path(&calendar, &name)), &[], "").await;
        if let Some(told) = told {
            assert_eq!((now.header("etag"), now.text()), (Some(told.as_str()), sent));
        }
        let thing = self.things.get_mut(&name).unwrap();
        thing.alarms.insert(who.to_owned(), text);
        // Nothing but the sender's own was changed: the owner's octets are the owner's.
        let kept = thing.octets.clone();
        assert_eq!(self.ask("alice", &format!("GET {}", path(CALENDAR, &name)), &[], "").await.text(), kept);
    }

    // ---- what is read ----

    fn check(&self, who: &str, what: &str, answer: &Answer, wanted: &BTreeSet<String>) {
        let told = words(&answer.text());
        assert_eq!(
            told,
            *wanted,
            "{who} ({:?}) {what}: {}\n{}",
            self.rights(who),
            answer.status,
            answer.text()
        );
    }

    fn union(&self, who: &str, names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        names.into_iter().filter_map(|name| self.seen(&name, who)).flatten().collect()
    }

    async fn reads(&mut self, who: &str) {
        let Some(name) = self.some_name() else { return };
        match self.dice.below(9) {
            0 | 1 => self.one(who, &name).await,
            2 => self.listing(who, &name).await,
            3 => self.multiget(who).await,
            4 => self.query(who, &name).await,
            5 => self.times(who).await,
            6 => self.exports(who).await,
            7 => self.sync(who).await,
            _ => self.copies(who, &name).await,
        }
    }

    async fn one(&mut self, who: &str, name: &str) {
        let calendar = self.at(who);
        let seen = self.seen(name, who);
        let accept = *self.dice.pick(&["*/*", "application/calendar+json", "application/calendar+xml"]);
        let answer =
            self.ask(who, &format!("GET {}", path(&calendar, name)), &[("Accept", accept)], "").await;
        let Some(seen) = seen else {
            assert!([403, 404].contains(&answer.status), "{who} GET {name}: {}", answer.status);
            let own = BTreeSet::from([name.to_owned()]);
            assert!(words(&answer.text()).is_subset(&own), "{}", answer.text());
            let head = self.ask(who, &format!("HEAD {}", path(&calendar, name)), &[], "").await;
            assert_eq!((head.status, head.header("etag")), (answer.status, None));
            return;
        };
        assert_eq!(answer.status, 200);
        let mut told = words(&answer.text());
        told.insert(name.to_owned());
        assert_eq!(told, seen, "{who} GET {name} as {accept}: {}", answer.text());
        let tag = answer.header("etag").unwrap().to_owned();
        let headers = [("Accept", accept), ("If-None-Match", tag.as_str())];
        assert_eq!(self.ask(who, &format!("GET {}", path(&calendar, name)), &headers, "").await.status, 304);
        let head = self.ask(who, &format!("HEAD {}", path(&calendar, name)), &[("Accept", accept)], "").await;
        assert_eq!(head.header("content-length").unwrap(), answer.body.len().to_string());
    }

    async fn listing(&mut self, who: &str, name: &str) {
        let calendar = self.at(who);
        let ask = "<D:prop><D:getetag/><D:getcontentlength/></D:prop>";
        let props = *self.dice.pick(&[ask, "<D:allprop/>", "<D:propname/>", "<D:prop><D:getetag/></D:prop>"]);
        let body = format!("<D:propfind {NS}>{props}</D:propfind>");
        let of_one = self.dice.one_in(3);
        let (at, depth) = if of_one { (path(&calendar, name), "0") } else { (calendar.clone(), "1") };
        let answer = self.ask(who, &format!("PROPFIND {at}"), &[("Depth", depth)], &body).await;
        if of_one && self.seen(name, who).is_none() {
            assert!([403, 404].contains(&answer.status), "{}", answer.status);
        } else if of_one {
            self.check(who, props, &answer, &BTreeSet::from([name.to_owned()]));
        } else {
            self.check(who, props, &answer, &self.names(who));
        }
        if props == ask && answer.status == 207 && self.seen(name, who).is_some() {
            let got = self.ask(who, &format!("GET {}", path(&calendar, name)), &[], "").await;
            let text = answer.text();
            let of = text.split("<D:response>").find(|part| part.contains(name)).unwrap();
            assert!(of.contains(got.header("etag").unwrap().trim_matches('"')), "{of}");
            assert!(of.contains(&format!("getcontentlength>{}<", got.body.len())), "{of}");
        }
    }

    async fn multiget(&mut self, who: &str) {
        let calendar = self.at(who);
        let all: Vec<String> = self.things.keys().cloned().collect();
        let names: Vec<String> = all.into_iter().filter(|_| self.dice.one_in(2)).collect();
        let hrefs: Vec<String> =
            names.iter().map(|name| format!("<D:href>{}</D:href>", path(&calendar, name))).collect();
        let body = format!(
            "<C:calendar-multiget {NS}><D:prop><D:getetag/><C:calendar-data/></D:prop>{}</C:calendar-multiget>",
            hrefs.concat()
        );
        let answer = self.ask(who, &format!("REPORT {calendar}"), &[], &body).await;
        if !self.rights(who).reads() {
            return assert_eq!(answer.status, 403);
        }
        // The names that were asked for are told again, with a 404.
        let mut wanted = self.union(who, names.iter().cloned());
        wanted.extend(names);
        self.check(who, &body, &answer, &wanted);
    }

    async fn query(&mut self, who: &str, name: &str) {
        let calendar = self.at(who);
        let (number, alarms) = (self.things[name].number, self.things[name].alarms.clone());
        let text = |property: &str, text: &str| {
            format!("<C:prop-filter name=\"{property}\"><C:text-match>{text}</C:text-match></C:prop-filter>")
        };
        let alarm = self.dice.pick(&["alice", "bob", "carol"]);
        let filters = [
            (text("SUMMARY", &word("title", number)), word("title", number)),
            (text("LOCATION", &word("place", number)), word("place", number)),
            (text("DESCRIPTION", &word("words", number)), word("words", number)),
            (text("ATTENDEE", &word("guest", number)), word("guest", number)),
            (text("COMMENT", &word("other", number)), word("other", number)),
            (text("UID", name), name.to_owned()),
        ];
        let (filter, needed) = match alarms.get(*alarm) {
            Some(word) if self.dice.one_in(2) => {
                let inside = text("DESCRIPTION", word);
                (format!("<C:comp-filter name=\"VALARM\">{inside}</C:comp-filter>"), word.clone())
            }
            _ => self.dice.pick(&filters).clone(),
        };
        let data = if self.dice.one_in(2) { "<C:calendar-data/>" } else { "" };
        let body = format!(
            "<C:calendar-query {NS}><D:prop><D:getetag/>{data}</D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
             <C:comp-filter name=\"VEVENT\">{filter}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        let answer = self.ask(who, &format!("REPORT {calendar}"), &[], &body).await;
        if !self.rights(who).reads() {
            return assert_eq!(answer.status, 403);
        }
        let seen = self.seen(name, who).filter(|seen| seen.contains(&needed)).unwrap_or_default();
        let wanted =
            if data.is_empty() { seen.into_iter().filter(|word| word == name).collect() } else { seen };
        self.check(who, &body, &answer, &wanted);
    }

    async fn times(&mut self, who: &str) {
        let calendar = self.at(who);
        let day = self.dice.below(23) + 1;
        let range = format!("start=\"202606{day:02}T000000Z\" end=\"202606{:02}T000000Z\"", day + 1);
        let expand = self.dice.one_in(2);
        let data = if expand {
            format!("<C:calendar-data><C:expand {range}/></C:calendar-data>")
        } else {
            String::new()
        };
        let body = format!(
            "<C:calendar-query {NS}><D:prop>{data}<D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
             <C:comp-filter name=\"VEVENT\"><C:time-range {range}/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        let answer = self.ask(who, &format!("REPORT {calendar}"), &[], &body).await;
        let busy = format!("<C:free-busy-query {NS}><C:time-range {range}/></C:free-busy-query>");
        let free = self.ask(who, &format!("REPORT {calendar}"), &[], &busy).await;
        assert!(words(&free.text()).is_empty(), "{}", free.text());
        let on: Vec<String> =
            self.things.iter().filter(|(_, thing)| thing.on(day)).map(|(name, _)| name.clone()).collect();
        if who == "alice" || self.rights(who) != Rights::None {
            assert_eq!(free.status, 200);
            assert_eq!(free.text().contains("\nFREEBUSY"), !on.is_empty(), "{}", free.text());
        }
        if !self.rights(who).reads() {
            return assert_eq!(answer.status, 403);
        }
        let names: BTreeSet<String> =
            on.iter().filter(|name| self.seen(name, who).is_some()).cloned().collect();
        let told = words(&answer.text());
        let may = if expand { self.union(who, on) } else { names.clone() };
        assert!(told.is_superset(&names) && told.is_subset(&may), "{who} {body}: {}", answer.text());
    }

    async fn exports(&mut self, who: &str) {
        let calendar = self.at(who);
        let query = *self.dice.pick(&[
            "",
            "?export",
            "?export&accept=jcal",
            "?export&accept=xcal",
            "?export&componentType=VEVENT",
        ]);
        let answer = self.ask(who, &format!("GET {calendar}{query}"), &[], "").await;
        if !self.rights(who).reads() {
            return assert_eq!(answer.status, 403);
        }
        let wanted = self.union(who, self.names(who));
        self.check(who, query, &answer, &wanted);
    }

    async fn sync(&mut self, who: &str) {
        let calendar = self.at(who);
        if !self.rights(who).reads() {
            return;
        }
        let (token, mut names) = self.replicas.remove(who).unwrap_or_default();
        let home = self.dice.one_in(5);
        let whose = if self.dice.one_in(2) { who } else { "alice" };
        let (at, token, level) = if home {
            (format!("/dav/calendars/{whose}/"), String::new(), "infinite")
        } else {
            (calendar, token, "1")
        };
        let body = format!(
            "<D:sync-collection {NS}><D:sync-token>{token}</D:sync-token><D:sync-level>{level}</D:sync-level>\
             <D:prop><D:getetag/>{}</D:prop></D:sync-collection>",
            if home { "" } else { "<C:calendar-data/>" }
        );
        let answer = self.ask(who, &format!("REPORT {at}"), &[], &body).await;
        if home {
            if who == whose {
                self.check(who, &body, &answer, &self.names(who));
            } else {
                assert!(words(&answer.text()).is_empty());
            }
            return;
        }
        assert_eq!(answer.status, 207, "{}", answer.text());
        let text = answer.text();
        for part in text.split("<D:response>").skip(1) {
            let (told, href) = (words(part), words(part.split("</D:href>").next().unwrap()));
            let name = href.first().unwrap().clone();
            if part.contains("<D:status>HTTP/1.1 404") && !part.contains("propstat") {
                assert!(who == "alice" || !self.never_seen.contains(&name), "{who} is told of {name}");
                names.remove(&name);
            } else {
                assert_eq!(Some(told), self.seen(&name, who), "{who}: {part}");
                names.insert(name);
            }
        }
        assert_eq!(names, self.names(who), "{who} since {token}: {text}");
        let next = text.split("<D:sync-token>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        self.replicas.insert(who.to_owned(), (next, names));
    }

    async fn copies(&mut self, who: &str, name: &str) {
        if who == "alice" {
            return;
        }
        let calendar = self.at(who);
        let there = format!("/dav/calendars/{who}/calendar/copy.ics");
        let line = format!("COPY {}", path(&calendar, name));
        let answer = self.ask(who, &line, &[("Destination", &there)], "").await;
        let Some(mut seen) = self.seen(name, who) else {
            return assert!([403, 404].contains(&answer.status), "{who} {line}: {}", answer.status);
        };
        assert_eq!(answer.status, 201, "{}", answer.text());
        let copy = self.ask(who, &format!("GET {there}"), &[], "").await;
        seen.insert(name.to_owned());
        self.check(who, "of the copy", &copy, &seen);
        assert_eq!(self.ask(who, &format!("DELETE {there}"), &[], "").await.status, 204);
    }
}

async fn play(requests: u64, seed: u64) {
    let server = Server::start(|_| {}).await;
    let mut world = World::new(&server, seed).await;
    world.grant().await;
    while world.requests < requests {
        match world.dice.below(5) {
            0 => world.owner_acts().await,
            1 => {
                let who = *world.dice.pick(&OTHERS);
                world.other_writes(who).await;
            }
            _ => {
                let who = world.someone();
                world.reads(&who).await;
            }
        }
    }
}

#[tokio::test]
async fn no_path_leaks() {
    play(3_000, 0x5EED_0001).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn no_path_leaks_in_the_long_run() {
    for round in 1..=10 {
        play(10_000, 0x5EED_0001 + round * 0x9E37_79B9).await;
    }
}
