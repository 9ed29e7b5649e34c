//! The composition root: settings, database, service, listeners, and the way down again.

pub mod audit;
mod fetch;
pub mod groups;
pub mod handover;
pub mod history;
pub mod import;
pub mod notify;
pub mod objects;
mod pages;
pub mod redact;
mod rest;
pub mod upkeep;
pub mod users;

use std::{net::SocketAddr, path::Path, sync::Arc, time::Instant};

use anyhow::{Context, Result, bail};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    api::{manual, openapi, service::Api},
    caldav::{index, listing, service::CalDav},
    cluster::Cluster,
    config::{Fault, Listen, Required, Settings},
    db::{
        Pool,
        migrate::{self as migrations, API, API_SCHEMA, CALDAV},
    },
    front::{self, Drained, Entitlements, Front, Listener, Monitor, Remote, Service},
    observe::{
        self, Exporting, Logs, Traces,
        health::Health,
        metrics::{self, Exporter},
        systemd,
    },
    probe,
};

/// A time that is typed.
pub use crate::config::Moment;
/// What `kalends check --proxy` is told.
pub use crate::probe::{Kind as ProxyKind, Plan};

/// `kalends up`: a private PostgreSQL, and the service over it.
pub fn up(file: Option<&Path>) -> Result<()> {
    run(async {
        let mut settings = Settings::load(file)?;
        let logs = observe::init(&settings);
        if !settings.database.url.reveal().is_empty() {
            bail!(
                "database.url is set: `kalends serve` uses it; `kalends up` brings a PostgreSQL of its own"
            );
        }
        let cluster = Cluster::start(&settings.cluster, |line| eprintln!("{line}")).await?;
        settings.database.url = cluster.url().to_owned().into();
        rest::offer(&mut settings);
        let served = service(settings, file, logs, Part::All).await;
        cluster.stop().await;
        served
    })
}

/// `kalends serve`: the service over the database of the settings.
pub fn serve(file: Option<&Path>) -> Result<()> {
    run(async {
        let settings = Settings::load(file)?;
        let logs = observe::init(&settings);
        service(settings, file, logs, Part::All).await
    })
}

/// `kalends api`: the REST service alone; CalDAV is where `api.caldav` says.
pub fn api(file: Option<&Path>) -> Result<()> {
    run(async {
        let settings = Settings::load(file)?;
        let logs = observe::init(&settings);
        service(settings, file, logs, Part::Rest).await
    })
}

/// `kalends migrate`: brings the database up to date.
pub fn migrate(file: Option<&Path>) -> Result<()> {
    run(async {
        let settings = Settings::load(file)?;
        let pool = Pool::new(&settings.database)?;
        let mut applied = migrations::migrate(&pool, CALDAV).await?;
        applied.extend(migrations::migrate_in(&pool, API_SCHEMA, API).await?);
        for step in &applied {
            println!("applied {}", step.name);
        }
        if applied.is_empty() {
            println!("nothing to do");
        }
        Ok(())
    })
}

/// `kalends check`: what is wrong, and what to do about it.
pub fn check(file: Option<&Path>) -> Result<()> {
    run(async {
        let settings = Settings::load(file)?;
        println!("The settings are sound.");
        for warning in settings.warnings() {
            println!("Mind: {warning}");
        }
        collector(&settings)?;
        // Certificates and keys are read as the service would.
        if let Some(keys) = Front::new(&settings)?.keys().await? {
            println!("There are {keys} keys to check tokens with.");
        }
        if settings.database.url.reveal().is_empty() {
            println!("database.url is empty: `kalends up` will start a PostgreSQL of its own.");
            return Ok(());
        }
        let pool = Pool::new(&settings.database)?;
        pool.ping().await.context("the database cannot be reached")?;
        let status = migrations::status(&pool, CALDAV).await?;
        let more = migrations::status_in(&pool, API_SCHEMA, API).await?;
        match status.pending.len() + more.pending.len() {
            0 => {
                let applied = status.applied.len() + more.applied.len();
                println!("The database is up to date: {applied} migrations.");
            }
            more => {
                bail!("the database needs {more} migrations: run `kalends migrate` with the same settings")
            }
        }
        Ok(())
    })
}

/// How `kalends check --proxy` tells what it found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telling {
    /// Every request, on standard error.
    pub verbose: bool,
    /// JSON instead of lines.
    pub json: bool,
}

/// `kalends check --proxy`: tries the proxy from outside; whether nothing was found.
pub fn check_proxy(file: Option<&Path>, plan: &Plan, telling: Telling) -> Result<bool> {
    let mut clean = false;
    run(async {
        let settings = Settings::load(file)?;
        let mut told = |line: &str| {
            if telling.verbose {
                eprintln!("{line}");
            }
        };
        let report = probe::run(plan, settings, file.is_some(), &mut told).await?;
        if telling.json {
            println!("{}", report.json());
        } else {
            print!("{report}");
        }
        clean = report.is_clean();
        Ok(())
    })?;
    Ok(clean)
}

