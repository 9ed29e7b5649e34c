//! Who is there, what they have made and been granted, and what they do to change it, each step told to the model as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use uuid::Uuid;

use crate::{
    dice::Dice,
    reference::{Grant, List, Lists, Rights, Thing, made, word, words},
    server::{Answer, Client, Server},
    support::sql,
};

pub const HOME: &str = "/dav/calendars/alice/";
pub const CALENDAR: &str = "/dav/calendars/alice/team/";
pub const TRASH: &str = "/dav/calendars/alice/trash/";
pub const NS: &str = "xmlns:D=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:CS=\"http://calendarserver.org/ns/\" \
     xmlns:K=\"urn:x-kalends\"";
pub const OTHERS: [&str; 3] = ["bob", "carol", "dave"];
const GROUPS: [&str; 2] = ["red", "blue"];

/// How the people sign in: by the proxy, or with a password that reaches as far as its name says (docs/decisions/0033).
const FACES: [&str; 12] = [
    "alice",
    "bob",
    "carol",
    "dave",
    "alice/k1/ro/*",
    "alice/k2/rw/team",
    "bob/k3/ro/*",
    "bob/k4/ro/team",
    "carol/k5/rw/*",
    "carol/k6/rw/team",
    "dave/k7/ro/own",
    "dave/k8/rw/team/own",
];

/// What somebody deleted, as the trash has it.
#[derive(Clone)]
pub struct Deleted {
    pub name: String,
    pub thing: Thing,
}

pub struct World {
    pub dice: Dice,
    clients: BTreeMap<String, Client>,
    pub lists: Lists,
    pub things: BTreeMap<String, Thing>,
    /// What was deleted, the last one last.
    pub trash: Vec<Deleted>,
    /// What each who synchronises has: the token, and the names.
    pub replicas: BTreeMap<String, (String, BTreeSet<String>)>,
    /// Those of them from before the lists became others.
    pub ruled: BTreeSet<String>,
    /// Names of objects that nobody but the owner has ever seen.
    pub never_seen: BTreeSet<String>,
    /// Words that each of the others has ever seen.
    pub ever_seen: BTreeMap<String, BTreeSet<String>>,
    /// Names of objects that were deleted.
    buried: BTreeSet<String>,
    count: u64,
    pub requests: u64,
    /// How often each thing was done that a run must not do without.
    done: BTreeMap<&'static str, u64>,
}

pub fn path(calendar: &str, name: &str) -> String {
    format!("{calendar}{name}.ics")
}

/// Who has this face.
pub fn person(face: &str) -> &str {
    face.split('/').next().unwrap_or_default()
}

/// Whether all but some calendars of their own home is not there for the face.
pub fn confined(face: &str) -> bool {
    face.contains('/') && !face.ends_with("/*")
}

/// Whether the face may change anything.
pub fn changes(face: &str) -> bool {
    !face.contains("/ro/")
}

impl World {
    pub async fn new(server: &Server, seed: u64) -> Self {
        let mut clients = BTreeMap::new();
        for who in FACES.iter().filter(|face| !face.contains('/')) {
            let client = server.client(who).await.always("X-Forwarded-Auth-Type", "session");
            clients.insert((*who).to_owned(), client);
        }
        let groups = OTHERS.map(|who| (who.to_owned(), BTreeSet::new())).into();
        let mut world = Self {
            dice: Dice(seed),
            clients,
            lists: Lists { groups, ..Lists::default() },
            things: BTreeMap::new(),
            trash: Vec::new(),
            replicas: BTreeMap::new(),
            ruled: BTreeSet::new(),
            never_seen: BTreeSet::new(),
            ever_seen: BTreeMap::new(),
            buried: BTreeSet::new(),
            count: 0,
            requests: 0,
            done: BTreeMap::new(),
        };
        for (who, name) in [("alice", "team"), ("bob", "own"), ("carol", "own"), ("dave", "own")] {
            let line = format!("MKCALENDAR /dav/calendars/{who}/{name}/");
            assert_eq!(world.ask(who, &line, &[], "").await.status, 201);
        }
        for face in FACES.iter().filter(|face| face.contains('/')) {
            world.let_in(server, face).await;
        }
        world
    }

