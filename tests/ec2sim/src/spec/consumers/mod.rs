//! What can launch an image, in the world file and in edits: numbering, defaults, made-up IDs, names of images.

mod kinds;
mod managed;

pub(crate) use kinds::{INSTANCE_STATES, prepare_version};
pub(crate) use managed::prepare_value;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::expand::digest;
use super::{AccountSpec, RegionSpec, SpecError, WorldSpec};
use crate::clock::SimTime;
use crate::model::{
    AutoScalingGroup, Cluster, ComputeEnvironment, Consumers, ContainerRecipe, Fleet, ImageRecipe, Instance,
    LaunchConfiguration, LaunchTemplate, Parameter, Shelf, SpotFleet, SpotRequest, Storage, TemplateDevice,
    TemplateRef, World,
};

/// Something that can launch an image, as a world file has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConsumerSpec {
    /// An instance.
    Instance(Instance),
    /// A launch template.
    LaunchTemplate(LaunchTemplate),
    /// A launch configuration.
    LaunchConfiguration(LaunchConfiguration),
    /// An Auto Scaling group.
    AutoScalingGroup(AutoScalingGroup),
    /// An EC2 Fleet.
    Fleet(Fleet),
    /// A Spot Fleet request.
    SpotFleet(SpotFleet),
    /// A Spot Instance request.
    SpotRequest(SpotRequest),
    /// A parameter.
    Parameter(Parameter),
    /// An EKS cluster with its node groups.
    EksCluster(Cluster),
    /// A compute environment.
    ComputeEnvironment(ComputeEnvironment),
    /// An image recipe.
    ImageRecipe(ImageRecipe),
    /// A container recipe.
    ContainerRecipe(ContainerRecipe),
}

/// A kind of thing that can launch an image.
pub(crate) trait Kind: Clone + Serialize + DeserializeOwned {
    /// How many a definition makes.
    fn count(&mut self) -> &mut Option<u32>;

    /// Fills in what was left out, and puts IDs in the place of names; returns the key that it is kept by.
    fn prepare(&mut self, names: &Directory<'_>, path: &str, n: u32) -> Result<String, SpecError>;

    /// Where things of this kind are.
    fn shelf(consumers: &mut Consumers) -> &mut Shelf<Self>;
}

/// Where and when things are added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) seed: u64,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) now: SimTime,
    /// From when on readers see them.
    pub(crate) visible_at: SimTime,
    /// Whether they take the place of what is there.
    pub(crate) replace: bool,
}

/// Adds all that a region of a world file has.
pub(super) fn add_all(
    world: &mut World,
    spec: &WorldSpec,
    account: &AccountSpec,
    region: &RegionSpec,
    path: &str,
    start: SimTime,
) -> Result<(), SpecError> {
    let place = Place {
        seed: spec.seed,
        account: &account.id,
        region: &region.name,
        now: start,
        visible_at: start,
        replace: false,
    };
    // Templates come first: others name them.
    many(world, place, &region.launch_templates, path, "launchTemplates")?;
    many(world, place, &region.instances, path, "instances")?;
    many(
        world,
        place,
        &region.launch_configurations,
        path,
        "launchConfigurations",
    )?;
    many(world, place, &region.auto_scaling_groups, path, "autoScalingGroups")?;
    many(world, place, &region.fleets, path, "fleets")?;
    many(world, place, &region.spot_fleets, path, "spotFleets")?;
    many(world, place, &region.spot_requests, path, "spotRequests")?;
    many(world, place, &region.parameters, path, "parameters")?;
    many(world, place, &region.eks_clusters, path, "eksClusters")?;
    many(world, place, &region.compute_environments, path, "computeEnvironments")?;
    many(world, place, &region.image_recipes, path, "imageRecipes")?;
    many(world, place, &region.container_recipes, path, "containerRecipes")
}

fn many<T: Kind>(world: &mut World, place: Place<'_>, given: &[T], path: &str, field: &str) -> Result<(), SpecError> {
    for (i, one) in given.iter().enumerate() {
        add(world, place, one, &format!("{path}.{field}[{i}]"))?;
    }
    Ok(())
}

