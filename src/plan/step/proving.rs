//! The proof of a copy, between its verification and its publication.
//!
//! A copy that was published before a proof was asked for is left as it is: people launch from it.

use jiff::Timestamp;

use super::judging::was_published;
use super::statuses::{self, progressing, stalled};
use super::{Decider, Effect, Facts, Next, Question, Step, proving_job, recorded_copy};
use crate::api::conditions::{self, Status, reason};
use crate::api::{
    AMIMigrationStatus, LaunchSettings, LaunchState, LaunchStatus, MigrationState, Mode, ValidationSettings,
    ValidationStatus,
};
use crate::domain::{Image, ImageId, ImageState};
use crate::plan::obstacle::Problem;
use crate::plan::proof::{self, Verdict, Wanted};

/// What is said where nothing else is.
pub(super) const BEGINS: &str = "The copy is verified, and is going to be proven.";
const SAYS: Says = Says {
    turn: "Waiting until fewer instances that copies are proven by run in this account and region.",
    begins: "An instance is being launched from the copy.",
};

/// What is said of a proof that is to begin.
pub(super) struct Says {
    /// While others have all places.
    pub(super) turn: &'static str,
    /// Once it is on record.
    pub(super) begins: &'static str,
}

/// Follows an instance that AWS has launched, or may have, until it is terminated, and a Job until it has ended. Only under `suspend`
/// and in mode Audit are hands kept off them.
pub(super) fn under_way(facts: Facts<'_>, status: &AMIMigrationStatus, now: Timestamp) -> Option<Step> {
    if facts.settings.suspend || facts.settings.mode == Mode::Audit {
        return None;
    }
    match proof::under_way(status) {
        Some(launch) => Some(follow(facts, status, launch, now)),
        None => proving_job::under_way(facts, status, now),
    }
}

fn follow(facts: Facts<'_>, status: &AMIMigrationStatus, launch: &LaunchStatus, now: Timestamp) -> Step {
    let copy = copy_of(facts, &launch.image_id);
    let seen = facts.answers.instance.as_ref().map(|(_, seen)| seen);
    let step = |status: AMIMigrationStatus, then| {
        let message = says(&status);
        step(facts, status, &message, then, now)
    };
    let known_since = facts.memory.known_since.launch;
    match proof::follow(launch, is_wanted(facts, status, launch), seen, known_since, now) {
        proof::Next::Ask(which) => step(status.clone(), Next::Ask(Question::Instance(which))),
        proof::Next::Later(wait) => step(status.clone(), Next::Later(wait)),
        proof::Next::Terminate(id) => step(status.clone(), Next::Do(Effect::Terminate(id))),
        proof::Next::Launch => {
            let request = copy.and_then(|copy| proof::request(&facts.of.source, launch, copy));
            let then = request.map_or(Next::Wait, |request| Next::Do(Effect::Launch(request)));
            step(status.clone(), then)
        }
        proof::Next::Record(launch) => {
            let mut status = status.clone();
            status.validation.get_or_insert_default().launch = Some(*launch);
            step(status, Next::Wait)
        }
    }
}

fn copy_of<'a>(facts: Facts<'a>, image_id: &str) -> Option<&'a Image> {
    let id: ImageId = image_id.parse().ok()?;
    facts.account.inventory?.images.get(&id).map(|copy| &**copy)
}

/// Whether the launch is still asked for as it was begun.
fn is_wanted(facts: Facts<'_>, status: &AMIMigrationStatus, launch: &LaunchStatus) -> bool {
    let settings = facts.settings.validation.launch.as_ref();
    let is_asked = settings.is_some_and(|settings| proof::is_as_asked(launch, settings));
    let is_announced = launch.state == LaunchState::Launching;
    is_asked && is_to_be_proven(facts, status, &launch.image_id, is_announced)
}

/// Whether this copy is still to be proven. What a listing does not show may be there, but nothing begins on it.
pub(super) fn is_to_be_proven(
    facts: Facts<'_>,
    status: &AMIMigrationStatus,
    image_id: &str,
    is_announced: bool,
) -> bool {
    let is_of_copy = recorded_copy(status).is_some_and(|copy| copy.as_str() == image_id);
    let source = facts
        .account
        .inventory
        .and_then(|inventory| inventory.images.get(&facts.of.source));
    let is_shown = match (facts.account.inventory, copy_of(facts, image_id)) {
        (Some(_), None) => !is_announced,
        (_, copy) => copy.is_none_or(|copy| copy.state == ImageState::Available),
    };
    is_of_copy && is_shown && source.is_none_or(|source| source.is_there())
}

/// The proof goes on, or the last call for it was refused.
pub(super) fn step(
    facts: Facts<'_>,
    mut status: AMIMigrationStatus,
    message: &str,
    then: Next,
    now: Timestamp,
) -> Step {
    let validating = MigrationState::Validating;
    statuses::validated(facts, &mut status, Status::False, reason::VALIDATING, message, now);
    let Step { status, .. } = match facts.memory.problem {
        Some(problem) => stalled(facts, status, validating, problem, now),
        None => progressing(facts, status, validating, reason::VALIDATING, message, now),
    };
    Step { status, then }
}

