//! What a TZID means: a zone of the IANA database, the object's own VTIMEZONE, or nothing.
//! RFC 5545 §3.2.19, §3.3.5, §3.6.5; the order of the sources is decision 0004.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::civil::{DateTime, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::evaluated;
use crate::ical::recur::{Budget, Exhausted, Moment, Rule, Set};
use crate::ical::text::Invalid;
use crate::ical::value::{civil, offset, seconds};
use crate::ical::windows;

/// The rules by which a wall clock follows UTC.
#[derive(Clone, Debug)]
pub struct Zone(Rules);

#[derive(Clone, Debug)]
enum Rules {
    Iana(TimeZone),
    Own(Arc<[Change]>),
}

/// A moment at which a clock changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    at: i64,
    /// Seconds east of UTC before and from that moment.
    before: i64,
    after: i64,
    /// Up to this time on the clock it is, for all that shows it, not yet after the change.
    until: i64,
}

impl Zone {
    /// UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self(Rules::Iana(TimeZone::UTC))
    }

    /// The zone of a name: of the IANA database, after a vendor's prefix (`/example.org/Europe/Berlin`), or of Windows.
    #[must_use]
    pub fn named(tzid: &str) -> Option<Self> {
        let tzid = tzid.trim_ascii();
        iana(tzid)
            .or_else(|| windows::zone(tzid).and_then(iana))
            .or_else(|| tzid.match_indices('/').find_map(|(at, _)| iana(&tzid[at + 1..])))
            .map(|zone| Self(Rules::Iana(zone)))
    }

    /// Whether it is, letter for letter, a name of the IANA database, so that whoever reads it needs no definition.
    #[must_use]
    pub fn is_standard(tzid: &str) -> bool {
        iana(tzid).is_some_and(|zone| zone.iana_name() == Some(tzid))
    }

    /// TZID and zone of an object with exactly one VTIMEZONE, as CALDAV:timezone and CALDAV:calendar-timezone hold it
    /// (RFC 4791 §5.2.2, §9.8).
    ///
    /// # Errors
    /// If it has none, several, or one without TZID or rules.
    pub fn of(calendar: &Calendar) -> Result<(String, Self), Invalid> {
        let mut zones = calendar.components().filter(|c| c.is("VTIMEZONE"));
        let Some(zone) = zones.next() else {
            return Err(calendar.root().invalid("no VTIMEZONE"));
        };
        if let Some(second) = zones.next() {
            return Err(second.invalid("more than one VTIMEZONE"));
        }
        let Some(tzid) = zone.property("TZID").map(|p| p.text().into_owned()) else {
            return Err(zone.invalid("a VTIMEZONE without TZID"));
        };
        let budget = Budget::new(ZONE_BUDGET);
        match resolve(&tzid, Some(zone), &budget) {
            Ok(Some(rules)) => Ok((tzid, rules)),
            Ok(None) => Err(zone.invalid("a VTIMEZONE without rules")),
            Err(Exhausted) => Err(zone.invalid("a VTIMEZONE with too many changes")),
        }
    }

    /// The moment at which the clock shows `local`: in the hour that a change skips, as if it had not been skipped; in
    /// the one it repeats, the first time (RFC 5545 §3.3.5).
    #[must_use]
    pub fn instant(&self, local: DateTime) -> i64 {
        match &self.0 {
            Rules::Iana(zone) => {
                let moment = zone.to_ambiguous_timestamp(local).compatible();
                moment.map_or_else(|_| seconds(local), Timestamp::as_second)
            }
            Rules::Own(changes) => {
                let clock = seconds(local);
                let next = changes.partition_point(|c| c.until <= clock);
                clock - offset_before(changes, next)
            }
        }
    }

    /// What the clock shows at a moment.
    #[must_use]
    pub fn local(&self, instant: i64) -> DateTime {
        match &self.0 {
            Rules::Iana(zone) => match Timestamp::from_second(instant) {
                Ok(moment) => zone.to_datetime(moment),
                Err(_) => civil(instant),
            },
            Rules::Own(changes) => {
                let next = changes.partition_point(|c| c.at <= instant);
                civil(instant.saturating_add(offset_before(changes, next)))
            }
        }
    }

    /// What the clock shows at a moment, read as if it were UTC: the count in which floating times are kept.
    #[must_use]
    pub fn wall(&self, instant: i64) -> i64 {
        seconds(self.local(instant))
    }

    /// The zone of the database that it is, if it is one.
    pub(super) fn of_database(&self) -> Option<&TimeZone> {
        match &self.0 {
            Rules::Iana(zone) => Some(zone),
            Rules::Own(_) => None,
        }
    }

    /// Octets that it takes, but for what all zones share.
    pub(super) fn weight(&self) -> usize {
        match &self.0 {
            Rules::Iana(_) => 0,
            Rules::Own(changes) => size_of_val(&**changes),
        }
    }

    /// The last time on the clock whose moment is not after `instant`: inside a repeated hour, the end of that hour.
    pub(super) fn last_local(&self, instant: i64) -> DateTime {
        let shown = self.local(instant);
        let (mut low, mut high) = (seconds(shown), seconds(shown) + (instant - self.instant(shown)).max(0));
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if self.instant(civil(middle)) <= instant {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        civil(low)
    }
}

