//! `kalends check --objects`: goes through all that is stored, and names what cannot be read any more.

use std::path::Path;

use anyhow::{Context, Result};
use futures_util::StreamExt;

use crate::{
    caldav::quarantine,
    db::Pool,
    store::{
        Principal,
        object::{self, Lying},
        principal,
    },
};

/// Objects that one statement reads, so that each is done long before its time limit.
const AT_ONCE: i64 = 500;

/// Names every object that cannot be read any more, on standard output; whether there was none.
pub fn check(file: Option<&Path>) -> Result<bool> {
    let mut clean = false;
    super::run(async {
        let (pool, _) = super::users::open(file).await?;
        let (mut all, mut bad) = (0, 0);
        for who in principal::all(&pool).await? {
            let told = home(&pool, &who).await;
            let (seen, faults) = told.with_context(|| format!("the home of {} cannot be read", who.name))?;
            all += seen;
            bad += faults;
        }
        clean = bad == 0;
        println!("{}", sum(all, bad));
        Ok(())
    })?;
    Ok(clean)
}

/// Looks at the objects of a home; how many there are, and how many of them are bad.
async fn home(pool: &Pool, who: &Principal) -> Result<(u64, u64)> {
    let (mut seen, mut bad, mut after) = (0, 0, 0);
    loop {
        let mut rows = object::of_home(pool, who.id, after, AT_ONCE).await?;
        let before = seen;
        while let Some(row) = rows.next().await {
            let lying = object::read_lying(&row?)?;
            (seen, after) = (seen + 1, lying.id);
            if let Some(fault) = quarantine::fault(lying.body.clone(), &lying.etag) {
                bad += 1;
                println!("{}", line(&who.name, &lying, &fault));
            }
        }
        if seen == before {
            return Ok((seen, bad));
        }
    }
}

/// Where an object is, and what is wrong with it; names are chosen by people, and a line stays a line.
fn line(user: &str, lying: &Lying, fault: &str) -> String {
    let names = [user, &lying.calendar, &lying.name].map(|name| name.escape_debug().to_string());
    format!("{}: {fault}", names.join("/"))
}

fn sum(all: u64, bad: u64) -> String {
    match bad {
        0 => format!("All {all} objects can be read and are what was stored."),
        _ => format!(
            "{bad} of {all} objects are not what was stored. Each can be had by GET as it lies there, replaced by PUT and \
             deleted; the others are not touched by it. A backup has what it was: compare the disk's health and who else \
             writes to the database."
        ),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_line_is_a_line() {
        let lying = Lying {
            id: 1,
            calendar: "frédéric".to_owned(),
            name: "a\nb.ics".to_owned(),
            etag: String::new(),
            body: Bytes::new(),
        };
        assert_eq!(line("alice", &lying, "why"), "alice/frédéric/a\\nb.ics: why");
    }
}
