//! DescribeAutoScalingGroups and DescribeLaunchConfigurations.

use super::super::support::{OWNER, Reply, client, world, yaml};
use super::{OLD, STAFF, staffed};

fn groups(sim: &ec2sim::Sim, params: &[(&str, &str)]) -> Reply {
    client(sim, OWNER).autoscaling("DescribeAutoScalingGroups", params)
}

fn one(sim: &ec2sim::Sim, name: &str) -> Reply {
    groups(sim, &[("AutoScalingGroupNames.member.1", name)])
}

#[test]
fn groups_name_their_template_as_they_were_told_it() {
    let sim = staffed();
    let named = |name: &str| {
        let reply = one(&sim, name);
        let texts = ["LaunchTemplateId", "LaunchTemplateName", "Version"];
        texts.map(|element| reply.one(element))
    };
    assert_eq!(named("pinned"), ["lt-0000000b", "moved", "1"]);
    assert_eq!(named("default"), ["", "moved", ""], "no version is the default one");
    assert_eq!(named("empty"), ["lt-0000000b", "", "$Latest"]);
    assert_eq!(named("broken"), ["lt-00000bad", "", "3"]);
    assert_eq!(one(&sim, "empty").one("DesiredCapacity"), "0");
    let suspended = one(&sim, "suspended");
    assert_eq!(suspended.one("ProcessName"), "Launch");
    assert_eq!(suspended.one("LaunchConfigurationName"), "classic");
    assert!(
        suspended
            .one("ServiceLinkedRoleARN")
            .ends_with("/AWSServiceRoleForAutoScaling")
    );
}

#[test]
fn an_override_can_have_an_image_or_a_template_of_its_own() {
    let sim = staffed();
    let mixed = one(&sim, "mixed");
    let policy = mixed.one("MixedInstancesPolicy");
    assert!(policy.contains("<LaunchTemplateName>moved</LaunchTemplateName><Version>$Default</Version>"));
    assert_eq!(mixed.all("ImageId"), [OLD]);
    assert_eq!(mixed.all("LaunchTemplateName"), ["moved", "alone"]);
    assert_eq!(mixed.one("Principal"), "eks.amazonaws.com");
    assert!(mixed.one("ServiceLinkedRoleARN").ends_with("_own"));
}

#[test]
fn groups_come_in_pages_by_name_and_by_tag() {
    let many = STAFF.replace(
        "    autoScalingGroups:\n",
        "    autoScalingGroups:\n    - {name: \"many-{n}\", count: 120, launchTemplate: {template: moved}}\n",
    );
    let sim = world(&yaml("", &many, ""));
    let c = client(&sim, OWNER);
    let name = "AutoScalingGroupName";
    let all = |params: &[(&str, &str)]| c.pages(|c, p| c.autoscaling("DescribeAutoScalingGroups", p), params, name);
    assert_eq!(groups(&sim, &[]).all(name).len(), 50);
    assert_eq!(groups(&sim, &[("MaxRecords", "100")]).all(name).len(), 100);
    assert_eq!(all(&[]).len(), 127);
    assert_eq!(all(&[("IncludeManagedResources", "false")]).len(), 126);
    let tagged = [
        ("Filters.member.1.Name", "tag:team"),
        ("Filters.member.1.Values.member.1", "a"),
    ];
    assert_eq!(all(&tagged), ["suspended"]);
    let unknown = groups(&sim, &[("AutoScalingGroupNames.member.1", "nothing")]);
    assert_eq!((unknown.code(), unknown.all(name).len()), ("OK".to_owned(), 0));
    for (params, code) in [
        (vec![("MaxRecords", "101")], "ValidationError"),
        (vec![("NextToken", "x")], "InvalidNextToken"),
        (vec![("Filters.member.1.Name", "x")], "ValidationError"),
    ] {
        let reply = groups(&sim, &params);
        assert_eq!((reply.code().as_str(), reply.status), (code, 400));
        assert!(reply.body.contains("<ErrorResponse "), "{}", reply.body);
    }
}

#[test]
fn groups_show_their_instances_unless_told_not_to() {
    let with = STAFF.replace(
        "launchTemplate: {template: moved, version: \"1\"}}\n    - {name: default",
        "launchTemplate: {template: moved, version: \"1\"}, instances: [{id: i-0000000a, launchTemplate: {template: moved, version: \"1\"}}]}\n    - {name: default",
    );
    let sim = world(&yaml("", &with, ""));
    assert_eq!(one(&sim, "pinned").all("InstanceId"), ["i-0000000a"]);
    assert_eq!(one(&sim, "pinned").all("LifecycleState"), ["InService"]);
    let without = [
        ("AutoScalingGroupNames.member.1", "pinned"),
        ("IncludeInstances", "false"),
    ];
    assert!(groups(&sim, &without).all("InstanceId").is_empty());
}

#[test]
fn launch_configurations_name_their_image() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let all = c.autoscaling("DescribeLaunchConfigurations", &[]);
    assert_eq!(all.all("LaunchConfigurationName"), ["classic"]);
    assert_eq!(all.all("ImageId"), [OLD]);
    assert_eq!(all.all("VolumeSize"), ["20"]);
    let none = c.autoscaling(
        "DescribeLaunchConfigurations",
        &[("LaunchConfigurationNames.member.1", "x")],
    );
    assert!(none.all("ImageId").is_empty());
}
