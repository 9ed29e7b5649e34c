//! XML by its meaning: what must agree between an expected answer and the one that came.

use std::collections::BTreeMap;

use kalends::xml::{Element, Name, Ns, QName, parse};

use super::pattern::{Captures, agrees, unfill};

/// Elements whose children are a set: their order says nothing.
const SETS: &[Name] = &[
    Name::dav("multistatus"),
    Name::dav("prop"),
    Name::dav("resourcetype"),
    Name::dav("supported-report-set"),
    Name::dav("supported-method-set"),
    Name::dav("current-user-privilege-set"),
    Name::dav("supported-privilege-set"),
    Name::dav("privilege"),
    Name::dav("principal-collection-set"),
    Name::dav("group-member-set"),
    Name::dav("group-membership"),
    Name::cal("supported-calendar-component-set"),
    Name::cal("supported-calendar-data"),
    Name::cal("supported-collation-set"),
    Name::cal("calendar-user-address-set"),
    Name::cs("email-address-set"),
];

/// An element without its accidents: prefixes, white space between elements, comments.
#[derive(Clone, Debug)]
pub struct Node {
    name: QName,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Node>,
    /// Children that are not written here may be there too.
    open: bool,
}

/// The answer that came.
pub fn answered(body: &[u8]) -> Result<Node, String> {
    parse(body).map(|root| Node::of(&root, None, false)).map_err(|e| format!("the answer is not XML: {e}"))
}

/// The answer as a transcript writes it; the usual prefixes need no declaration there.
pub fn expected(body: &str) -> Result<Node, String> {
    let name_ends = body.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(body.len());
    let mut text = body[..name_ends].to_owned();
    for ns in Ns::ALL {
        let declaration = format!(" xmlns:{}=", ns.prefix());
        if !body.contains(&declaration) {
            text.extend([&declaration, "\"", ns.uri(), "\""]);
        }
    }
    text.push_str(&body[name_ends..]);
    parse(text.as_bytes())
        .map(|root| Node::of(&root, None, true))
        .map_err(|e| format!("the expectation is not XML: {e}"))
}

impl Node {
    fn of(element: &Element, around: Option<&str>, expected: bool) -> Self {
        let lang = element.lang();
        let mut children: Vec<Self> =
            element.children().map(|child| Self::of(child, lang, expected)).collect();
        if element.is(Name::dav("response")) {
            order_propstats(&mut children);
        }
        let text = element.text();
        let text = if !children.is_empty() || text.trim().is_empty() { text.trim() } else { text };
        let open = expected && !children.is_empty() && text == "{*}";
        let text = if open { String::new() } else { text.to_owned() };
        let mut attributes: BTreeMap<_, _> =
            element.attributes().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if let Some(tag) = lang.filter(|tag| around != Some(tag)) {
            attributes.insert("xml:lang".to_owned(), tag.to_owned());
        }
        Self { name: element.name().clone(), attributes, text, children, open }
    }

    /// Whether `actual` is what this says.
    pub fn agrees(&self, actual: &Self, captures: &mut Captures) -> bool {
        if self.name != actual.name {
            return false;
        }
        if self.children.is_empty() && self.text == "{*}" {
            return true;
        }
        let mut trial = captures.clone();
        let attributes = self.attributes.len() == actual.attributes.len()
            && self.attributes.iter().all(|(name, value)| {
                actual.attributes.get(name).is_some_and(|other| agrees(value, other, &mut trial))
            });
        let agreed = attributes
            && agrees(&self.text, &actual.text, &mut trial)
            && self.children_agree(actual, &mut trial);
        if agreed {
            *captures = trial;
        }
        agreed
    }

    fn children_agree(&self, actual: &Self, captures: &mut Captures) -> bool {
        let mut left: Vec<&Self> = actual.children.iter().collect();
        let set = self.is_set();
        for child in &self.children {
            let found = if set || self.open {
                left.iter().position(|other| child.agrees(other, captures))
            } else {
                left.first().filter(|other| child.agrees(other, captures)).map(|_| 0)
            };
            match found {
                Some(at) => drop(left.remove(at)),
                None => return false,
            }
        }
        self.open || left.is_empty()
    }

    /// The element on as many lines as it has parts, sets in the order of their names, as a transcript can hold it.
    pub fn render(&self) -> String {
        let mut out = String::new();
        self.render_into(&mut out, 0);
        out
    }

