"""What every operation that tells of consumers says no with."""

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION

GOLDEN = "ami-0000000a"
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


CALLS = [
    ("ec2", "describe_instances", {}),
    ("ec2", "describe_instance_image_metadata", {}),
    ("ec2", "describe_launch_templates", {}),
    ("ec2", "describe_launch_template_versions", {"Versions": ["$Latest"]}),
    ("ec2", "describe_fleets", {}),
    ("ec2", "describe_spot_fleet_requests", {}),
    ("ec2", "describe_spot_instance_requests", {}),
    ("ec2", "describe_image_references", {"ImageIds": [GOLDEN], "IncludeAllResourceTypes": True}),
    (
        "ec2",
        "create_image_usage_report",
        {"ImageId": GOLDEN, "ResourceTypes": [{"ResourceType": "ec2:Instance"}]},
    ),
    ("ec2", "describe_image_usage_reports", {}),
    ("ec2", "describe_image_usage_report_entries", {}),
    ("ec2", "delete_image_usage_report", {"ReportId": "amiur-0000000a"}),
    ("ec2", "get_image_ancestry", {"ImageId": GOLDEN}),
    ("ec2", "get_ebs_encryption_by_default", {}),
    ("ec2", "get_ebs_default_kms_key_id", {}),
    ("ec2", "get_image_block_public_access_state", {}),
    ("ec2", "get_snapshot_block_public_access_state", {}),
    ("ec2", "get_allowed_images_settings", {}),
    ("autoscaling", "describe_auto_scaling_groups", {}),
    ("autoscaling", "describe_launch_configurations", {}),
    ("ssm", "describe_parameters", {}),
    ("ssm", "get_parameters_by_path", {"Path": "/"}),
    ("ssm", "get_parameters", {"Names": ["list"]}),
    ("ssm", "get_parameter", {"Name": "list"}),
    ("ssm", "get_parameter_history", {"Name": "list"}),
    ("eks", "list_clusters", {}),
    ("eks", "list_nodegroups", {"clusterName": "blue"}),
    ("eks", "describe_nodegroup", {"clusterName": "blue", "nodegroupName": "custom"}),
    ("batch", "describe_compute_environments", {}),
    ("imagebuilder", "list_image_recipes", {}),
    (
        "imagebuilder",
        "get_image_recipe",
        {"imageRecipeArn": f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:image-recipe/web/1.0.0"},
    ),
    ("imagebuilder", "list_container_recipes", {}),
    (
        "imagebuilder",
        "get_container_recipe",
        {"containerRecipeArn": f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:container-recipe/tool/1.0.0"},
    ),
    ("kms", "get_key_policy", {"KeyId": "00000000-0000-0000-0000-000000000000"}),
    ("kms", "list_grants", {"KeyId": "00000000-0000-0000-0000-000000000000"}),
    ("cloudtrail", "describe_trails", {}),
    ("cloudtrail", "get_trail_status", {"Name": "here"}),
    ("cloudtrail", "get_event_selectors", {"TrailName": "here"}),
]

DENIED = {
    "ec2": ("UnauthorizedOperation", 403),
    "autoscaling": ("AccessDenied", 403),
    "ssm": ("AccessDeniedException", 400),
    "kms": ("AccessDeniedException", 400),
    "cloudtrail": ("AccessDeniedException", 400),
    "eks": ("AccessDeniedException", 403),
    "batch": ("AccessDeniedException", 403),
    "imagebuilder": ("AccessDeniedException", 403),
}


def test_every_operation_can_be_denied(staffed):
    clients = {service: staffed.session(service, READER) for service in DENIED}
    for service, operation, params in CALLS:
        call = getattr(clients[service], operation)
        assert refused(call, **params) == DENIED[service], operation
    denied = [c for c in staffed.get("journal") if "enied" in c["outcome"] or "Unauth" in c["outcome"]]
    assert len(denied) == len(CALLS)


BAD = [
    ("ec2", "describe_instances", {"MaxResults": 4}, "InvalidParameterValue"),
    ("ec2", "describe_instance_image_metadata", {"InstanceIds": ["x"]}, "InvalidInstanceID.Malformed"),
    ("ec2", "describe_launch_templates", {"LaunchTemplateIds": ["x"]}, "InvalidLaunchTemplateId.Malformed"),
    ("ec2", "describe_launch_template_versions", {}, "MissingParameter"),
    ("ec2", "describe_fleets", {"FleetIds": ["x"]}, "InvalidFleetId.NotFound"),
    (
        "ec2",
        "describe_spot_fleet_requests",
        {"SpotFleetRequestIds": ["x"]},
        "InvalidSpotFleetRequestId.NotFound",
    ),
    (
        "ec2",
        "describe_spot_instance_requests",
        {"SpotInstanceRequestIds": ["x"]},
        "InvalidSpotInstanceRequestID.NotFound",
    ),
    ("ec2", "describe_image_references", {"ImageIds": [GOLDEN]}, "MissingParameter"),
    (
        "ec2",
        "create_image_usage_report",
        {"ImageId": GOLDEN, "ResourceTypes": [{"ResourceType": "ssm:Parameter"}]},
        "InvalidParameterValue",
    ),
    ("ec2", "describe_image_usage_reports", {"NextToken": "x"}, "InvalidPaginationToken"),
    (
        "ec2",
        "describe_image_usage_report_entries",
        {"ReportIds": ["x"]},
        "InvalidImageUsageReportId.NotFound",
    ),
    ("ec2", "delete_image_usage_report", {"ReportId": "x"}, "InvalidImageUsageReportId.NotFound"),
    ("ec2", "get_image_ancestry", {"ImageId": "x"}, "InvalidAMIID.Malformed"),
    ("autoscaling", "describe_launch_configurations", {"NextToken": "x"}, "InvalidNextToken"),
    ("ssm", "get_parameters_by_path", {"Path": "/", "NextToken": "x"}, "InvalidNextToken"),
    ("eks", "list_clusters", {"nextToken": "x"}, "InvalidParameterException"),
    ("batch", "describe_compute_environments", {"nextToken": "x"}, "ClientException"),
    ("imagebuilder", "list_image_recipes", {"nextToken": "x"}, "InvalidPaginationTokenException"),
    ("imagebuilder", "list_container_recipes", {"nextToken": "x"}, "InvalidPaginationTokenException"),
    ("kms", "get_key_policy", {"KeyId": "alias/ami"}, "NotFoundException"),
    ("kms", "list_grants", {"KeyId": "nothing"}, "NotFoundException"),
    ("cloudtrail", "get_event_selectors", {"TrailName": "there"}, "TrailNotFoundException"),
]


def test_bad_parameters_are_refused(staffed):
    clients = {service: staffed.session(service) for service in DENIED}
    for service, operation, params, code in BAD:
        call = getattr(clients[service], operation)
        assert refused(call, **params) == (code, 400), operation
