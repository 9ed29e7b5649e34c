//! An object without somebody who was erased: no line names them as a calendar user any more, and nothing else is another.
//! RFC 5545 §3.8.4.1, §3.8.4.3; works on any octets, for what cannot be read may name somebody as well.

use std::borrow::Cow;

use bytes::Bytes;

use crate::ical::line::{extent, unfold};
use crate::ical::write::Writer;

/// What stands for an address that is no longer told (RFC 2606 §2: nobody has it, and no mail goes there).
const NOBODY: &str = "erased@erased.invalid";
/// The same of a principal.
const NO_PRINCIPAL: &str = "/principals/erased/";

/// Lines by which an object is found again: they stay, whatever stands in them.
const IDENTITY: [&str; 4] = ["UID", "RECURRENCE-ID", "RELATED-TO", "TZID"];

/// The object without whom these marks name, in small letters: addresses, and paths of principals with a slash at both ends; none
/// where it names nobody of them. Attendees go, an organizer and whom an alarm tells are somebody who is not named, and so are
/// addresses in any other text.
#[must_use]
pub fn without(octets: &[u8], marks: &[String]) -> Option<Bytes> {
    let (mut out, mut at, mut changed) = (Vec::with_capacity(octets.len()), 0, false);
    let mut inside = Inside::default();
    while at < octets.len() {
        let (end, next, _) = extent(octets, at);
        let plain = unfold(&octets[at..end]);
        let fate = fate(&plain, marks, &inside);
        changed |= fate != Fate::Stays;
        let named = fate != Fate::Stays;
        let from = out.len();
        match fate {
            Fate::Stays => out.extend_from_slice(&octets[at..next]),
            Fate::Goes => {}
            Fate::Becomes(text) => {
                let mut writer = Writer::default();
                writer.line(&text);
                out.extend_from_slice(writer.finish().as_bytes());
            }
        }
        inside.pass(&plain, (from, named), &mut out);
        at = next;
    }
    changed.then(|| out.into())
}

/// What becomes of a line.
#[derive(PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    Becomes(String),
}

/// In which components a line stands.
#[derive(Default)]
struct Inside {
    alarms: usize,
    /// Where a PARTICIPANT (RFC 9073 §7.1) begins in what is written, and whether it is of somebody who goes.
    participant: Option<(usize, bool)>,
}

impl Inside {
    fn pass(&mut self, line: &[u8], (from, named): (usize, bool), out: &mut Vec<u8>) {
        let is = |text: &str| line.trim_ascii().eq_ignore_ascii_case(text.as_bytes());
        if is("BEGIN:VALARM") {
            self.alarms += 1;
        } else if is("END:VALARM") {
            self.alarms = self.alarms.saturating_sub(1);
        } else if is("BEGIN:PARTICIPANT") {
            self.participant = Some((from, false));
        } else if let Some((start, goes)) = &mut self.participant {
            *goes |= named;
            if is("END:PARTICIPANT") {
                if *goes {
                    out.truncate(*start);
                }
                self.participant = None;
            }
        }
    }
}

fn fate(line: &[u8], marks: &[String], inside: &Inside) -> Fate {
    let small = line.to_ascii_lowercase();
    if !marks.iter().any(|mark| places(&small, mark).next().is_some()) {
        return Fate::Stays;
    }
    let text = String::from_utf8_lossy(line);
    let name = text.split([':', ';']).next().unwrap_or_default().trim();
    let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
    if IDENTITY.iter().any(|wanted| is(wanted)) {
        return Fate::Stays;
    }
    let own = is_address_of(value(&text), marks);
    match own {
        true if is("ORGANIZER") || is("ATTENDEE") && inside.alarms > 0 => {
            Fate::Becomes(format!("{}:mailto:{NOBODY}", name.to_ascii_uppercase()))
        }
        true if is("ATTENDEE") || name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("X-")) => Fate::Goes,
        _ => Fate::Becomes(anonymous(&text, marks)),
    }
}

/// The value of a line, behind the colon that is in no quotes.
fn value(line: &str) -> &str {
    let mut quoted = false;
    let colon = line.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == ':' && !quoted
    });
    colon.map_or("", |(at, _)| &line[at + 1..])
}

/// Whether a value is a calendar address of whom the marks name: `mailto:`, or the URL of a principal.
fn is_address_of(value: &str, marks: &[String]) -> bool {
    let value = value.trim().to_ascii_lowercase();
    let plain = value.strip_prefix("mailto:").unwrap_or(&value).split('?').next().unwrap_or_default();
    marks
        .iter()
        .any(|mark| if mark.starts_with('/') { value.ends_with(mark.as_str()) } else { plain == mark })
}

/// The text with nobody in the place of whom the marks name.
fn anonymous(text: &str, marks: &[String]) -> String {
    let mut text = Cow::Borrowed(text);
    for mark in marks {
        let nobody = match (mark.starts_with('/'), mark.contains('@')) {
            (true, _) => NO_PRINCIPAL.to_owned(),
            (false, true) => NOBODY.to_owned(),
            (false, false) => NOBODY.replace('@', "%40"),
        };
        let small = text.to_ascii_lowercase();
        let (mut new, mut from) = (String::new(), 0);
        for place in places(small.as_bytes(), mark) {
            new += &text[from..place];
            new += &nobody;
            from = place + mark.len();
        }
        if from > 0 {
            new += &text[from..];
            text = Cow::Owned(new);
        }
    }
    text.into_owned()
}

