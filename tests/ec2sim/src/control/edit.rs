//! Edits of the world from outside.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ConsumerChange;
use crate::model::{Grant, Guardrails, Tags};
use crate::owner::OwnerAct;
use crate::spec::{Expectation, Garbled, ImageSpec, OptIn, Settings};
use crate::wire::Service;

/// A change of the world that no caller of AWS makes. What it changes counts as how the world is meant to be: the
/// audit does not hold it against anyone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Edit {
    /// Sets a key's state. `key` is an ID, ARN or alias.
    SetKeyState {
        /// Account of the key.
        account: String,
        /// Region of the key.
        region: String,
        /// Which.
        key: String,
        /// As KMS names it.
        state: String,
    },
    /// Sets who may use a key; absent: all of its account.
    SetKeyPrincipals {
        /// Account of the key.
        account: String,
        /// Region of the key.
        region: String,
        /// Which.
        key: String,
        /// Account IDs and role ARNs.
        #[serde(default)]
        allowed_principals: Option<Vec<String>>,
    },
    /// Sets a key's policy and grants, as far as they are given.
    SetKeyPolicy {
        /// Account of the key.
        account: String,
        /// Region of the key.
        region: String,
        /// Which.
        key: String,
        /// The policy that GetKeyPolicy gives.
        #[serde(default)]
        policy: Option<Value>,
        /// Its grants.
        #[serde(default)]
        grants: Option<Vec<Grant>>,
    },
    /// Makes an alias name another key, or a first one.
    SetAlias {
        /// Account of the key.
        account: String,
        /// Region of the key.
        region: String,
        /// Alias name.
        alias: String,
        /// Key ID or ARN.
        key: String,
    },
    /// Removes a key and its aliases.
    DeleteKey {
        /// Account of the key.
        account: String,
        /// Region of the key.
        region: String,
        /// Which.
        key: String,
    },
    /// Changes launch permissions of an image.
    Share {
        /// Image ID.
        image: String,
        /// Account IDs, or `all`.
        #[serde(default)]
        add: Vec<String>,
        /// Account IDs, or `all`.
        #[serde(default)]
        remove: Vec<String>,
    },
    /// Lets accounts read the snapshots of an image, as copying it needs when they are another account's.
    ShareSnapshots {
        /// Image ID.
        image: String,
        /// Account IDs.
        with: Vec<String>,
    },
    /// Sets all tags of an image.
    SetTags {
        /// Image ID.
        image: String,
        /// The tags.
        tags: Tags,
    },
    /// Sets the state of an image.
    SetImageState {
        /// Image ID.
        image: String,
        /// As EC2 names it.
        state: String,
    },
    /// Sets in which way answers about an image are not as answers are; none: they are.
    SetGarbled {
        /// Image ID.
        image: String,
        /// As in a world file.
        garbled: Option<Garbled>,
    },
    /// Sets the tier that the snapshots of an image are kept in.
    SetStorageTier {
        /// Image ID.
        image: String,
        /// `standard` or `archive`.
        tier: String,
    },
    /// Does to an image what its owner may do.
    Owner {
        /// Image ID.
        image: String,
        /// What.
        act: OwnerAct,
    },
    /// Amazon Inspector scans an image, now and whatever its settings say.
    Scan {
        /// Image ID.
        image: String,
        /// The highest severity of what it finds; absent: it finds nothing.
        #[serde(default)]
        highest: Option<String>,
    },
    /// Adds the images of a definition.
    AddImage {
        /// Account.
        account: String,
        /// Region.
        region: String,
        /// As in a world file.
        image: Box<ImageSpec>,
    },
    /// Deregisters an image as its owner would.
    Deregister {
        /// Image ID.
        image: String,
    },
    /// Sets what should become of an image.
    SetExpectation {
        /// Image ID.
        image: String,
        /// As in a world file.
        expect: Expectation,
    },
    /// Sets what a role may call.
    SetRoleAllow {
        /// Account.
        account: String,
        /// Role name.
        role: String,
        /// Actions, with `*`.
        allow: Vec<String>,
    },
    /// Sets the statements of a role's policies.
    SetRoleStatements {
        /// Account.
        account: String,
        /// Role name.
        role: String,
        /// As in a world file.
        statements: Vec<serde_json::Value>,
    },
    /// Sets who may assume a role.
    SetRoleTrust {
        /// Account.
        account: String,
        /// Role name.
        role: String,
        /// Account IDs and ARNs.
        trust: Vec<String>,
    },
    /// Enables or disables a region of an account.
    SetOptIn {
        /// Account.
        account: String,
        /// Region.
        region: String,
        /// Its status.
        opt_in: OptIn,
    },
    /// Sets how many snapshots may be copied at a time.
    SetSnapshotCopyLimit {
        /// Account.
        account: String,
        /// Region.
        region: String,
        /// The limit.
        limit: usize,
    },
    /// Sets what EC2 is set to in a region.
    SetGuardrails {
        /// Account.
        account: String,
        /// Region.
        region: String,
        /// As in a world file.
        guardrails: Box<Guardrails>,
    },
    /// Sets which services are not in a region.
    SetAbsentServices {
        /// Account.
        account: String,
        /// Region.
        region: String,
        /// As in a world file.
        services: Vec<Service>,
    },
    /// Changes something that can launch an image.
    Consumer {
        /// Account.
        account: String,
        /// Region.
        region: String,
        /// What.
        change: ConsumerChange,
    },
    /// Puts a text into a queue, as anybody may who may send to it.
    SendMessage {
        /// Account of the queue.
        account: String,
        /// Region of the queue.
        region: String,
        /// Its name.
        queue: String,
        /// The text.
        body: String,
        /// How often.
        #[serde(default = "once")]
        times: u32,
    },
    /// Adds an account to an organization.
    JoinOrganization {
        /// The organization's ID.
        organization: String,
        /// The root or the unit that it comes to.
        parent: String,
        /// Account ID.
        account: String,
    },
    /// Takes an account out of its organization.
    LeaveOrganization {
        /// Account ID.
        account: String,
    },
    /// Moves an account within its organization.
    MoveAccount {
        /// Account ID.
        account: String,
        /// The root or the unit that it comes to.
        parent: String,
    },
    /// Suspends an account, closes it or makes it active again.
    SetAccountState {
        /// Account ID.
        account: String,
        /// `ACTIVE`, `SUSPENDED`, `PENDING_CLOSURE` or `CLOSED`.
        state: String,
    },
    /// Lets all copies that are being made come to their end now.
    FinishCopies {},
    /// Ends all sessions that STS handed out.
    ExpireSessions {},
    /// Changes the clock.
    Clock {
        /// Simulated seconds per real second from now on.
        #[serde(default)]
        speed: Option<f64>,
        /// Simulated seconds to move forward at once.
        #[serde(default)]
        advance_seconds: Option<f64>,
    },
    /// Replaces all settings.
    Settings(Box<Settings>),
}

const fn once() -> u32 {
    1
}
