//! POST of one object, for which the server picks the name (RFC 5995).

use bytes::Bytes;

use crate::{
    caldav::put,
    dav::{Cx, Result},
    front::{Response, header},
};

use super::{fresh_name, member};

/// Stores the object as PUT does, and says where; conditions of the request are about the calendar.
pub async fn run(cx: &Cx, octets: Bytes) -> Result<Response> {
    let located = member(cx, &fresh_name())?;
    let href = located.own_href();
    let there = Cx { path: href.clone(), ..cx.at(located) };
    Ok(put::stored(cx, &there, octets).await?.with(header::LOCATION, href))
}
