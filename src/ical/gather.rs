//! One calendar object, made of its components wherever they stood in a stream: without what is about the stream, each of
//! them once, with the time zones it names, and with a UID if it has none. RFC 4791 §4.1.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::ical::calendar::{Calendar, Component};
use crate::ical::merge::PRODID;
use crate::ical::pieces::{Piece, Pieces};
use crate::ical::split::zones_of;
use crate::ical::text::Invalid;
use crate::ical::value::parse_utc;
use crate::ical::write::Writer;

/// An object that was made of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Its octets.
    pub octets: Bytes,
    /// How many components were left out, because another says what happens then: the same, or something newer.
    pub doubles: usize,
}

/// Makes an object of the components in `parts`, each from its BEGIN to its END. `head` are the lines of its VCALENDAR that
/// stay, and `zone` gives the definition of a time zone, where there is one.
///
/// # Errors
/// Where and why the components cannot be read.
pub fn gather(
    head: &str,
    parts: &[Bytes],
    mut zone: impl FnMut(&str) -> Option<Bytes>,
) -> Result<Gathered, Invalid> {
    let all = [b"BEGIN:VCALENDAR\r\n".as_slice(), &parts.join(&b"\r\n"[..]), b"\r\nEND:VCALENDAR\r\n"];
    let calendar = Calendar::parse(all.concat().into())?;
    let (components, doubles) = once(calendar.components());
    let mut out = Writer::default();
    out.line("BEGIN:VCALENDAR");
    for (name, usual) in [("VERSION", "VERSION:2.0"), ("PRODID", "")] {
        let given =
            head.lines().any(|line| line.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)));
        match (given, usual) {
            (true, _) => {}
            (false, "") => out.pieces(&["PRODID:", PRODID]),
            (false, line) => out.line(line),
        }
    }
    head.lines().for_each(|line| out.line(line));
    let mut named = BTreeSet::new();
    for component in &components {
        zones_of(*component, &mut named);
    }
    named.iter().filter_map(|tzid| zone(tzid)).for_each(|definition| out.raw(&definition));
    for component in &components {
        let raw = component.raw();
        if component.uid().is_some_and(|uid| !uid.is_empty()) {
            out.raw(raw);
            continue;
        }
        let begin = component.begin().raw().len();
        out.raw(&raw[..begin]);
        out.pieces(&["UID:", &made_up(*component)]);
        out.raw(&without_uid(&raw[begin..]));
    }
    out.line("END:VCALENDAR");
    Ok(Gathered { octets: out.finish().into(), doubles })
}

/// Makes an object of these pieces of a stream that is at hand as a whole.
///
/// # Errors
/// As [`gather`] does, and where a component has no END.
pub fn from_stream(stream: &Bytes, found: &Pieces, pieces: &[Piece]) -> Result<Gathered, Invalid> {
    of_pieces(found, pieces, |piece| {
        let place = |at: u64| usize::try_from(at).map_or(stream.len(), |at| at.min(stream.len()));
        Some(stream.slice(place(piece.at)..place(piece.at.saturating_add(piece.octets))))
    })
}

/// Makes an object of these pieces of a stream, each of which `read` reads where it stands.
///
/// # Errors
/// As [`gather`] does, where a component has no END, and where it cannot be read.
pub fn of_pieces(
    found: &Pieces,
    pieces: &[Piece],
    mut read: impl FnMut(&Piece) -> Option<Bytes>,
) -> Result<Gathered, Invalid> {
    if let Some(torn) = pieces.iter().find(|piece| piece.torn) {
        let line = usize::try_from(torn.line).unwrap_or(usize::MAX);
        return Err(Invalid { line, column: 1, reason: "it has no END" });
    }
    let parts: Option<Vec<Bytes>> = pieces.iter().map(&mut read).collect();
    let line = || usize::try_from(pieces.first().map_or(1, |piece| piece.line)).unwrap_or(usize::MAX);
    let parts = parts.ok_or_else(|| Invalid { line: line(), column: 1, reason: "it cannot be read" })?;
    let calendars = || pieces.iter().map(|piece| piece.calendar);
    let head = calendars().next().and_then(|calendar| found.heads.get(calendar as usize));
    let zone = |tzid: &str| {
        calendars().find_map(|calendar| found.zones.get(&(calendar, tzid.to_owned()))).and_then(&mut read)
    };
    gather(head.map_or("", String::as_str), &parts, zone)
}

/// A UID without a value says nothing.
fn without_uid(lines: &[u8]) -> Vec<u8> {
    let empty = |line: &&[u8]| !line.trim_ascii().eq_ignore_ascii_case(b"UID:");
    lines.split(|octet| *octet == b'\n').filter(empty).collect::<Vec<_>>().join(&b'\n')
}

/// The UID of a component that has none: the same for the same content, whenever it was written down.
fn made_up(component: Component<'_>) -> String {
    let mut hash = Sha256::new();
    for line in component.lines().filter(|line| !line.is("DTSTAMP") && !line.is("UID")) {
        hash.update(line.name().to_ascii_uppercase());
        for (nth, part) in line.raw().split(|octet| *octet == b'\n').enumerate() {
            // However it is folded: RFC 5545 §3.1.
            let part = part.strip_suffix(b"\r").unwrap_or(part);
            hash.update(part.get(usize::from(nth > 0)..).unwrap_or_default());
        }
        hash.update([0]);
    }
    let mut uid = String::with_capacity(36);
    for (nth, octet) in hash.finalize()[..16].iter().enumerate() {
        if matches!(nth, 4 | 6 | 8 | 10) {
            uid.push('-');
        }
        let _ = write!(uid, "{octet:02x}");
    }
    uid
}

