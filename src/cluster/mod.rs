//! The private PostgreSQL of `kalends up`: the system's programs, a directory and a socket of its own, our child.

mod find;
mod init;
mod launch;
mod owner;
mod place;
mod run;

use std::fmt;
use std::fs::File;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::cluster::launch::Launch;
use crate::cluster::place::Place;
use crate::cluster::run::Server;
use crate::config;
use crate::db::{self, Pool};

crate::queries!("db/cluster.sql": EXISTS = "exists", CREATE = "create", TOAST = "toast", WAL = "wal", RELOAD = "reload");

/// The role and the database in it.
const NAME: &str = "kalends";

/// How long the remains of a killed server may be in the way of the next one.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running PostgreSQL that is ours alone. It ends when this is dropped, and with the process however that ends.
#[derive(Debug)]
pub struct Cluster {
    url: String,
    server: Server,
    // Held until the server has ended: one kalends a directory.
    lock: File,
}

/// Why there is no private PostgreSQL: what is the matter, and what to do about it.
#[derive(Debug)]
pub struct Error(String);

impl Cluster {
    /// Starts it, making it first where there is none yet; `progress` is told what takes its time, a sentence each.
    pub async fn start(settings: &config::Cluster, progress: impl Fn(&str)) -> Result<Self, Error> {
        let owner = owner::choose(&settings.user)?;
        let place = Place::prepare(&settings.data_dir, &owner)?;
        let lock = place.lock()?;
        let made_by = place.version()?;
        let programs = find::programs(&settings.bin_dir, made_by)?;
        if let Some(version) = made_by.filter(|version| *version != programs.version) {
            return Err(init::other_version(version, &programs, &place));
        }
        if made_by.is_none() {
            progress("Making a database cluster, once; this takes a few seconds.");
            init::make(&programs, &place, &owner).await?;
        }
        run::end_left_over(&place, &progress).await?;
        let server = Server::start(Launch::new(programs, place.clone(), owner)?)?;
        await_ready(&server, &place, &progress).await?;
        create_database(&place).await?;
        Ok(Self { url: place.url(NAME), server, lock })
    }

    /// The URL of the one that another process has started with these settings, if it runs.
    /// None where no cluster was ever made.
    pub fn url_of(settings: &config::Cluster) -> Result<Option<String>, Error> {
        if !Place::is_made(&settings.data_dir)? {
            return Ok(None);
        }
        Ok(Some(Place::prepare(&settings.data_dir, &owner::choose(&settings.user)?)?.url(NAME)))
    }

    /// What `database.url` would be; `psql` takes it too.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it, clients or no clients, everything committed being on disk.
    pub async fn stop(self) {
        // Waiting for a process blocks.
        let Self { server, lock, .. } = self;
        let ended = tokio::task::spawn_blocking(move || drop((server, lock))).await;
        if ended.is_err() {
            tracing::error!("PostgreSQL could not be stopped");
        }
    }
}

async fn await_ready(server: &Server, place: &Place, progress: &impl Fn(&str)) -> Result<(), Error> {
    let pool = pool(place, "postgres")?;
    let began = Instant::now();
    let mut said = 0;
    loop {
        let Err(error) = pool.ping().await else { return Ok(()) };
        if let Some(complaint) = server.complaint()
            && (!run::is_passing(&complaint) || began.elapsed() > PATIENCE)
        {
            return Err(Error(format!("PostgreSQL does not start: {complaint}")));
        }
        // Recovery after a crash takes as long as it takes; that it goes on is worth a word.
        let waited = began.elapsed().as_secs() / 10;
        if waited > said {
            said = waited;
            progress(&format!("Waiting for PostgreSQL ({}).", db::chain(&error)));
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn create_database(place: &Place) -> Result<(), Error> {
    let client = pool(place, "postgres")?.client().await?;
    if client.optional(&EXISTS, &[&NAME]).await?.is_some() {
        return Ok(());
    }
    for setting in [&TOAST, &WAL] {
        // Not every build can do this compression; then it stays with its own.
        if let Err(error) = client.execute(setting, &[]).await {
            tracing::debug!(%error, "no lz4 in this PostgreSQL");
        }
    }
    client.execute(&RELOAD, &[]).await?;
    client.execute(&CREATE, &[]).await?;
    Ok(())
}

fn pool(place: &Place, database: &str) -> Result<Pool, Error> {
    let settings =
        config::Database { url: place.url(database).into(), pool_size: 1, ..config::Database::default() };
    Ok(Pool::new(&settings)?)
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        Self(format!("the private PostgreSQL does not do as it should: {}", db::chain(&error)))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
