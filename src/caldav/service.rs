//! THE ROAD of a request: identity, target, method row, viewer, body, run, answer.

use std::sync::Arc;

use crate::{
    config::Settings,
    dav::{
        Cx, Given, Located, Method, Refusal, Space, Takes, Viewer, access,
        condition::{MAX_RESOURCE_SIZE, NOT_IN_TRASH},
        error::{Error, Result},
        facts, options,
        target::BadPath,
    },
    db::Pool,
    front::{
        self, BodyError, Denial, Entitlements, HeaderMap, Identity, Request, Response, Room, Service, Status,
        header, is_safe,
    },
    model::{Kind, Privilege},
    observe::{metrics, trace},
    xml,
};

use super::{
    freebusy,
    info::{self, Info},
    post, provision,
    registry::TABLES,
};

/// Octets of an XML body: five thousand paths, and more than any honest request has.
const MOST_XML: usize = 2 << 20;

/// The CalDAV service.
pub struct CalDav {
    settings: Arc<Settings>,
    pool: Pool,
    space: Arc<Space>,
    info: Info,
    outline: u32,
    entitlements: Arc<Entitlements>,
}

impl CalDav {
    /// The service of these settings over that database.
    #[must_use]
    pub fn new(settings: Arc<Settings>, pool: Pool, entitlements: Arc<Entitlements>) -> Self {
        let space = Arc::new(Space::new(&settings.server.base_paths, settings.identity.fold_case));
        let info = Info::new(&settings);
        let outline = TABLES.outline(&settings);
        Self { settings, pool, space, info, outline, entitlements }
    }

    async fn answer(&self, request: Request) -> Result<Response> {
        let identity = match &request.identity {
            Ok(identity) => identity.clone(),
            Err(denial) => return self.unknown(denial, &request).await,
        };
        if let Some(base) = info::base(&self.settings, &request.path) {
            provision::ensure(&self.pool, &self.settings, &identity).await?;
            return self.info.answer(&self.settings, base, &request);
        }
        // `*` is the server itself (RFC 9110 §7.1).
        let path = if request.path == "*" { self.space.base() } else { request.path.as_str() };
        let located = self.space.locate(path).map_err(bad_path)?;
        let kind = located.target.kind();
        trace::kind(kind.name());
        let row = match TABLES.methods.iter().find(|row| row.verb == request.method.as_str()) {
            Some(row) if row.on.has(kind) => row,
            other if kind == Kind::Calendar || identity.scope.is_some() => {
                let cx = self.context(&request, &identity, located.clone()).await?;
                access::reached(&cx, request.method.as_str())?;
                let kind = if kind == Kind::Calendar { facts::kind(&cx).await? } else { kind };
                return not_here(other, &located, kind);
            }
            other => return not_here(other, &located, kind),
        };
        if self.settings.server.read_only && !is_safe(row.verb) {
            return Err(provision::read_only().into());
        }
        if row.body != Takes::Nothing && is_coded(&request.headers) {
            return Ok(undecoded());
        }
        let cx = self.context(&request, &identity, located).await?;
        access::reached(&cx, row.verb)?;
        let kept = cx.viewer.principal.email.as_deref();
        if makes_calendar(row.verb, kind) && self.entitlements.of(&identity, kept).await != Some(true) {
            return Err(
                Refusal::plain(Status::FORBIDDEN, "You are not entitled to calendars of your own.").into()
            );
        }
        let given = self.given(row, request).await?;
        match (row.run)(cx.clone(), given).await {
            // What fails at a calendar may never be for what is there.
            Err(Error::Refused(refusal)) if kind == Kind::Calendar && row.elsewhere.is_none() => {
                let kind = facts::kind(&cx).await?;
                if row.on.has(kind) { Err(refusal.into()) } else { not_here(Some(row), &cx.located, kind) }
            }
            // RFC 9110 §15.5.6: a 405 says what is allowed.
            Err(Error::Refused(refusal)) if refusal.status == Status::METHOD_NOT_ALLOWED => {
                let allow = options::allow(&TABLES, facts::kind(&cx).await?, false);
                Ok(Error::Refused(refusal).response().with(header::ALLOW, allow))
            }
            Ok(answer) if row.verb == "OPTIONS" => Ok(self.info.linked(self.space.base(), answer)),
            other => other,
        }
    }

