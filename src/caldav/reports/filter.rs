//! C:filter: from XML to what the calendar room can test, and to what the index can say of it (RFC 4791 §9.7;
//! draft-daboo-caldav-extensions §3).

use crate::{
    dav::{
        Refusal,
        ask::elements,
        condition::{SUPPORTED_COLLATION, VALID_FILTER},
    },
    ical::{
        Collation, CompFilter, CompTest, Filter, MatchKind, ParamFilter, ParamTest, PropFilter, PropTest,
        TextMatch, TimeRange, ValueTest,
    },
    model::{Component, Components},
    xml::{Element, Name},
};

use super::range;

type Result<T> = std::result::Result<T, Refusal>;

/// Elements of a filter, and octets of one text in it: all of it may be tried on each property of each object.
const MOST: (usize, usize) = (200, 1024);

/// The filter of a query.
pub fn read(root: &Element) -> Result<Filter> {
    let filter =
        root.child(Name::cal("filter")).ok_or_else(|| VALID_FILTER.because("there is no C:filter"))?;
    if elements(filter) > MOST.0 {
        return Err(VALID_FILTER.because(format!("a filter has at most {} elements", MOST.0)));
    }
    let mut comps = filter.all(Name::cal("comp-filter"));
    match (comps.next(), comps.next()) {
        (Some(comp), None) if named(comp)?.eq_ignore_ascii_case("VCALENDAR") => Ok(Filter(component(comp)?)),
        _ => Err(VALID_FILTER.because("a C:filter holds one C:comp-filter, of VCALENDAR")),
    }
}

fn named(element: &Element) -> Result<String> {
    let name = element.attribute("name").filter(|name| !name.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| VALID_FILTER.because(format!("a {} has no name", element.name().local)))
}

fn component(element: &Element) -> Result<CompFilter> {
    let one_is_enough = one_is_enough(element)?;
    let test = if element.child(Name::cal("is-not-defined")).is_some() {
        CompTest::NotDefined
    } else {
        CompTest::Defined {
            time_range: time_range(element)?,
            props: element.all(Name::cal("prop-filter")).map(property).collect::<Result<_>>()?,
            comps: element
                .all(Name::cal("comp-filter"))
                .map(|inner| inside(element, inner))
                .collect::<Result<_>>()?,
        }
    };
    Ok(CompFilter { name: named(element)?, test: if one_is_enough { test.or() } else { test } })
}

/// Whether one of the conditions in an element is enough, and not all of them are needed.
fn one_is_enough(element: &Element) -> Result<bool> {
    match element.attribute("test") {
        None | Some("allof") => Ok(false),
        Some("anyof") => Ok(true),
        Some(other) => Err(VALID_FILTER.because(format!("there is no test {other:?}"))),
    }
}

/// A component that cannot lie in the other is no filter (RFC 4791 §7.8).
fn inside(outer: &Element, inner: &Element) -> Result<CompFilter> {
    const TOPS: [&str; 7] =
        ["VCALENDAR", "VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VTIMEZONE", "VAVAILABILITY"];
    let (outer, inner_name) = (named(outer)?, named(inner)?);
    let is_top = TOPS.iter().any(|top| top.eq_ignore_ascii_case(&inner_name));
    if is_top && !outer.eq_ignore_ascii_case("VCALENDAR") {
        return Err(VALID_FILTER.because(format!("{outer} holds no {inner_name}")));
    }
    component(inner)
}

fn time_range(element: &Element) -> Result<Option<TimeRange>> {
    let range = element.child(Name::cal("time-range")).map(range::time_range).transpose();
    range.map_err(|refusal| VALID_FILTER.because(refusal.reason().unwrap_or_default()))
}

fn property(element: &Element) -> Result<PropFilter> {
    let test = if element.child(Name::cal("is-not-defined")).is_some() {
        PropTest::NotDefined
    } else {
        let time = time_range(element)?;
        if time.is_some() && !is_dated(&named(element)?) {
            return Err(VALID_FILTER.because("a C:time-range is for properties that hold times"));
        }
        let text = element.child(Name::cal("text-match")).map(text_match).transpose()?;
        PropTest::Defined {
            value: time.map(ValueTest::Time).or(text.map(ValueTest::Text)),
            params: element.all(Name::cal("param-filter")).map(parameter).collect::<Result<_>>()?,
        }
    };
    let test = if one_is_enough(element)? { test.or() } else { test };
    Ok(PropFilter { name: named(element)?, test })
}

