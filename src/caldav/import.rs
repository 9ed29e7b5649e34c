//! Objects that come from another server, many at once: what becomes of each where some are there already. They are stored
//! by whoever runs the server, and nobody is told of them (docs/decisions/0034).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::{
    config::Settings,
    dav::{Error, Refusal, Result, sharing},
    db::{Pool, Tx},
    ical::{Calendar as Octets, gather::is_newer},
    model::{Component, Components, Kind},
    store::{
        self, Ace, Answer, Author, Calendar, Grantee, Guest, Invite, Property, Put, Sharee, Subject, Viewer,
        history::Action,
        invite,
        object::{self, Before},
        property,
    },
};

use super::{
    form::Form,
    storing::{etag, understood},
};

pub use crate::dav::Error as Fault;

/// An object that can be stored.
pub struct Incoming {
    put: Put,
    dead: bool,
}

/// What becomes of an object that is there already, with other octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, unless what comes is newer by SEQUENCE or LAST-MODIFIED.
    #[default]
    Newer,
    /// It stays.
    Keep,
    /// What comes takes its place.
    Replace,
}

/// What became of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was not there.
    Made,
    /// It took the place of another state of it.
    Replaced,
    /// The same octets were there.
    Unchanged,
    /// Another state of it was there, and stays.
    Kept,
    /// None of its occurrences is left.
    Dead,
    /// It cannot be stored, and why.
    Failed(String),
}

/// What a calendar that is made here is.
#[derive(Clone, Debug, Default)]
pub struct Make {
    /// What it may hold; nothing said is everything.
    pub components: Option<Components>,
    /// Its properties.
    pub properties: Vec<Property>,
    /// Which of them are set where it is there already.
    pub over: Over,
    /// Whether it is a subscription, which has no objects.
    pub subscribed: bool,
}

/// What of what is told takes the place of what is here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// Nothing.
    #[default]
    Nothing,
    /// Nothing, but what is not here at all comes along.
    Missing,
    /// All of it.
    All,
}

/// What is said of somebody to whom a calendar is shared.
pub type Share = (Guest, Answer);

/// Octets of a name.
const LONGEST: usize = 255;
/// The number of somebody whom a trial only supposes.
pub const NOBODY: i64 = 0;
/// Objects that are written at once, without waiting for one before the next is sent.
const AT_ONCE: usize = 64;

/// The object that the octets are; under that name, or one made of its UID.
///
/// # Errors
/// Why it cannot be stored.
pub fn read(settings: &Settings, name: Option<&str>, octets: Bytes) -> Result<Incoming, String> {
    let mut put = understood(settings, "", Form::Ical, octets).map_err(|refusal| why(&refusal))?.put;
    put.name = name.filter(|name| is_name(name)).map_or_else(|| of_uid(&put.uid), str::to_owned);
    let dead = is_over(&put);
    Ok(Incoming { put, dead })
}

/// Whether it is an event of which no occurrence is left.
#[must_use]
pub fn is_over(put: &Put) -> bool {
    put.component == Component::Vevent && put.index.instances.is_empty() && put.index.tail.is_none()
}

impl Incoming {
    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.put.uid
    }

    /// Its octets.
    #[must_use]
    pub fn octets(&self) -> &Bytes {
        &self.put.body
    }
}

/// Whether a member can have that name.
fn is_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.chars().any(|c| c == '/' || c.is_control())
}

/// The name of an object that comes without one: the same each time.
fn of_uid(uid: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
    if uid.len() <= 200 && !uid.starts_with('.') && uid.chars().all(plain) {
        return format!("{uid}.ics");
    }
    hashed(uid)
}

/// What stands for a text that cannot be the name of a file.
#[must_use]
pub fn fingerprint(text: &str) -> String {
    etag(text.as_bytes())
}

/// A name that nothing has.
#[must_use]
pub fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn hashed(uid: &str) -> String {
    format!("{}.ics", etag(uid.as_bytes()))
}

/// A refusal, for people.
#[must_use]
pub fn why(refusal: &Refusal) -> String {
    let named = || refusal.condition.map(|condition| condition.name.to_string());
    refusal.reason().map(str::to_owned).or_else(named).unwrap_or_else(|| "it cannot be stored".to_owned())
}

/// Whose home it is imported into, and how.
pub struct Target<'a> {
    /// The database.
    pub pool: &'a Pool,
    /// The limits of objects and calendars.
    pub settings: &'a Settings,
    /// The owner of the home.
    pub viewer: Viewer,
    /// Who does it.
    pub author: Author,
    /// What becomes of what is there.
    pub existing: Existing,
    /// Whether nothing is written.
    pub dry: bool,
}

