//! Whether somebody is entitled to calendars of their own: another service knows, its word is remembered, and what it said last
//! holds while it is silent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::config::{Fault, Settings};

use super::{Identity, fetch::Remote};

/// People whose answer is remembered; beyond it the half is forgotten of whom nobody has wanted to know for longest.
const MOST: usize = 20_000;
/// How soon a service that was silent is asked again, at the earliest.
const PAUSE: Duration = Duration::from_secs(5);

/// Who asks, and what is remembered.
#[derive(Debug)]
pub struct Entitlements {
    service: Option<Service>,
    known: Mutex<HashMap<String, Place>>,
    /// When it last took all the time that it is given.
    late: Mutex<Option<Instant>>,
}

/// What is remembered of somebody, held by whoever asks so that others wait for the same answer, and when it was last wanted.
#[derive(Debug)]
struct Place {
    known: Arc<tokio::sync::Mutex<Option<Known>>>,
    wanted: Instant,
}

#[derive(Debug)]
struct Service {
    remote: Remote,
    token: String,
    ttl: Duration,
    timeout: Duration,
}

/// What was said of somebody last, and when they were asked after last.
#[derive(Clone, Copy, Debug)]
struct Known {
    said: Option<(bool, Instant)>,
    asked: Instant,
}

impl Entitlements {
    /// Those that the settings name the service of; everybody is entitled where they name none.
    pub fn new(settings: &Settings) -> Result<Self, Fault> {
        let set = &settings.entitlements;
        let service = |url: &str| {
            let remote = Remote::new(("entitlements.url", url), ("entitlements.ca_file", &*set.ca_file))?;
            let token = set.token.reveal().to_owned();
            Ok(Service { remote, token, ttl: *set.ttl, timeout: *set.timeout })
        };
        let service = set.url.as_ref().map(|url| service(url.as_str())).transpose()?;
        Ok(Self { service, known: Mutex::default(), late: Mutex::default() })
    }

    /// Whether there is somebody to ask.
    #[must_use]
    pub fn are_asked(&self) -> bool {
        self.service.is_some()
    }

    /// Whether somebody is entitled; none where nobody can tell, and nobody ever could. They are asked after by the address that
    /// the proxy tells, or the one that is kept of them: a password of a program comes with none, and is the same person's.
    pub async fn of(&self, identity: &Identity, kept: Option<&str>) -> Option<bool> {
        let Some(service) = &self.service else { return Some(true) };
        let address = identity.email.as_deref().or(kept).or(identity.spare_email.as_deref());
        let account = address.unwrap_or(&identity.user);
        // Of one person it is asked once at a time.
        let place = self.place(account);
        let mut place = place.lock().await;
        if let Some(known) = place.filter(|known| known.holds(service.ttl, Instant::now())) {
            return known.word();
        }
        let before = place.and_then(|known| known.said);
        if self.is_late(service.ttl) {
            return before.map(|(word, _)| word);
        }
        let began = Instant::now();
        let said = service.ask(account).await;
        let now = Instant::now();
        if let Err(why) = &said {
            tracing::warn!(%why, "the service of entitlements does not answer: what it said last holds");
        }
        let late = said.is_err() && now.duration_since(began) >= service.timeout;
        *self.late.lock().unwrap_or_else(PoisonError::into_inner) = late.then_some(now);
        let known = Known { said: said.map_or(before, |word| Some((word, now))), asked: now };
        *place = Some(known);
        known.word()
    }

    fn place(&self, account: &str) -> Arc<tokio::sync::Mutex<Option<Known>>> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut all);
        let fresh = || Place { known: Arc::default(), wanted: Instant::now() };
        let place = all.entry(account.to_owned()).or_insert_with(fresh);
        place.wanted = Instant::now();
        Arc::clone(&place.known)
    }

    /// Whether somebody has just waited for it in vain: others need not do so as well.
    fn is_late(&self, ttl: Duration) -> bool {
        let late = *self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.is_some_and(|since| since.elapsed() < ttl.min(PAUSE))
    }
}

