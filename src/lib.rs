//! Keeps every Amazon Machine Image encrypted under the key that its policy names.
pub mod aws;
pub mod clock;
pub mod domain;
