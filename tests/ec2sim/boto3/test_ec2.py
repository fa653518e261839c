"""EC2 as boto3 sees it."""

import datetime

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, OTHER, REGION

RICH = "ami-0000000a"
ENCRYPTED = "ami-0000000b"


def code_of(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def copy(ec2, source, name, key, **more):
    return ec2.copy_image(
        Name=name,
        SourceImageId=source,
        SourceRegion=REGION,
        Encrypted=True,
        KmsKeyId=key,
        **more,
    )["ImageId"]


def image(ec2, image_id):
    return ec2.describe_images(ImageIds=[image_id])["Images"][0]


def test_an_image_shows_all_that_it_has(ec2):
    rich = image(ec2, RICH)
    mappings = rich.pop("BlockDeviceMappings")
    expected = {
        "ImageId": RICH,
        "Name": "rich",
        "Description": 'all that an image can have <&> "quoted"',
        "State": "available",
        "OwnerId": ACCOUNT,
        "Public": False,
        "Architecture": "arm64",
        "BootMode": "uefi",
        "TpmSupport": "v2.0",
        "ImdsSupport": "v2.0",
        "SriovNetSupport": "simple",
        "EnaSupport": True,
        "RootDeviceType": "ebs",
        "RootDeviceName": "/dev/xvda",
        "VirtualizationType": "hvm",
        "DeprecationTime": "2027-01-01T00:00:00.000Z",
        "LastLaunchedTime": "2025-12-01T00:00:00.000Z",
        "ProductCodes": [{"ProductCodeId": "abc123", "ProductCodeType": "marketplace"}],
    }
    assert {k: rich[k] for k in expected} == expected
    for mapping in mappings:
        mapping.get("Ebs", {}).pop("SnapshotId", None)
    assert mappings == [
        {
            "DeviceName": "/dev/xvda",
            "Ebs": {
                "VolumeSize": 20,
                "VolumeType": "gp3",
                "Iops": 4000,
                "Throughput": 250,
                "DeleteOnTermination": True,
                "Encrypted": False,
            },
        },
        {
            "DeviceName": "/dev/sdb",
            "Ebs": {
                "VolumeSize": 100,
                "VolumeType": "io2",
                "Iops": 5000,
                "DeleteOnTermination": False,
                "Encrypted": False,
            },
        },
        {
            "DeviceName": "/dev/sdc",
            "Ebs": {
                "VolumeSize": 50,
                "VolumeType": "gp3",
                "DeleteOnTermination": True,
                "Encrypted": False,
            },
        },
        {"DeviceName": "/dev/sdz", "VirtualName": "ephemeral0"},
    ]


def test_paginators_read_every_image_once_over_empty_pages(ec2):
    pages = ec2.get_paginator("describe_images").paginate(
        Owners=["self"], IncludeDisabled=True, PaginationConfig={"PageSize": 4}
    )
    names = [i["Name"] for page in pages for i in page["Images"]]
    assert len(names) == 26
    assert set(names) == {f"web-{n}" for n in range(1, 24)} | {"rich", "encrypted", "disabled"}


def test_paginators_read_every_snapshot_once(ec2, key_arn):
    pages = ec2.get_paginator("describe_snapshots").paginate(
        OwnerIds=["self"], PaginationConfig={"PageSize": 5}
    )
    snapshots = [s for page in pages for s in page["Snapshots"]]
    assert len({s["SnapshotId"] for s in snapshots}) == len(snapshots) == 27
    assert [s["KmsKeyId"] for s in snapshots if s["Encrypted"]] == [key_arn]
    assert all(s["Progress"] == "100%" and s["State"] == "completed" for s in snapshots)
    assert all(s["OwnerId"] == ACCOUNT for s in snapshots)


def test_filters(ec2):
    def names(*filters):
        wanted = [{"Name": n, "Values": v} for n, v in filters]
        return sorted(i["Name"] for i in ec2.describe_images(Filters=wanted)["Images"])

    assert names(("name", ["web-1?"])) == ["web-1"] + [f"web-{n}" for n in range(10, 20)]
    assert names(("tag:Name", ["web 2", "web 3"]), ("tag:team", ["web"])) == ["web-2", "web-3"]
    assert names(("block-device-mapping.encrypted", ["true"])) == ["encrypted"]
    assert names(("architecture", ["arm64"]), ("name", ["web-*"])) == []
    assert code_of(ec2.describe_images, Filters=[{"Name": "x", "Values": ["y"]}]) == (
        "InvalidParameterValue",
        400,
    )


def test_a_copy_from_the_call_to_its_end(sim, ec2, key_arn):
    tags = [{"Key": "made-by", "Value": "suite <&>"}]
    made = copy(
        ec2,
        RICH,
        "copy",
        key_arn,
        Description="words",
        ClientToken="token-1",
        CopyImageTags=True,
        TagSpecifications=[
            {"ResourceType": "image", "Tags": tags},
            {"ResourceType": "snapshot", "Tags": tags},
        ],
    )
    pending = image(ec2, made)
    assert pending["State"] == "pending"
    assert pending["SourceImageId"] == RICH
    assert pending["SourceImageRegion"] == REGION
    assert pending["Tags"] == tags
    mine = [{"Name": "tag:made-by", "Values": ["suite*"]}]
    snapshots = ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
    assert [s["State"] for s in snapshots] == ["pending", "pending"]
    sim.advance(300)
    snapshots = ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
    assert [s["Progress"] for s in snapshots] == ["50%", "50%"]
    sim.advance(300)
    ec2.get_waiter("image_available").wait(ImageIds=[made])
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[s["SnapshotId"] for s in snapshots])
    done = image(ec2, made)
    assert done["Description"] == "words"
    assert "DeprecationTime" not in done
    snapshots = ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
    assert {s["KmsKeyId"] for s in snapshots} == {key_arn}
    assert all(s["Description"].startswith(f"Copied for DestinationAmi {made}") for s in snapshots)


