//! Reads a request body into a small tree, within bounds, and keeps each element's own words for dead properties.
//!
//! XML 1.0 and Namespaces in XML 1.0; RFC 4918 §4.3 (what of a dead property must be kept), §17 (what else may come).

use std::ops::Range;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::name::{Name, QName};
use super::scope::Scope;
use super::strict::{Fault, Malformed, allowed, characters, is_wide, ncname, spacing};

/// Elements may nest as deep as this.
const MAX_DEPTH: usize = 64;
/// A multiget names a few thousand resources; this is far beyond.
const MAX_ELEMENTS: usize = 50_000;
/// An element may have as many attributes, declarations of namespaces among them.
const MAX_ATTRIBUTES: usize = 64;

/// Local name and value.
type Attributes = Vec<(String, String)>;

/// An element of a request body.
#[derive(Clone, Debug)]
pub struct Element {
    name: QName,
    attributes: Attributes,
    text: String,
    children: Vec<Element>,
    scope: Arc<Scope>,
    span: Range<usize>,
}

impl Element {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &QName {
        &self.name
    }

    /// Whether this is its name.
    #[must_use]
    pub fn is(&self, name: Name) -> bool {
        self.name == name
    }

    /// The elements in it, in their order.
    pub fn children(&self) -> std::slice::Iter<'_, Self> {
        self.children.iter()
    }

    /// The first element of that name in it.
    #[must_use]
    pub fn child(&self, name: Name) -> Option<&Self> {
        self.all(name).next()
    }

    /// Every element of that name in it.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// Its own text, that of its CDATA sections among it, without that of the elements in it. Lines end in LF.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of its attribute of that name (in no namespace).
    #[must_use]
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attributes().find(|(name, _)| *name == local).map(|(_, value)| value)
    }

    /// Its attributes in no namespace: local names and values, in the order they stand in.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The language of its content: its own `xml:lang` or the nearest one around it (XML 1.0 §2.12).
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        self.scope.lang()
    }

    /// The element word for word, with prefixes, mixed content, comments and CDATA sections, as a text that stands for
    /// itself: what it inherited from the document (namespace bindings it uses, `xml:lang`) is declared on it.
    #[must_use]
    pub fn fragment(&self) -> String {
        self.scope.fragment(self.span.clone())
    }
}

/// Reads a document in UTF-8, or in UTF-16 with its mark.
///
/// # Errors
/// When it is not well-formed, not namespace-well-formed, has a document type or an entity of its own, or is beyond the
/// bounds: 64 levels, 200,000 elements, 64 attributes on an element.
pub fn parse(body: &[u8]) -> Result<Element, Malformed> {
    read(body, |_| ())
}

/// Reads a document whose root has any number of elements in it, as a multistatus has, and gives these one after the other. The
/// bounds hold for each of them.
///
/// # Errors
/// As [`parse`]; what came before has been given by then.
pub fn each(body: &[u8], mut take: impl FnMut(Element)) -> Result<Element, Malformed> {
    read(body, |tree| {
        if let [root] = &mut tree.open[..]
            && let Some(member) = root.children.pop()
        {
            tree.elements = 1;
            take(member);
        }
    })
}

/// Reads a document; `closed` is told of each end of an element.
fn read(body: &[u8], mut closed: impl FnMut(&mut Tree)) -> Result<Element, Malformed> {
    let document: Arc<str> = characters(body)?.as_ref().into();
    let mut reader = Reader::from_str(&document);
    reader.config_mut().check_comments = true;
    let mut tree = Tree::of(document.clone());
    loop {
        let at = position(&reader);
        let event = reader.read_event().map_err(|e| Fault::Syntax(e.to_string()).at(at))?;
        let end = position(&reader);
        match event {
            Event::Start(tag) => tree.open(&tag, at),
            Event::Empty(tag) => {
                tree.open(&tag, at).and_then(|()| tree.close(end)).map(|()| closed(&mut tree))
            }
            Event::End(_) => tree.close(end).map(|()| closed(&mut tree)),
            Event::Text(text) if text.contains("]]>") => Err(Fault::Misplaced("]]>")),
            Event::Text(text) => tree.text(&text.xml10_content()),
            Event::CData(section) => tree.section(&section.xml10_content()),
            Event::GeneralRef(reference) => {
                character(&reference).and_then(|c| tree.section(c.encode_utf8(&mut [0; 4])))
            }
            Event::Decl(declaration) => declared(&declaration, at, is_wide(body)),
            Event::PI(instruction) => instruct(instruction.target()),
            Event::DocType(_) => Err(Fault::DocumentType),
            Event::Comment(_) => Ok(()),
            Event::Eof => return tree.finish().map_err(|fault| fault.at(at)),
        }
        .map_err(|fault| fault.at(at))?;
    }
}

