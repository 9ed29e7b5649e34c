//! Changes lines of an object and leaves the octets of all others as they are.

use std::ops::Range;

use bytes::Bytes;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::write::Writer;

/// What a component shall say: of each name that is here, exactly these lines; of any other, what it says.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    lines: Vec<(String, Vec<String>)>,
    /// The components in it of these names make way for this text.
    pub parts: Option<(&'static str, String)>,
}

impl Wanted {
    /// Says all lines of a name; what was said of it before is forgotten.
    pub fn set(&mut self, name: &str, lines: Vec<String>) {
        match self.lines.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => *known = lines,
            None => self.lines.push((name.to_owned(), lines)),
        }
    }

    /// Says one line of a name.
    pub fn line(&mut self, name: &str, line: String) {
        self.set(name, vec![line]);
    }

    /// What has been said of a name.
    pub fn of(&self, name: &str) -> Option<&[String]> {
        self.lines.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, lines)| &**lines)
    }

    /// The names of which something is said.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(name, _)| &**name)
    }
}

/// What becomes of a component.
pub(super) enum Fate {
    Dropped,
    Revised(Wanted),
}

/// Text that takes the place of octets.
pub(in crate::ical) struct Splice {
    pub at: Range<usize>,
    pub text: Bytes,
}

impl Splice {
    /// Nothing, in the place of a line.
    pub fn drop(property: Property<'_>) -> Self {
        Self { at: property.extent(), text: Bytes::new() }
    }
}

/// The object with these fates, and `added` components behind the last one that has a fate, or at the end.
pub(super) fn object(calendar: &Calendar, fates: &[(Component<'_>, Fate)], added: &[Bytes]) -> Bytes {
    let mut splices = vec![];
    for (component, fate) in fates {
        match fate {
            Fate::Dropped => splices.push(Splice { at: component.extent(), text: Bytes::new() }),
            Fate::Revised(wanted) => revise(*component, wanted, &mut splices),
        }
    }
    let last = fates.iter().map(|(component, _)| component.extent().end).max();
    let end = last.unwrap_or_else(|| calendar.root().end_line());
    splices.extend(added.iter().map(|text| Splice { at: end..end, text: text.clone() }));
    apply(calendar, 0..calendar.bytes().len(), splices)
}

/// The object with components in front of all others.
pub(super) fn with_first(calendar: &Calendar, added: &[String]) -> Bytes {
    let at = calendar.components().next().map_or_else(|| calendar.root().end_line(), |c| c.extent().start);
    apply(calendar, 0..calendar.bytes().len(), vec![Splice { at: at..at, text: added.concat().into() }])
}

/// A component of the object, revised, by itself.
pub(super) fn component(calendar: &Calendar, component: Component<'_>, wanted: &Wanted) -> Bytes {
    let mut splices = vec![];
    revise(component, wanted, &mut splices);
    apply(calendar, component.extent(), splices)
}

fn revise(component: Component<'_>, wanted: &Wanted, splices: &mut Vec<Splice>) {
    for (name, lines) in &wanted.lines {
        replace(component, name, lines, splices);
    }
    if let Some((name, text)) = &wanted.parts {
        let gone = component.components().filter(|part| part.is(name));
        splices.extend(gone.map(|part| Splice { at: part.extent(), text: Bytes::new() }));
        let end = component.end_line();
        splices.push(Splice { at: end..end, text: text.clone().into() });
    }
}

/// Takes away the lines of a name that are not wanted, and puts the missing ones where these were.
fn replace(component: Component<'_>, name: &str, lines: &[String], splices: &mut Vec<Splice>) {
    let mut missing: Vec<&String> = lines.iter().collect();
    let mut place = None;
    for property in component.properties(name) {
        let extent = property.extent();
        if let Some(same) = missing.iter().position(|line| **line == whole(property)) {
            missing.remove(same);
            place = place.or(Some(extent.end));
        } else {
            place = Some(extent.end);
            splices.push(Splice::drop(property));
        }
    }
    if !missing.is_empty() {
        let at = place.unwrap_or_else(|| component.last_line());
        let mut out = Writer::default();
        for line in missing {
            out.line(line);
        }
        splices.push(Splice { at: at..at, text: out.finish().into() });
    }
}

/// A content line, unfolded.
pub(in crate::ical) fn whole(property: Property<'_>) -> String {
    [&property.head(), ":", &*property.value()].concat()
}

/// The octets of a range with splices in them; new lines end as the lines of the object do.
pub(in crate::ical) fn apply(calendar: &Calendar, range: Range<usize>, mut splices: Vec<Splice>) -> Bytes {
    splices.sort_by_key(|splice| (splice.at.start, splice.at.end));
    let octets = calendar.bytes();
    let bare = !octets.windows(2).any(|pair| pair == b"\r\n");
    let mut text = Vec::with_capacity(range.len() + 256);
    let mut at = range.start;
    for splice in splices {
        text.extend_from_slice(&octets[at.min(splice.at.start)..splice.at.start]);
        // The last line of an object may lack its break.
        if !splice.text.is_empty() && text.last().is_some_and(|octet| *octet != b'\n') {
            text.extend_from_slice(if bare { b"\n" } else { b"\r\n" });
        }
        // A carriage return stands nowhere else in what is written.
        text.extend(splice.text.iter().filter(|octet| !bare || **octet != b'\r'));
        at = at.max(splice.at.end);
    }
    text.extend_from_slice(&octets[at..range.end]);
    text.into()
}
