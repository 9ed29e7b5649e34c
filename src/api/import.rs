//! Events that come from elsewhere: a file or stream, taken apart object by object and given to CalDAV in slices, so that
//! one that is broken is in nobody's way (docs/decisions/0036).

use bytes::BytesMut;
use serde_json::{Value, json as object};

use crate::{
    config::Settings,
    front::{BodyError, HeaderValue, Response, Status, header},
    ical::gather::said,
    xml::{self, Element, Name},
};

use super::{
    caldav::As,
    calendars::{Calendar, Home},
    error::{Error, Refusal, Result},
    form::Form,
    service::{Call, json},
    spool::{Made, Slice, Stream},
};

/// The media type of calendar data.
const CALENDAR: &str = "text/calendar";
/// Octets of a file in a form, as pages know it.
const MOST: usize = 10 << 20;
/// The same with the form around it.
pub const MOST_FORM: usize = MOST + (64 << 10);
/// What is given to CalDAV at once, which takes no more of it than that.
const SLICE: Slice = Slice { objects: 500, octets: 4 << 20, longest: 10 << 20, added: 256 << 20 };
/// Objects of which a form is told why they did not come in.
const MOST_ERRORS: usize = 10;
/// Lines of a report.
const MOST_LINES: usize = 10_000;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Imported,
    /// The same was there.
    Unchanged,
    /// Something else of its UID was there, and stays.
    Kept,
    /// None of its occurrences is left.
    Skipped,
    Failed,
}

/// The fates by their names in a report.
const FATES: [(Fate, &str); 5] = [
    (Fate::Imported, "imported"),
    (Fate::Unchanged, "unchanged"),
    (Fate::Kept, "kept"),
    (Fate::Skipped, "skipped"),
    (Fate::Failed, "failed"),
];

impl Fate {
    fn word(self) -> &'static str {
        FATES.iter().find(|(fate, _)| *fate == self).map_or("", |(_, word)| word)
    }
}

/// What is told of an object that did not come in.
struct Told {
    line: u64,
    uid: Option<String>,
    summary: Option<String>,
    fate: Fate,
    why: String,
}

/// An import on its way.
#[derive(Default)]
struct Import {
    counts: [u64; FATES.len()],
    doubles: u64,
    told: Vec<Told>,
}

/// `POST calendars/import-events/`: a form with a file and the path of a calendar, answered in the words that pages know.
pub async fn events(call: &Call) -> Result<Response> {
    call.entitled().await?;
    let body = match &call.octets {
        Err(BodyError::TooLarge) => return Ok(too_large()),
        other => other.clone()?,
    };
    let form = Form::read(&call.headers, &body).map_err(|why| {
        let detail = format!("Multipart form parse error - {why}");
        Refusal::new(Status::BAD_REQUEST, "parse_error", detail)
    })?;
    drop(body);
    let Some(path) = form.text("caldav_path").filter(|path| !path.is_empty()) else {
        return Ok(plain(Status::BAD_REQUEST, "caldav_path is required"));
    };
    let stranger = || plain(Status::FORBIDDEN, "You don't have access to this calendar");
    let Some(calendar) = Home::of(call).await?.at(call, path) else { return Ok(stranger()) };
    let Some(file) = form.octets("file") else {
        return Ok(plain(Status::BAD_REQUEST, "No file provided"));
    };
    if file.len() > MOST {
        return Ok(too_large());
    }
    let stream = Stream::of(file.clone()).await?;
    drop(form);
    let done = match run(call, &calendar.path, stream).await {
        Err(Error::Refused(refusal)) if refusal.status == Status::FORBIDDEN => return Ok(stranger()),
        other => other?,
    };
    let count = |fate| done.count(fate);
    let mut told = object!({
        "total_events": done.total(),
        "imported_count": count(Fate::Imported),
        "duplicate_count": count(Fate::Unchanged) + count(Fate::Kept),
        "skipped_count": count(Fate::Skipped) + count(Fate::Failed),
    });
    let failed = done.told.iter().filter(|told| told.fate == Fate::Failed).take(MOST_ERRORS);
    let errors: Vec<Value> = failed.map(|told| told.title().into()).collect();
    if !errors.is_empty() {
        told["errors"] = errors.into();
    }
    Ok(json(Status::OK, &told))
}