    async fn context(&self, request: &Request, identity: &Identity, located: Located) -> Result<Arc<Cx>> {
        let principal = provision::ensure(&self.pool, &self.settings, identity).await?;
        let viewer = Viewer { admin: identity.admin, reader: identity.reader, ..Viewer::of(principal) };
        Ok(Arc::new(Cx {
            settings: self.settings.clone(),
            pool: self.pool.clone(),
            tables: &TABLES,
            outline: self.outline,
            space: self.space.clone(),
            viewer: viewer.by(identity.scope.clone()),
            located,
            path: request.path.clone(),
            query: request.query.clone().unwrap_or_default(),
            headers: request.headers.clone(),
        }))
    }

    async fn given(&self, row: &Method, request: Request) -> Result<Given> {
        let most = self.settings.limits.body_bytes.0;
        // One object is taken as PUT takes it.
        let adds = row.body == Takes::Batch && request.query.as_deref() == Some(post::ADD_MEMBER);
        match if adds { Takes::Content } else { row.body } {
            Takes::Nothing if is_safe(row.verb) => Ok(Given::default()),
            // RFC 4918 §8.4: what would be passed over meant something to whoever sent it.
            Takes::Nothing => match request.body.read(0).await {
                Ok(_) => Ok(Given::default()),
                Err(BodyError::TooLarge) => {
                    Err(Refusal::plain(Status::UNSUPPORTED_MEDIA_TYPE, "this method takes no body").into())
                }
                Err(fault) => Err(fault.into()),
            },
            Takes::Content => {
                let kept = self.settings.calendar.max_resource_size.0;
                let longest = if self.settings.rewrite.shortens() { most } else { kept.min(most) };
                let bytes = request.body.read(longest).await.map_err(|fault| too_long(fault, longest))?;
                Ok(Given { bytes, xml: None })
            }
            Takes::Batch => {
                let bytes = request.body.read(post::most_octets(&self.settings)).await?;
                Ok(Given { bytes, xml: None })
            }
            Takes::Xml => {
                let bytes = request.body.read(MOST_XML.min(most)).await?;
                let root = if bytes.trim_ascii().is_empty() { None } else { Some(xml::parse(&bytes)) };
                let xml = root.transpose().map_err(|fault| unreadable(row, &fault))?;
                Ok(Given { bytes, xml })
            }
        }
    }

    /// Discovery needs no identity: RFC 6764 §5 sends every client on to the service.
    fn well_known(&self) -> Response {
        let base = self.space.base();
        let origin = self.settings.server.public_url.as_ref().map(ToString::to_string).unwrap_or_default();
        let location = format!("{}{base}", origin.trim_end_matches('/'));
        Response::new(Status::MOVED_PERMANENTLY).with(header::LOCATION, location)
    }

    /// The answer to somebody of whom is not known who they are.
    async fn unknown(&self, denial: &Denial, request: &Request) -> Result<Response> {
        let wanted = freebusy::wanted(&self.settings, &self.space, request);
        if let (Denial::Absent, Some(user)) = (denial, wanted) {
            let query = request.query.as_deref().unwrap_or_default();
            let told = freebusy::published(&self.pool, &self.settings, &user, query).await?;
            return Ok(told.unwrap_or_else(|| self.denied(denial)));
        }
        Ok(self.denied(denial))
    }

    fn denied(&self, denial: &Denial) -> Response {
        let (status, say) = match denial {
            Denial::Absent | Denial::Untrusted => (Status::UNAUTHORIZED, "Please sign in.\n"),
            Denial::Malformed(_) => (Status::FORBIDDEN, "The proxy did not say plainly who is asking.\n"),
            Denial::Undecided(_) => {
                let later = Response::new(Status::SERVICE_UNAVAILABLE).with(header::RETRY_AFTER, "5");
                return later.body("text/plain; charset=utf-8", "Who is asking cannot be told now.\n");
            }
        };
        let answer = options::with_features(Response::new(status), &TABLES, Kind::Root);
        let answer = answer.body("text/plain; charset=utf-8", say);
        let challenge = &self.settings.identity.challenge;
        if status == Status::UNAUTHORIZED && !challenge.is_empty() {
            answer.with(header::WWW_AUTHENTICATE, challenge)
        } else {
            answer
        }
    }
}

impl Service for CalDav {
    fn methods(&self) -> String {
        TABLES.methods.iter().map(|method| method.verb).collect::<Vec<_>>().join(", ")
    }

