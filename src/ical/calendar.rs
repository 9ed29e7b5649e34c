//! A parsed calendar object: cheap views of its components and properties, decoded only when asked.
//! RFC 5545 §3.4, §3.5, §3.6.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use bytes::Bytes;

use crate::ical::decode;
use crate::ical::line::{self, Cursor, Line};
use crate::ical::text::{self, Invalid, Node, Text};
use crate::ical::value::{DateValue, Duration, PeriodValue};
use crate::ical::write;
use crate::model;

/// One iCalendar object, as it came.
#[derive(Clone, Debug)]
pub struct Calendar {
    text: Text,
}

impl Calendar {
    /// Reads octets that hold exactly one VCALENDAR.
    ///
    /// # Errors
    /// Where and why they do not.
    pub fn parse(bytes: Bytes) -> Result<Self, Invalid> {
        let text = text::scan(bytes)?;
        let Some(root) = text.nodes.first() else {
            return Err(text.invalid(0, "no VCALENDAR"));
        };
        let begin = text.lines[root.begin as usize];
        if !text.value(&begin).trim_ascii().eq_ignore_ascii_case("VCALENDAR") {
            return Err(text.invalid(begin.start as usize, "the outermost component must be VCALENDAR"));
        }
        if let Some(next) = text.nodes.get(root.after as usize) {
            let at = text.lines[next.begin as usize].start as usize;
            return Err(text.invalid(at, "more than one VCALENDAR"));
        }
        Ok(Self { text })
    }

    /// The octets as they came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.text.bytes
    }

    /// Octets that it takes, with what is known of its lines.
    #[must_use]
    pub fn weight(&self) -> usize {
        let Text { bytes, lines, nodes, .. } = &self.text;
        bytes.len() + lines.capacity() * size_of::<Line>() + nodes.capacity() * size_of::<Node>()
    }

    /// The octets as text; folded anew where a fold cuts a character, which no XML could carry.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        if self.text.is_utf8() {
            return String::from_utf8_lossy(&self.text.bytes);
        }
        let mut out = write::Writer::default();
        for line in &self.text.lines {
            out.line(&self.text.unfolded(line.start, line.end));
        }
        Cow::Owned(out.finish())
    }

    /// The VCALENDAR itself.
    #[must_use]
    pub fn root(&self) -> Component<'_> {
        Component { text: &self.text, node: 0 }
    }

    /// The components directly in VCALENDAR.
    pub fn components(&self) -> impl Iterator<Item = Component<'_>> {
        self.root().components()
    }

    /// The first property of VCALENDAR of that name.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<Property<'_>> {
        self.root().property(name)
    }
}

/// A component of a calendar object.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    text: &'a Text,
    node: usize,
}

impl PartialEq for Component<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.text, other.text) && self.node == other.node
    }
}

impl Eq for Component<'_> {}

impl Hash for Component<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.node.hash(state);
    }
}

impl<'a> Component<'a> {
    /// Its name, as written.
    #[must_use]
    pub fn name(self) -> Cow<'a, str> {
        match self.begin().value() {
            Cow::Borrowed(name) => Cow::Borrowed(name.trim_ascii()),
            Cow::Owned(name) => Cow::Owned(name.trim_ascii().to_owned()),
        }
    }

    /// Whether it has that name, in any case of letters.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Its kind, if a calendar object resource can be made of it.
    #[must_use]
    pub fn kind(self) -> Option<model::Component> {
        model::Component::named(&self.name())
    }

    /// The components directly in it.
    pub fn components(self) -> impl Iterator<Item = Component<'a>> {
        let end = self.text.nodes[self.node].after as usize;
        let mut next = self.node + 1;
        std::iter::from_fn(move || {
            let node = next;
            (node < end).then(|| {
                next = self.text.nodes[node].after as usize;
                Component { text: self.text, node }
            })
        })
    }

    /// The properties directly in it, in their order.
    pub fn lines(self) -> impl Iterator<Item = Property<'a>> {
        let node = self.text.nodes[self.node];
        let mut at = node.begin as usize + 1;
        let mut child = self.node + 1;
        std::iter::from_fn(move || {
            while child < node.after as usize && self.text.nodes[child].begin as usize == at {
                at = self.text.nodes[child].end as usize + 1;
                child = self.text.nodes[child].after as usize;
            }
            (at < node.end as usize).then(|| {
                at += 1;
                Property { text: self.text, line: &self.text.lines[at - 1] }
            })
        })
    }

    /// The first property of that name.
    #[must_use]
    pub fn property(self, name: &str) -> Option<Property<'a>> {
        self.lines().find(|property| property.is(name))
    }

    /// The properties of that name, in their order.
    pub fn properties<'n>(self, name: &'n str) -> impl Iterator<Item = Property<'a>> + use<'a, 'n> {
        self.lines().filter(move |property| property.is(name))
    }

    /// The first property of that name read as one DATE or DATE-TIME.
    #[must_use]
    pub fn date(self, name: &str) -> Option<DateValue<'a>> {
        self.property(name)?.date()
    }

    /// The UID by which components belong together, however it is escaped and whatever white space is around it.
    pub(super) fn uid(self) -> Option<Cow<'a, str>> {
        let uid = self.property("UID")?.text();
        Some(if uid.trim_ascii().len() == uid.len() { uid } else { uid.trim_ascii().to_owned().into() })
    }

    /// Its octets, from BEGIN to END, without the last line break.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        let node = self.text.nodes[self.node];
        let start = self.text.lines[node.begin as usize].start;
        let end = self.text.lines[node.end as usize].end;
        &self.text.bytes[start as usize..end as usize]
    }

    /// Where its octets stand, with the line break.
    pub(super) fn extent(self) -> Range<usize> {
        let node = self.text.nodes[self.node];
        let end = self.text.lines[node.end as usize].end as usize;
        let start = self.text.lines[node.begin as usize].start as usize;
        start..line::past_breaks(&self.text.bytes, end)
    }

    /// Where its END line begins.
    pub(super) fn end_line(self) -> usize {
        self.text.lines[self.text.nodes[self.node].end as usize].start as usize
    }

    /// Where the line behind its last property begins.
    pub(super) fn last_line(self) -> usize {
        self.lines().last().unwrap_or_else(|| self.begin()).extent().end
    }

    /// Its BEGIN line.
    pub(super) fn begin(self) -> Property<'a> {
        Property { text: self.text, line: &self.text.lines[self.text.nodes[self.node].begin as usize] }
    }

    /// The fault of this component.
    pub(super) fn invalid(self, reason: &'static str) -> Invalid {
        self.begin().invalid(reason)
    }
}

