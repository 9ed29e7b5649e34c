//! The migrations: numbered files that go forward only, each applied once however many nodes start at the same time.
//!
//! The advisory lock is the transaction's and not the session's, so that it works through a PgBouncer too: whoever
//! waited for it looks again at what is still to be done.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::db::client::Client;
use crate::db::error::{Error, chain};
use crate::db::pool::Pool;
use crate::db::tx::Tx;

crate::queries!("db/migration.sql": GROUND = "ground", PATIENCE = "patience", HAS_SCHEMA = "has_schema", CREATE_SCHEMA = "create_schema",
    WITHIN = "within", LOCK = "lock", CREATE = "create",
    APPLIED = "applied", RECORD = "record");

macro_rules! files {
    ($dir:literal: $($number:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            number: $number,
            name: $name,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $dir, "/migrate/", $name, ".sql")),
        }),*]
    };
}

/// The files under sql/caldav/migrate, in their order. A new file is a new line here.
pub const CALDAV: &[Migration] = files!["caldav":
    1 "0001_ground",
    2 "0002_people",
    3 "0003_locks",
    4 "0004_ace",
    5 "0005_pattern",
    6 "0006_home_sync",
    7 "0007_groups",
    8 "0008_binds",
    9 "0009_delegates",
    10 "0010_history",
    11 "0011_covering",
    12 "0012_invite",
    13 "0013_personal",
    14 "0014_watch",
    15 "0015_trash",
    16 "0016_fullness",
    17 "0017_erasure",
    18 "0018_purge",
];

/// The files under sql/api/migrate, in their order.
pub const API: &[Migration] = files!["api":
    1 "0001_person",
    2 "0002_app_password",
    3 "0003_feed",
    4 "0004_told",
    5 "0005_feed_hash",
];

/// The schema that the REST service keeps what is its own in.
pub const API_SCHEMA: &str = "kalends_api";

/// The oldest PostgreSQL that will do, as its `server_version_num`.
const OLDEST: i32 = 140_000;

/// One file of SQL that takes the schema a step forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its place, from 1.
    pub number: i32,
    /// The name of its file, without the ending.
    pub name: &'static str,
    /// What it does.
    pub text: &'static str,
}

/// A migration that the database has had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its place, from 1.
    pub number: i32,
    /// The name of its file, without the ending.
    pub name: String,
    /// SHA-256 of its text, in hexadecimal.
    pub checksum: String,
}

/// How far the schema of a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// What it has had.
    pub applied: Vec<Applied>,
    /// What is to come.
    pub pending: &'a [Migration],
}

/// Applies what is pending, and says what that was. [`Error::Setup`] where the database is not one these files can go
/// on from; a file that fails leaves nothing behind.
pub async fn migrate(pool: &Pool, files: &[Migration]) -> Result<Vec<Applied>, Error> {
    migrate_in(pool, "", files).await
}

/// The same in the schema of that name, which is made if it is not there: [`API_SCHEMA`]; an empty name is the usual one.
pub async fn migrate_in(pool: &Pool, schema: &str, files: &[Migration]) -> Result<Vec<Applied>, Error> {
    let mut done = Vec::new();
    // Nodes that have nothing to do need not queue for the lock.
    if status_in(pool, schema, files).await?.pending.is_empty() {
        return Ok(done);
    }
    while let Some(applied) = step(pool, schema, files).await? {
        done.push(applied);
    }
    Ok(done)
}

/// How far the schema is. [`Error::Setup`] as for [`migrate`].
pub async fn status<'a>(pool: &Pool, files: &'a [Migration]) -> Result<Status<'a>, Error> {
    status_in(pool, "", files).await
}

