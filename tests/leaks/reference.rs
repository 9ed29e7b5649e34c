//! THE REFERENCE: objects of every kind and level that are made up, which of the words in them are for whose eyes, and who may do
//! what by which lists. Nothing here asks the server, or uses any of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;

/// What an entry of a list grants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Grant {
    None,
    FreeBusy,
    Read,
    Write,
    Trusted,
    All,
}

impl Grant {
    pub const ALL: [Self; 6] =
        [Self::None, Self::FreeBusy, Self::Read, Self::Write, Self::Trusted, Self::All];

    pub const fn privileges(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::FreeBusy => &["C:read-free-busy"],
            Self::Read => &["D:read"],
            Self::Write => &["D:read", "D:write"],
            Self::Trusted => &["D:read", "K:read-private"],
            Self::All => &["D:all"],
        }
    }

    /// Whether it makes a delegate of whom the list of the home names: one who writes, or one who reads.
    const fn rank(self) -> Option<bool> {
        match self {
            Self::None | Self::FreeBusy => None,
            Self::Read | Self::Trusted => Some(false),
            Self::Write | Self::All => Some(true),
        }
    }
}

/// What somebody may do by all that is granted to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights(BTreeSet<&'static str>);

impl Rights {
    fn has(&self, privilege: &str) -> bool {
        self.0.contains(privilege) || self.0.contains("D:all")
    }

    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    pub fn reads(&self) -> bool {
        self.has("D:read")
    }

    pub fn writes(&self) -> bool {
        self.has("D:write")
    }

    pub fn sees_all(&self) -> bool {
        self.has("K:read-private")
    }

    /// What is left of them for a password that only reads.
    pub fn reading(&self) -> Self {
        let kept = ["C:read-free-busy", "D:read", "K:read-private"];
        Self(kept.into_iter().filter(|privilege| self.has(privilege)).collect())
    }
}

/// Entries by whom they are about, as a principal's URL ends.
pub type List = BTreeMap<String, Grant>;

/// The lists of a calendar and of the home it lies in, and who is in which group.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    pub calendar: List,
    pub home: List,
    pub groups: BTreeMap<String, BTreeSet<String>>,
}

impl Lists {
    fn by(&self, list: &List, who: &str) -> Rights {
        let groups = self.groups.get(who).into_iter().flatten().map(|group| format!("groups/{group}"));
        let told = [who.to_owned()].into_iter().chain(groups);
        Rights(told.filter_map(|key| list.get(&key)).flat_map(|grant| grant.privileges()).copied().collect())
    }

    /// What somebody may do in the calendar: what the two lists grant, added up.
    pub fn of_calendar(&self, who: &str) -> Rights {
        let (one, other) = (self.by(&self.calendar, who), self.by(&self.home, who));
        Rights(one.0.union(&other.0).copied().collect())
    }

    /// What somebody may do in the home, its trash included.
    pub fn of_home(&self, who: &str) -> Rights {
        self.by(&self.home, who)
    }

    /// Whether the calendar appears in the home of somebody: it is shared by its own list, and not by that of the home.
    pub fn appears(&self, who: &str) -> bool {
        self.by(&self.calendar, who).reads()
    }

    /// Who can be named in a list: people, and groups that somebody is in.
    pub fn named(&self) -> Vec<String> {
        let groups: BTreeSet<&String> = self.groups.values().flatten().collect();
        let groups = groups.into_iter().map(|group| format!("groups/{group}"));
        self.groups.keys().cloned().chain(groups).collect()
    }

    /// The delegates of a rank are these now: whoever is of it and not among them loses the entry, whoever was of it before
    /// stays as they were, and whoever is new has what the rank has.
    pub fn appoint(&mut self, writes: bool, members: &[String]) {
        self.home.retain(|who, grant| grant.rank() != Some(writes) || members.contains(who));
        for who in members {
            let now = self.home.get(who).and_then(|grant| grant.rank());
            if now != Some(writes) {
                self.home.insert(who.clone(), if writes { Grant::Write } else { Grant::Read });
            }
        }
    }
}

/// How much others see of an object: in words of the document, not of the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Level {
    Public,
    Restricted,
    Confidential,
    Private,
}

/// How an object says its level: in the calendar, in its master, in an override.
pub const SAID: [(&str, &str, &str, Level); 9] = [
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

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    Event,
    Todo,
    Journal,
}

