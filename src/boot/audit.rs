//! `kalends audit`: who did what to people and to their rights.

use std::path::Path;

use anyhow::Result;

use crate::{
    caldav::stamp,
    store::audit::{self, Entry},
};

use super::{
    upkeep::LONGEST,
    users::{columns, find, open},
};

/// Prints what was done in the last so many days; where somebody is named, by them, to them or in their home.
pub fn print(file: Option<&Path>, days: u32, of: Option<&str>) -> Result<()> {
    super::run(async {
        let (pool, settings) = open(file).await?;
        let of = match of {
            Some(name) => Some(find(&pool.begin().await?, &settings, name).await?.id),
            None => None,
        };
        let days = i32::try_from(days).unwrap_or(LONGEST).min(LONGEST);
        print!("{}", table(&audit::since(&pool, days, of).await?));
        Ok(())
    })
}

fn table(entries: &[Entry]) -> String {
    let head = ["WHEN", "WHO", "WHAT", "WHOM", "WHERE", "DETAIL"].map(str::to_owned);
    let row = |entry: &Entry| {
        let [actor, action, owner, place, whom, detail] = entry.words.each_ref().map(|word| escaped(word));
        let place = match (owner.as_str(), place.as_str()) {
            ("-", _) => "-".to_owned(),
            (_, "-") => owner,
            _ => format!("{owner}/{place}"),
        };
        [stamp(entry.at), actor, action, whom, place, detail]
    };
    columns(std::iter::once(head).chain(entries.iter().map(row)))
}

/// Names are chosen by people, and a line stays a line.
fn escaped(word: &str) -> String {
    if word.is_empty() { "-".to_owned() } else { word.escape_debug().to_string() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_deed_is_a_line() {
        let words = ["alice", "granted", "alice", "wo\nrk", "bob", "D:read"].map(str::to_owned);
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let all = ["(proxy)", "joined", "", "", "bob", "staff"].map(str::to_owned);
        assert_eq!(
            table(&[Entry { id: 1, at, words }, Entry { id: 2, at, words: all }]),
            "WHEN                  WHO      WHAT     WHOM  WHERE         DETAIL\n\
             2023-11-14T22:13:20Z  alice    granted  bob   alice/wo\\nrk  D:read\n\
             2023-11-14T22:13:20Z  (proxy)  joined   bob   -             staff\n"
        );
    }
}
