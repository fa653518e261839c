//! What is done to consumers: looked at after every step, by what each of them would launch before and after, and by every call that
//! changes one. What people do is no fault of the product, and it may act upon what it has read for as long as that takes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiseal::api::{AMIMigration, Desired, conditions};
use amiseal::plan::moving::left;
use ec2sim::model::{Image, World};
use ec2sim::{Call, Launch};
use kube::ResourceExt;

use super::evidence::{is_fit, is_spoilt, is_unrecorded, owner, says_too_much, tell, two_at_a_time};
use super::followers::{self, Names};
use super::invariants::{Broken, Promise};
use super::notes::{Hold, Notes};
use super::stage::Stage;
use super::time::{age_at, age_of};
use super::versions;
use super::watchman::Objects;

/// A consumer: its account, its region, and its ID or name.
pub(crate) type Thing = (String, String, String);

/// For how long after it was read a consumer may be changed: reads may be ten seconds old, answers 25 seconds late, and each is made
/// of three calls, which may be repeated.
pub(crate) const READ_BEFORE: Duration = Duration::from_secs(3 * 60);
/// How long everything is looked through at most, when AWS answers late.
const SCANNED_WITHIN: Duration = Duration::from_secs(10 * 60);
/// What changes a consumer.
pub(crate) const CHANGES: [&str; 3] = ["CreateLaunchTemplateVersion", "ModifyLaunchTemplate", "PutParameter"];
/// How a version begins to describe itself that puts a former one back.
const AGAIN: &str = "amiseal: version ";

/// A call that changes a consumer.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) thing: Thing,
    pub(super) at: Duration,
    /// Whether it puts the original back.
    pub(super) back: bool,
    pub(super) source: String,
    /// What it is moved to.
    pub(super) copy: Option<String>,
    pub(super) operation: String,
    /// The version that a new one is made of.
    pub(super) made_of: Option<i64>,
}

/// What is known of consumers and of what was done to them.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// How many calls were heard.
    heard: usize,
    /// What everything would launch as of the last look.
    told: BTreeMap<String, Vec<Launch>>,
    /// Consumers of which a migration has said that somebody has set them back, and when.
    reverted: BTreeMap<(Thing, String), Duration>,
    /// Consumers that were moved, of which original, and when first.
    moved: BTreeMap<(Thing, String), Duration>,
}

impl Judge {
    /// Looks at what was done since the last time. `migrations` are all versions of them since then.
    pub(crate) fn look(&mut self, stage: &Stage, migrations: &[&AMIMigration], objects: &Objects) -> Vec<Broken> {
        let now = stage.clock.age();
        note_verified(stage, objects, now);
        let notes = stage.notes();
        let made = self.hear(stage);
        let mut wrong = Vec::new();
        for one in &made {
            wrong.extend(self.judge(stage, one, &notes, objects));
        }
        wrong.extend(self.launches(stage, &made, &notes, objects));
        self.hear_reverted(migrations, now);
        let notes = stage.notes();
        stage
            .sim
            .with_world(|world| wrong.extend(migrations.iter().filter_map(|one| says_too_much(one, world, &notes))));
        wrong.extend(two_at_a_time(objects, &notes, now));
        wrong.extend(versions::check(stage, &notes));
        let broken = |how| Broken::new(Promise::MovedWithCare, how);
        wrong.into_iter().map(broken).collect()
    }

    /// The calls since the last time that change consumers.
    fn hear(&mut self, stage: &Stage) -> Vec<Made> {
        let calls: Vec<Call> = stage.sim.with_journal(|calls| {
            let new = calls[self.heard..].iter();
            let changes = new.filter(|call| CHANGES.contains(&call.operation.as_str()) && !call.dry_run);
            let changes = changes.cloned().collect();
            self.heard = calls.len();
            changes
        });
        let made = stage.sim.with_world(|world| {
            let made = calls.iter().filter_map(|call| Made::read(call, world));
            made.collect::<Vec<_>>()
        });
        for one in made.iter().filter(|one| one.back) {
            // From now on something launches the original again, whatever was read before.
            stage.note(|notes| {
                notes.launched_again.insert(one.source.clone(), one.at);
            });
        }
        made
    }

