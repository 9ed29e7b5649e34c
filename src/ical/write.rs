//! Writes content lines: CRLF, folded at 75 octets between characters.
//! RFC 5545 §3.1.

use memchr::memchr_iter;

/// The most octets of a line without its break.
const WIDTH: usize = 75;

/// Calendar text in the making.
#[derive(Default)]
pub(super) struct Writer {
    text: String,
}

impl Writer {
    /// Adds one content line, given unfolded.
    pub fn line(&mut self, line: &str) {
        let mut rest = line;
        let mut width = WIDTH;
        while rest.len() > width {
            let cut = (1..=width).rev().find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
            self.text.push_str(&rest[..cut]);
            self.text.push_str("\r\n ");
            rest = &rest[cut..];
            width = WIDTH - 1;
        }
        self.text.push_str(rest);
        self.text.push_str("\r\n");
    }

    /// Adds the pieces of one content line.
    pub fn pieces(&mut self, pieces: &[&str]) {
        self.line(&pieces.concat());
    }

    /// Adds lines that are folded already, without their blank lines; where a fold cuts a character they are folded anew.
    pub fn raw(&mut self, lines: &[u8]) {
        let Ok(text) = std::str::from_utf8(lines) else {
            return self.refold(lines);
        };
        let mut start = 0;
        for end in memchr_iter(b'\n', lines).chain([lines.len()]) {
            let line = text[start..end].trim_end_matches('\r');
            if !line.is_empty() {
                self.text.push_str(line);
                self.text.push_str("\r\n");
            }
            start = (end + 1).min(lines.len());
        }
    }

    fn refold(&mut self, lines: &[u8]) {
        let mut start = 0;
        while start < lines.len() {
            let (end, next, _) = crate::ical::line::extent(lines, start);
            let plain = crate::ical::line::unfold(&lines[start..end]);
            self.line(&String::from_utf8_lossy(&plain));
            start = next;
        }
    }

    /// The octets since the text was last taken.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// The text since it was last taken.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The text so far.
    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_between_characters() {
        let mut out = Writer::default();
        out.line(&format!("SUMMARY:{}", "é😀".repeat(60)));
        let text = out.finish();
        assert!(text.lines().all(|line| line.len() <= 75));
        assert_eq!(text.replace("\r\n ", ""), format!("SUMMARY:{}\r\n", "é😀".repeat(60)));
    }

    #[test]
    fn raw_lines_get_crlf() {
        let mut out = Writer::default();
        out.raw(b"A:1\n\nB:2\r\n 3\r\r\nC:4");
        assert_eq!(out.finish(), "A:1\r\nB:2\r\n 3\r\nC:4\r\n");
    }
}
