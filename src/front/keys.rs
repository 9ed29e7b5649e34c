//! The keys of the identity provider (JWKS, RFC 7517): read from a file, or fetched, kept, and fetched again before
//! they age or when a token names one that is not among them.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::{Fault, Page, Token};
use crate::front::fetch::Remote;

/// The least time between two fetches that unknown keys ask for.
const PAUSE: Duration = Duration::from_secs(10);
/// The time after which a fetch that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// The keys, as they are now.
#[derive(Debug)]
pub(super) struct Keys {
    set: RwLock<Arc<Set>>,
    remote: Option<Remote>,
    /// When an unknown key last had them fetched; held while they are.
    asked: Mutex<Option<Instant>>,
}

type Set = Vec<Key>;

/// A key that signatures can be checked with.
#[derive(Debug)]
struct Key {
    id: Option<String>,
    fits: Fits,
    /// The one algorithm it is meant for, if it says so.
    only: Option<KeyAlgorithm>,
    decoding: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// No key is known at all: the provider has not been reached yet.
    All,
    /// Not this one.
    This,
}

impl Keys {
    /// Keys from the file or the address in the settings; those that are fetched are kept up by a task of the runtime
    /// that this is called in.
    pub(super) fn new(token: &Token) -> Result<Arc<Self>, Fault> {
        let Some(page) = &token.keys_url else {
            let set = from_file(&token.keys_file).map_err(|text| Fault::new("token.keys_file", text))?;
            return Ok(Arc::new(Self::holding(set, None)));
        };
        let remote = Remote::new(("token.keys_url", page.as_str()), ("token.ca_file", &token.ca_file))?;
        let keys = Arc::new(Self::holding(Set::new(), Some(remote)));
        tokio::spawn(keep_up(Arc::downgrade(&keys), page.clone(), *token.keys_age));
        Ok(keys)
    }

    fn holding(set: Set, remote: Option<Remote>) -> Self {
        Self { set: RwLock::new(Arc::new(set)), remote, asked: Mutex::new(None) }
    }

    /// Has them fetched again soon, as an operator who reloads may expect.
    pub(super) fn renew(self: &Arc<Self>) {
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            if let Some(remote) = &keys.remote {
                let _turn = keys.asked.lock().await;
                keys.fetch(remote).await;
            }
        });
    }

    /// The key that a token's header asks for.
    pub(super) async fn find(&self, header: &Header) -> Result<DecodingKey, Missing> {
        let seen = self.set();
        if let Some(key) = pick(&seen, header) {
            return Ok(key);
        }
        if let Some(remote) = &self.remote {
            self.look_again(remote, &seen).await;
        }
        let now = self.set();
        pick(&now, header).ok_or(if now.is_empty() { Missing::All } else { Missing::This })
    }

    /// How many there are, after a look at where they come from.
    pub(super) async fn count(&self) -> Result<usize, Fault> {
        let Some(remote) = &self.remote else { return Ok(self.set().len()) };
        let read = remote.get().await.and_then(|bytes| parse(&bytes));
        let fault =
            |error| Fault::new("token.keys_url", format!("names {remote:?}, which gives no keys: {error}"));
        read.map(|set| set.len()).map_err(fault)
    }

    fn set(&self) -> Arc<Set> {
        Arc::clone(&self.set.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the keys, unless somebody else just has; `seen` are those that did not do.
    async fn look_again(&self, remote: &Remote, seen: &Arc<Set>) {
        let mut asked = self.asked.lock().await;
        let fresh = !Arc::ptr_eq(seen, &self.set());
        if !fresh && asked.is_none_or(|asked| asked.elapsed() >= PAUSE) {
            self.fetch(remote).await;
            *asked = Some(Instant::now());
        }
    }

    /// Fetches the keys; where that fails, those of before stay. Tells whether it did.
    async fn fetch(&self, remote: &Remote) -> bool {
        let read = remote.get().await.and_then(|bytes| parse(&bytes));
        match read {
            Ok(set) => {
                tracing::debug!("{remote:?} gave {} keys", set.len());
                *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
                true
            }
            Err(error) => {
                tracing::warn!("token.keys_url {remote:?} gave no keys, so those of before stay: {error}");
                false
            }
        }
    }
}

/// Fetches the keys at once and then whenever they are old, as long as somebody holds them.
async fn keep_up(keys: Weak<Keys>, page: Page, age: Duration) {
    tracing::debug!("the keys of {page} are kept up");
    while let Some(keys) = keys.upgrade() {
        let Some(remote) = &keys.remote else { return };
        let turn = keys.asked.lock().await;
        let fetched = keys.fetch(remote).await;
        drop(turn);
        let pause = if fetched { age } else { AGAIN.min(age) };
        drop(keys);
        tokio::time::sleep(pause).await;
    }
}

fn from_file(file: &Path) -> Result<Set, String> {
    let told = |error: &dyn std::fmt::Display| format!("names {}, but: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| told(&error))?;
    parse(&bytes).map_err(|error| told(&error))
}

/// The keys of a set that can check signatures; others (for encryption, of unknown kinds) are left out.
fn parse(bytes: &[u8]) -> Result<Set, String> {
    let document: Value = serde_json::from_slice(bytes).map_err(|_| "it is not JSON")?;
    let listed = document.get("keys").and_then(Value::as_array).ok_or("it is no set of keys (JWKS)")?;
    let set: Set = listed.iter().filter_map(|key| Key::read(key.clone())).collect();
    if set.is_empty() { Err("it holds no key for RS, PS, ES or EdDSA signatures".into()) } else { Ok(set) }
}

impl Key {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let fits = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Fits::Rsa,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Fits::P256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => Fits::P384,
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Fits::Ed25519,
            _ => return None,
        };
        let signs =
            jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let verifies =
            jwk.common.key_operations.as_ref().is_none_or(|may| may.contains(&KeyOperations::Verify));
        let decoding = DecodingKey::from_jwk(&jwk).ok().filter(|_| signs && verifies)?;
        Some(Self { id: jwk.common.key_id, fits, only: jwk.common.key_algorithm, decoding })
    }

    fn can(&self, algorithm: Algorithm) -> bool {
        let fits = match algorithm {
            Algorithm::ES256 => self.fits == Fits::P256,
            Algorithm::ES384 => self.fits == Fits::P384,
            Algorithm::EdDSA => self.fits == Fits::Ed25519,
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => self.fits == Fits::Rsa,
            _ => false,
        };
        fits && self.only.is_none_or(|only| only == KeyAlgorithm::from(algorithm))
    }
}

