//! THE TABLE of routes and THE ROAD of a request: identify, locate, admit, throttle, read, run, answer.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;

use crate::{
    config::Settings,
    db::Pool,
    front::{
        Body, BodyError, Denial, Entitlements, HeaderMap, Identity, Method, Request, Response, Room, Said,
        Service, Status, header,
    },
    observe::metrics,
};

use super::{
    account,
    caldav::{As, CalDav, decoded},
    calendars,
    check::{self, Checker},
    edit,
    error::{self, Error, Refusal, Result},
    export, feeds, import,
    input::Input,
    links, openapi,
    page::PAGES,
    passwords, records,
    route::{Pace, Route, Takes, Who, allow, located},
    shares, site,
    throttle::{self, Full, Held, Places, Rate, Throttle},
    trash, users,
};

/// The path that all routes stand under.
pub const BASE: &str = "/api/v1.0/";

/// Octets of a body of JSON.
const MOST_JSON: usize = 64 << 10;
/// Files that are brought in at once, and by one person: each takes some 30 MiB of memory, and where it is made for that 60.
const FILES: (usize, usize) = (16, 2);
/// Exports that are on their way at once, and those of one person: each goes on for as long as whoever has asked for it takes it.
const EXPORTS: (usize, usize) = (64, 2);
/// Seconds after which there may be room for another.
const A_FILE: u64 = 5;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::get("app-passwords/", "AppPassword[]", |call| Box::pin(passwords::list(call)))
        .refuses(&[403])
        .doc("The passwords for single programs that whoever is signed in has made."),
    Route::post("app-passwords/", "AppPasswordNew", "AppPasswordMade", |call| Box::pin(passwords::create(call)))
        .refuses(&[403])
        .doc("Makes a password for a program; this answer alone has it."),
    Route::patch("app-passwords/{id}/", "AppPasswordPatch", "AppPassword", |call| {
        Box::pin(passwords::rename(call))
    })
    .refuses(&[403, 404])
    .doc("Calls a password otherwise."),
    Route::delete("app-passwords/{id}/", |call| Box::pin(passwords::revoke(call)))
        .refuses(&[403, 404])
        .doc("Revokes a password."),
    Route::get("config/", "Config", |call| Box::pin(site::config(call)))
        .open()
        .doc("What web pages need to know of this installation."),
    Route::get("openapi.json/", "Document", |call| Box::pin(async { openapi::served(call) }))
        .open()
        .refuses(&[304])
        .doc("This service, as OpenAPI 3.1 describes it."),
    Route::get("swagger.json/", "Document", |call| Box::pin(async { openapi::served(call) }))
        .open()
        .refuses(&[304])
        .doc("The same, by another name."),
    Route::get("/ical/{token}.ics", "CalendarData", |call| Box::pin(feeds::get(call)))
        .open()
        .pace(Pace::Own)
        .refuses(&[304, 404, 412])
        .doc("A calendar, as far as the secret link to it shows it; whoever has the link needs nothing else."),
    Route::get("subscription-tokens/", "SubscriptionToken[]", |call| Box::pin(links::list(call)))
        .refuses(&[403])
        .doc("The secret links to one's calendars."),
    Route::post("subscription-tokens/", "SubscriptionTokenNew", "SubscriptionToken", |call| {
        Box::pin(links::create(call))
    })
    .refuses(&[200, 403, 404])
    .doc("Makes a secret link to one of one's calendars; 200 with the one that there is where there is one."),
    Route::get("subscription-tokens/by-path/", "SubscriptionToken", |call| Box::pin(links::by_path(call)))
        .query(links::BY_PATH)
        .refuses(&[400, 403, 404])
        .doc("The secret link to a calendar."),
    Route::delete("subscription-tokens/by-path/", |call| Box::pin(links::remove_by_path(call)))
        .query(links::BY_PATH)
        .refuses(&[400, 403, 404])
        .doc("Ends the secret links to a calendar; the next that is made is another."),
    Route::get("subscription-tokens/{id}/", "SubscriptionToken", |call| Box::pin(links::retrieve(call)))
        .refuses(&[403, 404])
        .doc("One secret link."),
    Route::patch("subscription-tokens/{id}/", "SubscriptionTokenPatch", "SubscriptionToken", |call| {
        Box::pin(links::update(call))
    })
    .refuses(&[403, 404])
    .doc("Calls a secret link otherwise, makes it show more or less, or stops it."),
    Route::delete("subscription-tokens/{id}/", |call| Box::pin(links::remove(call)))
        .refuses(&[403, 404])
        .doc("Ends a secret link."),
    Route::get("users/", "User[]", |call| Box::pin(users::search(call)))
        .query(&[("q", "A whole e-mail address; less than five characters, or none with @, find nobody.")])
        .pace(Pace::Search)
        .doc("Who has this e-mail address."),
    Route::get("users/me/", "Me", |call| Box::pin(users::me(call))).doc("Who is signed in."),
    Route::get("/external_api/v1.0/users/me/", "Me", |call| Box::pin(users::me(call)))
        .doc("Who is signed in, for other services; nothing else is there for them."),
    Route::put("users/{id}/", "UserPatch", "UserSettings", |call| Box::pin(users::update(call)))
        .doc("Sets the language and the time zone of whoever is signed in."),
    Route::patch("users/{id}/", "UserPatch", "UserSettings", |call| Box::pin(users::update(call)))
        .doc("Sets the language or the time zone of whoever is signed in."),
    Route::get("calendars/", "Page<Calendar>", |call| Box::pin(calendars::list(call)))
        .query(PAGES)
        .doc("The calendars in one's home: one's own, and those of others that are shared."),
    Route::post("calendars/", "CalendarNew", "Calendar", |call| Box::pin(calendars::create(call)))
        .refuses(&[403, 409, 423])
        .doc("Makes a calendar."),
    Route::octets("calendars/import-events/", ("ImportForm", import::MOST_FORM), "ImportCounts", |call| {
        Box::pin(import::events(call))
    })
    .refuses(&[403, 423])
    .faults("PlainError")
    .doc("Brings the events of a file of iCalendar into a calendar that a form names by its path on CalDAV."),
    Route::stream("calendars/{id}/import/", "CalendarData", "ImportReport", |call| Box::pin(import::report(call)))
    .refuses(&[403, 404, 415, 423])
    .doc("Brings the events of a stream of iCalendar into a calendar, and tells of each that did not come in why."),
    Route::get("calendars/{id}/", "Calendar", |call| Box::pin(calendars::retrieve(call)))
        .refuses(&[304, 404, 412])
        .doc("One calendar."),
    Route::put("calendars/{id}/", "CalendarPatch", "Calendar", |call| Box::pin(calendars::update(call)))
        .refuses(&[403, 404, 409, 412, 423])
        .doc("Changes what is named of a calendar."),
    Route::patch("calendars/{id}/", "CalendarPatch", "Calendar", |call| Box::pin(calendars::update(call)))
        .refuses(&[403, 404, 409, 412, 423])
        .doc("Changes what is named of a calendar."),
    Route::delete("calendars/{id}/", |call| Box::pin(calendars::delete(call)))
        .refuses(&[403, 404, 409, 412, 423])
        .doc("Deletes a calendar, or takes one of somebody else out of one's home."),
    Route::post("calendars/{id}/events/{uid}/edit/", "EventEdit", "EventEdited", |call| Box::pin(edit::edit(call)))
        .gives(200)
        .refuses(&[403, 404, 409, 412, 423])
        .doc("Changes or deletes one instance of an event, that and all later ones, or all of it."),
    Route::get("calendars/{id}/export/", "CalendarData", |call| Box::pin(export::calendar(call)))
        .query(export::QUERY)
        .refuses(&[403, 404])
        .doc("A whole calendar as one stream of iCalendar."),
    Route::get("calendars/{id}/history/", "History", |call| Box::pin(records::history(call)))
        .query(records::OF_OBJECTS)
        .refuses(&[403, 404])
        .doc("Who changed what in a calendar, when and with which program, the latest first; for its owner."),
    Route::get("calendars/{id}/audit/", "Audit", |call| Box::pin(records::of_calendar(call)))
        .query(records::OF_CALENDAR)
        .refuses(&[403, 404])
        .doc("Who gave whom which rights on a calendar, and took them away, the latest first; for its owner."),
    Route::get("audit/", "Audit", |call| Box::pin(records::of_all(call)))
        .query(records::OF_ALL)
        .refuses(&[403, 404])
        .doc("Who did what to people and to rights, the latest first; for admins."),
    Route::get("account/export/", "Archive", |call| Box::pin(account::export(call)))
        .refuses(&[403])
        .doc("All that is kept of whoever is signed in, as a zip archive."),
    Route::delete("account/", |call| Box::pin(account::erase(call)))
        .takes(account::ERASURE)
        .refuses(&[403])
        .doc("Erases whoever is signed in, with all that they have; they say their user name, and nothing brings it back."),
    Route::get("calendars/{id}/trash/", "Page<Trashed>", |call| Box::pin(trash::of_calendar(call)))
        .query(PAGES)
        .refuses(&[403, 404])
        .doc("What was deleted from a calendar and can be taken back."),
    Route::get("trash/", "Page<Trashed>", |call| Box::pin(trash::list(call)))
        .query(PAGES)
        .doc("What was deleted from one's home and can be taken back: events and whole calendars."),
    Route::delete("trash/{entry}/", |call| Box::pin(trash::purge(call)))
        .refuses(&[403, 404])
        .doc("Erases something that was deleted, with all that it had been before."),
    Route::post("trash/{entry}/restore/", "Restore", "Restored", |call| Box::pin(trash::restore(call)))
        .gives(200)
        .refuses(&[403, 404, 409, 423])
        .doc("Takes back something that was deleted, to where it was or into another calendar."),
    Route::get("calendars/{id}/shares/", "Page<Share>", |call| Box::pin(shares::list(call)))
        .query(PAGES)
        .refuses(&[403, 404])
        .doc("With whom a calendar is shared, as far as one may know it."),
    Route::post("calendars/{id}/shares/", "ShareInvite", "Share", |call| Box::pin(shares::invite(call)))
        .refuses(&[200, 403, 404, 409, 423])
        .doc("Shares a calendar with a person or a group, or changes what they may do; 200 where it was shared."),
    Route::get("calendars/{id}/shares/{share}/", "Share", |call| Box::pin(shares::retrieve(call)))
        .refuses(&[403, 404])
        .doc("One share of a calendar."),
    Route::put("calendars/{id}/shares/{share}/", "SharePatch", "Share", |call| Box::pin(shares::update(call)))
        .refuses(&[403, 404, 409, 423])
        .doc("Changes what somebody may do with a calendar."),
    Route::patch("calendars/{id}/shares/{share}/", "SharePatch", "Share", |call| Box::pin(shares::update(call)))
        .refuses(&[403, 404, 409, 423])
        .doc("Changes what somebody may do with a calendar."),
    Route::delete("calendars/{id}/shares/{share}/", |call| Box::pin(shares::remove(call)))
        .refuses(&[403, 404, 409, 423])
        .doc("Shares a calendar with somebody no longer."),
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
    /// How often people ask, and strangers.
    pub throttle: Throttle,
    /// Who is bringing files in.
    pub files: Places,
    /// Who takes calendars along.
    pub exports: Places,
    /// Held by who is being erased: CalDAV erases people one after the other, and who waits there has a connection meanwhile.
    pub erasing: tokio::sync::Mutex<()>,
    /// Which links were used.
    pub uses: feeds::Uses,
    /// Who may have calendars of their own.
    pub entitlements: Arc<Entitlements>,
}

