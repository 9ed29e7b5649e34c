//! The statements under sql/ against a real PostgreSQL: each can be prepared and is run by its twin, the hot ones find
//! what they want by an index, and each keeps to one home.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures_util::StreamExt;
use kalends::api::{
    self,
    store::{
        feed::{self, Changes, Feed},
        follow,
        password::{self, Password},
        person::{self, Person},
    },
};
use kalends::config::Database;
use kalends::db::{Client, Pool, Query, Rows, Tx, migrate};
use kalends::import;
use kalends::model::{Busy, Component, Components, Index, Instance, Kind, Lock, Privilege, Privileges};
use kalends::store::audit::{About, Action, Deed, Party, Place};
use kalends::store::change::Change;
use kalends::store::erasure::{self, Shelf, Wish};
use kalends::store::handover;
use kalends::store::history::{Action as Done, Days, Keep, When};
use kalends::store::object::{Candidates, Put, Which, With};
use kalends::store::principal::{Field, How, Known, Search, Start, Test};
use kalends::store::property::{along, key};
use kalends::store::{
    self, Ace, Answer, Author, Calendar, Grantee, Guest, Lens, Notification, Principal, Property, Sharee,
    Subject, Viewer, invite, personal,
};
use kalends::xml::QName;
use kalends::{cluster, store::object};
use support::{Db, database, sql};

/// The statements that a client's usual day is made of; the rest run when somebody or something is made or goes.
const HOT: &[&str] = &[
    "caldav/principal.sql: by_name",
    "caldav/principal.sql: by_credential",
    "caldav/principal.sql: by_subject",
    "caldav/principal.sql: by_email",
    "caldav/calendar.sql: home",
    "caldav/calendar.sql: all",
    "caldav/calendar.sql: by_name",
    "caldav/calendar.sql: lock",
    "caldav/calendar.sql: lock_home",
    "caldav/calendar.sql: count",
    "caldav/calendar.sql: octets",
    "caldav/calendar.sql: delete",
    "caldav/calendar.sql: trash",
    "caldav/calendar.sql: change",
    "caldav/calendar.sql: touch",
    "caldav/calendar.sql: touch_home",
    "caldav/object.sql: all",
    "caldav/object.sql: all_with_body",
    "caldav/object.sql: by_name",
    "caldav/object.sql: by_name_with_body",
    "caldav/object.sql: by_path_with_body",
    "caldav/object.sql: tags",
    "caldav/object.sql: tagged_bodies",
    "caldav/object.sql: by_names",
    "caldav/object.sql: by_names_with_body",
    "caldav/object.sql: before_put",
    "caldav/object.sql: count",
    "caldav/object.sql: counts",
    "caldav/object.sql: put",
    "caldav/object.sql: delete",
    "caldav/object.sql: between",
    "caldav/object.sql: busy",
    "caldav/object.sql: matching",
    "caldav/change.sql: initial_tags",
    "caldav/change.sql: initial",
    "caldav/personal.sql: all",
    "caldav/personal.sql: by_names",
    "caldav/personal.sql: by_name",
    "caldav/personal.sql: first",
    "caldav/personal.sql: since",
    "caldav/personal.sql: since_in",
    "caldav/personal.sql: between",
    "caldav/personal.sql: busy",
    "caldav/personal.sql: touch",
    "caldav/personal.sql: keep",
    "caldav/personal.sql: forget",
    "caldav/personal.sql: matching",
    "caldav/change.sql: since",
    "caldav/change.sql: since_with_body",
    "caldav/change.sql: since_in",
    "caldav/change.sql: gone_from_home",
    "caldav/property.sql: of",
    "caldav/property.sql: of_calendars",
    "caldav/property.sql: set",
    "caldav/property.sql: remove",
    "caldav/property.sql: size",
    "caldav/lock.sql: of",
    "caldav/lock.sql: of_calendars",
    "caldav/lock.sql: take",
    "caldav/lock.sql: refresh",
    "caldav/lock.sql: release",
    "caldav/lock.sql: clear",
    "caldav/share.sql: of",
    "caldav/share.sql: listed",
    "caldav/share.sql: held",
    "caldav/share.sql: lock",
    "caldav/share.sql: object",
    "caldav/share.sql: homes",
    "caldav/share.sql: lock_homes",
    "caldav/share.sql: bind",
    "caldav/share.sql: unbind",
    "caldav/share.sql: mark",
    "caldav/ace.sql: of_bound",
    "caldav/ace.sql: granted",
    "caldav/ace.sql: of",
    "caldav/ace.sql: of_all",
    "caldav/ace.sql: clear",
    "caldav/ace.sql: add",
    "caldav/ace.sql: on_homes",
    "caldav/principal.sql: by_names",
    "caldav/principal.sql: by_ids",
    "caldav/principal.sql: groups",
    "caldav/principal.sql: members",
];

/// Those that do not keep to one home: one makes the home that all else keeps to, the others say in which homes there is
/// something to do.
const ACROSS: &[&str] = &[
    "caldav/principal.sql: create",
    "caldav/change.sql: old",
    "caldav/history.sql: old",
    "caldav/notification.sql: old",
    "caldav/notification.sql: fullness",
    "caldav/ace.sql: on_homes",
    "caldav/share.sql: homes",
    "caldav/transfer.sql: hold",
    "caldav/principal.sql: keys",
    "caldav/principal.sql: alive",
    "caldav/principal.sql: by_credential",
    "caldav/erasure.sql: homes",
];

/// What an admin does to people goes through all homes, but for these.
const ADMIN: (&str, &[&str]) = ("caldav/handover.sql", &["kept", "names", "hand_over", "clear", "demolish"]);

/// What the REST service keeps of somebody.
async fn spoken_to(pool: &Pool, id: uuid::Uuid) {
    let french = Person { language: Some("fr-fr".to_owned()), ..Person::default() };
    person::set(pool, (id, "alice"), &french).await.unwrap();
    person::set(pool, (id, "alicia"), &Person::default()).await.unwrap();
    let kept = Person { name: "alicia".to_owned(), ..french };
    assert_eq!(person::of(pool, id).await.unwrap(), kept);
    assert_eq!(person::of_all(pool, &[id]).await.unwrap()[&id], kept);
}

/// A password for a program, and what becomes of it.
async fn let_in(pool: &Pool, person: uuid::Uuid) {
    let (id, created) = (uuid::Uuid::new_v4(), std::time::SystemTime::UNIX_EPOCH);
    let (name, label) = ("alice".to_owned(), "Phone".to_owned());
    let new =
        Password { id, name, label, read_only: true, calendars: None, expires: None, created, used: None };
    assert!(password::add(pool, person, &new, b"hash").await.unwrap().is_some());
    assert_eq!(password::by_hash(pool, b"hash").await.unwrap().unwrap().id, id);
    password::called(pool, person, "alicia").await.unwrap();
    let found = password::by_hash(pool, b"hash").await.unwrap().unwrap();
    assert_eq!((found.person, found.name.as_str()), (person, "alicia"));
    assert!(password::label(pool, person, id, "Laptop").await.unwrap());
    password::used(pool, &[(id, created, "192.0.2.1".to_owned())]).await.unwrap();
    assert_eq!(password::of(pool, person).await.unwrap()[0].label, "Laptop");
    assert!(password::revoke(pool, person, id).await.unwrap());
}

/// A link that somebody makes, and what becomes of it.
async fn linked(pool: &Pool, person: uuid::Uuid) {
    let (id, created) = (uuid::Uuid::new_v4(), std::time::SystemTime::UNIX_EPOCH);
    let text = str::to_owned;
    let mut new = Feed {
        id,
        person,
        name: text("alice"),
        calendar: uuid::Uuid::new_v4(),
        place: text("work"),
        busy_only: false,
        token: text("t0"),
        calendar_name: text("Work"),
        label: String::new(),
        active: true,
        created,
        used: None,
    };
    assert!(feed::add(pool, &new).await.unwrap());
    let same = Feed { id: uuid::Uuid::new_v4(), token: text("t1"), ..new.clone() };
    assert!(!feed::add(pool, &same).await.unwrap());
    assert!(feed::add(pool, &Feed { busy_only: true, ..same.clone() }).await.unwrap());
    assert!(!feed::convert(pool, person, id, true).await.unwrap(), "there is one");
    assert_eq!(feed::remove(pool, person, &[same.id]).await.unwrap(), 1);
    assert!(feed::convert(pool, person, id, true).await.unwrap());
    feed::called(pool, person, "alicia").await.unwrap();
    feed::moved(pool, id, "office").await.unwrap();
    feed::used(pool, &[(id, created)]).await.unwrap();
    let kept = feed::by_token(pool, "t0").await.unwrap().unwrap();
    let (name, place, busy_only, used) = (text("alicia"), text("office"), true, Some(created));
    new = Feed { name, place, busy_only, used, created: kept.created, ..new };
    assert_eq!(kept, new);
    let stop = Changes { active: Some(false), ..Changes::default() };
    let stopped = feed::change(pool, person, id, &stop).await.unwrap();
    assert_eq!(stopped, Some(Feed { active: false, ..new }));
    assert_eq!(feed::by_token(pool, "t0").await.unwrap(), None);
    assert_eq!(feed::of(pool, person).await.unwrap().len(), 1);
}

/// What becomes of all that when somebody is renamed, hands a calendar over, and is erased.
async fn followed(pool: &Pool, person: uuid::Uuid) {
    let calendar = feed::of(pool, person).await.unwrap()[0].calendar;
    let heir = uuid::Uuid::new_v4();
    let tx = pool.begin().await.unwrap();
    assert!(follow::is_there(&tx).await.unwrap());
    follow::called(&tx, person, "alison").await.unwrap();
    follow::hand_over(&tx, person, (heir, "bob"), &[(calendar, "given".to_owned())]).await.unwrap();
    tx.commit().await.unwrap();
    let theirs = feed::of(pool, heir).await.unwrap();
    assert_eq!((theirs[0].name.as_str(), theirs[0].place.as_str()), ("bob", "given"));
    assert_eq!(person::of(pool, person).await.unwrap().name, "alison");
    let tx = pool.begin().await.unwrap();
    let mut all = [person, heir];
    all.sort();
    assert_eq!(follow::kept(&tx, uuid::Uuid::nil()).await.unwrap(), all);
    assert_eq!(follow::kept(&tx, all[0]).await.unwrap(), all[1..]);
    follow::forget(&tx, person).await.unwrap();
    follow::forget(&tx, heir).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(person::of(pool, person).await.unwrap(), Person::default());
    assert_eq!(feed::of(pool, heir).await.unwrap(), []);
}

