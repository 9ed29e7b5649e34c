//! A stream of calendar objects of any length, read in bounded memory: where in it the components stand, and whose they
//! are. What was found is read again where it stands. RFC 5545 §3.4, §3.6.

use std::collections::HashMap;

use memchr::memchr;
use sha2::{Digest, Sha256};

use super::split::KEPT;

/// Octets of a line that are looked at; of a longer one the rest is passed over.
const MOST_OF_LINE: usize = 4096;
/// Octets of the properties that are kept of one VCALENDAR.
const MOST_OF_HEAD: usize = 16 << 10;
/// VCALENDARs of which the properties are kept, and definitions of time zones whose place is.
const MOST_HEADS: usize = 100_000;

/// A component of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The octet that it begins with.
    pub at: u64,
    /// How many there are.
    pub octets: u64,
    /// The line of its BEGIN, from 1.
    pub line: u64,
    /// In which VCALENDAR of the stream it stands, from 0.
    pub calendar: u32,
    /// Which object it is part of, from 0 in the order in which they begin; what has no UID stands alone.
    pub object: u32,
    /// Whether it ends where it should not: without its END.
    pub torn: bool,
}

/// What a stream holds.
#[derive(Debug, Default)]
pub struct Pieces {
    /// The components that objects are made of, those of one object side by side.
    pub pieces: Vec<Piece>,
    /// Of each VCALENDAR the lines that say how to read each of its objects.
    pub heads: Vec<String>,
    /// What the stream says of itself: its name and its color.
    pub name: Option<String>,
    /// Its color.
    pub color: Option<String>,
    /// The definitions of time zones: of which VCALENDAR, and by which TZID.
    pub zones: HashMap<(u32, String), Piece>,
    /// Lines that are in no VCALENDAR.
    pub stray: u64,
}

impl Pieces {
    /// The objects, each as its pieces.
    pub fn objects(&self) -> impl Iterator<Item = &[Piece]> {
        self.pieces.chunk_by(|one, other| one.object == other.object)
    }

    /// How many VCALENDARs there are.
    #[must_use]
    pub fn calendars(&self) -> usize {
        self.heads.len()
    }
}

/// What finds the pieces of a stream that is fed to it in parts.
#[derive(Default)]
pub struct Scanner {
    found: Pieces,
    objects: HashMap<[u8; 16], u32>,
    next: u32,
    /// Where the stream is, and in which line.
    at: u64,
    line: u64,
    /// The line that is being read: where it began, and what of it is looked at, with its folds.
    start: u64,
    raw: Vec<u8>,
    begun: bool,
    /// The line before, unfolded, which the next may continue.
    logical: Option<Logical>,
    /// The components that are open, VCALENDAR first.
    open: Vec<Vec<u8>>,
    piece: Option<Open>,
    /// Octets of the texts among what was found.
    texts: usize,
}

/// A line that may go on.
struct Logical {
    text: Vec<u8>,
    at: u64,
    end: u64,
    line: u64,
}

/// A component of a VCALENDAR that is open.
struct Open {
    piece: Piece,
    uid: Option<Vec<u8>>,
    tzid: Option<Vec<u8>>,
    kind: Vec<u8>,
}

