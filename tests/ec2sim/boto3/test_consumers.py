"""What can launch an image, as boto3 sees it."""

import json

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from conftest import ACCOUNT, OTHER, REGION

GOLDEN = "ami-0000000a"
OLD = "ami-0000000b"
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def every(client, operation, field, size=None, **params):
    """All entries of all pages."""
    config = {"PageSize": size} if size else {}
    pages = client.get_paginator(operation).paginate(**params, PaginationConfig=config)
    return [entry for page in pages for entry in page.get(field, [])]


def test_instances(staffed):
    ec2 = staffed.session("ec2")
    found = every(ec2, "describe_instances", "Reservations", 5)
    instances = {i["InstanceId"]: i for r in found for i in r["Instances"]}
    assert len(found) == len(instances) == 22
    assert "i-0000000b" not in instances
    [hidden] = [
        i
        for r in every(ec2, "describe_instances", "Reservations", IncludeManagedResources=True)
        for i in r["Instances"]
        if i["InstanceId"] == "i-0000000b"
    ]
    assert hidden["Operator"] == {
        "Managed": True,
        "Principal": "eks.amazonaws.com",
        "HiddenByDefault": True,
    }
    one = instances["i-0000000a"]
    assert (one["ImageId"], one["State"]) == (GOLDEN, {"Code": 16, "Name": "running"})
    assert one["SpotInstanceRequestId"] == "sir-0000000a"
    assert one["InstanceLifecycle"] == "spot"
    assert one["Tags"] == [{"Key": "team", "Value": "a"}]
    assert one["LaunchTime"].year == 2025
    assert instances["i-0000000c"]["State"]["Name"] == "terminated"
    of_image = [{"Name": "image-id", "Values": [GOLDEN]}]
    assert len(ec2.describe_instances(Filters=of_image)["Reservations"]) == 21
    assert refused(ec2.describe_instances, InstanceIds=["i-00000bad"]) == (
        "InvalidInstanceID.NotFound",
        400,
    )


def test_image_metadata_of_instances(staffed):
    ec2 = staffed.session("ec2")
    ec2.deregister_image(ImageId=GOLDEN)
    found = every(ec2, "describe_instance_image_metadata", "InstanceImageMetadata", 5)
    assert len(found) == 22
    [one] = [m for m in found if m["InstanceId"] == "i-0000000a"]
    metadata = one["ImageMetadata"]
    assert metadata["State"] == "deregistered"
    assert (metadata["Name"], metadata["OwnerId"], metadata["IsPublic"]) == ("golden", ACCOUNT, False)


def test_launch_templates(staffed):
    ec2 = staffed.session("ec2")
    templates = every(ec2, "describe_launch_templates", "LaunchTemplates", 1)
    by_name = {t["LaunchTemplateName"]: t for t in templates}
    assert set(by_name) == {"alone", "moved", "by-parameter"}
    assert by_name["moved"]["DefaultVersionNumber"] == by_name["moved"]["LatestVersionNumber"] == 2
    hidden = ec2.describe_launch_templates(
        LaunchTemplateNames=["hidden"], IncludeManagedResources=True
    )["LaunchTemplates"]
    assert hidden[0]["Operator"]["Principal"] == "eks.amazonaws.com"
    assert refused(ec2.describe_launch_templates, LaunchTemplateNames=["hidden"])[0] == (
        "InvalidLaunchTemplateName.NotFoundException"
    )


def test_launch_template_versions(staffed):
    ec2 = staffed.session("ec2")
    field = "LaunchTemplateVersions"
    both = every(
        ec2, "describe_launch_template_versions", field, 1, Versions=["$Latest", "$Default"]
    )
    images = {v["LaunchTemplateName"]: v["LaunchTemplateData"]["ImageId"] for v in both}
    assert images == {
        "alone": GOLDEN,
        "moved": GOLDEN,
        "by-parameter": "resolve:ssm:/golden/web:live",
    }
    pinned = ec2.describe_launch_template_versions(
        LaunchTemplateId="lt-0000000b", Versions=["1"]
    )[field]
    assert pinned[0]["LaunchTemplateData"]["ImageId"] == OLD
    assert pinned[0]["DefaultVersion"] is False
    [newest] = ec2.describe_launch_template_versions(LaunchTemplateName="moved", MinVersion="2")[field]
    [mapping] = newest["LaunchTemplateData"]["BlockDeviceMappings"]
    [image] = ec2.describe_images(ImageIds=[GOLDEN])["Images"]
    assert mapping == {
        "DeviceName": "/dev/xvda",
        "Ebs": {
            "SnapshotId": image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"],
            "VolumeSize": 10,
            "VolumeType": "gp3",
            "DeleteOnTermination": True,
        },
    }
    resolved = ec2.describe_launch_template_versions(
        LaunchTemplateName="by-parameter", ResolveAlias=True
    )[field]
    assert resolved[0]["LaunchTemplateData"]["ImageId"] == GOLDEN
    assert refused(ec2.describe_launch_template_versions, Versions=["1"])[0] == "MissingParameter"
    assert refused(
        ec2.describe_launch_template_versions, LaunchTemplateName="moved", Versions=["9"]
    ) == ("InvalidLaunchTemplateId.VersionNotFound", 400)


