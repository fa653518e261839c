//! The state machine of one migration: what its status should say, and the one call that comes next.
//!
//! The intent to make a copy is on record before AWS is asked for it. A status that differs from the recorded one is
//! written before anything else is done; the change leads to the next step. So a crash between any two calls repeats a
//! call that is harmless to repeat.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::adopt;
use super::moving;
use super::obstacle::{self, KeyView, Problem};
use super::promote::Publication;
use super::proof::job_object::JobRequest;
use super::verify::Verdict;
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, CopyStatus, LaunchPermissions, MigrationState, Mode};
use crate::domain::{
    Besides, Change, Image, ImageId, ImageState, InstanceRef, Inventory, LaunchRequest, ScanRef, ScanRequest,
};

mod attempts;
mod awaiting;
mod consumers;
mod copying;
mod facts;
mod following;
mod gone;
mod judging;
mod proving;
mod proving_inspector;
mod proving_job;
mod statuses;
mod transitions;

use consumers::Mover;
pub use facts::{Account, Answers, Facts, Follows, Fresh, Grants, KnownSince, Memory, Record};
pub use following::{offered, published_at, published_copy, was_begun};
use statuses::{completed, progressing, stalled, waiting};
pub use transitions::{Answer, Answered, Contradiction, Warning, answered, contradiction, was_refused};
use transitions::{done_message, done_reason};

/// How long a copy that AWS says it has may stay invisible.
const VISIBLE_AFTER: Duration = Duration::from_secs(600);

/// After how long a migration with exhausted attempts makes one more.
const RETRY_EXHAUSTED: Duration = Duration::from_secs(24 * 3600);

/// The outcome of a decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What the status should be. If it is not what is recorded, writing it is all that is done.
    pub status: AMIMigrationStatus,
    /// What comes next once it is recorded.
    pub then: Next,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something that was observed changes.
    Wait,
    /// Nothing before so long has passed, or something that was observed changes.
    Later(Duration),
    /// Ask AWS this and decide again with the answer, before writing anything. Each question is asked at most once for a step.
    Ask(Question),
    /// Once the status is on record, make this change.
    Do(Effect),
}

/// What no listing shows and a decision needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The source's launch permissions.
    LaunchPermissions,
    /// Whether the UEFI data of the source and of this copy differ.
    UefiData(ImageId),
    /// Whether this image is gone. A listing of many pages does not show it, and may have missed it; what follows from its
    /// being gone cannot be taken back.
    Absence(ImageId),
    /// What a consumer of the source is now, and this besides.
    Consumer(moving::ConsumerKey, Besides),
    /// Who may use the key.
    KeyAccess,
    /// What this account sees of this image of another account.
    ForeignCopy(ImageId),
    /// What the instance is now that the copy is proven by.
    Instance(InstanceRef),
    /// What the Job of this name is now that the copy is proven by. The API server is asked, and not AWS.
    Job(String),
    /// What the on-demand scan is now that the copy is proven by.
    Scan(ScanRef),
    /// Whether EC2 shows by now what a scan of this copy has found, which is not from before this time where there is one.
    ScanResult(ImageId, Option<Timestamp>),
}

impl Question {
    /// Whether it has to wait while AWS has refused to do something with the image: whether that is still there does not depend on it.
    pub fn waits_for_refusals(&self) -> bool {
        !matches!(self, Self::Absence(_))
    }
}

/// A change in AWS, or a Job in the cluster. All of them are harmless to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask for the copy that `status.copy` announces.
    Copy(CopyCall),
    /// Deregister a failed copy of ours, with its snapshots.
    RemoveFailed(ImageId),
    /// Delete the snapshots that are left of a failed copy of ours, whose image is gone.
    RemoveRemains(ImageId),
    /// Publish what the copy lacks.
    Publish(ImageId, Vec<Publication>),
    /// Change a consumer of the source.
    Move(moving::ConsumerKey, Change),
    /// Launch the instance that `status.validation` announces.
    Launch(LaunchRequest),
    /// Terminate it.
    Terminate(Box<str>),
    /// Create the Job that `status.validation` announces.
    CreateJob(Box<JobRequest>),
    /// Delete the one of this name.
    DeleteJob(Box<str>),
    /// Ask for the on-demand scan that `status.validation` announces.
    StartScan(ScanRequest),
}

