//! What can launch an image, by the world alone.

use ec2sim::{ConsumerKind, Sim};

use super::super::support::{ACCOUNT, OTHER_ACCOUNT, OWNER, REGION, client, world, yaml};
use super::{GOLDEN, OLD, STAFF, staffed};
use ConsumerKind as K;

fn users(sim: &Sim, image: &str) -> Vec<(ConsumerKind, String)> {
    let all = sim.consumers(ACCOUNT, REGION, image);
    let own = all.into_iter().filter(|c| c.account == ACCOUNT);
    own.map(|c| (c.kind, c.id)).collect()
}

fn named(all: &[(ConsumerKind, &str)]) -> Vec<(ConsumerKind, String)> {
    all.iter().map(|(kind, id)| (*kind, (*id).to_owned())).collect()
}

#[test]
fn everything_that_means_an_image_is_found_and_nothing_else() {
    let sim = staffed();
    assert_eq!(
        users(&sim, GOLDEN),
        named(&[
            (K::Instance, "i-0000000a"),
            (K::Instance, "i-0000000b"),
            (K::LaunchTemplate, "lt-0000000a"),
            (K::LaunchTemplate, "lt-0000000b"),
            (K::LaunchTemplate, "lt-0000000c"),
            (K::LaunchTemplate, "lt-0000000d"),
            (K::AutoScalingGroup, "default"),
            (K::AutoScalingGroup, "empty"),
            (K::AutoScalingGroup, "mixed"),
            (K::AutoScalingGroup, "resolving"),
            (K::Fleet, "fleet-a"),
            (K::SpotFleet, "sfr-a"),
            (K::SpotRequest, "sir-0000000a"),
            (K::SpotRequest, "sir-0000000c"),
            (K::Parameter, "/golden/web:live"),
            (K::PlainParameter, "list"),
            (K::PlainParameter, "plain"),
            (K::ComputeEnvironment, "image"),
            (K::ComputeEnvironment, "override"),
            (K::ComputeEnvironment, "template"),
            (K::ImageRecipe, "web/1.0.0"),
            (K::ContainerRecipe, "tool/1.0.0"),
        ])
    );
    assert_eq!(
        users(&sim, OLD),
        named(&[
            (K::OldTemplateVersion, "lt-0000000b:1"),
            (K::LaunchConfiguration, "classic"),
            (K::AutoScalingGroup, "mixed"),
            (K::AutoScalingGroup, "pinned"),
            (K::AutoScalingGroup, "suspended"),
            (K::Fleet, "fleet-a"),
            (K::Parameter, "/golden/web"),
            (K::PlainParameter, "list"),
            (K::Nodegroup, "blue/custom"),
            (K::ComputeEnvironment, "template"),
            (K::ImageRecipe, "web/1.1.0"),
        ])
    );
    assert_eq!(users(&sim, "ami-00000bad"), named(&[(K::Instance, "i-0000000d")]));
}

#[test]
fn an_image_is_launchable_while_it_is_there_and_something_may_launch_it() {
    let sim = staffed();
    assert!(sim.launchable_by_somebody(GOLDEN));
    assert!(sim.launchable_by_somebody(OLD));
    assert!(!sim.launchable_by_somebody("ami-00000001"), "nothing uses it");
    assert!(!sim.launchable_by_somebody("ami-00000bad"), "it is not there");
    client(&sim, OWNER).ec2("DeregisterImage", &[("ImageId", OLD)]);
    assert!(!sim.launchable_by_somebody(OLD));
    assert!(!users(&sim, OLD).is_empty(), "what uses it is still there");
    let only = |what: &str| {
        let sim = world(&yaml("", &format!("    {what}\n"), ""));
        sim.launchable_by_somebody("ami-00000001")
    };
    assert!(only("launchTemplates: [{name: alone, versions: [{image: web}]}]"));
    assert!(only("spotRequests: [{image: web, kind: persistent}]"));
    assert!(
        !only("spotRequests: [{image: web}]"),
        "it has launched what it was to launch"
    );
    assert!(!only("instances: [{image: web}]"), "an instance was launched");
    assert!(!only("parameters: [{name: plain, image: web}]"), "a text is a text");
    assert!(only(
        "parameters: [{name: plain, image: web, dataType: \"aws:ec2:image\"}]"
    ));
}

#[test]
fn a_shared_image_may_be_launched_only_elsewhere() {
    let elsewhere = |permissions: &str| {
        let images = format!("    - {{name: shared, id: ami-0000000a, {permissions}}}\n");
        let other = "regions: [{name: eu-west-1, launchTemplates: [{name: theirs, id: lt-0000000f, versions: [{image: shared}]}]}]";
        world(&yaml("", &images, "").replace("regions: [{name: eu-west-1}]", other))
    };
    let sim = elsewhere("launchPermissions: {users: [\"222222222222\"]}");
    let found = sim.consumers(ACCOUNT, REGION, GOLDEN);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].account.as_str(), found[0].id.as_str()),
        (OTHER_ACCOUNT, "lt-0000000f")
    );
    assert!(sim.launchable_by_somebody(GOLDEN));
    let sim = elsewhere("tags: {}");
    assert!(sim.consumers(ACCOUNT, REGION, GOLDEN).is_empty(), "it may not");
    assert!(!sim.launchable_by_somebody(GOLDEN));
}

#[test]
fn a_template_of_another_account_follows_a_parameter_that_is_shared_with_it() {
    let arn = format!("resolve:ssm:arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/golden/web");
    let follows = |more: &str| {
        let staff = format!(
            "    - {{name: golden, id: ami-0000000a, public: true}}\n    parameters: [{{name: /golden/web, image: golden, {more}}}]\n"
        );
        let other = format!(
            "regions: [{{name: eu-west-1, launchTemplates: [{{name: theirs, versions: [{{image: \"{arn}\"}}]}}], autoScalingGroups: [{{name: theirs, launchTemplate: {{template: theirs}}}}]}}]"
        );
        let sim = world(&yaml("", &staff, "").replace("regions: [{name: eu-west-1}]", &other));
        let all = sim.consumers(ACCOUNT, REGION, GOLDEN);
        all.iter().filter(|c| c.account == OTHER_ACCOUNT).count()
    };
    assert_eq!(follows("tier: Advanced, sharedWith: [\"222222222222\"]"), 2);
    assert_eq!(follows("tier: Standard"), 0);
}

#[test]
fn the_truth_is_told_over_http_too() {
    let sim = staffed();
    let uri = format!("/_sim/consumers?account={ACCOUNT}&region={REGION}&image={OLD}");
    let answer = client(&sim, OWNER).get("sim", &uri).json();
    assert_eq!(answer.as_array().map(Vec::len), Some(11));
    assert_eq!(answer[0]["kind"], "oldTemplateVersion");
}

#[test]
fn hidden_and_late_things_are_part_of_the_truth() {
    let sim = world(&yaml("consistency: {consumerSeconds: 600}", STAFF, ""));
    assert!(users(&sim, GOLDEN).contains(&(K::Instance, "i-0000000b".to_owned())));
}
