//! Principals: found by name, subject or address, made with their homes, let in or not. The twin of sql/caldav/principal.sql.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::{
    db::{Error, Pool, Row, Tx},
    model::Kind,
};

use super::{Viewer, calendar::code};

crate::queries!("caldav/principal.sql":
    BY_NAME = "by_name",
    BY_CREDENTIAL = "by_credential",
    BY_SUBJECT = "by_subject",
    BY_EMAIL = "by_email",
    BY_EMAILS = "by_emails",
    BY_NAMES = "by_names",
    BY_IDS = "by_ids",
    KEYS = "keys",
    ALIVE = "alive",
    CALENDAR_KEYS = "calendar_keys",
    GROUPS = "groups",
    MEMBERS = "members",
    SEARCH = "search",
    EVERY = "all",
    ONE_AT_A_TIME = "one_at_a_time",
    CREATE = "create",
    REFRESH = "refresh",
    RENAME = "rename",
    VACATE = "vacate",
    DISABLE = "disable",
    ENABLE = "enable",
    JOIN_GROUP = "join_group",
    LEAVE_GROUP = "leave_group",
    MEMBERSHIPS = "memberships",
    ALL_GROUPS = "all_groups",
);

/// Somebody with a home here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principal {
    /// Its number, which is its home's as well.
    pub id: i64,
    /// The user name, as the front normalised it.
    pub name: String,
    /// What never changes of the person, where the proxy tells it.
    pub subject: Option<String>,
    /// The person's name.
    pub display_name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The groups the proxy told last.
    pub told: Vec<String>,
    /// The groups they are in: those, and those that an admin keeps.
    pub groups: Vec<String>,
    /// Whether nobody gets in as them.
    pub disabled: bool,
}

/// What is known of a person besides the user name; `None` leaves what is stored as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// What never changes.
    pub subject: Option<&'a str>,
    /// The person's name.
    pub display_name: Option<&'a str>,
    /// The e-mail address.
    pub email: Option<&'a str>,
    /// The address of somebody who has none else.
    pub spare_email: Option<&'a str>,
    /// The groups.
    pub groups: Option<&'a [String]>,
}

impl Known<'_> {
    /// Whether `principal` already says all of it.
    #[must_use]
    pub fn is_told_by(&self, principal: &Principal) -> bool {
        let told = |new: Option<&str>, old: &Option<String>| new.is_none() || new == old.as_deref();
        told(self.subject, &principal.subject)
            && told(self.display_name, &principal.display_name)
            && told(self.email.or(self.spare_email.filter(|_| principal.email.is_none())), &principal.email)
            && self.groups.is_none_or(|groups| groups == principal.told)
    }
}

/// A collection that a new home starts with.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its name in the home.
    pub name: &'static str,
    /// Calendar, inbox, outbox or notifications.
    pub kind: Kind,
    /// What it may hold.
    pub components: i16,
    /// Its DAV:displayname, a whole element.
    pub label: Option<String>,
}

/// What stays of these people whatever they are called: the keys of their homes.
pub async fn keys(pool: &Pool, ids: &[i64]) -> Result<HashMap<i64, Uuid>, Error> {
    pool.rows(&KEYS, &[&ids]).await?.iter().map(|row| Ok((row.at("home_id")?, row.at("key")?))).collect()
}

/// What stays of somebody whatever they are called: the key of their home.
pub async fn key_in(tx: &Tx, id: i64) -> Result<Option<Uuid>, Error> {
    tx.optional(&KEYS, &[&vec![id]]).await?.map(|row| row.at("key")).transpose()
}

/// Those of these keys that are somebody's.
pub async fn alive(tx: &Tx, keys: &[Uuid]) -> Result<HashSet<Uuid>, Error> {
    tx.rows(&ALIVE, &[&keys]).await?.iter().map(|row| row.at("key")).collect()
}

/// The same of calendars of a home, by their numbers.
pub async fn calendar_keys(tx: &Tx, home_id: i64, ids: &[i64]) -> Result<HashMap<i64, Uuid>, Error> {
    tx.rows(&CALENDAR_KEYS, &[&home_id, &ids])
        .await?
        .iter()
        .map(|row| Ok((row.at("id")?, row.at("key")?)))
        .collect()
}

/// The principal of that name.
pub async fn by_name(pool: &Pool, name: &str) -> Result<Option<Principal>, Error> {
    pool.optional(&BY_NAME, &[&name]).await?.as_ref().map(read).transpose()
}

