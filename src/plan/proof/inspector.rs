//! Proving a copy by what Amazon Inspector has found in it, as EC2 shows that of each image.
//!
//! A copy that it has not scanned is unknown, and never clean; nor is it proven by a scan from before the copy was made. Whatever a
//! later scan says is what counts then. So another copy, which has the same packages in it, is never made for its sake. Whether Amazon
//! Inspector scans by itself or is [asked for a scan](super::on_demand), this is judged by what EC2 shows alone.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::passed;
use crate::api::conditions::reason;
use crate::api::{
    AMIMigrationStatus, InspectorScan, InspectorSettings, InspectorSeverity, InspectorState, InspectorStatus,
    OnDemandScanState, OnDemandScanStatus,
};
use crate::domain::{Image, WorstFinding};
use crate::plan::obstacle::Problem;

/// What is to be proven, and by what.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The copy, as it was read last.
    pub copy: &'a Image,
    /// When that reading began. What Amazon Inspector has done since need not show.
    pub read: Timestamp,
    /// What it may have found.
    pub settings: &'a InspectorSettings,
}

/// How it stands. Whatever that is, another reading may show something else.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It has found nothing that is worse than what is allowed.
    Proven,
    /// It has not scanned the copy yet.
    Waiting,
    /// A person has to act.
    Stalled(Problem),
}

/// The last scan of the copy itself.
struct Scan {
    /// When it was, to the second, as a status keeps times.
    time: Timestamp,
    worst: Worst,
}

/// The worst that it has found.
enum Worst {
    Nothing,
    Known(InspectorSeverity),
    Unknown(String),
}

/// Judges a copy: what is to be on record, and what that comes to. What it is waited for since stays on record from the first time on,
/// so that whoever comes next has the same deadline.
pub fn judge(wanted: Wanted<'_>, record: Option<&InspectorStatus>, now: Timestamp) -> (InspectorStatus, Verdict) {
    let id = wanted.copy.id.as_str();
    let same = record.filter(|known| known.image_id == id);
    let since = same.and_then(|known| known.waiting_since.clone()).unwrap_or(Time(now));
    let is_asked_for = wanted.settings.scan == InspectorScan::OnDemand;
    let on_demand = same.and_then(|known| known.scan.clone()).filter(|_| is_asked_for);
    let maximum = wanted.settings.maximum_severity;
    let scan = last_scan(wanted.copy);
    let (state, verdict) = match &scan {
        Some(scan) if scan.worst.is_within(maximum) => (InspectorState::Passed, Verdict::Proven),
        Some(scan) => (
            InspectorState::Failed,
            Verdict::Stalled(too_severe(id, scan, maximum, on_demand.is_some())),
        ),
        // What is to be asked for, and is not yet, nobody waits for.
        None if is_asked_for && on_demand.is_none() => (InspectorState::Waiting, Verdict::Waiting),
        // Only a reading from after the deadline shows that there was none.
        None if is_late(&since, wanted.read, wanted.settings) => (
            InspectorState::TimedOut,
            Verdict::Stalled(not_scanned(id, wanted.settings, on_demand.as_ref())),
        ),
        None => (InspectorState::Waiting, Verdict::Waiting),
    };
    let status = InspectorStatus {
        state,
        image_id: id.to_owned(),
        severity: scan.as_ref().and_then(|scan| scan.worst.name()),
        scan_time: scan.map(|scan| Time(scan.time)),
        waiting_since: Some(since),
        scan: on_demand,
    };
    (status, verdict)
}

/// When the scan was made that EC2 shows of the copy, to the second, if it is one that counts.
pub fn scanned(copy: &Image) -> Option<Timestamp> {
    last_scan(copy).map(|scan| scan.time)
}

/// Whether what is waited for since then has had its time, by a reading that began at `read`.
pub fn is_late(since: &Time, read: Timestamp, settings: &InspectorSettings) -> bool {
    passed(Some(since), read, settings.timeout.as_std())
}

/// Whether a migration has a copy on record that Amazon Inspector has not scanned.
pub fn is_awaited(status: &AMIMigrationStatus) -> bool {
    let validation = status.validation.as_ref();
    let inspector = validation.and_then(|validation| validation.inspector.as_ref());
    inspector.is_some_and(|inspector| match inspector.state {
        InspectorState::Waiting | InspectorState::TimedOut => true,
        InspectorState::Passed | InspectorState::Failed => false,
    })
}

