//! `kalends history`, `kalends restore` and `kalends trash`: who changed what, and bringing it back.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, bail};

use crate::{
    caldav::{
        self, changes,
        restore::{self, Fault, Restored},
    },
    config::{Moment, Settings},
    db::{Pool, Tx},
    store::{
        self, Author, Calendar, Principal, Viewer,
        history::{self, Action, Entry, Slice, Trashed, When},
    },
};

use super::users::{find, open};

/// What is told at once.
const MOST: i64 = 500;
/// What is erased at once.
const AT_ONCE: i64 = 1000;

/// Whose calendar, and what in it.
pub struct Place<'a> {
    /// The user's name.
    pub user: &'a str,
    /// The calendar's.
    pub calendar: Option<&'a str>,
    /// The object's.
    pub object: Option<&'a str>,
}

/// `kalends history`: who changed what, when and with which program, a line each.
pub fn history(file: Option<&Path>, place: &Place<'_>) -> Result<()> {
    super::run(async {
        let site = Site::open(file, place.user).await?;
        let calendar = match place.calendar {
            Some(name) => Some(site.number(name).await?),
            None => None,
        };
        let entries = history::log(
            &site.pool,
            site.id(),
            &Slice { calendar, object: place.object, before: None, most: MOST },
        )
        .await?;
        if entries.is_empty() {
            println!("Nothing is kept of it{}.", if site.author.keep.versions { "" } else { off() });
        }
        for entry in &entries {
            println!("{}", line(entry));
        }
        Ok(())
    })
}

fn off() -> &'static str {
    ": history.versions_days is 0"
}

/// `kalends restore`: brings back an object, a calendar, or a calendar as it was.
pub fn restore(
    file: Option<&Path>,
    place: &Place<'_>,
    at: Option<Moment>,
    revision: Option<i64>,
) -> Result<()> {
    super::run(async {
        let site = Site::open(file, place.user).await?;
        let name = place.calendar.context("name the calendar")?;
        match (place.object, at) {
            (Some(object), _) => {
                let second = at.map(|at| When::Second(at.second()));
                let when = second.or(revision.map(When::Revision)).unwrap_or(When::Before);
                site.object(name, (object, when)).await
            }
            (None, _) if revision.is_some() => {
                bail!("a revision is an object's: of a whole calendar say --at")
            }
            (None, Some(at)) => site.calendar_at(name, at).await,
            (None, None) => site.calendar(name).await,
        }
    })
}

/// `kalends trash`: what lies there, or with `empty` nothing any more of what is older than so many days.
pub fn trash(file: Option<&Path>, user: &str, empty: Option<u32>) -> Result<()> {
    super::run(async {
        let site = Site::open(file, user).await?;
        let Some(days) = empty else {
            let lying = history::trash(&site.pool, site.id(), MOST).await?;
            for trashed in &lying {
                println!("{}", told(trashed));
            }
            println!("{}", if lying.is_empty() { "The trash is empty." } else { HOW });
            return Ok(());
        };
        let erased = caldav::restore::empty(&site.pool, site.id(), days, AT_ONCE).await?;
        println!("{erased} deleted calendars and objects of {} are erased.", site.viewer.principal.name);
        Ok(())
    })
}

const HOW: &str = "`kalends restore USER CALENDAR [OBJECT]` brings back.";

/// The database, and whose home it is about.
struct Site {
    pool: Pool,
    settings: Settings,
    viewer: Viewer,
    author: Author,
}

impl Site {
    async fn open(file: Option<&Path>, user: &str) -> Result<Self> {
        let (pool, settings) = open(file).await?;
        let tx = pool.begin().await?;
        let principal: Principal = find(&tx, &settings, user).await?;
        tx.commit().await?;
        let keep = caldav::keep(&settings);
        let author = Author { principal_id: None, client: "kalends restore".to_owned(), keep };
        Ok(Self { pool, settings, viewer: Viewer::of(principal), author })
    }

