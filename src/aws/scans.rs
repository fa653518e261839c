//! What Amazon Inspector has found in images, as EC2 tells it.

use aws_sdk_ec2::types::{ScanResults, SeverityLabel};

use super::project::moment;
use crate::domain::{ImageScan, Vulnerability, WorstFinding};

/// A status has room for so many characters of a severity; AWS's have a dozen.
const LONGEST_SEVERITY: usize = 32;

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
        worst: worst(results),
        ..ImageScan::default()
    };
    for (severity, since) in fixes {
        if let Some(since) = since {
            scan.fix_available_since.insert(severity, at(since)?);
        }
    }
    Some(scan)
}

/// The worst finding. AWS leaves the severity out where a scan has found nothing, and may come to know more of them.
fn worst(results: &ScanResults) -> WorstFinding {
    let Some(label) = results.highest_finding_severity_label().map(SeverityLabel::as_str) else {
        return WorstFinding::Nothing;
    };
    match Vulnerability::named(label) {
        Some(severity) => WorstFinding::Of(severity),
        None => WorstFinding::Unknown(label.chars().take(LONGEST_SEVERITY).collect::<String>().into()),
    }
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

    #[test]
    fn the_worst_severity_is_kept_also_one_that_is_new_and_none_is_nothing_found() {
        let scan = |label: Option<&str>| {
            let given = ScanResults::builder().set_highest_finding_severity_label(label.map(SeverityLabel::from));
            project(&given.build()).expect("a scan").worst
        };
        assert_eq!(scan(None), WorstFinding::Nothing);
        for severity in Vulnerability::ALL {
            assert_eq!(scan(Some(severity.as_str())), WorstFinding::Of(severity));
        }
        assert_eq!(scan(Some("untriaged")), WorstFinding::Unknown("untriaged".into()));
        assert_eq!(scan(Some("")), WorstFinding::Unknown("".into()));
        let WorstFinding::Unknown(cut) = scan(Some(&"s".repeat(99))) else {
            panic!("it is none that is known")
        };
        assert_eq!(cut.len(), LONGEST_SEVERITY);
    }
}
