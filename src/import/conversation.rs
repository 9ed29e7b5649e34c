//! What is said to a CalDAV server whose calendars are fetched: requests of one account, redirects, patience, and multistatus
//! answers within bounds (RFC 4918 §13).

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;

use crate::{
    front::{Answered, Ask, Client, HeaderMap, HeaderName, HeaderValue, Method, Status, basic, header},
    xml::{self, Element, Name},
};

use super::place::Place;

/// Time for the head of an answer, and for each piece of its body: a listing of a large calendar takes slow servers long.
const PATIENCE: Duration = Duration::from_mins(2);
/// Octets of a multistatus: some 100,000 members.
const MOST_LISTED: usize = 64 << 20;
/// Octets of an object.
const MOST_OF_OBJECT: usize = 16 << 20;
/// How often an answer may lead elsewhere.
const REDIRECTS: usize = 5;
/// How often a server that is busy is asked again, and how long at most between.
const BUSY: (u32, u64) = (6, 60);

const DEPTH: HeaderName = HeaderName::from_static("depth");

/// A server and who asks it.
pub struct Conversation {
    login: String,
    headers: HeaderMap,
    ca: std::path::PathBuf,
    clients: HashMap<String, Client>,
}

/// How far what is asked may be led away by the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leash {
    /// To another server, over TLS: the one that is asked may say where calendars are.
    Anywhere,
    /// Not away from this one.
    Here,
}

/// What is told of one resource.
pub struct Resource {
    /// Where it is.
    pub place: Place,
    /// Its properties.
    pub prop: Element,
}

impl Conversation {
    /// A conversation of whoever has that password; `ca` are authorities to trust instead of the system's.
    pub fn new(login: &str, password: &str, ca: &Path) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, basic(login, password));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("kalends-import"));
        Self { login: login.to_owned(), headers, ca: ca.to_owned(), clients: HashMap::new() }
    }

    fn client(&mut self, place: &Place) -> Result<Client> {
        let origin = place.origin();
        if let Some(client) = self.clients.get(&origin) {
            return Ok(client.clone());
        }
        let client = Client::elsewhere(("--from", &origin), ("--ca", &self.ca), PATIENCE)?;
        self.clients.insert(origin, client.clone());
        Ok(client)
    }

    /// What there is at a place and, with depth 1, in it; `take` is given one after the other. Where it was found is the answer.
    pub async fn list(
        &mut self,
        place: &Place,
        (depth, wanted): (&'static str, &'static str),
        leash: Leash,
        mut take: impl FnMut(Resource),
    ) -> Result<Place> {
        let mut ask = Ask {
            method: Method::from_bytes(b"PROPFIND")?,
            target: String::new(),
            headers: self.headers.clone(),
            body: Bytes::from_static(wanted.as_bytes()),
        };
        ask.headers.insert(DEPTH, HeaderValue::from_static(depth));
        let xml = HeaderValue::from_static("application/xml; charset=utf-8");
        ask.headers.insert(header::CONTENT_TYPE, xml);
        let (place, answer) = self.led(place, ask, leash).await?;
        let shown = place.origin() + &place.path;
        if answer.status != Status::MULTI_STATUS {
            bail!("{}", self.refused(&shown, answer.status));
        }
        let body = answer.read(MOST_LISTED).await.with_context(|| shown.clone())?;
        let broken = |why: &dyn std::fmt::Display| anyhow!("{shown} answers what is no multistatus: {why}");
        let root = xml::each(&body, |response| {
            if let Some((href, prop)) = told(&response) {
                take(Resource { place: place.tells(href), prop: prop.clone() });
            }
        });
        if !root.map_err(|error| broken(&error))?.is(Name::dav("multistatus")) {
            return Err(broken(&"its root element is another"));
        }
        Ok(place)
    }

    /// Asks, and goes where the answer leads.
    async fn led(&mut self, place: &Place, mut ask: Ask, leash: Leash) -> Result<(Place, Answered)> {
        let mut place = place.clone();
        for _ in 0..=REDIRECTS {
            ask.target.clone_from(&place.path);
            let answer = patient(&self.client(&place)?, &ask).await.with_context(|| place.origin())?;
            if !answer.status.is_redirection() {
                return Ok((place, answer));
            }
            let to = answer.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
            let to = to.with_context(|| format!("{} leads to nowhere", place.origin()))?;
            let there = place.leads(to)?;
            if !may_follow(&place, &there, leash) {
                bail!(
                    "{}{} leads to {}, which is not told the password: name that address with --from, if it is right",
                    place.origin(),
                    place.path,
                    there.origin()
                );
            }
            place = there;
        }
        bail!("{} leads in circles", place.origin())
    }

    /// Why a server does not answer as is wanted.
    fn refused(&self, shown: &str, status: Status) -> String {
        match status {
            Status::UNAUTHORIZED => {
                format!(
                    "{shown} does not let {:?} in with this password (401): --login says who it is there",
                    self.login
                )
            }
            Status::FORBIDDEN => format!("{shown} may not be seen by {:?} (403)", self.login),
            other => format!("{shown} answers {other} to PROPFIND"),
        }
    }

    /// How a member is fetched, by as many at once as one likes.
    pub fn fetcher(&mut self, place: &Place) -> Result<Fetcher> {
        let mut headers = self.headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/calendar"));
        Ok(Fetcher { client: self.client(place)?, headers })
    }
}

