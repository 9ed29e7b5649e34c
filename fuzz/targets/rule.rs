//! Any text as a recurrence rule: what it yields is in order, not before its start, and what seeking finds is what
//! walking finds.
#![no_main]

use jiff::civil::date;
use kalends::ical::{
    Budget,
    recur::{Moment, Rule},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(rule) = Rule::parse(text) else { return };
    let start = date(2020, 2, 29).at(9, 30, 0, 0);
    let (walked, sought) = (Budget::new(100_000), Budget::new(100_000));
    let walk: Vec<_> = rule.occurrences(Moment::Time(start), &walked).map_while(Result::ok).take(300).collect();
    assert!(walk.iter().all(|found| *found >= start), "nothing comes before the start");
    assert!(walk.windows(2).all(|pair| pair[0] < pair[1]), "in order, and each once");
    let from = date(2020, 6, 1).at(0, 0, 0, 0);
    let Some(last) = walk.last().copied() else { return };
    let mut seeking = rule.occurrences(Moment::Time(start), &sought);
    seeking.seek(from);
    let seek: Vec<_> = seeking.map_while(Result::ok).take_while(|found| *found <= last).take(300).collect();
    if sought.left() > 0 && walked.left() > 0 {
        let expected: Vec<_> = walk.into_iter().filter(|found| *found >= from).collect();
        assert_eq!(seek, expected, "{text}");
    }
});
