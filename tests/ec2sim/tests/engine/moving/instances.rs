//! RunInstances, TerminateInstances, DescribeInstanceStatus.

use super::super::support::{ACCOUNT, Client, OTHER, OWNER, REGION, Reply, client, seconds, world, yaml};
use super::super::using::{GOLDEN, OLD, STAFF};
use super::{restricted, staffed, staffed_with};

const ONE: [(&str, &str); 2] = [("MinCount", "1"), ("MaxCount", "1")];
const SUBNET: &str = "subnet-0000000a";

fn run(c: &Client, image: &str, more: &[(&str, &str)]) -> Reply {
    let mut params = vec![ONE[0], ONE[1], ("ImageId", image), ("InstanceType", "t3.micro")];
    params.extend_from_slice(more);
    c.ec2("RunInstances", &params)
}

fn described(c: &Client, id: &str) -> Reply {
    c.ec2("DescribeInstances", &[("InstanceId.1", id)])
}

fn status(c: &Client, id: &str) -> Vec<String> {
    let params = [("InstanceId.1", id), ("IncludeAllInstances", "true")];
    c.ec2("DescribeInstanceStatus", &params).all("status")
}

fn state(c: &Client, id: &str) -> String {
    let reply = described(c, id);
    let state = reply.one("instanceState");
    state
        .split("<name>")
        .nth(1)
        .and_then(|s| s.split('<').next())
        .unwrap_or_default()
        .to_owned()
}

/// A world with an image whose snapshot is under a key, and how that may be used.
fn under(key: &str) -> ec2sim::Sim {
    let images = format!("    - {{name: sealed, id: ami-0000000c, encryptedUnder: {key}}}\n{STAFF}");
    world(&yaml("", &images, ""))
}

#[test]
fn an_instance_comes_up_passes_its_checks_and_is_terminated() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let more = [
        ("SubnetId", SUBNET),
        ("ClientToken", "once"),
        ("MetadataOptions.HttpTokens", "required"),
        ("InstanceInitiatedShutdownBehavior", "terminate"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "proof"),
        ("TagSpecification.1.Tag.1.Value", "of the copy"),
    ];
    let made = run(&c, GOLDEN, &more);
    assert_eq!(made.code(), "OK", "{}", made.body);
    let id = made.one("instanceId");
    assert_eq!(state(&c, &id), "pending");
    assert_eq!(status(&c, &id), ["not-applicable", "not-applicable"]);
    seconds(&sim, 20);
    assert_eq!(state(&c, &id), "running");
    assert_eq!(status(&c, &id), ["initializing"; 4]);
    let running = described(&c, &id);
    assert_eq!(
        (running.one("subnetId"), running.one("httpTokens")),
        (SUBNET.to_owned(), "required".to_owned())
    );
    assert_eq!(running.one("clientToken"), "once");
    let ok = [
        ("Filter.1.Name", "instance-status.status"),
        ("Filter.1.Value.1", "ok"),
        ("InstanceId.1", id.as_str()),
    ];
    assert!(c.ec2("DescribeInstanceStatus", &ok).all("instanceId").is_empty());
    seconds(&sim, 120);
    assert_eq!(c.ec2("DescribeInstanceStatus", &ok).one("instanceId"), id);
    assert_eq!(status(&c, &id), ["ok", "passed", "ok", "passed"]);
    let filtered = [
        ("Filter.1.Name", "tag:proof"),
        ("Filter.1.Value.1", "of the copy"),
        ("Filter.2.Name", "instance-state-name"),
        ("Filter.2.Value.1", "running"),
    ];
    assert_eq!(c.ec2("DescribeInstances", &filtered).one("instanceId"), id);
    let ended = c.ec2("TerminateInstances", &[("InstanceId.1", &id)]);
    assert_eq!(ended.all("name"), ["shutting-down", "running"]);
    assert_eq!(state(&c, &id), "shutting-down");
    seconds(&sim, 30);
    assert_eq!(state(&c, &id), "terminated");
    assert_eq!(
        described(&c, &id).one("stateReason"),
        "<code>Client.UserInitiatedShutdown</code><message>Client.UserInitiatedShutdown: User initiated shutdown</message>"
    );
    assert_eq!(c.ec2("TerminateInstances", &[("InstanceId.1", &id)]).code(), "OK");
    let effects: Vec<_> = sim
        .journal()
        .into_iter()
        .filter(|call| call.effect)
        .map(|call| call.operation)
        .collect();
    assert_eq!(effects, ["RunInstances", "TerminateInstances"]);
    assert!(
        sim.audit().findings.iter().all(|f| f.resource != id),
        "it is its maker's"
    );
    let image = c.ec2("DescribeImages", &[("ImageId.1", GOLDEN)]);
    assert_eq!(image.one("lastLaunchedTime"), "2026-01-01T00:00:00.000Z");
    seconds(&sim, 3600);
    assert_eq!(described(&c, &id).code(), "InvalidInstanceID.NotFound");
}

