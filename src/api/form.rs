//! A form with files, as browsers send it: its fields, out of a body that is at hand as a whole (RFC 7578, RFC 2046 §5.1.1).

use bytes::Bytes;
use memchr::memmem::{find, find_iter};

use crate::front::{HeaderMap, header};

/// Fields of a form.
const MOST_FIELDS: usize = 32;
/// Octets of the headers of a field.
const MOST_HEAD: usize = 4096;
/// Blanks behind a boundary.
const MOST_PADDING: usize = 256;

/// The fields of a form, in their order.
#[derive(Debug)]
pub struct Form(Vec<(String, Bytes)>);

impl Form {
    /// The form that a body is; the reason, where it is none.
    pub fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, &'static str> {
        let media =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (kind, parameters) = media.split_once(';').unwrap_or((media, ""));
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err("it is no multipart/form-data");
        }
        let boundary = parameter(parameters, "boundary").filter(|text| (1..=70).contains(&text.len()));
        let boundary = boundary.ok_or("its Content-Type names no boundary")?;
        let mark = [b"\r\n--", boundary.as_bytes()].concat();
        // The first boundary may stand at the very beginning.
        let start = mark.len() - 2;
        let first = if body.starts_with(&mark[2..]) { Behind::of(&body[start..]) } else { None };
        let mut behind = match first {
            Some(behind) => behind.from(start),
            None => next(body, 0, &mark).ok_or("it has no boundary")?.1,
        };
        let mut fields = Vec::new();
        while let Behind::Field(at) = behind {
            let (end, after) = next(body, at, &mark).ok_or("it ends before its last boundary")?;
            if fields.len() == MOST_FIELDS {
                return Err("it has too many fields");
            }
            fields.push(field(&body.slice(at..end))?);
            behind = after;
        }
        Ok(Self(fields))
    }

    /// The content of the field of that name.
    #[must_use]
    pub fn octets(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, octets)| octets)
    }

    /// The same as text, without spaces around it.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.octets(name)?).ok().map(str::trim)
    }
}

/// What stands behind a boundary.
#[derive(Clone, Copy)]
enum Behind {
    /// A field, from its line end on.
    Field(usize),
    /// Two dashes: it was the last.
    Nothing,
}

impl Behind {
    /// What begins as a boundary need not be one, which is alone on its line (RFC 2046 §5.1.1).
    fn of(rest: &[u8]) -> Option<Self> {
        if rest.starts_with(b"--") {
            return Some(Self::Nothing);
        }
        let blanks = rest.iter().take(MOST_PADDING).take_while(|octet| b" \t".contains(octet)).count();
        rest[blanks..].starts_with(b"\r\n").then_some(Self::Field(blanks))
    }

    fn from(self, place: usize) -> Self {
        match self {
            Self::Field(at) => Self::Field(place + at),
            Self::Nothing => Self::Nothing,
        }
    }
}

/// Where the next boundary begins, and what is behind it.
fn next(body: &[u8], from: usize, mark: &[u8]) -> Option<(usize, Behind)> {
    find_iter(&body[from..], mark).find_map(|place| {
        let (begin, end) = (from + place, from + place + mark.len());
        Some((begin, Behind::of(&body[end..])?.from(end)))
    })
}

/// The name and the content of a field, whose headers follow a line end.
fn field(part: &Bytes) -> Result<(String, Bytes), &'static str> {
    let end =
        find(&part[..part.len().min(MOST_HEAD)], b"\r\n\r\n").ok_or("a field has no end of its headers")?;
    let head = String::from_utf8_lossy(&part[..end]);
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let disposition = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"));
    let name = disposition.and_then(|(_, value)| parameter(value, "name")).ok_or("a field has no name")?;
    Ok((name, part.slice(end + 4..)))
}

/// The value of a parameter, in quotes or not.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let name = name.rsplit(';').next().unwrap_or(name).trim();
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.trim().to_owned());
        }
        rest = left;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::HeaderValue;

    fn read(media: &str, body: &str) -> Result<Form, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media).unwrap());
        Form::read(&headers, &Bytes::copy_from_slice(body.as_bytes()))
    }

    #[test]
    fn fields_are_told_by_their_names() {
        let body = "--x\r\nContent-Disposition: form-data; filename=\"a;name=b\"; name=\"file\"\r\nContent-Type: text/calendar\r\n\r\n\
                    BEGIN\r\n--xy is none\r\n\r\n--x \r\ncontent-disposition: form-data; name=path\r\n\r\n /a/ \r\n--x--\r\nafter";
        let form = read("multipart/form-data; charset=utf-8; boundary=x", body).unwrap();
        assert_eq!(form.octets("file").unwrap(), "BEGIN\r\n--xy is none\r\n");
        assert_eq!((form.text("path"), form.text("other")), (Some("/a/"), None));
        let quoted = read("Multipart/Form-Data; boundary=\"a b\"", "before\r\n--a b--").unwrap();
        assert!(quoted.0.is_empty());
        let text = "--x--\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x----";
        let form = read("multipart/form-data; boundary=x--", text).unwrap();
        assert_eq!(form.text("a"), Some("b"));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let media = "multipart/form-data; boundary=x";
        for (media, body) in [
            ("text/plain", "--x--"),
            ("multipart/form-data", "--x--"),
            ("multipart/form-data; boundary=", "--x--"),
            (media, ""),
            (media, "--x"),
            (media, "--x\r\n"),
            (media, "--x\r\nA: b\r\n\r\nc\r\n--x--"),
            (media, "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nc"),
            (media, "--x\r\nContent-Disposition: form-data; name=a\r\n--x--"),
        ] {
            assert!(read(media, body).is_err(), "{media}: {body}");
        }
        let field = "\r\nContent-Disposition: form-data; name=a\r\n\r\nc\r\n--x";
        let many = format!("--x{}--", field.repeat(MOST_FIELDS + 1));
        assert_eq!(read(media, &many).unwrap_err(), "it has too many fields");
    }
}
