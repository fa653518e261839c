//! The on-demand scan that a copy is proven by: asking Amazon Inspector for it, reading it, and reading what EC2 shows of it.

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::MigrationReconciler;
use crate::aws::{AwsError, Cause, Session};
use crate::controller::memory::CallProblem;
use crate::domain::{ImageId, Operation, ScanNow, ScanRef, ScanRequest};
use crate::plan::problem;
use crate::plan::proof::{inspector, on_demand};
use crate::plan::step::{Answer, Facts};

/// The calls that listing the scans of an image takes, and one more, as a page may be empty.
const LISTS: [Operation; 2] = [Operation::ListOnDemandScans; 2];

impl MigrationReconciler<'_> {
    /// Reads the scan as it is now.
    pub(super) async fn read_scan(&self, session: &Session, which: &ScanRef) -> Result<Option<ScanNow>, AwsError> {
        match which {
            ScanRef::Last(_) => session.reserve(&LISTS)?,
            ScanRef::Id(..) => session.reserve(&[Operation::GetOnDemandScanStatus])?,
        }
        session.on_demand_scan(which).await
    }

    /// Whether EC2 shows by now what a scan of the copy has found, which is not from before that time. If so, that is known from now
    /// on.
    pub(super) async fn shows_scan(
        &self,
        session: &Session,
        copy: &ImageId,
        since: Option<Timestamp>,
    ) -> Result<bool, AwsError> {
        let found = session.images(std::slice::from_ref(copy)).await?;
        let is_shown = found
            .iter()
            .any(|image| on_demand::is_from(inspector::scanned(image), since));
        if is_shown {
            self.amend(|inventory| found.into_iter().for_each(|image| inventory.insert(image)));
        }
        Ok(is_shown)
    }

    /// Asks Amazon Inspector for the scan that is on record.
    pub(super) async fn start_scan(
        &self,
        facts: Facts<'_>,
        request: &ScanRequest,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        if let Err(error) = session.reserve(&[Operation::StartOnDemandScan]) {
            return Ok(self.failed(&error, recorded));
        }
        // Another one is found, or not, before it is asked for again.
        let may_have_started =
            |error: &AwsError| error.is(Cause::MalformedAnswer) || error.is(Cause::CredentialsExpired);
        match session.start_on_demand_scan(request).await {
            Ok(scan) => {
                tracing::info!(%scan, copy = %request.image, "asked Amazon Inspector for a scan to prove a copy");
                self.ctx.registry.memory.set_problem(&self.uid, None);
                self.answered(facts, Answer::ScanStarted(&scan)).await
            }
            Err(error) if problem::needs_a_person(&error) && !may_have_started(&error) => {
                tracing::warn!(%error, "Amazon Inspector refuses to scan a copy");
                self.count_failure(&error);
                self.ctx.registry.memory.set_problem(&self.uid, None);
                let message = problem::of_scan(&error);
                self.answered(facts, Answer::ScanRefused(&message)).await
            }
            Err(error) => Ok(self.failed(&error, recorded)),
        }
    }
}
