//! The command line's subcommands, and what they share.

mod accounts;
pub mod check;
pub mod command_line;
pub mod completion;
mod connection;
pub mod crd;
pub mod decide;
pub mod guardrails;
pub mod iam_policy;
pub mod import;
pub mod kubeconfig;
mod listing;
pub mod man;
pub mod map;
pub mod output;
pub mod plan;
pub mod policy_file;
mod prices;
mod progress;
pub mod report;
pub mod run;
mod text;
mod words;
