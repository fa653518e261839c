//! Migrations that follow those of other accounts: whose their images and copies are, what people want of them, what must stay on
//! record in them, and what has to be said in the end of what launches another account's image.

use std::time::Duration;

use amiseal::api::conditions::{self, reason};
use amiseal::api::{
    AMIEncryptionTarget, AMIMigration, ConsumerState, ConsumerUpdate, Desired, MigrationState, Mode, MovedConsumer,
    labels,
};
use ec2sim::Sim;
use ec2sim::model::{Image, Parameter, Region, World};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::invariants::{Broken, Promise};
use super::moving::still_launching;
use super::notes::{Hold, Notes};
use super::watchman::Objects;

/// The word that is reached when a migration has moved what launches another account's image.
pub(crate) const MOVED: &str = "moved elsewhere";

/// Whether a migration is of another account's image.
pub(crate) fn is_follower(migration: &AMIMigration) -> bool {
    migration.spec.owner_account_id.is_some()
}

/// Whether a migration says that it has moved what launches another account's image.
pub(crate) fn has_moved(migration: &AMIMigration) -> bool {
    is_follower(migration) && rows(migration).any(|row| row.state == ConsumerState::Moved)
}

/// Where the image of a migration is, and its copy.
pub(crate) fn home<'w>(world: &'w World, migration: &AMIMigration) -> Option<&'w Region> {
    let spec = &migration.spec;
    world.region(spec.owner_account_id.as_ref().unwrap_or(&spec.account_id), &spec.region)
}

/// The migration that another one follows.
fn followed<'o>(migration: &AMIMigration, objects: &'o Objects) -> Option<&'o AMIMigration> {
    let spec = &migration.spec;
    spec.owner_account_id.as_ref()?;
    let name = labels::migration_name(&spec.source_image_id, &spec.region);
    find(&name, objects)
}

/// The migration of this name.
pub(crate) fn find<'o>(name: &str, objects: &'o Objects) -> Option<&'o AMIMigration> {
    let mut migrations = objects.migrations.iter().map(|migration| &**migration);
    migrations.find(|migration| migration.name_any() == name)
}

/// What people want of what launches a migration's image: whoever holds the migration that it follows, or has it rolled back, wants
/// that in all accounts.
pub(crate) fn desired(migration: &AMIMigration, objects: &Objects) -> Desired {
    match migration.spec.desired {
        Desired::Migrated => followed(migration, objects).map_or(Desired::Migrated, |owner| owner.spec.desired),
        own => own,
    }
}

/// Whether the original of a migration is said to be gone.
pub(crate) fn is_source_gone(migration: &AMIMigration, objects: &Objects) -> bool {
    let is_said = |migration: &AMIMigration| {
        let status = migration.status.as_ref();
        status.is_some_and(|status| status.source_gone_time.is_some())
    };
    is_said(migration) || followed(migration, objects).is_some_and(is_said)
}

/// Whether what launches a migration's image is to be moved to the copy that is on record in it, as far as that is for others to say.
pub(crate) fn is_offered(migration: &AMIMigration, objects: &Objects) -> bool {
    if !is_follower(migration) {
        return true;
    }
    let offered = followed(migration, objects).and_then(offered);
    offered.is_some() && offered == copy_of(migration)
}

/// The copy that a migration has for those who launch its image in other accounts.
fn offered(owner: &AMIMigration) -> Option<&str> {
    let status = owner.status.as_ref().filter(|_| !is_follower(owner))?;
    let is_done = status.state == Some(MigrationState::Completed) && status.source_gone_time.is_none();
    let is_good = |type_| conditions::is_true(&status.conditions, type_);
    let is_wanted = owner.spec.desired == Desired::Migrated;
    let copy = copy_of(owner).filter(|_| is_done && is_wanted);
    copy.filter(|_| is_good(conditions::VERIFIED) && is_good(conditions::PROMOTED))
}

fn copy_of(migration: &AMIMigration) -> Option<&str> {
    migration.status.as_ref()?.copy.as_ref()?.image_id.as_deref()
}

fn rows(migration: &AMIMigration) -> impl Iterator<Item = &MovedConsumer> {
    migration.status.iter().flat_map(|status| &status.consumers)
}

fn said(migration: &AMIMigration) -> &[Condition] {
    let status = migration.status.as_ref();
    status.map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// Whether a migration says that it waits for the one that it follows, or is held with it.
pub(crate) fn waits_for_owner(migration: &AMIMigration) -> bool {
    let ready = conditions::find(said(migration), conditions::READY);
    let waits = [reason::HELD, reason::WAITING_FOR_OWNER];
    is_follower(migration) && ready.is_some_and(|ready| waits.contains(&ready.reason.as_str()))
}

/// By which migrations an account moves what launches an image.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The name of its own.
    pub(crate) own: String,
    /// The name of the one that it follows, where the image is another account's.
    owners: Option<String>,
}

impl Names {
    pub(crate) fn of(world: &World, (account, region): (&str, &str), source: &str) -> Self {
        let name = labels::migration_name(source, region);
        let is_others = |image: &Image| image.owner != account;
        if world.image(region, source).is_some_and(is_others) {
            return Self {
                own: labels::follower_name(source, region, account),
                owners: Some(name),
            };
        }
        Self {
            own: name,
            owners: None,
        }
    }

    /// Whether one of them has this name.
    pub(crate) fn have(&self, name: &str) -> bool {
        self.own == name || self.owners.as_deref() == Some(name)
    }

