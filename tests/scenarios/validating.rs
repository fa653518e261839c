//! A copy is proven before anything is published on it or moved to it, by an instance that never outlives its proof.

use std::time::Duration;

use amiseal::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE, TAG_TIMEOUT, TAG_VALIDATES};
use amiseal::api::{
    AMIEncryptionPolicy, AMIMigration, LaunchState, LaunchStatus, MigrationState, conditions, conditions::reason,
};
use amiseal::plan::rights::{self, Grant};
use ec2sim::model::Instance;
use ec2sim::spec::WorldSpec;
use ec2sim::{Act, Failure};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::consumers::{old, using};
use crate::harness::{ACCOUNT, REGION, Scenario, conditions_of, once, policy, says, state_of, take_away, with, world};

const SUBNET: &str = "subnet-0a1b2c3d4e5f60718";
const GROUP: &str = "sg-0a1b2c3d4e5f60718";

/// The statements by which copies are proven, as `amiseal iam-policy` prints them.
fn statements() -> Vec<Value> {
    let policy = proving(&json!({}));
    let policy: AMIEncryptionPolicy = serde_json::from_value(policy).expect("a policy");
    let rights = rights::of(&[policy], &rights::Options::default());
    let ours = rights.accounts[0].rights.iter().filter(|right| {
        [
            Grant::ProveCopies,
            Grant::LaunchFromCopies,
            Grant::LaunchInSubnet,
            Grant::LaunchProofs,
            Grant::LaunchWithVolumes,
            Grant::TagProofs,
            Grant::EndProofs,
        ]
        .contains(&right.grant)
    });
    ours.map(|right| json!(right.statement)).collect()
}

/// An image that is shared and that a launch template names. What the role may do with instances is what the policy takes.
pub(crate) fn provable(more: &str) -> WorldSpec {
    let images = [old("golden", ", launchPermissions: {users: [\"444455556666\"]}")];
    let consumers = format!("launchTemplates: [{{name: web, versions: [{{image: golden}}]}}]{more}");
    let mut world = world(&using(ACCOUNT, &images, &consumers));
    world.expect.temporary_instances = vec![TAG_VALIDATES.to_owned()];
    world.expect.allow.push(ec2sim::spec::AllowedCall {
        operation: Some("ModifyLaunchTemplate".to_owned()),
        ..ec2sim::spec::AllowedCall::default()
    });
    let launches = &mut world.settings.launches;
    (
        launches.pending_seconds,
        launches.status_seconds,
        launches.shutdown_seconds,
    ) = (0.5, 1.0, 1.0);
    launches.subnets = vec![SUBNET.to_owned()];
    let of_instances = [
        "ec2:RunInstances",
        "ec2:TerminateInstances",
        "ec2:DescribeInstanceStatus",
    ];
    take_away(&mut world, ACCOUNT, &of_instances);
    world.accounts[1].roles[0].statements.extend(statements());
    world
}

fn proving(launch: &Value) -> Value {
    let mut wanted = json!({"instanceType": "t3.nano", "subnetID": SUBNET, "securityGroupIDs": [GROUP]});
    for (key, value) in launch.as_object().into_iter().flatten() {
        wanted[key] = value.clone();
    }
    let promoted = with(
        policy("production", &[ACCOUNT]),
        "promotion",
        json!({"launchTemplates": "Update"}),
    );
    with(promoted, "validation", json!({"launch": wanted, "maxAttempts": 1}))
}

fn instances(scenario: &Scenario) -> Vec<Instance> {
    scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("a region");
        let all = region.consumers.instances.iter().map(|(_, instance)| instance.clone());
        all.collect()
    })
}

fn launch_of(migration: &AMIMigration) -> Option<LaunchStatus> {
    migration.status.clone()?.validation?.launch
}

/// Waits until the proof of the image's copy is in this state.
async fn proof_is(scenario: &Scenario, state: LaunchState) -> LaunchStatus {
    let image = scenario.image("golden");
    scenario
        .until(&format!("the proof to be {state:?}"), async || {
            let migration = scenario.migration_of(&image).await?;
            launch_of(&migration).filter(|launch| launch.state == state)
        })
        .await
}

/// Waits until no instance is left.
async fn none_is_left(scenario: &Scenario) {
    scenario
        .until("all instances to be terminated", async || {
            let all = instances(scenario);
            (!all.is_empty() && !all.iter().any(Instance::is_there)).then_some(())
        })
        .await;
}

