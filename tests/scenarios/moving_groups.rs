//! Auto Scaling groups that launch an original are moved to its copy, and back.

use amiseal::api::{ConsumerState, MovedConsumer, conditions, conditions::reason, labels};
use ec2sim::model::AutoScalingGroup;
use ec2sim::spec::{AllowedCall, WorldSpec};
use ec2sim::{ConsumerChange, Edit};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::consumers::{old, using};
use crate::harness::{ACCOUNT, REGION, Scenario, condition, conditions_of, policy, with, world};

/// The world, in which everybody may use the keys, and groups and templates may be changed that somebody else has made.
fn movable(consumers: &str) -> WorldSpec {
    let mut world = world(&using(ACCOUNT, &[old("golden", "")], consumers));
    for operation in ["ModifyLaunchTemplate", "UpdateAutoScalingGroup", "CreateOrUpdateTags"] {
        world.expect.allow.push(AllowedCall {
            operation: Some(operation.to_owned()),
            ..AllowedCall::default()
        });
    }
    for account in &mut world.accounts {
        for key in account.regions.iter_mut().flat_map(|region| &mut region.keys) {
            key.policy = Some(json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}]}));
        }
    }
    world
}

fn moving(promotion: Value) -> Value {
    with(policy("production", &[ACCOUNT]), "promotion", promotion)
}

fn group(scenario: &Scenario, name: &str) -> AutoScalingGroup {
    scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        let found = region.consumers.auto_scaling_groups.get(name);
        found.expect("a group").clone()
    })
}

/// What a group launches: the versions and images that it names, in their order.
fn launches(scenario: &Scenario, name: &str) -> Vec<String> {
    let group = group(scenario, name);
    let mut names = Vec::new();
    let version = |reference: &ec2sim::model::TemplateRef| reference.version.clone().unwrap_or_default();
    names.extend(group.launch_template.as_ref().map(version));
    if let Some(mixed) = &group.mixed_instances {
        names.push(version(&mixed.launch_template));
        for one in &mixed.overrides {
            names.extend(one.launch_template.as_ref().map(version));
            names.extend(one.image.clone());
        }
    }
    names
}

/// What the image's migration says of its consumers, once it says this of them all.
async fn moved(scenario: &Scenario, reason: &str) -> Vec<MovedConsumer> {
    let image = scenario.image("golden");
    scenario
        .until(&format!("the consumers of golden to be {reason}"), async || {
            let migration = scenario.migration_of(&image).await?;
            let said = condition(conditions_of(&migration), conditions::CONSUMERS_MOVED)?;
            (said.reason == reason).then(|| migration.status.map(|status| status.consumers))?
        })
        .await
}

async fn want(scenario: &Scenario, spec: Value) {
    let name = format!("{}.{REGION}", scenario.image("golden"));
    let patch = Patch::Merge(json!({"spec": spec}));
    let patched = scenario
        .migrations()
        .patch(&name, &PatchParams::default(), &patch)
        .await;
    patched.expect("people may change it");
}

/// State and reason of each group.
fn of_groups(rows: &[MovedConsumer]) -> Vec<(&str, ConsumerState, &str)> {
    rows.iter()
        .filter(|row| row.kind == "AutoScalingGroup")
        .map(|row| (row.id.as_str(), row.state, row.reason.as_deref().unwrap_or_default()))
        .collect()
}

async fn copy_of(scenario: &Scenario) -> String {
    let migration = scenario
        .migration_of(&scenario.image("golden"))
        .await
        .expect("a migration");
    migration
        .status
        .and_then(|status| status.copy?.image_id)
        .expect("a copy")
}

