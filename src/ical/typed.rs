//! Properties as typed values, the ground that iCalendar, jCal and xCal have in common.
//! RFC 5545 §3.3, §3.8; RFC 7265 §3.6 and RFC 6321 §3.6 for how dates and times are spelled there.

use std::fmt;

use bytes::Bytes;

use crate::ical::calendar::{Calendar, Property};
use crate::ical::decode;
use crate::ical::value::{DateValue, Duration, local_stamp, offset};
use crate::ical::write::Writer;

/// Why a jCal or xCal document is not a calendar object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Where: line and column, or the names of components and properties on the way there.
    pub at: String,
    /// What is wrong there.
    pub reason: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.at, self.reason)
    }
}

impl std::error::Error for Unreadable {}

/// A property, the default type of its values, and whether they are a list. What is not here has no default.
const PROPERTIES: &[(&str, &str, bool)] = &[
    ("acknowledged", "date-time", false),
    ("action", "text", false),
    ("attach", "uri", false),
    ("attendee", "cal-address", false),
    ("busytype", "text", false),
    ("calendar-address", "cal-address", false),
    ("calscale", "text", false),
    ("categories", "text", true),
    ("class", "text", false),
    ("color", "text", false),
    ("comment", "text", false),
    ("completed", "date-time", false),
    ("concept", "uri", false),
    ("contact", "text", false),
    ("created", "date-time", false),
    ("description", "text", false),
    ("dtend", "date-time", false),
    ("dtstamp", "date-time", false),
    ("dtstart", "date-time", false),
    ("due", "date-time", false),
    ("duration", "duration", false),
    ("exdate", "date-time", true),
    ("exrule", "recur", false),
    ("freebusy", "period", true),
    ("geo", "float", false),
    ("last-modified", "date-time", false),
    ("location", "text", false),
    ("location-type", "text", true),
    ("method", "text", false),
    ("name", "text", false),
    ("organizer", "cal-address", false),
    ("participant-type", "text", false),
    ("percent-complete", "integer", false),
    ("priority", "integer", false),
    ("prodid", "text", false),
    ("proximity", "text", false),
    ("rdate", "date-time", true),
    ("recurrence-id", "date-time", false),
    ("refid", "text", false),
    ("related-to", "text", false),
    ("repeat", "integer", false),
    ("request-status", "text", false),
    ("resource-type", "text", false),
    ("resources", "text", true),
    ("rrule", "recur", false),
    ("sequence", "integer", false),
    ("status", "text", false),
    ("summary", "text", false),
    ("transp", "text", false),
    ("trigger", "duration", false),
    ("tzid", "text", false),
    ("tzid-alias-of", "text", false),
    ("tzname", "text", false),
    ("tzoffsetfrom", "utc-offset", false),
    ("tzoffsetto", "utc-offset", false),
    ("tzuntil", "date-time", false),
    ("tzurl", "uri", false),
    ("uid", "text", false),
    ("url", "uri", false),
    ("version", "text", false),
    ("xml", "text", false),
];

/// Properties that the standards know and give no default type: each must say what it has (RFC 7986 §5.7, §5.8, §5.10, §5.11;
/// RFC 9073 §6.5, §6.6; RFC 9253 §8.2).
const WITHOUT_DEFAULT: [&str; 7] =
    ["conference", "image", "link", "refresh-interval", "source", "structured-data", "styled-description"];

/// Whether a standard knows the property of that name in small letters.
pub(super) fn is_known(name: &str) -> bool {
    WITHOUT_DEFAULT.contains(&name) || PROPERTIES.binary_search_by(|(known, ..)| (*known).cmp(name)).is_ok()
}

/// The default type of a property, and whether its values are a list.
fn default(name: &str) -> (&'static str, bool) {
    let row = PROPERTIES.binary_search_by(|(known, ..)| (*known).cmp(name)).ok();
    row.map_or(("unknown", false), |at| (PROPERTIES[at].1, PROPERTIES[at].2))
}

/// A parameter: its name in small letters, and its values.
pub(super) type Param = (String, Vec<String>);

/// Each parameter once, with all its values: where one stands twice the first value is what counts, as in iCalendar.
pub(super) fn joined(params: impl Iterator<Item = Param>) -> Vec<Param> {
    let mut all: Vec<Param> = vec![];
    for (name, values) in params {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.extend(values),
            None => all.push((name, values)),
        }
    }
    all
}

