//! Which migrations a target is to have, beside those that it has.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::classify::Wanted;
use super::moving;
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, MigrationState};
use crate::domain::{ImageId, KeyArn};

/// At most this many migrations of a target wait as `Pending`; more are only counted. So a key or role that does not work
/// makes no object, and no vain copy, for each of thousands of images.
pub const MAX_PENDING: usize = 500;

/// A migration that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Its source.
    pub source: ImageId,
    /// The key that is pinned in it.
    pub key: String,
    /// How far it has come.
    pub state: MigrationState,
    /// Whether AWS was asked for a copy that may be there or come to be.
    pub begun: bool,
    /// Whether it is stalled, and the selector does not mean its image any more.
    pub dismissed: bool,
    /// Whether it [is the record](is_record) of consumers that were moved.
    pub is_record: bool,
    /// Whether it [cannot go on for its image's own sake](is_blocked_by_image).
    pub aside: bool,
    /// Whether it is [history that is old enough](is_history), and [of no more use](is_of_use).
    pub history: bool,
}

/// Whether a migration cannot go on for its image's own sake: then another one goes in its place, however many there are.
pub fn is_blocked_by_image(status: &AMIMigrationStatus) -> bool {
    const OF_IMAGE: [&str; 11] = [
        reason::UNKNOWN_IMAGES,
        reason::IMAGE_DISABLED,
        reason::SNAPSHOT_ARCHIVED,
        reason::SNAPSHOT_LOCAL,
        reason::INSTANCE_STORE_IMAGE,
        reason::PUBLIC_IMAGE,
        reason::DEFAULT_KEY_CANNOT_BE_SHARED,
        reason::SOURCE_KEY_DISABLED,
        reason::SOURCE_KEY_PENDING_DELETION,
        reason::SOURCE_KEY_NOT_FOUND,
        reason::SOURCE_KEY_UNAVAILABLE,
    ];
    stalled_for(status).is_some_and(|why| OF_IMAGE.contains(&why))
}

/// Whether all attempts of a migration have failed, for the image's own sake: then it stands aside. They may have failed for the
/// policy's key or the role, and then all others would fail as well: so there has to be another explanation, the original's own
/// key, or that other copies under the policy's key have been made.
pub fn is_exhausted_for_its_own_sake(status: &AMIMigrationStatus, is_explained: impl FnOnce() -> bool) -> bool {
    stalled_for(status) == Some(reason::ATTEMPTS_EXHAUSTED) && is_explained()
}

/// Whether a migration is done or stuck, so that nobody has to wait for it.
pub fn is_settled(status: &AMIMigrationStatus) -> bool {
    status.state == Some(MigrationState::Completed) || conditions::is_true(&status.conditions, conditions::STALLED)
}

fn stalled_for(status: &AMIMigrationStatus) -> Option<&str> {
    let stalled = conditions::find(&status.conditions, conditions::STALLED);
    stalled.filter(|c| c.status == "True").map(|c| c.reason.as_str())
}

/// Whether a migration is done, and its original has been gone for as long as the policy has such kept.
pub fn is_history(status: &AMIMigrationStatus, ttl: Duration, now: Timestamp) -> bool {
    let gone = status.source_gone_time.as_ref();
    let is_done = status.state == Some(MigrationState::Completed);
    is_done && gone.is_some_and(|gone| now.duration_since(gone.0).as_secs_f64() >= ttl.as_secs_f64())
}

/// Whether a migration whose original is gone is of use for as long as that is so: consumers were moved to its copy, and it is the record
/// of that, or the copy is there and the policy has a map, in which it stands for the original.
pub fn is_of_use(status: &AMIMigrationStatus, is_copy_there: bool, is_mapped: bool) -> bool {
    is_copy_there && is_mapped || is_record(status)
}

/// Whether a migration is the record of consumers that may launch its copy: nothing else says what they launched before, or that somebody
/// wants them put back.
pub fn is_record(status: &AMIMigrationStatus) -> bool {
    status.consumers.iter().any(moving::may_launch_copy)
}

/// What is to be created and deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Images that get a migration, oldest first.
    pub create: Vec<ImageId>,
    /// Images whose migration goes: nothing was begun and it is not wanted, or not under this key, any more, or it
    /// could not go on, nothing was moved to its copy and the image was exempted, or its original has been gone for long.
    pub delete: Vec<ImageId>,
}

