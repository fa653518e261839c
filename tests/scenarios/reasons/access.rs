//! Roles that lack an action, and roles that may too much.

use std::collections::BTreeMap;

use amiseal::api::conditions::{self, reason};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::error::DisplayErrorContext;
use aws_sdk_sts::types::Tag;
use ec2sim::{Call, Server};
use serde_json::json;

use super::{denied, has_words, look_again, stalls_saying, target_says};
use crate::harness::{
    ACCOUNT, KEY_ARN, REGION, Scenario, account, condition, everything, give, policy, region, small_world, take_away,
    with, world,
};

/// One account, and what its role lacks.
struct Lacking {
    account: &'static str,
    action: &'static str,
    /// The call that is refused.
    refused: &'static str,
}

const fn lacking(account: &'static str, action: &'static str, refused: &'static str) -> Lacking {
    Lacking {
        account,
        action,
        refused,
    }
}

/// These stop a migration.
const MIGRATIONS: [Lacking; 5] = [
    lacking("100000000001", "ec2:CopyImage", "CopyImage"),
    // Copying with tags needs it too.
    lacking("100000000002", "ec2:CreateTags", "CopyImage"),
    lacking("100000000003", "ec2:ModifyImageAttribute", "ModifyImageAttribute"),
    lacking("100000000004", "ec2:DescribeImageAttribute", "DescribeImageAttribute"),
    lacking("100000000005", "ec2:EnableImageDeprecation", "EnableImageDeprecation"),
];

/// These keep a target from being looked through, or its key from being known.
const TARGETS: [Lacking; 3] = [
    lacking("100000000006", "ec2:DescribeImages", "DescribeImages"),
    lacking("100000000007", "ec2:DescribeSnapshots", "DescribeSnapshots"),
    lacking("100000000008", "kms:DescribeKey", "DescribeKey"),
];

#[tokio::test]
async fn a_denied_action_is_named_and_when_it_is_allowed_a_change_of_the_policy_has_it_tried_at_once() {
    let all = || MIGRATIONS.iter().chain(&TARGETS);
    let accounts: String = all()
        .map(|lacking| {
            let image = format!(
                "{{name: web-{}, deprecationTime: 2035-01-01T00:00:00Z, launchPermissions: {{users: [\"{ACCOUNT}\"]}}, \
                 expect: {{copied: {{key: alias/ami}}}}}}",
                lacking.account
            );
            account(lacking.account, &region(REGION, &[&image]))
        })
        .collect();
    let mut world = world(&(accounts + &format!("- {{id: \"{ACCOUNT}\"}}\n")));
    let mut allowed = BTreeMap::new();
    for lacking in all() {
        denied(&mut world, lacking.refused, lacking.account);
        let may = take_away(&mut world, lacking.account, &[lacking.action]);
        allowed.insert(lacking.account, may);
    }
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let ids: Vec<&str> = all().map(|lacking| lacking.account).collect();
    let policy = policy("production", &ids);
    scenario.apply(&policy).await;

    for Lacking { account, action, .. } in &MIGRATIONS {
        let image = scenario.image(&format!("web-{account}"));
        let allow = format!("grant {action} to the role");
        stalls_saying(&scenario, &image, reason::ACCESS_DENIED, &[&allow]).await;
    }
    for Lacking { account, action, .. } in &TARGETS {
        let target = format!("production.{account}.{REGION}");
        let stalled = format!("True/{}", reason::ACCESS_DENIED);
        target_says(&scenario, &target, conditions::STALLED, &stalled, &[action]).await;
        let conditions = scenario.target(&target).await.status.expect("a status").conditions;
        let (type_, status) = match *action {
            "kms:DescribeKey" => (conditions::KEY_USABLE, "Unknown"),
            _ => (conditions::REACHABLE, "False"),
        };
        let condition = condition(&conditions, type_).expect("a condition");
        assert_eq!(
            (condition.status.as_str(), condition.reason.as_str()),
            (status, reason::ACCESS_DENIED)
        );
        has_words(Some(condition), &[action]);
    }

    for lacking in all() {
        scenario.edit(give(lacking.account, allowed[lacking.account].clone()));
    }
    // By itself it tries again after ten minutes.
    look_again(&scenario, &policy).await;
    scenario.completed(8).await;
    assert_eq!(scenario.copies_made(), 8);
    scenario.judged();
}

