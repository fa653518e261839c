//! CopyImage, from the call to the end.

use ec2sim::Edit;

use super::support::{ACCOUNT, OTHER, OTHER_ACCOUNT, OWNER, REGION, WEB, client, plain, seconds, world, yaml};

#[test]
fn a_copy_is_pending_with_rising_progress_and_then_available() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let reply = c.copy(WEB, "copy", "alias/good", &[]);
    let id = reply.one("imageId");
    assert_eq!(c.state(&id), "pending");
    let snapshot = c.ec2("DescribeImages", &[("ImageId.1", &id)]).one("snapshotId");
    let progress = || {
        c.ec2("DescribeSnapshots", &[("SnapshotId.1", &snapshot)])
            .one("progress")
    };
    assert_eq!(progress(), "0%");
    seconds(&sim, 100);
    assert_eq!(progress(), "50%");
    seconds(&sim, 99);
    assert_eq!(c.state(&id), "pending");
    seconds(&sim, 1);
    assert_eq!(c.state(&id), "available");
    let done = c.ec2("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]);
    assert_eq!(done.one("status"), "completed");
    assert_eq!(done.one("progress"), "100%");
    assert_eq!(done.one("encrypted"), "true");
    assert_eq!(
        done.one("kmsKeyId"),
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/key-good")
    );
    assert!(done.one("description").starts_with(&format!(
        "Copied for DestinationAmi {id} from SourceAmi {WEB} for SourceSnapshot snap-"
    )));
}

#[test]
fn copies_can_be_brought_to_their_end() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    sim.edit(Edit::FinishCopies {}).expect("an edit");
    assert_eq!(c.state(&id), "available");
    seconds(&sim, 300);
    assert_eq!(c.state(&id), "available", "nothing is left to happen");
}

#[test]
fn a_copy_names_its_source_and_carries_attributes_but_not_sharing_description_or_deprecation() {
    let images = r#"
    - id: ami-0000000a
      name: rich
      description: words
      architecture: arm64
      bootMode: uefi
      tpm: v2.0
      imds: v2.0
      sriov: simple
      deprecationTime: 2027-01-01T00:00:00Z
      launchPermissions: {users: ["222222222222"]}
      tags: {team: a}
"#;
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    let id = c.copy("ami-0000000a", "copy", "alias/good", &[]).one("imageId");
    seconds(&sim, 300);
    let copy = c.ec2("DescribeImages", &[("ImageId.1", &id)]);
    for (element, value) in [
        ("sourceImageId", "ami-0000000a"),
        ("sourceImageRegion", REGION),
        ("architecture", "arm64"),
        ("bootMode", "uefi"),
        ("tpmSupport", "v2.0"),
        ("imdsSupport", "v2.0"),
        ("sriovNetSupport", "simple"),
        ("isPublic", "false"),
    ] {
        assert_eq!(copy.one(element), value, "{element}");
    }
    for absent in ["description", "deprecationTime", "tagSet"] {
        assert!(!copy.body.contains(absent), "{absent}");
    }
    let permissions = c.ec2(
        "DescribeImageAttribute",
        &[("ImageId", &id), ("Attribute", "launchPermission")],
    );
    assert_eq!(permissions.all("userId"), Vec::<String>::new());
}

#[test]
fn a_bad_key_fails_the_copy_late_and_both_reasons_say_why() {
    let far = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/key-far");
    for key in [
        "alias/none",
        "alias/off",
        "key-dying",
        "key-rsa",
        "key-sign",
        "key-private",
        far.as_str(),
    ] {
        let sim = plain();
        let c = client(&sim, OWNER);
        let reply = c.copy(WEB, "copy", key, &[]);
        assert_eq!(reply.code(), "OK", "{key} is not checked by the call");
        let id = reply.one("imageId");
        assert_eq!(c.state(&id), "pending");
        seconds(&sim, 1000);
        let image = c.ec2("DescribeImages", &[("ImageId.1", &id)]);
        assert_eq!(image.one("imageState"), "failed", "{key}");
        assert!(image.body.contains("<stateReason><code>"), "{key}");
        let snapshot = c.ec2("DescribeSnapshots", &[("SnapshotId.1", &image.one("snapshotId"))]);
        assert_eq!(snapshot.one("status"), "error");
        assert!(!snapshot.one("statusMessage").is_empty());
    }
}

