//! What holds whatever is called.

use std::collections::BTreeSet;

use ec2sim::Sim;
use ec2sim::model::{ImageState, SnapshotState};
use proptest::prelude::*;

use super::support::{ACCOUNT, OWNER, REGION, WEB, client, seconds, world, yaml};

#[derive(Clone, Debug)]
enum Step {
    Copy { source: usize, name: u8, key: u8 },
    Deregister { image: usize, with_snapshots: bool },
    DeleteSnapshot(usize),
    Tag { image: usize, key: u8 },
    Share(usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<usize>(), 0..12_u8, 0..3_u8)
            .prop_map(|(source, name, key)| Step::Copy { source, name, key }),
        1 => (any::<usize>(), any::<bool>())
            .prop_map(|(image, with_snapshots)| Step::Deregister { image, with_snapshots }),
        1 => any::<usize>().prop_map(Step::DeleteSnapshot),
        1 => (any::<usize>(), 0..3_u8).prop_map(|(image, key)| Step::Tag { image, key }),
        1 => any::<usize>().prop_map(Step::Share),
        2 => (0..300_u16).prop_map(Step::Wait),
    ]
}

fn ids(sim: &Sim) -> (Vec<String>, Vec<String>) {
    sim.with_world(|w| {
        w.region(ACCOUNT, REGION)
            .map(|r| {
                (
                    r.images.keys().cloned().collect(),
                    r.snapshots.keys().cloned().collect(),
                )
            })
            .unwrap_or_default()
    })
}

fn pick(from: &[String], n: usize) -> &str {
    from.get(n % from.len().max(1)).map_or(WEB, String::as_str)
}

fn take(sim: &Sim, step: &Step) {
    let c = client(sim, OWNER);
    let (images, snapshots) = ids(sim);
    match step {
        Step::Copy { source, name, key } => {
            let key = ["alias/good", "alias/other", "alias/off"][usize::from(*key)];
            c.copy(pick(&images, *source), &format!("copy-{name}"), key, &[]);
        }
        Step::Deregister { image, with_snapshots } => {
            let also = with_snapshots.to_string();
            c.ec2(
                "DeregisterImage",
                &[("ImageId", pick(&images, *image)), ("DeleteAssociatedSnapshots", &also)],
            );
        }
        Step::DeleteSnapshot(snapshot) => {
            c.ec2("DeleteSnapshot", &[("SnapshotId", pick(&snapshots, *snapshot))]);
        }
        Step::Tag { image, key } => {
            c.ec2(
                "CreateTags",
                &[
                    ("ResourceId.1", pick(&images, *image)),
                    ("Tag.1.Key", &format!("k{key}")),
                ],
            );
        }
        Step::Share(image) => {
            c.ec2(
                "ModifyImageAttribute",
                &[
                    ("ImageId", pick(&images, *image)),
                    ("LaunchPermission.Add.1.Group", "all"),
                ],
            );
        }
        Step::Wait(n) => seconds(sim, u64::from(*n)),
    }
}

/// The world as it must always be.
fn check(sim: &Sim) -> Result<(), TestCaseError> {
    sim.with_world(|w| {
        let Some(region) = w.region(ACCOUNT, REGION) else {
            return Err(TestCaseError::fail("the region is gone"));
        };
        let live: Vec<_> = region.images.values().filter(|i| i.exists()).collect();
        let names: BTreeSet<_> = live.iter().map(|i| &i.name).collect();
        prop_assert_eq!(names.len(), live.len(), "names are unique");
        for image in &live {
            for id in image.snapshot_ids() {
                let snapshot = region.snapshots.get(id);
                prop_assert!(snapshot.is_some_and(|s| s.exists()), "{} has its snapshots", image.id);
                let completed = snapshot.is_some_and(|s| s.state == SnapshotState::Completed);
                prop_assert!(image.state != ImageState::Available || completed);
            }
            let public = image
                .launch_permissions
                .current()
                .contains(&ec2sim::model::LaunchPermission::All);
            prop_assert!(!(public && image.any_encrypted()), "no encrypted image is public");
        }
        prop_assert!(region.snapshots_in_flight() <= region.snapshot_copy_limit);
        Ok(())
    })?;
    for (i, call) in sim.journal().iter().enumerate() {
        prop_assert_eq!(call.seq, i as u64 + 1);
        prop_assert!(!call.effect || (call.mutating && !call.dry_run && call.outcome == "OK"));
        prop_assert_eq!(call.effect, !call.effects.is_empty());
        prop_assert_ne!(call.status, 500);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_called_the_world_stays_whole(steps in prop::collection::vec(step(), 1..60)) {
        let images = "    - {name: three, devices: [{}, {}, {}]}\n    - {name: public, public: true}\n";
        let sim = world(&yaml("consistency: {createSeconds: 30, deleteSeconds: 30}", images, ""));
        for step in &steps {
            take(&sim, step);
            check(&sim)?;
        }
    }
}
