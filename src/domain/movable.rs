//! What names an image and can be moved to another one, as AWS shows it just now.

use std::collections::BTreeMap;

use super::{GroupChange, GroupNow, ImageRef, Owner, SnapshotId, StartRefresh, Tags};

/// A consumer that can be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Movable {
    /// A launch template.
    Template(TemplateNow),
    /// A parameter.
    Parameter(ParameterNow),
    /// An Auto Scaling group.
    Group(GroupNow),
    /// It is not there any more.
    Gone,
}

/// A launch template: its latest and its default version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateNow {
    /// The latest version.
    pub latest: VersionNow,
    /// The default version.
    pub default: VersionNow,
    /// The versions that were asked for besides, and are neither: none where there is no such version.
    pub others: BTreeMap<i64, Option<VersionNow>>,
    /// Whose it is, where AWS or a tag says so.
    pub owner: Option<Owner>,
    /// Its tags.
    pub tags: Tags,
}

impl TemplateNow {
    /// The version of this number, if it is there.
    pub fn version(&self, number: i64) -> Option<&VersionNow> {
        let others = self.others.values().flatten();
        let mut known = [&self.latest, &self.default].into_iter().chain(others);
        known.find(|version| version.number == number)
    }

    /// Whether it is known if there is a version of this number.
    pub fn knows(&self, number: i64) -> bool {
        self.others.contains_key(&number) || self.version(number).is_some()
    }
}

/// A version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNow {
    /// Its number.
    pub number: i64,
    /// Its description.
    pub description: Option<Box<str>>,
    /// The image that it names.
    pub image: Option<ImageRef>,
    /// Its block device mappings.
    pub mappings: Vec<Mapping>,
}

/// A block device mapping of a launch template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The device's name.
    pub device: Option<Box<str>>,
    /// The name of an instance store volume.
    pub virtual_name: Option<Box<str>>,
    /// Whether a device of the image is left out.
    pub no_device: Option<Box<str>>,
    /// The volume.
    pub ebs: Option<MappedVolume>,
}

/// The volume of a block device mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappedVolume {
    /// The snapshot that it is made from.
    pub snapshot: Option<SnapshotId>,
    /// Whether it is to be encrypted.
    pub encrypted: Option<bool>,
    /// The key that it is to be encrypted under.
    pub key: Option<Box<str>>,
    /// Whether it goes with the instance.
    pub delete_on_termination: Option<bool>,
    /// Its size, in GiB.
    pub size_gib: Option<i32>,
    /// Its type, such as `gp3`.
    pub volume_type: Option<Box<str>>,
    /// Its I/O operations a second.
    pub iops: Option<i32>,
    /// Its throughput, in MiB a second.
    pub throughput: Option<i32>,
    /// How fast it is filled from its snapshot, in MiB a second.
    pub initialization_rate: Option<i32>,
    /// The card that it is attached to.
    pub card: Option<i32>,
}

/// A parameter of Systems Manager, with everything that a new version has to be told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterNow {
    /// The latest version.
    pub version: i64,
    /// What it holds.
    pub value: Box<str>,
    /// `String`, `StringList` or `SecureString`.
    pub kind: Box<str>,
    /// `text`, or `aws:ec2:image`, which AWS checks.
    pub data_type: Box<str>,
    /// `Standard` or `Advanced`.
    pub tier: Box<str>,
    /// Its description.
    pub description: Option<Box<str>>,
    /// The pattern that values have to match.
    pub allowed_pattern: Option<Box<str>>,
    /// Its policies, in JSON, such as when it expires.
    pub policies: Vec<Box<str>>,
    /// The oldest version that is there.
    pub oldest: i64,
    /// The versions that have labels.
    pub labelled: Vec<LabelledVersion>,
    /// The ARN of who has made the latest version.
    pub modified_by: Option<Box<str>>,
    /// Whose it is, where a tag says so.
    pub owner: Option<Owner>,
    /// Its tags.
    pub tags: Tags,
}

impl ParameterNow {
    /// The version that a label is on, where it is on any.
    pub fn version_of(&self, label: &str) -> Option<&LabelledVersion> {
        let has = |version: &&LabelledVersion| version.labels.iter().any(|known| **known == *label);
        self.labelled.iter().find(has)
    }

    /// The labels of a version.
    pub fn labels_of(&self, version: i64) -> &[Box<str>] {
        let found = self.labelled.iter().find(|known| known.number == version);
        found.map_or(&[], |found| found.labels.as_slice())
    }
}

/// A version of a parameter that has labels. A label is on one version at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledVersion {
    /// Its number.
    pub number: i64,
    /// What it holds.
    pub value: Box<str>,
    /// Its labels.
    pub labels: Vec<Box<str>>,
}

/// A change of a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new version of a launch template.
    NewVersion(NewVersion),
    /// Another default version of a launch template.
    SetDefault {
        /// `lt-…`
        template: Box<str>,
        /// The version.
        version: i64,
    },
    /// A new version of a parameter.
    PutValue {
        /// Its name.
        name: Box<str>,
        /// What it is to hold.
        value: Box<str>,
        /// What else it is to stay as.
        now: Box<ParameterNow>,
    },
    /// Labels of a parameter go to another version of it.
    MoveLabels {
        /// Its name.
        name: Box<str>,
        /// The version that they are to be on.
        version: i64,
        /// The labels.
        labels: Vec<Box<str>>,
    },
    /// A tag of an Auto Scaling group, which its instances do not get.
    TagGroup {
        /// Its name.
        group: Box<str>,
        /// The tag's key.
        key: Box<str>,
        /// The tag's value.
        value: String,
    },
    /// What an Auto Scaling group launches.
    SetGroup(GroupChange),
    /// An instance refresh of an Auto Scaling group.
    StartRefresh(StartRefresh),
    /// The refresh of this Auto Scaling group that goes on is turned back.
    RollBackRefresh {
        /// Its name.
        group: Box<str>,
    },
}

/// A new version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// `lt-…`
    pub template: Box<str>,
    /// The version that it is made of.
    pub source: i64,
    /// The image that it names.
    pub image: Box<str>,
    /// Its block device mappings: AWS leaves out the snapshots of the source version unless they are said again.
    pub mappings: Vec<Mapping>,
    /// Its description.
    pub description: String,
    /// Makes the call safe to repeat.
    pub client_token: String,
}
