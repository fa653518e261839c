//! What exists in the simulated AWS.

mod allowed;
mod consumers;
mod guardrails;
mod image;
mod lagged;
mod organization;
mod queue;
mod references;
mod scan;
mod setting;
mod shelf;

pub use consumers::{
    AutoScalingGroup, Cluster, ComputeEnvironment, Consumers, ContainerRecipe, Ec2Configuration, Fleet, FleetConfig,
    FleetOverride, GroupInstance, GroupOverride, ImageRecipe, Instance, InstanceRefresh, LaunchBy, LaunchConfiguration,
    LaunchSpecification, LaunchTemplate, MixedInstances, Nodegroup, Parameter, ParameterVersion, SpotFleet,
    SpotRequest, TemplateDevice, TemplateOverride, TemplateRef, TemplateVersion, UsageReport,
};
pub use guardrails::{Grant, Guardrails, ImageCriterion, Trail};
pub use image::{
    Attributes, CopyJob, Ebs, Image, ImageState, InstanceTypes, LaunchPermission, Mapping, Snapshot, SnapshotState,
    Storage, Tags,
};
pub use lagged::Lagged;
pub use organization::{Organization, OrganizationalUnit};
pub use queue::{EventsTo, Message, Queue};
pub(crate) use references::{ParameterName, RESOLVE};
pub use scan::{FixAvailableSince, OnDemandScan, Scan};
pub use setting::{LateSetting, Setting, SettingChange};
pub use shelf::Shelf;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::clock::SimTime;
use crate::iam::Policy;
use crate::spec::{OptIn, WorldExpectations};
use crate::wire::Service;

/// Everything that exists.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct World {
    /// Accounts by ID.
    pub accounts: BTreeMap<String, Account>,
    /// Long-lived access keys.
    pub identities: Vec<Identity>,
    /// The organizations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organizations: Vec<Organization>,
    /// What should have come of it.
    pub expect: WorldExpectations,
}

/// A long-lived access key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// Access key ID.
    pub access_key: String,
    /// Account ID.
    pub account: String,
    /// ARN of the user.
    pub arn: String,
    /// Actions it may call.
    pub allow: Vec<String>,
}

/// An account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Account ID.
    pub id: String,
    /// The partition in its ARNs.
    pub partition: String,
    /// ARN of its organization.
    pub organization: Option<String>,
    /// ARNs of its organizational units.
    pub organizational_units: Vec<String>,
    /// By which AWS calls it the owner of images: `amazon`.
    pub owner_alias: Option<String>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Regions by name.
    pub regions: BTreeMap<String, Region>,
}

/// A role.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// External ID a caller must send.
    pub external_id: Option<String>,
    /// Who may assume it.
    pub trust: Vec<String>,
    /// What it may call.
    pub allow: Vec<String>,
    /// What else it may call or may not, by resource and condition.
    #[serde(skip)]
    pub(crate) statements: Policy,
    /// Whether session tags are allowed.
    pub session_tags: bool,
    /// Longest session, in seconds.
    pub max_session_seconds: u32,
}

/// A region of an account.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Region {
    /// Name.
    pub name: String,
    /// Whether it is enabled.
    pub opt_in: OptIn,
    /// Concurrent snapshot copies.
    pub snapshot_copy_limit: usize,
    /// Services that are not there.
    pub absent_services: BTreeSet<Service>,
    /// KMS keys.
    pub keys: Vec<Key>,
    /// Images by ID.
    pub images: BTreeMap<String, Image>,
    /// Snapshots by ID.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// What can launch an image.
    pub consumers: Consumers,
    /// What EC2 is set to, as far as it shows and holds.
    pub guardrails: Guardrails,
    /// What was set besides, and does not show yet.
    #[serde(skip)]
    pub late_settings: Vec<LateSetting>,
    /// Each time that a setting was set, the first one first.
    #[serde(skip)]
    pub setting_changes: Vec<SettingChange>,
    /// How many calls there had been when a declarative policy came to hold settings.
    #[serde(skip)]
    pub policy_since: u64,
    /// How many calls there had been when people last changed what can launch an image.
    #[serde(skip)]
    pub consumers_since: u64,
    /// Trails whose home it is.
    pub trails: Vec<Trail>,
    /// The on-demand scans that Amazon Inspector was asked for, the first one first.
    pub on_demand_scans: Vec<OnDemandScan>,
    /// Queues of SQS.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<Queue>,
    /// The rule of EventBridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_to: Option<EventsTo>,
    /// What each client token of CopyImage was used for.
    #[serde(skip)]
    pub tokens: BTreeMap<String, TokenUse>,
    /// Names of deregistered images, and until when they stay taken.
    #[serde(skip)]
    pub lingering_names: BTreeMap<String, (String, SimTime)>,
}

