//! The CalDAV service as the REST service sees it: over HTTP, as the person who is asking, in the words of the proxy.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::{
    config::Identity,
    front::{Answered, Ask, Client, HeaderMap, HeaderName, HeaderValue, Method, Said, Status, header},
    model::Scope,
    xml::{self, Element, Name, Writer},
};

use super::error::{Error, Refusal, Result};

/// Octets of an answer in XML: a home of a thousand calendars, each shared with hundreds.
const MOST: usize = 32 << 20;

/// What stands for itself in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The CalDAV service. A clone is the same.
#[derive(Clone, Debug)]
pub struct CalDav {
    client: Client,
    base: String,
    identity: Arc<RwLock<Arc<Identity>>>,
}

/// The same for one person and one request.
#[derive(Clone, Debug)]
pub struct As<'a> {
    caldav: &'a CalDav,
    headers: HeaderMap,
}

/// A resource of a multistatus, with the properties that it has.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its path.
    pub path: String,
    /// The status of the whole, where it has one.
    pub status: Option<u16>,
    props: Vec<Element>,
}

/// What is told of a request that was answered.
#[derive(Clone, Debug)]
pub struct Told {
    /// The status.
    pub status: Status,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: bytes::Bytes,
}

impl CalDav {
    /// The service that the client reaches, under that base path, which believes by these rules who is asking.
    #[must_use]
    pub fn new(client: Client, base: &str, identity: &Identity) -> Self {
        let identity = Arc::new(RwLock::new(Arc::new(identity.clone())));
        Self { client, base: base.to_owned(), identity }
    }

    /// The same, given that much time for an answer.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self { client: self.client.patient(patience), ..self.clone() }
    }

    /// The rules by which it believes who is asking, as they are now.
    #[must_use]
    pub fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over new ones, and with them the secret.
    pub fn reload(&self, identity: &Identity) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity.clone());
    }

    /// The base path.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// It for somebody, of whom the proxy said that; the id names the request in both logs.
    #[must_use]
    pub fn of<'a>(&'a self, said: &Said, id: &str) -> As<'a> {
        let mut headers = said.headers().clone();
        if let Ok(id) = HeaderValue::from_str(id) {
            headers.insert(HeaderName::from_static("x-request-id"), id);
        }
        As { caldav: self, headers }
    }

    /// It for somebody who is not asking: what it is told is spelt as a password of that reach would be, so that it opens
    /// nothing else and makes nobody. Where no kind of sign-in stands for such a value, the name alone has to do.
    pub fn reading(&self, user: &str, scope: &Scope, id: &str) -> Result<As<'_>> {
        let identity = self.identity();
        let mut headers = HeaderMap::new();
        let mut say = |name: Option<&str>, value: &str| {
            let name = name.and_then(|name| name.parse::<HeaderName>().ok());
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Error::not_found())?;
            headers.extend(name.map(|name| (name, value)));
            Ok::<(), Error>(())
        };
        let kind = |kinds: &[String]| kinds.first().cloned().unwrap_or_default();
        // To be in no groups is what a bare name without any would say, unless its kind of sign-in tells nothing of them.
        let groups = identity.groups_header.name().is_some() && identity.auth_type_header.name().is_none();
        let (value, kind) = match &identity.credential_types[..] {
            [] => ((!groups).then(|| user.to_owned()), kind(&identity.subjectless)),
            kinds => (scope.spell(user), kind(kinds)),
        };
        say(identity.header.name(), &value.ok_or_else(Error::not_found)?)?;
        say(identity.auth_type_header.name(), &kind)?;
        if !identity.secret.is_empty() {
            say(identity.secret_header.name(), identity.secret.reveal())?;
        }
        say(Some("x-request-id"), id)?;
        Ok(As { caldav: self, headers })
    }

    /// It for whoever these headers name.
    #[must_use]
    pub fn with(&self, headers: HeaderMap) -> As<'_> {
        As { caldav: self, headers }
    }

    /// The path of somebody's home.
    #[must_use]
    pub fn home(&self, user: &str) -> String {
        format!("{}calendars/{}/", self.base, segment(user))
    }

    /// The path of somebody's principal.
    #[must_use]
    pub fn principal(&self, user: &str) -> String {
        format!("{}principals/{}/", self.base, segment(user))
    }

    /// The path of a group's principal.
    #[must_use]
    pub fn group(&self, name: &str) -> String {
        format!("{}principals/groups/{}/", self.base, segment(name))
    }

    /// The name in the path of a principal: of a person, or of a group (true).
    #[must_use]
    pub fn named(&self, path: &str) -> Option<(String, bool)> {
        let rest = path.strip_prefix(&self.base)?.strip_prefix("principals/")?.trim_end_matches('/');
        let (name, group) = rest.strip_prefix("groups/").map_or((rest, false), |name| (name, true));
        let plain = !name.is_empty() && !name.contains('/');
        plain.then(|| (decoded(name), group))
    }
}

