//! Who uses the images: statuses name everything that can launch one, here and elsewhere, and say what could not be read.

use amiseal::api::{AMIMigration, ImageUsage, UsageState, UsageStatus, conditions, conditions::reason};
use ec2sim::spec::{AllowedCall, WorldSpec};
use ec2sim::{Act, Failure};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::harness::{ACCOUNT, KEY, OTHER_ACCOUNT, REGION, Scenario, account, condition, policy, says, with, world};

/// An image that was made and last launched long ago.
pub(crate) fn old(name: &str, more: &str) -> String {
    format!(
        "{{name: {name}, creationDate: 2024-01-01T00:00:00Z, lastLaunchedTime: 2024-02-01T00:00:00Z, \
         expect: {{copied: {{key: alias/ami, tags: withheld}}}}{more}}}"
    )
}

/// An account with these images and this that launches them, in YAML.
pub(crate) fn using(id: &str, images: &[String], consumers: &str) -> String {
    let images = images.join(", ");
    let keys = format!("keys: [{{id: {KEY}, alias: [alias/ami]}}]");
    account(
        id,
        &format!("{{name: {REGION}, {keys}, images: [{images}], {consumers}}}"),
    )
}

fn denied(world: &mut WorldSpec, operation: &str) {
    world.expect.expected_denials.push(AllowedCall {
        operation: Some(operation.to_owned()),
        ..AllowedCall::default()
    });
}

/// What an account's target says, once that is so.
pub(crate) async fn target_says(
    scenario: &Scenario,
    id: &str,
    what: &str,
    is_so: impl Fn(&UsageStatus) -> bool,
) -> UsageStatus {
    let name = format!("production.{id}.{REGION}");
    scenario
        .until(&format!("the usage of {name}: {what}"), async || {
            let usage = scenario.targets().get(&name).await.ok()?.status?.usage;
            usage.filter(|usage| is_so(usage))
        })
        .await
}

fn usage(migration: &AMIMigration) -> Option<&ImageUsage> {
    migration.status.as_ref()?.usage.as_ref()
}

/// What an image's migration says of its use, once that is so.
pub(crate) async fn image_says(scenario: &Scenario, name: &str, is_so: impl Fn(&ImageUsage) -> bool) -> ImageUsage {
    let image = scenario.image(name);
    scenario
        .until(&format!("the usage of {name}"), async || {
            let migration = scenario.migration_of(&image).await?;
            usage(&migration).filter(|usage| is_so(usage)).cloned()
        })
        .await
}

pub(crate) fn counts(usage: &ImageUsage) -> Vec<(&str, &str, u32)> {
    let row = usage.counts.iter();
    row.map(|row| (&*row.kind, &*row.account_id, row.count)).collect()
}

fn denial(action: &str) -> Act {
    Act::FailBefore(Failure {
        code: "AccessDenied".to_owned(),
        status: 403,
        message: format!("User: arn:aws:sts::{ACCOUNT}:assumed-role/amiseal/s is not authorized to perform: {action}"),
    })
}

