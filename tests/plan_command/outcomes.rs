//! What the plan says of accounts in every condition, and what its exit status is.

use std::time::Duration;

use ec2sim::Edit;
use serde_json::json;

use crate::{Bench, policy, reasons, target};

const ACCOUNT: &str = "111122223333";

/// One region with images of every kind, one whose key is disabled, one with nothing to do, one with an image whose snapshot is
/// in no list of the account, and an account without a role.
const WORLD: &str = r#"
seed: 11
clock: {start: 2026-01-01T00:00:00Z}
settings: {pagination: {unstableOrder: true, emptyPages: 0.2, largestPage: 3}}
expect:
  noMutatingCalls: [{}]
identities:
- {accessKey: AKIACONTROLLER, account: "999900001111", allow: ["sts:*"]}
accounts:
- {id: "999900001111"}
- {id: "888800001111"}
- id: "777788889999"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:DescribeImages", "kms:DescribeKey", "sts:GetCallerIdentity"]}
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/ami]}]
    images: [{name: unseen}]
- id: "111122223333"
  roles:
  - {name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}
  regions:
  - name: eu-west-1
    keys:
    - {id: 11111111-1111-4111-8111-111111111111, alias: [alias/ami]}
    - {alias: [alias/old]}
    images:
    - {id: ami-00000000000000001, name: plain, creationDate: 2025-01-01T00:00:00Z}
    - {id: ami-00000000000000002, name: two-disks, creationDate: 2025-02-01T00:00:00Z, devices: [{gib: 20}, {gib: 100}, {gib: 50, blank: true}]}
    - {id: ami-00000000000000003, name: sealed, encryptedUnder: alias/ami}
    - {id: ami-00000000000000004, name: sealed-otherwise, encryptedUnder: alias/old}
    - {id: ami-00000000000000005, name: left-alone, tags: {exempt: "yes"}}
    - {id: ami-00000000000000006, name: public, public: true}
    - {id: ami-00000000000000007, name: on-instance-store, rootDeviceType: instance-store, devices: [{ephemeral: true}]}
    - {id: ami-00000000000000008, name: product, productCodes: [code], creationDate: 2025-03-01T00:00:00Z}
    - {id: ami-00000000000000009, name: borrowed, creationDate: 2025-04-01T00:00:00Z, devices: [{ownedBy: "888800001111", shared: false}]}
    - {id: ami-0000000000000000a, name: done}
    - {id: ami-0000000000000000b, name: copy-of-done, encryptedUnder: alias/ami, sourceImageId: ami-0000000000000000a, sourceImageRegion: eu-west-1}
  - name: eu-central-1
    keys: [{alias: [alias/ami], state: Disabled}]
    images:
    - {id: ami-00000000000000101, name: waits-for-the-key}
  - name: us-east-1
    keys: [{alias: [alias/ami]}]
    images:
    - {name: "sealed-{n}", count: 7, encryptedUnder: alias/ami}
  - name: eu-north-1
    keys: [{alias: [alias/ami]}]
    images:
    - {name: "sealed-{n}", count: 2, encryptedUnder: alias/ami}
    - {name: unreadable, devices: [{ownedBy: "888800001111", encryptedUnder: alias/ami}]}
"#;

fn everything() -> String {
    policy(
        "production",
        &[
            (ACCOUNT, "eu-west-1", "alias/ami"),
            (ACCOUNT, "eu-central-1", "alias/ami"),
            (ACCOUNT, "us-east-1", "alias/ami"),
            (ACCOUNT, "eu-north-1", "alias/ami"),
            ("444455556666", "eu-west-1", "alias/ami"),
            ("777788889999", "eu-west-1", "alias/ami"),
        ],
    )
}

