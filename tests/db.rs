//! The PostgreSQL room against a real server: values, errors, transactions, and callers who go away.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant, SystemTime};

use futures_util::{StreamExt, TryStreamExt, future};
use kalends::config::Span;
use kalends::db::migrate::{self, Migration};
use kalends::db::{Client, Error, Pool, Source, chain};
use support::{bare_database, database, settings, sql};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

async fn number(client: &Client, text: &'static str) -> i64 {
    client.row(&sql(text), &[]).await.unwrap().at(0).unwrap()
}

/// Asks until it is so, for a second.
async fn soon(pool: &Pool, what: &'static str, expected: i64) {
    let began = Instant::now();
    loop {
        let found = number(&pool.client().await.unwrap(), what).await;
        if found == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(1), "{what}: {found}, not {expected}");
        sleep(Duration::from_millis(10)).await;
    }
}

const SLEEPERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                        AND state = 'active' AND pid <> pg_backend_pid()";

#[tokio::test]
async fn values_go_there_and_back_prepared_or_not() {
    let db = database().await;
    let mut behind_pgbouncer = settings(&db.url);
    behind_pgbouncer.pgbouncer = true;
    for pool in [db.pool.clone(), Pool::new(&behind_pgbouncer).unwrap()] {
        let now = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456);
        let (id, bytes) = (Uuid::new_v4(), [0_u8, 255]);
        let query =
            sql("SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e, $6 AS f, $7 AS g, $8 AS h, $9 AS i");
        let params: kalends::db::Params<'_> =
            &[&true, &1_i16, &2_i32, &3_i64, &0.5_f64, &"text", &bytes.as_slice(), &id, &now];
        let row = pool.row(&query, params).await.unwrap();
        assert!(row.at::<bool>("a").unwrap());
        assert_eq!(row.at::<i16>("b").unwrap(), 1);
        assert_eq!(row.at::<i32>("c").unwrap(), 2);
        assert_eq!(row.at::<i64>(3).unwrap(), 3);
        assert_eq!(row.at::<Option<f64>>("e").unwrap(), Some(0.5));
        assert_eq!(row.at::<&str>("f").unwrap(), "text");
        assert_eq!(row.at::<&[u8]>("g").unwrap(), bytes);
        assert_eq!(row.at::<Uuid>("h").unwrap(), id);
        assert_eq!(row.at::<SystemTime>("i").unwrap(), now);

        let arrays = sql("SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d, $5 AS e");
        let names = vec!["x".to_owned(), "y".to_owned()];
        let bodies: &[&[u8]] = &[b"1", b"2"];
        let row = pool
            .row(&arrays, &[&[1_i64, 2].as_slice(), &names, &bodies, &vec![Some("z"), None], &None::<i64>])
            .await
            .unwrap();
        assert_eq!(row.at::<Vec<i64>>("a").unwrap(), [1, 2]);
        assert_eq!(row.at::<Vec<String>>("b").unwrap(), names);
        assert_eq!(row.at::<Vec<&[u8]>>("c").unwrap(), bodies);
        assert_eq!(row.at::<Vec<Option<&str>>>("d").unwrap(), [Some("z"), None]);
        assert_eq!(row.at::<Option<i64>>("e").unwrap(), None);
        assert!(matches!(row.at::<i64>("e"), Err(Error::Bug(_))), "NULL is no number");
        assert!(matches!(row.at::<i64>("nothing"), Err(Error::Bug(_))));
        assert!(matches!(row.at::<String>("a"), Err(Error::Bug(_))));
    }
}

#[tokio::test]
async fn one_row_is_one_row() {
    let db = database().await;
    let (none, two) = (sql("SELECT 1 WHERE false"), sql("SELECT * FROM generate_series(1, 2)"));
    assert!(db.pool.optional(&none, &[]).await.unwrap().is_none());
    let error = db.pool.row(&none, &[]).await.unwrap_err();
    assert_eq!(chain(&error), "the database did not do what was asked: a test: no row");
    assert!(matches!(db.pool.optional(&two, &[]).await, Err(Error::Bug(_))));
    assert_eq!(db.pool.rows(&two, &[]).await.unwrap().len(), 2);
}