/// A property with its values apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Typed {
    /// In small letters.
    pub name: String,
    /// All but VALUE.
    pub params: Vec<Param>,
    /// The type of the values, in small letters.
    pub kind: String,
    pub values: Vec<Value>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// Text without escapes, dates and times as ISO 8601 spells them at length, and all else as it is.
    Word(String),
    Boolean(bool),
    Integer(i64),
    Float(f64),
    /// Start, and end or duration.
    Period(String, String),
    /// The parts of a rule: names in small letters, and lists.
    Recur(Vec<(String, Vec<String>)>),
    /// The parts of GEO and REQUEST-STATUS.
    Parts(Vec<String>),
}

impl Typed {
    /// Reads a property; what does not have its type is of the type `unknown`, word for word.
    pub fn of(property: Property<'_>) -> Self {
        let name = property.name().to_ascii_lowercase();
        let params = property.parameters().filter(|p| !p.name.eq_ignore_ascii_case("VALUE"));
        let params = joined(params.map(|p| {
            (p.name.to_ascii_lowercase(), p.values().map(|value| value.replace('\r', "")).collect())
        }));
        let (usual, list) = default(&name);
        let declared = property.parameter("VALUE").map(|kind| kind.to_ascii_lowercase());
        // What is no name of a type, as some products write it, declares nothing.
        let kind = declared.filter(|kind| is_name(kind)).unwrap_or_else(|| usual.to_owned());
        // A carriage return that breaks no line means nothing, and no XML reader would keep it.
        let raw = property.value().replace('\r', "");
        // Products leave VALUE out, and write times after what they declare a date.
        let also = match &*kind {
            "date-time" => ["date", "period"].as_slice(),
            "duration" => &["date-time"],
            _ => &[],
        };
        // A declaration that is wrong is dropped, lest what is written without it be read as something else.
        for kind in [&*kind].iter().chain(also).chain([&usual]) {
            let read = values(&name, kind, &raw, list);
            // What could not be written again is not of this type either.
            let whole = |values: &Vec<Value>| values.iter().all(|value| written(value, kind).is_some());
            if let Some(values) = read.filter(whole) {
                return Self { name, params, kind: (*kind).to_owned(), values };
            }
        }
        Self { name, params, kind: "unknown".to_owned(), values: vec![Value::Word(raw)] }
    }

    /// The content line, unfolded.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&self) -> Result<String, &'static str> {
        if !is_name(&self.name) || ["begin", "end"].contains(&&*self.name.to_ascii_lowercase()) {
            return Err("not the name of a property");
        }
        let mut line = self.name.to_ascii_uppercase();
        let (usual, _) = default(&self.name.to_ascii_lowercase());
        let kind = self.kind.to_ascii_lowercase();
        if kind != usual && kind != "unknown" {
            if !is_name(&kind) {
                return Err("not the name of a type");
            }
            line.extend([";VALUE=", &kind.to_ascii_uppercase()]);
        }
        for (name, values) in &self.params {
            if !is_name(name) || name.eq_ignore_ascii_case("VALUE") {
                return Err("not the name of a parameter");
            }
            let values: Vec<_> = values.iter().map(|value| parameter(value)).collect();
            line.extend([";", &name.to_ascii_uppercase(), "=", &values.join(",")]);
        }
        let values: Option<Vec<_>> = self.values.iter().map(|value| written(value, &kind)).collect();
        let values = values.filter(|values| !values.is_empty()).ok_or("a value that is not of its type")?;
        line.extend([":", &values.join(",")]);
        if line.contains(|c: char| c < ' ' && c != '\t') {
            return Err("a control character");
        }
        Ok(line)
    }
}

/// The object of lines that were made of another form.
///
/// # Errors
/// The line that is wrong.
pub(super) fn finish(out: Writer) -> Result<Calendar, Unreadable> {
    let text = out.finish();
    Calendar::parse(Bytes::from(text.clone())).map_err(|fault| {
        let line = text.lines().nth(fault.line.saturating_sub(1)).unwrap_or_default();
        Unreadable { at: line.to_owned(), reason: fault.reason }
    })
}

