//! The documents of notifications, each with the property that tells its kind (caldav-notifications §4 and §5, caldav-sharing §6).

use jiff::Timestamp;

use crate::{
    ical::changes::{Changed, Farewell},
    model::Components,
    store::Notification,
    xml::{Element, Name, Writer, parse},
};

const TYPE: Name = Name::cs("notificationtype");

/// A time as these documents have it.
#[must_use]
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A notification of that kind, which is told of with the same attributes (§4.2.1).
fn made(
    name: &str,
    at: Timestamp,
    (kind, attributes): (Name, &[(&str, &str)]),
    content: impl FnOnce(&mut Writer),
) -> Notification {
    let mut w = Writer::new(Name::cs("notification"));
    w.element(Name::cs("dtstamp"), &stamp(at));
    w.open_with(kind, attributes);
    content(&mut w);
    w.close(kind);
    let mut told = Writer::fragment();
    told.raw(&format!("<CS:{} xmlns:CS=\"{}\">", TYPE.local, TYPE.ns.uri()));
    told.empty_with(kind, attributes);
    told.close(TYPE);
    Notification { name: name.to_owned(), kind: told.into_string(), body: w.finish(), private: false }
}

/// Somebody, as a notification names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person<'a> {
    /// Their address: a mailto or the path of their principal.
    pub href: &'a str,
    /// Their name.
    pub name: Option<&'a str>,
}

/// What a sharee is told of a calendar that is shared with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invite<'a> {
    /// The identifier of the invitation.
    pub uid: &'a str,
    /// The sharee's address.
    pub sharee: &'a str,
    /// `CS:invite-noresponse`, `-accepted`, `-declined` or `-deleted`.
    pub status: Name,
    /// `CS:read` or `CS:read-write`.
    pub access: Name,
    /// The path of the calendar at its owner's.
    pub host: &'a str,
    /// Who shares it.
    pub organizer: Person<'a>,
    /// What it is about.
    pub summary: Option<&'a str>,
    /// What it may hold.
    pub components: Components,
}

/// CS:invite-notification (caldav-sharing §6.15).
#[must_use]
pub fn invite(name: &str, at: Timestamp, invite: &Invite<'_>) -> Notification {
    made(name, at, (Name::cs("invite-notification"), &[]), |w| {
        w.element(Name::cs("uid"), invite.uid);
        w.element(Name::dav("href"), invite.sharee);
        w.empty(invite.status);
        w.inside(Name::cs("access"), |w| w.empty(invite.access));
        host(invite.host, w);
        w.inside(Name::cs("organizer"), |w| {
            w.element(Name::dav("href"), invite.organizer.href);
            invite.organizer.name.iter().for_each(|name| w.element(Name::cs("common-name"), name));
        });
        invite.summary.iter().for_each(|summary| w.element(Name::cs("summary"), summary));
        w.inside(Name::cal("supported-calendar-component-set"), |w| {
            for component in invite.components.iter() {
                w.empty_with(Name::cal("comp"), &[("name", component.name())]);
            }
        });
    })
}

/// What the owner of a calendar is told of the answer to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The sharee's address, as they were invited.
    pub sharee: &'a str,
    /// Whether they accept.
    pub accepted: bool,
    /// The path of the calendar at its owner's.
    pub host: &'a str,
    /// The identifier of the invitation.
    pub in_reply_to: &'a str,
    /// What the sharee calls it.
    pub summary: Option<&'a str>,
}

/// CS:invite-reply (caldav-sharing §6.22).
#[must_use]
pub fn reply(name: &str, at: Timestamp, reply: &Reply<'_>) -> Notification {
    made(name, at, (Name::cs("invite-reply"), &[]), |w| {
        w.element(Name::dav("href"), reply.sharee);
        w.empty(Name::cs(if reply.accepted { "invite-accepted" } else { "invite-declined" }));
        host(reply.host, w);
        w.element(Name::cs("in-reply-to"), reply.in_reply_to);
        reply.summary.iter().for_each(|summary| w.element(Name::cs("summary"), summary));
    })
}

fn host(path: &str, w: &mut Writer) {
    w.inside(Name::cs("hosturl"), |w| w.element(Name::dav("href"), path));
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Created,
    /// It is another, and in what, where that is told.
    Updated(Vec<Changed>),
    /// It is no more.
    Deleted(Farewell),
}

impl What {
    /// The element that says so, in the order of the counts of a collection.
    const fn element(&self) -> Name {
        match self {
            Self::Created => KINDS[0].0,
            Self::Updated(_) => KINDS[1].0,
            Self::Deleted(_) => KINDS[2].0,
        }
    }
}

