//! An Auto Scaling group that names an image, as AWS shows it just now: its parts that do, and what the versions of launch templates
//! say that it pins.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use super::{ImageId, ImageRef, Owner, Tags, TemplateId, VersionNow, VersionRef};

/// An Auto Scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupNow {
    /// All parts of it that name what it launches, in their order.
    pub parts: Vec<GroupPart>,
    /// The launch configuration by which it launches, and the image that this one names.
    pub configuration: Option<(Box<str>, Option<ImageRef>)>,
    /// Of each launch template that it pins a version of: that version, and those that were made soon after it.
    pub versions: BTreeMap<TemplateId, Vec<VersionNow>>,
    /// What `$Latest` and `$Default` of its launch templates say, where that was asked for.
    pub followed: BTreeMap<(TemplateId, VersionRef), VersionNow>,
    /// How many overrides it has.
    pub overrides: usize,
    /// Whether an instance of it runs the image that was asked for.
    pub runs: Option<(ImageId, bool)>,
    /// Its instance refreshes, the newest first, where they were asked for.
    pub refreshes: Vec<RefreshNow>,
    /// Whose it is, where AWS or a tag says so.
    pub owner: Option<Owner>,
    /// Its tags.
    pub tags: Tags,
}

impl GroupNow {
    /// What a version of a template says.
    pub fn version(&self, template: &TemplateId, number: i64) -> Option<&VersionNow> {
        let versions = self.versions.get(template)?;
        versions.iter().find(|version| version.number == number)
    }

    /// Whether an instance of it runs this image, where that was read.
    pub fn runs(&self, image: &ImageId) -> Option<bool> {
        self.runs.as_ref().filter(|(of, _)| of == image).map(|(_, runs)| *runs)
    }

    /// The refresh of this ID.
    pub fn refresh(&self, id: &str) -> Option<&RefreshNow> {
        self.refreshes.iter().find(|refresh| &*refresh.id == id)
    }
}

/// A part of a group that names what it launches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupPart {
    /// Where it stands.
    pub at: Place,
    /// What it names.
    pub names: Named,
}

/// Where a part of a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The group's launch template, or that of its mixed instances policy.
    Template,
    /// The launch template of an override, by the override's number from 1.
    Override(usize),
    /// The image of an override, by its number.
    Image(usize),
}

impl Place {
    /// The override's number, and 0 where it is of none.
    pub const fn number(self) -> usize {
        match self {
            Self::Template => 0,
            Self::Override(number) | Self::Image(number) => number,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template => f.write_str("launchTemplate"),
            Self::Override(number) => write!(f, "override {number} launchTemplate"),
            Self::Image(number) => write!(f, "override {number} imageID"),
        }
    }
}

/// What a part of a group names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A version of a launch template.
    Version(TemplateId, VersionRef),
    /// An image.
    Image(ImageRef),
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(TemplateId::Id(template) | TemplateId::Name(template), version) => {
                write!(f, "{template} {version}")
            }
            Self::Image(ImageRef::Image(image)) => f.write_str(image.as_str()),
            Self::Image(ImageRef::Parameter(parameter)) => match &parameter.version {
                Some(version) => write!(f, "ssm:{}:{version}", parameter.name),
                None => write!(f, "ssm:{}", parameter.name),
            },
            Self::Image(ImageRef::Other(text)) => f.write_str(text),
        }
    }
}

/// What a group is to name from now on, in the place of what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// Its name.
    pub group: Box<str>,
    /// All of its parts as they were read: where they are others now, it is left as it is.
    pub expects: Vec<GroupPart>,
    /// The parts that change, with what they are to name.
    pub to: Vec<GroupPart>,
}

/// What is read of a consumer beside what it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Besides {
    /// These versions of a launch template, and of a group's launch templates the versions from the first of these on.
    pub versions: BTreeSet<i64>,
    /// Of a group, whether an instance of it runs this image, and its instance refreshes.
    pub running: Option<ImageId>,
}

/// An instance refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshNow {
    /// Its ID.
    pub id: Box<str>,
    /// As AWS calls it.
    pub status: Box<str>,
    /// Why it is in that status, where AWS says it.
    pub reason: Option<Box<str>>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it goes.
    pub preferences: RefreshPreferences,
    /// What the group is to launch once it is done, where it is to be something else.
    pub desired: Vec<GroupPart>,
}

impl RefreshNow {
    /// Whether it goes on.
    pub fn is_active(&self) -> bool {
        const ENDED: [&str; 5] = [
            "Successful",
            "Failed",
            "Cancelled",
            "RollbackFailed",
            "RollbackSuccessful",
        ];
        !ENDED.contains(&&*self.status)
    }
}

/// How a refresh goes. What is absent is as AWS has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshPreferences {
    /// `Rolling` or `ReplaceRootVolume`.
    pub strategy: Box<str>,
    /// Percent.
    pub min_healthy: Option<i32>,
    /// Percent.
    pub max_healthy: Option<i32>,
    /// Seconds.
    pub warmup: Option<i32>,
    /// Percent of the group after which it waits.
    pub checkpoints: Vec<i32>,
    /// Seconds.
    pub checkpoint_delay: Option<i32>,
    /// Seconds.
    pub bake_time: Option<i32>,
    /// Names of alarms.
    pub alarms: Vec<Box<str>>,
    /// Whether AWS puts instances back by itself.
    pub auto_rollback: bool,
}

/// A refresh to be asked for. It leaves alone what is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRefresh {
    /// The group as it was read, and what changes of it with the refresh; nothing where it launches that already.
    pub change: GroupChange,
    /// How it goes.
    pub preferences: RefreshPreferences,
}

/// What a change has made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// This version of the consumer.
    Version(i64),
    /// The refresh of this ID.
    Refresh(Box<str>),
    /// Nothing that has a name.
    Nothing,
}
