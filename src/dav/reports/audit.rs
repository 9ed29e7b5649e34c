//! K:audit: who did what to people and their rights, for those whom it is about and for those who know all (docs/decisions/0041).

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    config::Moment,
    front::{Response, Status, header},
    model::Privilege,
    store::{
        self,
        audit::{self, About, Entry, Slice},
    },
    xml::{Element, Name, Writer},
};

use crate::dav::{Cx, Refusal, Result, Target, error::XML, facts, target::is_ours};

/// The report.
pub const AUDIT: Name = Name::own("audit");
/// Entries of an answer where nobody says how many, and at most.
const USUAL: i64 = 100;
const MOST: i64 = 500;

/// The elements of an entry, in the order of its words.
const WORDS: [&str; 6] = ["by", "action", "home", "place", "to", "detail"];

/// The entries, the latest first: of a calendar for whoever may do everything there, of a person for themselves, and of everybody
/// for those who know all.
pub async fn run(cx: Arc<Cx>, root: Element) -> Result<Response> {
    let mut slice = Slice {
        since: time(&root, "since")?,
        until: time(&root, "until")?,
        before: number(&root, "before")?,
        most: most(&root)?,
        ..Slice::default()
    };
    let about = |local| root.child(Name::own(local)).and_then(|element| element.child(Name::dav("href")));
    match &cx.located.target {
        Target::Collection(..) => {
            let calendar = facts::collection(&cx, Privilege::All).await?;
            slice.about = Some(About::Calendar(calendar.id));
        }
        Target::Principal(user) => {
            let who = facts::owner(&cx, user).await?;
            if who.id != cx.viewer.principal.id || cx.viewer.is_confined() {
                knows_all(&cx)?;
            }
            slice.of = Some(who.id);
        }
        _ => {
            knows_all(&cx)?;
            if let Some(href) = about("person") {
                slice.of = Some(person(&cx, href).await?);
            }
            if let Some(href) = about("calendar") {
                let place = is_ours(&cx, href.text().trim()).map(|located| located.target);
                let Some(Target::Collection(user, name)) = place else {
                    return Err(Refusal::bad_request("K:calendar has the path of a calendar").into());
                };
                let owner = facts::owner(&cx, &user).await?.id;
                let there = store::calendar::by_name(&cx.pool, &cx.viewer, owner, &name).await?;
                // Of one that is no more there is what was done under its name.
                let about = there.map_or(About::Place(owner, name), |calendar| About::Calendar(calendar.id));
                slice.about = Some(about);
            }
        }
    }
    let mut w = Writer::new(AUDIT);
    audit::page(&cx.pool, &slice).await?.iter().for_each(|entry| write(entry, &mut w));
    Ok(Response::new(Status::OK).with(header::CACHE_CONTROL, "no-store").body(XML, w.finish()))
}

/// What is about others is for admins, and for those who read everything.
fn knows_all(cx: &Cx) -> Result<(), Refusal> {
    if cx.viewer.knows_all() && !cx.viewer.is_confined() {
        return Ok(());
    }
    Err(Refusal::need(cx.located.own_href(), Privilege::ReadAcl))
}

async fn person(cx: &Cx, href: &Element) -> Result<i64> {
    match is_ours(cx, href.text().trim()).map(|located| located.target) {
        Some(Target::Principal(user)) => Ok(facts::owner(cx, &user).await?.id),
        _ => Err(Refusal::bad_request("K:person has the path of a principal").into()),
    }
}

/// How many entries are wanted.
pub fn most(root: &Element) -> Result<i64, Refusal> {
    Ok(number(root, "limit")?.unwrap_or(USUAL).min(MOST))
}

/// The number in the child of that name.
pub fn number(root: &Element, local: &'static str) -> Result<Option<i64>, Refusal> {
    let Some(element) = root.child(Name::own(local)) else { return Ok(None) };
    let number = element.text().trim().parse().ok().filter(|number| *number > 0);
    number.map(Some).ok_or_else(|| Refusal::bad_request(format!("K:{local} is a number from 1 on")))
}

fn time(root: &Element, local: &'static str) -> Result<Option<SystemTime>, Refusal> {
    let Some(element) = root.child(Name::own(local)) else { return Ok(None) };
    let moment: Option<Moment> = element.text().trim().parse().ok();
    let second = moment.map(Moment::second).and_then(|second| u64::try_from(second).ok());
    let time = second.and_then(|second| UNIX_EPOCH.checked_add(Duration::from_secs(second)));
    time.map(Some).ok_or_else(|| Refusal::bad_request(format!("K:{local} is a time as 2026-01-01T00:00:00Z")))
}

fn write(entry: &Entry, w: &mut Writer) {
    let at = jiff::Timestamp::try_from(entry.at).map_or_else(|_| String::new(), |at| at.to_string());
    w.open(Name::own("entry"));
    w.element(Name::own("id"), &entry.id.to_string());
    w.element(Name::own("at"), &at);
    for (local, word) in WORDS.iter().zip(&entry.words).filter(|(_, word)| !word.is_empty()) {
        w.element(Name::own(local), word);
    }
    w.close(Name::own("entry"));
}
