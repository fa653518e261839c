//! The form of a plan: what is printed as JSON, and what the table is made of.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::api::conditions::reason;
use crate::api::{AMIEncryptionTargetSpec, ImageCounts, Mode};
use crate::domain::{Image, ImageId, MissingPermissions};
use crate::plan::access::form::Row;
use crate::plan::cost::{self, Pace};
use crate::plan::obstacle::Problem;
use crate::plan::prices::{Prices, hundredths};
use crate::plan::usage::form::{ReportedConsumer, Unknown};

/// What would become of one policy's images in one account and region.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetReport {
    /// The policy's name.
    pub policy: String,
    /// Its mode; the plan is for `Enforce` whatever it is.
    pub mode: Mode,
    /// Whether it is suspended; the plan is for one that is not.
    pub suspend: bool,
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region, or `*` for those of the account that could not be read.
    pub region: String,
    /// Who AWS says we are there.
    pub caller: Option<String>,
    /// The key.
    pub key: KeyReport,
    /// How many images are in which class; none when the account and region could not be scanned.
    pub images: Option<ImageCounts>,
    /// What would be copied.
    pub to_copy: ToCopy,
    /// Images whose copy is under way.
    pub under_way: u32,
    /// What cannot be copied, and why.
    pub cannot_migrate: Vec<Group>,
    /// Images of which it is not known whether they can be copied; `problems` says why.
    pub undecided: u32,
    /// What would be copied if AWS does it, which may be doubted.
    pub may_be_refused: Vec<Group>,
    /// Images whose encryption cannot be told, and why.
    pub unknown: Vec<Group>,
    /// Images that were made for a backup and are not encrypted, which the policy leaves alone.
    pub backups: Vec<Group>,
    /// The policies that govern images which this one selects too.
    pub contested_by: Vec<String>,
    /// Copies that amiseal made and whose original is gone.
    #[serde(rename = "orphanedCopies")]
    pub orphaned: u32,
    /// What their snapshots take.
    #[serde(rename = "orphanedGiB", serialize_with = "as_gib")]
    pub orphaned_bytes: u64,
    /// GiB of snapshots of originals that have a verified copy, each snapshot once.
    #[serde(rename = "storedTwiceGiB", serialize_with = "as_gib")]
    pub stored_twice_now: u64,
    /// The same when all copies are made, and until originals are deregistered.
    #[serde(rename = "storedTwiceAfterGiB", serialize_with = "as_gib")]
    pub stored_twice_after: u64,
    /// What those cost in a month, if prices were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_cost: Option<f64>,
    /// Actions that the role lacks; none when it was not asked.
    pub missing_permissions: Option<Vec<&'static str>>,
    /// Actions that AWS denies for an image without amiseal's tags, where there is none with them to ask about. Rights that are for copies
    /// alone look like that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed_permissions: Vec<&'static str>,
    /// Who uses the images that would be copied; none where that was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// What has to be fixed before migrating can begin.
    pub problems: Vec<ReportedProblem>,
}

/// A policy's key in a region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyReport {
    /// As the policy names it.
    #[serde(rename = "kmsKeyID")]
    pub kms_key_id: String,
    /// Its ARN, if it could be resolved.
    #[serde(rename = "keyARN")]
    pub arn: Option<String>,
    /// Whether images can be encrypted under it.
    pub usable: bool,
}

/// What would be copied.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ToCopy {
    /// How many images.
    pub images: u32,
    /// How many snapshots they have.
    pub snapshots: u32,
    /// How much data they hold.
    #[serde(rename = "gib", serialize_with = "as_gib")]
    pub bytes: u64,
    /// How long that takes, in seconds.
    pub seconds: u64,
    /// Each image, where they are listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Copy>,
}

/// An image that would be copied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Copy {
    /// Its ID and name.
    #[serde(flatten)]
    pub image: ImageName,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// How many snapshots it has.
    pub snapshots: u32,
    /// How much data they hold.
    #[serde(rename = "gib", serialize_with = "as_gib")]
    pub bytes: u64,
}

impl Copy {
    pub(super) fn new(image: &Image, sizes: &[u64]) -> Self {
        Self {
            image: ImageName::new(image),
            created: image.created,
            snapshots: count(sizes.len()),
            bytes: sizes.iter().copied().fold(0, u64::saturating_add),
        }
    }
}

/// How many of the images that would be copied are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedCounts {
    /// How many of them something uses.
    pub images: u32,
    /// How many nobody uses.
    pub unused: u32,
    /// How much data these hold.
    #[serde(rename = "unusedGiB", serialize_with = "as_gib")]
    pub unused_bytes: u64,
    /// What keeping their copies costs in a month, if prices were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused_monthly_cost: Option<f64>,
    /// Of how many neither can be said.
    pub unsure: u32,
}

