//! What is answered when something is wrong: one shape for all of it, `{"type", "errors": [{"code", "detail", "attr"}]}`.

use serde_json::{Value, json};

use crate::{
    db,
    front::{BodyError, Denial, Response, Status, Unanswered, header},
};

/// The media type of every answer.
pub const JSON: &str = "application/json";

/// What a handler gives.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request is not answered as it was meant.
#[derive(Debug)]
pub enum Error {
    /// The client must change something.
    Refused(Refusal),
    /// What was sent is not what is taken: each fault, and the field that it is about.
    Invalid(Vec<Fault>),
    /// What is asked for is more than can be told at once.
    TooMuch,
    /// Too many requests: seconds after which there is room again.
    Throttled(u64),
    /// Too much is going on; the same may work in a moment. The reason, for the log.
    Busy(String),
    /// The CalDAV service did not answer, or not as it should: why, for the log.
    Upstream(String),
    /// A fault of ours, for the log.
    Fault(String),
}

/// A refusal: a status, its code, and what a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: Status,
    /// The code, for programs.
    pub code: &'static str,
    /// The sentence, for people.
    pub detail: String,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code: `required`, `invalid`, `null`, `blank`, `max_length`, `invalid_choice` …
    pub code: &'static str,
    /// The sentence.
    pub detail: String,
    /// The field; none where it is the whole.
    pub attr: Option<&'static str>,
}

impl Refusal {
    /// A refusal of that status and code.
    pub fn new(status: Status, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into() }
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(Status::NOT_FOUND, "not_found", "Not found.")
    }

    /// 403.
    #[must_use]
    pub fn forbidden() -> Self {
        let detail = "You do not have permission to perform this action.";
        Self::new(Status::FORBIDDEN, "permission_denied", detail)
    }
}

impl Error {
    /// A fault of one field.
    pub fn field(attr: &'static str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault { code, detail: detail.into(), attr: Some(attr) }])
    }

    /// 404.
    #[must_use]
    pub fn not_found() -> Self {
        Refusal::not_found().into()
    }

    /// The code that logs and metrics have it under.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Invalid(_) => "invalid",
            Self::TooMuch => "too_much",
            Self::Throttled(_) => "throttled",
            Self::Busy(_) => "unavailable",
            Self::Upstream(_) => "bad_gateway",
            Self::Fault(_) => "error",
        }
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response {
        let of = |status, kind, detail: &str| shape(status, kind, &[one(self.code(), detail, None)]);
        match self {
            Self::Refused(Refusal { status, detail, .. }) => {
                of(*status, if status.is_server_error() { SERVER } else { CLIENT }, detail)
            }
            Self::Invalid(faults) => {
                let all: Vec<Value> =
                    faults.iter().map(|fault| one(fault.code, &fault.detail, fault.attr)).collect();
                shape(Status::BAD_REQUEST, "validation_error", &all)
            }
            Self::TooMuch => of(Status::BAD_REQUEST, CLIENT, "There is too much of it to be told at once."),
            Self::Throttled(seconds) => {
                let detail = format!("Request was throttled. Expected available in {seconds} seconds.");
                let answer = of(Status::TOO_MANY_REQUESTS, CLIENT, &detail);
                answer.with(header::RETRY_AFTER, seconds.to_string())
            }
            Self::Busy(_) => of(Status::SERVICE_UNAVAILABLE, SERVER, "Please try again in a moment.")
                .with(header::RETRY_AFTER, "5"),
            Self::Upstream(_) => of(Status::BAD_GATEWAY, SERVER, "The calendar service does not answer."),
            Self::Fault(_) => of(Status::INTERNAL_SERVER_ERROR, SERVER, "A server error occurred."),
        }
    }
}

/// What the front refuses, or did not get an answer to.
#[must_use]
pub fn wrong(status: Status, why: &str) -> Response {
    let code = match status {
        Status::BAD_REQUEST => "parse_error",
        Status::FORBIDDEN => "permission_denied",
        Status::PAYLOAD_TOO_LARGE => "too_large",
        Status::EXPECTATION_FAILED => "expectation_failed",
        Status::SERVICE_UNAVAILABLE => "unavailable",
        _ => "error",
    };
    let kind = if status.is_server_error() { SERVER } else { CLIENT };
    shape(status, kind, &[one(code, why.trim_end(), None)])
}

const CLIENT: &str = "client_error";
const SERVER: &str = "server_error";

fn one(code: &str, detail: &str, attr: Option<&str>) -> Value {
    json!({ "code": code, "detail": detail, "attr": attr })
}

fn shape(status: Status, kind: &str, errors: &[Value]) -> Response {
    let body = json!({ "type": kind, "errors": errors }).to_string();
    Response::new(status).body(JSON, body)
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<&Denial> for Error {
    fn from(denial: &Denial) -> Self {
        match denial {
            Denial::Absent | Denial::Untrusted => {
                let detail = "Authentication credentials were not provided.";
                Refusal::new(Status::UNAUTHORIZED, "not_authenticated", detail).into()
            }
            Denial::Malformed(_) => {
                let detail = "The proxy did not say plainly who is asking.";
                Refusal::new(Status::FORBIDDEN, "permission_denied", detail).into()
            }
            Denial::Undecided(why) => Self::Busy((*why).to_owned()),
        }
    }
}

impl From<BodyError> for Error {
    fn from(fault: BodyError) -> Self {
        let (status, code) = match fault {
            BodyError::TooLarge => (Status::PAYLOAD_TOO_LARGE, "too_large"),
            BodyError::Slow => (Status::REQUEST_TIMEOUT, "timeout"),
            BodyError::Broken => (Status::BAD_REQUEST, "parse_error"),
        };
        Refusal::new(status, code, format!("{fault}.")).into()
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Busy(why) => Self::Busy(why.to_owned()),
            db::Error::Lost(source) => Self::Busy(source.to_string()),
            other => Self::Fault(db::chain(&other)),
        }
    }
}

impl From<Unanswered> for Error {
    fn from(why: Unanswered) -> Self {
        match why {
            // Nothing is broken: a trash of a hundred thousand events is more than is read at once.
            Unanswered::TooLong => Self::TooMuch,
            other => Self::Upstream(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Payload;

    fn told(error: &Error) -> (u16, Value) {
        let answer = error.response();
        let Payload::Full(bytes) = answer.payload else { panic!("no body") };
        (answer.status.as_u16(), serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn there_is_one_shape() {
        let expected = json!({
            "type": "client_error",
            "errors": [{
                "code": "not_authenticated",
                "detail": "Authentication credentials were not provided.",
                "attr": null,
            }],
        });
        assert_eq!(told(&Error::from(&Denial::Absent)), (401, expected));
        let field = Error::field("name", "required", "This field is required.");
        let expected = json!({
            "type": "validation_error",
            "errors": [{ "code": "required", "detail": "This field is required.", "attr": "name" }],
        });
        assert_eq!(told(&field), (400, expected));
    }

    #[test]
    fn too_much_is_no_fault() {
        let (status, body) = told(&Unanswered::TooLong.into());
        assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("too_much")));
        assert_eq!(told(&Unanswered::Late.into()).0, 502);
    }

    #[test]
    fn what_is_for_the_log_is_not_told() {
        for error in
            [Error::Fault("secret".into()), Error::Upstream("secret".into()), Error::Busy("secret".into())]
        {
            let (status, body) = told(&error);
            assert!(status >= 500 && body["type"] == "server_error", "{body}");
            assert!(!body.to_string().contains("secret"), "{body}");
        }
    }
}
