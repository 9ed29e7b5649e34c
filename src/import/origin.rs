//! From where something is brought: what somebody typed, and what the first octets of a file say.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// From where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A folder of calendars.
    Folder(PathBuf),
    /// A zip file of them.
    Packed(PathBuf),
    /// A database of `SQLite`.
    Lite(PathBuf),
    /// What mysqldump or mariadb-dump wrote.
    Dump(PathBuf),
    /// A database of PostgreSQL.
    Postgres(String),
    /// An account on a CalDAV server.
    Dav(String),
}

const POSTGRES_DUMP: &str = "is a dump of PostgreSQL: read it into a database (createdb import; psql import < FILE, or pg_restore -d \
                             import FILE), then --from postgresql:///import?host=/run/postgresql";
const MYSQL: &str = "a MySQL or MariaDB is read from its dump: mysqldump --single-transaction --hex-blob NAME > NAME.sql, \
                     then --from NAME.sql";
const OTHER: &str = "is neither a folder, a zip file, a database of SQLite nor a dump of MySQL or MariaDB";

impl Origin {
    /// What it is that somebody typed.
    pub fn of(text: &str) -> Result<Self> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => Ok(Self::Dav(text.to_owned())),
            Some("postgres" | "postgresql") => Ok(Self::Postgres(text.to_owned())),
            Some("mysql" | "mariadb") => bail!(MYSQL),
            _ => Self::lying(Path::new(text)),
        }
    }

    fn lying(path: &Path) -> Result<Self> {
        let shown = || path.display().to_string();
        if path.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        let mut head = Vec::new();
        File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head)).with_context(shown)?;
        let text = String::from_utf8_lossy(&head);
        let says = |what: &str| text.contains(what);
        match () {
            () if head.starts_with(b"PK\x03\x04") => Ok(Self::Packed(path.to_owned())),
            () if head.starts_with(b"SQLite format 3\0") => Ok(Self::Lite(path.to_owned())),
            () if head.starts_with(b"PGDMP") || says("-- PostgreSQL database dump") => {
                bail!("{} {POSTGRES_DUMP}", shown())
            }
            () if ["MySQL dump", "MariaDB dump", "TABLE `", "INTO `"].into_iter().any(says) => {
                Ok(Self::Dump(path.to_owned()))
            }
            () if says("BEGIN:VCALENDAR") => {
                bail!("{} is one calendar: `kalends import USER CALENDAR {0}`", shown())
            }
            () => bail!("{} {OTHER}", shown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_is_seen_by_its_first_octets() {
        let path = std::env::temp_dir().join(format!("kalends-origin-{}", std::process::id()));
        let typed = path.to_str().unwrap();
        let of = |octets: &[u8]| {
            std::fs::write(&path, octets).unwrap();
            Origin::of(typed)
        };
        assert_eq!(of(b"PK\x03\x04...").unwrap(), Origin::Packed(path.clone()));
        assert_eq!(of(b"SQLite format 3\0...").unwrap(), Origin::Lite(path.clone()));
        for head in [
            &b"/*M!999999\\- enable */\n-- MariaDB dump 10.19\n"[..],
            b"-- MySQL dump 8",
            b"\n\nCREATE TABLE `x` (",
        ] {
            assert_eq!(of(head).unwrap(), Origin::Dump(path.clone()));
        }
        for (head, why) in [
            (&b"--\n-- PostgreSQL database dump\n"[..], "psql"),
            (b"PGDMP", "pg_restore"),
            (b"BEGIN:VCALENDAR\r\n", "kalends import USER"),
            (b"", "neither"),
        ] {
            let said = of(head).unwrap_err().to_string();
            assert!(said.contains(why) && said.contains(typed), "{said}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(Origin::of(typed).is_err());
        assert_eq!(Origin::of("HTTPS://x").unwrap(), Origin::Dav("HTTPS://x".to_owned()));
        assert!(Origin::of("mysql://a@b/c").unwrap_err().to_string().contains("mysqldump"));
    }
}
