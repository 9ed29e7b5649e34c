//! Calendars that lie in folders: an export of this server, vdirsyncer's, Radicale's and Xandikos's, or files that are each a
//! whole calendar.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{
    caldav::import::Over,
    model::{Component, Components},
    store::Property,
    xml::{Name, QName, Writer, parse},
};

use super::{
    export::{CALENDAR, PERSON},
    keep::{self, FOREIGN, FORMAT},
};

/// How deep calendars are looked for.
const DEEPEST: usize = 6;
/// Octets of a file of properties.
const MOST: u64 = 32 << 20;
/// What the name of a file with calendar data ends in.
const ENDINGS: [&str; 4] = ["ics", "ical", "icalendar", "ifb"];
/// Where others say what a calendar is called.
const RADICALE: &str = ".Radicale.props";
const XANDIKOS: &str = ".xandikos";

/// What people see of a calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What it is called.
    pub name: Option<String>,
    /// Its color.
    pub color: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Its place among others.
    pub order: Option<String>,
}

const NAMES: [Name; 4] = [
    Name::dav("displayname"),
    Name::apple("calendar-color"),
    Name::cal("calendar-description"),
    Name::apple("calendar-order"),
];

impl Look {
    /// That of a calendar with these properties.
    #[must_use]
    pub fn of(stored: &[Property]) -> Self {
        let [name, color, description, order] = NAMES.map(|name| {
            let property = stored.iter().find(|p| p.name == name)?;
            Some(parse(property.value.as_bytes()).ok()?.text().trim().to_owned())
                .filter(|text| !text.is_empty())
        });
        Self { name, color, description, order }
    }

    /// The properties that say so.
    #[must_use]
    pub fn properties(&self) -> Vec<Property> {
        let texts = [&self.name, &self.color, &self.description, &self.order];
        let told = NAMES.iter().zip(texts).filter_map(|(name, text)| Some((name, text.as_deref()?.trim())));
        let property = |(name, text): (&Name, &str)| {
            let mut w = Writer::new(*name);
            w.text(text);
            let value = parse(&w.finish()).ok()?.fragment();
            Some(Property { name: QName::new(name.ns.uri(), name.local), value })
        };
        told.filter(|(_, text)| !text.is_empty()).filter_map(property).collect()
    }
}

/// A calendar that was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The name it is to have in its home.
    pub name: String,
    /// Files with objects.
    pub files: Vec<PathBuf>,
    /// What people see of it.
    pub look: Look,
    /// What it may hold, if that is told.
    pub components: Option<Components>,
    /// What an export of this server tells of it.
    pub kept: Option<Value>,
}

impl Found {
    /// The name of the object that lies in a file.
    #[must_use]
    pub fn name_of(&self, file: &Path) -> Option<String> {
        let file = file.file_name()?.to_str()?;
        let named = self.kept.as_ref().and_then(|kept| kept["names"].get(file)?.as_str());
        Some(named.unwrap_or(file).to_owned())
    }

    /// What of it takes the place of what is here: all of an export of this server, and nothing of what others keep.
    #[must_use]
    pub fn over(&self) -> Over {
        match &self.kept {
            None => Over::Nothing,
            Some(kept) if kept[FOREIGN] == true => Over::Missing,
            Some(_) => Over::All,
        }
    }

    /// All properties that are told.
    #[must_use]
    pub fn properties(&self) -> Vec<Property> {
        match &self.kept {
            Some(kept) => keep::read_properties(&kept["properties"]),
            None => self.look.properties(),
        }
    }
}

/// The folders of people in an export of this server, each with what it tells of the person; none if it is something else.
pub fn people(folder: &Path) -> Result<Vec<(PathBuf, Value)>> {
    let mut people = Vec::new();
    for folder in
        std::iter::once(folder.to_owned()).chain(entries(folder)?.into_iter().filter(|e| e.is_dir()))
    {
        if let Some(told) = json(&folder.join(PERSON))? {
            people.push((folder, told));
        }
    }
    Ok(people)
}

/// The calendars in a folder and those in it, in the order of their paths; each has a name of its own.
pub fn calendars(folder: &Path) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    look_into(folder, 0, &mut all)?;
    let mut taken = std::collections::HashSet::new();
    for found in &mut all {
        let plain = found.name.clone();
        let mut count = 1;
        while !taken.insert(found.name.clone()) {
            count += 1;
            found.name = format!("{plain}-{count}");
        }
    }
    if all.is_empty() {
        bail!("{} holds no calendars", folder.display());
    }
    Ok(all)
}