/// Whether an answer at one place may lead to another.
#[must_use]
pub fn may_follow(from: &Place, to: &Place, leash: Leash) -> bool {
    from.origin() == to.origin() || (leash == Leash::Anywhere && from.secure && to.secure)
}

/// Fetches members of one collection.
pub struct Fetcher {
    client: Client,
    headers: HeaderMap,
}

impl Fetcher {
    /// The octets of a member; or why they cannot be had, which is nothing where it is gone meanwhile.
    pub async fn get(&self, place: &Place) -> Result<Result<Bytes, Option<String>>> {
        let ask = Ask {
            method: Method::GET,
            target: place.path.clone(),
            headers: self.headers.clone(),
            body: Bytes::new(),
        };
        let answer = patient(&self.client, &ask).await.with_context(|| place.origin())?;
        match answer.status {
            Status::OK if answer.headers.contains_key(header::CONTENT_ENCODING) => {
                Ok(Err(Some("it comes in a coding that was not asked for".to_owned())))
            }
            Status::OK => match answer.read(MOST_OF_OBJECT).await {
                Ok(octets) => Ok(Ok(octets)),
                Err(crate::front::Unanswered::TooLong) => Ok(Err(Some("it is too long".to_owned()))),
                Err(error) => Err(anyhow::Error::from(error).context(place.origin())),
            },
            Status::NOT_FOUND | Status::GONE => Ok(Err(None)),
            other => Ok(Err(Some(format!("the server answers {other}")))),
        }
    }
}

/// Asks, and again where the server says that it is busy.
async fn patient(client: &Client, ask: &Ask) -> Result<Answered> {
    let mut tries = 0;
    loop {
        let answer = client.ask(ask, true).await?;
        let busy = matches!(answer.status, Status::TOO_MANY_REQUESTS | Status::SERVICE_UNAVAILABLE);
        tries += 1;
        if !busy || tries == BUSY.0 {
            return Ok(answer);
        }
        let told = answer.headers.get(header::RETRY_AFTER).and_then(|told| told.to_str().ok()?.parse().ok());
        tokio::time::sleep(Duration::from_secs(told.unwrap_or(1 << tries).min(BUSY.1))).await;
    }
}

/// What a response tells of a resource that is there.
fn told(response: &Element) -> Option<(&str, &Element)> {
    let href = response.child(Name::dav("href"))?.text();
    let good = |propstat: &&Element| {
        let status = propstat.child(Name::dav("status")).map_or("", Element::text);
        status.split_ascii_whitespace().nth(1) == Some("200")
    };
    let propstat = response.all(Name::dav("propstat")).find(good)?;
    Some((href, propstat.child(Name::dav("prop"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_follows_over_tls_and_only_where_discovery_leads() {
        let place = |url: &str| Place::typed(url).unwrap().0;
        let (one, other) = (place("https://a.example/x"), place("https://b.example/y"));
        assert!(may_follow(&one, &other, Leash::Anywhere) && !may_follow(&one, &other, Leash::Here));
        assert!(may_follow(&one, &one.at("/z"), Leash::Here));
        let plain = place("http://127.0.0.1:1/");
        assert!(!may_follow(&one, &plain, Leash::Anywhere) && !may_follow(&plain, &one, Leash::Anywhere));
    }

    #[test]
    fn what_a_response_tells_is_what_is_there() {
        let read = |text: &str| xml::parse(text.as_bytes()).unwrap();
        let whole = read(
            "<response xmlns='DAV:'><href>/a</href><propstat><prop><x/></prop><status>HTTP/1.1 404 Not Found</status></propstat>\
             <propstat><prop><getetag>1</getetag></prop><status>HTTP/1.1 200 OK</status></propstat></response>",
        );
        let (href, prop) = told(&whole).unwrap();
        assert!(href == "/a" && prop.child(Name::dav("getetag")).is_some());
        for none in [
            "<response xmlns='DAV:'/>",
            "<response xmlns='DAV:'><href>/a</href><status>HTTP/1.1 404</status></response>",
        ] {
            assert!(told(&read(none)).is_none());
        }
    }
}
