//! What is done to labels of parameters: looked at after every step, by where each of them was and is, and by the call that has moved it.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::{AMIMigration, ConsumerUpdate, Desired, MigrationState, labels};
use ec2sim::Call;
use ec2sim::model::{Parameter, ParameterVersion, Region, World};
use kube::ResourceExt;

use super::evidence::{held, owner};
use super::invariants::{Broken, Promise};
use super::judge::{READ_BEFORE, Thing};
use super::moving;
use super::notes::Notes;
use super::stage::Stage;
use super::time::age_of;
use super::versions::was_seen;
use super::watchman::Objects;
use super::world::PLACES;

/// What moves labels.
const CALL: &str = "LabelParameterVersion";

/// A label of a parameter.
type Label = (Thing, String);

/// A label that the product has moved.
struct Moved {
    label: Label,
    from: u64,
    to: u64,
    /// When it was asked for.
    at: Duration,
}

/// What is known of labels and of what was done to them.
#[derive(Debug, Default)]
pub(crate) struct Labeller {
    /// How many calls were heard.
    heard: usize,
    /// All that move labels.
    calls: Vec<Call>,
    /// The version that each label was on last.
    known: BTreeMap<Label, u64>,
    /// The version that each was on before it went to that of a copy.
    origins: BTreeMap<Label, u64>,
}

impl Labeller {
    /// Looks at what was done since the last time.
    pub(crate) fn look(&mut self, stage: &Stage, objects: &Objects) -> Vec<Broken> {
        let notes = stage.notes();
        self.hear(stage);
        let (mut wrong, mut again) = (Vec::new(), Vec::new());
        stage.sim.with_world(|world| {
            for moved in self.moved(world) {
                wrong.extend(self.judge(stage, world, &moved, &notes, objects, &mut again));
            }
        });
        // What is put back may be launched again by now.
        stage.note(|notes| notes.launched_again.extend(again));
        let broken = |how| Broken::new(Promise::MovedWithCare, how);
        wrong.into_iter().map(broken).collect()
    }

    fn hear(&mut self, stage: &Stage) {
        let heard = self.heard;
        let (calls, all) = stage.sim.with_journal(|calls| {
            let new = calls[heard..].iter().filter(|call| call.operation == CALL);
            (new.cloned().collect::<Vec<_>>(), calls.len())
        });
        self.heard = all;
        self.calls.extend(calls);
    }

    /// The labels that the product has moved since the last time. What no call has moved, people have.
    fn moved(&mut self, world: &World) -> Vec<Moved> {
        let before = std::mem::replace(&mut self.known, positions(world));
        let moved = self.known.iter().filter_map(|(label, to)| {
            let from = *before.get(label)?;
            let call = self.calls.iter().rev().find(|call| moves(call, label, *to))?;
            (from != *to).then(|| Moved {
                label: label.clone(),
                from,
                to: *to,
                at: age_of(call.time),
            })
        });
        moved.collect()
    }

    fn judge(
        &mut self,
        stage: &Stage,
        world: &World,
        moved: &Moved,
        notes: &Notes,
        objects: &Objects,
        again: &mut Vec<(String, Duration)>,
    ) -> Vec<String> {
        let ((account, region, id), label) = &moved.label;
        let there = world.region(account, region);
        let Some(seen) = there.and_then(|there| Between::of(there, moved)) else {
            return Vec::new();
        };
        let source = &seen.source;
        if seen.is_back {
            again.push((source.clone(), moved.at));
        }
        // What people do with it in that time is not seen.
        let touched = notes.labels.get(&moved.label);
        if touched.is_some_and(|(last, _)| moved.at <= notes.until(*last + READ_BEFORE)) {
            return Vec::new();
        }
        let name = labels::migration_name(source, region);
        let migration = objects.migrations.iter().find(|one| one.name_any() == name);
        let mut wrong = Vec::new();
        let mut say = |how: String| {
            wrong.push(format!(
                "{label} of {id} in {account} goes from version {} to {} by a call at {:?}: {how}",
                moved.from, moved.to, moved.at
            ));
        };
        if let Some(owner) = owner(world, (account.as_str(), region.as_str()), id) {
            say(format!("it is {owner}'s"));
        }
        let wanted = migration.map(|migration| migration.spec.desired);
        let thing = format!("{account}/{region} {id}");
        let whats = [&thing, source, &name, &seen.is.value, &seen.was.value];
        if let Some(hold) = held(notes, &whats, &name, moved.at, wanted) {
            say(format!("{} is held since {:?}", hold.what, hold.from));
        }
        if !seen.is_of_one {
            say(format!("these hold {} and {}", seen.was.value, seen.is.value));
        }
        let rolled: Vec<_> = notes.rolled_back.iter().filter(|hold| hold.what == name).collect();
        if seen.is_back && rolled.is_empty() {
            say(format!("nobody wants {source} to be put back"));
        }
        if !seen.is_back
            && wanted == Some(Desired::RolledBack)
            && rolled.iter().any(|hold| hold.hinders(moved.at, notes))
        {
            say(format!("{name} is to be put back"));
        }
        // Without the record, nobody knows where a label was.
        if notes.lost.contains(&name) || moved.at < notes.estranged_until || !notes.hung.is_empty() {
            return wrong;
        }
        let migration = migration.map(|one| &**one);
        if let Some(how) = self.is_elsewhere(moved, seen.is_back, migration, notes) {
            say(how);
        }
        if let Some(whose) = whose(stage, &seen, moved, notes).filter(|_| !seen.is_back) {
            say(whose);
        }
        wrong
    }

