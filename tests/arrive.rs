//! Who may be new: with `token.required = "arrive"` a bare header brings nobody into the directory, whatever it says, and
//! those who are there go on without a token.

#![allow(clippy::unwrap_used)]

#[path = "front/pki.rs"]
mod pki;
#[path = "support/server.rs"]
mod server;
#[path = "systemd/service.rs"]
mod service;
mod support;

use kalends::config::{HeaderName, Required, Settings};
use pki::{Pki, RSA, now};
use rustix::process::Signal;
use serde_json::json;
use server::{Client, Server};
use service::Systemd;

const ISSUER: &str = "https://id.example.org/realms/x";

async fn started(required: Required) -> Server {
    let pki = Pki::new();
    std::fs::write(pki.file("keys.json"), json!({"keys": [RSA.jwk]}).to_string()).unwrap();
    let lock = |settings: &mut Settings| {
        settings.token.header = HeaderName::named("X-Forwarded-Token");
        settings.token.required = required;
        settings.token.keys_file = pki.file("keys.json");
        settings.token.issuer = ISSUER.into();
        settings.token.audience = vec!["kalends".into()];
        settings.identity.subject_header = HeaderName::named("X-Forwarded-Sub");
        settings.identity.subject_required = false;
    };
    Server::start(lock).await
}

fn token(user: &str, subject: &str) -> String {
    RSA.sign(&json!({
        "iss": ISSUER, "aud": "kalends", "exp": now() + 300, "preferred_username": user, "sub": subject,
    }))
}

/// The status of a look at one's own home.
async fn home(server: &Server, user: &str, headers: &[(&str, &str)]) -> u16 {
    let line = format!("PROPFIND /dav/calendars/{user}/");
    let headers = [headers, &[("Depth", "0")]].concat();
    server.client(user).await.ask(&line, &headers, "").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_new_is_made_without_a_token() {
    let server = started(Required::Arrive).await;
    let (alice, bob) = (token("alice", "a-1"), token("bob", "b-1"));
    assert_eq!(home(&server, "bob", &[("X-Forwarded-Token", &bob)]).await, 207);

    assert_eq!(home(&server, "alice", &[]).await, 403);
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Sub", "a-1")]).await, 403);
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Token", &bob)]).await, 403);
    // And nothing of her is there.
    let line = "PROPFIND /dav/principals/alice/";
    let seen = server.client("bob").await.ask(line, &[("Depth", "0")], "").await;
    assert_eq!(seen.status, 404);

    assert_eq!(home(&server, "alice", &[("X-Forwarded-Token", &alice)]).await, 207);
    // From now on the name is enough, and so is the subject that the token told.
    assert_eq!(home(&server, "alice", &[]).await, 207);
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Sub", "a-1")]).await, 207);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_over_a_name_without_a_token() {
    let server = started(Required::Arrive).await;
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Token", &token("alice", "a-1"))]).await, 207);
    // Another subject under her name, or her subject under another name.
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Sub", "a-2")]).await, 403);
    assert_eq!(home(&server, "carol", &[("X-Forwarded-Sub", "a-1")]).await, 403);
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Sub", "a-1")]).await, 207);
    // With a token it is the identity provider that says so.
    assert_eq!(home(&server, "carol", &[("X-Forwarded-Token", &token("carol", "a-1"))]).await, 207);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_always_or_never() {
    let server = started(Required::Always).await;
    let alice = token("alice", "a-1");
    assert_eq!(home(&server, "alice", &[]).await, 403);
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Token", &alice)]).await, 207);
    assert_eq!(home(&server, "alice", &[]).await, 403);

    let server = started(Required::Never).await;
    assert_eq!(home(&server, "alice", &[]).await, 207);
    assert_eq!(home(&server, "alice", &[("X-Forwarded-Token", &token("bob", "b-1"))]).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_be_new_is_read_again_on_sighup() {
    let db = support::database().await;
    let systemd = Systemd::new("arrive", &format!("database.url = \"{}\"\nmonitor.listen = \"\"", db.url));
    let file = systemd.dir.join("kalends.toml");
    let open = std::fs::read_to_string(&file).unwrap();
    let keys = systemd.dir.join("keys.json");
    std::fs::write(&keys, json!({"keys": [RSA.jwk]}).to_string()).unwrap();
    let shut = format!(
        "{open}[token]\nheader = \"default\"\nrequired = \"arrive\"\nissuer = \"{ISSUER}\"\naudience = [\"kalends\"]\n\
         keys_file = {keys:?}\n"
    );
    let service = systemd.start();
    systemd.hear("READY=1");
    for (settings, user, right) in
        [(&open, "alice", 207), (&shut, "bob", 403), (&shut, "alice", 207), (&open, "bob", 207)]
    {
        std::fs::write(&file, settings).unwrap();
        service.signal(Signal::HUP);
        systemd.hear("RELOADING=1");
        systemd.hear("READY=1");
        let mut client = Client::unix(&systemd.socket(), user).await.unwrap();
        let line = format!("PROPFIND /dav/calendars/{user}/");
        assert_eq!(client.ask(&line, &[("Depth", "0")], "").await.status, right, "{user} {settings}");
    }
    service.signal(Signal::TERM);
    assert!(service.ended().success(), "{}", systemd.log());
}
