//! One content line: where its name, its parameters and its value stand in the octets.
//! RFC 5545 §3.1; folds are stepped over, never removed.

use std::borrow::Cow;

use memchr::memchr;

/// The spans of one content line, in octets from the start of the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub start: u32,
    /// Past the name.
    pub name_end: u32,
    /// Of the first octet of the value.
    pub value: u32,
    /// Past the value, before the line break.
    pub end: u32,
    pub folded: bool,
}

/// What is wrong with a line, and where.
pub(super) type Fault = (usize, &'static str);

/// Where the content line that starts at `start` ends, where the next one starts, and whether it is folded.
/// Blank lines belong to the line before them.
pub(super) fn extent(bytes: &[u8], start: usize) -> (usize, usize, bool) {
    let mut from = start;
    let mut folded = false;
    loop {
        let feed = memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |n| from + n);
        let mut end = feed;
        while end > from && bytes[end - 1] == b'\r' {
            end -= 1;
        }
        let next = if feed == bytes.len() { feed } else { past_breaks(bytes, feed) };
        if !matches!(bytes.get(next), Some(b' ' | b'\t')) || feed == bytes.len() {
            return (end, next, folded);
        }
        folded = true;
        from = next;
    }
}

/// Past every line break from `at` on.
pub(super) fn past_breaks(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let mut feed = at;
        while bytes.get(feed) == Some(&b'\r') {
            feed += 1;
        }
        if bytes.get(feed) != Some(&b'\n') {
            return if feed == bytes.len() { feed } else { at };
        }
        at = feed + 1;
    }
}

/// The octets without their folds (RFC 5545 §3.1).
pub(super) fn unfold(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\n', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let (end, next) = match memchr(b'\n', &raw[at..]) {
            Some(n) => (at + n, past_breaks(raw, at + n)),
            None => (raw.len(), raw.len()),
        };
        let returns = raw[at..end].iter().rev().take_while(|b| **b == b'\r').count();
        let keep = if end == raw.len() { end } else { end - returns };
        plain.extend_from_slice(&raw[at..keep]);
        at = if end == raw.len() { end } else { next + 1 };
    }
    Cow::Owned(plain)
}

/// The spans of the line in `start..end`, or what is wrong with it.
pub(super) fn header(bytes: &[u8], start: usize, end: usize) -> Result<(usize, usize), Fault> {
    let mut cursor = Cursor { bytes, at: start, end };
    let name = cursor.name().ok_or((cursor.at, "a line must start with a property name"))?;
    loop {
        match cursor.peek() {
            Some(b':') => return Ok((name.end, cursor.at + 1)),
            Some(b';') => cursor.at += 1,
            Some(_) => return Err((cursor.at, "a character that no property name or parameter may have")),
            None => return Err((cursor.at, "no colon between name and value")),
        }
        cursor.parameter()?;
    }
}

/// Steps through the octets of one line as if it were not folded.
pub(super) struct Cursor<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    pub end: usize,
}

/// Where octets of a line stand.
pub(super) struct Span {
    pub start: usize,
    pub end: usize,
}

impl Cursor<'_> {
    /// The next octet of the line; folds are stepped over.
    pub fn peek(&mut self) -> Option<u8> {
        while self.at < self.end {
            let byte = self.bytes[self.at];
            if byte != b'\r' && byte != b'\n' {
                return Some(byte);
            }
            let next = past_breaks(self.bytes, self.at);
            if next == self.at {
                return Some(byte);
            }
            self.at = next + 1;
        }
        None
    }

    /// One name of letters, digits, hyphens; real products also write underscores.
    fn name(&mut self) -> Option<Span> {
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
        let start = self.at;
        loop {
            // Most names are of one piece; a fold is looked for only at the end of it.
            self.at += self.bytes[self.at..self.end].iter().take_while(|b| is_name(b)).count();
            let end = self.at;
            if !self.peek().is_some_and(|b| is_name(&b)) {
                return (end > start).then_some(Span { start, end });
            }
        }
    }

    /// One parameter, after its semicolon: the spans of its name and of its list of values.
    pub fn parameter(&mut self) -> Result<(Span, Span), Fault> {
        let name = self.name().ok_or((self.at, "a parameter must have a name"))?;
        if self.peek() != Some(b'=') {
            return Err((self.at, "a parameter must have a value"));
        }
        self.at += 1;
        let start = self.at;
        loop {
            if self.peek() == Some(b'"') {
                self.quoted()?;
            } else {
                while self.peek().is_some_and(|b| !matches!(b, b';' | b':' | b',' | b'"')) {
                    self.at += 1;
                }
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b';' | b':') => return Ok((name, Span { start, end: self.at })),
                Some(_) => return Err((self.at, "quotes must enclose the whole parameter value")),
                None => return Err((self.at, "no colon between name and value")),
            }
        }
    }

    fn quoted(&mut self) -> Result<(), Fault> {
        let open = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(_) => self.at += 1,
                None => return Err((open, "a quoted parameter value is not closed")),
            }
        }
        self.at += 1;
        Ok(())
    }
}
