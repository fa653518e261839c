//! Who uses an image: what the report says, beside what the simulator knows.

use std::collections::BTreeSet;

use ec2sim::{Consumer, ConsumerKind};
use serde_json::{Value, json};

use super::{ACCOUNT, Bench, REGION, findings, image};

/// One image and everything that can launch it.
const EVERYTHING: &str = include_str!("../ec2sim/worlds/consumers.yaml");

/// As a report names a kind. Another version of a template is a use by the template.
fn kind(kind: ConsumerKind) -> &'static str {
    match kind {
        ConsumerKind::Instance => "Instance",
        ConsumerKind::LaunchTemplate | ConsumerKind::OldTemplateVersion => "LaunchTemplate",
        ConsumerKind::LaunchConfiguration => "LaunchConfiguration",
        ConsumerKind::AutoScalingGroup => "AutoScalingGroup",
        ConsumerKind::Fleet => "Fleet",
        ConsumerKind::SpotFleet => "SpotFleet",
        ConsumerKind::SpotRequest => "SpotRequest",
        ConsumerKind::Parameter | ConsumerKind::PlainParameter => "Parameter",
        ConsumerKind::Nodegroup => "NodeGroup",
        ConsumerKind::ComputeEnvironment => "ComputeEnvironment",
        ConsumerKind::ImageRecipe | ConsumerKind::ContainerRecipe => "Recipe",
    }
}

/// How many of each kind use an image, by a report, and by the simulator: each thing once.
fn told(report: &Value, name: &str) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let consumers = image(report, name)["consumers"].as_array().expect("consumers");
    let id = |user: &Value| match text(&user["id"]) {
        // Of a recipe's ARN: its name and version.
        arn if arn.starts_with("arn:") => arn.split_once('/').map_or(arn.clone(), |(_, name)| name.to_owned()),
        id => id,
    };
    consumers.iter().map(|user| (text(&user["kind"]), id(user))).collect()
}

fn known(bench: &Bench, id: &str, counts: impl Fn(ConsumerKind) -> bool) -> BTreeSet<(String, String)> {
    let consumers = bench.sim().consumers(ACCOUNT, REGION, id);
    let ours = consumers
        .into_iter()
        .filter(|user| user.account == ACCOUNT && counts(user.kind));
    // A label, and the number of a version, are of the parameter and of the template.
    let thing = |user: &Consumer| user.id.split(':').next().unwrap_or_default().to_owned();
    ours.map(|user| (kind(user.kind).to_owned(), thing(&user))).collect()
}

#[test]
fn every_kind_of_consumer_is_found_as_the_simulator_knows_it() {
    let bench = Bench::new(EVERYTHING);
    let plain = bench.report(&["--output", "json", "--region", REGION]).json();
    let listed = |kind: ConsumerKind| !matches!(kind, ConsumerKind::PlainParameter | ConsumerKind::OldTemplateVersion);
    for (name, id) in [("golden", "ami-0000000a"), ("next", "ami-0000000b")] {
        assert_eq!(told(&plain, name), known(&bench, id, listed), "{name}");
    }
    let all = bench
        .report(&["--output", "json", "--region", REGION, "--plain-parameters"])
        .json();
    let with_plain = |kind: ConsumerKind| kind != ConsumerKind::OldTemplateVersion;
    assert_eq!(told(&all, "golden"), known(&bench, "ami-0000000a", with_plain));
    assert_eq!(plain["scopes"][0]["unknown"], json!([]));
    bench.assert_untouched();
}

