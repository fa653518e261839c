//! What Amazon Inspector says of a copy: its place among the steps of a migration.
//!
//! What it says is what each scan of the account and region shows, which lets all migrations look again. Where the policy has it asked
//! for an on-demand scan, that comes once all else has passed: what does not boot need not be scanned, and each scan is paid for.

use super::{Decider, Effect, Next, Question, Step};
use crate::api::conditions::reason;
use crate::api::{
    AMIMigrationStatus, InspectorScan, InspectorSettings, InspectorStatus, OnDemandScanState, OnDemandScanStatus,
};
use crate::domain::Image;
use crate::plan::proof::inspector::{self, Verdict, Wanted};
use crate::plan::proof::on_demand;

/// What is said while it is waited for.
const WAITS: &str = "Waiting until Amazon Inspector has scanned the copy.";

impl Decider<'_> {
    /// Puts on record what Amazon Inspector says of a copy, whatever else that is proven by meanwhile. None where the policy does not
    /// ask for it: where it asks again, a scan is waited for anew.
    pub(super) fn inspect(&self, status: &mut AMIMigrationStatus, copy: &Image) -> Option<Verdict> {
        let record = status
            .validation
            .as_mut()
            .and_then(|validation| validation.inspector.take());
        let settings = self.facts.settings.validation.inspector.as_ref()?;
        let wanted = Wanted {
            copy,
            read: self.inventory.known_until(&self.facts.of.source),
            settings,
        };
        let (record, verdict) = inspector::judge(wanted, record.as_ref(), self.now);
        status.validation.get_or_insert_default().inspector = Some(record);
        Some(verdict)
    }

    /// What that comes to once all else has passed. None where nothing is in the way.
    pub(super) fn inspected(&self, status: &mut AMIMigrationStatus, copy: &Image, verdict: &Verdict) -> Option<Step> {
        if *verdict == Verdict::Proven {
            return None;
        }
        let settings = self.facts.settings.validation.inspector.as_ref()?;
        Some(match settings.scan {
            InspectorScan::Continuous => self.awaits_scan(status, verdict, Next::Wait),
            InspectorScan::OnDemand => self.scan(status, copy, settings, verdict),
        })
    }

    /// Has Amazon Inspector asked for a scan, follows it, and says how that stands.
    fn scan(
        &self,
        status: &mut AMIMigrationStatus,
        copy: &Image,
        settings: &InspectorSettings,
        verdict: &Verdict,
    ) -> Step {
        let retry = self.retry();
        let shown = inspector::scanned(copy);
        let read = self.inventory.known_until(&self.facts.of.source);
        let since = inspector_of(status).waiting_since.as_ref();
        let wanted = on_demand::Wanted {
            scope: &self.facts.of.scope,
            copy: &copy.id,
            shown,
            is_late: since.is_some_and(|since| inspector::is_late(since, read, settings)),
            known_since: self.facts.memory.known_since.scan,
            retry: retry.as_deref(),
        };
        let answers = self.facts.answers;
        let seen = on_demand::Seen {
            scan: answers.scan.as_ref().map(|(which, found)| (which, found.as_ref())),
            unscanned: answers.unscanned.as_ref(),
        };
        let then = match on_demand::decide(wanted, scan_of(status), seen, self.now) {
            on_demand::Next::Wait => Next::Wait,
            on_demand::Next::Later(wait) => Next::Later(wait),
            on_demand::Next::Ask(which) => Next::Ask(Question::Scan(which)),
            on_demand::Next::Show(since) => Next::Ask(Question::ScanResult(copy.id.clone(), since)),
            on_demand::Next::Start(request) => Next::Do(Effect::StartScan(request)),
            on_demand::Next::Record(scan) => {
                let has_time = on_demand::put(inspector_of(status), *scan, self.now);
                let is_waiting = has_time && shown.is_none();
                let verdict = if is_waiting { &Verdict::Waiting } else { verdict };
                return self.awaits_scan(status, verdict, Next::Wait);
            }
            on_demand::Next::Stalled(problem, wait) => {
                return self.unproven(status, &problem, wait.map_or(Next::Wait, Next::Later));
            }
            on_demand::Next::Failed(message, wait) => {
                let message = format!("{message} It is asked for once more.");
                return self.proving(status, reason::VALIDATING, &message, Next::Later(wait));
            }
        };
        self.awaits_scan(status, verdict, then)
    }

    /// A result is not there, or is too severe. What stands in the way of asking for one is said first.
    fn awaits_scan(&self, status: &AMIMigrationStatus, verdict: &Verdict, then: Next) -> Step {
        let calls = matches!(then, Next::Ask(_) | Next::Do(_));
        let scan = scan_of(status);
        let refusal = scan.and_then(on_demand::refusal);
        match (self.facts.memory.problem.filter(|_| calls), verdict) {
            (Some(problem), _) => self.unproven(status, problem, then),
            // What was found counts, whatever has become of another scan.
            (None, Verdict::Stalled(problem)) if problem.reason == reason::COPY_VULNERABLE => {
                self.unproven(status, problem, then)
            }
            (None, Verdict::Stalled(problem)) => self.unproven(status, refusal.as_ref().unwrap_or(problem), then),
            (None, Verdict::Proven | Verdict::Waiting) => match refusal {
                Some(problem) => self.unproven(status, &problem, then),
                None => self.proving(status, reason::VALIDATING, &says(scan), then),
            },
        }
    }
}

fn scan_of(status: &AMIMigrationStatus) -> Option<&OnDemandScanStatus> {
    status.validation.as_ref()?.inspector.as_ref()?.scan.as_ref()
}

fn inspector_of(status: &mut AMIMigrationStatus) -> &mut InspectorStatus {
    let validation = status.validation.get_or_insert_default();
    validation.inspector.get_or_insert_default()
}

fn says(scan: Option<&OnDemandScanStatus>) -> String {
    let id = scan.and_then(|scan| scan.scan_id.as_deref()).unwrap_or_default();
    match scan.map(|scan| scan.state) {
        Some(OnDemandScanState::Requesting) => "Amazon Inspector is being asked for a scan of the copy.".to_owned(),
        Some(OnDemandScanState::Started) => {
            format!("Waiting until Amazon Inspector has ended its on-demand scan {id}.")
        }
        Some(OnDemandScanState::Succeeded) => {
            format!("Amazon Inspector has ended its on-demand scan {id}. Waiting until EC2 shows the result.")
        }
        None | Some(OnDemandScanState::Refused | OnDemandScanState::Failed) => WAITS.to_owned(),
    }
}
