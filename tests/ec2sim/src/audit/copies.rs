//! Checks of copies: is there a good one, is there only one, is any shared too widely.

use std::collections::{BTreeMap, BTreeSet};

use super::report::Images;
use super::{Check, Judge};
use crate::model::{Ebs, Image, ImageState, LaunchPermission, SnapshotState, Storage, World};
use crate::spec::{CopiedExpectation, Expectation, Keep, TagExpectation};

/// Runs all checks of copies.
pub(super) fn check(judge: &mut Judge<'_>) -> Images {
    let mut images = Images::default();
    let originals: Vec<&Image> = judge.originals().collect();
    for original in originals {
        let copies = judge.copies_of(original);
        let live: Vec<&Image> = copies
            .iter()
            .copied()
            .filter(|c| c.exists() && matches!(c.state, ImageState::Pending | ImageState::Available))
            .collect();
        duplicates(judge, original, &live);
        for copy in &live {
            sharing(judge, original, copy);
        }
        if original.removed_by_edit() {
            continue;
        }
        match &original.expect {
            Expectation::Copied(expected) => {
                images.to_copy += 1;
                if good_copy(judge, original, expected, &live) {
                    images.copied += 1;
                }
            }
            Expectation::Untouched | Expectation::Encrypted => {
                images.to_leave += 1;
                let made = copies.iter().filter(|c| c.created_by.is_some()).count();
                if made == 0 {
                    images.left += 1;
                } else {
                    judge.find(
                        Check::UnexpectedCopy,
                        original,
                        format!("was copied {made} times, and should be left alone"),
                    );
                }
            }
            Expectation::Any => {}
        }
    }
    too_many(judge);
    left_behind(judge);
    images
}

pub(super) fn keys_of(world: &World, image: &Image) -> BTreeSet<String> {
    image
        .snapshot_ids()
        .filter_map(|s| world.snapshot(&image.region, s)?.key_arn.clone())
        .collect()
}

fn duplicates(judge: &mut Judge<'_>, original: &Image, live: &[&Image]) {
    let mut by_key: BTreeMap<(String, String, BTreeSet<String>), Vec<&Image>> = BTreeMap::new();
    for copy in live.iter().filter(|c| !c.spoiled) {
        let place = (copy.owner.clone(), copy.region.clone(), keys_of(judge.world, copy));
        by_key.entry(place).or_default().push(copy);
    }
    for copies in by_key.into_values().filter(|c| c.len() > 1) {
        // What was there without any call is nobody's second copy.
        if copies.iter().all(|copy| copy.created_by.is_none()) {
            continue;
        }
        let copies: Vec<&str> = copies.iter().map(|copy| copy.id.as_str()).collect();
        judge.find(
            Check::CopiedTwice,
            original,
            format!("has {} copies under one key: {}", copies.len(), copies.join(", ")),
        );
    }
}

fn sharing(judge: &mut Judge<'_>, original: &Image, copy: &Image) {
    let allowed = original.launch_permissions.current();
    let extra: Vec<String> = copy
        .launch_permissions
        .current()
        .iter()
        .filter(|p| {
            let owner = matches!(p, LaunchPermission::User(u) if *u == original.owner);
            !allowed.contains(p) && !owner && !allowed.contains(&LaunchPermission::All)
        })
        .map(|p| format!("{p:?}"))
        .collect();
    if !extra.is_empty() {
        judge.find(
            Check::SharedMoreWidely,
            copy,
            format!(
                "is shared with {}, the original {} is not",
                extra.join(", "),
                original.id
            ),
        );
    }
}

