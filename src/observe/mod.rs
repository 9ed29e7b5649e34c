//! What the server tells of itself: logs, metrics and health.

pub mod health;
pub mod metrics;

mod line;
mod logs;

pub use logs::{Logs, init};
