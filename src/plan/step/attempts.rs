//! How many attempts have failed, and when no other one follows.
//!
//! The number of an attempt is no count of failures: a token that was used in a former life of the migration is passed over,
//! and nothing has failed by that. What has failed or come out wrong is also recognised where no status tells of it any more.

use super::{Decider, RETRY_EXHAUSTED, passed};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, CopyStatus, MigrationState};
use crate::domain::ImageState;
use crate::plan::adopt;
use crate::plan::obstacle::Problem;
use crate::plan::source_keys;

impl Decider<'_> {
    /// Puts on record what AWS shows of attempts that this migration knows nothing of, as after its policy was deleted and
    /// applied again.
    pub(super) fn recognise_attempts(&self, status: &mut AMIMigrationStatus) {
        if status.copy.is_some() {
            return;
        }
        let of = self.facts.of;
        let failures = self.failures(None);
        let last = adopt::failed(of, self.source, self.inventory)
            .filter_map(|copy| Some((adopt::attempt_of(of, copy)?, copy)))
            .max_by_key(|(attempt, _)| *attempt);
        status.copy = last.map(|(attempt, _)| CopyStatus {
            attempt,
            failures: Some(failures),
            client_token: of.client_token(attempt),
            name: of.copy_name(&self.facts.settings.copy.name_pattern, &self.source.name, attempt),
            image_id: None,
            requested_at: None,
        });
    }

    /// How many attempts have failed, by the record of one that has come to nothing and by what AWS shows.
    pub(super) fn failures(&self, last: Option<&CopyStatus>) -> u32 {
        // A status of an older version counts attempts only.
        let recorded = last.map_or(0, |copy| copy.failures.unwrap_or(copy.attempt));
        let shown = adopt::failed(self.facts.of, self.source, self.inventory).count();
        recorded.max(u32::try_from(shown).unwrap_or(u32::MAX))
    }

    /// Whether all attempts have failed, and nothing has happened since that calls for another one.
    pub(super) fn exhausted(&self, status: &AMIMigrationStatus) -> Option<Problem> {
        let copy = status.copy.as_ref().filter(|copy| copy.image_id.is_none())?;
        let pending = self.facts.record.status.state.unwrap_or_default() == MigrationState::Pending;
        let failures = self.failures(Some(copy));
        if !pending || failures < self.facts.settings.copy.max_attempts {
            return None;
        }
        if self.facts.memory.extra_attempt_after == Some(copy.attempt) {
            return None;
        }
        // One more was allowed already, and waits for its turn: what allowed it is not on record any more. Before any attempt
        // was on record, none was allowed.
        let waits = conditions::find(&status.conditions, conditions::READY);
        let is_known = self.facts.record.status.copy.is_some();
        if is_known && waits.is_some_and(|ready| ready.reason == reason::WAITING_FOR_ADMISSION) {
            return None;
        }
        let retry = self.retry();
        if retry.is_some() && retry != status.observed_retry {
            return None;
        }
        let since = conditions::find(&status.conditions, conditions::STALLED)
            .filter(|c| c.reason == reason::ATTEMPTS_EXHAUSTED)
            .map(|c| c.last_transition_time.0);
        if since.is_some_and(|since| passed(since, self.now, RETRY_EXHAUSTED)) {
            return None;
        }
        // What has failed altogether is removed.
        let wrong: Vec<&str> = adopt::failed(self.facts.of, self.source, self.inventory)
            .filter(|copy| copy.state != ImageState::Failed)
            .take(NAMED)
            .map(|copy| copy.id.as_str())
            .collect();
        let check = source_keys::to_check(self.source, self.inventory, &self.facts.of.key);
        let fix = if wrong.is_empty() {
            check
        } else {
            format!("see what came of {}, {check}", wrong.join(", "))
        };
        Some(Problem::new(
            reason::ATTEMPTS_EXHAUSTED,
            format!(
                "{failures} attempts to copy the image failed: {fix}, then change the annotation amiseal.dev/retry; \
                 another attempt is made once a day."
            ),
        ))
    }
}

/// How many failed copies a message names.
const NAMED: usize = 3;