#[tokio::test]
async fn a_group_gets_the_version_made_of_the_one_that_it_pins_and_back_exactly_what_it_had_before() {
    let consumers = r#"
        launchTemplates: [
          {name: web, versions: [{image: golden, data: {UserData: aGVsbG8=}}]},
          {name: lagging, versions: [{image: golden}, {image: golden}]}],
        launchConfigurations: [{name: plain, image: golden}],
        autoScalingGroups: [
          {name: pinned, launchTemplate: {template: web, version: "1"}},
          {name: mixed, mixedInstances: {launchTemplate: {template: web, version: "1"},
            overrides: [{instanceType: t3.small, weight: "2", image: golden},
              {instanceType: t3.large, launchTemplate: {template: web, version: "1"}}, {instanceType: t3.nano}],
            distribution: {OnDemandBaseCapacity: "1", SpotAllocationStrategy: price-capacity-optimized}}},
          {name: follows, launchTemplate: {template: web}},
          {name: lags, launchTemplate: {template: lagging, version: "1"}},
          {name: configured, launchConfiguration: plain},
          {name: held, tags: {amiseal.dev/hold: "until Monday"}, launchTemplate: {template: web, version: "1"}},
          {name: stack, tags: {"aws:cloudformation:stack-name": shop}, launchTemplate: {template: web, version: "1"}}]"#;
    let scenario = Scenario::new(movable(consumers)).await;
    let _replica = scenario.start().await;
    let before = group(&scenario, "mixed");
    let everything = json!({"launchTemplates": "Update", "autoScalingGroups": "Update"});
    scenario.apply(&moving(everything.clone())).await;
    let (golden, one, two) = (scenario.image("golden"), "1".to_owned(), "2".to_owned());

    let rows = moved(&scenario, reason::CONSUMERS_LEFT).await;
    let (moved_to, left) = (ConsumerState::Moved, ConsumerState::Left);
    assert_eq!(
        of_groups(&rows),
        [
            ("configured", left, "LaunchConfiguration"),
            ("held", left, "Held"),
            ("lags", left, "VersionNotMoved"),
            ("mixed", moved_to, ""),
            ("pinned", moved_to, ""),
            ("stack", left, "OwnedByOther"),
        ]
    );
    let copy = copy_of(&scenario).await;
    assert_eq!(launches(&scenario, "pinned"), std::slice::from_ref(&two));
    assert_eq!(launches(&scenario, "mixed"), [two.clone(), copy, two]);
    for name in ["lags", "held", "stack"] {
        assert_eq!(launches(&scenario, name), std::slice::from_ref(&one), "{name}");
    }
    // All else is as it was, and what was there before stands beside the group, for no instance.
    let after = group(&scenario, "mixed");
    let (old_policy, new_policy) = (
        before.mixed_instances.clone().expect("a policy"),
        after.mixed_instances.expect("a policy"),
    );
    for (was, is) in old_policy.overrides.iter().zip(&new_policy.overrides) {
        assert_eq!((&was.instance_type, &was.weight), (&is.instance_type, &is.weight));
    }
    for (name, was) in &old_policy.distribution {
        assert_eq!(new_policy.distribution.get(name), Some(was), "{name}");
    }
    let tag = after.tags.get(labels::TAG_PREVIOUS).expect("the tag");
    assert!(tag.contains(&format!("1={golden}")) && tag.contains("0+2=lt-"), "{tag}");
    assert!(after.own_tags.contains(labels::TAG_PREVIOUS));
    assert_eq!(scenario.calls("UpdateAutoScalingGroup").len(), 2);

    // And back.
    want(&scenario, json!({"desired": "RolledBack"})).await;
    let rows = moved(&scenario, reason::ROLLED_BACK).await;
    let back = of_groups(&rows);
    let back = back.iter().filter(|(_, state, _)| *state == ConsumerState::PutBack);
    assert_eq!(back.count(), 2);
    assert_eq!(launches(&scenario, "pinned"), std::slice::from_ref(&one));
    assert_eq!(launches(&scenario, "mixed"), [one.clone(), golden, one.clone()]);
    let now = group(&scenario, "mixed").mixed_instances.expect("a policy");
    let ids = |policy: &ec2sim::model::MixedInstances| policy.launch_template.id.clone();
    assert_eq!(ids(&now), ids(&old_policy));

    // What is held no more is moved with the others.
    scenario.edit(Edit::Consumer {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        change: ConsumerChange::Untag {
            kind: "autoScalingGroup".to_owned(),
            id: "held".to_owned(),
            key: "amiseal.dev/hold".to_owned(),
        },
    });
    want(&scenario, json!({"desired": "Migrated"})).await;
    scenario
        .apply(&with(moving(everything), "scanInterval", json!("50m")))
        .await;
    scenario
        .until("the held group to be moved", async || {
            (launches(&scenario, "held") != [one.clone()]).then_some(())
        })
        .await;
    moved(&scenario, reason::CONSUMERS_LEFT).await;
    assert_eq!(launches(&scenario, "stack"), [one]);
    scenario.judged();
}

