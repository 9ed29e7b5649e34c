//! THE TABLE of routes and THE ROAD of a request: identify, locate, admit, throttle, read, run, answer.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    config::Settings,
    db::Pool,
    front::{Denial, HeaderMap, Identity, Request, Response, Service, Status, header},
    observe::metrics,
};

use super::{
    caldav::{As, CalDav, decoded},
    check::{self, Checker},
    error::{Error, Refusal, Result},
    input::Input,
    passwords, site,
    throttle::{Rate, Throttle},
    users,
};

/// The path that all routes stand under.
pub const BASE: &str = "/api/v1.0/";

/// Octets of a body of JSON.
const MOST_JSON: usize = 64 << 10;

/// A route: what is answered where, to whom, and what the documentation says of it.
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path under [`BASE`], as `users/{id}/`; what stands in braces is one segment.
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
    /// The parameters of the query: name, and meaning.
    pub query: &'static [(&'static str, &'static str)],
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// What does it.
    pub run: for<'a> fn(&'a Call) -> BoxFuture<'a, Result<Response>>,
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
}

/// What the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing that is looked at.
    Nothing,
    /// An object of JSON: the name of what it is.
    Json(&'static str),
}

/// The routes.
pub const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "app-passwords/",
        who: Who::Person,
        pace: Pace::General,
        takes: Takes::Nothing,
        gives: (200, "AppPassword[]"),
        refuses: &[403],
        query: &[],
        doc: "The passwords for single programs that whoever is signed in has made.",
        run: |call| Box::pin(passwords::list(call)),
    },
    Route {
        method: "POST",
        path: "app-passwords/",
        who: Who::Person,
        pace: Pace::General,
        takes: Takes::Json("AppPasswordNew"),
        gives: (201, "AppPasswordMade"),
        refuses: &[400, 403],
        query: &[],
        doc: "Makes a password for a program; this answer alone has it.",
        run: |call| Box::pin(passwords::create(call)),
    },
    Route {
        method: "PATCH",
        path: "app-passwords/{id}/",
        who: Who::Person,
        pace: Pace::General,
        takes: Takes::Json("AppPasswordPatch"),
        gives: (200, "AppPassword"),
        refuses: &[400, 403],
        query: &[],
        doc: "Calls a password otherwise.",
        run: |call| Box::pin(passwords::rename(call)),
    },
    Route {
        method: "DELETE",
        path: "app-passwords/{id}/",
        who: Who::Person,
        pace: Pace::General,
        takes: Takes::Nothing,
        gives: (204, ""),
        refuses: &[403],
        query: &[],
        doc: "Revokes a password.",
        run: |call| Box::pin(passwords::revoke(call)),
    },
    Route {
        method: "GET",
        path: "config/",
        who: Who::Anyone,
        pace: Pace::General,
        takes: Takes::Nothing,
        gives: (200, "Config"),
        refuses: &[],
        query: &[],
        doc: "What web pages need to know of this installation.",
        run: |call| Box::pin(site::config(call)),
    },
    Route {
        method: "GET",
        path: "users/",
        who: Who::Person,
        pace: Pace::Search,
        takes: Takes::Nothing,
        gives: (200, "User[]"),
        refuses: &[],
        query: &[(
            "q",
            "A whole e-mail address; what is shorter than five characters or has no @ finds nobody.",
        )],
        doc: "Who has this e-mail address.",
        run: |call| Box::pin(users::search(call)),
    },
    Route {
        method: "GET",
        path: "users/me/",
        who: Who::Person,
        pace: Pace::General,
        takes: Takes::Nothing,
        gives: (200, "Me"),
        refuses: &[],
        query: &[],
        doc: "Who is signed in.",
        run: |call| Box::pin(users::me(call)),
    },
    Route {
        method: "PUT",
        path: "users/{id}/",
        who: Who::Person,
        pace: Pace::General,
        takes: Takes::Json("UserPatch"),
        gives: (200, "User"),
        refuses: &[400],
        query: &[],
        doc: "Sets the language and the time zone of whoever is signed in.",
        run: |call| Box::pin(users::update(call)),
    },
    Route {
        method: "PATCH",
        path: "users/{id}/",
        who: Who::Person,
        pace: Pace::General,
        takes: Takes::Json("UserPatch"),
        gives: (200, "User"),
        refuses: &[400],
        query: &[],
        doc: "Sets the language or the time zone of whoever is signed in.",
        run: |call| Box::pin(users::update(call)),
    },
];

