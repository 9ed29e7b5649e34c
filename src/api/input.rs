//! What was sent: one object of JSON, whose fields are taken one by one, each with the fault that it may have.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::front::{HeaderMap, Status, header};

use super::error::{Error, Fault, Refusal, Result};

/// The fields of an object.
#[derive(Clone, Debug, Default)]
pub struct Input(Map<String, Value>);

/// A field that a client may leave as it is, take away, or set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It is not mentioned.
    Kept,
    /// It is null, or empty.
    Cleared,
    /// It is this.
    Set(T),
}

/// The faults of an object, gathered so that they are told together.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Input {
    /// The object that a body is; no body is one without fields.
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let media =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            let detail = format!("Unsupported media type \"{media}\" in request.");
            return Err(Refusal::new(Status::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).into());
        }
        match serde_json::from_slice(body).map(|Clear(value)| value) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => {
                let detail = "Invalid data. Expected an object.".to_owned();
                Err(Error::Invalid(vec![Fault { code: "invalid", detail, attr: None }]))
            }
            Err(error) => {
                let detail = format!("JSON parse error - {error}");
                Err(Refusal::new(Status::BAD_REQUEST, "parse_error", detail).into())
            }
        }
    }

    /// Whether that field is there.
    #[must_use]
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// The value of a field, whatever it is.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&Value> {
        self.0.get(field)
    }

    /// A text of at most so many characters, without spaces around it.
    pub fn text(&self, field: &'static str, most: usize, faults: &mut Faults) -> Change<String> {
        match self.0.get(field) {
            None => Change::Kept,
            Some(Value::Null) => Change::Cleared,
            Some(Value::String(text)) => {
                let text = text.trim();
                if text.chars().count() > most {
                    faults.add(
                        field,
                        "max_length",
                        format!("Ensure this field has no more than {most} characters."),
                    );
                } else if text
                    .chars()
                    .any(|c| c == '\0' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t')))
                {
                    faults.add(field, "invalid", "Control characters are not allowed.");
                } else if !text.is_empty() {
                    return Change::Set(text.to_owned());
                } else {
                    return Change::Cleared;
                }
                Change::Kept
            }
            Some(_) => {
                faults.add(field, "invalid", "Not a valid string.");
                Change::Kept
            }
        }
    }

    /// A text as [`Input::text`] has it, which something is made of.
    pub fn parsed<T>(
        &self,
        field: &'static str,
        faults: &mut Faults,
        read: impl FnOnce(&str) -> std::result::Result<T, (&'static str, String)>,
    ) -> Change<T> {
        match self.text(field, 255, faults) {
            Change::Kept => Change::Kept,
            Change::Cleared => Change::Cleared,
            Change::Set(text) => match read(&text) {
                Ok(value) => Change::Set(value),
                Err((code, detail)) => {
                    faults.add(field, code, detail);
                    Change::Kept
                }
            },
        }
    }

    /// An object in the object; none where it is not there or null.
    pub fn object(&self, field: &'static str, faults: &mut Faults) -> Option<Self> {
        match self.0.get(field)? {
            Value::Object(fields) => return Some(Self(fields.clone())),
            Value::Null => {}
            _ => faults.add(field, "invalid", "Invalid data. Expected an object."),
        }
        None
    }

    /// One of some words, as they are written here.
    pub fn choice(
        &self,
        field: &'static str,
        words: &'static [&'static str],
        faults: &mut Faults,
    ) -> Change<&'static str> {
        self.parsed(field, faults, |text| {
            let known = words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied();
            known.ok_or_else(|| ("invalid_choice", format!("\"{text}\" is not a valid choice.")))
        })
    }

    /// True or false.
    pub fn flag(&self, field: &'static str, faults: &mut Faults) -> Option<bool> {
        let flag = self.0.get(field)?.as_bool();
        if flag.is_none() {
            faults.add(field, "invalid", "Must be a valid boolean.");
        }
        flag
    }
}

/// JSON that every reader takes for the same: of two values under one key nobody knows which is meant (RFC 8259 §4).
struct Clear(Value);

impl<'de> Deserialize<'de> for Clear {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> std::result::Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> std::result::Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> std::result::Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> std::result::Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> std::result::Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Clear(one)) = all.next_element()? {
            list.push(one);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> std::result::Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((key, Clear(value))) = all.next_entry::<String, _>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} is there twice")));
            }
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}

impl Faults {
    /// One more.
    pub fn add(&mut self, attr: &'static str, code: &'static str, detail: impl Into<String>) {
        self.0.push(Fault { code, detail: detail.into(), attr: Some(attr) });
    }

    /// The refusal, if there are any.
    pub fn none(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::HeaderValue;

    fn read(media: &str, body: &str) -> Result<Input> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(media).unwrap());
        Input::read(&headers, body.as_bytes())
    }

    fn code(media: &str, body: &str) -> String {
        read(media, body).map_or_else(|error| error.code().to_owned(), |_| "fine".to_owned())
    }

    #[test]
    fn a_body_is_one_object() {
        assert_eq!(code("application/json", "{}"), "fine");
        assert_eq!(code("Application/JSON; charset=utf-8", " {\"a\": 1}"), "fine");
        assert_eq!(code("text/plain", ""), "fine");
        assert_eq!(code("text/plain", "{}"), "unsupported_media_type");
        assert_eq!(code("application/json", "[]"), "invalid");
        assert_eq!(code("application/json", "{"), "parse_error");
        assert_eq!(code("application/json", &"[".repeat(10_000)), "parse_error");
        assert_eq!(code("application/json", "{\"a\": \"\u{fffd}\\ud800\"}"), "parse_error");
        for bad in [
            r#"{"a": 1, "a": 2}"#,
            r#"{"b": [{"a": 1, "\u0061": 1}]}"#,
            r#"{"a": NaN}"#,
            r#"{"a": Infinity}"#,
            r#"{"a": 1e999}"#,
            r#"{"a": 01}"#,
            r#"{"a": 1,}"#,
            r#"{"a": 1} {}"#,
            &format!("{{\"a\": {}1{}}}", "[".repeat(200), "]".repeat(200)),
        ] {
            assert_eq!(code("application/json", bad), "parse_error", "{bad}");
        }
        let good = r#"{"a": null, "b": [true, -1, 18446744073709551615, 1.5, "x"], "c": {"a": {}}}"#;
        let read = read("application/json", good).unwrap();
        assert_eq!(Value::Object(read.0), serde_json::from_str::<Value>(good).unwrap());
    }

    #[test]
    fn fields_are_what_they_should_be() {
        let input = read(
            "application/json",
            r#"{"a": " x ", "b": "", "c": null, "d": 1, "e": "\u0000", "f": "xyz"}"#,
        )
        .unwrap();
        let mut faults = Faults::default();
        assert_eq!(input.text("a", 10, &mut faults), Change::Set("x".to_owned()));
        assert_eq!(input.text("b", 10, &mut faults), Change::Cleared);
        assert_eq!(input.text("c", 10, &mut faults), Change::Cleared);
        assert_eq!(input.text("x", 10, &mut faults), Change::Kept);
        assert!(faults.0.is_empty());
        assert_eq!(input.text("d", 10, &mut faults), Change::Kept);
        assert_eq!(input.text("e", 10, &mut faults), Change::Kept);
        assert_eq!(input.text("f", 2, &mut faults), Change::Kept);
        let told: Vec<_> = faults.0.iter().map(|fault| (fault.attr, fault.code)).collect();
        assert_eq!(told, [(Some("d"), "invalid"), (Some("e"), "invalid"), (Some("f"), "max_length")]);
    }
}
