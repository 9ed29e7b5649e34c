//! Who besides its owner may see an object, and what of it is left for them (caldav-privateevents §4, RFC 5545 §3.8.1.3).

use bytes::Bytes;

use crate::ical::calendar::{Calendar, Component, Property};

/// How much of an object others than its owner see, the least strict first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// All of it.
    Public,
    /// When it is, what it is called and where.
    Restricted,
    /// When it is.
    Confidential,
    /// Nothing: for others it is not there.
    Private,
}

const LEVELS: [(Access, &str); 4] = [
    (Access::Public, "PUBLIC"),
    (Access::Restricted, "RESTRICTED"),
    (Access::Confidential, "CONFIDENTIAL"),
    (Access::Private, "PRIVATE"),
];

/// The property by which clients of one product say it, for the whole object.
pub(super) const PROPERTY: &str = "X-CALENDARSERVER-ACCESS";

impl Access {
    /// What an object says of itself: by its own property, else by the strictest CLASS of its components. A word that is not
    /// known is the strictest (RFC 5545 §3.8.1.3).
    #[must_use]
    pub fn of(calendar: &Calendar) -> Self {
        let said = said(calendar).map(|property| level(property).unwrap_or(Self::Private)).max();
        let classes = || calendar.components().flat_map(|component| component.properties("CLASS"));
        let class = |property: Property<'_>| match level(property) {
            Some(Self::Restricted) | None => Self::Private,
            Some(known) => known,
        };
        said.or_else(|| classes().map(class).max()).unwrap_or(Self::Public)
    }

    /// Its number.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// That of a number.
    #[must_use]
    pub fn from_code(code: i16) -> Self {
        let known = LEVELS.iter().find(|(access, _)| access.code() == code);
        known.map_or(Self::Private, |(access, _)| *access)
    }

    /// The properties of a component of that name that others see (caldav-privateevents §4.2.2.4 and §4.2.2.5). EXRULE is
    /// among them: without it there would be instances that are none.
    pub(super) fn shows(self, component: &str, property: &str) -> bool {
        const ALWAYS: [&str; 4] = ["UID", "DTSTAMP", "DTSTART", "DURATION"];
        const OFTEN: [&str; 7] =
            ["RECURRENCE-ID", "SEQUENCE", "STATUS", "RRULE", "RDATE", "EXDATE", "EXRULE"];
        let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(property));
        let called = || self == Self::Restricted && named(&["SUMMARY"]);
        let placed = || self == Self::Restricted && named(&["LOCATION"]);
        match component.to_ascii_uppercase().as_str() {
            "VEVENT" => {
                named(&ALWAYS) || named(&OFTEN) || named(&["TRANSP", "DTEND"]) || called() || placed()
            }
            "VTODO" => {
                named(&ALWAYS) || named(&OFTEN) || named(&["COMPLETED", "DUE"]) || called() || placed()
            }
            "VJOURNAL" => named(&ALWAYS[..3]) || named(&OFTEN) || called(),
            _ => named(&ALWAYS) || named(&["DTEND", "FREEBUSY"]),
        }
    }
}

fn said(calendar: &Calendar) -> impl Iterator<Item = Property<'_>> {
    let parts = std::iter::once(calendar.root()).chain(calendar.components());
    parts.flat_map(|component| component.properties(PROPERTY))
}

fn level(property: Property<'_>) -> Option<Access> {
    let word = property.value();
    let word = word.trim_ascii();
    LEVELS.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(access, _)| *access)
}

/// What is wrong with how an object says who may see it (caldav-privateevents §4.2.6).
#[must_use]
pub fn fault(calendar: &Calendar) -> Option<&'static str> {
    let mut all = said(calendar);
    let first = all.next()?;
    if level(first).is_none() {
        return Some("X-CALENDARSERVER-ACCESS is PUBLIC, RESTRICTED, CONFIDENTIAL or PRIVATE");
    }
    all.next().map(|_| "X-CALENDARSERVER-ACCESS stands in an object once")
}

/// What is left of an object for others, octet for octet what the lists allow and nothing else; none where it is not there
/// for them.
#[must_use]
pub fn cut(calendar: &Calendar, access: Access) -> Option<Bytes> {
    const WHOLE: [&str; 4] = ["PRODID", "VERSION", "CALSCALE", PROPERTY];
    if access == Access::Private {
        return None;
    }
    if access == Access::Public {
        return Some(calendar.bytes().clone());
    }
    let (root, octets) = (calendar.root(), calendar.bytes());
    let mut left = Vec::with_capacity(octets.len());
    left.extend_from_slice(&octets[root.begin().extent()]);
    for property in root.lines().filter(|line| WHOLE.iter().any(|name| line.is(name))) {
        left.extend_from_slice(&octets[property.extent()]);
    }
    for component in root.components() {
        if component.is("VTIMEZONE") {
            left.extend_from_slice(&octets[component.extent()]);
        } else {
            part(octets, component, access, &mut left);
        }
    }
    left.extend_from_slice(&octets[root.end_line()..root.extent().end]);
    Some(left.into())
}