    /// Where a label was before that is moved, or is to be, if that is not what it goes back to or not on record.
    fn is_elsewhere(
        &mut self,
        moved: &Moved,
        is_back: bool,
        migration: Option<&AMIMigration>,
        notes: &Notes,
    ) -> Option<String> {
        let ((_, _, id), label) = &moved.label;
        if is_back {
            let origin = self.origins.get(&moved.label).filter(|origin| **origin != moved.to)?;
            let is_theirs = notes.labels.contains_key(&moved.label);
            return (!is_theirs).then(|| format!("it was on version {origin}"));
        }
        self.origins.insert(moved.label.clone(), moved.from);
        let mut rows = migration?.status.iter().flat_map(|status| &status.consumers);
        let row = rows.find(|row| row.id == *id);
        let before = row.and_then(|row| row.previous.as_ref());
        let is_known = before.is_some_and(|before| {
            let mut known = before.labels.iter();
            known.any(|one| one.name == *label && u64::try_from(one.version) == Ok(moved.from))
        });
        (!is_known).then(|| format!("it is not on record where it was: {row:?}"))
    }
}

/// The two versions that a label goes between.
struct Between<'w> {
    parameter: &'w Parameter,
    was: &'w ParameterVersion,
    is: &'w ParameterVersion,
    /// Whether it goes to one that holds no copy.
    is_back: bool,
    /// The original.
    source: String,
    /// Whether one of them holds the original and the other one a copy of it.
    is_of_one: bool,
}

impl<'w> Between<'w> {
    fn of(region: &'w Region, moved: &Moved) -> Option<Self> {
        let parameter = region.consumers.parameters.get(&moved.label.0.2)?;
        let version = |number: u64| parameter.versions.iter().find(|version| version.number == number);
        let (was, is) = (version(moved.from)?, version(moved.to)?);
        let source_of = |one: &ParameterVersion| {
            let image = region.images.get(&one.value)?;
            image.copied_from().map(|(source, _)| source.clone())
        };
        let is_back = source_of(is).is_none();
        let source = source_of(is).unwrap_or_else(|| is.value.clone());
        let (original, copy) = if is_back { (is, was) } else { (was, is) };
        let is_of_one = original.value == source && source_of(copy).as_ref() == Some(&source);
        Some(Self {
            parameter,
            was,
            is,
            is_back,
            source,
            is_of_one,
        })
    }
}

/// Why a label that has gone to the version of a copy is somebody else's: it was of an older version than the one that was replaced, or they
/// have put it elsewhere since that version is there.
fn whose(stage: &Stage, seen: &Between<'_>, moved: &Moved, notes: &Notes) -> Option<String> {
    let (thing, label) = &moved.label;
    let touched = notes.labels.get(&moved.label);
    let to = seen.is;
    let between = seen.parameter.versions.iter().find(|other| {
        let is_between = moved.from < other.number && other.number < moved.to;
        is_between && other.modified_by.is_none() && was_seen(other.modified, to.modified, notes)
    });
    if let Some(between) = between {
        return Some(format!("version {} was there by then", between.number));
    }
    let before = stage.before.region(&thing.0, &thing.1);
    let before = before.and_then(|region| region.consumers.parameters.get(&thing.2));
    let pinned = before.and_then(|before| {
        let (latest, pinned) = (before.latest()?, before.version(Some(label))?);
        (pinned.number != latest.number).then_some(pinned.number)
    });
    if let Some(pinned) = pinned.filter(|_| touched.is_none()) {
        return Some(format!("somebody has it on version {pinned}, which was not the latest"));
    }
    let (last, times) = touched?;
    let was_there = to.modified.is_some_and(|made| age_of(made) < *last);
    // Whoever has moved it to and fro may want it to go along.
    (*times == 1 && was_there).then(|| format!("somebody has moved it at {last:?}"))
}

