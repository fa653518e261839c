//! What a reader finds over the wire is what the world knows: of any templates, parameters, groups and overrides.

use std::collections::BTreeSet;

use ec2sim::{ConsumerKind, Sim};
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::json;

use super::super::support::{ACCOUNT, Client, OWNER, REGION, client, world, yaml};
use super::{GOLDEN, OLD};

/// What versions of templates name.
const IMAGES: [&str; 6] = [
    "golden",
    "old",
    "\"resolve:ssm:/golden/web\"",
    "\"resolve:ssm:/golden/web:live\"",
    "\"resolve:ssm:/golden/web:9\"",
    "ami-00000bad",
];

const VERSIONS: [Option<&str>; 7] = [
    None,
    Some("$Latest"),
    Some("$Default"),
    Some("1"),
    Some("2"),
    Some("3"),
    Some("9"),
];

#[derive(Clone, Debug)]
struct Reference {
    template: usize,
    by: usize,
    version: usize,
}

#[derive(Clone, Debug)]
struct Override {
    image: Option<usize>,
    template: Option<Reference>,
}

#[derive(Clone, Debug)]
struct Group {
    template: Reference,
    overrides: Option<Vec<Override>>,
}

#[derive(Clone, Debug)]
struct Template {
    versions: Vec<usize>,
    default: usize,
}

fn reference() -> impl Strategy<Value = Reference> {
    (0..3_usize, 0..4_usize, 0..VERSIONS.len()).prop_map(|(template, by, version)| Reference { template, by, version })
}

fn group() -> impl Strategy<Value = Group> {
    let one = (prop::option::of(0..2_usize), prop::option::of(reference()))
        .prop_map(|(image, template)| Override { image, template });
    let overrides = prop::option::of(prop::collection::vec(one, 0..3));
    (reference(), overrides).prop_map(|(template, overrides)| Group { template, overrides })
}

fn template() -> impl Strategy<Value = Template> {
    (prop::collection::vec(0..IMAGES.len(), 1..4), any::<usize>())
        .prop_map(|(versions, default)| Template { versions, default })
}

impl Reference {
    fn yaml(&self) -> String {
        let n = self.template;
        let name = match self.by {
            0 => format!("template: template-{n}"),
            1 => format!("id: lt-0000000{n}"),
            2 => format!("name: template-{n}"),
            _ => "id: lt-00000bad".to_owned(),
        };
        let version = VERSIONS[self.version]
            .map(|v| format!(", version: \"{v}\""))
            .unwrap_or_default();
        format!("{{{name}{version}}}")
    }
}

impl Group {
    fn yaml(&self) -> String {
        let template = self.template.yaml();
        let Some(overrides) = &self.overrides else {
            return format!("launchTemplate: {template}");
        };
        let overrides: Vec<String> = overrides
            .iter()
            .map(|o| {
                let image = o.image.map(|i| format!("image: {}", IMAGES[i]));
                let template = o.template.as_ref().map(|t| format!("launchTemplate: {}", t.yaml()));
                let fields: Vec<String> = image.into_iter().chain(template).collect();
                format!("{{{}}}", fields.join(", "))
            })
            .collect();
        format!(
            "mixedInstances: {{launchTemplate: {template}, overrides: [{}]}}",
            overrides.join(", ")
        )
    }
}

fn simulated(templates: &[Template], groups: &[Group]) -> Sim {
    let mut lines = String::from(
        "    - {name: golden, id: ami-0000000a}\n    - {name: old, id: ami-0000000b}\n    parameters:\n    - {name: /golden/web, versions: [{image: golden, labels: [live]}, {image: old}]}\n    launchTemplates:\n",
    );
    for (n, template) in templates.iter().enumerate() {
        let versions: Vec<String> = template
            .versions
            .iter()
            .map(|i| format!("{{image: {}}}", IMAGES[*i]))
            .collect();
        let default = template.default % versions.len() + 1;
        lines += &format!(
            "    - {{name: template-{n}, id: lt-0000000{n}, defaultVersion: {default}, versions: [{}]}}\n",
            versions.join(", ")
        );
    }
    lines += "    autoScalingGroups:\n";
    for (n, group) in groups.iter().enumerate() {
        lines += &format!("    - {{name: group-{n}, {}}}\n", group.yaml());
    }
    world(&yaml("", &lines, ""))
}

