//! No path leaks: made-up objects of every level, made-up rights, and requests by every way to read, against a model that knows
//! of each word in each object for whose eyes it is. A word too many in an answer is a failure, and so is one too few.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // of the dice of others
#[path = "recur/dice.rs"]
mod dice;
#[path = "leaks/reference.rs"]
mod reference;
#[path = "support/server.rs"]
mod server;
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use dice::Dice;
use reference::{Level, Rights, Thing, made, with_alarm, word, words};
use server::{Answer, Client, Server};

const CALENDAR: &str = "/dav/calendars/alice/calendar/";
const NS: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:K=\"urn:x-kalends\"";
const OTHERS: [&str; 2] = ["bob", "carol"];

/// An event of whoever tries something.
const MINE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:mine\r\nDTSTAMP:20260101T000000Z\r\n\
     DTSTART:20260101T090000Z\r\nSUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// A line, with what stands for a path in it, headers, and a body.
type Try<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str);
/// A line, headers, and a body.
type Asked<'a> = (String, &'a [(&'a str, &'a str)], &'a str);

struct World {
    dice: Dice,
    clients: BTreeMap<String, Client>,
    rights: BTreeMap<String, Rights>,
    things: BTreeMap<String, Thing>,
    /// What each who synchronises has: the token, and the names.
    replicas: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Names of objects that nobody but the owner has ever seen.
    never_seen: BTreeSet<String>,
    /// Names of objects that were deleted.
    buried: BTreeSet<String>,
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
        let (never_seen, buried) = (BTreeSet::new(), BTreeSet::new());
        Self {
            dice: Dice(seed),
            clients,
            rights,
            things,
            replicas,
            never_seen,
            buried,
            count: 0,
            requests: 0,
        }
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
        let act = self.dice.below(12);
        if act == 0 {
            return self.grant().await;
        }
        if act >= 10 {
            return self.owner_describes(act == 10).await;
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
            self.buried.insert(name);
            return;
        }
        let buried: Vec<String> = self.buried.iter().cloned().collect();
        let name = match known {
            Some(name) if act <= 5 => name,
            // A name that something else had, which others may have seen.
            _ if act <= 7 && !buried.is_empty() => self.dice.pick(&buried).clone(),
            _ => word("name", self.count),
        };
        let new = made(&mut self.dice, &name, self.count, true);
        let answer = self.ask("alice", &format!("PUT {}", path(CALENDAR, &name)), &[], &new.octets).await;
        assert!(answer.is_done(), "{}\n{}", answer.text(), new.octets);
        assert!(answer.header("etag").is_some());
        let before = self.things.remove(&name);
        if before.is_none() && !self.buried.remove(&name) {
            self.never_seen.insert(name.clone());
        }
        let mut new = new;
        if let Some(before) = before {
            (new.was_seen, new.note) = (before.was_seen, before.note);
            let theirs = before.alarms.into_iter().filter(|(who, _)| who != "alice");
            new.alarms.extend(theirs);
        }
        self.things.insert(name, new);
        self.remember();
    }

    /// The owner keeps a note beside an object, or has it go away and come back under the name it had.
    async fn owner_describes(&mut self, notes: bool) {
        let Some(name) = self.some_name() else { return };
        self.count += 1;
        if notes {
            let note = word("note", self.count);
            let body = format!(
                "<D:propertyupdate {NS}><D:set><D:prop><K:note>{note}</K:note></D:prop></D:set></D:propertyupdate>"
            );
            let line = format!("PROPPATCH {}", path(CALENDAR, &name));
            assert_eq!(self.ask("alice", &line, &[], &body).await.status, 207);
            self.things.get_mut(&name).unwrap().note = Some(note);
            return;
        }
        let other = word("name", self.count);
        if OTHERS.iter().all(|who| self.seen(&name, who).is_none()) {
            self.never_seen.insert(other.clone());
        }
        for (from, to) in [(&name, &other), (&other, &name)] {
            let line = format!("MOVE {}", path(CALENDAR, from));
            let to = path(CALENDAR, to);
            assert_eq!(self.ask("alice", &line, &[("Destination", &to)], "").await.status, 201);
        }
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
        let mut sent = with_alarm(&octets, &text);
        // Half of the time what is everybody's is another as well.
        let shared = self.dice.one_in(2).then(|| format!("SEQUENCE:{}\r\n", self.count));
        if let Some(line) = &shared {
            let kept = sent.split_inclusive("\r\n").filter(|line| !line.starts_with("SEQUENCE:"));
            sent = kept.collect::<String>().replacen("END:VEVENT", &format!("{line}END:VEVENT"), 1);
            // The alarm stands last.
            sent = with_alarm(&sent, &text);
        }
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
        let (kept, wanted) = (thing.octets.clone(), thing.seen(&name, "alice", Rights::All).unwrap());
        let now = self.ask("alice", &format!("GET {}", path(CALENDAR, &name)), &[], "").await.text();
        let Some(line) = shared else {
            // Nothing but the sender's own was changed: the owner's octets are the owner's.
            return assert_eq!(now, kept);
        };
        // What is everybody's is what was sent; what is the owner's own is the owner's.
        assert!(now.contains(&line), "{now}");
        assert_eq!(words(&now), wanted, "{who} {now}");
        self.things.get_mut(&name).unwrap().octets = now;
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
        match self.dice.below(12) {
            9 => self.guesses(who, &name).await,
            10 | 11 => self.asks_around(who, &name).await,
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
        let note = "<D:prop><K:note/><D:getetag/></D:prop>";
        let props =
            *self.dice.pick(&[ask, note, "<D:allprop/>", "<D:propname/>", "<D:prop><D:getetag/></D:prop>"]);
        let tells = |told: &World, name: &String| {
            let thing = told.things.get(name).filter(|_| [note, "<D:allprop/>"].contains(&props));
            thing.and_then(|thing| thing.note(who, told.rights(who)))
        };
        let body = format!("<D:propfind {NS}>{props}</D:propfind>");
        let of_one = self.dice.one_in(3);
        let (at, depth) = if of_one { (path(&calendar, name), "0") } else { (calendar.clone(), "1") };
        let answer = self.ask(who, &format!("PROPFIND {at}"), &[("Depth", depth)], &body).await;
        if of_one && self.seen(name, who).is_none() {
            assert!([403, 404].contains(&answer.status), "{}", answer.status);
        } else if of_one {
            let wanted = [name.to_owned()].into_iter().chain(tells(self, &name.to_owned())).collect();
            self.check(who, props, &answer, &wanted);
        } else {
            let mut wanted = self.names(who);
            wanted.extend(self.names(who).iter().filter_map(|name| tells(self, name)));
            self.check(who, props, &answer, &wanted);
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

    /// What cannot be done, and must not tell what is there: of a private object as of nothing.
    async fn guesses(&mut self, who: &str, name: &str) {
        if who == "alice" {
            return;
        }
        let (calendar, hidden) = (self.at(who), self.seen(name, who).is_none());
        let mine = format!("/dav/calendars/{who}/calendar/mine.ics");
        let own = MINE;
        assert!(self.ask(who, &format!("PUT {mine}"), &[], own).await.is_done());
        let token = "urn:uuid:00000000-0000-4000-8000-000000000000";
        let (coded, listed) = (format!("<{token}>"), format!("(<{token}>)"));
        let lock = format!(
            "<D:lockinfo {NS}><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockinfo>"
        );
        let set = format!("<D:propertyupdate {NS}><D:set><D:prop><K:x/></D:prop></D:set></D:propertyupdate>");
        let find = format!("<D:propfind {NS}><D:allprop/></D:propfind>");
        let no = ("If-Match", "\"none\"");
        // Each is about a name, whose path stands for PATH.
        let tries: [Try<'_>; 16] = [
            ("GET PATH", vec![], ""),
            ("GET PATH", vec![("Range", "bytes=0-9")], ""),
            ("GET PATH", vec![no], ""),
            ("HEAD PATH", vec![("If-None-Match", "*")], ""),
            ("PROPFIND PATH", vec![("Depth", "0")], &find),
            ("PROPPATCH PATH", vec![no], &set),
            ("PUT PATH", vec![no, ("Prefer", "return=representation")], own),
            ("PUT PATH", vec![("If", &listed)], own),
            ("DELETE PATH", vec![no], ""),
            ("UNLOCK PATH", vec![("Lock-Token", &coded)], ""),
            ("LOCK PATH", vec![("If", &listed)], ""),
            ("LOCK PATH", vec![no], &lock),
            ("COPY PATH", vec![no, ("Destination", "/dav/calendars/WHO/calendar/other.ics")], ""),
            ("MOVE PATH", vec![no, ("Destination", "/dav/calendars/WHO/calendar/other.ics")], ""),
            ("COPY MINE", vec![no, ("Destination", "PATH")], ""),
            ("MOVE MINE", vec![no, ("Destination", "PATH"), ("Overwrite", "F")], ""),
        ];
        let (line, headers, body) = self.dice.pick(&tries).clone();
        let mut answers = Vec::new();
        for name in [name, "m.free.0.m"] {
            let place = |text: &str| {
                let text = text.replace("PATH", &path(&calendar, name)).replace("MINE", &mine);
                text.replace("WHO", who)
            };
            let headers: Vec<(&str, String)> =
                headers.iter().map(|(name, value)| (*name, place(value))).collect();
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let answer = self.ask(who, &place(line), &headers, body).await;
            let told = words(&answer.text());
            let mut may = self.seen(name, who).unwrap_or_default();
            may.extend(self.things.get(name).and_then(|thing| thing.note(who, self.rights(who))));
            may.insert(name.to_owned());
            assert!(told.is_subset(&may), "{who} {line} {headers:?}: {}", answer.text());
            let varies = ["date", "x-request-id", "content-length"];
            let said = answer.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
            let said: Vec<String> = said.map(|(name, value)| format!("{name}: {value}")).collect();
            answers.push(format!("{} {said:?} {}", answer.status, answer.text()).replace(name, "NAME"));
        }
        // Who may make something there finds the name taken, where nothing else is wrong; here something is.
        if hidden {
            assert_eq!(answers[0], answers[1], "{who} ({:?}) {line} {headers:?}", self.rights(who));
        }
    }

    /// Whatever else tells of objects: nothing of what is not seen.
    async fn asks_around(&mut self, who: &str, name: &str) {
        let calendar = self.at(who);
        let uid = &self.things[name].octets.clone();
        let all = self.union(who, self.names(who));
        let notes = self.things.values().filter_map(|thing| thing.note(who, self.rights(who)));
        let mut may: BTreeSet<String> = all.into_iter().chain(notes).collect();
        may.insert(name.to_owned());
        let one = path(&calendar, name);
        let find = format!("<D:propfind {NS}><D:allprop/></D:propfind>");
        let expand = format!(
            "<D:expand-property {NS}><D:property name=\"owner\"><D:property name=\"displayname\"/></D:property>\
             <D:property name=\"lockdiscovery\"/><D:property name=\"quota-used-bytes\"/></D:expand-property>"
        );
        let matching = format!(
            "<D:principal-match {NS}><D:principal-property><D:owner/></D:principal-property></D:principal-match>"
        );
        let multiput = format!(
            "<M:multiput {NS} xmlns:M=\"http://me.com/_namespace/\"><M:resource><D:href>{one}</D:href><M:if-match><D:getetag>none</D:getetag>\
             </M:if-match><M:delete/></M:resource></M:multiput>"
        );
        let filter = format!(
            "<C:calendar-query {NS}><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\"><C:comp-filter name=\"VEVENT\">\
             <C:prop-filter name=\"CLASS\"><C:text-match negate-condition=\"yes\">PUBLIC</C:text-match></C:prop-filter>\
             </C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        let quota = format!("<D:propfind {NS}><D:prop><D:quota-used-bytes/></D:prop></D:propfind>");
        let xml = [("Content-Type", "application/xml")];
        let asked: [Asked<'_>; 12] = [
            (format!("PROPFIND {calendar}"), &[("Depth", "1")], &find),
            ("PROPFIND /dav/calendars/alice/".to_owned(), &[("Depth", "1")], &find),
            (format!("PROPFIND /dav/calendars/{who}/"), &[("Depth", "1")], &find),
            ("PROPFIND /dav/calendars/alice/notifications/".to_owned(), &[("Depth", "1")], &find),
            (format!("REPORT {calendar}"), &[], &expand),
            (format!("REPORT {calendar}"), &[], &matching),
            (format!("REPORT {calendar}"), &[], &filter),
            (format!("REPORT {one}"), &[], &filter),
            (format!("POST {calendar}"), &xml, &multiput),
            (format!("POST {calendar}"), &[("Content-Type", "text/calendar"), ("If-Match", "\"none\"")], uid),
            ("GET /dav/calendars/alice/freebusy/?start=20260601T000000Z&period=P30D".to_owned(), &[], ""),
            (format!("GET {calendar}?export&expand=1&start=20260601T000000Z&end=20260630T000000Z"), &[], ""),
        ];
        let (line, headers, body) = self.dice.pick(&asked).clone();
        let answer = self.ask(who, &line, headers, body).await;
        let told = words(&answer.text());
        // Whoever sent an object is told its UID again.
        let sent = words(body);
        let surplus: Vec<&String> =
            told.iter().filter(|word| !may.contains(*word) && !sent.contains(*word)).collect();
        assert!(surplus.is_empty(), "{who} ({:?}) {line} {surplus:?}: {}", self.rights(who), answer.text());
        // What all objects take tells of those that are not seen.
        let answer = self.ask(who, &format!("PROPFIND {calendar}"), &[("Depth", "0")], &quota).await;
        let counts = who == "alice" || self.rights(who).sees_all();
        assert_eq!(answer.text().contains("<D:quota-used-bytes>"), counts, "{}", answer.text());
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