impl Target<'_> {
    fn home_id(&self) -> i64 {
        self.viewer.principal.id
    }

    /// Makes a calendar of that name where there is none; whether there was none.
    pub async fn calendar(&self, name: &str, make: &Make) -> Result<bool> {
        if self.dry && self.home_id() == NOBODY {
            return Ok(true);
        }
        self.pool
            .transaction(async |tx: Arc<Tx>| {
                store::calendar::lock_home(&tx, self.home_id()).await?;
                if let Some(calendar) = store::calendar::lock(&tx, &self.viewer, self.home_id(), name).await?
                {
                    let wanted = if make.subscribed { Kind::Subscribed } else { Kind::Calendar };
                    own(&calendar, wanted)?;
                    let subject = Subject::calendar(&calendar);
                    if !self.dry && describe(&tx, subject, &make.properties, make.over).await? {
                        store::calendar::change(&tx, &calendar, Action::Described, &self.author).await?;
                    }
                    return Ok(false);
                }
                let most = i64::from(self.settings.calendar.max_collections);
                if store::calendar::count(&tx, self.home_id()).await? >= most {
                    return Err(no(format!("a home has at most {most} calendars: calendar.max_collections")));
                }
                if !self.dry {
                    let all =
                        || [Component::Vevent, Component::Vtodo, Component::Vjournal].into_iter().collect();
                    let kind = if make.subscribed { Kind::Subscribed } else { Kind::Calendar };
                    let what = (kind, make.components.unwrap_or_else(all));
                    let id = store::calendar::create(&tx, self.home_id(), name, what, &self.author).await?;
                    let subject = Subject { calendar_id: id, ..Subject::home(self.home_id()) };
                    property::set(&tx, subject, &make.properties).await?;
                }
                Ok(true)
            })
            .await
    }

    /// Shares a calendar as these entries and invites say: in the place of those that it has, or beside them. Where it is shared
    /// so already nothing changes.
    pub async fn share(&self, name: &str, aces: &[Ace], guests: &[Share], over: Over) -> Result<()> {
        self.pool
            .transaction(async |tx: Arc<Tx>| {
                sharing::alone(&tx).await?;
                let calendar = self.lock(&tx, name).await?;
                let list = store::ace::of_in(&tx, calendar.home_id, calendar.id).await?;
                let list = listed(&list, calendar.id, aces, over);
                let there = invite::of_in(&tx, &calendar).await?;
                let beside = over != Over::All;
                let told = |guest: &Guest| there.iter().any(|invite| is_of(invite, guest, beside));
                let guests: Vec<&Share> = guests.iter().filter(|(guest, _)| !told(guest)).collect();
                if list.is_none() && guests.is_empty() {
                    return Ok(());
                }
                if let Some(list) = list {
                    store::ace::set(&tx, calendar.home_id, calendar.id, &list).await?;
                }
                for answer in [Answer::Accepted, Answer::None, Answer::Declined] {
                    let with = guests.iter().filter(|(_, given)| *given == answer);
                    let with: Vec<Guest> = with.map(|(guest, _)| guest.clone()).collect();
                    invite::change(&tx, &calendar, &with, &[], answer).await?;
                }
                let first = sharing::answered(self.settings);
                Ok(invite::settle(&tx, &calendar, first, (&[], &[])).await?)
            })
            .await
    }

    /// Sets properties of the home, and makes these entries its list, or part of it.
    pub async fn home(&self, properties: &[Property], aces: &[Ace], over: Over) -> Result<()> {
        self.pool
            .transaction(async |tx: Arc<Tx>| {
                store::calendar::lock_home(&tx, self.home_id()).await?;
                let described = describe(&tx, Subject::home(self.home_id()), properties, over).await?;
                let list = store::ace::of_in(&tx, self.home_id(), 0).await?;
                let list = listed(&list, 0, aces, over);
                if let Some(list) = &list {
                    store::ace::set(&tx, self.home_id(), 0, list).await?;
                }
                if described || list.is_some() {
                    store::calendar::touch_home(&tx, self.home_id()).await?;
                }
                Ok(())
            })
            .await
    }

    async fn lock(&self, tx: &Tx, name: &str) -> Result<Calendar> {
        let found = store::calendar::lock(tx, &self.viewer, self.home_id(), name).await?;
        let calendar = found.ok_or_else(|| no(format!("there is no calendar {name}")))?;
        kept(&calendar)?;
        Ok(calendar)
    }

    /// Stores objects in the calendar of that name; says what became of each, in their order. They are one transaction, but for
    /// those of one UID or name, which come one after the other.
    pub async fn store(&self, name: &str, objects: &[Incoming]) -> Result<Vec<Fate>> {
        let (mut fates, mut rest) = (Vec::with_capacity(objects.len()), objects);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(distinct(rest));
            fates.extend(self.pool.transaction(async |tx: Arc<Tx>| self.stored(&tx, name, now).await).await?);
            measured(self.pool, now.len()).await;
            rest = later;
        }
        Ok(fates)
    }

    async fn stored(&self, tx: &Tx, name: &str, objects: &[Incoming]) -> Result<Vec<Fate>> {
        let found = store::calendar::lock(tx, &self.viewer, self.home_id(), name).await?;
        let Some(calendar) = found else {
            // Only what is tried out is imported into what is not there.
            let fate = |object: &Incoming| if object.dead { Fate::Dead } else { Fate::Made };
            return Ok(objects.iter().map(fate).collect());
        };
        kept(&calendar)?;
        let most = i64::from(self.settings.calendar.max_resources);
        let mut room = if most == 0 { i64::MAX } else { most - object::count(tx, &calendar).await? };
        let there = There::of(tx, &calendar, objects).await?;
        let (mut fates, mut writes) = (Vec::with_capacity(objects.len()), Vec::new());
        for object in objects {
            let (put, before, fate) = there.judge(tx, &calendar, object, self.existing).await?;
            let fate = match fate {
                Fate::Made if room <= 0 => {
                    Fate::Failed(format!("the calendar is full: it has {most} objects"))
                }
                other => other,
            };
            room -= i64::from(fate == Fate::Made);
            if matches!(fate, Fate::Made | Fate::Replaced) && !self.dry {
                writes.push((put, before));
            }
            fates.push(fate);
        }
        for some in writes.chunks(AT_ONCE) {
            let author = &self.author;
            try_join_all(some.iter().map(|(put, before)| object::put(tx, &calendar, put, before, author)))
                .await?;
        }
        Ok(fates)
    }
}

