//! What is done to Auto Scaling groups and their instances: looked at after every step, by every call that changes one and by what AWS
//! makes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::{AMIMigration, Desired, GroupUpdate, MigrationState, labels};
use amiseal::plan::moving::left;
use ec2sim::Call;
use ec2sim::model::{Image, LaunchBy, Region, TemplateRef, World};
use kube::ResourceExt;

use super::evidence::is_fit;
use super::followers::{self, Names};
use super::groups::{CALLS, Groups, named, template_of};
use super::invariants::{Broken, Promise};
use super::judge::{READ_BEFORE, Thing};
use super::moving;
use super::notes::Notes;
use super::stage::Stage;
use super::time::age_of;
use super::watchman::Objects;
use super::world::PLACES;

/// What reads a group.
const READ: &str = "DescribeAutoScalingGroups";

/// How often something was done to a group.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    forwards: usize,
    back: usize,
    refreshes: usize,
}

/// What is known of groups and of what was done to them.
#[derive(Debug)]
pub(crate) struct Keeper {
    groups: Groups,
    /// How many calls were heard.
    heard: usize,
    /// Groups of which a migration has said that somebody has set them back, and when.
    reverted: BTreeMap<Thing, Duration>,
    counts: BTreeMap<Thing, Counts>,
    /// When each group was read by itself last.
    read: BTreeMap<Thing, Duration>,
}

impl Keeper {
    pub(crate) fn new(groups: Groups) -> Self {
        Self {
            groups,
            heard: 0,
            reverted: BTreeMap::new(),
            counts: BTreeMap::new(),
            read: BTreeMap::new(),
        }
    }

    /// Looks at what was done since the last time. `migrations` are all versions of them since then.
    pub(crate) fn look(&mut self, stage: &Stage, migrations: &[&AMIMigration], objects: &Objects) -> Vec<Broken> {
        let (notes, now) = (stage.notes(), stage.clock.age());
        let heard = self.heard;
        let (calls, all) = stage.sim.with_journal(|calls| {
            let new = calls[heard..].iter().filter(|call| !call.dry_run);
            let of_groups = new.filter(|call| CALLS.contains(&call.operation.as_str()) || call.operation == READ);
            (of_groups.cloned().collect::<Vec<_>>(), calls.len())
        });
        self.heard = all;
        let late = Duration::from_secs_f64(stage.settings.consistency.consumer_seconds);
        let mut again = Vec::new();
        let wrong = stage.sim.with_world(|world| {
            let mut wrong = Vec::new();
            for call in &calls {
                if call.operation == READ {
                    self.hear_read(call);
                    continue;
                }
                wrong.extend(self.overwrites(call, &notes, late));
                wrong.extend(self.judge(call, world, &notes, objects, &mut again));
            }
            wrong.extend(crowded(self.groups, world, &notes, objects));
            wrong.extend(turned_back(world));
            wrong
        });
        // What is put back may be launched again by now.
        stage.note(|notes| notes.launched_again.extend(again));
        for migration in migrations {
            let rows = migration.status.iter().flat_map(|status| &status.consumers);
            for row in rows.filter(|row| row.reason.as_deref() == Some(left::REVERTED_BY_OWNER)) {
                let spec = &migration.spec;
                let thing = (spec.account_id.clone(), spec.region.clone(), row.id.clone());
                self.reverted.entry(thing).or_insert(now);
            }
        }
        let broken = |how| Broken::new(Promise::MovedWithCare, how);
        wrong.into_iter().map(broken).collect()
    }

    /// Notes when a group was read by itself.
    fn hear_read(&mut self, call: &Call) {
        if let Some(name) = call
            .params
            .get("AutoScalingGroupNames.member.1")
            .filter(|_| call.outcome == "OK")
        {
            let thing = (call.account.clone(), call.region.clone(), name.clone());
            self.read.insert(thing, age_of(call.time));
        }
    }

    /// Whether a call pins a version in a group that people have had follow its template, as whoever makes the call has read.
    fn overwrites(&self, call: &Call, notes: &Notes, late: Duration) -> Option<String> {
        let name = call.params.get("AutoScalingGroupName").filter(|_| call.effect)?;
        let thing = (call.account.clone(), call.region.clone(), name.clone());
        let (since, read) = (*notes.followers.get(&thing)?, *self.read.get(&thing)?);
        let is_of_template = |key: &String| {
            let ends = ["LaunchTemplate.Version", "LaunchTemplateSpecification.Version"];
            ends.iter().any(|end| key.ends_with(end)) && !key.contains("Overrides")
        };
        let mut versions = call.params.iter().filter(|(key, _)| is_of_template(key));
        let pins = versions.any(|(_, version)| version.parse::<u64>().is_ok());
        let is_known = notes.hung.is_empty() && notes.estranged_until == Duration::ZERO;
        (is_known && pins && read >= since + late).then(|| {
            format!(
                "{} of {name}: somebody has it follow its template since {since:?}, and it was read at {read:?}",
                call.operation
            )
        })
    }

