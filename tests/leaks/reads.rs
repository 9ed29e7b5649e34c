//! Every way to read, and what tells of objects beside them, each answer held against what the model says.

use std::collections::BTreeSet;

use crate::{
    reference::{Level, What, word, words},
    server::Answer,
    world::{CALENDAR, HOME, NS, TRASH, World, changes, confined, path, person},
};

/// An event of whoever tries something.
const MINE: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:mine\r\nDTSTAMP:20260101T000000Z\r\n\
     DTSTART:20260101T090000Z\r\nSUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

/// A line, with what stands for a path in it, headers, and a body.
type Try<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str);
/// A line, headers, and a body.
type Asked<'a> = (String, &'a [(&'a str, &'a str)], &'a str);

impl World {
    fn check(&self, face: &str, what: &str, answer: &Answer, wanted: &BTreeSet<String>) {
        let told = words(&answer.text());
        assert_eq!(
            told,
            *wanted,
            "{face} ({:?}) {what}: {}\n{}",
            self.rights(face),
            answer.status,
            answer.text()
        );
    }

    fn union(&self, face: &str, names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        names.into_iter().filter_map(|name| self.seen(&name, face)).flatten().collect()
    }

    pub async fn reads(&mut self, face: &str) {
        let Some(name) = self.some_name() else { return };
        self.tally(face, &name);
        let there = if confined(face) { self.place(face).is_some() } else { true };
        if confined(face) && (!there || self.dice.one_in(3)) {
            return self.is_not_there(face, &name).await;
        }
        let ways = if confined(face) { 9 } else { 17 };
        match self.dice.below(ways) {
            0 | 1 => self.one(face, &name).await,
            2 => self.listing(face, &name).await,
            3 => self.multiget(face).await,
            4 => self.query(face, &name).await,
            5 => self.times(face).await,
            6 => self.exports(face).await,
            7 | 8 => self.sync(face).await,
            9 => self.sync_home(face).await,
            10 => self.guesses(face, &name).await,
            11 | 12 => self.asks_around(face, &name).await,
            13 => self.copies(face, &name).await,
            14 => self.looks_into_the_trash(face).await,
            _ => self.is_told(face).await,
        }
    }

    /// Notes by what somebody sees what.
    fn tally(&mut self, face: &str, name: &str) {
        let (who, thing) = (person(face).to_owned(), self.things[name].clone());
        let list = &self.lists;
        let of_group = !list.calendar.contains_key(&who) && !list.home.contains_key(&who);
        let (whole, by_home) = (list.of_calendar(&who), list.of_home(&who));
        let (grouped, delegated) = (of_group && whole.reads(), by_home.reads() && !list.appears(&who));
        let both = by_home.reads() && list.appears(&who);
        let seen = self.seen(name, face);
        let part = seen.is_some() && !thing.is_whole(&who, &self.rights(face));
        for (holds, what) in [
            (grouped, "by a group"),
            (delegated, "by a delegate"),
            (both, "by both"),
            (seen.is_some() && thing.what == What::Todo, "a task"),
            (seen.is_some() && thing.what == What::Journal, "an entry of a journal"),
            (part, "in part"),
            (whole.reads() && seen.is_none() && thing.level == Level::Private, "hidden"),
            (face.ends_with("/*"), "by a password"),
            (confined(face) && self.place(face).is_some(), "by a password for it alone"),
            (confined(face) && self.place(face).is_none(), "by a password for something else"),
        ] {
            if holds && (who != "alice" || what.starts_with("by a password")) {
                self.note(what);
            }
        }
    }

    async fn one(&mut self, face: &str, name: &str) {
        let calendar = self.at(face);
        let seen = self.seen(name, face);
        let accept = *self.dice.pick(&["*/*", "application/calendar+json", "application/calendar+xml"]);
        let line = format!("GET {}", path(&calendar, name));
        let answer = self.ask(face, &line, &[("Accept", accept)], "").await;
        let Some(seen) = seen else {
            assert!([403, 404].contains(&answer.status), "{face} GET {name}: {}", answer.status);
            let own = BTreeSet::from([name.to_owned()]);
            assert!(words(&answer.text()).is_subset(&own), "{}", answer.text());
            let head = self.ask(face, &format!("HEAD {}", path(&calendar, name)), &[], "").await;
            assert_eq!((head.status, head.header("etag")), (answer.status, None));
            return;
        };
        assert_eq!(answer.status, 200, "{face} {line}");
        let mut told = words(&answer.text());
        told.insert(name.to_owned());
        assert_eq!(told, seen, "{face} GET {name} as {accept}: {}", answer.text());
        let tag = answer.header("etag").unwrap().to_owned();
        let headers = [("Accept", accept), ("If-None-Match", tag.as_str())];
        assert_eq!(self.ask(face, &line, &headers, "").await.status, 304);
        let line = format!("HEAD {}", path(&calendar, name));
        let head = self.ask(face, &line, &[("Accept", accept)], "").await;
        assert_eq!(head.header("content-length").unwrap(), answer.body.len().to_string());
    }

