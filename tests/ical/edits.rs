//! Edits of one instance, of one and all later ones, and of a whole series.

use kalends::ical::edit::{Edited, Fault, Patch, Revision, Scope, delete, edit, repair};
use kalends::ical::{Calendar, DateValue, occurrences, utc_stamp};
use proptest::prelude::*;

use super::{ALWAYS, Zone, budget, own, parse};

const REVISION: Revision<'static> = Revision { stamp: 1_800_000_000, uid: "later@sample.example" };
const STAMP: &str = "20270115T080000Z";

/// An object of components with these lines, given with spaces between them.
fn calendar(components: &[&str]) -> Calendar {
    let component = |lines: &&str| {
        let name = if lines.contains("DUE") { "VTODO" } else { "VEVENT" };
        format!("BEGIN:{name}\r\nUID:a\r\n{}\r\nEND:{name}\r\n", lines.replace(' ', "\r\n"))
    };
    let components: String = components.iter().map(component).collect();
    parse(format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Sample//EN\r\n{components}END:VCALENDAR\r\n"))
}

fn id(text: &str) -> DateValue<'static> {
    let (tzid, value) = text.split_once(' ').map_or((None, text), |(tzid, value)| (Some(tzid), value));
    let tzid = tzid.map(|tzid| std::borrow::Cow::Owned(tzid.to_owned()));
    DateValue::parse(value, tzid.as_ref()).expect(text)
}

fn says(lines: &[&str]) -> Patch {
    lines.iter().fold(Patch::new(), |patch, line| patch.line(line).expect(line))
}

fn done(edited: Result<Edited, Fault>) -> (Calendar, Option<Calendar>) {
    let edited = edited.expect("an edit");
    (edited.kept.expect("something is left"), edited.split)
}

/// The instances, as `start/end` and what their SUMMARY says.
fn shown(calendar: &Calendar) -> Vec<String> {
    let window = ALWAYS.start..super::at("20300101T000000Z");
    let found = occurrences(calendar, window, &Zone::utc(), &budget()).expect("within the budget");
    let show = |o: &kalends::ical::Occurrence<'_>| {
        let summary = o.component.property("SUMMARY").map(|p| p.value().into_owned()).unwrap_or_default();
        format!("{}/{}{summary}", utc_stamp(o.start), utc_stamp(o.end))
    };
    found.iter().map(show).collect()
}

fn text(calendar: &Calendar) -> String {
    calendar.text().into_owned()
}

const DAILY: &str = "DTSTART;TZID=Europe/Berlin:20260326T090000 DTEND;TZID=Europe/Berlin:20260326T100000 RRULE:FREQ=DAILY;COUNT=6 SUMMARY:s SEQUENCE:4";

#[test]
fn an_edited_instance_is_an_override_and_no_exdate() {
    let before = calendar(&[DAILY]);
    let this = Scope::This(id("Europe/Berlin 20260329T090000"));
    let (after, split) = done(edit(&before, &this, &says(&["SUMMARY:other"]), &REVISION, &budget()));
    assert!(split.is_none() && !text(&after).contains("EXDATE"));
    // The master is what it was, octet for octet.
    let master = String::from_utf8(before.components().next().unwrap().raw().to_vec()).unwrap();
    assert!(text(&after).contains(&master));
    let expected = format!(
        "BEGIN:VEVENT\r\nUID:a\r\nDTSTART;TZID=Europe/Berlin:20260329T090000\r\nDTEND;TZID=Europe/Berlin:20260329T100000\r\nSUMMARY:other\r\nSEQUENCE:5\r\nDTSTAMP:{STAMP}\r\nLAST-MODIFIED:{STAMP}\r\nRECURRENCE-ID;TZID=Europe/Berlin:20260329T090000\r\nEND:VEVENT\r\n"
    );
    for line in expected.lines() {
        assert!(text(&after).contains(line), "{line} in\n{}", text(&after));
    }
    // And once more: the override is edited, not doubled.
    let (again, _) = done(edit(&after, &this, &says(&["SUMMARY:third"]), &REVISION, &budget()));
    assert_eq!(again.components().count(), 2);
    assert!(text(&again).contains("SUMMARY:third") && text(&again).contains("SEQUENCE:6"));
}

