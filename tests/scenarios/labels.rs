//! Labels of a parameter go along when it is moved, and back: whoever resolves one launches the copy, and the original again.

use std::collections::BTreeMap;

use amiseal::api::{ConsumerLabel, ConsumerState, MovedConsumer, conditions, conditions::reason};
use ec2sim::ConsumerKind;
use ec2sim::spec::WorldSpec;
use serde_json::json;

use crate::harness::{ACCOUNT, REGION, Scenario, condition, conditions_of, give, take_away};
use crate::moving::{movable, moved, moving, want};

/// A template that resolves a label of the latest version of a parameter, of which somebody has pinned an older version too.
const CONSUMERS: &str = r#"
    launchTemplates: [{name: by-label, versions: [{image: "resolve:ssm:/golden:prod"}]}],
    parameters: [{name: /golden, dataType: "aws:ec2:image",
        versions: [{image: golden, labels: [pinned]}, {image: golden, labels: [prod, canary]}]}]"#;

fn labelled() -> WorldSpec {
    movable(CONSUMERS)
}

/// The versions of the parameter by their labels.
fn labels(scenario: &Scenario) -> BTreeMap<String, u64> {
    scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        let parameter = region.consumers.parameters.get("/golden").expect("a parameter");
        let mut labels = BTreeMap::new();
        for version in &parameter.versions {
            labels.extend(version.labels.iter().map(|label| (label.clone(), version.number)));
        }
        labels
    })
}

fn on(prod: u64) -> BTreeMap<String, u64> {
    [("canary", prod), ("pinned", 1), ("prod", prod)]
        .map(|(label, version)| (label.to_owned(), version))
        .into()
}

/// The image that the template launches, if that works.
fn launched(scenario: &Scenario) -> Option<String> {
    let launches = scenario.sim().launches(ACCOUNT, REGION);
    let mut of_template = launches
        .into_iter()
        .filter(|launch| launch.kind == ConsumerKind::LaunchTemplate);
    let launch = of_template.next().expect("a template");
    launch.image.filter(|_| launch.works.is_ok())
}

async fn copy_of(scenario: &Scenario, image: &str) -> String {
    let migration = scenario.migration_of(image).await.expect("a migration");
    let copy = migration.status.and_then(|status| status.copy?.image_id);
    copy.expect("a copy")
}

fn on_record(rows: &[MovedConsumer]) -> [Vec<(&str, i64)>; 2] {
    let [row] = rows else { panic!("one parameter: {rows:?}") };
    [&row.previous, &row.current].map(|versions| {
        let labels: &[ConsumerLabel] = versions.as_ref().map_or(&[], |versions| versions.labels.as_slice());
        labels
            .iter()
            .map(|label| (label.name.as_str(), label.version))
            .collect()
    })
}

#[tokio::test]
async fn whoever_resolves_a_label_launches_the_copy_once_its_parameter_is_moved_and_the_original_after_a_rollback() {
    let scenario = Scenario::new(labelled()).await;
    let _replica = scenario.start().await;
    let golden = scenario.image("golden");
    assert_eq!(launched(&scenario).as_ref(), Some(&golden));
    scenario.apply(&moving(json!({"ssmParameters": "Update"}))).await;
    let rows = moved(&scenario, reason::SUCCEEDED).await;
    let copy = copy_of(&scenario, &golden).await;
    assert_eq!((labels(&scenario), launched(&scenario)), (on(3), Some(copy)));
    assert_eq!(rows[0].state, ConsumerState::Moved);
    let message = rows[0].message.as_deref().unwrap_or_default();
    assert!(message.contains("version 1 with the label pinned"), "{message}");
    let both = |version| vec![("prod", version), ("canary", version)];
    assert_eq!(on_record(&rows), [both(2), both(3)]);
    assert_eq!(scenario.calls("LabelParameterVersion").len(), 1);

    want(&scenario, json!({"desired": "RolledBack"})).await;
    let rows = moved(&scenario, reason::ROLLED_BACK).await;
    assert_eq!(rows[0].state, ConsumerState::PutBack);
    assert_eq!((labels(&scenario), launched(&scenario)), (on(2), Some(golden)));
    assert_eq!(scenario.calls("LabelParameterVersion").len(), 2);
    scenario.judged();
}

#[tokio::test]
async fn a_role_that_may_not_move_labels_is_told_which_action_it_lacks() {
    let mut world = labelled();
    world.expect.denials_are_wrong = Some(false);
    let may = take_away(&mut world, ACCOUNT, &["ssm:LabelParameterVersion"]);
    let scenario = Scenario::new(world).await;
    let replica = scenario.start().await;
    scenario.apply(&moving(json!({"ssmParameters": "Update"}))).await;
    let golden = scenario.image("golden");
    let stalled = scenario.stalls(&golden, reason::ACCESS_DENIED).await;
    let said = condition(conditions_of(&stalled), conditions::STALLED).expect("a condition");
    assert!(said.message.contains("ssm:LabelParameterVersion"), "{}", said.message);
    assert_eq!((labels(&scenario), launched(&scenario)), (on(2), Some(golden.clone())));

    scenario.edit(give(ACCOUNT, may));
    // It tries again after ten minutes; a new process at once.
    replica.stop().await;
    let _replica = scenario.start().await;
    moved(&scenario, reason::SUCCEEDED).await;
    let copy = copy_of(&scenario, &golden).await;
    assert_eq!((labels(&scenario), launched(&scenario)), (on(3), Some(copy)));
    scenario.judged();
}
