//! DeregisterImage and DeleteSnapshot.

use super::{authority, check_snapshot_id, own_image, snapshot_not_found};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::ImageState;
use crate::wire::{ApiError, Xml};

/// Runs DeregisterImage. A pending copy is cancelled by it, and its snapshots go with it.
pub(super) fn deregister_image(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    let with_snapshots = request.params.flag("DeleteAssociatedSnapshots")?;
    let now = request.now;
    let image = own_image(state, request, &id)?;
    if image.deregistration_protection {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("The image {id} has deregistration protection enabled. Disable it first."),
        ));
    }
    let pending = image.state == ImageState::Pending;
    let name = image.name.clone();
    let snapshots: Vec<String> = image.snapshot_ids().map(str::to_owned).collect();
    let consistency = state.settings.consistency.clone();
    let gone_at = state.visible_at(now, consistency.delete_seconds);
    own_image(state, request, &id)?.gone_at = Some(gone_at);
    let taken = state.settings.names.taken_after_deregister_seconds;
    if let Some(region) = state.world.region_mut(request.account(), &request.region)
        && taken > 0.0
    {
        region
            .lingering_names
            .insert(name, (id.clone(), now.plus_seconds(taken)));
    }
    state.image_event((request.account(), &request.region), &id, ("deregistered", ""), now);
    let mut effects = vec![id];
    let mut results = Vec::new();
    for snapshot in snapshots {
        if pending {
            if delete(state, request, &snapshot).is_ok() {
                effects.push(snapshot);
            }
        } else if with_snapshots {
            let result = if !authority::may_delete(state, request, &snapshot) {
                "missing-permissions"
            } else {
                match delete(state, request, &snapshot) {
                    Ok(()) => {
                        effects.push(snapshot.clone());
                        "success"
                    }
                    Err(e) if e.code == "InvalidSnapshot.InUse" => "skipped",
                    Err(_) => "client-error",
                }
            };
            results.push((snapshot, result));
        }
    }
    let mut xml = Xml::new();
    xml.text("return", "true");
    if with_snapshots {
        xml.list("deleteSnapshotResultSet", results, |x, (snapshot, code)| {
            x.text("snapshotId", &snapshot);
            x.text("returnCode", code);
        });
    }
    Ok(Done::wrote(xml, effects))
}

/// Runs DeleteSnapshot.
pub(super) fn delete_snapshot(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("SnapshotId")?.to_owned();
    check_snapshot_id(&id)?;
    delete(state, request, &id)?;
    Ok(Done::returned(vec![id]))
}

fn delete(state: &mut State, request: &Request, id: &str) -> Result<(), ApiError> {
    let now = request.now;
    let snapshot = state
        .world
        .snapshot(&request.region, id)
        .filter(|s| s.exists() && now >= s.visible_at)
        .ok_or_else(|| snapshot_not_found(id))?;
    if snapshot.owner != request.account() {
        return Err(if snapshot.shared_with.contains(request.account()) {
            ApiError::with_status(
                403,
                "UnauthorizedOperation",
                "You are not authorized to perform this operation.",
            )
        } else {
            snapshot_not_found(id)
        });
    }
    let user = state
        .world
        .accounts
        .values()
        .filter_map(|a| a.regions.get(&request.region))
        .find_map(|r| r.image_using(id));
    if let Some(image) = user {
        return Err(ApiError::new(
            "InvalidSnapshot.InUse",
            format!("The snapshot {id} is currently in use by {}", image.id),
        ));
    }
    let longest = state.settings.consistency.delete_seconds;
    let gone_at = state.visible_at(now, longest);
    if let Some(snapshot) = state.world.snapshot_mut(&request.region, id) {
        snapshot.gone_at = Some(gone_at);
        snapshot.job = None;
    }
    Ok(())
}
