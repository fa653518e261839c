//! Guardrails for people to read: what is known of each in every account and region, and the documents by which AWS Organizations
//! holds what policies enforce.
//!
//! AWS holds some of it better than any controller can, and nobody can undo what it holds there: the documents are for that.

mod asked;
mod declarative;
mod enforced;
mod filter;
mod printed;
mod row;
mod scp;
#[cfg(test)]
mod tests;

pub use declarative::{AllowedImagesState, DeclarativeOptions, SnapshotState, declarative_policy};
pub use enforced::{Enforced, enforced};
pub use filter::Filter;
pub use printed::Printed;
pub use row::{Row, UNKNOWN, rows};
pub use scp::service_control_policy;
