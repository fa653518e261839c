//! What people do meanwhile, in AWS and in the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::AMIMigration;
use amiseal::api::conditions;
use amiseal::api::labels::{RETRY, TAG_ATTEMPT, TAG_SOURCE_IMAGE};
use ec2sim::model::{Image, ImageState, LaunchPermission};
use ec2sim::spec::{Expectation, ImageSpec, Keep};
use ec2sim::{Edit, OwnerAct};
use kubesim::RequestInfo;
use serde_json::{Value, json};

use super::catalogue::Fault;
use super::stage::Stage;
use super::world::{EXEMPT, GUEST, POLICIES, THIRD, TWO};
use super::{meddling, movers, owners, reorganizing, restoring, rumours};

/// Who does it, as the API server knows them.
pub(crate) const SOMEBODY: &str = "somebody";
pub(super) const MIGRATION: &str = "AMIMigration";
const TARGET: &str = "AMIEncryptionTarget";
const POLICY: &str = "AMIEncryptionPolicy";
/// How long a policy is suspended, in Audit, or gone, and an image public.
const MEANWHILE: Duration = Duration::from_secs(20 * 60);
/// How long a copy is disabled: more than a scan interval of these histories, as what is disabled and enabled between two scans loses
/// its launch permissions, and no listing shows that. Nothing lasts longer.
pub(crate) const DISABLED: Duration = Duration::from_secs(45 * 60);
/// What was decided before a policy was changed may be on its way for so long.
const GRACE: Duration = Duration::from_secs(30);

/// Does it before a request to write is served, of which this is the number.
///
/// It concerns what the request is about, where that is a migration or target, so that each of their states is met.
pub(crate) fn act(stage: &Stage, fault: Fault, request: &RequestInfo, number: u64) {
    let turn = usize::try_from(number).unwrap_or(0);
    match fault {
        of_consumers if of_consumers.is_of_consumers() => movers::act(stage, fault, request, number),
        of_guardrails if of_guardrails.is_of_guardrails() => meddling::act(stage, fault, number),
        of_messages if of_messages.is_of_messages() => rumours::act(stage, fault, number),
        of_accounts if of_accounts.is_of_accounts() => reorganizing::act(stage, fault, request, number),
        Fault::ObjectReplaced => replace(stage, request),
        Fault::OriginalDeregistered
        | Fault::CopyDeregistered
        | Fault::CopyDisabled
        | Fault::OriginalHardened
        | Fault::CopyForged
        | Fault::EncryptedCopyForged
        | Fault::OriginalExempted
        | Fault::OriginalMadePublic
        | Fault::OriginalUnshared => {
            // Only what is shared can be unshared.
            let is_meant = |image: &Image| fault != Fault::OriginalUnshared || is_shared(image);
            if let Some(original) = original(stage, request, turn, is_meant) {
                of_images(stage, fault, &original, number);
            }
        }
        Fault::OriginalDisabled | Fault::OriginalUnreadable | Fault::OriginalArchived | Fault::OriginalRedescribed => {
            let is_meant = |image: &Image| owners::is_meant(fault, image);
            if let Some(original) = original(stage, request, turn, is_meant) {
                owners::act(stage, fault, &original, number);
            }
        }
        Fault::MigrationStatusRestored | Fault::TargetStatusRestored => {
            let kind = if fault == Fault::TargetStatusRestored {
                TARGET
            } else {
                MIGRATION
            };
            if let Some(name) = named(stage, kind, request, turn) {
                restoring::restore(stage, kind, &name, number);
            }
        }
        Fault::MigrationDeleted
        | Fault::MigrationStatusRemoved
        | Fault::MigrationStatusForged
        | Fault::MigrationLabelsRemoved => {
            if let Some(name) = named(stage, MIGRATION, request, turn) {
                of_migrations(stage, fault, &name);
            }
        }
        Fault::TargetDeleted => {
            if let Some(name) = named(stage, TARGET, request, turn) {
                delete(stage, TARGET, &name);
            }
        }
        Fault::TargetStatusRemoved => {
            if let Some(name) = named(stage, TARGET, request, turn) {
                merge(stage, TARGET, &name, "status", &json!({"status": null}));
            }
        }
        other => of_policies(stage, other, turn),
    }
}

