//! Calendar objects as XML, both ways.
//! RFC 6321.

use crate::ical::calendar::{Calendar, Component};
use crate::ical::typed::{Param, Typed, Unreadable, Value, finish, is_name, joined};
use crate::ical::write::Writer;
use crate::xml;

/// The namespace of all its elements.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:icalendar-2.0";

/// The types of parameters; those that are not here and not experimental are text (RFC 6321 Appendix A).
const PARAMETERS: [(&str, &str); 8] = [
    ("altrep", "uri"),
    ("delegated-from", "cal-address"),
    ("delegated-to", "cal-address"),
    ("dir", "uri"),
    ("member", "cal-address"),
    ("rsvp", "boolean"),
    ("schedule-force-send", "text"),
    ("sent-by", "cal-address"),
];

/// The object as xCal; none if it has a name that no XML element can have.
#[must_use]
pub fn write(calendar: &Calendar) -> Option<String> {
    let mut out = xml::Writer::fragment();
    out.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<icalendar xmlns=\"");
    out.raw(NAMESPACE);
    out.raw("\">");
    component(calendar.root(), &mut out)?;
    out.raw("</icalendar>");
    Some(out.into_string())
}

/// The beginning of a document whose root has these properties and components yet to come.
pub(super) fn open(root: Component<'_>) -> Option<String> {
    let mut out = xml::Writer::fragment();
    out.raw("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<icalendar xmlns=\"");
    out.raw(NAMESPACE);
    out.raw("\"><vcalendar>");
    inside(&mut out, "properties", |out| root.lines().try_for_each(|line| property(&Typed::of(line), out)))?;
    out.raw("<components>");
    Some(out.into_string())
}

/// One component as it stands in a document; none if it has a name that no XML element can have.
pub(super) fn part(of: Component<'_>) -> Option<String> {
    let mut out = xml::Writer::fragment();
    component(of, &mut out)?;
    Some(out.into_string())
}

/// The end of what [`open`] has begun.
pub(super) const CLOSE: &str = "</components></vcalendar></icalendar>";

/// What `content` writes, inside of an element.
fn inside<T>(out: &mut xml::Writer, name: &str, content: impl FnOnce(&mut xml::Writer) -> T) -> T {
    out.raw(&["<", name, ">"].concat());
    let made = content(out);
    out.raw(&["</", name, ">"].concat());
    made
}

fn leaf(out: &mut xml::Writer, name: &str, text: &str) {
    inside(out, name, |out| out.text(text));
}

/// A name in small letters, if an element can have it.
fn element(name: &str) -> Option<String> {
    let first = name.bytes().next()?;
    (is_name(name) && (first.is_ascii_alphabetic() || first == b'_')).then(|| name.to_ascii_lowercase())
}

fn component(of: Component<'_>, out: &mut xml::Writer) -> Option<()> {
    inside(out, &element(&of.name())?, |out| {
        let mut lines = of.lines().peekable();
        if lines.peek().is_some() {
            inside(out, "properties", |out| lines.try_for_each(|line| property(&Typed::of(line), out)))?;
        }
        let mut parts = of.components().peekable();
        if parts.peek().is_some() {
            inside(out, "components", |out| parts.try_for_each(|part| component(part, out)))?;
        }
        Some(())
    })
}

fn property(typed: &Typed, out: &mut xml::Writer) -> Option<()> {
    let kind = element(&typed.kind)?;
    inside(out, &element(&typed.name)?, |out| {
        if !typed.params.is_empty() {
            inside(out, "parameters", |out| typed.params.iter().try_for_each(|param| parameter(param, out)))?;
        }
        for one in &typed.values {
            value(typed, &kind, one, out)?;
        }
        Some(())
    })
}

fn parameter((name, values): &Param, out: &mut xml::Writer) -> Option<()> {
    let known = PARAMETERS.iter().find(|(known, _)| known == name).map(|(_, kind)| *kind);
    let kind = known.unwrap_or(if name.starts_with("x-") { "unknown" } else { "text" });
    inside(out, &element(name)?, |out| {
        for one in values {
            let small = kind == "boolean";
            leaf(out, kind, &if small { one.to_ascii_lowercase() } else { one.clone() });
        }
    });
    Some(())
}

fn value(typed: &Typed, kind: &str, value: &Value, out: &mut xml::Writer) -> Option<()> {
    match value {
        Value::Word(text) => leaf(out, kind, text),
        Value::Boolean(is) => leaf(out, kind, if *is { "true" } else { "false" }),
        Value::Integer(number) => leaf(out, kind, &number.to_string()),
        Value::Float(number) => leaf(out, kind, &number.to_string()),
        Value::Period(start, end) => inside(out, kind, |out| {
            leaf(out, "start", start);
            leaf(out, if end.contains('P') { "duration" } else { "end" }, end);
        }),
        Value::Recur(parts) => {
            // The schema has an order: how often, to when, and then the rest.
            let mut sorted: Vec<_> = parts.iter().collect();
            let order = |name: &str| RECUR.iter().position(|known| *known == name).unwrap_or(RECUR.len());
            sorted.sort_by_key(|(name, _)| order(name));
            inside(out, kind, |out| {
                for (name, values) in sorted {
                    let name = element(name)?;
                    for value in values {
                        leaf(out, &name, value);
                    }
                }
                Some(())
            })?;
        }
        Value::Parts(parts) => {
            for (part, name) in parts.iter().zip(parts_of(&typed.name)) {
                leaf(out, name, part);
            }
        }
    }
    Some(())
}

