//! A REST service with the CalDAV service it asks: in one process, each by itself in the process of the test, or in two.
#![allow(dead_code)] // each test program uses its own part

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kalends::api::{openapi, route::located};
use kalends::boot::{Part, Running};
use kalends::config::{Listen, Settings};
use serde_json::Value;

use crate::server::{Answer, Client, Server};
use crate::support;

/// The service, and all that it stands on; gone with this.
pub struct Rest {
    pub address: SocketAddr,
    /// The CalDAV service, and its database.
    pub caldav: Server,
    apart: Apart,
}

/// Where the REST service runs.
enum Apart {
    /// With CalDAV.
    Not,
    /// By itself, in the process of the test.
    Here(Running),
    /// In a process of its own.
    There(Process),
}

/// A `kalends api`; gone with this.
struct Process {
    child: Child,
    dir: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A connection on which somebody's requests go one after the other, with JSON in and out.
pub struct Json(pub Client);

const HERE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

impl Rest {
    /// Both services on listeners of one process.
    pub async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let caldav = Server::start(|settings| {
            settings.api.listen = Some(Listen::Tcp(HERE.into()));
            change(settings);
        })
        .await;
        Self { address: caldav.rest.expect("a REST service"), caldav, apart: Apart::Not }
    }

    /// Each on its own: they share the database and know each other by addresses alone.
    pub async fn apart(change: impl Fn(&mut Settings)) -> Self {
        let caldav = Server::start(&change).await;
        let mut settings = Settings { database: support::settings(&caldav.db.url), ..Settings::default() };
        settings.server.listen = vec![Listen::Tcp(HERE.into())];
        settings.monitor.listen = None;
        settings.api.listen = Some(Listen::Tcp(HERE.into()));
        settings.api.caldav = format!("http://{}", caldav.address);
        change(&mut settings);
        let apart = Running::start_part(settings, Part::Rest).await.expect("a REST service");
        Self { address: apart.rest_address.expect("an address"), caldav, apart: Apart::Here(apart) }
    }