/// The object is deleted, and created again with what people see of it.
fn replace(stage: &Stage, request: &RequestInfo) {
    if ![MIGRATION, TARGET, POLICY].contains(&request.kind.as_str()) || request.name.is_empty() {
        return;
    }
    let Some(object) = stage.api.get(&request.kind, ("", &request.name)) else {
        return;
    };
    delete(stage, &request.kind, &request.name);
    recreate(stage, &object);
}

fn recreate(stage: &Stage, object: &Value) {
    let mut again = json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {"name": object["metadata"]["name"]},
        "spec": object["spec"],
    });
    for field in ["labels", "annotations", "ownerReferences"] {
        if let Some(value) = object["metadata"].get(field) {
            again["metadata"][field] = value.clone();
        }
    }
    // The product may have been first.
    let _ = stage.api.create(SOMEBODY, &again);
}

fn delete(stage: &Stage, kind: &str, name: &str) {
    stage
        .api
        .delete(SOMEBODY, kind, ("", name))
        .expect("what is to be deleted is there");
}

pub(super) fn merge(stage: &Stage, kind: &str, name: &str, subresource: &str, patch: &Value) {
    // It may be gone by now.
    let _ = stage.api.merge(SOMEBODY, kind, ("", name), subresource, patch);
}

/// The object of this kind that the request is about; else one of them.
pub(super) fn named(stage: &Stage, kind: &str, request: &RequestInfo, turn: usize) -> Option<String> {
    let all = stage.api.list(kind);
    let names: Vec<&str> = all
        .iter()
        .filter_map(|object| object["metadata"]["name"].as_str())
        .collect();
    let about = names.iter().find(|name| request.kind == kind && **name == request.name);
    let one = about.or_else(|| names.get(turn.checked_rem(names.len())?))?;
    Some((*one).to_owned())
}

/// The original that the request is about, if it is to be copied and meant; else one of those that are.
fn original(stage: &Stage, request: &RequestInfo, turn: usize, is_meant: impl Fn(&Image) -> bool) -> Option<Image> {
    let about = (request.kind == MIGRATION)
        .then(|| stage.api.get(MIGRATION, ("", &request.name)))
        .flatten()
        .and_then(|object| serde_json::from_value::<AMIMigration>((*object).clone()).ok())
        .map(|migration| migration.spec.source_image_id);
    stage.sim.with_world(|world| {
        let images = || world.regions().flat_map(|(_, region)| region.images.values());
        let copied = |image: &&Image| {
            let is_original = image.created_by.is_none() && image.exists();
            is_original && matches!(image.expect, Expectation::Copied(_)) && is_meant(image)
        };
        let of_request = about.and_then(|id| images().filter(copied).find(|image| image.id == id));
        let count = images().filter(copied).count();
        of_request
            .or_else(|| images().filter(copied).nth(turn.checked_rem(count)?))
            .cloned()
    })
}

fn is_shared(image: &Image) -> bool {
    let guest = LaunchPermission::User(GUEST.to_owned());
    image.launch_permissions.current().contains(&guest)
}