/// `POST calendars/{id}/import/`: a stream of iCalendar.
pub async fn report(call: &Call) -> Result<Response> {
    let media = call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = media.unwrap_or(CALENDAR).split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case(CALENDAR) {
        let detail = format!("Unsupported media type \"{media}\" in request.");
        return Err(Refusal::new(Status::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).into());
    }
    call.entitled().await?;
    let calendar = Calendar::asked(call).await?;
    // Nobody sends all of it to hear that then.
    if matches!(calendar.shown["role"].as_str(), Some("reader" | "freebusy")) {
        return Err(Refusal::forbidden().into());
    }
    let settings = &call.shared.settings;
    let stream =
        Stream::receive(call.body()?, *settings.api.import_bytes, *settings.limits.body_time).await?;
    let done = run(call, &calendar.path, stream).await?;
    let mut told = object!({ "total": done.total(), "doubles": done.doubles });
    for ((_, word), count) in FATES.iter().zip(done.counts) {
        told[word] = count.into();
    }
    told["items"] = done.told.iter().map(Told::shown).collect();
    Ok(json(Status::OK, &told))
}

fn plain(status: Status, why: &str) -> Response {
    json(status, &object!({ "error": why }))
}

fn too_large() -> Response {
    plain(Status::BAD_REQUEST, "File too large. Maximum size is 10 MB.")
}

/// Gives the objects of a stream to the calendar of that path, slice by slice.
async fn run(call: &Call, path: &str, mut stream: Stream) -> Result<Import> {
    let caldav = call.caldav()?;
    let mut import = Import::default();
    if stream.calendars() == 0 {
        let why = "there is no VCALENDAR in it".to_owned();
        import.tell(Told { line: 1, uid: None, summary: None, fate: Fate::Failed, why });
    }
    loop {
        let slice;
        (stream, slice) = stream.next(of_settings(&call.shared.settings)).await?;
        if slice.is_empty() {
            break;
        }
        import.give(&caldav, path, slice).await?;
    }
    import.told.sort_by_key(|told| told.line);
    Ok(import)
}

/// What CalDAV takes at once.
fn of_settings(settings: &Settings) -> Slice {
    let most = *settings.limits.body_bytes;
    Slice { octets: SLICE.octets.min(most), longest: SLICE.longest.min(most), ..SLICE }
}

impl Import {
    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn count(&self, fate: Fate) -> u64 {
        self.counts[fate as usize]
    }

    /// Counts what did not come in; of so many it is known what they were.
    fn tell(&mut self, told: Told) {
        self.counts[told.fate as usize] += 1;
        if self.told.len() < MOST_LINES {
            self.told.push(told);
        }
    }

