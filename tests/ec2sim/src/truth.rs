//! What can launch an image now, told from the world alone, with the meaning that AWS gives to names of versions,
//! parameters and overrides. It is what a caller that reads all services can find out, and nobody sees it late.

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;
use crate::model::{
    Account, AutoScalingGroup, ComputeEnvironment, Consumers, FleetConfig, Image, ImageState, Parameter, RESOLVE,
    Region, TemplateRef, World,
};

/// What kind of thing uses an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConsumerKind {
    /// An instance that was launched from it, and is not terminated.
    Instance,
    /// A launch template, by its default or its latest version.
    LaunchTemplate,
    /// Another version of a launch template, which somebody can launch by its number.
    OldTemplateVersion,
    /// A launch configuration.
    LaunchConfiguration,
    /// An Auto Scaling group, whatever its size, and whether or not processes are suspended.
    AutoScalingGroup,
    /// An EC2 Fleet that may launch more.
    Fleet,
    /// A Spot Fleet request that may launch more.
    SpotFleet,
    /// A Spot Instance request that may launch an instance, again or yet.
    SpotRequest,
    /// A parameter of type aws:ec2:image: its latest version, or one with a label.
    Parameter,
    /// The same of another parameter, whose text is or lists the ID.
    PlainParameter,
    /// A managed node group of EKS.
    Nodegroup,
    /// A compute environment of Batch.
    ComputeEnvironment,
    /// An image recipe.
    ImageRecipe,
    /// A container recipe, by the image of the instance that builds it.
    ContainerRecipe,
}

impl ConsumerKind {
    /// Whether it may launch the image from now on. An instance was launched, and a text is only a text.
    pub const fn launches(self) -> bool {
        !matches!(self, Self::Instance | Self::PlainParameter)
    }
}

/// Something that uses an image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Consumer {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its ID or name; of an old template version `lt-…:3`, of a label `name:label`, of a node group `cluster/group`,
    /// of a recipe `name/version`.
    pub id: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
}

/// What uses an image: in the account that is named, which owns it, and in those that may launch it.
pub(crate) fn consumers(world: &World, account: &str, region: &str, image: &str, now: SimTime) -> Vec<Consumer> {
    let known = world.image(region, image);
    let mut found = Vec::new();
    for one in world.accounts.values() {
        let may = one.id == account || known.is_some_and(|i| world.may_launch(&one.id, i, now));
        let Some(place) = one.regions.get(region).filter(|_| may) else {
            continue;
        };
        let search = Search {
            world,
            account: one,
            region: place,
            image,
        };
        let in_account = search.all();
        found.extend(in_account.into_iter().map(|(kind, id)| Consumer {
            kind,
            id,
            account: one.id.clone(),
            region: region.to_owned(),
        }));
    }
    found.sort();
    found.dedup();
    found
}

/// Whether an image can be launched, and something may launch it.
pub(crate) fn is_launchable(world: &World, image: &Image, now: SimTime) -> bool {
    image.exists()
        && image.state == ImageState::Available
        && consumers(world, &image.owner, &image.region, &image.id, now)
            .iter()
            .any(|c| c.kind.launches())
}

/// Looks for an image in a region of an account.
struct Search<'a> {
    world: &'a World,
    account: &'a Account,
    region: &'a Region,
    image: &'a str,
}

type Found = Vec<(ConsumerKind, String)>;