impl UsedCounts {
    fn add(&mut self, other: Self) {
        self.images += other.images;
        self.unused += other.unused;
        self.unused_bytes = self.unused_bytes.saturating_add(other.unused_bytes);
        self.unused_monthly_cost = match (self.unused_monthly_cost, other.unused_monthly_cost) {
            (Some(one), Some(other)) => Some(hundredths(one + other)),
            (one, other) => one.or(other),
        };
        self.unsure += other.unsure;
    }
}

/// Who uses the images that would be copied.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// How many are used.
    #[serde(flatten)]
    pub counts: UsedCounts,
    /// Which, and by what; the first few where not all are listed.
    pub list: Vec<UsedImage>,
    /// Which of them nobody uses; the first few where not all are listed.
    pub unused_list: Vec<ImageName>,
    /// What could not be read, and may use any of them.
    pub unknown: Vec<Unknown>,
    /// Those who could not launch the copies, or of whom that is not known.
    pub launching: Vec<Row>,
}

/// An image that something uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedImage {
    /// Its ID and name.
    #[serde(flatten)]
    pub image: ImageName,
    /// Who uses it.
    pub consumers: Vec<ReportedConsumer>,
}

/// Images that one thing stands in the way of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The reason that a migration's condition would have.
    pub reason: &'static str,
    /// What it means and what fixes it.
    pub message: String,
    /// How many images.
    pub count: u32,
    /// Which; the first few where not all are listed.
    pub images: Vec<ImageName>,
}

/// Which image. There may be a hundred thousand, beside the inventory that they are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageName {
    /// Its ID.
    pub id: ImageId,
    /// Its name.
    pub name: Box<str>,
}

impl ImageName {
    pub(super) fn new(image: &Image) -> Self {
        Self {
            id: image.id.clone(),
            name: image.name.clone(),
        }
    }
}

/// Something that has to be fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedProblem {
    /// The reason that a target's condition would have.
    pub reason: &'static str,
    /// What it means and what fixes it.
    pub message: String,
}

impl TargetReport {
    /// A report that says nothing yet: of a target that was not scanned.
    pub fn new(spec: &AMIEncryptionTargetSpec) -> Self {
        Self {
            policy: spec.policy.clone(),
            mode: spec.mode,
            suspend: spec.suspend,
            account_id: spec.account_id.clone(),
            region: spec.region.clone(),
            caller: None,
            key: KeyReport {
                kms_key_id: spec.kms_key_id.clone(),
                arn: None,
                usable: false,
            },
            images: None,
            to_copy: ToCopy::default(),
            under_way: 0,
            cannot_migrate: Vec::new(),
            undecided: 0,
            may_be_refused: Vec::new(),
            unknown: Vec::new(),
            backups: Vec::new(),
            contested_by: Vec::new(),
            orphaned: 0,
            orphaned_bytes: 0,
            stored_twice_now: 0,
            stored_twice_after: 0,
            monthly_cost: None,
            missing_permissions: None,
            unconfirmed_permissions: Vec::new(),
            used: None,
            problems: Vec::new(),
        }
    }

    /// Adds something that has to be fixed.
    pub fn problem(&mut self, problem: &Problem) {
        self.problems.push(ReportedProblem {
            reason: problem.reason,
            message: problem.message.clone(),
        });
    }

    /// Records which actions the role lacks.
    pub fn lacks(&mut self, lacking: &MissingPermissions) {
        for action in &lacking.certain {
            let message = format!("The role lacks {action}: allow it in the role's policy.");
            self.problem(&Problem::new(reason::ACCESS_DENIED, message));
        }
        self.missing_permissions = Some(lacking.certain.clone());
        self.unconfirmed_permissions.clone_from(&lacking.untagged);
    }

    /// How many images cannot be copied.
    pub fn blocked(&self) -> u32 {
        self.cannot_migrate.iter().map(|group| group.count).sum()
    }
}

/// What the whole plan comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Everything that the policies ask for is there.
    NothingToDo,
    /// Images would be copied, or cannot be.
    Changes,
    /// Something has to be fixed first, so that the plan is not whole or cannot be carried out.
    Problems,
}

/// The plan for all targets.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form. Fields may be added under the same version.
    pub version: u32,
    /// What it comes to.
    pub outcome: Outcome,
    /// What the durations were reckoned with.
    pub assumptions: Assumptions,
    /// The targets, in the order of the policies.
    pub targets: Vec<TargetReport>,
    /// The sums over all targets.
    pub totals: Totals,
}