impl Scanner {
    /// Reads on.
    pub fn feed(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let end = memchr(b'\n', octets);
            let taken = end.map_or(octets.len(), |end| end + 1);
            if !self.begun {
                (self.begun, self.start) = (true, self.at);
                self.line += 1;
            }
            let room = MOST_OF_LINE.saturating_sub(self.raw.len());
            self.raw.extend_from_slice(&octets[..taken.min(room)]);
            self.at += taken as u64;
            octets = &octets[taken..];
            if end.is_some() {
                self.physical();
            }
        }
    }

    /// Octets that are kept of what was fed so far, more or less.
    #[must_use]
    pub fn weight(&self) -> usize {
        let objects = self.objects.len() * size_of::<([u8; 16], u32)>();
        let heads = self.found.heads.len() * size_of::<String>();
        let zones = self.found.zones.len() * size_of::<(u32, String, Piece)>();
        self.found.pieces.len() * size_of::<Piece>() + objects + heads + zones + self.texts
    }

    /// What was found, when all is fed.
    #[must_use]
    pub fn finish(mut self) -> Pieces {
        if self.begun {
            self.physical();
        }
        self.flush();
        self.tear(self.at);
        let Self { mut found, .. } = self;
        found.pieces.sort_by_key(|piece| piece.object);
        found
    }

    /// A line of the file has ended: it begins a content line, or goes on with one.
    fn physical(&mut self) {
        let mut raw = std::mem::take(&mut self.raw);
        self.begun = false;
        let mark = if self.start == 0 && raw.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        raw.drain(..mark);
        while raw.last().is_some_and(|last| matches!(last, b'\r' | b'\n')) {
            raw.pop();
        }
        let end = self.start + (mark + raw.len()) as u64;
        match (&mut self.logical, raw.first()) {
            (_, None) => {}
            (Some(before), Some(b' ' | b'\t')) => {
                before.end = end;
                let room = MOST_OF_LINE.saturating_sub(before.text.len());
                before.text.extend_from_slice(&raw[1..raw.len().min(room + 1)]);
            }
            _ => {
                self.flush();
                self.logical = Some(Logical { text: raw, at: self.start, end, line: self.line });
            }
        }
    }

    /// A content line has ended.
    fn flush(&mut self) {
        let Some(Logical { text, at, end, line }) = self.logical.take() else { return };
        let colon = memchr(b':', &text).unwrap_or(text.len());
        let value = text.get(colon + 1..).unwrap_or_default().trim_ascii();
        let name = text[..colon].split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        if is("BEGIN") {
            self.begin(value.to_ascii_uppercase(), at, line);
        } else if is("END") {
            self.end(&value.to_ascii_uppercase(), at, end);
        } else if self.open.is_empty() {
            self.found.stray += 1;
        } else if self.open.len() == 1 {
            self.property(&text, name, value);
        } else if self.open.len() == 2
            && let Some(open) = &mut self.piece
        {
            if is("UID") && !value.is_empty() && open.uid.is_none() {
                open.uid = Some(value.to_vec());
            } else if is("TZID") && open.tzid.is_none() {
                open.tzid = Some(value.to_vec());
            }
        }
    }

    /// A property of the VCALENDAR itself.
    fn property(&mut self, text: &[u8], name: &[u8], value: &[u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let value = || Some(super::decode::text(String::from_utf8_lossy(value)).trim().to_owned());
        if is("X-WR-CALNAME") || is("NAME") {
            self.found.name = self.found.name.take().or_else(value);
        } else if is("X-APPLE-CALENDAR-COLOR") || is("COLOR") {
            self.found.color = self.found.color.take().or_else(value);
        }
        if let Some(head) = self.found.heads.last_mut()
            && head.len() + text.len() < MOST_OF_HEAD
            && KEPT.iter().any(|kept| is(kept))
        {
            head.push_str(&String::from_utf8_lossy(text));
            head.push_str("\r\n");
            self.texts += text.len() + 2;
        }
    }

    fn begin(&mut self, kind: Vec<u8>, at: u64, line: u64) {
        let outermost = kind == b"VCALENDAR";
        let top = [&b"VEVENT"[..], b"VTODO", b"VJOURNAL", b"VFREEBUSY", b"VTIMEZONE", b"VAVAILABILITY"];
        // What can stand in a VCALENDAR alone ends what was not closed.
        if outermost || (self.open.len() > 1 && top.contains(&&kind[..])) {
            self.tear(at);
            self.open.truncate(usize::from(!outermost));
        }
        if outermost {
            if self.found.heads.len() < MOST_HEADS {
                self.found.heads.push(String::new());
            }
        } else if self.open.is_empty() {
            self.found.stray += 1;
            return;
        } else if self.open.len() == 1 {
            let calendar = u32::try_from(self.found.heads.len() - 1).unwrap_or(u32::MAX);
            let piece = Piece { at, octets: 0, line, calendar, object: 0, torn: false };
            self.piece = Some(Open { piece, uid: None, tzid: None, kind: kind.clone() });
        }
        // What nests deeper is refused when it is read as a whole.
        if self.open.len() < 64 {
            self.open.push(kind);
        }
    }

    fn end(&mut self, kind: &[u8], at: u64, end: u64) {
        let Some(place) = self.open.iter().rposition(|open| open == kind) else { return };
        if place == 0 {
            self.tear(at);
            self.open.clear();
            return;
        }
        self.open.truncate(place);
        if place == 1 {
            self.close(end, false);
        }
    }

    /// Ends what was not closed.
    fn tear(&mut self, end: u64) {
        if self.open.len() > 1 {
            self.close(end, true);
        }
    }

    fn close(&mut self, end: u64, torn: bool) {
        let Some(Open { piece, uid, tzid, kind }) = self.piece.take() else { return };
        let piece = Piece { octets: end - piece.at, torn, ..piece };
        if kind.starts_with(b"X-") {
            return;
        }
        if kind == b"VTIMEZONE" && !torn {
            if let Some(tzid) = tzid
                && self.found.zones.len() < MOST_HEADS
            {
                let tzid = super::decode::text(String::from_utf8_lossy(&tzid)).into_owned();
                self.texts += tzid.len();
                self.found.zones.entry((piece.calendar, tzid)).or_insert(piece);
            }
            return;
        }
        // What is torn takes nothing with it.
        let object = if let Some(uid) = uid.filter(|_| !torn) {
            let mut key = [0; 16];
            key.copy_from_slice(&Sha256::digest(&uid)[..16]);
            let known = *self.objects.entry(key).or_insert(self.next);
            self.next += u32::from(known == self.next);
            known
        } else {
            self.next += 1;
            self.next - 1
        };
        self.found.pieces.push(Piece { object, ..piece });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "\u{feff}BEGIN:VCALENDAR\r\nVERSION:2.0\r\nX-WR-CALNAME:At\\, home\r\nMETHOD:PUBLISH\r\n\
        BEGIN:VEVENT\r\nUID:a\r\nBEGIN:VALARM\r\nUID:alarm\r\nEND:VALARM\r\nEND:VEVENT\r\n\
        BEGIN:VTIMEZONE\r\nTZID:Ho\r\n me\r\nEND:VTIMEZONE\r\n\
        BEGIN:VEVENT\r\nUID:torn\r\nBEGIN:VEVENT\r\nU\r\n ID:b\r\nEND:VEVENT\r\nBEGIN:X-W\r\nEND:X-W\r\n\
        BEGIN:VTODO\r\nSUMMARY:none\r\nEND:VTODO\r\nEND:VCALENDAR\r\n\nBEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\n\
        RECURRENCE-ID:1\nUID: a\nEND:VEVENT\nEND:VCALENDAR\nrubbish";

    fn scanned(text: &str, part: usize) -> Pieces {
        let mut scanner = Scanner::default();
        text.as_bytes().chunks(part).for_each(|octets| scanner.feed(octets));
        scanner.finish()
    }

    #[test]
    fn the_pieces_of_an_object_may_be_far_apart() {
        for part in [1, 7, 4096] {
            let found = scanned(STREAM, part);
            let objects: Vec<Vec<&str>> = found
                .objects()
                .map(|pieces| {
                    let text = |p: &Piece| {
                        &STREAM[usize::try_from(p.at).unwrap()..usize::try_from(p.at + p.octets).unwrap()]
                    };
                    pieces.iter().map(text).collect()
                })
                .collect();
            let a = "BEGIN:VEVENT\r\nUID:a\r\nBEGIN:VALARM\r\nUID:alarm\r\nEND:VALARM\r\nEND:VEVENT";
            let again = "BEGIN:VEVENT\nRECURRENCE-ID:1\nUID: a\nEND:VEVENT";
            let todo = "BEGIN:VTODO\r\nSUMMARY:none\r\nEND:VTODO";
            let torn = "BEGIN:VEVENT\r\nUID:torn\r\n";
            let b = "BEGIN:VEVENT\r\nU\r\n ID:b\r\nEND:VEVENT";
            assert_eq!(objects, [vec![a, again], vec![torn], vec![b], vec![todo]], "in parts of {part}");
            let lines: Vec<u64> = found.pieces.iter().map(|piece| piece.line).collect();
            assert_eq!(lines, [5, 30, 15, 17, 23]);
            assert!(found.pieces[2].torn && !found.pieces[3].torn);
            assert_eq!((found.heads.len(), found.stray), (2, 1));
            assert_eq!(found.heads[0], "VERSION:2.0\r\n");
            assert_eq!(found.name.as_deref(), Some("At, home"));
            assert!(found.zones.contains_key(&(0, "Home".to_owned())));
        }
    }

    #[test]
    fn a_line_without_an_end_takes_no_room() {
        let mut scanner = Scanner::default();
        scanner.feed(b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nATTACH:");
        (0..1000).for_each(|_| scanner.feed(&[b'x'; 4096]));
        assert!(scanner.raw.len() <= MOST_OF_LINE);
        scanner.feed(b"\nEND:VEVENT\nEND:VCALENDAR\n");
        let found = scanner.finish();
        assert_eq!((found.pieces.len(), found.pieces[0].octets > 4_000_000), (1, true));
    }

    #[test]
    fn what_is_kept_is_told_before_it_is_much() {
        let weight = |text: &str| {
            let mut scanner = Scanner::default();
            (0..10_000).for_each(|number| scanner.feed(text.replace('#', &number.to_string()).as_bytes()));
            scanner.weight()
        };
        for text in [
            "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\n",
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:#\nEND:VEVENT\n",
            "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:#\nEND:VTIMEZONE\n",
            "BEGIN:VCALENDAR\nPRODID:#\n",
        ] {
            assert!((20 * 10_000..200 * 10_000).contains(&weight(text)), "{text}: {}", weight(text));
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_same_is_found(lines in prop::collection::vec(0_usize..12, 0..40), part in 1_usize..50) {
            let all = ["BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "UID:a", "UID:b", " x", "",
                       "BEGIN:VALARM", "END:VALARM", "BEGIN:VTIMEZONE", "TZID:Z"];
            let text: String = lines.iter().flat_map(|line| [all[*line], "\r\n"]).collect();
            let (one, other) = (scanned(&text, part), scanned(&text, text.len().max(1)));
            prop_assert_eq!(&one.pieces, &other.pieces);
            let mut last: Vec<(u64, u64)> = one.pieces.iter().map(|p| (p.at, p.at + p.octets)).collect();
            last.sort_unstable();
            prop_assert!(last.iter().all(|(from, to)| from < to && *to <= text.len() as u64));
            prop_assert!(last.windows(2).all(|pair| pair[0].1 <= pair[1].0), "they overlap");
        }
    }
}