impl Search<'_> {
    fn all(&self) -> Found {
        let c = &self.region.consumers;
        let mut found = Found::new();
        self.machines(c, &mut found);
        self.templates(c, &mut found);
        self.parameters(c, &mut found);
        self.managed(c, &mut found);
        found
    }

    /// Whether a text means the image, itself or by a parameter.
    fn means(&self, text: &str) -> bool {
        self.world.resolve_image(&self.account.id, &self.region.name, text) == Some(self.image)
    }

    /// Whether a launch template, by the version that is meant, launches the image. Parameters are resolved only for
    /// some of what uses templates.
    fn by_template(&self, reference: &TemplateRef, resolves: bool) -> bool {
        let version = self.region.template_version(reference);
        version
            .and_then(|v| v.image.as_deref())
            .is_some_and(|text| (resolves || !text.starts_with(RESOLVE)) && self.means(text))
    }

    fn machines(&self, c: &Consumers, found: &mut Found) {
        let instances = c
            .instances
            .iter()
            .filter(|(_, i)| i.image == self.image && i.is_there());
        found.extend(instances.map(|(id, _)| (ConsumerKind::Instance, id.to_owned())));
        let configurations = c.launch_configurations.iter().filter(|(_, l)| l.image == self.image);
        found.extend(configurations.map(|(name, _)| (ConsumerKind::LaunchConfiguration, name.to_owned())));
        let groups = c.auto_scaling_groups.iter().filter(|(_, g)| self.by_group(g));
        found.extend(groups.map(|(name, _)| (ConsumerKind::AutoScalingGroup, name.to_owned())));
        let fleets = c.fleets.iter().filter(|(_, f)| f.launches());
        let fleets = fleets.filter(|(_, f)| f.templates.iter().any(|t| self.by_config(t)));
        found.extend(fleets.map(|(id, _)| (ConsumerKind::Fleet, id.to_owned())));
        let spot_fleets = c.spot_fleets.iter().filter(|(_, f)| {
            let specified = f.specifications.iter().any(|s| s.image == self.image);
            f.launches() && (specified || f.templates.iter().any(|t| self.by_config(t)))
        });
        found.extend(spot_fleets.map(|(id, _)| (ConsumerKind::SpotFleet, id.to_owned())));
        let requests = c.spot_requests.iter();
        let requests = requests.filter(|(_, r)| r.launches() && r.image == self.image);
        found.extend(requests.map(|(id, _)| (ConsumerKind::SpotRequest, id.to_owned())));
    }

    fn by_group(&self, group: &AutoScalingGroup) -> bool {
        if let Some(name) = &group.launch_configuration {
            let configuration = self.region.consumers.launch_configurations.get(name);
            return configuration.is_some_and(|l| l.image == self.image);
        }
        if let Some(reference) = &group.launch_template {
            return self.by_template(reference, true);
        }
        let Some(mixed) = &group.mixed_instances else {
            return false;
        };
        // An override's own image goes before its own template, and that before the policy's.
        let overridden = mixed
            .overrides
            .iter()
            .any(|one| match (&one.image, &one.launch_template) {
                (Some(image), _) => image == self.image,
                (None, Some(reference)) => self.by_template(reference, true),
                (None, None) => self.by_template(&mixed.launch_template, true),
            });
        overridden || (mixed.overrides.is_empty() && self.by_template(&mixed.launch_template, true))
    }

    /// Fleets that go on launching do not resolve parameters.
    fn by_config(&self, config: &FleetConfig) -> bool {
        let own = |image: &Option<String>| image.as_deref() == Some(self.image);
        let uses_template = config.overrides.is_empty() || config.overrides.iter().any(|o| o.image.is_none());
        config.overrides.iter().any(|o| own(&o.image))
            || (uses_template && self.by_template(&config.launch_template, false))
    }

    fn templates(&self, c: &Consumers, found: &mut Found) {
        for (id, template) in c.launch_templates.iter() {
            for version in &template.versions {
                if !version.image.as_deref().is_some_and(|text| self.means(text)) {
                    continue;
                }
                if [template.default_number(), template.latest()].contains(&version.number) {
                    found.push((ConsumerKind::LaunchTemplate, id.to_owned()));
                } else {
                    found.push((ConsumerKind::OldTemplateVersion, format!("{id}:{}", version.number)));
                }
            }
        }
    }

    fn parameters(&self, c: &Consumers, found: &mut Found) {
        for (name, parameter) in c.parameters.iter() {
            let kind = if parameter.data_type == "aws:ec2:image" {
                ConsumerKind::Parameter
            } else {
                ConsumerKind::PlainParameter
            };
            let latest = parameter.latest().map(|v| v.number);
            for version in &parameter.versions {
                if !self.is_in(parameter, &version.value) {
                    continue;
                }
                if Some(version.number) == latest {
                    found.push((kind, name.to_owned()));
                }
                found.extend(version.labels.iter().map(|label| (kind, format!("{name}:{label}"))));
            }
        }
    }

    fn is_in(&self, parameter: &Parameter, value: &str) -> bool {
        match parameter.kind.as_str() {
            "StringList" => value.split(',').any(|one| one.trim() == self.image),
            _ => value == self.image,
        }
    }

    fn managed(&self, c: &Consumers, found: &mut Found) {
        for (name, cluster) in c.eks_clusters.iter() {
            let groups = cluster.nodegroups.iter().filter(|g| g.status != "DELETING");
            let groups = groups.filter(|g| {
                let released = g.release_version.as_deref() == Some(self.image);
                released || g.launch_template.as_ref().is_some_and(|t| self.by_template(t, true))
            });
            found.extend(groups.map(|g| (ConsumerKind::Nodegroup, format!("{name}/{}", g.name))));
        }
        let environments = c.compute_environments.iter().filter(|(_, e)| self.by_environment(e));
        found.extend(environments.map(|(name, _)| (ConsumerKind::ComputeEnvironment, name.to_owned())));
        let recipes = c.image_recipes.iter().filter(|(_, r)| self.means(&r.parent_image));
        found.extend(recipes.map(|(key, _)| (ConsumerKind::ImageRecipe, key.to_owned())));
        let recipes = c.container_recipes.iter();
        let recipes = recipes.filter(|(_, r)| r.instance_image.as_deref().is_some_and(|text| self.means(text)));
        found.extend(recipes.map(|(key, _)| (ConsumerKind::ContainerRecipe, key.to_owned())));
    }

    /// A type's own image goes before that of all, and that before the template's.
    fn by_environment(&self, one: &ComputeEnvironment) -> bool {
        if one.kind != "MANAGED" || matches!(one.status.as_str(), "DELETING" | "DELETED") {
            return false;
        }
        let own = |image: &Option<String>| image.as_deref() == Some(self.image);
        let all_have_own =
            !one.ec2_configuration.is_empty() && one.ec2_configuration.iter().all(|c| c.image_override.is_some());
        let by_template = || {
            let default = one.launch_template.as_ref().is_some_and(|t| self.by_template(t, true));
            let others = &one.template_overrides;
            default || others.iter().any(|o| self.by_template(&o.launch_template, true))
        };
        one.ec2_configuration.iter().any(|c| own(&c.image_override))
            || (!all_have_own && (own(&one.image) || (one.image.is_none() && by_template())))
    }
}