/// What durations and costs were reckoned with.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assumptions {
    /// How fast one snapshot is copied.
    #[serde(rename = "mibPerSecond")]
    pub mib_per_second: f64,
    /// What each snapshot takes on top.
    pub seconds_per_snapshot: u64,
    /// What a GiB costs in a month in regions that have no price of their own, if that was given.
    #[serde(rename = "pricePerGiBMonth", skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// What it costs in each region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

/// Sums over all targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// How many targets there are.
    pub targets: u32,
    /// How many of them could not be scanned.
    pub unreachable: u32,
    /// How many images are in which class.
    pub images: ImageCounts,
    /// How many would be copied.
    pub to_copy: u32,
    /// How many of those are used; none where that was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<UsedCounts>,
    /// How many snapshots those have.
    pub snapshots: u32,
    /// How much data those hold.
    #[serde(rename = "gib", serialize_with = "as_gib")]
    pub bytes: u64,
    /// How long that takes in seconds: accounts and regions go on side by side.
    pub seconds: u64,
    /// Images whose copy is under way.
    pub under_way: u32,
    /// How many cannot be copied.
    pub cannot_migrate: u32,
    /// Of how many this is not known.
    pub undecided: u32,
    /// How many problems there are.
    pub problems: u32,
    /// GiB of snapshots of originals that have a verified copy, each snapshot once.
    #[serde(rename = "storedTwiceGiB", serialize_with = "as_gib")]
    pub stored_twice_now: u64,
    /// The same when all copies are made, and until originals are deregistered.
    #[serde(rename = "storedTwiceAfterGiB", serialize_with = "as_gib")]
    pub stored_twice_after: u64,
    /// What those cost in a month, if prices were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_cost: Option<f64>,
}

/// Puts the targets' reports together.
pub fn sum_up(mut targets: Vec<TargetReport>, pace: Pace, prices: Option<Prices>) -> Report {
    for target in &mut targets {
        let month = |prices: &Prices| prices.month(&target.region, target.stored_twice_after);
        target.monthly_cost = prices.as_ref().map(month);
        if let Some(used) = &mut target.used {
            let month = |prices: &Prices| prices.month(&target.region, used.counts.unused_bytes);
            used.counts.unused_monthly_cost = prices.as_ref().map(month);
        }
    }
    let mut totals = Totals::default();
    let mut seconds: HashMap<(&str, &str), u64> = HashMap::new();
    for target in &targets {
        totals.targets += 1;
        match target.images {
            Some(images) => totals.images += images,
            None => totals.unreachable += 1,
        }
        totals.to_copy += target.to_copy.images;
        if let Some(used) = &target.used {
            totals.used.get_or_insert_default().add(used.counts);
        }
        totals.snapshots += target.to_copy.snapshots;
        totals.bytes = totals.bytes.saturating_add(target.to_copy.bytes);
        totals.under_way += target.under_way;
        totals.cannot_migrate += target.blocked();
        totals.undecided += target.undecided;
        totals.problems += count(target.problems.len());
        totals.stored_twice_now = totals.stored_twice_now.saturating_add(target.stored_twice_now);
        totals.stored_twice_after = totals.stored_twice_after.saturating_add(target.stored_twice_after);
        // Policies that share an account and region share what AWS copies there at a time.
        *seconds.entry((&target.account_id, &target.region)).or_default() += target.to_copy.seconds;
    }
    totals.seconds = seconds.into_values().max().unwrap_or(0);
    let cost: f64 = targets.iter().filter_map(|target| target.monthly_cost).sum();
    totals.monthly_cost = prices.as_ref().map(|_| hundredths(cost));
    Report {
        version: 1,
        outcome: match totals {
            Totals { problems: 1.., .. } => Outcome::Problems,
            Totals { to_copy: 1.., .. }
            | Totals {
                cannot_migrate: 1.., ..
            } => Outcome::Changes,
            _ => Outcome::NothingToDo,
        },
        assumptions: Assumptions {
            mib_per_second: pace.mib_per_second,
            seconds_per_snapshot: pace.overhead.as_secs(),
            price: prices.as_ref().map(|prices| prices.default),
            prices,
        },
        targets,
        totals,
    }
}

/// A duration for people: hours to a tenth, or minutes where it is less than one.
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
pub fn hours(seconds: u64) -> String {
    match Duration::from_secs(seconds).as_secs() {
        0 => "0 h".to_owned(),
        seconds @ 1..3600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
fn as_gib<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(cost::gib(*bytes))
}

/// A number of things, as the plan counts them.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