/// The operations that had an effect on who may launch what.
pub(crate) fn published(scenario: &Scenario) -> Vec<String> {
    let mut effects = scenario.effects();
    effects.retain(|operation| ["ModifyImageAttribute", "CreateLaunchTemplateVersion"].contains(&operation.as_str()));
    effects
}

#[tokio::test]
async fn nothing_is_shared_or_moved_before_an_instance_of_the_copy_has_run_and_is_terminated() {
    let mut world = provable("");
    world.settings.launches.status_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&proving(&json!({}))).await;
    let golden = scenario.image("golden");
    let launch = proof_is(&scenario, LaunchState::Checking).await;
    let migration = scenario.reaches(&golden, MigrationState::Validating).await;
    assert_eq!(
        says(conditions_of(&migration), conditions::VALIDATED),
        "False/Validating"
    );
    let all = instances(&scenario);
    let [instance] = &all[..] else { panic!("{all:?}") };
    assert_eq!(launch.instance_id.as_deref(), Some(instance.id.as_str()));
    assert_eq!(instance.client_token.as_deref(), Some(launch.client_token.as_str()));
    assert_eq!(
        (&instance.image, instance.subnet.as_deref()),
        (&launch.image_id, Some(SUBNET))
    );
    assert_eq!(instance.tags.get(TAG_VALIDATES), Some(&launch.image_id));
    assert_eq!(instance.metadata.get("HttpTokens"), Some(&json!("required")));
    let calls = scenario.calls("RunInstances");
    let asked = |name: &str| calls[0].params.get(name).map(String::as_str);
    assert_eq!(asked("NetworkInterface.1.AssociatePublicIpAddress"), Some("false"));
    assert_eq!(asked("InstanceInitiatedShutdownBehavior"), Some("terminate"));
    assert_eq!(asked("BlockDeviceMapping.1.Ebs.DeleteOnTermination"), Some("true"));
    for absent in [
        "UserData",
        "KeyName",
        "IamInstanceProfile.Arn",
        "IamInstanceProfile.Name",
    ] {
        assert_eq!(asked(absent), None, "{absent}");
    }
    assert!(published(&scenario).is_empty(), "it is not proven");

    scenario.sim().advance(Duration::from_secs(3600));
    scenario.completed(1).await;
    none_is_left(&scenario).await;
    let migration = scenario.migration_of(&golden).await.expect("a migration");
    assert_eq!(says(conditions_of(&migration), conditions::VALIDATED), "True/Succeeded");
    scenario
        .until("the template to be moved", async || {
            published(&scenario)
                .contains(&"CreateLaunchTemplateVersion".to_owned())
                .then_some(())
        })
        .await;
    let effects = scenario.effects();
    let place = |operation: &str| effects.iter().position(|effect| effect == operation);
    assert!(
        place("TerminateInstances") < place("ModifyImageAttribute"),
        "{effects:?}"
    );
    assert_eq!(effects.iter().filter(|effect| *effect == "RunInstances").count(), 1);
    scenario.judged();
}

#[tokio::test]
async fn a_copy_that_never_passes_its_checks_is_not_published_until_somebody_has_it_tried_anew() {
    let mut world = provable("");
    world.settings.launches.status_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&proving(&json!({"timeout": "2m"}))).await;
    let golden = scenario.image("golden");
    let launch = proof_is(&scenario, LaunchState::Checking).await;
    // Its checks fail before its time is over.
    scenario
        .sim()
        .change_settings(|settings| settings.launches.impaired = vec![launch.image_id.clone()]);
    scenario.sim().advance(Duration::from_secs(3600));
    let stalled = scenario.stalls(&golden, reason::VALIDATION_FAILED).await;
    assert_eq!(
        says(conditions_of(&stalled), conditions::VALIDATED),
        "False/ValidationFailed"
    );
    let failed = launch_of(&stalled).expect("a launch");
    assert_eq!((failed.state, failed.failures), (LaunchState::Ended, 1));
    let said = failed.message.unwrap_or_default();
    assert!(said.contains("instance status check"), "{said}");
    none_is_left(&scenario).await;
    assert!(published(&scenario).is_empty());

    scenario.sim().change_settings(|settings| {
        settings.launches.impaired.clear();
        settings.launches.status_seconds = 1.0;
    });
    scenario.ask_again(&golden, "the image is mended").await;
    scenario.completed(1).await;
    assert_eq!(
        scenario.calls("RunInstances").iter().filter(|call| call.effect).count(),
        2
    );
    none_is_left(&scenario).await;
    scenario.judged();
}

