//! The map from originals to copies in parameters of the images' own account and region, and in none that somebody else has made.

use std::collections::BTreeMap;

use amiseal::api::AMIEncryptionPolicy;
use amiseal::api::conditions::{self, MAP_PUBLISHED};
use amiseal::plan::rights::{self, Grant};
use ec2sim::model::Parameter;
use ec2sim::spec::ConsumerSpec;
use ec2sim::{ConsumerChange, Edit};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Scenario, give, plain, policy, says, small_world, take_away, with};
use crate::moving::want;

const PREFIX: &str = "/amiseal/images";
const OTHER_PREFIX: &str = "/other";
const TARGET: &str = "production.111122223333.eu-west-1";
const ALLOWED: &str = "ssm:PutParameter";
/// What the role may do by the statements of the map, and by no others.
const OF_THE_MAP: [&str; 5] = [
    "ssm:GetParametersByPath",
    "ssm:ListTagsForResource",
    ALLOWED,
    "ssm:AddTagsToResource",
    "ssm:DeleteParameter",
];

fn keeping(prefix: &str) -> Value {
    with(
        policy("production", &[ACCOUNT]),
        "promotion",
        json!({"map": {"ssmPrefix": prefix}}),
    )
}

/// These statements for both prefixes, as `amiseal iam-policy` prints them.
fn statements(of: &[Grant]) -> Vec<Value> {
    let policies = [PREFIX, OTHER_PREFIX].map(keeping);
    let policies: Vec<AMIEncryptionPolicy> = policies
        .into_iter()
        .map(|policy| serde_json::from_value(policy).expect("a policy"))
        .collect();
    let rights = rights::of(&policies, &rights::Options::default());
    let ours = rights.accounts[0].rights.iter();
    ours.filter(|right| of.contains(&right.grant))
        .map(|right| json!(right.statement))
        .collect()
}

/// The same after a change that makes no difference to the map: what has failed is tried again.
fn changed(policy: Value, interval: &str) -> Value {
    with(policy, "scanInterval", json!(interval))
}

fn edit(scenario: &Scenario, change: ConsumerChange) {
    scenario.edit(Edit::Consumer {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        change,
    });
}

/// Somebody makes a parameter.
fn put(scenario: &Scenario, name: &str, value: &str) {
    let parameter = Parameter {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..Parameter::default()
    };
    edit(
        scenario,
        ConsumerChange::Put(Box::new(ConsumerSpec::Parameter(parameter))),
    );
}

/// All parameters with their values.
fn parameters(scenario: &Scenario) -> BTreeMap<String, String> {
    scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        let all = region.consumers.parameters.iter();
        all.map(|(name, parameter)| (name.to_owned(), parameter.latest().expect("a version").value.clone()))
            .collect()
    })
}

fn name(prefix: &str, image: &str) -> String {
    format!("{prefix}/{image}")
}

async fn copy_of(scenario: &Scenario, image: &str) -> String {
    let migration = scenario.migration_of(image).await.expect("a migration");
    migration
        .status
        .and_then(|status| status.copy?.image_id)
        .expect("a copy")
}

/// Waits until the target says this of its parameters as they are asked for now, and gives the message.
async fn target_says(scenario: &Scenario, said: &str) -> String {
    scenario
        .until(&format!("the target to say {said} of its parameters"), async || {
            let target = scenario.targets().get_opt(TARGET).await.ok()??;
            let generation = target.metadata.generation;
            let status = target.status?;
            let found = conditions::find(&status.conditions, MAP_PUBLISHED)?;
            let is_so = says(&status.conditions, MAP_PUBLISHED) == said && found.observed_generation == generation;
            is_so.then(|| found.message.clone())
        })
        .await
}

/// The same of the policy.
async fn policy_says(scenario: &Scenario, said: &str) -> String {
    scenario
        .until(&format!("the policy to say {said} of its parameters"), async || {
            let status = scenario.policy("production").await.status?;
            let found = conditions::find(&status.conditions, MAP_PUBLISHED)?;
            (says(&status.conditions, MAP_PUBLISHED) == said).then(|| found.message.clone())
        })
        .await
}

async fn until_there_are(scenario: &Scenario, expected: &[(&str, &str)]) {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let expected: BTreeMap<String, String> = expected.iter().map(own).collect();
    scenario
        .until(&format!("the parameters to be {expected:?}"), async || {
            (parameters(scenario) == expected).then_some(())
        })
        .await;
}

