//! Writes answers: a stream of tags and text that is well-formed whatever the text holds.
//!
//! XML 1.0 §2.2, §2.4 and §2.11: `&`, `<`, `>` are escaped; so is CR, which a reader would otherwise turn into LF inside
//! calendar data; characters that XML forbids are dropped. Hot: a listing of 100,000 resources goes through here.

use bytes::Bytes;
use memchr::{memchr_iter, memmem};

use super::name::{Name, Ns, QName};
use super::strict::allowed;

/// A document, or a fragment, in the making.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    root: Option<Name>,
}

impl Writer {
    /// A document whose root element is `root`, which declares every namespace the server knows.
    #[must_use]
    pub fn new(root: Name) -> Self {
        let mut writer = Self { out: String::with_capacity(1024), root: Some(root) };
        writer.out.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n");
        writer.out.push_str(root.ns.opening());
        writer.out.push_str(root.local);
        for ns in Ns::ALL {
            writer.out.push_str(" xmlns:");
            writer.out.push_str(ns.prefix());
            writer.value(ns.uri());
        }
        writer.out.push('>');
        writer
    }

    /// A piece to be put into a document later with [`raw`](Self::raw).
    #[must_use]
    pub fn fragment() -> Self {
        Self::default()
    }

    /// `<D:local>`
    pub fn open(&mut self, name: Name) {
        self.tag(name);
        self.out.push('>');
    }

    /// `<D:local a="b">`
    pub fn open_with(&mut self, name: Name, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.out.push('>');
    }

    /// `</D:local>`
    pub fn close(&mut self, name: Name) {
        self.out.push_str(name.ns.closing());
        self.out.push_str(name.local);
        self.out.push('>');
    }

    /// `<D:local/>`
    pub fn empty(&mut self, name: Name) {
        self.tag(name);
        self.out.push_str("/>");
    }

    /// `<D:local a="b"/>`
    pub fn empty_with(&mut self, name: Name, attributes: &[(&str, &str)]) {
        self.start(name, attributes);
        self.out.push_str("/>");
    }

    /// An empty element of any name, with its namespace declared on it where the root does not.
    pub fn empty_owned(&mut self, name: &QName) {
        self.out.push('<');
        if let Some(ns) = Ns::of(&name.ns) {
            self.out.push_str(ns.prefix());
            self.out.push(':');
        }
        self.out.push_str(&name.local);
        if !name.ns.is_empty() && Ns::of(&name.ns).is_none() {
            self.out.push_str(" xmlns");
            self.value(&name.ns);
        }
        self.out.push_str("/>");
    }

    /// What `content` writes, inside of an element of any name.
    pub fn wrap_owned(&mut self, name: &QName, content: impl FnOnce(&mut Self)) {
        let mark = self.out.len();
        self.empty_owned(name);
        self.out.truncate(self.out.len() - "/>".len());
        self.out.push('>');
        let tag = self.out[mark + 1..].split([' ', '>']).next().unwrap_or_default().to_owned();
        content(self);
        self.out.push_str("</");
        self.out.push_str(&tag);
        self.out.push('>');
    }

    /// `<D:local>text</D:local>`
    pub fn element(&mut self, name: Name, text: &str) {
        self.open(name);
        self.text(text);
        self.close(name);
    }

    /// `<D:local>`, what `content` writes, `</D:local>`
    pub fn inside<T>(&mut self, name: Name, content: impl FnOnce(&mut Self) -> T) -> T {
        self.open(name);
        let value = content(self);
        self.close(name);
        value
    }

    /// Text, escaped.
    pub fn text(&mut self, text: &str) {
        escape(&mut self.out, text, TEXT);
    }

    /// Text of lines that end in CRLF, each CR left out: a reader makes LF of the two anyway (XML 1.0 §2.11). A CR that
    /// stands alone is kept.
    pub fn lines(&mut self, text: &str) {
        let mut start = 0;
        if is_plain_lines(text.as_bytes()) {
            for end in memchr_iter(b'\r', text.as_bytes()) {
                self.out.push_str(&text[start..end]);
                start = end + 1;
                if !text[start..].starts_with('\n') {
                    self.out.push_str("&#13;");
                }
            }
            return self.out.push_str(&text[start..]);
        }
        for end in memmem::find_iter(text.as_bytes(), "\r\n") {
            self.text(&text[start..end]);
            self.out.push('\n');
            start = end + 2;
        }
        self.text(&text[start..]);
    }

