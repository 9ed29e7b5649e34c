//! What a request says must be so of the resource before it is changed or given: the conditional headers of HTTP and the
//! If header of WebDAV (RFC 9110 §13, RFC 4918 §10.4).

use std::time::SystemTime;

use crate::front::{Conditions, Status, Verdict, is_tag_of};

use super::{Cx, Refusal, Result, target::is_ours};

/// The conditions of a request.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    conditions: Conditions,
    /// The lists of the If header that are about the request's resource; `None` where there are none.
    lists: Option<Vec<List>>,
}

/// All of these must hold.
type List = Vec<Test>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    not: bool,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A state token: a lock, of which there are none.
    Token,
    /// The resource has this entity tag.
    Tag(String),
}

impl Guard {
    /// The conditions of a request; what cannot be read is refused, for the client meant to protect something.
    pub fn of(cx: &Cx) -> Result<Self> {
        let conditions =
            Conditions::parse(&cx.headers).map_err(|fault| Refusal::bad_request(fault.to_string()))?;
        let mut lists: Option<Vec<List>> = None;
        for value in cx.headers.get_all("if") {
            let read = value.to_str().ok().and_then(|text| read(text, |uri| about(cx, uri)));
            let read = read.ok_or_else(|| Refusal::bad_request("the header If cannot be read"))?;
            lists.get_or_insert_default().extend(read);
        }
        // A header that is about other resources asks nothing of this one.
        Ok(Self { conditions, lists: lists.filter(|lists| !lists.is_empty()) })
    }

    /// Holds them against the resource: `etag` is its tag without quotes, `None` where there is no resource.
    #[must_use]
    pub fn verdict(&self, etag: Option<&str>, modified: Option<SystemTime>, reading: bool) -> Verdict {
        let holds = |test: &Test| {
            test.not
                != match &test.state {
                    State::Token => false,
                    State::Tag(tag) => etag.is_some_and(|etag| is_tag_of(tag, etag, reading)),
                }
        };
        if self.lists.as_ref().is_some_and(|lists| !lists.iter().any(|list| list.iter().all(holds))) {
            return Verdict::Failed;
        }
        self.conditions.check(etag, modified, reading)
    }

    /// Refuses to change a resource that is not in the state that the request expects.
    pub fn unchanged(&self, etag: Option<&str>, modified: Option<SystemTime>) -> Result<(), Refusal> {
        if self.verdict(etag, modified, false) == Verdict::Proceed {
            return Ok(());
        }
        let why = "the resource is not in the state that the request expects";
        Err(Refusal::plain(Status::PRECONDITION_FAILED, why))
    }
}

fn about(cx: &Cx, uri: &str) -> bool {
    is_ours(cx, uri).is_some_and(|located| located.target == cx.located.target)
}

/// The lists of an If header that are about the resource; `None` where it is none.
fn read(text: &str, about: impl Fn(&str) -> bool) -> Option<Vec<List>> {
    let (mut lists, mut ours) = (Vec::new(), true);
    let mut rest = text.trim_start();
    let mut seen = false;
    while !rest.is_empty() {
        if let Some(tagged) = rest.strip_prefix('<') {
            let (uri, after) = tagged.split_once('>')?;
            ours = about(uri);
            rest = after.trim_start();
        }
        let (list, after) = list(rest.strip_prefix('(')?)?;
        seen = true;
        if ours {
            lists.push(list);
        }
        rest = after.trim_start();
    }
    seen.then_some(lists)
}

fn list(mut rest: &str) -> Option<(List, &str)> {
    let mut tests = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(')') {
            return (!tests.is_empty()).then_some((tests, after));
        }
        let not = rest.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("not"));
        rest = if not { rest[3..].trim_start() } else { rest };
        let (state, after) = if let Some(token) = rest.strip_prefix('<') {
            (State::Token, token.split_once('>')?.1)
        } else {
            let (tag, after) = rest.strip_prefix('[')?.split_once(']')?;
            let tag = tag.trim().trim_start_matches("W/").strip_prefix('"')?.strip_suffix('"')?;
            (State::Tag(tag.to_owned()), after)
        };
        tests.push(Test { not, state });
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(text: &str) -> Option<Guard> {
        let lists = read(text, |uri| uri == "/a")?;
        Some(Guard { conditions: Conditions::default(), lists: Some(lists).filter(|l| !l.is_empty()) })
    }

    #[test]
    fn one_list_must_hold_and_of_it_everything() {
        for (text, holds) in [
            (r#"(["x"])"#, true),
            (r#"(["y"])"#, false),
            (r#"(["y"]) (["x"])"#, true),
            (r#"(["x"] <urn:lock>)"#, false),
            (r#"(Not <urn:lock> ["x"])"#, true),
            ("(<urn:lock>) (Not <DAV:no-lock>)", true),
            (r#"</a> (["y"]) </b> (["x"])"#, false),
            (r#"</b> (["y"])"#, true),
            (r#"(not [W/"y"])"#, true),
        ] {
            let verdict = guard(text).unwrap().verdict(Some("x"), None, false);
            assert_eq!(verdict == Verdict::Proceed, holds, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_cannot_be_read() {
        for text in ["", "()", "x", "(", r#"(["x")"#, "(<urn:x)", "</a>", r#"("x")"#, "(é)"] {
            assert!(guard(text).is_none(), "{text}");
        }
    }
}