/// Every statement of the product.
fn statements() -> Vec<&'static Query> {
    let store = store::ALL.iter().flat_map(|(_, queries)| *queries);
    let api = api::store::ALL.iter().flat_map(|(_, queries)| *queries);
    store.chain(api).chain(migrate::ALL).chain(cluster::ALL).collect()
}

#[test]
fn every_section_of_every_file_is_a_statement() {
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let mut written = BTreeSet::new();
    for room in ["caldav", "api", "db", "import"] {
        for entry in fs::read_dir(sql.join(room)).unwrap().map(Result::unwrap).filter(|e| e.path().is_file())
        {
            let text = fs::read_to_string(entry.path()).unwrap();
            let file = format!("{room}/{}", entry.file_name().to_string_lossy());
            for name in text.lines().filter_map(|line| line.strip_prefix("--: ")) {
                assert!(written.insert(format!("{file}: {name}")), "{file}: {name} is there twice");
            }
        }
    }
    // Those about tables of other products are run by tests/sources.rs, where these are.
    let foreign = import::ALL.iter().flat_map(|(_, queries)| *queries);
    let named: Vec<String> =
        statements().into_iter().chain(foreign).map(|query| query.name.to_owned()).collect();
    let declared: BTreeSet<String> = named.iter().cloned().collect();
    assert_eq!(named.len(), declared.len(), "a statement is declared twice");
    assert_eq!(declared, written);
    let hot: BTreeSet<String> = HOT.iter().map(|&name| name.to_owned()).collect();
    assert!(hot.is_subset(&declared), "{:?}", hot.difference(&declared));
}

#[tokio::test]
async fn every_statement_can_be_prepared_and_uses_all_its_parameters() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    // Those of the store are prepared, with the types that their twins send; the others say theirs themselves.
    for query in [migrate::ALL, cluster::ALL].concat() {
        // What is neither read nor written cannot be prepared by PREPARE, and takes no parameters.
        if ["SET ", "CREATE ", "ALTER "].iter().any(|word| bare(query.text).starts_with(word)) {
            assert!(!query.text.contains('$'), "{}", query.name);
            continue;
        }
        let outcome = client.batch(&format!("PREPARE \"{}\" AS {}", query.name, query.text)).await;
        outcome.unwrap_or_else(|error| panic!("{}: {}", query.name, kalends::db::chain(&error)));
    }
    let all = sql(
        "SELECT name, statement, cardinality(parameter_types)::bigint AS count FROM pg_prepared_statements",
    );
    let mut seen = 0;
    for row in client.rows(&all, &[]).await.unwrap() {
        let (name, text): (&str, &str) = (row.at("name").unwrap(), row.at("statement").unwrap());
        let Some(query) = statements().into_iter().find(|q| q.name == name || q.text == text) else {
            continue;
        };
        let used: BTreeSet<i64> =
            words(text).iter().filter_map(|w| w.strip_prefix('$')?.parse().ok()).collect();
        let count: i64 = row.at("count").unwrap();
        assert!(used.iter().copied().eq(1..=count), "{}: {count} parameters, {used:?} used", query.name);
        seen += 1;
    }
    let unprepared = ["patience", "create", "create", "create_schema", "toast", "wal"].len();
    assert_eq!(seen, statements().len() - unprepared);
}

#[tokio::test]
async fn every_statement_of_the_store_is_run_by_its_twin() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    let rows = client.rows(&sql("SELECT statement FROM pg_prepared_statements"), &[]).await.unwrap();
    let run: BTreeSet<String> = rows.iter().map(|row| row.at("statement").unwrap()).collect();
    let idle: Vec<&str> = store::ALL
        .iter()
        .chain(api::store::ALL)
        .flat_map(|(_, queries)| *queries)
        .filter(|query| !run.contains(query.text))
        .map(|query| query.name)
        .collect();
    assert!(idle.is_empty(), "nothing runs {idle:?}: call their twins in `work`");
}

#[tokio::test]
async fn hot_statements_read_no_table_from_end_to_end() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    client.batch(SEED).await.unwrap();
    client.batch("ANALYZE").await.unwrap();
    let mut faults = Vec::new();
    for name in HOT {
        let query = statements().into_iter().find(|query| query.name == *name).unwrap();
        // The driver's own, with the types that it sends.
        let (statement, types) = prepared(&client, query).await;
        for mode in ["force_generic_plan", "force_custom_plan"] {
            client.batch(&format!("SET plan_cache_mode = {mode}; BEGIN")).await.unwrap();
            let plan = plan(&client, ANALYZE, &statement, &values(name, &types)).await;
            client.batch("ROLLBACK").await.unwrap();
            let waste = waste(&plan).filter(|waste| waste.contains("Seq Scan") || !SEARCHES.contains(name));
            faults.extend(waste.map(|waste| format!("{name}: {waste}\n{plan}")));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[tokio::test]
async fn a_statement_without_an_index_is_found_out() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    client.batch(SEED).await.unwrap();
    let others = "ANALYZE;
        PREPARE by_etag (text) AS SELECT id FROM object WHERE etag = $1;
        PREPARE by_size (bigint) AS SELECT id FROM object WHERE home_id = $1 AND calendar_id = 32 AND size = 1;
        PREPARE by_name (bigint) AS SELECT id FROM object WHERE home_id = $1 AND calendar_id = 32 AND name = 'o7.ics'";
    client.batch(others).await.unwrap();
    let plan = async |statement, arguments| plan(&client, ANALYZE, statement, arguments).await;
    let (whole, part, good) =
        (plan("by_etag", "'1-3'").await, plan("by_size", "7").await, plan("by_name", "7").await);
    assert!(waste(&whole).is_some_and(|waste| waste.contains("Seq Scan on object")), "{whole}");
    assert!(waste(&part).is_some_and(|waste| waste.contains("Rows Removed by Filter")), "{part}");
    assert_eq!(waste(&good), None);
}

/// However many members a calendar has, its list and its first synchronisation read an index that has all that they tell, in
/// the order in which they tell it.
#[tokio::test]
async fn lists_and_first_synchronisations_read_an_index_alone_and_sort_nothing() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    client.batch(SEED).await.unwrap();
    client.batch("VACUUM ANALYZE object").await.unwrap();
    for (name, alone) in [
        ("caldav/object.sql: tags", true),
        ("caldav/change.sql: initial_tags", true),
        ("caldav/object.sql: counts", true),
        ("caldav/change.sql: initial", false),
    ] {
        let query = statements().into_iter().find(|query| query.name == name).unwrap();
        let (statement, types) = prepared(&client, query).await;
        for mode in ["force_generic_plan", "force_custom_plan"] {
            client.batch(&format!("SET plan_cache_mode = {mode}")).await.unwrap();
            let plan = plan(&client, ANALYZE, &statement, &values(name, &types)).await;
            let scan = if alone {
                "Index Only Scan using object_revision"
            } else {
                "Index Scan using object_revision"
            };
            assert!(plan.contains(scan) && !plan.contains("Sort"), "{name}:\n{plan}");
            assert_eq!(plan.contains("Heap Fetches: 0"), alone, "{name}:\n{plan}");
        }
    }
}

/// However much was done, of what was done to one calendar nothing else is read.
#[tokio::test]
async fn what_was_done_to_a_calendar_is_found_by_an_index() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    let many = "INSERT INTO audit (actor, action, owner_id, owner, place, whom, detail, calendar_id)
        SELECT '', 'granted', n % 20, '', 'c' || n % 5, '', '', n % 100 FROM generate_series(1, 40000) n; ANALYZE audit";
    client.batch(many).await.unwrap();
    for (name, about, index) in [
        ("caldav/audit.sql: of_calendar", &["7"][..], "audit_calendar"),
        ("caldav/audit.sql: of_place", &["7", "'c2'"], "audit_place"),
    ] {
        let query = statements().into_iter().find(|query| query.name == name).unwrap();
        let (statement, types) = prepared(&client, query).await;
        let given = [&["NULL", "NULL", "NULL", "NULL", "50"], about].concat();
        assert_eq!(types.len(), given.len());
        for mode in ["force_generic_plan", "force_custom_plan"] {
            client.batch(&format!("SET plan_cache_mode = {mode}")).await.unwrap();
            let plan = plan(&client, ANALYZE, &statement, &given.join(", ")).await;
            assert!(plan.contains(index) && waste(&plan).is_none(), "{plan}");
        }
    }
}

/// What people look at most is their own, and there nothing is granted.
#[tokio::test]
async fn in_one_s_own_home_no_list_is_read() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    client.batch(SEED).await.unwrap();
    client.batch("ANALYZE; SET plan_cache_mode = force_generic_plan").await.unwrap();
    for (name, own) in [
        ("caldav/calendar.sql: all", "7, 7, '{g1}'"),
        ("caldav/calendar.sql: by_name", "7, 'c2', 7, '{g1}'"),
        ("caldav/object.sql: by_path_with_body", "7, 'c2', 'o150.ics', 7, '{g1}'"),
    ] {
        let query = statements().into_iter().find(|query| query.name == name).unwrap();
        let (statement, types) = prepared(&client, query).await;
        for (arguments, read) in [(own.to_owned(), false), (values(name, &types), true)] {
            let plan = plan(&client, ANALYZE, &statement, &arguments).await;
            let scan =
                plan.lines().find(|line| line.contains(" on ace a")).unwrap_or_else(|| panic!("{plan}"));
            assert_eq!(scan.contains("never executed"), !read, "{name} ({arguments}):\n{plan}");
        }
    }
}

