//! Who can see what, and how safe it is: rotation of keys, public snapshots, owners of images, results of scans.

use ec2sim::{Edit, OwnerAct};
use serde_json::json;

use super::support::{ACCOUNT, Client, OTHER, OTHER_ACCOUNT, OWNER, REGION, WEB, client, seconds, world, yaml};

#[test]
fn a_key_is_rotated_where_it_was_asked_for_and_always_where_aws_manages_it() {
    let text = yaml("", "", "")
        .replace("{id: key-good,", "{id: key-good, rotation: true,")
        .replace(
            "{id: key-dying, state: PendingDeletion}",
            "{id: key-dying, state: PendingDeletion, rotation: true}\n    - {id: key-imported, origin: EXTERNAL}",
        )
        .replace("{id: key-off,", "{id: key-off, rotation: true,");
    let sim = world(&text);
    let c = client(&sim, OWNER);
    for (key, rotated) in [
        ("key-good", true),
        ("key-other", false),
        ("key-off", true),
        ("key-dying", false),
        ("key-ebs", true),
    ] {
        let answer = c.kms("GetKeyRotationStatus", &json!({ "KeyId": key })).json();
        assert_eq!(answer["KeyRotationEnabled"], rotated, "{key}");
    }
    for (key, code) in [
        ("key-rsa", "UnsupportedOperationException"),
        ("key-imported", "UnsupportedOperationException"),
        ("key-private", "AccessDeniedException"),
        ("alias/good", "NotFoundException"),
        ("nothing", "NotFoundException"),
    ] {
        assert_eq!(
            c.kms("GetKeyRotationStatus", &json!({ "KeyId": key })).code(),
            code,
            "{key}"
        );
    }
    let imported = c.kms("DescribeKey", &json!({"KeyId": "key-imported"})).json();
    assert_eq!(imported["KeyMetadata"]["Origin"], "EXTERNAL");
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/key-good");
    let other = client(&sim, OTHER).kms("GetKeyRotationStatus", &json!({ "KeyId": arn }));
    assert_eq!(
        other.code(),
        "AccessDeniedException",
        "the key's policy lets nobody else"
    );
}

#[test]
fn a_public_snapshot_is_restorable_by_all_and_seen_by_everybody() {
    let lines = r#"
    - {name: open, id: ami-0000000b, publicSnapshots: true}
    - {name: given, id: ami-0000000c, snapshotsSharedWith: ["222222222222"]}
"#;
    let sim = world(&yaml("", lines, ""));
    let snapshots = |key: &str, params: &[(&str, &str)]| {
        client(&sim, key)
            .ec2("DescribeSnapshots", params)
            .all("snapshotId")
            .len()
    };
    assert_eq!(snapshots(OWNER, &[("Owner.1", "self")]), 3);
    assert_eq!(snapshots(OWNER, &[("Owner.1", "self"), ("RestorableBy.1", "all")]), 1);
    assert_eq!(
        snapshots(OWNER, &[("Owner.1", "self"), ("RestorableBy.1", OTHER_ACCOUNT)]),
        1,
        "what is shared with that account itself"
    );
    assert_eq!(snapshots(OTHER, &[]), 2);
    assert_eq!(snapshots(OTHER, &[("Owner.1", "self"), ("RestorableBy.1", "all")]), 0);
    let both = "    - {name: both, encryptedUnder: alias/good, publicSnapshots: true}\n";
    let refused = ec2sim::WorldSpec::parse(&yaml("", both, "")).map(|spec| ec2sim::Sim::stepped(&spec).is_err());
    assert!(refused.expect("it parses"), "an encrypted snapshot cannot be public");
}

#[test]
fn an_owner_whom_aws_knows_has_an_alias() {
    let lines = "    - {name: shown, id: ami-0000000b, public: true}\n";
    let text = yaml("", lines, "").replace(
        &format!("- id: \"{ACCOUNT}\"\n"),
        &format!("- id: \"{ACCOUNT}\"\n  ownerAlias: amazon\n"),
    );
    let sim = world(&text);
    let c = client(&sim, OTHER);
    let shown = c.ec2("DescribeImages", &[("Owner.1", "amazon")]);
    assert_eq!(shown.all("imageId"), ["ami-0000000b"]);
    assert_eq!(shown.one("imageOwnerAlias"), "amazon");
    assert_eq!(
        c.ec2("DescribeImages", &[("Owner.1", "aws-marketplace")])
            .all("imageId")
            .len(),
        0
    );
    let line = c.ec2("GetImageAncestry", &[("ImageId", "ami-0000000b")]);
    assert_eq!(line.one("imageOwnerAlias"), "amazon");
    let plain = world(&yaml("", lines, ""));
    let nobody = client(&plain, OTHER).ec2("DescribeImages", &[("ImageId.1", "ami-0000000b")]);
    assert_eq!(nobody.all("imageOwnerAlias").len(), 0);
}