/// A property of a component.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    text: &'a Text,
    line: &'a Line,
}

impl<'a> Property<'a> {
    /// Its name, as written.
    #[must_use]
    pub fn name(self) -> Cow<'a, str> {
        self.text.name(self.line)
    }

    /// Whether it has that name, in any case of letters.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.text.named(self.line, name)
    }

    /// Its value as written, unfolded.
    #[must_use]
    pub fn value(self) -> Cow<'a, str> {
        self.text.value(self.line)
    }

    /// Its value read as TEXT: without the escapes.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        decode::text(self.value())
    }

    /// The parameters in their order.
    pub fn parameters(self) -> impl Iterator<Item = Parameter<'a>> {
        let mut cursor = Cursor {
            bytes: &self.text.bytes,
            at: self.line.name_end as usize,
            end: self.line.value as usize,
        };
        std::iter::from_fn(move || {
            if cursor.peek() != Some(b';') {
                return None;
            }
            cursor.at += 1;
            let (name, list) = cursor.parameter().ok()?;
            Some(Parameter { name: self.span(name.start, name.end), list: self.span(list.start, list.end) })
        })
    }

    /// The first value of the parameter of that name, decoded.
    #[must_use]
    pub fn parameter(self, name: &str) -> Option<Cow<'a, str>> {
        if self.line.value == self.line.name_end + 1 {
            return None;
        }
        let parameter = self.parameters().find(|p| p.name.eq_ignore_ascii_case(name))?;
        match parameter.list {
            Cow::Borrowed(list) => decode::parameter_values(list).next(),
            Cow::Owned(list) => decode::parameter_values(&list).next().map(|v| Cow::Owned(v.into_owned())),
        }
    }

    /// Its value read as one DATE or DATE-TIME.
    #[must_use]
    pub fn date(self) -> Option<DateValue<'a>> {
        let date = DateValue::parse(&self.value(), self.parameter("TZID").as_ref())?;
        Some(if self.is_of_days() { DateValue::Date(date.civil().date()) } else { date })
    }

    /// Its value read as a list of DATE or DATE-TIME; of a PERIOD its start; what cannot be read is left out.
    #[must_use]
    pub fn dates(self) -> Vec<DateValue<'a>> {
        let tzid = self.parameter("TZID");
        let value = self.value();
        let starts = value.split(',').map(|one| one.split_once('/').map_or(one, |(start, _)| start));
        let declared = self.is_of_days();
        let dates = starts.filter_map(|one| DateValue::parse(one, tzid.as_ref()));
        dates.map(|date| if declared { DateValue::Date(date.civil().date()) } else { date }).collect()
    }

    /// Whether its values are declared dates; some products write a time after them.
    fn is_of_days(self) -> bool {
        self.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("DATE"))
    }

    /// Its value read as a list of PERIOD; what cannot be read is left out.
    #[must_use]
    pub fn periods(self) -> Vec<PeriodValue<'a>> {
        let tzid = self.parameter("TZID");
        self.value().split(',').filter_map(|one| PeriodValue::parse(one, tzid.as_ref())).collect()
    }

    /// Its value read as a DURATION.
    #[must_use]
    pub fn duration(self) -> Option<Duration> {
        Duration::parse(&self.value())
    }

    /// Its octets without the last line break.
    #[must_use]
    pub fn raw(self) -> &'a [u8] {
        &self.text.bytes[self.line.start as usize..self.line.end as usize]
    }

    /// Where its octets stand, with the line break.
    pub(super) fn extent(self) -> Range<usize> {
        self.line.start as usize..line::past_breaks(&self.text.bytes, self.line.end as usize)
    }

    /// Name and parameters up to the colon, unfolded.
    pub(super) fn head(self) -> Cow<'a, str> {
        self.span(self.line.start as usize, self.line.value as usize - 1)
    }

    /// The fault of this property.
    pub(super) fn invalid(self, reason: &'static str) -> Invalid {
        self.text.invalid(self.line.start as usize, reason)
    }

    fn span(self, start: usize, end: usize) -> Cow<'a, str> {
        match line::unfold(&self.text.bytes[start..end]) {
            Cow::Borrowed(raw) => String::from_utf8_lossy(raw),
            Cow::Owned(raw) => Cow::Owned(String::from_utf8_lossy(&raw).into_owned()),
        }
    }
}

/// A parameter of a property.
#[derive(Clone, Debug)]
pub struct Parameter<'a> {
    /// Its name, as written.
    pub name: Cow<'a, str>,
    list: Cow<'a, str>,
}

impl Parameter<'_> {
    /// Its list of values as written, unfolded.
    pub(super) fn list(&self) -> &str {
        &self.list
    }

    /// Its values, without quotes, decoded.
    pub fn values(&self) -> impl Iterator<Item = Cow<'_, str>> {
        decode::parameter_values(&self.list)
    }
}
