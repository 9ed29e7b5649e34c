//! Recurrence sets against the tables in tests/recur/*.txt, and what holds for every rule.
//!
//! A table is made of blocks between blank lines. `START`, `RULE`, `EXRULE`, `RDATE`, `EXDATE` are properties; `OFFSET` is
//! how many hours the wall clock is ahead of UTC, for an UNTIL in UTC; `FROM` and `TO` bound a window. Each line with `=` has the
//! instances of a month (`= 199709 2-4 9`, at DTSTART's time of day) or of a day (`= 19970902 9:00 12:30:15`); `...` says
//! that more follow; without it, none do.

#[path = "recur/brute.rs"]
mod brute;
#[path = "recur/dice.rs"]
mod dice;
#[path = "recur/hostile.rs"]
mod hostile;
#[path = "recur/oracle.rs"]
mod oracle;
#[path = "recur/seek.rs"]
mod seek;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

use kalends::ical::recur::{Budget, Fault, Moment, Rule, Set};

#[test]
fn examples_of_rfc5545() {
    assert_eq!(run(include_str!("recur/rfc5545.txt")), 42);
}

#[test]
fn known_traps() {
    run(include_str!("recur/regressions.txt"));
}

#[test]
fn sets_of_properties() {
    run(include_str!("recur/sets.txt"));
}

#[test]
fn skipped_days_of_rfc7529() {
    run(include_str!("recur/skip.txt"));
}

#[test]
fn wrong_rules_are_refused_with_a_reason() {
    let lines = include_str!("recur/refused.txt").lines();
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (fault, text) = line.split_once(' ').unwrap_or((line, ""));
        let fault = match fault {
            "Malformed" => Fault::Malformed,
            "Forbidden" => Fault::Forbidden,
            "Unsupported" => Fault::Unsupported,
            other => panic!("no such fault: {other}"),
        };
        let refusal = Rule::parse(text).expect_err(text);
        assert_eq!(refusal.fault(), fault, "{text}: {refusal}");
    }
}

#[test]
fn a_rule_tells_its_parts() {
    let rule = Rule::parse("FREQ=WEEKLY;INTERVAL=2;COUNT=5").unwrap();
    assert_eq!((rule.interval(), rule.count(), rule.until()), (2, Some(5), None));
    assert!(!rule.is_endless());
    let mut set = Set::new(moment("20240101"));
    set.rules.push(rule);
    assert!(!set.is_endless());
    set.rules.push(Rule::parse("FREQ=DAILY").unwrap());
    assert!(set.is_endless());
}

/// Runs a table and gives the number of its blocks.
fn run(table: &str) -> usize {
    let blocks = table.split("\n\n").filter(|block| block.lines().any(|line| !line.starts_with('#')));
    blocks.map(check).count()
}

fn check(block: &str) {
    let fields =
        |name: &'static str| block.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(' '));
    let start = moment(fields("START").next().expect(block));
    let ahead: i64 = fields("OFFSET").next().map_or(0, |hours| hours.parse().expect(block));
    let rule = |text| Rule::parse(text).expect(block).localised(|utc| utc + ahead.hours());
    let set = Set {
        start,
        rules: fields("RULE").map(rule).collect(),
        rdates: fields("RDATE").map(|date| moment(date).first_second()).collect(),
        exdates: fields("EXDATE").map(moment).collect(),
        exrules: fields("EXRULE").map(rule).collect(),
    };
    let want: Vec<_> = fields("=").flat_map(|line| instances(line, start)).collect();
    let budget = Budget::new(1_000_000);
    let mut all = set.instances(&budget);
    if let Some(from) = fields("FROM").next() {
        all.seek(moment(from).first_second());
    }
    if let Some(to) = fields("TO").next() {
        all.stop_before(moment(to).first_second());
    }
    let got: Vec<_> = all.by_ref().take(want.len()).map(Result::unwrap).collect();
    assert_eq!(got, want, "{block}");
    let goes_on = block.lines().any(|line| line == "...");
    assert_eq!(all.next().is_some(), goes_on, "whether more follow in {block}");
}

/// The instances of one line with `=`.
fn instances(line: &str, start: Moment) -> Vec<DateTime> {
    let (date, items) = line.split_once(' ').expect(line);
    let items = items.split(' ');
    if date.len() == 8 {
        let day = moment(date).first_second().date();
        return items.map(|item| day.to_datetime(clock(item))).collect();
    }
    let time = start.first_second().time();
    let days = items.flat_map(|item| {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        first.parse::<i8>().expect(line)..=last.parse().expect(line)
    });
    let first = moment(&format!("{date}01")).first_second().date();
    days.map(|day| Date::new(first.year(), first.month(), day).expect(line).to_datetime(time)).collect()
}

fn clock(text: &str) -> Time {
    let mut fields = text.split(':').map(|field| field.parse().expect(text));
    let mut field = || fields.next().unwrap_or(0);
    Time::new(field(), field(), field(), 0).expect(text)
}

/// `19970902` or `19970902T090000`, with or without a Z.
fn moment(text: &str) -> Moment {
    match text.len() {
        8 => Moment::Date(Date::strptime("%Y%m%d", text).expect(text)),
        _ => Moment::Time(DateTime::strptime("%Y%m%dT%H%M%S", text.trim_end_matches('Z')).expect(text)),
    }
}
