//! Where log lines go and which are told.

use std::io::Write as _;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Level, LogFormat, Settings};
use crate::observe::export::Traces;
use crate::observe::line::Fields;
use crate::observe::trace;

/// The running log.
#[derive(Debug)]
pub struct Logs {
    filter: reload::Handle<Targets, Registry>,
    /// What traces are gathered, to be exported; none where they are off.
    pub traces: Option<Traces>,
    tracing_on: bool,
}

impl Logs {
    /// Changes what is told from now on.
    pub fn set_level(&self, level: Level) {
        // Fails only when the subscriber is gone, and nothing is told then.
        let _ = self.filter.reload(targets(level, self.tracing_on));
    }
}

/// Starts to log on standard error, panics too, and to gather traces where they are on. A second start in one process changes nothing.
#[must_use]
pub fn init(settings: &Settings) -> Logs {
    let log = &settings.log;
    let (gatherer, traces) = Traces::new(&settings.trace).unzip();
    let tracing_on = traces.is_some();
    let (filter, handle) = reload::Layer::new(targets(log.level, tracing_on));
    let lines = Lines {
        format: log.format,
        write: |line: &str| drop(std::io::stderr().lock().write_all(line.as_bytes())),
    };
    if tracing_subscriber::registry().with(filter).with(lines).with(gatherer).try_init().is_ok() {
        // The usual words of a panic are several lines, and may hold what a user wrote.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("without words"));
        }));
    }
    Logs { filter: handle, traces, tracing_on }
}

/// Other crates tell of what matters to us only when it goes wrong.
fn targets(level: Level, tracing_on: bool) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let traces = if tracing_on { LevelFilter::TRACE } else { LevelFilter::OFF };
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("kalends", level)
        .with_target(trace::TARGET, traces)
}

/// The layer that makes a line of each event and the spans around it.
struct Lines<W> {
    format: LogFormat,
    write: W,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&str) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != trace::TARGET
            && let Some(span) = context.span(id)
        {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() == trace::TARGET {
            return;
        }
        let mut fields = Fields::default();
        for span in
            context.event_scope(event).into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.take_from(outer);
            }
        }
        event.record(&mut fields);
        (self.write)(&fields.render(self.format, *event.metadata().level()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn logged(format: LogFormat, tell: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&text);
        let lines = Lines { format, write: move |line: &str| sink.lock().unwrap().push_str(line) };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), tell);
        let text = text.lock().unwrap();
        text.clone()
    }

    fn request(user: &str, path: &str) {
        let span = tracing::error_span!("request", id = "r1", peer = "10.0.0.1", user, method = "PUT", path);
        span.in_scope(|| tracing::info!(status = 201, ms = 7, bytes = 0, "answered"));
    }

    #[test]
    fn a_line_has_its_fields_in_fixed_order() {
        let line = logged(LogFormat::Line, || request("alice", "/dav/"));
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        assert_eq!(rest, "INFO r1 10.0.0.1 alice PUT /dav/ 201 7 0 answered\n");
        let line = logged(LogFormat::Line, || tracing::warn!(count = 3, "slow"));
        assert!(line.ends_with(" WARN - - - - - - - - slow count=3\n"), "{line}");
    }

    #[test]
    fn a_user_cannot_write_log_lines() {
        let user = "eve\n2026 INFO x - root\u{202e} \"\\";
        let line = logged(LogFormat::Line, || request(user, "/"));
        assert_eq!(line.lines().count(), 1);
        assert_eq!(
            line.split(' ').nth(4).unwrap(),
            "eve\\u{a}2026\\u{20}INFO\\u{20}x\\u{20}-\\u{20}root\\u{202e}\\u{20}\\u{22}\\u{5c}"
        );

        let line = logged(LogFormat::Json, || request(user, "/"));
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["user"], user);
        assert_eq!(json["status"], 201);
        assert_eq!(json["msg"], "answered");
        assert!(!line.contains('\u{202e}') && line.lines().count() == 1);
    }

    #[test]
    fn a_user_named_like_nobody_is_told_apart() {
        let line = logged(LogFormat::Line, || request("-", "/"));
        assert_eq!(line.split(' ').nth(4).unwrap(), "\\u{2d}");
    }
}
