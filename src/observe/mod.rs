//! What the server tells of itself: logs, metrics, health, and its state to systemd.

pub mod health;
pub mod metrics;
pub mod systemd;
pub mod trace;

mod export;
mod gather;
mod line;
mod logs;
mod otlp;
mod parent;
mod process;

pub use export::{Exporting, Traces};
pub use logs::{Logs, init};
