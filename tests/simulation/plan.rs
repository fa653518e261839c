//! What is to go wrong in a history, and the catalogue of all that can.

use std::fmt;
use std::time::Duration;

use ec2sim::{Act, Failure as AwsFailure, FaultRule};
use kubesim::{Effect, Failure, Verdict};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fate::{Moment, Side};

/// One kind of fault. Each strikes one call, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fault {
    CrashBefore(Side),
    CrashAfter(Side),
    AwsError,
    AwsErrorAfterEffect,
    AwsThrottled,
    AwsConnectionLost,
    AwsAnswerLost,
    AwsEffectLater,
    AwsExpired,
    AwsDenied,
    KubernetesConflict,
    KubernetesThrottled,
    KubernetesError,
    KubernetesConnectionLost,
    KubernetesAnswerLost,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 17] = [
        Self::CrashBefore(Side::Aws),
        Self::CrashAfter(Side::Aws),
        Self::CrashBefore(Side::Kubernetes),
        Self::CrashAfter(Side::Kubernetes),
        Self::AwsError,
        Self::AwsErrorAfterEffect,
        Self::AwsThrottled,
        Self::AwsConnectionLost,
        Self::AwsAnswerLost,
        Self::AwsEffectLater,
        Self::AwsExpired,
        Self::AwsDenied,
        Self::KubernetesConflict,
        Self::KubernetesThrottled,
        Self::KubernetesError,
        Self::KubernetesConnectionLost,
        Self::KubernetesAnswerLost,
    ];

    /// Whose calls it strikes.
    pub(crate) fn side(self) -> Side {
        match self {
            Self::CrashBefore(side) | Self::CrashAfter(side) => side,
            Self::KubernetesConflict
            | Self::KubernetesThrottled
            | Self::KubernetesError
            | Self::KubernetesConnectionLost
            | Self::KubernetesAnswerLost => Side::Kubernetes,
            _ => Side::Aws,
        }
    }

    /// Its name, as the command line has it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::CrashBefore(side) => format!("CrashBefore{side:?}"),
            Self::CrashAfter(side) => format!("CrashAfter{side:?}"),
            other => format!("{other:?}"),
        }
    }
}

/// A fault and the number of the call that it strikes, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
        let fault = Fault::ALL.into_iter().find(|fault| fault.name() == name);
        Ok(Self {
            fault: fault.ok_or_else(|| format!("there is no fault {name}"))?,
            at: at.parse().map_err(|_| format!("{at} is not the number of a call"))?,
        })
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

    /// One fault at one call.
    pub(crate) fn single(seed: u64, fault: Fault, at: u64) -> Self {
        Self {
            seed,
            strikes: vec![Strike { fault, at }],
        }
    }

    /// Up to five faults at random among so many calls.
    pub(crate) fn random(seed: u64, calls: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        let count = rng.random_range(1..=5);
        let strikes = (0..count).map(|_| Strike {
            fault: *Fault::ALL.choose(&mut rng).expect("a fault"),
            at: rng.random_range(1..=calls),
        });
        Self {
            seed,
            strikes: strikes.collect(),
        }
    }

    pub(crate) fn crashes(&self) -> impl Iterator<Item = Moment> {
        self.strikes.iter().filter_map(|strike| {
            let (side, after) = match strike.fault {
                Fault::CrashBefore(side) => (side, false),
                Fault::CrashAfter(side) => (side, true),
                _ => return None,
            };
            Some(Moment {
                side,
                number: strike.at,
                after,
            })
        })
    }

    /// What AWS does wrong.
    pub(crate) fn rules(&self) -> Vec<FaultRule> {
        self.strikes
            .iter()
            .filter_map(|strike| Some(rule(strike.at, act(strike.fault)?)))
            .collect()
    }

    /// What becomes of the request of this number at the API server.
    pub(crate) fn verdict(&self, number: u64) -> Verdict {
        let strike = self
            .strikes
            .iter()
            .find(|strike| strike.at == number && strike.fault.side() == Side::Kubernetes);
        let lose = |effect| Verdict::Lose {
            effect,
            after: Duration::from_secs(1),
        };
        match strike.map(|strike| strike.fault) {
            Some(Fault::KubernetesConflict) => Verdict::Refuse(Failure::conflict()),
            Some(Fault::KubernetesThrottled) => Verdict::Refuse(Failure::too_many_requests(1)),
            Some(Fault::KubernetesError) => Verdict::Refuse(Failure::internal()),
            Some(Fault::KubernetesConnectionLost) => lose(Effect::None),
            Some(Fault::KubernetesAnswerLost) => lose(Effect::Done),
            _ => Verdict::Serve,
        }
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

fn rule(number: u64, act: Act) -> FaultRule {
    FaultRule {
        dry_run: true,
        nth: Some(number),
        act,
        ..FaultRule::default()
    }
}

fn act(fault: Fault) -> Option<Act> {
    let failure = |code: &str, status, message: &str| AwsFailure {
        code: code.to_owned(),
        status,
        message: message.to_owned(),
    };
    Some(match fault {
        Fault::AwsError => Act::FailBefore(AwsFailure::default()),
        Fault::AwsErrorAfterEffect => Act::FailAfter(AwsFailure::default()),
        Fault::AwsThrottled => Act::Throttle,
        Fault::AwsConnectionLost => Act::DropBefore,
        Fault::AwsAnswerLost => Act::DropAfter,
        Fault::AwsEffectLater => Act::DelayEffect(90.0),
        Fault::AwsExpired => Act::FailBefore(failure(
            "ExpiredToken",
            400,
            "The security token included in the request is expired",
        )),
        Fault::AwsDenied => Act::FailBefore(failure(
            "UnauthorizedOperation",
            403,
            "You are not authorized to perform this operation.",
        )),
        _ => return None,
    })
}
