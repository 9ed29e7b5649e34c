//! The tables of RFC 4791 §9.9, each of their rows at its edges, and that the index finds whatever passes.

use kalends::ical::{Calendar, TimeRange, index};

use super::{CompFilter, HEAD, PropTest, ValueTest, asks, at, budget, comp, parse, passes, prop, range};

/// An object of one component with these lines, of which a time `10:00:00` is one of 10 January 2006 in UTC.
fn object(kind: &str, lines: &str) -> Calendar {
    let lines: String = lines.split_whitespace().map(|line| stamped(line) + "\r\n").collect();
    parse(format!("{HEAD}BEGIN:{kind}\r\nUID:a\r\n{lines}END:{kind}\r\nEND:VCALENDAR\r\n"))
}

/// The text with its times of day as stamps.
fn stamped(text: &str) -> String {
    let mut words = String::new();
    for (nth, piece) in text.split(['@']).enumerate() {
        if nth > 0 {
            let (time, rest) = piece.split_at(8);
            words.extend(["20060110T", &time.replace(':', ""), "Z", rest]);
        } else {
            words += piece;
        }
    }
    words
}

/// `09:00:00-10:00:00`, either of which may be missing.
fn window(text: &str) -> TimeRange {
    let (start, end) = text.split_once('-').expect(text);
    let whole = |time: &str| if time.is_empty() { String::new() } else { stamped(&format!("@{time}")) };
    range(&whole(start), &whole(end))
}

/// What may be asked of a component: whether windows overlap it, by the row of the table that it is.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Asks each object of the rows for the windows that are in and for those that are not.
fn check(kind: &str, rows: &[Row], filter: impl Fn(TimeRange) -> CompFilter) {
    for (lines, inside, outside) in rows {
        let calendar = object(kind, lines);
        let stored = index(&calendar, at("20400101T000000Z"), 1_000, &budget());
        assert!(!inside.is_empty() || !outside.is_empty());
        for (texts, expected) in [(inside, true), (outside, false)] {
            for text in *texts {
                let range = window(text);
                assert_eq!(passes(&calendar, &asks(filter(range))), expected, "{kind} {lines} in {text}");
                // All day, and local: those of UTC-5 are a window of theirs.
                let span = range.window();
                let beyond = stored.tail.is_some_and(|tail| tail < span.end);
                let hit = stored.instances.iter().any(|row| {
                    let away = if row.floating { 18_000 } else { 0 };
                    let (start, end) = (span.start.saturating_sub(away), span.end.saturating_sub(away));
                    row.starts < end && (row.ends > start || (row.ends == row.starts && row.starts >= start))
                });
                assert!(hit || beyond || !expected, "{kind} {lines} in {text}: not in the index");
                assert!(
                    kind != "VEVENT" || beyond || hit == expected,
                    "{kind} {lines} in {text}: the index is exact"
                );
            }
        }
    }
}

fn happens(kind: &'static str) -> impl Fn(TimeRange) -> CompFilter {
    move |range| comp(kind, Some(range), vec![], vec![])
}

const LASTING: (&[&str], &[&str]) = (
    &[
        "09:00:00-10:00:01",
        "10:59:59-12:00:00",
        "10:10:00-10:20:00",
        "09:00:00-12:00:00",
        "10:59:59-",
        "-10:00:01",
    ],
    &["09:00:00-10:00:00", "11:00:00-12:00:00", "11:00:00-", "-10:00:00"],
);

const POINT: (&[&str], &[&str]) = (
    &["10:00:00-11:00:00", "09:00:00-10:00:01", "10:00:00-10:00:01", "10:00:00-", "-10:00:01"],
    &["09:00:00-10:00:00", "10:00:01-11:00:00", "10:00:01-", "-10:00:00"],
);

#[test]
fn events() {
    let rows = [
        ("DTSTART:@10:00:00 DTEND:@11:00:00", LASTING.0, LASTING.1),
        ("DTSTART:@10:00:00 DURATION:PT1H", LASTING.0, LASTING.1),
        ("DTSTART:@10:00:00 DURATION:PT0S", POINT.0, POINT.1),
        ("DTSTART:@10:00:00", POINT.0, POINT.1),
        // In New York the day is from five to five.
        (
            "DTSTART;VALUE=DATE:20060110",
            &["04:00:00-05:00:01", "05:00:00-06:00:00", "23:00:00-"],
            &["04:00:00-05:00:00", "-05:00:00"],
        ),
        ("DTSTART;VALUE=DATE:20060109", &["04:59:59-06:00:00"], &["05:00:00-06:00:00"]),
        ("DTSTART;VALUE=DATE:20060108 DTEND;VALUE=DATE:20060110", &["04:59:59-"], &["05:00:00-"]),
        ("DTSTART;VALUE=DATE:20060108 DURATION:P2D", &["04:59:59-"], &["05:00:00-"]),
        // One instance is enough.
        (
            "DTSTART:20000110T100000Z DURATION:PT1H RRULE:FREQ=DAILY;UNTIL=@10:00:00",
            LASTING.0,
            &["11:00:00-"],
        ),
    ];
    check("VEVENT", &rows, happens("VEVENT"));
}