/// A segment of a path, as it stands in one.
#[must_use]
pub fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// The last segment of a path, decoded.
#[must_use]
pub fn last(path: &str) -> String {
    decoded(path.trim_end_matches('/').rsplit('/').next().unwrap_or_default())
}

/// What a segment of a path says.
#[must_use]
pub fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

impl As<'_> {
    /// The service.
    #[must_use]
    pub fn service(&self) -> &CalDav {
        self.caldav
    }

    /// These properties of what is there, and with depth 1 of what is in it. A resource has those that it has.
    pub async fn propfind(&self, path: &str, depth: u8, props: &[Name]) -> Result<Vec<Resource>> {
        let mut w = Writer::new(Name::dav("propfind"));
        w.inside(Name::dav("prop"), |w| props.iter().for_each(|name| w.empty(*name)));
        let depth = (HeaderName::from_static("depth"), HeaderValue::from(u16::from(depth)));
        let told = self.ask("PROPFIND", path, vec![depth], w.finish()).await?;
        multistatus(&told.done()?)
    }

    /// The same of what may be somewhere else, or not for whoever asks: nothing where it is refused.
    pub async fn glance(&self, path: &str, depth: u8, props: &[Name]) -> Result<Vec<Resource>> {
        match self.propfind(path, depth, props).await {
            Err(Error::Refused(_)) => Ok(Vec::new()),
            found => found,
        }
    }

    /// What a report says, if it is a multistatus.
    pub async fn report(&self, path: &str, body: bytes::Bytes) -> Result<Vec<Resource>> {
        multistatus(&self.ask("REPORT", path, Vec::new(), body).await?.done()?)
    }

    /// Sets and removes properties: all of them, or none.
    pub async fn proppatch(&self, path: &str, set: impl FnOnce(&mut Writer), remove: &[Name]) -> Result<()> {
        let mut w = Writer::new(Name::dav("propertyupdate"));
        let mark = w.len();
        w.open(Name::dav("set"));
        w.open(Name::dav("prop"));
        let empty = w.len();
        set(&mut w);
        if w.len() == empty {
            w.rewind(mark);
        } else {
            w.close(Name::dav("prop"));
            w.close(Name::dav("set"));
        }
        if !remove.is_empty() {
            w.inside(Name::dav("remove"), |w| {
                w.inside(Name::dav("prop"), |w| remove.iter().for_each(|name| w.empty(*name)));
            });
        }
        let told = self.ask("PROPPATCH", path, Vec::new(), w.finish()).await?.done()?;
        patched(&told)
    }

    /// Makes a calendar with the properties that are written.
    pub async fn mkcalendar(&self, path: &str, set: impl FnOnce(&mut Writer)) -> Result<()> {
        let mut w = Writer::new(Name::cal("mkcalendar"));
        w.inside(Name::dav("set"), |w| w.inside(Name::dav("prop"), set));
        self.ask("MKCALENDAR", path, Vec::new(), w.finish()).await?.done().map(drop)
    }

    /// Deletes what is there.
    pub async fn delete(&self, path: &str) -> Result<()> {
        self.ask("DELETE", path, Vec::new(), bytes::Bytes::new()).await?.done().map(drop)
    }

    /// Sends a document of XML to a collection.
    pub async fn post(&self, path: &str, body: bytes::Bytes) -> Result<Told> {
        self.ask("POST", path, Vec::new(), body).await?.done()
    }

    /// Reads what is there, whatever comes of it; the body is still to come.
    pub async fn open(
        &self,
        method: Method,
        path: String,
        more: Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Answered> {
        let mut headers = self.headers.clone();
        headers.extend(more);
        let ask = Ask { method, target: path, headers, body: bytes::Bytes::new() };
        Ok(self.caldav.client.ask(&ask, true).await?)
    }

    /// The headers that tell who is asking.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// What is there, to be read piece by piece; the refusal, where it is refused.
    pub async fn stream(&self, target: String) -> Result<Answered> {
        let answered = self.open(Method::GET, target, Vec::new()).await?;
        if answered.status.is_success() {
            return Ok(answered);
        }
        let status = answered.status;
        Err(refusal(status, condition(&answered.read(MOST).await?)))
    }

    /// Any other request, whatever comes of it.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        more: Vec<(HeaderName, HeaderValue)>,
        body: bytes::Bytes,
    ) -> Result<Told> {
        let mut headers = self.headers.clone();
        if !body.is_empty() && !more.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml; charset=utf-8"));
        }
        headers.extend(more);
        let harmless = matches!(method, "PROPFIND" | "REPORT" | "GET" | "HEAD" | "OPTIONS");
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|error| Error::Fault(error.to_string()))?;
        let ask = Ask { method, target: path.to_owned(), headers, body };
        let answered = self.caldav.client.ask(&ask, harmless).await?;
        let (status, headers) = (answered.status, answered.headers.clone());
        Ok(Told { status, headers, body: answered.read(MOST).await? })
    }
}

