//! Who is asking becomes a principal: found, made on first sight, kept up with what the proxy tells (RFC 4791 §6.2).

use std::sync::Arc;

use crate::{
    config::{Required, Settings},
    dav::{self, Refusal},
    db::{Pool, Tx},
    front::{Identity, Status},
    model::{Component, Components, Kind},
    store::{
        Known, Principal,
        principal::{self, Start},
    },
    xml::Writer,
};

type Result<T> = std::result::Result<T, crate::db::Error>;

/// The principal of a signed-in user. Only who signs in is made: never somebody whose path is looked up.
pub async fn ensure(pool: &Pool, settings: &Settings, identity: &Identity) -> dav::Result<Principal> {
    // In whatever order the proxy tells them.
    let groups = identity.groups.clone().map(|mut groups| {
        groups.sort();
        groups
    });
    let known = Known {
        subject: identity.subject.as_deref(),
        display_name: identity.name.as_deref(),
        email: identity.email.as_deref(),
        groups: groups.as_deref(),
    };
    // Nearly always the person is known and nothing is new: one read.
    let found = principal::by_name(pool, &identity.user).await?;
    if settings.identity.subject_header.name().is_some()
        && settings.identity.subject_required
        && known.subject.is_none()
        && found.as_ref().is_some_and(|principal| principal.subject.is_some())
    {
        return Err(nameless().into());
    }
    if let Some(principal) = found.as_ref().filter(|principal| known.is_told_by(principal)) {
        return Ok(principal.clone());
    }
    if let Some(principal) =
        found.filter(|p| known.subject.is_none() || known.subject == p.subject.as_deref())
    {
        // Nobody but this person is concerned.
        return Ok(pool
            .transaction(async |tx: Arc<Tx>| principal::refresh(&tx, principal.id, &known).await)
            .await?);
    }
    // From here on somebody is made, or becomes another: a bare header is not enough where tokens are asked for.
    if settings.token.required == Required::Arrive && !identity.proven {
        return Err(unproven().into());
    }
    let start = start(settings);
    Ok(pool.transaction(async |tx: Arc<Tx>| arrive(&tx, &identity.user, &known, &start).await).await?)
}

/// Who is known by a subject is not known by a name alone: a proxy may have given the name to somebody else since, and
/// there are proxies that a client can make leave a header out.
fn nameless() -> Refusal {
    Refusal::plain(Status::FORBIDDEN, "The proxy did not say plainly who is asking.")
}

/// Who is new must be proven by a token.
fn unproven() -> Refusal {
    Refusal::plain(
        Status::FORBIDDEN,
        "Nobody new is let in without a token: sign in once by the site's identity provider.",
    )
}

/// Makes or updates the principal. The subject, where there is one, is who somebody is; a name only says what they are
/// called now: who comes with a known subject and a new name is renamed, and who comes with a known name and another
/// subject is somebody new.
async fn arrive(tx: &Tx, name: &str, known: &Known<'_>, start: &[Start]) -> Result<Principal> {
    principal::one_at_a_time(tx).await?;
    if let Some(subject) = known.subject {
        let same = principal::by_subject_in(tx, subject).await?;
        let called = principal::by_name_in(tx, name).await?;
        let taken = called.as_ref().is_some_and(|p| p.subject.as_deref().is_some_and(|s| s != subject));
        // Where the subject is new and the name's owner has none yet, the two are one person from before subjects were told.
        let squatted = same.as_ref().is_some_and(|p| p.name != name) && called.is_some();
        if taken || squatted {
            tracing::warn!(
                name,
                "the name belongs to somebody else now: whoever had it keeps the calendars, without a name"
            );
            principal::vacate(tx, name, subject).await?;
        }
        if let Some(same) = same.filter(|p| p.name != name) {
            principal::rename(tx, same.id, name).await?;
        }
    }
    let there = if let Some(there) = principal::by_name_in(tx, name).await? {
        there
    } else {
        principal::create(tx, name, known, start, (EVENTS, TASKS)).await?;
        let made = principal::by_name_in(tx, name).await?;
        made.ok_or(crate::db::Error::Busy("a new principal was renamed while it was made"))?
    };
    if known.is_told_by(&there) { Ok(there) } else { principal::refresh(tx, there.id, known).await }
}

const EVENTS: &str = "calendar";
const TASKS: &str = "tasks";

/// What a new home starts with.
fn start(settings: &Settings) -> Vec<Start> {
    let only = |component| Components::default().with(component).bits();
    let any = Components::from_iter(Component::ALL).bits();
    let label = |text: &str| {
        let mut w = Writer::fragment();
        w.raw("<displayname xmlns=\"DAV:\">");
        w.text(text);
        w.raw("</displayname>");
        Some(w.into_string())
    };
    vec![
        Start {
            name: EVENTS,
            kind: Kind::Calendar,
            components: only(Component::Vevent),
            label: label(&settings.calendar.default_name),
        },
        Start {
            name: TASKS,
            kind: Kind::Calendar,
            components: only(Component::Vtodo),
            label: label(&settings.calendar.tasks_name),
        },
        Start { name: "inbox", kind: Kind::Inbox, components: any, label: None },
        Start { name: "outbox", kind: Kind::Outbox, components: any, label: None },
        Start { name: "notifications", kind: Kind::Notifications, components: 0, label: None },
    ]
}
