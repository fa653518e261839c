//! What is wrong with images, where the policies of a history have that looked for: nothing is claimed that was not so when it was
//! read, with every fault at every read, and in the end all of it is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiseal::api::{AMIEncryptionTarget, FindingsStatus, labels};
use ec2sim::Sim;
use ec2sim::model::{Image, ImageState, LaunchPermission, Region, World};
use kube::ResourceExt;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::invariants::{Broken, Promise};
use super::notes::Notes;
use super::regressions;
use super::time::age_at;
use super::watchman::Objects;
use super::world::POLICIES;

/// So many of the histories have findings looked for.
const AUDITED: f64 = 1.0 / 3.0;
/// A tag that images should have: some do.
const TAG: &str = "Name";
/// By how much a reading may seem later than it was: the clock of a second process is ahead, and AWS shows changes late.
const LATER: Duration = Duration::from_secs(15 * 60);

/// What is found in an image, as its listing alone shows it, and whether it is so.
type Judge = fn(&Image, &Region) -> bool;
const CHECKS: [(&str, Judge); 3] = [
    ("missing-tags", |image, _| !image.tags.current().contains_key(TAG)),
    ("public-image", |image, _| is_public(image)),
    ("unencrypted-image", |image, region| {
        let plain = |id: &str| region.snapshots.get(id).is_some_and(|snapshot| !snapshot.encrypted);
        image.snapshot_ids().any(plain)
    }),
];

/// Whether the policies of this seed have findings looked for. What histories that are kept play stays what it was.
pub(crate) fn is_audited(seed: u64) -> bool {
    !regressions::is_kept(seed) && ChaCha8Rng::seed_from_u64(seed ^ 0xf1ed).random_bool(AUDITED)
}

/// Has the policies look for findings; or not.
pub(crate) fn join(seed: u64, policies: &mut [Value]) {
    if !is_audited(seed) {
        return;
    }
    for policy in policies {
        policy["spec"]["audit"] = json!({"requiredTags": [TAG], "allowedSharing": []});
    }
}

fn is_public(image: &Image) -> bool {
    image.launch_permissions.current().contains(&LaunchPermission::All)
}

/// Since when what could be found in images is so no more, as it was looked after every change.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    is_so: BTreeSet<(&'static str, String)>,
    ended: BTreeMap<(&'static str, String), Duration>,
}

impl Truth {
    /// Takes in what is so now.
    pub(crate) fn look(&mut self, sim: &Sim, now: Duration) {
        let is_so: BTreeSet<(&'static str, String)> = sim.with_world(|world| {
            let regions = world.regions();
            let images = regions.flat_map(|(_, region)| region.images.values().map(move |image| (region, image)));
            let there = images.filter(|(_, image)| image.exists());
            there
                .flat_map(|(region, image)| {
                    let found = CHECKS.iter().filter(move |(_, judge)| judge(image, region));
                    found.map(move |(check, _)| (*check, image.id.clone()))
                })
                .collect()
        });
        for one in std::mem::replace(&mut self.is_so, is_so) {
            if !self.is_so.contains(&one) {
                self.ended.insert(one, now);
            }
        }
        self.ended.retain(|one, _| !self.is_so.contains(one));
    }

    /// What targets claim that was not so any more when it was read, or never was.
    pub(crate) fn check(&self, targets: &[std::sync::Arc<AMIEncryptionTarget>], notes: &Notes) -> Vec<Broken> {
        // Nobody can tell when somebody has read whose clock was wrong by hours.
        if notes.leapt {
            return Vec::new();
        }
        let claims = targets.iter().filter_map(|target| Some((target, found(target)?)));
        claims
            .filter_map(|(target, found)| {
                let read = age_at(found.read_time.as_ref()?.0);
                let wrong = found.named.iter().find(|finding| {
                    let check = CHECKS.iter().find(|(check, _)| *check == finding.check);
                    check.is_some_and(|(check, _)| self.was_over(check, &finding.resource, read))
                })?;
                let how = format!("{}: finds {} in {}", target.name_any(), wrong.check, wrong.resource);
                Some(Broken::new(
                    Promise::StatusIsTrue,
                    format!("{how}, by a reading at {read:?}"),
                ))
            })
            .collect()
    }

    fn was_over(&self, check: &'static str, image: &str, read: Duration) -> bool {
        let one = (check, image.to_owned());
        let is_over = |ended: &Duration| *ended + LATER < read;
        !self.is_so.contains(&one) && self.ended.get(&one).is_none_or(is_over)
    }
}

fn found(target: &AMIEncryptionTarget) -> Option<&FindingsStatus> {
    target.status.as_ref()?.findings.as_ref()
}

/// Looks whether the first two policies' targets count in the end what there is, by the settings that they have.
pub(crate) fn check_final(world: &World, objects: &Objects) -> Result<(), Broken> {
    for (policy, account, regions) in POLICIES {
        for region in regions {
            let name = labels::target_name(policy, account, region);
            let target = objects.targets.iter().find(|target| target.name_any() == name);
            let Some(target) = target.filter(|target| target.spec.audit.is_some()) else {
                continue;
            };
            let region = world.region(account, region).expect("a region");
            counts_all(target, region, account)
                .map_err(|how| Broken::new(Promise::StatusIsTrue, format!("{name}: {how}")))?;
        }
    }
    Ok(())
}

fn counts_all(target: &AMIEncryptionTarget, region: &Region, account: &str) -> Result<(), String> {
    let found = found(target).ok_or("findings were never looked for")?;
    if found.observed_generation != target.metadata.generation {
        return Err(format!("findings are of generation {:?}", found.observed_generation));
    }
    if let Some(unread) = found.unread.iter().find(|unread| unread.kind == "Images") {
        return Err(unread.message.clone());
    }
    let images = || {
        let images = region.images.values().filter(|image| image.image_type == "machine");
        images.filter(|image| image.exists() && matches!(image.state, ImageState::Available | ImageState::Disabled))
    };
    let shared: Judge = |image, _| {
        let others = |with: &LaunchPermission| *with != LaunchPermission::User(image.owner.clone());
        let is_launchable = image.state == ImageState::Available && !is_public(image);
        is_launchable && image.launch_permissions.current().iter().any(others)
    };
    for (check, judge) in CHECKS.into_iter().chain([("shared-outside", shared)]) {
        let is_so = |image: &&Image| judge(image, region);
        let all = images().filter(is_so).count();
        // Of one that cannot be read, nothing need be known.
        let readable = images().filter(|image| image.garbled.is_none()).filter(is_so).count();
        let row = found.checks.iter().find(|row| row.check == check);
        let said = row.map_or(0, |row| row.count + row.exempt) as usize;
        if !(readable..=all).contains(&said) {
            return Err(format!(
                "{check} is found {said} times in {account}, and is so {readable} to {all} times"
            ));
        }
    }
    Ok(())
}