impl Told {
    /// It, if what was asked was done; the refusal otherwise, in our words.
    pub fn done(self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(refusal(self.status, condition(&self.body)))
    }
}

/// What a refusal of the CalDAV service is to who asked here.
fn refusal(status: Status, condition: Option<String>) -> Error {
    let why = condition.unwrap_or_else(|| status.canonical_reason().unwrap_or("refused").to_owned());
    match status {
        Status::UNAUTHORIZED => {
            Error::Upstream("it does not believe who is asking: is the secret the same?".into())
        }
        Status::FORBIDDEN if why == "need-privileges" || why == "Forbidden" => Refusal::forbidden().into(),
        Status::NOT_FOUND | Status::GONE => Error::not_found(),
        Status::TOO_MANY_REQUESTS | Status::SERVICE_UNAVAILABLE => Error::Busy(why),
        Status::LOCKED => Refusal::new(Status::LOCKED, "locked", "Somebody has locked it.").into(),
        Status::INSUFFICIENT_STORAGE => {
            Refusal::new(Status::FORBIDDEN, "quota_exceeded", "There is no room left.").into()
        }
        status if status.is_server_error() => Error::Upstream(format!("it answered {status}")),
        Status::FORBIDDEN | Status::CONFLICT | Status::PRECONDITION_FAILED => {
            Refusal::new(status, "refused", format!("The calendar service refuses it: {why}.")).into()
        }
        _ => Refusal::new(Status::BAD_REQUEST, "invalid", format!("The calendar service refuses it: {why}."))
            .into(),
    }
}

/// The local name of the condition in a DAV:error.
fn condition(body: &[u8]) -> Option<String> {
    let root = xml::parse(body).ok().filter(|root| root.is(Name::dav("error")))?;
    root.children().next().map(|condition| condition.name().local.to_string())
}

pub(super) fn multistatus(told: &Told) -> Result<Vec<Resource>> {
    let wrong = |why: String| Error::Upstream(format!("its answer cannot be read: {why}"));
    let mut found = Vec::new();
    let take = |one: Element| {
        if one.is(Name::dav("response")) {
            found.extend(resource(&one));
        }
    };
    let root = xml::each(&told.body, take).map_err(|fault| wrong(fault.to_string()))?;
    if !root.is(Name::dav("multistatus")) {
        return Err(wrong(format!("it is a {}", root.name())));
    }
    Ok(found)
}