/// The same of the schema of that name.
pub async fn status_in<'a>(pool: &Pool, schema: &str, files: &'a [Migration]) -> Result<Status<'a>, Error> {
    let client = pool.begin().await?;
    within(&client, schema).await?;
    let ground = client.row(&GROUND, &[]).await?;
    let (version, encoding): (i32, &str) = (ground.at("version")?, ground.at("encoding")?);
    if version < OLDEST {
        let (has, needs) = (version / 10_000, OLDEST / 10_000);
        return Err(Error::Setup(format!(
            "the database is PostgreSQL {has}; kalends needs {needs} or newer"
        )));
    }
    if encoding != "UTF8" {
        return Err(Error::Setup(format!(
            "the database keeps text as {encoding}; create one with ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    let applied = if ground.at("begun")? { applied(&client).await? } else { Vec::new() };
    let pending = pending(&applied, files)?;
    Ok(Status { applied, pending })
}

async fn step(pool: &Pool, schema: &str, files: &[Migration]) -> Result<Option<Applied>, Error> {
    let tx = pool.begin().await?;
    tx.execute(&PATIENCE, &[]).await?;
    tx.execute(&LOCK, &[]).await?;
    // To make one that is there would need a right that it takes nobody else.
    if !schema.is_empty() && !tx.row(&HAS_SCHEMA, &[&schema]).await?.at::<bool>("there")? {
        tx.execute(&CREATE_SCHEMA, &[]).await?;
    }
    within(&tx, schema).await?;
    tx.execute(&CREATE, &[]).await?;
    let Some(next) = pending(&applied(&tx).await?, files)?.first() else { return Ok(None) };
    tx.batch(next.text).await.map_err(|error| next.failed(error))?;
    tx.execute(&RECORD, &[&next.number, &next.name, &next.checksum()]).await?;
    tx.commit().await?;
    tracing::info!(migration = next.name, "the database was migrated");
    Ok(Some(Applied { number: next.number, name: next.name.to_owned(), checksum: next.checksum() }))
}

/// Names are looked for in that schema until the transaction ends.
async fn within(tx: &Tx, schema: &str) -> Result<(), Error> {
    if !schema.is_empty() {
        tx.row(&WITHIN, &[&schema]).await?;
    }
    Ok(())
}

async fn applied(client: &Client) -> Result<Vec<Applied>, Error> {
    let rows = client.rows(&APPLIED, &[]).await?;
    rows.iter()
        .map(|row| {
            Ok(Applied { number: row.at("number")?, name: row.at("name")?, checksum: row.at("checksum")? })
        })
        .collect()
}

/// What of `files` is to come after `applied`, which must be how they begin.
fn pending<'a>(applied: &[Applied], files: &'a [Migration]) -> Result<&'a [Migration], Error> {
    for (place, row) in applied.iter().enumerate() {
        let Some(file) = files.get(place) else {
            return Err(Error::Setup(format!(
                "the database is newer than this kalends: it has had migration {}, this one knows {}. Start the newer \
                 kalends, or restore a backup from before the upgrade",
                row.name,
                files.len()
            )));
        };
        if row.number != file.number {
            return Err(Error::Setup(format!(
                "migration {} should come next, but the database has had {}: a new file must have a number after all \
                 others",
                file.name, row.name
            )));
        }
        if row.checksum != file.checksum() {
            return Err(Error::Setup(format!(
                "migration {} is not the one the database has had: a file that was applied must not change. Restore \
                 its text and put the change into a new file",
                file.name
            )));
        }
    }
    Ok(&files[applied.len()..])
}

impl Migration {
    fn checksum(&self) -> String {
        format!("{:x}", Bytes::copy_from_slice(&Sha256::digest(self.text)))
    }

    fn failed(&self, error: Error) -> Error {
        match error {
            Error::Busy(_) | Error::Lost(_) | Error::Setup(_) => error,
            Error::Unique(_) | Error::Foreign(_) | Error::Check(_) | Error::Bug(_) => {
                Error::Setup(format!("migration {} failed and was undone: {}", self.name, chain(&error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: &[Migration] = &[
        Migration { number: 1, name: "0001_one", text: "select 1" },
        Migration { number: 2, name: "0002_two", text: "select 2" },
    ];

    fn had(files: &[Migration]) -> Vec<Applied> {
        files
            .iter()
            .map(|f| Applied { number: f.number, name: f.name.into(), checksum: f.checksum() })
            .collect()
    }

    #[test]
    fn what_was_not_applied_is_pending() {
        assert_eq!(pending(&[], FILES).unwrap(), FILES);
        assert_eq!(pending(&had(&FILES[..1]), FILES).unwrap(), &FILES[1..]);
        assert_eq!(pending(&had(FILES), FILES).unwrap(), &[]);
    }

    #[test]
    fn refusals_say_what_to_do() {
        let says = |applied: &[Applied], files| pending(applied, files).unwrap_err().to_string();
        assert!(says(&had(FILES), &FILES[..1]).contains("Start the newer kalends"));
        assert!(says(&had(&FILES[1..]), FILES).contains("a number after all others"));
        let mut changed = had(FILES);
        changed[0].checksum.clear();
        assert!(says(&changed, FILES).contains("0001_one is not the one"));
    }

    #[test]
    fn numbers_count_and_names_begin_with_them() {
        for files in [CALDAV, API] {
            for (place, file) in (1..).zip(files) {
                assert_eq!(file.number, place);
                assert!(file.name.starts_with(&format!("{place:04}_")), "{}", file.name);
            }
        }
    }

    #[test]
    fn every_file_is_listed() {
        let sql = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
        for (room, files) in [("caldav", CALDAV), ("api", API)] {
            let dir = std::fs::read_dir(sql.join(room).join("migrate")).unwrap();
            let mut found: Vec<_> = dir.map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
            found.sort();
            let listed: Vec<_> = files.iter().map(|file| format!("{}.sql", file.name)).collect();
            assert_eq!(found, listed);
        }
    }
}