/// Sets properties, as far as they are to be set; whether that changes something.
async fn describe(tx: &Tx, subject: Subject, told: &[Property], over: Over) -> Result<bool> {
    let there = property::of_in(tx, subject).await?;
    let changes = |one: &Property| match over {
        Over::Nothing => false,
        Over::Missing => !there.iter().any(|known| known.name == one.name),
        Over::All => !there.contains(one),
    };
    let told: Vec<Property> = told.iter().filter(|one| changes(one)).cloned().collect();
    if !told.is_empty() {
        property::set(tx, subject, &told).await?;
    }
    Ok(!told.is_empty())
}

/// The list that a home (0) or calendar is to have, if it is another than the one it has.
fn listed(all: &[Ace], id: i64, told: &[Ace], over: Over) -> Option<Vec<Ace>> {
    let there: Vec<Ace> = all.iter().filter(|ace| ace.calendar_id == id).cloned().collect();
    let told = told.iter().map(|ace| Ace { calendar_id: id, ..ace.clone() });
    let wanted: Vec<Ace> = match over {
        Over::Nothing => return None,
        Over::Missing => {
            let new = told.filter(|ace| there.iter().all(|known| known.grantee != ace.grantee));
            there.iter().cloned().chain(new).collect()
        }
        Over::All => told.collect(),
    };
    (wanted != there).then_some(wanted)
}

/// Whether somebody is invited already; where that stands in the place of what was said, in the same words.
fn is_of(invite: &Invite, guest: &Guest, beside: bool) -> bool {
    let same = match (&invite.sharee, &guest.who) {
        (Sharee::Person(id, ..), Some(Grantee::Principal(other, _))) => id == other,
        (Sharee::Group(name), Some(Grantee::Group(other))) => name == other,
        (Sharee::Stranger, None) => invite.address == guest.address,
        _ => false,
    };
    let said = (&invite.common_name, &invite.summary) == (&guest.common_name, &guest.summary);
    same && !invite.member && (beside || said)
}

/// Objects after which it is worth a look whether the planner knows that there are any.
const MANY: usize = 100;

/// Called when so many objects were stored at once.
pub async fn measured(pool: &Pool, count: usize) {
    if count >= MANY
        && let Err(error) = store::index::measure(pool).await
    {
        tracing::warn!(%error, "the planner could not be told how large the tables are");
    }
}

