//! The files that docs/events.md has for the queue of events say what the controller reads, and let nobody else send.

use std::collections::BTreeSet;

use amiseal::plan::events;
use regex::Regex;
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("../../docs/events/cloudformation.yaml");
const CONFIGURATION: &str = include_str!("../../docs/events/terraform/main.tf");

/// The resources of CloudFormation that the template has: what each must have, and what it may have besides, by their schemas.
const RESOURCES: [(&str, &[&str], &[&str]); 6] = [
    (
        "AWS::SQS::Queue",
        &[],
        &[
            "QueueName",
            "MessageRetentionPeriod",
            "VisibilityTimeout",
            "ReceiveMessageWaitTimeSeconds",
            "SqsManagedSseEnabled",
        ],
    ),
    ("AWS::SQS::QueuePolicy", &["Queues", "PolicyDocument"], &[]),
    ("AWS::Events::EventBus", &["Name"], &["Description"]),
    (
        "AWS::Events::EventBusPolicy",
        &["StatementId"],
        &["EventBusName", "Statement"],
    ),
    (
        "AWS::Events::Rule",
        &[],
        &[
            "Name",
            "Description",
            "EventBusName",
            "EventPattern",
            "State",
            "Targets",
        ],
    ),
    ("AWS::IAM::Role", &["AssumeRolePolicyDocument"], &["Policies"]),
];

fn template() -> Value {
    serde_saphyr::from_str(TEMPLATE).expect("YAML")
}

fn texts(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|text| text.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn the_template_has_resources_and_properties_that_cloudformation_knows() {
    let template = template();
    for (name, resource) in template["Resources"].as_object().expect("resources") {
        let type_ = resource["Type"].as_str().expect("a type");
        let known = RESOURCES.iter().find(|(known, ..)| *known == type_);
        let (_, needed, possible) = known.unwrap_or_else(|| panic!("{name}: {type_} is not known"));
        let properties = resource["Properties"].as_object().expect("properties");
        for property in *needed {
            assert!(properties.contains_key(*property), "{name} has no {property}");
        }
        for property in properties.keys() {
            let is_known = needed.iter().chain(*possible).any(|known| known == property);
            assert!(is_known, "{name}: {type_} has no {property}");
        }
        for attribute in resource.as_object().expect("a resource").keys() {
            assert!(
                ["Type", "Condition", "Properties"].contains(&attribute.as_str()),
                "{name}: {attribute}"
            );
        }
        for target in properties
            .get("Targets")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            for part in target.as_object().expect("a target").keys() {
                assert!(
                    ["Id", "Arn", "RoleArn", "RetryPolicy"].contains(&part.as_str()),
                    "{name}: {part}"
                );
            }
        }
    }
    let conditions = template["Conditions"].as_object().expect("conditions");
    let named = Regex::new(r"Condition: ([A-Za-z]+)").expect("a pattern");
    for found in named.captures_iter(TEMPLATE) {
        assert!(conditions.contains_key(&found[1]), "{} is no condition", &found[1]);
    }
}

#[test]
fn the_queue_is_encrypted_forgets_soon_and_takes_messages_of_its_rules_alone() {
    let template = template();
    let queue = &template["Resources"]["Queue"]["Properties"];
    assert_eq!(queue["SqsManagedSseEnabled"], true);
    assert_eq!(queue["MessageRetentionPeriod"], 3600);
    let policy = &template["Resources"]["QueuePolicy"]["Properties"]["PolicyDocument"];
    let statements = policy["Statement"].as_array().expect("statements");
    let allowing: Vec<&Value> = statements.iter().filter(|one| one["Effect"] == "Allow").collect();
    assert_eq!(allowing.len(), 1);
    assert_eq!(allowing[0]["Principal"], json!({"Service": "events.amazonaws.com"}));
    assert_eq!(allowing[0]["Action"], "sqs:SendMessage");
    let from = allowing[0]["Condition"]["ArnEquals"]["aws:SourceArn"].as_array();
    assert_eq!(from.expect("rules").len(), 4);
    let bus = &template["Resources"]["BusPolicy"]["Properties"]["Statement"];
    assert_eq!(
        bus["Condition"],
        json!({"StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}})
    );
    for needed in [
        "message_retention_seconds  = 3600",
        "sqs_managed_sse_enabled    = true",
        r#"variable = "aws:SourceArn""#,
        r#"variable = "aws:PrincipalOrgID""#,
        r#"identifiers = ["events.amazonaws.com"]"#,
    ] {
        assert!(CONFIGURATION.contains(needed), "main.tf has no {needed}");
    }
}

/// An event of a call.
fn call(name: &str) -> String {
    let detail = json!({"eventSource": "ec2.amazonaws.com", "eventName": name});
    json!({
        "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2", "account": "111122223333",
        "region": "eu-west-1", "detail": detail,
    })
    .to_string()
}

#[test]
fn each_call_that_rules_send_is_a_hint_and_both_files_send_the_same() {
    let template = template();
    let pattern = &template["Resources"]["Calls"]["Properties"]["EventPattern"];
    let sent = texts(&pattern["detail"]["eventName"]);
    for name in &sent {
        assert!(events::read(&call(name)).is_ok(), "{name}");
    }
    let (_, calls) = CONFIGURATION.split_once("calls = [").expect("the calls");
    let (calls, _) = calls.split_once(']').expect("their end");
    let name = Regex::new(r#""([A-Za-z]+)""#).expect("a pattern");
    let same: BTreeSet<String> = name.captures_iter(calls).map(|found| found[1].to_owned()).collect();
    assert_eq!(same, sent);
    assert_eq!(sent.len(), 15, "as many as the controller knows");
    for kind in [
        "EC2 AMI State Change",
        "AWS API Call via CloudTrail",
        "Parameter Store Change",
    ] {
        let forwarded = &template["Resources"]["Forwarded"]["Properties"]["EventPattern"]["detail-type"];
        assert!(texts(forwarded).contains(kind), "{kind}");
        assert_eq!(CONFIGURATION.matches(kind).count(), 2, "{kind}");
    }
}

#[test]
fn the_configuration_has_resources_that_the_provider_of_aws_knows_and_closes_what_it_opens() {
    let block = Regex::new(r#"(?m)^(resource|data) "([a-z_]+)" "([a-z]+)" \{$"#).expect("a pattern");
    let found: BTreeSet<String> = block
        .captures_iter(CONFIGURATION)
        .map(|found| found[2].to_owned())
        .collect();
    let known = [
        "aws_cloudwatch_event_bus",
        "aws_cloudwatch_event_bus_policy",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_iam_policy_document",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_sqs_queue",
        "aws_sqs_queue_policy",
    ];
    assert_eq!(found, known.map(str::to_owned).into());
    for (open, close) in [('{', '}'), ('[', ']'), ('(', ')')] {
        assert_eq!(
            CONFIGURATION.matches(open).count(),
            CONFIGURATION.matches(close).count()
        );
    }
}
