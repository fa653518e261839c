//! What has changed since an earlier report: which findings are new, and which are fixed.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::report::{Report, ReportedImage, ScopeReport, USED};
use super::unread::Part;
use super::{Check, Severity};
use crate::domain::ConsumerKind;
use crate::plan::usage::form::Unknown;

/// Whether the earlier report has a finding too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It has not, or has it as exempt, and it is so no longer.
    New,
    /// It has.
    Unchanged,
}

impl Change {
    /// As reports write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unchanged => "unchanged",
        }
    }
}

/// An earlier report, as far as it matters for the next one.
#[derive(Debug, Clone, Deserialize)]
pub struct Previous {
    generated: Timestamp,
    findings: Vec<Earlier>,
}

/// A finding of an earlier report.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Earlier {
    /// The same from one report to the next.
    pub id: String,
    /// What was looked for, perhaps by another version.
    pub check: String,
    /// How bad it was.
    pub severity: Severity,
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region.
    pub region: String,
    /// What it was about.
    pub resource: String,
    /// What was found.
    pub what: String,
    /// The last day of its exemption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt_until: Option<String>,
}

/// How many findings are what, beside an earlier report. Each is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Since {
    /// When the earlier report was made.
    pub generated: Timestamp,
    /// Those that are new and not exempt.
    pub new: usize,
    /// Those that it has too and that are not exempt.
    pub unchanged: usize,
    /// Those that are exempt, new or not.
    pub exempt: usize,
    /// Those that only it has.
    pub fixed: usize,
    /// Those of it that were not looked for this time, or could not be.
    pub not_compared: usize,
}

impl Previous {
    /// Reads what `--output json` has written; nothing else is one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }
}

impl Report {
    /// Says of each finding whether it is new, and which of the earlier ones are fixed.
    pub fn compare(&mut self, previous: Previous) {
        let before: HashMap<&str, bool> = previous
            .findings
            .iter()
            .map(|finding| (finding.id.as_str(), finding.exempt_until.is_some()))
            .collect();
        let mut since = Since {
            generated: previous.generated,
            new: 0,
            unchanged: 0,
            exempt: 0,
            fixed: 0,
            not_compared: 0,
        };
        for finding in &mut self.findings {
            let is_exempt = finding.exempt_until.is_some();
            let change = match before.get(finding.id.as_str()) {
                None => Change::New,
                Some(was_exempt) if *was_exempt && !is_exempt => Change::New,
                Some(_) => Change::Unchanged,
            };
            finding.change = Some(change);
            match change {
                _ if is_exempt => since.exempt += 1,
                Change::New => since.new += 1,
                Change::Unchanged => since.unchanged += 1,
            }
        }
        let now: HashSet<&str> = self.findings.iter().map(|finding| finding.id.as_str()).collect();
        let looked = Looked::new(self);
        let (fixed, others): (Vec<_>, Vec<_>) = previous
            .findings
            .into_iter()
            .filter(|finding| !now.contains(finding.id.as_str()))
            .partition(|finding| looked.would_have_found(finding));
        since.fixed = fixed.len();
        since.not_compared = others.len();
        self.since = Some(since);
        self.fixed = Some(fixed);
    }
}

/// What was looked for this time: what was not is not fixed.
struct Looked<'a> {
    /// By account and region, those that could be read.
    scopes: HashMap<(&'a str, &'a str), &'a ScopeReport>,
    images: HashMap<&'a str, &'a ReportedImage>,
}

impl<'a> Looked<'a> {
    fn new(report: &'a Report) -> Self {
        let scopes = report.scopes.iter().filter(|scope| scope.problem.is_none());
        Self {
            scopes: scopes
                .map(|scope| ((scope.account_id.as_str(), scope.region.as_str()), scope))
                .collect(),
            images: report.images.iter().map(|image| (image.id.as_str(), image)).collect(),
        }
    }

    fn would_have_found(&self, finding: &Earlier) -> bool {
        let place = (finding.account_id.as_str(), finding.region.as_str());
        let (Some(check), Some(scope)) = (Check::named(&finding.check), self.scopes.get(&place)) else {
            return false;
        };
        // It may be among those that are not listed.
        let is_told = !scope.omitted.contains_key(check.id());
        // With whom an image is shared is read where that is looked for.
        let is_on_sharing = check == Check::KeyUnusableByConsumers && finding.resource.starts_with("ami-");
        let asks = scope.thresholds.as_ref().is_some_and(|thresholds| {
            thresholds.asks_for(check) && (!is_on_sharing || thresholds.asks_for(Check::SharedOutside))
        });
        // Where not all images are listed, one that is not listed need not be gone.
        let image = self.images.get(finding.resource.as_str());
        let is_so = |is_so: fn(&ReportedImage) -> bool| image.map_or(scope.lists_images, |image| is_so(image));
        let is_known = match check {
            // Of one that is neither used nor unused, nothing is known.
            Check::UnusedImage => is_so(|image| image.usage == USED),
            // Of one that is there and was not scanned, nothing is known.
            Check::VulnerableImage | Check::StaleScan => is_so(|image| image.scanned.is_some()),
            _ => true,
        };
        is_told && asks && is_known && was_read(check, &finding.resource, &scope.unknown)
    }
}

