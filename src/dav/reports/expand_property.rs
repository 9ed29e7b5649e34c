//! DAV:expand-property: the properties of the resources that properties point to (RFC 3253 §3.8).

use std::{collections::HashSet, sync::Arc};

use crate::{
    front::{Response, Status},
    xml::{Element, Name, QName, Writer, parse},
};

use crate::dav::{
    Cx, Error, Refusal, Result,
    ask::{Ask, Asked, elements},
    facts,
    header::Prefer,
    multistatus::{Multistatus, propstat},
    prop::{Facts, write_dead},
};

/// How deep one may point.
const DEEPEST: usize = 4;
/// How many properties one request may name: each may be missing from each resource that is reached.
const MOST_NAMES: usize = 100;
/// How many resources one request may reach, and how many octets may be told of them: the answer is held whole.
const MOST: Reached = Reached { resources: 200, octets: 16 << 20 };

/// What an answer has come to.
#[derive(Default)]
struct Reached {
    resources: usize,
    octets: usize,
}

/// The properties of the request's resource, hrefs in them replaced by responses where that is asked for.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    if elements(&root) > MOST_NAMES {
        return Err(Refusal::plain(Status::PAYLOAD_TOO_LARGE, "too many properties at once").into());
    }
    let wanted = wanted(&root, 0)?;
    let mut reached = Reached::default();
    let content = expand(cx.clone(), wanted, &mut reached).await?;
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    answer.other(&cx.located.own_href(), |w| w.raw(&content));
    Ok(answer.finish())
}

/// A DAV:property of the request.
struct Wanted {
    name: QName,
    inside: Vec<Wanted>,
}

fn wanted(root: &Element, depth: usize) -> Result<Vec<Wanted>> {
    if depth > DEEPEST {
        return Err(Refusal::bad_request("the properties point too deep").into());
    }
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for property in root.all(Name::dav("property")) {
        let local = property.attribute("name").unwrap_or_default();
        let name = QName::checked(property.attribute("namespace").unwrap_or("DAV:"), local);
        let name = name.map_err(|fault| Refusal::bad_request(fault.to_string()))?;
        if seen.insert(name.clone()) {
            all.push(Wanted { name, inside: wanted(property, depth + 1)? });
        }
    }
    Ok(all)
}

type Expansion<'a> = std::pin::Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;

/// The propstats of what `cx` is about.
fn expand(cx: Arc<Cx>, wanted: Vec<Wanted>, reached: &mut Reached) -> Expansion<'_> {
    Box::pin(async move {
        let asked = wanted.iter().map(|w| Asked { name: w.name.clone(), prop: cx.tables.prop(&w.name) });
        let ask = Ask::Names(asked.collect());
        let facts = facts::of_target(&cx, ask.needs(cx.tables)).await?;
        let (mut there, mut missing) = (Writer::fragment(), Vec::new());
        for wanted in wanted {
            match value(&wanted.name, &facts, &cx) {
                None => missing.push(wanted.name),
                Some(text) if wanted.inside.is_empty() => there.raw(&text),
                Some(text) => there.raw(&followed(&cx, &text, &wanted, reached).await?),
            }
        }
        let mut w = Writer::fragment();
        let there = there.into_string();
        if !there.is_empty() || missing.is_empty() || Prefer::of(&cx.headers).minimal {
            propstat(Status::OK, &mut w, |w| w.raw(&there));
        }
        if !missing.is_empty() && !Prefer::of(&cx.headers).minimal {
            propstat(Status::NOT_FOUND, &mut w, |w| missing.iter().for_each(|name| w.empty_owned(name)));
        }
        reached.octets += w.len();
        if reached.octets > MOST.octets {
            return Err(
                Refusal::plain(Status::PAYLOAD_TOO_LARGE, "too much lies behind the properties").into()
            );
        }
        Ok(w.into_string())
    })
}

fn value(name: &QName, facts: &Facts, cx: &Cx) -> Option<String> {
    let mut w = Writer::fragment();
    match cx.tables.prop(name) {
        Some(prop) => prop.write(facts, cx, &mut w),
        None => write_dead(name, facts, &mut w),
    }?;
    Some(w.into_string())
}

/// The property with a response in place of each href in it.
async fn followed(cx: &Arc<Cx>, text: &str, wanted: &Wanted, reached: &mut Reached) -> Result<String> {
    let mut document = Writer::new(Name::dav("prop"));
    document.raw(text);
    let Ok(document) = parse(&document.finish()) else { return Ok(text.to_owned()) };
    let Some(property) = document.children().next() else { return Ok(text.to_owned()) };
    let mut inner = Writer::fragment();
    for href in property.all(Name::dav("href")) {
        reached.resources += 1;
        if reached.resources > MOST.resources {
            return Err(Refusal::bad_request("the properties point to too many resources").into());
        }
        let content = response(cx, href.text().trim(), &wanted.inside, reached).await?;
        inner.inside(Name::dav("response"), |w| {
            w.element(Name::dav("href"), href.text().trim());
            w.raw(&content);
        });
    }
    let inner = inner.into_string();
    if inner.is_empty() {
        return Ok(text.to_owned());
    }
    let mut w = Writer::fragment();
    w.wrap_owned(property.name(), |w| w.raw(&inner));
    Ok(w.into_string())
}

async fn response(cx: &Arc<Cx>, href: &str, inside: &[Wanted], reached: &mut Reached) -> Result<String> {
    let status = |status| {
        let mut w = Writer::fragment();
        w.element(Name::dav("status"), &crate::dav::multistatus::line(status));
        w.into_string()
    };
    let Ok(located) = cx.space.locate(href) else { return Ok(status(Status::NOT_FOUND)) };
    match expand(Arc::new(cx.at(located)), copy(inside), reached).await {
        Err(Error::Refused(refusal)) => Ok(status(refusal.status)),
        other => other,
    }
}

fn copy(wanted: &[Wanted]) -> Vec<Wanted> {
    wanted.iter().map(|w| Wanted { name: w.name.clone(), inside: copy(&w.inside) }).collect()
}
