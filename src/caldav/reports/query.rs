//! C:calendar-query: the objects that pass a filter (RFC 4791 §7.8).

use std::sync::Arc;

use crate::{
    dav::{
        Cx, Refusal, Result, Target,
        ask::Ask,
        condition::MAX_INSTANCES,
        facts::{self, Members},
        header::Prefer,
        multistatus::{Each, Multistatus, Render},
        seen,
    },
    db::Row,
    front::Response,
    ical::{self, Budget, Calendar, Filter, Zone},
    store::object::{Candidate, Candidates, With, read_candidate},
    xml::Element,
};

use super::{
    super::parsed,
    data, filter,
    range::{self, FOREVER},
};

/// The properties of the objects that pass. Clients send Depth 0 where they mean 1, and none at all: a calendar is always
/// asked for its members.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let filter = filter::read(&root)?;
    let calendar = facts::searched(&cx).await?;
    let bounds = filter::bounds(&filter);
    // Kinds alone are no matter of time: the listing that some clients live by needs no zone.
    let timeless = bounds.exact && bounds.time.is_none() && !range::names_zone(&root);
    let zone = if timeless { Zone::utc() } else { range::zone(&cx, &root, &calendar).await? };
    let render = data::rendering(&cx, &root, (!timeless).then_some(&zone)).await?;
    let ask = Ask::of_report(&root, cx.tables)?;
    let window = bounds.time.map(|(start, end)| {
        let window = start.unwrap_or(FOREVER.start)..end.unwrap_or(FOREVER.end);
        let floating = range::floating(&window, &zone);
        (window, floating)
    });
    let (needs, asked) = (ask.needs(cx.tables), ask.with(cx.tables));
    let with = With { body: asked.body || !bounds.exact, ..asked };
    let of = Candidates { kinds: bounds.kinds, window, uid: bounds.uid, with };
    let answer = Multistatus::new(Prefer::of(&cx.headers));
    let only = match &cx.located.target {
        Target::Object(.., name) => Some(name.clone()),
        _ => None,
    };
    let members = Members::of(cx, calendar, needs).await?;
    let rows = seen::candidates(members.cx(), members.calendar(), &of).await?;
    let test = Test { filter, zone, exact: bounds.exact, budget: Budget::new(super::BUDGET) };
    answer.of_rows(rows, Found { members, test, ask, render, only }).await
}

struct Test {
    filter: Filter,
    zone: Zone,
    exact: bool,
    budget: Budget,
}

impl Test {
    /// Whether a candidate passes.
    fn passes(&self, candidate: &Candidate) -> Result<bool, Refusal> {
        if self.exact && !candidate.open {
            return Ok(true);
        }
        // A pattern tells of times alone.
        let pattern = candidate.pattern.as_ref().filter(|_| self.exact);
        let calendar = match pattern {
            Some(pattern) => Calendar::parse(pattern.clone()).map(Arc::new),
            None => parsed::calendar(&candidate.object),
        };
        // What cannot be read any more is in no answer, and stops none.
        let Ok(calendar) = calendar else { return Ok(false) };
        ical::matches(&calendar, &self.filter, &self.zone, &self.budget).map_err(|_| MAX_INSTANCES.into())
    }
}

struct Found {
    members: Members,
    test: Test,
    ask: Ask,
    render: Option<Box<Render>>,
    /// The object that the request is about, where it is not about the whole calendar.
    only: Option<String>,
}

impl Each for Found {
    fn row(&mut self, row: &Row, answer: &mut Multistatus) -> Result<()> {
        let mut candidate = read_candidate(row)?;
        if self.only.as_ref().is_some_and(|name| candidate.object.name != *name) {
            return Ok(());
        }
        let (cx, lens) = (self.members.cx(), self.members.lens());
        let Some(object) = seen::of_row(cx, lens, candidate.object, row)? else { return Ok(()) };
        candidate.object = object;
        if self.test.passes(&candidate)? {
            self.members.load_seen(candidate.object, row)?;
            answer.rendered(self.members.facts(), &self.ask, self.members.cx(), self.render.as_deref())?;
        }
        Ok(())
    }
}
