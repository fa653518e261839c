//! Where the policies have Auto Scaling groups set to copies, or their instances replaced: which histories those are, what groups their
//! worlds have besides, and what people do where AWS has not replaced the instances.

use std::time::Duration;

use amiseal::api::{AMIMigration, ConsumerState, Desired, MovedConsumer};
use amiseal::plan::moving::left;
use ec2sim::model::{AutoScalingGroup, Instance, LaunchBy, LaunchConfiguration, LaunchTemplate, Region, TemplateRef};
use ec2sim::spec::{AllowedCall, RegionSpec, Suspended};
use ec2sim::{ConsumerChange, Edit, WorldSpec};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::judge::Thing;
use super::people::MIGRATION;
use super::stage::Stage;
use super::undisturbed::MOVES;
use super::world::PLACES;
use super::{moving, versions};

/// Of the histories in which consumers are moved, so many have groups moved too.
const GROUPS: f64 = 0.25;
/// In so many of these their instances are replaced as well.
const REFRESHES: f64 = 0.5;
/// How the names of such groups begin.
pub(crate) const SET: &str = "set-";
/// What changes a group, or its instances.
pub(crate) const CALLS: [&str; 5] = [
    "UpdateAutoScalingGroup",
    "CreateOrUpdateTags",
    "StartInstanceRefresh",
    "RollbackInstanceRefresh",
    "CancelInstanceRefresh",
];
/// From when on, and how often, people see to refreshes that have failed.
const HELPS_AFTER: Duration = Duration::from_secs(70 * 60);
const HELPS_EVERY: Duration = Duration::from_secs(25 * 60);

/// How groups are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Groups {
    refreshes: bool,
    auto_rollback: bool,
    /// Whether a refresh fails where a group may not launch for a while.
    fails: bool,
    /// How many groups may be refreshed at a time in an account and region.
    pub(crate) at_a_time: u32,
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed ^ 0x6709)
}

impl Groups {
    /// How groups are moved in this seed's history, if they are.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        let mut rng = rng(seed);
        let may = moving::is_newer(seed) && seed != MOVES;
        (may && rng.random_bool(GROUPS)).then(|| Self {
            refreshes: rng.random_bool(REFRESHES),
            auto_rollback: rng.random_bool(0.5),
            fails: rng.random_bool(0.5),
            at_a_time: rng.random_range(1..=2),
        })
    }
}

/// What a kind of group takes besides itself, of an image: a template or a configuration of the group's name, and the group.
type Kind = fn(&str, &str) -> (Value, Value);

const KINDS: [Kind; 7] = [
    // It pins the version that is the latest.
    |name, image| {
        let versions = json!([{"image": image, "instanceType": "t3.micro", "data": {"UserData": "aGVsbG8="}}]);
        (template(name, &versions), by(name, "1"))
    },
    // So do its overrides, or they name the image.
    |name, image| {
        let overrides = json!([
            {"instanceType": "t3.small", "weight": "2", "image": image},
            {"instanceType": "t3.large", "launchTemplate": {"template": name, "version": "1"}},
            {"instanceType": "t3.nano"}]);
        let mixed = json!({
            "launchTemplate": {"template": name, "version": "1"},
            "overrides": overrides,
            "distribution": {"OnDemandBaseCapacity": "1", "SpotAllocationStrategy": "price-capacity-optimized"}});
        let group = json!({"name": name, "mixedInstances": mixed});
        (template(name, &json!([{"image": image}])), group)
    },
    // It follows its template.
    |name, image| (template(name, &json!([{"image": image}])), by(name, "$Latest")),
    // It pins an older version, of which nothing is made.
    |name, image| {
        let versions = json!([{"image": image}, {"image": image}]);
        (template(name, &versions), by(name, "1"))
    },
    |name, image| {
        let group = json!({"name": name, "launchConfiguration": name});
        (json!({"name": name, "image": image}), group)
    },
    |name, image| {
        let mut group = by(name, "1");
        group["tags"] = json!({"amiseal.dev/hold": "until Monday"});
        (template(name, &json!([{"image": image}])), group)
    },
    |name, image| {
        let mut group = by(name, "1");
        group["tags"] = json!({"terraform": "shop"});
        (template(name, &json!([{"image": image}])), group)
    },
];
/// So many of these are moved where nobody minds, and each place has one of them.
const SURE: usize = 3;

pub(super) fn template(name: &str, versions: &Value) -> Value {
    json!({"name": name, "versions": versions})
}

pub(super) fn by(name: &str, version: &str) -> Value {
    json!({"name": name, "launchTemplate": {"template": name, "version": version}})
}

pub(crate) fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("as in a world file")
}

