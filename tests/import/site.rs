//! What tests of imports stand on: `kalends` run as an operator runs it, folders, and what lies in the database.
#![allow(dead_code)] // each test program uses its own part

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::server::{Client, Server};
use crate::support::{self, sql};

/// What other servers are told.
pub const PASSWORD: &str = "pässword %/ '";

/// What `kalends` says, and with which code it ends.
pub fn kalends(server: &Server, arguments: &[&str], input: Option<&str>) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
    command
        .args(arguments)
        .env("KALENDS__DATABASE__URL", &server.db.url)
        .env("KALENDS_IMPORT_PASSWORD", PASSWORD);
    let (stdin, out) = (if input.is_some() { Stdio::piped() } else { Stdio::null() }, Stdio::piped());
    let mut child = command.stdin(stdin).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
    if let Some(input) = input {
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said.into_owned())
}

/// A folder of this test alone, gone with it.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = support::directory().join(format!("import-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub async fn site() -> (Server, Client) {
    let server = Server::start(|_| ()).await;
    let mut alice = server.client("alice").await;
    // Who has been here once has a home.
    assert!(alice.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "0")], "").await.is_done());
    (server, alice)
}

pub async fn get(client: &mut Client, path: &str) -> Option<String> {
    let answer = client.ask(&format!("GET {path}"), &[], "").await;
    answer.is_done().then(|| answer.text())
}

/// All that lies in the database of somebody: calendar, name, octets.
pub async fn lying(server: &Server, user: &str) -> BTreeMap<(String, String), Vec<u8>> {
    let query = sql("SELECT b.name AS calendar, o.name, o.body FROM object o
         JOIN bind b ON b.home_id = o.home_id AND b.owner_home_id = o.home_id AND b.calendar_id = o.calendar_id
         JOIN principal p ON p.id = o.home_id WHERE p.name = $1 AND o.component <> 0");
    let rows = server.db.pool.rows(&query, &[&user]).await.unwrap();
    let row = |row: &kalends::db::Row| {
        let body: &[u8] = row.at("body").unwrap();
        ((row.at("calendar").unwrap(), row.at("name").unwrap()), body.to_vec())
    };
    rows.iter().map(row).collect()
}

/// The sum of all revisions: what nothing changes leaves alone.
pub async fn revisions(server: &Server) -> i64 {
    let query = sql("SELECT coalesce((SELECT sum(revision) FROM calendar), 0)::bigint
             + coalesce((SELECT sum(revision) FROM home_state), 0)::bigint");
    server.db.pool.row(&query, &[]).await.unwrap().at(0).unwrap()
}