/// The principal of that name, if that is the key of their home.
pub async fn by_credential(pool: &Pool, name: &str, key: Uuid) -> Result<Option<Principal>, Error> {
    pool.optional(&BY_CREDENTIAL, &[&name, &key]).await?.as_ref().map(read).transpose()
}

/// The principal of that name, inside of a transaction.
pub async fn by_name_in(tx: &Tx, name: &str) -> Result<Option<Principal>, Error> {
    tx.optional(&BY_NAME, &[&name]).await?.as_ref().map(read).transpose()
}

/// The principal to whom that address leads.
pub async fn by_email(pool: &Pool, email: &str) -> Result<Option<Principal>, Error> {
    pool.optional(&BY_EMAIL, &[&email]).await?.as_ref().map(read).transpose()
}

/// The principal to whom that address leads, inside of a transaction.
pub async fn by_email_in(tx: &Tx, email: &str) -> Result<Option<Principal>, Error> {
    tx.optional(&BY_EMAIL, &[&email]).await?.as_ref().map(read).transpose()
}

/// Those to whom these addresses lead, which are in lower case.
pub async fn by_emails_in(tx: &Tx, addresses: &[&str]) -> Result<Vec<Principal>, Error> {
    tx.rows(&BY_EMAILS, &[&addresses]).await?.iter().map(read).collect()
}

/// Those of these names.
pub async fn by_names_in(tx: &Tx, names: &[&str]) -> Result<Vec<Principal>, Error> {
    tx.rows(&BY_NAMES, &[&names]).await?.iter().map(read).collect()
}

/// Those of these numbers, in the order of their names.
pub async fn by_ids(pool: &Pool, ids: &[i64]) -> Result<Vec<Principal>, Error> {
    pool.rows(&BY_IDS, &[&ids]).await?.iter().map(read).collect()
}

/// The one of that number, inside of a transaction.
pub async fn by_id_in(tx: &Tx, id: i64) -> Result<Option<Principal>, Error> {
    tx.optional(&BY_IDS, &[&&[id][..]]).await?.as_ref().map(read).transpose()
}

/// Those of these groups that somebody is in.
pub async fn groups(pool: &Pool, names: &[&str]) -> Result<Vec<String>, Error> {
    pool.rows(&GROUPS, &[&names]).await?.iter().map(|row| row.at(0)).collect()
}

/// The same in a transaction.
pub async fn groups_in(tx: &Tx, names: &[&str]) -> Result<Vec<String>, Error> {
    tx.rows(&GROUPS, &[&names]).await?.iter().map(|row| row.at(0)).collect()
}

/// The first `most` of those who are in the group.
pub async fn members(pool: &Pool, group: &str, most: i64) -> Result<Vec<Principal>, Error> {
    pool.rows(&MEMBERS, &[&group, &most]).await?.iter().map(read).collect()
}

/// What of a person is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name that is shown.
    Shown,
    /// The e-mail address.
    Address,
    /// The user name.
    Name,
    /// All of these.
    Any,
}

/// How a text is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Anywhere.
    Has,
    /// At the beginning.
    Starts,
    /// At the end.
    Ends,
    /// As the whole.
    Is,
}

/// One test of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Where.
    pub field: Field,
    /// How.
    pub how: How,
    /// For what, in any case of letters.
    pub text: String,
}

/// Whom somebody searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// The tests; without any everybody is found.
    pub tests: Vec<Test>,
    /// Whether one of them is enough.
    pub any: bool,
    /// The groups one of which the person must be in, where not everybody may be found.
    pub within: Option<Vec<String>>,
    /// How many are wanted.
    pub most: i64,
}

/// Those of whom the tests hold, in the order of their names.
pub async fn search(pool: &Pool, viewer: &Viewer, search: &Search) -> Result<Vec<Principal>, Error> {
    let fields: Vec<i16> = search.tests.iter().map(|test| test.field as i16).collect();
    let hows: Vec<i16> = search.tests.iter().map(|test| test.how as i16).collect();
    let texts: Vec<&str> = search.tests.iter().map(|test| test.text.as_str()).collect();
    let (within, me) = (&search.within, &viewer.principal.id);
    let rows = pool.rows(&SEARCH, &[&search.any, &fields, &hows, &texts, within, me, &search.most]).await?;
    rows.iter().map(read).collect()
}

