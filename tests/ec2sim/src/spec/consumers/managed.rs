//! Parameters, node groups, compute environments and recipes of the world file.

use std::collections::BTreeSet;

use super::super::SpecError;
use super::{Directory, Kind, fill, named, one_of};
use crate::model::{
    Cluster, ComputeEnvironment, Consumers, ContainerRecipe, ImageRecipe, Parameter, ParameterVersion, Shelf,
};

impl Kind for Parameter {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        named(&self.name, path)?;
        if self.name.contains('/') && !self.name.starts_with('/') {
            return Err(SpecError::at(
                format!("{path}.name"),
                format!("`{}` has parts: begin it with a slash", self.name),
            ));
        }
        fill(&mut self.kind, "String");
        let kinds = ["String", "StringList", "SecureString"];
        one_of(&self.kind, &kinds, &format!("{path}.kind"))?;
        fill(&mut self.data_type, "text");
        one_of(&self.data_type, &["text", "aws:ec2:image"], &format!("{path}.dataType"))?;
        fill(&mut self.tier, "Standard");
        one_of(&self.tier, &["Standard", "Advanced"], &format!("{path}.tier"))?;
        if self.data_type != "text" && self.kind != "String" {
            return Err(SpecError::at(
                format!("{path}.kind"),
                "parameters of type aws:ec2:image are Strings: leave it out",
            ));
        }
        if !self.shared_with.is_empty() && self.tier != "Advanced" {
            return Err(SpecError::at(
                format!("{path}.sharedWith"),
                "only parameters of the tier Advanced can be shared: write tier: Advanced",
            ));
        }
        if self.kind == "SecureString" {
            self.key = self.key.take().or_else(|| Some("alias/aws/ssm".to_owned()));
        }
        let (value, image) = (self.value.take(), self.image.take());
        if [value.is_some(), image.is_some(), !self.versions.is_empty()]
            .into_iter()
            .filter(|w| *w)
            .count()
            != 1
        {
            return Err(SpecError::at(path, "write one of value, image, and versions"));
        }
        if self.versions.is_empty() {
            self.versions.push(ParameterVersion {
                value: value.unwrap_or_default(),
                image,
                ..ParameterVersion::default()
            });
        }
        let (mut last, mut labels) = (0, BTreeSet::new());
        for (i, version) in self.versions.iter_mut().enumerate() {
            let path = format!("{path}.versions[{i}]");
            prepare_value(version, names, &path, last)?;
            last = version.number;
            if let Some(twice) = version.labels.iter().find(|l| !labels.insert((*l).clone())) {
                return Err(SpecError::at(
                    format!("{path}.labels"),
                    format!("`{twice}` is at another version: a label is at one only"),
                ));
            }
        }
        Ok(self.name.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.parameters
    }
}

/// Fills in what a version of a parameter leaves out.
pub(crate) fn prepare_value(
    version: &mut ParameterVersion,
    names: &Directory<'_>,
    path: &str,
    last: u64,
) -> Result<(), SpecError> {
    if version.number == 0 {
        version.number = last + 1;
    }
    if version.number <= last {
        return Err(SpecError::at(
            format!("{path}.number"),
            format!(
                "{} does not follow {last}: order the versions from the oldest",
                version.number
            ),
        ));
    }
    if let Some(image) = version.image.take() {
        version.value = names.image(&image, &format!("{path}.image"))?;
    }
    version.modified = version.modified.or_else(|| Some(names.days_ago(50.0)));
    Ok(())
}

impl Kind for Cluster {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        named(&self.name, path)?;
        let mut seen = BTreeSet::new();
        for (i, group) in self.nodegroups.iter_mut().enumerate() {
            let path = format!("{path}.nodegroups[{i}]");
            named(&group.name, &path)?;
            if !seen.insert(group.name.clone()) {
                return Err(SpecError::at(
                    format!("{path}.name"),
                    format!("`{}` is there twice in this cluster: rename one", group.name),
                ));
            }
            fill(&mut group.ami_type, "AL2023_x86_64_STANDARD");
            fill(&mut group.status, "ACTIVE");
            if let Some(reference) = &mut group.launch_template {
                names.template(reference, &format!("{path}.launchTemplate"))?;
            }
            group.created = group.created.or_else(|| Some(names.days_ago(100.0)));
        }
        Ok(self.name.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.eks_clusters
    }
}

impl Kind for ComputeEnvironment {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        named(&self.name, path)?;
        fill(&mut self.kind, "MANAGED");
        one_of(&self.kind, &["MANAGED", "UNMANAGED"], &format!("{path}.kind"))?;
        fill(&mut self.state, "ENABLED");
        one_of(&self.state, &["ENABLED", "DISABLED"], &format!("{path}.state"))?;
        fill(&mut self.status, "VALID");
        fill(&mut self.resource_type, "EC2");
        if let Some(image) = &mut self.image {
            *image = names.image(image, &format!("{path}.image"))?;
        }
        for (i, one) in self.ec2_configuration.iter_mut().enumerate() {
            let path = format!("{path}.ec2Configuration[{i}]");
            fill(&mut one.image_type, "ECS_AL2023");
            if let Some(image) = &mut one.image_override {
                *image = names.image(image, &format!("{path}.imageOverride"))?;
            }
        }
        if let Some(reference) = &mut self.launch_template {
            names.template(reference, &format!("{path}.launchTemplate"))?;
        }
        for (i, one) in self.template_overrides.iter_mut().enumerate() {
            let path = format!("{path}.templateOverrides[{i}].launchTemplate");
            names.template(&mut one.launch_template, &path)?;
        }
        Ok(self.name.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.compute_environments
    }
}

/// What a recipe is kept by, and how its ARN ends.
fn recipe_key(name: &str, version: &mut String, path: &str) -> Result<String, SpecError> {
    named(name, path)?;
    fill(version, "1.0.0");
    let numbers: Vec<&str> = version.split('.').collect();
    if numbers.len() != 3 || numbers.iter().any(|n| n.parse::<u32>().is_err()) {
        return Err(SpecError::at(
            format!("{path}.version"),
            format!("`{version}` is not a version: write 1.0.0"),
        ));
    }
    Ok(format!("{}/{version}", name.to_lowercase().replace(' ', "-")))
}

impl Kind for ImageRecipe {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        let key = recipe_key(&self.name, &mut self.version, path)?;
        fill(&mut self.platform, "Linux");
        self.parent_image = names.image_or(&["ssm:", "arn:"], &self.parent_image, &format!("{path}.parentImage"))?;
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        names.devices(&mut self.devices, path)?;
        Ok(key)
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.image_recipes
    }
}

impl Kind for ContainerRecipe {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        let key = recipe_key(&self.name, &mut self.version, path)?;
        fill(&mut self.platform, "Linux");
        fill(&mut self.parent_image, "amazonlinux:latest");
        if let Some(image) = &mut self.instance_image {
            *image = names.image_or(&["ssm:"], image, &format!("{path}.instanceImage"))?;
        }
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        Ok(key)
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.container_recipes
    }
}
