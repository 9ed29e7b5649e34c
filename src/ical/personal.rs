//! What of a shared object is each viewer's own: alarms, whether it blocks time, travel, color. It is split off what somebody
//! stores in another's calendar, and merged into what they read (docs/decisions/0026).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::ical::calendar::{Calendar, Component, Property};
use crate::ical::edit::splice::{Splice, apply, whole};

/// Whose value the owner's is until they say otherwise.
const DEFAULTED: [&str; 2] = ["TRANSP", "COLOR"];
/// What nobody has from the owner: travel, and what clients without RFC 9074 note of alarms that were seen and put off.
const WITHHELD: [&str; 3] = ["X-APPLE-TRAVEL-", "X-MOZ-LASTACK", "X-MOZ-SNOOZE-TIME"];
/// What a program says of itself and of when it wrote: where nothing else differs, nothing was changed.
const NOISE: [&str; 4] = ["DTSTAMP", "LAST-MODIFIED", "PRODID", "X-MOZ-GENERATION"];
/// In what is kept of a viewer: which of the owner's values are none for them.
const WITHOUT: &str = "X-KALENDS-WITHOUT";
/// Octets that overrides may get from what stands in their master: it would be repeated in each of them.
const MOST_INHERITED: usize = 1 << 20;

fn starts(property: Property<'_>, prefixes: &[&str]) -> bool {
    let name = property.name();
    prefixes
        .iter()
        .any(|prefix| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix)))
}

fn is_alarm(component: &Component<'_>) -> bool {
    component.is("VALARM")
}

/// Whether there is anything in an object that others than its owner do not get.
#[must_use]
pub fn has_own(calendar: &Calendar) -> bool {
    let own = |component: Component<'_>| {
        component.components().any(|part| is_alarm(&part))
            || component.lines().any(|line| starts(line, &WITHHELD))
    };
    parts(calendar).any(own)
}

/// The components that are about something: an event, its overrides.
fn parts(calendar: &Calendar) -> impl Iterator<Item = Component<'_>> {
    calendar.components().filter(|component| !component.is("VTIMEZONE"))
}

/// What is one person's own of a component: octets of whole lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Own {
    /// Of each name of [`DEFAULTED`]: nothing said, or these lines, which may be none.
    defaulted: [Option<Vec<u8>>; DEFAULTED.len()],
    withheld: Vec<u8>,
    alarms: Vec<u8>,
}

impl Own {
    /// All that stands in a component. The lines of a name that it does not have are none.
    fn of(component: Component<'_>) -> Self {
        let mut own = Self { defaulted: DEFAULTED.map(|_| Some(Vec::new())), ..Self::default() };
        for line in component.lines() {
            if let Some(at) = DEFAULTED.iter().position(|name| line.is(name)) {
                add(own.defaulted[at].get_or_insert_default(), line.raw());
            } else if starts(line, &WITHHELD) {
                add(&mut own.withheld, line.raw());
            }
        }
        component.components().filter(is_alarm).for_each(|alarm| add(&mut own.alarms, alarm.raw()));
        own
    }

    /// What somebody says in a component, but for what the owner's says as well.
    fn beside(component: Component<'_>, owner: Option<Component<'_>>) -> Self {
        let mut own = Self::of(component);
        for (value, name) in own.defaulted.iter_mut().zip(DEFAULTED) {
            *value = value
                .take()
                .filter(|_| owner.is_some_and(|owner| said(owner, name) != said(component, name)));
        }
        own
    }

    /// What is kept of somebody, read.
    fn kept(component: Component<'_>) -> Self {
        let mut own = Self::of(component);
        let without = |name: &str| component.properties(WITHOUT).any(|line| line.value() == name);
        for (value, name) in own.defaulted.iter_mut().zip(DEFAULTED) {
            *value = value.take().filter(|lines| !lines.is_empty() || without(name));
        }
        own
    }