    /// What is escaped already: stored fragments, rendered answers.
    pub fn raw(&mut self, xml: &str) {
        self.out.push_str(xml);
    }

    /// How many octets were written since the last [`take`](Self::take).
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written since the last [`take`](Self::take).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// Takes back what was written since [`len`](Self::len) was `mark`; nothing may have been taken in between.
    pub fn rewind(&mut self, mark: usize) {
        self.out.truncate(mark);
    }

    /// Hands over what was written since the last call, for an answer that is sent while it is made.
    #[must_use]
    pub fn take(&mut self) -> Bytes {
        let room = self.out.capacity();
        Bytes::from(std::mem::replace(&mut self.out, String::with_capacity(room)))
    }

    /// Closes the root element and hands over what is left.
    #[must_use]
    pub fn finish(self) -> Bytes {
        Bytes::from(self.into_string())
    }

    /// Closes the root element, if there is one, and hands over the text that is left.
    #[must_use]
    pub fn into_string(mut self) -> String {
        if let Some(root) = self.root {
            self.close(root);
        }
        self.out
    }

    /// `="value"`
    pub(super) fn value(&mut self, value: &str) {
        self.out.push_str("=\"");
        escape(&mut self.out, value, VALUE);
        self.out.push('"');
    }

    /// The beginning of a start tag, with the namespace that the root does not declare.
    fn tag(&mut self, name: Name) {
        self.out.push_str(name.ns.opening());
        self.out.push_str(name.local);
        if name.ns == Ns::MobileMe {
            self.out.push_str(" xmlns:");
            self.out.push_str(name.ns.prefix());
            self.value(name.ns.uri());
        }
    }

    fn start(&mut self, name: Name, attributes: &[(&str, &str)]) {
        self.tag(name);
        for (local, value) in attributes {
            self.out.push(' ');
            self.out.push_str(local);
            self.value(value);
        }
    }
}

/// Where escaped text goes: one bit each in [`CLASSES`].
const TEXT: u8 = 1;
const VALUE: u8 = 2;

/// Which octets cannot be copied as they are, in text and in attribute values. 0xEF begins U+FFFE and U+FFFF.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut octet = 0;
    while octet < 0x20 {
        classes[octet] = TEXT | VALUE;
        octet += 1;
    }
    classes[b'\t' as usize] = VALUE;
    classes[b'\n' as usize] = VALUE;
    classes[b'&' as usize] = TEXT | VALUE;
    classes[b'<' as usize] = TEXT | VALUE;
    classes[b'>' as usize] = TEXT | VALUE;
    classes[b'"' as usize] = VALUE;
    classes[0xef] = TEXT | VALUE;
    classes
};

fn escape(out: &mut String, text: &str, class: u8) {
    if is_plain(text.as_bytes()) {
        return out.push_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|octet| CLASSES[usize::from(octet)] & class != 0) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\r') => out.push_str("&#13;"),
            Some('\n') => out.push_str("&#10;"),
            Some('\t') => out.push_str("&#9;"),
            Some(c) if allowed(c) => out.push(c),
            Some(_) | None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
}

/// Whether no octet is of any class, as in most lines: without a branch, so that the compiler looks at many of them at once.
fn is_plain(octets: &[u8]) -> bool {
    let mut special = 0;
    for octet in octets {
        let sign = u8::from(octet | 2 == b'>') | u8::from(octet & !4 == b'"');
        special |= u8::from(*octet < 0x20) | sign | u8::from(*octet == 0xef);
    }
    special == 0
}

/// The same of text, in lines.
fn is_plain_lines(octets: &[u8]) -> bool {
    let mut special = 0;
    for octet in octets {
        let control = u8::from(*octet < 0x20) & u8::from(*octet != b'\r') & u8::from(*octet != b'\n');
        special |=
            control | u8::from(octet | 2 == b'>') | u8::from(*octet == b'&') | u8::from(*octet == 0xef);
    }
    special == 0
}

