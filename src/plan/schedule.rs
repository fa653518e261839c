//! Which migrations may start copying now, and when to look again.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{ImageId, PendingSnapshot, SnapshotProgress};

/// How long a snapshot that was just asked for counts by itself, as a describe may not show it yet.
const COUNTED_APART: Duration = Duration::from_secs(60);

/// A migration that waits to be admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The source image.
    pub source: ImageId,
    /// How many snapshots its copy needs.
    pub snapshots: u32,
    /// When the source was created; the oldest goes first.
    pub created: Option<Timestamp>,
    /// Whether AWS has refused to copy it already: then it goes behind all that it has not refused.
    pub refused: bool,
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
/// Oldest first, and those that AWS has refused already behind all others: it most likely refuses again, and each call takes
/// a place and time from a copy that could be made. One that does not fit is passed by smaller ones, so that slots are not idle, but by at most `budget`
/// snapshots in all; then the line waits for it. An image with more snapshots than the budget goes alone.
pub fn admit(
    mut candidates: Vec<Candidate>,
    in_flight: u32,
    budget: u32,
    head: Option<&Head>,
) -> (Vec<Candidate>, Option<Head>) {
    candidates.sort_by(|a, b| (a.refused, a.created, &a.source).cmp(&(b.refused, b.created, &b.source)));
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

/// Who may start where AWS has refused copies since a quota of the account is used up: nobody before `used_up`, and then one
/// at a time, until AWS has taken one.
pub fn within_quota(candidates: Vec<Candidate>, used_up: Option<Timestamp>, now: Timestamp) -> Vec<Candidate> {
    match used_up {
        None => candidates,
        Some(until) if now < until => Vec::new(),
        Some(_) => {
            let first = |c: &Candidate| (c.refused, c.created, c.source.clone());
            candidates.into_iter().min_by_key(first).into_iter().collect()
        }
    }
}

/// A copy that was asked for, as the record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The copy's image ID, once AWS has given one.
    pub image: Option<ImageId>,
    /// How many snapshots it needs.
    pub snapshots: u32,
    /// Since when this process has known of it.
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
        let recent = seconds_between(asked.at, progress.began) < COUNTED_APART.as_secs_f64();
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
            min: Duration::from_secs(5),
            max: Duration::from_secs(30),
        }
    }
}

/// How long to wait before the next look at the copies in flight.
///
/// AWS reports each snapshot's progress, so its end can be foreseen: the look comes when the next one should have ended,
/// since a slot stands idle, or a finished copy waits to be verified, until it does. What nothing is known of may end at any time.
pub fn next_poll(progress: &SnapshotProgress, now: Timestamp, bounds: PollBounds) -> Duration {
    if progress.pending.is_empty() {
        // AWS does not show yet what was asked for, or the image of what is complete.
        return bounds.min;
    }
    let passed = seconds_between(progress.began, now);
    let ends = progress
        .pending
        .iter()
        .filter_map(|snapshot| seconds_left(snapshot, progress.began))
        // A little later than foreseen, since a look that comes just before the end is wasted.
        .map(|left| left + 1.0 - passed);
    let next = ends.fold(f64::INFINITY, f64::min);
    Duration::try_from_secs_f64(next.max(0.0)).map_or(bounds.max, |wait| wait.clamp(bounds.min, bounds.max))
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
            refused: false,
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
    fn those_that_were_refused_come_last_however_old() {
        let refused = Candidate {
            refused: true,
            ..candidate(1, 2)
        };
        let (admitted, _) = admit(vec![refused.clone(), candidate(3, 2), candidate(2, 2)], 0, 4, None);
        assert_eq!(names(&admitted), [image_id(2), image_id(3)]);
        let (admitted, _) = admit(vec![refused, candidate(3, 2)], 0, 4, None);
        assert_eq!(names(&admitted), [image_id(3), image_id(1)]);
    }

    #[test]
    fn while_a_quota_is_used_up_nobody_starts_and_then_one_at_a_time() {
        let refused = Candidate {
            refused: true,
            ..candidate(1, 2)
        };
        let waiting = || vec![refused.clone(), candidate(3, 2), candidate(2, 2)];
        for (used_up, expected) in [
            (None, vec![image_id(1), image_id(3), image_id(2)]),
            (Some(at(101)), vec![]),
            (Some(at(100)), vec![image_id(2)]),
        ] {
            assert_eq!(
                names(&within_quota(waiting(), used_up, at(100))),
                expected,
                "{used_up:?}"
            );
        }
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

    fn progress(percents: &[u8]) -> SnapshotProgress {
        SnapshotProgress {
            began: at(100),
            pending: percents.iter().zip(1..).map(|(p, n)| pending(n, n, *p)).collect(),
        }
    }

    fn poll(percents: &[u8]) -> u64 {
        next_poll(&progress(percents), at(100), PollBounds::default()).as_secs()
    }

    #[test]
    fn the_next_look_comes_when_the_next_snapshot_should_be_complete_and_within_half_a_minute() {
        for (percents, wait, why) in [
            (&[80, 90, 20][..], 12, "the first to end is complete after 11 s"),
            (&[97], 5, "never sooner than the minimum"),
            (&[10, 50], 30, "never later than the maximum"),
            (&[0, 85], 18, "what nothing is known of does not delay the others"),
            (&[0], 30, "nothing is known yet"),
            (&[], 5, "AWS shows nothing yet, or is done"),
        ] {
            assert_eq!(poll(percents), wait, "{why}");
        }
    }

    #[test]
    fn a_look_counts_the_time_since_progress_was_read() {
        let later = next_poll(&progress(&[80]), at(115), PollBounds::default());
        assert_eq!(later.as_secs(), 11);
    }

    proptest! {
        #[test]
        fn whatever_the_progress_the_next_look_is_within_bounds(
            percents in prop::collection::vec(0u8..=100, 0..30), passed in 0i64..500, min in 0u64..20, more in 0u64..100,
        ) {
            let bounds = PollBounds { min: Duration::from_secs(min), max: Duration::from_secs(min + more) };
            let wait = next_poll(&progress(&percents), at(100 + passed), bounds);
            prop_assert!((bounds.min..=bounds.max).contains(&wait));
        }
    }
}
