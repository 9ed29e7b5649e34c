//! Every precondition the server can refuse with: one line each, and nothing else to touch (RFC 4918 §16).

use crate::{
    front::Status,
    model::Privilege,
    xml::{Name, Writer},
};

/// A precondition or postcondition: the element that names it, and the status it is refused with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The element in the DAV:error body.
    pub name: Name,
    /// The status of the answer.
    pub status: Status,
    /// Where it is defined.
    pub rfc: &'static str,
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $konst:ident = $ns:ident $local:literal $status:ident $rfc:literal;)+) => {
        $($(#[$doc])* pub const $konst: Condition =
            Condition { name: Name::$ns($local), status: Status::$status, rfc: $rfc };)+
        /// All of them.
        pub const ALL: &[Condition] = &[$($konst),+];
    };
}

conditions! {
    /// A PROPFIND with Depth: infinity.
    PROPFIND_FINITE_DEPTH = dav "propfind-finite-depth" FORBIDDEN "RFC 4918 §9.1";
    /// PROPPATCH of a property that only the server sets.
    CANNOT_MODIFY_PROTECTED_PROPERTY = dav "cannot-modify-protected-property" FORBIDDEN "RFC 4918 §16";
    /// What is changed is locked, and the token was not submitted by whoever took the lock.
    LOCK_TOKEN_SUBMITTED = dav "lock-token-submitted" LOCKED "RFC 4918 §16";
    /// A lock that is there excludes the new one.
    NO_CONFLICTING_LOCK = dav "no-conflicting-lock" LOCKED "RFC 4918 §16";
    /// A lock that is refreshed or given back is on the resource; 412 where it is refreshed (§9.10.6).
    LOCK_TOKEN_MATCHES_REQUEST_URI = dav "lock-token-matches-request-uri" CONFLICT "RFC 4918 §16";
    /// The viewer's rights do not suffice.
    NEED_PRIVILEGES = dav "need-privileges" FORBIDDEN "RFC 3744 §7.1.1";
    /// Two entries of an access control list are about one principal.
    NO_ACE_CONFLICT = dav "no-ace-conflict" FORBIDDEN "RFC 3744 §8.1.1";
    /// An entry would take away what the owner always has.
    NO_PROTECTED_ACE_CONFLICT = dav "no-protected-ace-conflict" FORBIDDEN "RFC 3744 §8.1.1";
    /// An entry would take away what the home grants.
    NO_INHERITED_ACE_CONFLICT = dav "no-inherited-ace-conflict" FORBIDDEN "RFC 3744 §8.1.1";
    /// More entries than a list may have.
    LIMITED_NUMBER_OF_ACES = dav "limited-number-of-aces" FORBIDDEN "RFC 3744 §8.1.1";
    /// An entry that denies stands behind one that grants.
    DENY_BEFORE_GRANT = dav "deny-before-grant" FORBIDDEN "RFC 3744 §8.1.1";
    /// Nothing can be denied here.
    GRANT_ONLY = dav "grant-only" FORBIDDEN "RFC 3744 §8.1.1";
    /// An entry cannot be about all others than somebody.
    NO_INVERT = dav "no-invert" FORBIDDEN "RFC 3744 §8.1.1";
    /// The privilege comes with another one only.
    NO_ABSTRACT = dav "no-abstract" FORBIDDEN "RFC 3744 §8.1.1";
    /// There is no such privilege.
    NOT_SUPPORTED_PRIVILEGE = dav "not-supported-privilege" FORBIDDEN "RFC 3744 §8.1.1";
    /// An entry is about nobody who is here.
    RECOGNIZED_PRINCIPAL = dav "recognized-principal" FORBIDDEN "RFC 3744 §8.1.1";
    /// Nobody can be granted anything in that way.
    ALLOWED_PRINCIPAL = dav "allowed-principal" FORBIDDEN "RFC 3744 §8.1.1";
    /// MKCOL or MKCALENDAR where something is already.
    RESOURCE_MUST_BE_NULL = dav "resource-must-be-null" METHOD_NOT_ALLOWED "RFC 4791 §5.3.1.1";
    /// MKCOL of a kind of collection that is not made here.
    VALID_RESOURCETYPE = dav "valid-resourcetype" FORBIDDEN "RFC 5689 §3.3";
    /// A REPORT that the resource does not know.
    SUPPORTED_REPORT = dav "supported-report" FORBIDDEN "RFC 3253 §3.6";
    /// A sync token that is not, or no longer, answered.
    VALID_SYNC_TOKEN = dav "valid-sync-token" FORBIDDEN "RFC 6578 §3.2";
    /// More results than were asked for, or than are given at once.
    NUMBER_OF_MATCHES_WITHIN_LIMITS = dav "number-of-matches-within-limits" INSUFFICIENT_STORAGE "RFC 3744 §9.4";
    /// More than a home may hold, or more properties or longer ones than are kept of one resource.
    QUOTA_NOT_EXCEEDED = dav "quota-not-exceeded" INSUFFICIENT_STORAGE "RFC 4331 §6";
    /// A calendar can be made only directly in a home.
    CALENDAR_COLLECTION_LOCATION_OK = cal "calendar-collection-location-ok" FORBIDDEN "RFC 4791 §5.3.1.1";
    /// What is PUT into a calendar is of type text/calendar.
    SUPPORTED_CALENDAR_DATA = cal "supported-calendar-data" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// It is iCalendar.
    VALID_CALENDAR_DATA = cal "valid-calendar-data" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// It is one calendar object.
    VALID_CALENDAR_OBJECT_RESOURCE = cal "valid-calendar-object-resource" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// The calendar takes that component.
    SUPPORTED_CALENDAR_COMPONENT = cal "supported-calendar-component" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// No other object of the calendar has its UID, and the object keeps the UID it has.
    NO_UID_CONFLICT = cal "no-uid-conflict" CONFLICT "RFC 4791 §5.3.2.1";
    /// Its recurrences are counted in a calendar that is known.
    SUPPORTED_RSCALE = cal "supported-rscale" FORBIDDEN "RFC 7529 §10";
    /// It is not too long.
    MAX_RESOURCE_SIZE = cal "max-resource-size" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// It does not happen too often.
    MAX_INSTANCES = cal "max-instances" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// Not too many take part in it.
    MAX_ATTENDEES_PER_INSTANCE = cal "max-attendees-per-instance" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// Nothing in it happens too early.
    MIN_DATE_TIME = cal "min-date-time" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// Nothing in it happens too late.
    MAX_DATE_TIME = cal "max-date-time" FORBIDDEN "RFC 4791 §5.3.2.1";
    /// What is new goes to a calendar that is kept in the home and takes it.
    VALID_DEFAULT_CALENDAR = cal "valid-schedule-default-calendar-URL" FORBIDDEN "RFC 6638 §9.2";
    /// The same of tasks.
    VALID_DEFAULT_TASKS = cs "valid-schedule-default-tasks-URL" FORBIDDEN "calendarserver";
    /// A time zone is known by its name.
    VALID_TIMEZONE = cal "valid-timezone" FORBIDDEN "RFC 7809 §5.2";
    /// The filter of a query is one.
    VALID_FILTER = cal "valid-filter" FORBIDDEN "RFC 4791 §7.8";
    /// The collation of a text-match is known.
    SUPPORTED_COLLATION = cal "supported-collation" FORBIDDEN "RFC 4791 §7.5.1";
    /// The collection has the tag that the request says it has.
    CTAG_OK = mm "ctag-ok" PRECONDITION_FAILED "calendarserver-bulk-change §6";
    /// Who is invited to a calendar does no more than they were let: said beside what lacks.
    SHAREE_PRIVILEGE_NEEDED = cs "sharee-privilege-needed" FORBIDDEN "calendarserver";
    /// The organizer of a meeting in a shared calendar is its owner.
    VALID_ORGANIZER = cs "valid-organizer" FORBIDDEN "caldav-sharing §5.5.5";
    /// Who makes an object private, or changes one that is, sees it whole.
    VALID_ACCESS_RESTRICTION_CHANGE = cs "valid-access-restriction-change" FORBIDDEN "caldav-privateevents §4.2.6";
    /// An object says who may see it in a word that is known.
    VALID_ACCESS_RESTRICTION = cs "valid-access-restriction" FORBIDDEN "caldav-privateevents §4.2.6";
    /// Nothing is put into the trash but by deleting it.
    NOT_IN_TRASH = cs "not-in-trash" FORBIDDEN "calendarserver";
    /// What is imported happens at some time.
    HAS_OCCURRENCE = own "has-occurrence" FORBIDDEN "decision 36";
    /// The home holds no more calendars than it may.
    MAX_CALENDARS = cs "max-collections" FORBIDDEN "calendarserver";
    /// The calendar holds no more objects than it may.
    MAX_RESOURCES = cs "max-resources" FORBIDDEN "calendarserver";
}