/// Letters, digits and hyphens.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The values of a type that a text holds; none if it is of another type.
fn values(name: &str, kind: &str, raw: &str, list: bool) -> Option<Vec<Value>> {
    match (name, kind) {
        ("geo", "float") => {
            let (latitude, longitude) = raw.split_once(';')?;
            let parts = [latitude.trim(), longitude.trim()];
            let numbers = parts.iter().all(|part| part.parse::<f64>().is_ok_and(f64::is_finite));
            numbers.then(|| vec![Value::Parts(parts.map(str::to_owned).to_vec())])
        }
        ("request-status", "text") => {
            let parts = decode::text_list(raw, ';', 3);
            (parts.len() > 1).then(|| vec![Value::Parts(parts)])
        }
        (_, "text") if list => {
            Some(decode::text_list(raw, ',', usize::MAX).into_iter().map(Value::Word).collect())
        }
        (_, "text") => Some(vec![Value::Word(decode::text(raw.into()).into_owned())]),
        (_, "date" | "date-time" | "period" | "time" | "integer" | "float" | "boolean" | "utc-offset") => {
            raw.split(',').map(|one| value(kind, one.trim())).collect()
        }
        (_, "duration") => value(kind, raw.trim()).map(|value| vec![value]),
        (_, "binary") => Some(vec![Value::Word(raw.split_ascii_whitespace().collect())]),
        (_, "recur") => recur(raw).map(|parts| vec![Value::Recur(parts)]),
        _ => Some(vec![Value::Word(raw.to_owned())]),
    }
}

fn value(kind: &str, text: &str) -> Option<Value> {
    Some(match kind {
        "date" => Value::Word(long_date(&DateValue::parse(text, None)?)),
        "date-time" => Value::Word(long_time(text)?),
        "time" => {
            let (clock, utc) = text.strip_suffix(['Z', 'z']).map_or((text, ""), |clock| (clock, "Z"));
            let long = long_time(&["20000101T", clock].concat())?;
            Value::Word([&long[11..], utc].concat())
        }
        "period" => {
            let (start, end) = text.split_once('/')?;
            let end = long_time(end).or_else(|| end.contains('P').then(|| end.to_owned()))?;
            Value::Period(long_time(start)?, end)
        }
        "duration" => Value::Word(Duration::parse(text).map(|_| text.to_owned())?),
        "utc-offset" => {
            offset(text)?;
            let digits: Vec<_> = (1..text.len()).step_by(2).map(|at| &text[at..at + 2]).collect();
            Value::Word([&text[..1], &digits.join(":")].concat())
        }
        "integer" => Value::Integer(text.parse().ok()?),
        "float" => Value::Float(text.parse().ok().filter(|number: &f64| number.is_finite())?),
        "boolean" if text.eq_ignore_ascii_case("TRUE") => Value::Boolean(true),
        "boolean" if text.eq_ignore_ascii_case("FALSE") => Value::Boolean(false),
        _ => return None,
    })
}

fn long_date(date: &DateValue<'_>) -> String {
    let short = local_stamp(date.civil());
    [&short[..4], "-", &short[4..6], "-", &short[6..8]].concat()
}

/// A DATE-TIME at length; none for a DATE.
fn long_time(text: &str) -> Option<String> {
    let date = DateValue::parse(text, None).filter(|date| !date.is_date())?;
    let short = local_stamp(date.civil());
    let utc = if matches!(date, DateValue::Utc(_)) { "Z" } else { "" };
    Some([&long_date(&date), "T", &short[9..11], ":", &short[11..13], ":", &short[13..], utc].concat())
}

fn recur(raw: &str) -> Option<Vec<(String, Vec<String>)>> {
    let parts = raw.split(';').map(str::trim).filter(|part| !part.is_empty());
    let read = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim();
        let values = match &*name {
            "until" => vec![long_time(value).or_else(|| Some(long_date(&DateValue::parse(value, None)?)))?],
            _ => value.split(',').map(|one| one.trim().to_owned()).collect(),
        };
        is_name(&name).then_some((name, values))
    };
    let parts: Vec<_> = parts.map(read).collect::<Option<_>>()?;
    // Of a part that stands twice a document would keep one, and make a rule of what is none.
    let once =
        parts.iter().enumerate().all(|(at, (name, _))| parts[..at].iter().all(|(other, _)| other != name));
    once.then_some(parts)
}