#[test]
fn an_encrypted_source_needs_a_key_that_the_caller_can_use() {
    let images = r#"
    - {name: mine, id: ami-0000000a, encryptedUnder: alias/other}
    - {name: under-a-disabled-key, id: ami-0000000b, encryptedUnder: alias/off}
    - {name: under-a-closed-key, id: ami-0000000c, encryptedUnder: key-private}
    - {name: under-a-strange-key, id: ami-0000000d, encryptedUnder: "arn:aws:kms:eu-west-1:999999999999:key/x"}
"#;
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    for (source, expected) in [
        ("ami-0000000a", "available"),
        ("ami-0000000b", "failed"),
        ("ami-0000000c", "failed"),
        ("ami-0000000d", "failed"),
    ] {
        let id = c
            .copy(source, &format!("copy of {source}"), "alias/good", &[])
            .one("imageId");
        seconds(&sim, 1000);
        assert_eq!(c.state(&id), expected, "{source}");
    }
}

#[test]
fn a_caller_may_need_actions_on_keys() {
    for (actions, expected) in [("[kms:CreateGrant]", "failed"), ("[]", "available")] {
        let text = yaml("", "", "")
            .replace("jitter: 0}", &format!("jitter: 0, keyActions: {actions}}}"))
            .replace(
                &format!("{{accessKey: {OWNER}, account: \"{ACCOUNT}\"}}"),
                &format!("{{accessKey: {OWNER}, account: \"{ACCOUNT}\", allow: [\"ec2:*\"]}}"),
            );
        let sim = world(&text);
        let c = client(&sim, OWNER);
        let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
        seconds(&sim, 1000);
        assert_eq!(c.state(&id), expected, "{actions}");
    }
}

#[test]
fn the_key_is_judged_when_the_copy_completes() {
    for (at_call, at_end, expected) in [("Enabled", "Disabled", "failed"), ("Disabled", "Enabled", "available")] {
        let sim = plain();
        let c = client(&sim, OWNER);
        let set = |state: &str| {
            sim.edit(Edit::SetKeyState {
                account: ACCOUNT.to_owned(),
                region: REGION.to_owned(),
                key: "alias/good".to_owned(),
                state: state.to_owned(),
            })
            .expect("the key is there");
        };
        set(at_call);
        let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
        seconds(&sim, 100);
        set(at_end);
        seconds(&sim, 1000);
        assert_eq!(c.state(&id), expected);
    }
}

#[test]
fn a_failed_copy_can_vanish_and_leave_its_snapshots() {
    let sim = world(&yaml("", "", "").replace("jitter: 0}", "jitter: 0, failed: vanish}"));
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/off", &[]).one("imageId");
    seconds(&sim, 1000);
    assert_eq!(c.images(&[("ImageId.1", &id)]), Vec::<String>::new());
    let left = c.ec2(
        "DescribeSnapshots",
        &[("Filter.1.Name", "status"), ("Filter.1.Value.1", "error")],
    );
    assert_eq!(left.all("snapshotId").len(), 1);
}

const MANY: &str = r#"
    - {name: "many-{n}", count: 25, id: "ami-{n}"}
    - {name: big, id: ami-0000000b, devices: [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}]}
    - {name: three, id: ami-0000000c, devices: [{}, {}, {}]}
"#;

fn many() -> String {
    MANY.replace("id: \"ami-{n}\"}", "tags: {many: \"yes\"}}")
}

