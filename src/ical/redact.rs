//! An object without what it says of people, for reports of bugs: structure and times stay, texts, addresses and names are
//! replaced, octet for octet, so that whatever is wrong with it still is.
//! RFC 5545 §3.1: works on any octets, for a file that cannot be read is the one that is reported.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use crate::ical::line::{extent, past_breaks};
use crate::ical::typed;
use crate::ical::zone::Zone;

/// Properties whose values are times, numbers and words of the standard: of these, digits and the words below stay.
const TOLD: [&str; 41] = [
    "ACKNOWLEDGED",
    "ACTION",
    "BUSYTYPE",
    "CALSCALE",
    "CLASS",
    "COMPLETED",
    "CREATED",
    "DTEND",
    "DTSTAMP",
    "DTSTART",
    "DUE",
    "DURATION",
    "EXDATE",
    "EXRULE",
    "FREEBUSY",
    "LAST-MODIFIED",
    "METHOD",
    "PERCENT-COMPLETE",
    "PRIORITY",
    "PROXIMITY",
    "RDATE",
    "RECURRENCE-ID",
    "REFRESH-INTERVAL",
    "REPEAT",
    "RRULE",
    "SEQUENCE",
    "STATUS",
    "TRANSP",
    "TRIGGER",
    "TZOFFSETFROM",
    "TZOFFSETTO",
    "TZUNTIL",
    "VERSION",
    "X-APPLE-DEFAULT-ALARM",
    "X-APPLE-TRAVEL-DURATION",
    "X-MICROSOFT-CDO-ALLDAYEVENT",
    "X-MICROSOFT-CDO-BUSYSTATUS",
    "X-MICROSOFT-CDO-INTENDEDSTATUS",
    "X-MOZ-GENERATION",
    "X-MOZ-LASTACK",
    "X-MOZ-SNOOZE-TIME",
];

/// Properties that name a time zone.
const ZONES: [&str; 4] = ["TZID", "TZID-ALIAS-OF", "X-LIC-LOCATION", "X-WR-TIMEZONE"];

/// Other properties of products whose names stay; any other unknown name may be somebody's own.
const PRODUCTS: [&str; 12] = [
    "X-APPLE-CALENDAR-COLOR",
    "X-APPLE-STRUCTURED-LOCATION",
    "X-CALENDARSERVER-MASK-UID",
    "X-EVOLUTION-ALARM-UID",
    "X-EVOLUTION-CALDAV-HREF",
    "X-GOOGLE-CONFERENCE",
    "X-MICROSOFT-CDO-IMPORTANCE",
    "X-TZINFO",
    "X-WR-ALARMUID",
    "X-WR-CALDESC",
    "X-WR-CALNAME",
    "X-WR-RELCALID",
];

const COMPONENTS: [&str; 14] = [
    "VCALENDAR",
    "VEVENT",
    "VTODO",
    "VJOURNAL",
    "VFREEBUSY",
    "VTIMEZONE",
    "STANDARD",
    "DAYLIGHT",
    "VALARM",
    "VAVAILABILITY",
    "AVAILABLE",
    "PARTICIPANT",
    "VLOCATION",
    "VRESOURCE",
];

/// Parameters whose values are words of the standard.
const TOLD_PARAMETERS: [&str; 17] = [
    "CUTYPE",
    "DERIVED",
    "DISPLAY",
    "ENCODING",
    "FBTYPE",
    "FEATURE",
    "ORDER",
    "PARTSTAT",
    "RANGE",
    "RELATED",
    "RELTYPE",
    "ROLE",
    "RSVP",
    "SCHEDULE-AGENT",
    "SCHEDULE-FORCE-SEND",
    "SCHEDULE-STATUS",
    "VALUE",
];

