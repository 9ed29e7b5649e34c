//! What the index says of an object, against what the object says of itself: objects and windows made up by dice, and the
//! statements that look into the index spelled out (RFC 4791 §7.8, §7.10, §9.9).

use std::fmt::Write;
use std::ops::Range;

use kalends::ical::filter::{CompFilter, CompTest, Filter};
use kalends::ical::freebusy::{Period, merge, period, periods};
use kalends::ical::{Calendar, Limits, TimeRange, Zone, index, matches, object, parse_utc, utc_stamp};
use kalends::model::{Busy, Component, Index};

use super::{budget, parse};
use crate::dice::Dice;

const ZONES: [&str; 4] = [
    "BEGIN:VTIMEZONE\r\nTZID:Here\r\nBEGIN:STANDARD\r\nDTSTART:19701101T020000\r\nTZOFFSETFROM:+0700\r\nTZOFFSETTO:+0500\r\n\
     RRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=1SU\r\nEND:STANDARD\r\nBEGIN:DAYLIGHT\r\nDTSTART:19700301T020000\r\nTZOFFSETFROM:+0500\r\n\
     TZOFFSETTO:+0700\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=2SU\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n",
    "BEGIN:VTIMEZONE\r\nTZID:There\r\nX-LIC-LOCATION:Asia/Tokyo\r\nEND:VTIMEZONE\r\n",
    "BEGIN:VTIMEZONE\r\nTZID:America/New_York\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+1200\r\n\
     TZOFFSETTO:+1200\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n",
    "X-WR-TIMEZONE:Asia/Kolkata\r\n",
];

/// A time of 2026, in one of the forms that a series may have.
fn time(dice: &mut Dice, form: u64) -> String {
    let day = format!("2026{:02}{:02}", 1 + dice.below(12), 1 + dice.below(28));
    let clock = format!("{day}T{:02}{:02}00", dice.below(24), 30 * dice.below(2));
    match form {
        0 => format!(";VALUE=DATE:{day}"),
        1 => format!(":{clock}"),
        2 => format!(":{clock}Z"),
        other => {
            let names = ["Europe/Berlin", "Here", "There", "America/New_York", "Nowhere", "HERE"];
            format!(";TZID={}:{clock}", names[usize::try_from(other - 3).expect("made up") % names.len()])
        }
    }
}

fn length(dice: &mut Dice, form: u64) -> String {
    match dice.below(6) {
        0 => String::new(),
        1 => "DURATION:P1D\r\n".to_owned(),
        2 if form != 0 => "DURATION:PT90M\r\n".to_owned(),
        3 => "DURATION:P20D\r\n".to_owned(),
        4 => format!("DTEND{}\r\n", time(dice, form)),
        _ => "DURATION:P3D\r\n".to_owned(),
    }
}

fn state(dice: &mut Dice) -> &'static str {
    const STATES: [&str; 5] =
        ["", "STATUS:CANCELLED\r\n", "STATUS:TENTATIVE\r\n", "TRANSP:TRANSPARENT\r\n", "TRANSP:OPAQUE\r\n"];
    let state: &&str = dice.pick(&STATES);
    state
}

const RULES: [&str; 12] = [
    "FREQ=DAILY",
    "FREQ=WEEKLY;BYDAY=MO,TH",
    "FREQ=DAILY;INTERVAL=3;COUNT=20",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=YEARLY",
    "FREQ=HOURLY;INTERVAL=7",
    "FREQ=WEEKLY;UNTIL=20270301T000000Z",
    "FREQ=WEEKLY;INTERVAL=3",
    "FREQ=DAILY;COUNT=400",
    "FREQ=MONTHLY;COUNT=50",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
];

/// An object of events: a series with overrides, or overrides alone.
fn made_up(dice: &mut Dice) -> String {
    let form = dice.below(9);
    let first = time(dice, form);
    let (mut lines, mut overrides) = (format!("DTSTART{first}\r\n"), String::new());
    lines += &length(dice, form);
    lines += state(dice);
    if dice.below(5) > 0 {
        write!(lines, "RRULE:{}\r\n", dice.pick(&RULES)).expect("made up");
    }
    if dice.below(6) == 0 {
        write!(lines, "EXRULE:{}\r\n", dice.pick(&RULES)).expect("made up");
    }
    for _ in 0..dice.below(3) {
        write!(lines, "RDATE{}\r\n", time(dice, form)).expect("made up");
    }
    if dice.below(5) == 0 {
        write!(
            lines,
            "RDATE;VALUE=PERIOD:2026{:02}15T120000Z/P{}D\r\n",
            1 + dice.below(12),
            1 + dice.below(30)
        )
        .expect("made up");
    }
    for _ in 0..dice.below(3) {
        // The same time of day on another day, as an instance may have it.
        let day = format!("2026{:02}{:02}", 1 + dice.below(12), 1 + dice.below(28));
        let place = first.replacen(&first[first.rfind(':').expect("made up") + 1..][..8], &day, 1);
        if dice.below(2) == 0 {
            write!(lines, "EXDATE{place}\r\n").expect("made up");
            continue;
        }
        let range = if dice.below(3) == 0 { ";RANGE=THISANDFUTURE" } else { "" };
        let other = if dice.below(4) == 0 { dice.below(9) } else { form };
        write!(
            overrides,
            "BEGIN:VEVENT\r\nUID:a\r\nSUMMARY:two\r\nRECURRENCE-ID{range}{place}\r\nDTSTART{}\r\n{}{}END:VEVENT\r\n",
            time(dice, other),
            length(dice, other),
            state(dice)
        ).expect("made up");
    }
    let alarm =
        "BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nREPEAT:2\r\nDURATION:PT9M\r\nEND:VALARM\r\n";
    let zones: String = ZONES.iter().filter(|_| dice.below(3) > 0).copied().collect();
    let master = format!("BEGIN:VEVENT\r\nUID:a\r\nSUMMARY:one\r\n{lines}{alarm}END:VEVENT\r\n");
    let zones = match zones.find("X-WR") {
        Some(at) => [&zones[at..], &zones[..at]].concat(),
        None => zones,
    };
    let master = if overrides.is_empty() || dice.below(8) > 0 { master } else { String::new() };
    let both = if dice.below(2) == 0 { overrides + &master } else { master + &overrides };
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\n{zones}{both}END:VCALENDAR\r\n")
}