/// What all requests share.
pub struct Shared {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The database, of which the schema of this service is used.
    pub pool: Pool,
    /// Where calendars are.
    pub caldav: CalDav,
    /// What web pages are told.
    pub site: site::Site,
    /// Who checks passwords of programs.
    pub checker: Arc<Checker>,
    throttle: Throttle,
}

/// The REST service.
pub struct Api(Arc<Shared>);

/// One request on its way.
pub struct Call {
    /// What all requests share.
    pub shared: Arc<Shared>,
    /// The id that names it in logs.
    pub id: String,
    /// What stands in the braces of the path, decoded, in its order.
    pub parts: Vec<String>,
    /// The query, raw.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// What was sent.
    pub input: Input,
    said: Option<crate::front::Said>,
    identity: Option<Identity>,
}

impl Call {
    /// The CalDAV service, for whoever is asking.
    pub fn caldav(&self) -> Result<As<'_>> {
        let said = self.said.as_ref().ok_or_else(|| Error::Fault("nobody is asking".into()))?;
        Ok(self.shared.caldav.of(said, &self.id))
    }

    /// Who is asking.
    pub fn identity(&self) -> Result<&Identity> {
        self.identity.as_ref().ok_or_else(|| Error::Fault("nobody is asking".into()))
    }

    /// The value of that parameter of the query, decoded; the first one counts.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        let pairs = self.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let value = pairs.into_iter().find(|(key, _)| decoded(key) == name)?.1;
        Some(decoded(&value.replace('+', " ")))
    }
}

/// An answer of JSON.
#[must_use]
pub fn json(status: Status, value: &Value) -> Response {
    Response::new(status).body(super::error::JSON, value.to_string())
}

impl Api {
    /// The service of these settings, over that database and that CalDAV service.
    #[must_use]
    pub fn new(settings: Arc<Settings>, pool: Pool, caldav: CalDav) -> Self {
        let site = site::Site::new(&settings);
        let checker = Checker::start(Arc::clone(&settings), pool.clone());
        Self(Arc::new(Shared { settings, pool, caldav, site, checker, throttle: Throttle::default() }))
    }

    /// Who checks passwords of programs.
    #[must_use]
    pub fn checker(&self) -> Arc<Checker> {
        Arc::clone(&self.0.checker)
    }

    async fn answer(&self, request: Request) -> Result<Response> {
        if request.path == check::PATH {
            // A stranger is told nothing, whatever they ask.
            if request.identity == Err(Denial::Untrusted) {
                return Err(Refusal::forbidden().into());
            }
            return Ok(self.0.checker.answer(request.question.as_ref()).await);
        }
        let found: Vec<(&Route, Vec<String>)> = located(&request.path);
        if found.is_empty() {
            return Err(Error::not_found());
        }
        let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
        let open = found.iter().any(|(route, _)| route.who == Who::Anyone);
        if let (Err(denial), false) = (&request.identity, open) {
            return Err(denial.into());
        }
        let Some((route, parts)) = found.iter().find(|(route, _)| route.method == method) else {
            let allow = allow(&found);
            if method == "OPTIONS" {
                return Ok(Response::new(Status::NO_CONTENT).with(header::ALLOW, allow));
            }
            let detail = format!("Method \"{}\" not allowed.", request.method);
            let refusal = Refusal::new(Status::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
            return Ok(Error::from(refusal).response().with(header::ALLOW, allow));
        };
        let shared = &self.0;
        if shared.settings.server.read_only && !matches!(method, "GET") {
            return Err(Error::Busy("the service is read-only".into()));
        }
        let identity = request.identity.ok();
        // A password that does not reach as far as its owner is for calendar programs.
        let scope = identity.as_ref().and_then(|identity| identity.scope.as_ref());
        if scope.is_some_and(|scope| scope.read_only || scope.is_confined()) {
            return Err(Refusal::forbidden().into());
        }
        let who = identity.as_ref().map_or("", |identity| identity.user.as_str());
        shared.pace(route.pace, who)?;
        let input = match route.takes {
            Takes::Nothing => Input::default(),
            Takes::Json(_) => Input::read(&request.headers, request.body.read(MOST_JSON).await?)?,
        };
        let (id, headers, said) = (request.id, request.headers, request.said);
        let (parts, query) = (parts.clone(), request.query.unwrap_or_default());
        (route.run)(&Call { shared: Arc::clone(shared), id, parts, query, headers, input, said, identity })
            .await
    }
}

impl Shared {
    fn pace(&self, pace: Pace, who: &str) -> Result<()> {
        let every = |most, seconds| Rate { most, window: Duration::from_secs(seconds) };
        let counted = match pace {
            Pace::Search => self.throttle.count("search", who, &[every(30, 60), every(180, 3600)]),
            Pace::General => match self.settings.api.requests_per_minute {
                0 => Ok(()),
                most => self.throttle.count("general", who, &[every(most, 60)]),
            },
        };
        counted.map_err(Error::Throttled)
    }
}

impl Service for Api {
    fn methods(&self) -> String {
        let mut methods: Vec<&str> = ROUTES.iter().map(|route| route.method).collect();
        methods.extend(["HEAD", "OPTIONS"]);
        methods.sort_unstable();
        methods.dedup();
        methods.join(", ")
    }