fn of_images(stage: &Stage, fault: Fault, original: &Image, number: u64) {
    let image = original.id.clone();
    note_sharing(stage, fault, original);
    let expects = |expect| Edit::SetExpectation {
        image: image.clone(),
        expect,
    };
    let everybody = || vec!["all".to_owned()];
    match fault {
        Fault::OriginalDeregistered => stage.edit(Edit::Deregister { image }),
        Fault::CopyDeregistered => {
            for image in copies_of(stage, original, |_| true) {
                stage.edit(Edit::Deregister { image });
            }
        }
        Fault::CopyDisabled => disable_copies(stage, original),
        Fault::OriginalHardened => harden(stage, original, number.is_multiple_of(2)),
        Fault::CopyForged | Fault::EncryptedCopyForged => {
            let tags = [(TAG_SOURCE_IMAGE, original.id.as_str()), (TAG_ATTEMPT, "1")];
            let encrypted = fault == Fault::EncryptedCopyForged;
            // AWS itself says so of what somebody copied without a key. What is encrypted under the very key may have been made from an
            // instance of the original, of which AWS does not say so, or of snapshots that somebody has described so.
            let from_instance = encrypted && number % 3 == 1;
            let described = encrypted && number % 3 == 2;
            // Both may strike at once.
            let end = if encrypted { "-again" } else { "" };
            stage.edit(Edit::AddImage {
                account: original.owner.clone(),
                region: original.region.clone(),
                image: Box::new(ImageSpec {
                    name: format!("encrypted-{}-{number}{end}", original.name),
                    tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
                    encrypted_under: encrypted.then(|| "alias/ami".to_owned()),
                    source_image_id: (!encrypted && number.is_multiple_of(2) || from_instance)
                        .then(|| original.id.clone()),
                    source_instance_id: from_instance.then(String::new),
                    snapshot_description: described.then(|| {
                        format!(
                            "Copied for DestinationAmi ami-0fffffffffffffff0 from SourceAmi {} for SourceSnapshot \
                             snap-0fffffffffffffff0. Task created on 1,700,000,000,000.",
                            original.id
                        )
                    }),
                    ..ImageSpec::default()
                }),
            });
        }
        Fault::OriginalExempted => {
            stage.edit(expects(Expectation::Any));
            stage.edit(Edit::SetTags {
                image: image.clone(),
                tags: BTreeMap::from([(EXEMPT.to_owned(), "yes".to_owned())]),
            });
        }
        Fault::OriginalMadePublic => {
            stage.edit(Edit::Share {
                image: image.clone(),
                add: everybody(),
                remove: Vec::new(),
            });
            stage.later(MEANWHILE, move |stage| {
                stage.edit(Edit::Share {
                    image,
                    add: Vec::new(),
                    remove: everybody(),
                });
            });
        }
        Fault::OriginalUnshared => unshare(stage, original),
        other => panic!("{other:?} is no act of people on images"),
    }
}

/// Notes whose launch permissions are not what they were, or what cannot be launched any more.
fn note_sharing(stage: &Stage, fault: Fault, original: &Image) {
    let images = match fault {
        Fault::OriginalDeregistered | Fault::OriginalMadePublic | Fault::OriginalUnshared => vec![original.id.clone()],
        Fault::CopyDeregistered | Fault::CopyDisabled => copies_of(stage, original, |_| true),
        _ => Vec::new(),
    };
    stage.note(|notes| notes.shared_otherwise.extend(images));
}

fn copies_of(stage: &Stage, original: &Image, is_meant: impl Fn(&Image) -> bool) -> Vec<String> {
    stage.sim.with_world(|world| {
        let images = world.regions().flat_map(|(_, region)| region.images.values());
        let copies = images.filter(|copy| copy.copied_from().is_some_and(|(id, _)| *id == original.id));
        let meant = copies.filter(|copy| copy.exists() && is_meant(copy));
        meant.map(|copy| copy.id.clone()).collect()
    })
}

/// Copies that are done are disabled, and later enabled.
fn disable_copies(stage: &Stage, original: &Image) {
    let copies = copies_of(stage, original, |copy| copy.state == ImageState::Available);
    let all = |stage: &Stage, copies: &[String], act: &OwnerAct| {
        for image in copies {
            stage.edit(Edit::Owner {
                image: image.clone(),
                act: act.clone(),
            });
        }
    };
    all(stage, &copies, &OwnerAct::Disable);
    stage.later(DISABLED, move |stage| all(stage, &copies, &OwnerAct::Enable));
}

/// From now on a copy may have other launch permissions than its original.
fn keep_no_permissions(stage: &Stage, original: &Image) {
    let expected = stage.sim.with_world(|world| {
        let mut images = world.regions().flat_map(|(_, region)| region.images.values());
        images
            .find(|image| image.id == original.id)
            .map(|image| image.expect.clone())
    });
    if let Some(Expectation::Copied(mut copied)) = expected {
        copied.launch_permissions = Keep::Any;
        stage.edit(Edit::SetExpectation {
            image: original.id.clone(),
            expect: Expectation::Copied(copied),
        });
    }
}

