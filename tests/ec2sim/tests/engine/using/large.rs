//! Large worlds are built and read in seconds.

use std::time::Instant;

use serde_json::json;

use super::super::support::{OWNER, client, world, yaml};

const LARGE: &str = r#"
    - {name: golden, id: ami-0000000a}
    instances:
    - {image: golden, count: 20000}
    launchTemplates:
    - {name: "template-{n}", count: 2000, versions: [{image: web}, {image: golden}]}
    autoScalingGroups:
    - {name: "group-{n}", count: 2000, launchTemplate: {name: "template-{n}"}}
    parameters:
    - {name: "/app/{n}/image", count: 5000, image: golden}
"#;

#[test]
fn twenty_thousand_instances_are_read_in_seconds() {
    let began = Instant::now();
    let sim = world(&yaml("pagination: {unstableOrder: true}", LARGE, ""));
    let c = client(&sim, OWNER);
    let instances = c.pages(
        |c, p| c.ec2("DescribeInstances", p),
        &[("MaxResults", "1000")],
        "instanceId",
    );
    assert_eq!(instances.len(), 20_000);
    let latest = [
        ("LaunchTemplateVersion.1", "$Latest"),
        ("LaunchTemplateVersion.2", "$Default"),
    ];
    let versions = c.pages(
        |c, p| c.ec2("DescribeLaunchTemplateVersions", p),
        &latest,
        "versionNumber",
    );
    assert_eq!(versions.len(), 4000);
    let groups = c.pages(
        |c, p| c.autoscaling("DescribeAutoScalingGroups", p),
        &[("MaxRecords", "100")],
        "AutoScalingGroupARN",
    );
    assert_eq!(groups.len(), 2000);
    let path = json!({"Path": "/app", "Recursive": true});
    let values = c.json_pages(|c, b| c.ssm("GetParametersByPath", b), &path, "Parameters", "NextToken");
    assert_eq!(values.len(), 5000);
    assert_eq!(
        sim.consumers("111111111111", "eu-west-1", "ami-0000000a").len(),
        20_000 + 2000 + 5000
    );
    // A generous bound: it takes a few seconds on a busy machine of two cores.
    let took = began.elapsed().as_secs();
    assert!(took < 60, "{took} seconds");
}
