//! `kalends group`: groups that an admin keeps, beside those that the proxy tells.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::{
    caldav::{self, membership},
    db::Tx,
    front,
    store::{
        handover,
        principal::{self, Group},
    },
};

use super::users::{columns, find, open, operator};

/// `kalends group list`: every group that somebody is in.
pub fn list(file: Option<&Path>) -> Result<()> {
    super::run(async {
        let (pool, _) = open(file).await?;
        print!("{}", table(&principal::all_groups(&pool).await?));
        Ok(())
    })
}

/// `kalends group show`: who is in a group, and by whose word.
pub fn show(file: Option<&Path>, group: &str) -> Result<()> {
    super::run(async {
        let (pool, _) = open(file).await?;
        let group = spelt(group)?;
        let members = principal::memberships_in(&pool.begin().await?, &group).await?;
        if members.is_empty() {
            bail!("nobody is in {group}: `kalends group list` has every group that there is");
        }
        let head = ["NAME", "TOLD BY", "STATE"].map(str::to_owned);
        let rows = members.iter().map(|(who, kept)| {
            let told = who.told.contains(&group);
            let by = match (told, kept) {
                (true, true) => "proxy, admin",
                (true, false) => "proxy",
                _ => "admin",
            };
            [who.name.clone(), by.to_owned(), if who.disabled { "disabled" } else { "active" }.to_owned()]
        });
        print!("{}", columns(std::iter::once(head).chain(rows)));
        Ok(())
    })
}

/// `kalends group add` and `remove`: people are kept in a group, or no longer.
pub fn keep(file: Option<&Path>, group: &str, people: &[String], inside: bool) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let group = spelt(group)?;
        let (settings, group, by) = (&settings, group.as_str(), &operator());
        let told = pool
            .transaction(async |tx: Arc<Tx>| {
                principal::one_at_a_time(&tx).await?;
                let mut told = Vec::new();
                for name in people {
                    let was = find(&tx, settings, name).await?;
                    let now = principal::keep(&tx, was.id, group, inside).await?;
                    membership::changed(&tx, by, &was.groups, &now).await?;
                    caldav::meet(&tx, settings, &now).await?;
                    told.push(outcome(&was.name, group, (was.groups.iter(), now.groups.iter())));
                }
                Ok::<_, anyhow::Error>(told)
            })
            .await?;
        print!("{}", told.concat());
        Ok(())
    })
}

/// `kalends group delete`: nobody is kept in a group any more.
pub fn delete(file: Option<&Path>, group: &str) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let group = spelt(group)?;
        let settings = &settings;
        let (group, by) = (group.as_str(), &operator());
        let (gone, left) = pool
            .transaction(async |tx: Arc<Tx>| {
                principal::one_at_a_time(&tx).await?;
                let members = principal::memberships_in(&tx, group).await?;
                let (mut gone, mut left) = (0, 0);
                for (was, kept) in &members {
                    left += usize::from(was.told.iter().any(|told| told == group));
                    if *kept {
                        gone += 1;
                        let now = principal::keep(&tx, was.id, group, false).await?;
                        membership::changed(&tx, by, &was.groups, &now).await?;
                        caldav::meet(&tx, settings, &now).await?;
                    }
                }
                if left == 0 {
                    handover::revoke_group(&tx, group).await?;
                }
                Ok::<_, anyhow::Error>((gone, left))
            })
            .await?;
        println!("Nobody is kept in {group} any more: {gone} were.");
        if left > 0 {
            println!("The proxy says that {left} are in it: they stay until it says otherwise.");
        } else {
            println!("It is in no access control list any more.");
        }
        Ok(())
    })
}

/// What became of somebody's membership, in a line.
fn outcome<'a>(
    name: &str,
    group: &str,
    (mut before, mut now): (impl Iterator<Item = &'a String>, impl Iterator<Item = &'a String>),
) -> String {
    match (before.any(|g| g == group), now.any(|g| g == group)) {
        (false, true) => format!("{name} is in {group} from the next request on.\n"),
        (true, false) => format!("{name} is in {group} no longer.\n"),
        (true, true) => format!("{name} is in {group}, as before.\n"),
        (false, false) => format!("{name} was not in {group}.\n"),
    }
}

fn spelt(group: &str) -> Result<String> {
    front::group(group).map_err(|why| anyhow::anyhow!("{group:?} cannot be a group: {why}"))
}

fn table(groups: &[Group]) -> String {
    let head = ["GROUP", "MEMBERS", "BY THE PROXY", "BY AN ADMIN"].map(str::to_owned);
    let row = |g: &Group| [g.name.clone(), g.members.to_string(), g.told.to_string(), g.kept.to_string()];
    columns(std::iter::once(head).chain(groups.iter().map(row)))
}
