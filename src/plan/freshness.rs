//! How long what was read is gone by while nothing can be read any more.

use std::time::Duration;

use jiff::Timestamp;

use super::obstacle::Problem;
use crate::api::conditions::{self, Status, Writer};
use crate::api::{AMIEncryptionTargetSpec, AMIEncryptionTargetStatus};

/// As many scan intervals.
const INTERVALS: u32 = 2;
const STALE: &str = "amiseal could not scan the account and region for more than two scan intervals.";
const NEVER: &str = "amiseal could not scan the account and region.";

/// Until when what was read at this moment is gone by.
pub fn holds_until(read: Timestamp, spec: &AMIEncryptionTargetSpec) -> Timestamp {
    let held: Duration = spec.scan_interval.as_std().saturating_mul(INTERVALS);
    read.saturating_add(held).unwrap_or(Timestamp::MAX)
}

/// Says that it is not known any more what was found by an old scan, where nothing newer was read. `key_read` is when the key was
/// read last, which it is besides while it cannot be used.
pub(super) fn doubt(
    write: &mut Writer<'_>,
    problem: &Problem,
    spec: &AMIEncryptionTargetSpec,
    scanned: Timestamp,
    key_read: Option<Timestamp>,
) {
    for (type_, read) in [
        (conditions::COMPLIANT, Some(scanned)),
        (conditions::KEY_USABLE, key_read.max(Some(scanned))),
    ] {
        if read.is_none_or(|read| holds_until(read, spec) <= write.now) {
            write.set(type_, Status::Unknown, problem.reason, STALE);
        }
    }
}

/// The same in a process that has not scanned itself: what an earlier one has found stays said as long as that one would have said it.
pub(super) fn doubt_record(
    write: &mut Writer<'_>,
    problem: &Problem,
    spec: &AMIEncryptionTargetSpec,
    record: &AMIEncryptionTargetStatus,
) {
    let scanned = record.last_scan_time.as_ref().map(|time| time.0);
    if scanned.is_some_and(|scanned| write.now < holds_until(scanned, spec)) {
        return;
    }
    let message = if scanned.is_some() { STALE } else { NEVER };
    for type_ in [conditions::KEY_USABLE, conditions::COMPLIANT] {
        write.set(type_, Status::Unknown, problem.reason, message);
    }
    if write.has(conditions::USAGE_KNOWN) {
        write.set(conditions::USAGE_KNOWN, Status::Unknown, problem.reason, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::MigrationCounts;
    use crate::api::conditions::{find, reason};
    use crate::domain::{Key, KeyUsability};
    use crate::plan::classify::Classified;
    use crate::plan::obstacle::KeyView;
    use crate::plan::status::{Scan, ScanResult, target};
    use crate::plan::testing::{at, key};

    /// A target that is scanned every 15 minutes.
    fn spec() -> AMIEncryptionTargetSpec {
        serde_json::from_value(serde_json::json!({
            "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami", "mode": "Enforce",
            "scanInterval": "15m", "otherKey": "Report", "promotion": {},
            "copy": {"namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3},
        }))
        .expect("a target")
    }

    fn usable() -> KeyView {
        KeyView::Known(Key {
            arn: key(1),
            usability: KeyUsability::Usable,
            aws_managed: false,
        })
    }

    /// What a target says so many seconds after its scan, which the next ones have not followed.
    fn said(current: &AMIEncryptionTargetStatus, looked: &ScanResult<'_>, seconds: i64) -> AMIEncryptionTargetStatus {
        target(
            current,
            &spec(),
            Some(1),
            looked,
            MigrationCounts::default(),
            at(seconds),
        )
    }

    fn verdicts(status: &AMIEncryptionTargetStatus) -> [(String, String); 2] {
        [conditions::COMPLIANT, conditions::KEY_USABLE].map(|type_| {
            let condition = find(&status.conditions, type_).expect("a condition");
            (condition.status.clone(), condition.reason.clone())
        })
    }

    #[test]
    fn what_a_scan_has_found_is_unknown_two_intervals_later_the_same_before_and_after_a_restart() {
        let (classified, view) = (Classified::default(), usable());
        let problem = Problem::new(reason::ROLE_NOT_ASSUMABLE, "sts:AssumeRole: no.");
        let looked = |problem| {
            ScanResult::Scanned(Scan {
                at: at(0),
                classified: &classified,
                caller: "arn:aws:sts::111122223333:x",
                key: &view,
                key_problem: None,
                key_read: Some(at(0)),
                unstarted: false,
                migrates: false,
                asks: false,
                usage: None,
                findings: None,
                outdated: None,
                lacking: None,
                unanswered: None,
                unanswerable: None,
                asked: None,
                problem,
            })
        };
        let pair = |status: &str, why: &str| (status.to_owned(), why.to_owned());
        let fine = said(&AMIEncryptionTargetStatus::default(), &looked(None), 1);
        let (good, bad) = (
            pair("True", reason::SUCCEEDED),
            pair("Unknown", reason::ROLE_NOT_ASSUMABLE),
        );
        assert_eq!(verdicts(&fine), [good.clone(), good.clone()]);
        assert_eq!(
            verdicts(&said(&fine, &looked(None), 4000)),
            [good.clone(), good.clone()],
            "no scan has failed"
        );
        for (seconds, expected) in [(900, good.clone()), (1799, good), (1800, bad.clone()), (86_400, bad)] {
            let before = said(&fine, &looked(Some(&problem)), seconds);
            let after = said(&before, &ScanResult::Failed(&problem), seconds);
            for status in [&before, &after] {
                assert_eq!(
                    verdicts(status),
                    [expected.clone(), expected.clone()],
                    "after {seconds} s"
                );
                assert!(!conditions::is_true(&status.conditions, conditions::REACHABLE));
            }
            assert_eq!(before.conditions, after.conditions, "after {seconds} s");
        }
    }

    #[test]
    fn a_key_that_is_read_besides_the_scans_stays_known() {
        let (classified, view) = (Classified::default(), usable());
        let problem = Problem::new(reason::ENDPOINT_UNREACHABLE, "ec2:DescribeSnapshots: no answer.");
        let looked = ScanResult::Scanned(Scan {
            at: at(0),
            classified: &classified,
            caller: "arn:aws:sts::111122223333:x",
            key: &view,
            key_problem: None,
            key_read: Some(at(3000)),
            unstarted: false,
            migrates: false,
            asks: false,
            usage: None,
            findings: None,
            outdated: None,
            lacking: None,
            unanswered: None,
            unanswerable: None,
            asked: None,
            problem: Some(&problem),
        });
        let [compliant, usable] = verdicts(&said(&AMIEncryptionTargetStatus::default(), &looked, 3600));
        assert_eq!((compliant.0.as_str(), usable.0.as_str()), ("Unknown", "True"));
    }
}