#[test]
fn a_key_that_can_not_be_used_shows_only_later() {
    for key in ["key-private", "key-good"] {
        let sim = under(key);
        let c = client(&sim, OWNER);
        if key == "key-good" {
            let edit = serde_json::json!({"setKeyState": {"account": ACCOUNT, "region": REGION, "key": key, "state": "Disabled"}});
            sim.edit(serde_json::from_value(edit).expect("an edit"))
                .expect("it can be made");
        }
        let made = run(&c, "ami-0000000c", &[]);
        assert_eq!(made.code(), "OK", "{}", made.body);
        let id = made.one("instanceId");
        assert_eq!(state(&c, &id), "pending");
        seconds(&sim, 20);
        assert_eq!(state(&c, &id), "terminated");
        let failed = described(&c, &id);
        assert_eq!(
            failed.one("stateReason"),
            "<code>Client.InternalError</code><message>Client.InternalError: Client error on launch</message>"
        );
    }
    let sim = under("key-good");
    let c = client(&sim, OWNER);
    let id = run(&c, "ami-0000000c", &[]).one("instanceId");
    seconds(&sim, 20);
    assert_eq!(state(&c, &id), "running");
}

#[test]
fn a_setting_can_ask_for_rights_to_the_key() {
    let images = format!("    - {{name: sealed, id: ami-0000000c, encryptedUnder: key-good}}\n{STAFF}");
    let text = yaml("launches: {keyActions: [\"kms:CreateGrant\"]}", &images, "");
    let before = format!("{{accessKey: {OTHER}, account: \"222222222222\"}}");
    let after = format!("{{accessKey: {OTHER}, account: \"111111111111\", allow: [\"ec2:*\"]}}");
    let sim = world(&text.replace(&before, &after));
    for (key, expected) in [(OTHER, "terminated"), (OWNER, "running")] {
        let c = client(&sim, key);
        let id = run(&c, "ami-0000000c", &[]).one("instanceId");
        seconds(&sim, 20);
        assert_eq!(state(&c, &id), expected);
    }
}

