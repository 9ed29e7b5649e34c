//! Rules with the answers of others, in ../shared/corpus/recur next to the repository; skipped where that is absent.

use std::fs;
use std::path::Path;

use jiff::ToSpan;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;

use kalends::ical::recur::{Budget, Fault, Rule};

use super::moment;

/// Rules of `icalrecur_test.txt` that we read otherwise.
const READ_OTHERWISE: [(&str, &str); 6] = [
    ("FREQ=YEARLY;BYMONTHDAY=29;COUNT=3", "BYMONTHDAY expands every month where BYMONTH names none"),
    ("FREQ=YEARLY;BYMONTHDAY=-29,-1;COUNT=4", "likewise"),
    ("FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=30;BYWEEKNO=1;UNTIL=20320101", "refused there, answered here"),
    (
        "FREQ=YEARLY;BYWEEKNO=53;BYDAY=TU,SA;INTERVAL=6;UNTIL=20170101T000000Z",
        "the interval counts calendar years, there the years that weeks belong to",
    ),
    ("FREQ=YEARLY;BYWEEKNO=53;BYDAY=TU,SA;INTERVAL=5;UNTIL=20170101T000000Z", "likewise"),
    ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO,TU;INTERVAL=3;UNTIL=20320101", "likewise"),
];

fn corpus(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/recur").join(name);
    let text = fs::read_to_string(&path).ok();
    if text.is_none() {
        println!("skipped: {} is absent", path.display());
        assert!(!path.ancestors().nth(2).is_some_and(Path::exists), "a corpus without {name}");
    }
    text
}

fn written(times: impl Iterator<Item = DateTime>, form: &str) -> Vec<String> {
    times.map(|time| time.strftime(form).to_string()).collect()
}

#[test]
fn oracle_jsonl() {
    let Some(text) = corpus("oracle.jsonl") else { return };
    let mut wrong = Vec::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| case[name].as_str().expect(name);
        let start = moment(field("dtstart"));
        let zone = TimeZone::get(field("tzid")).unwrap_or(TimeZone::UTC);
        let local = |utc: DateTime| TimeZone::UTC.to_timestamp(utc).unwrap().to_zoned(zone).datetime();
        let rule = Rule::parse(field("rrule")).expect(line).localised(local);
        let horizon = moment(field("horizon")).first_second();
        let budget = Budget::new(1_000_000);
        let mut times = rule.occurrences(start, &budget);
        times.stop_before(horizon + 1.second());
        let got: Value = written(times.map(|time| time.expect(line)).take(60), "%Y%m%dT%H%M%S").into();
        if got != case["instances"] && got != case["or"] {
            wrong.push(format!("{} from {}", field("rrule"), field("dtstart")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ: {wrong:#?}", wrong.len(), text.lines().count());
    assert_eq!(text.lines().count(), 1_200);
}

#[test]
fn icalrecur_test_txt() {
    let Some(text) = corpus("icalrecur_test.txt") else { return };
    libical(&text, 140);
}

#[test]
fn icalrecur_test_rscale_txt() {
    let Some(text) = corpus("icalrecur_test_rscale.txt") else { return };
    libical(&text, 14);
}

/// What counts in another calendar is refused as such, and never read as if it counted in this one.
#[test]
fn icalrecur_test_rscale_withicu_txt() {
    let Some(text) = corpus("icalrecur_test_rscale_withicu.txt") else { return };
    let rules = text.lines().filter_map(|line| line.strip_prefix("RRULE:"));
    let mut refused = 0;
    for rule in rules.filter(|rule| !rule.contains("RSCALE=GREGORIAN")) {
        let fault = Rule::parse(rule).expect_err(rule).fault();
        assert_eq!(fault, Fault::Unsupported, "{rule}");
        refused += 1;
    }
    assert_eq!(refused, 19);
}

/// Checks a file of so many blocks of RRULE, DTSTART, perhaps START-AT, and INSTANCES.
fn libical(text: &str, count: usize) {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for block in text.split("\n\n").filter(|block| block.contains("DTSTART:")) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let (rule, start) = (field("RRULE").expect(block), field("DTSTART").expect(block));
        if READ_OTHERWISE.iter().any(|(other, _)| *other == rule) {
            continue;
        }
        checked += 1;
        let form = if start.len() == 8 { "%Y%m%d" } else { "%Y%m%dT%H%M%S" };
        let want = field("INSTANCES").expect(block);
        let got = match Rule::parse(rule) {
            Err(refusal) => refusal.to_string(),
            Ok(rule) => {
                let budget = Budget::new(1_000_000);
                let times =
                    rule.occurrences(moment(start), &budget).map(|time| time.expect(block)).take(1_000);
                written(times, form).join(",")
            }
        };
        let refused = want.contains("UNIMPLEMENTED") && got.starts_with("recurrence rule");
        if !refused && got != want.replace('Z', "") {
            wrong.push(format!("{rule} from {start}:\n{got}\nnot\n{want}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n\n"));
    assert_eq!(checked, count);
}
