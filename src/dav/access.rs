//! Rights: how privileges are spelt, and whether a viewer has the one that is needed (RFC 3744 §3 and §5).

use crate::{
    config::Audience,
    db::Tx,
    front::is_safe,
    model::{Privilege, Privileges},
    store::{self, Calendar, Principal},
    xml::{Name, QName, Writer},
};

use super::{Cx, Refusal, Result, Target, facts};

/// The element that names a privilege.
#[must_use]
pub const fn name(privilege: Privilege) -> Name {
    match privilege {
        Privilege::All => Name::dav("all"),
        Privilege::Read => Name::dav("read"),
        Privilege::ReadFreeBusy => Name::cal("read-free-busy"),
        Privilege::Write => Name::dav("write"),
        Privilege::WriteProperties => Name::dav("write-properties"),
        Privilege::WriteContent => Name::dav("write-content"),
        Privilege::Bind => Name::dav("bind"),
        Privilege::Unbind => Name::dav("unbind"),
        Privilege::Unlock => Name::dav("unlock"),
        Privilege::ReadAcl => Name::dav("read-acl"),
        Privilege::ReadCurrentUserPrivilegeSet => Name::dav("read-current-user-privilege-set"),
        Privilege::WriteAcl => Name::dav("write-acl"),
        Privilege::ReadPrivate => Name::own("read-private"),
    }
}

/// Refuses unless `rights` hold `privilege` on the resource at `href`.
pub fn need(rights: Privileges, privilege: Privilege, href: impl Fn() -> String) -> Result<(), Refusal> {
    if rights.has(privilege) { Ok(()) } else { Err(Refusal::need(href(), privilege)) }
}

/// The same of what is in a calendar; who sees it in their own home is told that it is for them as a sharee.
pub fn need_in(of: &Calendar, privilege: Privilege, href: impl Fn() -> String) -> Result<(), Refusal> {
    need(of.rights, privilege, href).map_err(|refusal| as_seen(of, refusal))
}

fn as_seen(calendar: &Calendar, refusal: Refusal) -> Refusal {
    if calendar.bound.is_some() { refusal.of_sharee() } else { refusal }
}

/// The privilege of that name.
#[must_use]
pub fn named(element: &QName) -> Option<Privilege> {
    Privilege::ALL.into_iter().find(|privilege| *element == name(*privilege))
}

/// Refuses what the viewer's credential does not reach, before anything is looked at. All that is loaded is cut down by itself
/// as well, what a request names besides its URL included (docs/decisions/0033).
pub fn reached(cx: &Cx, verb: &str) -> Result<(), Refusal> {
    let Some(scope) = &cx.viewer.scope else { return Ok(()) };
    let own = cx.located.target.user() == Some(cx.viewer.principal.name.as_str());
    let (there, content) = match &cx.located.target {
        Target::Root | Target::Principals | Target::Homes => (true, false),
        Target::Principal(_) | Target::Home(_) => (own || !scope.is_confined(), false),
        Target::Group(_) | Target::Delegates(..) => (!scope.is_confined(), false),
        Target::Collection(_, name) | Target::Object(_, name, _) => (scope.shows(own, name), true),
    };
    if !there {
        return Err(Refusal::not_found());
    }
    let privilege = if verb == "ACL" { Privilege::WriteAcl } else { Privilege::Write };
    let may = !scope.read_only && (!scope.is_confined() || content && privilege == Privilege::Write);
    if is_safe(verb) || may { Ok(()) } else { Err(Refusal::need(cx.located.own_href(), privilege)) }
}

/// The home that the request is about or in, and what the viewer may do with it.
#[derive(Clone, Debug)]
pub struct Household {
    /// Whose it is.
    pub owner: Principal,
    /// The viewer's rights on the home itself, which all that is in it inherits.
    pub rights: Privileges,
}

/// Which resource a privilege is needed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// The one in the URL.
    Resource,
    /// The collection in the URL, or the one that its object lies in.
    Collection,
    /// The home.
    Home,
}

/// The home in the request's URL.
pub async fn household(cx: &Cx) -> Result<Household> {
    let user = cx.located.target.user().ok_or_else(Refusal::not_found)?;
    let owner = facts::owner(cx, user).await?;
    let rights = store::ace::on_home(&cx.pool, &cx.viewer, owner.id).await?;
    Ok(Household { owner, rights })
}

impl Household {
    /// The home, in which nobody else makes anything or grants anything on all of it until the transaction ends, with the
    /// viewer's rights as they are when it is held.
    pub async fn held(&self, cx: &Cx, tx: &Tx) -> Result<Self> {
        store::calendar::lock_home(tx, self.owner.id).await?;
        self.now(cx, tx).await
    }

    /// The home with the viewer's rights as they are by now: whoever waited may have lost them.
    pub async fn now(&self, cx: &Cx, tx: &Tx) -> Result<Self> {
        let rights = store::ace::on(tx, &cx.viewer, self.owner.id, 0).await?;
        Ok(Self { owner: self.owner.clone(), rights: cx.viewer.scoped(self.owner.id, rights) })
    }

    /// Refuses unless the viewer holds `privilege` on the home.
    pub fn need(&self, cx: &Cx, privilege: Privilege) -> Result<(), Refusal> {
        if self.rights.is_empty() {
            return Err(self.closed(cx, On::Home, privilege));
        }
        need(self.rights, privilege, || self.href(cx, On::Home))
    }