/// Neither who holds rights in very many places, nor lists that are very long, change where rights are looked for.
#[tokio::test]
async fn rights_are_looked_for_in_the_lists_of_a_calendar_and_its_home_alone() {
    let (_db, pool) = worked().await;
    let client = pool.client().await.unwrap();
    client.batch(SEED).await.unwrap();
    let many = "INSERT INTO ace (home_id, calendar_id, place, grantee, group_name, privileges)
                SELECT 7, n / 100 + 100000, n, 1, 'g' || n % 100, 2 FROM generate_series(1, 20000) n;
                INSERT INTO ace (home_id, calendar_id, place, grantee, principal_id, privileges)
                SELECT 300, n + 100000, 1, 0, 12, 2 FROM generate_series(1, 20000) n";
    let names = ["of", "listed", "held", "object"].map(|name| format!("caldav/share.sql: {name}"));
    let others =
        ["ace.sql: granted", "calendar.sql: all", "calendar.sql: by_name", "object.sql: by_path_with_body"];
    let names: Vec<String> =
        names.into_iter().chain(others.iter().map(|name| format!("caldav/{name}"))).collect();
    for more in ["SELECT", many] {
        client.batch(more).await.unwrap();
        client.batch("ANALYZE; SET plan_cache_mode = force_generic_plan").await.unwrap();
        for name in &names {
            let query = statements().into_iter().find(|query| query.name == name).unwrap();
            let (statement, types) = prepared(&client, query).await;
            let plan = plan(&client, ANALYZE, &statement, &values(name, &types)).await;
            let mut lines = plan.lines().skip_while(|line| !line.contains(" on ace")).map(str::trim);
            let (scan, by) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            let found = scan.contains("Index Scan using")
                && by.contains("(home_id = ")
                && by.contains("(calendar_id = ANY (");
            assert!(found, "{name}:\n{plan}");
        }
    }
}

#[tokio::test]
async fn every_statement_keeps_to_one_home() {
    let db = database().await;
    let tables = sql("SELECT table_name::text FROM information_schema.columns WHERE column_name = 'home_id'");
    let tables = db.pool.rows(&tables, &[]).await.unwrap();
    let tables: BTreeSet<String> = tables.iter().map(|row| row.at(0).unwrap()).collect();
    assert!(tables.contains("object") && tables.len() > 6, "{tables:?}");
    let faults: Vec<String> = store::ALL
        .iter()
        .flat_map(|(_, queries)| *queries)
        .filter(|query| !ACROSS.contains(&query.name))
        .filter(|query| {
            let (file, section) = query.name.split_once(": ").unwrap();
            file != ADMIN.0 || ADMIN.1.contains(&section)
        })
        // A share is about several homes: what is invited to, and where it appears.
        .filter(|query| !query.name.starts_with("caldav/invite.sql: "))
        .flat_map(|query| {
            strays(query.text, &tables).into_iter().map(|table| format!("{}: {table}", query.name))
        })
        .collect();
    assert!(faults.is_empty(), "without `home_id = $n`:\n{}", faults.join("\n"));
}

#[test]
fn a_statement_that_strays_is_found_out() {
    let tables = ["object", "bind", "calendar"].map(str::to_owned).into();
    let strays = |text: &str| strays(text, &tables);
    for good in [
        "SELECT 1 FROM object WHERE home_id = $1",
        "SELECT 1 FROM bind b JOIN object AS o ON o.id = b.id WHERE b.home_id = $1 AND o.home_id = $1",
        "INSERT INTO object (home_id, id) VALUES ($1, $2)",
        "WITH made AS (INSERT INTO object (home_id) VALUES ($1) RETURNING home_id) INSERT INTO bind (home_id) SELECT home_id FROM made",
        "SELECT 1 FROM principal",
        "SELECT 1 FROM unnest($1::bigint[], $2::bigint[]) AS told (home_id, id) JOIN object o ON o.home_id = told.home_id",
        "DELETE FROM bind b USING unnest($1::bigint[]) AS told (home_id) WHERE b.home_id = told.home_id",
        "SELECT 1 FROM object WHERE home_id = ANY ($1::bigint[])",
        "WITH a AS (SELECT told.home_id FROM unnest($1::bigint[]) AS told (home_id)) INSERT INTO bind (home_id) SELECT home_id FROM a",
    ] {
        assert_eq!(strays(good), [""; 0], "{good}");
    }
    for (bad, table) in [
        ("SELECT 1 FROM object WHERE id = $1 -- home_id = $1", "object"),
        ("SELECT 1 FROM bind b JOIN object o ON o.home_id = b.home_id WHERE b.home_id = $1", "object"),
        ("SELECT 1 FROM bind b, object o WHERE o.home_id = $1", "bind"),
        ("SELECT 1 FROM bind b JOIN object o ON true WHERE home_id = $1", "bind"),
        ("SELECT 1 FROM object WHERE home_id = $1 UNION SELECT 2 FROM bind", "bind"),
        ("UPDATE calendar SET id = 1 WHERE id IN (SELECT id FROM bind WHERE home_id = $1)", "calendar"),
        ("WITH a AS (SELECT 1 FROM object) SELECT 1 FROM bind WHERE home_id = $1", "object"),
        ("DELETE FROM object o USING bind b WHERE b.home_id = $1", "object"),
        (
            "SELECT 1 FROM unnest($1::bigint[]) AS told (id) JOIN object o ON o.home_id = told.home_id",
            "object",
        ),
        (
            "SELECT 1 FROM calendar told JOIN object o ON o.home_id = told.home_id WHERE told.home_id = $1",
            "object",
        ),
        ("INSERT INTO object (id, home_id) VALUES ($1, $2)", "object"),
        ("INSERT INTO object (home_id) VALUES (7)", "object"),
    ] {
        assert!(strays(bad).contains(&table.to_owned()), "{bad}");
    }
}

// ---- what statements say ----

/// The statement without comments, in one line.
fn bare(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// Its words, numbers, parameters and signs.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut open = false;
    for character in bare(text).chars() {
        let goes_on = character.is_alphanumeric() || matches!(character, '_' | '$' | '\'');
        match words.last_mut() {
            Some(last) if goes_on && open => last.push(character),
            _ if character == ' ' => {}
            _ => words.push(character.to_string()),
        }
        open = goes_on;
    }
    words
}

const KEYWORDS: &[&str] = &[
    "AS",
    "CROSS",
    "DEFAULT",
    "FOR",
    "GROUP",
    "JOIN",
    "LEFT",
    "LIMIT",
    "ON",
    "ORDER",
    "RETURNING",
    "SELECT",
    "SET",
    "USING",
    "VALUES",
    "WHERE",
    "FROM",
    "UNION",
    "INNER",
    "HAVING",
];

/// The tables in the statement of which it does not say that their `home_id` is a parameter.
fn strays(text: &str, tables: &BTreeSet<String>) -> Vec<String> {
    let mut blocks = vec![Vec::new()];
    let mut done = Vec::new();
    // Each pair of parentheses with a statement in it is a block of its own; so is each arm of a UNION.
    let words = words(text);
    for (at, word) in words.iter().enumerate() {
        let begins =
            |at: usize| ["SELECT", "INSERT", "UPDATE", "DELETE"].contains(&words.get(at).map_or("", |w| w));
        match word.as_str() {
            "(" if begins(at + 1) => blocks.push(Vec::new()),
            "(" => blocks.push(vec!["(".to_owned()]),
            ")" => {
                let inner = blocks.pop().unwrap();
                let outer = blocks.last_mut().unwrap();
                if inner.first().is_some_and(|first| first == "(") {
                    outer.extend(inner);
                    outer.push(")".to_owned());
                } else {
                    done.push(inner);
                }
            }
            _ => blocks.last_mut().unwrap().push(word.clone()),
        }
    }
    done.extend(blocks);
    let given: BTreeSet<&str> = (0..words.len()).filter_map(|at| given(&words, at)).collect();
    done.iter()
        .flat_map(|block| block.split(|word| word == "UNION"))
        .flat_map(|block| strays_of(block, tables, &given))
        .collect()
}

/// What the rows are called that are made of parameters at this place, the first of which are homes.
fn given(words: &[String], at: usize) -> Option<&str> {
    let rest = words.get(at..)?.iter().map(String::as_str).collect::<Vec<_>>();
    let ["unnest", "(", first, ..] = rest[..] else { return None };
    let close = rest.iter().position(|word| *word == ")").filter(|_| first.starts_with('$'))?;
    let named = close + 1 + rest[close..].iter().position(|word| *word == "AS")?;
    (rest[named + 1..].starts_with(&["(", "home_id"])).then(|| rest[named])
}

fn strays_of(block: &[String], tables: &BTreeSet<String>, given: &BTreeSet<&str>) -> Vec<String> {
    let word = |at: usize| block.get(at).map_or("", String::as_str);
    let refs: Vec<(usize, &str)> = (0..block.len()).filter_map(|at| reference(block, at)).collect();
    let homely: Vec<&(usize, &str)> = refs.iter().filter(|(at, _)| tables.contains(word(*at))).collect();
    let held = |alias: &str| {
        (0..block.len()).any(|at| {
            let names = if word(at) == alias && word(at + 1) == "." { at + 2 } else { at };
            let whose = names > at || (homely.len() == 1 && word(at.wrapping_sub(1)) != ".");
            let parameter = word(names + 2).starts_with('$')
                || word(names + 2) == "ANY" && word(names + 4).starts_with('$')
                || given.contains(word(names + 2)) && word(names + 4) == "home_id";
            whose && word(names) == "home_id" && word(names + 1) == "=" && parameter
        })
    };
    // What is put in has the parameter, or the home of a row that was put in just before, as its first value.
    let put = |at: usize| {
        let values =
            block[at..].iter().position(|w| w == "VALUES" || w == "SELECT").map_or(at, |n| at + n + 1);
        let first = if word(values) == "(" { word(values + 1) } else { word(values) };
        word(at + 1) == "(" && word(at + 2) == "home_id" && (first.starts_with('$') || first == "home_id")
    };
    let stray = |(at, alias): &&&(usize, &str)| if word(at - 1) == "INTO" { !put(*at) } else { !held(alias) };
    homely.iter().filter(stray).map(|(at, _)| word(*at).to_owned()).collect()
}