#[test]
fn twenty_snapshots_are_copied_at_a_time_and_the_rest_refused() {
    let sim = world(&yaml("", &many(), ""));
    let c = client(&sim, OWNER);
    let sources = c
        .ec2(
            "DescribeImages",
            &[("Filter.1.Name", "tag:many"), ("Filter.1.Value.1", "yes")],
        )
        .all("imageId");
    let copy = |i: usize| c.copy(&sources[i], &format!("copy-{i}"), "alias/good", &[]);
    for i in 0..18 {
        assert_eq!(copy(i).code(), "OK");
    }
    let refused = c.copy("ami-0000000c", "three-copy", "alias/good", &[]);
    assert_eq!(refused.code(), "ResourceLimitExceeded");
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.one("Message"),
        "Too many snapshot copies in progress. The limit is 20 for this destination region."
    );
    assert_eq!(copy(18).code(), "OK");
    assert_eq!(copy(19).code(), "OK");
    assert_eq!(copy(20).code(), "ResourceLimitExceeded");
    seconds(&sim, 1000);
    assert_eq!(copy(20).code(), "OK", "there is room again");
    assert_eq!(
        c.copy("ami-0000000b", "big-copy", "alias/good", &[]).code(),
        "ResourceLimitExceeded"
    );
    seconds(&sim, 1000);
    assert_eq!(
        c.copy("ami-0000000b", "big-copy", "alias/good", &[]).code(),
        "OK",
        "an image of more snapshots than the limit goes alone"
    );
}

#[test]
fn beyond_the_limit_copies_can_queue() {
    let images = "    - {name: wide, id: ami-0000000d, devices: [{gib: 10}, {gib: 10}, {gib: 10}]}\n";
    let text = yaml("", images, "")
        .replace("jitter: 0}", "jitter: 0, beyondLimit: queue}")
        .replace(
            "  - name: eu-west-1\n",
            "  - name: eu-west-1\n    snapshotCopyLimit: 1\n",
        );
    let sim = world(&text);
    let c = client(&sim, OWNER);
    let id = c.copy("ami-0000000d", "copy", "alias/good", &[]).one("imageId");
    let second = c.copy(WEB, "web-copy", "alias/good", &[]);
    assert_eq!(second.code(), "OK");
    seconds(&sim, 599);
    assert_eq!(c.state(&id), "pending", "three in a row take 600 s");
    seconds(&sim, 1);
    assert_eq!(c.state(&id), "available");
    assert_eq!(c.state(&second.one("imageId")), "pending");
    seconds(&sim, 200);
    assert_eq!(c.state(&second.one("imageId")), "available");
}

#[test]
fn names_are_unique_and_stay_taken_for_a_while() {
    let sim = world(&yaml("names: {takenAfterDeregisterSeconds: 60}", "", ""));
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    let again = c.copy(WEB, "copy", "alias/good", &[]);
    assert_eq!(again.code(), "InvalidAMIName.Duplicate");
    assert!(again.one("Message").contains(&id));
    assert_eq!(c.ec2("DeregisterImage", &[("ImageId", &id)]).code(), "OK");
    assert_eq!(
        c.copy(WEB, "copy", "alias/good", &[]).code(),
        "InvalidAMIName.Duplicate"
    );
    seconds(&sim, 61);
    assert_eq!(c.copy(WEB, "copy", "alias/good", &[]).code(), "OK");
}

#[test]
fn the_same_token_gives_the_same_image_and_other_parameters_a_mismatch() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let token = [("ClientToken", "t-1")];
    let first = c.copy(WEB, "copy", "alias/good", &token).one("imageId");
    assert_eq!(c.copy(WEB, "copy", "alias/good", &token).one("imageId"), first);
    let other = c.copy(WEB, "copy-2", "alias/good", &token);
    assert_eq!(other.code(), "IdempotentParameterMismatch");
    let journal = sim.journal();
    let effects: Vec<bool> = journal.iter().map(|c| c.effect).collect();
    assert_eq!(effects, [true, false, false]);
}

