//! Parts of what is there: Range and If-Range (RFC 9110 §13.1.5 and §14).

use std::ops::Range;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::front::message::{Payload, Response};

/// Ranges of one request; who sends more gets the whole (RFC 9110 §17.15).
const MOST: usize = 16;

/// The parts that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    ranges: Vec<Spec>,
    unless_changed: Option<HeaderValue>,
}

/// A range as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spec {
    /// From here to there, both of them included.
    Between(u64, u64),
    /// From here to the end.
    From(u64),
    /// So many at the end.
    Last(u64),
}

impl Wanted {
    /// What a request asks for; none where that is the whole, or what cannot be read (RFC 9110 §14.2).
    pub(super) fn of(head: &Parts) -> Option<Self> {
        if head.method != Method::GET {
            return None;
        }
        let ranges = read(one(&head.headers, RANGE)?.to_str().ok()?)?;
        let unless_changed = one(&head.headers, IF_RANGE).cloned();
        // Of two conditions nobody knows which is meant.
        let clear = unless_changed.is_some() || !head.headers.contains_key(IF_RANGE);
        clear.then_some(Self { ranges, unless_changed })
    }

    /// The parts of an answer that can be given in parts; any other answer as it is.
    pub(super) fn apply(&self, answer: Response) -> Response {
        let whole = match &answer.payload {
            Payload::Full(whole) if answer.status == StatusCode::OK => whole.clone(),
            _ => return answer,
        };
        if !answer.headers.contains_key(ACCEPT_RANGES) || !self.holds(&answer.headers, SystemTime::now()) {
            return answer;
        }
        let parts: Vec<Range<usize>> = self.ranges.iter().filter_map(|spec| spec.within(&whole)).collect();
        match parts.as_slice() {
            [] => beyond(whole.len()),
            [part] => {
                let place = place(part, whole.len());
                let answer = Response {
                    status: StatusCode::PARTIAL_CONTENT,
                    payload: Payload::Full(whole.slice(part.clone())),
                    ..answer
                };
                answer.with(CONTENT_RANGE, place)
            }
            // Parts that are no less than the whole.
            many if many.iter().map(Range::len).sum::<usize>() > whole.len() => answer,
            many => several(answer, &whole, many),
        }
    }

    /// Whether the resource is what the client has a part of: by its strong tag to the letter, or by a time that tells
    /// one state from the next.
    fn holds(&self, headers: &HeaderMap, now: SystemTime) -> bool {
        let Some(wanted) = &self.unless_changed else { return true };
        let bytes = wanted.as_bytes();
        if bytes.starts_with(b"\"") || bytes.starts_with(b"W/") {
            return bytes.starts_with(b"\"") && headers.get(ETAG) == Some(wanted);
        }
        let modified = headers.get(LAST_MODIFIED).filter(|modified| *modified == wanted);
        let modified = modified.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        modified.is_some_and(|date| now.duration_since(date).is_ok_and(|age| age > Duration::from_secs(1)))
    }
}

/// The ranges of a header in octets; none where it is in other units or is no list of ranges.
fn read(text: &str) -> Option<Vec<Spec>> {
    let (unit, list) = text.split_once('=')?;
    let list: Vec<&str> = list.split(',').map(str::trim).filter(|range| !range.is_empty()).collect();
    let readable = unit.trim().eq_ignore_ascii_case("bytes") && (1..=MOST).contains(&list.len());
    readable.then(|| list.into_iter().map(spec).collect())?
}

fn spec(text: &str) -> Option<Spec> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // What is beyond all numbers is beyond every end.
        plain.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = text.split_once('-')?;
    Some(match (first.trim(), last.trim()) {
        ("", last) => Spec::Last(number(last)?),
        (first, "") => Spec::From(number(first)?),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            Spec::Between(first, last)
        }
    })
}

impl Spec {
    /// The part of that whole; none where it has none of it.
    fn within(self, whole: &Bytes) -> Option<Range<usize>> {
        let length = whole.len();
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(length);
        let part = match self {
            Self::Between(first, last) => at(first)..at(last.saturating_add(1)),
            Self::From(first) => at(first)..length,
            Self::Last(count) => length - at(count)..length,
        };
        (!part.is_empty()).then_some(part)
    }
}

fn place(part: &Range<usize>, length: usize) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end - 1)
}

fn beyond(length: usize) -> Response {
    Response::new(StatusCode::RANGE_NOT_SATISFIABLE)
        .with(CONTENT_RANGE, format!("bytes */{length}"))
        .with(ACCEPT_RANGES, "bytes")
        .body("text/plain; charset=utf-8", "There is nothing in that range.\n")
}

