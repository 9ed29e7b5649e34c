//! Who did what: the history of a calendar and of the rights on it for its owner, and the log of all for admins; CalDAV's
//! reports K:history and K:audit, as JSON (docs/decisions/0041).

use serde_json::{Value, json as object};

use crate::{
    front::{Response, Status},
    xml::{self, Element, Name, Writer},
};

use super::{
    caldav::{As, decoded, segment},
    calendars::Calendar,
    error::{Error, Refusal, Result},
    service::{BASE, Call, json},
};

const HISTORY: Name = Name::own("history");
const AUDIT: Name = Name::own("audit");
const ENTRY: Name = Name::own("entry");

/// Entries of a page where nobody says how many, and at most.
const USUAL: usize = 100;
const MOST: usize = 500;

/// The parameters that turn pages.
const BEFORE: (&str, &str) = ("before", "Only what was before the entry of that id: `next` has it.");
const LIMIT: (&str, &str) = ("limit", "How many entries there are on a page, 500 at most.");
const SINCE: (&str, &str) = ("since", "Only from that time on, as 2026-01-31T09:00:00Z.");
const UNTIL: (&str, &str) = ("until", "Only before that time.");
/// Those of the history of a calendar.
pub const OF_OBJECTS: &[(&str, &str)] = &[("object", "Only of the object of that name."), BEFORE, LIMIT];
/// Those of the audit log of a calendar.
pub const OF_CALENDAR: &[(&str, &str)] = &[SINCE, UNTIL, BEFORE, LIMIT];
/// Those of the audit log of all.
pub const OF_ALL: &[(&str, &str)] = &[
    ("person", "Only what that user did, what was done to them, or in their home: the user name."),
    ("calendar", "Only what was done to that calendar: its path, as `/calendars/alice/work/`."),
    SINCE,
    UNTIL,
    BEFORE,
    LIMIT,
];

/// Whose records, and where they are asked for.
struct Question {
    report: Name,
    path: String,
    /// Where its pages are.
    page: String,
    shown: fn(&Element) -> Value,
}

/// `GET calendars/{id}/history/`
pub async fn history(call: &Call) -> Result<Response> {
    let calendar = Calendar::asked(call).await?;
    let page = format!("calendars/{}/history/", calendar.id);
    let question = Question { report: HISTORY, path: calendar.path, page, shown: change };
    answer(call, &question, |w| {
        if let Some(object) = call.param("object") {
            w.element(Name::own("object"), &object);
        }
        Ok(())
    })
    .await
}

/// `GET calendars/{id}/audit/`
pub async fn of_calendar(call: &Call) -> Result<Response> {
    let calendar = Calendar::asked(call).await?;
    let page = format!("calendars/{}/audit/", calendar.id);
    let question = Question { report: AUDIT, path: calendar.path, page, shown: deed };
    answer(call, &question, |w| times(call, w)).await
}

/// `GET audit/`
pub async fn of_all(call: &Call) -> Result<Response> {
    let service = &call.shared.caldav;
    let path = format!("{}principals/", service.base());
    let question = Question { report: AUDIT, path, page: "audit/".to_owned(), shown: deed };
    answer(call, &question, |w| {
        let mut about = |local, path: &str| {
            w.inside(Name::own(local), |w| w.element(Name::dav("href"), path));
        };
        if let Some(name) = call.param("person") {
            about("person", &service.principal(&name));
        }
        if let Some(path) = call.param("calendar") {
            let bad = || Error::field("calendar", "invalid", "Write it as /calendars/user/calendar/.");
            let (_, rest) = path.split_once("calendars/").ok_or_else(bad)?;
            let (user, name) = rest.trim_end_matches('/').split_once('/').ok_or_else(bad)?;
            if name.is_empty() || name.contains('/') {
                return Err(bad());
            }
            let (user, name) = (decoded(user), decoded(name));
            about("calendar", &format!("{}{}/", service.home(&user), segment(&name)));
        }
        times(call, w)
    })
    .await
}

/// All records of one kind about whoever has that home, piece by piece as a list of JSON, for the archive of what there is of them.
pub struct Records {
    question: Question,
    before: Option<i64>,
    begun: bool,
    ended: bool,
}

impl Records {
    /// What was changed in the calendars of the home of that path.
    #[must_use]
    pub fn of_home(path: &str) -> Self {
        Self::new(HISTORY, path, change)
    }

    /// What the person of that path did to rights, what was done to theirs, and to those in their home.
    #[must_use]
    pub fn of_person(path: &str) -> Self {
        Self::new(AUDIT, path, deed)
    }

