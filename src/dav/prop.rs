//! What a property is: one row, whose source says which facts must be loaded for it (RFC 4918 §4).

use std::{sync::Arc, time::SystemTime};

use uuid::Uuid;

use crate::{
    model::{Component, Kind, Kinds, Lock, Privilege, Privileges},
    store::{Ace, Bound, Calendar, Home, Invite, Object, Origin, Principal, Property, history::Trashed},
    xml::{Element, Name, QName, Writer},
};

use super::{Cx, Refusal, Target, chosen, delegates::Charge};

/// Whether the viewer wants to be told of changes: each has an own one of every calendar that they may read.
pub const NOTIFY: Name = Name::cs("notify-changes");

/// What was loaded of one resource. A fact that no asked-for property needs is not loaded.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What it is.
    pub target: Target,
    /// Its path, as the answer spells it.
    pub href: String,
    /// What the viewer may do with it.
    pub rights: Privileges,
    /// Of a principal: who it is.
    pub principal: Option<Principal>,
    /// Of a principal: the key of their home, if needed.
    pub key: Option<Uuid>,
    /// Of a home or a collection in one: the state of the home, if needed.
    pub home: Option<Arc<Home>>,
    /// Of a collection in a home: the collection.
    pub calendar: Option<Calendar>,
    /// Of a calendar object: the object.
    pub object: Option<Object>,
    /// Of what lies in a trash: what it was, where, and who deleted it.
    pub trashed: Option<Trashed>,
    /// Of what is kept in another home than it is seen in: what the latter says of it.
    pub bound: Option<Arc<Bound>>,
    /// The stored properties, if needed.
    pub stored: Vec<Property>,
    /// The locks on it, if needed.
    pub locks: Vec<Lock>,
    /// Of what is in a home: the entries of its access control list and of those it inherits, if needed.
    pub acl: Option<Arc<[Ace]>>,
    /// Of a group, or of delegates: the members, if needed.
    pub members: Vec<Target>,
    /// Of a principal that is the viewer's: the homes that are open to it, if needed.
    pub charges: Vec<Charge>,
    /// Of a calendar: who is invited to it, if needed.
    pub shares: Vec<Invite>,
    /// Of an inbox: what the calendars are called that new things go to, if needed.
    pub chosen: Vec<(Component, String)>,
    /// Of a calendar: how many objects the viewer sees in it, if needed.
    pub count: Option<i64>,
}

impl Facts {
    /// Of a resource of which nothing needs to be loaded.
    #[must_use]
    pub fn bare(target: Target, href: String, rights: Privileges) -> Self {
        Self {
            target,
            href,
            rights,
            principal: None,
            key: None,
            home: None,
            calendar: None,
            object: None,
            trashed: None,
            bound: None,
            stored: Vec::new(),
            locks: Vec::new(),
            acl: None,
            members: Vec::new(),
            charges: Vec::new(),
            shares: Vec::new(),
            chosen: Vec::new(),
            count: None,
        }
    }

    /// What conditional headers are held against: the entity tag without quotes, and when it changed. What has no tag is
    /// there all the same.
    #[must_use]
    pub fn state(&self) -> (String, Option<SystemTime>) {
        match (&self.object, &self.calendar) {
            (Some(object), _) => (object.etag.clone(), Some(object.modified)),
            (None, Some(calendar)) => (calendar.tag(), Some(calendar.modified)),
            (None, None) => (String::new(), None),
        }
    }

    /// The user whose it is.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        if self.bound.is_some() {
            self.origin().map(|origin| origin.owner.as_str())
        } else {
            self.target.user()
        }
    }

    /// Of what is kept in another home than it is seen in: whose it is there.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.bound.as_deref()?.origin.as_ref()
    }

    /// The kind of the resource: what is found there tells a subscription from a calendar.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match (&self.target, &self.calendar) {
            (Target::Collection(..), Some(calendar)) => calendar.kind,
            _ => self.target.kind(),
        }
    }
}

/// What must be loaded beside the resource's own row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needs(u16);

