//! A whole calendar as strangers see it who have a link to it: cut while it streams, object by object; of a busy-only one
//! nothing is left but times. RFC 5545 §3.6, §3.8.1.3; caldav-privateevents §4.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use bytes::Bytes;
use memchr::memchr;
use sha2::{Digest, Sha256};

use crate::ical::access::Access;
use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::line::unfold;
use crate::ical::merge::PRODID;
use crate::ical::write::Writer;
use crate::ical::zone::Zone;

/// Octets of an object, with all that is said beside it, that are looked at together.
const MOST: usize = 64 << 20;

/// What a link shows of events that their owner has not made public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpublic {
    /// All of them, as of others.
    Full,
    /// When they are.
    Busy,
    /// Of private ones nothing, of confidential ones when they are.
    Hidden,
}

/// What a link shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shows {
    /// Whether times are all that it shows.
    pub busy_only: bool,
    /// What is left of events that are not public.
    pub unpublic: Unpublic,
}

/// An object is longer than any can be that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// What is left of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    Times,
    /// When it is, what it is called and where.
    Outline,
    All,
}

/// What cuts the stream, in memory for one object.
pub struct Cutter {
    shows: Shows,
    /// What UIDs are mixed with, so that nobody can tell whether they guessed one: who has the link does not know it.
    salt: Vec<u8>,
    /// The content line that is being read, with its folds.
    line: Vec<u8>,
    /// Components that are open, VCALENDAR first.
    depth: usize,
    /// The component of the VCALENDAR that is being read.
    component: Vec<u8>,
    /// Those before it that are of one object, and their UID.
    object: Vec<u8>,
    uid: Option<String>,
    /// Time zones that nothing which is shown has named so far, each by its TZID.
    held: HashMap<String, Vec<u8>>,
    zones: HashMap<String, String>,
    out: Writer,
}

impl Cutter {
    /// One for a link; the salt is the link's own, and nothing that it tells.
    #[must_use]
    pub fn new(shows: Shows, salt: &[u8]) -> Self {
        Self {
            shows,
            salt: salt.to_vec(),
            line: Vec::new(),
            depth: 0,
            component: Vec::new(),
            object: Vec::new(),
            uid: None,
            held: HashMap::new(),
            zones: HashMap::new(),
            out: Writer::default(),
        }
    }

    /// Reads on, and gives what is known to be shown.
    ///
    /// # Errors
    /// Where an object has no end.
    pub fn feed(&mut self, mut octets: &[u8]) -> Result<Bytes, TooLong> {
        while !octets.is_empty() {
            let at_start = self.line.last() == Some(&b'\n');
            if at_start && !matches!(octets[0], b' ' | b'\t') {
                self.content();
            }
            let taken = memchr(b'\n', octets).map_or(octets.len(), |feed| feed + 1);
            self.line.extend_from_slice(&octets[..taken]);
            octets = &octets[taken..];
            if self.line.len() + self.component.len() + self.object.len() > MOST {
                return Err(TooLong);
            }
        }
        Ok(self.out.take().into())
    }

