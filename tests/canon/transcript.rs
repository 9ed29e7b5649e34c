//! A transcript as it stands in its file.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One scenario.
#[derive(Debug)]
pub struct Transcript {
    pub path: PathBuf,
    pub title: String,
    pub exchanges: Vec<Exchange>,
    /// The file, line for line; expectations name their lines in it.
    pub lines: Vec<String>,
}

/// A request, and the answer it must get.
#[derive(Debug)]
pub struct Exchange {
    /// The line of the request, counted from one.
    pub line: usize,
    pub user: Option<String>,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Body,
    pub expected: Expected,
}

/// The answer a request must get.
#[derive(Debug)]
pub struct Expected {
    /// Its lines in the file.
    pub lines: Range<usize>,
    pub status: u16,
    /// Name and value; no value = the header must not be there.
    pub headers: Vec<(String, Option<String>)>,
    pub body: Body,
}

/// What follows the empty line.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    None,
    Text(String),
    File(Vec<u8>),
}

impl Transcript {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Self::parse(path, &text)
    }

    pub fn parse(path: &Path, text: &str) -> Result<Self, String> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let fault = |line: usize, what: &str| format!("{}:{}: {what}", path.display(), line + 1);
        let title = lines
            .first()
            .and_then(|l| l.strip_prefix("# "))
            .ok_or_else(|| fault(0, "a transcript begins with `# title`"))?;
        let starts: Vec<usize> =
            (0..lines.len()).filter(|&n| lines[n].starts_with("> ") || lines[n].starts_with("< ")).collect();
        let mut exchanges = Vec::new();
        for (nth, &start) in starts.iter().enumerate().step_by(2) {
            let answer = *starts.get(nth + 1).ok_or_else(|| fault(start, "a request without an answer"))?;
            let end = starts.get(nth + 2).copied().unwrap_or(lines.len());
            exchanges.push(
                exchange(path, &lines, start..answer, answer..end)
                    .map_err(|(line, what)| fault(line, &what))?,
            );
        }
        if exchanges.is_empty() {
            return Err(fault(0, "nothing is asked"));
        }
        Ok(Self { path: path.to_owned(), title: title.to_owned(), exchanges, lines })
    }
}

type Fault = (usize, String);

fn exchange(
    path: &Path,
    lines: &[String],
    asked: Range<usize>,
    answered: Range<usize>,
) -> Result<Exchange, Fault> {
    let request =
        lines[asked.start].strip_prefix("> ").ok_or((asked.start, "`>` is expected here".to_owned()))?;
    let mut words = request.splitn(3, ' ');
    let (Some(user), Some(method), Some(target)) = (words.next(), words.next(), words.next()) else {
        return Err((asked.start, "a request is `> user METHOD target`".to_owned()));
    };
    let status = lines[answered.start].strip_prefix("< ").and_then(|s| s.parse().ok());
    let status = status.ok_or((answered.start, "an answer is `< status`".to_owned()))?;
    let (headers, body) = message(path, lines, asked.start + 1..asked.end)?;
    let headers = headers.into_iter().map(|(line, name, value)| match value {
        Some(value) => Ok((name, value)),
        None if name.eq_ignore_ascii_case("Content-Type") => Ok((format!("!{name}"), String::new())),
        None => Err((line, "a request can only do without Content-Type".to_owned())),
    });
    let (expected_headers, expected_body) = message(path, lines, answered.start + 1..answered.end)?;
    Ok(Exchange {
        line: asked.start + 1,
        user: (user != "-").then(|| user.to_owned()),
        method: method.to_owned(),
        target: target.to_owned(),
        headers: headers.collect::<Result<_, _>>()?,
        body,
        expected: Expected {
            lines: answered.start..trimmed(lines, answered),
            status,
            headers: expected_headers.into_iter().map(|(_, name, value)| (name, value)).collect(),
            body: expected_body,
        },
    })
}

