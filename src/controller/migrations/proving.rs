//! The instance that a copy is proven by: launching it, reading it, terminating it; and how many proofs there are at a time.

use kube::runtime::controller::Action;

use super::MigrationReconciler;
use crate::api::{AMIMigration, AMIMigrationStatus, MigrationState};
use crate::aws::{AwsError, Cause, Session};
use crate::controller::memory::CallProblem;
use crate::domain::{InstanceNow, InstanceRef, LaunchRequest, Operation};
use crate::plan::problem;
use crate::plan::proof::Kind;
use crate::plan::step::{Answer, Facts};

/// The calls that reading an instance takes, and some more, as pages may be empty.
const READS: [Operation; 4] = [
    Operation::DescribeInstances,
    Operation::DescribeInstances,
    Operation::DescribeInstanceStatus,
    Operation::DescribeInstanceStatus,
];

impl MigrationReconciler<'_> {
    /// Reads the instance as it is now.
    pub(super) async fn read_instance(&self, session: &Session, which: &InstanceRef) -> Result<InstanceNow, AwsError> {
        session.reserve(&READS)?;
        session.instance(which).await
    }

    /// Launches the instance that is on record.
    pub(super) async fn launch(
        &self,
        facts: Facts<'_>,
        request: &LaunchRequest,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        if let Err(error) = session.reserve(&[Operation::RunInstances]) {
            return Ok(self.failed(&error, recorded));
        }
        let answer = session.launch(request).await;
        let may_have_launched =
            |error: &AwsError| error.is(Cause::MalformedAnswer) || error.is(Cause::CredentialsExpired);
        match answer {
            Ok(instance) => {
                tracing::info!(%instance, copy = %request.image, "launched an instance to prove a copy");
                self.ctx.registry.memory.set_problem(&self.uid, None);
                self.answered(facts, Answer::Launched(&instance)).await
            }
            Err(error) if error.is(Cause::InstanceTerminated) || error.is(Cause::TokenReused) => {
                let is_terminated = error.is(Cause::InstanceTerminated);
                self.answered(facts, Answer::LaunchVoid { is_terminated }).await
            }
            Err(error) if problem::needs_a_person(&error) && !may_have_launched(&error) => {
                tracing::warn!(%error, "AWS refuses to launch an instance");
                self.count_failure(&error);
                self.ctx.registry.memory.set_problem(&self.uid, None);
                let message = problem::of_launch(&error);
                self.answered(facts, Answer::LaunchRefused(&message)).await
            }
            Err(error) => Ok(self.failed(&error, recorded)),
        }
    }

    /// Terminates the instance that is on record.
    pub(super) async fn terminate(
        &self,
        facts: Facts<'_>,
        instance: &str,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        if let Err(error) = session.reserve(&[Operation::TerminateInstances]) {
            return Ok(self.failed_to_end(&error, recorded));
        }
        if let Err(error) = session.terminate(instance).await {
            return Ok(self.failed_to_end(&error, recorded));
        }
        tracing::info!(instance, "terminated the instance that a copy was proven by");
        self.ctx.registry.memory.set_problem(&self.uid, None);
        self.answered(facts, Answer::Terminated).await
    }

    /// Whether another proof of this kind may begin in this account and region, by what is on record.
    pub(super) fn may_prove(&self, kind: Kind, current: &AMIMigrationStatus) -> bool {
        let Some(most) = kind.most(&self.target.spec.validation) else {
            return false;
        };
        if current.state == Some(MigrationState::Completed) {
            // All neighbours are looked at, which is not for every visit to each of thousands that are done.
            return false;
        }
        self.under_way_elsewhere(kind).len() < most
    }

    /// Takes a place for a proof that is about to be put on record as to begin. What others have taken and does not show yet counts
    /// too.
    pub(super) fn takes_place(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) -> bool {
        let begins = |kind: &Kind| kind.is_under_way(status) && !kind.is_under_way(current);
        let Some(kind) = Kind::ALL.into_iter().find(begins) else {
            return true;
        };
        let most = kind.most(&self.target.spec.validation).unwrap_or(0);
        let now = self.ctx.clock.monotonic();
        let others = self.under_way_elsewhere(kind);
        self.ctx
            .registry
            .take_proof_place((&self.of.scope, kind), &self.uid, others, most, now)
    }

    /// UIDs of other migrations of the account and region that have a proof of this kind under way.
    fn under_way_elsewhere(&self, kind: Kind) -> Vec<String> {
        let now = self.ctx.clock.now();
        let has_place = |m: &AMIMigration| m.status.as_ref().is_some_and(|status| kind.has_place(status, now));
        let neighbours = self.neighbours();
        let uids = neighbours
            .iter()
            .filter(|m| has_place(m))
            .filter_map(|m| m.metadata.uid.clone());
        uids.filter(|uid| *uid != self.uid).collect()
    }
}
