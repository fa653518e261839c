//! Which objects of the cluster are read, and where they name images.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

use super::FieldPath;

/// What is read where nobody says otherwise: what Karpenter, and what Cluster API's provider for AWS launches. The chart has the same.
pub const DEFAULT: &str = concat!(
    r#"[{"apiVersion":"karpenter.k8s.aws/v1","kind":"EC2NodeClass","#,
    r#""paths":[".status.amis[*].id",".spec.amiSelectorTerms[*].id"],"resource":"ec2nodeclasses"},"#,
    r#"{"apiVersion":"infrastructure.cluster.x-k8s.io/v1beta2","kind":"AWSMachineTemplate","#,
    r#""paths":[".spec.template.spec.ami.id"],"resource":"awsmachinetemplates"},"#,
    r#"{"apiVersion":"infrastructure.cluster.x-k8s.io/v1beta2","kind":"AWSMachine","#,
    r#""paths":[".spec.ami.id"],"resource":"awsmachines"},"#,
    r#"{"apiVersion":"infrastructure.cluster.x-k8s.io/v1beta2","kind":"AWSMachinePool","#,
    r#""paths":[".spec.awsLaunchTemplate.ami.id"],"resource":"awsmachinepools"},"#,
    r#"{"apiVersion":"infrastructure.cluster.x-k8s.io/v1beta2","kind":"AWSManagedMachinePool","#,
    r#""paths":[".spec.awsLaunchTemplate.ami.id"],"resource":"awsmanagedmachinepools"}]"#,
);

/// The longest name of a kind or a resource.
const LONGEST: usize = 63;

/// A kind of object that launches images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKind {
    /// The API group; empty for the core group.
    pub group: Box<str>,
    /// The version of its API that the paths hold in.
    pub version: Box<str>,
    /// The kind.
    pub kind: Box<str>,
    /// Its name in the plural, as rights have it.
    pub resource: Box<str>,
    /// The fields that hold the IDs of images.
    pub paths: Vec<FieldPath>,
}

/// All that are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectKinds(pub Vec<ObjectKind>);

/// One of them, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    api_version: String,
    kind: String,
    resource: String,
    paths: Vec<String>,
}

impl ObjectKind {
    fn of(entry: &Entry) -> Result<Self, String> {
        let Entry {
            api_version,
            kind,
            resource,
            paths,
        } = entry;
        let (group, version) = group_and_version(api_version)
            .ok_or_else(|| format!("apiVersion {api_version:?} is none: write it as in karpenter.k8s.aws/v1"))?;
        let is_kind = kind.starts_with(|first: char| first.is_ascii_uppercase())
            && kind.chars().all(|c| c.is_ascii_alphanumeric())
            && kind.len() <= LONGEST;
        if !is_kind {
            return Err(format!("kind {kind:?} is none: write it as in EC2NodeClass"));
        }
        if !is_label(resource) {
            return Err(format!(
                "resource {resource:?} is none: write the plural of the kind in small letters, as in ec2nodeclasses"
            ));
        }
        if paths.is_empty() {
            return Err("paths is empty: name at least one field, as in .status.amis[*].id".to_owned());
        }
        let paths: Result<Vec<FieldPath>, String> = paths.iter().map(|path| path.parse()).collect();
        Ok(Self {
            group: group.into(),
            version: version.into(),
            kind: kind.as_str().into(),
            resource: resource.as_str().into(),
            paths: paths?,
        })
    }

    /// The resource as rights name it, such as `ec2nodeclasses.karpenter.k8s.aws`.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_string()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }

    /// The group and version, such as `karpenter.k8s.aws/v1`.
    pub fn api_version(&self) -> String {
        self.in_version(&self.version)
    }

    /// The same of another version.
    pub(super) fn in_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }
}

/// Of `group/version`. The core group has no name, and one version.
fn group_and_version(text: &str) -> Option<(&str, &str)> {
    match text.split_once('/') {
        Some((group, version)) => (group.split('.').all(is_label) && is_label(version)).then_some((group, version)),
        None => (text == "v1").then_some(("", text)),
    }
}