/// Has the policies move groups, and adds some that launch images which are to be `copied`, by the number of their place.
pub(crate) fn join(seed: u64, copied: &[Vec<String>], world: &mut WorldSpec, policies: &mut [Value]) {
    let Some(groups) = Groups::of(seed) else { return };
    for policy in policies {
        let promotion = &mut policy["spec"]["promotion"];
        promotion["autoScalingGroups"] = json!(if groups.refreshes { "Refresh" } else { "Update" });
        promotion["instanceRefresh"] = json!({
            "minHealthyPercentage": 50,
            "instanceWarmup": "30s",
            "autoRollback": groups.auto_rollback,
            "maxConcurrentGroups": groups.at_a_time,
        });
    }
    if groups.fails {
        world.settings.launches.suspended_refreshes = Suspended::Fail;
    }
    for operation in CALLS {
        world.expect.allow.push(AllowedCall {
            operation: Some(operation.to_owned()),
            ..AllowedCall::default()
        });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6710);
    for ((account, region), images) in PLACES.iter().zip(copied) {
        let accounts = world.accounts.iter_mut().filter(|one| one.id == *account);
        let mut regions = accounts.flat_map(|account| &mut account.regions);
        let Some(place) = regions.find(|one| one.name == *region) else {
            continue;
        };
        for (number, image) in images.iter().enumerate() {
            let kind = match number {
                0 => rng.random_range(0..SURE),
                _ if rng.random_bool(0.4) => rng.random_range(0..KINDS.len()),
                _ => continue,
            };
            let ids = [(); 2].map(|()| format!("i-{:017x}", rng.random::<u64>()));
            add(place, KINDS[kind], image, groups.refreshes.then_some(ids));
        }
    }
}

/// Adds a group of this kind, with these instances.
fn add(place: &mut RegionSpec, kind: Kind, image: &str, ids: Option<[String; 2]>) {
    let name = format!("{SET}{image}");
    let (launches, group) = kind(&name, image);
    let mut group: AutoScalingGroup = read(group);
    if launches.get("versions").is_some() {
        place.launch_templates.push(read::<LaunchTemplate>(launches));
    } else {
        place.launch_configurations.push(read::<LaunchConfiguration>(launches));
    }
    let ids = ids.filter(|_| group.launch_configuration.is_none());
    for id in ids.into_iter().flatten() {
        let mut instance = json!({"id": id, "image": image});
        let mut of_group = instance.clone();
        instance["tags"] = json!({"aws:autoscaling:groupName": name});
        of_group["launchTemplate"] = json!({"template": name, "version": "1"});
        place.instances.push(read::<Instance>(instance));
        group.instances.push(read(of_group));
        group.desired = Some(2);
    }
    place.auto_scaling_groups.push(group);
}

/// Everything by which a group names an image of its own choice: the images of versions that it pins by their numbers, and its own.
pub(crate) fn named(region: &Region, by: &LaunchBy) -> Vec<String> {
    let pinned = by.templates().filter(|reference| number_of(reference).is_some());
    let of_version = |reference: &TemplateRef| {
        let template = template_of(region, reference)?;
        template.version(reference.version.as_deref())?.image.clone()
    };
    let images = by.images().map(str::to_owned);
    pinned.filter_map(of_version).chain(images).collect()
}

pub(crate) fn template_of<'r>(region: &'r Region, reference: &TemplateRef) -> Option<&'r LaunchTemplate> {
    let templates = &region.consumers.launch_templates;
    let by_id = reference.id.as_deref().and_then(|id| templates.get(id));
    by_id.or_else(|| {
        let name = reference.name.as_deref()?;
        let mut all = templates.iter().map(|(_, template)| template);
        all.find(|template| template.name == name)
    })
}

fn number_of(reference: &TemplateRef) -> Option<u64> {
    reference.version.as_deref()?.parse().ok()
}

/// Somebody has a group launch by what it launched by at first.
pub(crate) fn set_back(stage: &Stage, thing: &Thing) {
    let (account, region, name) = thing;
    let Some(before) = stage.before.region(account, region) else {
        return;
    };
    let Some(group) = before.consumers.auto_scaling_groups.get(name) else {
        return;
    };
    let by = LaunchBy::of(group);
    let now = stage.clock.age();
    let images = named(before, &by);
    stage.note(|notes| {
        notes
            .launched_again
            .extend(images.into_iter().map(|image| (image, now)))
    });
    set(stage, thing, by);
}

