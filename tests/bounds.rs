//! What one rule may cost whoever looks at it: 50 ms and 8 MiB, whatever it says (RFC 5545 §3.3.10 sets no bounds). One test
//! and nothing beside it, so that the memory of the process is its own.

#![allow(clippy::unwrap_used)]

use std::env;
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use kalends::ical::freebusy::periods;
use kalends::ical::{
    Budget, Calendar, CompFilter, CompSelection, CompTest, Filter, Limits, PropFilter, PropSelection,
    PropTest, Recurrence, Selection, TextMatch, TimeRange, ValueTest, Zone, index, matches, object,
    parse_utc, select, utc_stamp,
};

/// All is that much smaller where nothing is optimised, and everything slower: what nobody pays for shows there too.
const SMALLER: usize = if cfg!(debug_assertions) { 20 } else { 1 };
/// What a request may spend, as the service has it.
const BUDGET: u64 = kalends::caldav::BUDGET / SMALLER as u64;
/// KiB that the process may grow by.
const GROWTH: u64 = 8 << 10;

const BERLIN: &str = ";TZID=Europe/Berlin:";

/// The longest that one look may keep a processor.
const SLOWEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

/// The lines of an event that follow its start; some have lines of other components after them.
fn hostile() -> Vec<String> {
    [rules(), many_rules(), lists(), components()].concat()
}

fn rules() -> Vec<String> {
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
        format!("FREQ=YEARLY;BYYEARDAY={}1", "1,-1,366,".repeat(20_000 / SMALLER)),
    ];
    rules.iter().map(|rule| format!("RRULE:{rule}")).collect()
}

