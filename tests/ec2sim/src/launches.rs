//! The judge of launches: what everything that can launch an image would launch now, whether that works, and whether it
//! is encrypted. It looks at the world and not at what listings show by now.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;
use crate::launching::{self, Who};
use crate::model::{
    AutoScalingGroup, ComputeEnvironment, Consumers, FleetConfig, GroupOverride, LaunchTemplate, RESOLVE, Region,
    TemplateDevice, TemplateRef, TemplateVersion, World,
};
use crate::truth::ConsumerKind;

/// What something would launch now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// What it is.
    pub kind: ConsumerKind,
    /// Its ID or name; of a launch template `lt-…:3`, of a label `name:label`, of a node group `cluster/group`, of a
    /// recipe `name/version`.
    pub id: String,
    /// The image; none when there is no telling.
    pub image: Option<String>,
    /// Whether it works, or why it does not.
    pub works: Result<(), String>,
    /// Whether all volumes that hold data would be encrypted.
    pub encrypted: bool,
}

/// What everything in a region of an account would launch now.
pub(crate) fn launches(world: &World, account: &str, region: &str, now: SimTime) -> Vec<Launch> {
    let Some(place) = world.region(account, region) else {
        return Vec::new();
    };
    let mut teller = Teller::new(world, account, place, now);
    teller.machines(&place.consumers);
    teller.templates(&place.consumers);
    teller.parameters(&place.consumers);
    teller.managed(&place.consumers);
    teller.told.into_iter().collect()
}

/// Tells what would be launched in a region of an account.
pub(crate) struct Teller<'a> {
    world: &'a World,
    account: &'a str,
    region: &'a Region,
    now: SimTime,
    told: BTreeSet<Launch>,
}

/// What is launched: an image or a parameter, or why there is no telling; on what; with which mappings.
pub(crate) struct Source<'a> {
    pub(crate) image: Result<&'a str, String>,
    pub(crate) instance_type: Option<&'a str>,
    pub(crate) devices: &'a [TemplateDevice],
}

impl<'a> Source<'a> {
    const fn image(text: &'a str) -> Self {
        Self {
            image: Ok(text),
            instance_type: None,
            devices: &[],
        }
    }

    const fn none(why: String) -> Self {
        Self {
            image: Err(why),
            instance_type: None,
            devices: &[],
        }
    }

    fn version(version: &'a TemplateVersion) -> Self {
        Self {
            image: version
                .image
                .as_deref()
                .ok_or_else(|| format!("version {} names no image", version.number)),
            instance_type: version.instance_type.as_deref(),
            devices: &version.devices,
        }
    }
}

impl<'a> Teller<'a> {
    pub(crate) const fn new(world: &'a World, account: &'a str, region: &'a Region, now: SimTime) -> Self {
        Self {
            world,
            account,
            region,
            now,
            told: BTreeSet::new(),
        }
    }

    fn tell(&mut self, kind: ConsumerKind, id: &str, source: &Source<'a>, who: &Who) {
        let place = (self.world, self.account, self.region.name.as_str());
        let image = source.image.clone().and_then(|text| self.resolve(text));
        let known = image.as_ref().ok().and_then(|id| self.world.image(place.2, id));
        let by = (source.instance_type, source.devices);
        let works = match &image {
            Err(why) => Err(why.clone()),
            Ok(id) => works(place, id, by, who, self.now),
        };
        self.told.insert(Launch {
            account: self.account.to_owned(),
            region: self.region.name.clone(),
            kind,
            id: id.to_owned(),
            encrypted: known.is_some_and(|i| launching::is_encrypted(place, i, source.devices)),
            image: image.ok(),
            works,
        });
    }

    /// The image that a text stands for.
    pub(crate) fn resolve(&self, text: &str) -> Result<String, String> {
        let found = self.world.resolve_image(self.account, &self.region.name, text);
        found
            .map(str::to_owned)
            .ok_or_else(|| format!("there is no image by {text}"))
    }

    /// A reference with the ID, the name and the number of what it means.
    pub(crate) fn numbered(&self, reference: &TemplateRef) -> TemplateRef {
        let Some(template) = self.region.template(reference) else {
            return reference.clone();
        };
        let version = template.version(reference.version.as_deref());
        TemplateRef {
            template: None,
            id: Some(template.id.clone()),
            name: Some(template.name.clone()),
            version: version.map(|v| v.number.to_string()),
        }
    }

