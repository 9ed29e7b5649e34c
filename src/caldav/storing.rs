//! What becomes of an object that is to be stored, whatever request brings it: what it is (pure), and storing it in a
//! transaction that holds its calendar (RFC 4791 §5.3.2). docs/decisions/0021 says what is rewritten.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    config::Settings,
    dav::{
        Cx, Refusal, Result, Target,
        access::{self, Household, On},
        condition::{
            MAX_ATTENDEES_PER_INSTANCE, MAX_INSTANCES, MAX_RESOURCE_SIZE, MAX_RESOURCES, NO_UID_CONFLICT,
            SUPPORTED_CALENDAR_COMPONENT, SUPPORTED_RSCALE, VALID_ACCESS_RESTRICTION, VALID_CALENDAR_DATA,
            VALID_CALENDAR_OBJECT_RESOURCE, VALID_ORGANIZER,
        },
        destination::Destination,
        guard::{Guard, Now, Touch},
        seen as sight, sharing,
        target::is_ours,
    },
    db::Tx,
    front::Status,
    ical::{
        self, Budget, Fault, Limits,
        edit::{Sanitizer, repair, sanitize},
    },
    model::{Component, Components, Kind, Lock, Privilege, Privileges},
    store::{
        self, Author, Calendar, Object, Put,
        object::{self, Before},
    },
};

use super::{form::Form, index, limits, seen, told::Told};

/// An object that may be stored.
#[derive(Clone, Debug)]
pub struct Understood {
    /// What is to be stored.
    pub put: Put,
    /// Whether that is what was sent, octet for octet: if not, whoever sent it gets no tag (RFC 4791 §5.3.4).
    pub as_sent: bool,
}

/// The object that the octets are, to be stored under that name, with its place in the index; nothing of this needs the
/// database.
pub fn understood(settings: &Settings, name: &str, form: Form, octets: Bytes) -> Result<Understood, Refusal> {
    let limits = &settings.calendar;
    let sent = form.read(octets)?;
    let most =
        Limits { max_instances: limits.max_instances as usize, max_attendees: limits.max_attendees as usize };
    let about = ical::object(&sent, &most).map_err(|fault| refused(&fault))?;
    if let Some(why) = ical::access::fault(&sent) {
        return Err(VALID_ACCESS_RESTRICTION.because(why));
    }
    if about.uid.len() > LONGEST_UID {
        let why = format!("a UID has at most {LONGEST_UID} octets");
        return Err(VALID_CALENDAR_OBJECT_RESOURCE.because(why));
    }
    let rewritten = rewritten(settings, &sent);
    let as_sent = form == Form::Ical && rewritten.is_none();
    let calendar = rewritten.unwrap_or(sent);
    let body = calendar.bytes().clone();
    if body.len() > limits.max_resource_size.0 {
        return Err(
            MAX_RESOURCE_SIZE.because(format!("an object has at most {} octets", limits.max_resource_size))
        );
    }
    let (index, times) = index::place(settings, &calendar);
    limits::in_time(settings, &index)?;
    let put = Put {
        name: name.to_owned(),
        uid: about.uid,
        component: about.component,
        etag: etag(&body),
        access: seen::code(&calendar),
        times,
        index,
        body,
    };
    Ok(Understood { put, as_sent })
}

/// What is stored in the place of an object, if the site wants it otherwise than it came.
fn rewritten(settings: &Settings, sent: &ical::Calendar) -> Option<ical::Calendar> {
    let wanted = &settings.rewrite;
    let unwanted = Sanitizer {
        inline: wanted.strip_inline,
        description: *wanted.description_bytes,
        summary: *wanted.summary_bytes,
        attendees: wanted.attendees,
    };
    let sanitized = sanitize(sent, &unwanted);
    if !wanted.contradictions {
        return sanitized;
    }
    // What cannot be told stays as it is: it is valid.
    let repaired = repair(sanitized.as_ref().unwrap_or(sent), &Budget::new(PER_OBJECT)).ok().flatten();
    repaired.map(|repaired| repaired.calendar).or(sanitized)
}