    async fn listing(&mut self, face: &str, name: &str) {
        let calendar = self.at(face);
        let ask = "<D:prop><D:getetag/><D:getcontentlength/></D:prop>";
        let note = "<D:prop><K:note/><D:getetag/></D:prop>";
        let props =
            *self.dice.pick(&[ask, note, "<D:allprop/>", "<D:propname/>", "<D:prop><D:getetag/></D:prop>"]);
        let tells = |told: &World, name: &String| {
            let thing = told.things.get(name).filter(|_| [note, "<D:allprop/>"].contains(&props));
            thing.and_then(|thing| thing.note(person(face), &told.rights(face)))
        };
        let body = format!("<D:propfind {NS}>{props}</D:propfind>");
        let of_one = self.dice.one_in(3);
        let (at, depth) = if of_one { (path(&calendar, name), "0") } else { (calendar.clone(), "1") };
        let answer = self.ask(face, &format!("PROPFIND {at}"), &[("Depth", depth)], &body).await;
        if of_one && self.seen(name, face).is_none() {
            assert!([403, 404].contains(&answer.status), "{}", answer.status);
        } else if of_one {
            let wanted = [name.to_owned()].into_iter().chain(tells(self, &name.to_owned())).collect();
            self.check(face, props, &answer, &wanted);
        } else {
            let mut wanted = self.names(face);
            wanted.extend(self.names(face).iter().filter_map(|name| tells(self, name)));
            self.check(face, props, &answer, &wanted);
        }
        if props == ask && answer.status == 207 && self.seen(name, face).is_some() {
            let got = self.ask(face, &format!("GET {}", path(&calendar, name)), &[], "").await;
            let text = answer.text();
            let of = text.split("<D:response>").find(|part| part.contains(name)).unwrap();
            assert!(of.contains(got.header("etag").unwrap().trim_matches('"')), "{of}");
            assert!(of.contains(&format!("getcontentlength>{}<", got.body.len())), "{of}");
        }
    }

    async fn multiget(&mut self, face: &str) {
        let calendar = self.at(face);
        let all: Vec<String> = self.things.keys().cloned().collect();
        let names: Vec<String> = all.into_iter().filter(|_| self.dice.one_in(2)).collect();
        let hrefs: Vec<String> =
            names.iter().map(|name| format!("<D:href>{}</D:href>", path(&calendar, name))).collect();
        let body = format!(
            "<C:calendar-multiget {NS}><D:prop><D:getetag/><C:calendar-data/></D:prop>{}</C:calendar-multiget>",
            hrefs.concat()
        );
        let answer = self.ask(face, &format!("REPORT {calendar}"), &[], &body).await;
        if !self.may_search(face) {
            return assert_eq!(answer.status, 403);
        }
        // The names that were asked for are told again, with a 404.
        let mut wanted = self.union(face, names.iter().cloned());
        wanted.extend(names);
        self.check(face, &body, &answer, &wanted);
    }

    /// Whether reports are answered.
    fn may_search(&self, face: &str) -> bool {
        person(face) == "alice" || self.rights(face).reads()
    }