    pub(crate) fn version(&self, reference: &TemplateRef) -> Source<'a> {
        match self.region.template_version(reference) {
            Some(version) => Source::version(version),
            None => {
                let name = reference
                    .id
                    .as_deref()
                    .or(reference.name.as_deref())
                    .unwrap_or_default();
                let version = reference.version.as_deref().unwrap_or("$Default");
                Source::none(format!("there is no version {version} of the launch template {name}"))
            }
        }
    }

    /// Fleets that go on launching, and Spot Fleets, do not resolve parameters.
    fn unresolved(&self, reference: &TemplateRef) -> Source<'a> {
        let source = self.version(reference);
        match source.image {
            Ok(text) if text.starts_with(RESOLVE) => Source::none(format!("{text} is not resolved here")),
            _ => source,
        }
    }

    fn role(&self, service: &str, name: &str) -> Who {
        Who::service((self.world, self.account, &self.region.name), service, name)
    }

    fn machines(&mut self, c: &'a Consumers) {
        let own = Who::account(self.account);
        for (name, _) in c.launch_configurations.iter() {
            let source = configuration(c, name);
            self.tell(ConsumerKind::LaunchConfiguration, name, &source, &own);
        }
        for (name, group) in c.auto_scaling_groups.iter() {
            let who = group_role(self.world, self.account, &self.region.name, group);
            for source in self.of_group(c, group) {
                self.tell(ConsumerKind::AutoScalingGroup, name, &source, &who);
            }
        }
        let who = self.role("ec2fleet", "AWSServiceRoleForEC2Fleet");
        for (id, fleet) in c.fleets.iter().filter(|(_, f)| f.launches()) {
            for source in fleet
                .templates
                .iter()
                .flat_map(|t| self.of_config(t))
                .collect::<Vec<_>>()
            {
                self.tell(ConsumerKind::Fleet, id, &source, &who);
            }
        }
        let who = self.role("spotfleet", "AWSServiceRoleForEC2SpotFleet");
        for (id, fleet) in c.spot_fleets.iter().filter(|(_, f)| f.launches()) {
            let specified = fleet.specifications.iter().map(|s| Source {
                instance_type: s.instance_type.as_deref(),
                devices: &s.devices,
                ..Source::image(&s.image)
            });
            let by_template = fleet.templates.iter().flat_map(|t| self.of_config(t));
            for source in specified.chain(by_template).collect::<Vec<_>>() {
                self.tell(ConsumerKind::SpotFleet, id, &source, &who);
            }
        }
        let who = self.role("spot", "AWSServiceRoleForEC2Spot");
        for (id, request) in c.spot_requests.iter().filter(|(_, r)| r.launches()) {
            let source = Source {
                instance_type: request.instance_type.as_deref(),
                devices: &request.devices,
                ..Source::image(&request.image)
            };
            self.tell(ConsumerKind::SpotRequest, id, &source, &who);
        }
    }

    fn of_group(&self, c: &'a Consumers, group: &'a AutoScalingGroup) -> Vec<Source<'a>> {
        if let Some(name) = &group.launch_configuration {
            return vec![configuration(c, name)];
        }
        if let Some(reference) = &group.launch_template {
            return vec![self.version(reference)];
        }
        let Some(mixed) = &group.mixed_instances else {
            return vec![Source::none("it names no template".to_owned())];
        };
        if mixed.overrides.is_empty() {
            return vec![self.version(&mixed.launch_template)];
        }
        let reference = |one: &'a GroupOverride| one.launch_template.as_ref().unwrap_or(&mixed.launch_template);
        let overridden = mixed.overrides.iter();
        overridden.map(|one| self.overridden(one, reference(one))).collect()
    }

    /// An override's own image goes before its template's, and that before the policy's.
    pub(crate) fn overridden(&self, one: &'a GroupOverride, reference: &TemplateRef) -> Source<'a> {
        let by_template = self.version(reference);
        Source {
            image: one.image.as_deref().map_or(by_template.image, Ok),
            instance_type: one.instance_type.as_deref().or(by_template.instance_type),
            devices: by_template.devices,
        }
    }

    fn of_config(&self, config: &'a FleetConfig) -> Vec<Source<'a>> {
        if config.overrides.is_empty() {
            return vec![self.unresolved(&config.launch_template)];
        }
        let overridden = config.overrides.iter().map(|one| {
            let by_template = self.unresolved(&config.launch_template);
            Source {
                image: one.image.as_deref().map_or(by_template.image, Ok),
                instance_type: one.instance_type.as_deref().or(by_template.instance_type),
                devices: if one.devices.is_empty() {
                    by_template.devices
                } else {
                    &one.devices
                },
            }
        });
        overridden.collect()
    }

    /// By the default and by the latest version; a template without an image is for those who bring one.
    fn templates(&mut self, c: &'a Consumers) {
        let own = Who::account(self.account);
        for (id, template) in c.launch_templates.iter() {
            for version in pointed_at(template) {
                let id = format!("{id}:{}", version.number);
                self.tell(ConsumerKind::LaunchTemplate, &id, &Source::version(version), &own);
            }
        }
    }

    /// A parameter is not launched by itself: it is told when its value is an image's ID.
    fn parameters(&mut self, c: &'a Consumers) {
        let own = Who::account(self.account);
        for (name, parameter) in c.parameters.iter().filter(|(_, p)| p.data_type == "aws:ec2:image") {
            let latest = parameter.latest().map(|v| v.number);
            for version in &parameter.versions {
                let by_number = (Some(version.number) == latest).then(|| name.to_owned());
                let by_label = version.labels.iter().map(|label| format!("{name}:{label}"));
                for id in by_number.into_iter().chain(by_label) {
                    self.tell(ConsumerKind::Parameter, &id, &Source::image(&version.value), &own);
                }
            }
        }
    }

    fn managed(&mut self, c: &'a Consumers) {
        let scaling = self.role("autoscaling", "AWSServiceRoleForAutoScaling");
        for (name, cluster) in c.eks_clusters.iter() {
            for group in cluster.nodegroups.iter().filter(|g| g.status != "DELETING") {
                let release = group.release_version.as_deref().filter(|r| r.starts_with("ami-"));
                let by_template = || group.launch_template.as_ref().map(|t| self.version(t));
                let source = by_template()
                    .filter(|source| source.image.is_ok())
                    .or(release.map(Source::image));
                if let Some(source) = source {
                    let id = format!("{name}/{}", group.name);
                    self.tell(ConsumerKind::Nodegroup, &id, &source, &scaling);
                }
            }
        }
        for (name, one) in c.compute_environments.iter() {
            let who = match &one.service_role {
                Some(arn) => Who::Service(arn.clone()),
                None => self.role("batch", "AWSServiceRoleForBatch"),
            };
            for source in self.of_environment(one) {
                self.tell(ConsumerKind::ComputeEnvironment, name, &source, &who);
            }
        }
        let own = Who::account(self.account);
        let names_image = |text: &&String| text.starts_with("ami-") || text.starts_with("ssm:");
        for (key, recipe) in c.image_recipes.iter() {
            if let Some(text) = Some(&recipe.parent_image).filter(names_image) {
                self.tell(ConsumerKind::ImageRecipe, key, &Source::image(text), &own);
            }
        }
        for (key, recipe) in c.container_recipes.iter() {
            if let Some(text) = recipe.instance_image.as_ref() {
                self.tell(ConsumerKind::ContainerRecipe, key, &Source::image(text), &own);
            }
        }
    }

    /// A type's own image goes before that of all, and that before the template's.
    fn of_environment(&self, one: &'a ComputeEnvironment) -> Vec<Source<'a>> {
        if one.kind != "MANAGED" || matches!(one.status.as_str(), "DELETING" | "DELETED") {
            return Vec::new();
        }
        let types = &one.ec2_configuration;
        let own = types.iter().filter_map(|c| c.image_override.as_deref());
        let mut sources: Vec<Source<'a>> = own.map(Source::image).collect();
        if !types.is_empty() && sources.len() == types.len() {
            return sources;
        }
        if let Some(image) = &one.image {
            sources.push(Source::image(image));
            return sources;
        }
        let references = one.launch_template.iter();
        let references = references.chain(one.template_overrides.iter().map(|o| &o.launch_template));
        // Without an image in its template, Batch takes one of its own.
        sources.extend(references.filter_map(|t| {
            let version = self.region.template_version(t);
            version.is_none_or(|v| v.image.is_some()).then(|| self.version(t))
        }));
        sources
    }
}

pub(crate) fn configuration<'a>(c: &'a Consumers, name: &str) -> Source<'a> {
    match c.launch_configurations.get(name) {
        Some(one) => Source {
            instance_type: Some(&one.instance_type),
            devices: &one.devices,
            ..Source::image(&one.image)
        },
        None => Source::none(format!("there is no launch configuration {name}")),
    }
}

