//! Rules made to hurt: answered or refused, at a bounded price.

use kalends::ical::recur::{Budget, Exhausted, Rule, Set};

use super::moment;

/// What one rule may cost before it has an answer; the engine does tens of millions of these a second.
const FAIR: u64 = 500_000;

/// The first time of a rule from 2024 on, and what finding it has cost.
fn first(text: &str) -> (Option<Result<String, Exhausted>>, u64) {
    let budget = Budget::new(FAIR);
    let rule = Rule::parse(text).expect(text);
    let first = rule.occurrences(moment("20240101T000000"), &budget).next();
    (first.map(|time| time.map(|time| time.to_string())), FAIR - budget.left())
}

#[test]
fn rules_that_never_match_end() {
    let rules = [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;INTERVAL=5;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYSETPOS=1;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;INTERVAL=3607;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=SECONDLY;INTERVAL=86398;BYHOUR=3;BYMINUTE=7;BYSECOND=1",
        "FREQ=HOURLY;INTERVAL=10;BYHOUR=1,3,5",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=DAILY;BYSETPOS=2",
        "FREQ=WEEKLY;BYDAY=MO,TU;BYSETPOS=5",
        "FREQ=MONTHLY;BYDAY=1MO;BYSETPOS=5",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=YEARLY;BYMONTHDAY=1;BYSETPOS=13",
        "FREQ=YEARLY;BYDAY=53MO;BYMONTH=1",
        "FREQ=YEARLY;BYWEEKNO=20;BYYEARDAY=1",
        "FREQ=YEARLY;INTERVAL=4;BYYEARDAY=-366;BYMONTH=12",
    ];
    for rule in rules {
        let (first, spent) = first(rule);
        assert_eq!(first, None, "{rule} after {spent}");
    }
}

#[test]
fn a_product_of_all_lists_costs_only_what_is_asked_for() {
    let all = |to: u8| (0..to).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let times = format!("BYHOUR={};BYMINUTE={};BYSECOND={}", all(24), all(60), all(60));
    for (rule, want) in [
        ("FREQ=YEARLY", "2024-01-01T00:00:00"),
        ("FREQ=YEARLY;BYSETPOS=1,-366", "2024-01-01T00:00:00"),
        ("FREQ=YEARLY;BYSETPOS=-1", "2024-12-31T23:59:59"),
        ("FREQ=MONTHLY;BYSETPOS=-1", "2024-01-31T23:59:59"),
        ("FREQ=WEEKLY;BYSETPOS=-2", "2024-01-07T23:59:58"),
    ] {
        let (first, spent) = first(&format!("{rule};BYDAY=MO,TU,WE,TH,FR,SA,SU;{times}"));
        assert_eq!(first, Some(Ok(want.into())), "{rule}");
        assert!(spent < 100, "{rule}: {spent}");
    }
}

#[test]
fn a_count_of_billions_is_counted_by_the_year() {
    let budget = Budget::new(FAIR);
    let rule = Rule::parse("FREQ=SECONDLY;COUNT=4000000000").unwrap();
    let mut times = rule.occurrences(moment("20240101T000000"), &budget);
    times.seek(moment("21000101").first_second());
    assert_eq!(times.next(), Some(Ok(moment("21000101").first_second())));
    times.seek(moment("20501003T071000").first_second());
    assert_eq!(times.next(), Some(Ok(moment("21000101T000001").first_second())), "never back");
    times.seek(moment("21501003").first_second());
    // 4,000,000,000 seconds after the start: the end of the count.
    assert_eq!(times.last(), Some(Ok(moment("21501003T070639").first_second())));
}

#[test]
fn a_spent_budget_is_an_error_for_good() {
    let budget = Budget::new(1_000);
    let rule = Rule::parse("FREQ=SECONDLY;INTERVAL=7;COUNT=4000000000").unwrap();
    let mut times = rule.occurrences(moment("20240101T000000"), &budget);
    times.seek(moment("20500101").first_second());
    assert_eq!(times.next(), Some(Err(Exhausted)));
    assert_eq!(times.next(), Some(Err(Exhausted)));
    assert_eq!(budget.left(), 0);
    let mut set = Set::new(moment("20240101T000000"));
    set.rules.push(rule);
    assert_eq!(set.instances(&budget).next(), Some(Err(Exhausted)), "the whole request shares it");
}

#[test]
fn a_window_does_not_look_beyond_its_end() {
    // Every 7 hours falls on the same hours of each Monday, and 6 and 11 are not among them.
    let rule = Rule::parse("FREQ=HOURLY;INTERVAL=7;BYDAY=MO;BYHOUR=6,11").unwrap();
    let budget = Budget::new(10_000);
    let mut set = Set::new(moment("20200903T100000"));
    set.rules.push(rule);
    let mut window = set.instances(&budget);
    window.seek(moment("20300101").first_second());
    window.stop_before(moment("20310101").first_second());
    assert_eq!(window.next(), None);
    assert!(10_000 - budget.left() < 500);
}

#[test]
fn a_rule_that_excludes_all_of_another_ends_with_the_budget() {
    let mut set = Set::new(moment("20240101T000000"));
    set.rules.push(Rule::parse("FREQ=SECONDLY").unwrap());
    set.exrules.push(Rule::parse("FREQ=SECONDLY").unwrap());
    assert_eq!(set.instances(&Budget::new(FAIR)).next(), Some(Err(Exhausted)));
}

#[test]
fn long_lists_are_read_and_walked() {
    let text = format!("FREQ=YEARLY;BYYEARDAY={}1", "1,-1,366,".repeat(100_000));
    let (first, spent) = first(&text);
    assert_eq!(first, Some(Ok("2024-01-01T00:00:00".into())));
    assert!(spent < 100);
}