/// How many of them, from the first on, have neither a UID nor a name in common.
fn distinct(objects: &[Incoming]) -> usize {
    let (mut uids, mut names) = (HashSet::new(), HashSet::new());
    let again = objects
        .iter()
        .position(|Incoming { put, .. }| !(uids.insert(put.uid.as_str()) && names.insert(put.name.as_str())));
    again.unwrap_or(objects.len())
}

/// What stands where objects are to be stored.
struct There {
    all: Vec<(store::Object, i64)>,
    by_uid: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
}

impl There {
    async fn of(tx: &Tx, calendar: &Calendar, objects: &[Incoming]) -> Result<Self> {
        let names: Vec<&str> = objects.iter().map(|object| object.put.name.as_str()).collect();
        let uids: Vec<&str> = objects.iter().map(Incoming::uid).collect();
        let all = object::standing(tx, calendar, &names, &uids).await?;
        let index = |of: fn(&store::Object) -> &String| {
            all.iter().enumerate().map(|(nth, (object, _))| (of(object).clone(), nth)).collect()
        };
        let (by_uid, by_name) = (index(|object| &object.uid), index(|object| &object.name));
        Ok(Self { all, by_uid, by_name })
    }

    /// What is to be stored in the place of what, and what becomes of it.
    async fn judge(
        &self,
        tx: &Tx,
        calendar: &Calendar,
        object: &Incoming,
        existing: Existing,
    ) -> Result<(Put, Before, Fate)> {
        let mut put = object.put.clone();
        let same = self.by_uid.get(&put.uid).map(|nth| &self.all[*nth]);
        if let Some((there, _)) = same {
            put.name.clone_from(&there.name);
        } else if self.by_name.contains_key(&put.name) {
            put.name = hashed(&put.uid);
        }
        let fate = match same {
            _ if object.dead => Fate::Dead,
            _ if !calendar.components.has(put.component) => {
                let takes: Vec<&str> = calendar.components.iter().map(Component::name).collect();
                Fate::Failed(format!(
                    "the calendar takes {} and no {}",
                    takes.join(", "),
                    put.component.name()
                ))
            }
            None => Fate::Made,
            Some((there, _)) if there.etag == put.etag => Fate::Unchanged,
            Some((there, _)) => match existing {
                Existing::Keep => Fate::Kept,
                Existing::Replace => Fate::Replaced,
                Existing::Newer => {
                    let whole = object::whole_in(tx, calendar, &there.name).await?;
                    let old = whole.and_then(|whole| Octets::parse(whole.body.unwrap_or_default()).ok());
                    let new = Octets::parse(put.body.clone()).ok();
                    let newer = new.zip(old).is_none_or(|(new, old)| is_newer(&new, &old));
                    if newer { Fate::Replaced } else { Fate::Kept }
                }
            },
        };
        Ok((put, Before { object: same.cloned(), twin: None }, fate))
    }
}

/// What is imported goes into calendars that are the owner's own.
fn kept(calendar: &Calendar) -> Result<()> {
    own(calendar, Kind::Calendar)
}

fn own(calendar: &Calendar, kind: Kind) -> Result<()> {
    if calendar.kind == kind && calendar.bound.is_none() {
        return Ok(());
    }
    Err(no(format!("{} is not a calendar of their own", calendar.name)))
}

fn no(why: String) -> Error {
    super::restore::no(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_the_uid_the_same_each_time() {
        assert_eq!(of_uid("7f3@example.org"), "7f3@example.org.ics");
        for odd in ["a/b", "", ".hidden", "ä", &"x".repeat(201)] {
            let name = of_uid(odd);
            assert!(name == of_uid(odd) && name.len() < 40 && is_name(&name), "{odd}: {name}");
        }
        assert!(!is_name("") && !is_name("..") && !is_name("a/b") && is_name("ä b.ics"));
    }

    #[test]
    fn what_has_no_occurrence_left_is_told_from_what_has() {
        let event = |lines: &str| {
            format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n{lines}END:VEVENT\r\nEND:VCALENDAR\r\n"
            )
        };
        let dead = |lines: &str| read(&Settings::default(), None, event(lines).into()).unwrap().dead;
        assert!(!dead("DTSTART:20260101T090000Z\r\n"));
        assert!(dead(
            "DTSTART:20260101T090000Z\r\nRRULE:FREQ=DAILY;COUNT=2\r\nEXDATE:20260101T090000Z,20260102T090000Z\r\n"
        ));
        assert!(!dead("DTSTART:20990101T090000Z\r\nRRULE:FREQ=DAILY\r\n"));
        assert!(!dead("DTSTART:18990101T090000Z\r\n"));
    }
}
