//! What can launch an image, as AWS and the cluster show it: each kind of it is a launcher that names images, or something that
//! does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use super::{AccountId, AwsError, ImageId};

/// A kind of thing that can launch an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConsumerKind {
    /// An instance, also one that is stopped: its template or its owner may launch it again.
    Instance,
    /// A launch template.
    LaunchTemplate,
    /// A launch configuration of Auto Scaling.
    LaunchConfiguration,
    /// An Auto Scaling group.
    AutoScalingGroup,
    /// An EC2 Fleet.
    Fleet,
    /// A Spot Fleet request.
    SpotFleet,
    /// A Spot request that launches again.
    SpotRequest,
    /// A parameter of Systems Manager's Parameter Store.
    Parameter,
    /// A managed node group of EKS.
    NodeGroup,
    /// A compute environment of AWS Batch.
    ComputeEnvironment,
    /// A recipe of EC2 Image Builder, for images or for containers.
    Recipe,
    /// An object of the cluster that the controller runs in, such as a node class of Karpenter. It belongs to no account.
    KubernetesObject,
}

impl ConsumerKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Instance,
        Self::LaunchTemplate,
        Self::LaunchConfiguration,
        Self::AutoScalingGroup,
        Self::Fleet,
        Self::SpotFleet,
        Self::SpotRequest,
        Self::Parameter,
        Self::NodeGroup,
        Self::ComputeEnvironment,
        Self::Recipe,
        Self::KubernetesObject,
    ];

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// As statuses, metrics and reports name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "Instance",
            Self::LaunchTemplate => "LaunchTemplate",
            Self::LaunchConfiguration => "LaunchConfiguration",
            Self::AutoScalingGroup => "AutoScalingGroup",
            Self::Fleet => "Fleet",
            Self::SpotFleet => "SpotFleet",
            Self::SpotRequest => "SpotRequest",
            Self::Parameter => "Parameter",
            Self::NodeGroup => "NodeGroup",
            Self::ComputeEnvironment => "ComputeEnvironment",
            Self::Recipe => "Recipe",
            Self::KubernetesObject => "KubernetesObject",
        }
    }
}

impl ConsumerKind {
    /// As a sentence names one of them.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::LaunchTemplate => "launch template",
            Self::LaunchConfiguration => "launch configuration",
            Self::AutoScalingGroup => "Auto Scaling group",
            Self::Fleet => "EC2 Fleet",
            Self::SpotFleet => "Spot Fleet",
            Self::SpotRequest => "Spot request",
            Self::Parameter => "parameter",
            Self::NodeGroup => "node group",
            Self::ComputeEnvironment => "compute environment",
            Self::Recipe => "recipe",
            Self::KubernetesObject => "Kubernetes object",
        }
    }
}

impl fmt::Display for ConsumerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an image is named where something launches it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImageRef {
    /// By its ID.
    Image(ImageId),
    /// By a parameter, as `resolve:ssm:` and `ssm:` have it.
    Parameter(ParameterRef),
    /// By something else, of which it is not known which image it means.
    Other(Box<str>),
}

/// A parameter, and which of its versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParameterRef {
    /// The name, or the ARN of another account's.
    pub name: Box<str>,
    /// A version's number or a label; none for the latest version.
    pub version: Option<Box<str>>,
}

impl ImageRef {
    /// Of the text that a template, a recipe or a parameter names an image by. Nothing for a text without one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        if let Ok(image) = text.parse() {
            return Some(Self::Image(image));
        }
        let parameter = text.strip_prefix("resolve:ssm:").or_else(|| text.strip_prefix("ssm:"));
        Some(match parameter {
            Some(parameter) if !parameter.is_empty() => Self::Parameter(ParameterRef::parse(parameter)),
            _ => Self::Other(text.chars().take(256).collect()),
        })
    }
}

