//! The definitions of the resources: that `crds/` holds them, and what they do in a real API server.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::CustomResourceExt;
use serde_json::{Value, json};

use amiseal::api::conditions::{self, Status, reason};
use amiseal::api::{
    AMIEncryptionPolicy, AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, AMIEncryptionTarget,
    AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, AMIMigration, AMIMigrationSpec, AMIMigrationStatus, Account,
    AccountCounts, AllowedImageCriterion, AllowedImagesSettings, AllowedImagesState, ApprovalPolicy, AuditSettings,
    Backups, CheckCount, ConsumerCount, ConsumerPart, ConsumerRefresh, ConsumerSettings, ConsumerState, ConsumerUpdate,
    ConsumerVersions, CopySettings, CopyStatus, CreationDateCondition, DeprecationTimeCondition, Duration,
    FindingCounts, FindingsStatus, ForeignImage, GroupUpdate, GuardrailManager, GuardrailMode, GuardrailName,
    GuardrailSettings, GuardrailStatus, ImageCounts, ImageSelector, ImageTerm, ImageUsage, ImageWatermarkFilter,
    InspectorScan, InspectorSettings, InspectorSeverity, InspectorState, InspectorStatus, InstanceRefreshSettings,
    JobSettings, JobState, JobStatus, KeyAccessRow, KeyAccessState, KindCount, LaunchPermissions, LaunchResult,
    LaunchSettings, LaunchState, LaunchStatus, MapSettings, MapStatus, MaxFixAvailable, MigrationCounts,
    MigrationState, Mode, MovedConsumer, NamedConsumer, NamedFinding, OnDemandScanState, OnDemandScanStatus,
    OrphanedCopies, OtherKey, ParameterScope, PromotionSchedule, PromotionSettings, PublishedSettings, RefreshStrategy,
    RegionCounts, RegionSpec, ScanResultCondition, SnapshotStatus, TagPublication, TargetCounts, TargetMapStatus,
    UnencryptedImage, UnreadKind, UnreadPart, UnusedSettings, UsageCounts, UsageReports, UsageState, UsageStatus,
    ValidationSettings, ValidationStatus,
};
use amiseal::cli::crd;

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

async fn client() -> kube::Client {
    rig::shared().await.admin_client().await.expect("a client")
}

async fn kubectl(arguments: &[&str]) -> (String, String) {
    let mut command = rig::shared().await.kubectl().expect("kubectl");
    command.args(arguments);
    let output = tokio::process::Command::from(command)
        .output()
        .await
        .expect("kubectl runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "kubectl {arguments:?}: {err}");
    (out, err)
}

/// The same where it may fail: whether it succeeded, and what it printed.
async fn kubectl_tries(arguments: &[&str]) -> (bool, String) {
    let mut command = rig::shared().await.kubectl().expect("kubectl");
    command.args(arguments);
    let output = tokio::process::Command::from(command)
        .output()
        .await
        .expect("kubectl runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("UTF-8"))
}

/// Where a column begins in a table of kubectl, and where the widest of its cells ends.
fn column(table: &str, title: &str) -> (usize, usize) {
    let header = table.lines().next().expect("a header");
    let begins = header.find(title).unwrap_or_else(|| panic!("no {title}: {header}"));
    let ends = table.lines().filter_map(|line| {
        let cell = line.get(begins..)?;
        let cell = cell.split("  ").next().unwrap_or_default();
        Some(begins + cell.trim_end().len())
    });
    (begins, ends.max().expect("a row"))
}

/// The words of each line: what people see, however wide the columns are.
fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

fn crds_directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/crds"))
}

#[test]
fn the_files_in_crds_are_those_that_the_types_give() {
    let expected: BTreeMap<String, String> = crd::files()
        .expect("definitions")
        .into_iter()
        .map(|file| (file.name, file.yaml))
        .collect();
    let found: BTreeMap<String, String> = std::fs::read_dir(crds_directory())
        .expect("crds/ is there: run `make crds`")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("a readable file"))
        })
        .collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&found),
        names(&expected),
        "crds/ has other files: run `make crds`"
    );
    for (name, yaml) in expected {
        assert!(
            found[&name] == yaml,
            "crds/{name} is not what src/api gives: run `make crds`"
        );
    }
}