/// Adds the things of one definition to a region; returns their keys.
pub(crate) fn add<T: Kind>(
    world: &mut World,
    place: Place<'_>,
    given: &T,
    path: &str,
) -> Result<Vec<String>, SpecError> {
    let mut template = given.clone();
    let count = template.count().take().unwrap_or(1);
    let bad = |error: serde_json::Error| SpecError::Parse(error.to_string());
    let text = serde_json::to_string(&template).map_err(bad)?;
    let is_numbered = text.contains("{n}");
    let names = Directory::new(world, place);
    let mut built = BTreeMap::new();
    for n in 1..=count {
        let mut one = if is_numbered {
            serde_json::from_str(&text.replace("{n}", &n.to_string())).map_err(bad)?
        } else {
            template.clone()
        };
        let key = one.prepare(&names, path, n)?;
        if let Some(twice) = built.insert(key.clone(), one).map(|_| key) {
            return Err(SpecError::at(
                path,
                format!("`{twice}` would be there {count} times: put {{n}} into the name of a definition with a count"),
            ));
        }
    }
    let region = world.region_mut(place.account, place.region).ok_or_else(|| {
        SpecError::at(
            path,
            format!(
                "there is no region {} of account {} in this world",
                place.region, place.account
            ),
        )
    })?;
    let shelf = T::shelf(&mut region.consumers);
    let keys: Vec<String> = built.keys().cloned().collect();
    for (key, one) in built {
        if shelf.get(&key).is_some() && !place.replace {
            return Err(SpecError::at(
                path,
                format!("`{key}` is there twice in this region: rename one"),
            ));
        }
        shelf.put(&key, one, place.now, place.visible_at);
    }
    Ok(keys)
}

/// Adds something that may be of any kind.
pub(crate) fn add_any(
    world: &mut World,
    place: Place<'_>,
    given: &ConsumerSpec,
    path: &str,
) -> Result<Vec<String>, SpecError> {
    match given {
        ConsumerSpec::Instance(one) => add(world, place, one, path),
        ConsumerSpec::LaunchTemplate(one) => add(world, place, one, path),
        ConsumerSpec::LaunchConfiguration(one) => add(world, place, one, path),
        ConsumerSpec::AutoScalingGroup(one) => add(world, place, one, path),
        ConsumerSpec::Fleet(one) => add(world, place, one, path),
        ConsumerSpec::SpotFleet(one) => add(world, place, one, path),
        ConsumerSpec::SpotRequest(one) => add(world, place, one, path),
        ConsumerSpec::Parameter(one) => add(world, place, one, path),
        ConsumerSpec::EksCluster(one) => add(world, place, one, path),
        ConsumerSpec::ComputeEnvironment(one) => add(world, place, one, path),
        ConsumerSpec::ImageRecipe(one) => add(world, place, one, path),
        ConsumerSpec::ContainerRecipe(one) => add(world, place, one, path),
    }
}

/// What names in definitions stand for.
pub(crate) struct Directory<'a> {
    world: &'a World,
    place: Place<'a>,
    /// IDs of images by name; those of the account itself before those of others.
    images: BTreeMap<&'a str, &'a str>,
}

impl<'a> Directory<'a> {
    pub(crate) fn new(world: &'a World, place: Place<'a>) -> Self {
        let mut images = BTreeMap::new();
        let in_region = world.regions().filter(|(_, r)| r.name == place.region);
        for (account, region) in in_region {
            for image in region.images.values().filter(|i| i.exists()) {
                let own = account.id == place.account;
                if own || !images.contains_key(image.name.as_str()) {
                    images.insert(image.name.as_str(), image.id.as_str());
                }
            }
        }
        Self { world, place, images }
    }

    /// Digits that depend on the seed and these words alone.
    fn digits(&self, kind: &str, words: &[&str]) -> String {
        let mut all = vec![self.place.account, self.place.region, kind];
        all.extend(words);
        digest(self.place.seed, &all)
    }