    /// A password is of somebody who has come, and names what stays of them whatever they are called.
    async fn let_in(&mut self, server: &Server, face: &str) {
        let (who, reaches) = face.split_once('/').unwrap();
        let find = sql("SELECT key FROM home_state JOIN principal ON id = home_id WHERE name = $1");
        let key: Uuid = server.db.pool.row(&find, &[&who]).await.unwrap().at(0).unwrap();
        let client = server.client(&format!("{who}/{key}/{reaches}")).await;
        self.clients.insert(face.to_owned(), client.always("X-Forwarded-Auth-Type", "password"));
        let answer = self.ask(face, "OPTIONS /dav/", &[], "").await;
        assert_eq!(answer.status, 200, "{face}: {}", answer.text());
    }

    pub async fn ask(&mut self, face: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.requests += 1;
        let groups = self
            .lists
            .groups
            .get(face)
            .map(|groups| groups.iter().map(String::as_str).collect::<Vec<_>>().join(","));
        let mut all = headers.to_vec();
        all.extend(groups.as_deref().map(|groups| ("X-Forwarded-Groups", groups)));
        let answer = self.clients.get_mut(face).unwrap().ask(line, &all, body).await;
        assert!(answer.status < 500, "{face} {line}\n{body}\n{}", answer.text());
        answer
    }

