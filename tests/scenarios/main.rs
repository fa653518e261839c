//! Scenarios: the controller as a process of its own, under its own service account, between a real API server and the
//! simulator of AWS. Each ends in the simulator's judgement.

mod adopting;
mod auditing;
mod consumers;
mod crashing;
mod deleting;
mod failing;
mod gitops;
mod harness;
mod holding;
mod keys;
mod listening;
mod migrating;
mod moving;
mod objects;
mod observing;
mod published;
mod reasons;
mod reports;
mod restarting;
mod restoring;
mod sharing;
mod weathering;
