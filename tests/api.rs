//! The REST service against a real CalDAV listener over HTTP, and a real PostgreSQL: in one process with it, and in two.

#![allow(clippy::unwrap_used)]

#[path = "support/rest.rs"]
mod rest;
#[path = "support/server.rs"]
mod server;
mod support;

use kalends::api::{openapi, service::ROUTES};
use kalends::config::{Audience, HeaderName, Settings};
use rest::{Json, Rest, both, misfit};
use serde_json::{Value, json};
use server::Client;

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

#[tokio::test]
async fn the_document_is_there_for_everybody_and_its_examples_are_true() {
    let rest = Rest::start(|_| ()).await;
    let mut nobody = rest.client("").await;
    let answer = nobody.ask("GET /api/v1.0/openapi.json", &[], "").await;
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, &told), (200, &openapi::document()));
    assert_eq!(nobody.ask("GET /api/v1.0/swagger.json", &[], "").await.body, answer.body);
    let tag = [("If-None-Match", answer.header("etag").unwrap())];
    assert_eq!(nobody.ask("GET /api/v1.0/openapi.json", &tag, "").await.status, 304);
    assert_eq!(told["openapi"], "3.1.0");
    for (name, schema) in told["components"]["schemas"].as_object().unwrap() {
        let example = &schema["examples"][0];
        assert_eq!(misfit(&told, schema, example), None, "{name}");
    }
    let mut broken = told["components"]["schemas"]["Calendar"]["examples"][0].clone();
    let calendar = &told["components"]["schemas"]["Calendar"];
    broken["role"] = "king".into();
    assert!(misfit(&told, calendar, &broken).is_some());
    broken["role"] = "owner".into();
    assert_eq!(misfit(&told, calendar, &broken), None);
    broken["more"] = 1.into();
    assert!(misfit(&told, calendar, &broken).is_some());
}

fn telling(settings: &mut Settings) {
    let identity = &mut settings.identity;
    identity.email_header = HeaderName::named(identity.email_header.usual());
    identity.name_header = HeaderName::named(identity.name_header.usual());
}

