//! Expected text with captures: `{name}` is taken once and known from then on, `{*}` is anything.

use std::collections::BTreeMap;

/// What was captured so far.
pub type Captures = BTreeMap<String, String>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'p> {
    Literal(&'p str),
    Anything,
    /// The name, and the names of captures it must differ from, each behind a `!`.
    Capture(&'p str, &'p str),
    Repeat(usize, &'p str),
}

/// Whether `actual` is what `pattern` says; new captures are kept if so. A capture is not empty and within a line.
pub fn agrees(pattern: &str, actual: &str, captures: &mut Captures) -> bool {
    let mut trial = captures.clone();
    let agreed = walk(&tokens(pattern), actual, &mut trial);
    if agreed {
        *captures = trial;
    }
    agreed
}

/// The text of a request, with what was captured before and repetitions written out.
pub fn fill(text: &str, captures: &Captures) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    for token in tokens(text) {
        match token {
            Token::Literal(literal) => out.push_str(literal),
            Token::Anything => return Err("{*} in a request".to_owned()),
            Token::Repeat(count, unit) => out.push_str(&unit.repeat(count)),
            Token::Capture(name, _) => {
                out.push_str(captures.get(name).ok_or_else(|| format!("{{{name}}} is not captured yet"))?);
            }
        }
    }
    Ok(out)
}

/// The text with `{name}` for each captured value that is long enough to be no accident.
pub fn unfill(text: &str, captures: &Captures) -> String {
    let mut known: Vec<_> = captures.iter().filter(|(_, value)| value.len() > 5).collect();
    known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    known.into_iter().fold(text.to_owned(), |text, (name, value)| text.replace(value, &format!("{{{name}}}")))
}

/// The names of the captures in the pattern.
pub fn names(pattern: &str) -> impl Iterator<Item = &str> {
    tokens(pattern).into_iter().filter_map(|token| match token {
        Token::Capture(name, _) => Some(name),
        Token::Literal(_) | Token::Anything | Token::Repeat(..) => None,
    })
}

fn tokens(pattern: &str) -> Vec<Token<'_>> {
    let (mut out, mut rest, mut literal) = (Vec::new(), pattern, 0);
    while let Some(open) = rest[literal..].find('{').map(|at| at + literal) {
        let Some((close, token)) = rest[open..]
            .find('}')
            .and_then(|length| Some((open + length + 1, token(&rest[open + 1..open + length])?)))
        else {
            literal = open + 1;
            continue;
        };
        out.extend((open > 0).then_some(Token::Literal(&rest[..open])));
        out.push(token);
        (rest, literal) = (&rest[close..], 0);
    }
    out.extend((!rest.is_empty()).then_some(Token::Literal(rest)));
    out
}

fn token(inside: &str) -> Option<Token<'_>> {
    let word = |word: &str| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(fits)
    };
    match inside.split_once('*') {
        Some(("", "")) => Some(Token::Anything),
        Some((count, unit)) => Some(Token::Repeat(count.parse().ok()?, unit)),
        None => {
            let (name, unlike) = inside.split_at(inside.find('!').unwrap_or(inside.len()));
            (word(name) && unlike.split('!').skip(1).all(word)).then_some(Token::Capture(name, unlike))
        }
    }
}

fn walk(tokens: &[Token<'_>], actual: &str, captures: &mut Captures) -> bool {
    let Some((first, rest)) = tokens.split_first() else { return actual.is_empty() };
    let ends = || actual.char_indices().map(|(at, c)| at + c.len_utf8());
    match first {
        Token::Literal(literal) => {
            actual.strip_prefix(literal).is_some_and(|left| walk(rest, left, captures))
        }
        Token::Repeat(count, unit) => {
            actual.strip_prefix(&unit.repeat(*count)).is_some_and(|left| walk(rest, left, captures))
        }
        Token::Anything if rest.is_empty() => true,
        Token::Anything => std::iter::once(0).chain(ends()).any(|end| walk(rest, &actual[end..], captures)),
        Token::Capture(name, unlike) => {
            if let Some(known) = captures.get(*name).cloned() {
                return actual.strip_prefix(&known).is_some_and(|left| walk(rest, left, captures));
            }
            let line = actual.find(['\r', '\n']).unwrap_or(actual.len());
            let others: Vec<String> =
                unlike.split('!').filter_map(|other| captures.get(other).cloned()).collect();
            let differs = |end: &usize| others.iter().all(|other| *other != actual[..*end]);
            ends().take_while(|end| *end <= line).filter(differs).any(|end| {
                captures.insert((*name).to_owned(), actual[..end].to_owned());
                let agreed = walk(rest, &actual[end..], captures);
                if !agreed {
                    captures.remove(*name);
                }
                agreed
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Captures, agrees, fill, unfill};

    #[test]
    fn a_capture_is_taken_once_and_must_hold_ever_after() {
        let mut captures = Captures::new();
        assert!(agrees("\"{etag}\"", "\"abc\"", &mut captures));
        assert_eq!(captures["etag"], "abc");
        assert!(agrees("x{etag}y{other}", "xabcyz", &mut captures));
        assert!(!agrees("{etag}", "abd", &mut captures));
        assert!(!agrees("{new}!", "value", &mut captures));
        assert!(!captures.contains_key("new"));
    }

    #[test]
    fn the_same_capture_twice_in_a_line_is_the_same_value() {
        assert!(agrees("{a}-{a}", "12-12", &mut Captures::new()));
        assert!(!agrees("{a}-{a}", "12-13", &mut Captures::new()));
    }

    #[test]
    fn anything_is_anything_and_a_literal_is_itself() {
        for (pattern, actual, agreed) in [
            ("{*}", "", true),
            ("a{*}c", "a\r\nb\r\nc", true),
            ("a{*}c", "ab", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("{a}", "", false),
            ("{a}", "x\ny", false),
            ("{0F2A-11}", "{0F2A-11}", true),
            ("{ {a}", "{ x", true),
        ] {
            assert_eq!(agrees(pattern, actual, &mut Captures::new()), agreed, "{pattern} {actual}");
        }
    }

    #[test]
    fn a_capture_can_be_told_to_differ() {
        let mut captures = Captures::from([("a".to_owned(), "12".to_owned())]);
        assert!(!agrees("\"{b!a}\"", "\"12\"", &mut captures));
        assert!(agrees("\"{b!a}\"", "\"2\"", &mut captures));
        assert!(!agrees("{c!a!b}", "2", &mut captures));
        assert!(agrees("{c!a!b}", "3", &mut captures));
    }

    #[test]
    fn requests_are_filled_and_answers_unfilled() {
        let captures = Captures::from([("etag".to_owned(), "abcdef".to_owned())]);
        assert_eq!(fill("If \"{etag}\" {3*ab}", &captures), Ok("If \"abcdef\" ababab".to_owned()));
        assert!(fill("{unknown}", &captures).is_err());
        assert_eq!(unfill("x abcdef y", &captures), "x {etag} y");
    }
}
