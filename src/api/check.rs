//! THE CHECK of passwords for single programs, for both doors: nginx asks over HTTP, Apache over `FastCGI`. What is right is
//! remembered for a moment, as long as it is heard at once when one is revoked (docs/decisions/0033).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant, SystemTime},
};

use sha2::{Digest, Sha256};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use uuid::Uuid;

use crate::{
    config::Settings,
    db::{self, Heard, Pool},
    front::{Authorizer, Question, Reply, Response, Status, header, spell},
    model::Scope,
};

use super::{
    caldav::CalDav,
    error::{Error, Result},
    store::password,
    throttle::place,
    users::PRINCIPAL,
};

/// The path at which nginx asks.
pub const PATH: &str = "/internal/auth/check";
/// How long what is right is remembered.
const FRESH: Duration = Duration::from_mins(1);
/// How many are remembered, and of how many places it is counted what they got wrong; beyond it all are forgotten.
const MOST: usize = 20_000;
/// How often it is written down what was used.
const NOTED: Duration = Duration::from_secs(10);
/// Wrong passwords for one name from one address, and for all names from it, until more of them have to wait.
const PATIENT: (u32, u32) = (5, 50);
/// The longest wait, and how long a wrong one counts.
const LONGEST_WAIT: u64 = 60;
const FORGIVEN: Duration = Duration::from_mins(10);
/// How many stand in line who come from where too many were wrong, and for how long.
const IN_LINE: usize = 16;
const LONGEST_LINE: Duration = Duration::from_secs(2);
/// What a new one is spelt with: no letters that look like others.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What comes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The value that names the user and how far the password reaches.
    Right(String),
    /// It is none.
    Wrong,
    /// It is none, and too many were: seconds until the next should be tried.
    Later(u64),
    /// It cannot be told now.
    Unknown,
}

/// Who checks.
pub struct Checker {
    settings: Arc<Settings>,
    pool: Pool,
    caldav: CalDav,
    memory: Mutex<Memory>,
    /// Where those stand, one behind the other, who come from where too many were wrong, and whose turn it is.
    line: Semaphore,
    turn: Semaphore,
    /// Whether it is heard at once when one is revoked.
    hears: AtomicBool,
    /// Goes up whenever something was heard: what was looked up before is not remembered then.
    heard: AtomicU64,
}

#[derive(Default)]
struct Memory {
    right: HashMap<[u8; 32], Right>,
    wrong: HashMap<(IpAddr, String), Wrong>,
    used: HashMap<Uuid, (SystemTime, String)>,
}

#[derive(Clone)]
struct Right {
    id: Uuid,
    name: String,
    value: String,
    since: Instant,
    expires: Option<SystemTime>,
}

#[derive(Clone, Copy)]
struct Wrong {
    times: u32,
    last: Instant,
}

/// A new password, 140 random bits in groups, and its hash.
#[must_use]
pub fn fresh() -> (String, [u8; 32]) {
    let (one, other) = (Uuid::new_v4(), Uuid::new_v4());
    // The seventh octet says in bits that are used here what kind of number it is.
    let octets = [one, other].into_iter().flat_map(|id| id.into_bytes().into_iter().enumerate());
    let random = octets.filter(|(place, _)| *place != 6).map(|(_, octet)| octet);
    let mut secret = String::new();
    for (place, octet) in random.take(28).enumerate() {
        if place > 0 && place % 4 == 0 {
            secret.push('-');
        }
        secret.push(char::from(ALPHABET[usize::from(octet & 31)]));
    }
    let hash = hash(secret.as_bytes());
    (secret, hash)
}

/// The hash of a password, which people type with and without the lines between the groups, and programs of telephones with
/// a capital letter.
fn hash(secret: &[u8]) -> [u8; 32] {
    let plain = secret.iter().filter(|octet| !b"- ".contains(octet));
    let plain: Vec<u8> = plain.map(u8::to_ascii_lowercase).collect();
    Sha256::digest(plain).into()
}