/// The precondition that an object fails (RFC 4791 §5.3.2.1).
fn refused(fault: &Fault) -> Refusal {
    let condition = match fault {
        Fault::Data(_) => VALID_CALENDAR_DATA,
        Fault::Resource(_) => VALID_CALENDAR_OBJECT_RESOURCE,
        Fault::Component(..) => SUPPORTED_CALENDAR_COMPONENT,
        Fault::Instances(..) => MAX_INSTANCES,
        Fault::Rscale(_) => SUPPORTED_RSCALE,
        Fault::Attendees(..) => MAX_ATTENDEES_PER_INSTANCE,
    };
    condition.because(fault.to_string())
}

/// Octets of a UID: the index that keeps it unique takes no longer ones. RFC 7986 §5.3 makes them of 255 at most.
const LONGEST_UID: usize = 1024;
/// What looking for contradictions in an object may cost, in units of [`Budget`].
const PER_OBJECT: u64 = 200_000;

/// The entity tag of octets: the same octets have the same tag, wherever they lie.
pub fn etag(body: &[u8]) -> String {
    Sha256::digest(body)[..16].iter().fold(String::with_capacity(32), |mut tag, octet| {
        for nibble in [octet >> 4, octet & 15] {
            tag.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        tag
    })
}

/// The organizers of a meeting; what nobody else attends is none.
fn organizers(body: Bytes) -> Vec<String> {
    let Ok(calendar) = ical::Calendar::parse(body) else { return Vec::new() };
    let meetings = calendar.components().filter(|component| component.property("ATTENDEE").is_some());
    let named = meetings.filter_map(|meeting| meeting.property("ORGANIZER"));
    named.map(|organizer| organizer.value().into_owned()).collect()
}

/// What storing an object did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// There was none of its name.
    Made,
    /// It stands in the place of the one that was there.
    Replaced,
}

/// What became of an object that was sent.
#[derive(Clone, Debug)]
pub struct Done {
    /// What storing it did.
    pub stored: Stored,
    /// What the sender reads of it, where that need not be what was to be stored: the calendar is somebody else's.
    pub other: Option<Understood>,
}

/// The calendar that objects are stored in: the one that the request names or whose member it names, locked until the
/// transaction ends. Any number of objects can be stored, and a refusal of one leaves the others be.
pub struct Shelf<'a> {
    cx: &'a Cx,
    tx: &'a Tx,
    calendar: Calendar,
    locks: Vec<Lock>,
    author: Author,
    told: Mutex<Vec<Told>>,
}

impl<'a> Shelf<'a> {
    /// Locks it, in that home.
    pub async fn lock(cx: &'a Cx, tx: &'a Tx, house: &Household) -> Result<Self> {
        let (Target::Collection(_, name) | Target::Object(_, name, _)) = &cx.located.target else {
            return Err(Refusal::not_found().into());
        };
        let found = store::calendar::lock(tx, &cx.viewer, house.owner.id, name).await?;
        Self::of(cx, tx, house, found).await
    }

    /// The one that was found and locked, if the viewer may change something in it at all; who may not is not told what is
    /// there.
    pub async fn of(cx: &'a Cx, tx: &'a Tx, house: &Household, found: Option<Calendar>) -> Result<Self> {
        if house.lacks(found.as_ref()) {
            // RFC 4918 §9.7.1: no collection comes into being on the way.
            return Err(Refusal::plain(Status::CONFLICT, "there is no such calendar").into());
        }
        let rights = found.as_ref().map_or(Privileges::NONE, |calendar| calendar.rights);
        let known = [Privilege::WriteContent, Privilege::Read].into_iter().find(|p| rights.has(*p));
        let calendar = house.admit(cx, found, On::Collection, known.unwrap_or(Privilege::Bind))?;
        let locks = store::lock::of_in(tx, &calendar).await?;
        Ok(Self { cx, tx, calendar, locks, author: cx.author(), told: Mutex::default() })
    }

    /// The calendar.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Who writes to it.
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// The locks on it and its members.
    pub fn locks(&self) -> &[Lock] {
        &self.locks
    }