/// The REST service. A clone is the same.
#[derive(Clone)]
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
    /// What was sent, of a route that takes JSON.
    pub input: Input,
    /// Where the client is.
    pub client: Option<IpAddr>,
    /// Whether it wants the headers alone.
    pub head: bool,
    /// What was sent, of one that takes octets, or why it could not be read.
    pub octets: std::result::Result<Bytes, BodyError>,
    /// What is sent, of one that reads it as it comes.
    body: Mutex<Option<Body>>,
    said: Option<Said>,
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

    /// What is sent, to whoever asks for it first.
    pub fn body(&self) -> Result<Body> {
        let body = self.body.lock().unwrap_or_else(PoisonError::into_inner).take();
        body.ok_or_else(|| Error::Fault("there is nothing to read".into()))
    }

    /// A place for an export, to be held until it is out.
    pub fn exporting(&self) -> Result<Held> {
        taken(&self.shared.exports, self.identity()?)
    }

    /// Refuses who is not entitled to calendars of their own, and also where nobody can tell.
    pub async fn entitled(&self) -> Result<()> {
        let (entitlements, identity) = (&self.shared.entitlements, self.identity()?);
        // CalDAV knows the address of whom the proxy tells none.
        let known = identity.email.is_some() || !entitlements.are_asked();
        let kept = if known { None } else { users::User::asking(self).await?.email };
        if entitlements.of(identity, kept.as_deref()).await == Some(true) {
            return Ok(());
        }
        let detail = "You are not entitled to calendars of your own.";
        Err(Refusal::new(Status::FORBIDDEN, "permission_denied", detail).into())
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
    Response::new(status).body(error::JSON, value.to_string())
}

