//! The way out: a calendar as CalDAV exports it, sent while it is read.

use crate::front::{Payload, Response, Status, header};

use super::{caldav::segment, calendars::Calendar, error::Result, service::Call};

/// The parameters of the query, which are CalDAV's.
pub const QUERY: &[(&str, &str)] = &[
    ("start", "Only what happens after that: 20260301T000000Z, or seconds since 1970."),
    ("end", "Only what happens before that."),
    ("expand", "1 writes each occurrence for itself; takes a start and an end."),
    ("componentType", "Only VEVENT, VTODO or VJOURNAL."),
];

/// Pieces that wait for a client.
pub const WAITING: usize = 8;

/// `GET calendars/{id}/export/`
pub async fn calendar(call: &Call) -> Result<Response> {
    let (place, calendar) = (call.exporting()?, Calendar::asked(call).await?);
    let asked = |name: &str| call.param(name).map(|value| format!("&{name}={}", segment(&value)));
    let query: String = QUERY.iter().filter_map(|(name, _)| asked(name)).collect();
    let mut answered = call.caldav()?.stream(format!("{}?export{query}", calendar.path)).await?;
    let name = calendar.shown["name"].as_str().unwrap_or("calendar").to_owned();
    let (feeder, feed) = Payload::stream(WAITING);
    tokio::spawn(async move {
        let _place = place;
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

/// What a file is called where it is kept (RFC 6266 §4.3).
#[must_use]
pub fn attachment(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", segment(name).replace('@', "%40"))
}