    fn id(&self) -> i64 {
        self.viewer.principal.id
    }

    /// The number of a calendar that is there, or was deleted last under that name.
    async fn number(&self, name: &str) -> Result<i64> {
        if let Some(calendar) = store::calendar::by_name(&self.pool, &self.viewer, self.id(), name).await? {
            return Ok(calendar.id);
        }
        Ok(self.deleted(name).await?.with_context(|| self.unknown(name))?.id)
    }

    async fn deleted(&self, name: &str) -> Result<Option<Trashed>> {
        let lying = history::trash(&self.pool, self.id(), i64::from(i32::MAX)).await?;
        Ok(lying.into_iter().find(|trashed| trashed.whole && trashed.calendar == name))
    }

    fn unknown(&self, name: &str) -> String {
        let user = &self.viewer.principal.name;
        format!(
            "{user} has no calendar {name:?}, and none in the trash: `kalends trash {user}` has what lies there"
        )
    }

    /// The calendar of that name, locked.
    async fn lock(&self, tx: &Tx, name: &str) -> Result<Calendar, Fault> {
        let found = store::calendar::lock(tx, &self.viewer, self.id(), name).await?;
        found.ok_or_else(|| restore::no(self.unknown(name)))
    }

    async fn object(&self, name: &str, (object, when): (&str, When)) -> Result<()> {
        let restored = self
            .pool
            .transaction(async |tx: Arc<Tx>| {
                let calendar = self.lock(&tx, name).await?;
                restore::object(&tx, &self.settings, &calendar, (object, when), &self.author).await
            })
            .await
            .map_err(why)?;
        match restored {
            Restored::Made(as_name) => println!("{name}/{as_name} is there again."),
            Restored::Changed(as_name) => println!("{name}/{as_name} is again what it was."),
            Restored::Same(as_name) => println!("{name}/{as_name} is that already: nothing was changed."),
        }
        Ok(())
    }

    async fn calendar_at(&self, name: &str, at: Moment) -> Result<()> {
        if store::calendar::by_name(&self.pool, &self.viewer, self.id(), name).await?.is_none() {
            self.calendar(name).await?;
        }
        let sum = self
            .pool
            .transaction(async |tx: Arc<Tx>| {
                let calendar = self.lock(&tx, name).await?;
                restore::calendar_at(&tx, &self.settings, &calendar, at.second(), &self.author).await
            })
            .await
            .map_err(why)?;
        println!(
            "{name} is what it was at {at}: {} objects are there again, {} are what they were, {} that were not there are gone.",
            sum.made, sum.changed, sum.deleted
        );
        Ok(())
    }

    async fn calendar(&self, name: &str) -> Result<()> {
        let Some(trashed) = self.deleted(name).await? else {
            if store::calendar::by_name(&self.pool, &self.viewer, self.id(), name).await?.is_some() {
                bail!("{name:?} is there: say --at to make it what it was, or name an object");
            }
            bail!(self.unknown(name));
        };
        let named = self
            .pool
            .transaction(async |tx: Arc<Tx>| {
                restore::calendar(&tx, &self.viewer, (trashed.id, name), &self.author).await
            })
            .await
            .map_err(why)?;
        println!(
            "The calendar is there again as {named}, its owner's alone: whom it was shared with is to be said anew."
        );
        Ok(())
    }
}

/// An entry in a line; names are chosen by people, and a line stays a line.
fn line(entry: &Entry) -> String {
    let who = match (&entry.author, entry.signed) {
        (Some(name), _) => name.escape_debug().to_string(),
        (None, true) => "(gone)".to_owned(),
        (None, false) => "(operator)".to_owned(),
    };
    let place = if entry.name.is_empty() {
        entry.calendar.clone()
    } else {
        format!("{}/{}", entry.calendar, entry.name)
    };
    let with = if entry.client.is_empty() { "-" } else { &entry.client };
    format!(
        "{}  {}  {who}  {with}  {}: {}",
        caldav::stamp(entry.at),
        entry.revision,
        place.escape_debug(),
        what(entry)
    )
}

