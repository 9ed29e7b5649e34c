//! To whom calendars are shared, and where they appear. The twin of sql/caldav/invite.sql.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    db::{Error, Pool, Row, Tx},
    model::{Components, Privilege, Privileges},
};

use super::{Calendar, Grantee, Principal, share};

crate::queries!("caldav/invite.sql":
    OF = "of",
    CHANGE = "change",
    SET = "set",
    AWAIT = "await",
    DROP = "drop",
    ENROL = "enrol",
    EXPEL = "expel",
    PUT_OFF = "put_off",
    WANTED = "wanted",
    TOUCH_HOMES = "touch_homes",
    TOUCH = "touch",
    MET = "met",
    HOLD = "hold",
    MERGE = "merge",
    NAME = "name",
    ENROL_PERSON = "enrol_person",
    EXPEL_PERSON = "expel_person",
    PUT_OFF_PERSON = "put_off_person",
    APPEAR_PERSON = "appear_person",
    ASKED = "asked",
    ANSWERED = "answered",
    ANSWER = "answer",
    PLACE = "place",
);

/// What became of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    None,
    /// The calendar is wanted.
    Accepted,
    /// It is not.
    Declined,
}

/// What an invite is answered with before anybody has answered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// This,
    pub answer: Answer,
    /// but for those who have so many calendars of others: they are asked.
    pub most: i64,
}

/// Who is invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharee {
    /// Somebody who is here: number, user name, and what they are called.
    Person(i64, String, Option<String>),
    /// Whoever is in the group.
    Group(String),
    /// Whoever will come with the address.
    Stranger,
}

/// An invite, as the owner of the calendar sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its identifier.
    pub uid: Uuid,
    /// The mail address by which they were invited, if by one.
    pub address: Option<String>,
    /// Whom it is for.
    pub sharee: Sharee,
    /// Whether it comes from groups alone.
    pub member: bool,
    /// What the owner calls them.
    pub common_name: Option<String>,
    /// What the owner says the calendar is.
    pub summary: Option<String>,
    /// What became of it.
    pub answer: Answer,
    /// What they may do; of a stranger, what they will.
    pub privileges: Privileges,
}

/// What is to be said of somebody who is invited; of nothing that is not said anything changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// A principal or a group; with an address, whoever will have it.
    pub who: Option<Grantee>,
    /// The mail address by which they are invited, if by one.
    pub address: Option<String>,
    /// What the owner calls them.
    pub common_name: Option<String>,
    /// What the owner says the calendar is.
    pub summary: Option<String>,
    /// What a stranger will be able to do; that of others is in the list.
    pub privileges: Privileges,
}

impl Answer {
    const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Accepted => 1,
            Self::Declined => 2,
        }
    }
}

/// Who is invited to these calendars, each with the number of the calendar, in the order in which they were.
pub async fn of(pool: &Pool, calendars: &[(i64, i64)]) -> Result<Vec<(i64, Invite)>, Error> {
    let (homes, ids): (Vec<i64>, Vec<i64>) = calendars.iter().copied().unzip();
    let rows = pool.rows(&OF, &[&homes, &ids]).await?;
    rows.iter().map(|row| Ok((row.at("calendar_id")?, read(row)?))).collect()
}

/// Who is invited to a calendar that nobody else changes meanwhile.
pub async fn of_in(tx: &Tx, calendar: &Calendar) -> Result<Vec<Invite>, Error> {
    let (homes, ids) = ([calendar.home_id], [calendar.id]);
    tx.rows(&OF, &[&&homes[..], &&ids[..]]).await?.iter().map(read).collect()
}