fn says(status: &AMIMigrationStatus) -> String {
    let launch = status.validation.as_ref().and_then(|v| v.launch.as_ref());
    let Some(launch) = launch else {
        return BEGINS.to_owned();
    };
    let id = launch.instance_id.as_deref();
    match (launch.state, id) {
        (LaunchState::Launching, _) => SAYS.begins.to_owned(),
        (LaunchState::Checking, Some(id)) => format!("Waiting until the instance {id} has passed its status checks."),
        (LaunchState::Ending | LaunchState::Terminating, Some(id)) => format!("The instance {id} is being terminated."),
        (LaunchState::Ending, None) => "Looking for an instance that may have been launched.".to_owned(),
        _ => BEGINS.to_owned(),
    }
}

/// What a copy has passed that has passed all of these.
fn passed(asked: &ValidationSettings) -> String {
    let made = match (&asked.launch, &asked.job) {
        (Some(_), Some(_)) => Some("An instance of the copy has passed both status checks, and the Job has completed."),
        (None, Some(_)) => Some("The Job that the copy has to pass has completed."),
        (Some(_), None) => Some("An instance of the copy has run and passed both status checks."),
        (None, None) => None,
    };
    let found = asked.inspector.as_ref().map(|settings| {
        let maximum = settings.maximum_severity.as_str();
        format!("Amazon Inspector has found nothing in the copy that is worse than {maximum}.")
    });
    let sentences: Vec<String> = made.map(str::to_owned).into_iter().chain(found).collect();
    sentences.join(" ")
}

impl Decider<'_> {
    /// The state of a copy that is verified, and of which nothing else is said yet.
    pub(super) fn after_verifying(&self, status: &AMIMigrationStatus) -> MigrationState {
        if self.facts.settings.validation.asks() && !was_published(status) {
            MigrationState::Validating
        } else {
            MigrationState::Promoting
        }
    }

    /// Has a verified copy proven as the policy says: by an instance first, as what does not boot need not be scanned. None where
    /// nothing is left to prove.
    pub(super) fn prove(&self, status: &mut AMIMigrationStatus, copy: &Image) -> Option<Step> {
        if was_published(status) {
            return None;
        }
        let asked = &self.facts.settings.validation;
        if !asked.asks() {
            if !conditions::is_true(&status.conditions, conditions::VALIDATED) {
                status.conditions.retain(|c| c.type_ != conditions::VALIDATED);
                status.validation = None;
            }
            return None;
        }
        // It goes on by itself, beside the others.
        let inspected = self.inspect(status, copy);
        if let Some(settings) = &asked.launch
            && let Some(step) = self.prove_by_launch(status, copy, settings)
        {
            return Some(step);
        }
        if let Some(settings) = &asked.job
            && let Some(step) = self.prove_by_job(status, copy, settings)
        {
            return Some(step);
        }
        if let Some(verdict) = &inspected
            && let Some(step) = self.inspected(status, copy, verdict)
        {
            return Some(step);
        }
        self.says_of_proof(status, Status::True, reason::SUCCEEDED, &passed(asked));
        None
    }

    fn prove_by_launch(
        &self,
        status: &mut AMIMigrationStatus,
        copy: &Image,
        settings: &LaunchSettings,
    ) -> Option<Step> {
        let retry = self.retry();
        let wanted = Wanted {
            of: self.facts.of,
            source: self.source,
            copy,
            settings,
            max_attempts: self.facts.settings.validation.max_attempts,
            retry: retry.as_deref(),
        };
        let record = status.validation.as_ref().and_then(|v| v.launch.as_ref());
        let verdict = proof::decide(wanted, record, self.now);
        let begin = |validation: &mut ValidationStatus, launch| validation.launch = Some(launch);
        self.concluded(status, verdict, self.facts.grants.launch, &SAYS, begin)
    }

    /// What a decision about a proof comes to. None where the copy has passed it. Where it may begin, `begin` puts it on record.
    pub(super) fn concluded<T>(
        &self,
        status: &mut AMIMigrationStatus,
        verdict: Verdict<T>,
        may_begin: bool,
        says: &Says,
        begin: impl FnOnce(&mut ValidationStatus, T),
    ) -> Option<Step> {
        match verdict {
            Verdict::Proven => None,
            Verdict::Stalled(problem, wait) => {
                Some(self.unproven(status, &problem, wait.map_or(Next::Wait, Next::Later)))
            }
            Verdict::Failed(message, wait) => {
                let message = format!("{message} It is tried once more.");
                Some(self.proving(status, reason::VALIDATION_FAILED, &message, Next::Later(wait)))
            }
            Verdict::Begin(_) if !may_begin => {
                Some(self.proving(status, reason::VALIDATING, says.turn, Next::Later(proof::TURN)))
            }
            Verdict::Begin(proof) => {
                begin(status.validation.get_or_insert_default(), *proof);
                Some(self.proving(status, reason::VALIDATING, says.begins, Next::Wait))
            }
        }
    }

    fn says_of_proof(&self, status: &mut AMIMigrationStatus, is: Status, why: &str, message: &str) {
        statuses::validated(self.facts, status, is, why, message, self.now);
    }

    pub(super) fn proving(&self, status: &AMIMigrationStatus, why: &str, message: &str, then: Next) -> Step {
        let mut status = status.clone();
        self.says_of_proof(&mut status, Status::False, why, message);
        let validating = MigrationState::Validating;
        Step {
            then,
            ..progressing(self.facts, status, validating, why, message, self.now)
        }
    }

    pub(super) fn unproven(&self, status: &AMIMigrationStatus, problem: &Problem, then: Next) -> Step {
        let mut status = status.clone();
        self.says_of_proof(&mut status, Status::False, problem.reason, &problem.message);
        Step {
            then,
            ..stalled(self.facts, status, MigrationState::Validating, problem, self.now)
        }
    }
}
