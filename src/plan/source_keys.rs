//! The keys that originals are encrypted under: AWS has to decrypt with them to make a copy, and finds out only while it copies.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::obstacle::Problem;
use crate::api::AMIMigrationStatus;
use crate::api::conditions::{self, reason};
use crate::domain::{AwsError, ErrorClass, Image, Inventory, KeyArn, KeyProblem, Operation};

/// After how long keys are read again while one of them cannot be used.
const UNUSABLE: Duration = Duration::from_secs(600);
/// How many keys are read at a time. Few accounts have as many; images under others are copied without asking.
const MOST: usize = 100;

/// What is said of an original's key that cannot be used.
const REASONS: [&str; 4] = [
    reason::SOURCE_KEY_NOT_FOUND,
    reason::SOURCE_KEY_DISABLED,
    reason::SOURCE_KEY_PENDING_DELETION,
    reason::SOURCE_KEY_UNAVAILABLE,
];

/// What is known of the keys that originals are encrypted under. What could not be read is not known, and in nobody's way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceKeys {
    problems: BTreeMap<KeyArn, KeyProblem>,
    /// All that were asked about, whatever came of it.
    asked: BTreeSet<KeyArn>,
    /// Those of them that the role could not read when it was asked last.
    denied: BTreeSet<KeyArn>,
    due: Option<Timestamp>,
}

impl SourceKeys {
    /// KMS has answered: these keys cannot be used.
    pub fn read(problems: BTreeMap<KeyArn, KeyProblem>, now: Timestamp) -> Self {
        Self {
            due: (!problems.is_empty()).then(|| now + UNUSABLE),
            problems,
            asked: BTreeSet::new(),
            denied: BTreeSet::new(),
        }
    }

    /// These are all that KMS was asked about.
    #[must_use]
    pub fn asked(self, keys: BTreeSet<KeyArn>) -> Self {
        Self { asked: keys, ..self }
    }

    /// These are those that the role may not read.
    #[must_use]
    pub fn denied(self, keys: BTreeSet<KeyArn>) -> Self {
        Self { denied: keys, ..self }
    }

    /// Whether KMS was not asked about one of these yet, as where images have come to be wanted since.
    pub fn lacks(&self, keys: &BTreeSet<KeyArn>) -> bool {
        !keys.is_subset(&self.asked)
    }

    /// When they are read again before the next scan; none if there is no need to.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Has them read again now.
    pub fn doubt(&mut self, now: Timestamp) {
        self.due = Some(now);
    }

    /// What is known of a key after this read of it has failed: the same as before, unless the role may not read it any longer, so
    /// that nobody would ever learn otherwise. To be denied once may pass.
    pub fn after_failed_read(&self, key: &KeyArn, error: &AwsError) -> Option<KeyProblem> {
        let may_not_read = is_denial(error) && self.denied.contains(key);
        self.problems.get(key).filter(|_| !may_not_read).copied()
    }

    /// Whether all that is known is the same.
    pub fn says_as(&self, other: &Self) -> bool {
        self.problems == other.problems
    }

    /// What stands in the way of copying `source`, if one of its keys cannot be used.
    pub fn obstacle(&self, source: &Image, inventory: &Inventory) -> Option<Problem> {
        if self.problems.is_empty() {
            return None;
        }
        source.volumes().find_map(|(device, _, id)| {
            let key = inventory.snapshots.get(id)?.key.as_ref()?;
            let problem = self.problems.get(key)?;
            of_source_key(*problem, device, key)
        })
    }
}

/// Whether the role may not read a key.
pub fn is_denial(error: &AwsError) -> bool {
    error.class == ErrorClass::Denied && error.operation == Operation::DescribeKey
}

/// Whether somebody asks for another attempt, by the annotation `amiseal.dev/retry`, of a migration that a key of its original
/// stands in the way of: then the keys are read again now.
pub fn is_asked_about(status: &AMIMigrationStatus, retry: Option<&str>) -> bool {
    let hindered = conditions::find(&status.conditions, conditions::STALLED)
        .is_some_and(|stalled| stalled.status == "True" && REASONS.contains(&stalled.reason.as_str()));
    hindered && retry.is_some() && retry != status.observed_retry.as_deref()
}

