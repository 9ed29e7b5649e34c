//! Calendars that come from other servers and from their databases: all goes in octet for octet, with names, colors and shares; a
//! second time changes nothing; and what cannot be had is said.

#![allow(clippy::unwrap_used)]

#[path = "import/other.rs"]
mod other;
#[path = "front/pki.rs"]
mod pki;
#[path = "import/products.rs"]
mod products;
#[path = "support/server.rs"]
mod server;
#[path = "import/site.rs"]
mod site;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use other::{Other, multistatus, says};
use pki::Pki;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use server::{Client, Server, event};
use site::{Folder, PASSWORD, kalends, lying, revisions};
use support::sql;
use tokio_rustls::TlsAcceptor;

/// Objects whose octets are easily lost: names, line ends, folds, letters.
fn objects() -> Vec<(&'static str, String)> {
    vec![
        ("plain.ics", event("plain", "Plain")),
        ("odd näme%.ics", event("odd", "Ünïcode \u{1f4c5}\\, \\; 'x' \"y\" \\\\n")),
        ("no ending", event("lf", "Line feeds").replace("\r\n", "\n")),
        (
            "calendar.json",
            event("folded", "x").replace("SUMMARY:x", "SUMMARY:x\r\n  folded\r\n\ttab\r\nX-ODD;A=\"b:c\":d"),
        ),
    ]
}

/// What is to lie in somebody's calendar of that name.
fn wanted(calendar: &str) -> BTreeMap<(String, String), Vec<u8>> {
    let key = |name: &str| (calendar.to_owned(), name.to_owned());
    objects().into_iter().map(|(name, text)| (key(name), text.into_bytes())).collect()
}

