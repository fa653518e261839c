"""Moving what launches an image, as boto3 sees it."""

import pytest
from conftest import ACCOUNT

GOLDEN = "ami-0000000a"
OLD = "ami-0000000b"


def every(call, field, **params):
    """All entries of all pages, of which some are empty."""
    found, token = [], {}
    while True:
        page = call(**params, **token)
        found += page[field]
        if not page.get("NextToken"):
            return found
        token = {"NextToken": page["NextToken"]}


@pytest.fixture
def template(staffed):
    """A launch template, by its ID."""
    templates = every(staffed.session("ec2").describe_launch_templates, "LaunchTemplates")
    return min(t["LaunchTemplateId"] for t in templates)


def test_launch_templates(staffed, template):
    ec2 = staffed.session("ec2")
    data = {
        "ImageId": OLD,
        "UserData": "IyE=",
        "SecurityGroupIds": ["sg-1"],
        "MetadataOptions": {"HttpTokens": "required"},
        "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": ["sg-2"]}],
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30}}],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}],
    }
    made = ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData=data)
    version = made["LaunchTemplateVersion"]
    assert version["LaunchTemplateData"] == data
    assert "Warning" not in made
    number = str(version["VersionNumber"])
    changed = ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion=number)
    assert changed["LaunchTemplate"]["DefaultVersionNumber"] == version["VersionNumber"]
    versions = ec2.describe_launch_template_versions
    [found] = every(versions, "LaunchTemplateVersions", LaunchTemplateId=template, Versions=["$Default"])
    assert found["LaunchTemplateData"] == data
    deleted = ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=["1", number])
    assert [v["VersionNumber"] for v in deleted["SuccessfullyDeletedLaunchTemplateVersions"]] == [1]
    [left] = deleted["UnsuccessfullyDeletedLaunchTemplateVersions"]
    assert left["ResponseError"]["Code"] == "unexpectedError"


def test_parameters(staffed):
    ssm = staffed.session("ssm")
    name = "/moving/image"
    put = ssm.put_parameter(Name=name, Value=OLD, Type="String", DataType="aws:ec2:image")
    assert (put["Version"], put["Tier"]) == (1, "Standard")
    staffed.advance(5)
    assert ssm.get_parameter(Name=name)["Parameter"]["Value"] == OLD
    with pytest.raises(ssm.exceptions.ParameterAlreadyExists):
        ssm.put_parameter(Name=name, Value=GOLDEN, Type="String")
    assert ssm.label_parameter_version(Name=name, Labels=["live", "1st"])["InvalidLabels"] == ["1st"]
    assert every(ssm.get_parameter_history, "Parameters", Name=name)[0]["Labels"] == ["live"]
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=name, Tags=[{"Key": "a", "Value": "b"}])
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    assert tags == [{"Key": "a", "Value": "b"}]
    ssm.delete_parameter(Name=name)
    staffed.advance(600)
    with pytest.raises(ssm.exceptions.ParameterNotFound):
        ssm.get_parameter(Name=name)


def test_instances_come_and_go(staffed):
    ec2 = staffed.session("ec2")
    made = ec2.run_instances(
        ImageId=OLD,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        ClientToken="once",
        MetadataOptions={"HttpTokens": "required"},
        NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": "subnet-0000000a", "AssociatePublicIpAddress": False}],
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "proof", "Value": "yes"}]}],
    )
    [instance] = made["Instances"]
    assert instance["State"]["Name"] == "pending"
    assert instance["Tags"] == [{"Key": "proof", "Value": "yes"}]
    ids = [instance["InstanceId"]]
    staffed.advance(200)
    [status] = every(ec2.describe_instance_status, "InstanceStatuses", InstanceIds=ids)
    assert (status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]) == ("ok", "ok")
    [ending] = ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]
    assert (ending["PreviousState"]["Name"], ending["CurrentState"]["Name"]) == ("running", "shutting-down")
    staffed.advance(60)
    [reservation] = every(ec2.describe_instances, "Reservations", InstanceIds=ids)
    [found] = reservation["Instances"]
    assert found["State"]["Name"] == "terminated"
    assert found["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_groups(staffed, template):
    scaling = staffed.session("autoscaling")
    groups = every(scaling.describe_auto_scaling_groups, "AutoScalingGroups", IncludeManagedResources=False)
    name = next(g["AutoScalingGroupName"] for g in groups if not g["Instances"])
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "1"},
            "Overrides": [{"InstanceType": "m5.large", "ImageId": OLD, "WeightedCapacity": "2"}],
        },
        "InstancesDistribution": {"OnDemandBaseCapacity": 2},
    }
    scaling.update_auto_scaling_group(AutoScalingGroupName=name, MixedInstancesPolicy=policy)
    [group] = every(scaling.describe_auto_scaling_groups, "AutoScalingGroups", AutoScalingGroupNames=[name])
    assert group["MixedInstancesPolicy"]["LaunchTemplate"] == policy["LaunchTemplate"]
    assert group["MixedInstancesPolicy"]["InstancesDistribution"]["OnDemandBaseCapacity"] == 2
    preferences = {
        "CheckpointPercentages": [50, 100],
        "CheckpointDelay": 60,
        "SkipMatching": True,
        "AlarmSpecification": {"Alarms": ["errors"]},
        "BakeTime": 10,
    }
    desired = {"LaunchTemplate": {"LaunchTemplateId": template, "Version": "1"}}
    started = scaling.start_instance_refresh(
        AutoScalingGroupName=name, Preferences=preferences, DesiredConfiguration=desired
    )
    with pytest.raises(scaling.exceptions.InstanceRefreshInProgressFault):
        scaling.start_instance_refresh(AutoScalingGroupName=name)
    [refresh] = every(scaling.describe_instance_refreshes, "InstanceRefreshes", AutoScalingGroupName=name)
    assert refresh["InstanceRefreshId"] == started["InstanceRefreshId"]
    assert (refresh["Preferences"], refresh["DesiredConfiguration"]) == (preferences, desired)
    staffed.advance(6)
    staffed.advance(20)
    [refresh] = every(scaling.describe_instance_refreshes, "InstanceRefreshes", AutoScalingGroupName=name)
    assert (refresh["Status"], refresh["PercentageComplete"]) == ("Successful", 100)
    [group] = every(scaling.describe_auto_scaling_groups, "AutoScalingGroups", AutoScalingGroupNames=[name])
    assert group["LaunchTemplate"]["LaunchTemplateId"] == template
    tag = {"ResourceId": name, "ResourceType": "auto-scaling-group", "Key": "a", "Value": "b", "PropagateAtLaunch": True}
    scaling.create_or_update_tags(Tags=[tag])
    assert tag in every(scaling.describe_tags, "Tags")


def test_watermarks(staffed):
    ec2 = staffed.session("ec2")
    key = ec2.attach_image_watermark(ImageId=OLD, WatermarkName="approved")["WatermarkKey"]
    assert key == f"{ACCOUNT}:approved"
    assert ec2.detach_image_watermark(ImageId=OLD, WatermarkKey=key)["Return"] is True
