//! The same requests over HTTP/2, whose header names are in lower case and whose form no client can bend far.

use std::time::Duration;

use bytes::Bytes;
use h2::client;
use tokio::time::timeout;

use super::message::Message;
use super::site::Stream;
use super::wire::{Answer, Gone, Outcome};

/// Time for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of its body, at most.
const MOST_BODY: usize = 8 << 20;

/// The answers to requests on one connection, in their order.
pub(super) async fn ask(
    stream: Stream,
    messages: &[Message],
    host: &str,
    authorization: Option<&str>,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let Ok(Ok((mut sender, connection))) = timeout(PATIENCE, client::handshake(stream)).await else {
        return messages.iter().map(|_| Err(Gone::Closed)).collect();
    };
    let driving = tokio::spawn(connection);
    for message in messages {
        let asking = timeout(PATIENCE, one(&mut sender, message, host, authorization));
        outcomes.push(asking.await.unwrap_or(Err(Gone::Silent)));
    }
    driving.abort();
    outcomes
}

async fn one(
    sender: &mut client::SendRequest<Bytes>,
    message: &Message,
    host: &str,
    authorization: Option<&str>,
) -> Outcome {
    // What cannot be written in HTTP/2 is no answer of the proxy's.
    let request = request(message, host, authorization).ok_or(Gone::Garbled)?;
    std::future::poll_fn(|cx| sender.poll_ready(cx)).await.map_err(|_| Gone::Closed)?;
    let (response, mut body) =
        sender.send_request(request, message.body.is_empty()).map_err(|_| Gone::Closed)?;
    if !message.body.is_empty() {
        body.send_data(Bytes::from(message.body.clone()), true).map_err(|_| Gone::Closed)?;
    }
    let (head, mut stream) = response.await.map_err(|_| Gone::Closed)?.into_parts();
    let mut answer = Answer { status: head.status.as_u16(), ..Answer::default() };
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        answer.headers.push((name.as_str().to_owned(), value));
    }
    while let Some(piece) = stream.data().await {
        let piece = piece.map_err(|_| Gone::Closed)?;
        if answer.body.len() + piece.len() > MOST_BODY {
            return Err(Gone::Garbled);
        }
        answer.body.extend_from_slice(&piece);
        // The window only matters to those who send more, and they may.
        let _ = stream.flow_control().release_capacity(piece.len());
    }
    Ok(answer)
}

fn request(message: &Message, host: &str, authorization: Option<&str>) -> Option<http::Request<()>> {
    let uri = format!("https://{host}{}", message.target);
    let mut request = http::Request::builder().method(message.method).uri(uri);
    if let Some(authorization) = authorization.filter(|_| message.signed) {
        request = request.header("authorization", authorization);
    }
    for line in &message.lines {
        let at = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..at], line[at + 1..].trim_ascii());
        request = request
            .header(http::HeaderName::from_bytes(name).ok()?, http::HeaderValue::from_bytes(value).ok()?);
    }
    request.body(()).ok()
}
