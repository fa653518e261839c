"""Organizations, as boto3 sees them."""

import pytest
from botocore.exceptions import ClientError

HOME = "us-east-1"


def pages(client, operation, field, **params):
    found = client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 1}, **params)
    return [entry for page in found for entry in page[field]]


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def test_accounts_and_units_are_listed_by_page(listening):
    client = listening.client("organizations", region=HOME)
    accounts = pages(client, "list_accounts", "Accounts")
    assert {account["Id"]: account["State"] for account in accounts} == {
        "000000000001": "ACTIVE",
        "111111111111": "ACTIVE",
        "222222222222": "ACTIVE",
        "333333333333": "SUSPENDED",
    }
    assert all("Status" not in account for account in accounts)
    assert accounts[0]["JoinedTimestamp"].year == 2024
    [root] = pages(client, "list_roots", "Roots")
    units = "list_organizational_units_for_parent"
    [unit] = pages(client, units, "OrganizationalUnits", ParentId=root["Id"])
    assert (unit["Id"], unit["Name"]) == ("ou-root-prod0000", "production")
    [below] = pages(client, units, "OrganizationalUnits", ParentId=unit["Id"])
    assert pages(client, units, "OrganizationalUnits", ParentId=below["Id"]) == []
    inside = pages(client, "list_accounts_for_parent", "Accounts", ParentId=below["Id"])
    assert sorted(account["Id"] for account in inside) == ["222222222222", "333333333333"]
    organization = client.describe_organization()["Organization"]
    assert (organization["Id"], organization["MasterAccountId"]) == ("o-example001", "000000000001")


def test_members_and_others_are_refused(listening, sim):
    member = listening.session("organizations", region=HOME)
    assert refused(member.list_accounts) == "AccessDeniedException"
    assert member.describe_organization()["Organization"]["Id"] == "o-example001"
    manager = listening.client("organizations", region=HOME)
    gone = {"ParentId": "ou-root-gone0000"}
    assert refused(manager.list_accounts_for_parent, **gone) == "ParentNotFoundException"
    alone = sim.client("organizations", region=HOME)
    assert refused(alone.list_accounts) == "AWSOrganizationsNotInUseException"


def test_accounts_are_closed_and_moved(listening):
    client = listening.client("organizations", region=HOME)
    account = "222222222222"
    listening.post("edit", {"setAccountState": {"account": account, "state": "CLOSED"}})
    listening.post("edit", {"moveAccount": {"account": account, "parent": "r-root"}})
    found = pages(client, "list_accounts_for_parent", "Accounts", ParentId="r-root")
    states = {one["Id"]: one["State"] for one in found}
    assert states == {"000000000001": "ACTIVE", account: "CLOSED"}
