//! What is measured: a real server is scraped, and every figure that the dashboard and the alerts read is one it shows.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use kalends::config::Listen;
use server::{Client, Server, event};
use tokio::net::TcpStream;

const CALENDAR: &str = "/dav/calendars/alice/calendar/";

fn deploy(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring").join(name))
        .unwrap()
}

/// The expressions of the dashboard and of the alerts.
fn expressions() -> Vec<String> {
    let dashboard: serde_json::Value = serde_json::from_str(&deploy("grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let shown = targets.map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "5m"));
    let alerts = deploy("prometheus-alerts.yml");
    let told = alerts.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned);
    shown.chain(told).collect()
}

/// Each is an expression as Prometheus reads it; the parser is one of the programs that install.sh fetches.
fn parse(expressions: &[String]) {
    let cache = std::env::var_os("KALENDS_CACHE").map(PathBuf::from);
    let cache =
        cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/kalends"));
    let parsed = |expressions: &[String]| {
        let mut python = Command::new(cache.join("clients/venv-cli/bin/python"));
        let script = "import promql_parser, sys\nfor text in sys.argv[1:]: promql_parser.parse(text)";
        python.args(["-c", script]).args(expressions).output().expect("tests/tools/install.sh test")
    };
    let output = parsed(expressions);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!parsed(&["sum(rate(a[5m])".to_owned()]).status.success());
}

/// The names that an expression reads, and the labels it asks for.
fn names(expression: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices('{') {
        let start = expression[..at].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |n| n + 1);
        let (inside, _) = expression[at + 1..].split_once('}').unwrap();
        let labels = inside.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        found.push((expression[start..at].to_owned(), labels.filter(|label| label != "job").collect()));
    }
    assert!(!found.is_empty(), "{expression}");
    found
}

#[tokio::test]
async fn every_figure_that_is_looked_at_is_shown() {
    let monitor = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(|settings| settings.monitor.listen = Some(Listen::Tcp(monitor))).await;
    let mut alice = server.client("alice").await;
    let object = format!("{CALENDAR}a.ics");
    assert_eq!(
        alice.ask(&format!("PUT {object}"), &[("If-None-Match", "*")], event("a", "x")).await.status,
        201
    );
    assert_eq!(
        alice.ask(&format!("PUT {object}"), &[("If-None-Match", "*")], event("a", "x")).await.status,
        412
    );
    let first = alice.sync(CALENDAR, "", None).await;
    alice.sync(CALENDAR, &first.token, None).await;
    alice.ask(&format!("DELETE {object}"), &[], "").await;
    alice.sync(CALENDAR, &first.token, None).await;
    server.client("a/b").await.ask("GET /dav/", &[], "").await;

    let mut prometheus = Client::new(TcpStream::connect(monitor).await.unwrap(), "");
    let shown = prometheus.ask("GET /metrics", &[], "").await.text();
    let mut series: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in shown.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, labels) =
            line.rsplit_once(' ').unwrap().0.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
        let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        series.entry(name.to_owned()).or_default().extend(labels);
    }
    let all = expressions();
    parse(&all);
    for expression in all {
        for (name, labels) in names(&expression) {
            // Prometheus' own.
            if name != "up" {
                let there = series.get(&name).unwrap_or_else(|| panic!("{name} is not shown:\n{shown}"));
                assert!(labels.iter().all(|label| there.contains(label)), "{name} {labels:?} {there:?}");
            }
        }
    }
    for line in [
        "kalends_requests_total{method=\"PUT\",status=\"201\"} ",
        "kalends_syncs_total{kind=\"initial\"} ",
        "kalends_syncs_total{kind=\"unchanged\"} ",
        "kalends_syncs_total{kind=\"changes\"} ",
        "kalends_report_seconds_count{report=\"sync-collection\"} ",
        "kalends_denials_total{reason=\"malformed\"} ",
    ] {
        let value = shown
            .lines()
            .find_map(|shown| shown.strip_prefix(line))
            .unwrap_or_else(|| panic!("{line}\n{shown}"));
        assert!(value.parse::<f64>().unwrap() >= 1.0, "{line}{value}");
    }
    let described = |name: &str| shown.contains(&format!("# HELP {name} "));
    let bare = |name: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned)
    };
    for name in series.keys() {
        assert!(
            described(name) || bare(name).is_some_and(|name| described(&name)),
            "{name} says not what it is"
        );
    }
}