/// The version that each label is on.
fn positions(world: &World) -> BTreeMap<Label, u64> {
    let mut positions = BTreeMap::new();
    for (account, region) in PLACES {
        let there = world.region(account, region);
        let parameters = there.into_iter().flat_map(|region| region.consumers.parameters.iter());
        for (name, parameter) in parameters {
            let thing = (account.to_owned(), region.to_owned(), name.to_owned());
            for version in &parameter.versions {
                let labels = version.labels.iter();
                positions.extend(labels.map(|label| ((thing.clone(), label.clone()), version.number)));
            }
        }
    }
    positions
}

/// Whether a call moves this label to this version.
fn moves(call: &Call, (thing, label): &Label, to: u64) -> bool {
    let is_of = (&call.account, &call.region, call.params.get("Name")) == (&thing.0, &thing.1, Some(&thing.2));
    let is_to = call
        .params
        .get("ParameterVersion")
        .and_then(|number| number.parse().ok())
        == Some(to);
    let mut labels = call.params.iter().filter(|(key, _)| key.starts_with("Labels."));
    is_of && is_to && labels.any(|(_, moved)| moved == label)
}

/// A label that is not where it should be in the end: on a version that does not name the original any more, or where it was at first, unless
/// it is said why, or somebody else has changed the parameter.
pub(crate) fn unsettled(stage: &Stage, objects: &Objects) -> Option<String> {
    let notes = stage.notes();
    objects.migrations.iter().find_map(|migration| {
        let (spec, status) = (&migration.spec, migration.status.as_ref()?);
        if status.source_gone_time.is_some() || notes.lost.contains(&migration.name_any()) {
            return None;
        }
        let moves = objects.targets.iter().any(|target| {
            let of = &target.spec;
            let is_of = (&of.policy, &of.account_id, &of.region) == (&spec.policy, &spec.account_id, &spec.region);
            is_of && of.consumers.read && !of.suspend && of.promotion.ssm_parameters == ConsumerUpdate::Update
        });
        let is_back = spec.desired == Desired::RolledBack;
        let is_due = is_back || moves && status.state == Some(MigrationState::Completed);
        if !is_due || spec.desired == Desired::Held {
            return None;
        }
        let before = stage.before.region(&spec.account_id, &spec.region)?;
        stage.sim.with_world(|world| {
            let now = world.region(&spec.account_id, &spec.region)?;
            let mut parameters = before.consumers.parameters.iter().filter(|(name, parameter)| {
                let thing = (spec.account_id.clone(), spec.region.clone(), (*name).to_owned());
                let value = parameter.latest().map(|version| &version.value);
                value == Some(&spec.source_image_id)
                    && !notes.touched.contains_key(&thing)
                    && !moving::is_left(migration, name)
            });
            parameters.find_map(|(name, parameter)| {
                let now = now.consumers.parameters.get(name)?;
                misplaced(migration, name, (parameter, now), is_back)
            })
        })
    })
}

/// A label of the version that was the latest at first, which is not where it should be.
fn misplaced(
    migration: &AMIMigration,
    name: &str,
    (before, now): (&Parameter, &Parameter),
    is_back: bool,
) -> Option<String> {
    let rows = migration.status.iter().flat_map(|status| &status.consumers);
    let said = rows.filter(|row| row.id == name).find_map(|row| row.message.as_deref());
    let first = before.latest()?;
    first.labels.iter().find_map(|label| {
        let is = now.version(Some(label))?;
        let is_wrong = if is_back {
            is.number != first.number
        } else {
            is.value == migration.spec.source_image_id
        };
        let is_said = !is_back && said.is_some_and(|said| said.contains(label.as_str()));
        (is_wrong && !is_said).then(|| {
            format!(
                "{label} of {name} was on version {} and is on {}, which holds {}: {}",
                first.number,
                is.number,
                is.value,
                migration.name_any()
            )
        })
    })
}
