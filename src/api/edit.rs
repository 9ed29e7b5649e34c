//! Changes of events as people mean them: this one, this and all later ones, or all; what that leaves of the object is
//! `ical::edit`'s to say, and CalDAV stores it only where nobody else has changed it meanwhile (docs/decisions/0036).

use bytes::Bytes;
use serde_json::{Value, json as object};
use uuid::Uuid;

use crate::{
    front::{Conditions, HeaderName, HeaderValue, Response, Status, Verdict, header},
    ical::{
        Budget, Calendar as Octets, DateValue,
        edit::{self, Edited, Fault, Patch, Revision, Scope},
        recur::Rule,
    },
    xml::{Name, Writer},
};

use super::{
    caldav::As,
    calendars::Calendar,
    error::{Error, Refusal, Result},
    input::{Change, Faults, Input},
    service::{Call, json},
    when::{self, Clock},
};

/// What an edit may cost, in units of [`Budget`].
const BUDGET: u64 = 500_000;
const SCOPES: &[&str] = &["this", "this_and_future", "all"];
/// Texts that may be set: the field, the property, and how many characters there may be.
const TEXTS: [(&str, &str, usize); 3] =
    [("summary", "SUMMARY", 1000), ("location", "LOCATION", 1000), ("description", "DESCRIPTION", 50_000)];
/// Words that may be set.
const WORDS: [(&str, &str, &[&str]); 3] = [
    (
        "status",
        "STATUS",
        &["TENTATIVE", "CONFIRMED", "CANCELLED", "NEEDS-ACTION", "COMPLETED", "IN-PROCESS", "DRAFT", "FINAL"],
    ),
    ("transp", "TRANSP", &["OPAQUE", "TRANSPARENT"]),
    ("class", "CLASS", &["PUBLIC", "PRIVATE", "CONFIDENTIAL"]),
];

/// What is asked for.
struct Wish {
    scope: &'static str,
    instance: Option<String>,
    /// None deletes.
    changes: Option<Input>,
}

impl Wish {
    fn read(input: &Input) -> Result<Self> {
        let mut faults = Faults::default();
        let scope = match input.choice("scope", SCOPES, &mut faults) {
            Change::Set(scope) => scope,
            _ if input.has("scope") => "all",
            _ => {
                faults.add("scope", "required", "This field is required.");
                "all"
            }
        };
        let instance = match input.text("recurrence_id", 100, &mut faults) {
            Change::Set(text) => Some(text),
            _ => None,
        };
        if scope != "all" && instance.is_none() && !input.has("recurrence_id") {
            faults.add("recurrence_id", "required", "This field is required.");
        }
        let delete = input.flag("delete", &mut faults) == Some(true);
        let changes = input.object("changes", &mut faults);
        if delete == changes.is_some() {
            faults.add("changes", "required", "Either changes or delete is required.");
        }
        faults.none()?;
        Ok(Self { scope, instance, changes })
    }