    /// Notes that something was done, which a run that never does it would not have tried.
    pub fn note(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// A generator that has come to do only half of what it is for finds nothing, and would not be missed.
    pub fn has_done_everything(&self) {
        for what in [
            "by a group",
            "by a delegate",
            "by both",
            "a task",
            "an entry of a journal",
            "in part",
            "hidden",
            "out of a trash",
            "back from the trash",
            "by a password",
            "by a password for it alone",
            "by a password for something else",
            "told",
        ] {
            assert!(self.done.get(what).is_some_and(|times| *times > 2), "{what}: {:?}", self.done);
        }
    }

    // ---- what is known ----

    /// What the face may do in the calendar.
    pub fn rights(&self, face: &str) -> Rights {
        let rights = self.lists.of_calendar(person(face));
        if changes(face) { rights } else { rights.reading() }
    }

    /// What the face may do in the home.
    pub fn rights_in_home(&self, face: &str) -> Rights {
        let rights = self.lists.of_home(person(face));
        if changes(face) { rights } else { rights.reading() }
    }

    pub fn seen(&self, name: &str, face: &str) -> Option<BTreeSet<String>> {
        self.things.get(name)?.seen(name, person(face), &self.rights(face))
    }

    pub fn names(&self, face: &str) -> BTreeSet<String> {
        self.things.keys().filter(|name| self.seen(name, face).is_some()).cloned().collect()
    }

    /// Where the calendar is in the home of the face, if it is there.
    pub fn place(&self, face: &str) -> Option<String> {
        let who = person(face);
        let here = who == "alice" || self.lists.appears(who);
        (here && !face.ends_with("/ro/own")).then(|| format!("/dav/calendars/{who}/team/"))
    }

    /// The calendar as somebody names it: at its owner's or, where they see it there, in their own home.
    pub fn at(&mut self, face: &str) -> String {
        let place = self.place(face);
        let own = confined(face) || self.dice.one_in(2);
        place.filter(|_| own).unwrap_or_else(|| CALENDAR.to_owned())
    }

    pub fn someone(&mut self) -> String {
        let of = if self.dice.one_in(4) { &FACES[..] } else { &FACES[..4] };
        (*self.dice.pick(of)).to_owned()
    }

    pub fn some_name(&mut self) -> Option<String> {
        let names: Vec<String> = self.things.keys().cloned().collect();
        if names.is_empty() { None } else { Some(self.dice.pick(&names).clone()) }
    }

    fn remember(&mut self) {
        for who in OTHERS {
            let names = self.names(who);
            self.never_seen.retain(|name| !names.contains(name));
            let words: Vec<String> = names.iter().filter_map(|name| self.seen(name, who)).flatten().collect();
            self.ever_seen.entry(who.to_owned()).or_default().extend(words);
        }
    }

    /// Takes over other lists: what is not seen in somebody's home any more, nothing is kept of; tokens do not tell of rights.
    fn rule(&mut self, lists: Lists) {
        for who in OTHERS {
            if self.lists.appears(who) && !lists.appears(who) {
                self.things.values_mut().for_each(|thing| drop(thing.alarms.remove(who)));
            }
            if self.lists.of_calendar(who) != lists.of_calendar(who)
                || self.lists.appears(who) != lists.appears(who)
            {
                self.replicas.retain(|face, _| person(face) != who);
            }
        }
        self.ruled = self.replicas.keys().cloned().collect();
        self.lists = lists;
        self.remember();
    }

    // ---- what its owner does ----

    pub async fn owner_acts(&mut self) {
        let act = self.dice.below(15);
        match act {
            0 => return self.grant().await,
            1 => return self.grant_home().await,
            2 => return self.appoint().await,
            3 => {
                let who = *self.dice.pick(&OTHERS);
                return self.regroup(who).await;
            }
            4 | 5 => return self.owner_describes(act == 4).await,
            _ => {}
        }
        self.count += 1;
        let known = self.some_name();
        if act <= 7 && self.things.len() > 3 || self.things.len() > 10 {
            return self.deletes("alice", &known.unwrap()).await;
        }
        let buried: Vec<String> = self.buried.iter().cloned().collect();
        let name = match known {
            Some(name) if act <= 9 => name,
            // A name that something else had, which others may have seen.
            _ if act <= 11 && !buried.is_empty() => self.dice.pick(&buried).clone(),
            _ => word("name", self.count),
        };
        let before = self.things.remove(&name);
        let mut new = made(&mut self.dice, &name, self.count);
        while before.as_ref().is_some_and(|before| before.what != new.what) {
            new = made(&mut self.dice, &name, self.count);
        }
        let answer = self.ask("alice", &format!("PUT {}", path(CALENDAR, &name)), &[], &new.octets).await;
        assert!(answer.is_done(), "{}\n{}", answer.text(), new.octets);
        assert!(answer.header("etag").is_some());
        if before.is_none() && !self.buried.remove(&name) {
            self.never_seen.insert(name.clone());
        }
        if let Some(before) = before {
            new.note = before.note;
            new.alarms.extend(before.alarms.into_iter().filter(|(who, _)| who != "alice"));
        }
        self.things.insert(name, new);
        self.remember();
    }

    async fn deletes(&mut self, face: &str, name: &str) {
        let calendar = self.at(face);
        let answer = self.ask(face, &format!("DELETE {}", path(&calendar, name)), &[], "").await;
        assert_eq!(answer.status, 204, "{face} {name}: {}", answer.text());
        let mut thing = self.things.remove(name).unwrap();
        // What is kept beside it goes, and what others had of their own.
        thing.note = None;
        thing.alarms.retain(|who, _| who == "alice");
        self.trash.push(Deleted { name: name.to_owned(), thing });
        self.buried.insert(name.to_owned());
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
        for who in OTHERS.iter().filter(|who| self.seen(&name, who).is_some()).copied().collect::<Vec<_>>() {
            self.ever_seen.entry(who.to_owned()).or_default().insert(other.clone());
        }
        for (from, to) in [(&name, &other), (&other, &name)] {
            let line = format!("MOVE {}", path(CALENDAR, from));
            let to = path(CALENDAR, to);
            assert_eq!(self.ask("alice", &line, &[("Destination", &to)], "").await.status, 201);
        }
    }

    /// A list with an entry for some of those who can be named.
    fn made_list(&mut self, none_in: u64) -> List {
        let mut list = List::new();
        for key in self.lists.named() {
            let grant = *self.dice.pick(&Grant::ALL);
            if grant != Grant::None && !self.dice.one_in(none_in) {
                list.insert(key, grant);
            }
        }
        list
    }

    async fn set_list(&mut self, at: &str, list: &List) {
        let mut aces = String::new();
        for (key, grant) in list {
            write!(
                aces,
                "<D:ace><D:principal><D:href>/dav/principals/{key}/</D:href></D:principal><D:grant>"
            )
            .unwrap();
            for privilege in grant.privileges() {
                write!(aces, "<D:privilege><{privilege}/></D:privilege>").unwrap();
            }
            aces += "</D:grant></D:ace>";
        }
        let body = format!("<D:acl {NS}>{aces}</D:acl>");
        let answer = self.ask("alice", &format!("ACL {at}"), &[], &body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    }

    pub async fn grant(&mut self) {
        let list = self.made_list(3);
        self.set_list(CALENDAR, &list).await;
        self.rule(Lists { calendar: list, ..self.lists.clone() });
    }

    async fn grant_home(&mut self) {
        let list = self.made_list(2);
        self.set_list(HOME, &list).await;
        self.rule(Lists { home: list, ..self.lists.clone() });
    }

    /// Delegates of both ranks: some who write, then some who read.
    async fn appoint(&mut self) {
        let (mut lists, all) = (self.lists.clone(), self.lists.named());
        let (mut write, mut read) = (Vec::new(), Vec::new());
        for key in all {
            match self.dice.below(5) {
                0 => write.push(key),
                1 => read.push(key),
                _ => {}
            }
        }
        for (rank, writes, members) in [("write", true, write), ("read", false, read)] {
            let hrefs: Vec<String> =
                members.iter().map(|key| format!("<D:href>/dav/principals/{key}/</D:href>")).collect();
            let body = format!(
                "<D:propertyupdate {NS}><D:set><D:prop><D:group-member-set>{}</D:group-member-set></D:prop></D:set>\
                 </D:propertyupdate>",
                hrefs.concat()
            );
            let line = format!("PROPPATCH /dav/principals/alice/calendar-proxy-{rank}/");
            let answer = self.ask("alice", &line, &[], &body).await;
            assert!(answer.status == 207 && answer.text().contains("200 OK"), "{body}: {}", answer.text());
            lists.appoint(writes, &members);
        }
        self.rule(lists);
    }

    /// The proxy tells other groups of somebody.
    async fn regroup(&mut self, who: &str) {
        let groups: Vec<&str> = GROUPS.into_iter().filter(|_| self.dice.one_in(2)).collect();
        let told = groups.join(",");
        self.requests += 1;
        let client = self.clients.get_mut(who).unwrap();
        let answer = client.ask("OPTIONS /dav/", &[("X-Forwarded-Groups", &told)], "").await;
        assert_eq!(answer.status, 200);
        let mut lists = self.lists.clone();
        lists.groups.insert(who.to_owned(), groups.into_iter().map(str::to_owned).collect());
        self.rule(lists);
    }

    // ---- what others do ----

    pub async fn other_acts(&mut self, who: &str) {
        let Some(name) = self.some_name() else { return };
        let rights = self.rights(who);
        match self.dice.below(8) {
            0 if rights.writes() && self.seen(&name, who).is_some() => self.deletes(who, &name).await,
            1 => self.restores().await,
            2 | 3 => self.watches(who).await,
            _ => self.other_writes(who, &name).await,
        }
    }

    /// Somebody puts an alarm of their own into what they read, and what they may not write over stays.
    async fn other_writes(&mut self, who: &str, name: &str) {
        let face = if who == "carol" && self.dice.one_in(3) { "carol/k5/rw/*" } else { who };
        let calendar = self.at(face);
        let (line, rights) = (format!("PUT {}", path(&calendar, name)), self.rights(face));
        self.count += 1;
        let thing = self.things[name].clone();
        let text = word("alarm", self.count);
        let octets = match self.ask(face, &format!("GET {}", path(&calendar, name)), &[], "").await {
            answer if answer.status == 200 => answer.text(),
            _ => thing.octets.clone(),
        };
        let mut sent = thing.with_alarm(&octets, &text);
        // Half of the time what is everybody's is another as well; what has no alarms has nothing else.
        let shared =
            (self.dice.one_in(2) || !thing.what.reminds()).then(|| format!("SEQUENCE:{}\r\n", self.count));
        if let Some(line) = &shared {
            // The alarm stands last.
            sent = thing.with_alarm(&thing.with_sequence(&sent, line), &text);
        }
        let answer = self.ask(face, &line, &[], &sent).await;
        if !(rights.writes() && thing.is_whole(who, &rights)) {
            assert!([403, 404].contains(&answer.status), "{face} {rights:?} {line}: {}", answer.status);
            let told = words(&answer.text());
            let known = thing.seen(name, who, &rights).unwrap_or_default();
            let own = BTreeSet::from([name.to_owned()]);
            assert!(told.is_subset(&known) || told.is_subset(&own), "{face} {line}: {}", answer.text());
            return;
        }
        assert_eq!(answer.status, 204, "{face} {rights:?} {line}: {}", answer.text());
        let told = answer.header("etag").map(str::to_owned);
        let now = self.ask(face, &format!("GET {}", path(&calendar, name)), &[], "").await;
        if let Some(told) = told {
            assert_eq!((now.header("etag"), now.text()), (Some(told.as_str()), sent));
        }
        let thing = self.things.get_mut(name).unwrap();
        if thing.what.reminds() {
            thing.alarms.insert(who.to_owned(), text);
        }
        let (kept, wanted) = (thing.octets.clone(), thing.seen(name, "alice", &Rights::default()).unwrap());
        let now = self.ask("alice", &format!("GET {}", path(CALENDAR, name)), &[], "").await.text();
        let Some(line) = shared else {
            // Nothing but the sender's own was changed: the owner's octets are the owner's.
            return assert_eq!(now, kept);
        };
        // What is everybody's is what was sent; what is the owner's own is the owner's.
        assert!(now.contains(&line), "{now}");
        assert_eq!(words(&now), wanted, "{face} {now}");
        self.things.get_mut(name).unwrap().octets = now;
    }

    /// Somebody takes something back out of the trash, or its owner empties it.
    async fn restores(&mut self) {
        if self.trash.len() > 12 || self.dice.one_in(12) {
            let emptied = self.ask("alice", &format!("POST {HOME}?action=emptytrash"), &[], "").await;
            assert_eq!(emptied.status, 204);
            return self.trash.clear();
        }
        let entries = self.entries("alice").await;
        assert_eq!(entries.len(), self.trash.len());
        let free = |at: &usize| !self.things.contains_key(&self.trash[*at].name);
        let all: Vec<usize> = (0..self.trash.len()).filter(free).collect();
        if all.is_empty() {
            return;
        }
        let nth = *self.dice.pick(&all);
        let Deleted { name, thing } = self.trash[nth].clone();
        let face = *self.dice.pick(&["alice", "bob", "carol", "dave", "alice/k1/ro/*", "alice/k2/rw/team"]);
        let rights = self.rights_in_home(face);
        let may = face == "alice"
            || face != "alice/k2/rw/team" && rights.writes() && thing.is_whole(person(face), &rights);
        let to = path(CALENDAR, &name);
        // The last one comes first.
        let line = format!("MOVE {}", entries[entries.len() - 1 - nth].0);
        let answer = self.ask(face, &line, &[("Destination", &to)], "").await;
        if !may {
            assert!([403, 404].contains(&answer.status), "{face} {line}: {}", answer.status);
            assert!(words(&answer.text()).is_subset(&BTreeSet::from([name])), "{}", answer.text());
            return;
        }
        assert_eq!(answer.status, 201, "{face} {line}: {}", answer.text());
        self.note("back from the trash");
        self.trash.remove(nth);
        self.buried.remove(&name);
        let now = self.ask("alice", &format!("GET {to}"), &[], "").await.text();
        assert_eq!(now, thing.octets, "{face} {line}");
        self.things.insert(name, thing);
        self.remember();
    }

    /// Somebody wants to be told of what others do.
    async fn watches(&mut self, who: &str) {
        let body = format!(
            "<D:propertyupdate {NS}><D:set><D:prop><CS:notify-changes><CS:true/></CS:notify-changes></D:prop></D:set>\
             </D:propertyupdate>"
        );
        let calendar = self.at(who);
        let answer = self.ask(who, &format!("PROPPATCH {calendar}"), &[], &body).await;
        assert_eq!(answer.status == 207, self.rights(who).reads(), "{who}: {}", answer.text());
    }
}
