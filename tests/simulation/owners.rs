//! What the owners of images do to them, after which they are as they were, or as their owners want them.

use std::time::Duration;

use ec2sim::model::Image;
use ec2sim::spec::{Expectation, Garbled, Keep};
use ec2sim::{Edit, OwnerAct};

use super::catalogue::Fault;
use super::people::DISABLED;
use super::stage::Stage;
use super::world::COPIED;

/// For how long something is otherwise with an image.
const MEANWHILE: Duration = Duration::from_secs(20 * 60);

/// Does it to an original; `number` is that of the write that is struck.
pub(super) fn act(stage: &Stage, fault: Fault, original: &Image, number: u64) {
    if fault == Fault::OriginalDisabled {
        stage.note(|notes| {
            notes.shared_otherwise.insert(original.id.clone());
        });
    }
    match fault {
        Fault::OriginalDisabled => disable(stage, &original.id),
        Fault::OriginalUnreadable => {
            let garbled = |garbled| {
                let image = original.id.clone();
                Edit::SetGarbled { image, garbled }
            };
            let how = [Garbled::MappedTwice, Garbled::NamelessDevice];
            let how = how[usize::from(number.is_multiple_of(2))];
            for_a_while(stage, garbled(Some(how)), garbled(None));
        }
        Fault::OriginalArchived => {
            let tier = |tier: &str| Edit::SetStorageTier {
                image: original.id.clone(),
                tier: tier.to_owned(),
            };
            for_a_while(stage, tier("archive"), tier("standard"));
        }
        Fault::OriginalRedescribed => {
            tolerate(stage, original);
            let image = original.id.clone();
            let act = OwnerAct::Describe(format!("Described anew, number {number}"));
            stage.edit(Edit::Owner { image, act });
        }
        other => panic!("{other:?} is no act of an owner"),
    }
}

/// Whether an image is one to which an owner may do this, so that in the end its copy has all that it has: AWS does not give
/// back the launch permissions that it takes from an image that is disabled, and what is published to a copy of somebody's is that
/// one's change in the audit.
pub(super) fn is_meant(fault: Fault, image: &Image) -> bool {
    match fault {
        Fault::OriginalDisabled => image.launch_permissions.current().is_empty(),
        Fault::OriginalRedescribed => image.id != COPIED,
        _ => true,
    }
}

/// Disables an image for so long that a scan shows it.
fn disable(stage: &Stage, image: &str) {
    let does = |act| {
        let image = image.to_owned();
        Edit::Owner { image, act }
    };
    let now = stage.clock.age();
    stage.edit(does(OwnerAct::Disable));
    stage.note(|notes| {
        notes.disabled.entry(image.to_owned()).or_insert(now);
    });
    let (image, enable) = (image.to_owned(), does(OwnerAct::Enable));
    stage.later(DISABLED, move |stage| {
        stage.note(|notes| {
            notes.disabled.remove(&image);
        });
        stage.edit(enable);
    });
}

fn for_a_while(stage: &Stage, begin: Edit, end: Edit) {
    stage.edit(begin);
    stage.later(MEANWHILE, move |stage| stage.edit(end));
}

/// What was published is not changed after its original, and what was not yet is published as the original is by then.
fn tolerate(stage: &Stage, original: &Image) {
    if let Expectation::Copied(mut copied) = original.expect.clone() {
        copied.imds = Keep::Any;
        copied.description = Keep::Any;
        stage.edit(Edit::SetExpectation {
            image: original.id.clone(),
            expect: Expectation::Copied(copied),
        });
    }
}
