//! Content coding of answers: which one a client takes, and a body that is coded as it goes (RFC 9110 §8.4 and §12.5.3,
//! RFC 7932, RFC 8878).

use std::fmt;
use std::io::{self, Write};
use std::task::{Context, Poll};

use brotli::CompressorWriter;
use bytes::{Buf, Bytes};
use flate2::{Compression, write::GzEncoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use zstd::stream::{raw::CParameter, write::Encoder as Zstandard};

use crate::front::message::{Aborted, Feed, Payload, Response, vary};

/// Octets below which an answer is not worth the work.
const LEAST: usize = 1024;
/// Octets that are coded at one go, in a millisecond or so: then others have their turn.
const SLICE: usize = 64 << 10;
/// Octets, as a power of two, that a coding looks back: what a coding in progress holds is a few times that.
const WINDOW: u32 = 18;
/// Levels at which all three are done at 60 MB/s or more: what is beyond costs more time than the line would.
const LEVELS: (u32, u32, i32) = (4, 4, 1);
/// Long answers that are coded at the same time; further ones are sent as they are.
static AT_ONCE: Semaphore = Semaphore::const_new(32);

/// A content coding, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Zstd,
    Br,
    Gzip,
}

impl Coding {
    const ALL: [Self; 3] = [Self::Zstd, Self::Br, Self::Gzip];

    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
        }
    }
}

/// How a client takes answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The coding that it likes best, if it likes one.
    coding: Option<Coding>,
    /// Whether it takes what is not coded.
    identity: bool,
    /// Whether the answer depends on it at all.
    varies: bool,
}

impl Accepted {
    /// Of somebody who is given everything as it is.
    pub(super) const PLAIN: Self = Self { coding: None, identity: true, varies: false };

    /// What Accept-Encoding says; what of it cannot be read counts as not there.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let listed: Vec<(String, u16)> = values.flat_map(|value| value.split(',')).filter_map(item).collect();
        let weight = |name: &str| listed.iter().find(|(listed, _)| listed == name).map(|(_, weight)| *weight);
        let star = weight("*");
        let of = |coding: Coding| match coding {
            // What a star alone allows is what everybody can undo.
            Coding::Gzip => weight("gzip").or(weight("x-gzip")).or(star),
            other => weight(other.name()),
        };
        let plain = weight("identity");
        let liked = |coding: &Coding| of(*coding).filter(|w| *w > 0 && *w >= plain.unwrap_or(0));
        let best = Coding::ALL.iter().filter_map(|coding| Some((liked(coding)?, *coding)));
        let coding = best.reduce(|best, next| if next.0 > best.0 { next } else { best });
        Self {
            coding: coding.map(|(_, coding)| coding),
            identity: plain.or(star).is_none_or(|weight| weight > 0),
            varies: true,
        }
    }

    /// The same for a web page that may not read the answer: how long the coded form is would tell it of what stands
    /// beside text of its own.
    pub(super) fn guarded(self, foreign: bool) -> Self {
        if foreign { Self { coding: None, identity: true, ..self } } else { self }
    }

    /// The answer as the client takes it. `reading` says that nothing was done that the answer must tell of.
    pub(super) fn apply(self, mut answer: Response, reading: bool) -> Response {
        let is_empty = matches!(answer.payload, Payload::Empty);
        let told = answer.status == StatusCode::NOT_MODIFIED || !is_empty && answer.status.is_success();
        if self.varies && reading && told {
            vary(&mut answer.headers, "Accept-Encoding");
        }
        // What is part of something is not something of its own.
        if is_empty || answer.status == StatusCode::PARTIAL_CONTENT {
            return answer;
        }
        match self.coding {
            None if !self.identity && reading && answer.status.is_success() => {
                Response::new(StatusCode::NOT_ACCEPTABLE)
                    .with(VARY, "Accept-Encoding")
                    .body("text/plain; charset=utf-8", "Answers come as they are, or as gzip, br or zstd.\n")
            }
            Some(coding) if !self.identity || is_worthwhile(&answer) => coded(coding, answer),
            _ => answer,
        }
    }
}

