//! The three controllers: policies to targets, targets to migrations, migrations to AWS.
//!
//! They observe, ask [`crate::plan`] what to do, and do it. Each kind's status has one writer.

mod accounts;
mod answers;
mod apply;
mod audit;
mod events;
mod failures;
mod followers;
mod forget;
mod handover;
mod hints;
mod index;
pub(crate) mod key_access;
mod maps;
mod memory;
mod migrations;
mod moves;
mod objects;
mod policy;
mod recorded;
mod regions;
mod registry;
mod run;
mod shards;
mod shared_reads;
pub(crate) mod survey;
mod targets;
mod usage;
mod usage_reports;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::runtime::reflector::Store;

use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};
use crate::aws::Aws;
use crate::clock::Clock;
use crate::domain::QueueUrl;
use crate::plan::accounts::EVERY;
use crate::plan::regions::EVERY as REGIONS_EVERY;
use crate::plan::schedule::PollBounds;
use crate::plan::usage::objects::ObjectKind;
use crate::telemetry::{Health, Metrics};

pub(crate) use answers::is_unreachable;
pub use answers::{Watching, observed};
pub use run::run;
pub(crate) use shards::shard_number;
pub use shards::{ShardOptions, Shards};

/// What the controllers work with.
pub struct Context {
    /// The API server.
    pub(crate) client: Client,
    /// AWS.
    pub(crate) aws: Arc<Aws>,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Which accounts and regions are ours.
    pub(crate) shards: Arc<Shards>,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// What people may tune.
    pub(crate) options: Options,
    /// What is known of AWS, shared between targets and migrations.
    pub(crate) registry: registry::Registry,
    /// Tells people what happened.
    pub(crate) events: events::Events,
    /// Policies, as last seen.
    pub(crate) policies: Store<AMIEncryptionPolicy>,
    /// Targets, as last seen.
    pub(crate) targets: Store<AMIEncryptionTarget>,
    /// Targets by account and region.
    pub(crate) targets_by_scope: Arc<index::Index<AMIEncryptionTarget>>,
    /// Migrations, as last seen.
    pub(crate) migrations: Store<AMIMigration>,
    /// Migrations by account and region.
    pub(crate) migrations_by_scope: Arc<index::Index<AMIMigration>>,
    /// What could not be moved as it should, by policy.
    pub(crate) failures: Arc<failures::Failures>,
    /// Which migrations follow those of other accounts.
    pub(crate) followers: Arc<followers::Followers>,
    /// When the ConfigMaps with maps were looked at, by policy.
    pub(crate) maps: Arc<maps::Maps>,
    /// Which objects of this cluster launch images.
    pub(crate) objects: objects::ObjectReader,
    /// Whether each of the three kinds was listed once.
    pub(crate) listed: [watched::Listed; 3],
}

/// What people may tune.
#[derive(Debug, Clone)]
pub struct Options {
    /// How often copies in flight are looked at: the bounds of an interval that follows their progress.
    pub poll: PollBounds,
    /// How often the accounts of a policy are read from AWS Organizations, where it asks for that.
    pub accounts_every: Duration,
    /// How often the enabled regions of each account are read, where a policy takes all of them.
    pub regions_every: Duration,
    /// How many policies, and how many migrations, are worked on at a time. Most of that is waiting for AWS, and an account that
    /// answers slowly or not at all should hold up no other.
    pub concurrency: u16,
    /// How many targets are worked on at a time, likewise.
    pub targets: u16,
    /// How the API server is listened to.
    pub watching: Watching,
    /// Which objects of this cluster launch images.
    pub objects: Vec<ObjectKind>,
    /// The controller's own namespace: of the ConfigMaps that policies have their maps kept in, and of the Jobs that copies are proven
    /// by.
    pub namespace: String,
    /// The queue that events come from, if there is one.
    pub event_queue: Option<QueueUrl>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            poll: PollBounds::default(),
            accounts_every: EVERY,
            regions_every: REGIONS_EVERY,
            concurrency: 256,
            targets: 256,
            watching: Watching::default(),
            objects: Vec::new(),
            namespace: "default".to_owned(),
            event_queue: None,
        }
    }
}

/// What the controllers are made from.
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// AWS.
    pub aws: Aws,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Which accounts and regions are ours.
    pub shards: Arc<Shards>,
    /// What is counted.
    pub metrics: Metrics,
    /// What people may tune.
    pub options: Options,
    /// This process's name, in Events.
    pub instance: String,
    /// Told when everything that is worked on was read once.
    pub health: Arc<Health>,
}
