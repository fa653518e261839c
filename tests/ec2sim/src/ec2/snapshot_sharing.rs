//! ModifySnapshotAttribute: who may make volumes of a snapshot.

use std::collections::BTreeSet;

use super::{check_snapshot_id, invalid_value, snapshot_not_found};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{EBS_ALIAS, Snapshot, World};
use crate::spec::is_account_id;
use crate::wire::{ApiError, Params};

/// What a call adds or removes: accounts, and whether everybody.
struct Grantees {
    accounts: BTreeSet<String>,
    all: bool,
}

impl Grantees {
    fn is_none(&self) -> bool {
        self.accounts.is_empty() && !self.all
    }
}

/// Runs ModifySnapshotAttribute, which shows at once.
pub(super) fn modify(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("SnapshotId")?.to_owned();
    check_snapshot_id(&id)?;
    let (add, remove) = read(&request.params)?;
    let known = state.world.snapshot(&request.region, &id);
    let there = known.filter(|s| s.exists() && request.now >= s.visible_at);
    let snapshot = there
        .filter(|s| state.world.may_read(request.account(), &request.region, s))
        .ok_or_else(|| snapshot_not_found(&id))?;
    if snapshot.owner != request.account() {
        return Err(ApiError::with_status(
            403,
            "UnauthorizedOperation",
            "You are not authorized to perform this operation.",
        ));
    }
    check_sharing(&state.world, &request.region, snapshot, &add)?;
    let mut shared_with = snapshot.shared_with.clone();
    shared_with.extend(add.accounts);
    shared_with.retain(|account| !remove.accounts.contains(account));
    let public = (snapshot.public || add.all) && !remove.all;
    let changed = shared_with != snapshot.shared_with || public != snapshot.public;
    if let Some(snapshot) = state.world.snapshot_mut(&request.region, &id) {
        snapshot.shared_with = shared_with;
        snapshot.public = public;
    }
    Ok(Done::returned(if changed { vec![id] } else { Vec::new() }))
}

/// What is added, and what is removed.
fn read(params: &Params) -> Result<(Grantees, Grantees), ApiError> {
    if let Some(other) = params.get("Attribute").filter(|name| *name != "createVolumePermission") {
        return Err(invalid_value(format!(
            "Value ({other}) for parameter attribute is invalid. Only createVolumePermission can be modified"
        )));
    }
    let mut add = listed(params, "CreateVolumePermission.Add")?;
    let mut remove = listed(params, "CreateVolumePermission.Remove")?;
    let flat = grantees(&params.list("UserId"), &params.list("UserGroup"))?;
    match params.get("OperationType") {
        Some("add") => merge(&mut add, flat),
        Some("remove") => merge(&mut remove, flat),
        Some(other) => {
            return Err(invalid_value(format!(
                "Value ({other}) for parameter operationType is invalid."
            )));
        }
        None => {}
    }
    if !add.is_none() && !remove.is_none() {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            "Permissions can not be added and removed in one request",
        ));
    }
    if add.is_none() && remove.is_none() {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain an attribute to modify",
        ));
    }
    Ok((add, remove))
}

fn merge(into: &mut Grantees, more: Grantees) {
    into.accounts.extend(more.accounts);
    into.all |= more.all;
}

fn listed(params: &Params, name: &str) -> Result<Grantees, ApiError> {
    grantees(&parts(params, name, "UserId"), &parts(params, name, "Group"))
}

/// A field of all entries of a list.
fn parts<'a>(params: &'a Params, name: &str, field: &str) -> Vec<&'a str> {
    let numbers = params.indices(name).into_iter();
    numbers
        .filter_map(|i| params.get(&format!("{name}.{i}.{field}")))
        .collect()
}

fn grantees(accounts: &[&str], groups: &[&str]) -> Result<Grantees, ApiError> {
    let bad = |what: &str, text: &str| {
        let message = format!("Invalid attribute item value \"{text}\" for {what} item type.");
        ApiError::new("InvalidParameterValue", message)
    };
    if let Some(text) = accounts.iter().find(|id| !is_account_id(id)) {
        return Err(bad("userId", text));
    }
    if let Some(text) = groups.iter().find(|name| **name != "all") {
        return Err(bad("group", text));
    }
    Ok(Grantees {
        accounts: accounts.iter().map(|id| (*id).to_owned()).collect(),
        all: !groups.is_empty(),
    })
}

/// An encrypted snapshot can not be public, nor any where that is blocked, and one under the key that AWS manages for EBS can
/// not be shared at all.
fn check_sharing(world: &World, region: &str, snapshot: &Snapshot, add: &Grantees) -> Result<(), ApiError> {
    let place = world.region(&snapshot.owner, region);
    let is_blocked = place.is_some_and(|place| place.guardrails.snapshot_access() != "unblocked");
    if add.all && is_blocked {
        return Err(ApiError::new(
            "OperationNotPermitted",
            "You can't publicly share this snapshot because block public access for snapshots is enabled for this account in this Region.",
        ));
    }
    if add.is_none() || !snapshot.encrypted {
        return Ok(());
    }
    let default = world
        .key(&snapshot.owner, region, EBS_ALIAS)
        .map(|key| key.arn.as_str());
    let is_of_aws = default.is_some() && snapshot.key_arn.as_deref() == default;
    let refuse = |message: &str| Err(ApiError::new("InvalidParameter", message));
    if add.all {
        return refuse("Encrypted snapshots can't be shared publicly. Specify another snapshot.");
    }
    if is_of_aws {
        return refuse("Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.");
    }
    Ok(())
}