/// Invites these to a calendar, those who are new and known with that answer, and uninvites the others.
pub async fn change(
    tx: &Tx,
    calendar: &Calendar,
    guests: &[Guest],
    gone: &[Uuid],
    answer: Answer,
) -> Result<(), Error> {
    let (home, id) = (&calendar.home_id, &calendar.id);
    if !gone.is_empty() {
        tx.execute(&DROP, &[home, id, &gone]).await?;
    }
    let (known, strangers): (Vec<&Guest>, Vec<&Guest>) = guests.iter().partition(|guest| guest.who.is_some());
    if !known.is_empty() {
        let people: Vec<Option<i64>> = known.iter().map(|guest| person(guest)).collect();
        let groups: Vec<Option<&str>> = known.iter().map(|guest| group(guest)).collect();
        // A group has nobody who could answer: those who are in it do.
        let code = |group: Option<&str>| group.map_or(answer, |_| Answer::Accepted).code();
        let answers: Vec<i16> = groups.iter().copied().map(code).collect();
        let (addresses, names, summaries) = words(&known);
        for query in [&CHANGE, &SET] {
            tx.execute(query, &[home, id, &addresses, &people, &groups, &names, &summaries, &answers])
                .await?;
        }
    }
    if !strangers.is_empty() {
        let (addresses, names, summaries) = words(&strangers);
        let privileges: Vec<i32> = strangers.iter().map(|guest| guest.privileges.bits()).collect();
        tx.execute(&AWAIT, &[home, id, &addresses, &names, &summaries, &privileges]).await?;
    }
    Ok(())
}

type Words<'a> = Vec<Option<&'a str>>;

fn words<'a>(guests: &[&'a Guest]) -> (Words<'a>, Words<'a>, Words<'a>) {
    let each = |of: fn(&Guest) -> &Option<String>| guests.iter().map(|guest| of(guest).as_deref()).collect();
    (each(|guest| &guest.address), each(|guest| &guest.common_name), each(|guest| &guest.summary))
}

const fn person(guest: &Guest) -> Option<i64> {
    match &guest.who {
        Some(Grantee::Principal(id, _)) => Some(*id),
        _ => None,
    }
}

fn group(guest: &Guest) -> Option<&str> {
    match &guest.who {
        Some(Grantee::Group(name)) => Some(name),
        _ => None,
    }
}

/// Brings the homes of others in line with the invites and the list of a calendar: members of groups are invited with that
/// answer, and it appears where it should and nowhere else. Counts the change of the calendar, and of the homes where it comes or
/// goes, or whose owners (or groups) may do something else now.
pub async fn settle(
    tx: &Tx,
    calendar: &Calendar,
    first: First,
    (people, groups): (&[i64], &[&str]),
) -> Result<(), Error> {
    let (home, id, seen) = (&calendar.home_id, &calendar.id, seen());
    tx.execute(&ENROL, &[home, id, &first.answer.code()]).await?;
    tx.execute(&EXPEL, &[home, id]).await?;
    if first.answer == Answer::Accepted {
        tx.execute(&PUT_OFF, &[home, id, &first.most]).await?;
    }
    let rows = tx.rows(&WANTED, &[home, id, &seen, &people, &groups]).await?;
    let wanted = rows.iter().map(|row| Ok((row.at::<i64>("id")?, row.at("changed")?)));
    let wanted: BTreeMap<i64, bool> = wanted.collect::<Result<_, Error>>()?;
    let there = share::homes(tx, calendar).await?;
    let (stay, go): (Vec<i64>, Vec<i64>) = there.into_iter().partition(|home| wanted.contains_key(home));
    let come: Vec<i64> = wanted.keys().filter(|home| !stay.contains(home)).copied().collect();
    let other: Vec<i64> = stay.into_iter().filter(|home| wanted[home]).collect();
    if !go.is_empty() {
        share::unbind(tx, calendar, &go).await?;
    }
    if !come.is_empty() {
        share::bind(tx, calendar, &come).await?;
    }
    if !other.is_empty() {
        tx.execute(&TOUCH_HOMES, &[&other]).await?;
    }
    tx.execute(&TOUCH, &[home, id]).await.map(drop)
}

/// The bit without which nothing appears.
const fn seen() -> i32 {
    1 << Privilege::Read as u32
}

