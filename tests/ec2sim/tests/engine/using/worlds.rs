//! World files: what of these things is refused, and in which words.

use ec2sim::{Sim, WorldSpec};

use super::super::support::yaml;
use super::staffed;

fn refusal(line: &str) -> String {
    let text = yaml("", &format!("    {line}\n"), "");
    match WorldSpec::parse(&text).and_then(|spec| Sim::stepped(&spec)) {
        Ok(_) => "accepted".to_owned(),
        Err(e) => e.to_string(),
    }
}

#[test]
fn what_can_not_be_is_refused_with_the_place_and_the_mend() {
    for (line, place, mend) in [
        (
            "instances: [{image: nothing}]",
            "regions[0].instances[0].image",
            "add it to images",
        ),
        ("instances: [{image: web, id: x}]", "instances[0].id", "hex"),
        (
            "instances: [{image: web, state: gone}]",
            "instances[0].state",
            "running",
        ),
        ("instances: [{image: web, colour: red}]", "colour", "unknown"),
        (
            "launchTemplates: [{name: abc}]",
            "launchTemplates[0].versions",
            "one at least",
        ),
        (
            "launchTemplates: [{name: abc, defaultVersion: 2, versions: [{image: web}]}]",
            "launchTemplates[0].defaultVersion",
            "one of the versions",
        ),
        (
            "launchTemplates: [{name: abc, versions: [{number: 2}, {number: 1}]}]",
            "versions[1].number",
            "oldest",
        ),
        (
            "launchTemplates: [{name: abc, count: 2, versions: [{image: web}]}]",
            "launchTemplates[0]",
            "{n}",
        ),
        (
            "launchTemplates: [{name: abc, versions: [{image: web, devices: [{device: /dev/xvda, snapshotOf: x}]}]}]",
            "devices[0].snapshotOf",
            "add it to images",
        ),
        (
            "autoScalingGroups: [{name: a}]",
            "autoScalingGroups[0]",
            "launchConfiguration",
        ),
        (
            "autoScalingGroups: [{name: a, launchTemplate: {template: x}}]",
            "launchTemplate.template",
            "launchTemplates",
        ),
        (
            "autoScalingGroups: [{name: a, launchTemplate: {}}]",
            "launchTemplate",
            "template, id",
        ),
        ("fleets: [{kind: eternal, templates: []}]", "fleets[0].kind", "maintain"),
        (
            "spotFleets: [{templates: [{launchTemplate: {id: lt-0000000a}, overrides: [{image: web}]}]}]",
            "overrides[0].image",
            "leave it out",
        ),
        (
            "spotRequests: [{image: web, kind: forever}]",
            "spotRequests[0].kind",
            "persistent",
        ),
        ("parameters: [{name: a/b, value: x}]", "parameters[0].name", "slash"),
        ("parameters: [{name: a}]", "parameters[0]", "versions"),
        (
            "parameters: [{name: a, value: x}, {name: a, value: y}]",
            "parameters[1]",
            "twice",
        ),
        (
            "parameters: [{name: a, versions: [{labels: [l]}, {labels: [l]}]}]",
            "versions[1].labels",
            "one only",
        ),
        (
            "parameters: [{name: a, value: x, sharedWith: [\"222222222222\"]}]",
            "parameters[0].sharedWith",
            "Advanced",
        ),
        (
            "eksClusters: [{name: a, nodegroups: [{name: b}, {name: b}]}]",
            "nodegroups[1].name",
            "rename",
        ),
        (
            "computeEnvironments: [{name: a, state: ON}]",
            "computeEnvironments[0].state",
            "ENABLED",
        ),
        (
            "imageRecipes: [{name: a, version: one, parentImage: web}]",
            "imageRecipes[0].version",
            "1.0.0",
        ),
        (
            "containerRecipes: [{name: a, instanceImage: x}]",
            "containerRecipes[0].instanceImage",
            "images",
        ),
        ("absentServices: [mail]", "mail", "eks"),
        (
            "guardrails: {allowedImages: maybe}",
            "regions[0].guardrails.allowedImages",
            "audit-mode",
        ),
    ] {
        let message = refusal(line);
        assert!(message.contains(place), "{place}: {message}");
        assert!(message.contains(mend), "{mend}: {message}");
    }
}

#[test]
fn images_are_named_by_name_and_those_of_other_accounts_too() {
    let text = yaml("", "    - {name: golden, id: ami-0000000a, public: true}\n", "").replace(
        "regions: [{name: eu-west-1}]",
        "regions: [{name: eu-west-1, images: [{name: web, id: ami-0000000f}], instances: [{image: golden}, {image: web}]}]",
    );
    let sim = super::super::support::world(&text);
    let images: Vec<String> = sim.with_world(|w| {
        let region = w.region("222222222222", "eu-west-1").expect("a region");
        region
            .consumers
            .instances
            .iter()
            .map(|(_, i)| i.image.clone())
            .collect()
    });
    assert!(images.contains(&"ami-0000000a".to_owned()), "{images:?}");
    assert!(images.contains(&"ami-0000000f".to_owned()), "its own goes first");
}

#[test]
fn ids_depend_on_the_seed_and_the_world_shows_them() {
    let json = |seed: &str| {
        let text = yaml("", "    launchTemplates: [{name: abc, versions: [{image: web}]}]\n", "");
        let sim = super::super::support::world(&text.replace("seed: 1", seed));
        sim.world_json()["accounts"]["111111111111"]["regions"]["eu-west-1"]["consumers"]["launchTemplates"].clone()
    };
    assert_eq!(json("seed: 1"), json("seed: 1"));
    assert_ne!(json("seed: 1"), json("seed: 2"));
    let template = json("seed: 1");
    let (id, template) = template.as_object().and_then(|o| o.iter().next()).expect("one");
    assert!(id.starts_with("lt-"));
    assert_eq!(template["versions"][0]["image"], "ami-00000001");
}

#[test]
fn the_example_of_consumers_is_good() {
    let text = include_str!("../../../worlds/consumers.yaml");
    let spec = WorldSpec::parse(text).expect("it parses");
    let sim = Sim::stepped(&spec).expect("it can be built");
    assert!(sim.audit().ok);
    let kinds: std::collections::BTreeSet<_> = sim
        .consumers("111111111111", "eu-west-1", "ami-0000000a")
        .into_iter()
        .map(|c| c.kind)
        .collect();
    assert_eq!(kinds.len(), 14, "every kind is in it: {kinds:?}");
    drop(staffed());
}