#[test]
fn the_results_of_a_scan_are_told_and_a_copy_has_none() {
    let lines = r#"
    - name: scanned
      id: ami-0000000b
      scan: {highest: critical, scanned: 2025-12-30T00:00:00Z, fixAvailableSince: {critical: 2025-12-01T00:00:00Z}}
"#;
    let sim = world(&yaml("", lines, ""));
    let c = client(&sim, OWNER);
    let image = |id: &str| c.ec2("DescribeImages", &[("ImageId.1", id)]);
    let told = image("ami-0000000b");
    assert_eq!(told.one("highestFindingSeverityLabel"), "critical");
    assert_eq!(told.one("findingScanDate"), "2025-12-30T00:00:00.000Z");
    assert_eq!(told.one("criticalFixAvailableSince"), "2025-12-01T00:00:00.000Z");
    assert_eq!(told.all("highFixAvailableSince").len(), 0);
    let copy = c.copy("ami-0000000b", "copy", "alias/good", &[]).one("imageId");
    assert_eq!(image(&copy).all("scanResults").len(), 0);
}

/// What is told of scans of an image: when the last one was, and the worst that it has found.
fn scan_of(c: &Client, id: &str) -> (String, String) {
    let told = c.ec2("DescribeImages", &[("ImageId.1", id), ("IncludeDisabled", "true")]);
    (told.one("findingScanDate"), told.one("highestFindingSeverityLabel"))
}

#[test]
fn amazon_inspector_scans_what_has_become_available_once_and_finds_what_the_settings_say() {
    let inspector =
        r#"inspector: {scanSeconds: 600, findings: [{image: "copy-*", highest: high}, {image: web, highest: low}]}"#;
    let lines = "    - {name: back, id: ami-0000000d}\n    - {name: off, id: ami-0000000e, state: disabled}\n";
    let sim = world(&yaml(inspector, lines, ""));
    let c = client(&sim, OWNER);
    let unscanned = (String::new(), String::new());
    // 200 seconds later it is available.
    let copy = c.copy(WEB, "copy-1", "alias/good", &[]).one("imageId");
    assert_eq!(scan_of(&c, WEB), unscanned);
    seconds(&sim, 600);
    let at = |time: &str| format!("2026-01-01T{time}.000Z");
    assert_eq!(scan_of(&c, WEB), (at("00:10:00"), "low".to_owned()));
    assert_eq!(scan_of(&c, "ami-0000000d"), (at("00:10:00"), String::new()));
    assert_eq!(scan_of(&c, &copy), unscanned);
    seconds(&sim, 200);
    assert_eq!(scan_of(&c, &copy), (at("00:13:20"), "high".to_owned()));
    // What is disabled is not available, until it is enabled.
    assert_eq!(scan_of(&c, "ami-0000000e"), unscanned);
    let (image, act) = ("ami-0000000e".to_owned(), OwnerAct::Enable);
    sim.edit(Edit::Owner { image, act }).expect("an image");
    seconds(&sim, 600);
    assert_eq!(scan_of(&c, "ami-0000000e"), (at("00:23:20"), String::new()));
    assert_eq!(
        scan_of(&c, &copy).0,
        at("00:13:20"),
        "it is not scanned again by itself"
    );
    let (image, highest) = (copy.clone(), Some("medium".to_owned()));
    sim.edit(Edit::Scan { image, highest }).expect("an image");
    assert_eq!(scan_of(&c, &copy), (at("00:23:20"), "medium".to_owned()));
}

#[test]
fn amazon_inspector_leaves_out_copies_where_it_is_set_so_and_comes_to_them_when_it_is_not_any_more() {
    let sim = world(&yaml("inspector: {scanSeconds: 60, excludeCopiedAmis: true}", "", ""));
    let c = client(&sim, OWNER);
    let copy = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    seconds(&sim, 9000);
    assert_eq!(scan_of(&c, WEB).0, "2026-01-01T00:01:00.000Z");
    assert_eq!(scan_of(&c, &copy).0, "");
    sim.change_settings(|settings| settings.inspector.exclude_copied_amis = false);
    seconds(&sim, 60);
    assert_eq!(scan_of(&c, &copy).0, "2026-01-01T02:31:00.000Z");
    // Where it is off, nothing is scanned.
    sim.change_settings(|settings| settings.inspector.scan_seconds = None);
    let other = c.copy(WEB, "other", "alias/good", &[]).one("imageId");
    seconds(&sim, 9000);
    assert_eq!(scan_of(&c, &other).0, "");
}