/// What a client token was used for.
#[derive(Clone, Debug)]
pub struct TokenUse {
    /// The parameters, in a stable form.
    pub parameters: String,
    /// The image that the call made.
    pub image: String,
}

/// A KMS key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Key ID.
    pub id: String,
    /// Key ARN.
    pub arn: String,
    /// Alias names.
    pub aliases: Vec<String>,
    /// State.
    pub state: String,
    /// Usage.
    pub usage: String,
    /// Spec.
    pub spec: String,
    /// `CUSTOMER` or `AWS`.
    pub manager: String,
    /// A multi-Region key.
    pub multi_region: bool,
    /// Where its material is from.
    pub origin: String,
    /// Whether KMS rotates it.
    pub rotation: bool,
    /// Account IDs and role ARNs that may use it; absent: all of its own account.
    pub allowed_principals: Option<Vec<String>>,
    /// Its policy as GetKeyPolicy gives it; absent: one that says who may use it.
    pub policy: Option<serde_json::Value>,
    /// Its grants.
    pub grants: Vec<Grant>,
    /// When it was made.
    pub created: SimTime,
    /// How many calls there had been when an edit changed it last.
    #[serde(skip)]
    pub edited: u64,
}

/// The alias of the key that AWS manages for EBS.
pub const EBS_ALIAS: &str = "alias/aws/ebs";

impl Key {
    /// Whether one of these account IDs and ARNs may use it.
    pub fn permits(&self, principals: &[String]) -> bool {
        let owner = self.arn.split(':').nth(4).unwrap_or_default();
        match &self.allowed_principals {
            None => principals.iter().any(|p| p == owner),
            Some(allowed) => principals.iter().any(|p| allowed.iter().any(|a| a == p || a == "*")),
        }
    }

    /// Why it can not encrypt a snapshot.
    pub fn unusable(&self) -> Option<String> {
        if self.usage != "ENCRYPT_DECRYPT" || self.spec != "SYMMETRIC_DEFAULT" {
            return Some(format!("The key {} is not a symmetric encryption key", self.arn));
        }
        match self.state.as_str() {
            "Enabled" => None,
            "Disabled" => Some(format!("{} is disabled.", self.arn)),
            "PendingDeletion" => Some(format!("{} is pending deletion.", self.arn)),
            other => Some(format!("{} is in state {other}.", self.arn)),
        }
    }

    /// Whether it is the key that AWS manages for EBS.
    pub fn is_default_ebs(&self) -> bool {
        self.aliases.iter().any(|a| a == EBS_ALIAS)
    }
}

