//! Instances, templates, groups, fleets and Spot requests of the world file.

use super::super::SpecError;
use super::super::expand::is_resource_id;
use super::{Directory, Kind, fill, named, one_of, uuid};
use crate::model::{
    AutoScalingGroup, Consumers, Fleet, FleetConfig, Instance, LaunchConfiguration, LaunchTemplate, Shelf, SpotFleet,
    SpotRequest, TemplateVersion,
};

/// States of instances, with their codes.
pub(crate) const INSTANCE_STATES: [(&str, u32); 6] = [
    ("pending", 0),
    ("running", 16),
    ("shutting-down", 32),
    ("terminated", 48),
    ("stopping", 64),
    ("stopped", 80),
];

const FLEET_STATES: [&str; 7] = [
    "submitted",
    "active",
    "deleted",
    "failed",
    "deleted_running",
    "deleted_terminating",
    "modifying",
];

const SPOT_FLEET_STATES: [&str; 7] = [
    "submitted",
    "active",
    "cancelled",
    "failed",
    "cancelled_running",
    "cancelled_terminating",
    "modifying",
];

impl Kind for Instance {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, n: u32) -> Result<String, SpecError> {
        if self.id.is_empty() {
            self.id = format!("i-{}", &names.digits("instance", &[path, &n.to_string()])[..17]);
        }
        if !is_resource_id("i", &self.id) {
            return Err(SpecError::at(
                format!("{path}.id"),
                format!("`{}` is not an instance ID: write i- and 8 or 17 hex digits", self.id),
            ));
        }
        fill(&mut self.state, "running");
        fill(&mut self.instance_type, "t3.micro");
        let states = INSTANCE_STATES.map(|(name, _)| name);
        one_of(&self.state, &states, &format!("{path}.state"))?;
        self.image = names.image(&self.image, &format!("{path}.image"))?;
        self.launch_time = self.launch_time.or_else(|| Some(names.days_ago(20.0)));
        if self.state == "terminated" {
            self.terminated_at = self.terminated_at.or(Some(names.place.now));
        }
        Ok(self.id.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.instances
    }
}

impl Kind for LaunchTemplate {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        if !(3..=128).contains(&self.name.chars().count()) {
            return Err(SpecError::at(
                format!("{path}.name"),
                format!("`{}` must have 3 to 128 characters", self.name),
            ));
        }
        if self.id.is_empty() {
            self.id = format!("lt-{}", &names.digits("launch template", &[&self.name])[..17]);
        }
        if !is_resource_id("lt", &self.id) {
            return Err(SpecError::at(
                format!("{path}.id"),
                format!("`{}` is not a template ID: write lt- and 8 or 17 hex digits", self.id),
            ));
        }
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        let mut last = 0;
        for (i, version) in self.versions.iter_mut().enumerate() {
            let path = format!("{path}.versions[{i}]");
            prepare_version(version, names, &path, last)?;
            last = version.number;
        }
        let default = self.default_number();
        if self.versions.iter().all(|v| v.number != default) {
            let field = if self.versions.is_empty() {
                "versions"
            } else {
                "defaultVersion"
            };
            return Err(SpecError::at(
                format!("{path}.{field}"),
                "the default version must be one of the versions, of which there is one at least",
            ));
        }
        self.default_version = Some(default);
        Ok(self.id.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.launch_templates
    }
}

/// Fills in what a version of a launch template leaves out.
pub(crate) fn prepare_version(
    version: &mut TemplateVersion,
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
    if let Some(image) = &mut version.image {
        *image = names.image_or(&["resolve:ssm:"], image, &format!("{path}.image"))?;
    }
    version.created = version.created.or_else(|| Some(names.days_ago(100.0)));
    names.devices(&mut version.devices, path)
}

impl Kind for LaunchConfiguration {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        named(&self.name, path)?;
        fill(&mut self.instance_type, "t3.micro");
        self.image = names.image(&self.image, &format!("{path}.image"))?;
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        names.devices(&mut self.devices, path)?;
        Ok(self.name.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.launch_configurations
    }
}

