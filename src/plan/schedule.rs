//! Which migrations may start copying now, and when to look again.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{ImageId, PendingSnapshot, SnapshotProgress};

/// How long a snapshot that was just asked for may stay invisible to a describe.
const VISIBLE_AFTER: Duration = Duration::from_secs(60);

/// A migration that waits to be admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The source image.
    pub source: ImageId,
    /// How many snapshots its copy needs.
    pub snapshots: u32,
    /// When the source was created; the oldest goes first.
    pub created: Option<Timestamp>,
}

/// The one who waits at the head of the line while smaller ones pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Who.
    source: ImageId,
    /// How many snapshots have been admitted past it.
    passed: u32,
}

/// Chooses who may start: snapshots in flight, plus those of the chosen, stay within `budget`.
///
/// Oldest first. One that does not fit is passed by smaller ones, so that slots are not idle, but by at most `budget`
/// snapshots in all; then the line waits for it. An image with more snapshots than the budget goes alone.
pub fn admit(
    mut candidates: Vec<Candidate>,
    in_flight: u32,
    budget: u32,
    head: Option<&Head>,
) -> (Vec<Candidate>, Option<Head>) {
    candidates.sort_by(|a, b| (a.created, &a.source).cmp(&(b.created, &b.source)));
    let mut free = budget.saturating_sub(in_flight);
    let mut idle = in_flight == 0;
    let mut waiting: Option<Head> = None;
    let mut admitted = Vec::new();
    for candidate in candidates {
        let alone = candidate.snapshots > budget && idle;
        if alone || (candidate.snapshots <= free && candidate.snapshots <= budget) {
            if let Some(head) = &mut waiting {
                if head.passed + candidate.snapshots > budget {
                    break;
                }
                head.passed += candidate.snapshots;
            }
            free = free.saturating_sub(candidate.snapshots);
            idle = false;
            admitted.push(candidate);
        } else if waiting.is_none() {
            let passed = head.filter(|h| h.source == candidate.source).map_or(0, |h| h.passed);
            waiting = Some(Head {
                source: candidate.source,
                passed,
            });
        }
        if free == 0 {
            break;
        }
    }
    (admitted, waiting)
}

/// A copy that was asked for, as the record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The copy's image ID, once AWS has given one.
    pub image: Option<ImageId>,
    /// How many snapshots it needs.
    pub snapshots: u32,
    /// When the intent was recorded.
    pub at: Timestamp,
}

/// How many snapshots count against the limit: those that AWS shows, whoever asked for them, and those of `asked` that
/// it may not show yet.
pub fn in_flight(progress: &SnapshotProgress, asked: &[Asked]) -> u32 {
    let shown = u32::try_from(progress.pending.len()).unwrap_or(u32::MAX);
    let unseen = asked.iter().map(|asked| {
        let Some(image) = &asked.image else {
            return asked.snapshots;
        };
        let visible = shown_for(progress, image);
        let recent = seconds_between(asked.at, progress.began) < VISIBLE_AFTER.as_secs_f64();
        if recent {
            asked.snapshots.saturating_sub(visible)
        } else {
            0
        }
    });
    shown.saturating_add(unseen.sum())
}

fn shown_for(progress: &SnapshotProgress, image: &ImageId) -> u32 {
    let count = progress
        .pending
        .iter()
        .filter(|s| s.for_image.as_ref() == Some(image))
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The bounds of the poll interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollBounds {
    /// Never sooner.
    pub min: Duration,
    /// Never later.
    pub max: Duration,
}

impl Default for PollBounds {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(15),
            max: Duration::from_secs(120),
        }
    }
}

/// How long to wait before the next look at the copies in flight.
///
/// AWS reports each snapshot's progress, so its end can be foreseen. The next look is due when as many slots should have
/// become free as are `needed` (at least 1), or when all is done.
pub fn next_poll(progress: &SnapshotProgress, needed: u32, now: Timestamp, bounds: PollBounds) -> Duration {
    let mut ends: Vec<f64> = progress
        .pending
        .iter()
        .filter_map(|snapshot| seconds_left(snapshot, progress.began))
        .collect();
    ends.sort_by(f64::total_cmp);
    let index = (needed.max(1) as usize).min(ends.len());
    let passed = seconds_between(progress.began, now);
    match index.checked_sub(1).and_then(|index| ends.get(index)) {
        // A little later than foreseen, since a look that comes just before the end is wasted.
        Some(left) => Duration::from_secs_f64((left * 1.02 + 1.0 - passed).max(0.0)).clamp(bounds.min, bounds.max),
        None if progress.pending.is_empty() => bounds.min,
        None => bounds.min.saturating_mul(2).min(bounds.max),
    }
}

