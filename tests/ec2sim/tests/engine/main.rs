//! What the simulator promises, on a clock that is stepped by hand.

mod audit;
mod changing;
mod copying;
mod events;
mod exposure;
mod guarding;
mod guarding_audit;
mod guarding_effects;
mod guardrails;
mod identity;
mod moving;
mod organizations;
mod properties;
mod queues;
mod reading;
mod refusing;
mod scanning;
mod server;
mod support;
mod time;
mod trouble;
mod unusual;
mod using;
mod worlds;