def test_fleets_and_spot(staffed):
    ec2 = staffed.session("ec2")
    [fleet] = every(ec2, "describe_fleets", "Fleets", 1)
    [config] = fleet["LaunchTemplateConfigs"]
    assert config["LaunchTemplateSpecification"] == {
        "LaunchTemplateId": "lt-0000000b",
        "LaunchTemplateName": "moved",
        "Version": "1",
    }
    assert config["Overrides"] == [{"InstanceType": "c5.large", "ImageId": GOLDEN}]
    assert ec2.describe_fleets(FleetIds=["fleet-b"])["Fleets"][0]["Type"] == "instant"
    requests = every(ec2, "describe_spot_fleet_requests", "SpotFleetRequestConfigs", 1)
    by_id = {r["SpotFleetRequestId"]: r["SpotFleetRequestConfig"] for r in requests}
    [specification] = by_id["sfr-a"]["LaunchSpecifications"]
    assert specification == {"ImageId": GOLDEN, "InstanceType": "c5.large"}
    [config] = by_id["sfr-b"]["LaunchTemplateConfigs"]
    assert config["LaunchTemplateSpecification"]["LaunchTemplateName"] == "alone"
    spot = every(ec2, "describe_spot_instance_requests", "SpotInstanceRequests", 5)
    assert {(s["Type"], s["State"]) for s in spot} == {("persistent", "active"), ("one-time", "open")}
    assert all(s["LaunchSpecification"]["ImageId"] == GOLDEN for s in spot)


def test_image_references(staffed):
    ec2 = staffed.session("ec2")
    found = every(
        ec2,
        "describe_image_references",
        "ImageReferences",
        5,
        ImageIds=[OLD],
        ResourceTypes=[
            {"ResourceType": "ec2:Instance"},
            {
                "ResourceType": "ec2:LaunchTemplate",
                "ResourceTypeOptions": [{"OptionName": "version-depth", "OptionValues": ["1"]}],
            },
            {"ResourceType": "ssm:Parameter"},
        ],
    )
    assert {r["ResourceType"] for r in found} == {"ec2:Instance", "ssm:Parameter"}
    everything = every(
        ec2,
        "describe_image_references",
        "ImageReferences",
        ImageIds=[GOLDEN],
        IncludeAllResourceTypes=True,
    )
    arns = {r["Arn"] for r in everything}
    prefix = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
    assert f"{prefix}:launch-template/lt-0000000b" in arns
    assert f"{prefix}:launch-template/lt-0000000d" not in arns
    assert not any("autoscaling" in arn or "fleet" in arn for arn in arns)
    reader = staffed.session("ec2", READER)
    assert refused(
        reader.describe_image_references, ImageIds=[GOLDEN], IncludeAllResourceTypes=True
    ) == ("UnauthorizedOperation", 403)


def test_usage_reports(staffed):
    ec2 = staffed.session("ec2")
    types = [{"ResourceType": "ec2:Instance"}, {"ResourceType": "ec2:LaunchTemplate"}]
    report = ec2.create_image_usage_report(ImageId=GOLDEN, ResourceTypes=types)["ReportId"]
    [pending] = ec2.describe_image_usage_reports(ReportIds=[report])["ImageUsageReports"]
    assert pending["State"] == "pending"
    assert (pending["ExpirationTime"] - pending["CreationTime"]).days == 30
    staffed.advance(61)
    [done] = every(ec2, "describe_image_usage_reports", "ImageUsageReports", 1)
    assert done["State"] == "available"
    entries = every(ec2, "describe_image_usage_report_entries", "ImageUsageReportEntries", 1)
    assert {(e["AccountId"], e["ResourceType"], e["UsageCount"]) for e in entries} == {
        (OTHER, "ec2:Instance", 3),
        (OTHER, "ec2:LaunchTemplate", 1),
    }
    assert ec2.delete_image_usage_report(ReportId=report)["Return"] is True
    assert every(ec2, "describe_image_usage_reports", "ImageUsageReports") == []


