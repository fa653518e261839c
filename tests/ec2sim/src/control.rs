//! The control endpoints under `/_sim/`, and edits of the world from outside.

mod consumers;
mod edit;
mod organization;

pub use consumers::ConsumerChange;
pub use edit::Edit;

use axum::body::Bytes;
use axum::http::{Method, Request};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::SimTime;
use crate::engine::{Sim, State};
use crate::faults::FaultRule;
use crate::iam::Policy;
use crate::model::{ImageState, LaunchPermission, Scan, Snapshot};
use crate::spec;
use crate::wire::Params;

/// An edit that can not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EditError(String);

fn missing(what: &str, name: &str) -> EditError {
    EditError(format!("there is no {what} {name} in this world"))
}

/// Answers a control request: status and JSON.
pub(crate) fn serve(sim: &Sim, request: &Request<Bytes>, path: &str) -> (u16, Value) {
    match (request.method(), path) {
        (&Method::GET, "journal") => {
            let after = request
                .uri()
                .query()
                .and_then(|q| q.strip_prefix("after="))
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            (200, json!(sim.journal_after(after)))
        }
        (&Method::GET, "consumers") => {
            let query = Params::from_form(request.uri().query().unwrap_or_default().as_bytes());
            let [account, region, image] =
                ["account", "region", "image"].map(|name| query.get(name).unwrap_or_default().to_owned());
            (200, json!(sim.consumers(&account, &region, &image)))
        }
        (&Method::GET, "launches") => {
            let query = Params::from_form(request.uri().query().unwrap_or_default().as_bytes());
            let [account, region] = ["account", "region"].map(|name| query.get(name).unwrap_or_default().to_owned());
            (200, json!(sim.launches(&account, &region)))
        }
        (&Method::GET, "world") => (200, sim.world_json()),
        (&Method::GET, "audit") => (200, json!(sim.audit())),
        (&Method::GET, "clock") => (
            200,
            json!({"now": sim.now(), "speed": sim.clock().speed(), "stepped": sim.clock().is_stepped()}),
        ),
        (&Method::GET, "settings") => (200, json!(sim.state().settings)),
        (&Method::GET, "faults") => {
            let rules: Vec<Value> = sim
                .state()
                .faults
                .rules()
                .into_iter()
                .map(|(rule, matched)| json!({"rule": rule, "matched": matched}))
                .collect();
            (200, json!(rules))
        }
        (&Method::DELETE, "faults") => {
            sim.clear_faults();
            (200, json!({}))
        }
        (&Method::POST, "faults") => match one_or_many::<FaultRule>(request.body()) {
            Ok(rules) => {
                let count = rules.len();
                rules.into_iter().for_each(|r| sim.add_fault(r));
                (200, json!({ "added": count }))
            }
            Err(e) => (400, json!({"error": format!("not a fault rule: {e}")})),
        },
        (&Method::POST, "edit") => match one_or_many::<Edit>(request.body()) {
            Ok(edits) => {
                let mut results = Vec::new();
                for edit in edits {
                    match sim.edit(edit) {
                        Ok(value) => results.push(value),
                        Err(e) => return (404, json!({"error": e.to_string(), "done": results})),
                    }
                }
                (200, json!({ "done": results }))
            }
            Err(e) => (400, json!({"error": format!("not an edit: {e}")})),
        },
        (method, path) => (
            404,
            json!({"error": format!(
                "no {method} /_sim/{path}: there are GET journal, world, consumers, launches, audit, clock, settings, faults; POST faults, edit; DELETE faults"
            )}),
        ),
    }
}

fn one_or_many<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, serde_json::Error> {
    match serde_json::from_slice(body)? {
        Value::Array(many) => many.into_iter().map(serde_json::from_value).collect(),
        one => Ok(vec![serde_json::from_value(one)?]),
    }
}

