//! Many who share, unshare, leave, write, rename, come and go at once, in each other's homes: nobody waits for nobody, what is
//! seen is what is granted, and who follows a home hears of all of it.

#![allow(clippy::unwrap_used)]

#[path = "support/server.rs"]
mod server;
mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use kalends::config::{HeaderName, Settings};
use server::{Answer, Client, Page, Server, event};
use support::sql;

/// Who is there all the time; `ghost` comes and is erased.
const PEOPLE: [&str; 5] = ["ann", "ben", "cat", "dan", "eve"];
const GROUPS: [&str; 4] = ["", "crew", "team", "crew,team"];
/// Under which calendars of others may appear, and people make their own.
const NAMES: [&str; 8] =
    ["team", "team-2", "team-3", "team-4", "calendar-2", "calendar-3", "tasks-2", "mine"];
const SHARING: &str = "xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'";

fn telling(settings: &mut Settings) {
    let identity = &mut settings.identity;
    identity.email_header = HeaderName::named(identity.email_header.usual());
    identity.groups_header = HeaderName::named(identity.groups_header.usual());
    settings.calendar.max_collections = 5000;
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

/// Somebody who tells an address and groups, as a proxy does.
async fn person(server: &Server, user: &str) -> Client {
    server.client(user).await.always("X-Forwarded-Email", &format!("{user}@example.org"))
}

/// One thing that somebody does with what is theirs, or with what they see of others; some of it cannot be done.
async fn act(client: &mut Client, user: &str, dice: &mut Dice, turn: usize) -> Answer {
    let home = format!("/dav/calendars/{user}/");
    let groups = ("X-Forwarded-Groups", GROUPS[usize::from(user.as_bytes()[0]) % 4]);
    let own = dice.pick(&["calendar", "team"]);
    let seen = dice.pick(&NAMES);
    match dice.roll(20) {
        0..=3 => {
            let whom = dice.pick(&["ann", "ben", "cat", "dan", "eve", "ghost", "groups/crew", "groups/team"]);
            let access = dice.pick(&["read", "read-write"]);
            let href = format!("<D:href>/dav/principals/{whom}/</D:href>");
            let body = format!("<CS:share {SHARING}><CS:set>{href}<CS:{access}/></CS:set></CS:share>");
            client.ask(&format!("POST {home}{own}/"), &[groups, XML], body).await
        }
        4 => {
            let href = format!("<D:href>mailto:{}@example.org</D:href>", dice.pick(&["ghost", "nobody"]));
            let body = format!("<CS:share {SHARING}><CS:set>{href}<CS:read/></CS:set></CS:share>");
            client.ask(&format!("POST {home}{own}/"), &[groups, XML], body).await
        }
        5 | 6 => {
            let whom = dice.pick(&["ann", "ben", "cat", "dan", "eve", "groups/crew", "groups/team"]);
            let href = format!("<D:href>/dav/principals/{whom}/</D:href>");
            let body = format!("<CS:share {SHARING}><CS:remove>{href}</CS:remove></CS:share>");
            client.ask(&format!("POST {home}{own}/"), &[groups, XML], body).await
        }
        7 | 8 => client.ask(&format!("DELETE {home}{seen}/"), &[groups], "").await,
        9 => {
            let to = format!("{home}{}/", dice.pick(&NAMES));
            client.ask(&format!("MOVE {home}{seen}/"), &[groups, ("Destination", &to)], "").await
        }
        10 => client.ask(&format!("MKCALENDAR {home}{}/", dice.pick(&NAMES)), &[groups], "").await,
        11 => {
            let name = format!("o{}.ics", dice.roll(6));
            let to = format!("{home}{}/{name}", dice.pick(&NAMES));
            let method = dice.pick(&["MOVE", "COPY"]);
            client.ask(&format!("{method} {home}{own}/{name}"), &[groups, ("Destination", &to)], "").await
        }
        12 => {
            // Another group, by the proxy's word: with the next request it is another one again.
            let other = ("X-Forwarded-Groups", dice.pick(&GROUPS));
            client.ask(&format!("PROPFIND {home}"), &[other, ("Depth", "1")], "").await
        }
        _ => {
            let (uid, place) = (format!("o{}", dice.roll(6)), dice.pick(&[own, seen]));
            let body = event(&uid, &format!("{user} {turn}"));
            client.ask(&format!("PUT {home}{place}/{uid}.ics"), &[groups], body).await
        }
    }
}

const XML: (&str, &str) = ("Content-Type", "application/xml");

/// One thing that two do to each other with one calendar of each.
async fn quarrel(client: &mut Client, user: &str, dice: &mut Dice) -> Answer {
    let home = format!("/dav/calendars/{user}/");
    let (seen, other) = (dice.pick(&["calendar-2", "mine"]), if user == "ann" { "ben" } else { "ann" });
    let how = dice.pick(&[
        "<CS:set><D:href>H</D:href><CS:read-write/></CS:set>",
        "<CS:remove><D:href>H</D:href></CS:remove>",
    ]);
    let how = how.replace('H', &format!("/dav/principals/{other}/"));
    match dice.roll(6) {
        0 | 1 => {
            let body = format!("<CS:share {SHARING}>{how}</CS:share>");
            client.ask(&format!("POST {home}calendar/"), &[XML], body).await
        }
        2 | 3 => client.ask(&format!("DELETE {home}{seen}/"), &[], "").await,
        4 => {
            let to = format!("{home}{}/", dice.pick(&["calendar-2", "mine"]));
            client.ask(&format!("MOVE {home}{seen}/"), &[("Destination", &to)], "").await
        }
        _ => client.ask(&format!("PUT {home}{seen}/o.ics"), &[], event("o", user)).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_share_with_each_other_and_leave_at_once_never_wait_for_each_other() {
    server::tell_errors();
    let server = Arc::new(Server::start(telling).await);
    for user in &PEOPLE[..2] {
        let mut client = person(&server, user).await;
        assert_eq!(client.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    }
    let before = deadlocks(&server).await;
    let quarrels = (0..12).map(|nth| {
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let (mut dice, user) = (Dice(nth as u64), PEOPLE[nth % 2]);
            let mut client = person(&server, user).await;
            for turn in 0..80 {
                let answer = quarrel(&mut client, user, &mut dice).await;
                assert!(answer.status < 500, "{user}, {turn}: {} {}", answer.status, answer.text());
            }
        })
    });
    join_all(quarrels).await.into_iter().for_each(|quarrel| quarrel.unwrap());
    assert_eq!(deadlocks(&server).await, before, "waits of each for the other");
    holds(&server).await;
}

async fn busy(server: Arc<Server>, nth: usize, over: Arc<AtomicBool>) -> usize {
    let mut dice = Dice(nth as u64);
    let mut clients = Vec::new();
    for user in PEOPLE.iter().copied().chain(["ghost"]) {
        clients.push((user, person(&server, user).await));
    }
    let mut turn = 0;
    while !over.load(Relaxed) {
        let which = dice.roll(clients.len());
        let (user, client) = &mut clients[which];
        let answer = act(client, user, &mut dice, turn).await;
        assert!(answer.status < 500, "{user}, {turn}: {} {}", answer.status, answer.text());
        turn += 1;
    }
    turn
}

/// What an operator does meanwhile.
async fn operate(server: Arc<Server>, over: Arc<AtomicBool>) -> usize {
    let mut dice = Dice(4711);
    let mut turn = 0;
    while !over.load(Relaxed) {
        let (one, other) = (dice.pick(&PEOPLE[3..]), dice.pick(&PEOPLE[..3]));
        let words: &[&str] = match turn % 6 {
            0 => &["principal", "purge", "ghost", "--yes"],
            1 => &["group", "add", "crew", other, one],
            2 => &["principal", "transfer", one, other, "--calendar", "team"],
            3 => &["group", "delete", "crew"],
            4 => &["principal", "disable", one],
            _ => &["principal", "enable", one],
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
        command.args(words).env("KALENDS__DATABASE__URL", &server.db.url).env_remove("KALENDS_CONFIG");
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let missing = said.contains("nobody is called") || said.contains("has no calendar");
        assert!(output.status.success() || missing, "{words:?}: {said}");
        if words[1] == "disable" {
            // Who is out is let in again, whatever else happens.
            let enable = ["principal", "enable", one];
            let mut command = Command::new(env!("CARGO_BIN_EXE_kalends"));
            command.args(enable).env("KALENDS__DATABASE__URL", &server.db.url).env_remove("KALENDS_CONFIG");
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            assert!(output.status.success());
        }
        turn += 1;
    }
    turn
}

/// Who follows a home by pages, and what they believe to be there.
struct Syncer {
    client: Client,
    home: String,
    state: BTreeMap<String, String>,
    token: String,
    pages: usize,
}

impl Syncer {
    async fn new(server: &Server, user: &str) -> Self {
        // Nothing is told of groups: these stay as they were told last.
        let client = server.client(user).await;
        let home = format!("/dav/calendars/{user}/");
        Self { client, home, state: BTreeMap::new(), token: String::new(), pages: 0 }
    }

    /// Reads one page, which names nothing twice; whether there is more.
    async fn turn(&mut self) -> bool {
        self.pages += 1;
        let answer = self.client.sync_home(&self.home, &self.token, "infinite", Some(7)).await;
        let Page { changed, gone, token, cut } = match answer {
            Ok(page) => page,
            Err(answer) => {
                assert_eq!(answer.condition().as_deref(), Some("D:valid-sync-token"), "{}", answer.text());
                self.state.clear();
                self.token.clear();
                return true;
            }
        };
        let mut named: Vec<&String> = changed.iter().map(|(href, _)| href).chain(&gone).collect();
        let count = named.len();
        named.sort();
        named.dedup();
        assert!(named.len() == count && count <= 7, "{changed:?} {gone:?}");
        for gone in &gone {
            self.state.retain(|href, _| href != gone && !(gone.ends_with('/') && href.starts_with(gone)));
        }
        self.state.extend(changed);
        self.token = token;
        cut
    }

    /// Compares what was heard with what is there.
    async fn compare(mut self) {
        while self.turn().await {}
        let collections = self.client.collections(&self.home).await;
        let mut there: BTreeMap<String, String> = collections.clone().into_iter().collect();
        for (href, _) in &collections {
            there.extend(self.client.members(href).await);
        }
        let beyond = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
            let more = one.iter().filter(|(href, tag)| other.get(*href) != Some(*tag));
            more.map(|(href, tag)| format!("{href} {tag}")).collect::<Vec<_>>()
        };
        let (unheard, past) = (beyond(&there, &self.state), beyond(&self.state, &there));
        assert!(unheard.is_empty() && past.is_empty(), "unheard {unheard:?}, past {past:?}");
        assert!(!self.turn().await && self.pages > 10, "{} pages", self.pages);
    }
}

async fn follow(server: Arc<Server>, user: &'static str, over: Arc<AtomicBool>) -> Syncer {
    let mut syncer = Syncer::new(&server, user).await;
    while !over.load(Relaxed) {
        syncer.turn().await;
    }
    syncer
}

/// What must never be, each a question whose answer is no row: 2 is DAV:read, 4 is CALDAV:read-free-busy.
const NEVER: &[(&str, &str)] = &[
    (
        "seen without a calendar",
        "SELECT b.home_id, b.name FROM bind b LEFT JOIN calendar c ON c.home_id = b.owner_home_id AND c.id = b.calendar_id
         WHERE c.id IS NULL OR c.trashed IS NOT NULL",
    ),
    (
        "seen without leave",
        "SELECT b.home_id, b.name FROM bind b JOIN principal p ON p.id = b.home_id
         WHERE b.owner_home_id <> b.home_id AND NOT EXISTS (
             SELECT FROM invite i JOIN ace a ON a.home_id = i.home_id AND a.calendar_id = i.calendar_id
             WHERE i.home_id = b.owner_home_id AND i.calendar_id = b.calendar_id AND i.principal_id = p.id AND i.status = 1
               AND a.privileges & 2 <> 0 AND (a.principal_id = p.id OR a.group_name = ANY (p.groups)))",
    ),
    (
        "accepted, and not seen",
        "SELECT i.principal_id, p.name FROM invite i JOIN principal p ON p.id = i.principal_id
         WHERE i.status = 1 AND EXISTS (
             SELECT FROM ace a WHERE a.home_id = i.home_id AND a.calendar_id = i.calendar_id AND a.privileges & 2 <> 0
               AND (a.principal_id = p.id OR a.group_name = ANY (p.groups)))
           AND NOT EXISTS (SELECT FROM bind b
                           WHERE b.home_id = p.id AND b.owner_home_id = i.home_id AND b.calendar_id = i.calendar_id)",
    ),
    (
        "in an invited group, and not invited",
        "SELECT p.id, p.name FROM invite i JOIN principal p ON p.groups @> ARRAY[i.group_name]
         WHERE p.id <> i.home_id AND p.disabled IS NULL AND NOT EXISTS (
             SELECT FROM invite o WHERE o.home_id = i.home_id AND o.calendar_id = i.calendar_id AND o.principal_id = p.id)",
    ),
    (
        "invited through a group, and in none",
        "SELECT p.id, p.name FROM invite m JOIN principal p ON p.id = m.principal_id
         WHERE m.member AND NOT EXISTS (
             SELECT FROM invite i WHERE i.home_id = m.home_id AND i.calendar_id = m.calendar_id AND i.group_name = ANY (p.groups))",
    ),
    (
        "granted, and not invited",
        "SELECT a.home_id, a.calendar_id::text FROM ace a
         WHERE a.calendar_id <> 0 AND a.grantee IN (0, 1) AND a.privileges & 4 <> 0 AND NOT EXISTS (
             SELECT FROM invite i WHERE i.home_id = a.home_id AND i.calendar_id = a.calendar_id AND NOT i.member
               AND (i.principal_id = a.principal_id OR i.group_name = a.group_name))",
    ),
    (
        "invited, and not granted",
        "SELECT i.home_id, i.calendar_id::text FROM invite i
         WHERE NOT i.member AND (i.principal_id IS NOT NULL OR i.group_name IS NOT NULL) AND NOT EXISTS (
             SELECT FROM ace a WHERE a.home_id = i.home_id AND a.calendar_id = i.calendar_id
               AND (i.principal_id = a.principal_id OR i.group_name = a.group_name))",
    ),
    (
        "the owner's own guest",
        "SELECT i.home_id, i.calendar_id::text FROM invite i WHERE i.principal_id = i.home_id",
    ),
    (
        "known to be shared, or not",
        "SELECT c.home_id, c.id::text FROM calendar c
         WHERE (c.shared OR c.trashed IS NOT NULL) AND c.shared <> EXISTS (
             SELECT FROM invite i WHERE i.home_id = c.home_id AND i.calendar_id = c.id)",
    ),
    (
        "a list of nothing",
        "SELECT a.home_id, a.calendar_id::text FROM ace a
         LEFT JOIN calendar c ON c.home_id = a.home_id AND c.id = a.calendar_id
         WHERE a.calendar_id > 0 AND (c.id IS NULL OR c.trashed IS NOT NULL)",
    ),
    (
        "said of what is not there",
        "SELECT p.home_id, p.local FROM property p WHERE p.calendar_id > 0
         AND NOT EXISTS (SELECT FROM calendar c WHERE c.home_id = p.home_id AND c.id = p.calendar_id)
         AND NOT EXISTS (SELECT FROM bind b WHERE b.home_id = p.home_id AND b.calendar_id = p.calendar_id)",
    ),
];

/// What is true of a database whoever was at it.
async fn holds(server: &Server) {
    for (what, question) in NEVER {
        let rows = server.db.pool.rows(&sql(question), &[]).await.unwrap();
        let found: Vec<(i64, String)> =
            rows.iter().map(|row| (row.at(0).unwrap(), row.at(1).unwrap())).collect();
        assert!(found.is_empty(), "{what}: {found:?}");
    }
}

/// How often the server of the database has ended a wait of each for the other, by its log.
async fn deadlocks(server: &Server) -> usize {
    let log = sql("SELECT pg_read_file(pg_current_logfile())");
    let log: String = server.db.pool.row(&log, &[]).await.unwrap().at(0).unwrap();
    log.matches("deadlock detected").count()
}

async fn crowd(writers: usize, lasting: Duration) {
    server::tell_errors();
    let server = Arc::new(Server::start(telling).await);
    for user in PEOPLE.iter().copied().chain(["ghost"]) {
        let mut client = person(&server, user).await;
        let made = client.ask(&format!("MKCALENDAR /dav/calendars/{user}/team/"), &[], "").await;
        assert_eq!(made.status, 201);
    }
    let before = deadlocks(&server).await;
    let over = Arc::new(AtomicBool::new(false));
    let followers: Vec<_> = PEOPLE[..3]
        .iter()
        .map(|user| tokio::spawn(follow(Arc::clone(&server), user, Arc::clone(&over))))
        .collect();
    let mut at_work: Vec<_> =
        (0..writers).map(|nth| tokio::spawn(busy(Arc::clone(&server), nth, Arc::clone(&over)))).collect();
    at_work.push(tokio::spawn(operate(Arc::clone(&server), Arc::clone(&over))));
    let begin = Instant::now();
    while begin.elapsed() < lasting && !at_work.iter().any(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    over.store(true, Relaxed);
    let turns: Vec<usize> = join_all(at_work).await.into_iter().map(Result::unwrap).collect();
    assert!(turns.iter().all(|turns| *turns > 1), "{turns:?}");
    assert_eq!(deadlocks(&server).await, before, "waits of each for the other");
    holds(&server).await;
    for syncer in join_all(followers).await {
        syncer.unwrap().compare().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_shares_with_each_other_sees_what_is_granted_and_hears_of_all_of_it() {
    crowd(8, Duration::from_secs(12)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make soak"]
async fn a_crowd_may_go_on_for_minutes() {
    crowd(16, Duration::from_mins(3)).await;
}