#[test]
fn an_edited_instance_stays_on_its_day() {
    let before = calendar(&[DAILY]);
    let this = Scope::This(id("20260328T080000Z"));
    let (after, _) = done(edit(&before, &this, &says(&["SUMMARY:x"]), &REVISION, &budget()));
    let mut expected = shown(&before);
    expected[2] = "20260328T080000Z/20260328T090000Zx".into();
    assert_eq!(shown(&after), expected);
    // A new start takes the end along.
    let later = says(&["DTSTART;TZID=Europe/Berlin:20260328T170000"]);
    let (moved, _) = done(edit(&after, &this, &later, &REVISION, &budget()));
    expected[2] = "20260328T160000Z/20260328T170000Zx".into();
    assert_eq!(shown(&moved), expected);
}

#[test]
fn this_and_future_makes_two_objects() {
    let moved =
        "RECURRENCE-ID;TZID=Europe/Berlin:20260330T090000 DTSTART:20260330T120000Z SUMMARY:s SEQUENCE:1";
    let early = "RECURRENCE-ID;TZID=Europe/Berlin:20260327T090000 DTSTART:20260327T120000Z SUMMARY:own";
    let before = calendar(&[DAILY, moved, early]);
    let from = Scope::Following(id("Europe/Berlin 20260329T090000"));
    let (kept, split) = done(edit(&before, &from, &says(&["SUMMARY:new"]), &REVISION, &budget()));
    let split = split.unwrap();
    assert!(text(&kept).contains("COUNT=3") && text(&split).contains("COUNT=3"));
    assert!(text(&kept).contains("SEQUENCE:5"), "the master is a new revision");
    assert!(!text(&kept).contains("later@") && !text(&split).contains("UID:a\r\n"));
    assert_eq!(text(&split).matches("RECURRENCE-ID").count(), 1, "only the later override");
    assert!(!text(&split).contains("RANGE"));
    assert_eq!(
        shown(&kept),
        [
            "20260326T080000Z/20260326T090000Zs",
            "20260327T120000Z/20260327T120000Zown",
            "20260328T080000Z/20260328T090000Zs"
        ]
    );
    assert_eq!(
        shown(&split),
        [
            "20260329T070000Z/20260329T080000Znew",
            "20260330T120000Z/20260330T120000Znew",
            "20260331T070000Z/20260331T080000Znew"
        ]
    );
    // From the first instance on it is the whole series.
    let all = Scope::Following(id("Europe/Berlin 20260326T090000"));
    let (whole, split) = done(edit(&before, &all, &says(&["SUMMARY:new"]), &REVISION, &budget()));
    assert!(split.is_none());
    assert_eq!(whole.components().filter(|c| c.property("SUMMARY").unwrap().value() == "new").count(), 2);
}

#[test]
fn this_and_future_takes_later_overrides_away() {
    let moved = "RECURRENCE-ID;TZID=Europe/Berlin:20260330T090000 DTSTART:20260330T120000Z SUMMARY:o";
    let before = calendar(&[DAILY, moved, "RECURRENCE-ID:20260326T080000Z DTSTART:20260326T110000Z"]);
    let from = Scope::Following(id("Europe/Berlin 20260328T090000"));
    let (kept, _) = done(delete(&before, &from, &REVISION, &budget()));
    assert_eq!(shown(&kept), ["20260326T110000Z/20260326T110000Z", "20260327T080000Z/20260327T090000Zs"]);
    assert_eq!(kept.components().count(), 2);
    let all = Scope::Following(id("Europe/Berlin 20260326T090000"));
    assert!(delete(&before, &all, &REVISION, &budget()).unwrap().kept.is_none());
}

#[test]
fn an_hourly_series_ends_with_the_hour_before() {
    let before = calendar(&["DTSTART:20260801T000000Z DURATION:PT10M RRULE:FREQ=HOURLY"]);
    let from = Scope::Following(id("20260802T030000Z"));
    let (kept, _) = done(delete(&before, &from, &REVISION, &budget()));
    assert_eq!(shown(&kept).len(), 27);
    assert!(text(&kept).contains("RRULE:FREQ=HOURLY;UNTIL=20260802T020000Z\r\n"));
}

