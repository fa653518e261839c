//! Who works on which accounts and regions: a fixed number of shards, one Lease each, shared among the replicas that live.
//!
//! Everything here is decided on what one replica has seen and on its own monotonic clock. What another machine's clock
//! says never counts: a Lease has run out when it was not seen to change for a while, and a replica's own holding ends a
//! shorter while after it sent the request that renewed it. So two never hold a shard at a time, as long as their clocks
//! run at about the same speed.

mod keeper;
#[cfg(test)]
mod tests;

use std::time::Duration;

use sha2::{Digest, Sha256};

pub use keeper::{Criteria, Keeper, Outcome, Planned, Write, Written};

/// The shard of an account and region: of all policies' targets and migrations there.
///
/// It is written down here for good: the first eight bytes of the SHA-256 of `account/region`, as a number with the most
/// significant byte first, modulo the number of shards.
pub fn shard_of(account: &str, region: &str, shards: u16) -> u16 {
    let number = number_of(&format!("{account}/{region}")) % u64::from(shards.max(1));
    u16::try_from(number).unwrap_or_default()
}

fn number_of(text: &str) -> u64 {
    let digest = Sha256::digest(text);
    digest[..8]
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The most shards of `shards` that one of `replicas` may hold.
pub fn share(shards: u16, replicas: usize) -> usize {
    usize::from(shards).div_ceil(replicas.max(1))
}

/// How long a replica believes to hold a Lease after it sent the request that renewed it.
pub fn holds_for(duration: Duration) -> Duration {
    duration * 7 / 10
}

/// For how long a Lease has to be seen unchanged until it has run out. Longer than it is believed to be held, for clocks
/// that run at different speeds; shorter than its duration, by the time that it takes to see a change.
pub fn runs_out_after(duration: Duration) -> Duration {
    duration * 17 / 20
}

/// How often the Leases are looked at.
pub fn look_every(duration: Duration) -> Duration {
    duration / 10
}

/// How long a request may take.
pub fn request_timeout(duration: Duration) -> Duration {
    duration / 5
}

/// After how long a Lease is renewed: a third of its duration, or up to a tenth less, so that not all are at once.
pub(super) fn renew_after(duration: Duration, lease: &Name) -> Duration {
    let spread = u32::try_from(number_of(&lease.to_string()) % 100).unwrap_or_default();
    duration / 3 * (1000 - spread) / 1000
}

/// A Lease.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// Of a replica: it lives.
    Replica(String),
    /// Of a shard: its holder works on the shard's accounts and regions.
    Shard(u16),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replica(identity) => write!(f, "replica {identity}"),
            Self::Shard(shard) => write!(f, "shard {shard}"),
        }
    }
}

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The API server's version of it, which every write changes.
    pub version: String,
    /// Who holds it; none when it was given up.
    pub holder: Option<String>,
    /// How long it holds.
    pub duration: Duration,
    /// The number of shards that its holder knows.
    pub shards: Option<u16>,
}
