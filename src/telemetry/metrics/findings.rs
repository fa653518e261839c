//! What is shown of what is wrong in each account and region.

use super::targets::OfTarget;
use crate::api::{AMIEncryptionTargetStatus, FindingsStatus};
use crate::plan::findings::{Check, record};

pub(super) const SERIES: &[OfTarget] = &[
    OfTarget::gauge(
        "amiseal_findings",
        "Findings that are not exempt, by check and severity. Nothing for a check that finds nothing, nor where no findings are looked for.",
        &["check", "severity"],
        |target, to| {
            for row in target.findings.rows.iter().filter(|row| row.count > 0) {
                to.put(&labels(row.check), row.count);
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_findings_exempt",
        "Findings that are exempt, by check and severity. Nothing for a check of which none is.",
        &["check", "severity"],
        |target, to| {
            for row in target.findings.rows.iter().filter(|row| row.exempt > 0) {
                to.put(&labels(row.check), row.exempt);
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_findings_known",
        "Whether everything was read that findings are looked for in: 1 or 0. Nothing before that was read, where no findings are looked for, and under suspend.",
        &[],
        |target, to| to.maybe(&[], target.findings.known),
    ),
];

/// What is wrong in a target.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The checks that have found something.
    rows: Box<[Row]>,
    known: Option<bool>,
}

#[derive(Debug)]
struct Row {
    check: Check,
    count: u32,
    exempt: u32,
}

impl Findings {
    /// What a target says, if it says anything.
    pub(super) fn of(status: &AMIEncryptionTargetStatus, is_suspended: bool) -> Self {
        let Some(findings) = &status.findings else {
            return Self::default();
        };
        Self {
            rows: Check::ALL.iter().filter_map(|check| row(findings, *check)).collect(),
            known: (!is_suspended).then(|| record::is_known(findings)),
        }
    }
}

fn row(findings: &FindingsStatus, check: Check) -> Option<Row> {
    let row = findings.checks.iter().find(|row| row.check == check.id())?;
    let (count, exempt) = (row.count, row.exempt);
    (count > 0 || exempt > 0).then_some(Row { check, count, exempt })
}

fn labels(check: Check) -> [&'static str; 2] {
    [check.id(), check.severity().as_str()]
}