/// Whether one of the copies is good; if none is, says what is wrong with the best.
fn good_copy(judge: &mut Judge<'_>, original: &Image, expected: &CopiedExpectation, live: &[&Image]) -> bool {
    let world = judge.world;
    let here: Vec<&Image> = live
        .iter()
        .copied()
        .filter(|c| c.owner == original.owner && c.region == original.region)
        .collect();
    let best = here
        .iter()
        .filter(|c| c.state == ImageState::Available)
        .map(|c| (problems(world, original, expected, c), *c))
        .min_by_key(|(p, _)| p.len());
    match best {
        None if here.is_empty() => {
            judge.find(Check::MissingCopy, original, format!("`{}` has no copy", original.name));
            false
        }
        None => {
            let message = format!("its copy {} is still pending", here[0].id);
            judge.find(Check::MissingCopy, original, message);
            false
        }
        Some((problems, copy)) => {
            let good = problems.is_empty();
            for (check, what) in problems {
                judge.find(check, original, format!("copy {}: {what}", copy.id));
            }
            good
        }
    }
}

fn problems(world: &World, original: &Image, expected: &CopiedExpectation, copy: &Image) -> Vec<(Check, String)> {
    let mut found = encryption(world, original, expected, copy);
    let differing = differences(original, expected, copy);
    found.extend(differing.into_iter().map(|d| (Check::CopyDiffers, d)));
    let mut keep = |check, keep: Keep, what: &str, same: bool, none: bool| {
        let wrong = match keep {
            Keep::Preserved => (!same).then_some("is not the original's"),
            Keep::None => (!none).then_some("is there, and should not be"),
            Keep::Any => None,
        };
        if let Some(wrong) = wrong {
            found.push((check, format!("{what} {wrong}")));
        }
    };
    let permissions = copy.launch_permissions.current();
    keep(
        Check::PermissionsDiffer,
        expected.launch_permissions,
        "launch permission",
        permissions == original.launch_permissions.current(),
        permissions.is_empty(),
    );
    keep(
        Check::DescriptionDiffers,
        expected.description,
        "description",
        copy.description.current() == original.description.current(),
        copy.description.current().is_none(),
    );
    keep(
        Check::DeprecationDiffers,
        expected.deprecation,
        "deprecation time",
        copy.deprecation_time.current().map(|t| t.floor_to_minute())
            == original.deprecation_time.current().map(|t| t.floor_to_minute()),
        copy.deprecation_time.current().is_none(),
    );
    tags(original, expected.tags, copy, &mut found);
    found
}

fn tags(original: &Image, expected: TagExpectation, copy: &Image, found: &mut Vec<(Check, String)>) {
    for (key, value) in original.tags.current() {
        if key.starts_with("aws:") {
            continue;
        }
        let has = copy.tags.current().get(key) == Some(value);
        match (expected, has) {
            (TagExpectation::Published, false) => {
                found.push((Check::TagsDiffer, format!("tag {key}={value} is missing")));
            }
            (TagExpectation::Withheld, true) => {
                found.push((
                    Check::TagsDiffer,
                    format!("tag {key}={value} of the original should be withheld"),
                ));
            }
            _ => {}
        }
    }
}

fn encryption(world: &World, original: &Image, expected: &CopiedExpectation, copy: &Image) -> Vec<(Check, String)> {
    let mut found = Vec::new();
    let want = world
        .key(&original.owner, &original.region, &expected.key)
        .map(|k| k.arn.clone());
    for mapping in &copy.mappings {
        let Storage::Ebs(ebs) = &mapping.storage else {
            continue;
        };
        let Some(id) = &ebs.snapshot else { continue };
        let device = &mapping.device;
        match world.snapshot(&copy.region, id) {
            Some(s) if s.exists() && s.state == SnapshotState::Completed => {
                if !s.encrypted || !ebs.encrypted {
                    found.push((Check::CopyNotEncrypted, format!("{device} is not encrypted ({id})")));
                } else if s.key_arn != want {
                    found.push((
                        Check::CopyWrongKey,
                        format!("{device} is under {} ({id})", s.key_arn.as_deref().unwrap_or("no key")),
                    ));
                }
            }
            _ => found.push((
                Check::CopyNotEncrypted,
                format!("{device} has no completed snapshot ({id})"),
            )),
        }
    }
    found
}