/// An original, and its copies too, come to require IMDSv2: what was copied before need not have it.
fn harden(stage: &Stage, original: &Image, with_copies: bool) {
    if let Expectation::Copied(mut copied) = original.expect.clone() {
        copied.imds = Keep::Any;
        stage.edit(Edit::SetExpectation {
            image: original.id.clone(),
            expect: Expectation::Copied(copied),
        });
    }
    // What somebody else has copied is theirs to harden too: else it would be changed when it is taken on.
    let is_meant = |copy: &Image| with_copies || copy.created_by.is_none();
    let copies = copies_of(stage, original, |copy| {
        is_meant(copy) && copy.state == ImageState::Available
    });
    for image in copies.into_iter().chain([original.id.clone()]) {
        let act = OwnerAct::RequireImdsV2;
        stage.edit(Edit::Owner { image, act });
    }
}

/// The guest may launch an original no more. What it can launch already is not taken back, so that its copy may have
/// more than it.
fn unshare(stage: &Stage, original: &Image) {
    let image = original.id.clone();
    keep_no_permissions(stage, original);
    let now = stage.clock.age();
    stage.note(|notes| {
        notes.unshared.insert(image.clone(), now);
    });
    stage.edit(Edit::Share {
        image,
        add: Vec::new(),
        remove: vec![GUEST.to_owned()],
    });
}

fn of_migrations(stage: &Stage, fault: Fault, name: &str) {
    match fault {
        Fault::MigrationDeleted => delete(stage, MIGRATION, name),
        Fault::MigrationStatusRemoved => merge(stage, MIGRATION, name, "status", &json!({"status": null})),
        Fault::MigrationStatusForged => {
            let done = json!({"status": {"state": "Completed"}});
            merge(stage, MIGRATION, name, "status", &done);
        }
        _ => merge(stage, MIGRATION, name, "", &json!({"metadata": {"labels": null}})),
    }
}

/// Asks for another attempt wherever nothing goes on.
pub(crate) fn ask_for_another_attempt(stage: &Stage) {
    stage.note(|notes| notes.asked_again += 1);
    for migration in stage.api.list(MIGRATION) {
        let conditions = migration["status"]["conditions"].as_array();
        let stalled = |one: &Value| one["type"] == conditions::STALLED && one["status"] == "True";
        if conditions.is_some_and(|all| all.iter().any(stalled))
            && let Some(name) = migration["metadata"]["name"].as_str()
        {
            let at = stage.clock.age().as_secs().to_string();
            merge(
                stage,
                MIGRATION,
                name,
                "",
                &json!({"metadata": {"annotations": {RETRY: at}}}),
            );
        }
    }
}

/// Approves what waits for that.
pub(crate) fn approve(stage: &Stage) {
    for migration in stage.api.list(MIGRATION) {
        let conditions = migration["status"]["conditions"].as_array();
        let waits = |one: &Value| one["reason"] == conditions::reason::APPROVAL_REQUIRED;
        let is_waiting = conditions.is_some_and(|all| all.iter().any(waits));
        if is_waiting
            && migration["spec"]["approval"] != "Approved"
            && let Some(name) = migration["metadata"]["name"].as_str()
        {
            merge(stage, MIGRATION, name, "", &json!({"spec": {"approval": "Approved"}}));
        }
    }
}

/// Approves that another account's image is moved where it is not known whether who launches it may use the key.
pub(crate) fn approve_use(stage: &Stage) {
    for migration in stage.api.list(MIGRATION) {
        let is_meant = migration["spec"]["ownerAccountID"].is_string()
            && migration["status"]["stalled"] == conditions::reason::KEY_NOT_USABLE
            && migration["spec"]["approval"] != "Approved";
        if let Some(name) = migration["metadata"]["name"].as_str().filter(|_| is_meant) {
            merge(stage, MIGRATION, name, "", &json!({"spec": {"approval": "Approved"}}));
        }
    }
}