def test_auto_scaling(staffed):
    autoscaling = staffed.session("autoscaling")
    groups = every(autoscaling, "describe_auto_scaling_groups", "AutoScalingGroups")
    by_name = {g["AutoScalingGroupName"]: g for g in groups}
    assert len(groups) == len(by_name) == 64
    assert by_name["pinned"]["LaunchTemplate"] == {
        "LaunchTemplateId": "lt-0000000b",
        "LaunchTemplateName": "moved",
        "Version": "1",
    }
    assert by_name["more-1"]["LaunchTemplate"] == {"LaunchTemplateName": "moved"}
    assert by_name["empty"]["DesiredCapacity"] == 0
    assert by_name["suspended"]["SuspendedProcesses"][0]["ProcessName"] == "Launch"
    assert by_name["suspended"]["LaunchConfigurationName"] == "classic"
    assert by_name["suspended"]["Tags"][0]["Value"] == "a"
    policy = by_name["mixed"]["MixedInstancesPolicy"]["LaunchTemplate"]
    assert policy["LaunchTemplateSpecification"]["LaunchTemplateName"] == "moved"
    by_image, by_template = policy["Overrides"]
    assert by_image == {"InstanceType": "m5.large", "ImageId": OLD}
    assert by_template["LaunchTemplateSpecification"]["LaunchTemplateName"] == "alone"
    assert by_name["mixed"]["Operator"] == {"Principal": "eks.amazonaws.com"}
    tagged = [{"Name": "tag:team", "Values": ["a"]}]
    found = autoscaling.describe_auto_scaling_groups(Filters=tagged)["AutoScalingGroups"]
    assert [g["AutoScalingGroupName"] for g in found] == ["suspended"]
    configurations = every(autoscaling, "describe_launch_configurations", "LaunchConfigurations")
    assert len(configurations) == 61
    [classic] = [c for c in configurations if c["LaunchConfigurationName"] == "classic"]
    assert classic["ImageId"] == OLD
    assert classic["BlockDeviceMappings"][0]["Ebs"] == {"VolumeSize": 20, "Encrypted": False}
    assert refused(autoscaling.describe_auto_scaling_groups, MaxRecords=101) == (
        "ValidationError",
        400,
    )
    reader = staffed.session("autoscaling", READER)
    assert refused(reader.describe_auto_scaling_groups) == ("AccessDenied", 403)


def test_parameters(staffed):
    ssm = staffed.session("ssm")
    values = every(ssm, "get_parameters_by_path", "Parameters", Path="/", Recursive=True)
    by_name = {p["Name"]: p for p in values}
    assert len(by_name) == 38
    assert by_name["/app/23"]["Value"] == "value 23"
    described = every(ssm, "describe_parameters", "Parameters")
    assert len(described) == 40
    only_images = [{"Key": "DataType", "Values": ["aws:ec2:image"]}]
    [image] = every(ssm, "describe_parameters", "Parameters", ParameterFilters=only_images)
    assert (image["Name"], image["Version"], image["Tier"]) == ("/golden/web", 2, "Standard")
    some = ssm.get_parameters(Names=["/golden/web:live", "list", "nothing"])
    assert [p["Value"] for p in some["Parameters"]] == [GOLDEN, f"{GOLDEN},{OLD}"]
    assert some["InvalidParameters"] == ["nothing"]
    one = ssm.get_parameter(Name=image["ARN"])["Parameter"]
    assert (one["Value"], one["DataType"]) == (OLD, "aws:ec2:image")
    assert one["LastModifiedDate"].year == 2025
    assert ssm.get_parameter(Name="secret", WithDecryption=True)["Parameter"]["Value"] == "hush"
    history = every(ssm, "get_parameter_history", "Parameters", 1, Name="/golden/web")
    assert {(v["Version"], v["Value"], tuple(v["Labels"])) for v in history} == {
        (1, GOLDEN, ("live",)),
        (2, OLD, ()),
    }
    for call, params, code in [
        (ssm.get_parameter, {"Name": "nothing"}, "ParameterNotFound"),
        (ssm.get_parameter, {"Name": "list:9"}, "ParameterVersionNotFound"),
        (ssm.get_parameter_history, {"Name": "nothing"}, "ParameterNotFound"),
        (ssm.get_parameters_by_path, {"Path": "app"}, "ValidationException"),
        (ssm.describe_parameters, {"NextToken": "x"}, "InvalidNextToken"),
    ]:
        assert refused(call, **params) == (code, 400)
    reader = staffed.session("ssm", READER)
    assert refused(reader.get_parameter, Name="list") == ("AccessDeniedException", 400)


