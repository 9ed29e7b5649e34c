//! THE REFERENCE: objects of every level that are made up, and which of the words in them are for whose eyes. Nothing here asks the
//! server, or uses any of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::dice::Dice;

/// What somebody may do in the calendar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rights {
    None,
    FreeBusy,
    Read,
    Write,
    Trusted,
    All,
}

impl Rights {
    pub const ALL: [Self; 6] =
        [Self::None, Self::FreeBusy, Self::Read, Self::Write, Self::Trusted, Self::All];

    pub fn privileges(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::FreeBusy => &["C:read-free-busy"],
            Self::Read => &["D:read"],
            Self::Write => &["D:read", "D:write"],
            Self::Trusted => &["D:read", "K:read-private"],
            Self::All => &["D:all"],
        }
    }

    pub fn reads(self) -> bool {
        !matches!(self, Self::None | Self::FreeBusy)
    }

    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::All)
    }

    pub fn sees_all(self) -> bool {
        matches!(self, Self::Trusted | Self::All)
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

/// How an object says its level.
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

#[derive(Clone, Debug)]
pub struct Thing {
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
    /// Whether anybody else ever saw that it is there.
    pub was_seen: bool,
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
    /// THE REFERENCE: the words of it that somebody may know; none where it is not there for them.
    pub fn seen(&self, name: &str, who: &str, rights: Rights) -> Option<BTreeSet<String>> {
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

    /// What of that somebody may know: whoever sees all of the object.
    pub fn note(&self, who: &str, rights: Rights) -> Option<String> {
        let whole = who == "alice" || rights.sees_all() || (rights.reads() && self.level == Level::Public);
        self.note.clone().filter(|_| whole)
    }

    pub fn on(&self, day: u64) -> bool {
        self.day == day || self.series && (self.day..self.day + 3).contains(&day)
    }
}

pub fn alarm(text: &str) -> String {
    format!("BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:{text}\r\nEND:VALARM\r\n")
}

/// The object with this alarm in its first event, and none elsewhere.
pub fn with_alarm(octets: &str, text: &str) -> String {
    let mut pieces = octets.split("BEGIN:VALARM");
    let mut bare = pieces.next().unwrap().to_owned();
    pieces.for_each(|piece| bare += piece.split_once("END:VALARM\r\n").unwrap().1);
    bare.replacen("END:VEVENT", &format!("{}END:VEVENT", alarm(text)), 1)
}

pub fn made(dice: &mut Dice, name: &str, number: u64, may_hide: bool) -> Thing {
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
    Thing { level, octets, day, series, number, alarms, note: None, was_seen: false }
}