#[test]
fn what_is_printed_is_what_is_written_to_files() {
    let mut printed = Vec::new();
    crd::run(&crd::Args::default(), &mut printed).expect("printed");
    let printed = String::from_utf8(printed).expect("UTF-8");

    let directory = tempfile::tempdir().expect("a directory");
    let output_dir = directory.path().join("new/crds");
    let mut nothing = Vec::new();
    crd::run(
        &crd::Args {
            output_dir: Some(output_dir.clone()),
        },
        &mut nothing,
    )
    .expect("written");
    assert!(nothing.is_empty());

    let written: String = crd::files()
        .expect("definitions")
        .iter()
        .map(|file| std::fs::read_to_string(output_dir.join(&file.name)).expect("a file for each"))
        .map(|yaml| format!("---\n{yaml}"))
        .collect();
    assert_eq!(printed, written);
    assert_eq!(printed.matches("\nkind: CustomResourceDefinition\n").count(), 3);
}

#[tokio::test]
async fn the_api_server_takes_the_definitions_without_a_warning() {
    let directory = crds_directory().to_str().expect("UTF-8");
    let (out, err) = kubectl(&["apply", "--server-side", "--force-conflicts", "-f", directory]).await;
    assert_eq!((out.lines().count(), err.as_str()), (3, ""));
}

/// Every property of the schema with its path, the list `[]` and the map `{}` included.
fn properties(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let description = property["description"].as_str().unwrap_or_default();
        found.push((path.clone(), description.to_owned()));
        properties(&path, property, found);
        properties(&path, &property["items"], found);
    }
}

#[tokio::test]
async fn kubectl_explains_every_field_of_the_three_kinds() {
    // The API server publishes it a moment after it has taken the definitions.
    let published = ["get", "--raw", "/openapi/v3/apis/amiseal.dev/v1alpha1"];
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !kubectl_tries(&published).await.0 && std::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (text, _) = kubectl(&published).await;
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut count = 0;
    for kind in ["AMIEncryptionPolicy", "AMIEncryptionTarget", "AMIMigration"] {
        let schema = &document["components"]["schemas"][format!("dev.amiseal.v1alpha1.{kind}")];
        let mut found = Vec::new();
        properties(kind, schema, &mut found);
        for (path, description) in &found {
            assert!(description.len() > 10, "{path} has no doc comment: {description:?}");
        }
        count += found.len();
    }
    assert!(count > 100, "only {count} fields were found");

    let (all, _) = kubectl(&["explain", "amiencryptionpolicies", "--recursive"]).await;
    for field in [
        "mode",
        "scanInterval",
        "lookEvery",
        "backups",
        "historyTTL",
        "ownedBy",
        "requiredTags",
        "kmsKeyID",
        "namePattern",
        "launchPermissions",
        "exclude",
        "organizationalUnits",
        "lastTransitionTime",
    ] {
        assert!(
            words(&all).iter().any(|line| line[..].first() == Some(&field)),
            "{field} is missing:\n{all}"
        );
    }
    for (field, said) in [
        ("aep.spec.copy.maxAttempts", "Default: `3`."),
        ("aep.spec.scanInterval", "Default: `15m`."),
        ("aep.spec.newImages.lookEvery", "Default: `1m`."),
        ("aet.status.conditions", "`Permitted`"),
    ] {
        let (text, _) = kubectl(&["explain", field]).await;
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(said), "{field}: {text}");
    }
    let (one, _) = kubectl(&["explain", "aep.spec.accounts.regions.kmsKeyID"]).await;
    let one = one.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        one.contains("a key ID, a key ARN, an alias name as in `alias/ami`, or an alias ARN"),
        "{one}"
    );
}

#[tokio::test]
async fn what_a_policy_does_not_say_is_filled_in_where_people_see_it() {
    let name = "says-little";
    let policy = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": name},
        "spec": {
            "accounts": [{
                "accountID": "111122223333",
                "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}],
            }],
            "copy": {"maxAttempts": 5},
        },
    });
    let api: Api<AMIEncryptionPolicy> = Api::all(client().await);
    let stored = api
        .patch(
            name,
            &PatchParams::apply("test").validation_strict(),
            &Patch::Apply(&policy),
        )
        .await
        .expect("accepted");

    let (yaml, _) = kubectl(&["get", "aep", name, "-o", "json"]).await;
    let shown: Value = serde_json::from_str(&yaml).expect("JSON");
    let mut expected = policy["spec"].clone();
    expected["mode"] = json!("Audit");
    expected["suspend"] = json!(false);
    expected["scanInterval"] = json!("15m");
    expected["otherKey"] = json!("Report");
    expected["backups"] = json!("Exclude");
    expected["historyTTL"] = json!("720h");
    expected["consumers"] = json!({"read": true, "parameters": "Images", "usageReports": "Ignore"});
    expected["unused"] = json!({"after": "2160h"});
    expected["copy"] = json!({
        "namePattern": "encrypted-{sourceID}-{name}",
        "maxConcurrentSnapshots": 20,
        "maxAttempts": 5,
    });
    expected["validation"] = json!({"maxAttempts": 2});
    expected["promotion"] = json!({
        "launchPermissions": "Preserve",
        "tags": "Withhold",
        "launchTemplates": "Report",
        "ssmParameters": "Report",
        "autoScalingGroups": "Report",
        "instanceRefresh": {"strategy": "Rolling", "autoRollback": false, "maxConcurrentGroups": 1},
        "approval": "Automatic",
        "maxFailures": 5,
            "maxPerDay": 50,
    });
    assert_eq!(shown["spec"], expected);

    // The same defaults hold where no API server fills them in.
    let read: AMIEncryptionPolicySpec = serde_json::from_value(policy["spec"].clone()).expect("a spec");
    assert_eq!(read, stored.spec);
    assert_eq!(serde_json::to_value(read).expect("JSON"), expected);
}

