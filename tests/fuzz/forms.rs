//! Any octets as jCal and as xCal; and what an object says in one form it says in all.

use std::collections::BTreeMap;

use kalends::ical::recur::Rule;
use kalends::ical::{Budget, Calendar, Component, Limits, Property, index, jcal, object, xcal};

/// What is read can be written, and says the same in each form.
pub fn jcal(octets: &[u8]) {
    if let Ok(calendar) = jcal::read(octets) {
        there_and_back("a document", &calendar);
    }
}

/// What is read can be written, and says the same in each form.
pub fn xcal(octets: &[u8]) {
    if let Ok(calendar) = xcal::read(octets) {
        there_and_back("a document", &calendar);
    }
}

/// Nothing is lost by way of jCal, nor by way of xCal.
pub fn there_and_back(name: &str, calendar: &Calendar) {
    let json = jcal::write(calendar);
    let read = jcal::read(json.as_bytes()).unwrap_or_else(|fault| panic!("{name}: {fault}\n{json}"));
    says_the_same(name, calendar, &read);
    assert_eq!(jcal::write(&read), json, "{name} by jCal again");
    let Some(xml) = xcal::write(calendar) else {
        return assert!(!can_be_elements(calendar.root()), "{name}: no xCal");
    };
    let read = xcal::read(xml.as_bytes()).unwrap_or_else(|fault| panic!("{name}: {fault}\n{xml}"));
    says_the_same(name, calendar, &read);
    assert_eq!(xcal::write(&read).as_ref(), Some(&xml), "{name} by xCal again");
}

/// Line by line, and in what is made of it: whether it may be stored, and when it happens.
fn says_the_same(name: &str, one: &Calendar, other: &Calendar) {
    same_component(name, one.root(), other.root());
    // What lost a carriage return may mean something now that it did not before.
    if one.bytes().windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n') {
        return;
    }
    let verdict = |calendar| object(calendar, &Limits::default()).ok();
    assert_eq!(verdict(one), verdict(other), "{name}");
    // Where the budget ends depends on which zones are known already.
    let rows = |calendar| {
        let budget = Budget::new(20_000);
        let rows = index(calendar, 2_000_000_000, 100, &budget).instances;
        (budget.left() > 0).then_some(rows)
    };
    if let (Some(one), Some(other)) = (rows(one), rows(other)) {
        assert_eq!(one, other, "{name}");
    }
}

fn same_component(name: &str, one: Component<'_>, other: Component<'_>) {
    assert!(one.is(&other.name()), "{name}: {} is {}", one.name(), other.name());
    let (lines, others): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
    assert_eq!(lines.len(), others.len(), "{name}: properties of {}", one.name());
    for (line, other) in lines.into_iter().zip(others) {
        let shown = || format!("{name}: {} is {}", line.raw().escape_ascii(), other.raw().escape_ascii());
        assert!(line.is(&other.name()), "{}", shown());
        assert_eq!(parameters(line), parameters(other), "{}", shown());
        assert!(same_value(line, other), "{}", shown());
    }
    let (parts, others): (Vec<_>, Vec<_>) = (one.components().collect(), other.components().collect());
    assert_eq!(parts.len(), others.len(), "{name}: components of {}", one.name());
    parts.into_iter().zip(others).for_each(|(part, other)| same_component(name, part, other));
}

/// All values of all parameters but VALUE, in their order; a carriage return that breaks no line says nothing.
fn parameters(line: Property<'_>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for param in line.parameters().filter(|p| !p.name.eq_ignore_ascii_case("VALUE")) {
        let values = param.values().map(|value| value.replace('\r', ""));
        all.entry(param.name.to_ascii_uppercase()).or_default().extend(values);
    }
    all
}

/// Whether the values are the same text, or the same dates, periods, rule or numbers, however they are spelled.
fn same_value(one: Property<'_>, other: Property<'_>) -> bool {
    let text = |line: Property<'_>| line.text().into_owned();
    let times = |line: Property<'_>| {
        // Nor is the zone another one for a carriage return in its name.
        format!("{:?} {:?} {:?}", line.dates(), line.periods(), line.duration()).replace("\\r", "")
    };
    let spelled = |line: Property<'_>| {
        let value = line.value().to_ascii_uppercase();
        let mut parts: Vec<String> = value.split(';').map(part).filter(|part| part != " [\"\"]").collect();
        if is_rule(line) {
            parts.sort_unstable();
        }
        parts
    };
    let rule = |line: Property<'_>| is_rule(line).then(|| Rule::parse(&line.value()).ok()).flatten();
    // A carriage return that breaks no line is lost, and what it has spoilt is whole again.
    one.value().contains('\r')
        || text(one) == text(other)
        || (rule(one).is_some() && rule(one) == rule(other))
        || (times(one) == times(other) && times(one) != "[] [] None")
        || (!one.is("SUMMARY") && !one.is("DESCRIPTION") && !one.is("UID") && spelled(one) == spelled(other))
}

fn is_rule(line: Property<'_>) -> bool {
    let declared = line.parameter("VALUE").is_some_and(|kind| kind.eq_ignore_ascii_case("RECUR"));
    declared || line.is("RRULE") || line.is("EXRULE")
}

/// A part of a value: what is around its words does not count, nor how its numbers are spelled.
fn part(text: &str) -> String {
    let word = |word: &str| {
        let word = word.trim();
        let number = word.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map_or_else(|| word.to_owned(), |number| (number + 0.0).to_string())
    };
    let (name, value) = text.split_once('=').unwrap_or(("", text));
    format!("{} {:?}", name.trim(), value.split(',').map(word).collect::<Vec<_>>())
}

/// Whether all names in it could be names of elements, which begin with no digit or hyphen.
fn can_be_elements(component: Component<'_>) -> bool {
    let can = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    // VALUE, and the parts of a rule, become names too.
    let plain = |line: Property<'_>| {
        can(&line.name())
            && line.parameters().all(|p| can(&p.name))
            && line.parameter("VALUE").is_none_or(|kind| can(&kind))
            && !is_rule(line)
    };
    can(&component.name()) && component.lines().all(plain) && component.components().all(can_be_elements)
}
