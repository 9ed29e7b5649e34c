//! The architecture, as a test: which room may use which, where a foreign crate may be named, and how a file looks.
//! docs/architecture.md tells why; to move a wall, change the drawing here and say why in docs/decisions/.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The drawing: each room, lowest first, and all the rooms it uses.
const USES: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("observe", &["config"]),
    ("model", &[]),
    ("xml", &[]),
    ("db", &["config"]),
    ("front", &["config", "observe", "model"]),
    ("ical", &["model", "xml"]),
    ("store", &["model", "xml", "db"]),
    ("share", &["model", "xml", "ical", "store"]),
    ("dav", &["config", "observe", "model", "xml", "db", "front", "store", "share"]),
    ("caldav", &["config", "observe", "model", "xml", "db", "front", "ical", "store", "dav", "share"]),
    ("import", &["model", "xml", "db", "front", "ical", "store", "caldav"]),
    ("api", &["config", "observe", "model", "xml", "db", "front", "ical"]),
    ("cluster", &["config", "db"]),
    ("probe", &["config", "xml"]),
    (
        "boot",
        &[
            "config", "observe", "db", "front", "ical", "store", "share", "caldav", "import", "api",
            "cluster", "probe",
        ],
    ),
    ("main", &["boot"]),
];

/// The walls: a foreign crate, and the rooms that may name it.
const WALLS: &[(&str, &[&str])] = &[
    ("anyhow", &["import", "probe", "boot", "main"]),
    ("base64", &["front", "probe"]),
    ("brotli", &["front"]),
    ("clap", &["main"]),
    ("config", &["config"]),
    ("deadpool_postgres", &["db"]),
    ("flate2", &["front"]),
    ("h2", &["probe"]),
    ("http", &["front", "probe"]),
    ("http_body_util", &["front"]),
    ("httparse", &["probe"]),
    ("hyper", &["front"]),
    ("hyper_util", &["front"]),
    ("icalendar", &["ical"]),
    ("ipnet", &["config", "front"]),
    ("jsonwebtoken", &["front"]),
    ("metrics", &["observe"]),
    ("metrics_exporter_prometheus", &["observe"]),
    ("quick_xml", &["xml"]),
    ("ring", &["db", "front", "probe"]),
    ("rusqlite", &["import"]),
    ("rustls", &["db", "front", "probe"]),
    ("rustls_platform_verifier", &["db", "front", "probe"]),
    ("sd_notify", &["observe"]),
    ("serde", &["api", "observe"]),
    ("serde_json", &["api", "front", "ical", "import", "observe", "probe"]),
    ("tempfile", &["api"]),
    ("tokio_postgres", &["db"]),
    ("unicode_normalization", &["front", "ical"]),
    ("tokio_postgres_rustls", &["db"]),
    ("tokio_rustls", &["front", "probe"]),
    ("tracing_subscriber", &["observe"]),
    ("webpki", &["front"]),
    ("zip", &["api", "import"]),
    ("zstd", &["front"]),
];

/// Rooms of pure functions: no runtime, no files, no network.
const PURE: &[&str] = &["model", "xml", "ical"];
const IMPURE: &[&str] = &["tokio::", "std::fs", "std::net", "std::process", "std::thread"];

/// Rooms below `dav` that know of HTTP statuses.
const STATUSES: &[&str] = &["front"];

/// How an SQL statement begins; such text belongs into sql/.
const SQL: &[&str] = &[
    "select ",
    "insert into ",
    "update ",
    "delete from ",
    "with ",
    "create ",
    "alter ",
    "drop ",
    "truncate ",
];

const MAX_LINES: usize = 700;

#[test]
fn every_file_keeps_to_the_drawing() {
    let faults: Vec<String> =
        sources().iter().flat_map(|(path, text)| faults(path, text)).map(|f| f + "\n").collect();
    assert!(faults.is_empty(), "\n{}", faults.concat());
}

#[test]
fn the_drawing_has_every_room_once_and_points_down() {
    let rooms: Vec<&str> = USES.iter().map(|(room, _)| *room).collect();
    let lib = fs::read_to_string(src().join("lib.rs")).unwrap();
    let listed: Vec<&str> =
        lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(rooms.split_last().unwrap(), (&"main", listed.as_slice()), "src/lib.rs lists other rooms");
    for (here, (room, uses)) in USES.iter().enumerate() {
        for used in *uses {
            let there = rooms.iter().position(|r| r == used);
            assert!(
                there.is_some_and(|there| there < here),
                "{room} uses {used}, which does not stand below it"
            );
        }
    }
}