#[test]
fn what_can_not_be_launched_is_refused() {
    let sim = staffed_with("launches: {subnets: [subnet-0000000a]}");
    let c = client(&sim, OWNER);
    let edit = serde_json::json!({"owner": {"image": OLD, "act": "disable"}});
    sim.edit(serde_json::from_value(edit).expect("an edit"))
        .expect("it can be made");
    let device = ("BlockDeviceMapping.1.DeviceName", "/dev/xvda");
    for (image, more, code) in [
        ("ami-00000bad", vec![], "InvalidAMIID.NotFound"),
        ("x", vec![], "InvalidAMIID.Malformed"),
        (OLD, vec![], "InvalidAMIID.Unavailable"),
        (GOLDEN, vec![("MinCount", "2")], "InvalidParameterValue"),
        (
            GOLDEN,
            vec![("SubnetId", "subnet-00000bad")],
            "InvalidSubnetID.NotFound",
        ),
        (
            GOLDEN,
            vec![("SubnetId", SUBNET), ("NetworkInterface.1.DeviceIndex", "0")],
            "InvalidParameterCombination",
        ),
        (
            GOLDEN,
            vec![device, ("BlockDeviceMapping.1.Ebs.SnapshotId", "snap-00000bad")],
            "InvalidSnapshot.NotFound",
        ),
        (
            GOLDEN,
            vec![
                device,
                ("BlockDeviceMapping.1.Ebs.SnapshotId", "snap-00000bad"),
                ("BlockDeviceMapping.1.Ebs.Encrypted", "true"),
            ],
            "InvalidBlockDeviceMapping",
        ),
        (
            GOLDEN,
            vec![("LaunchTemplate.LaunchTemplateId", "lt-00000bad")],
            "InvalidLaunchTemplateId.NotFound",
        ),
        (GOLDEN, vec![("DryRun", "true")], "DryRunOperation"),
    ] {
        assert_eq!(run(&c, image, &more).code(), code, "{image} {more:?}");
    }
    assert_eq!(
        client(&sim, OTHER)
            .ec2("RunInstances", &[ONE[0], ONE[1], ("ImageId", "ami-00000001")])
            .code(),
        "InvalidAMIID.NotFound"
    );
    assert!(sim.journal().iter().all(|call| !call.effect));
    let types = [
        ("ImageId", GOLDEN),
        ("InstanceTypeSpecification.SupportedInstanceType.1", "m7g.*"),
    ];
    assert_eq!(c.ec2("ReplaceImageInstanceTypeSpecification", &types).code(), "OK");
    assert_eq!(run(&c, GOLDEN, &[]).code(), "InvalidParameterCombination");
}

#[test]
fn the_same_token_launches_once() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let token = ("ClientToken", "once");
    let interface = [
        token,
        ("NetworkInterface.1.DeviceIndex", "0"),
        ("NetworkInterface.1.SubnetId", SUBNET),
        ("NetworkInterface.1.AssociatePublicIpAddress", "false"),
    ];
    let id = run(&c, GOLDEN, &interface).one("instanceId");
    assert_eq!(run(&c, GOLDEN, &interface).one("instanceId"), id);
    assert_eq!(described(&c, &id).one("subnetId"), SUBNET);
    assert_eq!(run(&c, OLD, &interface).code(), "IdempotentParameterMismatch");
    assert_eq!(c.ec2("TerminateInstances", &[("InstanceId.1", &id)]).code(), "OK");
    seconds(&sim, 30);
    assert_eq!(run(&c, GOLDEN, &interface).code(), "IdempotentInstanceTerminated");
    let many = c.ec2(
        "RunInstances",
        &[("MinCount", "1"), ("MaxCount", "3"), ("ImageId", GOLDEN)],
    );
    assert_eq!(many.all("instanceId").len(), 3);
}

#[test]
fn a_template_says_what_a_call_leaves_out() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let by = |id: &str, version: &str| {
        let params = [
            ONE[0],
            ONE[1],
            ("LaunchTemplate.LaunchTemplateId", id),
            ("LaunchTemplate.Version", version),
        ];
        c.ec2("RunInstances", &params).one("imageId")
    };
    assert_eq!(by("lt-0000000b", "1"), OLD);
    assert_eq!(by("lt-0000000b", "$Default"), GOLDEN);
    assert_eq!(by("lt-0000000c", "1"), GOLDEN, "its parameter is resolved");
}

#[test]
fn checks_of_some_images_fail_by_a_setting() {
    let sim = staffed_with("launches: {impaired: [ami-0000000a], statusSeconds: 0, pendingSeconds: 0}");
    let c = client(&sim, OWNER);
    let id = run(&c, GOLDEN, &[]).one("instanceId");
    assert_eq!(status(&c, &id), ["impaired", "failed", "ok", "passed"]);
}