/// What CopyImage is asked for, besides what [`CopyIdentity`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyCall {
    /// Which attempt.
    pub attempt: u32,
    /// Its client token.
    pub client_token: String,
    /// The copy's name.
    pub name: String,
    /// The source's description, which CopyImage does not copy by itself.
    pub description: Option<Box<str>>,
}

/// Decides the next step of a migration.
pub fn next(facts: Facts<'_>, now: Timestamp) -> Step {
    let mut status = facts.record.status.clone();
    status.observed_generation = facts.record.generation;
    status.approved_by = facts.record.approved_by();
    if claims_too_much(&status) {
        // That is not passed on as ours, whether or not it can be looked into now.
        let asked_for = status.copy.is_some();
        status.state = Some(if asked_for {
            MigrationState::Copying
        } else {
            MigrationState::Pending
        });
    }
    if facts.settings.suspend && status.state != Some(MigrationState::Completed) {
        // Known without a scan, and none is made.
        return waiting(facts, status, reason::SUSPENDED, "The policy is suspended.", now);
    }
    if let Some(follows) = facts.follows {
        return following::next(facts, follows, status, now);
    }
    if let Some(step) = proving::under_way(facts, &status, now) {
        // Whatever has become of everything else: what is paid for comes to its end.
        return step;
    }
    let Some(inventory) = facts.account.inventory else {
        let message = "Waiting for the first complete scan of its account and region.";
        return match status.state {
            // What is known stays said; a new process has just not looked yet.
            Some(_) => Step {
                status,
                then: Next::Wait,
            },
            None => progressing(
                facts,
                status,
                MigrationState::Pending,
                reason::INITIALIZING,
                message,
                now,
            ),
        };
    };
    let source = inventory.images.get(&facts.of.source).filter(|image| image.is_there());
    let Some(source) = source else {
        return gone::next(facts, inventory, status, now);
    };
    // The schema holds as many characters as AWS allows.
    status.source_name = Some(source.name.chars().take(128).collect());
    status.source_gone_time = None;
    let decider = Decider {
        facts,
        inventory,
        source,
        now,
    };
    match status.state.unwrap_or_default() {
        MigrationState::Completed => decider.completed(status),
        _ if facts.settings.mode == Mode::Audit => decider.audited(status),
        MigrationState::Pending => decider.pending(status),
        MigrationState::Copying
        | MigrationState::Verifying
        | MigrationState::Validating
        | MigrationState::Promoting => decider.under_way(status),
    }
}

/// Whether a status claims to be finished without a copy, though the original is not gone: somebody else has written it.
fn claims_too_much(status: &AMIMigrationStatus) -> bool {
    let has_copy = status.copy.as_ref().is_some_and(|copy| copy.image_id.is_some());
    status.state == Some(MigrationState::Completed) && !has_copy && !is_said_to_be_gone(status)
}

/// Whether a status says that the original is gone.
fn is_said_to_be_gone(status: &AMIMigrationStatus) -> bool {
    let ready = conditions::find(&status.conditions, conditions::READY);
    ready.is_some_and(|ready| ready.reason == reason::SOURCE_GONE)
}

/// The copy that AWS has made, as far as the record goes.
pub fn recorded_copy(status: &AMIMigrationStatus) -> Option<ImageId> {
    status.copy.as_ref()?.image_id.as_deref()?.parse().ok()
}

/// The status stays as it is until it is known whether the image is gone.
fn confirm_absence(facts: Facts<'_>, image: &ImageId) -> Step {
    Step {
        status: facts.record.status.clone(),
        then: Next::Ask(Question::Absence(image.clone())),
    }
}

