//! What tests stand on: a database of their own in a PostgreSQL that is started when the first of them asks for it.
//!
//! Each test program has a private cluster, made once under `$KALENDS_TEST_DIR` (default: a directory in the
//! system's temporary one) and used again by the next; it ends with the program. `KALENDS_TEST_DATABASE_URL` names a
//! server to use instead.
#![allow(clippy::unwrap_used)]
#![allow(dead_code)] // each test program uses its own part

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use kalends::cluster::Cluster;
use kalends::config::{self, Span};
use kalends::db::{Pool, Query, migrate};
use tokio::sync::OnceCell;

/// A database that nobody else uses; gone with this.
pub struct Db {
    pub pool: Pool,
    pub url: String,
    name: String,
}

/// A database with the schema and nothing in it.
pub async fn database() -> Db {
    let server = server().await;
    create(server, &format!("TEMPLATE {}", server.template)).await
}

/// A database with nothing in it at all; `options` go to CREATE DATABASE.
pub async fn bare_database(options: &str) -> Db {
    create(server().await, options).await
}

/// Settings that suit tests.
pub fn settings(url: &str) -> config::Database {
    config::Database {
        url: url.to_owned().into(),
        wait_time: Span::seconds(20),
        ..config::Database::default()
    }
}

/// The directory under which test clusters are made.
pub fn directory() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let usual = || env::temp_dir().join(format!("kalends-test-{uid}"));
    env::var_os("KALENDS_TEST_DIR").map_or_else(usual, PathBuf::from)
}

/// A statement of a test.
pub const fn sql(text: &'static str) -> Query {
    Query { name: "a test", text }
}

struct Server {
    url: String,
    template: String,
    // Never dropped: it ends with the process.
    _cluster: Option<Cluster>,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

impl Drop for Db {
    fn drop(&mut self) {
        self.pool.close();
        let Some(server) = SERVER.get() else { return };
        let (url, name) = (named(&server.url, "postgres"), self.name.clone());
        // The runtime of the test is about to end, and cannot wait in a drop.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(&url, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        });
        let _ = dropping.join();
    }
}

async fn create(server: &Server, options: &str) -> Db {
    let name = fresh();
    run(&named(&server.url, "postgres"), &format!("CREATE DATABASE {name} {options}")).await;
    let url = named(&server.url, &name);
    Db { pool: Pool::new(&settings(&url)).unwrap(), url, name }
}

async fn server() -> &'static Server {
    SERVER
        .get_or_init(|| async {
            let outside = env::var("KALENDS_TEST_DATABASE_URL").ok();
            let cluster = if outside.is_none() { Some(cluster().await) } else { None };
            let own = || cluster.as_ref().map(|cluster| cluster.url().to_owned());
            let url = outside.or_else(own).expect("one or the other");
            let template = fresh();
            run(&named(&url, "postgres"), &format!("CREATE DATABASE {template}")).await;
            let pool = Pool::new(&settings(&named(&url, &template))).unwrap();
            migrate::migrate(&pool, migrate::CALDAV).await.unwrap();
            migrate::migrate_in(&pool, migrate::API_SCHEMA, migrate::API).await.unwrap();
            pool.close();
            Server { url, template, _cluster: cluster }
        })
        .await
}

/// The first cluster that no other test program is using.
async fn cluster() -> Cluster {
    for number in 0.. {
        let data_dir = directory().join(format!("{number}"));
        let settings = config::Cluster { data_dir: data_dir.clone(), ..config::Cluster::default() };
        let cluster = match Cluster::start(&settings, |_| {}).await {
            Ok(cluster) => cluster,
            Err(error) if error.to_string().contains("another kalends") => continue,
            // Without fsync it may not have survived the machine; there is nothing in it to lose.
            Err(error) => {
                eprintln!("{}: {error}; made anew", data_dir.display());
                fs::remove_dir_all(data_dir.join("data")).unwrap();
                Cluster::start(&settings, |_| {}).await.unwrap()
            }
        };
        prepare(cluster.url()).await;
        return cluster;
    }
    unreachable!("there is always another number")
}

async fn prepare(url: &str) {
    let pool = Pool::new(&settings(url)).unwrap();
    let client = pool.client().await.unwrap();
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        client.batch(&format!("ALTER SYSTEM SET {setting} = off")).await.unwrap();
    }
    client.batch("SELECT pg_reload_conf()").await.unwrap();
    let old = sql(r"SELECT datname::text FROM pg_database WHERE datname LIKE 'kalends\_test\_%'");
    for row in client.rows(&old, &[]).await.unwrap() {
        let name: String = row.at("datname").unwrap();
        client.batch(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}

async fn run(url: &str, script: &str) {
    let pool = Pool::new(&settings(url)).unwrap();
    pool.client().await.unwrap().batch(script).await.unwrap();
}

fn fresh() -> String {
    format!("kalends_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
}

/// The URL, of another database of that server.
fn named(url: &str, database: &str) -> String {
    let (address, options) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = address.rsplit_once('/').unwrap();
    if options.is_empty() { format!("{server}/{database}") } else { format!("{server}/{database}?{options}") }
}