/// The offset before the change of that number, which is the one after the change before it.
fn offset_before(changes: &[Change], next: usize) -> i64 {
    match next.checked_sub(1) {
        Some(last) => changes[last].after,
        None => changes.first().map_or(0, |first| first.before),
    }
}

/// The database that is part of the program: some systems leave out the zones' former names, some have no database.
static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// No name of a zone is longer; what is made of slashes would be asked for at each.
const LONGEST_NAME: usize = 64;

/// The zone of a name in the database of the system, or else in our own.
fn iana(name: &str) -> Option<TimeZone> {
    // Names of the database that depend on the machine or stand for "not set".
    const LOCAL: [&str; 3] = ["Factory", "localtime", "posixrules"];
    if name.is_empty()
        || name.len() > LONGEST_NAME
        || LOCAL.iter().any(|local| local.eq_ignore_ascii_case(name))
    {
        return None;
    }
    TimeZone::get(name).or_else(|_| BUNDLED.get(name)).ok()
}

/// How much work one VTIMEZONE may be.
const ZONE_BUDGET: u64 = 200_000;
/// How many changes of one VTIMEZONE are kept.
const MAX_CHANGES: usize = 5_000;

/// The zone of a TZID and of the VTIMEZONE that goes with it; none if nothing is known of it.
fn resolve(tzid: &str, own: Option<Component<'_>>, budget: &Budget) -> Result<Option<Zone>, Exhausted> {
    if let Some(zone) = Zone::named(tzid) {
        return Ok(Some(zone));
    }
    let Some(own) = own else { return Ok(None) };
    match own.property("X-LIC-LOCATION").and_then(|p| Zone::named(&p.text())) {
        Some(zone) => Ok(Some(zone)),
        None => evaluated::or_evaluate(own.raw(), || evaluate(own, budget)),
    }
}

/// The changes that a VTIMEZONE describes between 1900 and 2100.
fn evaluate(own: Component<'_>, budget: &Budget) -> Result<Option<Zone>, Exhausted> {
    let mut changes = vec![];
    for observance in own.components().filter(|c| c.is("STANDARD") || c.is("DAYLIGHT")) {
        onsets(observance, budget, &mut changes)?;
    }
    changes.sort_unstable();
    changes.dedup_by_key(|change| change.at);
    let (mut last, mut until) = (None, i64::MIN);
    for change in &mut changes {
        // A definition may contradict itself: what the clock showed before is what it showed.
        change.before = last.unwrap_or(change.before);
        until = until.max(change.at + change.before.max(change.after));
        (last, change.until) = (Some(change.after), until);
    }
    Ok((!changes.is_empty()).then(|| Zone(Rules::Own(changes.into()))))
}

