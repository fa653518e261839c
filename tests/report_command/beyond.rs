//! What the report finds beyond images and their settings: keys, snapshots, owners, sharing, groups, trails and scans.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::rights::{documented, world_of};
use super::{ACCOUNT, Bench, REGION, findings, image};

const WORLD: &str = r#"
seed: 1
clock: {start: 2026-01-01T00:00:00Z}
settings: {sessions: {time: simulated}}
identities:
- {accessKey: AKIAREADER0000000001, account: "111111111111"}
accounts:
- id: "111111111111"
  regions:
  - name: eu-west-1
    guardrails: {ebsEncryptionByDefault: true, imagePublicAccess: block-new-sharing, snapshotPublicAccess: block-all-sharing, allowedImages: enabled}
    trails: [{name: local, logging: true}]
    keys:
    - {id: key-off, alias: [alias/off], state: Disabled}
    - {id: key-dying, alias: [alias/dying], state: PendingDeletion}
    - {id: key-plain, alias: [alias/plain]}
    - {id: key-kept, alias: [alias/kept], rotation: true}
    - {id: key-imported, alias: [alias/imported], origin: EXTERNAL}
    - {id: key-ebs, alias: [alias/aws/ebs]}
    - {id: key-unused, alias: [alias/unused], state: Disabled}
    images:
    - &image {name: locked, id: ami-0000000a, encryptedUnder: alias/off, creationDate: 2025-12-01T00:00:00Z}
    - {<<: *image, name: dying, id: ami-0000000b, encryptedUnder: alias/dying}
    - {<<: *image, name: plain, id: ami-0000000c, encryptedUnder: alias/plain}
    - {<<: *image, name: kept, id: ami-0000000d, encryptedUnder: alias/kept}
    - {<<: *image, name: imported, id: ami-0000000e, encryptedUnder: alias/imported}
    - {<<: *image, name: managed, id: ami-0000000f, encryptedUnder: alias/aws/ebs}
"#;

/// The world with more of each region's things.
fn bench(images: &str, more: &str) -> Bench {
    Bench::new(&format!("{WORLD}{images}{more}"))
}

/// What is added, by other accounts.
const OTHERS: &str = r#"
- id: "222222222222"
  regions: [{name: eu-west-1, images: [{name: lookalike, id: ami-000000aa, public: true, creationDate: 2025-12-01T00:00:00Z}]}]
- id: "333333333333"
  ownerAlias: amazon
  regions: [{name: eu-west-1, images: [{name: al2023, id: ami-000000ab, public: true, creationDate: 2025-12-01T00:00:00Z}]}]
- id: "444444444444"
  ownerAlias: aws-marketplace
  regions: [{name: eu-west-1, images: [{name: appliance, id: ami-000000ac, public: true, creationDate: 2025-12-01T00:00:00Z}]}]
"#;

const JSON: [&str; 4] = ["--output", "json", "--region", REGION];

