//! Who can see what, and how safe it is: rotation of keys, public snapshots, owners of images, results of scans.

use serde_json::json;

use super::support::{ACCOUNT, OTHER, OTHER_ACCOUNT, OWNER, REGION, client, world, yaml};

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