#[test]
fn until_has_the_form_of_the_start() {
    for (start, from, until) in [
        ("DTSTART;VALUE=DATE:20260801", "20260805", "UNTIL=20260804\r\n"),
        ("DTSTART:20260801T100000", "20260805T100000", "UNTIL=20260804T100000\r\n"),
        ("DTSTART;TZID=Asia/Tokyo:20260801T000000", "20260804T150000Z", "UNTIL=20260803T150000Z\r\n"),
    ] {
        let before = calendar(&[&format!("{start} RRULE:FREQ=DAILY;UNTIL=20300101")]);
        let (kept, _) = done(delete(&before, &Scope::Following(id(from)), &REVISION, &budget()));
        assert!(text(&kept).contains(until), "{until} in\n{}", text(&kept));
        assert_eq!(shown(&kept).len(), 4, "{start}");
    }
}

#[test]
fn a_deleted_instance_leaves_one_trace() {
    let rdate = "DTSTART:20260801T100000Z RRULE:FREQ=DAILY;COUNT=2 RDATE:20260901T100000Z,20260902T100000Z";
    let before = calendar(&[rdate, "RECURRENCE-ID:20260802T100000Z DTSTART:20260802T180000Z"]);
    let without = |calendar: &Calendar, stamp| {
        delete(calendar, &Scope::This(id(stamp)), &REVISION, &budget()).unwrap().kept
    };
    let one = without(&before, "20260901T100000Z").unwrap();
    assert!(text(&one).contains("RDATE:20260902T100000Z\r\n") && !text(&one).contains("EXDATE"));
    let two = without(&one, "20260802T100000Z").unwrap();
    assert!(text(&two).contains("EXDATE:20260802T100000Z\r\n") && !text(&two).contains("RECURRENCE-ID"));
    let three = without(&two, "20260902T100000Z").unwrap();
    assert_eq!(shown(&three).len(), 1);
    assert!(without(&three, "20260801T100000Z").is_none(), "the last instance takes the object along");
    let single = calendar(&["DTSTART:20260801T100000Z"]);
    assert!(without(&single, "20260801T100000Z").is_none());
    let orphans = calendar(&["RECURRENCE-ID:20260801T100000Z DTSTART:20260801T100000Z"]);
    assert!(without(&orphans, "20260801T100000Z").is_none());
}

#[test]
fn what_is_not_edited_keeps_its_octets() {
    for name in ["apple.ics", "thunderbird.ics", "google.ics", "exchange.ics"] {
        for bare in [false, true] {
            let octets = String::from_utf8(own(name).to_vec()).unwrap().replace("\r\n", "\n");
            let octets = if bare { octets } else { octets.replace('\n', "\r\n") };
            let before = parse(octets.clone());
            let (after, _) = done(edit(&before, &Scope::All, &says(&["SUMMARY:x"]), &REVISION, &budget()));
            let touched = ["SUMMARY", "SEQUENCE", "DTSTAMP", "LAST-MODIFIED"];
            let rest = |text: &str| {
                let logical = text.replace("\r\n ", "\r\n\u{1}").replace("\n ", "\n\u{1}");
                let mut lines: Vec<_> = logical.split_inclusive('\n').map(str::to_owned).collect();
                let mut gone = false;
                lines.retain(|line| {
                    let folded = line.starts_with('\u{1}');
                    gone = if folded { gone } else { touched.iter().any(|name| line.starts_with(name)) };
                    !gone
                });
                lines.concat()
            };
            let after = text(&after);
            assert_eq!(rest(&octets), rest(&after), "{name}");
            assert_eq!(after.contains("\r\n"), !bare, "{name}");
        }
    }
}