fn report(bench: &Bench, arguments: &[&str]) -> Value {
    let ran = bench.report(&[&JSON, arguments].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:#?}");
    bench.assert_untouched();
    ran.json()
}

/// Resources of a check's findings.
fn of(report: &Value, check: &str) -> Vec<String> {
    let found = findings(report).into_iter();
    found
        .filter(|(of, _)| of == check)
        .map(|(_, resource)| resource)
        .collect()
}

fn unread(report: &Value) -> Vec<(String, Value, String)> {
    let unknown = report["scopes"][0]["unknown"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    unknown
        .map(|unknown| (text(&unknown["kind"]), unknown["id"].clone(), text(&unknown["message"])))
        .collect()
}

fn key(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

#[test]
fn keys_of_images_are_found_that_cannot_be_used_or_are_not_rotated() {
    let bench = bench("", "");
    let report = report(&bench, &[]);
    assert_eq!(of(&report, "key-disabled"), [key("key-dying"), key("key-off")]);
    assert_eq!(of(&report, "key-without-rotation"), [key("key-plain")]);
    assert_eq!(unread(&report), []);
    let asked: BTreeSet<String> = bench
        .calls(|call| call.operation == "GetKeyRotationStatus")
        .iter()
        .map(|call| call.params["KeyId"].clone())
        .collect();
    assert_eq!(
        asked,
        [key("key-kept"), key("key-plain")].into(),
        "no other can be rotated"
    );
    let dying = report["findings"].as_array().expect("findings").iter();
    let dying: Vec<&Value> = dying
        .filter(|finding| finding["resource"] == key("key-dying"))
        .collect();
    let what = dying[0]["what"].as_str().expect("a sentence");
    assert!(
        what.contains("is to be deleted on 20") && what.ends_with("dying is encrypted under it."),
        "{what}"
    );
}

#[test]
fn a_key_that_may_not_be_read_is_unknown_by_its_arn() {
    let world = WORLD.replace(
        "{id: key-plain,",
        "{id: key-plain, allowedPrincipals: [\"222222222222\"],",
    );
    let report = report(&Bench::new(&world), &[]);
    assert_eq!(of(&report, "key-without-rotation"), [""; 0]);
    let unread = unread(&report);
    assert_eq!(unread.len(), 1, "{unread:#?}");
    let (kind, id, message) = &unread[0];
    assert_eq!((kind.as_str(), id), ("Key", &json!(key("key-plain"))));
    assert!(
        message.contains("kms:DescribeKey") && message.contains("key's own policy"),
        "{message}"
    );
}

#[test]
fn a_snapshot_that_everybody_can_restore_is_found_by_one_listing() {
    let images = "    - {name: open, id: ami-0000001a, publicSnapshots: true, creationDate: 2025-12-01T00:00:00Z}\n";
    let bench = bench(images, "");
    let report = report(&bench, &[]);
    let found = of(&report, "public-snapshot");
    assert_eq!(found.len(), 1, "{report:#}");
    let worst = &report["findings"][0];
    assert_eq!(
        (&worst["check"], &worst["severity"]),
        (&json!("public-snapshot"), &json!("critical"))
    );
    assert_eq!(
        worst["what"],
        format!("Everybody can make volumes of {} of ami-0000001a (open).", found[0])
    );
    let listings = bench.calls(|call| call.params.contains_key("RestorableBy.1"));
    assert_eq!(listings.len(), 1);
}

#[test]
fn images_of_owners_who_are_not_trusted_are_found_where_something_launches_them() {
    let launch = "    launchTemplates: [{name: theirs, versions: [{image: ami-000000aa}]}]\n    \
                  instances: [{image: ami-000000ab}, {image: ami-000000ac}, {image: ami-0000000d}]";
    let bench = bench(launch, OTHERS);
    let found = of(&report(&bench, &[]), "untrusted-owner");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("LaunchTemplate/lt-") && found[0].ends_with("/ami-000000aa"),
        "{found:?}"
    );
    let trusting = report(
        &bench,
        &["--trusted-owner", "222222222222", "--trusted-owner", "aws-marketplace"],
    );
    assert_eq!(of(&trusting, "untrusted-owner"), [""; 0]);
    let strict = of(&report(&bench, &["--trusted-owner", "222222222222"]), "untrusted-owner");
    assert!(strict.len() == 1 && strict[0].ends_with("/ami-000000ac"), "{strict:?}");
}

#[test]
fn images_that_are_shared_with_others_are_found_where_that_is_asked_for() {
    let images = "    - {<<: *image, name: given, id: ami-0000001a, launchPermissions: {users: [\"222222222222\"], \
                  organizationalUnits: [\"arn:aws:organizations::999999999999:ou/o-1/ou-2\"]}}\n    \
                  - {<<: *image, name: ours, id: ami-0000001b, launchPermissions: {users: [\"333333333333\"]}}\n";
    let bench = bench(images, OTHERS);
    let asked = || {
        bench
            .calls(|call| call.operation == "DescribeImageAttribute")
            .iter()
            .map(|call| call.params["ImageId"].clone())
            .collect::<Vec<String>>()
    };
    assert_eq!(of(&report(&bench, &[]), "shared-outside"), [""; 0]);
    let before = asked().len();
    let told = report(&bench, &["--allow-sharing", "333333333333"]);
    assert_eq!(of(&told, "shared-outside"), ["ami-0000001a"]);
    assert_eq!(asked().len() - before, 8, "each image is asked for once");
    let unit = "arn:aws:organizations::999999999999:organization/o-1";
    let allowed = [
        "--allow-sharing",
        "333333333333",
        "--allow-sharing",
        "222222222222",
        "--allow-sharing",
        unit,
    ];
    assert_eq!(of(&report(&bench, &allowed), "shared-outside"), [""; 0]);
}

#[test]
fn instances_that_a_group_would_not_launch_so_again_are_found() {
    let launch = r#"
    - {<<: *image, name: newer, id: ami-0000001a, creationDate: 2025-12-20T00:00:00Z, encryptedUnder: alias/kept}
    launchTemplates:
    - {name: web, id: lt-0000000a, versions: [{image: kept}, {image: newer}], defaultVersion: 2}
    autoScalingGroups:
    - {name: rolled, launchTemplate: {template: web, version: $Latest}}
    - {name: pinned, launchTemplate: {template: web, version: "1"}}
    instances:
    - {id: i-0000000a, image: kept, tags: {"aws:autoscaling:groupName": rolled, "aws:ec2launchtemplate:id": lt-0000000a}}
    - {id: i-0000000b, image: newer, tags: {"aws:autoscaling:groupName": rolled, "aws:ec2launchtemplate:id": lt-0000000a}}
    - {id: i-0000000c, image: kept, tags: {"aws:autoscaling:groupName": pinned, "aws:ec2launchtemplate:id": lt-0000000a}}
    - {id: i-0000000d, image: kept, tags: {"aws:ec2launchtemplate:id": lt-0000000a, "aws:ec2launchtemplate:version": "1"}}
    - {id: i-0000000e, image: kept}
"#;
    let told = report(&bench(launch.trim_start_matches('\n'), ""), &[]);
    assert_eq!(
        of(&told, "older-than-template"),
        ["Instance/i-0000000a/ami-0000000d", "Instance/i-0000000d/ami-0000000d"]
    );
}

/// A policy for the account with this key, in a file.
fn policy(key: &str, more: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!(
        "apiVersion: amiseal.dev/v1alpha1\nkind: AMIEncryptionPolicy\nmetadata: {{name: production}}\nspec:\n  accounts:\n  - \
         accountID: '{ACCOUNT}'\n    regions: [{{name: {REGION}, kmsKeyID: {key}}}]\n{more}"
    );
    std::fs::write(file.path(), text).expect("it is written");
    file
}

#[test]
fn images_under_another_key_than_the_policys_are_found() {
    let bench = bench("", "");
    let by = |file: &tempfile::NamedTempFile| {
        let path = file.path().to_str().expect("a path");
        let ran = bench.report(&["--output", "json", "-f", path]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        ran.json()
    };
    let told = by(&policy(
        "alias/kept",
        "  imageSelector: {exclude: [{names: [locked, dying]}]}\n",
    ));
    assert_eq!(
        of(&told, "other-key-image"),
        ["ami-0000000c", "ami-0000000e", "ami-0000000f"]
    );
    let told = by(&policy("alias/nothing", ""));
    assert_eq!(of(&told, "other-key-image"), [""; 0]);
    let (kind, id, message) = &unread(&told)[0];
    assert_eq!((kind.as_str(), id), ("PolicyKey", &json!("alias/nothing")));
    assert!(message.contains("KMS knows no key alias/nothing"), "{message}");
    assert_eq!(
        of(&report(&bench, &[]), "other-key-image"),
        [""; 0],
        "no policy says which key"
    );
}

#[test]
fn a_policy_says_what_is_allowed_and_an_option_goes_before_it() {
    let bench = bench("", "");
    let by = |file: &tempfile::NamedTempFile, arguments: &[&str]| {
        let path = file.path().to_str().expect("a path");
        let ran = bench.report(&[&["--output", "json", "-f", path], arguments].concat());
        assert_eq!(ran.code, 0, "{ran:#?}");
        ran.json()
    };
    let audit = "  audit: {requiredTags: [owner], maxImageAge: 24h, disabledChecks: [key-without-rotation]}\n";
    let file = policy("alias/kept", audit);
    let told = by(&file, &[]);
    assert_eq!((of(&told, "missing-tags").len(), of(&told, "old-image").len()), (6, 6));
    assert_eq!(of(&told, "key-without-rotation"), [""; 0], "the check is not made");
    assert_eq!(of(&told, "key-disabled").len(), 2);
    // An option goes before the policy, the rest of which holds.
    let told = by(&file, &["--max-image-age", "36500d"]);
    assert_eq!((of(&told, "missing-tags").len(), of(&told, "old-image").len()), (6, 0));
    let told = by(&policy("alias/kept", ""), &[]);
    assert_eq!((of(&told, "missing-tags").len(), of(&told, "old-image").len()), (0, 0));
}

#[test]
fn a_policy_says_what_is_read_of_consumers_and_how_they_are_marked() {
    let images = "    parameters: [{name: notes, image: plain}]\n    \
                  launchTemplates: [{name: web, tags: {terraform: shop}, versions: [{image: kept}]}]\n";
    let bench = bench(images, "");
    let by = |consumers: &str| {
        let file = policy("alias/kept", consumers);
        let path = file.path().to_str().expect("a path").to_owned();
        let ran = bench.report(&["--output", "json", "-f", &path]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        ran.json()
    };
    let told = by("");
    assert_eq!(image(&told, "plain")["consumers"], json!([]));
    assert!(image(&told, "kept")["consumers"][0]["owner"].is_null(), "{told:#}");
    let told = by("  consumers: {parameters: All, ownedBy: {terraform: \"*\"}}\n");
    assert_eq!(image(&told, "plain")["consumers"][0]["kind"], "Parameter");
    assert_eq!(image(&told, "kept")["consumers"][0]["owner"], "terraform shop");
}

#[test]
fn what_makes_no_sense_with_the_findings_of_a_cluster_is_refused_in_a_sentence() {
    let bench = bench("", "");
    for (option, named) in [
        (&["-f", "policy.yaml"][..], "--filename"),
        (&["--account", ACCOUNT], "--account"),
        (&["--region", REGION], "--region"),
        (&["--role-name", "amiseal"], "--role-name"),
        (&["--max-image-age", "90d"], "--max-image-age"),
        (&["--required-tag", "owner"], "--required-tag"),
        (&["--trusted-owner", ACCOUNT], "--trusted-owner"),
        (&["--unused-after", "90d"], "--unused-after"),
        (&["--plain-parameters"], "--plain-parameters"),
        (&["--aws-rate-share", "0.1"], "--aws-rate-share"),
    ] {
        let ran = bench.report(&[&["--from-cluster"], option].concat());
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
        assert!(
            ran.err.contains("'--from-cluster' cannot be used with") && ran.err.contains(named),
            "{named}: {ran:#?}"
        );
    }
    let ran = bench.report(&["--from-cluster"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
    assert!(ran.err.contains("no cluster: set KUBECONFIG"), "{ran:#?}");
    assert!(bench.calls(|_| true).is_empty());
}

#[test]
fn a_trail_of_all_regions_has_to_log() {
    let found = |trails: &str| {
        let world = WORLD.replace("trails: [{name: local, logging: true}]", trails);
        of(&report(&Bench::new(&world), &[]), "cloudtrail-off").len()
    };
    assert_eq!(found("trails: [{name: local, logging: true}]"), 1);
    assert_eq!(found("trails: [{name: all, multiRegion: true}]"), 1);
    assert_eq!(found("trails: [{name: all, multiRegion: true, logging: true}]"), 0);
    let elsewhere =
        format!("{WORLD}  - {{name: us-east-1, trails: [{{name: all, multiRegion: true, logging: true}}]}}\n");
    assert_eq!(of(&report(&Bench::new(&elsewhere), &[]), "cloudtrail-off"), [""; 0]);
}

#[test]
fn results_of_scans_are_held_against_what_is_allowed() {
    let images = "    - {<<: *image, name: weak, id: ami-0000001a, scan: {highest: critical, scanned: 2999-12-30T00:00:00Z, \
                  fixAvailableSince: {critical: 2020-12-01T00:00:00Z}}}\n    \
                  - {<<: *image, name: sound, id: ami-0000001b, scan: {scanned: 2999-12-30T00:00:00Z}}\n    \
                  - {<<: *image, name: forgotten, id: ami-0000001c, scan: {scanned: 2020-12-30T00:00:00Z}}\n";
    // By the machine's clock, whatever it says.
    let bench = bench(images, "");
    let plain = report(&bench, &[]);
    for check in ["vulnerable-image", "stale-scan"] {
        assert_eq!(of(&plain, check), [""; 0]);
    }
    let told = report(
        &bench,
        &["--max-fix-available", "critical=14d,high=30d", "--max-scan-age", "30d"],
    );
    assert_eq!(of(&told, "vulnerable-image"), ["ami-0000001a"]);
    assert_eq!(of(&told, "stale-scan"), ["ami-0000001c"]);
    let (kind, _, message) = &unread(&told)[0];
    assert_eq!(kind, "ScanResults");
    assert!(message.contains("has not scanned 6 images"), "{message}");
}

#[test]
fn a_right_that_is_missing_is_said_and_hides_nothing_else() {
    for (denied, kind, arguments) in [
        ("kms:DescribeKey", "Key", &[][..]),
        ("kms:GetKeyRotationStatus", "KeyRotation", &[]),
        ("cloudtrail:DescribeTrails", "CloudTrail", &[]),
        (
            "ec2:DescribeImageAttribute",
            "LaunchPermissions",
            &["--allow-sharing", "222222222222"],
        ),
    ] {
        let mut allowed = documented();
        assert!(allowed.remove(denied), "{denied} is not documented");
        let bench = world_of(WORLD, &allowed);
        let told = report(&bench, arguments);
        let unread = unread(&told);
        let said: Vec<_> = unread.iter().filter(|(of, ..)| of == kind).collect();
        assert_eq!(said.len(), unread.len(), "{denied}: {unread:#?}");
        assert!(
            !said.is_empty() && said.iter().all(|(_, _, message)| message.contains(denied)),
            "{denied}: {said:#?}"
        );
        let keys = of(&told, "key-disabled").len() + of(&told, "key-without-rotation").len();
        let expected = match kind {
            "Key" => 0,
            "KeyRotation" => 2,
            _ => 3,
        };
        assert_eq!(keys, expected, "{denied}");
        let calls = bench
            .calls(|call| format!("{}:{}", call.service, call.operation) == denied)
            .len();
        assert!(calls <= 8, "{denied}: {calls} calls in vain");
    }
}

#[test]
fn where_aws_cannot_be_asked_what_names_an_image_that_is_said() {
    let quiet = "lastLaunchedTime: 2024-02-01T00:00:00Z, creationDate: 2024-01-01T00:00:00Z";
    let world = WORLD.replace(
        "encryptedUnder: alias/off, creationDate: 2025-12-01T00:00:00Z",
        &format!("encryptedUnder: alias/off, {quiet}"),
    );
    for (allowed, usage) in [(true, "unused"), (false, "unknown")] {
        let mut rights = documented();
        if !allowed {
            rights.remove("ec2:DescribeImageReferences");
        }
        let told = report(&world_of(&world, &rights), &[]);
        assert_eq!(image(&told, "locked")["usage"], usage);
        let said = unread(&told);
        assert_eq!(said.is_empty(), allowed, "{said:#?}");
        for (kind, _, message) in said {
            assert_eq!(kind, "ImageReferences");
            assert!(message.contains("ec2:DescribeImageReferences"), "{message}");
        }
    }
}

#[test]
fn a_wrong_value_is_one_sentence() {
    let bench = bench("", "");
    for (arguments, says) in [
        (
            &["--trusted-owner", "canonical"][..],
            "aws-marketplace or aws-backup-vault",
        ),
        (&["--allow-sharing", "everybody"], "the ARN of an organization"),
        (&["--max-fix-available", "critical"], "such as critical=14d"),
        (&["--max-scan-age", "30"], "such as 90d"),
    ] {
        let ran = bench.report(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:#?}");
        assert!(ran.err.contains(says), "{says}: {ran:#?}");
    }
}