/// What `kalends list` can be asked for.
pub const TABLES: [&str; 8] =
    ["features", "methods", "reports", "properties", "conditions", "settings", "openapi", "rest"];

/// `kalends list`: a table of what the server knows, as Markdown.
#[must_use]
pub fn list(table: Option<&str>) -> String {
    match table {
        Some("openapi") => format!("{:#}\n", openapi::document()),
        Some("rest") => manual::print(),
        table => listing::print(table),
    }
}

/// What of kalends a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// CalDAV, and beside it the REST service where `api.listen` says so.
    All,
    /// The REST service alone.
    Rest,
}

/// Services that listen, until they are told to stop.
pub struct Running {
    /// The sockets of CalDAV, in the order of `server.listen`.
    pub addresses: Vec<SocketAddr>,
    /// That of the REST service.
    pub rest_address: Option<SocketAddr>,
    caldav: Option<Served>,
    rest: Option<Served>,
    api: Option<Api>,
    stop: watch::Sender<bool>,
}

/// A service on its listeners.
struct Served {
    front: Arc<Front>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Drained>,
}

impl Served {
    fn start<S: Service>(listeners: Vec<Listener>, service: S, front: Front) -> Self {
        let (front, (stop, stopping)) = (Arc::new(front), watch::channel(false));
        let serving = front::serve(listeners, Arc::new(service), Arc::clone(&front), stopped(stopping));
        Self { front, stop, task: tokio::spawn(serving) }
    }

    async fn stop(self) -> Result<usize> {
        self.stop.send_replace(true);
        Ok(self.task.await?.cut)
    }
}

impl Running {
    /// Migrates the database, opens the sockets and serves.
    pub async fn start(settings: Settings) -> Result<Self> {
        Self::start_part(settings, Part::All).await
    }

    /// The same of a part.
    pub async fn start_part(settings: Settings, part: Part) -> Result<Self> {
        let pool = Pool::new(&settings.database)?;
        let settings = Arc::new(settings);
        let (stop, stopping) = watch::channel(false);
        let (mut listeners, mut caldav) = (Vec::new(), None);
        let entitlements = Arc::new(Entitlements::new(&settings)?);
        if part == Part::All {
            migrations::migrate(&pool, CALDAV).await.context(OUTDATED)?;
            listeners = front::open(&settings)?;
        }
        let addresses: Vec<SocketAddr> = listeners.iter().filter_map(Listener::address).collect();
        let opened = if part == Part::Rest || settings.api.listen.is_some() {
            let stopping = stopping.clone();
            Some(rest::open(&settings, &pool, &listeners, &entitlements, stopping).await?)
        } else {
            None
        };
        if let Some(listen) = &settings.monitor.listen {
            watch_over(listen, &settings, &pool, stopping.clone())?;
        }
        if part == Part::All {
            tokio::spawn(index::keep(pool.clone(), settings.clone(), stopping.clone()));
            let (kept, keeping) = (Arc::clone(&settings), pool.clone());
            tokio::spawn(async move { upkeep::run(&kept, keeping, stopping).await });
            let service = CalDav::new(Arc::clone(&settings), pool, entitlements);
            caldav = Some(Served::start(listeners, service, Front::new(&settings)?));
        }
        let rest_address = opened.as_ref().and_then(|(listener, _)| listener.address());
        let api = opened.as_ref().map(|(_, service)| service.clone());
        let rest = opened
            .map(|(listener, service)| {
                anyhow::Ok(Served::start(vec![listener], service, Front::relaying(&settings)?))
            })
            .transpose()?;
        Ok(Self { addresses, rest_address, caldav, rest, api, stop })
    }

    /// Takes over what can be new without a restart ([`Front::reload`]).
    pub fn reload(&self, settings: &Settings) -> Result<(), Fault> {
        let mut fronts = self.caldav.iter().chain(&self.rest).map(|served| &served.front);
        fronts.try_for_each(|front| front.reload(settings))?;
        self.api.iter().for_each(|api| api.reload(settings));
        Ok(())
    }

    /// Lets requests in flight finish, and ends: first the REST service, which asks the other.
    pub async fn stop(self) -> Result<Drained> {
        self.stop.send_replace(true);
        let mut cut = 0;
        for served in self.rest.into_iter().chain(self.caldav) {
            cut += served.stop().await?;
        }
        Ok(Drained { cut })
    }
}

const OUTDATED: &str = "the database could not be brought up to date";