/// The world, in which a group has two instances of the original, and refreshes go fast.
fn running(groups: &str, seconds: f64) -> WorldSpec {
    let ids = ["i-0123456789abcdef0", "i-0123456789abcdef1"];
    let instances =
        ids.map(|id| format!("{{id: {id}, image: golden, tags: {{\"aws:autoscaling:groupName\": fleet}}}}"));
    let of_group =
        ids.map(|id| format!("{{id: {id}, image: golden, launchTemplate: {{template: web, version: \"1\"}}}}"));
    let consumers = format!(
        "launchTemplates: [{{name: web, versions: [{{image: golden}}]}}], instances: [{}], \
         autoScalingGroups: [{{name: fleet, desired: 2, instances: [{}], {groups}}}]",
        instances.join(", "),
        of_group.join(", ")
    );
    let mut world = movable(&consumers);
    for operation in ["StartInstanceRefresh", "RollbackInstanceRefresh"] {
        world.expect.allow.push(AllowedCall {
            operation: Some(operation.to_owned()),
            ..AllowedCall::default()
        });
    }
    let launches = &mut world.settings.launches;
    (launches.refresh_start_seconds, launches.refresh_seconds) = (0.0, seconds);
    (
        launches.warmup_seconds,
        launches.shutdown_seconds,
        launches.pending_seconds,
    ) = (0.0, 0.1, 0.1);
    launches.suspended_refreshes = ec2sim::spec::Suspended::Fail;
    world
}

/// The images that the group's instances run.
fn runs(scenario: &Scenario) -> Vec<String> {
    let images = group(scenario, "fleet")
        .instances
        .into_iter()
        .filter_map(|one| one.image);
    images.collect()
}

fn refreshing() -> Value {
    moving(json!({"launchTemplates": "Update", "autoScalingGroups": "Refresh",
        "instanceRefresh": {"minHealthyPercentage": 50}}))
}

#[tokio::test]
async fn the_instances_of_a_group_are_replaced_once_and_back() {
    for launches_by in [
        "launchTemplate: {template: web, version: \"1\"}",
        "launchTemplate: {template: web, version: $Latest}",
    ] {
        let scenario = Scenario::new(running(launches_by, 0.2)).await;
        let _replica = scenario.start().await;
        scenario.apply(&refreshing()).await;
        let golden = scenario.image("golden");
        let rows = moved(&scenario, reason::SUCCEEDED).await;
        let states: Vec<_> = of_groups(&rows);
        assert_eq!(states, [("fleet", ConsumerState::Moved, "")]);
        let copy = copy_of(&scenario).await;
        assert_eq!(runs(&scenario), [copy.clone(), copy.clone()]);
        assert_eq!(scenario.calls("StartInstanceRefresh").len(), 1);
        // A group that pins is set with its refresh, and one that follows stays as it is.
        assert!(scenario.calls("UpdateAutoScalingGroup").is_empty());

        want(&scenario, json!({"desired": "RolledBack"})).await;
        moved(&scenario, reason::ROLLED_BACK).await;
        assert_eq!(runs(&scenario), [golden.clone(), golden]);
        assert_eq!(scenario.calls("StartInstanceRefresh").len(), 2);
        scenario.judged();
    }
}

#[tokio::test]
async fn a_refresh_that_fails_stops_everything_until_somebody_acts() {
    let groups = "suspended: [Launch], launchTemplate: {template: web, version: \"1\"}";
    let scenario = Scenario::new(running(groups, 0.2)).await;
    let _replica = scenario.start().await;
    scenario.apply(&refreshing()).await;
    let golden = scenario.image("golden");
    let stalled = scenario.stalls(&golden, reason::REFRESH_FAILED).await;
    let rows = stalled.status.map(|status| status.consumers).unwrap_or_default();
    let row = rows.iter().find(|row| row.kind == "AutoScalingGroup").expect("a row");
    let said = row.message.as_deref().unwrap_or_default();
    assert!(said.contains("Failed: The process Launch is suspended"), "{said}");
    assert_eq!(launches(&scenario, "fleet"), ["1"]);
    assert_eq!(scenario.calls("StartInstanceRefresh").len(), 1);
    want(&scenario, json!({"desired": "RolledBack"})).await;
    moved(&scenario, reason::ROLLED_BACK).await;
    assert_eq!(runs(&scenario), [golden.clone(), golden]);
    scenario.judged();
}

#[tokio::test]
async fn somebody_elses_refresh_is_waited_for_and_never_cancelled() {
    let groups = "launchTemplate: {template: web, version: \"1\"}";
    let scenario = Scenario::new(running(groups, 3600.0)).await;
    scenario.edit(Edit::Consumer {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        change: ConsumerChange::StartRefresh {
            group: "fleet".to_owned(),
        },
    });
    let _replica = scenario.start().await;
    scenario.apply(&refreshing()).await;
    let rows = moved(&scenario, reason::CONSUMERS_LEFT).await;
    assert_eq!(of_groups(&rows), [("fleet", ConsumerState::Left, "RefreshUnderWay")]);
    for operation in [
        "StartInstanceRefresh",
        "CancelInstanceRefresh",
        "RollbackInstanceRefresh",
    ] {
        assert!(scenario.calls(operation).is_empty(), "{operation}");
    }
    scenario.judged();
}