#[test]
fn todos() {
    let both = (
        &["10:00:00-10:30:00", "09:00:00-10:00:01", "10:59:59-12:00:00", "09:00:00-12:00:00", "-10:00:01"]
            as &[_],
        &["09:00:00-10:00:00", "11:00:00-12:00:00", "11:00:00-", "-10:00:00"] as &[_],
    );
    let rows = [
        // Start and duration: the last moment counts as well.
        (
            "DTSTART:@10:00:00 DURATION:PT1H",
            &["09:00:00-10:00:01", "11:00:00-12:00:00", "11:00:00-"] as &[_],
            &["09:00:00-10:00:00", "11:00:01-12:00:00", "11:00:01-"] as &[_],
        ),
        ("DTSTART:@10:00:00 DURATION:PT0S", &["09:00:00-10:00:00", "10:00:00-11:00:00"], &["10:00:01-"]),
        // Start and due date.
        ("DTSTART:@10:00:00 DUE:@11:00:00", both.0, both.1),
        (
            "DTSTART:@10:00:00 DUE:@10:00:00",
            &["09:00:00-10:00:00", "10:00:00-11:00:00"],
            &["09:00:00-09:59:59", "10:00:01-11:00:00"],
        ),
        // Start alone, whatever became of it.
        ("DTSTART:@10:00:00", POINT.0, POINT.1),
        (
            "DTSTART:@10:00:00 CREATED:@08:00:00 COMPLETED:@15:00:00",
            POINT.0,
            &["08:00:00-09:00:00", "15:00:00-"],
        ),
        // Due date alone.
        (
            "DUE:@11:00:00",
            &["10:00:00-11:00:00", "10:59:59-", "-11:00:00"],
            &["11:00:00-12:00:00", "10:00:00-10:59:59", "-10:59:59"],
        ),
        (
            "DUE:@11:00:00 CREATED:@08:00:00 COMPLETED:@15:00:00",
            &["10:00:00-11:00:00"],
            &["08:00:00-09:00:00"],
        ),
        // Completed and created.
        (
            "CREATED:@10:00:00 COMPLETED:@12:00:00",
            &["09:00:00-10:00:00", "11:00:00-11:30:00", "12:00:00-13:00:00"],
            &["08:00:00-09:59:59", "12:00:01-13:00:00"],
        ),
        // Completed alone.
        (
            "COMPLETED:@10:00:00",
            &["09:00:00-10:00:00", "10:00:00-11:00:00"],
            &["09:00:00-09:59:59", "10:00:01-11:00:00"],
        ),
        // Created alone: from then on for ever.
        (
            "CREATED:@10:00:00",
            &["09:00:00-10:00:01", "20:00:00-21:00:00", "20:00:00-"],
            &["09:00:00-10:00:00"],
        ),
        // Without any of these: always.
        ("SUMMARY:a", &["09:00:00-10:00:00", "20:00:00-", "-00:00:01"], &[]),
    ];
    check("VTODO", &rows, happens("VTODO"));
}

#[test]
fn todos_that_recur() {
    let rows = [
        (
            "DTSTART:20000110T100000Z DURATION:PT1H RRULE:FREQ=DAILY",
            &["11:00:00-11:30:00"] as &[_],
            &["11:00:01-11:30:00"] as &[_],
        ),
        (
            "DTSTART:20000110T100000Z DUE:20000110T110000Z RRULE:FREQ=DAILY",
            &["10:59:59-11:30:00"],
            &["11:00:00-11:30:00"],
        ),
        ("DTSTART:20000110T100000Z RRULE:FREQ=DAILY;COUNT=2", &["-10:00:01"], &["09:00:00-"]),
        ("DUE:20000110T110000Z RRULE:FREQ=DAILY", &["10:00:00-11:00:00"], &["11:00:00-12:00:00"]),
        (
            "DTSTART:20000110T100000Z RRULE:FREQ=DAILY EXDATE:@10:00:00",
            &["-10:00:01"],
            &["10:00:00-11:00:00"],
        ),
    ];
    check("VTODO", &rows, happens("VTODO"));
}

#[test]
fn journal_entries() {
    let day = (&["04:00:00-05:00:01", "05:00:00-06:00:00"] as &[_], &["04:00:00-05:00:00"] as &[_]);
    let rows = [
        ("DTSTART:@10:00:00", POINT.0, POINT.1),
        ("DTSTART;VALUE=DATE:20060110", day.0, day.1),
        ("DTSTART;VALUE=DATE:20060109", &["04:59:59-06:00:00"], &["05:00:00-06:00:00"]),
        ("CREATED:@10:00:00", &[], &["09:00:00-11:00:00", "09:00:00-", "-11:00:00"]),
    ];
    check("VJOURNAL", &rows, happens("VJOURNAL"));
}

