//! Who is asking at the REST service, and who is found there: tokens for this service and for others, people who are not let in
//! any more, and what other services may ask in somebody's name.

#![allow(clippy::unwrap_used)]

#[path = "front/pki.rs"]
mod pki;
#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use kalends::config::{HeaderName, Required, Settings};
use pki::{Pki, RSA, now};
use rest::{Json, Rest};
use serde_json::{Value, json};
use support::sql;

const ISSUER: &str = "https://id.example.org/realms/x";
const TOKEN: &str = "X-Forwarded-Token";

fn telling(settings: &mut Settings) {
    let identity = &mut settings.identity;
    identity.email_header = HeaderName::named(identity.email_header.usual());
}

async fn person(rest: &Rest, user: &str) -> Json {
    let mut person =
        Json(rest.client(user).await.0.always("X-Forwarded-Email", &format!("{user}@example.org")));
    assert_eq!(person.get("users/me/").await.0, 200);
    person
}

#[tokio::test]
async fn a_token_for_another_service_opens_nothing_here() {
    let pki = Pki::new();
    std::fs::write(pki.file("keys.json"), json!({"keys": [RSA.jwk]}).to_string()).unwrap();
    let locked = |settings: &mut Settings| {
        settings.token.header = HeaderName::named(TOKEN);
        settings.token.required = Required::Always;
        settings.token.keys_file = pki.file("keys.json");
        settings.token.issuer = ISSUER.into();
        settings.token.audience = vec!["kalends".into()];
    };
    let token = |user: &str, audience: &str| {
        let lasts = now() + 300;
        RSA.sign(
            &json!({ "iss": ISSUER, "aud": audience, "exp": lasts, "preferred_username": user, "sub": user }),
        )
    };
    for rest in [Rest::start(locked).await, Rest::apart(locked).await] {
        let mut alice = rest.client("alice").await;
        let routes = ["/api/v1.0/users/me/", "/api/v1.0/calendars/", "/external_api/v1.0/users/me/"];
        for path in routes {
            for bad in [token("alice", "another"), token("bob", "kalends"), "x".to_owned()] {
                let answer = alice.ask(&format!("GET {path}"), &[(TOKEN, &bad)], "").await;
                assert_eq!(answer.status, 403, "{path} {bad}");
            }
            assert_eq!(alice.ask(&format!("GET {path}"), &[], "").await.status, 403, "{path}");
            let answer = alice.ask(&format!("GET {path}"), &[(TOKEN, &token("alice", "kalends"))], "").await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn other_services_ask_who_somebody_is_and_nothing_else() {
    let rest = Rest::start(telling).await;
    let mut alice = person(&rest, "alice").await;
    let (_, me) = alice.get("users/me/").await;
    let answer = alice.ask("GET /external_api/v1.0/users/me/", &[], "").await;
    assert_eq!((answer.status, serde_json::from_slice::<Value>(&answer.body).unwrap()), (200, me.clone()));
    let mine = format!("/external_api/v1.0/users/{}/", me["id"].as_str().unwrap());
    for (method, path, status) in [
        ("PUT", "/external_api/v1.0/users/me/", 405),
        ("DELETE", "/external_api/v1.0/users/me/", 405),
        ("GET", "/external_api/v1.0/users/", 404),
        ("GET", &mine, 404),
        ("PATCH", &mine, 404),
        ("GET", "/external_api/v1.0/calendars/", 404),
    ] {
        assert_eq!(alice.ask(&format!("{method} {path}"), &[], "").await.status, status, "{method} {path}");
    }
    let mut nobody = rest.client("").await;
    assert_eq!(nobody.ask("GET /external_api/v1.0/users/me/", &[], "").await.status, 401);
}

#[tokio::test]
async fn who_is_disabled_is_not_found_and_does_nothing() {
    let rest = Rest::start(telling).await;
    let (mut alice, mut bob) = (person(&rest, "alice").await, person(&rest, "bob").await);
    assert_eq!(alice.get("users/?q=bob@example.org").await.1.as_array().unwrap().len(), 1);
    let client = rest.caldav.db.pool.client().await.unwrap();
    client.execute(&sql("UPDATE principal SET disabled = now() WHERE name = 'bob'"), &[]).await.unwrap();
    assert_eq!(alice.get("users/?q=bob@example.org").await, (200, json!([])));
    for path in ["users/me/", "calendars/", "trash/", "subscription-tokens/", "app-passwords/"] {
        let (status, told) = bob.get(path).await;
        assert_eq!(
            (status, told["errors"][0]["code"].as_str()),
            (403, Some("permission_denied")),
            "{path}: {told}"
        );
    }
    assert_eq!(bob.call("POST", "calendars/", json!({ "name": "x" })).await.0, 403);
}
