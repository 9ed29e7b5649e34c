//! What a calendar says of its sharing, in both vocabularies (caldav-sharing §5.2, draft-pot-webdav-resource-sharing §4).

// Every getter has the signature of the table, whether it can lack an answer or not.
#![allow(clippy::unnecessary_wraps)]

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    dav::{
        Cx, Prop, Target,
        prop::{Facts, Needs},
    },
    model::{Kind, Kinds, Privilege},
    store::{Answer, Calendar, Invite, Sharee},
    xml::{Name, Writer},
};

use super::level::Level;

const CALENDAR: Kinds = Kind::Calendar.only();
const DRAFT: &str = "draft-pot-webdav-resource-sharing";

/// The rows.
pub const PROPS: &[Prop] = &[
    Prop::live(Name::cs("invite"), CALENDAR, invite, "caldav-sharing §5.2.2")
        .needs(Needs::SHARES.or(Needs::ORIGIN)),
    Prop::live(Name::cs("allowed-sharing-modes"), CALENDAR, modes, "caldav-sharing §5.2.3"),
    Prop::live(Name::cs("shared-url"), CALENDAR, shared_url, "caldav-sharing §5.2.4").needs(Needs::ORIGIN),
    Prop::live(Name::dav("invite"), CALENDAR, dav_invite, DRAFT).needs(Needs::SHARES),
    Prop::live(Name::dav("share-access"), CALENDAR, share_access, DRAFT),
    Prop::live(Name::dav("share-resource-uri"), CALENDAR, share_resource_uri, DRAFT),
];

/// What of an address is escaped in a URL: what is no printable ASCII, and what means something else there (RFC 6068 §2).
const ADDRESS: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#').add(b'<').add(b'>').add(b'"');

/// The address as a URL.
#[must_use]
pub fn mailto(address: &str) -> String {
    format!("mailto:{}", utf8_percent_encode(address, ADDRESS))
}

/// What is said of a calendar that is shared beside its kind, to those who see to whom (§5.2.1).
pub fn write_kind(facts: &Facts, w: &mut Writer) {
    if facts.bound.is_none() && shared(facts).is_some() && is_sharer(facts) {
        w.empty(Name::cs("shared-owner"));
    }
}

fn shared(facts: &Facts) -> Option<&Calendar> {
    facts.calendar.as_ref().filter(|calendar| calendar.shared)
}

fn is_sharer(facts: &Facts) -> bool {
    facts.rights.has(Privilege::ReadAcl)
}

/// What the viewer may see of the invites: the sharer all but who merely is in a group, everybody else their own.
fn visible<'a>(facts: &'a Facts, cx: &'a Cx) -> impl Iterator<Item = &'a Invite> {
    let all = is_sharer(facts);
    let me =
        |invite: &Invite| matches!(invite.sharee, Sharee::Person(id, ..) if id == cx.viewer.principal.id);
    let told =
        move |invite: &&Invite| me(invite) || all && (!invite.member || invite.answer == Answer::Declined);
    facts.shares.iter().filter(told)
}

/// The address of a sharee: the one by which they were invited, else their path.
#[must_use]
pub fn address(invite: &Invite, path: impl Fn(&Target) -> String) -> String {
    match (&invite.address, &invite.sharee) {
        (Some(address), _) => mailto(address),
        (None, Sharee::Person(_, user, _)) => path(&Target::Principal(user.clone())),
        (None, Sharee::Group(name)) => path(&Target::Group(name.clone())),
        (None, Sharee::Stranger) => String::new(),
    }
}

fn href(invite: &Invite, cx: &Cx) -> String {
    address(invite, |target| cx.href(target))
}

/// What a sharee is called: as they are known here, else as the sharer calls them.
fn common_name(invite: &Invite) -> Option<&str> {
    match &invite.sharee {
        Sharee::Person(.., Some(name)) | Sharee::Group(name) => Some(name),
        Sharee::Person(..) | Sharee::Stranger => invite.common_name.as_deref(),
    }
}

/// The element that tells what became of an invite.
#[must_use]
pub fn status(invite: &Invite) -> &'static str {
    match (&invite.sharee, invite.answer) {
        (Sharee::Stranger, _) => "invite-invalid",
        (_, Answer::None) => "invite-noresponse",
        (_, Answer::Accepted) => "invite-accepted",
        (_, Answer::Declined) => "invite-declined",
    }
}

fn optional(name: Name, text: Option<&str>, w: &mut Writer) {
    if let Some(text) = text {
        w.element(name, text);
    }
}

fn invite(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let calendar = shared(facts)?;
    w.inside(Name::cs("organizer"), |w| organizer(calendar, facts, cx, w))?;
    for invite in visible(facts, cx) {
        w.inside(Name::cs("user"), |w| {
            w.element(Name::dav("href"), &href(invite, cx));
            optional(Name::cs("common-name"), common_name(invite), w);
            w.empty(Name::cs(status(invite)));
            w.inside(Name::cs("access"), |w| Level::of(invite.privileges).map(|level| level.write_access(w)));
            optional(Name::cs("summary"), invite.summary.as_deref(), w);
        });
    }
    Some(())
}

/// Who shares it: address and name, as far as they are at hand.
fn organizer(calendar: &Calendar, facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let me = &cx.viewer.principal;
    let (email, name) = match facts.origin() {
        Some(origin) => (&origin.owner_email, &origin.owner_name),
        None if me.id == calendar.home_id => (&me.email, &me.display_name),
        None => (&None, &None),
    };
    let path = cx.href(&Target::Principal(facts.owner()?.to_owned()));
    w.element(Name::dav("href"), &email.as_deref().map_or(path, mailto));
    optional(Name::cs("common-name"), name.as_deref(), w);
    Some(())
}

/// There for whoever may share it.
fn modes(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    facts.rights.has(Privilege::WriteAcl).then(|| w.empty(Name::cs("can-be-shared")))
}

/// Where it is at its owner's, of what is somebody else's.
fn shared_url(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let origin = facts.origin()?;
    w.element(Name::dav("href"), &cx.href(&Target::Collection(origin.owner.clone(), origin.name.clone())));
    Some(())
}

fn dav_invite(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    shared(facts)?;
    for invite in visible(facts, cx) {
        w.inside(Name::dav("sharee"), |w| {
            w.element(Name::dav("href"), &href(invite, cx));
            w.inside(Name::dav("prop"), |w| {
                optional(Name::dav("displayname"), common_name(invite), w);
            });
            optional(Name::dav("comment"), invite.summary.as_deref(), w);
            w.inside(Name::dav("share-access"), |w| {
                Level::of(invite.privileges).map(|level| level.write_share_access(w))
            });
            w.empty(Name::dav(status(invite)));
        });
    }
    Some(())
}

/// Whether it is shared by the viewer, or how with them.
fn share_access(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let calendar = facts.calendar.as_ref()?;
    match (calendar.shared, cx.viewer.owns(calendar.home_id)) {
        (true, true) => w.empty(Name::dav("shared-owner")),
        (false, true) => w.empty(Name::dav("not-shared")),
        (_, false) => Level::of(facts.rights)?.write_share_access(w),
    }
    Some(())
}

/// What is the same wherever it appears.
fn share_resource_uri(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.element(Name::dav("href"), &facts.calendar.as_ref()?.state.key.urn().to_string());
    Some(())
}
