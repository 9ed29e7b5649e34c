//! The PostgreSQL room: statements, connections, transactions and migrations; the only one that names the driver.
//!
//! Behind a PgBouncer in transaction mode (tried with 1.18) everything works with `database.pgbouncer = true`, except
//! that the statement of a caller who went away runs on until `statement_timeout`, which belongs to the role there: the
//! PgBouncer forgets a cancellation whose connection is closed at once, as the driver closes it.

mod cell;
mod client;
mod connect;
mod error;
mod listen;
pub mod migrate;
mod param;
mod pool;
mod query;
mod row;
mod tls;
mod tx;

pub use cell::Cell;
pub use client::Client;
pub use error::{Error, Source, chain};
pub use listen::{Heard, listen};
pub use param::{Element, Param, Params, Typed};
pub use pool::{Gauge, Pool};
pub use query::{Query, section};
pub use row::{Row, Rows};
pub use tx::Tx;