/// Everything but identity and snapshots must be the same, and what may be otherwise.
fn differences(original: &Image, expected: &CopiedExpectation, copy: &Image) -> Vec<String> {
    let mut found = Vec::new();
    let mut attributes = original.attributes.clone();
    match expected.imds {
        Keep::Preserved => {}
        Keep::None => attributes.imds_support = None,
        Keep::Any => attributes.imds_support.clone_from(&copy.attributes.imds_support),
    }
    // A copy may have watermarks of its own beside those that came with it.
    let own = copy.attributes.watermarks.iter();
    attributes.watermarks.extend(own.map(|(key, at)| (key.clone(), *at)));
    if attributes != copy.attributes {
        let (a, b) = (
            serde_json::to_value(&attributes).unwrap_or_default(),
            serde_json::to_value(&copy.attributes).unwrap_or_default(),
        );
        for (name, value) in a.as_object().into_iter().flatten() {
            if b[name] != *value {
                found.push(format!("{name} is {} and was {value}", b[name]));
            }
        }
    }
    let shape = |image: &Image| -> BTreeMap<String, Storage> {
        image
            .mappings
            .iter()
            .map(|m| {
                let storage = match &m.storage {
                    Storage::Ebs(e) => Storage::Ebs(Ebs {
                        // Only whether there is one.
                        snapshot: e.snapshot.as_ref().map(|_| String::new()),
                        encrypted: false,
                        ..e.clone()
                    }),
                    ephemeral @ Storage::Ephemeral(_) => ephemeral.clone(),
                };
                (m.device.clone(), storage)
            })
            .collect()
    };
    let (a, b) = (shape(original), shape(copy));
    for (device, storage) in &a {
        match b.get(device) {
            Some(other) if other == storage => {}
            Some(_) => found.push(format!("size, type or snapshot of {device} differs")),
            None => found.push(format!("device {device} is missing")),
        }
    }
    found.extend(
        b.keys()
            .filter(|d| !a.contains_key(*d))
            .map(|d| format!("device {d} was not there")),
    );
    found
}

fn too_many(judge: &mut Judge<'_>) {
    let t = judge.totals();
    if t.copies_made > t.copies_needed + t.copies_failed {
        judge.findings.push(super::Finding {
            check: Check::TooManyCopies,
            account: String::new(),
            region: String::new(),
            resource: "CopyImage".to_owned(),
            message: format!(
                "{} calls had an effect; {} copies were needed and {} attempts failed",
                t.copies_made, t.copies_needed, t.copies_failed
            ),
        });
    }
}

fn left_behind(judge: &mut Judge<'_>) {
    if judge.world.expect.failed_copies_are_wrong == Some(false) {
        return;
    }
    let failed: Vec<&Image> = judge
        .images()
        .filter(|i| i.created_by.is_some() && i.exists() && i.state == ImageState::Failed)
        .collect();
    for image in failed {
        judge.find(Check::FailedCopyLeft, image, "the failed copy is still there");
    }
    for (account, region) in judge.world.regions() {
        for snapshot in region.snapshots.values() {
            // Some of a failed copy's snapshots may be complete; they are of as little use.
            let of_failed_copy = || {
                let failed = |i: &Image| i.created_by == snapshot.created_by && i.state == ImageState::Failed;
                snapshot.state == SnapshotState::Error || region.images.values().any(failed)
            };
            let stray = snapshot.created_by.is_some()
                && snapshot.exists()
                && of_failed_copy()
                && region.image_using(&snapshot.id).is_none();
            if stray {
                judge.findings.push(super::Finding {
                    check: Check::FailedCopyLeft,
                    account: account.id.clone(),
                    region: region.name.clone(),
                    resource: snapshot.id.clone(),
                    message: "the snapshot of a failed copy is still there".to_owned(),
                });
            }
        }
    }
}