impl Needs {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The stored properties.
    pub const STORED: Self = Self(1);
    /// The state of the home.
    pub const HOME: Self = Self(2);
    /// The octets of the object.
    pub const BODY: Self = Self(4);
    /// More of an object than its name and its entity tag: kind, size, times.
    pub const DETAIL: Self = Self(32);
    /// The locks; names that only a lock reserves are there for who needs them.
    pub const LOCKS: Self = Self(16);
    /// The access control list.
    pub const ACL: Self = Self(64);
    /// The members of a group.
    pub const MEMBERS: Self = Self(128);
    /// To whom a calendar is shared.
    pub const SHARES: Self = Self(512);
    /// What the viewer keeps of a calendar that they see in the home of somebody else.
    pub const OWN: Self = Self(1024);
    /// The state of the home of a collection.
    pub const QUOTA: Self = Self(8);
    /// The calendars that new things go to.
    pub const CHOSEN: Self = Self(4096);
    /// The homes that are open to a principal.
    pub const CHARGES: Self = Self(256);
    /// How many objects there are.
    pub const COUNT: Self = Self(8192);
    /// Whose a calendar is that is seen in another home than it is kept in.
    pub const ORIGIN: Self = Self(2048);

    /// These and those.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These but not those.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether one of `other` is among these.
    #[must_use]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Writes a property's content; `None`, and nothing written, where the resource does not have it.
pub type Get = fn(&Facts, &Cx, &mut Writer) -> Option<()>;

/// Looks at a value that a client wants to set.
pub type Check = fn(&Element) -> Result<(), Refusal>;

/// Where a property's value comes from.
#[derive(Clone, Copy)]
pub enum Source {
    /// Computed from facts.
    Live(Get),
    /// Kept as it was sent; where nothing was sent, computed or absent.
    Stored(Option<Get>),
    /// The report's own rendering of the resource.
    Data,
}

/// One row of the property tables.
#[derive(Clone, Copy)]
pub struct Prop {
    /// Its name.
    pub name: Name,
    /// Which kinds of resource may have it.
    pub on: Kinds,
    /// Where its value comes from.
    pub source: Source,
    /// What must be loaded for it.
    pub needs: Needs,
    /// What a value must be that a client sets; a property that is not stored is protected.
    pub check: Option<Check>,
    /// Where only the server sets it.
    pub protected: Kinds,
    /// Whether it may be given when the resource is made, and never changed.
    pub at_creation: bool,
    /// Where it names the calendar that what is new of such a component goes to.
    pub chooses: Option<Component>,
    /// The other form of the same thing: setting or removing one of the two takes the place of what the other said.
    pub twin: Option<Name>,
    /// Whether those with whom a calendar is shared have the owner's value until they set one of their own.
    pub inherited: bool,
    /// Whether allprop gives it.
    pub allprop: bool,
    /// Where DAV:read is not enough to read it, and who may.
    pub guarded: Option<(Kinds, Privilege)>,
    /// Where it is defined.
    pub rfc: &'static str,
}

impl std::fmt::Debug for Prop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.name)
    }
}

impl Prop {
    /// A property that the server computes; protected.
    #[must_use]
    pub const fn live(name: Name, on: Kinds, get: Get, rfc: &'static str) -> Self {
        let (source, needs) = (Source::Live(get), Needs::NONE);
        let (check, at_creation, twin, inherited, allprop, guarded) = (None, false, None, false, false, None);
        let protected = Kinds::ANY;
        Self {
            name,
            on,
            source,
            needs,
            check,
            protected,
            at_creation,
            chooses: None,
            twin,
            inherited,
            allprop,
            guarded,
            rfc,
        }
    }

    /// A property that clients set and the server keeps as it was sent.
    #[must_use]
    pub const fn stored(name: Name, on: Kinds, rfc: &'static str) -> Self {
        let (source, needs) = (Source::Stored(None), Needs::STORED);
        let (check, at_creation, twin, inherited, allprop, guarded) = (None, false, None, false, false, None);
        let protected = Kinds::NONE;
        Self {
            name,
            on,
            source,
            needs,
            check,
            protected,
            at_creation,
            chooses: None,
            twin,
            inherited,
            allprop,
            guarded,
            rfc,
        }
    }

    /// A property of the inbox that names the calendar that what is new of such a component goes to.
    #[must_use]
    pub const fn chosen(name: Name, get: Get, component: Component, rfc: &'static str) -> Self {
        let inbox = Kind::Inbox.only();
        let mut prop = Self::live(name, inbox, get, rfc).needs(Needs::CHOSEN).check(chosen::check);
        prop.protected = Kinds::ANY.without(inbox);
        prop.chooses = Some(component);
        prop
    }

