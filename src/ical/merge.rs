//! Puts many stored objects together into one, as a GET of a whole calendar answers.
//! RFC 5545 §3.4; RFC 7986 §5.1 for the name.

use std::collections::HashSet;

use crate::ical::calendar::Calendar;
use crate::ical::decode;
use crate::ical::write::Writer;

/// Who writes the objects that the server makes (RFC 5545 §3.7.3).
pub(super) const PRODID: &str = "-//kalends//kalends//EN";

/// One calendar object in the making.
#[derive(Default)]
pub struct Merge {
    out: Writer,
    zones: HashSet<String>,
}

impl Merge {
    /// An object without components; `name` is what people call the calendar.
    #[must_use]
    pub fn new(name: Option<&str>) -> Self {
        let mut out = Writer::default();
        out.line("BEGIN:VCALENDAR");
        out.line("VERSION:2.0");
        out.pieces(&["PRODID:", PRODID]);
        if let Some(name) = name {
            let name = decode::escaped(name);
            out.pieces(&["NAME:", &name]);
            out.pieces(&["X-WR-CALNAME:", &name]);
        }
        Self { out, zones: HashSet::new() }
    }

    /// Adds the components of a stored object, each time zone only the first time that its TZID comes.
    pub fn add(&mut self, calendar: &Calendar) {
        for component in calendar.components() {
            let known = component.is("VTIMEZONE")
                && !self
                    .zones
                    .insert(component.property("TZID").map(|p| p.text().into_owned()).unwrap_or_default());
            if !known {
                self.out.raw(component.raw());
            }
        }
    }

    /// Octets written since they were last taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written since it was last taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has been written since it was last taken, for an answer that is sent as it is made.
    pub fn take(&mut self) -> String {
        self.out.take()
    }

    /// The rest of the object.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.out.line("END:VCALENDAR");
        self.out.finish()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn zones_once_components_unchanged() {
        let object = |uid: &str| {
            let text = format!(
                "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Here\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:{uid}\nX-A;P=\"q\":b\n c\nEND:VEVENT\nEND:VCALENDAR\n"
            );
            Calendar::parse(Bytes::from(text)).unwrap()
        };
        let mut merge = Merge::new(Some("Home, sweet"));
        merge.add(&object("a"));
        merge.add(&object("b"));
        let text = merge.finish();
        assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
        assert!(text.contains("UID:a\r\nX-A;P=\"q\":b\r\n c\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:b\r\n"));
        assert!(text.contains("NAME:Home\\, sweet\r\n"));
        assert_eq!(Calendar::parse(text.into()).unwrap().components().count(), 3);
    }
}