/// The last scan, if it was made of the copy. Both times are AWS's own. Without one of them, that is not known.
fn last_scan(copy: &Image) -> Option<Scan> {
    let (scan, created) = (copy.scan()?, copy.created?);
    let scanned = scan.scanned.filter(|scanned| *scanned >= created)?;
    let worst = match &scan.worst {
        WorstFinding::Nothing => Worst::Nothing,
        WorstFinding::Of(severity) => Worst::Known((*severity).into()),
        WorstFinding::Unknown(label) => Worst::Unknown(label.to_string()),
    };
    Some(Scan {
        time: Timestamp::from_second(scanned.as_second()).unwrap_or(scanned),
        worst,
    })
}

impl Worst {
    fn is_within(&self, maximum: InspectorSeverity) -> bool {
        match self {
            Self::Nothing => true,
            Self::Known(severity) => *severity <= maximum,
            Self::Unknown(_) => false,
        }
    }

    fn name(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Known(severity) => Some(severity.as_str().to_owned()),
            Self::Unknown(label) => Some(label.clone()),
        }
    }
}

fn too_severe(copy: &str, scan: &Scan, maximum: InspectorSeverity, is_on_demand: bool) -> Problem {
    let (day, maximum) = (scan.time.strftime("%Y-%m-%d"), maximum.as_str());
    let again = if is_on_demand {
        " Change the annotation amiseal.dev/retry to have it scanned again."
    } else {
        ""
    };
    let message = match &scan.worst {
        Worst::Unknown(label) => format!(
            "Amazon Inspector has found a vulnerability of the severity {label} in {copy} on {day}, which amiseal does not know, and \
             {maximum} is the worst that is allowed: see what it is (aws ec2 get-image-findings --image-id {copy}), or remove \
             validation.inspector."
        ),
        worst => format!(
            "Amazon Inspector has found a vulnerability of the severity {} in {copy} on {day}, and {maximum} is the worst that is \
             allowed: build the original anew from updated packages, or raise validation.inspector.maximumSeverity. The copy goes on \
             once a later scan finds nothing that is worse.{again}",
            worst.name().unwrap_or_default()
        ),
    };
    Problem::new(reason::COPY_VULNERABLE, message)
}

fn not_scanned(copy: &str, settings: &InspectorSettings, scan: Option<&OnDemandScanStatus>) -> Problem {
    let message = match scan {
        None => format!(
            "Amazon Inspector has not scanned {copy} within {}: check in this account and region that its machine image scanning is on, \
             that it neither excludes copied images (excludeCopiedAmis) nor scans only images with a tag that copies lack, that it may \
             use the key, and that it knows the operating system. The copy goes on once it is scanned.",
            settings.timeout
        ),
        Some(scan) => not_scanned_on_demand(copy, settings, scan),
    };
    Problem::new(reason::COPY_NOT_SCANNED, message)
}

/// What is said where the scan that was asked for has not come to anything in time.
fn not_scanned_on_demand(copy: &str, settings: &InspectorSettings, scan: &OnDemandScanStatus) -> String {
    let (timeout, id) = (settings.timeout, scan.scan_id.as_deref().unwrap_or_default());
    match scan.state {
        OnDemandScanState::Succeeded => format!(
            "Amazon Inspector has ended its on-demand scan {id} of {copy}, and EC2 has shown no result of it within {timeout}: see \
             whether its findings are among the events of EventBridge, and change the annotation amiseal.dev/retry to have another scan \
             made, or set validation.inspector.scan: Continuous. The copy goes on once EC2 shows a result."
        ),
        OnDemandScanState::Started => format!(
            "Amazon Inspector has not ended its on-demand scan {id} of {copy} within {timeout}: see how far it is (aws inspector2 \
             get-on-demand-scan-status --resource-type AMI --resource-id {copy} --scan-id {id}), or raise validation.inspector.timeout. \
             The copy goes on once EC2 shows a result."
        ),
        OnDemandScanState::Requesting | OnDemandScanState::Refused | OnDemandScanState::Failed => format!(
            "Amazon Inspector could not be asked for an on-demand scan of {copy} within {timeout}: see the logs of the controller, and \
             whether Amazon Inspector can be reached in this region. It is asked again, and the copy goes on once it is scanned."
        ),
    }
}

#[cfg(test)]
#[path = "inspector_tests.rs"]
mod tests;