impl What {
    pub const ALL: [Self; 3] = [Self::Event, Self::Todo, Self::Journal];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "VEVENT",
            Self::Todo => "VTODO",
            Self::Journal => "VJOURNAL",
        }
    }

    /// Of an entry of a journal nobody is reminded, and it has no place (RFC 5545 §3.6.3).
    pub const fn reminds(self) -> bool {
        !matches!(self, Self::Journal)
    }

    /// The line that says when it is over.
    fn over(self, when: &str) -> String {
        match self {
            Self::Event => format!("DTEND:{when}\r\n"),
            Self::Todo => format!("DUE:{when}\r\n"),
            Self::Journal => String::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Thing {
    pub what: What,
    pub level: Level,
    pub octets: String,
    pub day: u64,
    pub series: bool,
    /// The words of its owner, each of one kind.
    pub number: u64,
    /// The words in the alarms of each who has one.
    pub alarms: BTreeMap<String, String>,
    /// What its owner keeps beside it, as a property.
    pub note: Option<String>,
}

pub fn word(kind: &str, number: u64) -> String {
    format!("m.{kind}.{number}.m")
}

/// All such words in a text.
pub fn words(text: &str) -> BTreeSet<String> {
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
    /// Whether somebody sees all of it that is everybody's.
    pub fn is_whole(&self, who: &str, rights: &Rights) -> bool {
        who == "alice" || rights.sees_all() || (rights.reads() && self.level == Level::Public)
    }

    /// THE REFERENCE: the words of it that somebody may know; none where it is not there for them.
    pub fn seen(&self, name: &str, who: &str, rights: &Rights) -> Option<BTreeSet<String>> {
        if who != "alice" && !rights.reads() {
            return None;
        }
        let whole = self.is_whole(who, rights);
        let mut words = BTreeSet::from([name.to_owned()]);
        if whole || self.level == Level::Restricted {
            words.insert(self.title());
            words.extend(self.what.reminds().then(|| word("place", self.number)));
        } else if self.level == Level::Private {
            return None;
        }
        if whole {
            words.extend(["words", "guest", "other"].map(|kind| word(kind, self.number)));
            words.extend(self.alarms.get(who).cloned());
        }
        Some(words)
    }

    pub fn title(&self) -> String {
        word("title", self.number)
    }

    /// The words that the trash tells of it in its list, where it is called by its title, or else by its name alone.
    pub fn listed(&self, name: &str, who: &str, rights: &Rights) -> Option<BTreeSet<String>> {
        let known = BTreeSet::from([name.to_owned(), self.title()]);
        Some(self.seen(name, who, rights)?.intersection(&known).cloned().collect())
    }

    /// What of that somebody may know: whoever sees all of the object.
    pub fn note(&self, who: &str, rights: &Rights) -> Option<String> {
        self.note.clone().filter(|_| self.is_whole(who, rights))
    }

    pub fn on(&self, day: u64) -> bool {
        self.day == day || self.series && (self.day..self.day + 3).contains(&day)
    }

    /// The object as somebody sends it who has this alarm: in its first component, and none elsewhere.
    pub fn with_alarm(&self, octets: &str, text: &str) -> String {
        let mut pieces = octets.split("BEGIN:VALARM");
        let mut bare = pieces.next().unwrap().to_owned();
        pieces.for_each(|piece| bare += piece.split_once("END:VALARM\r\n").unwrap().1);
        if !self.what.reminds() {
            return bare;
        }
        let end = format!("END:{}", self.what.name());
        bare.replacen(&end, &format!("{}{end}", alarm(text)), 1)
    }

    /// The same with another SEQUENCE, which is everybody's.
    pub fn with_sequence(&self, octets: &str, line: &str) -> String {
        let end = format!("END:{}", self.what.name());
        let kept = octets.split_inclusive("\r\n").filter(|line| !line.starts_with("SEQUENCE:"));
        kept.collect::<String>().replacen(&end, &format!("{line}{end}"), 1)
    }
}

fn alarm(text: &str) -> String {
    format!("BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:{text}\r\nEND:VALARM\r\n")
}

pub fn made(dice: &mut Dice, name: &str, number: u64) -> Thing {
    let what = *dice.pick(&[What::Event, What::Event, What::Todo, What::Journal]);
    let (head, class, in_override, level) = *dice.pick(&SAID);
    let series = dice.one_in(2) || !in_override.is_empty();
    let (day, mut alarms) = (dice.below(20) + 1, BTreeMap::new());
    if dice.one_in(2) && what.reminds() {
        alarms.insert("alice".to_owned(), word("alarm", number));
    }
    let text = alarms.get("alice").map(|text| alarm(text)).unwrap_or_default();
    let place =
        if what.reminds() { format!("LOCATION:{}\r\n", word("place", number)) } else { String::new() };
    let lines = format!(
        "{place}DESCRIPTION:{}\r\nATTENDEE;CN=x:mailto:{}@x\r\n",
        word("words", number),
        word("guest", number)
    );
    let (title, kind) = (word("title", number), what.name());
    let part = |when: &str, lines: &str| {
        format!(
            "BEGIN:{kind}\r\nUID:{name}\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:{title}\r\n{when}{lines}END:{kind}\r\n"
        )
    };
    let rule = if series { "RRULE:FREQ=DAILY;COUNT=3\r\n" } else { "" };
    let over = what.over(&format!("202606{day:02}T100000Z"));
    let times = format!("DTSTART:202606{day:02}T090000Z\r\n{over}{rule}");
    let other = format!("COMMENT:{}\r\n", word("other", number));
    let mut parts = part(&times, &format!("{class}{lines}{other}{text}"));
    if series {
        let next = day + 1;
        let over = what.over(&format!("202606{next:02}T120000Z"));
        let id =
            format!("RECURRENCE-ID:202606{next:02}T090000Z\r\nDTSTART:202606{next:02}T110000Z\r\n{over}");
        parts += &part(&id, &format!("{in_override}{other}{text}"));
    }
    let octets = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{head}{parts}END:VCALENDAR\r\n");
    Thing { what, level, octets, day, series, number, alarms, note: None }
}
