//! What a node does by itself, beside answering: it forgets what was deleted, what was told, and what was done to rights, long
//! ago (`calendar.sync_retention_days`, `notifications.retention_days`, `audit.retention_days`), and what is kept of changes for
//! as long as `history` says; it does away with what others and the REST service have of people who were erased, and takes out of
//! the calendars of others who was erased everywhere; and it tells those whose quota is nearly used up.
//!
//! Every node does so; what one is at, the others pass over.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::{
    caldav,
    config::Settings,
    db::{Error, Pool, Tx},
    store::{
        audit, change,
        history::{self, Days},
        notification,
    },
};

pub use super::pages::sweep;
use super::stopped;

/// How often it is looked for what is old enough.
const PAUSE: Duration = Duration::from_hours(1);
/// Tombstones that one statement forgets, so that nobody waits for it.
const AT_ONCE: i64 = 1000;

/// Days that a time of PostgreSQL can be moved by.
pub(super) const LONGEST: i32 = 36_500;

/// Keeps the database tidy until the service stops.
pub async fn run(settings: &Settings, pool: Pool, stopping: watch::Receiver<bool>) {
    let (deleted, done) = (days(settings.calendar.sync_retention_days), days(settings.audit.retention_days));
    let told = days(settings.notifications.retention_days);
    loop {
        if deleted > 0 {
            tell(forget(&pool, deleted).await);
        }
        if told > 0
            && let Err(error) = forget_told(&pool, told).await
        {
            tracing::warn!(%error, "what was told long ago could not be forgotten");
        }
        if done > 0
            && let Err(error) = forget_deeds(&pool, done).await
        {
            tracing::warn!(%error, "what was done long ago could not be forgotten");
        }
        tell(erase(&pool, caldav::days(settings)).await);
        match sweep(&pool).await {
            Ok(0) => {}
            Ok(people) => tracing::info!(people, "forgot links and passwords of who was erased"),
            Err(error) => {
                tracing::warn!(%error, "links and passwords of who was erased could not be forgotten");
            }
        }
        if let Err(error) = caldav::erase::wipe(&pool).await {
            tracing::warn!(%error, "what others have of somebody who was erased is still there");
        }
        if let Err(error) = caldav::everywhere::run(&pool).await {
            tracing::warn!(%error, "somebody who was erased is still in the calendars of others");
        }
        if let Err(error) = caldav::fullness::tell(&pool, settings).await {
            tracing::warn!(%error, "who has used up their quota could not be told");
        }
        if timeout(PAUSE, stopped(stopping.clone())).await.is_ok() {
            return;
        }
    }
}

fn days(setting: u32) -> i32 {
    i32::try_from(setting).unwrap_or(i32::MAX).min(LONGEST)
}

/// Forgets of the audit log what is older than so many days.
pub async fn forget_deeds(pool: &Pool, days: i32) -> Result<u64, Error> {
    let mut count = 0;
    loop {
        let now = audit::trim(pool, days, AT_ONCE).await?;
        count += now;
        if now == 0 {
            return Ok(count);
        }
    }
}

fn tell(forgotten: Result<u64, Error>) {
    match forgotten {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "forgot what was deleted long ago"),
        // The next time will do.
        Err(error) => tracing::warn!(%error, "what was deleted long ago could not be forgotten"),
    }
}

/// Erases what is in the history and the trash for longer than it is kept, but for what others are at; says of how much.
pub async fn erase(pool: &Pool, days: Days) -> Result<u64, Error> {
    let mut count = 0;
    loop {
        let mut now = 0;
        for home in history::old(pool, days, AT_ONCE).await? {
            now += history::forget(pool, home, days, AT_ONCE).await?;
        }
        if now == 0 {
            return Ok(count);
        }
        count += now;
    }
}

/// Forgets the notifications that are older than so many days; says how many that were.
pub async fn forget_told(pool: &Pool, days: i32) -> Result<u64, Error> {
    let mut count = 0;
    loop {
        let mut now = 0;
        for home in notification::old(pool, days, AT_ONCE).await? {
            let expire = async |tx: Arc<Tx>| notification::expire(&tx, home, days).await;
            now += pool.transaction(expire).await?;
        }
        if now == 0 {
            return Ok(count);
        }
        count += now;
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
