//! Calendar objects as JSON, both ways.
//! RFC 7265.

use serde_json::{Map, Number, Value as Json};

use crate::ical::calendar::{Calendar, Component};
use crate::ical::typed::{Param, Typed, Unreadable, Value, finish, is_name};
use crate::ical::write::Writer;

/// The object as jCal. Names come in small letters, dates at length; what has no type stays word for word.
#[must_use]
pub fn write(calendar: &Calendar) -> String {
    part(calendar.root())
}

/// The beginning of a document whose root has these properties and components yet to come.
pub(super) fn open(root: Component<'_>) -> String {
    let mut out = String::from("[\"vcalendar\",");
    properties(root, &mut out);
    out + ",["
}

/// One component as it stands in a document.
pub(super) fn part(of: Component<'_>) -> String {
    let mut out = String::with_capacity(2 * of.raw().len());
    component(of, &mut out);
    out
}

/// Line by line: a tree of the whole would be many times as large as its text.
fn component(of: Component<'_>, out: &mut String) {
    out.extend(["[", &*Json::from(of.name().to_ascii_lowercase()).to_string(), ","]);
    properties(of, out);
    out.push_str(",[");
    for (index, inner) in of.components().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        component(inner, out);
    }
    out.push_str("]]");
}

fn properties(of: Component<'_>, out: &mut String) {
    out.push('[');
    for (index, line) in of.lines().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(&property(Typed::of(line)).to_string());
    }
    out.push(']');
}

fn property(typed: Typed) -> Json {
    let mut params = Map::new();
    for (name, mut values) in typed.params {
        let value = if values.len() == 1 { values.swap_remove(0).into() } else { values.into() };
        params.insert(name, value);
    }
    let mut array = vec![typed.name.into(), params.into(), Json::from(&*typed.kind)];
    array.extend(typed.values.into_iter().map(|value| json(value, &typed.kind)));
    array.into()
}

fn json(value: Value, kind: &str) -> Json {
    match value {
        Value::Word(text) => text.into(),
        Value::Boolean(is) => is.into(),
        Value::Integer(number) => number.into(),
        Value::Float(number) => float(number),
        Value::Period(start, end) => vec![start, end].into(),
        Value::Parts(parts) if kind == "float" => {
            parts.into_iter().map(|part| part.parse().map_or(Json::Null, float)).collect()
        }
        Value::Parts(parts) => parts.into(),
        Value::Recur(parts) => {
            let read = |name: &str, text: String| match text.parse::<i64>() {
                Ok(number) if !["until", "byday", "wkst", "freq"].contains(&name) => number.into(),
                _ => Json::from(text),
            };
            let parts = parts.into_iter().map(|(name, values)| {
                let mut values: Vec<_> = values.into_iter().map(|text| read(&name, text)).collect();
                let value = if values.len() == 1 { values.swap_remove(0) } else { values.into() };
                (name, value)
            });
            Json::Object(parts.collect())
        }
    }
}

fn float(number: f64) -> Json {
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

/// Reads a jCal document with one object.
///
/// # Errors
/// Where and why it is none.
pub fn read(octets: &[u8]) -> Result<Calendar, Unreadable> {
    let document: Json = serde_json::from_slice(octets).map_err(|fault| Unreadable {
        at: format!("line {}, column {}", fault.line(), fault.column()),
        reason: "not JSON",
    })?;
    let mut out = Writer::default();
    read_component(&document, "", &mut out)?;
    finish(out)
}

fn read_component(of: &Json, at: &str, out: &mut Writer) -> Result<(), Unreadable> {
    let fault =
        |reason| Unreadable { at: if at.is_empty() { "document".into() } else { at.to_owned() }, reason };
    let Some([Json::String(name), Json::Array(properties), Json::Array(components)]) =
        of.as_array().map(Vec::as_slice)
    else {
        return Err(fault("a component is an array of a name, of properties and of components"));
    };
    if !is_name(name) {
        return Err(fault("not the name of a component"));
    }
    let here = if at.is_empty() { name.clone() } else { [at, "/", name].concat() };
    let name = name.to_ascii_uppercase();
    out.pieces(&["BEGIN:", &name]);
    for (number, property) in properties.iter().enumerate() {
        let known = property.get(0).and_then(Json::as_str).unwrap_or("property");
        let line = read_property(property).and_then(|typed| typed.line());
        out.line(&line.map_err(|reason| Unreadable { at: format!("{here}/{known}[{number}]"), reason })?);
    }
    for component in components {
        read_component(component, &here, out)?;
    }
    out.pieces(&["END:", &name]);
    Ok(())
}

fn read_property(of: &Json) -> Result<Typed, &'static str> {
    let array = of.as_array().map(Vec::as_slice);
    let Some([Json::String(name), Json::Object(params), Json::String(kind), values @ ..]) = array else {
        return Err("a property is an array of a name, of parameters, of a type and of values");
    };
    let kind = kind.to_ascii_lowercase();
    let params: Option<Vec<Param>> =
        params.iter().map(|(name, value)| Some((name.clone(), strings(value)?))).collect();
    let params = params.ok_or("a parameter is a string or an array of strings")?;
    let values: Option<Vec<Value>> = values.iter().map(|value| read_value(value, &kind)).collect();
    let values = values.ok_or("a value that is not of its type")?;
    Ok(Typed { name: name.clone(), params, kind, values })
}

/// A string, or the strings of an array.
fn strings(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::String(text) => Some(vec![text.clone()]),
        Json::Array(list) => list.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn read_value(value: &Json, kind: &str) -> Option<Value> {
    Some(match (value, kind) {
        (Json::Object(parts), "recur") => {
            let parts = parts.iter().map(|(name, value)| Some((name.to_ascii_lowercase(), words(value)?)));
            Value::Recur(parts.collect::<Option<_>>()?)
        }
        (Json::Array(pair), "period") => match pair.as_slice() {
            [Json::String(start), Json::String(end)] => Value::Period(start.clone(), end.clone()),
            _ => return None,
        },
        (Json::Array(_), _) if kind != "recur" => Value::Parts(words(value)?),
        (Json::String(text), _) if kind != "recur" => Value::Word(text.clone()),
        (Json::Bool(is), "boolean") => Value::Boolean(*is),
        (Json::Number(number), "integer") => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0).map(|n| format!("{n:.0}"));
            Value::Integer(number.as_i64().or_else(|| whole?.parse().ok())?)
        }
        (Json::Number(number), "float") => Value::Float(number.as_f64()?),
        _ => return None,
    })
}

/// Strings and numbers, alone or in an array.
fn words(value: &Json) -> Option<Vec<String>> {
    match value {
        Json::Array(list) => list.iter().map(|one| words(one)?.pop()).collect(),
        Json::String(text) => Some(vec![text.clone()]),
        Json::Number(number) => Some(vec![number.to_string()]),
        _ => None,
    }
}