#[test]
fn a_token_whose_copy_failed_still_gives_that_image() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let token = [("ClientToken", "t-1")];
    let first = c.copy(WEB, "copy", "alias/off", &token).one("imageId");
    seconds(&sim, 1000);
    assert_eq!(c.state(&first), "failed");
    assert_eq!(c.copy(WEB, "copy", "alias/off", &token).one("imageId"), first);
}

#[test]
fn tags_come_with_the_copy_as_asked_for() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let id = c
        .copy(
            WEB,
            "copy",
            "alias/good",
            &[
                ("CopyImageTags", "true"),
                ("TagSpecification.1.ResourceType", "image"),
                ("TagSpecification.1.Tag.1.Key", "team"),
                ("TagSpecification.1.Tag.1.Value", "mine"),
                ("TagSpecification.2.ResourceType", "snapshot"),
                ("TagSpecification.2.Tag.1.Key", "of"),
                ("TagSpecification.2.Tag.1.Value", WEB),
            ],
        )
        .one("imageId");
    let image = c.ec2("DescribeImages", &[("ImageId.1", &id)]);
    assert_eq!(image.all("key"), ["Name", "team"]);
    assert_eq!(image.all("value"), ["web", "mine"]);
    let snapshots = c.ec2(
        "DescribeSnapshots",
        &[("Filter.1.Name", "tag:of"), ("Filter.1.Value.1", WEB)],
    );
    assert_eq!(snapshots.all("snapshotId").len(), 1);
}

#[test]
fn bad_parameters_are_refused_by_code() {
    let long = "x".repeat(129);
    let text = "x".repeat(256);
    let key = "k".repeat(128);
    let sim = plain();
    let c = client(&sim, OWNER);
    let tag = |key: &'static str, value: &'static str| {
        vec![
            ("TagSpecification.1.ResourceType", "image"),
            ("TagSpecification.1.Tag.1.Key", key),
            ("TagSpecification.1.Tag.1.Value", value),
        ]
    };
    let mut cases = vec![
        ("ab", vec![], "InvalidAMIName.Malformed"),
        (long.as_str(), vec![], "InvalidAMIName.Malformed"),
        ("semi;colon", vec![], "InvalidAMIName.Malformed"),
        ("", vec![], "MissingParameter"),
        ("copy", vec![("Description", text.as_str())], "InvalidParameterValue"),
        ("copy", vec![("ClientToken", &long[..65])], "InvalidParameterValue"),
        ("copy", vec![("ClientToken", "ü")], "InvalidParameterValue"),
        ("copy", tag("aws:x", ""), "InvalidParameterValue"),
        (
            "copy",
            vec![
                ("TagSpecification.1.ResourceType", "image"),
                ("TagSpecification.1.Tag.1.Key", key.as_str()),
            ],
            "InvalidParameterValue",
        ),
        (
            "copy",
            vec![("TagSpecification.1.ResourceType", "volume")],
            "InvalidParameterValue",
        ),
        ("(Legal) [n] a.b/c-d'e@f_g", vec![("Description", &text[..255])], "OK"),
    ];
    for (name, more, code) in cases.drain(..) {
        let reply = c.copy(WEB, name, "alias/good", &more);
        assert_eq!(reply.code(), code, "{name} {more:?}");
    }
    let no_encryption = c.ec2(
        "CopyImage",
        &[
            ("SourceImageId", WEB),
            ("SourceRegion", REGION),
            ("Name", "copy"),
            ("KmsKeyId", "alias/good"),
        ],
    );
    assert_eq!(no_encryption.code(), "InvalidParameterDependency");
}