    /// The request.
    pub fn cx(&self) -> &'a Cx {
        self.cx
    }

    /// The transaction.
    pub fn tx(&self) -> &'a Tx {
        self.tx
    }

    /// Stores an object, if what is there is in the state that `guard` expects and the calendar takes it.
    pub async fn store(&self, object: &Understood, guard: &Guard) -> Result<Done> {
        let (put, lens) = (&object.put, sight::of(self.cx, &self.calendar));
        let before = object::before_put(self.tx, &self.calendar, &put.name, &put.uid).await?;
        if !lens.own {
            return self.store_theirs(object, guard, &before, lens).await;
        }
        let there = before.object.as_ref().map(|(object, _)| object);
        self.may_store(&put.name, there.is_some())?;
        guard.permits(&self.now(there), self.touched(&[Touch::Member(&put.name), Touch::Calendar], there))?;
        self.fits(Components::default().with(put.component), &put.name)?;
        self.no_uid_conflict(&before, put)?;
        self.owner_organizes(put, &before).await?;
        if there.is_none() {
            self.room().await?;
        }
        self.write(put, &before).await?;
        let stored = if there.is_none() { Stored::Made } else { Stored::Replaced };
        Ok(Done { stored, other: None })
    }

    /// Brings back a deleted object, all of it, for one who sees it whole; says whether it took the place of what it had become.
    pub async fn restore(&self, object: &Understood, guard: &Guard, to: &Destination) -> Result<bool> {
        let put = &object.put;
        let before = object::before_put(self.tx, &self.calendar, &put.name, &put.uid).await?;
        let sight = sight::named_in(self.cx, self.tx, &self.calendar, &put.name).await?;
        self.may_take(&sight, guard, &put.name)?;
        to.may_replace(before.object.is_some())?;
        self.fits(Components::default().with(put.component), &put.name)?;
        self.no_conflict(&before, &put.uid).await?;
        if before.object.is_none() {
            self.room().await?;
        }
        self.write(put, &before).await?;
        Ok(before.object.is_some())
    }

    /// Writes what may be stored, if there is room for its octets.
    async fn write(&self, put: &Put, before: &Before) -> Result<()> {
        limits::in_quota(self.cx, self.tx, self.calendar.home_id, put.octets() - before.octets()).await?;
        let old = if self.calendar.watched { self.whole(&put.name).await? } else { None };
        object::put(self.tx, &self.calendar, put, before, &self.author).await?;
        if self.calendar.watched {
            self.note(Told::stored(&put.name, old.as_ref(), &put.body));
        }
        Ok(())
    }

    /// Remembers that a member is about to go.
    pub async fn going(&self, name: &str) -> Result<()> {
        if self.calendar.watched
            && let Some(octets) = self.whole(name).await?
        {
            self.note(Some(Told::gone(name, &octets)));
        }
        Ok(())
    }

    async fn whole(&self, name: &str) -> Result<Option<Bytes>> {
        Ok(object::whole_in(self.tx, &self.calendar, name).await?.and_then(|object| object.body))
    }

    /// Remembers what others are to be told.
    pub(super) fn note(&self, told: Option<Told>) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
    }

    /// The calendar, and what others are to be told when all is written.
    pub fn told(self) -> (Calendar, Vec<Told>) {
        (self.calendar, self.told.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The calendar's path.
    pub fn own_href(&self) -> String {
        let user = self.cx.located.target.user().unwrap_or_default().to_owned();
        self.cx.href(&Target::Collection(user, self.calendar.name.clone()))
    }

    /// That another object has the UID; names are for those who may list them.
    pub fn conflict(&self, name: &str) -> Refusal {
        if self.calendar.rights.has(Privilege::Read) {
            NO_UID_CONFLICT.at(self.href(name))
        } else {
            NO_UID_CONFLICT.into()
        }
    }

    /// The path of its member of that name.
    pub fn href(&self, name: &str) -> String {
        let user = self.cx.located.target.user().unwrap_or_default().to_owned();
        self.cx.href(&Target::Object(user, self.calendar.name.clone(), name.to_owned()))
    }

    /// RFC 3744 Appendix B: the content of what is there is the object's, what is new is the calendar's.
    pub fn may_store(&self, name: &str, there: bool) -> Result<(), Refusal> {
        if there {
            return self.need(Some(name), &[Privilege::WriteContent]);
        }
        self.may_add()
    }

    /// Whether anything may be added.
    pub fn may_add(&self) -> Result<(), Refusal> {
        self.need(None, &[Privilege::Bind])
    }

    /// Refuses unless the viewer holds all of these on the member of that name, or on the calendar itself.
    pub fn need(&self, member: Option<&str>, all: &[Privilege]) -> Result<(), Refusal> {
        let href = || member.map_or_else(|| self.own_href(), |name| self.href(name));
        all.iter().try_for_each(|privilege| access::need_in(&self.calendar, *privilege, href))
    }

    /// How it is, with the member that a request is about.
    pub fn now<'b>(&'b self, there: Option<&'b Object>) -> Now<'b> {
        Now { calendar: &self.calendar, object: there, locks: &self.locks }
    }

    /// What of a member and then the calendar is touched by storing the member: a name that is there, if only reserved by a
    /// lock, makes the calendar no other.
    pub fn touched<'b>(&self, both: &'b [Touch<'b>; 2], there: Option<&Object>) -> &'b [Touch<'b>] {
        let Touch::Member(name) = both[0] else { return both };
        let new = there.is_none() && !self.locks.iter().any(|lock| lock.reserves(name));
        &both[..=usize::from(new)]
    }

    /// Refuses a member of a kind that the calendar does not take.
    pub fn fits(&self, kinds: Components, name: &str) -> Result<(), Refusal> {
        if self.calendar.kind != Kind::Calendar {
            return Err(Refusal::need(self.href(name), Privilege::Bind));
        }
        let mut others = kinds.iter().filter(|kind| !self.calendar.components.has(*kind));
        let Some(other) = others.next() else { return Ok(()) };
        let takes: Vec<&str> = self.calendar.components.iter().map(Component::name).collect();
        let why = format!("this calendar takes {} and no {}", takes.join(", "), other.name());
        Err(SUPPORTED_CALENDAR_COMPONENT.because(why))
    }

    /// RFC 4791 §5.3.2.1: a UID is one object's, and an object keeps the one it has.
    fn no_uid_conflict(&self, before: &Before, put: &Put) -> Result<(), Refusal> {
        if let Some(twin) = &before.twin {
            return Err(self.conflict(twin));
        }
        match &before.object {
            Some((object, _)) if object.uid != put.uid => Err(self.conflict(&object.name)),
            _ => Ok(()),
        }
    }

    /// caldav-sharing §5.5.5: whoever adds a meeting to a calendar of somebody else adds one of theirs. What is somebody else's
    /// there stays theirs.
    pub(super) async fn owner_organizes(&self, put: &Put, before: &Before) -> Result<()> {
        let owner = self.calendar.home_id;
        if !self.cx.settings.sharing.owner_organizes || self.cx.viewer.owns(owner) {
            return Ok(());
        }
        let mut organizers = organizers(put.body.clone());
        if !organizers.is_empty() && before.object.is_some() {
            let was = self.whole(&put.name).await?.map(self::organizers).unwrap_or_default();
            organizers.retain(|organizer| !was.contains(organizer));
        }
        if organizers.is_empty() {
            return Ok(());
        }
        let owner = store::principal::by_id_in(self.tx, owner).await?;
        let theirs = |organizer: &String| {
            owner.as_ref().is_some_and(|owner| match sharing::address(organizer) {
                Some(address) => {
                    owner.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(&address))
                }
                None => is_ours(self.cx, organizer)
                    .is_some_and(|located| located.target == Target::Principal(owner.name.clone())),
            })
        };
        if organizers.iter().all(theirs) {
            return Ok(());
        }
        let why = "the organizer of a meeting in a shared calendar is the owner of the calendar";
        Err(VALID_ORGANIZER.because(why).into())
    }

    /// For how many more members there is room, and for how many octets.
    pub async fn left(&self) -> Result<(i64, i64)> {
        let (settings, none) = (&self.cx.settings.calendar, i64::MAX);
        let places = match i64::from(settings.max_resources) {
            0 => none,
            most => (most - object::count(self.tx, &self.calendar).await?).max(0),
        };
        let octets = match i64::try_from(*settings.quota).unwrap_or(none) {
            0 => none,
            most => most - store::calendar::octets(self.tx, self.calendar.home_id).await?,
        };
        Ok((places, octets))
    }

    /// Refuses another member where there are as many as there may be.
    pub async fn room(&self) -> Result<()> {
        let most = i64::from(self.cx.settings.calendar.max_resources);
        if most > 0 && object::count(self.tx, &self.calendar).await? >= most {
            return Err(MAX_RESOURCES.into());
        }
        Ok(())
    }
}
