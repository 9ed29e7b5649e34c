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
use uuid::Uuid;

use crate::{
    config::Settings,
    db::{self, Heard, Pool},
    front::{Authorizer, Question, Reply, Response, Status, header, spell},
    model::Scope,
};

use super::store::password;

/// The path at which nginx asks.
pub const PATH: &str = "/internal/auth/check";
/// How long what is right is remembered.
const FRESH: Duration = Duration::from_mins(1);
/// How many are remembered, and of how many places it is counted what they got wrong; beyond it all are forgotten.
const MOST: usize = 20_000;
/// How often it is written down what was used.
const NOTED: Duration = Duration::from_secs(10);
/// Wrong passwords for one name from one address, and for all names from it, until others have to wait.
const PATIENT: (u32, u32) = (5, 50);
/// The longest wait, and how long a wrong one counts.
const LONGEST_WAIT: u64 = 60;
const FORGIVEN: Duration = Duration::from_mins(10);
/// What a new one is spelt with: no letters that look like others.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// What comes of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The value that names the user and how far the password reaches.
    Right(String),
    /// It is none.
    Wrong,
    /// Too many were wrong: seconds until another is looked at.
    Later(u64),
    /// It cannot be told now.
    Unknown,
}

/// Who checks.
pub struct Checker {
    settings: Arc<Settings>,
    pool: Pool,
    memory: Mutex<Memory>,
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
    pub fn start(settings: Arc<Settings>, pool: Pool) -> Arc<Self> {
        let checker = Arc::new(Self {
            settings,
            pool,
            memory: Mutex::default(),
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

    /// Whether that password is that user's, and how far it reaches. What is wrong makes others wait who come from the same
    /// address with the same name, and with time all from there; nobody else, and never who is right and was so just now.
    pub async fn check(&self, question: &Question) -> Verdict {
        let Some(name) = std::str::from_utf8(&question.user)
            .ok()
            .and_then(|name| spell(&self.settings.identity, name).ok())
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
        if let Some(wait) = self.wait(address, &name, Instant::now()) {
            return Verdict::Later(wait);
        }
        let found = match password::by_hash(&self.pool, &hash).await {
            Ok(found) => found.filter(|found| found.name == name),
            Err(error) => {
                tracing::error!(%error, "no password can be checked");
                return Verdict::Unknown;
            }
        };
        let right = found.and_then(|found| {
            let scope = Scope {
                credential: found.id.to_string(),
                read_only: found.read_only,
                calendars: found.calendars,
            };
            let value = scope.spell(&name)?;
            Some(Right {
                id: found.id,
                name: found.name,
                value,
                since: Instant::now(),
                expires: found.expires,
            })
        });
        let Some(right) = right else {
            self.was_wrong(address, &name, Instant::now());
            tracing::info!(client = %address, user = name, "a password was wrong");
            return Verdict::Wrong;
        };
        self.use_of(right.id, address);
        let mut memory = self.memory();
        memory.wrong.remove(&(address, name));
        // Whoever forgets counts first, and waits for this memory then.
        if self.hears.load(SeqCst) && self.heard.load(SeqCst) == before {
            make_room(&mut memory.right);
            memory.right.insert(hash, right.clone());
        }
        Verdict::Right(right.value)
    }

    fn remembered(&self, hash: &[u8; 32], name: &str) -> Option<Right> {
        let memory = self.memory();
        let right = memory.right.get(hash).filter(|right| right.name == name)?;
        let lives = right.expires.is_none_or(|expires| expires > SystemTime::now());
        (lives && right.since.elapsed() < FRESH && self.hears.load(SeqCst)).then(|| right.clone())
    }

    fn use_of(&self, id: Uuid, address: IpAddr) {
        self.memory().used.insert(id, (SystemTime::now(), address.to_string()));
    }

    /// How many seconds it is until another password is looked at.
    fn wait(&self, address: IpAddr, name: &str, now: Instant) -> Option<u64> {
        let memory = self.memory();
        let wait = |name: &str, patient| memory.wrong.get(&(address, name.to_owned()))?.wait(patient, now);
        wait(name, PATIENT.0).max(wait("", PATIENT.1))
    }

    fn was_wrong(&self, address: IpAddr, name: &str, now: Instant) {
        let mut memory = self.memory();
        make_room(&mut memory.wrong);
        for name in [name, ""] {
            let wrong =
                memory.wrong.entry((address, name.to_owned())).or_insert(Wrong { times: 0, last: now });
            let times = if now.duration_since(wrong.last) < FORGIVEN { wrong.times } else { 0 };
            *wrong = Wrong { times: times.saturating_add(1), last: now };
        }
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
            Verdict::Unknown => Reply { status: "503 Service Unavailable", head: Vec::new() },
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
}