/// A constraint of the database, by the beginning of its name, in the protocol's words.
pub const BY_CONSTRAINT: &[(&str, Condition)] = &[
    ("object_uid", NO_UID_CONFLICT),
    ("bind_pkey", RESOURCE_MUST_BE_NULL),
    ("ace_grantee", NO_ACE_CONFLICT),
];

/// What a refusal says beside its condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// The resource in the way.
    Href(String),
    /// The resources in the way.
    Hrefs(Vec<String>),
    /// What lacks on which resource, and whether to who is invited to it.
    Rights(String, Privilege, bool),
    /// A sentence for the person who reads the client's log.
    Text(String),
}

/// A request that is refused because of what it asks: the client must change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: Status,
    /// The condition that is not met, where the protocol names one.
    pub condition: Option<Condition>,
    /// What is said beside it.
    pub detail: Detail,
}

impl From<Condition> for Refusal {
    fn from(condition: Condition) -> Self {
        Self { status: condition.status, condition: Some(condition), detail: Detail::None }
    }
}

impl Condition {
    /// Refused because of that resource.
    #[must_use]
    pub fn at(self, href: impl Into<String>) -> Refusal {
        Refusal { detail: Detail::Href(href.into()), ..self.into() }
    }

    /// Refused because of those resources.
    #[must_use]
    pub fn at_all(self, hrefs: Vec<String>) -> Refusal {
        Refusal { detail: Detail::Hrefs(hrefs), ..self.into() }
    }