def test_eks(staffed):
    eks = staffed.session("eks")
    assert len(every(eks, "list_clusters", "clusters", 7)) == 31
    assert set(every(eks, "list_nodegroups", "nodegroups", 1, clusterName="blue")) == {
        "custom",
        "stock",
    }
    group = eks.describe_nodegroup(clusterName="blue", nodegroupName="custom")["nodegroup"]
    assert group["launchTemplate"] == {"id": "lt-0000000b", "name": "moved", "version": "1"}
    assert (group["amiType"], group["releaseVersion"]) == ("CUSTOM", OLD)
    assert group["createdAt"].year == 2025
    missing = ("ResourceNotFoundException", 404)
    assert refused(eks.list_nodegroups, clusterName="red") == missing
    assert refused(eks.describe_nodegroup, clusterName="blue", nodegroupName="x") == missing
    reader = staffed.session("eks", READER)
    assert refused(reader.list_clusters) == ("AccessDeniedException", 403)


def test_batch(staffed):
    batch = staffed.session("batch")
    found = every(batch, "describe_compute_environments", "computeEnvironments", 1)
    by_name = {e["computeEnvironmentName"]: e for e in found}
    override = by_name["override"]
    assert override["state"] == "DISABLED"
    assert override["computeResources"]["ec2Configuration"] == [
        {"imageType": "ECS_AL2023", "imageIdOverride": GOLDEN}
    ]
    template = by_name["template"]["computeResources"]["launchTemplate"]
    assert template["launchTemplateName"] == "alone"
    assert template["overrides"][0]["targetInstanceTypes"] == ["c5"]
    assert refused(batch.describe_compute_environments, maxResults=101) == ("ClientException", 400)
    reader = staffed.session("batch", READER)
    assert refused(reader.describe_compute_environments) == ("AccessDeniedException", 403)
    elsewhere = staffed.session("batch", region="us-east-1")
    with pytest.raises(ConnectionClosedError):
        elsewhere.describe_compute_environments()


def test_image_builder(staffed):
    builder = staffed.session("imagebuilder")
    recipes = every(builder, "list_image_recipes", "imageRecipeSummaryList")
    assert len(recipes) == 32
    [web] = [r for r in recipes if r["arn"].endswith("image-recipe/web/1.1.0")]
    assert web["parentImage"] == "ssm:/golden/web"
    recipe = builder.get_image_recipe(imageRecipeArn=web["arn"].replace("1.1.0", "1.0.0"))["imageRecipe"]
    assert (recipe["parentImage"], recipe["version"]) == (GOLDEN, "1.0.0")
    [tool] = every(builder, "list_container_recipes", "containerRecipeSummaryList")
    assert tool["instanceImage"] == GOLDEN
    recipe = builder.get_container_recipe(containerRecipeArn=tool["arn"])["containerRecipe"]
    assert recipe["instanceConfiguration"] == {"image": GOLDEN}
    unknown = tool["arn"].replace("tool", "nothing")
    assert refused(builder.get_container_recipe, containerRecipeArn=unknown) == (
        "InvalidRequestException",
        400,
    )
    reader = staffed.session("imagebuilder", READER)
    assert refused(reader.list_image_recipes) == ("AccessDeniedException", 403)


def test_throttled_calls_are_retried(staffed):
    for service, call in [
        ("autoscaling", "describe_auto_scaling_groups"),
        ("ssm", "describe_parameters"),
        ("eks", "list_clusters"),
        ("batch", "describe_compute_environments"),
    ]:
        staffed.post("faults", {"service": service, "nth": 1, "act": "throttle"})
        getattr(staffed.session(service, retries=3), call)()
    outcomes = {c["outcome"] for c in staffed.get("journal")}
    assert {"Throttling", "ThrottlingException", "TooManyRequestsException"} <= outcomes
    # boto3 does not know this one for what it is.
    staffed.post("faults", {"service": "imagebuilder", "nth": 1, "act": "throttle"})
    builder = staffed.session("imagebuilder")
    assert refused(builder.list_image_recipes) == ("CallRateLimitExceededException", 429)
    assert builder.list_image_recipes()["imageRecipeSummaryList"]


