//! DAV:sync-collection of a calendar home: its collections, and with sync-level infinite what is in them (RFC 6578 §3.3,
//! docs/decisions/0020).

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    db::Row,
    front::{Response, Status},
    model::{HomeToken, Lock, Part},
    observe::metrics,
    store::{
        self, Calendar, Home, Lens,
        change::{self, Change},
    },
    xml::{Element, Name},
};

use crate::dav::{
    Cx, Error, Refusal, Result, Target,
    ask::Ask,
    condition::{NUMBER_OF_MATCHES_WITHIN_LIMITS, VALID_SYNC_TOKEN},
    facts::{self, Members},
    header::Prefer,
    multistatus::{Each, Multistatus},
    prop::{Facts, Needs},
    seen,
};

use super::{
    heard::{Before, MOST_GONE, Plan, plan},
    sync_collection::{Level, Rendering, limit},
};

/// What a client has not heard of yet: names that are gone first, then collection by collection.
pub async fn run(cx: Arc<Cx>, root: Element, level: Level, render: Option<Rendering>) -> Result<Response> {
    let facts = facts::of_target(&cx, Needs::HOME).await?;
    let (Some(home), Some(owner)) = (&facts.home, &facts.principal) else {
        return Err(Refusal::not_found().into());
    };
    let token = given(&root, home)?;
    let left = limit(&root)?;
    let ask = Ask::of_report(&root, cx.tables)?;
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    let now = home.token(cx.outline);
    metrics::synced(match &token {
        None => "initial",
        Some(token) if *token == now => "unchanged",
        Some(_) => "changes",
    });
    if token.as_ref() == Some(&now) {
        answer.sync_token(&now.to_string());
        return Ok(answer.finish());
    }
    let collections = facts::of_members(&cx, &facts, ask.needs(cx.tables)).await?;
    // Behind the collections, so that it is known which of their names went before they were looked at.
    let since = token.as_ref().map_or(now.revision, |token| token.revision);
    let mut graves = change::gone_from_home(&cx.pool, owner.id, since, MOST_GONE.into()).await?;
    graves.retain(|grave| cx.viewer.sees(owner.id, &grave.name));
    let plan = plan(token.as_ref(), &now, &graves, &names(&collections), level)?;
    let with = ask.with(cx.tables);
    let (queue, seen) = queue(&cx, collections, &plan.token, level)?;
    let locks = locks(&cx, ask.needs(cx.tables), &queue).await?;
    let Plan { gone, token, before } = plan;
    let body = with.body || seen.iter().any(|(.., lens)| !lens.own);
    let mut changes =
        Changes { cx, ask, render, level, body, token, queue, locks, open: None, left, cut: false };
    changes.bury(gone, before, &mut answer);
    if changes.cut || seen.is_empty() {
        changes.last(&mut answer)?;
        return Ok(answer.finish());
    }
    // One row more than may be given tells whether there are more.
    let most = changes.left.map_or(i64::MAX, |left| left + 1);
    let rows = seen::since_in(&changes.cx, &seen, most, &with).await?;
    answer.of_rows(rows, changes).await
}

/// The token of the request, if it is one of this home that is still answered; none of one who has seen nothing.
fn given(root: &Element, home: &Home) -> Result<Option<HomeToken>, Refusal> {
    let text = root.child(Name::dav("sync-token")).map_or("", |t| t.text().trim());
    if text.is_empty() {
        return Ok(None);
    }
    let token: HomeToken = text.parse().map_err(|_| VALID_SYNC_TOKEN)?;
    let known = token.key == home.state.key && (home.floor..=home.state.revision).contains(&token.revision);
    if known { Ok(Some(token)) } else { Err(VALID_SYNC_TOKEN.into()) }
}

fn names(collections: &[Facts]) -> BTreeMap<i64, String> {
    collections.iter().filter_map(|facts| facts.calendar.as_ref()).map(|c| (c.id, c.name.clone())).collect()
}

/// Where collections are kept and their numbers, each with the revision from which on its members are told, and how they are
/// seen.
type Seen = Vec<((i64, i64), i64, Lens)>;

/// The collections in the order in which they are told, and from which revision on the members of those are that need telling;
/// a client that has seen what is yet to come has seen something else.
fn queue(
    cx: &Cx,
    collections: Vec<Facts>,
    token: &HomeToken,
    level: Level,
) -> Result<(VecDeque<Facts>, Seen), Refusal> {
    let mut seen = Vec::new();
    let mut queue: Vec<(i64, Facts)> = Vec::new();
    for facts in collections {
        let Some(calendar) = &facts.calendar else { continue };
        let part = token.parts.get(&calendar.id).copied().unwrap_or_default();
        let now = Some(calendar.state.revision);
        if part.members > now || part.itself > now {
            return Err(VALID_SYNC_TOKEN.into());
        }
        if level == Level::Infinite && part.members < now {
            if part.members.is_some_and(|seen| seen < calendar.floor) {
                return Err(VALID_SYNC_TOKEN.into());
            }
            seen.push((calendar.kept(), part.members.unwrap_or(-1), seen::of(cx, calendar)));
        }
        queue.push((calendar.id, facts));
    }
    queue.sort_by_key(|(id, _)| *id);
    seen.sort_unstable_by_key(|((_, id), ..)| *id);
    Ok((queue.into_iter().map(|(_, facts)| facts).collect(), seen))
}

