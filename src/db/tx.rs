//! A transaction: all of it, or nothing; nothing too where it is dropped.

use std::ops::Deref;

use crate::db::client::{Client, told};
use crate::db::error::Error;

/// An open transaction; what a [`Client`] can do, it can.
#[derive(Debug)]
pub struct Tx {
    client: Client,
}

impl Tx {
    /// Makes it last. After a statement of it failed it is an error, for PostgreSQL would roll back and call it done.
    pub async fn commit(self) -> Result<(), Error> {
        self.finish().await
    }

    /// Opens a transaction by the statement `begin`.
    pub(super) async fn begin(client: Client, begin: &str) -> Result<Self, Error> {
        client.batch(begin).await?;
        client.set_open(true);
        Ok(Self { client })
    }

    pub(super) async fn finish(&self) -> Result<(), Error> {
        if self.client.conflicted() {
            return Err(Error::Busy("others were at the same rows"));
        }
        if self.client.failed() {
            return Err(Error::bug("commit of a transaction in which a statement failed"));
        }
        let _told = told("COMMIT");
        self.client.batch("COMMIT").await?;
        self.client.set_open(false);
        Ok(())
    }
}

impl Deref for Tx {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}