    async fn query(&mut self, face: &str, name: &str) {
        let calendar = self.at(face);
        let thing = self.things[name].clone();
        let (number, kind) = (thing.number, thing.what.name());
        let text = |property: &str, text: &str| {
            format!("<C:prop-filter name=\"{property}\"><C:text-match>{text}</C:text-match></C:prop-filter>")
        };
        let alarm = self.dice.pick(&["alice", "bob", "carol", "dave"]);
        let filters = [
            (text("SUMMARY", &word("title", number)), word("title", number)),
            (text("LOCATION", &word("place", number)), word("place", number)),
            (text("DESCRIPTION", &word("words", number)), word("words", number)),
            (text("ATTENDEE", &word("guest", number)), word("guest", number)),
            (text("COMMENT", &word("other", number)), word("other", number)),
            (text("UID", name), name.to_owned()),
        ];
        let (filter, needed) = match thing.alarms.get(*alarm) {
            Some(word) if self.dice.one_in(2) => {
                let inside = text("DESCRIPTION", word);
                (format!("<C:comp-filter name=\"VALARM\">{inside}</C:comp-filter>"), word.clone())
            }
            _ => self.dice.pick(&filters).clone(),
        };
        let data = if self.dice.one_in(2) { "<C:calendar-data/>" } else { "" };
        let body = format!(
            "<C:calendar-query {NS}><D:prop><D:getetag/>{data}</D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
             <C:comp-filter name=\"{kind}\">{filter}</C:comp-filter></C:comp-filter></C:filter></C:calendar-query>"
        );
        let answer = self.ask(face, &format!("REPORT {calendar}"), &[], &body).await;
        if !self.may_search(face) {
            return assert_eq!(answer.status, 403);
        }
        let seen = self.seen(name, face).filter(|seen| seen.contains(&needed)).unwrap_or_default();
        let wanted =
            if data.is_empty() { seen.into_iter().filter(|word| word == name).collect() } else { seen };
        self.check(face, &body, &answer, &wanted);
    }

    async fn times(&mut self, face: &str) {
        let calendar = self.at(face);
        let (day, kind) = (self.dice.below(23) + 1, *self.dice.pick(&What::ALL));
        let range = format!("start=\"202606{day:02}T000000Z\" end=\"202606{:02}T000000Z\"", day + 1);
        let expand = self.dice.one_in(2);
        let data = if expand {
            format!("<C:calendar-data><C:expand {range}/></C:calendar-data>")
        } else {
            String::new()
        };
        let body = format!(
            "<C:calendar-query {NS}><D:prop>{data}<D:getetag/></D:prop><C:filter><C:comp-filter name=\"VCALENDAR\">\
             <C:comp-filter name=\"{}\"><C:time-range {range}/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>",
            kind.name()
        );
        let answer = self.ask(face, &format!("REPORT {calendar}"), &[], &body).await;
        let busy = format!("<C:free-busy-query {NS}><C:time-range {range}/></C:free-busy-query>");
        let free = self.ask(face, &format!("REPORT {calendar}"), &[], &busy).await;
        assert!(words(&free.text()).is_empty(), "{}", free.text());
        let on = |kind: What| {
            let on = self.things.iter().filter(move |(_, thing)| thing.what == kind && thing.on(day));
            on.map(|(name, _)| name.clone()).collect::<Vec<String>>()
        };
        if person(face) == "alice" || self.rights(face).any() {
            assert_eq!(free.status, 200, "{face}");
            assert_eq!(free.text().contains("\nFREEBUSY"), !on(What::Event).is_empty(), "{}", free.text());
        } else {
            assert_eq!(free.status, 404);
        }
        if !self.may_search(face) {
            return assert_eq!(answer.status, 403);
        }
        let on = on(kind);
        let names: BTreeSet<String> =
            on.iter().filter(|name| self.seen(name, face).is_some()).cloned().collect();
        let told = words(&answer.text());
        let may = if expand { self.union(face, on) } else { names.clone() };
        assert!(told.is_superset(&names) && told.is_subset(&may), "{face} {body}: {}", answer.text());
    }

    async fn exports(&mut self, face: &str) {
        let calendar = self.at(face);
        let kind = *self.dice.pick(&What::ALL);
        let of_kind = format!("?export&componentType={}", kind.name());
        let query = *self.dice.pick(&["", "?export", "?export&accept=jcal", "?export&accept=xcal", &of_kind]);
        let answer = self.ask(face, &format!("GET {calendar}{query}"), &[], "").await;
        if !self.may_search(face) {
            return assert_eq!(answer.status, 403);
        }
        let mut names = self.names(face);
        names.retain(|name| query != of_kind || self.things[name].what == kind);
        let wanted = self.union(face, names);
        self.check(face, query, &answer, &wanted);
    }