/// A label of a domain's name, as groups, versions and resources are made of.
fn is_label(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= LONGEST
        && text.chars().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl FromStr for ObjectKinds {
    type Err = String;

    /// Of a list in JSON.
    fn from_str(text: &str) -> Result<Self, String> {
        let entries: Vec<Value> = serde_json::from_str(text).map_err(|error| {
            format!("it is no list in JSON ({error}): write [] for none, or an entry for each kind, as the chart's values do")
        })?;
        let mut kinds: Vec<ObjectKind> = Vec::new();
        for (number, entry) in entries.into_iter().enumerate() {
            let named = match entry["kind"].as_str() {
                Some(kind) => format!("entry {} ({kind})", number + 1),
                None => format!("entry {}", number + 1),
            };
            let entry: Entry = serde_json::from_value(entry)
                .map_err(|error| format!("{named}: {error}; each has apiVersion, kind, resource and paths"))?;
            let kind = ObjectKind::of(&entry).map_err(|error| format!("{named}: {error}"))?;
            let is_same = |other: &ObjectKind| {
                other.group == kind.group && (other.kind == kind.kind || other.resource == kind.resource)
            };
            if kinds.iter().any(is_same) {
                let what = kind.qualified();
                return Err(format!(
                    "{named}: {what} is there already: put all its paths into one entry"
                ));
            }
            kinds.push(kind);
        }
        Ok(Self(kinds))
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.qualified())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Value {
        json!({
            "apiVersion": "karpenter.k8s.aws/v1",
            "kind": "EC2NodeClass",
            "resource": "ec2nodeclasses",
            "paths": [".status.amis[*].id"],
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut entry = entry();
        entry[field] = value;
        entry
    }

    #[test]
    fn the_default_is_what_karpenter_and_cluster_api_launch_and_none_is_a_list_too() {
        let ObjectKinds(kinds) = DEFAULT.parse().expect("the default");
        let named: Vec<String> = kinds.iter().map(ObjectKind::qualified).collect();
        assert_eq!(
            named,
            [
                "ec2nodeclasses.karpenter.k8s.aws",
                "awsmachinetemplates.infrastructure.cluster.x-k8s.io",
                "awsmachines.infrastructure.cluster.x-k8s.io",
                "awsmachinepools.infrastructure.cluster.x-k8s.io",
                "awsmanagedmachinepools.infrastructure.cluster.x-k8s.io",
            ]
        );
        assert_eq!(kinds[0].api_version(), "karpenter.k8s.aws/v1");
        assert_eq!("[]".parse(), Ok(ObjectKinds::default()));
        let core = json!([with("apiVersion", json!("v1"))]).to_string();
        let ObjectKinds(core) = core.parse().expect("the core group");
        assert_eq!(
            (core[0].qualified(), core[0].api_version()),
            ("ec2nodeclasses".into(), "v1".into())
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_entry_with_what_to_write() {
        let mut without = entry();
        without.as_object_mut().expect("an entry").remove("resource");
        for (second, expected) in [
            (with("apiVersion", json!("v1")), None),
            (
                with("apiVersion", json!("karpenter")),
                Some("apiVersion \"karpenter\" is none"),
            ),
            (
                with("apiVersion", json!("/v1")),
                Some("entry 2 (EC2NodeClass): apiVersion \"/v1\" is none: write it as in karpenter.k8s.aws/v1"),
            ),
            (
                with("apiVersion", json!("karpenter.k8s.aws/")),
                Some("apiVersion \"karpenter.k8s.aws/\" is none"),
            ),
            (
                with("apiVersion", json!("a/b/v1")),
                Some("apiVersion \"a/b/v1\" is none"),
            ),
            (with("apiVersion", json!("")), Some("apiVersion \"\" is none")),
            (
                with("apiVersion", json!("a..b/v1")),
                Some("apiVersion \"a..b/v1\" is none"),
            ),
            (
                with("kind", json!("ec2nodeclass")),
                Some("entry 2 (ec2nodeclass): kind \"ec2nodeclass\" is none: write it as in EC2NodeClass"),
            ),
            (
                with("resource", json!("EC2NodeClass")),
                Some("resource \"EC2NodeClass\" is none: write the plural"),
            ),
            (
                with("resource", json!("pods/status")),
                Some("resource \"pods/status\" is none"),
            ),
            (
                with("paths", json!([])),
                Some("paths is empty: name at least one field"),
            ),
            (
                with("paths", json!(["spec.ami"])),
                Some("\"spec.ami\" is no path of a field: write a dot before each name"),
            ),
            (
                with("paths", json!(".spec.ami")),
                Some("each has apiVersion, kind, resource and paths"),
            ),
            (with("path", json!(".spec.ami")), Some("unknown field `path`")),
            (
                without,
                Some("entry 2 (EC2NodeClass): missing field `resource`; each has apiVersion, kind, resource and paths"),
            ),
            (json!("EC2NodeClass"), Some("entry 2: invalid type")),
            (
                entry(),
                Some(
                    "entry 2 (EC2NodeClass): ec2nodeclasses.karpenter.k8s.aws is there already: put all its paths into one entry",
                ),
            ),
            (with("kind", json!("Other")), Some("is there already")),
        ] {
            let first = with("apiVersion", json!("karpenter.k8s.aws/v1beta1"));
            let read = json!([first, second]).to_string().parse::<ObjectKinds>();
            match expected {
                Some(expected) => {
                    let refused = read.expect_err(expected);
                    assert!(refused.contains(expected), "{refused}");
                }
                None => assert!(read.is_ok(), "the same name in another group: {read:?}"),
            }
        }
        for text in ["", "{}", "none", "[1"] {
            let refused = text.parse::<ObjectKinds>().expect_err(text);
            assert!(refused.contains("write [] for none"), "{refused}");
        }
    }
}
