//! The pool of connections to the database.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod, Runtime};
use tokio::time::sleep;

use crate::config::Database;
use crate::db::client::{Client, Way};
use crate::db::error::Error;
use crate::db::param::Params;
use crate::db::query::Query;
use crate::db::row::{Row, Rows};
use crate::db::tx::Tx;
use crate::db::{connect, tls};

/// How often a transaction is tried before it gives way to others at the same rows.
const TRIES: u32 = 6;

/// Connections to one database, lent out one at a time. A clone is the same pool.
#[derive(Clone, Debug)]
pub struct Pool {
    inner: deadpool_postgres::Pool,
    way: Arc<Way>,
}

/// What a pool is doing, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Connections there are.
    pub size: usize,
    /// Those of them nobody uses.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
    /// Connections there may be.
    pub limit: usize,
}

impl Pool {
    /// A pool by the settings; it connects when it is first used. [`Error::Setup`] where the settings cannot be right.
    pub fn new(settings: &Database) -> Result<Self, Error> {
        let config = connect::config(settings)?;
        let tls = tls::connector(settings)?;
        let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(1).max(1);
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(config, tls.clone(), ManagerConfig { recycling_method });
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(settings.pool_size.max(1) as usize)
            .wait_timeout(Some(*settings.wait_time))
            .create_timeout(Some(*settings.connect_time * hosts))
            .recycle_timeout(Some(*settings.connect_time))
            // The connection that was used last is the one whose server process is warm, and whose statements are prepared.
            .queue_mode(deadpool_postgres::QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Bug(Box::new(error)))?;
        Ok(Self { inner, way: Arc::new(Way { prepared: !settings.pgbouncer, tls }) })
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.read(|client| async move { client.batch("").await }).await
    }

    /// A connection, for several statements or for one that writes.
    pub async fn client(&self) -> Result<Client, Error> {
        Ok(Client::new(self.inner.get().await?, Arc::clone(&self.way)))
    }

    /// Every row of a statement that only reads; asked once more where the connection turns out to be dead.
    pub async fn rows(&self, query: &Query, params: Params<'_>) -> Result<Vec<Row>, Error> {
        self.read(|client| async move { client.rows(query, params).await }).await
    }

    /// The one row, as [`Pool::rows`].
    pub async fn row(&self, query: &Query, params: Params<'_>) -> Result<Row, Error> {
        self.read(|client| async move { client.row(query, params).await }).await
    }

    /// The row if there is one, as [`Pool::rows`].
    pub async fn optional(&self, query: &Query, params: Params<'_>) -> Result<Option<Row>, Error> {
        self.read(|client| async move { client.optional(query, params).await }).await
    }

    /// The rows as they come, as [`Pool::rows`]; see [`Client::stream`].
    pub async fn stream(&self, query: &Query, params: Params<'_>) -> Result<Rows<'static>, Error> {
        self.read(|client| async move { client.into_stream(query, params).await }).await
    }

    /// A transaction at read committed.
    pub async fn begin(&self) -> Result<Tx, Error> {
        self.read(|client| async move { Tx::begin(client, "BEGIN").await }).await
    }

    /// A transaction that only reads and sees one moment in all its statements.
    pub async fn snapshot(&self) -> Result<Tx, Error> {
        self.read(|client| async move {
            Tx::begin(client, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
        })
        .await
    }

    /// Does `work` in a transaction and commits it; the whole again, a few times, where it had to give way to others
    /// (serialization failure, deadlock). An error of `work` rolls back.
    pub async fn transaction<T, E, F>(&self, work: impl Fn(Arc<Tx>) -> F) -> Result<T, E>
    where
        E: From<Error>,
        F: Future<Output = Result<T, E>>,
    {
        let mut tries = 1;
        loop {
            let tx = Arc::new(self.begin().await?);
            let outcome = match work(Arc::clone(&tx)).await {
                Ok(value) => tx.finish().await.map(|()| value).map_err(E::from),
                Err(error) => Err(error),
            };
            if outcome.is_ok() || !tx.conflicted() || tries == TRIES {
                return outcome;
            }
            drop(tx);
            sleep(Duration::from_millis(5) * tries * tries).await;
            tries += 1;
        }
    }

    /// What the pool is doing.
    #[must_use]
    pub fn gauge(&self) -> Gauge {
        let status = self.inner.status();
        Gauge { size: status.size, idle: status.available, waiting: status.waiting, limit: status.max_size }
    }

    /// Closes what is idle, and the rest as it comes back.
    pub fn close(&self) {
        self.inner.close();
    }

    // A connection that died in the pool is noticed only in use. What changes nothing may then be done again.
    async fn read<T, F>(&self, work: impl Fn(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match work(self.client().await?).await {
            Err(Error::Lost(_)) => work(self.client().await?).await,
            outcome => outcome,
        }
    }
}
