//! What can go wrong with the database, as those who must act on it see it.

use std::error::Error as StdError;
use std::fmt;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::{DbError, SqlState};

use crate::db::tls;

/// The cause of an error.
pub type Source = Box<dyn StdError + Send + Sync>;

/// Why a statement, a transaction or a connection failed.
#[derive(Debug)]
pub enum Error {
    /// The row is there already: the constraint that says so. A sharded database adds a number to the name.
    Unique(String),
    /// What the row refers to is not there: the constraint.
    Foreign(String),
    /// The row is not allowed: the constraint, or the column that must not be NULL.
    Check(String),
    /// Too much is going on; the same may work in a moment. The reason.
    Busy(&'static str),
    /// The connection broke, or there is none to be had.
    Lost(Source),
    /// Something the operator must mend: what it is and how.
    Setup(String),
    /// A fault of kalends, or of the schema it found.
    Bug(Source),
}

impl Error {
    /// The constraint that a row did not meet.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Unique(name) | Self::Foreign(name) | Self::Check(name) => Some(name),
            Self::Busy(_) | Self::Lost(_) | Self::Setup(_) | Self::Bug(_) => None,
        }
    }

    pub(super) fn setup(text: impl Into<String>) -> Self {
        Self::Setup(text.into())
    }

    pub(super) fn bug(text: &'static str) -> Self {
        Self::Bug(text.into())
    }

    /// The same, a fault of ours saying at which statement it happened.
    pub(super) fn at(self, query: &'static str) -> Self {
        match self {
            Self::Bug(source) => Self::Bug(Box::new(At { query, source })),
            other => other,
        }
    }

    /// Whether the server gave way to others who were at the same rows.
    pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
        error.code().is_some_and(|code| {
            matches!(code, &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
        })
    }

    fn server(error: DbError) -> Self {
        let constraint = || error.constraint().or(error.column()).unwrap_or_default().to_owned();
        match error.code() {
            &SqlState::UNIQUE_VIOLATION | &SqlState::EXCLUSION_VIOLATION => Self::Unique(constraint()),
            &SqlState::FOREIGN_KEY_VIOLATION => Self::Foreign(constraint()),
            &SqlState::CHECK_VIOLATION | &SqlState::NOT_NULL_VIOLATION => Self::Check(constraint()),
            &SqlState::QUERY_CANCELED => Self::Busy("the statement took too long"),
            &SqlState::LOCK_NOT_AVAILABLE => Self::Busy("a lock was not to be had"),
            &SqlState::TOO_MANY_CONNECTIONS => Self::Busy("the database has no connection left"),
            &SqlState::T_R_SERIALIZATION_FAILURE => Self::Busy("others changed the same rows"),
            &SqlState::T_R_DEADLOCK_DETECTED => Self::Busy("others locked the same rows"),
            // A primary that became a standby: another connection may lead to the new primary.
            &SqlState::READ_ONLY_SQL_TRANSACTION => Self::Lost(Box::new(error)),
            // The timeouts that a PgBouncer does not take.
            &SqlState::PROTOCOL_VIOLATION if error.message().contains("startup parameter") => {
                behind_pgbouncer(&error)
            }
            // The name of a prepared statement went to another server connection.
            &SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT => {
                behind_pgbouncer(&error)
            }
            &SqlState::INVALID_PASSWORD
            | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            | &SqlState::INVALID_CATALOG_NAME => {
                Self::Setup(format!("the database refuses: {}; see database.url", error.message()))
            }
            &SqlState::INSUFFICIENT_PRIVILEGE => Self::Setup(format!(
                "the database refuses: {}; let the role in database.url own the database (ALTER DATABASE … OWNER TO …)",
                error.message()
            )),
            // 08: connection; 57P: the server stops, starts or was crashed.
            code if code.code().starts_with("08") || code.code().starts_with("57P") => {
                Self::Lost(Box::new(error))
            }
            _ => Self::Bug(Box::new(error)),
        }
    }
}

fn behind_pgbouncer(error: &DbError) -> Error {
    Error::Setup(format!(
        "{}. Where a PgBouncer in transaction mode stands before the database, set database.pgbouncer = true",
        error.message()
    ))
}

/// An error with all its causes, in a line.
#[must_use]
pub fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(server) = error.as_db_error() {
            return Self::server(server.clone());
        }
        if let Some(advice) = tls::advice(&error) {
            return Self::Setup(advice);
        }
        let cause = StdError::source(&error);
        let is_io = cause.is_some_and(<dyn StdError>::is::<std::io::Error>);
        // The driver keeps the kind of its errors to itself, but for their words.
        match error.to_string().as_str() {
            "invalid configuration" | "authentication error" => Self::Setup(format!(
                "database.url does not do: {}",
                cause.map(ToString::to_string).unwrap_or_default()
            )),
            "error connecting to server"
            | "timeout waiting for server"
            | "error performing TLS handshake" => Self::Lost(Box::new(error)),
            _ if error.is_closed() || is_io => Self::Lost(Box::new(error)),
            _ => Self::Bug(Box::new(error)),
        }
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy("all connections to the database are in use"),
            PoolError::Backend(error) => error.into(),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) | PoolError::Closed => {
                Self::Lost(Box::new(error))
            }
            PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => Self::Bug(Box::new(error)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unique(name) => write!(f, "there is such a row already ({name})"),
            Self::Foreign(name) => write!(f, "what the row refers to is not there ({name})"),
            Self::Check(name) => write!(f, "the row is not allowed ({name})"),
            Self::Busy(reason) => write!(f, "the database is busy: {reason}"),
            Self::Lost(_) => f.write_str("no connection to the database"),
            Self::Setup(text) => f.write_str(text),
            Self::Bug(_) => f.write_str("the database did not do what was asked"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Lost(source) | Self::Bug(source) => Some(&**source),
            Self::Unique(_) | Self::Foreign(_) | Self::Check(_) | Self::Busy(_) | Self::Setup(_) => None,
        }
    }
}

#[derive(Debug)]
struct At {
    query: &'static str,
    source: Source,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.query)
    }
}

impl StdError for At {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
