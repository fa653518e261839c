//! The on-demand scan that Amazon Inspector is asked for, where the policy wants one: whether it is asked for, what becomes of it, and
//! when it is asked for again. What the scan has found is none of its business: that is what EC2 shows.
//!
//! AWS charges for each scan that succeeds. So a scan is on record before it is asked for, under a client token that is made of nothing
//! else, and each time before that it is looked whether there is one already: a token may be forgotten, the list of scans is not for 30
//! days. Whoever has asked for the scan that is found, it is as good as ours.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use super::again::{Again, Past};
use super::{MESSAGE, SHOWS_AFTER, passed};
use crate::api::conditions::{cut, reason};
use crate::api::{InspectorState, InspectorStatus, LaunchResult, OnDemandScanState, OnDemandScanStatus};
use crate::domain::{ImageId, ScanNow, ScanProgress, ScanRef, ScanRequest, Scope};
use crate::plan::obstacle::Problem;

/// How often a scan is looked at, and what EC2 shows once it has ended: it takes minutes to hours.
pub const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// So many scans in a row may fail, the first included, until a person has to act.
const MOST: u32 = 3;
/// What another scan does not help against, by the end of AWS's reason.
const FINAL: [&str; 2] = ["UNSUPPORTED_OS", "STORAGE_LIMIT_EXCEEDED"];

/// What is to be scanned.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Where the copy is.
    pub scope: &'a Scope,
    /// The copy.
    pub copy: &'a ImageId,
    /// When the last scan of it was made that EC2 is known to show, whoever has had it made, if there is one.
    pub shown: Option<Timestamp>,
    /// Whether the scan has had its time, so that nobody looks for its result but the scans of the account and region.
    pub is_late: bool,
    /// Since when this process has known of the scan on record. Another one's clock may be minutes off.
    pub known_since: Timestamp,
    /// The value of the annotation `amiseal.dev/retry`, as far as a status has room for it.
    pub retry: Option<&'a str>,
}

/// What was asked for this decision.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// The scan that was read, and what it is; none where there is none.
    pub scan: Option<(&'a ScanRef, Option<&'a ScanNow>)>,
    /// The copy of which EC2 does not show just now what it was asked for.
    pub unscanned: Option<&'a ImageId>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing: each scan of the account and region shows what there is.
    Wait,
    /// Look again then.
    Later(Duration),
    /// Read it.
    Ask(ScanRef),
    /// Read whether EC2 shows a scan of the copy, which is not from before this time where there is one.
    Show(Option<Timestamp>),
    /// Ask Amazon Inspector for it as it is on record.
    Start(ScanRequest),
    /// This is to be on record.
    Record(Box<OnDemandScanStatus>),
    /// A person has to act; where there is a time, it is tried once more by itself.
    Stalled(Problem, Option<Duration>),
    /// It has failed, and is asked for once more after that.
    Failed(String, Duration),
}

/// Decides what comes next.
pub fn decide(wanted: Wanted<'_>, record: Option<&OnDemandScanStatus>, seen: Seen<'_>, now: Timestamp) -> Next {
    let Some(scan) = record else {
        // Amazon Inspector has come to the copy by itself: nobody pays for another scan.
        return if wanted.is_scanned() {
            Next::Wait
        } else {
            wanted.begin_unless_shown(None, 0, seen, now)
        };
    };
    match scan.state {
        OnDemandScanState::Requesting => wanted.request(scan, seen, now),
        OnDemandScanState::Started => wanted.follow(scan, seen, now),
        OnDemandScanState::Succeeded if past(scan).is_asked(wanted.retry) => wanted.begin(Some(scan), 0, now),
        OnDemandScanState::Succeeded => wanted.await_result(scan, seen, now),
        OnDemandScanState::Refused | OnDemandScanState::Failed => wanted.again(scan, seen, now),
    }
}

