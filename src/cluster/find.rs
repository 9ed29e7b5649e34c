//! Where the system keeps PostgreSQL's programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Error;

/// The oldest major version that will do.
const OLDEST: u32 = 14;

/// Where packages put their versions, side by side: Debian, and the RPMs of postgresql.org.
const PACKAGES: &[(&str, &str)] = &[("/usr/lib/postgresql", ""), ("/usr", "pgsql-")];

/// The programs of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    pub(super) dir: PathBuf,
    pub(super) version: u32,
}

impl Programs {
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Those in the directory of the setting or of `KALENDS_PG_BINDIR`; otherwise the version `wanted`, if the system has
/// it, and its newest if not.
pub(super) fn programs(setting: &Path, wanted: Option<u32>) -> Result<Programs, Error> {
    let named = if setting.as_os_str().is_empty() {
        env::var_os("KALENDS_PG_BINDIR").filter(|dir| !dir.is_empty()).map(PathBuf::from)
    } else {
        Some(setting.to_owned())
    };
    let found: Vec<Programs> = match &named {
        Some(dir) => look(dir).into_iter().collect(),
        None => search(),
    };
    let fits = found.iter().find(|programs| Some(programs.version) == wanted);
    // Of equal ones the first: a package's own directory before links to it.
    let newest = || found.iter().rev().max_by_key(|programs| programs.version);
    match (fits.or_else(newest), named) {
        (Some(programs), _) if programs.version >= OLDEST => Ok(programs.clone()),
        (Some(old), _) => Err(Error(format!(
            "PostgreSQL {} in {} is too old: install {OLDEST} or newer (Debian: apt install postgresql)",
            old.version,
            old.dir.display()
        ))),
        (None, Some(dir)) => Err(Error(format!(
            "there is no PostgreSQL in {}: it should hold the programs initdb and postgres",
            dir.display()
        ))),
        (None, None) => Err(Error(
            "PostgreSQL is not installed: install it (Debian, Ubuntu: apt install postgresql; Fedora: dnf install \
             postgresql-server; Alpine: apk add postgresql), set cluster.bin_dir to where its programs are, or set \
             database.url to a PostgreSQL elsewhere"
                .to_owned(),
        )),
    }
}

fn search() -> Vec<Programs> {
    let mut dirs: Vec<PathBuf> = Vec::new();
    for (parent, prefix) in PACKAGES {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        let versions = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        dirs.extend(versions.map(|entry| entry.path().join("bin")));
    }
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    dirs.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    dirs.iter().filter_map(|dir| look(dir)).collect()
}

fn look(dir: &Path) -> Option<Programs> {
    let server = dir.join("postgres");
    if !dir.join("initdb").is_file() || !server.is_file() {
        return None;
    }
    let output = Command::new(server).arg("--version").output().ok()?;
    let version = version(&String::from_utf8_lossy(&output.stdout))?;
    Some(Programs { dir: dir.to_owned(), version })
}

// "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)", "… 18beta1"
fn version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("(PostgreSQL) ")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_printed() {
        assert_eq!(version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(version("postgres (PostgreSQL) 17"), Some(17));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn a_directory_without_the_programs_is_refused() {
        let refusal = programs(Path::new("/usr/share"), None).unwrap_err().to_string();
        assert!(refusal.contains("no PostgreSQL in /usr/share"), "{refusal}");
    }
}