/// Makes an edit.
pub(crate) fn apply(sim: &Sim, edit: Edit) -> Result<Value, EditError> {
    if let Edit::Clock { speed, advance_seconds } = edit {
        if let Some(speed) = speed {
            sim.set_speed(speed);
        }
        if let Some(seconds) = advance_seconds {
            sim.advance(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
        return Ok(json!({ "now": sim.now() }));
    }
    let now = sim.now();
    apply_to(&mut sim.state(), edit, now)
}

fn apply_to(state: &mut State, edit: Edit, now: SimTime) -> Result<Value, EditError> {
    match edit {
        Edit::SetKeyState { .. }
        | Edit::SetKeyPrincipals { .. }
        | Edit::SetKeyPolicy { .. }
        | Edit::SetAlias { .. }
        | Edit::DeleteKey { .. } => edit_key(state, edit),
        Edit::Share { .. }
        | Edit::SetTags { .. }
        | Edit::SetImageState { .. }
        | Edit::SetGarbled { .. }
        | Edit::Owner { .. }
        | Edit::Scan { .. }
        | Edit::Deregister { .. }
        | Edit::SetExpectation { .. } => edit_image(state, edit, now),
        Edit::AddImage { account, region, image } => {
            let (seed, start) = (state.seed, state.start);
            let place = state
                .world
                .region_mut(&account, &region)
                .ok_or_else(|| missing("region", &format!("{account}/{region}")))?;
            let mut fresh = *image;
            fresh.creation_date = fresh.creation_date.or(Some(now));
            let ids = spec::add_images(place, seed, &account, &fresh, "image", start)
                .map_err(|e| EditError(e.to_string()))?;
            for id in &ids {
                state.inspector_finds((&account, &region), id, now);
                let image = state.world.image(&region, id);
                let to = image.map_or("", |image| image.state.as_str());
                state.image_event((&account, &region), id, (to, ""), now);
            }
            Ok(json!({ "images": ids }))
        }
        Edit::ShareSnapshots { image, with } => change_snapshots(state, &image, |snapshot| {
            snapshot.shared_with.extend(with.iter().cloned());
        }),
        Edit::SetStorageTier { image, tier } => change_snapshots(state, &image, |snapshot| {
            snapshot.storage_tier.clone_from(&tier);
        }),
        Edit::SetRoleAllow { account, role, allow } => {
            role_of(state, &account, &role)?.allow = allow;
            Ok(json!({}))
        }
        Edit::SetRoleStatements {
            account,
            role,
            statements,
        } => {
            role_of(state, &account, &role)?.statements = Policy::of(&statements).map_err(EditError)?;
            Ok(json!({}))
        }
        Edit::SetRoleTrust { account, role, trust } => {
            role_of(state, &account, &role)?.trust = trust;
            Ok(json!({}))
        }
        Edit::SetOptIn {
            account,
            region,
            opt_in,
        } => {
            state
                .world
                .region_mut(&account, &region)
                .ok_or_else(|| missing("region", &format!("{account}/{region}")))?
                .opt_in = opt_in;
            Ok(json!({}))
        }
        Edit::SetSnapshotCopyLimit { account, region, limit } => {
            state
                .world
                .region_mut(&account, &region)
                .ok_or_else(|| missing("region", &format!("{account}/{region}")))?
                .snapshot_copy_limit = limit;
            Ok(json!({}))
        }
        Edit::SetGuardrails {
            account,
            region,
            guardrails,
        } => {
            if state.edit_guardrails((&account, &region), *guardrails, now) {
                return Ok(json!({}));
            }
            Err(missing("region", &format!("{account}/{region}")))
        }
        Edit::SetAbsentServices {
            account,
            region,
            services,
        } => {
            state
                .world
                .region_mut(&account, &region)
                .ok_or_else(|| missing("region", &format!("{account}/{region}")))?
                .absent_services = services.into_iter().collect();
            Ok(json!({}))
        }
        Edit::Consumer {
            account,
            region,
            change,
        } => consumers::apply(state, &account, &region, change, now),
        Edit::SendMessage {
            account,
            region,
            queue,
            body,
            times,
        } => {
            for _ in 0..times {
                let place = (account.as_str(), region.as_str(), queue.as_str());
                let sent = state.put_message(place, &body, (now, now));
                sent.ok_or_else(|| missing("queue", &format!("{account}/{region}/{queue}")))?;
            }
            Ok(json!({ "sent": times }))
        }
        Edit::JoinOrganization { .. }
        | Edit::LeaveOrganization { .. }
        | Edit::MoveAccount { .. }
        | Edit::SetAccountState { .. } => organization::apply(state, edit),
        Edit::FinishCopies {} => Ok(json!({ "finished": state.finish_copies(now) })),
        Edit::ExpireSessions {} => {
            for session in state.sessions.values_mut() {
                session.expires = SimTime::default();
            }
            Ok(json!({ "expired": state.sessions.len() }))
        }
        Edit::Settings(settings) => {
            let before = std::mem::replace(&mut state.settings, *settings);
            state.inspector_changed(&before.inspector, now);
            Ok(json!({}))
        }
        Edit::Clock { .. } => Ok(json!({})),
    }
}

fn role_of<'a>(state: &'a mut State, account: &str, role: &str) -> Result<&'a mut crate::model::Role, EditError> {
    state
        .world
        .accounts
        .get_mut(account)
        .and_then(|a| a.roles.get_mut(role))
        .ok_or_else(|| missing("role", &format!("{account}/{role}")))
}