    fn judge(&mut self, stage: &Stage, one: &Made, notes: &Notes, objects: &Objects) -> Vec<String> {
        let (account, region, id) = &one.thing;
        let mut wrong = Vec::new();
        let mut say =
            |how: String| wrong.push(format!("{} of {id} in {account} at {:?}: {how}", one.operation, one.at));
        let place = (account.as_str(), region.as_str());
        let names = stage.sim.with_world(|world| {
            if let Some(owner) = owner(world, place, id) {
                say(format!("it is {owner}'s"));
            }
            let names = Names::of(world, place, &one.source);
            if let (false, Some(copy)) = (one.back, &one.copy) {
                let migration = followers::find(names.of_copy(), objects);
                if let Err(how) = is_fit(world, place, &one.source, copy, migration, notes, one.at) {
                    say(how);
                }
            }
            names
        });
        unwanted(one, &names, notes, objects).into_iter().for_each(&mut say);
        let name = &names.own;
        let since = self.reverted.get(&(one.thing.clone(), name.clone()));
        if let Some(since) = since
            && one.at > notes.until(*since + READ_BEFORE)
            && !notes.lost.contains(name)
        {
            say(format!("{name} says since {since:?} that somebody has set it back"));
        }
        if !one.back {
            wrong.extend(is_unrecorded(one, name, notes, objects));
            wrong.extend(self.too_many(one, notes, objects));
        }
        wrong
    }

    /// Whether more were moved in a day than the policies allow, as long as nobody has had that changed and no record is lost.
    fn too_many(&mut self, one: &Made, notes: &Notes, objects: &Objects) -> Option<String> {
        let key = (one.thing.clone(), one.source.clone());
        self.moved.entry(key).or_insert(one.at);
        let (account, region, _) = &one.thing;
        let targets = objects.targets.iter().filter(|target| {
            let spec = &target.spec;
            (&spec.account_id, &spec.region) == (account, region)
        });
        let allowed = targets.map(|target| target.spec.promotion.max_per_day).max()?;
        let there = self.moved.keys().filter(|((a, r, _), _)| (a, r) == (account, region));
        let count = there.count();
        let is_known = notes.lost.is_empty() && notes.rolled_back.is_empty() && one.at >= notes.estranged_until;
        (is_known && count > allowed as usize)
            .then(|| format!("{count} consumers are moved in {account}/{region}, and {allowed} may be in a day"))
    }

    /// What would be launched before and would now: what our changes have made of it.
    fn launches(&mut self, stage: &Stage, made: &[Made], notes: &Notes, objects: &Objects) -> Vec<String> {
        let told = tell(&stage.sim);
        let put_back: BTreeSet<&str> = made.iter().filter(|one| one.back).map(|one| &*one.source).collect();
        let mut wrong = Vec::new();
        for (name, launches) in &told {
            let Some(before) = self.told.get(name) else { continue };
            let was = |image: &str| before.iter().any(|launch| launch.image.as_deref() == Some(image));
            let worked = before.iter().all(|launch| launch.works.is_ok());
            for launch in launches {
                let Some(image) = launch.image.as_deref().filter(|image| !was(image)) else {
                    continue;
                };
                stage.sim.with_world(|world| {
                    let known = world.image(&launch.region, image);
                    let place = known.and_then(|known| world.region(&known.owner, &known.region));
                    let is_ours =
                        known.is_some_and(|known| known.created_by.is_some() && known.copied_from().is_some());
                    if is_ours && !launch.encrypted {
                        wrong.push(format!("{name} launches {image}, which is not encrypted"));
                    }
                    let is_spoilt = known.is_none_or(|known| {
                        is_spoilt(known, place, notes) && !is_put_back_though_disabled(known, made, notes, objects)
                    });
                    if let Err(why) = &launch.works
                        && worked
                        && (is_ours || put_back.contains(image))
                        && !is_spoilt
                    {
                        wrong.push(format!(
                            "{name} worked, and now that it launches {image} it does not: {why}"
                        ));
                    }
                });
            }
        }
        self.told = told;
        wrong
    }

    fn hear_reverted(&mut self, migrations: &[&AMIMigration], now: Duration) {
        for migration in migrations {
            let rows = migration.status.iter().flat_map(|status| &status.consumers);
            for row in rows.filter(|row| row.reason.as_deref() == Some(left::REVERTED_BY_OWNER)) {
                let spec = &migration.spec;
                let thing = (spec.account_id.clone(), spec.region.clone(), row.id.clone());
                self.reverted.entry((thing, migration.name_any())).or_insert(now);
            }
        }
    }
}

/// Whether something was put back to an image that is disabled, which everything that was looked through before has shown.
fn is_put_back_though_disabled(image: &Image, made: &[Made], notes: &Notes, objects: &Objects) -> bool {
    let Some(since) = notes.disabled.get(&image.id).filter(|_| !notes.leapt) else {
        return false;
    };
    let place = (&image.owner, &image.region);
    let targets = objects.targets.iter().filter(|target| {
        let spec = &target.spec;
        (&spec.account_id, &spec.region) == place
    });
    let scanned = targets.map(|target| {
        target
            .status
            .as_ref()?
            .last_scan_time
            .as_ref()
            .map(|time| age_at(time.0))
    });
    // Where one has not been looked through yet, nothing is known.
    let Some(scanned) = scanned.min().flatten().filter(|at| *at > *since + SCANNED_WITHIN) else {
        return false;
    };
    made.iter().any(|one| {
        let (account, region, _) = &one.thing;
        let is_known = one.at > notes.until(scanned + READ_BEFORE) && one.at >= notes.estranged_until;
        one.back && one.source == image.id && (account, region) == place && is_known
    })
}

