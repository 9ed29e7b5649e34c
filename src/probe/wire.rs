//! HTTP/1 as it lies on the wire: what is written is written as it stands, what is read is bounded in size and time.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::message::{Framing, Message};
use super::site::Stream;

/// Time for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time to wait for `100 Continue` before the body goes out without it.
const CONTINUE: Duration = Duration::from_secs(3);
/// Octets of the head of an answer, at most.
const MOST_HEAD: usize = 64 << 10;
/// Octets of its body, at most: what is beyond is not looked at.
const MOST_BODY: usize = 8 << 20;

/// An answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether `100 Continue` came before it.
    pub(super) continued: bool,
}

#[cfg(test)]
impl Answer {
    /// An answer as a test has it.
    pub(super) fn made(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { status, headers, body: body.into(), continued: false }
    }
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The connection could not be made.
    Unreachable,
    /// It closed before an answer was whole.
    Closed,
    /// Nothing came in time.
    Silent,
    /// What came is no HTTP, or more than anybody reads.
    Garbled,
}

/// What became of a request.
pub(super) type Outcome = Result<Answer, Gone>;

impl Answer {
    /// The first value of a header, its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The values of all headers of that name, joined.
    pub(super) fn all(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        values.collect::<Vec<_>>().join(", ")
    }
}

/// A connection on which one request follows the other.
pub(super) struct Wire {
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    left: Vec<u8>,
    /// Whether another request may follow.
    pub(super) open: bool,
}

impl Wire {
    pub(super) fn new(stream: Stream) -> Self {
        let (reader, writer) = split(stream);
        Self { reader, writer, left: Vec::new(), open: true }
    }

    /// The answer to a request. A server may answer before it has read all of it.
    pub(super) async fn ask(
        &mut self,
        message: &Message,
        host: &str,
        authorization: Option<&str>,
    ) -> Outcome {
        let (head, body) = (message.head(host, authorization), message.framed());
        let go = Notify::new();
        let writer = &mut self.writer;
        let sending = async {
            writer.write_all(&head).await?;
            writer.flush().await?;
            if message.framing == Framing::Expecting {
                let _ = timeout(CONTINUE, go.notified()).await;
            }
            writer.write_all(&body).await?;
            writer.flush().await
        };
        let mut reading = Reading { from: &mut self.reader, left: &mut self.left, go: &go, last: false };
        let reading = timeout(PATIENCE, reading.answer(message.method));
        let (mut sending, mut reading) = (Box::pin(sending), Box::pin(reading));
        let mut sent = false;
        let (outcome, last) = loop {
            tokio::select! {
                done = &mut sending, if !sent => sent = done.is_ok() || done.is_err(),
                read = &mut reading => break read.unwrap_or((Err(Gone::Silent), true)),
            }
        };
        drop((sending, reading));
        self.open = sent && !last && outcome.is_ok();
        outcome
    }

    /// A second answer on the connection, if one comes without being asked for.
    pub(super) async fn another(&mut self) -> Option<Answer> {
        let go = Notify::new();
        let mut reading = Reading { from: &mut self.reader, left: &mut self.left, go: &go, last: false };
        let read = timeout(Duration::from_millis(500), reading.answer("GET")).await.ok()?;
        read.0.ok()
    }
}

/// An answer that is being read.
struct Reading<'a> {
    from: &'a mut ReadHalf<Stream>,
    left: &'a mut Vec<u8>,
    go: &'a Notify,
    /// Whether the connection ends with it.
    last: bool,
}

impl Reading<'_> {
    async fn answer(&mut self, method: &str) -> (Outcome, bool) {
        let outcome = self.whole(method).await;
        (outcome, self.last)
    }

    async fn whole(&mut self, method: &str) -> Outcome {
        let mut continued = false;
        let mut answer = loop {
            let answer = self.head().await?;
            if answer.status >= 200 {
                break answer;
            }
            continued |= answer.status == 100;
            self.go.notify_one();
        };
        answer.continued = continued;
        self.last |= answer.all("connection").eq_ignore_ascii_case("close");
        let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304);
        answer.body = match answer.header("content-length").map(str::parse) {
            _ if bodiless => Vec::new(),
            _ if answer.all("transfer-encoding").to_ascii_lowercase().contains("chunked") => {
                self.chunks().await?
            }
            Some(Ok(length)) => self.exactly(length).await?,
            Some(Err(_)) => return Err(Gone::Garbled),
            None => self.rest().await?,
        };
        Ok(answer)
    }

    async fn head(&mut self) -> Outcome {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 128];
            let mut response = httparse::Response::new(&mut headers);
            match response.parse(self.left) {
                Ok(httparse::Status::Complete(end)) => {
                    self.last |= response.version == Some(0);
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
                    let headers = response
                        .headers
                        .iter()
                        .map(|h| (h.name.to_ascii_lowercase(), text(h.value)))
                        .collect();
                    let status = response.code.unwrap_or_default();
                    self.left.drain(..end);
                    return Ok(Answer { status, headers, ..Answer::default() });
                }
                Ok(httparse::Status::Partial) if self.left.len() < MOST_HEAD => self.more().await?,
                _ => return Err(Gone::Garbled),
            }
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Gone> {
        let mut body = Vec::new();
        loop {
            let size = loop {
                match httparse::parse_chunk_size(self.left) {
                    Ok(httparse::Status::Complete((start, size))) => {
                        self.left.drain(..start);
                        break usize::try_from(size).map_err(|_| Gone::Garbled)?;
                    }
                    Ok(httparse::Status::Partial) => self.more().await?,
                    Err(_) => return Err(Gone::Garbled),
                }
            };
            if size + body.len() > MOST_BODY {
                return Err(Gone::Garbled);
            }
            body.extend(self.exactly(size).await?);
            self.exactly(2).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Gone> {
        if count > MOST_BODY {
            return Err(Gone::Garbled);
        }
        while self.left.len() < count {
            self.more().await?;
        }
        Ok(self.left.drain(..count).collect())
    }

    async fn rest(&mut self) -> Result<Vec<u8>, Gone> {
        self.last = true;
        while self.left.len() <= MOST_BODY {
            if self.more().await.is_err() {
                break;
            }
        }
        Ok(std::mem::take(self.left))
    }

    async fn more(&mut self) -> Result<(), Gone> {
        let read: io::Result<usize> = self.from.read_buf(self.left).await;
        if matches!(read, Ok(count) if count > 0) { Ok(()) } else { Err(Gone::Closed) }
    }
}
