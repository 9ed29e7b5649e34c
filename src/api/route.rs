//! What a route is, and how a path is held against the table of them.

use futures_util::future::BoxFuture;

use crate::front::Response;

use super::{
    caldav::decoded,
    error::Result,
    service::{BASE, Call, ROUTES},
};

/// A route: what is answered where, to whom, and what the documentation says of it.
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path under [`super::service::BASE`], as `users/{id}/`, or with a slash before it a whole one; what stands in braces
    /// is one segment, or the beginning of one.
    pub path: &'static str,
    /// Who may.
    pub who: Who,
    /// By what its requests are counted.
    pub pace: Pace,
    /// What it takes.
    pub takes: Takes,
    /// What it answers when all is well: the status, and the name of what the body is.
    pub gives: (u16, &'static str),
    /// The other statuses that it may answer, beside those that any route may.
    pub refuses: &'static [u16],
    /// The name of what 400 and 403 may be told as instead of in the one shape; none where that is empty.
    pub faults: &'static str,
    /// The parameters of the query: name, and meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// What does it.
    pub run: Run,
}

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Anybody at all.
    Anyone,
    /// Whoever is signed in.
    Person,
}

/// How requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// With all others.
    General,
    /// Searches for people, apart.
    Search,
    /// By itself.
    Own,
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing that is looked at.
    Nothing,
    /// An object of JSON: the name of what it is.
    Json(&'static str),
    /// Octets, at most so many, which the route looks at itself: the name of what they are.
    Octets(&'static str, usize),
    /// The same of any length that the settings allow, which it reads as they come.
    Stream(&'static str),
}

/// What runs a route.
type Run = for<'a> fn(&'a Call) -> BoxFuture<'a, Result<Response>>;

impl Route {
    const fn new(method: &'static str, path: &'static str, gives: (u16, &'static str), run: Run) -> Self {
        let (who, pace, takes) = (Who::Person, Pace::General, Takes::Nothing);
        Self { method, path, who, pace, takes, gives, refuses: &[], faults: "", query: &[], doc: "", run }
    }

    /// A route that reads.
    #[must_use]
    pub const fn get(path: &'static str, gives: &'static str, run: Run) -> Self {
        Self::new("GET", path, (200, gives), run)
    }

    /// A route that makes something.
    #[must_use]
    pub const fn post(path: &'static str, takes: &'static str, gives: &'static str, run: Run) -> Self {
        Self { takes: Takes::Json(takes), ..Self::new("POST", path, (201, gives), run) }
    }

    /// A route that takes octets of that name, at most so many.
    #[must_use]
    pub const fn octets(
        path: &'static str,
        (takes, most): (&'static str, usize),
        gives: &'static str,
        run: Run,
    ) -> Self {
        Self { takes: Takes::Octets(takes, most), ..Self::new("POST", path, (200, gives), run) }
    }

    /// A route that reads octets of that name as they come.
    #[must_use]
    pub const fn stream(path: &'static str, takes: &'static str, gives: &'static str, run: Run) -> Self {
        Self { takes: Takes::Stream(takes), ..Self::new("POST", path, (200, gives), run) }
    }

    /// A route that changes something.
    #[must_use]
    pub const fn patch(path: &'static str, takes: &'static str, gives: &'static str, run: Run) -> Self {
        Self { takes: Takes::Json(takes), ..Self::new("PATCH", path, (200, gives), run) }
    }

    /// The same, by the other name.
    #[must_use]
    pub const fn put(path: &'static str, takes: &'static str, gives: &'static str, run: Run) -> Self {
        Self { method: "PUT", ..Self::patch(path, takes, gives, run) }
    }

    /// A route that deletes.
    #[must_use]
    pub const fn delete(path: &'static str, run: Run) -> Self {
        Self::new("DELETE", path, (204, ""), run)
    }

    /// The same with a body of JSON.
    #[must_use]
    pub const fn takes(self, takes: &'static str) -> Self {
        Self { takes: Takes::Json(takes), ..self }
    }

    /// The same with that status when all is well.
    #[must_use]
    pub const fn gives(self, status: u16) -> Self {
        Self { gives: (status, self.gives.1), ..self }
    }

    /// The same for anybody.
    #[must_use]
    pub const fn open(self) -> Self {
        Self { who: Who::Anyone, ..self }
    }

    /// The same, counted in that way.
    #[must_use]
    pub const fn pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// The same with more statuses that it may answer.
    #[must_use]
    pub const fn refuses(self, refuses: &'static [u16]) -> Self {
        Self { refuses, ..self }
    }

    /// The same that may tell of 400 and 403 in that way, too.
    #[must_use]
    pub const fn faults(self, faults: &'static str) -> Self {
        Self { faults, ..self }
    }

    /// The same with parameters of the query.
    #[must_use]
    pub const fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }

    /// The same with the sentence of the documentation.
    #[must_use]
    pub const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }
}

/// The routes of that path, with what stands in their braces. A whole name goes before one in braces; slashes at the end, and
/// more than one where there should be one, make no difference.
#[must_use]
pub fn located(path: &str) -> Vec<(&'static Route, Vec<String>)> {
    let below = path.strip_prefix(BASE.trim_end_matches('/')).filter(|rest| rest.starts_with('/'));
    let segments = |path: &'_ str| -> Vec<String> {
        path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
    };
    let (whole, below) = (segments(path), below.map(segments));
    let matched = ROUTES.iter().filter_map(|route| {
        let segments = if route.path.starts_with('/') { &whole } else { below.as_ref()? };
        Some((route, parts(route.path, segments)?))
    });
    let mut found: Vec<(&Route, Vec<String>)> = matched.collect();
    let fewest = found.iter().map(|(_, parts)| parts.len()).min().unwrap_or_default();
    found.retain(|(_, parts)| parts.len() == fewest);
    found
}

