//! As whom PostgreSQL runs: as ourselves, or, since it refuses to be root, as another user.

use std::path::Path;
use std::process::Command;

use rustix::process::{getegid, geteuid};

use crate::cluster::Error;

/// The user whose the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    /// Whether we are root and have to become it.
    pub(super) other: bool,
}

/// The one the settings name when we are root (empty is `postgres`), otherwise whoever we are.
pub(super) fn choose(setting: &str) -> Result<Owner, Error> {
    if !geteuid().is_root() {
        let uid = geteuid().as_raw();
        // PostgreSQL looks its user up and gives up without a name; arbitrary numbers are usual in containers.
        let name = id(&["-un"]).ok_or_else(|| {
            Error(format!(
                "user id {uid} has no name, and PostgreSQL will not run without: add a line for it to /etc/passwd, run \
                 as a user who has one, or set database.url to a PostgreSQL elsewhere"
            ))
        })?;
        return Ok(Owner { uid, gid: getegid().as_raw(), name, other: false });
    }
    let name = if setting.is_empty() { "postgres" } else { setting };
    let number = |flag| id(&[flag, "--", name]).and_then(|text| text.parse::<u32>().ok());
    let (Some(uid), Some(gid)) = (number("-u"), number("-g")) else {
        return Err(Error(format!(
            "PostgreSQL will not run as root, and there is no user {name} to run it as: set cluster.user to one there \
             is, make one (useradd --system {name}), or do not start kalends as root"
        )));
    };
    if uid == 0 {
        return Err(Error(format!(
            "PostgreSQL will not run as root: set cluster.user to another than {name}"
        )));
    }
    Ok(Owner { uid, gid, name: name.to_owned(), other: true })
}

impl Owner {
    /// Hands a path of ours over to it.
    pub(super) fn give(&self, path: &Path) -> Result<(), Error> {
        if !self.other {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(|error| Error(format!("{} cannot be given to {}: {error}", path.display(), self.name)))
    }
}

// By the system's own program and not from /etc/passwd, so that users from LDAP and the like are found too.
fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