#[test]
fn no_line_of_the_drawing_is_without_use() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources() {
        let source = Source::read(&text);
        used.entry(room(&path)).or_default().extend(source.rooms(&path).into_iter().map(|(_, name)| name));
    }
    let idle: Vec<String> = USES
        .iter()
        .flat_map(|(room, uses)| uses.iter().map(move |to| (room, to)))
        .filter(|(room, to)| !used.get(**room).is_some_and(|names| names.contains(**to)))
        .map(|(room, to)| format!("{room} does not use {to}\n"))
        .collect();
    assert!(idle.is_empty(), "\n{}", idle.concat());
}

/// What is wrong with the file `path` (relative to src/) that has this text.
fn faults(path: &str, text: &str) -> Vec<String> {
    let source = Source::read(text);
    let room = room(path);
    let mut out = shape(path, text);
    let mut fault = |line: usize, what: String| out.push(format!("src/{path}:{}: {what}", line + 1));
    let Some((_, uses)) = USES.iter().find(|(name, _)| *name == room) else {
        if room != "lib" {
            fault(0, format!("{room} is no room of the drawing"));
        }
        return out;
    };
    for (line, used) in source.rooms(path) {
        if used != room && !uses.contains(&used.as_str()) {
            fault(line, format!("{room} must not use {used}"));
        }
    }
    for (krate, rooms) in WALLS {
        if let Some(line) = source.names(krate)
            && !rooms.contains(&room.as_str())
        {
            fault(line, format!("{krate} belongs into {}", rooms.join(", ")));
        }
    }
    for (line, code) in source.code.iter().enumerate() {
        if code.contains("super::super") {
            fault(line, "super::super: name the room".into());
        } else if code.contains("super::") && is_root(path) {
            fault(line, "super:: leads out of the room: name the room it leads to".into());
        }
        if let Some(word) = IMPURE.iter().find(|word| code.contains(**word))
            && PURE.contains(&room.as_str())
        {
            fault(line, format!("{word} in {room}, a room without I/O"));
        }
        if below_dav(&room) && (code.contains("Status::") || code.contains("StatusCode")) {
            fault(line, format!("an HTTP status in {room}, below dav"));
        }
    }
    for (line, literal) in &source.literals {
        let start = literal.trim_start().to_lowercase();
        if SQL.iter().any(|word| start.starts_with(word)) && looks_like_sql(&start) {
            fault(*line, "SQL text outside sql/".into());
        }
    }
    out
}

