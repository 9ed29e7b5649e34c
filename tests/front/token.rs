//! The second lock from outside: which tokens are believed, whose they must be, and where their keys come from.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kalends::config::{HeaderName, Level, Log, Required, Settings, Span};
use kalends::observe;
use ring::hmac;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::ask;
use crate::echo::{Server, until};
use crate::pki::{EC, ED, PSS, Pki, ROTATED, RSA, Signer, encode, now};

const ISSUER: &str = "https://id.example.org/realms/x";

/// Claims of alice that are right, with these in their place.
fn claims(change: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": ["account", "kalends"], "azp": "kalends", "typ": "Bearer", "exp": now() + 300, "iat": now(),
        "preferred_username": "alice", "sub": "7f3a",
    });
    let Value::Object(change) = change else { panic!("an object") };
    let all = claims.as_object_mut().unwrap();
    all.extend(change);
    all.retain(|_, value| !value.is_null());
    claims
}

/// The lock, with keys from a file that is gone again when the server has started.
fn locked(change: impl FnOnce(&mut Settings)) -> Server {
    let pki = Pki::new();
    let keys = json!({"keys": [RSA.jwk, PSS.jwk, EC.jwk, ED.jwk]});
    std::fs::write(pki.file("keys.json"), keys.to_string()).unwrap();
    Server::start(|settings| {
        on(settings);
        settings.token.keys_file = pki.file("keys.json");
        change(settings);
    })
}

fn on(settings: &mut Settings) {
    settings.token.header = HeaderName::named("X-Forwarded-Token");
    settings.token.issuer = ISSUER.into();
    settings.token.audience = vec!["kalends".into()];
}