fn onsets(observance: Component<'_>, budget: &Budget, changes: &mut Vec<Change>) -> Result<(), Exhausted> {
    let read = |name| observance.property(name).and_then(|p| offset(&p.value()));
    let (Some(start), Some(before), Some(after)) =
        (observance.date("DTSTART"), read("TZOFFSETFROM"), read("TZOFFSETTO"))
    else {
        return Ok(());
    };
    let change = |local| Change { at: seconds(local) - before, before, after, until: 0 };
    let mut set = Set::new(Moment::Time(start.civil()));
    let rules = observance.properties("RRULE").filter_map(|p| Rule::parse(&p.value()).ok());
    set.rules = rules.map(|rule| rule.localised(|utc| civil(seconds(utc) + before))).collect();
    set.rdates = observance.properties("RDATE").flat_map(Property::dates).map(|d| d.civil()).collect();
    let mut onsets = set.instances(budget);
    if !set.rules.is_empty() {
        // Some products begin each rule in 1601; what changed last before 1900 is near enough their DTSTART.
        changes.push(change(start.civil()));
        onsets.seek(date(1900, 1, 1).at(0, 0, 0, 0));
    }
    onsets.stop_before(date(2101, 1, 1).at(0, 0, 0, 0));
    for onset in onsets {
        let onset = onset?;
        if changes.len() >= MAX_CHANGES {
            break;
        }
        changes.push(change(onset));
    }
    Ok(())
}

/// The zones of one object, each looked up once.
pub(super) struct Zones<'a> {
    calendar: &'a Calendar,
    known: HashMap<String, Option<Zone>>,
}

impl<'a> Zones<'a> {
    pub fn new(calendar: &'a Calendar) -> Self {
        Self { calendar, known: HashMap::new() }
    }

