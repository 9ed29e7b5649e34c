//! Where a private cluster lies: its directory, what is in it, and its socket.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::{env, io};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use crate::cluster::Error;
use crate::cluster::owner::Owner;

/// The role everything is done as; the socket's directory keeps others out.
pub(super) const ROLE: &str = "kalends";

/// The longest path a Unix socket can have, in bytes.
const LONGEST: usize = 107;

/// What PostgreSQL calls its socket.
const SOCKET: &str = ".s.PGSQL.5432";

/// The directory of the settings, and what is in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Ours; everybody may pass through.
    pub(super) home: PathBuf,
    /// PostgreSQL's data directory; there only when it is whole.
    pub(super) data: PathBuf,
    /// PostgreSQL's logs.
    pub(super) log: PathBuf,
    /// The directory of the socket: only the owner may enter.
    pub(super) socket: PathBuf,
}

impl Place {
    /// The place that the setting names, or the default one, with its directories made.
    pub(super) fn prepare(setting: &Path, owner: &Owner) -> Result<Self, Error> {
        let named = if setting.as_os_str().is_empty() { default_home()? } else { setting.to_owned() };
        make(&named, 0o755)?;
        let home = fs::canonicalize(&named).map_err(|error| fault(&named, &error))?;
        check_way(&home, owner)?;
        let socket = socket(&home);
        let place = Self { data: home.join("data"), log: home.join("log"), home, socket };
        for dir in [&place.log, &place.socket] {
            make(dir, 0o700)?;
            owner.give(dir)?;
        }
        check_private(&place.socket, owner)?;
        if let Ok(data) = fs::metadata(&place.data)
            && data.uid() != owner.uid
        {
            return Err(Error(format!(
                "{} belongs to user id {}, and PostgreSQL is to run as {}: start kalends as that user, or give it over \
                 (chown -R {}:{} {})",
                place.data.display(),
                data.uid(),
                owner.name,
                owner.uid,
                owner.gid,
                place.data.display()
            )));
        }
        Ok(place)
    }

    /// Whether the directory that the setting names, or the default one, holds a cluster; makes nothing.
    pub(super) fn is_made(setting: &Path) -> Result<bool, Error> {
        let home = if setting.as_os_str().is_empty() { default_home()? } else { setting.to_owned() };
        Ok(home.join("data").exists())
    }

    /// Takes the directory for this process, for as long as the file is open.
    pub(super) fn lock(&self) -> Result<File, Error> {
        let path = self.home.join("kalends.lock");
        let failed = |error: io::Error| fault(&path, &error);
        let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(failed)?;
        if file.try_lock().is_err() {
            let mut pid = String::new();
            file.read_to_string(&mut pid).map_err(failed)?;
            return Err(Error(format!(
                "another kalends (process {}) uses {}: stop it, or set cluster.data_dir to another directory",
                pid.trim(),
                self.home.display()
            )));
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(file)
    }

    /// The major version of PostgreSQL that made the cluster, where there is one.
    pub(super) fn version(&self) -> Result<Option<u32>, Error> {
        let path = self.data.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let version =
                    text.trim().parse().map_err(|_| Error(format!("{} holds no version", path.display())))?;
                Ok(Some(version))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(fault(&path, &error)),
        }
    }

    /// What a server that was killed leaves in the socket's directory.
    pub(super) fn socket_files(&self) -> [PathBuf; 2] {
        [self.socket.join(SOCKET), self.socket.join(format!("{SOCKET}.lock"))]
    }

    /// The URL of one of its databases.
    pub(super) fn url(&self, database: &str) -> String {
        let socket = self.socket.to_string_lossy();
        format!("postgresql://{ROLE}@{}/{database}", utf8_percent_encode(&socket, NON_ALPHANUMERIC))
    }
}

pub(super) fn fault(path: &Path, error: &io::Error) -> Error {
    Error(format!("{}: {error}", path.display()))
}

fn default_home() -> Result<PathBuf, Error> {
    if geteuid().is_root() {
        return Ok("/var/lib/kalends".into());
    }
    let state = env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home =
        || env::var_os("HOME").filter(|dir| !dir.is_empty()).map(|dir| Path::new(&dir).join(".local/state"));
    state.or_else(home).map(|dir| dir.join("kalends")).ok_or_else(|| {
        Error("there is no home directory to keep a database in: set cluster.data_dir".to_owned())
    })
}

fn make(path: &Path, mode: u32) -> Result<(), Error> {
    match DirBuilder::new().mode(mode).recursive(mode != 0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(fault(path, &error)),
        _ => Ok(()),
    }
}

// In the directory itself where the path fits, otherwise in one that is named after it.
fn socket(home: &Path) -> PathBuf {
    let inside = home.join("socket");
    if inside.join(SOCKET).as_os_str().len() <= LONGEST {
        return inside;
    }
    let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let short = match runtime {
        _ if geteuid().is_root() => PathBuf::from("/run"),
        Some(dir) if dir.as_os_str().len() < LONGEST / 2 => dir,
        _ => PathBuf::from("/tmp"),
    };
    let digest = Sha256::digest(home.as_os_str().as_encoded_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    short.join(format!("kalends-{number:016x}"))
}

// Somebody else may have made it first, where everybody may make directories.
fn check_private(dir: &Path, owner: &Owner) -> Result<(), Error> {
    let found = fs::symlink_metadata(dir).map_err(|error| fault(dir, &error))?;
    if found.is_dir() && found.uid() == owner.uid && found.mode() & 0o777 == 0o700 {
        return Ok(());
    }
    Err(Error(format!("{} must be a directory that only {} may enter: remove it", dir.display(), owner.name)))
}

// Root passes everywhere; whom it becomes does not.
fn check_way(home: &Path, owner: &Owner) -> Result<(), Error> {
    for dir in home.ancestors().filter(|_| owner.other) {
        let found = fs::metadata(dir).map_err(|error| fault(dir, &error))?;
        let (user, group) = (found.uid() == owner.uid, found.gid() == owner.gid);
        let bit = if user {
            0o100
        } else if group {
            0o010
        } else {
            0o001
        };
        if found.mode() & bit == 0 {
            return Err(Error(format!(
                "user {} may not pass through {}: set cluster.data_dir to a directory it can reach, like \
                 /var/lib/kalends",
                owner.name,
                dir.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_has_its_socket_elsewhere() {
        assert_eq!(socket(Path::new("/var/lib/kalends")), Path::new("/var/lib/kalends/socket"));
        let deep = PathBuf::from("/srv").join("x".repeat(100));
        let (one, other) = (socket(&deep), socket(&deep.join("y")));
        assert!(one.join(SOCKET).as_os_str().len() <= LONGEST);
        assert_ne!(one, other);
        assert_eq!(one, socket(&deep));
    }

    #[test]
    fn the_url_says_where_the_socket_is() {
        let place = Place {
            home: "/a b".into(),
            data: "/a b/data".into(),
            log: "/a b/log".into(),
            socket: "/a b/socket".into(),
        };
        assert_eq!(place.url("x"), "postgresql://kalends@%2Fa%20b%2Fsocket/x");
    }
}
