//! `--consumers`: who could not launch the copies.

use serde_json::{Value, json};

use super::{Bench, policy, target};

const OWNER: &str = "222222222222";
const OTHER: &str = "333333333333";
const REGION: &str = "eu-west-1";
const KEY: &str = "alias/ami";

const READS: &str =
    "'ec2:*', 'kms:*', 'autoscaling:Describe*', 'ssm:*', 'eks:*', 'batch:*', 'imagebuilder:*', 'sts:GetCallerIdentity'";

/// An image that a group of its account launches and one of another account, which is set so. The owner's role may do this.
fn bench(allow: &str, guardrails: &str) -> Bench {
    Bench::new(&format!(
        r#"
seed: 1
identities: [{{accessKey: AKIACONTROLLER, account: "999900001111"}}]
accounts:
- id: "999900001111"
- id: "{OWNER}"
  roles: [{{name: amiseal, externalID: platform, trust: ["999900001111"], allow: [{allow}]}}]
  regions:
  - name: {REGION}
    keys: [{{id: key-ami, alias: [{KEY}]}}]
    images: [{{name: web, id: ami-0000000a, launchPermissions: {{users: ["{OTHER}"]}}}}, {{name: lonely, id: ami-0000000b}}]
    launchTemplates: [{{name: web, versions: [{{image: web}}]}}]
    autoScalingGroups: [{{name: front, launchTemplate: {{template: web}}}}]
- id: "{OTHER}"
  roles: [{{name: amiseal, externalID: platform, trust: ["999900001111"], allow: [{READS}]}}]
  regions:
  - name: {REGION}
    keys: [{{alias: [{KEY}]}}]
    guardrails: {guardrails}
    launchTemplates: [{{name: theirs, versions: [{{image: ami-0000000a}}]}}]
    autoScalingGroups: [{{name: back, launchTemplate: {{template: theirs}}, serviceLinkedRole: "{}"}}]
"#,
        role(OTHER, "_back")
    ))
}

fn role(account: &str, suffix: &str) -> String {
    format!(
        "arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling{suffix}"
    )
}

fn both() -> String {
    policy("production", &[(OWNER, REGION, KEY), (OTHER, REGION, KEY)])
}

fn launching(bench: &Bench, policy: &str) -> Vec<Value> {
    let rows = launching_of(bench, policy);
    bench.assert_untouched();
    rows
}

fn launching_of(bench: &Bench, policy: &str) -> Vec<Value> {
    let ran = bench.plan(policy, &["--output", "json", "--consumers"]);
    assert_eq!(ran.code, 2, "images can be copied all the same: {ran:#?}");
    let plan = ran.json();
    target(&plan, OWNER, REGION)["used"]["launching"]
        .as_array()
        .expect("a list")
        .clone()
}

fn states(rows: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    rows.iter()
        .map(|row| (text(&row["state"]), text(&row["principal"])))
        .collect()
}

fn state(state: &str, principal: &str) -> (String, String) {
    (state.to_owned(), principal.to_owned())
}

#[test]
fn those_who_may_not_use_the_key_are_named_in_every_account_and_what_mends_it_mends_it() {
    let bench = bench(READS, "{}");
    let rows = launching(&bench, &both());
    let account = format!("account {OTHER}");
    let expected = [
        state("Denied", &account),
        state("Denied", &role(OWNER, "")),
        state("Denied", &role(OTHER, "_back")),
    ];
    assert_eq!(states(&rows), expected, "{rows:#?}");
    assert_eq!(rows[1]["consumers"], json!(["AutoScalingGroup front"]));
    let command = rows[2]["fix"]["command"].as_str().expect("a command");
    assert!(
        command.contains("create-grant") && command.contains(&role(OTHER, "_back")),
        "{command}"
    );

    let mut statements = vec![json!({
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{OWNER}:root")}, "Action": "kms:*", "Resource": "*",
    })];
    for row in &rows[..2] {
        statements.extend(row["fix"]["statements"].as_array().expect("statements").iter().cloned());
    }
    let operations: Vec<&str> = command
        .split(" --operations ")
        .nth(1)
        .expect("operations")
        .split(' ')
        .collect();
    let edit = json!({"setKeyPolicy": {
        "account": OWNER, "region": REGION, "key": "key-ami",
        "policy": {"Version": "2012-10-17", "Statement": statements},
        "grants": [{"grantee": role(OTHER, "_back"), "operations": operations}],
    }});
    let edit = serde_json::from_value(edit).expect("an edit");
    bench.sim().edit(edit).expect("a key");
    // The account's own policies are its own.
    assert_eq!(states(&launching(&bench, &both())), [state("Delegated", &account)]);
}

