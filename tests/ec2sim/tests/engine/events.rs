//! Events: what EventBridge sends to a queue of images, settings and parameters, and what it does not send.

use ec2sim::model::Guardrails;
use ec2sim::{ConsumerChange, Edit, OwnerAct, Sim};
use serde_json::{Value, json};

use super::support::{ACCOUNT, Client, MANAGER, OWNER, REGION, WEB, client, seconds, world, yaml};

const TO: &str = "account: \"111111111111\", region: eu-west-1, queue: hints";

/// A world whose region sends its events to a queue of its own.
fn told(settings: &str, rule: &str, more: &str) -> (Sim, Client) {
    let region = format!("    queues: [{{name: hints}}]\n    eventsTo: {{{TO}{rule}}}\n{more}");
    let sim = world(&yaml(settings, &region, ""));
    let client = client(&sim, OWNER);
    (sim, client)
}

/// The events that are in the queue, which are taken out of it.
fn events(c: &Client) -> Vec<Value> {
    let url = format!("http://localhost/{ACCOUNT}/hints");
    let mut all = Vec::new();
    loop {
        let reply = c.sqs("ReceiveMessage", &json!({"QueueUrl": url, "MaxNumberOfMessages": 10}));
        assert_eq!(reply.code(), "OK", "{}", reply.body);
        let messages = reply.json()["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            let body = message["Body"].as_str().expect("a body");
            all.push(serde_json::from_str(body).expect("an event is JSON"));
            let deleted = c.sqs(
                "DeleteMessage",
                &json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}),
            );
            assert_eq!(deleted.code(), "OK", "{}", deleted.body);
        }
    }
    all.sort_by_key(|event: &Value| event["time"].to_string());
    all
}

/// What the events say of images: ID and state.
fn states(events: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of_images = events
        .iter()
        .filter(|event| event["detail-type"] == "EC2 AMI State Change");
    of_images
        .map(|event| (text(&event["detail"]["ImageId"]), text(&event["detail"]["State"])))
        .collect()
}

