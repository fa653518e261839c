//! Migrations: their statuses are kept, their columns tell the story, and what they are to do cannot change.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use amiseal::api::conditions::{self, Status, reason};
use amiseal::api::{
    AMIEncryptionTarget, AMIMigration, AMIMigrationSpec, AMIMigrationStatus, ConsumerCount, ConsumerPart,
    ConsumerRefresh, ConsumerState, ConsumerVersions, CopyStatus, ImageUsage, InspectorState, InspectorStatus,
    JobState, JobStatus, KeyAccessRow, KeyAccessState, LaunchResult, LaunchState, LaunchStatus, MigrationState,
    MovedConsumer, NamedConsumer, OnDemandScanState, OnDemandScanStatus, PublishedSettings, SnapshotStatus, UsageState,
    ValidationStatus,
};

use crate::targets::target_spec;
use crate::{KEY, client, column, condition, kubectl, refusal, store_status, words};

pub(crate) fn migration(name: &str) -> AMIMigration {
    AMIMigration {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: AMIMigrationSpec {
            policy: "production".to_owned(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            source_image_id: name.split('.').next().expect("an image ID").to_owned(),
            key_arn: KEY.to_owned(),
            ..AMIMigrationSpec::default()
        },
        status: None,
    }
}

#[tokio::test]
async fn a_migrations_status_is_kept_and_its_columns_tell_the_story() {
    let name = "ami-0123456789abcdef0.eu-west-1";
    let api: Api<AMIMigration> = Api::all(client().await);
    api.create(&PostParams::default(), &migration(name))
        .await
        .expect("accepted");

    let status = AMIMigrationStatus {
        observed_generation: Some(1),
        state: Some(MigrationState::Verifying),
        copy: Some(CopyStatus {
            attempt: 2,
            failures: Some(1),
            client_token: "t".repeat(64),
            name: "n".repeat(128),
            image_id: Some("ami-0fedcba9876543210".to_owned()),
            requested_at: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
        }),
        snapshots: vec![SnapshotStatus {
            device: "/dev/xvda".to_owned(),
            source: "snap-0123456789abcdef0".to_owned(),
            copy: Some("snap-0fedcba9876543210".to_owned()),
            key_arn: Some(KEY.to_owned()),
        }],
        source_name: Some("web-1".to_owned()),
        usage: Some(ImageUsage {
            state: UsageState::Used,
            counts: vec![ConsumerCount {
                kind: "Instance".to_owned(),
                account_id: "111122223333".to_owned(),
                count: 25,
            }],
            consumers: vec![NamedConsumer {
                kind: "Instance".to_owned(),
                account_id: "111122223333".to_owned(),
                id: "i-0123456789abcdef0".to_owned(),
                via: Some("lt-0123456789abcdef0 $Default".to_owned()),
                owner: Some("CloudFormation shop".to_owned()),
            }],
            omitted: 24,
            key_access: vec![KeyAccessRow {
                who: "account 111122223333".to_owned(),
                state: KeyAccessState::Denied,
                message: Some("The account 111122223333 may not use the key.".to_owned()),
            }],
            last_launched: Some(Time(Timestamp::from_second(0).expect("a time"))),
            message: Some("AWS does not say when it was last launched.".to_owned()),
            report_time: Some(Time(Timestamp::from_second(0).expect("a time"))),
            read_time: Some(Time(Timestamp::from_second(0).expect("a time"))),
        }),
        stalled: Some(reason::ATTRIBUTE_MISMATCH.to_owned()),
        source_gone_time: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
        approved_by: Some("alice@example.com".to_owned()),
        promotion: Some(PublishedSettings::default()),
        validation: Some(ValidationStatus {
            launch: Some(LaunchStatus {
                state: LaunchState::Ended,
                image_id: "ami-0fedcba9876543210".to_owned(),
                attempt: 2,
                failures: 1,
                client_token: "t".repeat(64),
                instance_type: "t3.nano".to_owned(),
                subnet_id: "subnet-0123456789abcdef0".to_owned(),
                security_group_ids: vec!["sg-0123456789abcdef0".to_owned()],
                timeout_seconds: 3600,
                instance_id: Some("i-0123456789abcdef0".to_owned()),
                result: Some(LaunchResult::Failed),
                message: Some("m".repeat(1024)),
                requested_at: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                time: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                observed_retry: Some("r".repeat(256)),
            }),
            job: Some(JobStatus {
                state: JobState::Ended,
                image_id: "ami-0fedcba9876543210".to_owned(),
                attempt: 2,
                failures: 1,
                losses: 1,
                name: "j".repeat(63),
                uid: Some("5d9a1d3f-8e0b-4b0a-9c7e-0a1b2c3d4e5f".to_owned()),
                cron_job: "c".repeat(52),
                timeout_seconds: 86_400,
                result: Some(LaunchResult::Abandoned),
                message: Some("m".repeat(1024)),
                requested_at: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                time: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                observed_retry: Some("r".repeat(256)),
            }),
            inspector: Some(InspectorStatus {
                state: InspectorState::TimedOut,
                image_id: "ami-0fedcba9876543210".to_owned(),
                severity: Some("s".repeat(32)),
                scan_time: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                waiting_since: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                scan: Some(OnDemandScanStatus {
                    state: OnDemandScanState::Failed,
                    attempt: 2,
                    failures: 1,
                    client_token: "t".repeat(64),
                    scan_id: Some("s".repeat(64)),
                    previous_scan_id: Some("p".repeat(64)),
                    message: Some("m".repeat(1024)),
                    requested_at: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                    time: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
                    observed_retry: Some("r".repeat(256)),
                }),
            }),
        }),
        consumers: vec![MovedConsumer {
            kind: "LaunchTemplate".to_owned(),
            id: "lt-0123456789abcdef0".to_owned(),
            state: ConsumerState::Left,
            reason: Some("RevertedByOwner".to_owned()),
            message: Some("Somebody has set it back.".to_owned()),
            previous: Some(ConsumerVersions {
                latest: 3,
                default: Some(3),
                parts: vec![ConsumerPart {
                    at: "launchTemplate".to_owned(),
                    names: "lt-0123456789abcdef0 3".to_owned(),
                }],
                labels: vec![amiseal::api::ConsumerLabel {
                    name: "p".repeat(100),
                    version: 3,
                }],
            }),
            current: Some(ConsumerVersions {
                latest: 4,
                default: None,
                ..ConsumerVersions::default()
            }),
            refresh: Some(ConsumerRefresh {
                id: Some("08b91cf7-8fa6-48af-b6a6-d227f40f1b9b".to_owned()),
                after: None,
                back: false,
                requested_at: None,
            }),
            time: Some(Time(Timestamp::from_second(1_790_000_000).expect("a time"))),
        }],
        observed_retry: Some("2026-11-21".to_owned()),
        conditions: vec![
            condition(conditions::COPIED, Status::True, reason::SUCCEEDED, ""),
            condition(
                conditions::READY,
                Status::False,
                reason::ATTRIBUTE_MISMATCH,
                "the boot mode differs",
            ),
        ],
    };
    let json = serde_json::to_value(&status).expect("JSON");
    let stored = store_status(&api, name, json).await;
    assert_eq!(stored.status, Some(status));

    for (selector, shown) in [
        ("status.stalled!=", true),
        ("status.stalled=AttributeMismatch", true),
        ("status.stalled=PublicImage", false),
    ] {
        let (listed, _) = kubectl(&["get", "amim", "--field-selector", selector, "-o", "name"]).await;
        assert_eq!(listed.contains(name), shown, "{selector}: {listed}");
    }

    let (table, _) = kubectl(&["get", "amim", name]).await;
    let [header, row] = &words(&table)[..] else {
        panic!("{table}")
    };
    assert_eq!(header.join(" "), "NAME STATE READY REASON IMAGE NAME");
    assert_eq!(row.join(" "), format!("{name} Verifying False AttributeMismatch web-1"));
    assert!(
        column(&table, "REASON").1 <= 80 && column(&table, "IMAGE NAME").0 <= 80,
        "{table}"
    );
    let (wide, _) = kubectl(&["get", "amim", name, "-o", "wide"]).await;
    assert!(
        words(&wide)[0].join(" ").ends_with("IMAGE NAME COPY USAGE ACCOUNT AGE"),
        "{wide}"
    );
    assert!(wide.contains("ami-0fedcba9876543210"), "{wide}");
}

#[tokio::test]
async fn what_a_migration_is_to_do_cannot_change() {
    let name = "ami-01234567.eu-west-1";
    let api: Api<AMIMigration> = Api::all(client().await);
    api.create(&PostParams::default(), &migration(name))
        .await
        .expect("accepted");
    let other_key = KEY.replace("1234abcd", "4321dcba");
    for change in [
        json!({"keyARN": other_key}),
        json!({"policy": "other"}),
        json!({"accountID": "444455556666"}),
    ] {
        let patch = Patch::Merge(json!({"spec": change}));
        let message = refusal(api.patch(name, &PatchParams::default(), &patch).await);
        assert!(message.contains("spec: Invalid value"), "{message}");
        assert!(
            message.contains("delete the migration, which deletes nothing in AWS"),
            "{message}"
        );
    }
    let labels = Patch::Merge(json!({"metadata": {"annotations": {"amiseal.dev/retry": "1"}}}));
    api.patch(name, &PatchParams::default(), &labels)
        .await
        .expect("its metadata can change");
    api.delete(name, &DeleteParams::default())
        .await
        .expect("it can be deleted");
}

#[tokio::test]
async fn targets_and_migrations_are_named_by_what_they_are_of() {
    let targets: Api<AMIEncryptionTarget> = Api::all(client().await);
    let target = AMIEncryptionTarget::new("production.111122223333.eu-west-2", target_spec());
    let message = refusal(targets.create(&PostParams::default(), &target).await);
    assert!(
        message.contains("metadata.name must be spec.policy, spec.accountID and spec.region"),
        "{message}"
    );

    let migrations: Api<AMIMigration> = Api::all(client().await);
    let message = refusal(
        migrations
            .create(&PostParams::default(), &migration("ami-89abcdef.eu-west-2"))
            .await,
    );
    assert!(
        message.contains("metadata.name must be spec.sourceImageID and spec.region"),
        "{message}"
    );
}