impl World {
    /// A region of an account.
    pub fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.regions.get(region)
    }

    /// By which AWS calls an account the owner of images.
    pub fn owner_alias(&self, account: &str) -> Option<&str> {
        self.accounts.get(account)?.owner_alias.as_deref()
    }

    /// The partition of an account.
    pub fn partition(&self, account: &str) -> &str {
        self.accounts.get(account).map_or("aws", |a| a.partition.as_str())
    }

    /// A region of an account, to change.
    pub fn region_mut(&mut self, account: &str, region: &str) -> Option<&mut Region> {
        self.accounts.get_mut(account)?.regions.get_mut(region)
    }

    /// All regions of all accounts.
    pub fn regions(&self) -> impl Iterator<Item = (&Account, &Region)> {
        self.accounts
            .values()
            .flat_map(|a| a.regions.values().map(move |r| (a, r)))
    }

    /// An image of a region, whoever owns it.
    pub fn image(&self, region: &str, id: &str) -> Option<&Image> {
        self.accounts
            .values()
            .filter_map(|a| a.regions.get(region))
            .find_map(|r| r.images.get(id))
    }

    /// A snapshot of a region, whoever owns it.
    pub fn snapshot(&self, region: &str, id: &str) -> Option<&Snapshot> {
        self.accounts
            .values()
            .filter_map(|a| a.regions.get(region))
            .find_map(|r| r.snapshots.get(id))
    }

    /// A snapshot of a region, to change.
    pub fn snapshot_mut(&mut self, region: &str, id: &str) -> Option<&mut Snapshot> {
        self.accounts
            .values_mut()
            .filter_map(|a| a.regions.get_mut(region))
            .find_map(|r| r.snapshots.get_mut(id))
    }

    /// An image by ID alone, to change.
    pub fn image_anywhere_mut(&mut self, id: &str) -> Option<&mut Image> {
        self.accounts
            .values_mut()
            .flat_map(|a| a.regions.values_mut())
            .find_map(|r| r.images.get_mut(id))
    }

    /// The key that `reference` names for a caller in this account and region: key ID, key ARN, alias name or alias ARN.
    pub fn key(&self, account: &str, region: &str, reference: &str) -> Option<&Key> {
        let (account, region, name) = match reference.strip_prefix("arn:") {
            None => (account, region, reference),
            Some(rest) => {
                let parts: Vec<&str> = rest.splitn(5, ':').collect();
                let [_, "kms", arn_region, arn_account, resource] = parts[..] else {
                    return None;
                };
                if arn_region != region {
                    return None;
                }
                (
                    arn_account,
                    arn_region,
                    resource.strip_prefix("key/").unwrap_or(resource),
                )
            }
        };
        self.region(account, region)?
            .keys
            .iter()
            .find(|k| k.id == name || k.aliases.iter().any(|a| a == name))
    }

    /// Whether an account may make volumes of a snapshot of a region: it is its own, or shared with it, or public and that
    /// not blocked.
    pub fn may_read(&self, account: &str, region: &str, snapshot: &Snapshot) -> bool {
        let place = self.region(&snapshot.owner, region);
        let is_blocked = place.is_some_and(|place| place.guardrails.snapshot_access() == "block-all-sharing");
        snapshot.owner == account || snapshot.shared_with.contains(account) || (snapshot.public && !is_blocked)
    }

    /// Whether an account may launch an image: it is its own, or shared with it and not hidden by Allowed AMIs.
    pub fn may_launch(&self, account: &str, image: &Image, now: SimTime) -> bool {
        if image.owner == account {
            return true;
        }
        let known = self.accounts.get(account);
        let region = self.region(account, &image.region);
        if region.is_some_and(|region| region.guardrails.hides(image, self.owner_alias(&image.owner), now)) {
            return false;
        }
        image.launch_permissions.seen(now).iter().any(|p| match p {
            LaunchPermission::All => true,
            LaunchPermission::User(u) => u == account,
            LaunchPermission::Organization(o) => known.is_some_and(|a| a.organization.as_ref() == Some(o)),
            LaunchPermission::OrganizationalUnit(ou) => known.is_some_and(|a| a.organizational_units.contains(ou)),
        })
    }
}

impl Region {
    /// A region with nothing in it.
    pub fn empty(name: &str, opt_in: OptIn) -> Self {
        Self {
            name: name.to_owned(),
            opt_in,
            snapshot_copy_limit: 20,
            absent_services: BTreeSet::new(),
            keys: Vec::new(),
            images: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            consumers: Consumers::default(),
            guardrails: Guardrails::default(),
            late_settings: Vec::new(),
            setting_changes: Vec::new(),
            policy_since: 0,
            consumers_since: 0,
            trails: Vec::new(),
            on_demand_scans: Vec::new(),
            queues: Vec::new(),
            events_to: None,
            tokens: BTreeMap::new(),
            lingering_names: BTreeMap::new(),
        }
    }

    /// Snapshot copies that run or wait.
    pub fn snapshots_in_flight(&self) -> usize {
        self.snapshots
            .values()
            .filter(|s| s.exists() && s.state == SnapshotState::Pending)
            .count()
    }

    /// The image that uses a snapshot, if any.
    pub fn image_using(&self, snapshot: &str) -> Option<&Image> {
        self.images
            .values()
            .find(|i| i.exists() && i.snapshot_ids().any(|s| s == snapshot))
    }
}