fn edit_key(state: &mut State, edit: Edit) -> Result<Value, EditError> {
    let (account, region, key) = match &edit {
        Edit::SetKeyState {
            account, region, key, ..
        }
        | Edit::SetKeyPrincipals {
            account, region, key, ..
        }
        | Edit::SetKeyPolicy {
            account, region, key, ..
        }
        | Edit::SetAlias {
            account, region, key, ..
        }
        | Edit::DeleteKey { account, region, key } => (account.clone(), region.clone(), key.clone()),
        _ => return Ok(json!({})),
    };
    let arn = state
        .world
        .key(&account, &region, &key)
        .map(|k| k.arn.clone())
        .ok_or_else(|| missing("key", &key))?;
    let calls = state.journal.len() as u64;
    let keys = &mut state
        .world
        .region_mut(&account, &region)
        .ok_or_else(|| missing("region", &region))?
        .keys;
    if let Edit::SetAlias { alias, .. } = &edit {
        for key in keys.iter_mut() {
            key.aliases.retain(|a| a != alias);
        }
    }
    if let Edit::DeleteKey { .. } = &edit {
        keys.retain(|k| k.arn != arn);
        return Ok(json!({ "key": arn }));
    }
    let key = keys
        .iter_mut()
        .find(|k| k.arn == arn)
        .ok_or_else(|| missing("key", &arn))?;
    key.edited = calls;
    match edit {
        Edit::SetKeyState { state, .. } => key.state = state,
        Edit::SetKeyPrincipals { allowed_principals, .. } => key.allowed_principals = allowed_principals,
        Edit::SetKeyPolicy { policy, grants, .. } => {
            key.policy = policy.or(key.policy.take());
            key.grants = grants.unwrap_or(std::mem::take(&mut key.grants));
        }
        Edit::SetAlias { alias, .. } => key.aliases.push(alias),
        _ => {}
    }
    Ok(json!({ "key": arn }))
}

fn change_snapshots(state: &mut State, id: &str, change: impl Fn(&mut Snapshot)) -> Result<Value, EditError> {
    let image = state.world.image_anywhere_mut(id).ok_or_else(|| missing("image", id))?;
    let region = image.region.clone();
    let snapshots: Vec<String> = image.snapshot_ids().map(str::to_owned).collect();
    for snapshot in &snapshots {
        if let Some(snapshot) = state.world.snapshot_mut(&region, snapshot) {
            change(snapshot);
        }
    }
    Ok(json!({ "snapshots": snapshots }))
}

fn edit_image(state: &mut State, edit: Edit, now: SimTime) -> Result<Value, EditError> {
    let id = match &edit {
        Edit::Share { image, .. }
        | Edit::SetTags { image, .. }
        | Edit::SetImageState { image, .. }
        | Edit::SetGarbled { image, .. }
        | Edit::Owner { image, .. }
        | Edit::Scan { image, .. }
        | Edit::Deregister { image }
        | Edit::SetExpectation { image, .. } => image.clone(),
        _ => return Ok(json!({})),
    };
    let image = state
        .world
        .image_anywhere_mut(&id)
        .ok_or_else(|| missing("image", &id))?;
    if matches!(edit, Edit::Deregister { .. } | Edit::SetImageState { .. }) {
        image.spoiled = image.created_by.is_some();
    }
    let before = (image.state, image.exists());
    let is_shared = matches!(edit, Edit::Share { .. });
    // What was not available may be by now.
    let is_enabled = matches!(edit, Edit::Owner { .. } | Edit::SetImageState { .. });
    match edit {
        Edit::Share { add, remove, .. } => {
            let permission = |who: &String| match who.as_str() {
                "all" => LaunchPermission::All,
                _ => LaunchPermission::User(who.clone()),
            };
            let mut after = image.launch_permissions.current().clone();
            after.extend(add.iter().map(permission));
            for gone in remove.iter().map(permission) {
                after.remove(&gone);
            }
            image.launch_permissions.set(after, now, now);
        }
        Edit::SetTags { tags, .. } => image.tags.set(tags, now, now),
        Edit::SetImageState { state, .. } => {
            image.state =
                ImageState::parse(&state).ok_or_else(|| EditError(format!("`{state}` is not a state of an image")))?;
        }
        Edit::SetGarbled { garbled, .. } => image.garbled = garbled,
        Edit::Owner { act, .. } => act.apply(image, now),
        Edit::Scan { highest, .. } => {
            image.scan = Some(Scan {
                highest,
                scanned: Some(now),
                ..Scan::default()
            });
        }
        Edit::Deregister { .. } => image.gone_at = Some(now),
        Edit::SetExpectation { expect, .. } => image.expect = expect,
        _ => {}
    }
    if image.created_by.is_none() {
        image.take_baseline();
    }
    let (owner, region) = (image.owner.clone(), image.region.clone());
    let after = (image.state, image.exists());
    if is_enabled {
        state.inspector_finds((&owner, &region), &id, now);
    }
    if before != after {
        let to = if after.1 { after.0.as_str() } else { "deregistered" };
        state.image_event((&owner, &region), &id, (to, ""), now);
    }
    if is_shared {
        state.edit_event((&owner, &region), "ModifyImageAttribute", Some(&id), now);
    }
    Ok(json!({ "image": id }))
}
