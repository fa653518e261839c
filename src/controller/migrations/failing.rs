//! What calls of a migration ran into: how long the next one waits, and what is said of it.

use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::MigrationReconciler;
use crate::api::labels;
use crate::aws::{AwsError, Cause, ErrorClass};
use crate::controller::apply::AFTER_CONFLICT;
use crate::controller::memory::CallProblem;
use crate::plan::obstacle::Problem;
use crate::plan::problem;

impl MigrationReconciler<'_> {
    /// The annotation by which people ask for another try.
    pub(super) fn retry(&self) -> Option<&str> {
        self.migration.annotations().get(labels::RETRY).map(String::as_str)
    }

    /// What the last call ran into. Nothing is waited for any more once somebody has asked for another try.
    pub(super) fn recorded(&self) -> Option<CallProblem> {
        let recorded = self.ctx.registry.memory.problem(&self.uid)?;
        if recorded.retry.as_deref() == self.retry() {
            return Some(recorded);
        }
        let forgiven = CallProblem {
            until: self.ctx.clock.now(),
            failures: 0,
            retry: self.retry().map(str::to_owned),
            ..recorded
        };
        self.ctx.registry.memory.set_problem(&self.uid, Some(forgiven.clone()));
        // Nor for a quota that was used up.
        self.ctx.registry.copy_budget(&self.of.scope, |budget| {
            budget.retry_now(self.ctx.clock.now());
        });
        self.ctx.registry.wake_target(&self.target.name_any());
        Some(forgiven)
    }

    /// How long a call still has to wait after the last one's failure, on the wall.
    pub(super) fn wait_out(&self, recorded: Option<&CallProblem>) -> Option<Duration> {
        let left = recorded?.until.duration_since(self.ctx.clock.now());
        Duration::try_from(left)
            .ok()
            .filter(|wait| !wait.is_zero())
            .map(|wait| self.ctx.clock.to_real_time(wait))
    }

    /// After a read: what a read ran into is over, what a call to write ran into stays said until one succeeds.
    pub(super) fn problem_of_writes<'t>(
        &self,
        problem: Option<&'t Problem>,
        recorded: Option<&CallProblem>,
    ) -> Option<&'t Problem> {
        let could_not_read = recorded.is_some_and(|recorded| recorded.reads);
        if could_not_read {
            self.ctx.registry.memory.set_problem(&self.uid, None);
        }
        problem.filter(|_| !could_not_read)
    }

    /// Records a failed call: what it says shows in the status when a person should know, and the next one waits.
    pub(super) fn failed(&self, error: &AwsError, recorded: Option<&CallProblem>) -> Action {
        if error.is(Cause::NoRoom) {
            // Nothing has failed: its turn has not come.
            let wait = error.retry_after.unwrap_or(AFTER_CONFLICT);
            return Action::requeue(self.ctx.clock.to_real_time(wait));
        }
        let failures = recorded.map_or(0, |recorded| recorded.failures) + 1;
        let wait = problem::retry_image_after(error, failures);
        tracing::warn!(%error, failures, "a call failed");
        self.count_failure(error);
        if error.is(Cause::CredentialsExpired)
            && let Some(session) = &self.view.session
        {
            self.ctx.aws.forget(session.key());
            self.ctx.registry.wake_target(&self.target.name_any());
        }
        if error.class == ErrorClass::Denied {
            self.ctx.registry.doubt_permissions(&self.target.name_any());
        }
        if recorded.is_some_and(|recorded| recorded.outlasts(error, self.ctx.clock.now())) {
            // What AWS has refused is waited out and said all the same.
            return Action::requeue(self.ctx.clock.to_real_time(wait));
        }
        let record = CallProblem {
            problem: problem::needs_a_person(error).then(|| problem::of_error(error)),
            until: self.ctx.clock.now() + wait,
            failures,
            reads: !error.operation.writes(),
            ends: false,
            retry: self.retry().map(str::to_owned),
        };
        let says = record.problem.is_some();
        self.ctx.registry.memory.set_problem(&self.uid, Some(record));
        if error.is(Cause::ImageNotFound) || error.is(Cause::ImageUnavailable) {
            self.ctx.registry.scan_soon(&self.target.name_any());
            self.ctx.registry.wake_target(&self.target.name_any());
        }
        // The status is to say so now; the wait is kept by the record.
        Action::requeue(if says {
            Duration::ZERO
        } else {
            self.ctx.clock.to_real_time(wait)
        })
    }

    /// The same of a call to end what is paid for, whichever call it was that failed on the way: the role may not be assumed.
    pub(super) fn failed_to_end(&self, error: &AwsError, recorded: Option<&CallProblem>) -> Action {
        let action = self.failed(error, recorded);
        let memory = &self.ctx.registry.memory;
        let noted = memory
            .problem(&self.uid)
            .map(|problem| CallProblem { ends: true, ..problem });
        memory.set_problem(&self.uid, noted);
        action
    }

    pub(super) fn count_failure(&self, error: &AwsError) {
        let counter = &self.ctx.metrics.reconcile_errors;
        counter.with_label_values(&["migration", error.class.as_str()]).inc();
    }
}
