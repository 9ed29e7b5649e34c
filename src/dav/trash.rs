//! The trash of a home: a collection of what was deleted there, each object and each whole calendar one entry, which can be
//! read, purged, and moved out of it (docs/decisions/0027).

// Every getter has the signature of the table, whether it can lack an answer or not.
#![allow(clippy::unnecessary_wraps)]

use std::sync::Arc;

use crate::{
    config::Shown,
    db::{Row, Tx},
    front::Response,
    model::{Kind, Kinds, Privilege, Privileges},
    store::{
        self, Ace, Lens, Object, Property, Subject,
        history::{self, Trashed},
        personal::Beside,
    },
    xml::{Name, Writer},
};

use super::{
    Cx, Error, Prop, Refusal, Result, Target,
    access::{self, Household, On, household},
    ask::Ask,
    facts::acl_if,
    locks,
    multistatus::{Each, Multistatus},
    prop::{Facts, Needs},
    props::second,
    seen,
    target::{TRASH, WHOLE, member},
};

const HOME: Kinds = Kind::Home.only();
const DISPLAYNAME: Name = Name::dav("displayname");
/// How the names of deleted objects end.
const ENDING: &str = ".ics";

/// The rows.
pub const PROPS: &[Prop] = &[
    Prop::live(Name::own("trash-URL"), HOME, trash_url, "decision 27"),
    Prop::live(Name::own("deleted-from"), Kinds::DELETED, deleted_from, "decision 27"),
    Prop::live(Name::own("deleted-at"), Kinds::DELETED, deleted_at, "decision 27"),
    Prop::live(Name::own("deleted-by"), Kinds::DELETED, deleted_by, "decision 27"),
    Prop::live(Name::own("deleted-with"), Kinds::DELETED, deleted_with, "decision 27"),
];

fn trash_url(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    w.element(Name::dav("href"), &cx.href(&of(facts.target.user()?)));
    Some(())
}

/// Where it was, by the name that its calendar has now.
fn deleted_from(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let (user, trashed) = (facts.target.user()?.to_owned(), facts.trashed.as_ref()?);
    let calendar = trashed.calendar.clone();
    let was = if trashed.whole {
        Target::Collection(user, calendar)
    } else {
        Target::Object(user, calendar, trashed.name.clone())
    };
    w.element(Name::dav("href"), &cx.href(&was));
    Some(())
}

fn deleted_at(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    w.text(&second(facts.trashed.as_ref()?.at)?);
    Some(())
}

/// Absent where it was the server or whoever runs it, somebody who is no more, or somebody of whom the viewer may not know.
fn deleted_by(facts: &Facts, cx: &Cx, w: &mut Writer) -> Option<()> {
    let who = facts.trashed.as_ref()?.author.as_ref()?;
    w.element(Name::dav("href"), &cx.href(&Target::Principal(who.name.clone())));
    Some(())
}

fn deleted_with(facts: &Facts, _: &Cx, w: &mut Writer) -> Option<()> {
    let client = &facts.trashed.as_ref()?.client;
    w.text(client);
    (!client.is_empty()).then_some(())
}

/// What people call it: the title of an object, where the viewer sees one; else the name that it had.
#[must_use]
pub fn label(facts: &Facts, cx: &Cx) -> String {
    let Some(trashed) = &facts.trashed else { return "Trash".to_owned() };
    let title = facts.object.as_ref().and_then(cx.tables.title);
    title.unwrap_or_else(|| if trashed.whole { trashed.calendar.clone() } else { trashed.name.clone() })
}

/// The trash of somebody's home.
fn of(user: &str) -> Target {
    Target::Collection(user.to_owned(), TRASH.to_owned())
}

/// What an entry is called: names and UIDs may have been deleted many times, numbers are given once.
fn called(trashed: &Trashed) -> String {
    if trashed.whole { format!("{WHOLE}{}", trashed.id) } else { format!("{}{ENDING}", trashed.id) }
}

/// Whether an entry of that name is a calendar, and its number. A number has one spelling.
fn number(name: &str) -> Option<(bool, i64)> {
    let (whole, digits) = match name.strip_prefix(WHOLE) {
        Some(digits) => (true, digits),
        None => (false, name.strip_suffix(ENDING)?),
    };
    let id: i64 = digits.parse().ok()?;
    (id.to_string() == digits).then_some((whole, id))
}

/// Whose trash it is, and how the viewer sees what lies there.
struct Bin {
    home_id: i64,
    user: String,
    path: String,
    rights: Privileges,
    lens: Lens,
    acl: Option<Arc<[Ace]>>,
}

impl Bin {
    async fn of(cx: &Cx, house: &Household, rights: Privileges, needs: Needs) -> Result<Self> {
        let home_id = house.owner.id;
        Ok(Self {
            home_id,
            user: house.owner.name.clone(),
            path: cx.href(&of(&house.owner.name)),
            rights,
            lens: seen::lens(cx, home_id, house.rights),
            acl: acl_if(cx, needs, Subject::home(home_id)).await?,
        })
    }

    /// The facts of the trash itself.
    fn facts(&self) -> Facts {
        let facts = Facts::bare(of(&self.user), self.path.clone(), self.rights);
        Facts { acl: self.acl.clone(), ..facts }
    }