/// Brings a home in line with what its owner is invited to, by address or through groups; who is new somewhere is with that
/// answer. Strangers are named only where the owner of the calendar may know them: anywhere, or where they share a group.
pub async fn meet(tx: &Tx, who: &Principal, first: First, anywhere: bool) -> Result<(), Error> {
    let (id, groups, answer) = (&who.id, &who.groups, first.answer.code());
    tx.execute(&ENROL_PERSON, &[id, groups, &answer]).await?;
    tx.execute(&EXPEL_PERSON, &[id, groups]).await?;
    let met = match &who.email {
        Some(address) => tx.rows(&MET, &[id, address, &anywhere, groups]).await?,
        None => Vec::new(),
    };
    let homes: Vec<i64> = met.iter().map(|row| row.at("home_id")).collect::<Result<_, _>>()?;
    let calendars: Vec<i64> = met.iter().map(|row| row.at("calendar_id")).collect::<Result<_, _>>()?;
    tx.rows(&HOLD, &[&homes, &calendars, id, groups, &seen()]).await?;
    if let Some(address) = who.email.as_ref().filter(|_| !met.is_empty()) {
        tx.execute(&MERGE, &[id, address, &homes, &calendars]).await?;
        tx.execute(&NAME, &[id, address, &homes, &calendars, &answer]).await?;
    }
    share::lock_homes(tx, &[who.id]).await?;
    if first.answer == Answer::Accepted {
        tx.execute(&PUT_OFF_PERSON, &[id, &first.most]).await?;
    }
    tx.execute(&APPEAR_PERSON, &[id, groups, &seen()]).await.map(drop)
}

/// What a sharee is told of the calendar they are invited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The user name of its owner.
    pub owner: String,
    /// What the owner is called.
    pub owner_name: Option<String>,
    /// The owner's e-mail address.
    pub owner_email: Option<String>,
    /// Its name at its owner's.
    pub name: String,
    /// What it may hold.
    pub components: Components,
}

/// What somebody was invited to in this transaction, and has not answered.
pub async fn asked(tx: &Tx, who: i64) -> Result<Vec<(Invite, Offer)>, Error> {
    let offer = |row: &Row| {
        Ok::<_, Error>(Offer {
            owner: row.at("owner")?,
            owner_name: row.at("owner_name")?,
            owner_email: row.at("owner_email")?,
            name: row.at("called")?,
            components: Components::from_bits(row.at("components")?),
        })
    };
    tx.rows(&ASKED, &[&who]).await?.iter().map(|row| Ok((read(row)?, offer(row)?))).collect()
}

/// Where the calendar of an invite lies: its home and number, and the names of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The home it is kept in.
    pub home_id: i64,
    /// Its number.
    pub calendar_id: i64,
    /// Whose home it is.
    pub owner: String,
    /// What the calendar is called there.
    pub name: String,
}

/// The calendar to which somebody is invited by that invite.
pub async fn place(tx: &Tx, who: i64, uid: Uuid) -> Result<Option<Place>, Error> {
    let row = tx.optional(&ANSWERED, &[&who, &uid]).await?;
    let place = |row: Row| {
        let (home_id, calendar_id) = (row.at("home_id")?, row.at("calendar_id")?);
        Ok(Place { home_id, calendar_id, owner: row.at("owner")?, name: row.at("calendar")? })
    };
    row.map(place).transpose()
}

/// What somebody answers; whether that is another answer than before. Who is not invited has nothing to answer.
pub async fn answer(tx: &Tx, calendar: &Calendar, who: i64, answer: Answer) -> Result<bool, Error> {
    let changed = tx.execute(&ANSWER, &[&calendar.home_id, &calendar.id, &who, &answer.code()]).await?;
    Ok(changed > 0)
}

/// The name of a calendar in a home where it appears.
pub async fn name_in(tx: &Tx, home_id: i64, calendar: &Calendar) -> Result<Option<String>, Error> {
    let row = tx.optional(&PLACE, &[&home_id, &calendar.home_id, &calendar.id]).await?;
    row.map(|row| row.at("name")).transpose()
}

fn read(row: &Row) -> Result<Invite, Error> {
    let group: Option<String> = row.at("group_name")?;
    let sharee = match (row.at::<Option<i64>>("principal_id")?, group) {
        (Some(id), _) => Sharee::Person(id, row.at("name")?, row.at("display_name")?),
        (None, Some(group)) => Sharee::Group(group),
        (None, None) => Sharee::Stranger,
    };
    Ok(Invite {
        uid: row.at("uid")?,
        address: row.at("address")?,
        sharee,
        member: row.at("member")?,
        common_name: row.at("common_name")?,
        summary: row.at("summary")?,
        answer: match row.at::<i16>("status")? {
            1 => Answer::Accepted,
            2 => Answer::Declined,
            _ => Answer::None,
        },
        privileges: Privileges::from_bits(row.at("privileges")?),
    })
}
