//! Amazon Inspector is asked for an on-demand scan of a copy, where the policy says so: once, and what EC2 shows then is what counts.

use std::time::Duration;

use amiseal::api::{
    AMIMigration, InspectorState, MigrationState, OnDemandScanState, OnDemandScanStatus, conditions, conditions::reason,
};
use ec2sim::Act;
use ec2sim::model::OnDemandScan;
use ec2sim::spec::{AllowedCall, InspectorFinding, WorldSpec};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Scenario, conditions_of, once, policy, says, state_of, with};
use crate::inspecting::{look, record_of, said};
use crate::validating::{provable, published};

/// Amazon Inspector is off, and knows no client token again.
fn off() -> WorldSpec {
    let mut world = provable("");
    world.settings.inspector.on_demand.forgets_tokens = true;
    world
}

fn asking() -> Value {
    let promoted = with(
        policy("production", &[ACCOUNT]),
        "promotion",
        json!({"launchTemplates": "Update"}),
    );
    let inspector = json!({"maximumSeverity": "High", "scan": "OnDemand"});
    with(promoted, "validation", json!({"inspector": inspector}))
}

fn scan_of(migration: &AMIMigration) -> Option<OnDemandScanStatus> {
    record_of(migration)?.scan
}

/// Waits until the scan on record is in this state.
async fn scan_is(scenario: &Scenario, state: OnDemandScanState) -> (AMIMigration, OnDemandScanStatus) {
    let image = scenario.image("golden");
    scenario
        .until(&format!("the scan to be {state:?}"), async || {
            let migration = scenario.migration_of(&image).await?;
            let scan = scan_of(&migration).filter(|scan| scan.state == state)?;
            Some((migration, scan))
        })
        .await
}

/// The scans that Amazon Inspector was asked for.
fn scans(scenario: &Scenario) -> Vec<OnDemandScan> {
    scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        region.on_demand_scans.clone()
    })
}

#[tokio::test]
async fn a_scan_is_asked_for_once_of_each_copy_and_found_again_where_its_answer_was_lost() {
    let mut world = off();
    world.settings.inspector.on_demand.seconds = 3600.0;
    world.settings.inspector.findings = vec![InspectorFinding {
        image: "encrypted-*".to_owned(),
        highest: "high".to_owned(),
    }];
    let scenario = Scenario::new(world).await;
    scenario.sim().add_fault(once("StartOnDemandScan", Act::DropAfter));
    let replica = scenario.start().await;
    scenario.apply(&asking()).await;
    let golden = scenario.image("golden");
    let (migration, scan) = scan_is(&scenario, OnDemandScanState::Started).await;
    assert_eq!(state_of(&migration), MigrationState::Validating);
    assert_eq!(
        says(conditions_of(&migration), conditions::VALIDATED),
        "False/Validating"
    );
    let all = scans(&scenario);
    let [one] = &all[..] else { panic!("{all:?}") };
    let record = record_of(&migration).expect("a record");
    assert_eq!(
        (scan.scan_id.as_ref(), &record.image_id, one.client_token.as_ref()),
        (Some(&one.id), &one.image, Some(&scan.client_token))
    );
    assert!(published(&scenario).is_empty(), "it is not proven");

    // Whoever comes next knows of it.
    replica.kill();
    let _replica = scenario.start().await;
    scenario.sim().advance(Duration::from_secs(3600));
    look(&scenario, "the scan has ended").await;
    scenario.completed(1).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    assert_eq!(says(conditions_of(&migration), conditions::VALIDATED), "True/Succeeded");
    let passed = record_of(&migration).expect("a record");
    assert_eq!(
        (passed.state, passed.severity.as_deref()),
        (InspectorState::Passed, Some("High"))
    );
    let effects = scenario.effects();
    let place = |operation: &str| effects.iter().position(|effect| effect == operation);
    assert!(
        place("StartOnDemandScan") < place("ModifyImageAttribute"),
        "{effects:?}"
    );
    assert_eq!(scans(&scenario).len(), 1, "it is paid for once");
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}

#[tokio::test]
async fn a_scan_that_is_refused_or_fails_is_said_in_the_words_of_aws_and_made_again_when_somebody_asks() {
    let sentence = "On-demand scans are not available to this account";
    let mut world = off();
    world.expect.expected_denials.push(AllowedCall {
        operation: Some("StartOnDemandScan".to_owned()),
        ..AllowedCall::default()
    });
    let on_demand = &mut world.settings.inspector.on_demand;
    on_demand.refuses = Some(sentence.to_owned());
    on_demand.seconds = 0.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&asking()).await;
    let golden = scenario.image("golden");
    let stalled = scenario.stalls(&golden, reason::COPY_NOT_SCANNED).await;
    for words in [sentence, "validation.inspector.scan: Continuous"] {
        assert!(said(&stalled).contains(words), "{}", said(&stalled));
    }
    let refused = scan_of(&stalled).expect("a scan on record");
    assert_eq!((refused.state, refused.scan_id), (OnDemandScanState::Refused, None));

    // It may be asked by now, and does not know the operating system.
    scenario.sim().change_settings(|settings| {
        settings.inspector.on_demand.refuses = None;
        settings.inspector.on_demand.fails = Some("UNSUPPORTED_OS".to_owned());
    });
    scenario.ask_again(&golden, "it may be asked now").await;
    let (_, failed) = scan_is(&scenario, OnDemandScanState::Failed).await;
    assert_eq!(failed.client_token, refused.client_token, "by the same token");
    let failed = scenario
        .until("the failure to be said", async || {
            let migration = scenario.migration_of(&golden).await?;
            said(&migration).contains("UNSUPPORTED_OS").then_some(migration)
        })
        .await;
    assert_eq!(says(conditions_of(&failed), conditions::STALLED), "True/CopyNotScanned");
    assert!(said(&failed).contains("amiseal.dev/retry"), "{}", said(&failed));
    assert_eq!(scans(&scenario).len(), 1, "another scan would not help");
    assert!(published(&scenario).is_empty());

    scenario
        .sim()
        .change_settings(|settings| settings.inspector.on_demand.fails = None);
    scenario.ask_again(&golden, "it knows it now").await;
    // Nobody has the account and region scanned for it.
    scenario.completed(1).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    let passed = record_of(&migration).expect("a record");
    assert_eq!((passed.state, passed.severity), (InspectorState::Passed, None));
    let scan = passed.scan.expect("a scan on record");
    assert_eq!((scan.attempt, scan.previous_scan_id), (2, failed_id(&scenario)));
    assert_eq!(scans(&scenario).len(), 2);
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}

/// The ID of the scan that has failed.
fn failed_id(scenario: &Scenario) -> Option<String> {
    let all = scans(scenario);
    let failed = all.into_iter().find(|scan| scan.failure.is_some());
    failed.map(|scan| scan.id)
}