def test_the_same_token_gives_the_same_image(ec2, key_arn):
    first = copy(ec2, RICH, "copy", key_arn, ClientToken="token")
    assert copy(ec2, RICH, "copy", key_arn, ClientToken="token") == first
    with pytest.raises(ClientError) as caught:
        copy(ec2, RICH, "other", key_arn, ClientToken="token")
    assert caught.value.response["Error"]["Code"] == "IdempotentParameterMismatch"
    with pytest.raises(ClientError) as caught:
        copy(ec2, RICH, "copy", key_arn, ClientToken="another")
    assert caught.value.response["Error"]["Code"] == "InvalidAMIName.Duplicate"


def test_a_disabled_key_fails_the_copy_late(sim, ec2):
    made = copy(ec2, RICH, "copy", "alias/off")
    assert image(ec2, made)["State"] == "pending"
    sim.advance(700)
    failed = image(ec2, made)
    assert failed["State"] == "failed"
    assert "disabled" in failed["StateReason"]["Message"]
    snapshot = failed["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    [snapshot] = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"]
    assert snapshot["State"] == "error"
    assert "disabled" in snapshot["StateMessage"]


def test_no_more_than_twenty_snapshots_at_a_time(ec2, key_arn):
    webs = [
        i["ImageId"]
        for i in ec2.describe_images(Filters=[{"Name": "name", "Values": ["web-*"]}])["Images"]
    ]
    for n, source in enumerate(webs[:20]):
        copy(ec2, source, f"copy-{n}", key_arn)
    with pytest.raises(ClientError) as caught:
        copy(ec2, webs[20], "copy-20", key_arn)
    assert caught.value.response["Error"] == {
        "Code": "ResourceLimitExceeded",
        "Message": "Too many snapshot copies in progress. The limit is 20 for this destination region.",
    }


def test_dry_runs(sim, ec2):
    assert code_of(ec2.deregister_image, ImageId=RICH, DryRun=True) == ("DryRunOperation", 412)
    reader = sim.session("ec2", f"arn:aws:iam::{ACCOUNT}:role/reader")
    assert code_of(reader.deregister_image, ImageId=RICH, DryRun=True) == (
        "UnauthorizedOperation",
        403,
    )
    assert image(ec2, RICH)["State"] == "available"