/// Parameters that only their name is left of.
const NAMED_PARAMETERS: [&str; 18] = [
    "ALTREP",
    "CN",
    "DELEGATED-FROM",
    "DELEGATED-TO",
    "DIR",
    "EMAIL",
    "FILENAME",
    "FMTTYPE",
    "GAP",
    "LABEL",
    "LANGUAGE",
    "LINKREL",
    "MANAGED-ID",
    "MEMBER",
    "SCHEMA",
    "SENT-BY",
    "SIZE",
    "X-NUM-GUESTS",
];

/// The words that stay, one after the other: of dates and durations, rules, states, types and relations.
const WORDS: &str = " T Z P PT D W H M S DT WT \
    FREQ UNTIL COUNT INTERVAL BYSECOND BYMINUTE BYHOUR BYDAY BYMONTHDAY BYYEARDAY BYWEEKNO BYMONTH BYSETPOS WKST RSCALE SKIP \
    SECONDLY MINUTELY HOURLY DAILY WEEKLY MONTHLY YEARLY MO TU WE TH FR SA SU OMIT BACKWARD FORWARD \
    GREGORIAN CHINESE HEBREW ETHIOPIC INDIAN ISLAMIC CIVIL PERSIAN COPTIC JAPANESE BUDDHIST DANGI L \
    TENTATIVE CONFIRMED CANCELLED NEEDS ACTION COMPLETED IN PROCESS DRAFT FINAL OPAQUE TRANSPARENT \
    PUBLIC PRIVATE CONFIDENTIAL AUDIO DISPLAY EMAIL PROCEDURE ARRIVE DEPART CONNECT DISCONNECT \
    PUBLISH REQUEST REPLY ADD CANCEL REFRESH COUNTER DECLINECOUNTER \
    BUSY FREE UNAVAILABLE OOF WORKINGELSEWHERE TRUE FALSE \
    ACCEPTED DECLINED DELEGATED INDIVIDUAL GROUP RESOURCE ROOM UNKNOWN CHAIR REQ OPT NON PARTICIPANT \
    THISANDFUTURE THISANDPRIOR START END PARENT CHILD SIBLING SNOOZE FINISHTOSTART FINISHTOFINISH STARTTOFINISH STARTTOSTART \
    SERVER CLIENT NONE BASE BIT BINARY BOOLEAN CAL ADDRESS DATE TIME DURATION FLOAT INTEGER PERIOD RECUR TEXT URI UTC OFFSET \
    BADGE GRAPHIC FULLSIZE THUMBNAIL CHAT FEED MODERATOR PHONE SCREEN VIDEO ";

/// The beginnings of addresses that tell of their kind alone.
const SCHEMES: [&str; 8] = ["mailto:", "https://", "http://", "urn:uuid:", "tel:", "cid:", "geo:", "data:"];

/// Replaces what several files say of people: the same thing by the same in all of them, and never by what was there.
#[derive(Default)]
pub struct Redaction {
    /// Its key is drawn anew each time, and gone with it.
    hasher: RandomState,
    /// What stands for what, in small letters both.
    given: HashMap<Vec<u8>, Vec<u8>>,
}

impl Redaction {
    /// The octets with as many octets in each line and each fold.
    pub fn redact(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut out = octets.to_vec();
        let mut at = if octets.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        while at < octets.len() {
            let (end, next, _) = extent(octets, at);
            let places = content(octets, at, end);
            let plain: Vec<u8> = places.iter().map(|place| octets[*place]).collect();
            let line = self.line(&plain);
            debug_assert_eq!(line.len(), plain.len());
            places.iter().zip(line).for_each(|(place, octet)| out[*place] = octet);
            at = next.max(at + 1);
        }
        out
    }

