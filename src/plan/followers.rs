//! Which migrations an account is to have of images of other accounts, whose copies are made there.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{AMIEncryptionTargetSpec, AMIMigration, Approval, Desired, PromotionSettings};
use crate::domain::ImageId;
use crate::plan::usage::Graph;
use crate::plan::{migrations, moving, step};

/// The images of other accounts that get a migration, once each: something that the policy has moved launches them, or a copy of them that
/// is to be put back. `original` says which image that is, where its owner's migration has to do with it.
pub fn wanted(
    graph: &Graph,
    promotion: &PromotionSettings,
    ours: impl Fn(&ImageId) -> bool,
    original: impl Fn(&ImageId) -> Option<ImageId>,
) -> BTreeSet<ImageId> {
    let launched = graph.launched().map(|(image, _)| image);
    let of_others = launched.filter(|image| is_launched(graph, image, promotion) && !ours(image));
    of_others.filter_map(original).collect()
}

/// Whether a migration of another account's image is of no more use. `owner` is the migration of the image's owner, where it is there.
pub fn is_of_no_use(
    follower: &AMIMigration,
    owner: Option<&AMIMigration>,
    settings: &AMIEncryptionTargetSpec,
    graph: &Graph,
    ttl: Duration,
    now: Timestamp,
) -> bool {
    let (status, wanted) = (follower.status.as_ref(), follower.spec.desired);
    // Under another key the copy is another one.
    let is_other = owner.is_some_and(|owner| owner.spec.key_arn != follower.spec.key_arn);
    if let Some(status) = status.filter(|status| step::was_begun(status)) {
        // It is the record of what launches the copy, and by which that is put back.
        let is_idle = !status.consumers.iter().any(moving::may_launch_copy);
        return is_idle && (migrations::is_history(status, ttl, now) || is_other && wanted == Desired::Migrated);
    }
    if is_other {
        return wanted == Desired::Migrated;
    }
    let copies = [status, owner.and_then(|owner| owner.status.as_ref())];
    let copies = copies.into_iter().flatten().filter_map(step::recorded_copy);
    let is_used = || {
        let mut images = follower.spec.source_image_id.parse().into_iter().chain(copies);
        // Of what could not be read, something may launch it.
        !graph.unread().is_empty() || images.any(|image: ImageId| is_launched(graph, &image, &settings.promotion))
    };
    !is_decided(follower) && (owner.is_none() || !is_used())
}

/// Whether a person has said anything in it, which would be lost.
fn is_decided(migration: &AMIMigration) -> bool {
    migration.spec.approval == Approval::Approved || migration.spec.desired != Desired::Migrated
}