#[tokio::test]
async fn errors_say_what_the_caller_can_use() {
    let db = database().await;
    let client = db.pool.client().await.unwrap();
    client
        .batch(
            "CREATE TABLE parent (id bigint CONSTRAINT parent_key PRIMARY KEY);
             CREATE TABLE child (id bigint CONSTRAINT child_parent REFERENCES parent, size bigint NOT NULL
                 CONSTRAINT child_size CHECK (size > 0)); INSERT INTO parent VALUES (1)",
        )
        .await
        .unwrap();
    let fails = async |text| client.execute(&sql(text), &[]).await.unwrap_err();
    assert!(matches!(fails("INSERT INTO parent VALUES (1)").await, Error::Unique(c) if c == "parent_key"));
    assert!(
        matches!(fails("INSERT INTO child VALUES (2, 1)").await, Error::Foreign(c) if c == "child_parent")
    );
    assert!(matches!(fails("INSERT INTO child VALUES (1, 0)").await, Error::Check(c) if c == "child_size"));
    assert!(matches!(fails("INSERT INTO child VALUES (1, NULL)").await, Error::Check(c) if c == "size"));
    let bug = fails("SELECT nonsense").await;
    assert!(chain(&bug).contains("a test") && chain(&bug).contains("nonsense"), "{}", chain(&bug));
    assert_eq!(client.execute(&sql("INSERT INTO child VALUES (1, 1), (1, 2)"), &[]).await.unwrap(), 2);
}

#[tokio::test]
async fn a_statement_has_its_time() {
    let db = database().await;
    let mut settings = settings(&db.url);
    settings.statement_time = Span(Duration::from_millis(100));
    let pool = Pool::new(&settings).unwrap();
    assert!(matches!(pool.rows(&sql("SELECT pg_sleep(10)"), &[]).await, Err(Error::Busy(_))));
    let name = pool.row(&sql("SELECT current_setting('application_name')"), &[]).await.unwrap();
    assert_eq!(name.at::<&str>(0).unwrap(), "kalends");
}

#[tokio::test]
async fn a_full_pool_says_so_in_time() {
    let db = database().await;
    let mut settings = settings(&db.url);
    (settings.pool_size, settings.wait_time) = (1, Span(Duration::from_millis(100)));
    let pool = Pool::new(&settings).unwrap();
    let held = pool.client().await.unwrap();
    let waiting = pool.clone();
    let refused = tokio::spawn(async move { waiting.client().await.map(drop) });
    sleep(Duration::from_millis(50)).await;
    let gauge = pool.gauge();
    assert_eq!((gauge.size, gauge.idle, gauge.waiting, gauge.limit), (1, 0, 1, 1));
    assert!(matches!(refused.await.unwrap(), Err(Error::Busy(_))));
    drop(held);
    assert_eq!(pool.gauge().idle, 1);
    pool.ping().await.unwrap();
}

#[tokio::test]
async fn who_goes_away_takes_the_statement_along() {
    let db = database().await;
    let mut settings = settings(&db.url);
    settings.pool_size = 1;
    let pool = Pool::new(&settings).unwrap();
    let query = sql("SELECT pg_sleep(10)");
    let gone = timeout(Duration::from_millis(200), pool.rows(&query, &[])).await;
    assert!(gone.is_err(), "it was to be dropped in the middle");
    let began = Instant::now();
    pool.ping().await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "the only connection is free again at once");
    soon(&db.pool, SLEEPERS, 0).await;
    assert_eq!(pool.gauge().size, 1);
}

