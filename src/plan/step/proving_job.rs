//! The Job that a copy is proven by: its place among the steps of a migration.

use jiff::Timestamp;

use super::proving::{self, BEGINS, Says};
use super::{Decider, Effect, Facts, Next, Question, Step};
use crate::api::{AMIMigrationStatus, JobSettings, JobState, JobStatus, ValidationStatus};
use crate::domain::Image;
use crate::plan::proof::job::{self, Wanted};
use crate::plan::proof::job_object;

const SAYS: Says = Says {
    turn: "Waiting until fewer Jobs that copies are proven by run for this account and region.",
    begins: "A Job is being created that the copy has to pass.",
};

/// Follows a Job that may be there until it has ended or is deleted.
pub(super) fn under_way(facts: Facts<'_>, status: &AMIMigrationStatus, now: Timestamp) -> Option<Step> {
    let job = job::under_way(status)?;
    let seen = facts.answers.job.as_ref().map(|(_, seen)| seen);
    let step = |status: AMIMigrationStatus, then| {
        let message = says(&status);
        proving::step(facts, status, &message, then, now)
    };
    Some(match job::follow(job, is_wanted(facts, status, job), seen, now) {
        job::Next::Ask => step(status.clone(), Next::Ask(Question::Job(job.name.clone()))),
        job::Next::Later(wait) => step(status.clone(), Next::Later(wait)),
        job::Next::Delete => step(status.clone(), Next::Do(Effect::DeleteJob(job.name.as_str().into()))),
        job::Next::Create => {
            let request = job_object::request(facts.of, &facts.settings.policy, job);
            let then = request.map_or(Next::Wait, |request| Next::Do(Effect::CreateJob(Box::new(request))));
            step(status.clone(), then)
        }
        job::Next::Record(job) => {
            let mut status = status.clone();
            status.validation.get_or_insert_default().job = Some(*job);
            step(status, Next::Wait)
        }
    })
}

/// Whether the Job is still asked for as it was begun.
fn is_wanted(facts: Facts<'_>, status: &AMIMigrationStatus, job: &JobStatus) -> bool {
    let settings = facts.settings.validation.job.as_ref();
    let is_asked = settings.is_some_and(|settings| job::is_as_asked(job, settings));
    let is_announced = job.state == JobState::Creating;
    is_asked && proving::is_to_be_proven(facts, status, &job.image_id, is_announced)
}

fn says(status: &AMIMigrationStatus) -> String {
    let job = status
        .validation
        .as_ref()
        .and_then(|validation| validation.job.as_ref());
    let Some(job) = job else {
        return BEGINS.to_owned();
    };
    let name = &job.name;
    match job.state {
        JobState::Creating => SAYS.begins.to_owned(),
        JobState::Running => format!("Waiting until the Job {name} has completed."),
        JobState::Ending => format!("The Job {name} is being deleted."),
        JobState::Refused | JobState::Ended => BEGINS.to_owned(),
    }
}

impl Decider<'_> {
    pub(super) fn prove_by_job(
        &self,
        status: &mut AMIMigrationStatus,
        copy: &Image,
        settings: &JobSettings,
    ) -> Option<Step> {
        let retry = self.retry();
        let wanted = Wanted {
            uid: self.facts.record.uid,
            copy: &copy.id,
            settings,
            max_attempts: self.facts.settings.validation.max_attempts,
            retry: retry.as_deref(),
        };
        let record = status
            .validation
            .as_ref()
            .and_then(|validation| validation.job.as_ref());
        let verdict = job::decide(wanted, record, self.now);
        let begin = |validation: &mut ValidationStatus, job| validation.job = Some(job);
        self.concluded(status, verdict, self.facts.grants.job, &SAYS, begin)
    }
}
