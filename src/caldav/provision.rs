//! Who is asking becomes a principal: found, made on first sight, kept up with what the proxy tells (RFC 4791 §6.2).

use std::sync::Arc;

use crate::{
    config::{Audience, Required, Settings},
    dav::{self, Cx, Refusal, sharing},
    db::{self, Pool, Tx},
    front::{Identity, Recognition, Status, user_of},
    model::{Component, Components, Kind},
    observe::metrics,
    store::{
        Known, Principal,
        audit::Party,
        invite,
        principal::{self, Start},
    },
    xml::Writer,
};

use super::membership;

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
        spare_email: identity.spare_email.as_deref(),
        groups: groups.as_deref(),
    };
    let who = Who {
        name: &identity.user,
        recognition: identity.recognition,
        proven: identity.proven || identity.recognition.token != Required::Arrive,
    };
    // A credential is somebody's for good. It tells nothing new of anybody, and makes nobody.
    if let Some(scope) = &identity.scope {
        let whose = principal::by_credential(pool, who.name, scope.person).await?;
        let whose = whose.ok_or_else(not_theirs)?;
        who.admit(&known, &whose)?;
        return Ok(whose);
    }
    // Nearly always the person is known and nothing is new: one read.
    if let Some(found) = principal::by_name(pool, who.name).await?.filter(|p| may_be(&known, p)) {
        who.admit(&known, &found)?;
        if settings.server.read_only
            || known.is_told_by(&found)
            || is_all_but_the_address(pool, &known, &found).await?
        {
            return Ok(found);
        }
    }
    if settings.server.read_only {
        return Err(read_only().into());
    }
    let start = start(settings);
    pool.transaction(async |tx: Arc<Tx>| {
        let here = who.arrive(&tx, known, &start).await?;
        meet(&tx, settings, &here).await?;
        Ok(here)
    })
    .await
}

/// What is shared with a person, by address or through groups, is in their home and nothing else is.
pub async fn meet(tx: &Tx, settings: &Settings, who: &Principal) -> Result<(), db::Error> {
    let anywhere = settings.privacy.principals == Audience::Everyone;
    // Of those whom nobody may know nobody is in a group with anybody.
    let hidden = settings.privacy.principals == Audience::Nobody;
    let who = if hidden { &Principal { email: None, ..who.clone() } } else { who };
    invite::meet(tx, who, sharing::first(settings), anywhere).await?;
    sharing::note::asked(settings, tx, who.id).await
}

/// Whether somebody with that address may be made when somebody first mentions it.
pub fn is_local(settings: &Settings, address: &str) -> bool {
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    let mut domains = settings.identity.local_domains.iter();
    domains.any(|local| local.eq_ignore_ascii_case(domain))
}

/// How many people are made by one request.
const MOST_MENTIONED: usize = 50;

/// Makes those of these local addresses who are not here, unless their name is somebody's already or nobody may be known.
pub async fn mention(cx: &Cx, addresses: &[String]) -> dav::Result<()> {
    if cx.settings.privacy.principals != Audience::Everyone {
        return Ok(());
    }
    let start = &start(&cx.settings);
    for address in addresses.iter().take(MOST_MENTIONED) {
        let Some(name) = user_of(&cx.settings.identity, address) else { continue };
        if principal::by_email(&cx.pool, address).await?.is_some() {
            continue;
        }
        let name = name.as_str();
        cx.pool
            .transaction(async |tx: Arc<Tx>| {
                principal::one_at_a_time(&tx).await?;
                let there = principal::by_email_in(&tx, address).await?.is_some()
                    || principal::by_name_in(&tx, name).await?.is_some();
                if !there {
                    let known = Known { email: Some(address), ..Known::default() };
                    principal::create(&tx, name, &known, start, (EVENTS, TASKS)).await?;
                    metrics::provisioned();
                    // Others may have awaited them, before their domain was known to be a local one.
                    if let Some(made) = principal::by_name_in(&tx, name).await? {
                        meet(&tx, &cx.settings, &made).await?;
                    }
                }
                Ok::<_, dav::Error>(())
            })
            .await?;
    }
    Ok(())
}

/// Makes somebody of whom nobody has heard yet, with the home that everybody begins with; the name is as the front spells it.
pub async fn found(tx: &Tx, settings: &Settings, name: &str, known: Known<'_>) -> Result<(), db::Error> {
    principal::create(tx, name, &known, &start(settings), (EVENTS, TASKS)).await
}

/// What is answered to whoever would change something while nothing is changed.
pub fn read_only() -> Refusal {
    let why = "Nothing can be changed here for the time being. Please try again later.";
    Refusal::plain(Status::SERVICE_UNAVAILABLE, why)
}

/// Whether nothing is new but an address that leads to somebody else: it is passed over without a transaction.
async fn is_all_but_the_address(pool: &Pool, known: &Known<'_>, found: &Principal) -> dav::Result<bool> {
    let Some(address) = known.email.or(known.spare_email) else { return Ok(false) };
    let without = Known { email: None, spare_email: None, ..*known };
    let others = |p: Principal| p.id != found.id;
    Ok(without.is_told_by(found) && principal::by_email(pool, address).await?.is_some_and(others))
}

/// Who is new must be proven by a token.
fn unproven() -> Refusal {
    Refusal::plain(
        Status::FORBIDDEN,
        "Nobody new is let in without a token: sign in once by the site's identity provider.",
    )
}