/// The table that is named at this place, if one is, and what it is called in the block.
fn reference(block: &[String], at: usize) -> Option<(usize, &str)> {
    let word = |at: usize| block.get(at).map_or("", String::as_str);
    let listed = || {
        let from = block[..at].iter().rposition(|w| w == "FROM" || w == "USING")?;
        let plain = block[from..at].iter().all(|w| !["WHERE", "ON", "SET", "ORDER"].contains(&w.as_str()));
        (word(at - 1) == "," && plain && !block[from..at].contains(&"(".to_owned())).then_some(())
    };
    let named = at > 0 && ["FROM", "JOIN", "USING", "UPDATE", "INTO"].contains(&word(at - 1));
    let update = at == 1 || word(at.wrapping_sub(2)) != "DO";
    if !(named && update && (word(at - 1) != "UPDATE" || word(at) != "OF") || at > 0 && listed().is_some()) {
        return None;
    }
    let alias = if word(at + 1) == "AS" { word(at + 2) } else { word(at + 1) };
    let is_name = alias.starts_with(|c: char| c.is_alphabetic()) && !KEYWORDS.contains(&alias);
    Some((at, if is_name { alias } else { word(at) }))
}

// ---- plans ----

/// The driver's name of a statement that ran, and the types of its parameters.
async fn prepared(client: &Client, query: &Query) -> (String, Vec<String>) {
    let find =
        sql("SELECT name, parameter_types::text[] AS types FROM pg_prepared_statements WHERE statement = $1");
    let row = client.rows(&find, &[&query.text]).await.unwrap().pop();
    let row = row.unwrap_or_else(|| panic!("{} never ran", query.name));
    (row.at("name").unwrap(), row.at("types").unwrap())
}

/// Values such as requests bring: of home 7 and a calendar of some hundred objects in it.
fn values(name: &str, types: &[String]) -> String {
    let given: &[&str] = match name.rsplit_once(' ').map_or(name, |(_, section)| section) {
        _ if name.contains("share") => shared(name),
        "of_bound" => &["'{7,8}'", "'{31,36}'"],
        "by_subject" => &["'subject-7'"],
        "by_email" => &["'7@x'"],
        "by_name" if name.contains("principal") => &["'user-7'"],
        "by_credential" => &["'user-7'", TOKEN],
        // Somebody else looks: of one's own nothing is looked up.
        "by_name" if name.contains("calendar") => &["7", "'c2'", "8", "'{g1,g2}'"],
        "lock" => &["7", "'c2'"],
        "all" if name.contains("calendar") => &["7", "8", "'{g1,g2}'"],
        "home" | "count" | "octets" | "touch_home" | "lock_home" | "of_all" if !name.contains("object") => {
            &["7"]
        }
        _ if name.contains("personal") => theirs(name),
        "by_path_with_body" => &["7", "'c2'", "'o150.ics'", "8", "'{g1,g2}'"],
        "granted" => &["7", "32", "8", "'{g1,g2}'"],
        "on_homes" => &["8", "'{g1,g2}'"],
        "of" | "clear" if name.contains("ace") => &["7", "32"],
        "add" => &["7", "99", "'{0}'", "'{8}'", "'{NULL}'", "'{1}'"],
        "by_names" if name.contains("principal") => &["'{user-7,user-8}'"],
        "by_ids" => &["'{7,8}'"],
        "groups" => &["'{g1,g2}'"],
        "members" => &["'g1'", "10"],
        "by_name" | "by_name_with_body" => &["7", "32", "'o150.ics'"],
        "by_names" | "by_names_with_body" => &["7", "32", "'{o150.ics,o151.ics,o152.ics}'", "'{}'"],
        "tagged_bodies" => &["7", "32", "'{o150.ics,o151.ics,o152.ics}'"],
        "all" | "all_with_body" => &["7", "32", "'{}'"],
        "before_put" => &["7", "32", "'o150.ics'", "'uid-150'"],
        "of_calendars" => &["'{7,7,7,7,7}'", "'{31,32,33,34,35}'"],
        "set" => &["7", "32", "0", "'{DAV:}'", "'{x}'", "'{x}'"],
        "remove" => &["7", "32", "0", "'{DAV:}'", "'{x}'"],
        "of" if name.contains("lock") => &["'{7,7}'", "'{31,32}'"],
        "of" | "size" => &["7", "32", "0"],
        "take" => &["7", "32", "gen_random_uuid()", "'o1.ics'", "7", "false", "false", "''", "60"],
        "refresh" => &["7", "32", TOKEN, "60"],
        "release" => &["7", "32", TOKEN],
        "clear" => &["7", "32", "'o1.ics'"],
        _ => written(name),
    };
    assert_eq!(given.len(), types.len(), "{name}");
    given.join(", ")
}

/// The same of statements that write and log it.
fn written(name: &str) -> &'static [&'static str] {
    match name.rsplit_once(' ').map_or(name, |(_, section)| section) {
        "put" => &[
            "7",
            "32",
            "'o150.ics'",
            "'uid-150'",
            "1",
            "'x'",
            "'x'",
            "1",
            "NULL",
            "true",
            "700150",
            "'{1}'",
            "'{2}'",
            "'{f}'",
            "'{1}'",
            "NULL",
            "NULL",
            "300",
            "7",
            "'a'",
            "300",
            "0",
        ],
        "delete" if name.contains("object") => &["7", "32", "700150", "7", "'a'", "true", "true"],
        "trash" => &["7", "32", "7", "'a'"],
        "change" => &["7", "32", "7", "'a'", "6", "300"],
        _ => searched(name),
    }
}

/// The same of statements that look for objects and changes.
fn searched(name: &str) -> &'static [&'static str] {
    match name.rsplit_once(' ').map_or(name, |(_, section)| section) {
        "between" => {
            &["7", "32", "1770000000", "1770600000", "1770000000", "1770600000", "'{1}'", "true", "NULL"]
        }
        "busy" => &["7", "32", "1770000000", "1770600000", "1770000000", "1770600000"],
        "counts" => &["'{7,7}'", "'{31,32}'", "'{true,true}'"],
        "homes" => &["0"],
        "waits" => &["7", "1"],
        "due" => &["7", "1", "100"],
        "matching" => &["7", "32", "'{1}'", "'uid-150'", "true", "NULL"],
        "initial_tags" => &["7", "32", "100"],
        "initial" => &["7", "32", "100", "true", "NULL"],
        "since" | "since_with_body" => &["7", "32", "269", "100", "NULL"],
        "since_in" => &["'{7,7}'", "'{31,32}'", "'{299,269}'", "100", "true", "NULL"],
        "gone_from_home" => &["7", "90", "100"],
        _ => &["7", "32"],
    }
}

/// The same of those about calendars in other homes: 9 and 10, where nobody sees them, or the homes where somebody does.
fn shared(name: &str) -> &'static [&'static str] {
    match name.rsplit_once(' ').map_or(name, |(_, section)| section) {
        "of" | "listed" | "held" => &["'{7,8}'", "'{32,36}'", "12", "'{g1,g2}'"],
        "object" => &["7", "32", "'o150.ics'", "12", "'{g1,g2}'"],
        "lock_homes" => &["'{9,10}'"],
        "bind" => &["'{9,10}'", "7", "32", "'{c1,seen-1,other}'"],
        "unbind" => &["'{6,5}'", "7", "31", "300"],
        _ => &["7", "31"],
    }
}

/// The same of those that look at what is somebody else's.
fn theirs(name: &str) -> &'static [&'static str] {
    match name.rsplit_once(' ').map_or(name, |(_, section)| section) {
        "all" => &["7", "32", "NULL", "8", "true"],
        "by_names" => &["7", "32", "NULL", "8", "true", "'{o150.ics,o151.ics,o152.ics}'"],
        "first" => &["'{7,7}'", "'{31,32}'", "100", "8"],
        "since" => &["7", "32", "269", "100", "NULL", "8", "false", "true"],
        "since_in" => &[
            "'{7,7}'",
            "'{31,32}'",
            "'{299,269}'",
            "100",
            "NULL",
            "8",
            "'{true,false}'",
            "true",
            "'{false,false}'",
        ],
        "between" => {
            &["7", "32", "1770000000", "1770600000", "1770000000", "1770600000", "'{1}'", "true", "NULL", "8"]
        }
        "matching" => &["7", "32", "'{1}'", "'uid-150'", "true", "NULL", "8"],
        "busy" => &["7", "32", "1770000000", "1770600000", "1770000000", "1770600000", "8"],
        "touch" => &["7", "32", "700150"],
        "keep" => &["7", "32", "'o150.ics'", "8", "'x'"],
        _ => &["7", "32", "'o150.ics'", "8"],
    }
}

const TOKEN: &str = "'00000000-0000-0000-0000-000000000032'";

const ANALYZE: &str = "EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, SUMMARY OFF)";

/// How many rows a statement may look at in vain: to find some by their time, those that lie close by.
const IN_VAIN: u64 = 50;

/// These search: they look at every object of a calendar.
const SEARCHES: &[&str] = &["caldav/object.sql: matching", "caldav/personal.sql: matching"];

/// What a plan does that costs more the more there is: it reads a whole table, or rows that it then throws away.
fn waste(plan: &str) -> Option<&str> {
    let removed = |line: &str| match line.trim().strip_prefix("Rows Removed by ")?.split_once(": ")? {
        ("Filter" | "Join Filter", count) => count.parse::<u64>().ok(),
        _ => None,
    };
    let wasteful = |line: &&str| line.contains("Seq Scan on ") || removed(line).is_some_and(|n| n > IN_VAIN);
    plan.lines().find(wasteful).map(str::trim)
}

async fn plan(client: &Client, explain: &str, statement: &str, arguments: &str) -> String {
    let explain = format!("{explain} EXECUTE {statement} ({arguments})");
    let rows = client.rows(&sql(explain.leak()), &[]).await;
    let rows = rows.unwrap_or_else(|error| panic!("{statement}: {}", kalends::db::chain(&error)));
    rows.iter().map(|row| row.at::<String>(0).unwrap()).collect::<Vec<_>>().join("\n")
}

