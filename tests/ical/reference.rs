//! Made-up filters on made-up objects, against an evaluator that lists every instance and asks each all questions: the
//! tables of RFC 4791 §9.9, line by line.

use std::collections::BTreeMap;

use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

use kalends::ical::{
    Calendar, Collation, CompFilter, CompTest, Filter, MatchKind, ParamFilter, ParamTest, PropFilter,
    PropTest, TextMatch, TimeRange, ValueTest, Zone, matches, utc_stamp,
};

use super::dice::Dice;
use super::{budget, parse};

/// Where the one who asks is.
const ASKER: &str = "America/New_York";

/// How an event or a to-do ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    At,
    After,
    Open,
}

/// The clock that a component runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Runs {
    Utc,
    In(&'static str),
    Floating,
    Days,
}

impl Runs {
    fn instant(self, local: DateTime) -> i64 {
        let zone = match self {
            Self::Utc => "UTC",
            Self::In(zone) => zone,
            Self::Floating | Self::Days => ASKER,
        };
        let zone = TimeZone::get(zone).expect("a zone");
        zone.to_ambiguous_timestamp(local).compatible().expect("a moment").as_second()
    }

    fn line(self, name: &str, local: DateTime) -> String {
        match self {
            Self::Utc => format!("{name}:{}Z\r\n", local.strftime("%Y%m%dT%H%M%S")),
            Self::In(zone) => format!("{name};TZID={zone}:{}\r\n", local.strftime("%Y%m%dT%H%M%S")),
            Self::Floating => format!("{name}:{}\r\n", local.strftime("%Y%m%dT%H%M%S")),
            Self::Days => format!("{name};VALUE=DATE:{}\r\n", local.strftime("%Y%m%d")),
        }
    }
}