/// The key of that id; for a token that names none, the only one that fits.
fn pick(set: &Set, header: &Header) -> Option<DecodingKey> {
    let mut fitting = set.iter().filter(|key| {
        key.can(header.alg) && header.kid.as_ref().is_none_or(|id| key.id.as_ref() == Some(id))
    });
    let first = fitting.next()?;
    fitting.next().is_none().then(|| first.decoding.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &str = r#"{"keys":[
        {"kty":"RSA","kid":"enc","use":"enc","alg":"RSA-OAEP","n":"AQAB","e":"AQAB"},
        {"kty":"RSA","kid":"rsa","use":"sig","alg":"RS256","n":"AQAB","e":"AQAB"},
        {"kty":"EC","kid":"p256","crv":"P-256","x":"AQAB","y":"AQAB"},
        {"kty":"EC","kid":"p521","crv":"P-521","x":"AQAB","y":"AQAB"},
        {"kty":"OKP","kid":"ed","crv":"Ed25519","x":"AQAB","key_ops":["verify"]},
        {"kty":"OKP","kid":"448","crv":"Ed448","x":"AQAB"},
        {"kty":"oct","kid":"secret","k":"AQAB"},
        {"kty":"new","kid":"new"}, 7]}"#;

    fn header(algorithm: Algorithm, id: Option<&str>) -> Header {
        Header { kid: id.map(str::to_owned), ..Header::new(algorithm) }
    }

    #[test]
    fn a_set_is_read_for_what_can_be_used_of_it() {
        let set = parse(SET.as_bytes()).unwrap();
        let ids: Vec<_> = set.iter().filter_map(|key| key.id.as_deref()).collect();
        assert_eq!(ids, ["rsa", "p256", "ed"]);
        for bad in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AQAB"}]}"#] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_used_for_its_own_algorithm_alone() {
        let set = parse(SET.as_bytes()).unwrap();
        let there = |algorithm, id| pick(&set, &header(algorithm, id)).is_some();
        assert!(there(Algorithm::RS256, Some("rsa")) && there(Algorithm::ES256, Some("p256")));
        assert!(there(Algorithm::EdDSA, Some("ed")) && there(Algorithm::EdDSA, None));
        for (algorithm, id) in [
            (Algorithm::RS512, Some("rsa")),
            (Algorithm::PS256, Some("rsa")),
            (Algorithm::ES384, Some("p256")),
            (Algorithm::ES256, Some("rsa")),
            (Algorithm::HS256, Some("rsa")),
            (Algorithm::HS256, None),
            (Algorithm::RS256, Some("other")),
            (Algorithm::RS256, Some("")),
        ] {
            assert!(!there(algorithm, id), "{algorithm:?} {id:?}");
        }
    }

    #[test]
    fn of_two_that_fit_a_token_must_name_one() {
        let two = SET.replace("p521", "p256b").replace("P-521", "P-256");
        let set = parse(two.as_bytes()).unwrap();
        assert!(pick(&set, &header(Algorithm::ES256, None)).is_none());
        assert!(pick(&set, &header(Algorithm::ES256, Some("p256b"))).is_some());
    }
}
