//! How many calls of each operation changed something in AWS, and how many had to.

use std::collections::BTreeMap;

use ec2sim::model::World;
use ec2sim::spec::Expectation;
use ec2sim::{Call, Sim};

/// Calls by operation.
pub(crate) type Effects = BTreeMap<String, usize>;

/// What migrating takes when nothing goes wrong: a copy of each image, and a call for each thing that a copy is to have and
/// is not made with.
pub(crate) fn needed(world: &World) -> Effects {
    let images = world.regions().flat_map(|(_, region)| region.images.values());
    let to_copy = images.filter(|image| matches!(image.expect, Expectation::Copied(_)));
    let mut needed = Effects::new();
    for image in to_copy {
        let shared = !image.launch_permissions.current().is_empty();
        let deprecated = image.deprecation_time.current().is_some();
        for (operation, is_needed) in [
            ("CopyImage", true),
            ("ModifyImageAttribute", shared),
            ("EnableImageDeprecation", deprecated),
        ] {
            if is_needed {
                *needed.entry(operation.to_owned()).or_default() += 1;
            }
        }
    }
    needed
}

/// What was done, by the journal. Sessions are no change of anything.
pub(crate) fn done(sim: &Sim) -> Effects {
    let mut done = Effects::new();
    let journal = sim.journal();
    let changes = |call: &&Call| call.effect && call.mutating && call.service != "sts";
    for call in journal.iter().filter(changes) {
        *done.entry(call.operation.clone()).or_default() += 1;
    }
    done
}

/// All of them.
pub(crate) fn total(effects: &Effects) -> usize {
    effects.values().sum()
}