/// 400 homes of five collections, and ten of others seen in each, 9,700 objects (200 in each calendar of the homes 1 to 10, two in each of the others) with
/// 29,100 instances, 4,400 tombstones, 8,800 properties, 4,000 locks. Calendar n of home h is h*5-5+n.
const SEED: &str = "
    TRUNCATE principal CASCADE;
    INSERT INTO principal (id, name, subject, email) SELECT h, 'user-' || h, 'subject-' || h, h || '@x' FROM generate_series(1, 400) h;
    UPDATE principal SET told = ARRAY['g' || id];
    INSERT INTO home (home_id) SELECT id FROM principal;
    INSERT INTO home_state (home_id) SELECT id FROM principal;
    INSERT INTO calendar (home_id, id, components, revision) SELECT h, h * 5 - 5 + n, 1, 300 FROM generate_series(1, 400) h, generate_series(1, 5) n;
    INSERT INTO bind (home_id, name, owner_home_id, calendar_id) SELECT home_id, 'c' || (id - home_id * 5 + 5), home_id, id FROM calendar;
    INSERT INTO bind (home_id, name, owner_home_id, calendar_id)
    SELECT h, 'seen-' || n, o, o * 5 - 4 FROM generate_series(1, 400) h, generate_series(1, 10) n, LATERAL (SELECT (h + n - 1) % 400 + 1 AS o) AS owner;
    INSERT INTO object (home_id, calendar_id, id, name, uid, component, etag, revision, size, times, access, tail, body)
    SELECT home_id, c.id, c.id * 20000 + 60000 + n, 'o' || n || '.ics', 'uid-' || n, 1, c.id || '-' || n, n, 300, 1, 0,
           CASE WHEN n % 50 = 0 THEN 1800000000 END, convert_to(repeat('x', 300), 'UTF8')
    FROM calendar c, generate_series(1, 200) n WHERE (c.home_id <= 10 AND c.id % 5 > 0) OR n <= 1;
    INSERT INTO personal (home_id, object_id, principal_id, data) SELECT home_id, id, p, 'x' FROM object, generate_series(6, 9) p;
    INSERT INTO instance (home_id, calendar_id, object_id, starts, ends, floating, busy)
    SELECT home_id, calendar_id, id, s, s + CASE WHEN i = 3 AND revision % 50 = 0 THEN 3000000 ELSE 3600 END, i = 2, 1
    FROM object, generate_series(1, 3) i, LATERAL (SELECT 1760000000 + revision * 86400 + i * 604800 AS s) AS at;
    INSERT INTO tombstone (home_id, calendar_id, name, revision) SELECT home_id, id, 'gone-' || n, 200 + n FROM calendar, generate_series(1, 1) n;
    INSERT INTO tombstone (home_id, calendar_id, name, revision) SELECT home_id, id, 'more-' || n, 210 + n FROM calendar, generate_series(1, 60) n WHERE home_id <= 10;
    INSERT INTO home_tombstone (home_id, revision, name, calendar_id) SELECT h, n, 'gone-' || n, n FROM generate_series(1, 400) h, generate_series(1, 100) n;
    INSERT INTO property (home_id, calendar_id, namespace, local, value) SELECT home_id, id, 'DAV:', 'p' || n, 'x' FROM calendar, generate_series(1, 2) n;
    INSERT INTO ace (home_id, calendar_id, place, grantee, principal_id, privileges) SELECT home_id, id, n, 0, n, 2 FROM calendar, generate_series(1, 10) n;
    INSERT INTO watch (home_id, calendar_id, principal_id, wanted) SELECT home_id, id, n, true FROM calendar, generate_series(1, 10) n;
    INSERT INTO invite (home_id, calendar_id, principal_id, status) SELECT home_id, id, n, 1 FROM calendar, generate_series(1, 10) n;
    INSERT INTO ace (home_id, calendar_id, place, grantee, group_name, privileges) SELECT home_id, 0, 1, 1, 'g' || home_id, 4 FROM home;
    INSERT INTO property (home_id, calendar_id, object_id, namespace, local, value) SELECT home_id, calendar_id, id, 'DAV:', 'x', 'x' FROM object WHERE revision < 100;
    INSERT INTO history (home_id, calendar_id, name, revision, client, action) SELECT home_id, calendar_id, name, n, 'b', 1 FROM object, generate_series(1, 3) n;
    INSERT INTO lock (home_id, calendar_id, token, member, principal_id, shared, infinite, owner, seconds, expires)
    SELECT home_id, id, gen_random_uuid(), 'o' || n || '.ics', home_id, false, false, '', 60, now() + interval '1 hour' FROM calendar, generate_series(1, 2) n;
";

// ---- every function of the store, once ----

/// A database on one connection, on which every statement of the store has run.
async fn worked() -> (Db, Pool) {
    let db = database().await;
    let pool = Pool::new(&Database { pool_size: 1, ..support::settings(&db.url) }).unwrap();
    arrive(&pool).await;
    let calendar = store::calendar::by_name(&pool, &viewer(1), 1, "calendar").await.unwrap().unwrap();
    write(&pool, &calendar).await;
    read(&pool, &calendar).await;
    renew(&pool, &calendar).await;
    share(&pool, &calendar).await;
    invite_people(&pool, &calendar).await;
    leave(&pool, &calendar).await;
    hand_over(&pool).await;
    (db, pool)
}

async fn arrive(pool: &Pool) {
    let known = Known { subject: Some("s"), email: Some("a@x"), ..Known::default() };
    let start =
        [("calendar", Kind::Calendar), ("tasks", Kind::Calendar), ("notifications", Kind::Notifications)]
            .map(|(name, kind)| Start { name, kind, components: 1, label: Some("<x/>".to_owned()) });
    let tx = pool.begin().await.unwrap();
    store::principal::one_at_a_time(&tx).await.unwrap();
    store::principal::create(&tx, "alice", &known, &start, ("calendar", "tasks")).await.unwrap();
    let alice = store::principal::by_subject_in(&tx, "s").await.unwrap().unwrap();
    assert_eq!(alice.id, 1);
    store::principal::rename(&tx, alice.id, "alicia").await.unwrap();
    assert_eq!(store::principal::by_email_in(&tx, "A@X").await.unwrap().unwrap().id, 1);
    store::principal::vacate(&tx, alice.id, Some("a@x")).await.unwrap();
    assert_eq!(store::principal::by_email_in(&tx, "a@x").await.unwrap(), None);
    store::principal::set_disabled(&tx, alice.id, true).await.unwrap();
    assert!(store::principal::by_name_in(&tx, "alicia/1").await.unwrap().unwrap().disabled);
    store::principal::set_disabled(&tx, alice.id, false).await.unwrap();
    assert_eq!(store::principal::by_name_in(&tx, "alicia/1").await.unwrap().unwrap().id, 1);
    store::principal::rename(&tx, alice.id, "alice").await.unwrap();
    store::principal::refresh(&tx, alice.id, &known).await.unwrap();
    groups(&tx, &alice).await;
    tx.commit().await.unwrap();
    audit(pool).await;
    assert_eq!(store::principal::by_name(pool, "alice").await.unwrap().unwrap(), alice);
    assert_eq!(store::principal::by_email(pool, "a@x").await.unwrap().unwrap(), alice);
    assert_eq!(store::principal::all(pool).await.unwrap(), std::slice::from_ref(&alice));
    let test = |field, how, text: &str| Test { field, how, text: text.to_owned() };
    let tests = vec![test(Field::Address, How::Starts, "A@"), test(Field::Any, How::Has, "ALI")];
    let search = Search { tests, any: false, within: None, most: 9 };
    assert_eq!(
        store::principal::search(pool, &viewer(7), &search).await.unwrap(),
        std::slice::from_ref(&alice)
    );
    assert_eq!(store::principal::by_ids(pool, &[1]).await.unwrap(), [alice]);
    let key = store::principal::keys(pool, &[1]).await.unwrap()[&1];
    assert_eq!(store::principal::by_credential(pool, "alice", key).await.unwrap().unwrap().id, 1);
    spoken_to(pool, key).await;
    let_in(pool, key).await;
    linked(pool, key).await;
    followed(pool, key).await;
    assert!(store::principal::groups(pool, &["staff"]).await.unwrap().is_empty());
    assert!(store::principal::members(pool, "staff", 9).await.unwrap().is_empty());
}

async fn groups(tx: &Tx, alice: &Principal) {
    let told = ["b".to_owned()];
    let known = Known { groups: Some(&told), ..Known::default() };
    let told = store::principal::refresh(tx, alice.id, &known).await.unwrap();
    assert_eq!(
        (told.told.as_slice(), told.groups.as_slice()),
        (&["b".to_owned()][..], &["b".to_owned()][..])
    );
    let kept = store::principal::keep(tx, alice.id, "a", true).await.unwrap();
    assert!(kept.told == ["b"] && kept.groups == ["a", "b"]);
    assert_eq!(store::principal::memberships_in(tx, "a").await.unwrap(), [(kept, true)]);
    store::principal::keep(tx, alice.id, "a", false).await.unwrap();
    let none = Known { groups: Some(&[]), ..Known::default() };
    assert_eq!(store::principal::refresh(tx, alice.id, &none).await.unwrap(), *alice);
}