/// Somebody with an address and a name, at both services.
async fn person(rest: &Rest, user: &str) -> (Json, Client) {
    let (mail, name) = (format!("{user}@example.org"), format!("{user} Anyone"));
    let say = |client: Client| client.always("X-Forwarded-Email", &mail).always("X-Forwarded-Name", &name);
    let mut dav = say(rest.caldav.client(user).await);
    assert_eq!(dav.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
    (Json(say(rest.client(user).await.0)), dav)
}

/// What a property says over CalDAV.
async fn said(dav: &mut Client, path: &str, prop: &str) -> String {
    let body = format!(
        "<D:propfind xmlns:D='DAV:' xmlns:A='http://apple.com/ns/ical/' xmlns:CS='http://calendarserver.org/ns/' \
         xmlns:C='urn:ietf:params:xml:ns:caldav'><D:prop><{prop}/></D:prop></D:propfind>"
    );
    let answer = dav.ask(&format!("PROPFIND {path}"), &[("Depth", "0")], body).await;
    let text = answer.text();
    let open = text.split_once(&format!("<{prop}")).and_then(|(_, rest)| rest.split_once('>'));
    let inside = open.and_then(|(_, rest)| rest.split_once(&format!("</{prop}>")));
    inside.map_or_else(String::new, |(inside, _)| inside.to_owned())
}

fn path_of(calendar: &Value) -> String {
    format!("/dav{}", calendar["caldav_path"].as_str().unwrap())
}

fn codes(answer: &(u16, Value)) -> (u16, String, Vec<(String, String)>) {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let errors = answer.1["errors"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let all = errors.iter().map(|error| (text(&error["attr"]), text(&error["code"]))).collect();
    (answer.0, text(&answer.1["type"]), all)
}

fn invalid(attr: &str, code: &str) -> (u16, String, Vec<(String, String)>) {
    (400, "validation_error".into(), vec![(attr.into(), code.into())])
}

fn refused(status: u16, code: &str) -> (u16, String, Vec<(String, String)>) {
    (status, "client_error".into(), vec![("-".into(), code.into())])
}

#[tokio::test]
async fn people_are_found_by_their_whole_address() {
    let rest = Rest::start(telling).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    let (_, me) = bob.get("users/me/").await;
    let (status, found) = alice.get("users/?q=BOB@example.org").await;
    let expected = json!([{ "id": me["id"], "email": "bob@example.org", "full_name": "bob Anyone",
        "short_name": "bob", "language": "en-us" }]);
    assert_eq!((status, found), (200, expected));
    for nothing in
        ["", "bob", "bob@", "@ex.", "bob@example.or", "ob@example.org", "%62ob", "a@b", "%00@example.org"]
    {
        assert_eq!(alice.get(&format!("users/?q={nothing}")).await, (200, json!([])), "{nothing}");
    }
    assert_eq!(alice.get("users/").await, (200, json!([])));
}

#[tokio::test]
async fn whom_nobody_may_find_is_not_found_here_either() {
    let rest = Rest::start(|settings| {
        telling(settings);
        settings.privacy.principals = Audience::Nobody;
    })
    .await;
    let (mut alice, _) = person(&rest, "alice").await;
    let _ = person(&rest, "bob").await;
    assert_eq!(alice.get("users/?q=bob@example.org").await, (200, json!([])));
}

#[tokio::test]
async fn the_thirty_first_search_in_a_minute_is_too_much() {
    let rest = Rest::start(|_| ()).await;
    let mut alice = rest.client("alice").await;
    for _ in 0..30 {
        assert_eq!(alice.get("users/?q=x").await.0, 200);
    }
    let answer = alice.raw("GET", "users/?q=x", &[], Value::Null).await;
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
    let body = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(codes(&(answer.status, body)), refused(429, "throttled"));
    // Others may, and other things may be asked.
    assert_eq!(rest.client("bob").await.get("users/?q=x").await.0, 200);
    assert_eq!(alice.get("users/me/").await.0, 200);
}

#[tokio::test]
async fn language_and_time_zone_are_ones_own_to_set() {
    let rest = Rest::start(telling).await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (mut bob, _) = person(&rest, "bob").await;
    let mine = format!("users/{}/", alice.get("users/me/").await.1["id"].as_str().unwrap());
    let new =
        json!({ "language": "fr-fr", "timezone": "Europe/Paris", "email": "x@y.org", "id": "0", "x": 1 });
    let (status, set) = alice.call("PATCH", &mine, new).await;
    let told = (set["language"].as_str(), set["timezone"].as_str(), set["email"].as_str());
    assert_eq!((status, told), (200, (Some("fr-fr"), Some("Europe/Paris"), Some("alice@example.org"))));
    assert_eq!(alice.call("PUT", &mine, json!({ "language": "de-de" })).await.0, 200);
    assert_eq!(alice.get("users/me/").await.1["language"], "de-de");
    assert_eq!(bob.get("users/?q=alice@example.org").await.1[0]["language"], "de-de");
    for (body, attr) in
        [(json!({ "language": "xx" }), "language"), (json!({ "timezone": "Mars/Olympus" }), "timezone")]
    {
        assert_eq!(codes(&alice.call("PATCH", &mine, body).await), invalid(attr, "invalid_choice"));
    }
    let other = bob.call("PATCH", &mine, json!({ "language": "fr-fr" })).await;
    assert_eq!(codes(&other), refused(403, "permission_denied"));
    assert_eq!(codes(&bob.call("PATCH", "users/me/", json!({})).await), refused(405, "method_not_allowed"));
}

#[tokio::test]
async fn web_pages_are_told_what_is_documented() {
    let theme = std::env::temp_dir().join(format!("kalends-theme-{}.json", std::process::id()));
    std::fs::write(&theme, r#"{"logo": "x"}"#).unwrap();
    let rest = Rest::start(|settings| settings.api.theme_file = theme.clone()).await;
    let (status, told) = rest.client("").await.get("config/").await;
    let keys: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "ENVIRONMENT",
        "FRONTEND_FEEDBACK_BUTTON_IDLE",
        "FRONTEND_FEEDBACK_BUTTON_SHOW",
        "FRONTEND_FEEDBACK_ITEMS",
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_API_URL",
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_CHANNEL",
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_ENABLED",
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_PATH",
        "FRONTEND_HIDE_GAUFRE",
        "FRONTEND_MORE_LINK",
        "FRONTEND_THEME",
        "LANGUAGES",
        "LANGUAGE_CODE",
        "MEDIA_BASE_URL",
        "SENTRY_DSN",
        "theme_customization",
    ];
    assert_eq!((status, keys), (200, expected.to_vec()));
    assert_eq!(told["theme_customization"], json!({ "logo": "x" }));
    std::fs::write(&theme, "{").unwrap();
    let bad = Rest::start(|settings| settings.api.theme_file = theme.clone()).await;
    std::fs::remove_file(&theme).unwrap();
    assert_eq!(bad.client("").await.get("config/").await.1["theme_customization"], json!({}));
}

#[tokio::test]
async fn a_calendar_is_the_same_by_rest_and_by_caldav() {
    both(async |rest: Rest| {
        let (mut alice, mut dav) = person(&rest, "alice").await;
        let wanted = json!({ "name": "Work & \"more\"", "color": "#3788d8", "description": "Ours", "order": 3,
            "components": ["VEVENT"], "timezone": "Europe/Paris", "visibility": "hidden", "owner": "bob" });
        let (status, made) = alice.call("POST", "calendars", wanted.clone()).await;
        assert_eq!(status, 201, "{made}");
        for (key, value) in wanted.as_object().unwrap().iter().filter(|(key, _)| *key != "owner") {
            assert_eq!(made[key], *value, "{key}");
        }
        let told = (made["owner"].as_str(), made["role"].as_str(), made["is_default"].as_bool());
        assert_eq!(told, (Some("alice"), Some("owner"), Some(false)));
        let path = path_of(&made);
        assert_eq!(said(&mut dav, &path, "D:displayname").await, "Work &amp; \"more\"");
        assert_eq!(said(&mut dav, &path, "A:calendar-color").await, "#3788d8");
        let one = format!("calendars/{}/", made["id"].as_str().unwrap());
        assert_eq!(alice.get(&one).await, (200, made.clone()));

        let set = "<D:propertyupdate xmlns:D='DAV:' xmlns:A='http://apple.com/ns/ical/'><D:set><D:prop>\
            <A:calendar-color>#FF0000FF</A:calendar-color></D:prop></D:set></D:propertyupdate>";
        assert_eq!(dav.ask(&format!("PROPPATCH {path}"), &[], set).await.status, 207);
        assert_eq!(alice.get(&one).await.1["color"], "#FF0000FF");
        let (status, changed) = alice
            .call("PATCH", &one, json!({ "color": "#00ff00", "description": null, "visibility": "visible" }))
            .await;
        let told = (changed["color"].as_str(), changed["description"].as_str(), changed["name"].as_str());
        assert_eq!((status, told), (200, (Some("#00ff00"), None, Some("Work & \"more\""))));
        assert_eq!(said(&mut dav, &path, "A:calendar-color").await, "#00ff00");
        assert_eq!(said(&mut dav, &path, "C:calendar-description").await, "");

        let (_, all) = alice.get("calendars/").await;
        let names: Vec<_> =
            all["results"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!((all["count"].as_u64(), names.len()), (Some(3), 3), "{all}");
        let (_, page) = alice.get("calendars/?page_size=2&page=2").await;
        assert_eq!((page["results"].as_array().unwrap().len(), page["next"].is_null()), (1, true));
        assert_eq!(page["previous"], "/api/v1.0/calendars/?page=1&page_size=2");
        assert_eq!(codes(&alice.get("calendars/?page=9").await), refused(404, "not_found"));

        assert_eq!(alice.call("DELETE", &one, Value::Null).await, (204, Value::Null));
        assert_eq!(dav.ask(&format!("PROPFIND {path}"), &[("Depth", "0")], "").await.status, 404);
        assert_eq!(codes(&alice.get(&one).await), refused(404, "not_found"));
    })
    .await;
}

#[tokio::test]
async fn what_a_calendar_cannot_be_is_said_field_by_field() {
    let rest = Rest::start(|settings| settings.calendar.max_collections = 4).await;
    let mut alice = rest.client("alice").await;
    for (body, attr, code) in [
        (json!({}), "name", "required"),
        (json!({ "name": " " }), "name", "blank"),
        (json!({ "name": 1 }), "name", "invalid"),
        (json!({ "name": "x".repeat(256) }), "name", "max_length"),
        (json!({ "name": "x", "color": "red" }), "color", "invalid"),
        (json!({ "name": "x", "order": "1" }), "order", "invalid"),
        (json!({ "name": "x", "order": 1.5 }), "order", "invalid"),
        (json!({ "name": "x", "components": ["VALARM"] }), "components", "invalid_choice"),
        (json!({ "name": "x", "components": [] }), "components", "invalid_choice"),
        (json!({ "name": "x", "timezone": "Mars" }), "timezone", "invalid_choice"),
        (json!({ "name": "x", "visibility": "x" }), "visibility", "invalid_choice"),
        (json!({ "name": "x", "is_default": "x" }), "is_default", "invalid"),
    ] {
        assert_eq!(
            codes(&alice.call("POST", "calendars/", body.clone()).await),
            invalid(attr, code),
            "{body}"
        );
    }
    assert_eq!(codes(&alice.call("POST", "calendars/", json!([])).await), invalid("-", "invalid"));
    let long = json!({ "name": "x", "description": "x".repeat(70_000) });
    assert_eq!(codes(&alice.call("POST", "calendars/", long).await), refused(413, "too_large"));
    let raw = |body: &'static str, media: &'static str| (body, media);
    for ((body, media), status, code) in [
        (raw("{", "application/json"), 400, "parse_error"),
        (raw("{}", "text/plain"), 415, "unsupported_media_type"),
    ] {
        let answer = alice.ask("POST /api/v1.0/calendars/", &[("Content-Type", media)], body).await;
        let told = (answer.status, serde_json::from_slice(&answer.body).unwrap());
        assert_eq!(codes(&told), refused(status, code));
    }
    let mut last = 201;
    for _ in 0..4 {
        last = alice.call("POST", "calendars/", json!({ "name": "x" })).await.0;
    }
    assert_eq!(last, 403);
}

#[tokio::test]
async fn one_calendar_is_the_default() {
    let rest = Rest::start(|_| ()).await;
    let mut alice = rest.client("alice").await;
    let defaults = async |alice: &mut Json| {
        let (_, all) = alice.get("calendars/").await;
        let all = all["results"].as_array().unwrap().clone();
        let chosen = all.iter().filter(|one| one["is_default"] == true);
        chosen.map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(defaults(&mut alice).await, ["Calendar"]);
    let (_, made) = alice.call("POST", "calendars/", json!({ "name": "Work", "is_default": true })).await;
    assert_eq!(
        (made["is_default"].as_bool(), defaults(&mut alice).await),
        (Some(true), vec!["Work".to_owned()])
    );
    let one = format!("calendars/{}/", made["id"].as_str().unwrap());
    assert_eq!(alice.call("PATCH", &one, json!({ "is_default": false })).await.0, 200);
    assert_eq!(defaults(&mut alice).await, ["Calendar"]);
    alice.call("PATCH", &one, json!({ "is_default": true })).await;
    alice.call("DELETE", &one, Value::Null).await;
    assert_eq!(defaults(&mut alice).await, ["Calendar"]);
    // What cannot be it changes nothing else on the way to the refusal.
    let mut bob = rest.client("bob").await;
    assert_eq!(bob.get("users/me/").await.0, 200);
    let wish = json!({ "user": "alice", "role": "administrator" });
    assert_eq!(bob.call("POST", "calendars/calendar/shares/", wish).await.0, 201);
    let tasks = json!({ "name": "Tasks", "components": ["VTODO"] });
    let (_, made) = alice.call("POST", "calendars/", tasks).await;
    let (_, before) = alice.get("calendars/").await;
    let theirs = before["results"].as_array().unwrap().iter().find(|one| one["owner"] == "bob").unwrap();
    let mut asked = vec![(
        "POST",
        "calendars/".to_owned(),
        json!({ "is_default": true, "name": "T", "components": ["VTODO"] }),
    )];
    for one in [&made, theirs] {
        let path = format!("calendars/{}/", one["id"].as_str().unwrap());
        asked.push(("PATCH", path, json!({ "is_default": true, "name": "Other" })));
    }
    for (method, path, body) in asked {
        let (status, told) = alice.call(method, &path, body).await;
        assert_eq!((status, &told["errors"][0]["attr"]), (400, &json!("is_default")), "{told}");
    }
    assert_eq!(alice.get("calendars/").await.1, before);
}

#[tokio::test]
async fn what_has_changed_since_is_not_written_over() {
    let rest = Rest::start(|_| ()).await;
    let mut alice = rest.client("alice").await;
    let (_, made) = alice.call("POST", "calendars/", json!({ "name": "Work" })).await;
    let one = format!("calendars/{}/", made["id"].as_str().unwrap());
    let answer = alice.raw("GET", &one, &[], Value::Null).await;
    let tag = answer.header("etag").unwrap().to_owned();
    assert_eq!(made["etag"], tag);
    assert_eq!(alice.raw("GET", &one, &[("If-None-Match", &tag)], Value::Null).await.status, 304);
    let new = json!({ "color": "#fff" });
    assert_eq!(alice.raw("PATCH", &one, &[("If-Match", &tag)], new.clone()).await.status, 200);
    assert_eq!(alice.raw("PATCH", &one, &[("If-Match", &tag)], new).await.status, 412);
    assert_eq!(alice.raw("DELETE", &one, &[("If-Match", &tag)], Value::Null).await.status, 412);
    assert_eq!(alice.raw("GET", &one, &[("If-None-Match", &tag)], Value::Null).await.status, 200);
}

#[tokio::test]
async fn a_share_is_the_same_by_rest_and_by_caldav() {
    let test = async |rest: Rest| {
        let (mut alice, mut dav) = person(&rest, "alice").await;
        let (mut bob, mut bobs) = person(&rest, "bob").await;
        let (_, made) = alice.call("POST", "calendars/", json!({ "name": "Team" })).await;
        let shares = format!("calendars/{}/shares/", made["id"].as_str().unwrap());
        let path = path_of(&made);
        let (status, share) =
            alice.call("POST", &shares, json!({ "email": "bob@example.org", "role": "reader" })).await;
        let told = (
            share["role"].as_str(),
            share["status"].as_str(),
            share["email"].as_str(),
            share["name"].as_str(),
        );
        let expected = (Some("reader"), Some("accepted"), Some("bob@example.org"), Some("bob Anyone"));
        assert_eq!((status, told), (201, expected), "{share}");
        assert!(said(&mut dav, &path, "CS:invite").await.contains("<CS:access><CS:read/></CS:access>"));

        let (_, theirs) = bob.get("calendars/").await;
        let seen = theirs["results"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["id"] == made["id"])
            .cloned()
            .unwrap();
        assert_eq!((seen["role"].as_str(), seen["owner"].as_str()), (Some("reader"), Some("alice")));
        let place = format!("PUT {}a.ics", path_of(&seen));
        let event = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n\
            DTSTART:20260101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let media = [("Content-Type", "text/calendar")];
        assert_eq!(bobs.ask(&place, &media, event).await.status, 403);
        let one = format!("{shares}{}/", share["id"].as_str().unwrap());
        let (status, changed) = alice.call("PATCH", &one, json!({ "role": "editor" })).await;
        assert_eq!((status, &changed["role"], &changed["id"]), (200, &json!("editor"), &share["id"]));
        assert_eq!(bobs.ask(&place, &media, event).await.status, 201);
    };
    test(Rest::start(telling).await).await;
    test(Rest::apart(telling).await).await;
}

#[tokio::test]
async fn who_administers_a_calendar_shares_it_and_who_leaves_sees_it_no_more() {
    let test = async |rest: Rest| {
        let (mut alice, mut dav) = person(&rest, "alice").await;
        let (mut bob, _) = person(&rest, "bob").await;
        let (_, made) = alice.call("POST", "calendars/", json!({ "name": "Team" })).await;
        let shares = format!("calendars/{}/shares/", made["id"].as_str().unwrap());
        let path = path_of(&made);
        let (_, share) =
            alice.call("POST", &shares, json!({ "email": "bob@example.org", "role": "editor" })).await;
        let one = format!("{shares}{}/", share["id"].as_str().unwrap());
        // Who may write may not share; who administers may.
        assert_eq!(
            codes(&bob.call("POST", &shares, json!({ "email": "c@example.org", "role": "reader" })).await),
            refused(403, "permission_denied")
        );
        let (status, same) =
            alice.call("POST", &shares, json!({ "user": "bob", "role": "administrator" })).await;
        assert_eq!((status, &same["id"], &same["role"]), (200, &share["id"], &json!("administrator")));
        assert_eq!(
            bob.get("calendars/").await.1["results"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["id"] == made["id"])
                .unwrap()["role"],
            "administrator"
        );
        let (status, carol) =
            bob.call("POST", &shares, json!({ "email": "carol@example.org", "role": "freebusy" })).await;
        assert_eq!(
            (status, carol["status"].as_str(), carol["role"].as_str()),
            (201, Some("unknown"), Some("freebusy"))
        );

        let (_, all) = alice.get(&shares).await;
        let roles: Vec<_> =
            all["results"].as_array().unwrap().iter().map(|one| one["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["owner", "administrator", "freebusy"]);
        assert_eq!(all["results"][0]["user"], "alice");
        let removed = "<CS:share xmlns:D='DAV:' xmlns:CS='http://calendarserver.org/ns/'><CS:remove>\
            <D:href>mailto:carol@example.org</D:href></CS:remove></CS:share>";
        assert_eq!(
            dav.ask(&format!("POST {path}"), &[("Content-Type", "application/xml")], removed).await.status,
            200
        );
        assert_eq!(alice.get(&shares).await.1["count"], 2);
        assert_eq!(alice.call("DELETE", &one, Value::Null).await, (204, Value::Null));
        assert_eq!(codes(&alice.get(&one).await), refused(404, "not_found"));
        assert_eq!(bob.get("calendars/").await.1["count"], 2);
        assert!(!said(&mut dav, &path, "CS:invite").await.contains("bob"));
    };
    test(Rest::start(telling).await).await;
    test(Rest::apart(telling).await).await;
}

#[tokio::test]
async fn people_are_invited_by_their_id_and_groups_by_their_name() {
    let rest = Rest::start(|settings| {
        telling(settings);
        settings.identity.groups_header = HeaderName::named("X-Forwarded-Groups");
    })
    .await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (bob, _) = person(&rest, "bob").await;
    let mut bob = Json(bob.0.always("X-Forwarded-Groups", "staff"));
    assert_eq!(bob.get("users/me/").await.0, 200);
    let shares = "calendars/calendar/shares/";
    let (status, share) = alice.call("POST", shares, json!({ "group": "staff", "role": "editor" })).await;
    assert_eq!(
        (status, share["group"].as_str(), share["user"].as_str()),
        (201, Some("staff"), None),
        "{share}"
    );
    assert_eq!(bob.get("calendars/").await.1["count"], 3);
    let (_, found) = alice.get("users/?q=bob@example.org").await;
    let (status, share) =
        alice.call("POST", shares, json!({ "user": found[0]["id"], "role": "reader" })).await;
    assert_eq!((status, share["email"].as_str()), (201, Some("bob@example.org")), "{share}");
    for (body, attr, code) in [
        (json!({ "role": "reader" }), "email", "required"),
        (json!({ "role": "reader", "email": "a@b.org", "user": "bob" }), "email", "required"),
        (json!({ "email": "a@b.org" }), "role", "required"),
        (json!({ "email": "a@b.org", "role": "owner" }), "role", "invalid_choice"),
        (json!({ "email": "nobody", "role": "reader" }), "email", "invalid"),
        (json!({ "user": "nobody", "role": "reader" }), "user", "does_not_exist"),
        (
            json!({ "user": "00000000-0000-0000-0000-000000000000", "role": "reader" }),
            "user",
            "does_not_exist",
        ),
        (json!({ "group": "nobodies", "role": "reader" }), "group", "invalid"),
        (json!({ "user": "alice", "role": "reader" }), "user", "invalid"),
    ] {
        assert_eq!(codes(&alice.call("POST", shares, body.clone()).await), invalid(attr, code), "{body}");
    }
    let (_, all) = alice.get(shares).await;
    let owner = format!("{shares}{}/", all["results"][0]["id"].as_str().unwrap());
    for (method, body) in [("PATCH", json!({ "role": "reader" })), ("DELETE", Value::Null)] {
        assert_eq!(codes(&alice.call(method, &owner, body).await), refused(403, "permission_denied"));
    }
    assert_eq!(codes(&alice.get(&format!("{shares}x/")).await), refused(404, "not_found"));
}

#[tokio::test]
async fn nothing_of_it_works_without_the_word_of_the_proxy() {
    let secret = "0123456789abcdef0123456789abcdef";
    let test = async |rest: Rest| {
        let mut forged = rest.client("alice").await;
        assert_eq!(codes(&forged.get("users/me/").await), refused(401, "not_authenticated"));
        let mut alice = Json(rest.client("alice").await.0.always("X-Kalends-Secret", secret));
        assert_eq!(alice.get("users/me/").await.0, 200);
        assert_eq!(alice.call("POST", "calendars/", json!({ "name": "x" })).await.0, 201);
    };
    let change = |settings: &mut Settings| settings.identity.secret = secret.to_owned().into();
    test(Rest::start(change).await).await;
    test(Rest::apart(change).await).await;
}

#[tokio::test]
async fn without_caldav_the_answer_is_a_gateways() {
    let rest = Rest::start(|settings| settings.api.caldav = "unix:/nonexistent/kalends.sock".into()).await;
    let (status, answer) = rest.client("alice").await.get("users/me/").await;
    assert_eq!(
        (status, answer["type"].as_str(), answer["errors"][0]["code"].as_str()),
        (502, Some("server_error"), Some("bad_gateway"))
    );
}

/// A path of a route, with something in its braces.
fn sample(path: &str, id: &str) -> String {
    let parts = [("{id}", id), ("{share}", "x"), ("{uid}", "x"), ("{entry}", "1"), ("{token}", "x")];
    parts.iter().fold(openapi::whole(path), |path, (part, value)| path.replace(part, value))
}

#[tokio::test]
async fn what_can_be_read_has_a_head_and_no_slash_matters() {
    let rest = Rest::start(|_| ()).await;
    let mut alice = rest.client("alice").await;
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        let path = sample(route.path, "calendar");
        let answer = alice.ask(&format!("GET {path}"), &[], "").await;
        let head = alice.ask(&format!("HEAD {path}"), &[], "").await;
        assert_eq!((head.status, head.body.len()), (answer.status, 0), "{path}");
        for name in ["content-type", "etag", "content-disposition", "cache-control"] {
            assert_eq!(head.header(name), answer.header(name), "{path}: {name}");
        }
        if route.query.iter().any(|(name, _)| *name == "page") {
            for page in ["0", "x", "-1", "99999999999999999999", "87178291201"] {
                let line = format!("GET {path}?page={page}&page_size=580253");
                assert_eq!(alice.ask(&line, &[], "").await.status, 404, "{line}");
            }
        }
        let bare = path.trim_end_matches('/');
        for other in [bare.to_owned(), format!("{bare}/"), format!("{bare}//")] {
            let again = alice.ask(&format!("GET {other}"), &[], "").await;
            assert_eq!(again.status, answer.status, "{other}");
        }
    }
}

#[tokio::test]
async fn each_path_says_what_it_can_and_no_header_makes_another_method_of_one() {
    let rest = Rest::start(|_| ()).await;
    let mut alice = rest.client("alice").await;
    for route in ROUTES {
        let path = sample(route.path, "x");
        let answer = alice.ask(&format!("OPTIONS {path}"), &[], "").await;
        let allow = answer.header("allow").unwrap_or_default().to_owned();
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert!(allow.split(", ").any(|method| method == route.method), "{path}: {allow}");
        for method in ["TRACE", "PROPFIND", "X", "get"] {
            let override_ = [("X-HTTP-Method-Override", route.method), ("X-Method-Override", route.method)];
            let answer = alice.ask(&format!("{method} {path}"), &override_, "").await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some(allow.as_str())),
                "{method} {path}"
            );
        }
    }
    let answer = alice.ask("POST /api/v1.0/users/me/", &[("X-HTTP-Method-Override", "GET")], "").await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn what_does_not_come_to_a_route_is_told_in_the_same_shape() {
    let rest = Rest::start(|_| ()).await;
    let foreign = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")];
    let twice = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")];
    for (line, headers, status, code) in [
        ("GET /api/v1.0/%zz/", &[][..], 400, "parse_error"),
        ("GET /api/v1.0/users/me/", &twice, 400, "parse_error"),
        ("POST /api/v1.0/calendars/", &foreign, 403, "permission_denied"),
        ("POST /api/v1.0/calendars/", &[("Expect", "the worst")], 417, "expectation_failed"),
        ("POST /api/v1.0/calendars/", &[("Content-Length", "99999999999")], 413, "too_large"),
        ("POST /api/v1.0/e2e/user-auth/", &[], 404, "not_found"),
        ("GET /api/v1.0/caldav/", &[], 404, "not_found"),
        ("GET /", &[], 404, "not_found"),
    ] {
        let mut alice = rest.client("alice").await;
        let answer = alice.0.ask(line, headers, "").await;
        let told: Value =
            serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{line}: {answer:?}"));
        assert_eq!(codes(&(answer.status, told)), refused(status, code), "{line}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{line}");
    }
}

#[tokio::test]
async fn what_one_stranger_uses_up_others_have() {
    let rest = Rest::start(|settings| settings.api.requests_per_minute = 20).await;
    let mut nobody = rest.client("").await;
    let from = |address: &'static str| [("X-Forwarded-For", address)];
    for _ in 0..20 {
        assert_eq!(nobody.ask("GET /api/v1.0/config/", &from("2001:db8::1"), "").await.status, 200);
    }
    let late = nobody.ask("GET /api/v1.0/config/", &from("2001:db8::2"), "").await;
    assert!(late.status == 429 && late.header("retry-after").is_some(), "a customer has one network");
    assert_eq!(nobody.ask("GET /api/v1.0/config/", &from("192.0.2.1"), "").await.status, 200);
    let mut alice = rest.client("alice").await;
    assert_eq!(alice.ask("GET /api/v1.0/config/", &from("2001:db8::1"), "").await.status, 200);
}

#[tokio::test]
async fn of_two_values_under_one_key_none_is_taken() {
    let rest = Rest::start(|_| ()).await;
    let mut alice = rest.client("alice").await;
    for body in
        [r#"{"name": "a", "name": "b"}"#, r#"{"name": 1e999}"#, r#"{"name": NaN}"#, &"[".repeat(60_000)]
    {
        let media = [("Content-Type", "application/json")];
        let answer = alice.ask("POST /api/v1.0/calendars/", &media, body).await;
        let told = (answer.status, serde_json::from_slice(&answer.body).unwrap());
        assert_eq!(codes(&told), refused(400, "parse_error"), "{body:.40}");
    }
}

#[tokio::test]
async fn how_much_is_in_a_calendar_is_told_as_far_as_it_is_seen() {
    both(async |rest: Rest| {
        let (mut alice, mut dav) = person(&rest, "alice").await;
        let (mut bob, _) = person(&rest, "bob").await;
        let (mut carol, _) = person(&rest, "carol").await;
        let (_, before) = alice.get("calendars/calendar/").await;
        assert_eq!(before["object_count"], 0, "{before}");
        for (name, class) in [("a", ""), ("b", "CLASS:CONFIDENTIAL\r\n"), ("c", "CLASS:PRIVATE\r\n")] {
            let body = server::event(name, "x").replace("SUMMARY", &format!("{class}SUMMARY"));
            let put = format!("PUT /dav/calendars/alice/calendar/{name}.ics");
            assert_eq!(dav.ask(&put, &[("Content-Type", "text/calendar")], body).await.status, 201);
        }
        for (who, role) in [("bob", "reader"), ("carol", "freebusy")] {
            let wish = json!({ "user": who, "role": role });
            assert_eq!(alice.call("POST", "calendars/calendar/shares/", wish).await.0, 201, "{who}");
        }
        let id = before["id"].as_str().unwrap();
        assert_eq!(carol.get(&format!("calendars/{id}/")).await.0, 404);
        for (who, count) in [(&mut alice, 3), (&mut bob, 2)] {
            let (_, all) = who.get("calendars/").await;
            let listed = all["results"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
            assert_eq!(listed["object_count"], count, "{listed}");
            let (_, one) = who.get(&format!("calendars/{id}/")).await;
            assert_eq!((&one, &one["role"]), (listed, &listed["role"]));
        }
        // What was put in is in nobody's way.
        let tag = before["etag"].as_str().unwrap();
        let same = alice.raw("GET", "calendars/calendar/", &[("If-None-Match", tag)], Value::Null).await;
        let patch = json!({ "color": "#112233" });
        let changed = alice.raw("PATCH", "calendars/calendar/", &[("If-Match", tag)], patch).await;
        assert_eq!((same.status, changed.status), (304, 200), "{}", changed.text());
        assert!(changed.text().contains("\"object_count\":3"), "{}", changed.text());
    })
    .await;
}

#[tokio::test]
async fn a_calendar_service_that_says_nothing_is_not_asked_again() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((socket, _)) = mute.accept().await {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            kept.push(socket);
        }
    });
    let rest = Rest::start(|settings| {
        settings.api.caldav = format!("http://{address}");
        settings.api.caldav_time = kalends::config::Span::seconds(1);
    })
    .await;
    let mut alice = rest.client("alice").await;
    for (nth, path) in ["users/me/", "calendars/"].into_iter().enumerate() {
        assert_eq!(alice.get(path).await.0, 502, "{path}");
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), nth + 1, "{path}");
    }
}

#[tokio::test]
async fn who_may_only_read_writes_nothing_by_the_way() {
    // CalDAV makes people, and the REST service beside it is read-only.
    let both = std::cell::Cell::new(0);
    let rest = Rest::apart(|settings| {
        telling(settings);
        settings.server.read_only = both.replace(1) == 1;
    })
    .await;
    let (mut alice, _) = person(&rest, "alice").await;
    let (_, me) = alice.get("users/me/").await;
    let (_, calendar) = alice.get("calendars/calendar/").await;
    person(&rest, "bob").await;
    let link = format!(
        "INSERT INTO kalends_api.feed (id, person, name, calendar, place, busy_only, token, calendar_name, label)
         VALUES (gen_random_uuid(), '{}', 'called otherwise', '{}', 'calendar', false, 'x', '', '')",
        me["id"].as_str().unwrap(),
        calendar["id"].as_str().unwrap()
    );
    let pool = &rest.caldav.db.pool;
    pool.client().await.unwrap().batch(&link).await.unwrap();
    let (status, found) = alice.get("users/?q=bob@example.org").await;
    assert_eq!((status, found[0]["email"].as_str()), (200, Some("bob@example.org")), "{found}");
    let (status, links) = alice.get("subscription-tokens/").await;
    assert_eq!((status, links.as_array().unwrap().len()), (200, 1), "{links}");
    let kept = support::sql(
        "SELECT (SELECT count(*) FROM kalends_api.person), (SELECT max(name) FROM kalends_api.feed)",
    );
    let row = pool.row(&kept, &[]).await.unwrap();
    assert_eq!((row.at::<i64>(0).unwrap(), row.at::<String>(1).unwrap()), (0, "called otherwise".to_owned()));
}

#[tokio::test]
async fn who_is_called_nearly_the_same_is_somebody_else() {
    let rest = Rest::start(|settings| settings.identity.fold_case = false).await;
    let mut people = Vec::new();
    for user in ["alice", "bob", "Bob"] {
        let mut dav = rest.caldav.client(user).await;
        assert_eq!(dav.ask("PROPFIND /dav/", &[("Depth", "0")], "").await.status, 207);
        people.push(rest.client(user).await);
    }
    for (user, role) in [("bob", "reader"), ("Bob", "editor")] {
        let (status, share) =
            people[0].call("POST", "calendars/calendar/shares/", json!({ "user": user, "role": role })).await;
        let told = (status, share["user"].as_str(), share["role"].as_str());
        assert_eq!(told, (201, Some(user), Some(role)), "{share}");
    }
}