/// RFC 9110 §14.6: the parts, each with its place, between lines that are in none of them.
fn several(mut answer: Response, whole: &Bytes, parts: &[Range<usize>]) -> Response {
    let line = uuid::Uuid::new_v4().simple().to_string();
    let media = answer.headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let mut body = BytesMut::new();
    for part in parts {
        let (end, place) = (if body.is_empty() { "" } else { "\r\n" }, place(part, whole.len()));
        let head = format!("{end}--{line}\r\nContent-Type: {media}\r\nContent-Range: {place}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&whole[part.clone()]);
    }
    body.extend_from_slice(format!("\r\n--{line}--\r\n").as_bytes());
    if let Ok(media) = HeaderValue::from_str(&format!("multipart/byteranges; boundary={line}")) {
        answer.headers.insert(CONTENT_TYPE, media);
    }
    Response { status: StatusCode::PARTIAL_CONTENT, payload: Payload::Full(body.freeze()), ..answer }
}

/// The header, if it is there once.
fn one(headers: &HeaderMap, name: http::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[(&str, &str)]) -> Option<Wanted> {
        let mut request = http::Request::builder().uri("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        Wanted::of(&request.body(()).unwrap().into_parts().0)
    }

    fn given(lines: &[(&str, &str)], modified: &str) -> (u16, String, String) {
        let whole = Response::new(StatusCode::OK)
            .with(ACCEPT_RANGES, "bytes")
            .with(ETAG, "\"x\"")
            .with(LAST_MODIFIED, modified)
            .body("text/plain", "0123456789");
        let answer = asked(lines).map_or_else(|| panic!("{lines:?}"), |wanted| wanted.apply(whole));
        let Payload::Full(body) = &answer.payload else { panic!("no body") };
        let place = answer.headers.get(CONTENT_RANGE).map_or("", |v| v.to_str().unwrap()).to_owned();
        (answer.status.as_u16(), place, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn a_part_is_what_lies_between() {
        for (range, status, place, body) in [
            ("bytes=0-3", 206, "bytes 0-3/10", "0123"),
            ("Bytes=9-9", 206, "bytes 9-9/10", "9"),
            ("bytes=5-", 206, "bytes 5-9/10", "56789"),
            ("bytes=-3", 206, "bytes 7-9/10", "789"),
            ("bytes=-99", 206, "bytes 0-9/10", "0123456789"),
            ("bytes=2-99999999999999999999999", 206, "bytes 2-9/10", "23456789"),
            ("bytes=3-4,20-30", 206, "bytes 3-4/10", "34"),
            ("bytes=0-9,0-9", 200, "", "0123456789"),
            ("bytes=0-5,5-9", 200, "", "0123456789"),
            ("bytes=10-", 416, "bytes */10", "There is nothing in that range.\n"),
            ("bytes=-0", 416, "bytes */10", "There is nothing in that range.\n"),
        ] {
            let wanted = (status, place.to_owned(), body.to_owned());
            assert_eq!(given(&[("range", range)], ""), wanted, "{range}");
        }
    }

    #[test]
    fn what_is_no_range_asks_for_nothing() {
        let many = format!("bytes={}", "0-0,".repeat(MOST + 1));
        for range in ["bytes", "bytes=", "bytes=a-b", "bytes=4-2", "bytes=-", "items=0-1", "bytes=1", &many] {
            assert_eq!(asked(&[("range", range)]), None, "{range}");
        }
        assert_eq!(asked(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]), None);
        assert_eq!(asked(&[("range", "bytes=0-1"), ("if-range", "\"a\""), ("if-range", "\"b\"")]), None);
    }

    #[test]
    fn several_parts_stand_between_lines() {
        let (status, place, body) = given(&[("range", "bytes=0-1, -2")], "");
        assert_eq!((status, place.as_str()), (206, ""));
        let line = body.lines().next().unwrap();
        let part = |place, octets| {
            format!(
                "{line}\r\nContent-Type: text/plain\r\nContent-Range: bytes {place}/10\r\n\r\n{octets}\r\n"
            )
        };
        assert_eq!(body, part("0-1", "01") + &part("8-9", "89") + line + "--\r\n");
    }

    #[test]
    fn a_part_of_what_has_changed_is_of_no_use() {
        let old = "Sun, 06 Nov 1994 08:49:37 GMT";
        let just_now = httpdate::fmt_http_date(SystemTime::now());
        for (condition, modified, status) in [
            ("\"x\"", old, 206),
            ("\"y\"", old, 200),
            ("W/\"x\"", old, 200),
            ("\"x-gzip\"", old, 200),
            (old, old, 206),
            ("Sun, 06 Nov 1994 08:49:38 GMT", old, 200),
            (&just_now, &just_now, 200),
            ("nonsense", old, 200),
        ] {
            let lines = [("range", "bytes=0-3"), ("if-range", condition)];
            assert_eq!(given(&lines, modified).0, status, "{condition} of {modified}");
        }
    }
}
