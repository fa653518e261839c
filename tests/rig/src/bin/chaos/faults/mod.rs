//! The faults.

mod aws;
mod controller;
mod full;
mod plane;
mod refusal;

use anyhow::Result;
use clap::ValueEnum;
use rig::{Component, Way};

use crate::stage::Stage;
use refusal::By;
use tokio::time::Instant;

/// What is done to the controller, or to what it relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Fault {
    /// The controller is killed again and again.
    Killed,
    /// The replica that leads is stopped for longer than its Lease holds, and goes on.
    Stopped,
    /// etcd is killed, and started again on its data.
    Etcd,
    /// The API server is killed, and started again.
    ApiServer,
    /// AWS refuses connections.
    AwsRefuses,
    /// AWS is asked and its answers do not come, then it is not even asked.
    AwsHangs,
    /// etcd has no space left.
    Full,
    /// An admission policy refuses every status.
    StatusInvalid,
    /// The right to write statuses is taken away.
    StatusForbidden,
}

/// What a fault did.
#[derive(Debug)]
pub(crate) struct Struck {
    /// How often.
    pub(crate) count: usize,
    /// The same in words.
    pub(crate) injected: String,
    /// How many images had no finished copy when it struck first.
    pub(crate) left: usize,
    /// When it was over.
    pub(crate) ended: Instant,
}

impl Struck {
    fn new(count: usize, what: &str, left: usize, ended: Instant) -> Self {
        Self {
            count,
            injected: format!("{count} {what}"),
            left,
            ended,
        }
    }
}

impl Fault {
    /// All of them, those in which there is much to wait for beside those in which there is much to do.
    pub(crate) const ALL: [Self; 9] = [
        Self::Killed,
        Self::StatusInvalid,
        Self::Stopped,
        Self::Etcd,
        Self::StatusForbidden,
        Self::ApiServer,
        Self::AwsRefuses,
        Self::AwsHangs,
        Self::Full,
    ];

    /// What it is called on the command line.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What the table says.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Killed => "kill -9 of the controller",
            Self::Stopped => "leader stopped beyond its Lease",
            Self::Etcd => "etcd killed, started again",
            Self::ApiServer => "API server killed, started again",
            Self::AwsRefuses => "AWS refuses connections",
            Self::AwsHangs => "AWS does not answer",
            Self::Full => "etcd has no space left",
            Self::StatusInvalid => "status writes refused as invalid",
            Self::StatusForbidden => "status writes forbidden",
        }
    }

    /// How many replicas of the controller run.
    pub(crate) const fn replicas(self) -> usize {
        match self {
            Self::Stopped => 2,
            _ => 1,
        }
    }

    /// How many bytes etcd may store, if that is part of the fault.
    pub(crate) const fn etcd_quota(self) -> Option<u64> {
        match self {
            Self::Full => Some(full::QUOTA),
            _ => None,
        }
    }

    /// Whether nobody can read statuses while it strikes: the API server is gone, or what it reads them from.
    pub(crate) const fn silences_api_server(self) -> bool {
        matches!(self, Self::Etcd | Self::ApiServer)
    }

    /// Does it, while copies are under way, until it is over.
    pub(crate) async fn play(self, stage: &mut Stage) -> Result<Struck> {
        match self {
            Self::Killed => controller::killed(stage).await,
            Self::Stopped => controller::stopped(stage).await,
            Self::Etcd => plane::restarted(stage, Component::Etcd).await,
            Self::ApiServer => plane::restarted(stage, Component::ApiServer).await,
            Self::AwsRefuses => aws::unreachable(stage, &[(Way::Closed, 20)], "Unreachable").await,
            Self::AwsHangs => aws::unreachable(stage, &[(Way::Questions, 15), (Way::Nothing, 15)], "Timeout").await,
            Self::Full => full::full(stage).await,
            Self::StatusInvalid => refusal::refused(stage, By::AdmissionPolicy).await,
            Self::StatusForbidden => refusal::refused(stage, By::Rights).await,
        }
    }
}
