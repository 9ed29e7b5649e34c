//! `kalends principal show`, `transfer` and `purge`: what there is of a person, given to another or erased.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::{
    caldav::{self, erase, everywhere},
    db::Tx,
    store::{
        Principal,
        audit::{self, Action, Deed, Place},
        calendar,
        handover::{self, Holdings, Parcel},
        principal,
    },
};

use super::{
    pages,
    users::{find, open, operator},
};

/// `kalends principal show`: what is known of a person, and what they have.
pub fn show(file: Option<&Path>, name: &str) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let tx = pool.begin().await?;
        let who = find(&tx, &settings, name).await?;
        print!("{}", page(&who, &handover::holdings(&tx, who.id).await?));
        Ok(())
    })
}

/// `kalends principal transfer`: calendars of one person are another's from now on; all of them, where none is named.
pub fn transfer(file: Option<&Path>, from: &str, to: &str, calendars: &[String]) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let settings = &settings;
        let (to, parcels) = pool
            .transaction(async |tx: Arc<Tx>| {
                principal::one_at_a_time(&tx).await?;
                let (from, to) = (find(&tx, settings, from).await?, find(&tx, settings, to).await?);
                if from.id == to.id {
                    bail!("{} has them already", to.name);
                }
                handover::patience(&tx).await?;
                let kept = handover::kept(&tx, from.id).await?;
                for home in [from.id.min(to.id), from.id.max(to.id)] {
                    calendar::lock_home(&tx, home).await?;
                }
                let parcels = parcels(&tx, (&from, &to), kept, calendars).await?;
                handover::hand_over(&tx, from.id, to.id, &parcels).await?;
                pages::hand_over(&tx, (from.id, &to), &parcels).await?;
                // What groups have of it, who had it has as well from now on, if they are in one.
                caldav::meet(&tx, settings, &from).await?;
                let deeds: Vec<Deed> = parcels.iter().map(|parcel| handed(&from, &to, parcel)).collect();
                audit::record(&tx, &deeds).await?;
                Ok((to, parcels))
            })
            .await?;
        for Parcel { from, to: name, .. } in &parcels {
            println!("{from} is {}/{name} now.", to.name);
        }
        println!("{} calendars are {}'s now, and shared as they were.", parcels.len(), to.name);
        Ok(())
    })
}

fn handed(from: &Principal, to: &Principal, parcel: &Parcel) -> Deed {
    Deed {
        actor: operator(),
        action: Action::Transferred,
        owner: from.into(),
        place: Place { id: Some(parcel.id), name: parcel.from.clone() },
        whom: to.into(),
        detail: parcel.to.clone(),
    }
}

/// What goes, and what it is called where it goes to.
async fn parcels(
    tx: &Tx,
    (from, to): (&Principal, &Principal),
    kept: Vec<(i64, String)>,
    only: &[String],
) -> Result<Vec<Parcel>> {
    if let Some(name) = only.iter().find(|name| kept.iter().all(|(_, kept)| kept != *name)) {
        bail!("{} has no calendar {name}: there is {}", from.name, list(kept.iter().map(|(_, name)| name)));
    }
    let there = handover::names(tx, to.id).await?;
    let mut taken: HashSet<String> = there.iter().map(|seen| seen.name.clone()).collect();
    let parcel = |(id, name): (i64, String)| {
        // What they see already keeps the name that it has for them.
        let seen = there.iter().find(|seen| seen.id == id && seen.owner == from.id);
        let to = seen.map_or_else(|| free(&name, &mut taken), |seen| seen.name.clone());
        Parcel { id, from: name, to }
    };
    let going = kept.into_iter().filter(|(_, name)| only.is_empty() || only.contains(name));
    Ok(going.map(parcel).collect())
}

/// The name, or the first like it that is not taken; it is taken then.
fn free(name: &str, taken: &mut HashSet<String>) -> String {
    let mut fresh = name.to_owned();
    let mut count = 1_u64;
    while !taken.insert(fresh.clone()) {
        count += 1;
        let mark = format!("-{count}");
        let end = name.floor_char_boundary(LONGEST - mark.len());
        fresh = name[..end].to_owned() + &mark;
    }
    fresh
}

/// Octets of a segment of a path.
const LONGEST: usize = 255;

/// `kalends principal purge`: a person is erased; told only, as long as that is not confirmed.
/// With `elsewhere` the calendars of others name them no longer either.
pub fn purge(file: Option<&Path>, name: &str, confirmed: bool, elsewhere: bool) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let settings = &settings;
        let (who, holdings) = pool
            .transaction(async |tx: Arc<Tx>| {
                principal::one_at_a_time(&tx).await?;
                let who = find(&tx, settings, name).await?;
                let holdings = handover::holdings(&tx, who.id).await?;
                if confirmed {
                    pages::forget(&tx, who.id).await?;
                    erase::erase(&tx, &who, operator(), elsewhere).await?;
                }
                Ok::<_, anyhow::Error>((who, holdings))
            })
            .await?;
        print!("{}", page(&who, &holdings));
        if confirmed {
            erase::wipe(&pool).await?;
            println!("All of this is erased. Who comes by this name or subject from now on is somebody new.");
            if elsewhere {
                let count = everywhere::run(&pool).await?;
                println!("{count} objects of others, as they are and as they were, name them no longer.");
                println!("Backups have it until they are deleted.");
            } else {
                println!(
                    "Backups have it until they are deleted, and so have the calendars of people who were invited."
                );
            }
        } else {
            println!(
                "Nothing was changed. With --yes all of this is erased, and nothing brings it back but a backup."
            );
            println!("To keep calendars: `kalends principal transfer {} SOMEBODY` first.", who.name);
        }
        Ok(())
    })
}

fn page(who: &Principal, holdings: &Holdings) -> String {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let state = if who.disabled { "disabled" } else { "active" };
    let Holdings { calendars, objects, octets, given, held, seen, sees } = holdings;
    let kept: Vec<&String> = who.groups.iter().filter(|group| !who.told.contains(group)).collect();
    format!(
        "name        {}\nstate       {state}\nnumber      {}\nsubject     {}\ne-mail      {}\nshown as    {}\n\
         groups      {} by the proxy's word, {} kept here\n\
         has         {calendars} calendars with {objects} objects, {octets} octets\n\
         gives       {given} entries in access control lists; {seen} times a calendar is seen by others\n\
         is given    {held} entries in the lists of others; sees {sees} calendars of theirs\n",
        who.name,
        who.id,
        or_none(&who.subject),
        or_none(&who.email),
        or_none(&who.display_name),
        list(who.told.iter()),
        list(kept.into_iter()),
    )
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut taken: HashSet<String> = ["work", "work-2"].map(str::to_owned).into();
        let names = ["work", "home", "work", "home"].map(|name| free(name, &mut taken));
        assert_eq!(names, ["work-3", "home", "work-4", "home-2"]);
        let long = "ä".repeat(127) + "x";
        assert_eq!(free(&long, &mut taken), long);
        let second = free(&long, &mut taken);
        assert!(second.len() <= LONGEST && second.ends_with("ä-2"), "{second}");
    }
}