fn part(octets: &[u8], component: Component<'_>, access: Access, left: &mut Vec<u8>) {
    let name = component.name();
    left.extend_from_slice(&octets[component.begin().extent()]);
    for property in component.lines().filter(|line| access.shows(&name, &line.name())) {
        left.extend_from_slice(&octets[property.extent()]);
    }
    left.extend_from_slice(&octets[component.end_line()..component.extent().end]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Calendar {
        Calendar::parse(text.to_owned().into()).unwrap()
    }

    fn object(head: &str, lines: &str) -> Calendar {
        read(&format!(
            "BEGIN:VCALENDAR\r\n{head}BEGIN:VEVENT\r\nUID:a\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
        ))
    }

    #[test]
    fn an_object_says_who_sees_it() {
        use Access::{Confidential, Private, Public, Restricted};
        for (head, lines, level) in [
            ("", "", Public),
            ("", "CLASS:PUBLIC\r\n", Public),
            ("", "Class:Private \r\n", Private),
            ("", "CLA\r\n SS:CONFI\r\n DENTIAL\r\n", Confidential),
            ("", "CLASS:PUBLIC\r\nCLASS:CONFIDENTIAL\r\n", Confidential),
            ("", "CLASS:X-FRIENDS\r\n", Private),
            // The word of the other property is none of this one.
            ("", "CLASS:RESTRICTED\r\n", Private),
            ("X-CALENDARSERVER-ACCESS:PUBLIC\r\n", "CLASS:PRIVATE\r\n", Public),
            ("X-CalendarServer-Access;X-A=b:restricted\r\n", "", Restricted),
            ("X-CALENDARSERVER-ACCESS:X-NEW\r\n", "", Private),
            ("X-CALENDARSERVER-ACCESS:PUBLIC\r\nX-CALENDARSERVER-ACCESS:CONFIDENTIAL\r\n", "", Confidential),
        ] {
            assert_eq!(Access::of(&object(head, lines)), level, "{head}{lines}");
        }
        let alarm = "BEGIN:VALARM\r\nCLASS:PRIVATE\r\nEND:VALARM\r\n";
        assert_eq!(Access::of(&object("", alarm)), Public, "of an alarm it says nothing");
        assert!(LEVELS.iter().all(|(level, _)| Access::from_code(level.code()) == *level));
        assert_eq!(Access::from_code(77), Private);
    }

    #[test]
    fn the_strictest_of_all_overrides_counts() {
        let text = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:a\r\n\
                    RECURRENCE-ID:20260601T090000Z\r\nCLASS:PRIVATE\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        assert_eq!(Access::of(&read(text)), Access::Private);
    }

    #[test]
    fn words_nobody_knows_are_refused_and_so_are_two() {
        let wrong = |head| fault(&object(head, "CLASS:X-ANY\r\n")).is_some();
        assert!(!wrong("") && !wrong("X-CALENDARSERVER-ACCESS:private\r\n"));
        assert!(wrong("X-CALENDARSERVER-ACCESS:SECRET\r\n") && wrong("X-CALENDARSERVER-ACCESS:\r\n"));
        assert!(wrong("X-CALENDARSERVER-ACCESS:PUBLIC\r\nX-CALENDARSERVER-ACCESS:PUBLIC\r\n"));
    }

    const ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:Here\r\nX-LIC-LOCATION:Here\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n\
                        TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";

    #[test]
    fn what_the_lists_allow_is_left_octet_for_octet() {
        let text = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:p\r\nX-WR-CALNAME:secret\r\n{ZONE}BEGIN:VEVENT\r\nUID:a\r\n\
             SUMMARY:se\r\n cret\r\ndtstart;TZID=Here:2026\r\n 0601T090000\r\nLOCATION:there\r\nDESCRIPTION:secret\r\n\
             BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:secret\r\nEND:VALARM\r\nTRANSP:OPAQUE\r\n\
             ATTENDEE:mailto:secret@x\r\nEND:VEVENT\r\nX-AFTER:secret\r\nEND:VCALENDAR\r\n"
        );
        let head = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:p\r\n{ZONE}BEGIN:VEVENT\r\nUID:a\r\n");
        let time = "dtstart;TZID=Here:2026\r\n 0601T090000\r\n";
        let tail = "TRANSP:OPAQUE\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let left = |access| cut(&read(&text), access).map(|left| String::from_utf8(left.to_vec()).unwrap());
        assert_eq!(left(Access::Confidential).unwrap(), format!("{head}{time}{tail}"));
        let restricted = format!("{head}SUMMARY:se\r\n cret\r\n{time}LOCATION:there\r\n{tail}");
        assert_eq!(left(Access::Restricted).unwrap(), restricted);
        assert_eq!((left(Access::Private), left(Access::Public)), (None, Some(text)));
    }

    proptest! {
        /// Whatever an object holds, what is left can be read, is left again, and has nothing beside the lists.
        #[test]
        fn nothing_else_is_left(
            lines in prop::collection::vec(
                ("[A-Z]{1,2}|SUMMARY|LOCATION|DTSTART|RRULE|CLASS|CREATED|X-CALENDARSERVER-ACCESS", "[ -~]{0,20}"), 0..12),
            kind in "VEVENT|VTODO|VJOURNAL|VFREEBUSY|VAVAILABILITY|X-ANY",
            strict in any::<bool>(),
        ) {
            let access = if strict { Access::Confidential } else { Access::Restricted };
            let lines: Vec<String> = lines.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect();
            let text = lines.concat();
            let text = format!(
                "BEGIN:VCALENDAR\r\n{text}BEGIN:{kind}\r\n{text}BEGIN:VALARM\r\n{text}END:VALARM\r\nEND:{kind}\r\n{text}END:VCALENDAR\r\n"
            );
            let left = cut(&read(&text), access).unwrap();
            let again = Calendar::parse(left.clone()).unwrap();
            prop_assert_eq!(cut(&again, access).unwrap(), left);
            for component in again.components() {
                prop_assert_eq!(component.components().count(), 0);
                for line in component.lines() {
                    prop_assert!(!["CLASS", "CREATED", "X-CALENDARSERVER-ACCESS"].iter().any(|name| line.is(name)));
                    prop_assert!(!strict || !(line.is("SUMMARY") || line.is("LOCATION")));
                }
            }
        }
    }
}
