//! K:history: who changed what in a calendar, or in a whole home, when and with which program, for whoever may do everything
//! there (docs/decisions/0041).

use std::sync::Arc;

use crate::{
    caldav::{changes, stamp},
    dav::{
        Cx, Result, Target,
        error::XML,
        facts,
        reports::audit::{most, number},
    },
    front::{Response, Status, header},
    model::Privilege,
    store::history::{self, Entry, Slice},
    xml::{Element, Name, Writer},
};

/// The report.
pub const HISTORY: Name = Name::own("history");
const OBJECT: Name = Name::own("object");

/// The entries, the latest first. Titles of private events are among them, so that read-acl is not enough.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let (home_id, calendar) = match &cx.located.target {
        Target::Collection(..) => {
            let calendar = facts::collection(&cx, Privilege::All).await?;
            (calendar.home_id, Some(calendar.id))
        }
        _ => (facts::home_owner(&cx, Privilege::All).await?.id, None),
    };
    let object = root.child(OBJECT).map(Element::text);
    let slice = Slice { calendar, object, before: number(&root, "before")?, most: most(&root)? };
    let entries = history::log(&cx.pool, home_id, &slice).await?;
    let mut w = Writer::new(HISTORY);
    entries.iter().rev().for_each(|entry| write(entry, &mut w));
    Ok(Response::new(Status::OK).with(header::CACHE_CONTROL, "no-store").body(XML, w.finish()))
}

fn write(entry: &Entry, w: &mut Writer) {
    w.open(Name::own("entry"));
    w.element(Name::own("id"), &entry.id.to_string());
    w.element(Name::own("at"), &stamp(entry.at));
    w.element(Name::own("action"), entry.action.word());
    w.element(Name::own("calendar"), &entry.calendar);
    if !entry.name.is_empty() {
        w.element(OBJECT, &entry.name);
    }
    match &entry.author {
        Some(name) => w.element(Name::own("by"), name),
        // Somebody who is no more.
        None if entry.signed => w.empty(Name::own("by")),
        None => {}
    }
    w.element(Name::own("with"), &entry.client);
    if let Some(title) = changes::title(entry) {
        w.element(Name::own("title"), &title);
    }
    for name in changes::changed(entry) {
        w.element(Name::own("changed"), &name);
    }
    if let Some(was) = &entry.detail {
        w.element(Name::own("was"), was);
    }
    w.close(Name::own("entry"));
}