/// Where the mark stands in a text of small letters, as a whole address or path.
fn places<'a>(text: &'a [u8], mark: &'a str) -> impl Iterator<Item = usize> + 'a {
    let of_name = |octet: &u8| octet.is_ascii_alphanumeric() || *octet >= 0x80;
    memchr::memmem::find_iter(text, mark.as_bytes()).filter(move |place| {
        let (before, behind) = (&text[..*place], &text[place + mark.len()..]);
        let longer_before = before.last().is_some_and(|octet| of_name(octet) || b"._+-".contains(octet));
        let longer_behind = match behind {
            [b'.', next, ..] => of_name(next),
            [next, ..] => of_name(next) || b"-_".contains(next),
            [] => false,
        };
        mark.starts_with('/') || !(longer_before || longer_behind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks() -> Vec<String> {
        ["zaphod@example.org", "zaphod%40example.org", "/principals/zaphod/"].map(str::to_owned).to_vec()
    }

    fn event(lines: &[&str]) -> String {
        let all: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
        format!("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{all}END:VEVENT\r\nEND:VCALENDAR\r\n")
    }

    #[test]
    fn lines_that_name_somebody_go_or_name_nobody() {
        for (line, becomes) in [
            ("ATTENDEE;CN=Zaphod;PARTSTAT=ACCEPTED:mailto:Zaphod@Example.org", None),
            ("ATTENDEE;CN=Zaphod:mailto:zaphod@ex\r\n ample.org", None),
            ("ATTENDEE:https://x.org/dav/principals/zaphod/", None),
            ("X-MS-OLK-SENDER;CN=Zaphod:mailto:zaphod@example.org", None),
            (
                "ORGANIZER;CN=\"Zaphod: B\":mailto:zaphod@example.org",
                Some("ORGANIZER:mailto:erased@erased.invalid"),
            ),
            (
                "ATTENDEE;CN=Bob;DELEGATED-FROM=\"mailto:zaphod@example.org\":mailto:bob@example.org",
                Some(
                    "ATTENDEE;CN=Bob;DELEGATED-FROM=\"mailto:erased@erased.invalid\":mailto:bob@ex\r\n ample.org",
                ),
            ),
            ("DESCRIPTION:Ask zaphod@example.org.", Some("DESCRIPTION:Ask erased@erased.invalid.")),
            ("URL:https://x/?to=zaphod%40example.org", Some("URL:https://x/?to=erased%40erased.invalid")),
        ] {
            let made = without(event(&["UID:a", line, "SUMMARY:S"]).as_bytes(), &marks()).unwrap();
            let lines: Vec<&str> = ["UID:a"].into_iter().chain(becomes).chain(["SUMMARY:S"]).collect();
            assert_eq!(String::from_utf8_lossy(&made), event(&lines), "{line}");
        }
    }

    #[test]
    fn what_names_somebody_else_keeps_its_octets() {
        for line in [
            "ATTENDEE:mailto:tzaphod@example.org",
            "ATTENDEE:mailto:the.zaphod@example.org",
            "ATTENDEE:mailto:zaphod@example.org.uk",
            "ATTENDEE:mailto:zaphod@example.organic",
            "ATTENDEE:/dav/principals/zaphod2/",
            "SUMMARY:Lunch with Zap\r\n hod",
            "UID:1-zaphod@example.org",
        ] {
            assert_eq!(without(event(&[line]).as_bytes(), &marks()), None, "{line}");
        }
    }

    #[test]
    fn an_alarm_by_mail_still_has_somebody_to_tell_and_a_participant_goes_whole() {
        let alarm = |who: &str| format!("BEGIN:VALARM\r\nATTENDEE:mailto:{who}\r\nEND:VALARM");
        let participant = "BEGIN:PARTICIPANT\r\nSUMMARY:Zaphod\r\nCALENDAR-ADDRESS:mailto:zaphod@example.org\r\nEND:PARTICIPANT";
        let other = "BEGIN:PARTICIPANT\r\nSUMMARY:Bob\r\nEND:PARTICIPANT";
        let text =
            event(&[&alarm("zaphod@example.org"), participant, other, "ATTENDEE:mailto:zaphod@example.org"]);
        let made = without(text.as_bytes(), &marks()).unwrap();
        assert_eq!(String::from_utf8_lossy(&made), event(&[&alarm(NOBODY), other]));
    }

    #[test]
    fn any_octets_will_do() {
        for odd in [
            &b""[..],
            b"\n\n",
            b"zaphod@example.org",
            b"\xff:zaphod@example.org\xff",
            b"ATTENDEE\r\n :\r\n\t",
        ] {
            let _ = without(odd, &marks());
        }
        assert!(without(b"A:\xff zaphod@example.org", &marks()).is_some());
    }
}
