//! The lines of an iCalendar stream and how its components nest, as spans into the octets as they came.
//! RFC 5545 §3.1, §3.4, §3.6. Nothing is copied, so nothing is lost.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::{memchr_iter, memmem};

use crate::ical::line::{self, Line};

/// How deep components may nest: real ones need three levels.
const MAX_DEPTH: usize = 16;
/// How many content lines an object may have.
const MAX_LINES: usize = 100_000;

/// Why octets are not an iCalendar stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Counted from 1, folded lines one by one.
    pub line: usize,
    /// In octets, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl fmt::Display for Invalid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl std::error::Error for Invalid {}

/// A component: the lines from its BEGIN to its END.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// The line of BEGIN.
    pub begin: u32,
    /// The line of END.
    pub end: u32,
    /// The first node that is not inside this one.
    pub after: u32,
}

/// The octets, their lines, and the components in the order of their BEGIN.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub bytes: Bytes,
    pub lines: Vec<Line>,
    pub nodes: Vec<Node>,
    /// Whether some fold cuts a UTF-8 sequence.
    cut: bool,
}

impl Text {
    /// The octets of a span without folds.
    pub fn unfolded(&self, start: u32, end: u32) -> Cow<'_, str> {
        match line::unfold(&self.bytes[start as usize..end as usize]) {
            Cow::Borrowed(raw) => String::from_utf8_lossy(raw),
            Cow::Owned(raw) => Cow::Owned(String::from_utf8_lossy(&raw).into_owned()),
        }
    }

    /// The name of a line, as written.
    pub fn name(&self, line: &Line) -> Cow<'_, str> {
        self.unfolded(line.start, line.name_end)
    }

    /// Whether a line has that name, in any case of letters.
    pub fn named(&self, line: &Line, name: &str) -> bool {
        let raw = &self.bytes[line.start as usize..line.name_end as usize];
        raw.eq_ignore_ascii_case(name.as_bytes())
            // A fold makes a name longer.
            || (line.folded && raw.len() > name.len() && line::unfold(raw).eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The value of a line, unfolded.
    pub fn value(&self, line: &Line) -> Cow<'_, str> {
        self.unfolded(line.value, line.end)
    }

    /// The fault at an octet, with line and column.
    pub fn invalid(&self, at: usize, reason: &'static str) -> Invalid {
        invalid(&self.bytes, at, reason)
    }

    /// Whether the octets as they are are UTF-8.
    pub fn is_utf8(&self) -> bool {
        !self.cut
    }
}

/// Finds the lines and components of `bytes`.
///
/// Tolerated: a byte order mark, bare line feeds, blank lines, a fold inside a UTF-8 sequence. Refused: what is not
/// UTF-8, and the control characters that XML 1.0 cannot carry, for no report could ever return them.
pub(super) fn scan(bytes: Bytes) -> Result<Text, Invalid> {
    if u32::try_from(bytes.len()).is_err() {
        return Err(Invalid { line: 1, column: 1, reason: "more than 4 GiB" });
    }
    let cut = std::str::from_utf8(&bytes).is_err();
    if let Some(at) = forbidden(&bytes) {
        return Err(invalid(&bytes, at, "a control character that XML cannot carry"));
    }
    // Lines of calendar data are about 32 octets long.
    let mut scanner = Scanner {
        bytes: &bytes,
        lines: Vec::with_capacity(bytes.len() / 32 + 4),
        nodes: vec![],
        open: vec![],
    };
    scanner.run(cut).map_err(|(at, reason)| invalid(&bytes, at, reason))?;
    let Scanner { lines, nodes, .. } = scanner;
    Ok(Text { bytes, lines, nodes, cut })
}

fn invalid(bytes: &[u8], at: usize, reason: &'static str) -> Invalid {
    let before = &bytes[..at.min(bytes.len())];
    let line = memchr_iter(b'\n', before).count() + 1;
    let column = before.len() - memchr::memrchr(b'\n', before).map_or(0, |n| n + 1) + 1;
    Invalid { line, column, reason }
}

/// The first character that XML 1.0 §2.2 does not have: controls, U+FFFE and U+FFFF.
fn forbidden(bytes: &[u8]) -> Option<usize> {
    let control = |b: &u8| *b < 0x20 && !matches!(*b, b'\t' | b'\n' | b'\r');
    // The sum over whole chunks is what the compiler makes wide instructions of.
    let clean = bytes.chunks(64).all(|chunk| chunk.iter().map(|b| u8::from(control(b))).sum::<u8>() == 0);
    if !clean {
        return bytes.iter().position(control);
    }
    memmem::find_iter(bytes, b"\xEF\xBF").find(|at| matches!(bytes.get(at + 2), Some(0xBE | 0xBF)))
}

struct Scanner<'a> {
    bytes: &'a [u8],
    lines: Vec<Line>,
    nodes: Vec<Node>,
    open: Vec<usize>,
}

