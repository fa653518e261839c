//! From the intent to a copy that is there: asking for it, taking one on, following it, and giving it up.

use super::consumers;
use super::judging::other_source;
use super::statuses::{self, stalled};
use super::transitions::{attempt_failed, passed_over};
use super::{
    CopyCall, Decider, Effect, Next, Step, VISIBLE_AFTER, confirm_absence, passed, recorded_copy, was_refused,
};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, CopyStatus, MigrationState};
use crate::domain::{ImageId, ImageState};
use crate::plan::adopt::{self, Adoptable};
use crate::plan::naming::{MAX_NAME, MIN_NAME};

/// What is said of a copy that does not exist any more.
const IS_NO_MORE: &str = "is no more:";

impl Decider<'_> {
    pub(super) fn under_way(&self, mut status: AMIMigrationStatus) -> Step {
        if let Some(step) = self.mover(&status).put_back(&mut status) {
            return step;
        }
        let Some(copy) = status.copy.clone() else {
            return self.pending(status);
        };
        let Some(id) = copy.image_id.as_deref().and_then(|id| id.parse::<ImageId>().ok()) else {
            return self.ask(status, &copy);
        };
        match self.inventory.images.get(&id) {
            None if self.has_failed_unseen(&id) => self.remove_remains(status, id),
            None if self.vanished() => self
                .known_loss(&status, &id)
                .unwrap_or_else(|| self.missing(status, &id)),
            None => self.still_copying(status),
            Some(image) => match image.state {
                ImageState::Pending | ImageState::Other => self.still_copying(status),
                ImageState::Failed => match other_source(self.facts.of, image) {
                    Some(other) => self.of_another(status, image, other),
                    None => self.calling(status, MigrationState::Copying, Next::Do(Effect::RemoveFailed(id))),
                },
                ImageState::Deregistered => self.again(status, "The copy was deregistered."),
                ImageState::Available | ImageState::Disabled => self.judge(status, image),
            },
        }
    }

    /// Whether a copy that is not shown has failed: some of its snapshots have, and none is still being made.
    fn has_failed_unseen(&self, copy: &ImageId) -> bool {
        let remains = self.inventory.remains.get(copy);
        remains.is_some_and(|remains| remains.failed && !remains.pending)
    }

    fn remove_remains(&self, status: AMIMigrationStatus, copy: ImageId) -> Step {
        if !self.facts.answers.is_gone(&copy) {
            return confirm_absence(self.facts, &copy);
        }
        self.calling(status, MigrationState::Copying, Next::Do(Effect::RemoveRemains(copy)))
    }

    /// The copy is not done, as far as this process has seen. Another one that has recorded more has seen more.
    fn still_copying(&self, status: AMIMigrationStatus) -> Step {
        if matches!(
            status.state,
            Some(MigrationState::Verifying | MigrationState::Validating | MigrationState::Promoting)
        ) {
            return Step {
                status: self.facts.record.status.clone(),
                then: Next::Wait,
            };
        }
        self.copying(status)
    }

    /// The intent is on record and AWS has not answered yet, as far as the record goes.
    fn ask(&self, status: AMIMigrationStatus, copy: &CopyStatus) -> Step {
        if let Some(step) = self.adopted(&status) {
            return step;
        }
        if let Some(problem) = self.obstacle(&status) {
            return stalled(self.facts, status, MigrationState::Copying, &problem, self.now);
        }
        if !self.facts.account.looked_since_created || was_refused(self.facts.record.status) && !self.facts.grants.copy
        {
            return self.until_asked_again(status);
        }
        let call = CopyCall {
            attempt: copy.attempt,
            client_token: copy.client_token.clone(),
            name: copy.name.clone(),
            description: self.source.description.clone(),
        };
        self.calling(status, MigrationState::Copying, Next::Do(Effect::Copy(call)))
    }

    /// What the last call has run into stays said until the next one. An obstacle that came in between and has gone does not.
    fn until_asked_again(&self, status: AMIMigrationStatus) -> Step {
        match (status.state, self.facts.memory.problem) {
            (_, Some(problem)) => stalled(self.facts, status, MigrationState::Copying, problem, self.now),
            (Some(MigrationState::Copying), None) => Step {
                status,
                then: Next::Wait,
            },
            (_, None) => self.copying(status),
        }
    }

    /// Takes on a copy that is there already.
    pub(super) fn adopted(&self, status: &AMIMigrationStatus) -> Option<Step> {
        if !self.facts.account.looked_since_created {
            return None;
        }
        let of = self.facts.of;
        let found = adopt::find(of, self.source, self.inventory)?;
        let (image, attempt) = match &found {
            Adoptable::Verified { image, attempt, .. } | Adoptable::Disabled { image, attempt } => {
                (image, attempt.unwrap_or(1))
            }
            Adoptable::InFlight { image, attempt } => (image, *attempt),
        };
        let name = self
            .inventory
            .images
            .get(image)
            .map_or_else(String::new, |image| image.name.chars().take(MAX_NAME).collect());
        // A status has no room for a name that AWS would not take.
        let name = if name.chars().count() < MIN_NAME {
            image.to_string()
        } else {
            name
        };
        let intended = status.copy.as_ref().filter(|copy| copy.attempt == attempt);
        let requested_at = intended.and_then(|copy| copy.requested_at.clone());
        let failures = match &status.copy {
            Some(copy) => copy.failures,
            None => Some(self.failures(None)),
        };
        let mut status = status.clone();
        status.copy = Some(CopyStatus {
            attempt,
            failures,
            client_token: of.client_token(attempt),
            name,
            image_id: Some(image.to_string()),
            requested_at,
        });
        Some(match found {
            Adoptable::Verified { image, pairs, .. } => match self.inventory.images.get(&image) {
                Some(copy) => self.promote(status, copy, pairs),
                None => self.copying(status),
            },
            Adoptable::Disabled { image, .. } => match self.inventory.images.get(&image) {
                Some(copy) => self.disabled(status, copy),
                None => self.copying(status),
            },
            Adoptable::InFlight { .. } => self.copying(status),
        })
    }

    /// The inventory lacks a copy that has had the time to show.
    pub(super) fn missing(&self, status: AMIMigrationStatus, copy: &ImageId) -> Step {
        if !self.facts.answers.is_gone(copy) {
            return confirm_absence(self.facts, copy);
        }
        if self.facts.memory.unseen {
            return Step {
                status: passed_over(self.facts, status, self.now),
                then: Next::Wait,
            };
        }
        self.again(status, "The copy has vanished.")
    }

    /// Consumers launch a copy that is said to be no more: it is not asked for again before another one is to be made.
    fn known_loss(&self, status: &AMIMigrationStatus, copy: &ImageId) -> Option<Step> {
        let is_said = statuses::is_said_to_be_no_more(status, copy);
        is_said.then(|| self.gone_in_vain(status, copy)).flatten()
    }

    /// Gives up an attempt whose copy is no more; the next one is admitted like the first.
    pub(super) fn again(&self, status: AMIMigrationStatus, message: &str) -> Step {
        if let Some(step) = recorded_copy(&status).and_then(|copy| self.gone_in_vain(&status, &copy)) {
            return step;
        }
        Step {
            status: attempt_failed(self.facts, status, message, self.now),
            then: Next::Wait,
        }
    }

    /// What comes instead where consumers were moved to a copy that is no more.
    pub(super) fn gone_in_vain(&self, status: &AMIMigrationStatus, copy: &ImageId) -> Option<Step> {
        let mut status = status.clone();
        statuses::copy_gone(self.facts, &mut status, copy, self.now);
        self.mover(&status).launched_in_vain(&status, copy, IS_NO_MORE)
    }

    /// What is said under Audit of the copy on record, and that nothing else is done. It is asked once whether one that does not show is
    /// gone.
    pub(super) fn audited(&self, status: AMIMigrationStatus) -> Step {
        let Some(id) = recorded_copy(&status) else {
            return self.auditing(status);
        };
        // Of one that is still being made, or was lost before, nothing is claimed.
        let claims = [conditions::VERIFIED, conditions::COPIED]
            .iter()
            .any(|type_| conditions::is_true(&status.conditions, type_));
        let said = statuses::is_said_to_be_no_more(&status, &id);
        match self.inventory.images.get(&id) {
            Some(copy) if copy.state == ImageState::Disabled => return self.judge(status, copy),
            Some(copy) if copy.state == ImageState::Deregistered && (claims || said) => {}
            None if said || claims && self.facts.answers.is_gone(&id) => {}
            None if claims && self.facts.account.scanned_since_created => return confirm_absence(self.facts, &id),
            _ => return self.auditing(status),
        }
        if let Some(step) = self.gone_in_vain(&status, &id) {
            return step;
        }
        let mut status = status;
        statuses::copy_gone(self.facts, &mut status, &id, self.now);
        status.state = Some(MigrationState::Verifying);
        let message = format!(
            "The copy {id} no longer exists. The policy's mode is Audit: set spec.mode: Enforce to have another one made."
        );
        statuses::waiting(self.facts, status, reason::AUDIT, &message, self.now)
    }

    /// Nothing is done under Audit. What is finished stays so.
    fn auditing(&self, mut status: AMIMigrationStatus) -> Step {
        if recorded_copy(&status).is_some_and(|id| statuses::is_said_to_be_no_more(&status, &id)) {
            statuses::copy_back(self.facts, &mut status, self.now);
        }
        if let Some(step) = self.mover(&status).would_put_back(&status) {
            return step;
        }
        consumers::launch_again(self.facts, &mut status, self.now);
        if status.state == Some(MigrationState::Completed) {
            return Step {
                status,
                then: Next::Wait,
            };
        }
        let message = "The policy's mode is Audit: set spec.mode: Enforce to migrate the image.";
        statuses::waiting(self.facts, status, reason::AUDIT, message, self.now)
    }

    /// Whether a copy that the inventory lacks has had the time to show.
    pub(super) fn vanished(&self) -> bool {
        passed(
            self.facts.memory.known_since.copy,
            self.inventory.known_until(&self.facts.of.source),
            VISIBLE_AFTER,
        )
    }
}