impl ParameterRef {
    /// Of `name`, `name:version`, `name:label`, or an ARN with or without one of these. Names have no colon.
    fn parse(text: &str) -> Self {
        let (prefix, rest) = match text.find(":parameter") {
            Some(at) if text.starts_with("arn:") => text.split_at(at + ":parameter".len()),
            _ => ("", text),
        };
        let (name, version) = match rest.split_once(':') {
            Some((name, version)) if !version.is_empty() => (name, Some(version.into())),
            Some((name, _)) => (name, None),
            None => (rest, None),
        };
        Self {
            name: format!("{prefix}{name}").into(),
            version,
        }
    }
}

/// A launch template, by ID or by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TemplateId {
    /// `lt-…`
    Id(Box<str>),
    /// Its name, which is unique in an account and region.
    Name(Box<str>),
}

/// Which version of a launch template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionRef {
    /// `$Latest`
    Latest,
    /// `$Default`, and where no version is named.
    Default,
    /// A number.
    Number(i64),
}

impl VersionRef {
    /// Of the text that groups and fleets name a version by. An absent one means the default.
    pub fn parse(text: Option<&str>) -> Self {
        match text.map(str::trim) {
            Some("$Latest") => Self::Latest,
            Some(number) => number.parse().map_or(Self::Default, Self::Number),
            None => Self::Default,
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("$Latest"),
            Self::Default => f.write_str("$Default"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What a launcher launches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Launches {
    /// This image.
    Image(ImageRef),
    /// What a version of a template names.
    Template(TemplateId, VersionRef),
    /// What a launch configuration names.
    Configuration(Box<str>),
}

/// Something that launches images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launcher {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its ID or name within the account and region.
    pub id: Box<str>,
    /// Everything that it may launch, with what says so in it: empty where it is the thing itself.
    pub launches: Vec<(Box<str>, Launches)>,
    /// Who has to change it, where something says whose it is.
    pub owner: Option<Owner>,
}

/// Whose a thing is, as far as AWS or a tag says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// A service or tool, such as `CloudFormation`.
    pub by: Box<str>,
    /// The stack, cluster or environment, where it is named.
    pub name: Option<Box<str>>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name}", self.by),
            None => f.write_str(&self.by),
        }
    }
}

/// One version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersion {
    /// `lt-…`
    pub template: Box<str>,
    /// The template's name.
    pub name: Box<str>,
    /// The number.
    pub number: i64,
    /// Whether it is the default.
    pub is_default: bool,
    /// The image that it names; groups and fleets may name another.
    pub image: Option<ImageRef>,
}

/// What a parameter holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterValue {
    /// What it was asked for by.
    pub asked: ParameterRef,
    /// The image that its value names; none where it is no image ID.
    pub image: Option<ImageId>,
}

/// What was read of everything that can launch images in one account and region. A kind that could not be read, or not all
/// of it, is among `unread`, and what is in the other fields of it is not all there is.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Everything that launches.
    pub launchers: Vec<Launcher>,
    /// Versions of templates: the default and the latest of each, and those that somebody pins.
    pub versions: Vec<TemplateVersion>,
    /// The images of launch configurations, by name.
    pub configurations: HashMap<Box<str>, ImageRef>,
    /// Parameters that something names images by.
    pub parameters: Vec<ParameterValue>,
    /// Versions that are pinned, and that AWS says are not there.
    pub absent_versions: BTreeSet<(TemplateId, i64)>,
    /// By what instances were launched, by their IDs, where AWS says it.
    pub origins: HashMap<Box<str>, Origin>,
    /// By which roles Auto Scaling groups launch, by the groups' names.
    pub group_roles: HashMap<Box<str>, Box<str>>,
    /// Whether a listing had several pages, of a kind of which AWS does not say by itself what names an image. An entry that changes its
    /// place between two pages is on neither.
    pub paged: bool,
    /// Kinds of which not everything was read, and why.
    pub unread: BTreeMap<ConsumerKind, AwsError>,
}

