//! What people decide on: what is held, what is put back, and what is approved.

use std::time::Duration;

use amiseal::api::labels::TAG_HOLD;
use amiseal::api::{AMIMigration, Desired};
use ec2sim::{ConsumerChange, Edit};
use serde_json::json;

use super::catalogue::Fault;
use super::judge::{READ_BEFORE, Thing};
use super::movers::{MEANWHILE, images_of, parameter_before, template_before};
use super::notes::Hold;
use super::people::{self, MIGRATION};
use super::stage::Stage;

/// How long an image is held: longer than it takes until everything is looked through again.
const HELD: Duration = Duration::from_secs(80 * 60);
/// When it was looked through for sure, which shows tags of images.
const LOOKED_THROUGH: Duration = Duration::from_secs(45 * 60);

/// Holds a consumer for a while, unless it is held all the time.
pub(super) fn hold(stage: &Stage, thing: &Thing, kind: &'static str) {
    let (account, region, id) = thing.clone();
    let tags = template_before(stage, thing).map(|template| template.tags);
    let tags = tags.or_else(|| parameter_before(stage, thing).map(|parameter| parameter.tags));
    if tags.is_none_or(|tags| tags.contains_key(TAG_HOLD)) {
        return;
    }
    let what = format!("{account}/{region} {id}");
    stage.note(|notes| notes.held.push(hold_of(stage, &what, READ_BEFORE)));
    let edit = move |change| Edit::Consumer {
        account: account.clone(),
        region: region.clone(),
        change,
    };
    let (kind, key) = (kind.to_owned(), TAG_HOLD.to_owned());
    let begin = ConsumerChange::Tag {
        kind: kind.clone(),
        id: id.clone(),
        key: key.clone(),
        value: "why not".to_owned(),
    };
    let _ = stage.sim.edit(edit(begin));
    stage.later(MEANWHILE, move |stage| {
        stage.note(|notes| notes.let_go(&what, stage.clock.age()));
        let _ = stage.sim.edit(edit(ConsumerChange::Untag { kind, id, key }));
    });
}

/// What people decide on for a migration, or for its images.
pub(super) fn decide(stage: &Stage, fault: Fault, name: &str, number: u64) {
    let migration = stage.api.get(MIGRATION, ("", name));
    let Some(migration) = migration.and_then(|one| serde_json::from_value::<AMIMigration>((*one).clone()).ok()) else {
        return;
    };
    let name = name.to_owned();
    match fault {
        Fault::MigrationHeld => {
            want(stage, &name, Desired::Held);
            stage.later(MEANWHILE, move |stage| want(stage, &name, Desired::Migrated));
        }
        Fault::MigrationRolledBack => {
            want(stage, &name, Desired::RolledBack);
            if !number.is_multiple_of(2) {
                stage.later(2 * MEANWHILE, move |stage| want(stage, &name, Desired::Migrated));
            }
        }
        Fault::MigrationApproved => {
            let approve = |approval: &str| {
                let change = json!({"spec": {"approval": approval}});
                people::merge(stage, MIGRATION, &name, "", &change);
            };
            approve("Approved");
            if number % 4 == 1 {
                approve("Pending");
            }
        }
        _ => {
            let images = images_of(&migration);
            let image = images.get(usize::from(number.is_multiple_of(2))).or(images.first());
            let Some(image) = image.cloned() else { return };
            stage.note(|notes| notes.held.push(hold_of(stage, &image, LOOKED_THROUGH)));
            tag_image(stage, &image, true);
            stage.later(HELD, move |stage| tag_image(stage, &image, false));
        }
    }
}

fn hold_of(stage: &Stage, what: &str, shows_after: Duration) -> Hold {
    Hold {
        what: what.to_owned(),
        from: stage.clock.age(),
        to: None,
        shows_after,
    }
}

/// From now on people want this of a migration.
pub(super) fn want(stage: &Stage, name: &str, desired: Desired) {
    stage.note(|notes| {
        notes.let_go(name, stage.clock.age());
        let hold = hold_of(stage, name, READ_BEFORE);
        match desired {
            Desired::Held => notes.held.push(hold),
            Desired::RolledBack => notes.rolled_back.push(hold),
            Desired::Migrated => {}
        }
    });
    people::merge(stage, MIGRATION, name, "", &json!({"spec": {"desired": desired}}));
}

fn tag_image(stage: &Stage, image: &str, holds: bool) {
    let tags = stage.sim.with_world(|world| {
        let mut images = world.regions().flat_map(|(_, region)| region.images.values());
        images
            .find(|one| one.id == image)
            .map(|image| image.tags.current().clone())
    });
    let Some(mut tags) = tags else { return };
    if holds {
        tags.insert(TAG_HOLD.to_owned(), String::new());
    } else {
        tags.remove(TAG_HOLD);
        stage.note(|notes| notes.let_go(image, stage.clock.age()));
    }
    let image = image.to_owned();
    let _ = stage.sim.edit(Edit::SetTags { image, tags });
}
