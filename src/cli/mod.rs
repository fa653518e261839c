//! The command line's subcommands, and what they share.

pub mod check;
pub mod command_line;
pub mod completion;
mod connection;
pub mod crd;
pub mod import;
pub mod man;
pub mod output;
pub mod plan;
pub mod policy_file;
mod prices;
mod progress;
pub mod report;
pub mod run;
mod text;
mod words;