    /// Which instances it is about.
    fn scope(&self, clock: &Clock<'_>) -> Result<Scope<'static>> {
        if self.scope == "all" {
            return Ok(Scope::All);
        }
        let read = self.instance.as_deref().and_then(|text| clock.instance(text));
        let id: DateValue<'static> = read.ok_or_else(unreadable)?;
        Ok(if self.scope == "this" { Scope::This(id) } else { Scope::Following(id) })
    }
}

/// The lines that the changes say. `todo` has its end in DUE.
fn patch(changes: &Input, clock: &Clock<'_>, todo: bool) -> Result<Patch> {
    let mut faults = Faults::default();
    let mut patch = words(changes, &mut faults)?;
    let times = [("start", "DTSTART"), ("end", if todo { "DUE" } else { "DTEND" })];
    let mut start = None;
    for (field, name) in times {
        let line = changes.parsed(field, &mut faults, |text| {
            let read = when::read(text).and_then(|value| clock.line(name, &value));
            read.ok_or_else(|| {
                ("invalid", "Write it as 2026-03-01T09:00:00, or as 2026-03-01 if it is all day.".to_owned())
            })
        });
        match line {
            Change::Set(line) => {
                patch = patch.line(&line).map_err(|fault| refusal(&fault))?;
                start = start.or(Some(line));
            }
            Change::Cleared => faults.add(field, "null", "This field may not be null."),
            Change::Kept => {}
        }
    }
    let start = start.filter(|_| changes.has("start"));
    patch = match rule(changes, clock, start.as_deref(), &mut faults) {
        Change::Kept => Ok(patch),
        Change::Cleared => patch.without("RRULE"),
        Change::Set(line) => patch.line(&line),
    }
    .map_err(|fault| refusal(&fault))?;
    if (changes.has("tz") || changes.has("all_day")) && !changes.has("start") {
        faults.add("start", "required", "With tz or all_day this field is required.");
    }
    faults.none()?;
    Ok(patch)
}

/// The texts and words that the changes say.
fn words(changes: &Input, faults: &mut Faults) -> Result<Patch> {
    let mut patch = Patch::new();
    for (field, name, most) in TEXTS {
        patch = match changes.text(field, most, faults) {
            Change::Kept => Ok(patch),
            Change::Cleared => patch.without(name),
            Change::Set(text) => patch.text(name, &text),
        }
        .map_err(|fault| refusal(&fault))?;
    }
    for (field, name, words) in WORDS {
        patch = match changes.choice(field, words, faults) {
            Change::Kept => Ok(patch),
            Change::Cleared => patch.without(name),
            Change::Set(word) => patch.line(&format!("{name}:{word}")),
        }
        .map_err(|fault| refusal(&fault))?;
    }
    Ok(patch)
}

/// The line of a rule, whose end is of the type that the start has (RFC 5545 §3.3.10): that of the line, or the one there is.
fn rule(changes: &Input, clock: &Clock<'_>, start: Option<&str>, faults: &mut Faults) -> Change<String> {
    changes.parsed("rrule", faults, |text| {
        let text = text.strip_prefix("RRULE:").unwrap_or(text);
        let rule = Rule::parse(text).map_err(|fault| ("invalid", fault.to_string()))?;
        let until = rule.until().and_then(|until| when::until(until, start, clock.own.as_ref()));
        let Some(until) = until else { return Ok(format!("RRULE:{text}")) };
        let is_until = |part: &&str| {
            part.split('=').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("UNTIL"))
        };
        let kept: Vec<&str> = text.split(';').filter(|part| !is_until(part)).collect();
        Ok(format!("RRULE:{};UNTIL={until}", kept.join(";")))
    })
}

/// The clock that an object is on, and that the changes put it on; whether it is a to-do.
fn clock<'a>(calendar: &'a Octets, wish: &Wish) -> Result<(Clock<'a>, bool)> {
    let mut faults = Faults::default();
    let (mut zone, mut all_day) = (Change::Kept, None);
    if let Some(changes) = &wish.changes {
        zone = changes.parsed("tz", &mut faults, |text| match jiff::tz::TimeZone::get(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(("invalid_choice", format!("\"{text}\" is not a valid choice."))),
        });
        all_day = changes.flag("all_day", &mut faults);
    }
    faults.none()?;
    let edited = || calendar.components().filter(|one| !one.is("VTIMEZONE"));
    let master = edited().find(|one| one.property("RECURRENCE-ID").is_none()).or_else(|| edited().next());
    let todo = master.is_some_and(|one| one.is("VTODO"));
    let mut clock = Clock::of(master, zone, all_day);
    // Of all instances one may be named, the one that whoever asks has before them: it is then told when that happens.
    if let Some(text) = wish.instance.as_deref().filter(|_| wish.scope == "all") {
        clock.from = Some(clock.instance(text).ok_or_else(unreadable)?);
    }
    Ok((clock, todo))
}

fn unreadable() -> Error {
    let detail = "Write it as 2026-03-01T09:00:00, 2026-03-01T08:00:00Z or 2026-03-01.";
    Error::field("recurrence_id", "invalid", detail)
}

