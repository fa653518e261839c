//! The Job that a copy is proven by: creating it from its CronJob, reading it, deleting it.
//!
//! It is in the controller's own namespace. It is read when its migration is looked at, and not watched: there are few at a time, and
//! a watch would be one of all Jobs of the namespace.

use std::time::Duration;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};

use super::MigrationReconciler;
use crate::api::conditions::reason;
use crate::api::{AMIMigrationStatus, JobStatus};
use crate::controller::apply::{FIELD_MANAGER, is_conflict, is_not_found};
use crate::controller::memory::CallProblem;
use crate::controller::policy;
use crate::plan::obstacle::Problem;
use crate::plan::proof::job::JobNow;
use crate::plan::proof::job_object::{self, JobRequest};
use crate::plan::step::{Answer, Facts};

/// How soon it is tried once more what the API server does not allow: a person has to act.
const DENIED: Duration = Duration::from_secs(60);

/// What a request that the API server has refused leads to: a sentence for people, or another try where it passes by itself.
enum Refused {
    Said(String),
    Passing(kube::Error),
}

impl MigrationReconciler<'_> {
    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.ctx.client.clone(), &self.ctx.options.namespace)
    }

    /// Reads the Job that is on record as it is now. None where that is denied, which is said from then on.
    pub(super) async fn read_job(
        &self,
        current: &AMIMigrationStatus,
        recorded: Option<&CallProblem>,
    ) -> Result<Option<JobNow>, kube::Error> {
        let Some(record) = recorded_job(current) else {
            return Ok(Some(JobNow::Gone));
        };
        match self.jobs().get_opt(&record.name).await {
            Ok(Some(job)) => Ok(Some(job_object::seen(&job, record, &self.uid))),
            Ok(None) => Ok(Some(JobNow::Gone)),
            Err(error) => self.denied(refusal(error), true, recorded).map(|()| None),
        }
    }

    /// Creates the Job that is on record.
    pub(super) async fn create_job(&self, facts: Facts<'_>, request: &JobRequest) -> Result<Action, kube::Error> {
        if !self.ctx.aws.policy_asks(&self.target.spec.policy, &self.of.scope) {
            return Ok(Action::requeue(self.ctx.clock.to_real_time(policy::HEARD_AFTER)));
        }
        match self.created(request).await {
            Ok(uid) => {
                tracing::info!(job = request.name, copy = %request.copy, "created a Job to prove a copy");
                self.ctx.registry.memory.set_problem(&self.uid, None);
                self.answered(facts, Answer::JobCreated(&uid)).await
            }
            Err(Refused::Said(message)) => {
                tracing::warn!(job = request.name, why = message, "cannot create a Job to prove a copy");
                self.ctx.registry.memory.set_problem(&self.uid, None);
                self.answered(facts, Answer::JobRefused(&message)).await
            }
            Err(Refused::Passing(error)) => Err(error),
        }
    }

    /// The UID of the Job, which is created unless it is there: it may have been created before, and that is not on record.
    async fn created(&self, request: &JobRequest) -> Result<String, Refused> {
        if let Some(uid) = self.known(request).await? {
            return Ok(uid);
        }
        let namespace = &self.ctx.options.namespace;
        let cron_jobs = Api::<CronJob>::namespaced(self.ctx.client.clone(), namespace);
        let cron_job = cron_jobs.get_opt(&request.cron_job).await.map_err(refusal)?;
        let Some(cron_job) = cron_job else {
            return Err(Refused::Said(format!(
                "There is no CronJob {} in the namespace {namespace}: create it, or correct validation.job.cronJob.",
                request.cron_job
            )));
        };
        let Some(owner) = self.migration.controller_owner_ref(&()) else {
            // What was read from the API server has a name and a UID.
            return Err(Refused::Said("The migration has no UID.".to_owned()));
        };
        let job = job_object::build(&cron_job, request, owner).map_err(Refused::Said)?;
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match self.jobs().create(&parameters, &job).await {
            Ok(created) => Ok(created.uid().unwrap_or_default()),
            // Somebody was quicker: the next visit sees who.
            Err(error) if is_conflict(&error) => Err(Refused::Passing(error)),
            Err(error) => Err(refusal(error)),
        }
    }

    /// The UID of the Job that has the name already.
    async fn known(&self, request: &JobRequest) -> Result<Option<String>, Refused> {
        match self.jobs().get_opt(&request.name).await.map_err(refusal)? {
            Some(job) if job_object::is_ours(&job, &self.uid, request.copy.as_str()) => Ok(job.uid()),
            Some(_) => Err(Refused::Said(format!(
                "The Job {} in the namespace {} was not created by amiseal for this copy: delete it.",
                request.name, self.ctx.options.namespace
            ))),
            None => Ok(None),
        }
    }

    /// Deletes the Job that is on record, with its Pods: by itself, the API server would leave these.
    pub(super) async fn delete_job(
        &self,
        facts: Facts<'_>,
        name: &str,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        if !self.ctx.aws.policy_asks(&self.target.spec.policy, &self.of.scope) {
            return Ok(Action::requeue(self.ctx.clock.to_real_time(policy::HEARD_AFTER)));
        }
        let copy = recorded_job(facts.record.status).map_or("", |job| job.image_id.as_str());
        if let Err(refused) = self.deleted(name, copy).await {
            self.denied(refused, false, recorded)?;
            // The status is to say so now.
            return Ok(Action::requeue(Duration::ZERO));
        }
        self.ctx.registry.memory.set_problem(&self.uid, None);
        self.answered(facts, Answer::JobDeleted).await
    }

    async fn deleted(&self, name: &str, copy: &str) -> Result<(), Refused> {
        let found = self.jobs().get_opt(name).await.map_err(refusal)?;
        let Some(job) = found.filter(|job| job_object::is_ours(job, &self.uid, copy)) else {
            return Ok(());
        };
        let parameters = DeleteParams {
            preconditions: Some(Preconditions {
                uid: job.uid(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match self.jobs().delete(name, &parameters).await {
            Ok(_) => {
                tracing::info!(job = name, "deleted a Job that a copy is not proven by any more");
                Ok(())
            }
            Err(error) if is_not_found(&error) => Ok(()),
            Err(error) => Err(refusal(error)),
        }
    }

    /// Keeps what the API server does not allow, for the status to say.
    fn denied(&self, refused: Refused, reads: bool, recorded: Option<&CallProblem>) -> Result<(), kube::Error> {
        let message = match refused {
            Refused::Said(message) => message,
            Refused::Passing(error) => return Err(error),
        };
        tracing::warn!(why = message, "cannot read or delete the Job that a copy is proven by");
        let record = CallProblem {
            problem: Some(Problem::new(reason::JOB_REFUSED, message)),
            until: self.ctx.clock.now() + DENIED,
            failures: recorded.map_or(0, |recorded| recorded.failures).saturating_add(1),
            reads,
            ends: false,
            retry: self.retry().map(str::to_owned),
        };
        self.ctx.registry.memory.set_problem(&self.uid, Some(record));
        Ok(())
    }
}

fn recorded_job(status: &AMIMigrationStatus) -> Option<&JobStatus> {
    status.validation.as_ref()?.job.as_ref()
}

/// What to say of an error of the API server.
fn refusal(error: kube::Error) -> Refused {
    let kube::Error::Api(status) = &error else {
        return Refused::Passing(error);
    };
    let said = status.message.trim_end_matches('.');
    match status.code {
        // As the API server's own authoriser has it; others that refuse, such as a quota, have the same code.
        403 if said.contains("is forbidden: User \"") => Refused::Said(format!(
            "The API server does not allow it ({said}): set proofJobs.enabled: true in the values of the chart, or grant the right."
        )),
        400 | 403 | 404 | 413 | 422 => Refused::Said(format!(
            "The API server refuses a request about the Job ({said}): fix the CronJob's jobTemplate, or what refuses it."
        )),
        _ => Refused::Passing(error),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn what_the_api_server_refuses_is_said_with_what_to_do_and_what_passes_by_itself_is_not() {
        let said = |code: u16, message: &str| {
            let status = Status {
                code,
                message: message.to_owned(),
                ..Status::default()
            };
            match refusal(kube::Error::Api(Box::new(status))) {
                Refused::Said(said) => said,
                Refused::Passing(_) => String::new(),
            }
        };
        let user = r#"jobs.batch is forbidden: User "amiseal" cannot create resource "jobs""#;
        for (code, message, words) in [
            (403, user, "set proofJobs.enabled: true"),
            (403, "exceeded quota: few", "fix the CronJob's jobTemplate"),
            (422, "Job is invalid.", "about the Job (Job is invalid)"),
        ] {
            let said = said(code, message);
            assert!(said.contains(words), "{said}");
        }
        for code in [401, 409, 429, 500, 503] {
            assert_eq!(said(code, "later"), "", "{code}");
        }
        let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(matches!(
            refusal(kube::Error::Service(lost.into())),
            Refused::Passing(_)
        ));
    }
}