/// The tree as far as it is read.
struct Tree {
    outermost: Arc<Scope>,
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn of(document: Arc<str>) -> Self {
        Self { outermost: Arc::new(Scope::outermost(document)), open: Vec::new(), root: None, elements: 0 }
    }

    fn open(&mut self, tag: &BytesStart<'_>, at: usize) -> Result<(), Fault> {
        if self.root.is_some() {
            return Err(Fault::Misplaced("a second root element"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Fault::TooMany("levels of elements"));
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(Fault::TooMany("elements"));
        }
        let outer = self.open.last().map_or(&self.outermost, |parent| &parent.scope);
        let (scope, attributes) = attributes(tag, outer, at)?;
        let (prefix, local) = split(tag.name().0)?;
        let ns = scope.resolve(prefix).ok_or_else(|| Fault::Prefix(prefix.to_owned()))?;
        let name = QName { ns, local: local.to_owned().into() };
        self.open.push(Element {
            name,
            attributes,
            text: String::new(),
            children: Vec::new(),
            scope,
            span: at..at,
        });
        Ok(())
    }

    fn close(&mut self, end: usize) -> Result<(), Fault> {
        let mut element = self.open.pop().ok_or(Fault::Misplaced("an end tag"))?;
        element.span.end = end;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    /// Text in the element that is open; white space alone may stand outside the root.
    fn text(&mut self, text: &str) -> Result<(), Fault> {
        if self.open.is_empty() && text.bytes().all(|b| b.is_ascii_whitespace()) {
            return Ok(());
        }
        self.section(text)
    }

    /// Text that may stand nowhere but in an element.
    fn section(&mut self, text: &str) -> Result<(), Fault> {
        let parent = self.open.last_mut().ok_or(Fault::Misplaced("text outside the root element"))?;
        parent.text.push_str(text);
        Ok(())
    }

    fn finish(mut self) -> Result<Element, Fault> {
        match self.open.pop() {
            Some(element) => Err(Fault::Unclosed(element.name.to_string())),
            None => self.root.ok_or(Fault::Empty),
        }
    }
}

/// The scope of a start tag, and its attributes in no namespace. The others count only where they stand, in a fragment.
fn attributes(
    tag: &BytesStart<'_>,
    outer: &Arc<Scope>,
    at: usize,
) -> Result<(Arc<Scope>, Attributes), Fault> {
    let raw = tag.attributes_raw();
    if raw.is_empty() {
        return Ok((outer.clone(), Vec::new()));
    }
    spacing(raw)?;
    let (mut scope, mut plain, mut prefixed) = (Scope::inside(outer, at), Vec::new(), Vec::new());
    for (count, attribute) in tag.attributes().enumerate() {
        if count >= MAX_ATTRIBUTES {
            return Err(Fault::TooMany("attributes"));
        }
        let attribute = attribute.map_err(|e| Fault::Attribute(e.to_string()))?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| Fault::Attribute(e.to_string()))?;
        if let Some(c) = value.chars().find(|c| !allowed(*c)) {
            return Err(Fault::Character(c.into()));
        }
        match split(attribute.key.0)? {
            ("", "xmlns") => scope.bind("", value)?,
            ("xmlns", prefix) => scope.bind(prefix, value)?,
            ("", local) => plain.push((local.to_owned(), value.into_owned())),
            ("xml", "lang") => scope.speak(value.into_owned()),
            (prefix, local) => prefixed.push((prefix.to_owned(), local.to_owned())),
        }
    }
    distinct(&prefixed, &scope)?;
    Ok((if scope.is_idle() { outer.clone() } else { Arc::new(scope) }, plain))
}

/// Prefixed attributes have declared prefixes, and no two of them the same name (Namespaces in XML 1.0 §6.3).
fn distinct(prefixed: &[(String, String)], scope: &Scope) -> Result<(), Fault> {
    let mut seen = Vec::with_capacity(prefixed.len());
    for (prefix, local) in prefixed {
        let ns = scope.resolve(prefix).ok_or_else(|| Fault::Prefix(prefix.clone()))?;
        if seen.contains(&(ns.clone(), local)) {
            return Err(Fault::Attribute("it is there twice".to_owned()));
        }
        seen.push((ns, local));
    }
    Ok(())
}

/// Prefix ("" = none) and local part of a name.
fn split(name: &str) -> Result<(&str, &str), Fault> {
    match name.split_once(':') {
        Some((prefix, local)) => ncname(prefix).and(ncname(local)).map(|()| (prefix, local)),
        None => ncname(name).map(|()| ("", name)),
    }
}

/// The character a reference stands for.
fn character(reference: &BytesRef<'_>) -> Result<char, Fault> {
    let number = reference.resolve_char_ref().map_err(|_| Fault::Entity(reference.to_string()))?;
    match (number, &**reference) {
        (Some(c), _) if allowed(c) => Ok(c),
        (Some(c), _) => Err(Fault::Character(c.into())),
        (None, "amp") => Ok('&'),
        (None, "lt") => Ok('<'),
        (None, "gt") => Ok('>'),
        (None, "quot") => Ok('"'),
        (None, "apos") => Ok('\''),
        (None, other) => Err(Fault::Entity(other.to_owned())),
    }
}

/// An XML declaration stands first and names no other encoding than that of the document.
fn declared(declaration: &BytesDecl<'_>, at: usize, wide: bool) -> Result<(), Fault> {
    if at != 0 {
        return Err(Fault::Misplaced("an XML declaration"));
    }
    declaration.xml_version().map_err(|e| Fault::Syntax(e.to_string()))?;
    let known: &[&str] = if wide { &["utf-16"] } else { &["utf-8", "us-ascii"] };
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if known.iter().any(|known| name.eq_ignore_ascii_case(known)) => Ok(()),
        Some(Ok(name)) => Err(Fault::Encoding(name.into_owned())),
        Some(Err(e)) => Err(Fault::Syntax(e.to_string())),
    }
}

