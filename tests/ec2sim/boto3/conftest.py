"""Starts the simulator for each test and gives clients of it."""

import contextlib
import json
import os
import subprocess
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

HERE = Path(__file__).parent
REGION = "eu-west-1"
ACCOUNT = "111111111111"
OTHER = "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/images"


def binary():
    """The simulator's binary, from EC2SIM_BIN."""
    path = os.environ.get("EC2SIM_BIN")
    if not path:
        raise RuntimeError("set EC2SIM_BIN to the path of the built ec2sim binary")
    return path


class Simulator:
    """A running simulator."""

    def __init__(self, endpoint):
        self.endpoint = endpoint

    def get(self, path):
        with urllib.request.urlopen(f"{self.endpoint}/_sim/{path}") as answer:
            return json.load(answer)

    def post(self, path, body):
        request = urllib.request.Request(
            f"{self.endpoint}/_sim/{path}", data=json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def advance(self, seconds):
        self.post("edit", {"clock": {"advanceSeconds": seconds}})

    def client(self, service, credentials=None, region=REGION, retries=1):
        """A client with these credentials; absent: those of the management account."""
        credentials = credentials or {
            "AccessKeyId": "AKIAMANAGEMENT000001",
            "SecretAccessKey": "secret",
            "SessionToken": None,
        }
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            config=Config(retries={"total_max_attempts": retries}),
        )

    def assume(self, role=ROLE, **more):
        if role == ROLE:
            more.setdefault("ExternalId", "platform")
        return self.client("sts").assume_role(RoleArn=role, RoleSessionName="suite", **more)

    def session(self, service, role=ROLE, region=REGION, retries=1, **more):
        """A client with a session of a role."""
        credentials = self.assume(role, **more)["Credentials"]
        return self.client(service, credentials, region, retries)


@contextlib.contextmanager
def serving(world):
    process = subprocess.Popen(
        [binary(), "serve", "--world", str(HERE / world)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Simulator(process.stdout.readline().strip())
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
        process.stdout.close()


@pytest.fixture
def sim():
    with serving("world.yaml") as simulator:
        yield simulator


@pytest.fixture
def staffed():
    """A world with all that can launch an image."""
    with serving("consumers.yaml") as simulator:
        yield simulator


@pytest.fixture
def listening():
    """A world with an organization, and with a queue that events go to."""
    with serving("listening.yaml") as simulator:
        yield simulator


@pytest.fixture
def ec2(sim):
    return sim.session("ec2")


@pytest.fixture
def key_arn(sim):
    return sim.session("kms").describe_key(KeyId="alias/ami")["KeyMetadata"]["Arn"]