/// Status and body for a user with a token.
async fn who(server: &Server, user: &str, token: &str) -> (u16, String) {
    let lines = format!("X-Forwarded-User: {user}\r\nX-Forwarded-Token: {token}\r\n");
    let answer = ask(server, "/who?all", &lines).await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_good_token_proves_the_user_and_tells_the_subject() {
    let server = locked(|_| ());
    let good = (200, "alice 7f3a true".to_owned());
    for signer in [&RSA, &PSS, &EC, &ED] {
        let token = signer.sign(&claims(json!({})));
        assert_eq!(who(&server, "alice", &token).await, good, "{}", signer.id);
        assert_eq!(who(&server, "Alice", &format!("Bearer {token}")).await, good, "{}", signer.id);
    }
    let at =
        RSA.sign_with(&json!({"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}), &claims(json!({"typ": null})));
    assert_eq!(who(&server, "alice", &at).await, good);
    let id = RSA
        .sign_with(&json!({"alg": "RS256", "kid": "rsa"}), &claims(json!({"typ": "ID", "aud": "kalends"})));
    assert_eq!(who(&server, "alice", &id).await, good);
    let spelt = RSA.sign(&claims(json!({"preferred_username": "ALICE", "sub": null})));
    assert_eq!(who(&server, "alice", &spelt).await, (200, "alice - true".into()));
    // The one key of its kind need not be named.
    let unnamed = EC.sign_with(&json!({"alg": "ES256"}), &claims(json!({})));
    assert_eq!(who(&server, "alice", &unnamed).await, good);
}

#[tokio::test]
async fn a_token_that_is_not_right_is_refused_with_its_reason() {
    let server = locked(|_| ());
    let good = RSA.sign(&claims(json!({})));
    let header = |change: Value| {
        let mut header = json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"});
        header.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        RSA.sign_with(&header, &claims(json!({})))
    };
    let message = |alg: &str| {
        format!(
            "{}.{}",
            encode(json!({"alg": alg, "kid": "rsa"}).to_string()),
            encode(claims(json!({})).to_string())
        )
    };
    let none = format!("{}.", message("none"));
    // The public key, as everybody has it, taken for a shared secret.
    let hs256 = message("HS256");
    let shared = hmac::Key::new(hmac::HMAC_SHA256, RSA.jwk["n"].as_str().unwrap().as_bytes());
    let hs256 = format!("{hs256}.{}", encode(hmac::sign(&shared, hs256.as_bytes())));
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let swapped = format!("{head}.{}.{signature}", encode(claims(json!({"sub": "root"})).to_string()));
    let foreign = ROTATED.sign_with(&json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"}), &claims(json!({})));
    for (token, part) in [
        (RSA.sign(&claims(json!({"exp": now() - 61}))), "expired"),
        (RSA.sign(&claims(json!({"nbf": now() + 120}))), "not valid yet"),
        (RSA.sign(&claims(json!({"aud": "other"}))), "another audience"),
        (RSA.sign(&claims(json!({"iss": "https://id.example.org/realms/y"}))), "another issuer"),
        (RSA.sign(&claims(json!({"typ": "Logout"}))), "neither"),
        (RSA.sign(&claims(json!({"preferred_username": "bob"}))), "somebody else"),
        (RSA.sign(&claims(json!({"preferred_username": "../alice"}))), "path"),
        (RSA.sign(&claims(json!({"preferred_username": null}))), "token.user_claim"),
        (none, "algorithm is none"),
        (hs256, "not that of a public key"),
        (swapped, "signature is wrong"),
        (foreign, "signature is wrong"),
        (ROTATED.sign(&claims(json!({}))), "does not show"),
        (EC.sign_with(&json!({"alg": "ES256", "kid": "rsa"}), &claims(json!({}))), "does not show"),
        (header(json!({"alg": "PS256"})), "does not show"),
        (header(json!({"crit": ["b64"], "b64": false})), "critical"),
        (header(json!({"typ": "logout+jwt"})), "type"),
        (header(json!({"typ": "dpop+jwt"})), "type"),
        ("a.b.c".into(), "header cannot be read"),
        ("a.b.c.d.e".into(), "encrypted"),
        ("opaque".into(), "no JWT"),
        (format!("Basic {good}"), "header cannot be read"),
        (format!("{good}, {good}"), "encrypted"),
    ] {
        let (status, body) = who(&server, "alice", &token).await;
        assert_eq!(status, 403, "{part}: {body}");
        assert!(body.contains(part), "{part}: {body}");
    }
}

#[tokio::test]
async fn two_tokens_or_one_that_looks_alike_are_nobody() {
    let server = locked(|_| ());
    let token = RSA.sign(&claims(json!({})));
    for second in ["X-Forwarded-Token", "X_Forwarded_Token", "X.Forwarded.Token"] {
        let lines = format!("X-Forwarded-User: alice\r\nX-Forwarded-Token: {token}\r\n{second}: {token}\r\n");
        assert_eq!(ask(&server, "/who", &lines).await.status, 403, "{second}");
    }
    let lines = format!("X-Forwarded-User: alice\r\nX-Forwarded-Token:\r\nX-Forwarded-Token: {token}\r\n");
    assert_eq!(ask(&server, "/who", &lines).await.status, 403);
    // A token alone names nobody.
    assert_eq!(ask(&server, "/who", &format!("X-Forwarded-Token: {token}\r\n")).await.status, 401);
    let both = format!("X-Forwarded-User: alice\r\nX-Forwarded-Token: {token}\r\nDepth: 1\r\n");
    assert_eq!(ask(&server, "/headers", &both).await.body, "host depth");
}

#[tokio::test]
async fn a_header_that_is_off_says_nothing_and_one_of_another_name_is_stripped_too() {
    let server = Server::start(|_| ());
    assert_eq!(who(&server, "alice", "nonsense").await, (200, "alice - false".into()));
    let server = locked(|settings| settings.token.header = HeaderName::named("Proof"));
    let token = RSA.sign(&claims(json!({})));
    let lines = format!("X-Forwarded-User: alice\r\nProof: {token}\r\nX-Forwarded-Token: nonsense\r\n");
    assert_eq!(ask(&server, "/who?all", &lines).await.body, "alice 7f3a true");
    assert_eq!(ask(&server, "/headers", &lines).await.body, "host");
}

#[tokio::test]
async fn a_token_may_be_left_out_unless_it_is_always_required() {
    for (required, status) in [(Required::Never, 200), (Required::Arrive, 200), (Required::Always, 403)] {
        let server = locked(|settings| settings.token.required = required);
        for lines in ["X-Forwarded-User: alice\r\n", "X-Forwarded-User: alice\r\nX-Forwarded-Token:\r\n"] {
            let answer = ask(&server, "/who?all", lines).await;
            assert_eq!(answer.status, status, "{required}");
            assert!(status == 403 || answer.body == "alice - false", "{required}");
        }
        assert_eq!(who(&server, "alice", &RSA.sign(&claims(json!({})))).await.0, 200, "{required}");
        assert_eq!(who(&server, "bob", &RSA.sign(&claims(json!({})))).await.0, 403, "{required}");
    }
}

#[tokio::test]
async fn the_token_and_the_header_must_tell_of_one_subject() {
    let server = locked(|settings| settings.identity.subject_header = HeaderName::named("X-Forwarded-Sub"));
    let token = RSA.sign(&claims(json!({})));
    let with = |sub: &str| {
        format!("X-Forwarded-User: alice\r\nX-Forwarded-Sub: {sub}\r\nX-Forwarded-Token: {token}\r\n")
    };
    assert_eq!(ask(&server, "/who?all", &with("7f3a")).await.body, "alice 7f3a true");
    assert_eq!(ask(&server, "/who?all", &with("")).await.body, "alice 7f3a true");
    assert_eq!(ask(&server, "/who?all", &with("0000")).await.status, 403);
}

#[tokio::test]
async fn leeway_is_for_the_end_and_a_second_user_on_the_connection_needs_a_token_of_their_own() {
    let server = locked(|settings| settings.token.leeway = Span::seconds(3600));
    let old = RSA.sign(&claims(json!({"exp": now() - 3000})));
    assert_eq!(who(&server, "alice", &old).await.0, 200);
    let early = RSA.sign(&claims(json!({"nbf": now() + 120})));
    assert_eq!(who(&server, "alice", &early).await.0, 403);

    let mut wire = server.connect().await;
    for (user, status) in [("alice", 200), ("bob", 403), ("alice", 200)] {
        wire.send(format!(
            "GET /who HTTP/1.1\r\nHost: x\r\nX-Forwarded-User: {user}\r\nX-Forwarded-Token: {old}\r\n\r\n"
        ))
        .await;
        assert_eq!(wire.answer().await.status, status);
    }
}

// ---- keys that are fetched ----

/// A provider that shows its keys over TLS.
struct Provider {
    pki: Pki,
    address: SocketAddr,
    shown: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Provider {
    async fn start(signers: &[&Signer]) -> Self {
        let pki = Pki::new();
        pki.authority("ca");
        pki.signed("id", "ca", "DNS:localhost,IP:127.0.0.1");
        let chain = vec![CertificateDer::from_pem_file(pki.file("id.pem")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(pki.file("id.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            pki,
            address: listener.local_addr().unwrap(),
            shown: Arc::default(),
            asked: Arc::default(),
        };
        provider.show(signers);
        tokio::spawn(answer(listener, config, Arc::clone(&provider.shown), Arc::clone(&provider.asked)));
        provider
    }

    fn show(&self, signers: &[&Signer]) {
        let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
        *self.shown.lock().unwrap() = json!({ "keys": keys }).to_string();
    }

    /// From now on it answers with this, which are no keys.
    fn breaks(&self) {
        *self.shown.lock().unwrap() = "<html>gone</html>".into();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        on(&mut settings);
        let page =
            format!("https://localhost:{}/realms/x/protocol/openid-connect/certs", self.address.port());
        settings.token.keys_url = Some(page.parse().unwrap());
        settings.token.ca_file = self.pki.file("ca.pem");
        settings
    }

    fn server(&self) -> Server {
        let settings = self.settings();
        Server::start(|default| *default = settings)
    }
}

async fn answer(
    listener: TcpListener,
    config: rustls::ServerConfig,
    shown: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
) {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let mut request = vec![0; 4096];
        let count = stream.read(&mut request).await.unwrap_or(0);
        let right = request[..count].starts_with(b"GET /realms/x/protocol/openid-connect/certs HTTP/1.1\r\n");
        asked.fetch_add(1, Ordering::SeqCst);
        let body = shown.lock().unwrap().clone();
        let status = if right { "200 OK" } else { "404 Not Found" };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let _ = stream.write_all((head + &body).as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_for_an_unknown_one_but_not_for_each() {
    let provider = Provider::start(&[&RSA]).await;
    let server = provider.server();
    let (old, new) = (RSA.sign(&claims(json!({}))), ROTATED.sign(&claims(json!({}))));
    // The first waits for the keys that are on their way.
    for _ in 0..3 {
        assert_eq!(who(&server, "alice", &old).await.0, 200);
    }
    assert_eq!(provider.asked(), 1);

    provider.show(&[&ROTATED]);
    assert_eq!(who(&server, "alice", &new).await.0, 200);
    assert_eq!(provider.asked(), 2);
    // Keys the provider shows no more are believed no more, and nobody can have them fetched at will.
    for _ in 0..5 {
        assert_eq!(who(&server, "alice", &old).await.0, 403);
    }
    assert_eq!(provider.asked(), 2);
    assert_eq!(who(&server, "alice", &new).await.0, 200);
}

#[tokio::test]
async fn a_provider_that_fails_leaves_the_keys_of_before() {
    let provider = Provider::start(&[&RSA]).await;
    let server = provider.server();
    let old = RSA.sign(&claims(json!({})));
    assert_eq!(who(&server, "alice", &old).await.0, 200);
    provider.breaks();
    assert_eq!(who(&server, "alice", &ROTATED.sign(&claims(json!({})))).await.0, 403);
    assert_eq!(provider.asked(), 2);
    assert_eq!(who(&server, "alice", &old).await.0, 200);
    // A reload with the same address goes on with them, though it asks for new ones.
    server.front.reload(&provider.settings()).unwrap();
    assert_eq!(who(&server, "alice", &old).await.0, 200);
    until(|| provider.asked() == 3).await;
    assert_eq!(who(&server, "alice", &old).await.0, 200);
    // What `kalends check` asks for is what is there now.
    let fault = server.front.keys().await.unwrap_err().to_string();
    assert!(fault.starts_with("token.keys_url names https://localhost") && fault.contains("JSON"), "{fault}");
    provider.show(&[&RSA, &EC]);
    assert_eq!(server.front.keys().await, Ok(Some(2)));
    // Which the next reload takes over, for everybody.
    provider.show(&[&ROTATED]);
    server.front.reload(&provider.settings()).unwrap();
    until(|| provider.asked() == 6).await;
    assert_eq!(who(&server, "alice", &ROTATED.sign(&claims(json!({})))).await.0, 200);
    assert_eq!(who(&server, "alice", &old).await.0, 403);
}

#[tokio::test]
async fn keys_are_fetched_again_before_anybody_asks() {
    let provider = Provider::start(&[&RSA]).await;
    let server = Server::start(|settings| {
        *settings = provider.settings();
        settings.token.keys_age = Span(std::time::Duration::from_millis(50));
    });
    until(|| provider.asked() > 2).await;
    drop(server);
}

#[tokio::test]
async fn without_any_keys_it_is_503_and_without_a_token_nothing_is_needed() {
    let provider = Provider::start(&[]).await;
    let server = provider.server();
    let token = RSA.sign(&claims(json!({})));
    assert_eq!(who(&server, "alice", &token).await.0, 503);
    assert_eq!(ask(&server, "/who", "X-Forwarded-User: alice\r\n").await.body, "alice");
    // Nobody who is not the proxy has anything fetched.
    let asked = provider.asked();
    let lines = format!("X-Forwarded-User: a,b\r\nX-Forwarded-Token: {token}\r\n");
    assert_eq!(ask(&server, "/who", &lines).await.status, 403);
    assert_eq!(provider.asked(), asked);
}

#[tokio::test]
async fn a_provider_whose_certificate_is_not_right_gives_no_keys() {
    let provider = Provider::start(&[&RSA]).await;
    let other = Pki::new();
    other.authority("other");
    let server = Server::start(|settings| {
        *settings = provider.settings();
        settings.token.ca_file = other.file("other.pem");
    });
    assert_eq!(who(&server, "alice", &RSA.sign(&claims(json!({})))).await.0, 503);
    assert_eq!(provider.asked(), 0);
}

#[tokio::test]
async fn keys_that_cannot_be_read_forbid_the_start() {
    let pki = Pki::new();
    std::fs::write(pki.file("keys.json"), "{}").unwrap();
    for (file, part) in [("keys.json", "no set of keys"), ("nowhere", "No such file")] {
        let mut settings = Settings::default();
        on(&mut settings);
        settings.token.keys_file = pki.file(file);
        let fault = kalends::front::Front::new(&settings).unwrap_err().to_string();
        assert!(fault.starts_with("token.keys_file names ") && fault.contains(part), "{fault}");
    }
}

// ---- the log ----

#[tokio::test]
async fn no_part_of_a_token_is_logged() {
    let pki = Pki::new();
    let (tokens, keys) = (pki.file("tokens"), pki.file("keys.json"));
    std::fs::write(&keys, json!({"keys": [RSA.jwk]}).to_string()).unwrap();
    let good = RSA.sign(&claims(json!({})));
    let expired = RSA.sign(&claims(json!({"exp": 1, "preferred_username": "bob"})));
    let header = json!({"alg": "RS256", "kid": "rsa"});
    let forged = ROTATED.sign_with(&header, &claims(json!({"preferred_username": "carol"})));
    let unknown = ROTATED.sign(&claims(json!({"preferred_username": "dave"})));
    std::fs::write(&tokens, format!("{good}\n{expired}\nBearer {forged}\n{unknown}\n")).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "token::tells_all_it_tells"])
        .env("KALENDS_TEST_TOKENS", &pki.dir)
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{log}");
    for reason in
        ["a token that has expired", "a token whose signature is wrong", "the provider does not show"]
    {
        assert!(log.contains(reason), "{reason}: {log}");
    }
    let parts = [good, expired, forged, unknown].join(".");
    for part in parts.split('.') {
        assert!(!log.contains(part), "{part} is in {log}");
    }
    assert!(!log.contains("7f3a"), "{log}");
}

/// The other process of the test above.
#[tokio::test]
#[ignore = "runs only as the child of no_part_of_a_token_is_logged"]
async fn tells_all_it_tells() {
    let dir = PathBuf::from(std::env::var_os("KALENDS_TEST_TOKENS").unwrap());
    let _logs = observe::init(&Settings {
        log: Log { level: Level::Trace, ..Log::default() },
        ..Settings::default()
    });
    let server = Server::start(|settings| {
        on(settings);
        settings.token.keys_file = dir.join("keys.json");
    });
    for token in std::fs::read_to_string(dir.join("tokens")).unwrap().lines() {
        who(&server, "alice", token).await;
    }
}
