//! The kinds of resource the server has, and sets of them: what the tables say of properties, methods and reports.

/// What a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The entrance of the server.
    Root,
    /// The collection of all principals.
    Principals,
    /// One principal (RFC 3744 §2).
    Principal,
    /// The collection of all calendar homes.
    Homes,
    /// A calendar home (RFC 4791 §6.2.1).
    Home,
    /// A calendar collection (RFC 4791 §4.2).
    Calendar,
    /// A scheduling inbox (RFC 6638 §2.2).
    Inbox,
    /// A scheduling outbox (RFC 6638 §2.1).
    Outbox,
    /// The collection of notifications (caldav-notifications).
    Notifications,
    /// A calendar object resource (RFC 4791 §4.1).
    Object,
    /// A principal that stands for several (RFC 3744 §2).
    Group,
    /// The free-busy time of all that is in a home (the Freebusy Read URL of `CalConnect`).
    FreeBusy,
    /// A notification (caldav-notifications §4).
    Notification,
    /// A subscription: a bookmark of a calendar that lies elsewhere. Its URL is like a calendar's.
    Subscribed,
    /// The group of those whom a principal lets into their home (caldav-proxy §5.2).
    Delegates,
    /// The collection of what was deleted in a home.
    Trash,
    /// A deleted calendar object, which lies there.
    DeletedObject,
    /// A deleted calendar, which is one thing there: nothing lies below it.
    DeletedCalendar,
}

impl Kind {
    /// Every kind, from the root downwards.
    pub const ALL: [Self; 18] = [
        Self::Root,
        Self::Principals,
        Self::Principal,
        Self::Homes,
        Self::Home,
        Self::Calendar,
        Self::Inbox,
        Self::Outbox,
        Self::Notifications,
        Self::Object,
        Self::Group,
        Self::FreeBusy,
        Self::Notification,
        Self::Subscribed,
        Self::Delegates,
        Self::Trash,
        Self::DeletedObject,
        Self::DeletedCalendar,
    ];

    /// Its name in documents and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Principals => "principals",
            Self::Principal => "principal",
            Self::Homes => "homes",
            Self::Home => "home",
            Self::Calendar => "calendar",
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
            Self::Notifications => "notifications",
            Self::Object => "object",
            Self::Group => "group",
            Self::FreeBusy => "free-busy",
            Self::Notification => "notification",
            Self::Subscribed => "subscribed",
            Self::Delegates => "delegates",
            Self::Trash => "trash",
            Self::DeletedObject => "deleted-object",
            Self::DeletedCalendar => "deleted-calendar",
        }
    }

    /// The set of this kind alone.
    #[must_use]
    pub const fn only(self) -> Kinds {
        Kinds(1 << self as u32)
    }

    /// Whether it is a collection: its URL ends in a slash.
    #[must_use]
    pub const fn is_collection(self) -> bool {
        !matches!(self, Self::Object | Self::FreeBusy | Self::Notification) && !self.is_deleted()
    }

    /// Whether it lies in a trash.
    #[must_use]
    pub const fn is_deleted(self) -> bool {
        matches!(self, Self::DeletedObject | Self::DeletedCalendar)
    }

    /// Whether it is a trash, or lies in one.
    #[must_use]
    pub const fn is_trash(self) -> bool {
        self.is_deleted() || matches!(self, Self::Trash)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds(u32);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);
    /// Every kind that WebDAV has to do with: all but the free-busy time of a home, which is read and nothing else.
    pub const ANY: Self = Self(((1 << Kind::ALL.len()) - 1) & !Kind::FreeBusy.only().0);
    /// The members of a home.
    pub const IN_HOME: Self = Kind::Calendar
        .only()
        .or(Kind::Inbox.only())
        .or(Kind::Outbox.only())
        .or(Kind::Notifications.only())
        .or(Kind::Subscribed.only());
    /// What lies in a trash.
    pub const DELETED: Self = Kind::DeletedObject.only().or(Kind::DeletedCalendar.only());
    /// A home and its members.
    pub const HOMELY: Self = Kind::Home.only().or(Self::IN_HOME);

    /// This set and that one.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without that one.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether `kind` is in the set.
    #[must_use]
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & kind.only().0 != 0
    }

    /// The kinds of the set.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |k| self.has(*k))
    }
}