/// Everybody, in the order of their names.
pub async fn all(pool: &Pool) -> Result<Vec<Principal>, Error> {
    pool.rows(&EVERY, &[]).await?.iter().map(read).collect()
}

/// The principal of that subject.
pub async fn by_subject_in(tx: &Tx, subject: &str) -> Result<Option<Principal>, Error> {
    tx.optional(&BY_SUBJECT, &[&subject]).await?.as_ref().map(read).transpose()
}

/// Lets nobody else make or change principals until the transaction ends.
pub async fn one_at_a_time(tx: &Tx) -> Result<(), Error> {
    tx.row(&ONE_AT_A_TIME, &[]).await.map(drop)
}

/// Makes principal, home and the collections it starts with, unless the name is taken; new events go to the collection
/// named first, new tasks to that named second.
pub async fn create(
    tx: &Tx,
    name: &str,
    known: &Known<'_>,
    start: &[Start],
    (events, tasks): (&str, &str),
) -> Result<(), Error> {
    let names: Vec<&str> = start.iter().map(|s| s.name).collect();
    let kinds: Vec<i16> = start.iter().map(|s| code(s.kind)).collect();
    let components: Vec<i16> = start.iter().map(|s| s.components).collect();
    let labels: Vec<Option<String>> = start.iter().map(|s| s.label.clone()).collect();
    let groups = known.groups.unwrap_or_default();
    tx.execute(
        &CREATE,
        &[
            &name,
            &known.subject,
            &known.display_name,
            &known.email.or(known.spare_email),
            &groups,
            &names,
            &kinds,
            &components,
            &labels,
            &events,
            &tasks,
        ],
    )
    .await?;
    Ok(())
}

/// Writes what the proxy tells now.
pub async fn refresh(tx: &Tx, id: i64, known: &Known<'_>) -> Result<Principal, Error> {
    let Known { subject, display_name, email, spare_email, groups } = known;
    read(&tx.row(&REFRESH, &[&id, subject, display_name, email, groups, spare_email]).await?)
}

/// Gives a principal another user name, which must be free.
pub async fn rename(tx: &Tx, id: i64, name: &str) -> Result<(), Error> {
    tx.execute(&RENAME, &[&id, &name]).await.map(drop)
}

/// Frees the user name of a principal, and the address with it where it goes to the new bearer of the name.
pub async fn vacate(tx: &Tx, id: i64, email: Option<&str>) -> Result<(), Error> {
    tx.execute(&VACATE, &[&id, &email]).await.map(drop)
}

/// Lets nobody in as that principal, or lets them in again.
pub async fn set_disabled(tx: &Tx, id: i64, disabled: bool) -> Result<(), Error> {
    tx.execute(if disabled { &DISABLE } else { &ENABLE }, &[&id]).await.map(drop)
}

/// Keeps somebody in a group, or no longer; in what the proxy tells they are all the same.
pub async fn keep(tx: &Tx, id: i64, group: &str, inside: bool) -> Result<Principal, Error> {
    read(&tx.row(if inside { &JOIN_GROUP } else { &LEAVE_GROUP }, &[&id, &group]).await?)
}

/// Everybody in a group, disabled people among them, and whether an admin keeps them there.
pub async fn memberships_in(tx: &Tx, group: &str) -> Result<Vec<(Principal, bool)>, Error> {
    let rows = tx.rows(&MEMBERSHIPS, &[&group]).await?;
    rows.iter().map(|row| Ok((read(row)?, row.at("kept")?))).collect()
}

/// A group that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: i64,
    /// How many of them the proxy told.
    pub told: i64,
    /// How many of them an admin keeps there.
    pub kept: i64,
}

/// Every group that somebody is in, by name.
pub async fn all_groups(pool: &Pool) -> Result<Vec<Group>, Error> {
    let group = |row: &Row| {
        let (name, members) = (row.at("name")?, row.at("members")?);
        Ok(Group { name, members, told: row.at("told")?, kept: row.at("kept")? })
    };
    pool.rows(&ALL_GROUPS, &[]).await?.iter().map(group).collect()
}

fn read(row: &Row) -> Result<Principal, Error> {
    Ok(Principal {
        id: row.at("id")?,
        name: row.at("name")?,
        subject: row.at("subject")?,
        display_name: row.at("display_name")?,
        email: row.at("email")?,
        told: row.at("told")?,
        groups: row.at("groups")?,
        disabled: row.at("disabled")?,
    })
}
