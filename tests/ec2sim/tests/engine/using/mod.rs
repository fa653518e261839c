//! What can launch an image: the reads of all services that tell of it, and the truth.

mod agreeing;
mod edits;
mod fleets;
mod groups;
mod instances;
mod large;
mod managed;
mod pages;
mod parameters;
mod references;
mod routing;
mod templates;
mod truth;
mod usage;
mod worlds;

use ec2sim::Sim;

use super::support::{world, yaml};

/// An image that much uses; shared with the other account.
pub(super) const GOLDEN: &str = "ami-0000000a";
/// An image that it took the place of.
pub(super) const OLD: &str = "ami-0000000b";

/// More images, and what can launch them.
pub(super) const STAFF: &str = r#"
    - {name: golden, id: ami-0000000a, launchPermissions: {users: ["222222222222"]}}
    - {name: old, id: ami-0000000b}
    launchTemplates:
    - {name: alone, id: lt-0000000a, tags: {team: a}, versions: [{image: golden, description: first, instanceType: t3.micro}]}
    - name: moved
      id: lt-0000000b
      defaultVersion: 2
      versions:
      - {image: old}
      - {image: golden, devices: [{device: /dev/xvda, snapshotOf: golden, gib: 10, volumeType: gp3}]}
    - {name: by-parameter, id: lt-0000000c, versions: [{image: "resolve:ssm:/golden/web:live"}]}
    - {name: hidden, id: lt-0000000d, managedBy: eks.amazonaws.com, hidden: true, versions: [{image: golden}]}
    launchConfigurations:
    - {name: classic, image: old, devices: [{device: /dev/xvda, gib: 20}]}
    autoScalingGroups:
    - {name: pinned, launchTemplate: {template: moved, version: "1"}}
    - {name: default, launchTemplate: {name: moved}}
    - {name: empty, desired: 0, launchTemplate: {id: lt-0000000b, version: $Latest}}
    - {name: suspended, suspended: [Launch], launchConfiguration: classic, tags: {team: a}}
    - name: mixed
      managedBy: eks.amazonaws.com
      serviceLinkedRole: arn:aws:iam::111111111111:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_own
      mixedInstances:
        launchTemplate: {template: moved, version: $Default}
        overrides: [{instanceType: m5.large, image: old}, {launchTemplate: {template: alone}}]
    - {name: broken, launchTemplate: {id: lt-00000bad, version: "3"}}
    - {name: resolving, launchTemplate: {template: by-parameter}}
    instances:
    - {id: i-0000000a, image: golden, tags: {team: a}, spotRequest: sir-0000000a}
    - {id: i-0000000b, image: golden, managedBy: eks.amazonaws.com, hidden: true}
    - {id: i-0000000c, image: old, state: terminated}
    - {id: i-0000000d, image: ami-00000bad, state: stopped}
    fleets:
    - {id: fleet-a, templates: [{launchTemplate: {template: moved, version: "1"}, overrides: [{instanceType: c5.large, image: golden}, {instanceType: m5.large}]}]}
    - {id: fleet-b, kind: instant, templates: [{launchTemplate: {template: alone}}]}
    - {id: fleet-c, templates: [{launchTemplate: {template: by-parameter}}]}
    - {id: fleet-d, state: deleted, templates: [{launchTemplate: {template: alone}}]}
    spotFleets:
    - {id: sfr-a, specifications: [{image: golden, instanceType: c5.large}]}
    - {id: sfr-b, state: cancelled, templates: [{launchTemplate: {template: alone}}]}
    spotRequests:
    - {id: sir-0000000a, image: golden, kind: persistent, instance: i-0000000a}
    - {id: sir-0000000b, image: golden}
    - {id: sir-0000000c, image: golden, state: open}
    parameters:
    - {name: "/app/{n}", count: 37, value: "value {n}"}
    - {name: /golden/web, dataType: "aws:ec2:image", tags: {team: a}, versions: [{image: golden, labels: [live]}, {image: old}]}
    - {name: plain, image: golden}
    - {name: list, kind: StringList, value: "ami-0000000a,ami-0000000b"}
    - {name: secret, kind: SecureString, key: key-good, value: hush}
    eksClusters:
    - name: blue
      nodegroups:
      - {name: custom, amiType: CUSTOM, launchTemplate: {template: moved, version: "1"}, releaseVersion: ami-0000000b, groups: [eks-custom]}
      - {name: stock, releaseVersion: 1.33.0-20260101}
    computeEnvironments:
    - {name: override, ec2Configuration: [{imageType: ECS_AL2023, imageOverride: golden}], image: old, state: DISABLED}
    - {name: image, image: golden, launchTemplate: {template: moved, version: "1"}}
    - {name: template, launchTemplate: {template: alone}, templateOverrides: [{launchTemplate: {template: moved, version: "1"}, instanceTypes: [c5]}]}
    imageRecipes:
    - {name: web, parentImage: golden}
    - {name: web, version: 1.1.0, parentImage: "ssm:/golden/web"}
    - {name: base, parentImage: "arn:aws:imagebuilder:eu-west-1:aws:image/amazon-linux-2023-x86/x.x.x", devices: [{device: /dev/xvda, gib: 30, encrypted: true}]}
    containerRecipes:
    - {name: tool, parentImage: "amazonlinux:2023", instanceImage: golden}
    - {name: other}
"#;

/// A world with all of this.
pub(super) fn staffed() -> Sim {
    staffed_with("")
}

/// The same, with settings.
pub(super) fn staffed_with(settings: &str) -> Sim {
    world(&yaml(settings, STAFF, ""))
}