/// What can happen to an object, and how a collection counts that.
const KINDS: [(Name, Name); 3] = [
    (Name::cs("created"), Name::cs("child-created")),
    (Name::cs("updated"), Name::cs("child-updated")),
    (Name::cs("deleted"), Name::cs("child-deleted")),
];
const CHANGE: Name = Name::cs("resource-change");
const CHANGES: Name = Name::cs("collection-changes");
const BY: Name = Name::cs("changed-by");
const HREF: Name = Name::dav("href");
/// Changes of one object, and people who made changes, that one document tells of: the last ones.
const LAST: usize = 10;

/// A change of an object in a calendar, as a person is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The path of the calendar.
    pub collection: &'a str,
    /// The path of the object.
    pub href: &'a str,
    /// What became of it.
    pub what: &'a What,
    /// Who did that, if the person may know them.
    pub by: Option<Person<'a>>,
}

/// What somebody has been told of a calendar and not dealt with yet.
#[derive(Debug, Default)]
struct Told {
    /// Changes of one object, each a whole element.
    of_one: Vec<Element>,
    /// How many objects were made, changed and deleted.
    counts: [u64; 3],
    /// Who did that, the last at the end.
    by: Vec<Element>,
}

impl Told {
    fn read(document: Option<&[u8]>) -> Self {
        let root = document.and_then(|document| parse(document).ok());
        let Some(change) = root.as_ref().and_then(|root| root.child(CHANGE)) else { return Self::default() };
        let Some(many) = change.child(CHANGES) else {
            let of_one: Vec<Element> = change.children().cloned().collect();
            let kind = |(element, _): (Name, Name)| u64::from(of_one.iter().any(|one| one.is(element)));
            let by = of_one.iter().filter_map(|one| one.child(BY).cloned()).collect();
            return Self { counts: KINDS.map(kind), by, of_one };
        };
        let count = |(_, name): (Name, Name)| {
            many.child(name).and_then(|n| n.text().trim().parse().ok()).unwrap_or(0)
        };
        Self { of_one: Vec::new(), counts: KINDS.map(count), by: many.all(BY).cloned().collect() }
    }

    /// Whether all of it is about the object at that path.
    fn is_of(&self, href: &str) -> bool {
        self.of_one.iter().all(|one| one.child(HREF).is_some_and(|told| told.text() == href))
    }
}

/// CS:resource-change: one document for each calendar and person, which tells of one object, or how much has happened in the calendar
/// since (§5.3). `before` is the document until now. None where nothing is left to tell: what was made is gone again.
#[must_use]
pub fn change(name: &str, at: Timestamp, before: Option<&[u8]>, change: &Change<'_>) -> Option<Notification> {
    let mut told = Told::read(before);
    let many = told.counts.iter().sum::<u64>() > 0 && (told.of_one.is_empty() || !told.is_of(change.href));
    let kind = change.what.element();
    let new = element(at, change);
    if many {
        for (count, (element, _)) in told.counts.iter_mut().zip(KINDS) {
            *count = count.saturating_add(u64::from(element == kind));
        }
        let who = |by: &Element| by.child(HREF).map(|href| href.text().to_owned());
        let by = new.child(BY).cloned();
        told.by.retain(|other| by.as_ref().is_none_or(|by| who(by) != who(other)));
        told.by.extend(by);
        let known: Vec<&Element> = told.by.iter().rev().take(LAST).rev().collect();
        return Some(whole(name, at, |w| {
            w.inside(CHANGES, |w| {
                w.element(HREF, change.collection);
                for by in known {
                    w.raw(&by.fragment());
                }
                for (count, (_, name)) in told.counts.iter().zip(KINDS).filter(|(count, _)| **count > 0) {
                    w.element(name, &count.to_string());
                }
            });
        }));
    }
    let was = |nth: usize| told.of_one.last().is_some_and(|one| one.is(KINDS[nth].0));
    let all: Vec<Element> = match change.what {
        What::Deleted(_) if was(0) => return None,
        What::Updated(_) if was(0) => told.of_one,
        What::Updated(_) if was(1) => told.of_one.into_iter().chain([new]).collect(),
        What::Created if was(2) => vec![element(at, &Change { what: &What::Updated(Vec::new()), ..*change })],
        _ => vec![new],
    };
    let from = all.len().saturating_sub(LAST);
    Some(whole(name, at, |w| all[from..].iter().for_each(|one| w.raw(&one.fragment()))))
}

/// CS:resource-change. It is for those eyes alone that it is written for: whoever else may read what lies in their home need not
/// be one who may read the calendar, or see what is private in it.
fn whole(name: &str, at: Timestamp, content: impl FnOnce(&mut Writer)) -> Notification {
    Notification { private: true, ..made(name, at, (CHANGE, &[]), content) }
}