impl Known {
    /// Whether nobody need be asked: it is fresh, or who was asked a moment ago said nothing.
    fn holds(&self, ttl: Duration, now: Instant) -> bool {
        let within = |since, time| now.saturating_duration_since(since) < time;
        self.said.is_some_and(|(_, since)| within(since, ttl)) || within(self.asked, ttl.min(PAUSE))
    }

    fn word(&self) -> Option<bool> {
        self.said.map(|(word, _)| word)
    }
}

impl Service {
    async fn ask(&self, account: &str) -> Result<bool, String> {
        let body =
            self.remote.ask(&question(self.remote.target(), account), &self.token, self.timeout).await?;
        read(&body)
    }
}

/// Path and query of a question after somebody.
fn question(target: &str, account: &str) -> String {
    let joint = if target.contains('?') { '&' } else { '?' };
    format!("{target}{joint}account_email={}", utf8_percent_encode(account, NON_ALPHANUMERIC))
}

/// What an answer says: nobody is entitled of whom it does not say so.
fn read(body: &[u8]) -> Result<bool, String> {
    let said: Value =
        serde_json::from_slice(body).map_err(|error| format!("its answer is no JSON: {error}"))?;
    if !said.is_object() {
        return Err("its answer is no object".to_owned());
    }
    Ok(said["entitlements"]["can_access"] == Value::Bool(true))
}

fn make_room(all: &mut HashMap<String, Place>) {
    if all.len() < MOST {
        return;
    }
    let mut times: Vec<Instant> = all.values().map(|place| place.wanted).collect();
    let (_, middle, _) = times.select_nth_unstable(MOST / 2);
    let middle = *middle;
    all.retain(|_, place| place.wanted > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_entitled_of_whom_it_is_not_said() {
        assert_eq!(read(br#"{"entitlements": {"can_access": true, "more": 1}}"#), Ok(true));
        for body in [
            r#"{"entitlements": {"can_access": false}}"#,
            r#"{"entitlements": {"can_access": "true"}}"#,
            r#"{"entitlements": {"can_access": 1}}"#,
            r#"{"entitlements": {"can_access": null}}"#,
            r#"{"entitlements": {}}"#,
            r#"{"entitlements": []}"#,
            r#"{"entitlements": null}"#,
            r#"{"can_access": true}"#,
            "{}",
        ] {
            assert_eq!(read(body.as_bytes()), Ok(false), "{body}");
        }
        for body in ["", "true", "[]", "null", "{", "<html>"] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn an_address_cannot_ask_after_another() {
        assert_eq!(question("/e", "a@b.org"), "/e?account_email=a%40b%2Eorg");
        assert_eq!(
            question("/e?x=1", "a&account_email=b#\r\n"),
            "/e?x=1&account_email=a%26account%5Femail%3Db%23%0D%0A"
        );
    }

    #[test]
    fn what_is_said_holds_for_its_time_and_silence_for_a_moment() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let ttl = Duration::from_mins(5);
        let fresh = Known { said: Some((false, start)), asked: start };
        assert_eq!((fresh.holds(ttl, at(299)), fresh.holds(ttl, at(300))), (true, false));
        let stale = Known { said: Some((true, start)), asked: at(1000) };
        assert_eq!((stale.holds(ttl, at(1004)), stale.holds(ttl, at(1005))), (true, false));
        assert_eq!(stale.word(), Some(true));
        let unknown = Known { said: None, asked: start };
        assert_eq!(
            (unknown.holds(ttl, at(4)), unknown.holds(ttl, at(5)), unknown.word()),
            (true, false, None)
        );
    }

    #[test]
    fn many_people_do_not_fill_the_memory() {
        let start = Instant::now();
        let mut all = HashMap::new();
        for number in 0..MOST as u64 + 10 {
            make_room(&mut all);
            let wanted = start + Duration::from_millis(number);
            all.insert(number.to_string(), Place { known: Arc::default(), wanted });
        }
        assert!(all.len() <= MOST / 2 + 10 && all.contains_key(&(MOST + 9).to_string()), "{}", all.len());
    }
}