/// Why an edit is refused: 404 where the instance is not there, 409 where the object as it is does not allow it.
fn refusal(fault: &Fault) -> Error {
    let detail = || {
        let text = fault.to_string();
        let mut letters = text.chars();
        letters
            .next()
            .map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
    };
    match fault {
        Fault::Instance => Refusal::new(Status::NOT_FOUND, "not_found", detail()).into(),
        Fault::Kind | Fault::Ambiguous | Fault::Range | Fault::Split | Fault::Exhausted => {
            Refusal::new(Status::CONFLICT, "conflict", detail()).into()
        }
        Fault::Recurrence => Error::field("rrule", "invalid", detail()),
        Fault::End => Error::field("end", "required", detail()),
        Fault::Line | Fault::Kept | Fault::Invalid(_) => Error::field("changes", "invalid", detail()),
    }
}

/// An object as it was read.
struct Found {
    path: String,
    tag: String,
    octets: Bytes,
}

/// `POST calendars/{id}/events/{uid}/edit/`
pub async fn edit(call: &Call) -> Result<Response> {
    let wish = Wish::read(&call.input)?;
    let calendar = Calendar::asked(call).await?;
    let caldav = call.caldav()?;
    let found = find(&caldav, &calendar.path, &call.parts[1]).await?;
    let conditions = Conditions::parse(&call.headers)
        .map_err(|bad| Refusal::new(Status::BAD_REQUEST, "invalid", format!("{bad}.")))?;
    if conditions.check(Some(found.tag.trim_matches('"')), None, false) != Verdict::Proceed {
        return Err(changed(true).into());
    }
    let before = Octets::parse(found.octets.clone()).map_err(|fault| {
        Refusal::new(Status::CONFLICT, "conflict", format!("It cannot be read: {fault}."))
    })?;
    let new = Uuid::new_v4().to_string();
    let edited = edited(&wish, &before, &new)?;
    let conditional = call.headers.contains_key(header::IF_MATCH);
    let told = store(&caldav, &calendar.path, &found, (&edited, &new), conditional).await?;
    Ok(json(Status::OK, &told))
}

/// What the edit leaves.
fn edited(wish: &Wish, before: &Octets, new: &str) -> Result<Edited> {
    let (clock, todo) = clock(before, wish)?;
    let scope = wish.scope(&clock)?;
    let revision = Revision { stamp: jiff::Timestamp::now().as_second(), uid: new };
    let budget = Budget::new(BUDGET);
    let edited = match &wish.changes {
        Some(changes) => edit::edit(before, &scope, &patch(changes, &clock, todo)?, &revision, &budget),
        None => edit::delete(before, &scope, &revision, &budget),
    };
    let edited = edited.map_err(|fault| refusal(&fault))?;
    let moved = wish.changes.as_ref().is_some_and(|changes| changes.has("start") || changes.has("end"));
    if moved && edited.kept.iter().chain(&edited.split).any(ends_early) {
        return Err(Error::field("end", "invalid", "The end is before the start."));
    }
    Ok(edited)
}

