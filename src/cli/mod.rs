//! The command line's subcommands, and what they share.

pub mod check;
pub mod crd;
pub mod output;
pub mod plan;
pub mod policy_file;
pub mod run;