/// Whether a property may hold times: those that RFC 5545 says so of, and those nobody knows.
fn is_dated(name: &str) -> bool {
    const DATED: [&str; 11] = [
        "DTSTART",
        "DTEND",
        "DUE",
        "COMPLETED",
        "CREATED",
        "DTSTAMP",
        "LAST-MODIFIED",
        "RECURRENCE-ID",
        "RDATE",
        "EXDATE",
        "ACKNOWLEDGED",
    ];
    let upper = name.to_ascii_uppercase();
    upper.starts_with("X-") || DATED.contains(&upper.as_str())
}

fn parameter(element: &Element) -> Result<ParamFilter> {
    let test = if element.child(Name::cal("is-not-defined")).is_some() {
        ParamTest::NotDefined
    } else {
        let text = element.child(Name::cal("text-match")).map(text_match).transpose()?;
        text.map_or(ParamTest::Defined, ParamTest::Text)
    };
    Ok(ParamFilter { name: named(element)?, test })
}

fn text_match(element: &Element) -> Result<TextMatch> {
    let collation = element.attribute("collation").unwrap_or("i;ascii-casemap");
    let kind = match element.attribute("match-type") {
        None | Some("contains") => MatchKind::Contains,
        Some("equals") => MatchKind::Equals,
        Some("starts-with") => MatchKind::StartsWith,
        Some("ends-with") => MatchKind::EndsWith,
        Some(other) => return Err(VALID_FILTER.because(format!("there is no match-type {other:?}"))),
    };
    if element.text().len() > MOST.1 {
        return Err(VALID_FILTER.because(format!("a C:text-match has at most {} octets", MOST.1)));
    }
    Ok(TextMatch {
        text: element.text().to_owned(),
        collation: Collation::named(collation).ok_or(SUPPORTED_COLLATION)?,
        negate: element.attribute("negate-condition") == Some("yes"),
        kind,
    })
}

/// What the index can say of a filter: a part of all objects that holds every one that passes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The kinds of components that can pass.
    pub kinds: Components,
    /// The window in which they happen.
    pub time: Option<(Option<i64>, Option<i64>)>,
    /// Part of their UID.
    pub uid: Option<String>,
    /// Whether everything within these bounds passes, so that no object need be looked into.
    pub exact: bool,
}

/// The bounds of a filter.
pub fn bounds(filter: &Filter) -> Bounds {
    let open = Bounds { kinds: Component::ALL.into_iter().collect(), time: None, uid: None, exact: false };
    let CompTest::Defined { time_range, props, comps } = &filter.0.test else { return open };
    let [comp] = &comps[..] else {
        // A VCALENDAR alone is every object.
        return Bounds { exact: comps.is_empty() && props.is_empty() && time_range.is_none(), ..open };
    };
    let (Some(kind), CompTest::Defined { time_range: time, props: inner, comps: deeper }) =
        (Component::named(&comp.name), &comp.test)
    else {
        return open;
    };
    // Of what is no event the index has only the bounds of all its times.
    let timed = time.is_none() || kind == Component::Vevent;
    Bounds {
        kinds: Components::default().with(kind),
        time: time.as_ref().map(|t: &TimeRange| (t.start, t.end)),
        uid: inner.iter().find_map(uid_part),
        exact: timed && props.is_empty() && time_range.is_none() && inner.is_empty() && deeper.is_empty(),
    }
}

/// What a filter on UID says must be part of it, as the index has it: without white space around it. Where letters are
/// folded as Unicode has it, the index cannot tell: the Kelvin sign is found by "k".
fn uid_part(filter: &PropFilter) -> Option<String> {
    match &filter.test {
        PropTest::Defined { value: Some(ValueTest::Text(text)), .. }
            if filter.name.eq_ignore_ascii_case("UID")
                && !text.negate
                && text.collation != Collation::UnicodeCasemap
                && text.text.is_ascii() =>
        {
            Some(text.text.trim_ascii().to_owned())
        }
        _ => None,
    }
}
