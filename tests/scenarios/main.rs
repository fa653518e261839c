//! Scenarios: the controller as a process of its own, under its own service account, between a real API server and the
//! simulator of AWS. Each ends in the simulator's judgement.

mod adopting;
mod auditing;
mod consumers;
mod crashing;
mod deciding;
mod deleting;
mod failing;
mod following;
mod gitops;
mod guardrails;
mod guardrails_left;
mod harness;
mod holding;
mod inspecting;
mod keys;
mod labels;
mod listening;
mod mapping;
mod migrating;
mod moving;
mod moving_groups;
mod objects;
mod observing;
mod pacing;
mod proof_jobs;
mod published;
mod reasons;
mod reports;
mod restarting;
mod restoring;
mod scanning;
mod sharing;
mod storing;
mod validating;
mod weathering;
