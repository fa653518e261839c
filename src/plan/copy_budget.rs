//! The budget of snapshot copies of one account and region, over all policies: who was admitted, and what AWS allows.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::schedule::{self, Candidate, Head};
use crate::domain::ImageId;

/// How long a limit that AWS has shown is believed: others may copy more or less meanwhile.
const LIMIT_BELIEVED: Duration = Duration::from_secs(600);
/// How long AWS's answer to one copy is waited for where a quota was used up.
const UNTIL_QUOTA_ANSWERED: Duration = Duration::from_secs(600);

/// What is known of the budget.
#[derive(Debug, Default)]
pub struct CopyBudget {
    /// Admitted, but no intent on record yet: the source image and how many snapshots it needs.
    granted: HashMap<ImageId, u32>,
    /// Who waits at the head of the line.
    head: Option<Head>,
    /// How many snapshot copies were in flight or admitted when that was last decided.
    taken: u32,
    /// What AWS turned out to allow, and until when that is believed.
    cap: Option<(u32, Timestamp)>,
    /// It stays until AWS takes a copy that was asked for later: from then on one is asked for at a time.
    used_up: Option<UsedUp>,
}

/// A quota of the account that is used up: since when AWS has said so, and until when no copy is asked for.
#[derive(Debug, Clone, Copy)]
struct UsedUp {
    since: Timestamp,
    until: Timestamp,
}

/// What was decided.
#[derive(Debug, PartialEq, Eq)]
pub struct Admission {
    /// Who may copy now.
    pub admitted: Vec<Candidate>,
    /// Snapshots in flight, with those of the admitted.
    pub in_flight: u32,
    /// How many may be.
    pub limit: u32,
    /// Whether others wait.
    pub waits: bool,
}

impl CopyBudget {
    /// Whether an image was admitted.
    pub fn is_granted(&self, source: &ImageId) -> bool {
        self.granted.contains_key(source)
    }

    /// Takes a grant back, which is not wanted.
    pub fn release(&mut self, source: &ImageId) {
        self.granted.remove(source);
    }

    /// Ends the grants of all but these: their intent is on record, or they no longer want it.
    pub fn keep(&mut self, wanting: &HashSet<ImageId>) {
        self.granted.retain(|source, _| wanting.contains(source));
    }

    /// Admits those of `candidates` that fit beside what was `asked` for already, at most `limit` snapshots in all.
    pub fn admit(&mut self, mut candidates: Vec<Candidate>, asked: u32, limit: u32, now: Timestamp) -> Admission {
        self.cap = self.cap.filter(|(_, until)| *until > now);
        let allowed = self.cap.map_or(limit, |(cap, _)| cap.min(limit));
        let in_flight = asked.saturating_add(self.granted.values().sum());
        candidates.retain(|candidate| !self.is_granted(&candidate.source));
        let mut waiting = schedule::within_quota(candidates, self.used_up.map(|used_up| used_up.until), now);
        if self.used_up.is_some() && !self.granted.is_empty() {
            waiting.clear();
        }
        let count = waiting.len();
        let (admitted, head) = schedule::admit(waiting, in_flight, allowed, self.head.as_ref());
        self.head = head;
        if let Some(used_up) = self.used_up.as_mut().filter(|_| !admitted.is_empty()) {
            // The next one has to wait for what AWS says to this one.
            used_up.until = now + UNTIL_QUOTA_ANSWERED;
        }
        for candidate in &admitted {
            self.granted.insert(candidate.source.clone(), candidate.snapshots);
        }
        self.taken = in_flight + admitted.iter().map(|c| c.snapshots).sum::<u32>();
        Admission {
            waits: count > admitted.len(),
            in_flight: self.taken,
            limit: allowed,
            admitted,
        }
    }

    /// AWS copies fewer snapshots than was thought: what was thought to be in flight without this image's `snapshots` is as much
    /// as goes.
    pub fn is_full(&mut self, snapshots: u32, now: Timestamp) {
        self.cap = Some((self.taken.saturating_sub(snapshots).max(1), now + LIMIT_BELIEVED));
    }