fn resource(response: &Element) -> Option<Resource> {
    let path = response.child(Name::dav("href"))?.text().trim().to_owned();
    let status = response.child(Name::dav("status")).and_then(code);
    let good = response.all(Name::dav("propstat")).filter(|stat| {
        stat.child(Name::dav("status")).and_then(code).is_some_and(|code| (200..300).contains(&code))
    });
    let props = good.filter_map(|stat| stat.child(Name::dav("prop"))).flat_map(Element::children);
    Some(Resource { path, status, props: props.cloned().collect() })
}

fn code(status: &Element) -> Option<u16> {
    status.text().split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Whether every property of a PROPPATCH was set; the reason why one was not, otherwise.
fn patched(told: &Told) -> Result<()> {
    let root = xml::parse(&told.body).map_err(|fault| Error::Upstream(fault.to_string()))?;
    let parts = root.all(Name::dav("response")).flat_map(|response| response.all(Name::dav("propstat")));
    for part in parts {
        let status =
            part.child(Name::dav("status")).and_then(code).and_then(|code| Status::from_u16(code).ok());
        let status = status.unwrap_or(Status::BAD_GATEWAY);
        // What failed with another is told of that other.
        if status.is_success() || status == Status::FAILED_DEPENDENCY {
            continue;
        }
        let why = part.child(Name::dav("error")).and_then(|error| error.children().next());
        return Err(refusal(status, why.map(|why| why.name().local.to_string())));
    }
    Ok(())
}

impl Resource {
    /// That property, if it has it.
    #[must_use]
    pub fn prop(&self, name: Name) -> Option<&Element> {
        self.props.iter().find(|prop| prop.is(name))
    }

    /// Its text, if there is any.
    #[must_use]
    pub fn text(&self, name: Name) -> Option<&str> {
        self.prop(name).map(|prop| prop.text().trim()).filter(|text| !text.is_empty())
    }

    /// The DAV:href in it.
    #[must_use]
    pub fn href(&self, name: Name) -> Option<&str> {
        self.prop(name)?.child(Name::dav("href")).map(|href| href.text().trim())
    }

    /// The last segment of its path, decoded.
    #[must_use]
    pub fn name(&self) -> String {
        last(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;

    #[test]
    fn names_go_into_paths_and_come_out_again() {
        let client = Client::new("api.caldav", "http://x", *Span::seconds(1)).unwrap();
        let caldav = CalDav::new(client, "/dav/", &Identity::default());
        for name in ["alice", "a@example.org", "a b", "Zo\u{eb}", "a%2f", "a:b"] {
            assert_eq!(caldav.named(&caldav.principal(name)), Some((name.to_owned(), false)), "{name}");
            assert_eq!(caldav.named(&caldav.group(name)), Some((name.to_owned(), true)), "{name}");
        }
        assert_eq!(caldav.home("a@b c"), "/dav/calendars/a@b%20c/");
        for other in ["/dav/principals/", "/dav/calendars/x/", "/x/principals/a/", "/dav/principals/a/b/"] {
            assert_eq!(caldav.named(other), None, "{other}");
        }
    }

    #[test]
    fn a_long_list_is_read_to_its_end() {
        let one = "<D:response><D:href>/a/</D:href><D:propstat><D:prop><D:getetag/></D:prop>\
            <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>";
        let body = format!("<D:multistatus xmlns:D='DAV:'>{}</D:multistatus>", one.repeat(50_000));
        let told = Told { status: Status::MULTI_STATUS, headers: HeaderMap::new(), body: body.into() };
        assert_eq!(multistatus(&told).unwrap().len(), 50_000);
    }

    #[test]
    fn a_resource_has_what_was_found() {
        let body = "<D:multistatus xmlns:D='DAV:'><D:response><D:href>/a/</D:href><D:propstat><D:prop><D:displayname>A</D:displayname>\
            </D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><D:getetag/></D:prop>\
            <D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response></D:multistatus>";
        let told = Told { status: Status::MULTI_STATUS, headers: HeaderMap::new(), body: body.into() };
        let all = multistatus(&told).unwrap();
        assert_eq!((all.len(), all[0].path.as_str()), (1, "/a/"));
        assert_eq!(all[0].text(Name::dav("displayname")), Some("A"));
        assert!(all[0].prop(Name::dav("getetag")).is_none());
    }
}
