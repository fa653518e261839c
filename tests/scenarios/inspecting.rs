//! A copy is proven by what Amazon Inspector has found in it, as EC2 shows that: never by another copy, and never unscanned.

use amiseal::api::{
    AMIMigration, InspectorState, InspectorStatus, MigrationState, conditions, conditions::reason, labels,
};
use ec2sim::Edit;
use ec2sim::spec::InspectorFinding;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, Scenario, condition, conditions_of, policy, says, with};
use crate::validating::{provable, published};

fn inspected() -> Value {
    let promoted = with(
        policy("production", &[ACCOUNT]),
        "promotion",
        json!({"launchTemplates": "Update"}),
    );
    let inspector = json!({"maximumSeverity": "High", "timeout": "15m"});
    with(promoted, "validation", json!({"inspector": inspector}))
}

/// Has the account and region scanned at once, which is when it is looked at what Amazon Inspector says.
pub(crate) async fn look(scenario: &Scenario, value: &str) {
    let scan = Patch::Merge(json!({"metadata": {"annotations": {labels::SCAN: value}}}));
    let parameters = PatchParams::default();
    let asked = scenario.policies().patch("production", &parameters, &scan).await;
    asked.expect("an annotation can be set");
}

pub(crate) fn record_of(migration: &AMIMigration) -> Option<InspectorStatus> {
    migration.status.clone()?.validation?.inspector
}

/// Waits until a scan of the image's copy is waited for.
async fn waits(scenario: &Scenario) -> (AMIMigration, InspectorStatus) {
    let image = scenario.image("golden");
    scenario
        .until("a scan to be waited for", async || {
            let migration = scenario.migration_of(&image).await?;
            let record = record_of(&migration).filter(|record| record.state == InspectorState::Waiting)?;
            Some((migration, record))
        })
        .await
}

pub(crate) fn said(migration: &AMIMigration) -> String {
    let validated = condition(conditions_of(migration), conditions::VALIDATED);
    validated.expect("a condition").message.clone()
}

#[tokio::test]
async fn nothing_is_shared_or_moved_before_amazon_inspector_has_found_nothing_too_severe_in_the_copy() {
    let scenario = Scenario::new(provable("")).await;
    let _replica = scenario.start().await;
    scenario.apply(&inspected()).await;
    let golden = scenario.image("golden");
    let (migration, record) = waits(&scenario).await;
    let migration_state = migration.status.as_ref().and_then(|status| status.state);
    assert_eq!(migration_state, Some(MigrationState::Validating));
    assert_eq!(
        says(conditions_of(&migration), conditions::VALIDATED),
        "False/Validating"
    );
    assert!(
        record.waiting_since.is_some() && record.scan_time.is_none(),
        "{record:?}"
    );
    assert!(published(&scenario).is_empty(), "it is not proven");

    // Amazon Inspector is turned on, and finds something in what is called as copies are.
    scenario.sim().change_settings(|settings| {
        settings.inspector.findings = vec![InspectorFinding {
            image: "encrypted-*".to_owned(),
            highest: "critical".to_owned(),
        }];
        settings.inspector.scan_seconds = Some(0.0);
    });
    look(&scenario, "it is on").await;
    let stalled = scenario.stalls(&golden, reason::COPY_VULNERABLE).await;
    assert_eq!(
        says(conditions_of(&stalled), conditions::VALIDATED),
        "False/CopyVulnerable"
    );
    let message = said(&stalled);
    for words in [
        "severity Critical",
        record.image_id.as_str(),
        "High is the worst",
        "maximumSeverity",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let failed = record_of(&stalled).expect("a record");
    assert_eq!(
        (failed.state, failed.severity.as_deref(), &failed.waiting_since),
        (InspectorState::Failed, Some("Critical"), &record.waiting_since)
    );
    assert!(failed.scan_time.is_some());
    assert!(published(&scenario).is_empty());

    // A later scan finds less.
    let (image, highest) = (record.image_id.clone(), Some("medium".to_owned()));
    scenario.edit(Edit::Scan { image, highest });
    look(&scenario, "it was scanned again").await;
    scenario.completed(1).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    assert_eq!(says(conditions_of(&migration), conditions::VALIDATED), "True/Succeeded");
    let passed = record_of(&migration).expect("a record");
    assert_eq!(
        (passed.state, passed.severity.as_deref(), passed.image_id),
        (InspectorState::Passed, Some("Medium"), record.image_id)
    );
    scenario
        .until("the template to be moved", async || {
            published(&scenario)
                .contains(&"CreateLaunchTemplateVersion".to_owned())
                .then_some(())
        })
        .await;
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}

#[tokio::test]
async fn a_copy_that_amazon_inspector_does_not_scan_in_time_says_so_and_goes_on_as_soon_as_it_is_scanned() {
    let mut world = provable("");
    world.settings.inspector.scan_seconds = Some(0.0);
    world.settings.inspector.exclude_copied_amis = true;
    let scenario = Scenario::new(world).await;
    let replica = scenario.start().await;
    scenario.apply(&inspected()).await;
    let golden = scenario.image("golden");
    let (migration, _) = waits(&scenario).await;
    replica.kill();
    // Nobody waits for a quarter of an hour: it has been so for long. Whoever comes next keeps to the deadline on record.
    let since = json!({"validation": {"inspector": {"waitingSince": "2026-01-01T00:00:00Z"}}});
    let patch = Patch::Merge(json!({"status": since}));
    let patched = scenario
        .migrations()
        .patch_status(&migration.name_any(), &PatchParams::default(), &patch)
        .await;
    patched.expect("a status that the API server takes");
    let _replica = scenario.start().await;
    let stalled = scenario.stalls(&golden, reason::COPY_NOT_SCANNED).await;
    let message = said(&stalled);
    for words in ["within 15m", "excludeCopiedAmis"] {
        assert!(message.contains(words), "{message}");
    }
    let record = record_of(&stalled).expect("a record");
    assert_eq!(record.state, InspectorState::TimedOut);
    assert!(published(&scenario).is_empty(), "unknown is not clean");

    // Somebody sets it right.
    scenario
        .sim()
        .change_settings(|settings| settings.inspector.exclude_copied_amis = false);
    look(&scenario, "copies are scanned").await;
    scenario.completed(1).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    let passed = record_of(&migration).expect("a record");
    assert_eq!((passed.state, passed.severity), (InspectorState::Passed, None));
    assert!(passed.scan_time.is_some());
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}
