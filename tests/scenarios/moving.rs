//! What launches an original is moved to its copy: as the policy and people say, and back.

use amiseal::api::{AMIMigration, ConsumerState, MovedConsumer, conditions, conditions::reason};
use ec2sim::model::LaunchTemplate;
use ec2sim::spec::{AllowedCall, ConsumerSpec, WorldSpec};
use ec2sim::{ConsumerChange, Edit};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::consumers::{old, using};
use crate::harness::{ACCOUNT, REGION, Scenario, condition, conditions_of, policy, with, with_rights_of, world};

/// The world, in which these may be changed that somebody else has made.
pub(crate) fn movable(consumers: &str) -> WorldSpec {
    let images = [old("golden", "")];
    let mut world = world(&using(ACCOUNT, &images, consumers));
    for operation in ["ModifyLaunchTemplate", "PutParameter", "LabelParameterVersion"] {
        world.expect.allow.push(AllowedCall {
            operation: Some(operation.to_owned()),
            ..AllowedCall::default()
        });
    }
    world
}

pub(crate) fn moving(promotion: Value) -> Value {
    with(policy("production", &[ACCOUNT]), "promotion", promotion)
}

fn template(scenario: &Scenario, name: &str) -> LaunchTemplate {
    scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        let mut templates = region.consumers.launch_templates.iter();
        let found = templates.find(|(_, template)| template.name == name);
        found.expect("a template").1.clone()
    })
}

/// The images that the default and the latest version of a template name.
pub(crate) fn launched(scenario: &Scenario, name: &str) -> [String; 2] {
    let template = template(scenario, name);
    [None, Some("$Latest")].map(|version| {
        let version = template.version(version).expect("a version");
        version.image.clone().expect("an image")
    })
}

fn value(scenario: &Scenario, name: &str) -> String {
    scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        let parameter = region.consumers.parameters.get(name).expect("a parameter");
        parameter.latest().expect("a version").value.clone()
    })
}

/// What the image's migration says of its consumers, once it says this of them all.
pub(crate) async fn moved(scenario: &Scenario, reason: &str) -> Vec<MovedConsumer> {
    let image = scenario.image("golden");
    scenario
        .until(&format!("the consumers of golden to be {reason}"), async || {
            let migration = scenario.migration_of(&image).await?;
            let said = condition(conditions_of(&migration), conditions::CONSUMERS_MOVED)?;
            (said.reason == reason).then(|| migration.status.map(|status| status.consumers))?
        })
        .await
}

/// What a migration says of its consumers.
pub(crate) fn message(migration: &AMIMigration) -> String {
    let said = condition(conditions_of(migration), conditions::CONSUMERS_MOVED);
    said.map(|said| said.message.clone()).unwrap_or_default()
}

pub(crate) async fn want(scenario: &Scenario, spec: Value) {
    let name = format!("{}.{REGION}", scenario.image("golden"));
    let patch = Patch::Merge(json!({"spec": spec}));
    let patched = scenario
        .migrations()
        .patch(&name, &PatchParams::default(), &patch)
        .await;
    patched.expect("people may change it");
}

fn states(rows: &[MovedConsumer]) -> Vec<(&str, ConsumerState, &str)> {
    rows.iter()
        .map(|row| (row.kind.as_str(), row.state, row.reason.as_deref().unwrap_or_default()))
        .collect()
}

fn edit(scenario: &Scenario, change: ConsumerChange) {
    scenario.edit(Edit::Consumer {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        change,
    });
}