#[test]
fn free_busy_times() {
    let rows = [
        // The end counts, and what is busy between does not matter; nor does a DURATION.
        (
            "DTSTART:@10:00:00 DTEND:@11:00:00",
            &["11:00:00-12:00:00", "09:00:00-10:00:01"] as &[_],
            &["11:00:01-12:00:00", "09:00:00-10:00:00"] as &[_],
        ),
        (
            "DTSTART:@10:00:00 DTEND:@11:00:00 DURATION:PT9H FREEBUSY:@15:00:00/PT1H",
            &["10:10:00-10:20:00"],
            &["15:10:00-15:20:00"],
        ),
        ("FREEBUSY;FBTYPE=FREE:@10:00:00/PT1H", LASTING.0, LASTING.1),
        (
            "DTSTART:@09:00:00 FREEBUSY:@10:00:00/@11:00:00,@13:00:00/PT1H FREEBUSY;FBTYPE=BUSY-TENTATIVE:@15:00:00/PT1H",
            &["10:30:00-10:40:00", "13:59:59-14:30:00", "15:00:00-15:00:01"],
            &["09:00:00-10:00:00", "11:00:00-13:00:00", "14:00:00-15:00:00", "16:00:00-"],
        ),
        ("DTSTART:@10:00:00", &[], &["10:00:00-11:00:00", "-11:00:00"]),
    ];
    check("VFREEBUSY", &rows, happens("VFREEBUSY"));
}

#[test]
fn alarms() {
    let alarm = |range| comp("VEVENT", None, vec![], vec![comp("VALARM", Some(range), vec![], vec![])]);
    let ten = POINT;
    let repeated = (
        &["10:00:00-10:00:01", "10:10:00-10:10:01", "10:20:00-10:20:01", "10:15:00-"] as &[_],
        &["10:00:01-10:10:00", "10:10:01-10:20:00", "10:20:01-"] as &[_],
    );
    for (event, trigger, (inside, outside)) in [
        ("DTSTART:@11:00:00", "TRIGGER:-PT1H", ten),
        ("DTSTART:@09:00:00 DURATION:PT30M", "TRIGGER;RELATED=END:PT30M", ten),
        ("DTSTART:@09:00:00 DTEND:@12:00:00", "TRIGGER;RELATED=END:-PT2H", ten),
        ("DTSTART:20200101T000000Z", "TRIGGER;VALUE=DATE-TIME:@10:00:00", ten),
        ("DTSTART:@11:00:00", "TRIGGER:-PT1H REPEAT:2 DURATION:PT10M", repeated),
        // The day begins at five in New York.
        ("DTSTART;VALUE=DATE:20060110", "TRIGGER:PT5H", ten),
    ] {
        let text = object("VEVENT", event).bytes().clone();
        let lines: String = trigger.split_whitespace().map(|line| stamped(line) + "\r\n").collect();
        let with = format!("BEGIN:VALARM\r\nACTION:AUDIO\r\n{lines}END:VALARM\r\nEND:VEVENT");
        let calendar = parse(String::from_utf8(text.to_vec()).unwrap().replace("END:VEVENT", &with));
        for (texts, expected) in [(inside, true), (outside, false)] {
            for text in texts {
                let found = passes(&calendar, &asks(alarm(window(text))));
                assert_eq!(found, expected, "{event} {trigger} in {text}");
            }
        }
    }
}

#[test]
fn properties() {
    for (kind, lines, name) in [
        ("VTODO", "COMPLETED:@10:00:00", "COMPLETED"),
        ("VTODO", "CREATED:@10:00:00", "CREATED"),
        ("VEVENT", "DTSTART:@10:00:00 DTSTAMP:@10:00:00", "DTSTAMP"),
        ("VEVENT", "DTSTART:@10:00:00", "DTSTART"),
        ("VEVENT", "DTSTART:@09:00:00 DTEND:@10:00:00", "DTEND"),
        ("VTODO", "DUE:@10:00:00", "DUE"),
        ("VJOURNAL", "LAST-MODIFIED:@10:00:00", "LAST-MODIFIED"),
        // Where there is no such property, what follows from the others counts.
        ("VEVENT", "DTSTART:@09:00:00 DURATION:PT1H", "DTEND"),
        ("VTODO", "DTSTART:@09:00:00 DURATION:PT1H", "DUE"),
        ("VEVENT", "DTSTART:20000110T090000Z DURATION:PT1H RRULE:FREQ=DAILY;UNTIL=@10:00:00", "DTEND"),
    ] {
        let calendar = object(kind, lines);
        let recurs = lines.contains("RRULE");
        for (texts, expected) in [(POINT.0, true), (POINT.1, false)] {
            for text in texts.iter().filter(|text| !recurs || !text.starts_with('-')) {
                let test = PropTest::Defined { value: Some(ValueTest::Time(window(text))), params: vec![] };
                let filter = asks(comp(kind, None, vec![prop(name, test)], vec![]));
                assert_eq!(passes(&calendar, &filter), expected, "{kind} {lines}: {name} in {text}");
            }
        }
    }
}
