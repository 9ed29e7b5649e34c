//! DAV:sync-collection: what changed in a collection since a token (RFC 6578 §3).

use std::sync::Arc;

use crate::{
    db::Row,
    front::{Response, Status},
    model::{Kind, Privilege, SyncToken},
    observe::metrics,
    store::{
        Calendar,
        change::{self, Change},
    },
    xml::{Element, Name},
};

use crate::dav::{
    Cx, Refusal, Result,
    ask::Ask,
    condition::{NUMBER_OF_MATCHES_WITHIN_LIMITS, VALID_SYNC_TOKEN},
    facts::{self, Members},
    header::Prefer,
    multistatus::{Each, Multistatus},
    seen,
};

use super::sync_home;

/// Renders what only a report gives.
pub type Rendering = Box<crate::dav::multistatus::Render>;

/// How far below the collection members are told (RFC 6578 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Its own members.
    One,
    /// Theirs as well.
    Infinite,
}

/// The changes since the token, all of them or as many as DAV:limit allows: the new token says how far they go.
///
/// Clients send any Depth and none; what counts is DAV:sync-level, and of a collection of objects both levels are one.
pub async fn run(cx: Arc<Cx>, root: Element, render: Option<Rendering>) -> Result<Response> {
    let level = level(&root)?;
    if cx.located.target.kind() == Kind::Home {
        return sync_home::run(cx, root, level, render).await;
    }
    let calendar = facts::collection(&cx, Privilege::Read).await?;
    let since = since(&root, &calendar)?;
    let limit = limit(&root)?;
    let ask = Ask::of_report(&root, cx.tables)?;
    let (needs, with) = (ask.needs(cx.tables), ask.with(cx.tables));
    let mut answer = Multistatus::new(Prefer::of(&cx.headers));
    metrics::synced(match since {
        -1 => "initial",
        since if since == calendar.state.revision => "unchanged",
        _ => "changes",
    });
    if since == calendar.state.revision {
        // What clients ask for most: the row that has been read says that there is nothing new.
        answer.sync_token(&calendar.state.to_string());
        return Ok(answer.finish());
    }
    let own_href = cx.located.own_href();
    let state = calendar.state;
    let members = Members::of(cx, calendar, needs).await?;
    // One row more than are given tells whether there are more.
    let most = limit.map_or(i64::MAX, |n| n + 1);
    let (rows, read) = seen::since(members.cx(), members.calendar(), (since, most), &with).await?;
    let cut = false;
    let each =
        Changes { members, read, ask, render, own_href, state, since, reached: since, left: limit, cut };
    answer.of_rows(rows, each).await
}

/// The revision that the client has seen; of one that has seen nothing, one before all.
fn since(root: &Element, calendar: &Calendar) -> Result<i64> {
    let text = root.child(Name::dav("sync-token")).map_or("", |t| t.text().trim());
    if text.is_empty() {
        return Ok(-1);
    }
    let token: SyncToken = text.parse().map_err(|_| VALID_SYNC_TOKEN)?;
    let known = token.key == calendar.state.key
        && (calendar.floor..=calendar.state.revision).contains(&token.revision);
    if known { Ok(token.revision) } else { Err(VALID_SYNC_TOKEN.into()) }
}

/// One level where nothing is said; some still say infinite as Depth has it.
fn level(root: &Element) -> Result<Level, Refusal> {
    match root.child(Name::dav("sync-level")).map_or("1", |level| level.text().trim()) {
        "1" => Ok(Level::One),
        "infinite" | "infinity" => Ok(Level::Infinite),
        _ => Err(Refusal::bad_request("a DAV:sync-level is 1 or infinite")),
    }
}

/// The most responses the client wants.
pub fn limit(root: &Element) -> Result<Option<i64>> {
    let Some(limit) = root.child(Name::dav("limit")) else { return Ok(None) };
    let number = limit.child(Name::dav("nresults")).map(|n| n.text().trim().parse::<u64>());
    match number {
        Some(Ok(number)) if number > 0 => {
            Ok(Some(i64::try_from(number).unwrap_or(i64::MAX - 1).min(i64::MAX - 1)))
        }
        _ => Err(Refusal::bad_request("DAV:limit holds a DAV:nresults with a positive number").into()),
    }
}

struct Changes {
    members: Members,
    read: change::Read,
    ask: Ask,
    render: Option<Rendering>,
    own_href: String,
    state: SyncToken,
    /// The revision that the client has seen.
    since: i64,
    /// The revision of the last change given.
    reached: i64,
    /// How many responses may still be given.
    left: Option<i64>,
    /// Whether there are more.
    cut: bool,
}

impl Each for Changes {
    fn row(&mut self, row: &Row, answer: &mut Multistatus) -> Result<()> {
        match &mut self.left {
            Some(0) => {
                self.cut = true;
                return Ok(());
            }
            Some(left) => *left -= 1,
            None => {}
        }
        let change = (self.read)(row)?;
        self.reached = change.revision();
        match change {
            Change::Gone(name, _) => answer.status(&self.members.href(&name), Status::NOT_FOUND),
            Change::Member(object) => {
                let href = (!self.members.lens().own).then(|| self.members.href(&object.name));
                if self.members.load(object, row)? {
                    let facts = self.members.facts();
                    answer.rendered(facts, &self.ask, self.members.cx(), self.render.as_deref())?;
                } else if let Some(href) = href.filter(|_| self.since >= 0) {
                    // Who has seen it before sees it no more.
                    answer.status(&href, Status::NOT_FOUND);
                }
            }
        }
        Ok(())
    }

    fn last(&mut self, answer: &mut Multistatus) -> Result<()> {
        // A writer's lock makes revisions appear in their order, so the last one given stands for all before it.
        let revision = if self.cut {
            answer.refused(&self.own_href, &NUMBER_OF_MATCHES_WITHIN_LIMITS.into());
            self.reached
        } else {
            self.reached.max(self.state.revision)
        };
        answer.sync_token(&SyncToken { revision, ..self.state }.to_string());
        Ok(())
    }
}
