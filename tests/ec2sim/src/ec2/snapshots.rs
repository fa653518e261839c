//! DescribeSnapshots.

use super::list::{Filters, page, tag_values};
use super::{check_snapshot_id, snapshot_not_found};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Snapshot, SnapshotState, Tags};
use crate::spec::Copies;
use crate::wire::Xml;

const FILTERS: [&str; 13] = [
    "description",
    "encrypted",
    "owner-alias",
    "owner-id",
    "progress",
    "snapshot-id",
    "start-time",
    "status",
    "storage-tier",
    "tag-key",
    "transfer-type",
    "volume-id",
    "volume-size",
];

/// Runs DescribeSnapshots.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let filters = Filters::of_list(params, state.settings.lists.id_wildcards)?;
    filters.check_names(&FILTERS)?;
    let wanted = params.list("SnapshotId");
    for id in &wanted {
        check_snapshot_id(id)?;
        let there = state
            .world
            .snapshot(&request.region, id)
            .is_some_and(|s| s.is_visible(request.now));
        if !there {
            return Err(snapshot_not_found(id));
        }
    }
    let owners = params.list("Owner");
    let restorable_by = params.list("RestorableBy");
    let account = request.account();
    let mut found = Vec::new();
    for snapshot in state
        .world
        .accounts
        .values()
        .filter_map(|a| a.regions.get(&request.region))
        .flat_map(|r| r.snapshots.values())
    {
        let is_self = |who: &str| {
            if who == "self" {
                account.to_owned()
            } else {
                who.to_owned()
            }
        };
        let hidden = !snapshot.is_visible(request.now)
            || !state.world.may_read(account, &request.region, snapshot)
            || (!wanted.is_empty() && !wanted.contains(&snapshot.id.as_str()))
            || (!owners.is_empty() && !owners.iter().any(|o| is_self(o) == snapshot.owner))
            || (!restorable_by.is_empty()
                && !restorable_by.iter().any(|r| {
                    let who = is_self(r);
                    (who == "all" && snapshot.public) || who == snapshot.owner || snapshot.shared_with.contains(&who)
                }));
        if !hidden && filters.accept(|name| filter_values(name, snapshot, request))? {
            found.push(snapshot.id.clone());
        }
    }
    let page = page(state, request, found, (5, 1000), "SnapshotId")?;
    let mut xml = Xml::new();
    let snapshots: Vec<&Snapshot> = page
        .ids
        .iter()
        .filter_map(|id| state.world.snapshot(&request.region, id))
        .collect();
    xml.list("snapshotSet", snapshots, |x, s| {
        write(x, s, request, &state.settings.copies)
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

fn progress(snapshot: &Snapshot, request: &Request) -> String {
    format!("{}%", snapshot.progress(request.now))
}

fn visible_tags<'a>(snapshot: &'a Snapshot, request: &Request) -> Option<&'a Tags> {
    (snapshot.owner == request.account()).then(|| snapshot.tags.seen(request.now))
}

fn filter_values(name: &str, snapshot: &Snapshot, request: &Request) -> Option<Vec<String>> {
    let value = match name {
        "description" => snapshot.description.clone(),
        "encrypted" => snapshot.encrypted.to_string(),
        "owner-id" => snapshot.owner.clone(),
        "progress" => progress(snapshot, request),
        "snapshot-id" => snapshot.id.clone(),
        "start-time" => snapshot.started_at.to_string(),
        "status" => snapshot.state.as_str().to_owned(),
        "storage-tier" => snapshot.storage_tier.clone(),
        "volume-id" => "vol-ffffffff".to_owned(),
        "volume-size" => snapshot.gib.to_string(),
        "owner-alias" => return Some(Vec::new()),
        "transfer-type" => return Some(transfer_type(snapshot).into_iter().map(str::to_owned).collect()),
        _ => {
            let none = Tags::new();
            return tag_values(name, visible_tags(snapshot, request).unwrap_or(&none));
        }
    };
    Some(vec![value])
}

/// Only copies have one.
fn transfer_type(snapshot: &Snapshot) -> Option<&'static str> {
    snapshot.created_by.map(|_| "standard")
}

fn write(x: &mut Xml, snapshot: &Snapshot, request: &Request, copies: &Copies) {
    x.text("snapshotId", &snapshot.id);
    x.text("volumeId", "vol-ffffffff");
    x.text("status", snapshot.state.as_str());
    x.maybe("statusMessage", snapshot.state_message.as_deref());
    x.value("startTime", snapshot.started_at);
    x.text("progress", &progress(snapshot, request));
    x.text("ownerId", &snapshot.owner);
    x.value("volumeSize", snapshot.gib);
    x.text("description", &snapshot.description);
    x.value("encrypted", snapshot.encrypted);
    x.maybe("kmsKeyId", snapshot.key_arn.as_deref());
    if !snapshot.associated_keys.is_empty() {
        x.list("associatedKmsKeySet", &snapshot.associated_keys, |x, key| {
            x.text("kmsKeyId", key)
        });
    }
    x.text("storageTier", &snapshot.storage_tier);
    x.maybe("availabilityZone", snapshot.availability_zone.as_deref());
    x.maybe("outpostArn", snapshot.outpost_arn.as_deref());
    x.maybe("transferType", transfer_type(snapshot).filter(|_| copies.transfer_type));
    if snapshot.state == SnapshotState::Completed {
        x.value("completionTime", snapshot.done_at);
        x.value("fullSnapshotSizeInBytes", u64::from(snapshot.gib) * 1024 * 1024 * 1024);
    }
    if let Some(tags) = visible_tags(snapshot, request).filter(|t| !t.is_empty()) {
        super::tags::write(x, tags);
    }
}