/// Somebody has a group launch the default version of its template from now on: the one that is being read, if it is one whose template's
/// version is pinned, or else another one.
pub(super) fn follow(stage: &Stage, read: Option<&String>, number: u64) {
    let found: Vec<(Thing, LaunchBy)> = stage.sim.with_world(|world| {
        let places = PLACES
            .iter()
            .filter_map(|(account, region)| Some((*account, *region, world.region(account, region)?)));
        let groups = places.flat_map(|(account, region, place)| {
            let groups = place.consumers.auto_scaling_groups.iter();
            let thing = move |name: &str| (account.to_owned(), region.to_owned(), name.to_owned());
            groups.map(move |(name, group)| (thing(name), LaunchBy::of(group)))
        });
        let pins = |by: &LaunchBy| by.templates().next().is_some_and(|first| number_of(first).is_some());
        groups
            .filter(|(thing, by)| thing.2.starts_with(SET) && pins(by))
            .collect()
    });
    let turn = usize::try_from(number).unwrap_or(0);
    let is_read = |(thing, _): &&(Thing, LaunchBy)| read == Some(&thing.2);
    let one = found
        .iter()
        .find(is_read)
        .or_else(|| found.get(turn.checked_rem(found.len())?));
    let Some((thing, by)) = one else { return };
    let mut by = by.clone();
    let of_mixed = by.mixed_instances.iter_mut().map(|mixed| &mut mixed.launch_template);
    for reference in by.launch_template.iter_mut().chain(of_mixed) {
        reference.version = Some("$Default".to_owned());
    }
    let now = stage.clock.age();
    let image = stage.sim.with_world(|world| {
        let region = world.region(&thing.0, &thing.1)?;
        let template = template_of(region, by.templates().next()?)?;
        template.version(Some("$Default"))?.image.clone()
    });
    set(stage, thing, by);
    stage.note(|notes| {
        notes.launched_again.extend(image.map(|image| (image, now)));
        notes.followers.insert(thing.clone(), now);
    });
}

fn set(stage: &Stage, thing: &Thing, by: LaunchBy) {
    let now = stage.clock.age();
    stage.note(|notes| {
        notes.touched.insert(thing.clone(), now);
        notes.followers.remove(thing);
    });
    let group = thing.2.clone();
    let by = Box::new(by);
    change(stage, thing, ConsumerChange::LaunchBy { group, by });
}

fn change(stage: &Stage, (account, region, _): &Thing, change: ConsumerChange) {
    // What it is about may be gone by now, or something else may be under way.
    let _ = stage.sim.edit(Edit::Consumer {
        account: account.clone(),
        region: region.clone(),
        change,
    });
}

/// Whether AWS has not replaced the instances of this group.
fn has_failed(row: &MovedConsumer) -> bool {
    row.state == ConsumerState::Left && row.reason.as_deref() == Some(left::REFRESH_FAILED)
}

/// What people do in time where AWS has not replaced all instances of a group: they have it launch what it should, and refresh it.
pub(crate) fn help(stage: &Stage) {
    let now = stage.clock.age();
    let last = stage.notes().groups_helped;
    if now < HELPS_AFTER || last.is_some_and(|last| now < last + HELPS_EVERY) {
        return;
    }
    stage.note(|notes| notes.groups_helped = Some(now));
    for migration in stage.api.list(MIGRATION) {
        let Ok(migration) = serde_json::from_value::<AMIMigration>((*migration).clone()) else {
            continue;
        };
        let rows = migration.status.iter().flat_map(|status| &status.consumers);
        for row in rows.filter(|row| has_failed(row)) {
            by_hand(stage, &migration, row);
        }
    }
}

fn by_hand(stage: &Stage, migration: &AMIMigration, row: &MovedConsumer) {
    let spec = &migration.spec;
    let is_back = row.refresh.as_ref().is_some_and(|refresh| refresh.back);
    let thing = (spec.account_id.clone(), spec.region.clone(), row.id.clone());
    if !is_back {
        let copy = migration.status.as_ref().and_then(|status| status.copy.as_ref());
        let copy = copy.and_then(|copy| copy.image_id.as_deref());
        let (Some(copy), Desired::Migrated) = (copy, spec.desired) else {
            return;
        };
        let by = stage.sim.with_world(|world| {
            let region = world.region(&spec.account_id, &spec.region)?;
            let group = region.consumers.auto_scaling_groups.get(&row.id)?;
            Some(moved(region, LaunchBy::of(group), &spec.source_image_id, copy))
        });
        let Some(by) = by else { return };
        set(stage, &thing, by);
    }
    let group = row.id.clone();
    change(stage, &thing, ConsumerChange::StartRefresh { group });
}

/// The same with the copy in the place of the original, by the versions that were made of those that it pins.
fn moved(region: &Region, mut by: LaunchBy, source: &str, copy: &str) -> LaunchBy {
    let made = |reference: &TemplateRef| {
        let pinned = number_of(reference)?;
        let mut versions = template_of(region, reference)?.versions.iter();
        let made = versions.find(|version| {
            let said = version.description.as_deref().and_then(versions::ours);
            said == Some((copy, source, pinned))
        });
        made.map(|version| version.number.to_string())
    };
    let overrides = by.mixed_instances.iter_mut().flat_map(|mixed| {
        let own = mixed.overrides.iter_mut();
        for one in own {
            if one.image.as_deref() == Some(source) {
                one.image = Some(copy.to_owned());
            }
        }
        let templates = mixed
            .overrides
            .iter_mut()
            .filter_map(|one| one.launch_template.as_mut());
        std::iter::once(&mut mixed.launch_template).chain(templates)
    });
    for reference in by.launch_template.iter_mut().chain(overrides) {
        if let Some(version) = made(reference) {
            reference.version = Some(version);
        }
    }
    by
}
