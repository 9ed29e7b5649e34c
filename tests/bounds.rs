//! What one rule may cost whoever looks at it: 50 ms and 8 MiB, whatever it says (RFC 5545 §3.3.10 sets no bounds). One test
//! and nothing beside it, so that the memory of the process is its own.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::{Duration, Instant};

use kalends::ical::freebusy::periods;
use kalends::ical::{
    Budget, Calendar, CompFilter, CompTest, Filter, Limits, Recurrence, Selection, TimeRange, Zone, index,
    matches, object, parse_utc, select,
};

/// What a request may spend, as the service has it.
const BUDGET: u64 = 2_000_000;
/// KiB that the process may grow by.
const GROWTH: u64 = 8 << 10;

/// The longest that one look may take.
const SLOWEST: Duration = Duration::from_millis(50);

/// The lines of an event that follow its start.
fn hostile() -> Vec<String> {
    let all = |from: u16, to: u16| (from..to).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let seconds = format!("BYHOUR={};BYMINUTE={};BYSECOND={}", all(0, 24), all(0, 60), all(0, 60));
    let rules = [
        "FREQ=SECONDLY".to_owned(),
        "FREQ=SECONDLY;COUNT=4000000000".to_owned(),
        "FREQ=SECONDLY;INTERVAL=7;COUNT=4000000000".to_owned(),
        "FREQ=SECONDLY;UNTIL=99991231T235959Z".to_owned(),
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30".to_owned(),
        "FREQ=SECONDLY;INTERVAL=3607;BYMONTH=2;BYMONTHDAY=30".to_owned(),
        "FREQ=SECONDLY;INTERVAL=86398;BYHOUR=3;BYMINUTE=7;BYSECOND=1".to_owned(),
        "FREQ=SECONDLY;BYYEARDAY=366;BYHOUR=23;BYMINUTE=59;BYSECOND=59".to_owned(),
        "FREQ=MINUTELY;BYSETPOS=1;BYMONTH=2;BYMONTHDAY=30".to_owned(),
        "FREQ=MINUTELY;INTERVAL=59;BYHOUR=3;BYDAY=SU".to_owned(),
        "FREQ=HOURLY;INTERVAL=5;BYMONTH=2;BYMONTHDAY=30".to_owned(),
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU".to_owned(),
        "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=5".to_owned(),
        "FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=5".to_owned(),
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=300".to_owned(),
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30".to_owned(),
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYSETPOS=-366".to_owned(),
        "FREQ=YEARLY;INTERVAL=4;BYYEARDAY=-366;BYMONTH=12".to_owned(),
        "FREQ=YEARLY;BYDAY=53MO;BYMONTH=1;INTERVAL=9999".to_owned(),
        format!("FREQ=YEARLY;{seconds}"),
        format!("FREQ=YEARLY;{seconds};BYSETPOS=-1"),
        format!("FREQ=YEARLY;{seconds};BYSETPOS={}", all(1, 367)),
        format!("FREQ=MONTHLY;{seconds};BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=-1"),
        format!("FREQ=YEARLY;BYYEARDAY={}1", "1,-1,366,".repeat(20_000)),
    ];
    let dates = |name: &str, count: u32| {
        let date = |n| format!("{}T{:02}{:02}00Z", 20_260_101 + n / 1440 % 28, n / 60 % 24, n % 60);
        format!("{name}:{}", (0..count).map(date).collect::<Vec<_>>().join(","))
    };
    let more = [
        "RRULE:FREQ=SECONDLY\r\nEXRULE:FREQ=SECONDLY".to_owned(),
        "RRULE:FREQ=SECONDLY\r\nDURATION:P9999D".to_owned(),
        "RRULE:FREQ=DAILY\r\nRRULE:FREQ=SECONDLY\r\nRRULE:FREQ=MINUTELY\r\nEXRULE:FREQ=HOURLY".to_owned(),
        format!("RRULE:FREQ=MINUTELY\r\n{}", dates("EXDATE", 40_000)),
        dates("RDATE", 40_000),
        "RRULE:FREQ=DAILY\r\n".repeat(2_000),
        "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\r\n".repeat(2_000),
    ];
    rules.iter().map(|rule| format!("RRULE:{rule}")).chain(more).collect()
}

fn event(lines: &str) -> Calendar {
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sample//EN\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART;TZID=Europe/Berlin:20000101T090000\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        lines.trim_end()
    );
    Calendar::parse(text.into()).unwrap()
}

/// A line of the process' status, in KiB.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|text| text.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What is done with an object, in words and in deed.
type Look<'a> = (&'static str, Box<dyn Fn() + 'a>);

/// The ways to look at an object that a request has, each with what it may spend.
fn looks(calendar: &Calendar) -> Vec<Look<'_>> {
    let at = |stamp| parse_utc(stamp).unwrap();
    let week = at("20600101T000000Z")..at("20600108T000000Z");
    let ages = at("00010101T000000Z")..at("99991231T000000Z");
    let within = |range: std::ops::Range<i64>| {
        let test = |time_range, comps| CompTest::Defined { time_range, props: vec![], comps };
        let time = TimeRange { start: Some(range.start), end: Some(range.end) };
        let inner = CompFilter { name: "VEVENT".into(), test: test(Some(time), vec![]) };
        Filter(CompFilter { name: "VCALENDAR".into(), test: test(None, vec![inner]) })
    };
    let expand = |range| Selection { recurrence: Some(Recurrence::Expand(range)), ..Selection::default() };
    let (berlin, budget) = (Zone::named("Europe/Berlin").unwrap(), || Budget::new(BUDGET));
    let (far, ever) = (within(week.clone()), within(0..1));
    let (few, many) = (expand(week.clone()), expand(ages.clone()));
    let (zone, limits) = (berlin.clone(), Limits { max_instances: 3_000, max_attendees: 100 });
    let zones = [berlin.clone(), berlin.clone(), berlin.clone(), berlin];
    let [one, two, three, four] = zones;
    vec![
        ("to take it", Box::new(move || hold(object(calendar, &limits)))),
        ("to index it", Box::new(move || hold(index(calendar, 1_900_000_000, 1_000, &Budget::new(200_000))))),
        ("a week far away", Box::new(move || hold(matches(calendar, &far, &zone, &budget())))),
        ("a second before it", Box::new(move || hold(matches(calendar, &ever, &one, &budget())))),
        ("a week expanded", Box::new(move || hold(select(calendar, &few, &two, &budget())))),
        ("all ages expanded", Box::new(move || hold(select(calendar, &many, &three, &budget())))),
        ("all ages busy", Box::new(move || hold(periods(calendar, ages.clone(), &four, &budget())))),
    ]
}

/// Lets nothing be left out because nobody looks at it.
fn hold<T>(made: T) {
    drop(std::hint::black_box(Box::new(made)));
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes without optimisation: make soak")]
fn every_look_at_a_hostile_rule_is_bounded() {
    let (mut wrong, mut looked) = (Vec::new(), 0);
    for lines in hostile() {
        let calendar = event(&lines);
        for (what, look) in looks(&calendar) {
            fs::write("/proc/self/clear_refs", "5").unwrap();
            let (began, before) = (Instant::now(), memory("VmRSS"));
            look();
            let (took, grown) = (began.elapsed(), memory("VmHWM").saturating_sub(before));
            looked += 1;
            if took > SLOWEST || grown > GROWTH {
                let name: String = lines.chars().take(70).collect();
                wrong.push(format!("{what}: {took:?}, {grown} KiB: {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {looked}:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(looked, 31 * 7);
}