#[test]
fn a_series_that_moves_takes_its_exceptions_along() {
    let before = calendar(&[
        "DTSTART;TZID=Europe/Berlin:20260302T090000 DTEND;TZID=Europe/Berlin:20260302T100000 RRULE:FREQ=WEEKLY;UNTIL=20260330T070000Z EXDATE;TZID=Europe/Berlin:20260309T090000 SUMMARY:s LOCATION:l",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260316T090000 DTSTART;TZID=Europe/Berlin:20260316T090000 DTEND;TZID=Europe/Berlin:20260316T093000 SUMMARY:short LOCATION:l",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260323T090000 DTSTART;TZID=Europe/Berlin:20260324T120000 DURATION:PT1H SUMMARY:s",
    ]);
    let noon = says(&["DTSTART;TZID=Europe/Berlin:20260302T120000", "SUMMARY:new", "LOCATION:m"]);
    let (after, _) = done(edit(&before, &Scope::All, &noon, &REVISION, &budget()));
    assert_eq!(
        shown(&after),
        [
            "20260302T110000Z/20260302T120000Znew",
            "20260316T110000Z/20260316T113000Zshort",
            "20260324T110000Z/20260324T120000Znew",
            "20260330T100000Z/20260330T110000Znew",
        ]
    );
    assert_eq!(text(&after).matches("LOCATION:m").count(), 2);
    // Into another zone, and to whole days.
    let tokyo = says(&["DTSTART;TZID=Asia/Tokyo:20260302T170000"]);
    let (after, _) = done(edit(&before, &Scope::All, &tokyo, &REVISION, &budget()));
    assert_eq!(shown(&after)[0], "20260302T080000Z/20260302T090000Zs");
    assert!(text(&after).contains("BEGIN:VTIMEZONE\r\nTZID:Asia/Tokyo\r\n"));
    assert_eq!(shown(&after).len(), 4);
    let days = says(&["DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260303"]);
    let (after, _) = done(edit(&before, &Scope::All, &days, &REVISION, &budget()));
    assert!(
        text(&after).contains("EXDATE;VALUE=DATE:20260309") && text(&after).contains("UNTIL=20260330\r\n")
    );
    assert_eq!(shown(&after).len(), 4);
    let half = says(&["DTSTART;VALUE=DATE:20260302"]);
    assert_eq!(edit(&before, &Scope::All, &half, &REVISION, &budget()).unwrap_err(), Fault::End);
}

#[test]
fn a_weekly_series_moves_to_another_day() {
    let before = calendar(&[
        "DTSTART:20260302T090000Z RRULE:FREQ=WEEKLY;UNTIL=20260312T090000Z;BYDAY=MO,TH EXDATE:20260309T090000Z SUMMARY:s",
        "RECURRENCE-ID:20260305T090000Z DTSTART:20260305T090000Z SUMMARY:o",
    ]);
    let tuesday = says(&["DTSTART:20260303T100000Z"]);
    let (after, _) = done(edit(&before, &Scope::All, &tuesday, &REVISION, &budget()));
    assert!(
        text(&after).contains("RRULE:FREQ=WEEKLY;BYDAY=TU,FR;UNTIL=20260313T100000Z\r\n"),
        "{}",
        text(&after)
    );
    let starts = [
        "20260303T100000Z/20260303T100000Zs",
        "20260306T100000Z/20260306T100000Zo",
        "20260313T100000Z/20260313T100000Zs",
    ];
    assert_eq!(shown(&after), starts);
    let sunday = Scope::Following(id("20260305T090000Z"));
    let (kept, split) =
        done(edit(&before, &sunday, &says(&["DTSTART:20260308T090000Z"]), &REVISION, &budget()));
    assert_eq!(shown(&kept), ["20260302T090000Z/20260302T090000Zs"]);
    let split = split.unwrap();
    assert!(text(&split).contains("BYDAY=TH,SU;"), "{}", text(&split));
    assert_eq!(shown(&split), ["20260308T090000Z/20260308T090000Zs", "20260315T090000Z/20260315T090000Zs"]);
}

#[test]
fn a_fold_inside_a_character_stays() {
    let mut octets = b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART:20260302T090000Z\r\nRRULE:FREQ=DAILY\r\nX-A:\xC3\r\n \xA9\r\n".to_vec();
    octets.extend_from_slice(b"SUMMARY:s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n");
    let this = Scope::This(id("20260303T090000Z"));
    let (after, _) = done(edit(&parse(octets), &this, &says(&["SUMMARY:x"]), &REVISION, &budget()));
    let copies = after.bytes().windows(10).filter(|octets| octets == b"X-A:\xC3\r\n \xA9\r").count();
    assert_eq!(copies, 2, "{:?}", after.bytes());
}

