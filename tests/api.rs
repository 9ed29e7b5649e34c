//! The REST service against a real CalDAV listener over HTTP, and a real PostgreSQL: in one process with it, and in two.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use rest::{Rest, both};
use serde_json::json;

#[tokio::test]
async fn who_is_signed_in_is_told_in_exactly_these_words() {
    both(async |rest: Rest| {
        let mut alice = rest.client("alice@example.org").await;
        let (status, me) = alice.get("users/me/").await;
        assert_eq!(status, 200, "{me}");
        let keys: Vec<&str> = me.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["can_access", "email", "full_name", "id", "language", "short_name"]);
        assert_eq!(
            (me["email"].as_str(), me["can_access"].as_bool()),
            (Some("alice@example.org"), Some(true))
        );
        assert_eq!(alice.get("users/me").await, (200, me));
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_is_told_in_one_shape() {
    let rest = Rest::start(|_| ()).await;
    let mut alice = rest.client("alice").await;
    let mut nobody = rest.client("").await;
    let error = |code: &str, detail: &str| json!({ "type": "client_error", "errors": [{ "code": code, "detail": detail, "attr": null }] });
    let unknown = error("not_authenticated", "Authentication credentials were not provided.");
    for path in ["users/me/", "users/?q=a@b.org", "users/x/"] {
        assert_eq!(nobody.get(path).await, (401, unknown.clone()), "{path}");
    }
    assert_eq!(nobody.call("POST", "users/", json!({})).await, (401, unknown));
    assert_eq!(alice.get("nothing/").await, (404, error("not_found", "Not found.")));
    for (method, path) in [("GET", "users/x/"), ("POST", "users/"), ("DELETE", "users/x/")] {
        let expected = error("method_not_allowed", &format!("Method \"{method}\" not allowed."));
        assert_eq!(alice.call(method, path, json!({})).await, (405, expected), "{method} {path}");
    }
}
