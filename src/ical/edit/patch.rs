//! What an edit says: lines that take the place of all lines of their names.

use bytes::Bytes;

use crate::ical::calendar::Calendar;
use crate::ical::decode::escaped;
use crate::ical::edit::Fault;
use crate::ical::edit::splice::Wanted;
use crate::ical::write::Writer;

/// Lines that the edit itself keeps right.
const KEPT: [&str; 6] = ["UID", "RECURRENCE-ID", "SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "CREATED"];
/// Lines that only a whole series has.
const RECURRENCE: [&str; 4] = ["RRULE", "RDATE", "EXDATE", "EXRULE"];
/// Lines that say when.
pub(super) const TIMES: [&str; 4] = ["DTSTART", "DTEND", "DUE", "DURATION"];

/// What a component shall say after an edit; what is not named stays as it is, octet for octet.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    wanted: Wanted,
    /// The content lines themselves, to read them.
    lines: Vec<String>,
}

impl Patch {
    /// A patch that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one content line, unfolded, as `SUMMARY;LANGUAGE=en:Lunch`. It takes the place of all lines of its name,
    /// together with the other lines of that name in this patch.
    ///
    /// # Errors
    /// If it is not one content line, or of a name that the edit itself keeps right.
    pub fn line(mut self, line: &str) -> Result<Self, Fault> {
        let name = line.split([':', ';']).next().unwrap_or_default().to_ascii_uppercase();
        if line.contains(|c: char| c.is_control() && c != '\t') || read(&[line.to_owned()]).is_none() {
            return Err(Fault::Line);
        }
        let mut lines = self.wanted.of(&name).unwrap_or_default().to_vec();
        lines.push(line.to_owned());
        self.set(&name, lines)?;
        self.lines.push(line.to_owned());
        Ok(self)
    }

    /// Adds a property of that text, with the escapes that it needs.
    ///
    /// # Errors
    /// As [`Patch::line`] does.
    pub fn text(self, name: &str, text: &str) -> Result<Self, Fault> {
        self.line(&[name, ":", &escaped(text)].concat())
    }

    /// Takes away all lines of a name.
    ///
    /// # Errors
    /// If the edit itself keeps the lines of that name right.
    pub fn without(mut self, name: &str) -> Result<Self, Fault> {
        self.set(name, vec![])?;
        Ok(self)
    }

    /// Puts these VALARM components in the place of all there are.
    ///
    /// # Errors
    /// If the text is not whole VALARM components.
    pub fn alarms(mut self, text: &str) -> Result<Self, Fault> {
        let object = ["BEGIN:VCALENDAR\r\n", text, "\r\nEND:VCALENDAR\r\n"].concat();
        let read = Calendar::parse(Bytes::from(object)).map_err(|_| Fault::Line)?;
        if read.root().lines().next().is_some() || read.components().any(|c| !c.is("VALARM")) {
            return Err(Fault::Line);
        }
        let mut out = Writer::default();
        read.components().for_each(|alarm| out.raw(alarm.raw()));
        self.wanted.parts = Some(("VALARM", out.finish()));
        Ok(self)
    }

    fn set(&mut self, name: &str, lines: Vec<String>) -> Result<(), Fault> {
        if KEPT.iter().any(|kept| kept.eq_ignore_ascii_case(name)) {
            return Err(Fault::Kept);
        }
        self.wanted.set(name, lines);
        Ok(())
    }

    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Its lines as the properties of a component.
    pub(super) fn read(&self) -> Result<Calendar, Fault> {
        read(&self.lines).ok_or(Fault::Line)
    }

    /// Whether it says how something recurs.
    pub(super) fn recurs(&self) -> bool {
        self.wanted.names().any(|name| RECURRENCE.contains(&&*name.to_ascii_uppercase()))
    }

    /// Whether it says when something happens.
    pub(super) fn moves(&self) -> bool {
        self.wanted.names().any(|name| TIMES.contains(&&*name.to_ascii_uppercase()))
    }

    /// Whether a line is about the component itself, neither when it happens nor how it recurs.
    pub(super) fn is_plain(name: &str) -> bool {
        !TIMES.iter().chain(&RECURRENCE).any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// The lines as the properties of a component; none if they are none.
fn read(lines: &[String]) -> Option<Calendar> {
    let mut out = Writer::default();
    out.line("BEGIN:VCALENDAR");
    out.line("BEGIN:X-PATCH");
    for line in lines {
        out.line(line);
    }
    out.line("END:X-PATCH");
    out.line("END:VCALENDAR");
    let read = Calendar::parse(out.finish().into()).ok()?;
    let whole = read.components().next()?.lines().count() == lines.len();
    (whole && read.components().all(|c| c.components().next().is_none())).then_some(read)
}
