//! The command line's subcommands.

pub mod check;
pub mod crd;
pub mod import;
pub mod output;
pub mod plan;
pub mod run;