    fn judge(
        &mut self,
        call: &Call,
        world: &World,
        notes: &Notes,
        objects: &Objects,
        again: &mut Vec<(String, Duration)>,
    ) -> Vec<String> {
        let params = &call.params;
        let name = params.get("AutoScalingGroupName");
        let Some(name) = name.or_else(|| params.get("Tags.member.1.ResourceId")) else {
            return Vec::new();
        };
        let Some(region) = world.region(&call.account, &call.region) else {
            return Vec::new();
        };
        let at = age_of(call.time);
        let mut wrong = Vec::new();
        let mut say = |how: String| wrong.push(format!("{} of {name} at {at:?}: {how}", call.operation));
        if call.operation == "CancelInstanceRefresh" {
            say("nobody asks for that".to_owned());
        }
        let tags = region.consumers.auto_scaling_groups.get(name).map(|group| &group.tags);
        for tag in [labels::TAG_HOLD, "terraform"] {
            if tags.is_some_and(|tags| tags.contains_key(tag)) {
                say(format!("it has the tag {tag}"));
            }
        }
        let thing = (call.account.clone(), call.region.clone(), name.clone());
        let images = images_of(call, region);
        let source_of = |image: &String| world.image(&call.region, image).and_then(Image::copied_from);
        let copies = images
            .iter()
            .filter_map(|image| Some((image, source_of(image)?.0.as_str())));
        let copies: Vec<(&String, &str)> = copies.collect();
        let sources = copies.iter().map(|(_, source)| (*source).to_owned());
        let sources: Vec<String> = if copies.is_empty() {
            images.clone()
        } else {
            sources.collect()
        };
        let place = (call.account.as_str(), call.region.as_str());
        let names: Vec<Names> = sources.iter().map(|source| Names::of(world, place, source)).collect();
        let is_lost = names.iter().any(|names| notes.lost.contains(&names.own));
        if let Some(since) = self.reverted.get(&thing)
            && at > notes.until(*since + READ_BEFORE)
            && !is_lost
        {
            say(format!("somebody has set it back, as is said since {since:?}"));
        }
        for (copy, source) in &copies {
            let migration = followers::find(Names::of(world, place, source).of_copy(), objects);
            if let Err(how) = is_fit(world, place, source, copy, migration, notes, at) {
                say(how);
            }
        }
        let rolled = notes
            .rolled_back
            .iter()
            .filter(|hold| names.iter().any(|names| names.have(&hold.what)))
            .count();
        let is_back = call.operation == "UpdateAutoScalingGroup" && copies.is_empty();
        if is_back && rolled == 0 && !images.is_empty() {
            say(format!("nobody wants {images:?} to be put back"));
        }
        if is_back {
            again.extend(images.iter().map(|image| (image.clone(), at)));
        }
        if !call.effect {
            return wrong;
        }
        if !copies.is_empty() && tags.is_some_and(|tags| !tags.contains_key(labels::TAG_PREVIOUS)) {
            say("no tag says what was there before".to_owned());
        }
        let counts = self.counts.entry(thing.clone()).or_default();
        counts.forwards += usize::from(!copies.is_empty());
        counts.back += usize::from(is_back);
        counts.refreshes += usize::from(call.operation == "StartInstanceRefresh");
        let counts = *counts;
        // Of a group that follows its template, the call does not say which image it is about: any that was put back counts.
        let rolled = if names.is_empty() {
            notes.rolled_back.len()
        } else {
            rolled
        };
        let is_known = notes.lost.is_empty() && notes.estranged_until == Duration::ZERO;
        let is_known = is_known && !notes.touched.contains_key(&thing);
        if is_known && counts.forwards > 1 + counts.back + rolled {
            say(format!("it is set to the copy once more: {counts:?}"));
        }
        if is_known && counts.refreshes > 1 + 2 * rolled {
            say(format!("it is refreshed once more: {counts:?}"));
        }
        wrong
    }
}

