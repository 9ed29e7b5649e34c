//! What holds for every rule: a jump gives what a walk gives, and plain rules give what another engine gives.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

use kalends::ical::recur::{Budget, Moment, Rule, Set};

/// How many times of a rule are compared.
const MANY: usize = 150;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_jump_gives_what_a_walk_gives(text in rule(), start in start(), index in any::<prop::sample::Index>()) {
        let rule = Rule::parse(&text).expect(&text);
        let budget = Budget::new(300_000);
        let walk: Vec<_> = rule.occurrences(start, &budget).map_while(Result::ok).take(MANY).collect();
        prop_assert!(walk.is_sorted_by(|a, b| a < b), "{text}: not ascending: {walk:?}");
        if !walk.is_empty() {
            let at = index.index(walk.len());
            for (from, want) in [(walk[at], &walk[at..]), (walk[at] + 1.second(), &walk[at + 1..])] {
                let budget = Budget::new(300_000);
                let mut jump = rule.occurrences(start, &budget);
                jump.seek(from);
                let got: Vec<_> = jump.map_while(Result::ok).take(want.len()).collect();
                prop_assert_eq!(&got[..], want, "{} from {:?} at {}", text, start, from);
            }
        }
    }

    #[test]
    fn a_jump_in_a_set_gives_what_a_walk_gives(
        rules in prop::collection::vec(rule(), 0..3),
        exrule in prop::option::of(rule()),
        start in start(),
        index in any::<prop::sample::Index>(),
    ) {
        let parse = |text: &String| Rule::parse(text).expect(text);
        let rules: Vec<_> = rules.iter().map(parse).collect();
        let near = start.first_second();
        let rdates = vec![near + 400.days(), near + 3.days()];
        let exdates = vec![Moment::Date((near + 2.days()).date()), Moment::Time(near + 7.days())];
        let set = Set { start, rules, rdates, exdates, exrules: exrule.iter().map(parse).collect() };
        let budget = Budget::new(300_000);
        let walk: Vec<_> = set.instances(&budget).map_while(Result::ok).take(MANY).collect();
        prop_assert!(walk.is_sorted_by(|a, b| a < b), "{set:?}: not ascending: {walk:?}");
        if !walk.is_empty() {
            let at = index.index(walk.len());
            let budget = Budget::new(300_000);
            let mut jump = set.instances(&budget);
            jump.seek(walk[at]);
            let got: Vec<_> = jump.map_while(Result::ok).take(walk.len() - at).collect();
            prop_assert_eq!(&got[..], &walk[at..], "{:?} at {}", set, walk[at]);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[A-Z0-9=;,+-]{0,60}|.{0,40}|FREQ=(DAILY|YEARLY)(;(BYDAY|UNTIL|COUNT)=.{0,12}){0,3}") {
        if let Ok(rule) = Rule::parse(&text) {
            let budget = Budget::new(10_000);
            let _ = rule.occurrences(Moment::Time(DateTime::MAX), &budget).next();
            let _ = rule.occurrences(Moment::Time(DateTime::MIN), &budget).next();
        }
    }

    #[test]
    fn plain_rules_give_what_rrule_gives(text in plain_rule(), start in start()) {
        let begin = start.first_second();
        let until = (begin + 12.years()).strftime("%Y%m%dT%H%M%SZ");
        let text = format!("{text};UNTIL={until}");
        let rule = Rule::parse(&text).expect(&text);
        let budget = Budget::new(300_000);
        let ours: Vec<_> = rule.occurrences(Moment::Time(begin), &budget).map(Result::unwrap).take(MANY).collect();
        let theirs = format!("DTSTART:{}\nRRULE:{text}", begin.strftime("%Y%m%dT%H%M%SZ"));
        let theirs: rrule::RRuleSet = theirs.parse().expect(&theirs);
        let theirs: Vec<DateTime> = theirs
            .into_iter()
            .take(MANY)
            .map(|time| DateTime::strptime("%Y%m%dT%H%M%S", time.format("%Y%m%dT%H%M%S").to_string()).unwrap())
            .collect();
        prop_assert_eq!(ours, theirs, "{} from {}", text, begin);
    }
}

fn start() -> impl Strategy<Value = Moment> {
    let date = (1970_i16..2030, 1_i8..=12, prop_oneof![1_i8..=31, 28_i8..=31]);
    let date = date.prop_filter_map("no such day", |(y, m, d)| Date::new(y, m, d).ok());
    (date, 0_i8..24, 0_i8..60, 0_i8..60, prop::bool::weighted(0.2)).prop_map(|(date, h, m, s, whole)| {
        if whole { Moment::Date(date) } else { Moment::Time(date.at(h, m, s, 0)) }
    })
}

