//! A connection lent by the pool: its statements, and what becomes of it when whoever asked goes away.
//!
//! The driver does not cancel a statement whose future is dropped, and a pool would lend the connection on as it is.
//! So each statement is counted while it runs; what is left running when the connection is given back is cancelled on
//! the server and the connection closed, and a transaction left open is rolled back before anybody else gets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::TryStreamExt;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::RowStream;
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::Span;

use crate::db::error::Error;
use crate::db::param::Params;
use crate::db::query::Query;
use crate::db::row::{Holder, Row, Rows};

/// The longest that tidying up after a caller who went away may take.
const TIDY: Duration = Duration::from_secs(5);

/// A connection. Its methods take `&self`, so two statements awaited together share a round trip.
#[derive(Debug)]
pub struct Client {
    object: Option<Object>,
    way: Arc<Way>,
    running: AtomicUsize,
    open: AtomicBool,
    failed: AtomicBool,
    conflict: AtomicBool,
    spoiled: AtomicBool,
}

/// How a pool's connections are spoken to.
pub(super) struct Way {
    /// Whether statements are prepared, or sent with their types each time.
    pub(super) prepared: bool,
    /// How to reach the server once more, to cancel.
    pub(super) tls: MakeRustlsConnect,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Way").field("prepared", &self.prepared).finish_non_exhaustive()
    }
}

impl Client {
    /// Every row of the answer.
    pub async fn rows(&self, query: &Query, params: Params<'_>) -> Result<Vec<Row>, Error> {
        let _told = told(query.name);
        let stream = self.start(query, params).await?;
        self.ended(stream.map_ok(Row).try_collect().await).map_err(|e| e.at(query.name))
    }

    /// The one row of the answer; another number of rows is [`Error::Bug`].
    pub async fn row(&self, query: &Query, params: Params<'_>) -> Result<Row, Error> {
        self.optional(query, params).await?.ok_or_else(|| Error::bug("no row").at(query.name))
    }

    /// The row of the answer, if there is one; more than one is [`Error::Bug`].
    pub async fn optional(&self, query: &Query, params: Params<'_>) -> Result<Option<Row>, Error> {
        let mut rows = self.rows(query, params).await?;
        let last = rows.pop();
        if rows.is_empty() { Ok(last) } else { Err(Error::bug("more than one row").at(query.name)) }
    }

    /// Does it, and says how many rows it touched.
    pub async fn execute(&self, query: &Query, params: Params<'_>) -> Result<u64, Error> {
        let _told = told(query.name);
        let mut stream = std::pin::pin!(self.start(query, params).await?);
        let drained = async {
            while stream.try_next().await?.is_some() {}
            Ok(stream.rows_affected().unwrap_or(0))
        };
        self.ended(drained.await).map_err(|e| e.at(query.name))
    }

