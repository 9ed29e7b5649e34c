//! What properties a request asks for (RFC 4918 §9.1, §14.20).

use std::collections::HashSet;

use crate::{
    front::Status,
    store::{object::With, property::key},
    xml::{Element, Name, QName},
};

use super::{
    Prop, Refusal, Tables,
    prop::{Needs, Source},
};

/// A property asked for by name.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its name.
    pub name: QName,
    /// Its row; `None` is a dead property, or none at all.
    pub prop: Option<&'static Prop>,
}

/// What is asked for of each resource.
#[derive(Clone, Debug)]
pub enum Ask {
    /// These.
    Names(Vec<Asked>),
    /// What allprop gives, the dead properties, and these.
    All(Vec<Asked>),
    /// The names of what there is.
    NamesOnly,
}

impl Ask {
    /// The ask of a DAV:propfind, or of a request without a body.
    pub fn of_propfind(body: Option<&Element>, tables: &Tables) -> Result<Self, Refusal> {
        let Some(root) = body else { return Ok(Self::All(Vec::new())) };
        if !root.is(Name::dav("propfind")) {
            return Err(Refusal::bad_request("the body of a PROPFIND is a DAV:propfind"));
        }
        let mut asks = root.children().filter_map(|child| Self::of_child(child, root, tables));
        match (asks.next(), asks.next()) {
            (Some(ask), None) => ask,
            _ => Err(Refusal::bad_request(
                "a DAV:propfind holds one of DAV:prop, DAV:allprop and DAV:propname",
            )),
        }
    }

    /// The ask of a report: it may hold DAV:prop, DAV:allprop or DAV:propname, or nothing of that.
    pub fn of_report(root: &Element, tables: &Tables) -> Result<Self, Refusal> {
        let ask = root.children().find_map(|child| Self::of_child(child, root, tables));
        ask.unwrap_or_else(|| Ok(Self::Names(Vec::new())))
    }

    fn of_child(child: &Element, root: &Element, tables: &Tables) -> Option<Result<Self, Refusal>> {
        if child.is(Name::dav("prop")) {
            Some(names(child, tables).map(Self::Names))
        } else if child.is(Name::dav("allprop")) {
            let include = root.child(Name::dav("include"));
            Some(include.map_or_else(|| Ok(Vec::new()), |i| names(i, tables)).map(Self::All))
        } else if child.is(Name::dav("propname")) {
            Some(Ok(Self::NamesOnly))
        } else {
            None
        }
    }

    /// What must be loaded for it.
    #[must_use]
    pub fn needs(&self, tables: &Tables) -> Needs {
        let of = |asked: &[Asked]| {
            asked.iter().fold(Needs::NONE, |n, a| n.or(a.prop.map_or(Needs::STORED, |p| p.needs)))
        };
        match self {
            Self::Names(asked) => of(asked),
            Self::All(more) => {
                let allprop = tables.props.iter().copied().flatten().filter(|p| p.allprop);
                allprop.fold(of(more).or(Needs::STORED), |n, p| n.or(p.needs))
            }
            Self::NamesOnly => {
                tables.props.iter().copied().flatten().fold(Needs::NONE, |n, p| match p.source {
                    Source::Data => n,
                    Source::Live(_) | Source::Stored(_) => n.or(p.needs),
                })
            }
        }
    }
}

impl Ask {
    /// What must come along with the rows of objects for it.
    #[must_use]
    pub fn with(&self, tables: &Tables) -> With {
        let needs = self.needs(tables);
        let stored = match self {
            _ if !needs.has(Needs::STORED) => None,
            Self::All(_) | Self::NamesOnly => Some(Vec::new()),
            Self::Names(asked) => {
                let stored = asked.iter().filter(|a| a.prop.is_none_or(|p| p.needs.has(Needs::STORED)));
                Some(stored.map(|a| key(&a.name)).collect())
            }
        };
        With { body: needs.has(Needs::BODY), stored, brief: !needs.any(Needs::STORED.or(Needs::DETAIL)) }
    }
}

/// Properties that one request may name. Each of them may be missing from each of many resources.
pub const MOST_NAMES: usize = 1000;

/// How many elements lie in one, at any depth: what a request may ask of each of many resources is counted so.
#[must_use]
pub fn elements(of: &Element) -> usize {
    of.children().map(|child| 1 + elements(child)).sum()
}

fn names(list: &Element, tables: &Tables) -> Result<Vec<Asked>, Refusal> {
    if list.children().len() > MOST_NAMES {
        return Err(Refusal::plain(Status::PAYLOAD_TOO_LARGE, "too many properties at once"));
    }
    let mut seen = HashSet::new();
    let new = list.children().map(Element::name).filter(|name| seen.insert(*name));
    Ok(new.map(|name| Asked { name: name.clone(), prop: tables.prop(name) }).collect())
}