impl Checker {
    /// One that writes down what was used, and hears what is revoked, as long as somebody holds it; to be called within the
    /// runtime.
    #[must_use]
    pub fn start(settings: Arc<Settings>, pool: Pool, caldav: CalDav) -> Arc<Self> {
        let checker = Arc::new(Self {
            settings,
            pool,
            caldav,
            memory: Mutex::default(),
            line: Semaphore::new(IN_LINE),
            turn: Semaphore::new(1),
            hears: AtomicBool::new(false),
            heard: AtomicU64::new(0),
        });
        tokio::spawn(note(Arc::downgrade(&checker)));
        let (database, listener) = (checker.settings.database.clone(), Arc::downgrade(&checker));
        tokio::spawn(async move {
            let told = |heard| {
                if let Some(checker) = listener.upgrade() {
                    checker.hear(heard);
                }
            };
            let gone = async {
                while listener.strong_count() > 0 {
                    tokio::time::sleep(NOTED).await;
                }
            };
            tokio::select! {
                () = db::listen(&database, password::REVOKED, told) => {}
                () = gone => {}
            }
        });
        checker
    }

    fn hear(&self, heard: Heard) {
        self.hears.store(heard != Heard::Closed, SeqCst);
        self.forget();
    }

    /// What was right is looked up again.
    pub fn forget(&self) {
        self.heard.fetch_add(1, SeqCst);
        self.memory().right.clear();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether that password is that user's, and how far it reaches. Of those who come from where too many were wrong one at a
    /// time is looked up, and who is wrong is told to wait: who is right gets in all the same, so nobody can shut anybody out.
    pub async fn check(&self, question: &Question) -> Verdict {
        let Some(name) = std::str::from_utf8(&question.user)
            .ok()
            .and_then(|name| spell(&self.caldav.identity(), name).ok())
            .filter(|_| !question.password.is_empty() && question.password.len() <= 256)
        else {
            return Verdict::Wrong;
        };
        let hash = hash(&question.password);
        let address = question.address.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let before = self.heard.load(SeqCst);
        if let Some(right) = self.remembered(&hash, &name) {
            self.use_of(right.id, address);
            return Verdict::Right(right.value);
        }
        let wait = self.memory().wait(address, &name, Instant::now());
        let turn = match wait {
            None => None,
            Some(wait) => match self.in_line().await {
                None => return Verdict::Later(wait),
                turn => turn,
            },
        };
        let found = self.look_up(&hash, &name).await;
        drop(turn);
        let right = match found {
            Ok(Some(right)) => right,
            Ok(None) => {
                self.memory().was_wrong(address, &name, Instant::now());
                tracing::info!(peer = %address, user = name, "a password was wrong");
                return wait.map_or(Verdict::Wrong, Verdict::Later);
            }
            Err(error) => {
                tracing::error!(?error, "no password can be checked");
                return Verdict::Unknown;
            }
        };
        self.use_of(right.id, address);
        let mut memory = self.memory();
        memory.wrong.remove(&(place(address), name));
        // Whoever forgets counts first, and waits for this memory then.
        if self.hears.load(SeqCst) && self.heard.load(SeqCst) == before {
            make_room(&mut memory.right);
            memory.right.insert(hash, right.clone());
        }
        Verdict::Right(right.value)
    }

    /// Waits until nobody else is looked up who comes from where too many were wrong; none where there are too many of those.
    async fn in_line(&self) -> Option<(SemaphorePermit<'_>, SemaphorePermit<'_>)> {
        let place = self.line.try_acquire().ok()?;
        let turn = timeout(LONGEST_LINE, self.turn.acquire()).await.ok()?.ok()?;
        Some((place, turn))
    }

    /// What there is of that hash, if it is for somebody of that name: the one that they were last seen with, or the one that
    /// they have by now.
    async fn look_up(&self, hash: &[u8; 32], name: &str) -> Result<Option<Right>> {
        let since = Instant::now();
        let Some(found) = password::by_hash(&self.pool, hash).await? else { return Ok(None) };
        let (person, credential) = (found.person, found.id.to_string());
        let scope = Scope { person, credential, read_only: found.read_only, calendars: found.calendars };
        if found.name != name {
            if !self.is_called(&scope, name).await? {
                return Ok(None);
            }
            if !self.settings.server.read_only {
                password::called(&self.pool, person, name).await?;
            }
        }
        let right = |value| {
            let (id, name) = (found.id, name.to_owned());
            Right { id, name, value, since, expires: found.expires }
        };
        Ok(scope.spell(name).map(right))
    }

    /// Whether whose the password is has that name by now. CalDAV knows, which believes no value of two people.
    async fn is_called(&self, scope: &Scope, name: &str) -> Result<bool> {
        // Without such a kind of sign-in it would be asked as anybody of that name.
        if self.caldav.identity().credential_types.is_empty() {
            return Ok(false);
        }
        let scope = Scope { read_only: true, calendars: None, ..scope.clone() };
        let id = Uuid::now_v7().to_string();
        let caldav = self.caldav.reading(name, &scope, &id)?;
        match caldav.propfind(caldav.service().base(), 0, &[PRINCIPAL]).await {
            Ok(_) => Ok(true),
            Err(Error::Refused(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn remembered(&self, hash: &[u8; 32], name: &str) -> Option<Right> {
        let memory = self.memory();
        let right = memory.right.get(hash).filter(|right| right.name == name)?;
        let lives = right.lives(Instant::now(), SystemTime::now());
        (lives && self.hears.load(SeqCst)).then(|| right.clone())
    }

    fn use_of(&self, id: Uuid, address: IpAddr) {
        self.memory().used.insert(id, (SystemTime::now(), address.to_string()));
    }

    /// What nginx is answered, which takes every status but 2xx, 401 and 403 for a fault.
    pub async fn answer(&self, question: Option<&Question>) -> Response {
        let verdict = match question {
            Some(question) => self.check(question).await,
            None => Verdict::Wrong,
        };
        let asking = || {
            let answer = Response::new(Status::UNAUTHORIZED);
            answer.with(header::WWW_AUTHENTICATE, CHALLENGE)
        };
        match verdict {
            Verdict::Right(value) => Response::new(Status::NO_CONTENT).with(USER, value),
            Verdict::Wrong => asking(),
            Verdict::Later(wait) => asking().with(header::RETRY_AFTER, wait.to_string()),
            Verdict::Unknown => Response::new(Status::SERVICE_UNAVAILABLE).with(header::RETRY_AFTER, "5"),
        }
    }
}

const CHALLENGE: &str = "Basic realm=\"kalends\"";
const USER: header::HeaderName = header::HeaderName::from_static("x-auth-user");

impl Authorizer for Checker {
    async fn authorize(&self, question: Question) -> Reply {
        match self.check(&question).await {
            Verdict::Right(value) => {
                Reply { status: "200 OK", head: vec![("Variable-KALENDS_PRINCIPAL", value)] }
            }
            Verdict::Wrong => Reply { status: "401 Unauthorized", head: Vec::new() },
            Verdict::Later(wait) => {
                Reply { status: "401 Unauthorized", head: vec![("Retry-After", wait.to_string())] }
            }
            // The one status that mod_authnz_fcgi does not take for a wrong password, beside 200.
            Verdict::Unknown => Reply { status: "500 Internal Server Error", head: Vec::new() },
        }
    }
}

impl Right {
    /// Whether it may be believed without a look: for a minute, and not beyond its end.
    fn lives(&self, now: Instant, time: SystemTime) -> bool {
        now.duration_since(self.since) < FRESH && self.expires.is_none_or(|expires| expires > time)
    }
}

impl Memory {
    /// How many seconds it should be until another password is tried.
    fn wait(&self, address: IpAddr, name: &str, now: Instant) -> Option<u64> {
        let wait =
            |name: &str, patient| self.wrong.get(&(place(address), name.to_owned()))?.wait(patient, now);
        wait(name, PATIENT.0).max(wait("", PATIENT.1))
    }

    fn was_wrong(&mut self, address: IpAddr, name: &str, now: Instant) {
        make_room(&mut self.wrong);
        for name in [name, ""] {
            let key = (place(address), name.to_owned());
            let wrong = self.wrong.entry(key).or_insert(Wrong { times: 0, last: now });
            let times = if now.duration_since(wrong.last) < FORGIVEN { wrong.times } else { 0 };
            *wrong = Wrong { times: times.saturating_add(1), last: now };
        }
    }
}

impl Wrong {
    /// The first few cost nothing; from then on the wait doubles with each.
    fn wait(&self, patient: u32, now: Instant) -> Option<u64> {
        let beyond = self.times.checked_sub(patient)?;
        let wait = 2_u64.saturating_pow(beyond).min(LONGEST_WAIT);
        let passed = now.duration_since(self.last).as_secs();
        (passed < wait).then(|| wait - passed)
    }
}

fn make_room<K, V>(map: &mut HashMap<K, V>) {
    if map.len() >= MOST {
        map.clear();
    }
}

/// Writes down from time to time what was used.
async fn note(checker: Weak<Checker>) {
    loop {
        tokio::time::sleep(NOTED).await;
        let Some(checker) = checker.upgrade() else { return };
        let used = std::mem::take(&mut checker.memory().used);
        if used.is_empty() || checker.settings.server.read_only {
            continue;
        }
        let noted: Vec<(Uuid, SystemTime, String)> =
            used.into_iter().map(|(id, (at, from))| (id, at, from)).collect();
        if let Err(error) = password::used(&checker.pool, &noted).await {
            tracing::warn!(%error, "it could not be written down which passwords were used");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_one_is_random_and_typed_in_many_ways() {
        let (secret, made) = fresh();
        assert_eq!(secret.len(), 28 + 6, "{secret}");
        assert_ne!(secret, fresh().0);
        for typed in
            [secret.clone(), secret.replace('-', ""), secret.to_uppercase(), secret.replace('-', " ")]
        {
            assert_eq!(hash(typed.as_bytes()), made);
        }
        // Each sign comes at each place.
        let many: Vec<Vec<u8>> = (0..2000).map(|_| fresh().0.replace('-', "").into_bytes()).collect();
        for place in 0..28 {
            let signs: std::collections::HashSet<u8> = many.iter().map(|secret| secret[place]).collect();
            assert_eq!(signs.len(), 32, "at {place}");
        }
    }

    #[test]
    fn who_is_wrong_waits_longer_each_time() {
        let now = Instant::now();
        let wait = |times, passed| Wrong { times, last: now }.wait(5, now + Duration::from_secs(passed));
        assert_eq!(
            (wait(4, 0), wait(5, 0), wait(5, 1), wait(8, 0), wait(8, 3)),
            (None, Some(1), None, Some(8), Some(5))
        );
        assert_eq!((wait(100, 0), wait(u32::MAX, 59), wait(100, 60)), (Some(60), Some(1), None));
    }

    #[test]
    fn who_is_wrong_is_counted_by_place_and_name() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        (0..5).for_each(|_| memory.was_wrong(at("2001:db8:0:1::5"), "alice", now));
        let waits = |memory: &Memory, address, name| memory.wait(at(address), name, now).is_some();
        assert!(waits(&memory, "2001:db8:0:1:ffff::9", "alice"), "the same network");
        for (address, name) in
            [("2001:db8:0:2::5", "alice"), ("192.0.2.1", "alice"), ("2001:db8:0:1::5", "bob")]
        {
            assert!(!waits(&memory, address, name), "{address} {name}");
        }
        assert_eq!(place(at("::ffff:192.0.2.1")), at("192.0.2.1"));
        (0..50).for_each(|n| memory.was_wrong(at("192.0.2.1"), &format!("name-{n}"), now));
        assert!(waits(&memory, "192.0.2.1", "anybody") && !waits(&memory, "192.0.2.2", "anybody"));
    }

    #[test]
    fn an_attack_finds_no_end_of_memory() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for n in 0..5 * u32::try_from(MOST).unwrap() {
            memory.was_wrong(IpAddr::from((0x0a00_0000 + n).to_be_bytes()), &format!("{n}"), now);
            assert!(memory.wrong.len() <= MOST + 1);
        }
        assert!(memory.wrong.len() > 1000 && memory.right.is_empty() && memory.used.is_empty());
    }

    #[test]
    fn what_is_right_is_believed_for_a_minute_and_not_beyond_its_end() {
        let (since, time) = (Instant::now(), SystemTime::now());
        let right = |expires: Option<u64>| Right {
            id: Uuid::nil(),
            name: String::new(),
            value: String::new(),
            since,
            expires: expires.map(|seconds| time + Duration::from_secs(seconds)),
        };
        let lives = |right: &Right, seconds| {
            let later = Duration::from_secs(seconds);
            right.lives(since + later, time + later)
        };
        assert!(lives(&right(None), 59) && !lives(&right(None), 60));
        assert!(lives(&right(Some(5)), 4) && !lives(&right(Some(5)), 5));
    }
}
