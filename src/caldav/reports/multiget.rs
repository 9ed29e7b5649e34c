//! C:calendar-multiget: the objects of these paths (RFC 4791 §7.9).

use std::{collections::HashMap, sync::Arc};

use crate::{
    dav::{
        Cx, Result, Target,
        ask::Ask,
        condition::NUMBER_OF_MATCHES_WITHIN_LIMITS,
        facts::{self, Members},
        header::Prefer,
        multistatus::{Each, Multistatus, Render},
    },
    db::Row,
    front::{Response, Status},
    model::Privilege,
    store::object::{Read, Which},
    xml::{Element, Name},
};

use super::data;

/// Paths that one request may name.
const MOST: usize = 5000;

/// The properties of the objects that are there, and a 404 for each path that names none of this calendar.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let calendar = facts::collection(&cx, Privilege::Read).await?;
    let hrefs: Vec<&str> = root.all(Name::dav("href")).map(|href| href.text().trim()).collect();
    if hrefs.len() > MOST {
        return Err(NUMBER_OF_MATCHES_WITHIN_LIMITS.into());
    }
    let render = data::rendering(&cx, &root).await?;
    let ask = Ask::of_report(&root, cx.tables);
    let needs = ask.needs(cx.tables);
    let mut unseen: HashMap<String, String> = HashMap::with_capacity(hrefs.len());
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    for href in hrefs {
        match member(&cx, href) {
            Some(name) => drop(unseen.insert(name, href.to_owned())),
            None => answer.status(href, Status::NOT_FOUND),
        }
    }
    let names: Vec<String> = unseen.keys().cloned().collect();
    let (rows, read) = facts::member_rows(&cx, &calendar, Which::Named(&names), needs).await?;
    let members = Members::of(cx, calendar, needs).await?;
    answer.of_rows(rows, Named { members, read, ask, render, unseen }).await
}

/// The name in the request's collection that a path stands for; clients send paths and whole URLs.
fn member(cx: &Cx, href: &str) -> Option<String> {
    let path = match href.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => href,
    };
    match (cx.space.locate(path).ok()?.target, &cx.located.target) {
        (
            Target::Object(user, collection, name),
            Target::Collection(of, here) | Target::Object(of, here, _),
        ) => (user == *of && collection == *here).then_some(name),
        _ => None,
    }
}

struct Named {
    members: Members,
    read: Read,
    ask: Ask,
    render: Option<Box<Render>>,
    /// The paths of which no row came yet, by name.
    unseen: HashMap<String, String>,
}

impl Each for Named {
    fn row(&mut self, row: &Row, answer: &mut Multistatus) -> Result<()> {
        let object = (self.read)(row)?;
        self.unseen.remove(&object.name);
        let facts = self.members.of_object(object);
        answer.response(&facts, &self.ask, self.members.cx(), self.render.as_deref());
        Ok(())
    }

    fn last(&mut self, answer: &mut Multistatus) -> Result<()> {
        for href in self.unseen.values() {
            answer.status(href, Status::NOT_FOUND);
        }
        Ok(())
    }
}
