//! What an element inherits: the namespace bindings and the language in scope (Namespaces in XML 1.0 §6, XML 1.0 §2.12).

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::name::Ns;
use super::strict::Fault;
use super::writer::Writer;

/// The namespace of the prefix `xml`, bound in every document.
const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of the prefix `xmlns`, which no document may name.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// As many bindings may be in scope at once.
const MAX_BINDINGS: usize = 128;
/// How long the name of a namespace may be: an answer may repeat it often.
const MAX_NAMESPACE: usize = 1024;

/// The bindings and the language one start tag declares, upon those around it.
#[derive(Debug)]
pub(super) struct Scope {
    document: Arc<str>,
    outer: Option<Arc<Scope>>,
    /// Where the start tag that declares them begins.
    at: usize,
    /// Prefix ("" = the default) and namespace ("" = none).
    bindings: Vec<(String, Cow<'static, str>)>,
    /// How many bindings there are, here and around.
    depth: usize,
    lang: Option<String>,
}

impl Scope {
    /// The scope around the root element of `document`.
    pub(super) fn outermost(document: Arc<str>) -> Self {
        Self { document, outer: None, at: usize::MAX, bindings: Vec::new(), depth: 0, lang: None }
    }

    /// A scope for the start tag at `at`, still empty.
    pub(super) fn inside(outer: &Arc<Self>, at: usize) -> Self {
        let (document, outer, depth) = (outer.document.clone(), Some(outer.clone()), outer.depth);
        Self { document, outer, at, bindings: Vec::new(), depth, lang: None }
    }

    /// Binds `prefix` ("" = the default) to the namespace `uri`.
    pub(super) fn bind(&mut self, prefix: &str, uri: Cow<'_, str>) -> Result<(), Fault> {
        let reserved = prefix == "xmlns" || uri == XMLNS || (prefix == "xml") != (uri == XML);
        let undone = uri.is_empty() && !prefix.is_empty();
        if reserved || undone {
            return Err(Fault::Declaration(prefix.to_owned()));
        }
        if uri.len() > MAX_NAMESPACE {
            return Err(Fault::TooMany("characters in the name of a namespace"));
        }
        self.depth += 1;
        if self.depth > MAX_BINDINGS {
            return Err(Fault::TooMany("namespace declarations"));
        }
        let uri =
            Ns::of(&uri).map_or_else(|| Cow::Owned(uri.into_owned()), |known| Cow::Borrowed(known.uri()));
        self.bindings.push((prefix.to_owned(), uri));
        Ok(())
    }

    /// Says that the content is in the language `tag`; empty = in none that is known.
    pub(super) fn speak(&mut self, tag: String) {
        self.lang = Some(tag);
    }

    /// Whether the start tag declares nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.bindings.is_empty() && self.lang.is_none()
    }

    /// The namespace `prefix` stands for; `None` when nothing declares it. The empty prefix is always declared.
    pub(super) fn resolve(&self, prefix: &str) -> Option<Cow<'static, str>> {
        if prefix == "xml" {
            return Some(Cow::Borrowed(XML));
        }
        let bound =
            self.outwards().flat_map(|s| &s.bindings).find(|(p, _)| p == prefix).map(|(_, uri)| uri.clone());
        bound.or_else(|| prefix.is_empty().then_some(Cow::Borrowed("")))
    }

    /// The language in scope.
    pub(super) fn lang(&self) -> Option<&str> {
        self.outwards().find_map(|s| s.lang.as_deref()).filter(|tag| !tag.is_empty())
    }

    /// The element at `span`, whose scope this is, as a document of its own: verbatim but for what it inherits, which its
    /// start tag now declares.
    pub(super) fn fragment(&self, span: Range<usize>) -> String {
        let at = span.start;
        let source = self.document.get(span).unwrap_or_default();
        let name_ends =
            source.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).unwrap_or(source.len());
        let (head, rest) = source.split_at(name_ends);
        let mut out = Writer::fragment();
        out.raw(head);
        let mut seen: Vec<&str> = Vec::new();
        for (own, prefix, uri) in
            self.outwards().flat_map(|s| s.bindings.iter().map(move |(p, u)| (s.at == at, p, u)))
        {
            if seen.contains(&prefix.as_str()) {
                continue;
            }
            seen.push(prefix);
            if own || uri.is_empty() || !uses(source, prefix) {
                continue;
            }
            out.raw(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            out.raw(prefix);
            out.value(uri);
        }
        if let Some(tag) = self.lang()
            && !(self.at == at && self.lang.is_some())
        {
            out.raw(" xml:lang");
            out.value(tag);
        }
        out.raw(rest);
        out.into_string()
    }

    /// This scope and those around it, the nearest first.
    fn outwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |scope| scope.outer.as_deref())
    }
}

/// Whether `source` may name the prefix, in a tag or as a qualified name in a value. A needless yes does no harm.
fn uses(source: &str, prefix: &str) -> bool {
    if prefix.is_empty() {
        return source.split('<').skip(1).any(|tag| {
            let name = tag.split(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')).next();
            name.is_some_and(|n| !n.is_empty() && !n.starts_with(['!', '?']) && !n.contains(':'))
        });
    }
    source.match_indices(prefix).any(|(at, found)| source[at + found.len()..].starts_with(':'))
}