    async fn sync(&mut self, face: &str) {
        let calendar = self.at(face);
        if !self.may_search(face) {
            return;
        }
        let (mut token, mut names) = self.replicas.remove(face).unwrap_or_default();
        let body = |token: &str| {
            format!(
                "<D:sync-collection {NS}><D:sync-token>{token}</D:sync-token><D:sync-level>1</D:sync-level>\
                 <D:prop><D:getetag/><C:calendar-data/></D:prop></D:sync-collection>"
            )
        };
        let mut answer = self.ask(face, &format!("REPORT {calendar}"), &[], &body(&token)).await;
        if self.ruled.remove(face) && answer.condition().as_deref() == Some("D:valid-sync-token") {
            // Others see what is private than did when the token was given.
            (token, names) = Default::default();
            answer = self.ask(face, &format!("REPORT {calendar}"), &[], &body("")).await;
        }
        assert_eq!(answer.status, 207, "{}", answer.text());
        let text = answer.text();
        for part in text.split("<D:response>").skip(1) {
            let (told, href) = (words(part), words(part.split("</D:href>").next().unwrap()));
            let name = href.first().unwrap().clone();
            if part.contains("<D:status>HTTP/1.1 404") && !part.contains("propstat") {
                let may = person(face) == "alice" || !self.never_seen.contains(&name);
                assert!(may, "{face} is told of {name}");
                names.remove(&name);
            } else {
                assert_eq!(Some(told), self.seen(&name, face), "{face}: {part}");
                names.insert(name);
            }
        }
        assert_eq!(names, self.names(face), "{face} since {token}: {text}");
        let next = text.split("<D:sync-token>").nth(1).unwrap().split('<').next().unwrap().to_owned();
        self.replicas.insert(face.to_owned(), (next, names));
    }

    async fn sync_home(&mut self, face: &str) {
        let who = person(face);
        let whose = if self.dice.one_in(2) { who } else { "alice" };
        let body = format!(
            "<D:sync-collection {NS}><D:sync-token/><D:sync-level>infinite</D:sync-level><D:prop><D:getetag/></D:prop>\
             </D:sync-collection>"
        );
        let answer = self.ask(face, &format!("REPORT /dav/calendars/{whose}/"), &[], &body).await;
        if whose == who && self.place(face).is_some() || whose == "alice" && self.rights_in_home(face).reads()
        {
            self.check(face, &body, &answer, &self.names(face));
        } else {
            assert!(words(&answer.text()).is_empty(), "{face} {whose}: {}", answer.text());
        }
    }

