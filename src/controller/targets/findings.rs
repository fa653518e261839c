//! Events of findings: of those that were not on record before, a few at a time.

use super::TargetReconciler;
use crate::api::{FindingsStatus, NamedFinding};
use crate::plan::findings::{Check, Severity, record};

/// So many are told one by one each time, and the others in one Event.
const ONE_BY_ONE: usize = 5;
/// The reason of an Event that sums up.
const FINDINGS: &str = "Findings";

impl TargetReconciler<'_> {
    /// Tells of what is on record now and was not before; where nothing was, how much there is.
    pub(super) async fn tell_findings(&self, before: Option<&FindingsStatus>, now: &FindingsStatus) {
        let Some(before) = before else {
            if let Some(note) = record::first(now) {
                self.tell_of(record::is_grave(now), FINDINGS, "Examine", &note).await;
            }
            return;
        };
        let news = record::news(before, now);
        let (told, others) = news.named.split_at(news.named.len().min(ONE_BY_ONE));
        for finding in told {
            self.tell_finding(finding).await;
        }
        let more = others.len() + usize::try_from(news.more).unwrap_or(usize::MAX);
        if more > 0 {
            let what = if more == 1 { "finding is" } else { "findings are" };
            let note = format!("{more} more {what} new. status.findings names the worst.");
            let grave = others.iter().any(|finding| is_grave(finding));
            // Events of one reason and action are taken for one that comes again.
            let action = format!("Examine-{more}");
            self.tell_of(grave, FINDINGS, &action, &note).await;
        }
    }

    async fn tell_finding(&self, finding: &NamedFinding) {
        // A check that another version knows is told by it.
        let Some(check) = record::check(finding) else { return };
        let note = format!("{}: {} {}", check.id(), finding.what, check.fix());
        let action = format!("Find-{}", finding.id);
        self.tell_of(is_grave(finding), &format!("{check:?}"), &action, &note)
            .await;
    }

    async fn tell_of(&self, is_grave: bool, reason: &str, action: &str, note: &str) {
        let events = &self.ctx.events;
        if is_grave {
            events.warning(self.target, reason, action, note).await;
        } else {
            events.normal(self.target, reason, action, note).await;
        }
    }
}

fn is_grave(finding: &NamedFinding) -> bool {
    let severity = record::check(finding).map(Check::severity);
    severity.is_some_and(|severity| severity >= Severity::High)
}