#[tokio::test]
async fn each_copy_is_in_a_parameter_of_its_original_and_what_is_somebody_elses_is_left() {
    let mut world = small_world(&[&plain("golden"), &plain("silver")]);
    world.expect.denials_are_wrong = Some(false);
    take_away(&mut world, ACCOUNT, &OF_THE_MAP);
    let others = world.accounts[1].roles[0].statements.clone();
    let reading = statements(&[Grant::ReadTheMap]);
    world.accounts[1].roles[0].statements.extend(reading);
    let scenario = Scenario::new(world).await;
    let (golden, silver) = (scenario.image("golden"), scenario.image("silver"));
    let (of_golden, of_silver) = (name(PREFIX, &golden), name(PREFIX, &silver));
    let readme = format!("{PREFIX}/readme");
    put(&scenario, &readme, "keep this");
    put(&scenario, &of_silver, &silver);
    let _replica = scenario.start().await;

    // The role may not write any.
    scenario.apply(&keeping(PREFIX)).await;
    scenario.completed(2).await;
    let message = target_says(&scenario, "False/AccessDenied").await;
    assert!(
        message.starts_with("promotion.map.ssmPrefix: ") && message.contains(&format!("grant {ALLOWED} to the role")),
        "{message}"
    );
    let recorded = scenario.target(TARGET).await.status.and_then(|status| status.map);
    assert_eq!(recorded.map(|map| map.ssm_prefix).as_deref(), Some(PREFIX));
    let message = policy_says(&scenario, "False/SomeTargets").await;
    assert!(message.contains(&format!("AccessDenied in {TARGET}")), "{message}");
    let of_the_map = statements(&[
        Grant::ReadTheMap,
        Grant::AddToTheMap,
        Grant::SetTheMap,
        Grant::RemoveFromTheMap,
    ]);
    scenario.edit(give(ACCOUNT, [others, of_the_map].concat()));

    // What somebody else has made is left as it is, and everything else goes on.
    scenario.apply(&changed(keeping(PREFIX), "2h")).await;
    let message = target_says(&scenario, "False/NotOurs").await;
    assert!(
        message.contains(&format!("parameter {of_silver} exists already")),
        "{message}"
    );
    let (copy, other_copy) = (copy_of(&scenario, &golden).await, copy_of(&scenario, &silver).await);
    let kept = (readme.as_str(), "keep this");
    until_there_are(&scenario, &[kept, (&of_golden, &copy), (&of_silver, &silver)]).await;
    let made = scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        region.consumers.parameters.get(&of_golden).cloned()
    });
    let made = made.expect("a parameter");
    assert_eq!(
        (made.data_type.as_str(), made.tier.as_str()),
        ("aws:ec2:image", "Standard")
    );
    assert_eq!(made.tags["amiseal.dev/policy"], "production");
    assert_eq!(made.tags["amiseal.dev/source-image"], golden);

    // Once it is gone, amiseal makes its own.
    edit(
        &scenario,
        ConsumerChange::Remove {
            kind: "parameter".to_owned(),
            id: of_silver.clone(),
        },
    );
    scenario.apply(&changed(keeping(PREFIX), "3h")).await;
    target_says(&scenario, "True/Published").await;
    policy_says(&scenario, "True/Published").await;
    until_there_are(&scenario, &[kept, (&of_golden, &copy), (&of_silver, &other_copy)]).await;

    // Somebody holds an image, and nothing else changes.
    want(&scenario, json!({"desired": "Held"})).await;
    until_there_are(&scenario, &[kept, (&of_silver, &other_copy)]).await;

    // Nothing is deleted while the policy is suspended, whatever it asks for.
    let suspended = with(policy("production", &[ACCOUNT]), "suspend", json!(true));
    scenario.apply(&suspended).await;
    target_says(&scenario, "Unknown/Suspended").await;
    until_there_are(&scenario, &[kept, (&of_silver, &other_copy)]).await;

    // Another prefix: the former ones go first. And then all of them.
    scenario.apply(&keeping(OTHER_PREFIX)).await;
    until_there_are(&scenario, &[kept, (&name(OTHER_PREFIX, &silver), &other_copy)]).await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    until_there_are(&scenario, &[kept]).await;
    scenario.judged();
}
