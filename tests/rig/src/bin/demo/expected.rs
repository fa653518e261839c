//! Whether amiseal gives the reasons that `demo/reasons.yaml` expects, no fewer and no more.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use ec2sim::model::World;
use rig::{Object, Objects};
use serde::Deserialize;

/// Accounts, in these regions, in these what is expected.
type Expected = BTreeMap<String, BTreeMap<String, Place>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    target: Option<String>,
    #[serde(default)]
    images: BTreeMap<String, String>,
}

/// Of what, by account, region and the image's name (none for the target itself), which reason.
type Reasons = BTreeMap<(String, String, Option<String>), String>;

/// How the reasons compare with those that the file expects.
pub(crate) struct Comparison {
    /// Targets that should give a reason.
    pub(crate) targets: usize,
    /// Images that should give a reason.
    pub(crate) images: usize,
    /// What is otherwise than it should be, in words.
    pub(crate) differences: Vec<String>,
}

/// Compares what the objects say with the text of `demo/reasons.yaml`.
pub(crate) fn compare(text: &str, objects: &Objects, world: &World) -> Result<Comparison> {
    let expected = expected(text)?;
    let given = given(objects, world);
    let targets = expected.keys().filter(|(.., image)| image.is_none()).count();
    let places = expected
        .keys()
        .chain(given.keys().filter(|place| !expected.contains_key(*place)));
    let differences = places.filter_map(|place| {
        let (should, does) = (expected.get(place), given.get(place));
        let or_none = |reason: Option<&String>| reason.map_or_else(|| "nothing".to_owned(), Clone::clone);
        let (account, region, image) = place;
        let image = image.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        (should != does).then(|| {
            format!(
                "{account} {region}{image} says {} and should say {}",
                or_none(does),
                or_none(should)
            )
        })
    });
    Ok(Comparison {
        targets,
        images: expected.len() - targets,
        differences: differences.collect(),
    })
}

fn expected(text: &str) -> Result<Reasons> {
    let accounts: Expected = serde_saphyr::from_str(text).context("demo/reasons.yaml is not as it should be")?;
    let mut reasons = Reasons::new();
    for (account, regions) in accounts {
        for (region, place) in regions {
            let images = place.images.into_iter().map(|(name, reason)| (Some(name), reason));
            let all = images.chain(place.target.map(|reason| (None, reason)));
            reasons.extend(all.map(|(image, reason)| ((account.clone(), region.clone(), image), reason)));
        }
    }
    Ok(reasons)
}

fn given(objects: &Objects, world: &World) -> Reasons {
    let place = |object: &Object, image| {
        let text = |path| object.text(path).to_owned();
        (text("/spec/accountID"), text("/spec/region"), image)
    };
    let stalled = |object: &&Object| object.says("Stalled", "True");
    let targets = objects.targets.iter().filter(stalled);
    let targets = targets.map(|target| (place(target, None), target.reason("Stalled").to_owned()));
    let migrations = objects.migrations.iter().filter(stalled);
    let migrations = migrations.map(|migration| {
        let id = migration.text("/spec/sourceImageID");
        let image = world.image(migration.text("/spec/region"), id);
        let name = image.map_or_else(|| id.to_owned(), |image| image.name.clone());
        (place(migration, Some(name)), migration.reason("Stalled").to_owned())
    });
    targets.chain(migrations).collect()
}

#[cfg(test)]
mod tests {
    use ec2sim::Sim;
    use serde_json::json;

    use super::*;

    const WORLD: &str = "accounts: [{id: \"111111111111\", regions: [{name: eu-west-1, images: [{id: ami-00000001, \
                         name: open}]}]}]";

    fn compared(text: &str) -> Vec<String> {
        let object = |kind: &str, spec, reason: &str| {
            json!({"kind": kind, "metadata": {"name": "a"}, "spec": spec, "status": {"conditions": [
                {"type": "Stalled", "status": "True", "reason": reason}]}})
        };
        let place = json!({"accountID": "111111111111", "region": "eu-west-1"});
        let mut image = place.clone();
        image["sourceImageID"] = json!("ami-00000001");
        let items = [
            object("AMIEncryptionTarget", place, "KeyDisabled"),
            object("AMIMigration", image, "PublicImage"),
        ];
        let objects = Objects::of_list(&json!({ "items": items }));
        let world = Sim::from_yaml(WORLD).expect("a world").world();
        compare(text, &objects, &world).expect("reasons").differences
    }

    #[test]
    fn reasons_that_are_as_expected_do_not_differ() {
        let text = "\"111111111111\": {eu-west-1: {target: KeyDisabled, images: {open: PublicImage}}}";
        assert_eq!(compared(text), Vec::<String>::new());
    }

    #[test]
    fn reasons_that_are_missing_other_or_too_many_are_told() {
        let text = "\"111111111111\": {eu-west-1: {target: KeyNotFound}, us-east-1: {target: KeyDisabled}}";
        assert_eq!(
            compared(text),
            [
                "111111111111 eu-west-1 says KeyDisabled and should say KeyNotFound",
                "111111111111 us-east-1 says nothing and should say KeyDisabled",
                "111111111111 eu-west-1 open says PublicImage and should say nothing",
            ]
        );
    }
}