/// By what an instance was launched: what would launch the next one like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// An Auto Scaling group, a fleet, a Spot Fleet or a launch template.
    pub kind: ConsumerKind,
    /// Its ID or name.
    pub id: Box<str>,
}

impl Readings {
    /// Adds what else was read.
    pub fn absorb(&mut self, other: Self) {
        self.launchers.extend(other.launchers);
        self.versions.extend(other.versions);
        self.configurations.extend(other.configurations);
        self.parameters.extend(other.parameters);
        self.absent_versions.extend(other.absent_versions);
        self.origins.extend(other.origins);
        self.group_roles.extend(other.group_roles);
        self.paged |= other.paged;
        self.unread.extend(other.unread);
    }
}

impl Readings {
    /// Adds what another look has shown besides, of things that may have been in the first one.
    pub fn absorb_again(&mut self, other: Self) {
        let known = std::mem::take(&mut self.launchers);
        let new: Vec<Launcher> = other
            .launchers
            .iter()
            .filter(|one| !known.contains(one))
            .cloned()
            .collect();
        self.launchers = known;
        self.absorb(Self {
            launchers: new,
            ..other
        });
    }
}

/// What AWS itself finds to name an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// The image.
    pub image: ImageId,
    /// What names it.
    pub kind: ConsumerKind,
    /// Its ID or name.
    pub id: Box<str>,
}

/// A consumer of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// What it is.
    pub kind: ConsumerKind,
    /// The account that it is in; none for an object of the cluster.
    pub account: Option<AccountId>,
    /// Its ID or name there.
    pub id: Box<str>,
    /// By what it launches the image, where it does not name it itself, such as `lt-0123 $Default`; of an object, its field.
    pub via: Option<Box<str>>,
    /// Whose it is.
    pub owner: Option<Owner>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, version: Option<&str>) -> Option<ImageRef> {
        Some(ImageRef::Parameter(ParameterRef {
            name: name.into(),
            version: version.map(Into::into),
        }))
    }

    #[test]
    fn an_image_is_named_by_its_id_or_by_a_parameter_in_every_spelling() {
        let image: ImageId = "ami-0123456789abcdef0".parse().expect("an image");
        let arn = "arn:aws:ssm:eu-west-1:444455556666:parameter/golden/web";
        for (text, expected) in [
            ("ami-0123456789abcdef0", Some(ImageRef::Image(image.clone()))),
            (" ami-0123456789abcdef0 ", Some(ImageRef::Image(image))),
            ("resolve:ssm:/golden/web", parameter("/golden/web", None)),
            ("resolve:ssm:golden", parameter("golden", None)),
            ("resolve:ssm:/golden/web:3", parameter("/golden/web", Some("3"))),
            (
                "resolve:ssm:/golden/web:stable",
                parameter("/golden/web", Some("stable")),
            ),
            ("ssm:/golden/web", parameter("/golden/web", None)),
            (&format!("resolve:ssm:{arn}"), parameter(arn, None)),
            (&format!("resolve:ssm:{arn}:prod"), parameter(arn, Some("prod"))),
            ("", None),
            (
                "arn:aws:imagebuilder:eu-west-1:aws:image/x/x.x.x",
                Some(ImageRef::Other(
                    "arn:aws:imagebuilder:eu-west-1:aws:image/x/x.x.x".into(),
                )),
            ),
            ("resolve:ssm:", Some(ImageRef::Other("resolve:ssm:".into()))),
        ] {
            assert_eq!(ImageRef::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn a_version_that_is_not_named_is_the_default() {
        for (text, expected) in [
            (None, VersionRef::Default),
            (Some("$Default"), VersionRef::Default),
            (Some("$Latest"), VersionRef::Latest),
            (Some("7"), VersionRef::Number(7)),
            (Some(""), VersionRef::Default),
        ] {
            assert_eq!(VersionRef::parse(text), expected, "{text:?}");
        }
    }
}