    /// The rest, when all is fed.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        if !self.line.is_empty() {
            self.content();
        }
        self.out.finish().into()
    }

    /// A content line is whole.
    fn content(&mut self) {
        let line = std::mem::take(&mut self.line);
        let plain = unfold(&line);
        let (name, value) = plain.split_at(memchr(b':', &plain).unwrap_or(plain.len()));
        let name = name.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let (begins, ends) = (name.eq_ignore_ascii_case(b"BEGIN"), name.eq_ignore_ascii_case(b"END"));
        self.depth += usize::from(begins);
        match self.depth {
            0 => {}
            1 if begins => self.head(),
            1 if ends => {
                self.object_ends();
                self.out.line("END:VCALENDAR");
            }
            1 => self.property(&plain),
            _ => self.component.extend_from_slice(&line),
        }
        if ends {
            self.depth = self.depth.saturating_sub(1);
            if self.depth == 1 {
                self.component_ends(value);
            }
        }
    }

    fn head(&mut self) {
        for line in ["BEGIN:VCALENDAR", "VERSION:2.0"] {
            self.out.line(line);
        }
        self.out.pieces(&["PRODID:", PRODID]);
    }

    /// What the calendar is called is something that people say.
    fn property(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\r', '\n']);
        let name = line.split([':', ';']).next().unwrap_or_default().to_ascii_uppercase();
        let kept = ["NAME", "X-WR-CALNAME", "COLOR", "X-APPLE-CALENDAR-COLOR", "CALSCALE"];
        if !self.shows.busy_only && kept.contains(&name.as_str()) {
            self.out.line(line);
        }
    }

    fn component_ends(&mut self, kind: &[u8]) {
        let raw = std::mem::take(&mut self.component);
        let Some(calendar) = read(&raw) else { return };
        let Some(component) = calendar.components().next() else { return };
        if kind.eq_ignore_ascii_case(b"VTIMEZONE") {
            if let Some(tzid) = component.property("TZID").map(|tzid| tzid.text().into_owned()) {
                self.held.insert(tzid, raw);
            }
            return;
        }
        let uid = component.uid().map(std::borrow::Cow::into_owned);
        if uid.is_none() || uid != self.uid {
            self.object_ends();
            self.uid = uid;
        }
        self.object.extend_from_slice(&raw);
    }

    /// All components of an object are there: only together do they say who may see it.
    fn object_ends(&mut self) {
        self.uid = None;
        let Some(calendar) = read(&std::mem::take(&mut self.object)) else { return };
        let left = self.shows.left(Access::of(&calendar));
        if left != Left::Nothing {
            self.zones_of(&calendar);
        }
        for component in calendar.components() {
            match left {
                Left::Nothing => {}
                Left::Times => self.times(component),
                Left::Outline => self.outline(component),
                Left::All => self.all(component),
            }
        }
    }

    /// The time zones that are named here for the first time: of one that only hidden events are in nobody is told.
    fn zones_of(&mut self, object: &Calendar) {
        if self.held.is_empty() {
            return;
        }
        let mut named = BTreeSet::new();
        object.components().for_each(|component| zones_named(component, &mut named));
        for octets in named.iter().filter_map(|tzid| self.held.remove(tzid)).collect::<Vec<_>>() {
            let Some(calendar) = read(&octets) else { continue };
            match calendar.components().next() {
                Some(zone) if self.shows.busy_only => self.zone(zone),
                Some(zone) => self.out.raw(zone.raw()),
                None => {}
            }
        }
    }

    /// Everything but alarms, which are for one person, and what was said of who may see it.
    fn all(&mut self, component: Component<'_>) {
        self.out.pieces(&["BEGIN:", &component.name()]);
        for property in component.lines().filter(|line| !personal(*line)) {
            self.out.raw(property.raw());
        }
        for part in component.components().filter(|part| !part.is("VALARM")) {
            self.all(part);
        }
        self.out.pieces(&["END:", &component.name()]);
    }

    fn outline(&mut self, component: Component<'_>) {
        let kind = component.name();
        self.out.pieces(&["BEGIN:", &kind]);
        for property in component.lines().filter(|line| Access::Restricted.shows(&kind, &line.name())) {
            self.out.raw(property.raw());
        }
        self.out.pieces(&["END:", &kind]);
    }

    /// When an event is, in words of ours. To-dos and journals take nobody's time.
    fn times(&mut self, component: Component<'_>) {
        let busy_only = self.shows.busy_only;
        let Some(uid) = component.uid().filter(|_| component.is("VEVENT")) else { return };
        self.out.line("BEGIN:VEVENT");
        let uid = if busy_only { self.hidden(&uid) } else { uid.into_owned() };
        self.out.pieces(&["UID:", uid.trim()]);
        for name in ["DTSTAMP", "DTSTART", "DTEND", "DURATION", "RECURRENCE-ID", "RDATE", "EXDATE"] {
            component.properties(name).for_each(|property| self.time(name, property));
        }
        for name in ["RRULE", "EXRULE"] {
            component.properties(name).filter_map(|property| rule(&property.value())).for_each(|rule| {
                self.out.pieces(&[name, ":", &rule]);
            });
        }
        for (name, words) in WORDS {
            let said = component.property(name).map(|property| property.value().trim().to_ascii_uppercase());
            if let Some(word) = said.as_deref().and_then(|said| words.iter().find(|word| **word == said)) {
                self.out.pieces(&[name, ":", word]);
            }
        }
        self.out.line("SUMMARY:Busy");
        self.out.line("END:VEVENT");
    }

    /// A property whose values are times, with the parameters that they cannot be read without.
    fn time(&mut self, name: &str, property: Property<'_>) {
        let value = property.value();
        let value = value.trim_ascii();
        if value.is_empty() || !value.split(',').all(is_time) {
            return;
        }
        let mut line = name.to_owned();
        if let Some(kind) = property.parameter("VALUE").map(|kind| kind.to_ascii_uppercase())
            && ["DATE", "DATE-TIME", "PERIOD"].contains(&kind.as_str())
        {
            let _ = write!(line, ";VALUE={kind}");
        }
        if property.parameter("RANGE").is_some_and(|range| range.eq_ignore_ascii_case("THISANDFUTURE")) {
            line.push_str(";RANGE=THISANDFUTURE");
        }
        if let Some(tzid) = property.parameter("TZID") {
            let tzid = if self.shows.busy_only { self.zone_name(&tzid) } else { tzid.into_owned() };
            let _ = write!(line, ";TZID=\"{}\"", tzid.replace(['"', '\r', '\n'], ""));
        }
        self.out.pieces(&[&line, ":", value]);
    }

    /// The rules of a time zone, without what anybody calls it.
    fn zone(&mut self, zone: Component<'_>) {
        let Some(tzid) = zone.property("TZID") else { return };
        let name = self.zone_name(&tzid.text());
        self.out.line("BEGIN:VTIMEZONE");
        self.out.pieces(&["TZID:", &name]);
        for part in zone.components() {
            let Some(kind) = ["STANDARD", "DAYLIGHT"].into_iter().find(|kind| part.is(kind)) else {
                continue;
            };
            self.out.pieces(&["BEGIN:", kind]);
            for name in ["DTSTART", "RDATE"] {
                part.properties(name).for_each(|property| self.time(name, property));
            }
            for name in ["TZOFFSETFROM", "TZOFFSETTO"] {
                let offset = part.property(name).map(|property| property.value().trim().to_owned());
                if let Some(offset) = offset.filter(|offset| is_offset(offset)) {
                    self.out.pieces(&[name, ":", &offset]);
                }
            }
            if let Some(rule) = part.property("RRULE").and_then(|property| rule(&property.value())) {
                self.out.pieces(&["RRULE:", &rule]);
            }
            self.out.pieces(&["END:", kind]);
        }
        self.out.line("END:VTIMEZONE");
    }

    /// A zone that everybody knows by its name is called that, and any other by a number.
    fn zone_name(&mut self, tzid: &str) -> String {
        if Zone::is_standard(tzid) {
            return tzid.to_owned();
        }
        let next = self.zones.len() + 1;
        self.zones.entry(tzid.to_owned()).or_insert_with(|| format!("Zone-{next}")).clone()
    }

    fn hidden(&self, uid: &str) -> String {
        let hash = Sha256::new().chain_update(&self.salt).chain_update([0]).chain_update(uid).finalize();
        hash[..16].iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    }
}