    /// Gives a slice to CalDAV: a transaction, and an answer for each of the objects in their order.
    async fn give(&mut self, caldav: &As<'_>, path: &str, slice: Vec<Made>) -> Result<()> {
        let (mut body, mut given) = (BytesMut::new(), Vec::with_capacity(slice.len()));
        for Made { line, object } in slice {
            match object {
                Ok(made) => {
                    self.doubles += made.doubles as u64;
                    body.extend_from_slice(&made.octets);
                    given.push((line, made.octets));
                }
                Err((why, octets)) => self.tell(Told::of(line, &octets, Fate::Failed, why.reason)),
            }
        }
        if given.is_empty() {
            return Ok(());
        }
        let media = (header::CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8"));
        let answer =
            caldav.ask("POST", &format!("{path}?import"), vec![media], body.freeze()).await?.done()?;
        let root = xml::parse(&answer.body).map_err(|fault| Error::Upstream(fault.to_string()))?;
        let fates: Vec<(Fate, String)> = root.all(Name::dav("response")).map(fate).collect();
        if fates.len() != given.len() {
            return Err(Error::Upstream(format!("of {} objects it told {}", given.len(), fates.len())));
        }
        for ((line, octets), (fate, why)) in given.iter().zip(fates) {
            match fate {
                Fate::Imported | Fate::Unchanged => self.counts[fate as usize] += 1,
                _ => self.tell(Told::of(*line, octets, fate, &why)),
            }
        }
        Ok(())
    }
}

/// What became of an object, and why.
fn fate(response: &Element) -> (Fate, String) {
    if response.child(Name::dav("propstat")).is_some() {
        return (Fate::Imported, String::new());
    }
    let status = response.child(Name::dav("status")).map(|line| line.text().trim()).unwrap_or_default();
    if status.split(' ').nth(1) == Some("304") {
        return (Fate::Unchanged, String::new());
    }
    let error = response.child(Name::dav("error")).and_then(|error| error.children().next());
    let Some(condition) = error else {
        let told = response.child(Name::dav("responsedescription")).map(|told| told.text().trim());
        return (Fate::Failed, told.unwrap_or(status).to_owned());
    };
    if condition.is(Name::cal("no-uid-conflict")) {
        return (Fate::Kept, "something else of this UID is there, and stays".to_owned());
    }
    let why = Some(condition.text().trim()).filter(|why| !why.is_empty());
    let why = why.unwrap_or(&condition.name().local).to_owned();
    (if condition.is(Name::own("has-occurrence")) { Fate::Skipped } else { Fate::Failed }, why)
}

impl Told {
    fn of(line: u64, octets: &[u8], fate: Fate, why: &str) -> Self {
        let (uid, summary) = (said(octets, "UID"), said(octets, "SUMMARY"));
        Self { line, uid, summary, fate, why: without_place(why).to_owned() }
    }

    /// What a person knows it by.
    fn title(&self) -> String {
        let named = self.summary.clone().or_else(|| self.uid.clone());
        named.unwrap_or_else(|| format!("line {}: {}", self.line, self.why))
    }

    fn shown(&self) -> Value {
        let Self { line, uid, summary, fate, why } = self;
        object!({ "line": line, "uid": uid, "summary": summary, "outcome": fate.word(), "why": why })
    }
}

/// Why, without the line in what was made of the pieces: the line in the stream is told.
fn without_place(why: &str) -> &str {
    let told = why.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    told.map_or(why, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate_of(inside: &str) -> (Fate, String) {
        let text = format!(
            "<D:response xmlns:D='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:K='urn:x-kalends'><D:href/>{inside}</D:response>"
        );
        fate(&xml::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_fate_is_read_from_its_response() {
        let error =
            |inside: &str| format!("<D:status>HTTP/1.1 403 Forbidden</D:status><D:error>{inside}</D:error>");
        for (inside, fate, why) in [
            ("<D:propstat/>".to_owned(), Fate::Imported, ""),
            ("<D:status>HTTP/1.1 304 Not Modified</D:status>".to_owned(), Fate::Unchanged, ""),
            (error("<K:has-occurrence>none</K:has-occurrence>"), Fate::Skipped, "none"),
            (error("<C:max-resource-size/>"), Fate::Failed, "max-resource-size"),
            ("<D:status>HTTP/1.1 500 X</D:status>".to_owned(), Fate::Failed, "HTTP/1.1 500 X"),
        ] {
            assert_eq!(fate_of(&inside), (fate, why.to_owned()), "{inside}");
        }
        assert_eq!(fate_of(&error("<C:no-uid-conflict/>")).0, Fate::Kept);
        assert_eq!(without_place("line 3, column 1: no date"), "no date");
        for (place, (fate, _)) in FATES.iter().enumerate() {
            assert_eq!(*fate as usize, place);
        }
    }
}