    /// A property that its RFC protects and the server does not have: it is not taken for a dead one.
    #[must_use]
    pub const fn absent(name: Name, rfc: &'static str) -> Self {
        Self::live(name, Kinds::NONE, |_, _, _| None, rfc)
    }

    /// A rendering that only reports give.
    #[must_use]
    pub const fn data(name: Name, rfc: &'static str) -> Self {
        let on = Kind::Object.only();
        let (source, needs) = (Source::Data, Needs::BODY);
        let (check, at_creation, twin, inherited, allprop, guarded) = (None, false, None, false, false, None);
        let protected = Kinds::ANY;
        Self {
            name,
            on,
            source,
            needs,
            check,
            protected,
            at_creation,
            chooses: None,
            twin,
            inherited,
            allprop,
            guarded,
            rfc,
        }
    }

    /// Needs these facts as well.
    #[must_use]
    pub const fn needs(mut self, needs: Needs) -> Self {
        self.needs = self.needs.or(needs);
        self
    }

    /// What it is where nobody set it.
    #[must_use]
    pub const fn or(mut self, get: Get) -> Self {
        self.source = Source::Stored(Some(get));
        self
    }

    /// Values are looked at before they are kept.
    #[must_use]
    pub const fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// There only the server sets it.
    #[must_use]
    pub const fn protected_on(mut self, kinds: Kinds) -> Self {
        self.protected = kinds;
        self
    }

    /// It may be given when the resource is made, and never changed.
    #[must_use]
    pub const fn at_creation(mut self) -> Self {
        self.at_creation = true;
        self
    }

    /// That property is the other form of the same thing.
    #[must_use]
    pub const fn twin(mut self, twin: Name) -> Self {
        self.twin = Some(twin);
        self
    }

    /// Those with whom a calendar is shared have the owner's until they set their own.
    #[must_use]
    pub const fn inherited(mut self) -> Self {
        self.inherited = true;
        self
    }

    /// It is given with allprop (RFC 4918 §9.1: what is defined there; others say that theirs are not).
    #[must_use]
    pub const fn allprop(mut self) -> Self {
        self.allprop = true;
        self
    }

    /// Only who holds this privilege reads it.
    #[must_use]
    pub const fn guarded(self, privilege: Privilege) -> Self {
        let on = self.on;
        self.guarded_on(on, privilege)
    }

    /// There only who holds this privilege reads it.
    #[must_use]
    pub const fn guarded_on(mut self, on: Kinds, privilege: Privilege) -> Self {
        self.guarded = Some((on, privilege));
        self
    }

    /// The privilege that the viewer lacks to read it.
    #[must_use]
    pub fn lacking(&self, facts: &Facts) -> Option<Privilege> {
        let (on, privilege) = self.guarded?;
        (on.has(facts.kind()) && !facts.rights.has(privilege)).then_some(privilege)
    }

    /// Whether a client may not set it there.
    #[must_use]
    pub const fn is_protected(&self, kind: Kind) -> bool {
        self.protected.has(kind) || self.at_creation
    }

    /// Writes the whole property of a resource, its element included, unless the resource does not have it.
    pub fn write(&self, facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
        match self.source {
            // What somebody stored is there, wherever it is, as any dead property.
            Source::Stored(otherwise) => write_dead(&self.name, facts, w).or_else(|| {
                otherwise
                    .filter(|_| self.on.has(facts.kind()))
                    .and_then(|get| self.element(get, facts, cx, w))
            }),
            Source::Live(get) if self.on.has(facts.kind()) && self.lacking(facts).is_none() => {
                self.element(get, facts, cx, w)
            }
            Source::Live(_) | Source::Data => None,
        }
    }

    fn element(&self, get: Get, facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
        let mark = w.len();
        w.open(self.name);
        if get(facts, cx, w).is_none() {
            w.rewind(mark);
            return None;
        }
        w.close(self.name);
        Some(())
    }
}

/// Writes a stored property of a resource, if it has it.
pub fn write_dead<N>(name: &N, facts: &Facts, w: &mut Writer) -> Option<()>
where
    QName: PartialEq<N>,
{
    let property = facts.stored.iter().find(|p| p.name == *name)?;
    w.raw(&property.value);
    Some(())
}
