//! The description of the service for people (docs/rest.md), made of the routes and the types.

use std::fmt::Write;

use super::{
    openapi::{STATUSES, pace, parts, statuses, tagged, whole, written},
    route::{Route, Takes, Who},
    schema::{PARTS, SCHEMAS, Schema},
    service::ROUTES,
    spelled::{base, example, media, named},
};

const HEAD: &str = "# The REST service\n\n\
    Printed by `kalends list rest`; do not edit. For programs the same is at `/api/v1.0/openapi.json` (OpenAPI 3.1), and printed by\n\
    `kalends list openapi`. Why it is as it is: [decision 32](decisions/0032-the-rest-service.md).\n\n\
    Paths are below `/api/v1.0/` unless they begin with a slash, and there with and without the slash at their end; HEAD is answered\n\
    where GET is, and OPTIONS everywhere. Requests and answers are JSON where nothing else is said. Who asks is whom the proxy has\n\
    signed in; only what is marked *open* is for everybody. Each list but those of `users/`, `app-passwords/` and `subscription-tokens/`\n\
    comes in pages. Anything that is wrong is told as an [Error](#error). One person may send `api.requests_per_minute` requests in a\n\
    minute.\n";

/// The page.
#[must_use]
pub fn print() -> String {
    let mut page = HEAD.to_owned() + "\n## Statuses that are no success\n\n| Status | Meaning |\n|---|---|\n";
    for (status, doc) in STATUSES {
        let _ = writeln!(page, "| {status} | {doc} |");
    }
    page += "\n400, 429, 502 and 503 may come of any request; 401 and 403 of any that is not open; 408, 413 and 415 of any with a body, and 404 of any that comes in pages.\n";
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
    match route.takes {
        Takes::Nothing => {}
        Takes::Json(name) => {
            let _ = writeln!(page, "- takes {}: `{}`", link(name), example(name));
        }
        Takes::Stream(name) => {
            let _ = writeln!(page, "- takes {}, `api.import_bytes` octets of it at most", link(name));
        }
        Takes::Octets(name, most) => {
            let _ = writeln!(page, "- takes {}, {} KiB at most", link(name), most >> 10);
        }
    }
    let (status, gives) = route.gives;
    let what = if gives.is_empty() { "nothing".to_owned() } else { link(gives) };
    let tag = if tagged(route) { ", with an `ETag`" } else { "" };
    let _ = writeln!(page, "- answers {status}: {what}{tag}");
    if !route.faults.is_empty() {
        let _ = writeln!(page, "- 400 and 403 may be told as a {}", link(route.faults));
    }
    let own: Vec<String> = route.refuses.iter().map(ToString::to_string).collect();
    if !own.is_empty() {
        let _ = writeln!(page, "- or: {}", own.join(", "));
    }
    debug_assert!(route.refuses.iter().all(|status| statuses(route).contains(status)));
    if example_path(route) {
        let _ = writeln!(
            page,
            "\n```\ncurl -s https://cal.example.org{}\n{}\n```",
            whole(route.path),
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
    if let Some(media) = media(gives) {
        return format!(
            "`{}`: {}",
            media.kind,
            if named(gives).is_some() { link } else { media.doc.to_owned() }
        );
    }
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
