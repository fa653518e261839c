//! What is to go wrong in a history.

use std::fmt;

use clap::ValueEnum;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::catalogue::Fault;
use super::enlisting::Enlisting;
use super::fate::Side;
use super::guarding::Guarding;
use super::hearing::Hearing;
use super::moving;
use super::odd::Odd;

/// A fault and the number of what it strikes at, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) at: u64,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.fault.name(), self.at)
    }
}

impl std::str::FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, at) = text
            .split_once('@')
            .ok_or("a strike is a fault's name, @, and the number of a call")?;
        Ok(Self {
            fault: Fault::from_str(name, false).map_err(|_| format!("there is no fault {name}"))?,
            at: at.parse().map_err(|_| format!("{at} is not the number of a call"))?,
        })
    }
}

impl From<Strike> for String {
    fn from(strike: Strike) -> Self {
        strike.to_string()
    }
}

impl TryFrom<String> for Strike {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A history to be: a beginning and what goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) strikes: Vec<Strike>,
}

impl Plan {
    /// Nothing goes wrong.
    pub(crate) fn undisturbed(seed: u64) -> Self {
        Self {
            seed,
            strikes: Vec::new(),
        }
    }

    /// One fault at one moment.
    pub(crate) fn single(seed: u64, fault: Fault, at: u64) -> Self {
        Self {
            seed,
            strikes: vec![Strike { fault, at }],
        }
    }

    /// Two of these faults at random, or up to five; `calls` says among how many of each side.
    pub(crate) fn random(seed: u64, faults: &[Fault], calls: [u64; Side::COUNT]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        let count = if rng.random_bool(0.5) {
            2
        } else {
            rng.random_range(1..=5)
        };
        let reads_keys = Odd::of(seed).says.starts_with("SourceKey");
        // Half of them in what launches images, where anything is done to that.
        let (of_guardrails, faults): (Vec<Fault>, Vec<Fault>) =
            faults.iter().copied().partition(|fault| fault.is_of_guardrails());
        let (of_messages, faults): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(|fault| fault.is_of_messages());
        let (of_accounts, faults): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(|fault| fault.is_of_accounts());
        let of_some = [&of_guardrails, &of_messages, &of_accounts].map(Vec::as_slice).concat();
        let (of_consumers, others): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(|fault| fault.is_of_consumers());
        let is_moving = moving::is_newer(seed);
        let strikes = (0..count).map(|_| {
            let among = match is_moving && rng.random_bool(0.5) {
                true if !of_consumers.is_empty() => &of_consumers,
                _ if others.is_empty() && of_consumers.is_empty() => &of_some,
                _ if others.is_empty() => &of_consumers,
                _ => &others,
            };
            let fault = match *among.choose(&mut rng).expect("a fault") {
                // A key of an original that may not be read is in nobody's way, and AWS is asked for a copy.
                Fault::AwsDenied if reads_keys => Fault::AwsThrottled,
                fault => fault,
            };
            Strike {
                fault,
                at: rng.random_range(1..=calls[fault.side() as usize].max(1)),
            }
        });
        let mut strikes: Vec<Strike> = strikes.collect();
        if Guarding::of(seed).is_some() && !of_guardrails.is_empty() {
            replace(seed ^ 0x6a5d, &mut strikes, &of_guardrails, calls);
        }
        if Hearing::of(seed).is_some() && !of_messages.is_empty() {
            replace(seed ^ 0x3e55, &mut strikes, &of_messages, calls);
        }
        if Enlisting::of(seed).is_some() && !of_accounts.is_empty() {
            replace(seed ^ 0xacc7, &mut strikes, &of_accounts, calls);
        }
        Self { seed, strikes }
    }

    /// The same with one strike less, in every way there is.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let without = |left_out| {
            let mut smaller = self.clone();
            smaller.strikes.remove(left_out);
            smaller
        };
        (0..self.strikes.len()).map(without).collect()
    }

    /// The options of this program that play it.
    pub(crate) fn options(&self) -> Vec<String> {
        let strikes = self
            .strikes
            .iter()
            .flat_map(|strike| ["--strike".to_owned(), strike.to_string()]);
        ["--seed".to_owned(), self.seed.to_string()]
            .into_iter()
            .chain(strikes)
            .collect()
    }

    /// The command that plays it again.
    pub(crate) fn command(&self) -> String {
        format!(
            "cargo test --workspace --test simulation -- {}",
            self.options().join(" ")
        )
    }
}

/// Puts what happens in some histories only in the place of half of the strikes. Drawn by itself, so that all other plans are as they were.
fn replace(seed: u64, strikes: &mut [Strike], among: &[Fault], calls: [u64; Side::COUNT]) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for strike in strikes {
        let fault = *among.choose(&mut rng).expect("a fault");
        let at = rng.random_range(1..=calls[fault.side() as usize].max(1));
        if rng.random_bool(0.5) {
            *strike = Strike { fault, at };
        }
    }
}
