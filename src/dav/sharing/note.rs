//! What sharers and sharees are told in their notifications: where calendars are shared by invitation, of all that changes; else of
//! what waits for an answer (caldav-sharing §5.3.2, §5.4.1).

use jiff::Timestamp;

use crate::{
    config::{Accept, Settings},
    dav::{Cx, Result, Target, target},
    db::{self, Tx},
    share::notification::{self as document, Person},
    store::{self, Answer, Calendar, Invite, Sharee, invite::Offer},
    xml::Name,
};

use super::{level::Level, props};

/// Tells everybody whose invite is another than `before`: who is new, may do something else, or is not invited any more.
pub async fn changes(cx: &Cx, tx: &Tx, calendar: &Calendar, before: &[Invite]) -> Result<()> {
    let after = store::invite::of_in(tx, calendar).await?;
    let every = cx.settings.sharing.accept == Accept::Invitation;
    let waits = |invite: &&Invite| every || (invite.answer == Answer::None && person(invite).is_some());
    if !before.iter().chain(&after).any(|invite| waits(&invite)) {
        return Ok(());
    }
    let Some(offer) = offer(tx, calendar).await? else { return Ok(()) };
    let mut told: Vec<(i64, &Invite, &str)> = Vec::new();
    for invite in after.iter().filter(waits) {
        let old = before.iter().find(|old| old.uid == invite.uid);
        let asked = |old: &Invite| old.answer != Answer::None && invite.answer == Answer::None;
        if old.is_none_or(|old| old.privileges != invite.privileges || asked(old)) {
            told.extend(person(invite).map(|id| (id, invite, props::status(invite))));
        }
    }
    let gone = before.iter().filter(waits).filter(|old| !after.iter().any(|invite| invite.uid == old.uid));
    // Who is invited in another way by now has heard of that.
    let gone = gone.filter(|old| !after.iter().any(|invite| person(invite) == person(old)));
    told.extend(gone.filter_map(|old| Some((person(old)?, old, "invite-deleted"))));
    told.sort_by_key(|(id, ..)| *id);
    for (id, invite, status) in told {
        put(&cx.settings, tx, id, invite, (&offer, status)).await?;
    }
    Ok(())
}

/// Tells somebody who came of what they are invited to now.
pub async fn asked(settings: &Settings, tx: &Tx, who: i64) -> Result<(), db::Error> {
    for (invite, offer) in store::invite::asked(tx, who).await? {
        put(settings, tx, who, &invite, (&offer, props::status(&invite))).await?;
    }
    Ok(())
}

/// Tells the owner of a calendar what a sharee answered; the sharee's own notification has done its work.
pub async fn answered(cx: &Cx, tx: &Tx, calendar: &Calendar, who: i64) -> Result<()> {
    if cx.settings.sharing.accept != Accept::Invitation {
        return Ok(());
    }
    let invites = store::invite::of_in(tx, calendar).await?;
    let Some(invite) = invites.iter().find(|invite| person(invite) == Some(who)) else { return Ok(()) };
    let Some(offer) = offer(tx, calendar).await? else { return Ok(()) };
    let uid = invite.uid.to_string();
    let reply = document::Reply {
        sharee: &href(&cx.settings, invite),
        accepted: invite.answer == Answer::Accepted,
        host: &path(&cx.settings, &Target::Collection(offer.owner.clone(), offer.name.clone())),
        in_reply_to: &uid,
        summary: None,
    };
    let reply = document::reply(&format!("{uid}-reply.xml"), Timestamp::now(), &reply);
    store::notification::remove(tx, who, &format!("{uid}.xml")).await?;
    Ok(store::notification::put(tx, calendar.home_id, &reply).await?)
}

async fn put(
    settings: &Settings,
    tx: &Tx,
    who: i64,
    invite: &Invite,
    (offer, status): (&Offer, &'static str),
) -> Result<(), db::Error> {
    let uid = invite.uid.to_string();
    let owner = Target::Principal(offer.owner.clone());
    let organizer = offer.owner_email.as_deref().map_or_else(|| path(settings, &owner), props::mailto);
    let told = document::Invite {
        uid: &uid,
        sharee: &href(settings, invite),
        status: Name::cs(status),
        access: Level::of(invite.privileges).unwrap_or(Level::FreeBusy).name(),
        host: &path(settings, &Target::Collection(offer.owner.clone(), offer.name.clone())),
        organizer: Person { href: &organizer, name: offer.owner_name.as_deref() },
        summary: invite.summary.as_deref(),
        components: offer.components,
    };
    let told = document::invite(&format!("{uid}.xml"), Timestamp::now(), &told);
    store::notification::put(tx, who, &told).await
}

const fn person(invite: &Invite) -> Option<i64> {
    match invite.sharee {
        Sharee::Person(id, ..) => Some(id),
        Sharee::Group(_) | Sharee::Stranger => None,
    }
}

/// The address of a sharee; whoever reads it may have another base path than whoever wrote it.
fn href(settings: &Settings, invite: &Invite) -> String {
    props::address(invite, |target| path(settings, target))
}

fn path(settings: &Settings, target: &Target) -> String {
    target::href(settings.server.base_paths.first().map_or("/", String::as_str), target)
}

/// The calendar, as a sharee is told of it.
async fn offer(tx: &Tx, calendar: &Calendar) -> Result<Option<Offer>> {
    let name = calendar.name_at_home().to_owned();
    Ok(store::principal::by_id_in(tx, calendar.home_id).await?.map(|owner| Offer {
        owner: owner.name,
        owner_name: owner.display_name,
        owner_email: owner.email,
        name,
        components: calendar.components,
    }))
}