    /// What cannot be done, and must not tell what is there: of a private object as of nothing.
    async fn guesses(&mut self, face: &str, name: &str) {
        let who = person(face);
        if who == "alice" || !changes(face) {
            return;
        }
        let (calendar, hidden) = (self.at(face), self.seen(name, face).is_none());
        let mine = format!("/dav/calendars/{who}/own/mine.ics");
        let own = MINE;
        assert!(self.ask(face, &format!("PUT {mine}"), &[], own).await.is_done());
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
            ("COPY PATH", vec![no, ("Destination", "/dav/calendars/WHO/own/other.ics")], ""),
            ("MOVE PATH", vec![no, ("Destination", "/dav/calendars/WHO/own/other.ics")], ""),
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
            let answer = self.ask(face, &place(line), &headers, body).await;
            answers.push(self.told_of(face, name, &answer, line));
        }
        // Who may make something there finds the name taken, where nothing else is wrong; here something is.
        if hidden {
            assert_eq!(answers[0], answers[1], "{face} ({:?}) {line} {headers:?}", self.rights(face));
        }
    }

    /// All that an answer says, but for what is another in each, with the name taken out; nothing of it is too much.
    fn told_of(&self, face: &str, name: &str, answer: &Answer, line: &str) -> String {
        let told = words(&answer.text());
        let mut may = self.seen(name, face).unwrap_or_default();
        may.extend(self.things.get(name).and_then(|thing| thing.note(person(face), &self.rights(face))));
        may.insert(name.to_owned());
        assert!(told.is_subset(&may), "{face} {line}: {}", answer.text());
        let varies = ["date", "x-request-id", "content-length"];
        let said = answer.headers.iter().filter(|(name, _)| !varies.contains(&name.as_str()));
        let said: Vec<String> = said.map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{} {said:?} {}", answer.status, answer.text()).replace(name, "NAME")
    }

    /// Whatever else tells of objects: nothing of what is not seen.
    async fn asks_around(&mut self, face: &str, name: &str) {
        let (who, calendar) = (person(face).to_owned(), self.at(face));
        let object = self.things[name].octets.clone();
        let all = self.union(face, self.names(face));
        let notes = self.things.values().filter_map(|thing| thing.note(&who, &self.rights(face)));
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
        let stream = [("Content-Type", "text/calendar"), ("If-Match", "\"none\"")];
        let asked: [Asked<'_>; 12] = [
            (format!("PROPFIND {calendar}"), &[("Depth", "1")], &find),
            (format!("PROPFIND {HOME}"), &[("Depth", "1")], &find),
            (format!("PROPFIND /dav/calendars/{who}/"), &[("Depth", "1")], &find),
            (format!("PROPFIND {HOME}notifications/"), &[("Depth", "1")], &find),
            (format!("REPORT {calendar}"), &[], &expand),
            (format!("REPORT {calendar}"), &[], &matching),
            (format!("REPORT {calendar}"), &[], &filter),
            (format!("REPORT {one}"), &[], &filter),
            (format!("POST {calendar}"), &xml, &multiput),
            (format!("POST {calendar}"), &stream, &object),
            (format!("GET {HOME}freebusy/?start=20260601T000000Z&period=P30D"), &[], ""),
            (format!("GET {calendar}?export&expand=1&start=20260601T000000Z&end=20260630T000000Z"), &[], ""),
        ];
        let (line, headers, body) = self.dice.pick(&asked).clone();
        let answer = self.ask(face, &line, headers, body).await;
        let told = words(&answer.text());
        // Whoever sent an object is told its UID again.
        let sent = words(body);
        let surplus: Vec<&String> =
            told.iter().filter(|word| !may.contains(*word) && !sent.contains(*word)).collect();
        assert!(surplus.is_empty(), "{face} ({:?}) {line} {surplus:?}: {}", self.rights(face), answer.text());
        // What all objects take tells of those that are not seen.
        let answer = self.ask(face, &format!("PROPFIND {calendar}"), &[("Depth", "0")], &quota).await;
        let counts = who == "alice" || self.rights(face).sees_all();
        assert_eq!(answer.text().contains("<D:quota-used-bytes>"), counts, "{face}: {}", answer.text());
    }

    async fn copies(&mut self, face: &str, name: &str) {
        let who = person(face);
        if who == "alice" || !changes(face) {
            return;
        }
        let calendar = self.at(face);
        let there = format!("/dav/calendars/{who}/own/copy.ics");
        let line = format!("COPY {}", path(&calendar, name));
        let answer = self.ask(face, &line, &[("Destination", &there)], "").await;
        let Some(mut seen) = self.seen(name, face) else {
            return assert!([403, 404].contains(&answer.status), "{face} {line}: {}", answer.status);
        };
        assert_eq!(answer.status, 201, "{}", answer.text());
        let copy = self.ask(face, &format!("GET {there}"), &[], "").await;
        seen.insert(name.to_owned());
        self.check(face, "of the copy", &copy, &seen);
        assert_eq!(self.ask(face, &format!("DELETE {there}"), &[], "").await.status, 204);
    }

    /// What lies in the trash of the home: the address of each, and the words that the list has of it.
    pub async fn entries(&mut self, face: &str) -> Vec<(String, BTreeSet<String>)> {
        let ask = *self.dice.pick(&["<D:prop><D:displayname/><K:deleted-from/></D:prop>", "<D:allprop/>"]);
        let ask = if ask == "<D:allprop/>" {
            format!("{ask}<D:include><D:displayname/><K:deleted-from/></D:include>")
        } else {
            ask.to_owned()
        };
        let body = format!("<D:propfind {NS}>{ask}</D:propfind>");
        let headers = [("Depth", "1"), ("Prefer", "depth-noroot")];
        let answer = self.ask(face, &format!("PROPFIND {TRASH}"), &headers, &body).await;
        assert_eq!(answer.status, 207, "{face}: {}", answer.text());
        let text = answer.text();
        let href = |part: &str| part.split(['<', '>']).nth(2).map(str::to_owned);
        text.split("<D:response>").skip(1).map(|part| (href(part).unwrap(), words(part))).collect()
    }

    async fn looks_into_the_trash(&mut self, face: &str) {
        let (who, rights) = (person(face).to_owned(), self.rights_in_home(face));
        let all = self.entries("alice").await;
        if who != "alice" && !rights.reads() {
            let listed = self.ask(face, &format!("PROPFIND {TRASH}"), &[("Depth", "1")], "").await;
            assert!(
                [403, 404].contains(&listed.status) && words(&listed.text()).is_empty(),
                "{}",
                listed.text()
            );
            for (href, _) in all.iter().take(2) {
                let got = self.ask(face, &format!("GET {href}"), &[], "").await;
                assert!([403, 404].contains(&got.status) && words(&got.text()).is_empty(), "{}", got.text());
            }
            return;
        }
        if !self.trash.is_empty() && who != "alice" {
            self.note("out of a trash");
        }
        // The last one comes first.
        let lying: Vec<_> = self.trash.iter().rev().cloned().zip(all).collect();
        let wanted: Vec<(String, BTreeSet<String>)> = lying
            .iter()
            .filter_map(|(one, (href, _))| Some((href.clone(), one.thing.listed(&one.name, &who, &rights)?)))
            .collect();
        assert_eq!(self.entries(face).await, wanted, "{face} ({rights:?})");
        for (one, (href, _)) in lying.iter().take(3) {
            let accept = *self.dice.pick(&["*/*", "application/calendar+json"]);
            let got = self.ask(face, &format!("GET {href}"), &[("Accept", accept)], "").await;
            let seen = one.thing.seen(&one.name, &who, &rights);
            let Some(seen) = seen else {
                assert!(got.status == 404 && words(&got.text()).is_empty(), "{face} {href}: {}", got.text());
                continue;
            };
            assert_eq!(got.status, 200, "{face} {href}: {}", got.text());
            let told = words(&got.text());
            assert_eq!(told, seen, "{face} {href} ({rights:?}): {}", got.text());
        }
    }

    /// What somebody is told of what others did names nothing that they never saw.
    async fn is_told(&mut self, face: &str) {
        let who = person(face).to_owned();
        let find = format!("<D:propfind {NS}><D:allprop/></D:propfind>");
        let at = format!("/dav/calendars/{who}/notifications/");
        let answer = self.ask(face, &format!("PROPFIND {at}"), &[("Depth", "1")], &find).await;
        assert_eq!(answer.status, 207);
        let known = self.ever_seen.get(&who).cloned().unwrap_or_default();
        let listed = answer.text();
        let hrefs = listed.split("<D:href>").skip(1).filter_map(|part| part.split('<').next());
        let hrefs: Vec<&str> = hrefs.filter(|href| href.starts_with(&at) && *href != at).collect();
        for href in hrefs {
            let text = self.ask(face, &format!("GET {href}"), &[], "").await.text();
            let told = words(&text);
            assert!(
                told.is_subset(&known),
                "{face} {:?}: {text}",
                told.difference(&known).collect::<Vec<_>>()
            );
            self.note("told");
            // What is not dealt with becomes a number, which tells no word.
            if changes(face) && self.dice.one_in(2) {
                assert_eq!(self.ask(face, &format!("DELETE {href}"), &[], "").await.status, 204);
            }
        }
    }

    /// What a password is not for is not there, whatever its owner may do with it.
    async fn is_not_there(&mut self, face: &str, name: &str) {
        let here = self.place(face);
        let mut places = vec![TRASH.to_owned(), HOME.to_owned(), format!("{HOME}freebusy")];
        if here.as_deref() != Some(CALENDAR) {
            places.extend([CALENDAR.to_owned(), path(CALENDAR, name)]);
        }
        if here.is_none() {
            let own = format!("/dav/calendars/{}/team/", person(face));
            places.extend([path(&own, name), own]);
        }
        // The home of their own is there, with what the password is for in it.
        places.retain(|place| *place != format!("/dav/calendars/{}/", person(face)));
        let place = self.dice.pick(&places).clone();
        let find = format!("<D:propfind {NS}><D:allprop/></D:propfind>");
        let sync = format!(
            "<D:sync-collection {NS}><D:sync-token/><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>"
        );
        let asked: [Asked<'_>; 6] = [
            (format!("GET {place}"), &[], ""),
            (format!("HEAD {place}"), &[], ""),
            (format!("PROPFIND {place}"), &[("Depth", "1")], &find),
            (format!("REPORT {place}"), &[], &sync),
            (format!("PUT {}", path(CALENDAR, name)), &[], MINE),
            (format!("DELETE {place}"), &[], ""),
        ];
        let (line, headers, body) = self.dice.pick(&asked).clone();
        if line.starts_with("PUT") && here.as_deref() == Some(CALENDAR) {
            return;
        }
        let answer = self.ask(face, &line, headers, body).await;
        assert!(
            [403, 404, 405].contains(&answer.status),
            "{face} {line}: {} {}",
            answer.status,
            answer.text()
        );
        let own = BTreeSet::from([name.to_owned()]);
        assert!(words(&answer.text()).is_subset(&own), "{face} {line}: {}", answer.text());
    }
}