/// The window, and that on the wall clock of a zone.
type Windows = (Range<i64>, Range<i64>);

fn is_open(rows: &Index, (at, floating): &Windows) -> bool {
    rows.tail.is_some_and(|tail| tail < at.end.max(floating.end))
}

/// As the statement `between` and the report have it.
fn is_found(rows: &Index, windows: &Windows, asked: &dyn Fn() -> bool) -> bool {
    if is_open(rows, windows) {
        return asked();
    }
    rows.instances.iter().any(|row| {
        let window = if row.floating { &windows.1 } else { &windows.0 };
        row.starts < window.end
            && (row.ends > window.start || (row.ends == row.starts && row.starts >= window.start))
    })
}

/// As the statement `busy` and the report have it.
fn taken(rows: &Index, windows: &Windows, zone: &Zone, asked: &dyn Fn() -> Vec<Period>) -> Vec<Period> {
    let mut found: Vec<Period> = rows
        .instances
        .iter()
        .filter(|row| {
            let window = if row.floating { &windows.1 } else { &windows.0 };
            row.busy != Busy::Free && row.starts < window.end && row.ends > window.start
        })
        .map(|row| period(row, zone))
        .collect();
    if is_open(rows, windows) {
        found.extend(asked());
    }
    let clipped = found.into_iter().map(|p| Period {
        start: p.start.max(windows.0.start),
        end: p.end.min(windows.0.end),
        ..p
    });
    merge(clipped.filter(|p| p.start < p.end).collect())
}

#[test]
fn the_index_and_its_patterns_say_what_the_object_says() {
    let horizon = parse_utc("20280101T000000Z").unwrap();
    let (mut patterns, mut asked, mut hits) = (0, 0, 0);
    for seed in 0..600_u64 {
        let mut dice = Dice(seed * 0x9E37_79B9 + 1);
        let text = made_up(&mut dice);
        let calendar = parse(text.clone());
        if object(&calendar, &Limits::default()).is_err() {
            continue;
        }
        let rows = index(&calendar, horizon, 60, &budget());
        let pattern: Option<Calendar> = rows.pattern.as_deref().map(parse);
        patterns += usize::from(pattern.is_some());
        let known = pattern.as_ref().unwrap_or(&calendar);
        let name = *dice.pick(&["America/New_York", "UTC", "Pacific/Auckland"]);
        let zone = Zone::named(name).unwrap();
        for _ in 0..10 {
            let start = parse_utc("20251215T000000Z").unwrap() + 1_800 * dice.from(0, 60_000);
            let end = start + dice.pick(&[1_800, 86_400, 604_800, 40 * 86_400]);
            let floating = zone.wall(start)..zone.wall(end);
            let windows = (start..end, floating);
            let range = TimeRange { start: Some(start), end: Some(end) };
            let holds = |time_range, comps| CompTest::Defined { time_range, props: vec![], comps };
            let event =
                CompFilter { name: Component::Vevent.name().into(), test: holds(Some(range), vec![]) };
            let filter = Filter(CompFilter { name: "VCALENDAR".into(), test: holds(None, vec![event]) });
            let says = |calendar: &Calendar| matches(calendar, &filter, &zone, &budget()).unwrap();
            let place =
                format!("{seed}: {} to {} in {zone:?}\n{text}\n{rows:?}", utc_stamp(start), utc_stamp(end));
            assert_eq!(is_found(&rows, &windows, &|| says(known)), says(&calendar), "{place}");
            let busy = |calendar: &Calendar| periods(calendar, start..end, &zone, &budget()).unwrap();
            assert_eq!(taken(&rows, &windows, &zone, &|| busy(known)), merge(busy(&calendar)), "{place}");
            asked += 1;
            hits += usize::from(says(&calendar));
        }
    }
    assert!(patterns > 100 && asked > 4_000 && hits > 1_000, "{patterns} {asked} {hits}");
}

#[test]
fn a_series_that_is_put_off_and_later_brought_forward_is_found_where_it_is() {
    let moved = |id: &str, to: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID;RANGE=THISANDFUTURE:{id}\r\nDTSTART:{to}\r\nEND:VEVENT\r\n"
        )
    };
    let calendar = parse(format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260105T090000Z\r\nRRULE:FREQ=MONTHLY\r\nEND:VEVENT\r\n{}{}\
         END:VCALENDAR\r\n",
        moved("20270105T090000Z", "20270326T090000Z"),
        moved("20271205T090000Z", "20271016T090000Z")
    ));
    let at = |stamp| parse_utc(stamp).unwrap();
    let rows = index(&calendar, at("20271201T000000Z"), 1_000, &budget());
    let start = at("20271116T090000Z");
    assert!(rows.tail.unwrap() <= start || rows.instances.iter().any(|row| row.starts == start), "{rows:?}");
}
