//! `kalends principal`: who there is, who is let in, and what they are called.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::{
    caldav::{self, membership},
    cluster::Cluster,
    config::Settings,
    db::{
        Pool, Tx,
        migrate::{self as migrations, CALDAV},
    },
    front,
    store::{
        Principal,
        audit::{self, Action, Deed, Party, Place},
        principal,
    },
};

use super::pages;

/// `kalends principal list`: everybody, one line each.
pub fn list(file: Option<&Path>) -> Result<()> {
    super::run(async {
        let (pool, _) = open(file).await?;
        print!("{}", table(&principal::all(&pool).await?));
        Ok(())
    })
}

/// `kalends principal disable`: nobody gets in as that person, from the next request on.
pub fn disable(file: Option<&Path>, name: &str) -> Result<()> {
    super::run(async {
        let name = set(file, name, true).await?;
        println!(
            "{name} is disabled: every request is answered 403 from now on. The calendars stay as they are."
        );
        Ok(())
    })
}

/// `kalends principal enable`: that person gets in again.
pub fn enable(file: Option<&Path>, name: &str) -> Result<()> {
    super::run(async {
        let name = set(file, name, false).await?;
        println!("{name} is active, and gets in when the proxy says so.");
        Ok(())
    })
}

/// `kalends principal rename`: the calendars of one name are under another from now on.
pub fn rename(file: Option<&Path>, old: &str, new: &str) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let to = front::spell(&settings.identity, new)
            .map_err(|why| anyhow::anyhow!("{new:?} cannot be a name: {why}"))?;
        let (settings, goal) = (&settings, to.as_str());
        let was = pool
            .transaction(async |tx: Arc<Tx>| {
                principal::one_at_a_time(&tx).await?;
                let who = find(&tx, settings, old).await?;
                if principal::by_name_in(&tx, goal).await?.is_some_and(|other| other.id != who.id) {
                    bail!(
                        "{goal} is somebody else already: give that person another name first (`kalends principal rename {goal} …`)"
                    );
                }
                principal::rename(&tx, who.id, goal).await?;
                membership::renamed(&tx, operator(), &who, goal).await?;
                pages::called(&tx, who.id, goal).await?;
                Ok(who)
            })
            .await?;
        println!("{} is called {to} now, and so are the URLs.", was.name);
        if was.subject.is_some() {
            println!(
                "The proxy's word counts more: who signs in with this subject is called what the proxy says."
            );
        }
        Ok(())
    })
}

async fn set(file: Option<&Path>, name: &str, disabled: bool) -> Result<String> {
    let (pool, settings) = open(file).await?;
    let settings = &settings;
    pool.transaction(async |tx: Arc<Tx>| {
        principal::one_at_a_time(&tx).await?;
        let who = find(&tx, settings, name).await?;
        principal::set_disabled(&tx, who.id, disabled).await?;
        if !disabled {
            // What was shared with their groups meanwhile, they have not met.
            caldav::meet(&tx, settings, &who).await?;
        }
        let action = if disabled { Action::Disabled } else { Action::Enabled };
        let (owner, place, detail) = (Party::default(), Place::default(), String::new());
        let deed = Deed { actor: operator(), action, owner, place, whom: (&who).into(), detail };
        audit::record(&tx, &[deed]).await?;
        Ok(who.name)
    })
    .await
}

/// The principal of a name as somebody types it, or as the list has it.
pub(super) async fn find(tx: &Tx, settings: &Settings, typed: &str) -> Result<Principal> {
    if let Some(found) = principal::by_name_in(tx, typed).await? {
        return Ok(found);
    }
    let spelt = front::spell(&settings.identity, typed).unwrap_or_default();
    principal::by_name_in(tx, &spelt).await?.with_context(|| {
        format!(
            "nobody is called {typed}: `kalends principal list` has everybody who has ever signed in; names in identity.deny are \
             kept out before they do"
        )
    })
}

/// The database of the settings, or of the `kalends up` that runs with them.
pub(super) async fn open(file: Option<&Path>) -> Result<(Pool, Settings)> {
    let mut settings = Settings::load(file)?;
    let own = settings.database.url.is_empty();
    let not_up = "database.url is empty, and no `kalends up` runs with these settings: start it first, or name the file with --config";
    if own {
        settings.database.url = Cluster::url_of(&settings.cluster)?.context(not_up)?.into();
    }
    let pool = Pool::new(&settings.database)?;
    let reached = pool.ping().await;
    reached.context(if own { not_up } else { "the database cannot be reached" })?;
    if !migrations::status(&pool, CALDAV).await?.pending.is_empty() {
        bail!("the database needs migrations: run `kalends migrate` with the same settings");
    }
    Ok((pool, settings))
}

/// Who types commands, as far as the machine knows.
pub(super) fn operator() -> Party {
    let name = ["SUDO_USER", "LOGNAME", "USER"].iter().find_map(|name| std::env::var(name).ok());
    Party::named(&format!("(operator {})", name.as_deref().unwrap_or("unknown")))
}

/// The list of everybody.
fn table(people: &[Principal]) -> String {
    let head = ["NAME", "STATE", "E-MAIL", "SUBJECT"].map(str::to_owned);
    let row = |p: &Principal| {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let state = if p.disabled { "disabled" } else { "active" };
        [p.name.clone(), state.to_owned(), or_none(&p.email), or_none(&p.subject)]
    };
    columns(std::iter::once(head).chain(people.iter().map(row)))
}

/// Rows, their columns in line.
pub(super) fn columns<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_line() {
        let person = |name: &str, disabled: bool| Principal {
            id: 1,
            name: name.to_owned(),
            email: disabled.then(|| "a@example.org".to_owned()),
            disabled,
            ..Principal::default()
        };
        assert_eq!(
            table(&[person("alice", true), person("frédéric", false)]),
            "NAME      STATE     E-MAIL         SUBJECT\n\
             alice     disabled  a@example.org  -\n\
             frédéric  active    -              -\n"
        );
    }
}