/// The keys that snapshots of an image are encrypted under.
pub fn of_image<'a>(image: &'a Image, inventory: &'a Inventory) -> BTreeSet<&'a KeyArn> {
    let keys = image
        .volumes()
        .filter_map(|(_, _, id)| inventory.snapshots.get(id)?.key.as_ref());
    keys.collect()
}

/// The keys to be read for these images, which are to be copied under `key`.
pub fn to_read<'a>(
    images: impl Iterator<Item = &'a Image>,
    inventory: &'a Inventory,
    key: Option<&KeyArn>,
) -> BTreeSet<KeyArn> {
    let keys = images.flat_map(|image| of_image(image, inventory));
    let mut found = BTreeSet::new();
    for other in keys.filter(|other| Some(*other) != key) {
        if found.len() < MOST {
            found.insert(other.clone());
        }
    }
    found
}

/// What to look at where a copy has failed, besides the policy's key.
pub fn to_check(source: &Image, inventory: &Inventory, key: &KeyArn) -> String {
    let others = of_image(source, inventory);
    let others: Vec<&str> = others
        .into_iter()
        .filter(|other| *other != key)
        .map(KeyArn::as_str)
        .collect();
    if others.is_empty() {
        return "check the key's policy".to_owned();
    }
    format!(
        "check the key's policy and that of {}, under which the original is encrypted",
        others.join(", ")
    )
}

