//! Traces as collectors read them: OTLP in JSON (OpenTelemetry Protocol 1.x).

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::observe::gather::{Attributes, Made, Request, Word};

/// The kinds of span: one that answers, and one that asks elsewhere.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
/// The state of a span that failed.
const FAILED: u8 = 2;

/// Who tells, the same in all documents of a process.
pub(super) fn resource() -> Value {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    json!({"attributes": [
        text("service.name", "kalends"),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", &Uuid::new_v4().to_string()),
    ]})
}

/// The document that hands these over. Its spans become text one by one: as a tree, all of them are ten times as large.
pub(super) fn document(resource: &Value, requests: &[Request]) -> Bytes {
    let mut text = format!(
        r#"{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{"scope":{{"name":"kalends"}},"spans":["#
    );
    for (index, span) in requests.iter().flat_map(spans).enumerate() {
        if index > 0 {
            text.push(',');
        }
        // Writing to memory does not fail.
        let _ = write!(text, "{span}");
    }
    text.push_str("]}]}]}");
    text.into()
}

/// A request's span, and those of its statements.
fn spans(request: &Request) -> impl Iterator<Item = Value> {
    let own = [(&request.own, request.place.parent.as_deref(), SERVER)];
    let statements = request.statements.iter().map(|made| (made, Some(request.own.span.as_str()), CLIENT));
    own.into_iter().chain(statements).map(|(made, parent, kind)| span(request, made, parent, kind))
}

fn span(request: &Request, made: &Made, parent: Option<&str>, kind: u8) -> Value {
    let failed = made.attributes.text("error.type").is_some();
    json!({
        "traceId": request.place.trace,
        "traceState": request.place.state,
        "spanId": made.span,
        "parentSpanId": parent.unwrap_or_default(),
        "name": name(&made.attributes),
        "kind": kind,
        "startTimeUnixNano": nanoseconds(request, made.begun),
        "endTimeUnixNano": nanoseconds(request, made.ended),
        "attributes": made.attributes.0.iter().map(attribute).collect::<Vec<_>>(),
        "status": if failed { json!({"code": FAILED}) } else { json!({}) },
    })
}

/// A statement is called as its query is, a request by its method and what it was for.
fn name(attributes: &Attributes) -> String {
    let text = |key| attributes.text(key).unwrap_or_default();
    let words = [text("db.query.summary"), text("http.request.method"), text("http.route")];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn attribute((key, value): &(&'static str, Word)) -> Value {
    // 64 bits are a string in the JSON of protobuf.
    match value {
        Word::Text(text) => json!({"key": key, "value": {"stringValue": text}}),
        Word::Number(number) => json!({"key": key, "value": {"intValue": number.to_string()}}),
    }
}

/// A moment of the request, as Unix time.
fn nanoseconds(request: &Request, after: Duration) -> String {
    let begun = request.begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    (begun + after).as_nanos().to_string()
}
