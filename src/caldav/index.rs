//! The place of objects in the time-range index: how far it reaches, and the work that moves that on (decision 0001).

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};
use tokio::{select, sync::watch, time::sleep};

use crate::{
    config::Settings,
    db::{Error, Pool, chain},
    ical::{self, Budget, Calendar},
    model::Index,
    observe::metrics,
    store::{self, index::Derived},
};

use super::seen;

/// What indexing one object may cost, in units of [`Budget`]; beyond it the index ends early, which is no fault.
const PER_OBJECT: u64 = 50_000;
/// Rows that one object may have in the index.
const MAX_ROWS: usize = 1000;
const DAY: i64 = 86_400;

/// The place of an object, and its fingerprint: the same times have the same.
pub fn place(settings: &Settings, calendar: &Calendar) -> (Index, i64) {
    let index = ical::index(calendar, horizon(settings), MAX_ROWS, &Budget::new(PER_OBJECT));
    let times = fingerprint(&index);
    (index, times)
}

/// The second up to which recurrences are indexed. It moves in steps of a month, so that an object that is stored again
/// with the same times has the same rows.
fn horizon(settings: &Settings) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed());
    let month = 30 * DAY;
    now - now % month + month + i64::from(settings.calendar.horizon_days) * DAY
}

fn fingerprint(index: &Index) -> i64 {
    let mut hash = Sha256::new();
    for instance in &index.instances {
        hash.update(instance.starts.to_be_bytes());
        hash.update(instance.ends.to_be_bytes());
        hash.update([u8::from(instance.floating), instance.busy.code().to_be_bytes()[1]]);
    }
    hash.update(index.tail.unwrap_or(i64::MAX).to_be_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    i64::from_be_bytes(first)
}

/// Objects that are indexed anew in one transaction, and a rest after each, so that requests come first.
const BATCH: (i64, Duration) = (100, Duration::from_millis(50));
/// How long until it is looked again, and how long after a failure, or where others had some of it at hand.
const PAUSE: (Duration, Duration) = (Duration::from_hours(24), Duration::from_mins(5));

/// Moves the index of all homes on to the horizon of now, at once and every day, until it is told to stop. Any number of
/// nodes may do so at the same time; what one of them, or a request, has at hand is passed over by the others.
pub async fn keep(pool: Pool, settings: Arc<Settings>, mut stopping: watch::Receiver<bool>) {
    let work = async {
        loop {
            let pause = match renew(&pool, &settings).await {
                Ok((0, true)) => PAUSE.0,
                Ok((objects, true)) => {
                    tracing::info!(objects, "the time-range index reaches to its horizon");
                    PAUSE.0
                }
                Ok((_, false)) => PAUSE.1,
                Err(error) => {
                    tracing::warn!(error = chain(&error), "the time-range index could not be moved on");
                    PAUSE.1
                }
            };
            sleep(pause).await;
        }
    };
    select! {
        () = work => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// Indexes anew whatever ends at an earlier horizon; how many objects those were, and whether that was all.
async fn renew(pool: &Pool, settings: &Settings) -> Result<(u64, bool), Error> {
    let horizon = horizon(settings);
    let (mut home, mut done, mut all) = (0, 0, true);
    loop {
        let homes = store::index::homes(pool, home).await?;
        let Some(last) = homes.last() else { return Ok((done, all)) };
        home = *last;
        for home in homes {
            while store::index::waits(pool, home, horizon).await? {
                let count = batch(pool, settings, home, horizon).await?;
                if count == 0 {
                    // Others have the rest at hand.
                    all = false;
                    break;
                }
                if (done + count) / 10_000 > done / 10_000 {
                    tracing::info!(objects = done + count, "the time-range index is being moved on");
                }
                done += count;
                sleep(BATCH.1).await;
            }
        }
    }
}

async fn batch(pool: &Pool, settings: &Settings, home: i64, horizon: i64) -> Result<u64, Error> {
    let tx = pool.begin().await?;
    let due = store::index::due(&tx, home, horizon, BATCH.0).await?;
    for object in &due {
        let derived = Calendar::parse(object.body.clone()).ok().map(|calendar| {
            let (index, times) = place(settings, &calendar);
            Derived { index, times, access: seen::code(&calendar) }
        });
        store::index::renew(&tx, home, object, derived.as_ref()).await?;
    }
    tx.commit().await?;
    metrics::reindexed(due.len());
    Ok(due.len() as u64)
}