fn condition(type_: &str, status: Status, reason: &str, message: &str) -> Condition {
    let mut list = Vec::new();
    let now = Timestamp::from_second(1_790_000_000).expect("a time");
    conditions::set_condition(&mut list, type_, status, reason, message, Some(1), now);
    list.remove(0)
}

fn image_counts() -> ImageCounts {
    ImageCounts {
        total: 65,
        encrypted: 20,
        unencrypted: 11,
        superseded: 17,
        other_key: 5,
        unencryptable: 4,
        backups: 1,
        exempt: 3,
        contested: 2,
        unknown: 2,
    }
}

fn migration_counts() -> MigrationCounts {
    MigrationCounts {
        pending: 6,
        in_progress: 3,
        stalled: 2,
        completed: 17,
    }
}

/// What `kubectl wait --for condition=Ready` says, which does not wait here.
async fn waits_in_vain(kind: &str, name: &str) -> bool {
    let arguments = ["wait", "--for", "condition=Ready", "--timeout", "0", kind, name];
    !kubectl_tries(&arguments).await.0
}

/// An object that nothing was said of yet is not taken for one with which all is well, nor is one that was changed since.
async fn is_ready_only_when_seen<K>(kind: &str, name: &str, change: Option<Value>)
where
    K: CustomResourceExt
        + kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let api: Api<K> = Api::all(client().await);
    let shown = |stored: K| serde_json::to_value(stored).expect("JSON")["status"].clone();
    let stored = api.get(name).await.expect("it is there");
    assert_eq!(shown(stored), json!({"observedGeneration": -1}), "{kind}");
    assert!(waits_in_vain(kind, name).await, "{kind}: nothing was said yet");

    let ready = condition(conditions::READY, Status::True, reason::SUCCEEDED, "");
    let mut bare = ready.clone();
    bare.observed_generation = None;
    // As from a backup of another version, which says not of what it speaks.
    let stored = store_status(&api, name, json!({"conditions": [bare]})).await;
    assert_eq!(shown(stored)["observedGeneration"], -1, "{kind}");
    assert!(waits_in_vain(kind, name).await, "{kind}: of no generation");

    store_status(&api, name, json!({"observedGeneration": 1, "conditions": [ready]})).await;
    assert!(!waits_in_vain(kind, name).await, "{kind}: ready");
    if let Some(change) = change {
        let patch = Patch::Merge(json!({"spec": change}));
        api.patch(name, &PatchParams::default(), &patch).await.expect("changed");
        assert!(waits_in_vain(kind, name).await, "{kind}: of a former generation");
    }
}

#[tokio::test]
async fn nothing_is_taken_for_ready_before_amiseal_has_looked_at_it_as_it_is_now() {
    let client = client().await;
    let mut target = AMIEncryptionTarget::new("unseen.111122223333.eu-west-1", target_spec());
    target.spec.policy = "unseen".to_owned();
    let policy = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "unseen"},
        "spec": {"accounts": [{
            "accountID": "111122223333",
            "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/ami"}],
        }]},
    });
    let policy: AMIEncryptionPolicy = serde_json::from_value(policy).expect("a policy");
    let parameters = PostParams::default();
    let policies: Api<AMIEncryptionPolicy> = Api::all(client.clone());
    policies.create(&parameters, &policy).await.expect("accepted");
    let targets: Api<AMIEncryptionTarget> = Api::all(client.clone());
    targets.create(&parameters, &target).await.expect("accepted");
    let name = "ami-00000000000000001.eu-west-1";
    let migrations: Api<AMIMigration> = Api::all(client);
    migrations
        .create(&parameters, &migration(name))
        .await
        .expect("accepted");

    let change = || Some(json!({"scanInterval": "2h"}));
    is_ready_only_when_seen::<AMIEncryptionPolicy>("aep", "unseen", change()).await;
    is_ready_only_when_seen::<AMIEncryptionTarget>("aet", "unseen.111122223333.eu-west-1", change()).await;
    is_ready_only_when_seen::<AMIMigration>("amim", name, None).await;
}

