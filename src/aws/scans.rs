//! What Amazon Inspector has found in images, as EC2 tells it.

use aws_sdk_ec2::types::ScanResults;

use super::project::moment;
use crate::domain::{ImageScan, Vulnerability};

/// The results of a scan. Nothing where a date cannot be read: then it is not known what was found.
pub(super) fn project(results: &ScanResults) -> Option<ImageScan> {
    let fixes = [
        (
            Vulnerability::Informational,
            results.informational_fix_available_since(),
        ),
        (Vulnerability::Low, results.low_fix_available_since()),
        (Vulnerability::Medium, results.medium_fix_available_since()),
        (Vulnerability::High, results.high_fix_available_since()),
        (Vulnerability::Critical, results.critical_fix_available_since()),
    ];
    let at = |at| moment("scanResults", at).ok();
    let mut scan = ImageScan {
        scanned: match results.finding_scan_date() {
            Some(scanned) => Some(at(scanned)?),
            None => None,
        },
        ..ImageScan::default()
    };
    for (severity, since) in fixes {
        if let Some(since) = since {
            scan.fix_available_since.insert(severity, at(since)?);
        }
    }
    Some(scan)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::DateTime;

    use super::*;

    #[test]
    fn each_severity_has_its_own_date_and_one_that_is_out_of_range_leaves_nothing() {
        let results = ScanResults::builder()
            .finding_scan_date(DateTime::from_secs(200))
            .critical_fix_available_since(DateTime::from_secs(100))
            .low_fix_available_since(DateTime::from_secs(50));
        let scan = project(&results.clone().build()).expect("a scan");
        assert_eq!(scan.scanned.map(|at| at.as_second()), Some(200));
        let fixes: Vec<_> = scan
            .fix_available_since
            .iter()
            .map(|(severity, at)| (severity.as_str(), at.as_second()))
            .collect();
        assert_eq!(fixes, [("low", 50), ("critical", 100)]);
        let beyond = results.high_fix_available_since(DateTime::from_secs(i64::MAX)).build();
        assert_eq!(project(&beyond), None);
    }
}