impl Api {
    /// The service of these settings, over that database and that CalDAV service.
    #[must_use]
    pub fn new(settings: Arc<Settings>, pool: Pool, caldav: CalDav, entitlements: Arc<Entitlements>) -> Self {
        let site = site::Site::new(&settings);
        let checker = Checker::start(Arc::clone(&settings), pool.clone(), caldav.clone());
        let (throttle, uses) = (Throttle::default(), feeds::Uses::default());
        let (files, exports) = (Places::new(FILES.0, FILES.1), Places::new(EXPORTS.0, EXPORTS.1));
        let erasing = tokio::sync::Mutex::default();
        let shared = Shared {
            settings,
            pool,
            caldav,
            site,
            checker,
            throttle,
            files,
            exports,
            erasing,
            uses,
            entitlements,
        };
        let shared = Arc::new(shared);
        feeds::start(&shared);
        Self(shared)
    }

    /// Who checks passwords of programs.
    #[must_use]
    pub fn checker(&self) -> Arc<Checker> {
        Arc::clone(&self.0.checker)
    }

    /// Takes over new rules of identity: what is read without anybody asking is read by the new secret.
    pub fn reload(&self, settings: &Settings) {
        self.0.caldav.reload(&settings.identity);
        self.0.checker.forget();
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
        let head = request.method == "HEAD";
        let method = if head { "GET" } else { request.method.as_str() };
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
        if !open && scope.is_some_and(|scope| scope.read_only || scope.is_confined()) {
            return Err(Refusal::forbidden().into());
        }
        shared.pace(route.pace, identity.as_ref(), request.client)?;
        let _place = shared.place(route.takes, identity.as_ref())?;
        let (input, octets, body) = sent(route.takes, &request.headers, request.body).await?;
        let (id, headers, said, client) = (request.id, request.headers, request.said, request.client);
        let (parts, query) = (parts.clone(), request.query.unwrap_or_default());
        let call = Call {
            shared: Arc::clone(shared),
            id,
            parts,
            query,
            headers,
            input,
            octets,
            client,
            head,
            body: Mutex::new(body),
            said,
            identity,
        };
        (route.run)(&call).await
    }
}

