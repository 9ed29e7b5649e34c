//! The document that tells programs what the server is, does and allows, printed from the tables and the settings; its token
//! changes with it (draft-douglass-server-info).

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{
    config::Settings,
    dav::{Refusal, Result},
    front::{Conditions, Request, Response, Status, Verdict, header},
    model::Kind,
    xml::{Name, Writer},
};

use super::{form::Form, get::quoted, registry::TABLES};

/// Its name, directly under each base path.
const NAME: &str = "server-info";
/// Its type.
const TYPE: &str = "application/server-info+xml; charset=utf-8";
/// What may be done with it.
const ALLOW: &str = "OPTIONS, GET, HEAD";

/// The state of the document.
pub struct Info {
    token: String,
}

/// The base path whose document that is.
pub fn base<'a>(settings: &'a Settings, path: &str) -> Option<&'a str> {
    let bases = settings.server.base_paths.iter().map(String::as_str);
    bases.into_iter().find(|base| path.strip_prefix(base) == Some(NAME))
}

impl Info {
    /// That of these settings: its token is the same on all nodes that have them.
    pub fn new(settings: &Settings) -> Self {
        let base = settings.server.base_paths.first().map_or("/", String::as_str);
        let document = document(settings, base, "");
        let hash = Sha256::digest([&document[..], &[u8::from(settings.server.read_only)]].concat());
        let first = hash[..8].iter().fold(0_u64, |all, octet| all << 8 | u64::from(*octet));
        Self { token: format!("{first:016x}") }
    }

    /// An answer to OPTIONS, which leads to the document.
    pub fn linked(&self, base: &str, answer: Response) -> Response {
        let link = format!("<{base}{NAME}>; rel=\"server-info\"; token=\"{}\"", self.token);
        answer.with(header::LINK, link)
    }

    /// The answer to a request for the document.
    pub fn answer(&self, settings: &Settings, base: &str, request: &Request) -> Result<Response> {
        match request.method.as_str() {
            "GET" | "HEAD" => {}
            "OPTIONS" => {
                let answer = Response::new(Status::OK).with(header::ALLOW, ALLOW);
                return Ok(self.linked(base, answer).with(header::CONTENT_LENGTH, "0"));
            }
            _ => return Ok(Response::new(Status::METHOD_NOT_ALLOWED).with(header::ALLOW, ALLOW)),
        }
        let conditions = Conditions::parse(&request.headers);
        let conditions = conditions.map_err(|fault| Refusal::bad_request(fault.to_string()))?;
        let answer = |status| {
            Response::new(status)
                .with(header::ETAG, quoted(&self.token))
                .with(header::CACHE_CONTROL, "private, no-cache")
        };
        match conditions.check(Some(&self.token), None, true) {
            Verdict::Failed => {
                Err(Refusal::plain(Status::PRECONDITION_FAILED, "the document has changed").into())
            }
            Verdict::NotModified => Ok(answer(Status::NOT_MODIFIED)),
            Verdict::Proceed => Ok(answer(Status::OK).body(TYPE, document(settings, base, &self.token))),
        }
    }
}

fn document(settings: &Settings, base: &str, token: &str) -> Bytes {
    let dav = Name::dav;
    let mut w = Writer::new(dav("server-info"));
    w.element(dav("token"), token);
    w.inside(dav("server-instance-info"), |w| {
        w.element(dav("name"), env!("CARGO_PKG_NAME"));
        w.element(dav("version"), env!("CARGO_PKG_VERSION"));
    });
    w.inside(dav("applications"), |w| {
        w.inside(dav("application"), |w| {
            w.element(dav("name"), "caldav");
            w.element(dav("href"), base);
            features(w);
            limits(settings, w);
        });
    });
    w.finish()
}

fn features(w: &mut Writer) {
    w.inside(Name::dav("features"), |w| {
        TABLES.features.iter().for_each(|feature| w.element(Name::dav("feature"), feature.token));
    });
    w.inside(Name::dav("supported-method-set"), |w| {
        let methods = TABLES.methods.iter();
        methods.for_each(|row| w.empty_with(Name::dav("supported-method"), &[("name", row.verb)]));
    });
    w.inside(Name::dav("supported-report-set"), |w| {
        for report in TABLES.reports.iter().filter(|report| report.on.has(Kind::Calendar)) {
            w.inside(Name::dav("supported-report"), |w| {
                w.inside(Name::dav("report"), |w| w.empty(report.name));
            });
        }
    });
    w.inside(Name::cal("supported-calendar-data"), |w| {
        for form in Form::all() {
            let attributes = [("content-type", form.media()), ("version", super::form::VERSION)];
            w.empty_with(Name::cal("calendar-data"), &attributes);
        }
    });
}

/// The limits of a calendar as its properties have them, and those of a home.
fn limits(settings: &Settings, w: &mut Writer) {
    let calendar = &settings.calendar;
    let number = |w: &mut Writer, name: Name, number: usize| w.element(name, &number.to_string());
    w.inside(Name::dav("limits"), |w| {
        number(w, Name::cal("max-resource-size"), calendar.max_resource_size.0);
        number(w, Name::cal("max-instances"), calendar.max_instances as usize);
        number(w, Name::cal("max-attendees-per-instance"), calendar.max_attendees as usize);
        number(w, Name::cs("max-collections"), calendar.max_collections as usize);
        if calendar.max_resources > 0 {
            number(w, Name::cs("max-resources"), calendar.max_resources as usize);
        }
    });
}