#[test]
fn what_names_an_image_is_said_down_to_version_parameter_and_override() {
    let bench = Bench::new(EVERYTHING);
    let report = bench.report(&["--output", "json", "--region", REGION]).json();
    let consumers = image(&report, "golden")["consumers"]
        .as_array()
        .expect("consumers")
        .clone();
    let via = |id: &str| -> Vec<String> {
        let of = consumers.iter().filter(|user| user["id"] == id);
        of.map(|user| user["via"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let template = |id: &str| {
        via(id)
            .iter()
            .map(|via| via.split(' ').nth(1).unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(template("by-default"), ["$Default"]);
    assert_eq!(template("pinned"), ["1"]);
    assert_eq!(via("suspended"), ["classic"]);
    assert_eq!(via("mixed"), ["override 1"]);
    assert!(
        via("/images/web").contains(&"version 1 (live)".to_owned()),
        "{:?}",
        via("/images/web")
    );
    let managed = consumers.iter().find(|user| user["owner"] == "eks.amazonaws.com");
    assert_eq!(managed.expect("the hidden instance")["kind"], "Instance");
}

/// A world of one encrypted image that was last launched long ago, and whatever else is said.
fn lonely(more: &str) -> Bench {
    Bench::new(&format!(
        r#"
seed: 1
clock: {{start: 2026-01-01T00:00:00Z}}
settings: {{sessions: {{time: simulated}}}}
identities:
- {{accessKey: AKIAREADER0000000001, account: "111111111111"}}
accounts:
- id: "111111111111"
  regions:
  - name: eu-west-1
    keys: [{{alias: [alias/ami]}}]
    images:
    - {{name: lonely, id: ami-0000000a, encryptedUnder: alias/ami, creationDate: 2024-01-01T00:00:00Z, lastLaunchedTime: 2024-02-01T00:00:00Z}}
{more}"#
    ))
}

#[test]
fn an_image_that_nothing_launches_is_unused_and_one_that_anything_might_is_not() {
    let unused = |bench: &Bench| {
        let report = bench.report(&["--output", "json", "--region", REGION]);
        let report = report.json();
        let usage = image(&report, "lonely")["usage"].as_str().expect("a usage").to_owned();
        let found = findings(&report).iter().any(|(check, _)| check == "unused-image");
        assert_eq!(found, usage == "unused", "{report:#}");
        (usage, image(&report, "lonely")["consumers"].clone())
    };
    assert_eq!(unused(&lonely("")).0, "unused");

    let traps = [
        (
            "a template outside of any group",
            "    launchTemplates: [{name: web, versions: [{image: lonely}]}]",
        ),
        (
            "an older version of a template that nobody pins",
            "    launchTemplates: [{name: web, defaultVersion: 3, versions: [{image: lonely}, {image: ami-0000000b}, {image: ami-0000000b}]}]",
        ),
        (
            "version 1 that a group pins while the default is new",
            "    launchTemplates: [{name: web, defaultVersion: 2, versions: [{image: lonely}, {image: ami-0000000b}]}]\n    \
             autoScalingGroups: [{name: g, launchTemplate: {template: web, version: '1'}}]",
        ),
        (
            "an override with an image of its own",
            "    launchTemplates: [{name: web, versions: [{image: ami-0000000b}]}]\n    autoScalingGroups:\n    - name: g\n      \
             mixedInstances: {launchTemplate: {template: web}, overrides: [{instanceType: m7g.large, image: lonely}]}",
        ),
        (
            "a group of no instances",
            "    launchConfigurations: [{name: c, image: lonely}]\n    autoScalingGroups: [{name: g, desired: 0, launchConfiguration: c}]",
        ),
        (
            "a suspended group",
            "    launchConfigurations: [{name: c, image: lonely}]\n    autoScalingGroups: [{name: g, suspended: [Launch], \
             launchConfiguration: c}]",
        ),
        (
            "a persistent Spot request",
            "    spotRequests: [{image: lonely, kind: persistent}]",
        ),
        (
            "an instance of a service that is hidden",
            "    instances: [{image: lonely, managedBy: eks.amazonaws.com, hidden: true}]",
        ),
        (
            "an older version of a parameter that has a label",
            "    parameters:\n    - name: /web\n      dataType: aws:ec2:image\n      versions: [{image: lonely, labels: [live]}, \
             {image: ami-0000000b}]",
        ),
    ];
    for (what, more) in traps {
        let (usage, consumers) = unused(&lonely(more));
        assert_eq!(usage, "used", "{what}: {consumers}");
    }
}

#[test]
fn the_23rd_of_37_parameters_is_found() {
    let mut more = "    parameters:\n".to_owned();
    for number in 1..=37 {
        let image = if number == 23 { "lonely" } else { "ami-0000000b" };
        more +=
            &format!("    - {{name: /images/{number:02}, dataType: aws:ec2:image, versions: [{{image: {image}}}]}}\n");
    }
    let report = lonely(&more).report(&["--output", "json", "--region", REGION]).json();
    assert_eq!(
        told(&report, "lonely"),
        [("Parameter".to_owned(), "/images/23".to_owned())].into()
    );
}

#[test]
fn an_image_that_is_shared_is_not_called_unused() {
    let bench = Bench::new(&include_str!("../ec2sim/worlds/consumers.yaml").replace(
        "    - {name: next, id: ami-0000000b}",
        concat!(
            "    - {name: next, id: ami-0000000b}\n",
            "    - {name: shared, id: ami-0000000c, creationDate: 2024-01-01T00:00:00Z, ",
            "lastLaunchedTime: 2024-02-01T00:00:00Z, launchPermissions: {users: [\"222222222222\"]}}"
        ),
    ));
    let report = bench.report(&["--output", "json", "--region", REGION]).json();
    let shared = image(&report, "shared");
    assert_eq!(shared["usage"], "unknown");
    assert_eq!(
        shared["doubts"],
        json!(["Other accounts may launch it, or who may was not read."])
    );
}