/// Whether everything could be read that tells whether a check finds something in a resource, where `unknown` could not.
pub(super) fn was_read(check: Check, resource: &str, unknown: &[Unknown]) -> bool {
    let was_read = |kind: &str| !unknown.iter().any(|unknown| unknown.kind == kind);
    // Something by itself, or all of its kind.
    let was_read_of = |part: Part| {
        let is_it = |id: &Option<String>| id.as_deref().is_none_or(|id| id == resource);
        !unknown
            .iter()
            .any(|unknown| unknown.kind == part.as_str() && is_it(&unknown.id))
    };
    let launcher_was_read = || {
        let kind = resource.split_once('/').map(|(kind, _)| kind);
        was_read(Part::Consumers.as_str()) && kind.is_some_and(was_read)
    };
    let is_of_region = matches!(
        check,
        Check::EncryptionByDefaultOff
            | Check::ImagePublicAccessNotBlocked
            | Check::SnapshotPublicAccessNotBlocked
            | Check::AllowedImagesOff
            | Check::PublicSnapshot
            | Check::CloudTrailOff
    );
    if !is_of_region && !was_read(Part::Images.as_str()) {
        return false;
    }
    match check {
        Check::LaunchesUnencryptedImage | Check::DisabledImageInUse | Check::DeprecatedImageInUse => {
            launcher_was_read()
        }
        Check::LaunchesMissingImage | Check::InstanceOfMissingImage | Check::UntrustedOwner => {
            was_read(Part::ForeignImages.as_str()) && launcher_was_read()
        }
        Check::OlderThanTemplate => {
            let kinds = [
                ConsumerKind::AutoScalingGroup,
                ConsumerKind::Fleet,
                ConsumerKind::SpotFleet,
                ConsumerKind::LaunchTemplate,
            ];
            was_read(Part::ForeignImages.as_str())
                && launcher_was_read()
                && kinds.iter().all(|kind| was_read(kind.as_str()))
        }
        Check::EncryptionByDefaultOff
        | Check::ImagePublicAccessNotBlocked
        | Check::SnapshotPublicAccessNotBlocked
        | Check::AllowedImagesOff => was_read(resource),
        Check::PublicSnapshot => was_read(Part::PublicSnapshots.as_str()),
        Check::CloudTrailOff => was_read(Part::Trails.as_str()),
        Check::KeyDisabled => was_read_of(Part::Key),
        // Of an image, it is on those whom it is shared with; of a key, on what launches.
        Check::KeyUnusableByConsumers if resource.starts_with("ami-") => {
            was_read(Part::LaunchPermissions.as_str()) && was_read(Part::KeyAccess.as_str())
        }
        Check::KeyUnusableByConsumers => {
            was_read(Part::Consumers.as_str())
                && was_read_of(Part::KeyAccess)
                && ConsumerKind::ALL.iter().all(|kind| was_read(kind.as_str()))
        }
        Check::KeyWithoutRotation => was_read_of(Part::Key) && was_read_of(Part::KeyRotation),
        Check::OrphanSnapshot | Check::UnencryptedOrphanSnapshot => was_read(Part::ForeignImages.as_str()),
        Check::SharedOutside => was_read(Part::LaunchPermissions.as_str()),
        Check::OtherKeyImage => was_read(Part::PolicyKey.as_str()),
        Check::PublicImage
        | Check::UnencryptedImage
        | Check::OldImage
        | Check::MissingTags
        | Check::UnusedImage
        | Check::VulnerableImage
        | Check::StaleScan => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Thresholds;
    use super::super::report::Counts;
    use super::*;

    fn earlier(check: Check, resource: &str) -> Earlier {
        Earlier {
            id: resource.to_owned(),
            check: check.id().to_owned(),
            severity: check.severity(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            resource: resource.to_owned(),
            what: String::new(),
            exempt_until: None,
        }
    }

    fn unknown(kind: &'static str, id: Option<&str>) -> Unknown {
        Unknown {
            kind: kind.into(),
            id: id.map(str::to_owned),
            message: String::new(),
        }
    }

    /// A report on one account and region with an image that is used and one of which that is not known, where instances and a key
    /// could not be read.
    fn report() -> Report {
        let image = |id: &str, usage| ReportedImage {
            id: id.to_owned(),
            name: String::new(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            created: None,
            last_launched: None,
            scanned: None,
            unencrypted: false,
            usage,
            consumers: Vec::new(),
            consumers_omitted: 0,
            doubts: Vec::new(),
        };
        let mut report = Report::new(Timestamp::UNIX_EPOCH);
        report.images = vec![image("ami-used", USED), image("ami-unknown", "unknown")];
        report.scopes = vec![ScopeReport {
            unused_monthly_cost: None,
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            images: Some(Counts::default()),
            consumers: [].into(),
            unknown: vec![unknown("Instance", None), unknown("Key", Some("arn:key/1"))],
            read_time: None,
            omitted: [].into(),
            thresholds: Some(Thresholds::default()),
            lists_images: true,
            problem: None,
        }];
        report
    }

    #[test]
    fn where_not_everything_is_listed_what_is_not_may_be_there_all_the_same() {
        let fixed = |change: fn(&mut ScopeReport), finding: Earlier| {
            let mut report = report();
            change(&mut report.scopes[0]);
            let previous = Previous {
                generated: Timestamp::UNIX_EPOCH,
                findings: vec![finding],
            };
            report.compare(previous);
            report.since.expect("a comparison").fixed == 1
        };
        let public = || earlier(Check::PublicImage, "ami-1");
        let unused = || earlier(Check::UnusedImage, "ami-gone");
        assert!(fixed(|_| {}, public()) && fixed(|_| {}, unused()));
        assert!(!fixed(|scope| scope.omitted = [("public-image", 3)].into(), public()));
        assert!(fixed(|scope| scope.omitted = [("old-image", 3)].into(), public()));
        assert!(!fixed(|scope| scope.lists_images = false, unused()));
        assert!(fixed(|scope| scope.lists_images = false, public()));
        assert!(
            !fixed(|scope| scope.thresholds = None, public()),
            "it was not looked for"
        );
        let disabled = |scope: &mut ScopeReport| {
            scope.thresholds = Some(Thresholds {
                disabled: [Check::PublicImage].into(),
                ..Thresholds::default()
            });
        };
        assert!(!fixed(disabled, public()));
    }

    #[test]
    fn only_what_would_have_been_found_again_is_fixed() {
        let mut elsewhere = earlier(Check::UnencryptedImage, "ami-1");
        elsewhere.region = "us-east-1".to_owned();
        let mut of_another_version = earlier(Check::UnencryptedImage, "ami-1");
        of_another_version.check = "image-of-another-version".to_owned();
        for (finding, is_fixed) in [
            (earlier(Check::PublicImage, "ami-1"), true),
            (earlier(Check::OrphanSnapshot, "snap-1"), true),
            (earlier(Check::OldImage, "ami-1"), false),
            (earlier(Check::MissingTags, "ami-1"), false),
            (earlier(Check::UnusedImage, "ami-gone"), true),
            (earlier(Check::UnusedImage, "ami-used"), true),
            (earlier(Check::UnusedImage, "ami-unknown"), false),
            (earlier(Check::LaunchesUnencryptedImage, "Instance/i-1/ami-1"), false),
            (
                earlier(Check::LaunchesUnencryptedImage, "AutoScalingGroup/web/ami-1"),
                true,
            ),
            (earlier(Check::PublicSnapshot, "snap-1"), true),
            (earlier(Check::UnencryptedOrphanSnapshot, "snap-1"), true),
            (earlier(Check::KeyDisabled, "arn:key/1"), false),
            (earlier(Check::KeyWithoutRotation, "arn:key/1"), false),
            (earlier(Check::KeyDisabled, "arn:key/2"), true),
            (earlier(Check::KeyUnusableByConsumers, "arn:key/2"), false),
            (earlier(Check::KeyUnusableByConsumers, "ami-1"), false),
            (earlier(Check::UntrustedOwner, "Fleet/fleet-1/ami-1"), true),
            (earlier(Check::OlderThanTemplate, "Instance/i-1/ami-1"), false),
            (earlier(Check::CloudTrailOff, "CloudTrail"), true),
            // These are looked for where an option asks for it.
            (earlier(Check::SharedOutside, "ami-1"), false),
            (earlier(Check::OtherKeyImage, "ami-1"), false),
            (earlier(Check::VulnerableImage, "ami-1"), false),
            (earlier(Check::StaleScan, "ami-1"), false),
            (elsewhere, false),
            (of_another_version, false),
        ] {
            let mut report = report();
            let previous = Previous {
                generated: Timestamp::UNIX_EPOCH,
                findings: vec![finding.clone()],
            };
            report.compare(previous);
            let since = report.since.expect("a comparison");
            let counted = (since.fixed, since.not_compared);
            assert_eq!(counted, (usize::from(is_fixed), usize::from(!is_fixed)), "{finding:?}");
        }
    }

    #[test]
    fn while_scans_fail_only_what_is_no_matter_of_images_is_fixed() {
        for (finding, is_fixed) in [
            (earlier(Check::PublicImage, "ami-1"), false),
            (earlier(Check::KeyDisabled, "arn:key/2"), false),
            (
                earlier(Check::LaunchesMissingImage, "AutoScalingGroup/web/ami-1"),
                false,
            ),
            (earlier(Check::OrphanSnapshot, "snap-1"), false),
            (earlier(Check::PublicSnapshot, "snap-1"), true),
            (earlier(Check::AllowedImagesOff, "AllowedImages"), true),
            (earlier(Check::CloudTrailOff, "CloudTrail"), true),
        ] {
            let unknown = [unknown("Images", None)];
            let found = was_read(
                Check::named(&finding.check).expect("a check"),
                &finding.resource,
                &unknown,
            );
            assert_eq!(found, is_fixed, "{finding:?}");
        }
    }
}