#[cfg(test)]
mod tests {
    use super::Writer;
    use crate::xml::{Name, QName, parse};

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::fragment();
        write(&mut writer);
        writer.into_string()
    }

    #[test]
    fn what_is_plain_is_of_no_class() {
        for octet in 0..=u8::MAX {
            let among = |at: usize| [&[b'x'; 40][..at], &[octet], &[b'x'; 40]].concat();
            let expected = super::CLASSES[usize::from(octet)] == 0;
            assert!([0, 7, 40].iter().all(|at| super::is_plain(&among(*at)) == expected), "{octet}");
        }
    }

    #[test]
    fn plain_lines_are_written_as_all_others() {
        for octet in (0..=u8::MAX).filter(u8::is_ascii) {
            for text in
                ["BEGIN:\r\nX:@\r\nEND:\r\n", "@", "\r@", "\r\n@\n\r\r\n", "@\u{ef}\u{fffe}\u{ff21}\r\n"]
            {
                let text = text.replace('@', char::from(octet).encode_utf8(&mut [0; 4]));
                let expected = written(|w| w.text(&text)).replace("&#13;\n", "\n");
                assert_eq!(written(|w| w.lines(&text)), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn an_answer_declares_its_namespaces_once() {
        let mut w = Writer::new(Name::dav("multistatus"));
        w.inside(Name::dav("response"), |w| {
            w.element(Name::dav("href"), "/a&b/");
            w.empty_with(Name::cal("comp"), &[("name", "VEVENT")]);
        });
        let body = w.finish();
        let text = std::str::from_utf8(&body).unwrap();
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<D:multistatus xmlns:D=\"DAV:\" \
             xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:CS=\"http://calendarserver.org/ns/\" \
             xmlns:A=\"http://apple.com/ns/ical/\" xmlns:K=\"urn:x-kalends\"><D:response><D:href>/a&amp;b/</D:href>\
             <C:comp name=\"VEVENT\"/></D:response></D:multistatus>"
        );
        assert!(parse(&body).is_ok());
    }

    #[test]
    fn text_is_escaped_and_carriage_returns_survive() {
        assert_eq!(written(|w| w.text("a<b>&\"c\"\r\nd\te")), "a&lt;b&gt;&amp;\"c\"&#13;\nd\te");
        let body = written(|w| w.element(Name::cal("calendar-data"), "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"));
        assert_eq!(body, "<C:calendar-data>BEGIN:VCALENDAR&#13;\nEND:VCALENDAR&#13;\n</C:calendar-data>");
    }

    #[test]
    fn forbidden_characters_are_dropped_and_their_neighbours_are_not() {
        assert_eq!(
            written(|w| w.text("a\0b\u{b}c\u{1f}d\u{fffe}e\u{ffff}f\u{feff}\u{fffd}\u{ff21}")),
            "abcdef\u{feff}\u{fffd}\u{ff21}"
        );
    }

    #[test]
    fn values_of_attributes_keep_their_white_space() {
        let tag = written(|w| w.open_with(Name::dav("x"), &[("a", "\"<\t\r\n'"), ("b", "")]));
        assert_eq!(tag, "<D:x a=\"&quot;&lt;&#9;&#13;&#10;'\" b=\"\">");
    }

    #[test]
    fn an_unknown_name_brings_its_namespace_along() {
        assert_eq!(written(|w| w.empty_owned(&QName::new("DAV:", "x"))), "<D:x/>");
        assert_eq!(written(|w| w.empty_owned(&QName::new("", "x"))), "<x/>");
        let rare = "<MM:x xmlns:MM=\"http://me.com/_namespace/\"></MM:x>";
        assert_eq!(written(|w| w.element(Name::mm("x"), "")), rare);
        assert_eq!(written(|w| w.empty_owned(&QName::new("urn:\"&", "x"))), "<x xmlns=\"urn:&quot;&amp;\"/>");
    }

    #[test]
    fn taking_leaves_the_rest_to_come() {
        let mut w = Writer::new(Name::dav("error"));
        w.empty(Name::dav("valid-sync-token"));
        let first = w.take();
        assert!(first.ends_with(b"<D:valid-sync-token/>"));
        assert!(w.is_empty());
        w.text("x");
        assert_eq!(w.len(), 1);
        assert_eq!(&w.finish()[..], b"x</D:error>");
    }
}
