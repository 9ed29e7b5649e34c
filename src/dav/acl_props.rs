//! The rows of the properties that say who somebody is and who may do what (RFC 3744 §4 and §5, RFC 5397).

// Every getter has the signature of the table, whether it can lack an answer or not.
#![allow(clippy::unnecessary_wraps)]

use crate::{
    config::Audience,
    model::{Kind, Kinds, Privilege, Privileges, Rank},
    store::{Ace, Grantee},
    xml::{Name, Writer},
};

use super::{
    Cx, Target, access, delegates,
    prop::{Facts, Needs, Prop},
};

const PRINCIPAL: Kinds = Kind::Principal.only();
const GROUP: Kinds = Kind::Group.only();
const DELEGATES: Kinds = Kind::Delegates.only();
const PRINCIPALS: Kinds = PRINCIPAL.or(GROUP).or(DELEGATES);

/// The rows.
pub const PROPS: &[Prop] = &[
    Prop::live(Name::dav("current-user-principal"), Kinds::ANY, current_user_principal, "RFC 5397 §3"),
    Prop::live(Name::dav("current-user-privilege-set"), Kinds::ANY, privileges, "RFC 3744 §5.4")
        .guarded(Privilege::ReadCurrentUserPrivilegeSet),
    Prop::live(Name::dav("owner"), Kinds::ANY, owner, "RFC 3744 §5.1").needs(Needs::ORIGIN),
    Prop::live(Name::dav("group"), Kinds::ANY, nothing, "RFC 3744 §5.2"),
    Prop::live(Name::dav("supported-privilege-set"), Kinds::ANY, supported, "RFC 3744 §5.3"),
    Prop::live(Name::dav("acl"), Kinds::ANY, acl, "RFC 3744 §5.5")
        .needs(Needs::ACL.or(Needs::ORIGIN))
        .guarded(Privilege::ReadAcl),
    Prop::live(Name::dav("acl-restrictions"), Kinds::ANY, restrictions, "RFC 3744 §5.6"),
    Prop::live(Name::dav("inherited-acl-set"), Kinds::ANY, nothing, "RFC 3744 §5.7"),
    Prop::live(Name::dav("principal-collection-set"), Kinds::ANY, principal_collections, "RFC 3744 §5.8"),
    Prop::live(Name::dav("alternate-URI-set"), PRINCIPALS, nothing, "RFC 3744 §4.1"),
    Prop::live(Name::dav("principal-URL"), PRINCIPALS, principal_url, "RFC 3744 §4.2"),
    Prop::live(Name::dav("group-member-set"), PRINCIPALS, members, "RFC 3744 §4.3")
        .needs(Needs::MEMBERS)
        .protected_on(PRINCIPAL.or(GROUP))
        .guarded_on(DELEGATES, Privilege::ReadAcl),
    Prop::live(Name::dav("group-membership"), PRINCIPALS, memberships, "RFC 3744 §4.4").needs(Needs::CHARGES),
    Prop::live(Name::cs("calendar-proxy-read-for"), PRINCIPAL, read_for, "caldav-proxy §5.3.1")
        .needs(Needs::CHARGES)
        .guarded(Privilege::ReadAcl),
    Prop::live(Name::cs("calendar-proxy-write-for"), PRINCIPAL, write_for, "caldav-proxy §5.3.2")
        .needs(Needs::CHARGES)
        .guarded(Privilege::ReadAcl),
];

fn nothing(_: &Facts, _: &Cx, _: &mut Writer) -> Option<()> {
    Some(())
}

fn href(path: &str, w: &mut Writer) {
    w.element(Name::dav("href"), path);
}

fn current_user_principal(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    href(&cx.viewer_href(), w);
    Some(())
}

/// Without what may only be said of a calendar for oneself: clients take DAV:write-properties for leave to write.
fn privileges(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let bound = facts.calendar.as_ref().filter(|calendar| calendar.bound.is_some() && facts.object.is_none());
    access::write(bound.map_or(facts.rights, |calendar| calendar.rights), w);
    Some(())
}

/// Who owns it; empty where nobody does.
fn owner(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    if let Some(user) = facts.owner() {
        href(&cx.href(&Target::Principal(user.to_owned())), w);
    }
    Some(())
}

fn supported(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    access::write_tree(Privilege::All, w);
    Some(())
}

fn restrictions(_: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.empty(Name::dav("grant-only"));
    w.empty(Name::dav("no-invert"));
    Some(())
}

fn principal_collections(_: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    href(&cx.href(&Target::Principals), w);
    Some(())
}

fn principal_url(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    href(&cx.href(&facts.target), w);
    Some(())
}

fn members(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    facts.members.iter().for_each(|member| href(&cx.href(member), w));
    Some(())
}

