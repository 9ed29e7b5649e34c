//! The description of the service for programs (`OpenAPI` 3.1), made of the routes and the types.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::front::{Conditions, Response, Status, Verdict, header};

use super::{
    error::{JSON, Refusal, Result},
    page::PAGES,
    route::{Pace, Route, Takes, Who},
    schema::{PARTS, SCHEMAS},
    service::{BASE, Call, ROUTES},
    spelled::{base, content, media, named, spelled},
};

/// The version of this interface.
const VERSION: &str = "1.0";

const ABOUT: &str = "Calendars, the people who have them and with whom they share them, as JSON; what is in calendars is \
    CalDAV's. Each path is there with and without the slash at its end. HEAD is answered where GET is, and OPTIONS everywhere.";

/// Parameters of queries that are numbers.
const NUMBERS: [&str; 2] = ["page", "page_size"];

/// Statuses that are no success: what they mean, where they come from any route, or from those that name them.
pub const STATUSES: &[(u16, &str)] = &[
    (304, "It has not changed since the version that `If-None-Match` names."),
    (400, "What was sent is wrong: each fault is told."),
    (401, "Nobody is signed in."),
    (403, "It is not for whoever is signed in."),
    (404, "It is not there, or not for whoever is signed in."),
    (408, "The body came too slowly."),
    (409, "It does not go together with what is there."),
    (412, "It has changed since the version that `If-Match` names."),
    (413, "The body is too large."),
    (415, "The body is of another media type."),
    (423, "Somebody has locked it."),
    (429, "Too many requests: `Retry-After` tells after how many seconds there is room again."),
    (502, "The calendar service does not answer, or not as it should."),
    (503, "Too much is going on, or nothing may be changed now: the same may work in a moment."),
];

/// The statuses that a route may answer beside that of its success.
#[must_use]
pub fn statuses(route: &Route) -> Vec<u16> {
    let mut all = vec![400, 429, 502, 503];
    if route.who == Who::Person {
        all.extend([401, 403]);
    }
    if route.takes != Takes::Nothing {
        all.extend([408, 413, 415]);
    }
    // There is no such page.
    all.extend((route.query == PAGES).then_some(404));
    all.extend(route.refuses);
    all.sort_unstable();
    all.dedup();
    all
}

/// What of a path stands in braces.
pub fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.split_once('}')).map(|(name, _)| name)
}

/// The path as it is written: a file has no slash at its end.
#[must_use]
pub fn written(path: &str) -> &str {
    let bare = path.trim_end_matches('/');
    if bare.rsplit('/').next().is_some_and(|last| last.contains('.')) { bare } else { path }
}

/// The same from the root of the site on.
#[must_use]
pub fn whole(path: &str) -> String {
    if path.starts_with('/') { written(path).to_owned() } else { format!("{BASE}{}", written(path)) }
}

/// Whether a success of it has the header `ETag`: that of what has a field of that name, or need not be sent again.
#[must_use]
pub fn tagged(route: &Route) -> bool {
    let field = |name| named(route.gives.1).is_some_and(|it| it.fields.iter().any(|one| one.name == name));
    route.refuses.contains(&304) || field("etag")
}