impl Shows {
    fn left(self, access: Access) -> Left {
        match (access, self.unpublic, self.busy_only) {
            (Access::Private, Unpublic::Hidden, _) => Left::Nothing,
            (.., true) => Left::Times,
            (Access::Public, ..) | (_, Unpublic::Full, _) => Left::All,
            (Access::Restricted, ..) => Left::Outline,
            (Access::Confidential | Access::Private, ..) => Left::Times,
        }
    }
}

/// Words that say something of a time.
const WORDS: [(&str, &[&str]); 2] =
    [("TRANSP", &["OPAQUE", "TRANSPARENT"]), ("STATUS", &["CONFIRMED", "TENTATIVE", "CANCELLED"])];

/// Adds the TZIDs of a component and what is in it.
fn zones_named(component: Component<'_>, named: &mut BTreeSet<String>) {
    named.extend(component.lines().filter_map(|property| Some(property.parameter("TZID")?.into_owned())));
    component.components().for_each(|part| zones_named(part, named));
}

/// The components as a calendar object.
fn read(components: &[u8]) -> Option<Calendar> {
    if components.is_empty() {
        return None;
    }
    let end: &[u8] = if components.ends_with(b"\n") { b"" } else { b"\r\n" };
    let all = [b"BEGIN:VCALENDAR\r\n", components, end, b"END:VCALENDAR\r\n"].concat();
    Calendar::parse(all.into()).ok()
}