def test_tags(ec2):
    ec2.create_tags(Resources=[RICH, ENCRYPTED], Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    assert image(ec2, ENCRYPTED)["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    ec2.delete_tags(Resources=[RICH], Tags=[{"Key": "a", "Value": "2"}, {"Key": "b"}])
    assert image(ec2, RICH)["Tags"] == [{"Key": "a", "Value": "1"}]
    aws = [{"Key": "aws:x", "Value": ""}]
    assert code_of(ec2.create_tags, Resources=[RICH], Tags=aws)[0] == "InvalidParameterValue"


def test_attributes(ec2):
    def get(name):
        return ec2.describe_image_attribute(ImageId=RICH, Attribute=name)

    organization = "arn:aws:organizations::000000000001:organization/o-example"
    assert get("launchPermission")["LaunchPermissions"] == [
        {"UserId": OTHER},
        {"OrganizationArn": organization},
    ]
    assert get("uefiData")["UefiData"] == {"Value": "QU1aTlVFRkk="}
    assert get("tpmSupport")["TpmSupport"] == {"Value": "v2.0"}
    assert get("bootMode")["BootMode"] == {"Value": "uefi"}
    assert get("imdsSupport")["ImdsSupport"] == {"Value": "v2.0"}
    assert len(get("blockDeviceMapping")["BlockDeviceMappings"]) == 4
    ec2.modify_image_attribute(
        ImageId=RICH,
        LaunchPermission={"Add": [{"UserId": "333333333333"}], "Remove": [{"UserId": OTHER}]},
    )
    ec2.modify_image_attribute(
        ImageId=RICH,
        Attribute="launchPermission",
        OperationType="remove",
        OrganizationArns=[organization],
    )
    assert get("launchPermission")["LaunchPermissions"] == [{"UserId": "333333333333"}]
    ec2.modify_image_attribute(ImageId=RICH, Description={"Value": "new"})
    assert get("description")["Description"] == {"Value": "new"}
    public = {"Add": [{"Group": "all"}]}
    assert code_of(ec2.modify_image_attribute, ImageId=ENCRYPTED, LaunchPermission=public)[0] == (
        "InvalidParameter"
    )


def test_deprecation(ec2):
    at = datetime.datetime(2026, 6, 1, 12, 0, 40, tzinfo=datetime.timezone.utc)
    assert ec2.enable_image_deprecation(ImageId=ENCRYPTED, DeprecateAt=at)["Return"] is True
    assert image(ec2, ENCRYPTED)["DeprecationTime"] == "2026-06-01T12:01:00.000Z"
    assert ec2.disable_image_deprecation(ImageId=ENCRYPTED)["Return"] is True
    assert "DeprecationTime" not in image(ec2, ENCRYPTED)


def test_deregistering_with_snapshots(ec2):
    [mapping] = image(ec2, ENCRYPTED)["BlockDeviceMappings"]
    snapshot = mapping["Ebs"]["SnapshotId"]
    assert code_of(ec2.delete_snapshot, SnapshotId=snapshot) == ("InvalidSnapshot.InUse", 400)
    gone = ec2.deregister_image(ImageId=ENCRYPTED, DeleteAssociatedSnapshots=True)
    assert gone["Return"] is True
    assert gone["DeleteSnapshotResults"] == [{"SnapshotId": snapshot, "ReturnCode": "success"}]
    assert ec2.describe_images(ImageIds=[ENCRYPTED])["Images"] == []
    assert code_of(ec2.delete_snapshot, SnapshotId=snapshot) == ("InvalidSnapshot.NotFound", 400)


def test_deleting_a_snapshot(ec2):
    snapshot = image(ec2, ENCRYPTED)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    ec2.deregister_image(ImageId=ENCRYPTED)
    ec2.delete_snapshot(SnapshotId=snapshot)
    assert code_of(ec2.describe_snapshots, SnapshotIds=[snapshot]) == (
        "InvalidSnapshot.NotFound",
        400,
    )


def test_regions(ec2):
    regions = ec2.describe_regions(AllRegions=True)["Regions"]
    assert {r["RegionName"]: r["OptInStatus"] for r in regions} == {
        "ap-east-1": "not-opted-in",
        "eu-west-1": "opt-in-not-required",
    }
    assert [r["RegionName"] for r in ec2.describe_regions()["Regions"]] == ["eu-west-1"]


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("describe_images", {"ImageIds": ["ami-00000bad"]}, ("InvalidAMIID.NotFound", 400)),
        ("describe_images", {"ImageIds": ["nonsense"]}, ("InvalidAMIID.Malformed", 400)),
        ("describe_snapshots", {"SnapshotIds": ["nonsense"]}, ("InvalidSnapshotID.Malformed", 400)),
        ("describe_snapshots", {"MaxResults": 2}, ("InvalidParameterValue", 400)),
        ("deregister_image", {"ImageId": "ami-00000bad"}, ("InvalidAMIID.NotFound", 400)),
        ("reboot_instances", {"InstanceIds": ["i-0000000a"]}, ("InvalidAction", 400)),
    ],
)
def test_errors(ec2, operation, params, expected):
    assert code_of(getattr(ec2, operation), **params) == expected


def test_a_shared_image_is_seen_by_those_it_is_shared_with(sim):
    other = sim.session("ec2", f"arn:aws:iam::{OTHER}:role/images")
    [shared] = other.describe_images(ExecutableUsers=["self"])["Images"]
    assert shared["ImageId"] == RICH
    assert "Tags" not in shared
    assert code_of(other.deregister_image, ImageId=RICH)[0] == "AuthFailure"