    /// The zone of a TZID in this object; none is floating.
    pub fn find(&mut self, tzid: &str, budget: &Budget) -> Result<Option<Zone>, Exhausted> {
        if let Some(zone) = self.known.get(tzid) {
            return Ok(zone.clone());
        }
        let same = |c: &Component<'_>| {
            c.is("VTIMEZONE") && c.property("TZID").is_some_and(|p| p.text().eq_ignore_ascii_case(tzid))
        };
        let zone = if let Some(zone) = Zone::named(tzid) {
            Some(zone)
        } else {
            budget.spend(2 * self.calendar.components().count() as u64)?;
            resolve(tzid, self.calendar.components().find(same), budget)?.or_else(|| self.usual())
        };
        self.known.insert(tzid.to_owned(), zone.clone());
        Ok(zone)
    }

    /// The zone that the object says it is seen in, for a TZID that stands for nothing.
    fn usual(&self) -> Option<Zone> {
        Zone::named(&self.calendar.property("X-WR-TIMEZONE")?.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let same = |a: &str, b: &str| {
            let (a, b) = (Zone::named(a).unwrap(), Zone::named(b).unwrap());
            let winter = date(2026, 1, 1).at(12, 0, 0, 0);
            let summer = date(2026, 7, 1).at(12, 0, 0, 0);
            a.instant(winter) == b.instant(winter) && a.instant(summer) == b.instant(summer)
        };
        assert!(same("EUROPE/berlin", "Europe/Berlin"));
        assert!(same("/freeassociation.sourceforge.net/Europe/Berlin", "Europe/Berlin"));
        assert!(same("/example.org/20260101_1/America/Indiana/Knox", "America/Indiana/Knox"));
        assert!(same("/mozilla.org/20050126_1/Europe/Berlin", "Europe/Berlin"));
        assert!(same("/citadel.org/20190914_1/Asia/Calcutta", "Asia/Kolkata"));
        assert!(same("/freeassociation.sourceforge.net/Tzfile/US/Eastern", "America/New_York"));
        assert!(same("/Europe/Berlin", "Europe/Berlin"));
        assert!(same("India Standard Time", "Asia/Kolkata"));
        assert!(same("W. Europe Standard Time", "Europe/Berlin"));
        assert!(same("tzone://Microsoft/Utc", "UTC"));
        for unknown in ["", "/", "Factory", "localtime", "Customized Time Zone", "Europe", "é"] {
            assert!(Zone::named(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn what_a_tzid_without_a_zone_stands_for() {
        let find = |head: &str| {
            let text = format!("BEGIN:VCALENDAR\n{head}END:VCALENDAR\n");
            let calendar = Calendar::parse(text.into()).unwrap();
            let zone = Zones::new(&calendar).find("Nowhere", &Budget::new(1_000)).unwrap();
            zone.map(|zone| zone.wall(0))
        };
        assert_eq!(find(""), None);
        assert_eq!(find("X-WR-TIMEZONE:Asia/Tokyo\n"), Some(32_400));
        assert_eq!(find("X-WR-TIMEZONE:Elsewhere\n"), None);
        let own = "BEGIN:VTIMEZONE\nTZID:Nowhere\nX-LIC-LOCATION:Asia/Tokyo\nEND:VTIMEZONE\n";
        assert_eq!(find(&["X-WR-TIMEZONE:Europe/Berlin\n", own].concat()), Some(32_400));
    }

    #[test]
    fn one_time_zone_in_an_object() {
        let of = |body: &str| {
            let text = format!("BEGIN:VCALENDAR\n{body}END:VCALENDAR\n");
            Zone::of(&Calendar::parse(text.into()).unwrap()).map(|(tzid, zone)| {
                (
                    tzid,
                    zone.instant(date(2026, 7, 1).at(12, 0, 0, 0))
                        - seconds(date(2026, 7, 1).at(12, 0, 0, 0)),
                )
            })
        };
        let observance =
            "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0317\nTZOFFSETTO:+0317\nEND:STANDARD\n";
        let zone = |tzid: &str, more: &str| format!("BEGIN:VTIMEZONE\nTZID:{tzid}\n{more}END:VTIMEZONE\n");
        assert_eq!(of(&zone("Here", observance)), Ok(("Here".into(), -11_820)));
        // Exchange begins the rules of all its zones in the first year that Windows knows.
        let first = observance.replace("1970", "1601");
        assert_eq!(of(&zone("Here", &first)), Ok(("Here".into(), -11_820)));
        // The name of the database wins over the rules that come with it.
        assert_eq!(of(&zone("Asia/Tokyo", observance)), Ok(("Asia/Tokyo".into(), -32_400)));
        let located = ["X-LIC-LOCATION:Asia/Tokyo\n", observance].concat();
        assert_eq!(of(&zone("Here", &located)), Ok(("Here".into(), -32_400)));
        assert!(of("").is_err());
        assert!(of(&zone("Here", "")).is_err());
        assert!(of(&[zone("Here", observance), zone("There", observance)].concat()).is_err());
    }

    #[test]
    fn the_first_time_is_meant_where_a_zone_contradicts_itself() {
        let onset = |start: &str, from: &str, to: &str| {
            format!("BEGIN:STANDARD\nDTSTART:{start}\nTZOFFSETFROM:{from}\nTZOFFSETTO:{to}\nEND:STANDARD\n")
        };
        let of = |onsets: &[String]| {
            let zone = format!("BEGIN:VTIMEZONE\nTZID:Nowhere\n{}END:VTIMEZONE\n", onsets.concat());
            Zone::of(&Calendar::parse(format!("BEGIN:VCALENDAR\n{zone}END:VCALENDAR\n").into()).unwrap())
                .unwrap()
                .1
        };
        let from_elsewhere =
            of(&[onset("20200101T000000", "+0200", "+0200"), onset("20261101T020000", "-0400", "-0500")]);
        let two_in_an_hour = of(&[
            onset("20200101T000000", "+1400", "+1400"),
            onset("20261101T140000", "+1400", "-1200"),
            onset("20261031T130000", "-1200", "-1200"),
        ]);
        for zone in [from_elsewhere, two_in_an_hour] {
            for hour in -48..48 {
                let instant = 1_793_491_200 + hour * 3_600;
                let (local, again) = (zone.local(instant), zone.instant(zone.local(instant)));
                assert!(again <= instant && zone.local(again) == local, "{local} at {instant} is {again}");
            }
        }
    }

    #[test]
    fn a_second_rule_by_the_second_adds_no_more_changes() {
        let rule = "BEGIN:STANDARD\nDTSTART:20000101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=SECONDLY\nEND:STANDARD\n";
        let text = format!(
            "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Nowhere\n{rule}{rule}END:VTIMEZONE\nEND:VCALENDAR\n"
        );
        let calendar = Calendar::parse(text.into()).unwrap();
        assert!(Zones::new(&calendar).find("Nowhere", &Budget::new(2 * MAX_CHANGES as u64)).is_ok());
    }
}