    fn new(report: Name, path: &str, shown: fn(&Element) -> Value) -> Self {
        let question = Question { report, path: path.to_owned(), page: String::new(), shown };
        Self { question, before: None, begun: false, ended: false }
    }

    /// The next piece; none behind the last.
    pub async fn next(&mut self, caldav: &As<'_>) -> Result<Option<String>> {
        if self.ended {
            return Ok(None);
        }
        let w = Writer::new(self.question.report);
        let entries = report(caldav, &self.question, w, (self.before, MOST)).await?;
        let mut piece = String::new();
        for entry in &entries {
            piece.push_str(if self.begun { ",\n" } else { "[" });
            piece.push_str(&(self.question.shown)(entry).to_string());
            self.begun = true;
        }
        self.before = entries.last().and_then(|entry| said(entry, "id")?.parse().ok());
        self.ended = entries.len() < MOST || self.before.is_none();
        if self.ended {
            piece.push_str(if self.begun { "]" } else { "[]" });
        }
        Ok(Some(piece))
    }
}

fn times(call: &Call, w: &mut Writer) -> Result<()> {
    for local in ["since", "until"] {
        let Some(text) = call.param(local) else { continue };
        let time: Option<jiff::Timestamp> = text.parse().ok();
        let time = time.filter(|time| time.as_second() >= 0);
        let time = time.ok_or_else(|| Error::field(local, "invalid", "Write it as 2026-01-31T09:00:00Z."))?;
        w.element(Name::own(local), &time.to_string());
    }
    Ok(())
}

/// A page of records: the latest first, and where those before them are.
async fn answer(
    call: &Call,
    question: &Question,
    ask: impl FnOnce(&mut Writer) -> Result<()>,
) -> Result<Response> {
    let number = |name: &'static str| match call.param(name).map(|text| text.parse::<i64>()) {
        None => Ok(None),
        Some(Ok(number)) if number > 0 => Ok(Some(number)),
        Some(_) => Err(Error::field(name, "invalid", "A whole number from 1 on is required.")),
    };
    let most = number("limit")?.map_or(USUAL, |most| usize::try_from(most).unwrap_or(MOST).min(MOST));
    let before = number("before")?;
    let mut w = Writer::new(question.report);
    ask(&mut w)?;
    let entries = report(&call.caldav()?, question, w, (before, most)).await?;
    let results: Vec<Value> = entries.iter().map(question.shown).collect();
    let last = entries.last().filter(|_| entries.len() == most).and_then(|entry| said(entry, "id"));
    let kept = call.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("before="));
    let kept: String = kept.flat_map(|pair| [pair, "&"]).collect();
    let next = last.map(|last| format!("{BASE}{}?{kept}before={last}", question.page));
    Ok(json(Status::OK, &object!({ "next": next, "results": results })))
}

async fn report(
    caldav: &As<'_>,
    question: &Question,
    mut w: Writer,
    (before, most): (Option<i64>, usize),
) -> Result<Vec<Element>> {
    if let Some(before) = before {
        w.element(Name::own("before"), &before.to_string());
    }
    w.element(Name::own("limit"), &most.to_string());
    let told = caldav.ask("REPORT", &question.path, Vec::new(), w.finish()).await?;
    if told.status == Status::FORBIDDEN {
        return Err(Refusal::forbidden().into());
    }
    let root = xml::parse(&told.done()?.body).map_err(|fault| Error::Upstream(fault.to_string()))?;
    Ok(root.all(ENTRY).cloned().collect())
}

fn said<'a>(entry: &'a Element, local: &'static str) -> Option<&'a str> {
    entry.child(Name::own(local)).map(Element::text).filter(|text| !text.is_empty())
}

/// A change of a calendar or of something in it.
fn change(entry: &Element) -> Value {
    let changed: Vec<&str> = entry.all(Name::own("changed")).map(Element::text).collect();
    object!({
        "id": said(entry, "id"),
        "at": said(entry, "at"),
        "action": said(entry, "action"),
        "by": said(entry, "by"),
        "with": said(entry, "with"),
        "calendar": said(entry, "calendar"),
        "object": said(entry, "object"),
        "title": said(entry, "title"),
        "changed": changed,
        "was": said(entry, "was"),
    })
}

/// A deed of somebody.
fn deed(entry: &Element) -> Value {
    object!({
        "id": said(entry, "id"),
        "at": said(entry, "at"),
        "action": said(entry, "action"),
        "by": said(entry, "by"),
        "home": said(entry, "home"),
        "calendar": said(entry, "place"),
        "to": said(entry, "to"),
        "detail": said(entry, "detail"),
    })
}
