//! Lines that a server must take octet for octet, and lines that it must refuse: each the inside of an event, by what is odd
//! about it.

/// Valid, however odd.
pub const VALID: [(&str, &str); 20] = [
    ("emoji", "SUMMARY:Choir 🎶 practice 👩‍👩‍👧"),
    ("a fold", "DESCRIPTION:one line that was fol\r\n ded twi\r\n ce"),
    ("a fold with a tab", "DESCRIPTION:one line that was fol\r\n\tded"),
    ("folds that cut nothing", "X-A:\r\n 1"),
    (
        "a line as long as can be",
        concat!(
            "DESCRIPTION:",
            "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        ),
    ),
    (
        "a caret for a quote and a line break (RFC 6868)",
        "ATTENDEE;CN=George ^'Babe^' Ruth^n^^:mailto:babe@example.com",
    ),
    ("a caret that stands for nothing", "ATTENDEE;CN=a^b^:mailto:a@example.com"),
    ("an empty parameter", "SUMMARY;X-A=:one"),
    ("an empty quoted parameter", "SUMMARY;X-A=\"\":one"),
    (
        "a list of parameter values, some in quotes",
        "ATTENDEE;DELEGATED-TO=\"mailto:a@b\",\"mailto:c@d\";X-A=1,\"2,3\":mailto:e@f",
    ),
    ("colons and semicolons in quotes", "X-A;B=\"c:d;e,f\":g:h;i,j"),
    ("an empty value", "LOCATION:"),
    ("names in any letters", "Summary;Language=de:Grüße"),
    ("every script", "COMMENT:Ελλάδα Россия 日本 עברית العربية हिन्दी ไทย"),
    ("escapes", "DESCRIPTION:a\\, b\\; c\\\\d\\ne\\Nf"),
    (
        "properties of RFC 7986",
        "COLOR:turquoise\r\nIMAGE;VALUE=URI;DISPLAY=BADGE;FMTTYPE=image/png:https://example.com/a.png\r\nCONFERENCE;VALUE=URI;FEATURE=PHONE,MODERATOR;LABEL=Moderator:tel:+1-412-555-0123",
    ),
    ("a period among dates", "RDATE;VALUE=PERIOD:19960403T020000Z/19960403T040000Z,19960404T010000Z/PT3H"),
    (
        "an unknown property, parameter and component",
        "X-FOO;X-BAR=1;Y=2:a,b;c\r\nBEGIN:X-COMP\r\nX-IN:1\r\nEND:X-COMP",
    ),
    (
        "a parameter that only others know",
        "ORGANIZER;SCHEDULE-AGENT=CLIENT;EMAIL=a@b.example:mailto:a@b.example\r\nSUMMARY;LANGUAGE=fr:b",
    ),
    (
        "components of RFC 9073 and 9074",
        "BEGIN:PARTICIPANT\r\nUID:p\r\nPARTICIPANT-TYPE:SPEAKER\r\nCALENDAR-ADDRESS:mailto:p@example.com\r\nBEGIN:VLOCATION\r\nUID:l\r\nSTRUCTURED-DATA;FMTTYPE=application/json;VALUE=TEXT:{\"a\":1}\r\nEND:VLOCATION\r\nEND:PARTICIPANT\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:a\r\nTRIGGER:-PT1H\r\nACKNOWLEDGED:20260101T000000Z\r\nPROXIMITY:ARRIVE\r\nRELATED-TO;RELTYPE=SNOOZE:x\r\nEND:VALARM",
    ),
];

/// No line of iCalendar.
pub const INVALID: [(&str, &str); 16] = [
    ("a word", "nonsense"),
    ("a dot in a name", "SUM.MARY:a"),
    ("a dot in an unknown name", "X-SUM.MARY:a"),
    ("a comma for a name", "X-,:a"),
    ("no name", ":a"),
    ("a name in quotes", "\"SUMMARY\":a"),
    ("no colon", "SUMMARY;LANGUAGE=de"),
    ("a parameter without a value, and no colon", "SUMMARY;this is one"),
    ("a space in the name of a parameter", "SUMMARY;LANG UAGE=de:a"),
    ("a plus in the name of a parameter", "SUMMARY;LANG+UAGE=de:a"),
    ("no parameter between semicolons", "SUMMARY;;:a"),
    ("a list of no parameters, and no colon", "SUMMARY;X-A=,"),
    ("quotes that end too late", "SUMMARY;X-A=\"b:c"),
    ("something behind the quotes", "SUMMARY;X-A=\"b\"c:d"),
    ("something before the quotes", "SUMMARY;X-A=b\"c\":d"),
    ("a control character", "SUMMARY:a\u{7}b"),
];
