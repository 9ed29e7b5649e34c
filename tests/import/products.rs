//! Databases as other products have them: their tables, made in a PostgreSQL, an `SQLite` or a `MariaDB`, and what is in them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::site::Folder;

/// The tables of a product, with all but the objects.
pub fn schema(name: &str) -> String {
    fs::read_to_string(format!("tests/import/schemas/{name}.sql")).unwrap()
}

/// Octets in the digits of SQL.
pub fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut digits, octet| {
        let _ = write!(digits, "{octet:02x}");
        digits
    })
}

/// A Nextcloud with these objects, one that was deleted, and one of a subscription; `octets` writes octets in SQL.
pub fn nextcloud(blob: &str, octets: impl Fn(&[u8]) -> String, objects: &[(&str, String)]) -> String {
    let mut script = schema("nextcloud").replace("{blob}", blob);
    let mut add = |calendar: i64, name: &str, text: &str, kind: i64, deleted: &str| {
        let id = script.len();
        let _ = writeln!(
            script,
            "INSERT INTO oc_calendarobjects VALUES ({id}, {}, '{name}', {calendar}, 0, 'x', 1, 'VEVENT', 0, 0, 'x', 0, {kind}, {deleted});",
            octets(text.as_bytes())
        );
    };
    for (name, text) in objects {
        add(1, name, text, 0, "NULL");
    }
    add(1, "deleted.ics", "rubbish", 0, "1790000000");
    add(1, "feed.ics", "rubbish", 1, "NULL");
    add(2, "birthday.ics", "rubbish", 0, "NULL");
    add(3, "deleted.ics", "rubbish", 0, "NULL");
    add(4, "his.ics", &objects[0].1, 0, "NULL");
    script
}

/// A `MariaDB` of this test alone, gone with it.
pub struct Maria {
    child: Child,
    socket: PathBuf,
}

impl Maria {
    pub fn start(folder: &Folder) -> Self {
        let (data, socket) = (
            folder.path("maria"),
            std::env::temp_dir().join(format!("kalends-{}.maria", std::process::id())),
        );
        let user = format!(
            "--user={}",
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim()
        );
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", &user, "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={data}"))
            .output()
            .expect("a MariaDB: tests/tools/install.sh test");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut server = Command::new("mariadbd");
        server.args(["--no-defaults", &user, "--skip-networking", "--innodb-flush-method=nosync"]);
        server.arg(format!("--datadir={data}")).arg(format!("--socket={}", socket.display()));
        server.arg(format!("--pid-file={}", folder.path("maria.pid")));
        server.env("PATH", path()).stdout(Stdio::null()).stderr(Stdio::null());
        let maria = Self { child: server.spawn().expect("a MariaDB"), socket };
        let end = Instant::now() + Duration::from_mins(2);
        while !maria.run("mariadb", &["-e", "SELECT 1"]).status().unwrap().success() {
            assert!(Instant::now() < end, "MariaDB does not start");
            std::thread::sleep(Duration::from_millis(200));
        }
        maria
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4"]);
        command.arg(format!("--socket={}", self.socket.display())).args(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs a script in a database of that name, which is made.
    pub fn fill(&self, name: &str, script: &str) {
        let made = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        assert!(self.run("mariadb", &["-e", &made]).status().unwrap().success());
        let mut client =
            self.run("mariadb", &[name]).stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        client.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(client.wait().unwrap().success());
    }

    /// Its dump.
    pub fn dump(&self, name: &str, arguments: &[&str]) -> Vec<u8> {
        let mut command = self.run("mariadb-dump", &[arguments, &["--single-transaction", name]].concat());
        let output = command.stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success());
        output.stdout
    }
}

/// Where Debian has servers, which is not in everybody's path.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

impl Drop for Maria {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.socket);
    }
}
