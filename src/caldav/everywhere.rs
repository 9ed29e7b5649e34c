//! Who was erased, and wanted that, is taken out of the calendars of others as well: home by home, a few objects in each
//! transaction, by whichever node comes first (docs/decisions/0044).

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    db::{Error, Pool, Tx},
    ical::erase::without,
    store::{
        Principal,
        erasure::{self, Shelf, Text, Wish},
        handover,
    },
};

use super::{marks, storing::etag};

/// Homes that one statement looks through.
const HOMES: i64 = 50;
/// Texts that one transaction rewrites.
const AT_ONCE: i64 = 32;

/// What somebody is known by in calendars: their addresses, and the paths of their principal.
#[must_use]
pub fn known_by(who: &Principal) -> Vec<String> {
    let mut all = marks(who);
    all.extend(Some(&who.name).filter(|name| name.contains('@')).cloned());
    let encoded: Vec<String> =
        all.iter().filter(|mark| !mark.starts_with('/')).map(|mark| mark.replace('@', "%40")).collect();
    all.extend(encoded);
    let mut small: Vec<String> = all.iter().map(|mark| mark.to_lowercase()).collect();
    small.sort_unstable();
    small.dedup();
    small
}

/// Does all that is to be done; says how many texts name somebody no longer.
pub async fn run(pool: &Pool) -> Result<u64, Error> {
    let mut count = 0;
    while let Some(mut wish) = erasure::take(pool).await? {
        let mut of_this = 0;
        loop {
            let homes = next(pool, &wish).await?;
            for home in homes.iter().filter(|(_, named)| *named).map(|(home, _)| *home) {
                for shelf in [Shelf::Objects, Shelf::Past, Shelf::Own] {
                    of_this += cleared(pool, (shelf, home), &wish.marks).await?;
                }
            }
            let Some((last, _)) = homes.last() else { break };
            wish.done = *last;
            let passed = &wish;
            pool.transaction(async |tx: Arc<Tx>| erasure::pass(&tx, passed, passed.done).await).await?;
        }
        erasure::finish(pool, &wish).await?;
        tracing::info!(count = of_this, "somebody who was erased is in the calendars of others no longer");
        count += of_this;
    }
    Ok(count)
}

/// The same beside everything else; what is not done then is done later.
pub fn start(pool: &Pool) {
    let pool = pool.clone();
    tokio::spawn(async move {
        if let Err(error) = run(&pool).await {
            tracing::warn!(%error, "somebody who was erased is still in the calendars of others");
        }
    });
}

async fn next(pool: &Pool, wish: &Wish) -> Result<Vec<(i64, bool)>, Error> {
    pool.transaction(async |tx: Arc<Tx>| {
        handover::patience(&tx).await?;
        erasure::homes(&tx, wish.done, &wish.marks, HOMES).await
    })
    .await
}

/// Rewrites what names somebody on that shelf of a home, and says how much that is.
async fn cleared(pool: &Pool, place: (Shelf, i64), marks: &[String]) -> Result<u64, Error> {
    let (mut after, mut count) = ((0, 0), 0);
    loop {
        let (last, changed) = pool
            .transaction(async |tx: Arc<Tx>| {
                handover::patience(&tx).await?;
                erasure::hold(&tx, place.1).await?;
                let texts = erasure::texts(&tx, place, after, marks, AT_ONCE).await?;
                let changed = rewrite(&tx, place, &texts, marks).await?;
                let more = i64::try_from(texts.len()).is_ok_and(|number| number == AT_ONCE);
                Ok::<_, Error>((texts.last().filter(|_| more).map(|text| (text.id, text.whose)), changed))
            })
            .await?;
        count += changed;
        match last {
            Some(last) => after = last,
            None => return Ok(count),
        }
    }
}

async fn rewrite(tx: &Tx, place: (Shelf, i64), texts: &[Text], marks: &[String]) -> Result<u64, Error> {
    let renewed = |text: &Text| Some(Text { octets: without(&text.octets, marks)?, ..text.clone() });
    let new: Vec<Text> = texts.iter().filter_map(renewed).collect();
    let mut by_calendar: BTreeMap<i64, Vec<(&Text, String)>> = BTreeMap::new();
    for text in &new {
        by_calendar.entry(text.calendar_id).or_default().push((text, etag(&text.octets)));
    }
    for (calendar, texts) in &by_calendar {
        erasure::reword(tx, place, *calendar, texts).await?;
    }
    Ok(new.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_known_by_addresses_and_paths() {
        let who = Principal {
            id: 1,
            name: "Zaphod@example.org".into(),
            email: Some("z@example.org".into()),
            ..Principal::default()
        };
        let expected = [
            "/principals/zaphod@example.org/",
            "z%40example.org",
            "z@example.org",
            "zaphod%40example.org",
            "zaphod@example.org",
        ];
        assert_eq!(known_by(&who), expected);
    }
}