    async fn call(&self, request: Request) -> Response {
        let challenge = self.0.settings.identity.challenge.clone();
        match self.answer(request).await {
            Ok(response) => response,
            Err(error) => {
                match &error {
                    Error::Refused(_) | Error::Invalid(_) | Error::Throttled(_) => {
                        metrics::refused(error.code());
                        tracing::debug!(?error, "refused");
                    }
                    Error::Busy(why) => tracing::warn!(%why, "busy"),
                    Error::Upstream(why) => tracing::error!(%why, "the CalDAV service failed"),
                    Error::Fault(why) => tracing::error!(%why, "failed"),
                }
                let answer = error.response();
                if answer.status == Status::UNAUTHORIZED && !challenge.is_empty() {
                    answer.with(header::WWW_AUTHENTICATE, challenge)
                } else {
                    answer
                }
            }
        }
    }
}

/// The routes of that path, with what stands in their braces. A whole name goes before one in braces; slashes at the end, and
/// more than one where there should be one, make no difference.
fn located(path: &str) -> Vec<(&'static Route, Vec<String>)> {
    let Some(rest) = path.strip_prefix(BASE.trim_end_matches('/')).filter(|rest| rest.starts_with('/'))
    else {
        return Vec::new();
    };
    let segments: Vec<&str> = rest.split('/').filter(|segment| !segment.is_empty()).collect();
    let matched = ROUTES.iter().filter_map(|route| Some((route, parts(route.path, &segments)?)));
    let mut found: Vec<(&Route, Vec<String>)> = matched.collect();
    let fewest = found.iter().map(|(_, parts)| parts.len()).min().unwrap_or_default();
    found.retain(|(_, parts)| parts.len() == fewest);
    found
}

fn parts(pattern: &str, segments: &[&str]) -> Option<Vec<String>> {
    let wanted: Vec<&str> = pattern.split('/').filter(|segment| !segment.is_empty()).collect();
    if wanted.len() != segments.len() {
        return None;
    }
    let mut parts = Vec::new();
    for (wanted, segment) in wanted.iter().zip(segments) {
        match wanted.starts_with('{') {
            true => parts.push(decoded(segment)),
            false if wanted == segment => {}
            false => return None,
        }
    }
    Some(parts)
}

fn allow(found: &[(&Route, Vec<String>)]) -> String {
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
    }

    #[test]
    fn no_route_is_there_twice_and_each_is_documented() {
        for (place, route) in ROUTES.iter().enumerate() {
            let same = |other: &&Route| other.method == route.method && other.path == route.path;
            assert!(!ROUTES[..place].iter().any(|other| same(&other)), "{} {}", route.method, route.path);
            assert!(route.path.ends_with('/') && !route.path.starts_with('/'), "{}", route.path);
            assert!(route.doc.ends_with('.') && route.doc.len() > 10, "{}", route.doc);
            assert!(Status::from_u16(route.gives.0).is_ok_and(|status| status.is_success()));
        }
    }
}
