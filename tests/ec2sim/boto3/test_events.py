"""Queues and the events in them, as boto3 sees them."""

import json

import pytest
from botocore.exceptions import ClientError

IMAGE = "ami-0000000a"


@pytest.fixture
def queue(listening):
    return listening.client("sqs").get_queue_url(QueueName="hints")["QueueUrl"]


def receive(sim, queue, **params):
    params.setdefault("MaxNumberOfMessages", 10)
    params.setdefault("MessageSystemAttributeNames", ["All"])
    return sim.client("sqs").receive_message(QueueUrl=queue, **params).get("Messages", [])


def refused(call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def test_a_queue_has_the_url_of_the_endpoint(listening, queue):
    assert queue == f"{listening.endpoint}/000000000001/hints"


def test_a_message_is_sent_received_and_deleted(listening, queue):
    sqs = listening.client("sqs")
    sent = sqs.send_message(QueueUrl=queue, MessageBody="grüße")
    message = receive(listening, queue)[0]
    assert message["Body"] == "grüße"
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert message["Attributes"]["SentTimestamp"].startswith("17672")
    assert receive(listening, queue, WaitTimeSeconds=20) == []
    listening.advance(30)
    again = receive(listening, queue)[0]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    entries = [
        {"Id": "good", "ReceiptHandle": again["ReceiptHandle"]},
        {"Id": "bad", "ReceiptHandle": "nonsense"},
    ]
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == ["good"]
    assert [one["Code"] for one in answer["Failed"]] == ["ReceiptHandleIsInvalid"]
    listening.advance(30)
    assert receive(listening, queue) == []


def test_refusals_have_the_codes_of_sqs(listening, queue):
    sqs = listening.client("sqs")
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    assert refused(sqs.get_queue_url, QueueName="none") == missing
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=queue.replace("hints", "none"))
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle="nonsense")
    assert refused(listening.session("sqs").receive_message, QueueUrl=queue) == "AccessDenied"


def test_images_and_settings_tell_what_becomes_of_them(listening, queue):
    ec2 = listening.session("ec2")
    ec2.disable_ebs_encryption_by_default()
    ec2.deregister_image(ImageId=IMAGE)
    listening.session("ssm").put_parameter(Name="/golden", Value="x", Type="String")
    events = [json.loads(message["Body"]) for message in receive(listening, queue)]
    assert {event["account"] for event in events} == {"111111111111"}
    assert {event["region"] for event in events} == {"eu-west-1"}
    kinds = sorted(event["detail-type"] for event in events)
    call = "AWS API Call via CloudTrail"
    assert kinds == [call, call, "EC2 AMI State Change", "Parameter Store Change"]
    told = {event["detail"].get("eventName"): event["detail"] for event in events}
    who = told["DisableEbsEncryptionByDefault"]["userIdentity"]
    assert who["arn"] == "arn:aws:sts::111111111111:assumed-role/images/suite"
    [image] = [event for event in events if event["detail-type"] == "EC2 AMI State Change"]
    assert (image["detail"]["ImageId"], image["detail"]["State"]) == (IMAGE, "deregistered")


def test_anything_can_be_put_into_a_queue(listening, queue):
    place = {"account": "000000000001", "region": "eu-west-1", "queue": "hints"}
    listening.post("edit", {"sendMessage": {**place, "body": "not an event", "times": 3}})
    bodies = [message["Body"] for message in receive(listening, queue)]
    assert bodies == ["not an event"] * 3