/// Properties that are one person's, as alarms are.
fn personal(property: Property<'_>) -> bool {
    let names = ["X-CALENDARSERVER-ACCESS", "X-APPLE-DEFAULT-ALARM", "X-MOZ-LASTACK", "X-MOZ-SNOOZE-TIME"];
    names.iter().any(|name| property.is(name))
}

/// `20260301`, `20260301T090000Z`, `P1DT2H`, or a period of two of them.
fn is_time(text: &str) -> bool {
    let one = |text: &str| {
        let date = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
        let clock = |text: &str| text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit());
        let moment = match text.split_once('T') {
            None => date(text),
            Some((day, time)) => date(day) && clock(time.strip_suffix('Z').unwrap_or(time)),
        };
        moment || is_duration(text)
    };
    let text = text.trim();
    text.split_once('/').map_or_else(|| one(text), |(start, end)| one(start) && one(end))
}

fn is_duration(text: &str) -> bool {
    let Some(parts) = text.trim_start_matches(['+', '-']).strip_prefix('P') else { return false };
    parts.len() <= 40
        && parts.bytes().all(|b| b.is_ascii_digit() || b"WDTHMS".contains(&b))
        && !parts.as_bytes().windows(2).any(|two| two.iter().all(|b| b"WDHMS".contains(b)))
}

fn is_offset(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    text.len() == digits.len() + 1
        && matches!(digits.len(), 4 | 6)
        && digits.bytes().all(|b| b.is_ascii_digit())
}