#[test]
fn another_rule_leaves_no_exception_without_an_instance() {
    let before = calendar(&[
        "DTSTART:20260302T090000Z RRULE:FREQ=DAILY;COUNT=9 EXDATE:20260303T090000Z,20260309T090000Z SUMMARY:s",
        "RECURRENCE-ID:20260304T090000Z DTSTART:20260304T120000Z SUMMARY:gone",
    ]);
    let (after, _) =
        done(edit(&before, &Scope::All, &says(&["RRULE:FREQ=WEEKLY;COUNT=3"]), &REVISION, &budget()));
    assert!(text(&after).contains("EXDATE:20260309T090000Z\r\n") && !text(&after).contains("gone"));
    assert_eq!(shown(&after).len(), 2);
    let single = Patch::new().without("RRULE").unwrap();
    let (after, _) = done(edit(&before, &Scope::All, &single, &REVISION, &budget()));
    assert!(!text(&after).contains("EXDATE") && shown(&after).len() == 1);
}

#[test]
fn a_todo_is_done_once() {
    let before =
        calendar(&["DTSTART;VALUE=DATE:20260801 DUE;VALUE=DATE:20260802 RRULE:FREQ=DAILY SUMMARY:t"]);
    let this = Scope::This(id("20260803"));
    let (after, _) = done(edit(&before, &this, &says(&["STATUS:COMPLETED"]), &REVISION, &budget()));
    let lines =
        ["DUE;VALUE=DATE:20260804\r\n", "PERCENT-COMPLETE:100\r\n", "RECURRENCE-ID;VALUE=DATE:20260803\r\n"];
    assert!(lines.iter().all(|line| text(&after).contains(line)), "{}", text(&after));
    assert!(text(&after).contains(&format!("COMPLETED:{STAMP}\r\n")));
    let (open, _) = done(edit(&after, &this, &says(&["STATUS:NEEDS-ACTION"]), &REVISION, &budget()));
    assert!(!text(&open).contains("COMPLETE"), "{}", text(&open));
    let due = calendar(&["DUE;TZID=Europe/Berlin:20260801T120000 RRULE:FREQ=WEEKLY SUMMARY:t"]);
    let week = Scope::This(id("Europe/Berlin 20260808T120000"));
    let (after, _) = done(edit(&due, &week, &says(&["STATUS:COMPLETED"]), &REVISION, &budget()));
    assert!(text(&after).contains("DUE;TZID=Europe/Berlin:20260808T120000\r\n"), "{}", text(&after));
}

#[test]
fn lists_and_alarms_change_by_the_line() {
    let alarm = "BEGIN:VALARM\r\nACTION:AUDIO\r\nTRIGGER:-PT5M\r\nEND:VALARM";
    let people = "ATTENDEE;PARTSTAT=NEEDS-ACTION;X-A=\"b:c\":mailto:a@b\r\nATTENDEE:mailto:c@d\r\n";
    let before = parse(format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\nUID:a\nDTSTART:20260801T000000Z\n{people}{alarm}\nX-LAST:1\nEND:VEVENT\nEND:VCALENDAR"
    ));
    let patch = says(&["ATTENDEE;PARTSTAT=NEEDS-ACTION;X-A=\"b:c\":mailto:a@b", "ATTENDEE:mailto:e@f"]);
    let patch = patch.alarms(&alarm.replace("PT5M", "PT9M")).unwrap();
    let (after, _) = done(edit(&before, &Scope::All, &patch, &REVISION, &budget()));
    let expected = "ATTENDEE;PARTSTAT=NEEDS-ACTION;X-A=\"b:c\":mailto:a@b\r\nATTENDEE:mailto:e@f\r\n";
    assert!(text(&after).contains(expected), "{}", text(&after));
    assert!(text(&after).contains("PT9M") && !text(&after).contains("PT5M"));
}