#[test]
fn sources_that_can_not_be_copied_are_refused_with_the_words_of_aws() {
    let images = r#"
    - {name: store, id: ami-0000000a, rootDeviceType: instance-store}
    - {name: disabled, id: ami-0000000b, state: disabled}
    - {name: unshared, id: ami-0000000c, devices: [{ownedBy: "222222222222", shared: false}]}
    - {name: shared, id: ami-0000000d, devices: [{ownedBy: "222222222222"}]}
    - {name: encrypted, id: ami-0000000e, encryptedUnder: alias/other}
    - {name: market, id: ami-0000000f, productCodes: [abc], public: true}
    - {name: closed, id: ami-000000aa, public: true}
"#;
    let sim = world(&yaml("", images, ""));
    let c = client(&sim, OWNER);
    let other = client(&sim, OTHER);
    assert_eq!(
        c.copy("ami-0000000a", "aaa", "alias/good", &[]).code(),
        "InvalidRequest"
    );
    assert_eq!(
        c.copy("ami-0000000b", "bbb", "alias/good", &[]).code(),
        "InvalidAMIID.Unavailable"
    );
    let unshared = c.copy("ami-0000000c", "ccc", "alias/good", &[]);
    assert_eq!(unshared.code(), "InvalidRequest");
    assert_eq!(
        unshared.one("Message"),
        "You do not have permission to access the storage of this ami"
    );
    assert_eq!(c.copy("ami-0000000d", "ddd", "alias/good", &[]).code(), "OK");
    let decrypt = c.ec2(
        "CopyImage",
        &[
            ("SourceImageId", "ami-0000000e"),
            ("SourceRegion", REGION),
            ("Name", "eee"),
            ("Encrypted", "false"),
        ],
    );
    assert_eq!(decrypt.code(), "InvalidParameterValue");
    assert_eq!(
        c.copy("ami-0000000f", "fff", "alias/good", &[]).code(),
        "OK",
        "its own owner may"
    );
    assert!(
        other
            .copy("ami-0000000f", "fff", "alias/good", &[])
            .one("Message")
            .contains("BillingProduct")
    );
    assert!(
        other
            .copy("ami-000000aa", "ggg", "alias/good", &[])
            .one("Message")
            .contains("storage of this ami")
    );
    assert_eq!(
        c.copy("ami-00000bad", "hhh", "alias/good", &[]).code(),
        "InvalidAMIID.NotFound"
    );
}

#[test]
fn without_a_key_the_default_key_is_used_and_made_on_demand() {
    let sim = world(&yaml(
        "",
        "    - {name: given, id: ami-0000000a, public: true, snapshotsSharedWith: [\"222222222222\"]}\n",
        "",
    ));
    let c = client(&sim, OTHER);
    let reply = c.ec2(
        "CopyImage",
        &[
            ("SourceImageId", "ami-0000000a"),
            ("SourceRegion", REGION),
            ("Name", "copy"),
            ("Encrypted", "true"),
        ],
    );
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    let snapshot = c.ec2("DescribeSnapshots", &[("Owner.1", "self")]);
    assert!(
        snapshot
            .one("kmsKeyId")
            .starts_with(&format!("arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:key/"))
    );
}

#[test]
fn deregistering_a_pending_copy_cancels_it_and_frees_its_place() {
    let sim = plain();
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    assert_eq!(c.ec2("DeregisterImage", &[("ImageId", &id)]).code(), "OK");
    let pending = c.ec2(
        "DescribeSnapshots",
        &[("Filter.1.Name", "status"), ("Filter.1.Value.1", "pending")],
    );
    assert_eq!(pending.all("snapshotId").len(), 0);
    seconds(&sim, 1000);
    assert_eq!(c.images(&[("ImageId.1", &id)]), Vec::<String>::new());
}

#[test]
fn a_pending_copy_may_hide_its_snapshots() {
    let sim = world(&yaml("", "", "").replace("jitter: 0}", "jitter: 0, mappingsWhilePending: withoutSnapshots}"));
    let c = client(&sim, OWNER);
    let id = c.copy(WEB, "copy", "alias/good", &[]).one("imageId");
    let show = || c.ec2("DescribeImages", &[("ImageId.1", &id)]).all("snapshotId").len();
    assert_eq!(show(), 0);
    seconds(&sim, 1000);
    assert_eq!(show(), 1);
}