    fn render_into(&self, out: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        let (tag, declaration) = match Ns::of(&self.name.ns) {
            Some(ns) => (format!("{}:{}", ns.prefix(), self.name.local), String::new()),
            None if self.name.ns.is_empty() => (self.name.local.to_string(), String::new()),
            None => (format!("x:{}", self.name.local), format!(" xmlns:x=\"{}\"", escape(&self.name.ns))),
        };
        out.extend([&indent, "<", &tag, &declaration]);
        for (name, value) in &self.attributes {
            out.extend([" ", name, "=\"", &escape(value), "\""]);
        }
        let text = escape(&self.text);
        if self.children.is_empty() {
            let rest =
                if text.is_empty() { "/>\n".to_owned() } else { [">", &text, "</", &tag, ">\n"].concat() };
            out.push_str(&rest);
            return;
        }
        out.extend([">", &text, if self.open { "{*}" } else { "" }, "\n"]);
        let mut children: Vec<&Self> = self.children.iter().collect();
        if self.is_set() {
            children
                .sort_by_cached_key(|child| (child.rank(), child.name.local.to_string(), child.first_text()));
        }
        for child in children {
            child.render_into(out, depth + 1);
        }
        out.extend([&indent, "</", &tag, ">\n"]);
    }

    /// This, the expectation, changed as little as can be so that `actual` agrees with it.
    pub fn bless(&self, actual: &Self, captures: &mut Captures) -> Self {
        if self.agrees(actual, captures) {
            return self.clone();
        }
        let mut blessed = actual.named(captures);
        if self.name != actual.name {
            return blessed;
        }
        for (child, new) in actual.children.iter().zip(&mut blessed.children) {
            let twin = self.children.iter().filter(|old| old.name == child.name);
            if let Some(old) =
                twin.clone().find(|old| old.key() == child.key()).or_else(|| twin.clone().next())
            {
                *new = old.bless(child, captures);
            }
        }
        blessed
    }

    /// With the names of captured values for the values.
    fn named(&self, captures: &Captures) -> Self {
        let mut node = self.clone();
        node.text = unfill(&node.text, captures);
        node.children = self.children.iter().map(|child| child.named(captures)).collect();
        node
    }

    fn is_set(&self) -> bool {
        SETS.iter().any(|set| self.name == *set)
    }

    /// What tells siblings of one name apart: the href of a response, the status of a propstat.
    fn key(&self) -> &str {
        let names = [Name::dav("href"), Name::dav("status")];
        self.children.iter().find(|c| names.iter().any(|n| c.name == *n)).map_or("", |c| c.text.as_str())
    }

    /// Responses stand before what else is in a multistatus.
    fn rank(&self) -> u8 {
        u8::from(self.name != Name::dav("response"))
    }

    fn first_text(&self) -> String {
        self.children.first().map_or_else(|| self.text.clone(), Self::first_text)
    }
}

/// Puts the propstats of a response, among themselves, in the order of their status.
fn order_propstats(children: &mut [Node]) {
    let is_propstat = |node: &Node| node.name == Name::dav("propstat");
    let mut ordered: Vec<Node> = children.iter().filter(|c| is_propstat(c)).cloned().collect();
    ordered.sort_by(|a, b| a.key().cmp(b.key()));
    let places = children.iter_mut().filter(|c| is_propstat(c));
    places.zip(ordered).for_each(|(place, propstat)| *place = propstat);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\r', "&#13;")
}

#[cfg(test)]
mod tests {
    use super::{Captures, answered, expected};

    fn same(paper: &str, wire: &str) -> bool {
        expected(paper).unwrap().agrees(&answered(wire.as_bytes()).unwrap(), &mut Captures::new())
    }

