//! What is told of requests that are traced, put together while they last: each goes on whole when its answer is out.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc::WeakSender;
use tracing::field::{Field, Visit};
use tracing::span::{self, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::config::Trace;
use crate::observe::metrics;
use crate::observe::parent::{self, Place};
use crate::observe::trace::TARGET;

/// Statements of one request; further ones are counted alone.
const STATEMENTS: usize = 64;

/// A request that is traced.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) place: Place,
    /// When it began, by the clock and by the one that never steps.
    pub(super) begun: SystemTime,
    since: Instant,
    pub(super) own: Made,
    pub(super) statements: Vec<Made>,
    left_out: u64,
}

/// A span as collectors know it; its times count from the beginning of the request.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) span: String,
    pub(super) begun: Duration,
    pub(super) ended: Duration,
    pub(super) attributes: Attributes,
}

/// Names as OpenTelemetry has them, and what they are.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<(&'static str, Word)>);

/// The value of an attribute.
#[derive(Debug)]
pub(super) enum Word {
    Text(String),
    Number(u64),
}

impl Attributes {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(found, word)| match word {
            Word::Text(text) if *found == name => Some(text.as_str()),
            _ => None,
        })
    }

    fn take(&mut self, name: &str) -> Option<Word> {
        let at = self.0.iter().position(|(found, _)| *found == name)?;
        Some(self.0.swap_remove(at).1)
    }

    fn take_text(&mut self, name: &str) -> String {
        if let Some(Word::Text(text)) = self.take(name) { text } else { String::new() }
    }
}

impl Visit for Attributes {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), Word::Text(value.to_owned())));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.push((field.name(), Word::Number(value)));
    }

    /// Nothing is told this way: what a value's makers show of it may be too much.
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// The layer that gathers what is told.
pub(super) struct Gatherer {
    sender: WeakSender<Request>,
    sample: u32,
    user: bool,
}

impl Gatherer {
    /// Gathers as the settings say.
    pub(super) fn new(settings: &Trace, sender: WeakSender<Request>) -> Self {
        Self { sender, sample: settings.sample, user: settings.user }
    }

    /// The request that these attributes begin, if it is to be traced.
    fn begin(&self, mut told: Attributes) -> Option<Request> {
        told.text("http.request.method")?;
        let (parent, state) = (told.take_text("traceparent"), told.take_text("tracestate"));
        let age = if let Some(Word::Number(age)) = told.take("age") { age } else { 0 };
        if !self.user || told.text("user.name").is_some_and(str::is_empty) {
            told.take("user.name");
        }
        let place = Place::of(&parent, &state, self.sample)?;
        let age = Duration::from_nanos(age);
        let own = Made { span: parent::span(), begun: Duration::ZERO, ended: age, attributes: told };
        let (begun, since) = (SystemTime::now() - age, Instant::now().checked_sub(age)?);
        Some(Request { place, begun, since, own, statements: Vec::new(), left_out: 0 })
    }

    fn send(&self, mut request: Request) {
        if request.left_out > 0 {
            let left_out = ("kalends.statements_left_out", Word::Number(request.left_out));
            request.own.attributes.0.push(left_out);
        }
        if let Some(sender) = self.sender.upgrade()
            && sender.try_send(request).is_err()
        {
            metrics::traced("lost", 1);
        }
    }
}

impl<S> Layer<S> for Gatherer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let Some(span) = context.event_span(event) else { return };
        let mut extensions = span.extensions_mut();
        if let Some(request) = extensions.get_mut::<Request>() {
            event.record(&mut request.own.attributes);
            request.own.ended = request.since.elapsed();
        } else {
            let mut told = Attributes::default();
            event.record(&mut told);
            if let Some(request) = self.begin(told) {
                extensions.insert(request);
            }
        }
    }

    /// A statement begins, if its request is traced.
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().target() != TARGET {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let begun =
            span.parent().and_then(|parent| Some(parent.extensions().get::<Request>()?.since.elapsed()));
        if let Some(begun) = begun {
            let mut told = Attributes::default();
            attributes.record(&mut told);
            let made = Made { span: parent::span(), begun, ended: begun, attributes: told };
            span.extensions_mut().insert(made);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let (request, made) = {
            let mut extensions = span.extensions_mut();
            (extensions.remove::<Request>(), extensions.remove::<Made>())
        };
        if let Some(request) = request {
            self.send(request);
        }
        if let (Some(mut made), Some(parent)) = (made, span.parent())
            && let Some(request) = parent.extensions_mut().get_mut::<Request>()
        {
            if request.statements.len() == STATEMENTS {
                request.left_out += 1;
            } else {
                made.ended = request.since.elapsed();
                request.statements.push(made);
            }
        }
    }
}