/// What was sent, as a route takes it: JSON, octets or why there are none, and a body that is still to be read.
type Sent = (Input, std::result::Result<Bytes, BodyError>, Option<Body>);

async fn sent(takes: Takes, headers: &HeaderMap, body: Body) -> Result<Sent> {
    let nothing = || Ok(Bytes::new());
    match takes {
        Takes::Nothing => Ok((Input::default(), nothing(), None)),
        Takes::Json(_) => Ok((Input::read(headers, &body.read(MOST_JSON).await?)?, nothing(), None)),
        Takes::Octets(_, most) => Ok((Input::default(), body.read(most).await, None)),
        Takes::Stream(_) => Ok((Input::default(), nothing(), Some(body))),
    }
}

fn taken(places: &Places, who: &Identity) -> Result<Held> {
    places.take(&who.user).map_err(|full| match full {
        Full::Own => Error::Throttled(A_FILE),
        Full::All => Error::Busy("many files are on their way".into()),
    })
}

impl Shared {
    /// A place for a large body.
    fn place(&self, takes: Takes, identity: Option<&Identity>) -> Result<Option<Held>> {
        match (takes, identity) {
            (Takes::Octets(..) | Takes::Stream(_), Some(who)) => taken(&self.files, who).map(Some),
            _ => Ok(None),
        }
    }