/// Whether an answer is long text, and no other form of it has to be told from it: a strong tag promises octets.
fn is_worthwhile(answer: &Response) -> bool {
    let long = match &answer.payload {
        Payload::Full(bytes) => bytes.len() >= LEAST,
        Payload::Stream(_) => true,
        Payload::Empty | Payload::Coded(_) => false,
    };
    let media = answer.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let text = media.starts_with(b"text/") || [&b"xml"[..], b"json"].iter().any(|part| has(media, part));
    let strong = answer.headers.get(ETAG).is_some_and(|tag| !tag.as_bytes().starts_with(b"W/"));
    long && text && !strong
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The answer in that coding, or as it was where there is no room for another coding in progress.
fn coded(coding: Coding, mut answer: Response) -> Response {
    let coded = payload(coding, answer.payload);
    let done = coded.is_ok();
    answer.payload = coded.unwrap_or_else(|plain| plain);
    if !done {
        return answer;
    }
    answer.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    let tag = answer.headers.get(ETAG).and_then(|tag| tag.to_str().ok());
    // Other octets, so another tag.
    if let Some(bare) = tag.and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'))
        && let Ok(tag) = HeaderValue::from_str(&format!("\"{bare}-{}\"", coding.name()))
    {
        answer.headers.insert(ETAG, tag);
    }
    answer
}

/// The payload in that coding; as it was where that cannot be.
fn payload(coding: Coding, plain: Payload) -> Result<Payload, Payload> {
    if let Payload::Full(bytes) = &plain
        && bytes.len() <= SLICE
    {
        return whole(coding, bytes).map(Payload::Full).map_err(|_| plain);
    }
    let (Ok(place), Ok(encoder)) = (AT_ONCE.try_acquire(), Encoder::new(coding)) else { return Err(plain) };
    Ok(Payload::Coded(Box::new(Coded::new(plain, encoder, place))))
}

fn whole(coding: Coding, bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(coding)?;
    encoder.write(bytes)?;
    encoder.finish().map(Bytes::from)
}

/// One of Accept-Encoding's list, in small letters, with its weight in thousandths.
fn item(text: &str) -> Option<(String, u16)> {
    let (name, rest) = text.split_once(';').unwrap_or((text, ""));
    let name = name.trim().to_ascii_lowercase();
    let parameter = rest.trim();
    let weight = match parameter.split_once('=') {
        None if parameter.is_empty() => 1000,
        Some((q, value)) if q.trim().eq_ignore_ascii_case("q") => thousandths(value.trim())?,
        _ => return None,
    };
    (!name.is_empty()).then_some((name, weight))
}

/// A weight in thousandths: 0 to 1, with three digits behind the point at most (RFC 9110 §12.4.2).
#[must_use]
pub fn thousandths(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let known = matches!(whole, "0" | "1") && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    let part: u16 = format!("{part:0<3}").parse().ok().filter(|_| known)?;
    let weight = part + if whole == "1" { 1000 } else { 0 };
    (weight <= 1000).then_some(weight)
}

/// A coding in progress, and what of it is done.
enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(Zstandard<'static, Vec<u8>>),
}

impl Encoder {
    fn new(coding: Coding) -> io::Result<Self> {
        let (gzip, br, zstd) = LEVELS;
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(gzip))),
            Coding::Br => Self::Br(Box::new(CompressorWriter::new(Vec::new(), 4096, br, WINDOW))),
            Coding::Zstd => {
                let mut encoder = Zstandard::new(Vec::new(), zstd)?;
                encoder.set_parameter(CParameter::WindowLog(WINDOW))?;
                Self::Zstd(encoder)
            }
        })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(piece),
            Self::Br(encoder) => encoder.write_all(piece),
            Self::Zstd(encoder) => encoder.write_all(piece),
        }
    }

    /// Lets what was written be read, at the price of a few octets.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Br(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    /// What is done since it was last taken.
    fn take(&mut self) -> Bytes {
        std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Br(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
        .into()
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Br(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A long body that is coded as it is taken.
pub struct Coded {
    /// Where more comes from, if more comes.
    feed: Option<Feed>,
    /// What is there and not coded yet.
    waiting: Bytes,
    /// None once the end is out.
    encoder: Option<Encoder>,
    /// Whether the encoder holds what the client could read already.
    holds: bool,
    /// Whether the first piece is still to come: it is not held back.
    first: bool,
    /// Whether others must have their turn before there is more.
    tired: bool,
    _place: SemaphorePermit<'static>,
}

impl Coded {
    fn new(payload: Payload, encoder: Encoder, place: SemaphorePermit<'static>) -> Self {
        let (feed, waiting) = match payload {
            Payload::Stream(feed) => (Some(feed), Bytes::new()),
            Payload::Full(bytes) => (None, bytes),
            Payload::Empty | Payload::Coded(_) => (None, Bytes::new()),
        };
        let encoder = Some(encoder);
        Self { feed, waiting, encoder, holds: false, first: true, tired: false, _place: place }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Aborted>>> {
        if std::mem::take(&mut self.tired) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
            let done = if self.waiting.is_empty() {
                match self.feed.as_mut().map_or(Poll::Ready(None), |feed| feed.poll_next(cx)) {
                    Poll::Ready(Some(Ok(piece))) => {
                        self.waiting = piece;
                        continue;
                    }
                    Poll::Ready(Some(Err(aborted))) => return self.cut(aborted),
                    Poll::Ready(None) => return self.end(),
                    Poll::Pending if !self.holds => return Poll::Pending,
                    // The source makes a pause: what there is goes out.
                    Poll::Pending => {
                        self.holds = false;
                        encoder.flush()
                    }
                }
            } else {
                let slice = self.waiting.len().min(SLICE);
                let written = encoder.write(&self.waiting[..slice]);
                self.waiting.advance(slice);
                self.tired = true;
                self.holds = !std::mem::take(&mut self.first);
                written.and_then(|()| if self.holds { Ok(()) } else { encoder.flush() })
            };
            if done.is_err() {
                return self.cut(Aborted);
            }
            let out = encoder.take();
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(out)));
            }
            if std::mem::take(&mut self.tired) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn cut(&mut self, aborted: Aborted) -> Poll<Option<Result<Bytes, Aborted>>> {
        self.encoder = None;
        Poll::Ready(Some(Err(aborted)))
    }

    fn end(&mut self) -> Poll<Option<Result<Bytes, Aborted>>> {
        let last = self.encoder.take().map_or(Ok(Vec::new()), Encoder::finish);
        Poll::Ready(match last {
            Ok(last) if last.is_empty() => None,
            Ok(last) => Some(Ok(last.into())),
            Err(_) => Some(Err(Aborted)),
        })
    }
}

impl fmt::Debug for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coded").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn accepted(value: &str) -> (Option<&'static str>, bool) {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]);
        let accepted = Accepted::of(&headers);
        (accepted.coding.map(Coding::name), accepted.identity)
    }

    #[test]
    fn the_client_says_which_coding_it_likes_best() {
        for (value, coding, identity) in [
            ("", None, true),
            ("gzip", Some("gzip"), true),
            ("X-GZIP", Some("gzip"), true),
            ("gzip, deflate, br, zstd", Some("zstd"), true),
            ("gzip, deflate, br", Some("br"), true),
            ("deflate", None, true),
            ("gzip;q=1, zstd;q=0.5", Some("gzip"), true),
            ("gzip; Q = 0.5 , br;q=0.500", Some("br"), true),
            ("gzip;q=0", None, true),
            ("*", Some("gzip"), true),
            ("*;q=0", None, false),
            ("*;q=0, br", Some("br"), false),
            ("gzip;q=0, *", None, true),
            ("identity", None, true),
            ("identity, gzip;q=0.5", None, true),
            ("identity;q=0.5, gzip", Some("gzip"), true),
            ("identity;q=0", None, false),
            ("identity;q=0, zstd;q=0.001", Some("zstd"), false),
            ("gzip;q=2, br;level=3", None, true),
        ] {
            assert_eq!(accepted(value), (coding, identity), "{value}");
        }
        let none = Accepted::of(&HeaderMap::new());
        assert_eq!((none.coding, none.identity), (None, true));
    }

    fn undone(coding: Coding, octets: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Gzip => flate2::read::MultiGzDecoder::new(octets).read_to_end(&mut out),
            Coding::Br => brotli::Decompressor::new(octets, 4096).read_to_end(&mut out),
            Coding::Zstd => zstd::stream::read::Decoder::new(octets).unwrap().read_to_end(&mut out),
        }
        .unwrap();
        out
    }

    fn text(length: usize) -> Bytes {
        let lines = (0..).map(|n: u32| format!("UID:{:08x}\r\n", n.wrapping_mul(2_654_435_761)));
        let mut text = lines.take(length / 14 + 1).collect::<String>();
        text.truncate(length);
        text.into()
    }

    fn answer(bytes: Bytes) -> Response {
        Response::new(StatusCode::OK).body("text/calendar", bytes)
    }

    async fn body(answer: Response) -> Vec<u8> {
        match answer.payload {
            Payload::Full(bytes) => bytes.to_vec(),
            Payload::Coded(mut coded) => {
                let mut out = Vec::new();
                while let Some(piece) = std::future::poll_fn(|cx| coded.poll_next(cx)).await {
                    out.extend_from_slice(&piece.unwrap());
                }
                out
            }
            other => panic!("{other:?}"),
        }
    }

    fn with(coding: Coding) -> Accepted {
        Accepted { coding: Some(coding), identity: true, varies: true }
    }

    #[tokio::test]
    async fn what_is_coded_is_what_was_said() {
        for coding in Coding::ALL {
            for length in [LEAST, SLICE, SLICE + 1, 5 * SLICE] {
                let coded = with(coding).apply(answer(text(length)), true);
                assert_eq!(coded.headers[CONTENT_ENCODING], coding.name());
                assert_eq!(coded.headers[VARY], "Accept-Encoding");
                let octets = body(coded).await;
                assert!(octets.len() < length, "{coding:?} {length}");
                assert_eq!(undone(coding, &octets), text(length), "{coding:?} {length}");
            }
        }
    }

    #[tokio::test]
    async fn the_first_octets_do_not_wait_for_the_last_ones_nor_does_a_pause() {
        for coding in Coding::ALL {
            let (feeder, feed) = Payload::stream(4);
            let streamed = Response::new(StatusCode::MULTI_STATUS).stream("application/xml", feed);
            let Payload::Coded(mut coded) = with(coding).apply(streamed, true).payload else {
                panic!("plain")
            };
            let mut out = Vec::new();
            for n in 0..3 {
                feeder.send(Bytes::from(format!("piece {n};"))).await.unwrap();
                let before = out.len();
                let pause = std::time::Duration::from_millis(50);
                while let Ok(Some(piece)) =
                    tokio::time::timeout(pause, std::future::poll_fn(|cx| coded.poll_next(cx))).await
                {
                    out.extend_from_slice(&piece.unwrap());
                }
                assert!(out.len() > before, "{coding:?} {n}");
            }
            feeder.finish();
            while let Some(piece) = std::future::poll_fn(|cx| coded.poll_next(cx)).await {
                out.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(undone(coding, &out), b"piece 0;piece 1;piece 2;", "{coding:?}");
        }
    }

    #[tokio::test]
    async fn half_a_stream_stays_half() {
        let (feeder, feed) = Payload::stream(4);
        let streamed = Response::new(StatusCode::OK).stream("text/plain", feed);
        let Payload::Coded(mut coded) = with(Coding::Gzip).apply(streamed, true).payload else {
            panic!("plain")
        };
        feeder.send(Bytes::from_static(b"a")).await.unwrap();
        drop(feeder);
        let mut last = None;
        while let Some(piece) = std::future::poll_fn(|cx| coded.poll_next(cx)).await {
            last = Some(piece);
        }
        assert_eq!(last, Some(Err(Aborted)));
    }

    #[test]
    fn what_has_a_strong_tag_is_coded_only_for_who_takes_nothing_else() {
        let object = || answer(text(5000)).with(ETAG, "\"x\"");
        assert!(!with(Coding::Br).apply(object(), true).headers.contains_key(CONTENT_ENCODING));
        let forced = Accepted { identity: false, ..with(Coding::Br) }.apply(object(), true);
        assert_eq!(
            (&forced.headers[ETAG], &forced.headers[CONTENT_ENCODING]),
            (&"\"x-br\"".parse().unwrap(), &"br".parse().unwrap())
        );
        let weak = with(Coding::Br).apply(answer(text(5000)).with(ETAG, "W/\"x\""), true);
        assert_eq!(
            (&weak.headers[ETAG], &weak.headers[CONTENT_ENCODING]),
            (&"W/\"x\"".parse().unwrap(), &"br".parse().unwrap())
        );
    }

    #[test]
    fn what_is_short_partial_or_no_text_stays_as_it_is() {
        let part = Response { status: StatusCode::PARTIAL_CONTENT, ..answer(text(5000)) };
        let image = Response::new(StatusCode::OK).body("image/png", text(5000));
        for plain in [answer(text(LEAST - 1)), part, image, Response::new(StatusCode::NO_CONTENT)] {
            assert!(!with(Coding::Gzip).apply(plain, true).headers.contains_key(CONTENT_ENCODING));
        }
        let foreign = with(Coding::Gzip).guarded(true).apply(answer(text(5000)), true);
        assert!(!foreign.headers.contains_key(CONTENT_ENCODING));
        let none = Accepted { coding: None, identity: false, varies: true };
        assert_eq!(none.apply(answer(text(5)), true).status, StatusCode::NOT_ACCEPTABLE);
        assert_eq!(none.apply(answer(text(5)), false).status, StatusCode::OK);
    }
}
