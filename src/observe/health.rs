//! Whether this process lives and whether it can serve.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a check may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(3);

type Check = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The state that load balancers and orchestrators ask for.
pub struct Health {
    started: Instant,
    draining: AtomicBool,
    check: Check,
}

impl Health {
    /// `check` says whether what the server needs (its database) is there, or what is wrong.
    pub fn new<F>(check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Box::new(move || Box::pin(check()));
        Self { started: Instant::now(), draining: AtomicBool::new(false), check }
    }

    /// From now on it is not ready: the server stops.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How long the process has lived.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether requests can be served; if not, why.
    pub async fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the server is stopping".into());
        }
        tokio::time::timeout(PATIENCE, (self.check)())
            .await
            .unwrap_or_else(|_| Err("the check took too long".into()))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("started", &self.started)
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_ready_while_its_check_passes_and_it_does_not_stop() {
        let health = Health::new(|| async { Ok(()) });
        assert_eq!(health.ready().await, Ok(()));
        health.drain();
        assert!(health.ready().await.is_err());
        let sick = Health::new(|| async { Err("no database".to_owned()) });
        assert_eq!(sick.ready().await, Err("no database".to_owned()));
    }
}