fn parts(pattern: &str, segments: &[String]) -> Option<Vec<String>> {
    let wanted: Vec<&str> = pattern.split('/').filter(|segment| !segment.is_empty()).collect();
    if wanted.len() != segments.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (wanted, segment) in wanted.iter().zip(segments) {
        match wanted.strip_prefix('{').and_then(|wanted| wanted.split_once('}')) {
            Some((_, end)) => parts.push(decoded(segment.strip_suffix(end)?)),
            None if wanted == segment => {}
            None => return None,
        }
    }
    Some(parts)
}

/// The methods of these routes, as a header has them.
#[must_use]
pub fn allow(found: &[(&Route, Vec<String>)]) -> String {
    let mut methods: Vec<&str> = found.iter().map(|(route, _)| route.method).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Status;

    fn at(path: &str) -> Vec<(&'static str, &'static str, Vec<String>)> {
        located(path).into_iter().map(|(route, parts)| (route.method, route.path, parts)).collect()
    }

    #[test]
    fn slashes_at_the_end_make_no_difference() {
        let me = vec![("GET", "users/me/", Vec::new())];
        for path in ["/api/v1.0/users/me/", "/api/v1.0/users/me", "/api/v1.0//users/me//"] {
            assert_eq!(at(path), me, "{path}");
        }
        for path in
            ["/", "/api/v1.0", "/api/v1.0/", "/api/v1.0/x/", "/api/v1.0x/users/me/", "/users/me/", "*"]
        {
            assert_eq!(at(path), Vec::new(), "{path}");
        }
        assert_eq!(at("/api/v1.0/users/a%20b")[0].2, ["a b"]);
        let link = vec![("GET", "/ical/{token}.ics", vec!["x".to_owned()])];
        assert_eq!(at("/ical/x.ics"), link);
        for path in ["/ical/x", "/ical/", "/ical/x/y.ics", "/api/v1.0/ical/x.ics"] {
            assert_eq!(at(path), Vec::new(), "{path}");
        }
    }

    #[test]
    fn no_route_is_there_twice_and_each_is_documented() {
        for (place, route) in ROUTES.iter().enumerate() {
            let same = |other: &&Route| other.method == route.method && other.path == route.path;
            assert!(!ROUTES[..place].iter().any(|other| same(&other)), "{} {}", route.method, route.path);
            assert!(route.path.ends_with('/') != route.path.ends_with("}.ics"), "{}", route.path);
            assert!(route.doc.ends_with('.') && route.doc.len() > 10, "{}", route.doc);
            assert!(Status::from_u16(route.gives.0).is_ok_and(|status| status.is_success()));
        }
    }
}