    /// A quota of the account is used up: no copy is asked for until then.
    pub fn is_used_up(&mut self, since: Timestamp, until: Timestamp) {
        self.used_up = Some(UsedUp { since, until });
    }

    /// AWS has taken a copy that was asked for at that time.
    pub fn accepted(&mut self, asked: Timestamp) {
        self.used_up = self.used_up.filter(|used_up| used_up.since > asked);
    }

    /// A user asks for another try: nobody waits any longer for a quota that was used up.
    pub fn retry_now(&mut self, now: Timestamp) {
        if let Some(used_up) = &mut self.used_up {
            used_up.until = now;
        }
    }

    /// What the policy asks for has changed, and with it what is copied.
    pub fn renewed(&mut self) {
        self.used_up = None;
    }

    /// Until when no copy is asked for since a quota is used up.
    pub fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.used_up.map(|used_up| used_up.until).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{at, image_id};

    fn candidates(numbers: std::ops::Range<u64>) -> Vec<Candidate> {
        let of = |number| Candidate {
            source: image_id(number),
            snapshots: 2,
            created: i64::try_from(number).map(at).ok(),
            refused: false,
        };
        numbers.map(of).collect()
    }

    fn admitted(admission: &Admission) -> Vec<ImageId> {
        admission.admitted.iter().map(|c| c.source.clone()).collect()
    }

    #[test]
    fn a_grant_counts_until_its_intent_is_on_record_and_is_given_once() {
        let mut budget = CopyBudget::default();
        let first = budget.admit(candidates(1..5), 0, 4, at(0));
        assert_eq!(admitted(&first), [image_id(1), image_id(2)]);
        assert_eq!((first.in_flight, first.waits), (4, true));
        let second = budget.admit(candidates(1..5), 0, 4, at(1));
        assert_eq!((admitted(&second), second.in_flight), (Vec::new(), 4));
        budget.keep(&[image_id(2)].into());
        let third = budget.admit(candidates(2..5), 2, 4, at(2));
        assert_eq!(
            admitted(&third),
            [],
            "the first one is in flight, and the second is granted still"
        );
        budget.release(&image_id(2));
        assert_eq!(admitted(&budget.admit(candidates(3..5), 2, 4, at(3))), [image_id(3)]);
    }

    #[test]
    fn a_limit_that_aws_shows_is_believed_for_ten_minutes() {
        let mut budget = CopyBudget::default();
        budget.admit(candidates(1..4), 0, 20, at(0));
        budget.is_full(2, at(0));
        budget.keep(&HashSet::new());
        assert_eq!(
            admitted(&budget.admit(candidates(3..9), 0, 20, at(1))).len(),
            2,
            "four snapshots"
        );
        budget.keep(&HashSet::new());
        assert_eq!(admitted(&budget.admit(candidates(3..9), 0, 20, at(600))).len(), 6);
    }

    #[test]
    fn while_a_quota_is_used_up_one_is_asked_for_at_a_time_until_aws_has_taken_one() {
        let mut budget = CopyBudget::default();
        budget.is_used_up(at(10), at(100));
        assert_eq!(
            (budget.waits_until(at(99)), budget.waits_until(at(100))),
            (Some(at(100)), None)
        );
        assert_eq!(admitted(&budget.admit(candidates(1..5), 0, 20, at(99))), []);
        assert_eq!(admitted(&budget.admit(candidates(1..5), 0, 20, at(100))), [image_id(1)]);
        assert_eq!(
            admitted(&budget.admit(candidates(1..5), 0, 20, at(100))),
            [],
            "the first one is not answered"
        );
        budget.accepted(at(5));
        assert!(
            budget.waits_until(at(101)).is_some(),
            "what was asked for before says nothing"
        );
        budget.keep(&HashSet::new());
        budget.retry_now(at(101));
        assert_eq!(
            admitted(&budget.admit(candidates(2..5), 0, 20, at(101))),
            [image_id(2)],
            "a user has asked"
        );
        budget.accepted(at(101));
        assert_eq!(admitted(&budget.admit(candidates(2..5), 0, 20, at(102))).len(), 2);
    }
}
