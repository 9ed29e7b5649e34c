//! What systemd is told (`sd_notify`): that the service is ready, reads its settings again, stops, and still does work.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState::{self, MonotonicUsec, Ready, Reloading, Status, Stopping, Watchdog};

/// It serves; `status` says what, for `systemctl status`.
pub fn ready(status: &str) {
    tell(&[Ready, Status(status)]);
}

/// It reads its settings again; [`ready`] ends it.
pub fn reloading() {
    let now = NotifyState::monotonic_usec_now().unwrap_or(MonotonicUsec(0));
    tell(&[Reloading, now, Status("reading the settings again")]);
}

/// It finishes what is in flight and ends.
pub fn stopping() {
    tell(&[Stopping, Status("finishing requests in flight")]);
}

/// Twice in each `WatchdogSec=` tells that the runtime does what it is given, for ever, where systemd wants to know. A runtime
/// that is stuck does not come to it, and systemd starts the service anew.
pub async fn watchdog() {
    if let Some(limit) = sd_notify::watchdog_enabled() {
        beat(limit / 2, || tell(&[Watchdog])).await;
    }
}

async fn beat(every: Duration, tell: impl Fn()) {
    loop {
        // A task of its own, so that what is told is that the runtime's workers take on work and finish it.
        if tokio::spawn(tokio::task::yield_now()).await.is_ok() {
            tell();
        }
        tokio::time::sleep(every).await;
    }
}

/// Without systemd there is nobody to tell.
fn tell(state: &[NotifyState<'_>]) {
    let told: io::Result<()> = sd_notify::notify(state);
    if let Err(error) = told {
        tracing::warn!("systemd cannot be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_runtime_that_is_stuck_is_not_told_to_live() {
        let beats = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&beats);
        let every = Duration::from_millis(10);
        tokio::spawn(beat(every, move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        tokio::time::sleep(every * 20).await;
        let alive = beats.load(Ordering::Relaxed);
        assert!(alive >= 3, "{alive} beats");
        // The one worker of this runtime is held up.
        std::thread::sleep(every * 20);
        assert_eq!(beats.load(Ordering::Relaxed), alive);
    }
}