    /// Counts a request of a person, or of a stranger by where they are: nobody uses up what is everybody's.
    fn pace(&self, pace: Pace, identity: Option<&Identity>, client: Option<IpAddr>) -> Result<()> {
        let every = |most, seconds| Rate { most, window: Duration::from_secs(seconds) };
        let counted = match (pace, identity, self.settings.api.requests_per_minute) {
            (Pace::Search, Some(who), _) => {
                self.throttle.count("search", &who.user, &[every(30, 60), every(180, 3600)])
            }
            (Pace::General, _, 0) | (Pace::Search | Pace::Own, ..) => Ok(()),
            (Pace::General, Some(who), most) => self.throttle.count("general", &who.user, &[every(most, 60)]),
            (Pace::General, None, most) => client.map_or(Ok(()), |client| {
                self.throttle.count("strangers", &throttle::place(client).to_string(), &[every(most, 60)])
            }),
        };
        counted.map_err(Error::Throttled)
    }
}

impl Service for Api {
    fn wrong(&self, status: Status, why: &'static str) -> Response {
        error::wrong(status, why)
    }

    fn told<'a>(&self, path: &'a str) -> &'a str {
        feeds::told(path)
    }

    fn asks(&self, path: &str) -> bool {
        path == check::PATH
    }

    fn room(&self, method: &Method, path: &str, usual: Room) -> Room {
        let Settings { api, privacy, .. } = &*self.0.settings;
        let found = located(path);
        match found.iter().map(|(route, _)| route).find(|route| method == route.method) {
            Some(route) if matches!(route.takes, Takes::Stream(_)) => {
                Room { octets: *api.import_bytes, time: *api.import_time }
            }
            Some(route) if route.takes == Takes::Json(account::ERASURE) => {
                Room { time: usual.time.max(*privacy.erasure_time), ..usual }
            }
            _ => usual,
        }
    }

    fn methods(&self) -> String {
        let mut methods: Vec<&str> = ROUTES.iter().map(|route| route.method).collect();
        methods.extend(["HEAD", "OPTIONS"]);
        methods.sort_unstable();
        methods.dedup();
        methods.join(", ")
    }

    async fn call(&self, request: Request) -> Response {
        let challenge = self.0.caldav.identity().challenge.clone();
        match self.answer(request).await {
            Ok(response) => response,
            Err(error) => {
                match &error {
                    Error::Refused(_) | Error::Invalid(_) | Error::TooMuch | Error::Throttled(_) => {
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
