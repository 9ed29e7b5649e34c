//! The second lock: an ID or access token that the proxy forwards, verified offline, says once more who is asking
//! (RFC 7519, RFC 9068, `OpenID` Connect Core §3.1.3.7). No part of a token leaves this file but the names in it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde_json::{Map, Value};

use crate::config::{self, Fault, Required};
use crate::front::identity::Denial;
use crate::front::keys::{Keys, Missing};
use crate::front::{signature, text};

/// The algorithms of signatures that are taken: those of public keys, and never `none` or a shared secret.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a token's header may call it (RFC 9068 §2.1; Keycloak's access tokens are called JWT).
const KINDS: &[&str] = &["jwt", "application/jwt", "at+jwt", "application/at+jwt"];

/// What Keycloak's claim `typ` calls the tokens that tell of a person who has signed in.
const CLAIMED_KINDS: &[&str] = &["bearer", "id"];

/// Seconds that the provider's clock may be ahead, however long tokens are taken after their end.
const AHEAD: u64 = 60;

/// How tokens are checked.
#[derive(Debug)]
pub(super) struct Lock {
    header: HeaderName,
    keys: Arc<Keys>,
    rules: config::Token,
}

/// What a token says that is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// The user's name, as it stands in the token.
    pub(super) user: String,
    /// The provider's lasting key of the person.
    pub(super) subject: Option<String>,
}

impl Lock {
    /// The lock of these settings; none where it is off. It goes on with the keys of the lock `before` it, where they
    /// come from the same place.
    pub(super) fn new(rules: &config::Token, before: Option<&Self>) -> Result<Option<Self>, Fault> {
        let Some(name) = rules.header.name() else { return Ok(None) };
        let fault = |_| Fault::new("token.header", format!("names a header {name:?} that cannot be"));
        let header = name.parse::<HeaderName>().map_err(fault)?;
        signature::install();
        let same = before.filter(|before| {
            let source =
                |token: &config::Token| (token.keys_url.clone(), token.ca_file.clone(), token.keys_age);
            rules.keys_url.is_some() && source(rules) == source(&before.rules)
        });
        let keys = if let Some(before) = same {
            before.keys.renew();
            Arc::clone(&before.keys)
        } else {
            Keys::new(rules)?
        };
        Ok(Some(Self { header, keys, rules: rules.clone() }))
    }

    /// The header that tokens come in.
    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// How many keys there are to check tokens with.
    pub(super) async fn keys(&self) -> Result<usize, Fault> {
        self.keys.count().await
    }

    /// What the token of a request proves; nothing when there is none and none is needed.
    pub(super) async fn prove(&self, headers: &HeaderMap) -> Result<Option<Proof>, Denial> {
        let refused = Denial::Malformed;
        let mut sent = headers.get_all(&self.header).iter();
        let first = sent.next().map(|value| bare(value.as_bytes())).filter(|token| !token.is_empty());
        if sent.next().is_some() {
            return Err(refused("a token twice"));
        }
        let Some(token) = first else {
            let needed = self.rules.required == Required::Always;
            return if needed { Err(refused("no token, and token.required is always")) } else { Ok(None) };
        };
        let header = read_header(token).map_err(refused)?;
        let key = self.keys.find(&header).await.map_err(|missing| match missing {
            Missing::All => {
                Denial::Undecided("a token, but no keys yet: token.keys_url has not been reached")
            }
            Missing::This => refused("a token signed by a key that the provider does not show"),
        })?;
        let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &signature_alone(header.alg));
        let claims = claims.map_err(|error| refused(explain(error.kind())))?.claims;
        self.check(&claims, now()).map(Some).map_err(refused)
    }

    /// Holds the claims of a token whose signature is right against the rules.
    fn check(&self, claims: &Map<String, Value>, now: u64) -> Result<Proof, &'static str> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let leeway = self.rules.leeway.as_secs();
        let end = seconds(claims.get("exp"))?.ok_or("a token without an end")?;
        if now >= end.saturating_add(leeway) {
            return Err("a token that has expired");
        }
        if seconds(claims.get("nbf"))?.is_some_and(|start| now.saturating_add(leeway.min(AHEAD)) < start) {
            return Err("a token that is not valid yet");
        }
        if text("iss") != Some(&self.rules.issuer) {
            return Err("a token of another issuer");
        }
        let ours = |audience: &Value| {
            audience.as_str().is_some_and(|name| self.rules.audience.iter().any(|ours| ours == name))
        };
        if !claims
            .get("aud")
            .is_some_and(|aud| aud.as_array().map_or_else(|| ours(aud), |all| all.iter().any(ours)))
        {
            return Err("a token for another audience");
        }
        let kind = claims.get("typ").map(|kind| kind.as_str().unwrap_or_default().to_ascii_lowercase());
        if kind.is_some_and(|kind| !CLAIMED_KINDS.contains(&kind.as_str())) {
            return Err("a token that is neither an ID nor an access token");
        }
        let user = text(&self.rules.user_claim).ok_or("a token without the claim of token.user_claim")?;
        let subject = match claims.get("sub") {
            None => None,
            Some(sub) => {
                let sub =
                    sub.as_str().filter(|sub| !sub.is_empty()).ok_or("a token whose subject is no text")?;
                Some(text::visible(sub.as_bytes())?)
            }
        };
        Ok(Proof { user: user.to_owned(), subject })
    }
}

/// The token without the word that stands before it in an Authorization header.
fn bare(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token.trim_ascii(),
        _ => value,
    }
}