/// Whether something in it ends before it starts, as far as one clock tells.
fn ends_early(calendar: &Octets) -> bool {
    calendar.components().any(|one| {
        let end = one.date("DTEND").or_else(|| one.date("DUE"));
        one.date("DTSTART").zip(end).is_some_and(|(start, end)| {
            let alike = match (&start, &end) {
                (DateValue::Zoned(_, one), DateValue::Zoned(_, other)) => one == other,
                (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
            };
            alike && end.civil() < start.civil()
        })
    })
}

/// Finds the object of a UID, and reads it.
async fn find(caldav: &As<'_>, calendar: &str, uid: &str) -> Result<Found> {
    for kind in ["VEVENT", "VTODO", "VJOURNAL"] {
        let depth = (HeaderName::from_static("depth"), HeaderValue::from_static("1"));
        let told = caldav.ask("REPORT", calendar, vec![depth], query(kind, uid)).await?.done()?;
        let Some(path) = super::caldav::multistatus(&told)?.into_iter().map(|one| one.path).next() else {
            continue;
        };
        let told = caldav.ask("GET", &path, Vec::new(), Bytes::new()).await?.done()?;
        let tag = told.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let tag = tag.ok_or_else(|| Error::Upstream("an object without a tag".into()))?.to_owned();
        return Ok(Found { path, tag, octets: told.body });
    }
    Err(Error::not_found())
}

/// The query for a UID (RFC 4791 §7.8.6, RFC 6352 §10.5.4).
fn query(kind: &str, uid: &str) -> Bytes {
    let mut w = Writer::new(Name::cal("calendar-query"));
    w.inside(Name::dav("prop"), |w| w.empty(Name::dav("getetag")));
    let deeper = [("comp-filter", "VCALENDAR"), ("comp-filter", kind), ("prop-filter", "UID")];
    w.open(Name::cal("filter"));
    for (element, name) in deeper {
        w.open_with(Name::cal(element), &[("name", name)]);
    }
    w.open_with(Name::cal("text-match"), &[("collation", "i;octet"), ("match-type", "equals")]);
    w.text(uid);
    w.close(Name::cal("text-match"));
    for (element, _) in deeper.iter().rev() {
        w.close(Name::cal(element));
    }
    w.close(Name::cal("filter"));
    w.finish()
}

/// Stores what an edit leaves. Of two objects the new one comes first, so that nothing is ever lost: it goes again where the
/// old one cannot be written.
async fn store(
    caldav: &As<'_>,
    calendar: &str,
    found: &Found,
    (edited, new): (&Edited, &str),
    conditional: bool,
) -> Result<Value> {
    let (mut objects, mut deleted) = (Vec::new(), Vec::new());
    let mut made = None;
    if let Some(split) = &edited.split {
        let path = format!("{calendar}{new}.ics");
        let tag = put(caldav, &path, (header::IF_NONE_MATCH, "*"), split).await?;
        objects.push(object!({ "uid": new, "href": path, "etag": tag }));
        made = Some(path);
    }
    let done = match &edited.kept {
        Some(kept) => put(caldav, &found.path, (header::IF_MATCH, &found.tag), kept).await.map(|tag| {
            objects.insert(0, object!({ "uid": kept_uid(kept), "href": found.path, "etag": tag }));
        }),
        None => {
            ask(caldav, "DELETE", &found.path, (header::IF_MATCH, &found.tag), Bytes::new()).await.map(|_| {
                deleted.push(found.path.clone());
            })
        }
    };
    let Err(error) = done else { return Ok(object!({ "objects": objects, "deleted": deleted })) };
    if let Some(made) = made
        && let Err(stays) = caldav.delete(&made).await
    {
        tracing::error!(path = %made, ?stays, "the later part of a series stays beside the whole");
    }
    Err(match error {
        Error::Refused(refusal) if refusal.status == Status::PRECONDITION_FAILED => {
            changed(conditional).into()
        }
        other => other,
    })
}

fn kept_uid(calendar: &Octets) -> Option<String> {
    calendar.components().find_map(|one| one.property("UID")).map(|uid| uid.text().into_owned())
}

/// What is told where somebody else was faster: 412 to whoever set a condition, 409 otherwise.
fn changed(conditional: bool) -> Refusal {
    let detail = "It has changed since it was read.";
    if conditional {
        Refusal::new(Status::PRECONDITION_FAILED, "precondition_failed", detail)
    } else {
        Refusal::new(Status::CONFLICT, "conflict", detail)
    }
}

/// Writes an object; its tag, if it is stored as it was sent.
async fn put(
    caldav: &As<'_>,
    path: &str,
    condition: (HeaderName, &str),
    calendar: &Octets,
) -> Result<Option<String>> {
    let told = ask(caldav, "PUT", path, condition, calendar.bytes().clone()).await?;
    Ok(told.headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned))
}

async fn ask(
    caldav: &As<'_>,
    method: &str,
    path: &str,
    (name, value): (HeaderName, &str),
    body: Bytes,
) -> Result<super::caldav::Told> {
    let value = HeaderValue::from_str(value).map_err(|error| Error::Upstream(error.to_string()))?;
    let media = (header::CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8"));
    caldav.ask(method, path, vec![(name, value), media], body).await?.done()
}