/// The locks in these collections, if they are needed.
async fn locks(cx: &Cx, needs: Needs, of: &VecDeque<Facts>) -> Result<HashMap<i64, Vec<Lock>>> {
    let locked = of.iter().filter_map(|facts| facts.calendar.as_ref()).filter(|calendar| calendar.locked);
    let locked: Vec<(i64, i64)> = locked.map(Calendar::kept).collect();
    if !needs.has(Needs::LOCKS) || locked.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(store::lock::of_several(&cx.pool, &locked).await?)
}

struct Changes {
    cx: Arc<Cx>,
    ask: Ask,
    render: Option<Rendering>,
    level: Level,
    body: bool,
    /// What the client has seen with this answer.
    token: HomeToken,
    /// The collections that are still to be told.
    queue: VecDeque<Facts>,
    /// The locks in them.
    locks: HashMap<i64, Vec<Lock>>,
    /// The one whose members are being told.
    open: Option<Open>,
    /// How many responses may still be given.
    left: Option<i64>,
    /// Whether there are more.
    cut: bool,
}

/// A collection in the telling.
struct Open {
    id: i64,
    facts: Facts,
    members: Members,
}

impl Changes {
    /// Whether one more response may be given.
    fn take(&mut self) -> bool {
        match &mut self.left {
            Some(0) => self.cut = true,
            Some(left) => *left -= 1,
            None => {}
        }
        !self.cut
    }

    /// Tells the names that are gone. Where there are too many, the client has got no further than to the last one told.
    fn bury(&mut self, gone: Vec<(String, i64)>, before: Option<Before>, answer: &mut Multistatus) {
        let Some(Before { revision: mut reached, others }) = before else { return };
        for (name, revision) in gone {
            if !self.take() {
                self.token.revision = reached;
                let still = others.into_iter().filter(|(.., lost)| *lost > reached);
                self.token.parts.extend(still.map(|(id, part, _)| (id, part)));
                return;
            }
            let user = self.cx.located.target.user().unwrap_or_default().to_owned();
            answer.status(&self.cx.href(&Target::Collection(user, name)), Status::NOT_FOUND);
            reached = revision;
        }
    }

    /// Goes on to the next collection. One that is as the client knows it, or that it does not know, is told before its members;
    /// one whose members it has been told in part, after them: so there is an end to it however often the collection changes.
    fn open(&mut self, answer: &mut Multistatus) -> bool {
        let Some(facts) = self.queue.pop_front() else { return false };
        let Some(calendar) = &facts.calendar else { return true };
        let (id, now) = (calendar.id, calendar.state.revision);
        let part = self.token.parts.get(&id).copied().unwrap_or_default();
        let first = part.itself == part.members || self.level == Level::One;
        if first && part.itself < Some(now) {
            if !self.take() {
                return false;
            }
            answer.response(&facts, &self.ask, &self.cx);
            let told = Part { itself: Some(now), ..part };
            self.token.parts.insert(id, if self.level == Level::One { Part::whole(now) } else { told });
        }
        if self.level == Level::Infinite {
            let locks = self.locks.remove(&id).unwrap_or_default();
            let (cx, needs) = (Arc::clone(&self.cx), self.ask.needs(self.cx.tables));
            let members = Members::with(cx, calendar.clone(), locks, facts.acl.clone(), needs);
            self.open = Some(Open { id, facts, members });
        }
        true
    }

    /// Ends a collection whose members have been told.
    fn close(&mut self, answer: &mut Multistatus) {
        let Some(Open { id, facts, .. }) = self.open.take() else { return };
        let now = facts.calendar.as_ref().map(|calendar| calendar.state.revision);
        let part = self.token.parts.get(&id).copied().unwrap_or_default();
        let mut part = Part { members: part.members.max(now), ..part };
        if part.itself < now && self.take() {
            answer.response(&facts, &self.ask, &self.cx);
            part.itself = now;
        }
        self.token.parts.insert(id, part);
    }
}

impl Each for Changes {
    fn row(&mut self, row: &Row, answer: &mut Multistatus) -> Result<()> {
        let id: i64 = row.at("calendar_id").map_err(Error::from)?;
        while !self.cut && self.open.as_ref().is_none_or(|open| open.id != id) {
            self.close(answer);
            if !self.cut && !self.open(answer) {
                break;
            }
        }
        if self.cut || !self.take() {
            return Ok(());
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let change = change::read(row, self.body)?;
        let revision = Some(change.revision());
        match change {
            Change::Gone(name, _) => answer.status(&open.members.href(&name), Status::NOT_FOUND),
            Change::Member(object) => {
                let href = (!open.members.lens().own).then(|| open.members.href(&object.name));
                let known = self.token.parts.get(&id).is_some_and(|part| part.members.is_some());
                if open.members.load(object, row)? {
                    answer.rendered(open.members.facts(), &self.ask, &self.cx, self.render.as_deref())?;
                } else if let Some(href) = href.filter(|_| known) {
                    // Who has seen it before sees it no more.
                    answer.status(&href, Status::NOT_FOUND);
                }
            }
        }
        self.token.parts.entry(id).or_default().members = revision;
        Ok(())
    }

    fn last(&mut self, answer: &mut Multistatus) -> Result<()> {
        while !self.cut {
            self.close(answer);
            if self.cut || !self.open(answer) {
                break;
            }
        }
        if self.cut {
            answer.refused(&self.cx.located.own_href(), &NUMBER_OF_MATCHES_WITHIN_LIMITS.into());
        }
        answer.sync_token(&self.token.to_string());
        Ok(())
    }
}
