//! Where a COPY or MOVE goes to, and whether it may write over what is there (RFC 4918 §10.3 and §10.6).

use crate::front::{HeaderValue, Status};

use super::{
    Cx, Located, Refusal,
    target::{BadPath, Elsewhere, ours},
};

/// The other end of a COPY or MOVE.
#[derive(Clone, Debug)]
pub struct Destination {
    /// What it names.
    pub located: Located,
    /// Whether what is there may be replaced.
    pub overwrite: bool,
}

impl Destination {
    /// That of a request.
    pub fn of(cx: &Cx) -> Result<Self, Refusal> {
        let mut values = cx.headers.get_all("destination").iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Refusal::bad_request("say where to, in one Destination header"));
        };
        let url = value.to_str().map_err(|_| Refusal::bad_request("the Destination is no URL"))?.trim();
        if url.contains(['?', '#']) {
            return Err(Refusal::bad_request("a Destination has neither query nor fragment"));
        }
        let located = ours(cx, url).map_err(|fault| match fault {
            Elsewhere::Server | Elsewhere::Path(BadPath::Elsewhere) => {
                Refusal::plain(Status::BAD_GATEWAY, "the Destination lies on another server")
            }
            Elsewhere::Path(BadPath::Malformed(why)) => Refusal::bad_request(why),
        })?;
        Ok(Self { located, overwrite: overwrite(cx)? })
    }

    /// Refuses to write over what is there, if the client does not want that.
    pub fn may_replace(&self, is_there: bool) -> Result<(), Refusal> {
        if is_there && !self.overwrite {
            let why = "there is something at the Destination already";
            return Err(Refusal::plain(Status::PRECONDITION_FAILED, why));
        }
        Ok(())
    }
}

fn overwrite(cx: &Cx) -> Result<bool, Refusal> {
    let mut values = cx.headers.get_all("overwrite").iter();
    match (values.next().map(HeaderValue::as_bytes), values.next()) {
        (None | Some(b"T" | b"t"), None) => Ok(true),
        (Some(b"F" | b"f"), None) => Ok(false),
        _ => Err(Refusal::bad_request("Overwrite is T or F")),
    }
}
