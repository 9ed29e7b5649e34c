//! `kalends notify`: a message from whoever runs the server, in the notifications of those whom it is for.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use jiff::Timestamp;

use crate::{
    db::{Error, Pool, Tx},
    share,
    store::{Principal, notification, principal},
};

use super::users::{find, open};

pub use share::notification::LEVELS;

/// Characters that a message may have.
const LONGEST: usize = 4000;

/// For whom a message is.
#[derive(Clone, Debug)]
pub enum Audience {
    /// For these people.
    People(Vec<String>),
    /// For who is in that group.
    Group(String),
    /// For everybody.
    All,
}

/// `kalends notify`: puts a message into the homes of those whom it is for.
pub fn notify(file: Option<&Path>, level: &str, text: &str, to: &Audience) -> Result<()> {
    super::run(async {
        if text.trim().is_empty() || text.chars().count() > LONGEST {
            bail!("a message has between 1 and {LONGEST} characters");
        }
        let (pool, settings) = open(file).await?;
        let mut people = match to {
            Audience::People(names) => {
                let tx = pool.begin().await?;
                let mut people = Vec::new();
                for name in names {
                    people.push(find(&tx, &settings, name).await?);
                }
                people
            }
            Audience::Group(_) | Audience::All => principal::all(&pool).await?,
        };
        if let Audience::Group(group) = to {
            people.retain(|who| who.groups.contains(group));
        }
        people.retain(|who| !who.disabled);
        if people.is_empty() {
            bail!("there is nobody whom the message is for");
        }
        tell(&pool, &people, level, text).await?;
        println!("{} people find the message when their programs look next.", people.len());
        Ok(())
    })
}

/// Puts a message into homes, each by itself.
pub async fn tell(pool: &Pool, people: &[Principal], level: &str, text: &str) -> Result<(), Error> {
    let at = Timestamp::now();
    let name = format!("message-{}.xml", at.as_microsecond());
    let message = &share::notification::status(&name, at, level, text);
    for who in people {
        pool.transaction(async |tx: Arc<Tx>| notification::put(&tx, who.id, message).await).await?;
    }
    Ok(())
}
