"""STS and KMS as boto3 sees them."""

import json

import pytest
from botocore.exceptions import ClientError
from conftest import ACCOUNT, REGION, ROLE


def code_of(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_session_is_the_role_that_was_assumed(sim):
    answer = sim.assume(Tags=[{"Key": "purpose", "Value": "suite"}], DurationSeconds=900)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/images/suite"
    assert answer["AssumedRoleUser"]["Arn"] == arn
    assert answer["PackedPolicySize"] >= 0
    identity = sim.client("sts", answer["Credentials"]).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (ACCOUNT, arn)
    assert identity["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]


def test_the_external_id_must_be_right(sim):
    sts = sim.client("sts")
    for more in ({}, {"ExternalId": "wrong"}):
        assert code_of(sts.assume_role, RoleArn=ROLE, RoleSessionName="suite", **more) == (
            "AccessDenied",
            403,
        )


def test_session_tags_need_consent(sim):
    role = f"arn:aws:iam::{ACCOUNT}:role/untaggable"
    sim.assume(role)
    tags = [{"Key": "a", "Value": "b"}]
    assert code_of(sim.assume, role=role, Tags=tags) == ("AccessDenied", 403)


def test_a_session_policy_narrows_the_role(sim):
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"},
            {"Effect": "Deny", "Action": ["ec2:Create*", "ec2:De[lr]*", "ec2:DeleteTags"], "Resource": "*"},
        ],
    }
    ec2 = sim.session("ec2", Policy=json.dumps(policy))
    assert ec2.describe_images(Owners=["self"])["Images"]
    tags = [{"Key": "a", "Value": "b"}]
    denied = ("UnauthorizedOperation", 403)
    assert code_of(ec2.create_tags, Resources=["ami-0000000a"], Tags=tags) == denied
    kms = sim.session("kms", Policy=json.dumps(policy))
    assert code_of(kms.describe_key, KeyId="alias/ami") == ("AccessDeniedException", 400)


def test_sessions_end(sim):
    ec2 = sim.session("ec2")
    sim.post("edit", {"expireSessions": {}})
    assert code_of(ec2.describe_images) == ("RequestExpired", 400)


def test_unknown_credentials_and_closed_regions(sim):
    nobody = {"AccessKeyId": "AKIANOBODY", "SecretAccessKey": "x", "SessionToken": None}
    assert code_of(sim.client("ec2", nobody).describe_images) == ("AuthFailure", 401)
    assert code_of(sim.client("sts", nobody).get_caller_identity) == ("InvalidClientTokenId", 403)
    credentials = sim.assume()["Credentials"]
    closed = sim.client("ec2", credentials, region="ap-east-1")
    assert code_of(closed.describe_images) == ("AuthFailure", 401)


def test_keys_by_every_name(sim):
    kms = sim.session("kms")
    key = kms.describe_key(KeyId="alias/ami")["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    assert key["KeyUsage"] == "ENCRYPT_DECRYPT"
    assert key["KeySpec"] == "SYMMETRIC_DEFAULT"
    assert key["KeyManager"] == "CUSTOMER"
    assert key["CreationDate"].year == 2024
    for name in (key["KeyId"], key["Arn"], f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/ami"):
        assert kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == key["Arn"]
    assert kms.describe_key(KeyId="alias/off")["KeyMetadata"]["KeyState"] == "Disabled"
    assert code_of(kms.describe_key, KeyId="alias/none") == ("NotFoundException", 400)
    assert code_of(kms.list_keys) == ("UnknownOperationException", 400)


def test_aliases(sim):
    pages = sim.session("kms").get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 1})
    names = [a["AliasName"] for page in pages for a in page["Aliases"]]
    assert names == ["alias/ami", "alias/off"]