/// Faults of the file as a whole.
fn shape(path: &str, text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if !text.starts_with("//! ") {
        out.push(format!("src/{path}:1: does not open with a `//!` sentence on what the file knows"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        out.push(format!("src/{path}: {lines} lines, the limit is {MAX_LINES}"));
    }
    out
}

fn below_dav(room: &str) -> bool {
    let rank = |name| USES.iter().position(|(room, _)| *room == name);
    rank(room) < rank("dav") && !STATUSES.contains(&room)
}

/// A sentence for people may begin with "Update" or "with", a statement goes on in its own way.
fn looks_like_sql(text: &str) -> bool {
    [
        " from ",
        " into ",
        " set ",
        " as (",
        " table",
        " index",
        " schema",
        " database",
        "select pg_",
        "select $",
    ]
    .iter()
    .any(|word| text.contains(word))
}

/// The room a file belongs to.
fn room(path: &str) -> String {
    path.split('/').next().unwrap_or_default().trim_end_matches(".rs").to_owned()
}

/// Whether `super` of this file is the whole crate.
fn is_root(path: &str) -> bool {
    !path.contains('/') || (path.ends_with("/mod.rs") && path.matches('/').count() == 1)
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file: its path under src/ and its text.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|end| end == "rs") {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&src(), &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(src()).unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// A file without its tests, taken apart: code without comments and literals, and the literals.
struct Source {
    code: Vec<String>,
    literals: Vec<(usize, String)>,
}

impl Source {
    fn read(text: &str) -> Self {
        let end = text.find("\n#[cfg(test)]\nmod ").map_or(text.len(), |at| at + 1);
        let text: Vec<char> = text[..end].chars().collect();
        let mut source = Self { code: vec![String::new()], literals: Vec::new() };
        let mut at = 0;
        while at < text.len() {
            at = match &text[at..] {
                ['/', '/', ..] => find(&text, at, &['\n']).0,
                ['/', '*', ..] => source.skip(&text, at, find(&text, at + 2, &['*', '/']).1),
                ['b', '"', ..] => source.literal(&text, at, at + 2, None),
                ['"', ..] => source.literal(&text, at, at + 1, None),
                ['r', '"' | '#', ..] if !ends_in_word(source.line()) => source.raw_literal(&text, at),
                ['\'', '\\', _, '\'', ..] => at + 4,
                ['\'', _, '\'', ..] => at + 3,
                ['\n', ..] => source.skip(&text, at, at + 1),
                [c, ..] => source.push(*c, at),
                [] => at + 1,
            };
        }
        source
    }

    fn line(&self) -> &str {
        self.code.last().map_or("", String::as_str)
    }

    fn push(&mut self, c: char, at: usize) -> usize {
        self.code.last_mut().unwrap().push(c);
        at + 1
    }

    /// Leaves `text[from..to]` out, but for its line ends.
    fn skip(&mut self, text: &[char], from: usize, to: usize) -> usize {
        let lines = text[from..to].iter().filter(|c| **c == '\n').count();
        self.code.extend(vec![String::new(); lines]);
        to
    }

    /// The literal whose text starts at `open`, ended by a quote (and `hashes`, when it is a raw one).
    fn literal(&mut self, text: &[char], from: usize, open: usize, hashes: Option<usize>) -> usize {
        let mut close = open;
        loop {
            close = find(text, close, &['"']).0;
            let escapes = text[open..close].iter().rev().take_while(|c| **c == '\\').count();
            let tail = text.iter().skip(close + 1).take_while(|c| **c == '#').count();
            match hashes {
                _ if close >= text.len() => break,
                None if escapes % 2 == 0 => break,
                Some(wanted) if tail >= wanted => break,
                _ => close += 1,
            }
        }
        self.literals.push((self.code.len() - 1, text[open..close].iter().collect()));
        self.code.last_mut().unwrap().push_str("\"\"");
        self.skip(text, from, (close + 1 + hashes.unwrap_or(0)).min(text.len()))
    }

    /// A raw literal or a raw name (`r#type`) at `at`.
    fn raw_literal(&mut self, text: &[char], at: usize) -> usize {
        let hashes = text[at + 1..].iter().take_while(|c| **c == '#').count();
        match text.get(at + 1 + hashes) {
            Some('"') => self.literal(text, at, at + 2 + hashes, Some(hashes)),
            _ => self.push('r', at),
        }
    }

    /// The rooms this file names, with the line: `crate::x`, and every x of `crate::{x::…, y}`.
    fn rooms(&self, path: &str) -> Vec<(usize, String)> {
        let root = if path == "main.rs" { "kalends::" } else { "crate::" };
        let is_room = |name: &str| USES.iter().any(|(room, _)| *room == name);
        let mut out = Vec::new();
        for (line, code) in self.code.iter().enumerate() {
            for (at, _) in code.match_indices(root) {
                if code[..at].ends_with('$') || ends_in_word(&code[..at]) {
                    continue;
                }
                let rest = code[at + root.len()..].to_owned() + &self.code[line + 1..].concat();
                let names = rest.strip_prefix('{').map_or_else(|| vec![word(&rest)], branches);
                out.extend(names.into_iter().filter(|name| is_room(name)).map(|name| (line, name)));
            }
        }
        out
    }

    /// The first line that names the foreign crate, unless the file has bound that name to something of ours.
    fn names(&self, krate: &str) -> Option<usize> {
        let path = format!("{krate}::");
        let foreign = |code: &str| {
            code.match_indices(&path).any(|(at, _)| {
                let before = code[..at].trim_end_matches("::");
                !ends_in_word(before) && (at == before.len() || code[..at].ends_with(" ::"))
            })
        };
        let module = format!("mod {krate};");
        let (mut ours, mut found, mut own_import) = (false, None, false);
        for (line, code) in self.code.iter().enumerate() {
            let start = code.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
            own_import |=
                ["use crate::", "use kalends::", "use super::"].iter().any(|own| start.starts_with(own));
            if own_import {
                ours |= words(code).any(|name| name == krate);
                own_import = !code.contains(';');
            } else {
                ours |= start == module;
                found = found.or_else(|| foreign(code).then_some(line));
            }
        }
        found.filter(|_| !ours)
    }
}

/// Where `what` begins and ends in `text`, from `at` on; the end of the text when it is not there.
fn find(text: &[char], at: usize, what: &[char]) -> (usize, usize) {
    let start = at.min(text.len());
    let found = text[start..].windows(what.len()).position(|part| part == what);
    found.map_or((text.len(), text.len()), |n| (start + n, start + n + what.len()))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(is_word)
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| is_word(*c)).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c))
}

