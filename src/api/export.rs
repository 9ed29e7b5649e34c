//! The way out: a calendar as CalDAV exports it, sent while it is read.

use tracing::Instrument;

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
    let relay = async move {
        let _place = place;
        loop {
            match answered.next().await {
                Ok(Some(piece)) => {
                    if feeder.send(piece).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return feeder.finish(),
                Err(error) => return tracing::error!(%error, "a calendar was cut off on its way out"),
            }
        }
    };
    tokio::spawn(relay.in_current_span());
    Ok(Response::new(Status::OK)
        .stream("text/calendar; charset=utf-8", feed)
        .with(header::CONTENT_DISPOSITION, attachment(&name, "ics")))
}

/// The name of a file that is kept, in letters that every program takes, and in its own (RFC 6266 §4.3).
#[must_use]
pub fn attachment(name: &str, ending: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control() && !r#"/\:*?"<>|"#.contains(*c)).collect();
    let name = Some(name.trim().trim_matches('.')).filter(|name| !name.is_empty()).unwrap_or("calendar");
    let plain: String = name.chars().map(|c| if c.is_ascii() && c != '%' { c } else { '_' }).collect();
    let whole = if plain == name {
        String::new()
    } else {
        format!("; filename*=UTF-8''{}.{ending}", segment(name).replace('@', "%40"))
    };
    format!("attachment; filename=\"{plain}.{ending}\"{whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_that_every_program_takes() {
        for (name, header) in [
            ("", "attachment; filename=\"calendar.ics\""),
            ("Work", "attachment; filename=\"Work.ics\""),
            ("../a\"b\r\nX: y", "attachment; filename=\"abX y.ics\""),
            ("B\u{fc}ro", "attachment; filename=\"B_ro.ics\"; filename*=UTF-8''B%C3%BCro.ics"),
            ("\u{e9}@x", "attachment; filename=\"_@x.ics\"; filename*=UTF-8''%C3%A9%40x.ics"),
            ("50%", "attachment; filename=\"50_.ics\"; filename*=UTF-8''50%25.ics"),
        ] {
            assert_eq!(attachment(name, "ics"), header, "{name}");
        }
    }
}