#[expect(clippy::cast_possible_truncation, reason = "scan refuses what has offsets beyond u32")]
impl Scanner<'_> {
    fn run(&mut self, cut: bool) -> Result<(), line::Fault> {
        let bytes = self.bytes;
        let mark = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let mut start = line::past_breaks(bytes, mark);
        while start < bytes.len() {
            let (end, next, folded) = line::extent(bytes, start);
            let (name_end, value) = line::header(bytes, start, end)?;
            if cut {
                utf8(bytes, start, end)?;
            }
            let line = Line {
                start: start as u32,
                name_end: name_end as u32,
                value: value as u32,
                end: end as u32,
                folded,
            };
            self.place(line)?;
            start = next;
        }
        match self.open.last() {
            Some(node) => {
                let begin = self.lines[self.nodes[*node].begin as usize];
                Err((begin.start as usize, "this component is never closed"))
            }
            None => Ok(()),
        }
    }

    /// Puts a line where it belongs in the tree.
    fn place(&mut self, line: Line) -> Result<(), line::Fault> {
        let number = self.lines.len();
        if number == MAX_LINES {
            return Err((line.start as usize, "more than 100000 lines"));
        }
        self.lines.push(line);
        let at = line.start as usize;
        if self.named(&line, b"BEGIN") {
            if self.open.len() == MAX_DEPTH {
                return Err((at, "components nest more than 16 deep"));
            }
            self.open.push(self.nodes.len());
            self.nodes.push(Node { begin: number as u32, end: 0, after: 0 });
        } else if self.named(&line, b"END") {
            let node = self.open.pop().ok_or((at, "END without BEGIN"))?;
            let begin = self.lines[self.nodes[node].begin as usize];
            if !self.word(&begin).eq_ignore_ascii_case(&self.word(&line)) {
                return Err((at, "END does not close the component that was opened last"));
            }
            self.nodes[node].end = number as u32;
            self.nodes[node].after = self.nodes.len() as u32;
        } else if self.open.is_empty() {
            return Err((at, "a property outside of any component"));
        }
        Ok(())
    }

    fn named(&self, line: &Line, name: &[u8]) -> bool {
        let raw = &self.bytes[line.start as usize..line.name_end as usize];
        raw.eq_ignore_ascii_case(name)
            || (line.folded && raw.len() > name.len() && line::unfold(raw).eq_ignore_ascii_case(name))
    }

    /// The value of a BEGIN or END line.
    fn word(&self, line: &Line) -> Cow<'_, [u8]> {
        match line::unfold(&self.bytes[line.value as usize..line.end as usize]) {
            Cow::Borrowed(word) => Cow::Borrowed(word.trim_ascii()),
            Cow::Owned(word) => Cow::Owned(word.trim_ascii().to_vec()),
        }
    }
}

/// Refuses a line that is not UTF-8 or has a forbidden character once its folds are out.
fn utf8(bytes: &[u8], start: usize, end: usize) -> Result<(), line::Fault> {
    let plain = line::unfold(&bytes[start..end]);
    match std::str::from_utf8(&plain) {
        Err(fault) => Err(((start + fault.valid_up_to()).min(end), "not UTF-8")),
        Ok(_) if forbidden(&plain).is_some() => Err((start, "a character that XML cannot carry")),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, usize) {
        let invalid = scan(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        (invalid.line, invalid.column)
    }

    #[test]
    fn faults_have_a_place() {
        assert_eq!(fault("BEGIN:A\r\nX\r\nEND:A\r\n"), (2, 2));
        assert_eq!(fault("BEGIN:A\r\nX:1\r\n 2\r\nEND:B\r\n"), (4, 1));
        assert_eq!(fault("BEGIN:A\nBEGIN:B\nEND:B\n"), (1, 1));
        assert_eq!(fault("END:A\n"), (1, 1));
        assert_eq!(fault("X:1\n"), (1, 1));
        assert_eq!(fault(" BEGIN:A\nEND:A\n"), (1, 1));
        assert_eq!(fault("BEGIN:A\nX:\u{1}\nEND:A\n"), (2, 3));
        assert_eq!(fault("BEGIN:A\nX:é\u{FFFF}\nEND:A\n"), (2, 5));
        assert_eq!(fault(&"BEGIN:A\n".repeat(17)), (17, 1));
    }

    #[test]
    fn line_breaks_of_all_sorts() {
        let text = "\u{FEFF}\r\nBEGIN:A\n\n\r\nDESC\r\n RIPTION;X=\r\n  y:a\n b\r\n\tc\r\r\n\r\nEND:A";
        let text = scan(Bytes::from(text)).unwrap();
        let line = &text.lines[1];
        assert!(text.named(line, "description"));
        assert_eq!((text.name(line).as_ref(), text.value(line).as_ref()), ("DESCRIPTION", "abc"));
    }

    #[test]
    fn folds_may_cut_characters() {
        let octets = b"BEGIN:A\r\nX:\xC3\r\n \xA9\r\nEND:A\r\n";
        let text = scan(Bytes::from_static(octets)).unwrap();
        assert_eq!(text.value(&text.lines[1]), "é");
        assert!(!text.is_utf8());
        assert!(scan(Bytes::from_static(b"BEGIN:A\r\nX:\xC3\r\nEND:A\r\n")).is_err());
    }
}
