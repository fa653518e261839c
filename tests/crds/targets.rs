//! Targets: they are kept as written, and their columns tell the story.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;

use amiseal::api::conditions::{self, Status, reason};
use amiseal::api::{
    AMIEncryptionTarget, AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, AllowedImageCriterion,
    AllowedImagesSettings, AllowedImagesState, ApprovalPolicy, AuditSettings, Backups, CheckCount, ConsumerSettings,
    ConsumerUpdate, CopySettings, CreationDateCondition, DeprecationTimeCondition, Duration, FindingsStatus,
    ForeignImage, GroupUpdate, GuardrailManager, GuardrailMode, GuardrailName, GuardrailSettings, GuardrailStatus,
    ImageSelector, ImageTerm, ImageWatermarkFilter, InspectorScan, InspectorSettings, InspectorSeverity,
    InstanceRefreshSettings, JobSettings, KindCount, LaunchPermissions, LaunchSettings, MapSettings, MaxFixAvailable,
    Mode, NamedFinding, OrphanedCopies, OtherKey, ParameterScope, PromotionSchedule, PromotionSettings,
    RefreshStrategy, ScanResultCondition, TagPublication, TargetMapStatus, UnencryptedImage, UnreadKind, UnreadPart,
    UnusedSettings, UsageReports, UsageStatus, ValidationSettings,
};

use crate::{KEY, client, column, condition, image_counts, kubectl, migration_counts, refusal, store_status, words};

pub(crate) fn target_spec() -> AMIEncryptionTargetSpec {
    AMIEncryptionTargetSpec {
        policy: "production".to_owned(),
        account_id: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        role_arn: Some("arn:aws:iam::111122223333:role/amiseal".to_owned()),
        external_id: Some("platform".to_owned()),
        kms_key_id: "alias/ami".to_owned(),
        mode: Mode::Enforce,
        suspend: true,
        scan_interval: Duration::from_mins(90),
        new_images: Some(amiseal::api::NewImageSettings {
            look_every: Duration::from_secs(90),
        }),
        image_selector: ImageSelector {
            include: vec![ImageTerm {
                names: vec!["web-*".to_owned()],
                tags: [("team".to_owned(), "*".to_owned())].into(),
                ids: vec!["ami-0123456789abcdef0".to_owned()],
            }],
            exclude: vec![],
        },
        other_key: OtherKey::Migrate,
        backups: Backups::Include,
        copy: CopySettings {
            extra_tags: [("owner".to_owned(), "platform".to_owned())].into(),
            ..CopySettings::default()
        },
        validation: ValidationSettings {
            launch: Some(LaunchSettings {
                instance_type: "t3.nano".to_owned(),
                subnet_id: "subnet-0123456789abcdef0".to_owned(),
                security_group_ids: vec!["sg-0123456789abcdef0".to_owned()],
                timeout: Duration::from_mins(60),
                max_concurrent: 5,
            }),
            job: Some(JobSettings {
                cron_job: "c".repeat(52),
                timeout: Duration::from_mins(24 * 60),
                max_concurrent: 50,
            }),
            inspector: Some(InspectorSettings {
                maximum_severity: InspectorSeverity::Medium,
                scan: InspectorScan::OnDemand,
                timeout: Duration::from_mins(168 * 60),
            }),
            max_attempts: 10,
        },
        promotion: PromotionSettings {
            launch_permissions: LaunchPermissions::Drop,
            tags: TagPublication::Publish,
            launch_templates: ConsumerUpdate::Update,
            ssm_parameters: ConsumerUpdate::Update,
            auto_scaling_groups: GroupUpdate::Refresh,
            instance_refresh: InstanceRefreshSettings {
                strategy: RefreshStrategy::ReplaceRootVolume,
                min_healthy_percentage: Some(90),
                max_healthy_percentage: Some(190),
                instance_warmup: Some(Duration::from_mins(5)),
                checkpoint_percentages: vec![50, 100],
                checkpoint_delay: Some(Duration::from_mins(60)),
                bake_time: Some(Duration::from_mins(30)),
                alarms: vec!["web-errors".to_owned()],
                auto_rollback: true,
                max_concurrent_groups: 2,
            },
            approval: ApprovalPolicy::Manual,
            max_per_day: 1000,
            schedule: Some(PromotionSchedule {
                cron: "0 9 * * MON-THU".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
                duration: Duration::from_mins(240),
            }),
            max_failures: 3,
            failures_acknowledged_at: Some("2026-11-29T20:00:00Z".to_owned()),
            seal: Some("amiseal-verified".to_owned()),
            map: Some(MapSettings {
                config_map: Some("amiseal-images".to_owned()),
                ssm_prefix: Some("/amiseal/images".to_owned()),
            }),
        },
        consumers: ConsumerSettings {
            read: false,
            parameters: ParameterScope::All,
            usage_reports: UsageReports::Create,
            owned_by: [("terraform".to_owned(), "*".to_owned())].into(),
        },
        unused: UnusedSettings {
            after: Duration::from_mins(1440),
        },
        audit: Some(AuditSettings {
            max_image_age: Some(Duration::from_mins(2880)),
            required_tags: vec!["owner".to_owned()],
            trusted_owners: vec![],
            allowed_sharing: Some(vec!["444455556666".to_owned()]),
            max_fix_available: MaxFixAvailable {
                critical: Some(Duration::from_mins(1440)),
                ..MaxFixAvailable::default()
            },
            max_scan_age: Some(Duration::from_mins(2880)),
            disabled_checks: vec!["old-image".to_owned()],
        }),
        guardrails: Some(GuardrailSettings {
            ebs_encryption_by_default: GuardrailMode::Enforce,
            image_block_public_access: GuardrailMode::Audit,
            snapshot_block_public_access: GuardrailMode::Ignore,
            allowed_images: AllowedImagesSettings {
                mode: GuardrailMode::Enforce,
                state: AllowedImagesState::Enabled,
                criteria: vec![AllowedImageCriterion {
                    image_providers: vec!["amazon".to_owned(), "444455556666".to_owned()],
                    image_names: vec!["golden-*".to_owned()],
                    marketplace_product_codes: vec!["abc".to_owned()],
                    deprecation_time_condition: Some(DeprecationTimeCondition {
                        maximum_days_since_deprecated: 0,
                    }),
                    creation_date_condition: Some(CreationDateCondition {
                        maximum_days_since_created: 90,
                    }),
                    image_watermarks: vec![ImageWatermarkFilter {
                        watermark_key: Some("444455556666:ok".to_owned()),
                        ..ImageWatermarkFilter::default()
                    }],
                    scan_result_condition: Some(ScanResultCondition {
                        maximum_severity_label: Some(InspectorSeverity::High),
                        max_days_since_critical_fix_available: Some(7),
                        ..ScanResultCondition::default()
                    }),
                }],
            },
        }),
        history_ttl: Duration::from_mins(1440),
    }
}