    /// The same as it is kept.
    fn write(&self, out: &mut Vec<u8>) {
        for (value, name) in self.defaulted.iter().zip(DEFAULTED) {
            match value {
                Some(lines) if lines.is_empty() => add(out, format!("{WITHOUT}:{name}").as_bytes()),
                Some(lines) => out.extend_from_slice(lines),
                None => {}
            }
        }
        out.extend_from_slice(&self.withheld);
        out.extend_from_slice(&self.alarms);
    }

    fn octets(&self) -> usize {
        let defaulted: usize = self.defaulted.iter().flatten().map(Vec::len).sum();
        defaulted + self.withheld.len() + self.alarms.len()
    }

    /// Puts it in the place of whatever personal stands in a component.
    fn dress(&self, component: Component<'_>, splices: &mut Vec<Splice>) {
        let insert = |at, text: &[u8]| Splice { at: at..at, text: Bytes::copy_from_slice(text) };
        let end = component.last_line();
        for (value, name) in self.defaulted.iter().zip(DEFAULTED) {
            let Some(lines) = value else { continue };
            let place = component.property(name).map_or(end, |line| line.extent().start);
            splices.push(insert(place, lines));
            splices.extend(component.properties(name).map(Splice::drop));
        }
        splices.extend(component.lines().filter(|line| starts(*line, &WITHHELD)).map(Splice::drop));
        splices.push(insert(end, &self.withheld));
        let alarms = component.components().filter(is_alarm);
        splices.extend(alarms.map(|alarm| Splice { at: alarm.extent(), text: Bytes::new() }));
        splices.push(insert(component.end_line(), &self.alarms));
    }
}

fn add(lines: &mut Vec<u8>, raw: &[u8]) {
    lines.extend_from_slice(raw);
    lines.extend_from_slice(b"\r\n");
}

/// The lines of that name, unfolded.
fn said(component: Component<'_>, name: &str) -> Vec<String> {
    component.properties(name).map(whole).collect()
}

/// Which component of an object one is: its kind, and which override.
type Key = (String, Option<String>);

fn key(component: Component<'_>) -> Key {
    let named = component.property("RECURRENCE-ID").map(|id| {
        let zone = id.parameter("TZID").unwrap_or_default();
        format!("{zone}:{}", id.value().trim_ascii())
    });
    (component.name().to_ascii_uppercase(), named)
}

/// What belongs to each component, where an override that is not known is as its master.
struct Lookup<T> {
    all: BTreeMap<Key, T>,
}

impl<T> Lookup<T> {
    fn of<'a>(calendar: &'a Calendar, what: impl Fn(Component<'a>) -> T) -> Self {
        let mut all = BTreeMap::new();
        for component in parts(calendar) {
            all.entry(key(component)).or_insert_with(|| what(component));
        }
        Self { all }
    }

    fn master(&self, (kind, _): &Key) -> Option<&T> {
        self.all.get(&(kind.clone(), None))
    }

    /// What a component has, and whether it has it from its master.
    fn find(&self, key: &Key) -> Option<(&T, bool)> {
        let own = self.all.get(key).map(|own| (own, false));
        own.or_else(|| self.master(key).map(|master| (master, true)))
    }
}

/// The object in which each component has what `own` finds for it, and what is nobody's own as it was.
fn dressed<'c>(calendar: &'c Calendar, own: impl Fn(Component<'c>) -> Option<(Own, bool)>) -> Bytes {
    let (mut splices, mut inherited) = (Vec::new(), 0);
    for component in parts(calendar) {
        let (mut found, from_master) = own(component).unwrap_or_default();
        inherited += if from_master { found.octets() } else { 0 };
        if from_master && inherited > MOST_INHERITED {
            found = Own::default();
        }
        found.dress(component, &mut splices);
    }
    apply(calendar, 0..calendar.bytes().len(), splices)
}

