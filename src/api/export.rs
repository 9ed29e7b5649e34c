//! The way out: a calendar as CalDAV exports it, and all that is kept of a person as an archive, both sent while they are
//! read.

use bytes::Bytes;
use serde_json::Value;

use crate::front::{Answered, Feeder, Payload, Response, Status, header};

use super::{
    caldav::{As, segment},
    calendars::{Calendar, Home},
    error::{Error, Result},
    passwords,
    service::Call,
    users,
    zip::{TooLong, Zip},
};

/// The parameters of the query, which are CalDAV's.
pub const QUERY: &[(&str, &str)] = &[
    ("start", "Only what happens after that: 20260301T000000Z, or seconds since 1970."),
    ("end", "Only what happens before that."),
    ("expand", "1 writes each occurrence for itself; takes a start and an end."),
    ("componentType", "Only VEVENT, VTODO or VJOURNAL."),
];

/// Pieces that wait for a client.
const WAITING: usize = 8;

/// `GET calendars/{id}/export/`
pub async fn calendar(call: &Call) -> Result<Response> {
    let calendar = Home::of(call).await?.find(&call.parts[0])?;
    let asked = |name: &str| call.param(name).map(|value| format!("&{name}={}", segment(&value)));
    let query: String = QUERY.iter().filter_map(|(name, _)| asked(name)).collect();
    let mut answered = call.caldav()?.stream(format!("{}?export{query}", calendar.path)).await?;
    let name = calendar.shown["name"].as_str().unwrap_or("calendar").to_owned();
    let (feeder, feed) = Payload::stream(WAITING);
    tokio::spawn(async move {
        while let Ok(piece) = answered.next().await {
            let Some(piece) = piece else { return feeder.finish() };
            if feeder.send(piece).await.is_err() {
                return;
            }
        }
    });
    Ok(Response::new(Status::OK)
        .stream("text/calendar; charset=utf-8", feed)
        .with(header::CONTENT_DISPOSITION, attachment(&format!("{name}.ics"))))
}

/// `GET account/export/`
pub async fn account(call: &Call) -> Result<Response> {
    let calendars = Home::of(call).await?.own();
    let told: Value = calendars.iter().map(|calendar| calendar.shown.clone()).collect();
    let mut files = vec![("calendars.json".to_owned(), Bytes::from(told.to_string()))];
    for (name, answer) in
        [("person.json", users::me(call).await?), ("app-passwords.json", passwords::list(call).await?)]
    {
        if let Payload::Full(octets) = answer.payload {
            files.push((name.to_owned(), octets));
        }
    }
    let caldav = call.caldav()?;
    let (service, headers) = (caldav.service().clone(), caldav.headers().clone());
    let (feeder, feed) = Payload::stream(WAITING);
    tokio::spawn(async move {
        match archive(&service.with(headers), &feeder, files, &calendars).await {
            Ok(()) => feeder.finish(),
            Err(error) => tracing::warn!(?error, "an export of somebody's calendars was cut off"),
        }
    });
    Ok(Response::new(Status::OK)
        .stream("application/zip", feed)
        .with(header::CONTENT_DISPOSITION, attachment("calendars.zip")))
}

/// Writes the archive: these files, and each calendar as one.
async fn archive(
    caldav: &As<'_>,
    feeder: &Feeder,
    files: Vec<(String, Bytes)>,
    calendars: &[Calendar],
) -> Result<()> {
    let mut zip = Zip::default();
    for (name, octets) in files {
        send(feeder, zip.begin(&name)?).await?;
        zip.piece(&octets)?;
        send(feeder, octets).await?;
        send(feeder, zip.end()?).await?;
    }
    for calendar in calendars {
        let answered = caldav.stream(format!("{}?export", calendar.path)).await?;
        send(feeder, zip.begin(&format!("{}.ics", calendar.id))?).await?;
        whole(answered, feeder, &mut zip).await?;
        send(feeder, zip.end()?).await?;
    }
    send(feeder, zip.finish()?).await
}

async fn whole(mut answered: Answered, feeder: &Feeder, zip: &mut Zip) -> Result<()> {
    while let Some(piece) = answered.next().await? {
        zip.piece(&piece)?;
        send(feeder, piece).await?;
    }
    Ok(())
}

async fn send(feeder: &Feeder, octets: impl Into<Bytes>) -> Result<()> {
    let octets = octets.into();
    if octets.is_empty() {
        return Ok(());
    }
    feeder.send(octets).await.map_err(|_| Error::Upstream("nobody takes it any more".into()))
}

impl From<TooLong> for Error {
    fn from(_: TooLong) -> Self {
        Self::Fault("an archive of more than 4 GiB".into())
    }
}

/// What a file is called where it is kept (RFC 6266 §4.3).
fn attachment(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", segment(name).replace('@', "%40"))
}
