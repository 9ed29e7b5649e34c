//! C:calendar-multiget: the objects of these paths (RFC 4791 §7.9).

use std::{collections::HashMap, sync::Arc};

use crate::{
    dav::{
        Cx, Refusal, Result, Target,
        ask::Ask,
        condition::NUMBER_OF_MATCHES_WITHIN_LIMITS,
        facts::{self, Members},
        header::Prefer,
        multistatus::{Each, Multistatus, Render},
        target::is_ours,
    },
    db::Row,
    front::{Response, Status},
    store::object::{Read, Which},
    xml::{Element, Name},
};

use super::data;

/// Paths that one request may name.
const MOST: usize = 5000;

/// The properties of the objects that are there, and a 404 for each path that names none of this calendar.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let calendar = facts::searched(&cx).await?;
    let hrefs: Vec<&str> = root.all(Name::dav("href")).map(|href| href.text().trim()).collect();
    if hrefs.len() > MOST {
        let refusal =
            NUMBER_OF_MATCHES_WITHIN_LIMITS.because(format!("one report names at most {MOST} paths"));
        // RFC 4791 §1.3: what will always fail is 403; only a list that breaks off is 507.
        return Err(Refusal { status: Status::FORBIDDEN, ..refusal }.into());
    }
    let render = data::rendering(&cx, &root, None).await?;
    let ask = Ask::of_report(&root, cx.tables)?;
    let (needs, with) = (ask.needs(cx.tables), ask.with(cx.tables));
    let mut unseen: HashMap<String, String> = HashMap::with_capacity(hrefs.len());
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    let path = cx.href(&cx.located.target);
    for href in hrefs {
        match member(&cx, &path, href) {
            Some(name) => drop(unseen.insert(name, href.to_owned())),
            None => answer.status(href, Status::NOT_FOUND),
        }
    }
    let names: Vec<String> = unseen.keys().cloned().collect();
    let members = Members::of(cx, calendar, needs).await?;
    let (rows, read) = members.rows(Which::Named(&names), &with).await?;
    answer.of_rows(rows, Named { members, read, ask, render, unseen }).await
}

/// The name in the request's collection, which has this path, that a path stands for; clients send paths and whole URLs.
fn member(cx: &Cx, path: &str, href: &str) -> Option<String> {
    // Nearly all are as they were told.
    if let Some(name) = href.strip_prefix(path).filter(|name| path.ends_with('/') && is_plain(name)) {
        return Some(name.to_owned());
    }
    let target = is_ours(cx, href)?.target;
    let within = match &cx.located.target {
        Target::Collection(of, here) => {
            matches!(&target, Target::Object(user, collection, _) if user == of && collection == here)
        }
        // Of an object nothing but itself can be asked for.
        own => target == *own,
    };
    match target {
        Target::Object(.., name) if within => Some(name),
        _ => None,
    }
}

/// Whether the name of a member stands in a path as it is, whatever rules there are.
fn is_plain(name: &str) -> bool {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_@".contains(octet);
    (1..=255).contains(&name.len())
        && name.bytes().enumerate().all(|(at, octet)| plain(&octet) || (octet == b'.' && at > 0))
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
        if !self.members.load(object, row)? {
            return Ok(());
        }
        if let Some(object) = &self.members.facts().object {
            self.unseen.remove(&object.name);
        }
        answer.rendered(self.members.facts(), &self.ask, self.members.cx(), self.render.as_deref())?;
        Ok(())
    }

    fn last(&mut self, answer: &mut Multistatus) -> Result<()> {
        for href in self.unseen.values() {
            answer.status(href, Status::NOT_FOUND);
        }
        Ok(())
    }
}