def test_edits_and_the_truth(staffed):
    def users(image):
        path = f"consumers?account={ACCOUNT}&region={REGION}&image={image}"
        return {(c["kind"], c["id"]) for c in staffed.get(path)}

    assert ("autoScalingGroup", "pinned") in users(OLD)
    change = {"templateVersion": {"template": "moved", "version": {"image": "old"}, "makeDefault": True}}
    staffed.post("edit", {"consumer": {"account": ACCOUNT, "region": REGION, "change": change}})
    assert ("autoScalingGroup", "more-1") in users(OLD)
    assert ("oldTemplateVersion", "lt-0000000b:2") in users(GOLDEN)


def test_guardrails(staffed):
    ec2 = staffed.session("ec2")
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    key = ec2.get_ebs_default_kms_key_id()["KmsKeyId"]
    access = ec2.get_image_block_public_access_state()
    assert (access["ImageBlockPublicAccessState"], access["ManagedBy"]) == ("block-new-sharing", "account")
    assert ec2.get_snapshot_block_public_access_state()["State"] == "unblocked"
    allowed = ec2.get_allowed_images_settings()
    assert (allowed["State"], allowed["ManagedBy"]) == ("enabled", "account")
    assert allowed["ImageCriteria"] == [
        {
            "ImageProviders": ["amazon"],
            "ImageNames": ["golden-*"],
            "DeprecationTimeCondition": {"MaximumDaysSinceDeprecated": 0},
            "CreationDateCondition": {"MaximumDaysSinceCreated": 90},
            "ImageWatermarks": [{"WatermarkKey": "111111111111:gold"}],
            "ScanResultCondition": {"MaximumSeverityLabel": "high"},
        }
    ]
    line = ec2.get_image_ancestry(ImageId="ami-0000000c")["ImageAncestryEntries"]
    assert [e["ImageId"] for e in line] == ["ami-0000000c", GOLDEN]
    kms = staffed.session("kms")
    policy = kms.get_key_policy(KeyId=key)
    assert policy["PolicyName"] == "default"
    assert ACCOUNT in policy["Policy"]
    grants = every(kms, "list_grants", "Grants", 1, KeyId=key)
    assert {g["Name"] for g in grants} == {"one", "two"}
    grants = [{"name": "three", "grantee": READER, "operations": ["Decrypt"], "encryptionContext": {"a": "b"}}]
    where = {"account": ACCOUNT, "region": REGION, "key": "alias/ami"}
    staffed.post("edit", {"setKeyPolicy": {**where, "policy": {"Statement": []}, "grants": grants}})
    assert json.loads(kms.get_key_policy(KeyId=key)["Policy"]) == {"Statement": []}
    [grant] = every(kms, "list_grants", "Grants", KeyId=key, GranteePrincipal=READER)
    assert grant["Constraints"] == {"EncryptionContextSubset": {"a": "b"}}
    aws = kms.describe_key(KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"]
    [everybody, _] = json.loads(kms.get_key_policy(KeyId=aws)["Policy"])["Statement"]
    assert everybody["Principal"] == {"AWS": "*"}
    assert everybody["Condition"]["StringEquals"]["kms:CallerAccount"] == ACCOUNT
    rotation = kms.get_key_rotation_status(KeyId=key)
    assert (rotation["KeyRotationEnabled"], rotation["RotationPeriodInDays"]) == (True, 365)
    [snapshot] = ec2.describe_snapshots(OwnerIds=["self"], RestorableByUserIds=["all"])["Snapshots"]
    [image] = ec2.describe_images(ImageIds=["ami-0000000c"])["Images"]
    assert snapshot["SnapshotId"] == image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    assert image["ScanResults"]["HighestFindingSeverityLabel"] == "low"
    assert image["ScanResults"]["FindingScanDate"].year == 2025
    cloudtrail = staffed.session("cloudtrail")
    [trail] = cloudtrail.describe_trails()["trailList"]
    assert (trail["Name"], trail["HomeRegion"]) == ("here", REGION)
    assert cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"] is True
    [selector] = cloudtrail.get_event_selectors(TrailName="here")["EventSelectors"]
    assert selector["ReadWriteType"] == "WriteOnly"
    assert refused(cloudtrail.get_trail_status, Name="there")[0] == "TrailNotFoundException"
    reader = staffed.session("ec2", READER)
    denied = ("UnauthorizedOperation", 403)
    assert refused(reader.get_ebs_encryption_by_default) == denied
    assert refused(reader.get_image_ancestry, ImageId=GOLDEN) == denied
