//! Takes out of an object what a site does not want to keep: attachments that lie in it, the rest of long texts, attendees
//! that stand there twice. Lines that are not about it stay octet for octet.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::edit::splice::{Splice, apply};
use crate::ical::write::Writer;

/// What a site does not want to keep; by default it keeps all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sanitizer {
    /// ATTACH and IMAGE whose content lies in the object go; those that say where it is stay.
    pub inline: bool,
    /// Octets of the value of a DESCRIPTION, COMMENT or X-ALT-DESC; 0 is no limit.
    pub description: usize,
    /// Octets of the value of a SUMMARY or LOCATION; 0 is no limit.
    pub summary: usize,
    /// Mail addresses of attendees are written in small letters, and each attendee stands in a component once.
    pub attendees: bool,
}

/// The object without it; none if there is nothing to take out. VTIMEZONEs are left alone. A client that has PUT the
/// object must get no entity tag (RFC 4791 §5.3.4).
#[must_use]
pub fn sanitize(calendar: &Calendar, sanitizer: &Sanitizer) -> Option<Calendar> {
    if *sanitizer == Sanitizer::default() {
        return None;
    }
    let mut splices = vec![];
    for component in calendar.components().filter(|component| !component.is("VTIMEZONE")) {
        lines(component, sanitizer, &mut splices);
        if sanitizer.attendees {
            attendees(component, &mut splices);
        }
    }
    if splices.is_empty() {
        return None;
    }
    Calendar::parse(apply(calendar, 0..calendar.bytes().len(), splices)).ok()
}

/// Attachments and long texts of a component and all in it; how deep that is, the scanner bounds.
fn lines(component: Component<'_>, sanitizer: &Sanitizer, splices: &mut Vec<Splice>) {
    for property in component.lines() {
        if sanitizer.inline && is_inline(property) {
            splices.push(Splice::drop(property));
        } else if let Some(most) = longest(property, sanitizer)
            && let Some(short) = shortened(&property.value(), most)
        {
            splices.push(instead(property, &short));
        }
    }
    component.components().for_each(|part| lines(part, sanitizer, splices));
}

/// Whether a line holds the content of an attachment (RFC 5545 §3.8.1.1, RFC 7986 §5.10).
fn is_inline(property: Property<'_>) -> bool {
    let says = |name, word| property.parameter(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let has_data = || property.value().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    (property.is("ATTACH") || property.is("IMAGE"))
        && (says("VALUE", "BINARY") || says("ENCODING", "BASE64") || has_data())
}

/// How long a text may be, if it is one of those.
fn longest(property: Property<'_>, sanitizer: &Sanitizer) -> Option<usize> {
    let is_any = |names: &[&str]| names.iter().any(|name| property.is(name));
    let most = if is_any(&["SUMMARY", "LOCATION"]) {
        sanitizer.summary
    } else if is_any(&["DESCRIPTION", "COMMENT", "X-ALT-DESC"]) {
        sanitizer.description
    } else {
        0
    };
    Some(most).filter(|most| *most > 0)
}

/// What stands where a text was cut.
const DOTS: &str = "...";

/// The value, with dots at its end, where it is longer: it is cut between characters, and not inside of an escape.
fn shortened(value: &str, most: usize) -> Option<String> {
    if value.len() <= most {
        return None;
    }
    let head = &value[..value.floor_char_boundary(most.saturating_sub(DOTS.len()))];
    let backslashes = head.bytes().rev().take_while(|octet| *octet == b'\\').count();
    Some([&head[..head.len() - backslashes % 2], DOTS].concat())
}

/// The line with another value.
fn instead(property: Property<'_>, value: &str) -> Splice {
    let mut out = Writer::default();
    out.pieces(&[&property.head(), ":", value]);
    Splice { at: property.extent(), text: out.finish().into() }
}

/// One line an attendee of a component: of several the one that says most, where it stands (RFC 5545 §3.8.4.1).
fn attendees(component: Component<'_>, splices: &mut Vec<Splice>) {
    let mut best: HashMap<String, Property<'_>> = HashMap::new();
    for property in component.properties("ATTENDEE") {
        let value = property.value();
        let kept = best.entry(address(&value).into_owned()).or_insert(property);
        if answered(property) > answered(*kept) {
            splices.push(Splice::drop(std::mem::replace(kept, property)));
        } else if kept.extent() != property.extent() {
            splices.push(Splice::drop(property));
        }
    }
    for (address, property) in best {
        if property.value() != address {
            splices.push(instead(property, &address));
        }
    }
}

/// A mail address in small letters; of any other address nobody knows whether letters count.
fn address(value: &str) -> Cow<'_, str> {
    let bare = value.trim();
    let is_mail = bare.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"));
    if is_mail { Cow::Owned(bare.to_ascii_lowercase()) } else { Cow::Borrowed(value) }
}