#[tokio::test]
async fn a_target_is_kept_as_written_and_its_columns_tell_the_story() {
    let name = "production.111122223333.eu-west-1";
    let api: Api<AMIEncryptionTarget> = Api::all(client().await);
    let target = AMIEncryptionTarget::new(name, target_spec());
    let stored = api
        .patch(
            name,
            &PatchParams::apply("amiseal").validation_strict(),
            &Patch::Apply(&target),
        )
        .await
        .expect("accepted");
    assert_eq!(stored.spec, target_spec());

    let status = AMIEncryptionTargetStatus {
        observed_generation: Some(1),
        conditions: vec![condition(
            conditions::READY,
            Status::Unknown,
            reason::THROTTLED,
            "AWS throttles: wait",
        )],
        images: Some(image_counts()),
        migrations: Some(migration_counts()),
        last_scan_time: Some(Time(Timestamp::from_second(0).expect("a time"))),
        key_arn: Some(KEY.to_owned()),
        caller_arn: Some("arn:aws:sts::111122223333:assumed-role/amiseal/amiseal-production".to_owned()),
        duplicate_gib: Some(137),
        orphaned_copies: Some(OrphanedCopies { images: 3, gib: 24 }),
        unencrypted_images: vec![UnencryptedImage {
            id: "ami-0123456789abcdef0".to_owned(),
            name: "web-1".to_owned(),
        }],
        usage: Some(UsageStatus {
            used: 3,
            unused: 2,
            unused_gib: 16,
            unknown: 1,
            consumers: vec![KindCount {
                kind: "AutoScalingGroup".to_owned(),
                count: 4,
            }],
            unread: vec![UnreadKind {
                kind: "Parameter".to_owned(),
                message: "allow ssm:DescribeParameters".to_owned(),
            }],
            foreign_images: vec![ForeignImage {
                image_id: "ami-0123456789abcdef0".to_owned(),
                kind: "Instance".to_owned(),
                count: 2,
            }],
            foreign_images_omitted: 7,
            read_time: Some(Time(Timestamp::from_second(0).expect("a time"))),
        }),
        findings: Some(FindingsStatus {
            total: 1,
            checks: vec![CheckCount {
                check: "public-image".to_owned(),
                severity: "critical".to_owned(),
                count: 1,
                exempt: 2,
            }],
            named: vec![NamedFinding {
                id: "0".repeat(32),
                check: "public-image".to_owned(),
                severity: "critical".to_owned(),
                resource: "ami-0123456789abcdef0".to_owned(),
                what: "Everybody can launch web-1.".to_owned(),
                exempt_until: Some("2027-06-30".to_owned()),
                exempt_reason: Some("it is meant to be".to_owned()),
            }],
            omitted: 3,
            unread: vec![UnreadPart {
                kind: "AllowedImages".to_owned(),
                message: "allow ec2:GetAllowedImagesSettings".to_owned(),
            }],
            observed_generation: Some(3),
            read_time: Some(Time(Timestamp::from_second(0).expect("a time"))),
        }),
        guardrails: vec![GuardrailStatus {
            name: GuardrailName::EbsEncryptionByDefault,
            mode: Mode::Enforce,
            state: Some("disabled".to_owned()),
            key_arn: Some("alias/aws/ebs".to_owned()),
            managed_by: Some(GuardrailManager::Account),
            holds: Some(false),
            requested_at: Some(Time(Timestamp::from_second(0).expect("a time"))),
            held_since: Some(Time(Timestamp::from_second(0).expect("a time"))),
            drifts: 2,
            message: Some("AWS is asked to set it".to_owned()),
        }],
        contested_by: vec!["base".to_owned()],
        observed_scan: Some("now".to_owned()),
        map: Some(TargetMapStatus {
            ssm_prefix: "/amiseal/images".to_owned(),
        }),
    };
    let json = serde_json::to_value(&status).expect("JSON");
    let stored = store_status(&api, name, json).await;
    assert_eq!(stored.status, Some(status));

    let (table, _) = kubectl(&["get", "aet", name]).await;
    let [header, row] = &words(&table)[..] else {
        panic!("{table}")
    };
    assert_eq!(
        header.join(" "),
        "NAME READY REASON UNENCRYPTED CONTESTED UNKNOWN LAST SCAN"
    );
    assert_eq!(row[..6].join(" "), format!("{name} Unknown Throttled 11 2 2"));
    assert!(
        row[6].ends_with('y') || row[6].ends_with('d'),
        "years since 1970: {row:?}"
    );
    assert!(
        column(&table, "UNENCRYPTED").1 <= 80 && column(&table, "LAST SCAN").1 <= 120,
        "{table}"
    );
    let (wide, _) = kubectl(&["get", "aet", name, "-o", "wide"]).await;
    assert!(
        words(&wide)[0]
            .join(" ")
            .ends_with("LAST SCAN MODE IMAGES COPIED STALLED UNUSED FINDINGS"),
        "{wide}"
    );
    // With the kind before the name, as kubectl has it when asked for several kinds.
    let (both, _) = kubectl(&["get", &format!("aet/{name}"), "crd/amimigrations.amiseal.dev"]).await;
    assert!(column(&both, "UNENCRYPTED").0 <= 120, "{both}");
}

#[tokio::test]
async fn a_target_keeps_what_it_is_of_and_takes_new_settings() {
    let mut target = AMIEncryptionTarget::new("settings.111122223333.eu-west-1", target_spec());
    target.spec.policy = "settings".to_owned();
    let name = "settings.111122223333.eu-west-1";
    let api: Api<AMIEncryptionTarget> = Api::all(client().await);
    api.create(&PostParams::default(), &target).await.expect("accepted");

    let region = Patch::Merge(json!({"spec": {"region": "eu-west-2"}}));
    let message = refusal(api.patch(name, &PatchParams::default(), &region).await);
    assert!(
        message.contains("region says which target this is and cannot change"),
        "{message}"
    );
    let settings = Patch::Merge(json!({"spec": {"mode": "Audit", "kmsKeyID": "alias/other"}}));
    let changed = api
        .patch(name, &PatchParams::default(), &settings)
        .await
        .expect("accepted");
    assert_eq!(
        (changed.spec.mode, changed.spec.kms_key_id.as_str()),
        (Mode::Audit, "alias/other")
    );
}
