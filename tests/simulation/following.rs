//! Where another account launches an image of the first one's, and the policies have that moved: which histories those are, what their
//! worlds have besides, and what people do in time where the settings of that account hide the copy.

use std::time::Duration;

use ec2sim::model::{Guardrails, ImageCriterion};
use ec2sim::spec::{ImageSpec, RegionSpec};
use ec2sim::{Edit, WorldSpec};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::groups::read;
use super::stage::Stage;
use super::undisturbed::MOVES;
use super::world::{COPIED, ONE, TWO};
use super::{moving, people, regressions};

/// Of the histories in which consumers are moved, so many have another account launch an image.
const FOLLOWING: f64 = 0.4;
/// In so many of these the Allowed AMIs of that account hide the copy, and in so many of those only until people have seen to it.
const HIDDEN: f64 = 0.25;
const LIFTED: f64 = 0.5;
const LIFTS_AFTER: Duration = Duration::from_secs(55 * 60);
/// Where the image is, and what launches it.
const REGION: &str = "eu-west-1";

/// Which images of others an account may launch by its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    All,
    /// The original alone.
    Original,
    /// The same, until people let all be launched.
    OriginalAtFirst,
}

/// How another account launches an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followers {
    /// Whether a parameter holds it besides a launch template.
    parameter: bool,
    /// By which version of the template a group launches it, if there is one.
    group: Option<&'static str>,
    allowed: Allowed,
}

impl Followers {
    /// Those of this seed's history, if it has any. What histories that are kept play stays what it was.
    fn of(seed: u64) -> Option<Self> {
        let may = moving::is_newer(seed) && !regressions::is_known(seed) && seed != MOVES;
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xf011);
        if !may || !rng.random_bool(FOLLOWING) {
            return None;
        }
        let groups = [None, Some("$Default"), Some("$Latest"), Some("1")];
        let (parameter, group) = (rng.random_bool(0.5), groups[rng.random_range(0..groups.len())]);
        let is_hidden = rng.random_bool(HIDDEN);
        let is_lifted = rng.random_bool(LIFTED);
        let allowed = match (is_hidden, is_lifted) {
            (false, _) => Allowed::All,
            (true, false) => Allowed::Original,
            (true, true) => Allowed::OriginalAtFirst,
        };
        Some(Self {
            parameter,
            group,
            allowed,
        })
    }

    /// Whether people are still to let the copy be launched.
    pub(crate) fn are_hindered(self, stage: &Stage) -> bool {
        self.allowed == Allowed::OriginalAtFirst && !stage.notes().lifted
    }
}

/// Has the second account launch an image of the first one's, of those that are to be `copied`, by the number of their place. None where
/// this seed's history has none of that.
pub(crate) fn join(seed: u64, copied: &[Vec<String>], world: &mut WorldSpec) -> Option<Followers> {
    let followers = Followers::of(seed)?;
    let image = share(seed, copied.first()?, region_of(world, ONE)?)?;
    let name = format!("theirs-{image}");
    let theirs = region_of(world, TWO)?;
    let versions = json!([{"image": image, "instanceType": "t3.micro"}]);
    theirs
        .launch_templates
        .push(read(json!({"name": name, "versions": versions})));
    if followers.parameter {
        let parameter = json!({"name": format!("/theirs/{image}"), "dataType": "aws:ec2:image", "image": image});
        theirs.parameters.push(read(parameter));
    }
    if let Some(version) = followers.group {
        let group = json!({"name": name, "launchTemplate": {"template": name, "version": version}});
        theirs.auto_scaling_groups.push(read(group));
    }
    if followers.allowed != Allowed::All {
        let criterion = ImageCriterion {
            names: vec![image],
            ..ImageCriterion::default()
        };
        theirs.guardrails = Guardrails {
            allowed_images: Some("enabled".to_owned()),
            allowed_image_criteria: vec![criterion],
            ..Guardrails::default()
        };
    }
    Some(followers)
}

/// Shares one of these images with the second account, unless one is already, and lets that account use the key of its copy. Says which.
fn share(seed: u64, copied: &[String], ours: &mut RegionSpec) -> Option<String> {
    // What is published on a copy of somebody's counts as a change of what is theirs.
    let meant = ours.images.iter().filter(|image| image.id.as_deref() != Some(COPIED));
    let meant: Vec<&ImageSpec> = meant.filter(|image| copied.contains(&image.name)).collect();
    let shared = meant.iter().copied().find(|image| is_theirs(image));
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xf012);
    let name = shared.or_else(|| meant.choose(&mut rng).copied())?.name.clone();
    let image = ours.images.iter_mut().find(|image| image.name == name)?;
    if !is_theirs(image) {
        image.launch_permissions.users.push(TWO.to_owned());
    }
    let is_policys = |aliases: &[String]| aliases.iter().any(|alias| alias == "alias/ami");
    for key in ours.keys.iter_mut().filter(|key| is_policys(&key.alias)) {
        key.allowed_principals = Some(vec![ONE.to_owned(), TWO.to_owned()]);
    }
    Some(name)
}

/// Whether the second account may launch an image.
fn is_theirs(image: &ImageSpec) -> bool {
    image.launch_permissions.users.iter().any(|user| user == TWO)
}

fn region_of<'w>(world: &'w mut WorldSpec, account: &str) -> Option<&'w mut RegionSpec> {
    let account = world.accounts.iter_mut().find(|one| one.id == account)?;
    account.regions.iter_mut().find(|region| region.name == REGION)
}

/// What people do in time where Allowed AMIs hide the copy.
pub(crate) fn help(stage: &Stage, followers: Followers) {
    if stage.clock.age() < LIFTS_AFTER {
        return;
    }
    // Its roles may use the key, which the key itself leaves open.
    people::approve_use(stage);
    if !followers.are_hindered(stage) {
        return;
    }
    stage.note(|notes| notes.lifted = true);
    stage.edit(Edit::SetGuardrails {
        account: TWO.to_owned(),
        region: REGION.to_owned(),
        guardrails: Box::default(),
    });
}
