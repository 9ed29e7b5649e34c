//! One stream of many calendar objects, taken apart into the objects that CalDAV stores: what has one UID is one of them
//! (RFC 4791 §4.1).

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::ical::calendar::{Calendar, Component};
use crate::ical::write::Writer;

/// The properties of the stream that say how to read each object of it; the others are about the stream.
pub(super) const KEPT: [&str; 4] = ["VERSION", "PRODID", "CALSCALE", "X-WR-TIMEZONE"];

/// A stream, taken apart.
pub struct Split<'a> {
    stream: &'a Calendar,
    /// The components of each UID, in the order in which the UIDs come; components without one stand alone.
    parts: Vec<Part<'a>>,
    zones: BTreeMap<String, Component<'a>>,
}

/// The components of one object.
pub struct Part<'a> {
    /// Their UID, where they have one.
    pub uid: Option<String>,
    components: Vec<Component<'a>>,
}

impl<'a> Split<'a> {
    /// The objects of a stream.
    #[must_use]
    pub fn of(stream: &'a Calendar) -> Self {
        let (mut parts, mut zones) = (Vec::<Part<'a>>::new(), BTreeMap::new());
        let mut known = BTreeMap::<String, usize>::new();
        for component in stream.components() {
            if component.is("VTIMEZONE") {
                if let Some(tzid) = component.property("TZID") {
                    zones.entry(tzid.text().into_owned()).or_insert(component);
                }
                continue;
            }
            let uid = component.property("UID").map(|uid| uid.text().into_owned());
            if let Some(at) = uid.as_ref().and_then(|uid| known.get(uid)) {
                parts[*at].components.push(component);
                continue;
            }
            known.extend(uid.clone().map(|uid| (uid, parts.len())));
            parts.push(Part { uid, components: vec![component] });
        }
        Self { stream, parts, zones }
    }

    /// Its objects.
    #[must_use]
    pub fn parts(&self) -> &[Part<'a>] {
        &self.parts
    }

    /// The octets of one of them, with the definitions of the time zones that it names.
    #[must_use]
    pub fn octets(&self, part: &Part<'_>) -> Bytes {
        let mut out = Writer::default();
        out.line("BEGIN:VCALENDAR");
        let root = self.stream.root();
        for line in root.lines().filter(|line| KEPT.iter().any(|kept| line.is(kept))) {
            out.raw(line.raw());
        }
        let mut named = BTreeSet::new();
        part.components.iter().for_each(|component| zones_of(*component, &mut named));
        for zone in named.iter().filter_map(|tzid| self.zones.get(tzid)) {
            out.raw(zone.raw());
        }
        for component in &part.components {
            out.raw(component.raw());
        }
        out.line("END:VCALENDAR");
        out.finish().into()
    }
}

/// The TZIDs that a component and those in it name. The depth of the object bounds the recursion.
pub(super) fn zones_of(component: Component<'_>, named: &mut BTreeSet<String>) {
    named.extend(component.lines().filter_map(|line| Some(line.parameter("TZID")?.into_owned())));
    component.components().for_each(|inner| zones_of(inner, named));
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nMETHOD:PUBLISH\r\nX-WR-CALNAME:All\r\n\
        BEGIN:VTIMEZONE\r\nTZID:Home\r\nEND:VTIMEZONE\r\nBEGIN:VTIMEZONE\r\nTZID:Away\r\nEND:VTIMEZONE\r\n\
        BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Home:20260101T090000\r\nX-FOLDED:a lo\r\n ng one\r\nEND:VEVENT\r\n\
        BEGIN:VTODO\r\nSUMMARY:no UID\r\nEND:VTODO\r\n\
        BEGIN:VEVENT\r\nUID:b\r\nDTSTART:20260101T090000Z\r\nEND:VEVENT\r\n\
        BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID;TZID=Home:20260102T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn what_has_one_uid_is_one_object_with_its_zones() {
        let stream = Calendar::parse(STREAM.into()).unwrap();
        let split = Split::of(&stream);
        let uids: Vec<_> = split.parts().iter().map(|part| part.uid.as_deref()).collect();
        assert_eq!(uids, [Some("a"), None, Some("b")]);
        let octets = split.octets(&split.parts()[0]);
        let head = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\n";
        let expected = format!(
            "{head}BEGIN:VTIMEZONE\r\nTZID:Home\r\nEND:VTIMEZONE\r\n\
             BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Home:20260101T090000\r\nX-FOLDED:a lo\r\n ng one\r\nEND:VEVENT\r\n\
             BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID;TZID=Home:20260102T090000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        assert_eq!(std::str::from_utf8(&octets).unwrap(), expected);
        let octets = split.octets(&split.parts()[2]);
        assert!(!octets.windows(9).any(|window| window == b"VTIMEZONE"));
    }
}