/// `;NAME=` and up to four numbers, or nothing.
fn part(name: &'static str, low: i16, high: i16) -> impl Strategy<Value = String> {
    let number = (low..=high).prop_filter("0", move |n| *n != 0 || low == 0);
    prop::collection::vec(number, 1..=4).prop_map(move |list| {
        let list: Vec<_> = list.iter().map(i16::to_string).collect();
        format!(";{name}={}", list.join(","))
    })
}

fn maybe(part: impl Strategy<Value = String>, weight: f64) -> impl Strategy<Value = String> {
    prop::option::weighted(weight, part).prop_map(Option::unwrap_or_default)
}

/// `;BYDAY=`, of which each has a number where `numbered` is 1, and some where it is 2.
fn weekdays(numbered: u8) -> impl Strategy<Value = String> {
    let day = prop::sample::select(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"]);
    let number = (-4_i8..=5).prop_filter("0", |n| *n != 0);
    let number = match numbered {
        0 => Just(None).boxed(),
        1 => number.prop_map(Some).boxed(),
        _ => prop::option::of(number).boxed(),
    };
    prop::collection::vec((number, day), 1..=4).prop_map(|days| {
        let days: Vec<_> = days
            .iter()
            .map(|(n, day)| n.map_or_else(|| (*day).to_string(), |n| format!("{n}{day}")))
            .collect();
        format!(";BYDAY={}", days.join(","))
    })
}

fn interval() -> impl Strategy<Value = String> {
    prop_oneof![Just(1), 1_u32..=4, 1_u32..=100, Just(3607)].prop_map(|n| format!(";INTERVAL={n}"))
}

fn week_start() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", ";WKST=SU", ";WKST=MO", ";WKST=TH"]).prop_map(str::to_string)
}

/// Any legal rule.
fn rule() -> impl Strategy<Value = String> {
    let frequency = prop::sample::select(vec![
        "FREQ=YEARLY",
        "FREQ=MONTHLY",
        "FREQ=WEEKLY",
        "FREQ=DAILY",
        "FREQ=HOURLY",
        "FREQ=MINUTELY",
        "FREQ=SECONDLY",
    ]);
    let days = (
        maybe(part("BYMONTH", 1, 12), 0.3),
        maybe(part("BYWEEKNO", -53, 53), 0.1),
        maybe(part("BYYEARDAY", -366, 366), 0.1),
        maybe(part("BYMONTHDAY", -31, 31), 0.2),
        maybe(prop_oneof![weekdays(0), weekdays(2)], 0.3),
    );
    let times = (
        maybe(part("BYHOUR", 0, 23), 0.2),
        maybe(part("BYMINUTE", 0, 59), 0.2),
        maybe(part("BYSECOND", 0, 59), 0.2),
        maybe(part("BYSETPOS", -9, 9), 0.2),
        maybe((1_u32..200).prop_map(|n| format!(";COUNT={n}")), 0.3),
        maybe(
            prop_oneof![Just(";RSCALE=GREGORIAN;SKIP=FORWARD"), Just(";RSCALE=GREGORIAN;SKIP=BACKWARD")]
                .prop_map(str::to_string),
            0.1,
        ),
    );
    let text = (frequency, interval(), days, times, week_start()).prop_map(
        |(frequency, interval, d, t, week_start)| {
            let days = [d.0, d.1, d.2, d.3, d.4].concat();
            let times = [t.0, t.1, t.2, t.3, t.4, t.5].concat();
            format!("{frequency}{interval}{days}{times}{week_start}")
        },
    );
    text.prop_filter("against the table", |text| Rule::parse(text).is_ok())
}

/// A rule of the kind that rrule 0.14 is known to get right: no BYSETPOS, no BYWEEKNO, nothing below a day, and either
/// plain or numbered weekdays.
fn plain_rule() -> impl Strategy<Value = String> {
    let frequency = prop::sample::select(vec!["FREQ=YEARLY", "FREQ=MONTHLY", "FREQ=WEEKLY", "FREQ=DAILY"]);
    let days = (
        maybe(part("BYMONTH", 1, 12), 0.3),
        maybe(part("BYYEARDAY", -366, 366), 0.1),
        maybe(part("BYMONTHDAY", -31, 31), 0.3),
        maybe(prop_oneof![weekdays(0), weekdays(1)], 0.4),
        maybe(part("BYHOUR", 0, 23), 0.2),
        maybe(part("BYMINUTE", 0, 59), 0.2),
    );
    let text =
        (frequency, interval(), days, week_start()).prop_map(|(frequency, interval, d, week_start)| {
            let days = [d.0, d.1, d.2, d.3, d.4, d.5].concat();
            format!("{frequency}{interval}{days}{week_start}")
        });
    text.prop_filter("against the table", |text| Rule::parse(text).is_ok())
}
