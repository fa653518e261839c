//! What the judge says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Check {
    /// An image that should have an encrypted copy has none that is available.
    MissingCopy,
    /// A snapshot of a copy is not encrypted.
    CopyNotEncrypted,
    /// A snapshot of a copy is under another key than expected.
    CopyWrongKey,
    /// Devices or attributes of a copy differ from the original's.
    CopyDiffers,
    /// Launch permissions of a copy are not as expected.
    PermissionsDiffer,
    /// The description of a copy is not as expected.
    DescriptionDiffers,
    /// The deprecation time of a copy is not as expected.
    DeprecationDiffers,
    /// Tags of a copy are not as expected.
    TagsDiffer,
    /// More than one pending or available copy of an image under one key, one of them or more made by a call.
    CopiedTwice,
    /// More CopyImage calls had an effect than copies were needed and attempts failed.
    TooManyCopies,
    /// An image was copied that should not be.
    UnexpectedCopy,
    /// A copy is public, or shared with somebody that the original is not shared with.
    SharedMoreWidely,
    /// An original was changed.
    OriginalChanged,
    /// An original was deregistered or disabled.
    OriginalGone,
    /// A snapshot was deleted that the deleting caller did not make.
    SnapshotDeleted,
    /// A call changed something that its caller did not create.
    ForeignChange,
    /// A mutating call where none is expected.
    ForbiddenCall,
    /// A failed copy, or a snapshot of one, was left behind.
    FailedCopyLeft,
    /// An instance that was to be there for a while only was left running.
    InstanceLeft,
    /// A call set a setting of a region that a declarative policy held.
    GuardrailHeld,
    /// A call set a setting of a region again that it had set before, and that nobody had undone.
    GuardrailSetTwice,
    /// A setting of a region is not what it should be in the end, or a call has tried to set one that no call should.
    GuardrailDiffers,
    /// A call made a key the default key that the account's root or a role of a service may not use.
    DefaultKeyNotUsable,
    /// A call had Allowed AMIs refuse an image that something launches.
    ImageInUseRefused,
    /// IAM, a key policy or a trust policy denied a call.
    DeniedCall,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind of thing.
    pub check: Check,
    /// Account.
    pub account: String,
    /// Region.
    pub region: String,
    /// Image, snapshot, setting or call.
    pub resource: String,
    /// In words.
    pub message: String,
}

/// How images came out, by expectation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Images {
    /// Should have a good copy.
    pub to_copy: usize,
    /// Of these, have one.
    pub copied: usize,
    /// Should be left alone, encrypted ones included.
    pub to_leave: usize,
    /// Of these, were.
    pub left: usize,
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Images that were there before.
    pub images: usize,
    /// Copies that had to be made.
    pub copies_needed: usize,
    /// CopyImage calls that had an effect.
    pub copies_made: usize,
    /// Of these, copies that failed or were cancelled.
    pub copies_failed: usize,
    /// All calls.
    pub calls: usize,
    /// Calls of mutating operations, without dry runs.
    pub mutating_calls: usize,
    /// Calls that changed something.
    pub effects: usize,
    /// Calls that were denied.
    pub denied: usize,
    /// Calls that were refused for a limit on what runs at a time.
    pub over_limit: usize,
    /// Calls that were throttled.
    pub throttled: usize,
    /// What would be launched now.
    #[serde(default)]
    pub launches: usize,
    /// Of these, launches that would fail.
    #[serde(default)]
    pub launches_failing: usize,
    /// Launches that would be encrypted.
    #[serde(default)]
    pub launches_encrypted: usize,
    /// Settings of regions of which it is said what should become of them.
    #[serde(default)]
    pub settings_expected: usize,
    /// Of these, settings of which that has become.
    #[serde(default)]
    pub settings_so: usize,
}

/// The verdict and what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Simulated time of the judgement.
    pub time: SimTime,
    /// Counts.
    pub totals: Totals,
    /// How images came out.
    pub images: Images,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(time: SimTime, totals: Totals, images: Images, findings: Vec<Finding>) -> Self {
        Self {
            ok: findings.is_empty(),
            time,
            totals,
            images,
            findings,
        }
    }

    /// The findings of one check.
    pub fn of(&self, check: Check) -> Vec<&Finding> {
        self.findings.iter().filter(|f| f.check == check).collect()
    }

    /// One line.
    pub fn verdict(&self) -> String {
        if self.ok {
            format!(
                "OK: {} of {} images copied as expected, {} left alone, no findings",
                self.images.copied, self.images.to_copy, self.images.left
            )
        } else {
            format!("NOT OK: {} findings", self.findings.len())
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = &self.totals;
        writeln!(f, "audit at {}", self.time)?;
        for (name, value) in [
            ("images before", t.images.to_string()),
            (
                "to be copied / copied",
                format!("{} / {}", self.images.to_copy, self.images.copied),
            ),
            (
                "to be left alone / left",
                format!("{} / {}", self.images.to_leave, self.images.left),
            ),
            (
                "copies needed / made / failed",
                format!("{} / {} / {}", t.copies_needed, t.copies_made, t.copies_failed),
            ),
            (
                "calls / mutating / with effect",
                format!("{} / {} / {}", t.calls, t.mutating_calls, t.effects),
            ),
            (
                "denied / over a limit / throttled",
                format!("{} / {} / {}", t.denied, t.over_limit, t.throttled),
            ),
            (
                "launches / failing / encrypted",
                format!("{} / {} / {}", t.launches, t.launches_failing, t.launches_encrypted),
            ),
        ] {
            writeln!(f, "  {name:<34} {value}")?;
        }
        if t.settings_expected > 0 {
            let value = format!("{} / {}", t.settings_expected, t.settings_so);
            writeln!(f, "  {:<34} {value}", "settings expected / so")?;
        }
        if !self.findings.is_empty() {
            writeln!(
                f,
                "\n{:<20} {:<13} {:<15} {:<22} MESSAGE",
                "CHECK", "ACCOUNT", "REGION", "RESOURCE"
            )?;
        }
        for finding in &self.findings {
            let check = format!("{:?}", finding.check);
            writeln!(
                f,
                "{check:<20} {:<13} {:<15} {:<22} {}",
                finding.account, finding.region, finding.resource, finding.message
            )?;
        }
        writeln!(f, "\n{}", self.verdict())
    }
}