    fn room(&self, method: &front::Method, path: &str, usual: Room) -> Room {
        let located = || self.space.locate(path).is_ok_and(|located| located.target.kind() == Kind::Home);
        // There somebody says that they want to be erased.
        let time = if *method == front::Method::POST && located() {
            *self.settings.privacy.erasure_time
        } else {
            usual.time
        };
        Room { time: time.max(usual.time), ..usual }
    }

    async fn call(&self, request: Request) -> Response {
        if request.path.trim_end_matches('/') == "/.well-known/caldav" {
            return self.well_known();
        }
        match self.answer(request).await {
            Ok(response) => response,
            Err(error) => {
                match &error {
                    Error::Refused(refusal) => {
                        let condition = refusal.condition.map_or("none", |c| c.name.local);
                        metrics::refused(condition);
                        trace::refused(condition);
                        tracing::debug!(?refusal, "refused");
                    }
                    Error::Busy(why) => tracing::warn!(%why, "busy"),
                    Error::Fault(why) => tracing::error!(error = ?why, "failed"),
                }
                error.response()
            }
        }
    }
}

/// What is not stored is not taken into memory either; the refusal is in the words of what is PUT (RFC 4791 §5.3.2.1).
fn too_long(fault: BodyError, longest: usize) -> Error {
    match fault {
        BodyError::TooLarge => {
            MAX_RESOURCE_SIZE.because(format!("an object has at most {longest} octets")).into()
        }
        BodyError::Slow | BodyError::Broken => fault.into(),
    }
}

/// What MKCOL cannot read it does not support (RFC 4918 §9.3.1); elsewhere it is malformed.
fn unreadable(row: &Method, fault: &xml::Malformed) -> Refusal {
    let status = if row.verb == "MKCOL" { Status::UNSUPPORTED_MEDIA_TYPE } else { Status::BAD_REQUEST };
    Refusal::plain(status, fault.to_string())
}

fn bad_path(fault: BadPath) -> Refusal {
    match fault {
        BadPath::Elsewhere => Refusal::not_found(),
        BadPath::Malformed(why) => Refusal::bad_request(why),
    }
}

/// Whether a body comes in a coding, which nobody undoes here: what is stored is what GET gives, and that says nothing of
/// one.
fn is_coded(headers: &HeaderMap) -> bool {
    let plain = |coding: &[u8]| {
        coding.trim_ascii().is_empty() || coding.trim_ascii().eq_ignore_ascii_case(b"identity")
    };
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    !values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).all(plain)
}

/// RFC 7694 §3: what would be taken.
fn undecoded() -> Response {
    Response::new(Status::UNSUPPORTED_MEDIA_TYPE)
        .with(header::ACCEPT_ENCODING, "identity")
        .body("text/plain; charset=utf-8", "Please send it without Content-Encoding.\n")
}

/// The answer to a method that is not allowed here, or not known at all.
fn not_here(row: Option<&Method>, located: &Located, kind: Kind) -> Result<Response> {
    match row {
        Some(Method { elsewhere: Some(condition), .. })
            if matches!(kind, Kind::Object | Kind::Notification) || kind.is_deleted() =>
        {
            Err((*condition).into())
        }
        // caldav-notifications §4
        Some(Method { verb: "PUT", .. }) if kind == Kind::Notification => {
            Err(Refusal::need(located.collection().unwrap_or_default(), Privilege::Bind).into())
        }
        Some(Method { verb: "PUT", .. }) if kind.is_deleted() => {
            Err(NOT_IN_TRASH.because("what is deleted goes there").into())
        }
        _ => {
            let allow = options::allow(&TABLES, kind, false);
            let answer = Response::new(Status::METHOD_NOT_ALLOWED).with(header::ALLOW, allow);
            let looked_at = row.is_some_and(|row| matches!(row.verb, "GET" | "HEAD"));
            Ok(if looked_at { answer.body("text/plain; charset=utf-8", FOR_PEOPLE) } else { answer })
        }
    }
}

/// What somebody sees who opens the address in a browser.
const FOR_PEOPLE: &str =
    "This is a calendar server. Give this address to a calendar program: there is no page here.\n";

/// Whether there is a calendar more when that is done.
fn makes_calendar(verb: &str, kind: Kind) -> bool {
    matches!(verb, "MKCALENDAR" | "MKCOL") || (verb == "COPY" && kind == Kind::Calendar)
}