/// What somebody who does not own an object reads of it, with what is kept of them.
#[must_use]
pub fn seen(calendar: &Calendar, kept: Option<&[u8]>) -> Bytes {
    let kept = kept.and_then(|kept| Calendar::parse(Bytes::copy_from_slice(kept)).ok());
    let kept = kept.as_ref().map(|kept| Lookup::of(kept, Own::kept));
    let find =
        |component| kept.as_ref()?.find(&key(component)).map(|(own, inherited)| (own.clone(), inherited));
    dressed(calendar, find)
}

/// What somebody who does not own an object has sent, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// The object for everybody, in which the owner's personal parts are the owner's; none where nothing but the sender's
    /// own was changed, so that it stays as it lies there.
    pub shared: Option<Bytes>,
    /// What is to be kept of the sender; none where that is nothing.
    pub own: Option<Bytes>,
}

/// Takes apart what somebody sends in the place of `before`, which they do not own.
#[must_use]
pub fn apart(before: Option<&Calendar>, sent: &Calendar) -> Apart {
    let owners = before.map(|before| Lookup::of(before, |component| component));
    let owner = |component| owners.as_ref().and_then(|all| all.find(&key(component)));
    let same = before.is_some_and(|before| meaning(before) == meaning(sent));
    let shared = (!same).then(|| {
        dressed(sent, |component| match owner(component) {
            Some((owner, inherited)) => Some((Own::of(*owner), inherited)),
            // Nobody has said anything of it yet: what is said now holds for all.
            None => Some((Own::default(), false)),
        })
    });
    let own = Lookup::of(sent, |component| Own::beside(component, owner(component).map(|(owner, _)| *owner)));
    Apart { shared, own: kept(sent, &own) }
}

/// What is kept of somebody's own: an override that says what its master says is left out.
fn kept(sent: &Calendar, own: &Lookup<Own>) -> Option<Bytes> {
    let nothing = Own::default();
    let mut out = b"BEGIN:VCALENDAR\r\n".to_vec();
    let empty = out.len();
    for component in parts(sent) {
        let key = key(component);
        let Some(said) = own.all.get(&key) else { continue };
        let default = if key.1.is_some() { own.master(&key).unwrap_or(&nothing) } else { &nothing };
        if said == default {
            continue;
        }
        add(&mut out, format!("BEGIN:{}", key.0).as_bytes());
        component.properties("RECURRENCE-ID").take(1).for_each(|id| add(&mut out, id.raw()));
        said.write(&mut out);
        add(&mut out, format!("END:{}", key.0).as_bytes());
    }
    (out.len() > empty).then(|| [&out[..], b"END:VCALENDAR\r\n"].concat().into())
}

/// What an object says to everybody, without regard to order: what of it is personal, and when which program wrote it, is not.
fn meaning(calendar: &Calendar) -> Vec<String> {
    let mut all: Vec<String> = calendar.components().map(|component| says(component, true)).collect();
    all.push(lines(calendar.root(), true));
    all.sort_unstable();
    all
}

fn says(component: Component<'_>, outermost: bool) -> String {
    let parts = component.components().filter(|part| !(outermost && is_alarm(part)));
    let mut parts: Vec<String> = parts.map(|part| says(part, false)).collect();
    parts.sort_unstable();
    [component.name().to_ascii_uppercase(), lines(component, outermost), parts.join("\u{2}")].join("\u{1}")
}