    /// One line without its folds.
    fn line(&mut self, line: &[u8]) -> Vec<u8> {
        let Some(mut at) = line.iter().position(|b| matches!(b, b':' | b';')) else {
            return self.masked(line);
        };
        let name = String::from_utf8_lossy(&line[..at]).to_ascii_uppercase();
        let known = ["BEGIN", "END"].contains(&&*name)
            || typed::is_known(&name.to_ascii_lowercase())
            || [&TOLD[..], &ZONES, &PRODUCTS].concat().contains(&&*name);
        let mut out = if known { line[..at].to_vec() } else { self.named(&line[..at]) };
        while line.get(at) == Some(&b';') {
            let end = past_parameter(line, at + 1);
            out.push(b';');
            out.extend(self.parameter(&line[at + 1..end]));
            at = end;
        }
        if let Some((colon, value)) = line[at..].split_first() {
            out.push(*colon);
            out.extend(self.value(&name, value));
        }
        out
    }

    fn value(&mut self, name: &str, value: &[u8]) -> Vec<u8> {
        match name {
            "PRODID" => value.to_vec(),
            "BEGIN" | "END" => {
                let part = String::from_utf8_lossy(value.trim_ascii()).to_ascii_uppercase();
                if COMPONENTS.contains(&&*part) { value.to_vec() } else { self.masked(value) }
            }
            name if ZONES.contains(&name) => self.zone(value),
            name if TOLD.contains(&name) => self.told(value),
            _ => self.masked(value),
        }
    }

    fn parameter(&mut self, parameter: &[u8]) -> Vec<u8> {
        let Some(at) = parameter.iter().position(|b| *b == b'=') else { return self.masked(parameter) };
        let (name, values) = (&parameter[..at], &parameter[at + 1..]);
        let upper = String::from_utf8_lossy(name).to_ascii_uppercase();
        let told = TOLD_PARAMETERS.contains(&&*upper);
        let known = told || upper == "TZID" || NAMED_PARAMETERS.contains(&&*upper);
        let mut out = if known { name.to_vec() } else { self.named(name) };
        out.push(b'=');
        for piece in values.split_inclusive(|b| matches!(b, b'"' | b',')) {
            let (piece, last) = match piece.split_last() {
                Some((last, rest)) if matches!(last, b'"' | b',') => (rest, Some(*last)),
                _ => (piece, None),
            };
            out.extend(match &*upper {
                "TZID" => self.zone(piece),
                _ if told => self.told(piece),
                _ => self.masked(piece),
            });
            out.extend(last);
        }
        out
    }

    /// A name that may be somebody's own; that it is one of those says its beginning.
    fn named(&mut self, name: &[u8]) -> Vec<u8> {
        let own = if name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(b"X-")) { 2 } else { 0 };
        [&name[..own], &self.masked(&name[own..])].concat()
    }

    /// What is known of the name of a zone.
    fn zone(&mut self, value: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(value) else { return self.masked(value) };
        let begins = text.match_indices('/').map(|(at, _)| at + 1).rev().chain([0]);
        let known = begins.into_iter().find(|at| Zone::named(&text[*at..]).is_some());
        let (prefix, name) = value.split_at(known.unwrap_or(value.len()));
        [&self.masked(prefix), name].concat()
    }

    /// Digits, marks and the words of the standard.
    fn told(&mut self, value: &[u8]) -> Vec<u8> {
        let is_word = |octet: &u8| octet.is_ascii_alphabetic() || !octet.is_ascii();
        let runs = value.chunk_by(|a, b| is_word(a) == is_word(b));
        let kept = |run: &[u8]| {
            let word = String::from_utf8_lossy(run).to_ascii_uppercase();
            !run.first().is_some_and(is_word) || WORDS.contains(&[" ", &word, " "].concat())
        };
        runs.flat_map(|run| if kept(run) { run.to_vec() } else { self.masked(run) }).collect()
    }

    /// Something else of the same shape: the same for the same, and another for another as long as there is one.
    fn masked(&mut self, value: &[u8]) -> Vec<u8> {
        let scheme = SCHEMES.iter().map(|scheme| scheme.len()).find(|length| {
            value
                .get(..*length)
                .is_some_and(|start| SCHEMES.iter().any(|s| start.eq_ignore_ascii_case(s.as_bytes())))
        });
        let (scheme, rest) = value.split_at(scheme.unwrap_or(0));
        let small = rest.to_ascii_lowercase();
        let mut made = rest.to_vec();
        for attempt in 0..64_u8 {
            made = self.made_up(rest, &small, attempt);
            let other = self.given.entry(made.to_ascii_lowercase()).or_insert_with(|| small.clone());
            if *other == small {
                break;
            }
        }
        [scheme, &made].concat()
    }

    /// Every letter and digit by another one; escapes and marks stay, and so does whatever is no UTF-8.
    fn made_up(&self, value: &[u8], small: &[u8], attempt: u8) -> Vec<u8> {
        let (mut out, mut before) = (String::new(), ' ');
        let mut octets = Vec::with_capacity(value.len());
        for chunk in value.utf8_chunks() {
            for (nth, c) in chunk.valid().char_indices() {
                let dice = self.hasher.hash_one((small, attempt, octets.len() + nth));
                let escape = matches!(before, '\\' | '^') && matches!(c, 'n' | 'N');
                out.push(if escape { c } else { another(c, dice) });
                before = if before == '\\' { ' ' } else { c };
            }
            octets.extend(out.drain(..).as_str().bytes());
            octets.extend(chunk.invalid().iter().map(|_| 0xfc));
        }
        octets
    }
}