    /// What the viewer may do with what only the server fills in the home, if they hold `privilege` on it.
    pub fn tended(&self, cx: &Cx, on: On, privilege: Privilege) -> Result<Privileges, Refusal> {
        if self.rights.is_empty() {
            return Err(self.closed(cx, on, privilege));
        }
        let rights = self.rights.and(Privileges::TEND);
        need(rights, privilege, || self.href(cx, on))?;
        Ok(rights)
    }

    /// Whether a collection that was looked for is not there, and the viewer may be told so: who holds nothing in the home is
    /// [admitted](Self::admit) to nothing either way.
    #[must_use]
    pub const fn lacks(&self, found: Option<&Calendar>) -> bool {
        found.is_none() && !self.rights.is_empty()
    }

    /// The collection that was looked for in the home, if it is there and the viewer holds `privilege`. Who holds nothing
    /// in the home gets one answer, whether it is there or not.
    pub fn admit(
        &self,
        cx: &Cx,
        found: Option<Calendar>,
        on: On,
        privilege: Privilege,
    ) -> Result<Calendar, Refusal> {
        let held = found.as_ref().map_or(self.rights, |calendar| calendar.rights.or(self.rights));
        if held.is_empty() {
            return Err(self.closed(cx, on, privilege));
        }
        let calendar = found.ok_or_else(Refusal::not_found)?;
        let rights = match (on, &cx.located.target) {
            (On::Home, _) => self.rights,
            (On::Resource, Target::Collection(..)) => calendar.rights_on_itself(),
            _ => calendar.rights,
        };
        need(rights, privilege, || self.href(cx, on)).map_err(|refusal| as_seen(&calendar, refusal))?;
        Ok(calendar)
    }

    fn closed(&self, cx: &Cx, on: On, privilege: Privilege) -> Refusal {
        if may_know(cx, &self.owner) {
            Refusal::need(self.href(cx, on), privilege)
        } else {
            Refusal::not_found()
        }
    }

    fn href(&self, cx: &Cx, on: On) -> String {
        match (&cx.located.target, on) {
            (_, On::Home) => cx.href(&Target::Home(self.owner.name.clone())),
            (Target::Object(_, name, _), On::Collection) => {
                cx.href(&Target::Collection(self.owner.name.clone(), name.clone()))
            }
            _ => cx.located.own_href(),
        }
    }
}

/// Whether the viewer may know that somebody is here, and read their principal.
#[must_use]
pub fn may_know(cx: &Cx, who: &Principal) -> bool {
    may_know_of(cx, (who.id, &who.groups))
}

/// The same of whoever has that number and is in these groups.
#[must_use]
pub fn may_know_of(cx: &Cx, (id, groups): (i64, &[String])) -> bool {
    cx.viewer.owns(id)
        || cx.viewer.knows_all()
        || match cx.settings.privacy.principals {
            _ if cx.viewer.is_confined() => false,
            Audience::Everyone => true,
            Audience::Groups => groups.iter().any(|group| cx.viewer.principal.groups.contains(group)),
            Audience::Nobody => false,
        }
}

/// Whether the viewer may know of a group that there is: who is in it does.
#[must_use]
pub fn may_know_group(cx: &Cx, name: &str) -> bool {
    !cx.viewer.is_confined()
        && (cx.viewer.knows_all()
            || cx.settings.privacy.principals == Audience::Everyone
            || cx.viewer.principal.groups.iter().any(|group| group == name))
}

/// The groups of one of which somebody must be whom the viewer may find; `None` where that may be everybody.
#[must_use]
pub fn searchable(cx: &Cx) -> Option<Vec<String>> {
    let privacy = &cx.settings.privacy;
    match (privacy.search, privacy.principals) {
        _ if cx.viewer.is_confined() => Some(Vec::new()),
        _ if cx.viewer.knows_all() => None,
        (Audience::Everyone, Audience::Everyone) => None,
        (Audience::Nobody, _) | (_, Audience::Nobody) => Some(Vec::new()),
        (Audience::Groups, _) | (_, Audience::Groups) => Some(cx.viewer.principal.groups.clone()),
    }
}

/// Writes the privileges of DAV:current-user-privilege-set: aggregates and their parts (RFC 3744 §5.4).
pub fn write(rights: Privileges, w: &mut Writer) {
    for privilege in rights.iter().filter(|p| !p.is_abstract()) {
        w.inside(Name::dav("privilege"), |w| w.empty(name(privilege)));
    }
}

/// Writes the tree of DAV:supported-privilege-set from `privilege` downwards (RFC 3744 §5.3).
pub fn write_tree(privilege: Privilege, w: &mut Writer) {
    w.inside(Name::dav("supported-privilege"), |w| {
        w.inside(Name::dav("privilege"), |w| w.empty(name(privilege)));
        if privilege.is_abstract() {
            w.empty(Name::dav("abstract"));
        }
        w.open_with(Name::dav("description"), &[("xml:lang", "en")]);
        w.text(privilege.meaning());
        w.close(Name::dav("description"));
        privilege.parts().iter().for_each(|part| write_tree(*part, w));
    });
}