/// Somebody comes, gets a calendar of alice's, and is erased; nothing of it lasts.
async fn hand_over(pool: &Pool) {
    let tx = pool.begin().await.unwrap();
    store::principal::create(&tx, "carol", &Known::default(), &[], ("", "")).await.unwrap();
    let carol = store::principal::by_name_in(&tx, "carol").await.unwrap().unwrap();
    let id = store::calendar::create(&tx, 1, "gift", (Kind::Calendar, Components::default()), &author())
        .await
        .unwrap();
    handover::patience(&tx).await.unwrap();
    assert!(handover::kept(&tx, 1).await.unwrap().contains(&(id, "gift".to_owned())));
    let parcel = handover::Parcel { id, from: "gift".to_owned(), to: "given".to_owned() };
    handover::hand_over(&tx, 1, carol.id, &[parcel]).await.unwrap();
    let seen = handover::Seen { name: "given".to_owned(), owner: carol.id, id };
    assert_eq!(handover::names(&tx, carol.id).await.unwrap(), [seen]);
    assert_eq!(store::principal::calendar_keys(&tx, carol.id, &[id, 0]).await.unwrap().len(), 1);
    let key = store::principal::key_in(&tx, carol.id).await.unwrap().unwrap();
    let alive = store::principal::alive(&tx, &[key, uuid::Uuid::nil()]).await.unwrap();
    assert!(alive.len() == 1 && alive.contains(&key));
    assert_eq!(handover::holdings(&tx, carol.id).await.unwrap().calendars, 1);
    handover::revoke_group(&tx, "nobodies").await.unwrap();
    let marks = ["/carol/".to_owned()];
    handover::purge(&tx, carol.id, &marks).await.unwrap();
    assert_eq!(store::principal::by_name_in(&tx, "carol").await.unwrap(), None);
    tx.commit().await.unwrap();
    assert_eq!(handover::remembered(pool).await.unwrap(), [(carol.id, marks.to_vec())]);
    assert!(handover::named(pool, 0, 9, &marks).await.unwrap().contains(&(1, false)));
    let tx = pool.begin().await.unwrap();
    assert_eq!(handover::anonymise(&tx, carol.id, 9).await.unwrap(), 0);
    store::notification::silence(&tx, 1, &marks).await.unwrap();
    handover::forgotten(&tx, carol.id).await.unwrap();
    tx.commit().await.unwrap();
    erase(pool).await;
}

/// Somebody is taken out of everything, where there is nothing of them.
async fn erase(pool: &Pool) {
    let marks = ["nobody@x".to_owned()];
    let tx = pool.begin().await.unwrap();
    let id = erasure::ask(&tx, &marks).await.unwrap();
    tx.commit().await.unwrap();
    let wish = erasure::take(pool).await.unwrap().unwrap();
    assert_eq!(wish, Wish { id, marks: marks.to_vec(), done: 0 });
    assert_eq!(erasure::take(pool).await.unwrap(), None);
    let tx = pool.begin().await.unwrap();
    assert_eq!(erasure::homes(&tx, 0, &marks, 1).await.unwrap(), [(1, false)]);
    erasure::pass(&tx, &wish, 1).await.unwrap();
    erasure::hold(&tx, 1).await.unwrap();
    for shelf in [Shelf::Objects, Shelf::Past, Shelf::Own] {
        assert_eq!(erasure::texts(&tx, (shelf, 1), (0, 0), &marks, 9).await.unwrap(), []);
        erasure::reword(&tx, (shelf, 1), 1, &[]).await.unwrap();
    }
    tx.commit().await.unwrap();
    erasure::finish(pool, &wish).await.unwrap();
}

async fn audit(pool: &Pool) {
    assert_eq!(store::principal::all_groups(pool).await.unwrap(), []);
    let deed = Deed {
        actor: Party::proxy(),
        action: Action::Joined,
        owner: Party::default(),
        place: Place { id: Some(7), name: String::new() },
        whom: Party { id: Some(1), name: "alice".to_owned() },
        detail: "a".to_owned(),
    };
    let tx = pool.begin().await.unwrap();
    store::audit::record(&tx, &[deed.clone(), deed]).await.unwrap();
    tx.commit().await.unwrap();
    let told = store::audit::since(pool, 1, Some(1)).await.unwrap();
    assert_eq!(told[0].words, ["(proxy)", "joined", "", "", "alice", "a"]);
    assert_eq!((told.len(), store::audit::since(pool, 1, Some(2)).await.unwrap().len()), (2, 0));
    let slice = store::audit::Slice { of: Some(1), most: 9, ..Default::default() };
    let page = store::audit::page(pool, &slice).await.unwrap();
    assert_eq!((page.len(), &page[1]), (2, &told[0]), "the latest first");
    let older = store::audit::Slice { before: Some(page[0].id), ..slice.clone() };
    assert_eq!(store::audit::page(pool, &older).await.unwrap(), page[1..]);
    let elsewhere = store::audit::Slice { about: Some(About::Place(1, "work".into())), ..slice };
    assert_eq!(store::audit::page(pool, &elsewhere).await.unwrap(), []);
    let of_calendar =
        |id| store::audit::Slice { about: Some(About::Calendar(id)), most: 9, ..Default::default() };
    assert_eq!(store::audit::page(pool, &of_calendar(7)).await.unwrap(), page);
    assert_eq!(store::audit::page(pool, &of_calendar(8)).await.unwrap(), []);
    assert_eq!(store::audit::trim(pool, 1, 10).await.unwrap(), 0);
}

/// Somebody who looks.
fn viewer(id: i64) -> Viewer {
    let principal = Principal {
        id,
        name: format!("user-{id}"),
        subject: None,
        display_name: None,
        email: None,
        told: Vec::new(),
        groups: vec!["staff".to_owned()],
        disabled: false,
    };
    Viewer::of(principal)
}

async fn write(pool: &Pool, calendar: &Calendar) {
    let tx = pool.begin().await.unwrap();
    assert!(store::calendar::lock(&tx, &viewer(1), 1, "calendar").await.unwrap().is_some());
    let before = object::before_put(&tx, calendar, "a.ics", "a").await.unwrap();
    assert!(object::standing(&tx, calendar, &["a.ics"], &["a"]).await.unwrap().is_empty());
    let instance = Instance { starts: 100, ends: 200, floating: false, busy: Busy::Busy };
    let put = Put {
        name: "a.ics".to_owned(),
        uid: "a".to_owned(),
        component: Component::Vevent,
        etag: "e".to_owned(),
        body: "x".into(),
        index: Index { instances: vec![instance], tail: Some(300), pattern: None, horizon: Some(1) },
        times: 1,
        access: 0,
    };
    object::put(&tx, calendar, &put, &before, &author()).await.unwrap();
    store::calendar::change(&tx, calendar, Done::Described, &author()).await.unwrap();
    assert_eq!(object::count(&tx, calendar).await.unwrap(), 1);
    let value = Property { name: QName::new("urn:x", "x"), value: "<x/>".to_owned() };
    store::property::set(&tx, Subject::object(calendar, 1), &[value]).await.unwrap();
    assert_eq!(store::property::size(&tx, Subject::object(calendar, 1)).await.unwrap(), (1, 4));
    assert!(store::property::size_of_home(&tx, calendar.home_id).await.unwrap() >= 4);
    store::calendar::touch(&tx, calendar).await.unwrap();
    store::watch::set(&tx, (1, calendar.id), 1, true).await.unwrap();
    assert_eq!(store::watch::called(&tx, 1, calendar).await.unwrap().as_deref(), Some("calendar"));
    lock(&tx, calendar).await;
    let grant = |privilege: Privilege, grantee| Ace {
        calendar_id: calendar.id,
        grantee,
        privileges: privilege.with_parts(),
    };
    let aces = [
        grant(Privilege::Read, Grantee::Principal(1, "alice".to_owned())),
        grant(Privilege::Bind, Grantee::Group("staff".to_owned())),
    ];
    store::ace::set(&tx, 1, calendar.id, &aces).await.unwrap();
    assert_eq!(store::ace::of_in(&tx, 1, calendar.id).await.unwrap(), aces);
    assert_eq!(store::principal::by_names_in(&tx, &["alice"]).await.unwrap().len(), 1);
    store::calendar::lock_home(&tx, 1).await.unwrap();
    store::calendar::touch_home(&tx, 1).await.unwrap();
    store::calendar::begin_anew(&tx, 1, None).await.unwrap();
    store::calendar::choose(&tx, 1, Component::Vevent, None).await.unwrap();
    assert_eq!(store::calendar::count(&tx, 1).await.unwrap(), 2);
    assert_eq!(store::calendar::octets(&tx, 1).await.unwrap(), 1);
    tx.commit().await.unwrap();
    transfer(pool, calendar).await;
}

/// Somebody is invited, and awaited, and comes.
async fn invite_people(pool: &Pool, calendar: &Calendar) {
    let tx = &pool.begin().await.unwrap();
    let known = Known { email: Some("b@x"), ..Known::default() };
    let bob = store::principal::refresh(tx, 2, &known).await.unwrap();
    assert_eq!(store::principal::by_emails_in(tx, &["b@x"]).await.unwrap(), std::slice::from_ref(&bob));
    let guest = |who, address: Option<&str>| Guest {
        who,
        address: address.map(str::to_owned),
        common_name: None,
        summary: None,
        privileges: Privilege::Read.with_parts(),
    };
    let staff = guest(Some(Grantee::Group("staff".to_owned())), None);
    let guests = [staff, guest(None, Some("B@x")), guest(None, Some("c@x"))];
    invite::change(tx, calendar, &guests, &[], Answer::Accepted).await.unwrap();
    let first = invite::First { answer: Answer::Accepted, most: 9 };
    invite::settle(tx, calendar, first, (&[1], &["staff"])).await.unwrap();
    invite::meet(tx, &bob, first, true).await.unwrap();
    assert_eq!(invite::asked(tx, bob.id).await.unwrap(), []);
    let name = invite::name_in(tx, bob.id, calendar).await.unwrap();
    let invites = invite::of_in(tx, calendar).await.unwrap();
    let of_bob = invites.iter().find(|one| matches!(one.sharee, Sharee::Person(..))).unwrap();
    assert_eq!((invites.len(), of_bob.answer, name.is_some()), (3, Answer::Accepted, true));
    invite::settle(tx, calendar, first, (&[bob.id], &[])).await.unwrap();
    let place = invite::place(tx, bob.id, of_bob.uid).await.unwrap().unwrap();
    assert_eq!((place.home_id, place.name.as_str()), (1, "calendar"));
    assert!(invite::answer(tx, calendar, bob.id, Answer::Declined).await.unwrap());
    assert!(!invite::answer(tx, calendar, bob.id, Answer::Declined).await.unwrap());
    invite::settle(tx, calendar, first, (&[], &[])).await.unwrap();
    assert_eq!(invite::name_in(tx, bob.id, calendar).await.unwrap(), None);
    let gone: Vec<_> = invites.iter().map(|one| one.uid).collect();
    invite::change(tx, calendar, &[], &gone, Answer::Accepted).await.unwrap();
    invite::settle(tx, calendar, first, (&[], &[])).await.unwrap();
    assert!(invite::of_in(tx, calendar).await.unwrap().is_empty());
}