/// Whether a scan that EC2 shows, which was made then, is not from before that time.
pub fn is_from(shown: Option<Timestamp>, since: Option<Timestamp>) -> bool {
    // EC2 and a status may leave out what is less than a second.
    shown.is_some_and(|shown| since.is_none_or(|since| shown.as_second() >= since.as_second()))
}

/// Puts a scan on record, and says whether it is waited for anew. One that is begun or has started has its time from now on, however
/// long it was refused before.
pub fn put(record: &mut InspectorStatus, scan: OnDemandScanStatus, now: Timestamp) -> bool {
    let is_another = |known: &OnDemandScanStatus| known.attempt != scan.attempt || known.scan_id != scan.scan_id;
    let is_new = record.scan.as_ref().is_none_or(is_another);
    if is_new {
        record.waiting_since = Some(Time(now));
        if record.state == InspectorState::TimedOut {
            record.state = InspectorState::Waiting;
        }
    }
    record.scan = Some(scan);
    is_new
}

/// Why it was refused when it was asked for last, if it was.
pub fn refusal(scan: &OnDemandScanStatus) -> Option<Problem> {
    let message = match scan.state {
        OnDemandScanState::Refused | OnDemandScanState::Requesting => scan.message.as_ref()?,
        OnDemandScanState::Started | OnDemandScanState::Succeeded | OnDemandScanState::Failed => return None,
    };
    Some(Problem::new(reason::COPY_NOT_SCANNED, message.clone()))
}

/// Amazon Inspector has answered with this scan.
pub fn started(scan: &OnDemandScanStatus, id: &str, now: Timestamp) -> OnDemandScanStatus {
    OnDemandScanStatus {
        scan_id: Some(id.to_owned()),
        message: None,
        requested_at: Some(Time(now)),
        ..in_state(scan, OnDemandScanState::Started, now)
    }
}

/// Amazon Inspector has refused to start it.
pub fn refused(scan: &OnDemandScanStatus, message: &str, now: Timestamp) -> OnDemandScanStatus {
    OnDemandScanStatus {
        message: Some(cut(message, MESSAGE)),
        ..in_state(scan, OnDemandScanState::Refused, now)
    }
}