fn of_source_key(problem: KeyProblem, device: &str, key: &KeyArn) -> Option<Problem> {
    let exempt = "or exempt the image with spec.imageSelector.exclude";
    let (why, what, fix) = match problem {
        KeyProblem::NotFound => (
            reason::SOURCE_KEY_NOT_FOUND,
            "does not exist any more, so that nobody can read the data",
            "exempt the image with spec.imageSelector.exclude".to_owned(),
        ),
        KeyProblem::Disabled => (
            reason::SOURCE_KEY_DISABLED,
            "is disabled",
            format!("enable that key, {exempt}"),
        ),
        KeyProblem::PendingDeletion => (
            reason::SOURCE_KEY_PENDING_DELETION,
            "is to be deleted",
            format!("cancel that key's deletion and enable it, {exempt}"),
        ),
        KeyProblem::NotReady => (
            reason::SOURCE_KEY_UNAVAILABLE,
            "cannot be used in its present state",
            format!("complete that key's import, {exempt}"),
        ),
        // A snapshot is encrypted under it: it is not wrong for that.
        KeyProblem::WrongRegion | KeyProblem::WrongUsage => return None,
    };
    let message = format!("The original's device {device} is encrypted under {key}, which {what}: {fix}.");
    Some(Problem::new(why, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::{Status, Writer};
    use crate::domain::ImageId;
    use crate::plan::testing::{World, at, failed_call, image, key, snapshot_id};

    fn inventory() -> (ImageId, Inventory) {
        let mut world = World::of([image(1, 2), image(2, 1)]);
        let id = image(1, 2).id;
        let snapshot = world.snapshots.get_mut(&snapshot_id(101)).expect("a snapshot");
        (snapshot.encrypted, snapshot.key) = (true, Some(key(7)));
        (id, world.inventory(at(0)))
    }

    #[test]
    fn a_key_that_kms_was_not_asked_about_is_missing_and_one_that_could_not_be_read_is_not() {
        let keys = |numbers: &[u32]| -> BTreeSet<KeyArn> { numbers.iter().map(|number| key(*number)).collect() };
        assert!(SourceKeys::default().lacks(&keys(&[1])));
        assert!(!SourceKeys::default().lacks(&keys(&[])), "there is nothing to ask");
        let read = SourceKeys::read(BTreeMap::new(), at(0)).asked(keys(&[1, 2]));
        assert!(!read.lacks(&keys(&[2])) && read.lacks(&keys(&[2, 3])));
    }

    #[test]
    fn what_is_known_of_a_key_stays_while_it_cannot_be_read_until_it_is_denied_twice() {
        let once = SourceKeys::read([(key(7), KeyProblem::Disabled)].into(), at(0));
        let twice = once.clone().denied([key(7)].into());
        let (throttled, denied) = (ErrorClass::Throttled, ErrorClass::Denied);
        for (operation, class, forgets) in [
            (Operation::DescribeKey, throttled, false),
            (Operation::AssumeRole, denied, false),
            (Operation::DescribeKey, denied, true),
        ] {
            let error = failed_call(operation, class);
            let disabled = Some(KeyProblem::Disabled);
            assert_eq!(
                once.after_failed_read(&key(7), &error),
                disabled,
                "{operation} {class:?}"
            );
            let left = disabled.filter(|_| !forgets);
            assert_eq!(twice.after_failed_read(&key(7), &error), left, "{operation} {class:?}");
            assert_eq!(once.after_failed_read(&key(8), &error), None, "it was usable");
        }
    }

    #[test]
    fn a_key_of_the_original_that_cannot_be_used_is_named_with_its_device_and_mend() {
        let (id, inventory) = inventory();
        let source = &inventory.images[&id];
        for (problem, why, words) in [
            (KeyProblem::Disabled, reason::SOURCE_KEY_DISABLED, "enable that key"),
            (
                KeyProblem::PendingDeletion,
                reason::SOURCE_KEY_PENDING_DELETION,
                "cancel that key's deletion",
            ),
            (KeyProblem::NotFound, reason::SOURCE_KEY_NOT_FOUND, "exempt the image"),
            (
                KeyProblem::NotReady,
                reason::SOURCE_KEY_UNAVAILABLE,
                "complete that key's import",
            ),
        ] {
            let keys = SourceKeys::read([(key(7), problem)].into(), at(0));
            let problem = keys.obstacle(source, &inventory).expect("an obstacle");
            assert_eq!(problem.reason, why);
            for word in ["/dev/sdb", key(7).as_str(), words] {
                assert!(problem.message.contains(word), "{}", problem.message);
            }
            assert_eq!(keys.due(), Some(at(600)));
        }
        for problem in [KeyProblem::WrongUsage, KeyProblem::WrongRegion] {
            let keys = SourceKeys::read([(key(7), problem)].into(), at(0));
            assert_eq!(keys.obstacle(source, &inventory), None, "{problem:?}");
        }
        // That of another image, or none that is known.
        let keys = SourceKeys::read([(key(8), KeyProblem::Disabled)].into(), at(0));
        assert_eq!(keys.obstacle(source, &inventory), None);
        let keys = SourceKeys::read(BTreeMap::new(), at(0));
        assert_eq!((keys.obstacle(source, &inventory), keys.due()), (None, None));
    }

    #[test]
    fn a_new_value_of_the_annotation_has_the_keys_read_again_while_one_of_them_stands_in_the_way() {
        let stalled = |status: Status, reason: &str, observed: Option<&str>| {
            let mut migration = AMIMigrationStatus {
                observed_retry: observed.map(str::to_owned),
                ..AMIMigrationStatus::default()
            };
            let mut write = Writer {
                conditions: &mut migration.conditions,
                generation: None,
                now: at(0),
            };
            write.set(conditions::STALLED, status, reason, "");
            migration
        };
        for reason in REASONS {
            let hindered = stalled(Status::True, reason, Some("old"));
            assert!(is_asked_about(&hindered, Some("new")), "{reason}");
            assert!(!is_asked_about(&hindered, Some("old")), "{reason}");
            assert!(!is_asked_about(&hindered, None), "{reason}");
        }
        let other = stalled(Status::True, reason::ATTEMPTS_EXHAUSTED, None);
        assert!(!is_asked_about(&other, Some("new")));
        let no_longer = stalled(Status::False, reason::SOURCE_KEY_DISABLED, None);
        assert!(!is_asked_about(&no_longer, Some("new")));
    }

    #[test]
    fn only_keys_other_than_the_policys_are_read_and_named() {
        let (id, inventory) = inventory();
        let images = || inventory.images.values().map(|image| &**image);
        assert_eq!(to_read(images(), &inventory, Some(&key(1))), BTreeSet::from([key(7)]));
        assert_eq!(to_read(images(), &inventory, Some(&key(7))), BTreeSet::new());
        let said = to_check(&inventory.images[&id], &inventory, &key(1));
        assert!(
            said.contains("the key's policy and that of") && said.contains(key(7).as_str()),
            "{said}"
        );
        assert_eq!(to_check(&image(2, 1), &inventory, &key(1)), "check the key's policy");
    }
}