fn watch_over(
    listen: &Listen,
    settings: &Settings,
    pool: &Pool,
    stopping: watch::Receiver<bool>,
) -> Result<()> {
    let listener = Listener::open(listen, settings)?;
    let front = Arc::new(Front::quiet(settings)?);
    let (pool, measured) = (pool.clone(), pool.clone());
    let health = Arc::new(Health::new(move || {
        let pool = pool.clone();
        async move { pool.ping().await.map_err(|error| error.to_string()) }
    }));
    let exporter = Exporter::install().sampling(move || {
        let gauge = measured.gauge();
        metrics::pooled(gauge.size.saturating_sub(gauge.idle), gauge.idle, gauge.waiting, gauge.limit);
    });
    let draining = Arc::clone(&health);
    let ended = async move {
        stopped(stopping).await;
        draining.drain();
    };
    tokio::spawn(front::monitor(listener, Monitor { health, exporter }, front, ended));
    Ok(())
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it whoever could say stop.
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn service(settings: Settings, file: Option<&Path>, mut logs: Logs, part: Part) -> Result<()> {
    for warning in settings.warnings() {
        tracing::warn!("{warning}");
    }
    let (mut ends, mut interrupts) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangups = signal(SignalKind::hangup())?;
    let (welcome, drain_time) = (rest::welcome(&settings, part), *settings.limits.drain_time);
    let collector = collector(&settings)?;
    let running = Running::start_part(settings, part).await?;
    let exporting = collector.zip(logs.traces.take()).map(|(collector, traces)| export(collector, traces));
    eprintln!("{welcome}");
    let status = welcome.lines().next().unwrap_or_default();
    systemd::ready(status);
    tokio::spawn(systemd::watchdog());
    loop {
        tokio::select! {
            _ = ends.recv() => break,
            _ = interrupts.recv() => break,
            _ = hangups.recv() => {
                systemd::reloading();
                reload(file, &running, &logs);
                systemd::ready(status);
            }
        }
    }
    systemd::stopping();
    tracing::info!("stopping: requests in flight may finish");
    let end = Instant::now() + drain_time;
    let drained = running.stop().await?;
    if let Some(exporting) = exporting {
        exporting.finish(end.saturating_duration_since(Instant::now())).await;
    }
    tracing::info!(cut = drained.cut, "stopped");
    Ok(())
}

/// Where traces go, if anywhere.
fn collector(settings: &Settings) -> Result<Option<Remote>, Fault> {
    let trace = &settings.trace;
    let remote = |url| Remote::new(("trace.endpoint", url), ("trace.ca_file", &*trace.ca_file));
    trace.endpoint.as_ref().map(|endpoint| remote(endpoint.as_str())).transpose()
}

fn export(collector: Remote, traces: Traces) -> Exporting {
    let collector = Arc::new(collector);
    traces.export(move |document| {
        let collector = Arc::clone(&collector);
        async move { collector.post(document).await.map(drop) }
    })
}

/// SIGHUP: the rules of identity, certificates and keys, the times and sizes, and the level of the log are read again; the
/// rest needs a restart.
fn reload(file: Option<&Path>, running: &Running, logs: &Logs) {
    let read = Settings::load(file).map_err(|error| error.to_string());
    let taken = read.and_then(|settings| {
        running.reload(&settings).map_err(|fault| fault.to_string())?;
        logs.set_level(settings.log.level);
        Ok(())
    });
    match taken {
        Ok(()) => tracing::info!("settings were read again"),
        Err(error) => tracing::error!(%error, "the settings stay as they were"),
    }
}

/// What a person is told who has just started it.
fn welcome(settings: &Settings) -> String {
    let base = &settings.server.base_paths[0];
    let header = settings.identity.header.name().unwrap_or(settings.identity.header.usual());
    let scheme = if settings.server.tls_certificate.as_os_str().is_empty() { "http" } else { "https" };
    let places: Vec<String> =
        settings.server.listen.iter().map(|listen| place(listen, scheme, base)).collect();
    let listening = format!("kalends is listening on {}.", places.join(", "));
    if let Some(public) = &settings.server.public_url {
        return format!("{listening}\nGive calendar clients this address: {public}{base}");
    }
    let curl = match settings.server.listen.first() {
        Some(Listen::Unix(path)) => format!("--unix-socket {} http://localhost{base}", path.display()),
        _ => places.first().cloned().unwrap_or_default(),
    };
    let clients = format!(
        "{listening}\nGive calendar clients the address of the proxy in front of it, with the path {base}; the proxy names \
         the user in the header {header}."
    );
    // What has a lock is not tried without the key.
    if settings.asks_for_certificates() || settings.token.required == Required::Always {
        return clients;
    }
    format!(
        "{clients}\nTo try it without a proxy:\n  \
         curl -X PROPFIND -H 'Depth: 0' -H '{header}: you' {curl}"
    )
}

fn place(listen: &Listen, scheme: &str, base: &str) -> String {
    match listen {
        Listen::Tcp(address) => format!("{scheme}://{address}{base}"),
        other => other.to_string(),
    }
}

fn run(work: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