impl Wanted<'_> {
    /// Whether EC2 shows a scan of the copy.
    fn is_scanned(&self) -> bool {
        self.shown.is_some()
    }

    /// Whether what is on record has had the time to show.
    fn has_shown(&self, now: Timestamp) -> bool {
        passed(Some(&Time(self.known_since)), now, SHOWS_AFTER)
    }

    /// Asks for the scan on record, unless it is there: an answer was lost, or somebody else has asked for one.
    fn request(&self, scan: &OnDemandScanStatus, seen: Seen<'_>, now: Timestamp) -> Next {
        if self.is_scanned() && !is_asked_for(scan) {
            // It could not be asked for, and Amazon Inspector has come to the copy meanwhile.
            return if past(scan).is_asked(self.retry) {
                self.begin(Some(scan), 0, now)
            } else {
                Next::Wait
            };
        }
        let last = ScanRef::Last(self.copy.clone());
        match seen.scan.filter(|(which, _)| **which == last) {
            None => Next::Ask(last),
            Some((_, Some(found))) if scan.previous_scan_id.as_deref() != Some(&*found.id) => {
                let taken = started(scan, &found.id, now);
                record(self.ended(&taken, found, now).unwrap_or(taken))
            }
            Some(_) => Next::Start(ScanRequest {
                image: self.copy.clone(),
                client_token: scan.client_token.clone(),
            }),
        }
    }

    /// Waits for its end.
    fn follow(&self, scan: &OnDemandScanStatus, seen: Seen<'_>, now: Timestamp) -> Next {
        let Some(id) = scan.scan_id.as_deref() else {
            // Somebody else has written that.
            return record(in_state(scan, OnDemandScanState::Requesting, now));
        };
        let which = ScanRef::Id(self.copy.clone(), id.into());
        match seen.scan.filter(|(asked, _)| **asked == which) {
            None => Next::Ask(which),
            Some((_, Some(found))) => self.ended(scan, found, now).map_or(Next::Later(LOOK_AGAIN), record),
            Some((_, None)) if !self.has_shown(now) => Next::Later(LOOK_AGAIN),
            Some((_, None)) => {
                let message = format!("Amazon Inspector does not know its on-demand scan {id} any more.");
                record(failed(scan, scan.failures.saturating_add(1), &message, now))
            }
        }
    }

    /// What a scan has come to, if it has ended.
    fn ended(&self, scan: &OnDemandScanStatus, found: &ScanNow, now: Timestamp) -> Option<OnDemandScanStatus> {
        match &found.progress {
            ScanProgress::InProgress => None,
            ScanProgress::Successful => Some(OnDemandScanStatus {
                // By the clock of AWS, as what EC2 shows is held against it.
                requested_at: Some(Time(found.started)),
                // Whoever has asked while it was under way has what was asked for.
                observed_retry: self.retry.map(str::to_owned),
                ..in_state(scan, OnDemandScanState::Succeeded, now)
            }),
            ScanProgress::Failed(why) => Some(unsuccessful(scan, why, now)),
        }
    }

    /// Looks for the result of a scan that has succeeded. For a while, EC2 may show that of one before it.
    fn await_result(&self, scan: &OnDemandScanStatus, seen: Seen<'_>, now: Timestamp) -> Next {
        let since = scan.requested_at.as_ref().map(|time| time.0);
        // That of a scan that has taken too long is looked for as well.
        let is_over = self.is_late && self.has_shown(now);
        if is_over || is_from(self.shown, since) {
            Next::Wait
        } else if seen.unscanned == Some(self.copy) {
            Next::Later(LOOK_AGAIN)
        } else {
            Next::Show(since)
        }
    }

    /// What follows a scan that was refused or has failed. Where EC2 shows one meanwhile, another one is made only if somebody asks.
    fn again(&self, scan: &OnDemandScanStatus, seen: Seen<'_>, now: Timestamp) -> Next {
        let past = past(scan);
        let is_asked = past.is_asked(self.retry);
        if self.is_scanned() && !is_asked {
            return Next::Wait;
        }
        match past.next(MOST, self.retry, now) {
            // It was asked for where EC2 showed none. This one is asked for whatever EC2 shows.
            Again::Same if self.is_scanned() => self.begin(Some(scan), 0, now),
            // Nothing has come of it: the token is as good as new.
            Again::Same => record(OnDemandScanStatus {
                observed_retry: self.retry.map(str::to_owned),
                ..in_state(scan, OnDemandScanState::Requesting, now)
            }),
            Again::Anew(failures) if is_asked => self.begin(Some(scan), failures, now),
            Again::Anew(failures) => self.begin_unless_shown(Some(scan), failures, seen, now),
            Again::Stalled(problem, wait) => {
                Next::Stalled(Problem::new(reason::COPY_NOT_SCANNED, problem.message), wait)
            }
            Again::Failed(message, wait) => Next::Failed(message, wait),
        }
    }

    /// Another scan that nobody has asked for, once EC2 does not show one: the last reading of it may be from long ago.
    fn begin_unless_shown(
        &self,
        before: Option<&OnDemandScanStatus>,
        failures: u32,
        seen: Seen<'_>,
        now: Timestamp,
    ) -> Next {
        if seen.unscanned == Some(self.copy) {
            self.begin(before, failures, now)
        } else {
            Next::Show(None)
        }
    }

    /// Another scan after that one, before which so many have failed.
    fn begin(&self, before: Option<&OnDemandScanStatus>, failures: u32, now: Timestamp) -> Next {
        let attempt = before.map_or(0, |scan| scan.attempt).saturating_add(1);
        let previous = before.and_then(|scan| scan.scan_id.clone().or_else(|| scan.previous_scan_id.clone()));
        record(OnDemandScanStatus {
            state: OnDemandScanState::Requesting,
            attempt,
            failures,
            client_token: self.token(attempt, previous.as_deref()),
            scan_id: None,
            previous_scan_id: previous,
            message: None,
            requested_at: Some(Time(now)),
            time: Some(Time(now)),
            observed_retry: self.retry.map(str::to_owned),
        })
    }

    /// The client token of a scan: the same for everybody who would ask for it, now or after a crash, and another one after another
    /// scan, also where the count of scans begins anew.
    fn token(&self, attempt: u32, previous: Option<&str>) -> String {
        let mut hash = Sha256::new();
        let attempt = attempt.to_string();
        let parts = [
            "on-demand-scan",
            self.scope.account.as_str(),
            self.scope.region.as_str(),
            self.copy.as_str(),
            &attempt,
            previous.unwrap_or_default(),
        ];
        for part in parts {
            hash.update(part);
            hash.update([0]);
        }
        format!("amiseal-{}", &hex::encode(hash.finalize())[..40])
    }
}

