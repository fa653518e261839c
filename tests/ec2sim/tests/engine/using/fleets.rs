//! DescribeFleets, DescribeSpotFleetRequests and DescribeSpotInstanceRequests.

use super::super::support::{OWNER, client};
use super::{GOLDEN, staffed};

#[test]
fn an_instant_fleet_is_shown_only_by_its_id() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let all = c.ec2("DescribeFleets", &[]);
    assert_eq!(all.all("fleetId"), ["fleet-a", "fleet-c", "fleet-d"]);
    assert_eq!(all.all("imageId"), [GOLDEN]);
    assert_eq!(all.all("launchTemplateName"), ["moved", "by-parameter", "alone"]);
    assert_eq!(all.all("version"), ["1"]);
    let instant = c.ec2("DescribeFleets", &[("FleetId.1", "fleet-b")]);
    assert_eq!(instant.all("type"), ["instant"]);
    let active = [("Filter.1.Name", "fleet-state"), ("Filter.1.Value.1", "active")];
    assert_eq!(c.ec2("DescribeFleets", &active).all("fleetId"), ["fleet-a", "fleet-c"]);
    let one_by_one = c.pages(|c, p| c.ec2("DescribeFleets", p), &[("MaxResults", "1")], "fleetId");
    assert_eq!(one_by_one, ["fleet-a", "fleet-c", "fleet-d"]);
    for (params, code) in [
        ([("FleetId.1", "fleet-x")], "InvalidFleetId.NotFound"),
        ([("MaxResults", "0")], "InvalidParameterValue"),
    ] {
        assert_eq!(c.ec2("DescribeFleets", &params).code(), code);
    }
}

#[test]
fn spot_fleets_have_specifications_or_templates() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let all = c.ec2("DescribeSpotFleetRequests", &[]);
    assert_eq!(all.all("spotFleetRequestId"), ["sfr-a", "sfr-b"]);
    assert_eq!(all.all("spotFleetRequestState"), ["active", "cancelled"]);
    assert_eq!(all.all("imageId"), [GOLDEN]);
    assert_eq!(all.all("launchTemplateId"), ["lt-0000000a"]);
    assert!(all.one("iamFleetRole").ends_with("AWSServiceRoleForEC2SpotFleet"));
    let one = c.ec2("DescribeSpotFleetRequests", &[("SpotFleetRequestId.1", "sfr-b")]);
    assert_eq!(one.all("spotFleetRequestId"), ["sfr-b"]);
    let unknown = c.ec2("DescribeSpotFleetRequests", &[("SpotFleetRequestId.1", "sfr-x")]);
    assert_eq!(unknown.code(), "InvalidSpotFleetRequestId.NotFound");
}

#[test]
fn spot_requests_are_one_time_or_persistent() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let all = c.ec2("DescribeSpotInstanceRequests", &[]);
    assert_eq!(all.all("type"), ["persistent", "one-time", "one-time"]);
    assert_eq!(all.all("state"), ["active", "active", "open"]);
    assert_eq!(all.all("imageId"), [GOLDEN; 3]);
    assert_eq!(all.all("instanceId"), ["i-0000000a"]);
    let persistent = [
        ("Filter.1.Name", "type"),
        ("Filter.1.Value.1", "persistent"),
        ("Filter.2.Name", "launch.image-id"),
        ("Filter.2.Value.1", GOLDEN),
    ];
    let found = c.ec2("DescribeSpotInstanceRequests", &persistent);
    assert_eq!(found.all("spotInstanceRequestId"), ["sir-0000000a"]);
    let unknown = c.ec2("DescribeSpotInstanceRequests", &[("SpotInstanceRequestId.1", "sir-x")]);
    assert_eq!(unknown.code(), "InvalidSpotInstanceRequestID.NotFound");
    assert_eq!(
        c.ec2("DescribeSpotInstanceRequests", &[("MaxResults", "1")]).code(),
        "InvalidParameterValue"
    );
}
