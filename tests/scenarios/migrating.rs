//! The main job: images are found, copied, verified, published.

use amiseal::api::conditions;
use serde_json::json;

use crate::harness::{
    ACCOUNT, KEY_ARN, OTHER_ACCOUNT, REGION, Scenario, account, conditions_of, name_of, plain, plain_ones, policy,
    region, says, small_world, with, with_rights_of, world,
};

/// What EC2 asks for at the keys on the role's behalf.
const OF_KEYS: [&str; 6] = [
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

#[tokio::test]
async fn unencrypted_images_of_several_accounts_and_regions_are_copied_verified_and_published() {
    let shared = format!(
        r#"{{name: shared, description: "a web server", tags: {{team: web}}, deprecationTime: 2035-01-01T00:00:00Z,
            launchPermissions: {{users: ["{OTHER_ACCOUNT}"]}}, expect: {{copied: {{key: alias/ami, tags: withheld}}}}}}"#
    );
    let encrypted = "{name: encrypted, encryptedUnder: alias/ami, expect: encrypted}";
    let regions = |extra: &str| {
        region("eu-west-1", &[&plain_ones("web-", 3), &shared, encrypted, extra])
            + &region("us-east-1", &[&plain("database")])
    };
    let accounts = account(ACCOUNT, &regions("{name: exempt, tags: {keep: x}, expect: untouched}"))
        + &account(OTHER_ACCOUNT, &regions(&plain("more")));
    let regions = json!([
        {"name": "eu-west-1", "kmsKeyID": "alias/ami"},
        {"name": "us-east-1", "kmsKeyID": "alias/ami"},
    ]);
    let policy = with(
        policy("production", &[ACCOUNT, OTHER_ACCOUNT]),
        "defaults.regions",
        regions,
    );
    let exclude = json!({"exclude": [{"tags": {"keep": "*"}}]});
    let policy = with(policy, "imageSelector", exclude);
    // The policy's own rights are enough, those to the keys with them.
    let mut world = with_rights_of(world(&accounts), std::slice::from_ref(&policy));
    world.settings.copies.key_actions = OF_KEYS.map(str::to_owned).to_vec();
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy).await;

    scenario.completed(11).await;
    assert_eq!(scenario.copies_made(), 11);
    for migration in scenario.all_migrations().await {
        let conditions = conditions_of(&migration);
        for (type_, expected) in [
            (conditions::COPIED, "True/Succeeded"),
            (conditions::VERIFIED, "True/Succeeded"),
            (conditions::PROMOTED, "True/Succeeded"),
            (conditions::READY, "True/Succeeded"),
            (conditions::RECONCILING, "False/Succeeded"),
            (conditions::STALLED, "False/NotStalled"),
        ] {
            assert_eq!(says(conditions, type_), expected, "{type_} of {}", name_of(&migration));
        }
    }
    scenario.judged();
}

#[tokio::test]
async fn devices_of_every_kind_are_copied_whole() {
    let image = r#"{name: database, bootMode: uefi, tpm: v2.0, imds: v2.0, sriov: simple, architecture: arm64, devices: [
        {gib: 20}, {gib: 100, volumeType: io2, iops: 4000}, {device: /dev/sdz, blank: true, gib: 50},
        {device: /dev/sdy, ephemeral: true}, {device: /dev/sdx, gib: 5, volumeType: st1, deleteOnTermination: false}
        ], expect: {copied: {key: alias/ami}}}"#;
    let scenario = Scenario::new(small_world(&[image])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;

    let migration = &scenario.all_migrations().await[0];
    let status = migration.status.as_ref().expect("a status");
    let devices: Vec<&str> = status.snapshots.iter().map(|s| s.device.as_str()).collect();
    assert_eq!(devices, ["/dev/xvda", "/dev/sdb", "/dev/sdx"], "those with a snapshot");
    for snapshot in &status.snapshots {
        assert_eq!(snapshot.key_arn.as_deref(), Some(KEY_ARN));
        assert_ne!(snapshot.copy.as_deref(), Some(snapshot.source.as_str()));
    }
    scenario.judged();
}

#[tokio::test]
async fn tags_are_published_in_the_order_of_the_originals_creation_when_asked_for() {
    let image = |name: &str, year: u32, gib: u32| {
        format!(
            "{{name: {name}, tags: {{role: web}}, creationDate: {year}-01-01T00:00:00Z, devices: [{{gib: {gib}}}], \
             expect: {{copied: {{key: alias/ami, tags: published}}}}}}"
        )
    };
    // The oldest is the largest, so that its copy is done last.
    let images = [
        image("newest", 2025, 10),
        image("oldest", 2021, 40),
        image("middle", 2023, 20),
    ];
    let mut world = small_world(&images.each_ref().map(String::as_str));
    world.settings.copies.seconds_per_gib = 0.1;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario
        .apply(&with(policy, "promotion", json!({"tags": "Publish"})))
        .await;
    scenario.completed(3).await;

    let tagged: Vec<String> = scenario
        .calls("CreateTags")
        .iter()
        .flat_map(|call| call.effects.clone())
        .collect();
    let mut expected = Vec::new();
    for name in ["oldest", "middle", "newest"] {
        let migration = scenario.migration_of(&scenario.image(name)).await.expect("a migration");
        let copy = migration.status.and_then(|status| status.copy).expect("a copy");
        expected.extend(copy.image_id);
    }
    assert_eq!(tagged, expected);
    scenario.judged();
}

#[tokio::test]
async fn no_more_snapshots_are_copied_at_a_time_than_the_policy_says_and_a_larger_image_goes_alone() {
    let devices = |count: usize| vec!["{}"; count].join(", ");
    let expect = "expect: {copied: {key: alias/ami}}";
    let small = format!(
        "{{name: \"small-{{n}}\", count: 6, devices: [{}], {expect}}}",
        devices(2)
    );
    let large = format!("{{name: large, devices: [{}], {expect}}}", devices(7));
    let scenario = Scenario::new(small_world(&[&small, &large])).await;
    let _replica = scenario.start().await;
    let copy = json!({"maxConcurrentSnapshots": 5});
    scenario
        .apply(&with(policy("production", &[ACCOUNT]), "copy", copy))
        .await;
    scenario.completed(7).await;

    let flights = scenario.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("the region");
        let copies = region
            .snapshots
            .values()
            .filter(|snapshot| snapshot.created_by.is_some());
        copies
            .map(|s| (s.started_at, s.done_at, s.created_by))
            .collect::<Vec<_>>()
    });
    assert_eq!(flights.len(), 6 * 2 + 7);
    for (began, ..) in &flights {
        let together: Vec<_> = flights
            .iter()
            .filter(|(from, to, _)| from <= began && began < to)
            .collect();
        let alone = together.iter().all(|(_, _, call)| *call == together[0].2);
        assert!(together.len() <= 5 || alone, "{} snapshots at {began}", together.len());
    }
    let refused = scenario
        .calls("CopyImage")
        .into_iter()
        .filter(|call| call.outcome != "OK" && !call.dry_run);
    assert_eq!(refused.count(), 0);
    scenario.judged();
}
