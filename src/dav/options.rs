//! OPTIONS, and what the tables say of a resource in headers (RFC 4918 §9.1 and §10.1, RFC 9110 §9.3.7).

use std::sync::Arc;

use crate::{
    front::{HeaderName, Response, Status, header},
    model::{Kind, Privilege},
};

use super::{Cx, Error, Given, Result, Tables, facts};

/// What may be done with a resource of this kind; exactly 200, because some clients take nothing else.
pub async fn run(cx: Arc<Cx>, _: Given) -> Result<Response> {
    let (kind, vacant) = match cx.located.target.kind() {
        Kind::Calendar => of_calendar(&cx).await?,
        kind => (kind, false),
    };
    Ok(with_features(Response::new(Status::OK), cx.tables, kind)
        .with(header::ALLOW, allow(cx.tables, kind, vacant))
        .with(header::CONTENT_LENGTH, "0"))
}

/// Which kind of calendar it is, and whether nothing is there; what the viewer may not see is not told of.
async fn of_calendar(cx: &Cx) -> Result<(Kind, bool)> {
    match facts::collection(cx, Privilege::Read).await {
        Ok(calendar) => Ok((calendar.kind, false)),
        Err(Error::Refused(refusal)) => Ok((Kind::Calendar, refusal.status == Status::NOT_FOUND)),
        Err(fault) => Err(fault),
    }
}

/// The Allow header of a kind; `vacant` says that nothing is there yet.
#[must_use]
pub fn allow(tables: &Tables, kind: Kind, vacant: bool) -> String {
    let allowed = |m: &&super::Method| m.on.has(kind) && (vacant || m.elsewhere.is_none());
    let verbs: Vec<&str> = tables.methods.iter().filter(allowed).map(|m| m.verb).collect();
    verbs.join(", ")
}

/// Adds the DAV header of a kind.
#[must_use]
pub fn with_features(response: Response, tables: &Tables, kind: Kind) -> Response {
    let tokens: Vec<&str> = tables.features.iter().filter(|f| f.on.has(kind)).map(|f| f.token).collect();
    if tokens.is_empty() {
        response
    } else {
        response.with(HeaderName::from_static("dav"), tokens.join(", "))
    }
}
