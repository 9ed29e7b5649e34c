//! Where calendars of another server lie on their way in: folders as an export of this server writes them, which can be looked
//! at, and from which the same road leads on.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::{
    model::{Components, Privilege, Privileges},
    store::{Answer, Property},
    xml::{Name, QName, Writer, parse},
};

use super::{
    export::{CALENDAR, PERSON, file_of, make, pretty, write},
    keep::{self, FOREIGN, FORMAT},
    tree::{Look, segment},
};

/// What such a folder is known by, so that nothing else is ever written over.
const MARK: &str = ".kalends-import";
/// Which state of an object was fetched: a line each, its tag and its name.
const TAGS: &str = ".kalends-tags";

/// Whom something is shared with, as the other server calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// Somebody, by user name.
    Person(String),
    /// A group.
    Group(String),
    /// Whoever has that mail address.
    Address(String),
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// See when time is taken.
    FreeBusy,
    /// See everything.
    Read,
    /// Change everything.
    Write,
    /// And say who else may.
    Manage,
}

impl Level {
    fn privileges(self) -> Privileges {
        let all: &[Privilege] = match self {
            Self::FreeBusy => &[Privilege::ReadFreeBusy],
            Self::Read => &[Privilege::Read],
            Self::Write => &[Privilege::Read, Privilege::Write],
            Self::Manage => &[Privilege::Read, Privilege::Write, Privilege::ReadAcl, Privilege::WriteAcl],
        };
        all.iter().map(|privilege| privilege.with_parts()).fold(Privileges::NONE, Privileges::or)
    }
}

/// What is shared with somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// With whom.
    pub to: To,
    /// What the owner calls them.
    pub called: Option<String>,
    /// What they said to it.
    pub answer: Answer,
    /// What they may do.
    pub level: Level,
}

/// Somebody who has calendars there.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The user name.
    pub name: String,
    /// What they are called.
    pub display_name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// To whom all their calendars are open.
    pub delegates: Vec<Share>,
}

/// What is told of a calendar.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Its name in its URL.
    pub name: String,
    /// What people see of it.
    pub look: Look,
    /// Whether it does not make its owner busy.
    pub transparent: bool,
    /// What it may hold, if that is told.
    pub components: Option<Components>,
    /// Of a subscription, the address.
    pub source: Option<String>,
    /// To whom it is shared.
    pub shares: Vec<Share>,
}

/// How user names are spelt here, or why one cannot be.
pub type Spell<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// The folder.
pub struct Shelf<'a> {
    folder: PathBuf,
    spell: Spell<'a>,
    tell: &'a mut dyn FnMut(&str),
    /// How much could not be taken along.
    pub problems: u64,
}

/// The folder of somebody.
pub struct Home {
    folder: PathBuf,
    who: String,
    taken: HashSet<String>,
}

/// The folder of a calendar that is being read.
pub struct Book {
    folder: PathBuf,
    told: Value,
    names: Map<String, Value>,
    seen: HashSet<String>,
    tags: HashMap<String, String>,
    log: Option<File>,
}

impl<'a> Shelf<'a> {
    /// The folder, which is made if it is not there. If it is, an earlier import has made it, and is gone on with.
    pub fn new(folder: &Path, spell: Spell<'a>, tell: &'a mut dyn FnMut(&str)) -> Result<Self> {
        let mark = folder.join(MARK);
        if !folder.exists() {
            make(folder)?;
            write(&mark, b"")?;
        } else if !mark.exists() {
            bail!("{} is there already, and no import has made it: name another folder", folder.display());
        }
        Ok(Self { folder: folder.to_owned(), spell, tell, problems: 0 })
    }

    /// Says something in a line.
    pub fn note(&mut self, line: &str) {
        (self.tell)(line);
    }

    /// Says what cannot be taken along, and why.
    pub fn problem(&mut self, line: &str) {
        self.problems += 1;
        (self.tell)(line);
    }

    /// The folder of somebody; none where nobody here can be called so.
    pub fn person(&mut self, who: &Person) -> Result<Option<Home>> {
        let name = match (self.spell)(&who.name) {
            Ok(name) => name,
            Err(why) => {
                self.problem(&format!("{:?}: left out with all calendars: {why}", who.name));
                return Ok(None);
            }
        };
        let folder = self.folder.join(file_of(&name));
        found(&folder)?;
        let (list, _) = self.shares(&name, &who.delegates);
        let told = json!({
            (FORMAT.0): FORMAT.1, (FOREIGN): true, "name": name, "display_name": who.display_name, "email": who.email,
            "properties": [], "list": list,
        });
        put(&folder.join(PERSON), &pretty(&told)?)?;
        Ok(Some(Home { folder, who: name, taken: HashSet::new() }))
    }