const RECUR: [&str; 13] = [
    "freq",
    "until",
    "count",
    "interval",
    "bysecond",
    "byminute",
    "byhour",
    "byday",
    "bymonthday",
    "byyearday",
    "byweekno",
    "bymonth",
    "bysetpos",
];

/// The elements that stand for the parts of a value.
fn parts_of(property: &str) -> &'static [&'static str] {
    match property {
        "geo" => &["latitude", "longitude"],
        "request-status" => &["code", "description", "data"],
        _ => &[],
    }
}

/// Reads an xCal document with one object. Elements of other namespaces are passed over.
///
/// # Errors
/// Where and why it is none.
pub fn read(octets: &[u8]) -> Result<Calendar, Unreadable> {
    let document =
        xml::parse(octets).map_err(|fault| Unreadable { at: fault.to_string(), reason: "not XML" })?;
    let fault = |reason| Unreadable { at: "document".to_owned(), reason };
    if !is(&document, "icalendar") {
        return Err(fault("the root element must be icalendar"));
    }
    let mut out = Writer::default();
    match own(&document).collect::<Vec<_>>().as_slice() {
        [one] => read_component(one, "", &mut out)?,
        _ => return Err(fault("one vcalendar makes one object")),
    }
    finish(out)
}

fn is(element: &xml::Element, name: &str) -> bool {
    element.name().ns == NAMESPACE && element.name().local == name
}

/// The elements in it that are of xCal.
fn own(element: &xml::Element) -> impl Iterator<Item = &xml::Element> {
    element.children().filter(|child| child.name().ns == NAMESPACE)
}

fn read_component(of: &xml::Element, at: &str, out: &mut Writer) -> Result<(), Unreadable> {
    let local = &*of.name().local;
    let here = if at.is_empty() { local.to_owned() } else { [at, "/", local].concat() };
    let fault = |reason| Unreadable { at: here.clone(), reason };
    if !is_name(local) {
        return Err(fault("not the name of a component"));
    }
    let name = local.to_ascii_uppercase();
    out.pieces(&["BEGIN:", &name]);
    for group in own(of) {
        if is(group, "properties") {
            for property in own(group) {
                let line = read_property(property).and_then(|typed| typed.line());
                let at = || [&here, "/", &*property.name().local].concat();
                out.line(&line.map_err(|reason| Unreadable { at: at(), reason })?);
            }
        } else if is(group, "components") {
            own(group).try_for_each(|part| read_component(part, &here, out))?;
        } else {
            return Err(fault("a component has properties and components"));
        }
    }
    out.pieces(&["END:", &name]);
    Ok(())
}

fn read_property(of: &xml::Element) -> Result<Typed, &'static str> {
    let name = of.name().local.to_string();
    let mut typed = Typed { params: vec![], kind: "unknown".to_owned(), values: vec![], name };
    let parts = parts_of(&typed.name);
    let mut pieces = vec![];
    for child in own(of) {
        let local = &*child.name().local;
        if local == "parameters" {
            typed.params = joined(typed.params.into_iter().chain(own(child).map(read_parameter)));
        } else if parts.contains(&local) {
            pieces.push(child.text().to_owned());
        } else {
            if !typed.values.is_empty() && typed.kind != local {
                return Err("values of two types");
            }
            local.clone_into(&mut typed.kind);
            typed.values.push(read_value(child, local)?);
        }
    }
    if !pieces.is_empty() {
        let kind = if typed.name == "geo" { "float" } else { "text" };
        kind.clone_into(&mut typed.kind);
        typed.values = vec![Value::Parts(pieces)];
    }
    Ok(typed)
}

fn read_parameter(of: &xml::Element) -> Param {
    let values = own(of).map(|value| {
        let text = value.text();
        if is(value, "boolean") { text.trim().to_ascii_uppercase() } else { text.to_owned() }
    });
    (of.name().local.to_string(), values.collect())
}

fn read_value(of: &xml::Element, kind: &str) -> Result<Value, &'static str> {
    let text = of.text();
    let part = |name: &str| own(of).find(|part| is(part, name)).map(|part| part.text().trim().to_owned());
    let wrong = "a value that is not of its type";
    Ok(match kind {
        "period" => {
            Value::Period(part("start").ok_or(wrong)?, part("end").or_else(|| part("duration")).ok_or(wrong)?)
        }
        "recur" => {
            let mut parts: Vec<(String, Vec<String>)> = vec![];
            for part in own(of) {
                let (name, value) = (&*part.name().local, part.text().trim().to_owned());
                match parts.iter_mut().find(|(known, _)| known == name) {
                    Some((_, values)) => values.push(value),
                    None => parts.push((name.to_owned(), vec![value])),
                }
            }
            Value::Recur(parts)
        }
        "boolean" => match text.trim() {
            "true" | "1" => Value::Boolean(true),
            "false" | "0" => Value::Boolean(false),
            _ => return Err(wrong),
        },
        "integer" => Value::Integer(text.trim().parse().map_err(|_| wrong)?),
        "float" => {
            Value::Float(text.trim().parse().ok().filter(|number: &f64| number.is_finite()).ok_or(wrong)?)
        }
        "binary" => Value::Word(text.split_ascii_whitespace().collect()),
        "date" | "date-time" | "time" | "duration" | "utc-offset" => Value::Word(text.trim().to_owned()),
        _ => Value::Word(text.to_owned()),
    })
}