/// The images that a call has a group launch, by itself or by the versions that it names.
fn images_of(call: &Call, region: &Region) -> Vec<String> {
    let params = &call.params;
    let own = params.iter().filter(|(key, _)| key.ends_with(".ImageId"));
    let own = own.map(|(_, image)| image.clone());
    let by_version = params.iter().filter_map(|(key, id)| {
        let prefix = key.strip_suffix("LaunchTemplateId")?;
        let reference = TemplateRef {
            id: Some(id.clone()),
            version: params.get(&format!("{prefix}Version")).cloned(),
            ..TemplateRef::default()
        };
        template_of(region, &reference)?
            .version(reference.version.as_deref())?
            .image
            .clone()
    });
    own.chain(by_version).collect()
}

/// More groups at a time than the policies allow, where nothing was put back and all is on record.
fn crowded(groups: Groups, world: &World, notes: &Notes, objects: &Objects) -> Option<String> {
    let is_gone = |one: &AMIMigration| {
        let status = one.status.as_ref();
        status.is_some_and(|status| status.source_gone_time.is_some())
    };
    let is_known = notes.lost.is_empty() && notes.rolled_back.is_empty() && notes.estranged_until == Duration::ZERO;
    if !is_known || objects.migrations.iter().any(|one| is_gone(one)) {
        return None;
    }
    PLACES.iter().find_map(|(account, region)| {
        let all = world.region(account, region)?.consumers.instance_refreshes.values();
        let count = all.filter(|one| one.is_active() && !one.preferences.is_empty()).count();
        let most = groups.at_a_time as usize;
        (count > most).then(|| format!("{count} groups of {account}/{region} are refreshed at a time, not {most}"))
    })
}

/// Somebody else's refresh that was turned back. Those of people have no preferences.
fn turned_back(world: &World) -> Option<String> {
    let mut all = world
        .regions()
        .flat_map(|(_, region)| region.consumers.instance_refreshes.values());
    let theirs = all.find(|one| one.rollback.is_some() && one.preferences.is_empty())?;
    Some(format!("the refresh {} of {} was turned back", theirs.id, theirs.group))
}

/// What a group launches by, as far as it is put back.
fn says(by: &LaunchBy) -> Vec<Option<String>> {
    let templates = by.templates().flat_map(|one| [one.id.clone(), one.version.clone()]);
    let images = by.images().map(|image| Some(image.to_owned()));
    let kinds = by.mixed_instances.iter().flat_map(|mixed| &mixed.overrides);
    let kinds = kinds.flat_map(|one| [one.instance_type.clone(), one.weight.clone()]);
    let names = [by.launch_configuration.clone()];
    templates.chain(images).chain(kinds).chain(names).collect()
}

/// A group that is not where it should be in the end: set to the copy, or as it was before, unless it is said why, or somebody else has
/// changed it.
pub(crate) fn unsettled(stage: &Stage, objects: &Objects) -> Option<String> {
    let notes = stage.notes();
    objects.migrations.iter().find_map(|migration| {
        let (spec, status) = (&migration.spec, migration.status.as_ref()?);
        if followers::is_source_gone(migration, objects) || notes.lost.contains(&migration.name_any()) {
            return None;
        }
        let moves = objects.targets.iter().any(|target| {
            let of = &target.spec;
            let is_of = (&of.policy, &of.account_id, &of.region) == (&spec.policy, &spec.account_id, &spec.region);
            is_of && of.consumers.read && !of.suspend && of.promotion.auto_scaling_groups != GroupUpdate::Report
        });
        let desired = followers::desired(migration, objects);
        let is_back = desired == Desired::RolledBack;
        let is_done = status.state == Some(MigrationState::Completed);
        let is_due = is_back || moves && is_done && followers::is_offered(migration, objects);
        if !is_due || desired == Desired::Held {
            return None;
        }
        let before = stage.before.region(&spec.account_id, &spec.region)?;
        stage.sim.with_world(|world| {
            let now = world.region(&spec.account_id, &spec.region)?;
            now.consumers.auto_scaling_groups.iter().find_map(|(name, group)| {
                let thing = (spec.account_id.clone(), spec.region.clone(), name.to_owned());
                if notes.touched.contains_key(&thing) || moving::is_left(migration, name) {
                    return None;
                }
                let by = LaunchBy::of(group);
                if !is_back {
                    let launches = named(now, &by).contains(&spec.source_image_id);
                    return launches.then(|| format!("{name} is not moved by {}: {status:?}", migration.name_any()));
                }
                let was = LaunchBy::of(before.consumers.auto_scaling_groups.get(name)?);
                let is_meant = named(before, &was).contains(&spec.source_image_id);
                (is_meant && says(&was) != says(&by)).then(|| format!("{name} was {was:?} and is {by:?}"))
            })
        })
    })
}
