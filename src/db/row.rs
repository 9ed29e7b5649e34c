//! One row, and rows that come one after the other.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio_postgres::RowStream;
use tokio_postgres::row::RowIndex;
use tokio_postgres::types::FromSql;
use tracing::Span;

use crate::db::cell::Cell;
use crate::db::client::Client;
use crate::db::error::Error;

/// A row of an answer.
#[derive(Debug)]
pub struct Row(pub(super) tokio_postgres::Row);

impl Row {
    /// The value of a column, by its name or its place from 0. No such column, another type, and NULL where `T` is no
    /// `Option`, are [`Error::Bug`].
    pub fn at<'a, T: FromSql<'a>>(&'a self, column: impl RowIndex + Display) -> Result<T, Error> {
        self.0.try_get(column).map_err(Error::from)
    }

    /// All columns, by their names.
    pub fn cells(&self) -> Result<Vec<(String, Cell)>, Error> {
        let columns = self.0.columns().iter().enumerate();
        columns.map(|(nth, column)| Ok((column.name().to_owned(), self.at(nth)?))).collect()
    }
}

/// Rows as the server sends them; where nobody reads, it waits. Dropped before the end, the statement is cancelled.
pub struct Rows<'a> {
    stream: Pin<Box<RowStream>>,
    holder: Holder<'a>,
    running: bool,
    /// The statement in traces: it lasts until its rows do.
    _told: Span,
}

pub(super) enum Holder<'a> {
    Owned(Box<Client>),
    Lent(&'a Client),
}

impl<'a> Rows<'a> {
    /// The rows of a statement that `holder` counts as running.
    pub(super) fn new(stream: RowStream, holder: Holder<'a>, told: Span) -> Self {
        Self { stream: Box::pin(stream), holder, running: true, _told: told }
    }
}

impl Stream for Rows<'_> {
    type Item = Result<Row, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.running {
            return Poll::Ready(None);
        }
        let next = ready!(self.stream.as_mut().poll_next(cx));
        if let Some(Ok(row)) = next {
            return Poll::Ready(Some(Ok(Row(row))));
        }
        self.running = false;
        let end = match &self.holder {
            Holder::Owned(client) => client.ended(next.transpose()),
            Holder::Lent(client) => client.ended(next.transpose()),
        };
        Poll::Ready(end.err().map(Err))
    }
}
