//! What comes from outside, read as if from an enemy: never a panic, never an image that is called encrypted and is not.
//!
//! `PROPTEST_CASES` says how often each property is tried.

mod answers;
mod document;
mod mutation;
mod policies;
mod scripts;
#[path = "../policy_fields/stage.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod stage;
mod texts;
mod wire;