/// An XML element.
#[derive(Clone, Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn parse(text: &str) -> Self {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().expect("XML") {
                Event::Start(tag) => open.push(Self {
                    name: tag.name().0.to_owned(),
                    ..Self::default()
                }),
                Event::Text(text) => {
                    let text = text.xml10_content();
                    open.last_mut().expect("an element").text.push_str(&text);
                }
                Event::End(_) => {
                    let done = open.pop().expect("an element");
                    open.last_mut().expect("an element").children.push(done);
                }
                Event::Eof => return open.remove(0),
                _ => {}
            }
        }
    }

    fn get(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|c| c.name == name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|e| e.text.as_str()).filter(|t| !t.is_empty())
    }

    /// All elements of a name, at any depth.
    fn all(&self, name: &str) -> Vec<&Self> {
        let own = self.children.iter().filter(|c| c.name == name);
        let below = self.children.iter().flat_map(|c| c.all(name));
        own.chain(below).collect()
    }
}

/// The image behind a text of a launch template.
fn resolved(c: &Client, text: &str) -> Option<String> {
    let Some(parameter) = text.strip_prefix("resolve:ssm:") else {
        return Some(text.to_owned());
    };
    let answer = c.ssm("GetParameter", &json!({ "Name": parameter }));
    (answer.status == 200).then(|| {
        answer.json()["Parameter"]["Value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    })
}

/// The image that a launch template gives, as an element of Auto Scaling names it.
fn image_of(c: &Client, reference: &Element) -> Option<String> {
    let id = reference.text("LaunchTemplateId").map(|id| ("LaunchTemplateId", id));
    let named = id.or_else(|| {
        reference
            .text("LaunchTemplateName")
            .map(|name| ("LaunchTemplateName", name))
    })?;
    let version = reference.text("Version").unwrap_or("$Default");
    let reply = c.ec2(
        "DescribeLaunchTemplateVersions",
        &[named, ("LaunchTemplateVersion.1", version)],
    );
    let image = reply.all("imageId").into_iter().next()?;
    resolved(c, &image)
}

/// The images that a group can launch.
fn images_of(c: &Client, group: &Element) -> BTreeSet<String> {
    if let Some(reference) = group.get("LaunchTemplate") {
        return image_of(c, reference).into_iter().collect();
    }
    let policy = group
        .get("MixedInstancesPolicy")
        .and_then(|p| p.get("LaunchTemplate"))
        .expect("a policy");
    let base = policy.get("LaunchTemplateSpecification").expect("a template");
    let overrides = &policy.get("Overrides").expect("a list").children;
    let mut images: BTreeSet<String> = overrides
        .iter()
        .filter_map(|o| match (o.text("ImageId"), o.get("LaunchTemplateSpecification")) {
            (Some(image), _) => Some(image.to_owned()),
            (None, Some(own)) => image_of(c, own),
            (None, None) => image_of(c, base),
        })
        .collect();
    if overrides.is_empty() {
        images.extend(image_of(c, base));
    }
    images
}

/// Templates that name an image, by their default or latest versions and by others.
fn templates_of(c: &Client, image: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for id in c.ec2("DescribeLaunchTemplates", &[]).all("launchTemplateId") {
        let reply = c.ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateId", &id)]);
        let versions = Element::parse(&reply.body);
        let versions = versions.all("launchTemplateVersionSet")[0].children.clone();
        for (n, version) in versions.iter().enumerate() {
            let text = version.get("launchTemplateData").and_then(|d| d.text("imageId"));
            if text.and_then(|text| resolved(c, text)).as_deref() != Some(image) {
                continue;
            }
            // The newest comes first.
            let is_current = n == 0 || version.text("defaultVersion") == Some("true");
            let number = version.text("versionNumber").expect("a number");
            found.insert(if is_current {
                id.clone()
            } else {
                format!("{id}:{number}")
            });
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_finds_what_the_world_knows(
        templates in prop::collection::vec(template(), 3),
        groups in prop::collection::vec(group(), 1..5),
    ) {
        let sim = simulated(&templates, &groups);
        let c = client(&sim, OWNER);
        let described = Element::parse(&c.autoscaling("DescribeAutoScalingGroups", &[]).body);
        let described = described.all("AutoScalingGroups")[0].children.clone();
        prop_assert_eq!(described.len(), groups.len());
        for image in [GOLDEN, OLD, "ami-00000bad"] {
            let truth = sim.consumers(ACCOUNT, REGION, image);
            let of = |kinds: &[ConsumerKind]| -> BTreeSet<String> {
                truth.iter().filter(|c| kinds.contains(&c.kind)).map(|c| c.id.clone()).collect()
            };
            let read: BTreeSet<String> = described
                .iter()
                .filter(|group| images_of(&c, group).contains(image))
                .filter_map(|group| group.text("AutoScalingGroupName").map(str::to_owned))
                .collect();
            prop_assert_eq!(read, of(&[ConsumerKind::AutoScalingGroup]));
            let kinds = [ConsumerKind::LaunchTemplate, ConsumerKind::OldTemplateVersion];
            prop_assert_eq!(templates_of(&c, image), of(&kinds));
        }
    }
}