/// Notes until when migrations call their copies verified.
fn note_verified(stage: &Stage, objects: &Objects, now: Duration) {
    let is_verified = |migration: &AMIMigration| {
        let status = migration.status.as_ref();
        status.is_some_and(|status| conditions::is_true(&status.conditions, conditions::VERIFIED))
    };
    let verified = objects.migrations.iter().filter(|migration| is_verified(migration));
    let verified = verified.map(|migration| (migration.name_any(), now));
    stage.note(|notes| notes.verified.extend(verified));
}

/// What of a call people do not want: they hold what it is about, or have it put back, or nobody does.
fn unwanted(one: &Made, names: &Names, notes: &Notes, objects: &Objects) -> Vec<String> {
    let (account, region, id) = &one.thing;
    // A migration that was made anew says nothing of what people wanted of the one before.
    let wanted = |name: &str| followers::find(name, objects).map(|migration| migration.spec.desired);
    let thing = format!("{account}/{region} {id}");
    let images = [Some(&one.source), one.copy.as_ref()];
    let is_held = |hold: &&Hold| {
        if hold.what == thing {
            return hold.hinders(one.at, notes);
        }
        let is_meant = if names.have(&hold.what) {
            wanted(&hold.what) == Some(Desired::Held)
        } else {
            images.iter().flatten().any(|image| **image == hold.what)
        };
        // What is rolled back in one account by itself is put back whatever is held in another.
        let is_elsewhere = names.of_copy() != names.own && hold.what != names.own;
        let is_overruled = is_elsewhere && wanted(&names.own) == Some(Desired::RolledBack);
        is_meant && !is_overruled && names.are_hindered(hold, one.at, notes)
    };
    let mut wrong = Vec::new();
    if let Some(held) = notes.held.iter().find(is_held) {
        wrong.push(format!("{} is held since {:?}", held.what, held.from));
    }
    let rolled: Vec<&Hold> = notes.rolled_back.iter().filter(|hold| names.have(&hold.what)).collect();
    if one.back && rolled.is_empty() {
        wrong.push(format!("nobody wants {} to be put back", one.source));
    }
    let is_back =
        |hold: &&&Hold| wanted(&hold.what) == Some(Desired::RolledBack) && names.are_hindered(hold, one.at, notes);
    if let Some(hold) = rolled.iter().find(is_back).filter(|_| !one.back) {
        wrong.push(format!("{} is to be put back", hold.what));
    }
    wrong
}

impl Made {
    /// What a call is to do to a consumer.
    fn read(call: &Call, world: &World) -> Option<Self> {
        let params = &call.params;
        let region = world.region(&call.account, &call.region)?;
        let id = params.get("LaunchTemplateId").or_else(|| params.get("Name"))?;
        let (mut source, mut copy, mut back) = (None, None, false);
        if call.operation == "PutParameter" {
            let value = params.get("Value")?;
            let from = world.image(&call.region, value).and_then(Image::copied_from);
            match from {
                Some((from, _)) => (source, copy) = (Some(from.clone()), Some(value.clone())),
                None => (source, back) = (Some(value.clone()), true),
            }
        } else {
            let template = region.consumers.launch_templates.get(id)?;
            let number = params.get("SetDefaultVersion");
            let version = number.and_then(|number| template.version(Some(number)));
            let said = match &version {
                Some(version) => version.description.as_ref(),
                None => params.get("VersionDescription"),
            };
            match said.and_then(|said| versions::ours(said)) {
                Some((to, from, _)) => (source, copy) = (Some(from.to_owned()), Some(to.to_owned())),
                None if said.is_some_and(|said| said.starts_with(AGAIN)) || version.is_some() => {
                    let image = version.and_then(|version| version.image.clone());
                    (source, back) = (
                        image.or_else(|| params.get("LaunchTemplateData.ImageId").cloned()),
                        true,
                    );
                }
                None => {}
            }
        }
        Some(Self {
            thing: (call.account.clone(), call.region.clone(), id.clone()),
            at: age_of(call.time),
            back,
            source: source?,
            copy,
            operation: call.operation.clone(),
            made_of: params.get("SourceVersion").and_then(|version| version.parse().ok()),
        })
    }
}