#[test]
fn what_is_refused() {
    let before =
        calendar(&[DAILY, "RECURRENCE-ID;RANGE=THISANDFUTURE:20260330T070000Z DTSTART:20260330T090000Z"]);
    let this = |stamp| Scope::This(id(stamp));
    let refused =
        |scope: &Scope<'_>, patch: &Patch| edit(&before, scope, patch, &REVISION, &budget()).unwrap_err();
    let summary = says(&["SUMMARY:x"]);
    assert_eq!(refused(&this("20260329T080000Z"), &summary), Fault::Instance);
    assert_eq!(refused(&this("20270329T070000Z"), &summary), Fault::Instance);
    assert_eq!(refused(&this("20260329T070000Z"), &says(&["RRULE:FREQ=DAILY"])), Fault::Recurrence);
    assert_eq!(refused(&this("20260330T070000Z"), &summary), Fault::Range);
    assert_eq!(refused(&Scope::Following(id("20260329T070000Z")), &summary), Fault::Range);
    assert!(matches!(refused(&Scope::All, &says(&["DTSTART:now"])), Fault::Line | Fault::Invalid(_)));
    for line in ["SUMMARY", "SUMMARY:a\r\nX:b", "BEGIN:VALARM", "END:VEVENT", "A B:c", ""] {
        assert_eq!(Patch::new().line(line).unwrap_err(), Fault::Line, "{line}");
    }
    assert_eq!(Patch::new().line("SEQUENCE:9").unwrap_err(), Fault::Kept);
    assert_eq!(Patch::new().alarms("BEGIN:VEVENT\nEND:VEVENT").unwrap_err(), Fault::Line);
    // The later half of a rule that hangs on the 31st would forget it.
    let skip = calendar(&["DTSTART;VALUE=DATE:20260131 RRULE:RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD"]);
    let cut = edit(&skip, &Scope::Following(id("20260228")), &summary, &REVISION, &budget());
    assert_eq!(cut.unwrap_err(), Fault::Split);
}

#[test]
fn contradictions_are_repaired() {
    let before = calendar(&[
        "DTSTART;TZID=Europe/Berlin:20260301T090000 RRULE:FREQ=DAILY;COUNT=9 EXDATE;TZID=Europe/Berlin:20260303T090000,20260304T090000 EXDATE:20260201T080000Z X-A:1",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260303T090000 DTSTART:20260303T120000Z",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260401T090000 DTSTART:20260401T120000Z",
    ]);
    // What is shown is right before and after.
    let repaired = repair(&before, &budget()).unwrap().unwrap();
    assert_eq!(shown(&repaired.calendar), shown(&before));
    assert!(shown(&before).contains(&"20260303T120000Z/20260303T120000Z".to_owned()));
    assert_eq!(repaired.reasons.len(), 3);
    let expected = text(&before)
        .replace("20260303T090000,20260304T090000\r\nEXDATE:20260201T080000Z\r\n", "20260304T090000\r\n")
        .replace("X-A:1\r\n", "X-A:1\r\nRDATE;TZID=Europe/Berlin:20260401T090000\r\n");
    assert_eq!(text(&repaired.calendar), expected);
    assert!(repair(&repaired.calendar, &budget()).unwrap().is_none());
    let alarm = |uid: &str| format!("BEGIN:VALARM\nUID:{uid}\nACTION:AUDIO\nTRIGGER:-PT5M\nEND:VALARM\n");
    let object = |alarms: &str| {
        parse(format!(
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART:20260101T000000Z\n{alarms}END:VEVENT\nEND:VCALENDAR"
        ))
    };
    let other = alarm("c").replace("PT5M", "PT6M");
    let twice = object(&[alarm("a"), alarm("b"), other.clone()].concat());
    let once = object(&[alarm("a"), other].concat());
    assert_eq!(text(&repair(&twice, &budget()).unwrap().unwrap().calendar), text(&once));
    for name in super::SAMPLES {
        assert!(repair(&parse(own(name).to_vec()), &budget()).unwrap().is_none(), "{name}");
    }
}

/// Series in which every kind of line that an edit touches comes.
const SERIES: [&[&str]; 8] = [
    &["DTSTART:20260101T100000Z DURATION:PT1H RRULE:FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,TU,FR;COUNT=40"],
    &[
        "DTSTART;TZID=America/New_York:20260115T023000 DTEND;TZID=America/New_York:20260115T033000 RRULE:FREQ=DAILY;COUNT=80 EXDATE;TZID=America/New_York:20260117T023000,20260307T023000",
        "RECURRENCE-ID;TZID=America/New_York:20260310T023000 DTSTART:20260311T000000Z",
    ],
    &[
        "DTSTART;VALUE=DATE:20260101 RRULE:FREQ=MONTHLY;BYDAY=-1FR,2MO;UNTIL=20271231 RDATE;VALUE=DATE:20260105,20270105",
    ],
    &["DTSTART:20260101T100000 RRULE:FREQ=YEARLY;BYMONTH=1,6;BYMONTHDAY=-1,1,15;BYHOUR=8,20;COUNT=30"],
    &[
        "DTSTART:20260101T000000Z RRULE:FREQ=HOURLY;INTERVAL=7;UNTIL=20260401T000000Z EXDATE;VALUE=DATE:20260110",
    ],
    &[
        "DTSTART:20260105T090000Z RRULE:FREQ=WEEKLY;BYDAY=TU;COUNT=12",
        "RECURRENCE-ID:20260113T090000Z DTSTART:20251201T090000Z",
    ],
    &[
        "DTSTART;TZID=Europe/Berlin:20260101T090000 DTEND;TZID=Asia/Tokyo:20260101T200000 RRULE:FREQ=MONTHLY;BYSETPOS=-1;BYDAY=MO,TU,WE,TH,FR;COUNT=20",
    ],
    &["DTSTART:20260101T090000Z RDATE:20260201T090000Z,20260301T090000Z,20260401T090000Z"],
];