fn look_into(folder: &Path, depth: usize, all: &mut Vec<Found>) -> Result<()> {
    if depth > DEEPEST {
        return Ok(());
    }
    if folder.join("objects").is_dir() && folder.join("HEAD").is_file() {
        bail!("{} is a bare git repository: `git clone` it, and import the clone", folder.display());
    }
    let entries = entries(folder)?;
    let Some(mut found) = described(folder)? else { return Ok(()) };
    let told = found.kept.is_some();
    for file in entries.iter().filter(|path| path.is_file()) {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let has = ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known));
        let beside = [CALENDAR, "displayname", "color", PERSON].iter().any(|name| file.ends_with(name));
        if !beside && (has || told) {
            found.files.push(file.clone());
        }
    }
    let of_its_own = |file: &PathBuf| !told && is_calendar(file);
    let (whole, single): (Vec<PathBuf>, Vec<PathBuf>) = found.files.drain(..).partition(of_its_own);
    for file in whole {
        let name = segment(&file.file_stem().unwrap_or_default().to_string_lossy());
        all.push(Found { name, files: vec![file], ..Found::default() });
    }
    found.files = single;
    if !found.files.is_empty() || told || found.look != Look::default() || found.components.is_some() {
        all.push(found);
    }
    // The folders of a calendar are no calendars.
    if told {
        return Ok(());
    }
    entries.iter().filter(|path| path.is_dir()).try_for_each(|inner| look_into(inner, depth + 1, all))
}

/// Whether a file belongs to calendars, as far as its name tells.
#[must_use]
pub fn is_of_a_calendar(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let beside = [CALENDAR, "displayname", "color", PERSON, RADICALE, XANDIKOS];
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known))
        || beside.iter().any(|name| path.ends_with(name))
}

/// What a folder says of itself, in any of the ways; none if it holds something else than calendars.
fn described(folder: &Path) -> Result<Option<Found>> {
    let whole = fs::canonicalize(folder)?;
    let mut found =
        Found { name: segment(&whole.file_name().unwrap_or_default().to_string_lossy()), ..Found::default() };
    if let Some(kept) = json(&folder.join(CALENDAR))?.filter(|told| told[FORMAT.0] == FORMAT.1) {
        found.name = kept["name"].as_str().map_or(found.name, str::to_owned);
        found.components = keep::read_components(&kept["components"]);
        found.kept = Some(kept);
        return Ok(Some(found));
    }
    if let Some(told) = json(&folder.join(RADICALE))? {
        let text = |key: &str| told[key].as_str().map(str::to_owned);
        if text("tag").is_some_and(|tag| tag != "VCALENDAR") {
            return Ok(None);
        }
        found.look = Look {
            name: text("D:displayname"),
            color: text("ICAL:calendar-color"),
            description: text("C:calendar-description"),
            order: text("ICAL:calendar-order"),
        };
        found.components = text("C:supported-calendar-component-set").as_deref().and_then(listed);
        return Ok(Some(found));
    }
    if let Some(told) = text(&folder.join(XANDIKOS))? {
        let says = |key: &str| {
            let lines = told.lines().filter_map(|line| line.split_once('='));
            lines.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
        };
        if says("type").is_some_and(|kind| kind != "calendar") {
            return Ok(None);
        }
        found.look = Look {
            name: says("displayname"),
            color: says("color"),
            description: says("description"),
            order: says("order"),
        };
        return Ok(Some(found));
    }
    let says = |file: &str| text(&folder.join(file)).map(|told| told.map(|text| text.trim().to_owned()));
    found.look.name = says("displayname")?;
    found.look.color = says("color")?;
    Ok(Some(found))
}

/// Components in a list with commas.
fn listed(text: &str) -> Option<Components> {
    let kinds: Components = text.split(',').filter_map(|kind| Component::named(kind.trim())).collect();
    (!kinds.is_empty()).then_some(kinds)
}

/// The name of a calendar in its home, made of what a folder or file is called.
#[must_use]
pub fn segment(text: &str) -> String {
    let plain = |c: char| if c == '/' || c.is_control() { '-' } else { c };
    let text: String = text.trim().trim_start_matches('.').chars().map(plain).collect();
    let end = text.floor_char_boundary(200);
    if end == 0 { "imported".to_owned() } else { text[..end].to_owned() }
}

/// Whether a file says that it is a whole calendar: at its beginning it has a name for it.
fn is_calendar(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    read.is_ok() && String::from_utf8_lossy(&head).lines().any(|line| line.starts_with("X-WR-CALNAME"))
}

/// What is in a folder and not hidden, in the order of names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let all = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut all = all.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    all.retain(|path| !path.file_name().unwrap_or_default().to_string_lossy().starts_with('.'));
    all.sort();
    Ok(all)
}

fn json(path: &Path) -> Result<Option<Value>> {
    let Some(text) = text(path)? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).with_context(|| path.display().to_string())
}

fn text(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_becomes_properties_and_is_read_from_them() {
        let look = Look {
            name: Some("A < B".to_owned()),
            color: Some("#FF0000".to_owned()),
            description: None,
            order: Some("3".to_owned()),
        };
        let properties = look.properties();
        assert_eq!((Look::of(&properties), properties.len()), (look, 3));
    }

    #[test]
    fn a_name_can_stand_in_a_path() {
        for (text, name) in
            [("Work", "Work"), ("a/b", "a-b"), (" .x ", "x"), ("..", "imported"), ("", "imported")]
        {
            assert_eq!(segment(text), name, "{text:?}");
        }
    }
}