/// How much an attendee has said (RFC 5545 §3.2.12); what is not known is what has not been said.
fn answered(attendee: Property<'_>) -> usize {
    const LEAST_FIRST: [&str; 6] =
        ["DELEGATED", "DECLINED", "TENTATIVE", "ACCEPTED", "IN-PROCESS", "COMPLETED"];
    let said = attendee.parameter("PARTSTAT").unwrap_or_default();
    LEAST_FIRST.iter().position(|word| word.eq_ignore_ascii_case(&said)).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object with these lines in its event, behind a time zone that says too much.
    fn object(lines: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Paris\r\nCOMMENT:{}\r\nEND:VTIMEZONE\r\n\
             BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Europe/Paris:20260601T090000\r\n{lines}X-Kept;P=\"q\":b\r\n c\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n",
            "z".repeat(60)
        )
    }

    fn sanitized(text: &str, sanitizer: &Sanitizer) -> Option<String> {
        let calendar = Calendar::parse(text.to_owned().into()).unwrap();
        sanitize(&calendar, sanitizer).map(|calendar| calendar.text().into_owned())
    }

    const INLINE: Sanitizer = Sanitizer { inline: true, description: 0, summary: 0, attendees: false };
    const SHORT: Sanitizer = Sanitizer { inline: false, description: 40, summary: 20, attendees: false };
    const ONCE: Sanitizer = Sanitizer { inline: false, description: 0, summary: 0, attendees: true };

    #[test]
    fn what_lies_in_the_object_goes() {
        let gone = "ATTACH;VALUE=BINARY;ENCODING=BASE64;FMTTYPE=image/png:iVBORw0KGgo\r\n AAAA=\r\nattach;encoding=base64:AA==\r\n\
                    IMAGE;VALUE=BINARY;ENCODING=BASE64:AA==\r\nATTACH:data:image/png;base64,AA==\r\n\
                    BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nATTACH;VALUE=BINARY;ENCODING=BASE64:AA==\r\nEND:VALARM\r\n";
        let left = "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\n";
        assert_eq!(sanitized(&object(gone), &INLINE).unwrap(), object(left));
    }

    #[test]
    fn what_lies_elsewhere_stays() {
        let lines = "ATTACH;FMTTYPE=application/pdf:https://example.com/BINARY/base64.pdf\r\nATTACH:cid:part1@example.com\r\n\
                     IMAGE;VALUE=URI;DISPLAY=BADGE:https://example.com/a.png\r\n";
        assert_eq!(sanitized(&object(lines), &INLINE), None);
    }

    #[test]
    fn long_texts_are_cut_and_the_time_zone_is_not() {
        let long = "y".repeat(50);
        let lines =
            format!("SUMMARY;LANGUAGE=en:{long}\r\nDESCRIPTION:{long}\r\nCOMMENT:one\r\nLOCATION:here\r\n");
        let cut = format!(
            "SUMMARY;LANGUAGE=en:{}...\r\nDESCRIPTION:{}...\r\nCOMMENT:one\r\nLOCATION:here\r\n",
            &long[..17],
            &long[..37]
        );
        assert_eq!(sanitized(&object(&lines), &SHORT).unwrap(), object(&cut));
        assert_eq!(sanitized(&object(&cut), &SHORT), None);
    }

    #[test]
    fn texts_are_cut_between_characters_and_never_inside_of_an_escape() {
        for (long, short) in [
            ("é".repeat(11), "é".repeat(8)),
            ("😀".repeat(6), "😀".repeat(4)),
            (format!("{}\\, and more", "a".repeat(16)), "a".repeat(16)),
            (format!("{}\\\\\\, and", "a".repeat(15)), format!("{}\\\\", "a".repeat(15))),
        ] {
            let (before, after) = (format!("SUMMARY:{long}\r\n"), format!("SUMMARY:{short}...\r\n"));
            assert_eq!(sanitized(&object(&before), &SHORT).unwrap(), object(&after), "{long}");
        }
        assert_eq!(shortened("é", 1).unwrap(), "...");
    }

    #[test]
    fn what_is_good_is_left_alone_and_so_is_everything_by_default() {
        let lines = "SUMMARY:Lunch\r\nDESCRIPTION:With everybody\r\nATTENDEE:mailto:a@example.com\r\n";
        let all = Sanitizer { inline: true, attendees: true, ..SHORT };
        assert_eq!(sanitized(&object(lines), &all), None);
        let bad = "ATTACH;VALUE=BINARY;ENCODING=BASE64:AA==\r\nATTENDEE:MAILTO:A@X\r\n";
        assert_eq!(sanitized(&object(bad), &Sanitizer::default()), None);
    }

    #[test]
    fn an_attendee_stands_there_once_with_the_answer_that_counts() {
        let lines = "ATTENDEE;CN=Foo;PARTSTAT=NEEDS-ACTION:mailto:foo@x\r\nATTENDEE;PARTSTAT=DECLINED:mailto:b@x\r\n\
                     ATTENDEE;CN=Foo;PARTSTAT=ACCEPTED:MAILTO:Foo@X\r\nATTENDEE:mailto:FOO@x\r\n\
                     ATTENDEE;PARTSTAT=DECLINED;CN=\"later\":mailto:b@x\r\nATTENDEE:urn:X:Y\r\nATTENDEE:urn:x:y\r\n";
        let once = "ATTENDEE;PARTSTAT=DECLINED:mailto:b@x\r\nATTENDEE;CN=Foo;PARTSTAT=ACCEPTED:mailto:foo@x\r\n\
                    ATTENDEE:urn:X:Y\r\nATTENDEE:urn:x:y\r\n";
        assert_eq!(sanitized(&object(lines), &ONCE).unwrap(), object(once));
        assert_eq!(sanitized(&object(once), &ONCE), None);
        // Whoever has said something is told from whoever has not, in tasks as well.
        let lines = "ATTENDEE;PARTSTAT=X-LATER:mailto:a@x\r\nATTENDEE;PARTSTAT=completed:mailto:a@x\r\n\
                     ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x\r\n";
        assert_eq!(
            sanitized(&object(lines), &ONCE).unwrap(),
            object("ATTENDEE;PARTSTAT=completed:mailto:a@x\r\n")
        );
    }

    #[test]
    fn lines_end_as_the_others_do() {
        let bare = |lines| object(lines).replace("\r\n", "\n");
        let lines = "SUMMARY:this is a summary too long\r\nATTENDEE:MAILTO:A@X\r\n";
        let both = Sanitizer { attendees: true, ..SHORT };
        let after = "SUMMARY:this is a summary...\r\nATTENDEE:mailto:a@x\r\n";
        assert_eq!(sanitized(&bare(lines), &both).unwrap(), bare(after));
    }
}
