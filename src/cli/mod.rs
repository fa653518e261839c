//! The command line's subcommands.

pub mod crd;
pub mod run;