#[tokio::test]
async fn what_aws_refuses_to_launch_is_said_and_asked_for_again() {
    let scenario = Scenario::new(provable("")).await;
    let code = "InsufficientInstanceCapacity";
    let failure = Failure {
        code: code.to_owned(),
        status: 400,
        message: "We currently do not have sufficient t3.nano capacity in the Availability Zone you requested"
            .to_owned(),
    };
    scenario.sim().add_fault(once("RunInstances", Act::FailBefore(failure)));
    let _replica = scenario.start().await;
    scenario.apply(&proving(&json!({}))).await;
    let golden = scenario.image("golden");
    let stalled = scenario.stalls(&golden, reason::LAUNCH_REFUSED).await;
    let said = launch_of(&stalled)
        .and_then(|launch| launch.message)
        .unwrap_or_default();
    assert!(
        said.contains(code) && said.contains("another type or a subnet"),
        "{said}"
    );
    assert!(published(&scenario).is_empty());
    scenario.ask_again(&golden, "now").await;
    scenario.completed(1).await;
    // A subnet that is not there, of a policy that is mended.
    let launches = scenario.calls("RunInstances");
    let tokens: Vec<_> = launches.iter().map(|call| call.params.get("ClientToken")).collect();
    assert_eq!(tokens[0], tokens[1], "by the same token");
    none_is_left(&scenario).await;
    scenario.judged();
}

#[tokio::test]
async fn the_instance_of_a_migration_or_a_policy_that_is_deleted_is_terminated() {
    for whole_policy in [false, true] {
        // Somebody else's instance has all of the tags.
        let theirs = format!(
            ", instances: [{{image: golden, tags: {{{TAG_VALIDATES}: x, {TAG_SOURCE_IMAGE}: x, {TAG_ATTEMPT}: \"1\", {TAG_TIMEOUT}: \"1\"}}}}]"
        );
        let mut world = provable(&theirs);
        world.settings.launches.status_seconds = 36_000.0;
        let scenario = Scenario::new(world).await;
        let _replica = scenario.start().await;
        scenario.apply(&proving(&json!({"timeout": "1h"}))).await;
        let launch = proof_is(&scenario, LaunchState::Checking).await;
        let golden = scenario.image("golden");
        if whole_policy {
            scenario.delete("production").await;
        } else {
            let migration = scenario.migration_of(&golden).await.expect("a migration");
            // Nobody makes it again.
            let suspended = with(
                proving(&json!({"timeout": "1h"})),
                "imageSelector",
                json!({"exclude": [{"names": ["golden"]}]}),
            );
            scenario.apply(&suspended).await;
            let deleted = scenario
                .migrations()
                .delete(&migration.name_any(), &DeleteParams::background())
                .await;
            deleted.expect("it can be deleted");
        }
        scenario
            .until("the instance to be terminated", async || {
                let all = instances(&scenario);
                let ours = all
                    .iter()
                    .find(|instance| Some(&instance.id) == launch.instance_id.as_ref())?;
                (!ours.is_there()).then_some(())
            })
            .await;
        let theirs = instances(&scenario).into_iter().filter(Instance::is_there).count();
        assert_eq!(theirs, 1, "what somebody else has launched is left alone");
        assert_eq!(
            scenario
                .calls("TerminateInstances")
                .iter()
                .filter(|call| call.effect)
                .count(),
            1
        );
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_proof_launches_nothing_twice_and_leaves_nothing_running() {
    let mut world = provable("");
    world.settings.launches.status_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let replica = scenario.start().await;
    scenario.apply(&proving(&json!({"timeout": "1h"}))).await;
    proof_is(&scenario, LaunchState::Checking).await;
    replica.kill();
    scenario
        .sim()
        .change_settings(|settings| settings.launches.status_seconds = 1.0);
    let replica = scenario.start().await;
    scenario.completed(1).await;
    none_is_left(&scenario).await;
    assert_eq!(instances(&scenario).len(), 1);
    // A new process finds nothing to do.
    let migration = scenario
        .migration_of(&scenario.image("golden"))
        .await
        .expect("a migration");
    assert_eq!(state_of(&migration), MigrationState::Completed);
    replica.stop().await;
    scenario.judged();
}
