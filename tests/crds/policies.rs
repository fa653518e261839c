//! Policies: their statuses are kept, and their columns tell the story.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, PostParams};

use amiseal::api::conditions::{self, Status, reason};
use amiseal::api::{
    AMIEncryptionPolicy, AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, Account, AccountCounts, Backups,
    ConsumerSettings, CopySettings, Duration, FindingCounts, ImageSelector, MapStatus, Mode, OtherKey,
    PromotionSettings, RegionCounts, RegionSpec, TargetCounts, UnusedSettings, UsageCounts, ValidationSettings,
};

use crate::{KEY, client, column, condition, image_counts, kubectl, migration_counts, store_status, words};

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
