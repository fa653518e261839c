//! What amiseal says of itself: logs, metrics and health.

mod logs;
mod metrics;
mod server;

pub use logs::{LogFormat, init_logs};
pub use metrics::Metrics;
pub(crate) use metrics::{ShownAccounts, Told};
pub use server::{Health, serve};