/// Another character of the same kind and as many octets.
fn another(c: char, dice: u64) -> char {
    // Never by none and never by all: so it is another one.
    let turned = |first: char, count: u64| {
        let at = u64::from(u32::from(c) - u32::from(first)) + 1 + dice % (count - 1);
        nth_from(first, at % count)
    };
    let among = |first: char, count: u64| {
        let found = nth_from(first, dice % count);
        if found == c { nth_from(first, count) } else { found }
    };
    match c {
        '0'..='9' => turned('0', 10),
        'a'..='z' => turned('a', 26),
        'A'..='Z' => turned('A', 26),
        _ if c.is_ascii() => c,
        _ => match c.len_utf8() {
            2 => among('α', 16),
            3 => among('\u{4e00}', 5_000),
            _ => among('\u{1f400}', 60),
        },
    }
}

fn nth_from(first: char, nth: u64) -> char {
    let code = u32::try_from(nth).ok().and_then(|nth| char::from_u32(u32::from(first) + nth));
    code.unwrap_or(first)
}

/// Where the octets of a line stand that are no folds.
fn content(octets: &[u8], start: usize, end: usize) -> Vec<usize> {
    let (mut places, mut at) = (Vec::with_capacity(end - start), start);
    while at < end {
        match octets[at..end].iter().position(|b| *b == b'\n') {
            None => {
                places.extend(at..end);
                break;
            }
            Some(feed) => {
                let feed = at + feed;
                let returns = octets[at..feed].iter().rev().take_while(|b| **b == b'\r').count();
                places.extend(at..feed - returns);
                at = past_breaks(octets, feed) + 1;
            }
        }
    }
    places
}