/// The names of the calls that the events tell of.
fn calls(events: &[Value]) -> Vec<String> {
    let of_calls = events
        .iter()
        .filter(|event| event["detail-type"] == "AWS API Call via CloudTrail");
    of_calls
        .filter_map(|event| event["detail"]["eventName"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_copy_tells_that_it_is_available_or_failed_and_an_image_that_it_is_gone() {
    let (sim, c) = told("", "", "");
    let good = c.copy(WEB, "good", "alias/good", &[]).one("imageId");
    seconds(&sim, 200);
    let event = events(&c).pop().expect("an event");
    assert_eq!(event["version"], "0");
    assert_eq!(event["detail-type"], "EC2 AMI State Change");
    assert_eq!(
        (&event["source"], &event["account"]),
        (&json!("aws.ec2"), &json!(ACCOUNT))
    );
    assert_eq!(
        (&event["region"], &event["time"]),
        (&json!(REGION), &json!("2026-01-01T00:03:20Z"))
    );
    assert_eq!(
        event["resources"],
        json!([format!("arn:aws:ec2:eu-west-1::image/{good}")])
    );
    assert_eq!(event["detail"]["ImageId"], good);
    assert_eq!(event["detail"]["State"], "available");
    assert_eq!(event["detail"]["ErrorMessage"], "");
    assert!(event["id"].is_string() && event["detail"]["RequestId"].is_string());

    let bad = c.copy(WEB, "bad", "alias/off", &[]).one("imageId");
    seconds(&sim, 200);
    let failed = events(&c);
    assert_eq!(states(&failed), [(bad, "failed".to_owned())]);
    assert_ne!(failed[0]["detail"]["ErrorMessage"], "");

    assert_eq!(c.ec2("DeregisterImage", &[("ImageId", &good)]).code(), "OK");
    assert_eq!(states(&events(&c)), [(good, "deregistered".to_owned())]);
}

#[test]
fn what_the_owner_of_an_image_does_by_hand_is_told_too() {
    let (sim, c) = told("", "", "");
    let image = || WEB.to_owned();
    for (edit, state) in [
        (
            Edit::Owner {
                image: image(),
                act: OwnerAct::Disable,
            },
            Some("disabled"),
        ),
        (
            Edit::Owner {
                image: image(),
                act: OwnerAct::Enable,
            },
            Some("available"),
        ),
        (
            Edit::Owner {
                image: image(),
                act: OwnerAct::Describe("x".into()),
            },
            None,
        ),
        (Edit::Deregister { image: image() }, Some("deregistered")),
    ] {
        sim.edit(edit).expect("an image");
        let expected: Vec<(String, String)> = state.map(|state| (image(), state.to_owned())).into_iter().collect();
        assert_eq!(states(&events(&c)), expected);
    }
    let fresh = serde_json::from_value(json!({"name": "fresh"})).expect("an image");
    let added = sim
        .edit(Edit::AddImage {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            image: Box::new(fresh),
        })
        .expect("a region");
    let id = added["images"][0].as_str().expect("an ID").to_owned();
    assert_eq!(states(&events(&c)), [(id, "available".to_owned())]);
}

#[test]
fn calls_come_where_a_trail_logs_them_or_the_rule_says_so() {
    for (rule, trail, comes) in [
        ("", "", false),
        (", apiCalls: true", "", true),
        ("", "{name: t, logging: true}", true),
        ("", "{name: t, logging: false}", false),
        ("", "{name: t, logging: true, readWrite: ReadOnly}", false),
        ("", "{name: t, logging: true, withoutManagementEvents: true}", false),
        (
            "",
            "{name: t, logging: true, advanced: [{FieldSelectors: [{Field: eventCategory, Equals: [Management]}]}]}",
            true,
        ),
        (
            "",
            "{name: t, logging: true, advanced: [{FieldSelectors: [{Field: eventCategory, Equals: [Data]}]}]}",
            false,
        ),
        (", apiCalls: false", "{name: t, logging: true}", false),
    ] {
        let (_, c) = told("", rule, &format!("    trails: [{trail}]\n"));
        assert_eq!(c.ec2("DisableEbsEncryptionByDefault", &[]).code(), "OK");
        let expected: &[&str] = if comes { &["DisableEbsEncryptionByDefault"] } else { &[] };
        assert_eq!(calls(&events(&c)), expected, "{rule} {trail}");
    }
}

#[test]
fn a_call_is_told_with_who_made_it_when_it_has_succeeded() {
    let (sim, c) = told("", ", apiCalls: true", "");
    let role = format!("arn:aws:iam::{ACCOUNT}:role/writer");
    let answer = client(&sim, MANAGER).sts("AssumeRole", &[("RoleArn", &role), ("RoleSessionName", "somebody")]);
    let writer = Client {
        key: answer.one("AccessKeyId"),
        token: Some(answer.one("SessionToken")),
        ..client(&sim, MANAGER)
    };
    let add = [("ImageId", WEB), ("LaunchPermission.Add.1.UserId", "222222222222")];
    assert_eq!(writer.ec2("ModifyImageAttribute", &add).code(), "OK");
    let event = events(&c).pop().expect("an event");
    let detail = &event["detail"];
    assert_eq!(detail["eventSource"], "ec2.amazonaws.com");
    assert_eq!(detail["eventName"], "ModifyImageAttribute");
    assert_eq!(detail["requestParameters"], json!({"imageId": WEB}));
    assert_eq!(detail["userIdentity"]["type"], "AssumedRole");
    assert_eq!(
        detail["userIdentity"]["arn"],
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/writer/somebody")
    );
    assert_eq!(detail["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"], role);
    assert_eq!(detail["recipientAccountId"], ACCOUNT);
    // Reads, dry runs, refusals and calls that the rule does not match are not told.
    c.ec2("DescribeImages", &[]);
    c.ec2("DisableImageBlockPublicAccess", &[("DryRun", "true")]);
    c.ec2("EnableImageBlockPublicAccess", &[("ImageBlockPublicAccessState", "x")]);
    c.ec2(
        "CreateTags",
        &[("ResourceId.1", WEB), ("Tag.1.Key", "a"), ("Tag.1.Value", "b")],
    );
    assert_eq!(events(&c), Vec::<Value>::new());
    // What people do by hand is told as done by the root of the account.
    let guardrails = Guardrails {
        ebs_encryption_by_default: true,
        image_public_access: Some("block-new-sharing".to_owned()),
        ..Guardrails::default()
    };
    for guardrails in [guardrails, Guardrails::default()] {
        sim.edit(Edit::SetGuardrails {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            guardrails: Box::new(guardrails),
        })
        .expect("a region");
    }
    let all = events(&c);
    let mut names = calls(&all);
    names.sort();
    assert_eq!(
        names,
        [
            "DisableEbsEncryptionByDefault",
            "DisableImageBlockPublicAccess",
            "EnableEbsEncryptionByDefault",
            "EnableImageBlockPublicAccess",
        ]
    );
    let root = format!("arn:aws:iam::{ACCOUNT}:root");
    assert!(all.iter().all(|event| event["detail"]["userIdentity"]["arn"] == root));
}

#[test]
fn parameters_tell_what_has_become_of_them() {
    let (sim, c) = told("launches: {imageParameterSeconds: 10}", "", "");
    let changes = |c: &Client| -> Vec<(Value, Value)> {
        let all = events(c).into_iter();
        all.map(|event| {
            assert_eq!(event["detail-type"], "Parameter Store Change");
            assert_eq!(event["source"], "aws.ssm");
            (
                event["detail"]["operation"].clone(),
                event["detail"]["exception"].clone(),
            )
        })
        .collect()
    };
    let put = |name: &str, value: &str, kind: &str| {
        let body = json!({"Name": name, "Value": value, "Type": "String", "DataType": kind, "Overwrite": true});
        assert_eq!(c.ssm("PutParameter", &body).code(), "OK");
    };
    put("/a", "1", "text");
    assert_eq!(changes(&c), [(json!("Create"), Value::Null)]);
    put("/a", "2", "text");
    assert_eq!(changes(&c), [(json!("Update"), Value::Null)]);
    let body = json!({"Name": "/a", "Labels": ["prod"]});
    assert_eq!(c.ssm("LabelParameterVersion", &body).code(), "OK");
    assert_eq!(changes(&c), [(json!("LabelParameterVersion"), Value::Null)]);
    c.ssm("LabelParameterVersion", &body);
    assert!(changes(&c).is_empty(), "it has it already");
    // One of images is changed, and tells so, once the image was found.
    put("/image", WEB, "aws:ec2:image");
    assert!(changes(&c).is_empty());
    seconds(&sim, 10);
    assert_eq!(changes(&c), [(json!("Create"), Value::Null)]);
    put("/image", "ami-00000099", "aws:ec2:image");
    seconds(&sim, 10);
    assert_eq!(changes(&c), [(json!("Update"), json!("Unable to Describe Resource"))]);
    let edit = |change: Value| {
        sim.edit(Edit::Consumer {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            change: serde_json::from_value::<ConsumerChange>(change).expect("a change"),
        })
        .expect("an edit");
    };
    edit(json!({"parameterValue": {"parameter": "/a", "value": "3"}}));
    assert_eq!(changes(&c), [(json!("Update"), Value::Null)]);
    edit(json!({"put": {"parameter": {"name": "/b", "value": "1"}}}));
    assert_eq!(changes(&c), [(json!("Create"), Value::Null)]);
    edit(json!({"remove": {"kind": "parameter", "id": "/b"}}));
    assert_eq!(changes(&c), [(json!("Delete"), Value::Null)]);
    assert_eq!(c.ssm("DeleteParameter", &json!({"Name": "/a"})).code(), "OK");
    let event = events(&c).pop().expect("an event");
    assert_eq!(
        event["resources"],
        json!(["arn:aws:ssm:eu-west-1:111111111111:parameter/a"])
    );
    assert_eq!(
        event["detail"],
        json!({"operation": "Delete", "name": "/a", "type": "String"})
    );
}

#[test]
fn events_come_late_twice_or_not_at_all_as_the_settings_say() {
    let put = |c: &Client, name: &str| {
        let body = json!({"Name": name, "Value": "1", "Type": "String"});
        assert_eq!(c.ssm("PutParameter", &body).code(), "OK");
    };
    let (sim, c) = told("eventLag: 60", "", "");
    put(&c, "/a");
    seconds(&sim, 59);
    assert_eq!(events(&c), Vec::<Value>::new());
    seconds(&sim, 1);
    let late = events(&c);
    assert_eq!(
        late[0]["time"], "2026-01-01T00:00:00Z",
        "of the change, not of the delivery"
    );
    sim.change_settings(|settings| settings.event_doubled = 1.0);
    put(&c, "/b");
    seconds(&sim, 60);
    let first = events(&c);
    seconds(&sim, 60);
    let second = events(&c);
    assert_eq!((first.len(), &first), (1, &second));
    sim.change_settings(|settings| {
        settings.event_lag = 0.0;
        settings.event_doubled = 0.5;
        settings.event_lost = 0.5;
    });
    for n in 0..100 {
        put(&c, &format!("/n/{n}"));
    }
    let all = events(&c);
    let mut names: Vec<String> = all.iter().map(|event| event["detail"]["name"].to_string()).collect();
    names.sort();
    names.dedup();
    assert!((30..70).contains(&names.len()), "{} of 100 came", names.len());
    assert!(all.len() > names.len(), "some came twice");
}

#[test]
fn a_region_without_a_rule_tells_nothing_and_draws_nothing() {
    let ids = |settings: &str, region: &str| {
        let sim = world(&yaml(settings, region, ""));
        let c = client(&sim, OWNER);
        let copy = c.copy(WEB, "one", "alias/good", &[]).one("imageId");
        c.ec2("DisableEbsEncryptionByDefault", &[]);
        seconds(&sim, 200);
        let next = c.copy(WEB, "two", "alias/good", &[]).one("imageId");
        let empty = sim.with_world(|w| {
            let place = w.region(ACCOUNT, REGION).expect("the region");
            place.queues.iter().all(|queue| queue.messages.is_empty())
        });
        assert!(empty);
        (copy, next)
    };
    let plain = ids("", "");
    assert_eq!(
        ids("eventLost: 0.5, eventDoubled: 0.5", "    queues: [{name: hints}]\n"),
        plain
    );
}

#[test]
fn a_rule_that_sends_nowhere_is_refused() {
    let region = "    eventsTo: {account: \"222222222222\", region: eu-west-1, queue: none}\n";
    let spec = ec2sim::WorldSpec::parse(&yaml("", region, "")).expect("the world parses");
    let error = Sim::stepped(&spec).expect_err("it is refused").to_string();
    assert!(error.contains("eventsTo") && error.contains("none"), "{error}");
    let spec = ec2sim::WorldSpec::parse(&yaml("eventLost: 2", "", "")).expect("the world parses");
    let error = Sim::stepped(&spec).expect_err("it is refused").to_string();
    assert!(error.contains("settings.eventLost"), "{error}");
}
