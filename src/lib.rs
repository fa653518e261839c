//! amiseal keeps every Amazon Machine Image of an organisation encrypted under the key that its policy names.

pub mod api;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod domain;
pub mod families;
pub mod plan;
pub mod telemetry;