/// The components, of those about one instance the newest; and how many others there were.
fn once<'a>(all: impl Iterator<Item = Component<'a>>) -> (Vec<Component<'a>>, usize) {
    let (mut kept, mut places): (Vec<Component<'a>>, BTreeMap<(String, String), usize>) = Default::default();
    let mut doubles = 0;
    for component in all {
        let about = component.property("RECURRENCE-ID").map(|id| id.value().trim().to_owned());
        let key = (component.name().to_ascii_uppercase(), about.unwrap_or_default());
        match places.get(&key) {
            None => {
                places.insert(key, kept.len());
                kept.push(component);
            }
            Some(place) => {
                doubles += 1;
                if age(component) > age(kept[*place]) {
                    kept[*place] = component;
                }
            }
        }
    }
    (kept, doubles)
}

/// What says which state of a component is the newer one: SEQUENCE, then LAST-MODIFIED. DTSTAMP does not: to many products it is
/// the time of the export.
fn age(component: Component<'_>) -> (i64, i64) {
    let number = |name, read: fn(&str) -> Option<i64>| {
        component.property(name).and_then(|p| read(p.value().trim_ascii())).unwrap_or(0)
    };
    (number("SEQUENCE", |text| text.parse().ok()), number("LAST-MODIFIED", parse_utc))
}

/// Whether one state of an object is newer than another: one of its components is.
#[must_use]
pub fn is_newer(one: &Calendar, other: &Calendar) -> bool {
    let newest = |calendar: &Calendar| calendar.components().filter(|c| !c.is("VTIMEZONE")).map(age).max();
    newest(one) > newest(other)
}

/// The first value of a property in octets that need not be a calendar object, as far as it can be read.
#[must_use]
pub fn said(octets: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(octets).replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let named = |line: &&str| {
        let head = line.split([':', ';']).next().unwrap_or_default();
        head.trim().eq_ignore_ascii_case(name)
    };
    let value = text.lines().find(named)?.split_once(':')?.1.chars().take(200).collect::<String>();
    Some(value).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(lines: &str) -> Bytes {
        format!("BEGIN:VEVENT\r\n{lines}END:VEVENT").into()
    }

    fn made(head: &str, parts: &[Bytes]) -> (String, usize) {
        let zone = |tzid: &str| {
            (tzid == "Home").then(|| Bytes::from_static(b"BEGIN:VTIMEZONE\nTZID:Home\nEND:VTIMEZONE"))
        };
        let made = gather(head, parts, zone).unwrap();
        (String::from_utf8(made.octets.into()).unwrap(), made.doubles)
    }

    #[test]
    fn an_object_has_its_zones_and_each_component_once() {
        let parts = [
            event("UID:a\r\nDTSTART;TZID=Home:1\r\n"),
            event("UID:a\r\nRECURRENCE-ID:2\r\nSUMMARY:old\r\n"),
            event("UID:a\r\nRECURRENCE-ID:2\r\nSUMMARY:new\r\nSEQUENCE:1\r\n"),
            event("UID:a\r\nDTSTART;TZID=Home:1\r\n"),
        ];
        let (text, doubles) = made("VERSION:2.0\r\nPRODID:x\r\n", &parts);
        let expected = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:Home\r\nEND:VTIMEZONE\r\n\
            BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Home:1\r\nEND:VEVENT\r\n\
            BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID:2\r\nSUMMARY:new\r\nSEQUENCE:1\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!((text.as_str(), doubles), (expected, 2));
    }

    #[test]
    fn a_uid_is_made_of_what_is_said_and_not_of_when() {
        let uid = |lines: &str| {
            let (text, _) = made("", &[event(lines)]);
            assert_eq!(text.matches("UID:").count(), 1, "{text}");
            text.lines().find_map(|line| line.strip_prefix("UID:")).unwrap().to_owned()
        };
        let one = uid("DTSTAMP:20260101T000000Z\r\nSUMMARY:Lunch\r\n");
        assert_eq!((one.len(), &one), (36, &uid("DTSTAMP:20270101T000000Z\r\nSUMMARY:Lu\r\n nch\r\n")));
        assert_eq!(one, uid("UID:\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Lunch\r\n"));
        assert_ne!(one, uid("DTSTAMP:20260101T000000Z\r\nSUMMARY:Supper\r\n"));
    }

    #[test]
    fn a_state_is_newer_by_its_sequence_and_then_by_its_last_change() {
        let read = |lines: &str| Calendar::parse(made("", &[event(lines)]).0.into()).unwrap();
        let (old, new) = ("LAST-MODIFIED:20260101T000000Z\r\n", "LAST-MODIFIED:20260102T000000Z\r\n");
        assert!(is_newer(&read(new), &read(old)) && !is_newer(&read(old), &read(new)));
        assert!(is_newer(&read(&format!("SEQUENCE:1\r\n{old}")), &read(new)));
        assert!(!is_newer(&read("DTSTAMP:20260102T000000Z\r\n"), &read("DTSTAMP:20260101T000000Z\r\n")));
    }
}