/// Whether anything that the policy has moved launches an image.
fn is_launched(graph: &Graph, image: &ImageId, promotion: &PromotionSettings) -> bool {
    let consumers = graph.consumers(image);
    consumers.iter().any(|consumer| promotion.moves_kind(consumer.kind))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::{
        AMIMigrationSpec, AMIMigrationStatus, ConsumerState, ConsumerUpdate, ConsumerVersions, MigrationState,
        MovedConsumer,
    };
    use crate::domain::{ConsumerKind, ImageRef, Launcher, Launches, Readings};
    use crate::plan::testing::{account, at, image_id, key};
    use crate::plan::usage::graph;

    const OWNER: &str = "444455556666";
    const TTL: Duration = Duration::from_secs(24 * 3600);

    fn settings() -> AMIEncryptionTargetSpec {
        let settings = serde_json::json!({
            "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
            "mode": "Enforce", "scanInterval": "15m", "otherKey": "Report", "copy": {},
            "promotion": {"launchTemplates": "Update"},
        });
        serde_json::from_value(settings).expect("settings")
    }

    /// An account of which these launch these images.
    fn launching(of: &[(ConsumerKind, u64)]) -> Graph {
        let launchers = of.iter().enumerate().map(|(number, (kind, image))| Launcher {
            kind: *kind,
            id: format!("consumer-{number}").into(),
            launches: vec![("".into(), Launches::Image(ImageRef::Image(image_id(*image))))],
            owner: None,
        });
        let readings = Readings {
            launchers: launchers.collect(),
            ..Readings::default()
        };
        graph(&readings, &account(), at(0))
    }

    fn migration(of_key: u32) -> AMIMigration {
        let spec = AMIMigrationSpec {
            source_image_id: image_id(1).to_string(),
            key_arn: key(of_key).to_string(),
            owner_account_id: Some(OWNER.to_owned()),
            ..AMIMigrationSpec::default()
        };
        AMIMigration::new("follower", spec)
    }

    #[test]
    fn only_images_of_others_that_something_movable_launches_and_that_have_a_copy_are_followed() {
        let template = ConsumerKind::LaunchTemplate;
        let launched = launching(&[
            (template, 1),
            (template, 2),
            (ConsumerKind::Instance, 4),
            (template, 5),
            (template, 6),
        ]);
        let ours = |id: &ImageId| *id == image_id(2);
        // The last one is a copy of the third.
        let original = |id: &ImageId| match id {
            id if *id == image_id(5) => None,
            id if *id == image_id(6) => Some(image_id(3)),
            id => Some(id.clone()),
        };
        let mut promotion = settings().promotion;
        assert_eq!(
            wanted(&launched, &promotion, ours, original),
            BTreeSet::from([image_id(1), image_id(3)])
        );
        promotion.launch_templates = ConsumerUpdate::Report;
        assert!(wanted(&launched, &promotion, ours, original).is_empty());
    }

    #[test]
    fn what_was_begun_stays_until_its_original_has_been_gone_for_as_long_as_the_policy_says() {
        let row = MovedConsumer {
            previous: Some(ConsumerVersions::default()),
            ..MovedConsumer::default()
        };
        for (gone, expected) in [(None, false), (Some(-3600), false), (Some(-86_400), true)] {
            let status = AMIMigrationStatus {
                state: Some(MigrationState::Completed),
                consumers: vec![row.clone()],
                source_gone_time: gone.map(|seconds| Time(at(seconds))),
                ..AMIMigrationStatus::default()
            };
            let begun = AMIMigration {
                status: Some(status),
                ..migration(1)
            };
            let no_use = is_of_no_use(&begun, None, &settings(), &launching(&[]), TTL, at(0));
            assert_eq!(no_use, expected, "{gone:?}");
            // What launches the copy is known by it.
            let mut in_use = begun;
            let rows = in_use.status.iter_mut().flat_map(|status| &mut status.consumers);
            rows.for_each(|row| row.state = ConsumerState::Moved);
            assert!(
                !is_of_no_use(&in_use, None, &settings(), &launching(&[]), TTL, at(0)),
                "{gone:?}"
            );
        }
    }

    #[test]
    fn what_was_not_begun_goes_with_what_it_is_for_unless_a_person_has_decided_about_it() {
        let [launched, idle] = [&[(ConsumerKind::LaunchTemplate, 1)][..], &[]].map(launching);
        let with = |change: fn(&mut AMIMigrationSpec)| {
            let mut migration = migration(1);
            change(&mut migration.spec);
            migration
        };
        let (plain, same, other) = (with(|_| {}), migration(1), migration(2));
        let held = with(|spec| spec.desired = Desired::Held);
        let approved = with(|spec| spec.approval = Approval::Approved);
        for (follower, owner, graph, expected) in [
            (&plain, Some(&same), &launched, false),
            (&plain, Some(&same), &idle, true),
            (&plain, None, &launched, true),
            (&held, None, &idle, false),
            (&approved, Some(&same), &idle, false),
            // What was approved was another copy. What is held is held.
            (&approved, Some(&other), &launched, true),
            (&held, Some(&other), &launched, false),
        ] {
            let no_use = is_of_no_use(follower, owner, &settings(), graph, TTL, at(0));
            assert_eq!(no_use, expected, "{follower:?}");
        }
    }
}