async fn transfer(pool: &Pool, calendar: &Calendar) {
    let tx = pool.begin().await.unwrap();
    let there = object::whole_in(&tx, calendar, "a.ics").await.unwrap().unwrap();
    store::transfer::hold(&tx, [(1, "calendar"), (1, "nothing")]).await.unwrap();
    store::transfer::relocate(&tx, calendar, &there, (calendar, "b.ics"), &author()).await.unwrap();
    let what = (calendar.kind, calendar.components);
    let copy = store::calendar::create(&tx, 1, "copy", what, &author()).await.unwrap();
    store::transfer::copy_members(&tx, calendar, copy).await.unwrap();
    let copy = store::calendar::lock(&tx, &viewer(1), 1, "copy").await.unwrap().unwrap();
    assert_eq!(object::count(&tx, &copy).await.unwrap(), 1);
    let copied = object::by_name_in(&tx, &copy, "b.ics").await.unwrap().unwrap();
    let properties = store::property::of_in(&tx, Subject::object(&copy, copied.id)).await.unwrap();
    assert_eq!(properties.len(), 1);
    store::transfer::rename(&tx, &copy, "twin", &author()).await.unwrap();
    assert!(store::calendar::lock(&tx, &viewer(1), 1, "twin").await.unwrap().is_some());
}

async fn lock(tx: &Tx, calendar: &Calendar) {
    let token = calendar.state.key;
    let lock = Lock {
        token,
        member: Some("a.ics".to_owned()),
        principal_id: 1,
        shared: false,
        infinite: false,
        owner: String::new(),
        seconds: 60,
        remaining: 60,
        vacant: false,
        veiled: false,
    };
    store::lock::take(tx, calendar, &lock).await.unwrap();
    let locked = store::calendar::lock(tx, &viewer(1), 1, "calendar").await.unwrap().unwrap();
    assert!(locked.locked && !calendar.locked);
    assert_eq!(store::lock::of_in(tx, &locked).await.unwrap(), std::slice::from_ref(&lock));
    store::lock::refresh(tx, &locked, &lock, 90).await.unwrap();
    assert_eq!(store::lock::of_in(tx, &locked).await.unwrap()[0].remaining, 90);
    store::lock::clear(tx, &locked, "a.ics").await.unwrap();
    store::lock::hand_over(tx, &locked, None).await.unwrap();
    assert_eq!(store::lock::of_in(tx, &locked).await.unwrap(), []);
    store::lock::release(tx, &locked, &lock).await.unwrap();
    assert!(!store::calendar::lock(tx, &viewer(1), 1, "calendar").await.unwrap().unwrap().locked);
}

async fn read(pool: &Pool, calendar: &Calendar) {
    assert_eq!(store::watch::of(pool, calendar, 2).await.unwrap().len(), 1);
    assert_eq!(store::watch::of(pool, calendar, 1).await.unwrap(), []);
    assert!(store::lock::of_calendars(pool, &[calendar.kept()]).await.unwrap().is_empty());
    assert!(store::lock::of_several(pool, &[calendar.kept()]).await.unwrap().is_empty());
    assert_eq!(store::ace::of_all(pool, 1).await.unwrap().len(), 2);
    assert_eq!(store::ace::on_homes(pool, Some(2), &["staff".to_owned()]).await.unwrap(), []);
    assert_eq!(store::ace::on_home(pool, &viewer(2), 1).await.unwrap(), Privileges::NONE);
    let seen = store::calendar::by_name(pool, &viewer(2), 1, "calendar").await.unwrap().unwrap();
    assert_eq!(seen.rights, Privilege::Bind.with_parts());
    let home = store::calendar::home(pool, &viewer(1), 1).await.unwrap().unwrap();
    assert!(home.state.revision > 0);
    assert_eq!(store::calendar::home_alone(pool, 1).await.unwrap().unwrap(), home);
    assert_eq!(store::calendar::all(pool, &viewer(1), 1, true).await.unwrap().len(), 3);
    assert!(store::calendar::chosen(pool, 1).await.unwrap().iter().all(|of| of.0 != Component::Vevent));
    let names = ["a.ics".to_owned()];
    for body in [false, true] {
        let with = With { body, stored: Some(Vec::new()), ..With::default() };
        for which in [Which::All, Which::Named(&names)] {
            assert_eq!(count(object::stream(pool, calendar, which, &with).await.unwrap()).await, 1);
            assert_eq!(count(object::brief(pool, calendar, which, &with).await.unwrap().0).await, 1);
        }
        assert!(object::by_name(pool, calendar, "a.ics", body).await.unwrap().is_some());
        for revision in [-1, 0] {
            for brief in [false, true] {
                let with = With { brief, ..with.clone() };
                let (rows, read) = store::change::since(pool, calendar, revision, 9, &with).await.unwrap();
                let changes: Vec<Change> = rows.map(|row| read(&row.unwrap()).unwrap()).collect().await;
                assert!(
                    matches!(&changes[..], [Change::Member(member)] if member.etag == "e" && member.revision > 0)
                );
            }
        }
        let several = store::change::since_in(pool, &[(calendar.kept(), 0)], 9, &with).await.unwrap();
        assert_eq!(count(several).await, 1);
    }
    assert_eq!(count(object::of_home(pool, 1, 0, 9).await.unwrap()).await, 1);
    theirs_read(pool, calendar).await;
    assert!(object::by_path(pool, &viewer(1), 1, ("calendar", "a.ics")).await.unwrap().is_some());
    let kinds = Components::default().with(Component::Vevent);
    for window in [None, Some((150..160, 150..160))] {
        let of = Candidates { kinds, window, uid: None, with: With::body() };
        assert_eq!(count(object::candidates(pool, calendar, &of).await.unwrap()).await, 1);
    }
    assert_eq!(count(object::taken(pool, calendar, (&(150..160), &(150..160))).await.unwrap()).await, 1);
    assert_eq!(store::property::of(pool, Subject::object(calendar, 1)).await.unwrap().len(), 1);
    assert_eq!(store::property::of_calendars(pool, &[calendar.kept()]).await.unwrap().len(), 1);
    for (wanted, there) in [
        (None, 0),
        (Some(vec![]), 1),
        (Some(vec![key(&QName::new("urn:x", "x"))]), 1),
        (Some(vec![key(&QName::new("urn:x", "y"))]), 0),
    ] {
        let with = With { stored: wanted, ..With::default() };
        let rows = object::stream(pool, calendar, Which::All, &with).await.unwrap();
        let along: Vec<Property> = rows.map(|row| along(&row.unwrap()).unwrap()).concat().await;
        assert_eq!(along.len(), there);
        assert!(along.iter().all(|p| p.name == QName::new("urn:x", "x") && p.value == "<x/>"));
    }
}

async fn theirs_read(pool: &Pool, calendar: &Calendar) {
    for private in [true, false] {
        let (home, id) = calendar.kept();
        assert_eq!(object::counts(pool, &[(home, id, private)]).await.unwrap()[&id], 1);
    }
    let tx = pool.begin().await.unwrap();
    let (lens, all) = (Lens { viewer: 1, own: false, private: false }, With::body());
    personal::keep(&tx, calendar, "a.ics", 1, Some(b"mine")).await.unwrap();
    let (object, beside) = personal::by_name_in(&tx, calendar, 1, "a.ics").await.unwrap().unwrap();
    assert_eq!((beside.access, beside.personal), (Some(0), Some("mine".into())));
    personal::keep(&tx, calendar, "a.ics", 1, None).await.unwrap();
    personal::touch(&tx, calendar, object.id).await.unwrap();
    tx.commit().await.unwrap();
    let (_, beside) = personal::by_name(pool, calendar, 1, "a.ics").await.unwrap().unwrap();
    assert_eq!(beside.personal, None);
    let names = ["a.ics".to_owned()];
    for which in [Which::All, Which::Named(&names)] {
        assert_eq!(count(personal::stream(pool, calendar, lens, which, &all).await.unwrap()).await, 1);
    }
    assert_eq!(personal::first(pool, &[calendar.kept()], 1, 9).await.unwrap().len(), 1);
    assert_eq!(count(personal::since(pool, calendar, lens, (0, 9), &all).await.unwrap()).await, 1);
    let several = personal::since_in(pool, &[(calendar.kept(), 0, lens)], 9, &all).await.unwrap();
    assert_eq!(count(several).await, 1);
    let kinds = Components::default().with(Component::Vevent);
    for window in [None, Some((150..160, 150..160))] {
        let of = Candidates { kinds, window, uid: None, with: With::body() };
        assert_eq!(count(personal::candidates(pool, calendar, lens, &of).await.unwrap()).await, 1);
    }
    for (window, found) in [(150..160, 1), (210..220, 0)] {
        assert_eq!(count(personal::taken(pool, calendar, (&window, &window)).await.unwrap()).await, found);
    }
}

async fn renew(pool: &Pool, calendar: &Calendar) {
    assert_eq!(store::index::homes(pool, 0).await.unwrap(), [calendar.home_id]);
    let home = calendar.home_id;
    assert!(store::index::waits(pool, home, 2).await.unwrap());
    assert!(store::index::measure(pool).await.unwrap(), "nobody has told");
    assert!(!store::index::measure(pool).await.unwrap());
    let tx = pool.begin().await.unwrap();
    let due = store::index::due(&tx, home, 2, 9).await.unwrap();
    assert_eq!((due.len(), due[0].times), (1, 1));
    let instances =
        [500, 600].map(|starts| Instance { starts, ends: starts + 50, floating: false, busy: Busy::Busy });
    let index = Index { instances: instances.into(), horizon: Some(2), ..Index::default() };
    let derived = store::index::Derived { index, times: 2, access: 0 };
    store::index::renew(&tx, home, &due[0], Some(&derived)).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!store::index::waits(pool, home, 2).await.unwrap());
    for (window, found) in [(150..160, 0), (510..520, 1), (510..620, 2)] {
        assert_eq!(count(object::taken(pool, calendar, (&window, &window)).await.unwrap()).await, found);
    }
    let tx = pool.begin().await.unwrap();
    store::index::renew(&tx, home, &due[0], None).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!store::index::waits(pool, home, 9).await.unwrap());
}