    /// The rows as they come. Not read to the end, they cost the connection: it is closed when it is given back.
    /// A reader slower than the statement timeout gets [`Error::Busy`] in the middle.
    pub async fn stream(&self, query: &Query, params: Params<'_>) -> Result<Rows<'_>, Error> {
        let told = told(query.name);
        Ok(Rows::new(self.start(query, params).await?, Holder::Lent(self), told))
    }

    /// As [`Client::stream`], the connection going along with the rows.
    pub async fn into_stream(self, query: &Query, params: Params<'_>) -> Result<Rows<'static>, Error> {
        let told = told(query.name);
        Ok(Rows::new(self.start(query, params).await?, Holder::Owned(Box::new(self)), told))
    }

    /// Runs a script of any number of statements without parameters or answers.
    pub async fn batch(&self, script: &str) -> Result<(), Error> {
        self.running.fetch_add(1, Relaxed);
        self.ended(self.object().batch_execute(script).await)
    }

    pub(super) fn new(object: Object, way: Arc<Way>) -> Self {
        Self {
            object: Some(object),
            way,
            running: AtomicUsize::new(0),
            open: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            conflict: AtomicBool::new(false),
            spoiled: AtomicBool::new(false),
        }
    }

    /// Notes that a transaction is open, or no longer is.
    pub(super) fn set_open(&self, open: bool) {
        self.open.store(open, Relaxed);
    }

    /// Whether a statement failed: a transaction is lost then, whatever COMMIT says.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Whether a statement met others at the same rows, so that the whole transaction may be tried again.
    pub(super) fn conflicted(&self) -> bool {
        self.conflict.load(Relaxed)
    }

    /// Notes that a statement came to its end, and how.
    pub(super) fn ended<T>(&self, outcome: Result<T, tokio_postgres::Error>) -> Result<T, Error> {
        self.running.fetch_sub(1, Relaxed);
        outcome.map_err(|error| {
            self.failed.store(true, Relaxed);
            self.conflict.fetch_or(Error::is_conflict(&error), Relaxed);
            let error = Error::from(error);
            // A connection that fails this way would fail the next one too.
            self.spoiled.fetch_or(matches!(error, Error::Lost(_) | Error::Setup(_)), Relaxed);
            error
        })
    }

    /// Sends a statement; it counts as running until `ended`.
    async fn start(&self, query: &Query, params: Params<'_>) -> Result<RowStream, Error> {
        self.running.fetch_add(1, Relaxed);
        let sent = if self.way.prepared {
            self.send_prepared(query, params).await
        } else {
            self.send_typed(query, params).await
        };
        match sent {
            Ok(stream) => Ok(stream),
            Err(error) => self.ended(Err(error)).map_err(|e| e.at(query.name)),
        }
    }

    async fn send_prepared(
        &self,
        query: &Query,
        params: Params<'_>,
    ) -> Result<RowStream, tokio_postgres::Error> {
        let types: Vec<_> = params.iter().map(|param| param.kind()).collect();
        let statement = self.object().prepare_typed_cached(query.text, &types).await?;
        let values: Vec<_> = params.iter().map(|param| param.value()).collect();
        self.object().query_raw(&statement, values).await
    }

    async fn send_typed(
        &self,
        query: &Query,
        params: Params<'_>,
    ) -> Result<RowStream, tokio_postgres::Error> {
        let values: Vec<_> = params.iter().map(|param| (param.value(), param.kind())).collect();
        self.object().query_typed_raw(query.text, values).await
    }

    fn object(&self) -> &Object {
        self.object.as_ref().expect("the connection is there until it is dropped")
    }
}

/// Tells traces of a statement, as long as this is held. Its target is the one that `observe` gathers them by; where traces are
/// off nobody does, and this is nothing.
pub(super) fn told(name: &'static str) -> Span {
    tracing::trace_span!(
        target: "kalends::trace", "statement", db.system.name = "postgresql", db.query.summary = name
    )
}

impl Drop for Client {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        let running = *self.running.get_mut() > 0;
        let clean = !running && !*self.spoiled.get_mut() && !*self.open.get_mut();
        match Handle::try_current() {
            _ if clean => drop(object),
            Ok(runtime) if running => drop(runtime.spawn(cancel(object, self.way.tls.clone()))),
            Ok(runtime) if !*self.spoiled.get_mut() => drop(runtime.spawn(roll_back(object))),
            _ => close(object),
        }
    }
}

// The pool's place stays taken until the statement has ended, so that callers who come and go cannot pile them up.
async fn cancel(object: Object, tls: MakeRustlsConnect) {
    let cancelled = async {
        object.cancel_token().cancel_query(tls).await?;
        // The answer to this comes when the statement has ended.
        object.batch_execute("").await
    };
    match timeout(TIDY, cancelled).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::debug!(%error, "a statement that nobody waits for was cancelled with an error");
        }
        Err(_) => tracing::warn!("a statement that nobody waits for could not be cancelled in time"),
    }
    // Not used again: the cancellation might come later still, and end somebody else's statement.
    close(object);
}

async fn roll_back(object: Object) {
    if !matches!(timeout(TIDY, object.batch_execute("ROLLBACK")).await, Ok(Ok(()))) {
        close(object);
    }
}

fn close(object: Object) {
    drop(Object::take(object));
}
