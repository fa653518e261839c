//! DescribeInstances and DescribeInstanceImageMetadata.

use super::super::support::{ACCOUNT, OTHER, OWNER, client, seconds, world, yaml};
use super::{GOLDEN, STAFF, staffed};

fn ids(sim: &ec2sim::Sim, params: &[(&str, &str)]) -> Vec<String> {
    let reply = client(sim, OWNER).ec2("DescribeInstances", params);
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    let mut ids = reply.all("instanceId");
    ids.sort();
    ids
}

#[test]
fn a_hidden_managed_instance_shows_only_when_asked_for() {
    let sim = staffed();
    assert_eq!(ids(&sim, &[]), ["i-0000000a", "i-0000000c", "i-0000000d"]);
    let all = client(&sim, OWNER).ec2("DescribeInstances", &[("IncludeManagedResources", "true")]);
    assert_eq!(all.all("instanceId").len(), 4);
    assert_eq!(all.all("principal"), ["eks.amazonaws.com"]);
    assert_eq!(all.all("managed"), ["false", "true", "false", "false"]);
    let by_id = client(&sim, OWNER).ec2("DescribeInstances", &[("InstanceId.1", "i-0000000b")]);
    assert_eq!(by_id.code(), "InvalidInstanceID.NotFound");
    assert!(
        client(&sim, OTHER)
            .ec2("DescribeInstances", &[])
            .all("instanceId")
            .is_empty()
    );
}

#[test]
fn instances_are_found_by_filters_and_ids() {
    let sim = staffed();
    let filter = |name: &str, value: &str| ids(&sim, &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]);
    assert_eq!(filter("image-id", GOLDEN), ["i-0000000a"]);
    assert_eq!(filter("instance-state-name", "stopped"), ["i-0000000d"]);
    assert_eq!(filter("instance-state-code", "48"), ["i-0000000c"]);
    assert_eq!(filter("spot-instance-request-id", "sir-*"), ["i-0000000a"]);
    assert_eq!(filter("tag:team", "a"), ["i-0000000a"]);
    assert_eq!(filter("owner-id", ACCOUNT).len(), 3);
    assert_eq!(ids(&sim, &[("InstanceId.1", "i-0000000d")]), ["i-0000000d"]);
    let c = client(&sim, OWNER);
    for (params, code) in [
        (vec![("InstanceId.1", "x")], "InvalidInstanceID.Malformed"),
        (vec![("InstanceId.1", "i-00000bad")], "InvalidInstanceID.NotFound"),
        (vec![("MaxResults", "4")], "InvalidParameterValue"),
        (
            vec![("MaxResults", "5"), ("InstanceId.1", "i-0000000a")],
            "InvalidParameterCombination",
        ),
        (
            vec![("Filter.1.Name", "x"), ("Filter.1.Value.1", "y")],
            "InvalidParameterValue",
        ),
        (vec![("NextToken", "x")], "InvalidPaginationToken"),
        (vec![("DryRun", "true")], "DryRunOperation"),
    ] {
        assert_eq!(c.ec2("DescribeInstances", &params).code(), code, "{params:?}");
    }
}

#[test]
fn a_terminated_instance_is_described_for_a_while() {
    let sim = staffed();
    assert_eq!(ids(&sim, &[]).len(), 3);
    seconds(&sim, 3599);
    assert_eq!(ids(&sim, &[]).len(), 3);
    seconds(&sim, 1);
    assert_eq!(ids(&sim, &[]), ["i-0000000a", "i-0000000d"]);
}

#[test]
fn pages_hold_every_instance_once_also_in_an_unstable_order() {
    let many = STAFF.replace("    instances:\n", "    instances:\n    - {image: golden, count: 43}\n");
    for settings in ["", "pagination: {unstableOrder: true, emptyPages: 0.4, largestPage: 7}"] {
        let sim = world(&yaml(settings, &many, ""));
        let c = client(&sim, OWNER);
        let mut ids = c.pages(
            |c, p| c.ec2("DescribeInstances", p),
            &[("MaxResults", "10")],
            "instanceId",
        );
        assert_eq!(ids.len(), 46);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 46, "{settings}");
    }
}

#[test]
fn a_listing_of_several_pages_can_lose_an_entry() {
    let many = STAFF.replace("    instances:\n", "    instances:\n    - {image: golden, count: 20}\n");
    let sim = world(&yaml("pagination: {missedIds: [i-0000000a]}", &many, ""));
    let c = client(&sim, OWNER);
    let listed = |params: &[(&str, &str)]| c.pages(|c, p| c.ec2("DescribeInstances", p), params, "instanceId");
    let lost = |ids: &[String]| !ids.contains(&"i-0000000a".to_owned());
    assert!(lost(&listed(&[("MaxResults", "10")])));
    assert!(!lost(&listed(&[("MaxResults", "1000")])), "one page holds all");
    assert!(!lost(&listed(&[("InstanceId.1", "i-0000000a")])), "by ID");
    let filter = [
        ("MaxResults", "10"),
        ("Filter.1.Name", "image-id"),
        ("Filter.1.Value.1", GOLDEN),
    ];
    assert!(!lost(&listed(&filter)), "by a filter");
}

#[test]
fn metadata_tells_of_images_that_are_gone() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    c.ec2("DeregisterImage", &[("ImageId", GOLDEN)]);
    let one = c.ec2("DescribeInstanceImageMetadata", &[("InstanceId.1", "i-0000000a")]);
    assert_eq!(one.one("imageState"), "deregistered");
    assert_eq!(
        (one.all("name"), one.one("imageOwnerId")),
        (vec!["running".to_owned(), "golden".to_owned()], ACCOUNT.to_owned())
    );
    assert_eq!(one.one("isPublic"), "false");
    let foreign = c.ec2("DescribeInstanceImageMetadata", &[("InstanceId.1", "i-0000000d")]);
    assert_eq!(foreign.one("imageId"), "ami-00000bad");
    assert!(foreign.all("imageOwnerId").is_empty(), "nothing is known of it");
    let named = [("Filter.1.Name", "image-name"), ("Filter.1.Value.1", "old")];
    let by_name = c.ec2("DescribeInstanceImageMetadata", &named);
    assert_eq!(by_name.all("instanceId"), ["i-0000000c"]);
}