/// Somebody else comes, sees it in their home, and goes again.
async fn share(pool: &Pool, calendar: &Calendar) {
    let tx = pool.begin().await.unwrap();
    let start = [Start { name: "calendar", kind: Kind::Calendar, components: 1, label: None }];
    store::principal::create(&tx, "bob", &Known::default(), &start, ("calendar", "calendar")).await.unwrap();
    let names = store::share::bind(&tx, calendar, &[1, 2]).await.unwrap();
    assert_eq!(names, [(2, "calendar-2".to_owned())], "not beside itself, and not over another");
    assert_eq!(store::share::bind(&tx, calendar, &[2]).await.unwrap(), []);
    let value = Property { name: QName::new("urn:x", "mine"), value: "<mine/>".to_owned() };
    let bob = viewer(2);
    let seen = store::calendar::lock(&tx, &bob, 2, "calendar-2").await.unwrap().unwrap();
    assert!(seen.shared && seen.kept() == calendar.kept() && seen.seen_in() == 2);
    store::property::set(&tx, Subject::seen(&seen), &[value]).await.unwrap();
    assert_eq!(store::calendar::home_in(&tx, &bob, 2).await.unwrap().unwrap().collections.len(), 1);
    tx.commit().await.unwrap();
    let listed = store::calendar::all(pool, &bob, 2, true).await.unwrap();
    assert_eq!(listed.iter().map(|c| &*c.name).collect::<Vec<_>>(), ["calendar", "calendar-2"]);
    let bound = listed[1].bound.as_deref().unwrap();
    let origin = bound.origin.as_ref().unwrap();
    assert_eq!((&*origin.owner, &*origin.name), ("alice", "calendar"));
    let unnamed = store::Bound { origin: None, ..bound.clone() };
    let unnamed = Calendar { bound: Some(unnamed.into()), ..listed[1].clone() };
    assert_eq!(store::calendar::all(pool, &bob, 2, false).await.unwrap(), [listed[0].clone(), unnamed]);
    assert_eq!(listed[1].rights, Privilege::Bind.with_parts());
    let found = object::by_path(pool, &bob, 2, ("calendar-2", "a.ics")).await.unwrap().unwrap();
    assert_eq!(found.rights, Privilege::Bind.with_parts());
    assert_eq!(store::ace::of_bound(pool, &[calendar.kept()]).await.unwrap()[&calendar.id].len(), 2);
    let before = store::calendar::home(pool, &bob, 2).await.unwrap().unwrap().state.revision;
    let tx = pool.begin().await.unwrap();
    let seen = store::calendar::lock(&tx, &bob, 2, "calendar-2").await.unwrap().unwrap();
    assert_eq!(store::share::homes(&tx, &seen).await.unwrap(), [2]);
    store::share::leave(&tx, &seen).await.unwrap();
    assert_eq!(store::share::homes(&tx, &seen).await.unwrap(), [0; 0]);
    assert_eq!(store::property::of_in(&tx, Subject::seen(&seen)).await.unwrap(), []);
    tx.commit().await.unwrap();
    let after = store::calendar::home(pool, &bob, 2).await.unwrap().unwrap().state.revision;
    assert_eq!(after, before + seen.state.revision + 1);
    let gone = store::change::gone_from_home(pool, 2, 0, 9).await.unwrap();
    assert_eq!(gone.iter().map(|grave| &*grave.name).collect::<Vec<_>>(), ["calendar-2"]);
}

async fn leave(pool: &Pool, calendar: &Calendar) {
    let tx = pool.begin().await.unwrap();
    store::property::remove(&tx, Subject::object(calendar, 1), &[QName::new("urn:x", "x")]).await.unwrap();
    object::delete(&tx, calendar, 1, &author()).await.unwrap();
    let kinds = Components::default().with(Component::Vevent);
    let what = (Kind::Calendar, kinds);
    store::calendar::create(&tx, 1, "work", what, &author()).await.unwrap();
    let work = store::calendar::lock(&tx, &viewer(1), 1, "work").await.unwrap().unwrap();
    store::calendar::delete(&tx, &work, &author()).await.unwrap();
    store::calendar::create(&tx, 1, "brief", what, &author()).await.unwrap();
    let brief = store::calendar::lock(&tx, &viewer(1), 1, "brief").await.unwrap().unwrap();
    let nothing = Author { keep: Keep::default(), ..author() };
    store::calendar::delete(&tx, &brief, &nothing).await.unwrap();
    store::history::lighten(&tx, 1, Keep { most: 1000, ..author().keep }).await.unwrap();
    tx.commit().await.unwrap();
    store::history::discard(pool, 1, author().keep).await.unwrap();
    bring_back(pool, calendar).await;
    keep(pool).await;
    forget(pool, calendar).await;
    notify(pool).await;
}

async fn notify(pool: &Pool) {
    let told = |body: &str| Notification {
        name: "a.xml".to_owned(),
        kind: "<x/>".to_owned(),
        body: body.to_owned().into(),
        private: body == "y",
    };
    let tx = pool.begin().await.unwrap();
    for body in ["x", "y"] {
        store::notification::put(&tx, 1, &told(body)).await.unwrap();
    }
    assert_eq!(store::notification::whole(&tx, 1, "a.xml").await.unwrap().unwrap(), "y");
    assert_eq!(store::notification::expire(&tx, 1, 9).await.unwrap(), 0);
    store::notification::remove(&tx, 1, "a.xml").await.unwrap();
    assert_eq!(store::notification::whole(&tx, 1, "a.xml").await.unwrap(), None);
    let home = store::notification::Home { id: 1, name: String::new(), octets: 0, level: 0 };
    assert!(!store::notification::level_told(&tx, &home).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(store::notification::old(pool, 9, 9).await.unwrap(), [0; 0]);
    let fuller = store::notification::fullness(pool, [i64::MAX, i64::MAX], 9).await.unwrap();
    assert_eq!(fuller, [], "nobody has so much");
}

/// Who writes.
fn author() -> Author {
    let keep = Keep { versions: true, trash: true, fold: 60, most: 0 };
    Author { principal_id: Some(1), client: "test/1".to_owned(), keep }
}

/// What is in the trash is found, brought back and erased.
async fn bring_back(pool: &Pool, calendar: &Calendar) {
    assert!(
        !store::history::log(
            pool,
            1,
            &store::history::Slice { calendar: Some(calendar.id), most: 99, ..Default::default() }
        )
        .await
        .unwrap()
        .is_empty()
    );
    let lying = store::history::trash(pool, 1, 9).await.unwrap();
    let (whole, object): (Vec<_>, Vec<_>) = lying.into_iter().partition(|trashed| trashed.whole);
    assert_eq!((whole.len(), object.len(), &*whole[0].calendar), (1, 1, "work"));
    for (lying, body) in [(&object[0], Some(&b"x"[..])), (&whole[0], None)] {
        let found = store::history::lying(pool, 1, (lying.whole, lying.id)).await.unwrap().unwrap();
        assert_eq!((&found.name, found.body.as_deref()), (&lying.name, body));
        assert!(store::history::lying(pool, 1, (!lying.whole, lying.id)).await.unwrap().is_none());
    }
    let tx = pool.begin().await.unwrap();
    for when in [When::Before, When::Revision(0), When::Second(0)] {
        assert!(store::history::state(&tx, calendar, "a.ics", when).await.unwrap().is_some());
    }
    assert!(!store::history::as_of(&tx, calendar, i64::from(u32::MAX)).await.unwrap().iter().any(|d| d.same));
    assert!(store::history::revive(&tx, 1, whole[0].id, "back", &author()).await.unwrap());
    let back = store::calendar::lock(&tx, &viewer(1), 1, "back").await.unwrap().unwrap();
    assert!(store::history::take_back(&tx, 1, object[0].id).await.unwrap());
    store::calendar::delete(&tx, &back, &author()).await.unwrap();
    store::history::erase(&tx, 1, &[object[0].id], &[back.id]).await.unwrap();
    store::history::empty(&tx, 1, std::time::UNIX_EPOCH).await.unwrap();
}

/// What was kept of all this goes when it is old enough.
async fn keep(pool: &Pool) {
    let (long, none) = (Days { versions: 1, trash: 1 }, Days { versions: 0, trash: 0 });
    assert_eq!(store::history::old(pool, long, 9).await.unwrap(), [0; 0]);
    assert_eq!(store::history::forget(pool, 1, long, 9).await.unwrap(), 0);
    assert_eq!(store::history::old(pool, none, 9).await.unwrap(), [1]);
    assert!(store::history::forget(pool, 1, none, 99).await.unwrap() > 0);
    assert_eq!(store::history::old(pool, none, 9).await.unwrap(), [0; 0]);
}

/// An object and a calendar have just been deleted.
async fn forget(pool: &Pool, calendar: &Calendar) {
    let gone = store::change::gone_from_home(pool, 1, 0, 9).await.unwrap();
    assert_eq!(gone.iter().map(|grave| &*grave.name).collect::<Vec<_>>(), ["work", "brief"]);
    assert_eq!(store::change::old(pool, 1, 9).await.unwrap(), [0; 0]);
    assert_eq!(store::change::trim(pool, 1, 1, 9).await.unwrap(), 0);
    let client = pool.client().await.unwrap();
    let aged = "UPDATE tombstone SET buried = buried - interval '2 days';
                UPDATE home_tombstone SET buried = buried - interval '2 days'";
    client.batch(aged).await.unwrap();
    drop(client);
    assert_eq!(store::change::old(pool, 1, 9).await.unwrap(), [1, 2]);
    assert_eq!(store::change::trim(pool, 1, 1, 9).await.unwrap(), 3);
    let now = store::calendar::by_name(pool, &viewer(1), 1, &calendar.name).await.unwrap().unwrap();
    assert_eq!(now.floor, now.state.revision);
    let home = store::calendar::home(pool, &viewer(1), 1).await.unwrap().unwrap();
    assert_eq!(home.floor, gone[1].revision);
}

async fn count(rows: Rows<'static>) -> usize {
    rows.map(Result::unwrap).count().await
}
