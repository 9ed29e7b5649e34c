//! Traces on their way to the collector: few at a time, and never more than there is room for.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::config::Trace;
use crate::observe::gather::{Gatherer, Request};
use crate::observe::{metrics, otlp};

/// Requests that wait to be handed over; further ones are lost.
const WAITING: usize = 1024;
/// Requests handed over at once, and how long the first of them waits for others.
const TOGETHER: usize = 256;
const PACE: Duration = Duration::from_secs(1);

/// What is gathered, on its way to the collector.
#[derive(Debug)]
pub struct Traces {
    sender: Sender<Request>,
    receiver: Receiver<Request>,
}

impl Traces {
    /// Both ends, where the settings have a collector.
    pub(super) fn new(settings: &Trace) -> Option<(Gatherer, Self)> {
        settings.endpoint.as_ref()?;
        let (sender, receiver) = mpsc::channel(WAITING);
        Some((Gatherer::new(settings, sender.downgrade()), Self { sender, receiver }))
    }

    /// Hands them over by `post` from now on, in a task of the runtime that this is called in. What cannot be handed over is
    /// lost: a collector that is away costs neither memory nor time.
    #[must_use]
    pub fn export<F>(self, post: impl Fn(Bytes) -> F + Send + Sync + 'static) -> Exporting
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        metrics::traced("sent", 0);
        metrics::traced("lost", 0);
        let Self { sender, receiver } = self;
        Exporting { sender, task: tokio::spawn(hand_over(receiver, post)) }
    }
}

/// The handing over of traces.
#[derive(Debug)]
pub struct Exporting {
    sender: Sender<Request>,
    task: JoinHandle<()>,
}

impl Exporting {
    /// Hands over what is left, unless it takes longer.
    pub async fn finish(self, within: Duration) {
        drop(self.sender);
        if timeout(within, self.task).await.is_err() {
            tracing::warn!("the last traces could not be handed over in time");
        }
    }
}

async fn hand_over<F>(mut receiver: Receiver<Request>, post: impl Fn(Bytes) -> F)
where
    F: Future<Output = Result<(), String>>,
{
    let resource = otlp::resource();
    let (mut batch, mut failing) = (Vec::new(), false);
    while receiver.recv_many(&mut batch, TOGETHER).await > 0 {
        // A batch goes when it is full, has waited, or is the last.
        let _ = timeout(PACE, fill(&mut receiver, &mut batch)).await;
        let posted = post(otlp::document(&resource, &batch)).await;
        metrics::traced(if posted.is_ok() { "sent" } else { "lost" }, batch.len());
        match &posted {
            Ok(()) if failing => tracing::info!("the collector takes traces again"),
            Err(error) if !failing => {
                tracing::warn!("trace.endpoint takes no traces, and until it does they are lost: {error}");
            }
            _ => {}
        }
        failing = posted.is_err();
        batch.clear();
    }
}

async fn fill(receiver: &mut Receiver<Request>, batch: &mut Vec<Request>) {
    let mut room = TOGETHER - batch.len();
    while room > 0 {
        match receiver.recv_many(batch, room).await {
            0 => return,
            more => room -= more,
        }
    }
}