    /// The folder of a calendar of somebody.
    pub fn calendar(&mut self, home: &mut Home, told: &Told) -> Result<Book> {
        let plain = segment(&told.name);
        let (mut name, mut count) = (plain.clone(), 1);
        while !home.taken.insert(file_of(&name)) {
            count += 1;
            name = format!("{plain}-{count}");
        }
        let folder = home.folder.join(file_of(&name));
        found(&folder)?;
        let (list, invites) = self.shares(&format!("{}/{name}", home.who), &told.shares);
        let told = json!({
            (FORMAT.0): FORMAT.1, (FOREIGN): true, "name": name, "subscription": told.source.is_some(),
            "components": told.components.map(keep::components), "properties": keep::properties(&told.properties()),
            "list": list, "invites": invites,
        });
        Book::open(folder, told)
    }

    /// The entries and the invites that these shares are. Who cannot be called so here is left out.
    fn shares(&mut self, of: &str, all: &[Share]) -> (Vec<Value>, Vec<Value>) {
        let (mut list, mut invites) = (Vec::new(), Vec::new());
        for Share { to, called, answer, level } in all {
            let spelt = match to {
                To::Person(name) => (self.spell)(name),
                To::Group(name) | To::Address(name) => Ok(name.clone()),
            };
            let name = match spelt {
                Ok(name) => name,
                Err(why) => {
                    self.problem(&format!("{of}: not shared with {to:?}: {why}"));
                    continue;
                }
            };
            let (kind, address) = match to {
                To::Person(_) => ("person", None),
                To::Group(_) => ("group", None),
                To::Address(_) => ("address", Some(&name)),
            };
            let (privileges, entry) = (level.privileges().bits(), address.is_none());
            if entry {
                list.push(json!({"to": kind, "name": name, "privileges": privileges}));
            }
            invites.push(json!({
                "to": kind, "name": if entry { &name } else { "" }, "address": address, "common_name": called,
                "answer": keep::answer(*answer), "privileges": privileges,
            }));
        }
        (list, invites)
    }
}

impl Home {
    /// Ends it: calendars that an earlier import found, and that are there no longer, go.
    pub fn close(self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let known = entry.file_name().to_str().is_some_and(|name| self.taken.contains(name));
            if !known && entry.path().is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Told {
    fn properties(&self) -> Vec<Property> {
        let mut all = self.look.properties();
        let mut add = |outer: Name, inner: Name, text: &str| {
            let mut w = Writer::new(outer);
            w.element(inner, text);
            if let Ok(element) = parse(&w.finish()) {
                let name = QName::new(outer.ns.uri(), outer.local);
                all.push(Property { name, value: element.fragment() });
            }
        };
        if self.transparent {
            add(Name::cal("schedule-calendar-transp"), Name::cal("transparent"), "");
        }
        if let Some(source) = &self.source {
            add(Name::cs("source"), Name::dav("href"), source);
        }
        all
    }
}

impl Book {
    fn open(folder: PathBuf, told: Value) -> Result<Self> {
        let mut tags = HashMap::new();
        if let Ok(file) = File::open(folder.join(TAGS)) {
            for line in BufReader::new(file).lines() {
                if let Some((tag, name)) = line?.split_once('\t') {
                    tags.insert(name.to_owned(), tag.to_owned());
                }
            }
        }
        Ok(Self { folder, told, names: Map::new(), seen: HashSet::new(), tags, log: None })
    }

    /// Whether an object of that name lies there already in the state of that tag; it stays then.
    pub fn has(&mut self, name: &str, tag: &str) -> bool {
        let file = file_of(name);
        let has = self.tags.get(&file).is_some_and(|there| there == tag) && self.folder.join(&file).is_file();
        if has {
            self.see(file, name);
        }
        has
    }

    /// Puts an object there, and notes its state where it has a tag.
    pub fn object(&mut self, name: &str, tag: Option<&str>, octets: &[u8]) -> Result<()> {
        let file = file_of(name);
        put(&self.folder.join(&file), octets)?;
        if let Some(tag) = tag.filter(|tag| !tag.contains(['\t', '\n', '\r'])) {
            if self.log.is_none() {
                let mut options = OpenOptions::new();
                options.append(true).create(true).mode(0o600);
                self.log = Some(options.open(self.folder.join(TAGS))?);
            }
            if let Some(log) = &mut self.log {
                writeln!(log, "{tag}\t{file}")?;
            }
        }
        self.see(file, name);
        Ok(())
    }

    fn see(&mut self, file: String, name: &str) {
        if file != name {
            self.names.insert(file.clone(), Value::String(name.to_owned()));
        }
        self.seen.insert(file);
    }

    /// Ends it: what an earlier import found, and is there no longer, goes; without this the calendar is not there.
    pub fn close(mut self) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if !self.seen.contains(name) && name != CALENDAR && name != TAGS {
                fs::remove_file(entry.path())?;
            }
        }
        self.told["names"] = Value::Object(self.names);
        put(&self.folder.join(CALENDAR), &pretty(&self.told)?)
    }
}

