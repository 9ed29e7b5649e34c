//! The documents of notifications, each with the property that tells its kind (caldav-notifications §4 and §5, caldav-sharing §6).

use jiff::Timestamp;

use crate::{
    model::Components,
    store::Notification,
    xml::{Name, Writer},
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
    Notification { name: name.to_owned(), kind: told.into_string(), body: w.finish() }
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

#[cfg(test)]
mod tests {
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
}