/// Of everybody: what a calendar is called and its color, and who may do what.
async fn told(server: &Server) -> Vec<String> {
    let query = sql(
        "SELECT w.name || '/' || b.name || ' ' || p.local || ' ' || regexp_replace(p.value, '<[^>]*>', '', 'g') AS what FROM property p
           JOIN principal w ON w.id = p.home_id
           JOIN bind b ON b.home_id = p.home_id AND b.owner_home_id = p.home_id AND b.calendar_id = p.calendar_id
           WHERE b.name NOT IN ('calendar', 'tasks', 'inbox', 'outbox', 'notifications')
         UNION ALL SELECT o.name || '/' || b.name || ' to ' || coalesce(w.name, '@' || i.group_name, i.address) || ' ' || i.status
           FROM invite i JOIN principal o ON o.id = i.home_id
           JOIN bind b ON b.home_id = i.home_id AND b.owner_home_id = i.home_id AND b.calendar_id = i.calendar_id
           LEFT JOIN principal w ON w.id = i.principal_id
         UNION ALL SELECT o.name || '/' || coalesce(b.name, '') || ' lets ' || coalesce(w.name, '@' || a.group_name) || ' '
             || CASE WHEN a.privileges & 8 <> 0 THEN 'write' WHEN a.privileges & 2 <> 0 THEN 'read' ELSE 'ask' END
           FROM ace a JOIN principal o ON o.id = a.home_id
           LEFT JOIN bind b ON b.home_id = a.home_id AND b.owner_home_id = a.home_id AND b.calendar_id = a.calendar_id
           LEFT JOIN principal w ON w.id = a.principal_id
         UNION ALL SELECT w.name || ' sees ' || o.name || '''s' FROM bind b
           JOIN principal w ON w.id = b.home_id JOIN principal o ON o.id = b.owner_home_id WHERE b.home_id <> b.owner_home_id
         ORDER BY what",
    );
    let rows = server.db.pool.rows(&query, &[]).await.unwrap();
    rows.iter().map(|row| row.at("what").unwrap()).collect()
}

/// Imports three times: a trial that writes nothing, then all, then nothing new. What was said the first time in earnest.
async fn thrice(server: &Server, arguments: &[&str], code: i32) -> String {
    let before = revisions(server).await;
    let (was, trial) = kalends(server, &[arguments, &["--dry-run"]].concat(), None);
    assert!(was == code && trial.contains("Nothing was written"), "{trial}");
    assert_eq!(revisions(server).await, before, "a trial writes: {trial}");
    let (was, said) = kalends(server, arguments, None);
    assert_eq!(was, code, "{said}");
    let sum = |text: &str| text.lines().find(|line| line.contains(" objects: ")).unwrap().to_owned();
    assert_eq!(sum(&trial), sum(&said));
    let after = (revisions(server).await, told(server).await);
    let (was, again) = kalends(server, arguments, None);
    assert!(was == code && again.contains(": 0 imported, 0 replaced,"), "{again}");
    assert_eq!(
        (revisions(server).await, told(server).await),
        after,
        "a second time changes something: {again}"
    );
    said
}

async fn make(client: &mut Client, path: &str, objects: &[(&str, String)]) {
    let body = "<C:mkcalendar xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><set><prop><displayname>W &amp; Co</displayname>\
                <c:calendar-color xmlns:c='http://apple.com/ns/ical/'>#123456FF</c:calendar-color>\
                <C:calendar-description>About</C:calendar-description>\
                <C:schedule-calendar-transp><C:transparent/></C:schedule-calendar-transp>\
                <C:supported-calendar-component-set><C:comp name='VEVENT'/></C:supported-calendar-component-set></prop></set></C:mkcalendar>";
    assert_eq!(client.ask(&format!("MKCALENDAR {path}"), &[], body).await.status, 201);
    for (name, text) in objects {
        let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
        assert!(client.ask(&format!("PUT {path}{name}"), &[], text).await.is_done(), "{name}");
    }
}

async fn share(client: &mut Client, path: &str, who: &str, level: &str) {
    let body = format!(
        "<CS:share xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'><CS:set><D:href>{who}</D:href><CS:{level}/></CS:set></CS:share>"
    );
    let answer = client.ask(&format!("POST {path}"), &[("Content-Type", "application/xml")], body).await;
    assert!(answer.is_done(), "{}", answer.text());
}

/// A kalends where alice has a calendar, which is shared with bob and with a stranger, a subscription, and one that she sees of bob.
async fn origin() -> Server {
    let server = Server::start(|_| ()).await;
    let (mut alice, mut bob) = (server.client("alice").await, server.client("bob").await);
    for (client, who) in [(&mut alice, "alice"), (&mut bob, "bob")] {
        let home = format!("PROPFIND /dav/calendars/{who}/");
        assert!(client.ask(&home, &[("Depth", "0")], "").await.is_done());
    }
    make(&mut alice, "/dav/calendars/alice/work/", &objects()).await;
    make(&mut bob, "/dav/calendars/bob/his/", &objects()[..1]).await;
    share(&mut alice, "/dav/calendars/alice/work/", "/dav/principals/bob/", "read-write").await;
    share(&mut alice, "/dav/calendars/alice/work/", "mailto:stranger@example.org", "read").await;
    share(&mut bob, "/dav/calendars/bob/his/", "/dav/principals/alice/", "read").await;
    let body = "<mkcol xmlns='DAV:' xmlns:CS='http://calendarserver.org/ns/'><set><prop><resourcetype><collection/><CS:subscribed/></resourcetype>\
                <CS:source><href>https://x.example/feed.ics</href></CS:source></prop></set></mkcol>";
    assert_eq!(alice.ask("MKCOL /dav/calendars/alice/feed/", &[], body).await.status, 201);
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_on_any_caldav_server_comes_with_all_it_has() {
    let (from, here) = (origin().await, Server::start(|_| ()).await);
    here.client("bob").await.ask("PROPFIND /dav/calendars/bob/", &[("Depth", "0")], "").await;
    let proxy = Other::before(from.address, "alice", None).await;
    let (url, folder) = (format!("http://{}/", proxy.address), Folder::new("account"));
    let said = thrice(&here, &["import", "anna", "--from", &url, "--login", "alice", "--create"], 0).await;
    assert!(said.contains("left out, it is somebody else's"), "{said}");
    assert_eq!(lying(&here, "anna").await, wanted("work"));
    let is = [
        "anna/feed source https://x.example/feed.ics",
        "anna/work calendar-color #123456FF",
        "anna/work calendar-description About",
        "anna/work displayname W &amp; Co",
        "anna/work lets bob write",
        "anna/work schedule-calendar-transp ",
        "anna/work to bob 1",
        "anna/work to stranger@example.org 0",
        "bob sees anna's",
    ];
    assert_eq!(told(&here).await, is);
    // What is changed here stays, whatever is told there.
    let mut anna = here.client("anna").await;
    let body = "<propertyupdate xmlns='DAV:'><set><prop><displayname>Mine</displayname></prop></set></propertyupdate>";
    assert_eq!(anna.ask("PROPPATCH /dav/calendars/anna/work/", &[], body).await.status, 207);
    let arguments = ["import", "anna", "--from", &url, "--login", "alice", "--keep", &folder.path("kept")];
    proxy.asked("");
    assert_eq!(kalends(&here, &arguments, None).0, 0);
    assert_eq!(proxy.asked("GET"), objects().len());
    assert!(told(&here).await.contains(&"anna/work displayname Mine".to_owned()));
    // What was fetched already is not fetched again; what is gone there is not brought back here.
    let mut alice = from.client("alice").await;
    assert!(alice.ask("DELETE /dav/calendars/alice/work/plain.ics", &[], "").await.is_done());
    assert!(anna.ask("DELETE /dav/calendars/anna/work/plain.ics", &[], "").await.is_done());
    assert_eq!(kalends(&here, &arguments, None).0, 0);
    assert_eq!(proxy.asked("GET"), 0);
    assert_eq!(lying(&here, "anna").await.len(), objects().len() - 1);
    // The folder can be brought in as it is.
    let (code, said) = kalends(&here, &["import", "--from", &folder.path("kept")], None);
    assert!(code == 0 && said.contains("anna/work"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_password_is_told_only_to_whom_it_belongs() {
    let (from, here) = (origin().await, Server::start(|_| ()).await);
    here.client("bob").await.ask("PROPFIND /dav/calendars/bob/", &[("Depth", "0")], "").await;
    let pki = Pki::new();
    pki.authority("ca");
    pki.signed("cal", "ca", "IP:127.0.0.1");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = vec![CertificateDer::from_pem_file(pki.file("cal.pem")).unwrap()];
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_file(pki.file("cal.key")).unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let proxy = Other::before(from.address, "alice", Some(tls)).await;
    let url = format!("https://alice@{}/", proxy.address);
    let (code, said) = kalends(&here, &["import", "anna", "--from", &url, "--create"], None);
    assert!(code == 2 && said.contains("certificate"), "{said}");
    assert_eq!(proxy.asked("PROPFIND"), 0);
    let (ca, folder) = (pki.file("ca.pem").display().to_string(), Folder::new("password"));
    let (code, said) = kalends(&here, &["import", "anna", "--from", &url, "--create", "--ca", &ca], None);
    assert!(code == 0 && said.contains("4 objects: 4 imported"), "{said}");
    let file = folder.write("wrong", "secret\n");
    let arguments = ["import", "anna", "--from", &url, "--ca", &ca, "--password-file", &file];
    let (code, said) = kalends(&here, &arguments, None);
    assert!(code == 2 && said.contains("401") && !said.contains("secret"), "{said}");
    for open in
        ["https://alice:secret@127.0.0.1/", "http://calendars.example/", "postgresql://a:secret@127.0.0.1/b"]
    {
        let (code, said) = kalends(&here, &["import", "anna", "--from", open], None);
        assert!(code == 2 && said.contains("password"), "{open}: {said}");
    }
}

type Answers = Box<dyn Fn(&other::Asked) -> other::Reply + Send + Sync>;
/// What is answered, with which code the import ends, and what it says.
type Case = (Answers, i32, &'static str);

fn always(answer: fn() -> other::Reply, said: &'static str) -> Case {
    (Box::new(move |_| answer()), 2, said)
}

/// Answers that lead to no calendar.
fn dead_ends() -> Vec<Case> {
    vec![
        always(|| says("207 Multi-Status", "", "<multistatus"), "no multistatus"),
        always(|| says("207 Multi-Status", "", "<html/>"), "another"),
        always(|| says("207 Multi-Status", "", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), "no multistatus"),
        always(|| says("405 Method Not Allowed", "", ""), "405"),
        always(|| other::Reply::Says(b"SSH-2.0-x\r\n".to_vec()), "connection broke"),
        always(
            || other::Reply::Says(b"HTTP/1.1 207 x\r\nContent-Length: 9\r\n\r\n<a".to_vec()),
            "connection broke",
        ),
        always(|| multistatus(""), "no calendars"),
        always(|| says("301 Moved", "Location: /x\r\n", ""), "circles"),
        always(|| says("301 Moved", "", ""), "nowhere"),
        always(
            || {
                let head = "HTTP/1.1 207 x\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n<multistatus xmlns='DAV:'>";
                other::Reply::Says([head.as_bytes(), &vec![b' '; 90_000_000][..]].concat())
            },
            "too long",
        ),
    ]
}

/// A calendar with a member, and many that lie elsewhere.
fn listing() -> String {
    let member = |href: &str| {
        format!(
            "<response><href>{href}</href><propstat><prop><getetag>\"1\"</getetag><resourcetype/></prop>\
             <status>HTTP/1.1 200 OK</status></propstat></response>"
        )
    };
    let calendar = "<response><href>/c/work/</href><propstat><prop><resourcetype><collection/><C:calendar/></resourcetype></prop>\
                    <status>HTTP/1.1 200 OK</status></propstat></response>";
    let mut all = calendar.to_owned() + &member("/c/work/a.ics") + &member("/etc/passwd");
    all += &member("http://x.example/c/work/b.ics");
    (0..30_000).fold(all, |all, nth| all + &member(&format!("/other/{nth}.ics")))
}

/// Calendars of which something cannot be had.
fn poor_calendars() -> Vec<Case> {
    let (one, other) = (listing(), listing());
    let long = move |asked: &other::Asked| match asked.line() {
        line if line.starts_with("GET") => says("200 OK", "", &"x".repeat(20 << 20)),
        _ => multistatus(&one),
    };
    let none = move |asked: &other::Asked| match asked.line() {
        "GET /c/work/a.ics" => says("500 Internal", "", ""),
        "GET /c/work/b.ics" => says("200 OK", "", "rubbish"),
        line if line.starts_with("GET") => panic!("{line} lies elsewhere"),
        _ => multistatus(&other),
    };
    vec![
        (Box::new(long), 1, "/c/work/a.ics: it is too long"),
        (Box::new(none), 1, "work/b.ics:1: no UID \"\": there is no VCALENDAR in it"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_are_none_are_told_and_do_no_harm() {
    let here = Server::start(|_| ()).await;
    here.client("alice").await.ask("PROPFIND /dav/calendars/alice/", &[("Depth", "0")], "").await;
    let elsewhere = Other::start(None, |_| says("200 OK", "", "never")).await;
    let away = format!("Location: http://{}/x\r\n", elsewhere.address);
    let mut cases = dead_ends();
    cases.push((Box::new(move |_| says("301 Moved", &away, "")), 2, "not told the password"));
    cases.extend(poor_calendars());
    let before = revisions(&here).await;
    for (answer, code, wanted) in cases {
        let other = Other::start(None, answer).await;
        let url = format!("http://{}/c/work/", other.address);
        let (was, said) = kalends(&here, &["import", "alice", "--from", &url], None);
        assert!(was == code && said.contains(wanted), "{wanted}: {was} {said}");
        if code == 2 {
            assert_eq!(revisions(&here).await, before, "{wanted}");
        }
    }
    assert_eq!(elsewhere.asked("PROPFIND"), 0);
}

/// A Radicale of this test alone, gone with it.
struct Radicale {
    child: Child,
    url: String,
}

impl Drop for Radicale {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn radicale(folder: &Folder) -> Radicale {
    let cache = std::env::var_os("KALENDS_CACHE").map(PathBuf::from);
    let cache =
        cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/kalends"));
    let users = folder.write("users", &format!("alice:{PASSWORD}\n"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(cache.join("clients/venv-peers/bin/python"));
    command.args([
        "-m",
        "radicale",
        "--config",
        "",
        "--auth-type",
        "htpasswd",
        "--auth-htpasswd-encryption",
        "plain",
    ]);
    command.args([
        "--auth-htpasswd-filename",
        &users,
        "--storage-filesystem-folder",
        &folder.path("collections"),
    ]);
    command
        .args(["--server-hosts", &format!("127.0.0.1:{port}")])
        .stderr(Stdio::null())
        .stdout(Stdio::null());
    let child = command.spawn().expect("a Radicale: tests/tools/install.sh test");
    let radicale = Radicale { child, url: format!("http://127.0.0.1:{port}/") };
    let end = Instant::now() + Duration::from_mins(2);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < end, "Radicale does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    radicale
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_on_a_radicale_comes_as_it_is_there() {
    let (folder, here) = (Folder::new("radicale"), Server::start(|_| ()).await);
    let radicale = radicale(&folder);
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sSf", "-u", &format!("alice:{PASSWORD}")]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let work = format!("{}alice/work/", radicale.url);
    let body = "<C:mkcalendar xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'><set><prop><displayname>W &amp; Co</displayname>\
                <c:calendar-color xmlns:c='http://apple.com/ns/ical/'>#123456</c:calendar-color></prop></set></C:mkcalendar>";
    curl(&["-X", "MKCALENDAR", "--data", body, &work]);
    let mut given = BTreeMap::new();
    for nth in 0..40 {
        let (name, file) =
            (format!("{nth} ö.ics"), folder.write("one.ics", &event(&format!("u{nth}"), "Ünïcode")));
        let place = format!("{work}{nth}%20%C3%B6.ics");
        curl(&["-T", &file, "-H", "Content-Type: text/calendar", &place]);
        given.insert(("work".to_owned(), name), curl(&[&place]));
    }
    thrice(&here, &["import", "alice", "--from", &radicale.url, "--create"], 0).await;
    assert_eq!(lying(&here, "alice").await, given);
    assert_eq!(told(&here).await, ["alice/work calendar-color #123456", "alice/work displayname W &amp; Co"]);
}

/// How a zip is made, by Python, as by anybody but the library that reads it.
fn zipped(folder: &Folder, from: &str) -> String {
    let file = folder.path("takeout.zip");
    let program = "import pathlib, sys, zipfile\nroot = pathlib.Path(sys.argv[1])\n\
                   with zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED) as z:\n\
                   \x20   [z.write(p, p.relative_to(root)) for p in sorted(root.rglob('*')) if p.is_file()]\n";
    let status = Command::new("python3").args(["-c", program, from, &file]).status().unwrap();
    assert!(status.success());
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_zip_file_is_its_folder() {
    let (folder, here) = (Folder::new("zip"), Server::start(|_| ()).await);
    for name in ["Family.ics", "Sports.ics"] {
        let text = fs::read_to_string(format!("tests/import/trees/takeout/{name}")).unwrap();
        folder.write(&format!("all/Takeout/Calendar/{name}"), &text);
    }
    folder.write("all/Takeout/Mail/All.mbox", "From x\n");
    let file = zipped(&folder, &folder.path("all"));
    thrice(&here, &["import", "alice", "--from", &file, "--create"], 0).await;
    assert_eq!(lying(&here, "alice").await.keys().filter(|(place, _)| place == "Family").count(), 2);
    // An export of everybody goes the same way.
    let (code, said) = kalends(&here, &["export", &folder.path("export")], None);
    assert_eq!(code, 0, "{said}");
    let (file, fresh) = (zipped(&folder, &folder.path("export")), Server::start(|_| ()).await);
    let (code, said) = kalends(&fresh, &["import", "--from", &file], None);
    assert_eq!(code, 0, "{said}");
    assert_eq!(lying(&fresh, "alice").await, lying(&here, "alice").await);
    let broken = folder.path("broken.zip");
    fs::write(&broken, &fs::read(&file).unwrap()[..200]).unwrap();
    let (code, said) = kalends(&fresh, &["import", "alice", "--from", &broken], None);
    assert!(code == 2 && said.contains("broken.zip"), "{said}");
}

/// What each of the databases tells of alice, whoever's it is.
fn told_of(other: &[&str]) -> Vec<String> {
    let mut all = vec![
        "alice/feed displayname Feed",
        "alice/feed source https://x.example/feed.ics",
        "alice/work calendar-description About",
        "alice/work displayname W &amp; Co",
        "alice/work lets bob write",
        "alice/work schedule-calendar-transp ",
        "alice/work to bob 1",
        "bob sees alice's",
    ];
    all.extend(other);
    all.sort_unstable();
    all.into_iter().map(str::to_owned).collect()
}

async fn known(server: &Server) -> Vec<(String, Option<String>, Option<String>)> {
    let query = sql("SELECT name, display_name, email FROM principal ORDER BY name");
    let rows = server.db.pool.rows(&query, &[]).await.unwrap();
    rows.iter().map(|row| (row.at(0).unwrap(), row.at(1).unwrap(), row.at(2).unwrap())).collect()
}

fn person(name: &str, display_name: &str, email: Option<&str>) -> (String, Option<String>, Option<String>) {
    (name.to_owned(), Some(display_name.to_owned()), email.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_of_davical_comes_with_people_colors_and_grants() {
    let (there, here) = (support::bare_database("").await, Server::start(|_| ()).await);
    let mut script = products::schema("davical");
    for (nth, (name, text)) in objects().iter().enumerate() {
        let text = products::hex(text.as_bytes());
        let _ = writeln!(
            script,
            "INSERT INTO caldav_data VALUES (1, '/alice/work/{name}', 'x', convert_from(decode('{text}', 'hex'), 'UTF8'), 'VEVENT', {nth}, 21);"
        );
    }
    there.pool.client().await.unwrap().batch(&script).await.unwrap();
    thrice(&here, &["import", "--from", &there.url], 0).await;
    assert_eq!(lying(&here, "alice").await, wanted("work"));
    let other = ["alice/ lets @staff read", "alice/work calendar-color #123456FF"];
    assert_eq!(told(&here).await, told_of(&other));
    // An address is one person's, who had it first.
    let people = [person("alice", "Alice", Some("alice@example.org")), person("bob", "Bob B.", None)];
    assert_eq!(known(&here).await, people);
    // One person alone, under another name.
    let arguments = ["import", "anna", "--from", &there.url, "--login", "alice", "--create"];
    let (code, said) = kalends(&here, &arguments, None);
    assert!(code == 0 && said.contains("anna/work is new"), "{said}");
    assert_eq!(lying(&here, "anna").await, wanted("work"));
    let (code, said) = kalends(&here, &["import", "anna", "--from", &there.url], None);
    assert!(code == 2 && said.contains("--login"), "{said}");
}

const CLOUD: [&str; 6] = [
    "alice/ lets bob read",
    "alice/work calendar-color #123456",
    "alice/work calendar-order 3",
    "alice/work lets @staff read",
    "alice/work to @staff 1",
    "alice sees bob's",
];

fn cloud() -> Vec<String> {
    told_of(
        &[&CLOUD[..], &["bob/his displayname His", "bob/his lets alice read", "bob/his to alice 1"]].concat(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_nextcloud_in_postgresql_comes_with_people_colors_and_shares() {
    let (there, here) = (support::bare_database("").await, Server::start(|_| ()).await);
    let octets = |octets: &[u8]| format!("decode('{}', 'hex')", products::hex(octets));
    let script = products::nextcloud("bytea", octets, &objects());
    there.pool.client().await.unwrap().batch(&script).await.unwrap();
    thrice(&here, &["import", "--from", &there.url], 0).await;
    assert_eq!(lying(&here, "alice").await, wanted("work"));
    assert_eq!(lying(&here, "bob").await.len(), 1);
    assert_eq!(told(&here).await, cloud());
    let people = [person("alice", "Alice A.", Some("alice@example.org")), person("bob", "Bob B.", None)];
    assert_eq!(known(&here).await, people);
    // What somebody shares here meanwhile stays, and what they changed does.
    here.client("carol").await.ask("PROPFIND /dav/calendars/carol/", &[("Depth", "0")], "").await;
    let mut alice = here.client("alice").await;
    share(&mut alice, "/dav/calendars/alice/work/", "/dav/principals/carol/", "read").await;
    let before = (told(&here).await, revisions(&here).await);
    assert_eq!(kalends(&here, &["import", "--from", &there.url], None).0, 0);
    assert_eq!((told(&here).await, revisions(&here).await), before);
    // What is no database of calendars says so.
    let (code, said) = kalends(&here, &["import", "--from", &here.db.url], None);
    assert!(code == 2 && said.contains("no calendars of a product that is known here"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_nextcloud_in_mariadb_comes_from_its_dump() {
    let folder = Folder::new("maria");
    let maria = products::Maria::start(&folder);
    let octets = |octets: &[u8]| format!("0x{}", products::hex(octets));
    maria.fill("nextcloud", &products::nextcloud("longblob", octets, &objects()));
    for arguments in [&["--hex-blob"][..], &[], &["--complete-insert", "--skip-extended-insert"]] {
        let here = Server::start(|_| ()).await;
        let dump = folder.path("nextcloud.sql");
        fs::write(&dump, maria.dump("nextcloud", arguments)).unwrap();
        thrice(&here, &["import", "--from", &dump], 0).await;
        assert_eq!(lying(&here, "alice").await, wanted("work"), "{arguments:?}");
        assert_eq!(told(&here).await, cloud(), "{arguments:?}");
    }
    let here = Server::start(|_| ()).await;
    let dump = maria.dump("nextcloud", &[]);
    let cut = dump.windows(8).rposition(|window| window == b"VCALENDA").unwrap();
    let file = folder.path("cut.sql");
    fs::File::create(&file).unwrap().write_all(&dump[..cut]).unwrap();
    let (code, said) = kalends(&here, &["import", "--from", &file], None);
    assert!(code == 2 && said.contains("cut.sql: line "), "{said}");
    let (code, said) = kalends(&here, &["import", "--from", "mysql://root@localhost/nextcloud"], None);
    assert!(code == 2 && said.contains("mysqldump"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_thousand_events_of_a_baikal_the_broken_ones_are_told() {
    let (folder, here) = (Folder::new("baikal"), Server::start(|_| ()).await);
    let file = folder.path("db.sqlite");
    let mut base = rusqlite::Connection::open(&file).unwrap();
    base.execute_batch(&products::schema("sabre")).unwrap();
    let all = base.transaction().unwrap();
    let add = "INSERT INTO calendarobjects (calendardata, uri, calendarid, size) VALUES (?1, ?2, ?3, 1)";
    for (name, text) in objects() {
        all.execute(add, (text.as_bytes(), name, 1)).unwrap();
    }
    for nth in 0..10_000 {
        let good = event(&format!("event-{nth}"), &format!("Number {nth}"));
        let text = match (nth % 100, nth / 100 % 4) {
            (50, 0) => good.replace("DTSTART:20260301T090000Z", "DTSTART:tomorrow"),
            (50, 1) => good[..good.len() / 2].to_owned(),
            (50, 2) => "rubbish".to_owned(),
            (50, _) => good.replace("SUMMARY", "no colon in this line\r\nSUMMARY"),
            _ => good,
        };
        all.execute(add, (text.as_bytes(), format!("{nth}.ics"), 2)).unwrap();
    }
    all.commit().unwrap();
    drop(base);
    let octets = fs::read(&file).unwrap();
    let said = thrice(&here, &["import", "--from", &file], 1).await;
    assert!(said.contains("10004 objects: 9904 imported, 0 replaced, 0 unchanged, 0 kept as they were, 0 skipped, 100 failed"), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("alice/default/")).collect();
    assert_eq!(lines.len(), 100);
    assert!(
        lines.iter().any(|line| line.starts_with("alice/default/50.ics:4: event-50 \"Number 50\": ")),
        "{said}"
    );
    let all = lying(&here, "alice").await;
    assert_eq!(all.len(), 9904);
    assert!(wanted("work").iter().all(|(key, octets)| all[key] == *octets));
    let other = [
        "alice/ lets bob write",
        "alice/default displayname Default calendar",
        "alice/work calendar-color #123456FF",
        "alice/work calendar-order 3",
        "alice/work to stranger@example.org 0",
    ];
    assert_eq!(told(&here).await, told_of(&other));
    assert_eq!(fs::read(&file).unwrap(), octets, "nothing is written there");
}