type Header = (usize, String, Option<String>);

/// The headers and the body in these lines.
fn message(path: &Path, lines: &[String], part: Range<usize>) -> Result<(Vec<Header>, Body), Fault> {
    let part = part.start..trimmed(lines, part);
    let is_remark = |n: &usize| lines[*n].starts_with("# ");
    let blank = part.clone().find(|&n| lines[n].is_empty()).unwrap_or(part.end);
    let mut headers = Vec::new();
    for n in (part.start..blank).filter(|n| !is_remark(n)) {
        headers.push(match (lines[n].strip_prefix('!'), lines[n].split_once(':')) {
            (Some(name), _) => (n, name.trim().to_owned(), None),
            (None, Some((name, value))) => (n, name.to_owned(), Some(value.trim().to_owned())),
            (None, None) => return Err((n, "a header is `Name: value` or `!Name`".to_owned())),
        });
    }
    let body: Vec<&str> =
        (blank + 1..part.end).filter(|n| !is_remark(n)).map(|n| lines[n].as_str()).collect();
    let body = match body[..] {
        [] => Body::None,
        [file] if file.starts_with('@') => {
            let file = path.with_file_name(&file[1..]);
            Body::File(fs::read(&file).map_err(|e| (blank + 1, format!("{}: {e}", file.display())))?)
        }
        _ => Body::Text(body.join("\n")),
    };
    Ok((headers, body))
}

/// The end of the part without the empty lines and remarks it ends in.
fn trimmed(lines: &[String], part: Range<usize>) -> usize {
    let idle = |n: &usize| lines[*n].is_empty() || lines[*n].starts_with("# ");
    part.clone().rev().find(|n| !idle(n)).map_or(part.start, |n| n + 1)
}

#[cfg(test)]
mod tests {
    use super::{Body, Transcript};
    use std::path::Path;

    fn parsed(text: &str) -> Result<Transcript, String> {
        Transcript::parse(Path::new("x.txt"), text)
    }

    #[test]
    fn a_transcript_is_read_as_it_is_written() {
        let transcript = parsed("# T (RFC 1)\n\n> alice PUT /a b\nDepth: 0\n!Content-Type\n\nBEGIN:X\n\nEND:X\n\n# then\n< 201\nETag: {e}\n!X\n\n> - GET /\n< 401\n\n{*}\n").unwrap();
        assert_eq!(transcript.title, "T (RFC 1)");
        let [put, get] = &transcript.exchanges[..] else { panic!("two exchanges") };
        assert_eq!((put.line, put.user.as_deref(), put.target.as_str()), (3, Some("alice"), "/a b"));
        assert_eq!(
            put.headers,
            [("Depth".to_owned(), "0".to_owned()), ("!Content-Type".to_owned(), String::new())]
        );
        assert_eq!(put.body, Body::Text("BEGIN:X\n\nEND:X".to_owned()));
        assert_eq!(
            (put.expected.status, &put.expected.body, put.expected.lines.clone()),
            (201, &Body::None, 11..14)
        );
        assert_eq!(
            put.expected.headers,
            [("ETag".to_owned(), Some("{e}".to_owned())), ("X".to_owned(), None)]
        );
        assert_eq!((get.user.as_deref(), &get.expected.body), (None, &Body::Text("{*}".to_owned())));
    }

    #[test]
    fn faults_name_their_line() {
        for (text, place) in [
            ("> a GET /", "x.txt:1"),
            ("# t", "x.txt:1"),
            ("# t\n> a GET /", "x.txt:2"),
            ("# t\n> a GET\n< 200", "x.txt:2"),
            ("# t\n> a GET /\n< fine", "x.txt:3"),
            ("# t\n> a GET /\nnonsense\n< 200", "x.txt:3"),
            ("# t\n< 200\n> a GET /", "x.txt:2"),
        ] {
            assert!(parsed(text).unwrap_err().starts_with(place), "{text}");
        }
    }
}