/// What was done.
fn what(entry: &Entry) -> String {
    let title = || changes::title(entry).map_or_else(String::new, |title| format!(" {title:?}"));
    let changed = || Some(changes::changed(entry).join(", ")).filter(|names| !names.is_empty());
    match entry.action {
        Action::Made if entry.name.is_empty() => "made".to_owned(),
        Action::Made => format!("made{}", title()),
        Action::Changed => {
            format!("changed{}{}", title(), changed().map_or_else(String::new, |names| format!(": {names}")))
        }
        Action::Deleted if entry.name.is_empty() => "deleted".to_owned(),
        Action::Deleted if entry.trashed => format!("deleted{}, in the trash", title()),
        Action::Deleted => format!("deleted{}", title()),
        Action::Left => format!("moved away{}", title()),
        Action::Arrived => format!("moved here{}", title()),
        Action::Renamed => format!("renamed; it was {:?}", entry.detail.as_deref().unwrap_or_default()),
        Action::Described => "properties set".to_owned(),
        Action::Opened => "access changed".to_owned(),
        Action::Restored => "taken out of the trash".to_owned(),
    }
}

/// Something in the trash, in a line.
fn told(trashed: &Trashed) -> String {
    let what = if trashed.whole {
        format!("calendar {}", trashed.calendar.escape_debug())
    } else {
        format!("{}/{}", trashed.calendar.escape_debug(), trashed.name.escape_debug())
    };
    let who = trashed.author.as_ref().map_or("-", |author| author.name.as_str());
    format!(
        "{}  {}  {}  {what}  {} octets",
        caldav::stamp(trashed.at),
        who.escape_debug(),
        trashed.client,
        trashed.octets
    )
}

/// Why something was not brought back, for people.
fn why(fault: Fault) -> anyhow::Error {
    match fault {
        Fault::Refused(refusal) => {
            let said = refusal.reason().map(str::to_owned);
            let named = refusal.condition.map(|condition| condition.name.to_string());
            anyhow::anyhow!(said.or(named).unwrap_or_else(|| "that cannot be".to_owned()))
        }
        Fault::Busy(error) | Fault::Fault(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(action: Action, body: Option<&str>, next: Option<&str>) -> Entry {
        let octets = |text: Option<&str>| text.map(|text| bytes::Bytes::copy_from_slice(text.as_bytes()));
        Entry {
            id: 1,
            calendar: "work".to_owned(),
            name: "a\nb.ics".to_owned(),
            revision: 7,
            at: std::time::SystemTime::UNIX_EPOCH,
            author: Some("alice".to_owned()),
            signed: true,
            client: "DAVx5/4".to_owned(),
            action,
            detail: None,
            trashed: true,
            body: octets(body),
            next: octets(next),
        }
    }

    const LUNCH: &str =
        "BEGIN:VEVENT\r\nDTSTAMP:1\r\nSUMMARY;LANGUAGE=en:Lu\r\n nch\r\nLOCATION:x\r\nEND:VEVENT\r\n";
    const SUPPER: &str =
        "BEGIN:VEVENT\r\nDTSTAMP:2\r\nSUMMARY:Supper\r\nDTSTART:2\r\nLOCATION:x\r\nEND:VEVENT\r\n";

    #[test]
    fn a_change_is_a_line() {
        for (action, body, next, told) in [
            (Action::Made, None, Some(LUNCH), "made \"Lunch\""),
            (Action::Changed, Some(LUNCH), Some(SUPPER), "changed \"Supper\": DTSTART, SUMMARY"),
            (Action::Changed, Some(LUNCH), None, "changed"),
            (Action::Deleted, Some(LUNCH), None, "deleted \"Lunch\", in the trash"),
        ] {
            let line = line(&entry(action, body, next));
            assert_eq!(line, format!("1970-01-01T00:00:00Z  7  alice  DAVx5/4  work/a\\nb.ics: {told}"));
        }
    }
}