#[tokio::test]
async fn what_a_role_lacks_is_asked_before_anything_is_copied_and_each_missing_action_is_named() {
    const TWO: &str = "100000000002";
    let image = |name: &str| format!("{{name: {name}, description: d, expect: {{copied: {{key: alias/ami}}}}}}");
    let accounts = account(ACCOUNT, &region(REGION, &[&image("web"), &image("database")]))
        + &account(TWO, &region(REGION, &[&image("cache")]));
    let mut world = world(&accounts);
    let lacks = ["ec2:CopyImage", "ec2:DescribeImageAttribute", "ec2:DeregisterImage"];
    take_away(&mut world, ACCOUNT, &lacks);
    take_away(&mut world, TWO, &["ec2:DeregisterImage", "ec2:DeleteSnapshot"]);
    for (operation, account) in [
        ("CopyImage", ACCOUNT),
        ("DescribeImageAttribute", ACCOUNT),
        ("DeregisterImage", ACCOUNT),
        ("CreateTags", ACCOUNT),
        ("DeregisterImage", TWO),
        ("DeleteSnapshot", TWO),
    ] {
        denied(&mut world, operation, account);
    }
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT, TWO]);
    scenario.apply(&policy).await;

    // What is needed for the original is certain; what is needed for copies only may be allowed for those.
    let target = format!("production.{ACCOUNT}.{REGION}");
    let named = ["ec2:DescribeImageAttribute and ec2:CopyImage", "ec2:DeregisterImage"];
    target_says(&scenario, &target, conditions::PERMITTED, "False/AccessDenied", &named).await;
    target_says(&scenario, &target, conditions::READY, "False/AccessDenied", &[]).await;
    for name in ["web", "database"] {
        let image = scenario.image(name);
        stalls_saying(&scenario, &image, reason::ACCESS_DENIED, &["ec2:CopyImage"]).await;
    }
    let mut calls = scenario.mutating_calls();
    calls.retain(|call| call.account == ACCOUNT);
    assert!(calls.is_empty(), "{calls:#?}");

    // The other one goes on; with a copy to ask about there is no doubt left.
    let doubtful = format!("production.{TWO}.{REGION}");
    let named = ["ec2:DeregisterImage and ec2:DeleteSnapshot"];
    target_says(
        &scenario,
        &doubtful,
        conditions::PERMITTED,
        "False/AccessDenied",
        &named,
    )
    .await;

    for account in [ACCOUNT, TWO] {
        scenario.edit(give(account, everything(account)));
    }
    look_again(&scenario, &policy).await;
    scenario.completed(3).await;
    target_says(&scenario, &target, conditions::PERMITTED, "True/Succeeded", &[]).await;
    assert_eq!(scenario.copies_made(), 3);
    scenario.judged();
}

/// A client of EC2 with the credentials that this very AssumeRole gives, without amiseal in between.
async fn replayed(endpoint: &str, call: &Call, policy: Option<&String>) -> aws_sdk_ec2::Client {
    let credentials = |key: &str, secret: &str, token: Option<&str>| {
        let token = token.map(str::to_owned);
        SharedCredentialsProvider::new(Credentials::new(key, secret, token, None, "test"))
    };
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(credentials("AKIACONTROLLER", "secret", None))
        .build();
    let parameter = |name: &str| call.params.get(name).cloned();
    let tag = Tag::builder()
        .set_key(parameter("Tags.member.1.Key"))
        .set_value(parameter("Tags.member.1.Value"));
    let assumed = aws_sdk_sts::Client::new(&config)
        .assume_role()
        .set_role_arn(parameter("RoleArn"))
        .set_role_session_name(parameter("RoleSessionName"))
        .set_external_id(parameter("ExternalId"))
        .tags(tag.build().expect("a tag"))
        .set_policy(policy.cloned())
        .send()
        .await
        .expect("a session");
    let given = assumed.credentials().expect("credentials");
    let (key, secret) = (given.access_key_id(), given.secret_access_key());
    let given = credentials(key, secret, Some(given.session_token()));
    aws_sdk_ec2::Client::new(&config.to_builder().credentials_provider(given).build())
}

