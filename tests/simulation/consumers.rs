//! What launches the images of some worlds, where the policies have it read: no image is ever called unused that something can
//! launch, with every fault at every read.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::{AMIMigration, PromotionSettings, UsageState};
use ec2sim::{ConsumerKind, Sim, SimTime, WorldSpec};
use kube::ResourceExt;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::followers;
use super::invariants::{Broken, Promise};
use super::moving;
use super::notes::Notes;
use super::odd;
use super::watchman::Objects;

/// Of so many seeds for each odd account, these have what launches images.
const USING: (u64, [u64; 2]) = (8, [3, 7]);
/// Until when what is said of use may be of before something came to launch an image: until everything was read twice.
const READ_AGAIN: Duration = Duration::from_secs(75 * 60);
/// When images were made and launched last: long before everything.
const MADE: &str = "2023-01-01T00:00:00Z";
const LAUNCHED: &str = "2023-02-01T00:00:00Z";

/// Something that launches an image of this name, in an account and region that has another image too: the list of the world
/// file that it is in, and its entry.
pub(crate) type Launches = fn(&str, &str) -> Vec<(&'static str, String)>;

pub(crate) const KINDS: [Launches; 11] = [
    |image, _| {
        vec![(
            "launchTemplates",
            format!("{{name: by-{image}, versions: [{{image: {image}}}]}}"),
        )]
    },
    // The image is in a version that somebody pins, and in no other.
    |image, other| {
        vec![
            (
                "launchTemplates",
                format!("{{name: of-{image}, defaultVersion: 2, versions: [{{image: {image}}}, {{image: {other}}}]}}"),
            ),
            (
                "autoScalingGroups",
                format!("{{name: pins-{image}, launchTemplate: {{template: of-{image}, version: \"1\"}}}}"),
            ),
        ]
    },
    // The image is in an old version, which somebody may launch.
    |image, other| {
        vec![(
            "launchTemplates",
            format!("{{name: was-{image}, defaultVersion: 2, versions: [{{image: {image}}}, {{image: {other}}}]}}"),
        )]
    },
    |image, _| {
        vec![
            ("launchConfigurations", format!("{{name: lc-{image}, image: {image}}}")),
            (
                "autoScalingGroups",
                format!("{{name: none-{image}, desired: 0, launchConfiguration: lc-{image}}}"),
            ),
        ]
    },
    |image, other| {
        vec![
            (
                "launchTemplates",
                format!("{{name: base-{image}, versions: [{{image: {other}}}]}}"),
            ),
            (
                "autoScalingGroups",
                format!(
                    "{{name: mixed-{image}, suspended: [Launch], mixedInstances: {{launchTemplate: {{template: base-{image}}}, \
                     overrides: [{{instanceType: c7i.large, image: {image}}}]}}}}"
                ),
            ),
        ]
    },
    |image, _| {
        vec![(
            "instances",
            format!("{{image: {image}, managedBy: eks.amazonaws.com, hidden: true}}"),
        )]
    },
    |image, _| vec![("spotRequests", format!("{{image: {image}, kind: persistent}}"))],
    |image, _| {
        vec![(
            "spotFleets",
            format!("{{specifications: [{{image: {image}, instanceType: c7i.large}}]}}"),
        )]
    },
    // The image is in an older version of a parameter, by a label that a template names.
    |image, other| {
        vec![
            (
                "parameters",
                format!(
                    "{{name: /images/{image}, dataType: \"aws:ec2:image\", versions: [{{image: {image}, labels: [live]}}, \
                     {{image: {other}}}]}}"
                ),
            ),
            (
                "launchTemplates",
                format!("{{name: follows-{image}, versions: [{{image: \"resolve:ssm:/images/{image}:live\"}}]}}"),
            ),
        ]
    },
    |image, _| {
        vec![(
            "computeEnvironments",
            format!("{{name: jobs-{image}, ec2Configuration: [{{imageType: ECS_AL2023, imageOverride: {image}}}]}}"),
        )]
    },
    |image, _| vec![("imageRecipes", format!("{{name: on-{image}, parentImage: {image}}}"))],
];

/// Whether something launches images in this seed's world.
pub(crate) fn is_using(seed: u64) -> bool {
    let (of, using) = USING;
    moving::is_moving(seed) || using.contains(&(seed.saturating_sub(1) / odd::FIRST as u64 % of))
}

/// More of a world's accounts and regions, in their order, as in a world file: what launches the images of these names there. The image
/// `shared` of the first one may be launched in the last one, where it may be in an old version of a template and nowhere else.
pub(crate) fn of(seed: u64, places: &[Vec<String>], shared: Option<&str>) -> Vec<String> {
    if !is_using(seed) {
        return vec![String::new(); places.len()];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xc0de);
    let theirs = shared.filter(|_| rng.random_bool(0.7)).map(|image| {
        let versions = format!("[{{image: {image}}}, {{image: image-always}}]");
        format!("{{name: of-another-account, defaultVersion: 2, versions: {versions}}}")
    });
    let mut more = Vec::new();
    for (number, names) in places.iter().enumerate() {
        let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (number, image) in names.iter().enumerate() {
            if !rng.random_bool(0.6) {
                continue;
            }
            let other = &names[(number + 1) % names.len()];
            for (list, entry) in KINDS[rng.random_range(0..KINDS.len())](image, other) {
                lists.entry(list).or_default().push(entry);
            }
        }
        if number + 1 == places.len() {
            lists.entry("launchTemplates").or_default().extend(theirs.clone());
        }
        let lists = lists.into_iter().filter(|(_, entries)| !entries.is_empty());
        more.push(
            lists
                .map(|(list, entries)| format!(", {list}: [{}]", entries.join(", ")))
                .collect(),
        );
    }
    more
}

/// Has the world say what it takes for images to be unused, and the policies read who uses them; or not.
pub(crate) fn join(seed: u64, world: &mut WorldSpec, policies: &mut [Value]) {
    let reads = is_using(seed);
    for policy in policies {
        policy["spec"]["consumers"] = json!({"read": reads});
        policy["spec"]["unused"] = json!({"after": "24h"});
    }
    if !reads {
        return;
    }
    for account in &mut world.accounts {
        for image in account.regions.iter_mut().flat_map(|region| &mut region.images) {
            let at = |text: &str| serde_json::from_value::<SimTime>(json!(text)).ok();
            image.creation_date = image.creation_date.or_else(|| at(MADE));
            image.last_launched_time = image.last_launched_time.or_else(|| at(LAUNCHED));
        }
    }
}

/// Whether something came to launch an image again that nobody may have used when everything was read last.
fn is_launched_again(image: &str, notes: &Notes, now: Duration) -> bool {
    let since = notes.launched_again.get(image);
    since.is_some_and(|since| now < notes.until(*since + READ_AGAIN))
}

/// What is said of the use of images, against what the simulator knows: whatever is said, at any time.
pub(crate) fn check(sim: &Sim, migrations: &[&AMIMigration], notes: &Notes, now: Duration) -> Vec<Broken> {
    let says_unused = migrations.iter().filter(|migration| {
        let usage = migration.status.as_ref().and_then(|status| status.usage.as_ref());
        usage.is_some_and(|usage| usage.state == UsageState::Unused)
    });
    says_unused
        .filter(|migration| sim.launchable_by_somebody(&migration.spec.source_image_id))
        .filter(|migration| !is_launched_again(&migration.spec.source_image_id, notes, now))
        .map(|migration| {
            let how = format!("{}: the original is called unused", migration.name_any());
            Broken::new(Promise::UnusedIsUnused, how)
        })
        .collect()
}

/// The same of what targets count: no more images are unused than nobody can launch.
pub(crate) fn check_counts(sim: &Sim, objects: &Objects, notes: &Notes, now: Duration) -> Vec<Broken> {
    let mut broken = Vec::new();
    for target in &objects.targets {
        let usage = target.status.as_ref().and_then(|status| status.usage.as_ref());
        let Some(unused) = usage.map(|usage| usage.unused).filter(|unused| *unused > 0) else {
            continue;
        };
        let spec = &target.spec;
        let ids: Vec<String> = sim.with_world(|world| {
            let region = world.region(&spec.account_id, &spec.region);
            region
                .map(|region| region.images.keys().cloned().collect())
                .unwrap_or_default()
        });
        // Since it was read, a template may have been moved to a copy that nobody had used, or an instance launched from it.
        let moves = spec.promotion != PromotionSettings::default() || spec.validation.launch.is_some();
        let is_copy = |id: &str| {
            sim.with_world(|world| {
                let region = world.region(&spec.account_id, &spec.region);
                let image = region.and_then(|region| region.images.get(id));
                image.is_some_and(|image| image.copied_from().is_some())
            })
        };
        let is_free =
            |id: &&String| !sim.launchable_by_somebody(id) || moves && is_copy(id) || is_launched_again(id, notes, now);
        let free = ids.iter().filter(is_free).count();
        if unused as usize > free {
            let how = format!(
                "{}: {unused} images are called unused, and {free} are",
                target.name_any()
            );
            broken.push(Broken::new(Promise::UnusedIsUnused, how));
        }
    }
    broken
}

/// What is not said at the end, when everything could be read: that these images are used.
pub(crate) fn unsaid(sim: &Sim, objects: &Objects) -> Option<String> {
    // Who uses another account's image is said by that account's migration.
    let mut own = objects
        .migrations
        .iter()
        .filter(|migration| !followers::is_follower(migration));
    own.find_map(|migration| {
        let spec = &migration.spec;
        let reads = objects.targets.iter().any(|target| {
            let of = &target.spec;
            (&of.policy, &of.account_id, &of.region) == (&spec.policy, &spec.account_id, &spec.region)
                && of.consumers.read
        });
        let consumers = sim.consumers(&spec.account_id, &spec.region, &spec.source_image_id);
        let listed = |kind| !matches!(kind, ConsumerKind::PlainParameter | ConsumerKind::OldTemplateVersion);
        let is_used = consumers
            .iter()
            .any(|consumer| consumer.account == spec.account_id && listed(consumer.kind));
        let exists = sim.with_world(|world| {
            let region = world.region(&spec.account_id, &spec.region);
            region.is_some_and(|region| {
                region
                    .images
                    .get(&spec.source_image_id)
                    .is_some_and(|image| image.exists())
            })
        });
        let said = migration.status.as_ref().and_then(|status| status.usage.as_ref());
        let says = said.is_some_and(|usage| usage.state == UsageState::Used);
        (reads && is_used && exists && !says).then(|| format!("{}: {said:?} of {consumers:?}", migration.name_any()))
    })
}
