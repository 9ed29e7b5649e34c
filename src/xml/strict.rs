//! What a document is refused for, and the checks that `quick_xml` leaves to its user.
//!
//! XML 1.0 §2.2 (characters), §2.3 (names), §3.1 (tags); Namespaces in XML 1.0 §3. A stored fragment is sent out again
//! word for word, so whatever is let in here must be well-formed to the letter.

use std::borrow::Cow;
use std::fmt;

/// Why a body is not a document the server reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// The octet of the body (without a byte order mark) at which it was seen.
    pub at: usize,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at octet {})", self.fault, self.at)
    }
}

impl std::error::Error for Malformed {}

/// What may be wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no root element.
    Empty,
    /// The octets are neither UTF-8 nor UTF-16.
    NotUtf8,
    /// The declaration names another encoding.
    Encoding(String),
    /// A character that XML 1.0 forbids, also when written as a reference.
    Character(u32),
    /// A document type: it could declare entities and defaults.
    DocumentType,
    /// A reference to an entity that is not one of the five predefined ones.
    Entity(String),
    /// A name that is none, or has more than one colon.
    Name(String),
    /// A prefix that nothing declares.
    Prefix(String),
    /// A declaration of a prefix that no document may make.
    Declaration(String),
    /// An attribute that is not well-formed, or there twice.
    Attribute(String),
    /// `]]>` in text, or text, a section or a second root element outside the root element.
    Misplaced(&'static str),
    /// The document ends inside this element.
    Unclosed(String),
    /// More of something than anyone needs.
    TooMany(&'static str),
    /// The grammar of XML is broken in another way.
    Syntax(String),
}

impl Fault {
    /// This fault, seen at that octet.
    pub(super) fn at(self, at: usize) -> Malformed {
        Malformed { fault: self, at }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the XML document has no root element"),
            Self::NotUtf8 => f.write_str("the XML document is neither UTF-8 nor UTF-16"),
            Self::Encoding(name) => {
                write!(f, "the XML encoding {name} is not supported, or not what came; send UTF-8")
            }
            Self::Character(code) => write!(f, "the character U+{code:04X} is forbidden in XML"),
            Self::DocumentType => f.write_str("a document type declaration is not accepted"),
            Self::Entity(name) => write!(f, "the entity &{name}; is not declared"),
            Self::Name(name) => write!(f, "{name:?} is not a name"),
            Self::Prefix(prefix) => write!(f, "the namespace prefix {prefix} is not declared"),
            Self::Declaration(prefix) => write!(f, "the namespace prefix {prefix} cannot be declared so"),
            Self::Attribute(why) => write!(f, "an attribute is not well-formed: {why}"),
            Self::Misplaced(what) => write!(f, "{what} where it is not allowed"),
            Self::Unclosed(name) => write!(f, "the document ends inside the element {name}"),
            Self::TooMany(what) => write!(f, "the document has too many {what}"),
            Self::Syntax(why) => write!(f, "the XML is not well-formed: {why}"),
        }
    }
}

/// Whether the body is UTF-16: then it says so by its byte order mark (XML 1.0 §4.3.3).
pub(super) fn is_wide(body: &[u8]) -> bool {
    body.starts_with(&[0xfe, 0xff]) || body.starts_with(&[0xff, 0xfe])
}

/// The body as text without its byte order mark, made of nothing but characters that XML allows.
pub(super) fn characters(body: &[u8]) -> Result<Cow<'_, str>, Malformed> {
    let text = if is_wide(body) {
        Cow::Owned(wide(body).ok_or(Fault::NotUtf8.at(0))?)
    } else {
        let text = std::str::from_utf8(body).map_err(|e| Fault::NotUtf8.at(e.valid_up_to()))?;
        Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text))
    };
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        Some((at, c)) => Err(Fault::Character(c.into()).at(at)),
        None => Ok(text),
    }
}

/// The text of whole, well-paired units of UTF-16 behind their mark.
fn wide(body: &[u8]) -> Option<String> {
    let unit = if body[0] == 0xfe { u16::from_be_bytes } else { u16::from_le_bytes };
    let (units, rest) = body[2..].as_chunks();
    let text = char::decode_utf16(units.iter().map(|pair| unit(*pair))).collect::<Result<_, _>>().ok();
    text.filter(|_| rest.is_empty())
}

/// Whether XML 1.0 allows the character (§2.2 `Char`).
pub(super) const fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

/// The name is an `NCName`: a name without a colon.
pub(super) fn ncname(name: &str) -> Result<(), Fault> {
    let mut chars = name.chars();
    if chars.next().is_some_and(starts_name) && chars.all(continues_name) {
        Ok(())
    } else {
        Err(Fault::Name(name.to_owned()))
    }
}

/// Between the attributes of a start tag there is white space, and no `<` in their values (§3.1).
pub(super) fn spacing(attributes: &str) -> Result<(), Fault> {
    let mut quote = None;
    let mut after_value = false;
    for byte in attributes.bytes() {
        match quote {
            Some(open) if byte == open => (quote, after_value) = (None, true),
            Some(_) if byte == b'<' => return Err(Fault::Attribute("'<' in a value".to_owned())),
            Some(_) => {}
            None if after_value && !byte.is_ascii_whitespace() => {
                return Err(Fault::Attribute("no white space before it".to_owned()));
            }
            None => {
                after_value = false;
                quote = matches!(byte, b'"' | b'\'').then_some(byte);
            }
        }
    }
    Ok(())
}

/// §2.3 `NameStartChar` without the colon.
const fn starts_name(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// §2.3 `NameChar` without the colon.
const fn continues_name(c: char) -> bool {
    starts_name(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::{Fault, characters, ncname, spacing};

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(characters(b"\xef\xbb\xbf<a/>"), Ok("<a/>".into()));
    }

    #[test]
    fn control_characters_and_non_characters_are_refused_where_they_stand() {
        assert_eq!(characters(b"<a>\x01</a>"), Err(Fault::Character(1).at(3)));
        assert_eq!(characters("<a>\u{ffff}</a>".as_bytes()), Err(Fault::Character(0xffff).at(3)));
        assert_eq!(characters(b"\xff\xfe<\0a\0\x3d\xd8\x00\xde"), Ok("<a\u{1f600}".into()));
        assert_eq!(characters(b"\xfe\xff\0<\0a"), Ok("<a".into()));
        for broken in [&b"\xff\xfe<\0a"[..], b"\xff\xfe\x3d\xd8a\0", b"\xfe\xff\xde\x00\0a"] {
            assert_eq!(characters(broken), Err(Fault::NotUtf8.at(0)));
        }
        assert_eq!(characters(b"\xff\xfe\x01\0"), Err(Fault::Character(1).at(0)));
        assert_eq!(characters("\t\r\n \u{85}\u{1f600}".as_bytes()), Ok("\t\r\n \u{85}\u{1f600}".into()));
    }

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "_", "schedule-tag", "max.1", "größe", "\u{1f600}"] {
            assert_eq!(ncname(good), Ok(()));
        }
        for bad in ["", "1a", "-a", "a b", "a:b", "a$", "a=", "\u{d7}"] {
            assert_eq!(ncname(bad), Err(Fault::Name(bad.to_owned())));
        }
    }

    #[test]
    fn attributes_stand_apart() {
        assert_eq!(spacing(" a=\"1\" b='\"' "), Ok(()));
        assert!(spacing(" a=\"1\"b='2'").is_err());
        assert!(spacing(" a=\"<\"").is_err());
    }
}