/// Seconds until a snapshot will be complete if it goes on as it did; unknown at 0 %.
fn seconds_left(snapshot: &PendingSnapshot, seen: Timestamp) -> Option<f64> {
    let elapsed = seconds_between(snapshot.started?, seen);
    let percent = f64::from(snapshot.percent.min(100));
    if percent < 1.0 || elapsed <= 0.0 {
        return None;
    }
    // No more than a day: progress may stand still.
    Some((elapsed / percent * (100.0 - percent)).min(86_400.0))
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::testing::{at, image_id, snapshot_id};

    fn candidate(number: u64, snapshots: u32) -> Candidate {
        let created = i64::try_from(number).map(at).ok();
        Candidate {
            source: image_id(number),
            snapshots,
            created,
        }
    }

    fn names(admitted: &[Candidate]) -> Vec<ImageId> {
        admitted.iter().map(|c| c.source.clone()).collect()
    }

    #[test]
    fn the_oldest_go_first_and_fill_the_budget() {
        let (admitted, head) = admit(vec![candidate(3, 2), candidate(1, 2), candidate(2, 2)], 0, 4, None);
        assert_eq!(names(&admitted), [image_id(1), image_id(2)]);
        assert_eq!(head, None);
    }

    #[test]
    fn smaller_ones_pass_one_that_does_not_fit_but_not_for_ever() {
        let budget = 4;
        let mut head = None;
        let mut passed = 0;
        // One slot of four is always busy with something else: image 1 needs all four.
        for number in 2..20 {
            let (admitted, next) = admit(vec![candidate(1, 4), candidate(number, 1)], 1, budget, head.as_ref());
            head = next;
            passed += admitted.len();
        }
        assert_eq!(passed, 4, "as many snapshots pass as the budget has");
        let (admitted, head) = admit(vec![candidate(1, 4), candidate(20, 1)], 0, budget, head.as_ref());
        assert_eq!((names(&admitted), head), (vec![image_id(1)], None));
    }

    #[test]
    fn an_image_larger_than_the_budget_goes_alone() {
        let big = || vec![candidate(1, 30), candidate(2, 1)];
        let (admitted, _) = admit(big(), 0, 20, None);
        assert_eq!(names(&admitted), [image_id(1)]);
        let (admitted, _) = admit(big(), 1, 20, None);
        assert_eq!(names(&admitted), [image_id(2)]);
    }

    proptest! {
        #[test]
        fn admission_never_exceeds_the_budget_unless_one_goes_alone(
            sizes in prop::collection::vec(1u32..6, 0..40), busy in 0u32..25, budget in 1u32..25,
        ) {
            let candidates: Vec<_> = sizes.iter().zip(1..).map(|(s, n)| candidate(n, *s)).collect();
            let (admitted, _) = admit(candidates, busy, budget, None);
            let sum: u32 = admitted.iter().map(|c| c.snapshots).sum();
            let alone = admitted.len() == 1 && busy == 0;
            prop_assert!(sum == 0 || alone || busy + sum <= budget);
        }

        #[test]
        fn when_nothing_is_in_flight_somebody_is_admitted(sizes in prop::collection::vec(1u32..40, 1..10), budget in 1u32..25) {
            let candidates: Vec<_> = sizes.iter().zip(1..).map(|(s, n)| candidate(n, *s)).collect();
            let (admitted, _) = admit(candidates, 0, budget, None);
            prop_assert!(!admitted.is_empty());
        }
    }

    fn pending(number: u64, image: u64, percent: u8) -> PendingSnapshot {
        PendingSnapshot {
            id: snapshot_id(number),
            for_image: Some(image_id(image)),
            started: Some(at(0)),
            percent,
        }
    }

    #[test]
    fn what_was_asked_for_counts_before_aws_shows_it_and_once_when_it_does() {
        let progress = |pending| SnapshotProgress {
            began: at(100),
            pending,
        };
        let asked = |image: Option<u64>, seconds| Asked {
            image: image.map(image_id),
            snapshots: 3,
            at: at(seconds),
        };
        // Only an intent.
        assert_eq!(in_flight(&progress(vec![]), &[asked(None, 0)]), 3);
        // Just asked for: one is shown, two are not yet.
        assert_eq!(in_flight(&progress(vec![pending(1, 5, 0)]), &[asked(Some(5), 90)]), 3);
        // Long ago: what is not pending any more is done.
        assert_eq!(in_flight(&progress(vec![pending(1, 5, 0)]), &[asked(Some(5), 10)]), 1);
        // Somebody else's count as well.
        assert_eq!(in_flight(&progress(vec![pending(1, 77, 0)]), &[asked(Some(5), 90)]), 4);
    }

    #[test]
    fn the_next_look_comes_when_enough_slots_should_be_free() {
        let bounds = PollBounds::default();
        let look = |percents: &[u8], needed| {
            let pending = percents.iter().zip(1..).map(|(p, n)| pending(n, n, *p)).collect();
            next_poll(
                &SnapshotProgress {
                    began: at(100),
                    pending,
                },
                needed,
                at(100),
                bounds,
            )
            .as_secs()
        };
        assert_eq!(look(&[50, 90], 1), 15, "11 s left, but never sooner than the minimum");
        assert_eq!(look(&[50, 80], 1), 26);
        assert_eq!(look(&[50, 80], 2), 103);
        assert_eq!(look(&[10], 1), 120, "900 s left, but never later than the maximum");
        assert_eq!(look(&[0], 1), 30, "nothing is known yet");
        assert_eq!(look(&[], 1), 15);
    }
}