/// The versions that a template is launched by without a number.
fn pointed_at(template: &LaunchTemplate) -> impl Iterator<Item = &TemplateVersion> {
    let numbers = BTreeSet::from([template.default_number(), template.latest()]);
    let versions = template.versions.iter();
    versions.filter(move |v| numbers.contains(&v.number) && v.image.is_some())
}

/// The role that a group launches with.
pub(crate) fn group_role(world: &World, account: &str, region: &str, group: &AutoScalingGroup) -> Who {
    match &group.service_linked_role {
        Some(arn) => Who::Service(arn.clone()),
        None => Who::service((world, account, region), "autoscaling", "AWSServiceRoleForAutoScaling"),
    }
}

/// Whether a launch of an image works: what EC2 refuses, and what it finds out later.
pub(crate) fn works(
    place: launching::Place<'_>,
    id: &str,
    (instance_type, devices): (Option<&str>, &[TemplateDevice]),
    who: &Who,
    now: SimTime,
) -> Result<(), String> {
    let known = place.0.image(place.2, id);
    let refusal = launching::refusal(place, id, now)
        .or_else(|| launching::mapping_refusal(place, devices))
        .or_else(|| launching::type_refusal(known?, instance_type?))
        .map(|error| format!("{}: {}", error.code, error.message));
    let failure = || launching::key_failure(place, known?, devices, who);
    refusal.or_else(failure).map_or(Ok(()), Err)
}