#[tokio::test]
async fn who_leaves_a_transaction_leaves_nothing() {
    let db = database().await;
    let mut settings = settings(&db.url);
    settings.pool_size = 1;
    let pool = Pool::new(&settings).unwrap();
    pool.client().await.unwrap().batch("CREATE TABLE kept (id bigint)").await.unwrap();
    let insert = sql("INSERT INTO kept VALUES (1)");

    let tx = pool.begin().await.unwrap();
    tx.execute(&insert, &[]).await.unwrap();
    drop(tx);
    assert_eq!(number(&pool.client().await.unwrap(), "SELECT count(*) FROM kept").await, 0);

    let gone = timeout(Duration::from_millis(200), async {
        let tx = pool.begin().await?;
        tx.execute(&insert, &[]).await?;
        tx.rows(&sql("SELECT pg_sleep(10)"), &[]).await?;
        tx.commit().await
    });
    assert!(gone.await.is_err(), "it was to be dropped in the middle");
    soon(&db.pool, SLEEPERS, 0).await;
    soon(&db.pool, "SELECT count(*) FROM kept", 0).await;

    let tx = pool.begin().await.unwrap();
    tx.execute(&insert, &[]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(number(&pool.client().await.unwrap(), "SELECT count(*) FROM kept").await, 1);
}

#[tokio::test]
async fn a_transaction_that_failed_cannot_be_committed() {
    let db = database().await;
    let tx = db.pool.begin().await.unwrap();
    assert!(tx.execute(&sql("SELECT nonsense"), &[]).await.is_err());
    assert!(matches!(tx.commit().await, Err(Error::Bug(_))));
}

#[tokio::test]
async fn a_snapshot_sees_one_moment() {
    let db = database().await;
    db.pool.client().await.unwrap().batch("CREATE TABLE seen (id bigint)").await.unwrap();
    let snapshot = db.pool.snapshot().await.unwrap();
    assert_eq!(number(&snapshot, "SELECT count(*) FROM seen").await, 0);
    db.pool.client().await.unwrap().batch("INSERT INTO seen VALUES (1)").await.unwrap();
    assert_eq!(number(&snapshot, "SELECT count(*) FROM seen").await, 0);
}

async fn cross(pool: Pool, first: i64, second: i64) -> Result<i64, Error> {
    let bump = &sql("UPDATE pair SET n = n + 1 WHERE id = $1");
    pool.transaction(|tx| async move {
        tx.batch("SET LOCAL deadlock_timeout = '50ms'").await?;
        tx.execute(bump, &[&first]).await?;
        sleep(Duration::from_millis(100)).await;
        tx.execute(bump, &[&second]).await?;
        Ok(first)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_meets_others_at_the_same_rows_tries_again() {
    let db = database().await;
    let client = db.pool.client().await.unwrap();
    client
        .batch("CREATE TABLE pair (id bigint, n bigint); INSERT INTO pair VALUES (1, 0), (2, 0)")
        .await
        .unwrap();
    drop(client);
    // Spawned, as the server does it: the future is Send.
    let (one, two) = (db.pool.clone(), db.pool.clone());
    let (one, two) = (tokio::spawn(cross(one, 1, 2)), tokio::spawn(cross(two, 2, 1)));
    assert_eq!((one.await.unwrap().unwrap(), two.await.unwrap().unwrap()), (1, 2));
    assert_eq!(number(&db.pool.client().await.unwrap(), "SELECT sum(n)::bigint FROM pair").await, 4);
}

#[tokio::test]
async fn the_error_of_the_work_rolls_back() {
    let db = database().await;
    db.pool.client().await.unwrap().batch("CREATE TABLE kept (id bigint)").await.unwrap();
    let refused: Result<(), Source> = db
        .pool
        .transaction(|tx| async move {
            tx.execute(&sql("INSERT INTO kept VALUES (1)"), &[]).await?;
            Err("no".into())
        })
        .await;
    assert_eq!(refused.unwrap_err().to_string(), "no");
    assert_eq!(number(&db.pool.client().await.unwrap(), "SELECT count(*) FROM kept").await, 0);
}

#[tokio::test]
async fn rows_come_as_they_are_read() {
    let db = database().await;
    let query = sql("SELECT generate_series(1, $1)");
    let rows = db.pool.stream(&query, &[&1000_i64]).await.unwrap();
    let numbers: Vec<i64> = rows.map(|row| row.unwrap().at::<i64>(0).unwrap()).collect().await;
    assert_eq!(numbers.iter().sum::<i64>(), 500_500);
    assert_eq!(
        db.pool.gauge().idle,
        db.pool.gauge().size,
        "read to the end, the connection is as good as before"
    );

    let tx = db.pool.begin().await.unwrap();
    let rows = tx.stream(&query, &[&3_i64]).await.unwrap();
    assert_eq!(rows.try_collect::<Vec<_>>().await.unwrap().len(), 3);
    tx.commit().await.unwrap();

    let mut rows = db.pool.stream(&query, &[&1_000_000_000_i64]).await.unwrap();
    rows.try_next().await.unwrap();
    drop(rows);
    soon(&db.pool, SLEEPERS, 0).await;
    let mut broken =
        db.pool.stream(&sql("SELECT 1 / (3 - n) FROM generate_series(1, 5) n"), &[]).await.unwrap();
    let read = async {
        while broken.try_next().await?.is_some() {}
        Ok::<_, Error>(())
    };
    assert!(matches!(read.await, Err(Error::Bug(_))));
    assert!(broken.next().await.is_none(), "after an error there is nothing more");
}

#[tokio::test]
async fn two_statements_share_a_connection() {
    let db = database().await;
    let client = db.pool.client().await.unwrap();
    let query = sql("SELECT $1");
    let (one, two) =
        future::try_join(client.row(&query, &[&1_i64]), client.row(&query, &[&2_i64])).await.unwrap();
    assert_eq!((one.at::<i64>(0).unwrap(), two.at::<i64>(0).unwrap()), (1, 2));
}

#[tokio::test]
async fn a_read_survives_the_death_of_its_connection() {
    let db = database().await;
    let killing = sql("SELECT count(pg_terminate_backend(pid, 1000)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()");
    let other = Pool::new(&settings(&db.url)).unwrap();
    for _ in 0..5 {
        db.pool.ping().await.unwrap();
        other.row(&killing, &[]).await.unwrap();
        let row = db.pool.row(&sql("SELECT 1::bigint"), &[]).await.unwrap();
        assert_eq!(row.at::<i64>(0).unwrap(), 1);
    }
    let tx = db.pool.begin().await.unwrap();
    other.row(&killing, &[]).await.unwrap();
    assert!(matches!(tx.rows(&sql("SELECT 1"), &[]).await, Err(Error::Lost(_))));
    drop(tx);
    db.pool.ping().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_not_there_is_explained() {
    let db = database().await;
    let (server, _) = db.url.rsplit_once('/').unwrap();
    let error = Pool::new(&settings(&format!("{server}/nowhere"))).unwrap().ping().await.unwrap_err();
    assert!(matches!(&error, Error::Setup(text) if text.contains("nowhere")), "{error}");
    let unreachable = Pool::new(&settings("postgresql://a@127.0.0.1:1/b")).unwrap().ping().await.unwrap_err();
    assert!(matches!(unreachable, Error::Lost(_)), "{unreachable}");
}

#[tokio::test]
async fn of_several_hosts_the_one_that_answers() {
    let db = database().await;
    let (user, place) = db.url.strip_prefix("postgresql://").unwrap().split_once('@').unwrap();
    let (host, name) = place.split_once('/').unwrap();
    let several = format!("postgresql://{user}@%2Fnowhere,{host}/{name}?target_session_attrs=read-write");
    Pool::new(&settings(&several)).unwrap().ping().await.unwrap();
}

const FIRST: Migration =
    Migration { number: 1, name: "0001_first", text: "CREATE TABLE a (id bigint); SELECT pg_sleep(0.1)" };
const SECOND: Migration = Migration { number: 2, name: "0002_second", text: "CREATE TABLE b (id bigint)" };

#[tokio::test(flavor = "multi_thread")]
async fn twenty_nodes_migrate_once() {
    let db = bare_database("").await;
    let nodes = (0..20).map(|_| {
        let mut settings = settings(&db.url);
        settings.pool_size = 1;
        let pool = Pool::new(&settings).unwrap();
        tokio::spawn(async move { migrate::migrate(&pool, &[FIRST, SECOND]).await })
    });
    let mut done: Vec<String> = Vec::new();
    for node in future::join_all(nodes).await {
        done.extend(node.unwrap().unwrap().into_iter().map(|applied| applied.name));
    }
    done.sort();
    assert_eq!(done, [FIRST.name, SECOND.name]);
    let status = migrate::status(&db.pool, &[FIRST, SECOND]).await.unwrap();
    assert_eq!((status.applied.len(), status.pending.len()), (2, 0));
}

#[tokio::test]
async fn a_database_that_does_not_fit_is_refused() {
    let db = bare_database("").await;
    let says = async |files: &[Migration]| migrate::migrate(&db.pool, files).await.unwrap_err().to_string();
    migrate::migrate(&db.pool, &[FIRST, SECOND]).await.unwrap();
    assert!(says(&[FIRST]).await.contains("0002_second, this one knows 1. Start the newer kalends"));
    let changed = Migration { text: "CREATE TABLE b (id text)", ..SECOND };
    assert!(says(&[FIRST, changed]).await.contains("0002_second is not the one the database has had"));
    let latin = bare_database("ENCODING LATIN1 LOCALE 'C' TEMPLATE template0").await;
    let refused = migrate::status(&latin.pool, &[FIRST]).await.unwrap_err().to_string();
    assert!(refused.contains("ENCODING 'UTF8'"), "{refused}");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing_and_may_be_mended() {
    let db = bare_database("").await;
    let broken = Migration { text: "CREATE TABLE b (id bigint); SELECT nonsense", ..SECOND };
    let failed = migrate::migrate(&db.pool, &[FIRST, broken]).await.unwrap_err().to_string();
    assert!(failed.contains("0002_second failed and was undone") && failed.contains("nonsense"), "{failed}");
    let mended = migrate::migrate(&db.pool, &[FIRST, SECOND]).await.unwrap();
    assert_eq!(mended.len(), 1);
    assert!(migrate::migrate(&db.pool, &[FIRST, SECOND]).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_may_not_make_tables_is_told_so() {
    let db = bare_database("").await;
    let role = format!("guest_{}", std::process::id());
    db.pool.client().await.unwrap().batch(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let (_, place) = db.url.split_once('@').unwrap();
    let guest = Pool::new(&settings(&format!("postgresql://{role}@{place}"))).unwrap();
    let refused = migrate::migrate(&guest, &[FIRST]).await.unwrap_err().to_string();
    assert!(refused.contains("OWNER TO"), "{refused}");
    guest.close();
    db.pool.client().await.unwrap().batch(&format!("DROP ROLE {role}")).await.unwrap();
}