#[tokio::test]
async fn who_uses_the_images_is_counted_and_named_and_what_the_policy_asks_for_besides_is_read_too() {
    let consumers = "
        launchTemplates: [{name: web, tags: {terraform: shop}, versions: [{image: golden}]}],
        autoScalingGroups: [{name: fleet, desired: 0, launchTemplate: {template: web}}],
        instances: [{image: golden, count: 3}],
        parameters: [{name: notes, image: plain}]";
    let images = [old("golden", ""), old("plain", ""), old("idle", "")];
    let scenario = Scenario::new(world(&using(ACCOUNT, &images, consumers))).await;
    let _replica = scenario.start().await;
    let asked = policy("production", &[ACCOUNT]);
    scenario.apply(&asked).await;

    let read = target_says(&scenario, ACCOUNT, "one image in use", |usage| usage.used == 1).await;
    assert_eq!((read.unused, read.unknown, read.unused_gib), (2, 0, 16));
    let kinds: Vec<_> = read.consumers.iter().map(|row| (&*row.kind, row.count)).collect();
    assert_eq!(kinds, [("Instance", 3), ("LaunchTemplate", 1), ("AutoScalingGroup", 1)]);
    let golden = image_says(&scenario, "golden", |usage| usage.state == UsageState::Used).await;
    assert_eq!(
        counts(&golden),
        [
            ("AutoScalingGroup", ACCOUNT, 1),
            ("Instance", ACCOUNT, 3),
            ("LaunchTemplate", ACCOUNT, 1)
        ]
    );
    assert_eq!((golden.consumers.len(), golden.omitted), (5, 0));
    let group = golden.consumers.iter().find(|one| one.kind == "AutoScalingGroup");
    let via = group.and_then(|group| group.via.as_deref()).expect("a way");
    assert!(via.ends_with(" $Default"), "{via}");
    image_says(&scenario, "plain", |usage| usage.state == UsageState::Unused).await;

    // Plain parameters, and whose things are by a tag of one's own.
    let more = with(
        asked.clone(),
        "consumers",
        json!({"parameters": "All", "ownedBy": {"terraform": "*"}}),
    );
    scenario.apply(&more).await;
    target_says(&scenario, ACCOUNT, "a parameter besides", |usage| usage.used == 2).await;
    let plain = image_says(&scenario, "plain", |usage| usage.state == UsageState::Used).await;
    assert_eq!(counts(&plain), [("Parameter", ACCOUNT, 1)]);
    let golden = image_says(&scenario, "golden", |usage| {
        usage.consumers.iter().any(|one| one.owner.is_some())
    })
    .await;
    let template = golden.consumers.iter().find(|one| one.kind == "LaunchTemplate");
    assert_eq!(template.and_then(|one| one.owner.as_deref()), Some("terraform shop"));

    // Where it is not read, nothing is said any more, and no call is made.
    scenario.apply(&with(asked, "consumers", json!({"read": false}))).await;
    let name = format!("production.{ACCOUNT}.{REGION}");
    scenario
        .until("nothing to be said", async || {
            let status = scenario.targets().get(&name).await.ok()?.status?;
            let is_said = condition(&status.conditions, conditions::USAGE_KNOWN).is_some();
            (status.usage.is_none() && !is_said).then_some(())
        })
        .await;
    scenario.completed(3).await;
    scenario.judged();
}

#[tokio::test]
async fn an_image_is_unused_where_everything_was_read_and_nobody_uses_it_here_or_elsewhere() {
    let theirs = format!(", launchPermissions: {{users: [\"{OTHER_ACCOUNT}\"]}}");
    let nobodys = ", launchPermissions: {users: [\"777788889999\"]}";
    let images = [
        old("idle", ""),
        old("shared-used", &theirs),
        old("shared-idle", &theirs),
        old("shared-far", nobodys),
        "{name: young, expect: {copied: {key: alias/ami, tags: withheld}}}".to_owned(),
    ];
    let consumers = "launchTemplates: [{name: theirs, versions: [{image: shared-used}]}]";
    let accounts = format!(
        "{}{}\n- {{id: \"777788889999\"}}",
        using(ACCOUNT, &images, ""),
        using(OTHER_ACCOUNT, &[], consumers)
    );
    let scenario = Scenario::new(world(&accounts)).await;
    let _replica = scenario.start().await;
    let both = policy("production", &[ACCOUNT, OTHER_ACCOUNT]);
    scenario.apply(&both).await;

    let foreign = target_says(&scenario, OTHER_ACCOUNT, "an image of the other account", |usage| {
        !usage.foreign_images.is_empty()
    })
    .await;
    assert_eq!(foreign.foreign_images[0].image_id, scenario.image("shared-used"));
    // At the next reading it is known what the other account's target says; a change of the policy asks for one.
    let both = with(both, "scanInterval", json!("2h"));
    scenario.apply(&both).await;
    let read = target_says(&scenario, ACCOUNT, "one image in use elsewhere", |usage| {
        usage.used == 1 && usage.unused == 1
    })
    .await;
    // Copies that are there already are too young to tell.
    assert!(read.unknown >= 3, "{read:?}");
    let used = image_says(&scenario, "shared-used", |usage| usage.state == UsageState::Used).await;
    assert_eq!(counts(&used), [("LaunchTemplate", OTHER_ACCOUNT, 1)]);
    for (name, state) in [
        ("idle", UsageState::Unused),
        // An old version of a template there may name it.
        ("shared-idle", UsageState::Unknown),
        ("shared-far", UsageState::Unknown),
        ("young", UsageState::Unknown),
    ] {
        image_says(&scenario, name, |usage| usage.state == state).await;
    }
    scenario
        .until("the policy to count them", async || {
            let counts = scenario.policy("production").await.status?.usage?;
            (counts.used == 1 && counts.unused == 1).then_some(())
        })
        .await;
    // AWS would have to say of a launch for longer than that.
    let patient = with(both, "unused", json!({"after": "87600h"}));
    scenario.apply(&patient).await;
    target_says(&scenario, ACCOUNT, "nothing to be unused", |usage| usage.unused == 0).await;
    scenario.completed(5).await;
    scenario.judged();
}