/// What AWS says to each call that amiseal knows how to write with, asked whether it would be permitted.
async fn asked_to_write(ec2: &aws_sdk_ec2::Client, image: &str) -> Vec<String> {
    fn refusal<T, E>(result: Result<T, E>) -> String
    where
        E: std::error::Error,
    {
        result.map_or_else(|error| DisplayErrorContext(&error).to_string(), |_| "done".to_owned())
    }
    let tag = aws_sdk_ec2::types::Tag::builder().key("a").value("b").build();
    let soon = aws_sdk_ec2::primitives::DateTime::from_secs(2_000_000_000);
    vec![
        refusal(
            ec2.copy_image()
                .dry_run(true)
                .source_image_id(image)
                .source_region(REGION)
                .name("another")
                .encrypted(true)
                .kms_key_id(KEY_ARN)
                .send()
                .await,
        ),
        refusal(ec2.create_tags().dry_run(true).resources(image).tags(tag).send().await),
        refusal(
            ec2.modify_image_attribute()
                .dry_run(true)
                .image_id(image)
                .attribute("description")
                .value("x")
                .send()
                .await,
        ),
        refusal(
            ec2.enable_image_deprecation()
                .dry_run(true)
                .image_id(image)
                .deprecate_at(soon)
                .send()
                .await,
        ),
        refusal(ec2.deregister_image().dry_run(true).image_id(image).send().await),
        refusal(
            ec2.delete_snapshot()
                .dry_run(true)
                .snapshot_id("snap-0123456789abcdef0")
                .send()
                .await,
        ),
    ]
}

#[tokio::test]
async fn with_the_session_of_an_audit_aws_itself_refuses_every_write_however_much_the_role_may() {
    let mut world = small_world(&["{name: web, expect: untouched}"]);
    world.accounts[1].roles[0].allow = vec!["*".to_owned()];
    denied(&mut world, "CopyImage", ACCOUNT);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let audit = with(policy("production", &[ACCOUNT]), "mode", json!("Audit"));
    scenario.apply(&audit).await;
    let target = format!("production.{ACCOUNT}.{REGION}");
    target_says(&scenario, &target, conditions::REACHABLE, "True/Succeeded", &[]).await;
    assert_eq!(scenario.mutating_calls(), []);

    let calls = scenario.calls("AssumeRole");
    assert!(!calls.is_empty());
    let image = scenario.image("web");
    let server = Server::on_loopback(scenario.sim().clone()).expect("a port");
    let endpoint = server.endpoint();
    for call in &calls {
        let narrowing = call.params.get("Policy");
        let narrowed = replayed(&endpoint, call, narrowing).await;
        for answer in asked_to_write(&narrowed, &image).await {
            assert!(answer.contains("UnauthorizedOperation"), "{answer}");
        }
        let copied = narrowed
            .copy_image()
            .source_image_id(&image)
            .source_region(REGION)
            .name("another")
            .send()
            .await;
        let refused = DisplayErrorContext(&copied.expect_err("a refusal")).to_string();
        assert!(refused.contains("UnauthorizedOperation"), "{refused}");
        // It is the session policy that refuses: the role alone may do all of it.
        let wide = replayed(&endpoint, call, None).await;
        for answer in asked_to_write(&wide, &image).await {
            assert!(!answer.contains("UnauthorizedOperation"), "{answer}");
        }
    }
    scenario.judged();
}
