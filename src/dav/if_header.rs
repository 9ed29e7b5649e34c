//! The If header of WebDAV, as it is written (RFC 4918 §10.4.2).

/// All of these must hold of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The resource, where one is named; else it is the request's own.
    pub tag: Option<String>,
    /// What must hold.
    pub tests: Vec<Test>,
}

/// That the resource is in a state, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Whether it is not.
    pub not: bool,
    /// The state.
    pub state: Mark,
}

/// By what a state is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A state token: that of a lock, or of a collection's last change.
    Token(String),
    /// An entity tag, without its quotes.
    Tag(String),
}

/// The lists of the header; `None` where it cannot be read. Lists with and without a tag do not stand in one header.
#[must_use]
pub fn read(text: &str) -> Option<Vec<List>> {
    let (mut lists, mut tag) = (Vec::new(), None);
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(tagged) = rest.strip_prefix('<') {
            if tag.is_none() && !lists.is_empty() {
                return None;
            }
            let (uri, after) = coded(tagged)?;
            tag = Some(uri.to_owned());
            rest = after.trim_start();
        }
        let (tests, after) = tests(rest.strip_prefix('(')?)?;
        lists.push(List { tag: tag.clone(), tests });
        rest = after.trim_start();
    }
    (!lists.is_empty()).then_some(lists)
}

/// The URI before the `>`, and what follows it.
#[must_use]
pub fn coded(text: &str) -> Option<(&str, &str)> {
    let (uri, after) = text.split_once('>')?;
    let sound = !uri.is_empty() && !uri.contains([' ', '\t', '<']);
    sound.then_some((uri, after))
}

fn tests(mut rest: &str) -> Option<(Vec<Test>, &str)> {
    let mut tests = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(')') {
            return (!tests.is_empty()).then_some((tests, after));
        }
        let not = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
        rest = if not { rest[3..].trim_start() } else { rest };
        let (state, after) = if let Some(token) = rest.strip_prefix('<') {
            let (uri, after) = coded(token)?;
            (Mark::Token(uri.to_owned()), after)
        } else {
            let (tag, after) = rest.strip_prefix('[')?.split_once(']')?;
            let tag = tag.trim().trim_start_matches("W/").strip_prefix('"')?.strip_suffix('"')?;
            (Mark::Tag(tag.to_owned()), after)
        };
        tests.push(Test { not, state });
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    /// The lists in short: `/a: !<t> [x]`
    fn short(text: &str) -> Option<Vec<String>> {
        let one = |test: &Test| {
            let not = if test.not { "!" } else { "" };
            match &test.state {
                Mark::Token(token) => format!("{not}<{token}>"),
                Mark::Tag(tag) => format!("{not}[{tag}]"),
            }
        };
        let list = |list: List| {
            let tests: Vec<String> = list.tests.iter().map(one).collect();
            format!("{}: {}", list.tag.unwrap_or_default(), tests.join(" "))
        };
        Some(read(text)?.into_iter().map(list).collect())
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (text, lists) in [
            (
                r#"(<urn:uuid:18> ["I am an ETag"]) (["I am another ETag"])"#,
                &[": <urn:uuid:18> [I am an ETag]", ": [I am another ETag]"][..],
            ),
            ("(Not <urn:uuid:18>   <urn:uuid:58>)", &[": !<urn:uuid:18> <urn:uuid:58>"]),
            ("(<urn:uuid:18>) (Not <DAV:no-lock>)", &[": <urn:uuid:18>", ": !<DAV:no-lock>"]),
            (
                r#"</resource1> (<urn:uuid:18> [W/"A weak ETag"]) (["strong ETag"])"#,
                &["/resource1: <urn:uuid:18> [A weak ETag]", "/resource1: [strong ETag]"],
            ),
            (r#"</a>(not["4217"])<http://b/>(<x:y>)"#, &["/a: ![4217]", "http://b/: <x:y>"]),
        ] {
            let lists: Vec<String> = lists.iter().map(|&list| list.to_owned()).collect();
            assert_eq!(short(text), Some(lists), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_cannot_be_read() {
        for text in [
            "",
            "()",
            "x",
            "(",
            r#"(["x"])x"#,
            r#"(["x")"#,
            "(<urn:x)",
            "</a>",
            r#"("x")"#,
            "(é)",
            "(<>)",
            "(Not)",
            "(<a b>)",
            "</a> </b> (<x:y>)",
            r#"(["x"]) </a> (["y"])"#,
            "([x])",
            "(<x:y>) </a>",
        ] {
            assert_eq!(short(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_sent_harms(text in "[()<>\\[\\]\"Not WDAV:é/]{0,40}") {
            let _ = read(&text);
        }
    }
}
