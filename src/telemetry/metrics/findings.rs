//! What is shown of what is wrong in each account and region.

use prometheus::IntGaugeVec;
use prometheus::core::Collector;

use super::int_gauges;
use super::targets::{Labels, TARGET, show};
use crate::api::{AMIEncryptionTargetStatus, FindingsStatus};
use crate::plan::findings::{Check, record};

#[derive(Debug, Clone)]
pub(super) struct FindingMetrics {
    findings: IntGaugeVec,
    exempt: IntGaugeVec,
    known: IntGaugeVec,
}

impl FindingMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let labels: Vec<&str> = TARGET.into_iter().chain(["check", "severity"]).collect();
        Ok(Self {
            findings: int_gauges(
                "amiseal_findings",
                "Findings that are not exempt, by check and severity. Nothing for a check that finds nothing, nor where no findings are looked for.",
                &labels,
            )?,
            exempt: int_gauges(
                "amiseal_findings_exempt",
                "Findings that are exempt, by check and severity. Nothing for a check of which none is.",
                &labels,
            )?,
            known: int_gauges(
                "amiseal_findings_known",
                "Whether everything was read that findings are looked for in: 1 or 0. Nothing before that was read, where no findings are looked for, and under suspend.",
                &TARGET,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.findings.clone()),
            Box::new(self.exempt.clone()),
            Box::new(self.known.clone()),
        ]
    }

    /// Shows what a target says, or takes back what was shown of one that says nothing any more.
    pub(super) fn observe(&self, labels: &Labels<'_>, status: &AMIEncryptionTargetStatus, is_suspended: bool) {
        let findings = status.findings.as_ref();
        for check in Check::ALL {
            let (count, exempt) = findings.map_or((0, 0), |findings| counts(findings, *check));
            let labels = with(labels, *check);
            show(&self.findings, &labels, (count > 0).then_some(count.into()));
            show(&self.exempt, &labels, (exempt > 0).then_some(exempt.into()));
        }
        let known = findings.filter(|_| !is_suspended);
        show(
            &self.known,
            labels,
            known.map(|findings| record::is_known(findings).into()),
        );
    }

    /// Takes back the series of a target.
    pub(super) fn forget(&self, labels: &Labels<'_>) {
        self.observe(labels, &AMIEncryptionTargetStatus::default(), false);
    }
}

fn counts(findings: &FindingsStatus, check: Check) -> (u32, u32) {
    let row = findings.checks.iter().find(|row| row.check == check.id());
    row.map_or((0, 0), |row| (row.count, row.exempt))
}

fn with<'l>(labels: &Labels<'l>, check: Check) -> [&'l str; 5] {
    [labels[0], labels[1], labels[2], check.id(), check.severity().as_str()]
}
