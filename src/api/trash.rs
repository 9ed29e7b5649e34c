//! What was deleted, and taking it back: the trash collection of a home on CalDAV, as JSON (docs/decisions/0027).

use serde_json::{Value, json as object};

use crate::{
    front::{HeaderName, HeaderValue, Response, Status},
    xml::Name,
};

use super::{
    caldav::{Resource, last, segment},
    calendars::Home,
    error::{Error, Refusal, Result},
    input::{Change, Faults},
    page::page,
    service::{Call, json},
};

const NAME: Name = Name::dav("displayname");
const FROM: Name = Name::own("deleted-from");
const AT: Name = Name::own("deleted-at");
const BY: Name = Name::own("deleted-by");
const WITH: Name = Name::own("deleted-with");

/// The collection in a home.
const TRASH: &str = "trash/";
/// How the names of deleted calendars begin, and how those of deleted objects end.
const WHOLE: &str = "calendar-";
const ENDING: &str = ".ics";

/// Something that was deleted.
struct Entry {
    resource: Resource,
    from: String,
}

impl Entry {
    fn read(resource: Resource) -> Option<Self> {
        let from = resource.href(FROM)?.to_owned();
        Some(Self { resource, from })
    }

    fn id(&self) -> String {
        let name = self.resource.name();
        name.strip_suffix(ENDING).unwrap_or(&name).to_owned()
    }

    fn is_calendar(&self) -> bool {
        self.resource.name().starts_with(WHOLE)
    }

    fn shown(&self, call: &Call) -> Value {
        let by = self.resource.prop(BY).map(|by| by.child(Name::dav("href")).map_or("", |href| href.text()));
        let by = by.and_then(|path| call.shared.caldav.named(path.trim())).map(|(name, _)| name);
        object!({
            "id": self.id(),
            "kind": if self.is_calendar() { "calendar" } else { "object" },
            "title": self.resource.text(NAME),
            "deleted_from": self.from,
            "deleted_at": self.resource.text(AT),
            "deleted_by": by,
            "deleted_with": self.resource.text(WITH),
        })
    }
}

/// `GET trash/`
pub async fn list(call: &Call) -> Result<Response> {
    let home = Home::of(call).await?;
    let all = entries(call, &home).await?.iter().map(|entry| entry.shown(call)).collect();
    Ok(json(Status::OK, &page(call, "trash/", all)?))
}

/// `GET calendars/{id}/trash/`
pub async fn of_calendar(call: &Call) -> Result<Response> {
    let home = Home::of(call).await?;
    let entries = entries(call, &home).await?;
    let calendar = home.find(&call.parts[0])?;
    let here = entries.iter().filter(|entry| !entry.is_calendar() && entry.from.starts_with(&calendar.path));
    let all = here.map(|entry| entry.shown(call)).collect();
    Ok(json(Status::OK, &page(call, &format!("calendars/{}/trash/", calendar.id), all)?))
}

/// `DELETE trash/{entry}/`
pub async fn purge(call: &Call) -> Result<Response> {
    let path = path(&Home::of(call).await?, &call.parts[0])?;
    call.caldav()?.delete(&path).await?;
    Ok(Response::new(Status::NO_CONTENT))
}

/// `POST trash/{entry}/restore/`
pub async fn restore(call: &Call) -> Result<Response> {
    let mut faults = Faults::default();
    let calendar = call.input.text("calendar", 255, &mut faults);
    let name = call.input.text("name", 200, &mut faults);
    faults.none()?;
    let home = Home::of(call).await?;
    let path = path(&home, &call.parts[0])?;
    let caldav = call.caldav()?;
    let found = caldav.propfind(&path, 0, &[FROM]).await?.into_iter().find_map(Entry::read);
    let entry = found.ok_or_else(Error::not_found)?;
    let (within, called) = entry.from.trim_end_matches('/').rsplit_once('/').unwrap_or_default();
    let called = if let Change::Set(name) = &name { segment(name) } else { called.to_owned() };
    let to = match (entry.is_calendar(), calendar) {
        (true, _) => format!("{}{called}/", home.path),
        (false, Change::Set(wanted)) => format!("{}{called}", home.find(&wanted)?.path),
        (false, _) => format!("{within}/{called}"),
    };
    let value = HeaderValue::from_str(&to).map_err(|error| Error::Upstream(error.to_string()))?;
    let headers = vec![
        (HeaderName::from_static("destination"), value),
        (HeaderName::from_static("overwrite"), HeaderValue::from_static("F")),
    ];
    let told = caldav.ask("MOVE", &path, headers, bytes::Bytes::new()).await?;
    if told.status == Status::PRECONDITION_FAILED {
        let detail = "Something else has its name: give it another.";
        return Err(Refusal::new(Status::CONFLICT, "conflict", detail).into());
    }
    told.done()?;
    Ok(json(Status::OK, &object!({ "href": to, "name": last(&to) })))
}

async fn entries(call: &Call, home: &Home) -> Result<Vec<Entry>> {
    let path = format!("{}{TRASH}", home.path);
    let found = call.caldav()?.propfind(&path, 1, &[NAME, FROM, AT, BY, WITH]).await?;
    Ok(found.into_iter().filter_map(Entry::read).collect())
}

/// The path of the entry of that id.
fn path(home: &Home, id: &str) -> Result<String> {
    let whole = id.strip_prefix(WHOLE);
    let digits = whole.unwrap_or(id);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Error::not_found());
    }
    Ok(format!("{}{TRASH}{id}{}", home.path, if whole.is_some() { "" } else { ENDING }))
}