/// The first word of each branch of `a::b, c::{d, e}, f}`.
fn branches(text: &str) -> Vec<String> {
    let mut depth = 1;
    let mut names = vec![word(text)];
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(&text[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[cfg(test)]
mod the_checker {
    use super::*;

    /// The faults of a file with this body, without the place.
    fn of(path: &str, body: &str) -> Vec<String> {
        faults(path, &format!("//! A sample.\n{body}\n"))
    }

    #[test]
    fn finds_each_kind_of_fault() {
        let bad = [
            ("model/x.rs", "use crate::dav::Target;", "model must not use dav"),
            ("xml/x.rs", "use crate::{model::Href, store};", "xml must not use model"),
            ("xml/x.rs", "use crate::{\n    store::Store,\n};", "xml must not use store"),
            ("store/x.rs", "fn f() -> crate::ical::Calendar {}", "store must not use ical"),
            ("main.rs", "use kalends::store::Store;", "main must not use store"),
            ("dav/get.rs", "use hyper::Request;", "hyper belongs into front"),
            ("dav/get.rs", "fn f(x: ::http::Uri) {}", "http belongs into front"),
            ("caldav/put.rs", "fn f(r: tokio_postgres::Row) {}", "tokio_postgres belongs into db"),
            ("boot.rs", "use config::Config;", "config belongs into config"),
            ("ical/x.rs", "async fn f() { tokio::time::sleep(d).await }", "a room without I/O"),
            ("model/x.rs", "use std::fs;", "a room without I/O"),
            ("store/x.rs", "fn f() -> Status { Status::NOT_FOUND }", "an HTTP status in store"),
            ("dav/reports/x.rs", "use super::super::Target;", "super::super"),
            ("dav/mod.rs", "use super::store::Store;", "leads out of the room"),
            ("store/x.rs", "const Q: &str = \"select 1 from home\";", "SQL text"),
            ("db/x.rs", "const Q: &str = r#\"\n  INSERT INTO x values ($1)\"#;", "SQL text"),
            ("util/x.rs", "", "no room of the drawing"),
        ];
        for (path, body, wanted) in bad {
            let found = of(path, body);
            assert!(found.iter().any(|fault| fault.contains(wanted)), "{path}: {body}\n{found:?}");
        }
    }

    #[test]
    fn lets_good_files_be() {
        let good = [
            ("dav/get.rs", "use crate::{\n    front::{Request, Response},\n    store::Store,\n};"),
            (
                "dav/get.rs",
                "use crate::front::header;\n// use crate::caldav::x; hyper::Request\n/* crate::caldav */",
            ),
            ("dav/get.rs", "const A: &str = \"crate::caldav hyper::Request\"; // \"\nconst B: char = '\"';"),
            ("front/x.rs", "use crate::config;\nfn f(s: &config::Server) -> &'static str { \"\\\"\" }"),
            ("dav/mod.rs", "use crate::{\n    config::Settings,\n    db::Pool,\n};\nuse bytes::Bytes;"),
            ("front/x.rs", "use crate::observe::metrics;\nfn f() { metrics::count(); Status::OK }"),
            ("config/load.rs", "use config::Config;\nuse super::Settings;"),
            ("store/x.rs", "const HELP: &str = \"Update the server\"; let r#type = 1;"),
            ("xml/x.rs", "fn f() {}\n\n#[cfg(test)]\nmod tests { use crate::dav; use tokio::x; }"),
            ("db/mod.rs", "macro_rules! q { () => { $crate::db::Query } }"),
        ];
        for (path, body) in good {
            assert_eq!(of(path, body), Vec::<String>::new(), "{path}: {body}");
        }
    }

    #[test]
    fn counts_lines_where_they_are() {
        let found = of("xml/x.rs", "/* a\nb */ const A: &str = \"c\nd\";\nuse crate::db;");
        assert_eq!(found, ["src/xml/x.rs:5: xml must not use db"]);
    }

    #[test]
    fn looks_at_the_shape() {
        assert_eq!(faults("xml/x.rs", "use std::fmt;\n").len(), 1);
        let long = "//! Long.\n".to_owned() + &"\n".repeat(MAX_LINES);
        assert!(faults("xml/x.rs", &long)[0].contains("701 lines"));
    }
}