/// The groups of a principal that the viewer may know of, and the delegates that it is named among.
fn memberships(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    for charge in facts.charges.iter().filter(|charge| charge.direct || facts.kind() == Kind::Group) {
        href(&cx.href(&Target::Delegates(charge.owner.clone(), charge.rank)), w);
    }
    let Some(who) = facts.principal.as_ref().filter(|_| !cx.viewer.is_confined()) else { return Some(()) };
    let open = cx.viewer.owns(who.id)
        || cx.viewer.knows_all()
        || cx.settings.privacy.principals == Audience::Everyone;
    let known = who.groups.iter().filter(|group| open || cx.viewer.principal.groups.contains(group));
    known.for_each(|group| href(&cx.href(&Target::Group(group.clone())), w));
    Some(())
}

fn read_for(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    charges(facts, Rank::Read, cx, w)
}

fn write_for(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    charges(facts, Rank::Write, cx, w)
}

/// Those for whom a principal acts at that rank, in person or by a group.
fn charges(facts: &Facts, rank: Rank, cx: &Cx, w: &mut Writer) -> Option<()> {
    for owner in delegates::owners(&facts.charges, rank) {
        href(&cx.href(&Target::Principal(owner.to_owned())), w);
    }
    Some(())
}

/// What an entry says beside its principal and privileges.
enum Mark {
    None,
    Protected,
    Inherited(String),
}

fn acl(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let kind = facts.kind();
    let owner = |w: &mut Writer| w.inside(Name::dav("property"), |w| w.empty(Name::dav("owner")));
    let look = |w: &mut Writer| {
        ace(|w| w.empty(Name::dav("authenticated")), Privileges::LOOK, &Mark::Protected, w);
    };
    match kind {
        Kind::Root | Kind::Principals | Kind::Homes | Kind::Group => look(w),
        Kind::Principal => {
            ace(|w| w.empty(Name::dav("self")), Privileges::PERSONAL, &Mark::Protected, w);
            if cx.settings.privacy.principals == Audience::Everyone {
                look(w);
            }
        }
        Kind::Delegates => {
            ace(owner, Privileges::PERSONAL, &Mark::Protected, w);
            if cx.settings.privacy.principals == Audience::Everyone {
                look(w);
            }
        }
        Kind::Home | Kind::Calendar | Kind::Object => ace(owner, Privileges::ALL, &Mark::Protected, w),
        Kind::Subscribed => ace(owner, Privileges::MARK, &Mark::Protected, w),
        Kind::Inbox
        | Kind::Outbox
        | Kind::Notifications
        | Kind::Notification
        | Kind::Trash
        | Kind::DeletedObject
        | Kind::DeletedCalendar => {
            ace(owner, Privileges::TEND, &Mark::Protected, w);
        }
        // It is read by GET, and has no properties.
        Kind::FreeBusy => {}
    }
    for entry in facts.acl.iter().flat_map(|list| list.iter()) {
        let privileges = if kind == Kind::Object {
            entry.privileges
        } else {
            crate::store::ace::capped(entry.privileges, of_kind(kind))
        };
        if !privileges.is_empty() {
            ace(|w| grantee(entry, cx, w), privileges, &mark(entry, facts, cx)?, w);
        }
    }
    Some(())
}

/// Only what lies beside calendars is capped.
const fn of_kind(kind: Kind) -> Kind {
    if matches!(kind, Kind::Home) { Kind::Calendar } else { kind }
}

/// Where an entry is from, if it is not the resource's own.
fn mark(entry: &Ace, facts: &Facts, cx: &Cx) -> Option<Mark> {
    let own = match facts.kind() {
        Kind::Home => true,
        Kind::Object => false,
        _ => entry.calendar_id != 0,
    };
    if own {
        return Some(Mark::None);
    }
    let from = match &facts.target {
        Target::Object(user, name, _) if entry.calendar_id != 0 => {
            Target::Collection(user.clone(), name.clone())
        }
        _ => Target::Home(facts.owner()?.to_owned()),
    };
    Some(Mark::Inherited(cx.href(&from)))
}

fn grantee(entry: &Ace, cx: &Cx, w: &mut Writer) {
    match &entry.grantee {
        Grantee::Principal(_, name) => href(&cx.href(&Target::Principal(name.clone())), w),
        Grantee::Group(name) => href(&cx.href(&Target::Group(name.clone())), w),
        Grantee::Authenticated => w.empty(Name::dav("authenticated")),
        Grantee::All => w.empty(Name::dav("all")),
        Grantee::Owner => w.inside(Name::dav("property"), |w| w.empty(Name::dav("owner"))),
    }
}

fn ace(who: impl FnOnce(&mut Writer), privileges: Privileges, mark: &Mark, w: &mut Writer) {
    w.inside(Name::dav("ace"), |w| {
        w.inside(Name::dav("principal"), who);
        w.inside(Name::dav("grant"), |w| {
            for privilege in privileges.top().filter(|p| !p.is_abstract()) {
                w.inside(Name::dav("privilege"), |w| w.empty(access::name(privilege)));
            }
        });
        match mark {
            Mark::None => {}
            Mark::Protected => w.empty(Name::dav("protected")),
            Mark::Inherited(from) => w.inside(Name::dav("inherited"), |w| href(from, w)),
        }
    });
}
