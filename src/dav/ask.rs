//! What properties a request asks for (RFC 4918 §9.1, §14.20).

use crate::xml::{Element, Name, QName};

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

impl std::fmt::Debug for Prop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
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
            (Some(ask), None) => Ok(ask),
            _ => Err(Refusal::bad_request(
                "a DAV:propfind holds one of DAV:prop, DAV:allprop and DAV:propname",
            )),
        }
    }

    /// The ask of a report: it may hold DAV:prop, DAV:allprop or DAV:propname, or nothing of that.
    #[must_use]
    pub fn of_report(root: &Element, tables: &Tables) -> Self {
        root.children()
            .find_map(|child| Self::of_child(child, root, tables))
            .unwrap_or_else(|| Self::Names(Vec::new()))
    }

    fn of_child(child: &Element, root: &Element, tables: &Tables) -> Option<Self> {
        if child.is(Name::dav("prop")) {
            Some(Self::Names(names(child, tables)))
        } else if child.is(Name::dav("allprop")) {
            let include = root.child(Name::dav("include"));
            Some(Self::All(include.map(|i| names(i, tables)).unwrap_or_default()))
        } else if child.is(Name::dav("propname")) {
            Some(Self::NamesOnly)
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

fn names(list: &Element, tables: &Tables) -> Vec<Asked> {
    let mut seen: Vec<Asked> = Vec::new();
    for child in list.children() {
        if seen.iter().all(|asked| asked.name != *child.name()) {
            seen.push(Asked { name: child.name().clone(), prop: tables.prop(child.name()) });
        }
    }
    seen
}