/// A value as iCalendar writes it; none if it is not of its type.
fn written(value: &Value, kind: &str) -> Option<String> {
    Some(match (value, kind) {
        (Value::Word(text), "text") => decode::escaped(text),
        (Value::Word(text), "date" | "date-time" | "time") => {
            let short = text.replace(['-', ':'], "");
            let whole = if kind == "time" { ["20000101T", &short].concat() } else { short.clone() };
            let date = DateValue::parse(&whole, None)?;
            (date.is_date() == (kind == "date")).then_some(short)?
        }
        (Value::Word(text), "duration") => Duration::parse(text).map(|_| text.clone())?,
        (Value::Word(text), "utc-offset") => {
            let short = text.replace(':', "");
            offset(&short)?;
            short
        }
        // Whatever else has a comma in it would be two values.
        (Value::Word(text), "integer" | "float" | "boolean" | "period" | "recur") => {
            text.bytes().all(|b| b.is_ascii_graphic()).then(|| text.clone())?
        }
        (Value::Word(text), _) => text.clone(),
        (Value::Boolean(is), _) => if *is { "TRUE" } else { "FALSE" }.to_owned(),
        (Value::Integer(number), _) => number.to_string(),
        (Value::Float(number), _) => number.to_string(),
        (Value::Period(start, end), _) => {
            let time = |text: &str| written(&Value::Word(text.to_owned()), "date-time");
            let length = || end.contains('P').then(|| end.clone());
            [&time(start)?, "/", &time(end).or_else(length)?].concat()
        }
        (Value::Recur(parts), _) => rule(parts)?,
        (Value::Parts(parts), "text") => {
            parts.iter().map(|part| decode::escaped(part)).collect::<Vec<_>>().join(";")
        }
        (Value::Parts(parts), _) => parts.join(";"),
    })
}

/// A rule, FREQ first, as some readers want it.
fn rule(parts: &[(String, Vec<String>)]) -> Option<String> {
    let mut sorted: Vec<_> = parts.iter().collect();
    sorted.sort_by_key(|(name, _)| name != "freq");
    let written = sorted.into_iter().map(|(name, values)| {
        let plain =
            |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b';');
        if !is_name(name) || values.is_empty() || !values.iter().all(plain) {
            return None;
        }
        let values = values.join(",");
        let values = if name == "until" { values.replace(['-', ':'], "") } else { values };
        Some([&name.to_ascii_uppercase(), "=", &values].concat())
    });
    let written: Option<Vec<_>> = written.collect();
    Some(written?.join(";")).filter(|rule| !rule.is_empty())
}

/// A parameter value with its escapes (RFC 6868), in quotes where it needs them.
fn parameter(value: &str) -> String {
    let plain = value.replace('^', "^^").replace('\n', "^n").replace('"', "^'");
    if plain.contains([':', ';', ',']) { ["\"", &plain, "\""].concat() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [&str; 15] = [
        "binary",
        "boolean",
        "cal-address",
        "date",
        "date-time",
        "duration",
        "float",
        "integer",
        "period",
        "recur",
        "text",
        "time",
        "uri",
        "utc-offset",
        "unknown",
    ];

    #[test]
    fn the_table_can_be_searched() {
        assert!(PROPERTIES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PROPERTIES.iter().all(|(_, kind, _)| KINDS.contains(kind)));
    }

    /// Every property of RFC 5545, 6321, 7808, 7953, 7986, 9073, 9074 and 9253 has a row, or has no default type; RFC 7529 and
    /// 6638 add parts of rules and parameters alone.
    #[test]
    fn every_property_of_the_standards_is_known() {
        let all = "CALSCALE METHOD PRODID VERSION ATTACH CATEGORIES CLASS COMMENT DESCRIPTION GEO LOCATION PERCENT-COMPLETE \
            PRIORITY RESOURCES STATUS SUMMARY COMPLETED DTEND DUE DTSTART DURATION FREEBUSY TRANSP TZID TZNAME TZOFFSETFROM \
            TZOFFSETTO TZURL ATTENDEE CONTACT ORGANIZER RECURRENCE-ID RELATED-TO URL UID EXDATE EXRULE RDATE RRULE ACTION \
            REPEAT TRIGGER CREATED DTSTAMP LAST-MODIFIED SEQUENCE REQUEST-STATUS XML TZUNTIL TZID-ALIAS-OF BUSYTYPE NAME \
            REFRESH-INTERVAL SOURCE COLOR IMAGE CONFERENCE LOCATION-TYPE PARTICIPANT-TYPE RESOURCE-TYPE CALENDAR-ADDRESS \
            STYLED-DESCRIPTION STRUCTURED-DATA ACKNOWLEDGED PROXIMITY CONCEPT LINK REFID";
        let names: Vec<String> = all.split_whitespace().map(str::to_ascii_lowercase).collect();
        let unknown: Vec<_> = names.iter().filter(|name| !is_known(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        assert_eq!(names.len(), PROPERTIES.len() + WITHOUT_DEFAULT.len(), "and no other has a row");
        assert!(WITHOUT_DEFAULT.iter().all(|name| default(name).0 == "unknown"));
    }
}