/// Has more consumers moved a day.
pub(crate) fn allow_more<'a>(stage: &Stage, policies: impl IntoIterator<Item = &'a str>) {
    for name in policies {
        let policy = stage.api.get(POLICY, ("", name));
        if policy.is_some_and(|policy| policy["spec"]["promotion"]["maxPerDay"] == 1) {
            let change = json!({"spec": {"promotion": {"maxPerDay": 40}}});
            merge(stage, POLICY, name, "", &change);
        }
    }
}

/// Has copies proven on another type of instance.
pub(crate) fn launch_on<'a>(stage: &Stage, policies: impl IntoIterator<Item = &'a str>, not: &str, but: &str) {
    for name in policies {
        let policy = stage.api.get(POLICY, ("", name));
        if policy.is_some_and(|policy| policy["spec"]["validation"]["launch"]["instanceType"] == not) {
            let change = json!({"spec": {"validation": {"launch": {"instanceType": but}}}});
            merge(stage, POLICY, name, "", &change);
        }
    }
}

fn of_policies(stage: &Stage, fault: Fault, turn: usize) {
    // The third one has nothing to do.
    let policies: Vec<Value> = stage
        .api
        .list(POLICY)
        .iter()
        .map(|policy| (**policy).clone())
        .filter(|policy| policy["metadata"]["name"] != THIRD)
        .collect();
    let Some(policy) = turn.checked_rem(policies.len()).and_then(|index| policies.get(index)) else {
        return;
    };
    let name = policy["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    // Its account, and from when until when nothing may be changed there.
    let meanwhile = || {
        // One that takes its accounts from AWS Organizations always has the one that it has in all other histories.
        let always = POLICIES.iter().find(|(of, _, _)| *of == name);
        let account = policy["spec"]["accounts"][0]["accountID"].as_str();
        let account = account.or(always.map(|(_, account, _)| *account));
        let account = account.unwrap_or_default().to_owned();
        // The younger policy for the same account goes on.
        let goes_on = stage.contested && account == TWO;
        let from = stage.clock.age();
        (!goes_on).then_some((account, from + GRACE, from + MEANWHILE))
    };
    let for_a_while = |change: Value, back: Value| {
        merge(stage, POLICY, &name, "", &change);
        stage.note(|notes| notes.hands_off.extend(meanwhile()));
        let name = name.clone();
        stage.later(MEANWHILE, move |stage| merge(stage, POLICY, &name, "", &back));
    };
    match fault {
        // Whoever was first changes it back before the second one's time is over.
        Fault::PolicySuspended if policy["spec"]["suspend"] == true => {}
        Fault::PolicyToAudit if policy["spec"]["mode"] == "Audit" => {}
        Fault::PolicySuspended => for_a_while(json!({"spec": {"suspend": true}}), json!({"spec": {"suspend": false}})),
        Fault::PolicyToAudit => {
            stage.note(|notes| notes.audited.extend(meanwhile()));
            for_a_while(json!({"spec": {"mode": "Audit"}}), json!({"spec": {"mode": "Enforce"}}));
        }
        Fault::PolicyDeleted => {
            delete(stage, POLICY, &name);
            stage.note(|notes| {
                notes.hands_off.extend(meanwhile());
                notes.ends_proofs.extend(meanwhile());
            });
            let mut policy = policy.clone();
            // Whatever somebody else had put into it for a while.
            policy["spec"]["suspend"] = json!(false);
            policy["spec"]["mode"] = json!("Enforce");
            stage.later(MEANWHILE, move |stage| recreate(stage, &policy));
        }
        Fault::PolicyEdited => {
            let change =
                json!({"scanInterval": "20m", "copy": {"maxConcurrentSnapshots": 4, "extraTags": {"team": "x"}}});
            merge(stage, POLICY, &name, "", &json!({"spec": change}));
        }
        other => panic!("{other:?} is no act of people"),
    }
}