/// A decision for a source that exists, on an inventory that is there.
struct Decider<'a> {
    facts: Facts<'a>,
    inventory: &'a Inventory,
    source: &'a Image,
    now: Timestamp,
}

impl Decider<'_> {
    /// What decides on whatever launches the original.
    fn mover(&self, status: &AMIMigrationStatus) -> Mover<'_> {
        let copy = recorded_copy(status).and_then(|copy| self.inventory.images.get(&copy));
        Mover {
            facts: self.facts,
            source: self.source.into(),
            copy_tags: copy.map(|copy| &copy.tags),
            foreign: None,
            now: self.now,
        }
    }

    fn pending(&self, mut status: AMIMigrationStatus) -> Step {
        let pending = MigrationState::Pending;
        if let Some(step) = self.adopted(&status) {
            return step;
        }
        self.recognise_attempts(&mut status);
        if self
            .facts
            .account
            .key
            .arn()
            .is_some_and(|arn| *arn != self.facts.of.key)
        {
            // Another migration takes this one's place, under the key that the policy now names.
            return match status.state {
                None => self.at_work(status, pending),
                Some(_) => Step {
                    status,
                    then: Next::Wait,
                },
            };
        }
        if let Some(problem) = self.obstacle(&status) {
            return stalled(self.facts, status, pending, &problem, self.now);
        }
        // Whether the image is shared costs a call, so it is asked when the image's turn comes. Once that was in the
        // way, it is asked before anything else is said: else the status would change with every scan.
        let known_as_shared = conditions::find(&status.conditions, conditions::STALLED)
            .is_some_and(|c| c.reason == reason::DEFAULT_KEY_CANNOT_BE_SHARED);
        if !self.facts.grants.copy && !known_as_shared {
            return self.at_work(status, pending);
        }
        if matches!(self.facts.account.key, KeyView::Known(key) if key.aws_managed) && self.preserves() {
            let Some(permissions) = self.facts.answers.permissions.as_ref() else {
                return self.calling(status, pending, Next::Ask(Question::LaunchPermissions));
            };
            let wanted = self.facts.settings.promotion.launch_permissions;
            if let Some(problem) = obstacle::of_sharing(self.facts.account.key, permissions, wanted) {
                return stalled(self.facts, status, pending, &problem, self.now);
            }
        }
        if !self.facts.grants.copy {
            return self.at_work(status, pending);
        }
        self.intend(status)
    }

    /// Records the intent to make the next attempt. Nothing is asked of AWS before this is written.
    fn intend(&self, mut status: AMIMigrationStatus) -> Step {
        let last = status.copy.as_ref().map_or(0, |copy| copy.attempt);
        // Anyone may write a tag, also one with the largest number there is.
        let attempt = last
            .max(adopt::last_attempt(self.facts.of, self.inventory))
            .saturating_add(1);
        let pattern = &self.facts.settings.copy.name_pattern;
        let failures = self.failures(status.copy.as_ref());
        status.copy = Some(CopyStatus {
            attempt,
            failures: Some(failures),
            client_token: self.facts.of.client_token(attempt),
            name: self.facts.of.copy_name(pattern, &self.source.name, attempt),
            image_id: None,
            requested_at: Some(Time(self.now)),
        });
        status.observed_retry = self.retry();
        status.snapshots = Vec::new();
        self.copying(status)
    }

    fn copying(&self, status: AMIMigrationStatus) -> Step {
        self.at_work(status, MigrationState::Copying)
    }

    /// Work goes on in this state.
    fn at_work(&self, status: AMIMigrationStatus, state: MigrationState) -> Step {
        let (why, message) = match state {
            MigrationState::Pending | MigrationState::Completed => (reason::WAITING_FOR_ADMISSION, self.awaited()),
            MigrationState::Copying => (reason::COPYING, "AWS is copying the image."),
            MigrationState::Verifying => (reason::VERIFYING, "Reading the copy's snapshots."),
            MigrationState::Validating => (reason::VALIDATING, proving::BEGINS),
            MigrationState::Promoting => (
                reason::PROMOTING,
                "Publishing on the copy what the policy takes over from the original.",
            ),
        };
        progressing(self.facts, status, state, why, message, self.now)
    }

    /// A call comes next. Where the last one was refused, the status says so until one is not.
    fn calling(&self, status: AMIMigrationStatus, state: MigrationState, then: Next) -> Step {
        let Step { status, .. } = match self.facts.memory.problem {
            Some(problem) => stalled(self.facts, status, state, problem, self.now),
            None => self.at_work(status, state),
        };
        Step { status, then }
    }

    /// A finished migration is opened again when its copy is gone or the policy asks for more to be published.
    fn completed(&self, mut status: AMIMigrationStatus) -> Step {
        if let Some(step) = self.mover(&status).put_back(&mut status) {
            return step;
        }
        let quiet = Step {
            status: status.clone(),
            then: Next::Wait,
        };
        if self.facts.settings.suspend {
            return self.mover(&status).would_put_back(&status).unwrap_or(quiet);
        }
        if self.facts.settings.mode == Mode::Audit {
            return self.audited(status);
        }
        let Some(id) = recorded_copy(&status) else {
            // The source did not show, and now it does.
            return self.under_way(status);
        };
        match self.inventory.images.get(&id) {
            None if self.vanished() => self.missing(status, &id),
            // It showed once: what the scan does not show now is not claimed before it does.
            None if self.facts.account.scanned_since_created && self.facts.answers.is_gone(&id) => {
                let said = self.gone_in_vain(&status, &id);
                said.unwrap_or_else(|| statuses::copy_unseen(self.facts, status, &id, self.now))
            }
            None if self.facts.account.scanned_since_created => confirm_absence(self.facts, &id),
            Some(image) if image.state == ImageState::Deregistered => self.again(status, "The copy was deregistered."),
            Some(image) if image.state == ImageState::Failed => self.under_way(status),
            Some(image) if image.is_there() => match self.verdict(&status, image) {
                Verdict::Good(pairs) if !self.is_published(&status) => self.promote(status, image, pairs),
                Verdict::Good(_) if is_said_to_be_gone(&status) => {
                    let (why, message) = (done_reason(&status), done_message(self.facts, &id));
                    completed(self.facts, status, why, &message, self.now)
                }
                Verdict::Good(_) => self.mover(&status).consumers(status, &image.id),
                Verdict::Unknown => quiet,
                Verdict::NotEncrypted { .. }
                | Verdict::AlsoUnder { .. }
                | Verdict::Differs { .. }
                | Verdict::OfAnother(_)
                | Verdict::LacksWatermark { .. }
                | Verdict::Disabled => self.judge(status, image),
            },
            None | Some(_) => quiet,
        }
    }

    fn obstacle(&self, status: &AMIMigrationStatus) -> Option<Problem> {
        // The pinned key may be another than the policy's is today; then nothing is known of it here.
        let same = self.facts.account.key.arn().is_none_or(|arn| *arn == self.facts.of.key);
        let snapshots = &self.inventory.snapshots;
        let problem = if same {
            obstacle::of_copy(
                self.source,
                snapshots,
                self.facts.account.key,
                &self.facts.settings.kms_key_id,
            )
        } else {
            obstacle::of_image(self.source, snapshots)
        };
        problem
            .or_else(|| self.facts.account.source_keys.obstacle(self.source, self.inventory))
            .or_else(|| self.facts.account.denied.cloned())
            .or_else(|| self.exhausted(status))
    }

    /// The annotation's value, as far as the status has room for it.
    fn retry(&self) -> Option<String> {
        self.facts.record.retry.map(|value| value.chars().take(256).collect())
    }

    fn preserves(&self) -> bool {
        self.facts.settings.promotion.launch_permissions == LaunchPermissions::Preserve
    }
}

fn passed(since: Timestamp, now: Timestamp, limit: Duration) -> bool {
    now.duration_since(since).as_secs_f64() >= limit.as_secs_f64()
}

#[cfg(test)]
mod tests;
