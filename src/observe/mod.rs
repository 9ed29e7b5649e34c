//! What the server tells of itself: logs, metrics, health, and its state to systemd.

pub mod health;
pub mod metrics;
pub mod systemd;

mod line;
mod logs;
mod process;

pub use logs::{Logs, init};