    /// The REST service in a process of its own, beside one that is CalDAV alone; with these lines in the settings of both, which
    /// `change` says to the other.
    pub async fn process(lines: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let caldav = Server::start(change).await;
        let free = TcpListener::bind(SocketAddr::from(HERE)).expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let dir = support::directory().join(format!("api-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&dir).expect("a folder");
        let settings = format!(
            "monitor.listen = \"\"\nlog.level = \"warn\"\ndatabase.url = \"{}\"\napi.listen = \"{address}\"\n\
             api.caldav = \"http://{}\"\n{lines}",
            caldav.db.url, caldav.address
        );
        fs::write(dir.join("settings.toml"), settings).expect("settings");
        let log = fs::File::create(dir.join("log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
        command.args(["api", "--config"]).arg(dir.join("settings.toml"));
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("a process");
        let mut process = Process { child, dir };
        while tokio::net::TcpStream::connect(address).await.is_err() {
            let ended = process.child.try_wait().expect("a process");
            assert!(ended.is_none(), "{}", fs::read_to_string(process.dir.join("log")).expect("a log"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { address, caldav, apart: Apart::There(process) }
    }

    /// The settings are read again by both services, and say something else by now.
    pub fn reload(&self, change: impl FnOnce(&mut Settings)) {
        let settings = self.caldav.reload(change);
        if let Apart::Here(running) = &self.apart {
            running.reload(&settings).expect("sound settings");
        }
    }

    /// Octets of memory that the REST service has taken at most, where it is a process of its own.
    pub fn most_memory(&self) -> Option<usize> {
        let Apart::There(process) = &self.apart else { return None };
        let told = fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("a process");
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("what it took");
        let number: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        Some(number << 10)
    }

    /// A connection of that user; nobody where it is empty.
    pub async fn client(&self, user: &str) -> Json {
        let socket = tokio::net::TcpStream::connect(self.address).await.expect("a connection");
        socket.set_nodelay(true).expect("an option");
        Json(Client::new(socket, user))
    }
}

/// Runs the test with both services in one process, and in two.
pub async fn both(test: impl AsyncFn(Rest)) {
    test(Rest::start(|_| ()).await).await;
    test(Rest::process("", |_| ()).await).await;
}

impl Json {
    pub async fn get(&mut self, path: &str) -> (u16, Value) {
        self.call("GET", path, Value::Null).await
    }

    /// The status and the JSON of the answer; null where there is none.
    pub async fn call(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.raw(method, path, &[], body).await;
        let told = if answer.body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&answer.body).expect("JSON")
        };
        (answer.status, told)
    }

    pub async fn raw(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let line = format!("{method} /api/v1.0/{path}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = headers.to_vec();
        if !body.is_empty() {
            headers.push(("Content-Type", "application/json"));
        }
        self.ask(&line, &headers, body).await
    }

    /// The answer to any request, which is held against the document.
    pub async fn ask(&mut self, line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let answer = self.0.ask(line, headers, body).await;
        let (method, path) = line.split_once(' ').expect("a method and a path");
        documented(method, path, &answer);
        answer
    }
}

/// Holds an answer against the document: its status is there, and its body is what is written of it. What is nowhere in it is
/// refused in the one shape.
fn documented(method: &str, path: &str, answer: &Answer) {
    let found = located(path.split('?').next().unwrap_or_default());
    let all = openapi::document();
    let place = format!("{method} {path}: {}", answer.status);
    let reading = if method == "HEAD" { "GET" } else { method };
    let Some((route, _)) = found.iter().find(|(route, _)| route.method == reading) else {
        if method != "HEAD" && answer.status != 204 {
            let body =
                serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(misfit(&all, &all["components"]["schemas"]["Error"], &body), None, "{place}");
        }
        assert_eq!(answer.header("allow").is_some(), [204, 405].contains(&answer.status), "{place}");
        return;
    };
    let operation = &all["paths"][openapi::whole(route.path)][reading.to_lowercase()];
    let told = &operation["responses"][answer.status.to_string()];
    let told = followed(&all, told);
    assert!(told.is_object(), "{place} is not documented");
    for (name, header) in told["headers"].as_object().into_iter().flatten() {
        let there = answer.header(&name.to_lowercase()).is_some();
        assert!(there || header["required"] != true, "{place} has no {name}");
    }
    let Some(content) = told["content"].as_object() else {
        assert!(answer.body.is_empty(), "{place} has a body");
        return;
    };
    let media = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let schema = &content.get(media).unwrap_or_else(|| panic!("{place} has a body of {media}"))["schema"];
    if method == "HEAD" || media != "application/json" {
        assert!(method != "HEAD" || answer.body.is_empty(), "{place} has a body");
        return;
    }
    let body = serde_json::from_slice(&answer.body).expect("JSON");
    if let Some(fault) = misfit(&all, schema, &body) {
        panic!("{place}: {fault}\n{body}");
    }
}

fn followed<'a>(all: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|target| all.pointer(target.trim_start_matches('#')));
    target.unwrap_or(schema)
}

/// Why a value is not what a schema of the document says: of JSON Schema as much as the document uses, and no field may be there
/// that is not named.
pub fn misfit(all: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = followed(all, schema);
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|schema| misfit(all, schema, value).is_none());
        return (!fits).then(|| format!("{value} is none of {any:?}"));
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let kinds = match &schema["type"] {
        Value::Array(kinds) => kinds.clone(),
        Value::Null => Vec::new(),
        kind => vec![kind.clone()],
    };
    if !kinds.is_empty() && !kinds.iter().filter_map(Value::as_str).any(is) {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        return Some(format!("{value} is none of {words:?}"));
    }
    if let Some(text) = value.as_str() {
        let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
        let good = match schema["format"].as_str() {
            Some("uuid") => text.parse::<uuid::Uuid>().is_ok(),
            Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
            _ => text.chars().count() as u64 <= most,
        };
        return (!good).then(|| format!("{value} is no {schema}"));
    }
    if let Some(list) = value.as_array() {
        return list.iter().find_map(|one| misfit(all, &schema["items"], one));
    }
    let (fields, known) = (value.as_object()?, schema["properties"].as_object()?);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut missing = required.filter(|name| !fields.contains_key(*name));
    if let Some(name) = missing.next() {
        return Some(format!("{name} is missing"));
    }
    fields.iter().find_map(|(name, value)| match known.get(name) {
        None => Some(format!("{name} is not documented")),
        Some(schema) => misfit(all, schema, value).map(|fault| format!("{name}: {fault}")),
    })
}