/// What identifies each instance, and when it is.
fn instances(calendar: &Calendar) -> Vec<(DateValue<'static>, String)> {
    let window = ALWAYS.start..super::at("20300101T000000Z");
    let found = occurrences(calendar, window, &Zone::utc(), &budget()).expect("within the budget");
    let of = |o: &kalends::ical::Occurrence<'_>| {
        let id = o.component.date("RECURRENCE-ID");
        let starts = match id {
            Some(id) => match id {
                DateValue::Zoned(local, tzid) => DateValue::Zoned(local, tzid.into_owned().into()),
                DateValue::Date(day) => DateValue::Date(day),
                DateValue::Floating(local) => DateValue::Floating(local),
                DateValue::Utc(local) => DateValue::Utc(local),
            },
            None if o.all_day => DateValue::parse(&utc_stamp(o.start)[..8], None).expect("a day"),
            None if o.floating => DateValue::parse(&utc_stamp(o.start)[..15], None).expect("a time"),
            None => DateValue::parse(&utc_stamp(o.start), None).expect("a stamp"),
        };
        (starts, format!("{}/{}", utc_stamp(o.start), utc_stamp(o.end)))
    };
    found.iter().map(of).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edits_touch_the_instances_they_name(series in 0..SERIES.len(), which in any::<prop::sample::Index>()) {
        let before = calendar(SERIES[series]);
        let all = instances(&before);
        let (id, time) = all[which.index(all.len())].clone();
        let times = |calendar: &Calendar| {
            let mut times: Vec<_> = instances(calendar).into_iter().map(|(_, time)| time).collect();
            times.sort();
            times
        };
        let whole = times(&before);
        let summary = says(&["SUMMARY:x"]);
        let (edited, _) = done(edit(&before, &Scope::This(id.clone()), &summary, &REVISION, &budget()));
        prop_assert_eq!(&times(&edited), &whole);
        prop_assert_eq!(shown(&edited).iter().filter(|one| one.ends_with('x')).count(), 1);
        let deleted = delete(&before, &Scope::This(id.clone()), &REVISION, &budget()).expect("a delete").kept.expect("more");
        let mut rest = whole.clone();
        rest.remove(rest.iter().position(|one| *one == time).expect("the instance"));
        prop_assert_eq!(&times(&deleted), &rest);
        let following = Scope::Following(id);
        let left = delete(&before, &following, &REVISION, &budget()).expect("a delete").kept;
        match edit(&before, &following, &summary, &REVISION, &budget()) {
            // An instance that no rule gives starts no rule.
            Err(fault) => prop_assert!(fault == Fault::Split && SERIES[series][0].contains("RDATE"), "{}", fault),
            Ok(Edited { kept, split: None }) => {
                prop_assert!(left.is_none());
                prop_assert_eq!(&times(&kept.expect("the object")), &whole);
            }
            Ok(Edited { kept, split: Some(split) }) => {
                let kept = kept.expect("the object");
                prop_assert_eq!(times(&kept), times(&left.expect("the earlier half")));
                let mut both = [times(&kept), times(&split)].concat();
                both.sort();
                prop_assert_eq!(&both, &whole);
                prop_assert!(shown(&kept).iter().all(|one| one.ends_with('Z')));
                prop_assert!(shown(&split).iter().all(|one| one.ends_with('x')) || SERIES[series].len() > 1);
            }
        }
    }
}