fn record(scan: OnDemandScanStatus) -> Next {
    Next::Record(Box::new(scan))
}

/// Whether a person has asked for this scan, and not the policy alone. That begins the count of failures anew.
fn is_asked_for(scan: &OnDemandScanStatus) -> bool {
    scan.attempt > 1 && scan.failures == 0
}

fn past(scan: &OnDemandScanStatus) -> Past<'_> {
    Past {
        refused: (scan.state == OnDemandScanState::Refused).then_some(reason::COPY_NOT_SCANNED),
        result: (scan.state == OnDemandScanState::Failed).then_some(LaunchResult::Failed),
        failures: scan.failures,
        message: scan.message.as_deref(),
        time: scan.time.as_ref(),
        observed_retry: scan.observed_retry.as_deref(),
    }
}

fn in_state(scan: &OnDemandScanStatus, state: OnDemandScanState, now: Timestamp) -> OnDemandScanStatus {
    OnDemandScanStatus {
        state,
        time: Some(Time(now)),
        ..scan.clone()
    }
}

/// Amazon Inspector has ended it without a result, for this reason of its own.
fn unsuccessful(scan: &OnDemandScanStatus, why: &str, now: Timestamp) -> OnDemandScanStatus {
    let is_final = FINAL.iter().any(|end| why.ends_with(end));
    let failures = if is_final {
        MOST
    } else {
        scan.failures.saturating_add(1)
    };
    let id = scan.scan_id.as_deref().unwrap_or_default();
    let message = format!(
        "Amazon Inspector's on-demand scan {id} has failed ({why}): {}.",
        fix(why)
    );
    failed(scan, failures, &message, now)
}

fn failed(scan: &OnDemandScanStatus, failures: u32, message: &str, now: Timestamp) -> OnDemandScanStatus {
    OnDemandScanStatus {
        failures,
        message: Some(cut(message, MESSAGE)),
        ..in_state(scan, OnDemandScanState::Failed, now)
    }
}

/// What to do where a scan has failed for this reason.
fn fix(why: &str) -> &'static str {
    match why {
        "ACCESS_DENIED" => "let Amazon Inspector's role AWSServiceRoleForAmazonInspector2Ami use the key",
        "RESOURCE_TERMINATED" => "see who has deregistered the copy or deleted a snapshot of it",
        "INTERNAL_ERROR" => "see whether AWS has an outage",
        _ if FINAL.iter().any(|end| why.ends_with(end)) => {
            "Amazon Inspector does not scan such images; exempt the original, or have its copy proven otherwise"
        }
        _ => "see what the reason means in the user guide of Amazon Inspector",
    }
}

#[cfg(test)]
#[path = "on_demand_tests.rs"]
mod tests;
