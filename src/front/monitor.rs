//! Health and metrics, on a listener of their own where nobody is asked who they are.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};

use crate::front::listen::Listener;
use crate::front::message::{Request, Response, Service};
use crate::front::serve::{Front, serve};
use crate::observe::health::Health;
use crate::observe::metrics::Exporter;

/// How often measurements are folded.
const UPKEEP: Duration = Duration::from_secs(5);

/// What the monitor shows.
#[derive(Debug)]
pub struct Monitor {
    /// Whether the server lives and can serve.
    pub health: Arc<Health>,
    /// What was counted.
    pub exporter: Exporter,
}

/// Serves the monitor until `shutdown`; `front` is [`Front::quiet`].
pub async fn monitor(
    listener: Listener,
    monitor: Monitor,
    front: Arc<Front>,
    shutdown: impl Future<Output = ()>,
) {
    let exporter = monitor.exporter.clone();
    let upkeep = async {
        loop {
            tokio::time::sleep(UPKEEP).await;
            exporter.upkeep();
        }
    };
    tokio::select! {
        _ = serve(vec![listener], Arc::new(monitor), front, shutdown) => {}
        () = upkeep => {}
    }
}

impl Service for Monitor {
    async fn call(&self, request: Request) -> Response {
        if request.method != Method::GET && request.method != Method::HEAD {
            return Response::new(StatusCode::METHOD_NOT_ALLOWED).with(http::header::ALLOW, "GET, HEAD");
        }
        match request.path.as_str() {
            "/livez" => text(StatusCode::OK, "ok\n".into()),
            "/readyz" => match self.health.ready().await {
                Ok(()) => text(StatusCode::OK, "ok\n".into()),
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
            },
            "/healthz" => self.report().await,
            "/metrics" => Response::new(StatusCode::OK)
                .body("text/plain; version=0.0.4; charset=utf-8", self.exporter.render()),
            _ => text(StatusCode::NOT_FOUND, "livez, readyz, healthz, metrics\n".into()),
        }
    }
}

impl Monitor {
    async fn report(&self) -> Response {
        let ready = self.health.ready().await;
        let status = if ready.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut report = ready.map_or_else(|reason| format!("not ready: {reason}\n"), |()| "ready\n".into());
        // Writing to a string does not fail.
        let _ = writeln!(report, "version {}", env!("CARGO_PKG_VERSION"));
        let _ = writeln!(report, "uptime {} s", self.health.uptime().as_secs());
        text(status, report)
    }
}

fn text(status: StatusCode, text: String) -> Response {
    Response::new(status).body("text/plain; charset=utf-8", text)
}
