//! What an entry of the log says to people: what the object is called, and which of its properties were changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::history::{Action, Entry};

/// Letters of a title.
const LONGEST: usize = 60;

/// What programs change with each change, and what stands around the rest.
const ALWAYS_OTHER: [&str; 7] =
    ["DTSTAMP", "LAST-MODIFIED", "SEQUENCE", "PRODID", "X-MOZ-GENERATION", "BEGIN", "END"];

/// What the object is called after a change, or was before it went; its escapes are as they stand in it.
#[must_use]
pub fn title(entry: &Entry) -> Option<String> {
    let gone = matches!(entry.action, Action::Deleted | Action::Left);
    let octets = if gone { &entry.body } else { &entry.next };
    let (_, line) = lines(octets.as_ref()?).into_iter().find(|(name, _)| name == "SUMMARY")?;
    Some(line.split_once(':')?.1.chars().take(LONGEST).collect())
}

/// The names of the properties of which one state of an object has other lines than the other.
#[must_use]
pub fn changed(entry: &Entry) -> Vec<String> {
    let (Some(before), Some(after)) = (&entry.body, &entry.next) else { return Vec::new() };
    let count = |octets: &[u8]| {
        let mut all: BTreeMap<(String, String), i32> = BTreeMap::new();
        for line in lines(octets) {
            *all.entry(line).or_default() += 1;
        }
        all
    };
    let (before, after) = (count(before), count(after));
    let other = |(line, n): (&(String, String), &i32), than: &BTreeMap<(String, String), i32>| {
        (than.get(line) != Some(n)).then(|| line.0.clone())
    };
    let names: BTreeSet<String> = before
        .iter()
        .filter_map(|line| other(line, &after))
        .chain(after.iter().filter_map(|line| other(line, &before)))
        .filter(|name| !ALWAYS_OTHER.contains(&name.as_str()))
        .collect();
    Vec::from_iter(names)
}

/// The lines of an object, unfolded, each behind the name of its property.
fn lines(octets: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(octets).replace("\r\n ", "").replace("\r\n\t", "");
    let named = |line: &str| {
        let name = line.split([':', ';']).next().unwrap_or_default().to_ascii_uppercase();
        (name.escape_debug().to_string(), line.to_owned())
    };
    text.lines().filter(|line| !line.is_empty()).map(named).collect()
}
