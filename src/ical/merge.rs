//! Puts many stored objects together into one, as a GET of a whole calendar answers.
//! RFC 5545 §3.4; RFC 7986 §5.1 for the name.

use std::collections::HashSet;

use crate::ical::access::PROPERTY as ACCESS;
use crate::ical::calendar::{Calendar, Component};
use crate::ical::write::Writer;
use crate::ical::{decode, jcal, xcal};

/// Who writes the objects that the server makes (RFC 5545 §3.7.3).
pub(super) const PRODID: &str = "-//kalends//kalends//EN";

/// How the object is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syntax {
    /// iCalendar.
    #[default]
    Ical,
    /// jCal.
    Jcal,
    /// xCal, without components that have a name that no XML element can have.
    Xcal,
}

/// One calendar object in the making.
#[derive(Default)]
pub struct Merge {
    syntax: Syntax,
    /// iCalendar.
    lines: Writer,
    /// What is none.
    text: String,
    zones: HashSet<String>,
    some: bool,
    /// Whether components say what their objects say of who may see them.
    telling: bool,
}

impl Merge {
    /// An object without components; `name` is what people call the calendar, `color` the color that it has for them.
    #[must_use]
    pub fn new(syntax: Syntax, name: Option<&str>, color: Option<&str>) -> Self {
        let mut head = Writer::default();
        head.line("BEGIN:VCALENDAR");
        head.line("VERSION:2.0");
        head.pieces(&["PRODID:", PRODID]);
        if let Some(name) = name {
            let name = decode::escaped(name);
            head.pieces(&["NAME:", &name]);
            head.pieces(&["X-WR-CALNAME:", &name]);
        }
        if let Some(color) = color {
            let color = decode::escaped(color);
            // RFC 7986 §5.9 has names only, and what people set are mostly numbers.
            if color.bytes().all(|b| b.is_ascii_alphabetic()) {
                head.pieces(&["COLOR:", &color]);
            }
            head.pieces(&["X-APPLE-CALENDAR-COLOR:", &color]);
        }
        let empty = Self { syntax, ..Self::default() };
        if syntax == Syntax::Ical {
            return Self { lines: head, ..empty };
        }
        head.line("END:VCALENDAR");
        let head = Calendar::parse(head.finish().into()).ok();
        let text = head.and_then(|head| match syntax {
            Syntax::Xcal => xcal::open(head.root()),
            Syntax::Ical | Syntax::Jcal => Some(jcal::open(head.root())),
        });
        Self { text: text.unwrap_or_default(), ..empty }
    }

    /// The same in iCalendar, but that each component says what its object says of who may see it: the whole has no place for that.
    #[must_use]
    pub fn telling_access(self) -> Self {
        Self { telling: self.syntax == Syntax::Ical, ..self }
    }

    /// Adds the components of a stored object, each time zone only the first time that its TZID comes.
    pub fn add(&mut self, calendar: &Calendar) {
        for component in calendar.components() {
            let known = component.is("VTIMEZONE")
                && !self
                    .zones
                    .insert(component.property("TZID").map(|p| p.text().into_owned()).unwrap_or_default());
            if known {
                continue;
            }
            match calendar.property(ACCESS).filter(|_| self.telling && !component.is("VTIMEZONE")) {
                Some(access) => {
                    let (raw, begin) = (component.raw(), component.begin().raw().len());
                    self.lines.raw(&raw[..begin]);
                    self.lines.raw(access.raw());
                    self.lines.raw(&raw[begin..]);
                }
                None => self.component(component),
            }
        }
    }

    fn component(&mut self, component: Component<'_>) {
        match self.syntax {
            Syntax::Ical => self.lines.raw(component.raw()),
            Syntax::Jcal => {
                if self.some {
                    self.text.push(',');
                }
                self.text.push_str(&jcal::part(component));
            }
            Syntax::Xcal => self.text.push_str(&xcal::part(component).unwrap_or_default()),
        }
        self.some = true;
    }

    /// Octets written since they were last taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len() + self.text.len()
    }

    /// Whether nothing was written since it was last taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What has been written since it was last taken, for an answer that is sent as it is made.
    pub fn take(&mut self) -> String {
        match self.syntax {
            Syntax::Ical => self.lines.take(),
            Syntax::Jcal | Syntax::Xcal => std::mem::take(&mut self.text),
        }
    }

    /// The rest of the object.
    #[must_use]
    pub fn finish(mut self) -> String {
        match self.syntax {
            Syntax::Ical => {
                self.lines.line("END:VCALENDAR");
                return self.lines.finish();
            }
            Syntax::Jcal => self.text.push_str("]]"),
            Syntax::Xcal => self.text.push_str(xcal::CLOSE),
        }
        self.text
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
        let mut merge = Merge::new(Syntax::Ical, Some("Home, sweet"), Some("#FF0000FF"));
        merge.add(&object("a"));
        merge.add(&object("b"));
        let text = merge.finish();
        assert_eq!(text.matches("BEGIN:VTIMEZONE").count(), 1);
        assert!(text.contains("UID:a\r\nX-A;P=\"q\":b\r\n c\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:b\r\n"));
        assert!(text.contains("NAME:Home\\, sweet\r\n"));
        assert!(text.contains("X-APPLE-CALENDAR-COLOR:#FF0000FF\r\n") && !text.contains("\nCOLOR"));
        assert_eq!(Calendar::parse(text.into()).unwrap().components().count(), 3);
    }

    #[test]
    fn who_may_see_an_object_is_told_where_it_is_asked_for() {
        let object = "BEGIN:VCALENDAR\r\nX-CALENDARSERVER-ACCESS:PRIVATE\r\nBEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let object = Calendar::parse(Bytes::from(object)).unwrap();
        let mut merges =
            [Merge::new(Syntax::Ical, None, None), Merge::new(Syntax::Ical, None, None).telling_access()];
        for merge in &mut merges {
            merge.add(&object);
        }
        let [plain, telling] = merges.map(Merge::finish);
        assert!(plain.contains("BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\n"));
        assert!(
            telling.contains("BEGIN:VEVENT\r\nX-CALENDARSERVER-ACCESS:PRIVATE\r\nUID:a\r\nEND:VEVENT\r\n")
        );
    }

    #[test]
    fn the_other_forms_can_be_read() {
        let object = "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Here\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:a\nEND:VEVENT\nEND:VCALENDAR\n";
        let object = Calendar::parse(Bytes::from(object)).unwrap();
        for (count, syntax) in [(0, Syntax::Jcal), (2, Syntax::Jcal), (0, Syntax::Xcal), (2, Syntax::Xcal)] {
            let mut merge = Merge::new(syntax, Some("Home, sweet"), Some("red"));
            (0..count).for_each(|_| merge.add(&object));
            let text = merge.take() + &merge.finish();
            let read = if syntax == Syntax::Jcal {
                jcal::read(text.as_bytes())
            } else {
                xcal::read(text.as_bytes())
            };
            let read = read.unwrap();
            assert_eq!(read.property("COLOR").unwrap().text(), "red");
            assert_eq!(read.components().count(), if count == 0 { 0 } else { 3 }, "{text}");
        }
    }
}