/// A credential and a name that belong to two people, or to nobody.
fn not_theirs() -> Refusal {
    tracing::warn!("a credential was refused: nobody of that name has it");
    Refusal::plain(Status::FORBIDDEN, "This password is not of anybody who is called so.")
}

/// Whether the bearer of the name can be who comes: two subjects are two persons.
fn may_be(known: &Known<'_>, called: &Principal) -> bool {
    known.subject.is_none() || called.subject.is_none() || called.subject.as_deref() == known.subject
}

/// Who comes, and by which rules it is told who that is.
struct Who<'a> {
    name: &'a str,
    recognition: Recognition,
    proven: bool,
}

impl Who<'_> {
    /// Refuses who is disabled, and who is known by a subject that the proxy does not tell: it may have given the name to
    /// somebody else since, and there are proxies that a client can make leave a header out.
    fn admit(&self, known: &Known<'_>, same: &Principal) -> Result<(), Refusal> {
        if same.disabled {
            tracing::info!("a disabled person was refused");
            return Err(Refusal::plain(Status::FORBIDDEN, "This account is disabled."));
        }
        if same.subject.is_some() && known.subject.is_none() && !self.recognition.by_name {
            tracing::warn!("somebody known by a subject was refused: the proxy told none");
            return Err(Refusal::plain(Status::FORBIDDEN, "The proxy did not say plainly who is asking."));
        }
        Ok(())
    }

    /// Finds, makes or updates the principal. The subject, where there is one, is who somebody is; a name only says what they
    /// are called now: who comes with a known subject and a new name is renamed, and who comes with a known name and another
    /// subject is somebody new.
    async fn arrive(&self, tx: &Tx, mut known: Known<'_>, start: &[Start]) -> dav::Result<Principal> {
        principal::one_at_a_time(tx).await?;
        let called = principal::by_name_in(tx, self.name).await?;
        let same = self.same(tx, &known, called.as_ref()).await?;
        if let Some(same) = &same {
            self.admit(&known, same)?;
        }
        // Where somebody is made, or becomes another, a bare header is not enough if tokens are asked for.
        let as_before = |same: &Principal| {
            same.name == self.name && (known.subject.is_none() || same.subject.as_deref() == known.subject)
        };
        if !self.proven && !same.as_ref().is_some_and(as_before) {
            return Err(unproven().into());
        }
        if let Some(called) = called.filter(|p| same.as_ref().is_none_or(|same| same.id != p.id)) {
            tracing::warn!(
                "the name belongs to somebody else now: whoever had it keeps the calendars, without a name"
            );
            principal::vacate(tx, called.id, known.email.or(known.spare_email)).await?;
        }
        self.settle_address(tx, &mut known, same.as_ref()).await?;
        let Some(same) = same else {
            principal::create(tx, self.name, &known, start, (EVENTS, TASKS)).await?;
            metrics::provisioned();
            let made = principal::by_name_in(tx, self.name).await?;
            let made = made.ok_or(db::Error::Busy("a new principal was renamed while it was made"))?;
            membership::changed(tx, &Party::proxy(), &[], &made).await?;
            return Ok(made);
        };
        if same.name != self.name {
            principal::rename(tx, same.id, self.name).await?;
            membership::renamed(tx, Party::proxy(), &same, self.name).await?;
        }
        let now = principal::refresh(tx, same.id, &known).await?;
        membership::changed(tx, &Party::proxy(), &same.groups, &now).await?;
        Ok(now)
    }

    /// The principal that who comes is: by subject, by name, and by address if the settings say so.
    async fn same(
        &self,
        tx: &Tx,
        known: &Known<'_>,
        called: Option<&Principal>,
    ) -> dav::Result<Option<Principal>> {
        if let Some(subject) = known.subject
            && let Some(same) = principal::by_subject_in(tx, subject).await?
        {
            return Ok(Some(same));
        }
        if let Some(called) = called.filter(|p| may_be(known, p)) {
            return Ok(Some(called.clone()));
        }
        match known.email {
            // A subject will say who it is from now on: without one, the next name would be somebody else again.
            Some(email) if self.recognition.by_email && known.subject.is_some() => {
                let same = principal::by_email_in(tx, email).await?;
                if same.is_some() {
                    tracing::warn!(
                        "somebody with another subject and name was recognised by the e-mail address"
                    );
                }
                Ok(same)
            }
            _ => Ok(None),
        }
    }

    /// Leaves an address out that leads to somebody else: no sign-in takes over what is sent to another. A new person with
    /// such an address is refused, for most likely it is the old one, whose calendars an empty home would hide.
    async fn settle_address(
        &self,
        tx: &Tx,
        known: &mut Known<'_>,
        same: Option<&Principal>,
    ) -> dav::Result<()> {
        let Some(address) = known.email.or(known.spare_email) else { return Ok(()) };
        let owner = principal::by_email_in(tx, address).await?;
        if owner.is_none_or(|owner| same.is_some_and(|same| same.id == owner.id)) {
            return Ok(());
        }
        if same.is_none() && known.email.is_some() && !self.recognition.shared_email {
            tracing::warn!("a new person was refused: somebody else has the e-mail address");
            let why = "The e-mail address that the proxy told belongs to somebody else here.";
            return Err(Refusal::plain(Status::FORBIDDEN, why).into());
        }
        tracing::warn!("the e-mail address was passed over: somebody else has it");
        (known.email, known.spare_email) = (None, None);
        Ok(())
    }
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