/// Stores a status and reads it back, to see that the schema keeps each of its fields.
async fn store_status<K>(api: &Api<K>, name: &str, status: Value) -> K
where
    K: CustomResourceExt
        + kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let patch = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": status});
    let params = PatchParams::apply("amiseal").validation_strict();
    api.patch_status(name, &params, &Patch::Apply(&patch))
        .await
        .expect("a status that the schema takes")
}

#[tokio::test]
async fn a_policys_status_is_kept_and_its_columns_tell_the_story() {
    let name = "columns";
    let spec = AMIEncryptionPolicySpec {
        mode: Mode::Enforce,
        suspend: false,
        scan_interval: Duration::from_mins(15),
        new_images: None,
        defaults: None,
        accounts: vec![Account {
            account_id: "111122223333".to_owned(),
            role_arn: None,
            role_name: Some("amiseal".to_owned()),
            external_id: None,
            regions: vec![RegionSpec {
                name: "eu-west-1".to_owned(),
                kms_key_id: KEY.to_owned(),
            }],
            all_regions: None,
        }],
        accounts_from: None,
        image_selector: ImageSelector::default(),
        other_key: OtherKey::Migrate,
        backups: Backups::Exclude,
        copy: CopySettings::default(),
        validation: ValidationSettings::default(),
        promotion: PromotionSettings::default(),
        consumers: ConsumerSettings::default(),
        unused: UnusedSettings::default(),
        audit: None,
        guardrails: None,
        history_ttl: Duration::from_mins(43_200),
    };
    let api: Api<AMIEncryptionPolicy> = Api::all(client().await);
    api.create(&PostParams::default(), &AMIEncryptionPolicy::new(name, spec))
        .await
        .expect("accepted");

    let status = AMIEncryptionPolicyStatus {
        observed_generation: Some(1),
        conditions: vec![
            condition(conditions::READY, Status::True, reason::SUCCEEDED, ""),
            condition(
                conditions::COMPLIANT,
                Status::False,
                reason::UNENCRYPTED_IMAGES,
                "11 images are unencrypted",
            ),
        ],
        accounts: Some(AccountCounts {
            total: 1000,
            excluded: 2,
            suspended: 3,
            read_time: Some(Time(Timestamp::UNIX_EPOCH)),
        }),
        regions: Some(RegionCounts {
            accounts: 1000,
            unread: 2,
        }),
        targets: Some(TargetCounts { total: 1, ready: 1 }),
        images: Some(image_counts()),
        usage: Some(UsageCounts {
            used: 3,
            unused: 2,
            unused_gib: 16,
            unknown: 1,
        }),
        findings: Some(FindingCounts {
            total: 10,
            critical: 1,
            high: 2,
            medium: 3,
            low: 4,
            exempt: 5,
        }),
        migrations: Some(migration_counts()),
        map: Some(MapStatus {
            config_map: "amiseal-images".to_owned(),
        }),
    };
    let json = serde_json::to_value(&status).expect("JSON");
    let stored = store_status(&api, name, json).await;
    assert_eq!(stored.status, Some(status));

    let (table, _) = kubectl(&["get", "aep", name]).await;
    let [header, row] = &words(&table)[..] else {
        panic!("{table}")
    };
    assert_eq!(
        header.join(" "),
        "NAME MODE READY REASON COMPLIANT UNENCRYPTED CONTESTED UNKNOWN COPIED STALLED AGE"
    );
    assert_eq!(row[..10].join(" "), "columns Enforce True Succeeded False 11 2 2 17 2");
    assert!(
        column(&table, "CONTESTED").1 <= 80 && column(&table, "AGE").1 <= 120,
        "{table}"
    );
    let (wide, _) = kubectl(&["get", "aep", name, "-o", "wide"]).await;
    assert!(
        words(&wide)[0]
            .join(" ")
            .ends_with("AGE SUSPENDED TARGETS IMAGES IN PROGRESS FINDINGS"),
        "{wide}"
    );
}

fn target_spec() -> AMIEncryptionTargetSpec {
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

fn migration(name: &str) -> AMIMigration {
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

fn refusal<K: std::fmt::Debug>(answer: Result<K, kube::Error>) -> String {
    match answer.expect_err("refused") {
        kube::Error::Api(status) => status.message,
        other => panic!("no answer: {other}"),
    }
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
