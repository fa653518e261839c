"""Faults, the journal, the control endpoints and the command line."""

import json
import subprocess
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from conftest import HERE, REGION, binary

RICH = "ami-0000000a"


def test_a_retry_of_a_dropped_call_copies_once(sim, key_arn):
    sim.post("faults", {"operation": "CopyImage", "nth": 1, "act": "dropAfter"})
    ec2 = sim.session("ec2", retries=3)
    # boto3 makes up a token of its own for the retries of one call.
    made = ec2.copy_image(
        Name="copy", SourceImageId=RICH, SourceRegion=REGION, Encrypted=True, KmsKeyId=key_arn
    )["ImageId"]
    calls = [c for c in sim.get("journal") if c["operation"] == "CopyImage"]
    assert [c["outcome"] for c in calls] == ["ConnectionDropped", "OK"]
    assert [c["effect"] for c in calls] == [True, False]
    assert calls[0]["effects"][0] == made


def test_a_dropped_connection_is_an_error_of_the_connection(sim, ec2):
    sim.post("faults", {"operation": "DescribeRegions", "act": "dropBefore"})
    with pytest.raises(ConnectionClosedError):
        ec2.describe_regions()


def test_throttled_calls_are_retried(sim):
    sim.post("faults", {"operation": "DescribeRegions", "to": 2, "act": "throttle"})
    assert sim.session("ec2", retries=3).describe_regions()["Regions"]
    outcomes = [c["outcome"] for c in sim.get("journal") if c["operation"] == "DescribeRegions"]
    assert outcomes == ["RequestLimitExceeded", "RequestLimitExceeded", "OK"]


def test_any_code_and_status_can_be_answered(sim, ec2):
    act = {"failBefore": {"code": "Unavailable", "status": 503, "message": "down"}}
    sim.post("faults", [{"service": "ec2", "region": "eu-*", "act": act}])
    with pytest.raises(ClientError) as caught:
        ec2.describe_regions()
    assert caught.value.response["Error"] == {"Code": "Unavailable", "Message": "down"}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_the_journal_tells_who_called_what(sim, ec2):
    ec2.describe_regions()
    call = sim.get("journal")[-1]
    assert call["operation"] == "DescribeRegions"
    assert call["principal"].endswith(":assumed-role/images/suite")
    assert (call["region"], call["outcome"], call["mutating"]) == (REGION, "OK", False)
    assert call["realTime"]


def test_the_command_line_audits_by_exit_status(sim, ec2):
    def audit(*more):
        command = [binary(), "audit", "--endpoint", sim.endpoint, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good = audit()
    assert good.returncode == 0
    assert good.stdout.splitlines()[-1].startswith("OK: ")
    ec2.deregister_image(ImageId=RICH)
    bad = audit()
    assert bad.returncode == 1
    assert bad.stdout.splitlines()[-1].startswith("NOT OK: ")
    checks = {f["check"] for f in json.loads(audit("--output", "json").stdout)["findings"]}
    assert checks == {"originalGone", "foreignChange"}


def test_the_command_line_checks_worlds(tmp_path):
    def check(path):
        command = [binary(), "check", "--world", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert check(HERE / "world.yaml").returncode == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text("accounts: [{id: x}]\n")
    answer = check(bad)
    assert answer.returncode == 2
    assert "accounts[0].id" in answer.stderr


def test_a_port_file_tells_the_port(tmp_path):
    port_file = tmp_path / "port"
    process = subprocess.Popen(
        [binary(), "serve", "--world", str(HERE / "world.yaml"), "--port-file", str(port_file)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        endpoint = process.stdout.readline().strip()
        for _ in range(100):
            if port_file.exists():
                break
            time.sleep(0.05)
        assert endpoint.endswith(":" + port_file.read_text())
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