/// A recurrence rule, if all of it is in words of the standard (RFC 5545 §3.3.10, RFC 7529 §4).
fn rule(text: &str) -> Option<String> {
    const DAYS: [&str; 7] = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    const OFTEN: [&str; 7] = ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"];
    const SCALES: [&str; 6] = ["GREGORIAN", "CHINESE", "HEBREW", "ETHIOPIC", "INDIAN", "COPTIC"];
    let number = |text: &str| {
        let digits = text.trim_start_matches(['+', '-']);
        digits.len() + 1 >= text.len()
            && (1..=9).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let day = |text: &str| {
        let place = text.len().saturating_sub(2);
        text.is_char_boundary(place)
            && DAYS.contains(&&text[place..])
            && (place == 0 || number(&text[..place]))
    };
    let text = text.trim().trim_end_matches(';').to_ascii_uppercase();
    let known = text.split(';').all(|part| {
        let Some((key, values)) = part.split_once('=') else { return false };
        let mut values = values.split(',');
        match key {
            "FREQ" => values.all(|value| OFTEN.contains(&value)),
            "UNTIL" => values.all(|value| is_time(value) && !value.contains('P')),
            "COUNT" | "INTERVAL" | "BYSECOND" | "BYMINUTE" | "BYHOUR" | "BYMONTHDAY" | "BYYEARDAY"
            | "BYWEEKNO" | "BYSETPOS" => values.all(number),
            "BYMONTH" => values.all(|value| number(value.strip_suffix('L').unwrap_or(value))),
            "BYDAY" => values.all(day),
            "WKST" => values.all(|value| DAYS.contains(&value)),
            "RSCALE" => values.all(|value| SCALES.contains(&value)),
            "SKIP" => values.all(|value| ["OMIT", "BACKWARD", "FORWARD"].contains(&value)),
            _ => false,
        }
    });
    known.then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUSY: Shows = Shows { busy_only: true, unpublic: Unpublic::Busy };
    const FULL: Shows = Shows { busy_only: false, unpublic: Unpublic::Busy };

    fn cut(shows: Shows, text: &str, piece: usize) -> String {
        let mut cutter = Cutter::new(shows, b"salt");
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(piece.max(1)) {
            out.extend_from_slice(&cutter.feed(piece).unwrap());
        }
        out.extend_from_slice(&cutter.finish());
        String::from_utf8(out).unwrap()
    }

    fn calendar(components: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nX-WR-CALNAME:Ours\r\n{components}END:VCALENDAR\r\n"
        )
    }

    fn event(lines: &str) -> String {
        format!(
            "BEGIN:VEVENT\r\nUID:one\r\nDTSTART:20260301T090000Z\r\nSUMMARY:Lunch\r\n{lines}END:VEVENT\r\n"
        )
    }

    const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//kalends//kalends//EN\r\n";

    #[test]
    fn times_are_left_of_a_busy_one_and_alarms_of_none() {
        let alarm = "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nACTION:DISPLAY\r\nEND:VALARM\r\n";
        let text = calendar(&event(&format!(
            "DTEND;X-A=b;TZID=Europe/Paris:20260301T\r\n 110000\r\nRRULE:FREQ=WEEKLY;BYDAY=MO,-1FR\r\nTRANSP:OPAQUE\r\n{alarm}"
        )));
        let uid = Cutter::new(BUSY, b"salt").hidden("one");
        let busy = format!(
            "{HEAD}BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20260301T090000Z\r\nDTEND;TZID=\"Europe/Paris\":20260301T110000\r\n\
             RRULE:FREQ=WEEKLY;BYDAY=MO,-1FR\r\nTRANSP:OPAQUE\r\nSUMMARY:Busy\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        assert_eq!(cut(BUSY, &text, 7), busy);
        let full = cut(FULL, &text, 1);
        assert_eq!(full, text.replace("PRODID:x", "PRODID:-//kalends//kalends//EN").replace(alarm, ""));
    }

    #[test]
    fn what_is_private_is_so_for_all_of_its_object() {
        let of = |class: &str, unpublic, busy_only| {
            let text = calendar(&(event("") + &event(&format!("RECURRENCE-ID:20260302T090000Z\r\n{class}"))));
            let left = cut(Shows { busy_only, unpublic }, &text, 100);
            (left.matches("BEGIN:VEVENT").count(), left.matches("SUMMARY:Lunch").count())
        };
        let (private, confidential) = ("CLASS:PRIVATE\r\n", "CLASS:CONFIDENTIAL\r\n");
        for (class, unpublic, full, busy) in [
            ("", Unpublic::Hidden, (2, 2), (2, 0)),
            (private, Unpublic::Busy, (2, 0), (2, 0)),
            (private, Unpublic::Hidden, (0, 0), (0, 0)),
            (private, Unpublic::Full, (2, 2), (2, 0)),
            (confidential, Unpublic::Busy, (2, 0), (2, 0)),
            (confidential, Unpublic::Hidden, (2, 0), (2, 0)),
            ("CLASS:X-FRIENDS\r\n", Unpublic::Hidden, (0, 0), (0, 0)),
            ("X-CALENDARSERVER-ACCESS:RESTRICTED\r\n", Unpublic::Hidden, (2, 2), (2, 0)),
            ("X-CALENDARSERVER-ACCESS:PRIVATE\r\n", Unpublic::Hidden, (0, 0), (0, 0)),
        ] {
            assert_eq!(
                (of(class, unpublic, false), of(class, unpublic, true)),
                (full, busy),
                "{class}{unpublic:?}"
            );
        }
    }

    #[test]
    fn a_zone_is_told_of_with_the_first_that_is_shown_in_it_or_never() {
        let zone = |tzid: &str| {
            format!("BEGIN:VTIMEZONE\r\nTZID:{tzid}\r\nX-LIC-LOCATION:{tzid}\r\nEND:VTIMEZONE\r\n")
        };
        let event = |uid: &str, tzid: &str, class: &str| {
            format!(
                "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART;TZID={tzid}:20260301T090000\r\nCLASS:{class}\r\nEND:VEVENT\r\n"
            )
        };
        // As an export has it: each zone before the first that names it, and once; of the last one behind it.
        let all = [
            zone("Hide/Out"),
            event("a", "Hide/Out", "PRIVATE"),
            zone("Both"),
            event("b", "Both", "PRIVATE"),
            event("c", "Both", "PUBLIC"),
            event("d", "Last", "PUBLIC"),
            zone("Last"),
        ]
        .concat();
        let hidden = Shows { busy_only: false, unpublic: Unpublic::Hidden };
        let shown =
            [zone("Both"), event("c", "Both", "PUBLIC"), zone("Last"), event("d", "Last", "PUBLIC")].concat();
        let shown = shown.replace("CLASS:PUBLIC\r\n", "");
        let without = |text: String| text.replace("X-WR-CALNAME:Ours\r\n", "");
        assert_eq!(
            without(cut(hidden, &calendar(&all), 7)).replace("CLASS:PUBLIC\r\n", ""),
            format!("{HEAD}{shown}END:VCALENDAR\r\n")
        );
        let busy = cut(Shows { busy_only: true, ..hidden }, &calendar(&all), 7);
        assert!(!busy.contains("Hide") && busy.matches("BEGIN:VTIMEZONE").count() == 2, "{busy}");
    }

    #[test]
    fn to_dos_and_journals_take_no_time() {
        let text = calendar(
            "BEGIN:VTODO\r\nUID:a\r\nDUE:20260301\r\nEND:VTODO\r\nBEGIN:VJOURNAL\r\nUID:b\r\nEND:VJOURNAL\r\n",
        );
        assert_eq!(cut(BUSY, &text, 9), format!("{HEAD}END:VCALENDAR\r\n"));
        assert_eq!(cut(FULL, &text, 9).matches("BEGIN:").count(), 3);
    }

    #[test]
    fn rules_are_in_words_of_the_standard_or_none() {
        for good in [
            "FREQ=DAILY",
            "FREQ=MONTHLY;BYDAY=-1FR,2MO;UNTIL=20270101T000000Z;WKST=SU",
            "RSCALE=CHINESE;FREQ=YEARLY;BYMONTH=5L;SKIP=OMIT",
        ] {
            assert_eq!(rule(good).as_deref(), Some(good));
        }
        for bad in [
            "FREQ=MINE",
            "FREQ=DAILY;X-A=1",
            "FREQ=DAILY;BYDAY=\u{fc}MO",
            "FREQ=DAILY;COUNT=a",
            "FREQ=DAILY;UNTIL=PT1H",
            "",
            "x",
        ] {
            assert_eq!(rule(bad), None, "{bad}");
        }
    }

    /// A word that stands nowhere in the standard, in the letters that some values have.
    fn secret() -> impl Strategy<Value = String> {
        prop_oneof![
            "[b-z]{3}q[b-z]{3}q[b-z]{2}",
            "Q[B-Z]{4}q[b-z]{3}q",
            "[DHMST]{4}Q[DHMST]{3}",
            "[бвгд]{7}",
            "9[0-9]{3}q[0-9]{4}"
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_secret_is_left_of_a_busy_one(
            word in secret(), fold in 0..900_usize, piece in 1..200_usize,
            names in prop::collection::vec(
                "SUMMARY|DESCRIPTION|LOCATION|DTSTART|DTEND|DURATION|RRULE|EXRULE|RDATE|EXDATE|RECURRENCE-ID|TRANSP|STATUS|CLASS|UID|\
                 DTSTAMP|ATTENDEE|ORGANIZER|URL|ATTACH|CATEGORIES|COMMENT|GEO|X-ANY|X-CALENDARSERVER-ACCESS|TZID|TZNAME|TZOFFSETTO", 1..12),
            shape in 0..7_usize,
        ) {
            let value = match shape {
                0 => word.clone(),
                1 => format!("20260301T090000Z,{word}"),
                2 => format!("FREQ=DAILY;BYDAY={word}"),
                3 => format!("FREQ=DAILY;{word}=1"),
                4 => format!("P{word}"),
                5 => format!("mailto:{word}@x.org"),
                _ => "20260301T090000Z".to_owned(),
            };
            let ascii: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
            let lines = names.iter().map(|name| {
                format!("{name};X-{ascii}={word};TZID=\"{word}\";VALUE={ascii};RANGE={ascii}:{value}\r\n")
            }).collect::<Vec<_>>().concat();
            let kinds = ["VEVENT", "VTODO", "VTIMEZONE", "VFREEBUSY"];
            let parts = kinds.iter().map(|kind| format!(
                "BEGIN:{kind}\r\nUID:{word}\r\nTZID:{word}\r\n{lines}BEGIN:VALARM\r\n{lines}END:VALARM\r\n\
                 BEGIN:STANDARD\r\n{lines}END:STANDARD\r\nEND:{kind}\r\n"
            )).collect::<Vec<_>>().concat();
            let text = format!("BEGIN:VCALENDAR\r\nX-WR-CALNAME:{word}\r\n{lines}{parts}END:VCALENDAR\r\n");
            let at = (fold..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            // A fold anywhere but where it would begin the stream.
            let folded = if at == 0 { text } else { [&text[..at], "\r\n ", &text[at..]].concat() };
            let left = cut(BUSY, &folded, piece).replace("\r\n ", "");
            prop_assert!(!left.to_lowercase().contains(&word.to_lowercase()), "{}\n{}", word, left);
            prop_assert!(ascii.len() < 3 || !left.contains(&ascii), "{}\n{}", ascii, left);
            prop_assert!(Calendar::parse(left.into()).is_ok());
        }
    }
}