    /// The facts of an entry, if it is there for the viewer.
    fn entry(&self, cx: &Cx, mut trashed: Trashed) -> Option<Facts> {
        // The owner and whoever did something in their home know each other.
        let owner = |id| id == self.home_id || cx.viewer.owns(self.home_id);
        trashed.author =
            trashed.author.filter(|who| owner(who.id) || access::may_know_of(cx, (who.id, &who.groups)));
        // What is private counts as well (docs/decisions/0026).
        trashed.counted = !trashed.whole || self.lens.private;
        let name = called(&trashed);
        let href = member(&self.path, &name);
        let object = if trashed.whole { None } else { Some(self.object(cx, &name, &trashed)?) };
        let value = trashed.label.clone().filter(|_| trashed.whole);
        let stored = value.map(|value| Property { name: DISPLAYNAME.into(), value }).into_iter().collect();
        let target = Target::Object(self.user.clone(), TRASH.to_owned(), name);
        let facts = Facts::bare(target, href, self.rights);
        Some(Facts { object, trashed: Some(trashed), stored, acl: self.acl.clone(), ..facts })
    }

    /// A deleted object as the viewer sees it.
    fn object(&self, cx: &Cx, name: &str, trashed: &Trashed) -> Option<Object> {
        let object = Object {
            id: trashed.id,
            name: name.to_owned(),
            uid: String::new(),
            component: trashed.component,
            etag: trashed.etag.clone().unwrap_or_default(),
            revision: 0,
            size: i32::try_from(trashed.octets).unwrap_or(i32::MAX),
            created: trashed.at,
            modified: trashed.at,
            body: trashed.body.clone(),
            cut: false,
        };
        seen::through(cx, self.lens, object, &Beside::default())
    }
}

/// The facts of the trash in the request's URL, or of an entry, if the viewer holds `privilege` there; of an object with its octets.
pub async fn of_target(cx: &Cx, needs: Needs, privilege: Privilege) -> Result<Facts> {
    let house = household(cx).await?;
    let rights = house.tended(cx, On::Resource, privilege)?;
    if cx.located.target.kind() == Kind::Trash {
        return Ok(Bin::of(cx, &house, rights, needs).await?.facts());
    }
    entry(cx, &house, rights, needs).await
}

async fn entry(cx: &Cx, house: &Household, rights: Privileges, needs: Needs) -> Result<Facts> {
    let Target::Object(.., name) = &cx.located.target else { return Err(Refusal::not_found().into()) };
    let found = match number(name) {
        Some(number) => history::lying(&cx.pool, house.owner.id, number).await?,
        None => None,
    };
    let bin = Bin::of(cx, house, rights, needs).await?;
    Ok(found.and_then(|trashed| bin.entry(cx, trashed)).ok_or_else(Refusal::not_found)?)
}

/// The entry in the request's URL, for one who may take it out of the trash of that house.
pub async fn leaving(cx: &Cx, house: &Household, seen: bool) -> Result<Facts> {
    let rights = house.tended(cx, On::Collection, Privilege::Unbind)?;
    if seen {
        house.tended(cx, On::Resource, Privilege::Read)?;
    }
    entry(cx, house, rights, Needs::NONE).await
}

/// The trash among the members of a home, where the settings have it told of.
pub async fn listed(cx: &Cx, home: &Facts, needs: Needs) -> Result<Option<Facts>> {
    let shown = cx.settings.history.trash_collection == Shown::Listed;
    let Some(owner) = home.principal.clone().filter(|_| shown) else { return Ok(None) };
    let house = Household { owner, rights: home.rights };
    Ok(Some(Bin::of(cx, &house, home.rights.and(Privileges::TEND), needs).await?.facts()))
}

/// A response of each entry, the last deleted first, sent while they are read.
pub async fn listing(cx: Arc<Cx>, answer: Multistatus, ask: Ask, needs: Needs) -> Result<Response> {
    let house = household(&cx).await?;
    let rights = house.tended(&cx, On::Resource, Privilege::Read)?;
    let bin = Bin::of(&cx, &house, rights, needs).await?;
    let named = match &ask {
        Ask::Names(asked) => asked.iter().any(|asked| asked.name == DISPLAYNAME),
        Ask::All(_) => true,
        Ask::NamesOnly => false,
    };
    let rows = history::trash_stream(&cx.pool, house.owner.id, named || !bin.lens.own).await?;
    answer.of_rows(rows, Listing { cx, bin, ask }).await
}

struct Listing {
    cx: Arc<Cx>,
    bin: Bin,
    ask: Ask,
}

impl Each for Listing {
    fn row(&mut self, row: &Row, answer: &mut Multistatus) -> Result<()> {
        if let Some(facts) = self.bin.entry(&self.cx, history::read_trashed(row)?) {
            answer.response(&facts, &self.ask, &self.cx);
        }
        Ok(())
    }
}

/// DELETE of an entry: it is erased, with all that it had been before.
pub async fn purge(cx: &Cx) -> Result<()> {
    let house = household(cx).await?;
    let facts = leaving(cx, &house, false).await?;
    locks::guard(cx).await?.holds(&facts)?;
    let (deletions, calendars): (Vec<i64>, Vec<i64>) = match &facts.trashed {
        Some(Trashed { whole: true, id, .. }) => (Vec::new(), vec![*id]),
        Some(Trashed { id, .. }) => (vec![*id], Vec::new()),
        None => return Err(Refusal::not_found().into()),
    };
    let (home_id, deletions, calendars) = (house.owner.id, &deletions, &calendars);
    cx.pool
        .transaction(async |tx: Arc<Tx>| {
            store::history::erase(&tx, home_id, deletions, calendars).await?;
            // It may have waited for who writes to the calendar.
            let house = house.now(cx, &tx).await?;
            house.tended(cx, On::Collection, Privilege::Unbind).map(drop).map_err(Error::from)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_spelling() {
        for (name, told) in [
            ("7.ics", Some((false, 7))),
            ("calendar-7", Some((true, 7))),
            ("07.ics", None),
            ("+7.ics", None),
            ("7", None),
            (".ics", None),
            ("calendar-", None),
            ("calendar-7.ics", None),
            ("9223372036854775808.ics", None),
        ] {
            assert_eq!(number(name), told, "{name}");
        }
    }
}