/// The end of a parameter: a semicolon or colon outside of quotes, or the end of the line.
fn past_parameter(line: &[u8], start: usize) -> usize {
    let mut quoted = false;
    let end = line[start..].iter().position(|b| {
        quoted ^= *b == b'"';
        !quoted && matches!(b, b';' | b':')
    });
    end.map_or(line.len(), |end| start + end)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::ical::{ALWAYS, Budget, Calendar, occurrences};

    fn redacted(text: &str) -> String {
        String::from_utf8(Redaction::default().redact(text.as_bytes())).unwrap()
    }

    #[test]
    fn structure_and_times_stay() {
        for kept in [
            "BEGIN:VEVENT",
            "DTSTART;TZID=Europe/Berlin:20260301T090000",
            "DTSTART;TZID=\"W. Europe Standard Time\";VALUE=DATE-TIME:20260301T090000",
            "RRULE:FREQ=MONTHLY;BYDAY=-1FR,2MO;UNTIL=20270101T000000Z",
            "EXDATE;VALUE=DATE:20260301,20260302",
            "TRIGGER;RELATED=END:-P1DT2H3M",
            "RDATE;VALUE=PERIOD:19960403T020000Z/PT3H",
            "STATUS:NEEDS-ACTION",
            "PRODID:-//Sample//Calendar 1.0//EN",
            "SUMMARY:",
            "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20260301T090000Z/PT1H",
            "X-LIC-LOCATION:America/Indiana/Knox",
        ] {
            assert_eq!(redacted(kept), kept);
        }
    }

    #[test]
    fn nothing_that_anybody_said_stays() {
        for (line, shape) in [
            (
                "SUMMARY;LANGUAGE=de:Grüße an Zoë\\, morgen\\n",
                "SUMMARY;LANGUAGE=aa:Aaααa aa Aaα\\, aaaaaa\\n",
            ),
            (
                "ATTENDEE;CN=\"Doe, Jane\";PARTSTAT=ACCEPTED:mailto:jane@example.org",
                "ATTENDEE;CN=\"Aaa, Aaaa\";PARTSTAT=ACCEPTED:mailto:aaaa@aaaaaaa.aaa",
            ),
            ("X-MINE;X-KEY=1:a", "X-AAAA;X-AAA=0:a"),
            ("DTSTART:tomorrow 10:00", "DTSTART:aaaaaaaa 10:00"),
            ("TZID:/example.org/Europe/Berlin", "TZID:/aaaaaaa.aaa/Europe/Berlin"),
            ("BEGIN:X-SECRET", "BEGIN:A-AAAAAA"),
            ("no colon", "aa aaaaa"),
            ("PARTSTAT=x;RRULE:FREQ=MINE;BYDAY=MO", "AAAAAAAA=a;AAAAA:AAAA=AAAA;AAAAA=AA"),
            ("RRULE:FREQ=SOON;BYDAY=MO", "RRULE:FREQ=AAAA;BYDAY=MO"),
        ] {
            let found = redacted(line);
            let plain = |c: char, like: char| match like {
                'a' => c.is_ascii_lowercase(),
                'A' => c.is_ascii_uppercase(),
                '0' => c.is_ascii_digit(),
                'α' => c.len_utf8() == 2,
                _ => c == like,
            };
            // A letter of the shape is any letter where something is replaced, and itself where it is kept.
            let fits = found.chars().zip(shape.chars()).all(|(c, like)| c == like || plain(c, like));
            assert!(fits && found.chars().count() == shape.chars().count(), "{line}\n{found}\n{shape}");
            assert!(found != line, "{line}");
        }
    }

    #[test]
    fn the_same_is_the_same_and_another_is_another() {
        let mut redaction = Redaction::default();
        let mut of = |text: &str| String::from_utf8(redaction.redact(text.as_bytes())).unwrap();
        assert_eq!(
            of("UID:7-a@example.com\nUID:7-A@example.com"),
            of("UID:7-a@example.com\nUID:7-A@example.com")
        );
        let value = |line: &str| line.split_once(':').unwrap().1.to_ascii_lowercase();
        let organizer = value(&of("ORGANIZER:mailto:Jane@x.org"));
        assert_eq!(organizer, value(&of("ATTENDEE:MAILTO:jane@X.ORG")));
        assert_eq!(of("X:\"mailto:jane@x.org\"").to_ascii_lowercase().matches(&organizer[7..]).count(), 0);
        // Ten names of one digit are ten again, though none is what it was.
        let mut all: Vec<_> = (0..10).map(|n| of(&format!("UID:{n}"))).collect();
        assert!(all.iter().enumerate().all(|(n, uid)| *uid != format!("UID:{n}")));
        all.sort();
        all.dedup();
        assert!(all.len() >= 9, "{all:?}");
        let zone = of("TZID:Our Zone");
        assert_eq!(
            of("DTSTART;TZID=Our Zone:20260101T000000"),
            zone.replace("TZID:", "DTSTART;TZID=") + ":20260101T000000"
        );
    }

    #[test]
    fn what_is_wrong_still_is() {
        for wrong in [
            b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Gr\xc3\r\n \xbc\xc3\x9fe\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n".as_slice(),
            b"\xef\xbb\xbfBEGIN:VCALENDAR\nSUMMARY:Gr\xfc\xdfe an alle\n\n folded \n\tagain\nEND:VCALENDAR",
            b"BEGIN:VCALENDAR\nATTENDEE;CN=\"open:mailto:a@b\nEND:VCALENDAR\n",
            b"\n\n \r\r\n:\n;\n=\n",
        ] {
            let found = Redaction::default().redact(wrong);
            assert_eq!(found.len(), wrong.len());
            let marks = |octets: &[u8]| -> Vec<usize> {
                octets.iter().enumerate().filter(|(_, b)| b" \t\r\n:;=\",".contains(b)).map(|(at, _)| at).collect()
            };
            assert_eq!(marks(&found), marks(wrong));
            let faults = |octets: &[u8]| {
                Calendar::parse(Bytes::copy_from_slice(octets)).err().map(|fault| (fault.line, fault.reason))
            };
            assert_eq!(faults(&found), faults(wrong));
        }
    }

    /// A word that stands nowhere in the standard.
    fn secret() -> impl Strategy<Value = String> {
        prop_oneof![
            "[b-z]{3}q[b-z]{3}q[b-z]{2}",
            "Q[B-Z]{4}ü[b-z]{3}q",
            "[бвгд]{7}",
            "[日本語文字]{4,6}",
            "9[0-9]{3}q[0-9]{4}"
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_secret_is_left(secrets in prop::collection::vec(secret(), 6), fold in 0..60_usize, odd in ".{0,20}") {
            let [text, name, mail, uid, own, zone] = &secrets[..] else { unreachable!() };
            let ascii = |word: &str| word.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
            let (x, comp) = (ascii(own), ascii(zone));
            let odd: String = odd.chars().filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
            let event = format!(
                "BEGIN:VCALENDAR\r\nX-{x}:{text}\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;TZID=/{zone}/Europe/Berlin:20260301T090000\r\n\
                 RRULE:FREQ=WEEKLY;COUNT=3\r\nSUMMARY;X-{x}={name};LANGUAGE={text}:{odd} {text}\r\nATTENDEE;CN=\"{name}\":mailto:{mail}@{uid}.org\r\n\
                 STATUS:{text}\r\nBEGIN:X-{comp}\r\nCOMMENT:{mail}\r\nEND:X-{comp}\r\n{odd}:{own}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
            );
            let at = (fold..event.len()).find(|at| event.is_char_boundary(*at)).unwrap_or(0);
            let folded = [&event[..at], "\r\n ", &event[at..]].concat();
            let found = Redaction::default().redact(folded.as_bytes());
            prop_assert_eq!(found.len(), folded.len());
            let plain = String::from_utf8(found.clone()).unwrap().replace("\r\n ", "").to_lowercase();
            for word in secrets.iter().chain([&x, &comp]).filter(|word| word.chars().count() > 4) {
                prop_assert!(!plain.contains(&word.to_lowercase()), "{}\n{}", word, plain);
            }
            let read = |octets: Vec<u8>| Calendar::parse(octets.into()).map_err(|fault| fault.reason);
            let (before, after) = (read(folded.into_bytes()), read(found));
            prop_assert_eq!(before.as_ref().err(), after.as_ref().err());
            if let (Ok(before), Ok(after)) = (before, after) {
                let starts = |calendar: &Calendar| -> Vec<i64> {
                    let all = occurrences(calendar, ALWAYS, &Zone::utc(), &Budget::new(10_000)).unwrap();
                    all.iter().map(|o| o.start).collect()
                };
                prop_assert_eq!(starts(&before), starts(&after));
            }
        }
    }
}