fn many_rules() -> Vec<String> {
    let many = |line: &str| format!("{line}\r\n").repeat(2_000 / SMALLER);
    vec![
        "RRULE:FREQ=SECONDLY\r\nEXRULE:FREQ=SECONDLY".to_owned(),
        "RRULE:FREQ=DAILY\r\nRRULE:FREQ=SECONDLY\r\nRRULE:FREQ=MINUTELY\r\nEXRULE:FREQ=HOURLY".to_owned(),
        many("RRULE:FREQ=DAILY"),
        many("RRULE:FREQ=DAILY").repeat(20),
        many("RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        format!("RRULE:FREQ=DAILY\r\n{}", many("RRULE:FREQ=YEARLY")),
        format!("RRULE:FREQ=SECONDLY\r\n{}", many("EXRULE:FREQ=YEARLY")),
    ]
}

fn lists() -> Vec<String> {
    let times = |name: &str, count: usize| {
        let time = |n| format!("{}T{:02}{:02}00Z", 20_260_101 + n / 1440 % 28, n / 60 % 24, n % 60);
        format!("{name}:{}", (0..count / SMALLER).map(time).collect::<Vec<_>>().join(","))
    };
    let days = |name: &str, count: usize| {
        let date = |n| utc_stamp(i64::try_from(n).unwrap() * 86_400)[..8].to_owned();
        format!("{name}:{}", (0..count / SMALLER).map(date).collect::<Vec<_>>().join(","))
    };
    vec![
        times("RDATE", 40_000),
        days("RDATE;VALUE=DATE", 100_000),
        format!("RRULE:FREQ=MINUTELY\r\n{}", times("EXDATE", 40_000)),
        format!("RRULE:FREQ=SECONDLY\r\n{}", days("EXDATE;VALUE=DATE", 100_000)),
        "RRULE:FREQ=SECONDLY\r\nDURATION:P9999D".to_owned(),
        format!("RRULE:FREQ=SECONDLY\r\nDESCRIPTION:{}", "long ".repeat(200_000 / SMALLER)),
        format!("RRULE:FREQ=DAILY\r\n{}", "X-LINE:1\r\n".repeat(50_000 / SMALLER)),
        format!("RRULE:FREQ=DAILY\r\nRDATE;TZID={}:20260101T000000", "/".repeat(900_000 / SMALLER)),
    ]
}

fn components() -> Vec<String> {
    // Of the first thousand seconds, moved to a day in a century.
    let overrides = |range: &str, century: &str| -> String {
        let one = |n| {
            let time = format!("000101T09{:02}{:02}", n / 60, n % 60);
            let (id, start) =
                (format!("RECURRENCE-ID{range}{BERLIN}20{time}"), format!("DTSTART{BERLIN}{century}{time}"));
            format!("END:VEVENT\r\nBEGIN:VEVENT\r\nUID:a\r\n{id}\r\n{start}\r\n")
        };
        (0..1_000 / SMALLER).map(one).collect()
    };
    let dates = |n| format!("RDATE;TZID=zone {n}:20260101T000000\r\n");
    let zones = |n| format!("BEGIN:VTIMEZONE\r\nTZID:a zone {n}\r\nEND:VTIMEZONE\r\n");
    let many = |one: &dyn Fn(usize) -> String| (0..10_000 / SMALLER).map(one).collect::<String>();
    let moved = "RECURRENCE-ID:20260101T000000Z\r\nDTSTART:20260101T000000Z";
    vec![
        format!("RRULE:FREQ=SECONDLY\r\n{}", overrides("", "20")),
        format!("RRULE:FREQ=SECONDLY\r\n{}", overrides(";RANGE=THISANDFUTURE", "21")),
        format!("{}END:VEVENT\r\n{}BEGIN:VEVENT\r\nUID:a\r\n{moved}", many(&dates), many(&zones)),
    ]
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

/// How long this thread has been on a processor: others may have it meanwhile.
fn on_processor() -> Duration {
    // The count is brought up to date when the processor is offered to others.
    thread::yield_now();
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// What is done with an object, in words and in deed.
type Look<'a> = (&'static str, Box<dyn Fn() + 'a>);

/// How many ways to look at an object there are.
const LOOKS: usize = 9;

/// The ways to look at an object that a request has, each with what it may spend.
fn looks(calendar: &Calendar) -> [Look<'_>; LOOKS] {
    let (week, ages) =
        (span("20600101T000000Z", "20600108T000000Z"), span("00010101T000000Z", "99991231T000000Z"));
    let zone = || Zone::named("Europe/Berlin").unwrap();
    let passes = move |filter: Filter| hold(matches(calendar, &filter, &zone(), &Budget::new(BUDGET)));
    let shows = move |selection: Selection| hold(select(calendar, &selection, &zone(), &Budget::new(BUDGET)));
    let expand = |range| Selection { recurrence: Some(Recurrence::Expand(range)), ..Selection::default() };
    let (few, many, limits) = (expand(week.clone()), expand(ages.clone()), LIMITS);
    let uids = Selection { comp: Some(uid_alone()), ..many.clone() };
    let (far, ever, never) = (within(Some(&week), vec![]), within(Some(&(0..1)), vec![]), never(&week));
    let rows = || index(calendar, 1_900_000_000, 1_000, &Budget::new(200_000 / SMALLER as u64));
    [
        ("to take it", Box::new(move || hold(object(calendar, &limits)))),
        ("to index it", Box::new(move || hold(rows()))),
        ("a week far away", Box::new(move || passes(far.clone()))),
        ("a second before it", Box::new(move || passes(ever.clone()))),
        ("a week and a text", Box::new(move || passes(never.clone()))),
        ("a week expanded", Box::new(move || shows(few.clone()))),
        ("all ages expanded", Box::new(move || shows(many.clone()))),
        ("all ages by UID", Box::new(move || shows(uids.clone()))),
        (
            "all ages busy",
            Box::new(move || hold(periods(calendar, ages.clone(), &zone(), &Budget::new(BUDGET)))),
        ),
    ]
}

const LIMITS: Limits = Limits { max_instances: 3_000, max_attendees: 100 };

fn span(start: &str, end: &str) -> Range<i64> {
    parse_utc(start).unwrap()..parse_utc(end).unwrap()
}

fn time(range: &Range<i64>) -> TimeRange {
    TimeRange { start: Some(range.start), end: Some(range.end) }
}

/// A filter of the events that happen in a range and have these properties.
fn within(range: Option<&Range<i64>>, props: Vec<PropFilter>) -> Filter {
    let test = |time_range, props, comps| CompTest::Defined { time_range, props, comps };
    let inner = CompFilter { name: "VEVENT".into(), test: test(range.map(time), props, vec![]) };
    Filter(CompFilter { name: "VCALENDAR".into(), test: test(None, vec![], vec![inner]) })
}

/// A filter that none passes, for no instance begins in one week and ends in another, whatever the text.
fn never(week: &Range<i64>) -> Filter {
    let other = span("20700101T000000Z", "20700108T000000Z");
    let text = TextMatch { text: "short".into(), negate: true, ..TextMatch::default() };
    let of = |name: &str, value| PropFilter {
        name: name.into(),
        test: PropTest::Defined { value: Some(value), params: vec![] },
    };
    let (start, end) = (ValueTest::Time(time(week)), ValueTest::Time(time(&other)));
    within(None, vec![of("DTSTART", start), of("DESCRIPTION", ValueTest::Text(text)), of("DTEND", end)])
}

/// Of each event nothing but its UID.
fn uid_alone() -> CompSelection {
    let uid = PropSelection { name: "UID".into(), novalue: false };
    let inner = CompSelection { name: "VEVENT".into(), props: Some(vec![uid]), comps: Some(vec![]) };
    CompSelection { name: "VCALENDAR".into(), props: None, comps: Some(vec![inner]) }
}

/// Lets nothing be left out because nobody looks at it.
fn hold<T>(made: T) {
    drop(std::hint::black_box(Box::new(made)));
}

/// What a look took, how many KiB the process grew by, and what was looked at.
type Taken = (Duration, u64, String);

/// Takes each look at an object, or one.
fn taken(lines: &str, only: Option<usize>) -> Vec<Taken> {
    let calendar = event(lines);
    let name: String = lines.chars().take(70).collect();
    let take = |(what, look): &Look<'_>| {
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let (began, before) = (on_processor(), memory("VmRSS"));
        look();
        let (took, grown) = (on_processor().saturating_sub(began), memory("VmHWM").saturating_sub(before));
        (took, grown, format!("{what}: {name:?}"))
    };
    let looks = looks(&calendar);
    only.map_or(&looks[..], |only| &looks[only..=only]).iter().map(take).collect()
}

/// Which look a process of this program takes alone, so that no memory serves it that another has freed.
const LOOK: &str = "KALENDS_LOOK";

fn taken_alone(lines: &str, look: usize) -> Taken {
    let mut this = Command::new(env::current_exe().unwrap());
    this.arg("--nocapture").env(LOOK, look.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut this = this.spawn().unwrap();
    this.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let said = String::from_utf8(this.wait_with_output().unwrap().stdout).unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix("look ")).unwrap_or_else(|| panic!("{said}"));
    let [took, grown, told] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    (Duration::from_micros(took.parse().unwrap()), grown.parse().unwrap(), told.to_owned())
}

#[test]
fn every_look_at_a_hostile_rule_is_bounded() {
    // The tables that are made once are no part of it.
    taken("RRULE:FREQ=DAILY;COUNT=3", None);
    if let Ok(look) = env::var(LOOK) {
        let lines = io::read_to_string(io::stdin()).unwrap();
        let (took, grown, told) = taken(&lines, Some(look.parse().unwrap())).remove(0);
        return println!("\nlook {} {grown} {told}", took.as_micros());
    }
    let alone = |lines: &String| (0..LOOKS).map(|look| taken_alone(lines, look)).collect();
    let together = |lines: &String| taken(lines, None);
    let mut all: Vec<_> = if cfg!(debug_assertions) {
        hostile().iter().flat_map(together).collect()
    } else {
        hostile().iter().flat_map::<Vec<_>, _>(alone).collect()
    };
    all.sort_unstable();
    all.iter().rev().take(10).for_each(|look| println!("{look:?}"));
    println!("{:?}", all.iter().map(|(_, grown, _)| grown).max());
    let total = all.len();
    all.retain(|(took, grown, _)| *took > SLOWEST || *grown > GROWTH);
    assert!(all.is_empty(), "{} of {total}:\n{all:#?}", all.len());
}
