"""On-demand scans by Amazon Inspector, as boto3 sees them."""

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT

IMAGE = "ami-0000000b"
OF_IMAGE = {"resourceId": IMAGE, "resourceType": "AMI"}
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_scan_is_started_followed_listed_and_shown(sim, ec2):
    inspector = sim.session("inspector2")
    answer = inspector.start_on_demand_scan(**OF_IMAGE, clientToken="one")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    scan = answer["scanId"]
    assert inspector.start_on_demand_scan(**OF_IMAGE, clientToken="one")["scanId"] == scan
    now = inspector.get_on_demand_scan_status(**OF_IMAGE, scanId=scan)
    assert (now["scanStatus"], now["resourceId"]) == ("IN_PROGRESS", IMAGE)
    assert now["startedAt"].year == 2026
    assert "completedAt" not in now
    assert refused(inspector.start_on_demand_scan, **OF_IMAGE) == ("ConflictException", 409)
    sim.advance(60)
    now = inspector.get_on_demand_scan_status(**OF_IMAGE, scanId=scan)
    assert now["scanStatus"] == "SUCCESSFUL" and now["completedAt"] > now["startedAt"]
    shown = ec2.describe_images(ImageIds=[IMAGE])["Images"][0]
    assert shown["ScanResults"]["FindingScanDate"]
    other = inspector.start_on_demand_scan(**OF_IMAGE)["scanId"]
    pages = inspector.get_paginator("list_on_demand_scans").paginate(
        **OF_IMAGE, PaginationConfig={"PageSize": 1}
    )
    assert [one["scanId"] for page in pages for one in page["items"]] == [other, scan]


def test_what_may_not_be_scanned_is_refused(sim):
    inspector = sim.session("inspector2")
    unknown = {"resourceId": "ami-00000bad", "resourceType": "AMI"}
    assert refused(inspector.start_on_demand_scan, **unknown) == ("ValidationException", 400)
    assert refused(inspector.get_on_demand_scan_status, **OF_IMAGE, scanId="none") == (
        "ResourceNotFoundException",
        404,
    )
    reader = sim.session("inspector2", READER)
    for call, more in [
        (reader.start_on_demand_scan, {}),
        (reader.get_on_demand_scan_status, {"scanId": "none"}),
        (reader.list_on_demand_scans, {}),
    ]:
        assert refused(call, **OF_IMAGE, **more) == ("AccessDeniedException", 403)