    #[test]
    fn prefixes_order_of_sets_and_white_space_do_not_count() {
        let wire = "<m:multistatus xmlns:m='DAV:'><m:response><m:href>/b</m:href><m:propstat><m:prop/><m:status>404</m:status></m:propstat>\
            <m:propstat><m:prop><q xmlns='urn:q'/><m:displayname>B</m:displayname></m:prop><m:status>200</m:status></m:propstat></m:response>\
            <m:response><m:href>/a</m:href><m:status>404</m:status></m:response></m:multistatus>";
        let paper = "<D:multistatus>
            <D:response><D:href>/a</D:href> <D:status>404</D:status></D:response>
            <D:response><D:href>/b</D:href>
              <D:propstat><D:prop><D:displayname>B</D:displayname><x:q xmlns:x='urn:q'/></D:prop><D:status>200</D:status></D:propstat>
              <D:propstat><D:prop/><D:status>404</D:status></D:propstat>
            </D:response></D:multistatus>";
        assert!(same(paper, wire));
        assert!(!same(&paper.replace(">B<", ">C<"), wire));
        assert!(!same(&paper.replace("urn:q", "urn:p"), wire));
        assert!(!same(&paper.replace("<D:prop/>", "<D:prop><D:x/></D:prop>"), wire));
        assert!(!same("<D:multistatus/>", wire));
        assert!(same("<D:multistatus>{*}</D:multistatus>", wire));
        let one = "<D:multistatus>{*}<D:response><D:href>/a</D:href><D:status>404</D:status></D:response></D:multistatus>";
        assert!(same(one, wire));
        assert!(!same(one, &wire.replace("/a", "/c")));
    }

    #[test]
    fn an_open_set_may_hold_more_but_not_less() {
        let paper = "<D:prop>{*}<D:a/></D:prop>";
        assert!(same(paper, "<D:prop xmlns:D='DAV:'><D:b/><D:a/></D:prop>"));
        assert!(!same(paper, "<D:prop xmlns:D='DAV:'><D:b/></D:prop>"));
        assert!(!same("<D:prop><D:a/></D:prop>", "<D:prop xmlns:D='DAV:'><D:b/><D:a/></D:prop>"));
    }

    #[test]
    fn order_and_attributes_count_elsewhere() {
        assert!(!same("<D:x><D:a/><D:b/></D:x>", "<D:x xmlns:D='DAV:'><D:b/><D:a/></D:x>"));
        assert!(!same("<D:x a='1'/>", "<D:x xmlns:D='DAV:' a='2'/>"));
        assert!(!same("<D:x/>", "<D:x xmlns:D='DAV:' a='2'/>"));
        assert!(!same("<D:x xml:lang='de'/>", "<D:x xmlns:D='DAV:' xml:lang='fr'/>"));
    }

    #[test]
    fn a_carriage_return_that_is_no_line_end_counts() {
        let paper = "<C:calendar-data>BEGIN:VCALENDAR\nEND:VCALENDAR\n</C:calendar-data>";
        let wire = |end: &str| {
            let (open, close) =
                ("<C:calendar-data xmlns:C='urn:ietf:params:xml:ns:caldav'>", "</C:calendar-data>");
            format!("{open}BEGIN:VCALENDAR{end}END:VCALENDAR{end}{close}")
        };
        assert!(same(paper, &wire("\n")) && same(paper, &wire("\r\n")));
        assert!(!same(paper, &wire("&#13;\n")));
    }

    #[test]
    fn captures_hold_across_the_tree() {
        let paper = "<D:prop><D:a>{v}</D:a><D:b>{v}</D:b></D:prop>";
        assert!(same(paper, "<D:prop xmlns:D='DAV:'><D:b>1</D:b><D:a>1</D:a></D:prop>"));
        assert!(!same(paper, "<D:prop xmlns:D='DAV:'><D:b>1</D:b><D:a>2</D:a></D:prop>"));
    }

    #[test]
    fn what_is_rendered_is_an_expectation_that_agrees() {
        let wire = "<p xmlns='DAV:' xml:lang='de'><z xmlns='urn:&amp;z' a='&quot;'>1 &lt; 2&#13;</z><a/></p>";
        let node = answered(wire.as_bytes()).unwrap();
        assert!(expected(&node.render()).unwrap().agrees(&node, &mut Captures::new()), "{}", node.render());
    }

    #[test]
    fn blessing_keeps_the_captures_that_still_match() {
        let old = expected("<D:prop><D:getetag>{e}</D:getetag><D:displayname>old</D:displayname></D:prop>")
            .unwrap();
        let new = answered(
            b"<D:prop xmlns:D='DAV:'><D:getetag>\"1\"</D:getetag><D:displayname>new</D:displayname></D:prop>",
        )
        .unwrap();
        let blessed = old.bless(&new, &mut Captures::new()).render();
        assert!(blessed.contains("{e}") && blessed.contains(">new<"), "{blessed}");
    }
}
