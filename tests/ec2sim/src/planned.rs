//! The launches that a group makes by what it is told to launch by.

use crate::clock::SimTime;
use crate::launches::{Source, Teller, configuration, works};
use crate::launching::Who;
use crate::model::{LaunchBy, TemplateDevice, TemplateRef, World};

/// A launch that a group is to make.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    /// The template, by its ID, name and number.
    pub(crate) template: Option<TemplateRef>,
    /// The launch configuration.
    pub(crate) configuration: Option<String>,
    /// The image, or why there is none.
    pub(crate) image: Result<String, String>,
    pub(crate) instance_type: Option<String>,
    pub(crate) devices: Vec<TemplateDevice>,
}

/// The launches that a group would make by this: of a mixed instances policy one for each override.
pub(crate) fn planned(world: &World, (account, region): (&str, &str), by: &LaunchBy) -> Vec<Planned> {
    let Some(region) = world.region(account, region) else {
        return Vec::new();
    };
    let teller = Teller::new(world, account, region, SimTime::default());
    let plan = |reference: Option<&TemplateRef>, source: &Source<'_>| Planned {
        template: reference.map(|r| teller.numbered(r)),
        configuration: None,
        image: source.image.clone().and_then(|text| teller.resolve(text)),
        instance_type: source.instance_type.map(str::to_owned),
        devices: source.devices.to_vec(),
    };
    if let Some(name) = &by.launch_configuration {
        return vec![Planned {
            configuration: Some(name.clone()),
            ..plan(None, &configuration(&region.consumers, name))
        }];
    }
    if let Some(reference) = &by.launch_template {
        return vec![plan(Some(reference), &teller.version(reference))];
    }
    let Some(mixed) = &by.mixed_instances else {
        return Vec::new();
    };
    if mixed.overrides.is_empty() {
        return vec![plan(
            Some(&mixed.launch_template),
            &teller.version(&mixed.launch_template),
        )];
    }
    let overridden = mixed.overrides.iter().map(|one| {
        let reference = one.launch_template.as_ref().unwrap_or(&mixed.launch_template);
        plan(Some(reference), &teller.overridden(one, reference))
    });
    overridden.collect()
}

/// Whether a launch works.
pub(crate) fn check(
    world: &World,
    (account, region): (&str, &str),
    plan: &Planned,
    who: &Who,
    now: SimTime,
) -> Result<(), String> {
    let id = plan.image.as_ref().map_err(Clone::clone)?;
    works(
        (world, account, region),
        id,
        (plan.instance_type.as_deref(), &plan.devices),
        who,
        now,
    )
}