impl Kind for AutoScalingGroup {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, _: u32) -> Result<String, SpecError> {
        named(&self.name, path)?;
        let ways = [
            self.launch_template.is_some(),
            self.launch_configuration.is_some(),
            self.mixed_instances.is_some(),
        ];
        if ways.into_iter().filter(|w| *w).count() != 1 {
            return Err(SpecError::at(
                path,
                "write one of launchTemplate, launchConfiguration, and mixedInstances",
            ));
        }
        if let Some(reference) = &mut self.launch_template {
            names.template(reference, &format!("{path}.launchTemplate"))?;
        }
        if let Some(mixed) = &mut self.mixed_instances {
            let path = format!("{path}.mixedInstances");
            names.template(&mut mixed.launch_template, &format!("{path}.launchTemplate"))?;
            for (i, one) in mixed.overrides.iter_mut().enumerate() {
                let path = format!("{path}.overrides[{i}]");
                if let Some(reference) = &mut one.launch_template {
                    names.template(reference, &format!("{path}.launchTemplate"))?;
                }
                if let Some(image) = &mut one.image {
                    *image = names.image(image, &format!("{path}.image"))?;
                }
            }
        }
        for (i, instance) in self.instances.iter_mut().enumerate() {
            let path = format!("{path}.instances[{i}]");
            if instance.id.is_empty() {
                return Err(SpecError::at(format!("{path}.id"), "write the instance's ID"));
            }
            if let Some(reference) = &mut instance.launch_template {
                names.template(reference, &format!("{path}.launchTemplate"))?;
            }
            if let Some(image) = &mut instance.image {
                *image = names.image(image, &format!("{path}.image"))?;
            }
        }
        let desired = self.desired.unwrap_or(1);
        self.desired = Some(desired);
        self.min = self.min.or(Some(0));
        self.max = self.max.or(Some(desired.max(1)));
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        Ok(self.name.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.auto_scaling_groups
    }
}

fn prepare_configs(
    configs: &mut [FleetConfig],
    names: &Directory<'_>,
    path: &str,
    with_images: bool,
) -> Result<(), SpecError> {
    for (i, config) in configs.iter_mut().enumerate() {
        let path = format!("{path}.templates[{i}]");
        names.template(&mut config.launch_template, &format!("{path}.launchTemplate"))?;
        for (i, one) in config.overrides.iter_mut().enumerate() {
            let path = format!("{path}.overrides[{i}]");
            names.devices(&mut one.devices, &path)?;
            let Some(image) = &mut one.image else {
                continue;
            };
            let path = format!("{path}.image");
            if !with_images {
                return Err(SpecError::at(
                    path,
                    "overrides of Spot Fleets have no image: leave it out",
                ));
            }
            *image = names.image(image, &path)?;
        }
    }
    Ok(())
}

impl Kind for Fleet {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, n: u32) -> Result<String, SpecError> {
        if self.id.is_empty() {
            self.id = format!("fleet-{}", uuid(&names.digits("fleet", &[path, &n.to_string()])));
        }
        fill(&mut self.kind, "maintain");
        one_of(&self.kind, &["maintain", "request", "instant"], &format!("{path}.kind"))?;
        fill(&mut self.state, "active");
        one_of(&self.state, &FLEET_STATES, &format!("{path}.state"))?;
        if self.templates.is_empty() {
            return Err(SpecError::at(
                format!("{path}.templates"),
                "a fleet launches by templates: write one",
            ));
        }
        prepare_configs(&mut self.templates, names, path, true)?;
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        Ok(self.id.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.fleets
    }
}

impl Kind for SpotFleet {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, n: u32) -> Result<String, SpecError> {
        if self.id.is_empty() {
            self.id = format!("sfr-{}", uuid(&names.digits("Spot Fleet", &[path, &n.to_string()])));
        }
        fill(&mut self.kind, "maintain");
        one_of(&self.kind, &["maintain", "request"], &format!("{path}.kind"))?;
        fill(&mut self.state, "active");
        one_of(&self.state, &SPOT_FLEET_STATES, &format!("{path}.state"))?;
        if self.templates.is_empty() == self.specifications.is_empty() {
            return Err(SpecError::at(path, "write one of specifications and templates"));
        }
        prepare_configs(&mut self.templates, names, path, false)?;
        for (i, one) in self.specifications.iter_mut().enumerate() {
            let path = format!("{path}.specifications[{i}]");
            one.image = names.image(&one.image, &format!("{path}.image"))?;
            names.devices(&mut one.devices, &path)?;
        }
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        Ok(self.id.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.spot_fleets
    }
}

impl Kind for SpotRequest {
    fn count(&mut self) -> &mut Option<u32> {
        &mut self.count
    }

    fn prepare(&mut self, names: &Directory<'_>, path: &str, n: u32) -> Result<String, SpecError> {
        if self.id.is_empty() {
            self.id = format!("sir-{}", &names.digits("Spot request", &[path, &n.to_string()])[..8]);
        }
        fill(&mut self.kind, "one-time");
        one_of(&self.kind, &["one-time", "persistent"], &format!("{path}.kind"))?;
        fill(&mut self.state, "active");
        let states = ["open", "active", "closed", "cancelled", "failed", "disabled"];
        one_of(&self.state, &states, &format!("{path}.state"))?;
        self.image = names.image(&self.image, &format!("{path}.image"))?;
        self.created = self.created.or_else(|| Some(names.days_ago(100.0)));
        names.devices(&mut self.devices, path)?;
        Ok(self.id.clone())
    }

    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self> {
        &mut consumers.spot_requests
    }
}