/// Compares the wanted migrations with those that are there.
///
/// One that has begun is finished and then says what became of its image, unless it cannot go on and a person exempts
/// the image; one to whose copy consumers were moved stays also then. `known` tells whether the inventory shows an
/// image at all; a migration of one that is gone ends as such by itself. Images in `taken` have a migration of somebody else.
pub fn changes(
    wanted: &[Wanted],
    present: &[Present],
    taken: &HashSet<ImageId>,
    key: &KeyArn,
    known: impl Fn(&ImageId) -> bool,
) -> Changes {
    let wanted_ids: HashSet<&ImageId> = wanted.iter().map(|w| &w.image).collect();
    let mut there: HashMap<&ImageId, &Present> = present.iter().map(|p| (&p.source, p)).collect();
    let mut changes = Changes::default();
    for migration in present {
        let right = wanted_ids.contains(&migration.source) && migration.key == key.as_str();
        let idle = !migration.begun && !right || migration.dismissed && !migration.is_record;
        let is_known = known(&migration.source);
        let unwanted = idle && migration.state != MigrationState::Completed && is_known;
        if unwanted || migration.history && !is_known {
            changes.delete.push(migration.source.clone());
            there.remove(&migration.source);
        }
    }
    let waits = |p: &&&Present| p.state == MigrationState::Pending && !p.aside;
    let room = MAX_PENDING.saturating_sub(there.values().filter(waits).count());
    // What was just deleted is created again, under the new key, once it is gone: its name is still taken now.
    let deleted: HashSet<&ImageId> = changes.delete.iter().collect();
    changes.create = wanted
        .iter()
        .map(|w| &w.image)
        .filter(|id| !there.contains_key(id) && !deleted.contains(id) && !taken.contains(id))
        .take(room)
        .cloned()
        .collect();
    changes
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::conditions::Status;
    use crate::api::{ConsumerState, ConsumerVersions, MovedConsumer};
    use crate::plan::testing::{at, image_id, key};

    fn wanted(numbers: impl IntoIterator<Item = u64>) -> Vec<Wanted> {
        numbers
            .into_iter()
            .map(|n| Wanted {
                image: image_id(n),
                created: Some(at(0)),
            })
            .collect()
    }

    fn nobody() -> HashSet<ImageId> {
        HashSet::new()
    }

    fn present(number: u64, of_key: u32, state: MigrationState, begun: bool) -> Present {
        Present {
            source: image_id(number),
            key: key(of_key).to_string(),
            state,
            begun,
            dismissed: false,
            is_record: false,
            aside: false,
            history: false,
        }
    }

    #[test]
    fn what_has_failed_altogether_stands_aside_only_where_the_policys_key_is_not_to_blame() {
        let stalled = |reason: &str| {
            let mut status = AMIMigrationStatus::default();
            let mut write = conditions::Writer {
                conditions: &mut status.conditions,
                generation: None,
                now: at(0),
            };
            write.set(conditions::STALLED, conditions::Status::True, reason, "");
            status
        };
        let exhausted = stalled(reason::ATTEMPTS_EXHAUSTED);
        assert!(is_exhausted_for_its_own_sake(&exhausted, || true));
        assert!(!is_exhausted_for_its_own_sake(&exhausted, || false));
        let other = stalled(reason::ACCESS_DENIED);
        assert!(!is_exhausted_for_its_own_sake(&other, || true));
        assert!(!is_exhausted_for_its_own_sake(&AMIMigrationStatus::default(), || true));
    }

    #[test]
    fn what_is_wanted_and_missing_is_created_up_to_the_limit_of_pending_ones() {
        let changes = super::changes(&wanted(1..=600), &[], &nobody(), &key(1), |_| true);
        assert_eq!((changes.create.len(), changes.delete.len()), (MAX_PENDING, 0));
        assert_eq!(changes.create[0], image_id(1));
        let there: Vec<_> = (1..=499)
            .map(|n| present(n, 1, MigrationState::Pending, false))
            .collect();
        let changes = super::changes(&wanted(1..=600), &there, &nobody(), &key(1), |_| true);
        assert_eq!(changes.create, [image_id(500)]);
        let done: Vec<_> = (1..=499)
            .map(|n| present(n, 1, MigrationState::Completed, true))
            .collect();
        assert_eq!(
            super::changes(&wanted(1..=600), &done, &nobody(), &key(1), |_| true)
                .create
                .len(),
            101
        );
    }

    #[test]
    fn images_that_can_never_be_copied_keep_no_other_from_its_turn() {
        let aside = (1..=500).map(|n| Present {
            aside: true,
            ..present(n, 1, MigrationState::Pending, false)
        });
        let there: Vec<_> = aside.collect();
        let changes = super::changes(&wanted(1..=502), &there, &nobody(), &key(1), |_| true);
        assert_eq!(changes.create, [image_id(501), image_id(502)]);
    }

    #[test]
    fn a_migration_stands_aside_while_its_image_is_what_hinders_it() {
        let stalled = |is, reason| {
            let mut status = AMIMigrationStatus::default();
            conditions::set_condition(&mut status.conditions, conditions::STALLED, is, reason, "", None, at(0));
            status
        };
        assert!(is_blocked_by_image(&stalled(Status::True, reason::PUBLIC_IMAGE)));
        assert!(!is_blocked_by_image(&stalled(Status::False, reason::PUBLIC_IMAGE)));
        // These may hold for all images, and each attempt is a copy in vain.
        assert!(!is_blocked_by_image(&stalled(Status::True, reason::ATTEMPTS_EXHAUSTED)));
        assert!(!is_blocked_by_image(&stalled(Status::True, reason::KEY_DISABLED)));
        assert!(!is_blocked_by_image(&AMIMigrationStatus::default()));
    }

    #[test]
    fn what_is_done_goes_when_its_original_has_been_gone_for_as_long_as_the_policy_says() {
        let ttl = Duration::from_secs(24 * 3600);
        let gone = |state, seconds: Option<i64>| AMIMigrationStatus {
            state: Some(state),
            source_gone_time: seconds.map(|seconds| Time(at(-seconds))),
            ..AMIMigrationStatus::default()
        };
        for (status, expected) in [
            (gone(MigrationState::Completed, Some(86_400)), true),
            (gone(MigrationState::Completed, Some(86_399)), false),
            (gone(MigrationState::Completed, None), false),
            (gone(MigrationState::Copying, Some(86_400)), false),
        ] {
            assert_eq!(is_history(&status, ttl, at(0)), expected, "{status:?}");
        }
        let history = |number| Present {
            history: true,
            ..present(number, 1, MigrationState::Completed, true)
        };
        // The original of the second shows again.
        let there = [history(1), history(2)];
        let changes = super::changes(&[], &there, &nobody(), &key(1), |id| *id == image_id(2));
        assert_eq!(changes.delete, [image_id(1)]);
    }

    #[test]
    fn history_is_of_use_while_its_copy_is_in_the_map_or_consumers_were_moved_to_it() {
        let row = |state, begun: bool| MovedConsumer {
            state,
            previous: begun.then(ConsumerVersions::default),
            ..MovedConsumer::default()
        };
        let (moved, back) = (row(ConsumerState::Moved, true), row(ConsumerState::PutBack, true));
        let left = row(ConsumerState::Left, false);
        for (rows, is_copy_there, is_mapped, expected) in [
            (vec![], true, true, true),
            (vec![], true, false, false),
            (vec![], false, true, false),
            (vec![back, left.clone()], true, false, false),
            (vec![left, moved.clone()], true, false, true),
            // That its copy is no more is to be said.
            (vec![moved], false, true, true),
        ] {
            let status = AMIMigrationStatus {
                consumers: rows,
                ..AMIMigrationStatus::default()
            };
            assert_eq!(is_of_use(&status, is_copy_there, is_mapped), expected, "{status:?}");
            assert_eq!(
                is_record(&status),
                expected && !(is_copy_there && is_mapped),
                "{status:?}"
            );
        }
    }

    #[test]
    fn only_what_was_never_begun_is_deleted() {
        use MigrationState::{Completed, Copying, Pending};
        let there = [
            present(1, 1, Pending, false),
            present(2, 1, Pending, true),
            present(3, 1, Copying, true),
            present(4, 1, Completed, true),
            present(5, 2, Pending, false),
            present(6, 1, Pending, false),
        ];
        let changes = super::changes(&wanted([5, 6]), &there, &nobody(), &key(1), |_| true);
        assert_eq!(changes.delete, [image_id(1), image_id(5)]);
        assert_eq!(changes.create, [], "the name of 5 is still taken");
        let after = super::changes(&wanted([5, 6]), &there[1..4], &nobody(), &key(1), |_| true);
        assert_eq!(after.create, [image_id(5), image_id(6)]);
    }

    #[test]
    fn one_that_cannot_go_on_is_deleted_when_its_image_is_exempted() {
        use MigrationState::{Completed, Copying, Promoting, Verifying};
        let dismissed = |number, state| Present {
            dismissed: true,
            ..present(number, 1, state, true)
        };
        let there = [
            dismissed(1, Verifying),
            dismissed(2, Promoting),
            present(3, 1, Verifying, true),
            dismissed(4, Completed),
            // Every call of it was refused.
            present(5, 1, Copying, false),
            // Consumers launch its copy, and are to be put back to an original that is disabled.
            Present {
                is_record: true,
                ..dismissed(6, Promoting)
            },
        ];
        let changes = super::changes(&[], &there, &nobody(), &key(1), |_| true);
        assert_eq!(changes.delete, [image_id(1), image_id(2), image_id(5)]);
    }

    #[test]
    fn a_migration_whose_image_is_gone_is_left_to_end_by_itself() {
        let there = [present(1, 1, MigrationState::Pending, false)];
        assert_eq!(
            super::changes(&[], &there, &nobody(), &key(1), |_| false),
            Changes::default()
        );
    }

    #[test]
    fn an_image_whose_migration_is_somebody_elses_waits_without_taking_a_place() {
        let taken: HashSet<ImageId> = (1..=500).map(image_id).collect();
        let changes = super::changes(&wanted(1..=502), &[], &taken, &key(1), |_| true);
        assert_eq!(changes.create, [image_id(501), image_id(502)]);
    }
}
