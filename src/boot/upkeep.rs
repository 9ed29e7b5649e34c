//! What a node does by itself, beside answering: it forgets what was deleted long ago (`calendar.sync_retention_days`).
//!
//! Every node does so; what one is at, the others pass over.

use std::time::Duration;

use tokio::{sync::watch, time::timeout};

use crate::{
    config::Settings,
    db::{Error, Pool},
    store::change,
};

use super::stopped;

/// How often it is looked for what is old enough.
const PAUSE: Duration = Duration::from_hours(1);
/// Tombstones that one statement forgets, so that nobody waits for it.
const AT_ONCE: i64 = 1000;

/// Days that a time of PostgreSQL can be moved by.
const LONGEST: i32 = 36_500;

/// Keeps the database tidy until the service stops.
pub async fn run(settings: &Settings, pool: Pool, stopping: watch::Receiver<bool>) {
    let days = i32::try_from(settings.calendar.sync_retention_days).unwrap_or(i32::MAX).min(LONGEST);
    if days == 0 {
        return;
    }
    loop {
        match forget(&pool, days).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgot what was deleted long ago"),
            // The next time will do.
            Err(error) => tracing::warn!(%error, "what was deleted long ago could not be forgotten"),
        }
        if timeout(PAUSE, stopped(stopping.clone())).await.is_ok() {
            return;
        }
    }
}

/// Forgets all that was deleted longer ago than so many days, but for what others are at; says how much that was.
pub async fn forget(pool: &Pool, days: i32) -> Result<u64, Error> {
    let mut count = 0;
    loop {
        let mut now = 0;
        for home in change::old(pool, days, AT_ONCE).await? {
            now += change::trim(pool, home, days, AT_ONCE).await?;
        }
        if now == 0 {
            return Ok(count);
        }
        count += now;
    }
}