#[test]
fn each_class_is_counted_each_obstacle_named_and_no_account_hides_another() {
    let bench = Bench::new(WORLD);
    let ran = bench.plan(&everything(), &["-o", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{}", ran.out);
    let plan = ran.json();
    assert_eq!(plan["outcome"], "problems");

    let full = target(&plan, ACCOUNT, "eu-west-1");
    assert_eq!(
        full["images"],
        json!({
            "total": 11, "encrypted": 2, "unencrypted": 5, "superseded": 1, "otherKey": 1, "unencryptable": 1, "backups": 0,
            "exempt": 1, "contested": 0, "unknown": 0,
        })
    );
    let copied = full["toCopy"]["list"].as_array().expect("a list");
    let copied: Vec<_> = copied
        .iter()
        .map(|copy| copy["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(copied, ["plain", "two-disks", "product", "borrowed"], "oldest first");
    assert_eq!(full["toCopy"]["snapshots"], 5);
    assert_eq!(full["toCopy"]["gib"], 8.0 + 120.0 + 8.0 + 8.0);
    // 100 GiB at 50 MiB/s, and a minute.
    assert_eq!(full["toCopy"]["seconds"], 2108);
    assert_eq!(full["storedTwiceGiB"], 8.0);
    // Without the borrowed snapshot, which is another account's to keep.
    assert_eq!(full["storedTwiceAfterGiB"], 144.0);
    assert_eq!(reasons(&full["cannotMigrate"]), ["InstanceStoreImage", "PublicImage"]);
    assert_eq!(
        reasons(&full["mayBeRefused"]),
        ["ProductCodeNotCopyable", "SnapshotNotShared"]
    );
    assert_eq!(full["problems"], json!([]));
    assert_eq!(full["key"]["usable"], true);
    assert_eq!(
        full["caller"],
        "arn:aws:sts::111122223333:assumed-role/amiseal/amiseal-production"
    );

    let disabled = target(&plan, ACCOUNT, "eu-central-1");
    assert_eq!(disabled["toCopy"]["images"], 0);
    assert_eq!(reasons(&disabled["problems"]), ["KeyDisabled"]);
    assert_eq!(
        disabled["cannotMigrate"][0]["images"],
        json!([{"id": "ami-00000000000000101", "name": "waits-for-the-key"}])
    );
    assert_eq!(target(&plan, ACCOUNT, "us-east-1")["images"]["encrypted"], 7);
    let unread = target(&plan, ACCOUNT, "eu-north-1");
    let images = &unread["images"];
    assert_eq!((&images["encrypted"], &images["unknown"]), (&json!(2), &json!(1)));
    assert_eq!(reasons(&unread["problems"]), ["UnknownImages"]);

    let unreachable = target(&plan, "444455556666", "eu-west-1");
    assert_eq!(unreachable["images"], json!(null));
    assert_eq!(reasons(&unreachable["problems"]), ["RoleNotAssumable"]);
    let denied = target(&plan, "777788889999", "eu-west-1");
    assert_eq!(reasons(&denied["problems"]), ["AccessDenied"]);
    let message = denied["problems"][0]["message"].as_str().expect("a message");
    assert!(message.contains("grant ec2:DescribeSnapshots to the role"), "{message}");

    let totals = &plan["totals"];
    assert_eq!((&totals["targets"], &totals["unreachable"]), (&json!(6), &json!(2)));
    assert_eq!((&totals["toCopy"], &totals["cannotMigrate"]), (&json!(4), &json!(3)));
    assert_eq!(totals["problems"], 4);
    let wrote = bench.calls(|call| call.mutating);
    assert!(wrote.is_empty(), "{wrote:#?}");
}

#[test]
fn the_exit_status_is_0_when_nothing_is_to_do_2_when_something_is_and_1_when_something_is_broken() {
    for (region, code, says) in [
        ("us-east-1", 0, "There is nothing to do."),
        (
            "eu-west-1",
            2,
            "Enforce would copy 4 images of 5 snapshots with 144 GiB, in about 36 min",
        ),
        ("eu-central-1", 1, "KeyDisabled: The key alias/ami is disabled"),
        (
            "eu-north-1",
            1,
            "UnknownImages: The encryption of 1 image is unknown. A snapshot of the image is not in the account's list",
        ),
    ] {
        let bench = Bench::new(WORLD);
        let ran = bench.plan(&policy("production", &[(ACCOUNT, region, "alias/ami")]), &[]);
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{region}: {}", ran.out);
        assert!(ran.out.contains(says), "{region}: {}", ran.out);
        bench.assert_untouched();
    }
}

#[test]
fn images_that_cannot_be_migrated_are_something_to_do() {
    let bench = Bench::new(WORLD);
    let only = policy("production", &[(ACCOUNT, "eu-west-1", "alias/ami")]);
    let only = only.replace("imageSelector: {", "imageSelector: {include: [{names: [public]}], ");
    let ran = bench.plan(&only, &[]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(
        ran.out.contains("1 image cannot be migrated until you act."),
        "{}",
        ran.out
    );
}

#[test]
fn keys_that_cannot_be_used_are_told_by_their_reason() {
    let bench = Bench::new(WORLD);
    for (key, reason) in [
        ("alias/none", "KeyNotFound"),
        ("arn:aws:kms:eu-west-1:999900001111:alias/theirs", "KeyNotFound"),
    ] {
        let ran = bench.plan(&policy("p", &[(ACCOUNT, "eu-west-1", key)]), &["-o", "json"]);
        assert_eq!(ran.code, 1);
        let plan = ran.json();
        let target = target(&plan, ACCOUNT, "eu-west-1");
        assert_eq!(reasons(&target["problems"]), [reason], "{key}");
        assert_eq!(target["toCopy"]["images"], 0);
    }
}

#[test]
fn when_the_key_is_mended_the_plan_goes_on() {
    let bench = Bench::new(WORLD);
    let policy = policy("production", &[(ACCOUNT, "eu-central-1", "alias/ami")]);
    assert_eq!(bench.plan(&policy, &[]).code, 1);
    bench
        .sim()
        .edit(Edit::SetKeyState {
            account: ACCOUNT.into(),
            region: "eu-central-1".into(),
            key: "alias/ami".into(),
            state: "Enabled".into(),
        })
        .expect("an edit");
    let ran = bench.plan(&policy, &[]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    bench.assert_untouched();
}

#[test]
fn the_first_of_two_policies_governs_what_both_select() {
    let bench = Bench::new(WORLD);
    let both = [
        policy("older", &[(ACCOUNT, "eu-west-1", "alias/ami")])
            .replace("{exclude:", "{include: [{names: [plain]}], exclude:"),
        policy("younger", &[(ACCOUNT, "eu-west-1", "alias/ami")]),
    ];
    let ran = bench.plan(&both.join("---\n"), &["-o", "json"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    let plan = ran.json();
    let [older, younger] = &plan["targets"].as_array().expect("targets")[..] else {
        panic!("{plan:#}");
    };
    assert_eq!(
        (&older["policy"], &older["toCopy"]["images"]),
        (&json!("older"), &json!(1))
    );
    assert_eq!(
        (&younger["toCopy"]["images"], &younger["images"]["contested"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(plan["totals"]["toCopy"], 4, "nothing is counted twice");
    let seconds = |target: &serde_json::Value| target["toCopy"]["seconds"].as_u64().expect("seconds");
    assert_eq!(plan["totals"]["seconds"], seconds(older) + seconds(younger));
}

#[test]
fn of_policies_that_come_from_a_cluster_the_older_governs_wherever_it_is_named() {
    let bench = Bench::new(WORLD);
    let aged = |name: &str, created: &str| {
        let named = format!("{{name: {name}, creationTimestamp: {created}}}");
        policy(name, &[(ACCOUNT, "eu-west-1", "alias/ami")]).replace(&format!("{{name: {name}}}"), &named)
    };
    let both = [
        aged("younger", "2026-02-01T00:00:00Z"),
        aged("older", "2026-01-01T00:00:00Z"),
    ];
    let plan = bench.plan(&both.join("---\n"), &["-o", "json"]).json();
    let copied = |target: &serde_json::Value| (target["policy"].clone(), target["toCopy"]["images"].clone());
    assert_eq!(copied(&plan["targets"][0]), (json!("older"), json!(4)));
    assert_eq!(copied(&plan["targets"][1]), (json!("younger"), json!(0)));
}

#[test]
fn what_another_policy_of_the_plan_has_made_is_contested_and_not_copied_whichever_is_older() {
    let bench = Bench::new(WORLD);
    let named = |policy: String, name: &str| {
        policy.replace("{exclude:", &format!("{{include: [{{names: [{name}]}}], exclude:"))
    };
    let team = named(policy("team", &[(ACCOUNT, "eu-west-1", "alias/ami")]), "done");
    // It does not select the original.
    let rest = named(policy("rest", &[(ACCOUNT, "eu-west-1", "alias/old")]), "copy-of-done")
        .replace("spec:\n", "spec:\n  otherKey: Migrate\n");
    for (files, copied, contested, by) in [
        ([rest.as_str()].join("---\n"), 1, 0, json!([])),
        ([team.as_str(), &rest].join("---\n"), 0, 1, json!(["team"])),
        ([rest.as_str(), &team].join("---\n"), 0, 1, json!(["team"])),
    ] {
        let plan = bench.plan(&files, &["-o", "json"]).json();
        let targets = plan["targets"].as_array().expect("targets");
        let of_rest = targets
            .iter()
            .find(|target| target["policy"] == "rest")
            .expect("a target");
        assert_eq!(of_rest["toCopy"]["images"], copied, "{of_rest:#}");
        assert_eq!(of_rest["images"]["contested"], contested, "{of_rest:#}");
        assert_eq!(of_rest["contestedBy"], by, "{of_rest:#}");
        assert_eq!(plan["totals"]["toCopy"], copied, "{plan:#}");
    }
    bench.assert_untouched();
}

#[test]
fn other_keys_are_migrated_where_the_policy_says_so() {
    let bench = Bench::new(WORLD);
    let migrate =
        policy("production", &[(ACCOUNT, "eu-west-1", "alias/ami")]).replace("spec:\n", "spec:\n  otherKey: Migrate\n");
    let plan = bench.plan(&migrate, &["-o", "json"]).json();
    assert_eq!(plan["totals"]["toCopy"], 5);
}

#[test]
fn the_plan_is_for_enforce_whatever_the_mode_and_says_when_nothing_of_it_is_done() {
    let bench = Bench::new(WORLD);
    let enforce = policy("production", &[(ACCOUNT, "eu-west-1", "alias/ami")]);
    let hint = "A policy that is suspended or in mode Audit does none of this.";
    for (spec, hinted) in [
        ("mode: Enforce", false),
        ("mode: Audit", true),
        ("mode: Enforce\n  suspend: true", true),
    ] {
        let ran = bench.plan(&enforce.replace("mode: Enforce", spec), &[]);
        assert_eq!(ran.code, 2, "{spec}: {}", ran.err);
        assert!(ran.out.contains("Enforce would copy 4 images"), "{spec}: {}", ran.out);
        assert_eq!(ran.out.contains(hint), hinted, "{spec}: {}", ran.out);
    }
}

#[test]
fn a_shared_image_cannot_be_migrated_under_the_key_that_aws_manages() {
    let world = r#"
identities: [{accessKey: AKIACONTROLLER, account: "999900001111"}]
accounts:
- id: "999900001111"
- id: "111122223333"
  roles: [{name: amiseal, externalID: platform, trust: ["999900001111"], allow: ["ec2:*", "kms:*"]}]
  regions:
  - name: eu-west-1
    keys: [{alias: [alias/aws/ebs]}]
    images:
    - {name: shared, launchPermissions: {users: ["999900001111"]}}
    - {name: kept}
"#;
    let bench = Bench::new(world);
    let preserve = policy("production", &[(ACCOUNT, "eu-west-1", "alias/aws/ebs")]);
    let plan = bench.plan(&preserve, &["-o", "json"]).json();
    let of = target(&plan, ACCOUNT, "eu-west-1");
    assert_eq!(of["toCopy"]["images"], 1);
    assert_eq!(reasons(&of["cannotMigrate"]), ["DefaultKeyCannotBeShared"]);
    let drop = preserve.replace("spec:\n", "spec:\n  promotion: {launchPermissions: Drop}\n");
    assert_eq!(bench.plan(&drop, &["-o", "json"]).json()["totals"]["toCopy"], 2);
    bench.assert_untouched();
}

#[test]
fn throttling_and_lost_answers_are_tried_again() {
    let faulty = WORLD.replace(
        "identities:",
        "faults:\n- {operation: DescribeImages, nth: 1, act: throttle}\n- {operation: DescribeSnapshots, nth: 1, act: \
         dropBefore}\nidentities:",
    );
    let bench = Bench::new(&faulty);
    let began = std::time::Instant::now();
    let ran = bench.plan(&policy("p", &[(ACCOUNT, "us-east-1", "alias/ami")]), &[]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(began.elapsed() < Duration::from_secs(30));
}
