"""Settings of a region as boto3 sets them."""

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, OTHER, REGION

WEB = "web-1"
PLACE = {"account": ACCOUNT, "region": REGION}
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"
CALLS = [
    ("enable_ebs_encryption_by_default", {}),
    ("disable_ebs_encryption_by_default", {}),
    ("modify_ebs_default_kms_key_id", {"KmsKeyId": "alias/ami"}),
    ("reset_ebs_default_kms_key_id", {}),
    ("enable_image_block_public_access", {"ImageBlockPublicAccessState": "block-new-sharing"}),
    ("disable_image_block_public_access", {}),
    ("enable_snapshot_block_public_access", {"State": "block-new-sharing"}),
    ("disable_snapshot_block_public_access", {}),
    ("enable_allowed_images_settings", {"AllowedImagesSettingsState": "audit-mode"}),
    ("disable_allowed_images_settings", {}),
    ("replace_image_criteria_in_allowed_images_settings", {"ImageCriteria": [{"ImageNames": ["golden-*"]}]}),
]


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def image_of(ec2, name):
    pages = ec2.get_paginator("describe_images").paginate(Filters=[{"Name": "name", "Values": [name]}])
    [image] = pages.build_full_result()["Images"]
    return image


def test_encryption_by_default(ec2, key_arn):
    assert ec2.modify_ebs_default_kms_key_id(KmsKeyId="alias/ami")["KmsKeyId"] == key_arn
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key_arn
    assert ec2.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    source = image_of(ec2, WEB)["ImageId"]
    copy = ec2.copy_image(Name="copy", SourceImageId=source, SourceRegion=REGION)["ImageId"]
    [image] = ec2.describe_images(ImageIds=[copy])["Images"]
    [mapping] = image["BlockDeviceMappings"]
    [snapshot] = ec2.describe_snapshots(SnapshotIds=[mapping["Ebs"]["SnapshotId"]])["Snapshots"]
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, key_arn)
    assert ec2.disable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    ec2.modify_ebs_default_kms_key_id(KmsKeyId="alias/off")
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"


def test_public_access(ec2):
    image = image_of(ec2, WEB)
    public = {"ImageId": image["ImageId"], "LaunchPermission": {"Add": [{"Group": "all"}]}}
    blocked = ec2.enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    assert blocked["ImageBlockPublicAccessState"] == "block-new-sharing"
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "block-new-sharing"
    assert refused(ec2.modify_image_attribute, **public) == ("OperationNotPermitted", 400)
    assert ec2.disable_image_block_public_access()["ImageBlockPublicAccessState"] == "unblocked"
    ec2.modify_image_attribute(**public)
    assert image_of(ec2, WEB)["Public"] is True

    snapshot = image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    public = {"SnapshotId": snapshot, "CreateVolumePermission": {"Add": [{"Group": "all"}]}}
    ec2.modify_snapshot_attribute(
        SnapshotId=snapshot, Attribute="createVolumePermission", OperationType="add", UserIds=[OTHER]
    )
    assert ec2.enable_snapshot_block_public_access(State="block-all-sharing")["State"] == "block-all-sharing"
    assert ec2.get_snapshot_block_public_access_state()["State"] == "block-all-sharing"
    assert refused(ec2.modify_snapshot_attribute, **public) == ("OperationNotPermitted", 400)
    assert refused(ec2.enable_snapshot_block_public_access, State="unblocked") == ("InvalidParameterValue", 400)
    assert ec2.disable_snapshot_block_public_access()["State"] == "unblocked"
    ec2.modify_snapshot_attribute(**public)


def test_allowed_images(ec2):
    on = ec2.enable_allowed_images_settings(AllowedImagesSettingsState="audit-mode")
    assert on["AllowedImagesSettingsState"] == "audit-mode"
    criteria = [
        {
            "ImageProviders": ["amazon", OTHER],
            "MarketplaceProductCodes": ["abc"],
            "ImageNames": ["golden-*"],
            "DeprecationTimeCondition": {"MaximumDaysSinceDeprecated": 0},
            "CreationDateCondition": {"MaximumDaysSinceCreated": 90},
        },
        {
            "ImageWatermarks": [{"WatermarkKey": "111111111111:gold"}],
            "ScanResultCondition": {"MaximumSeverityLabel": "high"},
        },
    ]
    assert ec2.replace_image_criteria_in_allowed_images_settings(ImageCriteria=criteria)["ReturnValue"] is True
    allowed = ec2.get_allowed_images_settings()
    assert (allowed["State"], allowed["ImageCriteria"]) == ("audit-mode", criteria)
    too_many = [{"ImageNames": ["x"]}] * 11
    replace = ec2.replace_image_criteria_in_allowed_images_settings
    assert refused(replace, ImageCriteria=too_many) == ("InvalidParameterValue", 400)
    assert ec2.disable_allowed_images_settings()["AllowedImagesSettingsState"] == "disabled"


def test_rights_dry_runs_and_declarative_policies(sim, ec2):
    reader = sim.session("ec2", READER)
    sim.post("edit", {"setGuardrails": {**PLACE, "guardrails": {"byDeclarativePolicy": True}}})
    for operation, params in CALLS:
        assert refused(getattr(reader, operation), **params) == ("UnauthorizedOperation", 403), operation
        call = getattr(ec2, operation)
        assert refused(call, DryRun=True, **params) == ("DryRunOperation", 412), operation
        if "_ebs_" in operation:
            call(**params)
        else:
            assert refused(call, **params) == ("OperationNotPermitted", 400), operation
    checks = {finding["check"] for finding in sim.get("audit")["findings"]}
    assert {"guardrailHeld", "foreignChange"} <= checks


def test_a_setting_shows_late(sim, ec2):
    sim.post("edit", {"settings": {"guardrailSeconds": 600}})
    ec2.enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "unblocked"
    sim.advance(600)
    assert ec2.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "block-new-sharing"
    [call] = [c for c in sim.get("journal") if c["operation"] == "EnableImageBlockPublicAccess"]
    assert call["effects"] == ["imagePublicAccess"]
    ec2.enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    checks = {finding["check"] for finding in sim.get("audit")["findings"]}
    assert "guardrailSetTwice" in checks