#[tokio::test]
async fn what_cannot_be_read_is_named_keeps_images_from_being_unused_and_hides_nothing_else() {
    let consumers = "autoScalingGroups: [{name: fleet, launchConfiguration: classic}],
        launchConfigurations: [{name: classic, image: golden}], instances: [{image: other}]";
    let images = [old("golden", ""), old("other", ""), old("idle", "")];
    let mut world = world(&using(ACCOUNT, &images, consumers));
    denied(&mut world, "DescribeAutoScalingGroups");
    let scenario = Scenario::new(world).await;
    scenario.fault(
        "DescribeAutoScalingGroups",
        denial("autoscaling:DescribeAutoScalingGroups"),
    );
    let _replica = scenario.start().await;
    let asked = policy("production", &[ACCOUNT]);
    scenario.apply(&asked).await;

    let read = target_says(&scenario, ACCOUNT, "an unread kind", |usage| !usage.unread.is_empty()).await;
    // The configuration names the image by itself.
    assert_eq!((read.used, read.unused, read.unknown), (2, 0, 1));
    let name = format!("production.{ACCOUNT}.{REGION}");
    let said = scenario
        .until("the condition", async || {
            let conditions = scenario.target(&name).await.status?.conditions;
            let known = condition(&conditions, conditions::USAGE_KNOWN)?;
            (known.status == "False").then(|| conditions.clone())
        })
        .await;
    let known = condition(&said, conditions::USAGE_KNOWN).expect("a condition");
    assert_eq!(known.reason, reason::CONSUMERS_UNREAD);
    assert!(
        known.message.contains("autoscaling:DescribeAutoScalingGroups"),
        "{}",
        known.message
    );
    assert_eq!(says(&said, conditions::READY), "True/Succeeded", "it hinders nothing");
    let events = Api::<Event>::all(scenario.client.clone());
    scenario
        .until("an Event", async || {
            let all = events.list(&ListParams::default()).await.ok()?.items;
            let ours = |event: &Event| event.reason.as_deref() == Some(reason::CONSUMERS_UNREAD);
            all.iter().any(ours).then_some(())
        })
        .await;
    let idle = image_says(&scenario, "idle", |usage| usage.state == UsageState::Unknown).await;
    let why = idle.message.expect("why");
    assert!(why.contains("AutoScalingGroup"), "{why}");
    scenario.completed(3).await;

    // Once it is allowed, a scan that is asked for shows it.
    scenario.sim().clear_faults();
    scenario.apply(&with(asked, "scanInterval", json!("2h"))).await;
    target_says(&scenario, ACCOUNT, "everything", |usage| usage.unread.is_empty()).await;
    image_says(&scenario, "idle", |usage| usage.state == UsageState::Unused).await;
    scenario.judged();
}

#[tokio::test]
async fn a_reading_that_is_under_way_ends_when_its_policy_is_suspended() {
    let idle =
        "{name: idle, creationDate: 2024-01-01T00:00:00Z, lastLaunchedTime: 2024-02-01T00:00:00Z, expect: untouched}";
    let scenario = Scenario::new(world(&using(ACCOUNT, &[idle.to_owned()], "instances: []"))).await;
    scenario.fault("DescribeImageReferences", Act::DelayReply(9.0));
    let _replica = scenario.start().await;
    let looks = with(policy("production", &[ACCOUNT]), "mode", json!("Audit"));
    scenario.apply(&looks).await;
    scenario
        .until("AWS to be asked what names the image", async || {
            (!scenario.calls("DescribeImageReferences").is_empty()).then_some(())
        })
        .await;
    scenario.apply(&with(looks, "suspend", json!(true))).await;
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    // Who may launch it would be asked for next.
    let asked = scenario.calls("DescribeImageAttribute");
    assert!(asked.is_empty(), "{asked:#?}");
    scenario.judged();
}