    /// So many days before now: when things were made for which a definition does not say it.
    fn days_ago(&self, days: f64) -> SimTime {
        self.place.now.plus_seconds(-days * 86_400.0)
    }

    /// The ID of an image that is named or given by its ID.
    pub(crate) fn image(&self, text: &str, path: &str) -> Result<String, SpecError> {
        if text.starts_with("ami-") {
            return Ok(text.to_owned());
        }
        self.images.get(text).map(|id| (*id).to_owned()).ok_or_else(|| {
            SpecError::at(
                path,
                format!("no image `{text}` in this region: add it to images, or write an image ID"),
            )
        })
    }

    /// The same, where the text can also be the name of a parameter behind one of these words, or an ARN.
    pub(crate) fn image_or(&self, others: &[&str], text: &str, path: &str) -> Result<String, SpecError> {
        if others.iter().any(|o| text.starts_with(o)) {
            return Ok(text.to_owned());
        }
        self.image(text, path)
    }

    /// The template that is named.
    fn template(&self, reference: &mut TemplateRef, path: &str) -> Result<(), SpecError> {
        let given = [&reference.template, &reference.id, &reference.name];
        if given.into_iter().flatten().count() != 1 {
            return Err(SpecError::at(path, "write one of template, id, and name"));
        }
        let Some(name) = reference.template.take() else {
            return Ok(());
        };
        let templates = self
            .world
            .region(self.place.account, self.place.region)
            .map(|r| &r.consumers.launch_templates);
        let found = templates.and_then(|t| t.iter().find(|(_, t)| t.name == name));
        let (id, _) = found.ok_or_else(|| {
            SpecError::at(
                format!("{path}.template"),
                format!(
                    "no launch template `{name}` in this region: add it to launchTemplates, or write name or id for one that is not there"
                ),
            )
        })?;
        reference.id = Some(id.to_owned());
        reference.name = Some(name);
        Ok(())
    }

    fn devices(&self, devices: &mut [TemplateDevice], path: &str) -> Result<(), SpecError> {
        for (i, device) in devices.iter_mut().enumerate() {
            let path = format!("{path}.devices[{i}]");
            if device.device.is_empty() {
                return Err(SpecError::at(format!("{path}.device"), "name the device, as /dev/xvda"));
            }
            if let Some(of) = device.snapshot_of.take() {
                let path = format!("{path}.snapshotOf");
                let id = self.image(&of, &path)?;
                device.snapshot =
                    Some(self.snapshot(&id, &device.device).ok_or_else(|| {
                        SpecError::at(path, format!("the image `{of}` has no snapshot in this world"))
                    })?);
            }
        }
        Ok(())
    }

    /// The snapshot that an image has for a device, or else its first.
    fn snapshot(&self, image: &str, device: &str) -> Option<String> {
        let image = self.world.image(self.place.region, image)?;
        let of_device = image.mappings.iter().find(|m| m.device == device);
        let same = of_device.and_then(|m| match &m.storage {
            Storage::Ebs(ebs) => ebs.snapshot.clone(),
            Storage::Ephemeral(_) => None,
        });
        same.or_else(|| image.snapshot_ids().next().map(str::to_owned))
    }
}

/// Puts a default in the place of an empty text.
fn fill(text: &mut String, default: &str) {
    if text.is_empty() {
        default.clone_into(text);
    }
}

/// Refuses a value that is none of these.
pub(super) fn one_of(text: &str, known: &[&str], path: &str) -> Result<(), SpecError> {
    if known.contains(&text) {
        return Ok(());
    }
    Err(SpecError::at(
        path,
        format!("`{text}` is not known: write {}", known.join(", ")),
    ))
}

/// Refuses an empty name.
fn named(name: &str, path: &str) -> Result<(), SpecError> {
    if name.is_empty() {
        return Err(SpecError::at(format!("{path}.name"), "give it a name"));
    }
    Ok(())
}

/// A UUID of these digits.
fn uuid(h: &str) -> String {
    format!(
        "{}-{}-4{}-8{}-{}",
        &h[..8],
        &h[8..12],
        &h[13..16],
        &h[17..20],
        &h[20..32]
    )
}
