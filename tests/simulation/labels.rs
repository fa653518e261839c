//! Where parameters have labels by which something launches: which histories those are, what their worlds have besides, and what people do
//! with labels.

use ec2sim::model::{AutoScalingGroup, LaunchTemplate, Parameter};
use ec2sim::spec::RegionSpec;
use ec2sim::{ConsumerChange, WorldSpec};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::groups::{by, read, template};
use super::judge::Thing;
use super::stage::Stage;
use super::undisturbed::MOVES;
use super::world::PLACES;
use super::{movers, moving, regressions};

/// Of the histories in which consumers are moved, so many have such parameters.
const LABELLED: f64 = 0.25;
/// How their names begin.
const NAMES: &str = "/labelled/";

/// Whether parameters have labels in this seed's history.
pub(crate) fn are_there(seed: u64) -> bool {
    let may = moving::is_newer(seed) && seed != MOVES && !regressions::is_kept_since(seed);
    may && ChaCha8Rng::seed_from_u64(seed ^ 0x1abe).random_bool(LABELLED)
}

/// What a parameter has besides its name, by an image and another one of its account and region. Each has a label `live`.
type Kind = fn(&str, &str) -> Value;

const KINDS: [Kind; 7] = [
    // Somebody has pinned an older version that names the same.
    |image, _| json!({"versions": [{"image": image, "labels": ["pinned"]}, {"image": image, "labels": ["live"]}]}),
    |image, _| json!({"versions": [{"image": image, "labels": ["live", "canary"]}]}),
    |image, other| json!({"versions": [{"image": other, "labels": ["was"]}, {"image": image, "labels": ["live"]}]}),
    // Only an older version names it.
    |image, other| json!({"versions": [{"image": image, "labels": ["live"]}, {"image": other}]}),
    // As many labels as a version may have.
    |image, _| {
        let more = (2..=10).map(|number| format!("label-{number}"));
        let labels: Vec<String> = ["live".to_owned()].into_iter().chain(more).collect();
        json!({"versions": [{"image": image, "labels": labels}]})
    },
    |image, _| {
        let versions = json!([{"image": image, "labels": ["live"]}]);
        json!({"versions": versions, "tags": {"amiseal.dev/hold": "until Monday"}})
    },
    |image, _| {
        let versions = json!([{"image": image, "labels": ["live"]}]);
        json!({"versions": versions, "tags": {"terraform": "shop"}})
    },
];
/// So many of these are moved where nobody minds, and each place has one of them.
const SURE: usize = 3;

/// Adds parameters that hold images which are to be `copied`, among those of these `names`, by the number of their place.
pub(crate) fn join(seed: u64, names: &[Vec<String>], copied: &[Vec<String>], world: &mut WorldSpec) {
    if !are_there(seed) {
        return;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x1abf);
    for (((account, region), names), copied) in PLACES.iter().zip(names).zip(copied) {
        let accounts = world.accounts.iter_mut().filter(|one| one.id == *account);
        let mut regions = accounts.flat_map(|account| &mut account.regions);
        let Some(place) = regions.find(|one| one.name == *region) else {
            continue;
        };
        for (number, image) in copied.iter().enumerate() {
            let kind = match number {
                0 => rng.random_range(0..SURE),
                _ if rng.random_bool(0.4) => rng.random_range(0..KINDS.len()),
                _ => continue,
            };
            let other = names.iter().find(|other| *other != image).unwrap_or(image);
            add(place, KINDS[kind], image, other);
        }
    }
}

/// Adds a parameter of this kind, and a group that launches by its label.
fn add(place: &mut RegionSpec, kind: Kind, image: &str, other: &str) {
    let parameter = format!("{NAMES}{image}");
    let mut labelled = kind(image, other);
    labelled["name"] = json!(parameter);
    labelled["dataType"] = json!("aws:ec2:image");
    place.parameters.push(read::<Parameter>(labelled));
    let name = format!("by-label-{image}");
    let versions = json!([{"image": format!("resolve:ssm:{parameter}:live")}]);
    place
        .launch_templates
        .push(read::<LaunchTemplate>(template(&name, &versions)));
    place
        .auto_scaling_groups
        .push(read::<AutoScalingGroup>(by(&name, "$Default")));
}

/// Somebody moves a label, one of all by this number: at every other moment to where it was at first, else to the oldest version or to the
/// latest.
pub(super) fn act(stage: &Stage, number: u64) {
    let labels: Vec<(Thing, String, Parameter)> = stage.sim.with_world(|world| {
        let places = PLACES
            .iter()
            .filter_map(|(account, region)| Some((*account, *region, world.region(account, region)?)));
        let mut labels = Vec::new();
        for (account, region, place) in places {
            for (name, parameter) in place.consumers.parameters.iter() {
                let thing = (account.to_owned(), region.to_owned(), name.to_owned());
                let all = parameter.versions.iter().flat_map(|version| &version.labels);
                labels.extend(all.map(|label| (thing.clone(), label.clone(), parameter.clone())));
            }
        }
        labels
    });
    let turn = usize::try_from(number).unwrap_or(0);
    let Some((thing, label, parameter)) = turn.checked_rem(labels.len()).and_then(|at| labels.get(at)) else {
        return;
    };
    let to = if number.is_multiple_of(2) {
        let before = movers::parameter_before(stage, thing);
        let first = before.as_ref().and_then(|before| before.version(Some(label)));
        let first = first.map(|version| version.number);
        parameter.versions.iter().find(|version| Some(version.number) == first)
    } else if number % 3 == 1 {
        parameter.latest()
    } else {
        parameter.versions.iter().min_by_key(|version| version.number)
    };
    let is_there = |number: u64| {
        parameter
            .version(Some(label))
            .is_some_and(|version| version.number == number)
    };
    let Some(to) = to.filter(|to| !is_there(to.number)) else {
        return;
    };
    let now = stage.clock.age();
    stage.note(|notes| {
        let (last, times) = notes.labels.entry((thing.clone(), label.clone())).or_default();
        *last = now;
        *times += 1;
    });
    movers::note_launch(stage, Some(&to.value));
    let moved = ConsumerChange::Label {
        parameter: thing.2.clone(),
        version: to.number,
        label: label.clone(),
    };
    movers::change(stage, thing, moved);
}