#[tokio::test]
async fn what_launches_an_original_is_moved_to_its_copy_and_put_back_and_what_is_somebody_elses_is_left() {
    let consumers = r#"
        launchTemplates: [
          {name: web, versions: [{image: golden, devices: [{device: /dev/xvda, snapshotOf: golden, gib: 30}],
            data: {UserData: aGVsbG8=}}]},
          {name: held, tags: {amiseal.dev/hold: "until Monday"}, versions: [{image: golden}]},
          {name: stack, tags: {"aws:cloudformation:stack-name": shop}, versions: [{image: golden}]}],
        parameters: [{name: /golden, dataType: "aws:ec2:image", description: The web image, image: golden}]"#;
    let promotion = json!({"launchTemplates": "Update", "ssmParameters": "Update", "approval": "Manual"});
    let policy = moving(promotion);
    let world = with_rights_of(movable(consumers), std::slice::from_ref(&policy));
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy).await;
    let golden = scenario.image("golden");
    let before = template(&scenario, "web");

    // Nothing is moved before somebody has approved it.
    let waiting = scenario.stalls(&golden, reason::APPROVAL_REQUIRED).await;
    let said = message(&waiting);
    assert!(
        said.starts_with(&format!(
            "LaunchTemplate {}, Parameter /golden would be moved",
            before.id
        )),
        "{said}"
    );
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden.clone()]);

    want(&scenario, json!({"approval": "Approved", "approvedBy": "admin"})).await;
    let rows = moved(&scenario, reason::CONSUMERS_LEFT).await;
    let mut of_templates = states(&rows);
    of_templates.sort_by_key(|(_, _, reason)| (*reason).to_owned());
    let (moved_to, left) = (ConsumerState::Moved, ConsumerState::Left);
    assert_eq!(
        of_templates,
        [
            ("LaunchTemplate", moved_to, ""),
            ("Parameter", moved_to, ""),
            ("LaunchTemplate", left, "Held"),
            ("LaunchTemplate", left, "OwnedByOther"),
        ]
    );
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    let copy = migration
        .status
        .and_then(|status| status.copy?.image_id)
        .expect("a copy");
    assert_eq!(launched(&scenario, "web"), [copy.clone(), copy.clone()]);
    assert_eq!(value(&scenario, "/golden"), copy);
    for left in ["held", "stack"] {
        assert_eq!(launched(&scenario, left), [golden.clone(), golden.clone()], "{left}");
    }
    // The volume is made from the copy's snapshot, and all else is as it was.
    let after = template(&scenario, "web");
    let (old_version, new_version) = (&before.versions[0], &after.versions[1]);
    let copied = scenario.sim().with_world(|world| {
        let image = world.image(REGION, &copy).expect("the copy");
        image.snapshot_ids().next().map(str::to_owned)
    });
    assert_eq!(new_version.devices[0].snapshot, copied);
    assert_eq!(new_version.devices[0].gib, Some(30));
    assert_eq!(new_version.data, old_version.data);

    // And back.
    want(&scenario, json!({"desired": "RolledBack"})).await;
    let rows = moved(&scenario, reason::ROLLED_BACK).await;
    assert_eq!(rows.iter().filter(|row| row.state == ConsumerState::PutBack).count(), 2);
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden.clone()]);
    assert_eq!(value(&scenario, "/golden"), golden);
    let back = template(&scenario, "web");
    let latest = back.version(Some("$Latest")).expect("a version");
    assert_eq!(
        (&latest.devices, &latest.data),
        (&old_version.devices, &old_version.data)
    );
    assert_eq!(back.default_number(), 1);

    // What is held no more is moved with the others.
    let mut freed = template(&scenario, "held");
    freed.tags.clear();
    edit(
        &scenario,
        ConsumerChange::Put(Box::new(ConsumerSpec::LaunchTemplate(freed))),
    );
    want(&scenario, json!({"desired": "Migrated"})).await;
    scenario
        .apply(&with(
            moving(json!({"launchTemplates": "Update", "ssmParameters": "Update"})),
            "scanInterval",
            json!("50m"),
        ))
        .await;
    scenario
        .until("the held template to be moved", async || {
            (launched(&scenario, "held") == [copy.clone(), copy.clone()]).then_some(())
        })
        .await;
    moved(&scenario, reason::CONSUMERS_LEFT).await;
    assert_eq!(launched(&scenario, "web"), [copy.clone(), copy.clone()]);
    assert_eq!(launched(&scenario, "stack"), [golden.clone(), golden]);
    scenario.judged();
}

#[tokio::test]
async fn no_more_consumers_are_moved_in_a_day_than_the_policy_says() {
    let consumers =
        "launchTemplates: [{name: one, versions: [{image: golden}]}, {name: two, versions: [{image: golden}]}]";
    let scenario = Scenario::new(movable(consumers)).await;
    let _replica = scenario.start().await;
    scenario
        .apply(&moving(json!({"launchTemplates": "Update", "maxPerDay": 1})))
        .await;
    let golden = scenario.image("golden");
    scenario
        .until("the day to be full", async || {
            let migration = scenario.migration_of(&golden).await?;
            let said = message(&migration);
            said.contains("promotion.maxPerDay").then_some(())
        })
        .await;
    let is_old = |name| launched(&scenario, name)[0] == golden;
    assert_eq!(["one", "two"].into_iter().filter(|name| is_old(name)).count(), 1);
    scenario
        .apply(&moving(json!({"launchTemplates": "Update", "maxPerDay": 2})))
        .await;
    moved(&scenario, reason::SUCCEEDED).await;
    let is_old = |name| launched(&scenario, name)[0] == golden;
    assert!(!is_old("one") && !is_old("two"));
    scenario.judged();
}

#[tokio::test]
async fn nothing_is_moved_to_a_copy_whose_key_may_not_be_used_by_who_launches_the_original() {
    let consumers = "
        launchTemplates: [{name: web, versions: [{image: golden}]}],
        autoScalingGroups: [{name: fleet, launchTemplate: {template: web}}]";
    let scenario = Scenario::new(movable(consumers)).await;
    let _replica = scenario.start().await;
    scenario.apply(&moving(json!({"launchTemplates": "Update"}))).await;
    let golden = scenario.image("golden");
    let stalled = scenario.stalls(&golden, reason::KEY_NOT_USABLE).await;
    let said = message(&stalled);
    assert!(
        said.contains("AWSServiceRoleForAutoScaling") && said.contains("fleet"),
        "{said}"
    );
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden]);
    assert!(scenario.calls("CreateLaunchTemplateVersion").is_empty());
    scenario.judged();
}