fn read_header(token: &[u8]) -> Result<Header, &'static str> {
    let parts = token.split(|byte| *byte == b'.').count();
    if parts == 5 {
        return Err("a token that is encrypted: have it signed alone");
    }
    if parts != 3 {
        return Err("a token that is no JWT (an opaque one?)");
    }
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| "a token whose header cannot be read, or whose algorithm is none or unknown")?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err("a token whose algorithm is not that of a public key");
    }
    // What must be understood is not understood here, `b64` least of all (RFC 7515 §4.1.11, RFC 7797).
    if header.crit.is_some() {
        return Err("a token with critical extensions");
    }
    let kind = header.typ.as_ref().map(|kind| kind.to_ascii_lowercase());
    match kind {
        Some(kind) if !KINDS.contains(&kind.as_str()) => {
            Err("a token of a type that does not tell who signed in")
        }
        _ => Ok(header),
    }
}

/// The crate checks the signature; what the claims must be is said here, once.
fn signature_alone(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn explain(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::InvalidSignature => "a token whose signature is wrong",
        _ => "a token that cannot be read",
    }
}

/// Seconds since 1970, whole or not.
fn seconds(claim: Option<&Value>) -> Result<Option<u64>, &'static str> {
    let Some(claim) = claim else { return Ok(None) };
    let whole = claim.as_u64().or_else(|| {
        let time = claim.as_f64().filter(|time| (0.0..1e15).contains(time))?;
        // In this range nothing is lost but the parts of a second.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(time as u64)
    });
    whole.map(Some).ok_or("a token with a time that is none")
}

/// The one clock that tokens are held against.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn lock() -> Lock {
        let file = std::env::temp_dir().join(format!("kalends-token-{}.json", uuid::Uuid::new_v4()));
        std::fs::write(&file, r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#).unwrap();
        let rules = config::Token {
            header: config::HeaderName::named("X-Forwarded-Token"),
            keys_file: file.clone(),
            issuer: "https://id.example.org/realms/x".into(),
            audience: vec!["kalends".into(), "calendars".into()],
            ..Default::default()
        };
        let lock = Lock::new(&rules, None).unwrap().unwrap();
        std::fs::remove_file(file).unwrap();
        lock
    }

    /// What becomes of good claims with these in their place; null takes one away.
    fn check(change: Value) -> Result<Proof, &'static str> {
        let mut claims = json!({
            "iss": "https://id.example.org/realms/x", "aud": "kalends", "exp": NOW + 300, "nbf": NOW, "iat": NOW,
            "preferred_username": "alice", "sub": "7f3a",
        });
        let claims = claims.as_object_mut().unwrap();
        let Value::Object(change) = change else { panic!("an object") };
        claims.extend(change);
        claims.retain(|_, value| !value.is_null());
        lock().check(claims, NOW)
    }

    #[test]
    fn good_claims_name_the_user_and_the_subject() {
        let alice = Proof { user: "alice".into(), subject: Some("7f3a".into()) };
        for good in [
            json!({}),
            json!({"aud": ["account", "calendars"]}),
            json!({"exp": NOW - 59}),
            json!({"exp": 1_000_300.5}),
            json!({"nbf": NOW + 60}),
            json!({"nbf": null, "iat": null}),
            json!({"typ": "Bearer"}),
            json!({"typ": "ID", "azp": "another-client"}),
        ] {
            assert_eq!(check(good.clone()), Ok(alice.clone()), "{good}");
        }
        assert_eq!(check(json!({"sub": null})).map(|proof| proof.subject), Ok(None));
    }

    #[test]
    fn what_is_wrong_with_claims_is_told() {
        for (bad, part) in [
            (json!({"exp": null}), "without an end"),
            (json!({"exp": "1000300"}), "time that is none"),
            (json!({"exp": -1}), "time that is none"),
            (json!({"exp": NOW - 60}), "expired"),
            (json!({"nbf": NOW + 61}), "not valid yet"),
            (json!({"nbf": "x"}), "time that is none"),
            (json!({"iss": null}), "another issuer"),
            (json!({"iss": "https://id.example.org/realms/x/"}), "another issuer"),
            (json!({"iss": ["https://id.example.org/realms/x"]}), "another issuer"),
            (json!({"aud": null}), "another audience"),
            (json!({"aud": "account"}), "another audience"),
            (json!({"aud": []}), "another audience"),
            (json!({"aud": ["Kalends", 7]}), "another audience"),
            (json!({"typ": "Logout"}), "neither"),
            (json!({"typ": "Refresh"}), "neither"),
            (json!({"typ": 7}), "neither"),
            (json!({"preferred_username": null}), "token.user_claim"),
            (json!({"preferred_username": ["alice"]}), "token.user_claim"),
            (json!({"sub": ""}), "subject"),
            (json!({"sub": 7}), "subject"),
            (json!({"sub": "a\u{202e}b"}), "direction-changing"),
        ] {
            let why = check(bad.clone()).unwrap_err();
            assert!(why.contains(part), "{bad}: {why}");
        }
    }

    #[test]
    fn a_token_may_come_as_it_stands_in_authorization() {
        for value in ["a.b.c", "Bearer a.b.c", "bearer  a.b.c", " a.b.c "] {
            assert_eq!(bare(value.as_bytes()), b"a.b.c", "{value}");
        }
        assert_eq!(bare(b"Bearer"), b"Bearer");
        assert_eq!(bare(b""), b"");
    }
}
