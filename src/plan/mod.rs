//! The rules: from what is wanted and what is seen to what is done next.
//!
//! Nothing here has a client, a clock or the SDK: time is an argument, and so is everything that was read. A rule that
//! is not in this module is in the wrong place.

mod absence;
pub mod access;
pub mod accounts;
pub mod adopt;
pub mod allowance;
pub mod classify;
pub mod copy_budget;
pub mod copy_watch;
pub mod cost;
pub mod creations;
pub mod deciding;
pub mod events;
pub mod expand;
pub mod findings;
pub mod followers;
pub mod freshness;
pub mod guardrails;
pub mod guardrails_report;
pub mod import;
pub mod key;
pub mod look;
pub mod map;
pub mod migrations;
pub mod moving;
pub mod naming;
pub mod obstacle;
pub mod partition;
pub mod permissions;
pub mod precedence;
pub mod prices;
pub mod problem;
pub mod promote;
pub mod proof;
pub mod read_retry;
pub mod regions;
pub mod report;
pub mod request;
pub mod rights;
pub mod scan_schedule;
pub mod schedule;
pub mod select;
pub mod shards;
pub mod source_keys;
pub mod status;
pub mod step;
#[cfg(test)]
pub(crate) mod testing;
pub mod unknown;
pub mod usage;
pub mod verify;
