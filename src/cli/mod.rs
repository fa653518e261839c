//! The command line's subcommands.

pub mod crd;
pub mod plan;
pub mod run;
