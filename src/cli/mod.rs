//! The command line's subcommands.

pub mod check;
pub mod command_line;
pub mod completion;
pub mod crd;
pub mod import;
pub mod man;
pub mod output;
pub mod plan;
pub mod run;
