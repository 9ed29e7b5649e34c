//! The PostgreSQL room: statements, connections, transactions and migrations; the only one that names the driver.

mod client;
mod connect;
mod error;
pub mod migrate;
mod param;
mod pool;
mod query;
mod row;
mod tls;
mod tx;

pub use client::Client;
pub use error::{Error, Source, chain};
pub use param::{Element, Param, Params, Typed};
pub use pool::{Gauge, Pool};
pub use query::{Query, section};
pub use row::{Row, Rows};
pub use tx::Tx;
