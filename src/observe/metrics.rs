//! What is counted and measured, in the words of Prometheus.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::observe::process;

/// Bounds of the histogram of answering times, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// What was counted, to be shown. Without one nothing is counted and nothing is kept.
#[derive(Clone)]
pub struct Exporter {
    handle: PrometheusHandle,
    sample: Arc<dyn Fn() + Send + Sync>,
}

impl Exporter {
    /// Starts to count; a second start in one process shows the same figures.
    #[must_use]
    pub fn install() -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            // Fails only for an empty list of buckets.
            let builder = PrometheusBuilder::new().set_buckets(BUCKETS).unwrap_or_default();
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            // Somebody else's recorder stays; ours then shows nothing.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            handle
        });
        Self { handle: handle.clone(), sample: Arc::new(|| ()) }
    }

    /// The same, taking this measurement too whenever the figures are shown.
    #[must_use]
    pub fn sampling(self, sample: impl Fn() + Send + Sync + 'static) -> Self {
        Self { sample: Arc::new(sample), ..self }
    }

    /// The figures as Prometheus reads them.
    #[must_use]
    pub fn render(&self) -> String {
        (self.sample)();
        process::sample();
        self.handle.render()
    }

    /// Folds measurements into their buckets; to be called every few seconds, or memory grows until the next
    /// rendering.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

fn describe() {
    describe_counter!("kalends_requests_total", "Answers by method and status.");
    describe_histogram!(
        "kalends_request_seconds",
        "Time from the headers to the end of the answer, by method."
    );
    describe_counter!("kalends_reports_total", "Reports run, by name.");
    describe_counter!("kalends_conditions_total", "Preconditions that refused a request, by name.");
    describe_counter!("kalends_denials_total", "Requests whose identity was refused, by reason.");
    describe_counter!("kalends_panics_total", "Requests that ended in a fault of the program.");
    describe_counter!("kalends_overload_total", "Requests answered 503 because too many were in flight.");
    describe_gauge!("kalends_connections", "Open connections.");
    describe_gauge!("kalends_requests_in_flight", "Requests being answered.");
    describe_histogram!("kalends_report_seconds", "Time to the beginning of a report's answer, by name.");
    describe_counter!("kalends_syncs_total", "Sync reports: of everything, of changes, or with nothing new.");
    describe_counter!(
        "kalends_reindexed_total",
        "Objects that were indexed anew because the horizon had moved on, or the index had changed."
    );
    describe_counter!("kalends_principals_created_total", "People who came for the first time.");
    describe_gauge!(
        "kalends_database_connections",
        "Connections to the database, by whether they are in use."
    );
    describe_gauge!("kalends_database_connections_limit", "Connections to the database there may be.");
    describe_gauge!("kalends_database_waiting", "Requests that wait for a connection to the database.");
    describe_counter!("kalends_traces_total", "Traces of requests, by whether the collector took them.");
    describe_gauge!("kalends_build_info", "1; the label says which version runs.");
    gauge!("kalends_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    // What has not happened yet is 0, so that a rate of it can be taken from the first time on.
    for zero in [
        "kalends_panics_total",
        "kalends_overload_total",
        "kalends_principals_created_total",
        "kalends_reindexed_total",
    ] {
        counter!(zero).increment(0);
    }
    for reason in ["absent", "untrusted", "malformed", "undecided", "handshake"] {
        counter!("kalends_denials_total", "reason" => reason).increment(0);
    }
    process::describe();
}

/// An answer went out whole or was cut off.
pub fn answered(method: &'static str, status: u16, time: Duration) {
    counter!("kalends_requests_total", "method" => method, "status" => status.to_string()).increment(1);
    histogram!("kalends_request_seconds", "method" => method).record(time.as_secs_f64());
}

/// A report was run.
pub fn reported(report: &'static str, time: Duration) {
    counter!("kalends_reports_total", "report" => report).increment(1);
    histogram!("kalends_report_seconds", "report" => report).record(time.as_secs_f64());
}

/// A sync report gave everything (`initial`), what had changed (`changes`), or said that there is nothing new (`unchanged`).
pub fn synced(kind: &'static str) {
    counter!("kalends_syncs_total", "kind" => kind).increment(1);
}

/// So many objects were indexed anew.
pub fn reindexed(objects: usize) {
    counter!("kalends_reindexed_total").increment(objects as u64);
}

/// Somebody came for the first time.
pub fn provisioned() {
    counter!("kalends_principals_created_total").increment(1);
}

/// What the pool of the database is doing.
pub fn pooled(used: usize, idle: usize, waiting: usize, limit: usize) {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    gauge!("kalends_database_connections", "state" => "used").set(number(used));
    gauge!("kalends_database_connections", "state" => "idle").set(number(idle));
    gauge!("kalends_database_waiting").set(number(waiting));
    gauge!("kalends_database_connections_limit").set(number(limit));
}

/// The collector took so many traces (`sent`), or they were given up (`lost`).
pub fn traced(outcome: &'static str, count: usize) {
    counter!("kalends_traces_total", "outcome" => outcome).increment(count as u64);
}

/// A precondition refused a request.
pub fn refused(condition: &'static str) {
    counter!("kalends_conditions_total", "condition" => condition).increment(1);
}

/// An identity was refused.
pub fn denied(reason: &'static str) {
    counter!("kalends_denials_total", "reason" => reason).increment(1);
}

/// The program failed in a request.
pub fn panicked() {
    counter!("kalends_panics_total").increment(1);
}

/// A request found no room.
pub fn overloaded() {
    counter!("kalends_overload_total").increment(1);
}

/// Something of which there are more while it lives.
#[derive(Debug)]
pub struct Live(&'static str);

impl Live {
    /// An open connection.
    #[must_use]
    pub fn connection() -> Self {
        Self::new("kalends_connections")
    }

    /// A request being answered.
    #[must_use]
    pub fn request() -> Self {
        Self::new("kalends_requests_in_flight")
    }

    fn new(name: &'static str) -> Self {
        gauge!(name).increment(1.0);
        Self(name)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_rendered() {
        let exporter = Exporter::install();
        answered("PROPFIND", 207, Duration::from_millis(3));
        let live = Live::connection();
        exporter.upkeep();
        let text = exporter.render();
        assert!(text.contains("kalends_requests_total{method=\"PROPFIND\",status=\"207\"} "), "{text}");
        assert!(text.contains("kalends_request_seconds_bucket{method=\"PROPFIND\",le=\"0.005\"} "), "{text}");
        assert!(text.contains("kalends_connections "), "{text}");
        drop(live);
    }
}