#[derive(Clone, Debug)]
struct Alarm {
    /// Seconds from the start or the end; or a moment.
    offset: i64,
    from: From,
    action: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum From {
    Start,
    End,
    Never,
}

/// A property: name, parameters, value.
type Line = (&'static str, Vec<(&'static str, &'static str)>, String);

/// A component and its instances, each with start and end.
#[derive(Clone, Debug)]
struct Part {
    name: &'static str,
    text: String,
    lines: Vec<Line>,
    alarms: Vec<Alarm>,
    instances: Vec<(i64, i64)>,
    /// Which ends a to-do or journal entry names: DTSTART, DUE, DURATION, whole days, COMPLETED, CREATED.
    has: Has,
}

#[derive(Clone, Copy, Debug, Default)]
struct Has {
    start: bool,
    due: bool,
    lasts: bool,
    completed: Option<i64>,
    created: Option<i64>,
}

/// So many seconds later: on the wall or in truth.
fn later(runs: Runs, local: DateTime, seconds: i64) -> i64 {
    match runs {
        Runs::Utc | Runs::In(_) => runs.instant(local) + seconds,
        Runs::Floating | Runs::Days => runs.instant(local + SignedDuration::from_secs(seconds)),
    }
}

fn local(dice: &mut Dice, runs: Runs) -> DateTime {
    let day = date(2026, 2, 20) + dice.from(0, 40).days();
    if runs == Runs::Days {
        day.at(0, 0, 0, 0)
    } else {
        day.at(8, 0, 0, 0) + dice.from(0, 48).checked_mul(15).expect("small").minutes()
    }
}

fn plain(dice: &mut Dice) -> (Vec<Line>, Vec<Alarm>) {
    const TEXTS: [&str; 5] = ["Lunch", "lunch talk", "ÜBER Straße", "über", "x"];
    let mut lines: Vec<Line> = vec![];
    for (name, one_in) in [("SUMMARY", 1), ("LOCATION", 2), ("COMMENT", 3), ("COMMENT", 3)] {
        if dice.one_in(one_in) {
            lines.push((name, vec![], (*dice.pick(&TEXTS)).to_owned()));
        }
    }
    for person in ["mailto:a@b", "mailto:c@d"] {
        if dice.one_in(2) {
            let mut params = vec![("CN", *dice.pick(&TEXTS))];
            if dice.one_in(2) {
                params.push(("PARTSTAT", *dice.pick(&["ACCEPTED", "DECLINED"])));
            }
            lines.push(("ATTENDEE", params, person.to_owned()));
        }
    }
    let alarm = |dice: &mut Dice| {
        let from = *dice.pick(&[From::Start, From::End, From::Never]);
        let near = if from == From::Never { Runs::Utc.instant(local(dice, Runs::Utc)) } else { 0 };
        Alarm {
            offset: near + dice.from(-3, 3) * 1_800,
            from,
            action: dice.pick::<&str>(&["DISPLAY", "AUDIO"]),
        }
    };
    let alarms = (0..dice.below(3)).map(|_| alarm(dice)).collect();
    (lines, alarms)
}

fn rest(lines: &[Line], alarms: &[Alarm]) -> String {
    let mut text = String::new();
    for (name, params, value) in lines {
        text.push_str(name);
        text.extend(params.iter().flat_map(|(name, value)| [";", *name, "=", *value]));
        text.extend([":", &**value, "\r\n"]);
    }
    for alarm in alarms {
        let trigger = match alarm.from {
            From::Never => format!("TRIGGER;VALUE=DATE-TIME:{}", utc_stamp(alarm.offset)),
            from => {
                let sign = if alarm.offset < 0 { "-" } else { "" };
                let related = if from == From::End { ";RELATED=END" } else { "" };
                format!("TRIGGER{related}:{sign}PT{}S", alarm.offset.abs())
            }
        };
        text.extend([format!("BEGIN:VALARM\r\nACTION:{}\r\n{trigger}\r\nEND:VALARM\r\n", alarm.action)]);
    }
    text
}

/// An event, which may recur, have holes and overrides.
fn event(dice: &mut Dice) -> Vec<Part> {
    let runs =
        *dice.pick(&[Runs::Utc, Runs::In("Europe/Berlin"), Runs::In(ASKER), Runs::Floating, Runs::Days]);
    let ends = *dice.pick(&[Ends::At, Ends::After, Ends::Open]);
    let start = local(dice, runs);
    let seconds = if runs == Runs::Days { dice.from(1, 3) * 86_400 } else { dice.from(1, 100) * 900 };
    let lasts = match ends {
        Ends::Open if runs == Runs::Days => 86_400,
        Ends::Open => 0,
        Ends::At | Ends::After => seconds,
    };
    let (days, count) = if dice.one_in(2) { (*dice.pick(&[1, 2, 7]), dice.from(2, 12)) } else { (1, 1) };
    let place = |n: i64| start + (n * days).days();
    let span = |local: DateTime| (runs.instant(local), later(runs, local, lasts));
    let times = |start: DateTime| {
        let mut text = runs.line("DTSTART", start);
        match ends {
            Ends::At => {
                // DTEND says the end of this very instance.
                let end = match runs {
                    Runs::In(zone) => {
                        let zone = TimeZone::get(zone).expect("a zone");
                        zone.to_datetime(jiff::Timestamp::from_second(span(start).1).expect("a moment"))
                    }
                    _ => start + SignedDuration::from_secs(lasts),
                };
                text.push_str(&runs.line("DTEND", end));
            }
            Ends::After if runs == Runs::Days => text.extend([format!("DURATION:P{}D\r\n", lasts / 86_400)]),
            Ends::After => text.extend([format!("DURATION:PT{lasts}S\r\n")]),
            Ends::Open => {}
        }
        text
    };
    let mut shown: BTreeMap<i64, DateTime> = (0..count).map(|n| (n, place(n))).collect();
    let (mut rules, mut overrides) = (String::new(), vec![]);
    if count > 1 {
        rules = format!("RRULE:FREQ=DAILY;INTERVAL={days};COUNT={count}\r\n");
        for n in 0..count {
            let fate = dice.below(5);
            if fate == 0 {
                shown.remove(&n);
                rules.push_str(&runs.line("EXDATE", place(n)));
            } else if fate == 1 {
                shown.remove(&n);
                let moved = place(n)
                    + if runs == Runs::Days { dice.from(-2, 2) * 24 } else { dice.from(-2, 2) }.hours();
                overrides.push((place(n), moved));
            }
        }
    }
    let (lines, alarms) = plain(dice);
    let text = [&times(start), &rules, &rest(&lines, &alarms)].map(String::as_str).concat();
    let has = Has { start: true, ..Has::default() };
    let instances = shown.values().map(|local| span(*local)).collect();
    let mut parts = vec![Part { name: "VEVENT", text, lines, alarms, instances, has }];
    for (id, moved) in overrides {
        let (lines, alarms) = plain(dice);
        let text = [runs.line("RECURRENCE-ID", id), times(moved), rest(&lines, &alarms)].concat();
        parts.push(Part { name: "VEVENT", text, lines, alarms, instances: vec![span(moved)], has });
    }
    parts
}

/// A to-do with any of the dates that the table tells apart.
fn todo(dice: &mut Dice) -> Vec<Part> {
    let runs = *dice.pick(&[Runs::Utc, Runs::In("Europe/Berlin"), Runs::Floating]);
    let start = local(dice, runs);
    let lasts = dice.from(0, 12) * 1_800;
    let moment = |dice: &mut Dice| dice.one_in(3).then(|| Runs::Utc.instant(local(dice, Runs::Utc)));
    let mut has = Has { completed: moment(dice), created: moment(dice), ..Has::default() };
    has.start = dice.one_in(2);
    has.due = dice.one_in(2);
    has.lasts = has.start && !has.due && !dice.one_in(3);
    let mut text = String::new();
    let first = runs.instant(start);
    let mut instances = vec![(first, first)];
    if has.start {
        text.push_str(&runs.line("DTSTART", start));
    }
    if has.due {
        let due = if has.start { start + SignedDuration::from_secs(lasts) } else { start };
        text.push_str(&runs.line("DUE", due));
        instances = vec![(if has.start { first } else { runs.instant(due) }, runs.instant(due))];
    } else if has.lasts {
        text.extend([format!("DURATION:PT{lasts}S\r\n")]);
        instances = vec![(first, later(runs, start, lasts))];
    }
    if !has.start && !has.due {
        instances.clear();
    }
    for (name, moment) in [("COMPLETED", has.completed), ("CREATED", has.created)] {
        text.extend(moment.map(|moment| format!("{name}:{}\r\n", utc_stamp(moment))));
    }
    let (lines, alarms) = plain(dice);
    text.push_str(&rest(&lines, &alarms));
    vec![Part { name: "VTODO", text, lines, alarms, instances, has }]
}

fn journal(dice: &mut Dice) -> Vec<Part> {
    let runs = *dice.pick(&[Runs::Utc, Runs::Days]);
    let has = Has { start: dice.one_in(2), ..Has::default() };
    let start = local(dice, runs);
    let lasts = if runs == Runs::Days { 86_400 } else { 0 };
    let (lines, _) = plain(dice);
    let (mut text, mut instances) = (rest(&lines, &[]), vec![]);
    if has.start {
        text.push_str(&runs.line("DTSTART", start));
        instances.push((runs.instant(start), later(runs, start, lasts)));
    }
    vec![Part { name: "VJOURNAL", text, lines, alarms: vec![], instances, has }]
}

fn written(parts: &[Part]) -> Calendar {
    let part = |part: &Part| format!("BEGIN:{0}\r\nUID:a\r\n{1}END:{0}\r\n", part.name, part.text);
    let parts = parts.iter().map(part).collect::<Vec<_>>().concat();
    parse(format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{parts}END:VCALENDAR\r\n"))
}

/// The tables of RFC 4791 §9.9.
fn is_in(part: &Part, at: Option<(i64, i64)>, range: TimeRange) -> bool {
    let (from, to) = (range.start.unwrap_or(i64::MIN), range.end.unwrap_or(i64::MAX));
    let Has { start, due, lasts, completed, created } = part.has;
    match (part.name, at) {
        ("VEVENT" | "VJOURNAL", Some((first, last))) if first == last => from <= first && to > first,
        ("VEVENT" | "VJOURNAL", Some((first, last))) => from < last && to > first,
        ("VTODO", Some((first, last))) => match (start, due, lasts) {
            (true, true, _) => (from < last || from <= first) && (to > first || to >= last),
            (true, false, true) => from <= last && (to > first || to >= last),
            (true, false, false) => from <= first && to > first,
            _ => from < last && to >= last,
        },
        ("VTODO", None) => match (completed, created) {
            (Some(done), Some(made)) => (from <= made || from <= done) && (to >= made || to >= done),
            (Some(done), None) => from <= done && to >= done,
            (None, Some(made)) => to > made,
            (None, None) => true,
        },
        _ => false,
    }
}

fn has_text(value: &str, test: &TextMatch) -> bool {
    // A letter whose capital is several letters has none (RFC 5051 §2).
    let capital =
        |c: char| Some(c.to_uppercase()).filter(|all| all.len() == 1).and_then(|mut all| all.next());
    let upper = |text: &str| text.chars().map(|c| capital(c).unwrap_or(c)).collect::<String>();
    let key = |text: &str| match test.collation {
        Collation::Octet => text.to_owned(),
        Collation::AsciiCasemap => text.to_ascii_uppercase(),
        Collation::UnicodeCasemap => upper(text),
    };
    let (value, wanted) = (key(value), key(&test.text));
    let found = match test.kind {
        MatchKind::Contains => value.contains(&wanted),
        MatchKind::Equals => value == wanted,
        MatchKind::StartsWith => value.starts_with(&wanted),
        MatchKind::EndsWith => value.ends_with(&wanted),
    };
    found != test.negate
}

fn has_property(part: &Part, at: Option<(i64, i64)>, filter: &PropFilter) -> bool {
    let within = |moment: i64, range: &TimeRange| {
        range.start.is_none_or(|start| start <= moment) && range.end.is_none_or(|end| end > moment)
    };
    let mut own = part.lines.iter().filter(|(name, ..)| *name == filter.name);
    match &filter.test {
        PropTest::NotDefined if filter.name == "DTSTART" => !part.has.start,
        PropTest::NotDefined => own.next().is_none(),
        PropTest::Defined { value: Some(ValueTest::Time(range)), .. } => match &*filter.name {
            "DTSTART" => part.has.start && at.is_some_and(|(start, _)| within(start, range)),
            _ => part.has.created.is_some_and(|moment| within(moment, range)),
        },
        PropTest::AnyOf(tests) => tests.iter().any(|test| {
            has_property(part, at, &PropFilter { name: filter.name.clone(), test: test.clone() })
        }),
        PropTest::Defined { value, params } => own.any(|(_, known, text)| {
            let says = match value {
                Some(ValueTest::Text(test)) => has_text(text, test),
                _ => true,
            };
            says && params.iter().all(|param| {
                let found = known.iter().find(|(name, _)| *name == param.name);
                match (&param.test, found) {
                    (ParamTest::NotDefined, found) => found.is_none(),
                    (ParamTest::Defined, found) => found.is_some(),
                    (ParamTest::Text(test), found) => found.is_some_and(|(_, value)| has_text(value, test)),
                }
            })
        }),
    }
}

fn has_alarm(part: &Part, at: Option<(i64, i64)>, filter: &CompFilter) -> bool {
    let CompTest::Defined { time_range, props, .. } = &filter.test else { return part.alarms.is_empty() };
    part.alarms.iter().any(|alarm| {
        let moment = match (alarm.from, at) {
            (From::Never, _) => Some(alarm.offset),
            (From::Start, Some((start, _))) => Some(start + alarm.offset),
            (From::End, Some((_, end))) => Some(end + alarm.offset),
            (From::Start | From::End, None) => None,
        };
        let rings = time_range.is_none_or(|range| {
            moment.is_some_and(|moment| {
                range.start.is_none_or(|start| start <= moment) && range.end.is_none_or(|end| end > moment)
            })
        });
        rings
            && props.iter().all(|prop| match &prop.test {
                PropTest::Defined { value: Some(ValueTest::Text(test)), .. } => has_text(alarm.action, test),
                _ => true,
            })
    })
}

/// What the filter of a component says of an object.
fn says(parts: &[Part], filter: &CompFilter) -> bool {
    let mut named = parts.iter().filter(|part| part.name == filter.name);
    let (time_range, props, comps) = match &filter.test {
        CompTest::Defined { time_range, props, comps } => (time_range, props, comps),
        CompTest::AnyOf(tests) => {
            let of = |test: &CompTest| CompFilter { name: filter.name.clone(), test: test.clone() };
            return tests.iter().any(|test| says(parts, &of(test)));
        }
        CompTest::NotDefined => return named.next().is_none(),
    };
    let dated = |prop: &PropFilter| {
        prop.name == "DTSTART"
            && matches!(prop.test, PropTest::Defined { value: Some(ValueTest::Time(_)), .. })
    };
    let ringing = |comp: &CompFilter| matches!(comp.test, CompTest::Defined { time_range: Some(_), .. });
    let by_instance = time_range.is_some() || props.iter().any(dated);
    named.any(|part| {
        let each = part.instances.iter().map(|at| Some(*at));
        let mut asked: Vec<Option<(i64, i64)>> =
            if by_instance || comps.iter().any(ringing) { each.collect() } else { vec![] };
        // The component itself: where nothing is asked of instances, and where it has none.
        let undated = !part.has.start && !part.has.due;
        if !by_instance || undated {
            asked.push(None);
        }
        asked.into_iter().any(|at| {
            time_range.is_none_or(|range| is_in(part, at, range))
                && props.iter().all(|prop| has_property(part, at, prop))
                && comps.iter().all(|comp| has_alarm(part, at, comp))
        })
    })
}

/// The moments at which something begins, ends or rings.
fn edges_of(part: &Part) -> Vec<i64> {
    let spans = part.instances.iter().flat_map(|(start, end)| [*start, *end]);
    let alarms = part.alarms.iter().flat_map(|alarm| match alarm.from {
        From::Never => vec![alarm.offset],
        From::Start => part.instances.iter().map(|(start, _)| start + alarm.offset).collect(),
        From::End => part.instances.iter().map(|(_, end)| end + alarm.offset).collect(),
    });
    spans.chain(alarms).chain(part.has.completed).chain(part.has.created).collect()
}

fn text_match(dice: &mut Dice, texts: &[&str]) -> TextMatch {
    TextMatch {
        text: (*dice.pick(texts)).to_owned(),
        collation: *dice.pick(&Collation::ALL),
        kind: *dice.pick(&[
            MatchKind::Contains,
            MatchKind::Contains,
            MatchKind::Equals,
            MatchKind::StartsWith,
            MatchKind::EndsWith,
        ]),
        negate: dice.one_in(4),
    }
}

/// A range that begins or ends at a moment at which something does, or a second off.
fn range(dice: &mut Dice, edges: &[i64]) -> TimeRange {
    let edge = *dice.pick(edges) + *dice.pick(&[-1, 0, 0, 1]);
    let lasts = *dice.pick(&[1, 1_800, 7_200, 86_400, 600_000]);
    let start = if dice.one_in(2) { edge } else { edge - lasts };
    let end = start + lasts;
    match dice.below(6) {
        0 => TimeRange { start: Some(start), end: None },
        1 => TimeRange { start: None, end: Some(end) },
        _ => TimeRange { start: Some(start), end: Some(end) },
    }
}

fn filter(dice: &mut Dice, edges: &BTreeMap<&str, Vec<i64>>) -> CompFilter {
    const NEEDLES: [&str; 7] = ["lunch", "LUNCH", "Lunch", "ÜBER", "über", "STRASSE", "x"];
    let kind = *dice.pick(&["VEVENT", "VTODO", "VTODO", "VJOURNAL"]);
    let edges = &edges[kind];
    let mut props = vec![];
    while dice.one_in(4) {
        let name = *dice.pick(&["SUMMARY", "LOCATION", "COMMENT", "ATTENDEE", "DTSTART", "CREATED"]);
        let not = dice.one_in(5) && name != "CREATED";
        let test = match name {
            _ if not => PropTest::NotDefined,
            "DTSTART" | "CREATED" => {
                PropTest::Defined { value: Some(ValueTest::Time(range(dice, edges))), params: vec![] }
            }
            "ATTENDEE" => {
                let texts = ["ACCEPTED", "accepted", "lunch"];
                let mut param = |name: &str| ParamFilter {
                    name: name.to_owned(),
                    test: match dice.below(3) {
                        0 => ParamTest::NotDefined,
                        1 => ParamTest::Defined,
                        _ => ParamTest::Text(text_match(dice, &texts)),
                    },
                };
                let params = vec![param("PARTSTAT"), param("CN")];
                PropTest::Defined { value: None, params }
            }
            _ => {
                PropTest::Defined { value: Some(ValueTest::Text(text_match(dice, &NEEDLES))), params: vec![] }
            }
        };
        let test = if dice.one_in(5) { test.or() } else { test };
        props.push(PropFilter { name: name.to_owned(), test });
    }
    let mut comps = vec![];
    if dice.one_in(4) {
        let action = PropFilter {
            name: "ACTION".to_owned(),
            test: PropTest::Defined {
                value: Some(ValueTest::Text(text_match(dice, &["AUDIO", "display"]))),
                params: vec![],
            },
        };
        let props = if dice.one_in(3) { vec![action] } else { vec![] };
        let rings = (!dice.one_in(4)).then(|| range(dice, edges));
        let test = if dice.one_in(4) {
            CompTest::NotDefined
        } else {
            CompTest::Defined { time_range: rings, props, comps: vec![] }
        };
        comps.push(CompFilter { name: "VALARM".to_owned(), test });
    }
    let test = if dice.one_in(12) {
        CompTest::NotDefined
    } else {
        CompTest::Defined { time_range: (!dice.one_in(3)).then(|| range(dice, edges)), props, comps }
    };
    let test = if dice.one_in(5) { test.or() } else { test };
    CompFilter { name: kind.to_owned(), test }
}

fn compare(seed: u64, filters: usize) {
    let mut dice = Dice(seed);
    let objects: Vec<_> = (0..120)
        .map(|n| match n % 4 {
            0 | 1 => event(&mut dice),
            2 => todo(&mut dice),
            _ => journal(&mut dice),
        })
        .map(|parts| (written(&parts), parts))
        .collect();
    let zone = Zone::named(ASKER).expect("a zone");
    let mut edges: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for part in objects.iter().flat_map(|(_, parts)| parts) {
        edges.entry(part.name).or_default().extend(edges_of(part));
    }
    let (mut passed, mut decided) = (0, 0);
    for _ in 0..filters {
        let comp = filter(&mut dice, &edges);
        let inner = CompTest::Defined { time_range: None, props: vec![], comps: vec![comp.clone()] };
        let whole = Filter(CompFilter { name: "VCALENDAR".to_owned(), test: inner });
        let mut found = 0;
        for (calendar, parts) in &objects {
            let want = says(parts, &comp);
            let got = matches(calendar, &whole, &zone, &budget()).expect("within the budget");
            assert_eq!(got, want, "seed {seed}: {comp:#?}\n{}", calendar.text());
            found += usize::from(want);
        }
        passed += found;
        decided += usize::from(found > 0 && found < objects.len());
    }
    assert!(
        passed > filters && decided > filters / 3,
        "{passed} passes, {decided} filters tell anything apart"
    );
}

#[test]
fn made_up_filters_say_what_listing_says() {
    for seed in 1..=10 {
        compare(seed, 50);
    }
}

#[test]
#[ignore = "takes minutes: make soak"]
fn many_made_up_filters_say_what_listing_says() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    for seed in now..now + 1_000 {
        compare(seed | 1, 200);
    }
}