/// A processing instruction has a target that is a name and not `xml` (XML 1.0 §2.6).
fn instruct(target: &str) -> Result<(), Fault> {
    ncname(target)?;
    if target.eq_ignore_ascii_case("xml") { Err(Fault::Misplaced("an XML declaration")) } else { Ok(()) }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{each, parse};
    use crate::xml::{Name, QName};

    #[test]
    fn a_request_is_read_by_namespace_whatever_its_prefixes() {
        let body = br#"<?xml version="1.0" encoding="utf-8"?>
            <propfind xmlns="DAV:" xmlns:x="urn:ietf:params:xml:ns:caldav"><prop>
              <displayname/><x:calendar-data content-type='text/calendar'/><y xmlns=""/><displayname/>
            </prop></propfind>"#;
        let ask = parse(body).unwrap();
        assert!(ask.is(Name::dav("propfind")));
        let prop = ask.child(Name::dav("prop")).unwrap();
        let names: Vec<_> = prop.children().map(|e| e.name().clone()).collect();
        assert_eq!(names[0], Name::dav("displayname"));
        assert_eq!(names[1], Name::cal("calendar-data"));
        assert_eq!(names[2], QName::new("", "y"));
        assert_eq!(
            prop.child(Name::cal("calendar-data")).unwrap().attribute("content-type"),
            Some("text/calendar")
        );
        assert_eq!(prop.all(Name::dav("displayname")).count(), 2);
    }

    #[test]
    fn a_long_document_is_given_element_by_element() {
        let one = "<r><a/><b><c>x</c></b></r>";
        let long = format!("<m xmlns='DAV:'>{}<last/></m>", one.repeat(40_000));
        assert!(parse(long.as_bytes()).is_err(), "far too much at once");
        let (mut count, mut last) = (0, String::new());
        let root = each(long.as_bytes(), |member| {
            count += 1;
            last = member.fragment();
        });
        assert_eq!((count, last.as_str()), (40_001, "<last xmlns=\"DAV:\"/>"));
        let root = root.unwrap();
        assert!(root.is(Name::dav("m")) && root.children().count() == 0);
        let mut seen = 0;
        assert!(each(b"<m><a/><b></m>", |_| seen += 1).is_err() && seen == 1);
        let wide = format!("<m><a>{}</a></m>", "<x/>".repeat(60_000));
        assert!(each(wide.as_bytes(), |_| ()).is_err(), "one of them is too much");
    }

    #[test]
    fn text_is_what_the_author_meant() {
        let element =
            parse("<a> x&amp;y&#x41;&#13;\r\n<![CDATA[<b> & \r\n]]><!-- no --><c>in</c>ü </a>".as_bytes())
                .unwrap();
        assert_eq!(element.text(), " x&yA\r\n<b> & \nü ");
    }

    #[test]
    fn language_is_inherited_until_it_is_taken_back() {
        let root = parse(br#"<a xml:lang="de"><b/><c xml:lang="fr"><d/></c><e xml:lang=""/></a>"#).unwrap();
        let lang = |local: &str| root.children().find(|e| e.name().local == local).unwrap().lang();
        assert_eq!((lang("b"), lang("c"), lang("e")), (Some("de"), Some("fr"), None));
    }
}