/// How often it may be asked, where that is not what the settings say of all.
#[must_use]
pub fn pace(route: &Route) -> &'static str {
    match route.pace {
        Pace::General => "",
        Pace::Search => " At most 30 times a minute, and 180 times an hour.",
        Pace::Own => {
            " From one address at most 60 times a minute, and all links together `feeds.requests_per_minute` times."
        }
    }
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(whole(route.path)).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    let schemas = SCHEMAS.iter().map(|schema| (schema.name.to_owned(), schema.document()));
    let answers = STATUSES.iter().map(|(status, doc)| (status.to_string(), refusal(*status, doc)));
    json!({
        "openapi": "3.1.0",
        "info": { "title": "kalends", "version": VERSION, "description": ABOUT },
        "servers": [{ "url": "/" }],
        "security": [{ "session": [] }, { "bearer": [] }, { "password": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.collect::<Map<_, _>>(),
            "responses": answers.collect::<Map<_, _>>(),
            "securitySchemes": {
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "session",
                    "description": "The session at the proxy, which signs people in; the proxy gives the cookie its name.",
                },
                "bearer": { "type": "http", "scheme": "bearer", "description": "A token, where the proxy or `token.issuer` takes them." },
                "password": { "type": "http", "scheme": "basic", "description": "An app password that is confined to nothing." },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": name(route),
        "tags": [route.path.split('/').find(|segment| !segment.is_empty()).unwrap_or_default()],
        "summary": route.doc,
        "description": format!("{}{}", route.doc, pace(route)),
        "parameters": parameters(route),
        "responses": answers(route),
    });
    if let Takes::Json(name) | Takes::Octets(name, _) | Takes::Stream(name) = route.takes {
        operation["requestBody"] = json!({ "required": true, "content": content(name) });
    }
    if route.who == Who::Anyone {
        operation["security"] = json!([{}]);
    }
    operation
}

/// `get_calendars_id_shares`
fn name(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(route.method.to_lowercase(), |name, word| name + "_" + word)
}

fn parameters(route: &Route) -> Vec<Value> {
    let doc = |name: &str| PARTS.iter().find(|(part, _)| *part == name).map_or("", |(_, doc)| doc);
    let path = parts(route.path).map(|name| {
        let schema = json!({ "type": "string", "minLength": 1 });
        json!({ "name": name, "in": "path", "required": true, "description": doc(name), "schema": schema })
    });
    let query = route.query.iter().map(|(name, doc)| {
        let number = NUMBERS.contains(name);
        let schema =
            if number { json!({ "type": "integer", "minimum": 1 }) } else { json!({ "type": "string" }) };
        json!({ "name": name, "in": "query", "description": doc, "schema": schema })
    });
    let condition = |name: &str, status: u16, doc: &str| {
        let schema = json!({ "type": "string", "examples": ["\"9f86d081884c7d659a2feaa0c55ad015\""] });
        let header = json!({ "name": name, "in": "header", "description": doc, "schema": schema });
        route.refuses.contains(&status).then_some(header)
    };
    let conditions = [
        condition("If-Match", 412, "Only if this is its ETag."),
        condition("If-None-Match", 304, "Only if its ETag is another."),
    ];
    path.chain(query).chain(conditions.into_iter().flatten()).collect()
}

fn answers(route: &Route) -> Value {
    let (status, gives) = route.gives;
    let mut all = Map::new();
    all.insert(status.to_string(), success(route, gives));
    for status in statuses(route) {
        let answer = match status {
            200..300 => success(route, gives),
            400 | 403 if !route.faults.is_empty() => either(status, route.faults),
            _ => json!({ "$ref": format!("#/components/responses/{status}") }),
        };
        all.insert(status.to_string(), answer);
    }
    all.into()
}

/// A refusal that is told in one of two ways.
fn either(status: u16, faults: &str) -> Value {
    let doc = STATUSES.iter().find(|(known, _)| *known == status).map_or("", |(_, doc)| doc);
    let mut answer = refusal(status, doc);
    answer["content"][JSON]["schema"] = json!({ "anyOf": [spelled("Error"), spelled(faults)] });
    answer
}

fn success(route: &Route, gives: &str) -> Value {
    let doc =
        named(base(gives)).map(|it| it.doc).or_else(|| Some(media(gives)?.doc)).unwrap_or("It is done.");
    let mut answer = json!({ "description": doc });
    if gives.is_empty() {
        return answer;
    }
    answer["content"] = content(gives);
    if tagged(route) {
        let schema = json!({ "type": "string" });
        answer["headers"] =
            json!({ "ETag": { "description": "Its version.", "required": true, "schema": schema } });
    }
    let made = links(route);
    if !made.is_empty() {
        answer["links"] = made.into();
    }
    answer
}

/// What can be done with what was made or listed: each route that takes one part more, or the secret of what was made.
fn links(route: &Route) -> Map<String, Value> {
    let (at, one) = match route.gives.1 {
        list if list.ends_with("[]") => ("0/", base(list)),
        page if page.starts_with("Page<") => ("results/0/", base(page)),
        one => ("", one),
    };
    let made = |name| named(one).is_some_and(|it| it.fields.iter().any(|field| field.name == name));
    let link = |other: &Route| {
        let rest = other.path.strip_prefix(route.path).filter(|rest| rest.starts_with('{'));
        let (part, field) = match (rest, parts(rest.unwrap_or(other.path)).collect::<Vec<_>>().as_slice()) {
            (Some(_), [part]) if made("id") => (*part, "id"),
            (None, ["token"]) if made("token") => ("token", "token"),
            _ => return None,
        };
        let own = rest.map_or("", |_| route.path);
        let given = parts(own).map(|part| (part, format!("$request.path.{part}")));
        let value = (part, format!("$response.body#/{at}{field}"));
        let parameters: Map<String, Value> =
            given.chain([value]).map(|(part, value)| (part.to_owned(), value.into())).collect();
        Some((name(other), json!({ "operationId": name(other), "parameters": parameters })))
    };
    ROUTES.iter().filter(|_| matches!(route.method, "GET" | "POST")).filter_map(link).collect()
}

fn refusal(status: u16, doc: &str) -> Value {
    let mut answer = json!({ "description": doc });
    if status == 304 {
        return answer;
    }
    answer["content"] = json!({ JSON: { "schema": spelled("Error") } });
    if status == 429 {
        let schema = json!({ "type": "integer" });
        answer["headers"] =
            json!({ "Retry-After": { "description": "Seconds.", "required": true, "schema": schema } });
    }
    answer
}

/// The document as it is sent, and its tag.
static SENT: LazyLock<(String, String)> = LazyLock::new(|| {
    let text = document().to_string();
    let mut octets = [0; 8];
    octets.copy_from_slice(&Sha256::digest(&text)[..8]);
    let tag = format!("{:016x}", u64::from_be_bytes(octets));
    (text, tag)
});

/// `GET openapi.json`
pub fn served(call: &Call) -> Result<Response> {
    let (text, tag) = &*SENT;
    let conditions = Conditions::parse(&call.headers)
        .map_err(|bad| Refusal::new(Status::BAD_REQUEST, "invalid", format!("{bad}.")))?;
    let answer = match conditions.check(Some(tag), None, true) {
        Verdict::NotModified => Response::new(Status::NOT_MODIFIED),
        _ => Response::new(Status::OK).body(JSON, text.clone()),
    };
    Ok(answer.with(header::ETAG, format!("\"{tag}\"")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::schema::{Kind, MEDIA};

    #[test]
    fn every_type_that_a_route_names_is_there_and_every_type_is_named() {
        let mut named_there: BTreeSet<&str> = ["Error", "Fault"].into();
        for route in ROUTES {
            let (takes, json) = match route.takes {
                Takes::Nothing => ("", true),
                Takes::Json(name) => (name, true),
                Takes::Octets(name, _) | Takes::Stream(name) => (name, false),
            };
            assert!(takes.is_empty() || media(takes).is_none() == json, "{takes}");
            let names = [route.gives.1, takes, route.faults];
            for name in names.into_iter().map(base).filter(|name| !name.is_empty()) {
                assert!(
                    named(name).is_some() || media(name).is_some(),
                    "src/api/schema.rs has no row {name}"
                );
                named_there.insert(name);
            }
        }
        let inside = SCHEMAS.iter().flat_map(|schema| schema.fields).filter_map(|field| match field.kind {
            Kind::Of(name) => Some(name),
            Kind::List(Kind::Of(name)) => Some(*name),
            _ => None,
        });
        named_there.extend(inside);
        assert!(MEDIA.iter().all(|media| named_there.contains(media.name)));
        let all: Vec<&str> = SCHEMAS.iter().map(|schema| schema.name).collect();
        assert!(all.iter().all(|name| named_there.contains(name)), "idle: {all:?}");
        assert_eq!(all.len(), all.iter().collect::<BTreeSet<_>>().len(), "a type is there twice");
        for field in SCHEMAS.iter().flat_map(|schema| schema.fields) {
            let kind = if let Kind::List(inner) = field.kind { *inner } else { field.kind };
            assert!(!matches!(kind, Kind::Of(name) if named(name).is_none()), "{}", field.name);
            assert!(field.doc.ends_with('.'), "{}", field.name);
        }
    }

    #[test]
    fn every_part_and_status_has_its_meaning_and_every_operation_its_name() {
        let names: BTreeSet<String> = ROUTES.iter().map(name).collect();
        assert_eq!(names.len(), ROUTES.len());
        for route in ROUTES {
            for part in parts(route.path) {
                assert!(PARTS.iter().any(|(name, _)| *name == part), "PARTS has no row {part}");
            }
            for status in statuses(route).into_iter().filter(|status| *status >= 300) {
                assert!(STATUSES.iter().any(|(known, _)| *known == status), "STATUSES has no row {status}");
            }
        }
    }
}
