//! What other nodes tell at once: a connection of its own that listens on a channel, made anew whenever it breaks.

use std::{future::poll_fn, time::Duration};

use tokio::time::sleep;
use tokio_postgres::{AsyncMessage, NoTls, config::SslMode};

use crate::config::Database;
use crate::db::error::Error;
use crate::db::{connect, tls};

/// Pause before the connection is made anew.
const PAUSE: Duration = Duration::from_secs(2);

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// From now on nothing is missed.
    Open,
    /// Something was told.
    Told,
    /// Things may have been told that were missed, and are until the next [`Heard::Open`].
    Closed,
}

/// Listens for ever on a channel, which is one of ours. Behind a PgBouncer that lends connections by the transaction nothing
/// can be heard, and nothing ever is.
pub async fn listen(settings: &Database, channel: &'static str, heard: impl Fn(Heard) + Send) {
    if settings.pgbouncer {
        return;
    }
    loop {
        let ended = attend(settings, channel, &heard).await;
        heard(Heard::Closed);
        if let Err(error) = ended {
            tracing::debug!(%error, "what is told on {channel} is not heard for now");
        }
        sleep(PAUSE).await;
    }
}

async fn attend(settings: &Database, channel: &str, heard: &impl Fn(Heard)) -> Result<(), Error> {
    let config = connect::config(settings)?;
    if config.get_ssl_mode() == SslMode::Disable {
        let (client, connection) = config.connect(NoTls).await?;
        return attend_on(client, connection, channel, heard).await;
    }
    let (client, connection) = config.connect(tls::connector(settings)?).await?;
    attend_on(client, connection, channel, heard).await
}

async fn attend_on<S, T>(
    client: tokio_postgres::Client,
    mut connection: tokio_postgres::Connection<S, T>,
    channel: &str,
    heard: &impl Fn(Heard),
) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let script = format!("LISTEN {channel}");
    let mut listening = std::pin::pin!(client.batch_execute(&script));
    let mut open = false;
    loop {
        tokio::select! {
            done = &mut listening, if !open => {
                done?;
                open = true;
                heard(Heard::Open);
            }
            message = poll_fn(|cx| connection.poll_message(cx)) => match message {
                Some(Ok(AsyncMessage::Notification(_))) => heard(Heard::Told),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
        }
    }
}