    /// The one that has made the copy.
    pub(crate) fn of_copy(&self) -> &str {
        self.owners.as_ref().unwrap_or(&self.own)
    }

    /// Whether what was done then should not have been, for this hold. Of what is held in another account, a process hears by a watch
    /// alone, and is not refused a write that it has decided on without it.
    pub(crate) fn are_hindered(&self, hold: &Hold, at: Duration, notes: &Notes) -> bool {
        if self.owners.is_some() && hold.what != self.own {
            hold.reaches_others(at, notes)
        } else {
            hold.hinders(at, notes)
        }
    }
}

/// Whether consumers may launch a migration's copy, by what is on record.
pub(crate) fn may_launch_copy(migration: &AMIMigration) -> bool {
    let launches = |row: &MovedConsumer| {
        let is_begun = matches!(
            row.state,
            ConsumerState::Moving | ConsumerState::Moved | ConsumerState::Refreshing | ConsumerState::PuttingBack
        );
        is_begun && row.previous.is_some()
    };
    rows(migration).any(launches)
}

/// The copy that consumers were moved to, and that a process has put another one in the place of.
pub(crate) fn forgets(before: &AMIMigration, after: &AMIMigration) -> Option<Broken> {
    let known = copy_of(before).filter(|_| may_launch_copy(before))?;
    (copy_of(after) != Some(known)).then(|| {
        let how = format!("{}: consumers were moved to {known}", after.name_any());
        Broken::new(Promise::NothingForgotten, how)
    })
}

/// What was there before something was moved, which a process has deleted the record of, though what was moved names the original or its
/// copy.
pub(crate) fn drops(migration: &AMIMigration, world: &World, notes: &Notes) -> Option<Broken> {
    let spec = &migration.spec;
    let region = world.region(&spec.account_id, &spec.region)?;
    let images = [Some(spec.source_image_id.as_str()), copy_of(migration)];
    let is_needed = |row: &&MovedConsumer| {
        let thing = (spec.account_id.clone(), spec.region.clone(), row.id.clone());
        let template = region.consumers.launch_templates.get(&row.id);
        let by = |which| template.and_then(|template| template.version(Some(which))?.image.as_deref());
        let value = region.consumers.parameters.get(&row.id).and_then(Parameter::latest);
        let value = value.map(|version| version.value.as_str());
        let named = [by("$Default"), by("$Latest"), value];
        let is_named = named.iter().any(|named| named.is_some() && images.contains(named));
        row.previous.is_some() && is_named && !notes.touched.contains_key(&thing)
    };
    let row = rows(migration).find(is_needed)?;
    let how = format!(
        "{}: what {} was before is no longer on record",
        migration.name_any(),
        row.id
    );
    Some(Broken::new(Promise::NothingForgotten, how))
}

/// What launches another account's image in the end, though that has a copy and the policies want it to be moved, and nobody says why it
/// is left.
pub(crate) fn unfollowed(sim: &Sim, objects: &Objects) -> Option<String> {
    let now = sim.now();
    sim.with_world(|world| {
        objects.migrations.iter().find_map(|owner| {
            let region = owner.spec.region.as_str();
            let copy = world.image(region, offered(owner)?)?;
            let mut targets = objects.targets.iter().filter(|target| may_move(target, owner));
            targets.find_map(|target| {
                let account = target.spec.account_id.as_str();
                let may = world.may_launch(account, copy, now);
                unsaid(owner, (account, world.region(account, region)?), may, objects)
            })
        })
    })
}

/// Whether the policy of another account has what launches images moved.
fn may_move(target: &AMIEncryptionTarget, owner: &AMIMigration) -> bool {
    let of = &target.spec;
    let is_elsewhere = of.region == owner.spec.region && of.account_id != owner.spec.account_id;
    let moves = of.consumers.read && of.promotion.launch_templates == ConsumerUpdate::Update;
    is_elsewhere && moves && of.mode == Mode::Enforce && !of.suspend
}

/// What is neither done nor said of an image that is launched in another account, which `may` launch the copy.
fn unsaid(owner: &AMIMigration, place: (&str, &Region), may: bool, objects: &Objects) -> Option<String> {
    let (account, region) = place;
    let source = &owner.spec.source_image_id;
    let name = labels::follower_name(source, &owner.spec.region, account);
    let follower = find(&name, objects);
    let launches = still_launching(region, source, follower);
    let Some(follower) = follower else {
        return launches.map(|what| format!("{what} of {account} launches {source}, and there is no {name}"));
    };
    if follower.spec.desired != Desired::Migrated {
        return None;
    }
    let status = follower.status.as_ref();
    if may && copy_of(follower) == copy_of(owner) {
        let is_done = status.is_some_and(|status| status.state == Some(MigrationState::Completed));
        // A service whose role may not use the key is nobody's to put right.
        let key = status.is_some_and(|status| status.stalled.as_deref() == Some(reason::KEY_NOT_USABLE));
        let is_done = is_done && !waits_for_owner(follower) || key;
        return (!is_done).then(|| format!("{name} has a copy to move to, and is not done: {status:?}"));
    }
    let says_why = conditions::is_true(said(follower), conditions::STALLED);
    let unsaid = launches.filter(|_| !says_why);
    unsaid.map(|what| format!("{name} does not say why {what} still launches {source}: {status:?}"))
}
