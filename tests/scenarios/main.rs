//! Scenarios: the controller as a process of its own, under its own service account, between a real API server and the
//! simulator of AWS. Each ends in the simulator's judgement.

mod crashing;
mod deleting;
mod harness;
mod holding;
mod migrating;