/// Makes a folder, unless it is there.
fn found(folder: &Path) -> Result<()> {
    if folder.is_dir() { Ok(()) } else { make(folder) }
}

/// Writes a file, in the place of another; one that has these octets stays.
fn put(path: &Path, octets: &[u8]) -> Result<()> {
    match fs::read(path) {
        Ok(there) if there == octets => return Ok(()),
        Ok(_) => fs::remove_file(path).with_context(|| path.display().to_string())?,
        Err(_) => {}
    }
    write(path, octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(folder: &Path, work: impl FnOnce(&mut Shelf<'_>)) -> Vec<String> {
        let mut lines = Vec::new();
        let spell = |name: &str| {
            if name.contains(' ') { Err("a space".to_owned()) } else { Ok(name.to_lowercase()) }
        };
        let mut tell = |line: &str| lines.push(line.to_owned());
        work(&mut Shelf::new(folder, &spell, &mut tell).unwrap());
        lines
    }

    #[test]
    fn what_is_there_no_longer_goes_and_what_is_the_same_stays() {
        let folder = std::env::temp_dir().join(format!("kalends-shelf-{}", std::process::id()));
        let alice = Person { name: "Alice".to_owned(), ..Person::default() };
        let work = Told { name: "work".to_owned(), ..Told::default() };
        shelf(&folder, |shelf| {
            let mut home = shelf.person(&alice).unwrap().unwrap();
            for name in ["work", "work", "old"] {
                let mut book =
                    shelf.calendar(&mut home, &Told { name: name.to_owned(), ..Told::default() }).unwrap();
                book.object("a.ics", Some("1"), b"A").unwrap();
                book.object("calendar.json", Some("1"), b"B").unwrap();
                book.close().unwrap();
            }
            home.close().unwrap();
        });
        let lines = shelf(&folder, |shelf| {
            let mut home = shelf.person(&alice).unwrap().unwrap();
            let mut book = shelf.calendar(&mut home, &work).unwrap();
            assert!(book.has("a.ics", "1") && !book.has("a.ics", "2") && !book.has("b.ics", "1"));
            book.close().unwrap();
            home.close().unwrap();
            assert!(shelf.person(&Person { name: "a b".to_owned(), ..Person::default() }).unwrap().is_none());
            assert_eq!(shelf.problems, 1);
        });
        assert_eq!(lines, ["\"a b\": left out with all calendars: a space"]);
        let left: Vec<_> =
            fs::read_dir(folder.join("alice")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.len() == 2 && left.iter().all(|name| name != "old"), "{left:?}");
        assert_eq!(fs::read_dir(folder.join("alice/work")).unwrap().count(), 3);
        let other = std::env::temp_dir();
        assert!(Shelf::new(&other, &|_| Err(String::new()), &mut |_| ()).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_share_is_an_entry_and_an_invite() {
        let folder = std::env::temp_dir().join(format!("kalends-shares-{}", std::process::id()));
        shelf(&folder, |shelf| {
            let share = |to| Share { to, called: None, answer: Answer::Accepted, level: Level::Read };
            let all = [
                share(To::Person("Bob".to_owned())),
                share(To::Person("b ob".to_owned())),
                share(To::Address("x@y".to_owned())),
            ];
            let (list, invites) = shelf.shares("alice/work", &all);
            assert_eq!((list.len(), invites.len(), shelf.problems), (1, 2, 1));
            assert_eq!((&list[0]["name"], &invites[1]["address"]), (&json!("bob"), &json!("x@y")));
        });
        fs::remove_dir_all(&folder).unwrap();
    }
}