#[test]
fn instances_of_others_are_not_terminated() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    for (id, code) in [
        ("i-00000bad", "InvalidInstanceID.NotFound"),
        ("x", "InvalidInstanceID.Malformed"),
        ("i-0000000b", "OperationNotPermitted"),
        ("i-0000000a", "OK"),
    ] {
        assert_eq!(
            c.ec2("TerminateInstances", &[("InstanceId.1", id)]).code(),
            code,
            "{id}"
        );
    }
    assert_eq!(
        sim.audit()
            .findings
            .iter()
            .filter(|f| f.resource == "i-0000000a")
            .count(),
        1
    );
}

#[test]
fn launches_need_rights_to_all_that_they_are_about() {
    let sim = restricted("\"ec2:RunInstances\", \"ec2:DescribeInstances\"");
    let c = client(&sim, OTHER);
    assert_eq!(run(&c, GOLDEN, &[]).code(), "OK");
    let tagged = [
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "proof"),
        ("TagSpecification.1.Tag.1.Value", "x"),
    ];
    let refused = run(&c, GOLDEN, &tagged);
    assert_eq!(refused.code(), "UnauthorizedOperation");
    assert!(refused.body.contains("ec2:CreateTags"), "{}", refused.body);
    assert_eq!(
        c.ec2("TerminateInstances", &[("InstanceId.1", "i-0000000a")]).code(),
        "UnauthorizedOperation"
    );
    let sim = restricted("\"ec2:Describe*\"");
    let refused = run(&client(&sim, OTHER), GOLDEN, &[]);
    assert!(
        refused.body.contains(&format!("arn:aws:ec2:{REGION}::image/{GOLDEN}")),
        "{}",
        refused.body
    );
}

#[test]
fn a_launch_whose_answer_is_lost_is_found_by_its_token() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    sim.add_fault(ec2sim::FaultRule {
        operation: Some("RunInstances".into()),
        nth: Some(1),
        act: ec2sim::Act::DropAfter,
        ..ec2sim::FaultRule::default()
    });
    assert!(run(&c, GOLDEN, &[("ClientToken", "once")]).directive.drop);
    let filter = [("Filter.1.Name", "client-token"), ("Filter.1.Value.1", "once")];
    let found = c.ec2("DescribeInstances", &filter).all("instanceId");
    assert_eq!(run(&c, GOLDEN, &[("ClientToken", "once")]).all("instanceId"), found);
}

#[test]
fn watermarks_are_attached_by_the_owner() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let attach =
        |image: &str, name: &str| c.ec2("AttachImageWatermark", &[("ImageId", image), ("WatermarkName", name)]);
    assert_eq!(
        attach(OLD, "approved").one("watermarkKey"),
        format!("{ACCOUNT}:approved")
    );
    let shown = c.ec2("DescribeImages", &[("ImageId.1", OLD)]);
    assert_eq!(
        shown.one("watermarkKey"),
        format!("{ACCOUNT}:approved"),
        "{}",
        shown.body
    );
    assert_eq!(attach(OLD, "no").code(), "InvalidParameterValue");
    for name in ["one", "two", "three", "four"] {
        assert_eq!(attach(OLD, name).code(), "OK");
    }
    assert_eq!(attach(OLD, "five").code(), "ImageWatermarkLimitExceeded");
    let key = format!("{ACCOUNT}:one");
    let detach = [("ImageId", OLD), ("WatermarkKey", key.as_str())];
    assert_eq!(c.ec2("DetachImageWatermark", &detach).one("return"), "true");
    assert_eq!(attach(OLD, "five").code(), "OK");
    let share = serde_json::json!({"share": {"image": GOLDEN, "add": ["all"]}});
    sim.edit(serde_json::from_value(share).expect("an edit"))
        .expect("it can be made");
    assert_eq!(attach(GOLDEN, "approved").code(), "OperationNotPermitted");
    let theirs = client(&sim, OTHER);
    let params = [("ImageId", GOLDEN), ("WatermarkName", "approved")];
    assert_eq!(theirs.ec2("AttachImageWatermark", &params).code(), "AuthFailure");
}