#[test]
fn the_table_says_what_to_add_and_what_to_run() {
    let bench = bench(READS, "{}");
    let ran = bench.plan(&both(), &["--consumers"]);
    for part in [
        "Cannot launch the copies:\n  222222222222 eu-west-1 The account 333333333333 may not use arn:aws:kms:",
        "Affected: AutoScalingGroup front. Add to the key's policy: {",
        "hen run in the account 333333333333: aws kms create-grant --region eu-west-1 --key-id arn:aws:kms:",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let ran = bench.plan(&both(), &["--consumers", "--output", "markdown"]);
    assert!(ran.out.contains("**Cannot launch the copies**"), "{}", ran.out);
    let ran = bench.plan(&both(), &[]);
    assert!(!ran.out.contains("launch the copies"), "{}", ran.out);
}

#[test]
fn another_account_refuses_a_copy_by_its_name_and_in_audit_mode_it_would() {
    for (mode, expected) in [
        ("enabled", Some("Refused")),
        ("audit-mode", Some("WouldBeRefused")),
        ("disabled", None),
    ] {
        let guardrails = format!("{{allowedImages: {mode}, allowedImageCriteria: [{{names: [web]}}]}}");
        let rows = launching(&bench(READS, &guardrails), &both());
        let found: Vec<&Value> = rows.iter().filter(|row| row["missing"].is_null()).collect();
        let states: Vec<&str> = found
            .iter()
            .map(|row| row["state"].as_str().expect("a state"))
            .collect();
        assert_eq!(states, expected.into_iter().collect::<Vec<_>>(), "{mode}: {rows:#?}");
        assert!(
            found.iter().all(|row| row["message"]
                .as_str()
                .is_some_and(|said| said.contains("the name is none of web"))),
            "{found:#?}"
        );
    }
}

#[test]
fn what_may_not_be_read_is_unknown_with_the_action_and_never_allowed() {
    let without = |action: &str| {
        let ec2 = "'ec2:DescribeImages', 'ec2:DescribeSnapshots', 'ec2:DescribeLaunch*', 'ec2:DescribeImageAttribute'";
        let kms = "'kms:DescribeKey', 'kms:GetKeyPolicy', 'kms:ListGrants'";
        let all = format!("{ec2}, {kms}, 'autoscaling:Describe*', 'sts:GetCallerIdentity'");
        all.replace(&format!(", '{action}'"), "")
    };
    for action in ["kms:GetKeyPolicy", "kms:ListGrants"] {
        let rows = launching_of(&bench(&without(action), "{}"), &both());
        assert!(
            rows.len() >= 3 && rows.iter().all(|row| row["state"] == "Unknown"),
            "{rows:#?}"
        );
        let says = |row: &Value| row["message"].as_str().is_some_and(|said| said.contains(action));
        assert!(rows.iter().all(says), "{rows:#?}");
    }
    let bench = bench(&without("ec2:DescribeImageAttribute"), "{}");
    let ran = bench.plan(&both(), &["--output", "json", "--consumers"]);
    let plan = ran.json();
    let unknown = target(&plan, OWNER, REGION)["used"]["unknown"]
        .as_array()
        .expect("a list");
    let sharing = unknown.iter().find(|unknown| unknown["kind"] == "LaunchPermissions");
    let message = sharing
        .and_then(|unknown| unknown["message"].as_str())
        .unwrap_or_default();
    assert!(message.contains("ec2:DescribeImageAttribute"), "{unknown:#?}");
}

#[test]
fn a_key_of_another_account_is_asked_for_there_and_where_nobody_may_ask_it_is_unknown() {
    let bench = bench(READS, "{}");
    let edit =
        json!({"setKeyPrincipals": {"account": OTHER, "region": REGION, "key": KEY, "allowedPrincipals": ["*"]}});
    let edit = serde_json::from_value(edit).expect("an edit");
    bench.sim().edit(edit).expect("a key");
    let foreign = format!("arn:aws:kms:{REGION}:{OTHER}:{KEY}");
    let rows = launching(&bench, &policy("production", &[(OWNER, REGION, &foreign)]));
    let unknown = |principal: &str| state("Unknown", principal);
    let accounts = [OWNER, OTHER].map(|account| unknown(&format!("account {account}")));
    assert_eq!(
        states(&rows),
        [&accounts[..], &[unknown(&role(OWNER, ""))]].concat(),
        "{rows:#?}"
    );
    let asked = bench.calls(|call| call.operation == "GetKeyPolicy");
    assert!(asked.is_empty(), "{asked:#?}");

    let rows = launching(
        &bench,
        &policy("production", &[(OWNER, REGION, &foreign), (OTHER, REGION, KEY)]),
    );
    assert_eq!(states(&rows), [state("Denied", &role(OWNER, ""))], "{rows:#?}");
    let fix = &rows[0]["fix"];
    assert!(
        fix["command"].is_string() && fix["statements"].is_null(),
        "everybody may create grants: {fix}"
    );
}

#[test]
fn under_the_key_of_aws_nobody_of_the_account_lacks_anything() {
    let bench = bench(READS, "{}");
    let own = policy("production", &[(OWNER, REGION, "alias/aws/ebs")]);
    let ran = bench.plan(&own, &["--output", "json", "--consumers"]);
    let plan = ran.json();
    let target = target(&plan, OWNER, REGION);
    assert_eq!(target["cannotMigrate"][0]["reason"], "DefaultKeyCannotBeShared");
    assert!(
        target["used"]["launching"].as_array().is_some_and(Vec::is_empty),
        "{target:#}"
    );
}