    /// Refused, and why in words.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Refusal {
        Refusal { detail: Detail::Text(why.into()), ..self.into() }
    }
}

impl Refusal {
    /// Refused with a status that no condition names.
    #[must_use]
    pub fn plain(status: Status, why: impl Into<String>) -> Self {
        Self { status, condition: None, detail: Detail::Text(why.into()) }
    }

    /// Not there.
    #[must_use]
    pub fn not_found() -> Self {
        Self { status: Status::NOT_FOUND, condition: None, detail: Detail::None }
    }

    /// The request is malformed.
    #[must_use]
    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::plain(Status::BAD_REQUEST, why)
    }

    /// The viewer lacks `privilege` on the resource at `href`.
    #[must_use]
    pub fn need(href: impl Into<String>, privilege: Privilege) -> Self {
        Self { detail: Detail::Rights(href.into(), privilege, false), ..NEED_PRIVILEGES.into() }
    }

    /// The same, if it lacks, in a calendar that was shared with the viewer: more was never given to them.
    #[must_use]
    pub fn of_sharee(mut self) -> Self {
        if let Detail::Rights(_, _, sharee) = &mut self.detail {
            *sharee = true;
        }
        self
    }

    /// Writes the condition's element as it stands in a DAV:error; a refusal without condition writes nothing.
    pub fn write(&self, w: &mut Writer) {
        let Some(condition) = self.condition else { return };
        match &self.detail {
            Detail::None => w.empty(condition.name),
            Detail::Text(why) => w.element(condition.name, why),
            Detail::Href(href) => w.inside(condition.name, |w| w.element(Name::dav("href"), href)),
            Detail::Hrefs(hrefs) => w.inside(condition.name, |w| {
                for href in hrefs {
                    w.element(Name::dav("href"), href);
                }
            }),
            Detail::Rights(href, privilege, sharee) => {
                w.inside(condition.name, |w| {
                    w.inside(Name::dav("resource"), |w| {
                        w.element(Name::dav("href"), href);
                        w.inside(Name::dav("privilege"), |w| w.empty(super::access::name(*privilege)));
                    });
                });
                if *sharee {
                    w.empty(SHAREE_PRIVILEGE_NEEDED.name);
                }
            }
        }
    }

    /// The words of the refusal, for logs and plain answers.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &self.detail {
            Detail::Text(why) => Some(why),
            Detail::None | Detail::Href(_) | Detail::Hrefs(_) | Detail::Rights(..) => None,
        }
    }
}
