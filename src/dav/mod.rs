//! The WebDAV machine: it works through tables and knows no iCalendar. Here are the types of the tables and the context
//! of a request.

pub mod access;
pub mod acl;
pub mod acl_props;
pub mod ask;
pub mod author;
pub mod chosen;
pub mod condition;
pub mod deeds;
pub mod delegates;
pub mod delete;
pub mod destination;
pub mod error;
pub mod facts;
pub mod guard;
pub mod header;
pub mod if_header;
pub mod lock;
pub mod locks;
pub mod mkcol;
pub mod multistatus;
pub mod options;
pub mod prop;
pub mod propfind;
pub mod proppatch;
pub mod props;
pub mod reports;
pub mod seen;
pub mod sharing;
pub mod stream;
pub mod target;
pub mod trash;
pub mod unlock;

use std::{
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    config::Settings,
    db::Pool,
    front::{HeaderMap, HeaderName, Response},
    model::Kinds,
    store::{Object, Property},
    xml::{Element, Name, QName},
};

pub use crate::store::Viewer;
pub use condition::Refusal;
pub use error::{Error, Result};
pub use prop::Prop;
pub use target::{Located, Space, Target};

/// The answer of a method or report, in the making.
pub type Run = Pin<Box<dyn Future<Output = Result<Response>> + Send>>;

/// A method of the server: one row, from which come dispatch, Allow, 405, the limit of the body and the label of metrics.
#[derive(Clone, Copy)]
pub struct Method {
    /// Its name on the wire.
    pub verb: &'static str,
    /// Where it is allowed.
    pub on: Kinds,
    /// What its body is.
    pub body: Takes,
    /// The condition it is refused with elsewhere; `None` is 405.
    pub elsewhere: Option<condition::Condition>,
    /// Carries it out.
    pub run: fn(Arc<Cx>, Given) -> Run,
    /// Where it is defined.
    pub rfc: &'static str,
}

/// What a method takes as its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing: what is sent all the same is refused where something would be changed, and else left unread.
    Nothing,
    /// XML, or nothing.
    Xml,
    /// What is to be stored.
    Content,
    /// Any number of things that are to be stored, or one.
    Batch,
}

/// A report: one row, from which come dispatch and DAV:supported-report-set.
#[derive(Clone, Copy)]
pub struct Report {
    /// The root element that asks for it.
    pub name: Name,
    /// Where it is answered.
    pub on: Kinds,
    /// Carries it out.
    pub run: fn(Arc<Cx>, Element) -> Run,
    /// Where it is defined.
    pub rfc: &'static str,
}

/// A token of the DAV header: claimed where it is true.
#[derive(Clone, Copy)]
pub struct Feature {
    /// The token.
    pub token: &'static str,
    /// Where it is claimed.
    pub on: Kinds,
    /// Where it is defined.
    pub rfc: &'static str,
}

/// All tables: the server on one page.
pub struct Tables {
    /// The methods.
    pub methods: &'static [Method],
    /// The reports.
    pub reports: &'static [Report],
    /// The properties, room by room.
    pub props: &'static [&'static [Prop]],
    /// The tokens of the DAV header.
    pub features: &'static [Feature],
    /// What is seen of an object by whoever does not own it.
    pub seen: seen::Seen,
    /// What people call an object, where it says so.
    pub title: fn(&Object) -> Option<String>,
}

impl Tables {
    /// A number that changes with what clients are told of the server: what it knows where, and the settings of calendars.
    #[must_use]
    pub fn outline(&self, settings: &Settings) -> u32 {
        let mut hash = DefaultHasher::new();
        let mut row = |name: &dyn std::fmt::Display, on| format!("{name} {on:?}").hash(&mut hash);
        self.methods.iter().for_each(|method| row(&method.verb, method.on));
        self.reports.iter().for_each(|report| row(&report.name, report.on));
        self.features.iter().for_each(|feature| row(&feature.token, feature.on));
        self.props.iter().copied().flatten().for_each(|prop| row(&prop.name, prop.on));
        format!("{:?}", settings.calendar).hash(&mut hash);
        let [a, b, c, d, ..] = hash.finish().to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The property of that name.
    #[must_use]
    pub fn prop(&self, name: &QName) -> Option<&'static Prop> {
        self.props.iter().copied().flatten().find(|p| *name == p.name)
    }

    /// What somebody says of a calendar that is not theirs, and of what they say nothing of what its owner does, where that is
    /// told to others (caldav-sharing §5.5.3).
    #[must_use]
    pub fn inherited(&self, mut own: Vec<Property>, owners: Vec<Property>) -> Vec<Property> {
        let said: Vec<QName> = own.iter().map(|property| property.name.clone()).collect();
        let told = |property: &Property| {
            let row = self.prop(&property.name).filter(|row| row.inherited);
            let twin = row.and_then(|row| row.twin);
            row.is_some()
                && !said.iter().any(|name| *name == property.name || twin.is_some_and(|t| *name == t))
        };
        own.extend(owners.into_iter().filter(told));
        own
    }
}

/// The body of a request.
#[derive(Debug, Default)]
pub struct Given {
    /// The octets.
    pub bytes: Bytes,
    /// Their root element, where the method takes XML and there was some.
    pub xml: Option<Element>,
}

/// What every step of a request may see.
#[derive(Clone)]
pub struct Cx {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The database.
    pub pool: Pool,
    /// The tables.
    pub tables: &'static Tables,
    /// What these and the settings say of the server, in a number.
    pub outline: u32,
    /// The URL space.
    pub space: Arc<Space>,
    /// Who is asking.
    pub viewer: Viewer,
    /// What the request is about.
    pub located: Located,
    /// The path as it was sent.
    pub path: String,
    /// What followed its question mark.
    pub query: String,
    /// The headers of the request.
    pub headers: HeaderMap,
}

impl Cx {
    /// The canonical path of another target, under the base path of this request.
    #[must_use]
    pub fn href(&self, target: &Target) -> String {
        self.located.href(target)
    }

    /// The same request, about another resource.
    #[must_use]
    pub fn at(&self, located: Located) -> Self {
        Self { located, ..self.clone() }
    }

    /// Says which path an answer is about, where the client spelt it in another way (RFC 4918 §5.2, RFC 9110 §8.7).
    #[must_use]
    pub fn named(&self, response: Response) -> Response {
        let canonical = self.located.own_href();
        if self.path == canonical {
            response
        } else {
            response.with(HeaderName::from_static("content-location"), canonical)
        }
    }

    /// The path of the viewer's principal.
    #[must_use]
    pub fn viewer_href(&self) -> String {
        self.href(&Target::Principal(self.viewer.principal.name.clone()))
    }
}
