//! A restart at each state of a migration, by SIGTERM and by SIGKILL, changes nothing of what comes out: neither the
//! end nor the calls that it took.

use std::time::Duration;

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use ec2sim::{Act, Edit, Failure};
use serde_json::json;

use crate::harness::{ACCOUNT, Replica, Scenario, conditions_of, policy, says, small_world, state_of, with};

/// How the controller ends.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Terminated,
    Killed,
    /// Not at all: what the others are compared with.
    Never,
}

impl End {
    async fn of(self, replica: Replica, scenario: &Scenario) -> Replica {
        match self {
            Self::Terminated => replica.stop().await,
            Self::Killed => replica.kill(),
            Self::Never => return replica,
        }
        scenario.start().await
    }
}

/// As many images, with two snapshots each, and something to publish.
const IMAGES: usize = 6;

/// Holds migrations in `state`, restarts, lets go; returns the operations that had an effect.
async fn effects(state: MigrationState, end: End) -> Vec<String> {
    let image = r#"{name: "web-{n}", count: 6, description: a server, deprecationTime: 2035-01-01T00:00:00Z, tags: {a: b},
        launchPermissions: {users: ["444455556666"]}, devices: [{}, {gib: 20}],
        expect: {copied: {key: alias/ami, tags: published}}}"#;
    let scenario = Scenario::new(small_world(&[image])).await;
    let sim = scenario.sim();
    let mut policy = with(
        policy("production", &[ACCOUNT]),
        "promotion",
        json!({"tags": "Publish"}),
    );
    match state {
        // One copy fits, and takes long: the others wait.
        MigrationState::Pending => {
            policy = with(policy, "copy", json!({"maxConcurrentSnapshots": 2}));
            sim.change_settings(|settings| settings.copies.base_seconds = 3600.0);
        }
        MigrationState::Copying => sim.change_settings(|settings| settings.copies.base_seconds = 3600.0),
        // Some copies show before all of their snapshots do.
        MigrationState::Verifying => sim.change_settings(|settings| settings.consistency.create_seconds = 15.0),
        MigrationState::Promoting => scenario.fault("ModifyImageAttribute", Act::FailBefore(Failure::default())),
        // See `validating`.
        MigrationState::Validating | MigrationState::Completed => {}
    }
    let replica = scenario.start().await;
    scenario.apply(&policy).await;
    let held = if state == MigrationState::Completed { IMAGES } else { 1 };
    scenario
        .until(&format!("migrations that are {}", state.as_str()), async || {
            let all = scenario.all_migrations().await;
            let there = all
                .iter()
                .filter(|m| m.status.is_some() && state_of(m) == state)
                .count();
            // In Pending, wait until the others have taken the shards.
            let settled = state != MigrationState::Pending || scenario.copies_made() == 1;
            (there >= held && settled).then_some(())
        })
        .await;
    let replica = end.of(replica, &scenario).await;

    sim.clear_faults();
    sim.change_settings(|settings| settings.copies.base_seconds = 0.5);
    if matches!(state, MigrationState::Pending | MigrationState::Copying) {
        sim.advance(Duration::from_secs(3600));
    }
    scenario.completed(IMAGES).await;
    if state == MigrationState::Completed && end != End::Never {
        // A new process looks through everything once, and finds nothing to do.
        let scans = scenario.calls("DescribeImages").len();
        let replica = End::Killed.of(replica, &scenario).await;
        scenario
            .until("a scan", async || {
                (scenario.calls("DescribeImages").len() > scans).then_some(())
            })
            .await;
        drop(replica);
    }
    scenario.judged();
    let mut effects = scenario.effects();
    effects.sort();
    effects
}

/// Restarts in both ways, and compares with a run that nobody disturbs.
async fn restarted_in(state: MigrationState) {
    let undisturbed = effects(MigrationState::Completed, End::Never).await;
    assert_eq!(
        undisturbed.iter().filter(|operation| *operation == "CopyImage").count(),
        IMAGES
    );
    assert_eq!(effects(state, End::Terminated).await, undisturbed, "after SIGTERM");
    assert_eq!(effects(state, End::Killed).await, undisturbed, "after SIGKILL");
}

#[tokio::test]
async fn a_restart_while_images_wait_to_be_copied_changes_nothing() {
    restarted_in(MigrationState::Pending).await;
}

#[tokio::test]
async fn a_restart_while_aws_copies_changes_nothing() {
    restarted_in(MigrationState::Copying).await;
}

#[tokio::test]
async fn a_restart_while_copies_are_verified_changes_nothing() {
    restarted_in(MigrationState::Verifying).await;
}

#[tokio::test]
async fn a_restart_while_copies_are_published_changes_nothing() {
    restarted_in(MigrationState::Promoting).await;
}

#[tokio::test]
async fn a_restart_when_all_is_done_changes_nothing() {
    restarted_in(MigrationState::Completed).await;
}

#[tokio::test]
async fn what_the_first_scan_after_a_restart_contradicts_is_no_longer_claimed() {
    let scenario = Scenario::new(small_world(&["{name: web}", "{name: app}"])).await;
    let replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(2).await;
    let (web, app) = (scenario.image("web"), scenario.image("app"));
    let migration = scenario.migration_of(&web).await.expect("a migration");
    let copy = migration
        .status
        .and_then(|status| status.copy)
        .and_then(|copy| copy.image_id);
    replica.stop().await;
    // As with statuses that come from a backup.
    scenario.edit(Edit::Deregister {
        image: copy.clone().expect("a copy"),
    });
    scenario.edit(Edit::Deregister { image: app.clone() });
    let _replica = scenario.start().await;
    let opened = scenario.reaches(&web, MigrationState::Verifying).await;
    let said = conditions_of(&opened);
    assert_eq!(says(said, conditions::READY), format!("False/{}", reason::VERIFYING));
    assert_eq!(
        says(said, conditions::VERIFIED),
        format!("Unknown/{}", reason::VERIFYING)
    );
    let recorded = opened
        .status
        .and_then(|status| status.copy)
        .and_then(|copy| copy.image_id);
    assert_eq!(recorded, copy, "it may just not show");
    scenario
        .until("the other one to say that its original is gone", async || {
            let gone = scenario.migration_of(&app).await?;
            (says(conditions_of(&gone), conditions::READY) == format!("True/{}", reason::SOURCE_GONE)).then_some(())
        })
        .await;
    assert_eq!(scenario.copies_made(), 2, "no other one is made before ten minutes");
}
