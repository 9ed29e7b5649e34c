//! PROPFIND (RFC 4918 §9.1).

use std::sync::Arc;

use crate::{
    db::Row,
    front::Response,
    model::{Kind, Kinds},
    store::object::{Read, Which},
};

use super::{
    Cx, Given, Result,
    ask::Ask,
    condition::PROPFIND_FINITE_DEPTH,
    facts::{self, Members},
    header::{Depth, Prefer, depth},
    locks,
    multistatus::{Each, Multistatus},
    prop::Needs,
    trash,
};

/// The properties of a resource, and with Depth 1 of its members.
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let ask = Ask::of_propfind(given.xml.as_ref(), cx.tables)?;
    let depth = depth(&cx.headers)?.unwrap_or(Depth::Infinity);
    let kind = cx.located.target.kind();
    // Of what has no members, infinity is what 0 is.
    if depth == Depth::Infinity && kind.is_collection() {
        return Err(PROPFIND_FINITE_DEPTH.into());
    }
    // A name that only a lock reserves is there as well (RFC 4918 §9.10.4).
    let needs = ask.needs(cx.tables).or(Needs::LOCKS);
    let (root, members) = if kind == Kind::Home && depth == Depth::One {
        let (home, members) = facts::of_home_and_members(&cx, needs).await?;
        (home, Some(members))
    } else {
        (facts::of_target(&cx, needs).await?, None)
    };
    locks::guard(&cx).await?.holds(&root)?;
    let prefer = Prefer::of(&cx.headers);
    // What is asked for alone, or has no members, is told of in any case.
    let prefer = if depth == Depth::Zero || !kind.is_collection() { prefer.with_root() } else { prefer };
    let mut answer = Multistatus::of_members(prefer);
    if !prefer.no_root {
        answer.response(&root, &ask, &cx);
    }
    if depth == Depth::Zero || !kind.is_collection() {
        return Ok(answer.finish());
    }
    match root.calendar {
        Some(calendar) if Kinds::IN_HOME.has(kind) => {
            let with = ask.with(cx.tables);
            let members = Members::of(cx, calendar, needs).await?;
            let (rows, read) = members.rows(Which::All, &with).await?;
            answer.of_rows(rows, Listing { members, read, ask }).await
        }
        _ if kind == Kind::Trash => trash::listing(cx, answer, ask, needs).await,
        _ => {
            let members = match members {
                Some(members) => members,
                None => facts::of_members(&cx, &root, needs).await?,
            };
            for member in members {
                answer.response(&member, &ask, &cx);
            }
            Ok(answer.finish())
        }
    }
}

struct Listing {
    members: Members,
    read: Read,
    ask: Ask,
}

impl Each for Listing {
    fn row(&mut self, row: &Row, answer: &mut Multistatus) -> Result<()> {
        if self.members.load((self.read)(row)?, row)? {
            answer.response(self.members.facts(), &self.ask, self.members.cx());
        }
        Ok(())
    }

    fn last(&mut self, answer: &mut Multistatus) -> Result<()> {
        for facts in self.members.reserved() {
            answer.response(&facts, &self.ask, self.members.cx());
        }
        Ok(())
    }
}
