//! What a report needs to be allowed, and what comes of a right that is missing.

use std::collections::BTreeSet;

use ec2sim::{Call, WorldSpec};
use serde_json::Value;

use super::{ACCOUNT, Bench, REGION, image};

/// One image and everything that can launch it.
const EVERYTHING: &str = include_str!("../ec2sim/worlds/consumers.yaml");

/// The actions in the policy that the page on the report shows.
pub(super) fn documented() -> BTreeSet<String> {
    let page = include_str!("../../docs/report.md");
    let block = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let policy: Value = serde_json::from_str(block.expect("a block of JSON")).expect("JSON");
    let actions = policy["Statement"][0]["Action"].as_array().expect("actions");
    actions
        .iter()
        .map(|action| action.as_str().expect("an action").to_owned())
        .collect()
}

/// A world whose reader may do this.
pub(super) fn world(allow: &BTreeSet<String>) -> Bench {
    world_of(EVERYTHING, allow)
}

pub(super) fn world_of(text: &str, allow: &BTreeSet<String>) -> Bench {
    let mut spec = WorldSpec::parse(text).expect("a world");
    for identity in &mut spec.identities {
        identity.allow = allow.iter().cloned().collect();
    }
    let sim = ec2sim::Sim::new(&spec).expect("a world");
    Bench {
        server: ec2sim::Server::on_loopback(sim).expect("a port"),
    }
}

fn action(call: &Call) -> String {
    format!("{}:{}", call.service, call.operation)
}

#[test]
fn the_documented_rights_are_enough_and_each_is_made_use_of() {
    let allowed = documented();
    // A key that a group needs, and a trail of all regions.
    let text = EVERYTHING.replacen(
        "    autoScalingGroups:\n",
        "    autoScalingGroups:\n    - {name: sealed, mixedInstances: {launchTemplate: {template: web}, overrides: [{image: sealed}]}}\n",
        1,
    );
    let text = text.replacen(
        "    images:\n",
        "    trails: [{name: all, multiRegion: true}]\n    keys: [{alias: [alias/ami]}]\n    images:\n    - {name: sealed, id: \
         ami-0000000c, encryptedUnder: alias/ami}\n",
        1,
    );
    let bench = world_of(&text, &allowed);
    let report = bench.report(&["--output", "json"]).json();
    assert_eq!(report["scopes"][0]["unknown"], serde_json::json!([]), "{report:#}");
    let denied = bench.calls(|call| call.status == 403 || call.outcome.contains("nauthorized"));
    assert!(denied.is_empty(), "{denied:#?}");
    let mut used: BTreeSet<String> = bench.calls(|_| true).iter().map(action).collect();
    // Everybody may ask who they are.
    used.remove("sts:GetCallerIdentity");
    // DescribeImageReferences and GetParameterHistory are asked where it matters, the rights that the former needs by AWS.
    let unused: BTreeSet<&String> = allowed.difference(&used).collect();
    let expected: BTreeSet<String> = [
        "ec2:DescribeImageAttribute",
        "ec2:DescribeImageReferences",
        "imagebuilder:GetContainerRecipe",
        "imagebuilder:GetImageRecipe",
    ]
    .map(str::to_owned)
    .into();
    assert!(unused.iter().all(|action| expected.contains(*action)), "{unused:?}");
    assert!(used.is_subset(&allowed), "{used:?}");
}

#[test]
fn a_kind_that_is_denied_hides_no_other_and_says_which_action_is_missing() {
    let kinds = [
        ("ec2:GetEbsEncryptionByDefault", "EncryptionByDefault"),
        ("ec2:GetAllowedImagesSettings", "AllowedImages"),
        ("ec2:DescribeInstances", "Instance"),
        ("ec2:DescribeLaunchTemplateVersions", "LaunchTemplate"),
        ("autoscaling:DescribeAutoScalingGroups", "AutoScalingGroup"),
        ("autoscaling:DescribeLaunchConfigurations", "LaunchConfiguration"),
        ("ec2:DescribeFleets", "Fleet"),
        ("ec2:DescribeSpotFleetRequests", "SpotFleet"),
        ("ec2:DescribeSpotInstanceRequests", "SpotRequest"),
        ("ssm:GetParameters", "Parameter"),
        ("eks:ListNodegroups", "NodeGroup"),
        ("batch:DescribeComputeEnvironments", "ComputeEnvironment"),
        ("imagebuilder:ListImageRecipes", "Recipe"),
    ];
    for (denied, kind) in kinds {
        let mut allowed = documented();
        allowed.remove(denied);
        let bench = world(&allowed);
        let ran = bench.report(&["--output", "json", "--region", REGION]);
        let report = ran.json();
        let unknown = report["scopes"][0]["unknown"].as_array().expect("a list");
        let said = unknown
            .iter()
            .find(|unknown| unknown["kind"] == kind && unknown["id"].is_null());
        let message = said.unwrap_or_else(|| panic!("{denied}: {unknown:#?}"))["message"]
            .as_str()
            .expect("a sentence");
        assert!(message.contains(denied), "{denied}: {message}");
        let kinds: BTreeSet<&str> = image(&report, "golden")["consumers"]
            .as_array()
            .expect("consumers")
            .iter()
            .map(|user| user["kind"].as_str().expect("a kind"))
            .collect();
        assert!(kinds.len() >= 8, "{denied}: {kinds:?}");
        let is_of_region = ["EncryptionByDefault", "AllowedImages"].contains(&kind);
        assert!(
            is_of_region
                || report["images"]
                    .as_array()
                    .expect("images")
                    .iter()
                    .all(|image| image["usage"] != "unused"),
            "{denied}"
        );
        assert_eq!(report["scopes"][0]["accountID"], ACCOUNT);
    }
}