/// One change as an element.
fn element(at: Timestamp, change: &Change<'_>) -> Element {
    let mut w = Writer::new(change.what.element());
    w.element(HREF, change.href);
    if let Some(by) = change.by {
        w.inside(BY, |w| {
            w.element(Name::cs("common-name"), by.name.unwrap_or(by.href));
            w.element(Name::cs("dtstamp"), &stamp(at));
            w.element(HREF, by.href);
        });
    }
    match change.what {
        What::Created => {}
        What::Updated(changes) => calendar_changes(changes, &mut w),
        What::Deleted(farewell) => w.inside(Name::cs("deleted-details"), |w| details(farewell, w)),
    }
    parse(&w.finish()).expect("what the writer writes can be read")
}

/// CS:calendar-changes (§5.3.2).
fn calendar_changes(changes: &[Changed], w: &mut Writer) {
    if changes.is_empty() {
        return;
    }
    w.inside(Name::cs("calendar-changes"), |w| {
        for changed in changes {
            w.inside(Name::cs("recurrence"), |w| recurrence(changed, w));
        }
    });
}

fn recurrence(changed: &Changed, w: &mut Writer) {
    match &changed.instance {
        None => w.empty(Name::cs("master")),
        Some(id) => w.element(Name::cs("recurrenceid"), id),
    }
    for (there, name) in [(changed.added, "added"), (changed.removed, "removed")] {
        if there {
            w.empty(Name::cs(name));
        }
    }
    if changed.properties.is_empty() {
        return;
    }
    w.inside(Name::cs("changes"), |w| {
        for (name, parameters) in &changed.properties {
            w.open_with(Name::cs("changed-property"), &[("name", name)]);
            for parameter in parameters {
                w.empty_with(Name::cs("changed-parameter"), &[("name", parameter)]);
            }
            w.close(Name::cs("changed-property"));
        }
    });
}

/// The content of CS:deleted-details (§5.3.3).
fn details(farewell: &Farewell, w: &mut Writer) {
    w.element(Name::cs("deleted-component"), &farewell.component);
    w.element(Name::cs("deleted-summary"), &farewell.summary);
    if let Some((start, tzid)) = &farewell.next {
        let name = Name::cs("deleted-next-instance");
        let tzid: Vec<(&str, &str)> = tzid.iter().map(|tzid| ("tzid", tzid.as_str())).collect();
        w.open_with(name, &tzid);
        w.text(start);
        w.close(name);
    }
    if farewell.more {
        w.empty(Name::cs("deleted-had-more-instances"));
    }
}

/// How urgent a message can be.
pub const LEVELS: [&str; 3] = ["low", "medium", "high"];

/// CS:systemstatus: what whoever runs the server has to say (caldav-notifications §5.1).
#[must_use]
pub fn status(name: &str, at: Timestamp, level: &str, text: &str) -> Notification {
    made(name, at, (Name::cs("systemstatus"), &[("type", level)]), |w| {
        w.element(Name::cs("description"), text);
    })
}

/// How full a home is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fullness<'a> {
    /// The path of the home.
    pub href: &'a str,
    /// What it takes, in hundredths of its quota.
    pub percent: u64,
}

