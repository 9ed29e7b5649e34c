//! The description of the service for people (docs/rest.md), made of the routes and the types.

use std::fmt::Write;

use super::{
    openapi::{STATUSES, pace, parts, statuses, tagged, written},
    route::{Route, Takes, Who},
    schema::{PARTS, SCHEMAS, Schema, base, example, named},
    service::{BASE, ROUTES},
};

const HEAD: &str = "# The REST service\n\n\
    Printed by `kalends list rest`; do not edit. For programs the same is at `/api/v1.0/openapi.json` (OpenAPI 3.1), and printed by\n\
    `kalends list openapi`. Why it is as it is: [decision 32](decisions/0032-the-rest-service.md).\n\n\
    All paths are below `/api/v1.0/`, and there with and without the slash at their end; HEAD is answered where GET is. Requests and\n\
    answers are JSON. Who asks is whom the proxy has signed in; only what is marked *open* is for everybody. Each list but those of\n\
    `users/` and `app-passwords/` comes in pages. Anything that is wrong is told as an [Error](#error). One person may send\n\
    `api.requests_per_minute` requests in a minute.\n";

/// The page.
#[must_use]
pub fn print() -> String {
    let mut page = HEAD.to_owned() + "\n## Statuses that are no success\n\n| Status | Meaning |\n|---|---|\n";
    for (status, doc) in STATUSES {
        let _ = writeln!(page, "| {status} | {doc} |");
    }
    page += "\n400, 429, 502 and 503 may come of any request; 401 and 403 of any that is not open; 408, 413 and 415 of any with a body.\n";
    page += "\n## Routes\n";
    for one in ROUTES {
        route(&mut page, one);
    }
    page += "\n## Types\n";
    for one in SCHEMAS {
        schema(&mut page, one);
    }
    page
}

fn route(page: &mut String, route: &Route) {
    let open = if route.who == Who::Anyone { " *(open)*" } else { "" };
    let _ = writeln!(
        page,
        "\n### {} {}{open}\n\n{}{}\n",
        route.method,
        written(route.path),
        route.doc,
        pace(route)
    );
    let doc = |name: &str| PARTS.iter().find(|(part, _)| *part == name).map_or("", |(_, doc)| doc);
    for part in parts(route.path) {
        let _ = writeln!(page, "- `{{{part}}}`: {}", doc(part));
    }
    for (name, doc) in route.query {
        let _ = writeln!(page, "- `?{name}=`: {doc}");
    }
    if let Takes::Json(name) = route.takes {
        let _ = writeln!(page, "- takes {}: `{}`", link(name), example(name));
    }
    let (status, gives) = route.gives;
    let what = if gives.is_empty() { "nothing".to_owned() } else { link(gives) };
    let tag = if tagged(route) { ", with an `ETag`" } else { "" };
    let _ = writeln!(page, "- answers {status}: {what}{tag}");
    let own: Vec<String> = route.refuses.iter().map(ToString::to_string).collect();
    if !own.is_empty() {
        let _ = writeln!(page, "- or: {}", own.join(", "));
    }
    debug_assert!(route.refuses.iter().all(|status| statuses(route).contains(status)));
    if example_path(route) {
        let _ = writeln!(
            page,
            "\n```\ncurl -s https://cal.example.org{BASE}{}\n{}\n```",
            route.path,
            example(gives)
        );
    }
}

/// Whether there is something to show that can be asked for as it stands.
fn example_path(route: &Route) -> bool {
    route.method == "GET"
        && parts(route.path).count() == 0
        && named(base(route.gives.1)).is_some()
        && !written(route.path).contains('.')
}

fn link(gives: &str) -> String {
    let name = base(gives);
    let link = format!("[{name}](#{})", name.to_lowercase());
    match gives {
        list if list.ends_with("[]") => format!("a list of {link}"),
        page if page.starts_with("Page<") => {
            format!("a page of {link}: `{{\"count\", \"next\", \"previous\", \"results\"}}`")
        }
        _ => link,
    }
}

fn schema(page: &mut String, schema: &Schema) {
    let _ = writeln!(
        page,
        "\n### {}\n\n{}\n\n| Field | Holds | Meaning |\n|---|---|---|",
        schema.name, schema.doc
    );
    for field in schema.fields {
        let optional = if field.optional { " *(may be left out)*" } else { "" };
        let _ = writeln!(page, "| `{}`{optional} | {} | {} |", field.name, field.words(), field.doc);
    }
    let _ = writeln!(page, "\n```json\n{}\n```", schema.example);
}
