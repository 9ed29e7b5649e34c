//! Answers that are made of the rows of a statement: sent whole where they are short, else as they grow.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{sync::Semaphore, task::coop::consume_budget, time::timeout};
use tracing::Instrument;

use crate::{
    db::{Row, Rows},
    front::{Feeder, Gone, Payload, Response},
};

use super::{Error, Result};

/// An answer in the making.
pub trait Growing: Send + 'static {
    /// Writes what a row adds.
    fn row(&mut self, row: &Row) -> Result<()>;

    /// Octets written since they were last taken.
    fn written(&self) -> usize;

    /// Hands over what was written since the last call.
    fn take(&mut self) -> Bytes;

    /// Writes the end and hands over what is left.
    fn finish(self) -> Result<Bytes>;
}

/// Octets after which a piece of a long answer is sent.
const PIECE: usize = 64 << 10;
/// Pieces that wait for a slow client: what is not longer than all of them leaves the database as fast as that can give it.
const WAITING: usize = 64;
/// How long a client may take nothing before it counts as slow.
const PATIENCE: Duration = Duration::from_secs(2);
/// Slow clients whose long answers may each hold a connection to the database; others are cut off, for no number of
/// clients that do not read may keep the rest from being served.
static SLOW: Semaphore = Semaphore::const_new(3);

/// The answer about the rows: with its length where it is short; else at the pace at which the client takes it, and cut off
/// where the database fails in the middle.
pub async fn answer<G: Growing>(
    head: Response,
    content_type: &'static str,
    mut growing: G,
    mut rows: Rows<'static>,
) -> Result<Response> {
    while let Some(row) = rows.next().await {
        growing.row(&row?)?;
        // Rows may all be at hand: without this no other request had its turn, and no time limit an effect.
        consume_budget().await;
        if growing.written() > PIECE {
            let (feeder, feed) = Payload::stream(WAITING);
            tokio::spawn(rest(growing, rows, feeder).in_current_span());
            return Ok(head.stream(content_type, feed));
        }
    }
    Ok(head.body(content_type, growing.finish()?))
}

/// Sends what is left. A feeder that is dropped before it is finished cuts the answer off; where the client is gone,
/// nothing is left to do.
async fn rest<G: Growing>(mut growing: G, mut rows: Rows<'static>, feeder: Feeder) {
    loop {
        if growing.written() > PIECE && send(&feeder, growing.take()).await.is_err() {
            return;
        }
        let step = match rows.next().await {
            Some(row) => row.map_err(Error::from).and_then(|row| growing.row(&row)),
            None => break,
        };
        consume_budget().await;
        if let Err(error) = step {
            tracing::error!(?error, "an answer was cut off");
            return;
        }
    }
    // The connection is free for others before the client has read to the end.
    drop(rows);
    match growing.finish() {
        Ok(last) => {
            for piece in pieces(last) {
                if feeder.send(piece).await.is_err() {
                    return;
                }
            }
            feeder.finish();
        }
        Err(error) => tracing::error!(?error, "an answer was cut off"),
    }
}

/// What was written, in parts where one row made much of it: what may wait is a number of pieces, whatever is in them.
fn pieces(mut written: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let length = written.len().min(2 * PIECE);
        (length > 0).then(|| written.split_to(length))
    })
}

async fn send(feeder: &Feeder, written: Bytes) -> Result<(), Gone> {
    for piece in pieces(written) {
        if let Ok(sent) = timeout(PATIENCE, feeder.send(piece.clone())).await {
            sent?;
            continue;
        }
        let Ok(_place) = SLOW.try_acquire() else {
            tracing::warn!("a long answer was cut off: the client takes nothing, and others do so already");
            return Err(Gone);
        };
        feeder.send(piece).await?;
    }
    Ok(())
}