/// CS:quota-status: how much of a home's quota is used (caldav-notifications §5.2).
#[must_use]
pub fn quota(name: &str, at: Timestamp, fullness: Fullness<'_>) -> Notification {
    let level = if fullness.percent < 100 { "warning" } else { "exceeded" };
    made(name, at, (Name::cs("quota-status"), &[]), |w| {
        w.open_with(Name::cs("quota"), &[("type", level)]);
        // The property that says it in octets.
        w.inside(Name::cs("quota-type"), |w| w.empty(Name::dav("quota-used-bytes")));
        w.element(Name::cs("quota-percent-used"), &fullness.percent.to_string());
        w.element(HREF, fullness.href);
        w.close(Name::cs("quota"));
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::model::Component;

    use super::*;

    /// The document without its declaration, root and time.
    fn content(notification: &Notification) -> String {
        let text = String::from_utf8(notification.body.to_vec()).unwrap();
        let (_, rest) = text.split_once("<CS:dtstamp>20111209T165114Z</CS:dtstamp>").unwrap();
        rest.strip_suffix("</CS:notification>").unwrap().to_owned()
    }

    fn noon() -> Timestamp {
        "2011-12-09T11:51:14-05:00".parse().unwrap()
    }

    #[test]
    fn an_invitation_has_the_elements_of_the_draft_in_their_order() {
        let organizer = Person { href: "mailto:alice@example.com", name: Some("Alice <A>") };
        let told = Invite {
            uid: "u",
            sharee: "mailto:bob@example.com",
            status: Name::cs("invite-noresponse"),
            access: Name::cs("read-write"),
            host: "/dav/calendars/alice/work/",
            organizer,
            summary: Some("Work"),
            components: Components::default().with(Component::Vevent),
        };
        let made = invite("u.xml", noon(), &told);
        assert_eq!(
            content(&made),
            "<CS:invite-notification><CS:uid>u</CS:uid><D:href>mailto:bob@example.com</D:href><CS:invite-noresponse/>\
             <CS:access><CS:read-write/></CS:access><CS:hosturl><D:href>/dav/calendars/alice/work/</D:href></CS:hosturl>\
             <CS:organizer><D:href>mailto:alice@example.com</D:href><CS:common-name>Alice &lt;A&gt;</CS:common-name>\
             </CS:organizer><CS:summary>Work</CS:summary><C:supported-calendar-component-set><C:comp name=\"VEVENT\"/>\
             </C:supported-calendar-component-set></CS:invite-notification>"
        );
        assert_eq!(
            made.kind,
            "<CS:notificationtype xmlns:CS=\"http://calendarserver.org/ns/\"><CS:invite-notification/></CS:notificationtype>"
        );
        assert!(crate::xml::parse(made.kind.as_bytes()).is_ok());
    }

    #[test]
    fn a_reply_has_the_elements_of_the_draft_in_their_order() {
        let told =
            Reply { sharee: "mailto:b@x", accepted: false, host: "/w/", in_reply_to: "u", summary: None };
        assert_eq!(
            content(&reply("r.xml", noon(), &told)),
            "<CS:invite-reply><D:href>mailto:b@x</D:href><CS:invite-declined/><CS:hosturl><D:href>/w/</D:href></CS:hosturl>\
             <CS:in-reply-to>u</CS:in-reply-to></CS:invite-reply>"
        );
    }

    fn told(what: &What, href: &str, before: Option<&Notification>) -> Option<Notification> {
        let by = Some(Person { href: "/p/", name: None });
        let told = Change { collection: "/c/", href, what, by };
        change("c.xml", noon(), before.map(|before| &before.body[..]), &told)
    }

    #[test]
    fn changes_of_one_object_are_told_one_by_one_up_to_the_last_ten() {
        let changed =
            Changed { properties: [("SUMMARY".to_owned(), BTreeSet::new())].into(), ..Changed::default() };
        let update = What::Updated(vec![changed]);
        let mut last = told(&update, "/c/a", None).unwrap();
        assert!(content(&last).contains("<CS:master"), "{}", content(&last));
        for _ in 0..20 {
            last = told(&update, "/c/a", Some(&last)).unwrap();
        }
        assert_eq!(content(&last).matches("<CS:changed-property name=\"SUMMARY\"").count(), LAST);
        let gone = told(&What::Deleted(Farewell::default()), "/c/a", Some(&last)).unwrap();
        assert!(content(&gone).contains("deleted-details") && !content(&gone).contains("updated"));
        let again = told(&What::Created, "/c/a", Some(&gone)).unwrap();
        assert!(content(&again).contains("updated") && !content(&again).contains("created"));
    }

    #[test]
    fn what_came_and_went_is_nothing_and_two_objects_are_counted() {
        let made = told(&What::Created, "/c/a", None).unwrap();
        assert_eq!(told(&What::Deleted(Farewell::default()), "/c/a", Some(&made)), None);
        let two = told(&What::Created, "/c/b", Some(&made)).unwrap();
        let three = told(&What::Deleted(Farewell::default()), "/c/a", Some(&two)).unwrap();
        assert!(
            content(&three)
                .contains("<CS:child-created>2</CS:child-created><CS:child-deleted>1</CS:child-deleted>")
        );
        assert_eq!(content(&three).matches("changed-by").count(), 2, "one author, once");
        let spoilt = Notification { body: "<x".into(), ..three };
        assert!(content(&told(&What::Created, "/c/a", Some(&spoilt)).unwrap()).contains("created"));
    }

    #[test]
    fn a_message_tells_its_level_in_both_places() {
        let made = status("m.xml", noon(), "high", "Down at 8 & back at 9");
        let text = "<CS:systemstatus type=\"high\"><CS:description>Down at 8 &amp; back at 9</CS:description></CS:systemstatus>";
        assert_eq!(content(&made), text);
        assert!(made.kind.contains("<CS:systemstatus type=\"high\"/>"), "{}", made.kind);
    }
}