fn lines(component: Component<'_>, outermost: bool) -> String {
    let is_any = |line: Property<'_>, names: &[&str]| names.iter().any(|name| line.is(name));
    let counts = |line: &Property<'_>| {
        !outermost || !(is_any(*line, &NOISE) || is_any(*line, &DEFAULTED) || starts(*line, &WITHHELD))
    };
    let mut lines: Vec<String> = component.lines().filter(counts).map(whole).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Calendar {
        Calendar::parse(text.to_owned().into()).unwrap()
    }

    fn text(octets: &Bytes) -> String {
        String::from_utf8(octets.to_vec()).unwrap()
    }

    fn alarm(minutes: u32) -> String {
        format!("BEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT{minutes}M\r\nDESCRIPTION:-\r\nEND:VALARM\r\n")
    }

    /// An object of these components, each with what stands behind its UID.
    fn object(parts: &[&str]) -> String {
        let event = |lines: &&str| format!("BEGIN:VEVENT\r\nUID:a\r\n{lines}END:VEVENT\r\n");
        let parts: Vec<String> = parts.iter().map(event).collect();
        format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}END:VCALENDAR\r\n", parts.concat())
    }

    const ID: &str = "RECURRENCE-ID:20260602T090000Z\r\n";

    #[test]
    fn the_owners_alarms_are_nobody_elses_and_the_own_ones_come_back() {
        let owners = object(&[&format!(
            "TRANSP:TRANSPARENT\r\nSUMMARY:x\r\nX-APPLE-TRAVEL-DURATION:PT9M\r\n{}",
            alarm(5)
        )]);
        let (owners, plain) = (read(&owners), object(&["TRANSP:TRANSPARENT\r\nSUMMARY:x\r\n"]));
        assert!(has_own(&owners) && !has_own(&read(&plain)));
        assert_eq!(text(&seen(&owners, None)), plain);
        let sent = object(&[&format!("TRANSP:OPAQUE\r\nDTSTAMP:1\r\nSUMMARY:x\r\n{}", alarm(30))]);
        let Apart { shared, own } = apart(Some(&owners), &read(&sent));
        assert_eq!(shared, None, "nothing that is everybody's was changed");
        let mine = object(&[&format!("TRANSP:OPAQUE\r\nSUMMARY:x\r\n{}", alarm(30))]);
        assert_eq!(text(&seen(&owners, own.as_deref())), mine);
    }

    #[test]
    fn a_change_for_all_leaves_the_owner_what_is_the_owners() {
        let owners = read(&object(&[&format!("SUMMARY:x\r\nTRANSP:TRANSPARENT\r\n{}", alarm(5))]));
        let sent = object(&[&format!("SUMMARY:y\r\n{}", alarm(30))]);
        let Apart { shared, own } = apart(Some(&owners), &read(&sent));
        let shared = shared.unwrap();
        assert_eq!(text(&shared), object(&[&format!("SUMMARY:y\r\nTRANSP:TRANSPARENT\r\n{}", alarm(5))]));
        assert_eq!(text(&seen(&read(&text(&shared)), own.as_deref())), sent);
    }

    #[test]
    fn what_is_new_is_as_it_was_sent_but_for_alarms() {
        let sent = object(&[&format!("SUMMARY:y\r\nTRANSP:TRANSPARENT\r\n{}", alarm(30))]);
        let Apart { shared, own } = apart(None, &read(&sent));
        let shared = shared.unwrap();
        assert_eq!(text(&shared), object(&["SUMMARY:y\r\nTRANSP:TRANSPARENT\r\n"]));
        assert_eq!(text(&seen(&read(&text(&shared)), own.as_deref())), sent);
        assert_eq!(apart(None, &read(&text(&shared))).own, None);
    }

    #[test]
    fn an_override_is_as_its_master_until_it_says_otherwise() {
        let sent = object(&[&alarm(30), &format!("{ID}{}", alarm(30))]);
        let own = apart(None, &read(&sent)).own.unwrap();
        assert_eq!(text(&own).matches("BEGIN:VEVENT").count(), 1, "{}", text(&own));
        let owners = read(&object(&[&alarm(5), &format!("{ID}SUMMARY:moved\r\n{}", alarm(5))]));
        let mine = object(&[&alarm(30), &format!("{ID}SUMMARY:moved\r\n{}", alarm(30))]);
        assert_eq!(text(&seen(&owners, Some(&own))), mine);
        // One that has none has none, and a new one has the owner's of the series.
        let sent = object(&[&alarm(30), ID]);
        let Apart { shared, own } = apart(Some(&read(&object(&[&alarm(5)]))), &read(&sent));
        assert_eq!(text(shared.as_ref().unwrap()), object(&[&alarm(5), &format!("{ID}{}", alarm(5))]));
        assert_eq!(text(&seen(&read(&text(&shared.unwrap())), own.as_deref())), sent);
    }

    #[test]
    fn what_is_repeated_in_overrides_is_bounded() {
        let ids: Vec<String> = (0..900).map(|n| format!("RECURRENCE-ID:2026060{n}\r\n")).collect();
        let owners: Vec<&str> = std::iter::once("").chain(ids.iter().map(String::as_str)).collect();
        let long = alarm(5).replace("DESCRIPTION:-", &format!("DESCRIPTION:{}", "x".repeat(100_000)));
        let own = apart(None, &read(&object(&[&long]))).own.unwrap();
        assert!(seen(&read(&object(&owners)), Some(&own)).len() < 2 * MOST_INHERITED);
    }

    prop_compose! {
        /// Lines of a component: what is for all, then what may be personal, then alarms.
        fn component()(
            summary in "[a-c]", transp in "|TRANSP:OPAQUE\r\n|TRANSP:TRANSPARENT\r\n", color in "|COLOR:red\r\n|COLOR:blue\r\n",
            travel in "|X-APPLE-TRAVEL-DURATION:PT[1-9]M\r\n", alarms in prop::collection::vec(1_u32..4, 0..3),
        ) -> String {
            let alarms: String = alarms.into_iter().map(alarm).collect();
            format!("SUMMARY:{summary}\r\n{transp}{color}{travel}{alarms}")
        }
    }

    prop_compose! {
        fn series()(master in component(), others in prop::collection::btree_map(1..5, component(), 0..3)) -> String {
            let others = others.into_iter().map(|(day, lines)| format!("RECURRENCE-ID:2026060{day}T090000Z\r\n{lines}"));
            let parts: Vec<String> = std::iter::once(master).chain(others).collect();
            object(&parts.iter().map(String::as_str).collect::<Vec<_>>())
        }
    }

    /// What an object says, line for line, without regard to order.
    fn all(calendar: &Calendar) -> Vec<Vec<String>> {
        let of = |component: Component<'_>| {
            let mut lines: Vec<String> = component.lines().map(whole).collect();
            lines.extend(
                component.components().map(|alarm| String::from_utf8_lossy(alarm.raw()).into_owned()),
            );
            lines.sort();
            lines
        };
        calendar.components().map(of).collect()
    }

    proptest! {
        /// Who sends something reads what they sent; the owner's own is as it was, and so is every octet where nothing else was changed.
        #[test]
        fn what_is_taken_apart_is_put_together_again(owners in series(), sent in series(), again in series()) {
            let (owners, sent) = (read(&owners), read(&sent));
            let Apart { shared, own } = apart(Some(&owners), &sent);
            let now = shared.as_ref().map_or(owners.clone(), |shared| Calendar::parse(shared.clone()).unwrap());
            let read_back = Calendar::parse(seen(&now, own.as_deref())).unwrap();
            if shared.is_some() {
                prop_assert_eq!(all(&read_back), all(&sent));
            } else {
                let (mut one, mut other) = (all(&read_back), all(&sent));
                one.sort();
                other.sort();
                prop_assert_eq!(one, other);
            }
            let before = Lookup::of(&owners, Own::of);
            for component in parts(&now) {
                if let Some((theirs, _)) = before.find(&key(component)) {
                    prop_assert_eq!(&Own::of(component), theirs);
                }
            }
            // What one reads and sends back unchanged changes nothing, whoever else wrote meanwhile.
            let third = apart(Some(&now), &read(&again)).shared.map_or(now.clone(), |octets| Calendar::parse(octets).unwrap());
            let mine = Calendar::parse(seen(&third, own.as_deref())).unwrap();
            let back = apart(Some(&third), &mine);
            prop_assert_eq!(back.shared, None);
            prop_assert_eq!(seen(&third, back.own.as_deref()), seen(&third, own.as_deref()));
        }
    }
}
