//! How a cluster is made, and what to do about one that another PostgreSQL made.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use tokio::process::Command;

use crate::cluster::Error;
use crate::cluster::find::Programs;
use crate::cluster::owner::Owner;
use crate::cluster::place::{Place, ROLE, fault};

/// The order of text is that of its bytes, whatever the system's library thinks today; letters are those of Unicode
/// where the system knows them.
const LOCALES: &[&[&str]] = &[&["--lc-collate=C", "--lc-ctype=C.UTF-8", "--lc-messages=C"], &["--no-locale"]];

/// Makes the data directory: under another name until it is whole, so that a start cut short is made anew.
pub(super) async fn make(programs: &Programs, place: &Place, owner: &Owner) -> Result<(), Error> {
    let unfinished = place.home.join("data.unfinished");
    let mut complaint = String::new();
    for locale in LOCALES {
        remove(&unfinished)?;
        fs::create_dir(&unfinished).map_err(|error| fault(&unfinished, &error))?;
        owner.give(&unfinished)?;
        complaint = match initdb(programs, &unfinished, owner, locale).await? {
            None => return settle(&unfinished, place),
            Some(complaint) => complaint,
        };
        if !complaint.contains("locale") {
            break;
        }
    }
    remove(&unfinished)?;
    Err(Error(format!("a database cluster could not be made: {complaint}")))
}

/// Why a cluster of `version` cannot be used, and both ways out.
pub(super) fn other_version(version: u32, programs: &Programs, place: &Place) -> Error {
    let (data, new) = (place.data.display(), programs.version);
    Error(format!(
        "{data} was made by PostgreSQL {version}, and here is PostgreSQL {new}.\n\
         Either install PostgreSQL {version} (Debian: apt install postgresql-{version}), which may stay beside {new} and is \
         then used for it.\n\
         Or move on to {new}: with PostgreSQL {version} still installed and `kalends up` running,\n\
         \u{20} pg_dump --format=custom --file=kalends.dump '{url}'\n\
         then stop it, uninstall {version}, and\n\
         \u{20} mv {data} {data}-{version}\n\
         start `kalends up`, which makes a new cluster, and bring everything back by\n\
         \u{20} pg_restore --clean --if-exists --single-transaction --dbname='{url}' kalends.dump",
        url = place.url(super::NAME),
    ))
}

/// The complaint of initdb, if it has one.
async fn initdb(
    programs: &Programs,
    dir: &Path,
    owner: &Owner,
    locale: &[&str],
) -> Result<Option<String>, Error> {
    let program = programs.path("initdb");
    let mut command = Command::new(&program);
    command
        .arg("--pgdata")
        .arg(dir)
        .args(["--username", ROLE, "--encoding=UTF8", "--auth-local=trust", "--auth-host=reject"])
        .args(["--data-checksums", "--no-instructions"])
        .args(locale)
        .env("LC_ALL", "C")
        .current_dir("/")
        .kill_on_drop(true);
    if owner.other {
        command.uid(owner.uid).gid(owner.gid);
    }
    let output = command.output().await.map_err(|error| fault(&program, &error))?;
    let complaint = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((!output.status.success()).then(complaint))
}

// The new name must be on disk before anything is written under it.
fn settle(unfinished: &Path, place: &Place) -> Result<(), Error> {
    fs::rename(unfinished, &place.data).map_err(|error| fault(&place.data, &error))?;
    File::open(&place.home).and_then(|home| home.sync_all()).map_err(|error| fault(&place.home, &error))
}

fn remove(dir: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(fault(dir, &error)),
        _ => Ok(()),
    }
}
