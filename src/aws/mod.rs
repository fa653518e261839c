//! AWS: one [`Session`] per policy, account and region, with credentials, limits and retries of its own.
//!
//! Everything that AWS answers is projected to [`crate::domain`] here, and every failure to an [`AwsError`]; the SDK's types go no
//! further. What tests replace is the transport and the clock, not this module.

mod allowed_images;
mod associated;
mod called;
mod caller;
mod consumers;
mod credentials;
mod endpoint;
mod error;
mod events;
mod foreign;
mod guardrails;
mod image_parameters;
mod images;
mod interceptor;
mod interner;
mod inventory;
mod key_access;
mod key_health;
mod keys;
mod limiter;
mod listing;
mod metrics;
mod moving;
mod new_images;
mod on_demand;
mod operations;
mod organizations;
mod pages;
mod parts;
mod permissions;
mod project;
mod proof;
mod provider;
mod public_snapshots;
mod queue;
mod regions;
mod remains;
mod renewal;
mod scans;
mod sentence;
mod session;
#[cfg(test)]
mod testing;
mod trails;
mod transport;
mod usage_reports;
mod visible;
mod visit;
mod xml;

pub use crate::domain::{AwsError, Cause, ErrorClass};
pub(crate) use called::Called;
pub use consumers::{Parameters, Query};
pub use credentials::READ_ONLY_POLICY;
pub use images::CopyRequest;
pub use inventory::{Detail, Fate};
pub use metrics::AwsMetrics;
pub use permissions::Sample;
pub use provider::{Aws, AwsOptions, ConfigError, PolicyGate, WriteGate};
pub use session::{Access, Identity, Session, SessionKey};
